"""Every row of src/cli/options.def is in the help text, the manual page and the completion."""
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, TARSIER

ROWS = re.findall(r'^OPTION\((\w+), (?:\'(\w)\'|0), "([^"]*)", (?:"([^"]*)"|NULL), "((?:[^"\\]|\\.)*)"\)$',
                  (ROOT / "src/cli/options.def").read_text(), re.M)


def test_the_table_is_read_whole():
    assert len(ROWS) == (ROOT / "src/cli/options.def").read_text().count("\nOPTION(") > 20


def spelling(letter, name, argument):
    """As in the help text: "-p, --pid PID"."""
    words = [f"-{letter}"] * bool(letter) + [f"--{name}"] * bool(name)
    return ", ".join(words) + (f" {argument}" if argument else "")


@pytest.fixture(scope="module")
def texts():
    return {what: subprocess.run([TARSIER, f"--{what}"], capture_output=True, text=True, check=True).stdout
            for what in ("help", "man", "completion")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_option_is_everywhere(texts, row):
    _, letter, name, argument, text = row
    text = text.replace('\\"', '"')
    assert re.search(rf"^    {re.escape(spelling(letter, name, argument))} +{re.escape(text)}$", texts["help"], re.M)
    page = texts["man"].replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'").replace("\\(ga", "`")
    assert f".TP\n.B {spelling(letter, name, argument)}\n{text}\n" in page
    words = texts["completion"].split()
    assert not letter or f"-{letter}" in words or f"'-{letter}" in words
    assert not name or f"--{name}" in words


def test_manual_page_has_no_bare_quotes(texts):
    """roff drops a double quote at the beginning of a word and turns a single one into a typographic sign."""
    lines = [line for line in texts["man"].splitlines() if not line.startswith(".TH ")]
    assert not [line for line in lines if '"' in line or "'" in line]


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_completion_is_a_script_that_bash_takes(texts):
    ask = texts["completion"] + '\nCOMP_WORDS=(tarsier --for); COMP_CWORD=1; _tarsier; echo "${COMPREPLY[@]}"\n' \
        "COMP_WORDS=(tarsier -f j); COMP_CWORD=2; _tarsier; echo \"${COMPREPLY[@]}\"\n"
    answer = subprocess.run(["bash"], input=ask, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("--format\njson\n", "")
