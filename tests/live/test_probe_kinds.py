"""Probes that are no events of the kernel's tracing: iterators, watchpoints, counters, signals, tests and benchmarks."""
import json
import os
import re
import signal
import subprocess

import pytest

from conftest import FIXTURES, IN_VM, PATIENCE, TARSIER

N = 300
DATA, CODE = "0x10000000", "0x10001000"


# ---- watchpoint ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("point, count", [(f"{DATA}:8:w", N), ("0x10000008:4:w", N), (f"{DATA}:8:rw", 2 * N), (f"{CODE}:1:x", N)])
def test_watchpoint(trace, workload, point, count):
    memory = workload("memory", N)
    session = trace.start(f"watchpoint:{point} {{ @ = count(); }}", "-p", memory.pid)
    session.wait_attached()
    memory.go()
    assert session.wait().value() == count


def test_watchpoint_of_a_thread_that_starts_later(trace, workload):
    memory = workload("memory", N, "thread")
    session = trace.start(f"w:{DATA}:8:w {{ @[tid != pid, probe] = count(); }}", "-p", memory.pid)
    session.wait_attached()
    memory.go()
    assert session.wait().keyed() == {f"true, watchpoint:{DATA}:8:w": N}


def test_watchpoint_of_a_command(trace, tmp_path):
    (tmp_path / "go").write_text("go\n")
    answer = trace(f"watchpoint:{DATA}:8:w {{ @ = count(); }}", "-c", f"{FIXTURES / 'memory'} {N}", stdin=open(tmp_path / "go"))
    assert answer.value() == N


def test_more_watchpoints_than_registers(trace, workload):
    memory = workload("memory", 1)
    points = ",".join(f"w:0x1000{i}000:8:w" for i in range(5))
    answer = trace(f"{points} {{ }}", "-p", memory.pid)
    assert answer.code == 255 and "4 watchpoints" in answer.stderr


@pytest.mark.parametrize("point, error, hint", [
    (f"{DATA}:8:w", "is an address of a process", "-p PID"),
    ("main:8:w", "'main' is not an address", "0x10000000"),
    (f"{DATA}:3:w", "must be 1, 2, 4 or 8 bytes", ""),
    ("0x10000001:8:w", "must be a multiple of the length", "aligned"),
    (f"{DATA}:8:q", "combination of r, w and x", ""),
    (f"{DATA}:8:ww", "combination of r, w and x", ""),
    (f"{DATA}:8:r", "can not watch for 'r'", "rw"),
])
def test_watchpoints_that_are_wrong(trace, point, error, hint):
    answer = trace(f"watchpoint:{point} {{ }}")
    assert answer.code == 1 and error in answer.stderr and hint in answer.stderr


def test_unwatch(trace, workload):
    memory = workload("memory", 20000)
    session = trace.start(f"watchpoint:{DATA}:8:w {{ @first = count(); unwatch({DATA}); }} watchpoint:0x10000008:4:w {{ @second = count(); }}",
                          "-p", memory.pid)
    session.wait_attached()
    memory.go()
    answer = session.wait()
    first, second = answer.value("@first"), answer.value("@second")
    # the emulator tells of the second one again whenever the first one is hit, also while that is being ended
    assert 1 <= first < 20000 and 20000 <= second <= (39999 if IN_VM else 20000)


# ---- hardware --------------------------------------------------------------------------------------------------------

def has_counters():
    return any(name.startswith(("cpu", "armv8")) for name in os.listdir("/sys/bus/event_source/devices"))


@pytest.mark.skipif(has_counters(), reason="this machine has hardware counters")
def test_a_machine_without_counters_says_what_to_use(trace):
    answer = trace("hardware:cycles:1000000 { @ = count(); }")
    assert answer.code == 255 and "this machine does not count it" in answer.stderr and "profile:hz:99" in answer.stderr


@pytest.mark.skipif(not has_counters(), reason="this machine has no hardware counters")
def test_hardware(trace, workload):
    spin = workload("spin", 200)
    assert trace(f"hardware:cycles:1000000 /pid == {spin.pid}/ {{ @ = count(); }}", run=spin).value() > 10


def test_hardware_events_are_listed(trace):
    lines = trace.command("-l", "hardware:*").lines()
    assert "hardware:cpu-cycles:" in lines and "hardware:branches:" in lines and len(lines) == 12
    assert trace("hardware:cache-mises {}").stderr.count("did you mean cache-misses?") == 1


