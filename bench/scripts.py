"""The scripts whose cost in the kernel is measured (bench/run) and counted (tests/live/test_calls.py).

Each has a block for getppid, which the workload calls. Scripts that newer bpftrace versions read and Debian's does not have
only one figure.
"""
ENTER = "tracepoint:syscalls:sys_enter_getppid"
EXIT = "tracepoint:syscalls:sys_exit_getppid"

SCRIPTS = {
    # counting without keys
    "count": f"{ENTER} {{ @ = count(); }}",
    "increment": f"{ENTER} {{ @++; }}",
    "sum": f"{EXIT} {{ @ = sum(args->ret); }}",
    "avg": f"{EXIT} {{ @ = avg(args->ret); }}",
    "min": f"{EXIT} {{ @ = min(args->ret); }}",
    "stats": f"{EXIT} {{ @ = stats(args->ret); }}",
    "hist": f"{EXIT} {{ @ = hist(args->ret); }}",
    "lhist": f"{EXIT} {{ @ = lhist(args->ret, 0, 100000, 1000); }}",
    "fine hist": f"{EXIT} {{ @ = hist(args->ret, 3); }}",
    "tseries": f"{EXIT} {{ @ = tseries(args->ret, 1s, 60); }}",
    # by key
    "count by pid": f"{ENTER} {{ @[pid] = count(); }}",
    "count by comm": f"{ENTER} {{ @[comm] = count(); }}",
    "count by two keys": f"{ENTER} {{ @[pid, comm] = count(); }}",
    "count by text": f'{ENTER} {{ @["enter"] = count(); }}',
    "count by probe": f"{ENTER} {{ @[probe] = count(); }}",
    "count by long text": f"{ENTER} {{ @[str(curtask->comm)] = count(); }}",
    "increment by pid": f"{ENTER} {{ @[pid]++; }}",
    "hist by comm": f"{EXIT} {{ @[comm] = hist(args->ret); }}",
    "value by pid": f"{ENTER} {{ @[pid] = nsecs; }}",
    "text by pid": f"{ENTER} {{ @[pid] = comm; }}",
    "tuple by pid": f"{ENTER} {{ @[pid] = (nsecs, comm, 1); }}",
    "delete": f"{ENTER} {{ @[tid] = 1; delete(@[tid]); }}",
    "latency": f"{ENTER} {{ @start[tid] = nsecs; }} {EXIT} /@start[tid]/ {{ @ = hist(nsecs - @start[tid]); delete(@start[tid]); }}",
    # kinds of maps
    "lruhash": f"let @ = lruhash(100); {ENTER} {{ @[pid] = 1; }}",
    "percpuhash": f"let @ = percpuhash(100); {ENTER} {{ @[pid] = count(); }}",
    "percpulruhash": f"let @ = percpulruhash(100); {ENTER} {{ @[pid] = count(); }}",
    # conditions and loops
    "predicate": f'{ENTER} /comm == "calls" && pid > 1/ {{ @ = count(); }}',
    "branches": f"{ENTER} {{ if (pid > 1000000) {{ @a = count(); }} else if (uid == 0) {{ @b = count(); }} else {{ @c = count(); }} }}",
    "range loop": f"{ENTER} {{ for $i : 0..10 {{ @ = count(); }} }}",
    "map loop": f"BEGIN {{ @k[1] = 1; @k[2] = 2; @k[3] = 3; }} {ENTER} {{ for ($kv : @k) {{ @ = sum($kv.1); }} }}",
    "unrolled loop": f"{ENTER} {{ unroll(10) {{ @ = count(); }} }}",
    # stacks
    "kernel stack": f"{ENTER} {{ @[kstack] = count(); }}",
    "user stack": f"{ENTER} {{ @[ustack] = count(); }}",
    # records
    "printf": f'{ENTER} {{ printf("%d %s\\n", pid, comm); }}',
    "printf of numbers": f'{ENTER} {{ printf("%d %d %d %lu\\n", pid, tid, cpu, nsecs); }}',
    "printf of a text": f'{ENTER} {{ printf("%s\\n", str(curtask->comm)); }}',
}
