"""Functions that look into texts and memory: with literals, variables and texts of the traced program."""
import subprocess

import pytest

from conftest import TARSIER


def run(program, *options):
    answer = subprocess.run([TARSIER, *options, "-e", program], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    assert "could not be read" not in answer.stderr
    return [line for line in answer.stdout.splitlines() if line]


LONG = "a-very-long-haystack-with-more-than-64-bytes-in-it-so-that-scratch-is-used-really-yes"

CASES = {
    "strlen": ('$s = "hello"; print(strlen($s)); print(strlen("hello")); print(strlen("")); $n = "he\\0llo"; print(strlen($n)); '
               "print(strlen(comm)); print(strlen(curtask.comm)); print(strlen((int8 *)&curtask.comm));", [5, 5, 0, 2, 7, 7, 7]),
    "strlen-long": (f'$l = "{LONG * 3}"; print(strlen($l)); $f = "{"x" * 127}"; print(strlen($f)); $g = "{"x" * 128}"; '
                    "print(strlen($g));", [len(LONG) * 3, 127, 128]),
    "strcap": ('print(strcap("hello")); $s = "hello world"; print(strcap($s)); print(strcap(comm));', [6, 12, 16]),
    "strstr": ('$h = "hello-test-world"; print(strstr($h, "test")); print(strstr($h, "hello")); print(strstr($h, "world")); '
               'print(strstr($h, "not-there")); print(strstr($h, "")); print(strstr("", "x")); print(strstr($h, $h));',
               [6, 0, 11, -1, 0, -1, 0]),
    "strstr-variables": ('$h = "hello-test-world"; $n = "test"; $w = "worlds"; $e = ""; print(strstr($h, $n)); '
                         "print(strstr($h, $w)); print(strstr($h, $e)); print(strstr($n, $h)); print(strstr($e, $n));",
                         [6, -1, 0, -1, -1]),
    "strstr-long-needle": (f'$l = "{LONG}"; print(strstr($l, "scratch-is-used-really-yes")); $n = "with-more-than-64-bytes"; '
                           'print(strstr($l, $n)); print(strstr($l, "scratch-is-used-really-yes!")); $m = "with-more-than-65"; '
                           "print(strstr($l, $m));", [LONG.index("scratch"), LONG.index("with"), -1, -1]),
    "strstr-ends": ('$h = "12345678"; print(strstr($h, "78")); print(strstr($h, "789")); $n = "8"; print(strstr($h, $n)); '
                    '$m = "12345678"; print(strstr($h, $m)); $o = "123456789"; print(strstr($h, $o));', [6, -1, 7, 0, -1]),
    "strcontains": ('$h = "ababac"; print(strcontains($h, "abac")); print(strcontains("Hello", "hello")); '
                    'print(strcontains("abc", "b")); print(strcontains("", "")); if (strcontains(comm, "arsi")) { print(1); }',
                    ["true", "false", "true", "true", 1]),
    "strcontains-nul": ('$s = "hello\\0world"; $n = "wo\\0rld"; print(strcontains($s, "world")); '
                        'print(strcontains("hello world", $n)); print(strcontains($s, $n)); print(strcontains("hello\\0w", "w"));',
                        ["false", "true", "false", "false"]),
    "str-concat": ('print(str_concat("abc", "def")); $c = str_concat(comm, "-x"); print($c); print(strlen($c)); '
                   'print($c == "tarsier-x"); @k[str_concat(comm, comm)] = 1; print(@k); clear(@k); '
                   '$b = str_concat($c, $c); print($b); print(strlen(str_concat($b, $b)));',
                   ["abcdef", "tarsier-x", 9, "true", "@k[tarsiertarsier]: 1", "tarsier-xtarsier-x", 36]),
    "memcmp": ('print(memcmp("abc", "abd", 3)); print(memcmp("abd", "abc", 3)); print(memcmp("abc", "abd", 2)); '
               'print(memcmp(5, 3, 1)); print(memcmp((1, 2), (1, 3), sizeof((1, 2)))); $x = (uint64)0x0200; $y = (uint64)0x0103; '
               "print(memcmp($x, $y, 8)); print(memcmp($x, $x, 8));", [-1, 1, 0, 1, -1, -1, 0]),
    "memcmp-size": ('$k = 2; print(memcmp("abc", "abd", $k)); $k = 3; print(memcmp("abc", "abd", $k)); $k = 100; '
                    'print(memcmp("abc", "abd", $k)); $k = 0; print(memcmp("abc", "xyz", $k));', [0, -1, -1, 0]),
    "memcmp-memory": ('print(memcmp(&curtask.comm, "tarsier", 7)); print(memcmp(&curtask.comm, &curtask.comm, 16)); '
                      'print(memcmp(curtask.comm, "tarsieR", 7));', [0, 0, 1]),
    "container-of": ("$p = (int32 *)&curtask.pid; print(container_of($p, struct task_struct, pid) == curtask); "
                     "print(container_of(&curtask.comm, typeof(struct task_struct), comm).comm); "
                     "print(container_of(&curtask.thread.sp, struct task_struct, thread.sp).tgid == pid);",
                     ["true", "tarsier", "true"]),
    "in-a-loop": ('$n = 0; $i = 0; while ($i < 5) { if (strstr("abcabc", "ca") == 2) { $n += strlen(comm); } $i++; } print($n); '
                  '$h = "abcabc"; for $k : 0..3 { print(strstr($h, "cab")); }', [35, 2, 2, 2]),
}


@pytest.mark.parametrize("name", CASES)
def test_text(name):
    program, expected = CASES[name]
    assert run(f"begin {{ {program} }}") == [str(value) for value in expected]


def test_texts_of_the_program():
    program = ("tracepoint:syscalls:sys_enter_execve /pid == cpid/ { print(strcontains(str(args.argv[1]), str(args.argv[2]))); "
               "print(strstr(str(args.argv[1], 6), str(args.argv[2], 4))); print(strlen(str(args.argv[1]))); "
               "print(strlen(args.argv[1])); print(str_concat(str(args.argv[1]), str(args.argv[2], 3))); }")
    assert run(program, "-c", f"/bin/true zztest{'x' * 200} test") == ["true", "2", "206", "206", f"zztest{'x' * 200}te"]


def test_a_text_that_fills_its_room():
    """str(p, 5) keeps 4 characters: what is behind them is not found."""
    program = ("tracepoint:syscalls:sys_enter_execve /pid == cpid/ { $s = str(args.argv[1], 5); print($s); "
               'print(strstr($s, "ef")); print(strstr($s, "cd")); print(strlen($s)); }')
    assert run(program, "-c", "/bin/true abcdefgh") == ["abcd", "-1", "2", "4"]
