"""What a message says besides the error itself: what to do instead."""
import json

import pytest


@pytest.mark.parametrize("probe, error, hint", [
    ("k:tcp_no_such_function", "No matches for kprobe tcp_no_such_function.", "-l 't:*tcp*'"),
    ("U:/bin/sh:x", "No matches for usdt /bin/sh:x", "no usdt probes"),
    ("uprob:/bin/sh:x", "Invalid probe type: uprob", "did you mean uprobe?"),
    ("rt:sched:sched_switch", "No matches for rawtracepoint sched:sched_switch", "a module, not a system"),
])
def test_probes_that_are_not_there(trace, probe, error, hint):
    answer = trace(f"{probe} {{ exit(); }}")
    assert answer.code == 1 and error in answer.stderr and hint in answer.stderr.split("HINT: ")[1]


def test_names_are_suggested_once(trace, workload):
    path = workload("functions", 1, "0").path.parent / "libfixture.so"
    hint = trace(f"uprobe:{path}:fixture_txt {{ }}").stderr.split("HINT: did you mean ")[1]
    assert hint.startswith("fixture_text") and hint.count("fixture_text") == 1


@pytest.mark.parametrize("pattern", ["rt:sched_switch", "rt:vmlinux:sched_switch", "rawtracepoint:*:sched_switch"])
def test_raw_tracepoints_are_listed_by_pattern(trace, pattern):
    assert trace.command("-l", pattern).stdout in ("rawtracepoint:vmlinux:sched_switch\n", "rawtracepoint:sched_switch\n")


def test_listing_without_a_provider_says_how(trace):
    answer = trace.command("-l", "sched_switch")
    assert answer.code == 1 and "-l '*sched_switch*'" in answer.stderr


def test_types_are_listed(trace):
    answer = trace.command("-lv", "struct path")
    assert answer.stdout == "vmlinux: struct path {\n    struct vfsmount * mnt;\n    struct dentry * dentry;\n}\n"


def test_types_are_listed_by_pattern(trace):
    lines = trace.command("-l", "struct *_struct").lines()
    assert "vmlinux: struct task_struct" in lines and "vmlinux: struct mm_struct" in lines


def test_command_that_is_not_there_is_the_only_message(trace):
    answer = trace('begin { printf("x\\n"); }', "-c", "no-such-program-anywhere")
    assert answer.code == 1 and answer.stdout == ""
    assert answer.stderr == "ERROR: cannot run no-such-program-anywhere: No such file or directory\n"


def test_json_begins_with_the_number_of_probes(trace):
    answer = trace('begin { printf("x\\n"); exit(); } interval:s:100 { }', "-f", "json")
    kinds = [json.loads(line)["type"] for line in answer.lines()]
    assert kinds == ["attached_probes", "printf"]
