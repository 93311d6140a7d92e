"""A well-behaved process: errors, exit codes, signals, and nothing left behind."""
import ctypes
import errno
import os
import re
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
        match = re.search(r"^prog_id:\s+(\d+)$", info.read_text(), re.M)
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
