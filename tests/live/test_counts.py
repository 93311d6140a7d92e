"""N events give N: every kind of probe, from one CPU and from both."""
import os
import re

import pytest

from conftest import FIXTURES

N = 3000
GETPPID = "tracepoint:syscalls:sys_enter_getppid"
SYSCALL_GETPPID = 110  # x86-64


@pytest.mark.machine
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


@pytest.mark.machine
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
    answer = trace("interval:ms:10 { if (@ == 5) { exit(); } else { @++; } }")
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


@pytest.mark.machine
@pytest.mark.parametrize("change", ["@ = count()", "@++", "@ += 1", "@ = sum(1)"])
def test_two_cpus_lose_no_count(trace, workload, change):
    calls = workload("calls", N, 0, 2)
    assert trace(f"{GETPPID} /pid == {calls.pid}/ {{ {change}; }}", run=calls).value() == 2 * N


@pytest.mark.machine
@pytest.mark.parametrize("change", ["@[comm] = count()", "@[comm]++"])
def test_two_cpus_lose_no_count_of_a_key(trace, workload, change):
    calls = workload("calls", N, 0, 2)
    assert trace(f"{GETPPID} /pid == {calls.pid}/ {{ {change}; }}", run=calls).keyed() == {"calls": 2 * N}


@pytest.mark.machine
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


# ---- print with clear or zero -----------------------------------------------------------------------------------

def printed(answer, name="@"):
    """Sum of all lines of a map, which repeat with every print."""
    return sum(int(line.rpartition(" ")[2]) for line in answer.lines() if re.match(rf"{name}(\[.*\])?: ", line))


@pytest.mark.parametrize("interval", ["us:100", "ms:10"])  # the first asks for more than there are grace periods
@pytest.mark.parametrize("emptied", ["clear", "zero"])
@pytest.mark.parametrize("change", ["@ = count()", "@++", "@ += 1", "@ = sum(1)", "@[comm] = count()", "@[comm]++",
                                    "@[cpu] = sum(1)"])
def test_print_and_empty_lose_nothing(trace, workload, change, emptied, interval):
    calls = workload("calls", 20000, 0, 2)
    program = (f"{GETPPID} /pid == {calls.pid}/ {{ {change}; }} "
               f"interval:{interval} {{ print(@); {emptied}(@); }}")
    assert printed(trace(program, run=calls)) == 40000


@pytest.mark.machine
def test_print_and_clear_of_several_maps(trace, workload):
    calls = workload("calls", 20000, 20000, 2)
    program = (f"{GETPPID} /pid == {calls.pid}/ {{ @a++; @b[tid]++; }} "
               f"tracepoint:syscalls:sys_enter_getuid /pid == {calls.pid}/ {{ @c = count(); }} "
               "interval:ms:5 { print(@a); print(@b); print(@c); clear(@a); clear(@b); clear(@c); }")
    answer = trace(program, run=calls)
    assert [printed(answer, name) for name in ("@a", "@b", "@c")] == [40000, 40000, 40000]


# ---- every way to name a user function ----------------------------------------------------------------------------

def test_uprobe_at_an_offset(trace, workload):
    functions = workload("functions-static", 10, "5")
    answer = trace(f"uprobe:{functions.path}:f5+0 {{ @ = count(); }}", "-p", functions.pid, run=functions)
    assert answer.value() == 10


def test_uprobe_by_library_name(trace, workload):
    calls = workload("calls", 1, 0, 1, 1)  # the pace makes it sleep once
    assert trace("uprobe:libc:usleep { @ = count(); }", "-p", calls.pid, run=calls).value() == 1


def test_uprobe_found_by_path(trace, workload):
    functions = workload("functions-static", 10, "5")
    path = {"PATH": f"{FIXTURES}:{os.environ['PATH']}"}
    answer = trace("uprobe:functions-static:f5 { @ = count(); }", "-p", functions.pid, run=functions, environment=path)
    assert answer.value() == 10


def test_wildcards_name_their_probe(trace, workload):
    functions = workload("functions", 5, "19", "190", "191")
    path = functions.path.parent / "libfixture.so"
    answer = trace(f"uprobe:{path}:f19* {{ @[probe] = count(); }}", "-p", functions.pid, run=functions)
    assert answer.keyed() == {f"uprobe:{path}:f{n}": 5 for n in (19, 190, 191)}


@pytest.mark.machine
def test_uretprobe_wildcards_under_load(trace, workload):
    functions = workload("functions", 500, "all")
    path = functions.path.parent / "libfixture.so"
    answer = trace(f"uretprobe:{path}:f2* {{ @ = count(); }}", "-p", functions.pid, run=functions)
    assert answer.value() == 500 * 11  # f2, f20..f29


# ---- clocks ---------------------------------------------------------------------------------------------------------

@pytest.mark.machine
@pytest.mark.skipif(os.cpu_count() < 2, reason="one CPU only")
def test_profile_samples_both_cpus(trace, workload):
    first, second = workload("spin", 400, 0), workload("spin", 400, 1)
    program = f"profile:hz:199 /pid == {first.pid} || pid == {second.pid}/ {{ @[cpu] = count(); }}"
    session = trace.start(program).wait_attached()
    first.start_work()
    second.go()
    first.finish_work()
    counts = session.finish().keyed()
    assert set(counts) >= {"0", "1"} and min(counts.values()) > 0


