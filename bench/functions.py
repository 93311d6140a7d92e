#!/usr/bin/env python3
"""Probes of kernel functions, measured beside Debian's bpftrace and perf inside one VM; prints the page of this kernel.

    ./dev bench --vm 6.1 6.12      boots each with both tools in it, runs this there and writes bench/RESULTS-vm.md

Times in an emulator are long, and the machine around it may stop it anywhere: the least of some runs is shown, and
what counts is the ratio. Counts are exact anywhere."""
import os
import re
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

HERE = Path(__file__).parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
run = SourceFileLoader("run", str(HERE / "run")).load_module()
run.LIMIT = 600
BPFTRACE, TARSIER = "/usr/bin/bpftrace", str(run.BUILD / "tarsier")
CALLS = 20000
BATCHES, BATCH = 25, 500


def kernel_time(program):
    """BPF run time for each run of a program that has runs, in ns: the least of many batches, because a batch in which
    the machine stops the emulator tells nothing."""
    def measure(tool):
        run.STATISTICS.write_text("1")
        one = attached(tool, program)
        least = min(batch(one.process.pid)[0] for _ in range(BATCHES))
        run.STATISTICS.write_text("0")
        one.end()
        return least
    return measure


def batch(pid):
    """(BPF run time for each write, runs)"""
    before = run.program_stats(pid)
    run.workload("vfs", BATCH)()
    after = run.program_stats(pid)
    time_ns, runs = (sum(after[program][i] - before[program][i] for program in before if program in after)
                     for i in (0, 1))
    return time_ns / BATCH, runs


def attached(tool, program, *options):
    """bpftrace says so before it is, and its programs are there before they are attached: seen by what they do."""
    one = run.Run(tool, program, *options).settle()
    for _ in range(100):
        if batch(one.process.pid)[1] >= BATCH:
            return one
        time.sleep(0.2)
    raise RuntimeError("no event arrives")


WRITE, READ = "kprobe:vfs_write", "kprobe:vfs_read"
TIMES = [
    ("kprobe:vfs_*, attach and leave", "ms", "ratio 1/10", run.whole_run("kprobe:vfs_* { @ = count(); }" + run.LEAVE), 2),
    ("kprobe:vfs_read, attach and leave", "ms", "", run.whole_run(READ + " { @ = count(); }" + run.LEAVE), 2),
    ("kernel time, kprobe, @ = count()", "ns/event", "ratio 1", kernel_time(WRITE + " { @ = count(); }"), 1),
    ("kernel time, kprobe, @[comm] = count()", "ns/event", "ratio 1", kernel_time(WRITE + " { @[comm] = count(); }"), 1),
    ("kernel time, kprobe, @ = hist(arg2)", "ns/event", "ratio 1", kernel_time(WRITE + " { @ = hist(arg2); }"), 1),
    ("kernel time, kprobe, @[kstack] = count()", "ns/event", "ratio 1", kernel_time(WRITE + " { @[kstack] = count(); }"), 1),
    ("kernel time, kretprobe, @ = hist(retval)", "ns/event", "ratio 1",
     kernel_time("kretprobe:vfs_write { @ = hist(retval); }"), 1),
    ("kernel time, latency by kprobe and kretprobe", "ns/event", "ratio 1",
     kernel_time(WRITE + " { @s[tid] = nsecs; } kretprobe:vfs_write /@s[tid]/ { @ = hist(nsecs - @s[tid]); delete(@s[tid]); } "
                 "END { clear(@s); }"), 1),
    ("kernel time, kfunc, @ = sum(args->count)", "ns/event", "ratio 1", kernel_time("kfunc:vfs_write { @ = sum(args->count); }"), 1),
    ("kernel time, kretfunc, @ = sum(retval)", "ns/event", "ratio 1", kernel_time("kretfunc:vfs_write { @ = sum(retval); }"), 1),
]

# name, tarsier's options, its probe, bpftrace's probe, perf's probe ("" where it has none)
COUNTED = [
    ("kprobe.multi", [], "kprobe:vfs_write", "", ""),
    ("kprobe", ["--no-feature", "kprobe_multi"], "kprobe:vfs_write", "kprobe:vfs_write", "vfs_write"),
    ("kretprobe.multi", [], "kretprobe:vfs_write", "", ""),
    ("kretprobe", ["--no-feature", "kprobe_multi"], "kretprobe:vfs_write", "kretprobe:vfs_write", "vfs_write%return"),
    ("fentry", [], "fentry:vfs_write", "kfunc:vfs_write", ""),
    ("fexit", [], "fexit:vfs_write", "kretfunc:vfs_write", ""),
]


