"""Questions about functions without a program: tarsier funccount and its like."""
import re
import subprocess

import pytest

from conftest import TARSIER
from test_kernel_functions import need_some

N = 500


@pytest.fixture
def library(workload):
    """A program that calls f7 N times, and the library that f7 is in."""
    functions = workload("functions", N, "7")
    return functions, functions.path.parent / "libfixture.so"


def ask(trace, workload, *words):
    session = trace.start_command(*words).wait_attached()
    workload.go()
    answer = session.finish()
    assert answer.code == 0, answer.stderr
    return answer


def test_funccount(trace, library):
    functions, path = library
    answer = ask(trace, functions, "funccount", "-p", functions.pid, f"{path}:f7")
    assert list(answer.keyed().values()) == [N]


def test_funclatency(trace, library):
    functions, path = library
    answer = ask(trace, functions, "funclatency", "-p", functions.pid, f"{path}:f7")
    assert sum(answer.buckets().values()) == N and f".count = {N}," in answer.stdout


def test_funcslower(trace, library):
    functions, path = library
    if "bpf_get_func_ip in uretprobes: yes" not in trace.command("info").stdout:
        pytest.skip("func in a uretprobe needs Linux 6.6")
    answer = ask(trace, functions, "funcslower", "-p", functions.pid, "-l", 1, f"{path}:f*")
    assert answer.lines()[0].split() == ["COMM", "PID", "LAT(us)", "RVAL", "FUNC"]


def test_trace(trace, library):
    functions, path = library
    answer = ask(trace, functions, "trace", "-p", functions.pid, f'{path}:f7 (arg0 < 3) "a %d, b %d", arg0, arg1')
    rows = [line.split(None, 4) for line in answer.lines()[1:]]
    assert [row[4] for row in rows] == ["a 0, b 10", "a 1, b 10", "a 2, b 10"]
    assert {row[0] for row in rows} == {str(functions.pid)}


def test_argdist(trace, library):
    functions, path = library
    answer = ask(trace, functions, "argdist", "-p", functions.pid, f"{path}:f7", "arg1", "arg0 % 2 == 0")
    assert answer.keyed() == {"10": N // 2}


def test_argdist_of_results(trace, workload):
    functions = workload("functions", N, "7")
    path = functions.path.parent / "libfixture.so"
    answer = ask(trace, functions, "argdist", "-H", "-p", functions.pid, f"{path}:f7", "retval")
    assert sum(answer.buckets().values()) == N


def test_functrace_and_duration(trace, library):
    functions, path = library
    session = trace.start_command("functrace", "-p", functions.pid, "-d", 30, f"{path}:f7").wait_attached()
    functions.go()
    lines = session.finish().lines()
    assert len(lines) == N and re.match(rf" *functions-{functions.pid} +\[\d+\] +\d+\.\d{{6}}: ", lines[0])


@pytest.mark.parametrize("words, program", [
    (["funccount", "vfs_*"], "kprobe:vfs_* { @[func] = count(); }\n"),
    (["funccount", "t:sched:*"], "tracepoint:sched:* { @[probe] = count(); }\n"),
    (["stackcount", "vfs_read"], "kprobe:vfs_read { @[kstack] = count(); }\n"),
    (["stackcount", "-K", "-U", "libc:malloc"], "uprobe:libc:malloc { @[kstack, ustack, comm] = count(); }\n"),
    (["argdist", "vfs_read", "retval"], "kretprobe:vfs_read { @[retval] = count(); }\n"),
])
def test_the_program_can_be_seen(words, program):
    answer = subprocess.run([TARSIER, *words, "--show"], stdout=subprocess.PIPE, text=True)
    assert answer.returncode == 0 and answer.stdout == program


@pytest.mark.parametrize("words, message", [
    (["funccount"], "funccount wants FUNCTION..."),
    (["funclatency", "t:sched:sched_switch"], "is no function: it does not return"),
    (["argdist", "vfs_read"], "argdist wants FUNCTION EXPRESSION [FILTER]"),
    (["trace", "vfs_read (arg0"], "a parenthesis is not closed"),
    (["trace", "vfs_read arg0"], "a filter in parentheses or a format in quotes"),
    (["funccount", "-d", "x", "vfs_read"], '"x" is not a number'),
    (["probe-info"], "wants the name of a function"),
])
def test_what_is_wrong_is_said(words, message):
    answer = subprocess.run([TARSIER, *words], stderr=subprocess.PIPE, text=True)
    assert answer.returncode == 1 and message in answer.stderr


def test_probe_info():
    answer = subprocess.run([TARSIER, "probe-info", "vfs_read"], stdout=subprocess.PIPE, text=True).stdout
    assert "    struct file * file" in answer and re.search(r"^fentry +(yes, by|no: )", answer, re.M)
    answer = subprocess.run([TARSIER, "probe-info", "__x64_sys_getppid"], stdout=subprocess.PIPE, text=True).stdout
    assert re.search("^kprobe +yes, by a (kprobe|tracepoint)", answer, re.M)


@need_some
def test_functions_of_the_kernel(trace, workload):
    vfs = workload("vfs", N)
    assert ask(trace, vfs, "funccount", "-p", vfs.pid, "vfs_*").keyed()["vfs_read"] >= N
    vfs = workload("vfs", N)
    answer = ask(trace, vfs, "funclatency", "-u", "-p", vfs.pid, "vfs_write")
    assert sum(answer.buckets().values()) == N + 1
