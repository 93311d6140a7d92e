"""Values of every type in the kernel: records, structs, arrays, enums, bit-fields, addresses, casts."""
import json
import os
import subprocess

import pytest

from conftest import TARSIER


def run(*arguments, **environment):
    return subprocess.run([TARSIER, *arguments], capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def lines(*values):
    return "".join(f"{value}\n" for value in values)


HEAD = """
struct bits { unsigned low : 1; unsigned mid : 3; int sign : 4; unsigned long wide : 40; };
struct inner { int a; short b[2][3]; };
struct outer { struct inner in; char text[12]; union { int x; unsigned char bytes[4]; }; struct bits f; };
"""

CASES = {
    "record": ('$r = (n=1, s="str", t=(5, 6)); print($r); print($r.n + $r.t.1); print($r.s);',
               lines("{ .n = 1, .s = str, .t = (5, 6) }", 7, "str")),
    "record-other-order": ('$r = (n=1, s="a"); $r = (s="longer", n=2); print($r); @r = $r; @r = (s="b", n=-3); print(@r);',
                           lines("{ .n = 2, .s = longer }", "@r: { .n = -3, .s = b }")),
    "record-key": ('@k[(a=1, b="x")] = 1; @k[(b="x", a=1)] += 5; print(@k); print(@k[(b="x", a=1)]);',
                   "@k[{ .a = 1, .b = x }]: 6\n6\n"),
    "record-compare": ('$r = (a=1, b="hello"); print($r == (b="hello", a=(uint64)1)); print($r != (a=1, b="hell"));'
                       'print((a=(1, "bye"), b=(x="x", y=3)) == (b=(y=3, x="x"), a=(1, "bye")));',
                       lines("true", "true", "true")),
    "tuple-compare": ('$t = ("hello", -6); @t = (1, true, $t); print(@t == (1, true, ("hello", -6)));'
                      'print(@t == (1, true, ("ello", -6))); print($t != ("hello world", -6));'
                      '@t = (2, false, ("longer than that", 1)); print(@t == (1, true, $t));',
                      lines("true", "false", "true", "false")),
    "string-truth": ('$s = "x"; $e = ""; if ($s) { print(1) } if (!$e && comm) { print(2) } print("" ? 3 : 4);'
                     '@m[1] = "t"; print(@m[1] ? 5 : 6); print(@m[2] ? 5 : 6); print((bool)comm);',
                     lines(1, 2, 4, 5, 6, "true")),
    "array-of-number": ("$a = (uint8[4])(uint32)0x01020304; print($a); print($a[1]); print((uint32)$a); @a = $a;"
                        "@k[$a] = $a; print((int64)@k[$a]); print($a == @a); print((int8[8])12345 == (int8[8])1);",
                        lines("[4,3,2,1]", 3, 0x01020304, 0x01020304, "true", "false")),
    "array-of-text": ('print((int8[])"hi"); print((bool[2])(uint16)256); print(((int8[])"abc")[1]);',
                      lines("[104,105,0]", "[false,true]", 98)),
    "array-in-tuple": ("$t = (1, (uint8[4])(uint32)7, 2); print($t); print($t.1[0] + $t.2); print(sizeof($t.1));",
                       lines("(1, [7,0,0,0], 2)", 9, 4)),
    "index-run-time": ('$s = "abc"; $a = (uint8[4])(uint32)0x04030201; $i = 2; print($s[1]); print($s[$i]); print($a[$i]);',
                       lines(98, 99, 3)),
    "bit-fields": ("$n = (uint64)0x1f5; $b = *(struct bits *)&$n; print($b); print($b.mid); print($b.sign); @b = $b;"
                   "print(@b.sign); print(((struct bits *)&$n).sign); print((*(struct bits *)&$n).low); $t = ($b, 1);"
                   "print($t.0.sign);",
                   lines("{ .low = 1, .mid = 2, .sign = -1, .wide = 1 }", 2, -1, -1, -1, 1, -1)),
    "struct-of-memory": ("$m = ((uint64)0x0000000200000001, (uint64)0x0006000500040003, (uint64)0x6f6c6c6568, (uint64)0x0403020100000000, (uint64)0x1f5);"
                         "$p = (struct outer *)&$m; $o = *$p; print($o); print($o.in.b[1][0]); print($o.text);"
                         "print($o.bytes[1]); print($o.x == $p.x); @o[1] = $o; print(@o[1].in); $in = $p.in; print($in.a);"
                         "$i = 1; print($o.bytes[$i]); print($p.in.b == $o.in.b); @k[$o.in] = 1; print(@k[$p.in]);",
                         lines("{ .in = { .a = 1, .b = [[2,0,3],[4,5,6]] }, .text = hello, .x = 67305985, "
                               ".bytes = [1,2,3,4], .f = { .low = 1, .mid = 2, .sign = -1, .wide = 1 } }", 4, "hello", 2,
                               "true", "{ .a = 1, .b = [[2,0,3],[4,5,6]] }", 1, 2, "true", 1)),
    "let-struct": ("let $b : struct bits; print($b); $n = (uint64)3; $b = *(struct bits *)&$n; print($b.low);",
                   lines("{ .low = 0, .mid = 0, .sign = 0, .wide = 0 }", 1)),
    "addresses": ('$a = 1; $b = &$a; print(*$b); $a = 2; print(*$b); $t = (1, "hello", 2); print(*(&$t)); @s = 5;'
                  '$c = &@s; print(*$c); @k[1] = 7; print(*(&@k[1])); print(&@k[2] == 0); $d = "he"; $e = (int8 *)&$d;'
                  'print(*$e); print(*++$e); print((&@k).max_entries > 0);',
                  lines(1, 2, "(1, hello, 2)", 5, 7, "true", 104, 101, "true")),
    "pointers": ("$p = (int32 *)0x32; print($p + 1); print($p++); print($p - 1 == (int32 *)0x32); print($p - (int32 *)0x2e);"
                 "$q = (struct bits *)1024; print($q + 2); print($q > 1000); $n = (uint64)&$q; print(*(uint64 *)$n);"
                 "$pp = &$q; print((uint64)*$pp);",
                 lines("0x36", "0x32", "true", 2, "0x410", "true", 1024, 1024)),
    "sizes": ("$x = (int16)1; let $y : typeof($x) = 3; print(sizeof($y)); print((typeof($x))70000); print(sizeof(struct outer));"
              "print(offsetof(struct outer, in.b)); print(offsetof(struct outer, bytes)); print(sizeof(BPF_MAP_TYPE_HASH));"
              "@m[1, 2] = 3; let $k : typeof(@m) = (1, 2); print(@m[$k]); let $s : string; $s = \"a\"; $s = \"longer\"; print($s);",
              lines(2, 4464, 40, 4, 28, 8, 3, "longer")),
    "typeinfo": ('$x = (int16)1; print(typeinfo($x)); $t = typeinfo($x); print($t == typeinfo((int16)2)); print($t.base_type);'
                 'print(typeinfo(struct bits *).full_type); if comptime (typeinfo($x).base_type == "int") { print(1) } '
                 'else { print(2) } print(typeinfo((a=1, b="x")).full_type);',
                 lines("{ .btf_id = 0, .base_type = int, .full_type = int16 }", "true", "int", "struct bits *", 1,
                       "record { .a = int8, .b = string[2] }")),
    "enums": ('$a = PIDTYPE_TGID; printf("%d %s %s\\n", $a, $a, PIDTYPE_SID); print($a + 1); @e[$a] = PIDTYPE_PID; print(@e);'
              'print((enum pid_type)2); print(@e[PIDTYPE_TGID] == PIDTYPE_PID);',
              lines("1 PIDTYPE_TGID PIDTYPE_SID", 2, "@e[PIDTYPE_TGID]: PIDTYPE_PID", "PIDTYPE_PGID", "true")),
    "bools": ("$b = true; print($b); @k[$b] = !$b; print(@k); print((int64)$b + 1); print((bool)0 || $b); print((bool)(int64 *)8);"
              "print((true, 1 < 2));",
              lines("true", "@k[true]: false", 2, "true", "true", "(true, true)")),
}


def adapt(name, text):
    """Maps are shared by all blocks of a script: each case has its own."""
    return text.replace("@", "@" + name.replace("-", "_") + "_")


def run_table(**environment):
    blocks = [f'begin {{ print("== {name}"); {adapt(name, code)} }}' for name, (code, _) in CASES.items()]
    done = run("-q", "-e", HEAD + "config = { print_maps_on_exit = false }" + "\n".join(blocks), **environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return dict(part.split("\n", 1) for part in done.stdout.split("== ")[1:])


@pytest.fixture(scope="module")
def answers():
    return run_table()


@pytest.mark.parametrize("name", CASES)
def test_values(answers, name):
    assert answers[name].rstrip("\n") == adapt(name, CASES[name][1]).rstrip("\n")


def test_random_registers_change_nothing(answers):
    assert run_table(TARSIER_TORTURE="4711") == answers


def test_json_of_records_and_structs():
    script = HEAD + """begin { $n = (uint64)0x1f5; @r[(a=1, b="x")] = (c=true, d=(1, 2)); @s = *(struct bits *)&$n;
        @e[PIDTYPE_SID] = PIDTYPE_TGID; @a = (uint8[4])(uint32)1; print((k=PIDTYPE_SID, v="y")); }"""
    found = [json.loads(line)["data"] for line in run("-q", "-f", "json", "-e", script).stdout.splitlines()]
    assert found == [
        {"k": 3, "v": "y"},
        {"@a": [1, 0, 0, 0]},
        {"@e": {"PIDTYPE_SID": 1}},
        {"@r": {"{ .a = 1, .b = x }": {"c": True, "d": [1, 2]}}},
        {"@s": {"low": 1, "mid": 2, "sign": -1, "wide": 1}},
    ]


def test_narrow_arguments_of_system_calls(trace):
    """A slot has 8 bytes, an int the lower 4 of them."""
    answer = trace('tracepoint:syscalls:sys_enter_openat { printf("%d %d\\n", args.dfd, args.dfd == -100); exit(); }', "-c", "ls /")
    assert "-100 1" in answer.lines()
