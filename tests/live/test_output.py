"""What is printed: order, records, histograms, stacks, JSON."""
import json
import re

GETPPID = "tracepoint:syscalls:sys_enter_getppid"


def test_records_of_two_cpus_come_in_order(trace, workload):
    game = workload("pingpong", 500)
    answer = trace(f'{GETPPID} /pid == {game.pid}/ {{ printf("%d\\n", tid); }}', run=game)
    threads = answer.lines()
    assert len(threads) == 1000 and len(set(threads)) == 2
    assert all(threads[i] == threads[i % 2] for i in range(1000))


def test_every_record_of_a_paced_source_arrives(trace, workload):
    calls = workload("calls", 2000, 0, 2, 100)
    answer = trace(f'{GETPPID} /pid == {calls.pid}/ {{ printf("%d %s\\n", pid, comm); }}', run=calls)
    assert answer.lines() == [f"{calls.pid} calls"] * 4000


def test_struct_and_string_arguments(trace, workload):
    functions = workload("functions", 1, "text", "many")
    path = functions.path.parent / "libfixture.so"
    program = (f'uprobe:{path}:fixture_text {{ printf("%s\\n", str(arg0)); }} '
               f'uprobe:{path}:fixture_many {{ printf("%d %d %d\\n", arg0, arg4, arg5); }}')
    assert trace(program, "-p", functions.pid, run=functions).lines() == ["hello, probe", "1 5 6"]


def test_latency_histogram_counts_every_call(trace, workload):
    sleeper = workload("latency", 50, 1000)
    program = (f"tracepoint:syscalls:sys_enter_nanosleep /pid == {sleeper.pid}/ {{ @start[tid] = nsecs; }} "
               "tracepoint:syscalls:sys_exit_nanosleep /@start[tid]/ "
               "{ @us = hist((nsecs - @start[tid]) / 1000); delete(@start[tid]); }")
    buckets = trace(program, run=sleeper).buckets()
    assert sum(buckets.values()) == 50
    assert "[256, 512)" not in buckets  # none is shorter than the pause asked for


def test_user_stack_names_its_functions(trace, workload):
    functions = workload("functions-static", 3, "outer")
    answer = trace(f"uprobe:{functions.path}:fixture_inner {{ @[ustack] = count(); }}", "-p", functions.pid, run=functions)
    frames = re.findall(r"^ {8}(\w+)\+\d+", answer.stdout, re.M)
    assert frames[:3] == ["fixture_inner", "fixture_outer", "call"]
    assert "]: 3" in answer.stdout


def test_kernel_stack_has_names(trace, workload):
    calls = workload("calls", 100)
    answer = trace(f"{GETPPID} /pid == {calls.pid}/ {{ @[kstack] = count(); }}", run=calls)
    assert re.search(r"^ {8}[a-z_]\w*\+\d+", answer.stdout, re.M)


def test_maps_print_by_name_at_the_end(trace):
    answer = trace("begin { @b = 2; @a = 1; @c[1, \"x\"] = 3; exit(); }")
    assert answer.stdout == "\n\n@a: 1\n@b: 2\n@c[1, x]: 3\n"


def test_json_lines(trace):
    answer = trace('begin { @a = 1; printf("hi\\n"); exit(); }', "-f", "json")
    rows = [json.loads(line) for line in answer.lines()]
    assert {"type": "printf", "data": "hi\n"} in rows
    assert {"type": "map", "data": {"@a": 1}} in rows


def test_output_file(trace, tmp_path):
    path = tmp_path / "out"
    answer = trace('begin { printf("hi\\n"); exit(); }', "-o", path)
    assert answer.stdout == "" and path.read_text().startswith("hi\n")


def test_attached_line_goes_to_stderr(trace):
    answer = trace("interval:ms:1 { exit(); }")
    assert "Attached 1 probe\n" in answer.stderr and "Attached" not in answer.stdout


def test_times_of_records_never_go_back(trace, workload):
    calls = workload("calls", 20000, 0, 2)
    answer = trace(f'{GETPPID} /pid == {calls.pid}/ {{ printf("%d %lu\\n", cpu, nsecs); }} '
                   'profile:hz:999 { printf("%d %lu\\n", cpu, nsecs); }', run=calls)
    rows = [tuple(map(int, line.split())) for line in answer.lines()]
    times = [time for _, time in rows]
    assert times == sorted(times) and {cpu for cpu, _ in rows} >= {0, 1}
