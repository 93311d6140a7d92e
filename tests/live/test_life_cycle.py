"""When blocks run, what a missing probe means, how fast many are attached and left, and that nothing stays behind."""
import ctypes
import glob
import os
import re
import time

import pytest

from conftest import FIXTURES, PATIENCE

LIBRARY = FIXTURES / "libfixture.so"
MISSING = f"uprobe:{LIBRARY}:no_such_function"


def test_begin_and_end_blocks_run_in_the_order_of_the_script(trace):
    answer = trace("""end { printf("end 1 %d\\n", @x); } begin { printf("begin 1\\n"); @x = 1; }
                   BEGIN { printf("begin 2 %d\\n", @x); @x = 2; } END { printf("end 2 %d\\n", @x); clear(@x); }""")
    assert answer.lines() == ["begin 1", "begin 2 1", "end 1 2", "end 2 2"] and "Attached 4 probes\n" in answer.stderr


def test_begin_runs_before_anything_is_attached_and_end_after(trace, workload):
    calls = workload("calls", 500)
    session = trace.start(f"""begin {{ @during = 0; }} end {{ @after = @during; }}
                          tracepoint:syscalls:sys_enter_getppid /pid == {calls.pid}/ {{ @during++; }}""")
    session.wait_attached()
    calls.go()
    answer = session.finish()
    assert answer.value("@during") == answer.value("@after") == 500


def test_exit_in_begin_attaches_nothing_and_runs_end(trace):
    answer = trace("begin { exit(4); } interval:ms:1 { @ticks++; } end { @end = 1; }")
    assert answer.code == 4 and answer.value("@end") == 1 and answer.values("@ticks") == []


# ---- missing probes --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("config, code, said", [
    ("", 0, "WARNING: No matches for uprobe"),
    ("config = { missing_probes = warn }", 0, "no_such_function. Skipping."),
    ("config = { missing_probes = ignore }", 0, None),
    ("config = { missing_probes = error }", 1, "ERROR: No matches for uprobe"),
])
def test_one_of_two_is_missing(trace, config, code, said):
    answer = trace(f"{config} begin {{ exit(); }} uprobe:{LIBRARY}:f1, {MISSING} {{ @ = count(); }}")
    assert answer.code == code and (said in answer.stderr if said else "No matches" not in answer.stderr)


def test_a_wildcard_without_matches_is_no_error_beside_others(trace):
    answer = trace(f"config = {{ missing_probes = error }} begin {{ exit(); }} uprobe:{LIBRARY}:f1, {MISSING}* {{ @ = count(); }}")
    assert answer.code == 0 and "Skipping." in answer.stderr


@pytest.mark.parametrize("policy, code", [("error", 1), ("warn", 0), ("ignore", 0)])
def test_all_of_a_block_are_missing(trace, policy, code):
    answer = trace(f"config = {{ missing_probes = {policy} }} begin {{ exit(); }} {MISSING} {{ @ = count(); }}")
    assert answer.code == code and ("No matches" in answer.stderr) == (policy != "ignore")


# ---- many, and nothing left -------------------------------------------------------------------------------------------

def test_a_hundred_probes_are_attached_and_left_quickly(trace, workload):
    functions = workload("functions", 3, "all")
    blocks = " ".join(f"uprobe:{LIBRARY}:f{i} /pid == {functions.pid}/ {{ @[{i}] = count(); }}" for i in range(100))
    began = time.monotonic()
    session = trace.start(blocks).wait_attached()
    attached = time.monotonic()
    assert "Attached 100 probes\n" in session.stderr()
    functions.go()
    leaving = time.monotonic()
    answer = session.finish()
    left = time.monotonic()
    assert answer.keyed() == {str(i): 3 for i in range(100)}
    limit = 15  # usually 0.2 s each; perf uprobes (before 6.6) are slower, as is a machine under load
    assert attached - began < limit and left - leaving < limit


def ids_of(pid):
    """Programs and links that a process holds."""
    found = {"prog_id": set(), "link_id": set()}
    for path in glob.glob(f"/proc/{pid}/fdinfo/*"):
        try:
            with open(path) as info:
                for kind, number in re.findall(r"^(prog_id|link_id):\s*(\d+)$", info.read(), re.M):
                    found[kind].add(int(number))
        except FileNotFoundError:
            pass
    return found


def is_alive(kind, number):
    commands = {"prog_id": 13, "link_id": 30}  # BPF_PROG_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID
    attributes = ctypes.create_string_buffer(12)
    ctypes.memmove(attributes, number.to_bytes(4, "little"), 4)
    fd = ctypes.CDLL(None, use_errno=True).syscall(321, commands[kind], attributes, 12)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of bpf(2) is that of x86-64")
def test_a_killed_run_leaves_nothing(trace, workload):
    nest = workload("nest", 1)
    session = trace.start(f"""uprobe:{LIBRARY}:f1* {{ @ = count(); }} usdt:{FIXTURES / "marks"}:marks:plain {{ @u = count(); }}
                          tracepoint:syscalls:sys_enter_getppid {{ @t = count(); }} profile:hz:49 {{ @p = count(); }}
                          watchpoint:0x10000000:8:w {{ @w = count(); }} tracepoint:sched:sched_switch {{ @s = sum(args.prev_pid); }}""",
                          "-p", str(nest.pid))
    session.wait_attached()
    ids = ids_of(session.pid)
    assert len(ids["prog_id"]) >= 6 and ids["link_id"]
    session.kill()
    deadline = time.monotonic() + PATIENCE
    left = [(kind, number) for kind in ids for number in ids[kind]]
    while left and time.monotonic() < deadline:
        left = [one for one in left if is_alive(*one)]
        time.sleep(0.02)
    assert left == []
