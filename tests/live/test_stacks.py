"""Stacks are kept once each, by id: what happens when there are many, few or none."""
import re

import pytest

pytestmark = pytest.mark.machine
GETPPID = "tracepoint:syscalls:sys_enter_getppid"


def test_equal_stacks_are_one_key(trace, workload):
    calls = workload("calls", 1000)
    answer = trace(f"{GETPPID} /pid == {calls.pid}/ {{ @[kstack] = count(); @n = sum(len(kstack) > 0); }}", run=calls)
    assert len(re.findall(r"^\]: 1000$", answer.stdout, re.M)) == 1 and answer.value("@n") == 1000


def test_stacks_of_several_depths_in_one_variable(trace):
    answer = trace("begin { $s = kstack(2); @short = $s; if (pid) { $s = kstack(3); } @long = $s; }")
    assert len(answer.stdout.split("@short:")[1].split()) in (2, 3)
    assert "__sys_bpf" in answer.stdout and answer.stderr.count("WARNING") == 0


def test_a_full_table_is_told(trace, workload):
    functions = workload("functions", 1, "1", "2")
    path = functions.path.parent / "libfixture.so"
    answer = trace(f"config = {{ max_stacks = 1 }} uprobe:{path}:f* /pid == {functions.pid}/ {{ @[ustack] = count(); }}",
                   run=functions)
    assert re.search(r"WARNING: \d+ stacks show no frames: more than 1 different ones were met", answer.stderr)
    assert "max_stacks = 4" in answer.stderr


def test_no_frames_is_an_empty_stack(trace):
    answer = trace("begin { @ = 1; } interval:ms:10 { @u[ustack(1)] = 1; exit(); }")
    assert answer.code == 0
