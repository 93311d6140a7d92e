"""tarsier fmt: never another meaning, the same text the second time, files kept whole."""
import glob
import os
import subprocess

import pytest

from conftest import TARSIER

UGLY = '// head\nbegin{@x=1;print( @x )}\n'
NEAT = '// head\nbegin { @x = 1; print(@x) }\n'
SCRIPTS = glob.glob("/usr/sbin/*.bt")


def tarsier(*arguments, text=None):
    done = subprocess.run([TARSIER, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_standard_input_to_standard_output():
    assert tarsier("fmt", text=UGLY) == (0, NEAT, "")
    assert tarsier("--fmt", "-e", UGLY) == (0, NEAT, "")
    assert tarsier("--mode", "format", "-", text=UGLY) == (0, NEAT, "")


def test_in_place_keeps_mode_and_links(tmp_path):
    path, link = tmp_path / "a.bt", tmp_path / "link.bt"
    path.write_text(UGLY)
    path.chmod(0o751)
    link.symlink_to(path)
    assert tarsier("fmt", "-i", link) == (0, "", "")
    assert path.read_text() == NEAT and path.stat().st_mode & 0o7777 == 0o751 and link.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["a.bt", "link.bt"]


def test_check_names_what_is_not_formatted(tmp_path):
    ugly, neat = tmp_path / "ugly.bt", tmp_path / "neat.bt"
    ugly.write_text(UGLY)
    neat.write_text(NEAT)
    assert tarsier("fmt", "--check", neat) == (0, "", "")
    assert tarsier("fmt", "--check", ugly, neat) == (1, f"{ugly}\n", "")
    assert ugly.read_text() == UGLY


def test_programs_with_errors_stay_as_they_are(tmp_path):
    path = tmp_path / "wrong.bt"
    path.write_text("begin { print( }\n")
    code, out, err = tarsier("fmt", "-i", path)
    assert code == 1 and out == "" and "ERROR:" in err and path.read_text() == "begin { print( }\n"


def test_parameters_in_attach_points():
    assert tarsier("fmt", text="uprobe:$1:$2{ }\n") == (0, "uprobe:$1:$2 { }\n", "")


@pytest.mark.skipif(not SCRIPTS, reason="Debian's bpftrace is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=os.path.basename)
def test_trees_of_debians_scripts(script, tmp_path):
    code, once, err = tarsier("fmt", script)
    assert (code, err) == (0, "")
    assert tarsier("fmt", text=once) == (0, once, "")
    path = tmp_path / os.path.basename(script)
    path.write_text(once)
    trees = [tarsier("-d", "ast", file)[1] for file in (script, path)]
    assert trees[0].strip() and trees[0] == trees[1]
