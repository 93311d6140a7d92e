"""What the kernel's verifier has to do for our programs: instructions it walks, kept from growing.

One row per program and kernel series in verified/SERIES.txt ("COUNT NAME"). More than a tenth above its row fails; a
program without a row is shown and passes. UPDATE_VERIFIED=1 writes the table of the kernel this runs on; in a VM the
new table is printed between lines of dashes.
"""
import os
import platform
import re
from pathlib import Path

import pytest

ENTER = "tracepoint:syscalls:sys_enter_getppid"
EXIT = "tracepoint:syscalls:sys_exit_getppid"
PROGRAMS = {
    "count": f"{ENTER} {{ @ = count(); }}",
    "count-by-comm": f"{ENTER} {{ @[comm] = count(); }}",
    "count-by-pid-and-comm": f"{ENTER} {{ @[pid, comm] = count(); }}",
    "increment": f"{ENTER} {{ @x++; @y[tid]++; }}",
    "aggregates": f"{EXIT} {{ @a = sum(args.ret); @b = avg(args.ret); @c = min(args.ret); @d = max(args.ret); "
                  "@e = stats(args.ret); }",
    "histograms": f"{EXIT} {{ @a = hist(args.ret); @b[comm] = hist(args.ret, 3); @c = lhist(args.ret, 0, 100, 10); }}",
    "latency": f"{ENTER} {{ @s[tid] = nsecs; }} {EXIT} /@s[tid]/ {{ @ = hist(nsecs - @s[tid]); delete(@s[tid]); }}",
    "latency-in-tasks": f"{ENTER} {{ @s[tid] = nsecs; }} {EXIT} /@s[tid]/ {{ @ = hist(nsecs - @s[tid]); "
                        "delete(@s[tid]); } END { clear(@s); }",
    "printf": f'{ENTER} {{ printf("%d %s %lu\\n", pid, comm, nsecs); }}',
    "printf-string": 'tracepoint:syscalls:sys_enter_openat { printf("%s\\n", str(args.filename)); }',
    "string-key": "tracepoint:syscalls:sys_enter_openat { @[str(args.filename)] = count(); }",
    "string-compare": 'tracepoint:syscalls:sys_enter_openat /str(args.filename) == "/etc/passwd"/ { @ = count(); }',
    "all-syscalls": "tracepoint:syscalls:sys_enter_* { @[probe] = count(); }",
    "record-fields": "tracepoint:sched:sched_switch { @[args.prev_comm, args.next_pid] = count(); }",
    "raw-arguments": "rawtracepoint:sched_switch { @[args.prev.comm] = count(); }",
    "task-chain": f"{ENTER} {{ @[curtask.real_parent.real_parent.comm] = count(); }}",
    "kernel-stacks": "profile:hz:99 { @[kstack] = count(); }",
    "both-stacks": "profile:hz:99 { @[kstack, ustack, comm] = count(); }",
    "clear": f"{ENTER} {{ @[comm] = count(); }} interval:s:1 {{ print(@); clear(@); }}",
    "while-loop": 'BEGIN { $i = 0; while ($i < 100) { $i++; if ($i % 7 == 0) { @[$i] = $i; } } }',
    "nested-loops": "BEGIN { for $i : 0..10 { for $j : 0..$i { @s += $i * $j; } } }",
    "unroll": "BEGIN { unroll(20) { @x += rand; } }",
    "division": f"{EXIT} {{ @a = sum(args.ret / (pid - tid + 3)); @b = args.ret % 7; }}",
    "tuples": f'{ENTER} {{ @[(pid, (comm, 5)), "x"] = (nsecs, "abc"); }}',
    "branches": "interval:s:1 { " + " ".join(f"if (rand % {n + 2} == 0) {{ @x{n % 8}++; }}" for n in range(30)) + " }",
    "kprobe": "kprobe:vfs_read { @[comm, arg2] = count(); }",
    "kprobe-many": "kprobe:vfs_read* { @[func, probe] = count(); }",
    "kprobe-latency": "kprobe:vfs_read { @s[tid] = nsecs; } kretprobe:vfs_read /@s[tid]/ { @ = hist(nsecs - @s[tid]); "
                      "delete(@s[tid]); }",
    "fentry-arguments": "fentry:vfs_read { @[args.file.f_inode.i_ino, args.count] = count(); }",
    "fexit-result": "fexit:vfs_read { @[retval < 0] = sum(args.count); }",
    "uprobe": "uprobe:libc:getenv { @[str(arg0)] = count(); }",
}
SERIES = ".".join(platform.release().split(".")[:2])
TABLE = Path(__file__).parent / "verified" / f"{SERIES}.txt"


def known():
    if not TABLE.exists():
        return {}
    return {name: int(count) for count, name in (line.split() for line in TABLE.read_text().splitlines())}


@pytest.fixture(scope="module")
def measured(request):
    """Verified instructions of each program that was loaded; written or shown at the end."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    counts = {}
    yield counts
    rows = "".join(f"{counts[name]:6} {name}\n" for name in PROGRAMS if name in counts)
    if os.environ.get("UPDATE_VERIFIED"):
        TABLE.write_text(rows)
    elif counts != known():
        with capture.global_and_fixture_disabled():
            print(f"\n--- verified instructions on {SERIES} (tests/live/verified/{SERIES}.txt differs)\n{rows}---")


@pytest.mark.parametrize("name", PROGRAMS)
def test_verifier_work_does_not_grow(trace, measured, name):
    answer = trace.command("-v", "--dry-run", "-e", PROGRAMS[name])
    if "this kernel offers no probes of kernel functions here" in answer.stderr:
        pytest.skip("this kernel offers no probes of its functions")
    assert answer.code == 0, answer.stderr
    counts = [int(count) for count in re.findall(r"^loaded .* (\d+) verified,", answer.stderr, re.M)]
    assert counts, answer.stderr
    measured[name] = sum(counts)
    before = known().get(name)
    if before is not None and not os.environ.get("UPDATE_VERIFIED"):
        assert measured[name] <= before * 1.1 + 5, f"{name}: {before} instructions before, {measured[name]} now"
