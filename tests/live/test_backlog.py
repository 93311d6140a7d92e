"""Ctrl-C under a flood: what waits is given half a second, then the results come."""
import re
import time


def test_backlog_of_commands_does_not_delay_the_end(trace):
    session = trace.start('tracepoint:sched:sched_switch { system("echo x"); } end { print("the end"); }', "--unsafe")
    session.wait_attached()
    time.sleep(1)
    before = time.monotonic()
    session.interrupt()
    answer = session.wait()
    assert time.monotonic() - before < 5 and "the end" in answer.stdout
    assert re.search(r"WARNING: \d+ messages were waiting", answer.stderr)


def test_printing_and_emptying_keeps_up(trace):
    program = ("i:us:100 { @data[rand % 5] = count(); } i:ms:1 { print(@data); clear(@data); zero(@data); } "
               'i:s:1 { print("there"); exit(); }')
    assert "there" in trace(program).stdout


def test_time_of_series_from_a_map(trace, monkeypatch):
    monkeypatch.setenv("BPFTRACE_DUMMY_TS_MAP", "@clock")
    monkeypatch.setenv("TZ", "UTC")
    lines = trace("begin { @clock = (uint64)1s; @a = tseries(1, 1s, 5); @clock = (uint64)3s; @a = tseries(4, 1s, 5); "
                  "clear(@clock); exit(); }", "-q").lines()
    assert [line.split()[0] for line in lines if line.startswith("00")] == ["00:00:01", "00:00:02", "00:00:03"]
