"""N events give N: every kind of probe, from one CPU and from both."""
import pytest

from conftest import FIXTURES

N = 3000
GETPPID = "tracepoint:syscalls:sys_enter_getppid"
SYSCALL_GETPPID = 110  # x86-64


def test_tracepoint(trace, workload):
    calls = workload("calls", N)
    assert trace(f"{GETPPID} /pid == {calls.pid}/ {{ @ = count(); }}", run=calls).value() == N


def test_tracepoint_exit(trace, workload):
    calls = workload("calls", N)
    answer = trace(f"tracepoint:syscalls:sys_exit_getppid /pid == {calls.pid}/ {{ @[args.ret > 0] = count(); }}", run=calls)
    assert sum(answer.keyed().values()) == N and len(answer.keyed()) == 1


def test_tracepoint_that_is_no_syscall(trace, workload):
    forker = workload("forker", 20)
    answer = trace(f"tracepoint:sched:sched_process_fork /pid == {forker.pid}/ {{ @ = count(); }}", run=forker)
    assert answer.value() == 20


def test_rawtracepoint(trace, workload):
    calls = workload("calls", N)
    answer = trace(f"rawtracepoint:sys_enter /pid == {calls.pid} && arg1 == {SYSCALL_GETPPID}/ {{ @ = count(); }}", run=calls)
    assert answer.value() == N


@pytest.mark.parametrize("target", ["functions", "functions-static"])
def test_uprobe(trace, workload, target):
    functions = workload(target, N, "7", "8")
    path = functions.path if target.endswith("static") else functions.path.parent / "libfixture.so"
    answer = trace(f"uprobe:{path}:f7 /pid == {functions.pid}/ {{ @calls = count(); @sum = sum(arg0 + arg1); }}", run=functions)
    assert answer.value("@calls") == N
    assert answer.value("@sum") == sum(range(N)) + 10 * N


def test_uretprobe(trace, workload):
    functions = workload("functions", N, "7")
    path = functions.path.parent / "libfixture.so"
    answer = trace(f"uretprobe:{path}:f7 /pid == {functions.pid}/ {{ @ = sum(retval); }}", run=functions)
    assert answer.value() == sum(range(N)) + 17 * N


def test_uprobe_wildcard_of_200_functions(trace, workload):
    functions = workload("functions", 5, "all")
    path = functions.path.parent / "libfixture.so"
    program = f"uprobe:{path}:f1* /pid == {functions.pid}/ {{ @ = count(); }}"
    assert trace(program, run=functions).value() == 5 * 111  # f1, f10..f19, f100..f199


def test_uprobe_of_one_process(trace, workload):
    ours, other = workload("functions", 10, "3"), workload("functions", 10, "3")
    session = trace.start(f"uprobe:{ours.path.parent}/libfixture.so:f3 {{ @[pid] = count(); }}", "-p", ours.pid)
    session.wait_attached()
    other.go()
    ours.go()
    assert session.finish().keyed() == {str(ours.pid): 10}


def test_software_page_faults(trace, workload):
    pages = workload("pages", 500)
    count = trace(f"software:page-faults:1 /pid == {pages.pid}/ {{ @ = count(); }}", run=pages).value()
    assert 500 <= count <= 600  # the program's own faults come on top


def test_profile_sees_a_busy_process(trace, workload):
    spin = workload("spin", 500)
    assert trace(f"profile:hz:99 /pid == {spin.pid}/ {{ @ = count(); }}", run=spin).value() > 0


def test_interval_ends_by_exit(trace):
    answer = trace("interval:ms:10 { @++; if (@ == 5) { exit(); } }")
    assert (answer.code, answer.value()) == (0, 5)


def test_several_probes_on_one_block(trace, workload):
    calls = workload("calls", N, 2 * N)
    answer = trace(f"{GETPPID}, tracepoint:syscalls:sys_enter_getuid /pid == {calls.pid}/ {{ @[probe] = count(); }}", run=calls)
    assert answer.keyed() == {GETPPID: N, "tracepoint:syscalls:sys_enter_getuid": 2 * N}


def test_syscall_wildcard(trace, workload):
    calls = workload("calls", N, 2 * N)
    answer = trace(f"tracepoint:syscalls:sys_enter_* /pid == {calls.pid}/ {{ @[probe] = count(); }}", run=calls)
    assert answer.keyed()[GETPPID] == N
    assert answer.keyed()["tracepoint:syscalls:sys_enter_getuid"] == 2 * N


@pytest.mark.parametrize("change", ["@ = count()", "@++", "@ += 1", "@ = sum(1)"])
def test_two_cpus_lose_no_count(trace, workload, change):
    calls = workload("calls", N, 0, 2)
    assert trace(f"{GETPPID} /pid == {calls.pid}/ {{ {change}; }}", run=calls).value() == 2 * N


@pytest.mark.parametrize("change", ["@[comm] = count()", "@[comm]++"])
def test_two_cpus_lose_no_count_of_a_key(trace, workload, change):
    calls = workload("calls", N, 0, 2)
    assert trace(f"{GETPPID} /pid == {calls.pid}/ {{ {change}; }}", run=calls).keyed() == {"calls": 2 * N}


@pytest.mark.parametrize("key", ["", "[comm]"])
def test_print_and_clear_lose_nothing(trace, workload, key):
    calls = workload("calls", 20000, 0, 2)
    program = (f"{GETPPID} /pid == {calls.pid}/ {{ @{key} = count(); }} "
               f"interval:ms:10 {{ print(@); clear(@); }}")
    answer = trace(program, run=calls)
    printed = answer.values("@") if not key else answer_values(answer)
    assert sum(printed) == 40000


def answer_values(answer):
    """Keyed lines repeat with every print, so they are not a dictionary here."""
    return [int(line.rpartition(" ")[2]) for line in answer.lines() if line.startswith("@[calls]")]


def test_child_of_c_option(trace):
    program = 'tracepoint:syscalls:sys_enter_exit_group /comm == "forker"/ { @ = count(); }'
    assert trace(program, "-c", f"{FIXTURES}/forker child").value() == 1