# ---- self ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("action", ['printf("signal\\n");', ""])
def test_self_signal(trace, action):
    session = trace.start("self:signal:SIGUSR1 { @ = count(); %s }" % action)
    session.wait_attached()
    for expected in range(1, 4):
        session.process.send_signal(signal.SIGUSR1)
        if action:
            session.wait_until(lambda: session.stdout().count("signal") == expected, "the block")
    answer = session.finish()
    least = 3 if action else 1  # signals that come before the first was noticed are one
    assert least <= answer.value() <= 3 and answer.code == 0


def test_self_beside_events(trace, workload):
    calls = workload("calls", N)
    session = trace.start(f"""tracepoint:syscalls:sys_enter_getppid /pid == {calls.pid}/ {{ @ = count(); }}
                          self:signal:SIGUSR1 {{ print(@); exit(); }}""")
    session.wait_attached()
    calls.go()
    session.process.send_signal(signal.SIGUSR1)
    assert session.wait().values("@") == [N, N]


def test_a_signal_without_a_block_changes_nothing(trace):
    session = trace.start("begin { @ = 1; } interval:s:100 { }")
    session.wait_attached()
    session.process.send_signal(signal.SIGUSR1)
    assert session.finish().value() == 1


@pytest.mark.parametrize("point", ["self:signal:SIGINT", "self:event:SIGUSR1"])
def test_self_knows_one_event(trace, point):
    assert "self:signal:SIGUSR1" in trace(f"{point} {{ }}").stderr


# ---- test, bench -----------------------------------------------------------------------------------------------------

TESTS = 'begin { @began = 1; } test:fine { if (@began != 1) { exit(1); } } test:bad { printf("why\\n"); exit(3); } test:last { }'


def test_tests(trace):
    answer = trace(TESTS, "--test", environment={"NO_COLOR": "1"})
    times = re.sub(r"\(\d+ (ns|us|ms|s)\)", "(T)", answer.stdout)
    assert times == """[==========] Running 3 tests.
[ RUN      ] fine
[       OK ] fine (T)
[ RUN      ] bad
why
[  FAILED  ] bad (T)
[ RUN      ] last
[       OK ] last (T)
[==========] 3 tests ran.
[  PASSED  ] 2 tests.
[  FAILED  ] 1 test, listed below:
[  FAILED  ] bad


"""
    assert answer.code == 1


def test_tests_that_pass_end_with_0_and_in_colours(trace):
    answer = trace("test:one { @x = 1; }", "--test")
    assert answer.code == 0 and "\033[32m[  PASSED  ]\033[0m 1 test.\n" in answer.stdout and "@x" not in answer.stdout


@pytest.mark.parametrize("body, passed", [
    ("return 1;", False), ("return 0;", True), ("return;", True), ("if (pid > 0) { return 7; } @x = 1;", False),
    ("for $i : 0..5 { if ($i == 3) { return 2; } }", False), ("$s = str(0); if ($s == \"\") { return 0; } return 1;", True),
])
def test_a_test_that_returns(trace, body, passed):
    answer = trace("test:one { %s }" % body, "--test")
    assert answer.code == (0 if passed else 1) and ("[       OK ]" in answer.stdout) == passed


def test_tests_in_json(trace):
    answer = trace(TESTS, "--test", "-f", "json")
    results = [json.loads(line) for line in answer.lines()]
    data = {name: one for result in results for name, one in result["data"].items()}
    assert all(result["type"] == "test_result" for result in results)
    assert [data[name]["passed"] for name in ("fine", "bad", "last")] == [True, False, True] and "why" in data["bad"]["output"]


def test_benchmarks(trace):
    answer = trace("""bench:nothing { } bench:keys { @[rand] = count(); } bench:prints { printf("x"); }
                   tracepoint:syscalls:sys_enter_read { @never = count(); }""", "--bench")
    rows = [line.split() for line in answer.lines()]
    assert rows[0] == ["Benchmark", "Time(ns)", "Iterations"] and set(answer.lines()[1]) == {"-"}
    assert [row[0] for row in rows[2:]] == ["nothing", "keys", "prints"] and answer.code == 0
    nanoseconds = {row[0]: int(row[1]) for row in rows[2:]}
    assert nanoseconds["nothing"] < nanoseconds["keys"] and nanoseconds["nothing"] < nanoseconds["prints"]
    assert IN_VM or nanoseconds["nothing"] <= 20 < nanoseconds["prints"]
    assert all(int(row[2]) >= 256 for row in rows[2:])


def test_a_failed_benchmark(trace):
    answer = trace("bench:bad { exit(2); } bench:good { }", "--bench")
    assert answer.code == 1 and "Benchmark 'bad' failed" in answer.stderr and "good" in answer.stdout and "bad" not in answer.stdout


