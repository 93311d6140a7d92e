"""Help, manual pages and completion: every row of the tables is in them, and the tools that read them take them."""
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, TARSIER

ROWS = re.findall(r'^OPTION\((\w+), (?:\'(\w)\'|0), "([^"]*)", (?:"([^"]*)"|NULL), "((?:[^"\\]|\\.)*)"\)$',
                  (ROOT / "src/cli/options.def").read_text(), re.M)
PAGES = ["tarsier", "fmt", "language"]
SHELLS = ["bash", "zsh", "fish"]


def tarsier(*arguments):
    return subprocess.run([TARSIER, *arguments], capture_output=True, text=True, timeout=60)


def test_the_table_is_read_whole():
    assert len(ROWS) == (ROOT / "src/cli/options.def").read_text().count("\nOPTION(") > 30


def spelling(letter, name, argument):
    """As in the help text: "-p, --pid PID"."""
    words = [f"-{letter}"] * bool(letter) + [f"--{name}"] * bool(name)
    return ", ".join(words) + (f" {argument}" if argument else "")


@pytest.fixture(scope="module")
def texts():
    commands = {"help": ["--help"], "options": ["help", "options"], "man": ["man"], **{s: ["completion", s] for s in SHELLS}}
    return {what: subprocess.run([TARSIER, *words], capture_output=True, text=True, check=True).stdout
            for what, words in commands.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_option_is_everywhere(texts, row):
    _, letter, name, argument, text = row
    text = text.replace('\\"', '"')
    line = rf"^    {re.escape(spelling(letter, name, argument))}\s+{re.escape(text)}$"
    assert re.search(line, texts["options"], re.M)
    assert bool(re.search(line, texts["help"], re.M)) == (not text.startswith("no effect"))
    page = texts["man"].replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'").replace("\\(ga", "`")
    assert f".TP\n.B {spelling(letter, name, argument)}\n{text}\n" in page
    for shell, short, long in (("bash", f"-{letter}", f"--{name}"), ("zsh", f"-{letter}[,[]", f"--{name}[}}[]"),
                               ("fish", f"-s {letter} ", f"-l {name} ")):
        assert not letter or re.search(short if shell == "zsh" else re.escape(short), texts[shell]), (shell, letter)
        assert not name or re.search(long if shell == "zsh" else re.escape(long), texts[shell]), (shell, name)


# ---- help --------------------------------------------------------------------------------------------------------------

def names(path, macro):
    return re.findall(rf"^{macro}\((\w+),", (ROOT / "src/lang" / path).read_text(), re.M)


def kinds():
    return sorted({name for path in (ROOT / "src/probe").glob("*.c")
                   for name in re.findall(r'probe_kind_\w+ = \{\s*\.name = "(\w+)"', path.read_text())})


@pytest.mark.parametrize("topic", sorted({*names("functions.def", "FUNCTION"), *names("builtins.def", "BUILTIN"), *kinds()}))
def test_the_manual_has_a_row_for(topic):
    """docs/language.md is what help shows: a signature or a type, and below it what it means."""
    answer = tarsier("help", topic)
    assert answer.returncode == 0 and re.search(rf"^[^\n]*\b{topic}\b[^\n]*\n    \w", answer.stdout, re.M), answer.stdout


@pytest.mark.parametrize("topic, expected", [
    ("str()", "the text there"), ("u", "uprobe:BINARY:FUNCTION"), ("max_strlen", "2 to 16384 bytes"), ("fmt", "--in-place"),
    ("dry-run", "attach, then leave"), ("maps", "Maps and how they are kept"), ("system", "Needs --unsafe."),
])
def test_topics(topic, expected):
    assert expected in tarsier("help", topic).stdout


def test_unknown_topics_have_a_neighbour():
    answer = tarsier("help", "strftme")
    assert (answer.returncode, answer.stdout) == (1, "") and "did you mean strftime?" in answer.stderr


# ---- manual pages ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("page", PAGES)
def test_manual_page_has_no_bare_quotes(page):
    """roff drops a double quote at the beginning of a word and turns a single one into a typographic sign."""
    lines = [line for line in tarsier("man", page).stdout.splitlines() if not line.startswith(".TH ")]
    assert lines and not [line for line in lines if '"' in line or "'" in line]


@pytest.mark.skipif(not shutil.which("groff") or not shutil.which("man"), reason="no man here")
@pytest.mark.parametrize("page", PAGES)
def test_man_takes_the_page(page, tmp_path):
    path = tmp_path / "page.1"
    path.write_text(tarsier("man", page).stdout)
    answer = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path], capture_output=True, text=True,
                            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANROFFSEQ": ""})
    assert answer.returncode == 0 and answer.stdout and answer.stderr == ""


# ---- completion --------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
@pytest.mark.parametrize("words, answer", [
    ("tarsier --for", "--format"), ("tarsier -f j", "json"), ("tarsier hel", "help"), ("tarsier help strft", "strftime"),
    ("tarsier man lang", "language"), ("tarsier completion z", "zsh"), ("tarsier fmt --ch", "--check"), ("tarsier --mode b", "bench"),
])
def test_completion_in_bash(texts, words, answer):
    ask = texts["bash"] + f"\nCOMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; _tarsier; echo \"${{COMPREPLY[@]}}\"\n"
    done = subprocess.run(["bash"], input=ask, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{answer}\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script_that_the_shell_takes(texts, shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    path = tmp_path / "completion"
    path.write_text(texts[shell])
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
