"""tarsier funcgraph: call trees. In the VMs, which have the tracer; kernels without it are asked for their message."""
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import PATIENCE, TARSIER

N = 200


@pytest.fixture(scope="module")
def tracefs():
    """Where tracefs is; mounted for this test when it is not."""
    for place in (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing")):
        if (place / "available_tracers").exists():
            yield place
            return
    place = Path("/sys/kernel/tracing")
    if subprocess.run(["mount", "-t", "tracefs", "t", place], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("tracefs cannot be mounted")
    yield place
    subprocess.run(["umount", place])


def tracers():
    answer = subprocess.run([TARSIER, "funcgraph", "vfs_read", "-D", "1", "-d", "1"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    return answer.returncode == 0, answer.stdout


HAS_TREES, SAID = tracers()
need_trees = pytest.mark.skipif(not HAS_TREES, reason="this kernel has no function_graph tracer")


@pytest.fixture
def funcgraph(trace):
    """Traces a workload from its start to its end."""

    def run(*words, work=None, while_running=None):
        session = trace.start_command("funcgraph", *words, *(["-p", work.pid] if work else []))
        session.wait_until(lambda: "Tracing calls" in session.stderr(), "tracing", 5 * PATIENCE)
        if while_running:
            while_running(session)
        if work:
            work.go()
            session.process.wait(5 * PATIENCE)
        return session.wait()

    return run


SETTINGS = ["set_graph_function", "set_graph_notrace", "max_graph_depth", "current_tracer", "tracing_on", "trace_clock",
            "set_event", "set_ftrace_filter", "set_ftrace_pid", "set_ftrace_notrace_pid", "options/function-fork"]


def state(tracefs):
    assert not os.listdir(tracefs / "instances")
    return {name: (tracefs / name).read_text() for name in SETTINGS}


def trees(text):
    """The calls of each root: [(level, name)...], from the text."""
    found = []
    for line in text.splitlines():
        call = re.match(r" +\d+\).*?\|  ( *)([\w.]+)(?: \[\w+\])?\(\)", line)
        if call:
            level = len(call[1]) // 2
            if level == 0:
                found.append([])
            found[-1].append((level, call[2]))
    return found


@pytest.mark.skipif(HAS_TREES, reason="this kernel has it")
def test_says_what_is_missing():
    assert "ERROR: this kernel has no function_graph tracer" in SAID
    assert "HINT: the system call is tracepoint:syscalls:sys_exit_read" in SAID


@need_trees
def test_exact_trees(funcgraph, workload, tracefs):
    before = state(tracefs)
    answer = funcgraph("ksys_write", "--only", "vfs_write", "--only", "*write_null", work=workload("vfs", N))
    assert state(tracefs) == before
    whole = [(0, "ksys_write"), (1, "vfs_write"), (2, "write_null")]
    found = trees(answer.stdout)
    assert len(found) == N + 1 and [tree for tree in found if tree != whole] == [whole[:2]]  # its "done"
    assert "WARNING" not in answer.stderr
    for call in re.findall(r"^ +\d+\) (.*)$", answer.stdout, re.M):
        assert re.match(r"[ +!#*@$] +[\d.]+ us +\|  +[\w.]+\(\)( \{|;)$|  +\|  +\}$", call), call


WRITES = ["ksys_write", "--only", "vfs_write", "--only", "*write_null"]


@need_trees
def test_depth(funcgraph, workload):
    assert trees(funcgraph(*WRITES, "-D", "2", work=workload("vfs", N)).stdout) == [[(0, "ksys_write"), (1, "vfs_write")]] * (N + 1)
    assert trees(funcgraph(*WRITES, "--depth", "1", work=workload("vfs", N)).stdout) == [[(0, "ksys_write")]] * (N + 1)


@need_trees
def test_left_out_by_name(funcgraph, workload):
    answer = funcgraph(*WRITES, "--not", "vfs_wri*", work=workload("vfs", N))
    assert trees(answer.stdout) == [[(0, "ksys_write")]] * (N + 1)


def below(calls):
    return [(call, below(call.get("calls", []))) for call in calls]


@need_trees
def test_json_and_the_least_time(funcgraph, workload):
    answer = funcgraph(*WRITES, "-f", "json", work=workload("vfs", N))
    found = [json.loads(line)["data"] for line in answer.stdout.splitlines()]
    assert len(found) == N + 1 and {tree["comm"] for tree in found} == {"vfs"}
    for tree in found:
        (root, [(inner, innermost)]), = below(tree["calls"])
        assert (root["function"], inner["function"], root["cpu"]) == ("ksys_write", "vfs_write", inner["cpu"])
        assert root["duration"] > inner["duration"] > sum(call["duration"] for call, _ in innermost) >= 0
        assert root["time"] < inner["time"] < root["time"] + root["duration"] + 10**6
    least = sorted(tree["calls"][0]["duration"] for tree in found)[N // 2]
    answer = funcgraph(*WRITES, "-f", "json", "--min", f"{least}ns", work=workload("vfs", N))
    shown = [call for line in answer.stdout.splitlines() for call in json.loads(line)["data"]["calls"]]
    assert 0 < len(shown) and all(call["duration"] >= least for call in shown)
    assert funcgraph(*WRITES, "--min", "20s", work=workload("vfs", N)).stdout == ""


@need_trees
def test_a_command_and_what_it_starts(funcgraph):
    answer = funcgraph("ksys_write", "-D", "1", "--task", "-c", "sh -c 'echo a; (echo b); echo c'")
    assert trees(answer.stdout) == [[(0, "ksys_write")]] * 3
    assert len(set(re.findall(r" sh-(\d+) ", answer.stdout))) == 2


@need_trees
def test_threads_by_name(trace, workload):
    session = trace.start_command("funcgraph", "ksys_read", "-D", "1", "--comm", "vf*", "-f", "json")
    session.wait_until(lambda: "Tracing calls" in session.stderr(), "tracing", 5 * PATIENCE)
    vfs, calls = workload("vfs", N), workload("calls", N)
    vfs.go()
    calls.go()
    answer = session.finish()
    found = [json.loads(line)["data"]["comm"] for line in answer.stdout.splitlines()]
    assert set(found) == {"vfs"} and len(found) >= N


@need_trees
def test_every_event_is_accounted_for(funcgraph, workload):
    """With far too little room: what is shown, what is left out and what is lost add up to what happened."""
    many = 20 * N
    answer = funcgraph(*WRITES, "-b", "8", "-f", "json", work=workload("vfs", many))
    lost = sum(map(int, re.findall(r"WARNING: CPU \d+ lost (\d+) events", answer.stderr)))
    left_out = sum(map(int, re.findall(r"WARNING: (\d+) events are left out", answer.stderr)))

    def events(calls):
        return sum(("time" in call) + ("duration" in call) + events(call.get("calls", [])) for call in calls)

    shown = sum(events(json.loads(line)["data"]["calls"]) for line in answer.stdout.splitlines())
    assert lost > 0 and shown > 0
    assert shown + left_out + lost == 6 * many + 4


def start(trace, *words):
    session = trace.start_command("funcgraph", *words)
    session.wait_until(lambda: "Tracing calls" in session.stderr(), "tracing", 5 * PATIENCE)
    return session


def wait_for(condition, what):
    end = time.monotonic() + 2 * PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@need_trees
def test_killed_it_leaves_nothing(trace, tracefs):
    before = state(tracefs)
    start(trace, *WRITES, "--not", "write_null").kill()
    wait_for(lambda: not os.listdir(tracefs / "instances"), "the instance stays")
    assert state(tracefs) == before


@need_trees
def test_killed_at_any_moment(trace, tracefs):
    before = state(tracefs)
    for _ in range(6):
        session = trace.start_command("funcgraph", *WRITES, "-d", "1")
        time.sleep(random.random())
        session.kill()
        wait_for(lambda: not os.listdir(tracefs / "instances"), "the instance stays")
        assert state(tracefs) == before


def watchdog(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if Path(f"/proc/{child}/comm").read_text() == "tarsier-cleanup\n"][0]


@need_trees
@pytest.mark.parametrize("own_death", [True, False])
def test_a_killed_watchdog(trace, tracefs, own_death):
    before = state(tracefs)
    session = start(trace, *WRITES)
    os.kill(watchdog(session.pid), signal.SIGKILL)
    if own_death:
        session.kill()
        assert os.listdir(tracefs / "instances")  # nobody is left to remove it, until the next run
        assert start(trace, "ksys_write", "-D", "1").finish().code == 0
    else:
        assert session.finish().code == 0
    assert state(tracefs) == before


@need_trees
def test_others_are_not_disturbed(trace, tracefs):
    filters = tracefs / "set_graph_function"
    filters.write_text("vfs_fsync\n")
    try:
        answer = trace.command("funcgraph", "vfs_read", "-d", "1")
        assert answer.code != 0 and "someone else uses the kernel's tracers: a filter of call trees is set" in answer.stderr
        assert "echo > /sys/kernel/tracing/set_graph_function" in answer.stderr
        assert filters.read_text() == "vfs_fsync\n" and not os.listdir(tracefs / "instances")
    finally:
        filters.write_text("")
    first = start(trace, *WRITES)
    answer = trace.command("funcgraph", "vfs_read", "-d", "1")
    assert answer.code != 0 and "only one can trace call trees at a time" in answer.stderr
    assert filters.read_text() == "ksys_write\n"
    assert first.finish().code == 0


@need_trees
@pytest.mark.parametrize("words, message", [
    (["no_such_function"], 'this kernel traces no function "no_such_function"'),
    (["libc:malloc"], "is no function of the kernel"),
    ([], "funcgraph wants FUNCTION, or -p, -t or -c"),
    (["vfs_read", "-p", "4194000"], "there is no process with id 4194000"),
    (["vfs_read", "-c", "/no/such/program"], "cannot run /no/such/program"),
    (["vfs_read", "--min", "soon"], '"soon" is not a time'),
])
def test_wrong_words(trace, tracefs, words, message):
    answer = trace.command("funcgraph", *words)
    assert answer.code != 0 and message in answer.stderr
    assert not os.listdir(tracefs / "instances")
