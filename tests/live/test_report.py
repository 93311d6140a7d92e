"""tarsier report: tables and trees out of files whose content is known because the test wrote it."""
import gzip
import json
import re
import struct
import subprocess

import pytest

from conftest import FIXTURES, TARSIER

IP, TID, TIME, CALLCHAIN, ID, PERIOD, CPU, IDENTIFIER = 1, 2, 4, 32, 64, 256, 128, 1 << 16
KERNEL_MARK, USER_MARK = 2**64 - 128, 2**64 - 512
SOFTWARE, HARDWARE = 1, 0


def symbols(path):
    """{name: address in the file} of its functions."""
    text = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True, check=True).stdout
    return {name: int(address, 16) for address, kind, name in (line.split() for line in text.splitlines()) if kind in "tTD"}


class PerfData:
    """A perf.data file, record by record."""

    def __init__(self, sample_type=IP | TID | TIME | CALLCHAIN | PERIOD, events=((SOFTWARE, 0),)):
        self.sample_type, self.events, self.records = sample_type, events, b""

    def record(self, kind, body, misc=2, time=0):
        if kind != 9:  # sample_id_all: tid, time
            body += struct.pack("<IIQ", 0, 0, time)
        self.records += struct.pack("<IHH", kind, misc, 8 + len(body)) + body
        return self

    def text(self, name, size=8):
        name = name.encode() + b"\0"
        return name + b"\0" * (-len(name) % size)

    def mmap(self, pid, start, size, offset, path, time=0):
        body = struct.pack("<IIQQQIIQQII", pid, pid, start, size, offset, 0, 0, 0, 0, 5, 2)
        return self.record(10, body + self.text(path), time=time)

    def comm(self, pid, tid, name, time=0, is_exec=False):
        return self.record(3, struct.pack("<II", pid, tid) + self.text(name), misc=0x2000 if is_exec else 2, time=time)

    def fork(self, pid, parent, time):
        return self.record(7, struct.pack("<IIIIQ", pid, parent, pid, parent, time), time=time)

    def lost(self, count):
        return self.record(2, struct.pack("<QQ", 0, count))

    def sample(self, pid, tid, time, chain, period=1):
        body = struct.pack("<QIIQQQ", chain[-1], pid, tid, time, period, len(chain))
        return self.record(9, body + struct.pack(f"<{len(chain)}Q", *chain))

    def bytes(self):
        attributes = b""
        for kind, config in self.events:
            attribute = struct.pack("<IIQQQQQ", kind, 128, config, 1, self.sample_type, 0, 1 << 18)
            attributes += attribute + b"\0" * (128 - len(attribute)) + struct.pack("<QQ", 0, 0)
        data = 104 + len(attributes)
        header = b"PERFILE2" + struct.pack("<QQQQQQQQ", 104, 144, 104, len(attributes), data, len(self.records), 0, 0)
        return header + b"\0" * 32 + attributes + self.records


