"""tarsier stat: counts of programs whose work is known, and beside perf stat's."""
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import FIXTURES, PATIENCE

SHARES = FIXTURES / "shares"
HAS_PMU = os.path.exists("/sys/bus/event_source/devices/cpu")


def counts(text):
    """{"page-faults": 5050.0} of the lines."""
    return {name: float(value) for value, name in re.findall(r"^ +([\d.]+) (?:msec|    ) +([\w:-]+)", text, re.M)}


def test_work_that_is_known(trace):
    answer = trace.command("stat", SHARES, "faults", "5000")
    assert answer.code == 0 and answer.stdout == "done\n"
    assert 5000 <= counts(answer.stderr)["page-faults"] <= 5400, answer.stderr
    assert re.search(r"^ +[\d.]+ seconds time elapsed$", answer.stderr, re.M)
    answer = trace.command("stat", SHARES, "spin", "300")
    assert 295 <= counts(answer.stderr)["task-clock"] <= 600, answer.stderr
    answer = trace.command("stat", "-e", "cs", SHARES, "switches", "200")
    assert 190 <= counts(answer.stderr)["cs"], answer.stderr
    answer = trace.command("stat", "-e", "task-clock", SHARES, "fork", "200")
    assert counts(answer.stderr)["task-clock"] >= 195, answer.stderr


def wait_until_counting(pid):
    """It has its counters and waits for the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        waits = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "S"
        if waits and any("perf_event" in file for file in files):
            return
        time.sleep(0.02)
    pytest.fail("it does not count")


@pytest.mark.skipif(not shutil.which("perf"), reason="there is no perf")
def test_as_perf_counts(trace, workload):
    """The same process at the same time."""
    shares = workload("shares", "wait", "faults", 3000)
    events = "page-faults,minor-faults,context-switches:u"
    perf = subprocess.Popen(["perf", "stat", "-x", ",", "-e", events, "-p", str(shares.pid)], stderr=subprocess.PIPE,
                            text=True)
    session = trace.start_command("stat", "-e", events, "-p", shares.pid)
    wait_until_counting(session.pid)
    wait_until_counting(perf.pid)
    shares.go()
    ours = counts(session.wait().stderr)
    theirs = {line.split(",")[2]: float(line.split(",")[0]) for line in perf.communicate()[1].splitlines() if line}
    assert ours["page-faults"] == theirs["page-faults"] > 3000
    assert ours["minor-faults"] == theirs["minor-faults"]


def test_threads_of_a_process(trace, workload):
    shares = workload("shares", "wait", "threads", 200)
    session = trace.start_command("stat", "-e", "task-clock", "-p", shares.pid)
    wait_until_counting(session.pid)
    shares.go()
    assert counts(session.wait().stderr)["task-clock"] >= 390


def test_intervals(trace):
    answer = trace.command("stat", "-I", "50", "-e", "page-faults,task-clock", SHARES, "spin", "300")
    rows = re.findall(r"^ +([\d.]+) +([\d.]+) msec task-clock", answer.stderr, re.M)
    assert len(rows) >= 4, answer.stderr
    times = [float(stamp) for stamp, _ in rows]
    assert times == sorted(times) and all(b - a > 0.04 for a, b in zip(times, times[1:-1]))
    assert 295 <= sum(float(value) for _, value in rows) <= 600


def test_several_runs(trace):
    answer = trace.command("stat", "-r", "3", "-e", "page-faults", SHARES, "faults", "1000")
    assert answer.stdout == "done\n" * 3 and "(3 runs)" in answer.stderr
    assert re.search(r"^ +1\d\d\d +page-faults .*\( \+- +[\d.]+% \)$", answer.stderr, re.M), answer.stderr
    assert re.search(r"^ +[\d.]+ \+- [\d.]+ seconds time elapsed  \( \+- +[\d.]+% \)$", answer.stderr, re.M)


def test_json(trace):
    answer = trace.command("stat", "-j", SHARES, "faults", "100")
    rows = [json.loads(line) for line in answer.stderr.splitlines()]
    assert [row["event"] for row in rows][:4] == ["task-clock", "context-switches", "cpu-migrations", "page-faults"]
    assert {"counter-value", "unit", "event", "event-runtime", "pcnt-running"} <= rows[0].keys()
    assert rows[0]["metric-unit"] == "CPUs utilized" and rows[0]["unit"] == "msec"
    interval = trace.command("stat", "-j", "-I", "50", "-e", "task-clock", SHARES, "spin", "120")
    assert all("interval" in json.loads(line) for line in interval.stderr.splitlines())


def test_the_whole_machine(trace):
    answer = trace.command("stat", "-a", "-d", "0.3", "-e", "cpu-clock,context-switches,sched:sched_switch")
    found = counts(answer.stderr)
    assert found["cpu-clock"] >= 290 * os.cpu_count() and found["context-switches"] > 0, answer.stderr
    assert found["sched:sched_switch"] > 0


def test_what_cannot_be_counted(trace):
    answer = trace.command("stat", "-e", "cycles,instructions,task-clock", "true")
    assert answer.code == 0
    if HAS_PMU:
        assert "insn per cycle" in answer.stderr
    else:
        assert re.search(r"<not supported> +cycles", answer.stderr) and "no hardware counters" in answer.stderr


def test_the_command_decides_the_code(trace):
    assert trace.command("stat", "sh", "-c", "exit 7").code == 7
    assert trace.command("stat", "-c", "sh -c 'kill -9 $$'").code == 137


def test_an_end_before_the_command_ends(trace):
    answer = trace.command("stat", "-d", "0.2", "-e", "task-clock", "sleep", "60")
    assert "seconds time elapsed" in answer.stderr
    session = trace.start_command("stat", "-e", "task-clock", "sleep", "60")
    wait_until_counting(session.pid)
    session.process.send_signal(signal.SIGINT)
    answer = session.wait()
    assert answer.code == 0 and "seconds time elapsed" in answer.stderr


def test_a_file(trace, tmp_path):
    answer = trace.command("stat", "-o", tmp_path / "counts", "-e", "faults", "true")
    assert answer.stderr == "" and counts((tmp_path / "counts").read_text())["faults"] > 0
    answer = trace.command("stat", "-o", "/no/such/file", "true")
    assert answer.code == 3 and "cannot write" in answer.stderr


def test_wrong_command_lines(trace):
    for words, text in [(["-e", "nothing", "true"], '"nothing" is no event'), (["-r", "3"], "-r wants a command"),
                        (["-r", "2", "-I", "10", "true"], "exclude each other"), (["/no/such/program"], "cannot run"),
                        (["-p", "999999999"], ""), (["-a", "true"], "exclude each other")]:
        answer = trace.command("stat", *words)
        assert answer.code == 1 and text in answer.stderr, (words, answer.stderr)
