"""What scripts and habits that come from bpftrace rely on, apart from the language's core."""
import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import FIXTURES, TARSIER, Path

sys.path.insert(0, str(Path(__file__).parent / "debug"))
import programs  # noqa: E402

OUT = FIXTURES / "debug"


def run(program, *arguments, **environment):
    return subprocess.run([TARSIER, "-q", "-e", program, *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def lines(program, *arguments, **environment):
    answer = run(program, *arguments, **environment)
    assert (answer.stderr, answer.returncode) == ("", 0)
    return answer.stdout.rstrip("\n").splitlines()


# ---- the settings, as a record -------------------------------------------------------------------------------------------

def test_settings_can_be_read():
    program = ('config = { max_strlen = 77; cpp_demangle = false } begin { print(config().max_strlen); print(config.stack_mode);'
               'print(config.cpp_demangle); print(__builtin_config.log_size); print(config.str_trunc_trailer);'
               'print(config.print_maps_on_exit); if comptime (config.max_strlen > 70) { print("long"); } }')
    assert lines(program, BPFTRACE_STACK_MODE="perf") == ["77", "perf", "false", "1000000", "..", "true", "long"]


def test_settings_as_a_whole_are_a_record():
    answer = lines("begin { print(config); print((a=1, b=config.max_strlen)); }", BPFTRACE_MAX_STRLEN="99")
    assert ".max_strlen = 99, " in answer[0] and ".missing_probes = error, " in answer[0]
    assert answer[1] == "{ .a = 1, .b = 99 }"


def test_setting_that_is_not_there():
    answer = run("begin { print(config.max_strle); }")
    assert answer.returncode == 1 and "did you mean 'max_strlen'" in answer.stderr


# ---- texts that are known ahead ------------------------------------------------------------------------------------------

def test_str_of_a_parameter_is_a_literal():
    assert lines('begin { printf(str($1), 5); print(kaddr(str($2)) > 0); }', "n=%d\n", "vfs_read") == ["n=5", "true"]


def test_unknown_kernel_symbol_marks_the_call():
    answer = run('begin { print(kaddr("asdfzzzzzzz")) }')
    assert answer.stderr.splitlines()[:3] == ["stdin:1:15-35: ERROR: Failed to resolve kernel symbol: asdfzzzzzzz",
                                              'begin { print(kaddr("asdfzzzzzzz")) }', " " * 14 + "~" * 20]


def test_numbers_of_system_calls():
    assert lines("#include <syscall.h>\nbegin { print(__NR_nanosleep); print(SYS_nanosleep == __NR_nanosleep); }") == ["35", "true"]


# ---- exit() ends its block -----------------------------------------------------------------------------------------------

def test_block_that_called_exit_does_not_run_again():
    for _ in range(5):
        assert "@: 7" in lines("interval:us:100 { @++; if (@ == 7) { exit(); } }")


def test_series_begin_in_the_first_interval_of_1970():
    program = "begin { @ts = (uint64)0; } interval:ms:1 { @ = tseries(5, 100ms, 3); @ts += 100ms; @ = tseries(6, 100ms, 3); clear(@ts); exit(); }"
    answer = lines(program, "-f", "json", BPFTRACE_DUMMY_TS_MAP="@ts")
    assert json.loads(answer[0])["data"]["@"] == [
        {"interval_start": "1970-01-01 00:00:00.000000000", "value": 5},
        {"interval_start": "1970-01-01 00:00:00.100000000", "value": 6}]


# ---- user programs -------------------------------------------------------------------------------------------------------

def test_arguments_are_listed_as_declared(trace):
    shapes = programs.build("shapes-O0", OUT)
    assert trace.command("-lv", f"uprobe:{shapes}:walk").lines()[1] == "    const struct node* n"
    assert trace.command("-lv", f"uretprobe:{shapes}:two_registers").lines()[1].endswith(" retval")


def test_debug_file_beside_the_program(trace, tmp_path):
    """A relative directory is also meant from where the program lies; without .gnu_debuglink the file is NAME.debug."""
    shapes = programs.build("shapes-O0", OUT)
    stripped, debug = tmp_path / "stripped", tmp_path / "elsewhere" / "stripped.debug"
    debug.parent.mkdir()
    subprocess.run(["objcopy", "--strip-debug", "-R", ".gnu_debuglink", shapes, stripped], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", shapes, debug], check=True)
    assert len(trace.command("-lv", f"uprobe:{stripped}:walk").lines()) == 1
    listed = trace.command("-lv", f"uprobe:{stripped}:walk", "--debuginfo", "./elsewhere").lines()
    assert listed[1] == "    const struct node* n"


def test_address_without_a_function_needs_unsafe(trace):
    program = os.path.realpath(FIXTURES / "calls")
    answer = run(f"uprobe:{program}:10 {{ }}")
    assert answer.returncode == 1 and f"ERROR: Could not resolve address: {program}:0xa" in answer.stderr
    assert "--unsafe" in answer.stderr


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="instructions of x86-64")
def test_code_without_headers(trace, tmp_path):
    """What maps and calls the file runs over the place; nothing of it is ELF."""
    code = tmp_path / "code.bin"
    code.write_bytes(b"\x90\x90\xb8\x07\x00\x00\x00\xc3")  # nop; nop; mov eax, 7; ret
    caller = ("import ctypes, sys\n"
              "libc = ctypes.CDLL(None)\n"
              "libc.mmap.restype = ctypes.c_void_p\n"
              "with open(sys.argv[1], 'rb') as file:\n"
              "    address = libc.mmap(None, ctypes.c_size_t(8), 5, 2, file.fileno(), ctypes.c_long(0))\n"  # to run, private
              "assert ctypes.CFUNCTYPE(ctypes.c_int)(address)() == 7\n")
    script = tmp_path / "caller.py"
    script.write_text(caller)
    refused = run(f"uprobe:{code}:0x1 {{ @ = count(); }}")
    assert refused.returncode == 1 and "too short for an ELF file" in refused.stderr
    answer = run(f"uprobe:{code}:0x1 {{ @ = count(); }}", "--unsafe", "-c", f"{sys.executable} {script} {code}")
    assert "@: 1" in answer.stdout.splitlines(), answer.stdout + answer.stderr


# ---- values --------------------------------------------------------------------------------------------------------------

VALUES = {
    "size-of-a-tuple": ('print(sizeof(((int8)1, (int16)1, (int32)1))); print(sizeof(((int32)1, "abc", (int8)1)));'
                        'print(sizeof((1, (2, (int64)3)))); print(sizeof((a=pid, b=(int8)1)));', ["8", "12", "24", "8"]),
    "elements-grow": ('$t = (1, "a"); print($t); $t = (300, "abc"); print($t); $t = (-5, "b"); print(($t.0, $t));'
                      'print(sizeof($t));', ["(1, a)", "(300, abc)", "(-5, (-5, b))", "6"]),
    "keys-grow": ('@m[1, 2] = 1; @m[300, -1] = 2; @m[(1, 2)] += 5; $k = (70000, 2); @m[$k] = 7; print(@m[1, 2]);'
                  'print(has_key(@m, (300, -1))); delete(@m, (1, 2)); print(len(@m)); print(@m[70000, 2]); clear(@m);',
                  ["6", "true", "2", "7"]),
    "signs-meet": ('$t = ((uint32)4000000000, (uint8)200); $u = ((int32)-1, (int8)-1); print($t == $u); $t = $u; print($t);'
                   '$t = ((uint32)4000000000, (uint8)200); print($t); print($t == (4000000000, 200));',
                   ["false", "(-1, -1)", "(4000000000, 200)", "true"]),
    "values-in-maps": ('@v[1] = ((int8)-1, true, "x"); @v[2] = (1000, false, "long"); @w = @v[1]; print(@w); print(@w.0 + 1);'
                       'for ($kv : @v) { if ($kv.1.0 == -1) { print($kv); } } clear(@v); clear(@w);',
                       ["@w: (-1, true, x)", "0", "(1, (-1, true, x))"]),
}


@pytest.mark.parametrize("name", VALUES)
def test_tuples(name):
    statements, expected = VALUES[name]
    assert lines(f"begin {{ {statements} }}") == expected


def test_array_of_characters_may_be_full():
    program = ("struct full { char a[8]; } begin { $x = 0x4847464544434241; $p = (struct full *)&$x; print($p.a); print(*$p);"
               'print(str_concat($p.a, $p.a)); print(str_concat("<", str_concat($p.a, ">"))); print(($p.a, 1));'
               '@m[$p.a] = $p.a; print(@m); $l = "a longer one"; $l = $p.a; print($l); clear(@m); }')
    assert [line for line in lines(program) if line] == [
        "ABCDEFGH", "{ .a = ABCDEFGH }", "ABCDEFGHABCDEFGH", "<ABCDEFGH>", "(ABCDEFGH, 1)", "@m[ABCDEFGH]: ABCDEFGH", "ABCDEFGH"]


# ---- the name of the probe as a text ---------------------------------------------------------------------------------------

def test_name_of_the_only_probe():
    assert lines('begin { print(strcontains(probe, "egi")); print(strlen(probe)); print(str_concat(probe, "!")); print(str(probe)); }') == [
        "true", "5", "begin!", "begin"]


def test_name_of_one_of_many_probes(trace, workload):
    functions = workload("functions", 5, "all")
    path = functions.path.parent / "libfixture.so"
    name = f"uprobe:{path}:f17"
    answer = trace(f"""uprobe:{path}:f1* {{
        if (strcontains(probe, ":f17") && strlen(probe) == strlen("{name}")) {{ @contains[probe] = count(); }}
        if (probe == "{name}") {{ @equal[str(probe)] = count(); }}
        if (probe != "{name}") {{ @other = count(); }}
        if (probe == "nobody") {{ @nobody = 1; }}
        $p = probe; @lengths[strlen($p), $p] = 1; }}""", "-p", functions.pid, run=functions)
    assert answer.keyed("@contains") == answer.keyed("@equal") and list(answer.keyed("@equal")) == [name]
    assert f"@lengths[{len(name)}, {name}]: 1" in answer.lines() and "@nobody" not in answer.stdout
    assert answer.values("@other") == [5 * 110]


def test_enums_of_tracepoints_have_names():
    """What nobody listens for is dropped with a reason."""
    sender = f"{sys.executable} -c \"import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('127.0.0.1', 9))\""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=False)
    answer = lines("""tracepoint:skb:kfree_skb /pid == cpid && args.reason == SKB_DROP_REASON_NO_SOCKET/ {
        $r = args.reason; printf("%d %s\\n", args.reason, $r); print((1, $r)); @[args.reason] = count(); exit(); }""", "-c", sender)
    number = answer[0].split()[0]
    assert answer[:2] == [f"{number} SKB_DROP_REASON_NO_SOCKET", "(1, SKB_DROP_REASON_NO_SOCKET)"]
    assert "@[SKB_DROP_REASON_NO_SOCKET]: 1" in answer


# ---- processes that are gone ---------------------------------------------------------------------------------------------

def test_names_in_a_program_that_has_ended(trace, workload):
    functions = workload("functions-static", 3, "5")
    answer = trace(f"uprobe:{functions.path}:f5 {{ @f[func] = count(); @s[ustack(1)] = count(); @u[usym(reg(\"ip\"))] = count(); }}",
                   run=functions)
    assert answer.keyed("@f") == {"f5": 3} and answer.keyed("@u") == {"f5": 3}
    assert "f5+" in answer.stdout.split("@s[")[1]


# ---- blocks and macros ---------------------------------------------------------------------------------------------------

def test_block_may_be_worth_an_aggregate():
    answer = lines("""macro total(x) { $y = x * 2; sum($y) }
        begin { @ = { let $a = 100; print($a); avg($a) }; @k[1] = { { max(7) } }; @z = total(4); @z = total(5); }""")
    assert answer[0] == "100" and {"@: 100", "@k[1]: 7", "@z: 18"} <= set(answer)
    refused = run("begin { $x = { let $q = 2; count() }; }")
    assert refused.returncode == 1 and "count() should be assigned to a map" in refused.stderr


def test_pasted_words():
    program = """#define CAT(a, b) a##b
#define XCAT(a, b) CAT(a, b)
#define N 7
#define MEMBER(p, name) p->m_ ## name
struct s { int m_x; };
begin { print(CAT(1, 2)); print(XCAT(N, N)); $v = (uint64)5; $p = (struct s *)&$v; print(MEMBER($p, x)); print(CAT(p, id) == pid);
        print(CAT(, 5)); print(CAT(N, )); }"""
    assert lines(program)[:6] == ["12", "77", "5", "true", "5", "7"]


# ---- functions -----------------------------------------------------------------------------------------------------------

def test_return_from_inside_of_loops():
    program = """
        fn first($x : int64) : int64 { $i = 0; while ($i < 10) { if ($i == $x) { return $i * 2; } $i++; } return -1; }
        fn pair($n : int64) : int64 {
            for $a : 1..50 { for $b : 1..50 { if ($a * $b == $n && $a > 5) { return $a * 100 + $b; } } } return 0; }
        fn name($n : int64) : string[16] { unroll(3) { for $a : 0..3 { if ($a + 1 == $n) { return "found"; } } } return "no"; }
        fn key($v : int64) : int64 { for ($kv : @m) { if ($kv.1 == $v) { return $kv.0; } } return -7; }
        fn quiet($n : int64) : void { for $i : 0..5 { if ($i == $n) { printf("at %d\\n", $i); return; } } print("never"); }
        fn outer($n : int64) : int64 { for $i : 0..5 { if (first($i) == $n) { return $i; } } return 99; }
        fn unrolled($n : int64) : int64 { for $i : 0..5 { unroll(2) { if ($i == $n) { return 1000 + $i; } } } return 5; }
        begin {
            print((first(3), first(30), pair(77), pair(4))); print((name(2), name(9))); @m[1] = 10; @m[2] = 20;
            print((key(20), key(21))); quiet(2); quiet(9); print((outer(6), outer(7))); print((unrolled(3), unrolled(7)));
            for $i : 0..3 { print(first($i)); } clear(@m);
        }"""
    assert [line for line in lines(program) if line] == [
        "(6, -1, 711, 0)", "(found, no)", "(2, -7)", "at 2", "never", "(3, 99)", "(1003, 5)", "0", "2", "4"]


def test_constants_of_the_program(trace, workload):
    shapes = programs.build("shapes-O0", OUT)
    answer = trace(f"uprobe:{shapes}:integers {{ print(args.f == GREEN); print(BLUE); @[args.f] = BLUE - RED; }}",
                   run=workload(f"debug/{shapes.name}", 1))
    assert answer.lines()[:2] == ["true", "BLUE"] and "@[GREEN]: 6" in answer.lines()
    unknown = run(f"uprobe:{shapes}:integers {{ print(GREENISH); }}")
    assert unknown.returncode == 1 and "Unknown identifier: 'GREENISH'" in unknown.stderr


def test_large_texts_at_once():
    """Together more than a per-CPU value of the kernel can hold."""
    program = """tracepoint:syscalls:sys_enter_execve /str(args.filename, 3) == "/X"/ {
        @map[str(args.filename)] = str(args.filename); for ($kv : @map) { print($kv); }
        print(strlen(str_concat(str(args.filename), str(args.filename)))); clear(@map); exit(); }"""
    name = "/" + "X" * 5555
    caller = f"{sys.executable} -c \"import os, sys\ntry: os.execv('/' + 'X' * 5555, ['x'])\nexcept OSError: pass\""
    answer = lines(program, "-c", caller, BPFTRACE_MAX_STRLEN="9999")
    assert answer[:2] == [f"({name}, {name})", "9999"]