# ---- programs that nest ------------------------------------------------------------------------------------------------

@pytest.mark.machine
def test_nested_programs_do_not_mix_their_keys(trace, workload):
    calls, functions = workload("calls", 20000, 0, 2), workload("functions", 2000, "7")
    library = functions.path.parent / "libfixture.so"
    program = (f"{GETPPID} /pid == {calls.pid}/ {{ @[\"entry of a call\", str(\"first\")] = count(); @t[comm, \"t\"]++; }} "
               f"tracepoint:syscalls:sys_exit_getppid /pid == {calls.pid}/ {{ @[\"exit of a call\", str(\"second\")] = count(); }} "
               f"uprobe:{library}:f7 /pid == {functions.pid}/ {{ @[\"user function\", str(\"third\")] = count(); }} "
               f"profile:hz:4999 {{ @[\"sample\", str(\"fourth\")] = count(); @t[comm, \"p\"]++; }}")
    session = trace.start(program).wait_attached()
    functions.start_work()
    calls.go()
    functions.finish_work()
    answer = session.finish()
    counts = answer.keyed()
    assert counts.pop("sample, fourth") > 0
    assert counts == {"entry of a call, first": 40000, "exit of a call, second": 40000, "user function, third": 2000}
    assert answer.keyed("@t")["calls, t"] == 40000
    assert {key.rpartition(", ")[2] for key in answer.keyed("@t")} == {"t", "p"}


# ---- 32-bit calls ---------------------------------------------------------------------------------------------------

def test_calls_of_the_32_bit_table_are_no_other_calls(trace, workload):
    compat = workload("compat", 1000)
    program = (f"{GETPPID} /pid == {compat.pid}/ {{ @one++; }} "
               f"tracepoint:syscalls:sys_exit_getppid /pid == {compat.pid}/ {{ @one++; }} "
               f"tracepoint:syscalls:sys_enter_* /pid == {compat.pid}/ {{ @[probe] = count(); }} "
               f"tracepoint:raw_syscalls:sys_enter /pid == {compat.pid}/ {{ @raw[args.id] = count(); }}")
    session = trace.start(program).wait_attached()
    if compat.go() == [0]:
        pytest.skip("no 32-bit table on this machine")
    answer = session.finish()
    assert "@one" not in answer.stdout
    assert not {GETPPID, "tracepoint:syscalls:sys_enter_semget"} & set(answer.keyed())
    raw = answer.keyed("@raw")
    assert (raw["64"], raw["110"]) == (1000, 1000)  # raw_syscalls shows all


# ---- threads ------------------------------------------------------------------------------------------------------------

@pytest.mark.machine
def test_latency_of_threads_pairs_entry_and_exit(trace, workload):
    calls = workload("calls", 5000, 0, 2)
    program = (f"{GETPPID} /pid == {calls.pid}/ {{ @start[tid] = nsecs; }} "
               "tracepoint:syscalls:sys_exit_getppid /@start[tid]/ "
               "{ @ns = hist(nsecs - @start[tid]); delete(@start[tid]); } end { clear(@start); }")
    answer = trace(program, run=calls)
    assert sum(answer.buckets().values()) == 10000 and "@start" not in answer.stdout


def test_filter_by_process_option(trace, workload):
    ours, other = workload("calls", N, 0, 2), workload("calls", N)
    session = trace.start(f"{GETPPID} {{ @[pid] = count(); }} rawtracepoint:sys_enter /arg1 == {SYSCALL_GETPPID}/ "
                          "{ @raw[pid] = count(); }", "-p", ours.pid).wait_attached()
    other.go()
    ours.go()
    answer = session.finish()
    assert answer.keyed() == {str(ours.pid): 2 * N} and answer.keyed("@raw") == {str(ours.pid): 2 * N}


# ---- limits are told ---------------------------------------------------------------------------------------------------

@pytest.mark.machine
def test_full_map_tells_how_many_updates_were_lost(trace, workload):
    functions = workload("functions", 300, "3")
    library = functions.path.parent / "libfixture.so"
    answer = trace(f"config = {{ max_map_keys = 100 }} uprobe:{library}:f3 {{ @[arg0] = count(); }}", "-p", functions.pid,
                   run=functions)
    lost = int(re.search(r"Map full; can't update element: @ holds 100 keys, (\d+) updates", answer.stderr).group(1))
    assert sum(answer.keyed().values()) + lost == 300 and "max_map_keys" in answer.stderr


@pytest.mark.machine
def test_printed_and_lost_records_are_all(trace, workload):
    calls = workload("calls", 200000, 0, 2)
    answer = trace(f'{GETPPID} /pid == {calls.pid}/ {{ printf("%d %s %llu\\n", tid, comm, nsecs); }}', run=calls)
    lost = re.search(r"Total lost event count: (\d+)", answer.stderr)
    assert len(answer.lines()) + int(lost.group(1) if lost else 0) == 400000
