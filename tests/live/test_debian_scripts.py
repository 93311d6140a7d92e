"""The scripts of Debian's bpftrace package run unchanged. They are read where the package puts them."""
import ctypes
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest

from conftest import FIXTURES

SCRIPTS = sorted(Path("/usr/sbin").glob("*.bt"))

# Functions that are in modules, were renamed, or are put into their callers by the compiler.
FUNCTIONS_GONE = {
    "biolatency": "blk_account_io_start", "biosnoop": "blk_account_io_start", "biostacks": "blk_account_io_start",
    "mdflush": "md_flush_request", "swapin": "swap_readpage", "xfsdist": "xfs_file_read_iter",
}
# Fields that newer kernels no longer have under this name: no tool can run such a script there.
FIELDS_GONE = {"runqlen": "nr_running"}  # nr_queued since 6.14


def test_the_package_is_installed():
    if not SCRIPTS:
        pytest.skip("bpftrace's scripts are not installed")
    assert len(SCRIPTS) > 30


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_script_attaches(trace, verified, script):
    answer = trace.command("-v", "--dry-run", script)
    if "this kernel offers no probes of kernel functions here" in answer.stderr:
        pytest.skip("this kernel has no kprobes")
    if answer.code and re.search(r"No such file|does not exist|No matches for uprobe|not found.*lib", answer.stderr):
        pytest.skip("the program it traces is not installed")
    if f"does not contain a field named '{FIELDS_GONE.get(script.stem)}'" in answer.stderr:
        pytest.skip("this kernel has no such field any more")
    if "Failed to resolve kernel symbol: avenrun" in answer.stderr:
        pytest.skip("this kernel does not list its variables")
    gone = FUNCTIONS_GONE.get(script.stem)
    if gone and f"No matches for kprobe {gone}" in answer.stderr:
        pytest.skip(f"this kernel has no function {gone}")
    assert answer.code == 0 and "Attached" in answer.stderr, answer.stderr
    if "\nloaded " in answer.stderr:
        verified.check(f"bpftrace: {script.name}", answer.stderr)


# Why the others do not run here (checked by the test above, which skips just these).
#   kprobe, kretprobe   biosnoop capable dcsnoop mdflush oomkill swapin tcpaccept tcpconnect tcplife tcpretrans tcpsynbl
#                       undump vfscount vfsstat xfsdist, on kernels without them
#   the system          loads (avenrun is not in kallsyms everywhere), runqlen (a field renamed in 6.14), threadsnoop (pthread_create moved to libc in glibc 2.34)

def run(*command, **options):
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, **options)


def fixture(name, *arguments):
    run(FIXTURES / name, *map(str, arguments), input=b"go\n")


def interactive_bash():
    master, slave = pty.openpty()
    bash = subprocess.Popen(["bash", "--norc", "-i"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    os.write(master, b"echo probe-me\nexit\n")
    deadline = time.monotonic() + 20
    while bash.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
        try:
            os.read(master, 4096)
        except OSError:
            break
    bash.kill()
    bash.wait()
    os.close(master)


def spin():
    fixture("spin", 300)


def nothing():
    time.sleep(1.2)


def set_user():
    subprocess.run(["true"], preexec_fn=lambda: os.setuid(65534), timeout=60)


CALLS = """import os
os.sync()
os.kill(os.getpid(), 0)
try: open("/no/such/opened/file")
except OSError: pass
"""


def statx_missing():
    """One statx call; whether ls makes it depends on whose ls it is."""
    ctypes.CDLL(None).syscall(332, -100, b"/no/such/probed/file", 0, 0, ctypes.create_string_buffer(256))


def calls():
    run("/usr/bin/python3", "-S", "-c", CALLS)


# What to do while a script runs (None: wait for it), and what it must have printed then (or at its end).
ANSWERS = {
    "bashreadline": (interactive_bash, r"^\d\d:\d\d:\d\d +\d+ +echo probe-me$"),
    "bitesize": (nothing, r"^I/O size \(bytes\) histograms by process name:$"),
    "cpuwalk": (spin, r"^@cpu:\n\[[01]\] +[1-9]\d* \|@"),
    "gethostlatency": (lambda: run("getent", "ahosts", "localhost"), r" getent +\d+ localhost$"),
    "killsnoop": (calls, r" python3\S* +0 +\d+ +0$"),
    "naptime": (lambda: fixture("latency", 3, 2000), r" latency +0\.002$"),
    "opensnoop": (calls, r" python3\S* +-1 +2 /no/such/opened/file$"),
    "pidpersec": (None, r"PIDs/sec: @: \d+$"),
    "runqlat": (spin, r"^@usecs:\n[\[(].*\|$"),
    "setuids": (set_user, r" setuid +uid=65534 \(0\)$"),
    "ssllatency": (nothing, r"^Latency distribution in microsecond:$"),
    "sslsnoop": (nothing, r"^TIME\(us\) +TID "),
    "statsnoop": (statx_missing, r" \S+ +2 /no/such/probed/file$"),
    "syncsnoop": (calls, r" python3\S* +tracepoint:syscalls:sys_enter_sync$"),
    "syscount": (calls, r"^@syscall\[\d+\]: [1-9]\d*$"),
    "writeback": (nothing, r"^TIME +DEVICE +PAGES +REASON +ms$"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_script_answers(trace, name):
    act, expected = ANSWERS[name]
    path = Path(f"/usr/sbin/{name}.bt")
    if not path.exists():
        pytest.skip("bpftrace's scripts are not installed")
    session = trace.start_command(path)
    try:
        session.wait_attached()
    except pytest.fail.Exception:
        if re.search(r"No such file|does not exist|No matches for|not found", session.stderr()):
            pytest.skip("what it traces is not there")
        raise
    if act:
        act()
    else:
        session.wait_until(lambda: re.search(expected, session.stdout(), re.M), "the answer")
    answer = session.finish()
    assert answer.code == 0 and re.search(expected, answer.stdout, re.M), answer.stdout + answer.stderr
