"""Files and sockets behind descriptors, and names of files as the kernel itself gives them in /proc/PID/fd."""
import os
import subprocess

from conftest import TARSIER

PRELUDE = """
import ctypes, os, select, socket, sys
show = ctypes.CDLL(None).fsync
"""


def trace(program, child, tmp_path, *wrapper, root=None):
    """What the program prints while the child calls show(fd): the probe is at fsync."""
    script = tmp_path / "child.py"
    script.write_text(PRELUDE + child)
    command = f"/usr/bin/python3 {script}" if root is None else f"/bin/sh {root}"
    block = "tracepoint:syscalls:sys_enter_fsync /comm == \"python3\"/ { %s }" % program
    answer = subprocess.run([*wrapper, TARSIER, "-q", "-e", block, "-c", command], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return [line for line in answer.stdout.splitlines() if line], answer


def test_names_are_those_of_proc(tmp_path):
    child = f"""
os.makedirs("{tmp_path}/a dir/b")
named = os.open("{tmp_path}/a dir/b/file.txt", os.O_CREAT | os.O_RDWR)
gone = os.open("{tmp_path}/gone", os.O_CREAT | os.O_RDWR)
os.unlink("{tmp_path}/gone")
pipe, _ = os.pipe()
sock = socket.socket()
poll = select.epoll()
others = [os.open(p, os.O_RDONLY) for p in ("/", "/proc/self/status", "/dev/null", "/sys/kernel/btf/vmlinux", "{tmp_path}")]
for fd in (named, gone, pipe, sock.fileno(), *others, os.memfd_create("hello"), os.eventfd(1), poll.fileno()):
    sys.stderr.write(os.readlink("/proc/self/fd/%d" % fd) + "\\n")
    show(fd)
"""
    found, answer = trace("print(path(fd2file(args.fd).f_path));", child, tmp_path)
    expected = answer.stderr.splitlines()
    assert len(expected) == 12 and found == expected


def test_all_ways_to_give_a_path(tmp_path):
    child = f'show(os.open("{tmp_path}/file", os.O_CREAT))'
    program = ("$f = fd2file(args.fd); print(path($f.f_path)); print(path(&$f.f_path)); $p = &$f.f_path; print(path($p)); "
               "@m[path($f->f_path), 1] = 1; print(@m); clear(@m); if (path($f.f_path) == \"%s/file\") { print(1); } "
               "print(strcontains(path($f.f_path), \"/fil\")); print(path(&curtask.fs.pwd)); " % tmp_path)
    found, _ = trace(program, child, tmp_path)
    name = f"{tmp_path}/file"
    assert found == [name] * 3 + [f"@m[{name}, 1]: 1", "1", "true", os.getcwd()]


def test_long_names_are_cut_at_the_front(tmp_path):
    deep = "/".join(["d" * 100] * 12)
    child = f'os.makedirs("{tmp_path}/{deep}"); show(os.open("{tmp_path}/{deep}", os.O_RDONLY))'
    found, _ = trace("$f = fd2file(args.fd); print(path($f.f_path)); print(path($f.f_path, 16)); print(path($f.f_path, 2048)); "
                     "print(path($f.f_path, 102));", child, tmp_path)
    whole = f"{tmp_path}/{deep}"
    assert found == [whole[-1023:], whole[-15:], whole, whole[-101:]]


def test_names_are_those_inside_a_chroot(tmp_path):
    script = tmp_path / "enter.sh"
    (tmp_path / "root").mkdir()
    script.write_text(f"""
mkdir -p /mnt
mount --bind / {tmp_path}/root
mount -t tmpfs none {tmp_path}/root/mnt
mkdir {tmp_path}/root/mnt/d
exec chroot {tmp_path}/root /usr/bin/python3 -c '
import os
for name in (os.__file__, "/mnt/d", "/mnt", "/"): os.fsync(os.open(name, os.O_RDONLY))'
""")
    found, _ = trace("print(path(fd2file(args.fd).f_path));", "", tmp_path, "unshare", "-m", root=script)
    assert found[0].endswith("/os.py") and found[1:] == ["/mnt/d", "/mnt", "/"]


def test_descriptors(tmp_path):
    child = f"""
file = os.open("{tmp_path}/file", os.O_CREAT)
with socket.socket() as listening:
    listening.bind(("127.0.0.1", 0))
    listening.listen(7)
    high = os.dup2(listening.fileno(), 900)
    show(high)
show(file)
show(100000)
show(-1)
"""
    program = ("$f = fd2file(args.fd); $s = fd2sock(args.fd); "
               "printf(\"%d %d %s\\n\", $f == 0, $s == 0, $s != 0 ? ntop($s.__sk_common.skc_rcv_saddr) : ntop(0)); "
               "if ($s != 0) { printf(\"%d %d\\n\", $s.sk_max_ack_backlog, $s.sk_protocol); }")
    found, answer = trace(program, child, tmp_path)
    assert found == ["0 0 127.0.0.1", "7 6", "0 1 0.0.0.0", "1 1 0.0.0.0", "1 1 0.0.0.0"]
    assert "could not be read" not in answer.stderr


def test_the_socket_of_a_file_is_the_file_s_own(tmp_path):
    child = """
a, b = socket.socketpair()
sys.stderr.write("%d\\n" % os.fstat(a.fileno()).st_ino)
show(a.fileno())
"""
    found, answer = trace("print(fd2sock(args.fd).sk_socket.file == fd2file(args.fd)); print(fd2file(args.fd).f_inode.i_ino);",
                          child, tmp_path)
    assert found == ["true", answer.stderr.split()[0]]