@pytest.mark.parametrize("kind", ["test", "bench"])
def test_such_blocks_need_their_mode(trace, kind):
    alone = trace(f"{kind}:x {{ }}")
    assert alone.code == 1 and f"use --{kind} to run" in alone.stderr
    beside = trace(f'{kind}:x {{ printf("not now"); }} begin {{ printf("now\\n"); }}')
    assert beside.lines() == ["now"] and "Attached 1 probe\n" in beside.stderr


# ---- iter ------------------------------------------------------------------------------------------------------------

def test_iter_task(trace, workload):
    memory = workload("memory", 1)
    answer = trace(f"iter:task {{ @all = count(); if (ctx.task.tgid == {memory.pid}) {{ @[str(ctx->task->comm)] = count(); }} }}")
    assert answer.keyed() == {"memory": 1} and answer.value("@all") > 10 and answer.code == 0


def test_iter_task_file(trace, workload):
    memory = workload("memory", 1)
    answer = trace("iter:task_file { @[ctx.fd] = count(); } begin { @b = 1 } end { @e = 1 }", "-p", memory.pid)
    assert answer.keyed() == {"0": 1, "1": 1, "2": 1} and answer.value("@b") == answer.value("@e") == 1


def test_iter_task_vma(trace, workload):
    memory = workload("memory", 1)
    answer = trace("iter:task_vma { @[ctx.vma.vm_start] = count(); }", "-p", memory.pid)
    with open(f"/proc/{memory.pid}/maps") as maps:
        starts = {int(line.split("-")[0], 16) for line in maps if "[vsyscall]" not in line}
    assert {int(key) for key in answer.keyed()} == starts


def test_iterators_lose_no_line(trace):
    """However much is printed: the rings are emptied between portions."""
    text = "x" * 400
    held = [open("/dev/null") for _ in range(300)]
    answer = trace('iter:task_file { @ = count(); printf("%s %d %s\\n", ctx.task.comm, ctx.fd, "' + text + '"); }')
    assert answer.stdout.count(text) == answer.value() > len(held) and "lost" not in answer.stderr


def test_exit_lets_the_iterator_end(trace):
    answer = trace('iter:task { printf("task\\n"); @ = count(); exit(3); }')
    assert answer.code == 3 and answer.stdout.count("task\n") == answer.value() > 10


def test_iterators_are_listed(trace):
    assert "iter:task_file" in trace.command("-l", "iter:*").lines()
    assert trace.command("-lv", "iter:task").lines() == ["iter:task", "    struct bpf_iter_meta * meta", "    struct task_struct * task"]


@pytest.mark.parametrize("program, error, hint", [
    ("iter:tsk { }", "No matches for iter tsk.", "did you mean task?"),
    ("iter:task* { }", "iter probe type does not support wildcards", "iter:*"),
    ("iter:task { } iter:task_file { }", "iter probe only supports one attach point.", "by itself"),
    ("iter:task { } interval:s:1 { }", "iter can not be mixed with other probes", "begin and end"),
    ("iter:task { @ = arg0; }", "The arg0 builtin can not be used with 'iter' probes", ""),
])
def test_iterators_that_are_wrong(trace, program, error, hint):
    answer = trace(program)
    assert answer.code == 1 and error in answer.stderr and hint in answer.stderr


PINNED = """mount -t bpf none {directory} && {tarsier} -e '{program}' && cat {directory}/tasks && {tarsier} -e 'iter:task:{directory}/tasks {{ }}'"""


def test_a_pinned_iterator_runs_when_its_file_is_read(workload, tmp_path):
    """In a mount namespace of its own, which takes the pin with it when it ends."""
    memory = workload("memory", 1)
    program = (f"iter:task:{tmp_path}/tasks {{ if (ctx.task.pid == {memory.pid}) "
               '{ printf("%d|%-6s|%x%%|%s\\n", ctx.task.pid, "one", 255, ctx.task.comm); } }')
    script = PINNED.format(directory=tmp_path, tarsier=TARSIER, program=program)
    run = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert run.stdout.split("\n")[0] == f"Program pinned to {tmp_path}/tasks"
    assert f"\n{memory.pid}|one   |ff%|memory\n" in run.stdout and "\0" not in run.stdout
    assert run.returncode == 255 and "File exists" in run.stderr and "rm" in run.stderr


@pytest.mark.parametrize("statement, error", [
    ("print(1);", "print() can not be used in a pinned iterator"),
    ('printf("%s", kstack);', "printf() cannot print a value of type 'kstack'"),
    ('printf("%o", 8);', "printf() cannot print octal numbers"),
])
def test_what_a_pinned_iterator_can_not_do(trace, statement, error):
    answer = trace("iter:task:x { %s }" % statement)
    assert answer.code == 1 and error in answer.stderr
