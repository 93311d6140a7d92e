"""Live tests: the whole program against real events. Needs root; traces only what the test itself started.

    trace(PROGRAM, run=workload("calls", 1000))     attach, let the workload run to its end, Ctrl-C, read the answer
    trace.start(PROGRAM) ... session.finish()       the same in steps

TARSIER names the program (build/tarsier), TARSIER_FIXTURES the workload programs (build/fixtures).
"""
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from once_again import OnceAgain
from verified import Verified

IN_VM = "TARSIER_VM" in os.environ  # emulated: everything takes ten times as long
# What no kernel can change is not tested again in the VMs (test_debug_info.py leaves out some compilers' options there).
collect_ignore_glob = ["test_format.py", "test_options.py", "test_pictures*.py"] if IN_VM else []
ROOT = Path(__file__).resolve().parents[2]
TARSIER = os.environ.get("TARSIER", str(ROOT / "build/tarsier"))
FIXTURES = Path(os.environ.get("TARSIER_FIXTURES", ROOT / "build/fixtures"))
PATIENCE = 60  # seconds until something that must happen counts as not happening: machines are slow or busy


def pytest_sessionstart(session):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, and so it would be in what is started here
    if not os.access(TARSIER, os.X_OK):
        pytest.exit(f"{TARSIER} is missing: ./dev build makes it", returncode=2)
    if os.geteuid() != 0:
        pytest.exit("live tests need root", returncode=2)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.pluginmanager.register(OnceAgain(config))
    config.addinivalue_line("markers", "machine: the answer could depend on CPUs, nodes, preemption, memory (tests/vm/run)")


class Answer:
    """What a finished run left: stdout, stderr, code, and the scalar and keyed map lines of stdout."""

    def __init__(self, stdout, stderr, code):
        self.stdout, self.stderr, self.code = stdout, stderr, code

    def values(self, name):
        """Every value printed for map `name` without a key, in order: "@x: 5" -> [5]."""
        return [int(v) for v in re.findall(rf"^{re.escape(name)}: (-?\d+)$", self.stdout, re.M)]

    def value(self, name="@"):
        values = self.values(name)
        assert len(values) == 1, f"{name} is not printed exactly once:\n{self.stdout}\n{self.stderr}"
        return values[0]

    def keyed(self, name="@"):
        """{"key text": value} of the lines "@x[key text]: 5"."""
        rows = re.findall(rf"^{re.escape(name)}\[(.*)\]: (-?\d+)$", self.stdout, re.M)
        return {key: int(value) for key, value in rows}

    def buckets(self):
        """{"[2, 4)": 7} of the histogram lines."""
        rows = re.findall(r"^([\[(][^|]*?[\])]) +(\d+) \|", self.stdout, re.M)
        return {label: int(count) for label, count in rows}

    def lines(self):
        return [line for line in self.stdout.splitlines() if line]


class Session:
    """One running tarsier. Output goes to files, so that neither side ever waits for the other."""

    def __init__(self, arguments, stdin=None, environment=None):
        self.out = tempfile.TemporaryFile("w+", errors="replace")
        self.err = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen([TARSIER, *map(str, arguments)], stdout=self.out, stderr=self.err,
                                        stdin=stdin or subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        self.pid = self.process.pid

    @staticmethod
    def _text(file):
        return os.pread(file.fileno(), 64 << 20, 0).decode(errors="replace")

    def stdout(self):
        return self._text(self.out)

    def stderr(self):
        return self._text(self.err)

    def wait_until(self, condition, what, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not condition():
            ended = self.process.poll() is not None
            if (ended and not condition()) or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"{what} did not happen; exit code {self.process.returncode}\n{self.stdout()}{self.stderr()}")
            time.sleep(0.005)

    def wait_attached(self):
        self.wait_until(lambda: re.search(r"^Attached \d+ probes?", self.stderr(), re.M), "attaching")
        return self

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def wait(self):
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"tarsier did not end\n{self.stdout()}{self.stderr()}")
        return Answer(self.stdout(), self.stderr(), self.process.returncode)

    def finish(self):
        if self.process.poll() is None:
            self.interrupt()
        return self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Workload:
    """A fixture program that has said "ready" and waits for go()."""

    def __init__(self, name, arguments):
        self.path = FIXTURES / name
        self.process = subprocess.Popen([self.path, *map(str, arguments)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        assert self.process.stdout.readline() == f"ready {self.pid}\n"

    def start_work(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def finish_work(self):
        """Waits for its end; gives the numbers behind "done"."""
        output, _ = self.process.communicate(timeout=PATIENCE * 2)
        assert self.process.returncode == 0 and output.startswith("done")
        return [int(number) for number in output.split()[1:]]

    def go(self):
        self.start_work()
        return self.finish_work()


@pytest.fixture(scope="session")
def verified(request):
    work = Verified()
    yield work
    work.finish(request.config.pluginmanager.getplugin("capturemanager"))


@pytest.fixture
def workload():
    started = []

    def start(name, *arguments):
        started.append(Workload(name, arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def trace():
    sessions = []

    def start(program, *arguments, **options):
        sessions.append(Session(["-e", program, *arguments], **options))
        return sessions[-1]

    def start_command(*arguments, **options):
        """Any command line."""
        sessions.append(Session(arguments, **options))
        return sessions[-1]

    def command(*arguments, **options):
        """Any command line, run to its end."""
        return start_command(*arguments, **options).wait()

    def run(program, *arguments, run=None, **options):
        """With run=WORKLOAD: attach, run it, interrupt. Without: the program ends by itself."""
        session = start(program, *arguments, **options)
        if run is None:
            return session.wait()
        session.wait_attached()
        run.go()
        return session.finish()

    run.start, run.start_command, run.command = start, start_command, command
    yield run
    for session in sessions:
        if session.process.poll() is None:
            session.kill()
