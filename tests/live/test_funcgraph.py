"""tarsier funcgraph: call trees. In the VMs, which have the tracer; kernels without it are asked for their message."""
import os
import re
import subprocess
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
