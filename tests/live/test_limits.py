"""Scripts at the limits: they run, or one sentence says which limit it is and what to change."""
import re

import pytest

from conftest import IN_VM

ENTER = "tracepoint:syscalls:sys_enter_getppid"


def block(statements):
    return "config = { print_maps_on_exit = false } begin { " + " ".join(statements) + " }"


# ---- what runs ----------------------------------------------------------------------------------------------------

def test_a_hundred_probes(trace, workload):
    work = workload("calls", 50)
    program = " ".join(f"{ENTER} /pid == {work.pid}/ {{ @c{n % 7} = count(); }}" for n in range(100))
    answer = trace(program, run=work)
    assert sum(answer.value(f"@c{n}") for n in range(7)) == 5000


def test_a_hundred_begin_blocks(trace):
    answer = trace(" ".join(f"begin {{ @ += {n}; }}" for n in range(100)), "-q")
    assert answer.value() == 4950 and not answer.stderr


def nested(depth):
    """Holds a value for each level while the rest is computed: more than 512 bytes of stack, if all that could was there."""
    return "1" if depth == 0 else f"($v{depth} + ($v{depth + 1} > {depth} ? {nested(depth - 1)} : nsecs))"


def test_more_values_at_the_same_time_than_the_stack_has_room_for(trace):
    variables = [f"$v{n} = (uint64){100 + n};" for n in range(30)]
    answer = trace(block([*variables, f"print({nested(20)});"]), "-q")
    assert answer.stdout.strip() == str(sum(range(101, 121)) + 1) and not answer.stderr


def test_many_nested_choices_are_checked_once(trace):
    answer = trace(block(["print(" + "(1 ? " * 40 + "7" + " : 2)" * 40 + ");"]), "-q")
    assert answer.stdout.strip() == "7"


def test_a_loop_with_a_path_that_knows_its_counters(trace):
    """Each round of that path starts with other known numbers: the verifier must not follow it for ever."""
    answer = trace(block(["$v = (uint64)1; $n = 0;",
                          "while ($n < 2) { $n++; if ($n + (++$v > $v)) { if ($v || $v ? $v : $v << 1) { $c = 1; }",
                          "$f = 1 % $n; for $g : 2..1 { $h = 1; } } } print(($n, $v));"]), "-q")
    assert answer.stdout.strip() == "(2, 3)"


