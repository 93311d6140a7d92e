"""A well-behaved process: errors, exit codes, signals, and nothing left behind."""
import ctypes
import errno
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from pathlib import Path

import pytest

GETPPID = "tracepoint:syscalls:sys_enter_getppid"
BPF_PROG_GET_FD_BY_ID = 13
SYSCALL_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]


def program_ids(pid):
    """Ids of the BPF programs a process holds open."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            text = info.read_text()
        except FileNotFoundError:  # closed while we were looking: a starting session opens and closes
            continue
        match = re.search(r"^prog_id:\s+(\d+)$", text, re.M)
        if match:
            found.add(int(match.group(1)))
    return found


def program_exists(identity):
    attribute = ctypes.create_string_buffer(struct.pack("I", identity) + bytes(60), 64)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYSCALL_BPF, BPF_PROG_GET_FD_BY_ID, attribute, 64)
    if fd >= 0:
        os.close(fd)
        return True
    assert ctypes.get_errno() == errno.ENOENT
    return False


def test_kill_leaves_nothing(trace, workload):
    functions = workload("functions", 1, "0")
    path = functions.path.parent / "libfixture.so"
    mounts = Path("/proc/mounts").read_text()
    session = trace.start(f"{GETPPID} {{ @ = count(); }} uprobe:{path}:f0 {{ @f = count(); }}").wait_attached()
    programs = program_ids(session.pid)
    assert programs
    session.kill()
    deadline = time.monotonic() + 20
    while any(map(program_exists, programs)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(program_exists, programs))
    assert Path("/proc/mounts").read_text() == mounts


def test_two_runs_do_not_disturb_each_other(trace, workload):
    calls = workload("calls", 1000)
    program = f"{GETPPID} /pid == {calls.pid}/ {{ @ = count(); }}"
    first, second = trace.start(program).wait_attached(), trace.start(program).wait_attached()
    calls.go()
    assert (first.finish().value(), second.finish().value()) == (1000, 1000)


def test_first_interrupt_prints_everything(trace):
    session = trace.start("begin { @ = 7; } interval:s:100 { } end { printf(\"bye\\n\"); }").wait_attached()
    answer = session.finish()
    assert answer.code == 0 and answer.value() == 7 and "bye\n" in answer.stdout


def test_head_ends_it_quietly(trace):
    from conftest import TARSIER
    pipe = subprocess.run(f"'{TARSIER}' -q -e 'interval:ms:1 {{ printf(\"x\\n\"); }}' | head -n 2", shell=True,
                          capture_output=True, text=True, timeout=60)
    assert (pipe.stdout, pipe.stderr) == ("x\nx\n", "")


def test_ends_with_its_target(trace, workload):
    calls = workload("calls", 10)
    session = trace.start(f"{GETPPID} {{ @ = count(); }}", "-p", calls.pid).wait_attached()
    calls.go()
    answer = session.wait()
    assert answer.code == 0 and answer.value() == 10


def test_full_disk_is_said(trace):
    answer = trace('begin { printf("hi\\n"); exit(); }', "-o", "/dev/full")
    assert answer.code != 0 and "/dev/full" in answer.stderr and "No space left on device" in answer.stderr


@pytest.mark.parametrize("program, expected", [
    ("tracepoint:syscalls:sys_enter_getpid_ { @ = count(); }", "sys_enter_getp"),
    ("begin { @ = cuont(); }", "count"),
    ("begin { $x }", "stdin:1:9-11: ERROR"),
    ("uprobe:/no/such/file:f { @ = count(); }", "/no/such/file"),
])
def test_errors_say_what_and_where(trace, program, expected):
    answer = trace(program)
    assert answer.code == 1 and answer.stdout == "" and expected in answer.stderr


def test_missing_process_is_an_error(trace):
    answer = trace("interval:s:1 { exit(); }", "-p", "4194303")
    assert answer.code == 1 and "4194303" in answer.stderr


def test_exit_code_of_exit(trace):
    assert trace("begin { exit(3); }").code == 3


def test_dry_run_prints_no_map(trace):
    answer = trace("begin { @ = 1; } interval:s:1 { }", "--dry-run")
    assert answer.code == 0 and "@" not in answer.stdout and "Attached" in answer.stderr


def test_script_from_standard_input(trace, tmp_path):
    script = tmp_path / "x.bt"
    script.write_text("begin { printf(\"%d\\n\", $1); exit(); }")
    with script.open() as stdin:
        assert trace.command("-", "42", stdin=stdin).lines() == ["42"]
    assert trace.command(script, "43").lines() == ["43"]


def test_terminate_works_like_interrupt(trace):
    session = trace.start("begin { @ = 7; } interval:s:100 { }").wait_attached()
    session.process.send_signal(signal.SIGTERM)
    assert session.wait().value() == 7


@pytest.mark.parametrize("argument, expected", [
    ("tracepoint:syscalls:sys_enter_getpp*", "tracepoint:syscalls:sys_enter_getppid\n"),
    ("software:*", "software:page-faults:\n"),
])
def test_listing(trace, argument, expected):
    assert expected in trace.command("-l", argument).stdout


def test_listing_of_functions(trace):
    from conftest import FIXTURES
    listed = trace.command("-l", f"uprobe:{FIXTURES}/libfixture.so:f19*").stdout.split()
    assert sorted(listed) == sorted(f"uprobe:{FIXTURES}/libfixture.so:f{n}" for n in [19, *range(190, 200)])


def test_info_names_what_works(trace):
    answer = trace.command("info")
    assert answer.code == 0 and "tracepoint" in answer.stdout and "uprobe" in answer.stdout


# ---- nothing left behind ----------------------------------------------------------------------------------------------

def system_state():
    """What a tracer could leave in the system: mounts, user probes and events of tracefs."""
    state = {"mounts": Path("/proc/mounts").read_text()}
    for name in ("uprobe_events", "kprobe_events", "dynamic_events"):
        for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
            path = Path(root) / name
            if path.exists():
                state[str(path)] = path.read_text()
    return state


@pytest.mark.parametrize("delay", [0, 0.002, 0.005, 0.01, 0.02, 0.05])
def test_kill_while_starting_leaves_nothing(trace, workload, delay):
    path = workload("functions", 1, "0").path.parent / "libfixture.so"
    before = system_state()
    session = trace.start(f"{GETPPID} {{ @[comm] = count(); }} tracepoint:sched:sched_switch {{ @s = count(); }} "
                          f"uprobe:{path}:f1* {{ @f = count(); }} interval:ms:1 {{ print(@f); clear(@f); }}")
    time.sleep(delay)
    programs = program_ids(session.pid)
    session.kill()
    deadline = time.monotonic() + 20
    while any(map(program_exists, programs)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(program_exists, programs)) and system_state() == before


def test_a_normal_end_leaves_nothing(trace):
    before = system_state()
    trace(f"{GETPPID} {{ @ = count(); }} tracepoint:sched:sched_switch {{ @s = count(); }} interval:ms:50 {{ exit(); }}")
    assert system_state() == before


def test_thousands_of_rounds_do_not_grow(trace):
    def usage():
        status = Path(f"/proc/{session.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), len(os.listdir(f"/proc/{session.pid}/fd"))

    def rounds():
        return session.stdout().count("@n: ")

    session = trace.start('interval:us:500 { @n++; @k[comm, cpu] = count(); @h = hist(nsecs); printf("%s\\n", comm); '
                          "print(@k); clear(@k); print(@h); zero(@h); print(@n); }")
    session.wait_until(lambda: rounds() > 500, "500 rounds")
    memory, files = usage()
    session.wait_until(lambda: rounds() > 5000, "5000 rounds")
    assert usage()[0] < memory + 1024 and usage()[1] <= files + 1


# ---- signals ------------------------------------------------------------------------------------------------------------

def test_second_interrupt_ends_at_once():
    """Also while the program cannot write, because nobody reads the pipe."""
    from conftest import TARSIER, PATIENCE
    program = 'begin { @ = 1; } interval:us:200 { printf("%s %s %s %s\\n", comm, comm, comm, comm); }'
    reader, writer = os.pipe()
    process = subprocess.Popen([TARSIER, "-e", program], stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    blocked = Path(f"/proc/{process.pid}/wchan")
    deadline = time.monotonic() + PATIENCE
    while "pipe" not in blocked.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    assert process.poll() is None  # it still waits for its reader
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == -signal.SIGINT
    os.close(reader)


def test_one_signal_sent_twice_in_a_row_is_one(trace):
    session = trace.start("begin { @ = 7; } interval:s:100 { }").wait_attached()
    session.interrupt()
    session.interrupt()
    answer = session.wait()
    assert (answer.code, answer.value()) == (0, 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_with_all_results(trace, number):
    session = trace.start('begin { @ = 7; @s["x"] = count(); } interval:s:100 { } end { printf("bye\\n"); }').wait_attached()
    session.process.send_signal(number)
    answer = session.wait()
    assert (answer.code, answer.stdout) == (0, "bye\n\n\n@: 7\n@s[x]: 1\n")


# ---- pipes and disks ----------------------------------------------------------------------------------------------------

def test_head_gets_its_line_and_nobody_complains():
    from conftest import TARSIER
    tarsier = subprocess.Popen([TARSIER, "-e", 'interval:ms:1 { printf("x\\n"); @ = count(); }'], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    head = subprocess.run(["head", "-n", "1"], stdin=tarsier.stdout, capture_output=True, text=True, timeout=60)
    tarsier.stdout.close()
    assert (head.stdout, tarsier.wait(60), tarsier.stderr.read()) == ("x\n", 0, "Attached 1 probe\n")


@pytest.mark.parametrize("buffering", ["line", "full", "none"])
def test_full_disk_ends_a_long_run(trace, buffering):
    answer = trace('interval:ms:1 { printf("%s and more\\n", comm); } interval:s:1 { exit(); }', "-o", "/dev/full", "-B", buffering)
    assert answer.code == 3 and answer.stderr.count("No space left on device") == 1 and "/dev/full" in answer.stderr


def test_output_that_cannot_be_opened(trace):
    answer = trace("begin { exit(); }", "-o", "/no/such/directory/file")
    assert answer.code == 3 and "/no/such/directory/file: No such file or directory" in answer.stderr


# ---- the traced process -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command, reason", [
    ("/no/such/program", "No such file or directory"),
    ("no-such-program-anywhere", "No such file or directory"),
    ("/etc/passwd", "Permission denied"),
])
def test_command_that_cannot_run(trace, command, reason):
    answer = trace("interval:s:100 { }", "-c", command)
    assert answer.code == 1 and answer.stdout == "" and f"cannot run {command}: {reason}" in answer.stderr


@pytest.mark.parametrize("command", ["/bin/true", "/bin/false", "/bin/sh -c 'exit 7'", "true"])
def test_ends_with_its_command(trace, command):
    answer = trace("begin { @ = 1; } interval:s:100 { }", "-c", command)
    assert (answer.code, answer.value()) == (0, 1)


def test_command_is_ended_with_the_run(trace):
    answer = trace("interval:ms:200 { exit(); }", "-c", "/bin/sleep 1000")
    assert answer.code == 0


def test_process_that_execs_is_followed(trace, tmp_path):
    shell = subprocess.Popen(["/bin/sh", "-c", "read line; exec /bin/echo done"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    session = trace.start("tracepoint:syscalls:sys_enter_exit_group { @[comm] = count(); }", "-p", shell.pid).wait_attached()
    shell.communicate(b"go\n", timeout=60)
    assert session.wait().keyed() == {"echo": 1}


# ---- where the program comes from -----------------------------------------------------------------------------------------

def test_script_file_with_interpreter_line(tmp_path):
    from conftest import TARSIER
    script = tmp_path / "x.bt"
    script.write_text('#!/usr/bin/env tarsier\nbegin { printf("%d %s %d\\n", $1, str($2), $#); exit(); }\n')
    script.chmod(0o755)
    (tmp_path / "tarsier").symlink_to(TARSIER)
    run = subprocess.run([script, "7", "two words"], capture_output=True, text=True, timeout=60,
                         env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (run.returncode, run.stdout) == (0, "7 two words 2\n\n\n")


def test_missing_arguments_are_zero_and_empty(trace):
    assert trace('begin { printf("[%d] [%s] %d\\n", $1, str($2), $#); exit(); }').lines() == ["[0] [] 0"]


# ---- options ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("program, probes", [
    ("BEGIN { exit(); }", "1 probe"),
    ("BEGIN { } END { }", "2 probes"),
    ("begin { exit(); } interval:s:100 { }", "1 probe"),
    ("begin { } interval:ms:1 { exit(); } end { }", "3 probes"),
    ("interval:ms:1, interval:ms:2 { exit(); }", "2 probes"),
])
def test_attached_line_counts_all_probes(trace, program, probes):
    assert f"Attached {probes}\n" in trace(program).stderr


def test_quiet_prints_results_only(trace):
    answer = trace('begin { @ = 1; printf("hi\\n"); exit(); }', "-q")
    assert answer.stderr == "" and answer.lines() == ["hi", "@: 1"]


@pytest.mark.parametrize("stage, expected", [("ast", "map @"), ("types", "int64"), ("ir", "atomic"), ("bpf", "exit")])
def test_stages_are_shown_and_nothing_runs(trace, stage, expected):
    answer = trace('begin { @++; printf("ran\\n"); exit(); }', "-d", stage)
    assert answer.code == 0 and expected in answer.stdout and "Attached" not in answer.stderr
    assert "\nran\n" not in answer.stdout


def test_unsafe_is_accepted(trace):
    assert trace("begin { exit(); }", "--unsafe").code == 0


def test_listing_of_a_program(trace):
    program = f"begin {{ }} {GETPPID}, interval:s:1 {{ }} end {{ }}"
    assert sorted(trace(program, "-l").lines()) == sorted(["begin", "end", GETPPID, "interval:s:1"])


def test_verbose_listing_shows_arguments(trace):
    listed = trace.command("-lv", "tracepoint:sched:sched_process_exit").stdout
    assert listed.startswith("tracepoint:sched:sched_process_exit\n    ") and "    pid_t pid\n" in listed


# ---- without permission ----------------------------------------------------------------------------------------------------

def as_nobody(tmp_path, *arguments):
    from conftest import TARSIER
    program = tmp_path / "tarsier"
    shutil.copy(TARSIER, program)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)

    def drop():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)

    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, preexec_fn=drop)


@pytest.mark.parametrize("program", ["interval:s:1 { exit(); }", f"{GETPPID} {{ exit(); }}", "begin { exit(); }",
                                     "tracepoint:sched:sched_switch { @[args.next_pid] = count(); }"])
def test_not_permitted_is_said_plainly(tmp_path, program):
    answer = as_nobody(tmp_path, "-e", program)
    assert answer.returncode == 255 and answer.stdout == ""
    assert "ot permitted" in answer.stderr and "root" in answer.stderr and len(answer.stderr.splitlines()) <= 6


def test_info_without_permission(tmp_path):
    answer = as_nobody(tmp_path, "info")
    assert answer.returncode == 0 and "CAP_BPF" in answer.stdout and answer.stderr == ""


def test_tracefs_that_is_not_mounted_is_reached_privately(trace, workload):
    """In a mount namespace of its own without any tracefs."""
    from conftest import TARSIER
    calls = workload("calls", 100)
    script = ('for m in $(awk \'$3 == "tracefs" || $3 == "debugfs" { print $2 }\' /proc/mounts | sort -r); do umount -l $m; done; '
              f"before=$(cat /proc/mounts); '{TARSIER}' -e 'tracepoint:sched:sched_process_exit /pid == {calls.pid} && args.prio > 0/ "
              f"{{ @ = count(); }}' -p {calls.pid}; code=$?; [ \"$before\" = \"$(cat /proc/mounts)\" ] && exit $code")
    run = subprocess.Popen(["unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr.readline() == "Attached 1 probe\n"
    calls.go()
    output, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (0, "") and re.search(r"^@: \d+$", output, re.M)
