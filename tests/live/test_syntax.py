"""What gives a script its structure, run for real: macros, blocks as values, what is decided before it runs.

Each case is a whole program and what it prints (maps at the end included, blank lines aside)."""
import subprocess

import pytest

from conftest import TARSIER


def run(program, *arguments, options=()):
    return subprocess.run([TARSIER, "-q", *options, "-e", program, *arguments], capture_output=True, text=True,
                          timeout=60)


def printed(program, *arguments):
    answer = run(program, *arguments)
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr
    return [line for line in answer.stdout.splitlines() if line]


VALUES = {
    # ---- macros
    "changes-its-variable": ("macro inc($x) { $x += 1; } begin { $a = 1; inc($a); inc($a); print($a); }", "3"),
    "value-and-effect": ("macro inc($x) { $x += 1; $x } begin { $a = 1; $b = inc($a); print(($a, $b)); }", "(2, 2)"),
    "changes-its-map": ("macro set(@x, v) { @x[v] = 2; } begin { set(@a, 1); set(@b, 7); }", "@a[1]: 2|@b[7]: 2"),
    "types": ("struct Foo { char m; } macro s(a, b) { sizeof(a[2]) + sizeof(b*) + sizeof(b) } macro n(z) { s(typeof(z), "
              "typeof(struct Foo)) } begin { print(n(typeof(uint64*))); }", "25"),
    "type-of-argument": ("macro add(x) { let $y : typeof(x); if (true) { $y = 1 } x + $y } begin { print(add(1)); }", "2"),
    "cast-to-type": ("macro cut(t, x) { (t)x } begin { print(cut(typeof(uint8), 0x1ff)); }", "255"),
    "member": ("macro at(type, member) { offsetof(type, member) } begin { print(at(typeof(struct list_head), prev)); }", "8"),
    "own-variables": ("macro inc(x) { $y = x + 1; $y } begin { $y = 2; $z = inc(5); $z += inc(inc($y)); "
                      "print(($y, $z)); }", "(2, 10)"),
    "own-variables-declared": ("macro inc(x) { let $y = x + 1; $y } begin { $y = 2; print(inc($y) + inc(3)); }", "7"),
    "same-name-as-parameter": ("macro add_one(x) { let $x = x; $x + 1 } begin { $x = 4; print(add_one($x)); }", "5"),
    "defined-later": ("macro twice(x) { x + same(x) } macro same(x) { x } begin { print(twice(4)); }", "8"),
    "nested": ("macro b(x) { x + 2 } macro a(x) { b(x + 1) + 1 } begin { $a = 1; print(a(a($a + 1))); }", "10"),
    "runs-its-argument-each-time": ('macro thrice(x) { x; x; x; } begin { thrice({ printf("hi") }); printf("\\n"); thrice(@n++); }',
                                    "hihihi|@n: 3"),
    "without-parentheses": ('macro one { $x = 1; $x } macro hello { print("hi"); } begin { hello; print(one); }', "hi|1"),
    "parameter-before-macro": ("macro add() { 2 } macro same(add) { add } begin { print(same(1)); }", "1"),
    "by-kind-of-argument": ('macro what(@m) { "map" } macro what($v) { "variable" } macro what(e, f) { "two" } '
                            'begin { $x = 1; @m = 1; printf("%s %s %s\\n", what($x), what(@m), what(1, 2)); clear(@m); }',
                            "variable map two"),
    "literal-stays-literal": ('macro say(format, x) { printf(format, x); } begin { say("<%d>\\n", 5); }', "<5>"),
    "aggregates": ("macro calls() { count() } begin { @c = calls(); @c = calls(); }", "@c: 2"),
    "instead-of-a-function": ('macro strlen(x) { "mine" } macro cpu() { "one" } begin { print(strlen(1)); print(cpu); }',
                              "mine|one"),
    "other-number-of-arguments": ('macro pid(x) { x } begin { print(pid("hi")); print(pid() > 0); }', "hi|true"),
    "leaves-the-probe": ("macro early() { return; } begin { print(1); early(); print(2); }", "1"),
    "loops": ("macro sum($n, from) { let $s = 0; for $i : from..5 { $y = $i * $n; $s += $y; } $s } "
              "begin { $n = 2; $k = 3; print((sum($n, 0), sum($k, 1), sum($n, 4) + sum($k, 4))); }", "(20, 30, 20)"),
    "argument-with-own-variables-in-a-loop": ("macro repeat(x) { for $i : 0..3 { x; } } "
                                              "begin { $a = 0; repeat({ $b = $a; $b += 2; $a = $b; }); print($a); }", "6"),
    "parameters-of-the-script": ("macro both(x) { print((x, $1, str($2))); } begin { both($1); both(7); }",
                                 "(5, 5, foo)|(7, 5, foo)"),
    "strings": ('macro size(x) { if (x > 1) { "big" } else { $s = "small"; $s } } begin { printf("%s %s\\n", size(0), '
                'size(2)); @a = size(0); @b[size(5)] = size(0); print((size(0), size(2) == "big")); }',
                "small big|(small, true)|@a: small|@b[big]: small"),
    # ---- blocks and if as values
    "block": ("begin { $x = { $q = 5; for $i : 0..3 { $q += $i; } $q }; print($x + { 1 }); }", "9"),
    "block-string": ('begin { printf("%s %d\\n", { $s = "a"; $s }, { 1; 2; 3 }); }', "a 3"),
    "block-tuple": ("begin { $t = { let $a = 1; ($a, { $b = 2; $b }) }; print($t.1); }", "2"),
    "block-that-leaves": ('begin { print(1); @s = { if (pid) { return; } "a" }; print(2); }', "1"),
    "block-in-condition": ("begin { if ({ $x = 3; $x > 2 }) { print(1); } print({ $x = 0; $x } || { $y = 1; $y }); }",
                           "1|true"),
    "block-of-a-pointer": ("begin { print({ $t = curtask; $t }->pid == pid); }", "true"),
    "if": ("begin { $a = if pid { 3 } else { 4 }; $b = if !pid { 5 } else if pid { $z = 6; $z } else { 7 }; "
           "print(($a, $b)); }", "(3, 6)"),
    "short-ternary": ('begin { $m = { @n++; @n } ?: 7; $k = { 0 } ?: 5; $z = 0 ?: { $q = 0; $q } ?: { $q = 3; $q }; '
                      'print(($m, $k, $z)); }', "(1, 5, 3)|@n: 1"),
    "old-call-of-a-macro": ("macro add_one(x) { x + 1 } begin { print(add_one!(1)); }", "2"),
    "name-of-a-probe": ("first=begin { print(1); } second=begin, end { print(2); }", "1|2|2"),
    # ---- functions
    "function": ("fn add($a : int64, $b : int64) : int64 { return $a + $b; } begin { $a = 5; print(add($a, add(1, 2))); }",
                 "8"),
    "function-returns-early": ("fn sign($x : int64) : int64 { if ($x < 0) { return -1; } else if ($x == 0) { return 0; } "
                               "return 1; } begin { print((sign(-5), sign(0), sign(7))); @a = sign(3) + sign(4); }",
                               "(-1, 0, 1)|@a: 2"),
    "function-of-text": ('fn size($x : int64) : string[16] { if ($x > 10) { return "large"; } return "small"; } '
                         'begin { printf("%s %s\\n", size(11), size(1)); @[size(20)] = 1; }', "large small|@[large]: 1"),
    "function-without-value": ("fn note($x : int64) { @n[$x] = 1; if ($x == 2) { return; } @m += $x; } "
                               "begin { note(1); note(2); note(3); }", "@m: 4|@n[1]: 1|@n[2]: 1|@n[3]: 1"),
    "function-with-loop": ("fn total($n : int64) : int64 { $s = (int64)0; for $i : 0..$n { $s += $i; } return $s; } "
                           "begin { for $i : 0..3 { @t += total($i + 3); } print(total(5)); }", "10|@t: 19"),
    "function-of-a-pointer": ("fn task() : struct task_struct * { return curtask; } begin { print(task()->pid == pid); }",
                              "true"),
    "function-cuts": ("fn low($x : uint64) : uint8 { return $x + 300; } begin { $a = 5; print(low($a)); }", "49"),
    "function-that-exits": ("fn stop($x : int64) : int64 { if ($x > 1) { exit(); } return $x; } "
                            "begin { print(stop(1)); print(stop(2)); }", "1"),
    # ---- comptime
    "comptime-if": ('begin { if comptime (sizeof(int64) == 8) { print("64"); } else { nonsense(); } }', "64"),
    "comptime-else": ('begin { if comptime (1 > 2) { $x = args.nothing; } else if comptime true { print("b"); } }', "b"),
    "comptime-value": ("begin { print(comptime 1 + 1); print(if comptime (1 == 2) { nope() } else { 5 }); }", "2|5"),
    "kinds-of-types": ('begin { $p = curtask; print((is_ptr($p), is_ptr(1), is_str(comm), is_str(1), is_integer(1), '
                       'is_integer("a"), is_unsigned_integer(pid), is_unsigned_integer(-1))); }',
                       "(true, false, true, false, true, false, true, false)"),
    "kind-of-argument": ('macro what(x) { if comptime is_str(x) { x } else if comptime is_literal(x) { "literal" } else '
                         '{ "number" } } begin { $n = 4; printf("%s %s %s\\n", what("text"), what(3), what($n)); }',
                         "text literal number"),
    "exists": ('begin { if (exists(curtask->comm)) { print("yes"); } else { print(curtask->nothing_here); } '
               'if (!exists(curtask->nothing_here.x)) { print("no"); } else { $x = curtask->nothing_here; } '
               'print(exists(curtask->nothing_here) ? curtask->nothing_here : 7); }', "yes|no|7"),
    "exists-in-own-struct": ("struct s { int a; }; begin { $s = (struct s *)0; print((exists($s->a), exists($s->b))); }",
                             "(true, false)"),
    "kfunc": ('begin { print((kfunc_exist("vfs_read"), kfunc_exist("no_such_function"), kfunc_allowed("vfs_read"))); }',
              "(true, false, false)"),
    "assertions-that-hold": ('begin { assert(1 == 1, "no"); static_assert(sizeof(int64) == 8, "no"); print(1); }', "1"),
    "container-of": ("begin { $m = (uint64)curtask + offsetof(struct task_struct, comm); "
                     "print(container_of($m, typeof(struct task_struct), comm)->pid == pid); }", "true"),
    "comptime-arms-of-two-types": ('begin { $x = comptime true ? "text" : 5; print($x); }', "text"),
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name):
    program, expected = VALUES[name]
    assert "|".join(printed(program, "5", "foo")) == expected


