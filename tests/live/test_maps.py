"""Maps: loops over them, their kinds, what fills them, what prints them. Exact output of small programs."""
import json
import os
import re

import pytest


def lines(*values):
    return "".join(f"{value}\n" for value in values)


# ---- loops over maps ----------------------------------------------------------------------------------------------
# A hash has no order: what is compared is sorted, or has one element.

LOOPS = {
    "integers": ("@m[16] = 32; @m[64] = 128; for ($kv : @m) { print($kv); }", ["(16, 32)", "(64, 128)"]),
    "no-parentheses": ("@m[16] = 32; for $kv : @m { print($kv); }", ["(16, 32)"]),
    "two-keys": ("@m[16, 17] = 32; for ($kv : @m) { print($kv); print($kv.0.1); }", ["((16, 17), 32)", "17"]),
    "parts": ('@m[16, 17] = 32; for ($kv : @m) { printf("%d %d %d\\n", $kv.0.0, $kv.0.1, $kv.1); }', ["16 17 32"]),
    "strings": ('@m["abc"] = "aa"; @m["defghijk"] = "dd"; for ($kv : @m) { print($kv); }', ["(abc, aa)", "(defghijk, dd)"]),
    "long-strings": (f'@m["{"k" * 300}", "x"] = "{"v" * 200}"; for ($kv : @m) {{ print($kv.0.0); print($kv.1); }}',
                     ["k" * 300, "v" * 200]),
    "long-values-only": (f'@m["{"k" * 300}"] = "{"v" * 200}"; for ($kv : @m) {{ print($kv.1 == "v"); }}', ["false"]),
    "nothing-read": ("@m[1] = 1; @m[2] = 1; $n = 0; for ($kv : @m) { $n++; } print($n);", ["2"]),
    "empty": ("@m[1] = 1; delete(@m, 1); for ($kv : @m) { print($kv); }", []),
    "tuple-values": ('@m[1] = (2, "abc", (3, 4)); for ($kv : @m) { print($kv.1.2.1); print($kv.1.1); }', ["4", "abc"]),
    "bool-values": ("@m[1] = true; for ($kv : @m) { print($kv.1); }", ["true"]),
    "negative": ("@m[-1] = -5; for ($kv : @m) { print($kv); print($kv.1 < 0); }", ["(-1, -5)", "true"]),
    "pointers": ("@m[1] = curtask; for ($kv : @m) { print($kv.1 == curtask); }", ["true"]),
    "stack-key": ("@m[kstack(raw, 3)] = count(); for ($kv : @m) { print($kv.1); print(len($kv.0)); }", ["1", "3"]),
    "count": ("@m[1, 2] = count(); @m[1, 2] = count(); for ($kv : @m) { print($kv); }", ["((1, 2), 2)"]),
    "sum": ("@m[1] = sum(-5); @m[1] = sum(-6); for ($kv : @m) { print($kv); }", ["(1, -11)"]),
    "min": ("@m[1] = min(5); @m[1] = min(-6); for ($kv : @m) { print($kv); }", ["(1, -6)"]),
    "max": ("@m[1] = max(-5); @m[1] = max(-6); for ($kv : @m) { print($kv); }", ["(1, -5)"]),
    "avg": ("@m[1] = avg(5); @m[1] = avg(8); for ($kv : @m) { print($kv); }", ["(1, 6)"]),
    "unsigned-max": ("@m[1] = max((uint64)18446744073709551615); for ($kv : @m) { print($kv); }",
                     ["(1, 18446744073709551615)"]),
    "new-map": ("@m[16] = 32; for ($kv : @m) { @n[$kv.1] = $kv.0; } for ($kv : @n) { print($kv); }", ["(32, 16)"]),
    "nested": ("@m[1] = 0; @m[2] = 0; @n[5] = 7; @n[6] = 8; for ($a : @m) { for ($b : @n) { print($a.0 * 10 + $b.1); } }",
               ["17", "18", "27", "28"]),
    "nested-same": ("@m[1] = 1; @m[2] = 2; for ($a : @m) { for ($b : @m) { print($a.0 * 10 + $b.0); } }",
                    ["11", "12", "21", "22"]),
    "range-inside": ("@m[7] = 2; for ($kv : @m) { for $i : 0..$kv.1 { print($i + $kv.0); } }", ["7", "8"]),
    "inside-range": ("@m[7] = 2; for $i : 0..2 { for ($kv : @m) { print($i + $kv.0); } }", ["7", "8"]),
    "inside-while": ("@m[7] = 2; $i = 0; while ($i < 2) { for ($kv : @m) { print($i + $kv.0); } $i++; }", ["7", "8"]),
    "inside-unroll": ("@m[7] = 2; unroll (2) { for ($kv : @m) { print($kv.0); } }", ["7", "7"]),
    "by-reference": ("@m[0] = 0; @m[1] = 1; $v = 123; for ($kv : @m) { print($v); $v *= 2; } print($v);",
                     ["123", "246", "492"]),
    "string-by-reference": ('@m[0] = 0; $v = "abc"; for ($kv : @m) { print($v); $v = "def"; } print($v);', ["abc", "def"]),
    "break": ('@m[1] = 1; @m[2] = 2; $n = 0; for ($kv : @m) { $n++; break; } print($n);', ["1"]),
    "continue": ('@m["foo"] = 1; @m["bar"] = 2; for ($kv : @m) { if ($kv.0 == "bar") { continue; } print($kv.0); }', ["foo"]),
    "return": ('@m["foo"] = 1; for ($kv : @m) { print($kv.0); return; } print("not reached");', ["foo"]),
    "return-from-nested": ('@m[1] = 1; for ($a : @m) { for ($b : @m) { return; } print(2); } print(3);', []),
    "delete-inside": ("@m[1] = 1; @m[2] = 2; for ($kv : @m) { if ($kv.0 == 1) { delete(@m, $kv.0); print($kv); } } "
                      "for ($kv : @m) { print($kv); }", ["(1, 1)", "(2, 2)"]),
    "change-inside": ("@m[1] = 1; for ($kv : @m) { @m[$kv.0] = 7; print($kv.1); print(@m[$kv.0]); }", ["1", "7"]),
    "has-key-inside": ("@m[1] = 1; for ($kv : @m) { print(has_key(@m, $kv.0)); print(len(@m)); }", ["true", "1"]),
    "ternary": ('@m[1] = 5; for ($kv : @m) { print($kv.1 > 3 ? "big" : "small"); }', ["big"]),
}