def count(tool, options, probe):
    work, pid = started()
    run.STATISTICS.write_text("1")
    one = attached(tool, f"{probe} /pid == {pid}/ {{ @ = count(); }}", *options)
    run.STATISTICS.write_text("0")
    work()
    one.end()
    return int(re.search(r"@: (\d+)", one.text).group(1))


def started():
    """The fixture makes CALLS writes and one more, of its last line."""
    process = subprocess.Popen([run.FIXTURES / "vfs", str(CALLS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return lambda: process.communicate("go\n"), process.pid


def perf_count(probe):
    subprocess.run(["perf", "probe", "-q", "--add", f"counted={probe}"], check=True, stderr=subprocess.DEVNULL)
    try:
        event = subprocess.check_output(["perf", "probe", "-l"], text=True, stderr=subprocess.DEVNULL).split()[0]
        work, pid = started()
        perf = subprocess.Popen(["perf", "stat", "-x,", "-e", event, "-p", str(pid)], stderr=subprocess.PIPE, text=True)
        while not any("perf_event" in os.readlink(link) for link in links(perf.pid)):
            time.sleep(0.1)
        time.sleep(1)
        work()
        return int(perf.communicate()[1].split(",")[0])
    finally:
        subprocess.run(["perf", "probe", "-q", "--del", "*"], stderr=subprocess.DEVNULL)


def links(pid):
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if os.path.islink(link):
            yield link


def tried(function, *arguments):
    try:
        return f"{function(*arguments):,}"
    except (RuntimeError, OSError, subprocess.SubprocessError, AttributeError, ValueError) as error:
        return f"no: {str(error)[:80]}"


def times():
    yield "| | unit | bpftrace | tarsier | ratio | to reach |\n|---|---|---|---|---|---|"
    for name, unit, goal, function, rounds in TIMES:
        theirs, ours = run.medians(function, [BPFTRACE, TARSIER], rounds, min)
        known = not isinstance(theirs, str) and not isinstance(ours, str) and theirs
        yield f"| {name} | {unit} | {run.cell(theirs)} | {run.cell(ours)} | {f'{ours / theirs:.3f}' if known else ''} | {goal} |"


def counts():
    yield f"{CALLS + 1:,} calls of `vfs_write` by one process:\n"
    yield "| mechanism | bpftrace | perf stat | tarsier |\n|---|---|---|---|"
    for name, options, ours, theirs, perf in COUNTED:
        yield (f"| {name} | {tried(count, BPFTRACE, [], theirs) if theirs else ''} | {tried(perf_count, perf) if perf else ''} | "
               f"{tried(count, TARSIER, options, ours)} |")


def tools():
    """Each script of Debian's package that probes kernel functions, for two seconds."""
    yield "| script | |\n|---|---|"
    for script in sorted(Path("/usr/sbin").glob("*.bt")):
        if not re.search(r"^\s*(kprobe|kretprobe|kfunc|kretfunc):", script.read_text(), re.M):
            continue
        process = subprocess.Popen([TARSIER, script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(2 if process.poll() is None else 0)
        process.send_signal(2)
        said = process.communicate(timeout=run.LIMIT)[1]
        first = next((line for line in said.splitlines() if "ERROR" in line), f"ended with {process.returncode}")
        yield f"| {script.name} | {'runs' if process.returncode == 0 else re.sub('^.*ERROR: ', 'no: ', first)} |"


def main():
    for name, filesystem in (("tracing", "tracefs"), ("debug", "debugfs")):
        subprocess.run(["mount", "-t", filesystem, name, f"/sys/kernel/{name}"], check=False)
    kernel = os.uname()
    print(f"## Linux {kernel.release}, {os.cpu_count()} CPUs\n")
    for title, lines in (("Times", times()), ("Counts", counts()), ("Scripts of Debian's bpftrace package", tools())):
        print(f"### {title}\n")
        for line in lines:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
