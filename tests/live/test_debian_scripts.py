"""The scripts of Debian's bpftrace package run unchanged. They are read where the package puts them."""
import re
from pathlib import Path

import pytest

SCRIPTS = sorted(Path("/usr/sbin").glob("*.bt"))

# What a script may need that is not there, and how that is seen in its text.
NOT_THERE = [
    (r"^k(ret)?(probe|func):", "kernel-function probes"),
    (r"\b(ntop|join|cat|system|strftime|buf|kaddr|reg|macaddr|cgroupid)\s*\(", "function {}"),
]
# Fields that newer kernels no longer have under this name: no tool can run such a script there.
FIELDS_GONE = {"runqlen": "nr_running"}  # nr_queued since 6.14


def missing(text):
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    for pattern, reason in NOT_THERE:
        found = re.search(pattern, code, re.M)
        if found:
            return reason.format(found.group(1))
    return None


def test_the_package_is_installed():
    if not SCRIPTS:
        pytest.skip("bpftrace's scripts are not installed")
    assert len(SCRIPTS) > 30


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_attaches(trace, script):
    reason = missing(script.read_text())
    if reason:
        pytest.skip(f"needs {reason}")
    answer = trace.command("--dry-run", script)
    if answer.code and re.search(r"No such file|does not exist|No matches for uprobe|not found.*lib", answer.stderr):
        pytest.skip("the program it traces is not installed")
    if f"does not contain a field named '{FIELDS_GONE.get(script.stem)}'" in answer.stderr:
        pytest.skip("this kernel has no such field any more")
    assert answer.code == 0 and "Attached" in answer.stderr, answer.stderr