@pytest.fixture(scope="module")
def loops(tmp_path_factory):
    """All loops in one run: a block each, its maps named after it."""
    import subprocess
    from conftest import TARSIER
    program = "config = { print_maps_on_exit = false }\n"
    for number, (name, (text, _)) in enumerate(LOOPS.items()):
        text = re.sub(r"@(\w+)", rf"@\g<1>_{number}", text)
        program += f'begin {{ print("--- {name}"); }} begin {{ {text} }}\n'
    path = tmp_path_factory.mktemp("loops") / "loops.bt"
    path.write_text(program)
    ran = subprocess.run([TARSIER, "-q", path], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and not ran.stderr, ran.stderr
    parts = re.split(r"^--- (.*)\n", ran.stdout.rstrip("\n") + "\n", flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


@pytest.mark.parametrize("name", LOOPS)
def test_loop(loops, name):
    assert sorted(loops[name].splitlines()) == sorted(LOOPS[name][1])


def test_loop_over_a_map_that_is_cleared(trace):
    """clear() is asynchronous: while it has not happened yet, another round counts the same again."""
    answer = trace("begin { @n = 0; } interval:ms:5 { @n++; @c[@n % 3] = count(); } "
                   "interval:ms:50 { $t = 0; for ($kv : @c) { $t += $kv.1; } @total += $t; @rounds++; clear(@c); } "
                   "interval:ms:400 /@n > 60/ { exit(); }")
    assert answer.code == 0 and not answer.stderr.replace("Attached 4 probes\n", ""), answer.stderr
    assert 10 < answer.value("@total") <= answer.value("@n") * answer.value("@rounds")


@pytest.mark.machine
def test_loop_sees_counts_of_all_cpus(trace, workload):
    work = workload("calls", 3000)
    answer = trace(f"tracepoint:syscalls:sys_enter_getppid /pid == {work.pid}/ {{ @[comm] = count(); }} "
                   'end { for ($kv : @) { printf("%s %d\\n", $kv.0, $kv.1); } clear(@); }', run=work)
    assert "calls 3000" in answer.stdout


def test_thread_values_are_kept_in_a_hash_for_a_loop(trace):
    answer = trace("begin { @s[tid] = nsecs; for ($kv : @s) { print($kv.0 == tid); } } end { clear(@s); }")
    assert answer.lines() == ["true"]


@pytest.mark.parametrize("text, words", [
    ("@m = 1; for ($kv : @m) { print($kv); }", "has no explicit keys"),
    ("@m[1] = hist(1); for ($kv : @m) { print($kv); }", "does not support type: hist"),
    ("@m[1] = lhist(1, 0, 9, 1); for ($kv : @m) { print($kv); }", "does not support type: lhist"),
    ("@m[1] = stats(1); for ($kv : @m) { print($kv); }", "does not support type: stats"),
    ("for ($kv : @m) { print($kv); }", "Undefined map"),
    ("@m[1] = 1; for ($kv : @m[1]) { print($kv); }", "for needs a map or a range"),
])
def test_what_a_loop_refuses(trace, text, words):
    answer = trace(f"begin {{ {text} }}")
    assert answer.code == 1 and words in answer.stderr, answer.stderr


# ---- kinds of maps ------------------------------------------------------------------------------------------------

def test_declared_size(trace):
    answer = trace("let @a = hash(1); begin { @a[1] = 1; @a[2] = 2; }")
    assert answer.keyed("@a") == {"1": 1}
    assert "Map full; can't update element: @a holds 1 keys, 1 updates were lost" in answer.stderr
    assert "HINT: declare more: let @a = hash(4), or lruhash(1)" in answer.stderr


def test_the_same_key_again_needs_no_room(trace):
    answer = trace('let @a = hash(1); let @b = hash(1); begin { @a[0] = 0; @a[0] = 1; @b["x"] = "y"; @b["x"] = "z"; }', "-q")
    assert answer.keyed("@a") == {"0": 1} and "@b[x]: z" in answer.stdout and not answer.stderr


@pytest.mark.parametrize("kind, value", [("lruhash", "$i"), ("percpulruhash", "count()"), ("percpulruhash", "$i")])
def test_least_recently_used_keys_go(trace, kind, value):
    answer = trace(f"let @a = {kind}(4); begin {{ for $i : 0..20 {{ @a[$i] = {value}; }} }}", "-q")
    assert 1 <= len(answer.keyed("@a")) <= 4 and not answer.stderr


def test_declared_map_without_keys(trace):
    answer = trace("let @a = hash(1); let @b = lruhash(5); let @c = percpuhash(1); let @d = percpuhash(3); "
                   "begin { @a = 7; @b = 8; @c = count(); @d++; @d += 5; print(@d); }", "-q")
    assert answer.lines() == ["@d: 6", "@a: 7", "@b: 8", "@c: 1", "@d: 6"] and not answer.stderr


@pytest.mark.machine
def test_integers_of_each_cpu_are_added_up(trace, workload):
    work = workload("calls", 5000, 0, 2)
    answer = trace(f"let @a = percpuhash(10); tracepoint:syscalls:sys_enter_getppid /pid == {work.pid}/ {{ @a[1]++; @a[2] += 3; "
                   "@on[cpu] = 1; } end { print(@a[1]); for ($kv : @a) { print($kv); } }", run=work)
    assert answer.keyed("@a") == {"1": 10000, "2": 30000} and len(answer.keyed("@on")) == min(2, os.cpu_count())
    assert sorted(answer.lines()[:3]) == ["(1, 10000)", "(2, 30000)", "10000"]


def test_kinds_can_be_cleared_walked_and_counted(trace):
    for kind in ("hash", "lruhash", "percpuhash", "percpulruhash"):
        answer = trace(f"let @a = {kind}(100); interval:ms:5 {{ @n++; @a[@n % 3] += 1; }} "
                       "interval:ms:60 { print(len(@a)); $t = 0; for ($kv : @a) { $t += $kv.1; } @t = sum($t); clear(@a); } "
                       "interval:ms:310 /@n > 60/ { clear(@a); exit(); }", "-q")
        assert "3" in answer.lines() and not answer.stderr
        assert answer.value("@t") > 20, kind


@pytest.mark.parametrize("program, words", [
    ("let @a = hash(9); begin { @a[1] = count(); }", "Type from declaration: hash. Type from value/key type: percpuhash"),
    ("let @a = lruhash(9); begin { @a = hist(1); }", "Type from declaration: lruhash. Type from value/key type: percpuhash"),
    ('let @a = percpuhash(9); begin { @a[1] = "x"; }', "Type from declaration: percpuhash. Type from value/key type: hash"),
    ('let @a = percpulruhash(9); begin { @a[1] = (1, 2); }', "write lruhash(9)"),
    ("let @a = hash(100000000); begin { @a[1] = 1; }", "a map holds at most 67108864 entries"),
])
def test_kinds_that_do_not_fit(trace, program, words):
    answer = trace(program)
    assert answer.code == 1 and words in answer.stderr, answer.stderr


def test_unused_declaration(trace):
    answer = trace("let @a = percpuhash(1); begin { }")
    assert answer.code == 0 and "WARNING: Unused map: @a" in answer.stderr


# ---- full maps ----------------------------------------------------------------------------------------------------

FILL = "for $i : 0..10 { @a[$i] = $i; @c[$i] = count(); }"


def test_full_maps_count(trace):
    answer = trace(f"config = {{ max_map_keys = 3 }} begin {{ {FILL} }}", "-q")
    assert answer.code == 0 and len(answer.keyed("@a")) == len(answer.keyed("@c")) == 3
    assert answer.stderr.count("holds 3 keys, 7 updates were lost") == 2


def test_full_maps_evict(trace):
    answer = trace(f"config = {{ max_map_keys = 3; full_maps = evict }} let @h = hash(3); begin {{ {FILL} @h[1] = 1; }}", "-q")
    assert answer.code == 0 and 1 <= len(answer.keyed("@a")) <= 3 and not answer.stderr


def test_full_maps_stop(trace):
    answer = trace("config = { max_map_keys = 3; full_maps = stop } "
                   'interval:ms:2 { @a[nsecs] = count(); printf("x\\n"); } interval:s:10 { exit(); } end { print("end"); }', "-q")
    assert answer.code == 1 and len(answer.keyed("@a")) == 3 and "end" in answer.lines()
    assert "ERROR: @a is full with 3 keys; the run ends because full_maps is stop" in answer.stderr
    assert answer.stderr.count("ERROR") == 1


def test_full_maps_word(trace):
    answer = trace("config = { full_maps = maybe } begin { }")
    assert answer.code == 1 and "full_maps must be count, evict or stop" in answer.stderr


@pytest.mark.machine
@pytest.mark.parametrize("value", ["$i", "count()", "hist($i)"])
def test_new_keys_where_interrupts_are_off(trace, value):
    answer = trace(f"interval:ms:20 {{ $i = 0; while ($i < 50) {{ @a[$i] = {value}; $i++; }} exit(); }}", "-q")
    assert not answer.stderr and len(re.findall(r"^@a\[", answer.stdout, re.M)) == 50


@pytest.mark.machine
def test_what_the_kernel_refuses_is_told(trace):
    answer = trace("interval:ms:20 { $i = 0; while ($i < 100) { @a[$i] = hist($i, 5); $i++; } exit(); }", "-q")
    made = len(re.findall(r"^@a\[", answer.stdout, re.M))
    assert made == 100 or f"{100 - made} updates of @a were refused" in answer.stderr
    assert made == 100 or "allocated beforehand: let @a = percpuhash(" in answer.stderr


# ---- tseries ------------------------------------------------------------------------------------------------------

def test_time_series(trace):
    """100 values in 10 intervals; the numbers of each interval follow from its place."""
    answer = trace("interval:ms:5 /@n < 100/ { @n++; @last = tseries(@n, 50ms, 1000); @sum = tseries(1, 50ms, 1000, \"sum\"); "
                   "@min[1] = tseries(@n, 50ms, 1000, \"min\"); @max[1, \"x\"] = tseries(@n, 50ms, 1000, \"max\"); "
                   "@avg = tseries(@n, 50ms, 1000, \"avg\"); if (@n == 100) { exit(); } }", "-f", "json", "-q")
    data = {}
    for line in answer.lines():
        record = json.loads(line)
        if record["type"] == "tseries":
            data.update(record["data"])
    last, total, average = ([row["value"] for row in data[name]] for name in ("@last", "@sum", "@avg"))
    least, most = [row["value"] for row in data["@min"]["1"]], [row["value"] for row in data["@max"]["1,x"]]
    starts = [row["interval_start"] for row in data["@last"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d[05]0000000", start) for start in starts)
    assert starts == sorted(starts) and len(set(starts)) == len(starts)
    assert sum(total) == 100 and last == most and most[-1] == 100 and least[0] == 1
    assert least[1:] == [value + 1 for value in most[:-1]]
    assert [high - low + 1 for low, high in zip(least, most)] == total
    assert average == [(low + high) // 2 for low, high in zip(least, most)]


def test_time_series_as_text(trace):
    answer = trace("begin { @a = tseries(-5, 1s, 3); @b[1] = tseries((uint64)0, 1h, 3); }", "-q")
    blocks = re.split(r"\n\n", answer.stdout.strip())
    assert len(blocks) == 2 and blocks[0].startswith("@a:\n") and blocks[1].startswith("@b[1]:\n")
    assert re.search(r"^\d\d:\d\d:\d\d\.000000000 \|                         \*                         \| -5$", blocks[0], re.M)
    assert re.search(r"^\d\d:\d\d:\d\d\.000000000 \*                                                   \| 0$", blocks[1], re.M)
    assert re.search(r"^ {19}0 {51}1$", blocks[1], re.M)


@pytest.mark.machine
def test_time_series_of_many_cpus(trace, workload):
    work = workload("calls", 20000, 0, 2)
    answer = trace(f"tracepoint:syscalls:sys_enter_getppid /pid == {work.pid}/ {{ @s = tseries(1, 1h, 2, \"sum\"); "
                   "@k[cpu] = tseries(1, 1h, 2, \"sum\"); }", "-f", "json", run=work)
    data = [json.loads(line)["data"] for line in answer.lines() if '"tseries"' in line]
    assert sum(row["value"] for row in data[1]["@s"]) == 40000
    assert sum(row["value"] for rows in data[0]["@k"].values() for row in rows) == 40000


@pytest.mark.parametrize("arguments, words", [
    ("1, 0, 5", "interval_ns must be >= 1 (0 provided)"),
    ("1, 1s, 0", "num_intervals must be from 1 to 1365 (0 provided)"),
    ("1, 1s, 1366", "num_intervals must be from 1 to 1365 (1366 provided)"),
    ('1, 1s, 5, "foo"', 'avg, max, min, sum ("foo" provided)'),
    ("1, nsecs, 5", "tseries()"),
    ('"x", 1s, 5', "tseries() expects an integer"),
    ("1, 1s, 5); @ = tseries(1, 1s, 6", "Different tseries bounds in a single map unsupported"),
])
def test_what_tseries_refuses(trace, arguments, words):
    answer = trace(f"begin {{ @ = tseries({arguments}); }}")
    assert answer.code == 1 and words in answer.stderr, answer.stderr


# ---- print(@map, ...) ---------------------------------------------------------------------------------------------

FOUR = '@m["a"] = 30; @m["b"] = 10; @m["c"] = 20; @m["d"] = 40;'


@pytest.mark.parametrize("options, keys", [
    ("", "bcad"), (", 2", "ad"), (", {order = descending}", "dacb"), (", {sort = key}", "abcd"),
    (', {sort = "key", order = "desc", limit = 3}', "dcb"), (", (sort = key, top = 1)", "d"), (", {limit = 2}", "bc"),
    (", {top = 2, order = descending}", "da"), (", {min = 20, sort = value}", "cad"), (", {min = 41}", ""),
    (", { limit = 1, }", "b"),
])
def test_print_options(trace, options, keys):
    answer = trace(f"config = {{ print_maps_on_exit = false }} begin {{ {FOUR} print(@m{options}); }}", "-q")
    assert "".join(re.findall(r"^@m\[(.)\]", answer.stdout, re.M)) == keys and not answer.stderr


def test_print_options_in_json(trace):
    answer = trace(f"config = {{ print_maps_on_exit = false }} begin {{ {FOUR} print(@m, {{top = 2, order = desc, div = 10}}); }}",
                   "-q", "-f", "json")
    assert answer.lines() == ['{"type": "map", "data": {"@m": {"d": 4, "a": 3}}}']


def test_print_with_options_and_clear_is_one_step(trace):
    answer = trace("interval:ms:2 { @n++; @c[@n % 10] = count(); } interval:ms:40 { print(@c, {sort = key, limit = 100}); clear(@c); } "
                   "interval:ms:500 { exit(); }", "-q")
    printed = sum(int(value) for value in re.findall(r"^@c\[\d\]: (\d+)$", answer.stdout, re.M))
    assert printed == answer.value("@n") and not answer.stderr


@pytest.mark.parametrize("options, words", [
    ("{limt = 4}", "print() has no option 'limt'"), ("{sort = foo}", "'sort' is key or value"),
    ("{limit = -1}", "print() expects a number from 0 up"), ("{limit = pid}", "print()"),
    ("{limit = 1}, 5", "nothing behind its options"), ("{limit}", "ERROR"), ("{limit = 1, limit = 2}", "two fields named"),
])
def test_print_options_that_do_not_exist(trace, options, words):
    answer = trace(f"begin {{ {FOUR} print(@m, {options}); }}")
    assert answer.code == 1 and words in answer.stderr, answer.stderr


def test_minimum_of_texts(trace):
    answer = trace('begin { @m[1] = "x"; print(@m, {min = 3}); }')
    assert answer.code == 1 and "'min' needs values that are numbers" in answer.stderr


# ---- zero ---------------------------------------------------------------------------------------------------------

@pytest.mark.machine
def test_zeroed_maps_are_there(trace):
    answer = trace("begin { @a = count(); @b = sum(5); @c = min(5); @d = stats(5); @e = hist(5); @f = tseries(5, 1s, 3); @g = 5; "
                   "@h[1] = count(); @i[2] = max(-3); @j[3] = 5; @k = count(); "
                   "zero(@a); zero(@b); zero(@c); zero(@d); zero(@e); zero(@f); zero(@g); zero(@h); zero(@i); zero(@j); "
                   "zero(@k); clear(@k); }", "-q")
    assert answer.lines() == ["@a: 0", "@b: 0", "@c: 0", "@d: { .count = 0, .average = 0, .total = 0 }", "@e:", "@f:", "<no data>",
                              "@g: 0", "@h[1]: 0", "@i[2]: 0", "@j[3]: 0"]


def test_length_of_a_stack_in_a_map(trace):
    answer = trace("begin { @s = kstack(3); @k[1] = kstack(2); print(len(@s)); print(len(@k[1])); print(len(@k)); clear(@s); clear(@k); }", "-q")
    assert answer.lines() == ["3", "2", "1"]


def test_length_of_a_map_without_keys(trace):
    answer = trace("begin { @s = 1; print(len(@s)); }")
    assert answer.code == 1 and "len() expects a map with explicit keys" in answer.stderr


# ---- find ---------------------------------------------------------------------------------------------------------

FINDS = {
    "integer": ("@m[1] = 7; let $v; print(find(@m, 1, $v)); print($v); print(find(@m, 2, $v)); print($v);",
                ["true", "7", "false", "7"]),
    "tuple": ('@m[2] = (1, "hello"); let $v; if (find(@m, 2, $v)) { print($v); }', ["(1, hello)"]),
    "string": ('@m["a", 1] = "x"; let $v = "longer"; if (find(@m, ("a", 1), $v)) { print($v); }', ["x"]),
    "count": ("@m[1] = count(); @m[1] = count(); let $v; if (find(@m, 1, $v)) { print($v + 1); }", ["3"]),
    "negative": ("@m[1] = -5; let $v; find(@m, 1, $v); print($v < 0);", ["true"]),
    "loop": ("@m[3] = 4; let $v; $n = 0; for $i : 0..5 { if (find(@m, $i, $v)) { $n += $v; } } print($n); print($v);", ["4", "4"]),
    "condition": ("@m[3] = 4; let $v; print(find(@m, 3, $v) && $v == 4 ? 1 : 2);", ["1"]),
    "stack": ("@m[3] = kstack(2); let $v; if (find(@m, 3, $v)) { print(len($v)); }", ["2"]),
}


@pytest.mark.parametrize("name", FINDS)
def test_find(trace, name):
    answer = trace(f"config = {{ print_maps_on_exit = false }} begin {{ {FINDS[name][0]} }}", "-q")
    assert answer.lines() == FINDS[name][1] and not answer.stderr


def test_find_of_a_thread_value(trace):
    answer = trace("begin { let $v; print(find(@s, tid, $v)); @s[tid] = 5; print(find(@s, tid, $v)); print($v); "
                   "delete(@s, tid); print(find(@s, tid, $v)); } end { clear(@s); }", "-q")
    assert answer.lines() == ["false", "true", "5", "false"]


@pytest.mark.parametrize("text, words", [
    ("@m = 1; let $v; find(@m, 1, $v);", "without an explicit key"), ("@m[1] = 1; find(@m, 1, $v);", "$v"),
    ("@m[1] = 1; find(@m, 1, @x);", "find() expects a variable"), ("@m[1] = hist(1); let $v; find(@m, 1, $v);", "hist_t"),
])
def test_what_find_refuses(trace, text, words):
    answer = trace(f"begin {{ {text} }}")
    assert answer.code == 1 and words in answer.stderr, answer.stderr
