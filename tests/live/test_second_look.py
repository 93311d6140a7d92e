"""Features combined with one another: what came out when scripts were written to break things."""
import subprocess

import pytest

from conftest import TARSIER


def run(program, *arguments):
    return subprocess.run([TARSIER, "-q", "-e", program, *arguments], capture_output=True, text=True, timeout=60)


VALUES = {
    "block-in-block": ("$x = { { 5 } }; print($x); print(if pid > 0 { { $a = 2; $a + 1 } } else { { { 2 } } });", "5\n3\n"),
    "smaller-of-two": ('$n = nsecs; print(strerror(-($n - $n + 2))); print(strerror($n)); print(signal_name($n - $n));'
                       'printf("%r\\n", buf("abcdef", ($n - $n) + 3)); print(strlen(str_concat(comm, "/" )));',
                       "No such file or directory\nN/A\nUnknown signal 0\nabc\n8\n"),
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name):
    statements, expected = VALUES[name]
    answer = run(f"begin {{ {statements} }}")
    assert (answer.stdout.rstrip("\n") + "\n", answer.stderr, answer.returncode) == (expected, "", 0)


CALL = "python3 -c 'import ctypes; ctypes.CDLL(None).syscall(0, 77, 4096, 3); ctypes.CDLL(None).close(77)'"


def traced(program):
    """The lines that come out while a process reads 3 bytes from descriptor 77 to address 4096, and closes it."""
    answer = run(program, "-c", CALL)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def test_args_are_a_value():
    fields = "{ .fd = 77, .buf = 0x1000, .count = 3 }"
    lines = traced("""
        tracepoint:syscalls:sys_enter_read /pid == cpid && args.fd == 77/ {
            $a = args; print($a); @[args] = (args, "x", (b=args, c=$a.count)); if ($a == args) { @same = 1; }
        }""")
    assert lines[0] == fields
    assert f"@[{fields}]: ({fields}, x, {{ .b = {fields}, .c = 3 }})" in lines
    assert "@same: 1" in lines


def test_args_of_each_probe():
    lines = traced("""
        tracepoint:syscalls:sys_enter_close, tracepoint:syscalls:sys_exit_close /pid == cpid/ { print(args); }""")
    assert "{ .fd = 77 }" in lines
    assert "{ .ret = -9 }" in lines


def test_arguments_of_any_system_call_by_number():
    lines = traced("""
        tracepoint:raw_syscalls:sys_enter /pid == cpid && args.id == 0 && args.args[0] == 77/ {
            $i = 0; while ($i < 3) { @a[$i] = args.args[$i]; $i++; }
            $all = args.args; print($all[1]); @whole = (1, args.args); print(@whole.1[2]);
        }""")
    assert lines[:2] == ["4096", "3"]
    assert [line for line in lines if line.startswith("@a")] == ["@a[2]: 3", "@a[0]: 77", "@a[1]: 4096"]


def test_array_of_characters_without_an_end():
    answer = run('union u { int a; char b[4]; } begin { $x = 0x41424344; $p = (union u *)&$x; print($p.b == "DCBA");'
                 'print($p.b == "DCBAx"); print($p.b == "DCB"); print(strlen($p.b)); $l = "longer"; $l = $p.b; print($l);'
                 '@m[$p.b] = 1; print(@m); print($p.b); }')
    assert (answer.stdout.splitlines()[:7], answer.stderr) == (
        ["true", "false", "false", "4", "DCBA", "@m[DCBA]: 1", "DCBA"], "")