@pytest.fixture
def report(tmp_path):
    def run(data, *arguments):
        path = tmp_path / "perf.data"
        path.write_bytes(data if isinstance(data, bytes) else data.bytes())
        done = subprocess.run([TARSIER, "report", path, *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    return run


def rows(text):
    """{cells: (self %, total %, samples)}"""
    found = re.findall(r"^ *([\d.]+)% +([\d.]+)% +(\d+)  (.*)$", text, re.M)
    return {tuple(re.split(r" {2,}", cells)): (float(own), float(total), int(count)) for own, total, count, cells in found}


def calls(base=0x400000):
    """A file in which main calls fixture functions: 3 samples in a, 1 in main itself, 1 in the kernel below a."""
    known = symbols(FIXTURES / "calls")
    place = lambda name: base + known[name] + 4
    data = PerfData().comm(7, 7, "calls").mmap(7, base, 1 << 20, 0, str(FIXTURES / "calls"))
    for time in (10, 20, 30):
        data.sample(7, 7, time, [USER_MARK, place("wait_for_go"), place("main"), place("_start")])
    data.sample(7, 8, 40, [USER_MARK, place("main"), place("_start")])
    data.sample(7, 8, 50, [KERNEL_MARK, 0xFFFFFFFF81000000, USER_MARK, place("wait_for_go"), place("main"), place("_start")])
    return data


def text_offset_is_address(path):
    """perf's file offsets are addresses only where segments lie in the file as in memory: check, for the numbers above."""
    text = subprocess.run(["readelf", "-lW", path], capture_output=True, text=True, check=True).stdout
    loads = [line.split() for line in text.splitlines() if re.match(r"\s+LOAD .* R E ", line)]
    return all(int(words[1], 16) == int(words[2], 16) for words in loads) and loads


@pytest.fixture(autouse=True)
def check_layout():
    assert text_offset_is_address(FIXTURES / "calls")


def test_rows(report):
    code, out, err = report(calls())
    assert (code, err) == (0, "")
    found = rows(out)
    path = str(FIXTURES / "calls")
    assert found[("wait_for_go", path)] == (60.0, 80.0, 3)
    assert found[("main", path)] == (20.0, 100.0, 1)
    assert found[("_start", path)] == (0.0, 100.0, 0)
    assert found[("[kernel]", "[kernel.kallsyms]")] == (20.0, 20.0, 1)
    assert "100 % complete (5 of 5)" in out


@pytest.mark.parametrize("keys, expected", [
    ("tid", {("7",): (60.0, 60.0, 3), ("8",): (40.0, 40.0, 2)}),
    ("process", {("calls",): (100.0, 100.0, 5)}),
    ("pid,comm", {("7", "calls"): (60.0, 60.0, 3), ("7", ""): (40.0, 40.0, 2)}),
], ids=["tid", "process", "pid,comm"])
def test_keys(report, keys, expected):
    assert rows(report(calls(), "-s", keys)[1]) == expected


def test_recursion_counts_once(report):
    known = symbols(FIXTURES / "calls")
    main = 0x400000 + known["main"] + 4
    data = PerfData().mmap(7, 0x400000, 1 << 20, 0, str(FIXTURES / "calls")).sample(7, 7, 1, [USER_MARK] + [main] * 9)
    assert rows(report(data, "-s", "function")[1]) == {("main",): (100.0, 100.0, 1), ("[cut: not told why]",): (0.0, 100.0, 0)}


def test_filters(report):
    assert rows(report(calls(), "-t", "8", "-s", "tid")[1]) == {("8",): (100.0, 100.0, 2)}
    assert rows(report(calls(), "-f", "wait_for*", "-s", "pid")[1])[("7",)][2] == 4
    assert rows(report(calls(), "-m", "libc*")[1]) == {}


def test_callers_and_callees(report):
    code, out, _ = report(calls(), "--callers", "wait_for_go")
    assert code == 0 and re.findall(r"^ *([\d.]+) % +(\S+)", out, re.M) == [
        ("100.0", "wait_for_go"), ("100.0", "main"), ("100.0", "_start")]
    code, out, _ = report(calls(), "--callees", "main")
    assert re.findall(r"^ *([\d.]+) % +(\S+)", out, re.M)[:2] == [("100.0", "main"), ("80.0", "wait_for_go")]
    code, out, err = report(calls(), "--callers", "nobody")
    assert code == 1 and 'no stack has a function "nobody"' in err


def test_json(report):
    lines = [json.loads(line) for line in report(calls(), "--json", "-s", "function")[1].splitlines()]
    assert lines[0] == {"type": "profile", "event": "event 1", "unit": "samples", "weight": 5, "samples": 5, "taken": 5,
                        "lost": 0, "complete": 5, "cut": 0}
    assert {"type": "row", "self": 3, "total": 4, "samples": 3, "function": "wait_for_go"} in lines


def test_weights_are_periods(report):
    data = PerfData(events=((HARDWARE, 0),)).sample(1, 1, 1, [USER_MARK, 16], period=300).sample(1, 2, 2, [USER_MARK, 16], period=100)
    assert rows(report(data, "-s", "tid")[1]) == {("1",): (75.0, 75.0, 1), ("2",): (25.0, 25.0, 1)}


def test_lost_events_are_told(report):
    assert "17 lost" in report(calls().lost(17))[1]


def test_an_exec_and_a_fork_change_what_is_mapped(report):
    one, two = str(FIXTURES / "calls"), str(FIXTURES / "spin")
    first, second = symbols(one)["main"], symbols(two)["main"]
    data = PerfData().mmap(7, 0x400000, 1 << 20, 0, one).fork(9, 7, 10)
    data.sample(9, 9, 15, [USER_MARK, 0x400000 + first + 4])
    data.comm(9, 9, "new", time=20, is_exec=True).mmap(9, 0x400000, 1 << 20, 0, two, time=21)
    data.sample(9, 9, 25, [USER_MARK, 0x400000 + second + 4]).sample(7, 7, 30, [USER_MARK, 0x400000 + first + 4])
    found = rows(report(data, "-s", "pid,module")[1])
    assert found[("9", one)][2] == 1 and found[("9", two)][2] == 1 and found[("7", one)][2] == 1


def test_records_out_of_order(report):
    """perf writes the buffers of CPUs one after the other: a sample may stand before the mapping that was there first."""
    late = calls()
    data = PerfData()
    first = len(PerfData().comm(7, 7, "calls").mmap(7, 0x400000, 1 << 20, 0, str(FIXTURES / "calls")).records)
    data.records = late.records[first:] + late.records[:first]
    assert rows(report(data)[1])[("wait_for_go", str(FIXTURES / "calls"))] == (60.0, 80.0, 3)


def test_source_lines_and_inlined_calls(report):
    path = str(FIXTURES / "inlined")
    source = open(__file__.replace("test_report.py", "fixtures/inlined.c")).read().splitlines()
    line = {mark: number for number, text in enumerate(source, 1) for mark in ("innermost", "middle", "work") if f"/* {mark} line" in text}
    place = symbols(path)["innermost_place"]
    data = PerfData().mmap(7, 0x400000, 1 << 20, 0, path).sample(7, 7, 1, [USER_MARK, 0x400000 + place])
    found = rows(report(data, "--inline", "-s", "function,line")[1])
    ends = {cells[0]: int(cells[1].rsplit(":", 1)[1]) for cells in found if len(cells) == 2 and "inlined.c:" in cells[1]}
    assert ends["middle"] == line["middle"] and ends["work"] == line["work"] and abs(ends["innermost"] - line["innermost"]) <= 2
    assert found[next(cells for cells in found if cells[0] == "innermost")][0] == 100.0
    plain = rows(report(data, "-s", "function")[1])
    assert plain[("work",)][0] == 100.0 and ("middle",) not in plain


@pytest.mark.parametrize("change, told", [
    (lambda data: data[:50], "its header is cut off"),
    (lambda data: b"2ELIFREP" + data[8:], "the other byte order"),
    (lambda data: data[:16] + struct.pack("<Q", 8) + data[24:], "its attributes have an impossible size"),
    (lambda data: data[:24] + struct.pack("<QQ", 104, 0) + data[40:], "it does not tell what was recorded"),
], ids=["short", "order", "size", "nothing"])
def test_what_is_no_file_of_perf_is_told(report, change, told):
    code, out, err = report(change(calls().bytes()))
    assert code == 1 and out == "" and told in err


def test_a_file_that_was_cut_off_gives_what_is_there(report):
    whole = calls().bytes()
    code, out, _ = report(whole[:-20])
    assert code == 0 and "a record is cut off" in out and rows(out)[("wait_for_go", str(FIXTURES / "calls"))][2] == 3


def test_no_such_file(trace):
    answer = trace.command("report", "/nonexistent")
    assert answer.code == 1 and "cannot read /nonexistent" in answer.stderr


# ---- pprof -----------------------------------------------------------------------------------------------------------


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def pprof(packed=True):
    """main calls work, which has inlined inner: 3 samples and 30 ns there, 1 sample and 5 ns in main."""
    texts = ["", "samples", "count", "cpu", "nanoseconds", "/bin/app", "main", "work", "inner", "a.c", "00112233445566778899"]
    number = texts.index
    line = lambda function, at: field(4, field(1, function) + field(2, at))
    out = field(1, field(1, number("samples")) + field(2, number("count")))
    out += field(1, field(1, number("cpu")) + field(2, number("nanoseconds")))
    for stack, values in (([2, 1], [3, 30]), ([1], [1, 5])):
        list_of = lambda at, numbers: (field(at, b"".join(map(varint, numbers))) if packed
                                       else b"".join(field(at, one) for one in numbers))
        out += field(2, list_of(1, stack) + list_of(2, values))
    out += field(3, field(1, 1) + field(5, number("/bin/app")) + field(6, number("00112233445566778899")))
    out += field(4, field(1, 1) + field(2, 1) + field(3, 0x1000) + line(1, 10))
    out += field(4, field(1, 2) + field(2, 1) + field(3, 0x2000) + line(3, 33) + line(2, 20))
    for index, name in enumerate(("main", "work", "inner"), 1):
        out += field(5, field(1, index) + field(2, number(name)) + field(4, number("a.c")))
    return out + b"".join(field(6, text.encode()) for text in texts)


@pytest.mark.parametrize("data", [pprof(), pprof(packed=False), gzip.compress(pprof())], ids=["packed", "single", "gzip"])
def test_pprof(report, data):
    code, out, err = report(data, "-s", "function,line")
    assert (code, err) == (0, "")
    assert rows(out) == {("inner", "a.c:33"): (85.71, 85.71, 1), ("main", "a.c:10"): (14.29, 100.0, 1),
                         ("work", "a.c:20"): (0.0, 85.71, 0)}


def test_values_of_pprof(report):
    assert rows(report(pprof(), "-e", "samples", "-s", "module")[1]) == {("/bin/app",): (100.0, 100.0, 2)}
    code, _, err = report(pprof(), "-e", "alloc_space")
    assert code == 1 and "it has no values alloc_space, but: samples, cpu" in err


@pytest.mark.parametrize("data, told", [
    (gzip.compress(pprof())[:-20], "it is compressed, and damaged"),
    (pprof()[:6], "there are no samples in it"),
], ids=["cut", "empty"])
def test_damaged_pprof(report, data, told):
    code, out, err = report(data)
    assert code == 1 and told in err
