"""Functions and built-in variables: values with a form of their own, names of numbers, text that is formatted when it is
read, and what acts on the traced program."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import TARSIER


def run(program, *options, environment=None, unsafe=False):
    arguments = [TARSIER, *(["--unsafe"] if unsafe else []), *options, "-e", program]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env={**os.environ, **(environment or {})})


def lines(answer):
    assert answer.returncode == 0, answer.stderr
    return [line for line in answer.stdout.splitlines() if line]


CASES = {
    "ntop-number": ("print(ntop(1)); print(ntop(0x0100007f)); print(ntop(0xffff0000));", ["1.0.0.0", "127.0.0.1", "0.0.255.255"]),
    "ntop-family": ('print(ntop(2, pton("127.0.0.1"))); print(ntop(10, pton("::1")));', ["127.0.0.1", "::1"]),
    "ntop-array": ('print(ntop(pton("fe80::1:2"))); print(ntop(pton("10.1.2.3")));', ["fe80::1:2", "10.1.2.3"]),
    "ntop-key": ('@i[ntop(0x0100007f)] = ntop(pton("::1")); print(@i); clear(@i);', ["@i[127.0.0.1]: ::1"]),
    "ntop-unknown": ("print(ntop(17, 1));", ["family 17"]),
    "pton": ('print(pton("127.0.0.1")); $a = pton("::1"); print($a[15]);', ["[127,0,0,1]", "1"]),
    "buf-text": ('printf("%r %rx %rh\\n", buf("Hi\\0", 3), buf("Hi\\0", 3), buf("Hi\\0", 3));',
                 ["Hi\\x00 \\x48\\x69\\x00 48 69 00"]),
    "buf-key": ('@b[buf("ok_key", 7), 1] = buf("value", 5); print(@b); clear(@b);', ["@b[ok_key\\x00, 1]: value"]),
    "buf-size": ('$n = 3; print(buf("abcdef", $n)); $n = 100; print(buf("abcdef", $n)); print(buf("abcdef"));',
                 ["abc", "abcdef\\x00", "abcdef\\x00"]),
    "buf-memory": ("print(buf(curtask.comm)); print(buf(curtask.comm, 3)); print(buf(&curtask.comm, 4));",
                   ["tarsier" + "\\x00" * 9, "tar", "tars"]),
    "buf-equal-keys": ('$n = 2; @k[buf("abxx", $n)] = 1; @k[buf("ab", 2)] = 2; print(len(@k)); clear(@k);', ["1"]),
    "buf-ternary": ('$a = nsecs ? buf("hi", 2) : buf("bye", 3); print($a);', ["hi"]),
    "macaddr": ('$p = &curtask.comm; print(macaddr($p)); @m[macaddr($p)] = macaddr($p); print(@m); clear(@m);',
                ["74:61:72:73:69:65", "@m[74:61:72:73:69:65]: 74:61:72:73:69:65"]),
    "macaddr-equal": ("$m = macaddr(&curtask.comm); print($m == macaddr((uint64)&curtask.comm));", ["true"]),
    "strerror": ("print(strerror(1)); print(strerror(-22)); print(strerror(0)); print(strerror(9999)); print(strerror(7));",
                 ["Operation not permitted", "Invalid argument", "Success", "N/A", "Argument list too long"]),
    "signal-name": ("print(signal_name(2)); print(signal_name(0)); print(signal_name(1024)); print(signal_name(9));",
                    ["Interrupt", "Unknown signal 0", "N/A", "Killed"]),
    "syscall-name": ("print(syscall_name(0)); print(syscall_name(59)); print(syscall_name(-1)); print(syscall_name(511));",
                     ["read", "execve", "N/A", "N/A"]),
    "names-are-strings": ('$e = strerror(2); if ($e == "No such file or directory") { print("same"); } '
                          '@n[strerror(13), 1] = syscall_name(1); print(@n); clear(@n);',
                          ["same", "@n[Permission denied, 1]: write"]),
    "bswap": ('printf("%llx %x %x %x\\n", bswap(0x1122334455667788), bswap((int32)0x12345678), bswap((int16)0x1234), '
              'bswap((int8)0x12)); $x = (uint16)0x1234; printf("%x %x\\n", bswap($x), bswap(bswap($x)));',
              ["8877665544332211 78563412 3412 12", "3412 1234"]),
    "is-err": ("print(is_err(-4095)); print(is_err(-4096)); print(is_err(0)); $p = (uint64)-2; print(is_err($p));",
               ["true", "false", "false", "true"]),
    "username": ("print(username); @u[username] = username; print(@u); clear(@u); print(username == username);",
                 ["root", "@u[root]: root", "true"]),
    "usermode": ("print(usermode);", ["1"]),
    "cpid-none": ("print(cpid); print(has_cpid);", ["0", "false"]),
    "probetype": ('print(probetype); print(probetype == "special");', ["special", "true"]),
    "relatives": ("print(ppid(curtask) == ppid); print(leader_tid == pid); print(leader_tid(curtask.real_parent) == ppid); "
                  "print(leader_comm); print(pcomm == pcomm(curtask));", ["true", "true", "true", "tarsier", "true"]),
    "clocks": ("$m = nsecs(monotonic); $b = nsecs(boot); print($b >= $m); print(nsecs(boot) - nsecs < 1000000000);",
               ["true", "true"]),
    "clocks-tai": ("$a = nsecs(sw_tai); $t = nsecs(tai); $c = nsecs(sw_tai); $d = (int64)(($a + $c) / 2) - (int64)$t; "
                   "print($d < 100000000 && $d > -100000000);", ["true"]),
    "ids": ("print((pid == pid(init), tid(curr_ns) == tid, pid() == pid));", ["(true, true, true)"]),
}

@pytest.mark.parametrize("name", CASES)
def test_value(name):
    program, expected = CASES[name]
    assert lines(run(f"begin {{ {program} }}")) == expected


def test_strftime_adds_the_time_of_boot():
    answer = lines(run('begin { printf("%s %s %s\\n", strftime("%s.%f", 1000123000), strftime("%s.%f", 0), strftime("%s", nsecs)); '
                       '@y[strftime("%Y", nsecs)] = strftime("%%%l|%k", 0); }'))
    later, zero, now = answer[0].split()
    micro = lambda text: int(text.split(".")[0]) * 10**6 + int(text.split(".")[1])
    assert micro(later) - micro(zero) == 1000123
    assert abs(int(now) - time.time()) < 30
    assert abs(int(zero.split(".")[0]) - (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))) < 5
    assert re.fullmatch(r"@y\[20\d\d\]: %\d{3}\|\d{9}", answer[1])


def test_json_of_every_form():
    answer = run('begin { print(ntop(0x0100007f)); print(macaddr(&curtask.comm)); print(username); print(strerror(7)); '
                 'print((1, strftime("%m/%d", 0))); print(buf("ab", 2)); print(cgroup_path(cgroup)); print(pton("::1")); '
                 '@u[username, ntop(1)] = count(); }', "-f", "json", "-q")
    found = [json.loads(line) for line in answer.stdout.splitlines() if line]
    data = [item["data"] for item in found]
    assert data[:4] == ["127.0.0.1", "74:61:72:73:69:65", "root", "Argument list too long"]
    assert data[4][0] == 1 and re.fullmatch(r"\d\d/\d\d", data[4][1])
    assert data[5] == [97, 98]
    assert isinstance(data[6], str) and data[7] == [0] * 15 + [1]
    assert {"type": "map", "data": {"@u": {"root,1.0.0.0": 1}}} in found


def test_cgroup_paths_and_ids(tmp_path):
    mounts = [line.split() for line in open("/proc/self/mounts")]
    unified = [mount[1] for mount in mounts if mount[2] == "cgroup2"]
    if not unified:
        pytest.skip("no cgroup2 is mounted")
    group = f"{unified[0]}/tarsier-test-{os.getpid()}"
    os.mkdir(group)
    try:
        number = os.stat(group).st_ino
        program = (f'begin {{ print(cgroupid("{group}")); print(cgroup_path(cgroupid("{group}"), "unified")); '
                   f'print(cgroup_path({number}, "nothing*")); }}')
        assert lines(run(program)) == [str(number), f"unified:/{os.path.basename(group)}", str(number)]
    finally:
        os.rmdir(group)
    answer = run(f'begin {{ print(cgroupid("{tmp_path}")); }}')
    assert answer.returncode == 1 and f"no cgroup at '{tmp_path}'" in answer.stderr


def test_errorf_and_warnf_name_their_place():
    answer = run('begin { errorf("bad: %d, %s", 10, "arg2"); warnf("odd %s\\n", comm); printf("text\\n"); }')
    assert "stdin:1:9-42: ERROR: bad: 10, arg2\n" in answer.stderr
    assert "stdin:1:44-67: WARNING: odd tarsier\n" in answer.stderr
    assert lines(answer) == ["text"]
    assert "odd" not in run('begin { warnf("odd"); }', "--no-warnings").stderr


def test_cat(tmp_path):
    file = tmp_path / "file"
    file.write_text("first\nsecond\n")
    answer = run(f'begin {{ cat("{tmp_path}/%s", "file"); cat("{tmp_path}/absent"); }}')
    assert lines(answer) == ["first", "second"]
    assert f"ERROR: failed to open file '{tmp_path}/absent' (No such file or directory)" in answer.stderr
    answer = run(f'begin {{ cat("{file}"); }}', environment={"BPFTRACE_MAX_CAT_BYTES": "3"})
    assert answer.stdout.startswith("fir\n") and "was cut after 3 bytes" in answer.stderr
    answer = run(f'begin {{ cat("{file}"); }}', "-f", "json", "-q")
    assert {"type": "cat", "data": "first\nsecond\n"} in [json.loads(line) for line in answer.stdout.splitlines() if line]


def test_system():
    answer = run('begin { printf("a\\n"); system("echo %d %s; echo bad >&2; exit 3", 1, "two"); printf("b\\n"); }', unsafe=True)
    assert lines(answer) == ["a", "1 two", "b"]
    assert "bad\n" in answer.stderr
    answer = run('begin { system("echo one; echo two"); }', "-f", "json", "-q", unsafe=True)
    assert {"type": "syscall", "data": "one\ntwo\n"} in [json.loads(line) for line in answer.stdout.splitlines() if line]
    answer = run('begin { system("echo no"); }')
    assert answer.returncode == 1 and "system() is an unsafe function" in answer.stderr
    assert "--unsafe" in answer.stderr


PROBE_EXEC = "tracepoint:syscalls:sys_enter_execve /ppid == {0} || pid == cpid/ {{ {1} }}"


def test_join():
    program = PROBE_EXEC.format(0, 'join(args.argv); join(args.argv, ",")')
    answer = run(program, "-c", "/bin/true one 'two words' three")
    assert lines(answer) == ["/bin/true one two words three", "/bin/true,one,two words,three"]
    answer = run(program, "-f", "json", "-q", "-c", "/bin/true a b")
    assert {"type": "join", "data": "/bin/true,a,b"} in [json.loads(line) for line in answer.stdout.splitlines() if line]


def test_join_tells_what_was_cut():
    program = PROBE_EXEC.format(0, "join(args.argv)")
    words = " ".join(f"w{i}" for i in range(40))
    answer = run(program, "-c", f"/bin/true {words}")
    assert lines(answer) == ["/bin/true " + " ".join(f"w{i}" for i in range(31))]
    assert "join() shows 32 words and 4096 bytes, the rest was cut (1 time)" in answer.stderr
    answer = run(program, "-c", "/bin/true " + " ".join(["x" * 1000] * 6))
    assert lines(answer) == ["/bin/true " + " ".join(["x" * 1000] * 5)]
    assert "the rest was cut (1 time)" in answer.stderr


@pytest.mark.parametrize("call, number", [('signal("KILL")', 9), ('signal("SIGUSR1")', 10), ("signal(15)", 15),
                                          ("$s = (uint64)12; signal($s)", 12), ('signal_thread("ABRT")', 6)])
def test_signal(call, number):
    child = subprocess.Popen(["/bin/sh", "-c", "read line; kill -0 $$; sleep 30"], stdin=subprocess.PIPE)
    program = f"tracepoint:syscalls:sys_enter_kill /pid == {child.pid}/ {{ {call}; }}"
    session = subprocess.Popen([TARSIER, "--unsafe", "-e", program], stderr=subprocess.PIPE, text=True)
    try:
        assert "Attached 1 probe" in session.stderr.readline()
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert child.wait(20) == -number
    finally:
        session.send_signal(signal.SIGINT)
        session.wait(20)
        child.kill()


def test_signal_that_is_none():
    answer = run("profile:hz:99 { signal(65); }", unsafe=True)
    assert answer.returncode == 1 and "an integer between 1 and 64" in answer.stderr
    answer = run('profile:hz:99 { signal("NOSUCH"); }', unsafe=True)
    assert "NOSUCH is not a valid signal" in answer.stderr
    answer = run('interval:s:1 { signal("KILL"); }', unsafe=True)
    assert "signal() can not be used for this probetype interval" in answer.stderr
    answer = run("tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { $n = (uint64)200; signal($n); @ = 1; }", "-c",
                 "/usr/bin/python3 -c 'import os; os.getppid()'", unsafe=True)
    assert "the kernel did not send the signal (" in answer.stderr and "@: 1" in answer.stdout


def test_cpid_and_its_names():
    answer = run("tracepoint:syscalls:sys_enter_getppid /pid == cpid/ { printf(\"%d %s %s %d %s\\n\", has_cpid, "
                 "probetype, pcomm, usermode, leader_comm); @same = ppid == " + "pid(init) ? 1 : 0; }", "-c",
                 "/usr/bin/python3 -c 'import os; os.getppid()'")
    assert lines(answer)[0] == "1 tracepoint tarsier 0 python3"


def test_usermode_of_samples():
    answer = run("profile:hz:997 /pid == cpid/ { @[usermode] = count(); }", "-c",
                 "/usr/bin/python3 -c 'for i in range(3000000): pass'")
    assert "@[1]:" in answer.stdout


def test_what_lockdown_or_the_kernel_refuses_is_explained():
    answer = run('tracepoint:syscalls:sys_enter_getppid { write_user(1, "x", 1); }', "--dry-run", unsafe=True)
    if answer.returncode != 0:
        assert "write_user() cannot be used on this kernel: bpf_probe_write_user: no" in answer.stderr
        assert "bug in tarsier" not in answer.stderr
    answer = run("begin { override(1); }", unsafe=True)
    assert answer.returncode == 1 and "override() can only be used inside kprobes" in answer.stderr


def test_kaddr():
    address = next((line.split()[0] for line in open("/proc/kallsyms") if line.split()[2] == "_text"), None)
    if address is None or int(address, 16) == 0:
        pytest.skip("no addresses in /proc/kallsyms")
    assert lines(run('begin { printf("%lx\\n", kaddr("_text")); }')) == [f"{int(address, 16):x}"]
    answer = run('begin { print(kaddr("no_such_symbol")); }')
    assert answer.returncode == 1 and "Failed to resolve kernel symbol: no_such_symbol" in answer.stderr


def test_debugf(tmp_path):
    mark = f"mark{os.getpid()}"
    script = (f"mount -t tracefs none {tmp_path} && "
              f"{TARSIER} -e 'begin {{ debugf(\"{mark} %s %d %x %5d|%-4d|%c%%\", comm, -1, 0x10, -3, 7, 65); }}' && "
              f"grep {mark} {tmp_path}/trace; umount {tmp_path}")
    answer = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert f"{mark} tarsier -1 10    -3|7   |A%" in answer.stdout


def test_socket_cookie():
    """The kernel's own cookie (SO_COOKIE) of a socket that changes its state."""
    SO_COOKIE = 57
    program = ("rawtracepoint:inet_sock_set_state /args.newstate == 10/ { print(socket_cookie(args.sk)); "
               "print(socket_cookie((struct sock_common *)args.sk)); }")
    session = subprocess.Popen([TARSIER, "-e", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "Attached 1 probe" in session.stderr.readline()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        cookie = int.from_bytes(server.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), "little")
    time.sleep(0.3)
    session.send_signal(signal.SIGINT)
    output, _ = session.communicate(timeout=60)
    assert output.split().count(str(cookie)) == 2


def test_ids_inside_a_pid_namespace():
    """tarsier as process 1 of its own namespace: ids are those of the namespace; init asks for the others."""
    program = 'begin { printf("%d %d %d %d\\n", pid, pid(curr_ns), tid, pid(init)); }'
    answer = subprocess.run(["unshare", "--fork", "--pid", "--mount-proc", TARSIER, "-e", program], capture_output=True,
                            text=True, timeout=60)
    inside, same, tid, outside = map(int, lines(answer)[0].split())
    assert (inside, same, tid) == (1, 1, 1) and outside != 1