MANY = 200 if IN_VM else 1000  # the verifier's work for a thousand takes minutes in an emulator
STATEMENTS = {
    "sums": ([f"@x += {n};" for n in range(MANY)] + ["print(@x);"], f"@x: {MANY * (MANY - 1) // 2}"),
    "keyed sums": ([f"@x[{n}] += {n};" for n in range(MANY)] + ["print(@x[7]); print(len(@x));"], f"7\n{MANY}"),
    "keyed counts": ([f"@x[{n}] = count();" for n in range(MANY)] + ["print(len(@x));"], f"{MANY}"),
    "text keys": ([f'@x["key{n}"] = {n};' for n in range(MANY)] + ['print(@x["key77"]);'], "77"),
    "variables": ([f"$x{n} = {n};" for n in range(MANY)] + ["print($x7 + $x99);"], "106"),
    "conditions": (["if (rand % 2 < 2) { @x++; }"] * MANY + ["print(@x);"], f"@x: {MANY}"),
    "histograms": ([f"@x = hist({n});" for n in range(MANY)] + ["clear(@x); print(1);"], "1"),
    "reads": ([f"$a{n} = curtask.pid;" for n in range(MANY)] + ["print($a0 == $a99);"], "true"),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_many_statements(trace, name):
    statements, expected = STATEMENTS[name]
    answer = trace(block(statements), "-q")
    assert answer.stdout.strip() == expected and not answer.stderr, answer.stderr


@pytest.mark.parametrize("count", [64, MANY])
def test_many_printf_calls(trace, count):
    answer = trace(block(f'printf("%d %s\\n", {n}, comm);' for n in range(count)), "-q")
    assert answer.lines() == [f"{n} tarsier" for n in range(count)] and not answer.stderr


def test_printf_with_many_arguments(trace):
    answer = trace(block(['printf("' + "%d " * 128 + '\\n", ' + ", ".join(map(str, range(128))) + ");"]), "-q")
    assert answer.stdout.split() == [str(n) for n in range(128)]


def test_keys_of_everything(trace):
    parts = ["1", '"text"', "(2, (3, true))", "comm", "kstack(raw, 3)", "ustack(3)", "ksym(0)", "curtask", "(uint8)5", "nsecs > 0"]
    answer = trace(block([f"@m[{', '.join(parts)}] = ({', '.join(parts)}); for ($kv : @m) {{ print($kv.0.2.1.0 + $kv.1.8); }}"]), "-q")
    assert answer.lines() == ["8"] and not answer.stderr


def test_keys_of_twenty_fields(trace):
    numbers, texts = ", ".join(map(str, range(20))), ", ".join(f'"s{n}", {n}' for n in range(20))
    answer = trace(f"begin {{ @n[{numbers}] = 1; @t[{texts}] = 2; }}", "-q")
    assert answer.lines() == [f"@n[{numbers}]: 1", "@t[" + texts.replace('"', "") + "]: 2"] and not answer.stderr


def test_keys_of_long_texts(trace):
    long = "k" * 1023
    answer = trace(f'begin {{ @m["{long}"] = count(); @n["{long}", "{long}"] = "{long}"; print(len(@n)); }}', "-q")
    assert answer.lines() == ["1", f"@m[{long}]: 1", f"@n[{long}, {long}]: {long}"] and not answer.stderr


def test_keys_of_deep_stacks(trace):
    answer = trace(block(["@m[kstack, ustack] = (kstack, ustack); @d = kstack(1024); print(len(@m)); print(len(@d) > 0);"]), "-q")
    assert answer.lines() == ["1", "true"] and not answer.stderr


def test_modes_of_stacks_in_a_key(trace):
    answer = trace("begin { @raw[kstack(raw, 3)] = 1; @perf[kstack(perf, 3)] = 2; @plain[kstack(bpftrace, 3)] = 3; }", "-q")
    assert re.search(r"^@raw\[\n[0-9a-f]{16}\n[0-9a-f]{16}\n[0-9a-f]{16}\n\]: 1$", answer.stdout, re.M)
    assert re.search(r"^@perf\[\n(\t[0-9a-f]{16} \S+\+\d+.*\n){3}\]: 2$", answer.stdout, re.M)
    assert re.search(r"^@plain\[\n( {8}\S+\+\d+\n){3}\]: 3$", answer.stdout, re.M)


def test_build_ids_of_user_stacks(trace):
    """The main program's own frames carry its build id, as the linker wrote it."""
    answer = trace("begin { @m[ustack(build_id, 5)] = count(); printf(\"%s|\", ustack(build_id, 2)); $s = ustack(build_id, 3); print(len($s)); }", "-q")
    frames = re.search(r"^@m\[\n((?:.+\n)*)\]: 1$", answer.stdout, re.M)[1].splitlines()
    assert 1 <= len(frames) <= 5 and all(re.fullmatch(r"[0-9a-f]{40} 0x[0-9a-f]{2,}|[0-9a-f]+", frame) for frame in frames)
    assert any(" 0x" in frame for frame in frames), answer.stdout
    answer = trace("begin { @m[kstack(build_id, 2)] = 1; }")
    assert "can only be used for ustack" in answer.stderr and re.search(r"^@m\[\n[0-9a-f]{16}\n", answer.stdout, re.M)


# ---- what does not, and what is said ------------------------------------------------------------------------------

REFUSED = {
    "printf arguments": (block(['printf("' + "%d " * 129 + '\\n", ' + ", ".join(["1"] * 129) + ");"]), r"up to 129 arguments"),
    "loops": (block(f"$i{n} = 0; while ($i{n} < 3) {{ $i{n}++; }}" for n in range(300)), r"the kernel allows 255 in a program: split"),
    "scratch": (block(["@a[" + ", ".join(["str(0)"] * 200) + "] = 1;"]), r"needs \d+ bytes .* there is room for 131072"),
    "unroll": (block(["unroll(101) { @x++; }"]), r"unroll maximum value is 100"),
    "buckets": (block(["@ = lhist(1, 0, 100000, 1);"]), r"too many buckets, must be <= 1000"),
    "stack depth": (block(["@ = kstack(1025);"]), r"limit must be from 1 to 1024"),
    "nesting": (block(["if (1) {"] * 250 + ["}"] * 250), r"nest"),
    "entries": ("let @a = hash(99999999); begin { @a[1] = 1; }", r"a map holds at most 67108864 entries"),
    "intervals": (block(["@ = tseries(1, 1s, 99999);"]), r"num_intervals must be from 1 to 1365"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_limit_is_told(trace, name):
    program, words = REFUSED[name]
    answer = trace(program)
    errors = re.findall(r"ERROR: (.*)", answer.stderr)
    assert answer.code == 1 and len(errors) == 1 and re.search(words, errors[0]), answer.stderr
    assert "HINT" in answer.stderr or name in ("nesting", "loops"), answer.stderr


LONG = {
    "conditions and keys": block(f"if (rand % {n + 2} == 0) {{ @x{n % 50}[rand % 7, comm] = hist(rand); }}" for n in range(300)),
    "while loops": block(f"$i{n} = 0; while ($i{n} < 3) {{ $i{n}++; @x[$i{n}] = count(); }}" for n in range(200)),
    "map loops": block(f"for ($kv : @m) {{ @n[$kv.0] = $kv.1; }} @m[{n}] = {n};" for n in range(200)),
}


@pytest.mark.parametrize("name", LONG)
def test_long_programs(trace, name):
    answer = trace(LONG[name], "-q")
    assert answer.code == 0 and not answer.stderr, answer.stderr[:2000]
