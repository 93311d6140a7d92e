"""Modes of stacks and the config block."""
import re

GETPPID = "tracepoint:syscalls:sys_enter_getppid"


def stack_of(trace, workload, program):
    calls = workload("calls", 1)
    answer = trace(program.replace("PROBE", f"{GETPPID} /pid == {calls.pid}/"), run=calls)
    return [line for line in answer.stdout.split("\n") if line]


def test_perf_mode_shows_addresses_and_names(trace, workload):
    frames = stack_of(trace, workload, "PROBE { print(kstack(perf, 2)); }")
    assert len(frames) == 2 and all(re.fullmatch(r"\t[0-9a-f]{16} \w+\+\d+", frame) for frame in frames)


def test_raw_mode_shows_addresses_alone(trace, workload):
    frames = stack_of(trace, workload, "PROBE { print(kstack(raw, 2)); }")
    assert len(frames) == 2 and all(re.fullmatch("[0-9a-f]{16}", frame) for frame in frames)


def test_raw_mode_of_a_key(trace, workload):
    lines = stack_of(trace, workload, "PROBE { @[ustack(raw, 1)] = count(); }")
    assert lines[0] == "@[" and re.fullmatch("[0-9a-f]+", lines[1]) and lines[2] == "]: 1"