def test_parameters():
    program = 'begin { print(($1, $2, $3, $#)); printf("%lu %s %s|", $2, str($2), str($1 + 2)); print($1 == "hello"); }'
    assert printed(program, "hello", "0xffffffffffffffff") == [
        "(hello, 18446744073709551615, 0, 2)", "18446744073709551615 0xffffffffffffffff llo|true"]


OPTIONS = {
    "defaults": ([], "(20, -1, true, false, hello)"),
    "all": (["--dd", "--aa=0xffffffffffffffff", "--bb=-10", "--cc=False", "--ee=a=b"],
            "(18446744073709551615, -10, false, true, a=b)"),
    "last-one-counts": (["--aa=1", "--aa=2", "--dd=1", "--dd=0", "--ee="], "(2, -1, true, false, )"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    given, expected = OPTIONS[name]
    program = 'begin { print((getopt("aa", 20), getopt("bb", -1), getopt("cc", true), getopt("dd"), getopt("ee", "hello"))); }'
    assert printed(program, "--", *given) == [expected]


def test_options_decide_at_compile_time_and_mix_with_parameters():
    program = ('macro slow { getopt("slow") } begin { if comptime slow { printf(getopt("format", "%d\\n"), $1); } '
               'else { nonsense(); } }')
    assert printed(program, "4", "--", "--slow", "--format=<%d>") == ["<4>"]
    assert printed(program, "--", "--slow", "5") == ["5"]


WRONG_OPTIONS = {
    "unknown": ('begin { print(getopt("aa", 10)); }', ["--bb"],
                "ERROR: unexpected program command line options: --bb\nHINT: expected program options: --aa\n"),
    "no-number": ('begin { print(getopt("aa", 10)); }', ["--aa=False"],
                  "ERROR: program command line option --aa invalid integer (value: False)\n"),
    "help": ('begin { print((getopt("aa", 10, "Description of aa"), getopt("bb", 1))); }', ["--help"],
             "HINT: expected program options:\n--aa: Description of aa\n--bb\n"),
    "none": ("begin { }", ["--x=1"], "HINT: expected program options: none"),
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_wrong_options(name):
    program, given, message = WRONG_OPTIONS[name]
    answer = run(program, "--", *given)
    assert (answer.returncode, answer.stdout) == (1, "") and message in answer.stderr, answer.stderr


ERRORS = {
    "comptime-unknown": ("begin { $x = 0; if comptime ($x == 0) { print(1); } }", "Unable to resolve comptime expression"),
    "no-value": ("macro nothing() { $x = 1; } begin { $y = nothing(); }", "This block has no value"),
    "where-it-came-from": ('macro set($x) { $x = 1; $x } begin { $a = "string"; set($a); }',
                           "stdin:1:17-23: ERROR: Type mismatch for $a: trying to assign value of type 'int64' when "
                           "variable already has a type 'string[7]'\n"
                           'macro set($x) { $x = 1; $x } begin { $a = "string"; set($a); }\n'
                           "                ~~~~~~\n"
                           "stdin:1:53-60: ERROR: expanded from\n"),
    "sees-no-variables": ("macro sees() { print($a); } begin { $a = 1; sees(); }", "Undefined or undeclared variable: $a"),
    "cast-to-value": ("macro s(x) { (x) - 1 } begin { print(s(4)); }", "(x) is a cast here, but x is a value"),
    "type-as-value": ("begin { print(typeof(int8)); }", "A type is not a value"),
    "fail": ('begin { if comptime false { fail("never"); } fail("no %s %d %x %d", "such", -1, 255, true); }',
             "stdin:1:46-91: ERROR: no such -1 ff 1\n"),
    "fail-behind-an-ordinary-if": ('begin { if (false) { fail("always"); } }', "ERROR: always"),
    "static-assert": ('begin { static_assert(sizeof(int64) == 4, "of this size"); }', "stdin:1:9-58: ERROR: of this size\n"),
    "exists-of-no-field": ("begin { print(exists(pid)); }", "exists() asks for a field"),
    "function-recursion": ("fn a($x : int64) : int64 { return a($x); } begin { print(a(1)); }",
                           "Recursive function call detected: a"),
    "function-return-type": ('fn a() : int64 { return "x"; } begin { print(a()); }',
                             "The function a returns 'int64', not 'string[2]'"),
    "function-no-value": ("fn a() { } begin { $x = a(); }", "a() should not be used in an expression"),
    "too-much": ("macro a(x) { x + x + x + x } begin { print(" + "a(" * 12 + "1" + ")" * 12 + "); }",
                 "too large with its macros expanded"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name):
    program, message = ERRORS[name]
    answer = run(program)
    assert answer.returncode == 1 and message in answer.stderr, answer.stderr


def test_assert_ends_the_run():
    answer = run('begin { assert(pid == 1, "not init"); print(1); } end { print("end"); }')
    assert answer.returncode == 1 and "stdin:1:9-37: ERROR: assert failed: not init\n" in answer.stderr
    assert answer.stdout.split() == ["end"]


# ---- other files ----------------------------------------------------------------------------------------------------

def put(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def run_file(path, *arguments):
    return subprocess.run([TARSIER, "-q", *arguments, path], capture_output=True, text=True, timeout=60)


HEADER = """\
#ifndef LIMITS_H
#define LIMITS_H
#pragma once
#include <linux/types.h>
#define LIMIT 7
extern int foo(int a, struct bar *b);
static inline int twice(int x) { if (x) { return 2 * x; } return 0; }
struct bar *find(int x);
typedef unsigned long word_t;
typedef struct { int a; word_t b; } pair_t, *pair_pointer;
enum color { RED, GREEN = 5 };
struct packed { char c; int i; } __attribute__((packed));
int variable = 5, other[3];
#endif
"""


def test_imports_and_headers(tmp_path):
    put(tmp_path, main_bt='#include "lib/c.h"\nimport "lib"; import "lib/a.bt";\nbegin { greet(LIMIT); '
                          'print((size_b(), sizeof(struct packed), sizeof(pair_t), sizeof(pair_pointer), (int64)GREEN)); '
                          'print(GREEN); print((word_t)-1); }',
        lib__a_bt='import "b.bt";\nmacro greet(x) { print(("hello", x)); }\nbegin { print("a"); }',
        lib__b_bt='struct B { int x; long y; };\nimport "a.bt";\nmacro size_b() { sizeof(struct B) }', lib__c_h=HEADER)
    answer = run_file(tmp_path / "main.bt")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.split("\n")[:5] == ["a", "(hello, 7)", "(16, 5, 16, 8, 5)", "GREEN", "18446744073709551615"]


def test_include_options(tmp_path):
    put(tmp_path, lib__c_h=HEADER, lib__d_h='#include "c.h"\n#include <linux/sched.h>\n#define MORE (LIMIT + 1)\n')
    for options in (["-I", tmp_path / "lib", "--include", "d.h"], ["--include", tmp_path / "lib/d.h"]):
        answer = run("begin { print(MORE); }", options=options)
        assert (answer.stdout.strip(), answer.stderr) == ("8", "")
    answer = run("#include <d.h>\n#include <linux/fs.h>\nbegin { print(MORE); }", options=["-I", tmp_path / "lib"])
    assert (answer.stdout.strip(), answer.stderr) == ("8", "")


def test_errors_in_other_files(tmp_path):
    put(tmp_path, main_bt='import "bad.bt"; begin { plus(1); }', bad_bt="macro plus(x) {\n    x + $y\n}",
        worse_bt='import "worst.bt"; begin { }', worst_bt="begin {\n    print( }\n", conf_bt='import "c.bt"; begin { }',
        c_bt="config = { max_strlen = 64 }", code_bt='import "x.bpf.c"; begin { }', x_bpf_c="", no_bt='import "no/such.bt"; begin {}')
    name = str(tmp_path)
    answer = run_file(tmp_path / "main.bt")
    assert f"{name}/bad.bt:2:9-11: ERROR: Undefined or undeclared variable: $y\n    x + $y\n" in answer.stderr
    assert f"{name}/main.bt:1:26-33: ERROR: expanded from\n" in answer.stderr
    assert f"{name}/worst.bt:2:12-13: ERROR: expected an expression, found }}" in run_file(tmp_path / "worse.bt").stderr
    assert "an imported file cannot have a config block" in run_file(tmp_path / "conf.bt").stderr
    assert "programs in C or as objects" in run_file(tmp_path / "code.bt").stderr
    assert "No such file or directory" in run_file(tmp_path / "no.bt").stderr
    assert "'none.h' file not found" in run('#include "none.h"\nbegin { }').stderr
    tmp_path.chmod(0o777)
    assert "everybody may write to its folder" in run_file(tmp_path / "main.bt").stderr


def test_definitions_of_c():
    program = """
        struct s { char c __attribute__((aligned(8))); char d; enum { P = 4, Q } e; struct { int x : 3; int y : 5; } in;
                   void (*call)(int, char *); } __attribute__((aligned(32)));
        typedef struct s s_t; typedef s_t *s_p; typedef int (*handler)(void); typedef int numbers[4];
        enum n { N = 3, M = N + 1 };
        #define K (N * 2)
        struct t { char a[M]; int b[K - 1]; handler h; numbers four; };
        begin { print((sizeof(s_t), offsetof(s_t, d), offsetof(struct s, call), sizeof(s_p), sizeof(struct t), K));
                print(Q); print(M); @[M] = N; print(N + 1); }"""
    assert printed(program) == ["(32, 1, 16, 8, 48, 6)", "Q", "M", "4", "@[M]: N"]
    assert "Redefinition of 'struct a'" in run("struct a { int x; }; struct a { int y; }; begin { }").stderr


def test_macros_of_c():
    program = """
        #define MAX(a, b) ((a) > (b) ? (a) : (b))
        #define SQUARE(x) x*x
        #define NAME(x) #x
        #define TEN 10
        #define TWICE(f, x) f(f(x))
        #define INCREASED(x) ((x) + 1)
        #define FOUR() 4
        begin { $x = 4; print((MAX(MAX(1, 5), 3), SQUARE(1 + 2), NAME(abc), MAX(TEN, 2) + TEN, TWICE(INCREASED, 5), FOUR(),
                MAX($x, $x + 1))); }"""
    assert printed(program) == ["(5, 5, abc, 20, 7, 4, 5)"]


def test_conditions_of_c():
    program = """
        #include <linux/version.h>
        #if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 0, 0) && !defined(NOPE) && defined BPFTRACE_HAVE_BTF
        #define A 1
        #elif 1 / 0
        #error no
        #else
        #define A 2
        #endif
        #define V 3
        #if (V * 2 == 6 ? V : 0) && ~0 == -1 && (7 % 4) == 3 && 1 << 3 == 8 && UNKNOWN == 0
        #define B 1
        #endif
        #ifdef V
        #undef V
        #endif
        #ifndef V
        #define V 9
        #endif
        begin { print((A, B, V)); }"""
    assert printed(program) == ["(1, 1, 9)"]
