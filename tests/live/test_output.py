"""What is printed: order, records, histograms, stacks, JSON."""
import json
import re

import pytest

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


# ---- the end of a run -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("program, options, expected", [
    ("begin { exit(); }", [], "\n\n"),
    ("begin { exit(); }", ["-q"], "\n\n"),
    ("begin { @ = 1; } interval:s:9 { }", ["--dry-run"], "\n\n"),
    ('begin { printf("a"); exit(); printf("b"); } end { printf("c"); }', [], "ac\n\n"),
    ("begin { @b = 1; @a = 2; @B = 3; @_ = 4; exit(); }", [], "\n\n@B: 3\n@_: 4\n@a: 2\n@b: 1\n"),
    ("begin { @a = 1; @b = 1; exit(); } end { clear(@a); delete(@b); }", [], "\n\n"),
    ("begin { print(@never); exit(); } interval:s:9 { @never++; }", [], "@never: 0\n\n\n"),
    ("begin { @ = count(); print(@); zero(@); print(@); exit(); } end { clear(@); }", [], "@: 1\n@: 0\n\n\n"),
    ('begin { @["a"] = 5; print(@); zero(@); print(@); clear(@); exit(); }', [], "@[a]: 5\n@[a]: 0\n\n\n"),
    ("begin { @ = 5; exit(); } end { @ = 6; }", [], "\n\n@: 6\n"),
    ("begin { exit(); } end { exit(); }", [], "\n\n"),
])
def test_what_is_printed_at_the_end(trace, program, options, expected):
    answer = trace(program, *options)
    assert (answer.code, answer.stdout) == (0, expected)


@pytest.mark.parametrize("program, code", [("begin { exit(); }", 0), ("begin { exit(7); }", 7), ("begin { exit(255); }", 255),
                                           ("interval:ms:1 { exit(9); }", 9), ("begin { exit(3); } end { exit(4); }", 4)])
def test_exit_codes(trace, program, code):
    assert trace(program).code == code


def test_records_behind_exit_are_dropped(trace):
    answer = trace('interval:ms:1 { @n++; printf("%d\\n", @n); if (@n == 3) { exit(); } }')
    assert answer.lines()[:-1] == ["1", "2", "3"]


# ---- JSON -----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("statements, expected", [
    ("@a = 5;", {"type": "map", "data": {"@a": 5}}),
    ('@a["x", 2] = 3;', {"type": "map", "data": {"@a": {"x,2": 3}}}),
    ("@a = hist(2);", {"type": "hist", "data": {"@a": [{"min": 2, "max": 3, "count": 1}]}}),
    ('@a["k"] = hist(2);', {"type": "hist", "data": {"@a": {"k": [{"min": 2, "max": 3, "count": 1}]}}}),
    ("@a = lhist(50, 0, 10, 2);", {"type": "hist", "data": {"@a": [{"min": 10, "count": 1}]}}),
    ("@a = stats(6); @a = stats(6);", {"type": "stats", "data": {"@a": {"count": 2, "average": 6, "total": 12}}}),
    ("@a = (1, (2, \"x\"));", {"type": "map", "data": {"@a": [1, [2, "x"]]}}),
    ('@a = "q\\"b\\n";', {"type": "map", "data": {"@a": 'q"b\n'}}),
    ('printf("%d\\n", 1);', {"type": "printf", "data": "1\n"}),
    ('time("now\\n");', {"type": "time", "data": "now\n"}),
    ("print(5);", {"type": "value", "data": 5}),
    ('print((1, "a"));', {"type": "value", "data": [1, "a"]}),
    ("@a[1] = 2; print(@a); clear(@a);", {"type": "map", "data": {"@a": {"1": 2}}}),
])
def test_json_of(trace, statements, expected):
    answer = trace(f"begin {{ {statements} exit(); }}", "-f", "json")
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert expected in rows and "\n\n" not in answer.stdout
    attached = [row for row in rows if row["type"] == "attached_probes"]
    assert len(attached) == 1 and attached[0]["data"] == {"probes": 1}


def test_json_of_lost_events(trace, workload):
    calls = workload("calls", 200000, 0, 2)
    answer = trace(f'{GETPPID} /pid == {calls.pid}/ {{ printf("%s\\n", str("x")); @ = count(); }}', "-f", "json", run=calls)
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    lost = sum(row["data"]["events"] for row in rows if row["type"] == "lost_events")
    assert sum(row["type"] == "printf" for row in rows) + lost == 400000
    assert {"type": "map", "data": {"@": 400000}} in rows


# ---- buffering -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("buffering", ["line", "none"])
def test_a_line_is_seen_when_it_happens(trace, buffering):
    session = trace.start('begin { printf("now\\n"); } interval:s:100 { }', "-B", buffering)
    session.wait_until(lambda: session.stdout() == "now\n", "the line")


def test_full_buffering_waits_for_the_end(trace):
    session = trace.start('begin { printf("now\\n"); } interval:s:100 { }', "-B", "full").wait_attached()
    assert session.stdout() == ""
    assert session.finish().stdout == "now\n\n\n"


# ---- stacks ----------------------------------------------------------------------------------------------------------------

MACHINERY = re.compile(r"bpf_|__bpf|perf_(trace|swevent|tp)|__traceiter|trace_call_bpf|^ +0x", re.M)


@pytest.mark.parametrize("probe", ["tracepoint:syscalls:sys_enter_getppid", "tracepoint:syscalls:sys_exit_getppid",
                                   "tracepoint:raw_syscalls:sys_enter", "rawtracepoint:sys_enter",
                                   "tracepoint:sched:sched_process_exit", "tracepoint:sched:sched_switch"])
@pytest.mark.parametrize("arguments", ["", "args"])
def test_kernel_stacks_start_where_the_event_is(trace, workload, probe, arguments):
    if arguments and "sched" not in probe:
        pytest.skip("only these differ with arguments")
    calls = workload("calls", 10, 0, 1, 5)
    use = {"": "", "args": "&& args.prio >= 0" if "exit" in probe else "&& args.prev_prio >= 0"}[arguments]
    answer = trace(f"{probe} /pid == {calls.pid} {use}/ {{ @[kstack] = count(); }}", run=calls)
    assert re.search(r"^ {8}\w+(\.\w+)*\+\d+$", answer.stdout, re.M) and not MACHINERY.search(answer.stdout)


def test_depth_of_a_stack(trace, workload):
    calls = workload("calls", 10)
    answer = trace(f'{GETPPID} /pid == {calls.pid}/ {{ printf("%s", kstack(2)); }}', run=calls)
    frames = [line for line in answer.lines()]
    assert len(frames) == 20 and all(re.match(r"^ {8}\w", line) for line in frames)


def test_user_stack_of_samples_names_functions(trace, workload):
    spin = workload("spin", 400)
    answer = trace(f"profile:hz:199 /pid == {spin.pid}/ {{ @[ustack] = count(); }}", "-p", spin.pid, run=spin)
    assert re.search(r"^ {8}spin_inner\+\d+\n {8}spin_outer\+\d+\n {8}main\+\d+$", answer.stdout, re.M)
