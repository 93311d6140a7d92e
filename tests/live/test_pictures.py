"""Profiles as files: tarsier flame, and what other programs make of each format."""
import subprocess

import pytest

from conftest import TARSIER

STACKS = "app;main;read;vfs_read_[k] 3\napp;main 2\napp;main;jitted_[j] 4\n"


def tarsier(*arguments, text=None):
    done = subprocess.run([TARSIER, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def flame(text, ending, *arguments, tmp_path):
    """The bytes of the file that `tarsier flame` makes of folded stacks."""
    out = tmp_path / f"out{ending}"
    code, stdout, stderr = tarsier("flame", "-", "-o", out, *arguments, text=text)
    assert (code, stdout, stderr) == (0, "", "")
    return out.read_bytes()


# ---- folded --------------------------------------------------------------------------------------------------------


def test_folded_is_read_and_written(tmp_path):
    assert flame(STACKS, ".folded", tmp_path=tmp_path).decode() == "".join(sorted(STACKS.splitlines(True)))


def test_the_same_stack_twice_adds_up(tmp_path):
    assert flame("a;b 3\na;b 4\na 1.5\n", ".folded", tmp_path=tmp_path) == b"a 2\na;b 7\n"


def test_a_stack_that_was_cut_says_so(tmp_path):
    text = "[cut: no unwind information];f 7\n"
    assert flame(text, ".folded", tmp_path=tmp_path).decode() == text


@pytest.mark.parametrize("text, told", [
    ("a;b 1\na;b\n", "line 2: no number of samples behind the stack"),
    ("a;b 1\na;b x1\n", "line 2: no number"),
    ("a 999999999999999999\n" * 5, "line 5: the numbers are too large"),
    ("a;" * 70000 + "b 1\n", "line 1: more frames than any stack has"),
    ("a;b 0\n", "there are no stacks in it"),
    ("some text\n", "holds no profile of a known format"),
    ("", "standard input is empty"),
    ("a\0b 1\n", "holds no profile of a known format"),
], ids=["no-number", "no-digits", "overflow", "depth", "zero", "other", "empty", "binary"])
def test_what_is_no_folded_text_is_told(text, told, tmp_path):
    code, out, err = tarsier("flame", "-", "-o", tmp_path / "x.folded", text=text)
    assert code == 1 and out == "" and told in err
    assert not (tmp_path / "x.folded").exists()


# ---- the command ---------------------------------------------------------------------------------------------------


def test_an_unknown_ending_names_those_that_are_known(tmp_path):
    code, out, err = tarsier("flame", "-", "-o", tmp_path / "x.png", text=STACKS)
    assert code == 1 and ".folded" in err and not (tmp_path / "x.png").exists()


def test_a_file_that_can_not_be_read(tmp_path):
    assert tarsier("flame", tmp_path / "none", "-o", tmp_path / "x.folded")[::2] == (
        1, f"ERROR: cannot read {tmp_path}/none: No such file or directory\n")
    assert "Is a directory" in tarsier("flame", tmp_path, "-o", tmp_path / "x.folded")[2]


def test_a_file_that_can_not_be_written():
    code, _, err = tarsier("flame", "-", "-o", "/dev/full.folded/x.folded", text=STACKS)
    assert code == 3 and "cannot write" in err
    assert subprocess.run(f"echo 'a 1' | {TARSIER} flame - -o /proc/self/x.folded", shell=True,
                          capture_output=True).returncode == 3
