"""What the kernel's verifier has to do for our programs, those of the tools and those of bench/run: see verified.py.
(Scripts of Debian's bpftrace: test_debian_scripts.py.)"""
import subprocess
import sys

import pytest

from conftest import ROOT, TARSIER

sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True
from scripts import SCRIPTS  # noqa: E402

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
PROGRAMS.update({f"bench: {name}": text for name, text in SCRIPTS.items()})

# The tools that are questions without a program: what they show is their program.
TOOLS = ["funccount vfs_*", "funccount t:sched:*", "stackcount vfs_read", "stackcount -U libc:malloc", "funclatency vfs_read",
         "funclatency libc:malloc", "funcslower -l 1 vfs_read", "trace 'vfs_read (arg2 > 3) \"%d\", arg2'",
         "argdist vfs_read retval", "argdist -H libc:malloc arg0", "functrace vfs_*"]


def measure(trace, verified, name, program):
    answer = trace.command("-v", "--dry-run", "-e", program)
    if "this kernel offers no probes of kernel functions here" in answer.stderr:
        pytest.skip("this kernel offers no probes of its functions")
    assert answer.code == 0, answer.stderr
    verified.check(name, answer.stderr)


@pytest.mark.parametrize("name", PROGRAMS)
def test_verifier_work_does_not_grow(trace, verified, name):
    measure(trace, verified, name, PROGRAMS[name])


@pytest.mark.parametrize("words", TOOLS)
def test_verifier_work_of_tools_does_not_grow(trace, verified, words):
    shown = subprocess.run(f"{TARSIER} {words.replace(' ', ' --show ', 1)}", shell=True, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    measure(trace, verified, f"tool: {words}", shown.stdout)
