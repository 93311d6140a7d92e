"""Helper calls on the way of an event, kept from growing: a call that the kernel does not inline costs about 20 ns, an
instruction almost nothing.

One row per program of each script of bench/scripts.py and kernel series in calls/SERIES.txt: the most helper calls that one
run can make on any path (of a loop's body: in one round), then program and script. A row that grows fails. UPDATE_CALLS=1
writes the table of the kernel this runs on.
"""
import os
import platform
import re
import sys
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True
from scripts import SCRIPTS  # noqa: E402

SERIES = ".".join(platform.release().split(".")[:2])
TABLE = Path(__file__).parent / "calls" / f"{SERIES}.txt"


def known():
    if not TABLE.exists():
        return {}
    rows = (line.split(None, 1) for line in TABLE.read_text().splitlines())
    return {name: int(count) for count, name in rows}


def most_calls(code):
    """{"main": 5, "for": 2}: the longest way through each function, in helper calls. `code`: {number: text}."""
    functions, most = {}, {}
    for number, text in sorted(code.items(), reverse=True):
        target = re.search(r"goto pc\+(\d+)", text)
        ways = []
        if text.startswith("(95)"):
            ways = [0]
        elif target and text.startswith("(05)"):
            ways = [most[number + 1 + int(target[1])]]
        else:
            after = number + (2 if text.startswith("(18)") else 1)
            ways = [most[after]] + ([most[number + 1 + int(target[1])]] if target else [])
        most[number] = max(ways) + (" call " in text)
    return most


def programs(text):
    """(name, {function: most calls}) of each program of `-d bpf`."""
    for part in re.split(r"^# ", text, flags=re.M)[1:]:
        name, body = part.split("\n", 1)
        starts, code, label = {}, {}, None
        for line in body.splitlines():
            if match := re.match(r"^(\S.*):$", line):
                label = match[1]
            elif match := re.match(r"^ *(\d+): (.*)$", line):
                code[int(match[1])] = match[2]
                if label:
                    starts[label if label not in starts else f"{label} {len(starts)}"] = int(match[1])
                    label = None
        most = most_calls(code)
        yield name, {function: most[start] for function, start in starts.items()}


@pytest.fixture(scope="module")
def counted():
    counts = {}
    yield counts
    if os.environ.get("UPDATE_CALLS"):
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text("".join(f"{count:3} {name}\n" for name, count in counts.items()))


@pytest.mark.parametrize("script", SCRIPTS)
def test_helper_calls_do_not_grow(trace, counted, script):
    answer = trace.command("-d", "bpf", "-e", SCRIPTS[script])
    assert answer.code == 0, answer.stderr
    before, found = known(), {}
    for name, functions in programs(answer.stdout):
        for function, count in functions.items():
            found[f"{script}: {name.removeprefix('tracepoint:syscalls:')} {function}"] = count
    assert found, answer.stdout
    counted.update(found)
    for row, count in found.items():
        if row in before and not os.environ.get("UPDATE_CALLS"):
            assert count <= before[row], f"{row}: {before[row]} helper calls before, {count} now"
