"""Profiles in the formats of other tools, read here by readers that know nothing of tarsier's."""
import gzip
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from conftest import FIXTURES, TARSIER
from test_pictures import flame

MAKE = next((p for p in (Path(TARSIER).parent / "release/tests/pictures/make-profile",
                         Path(TARSIER).parent / "tests/pictures/make-profile") if p.exists()), None)


@pytest.fixture
def made(tmp_path):
    def make(kind, ending):
        subprocess.run([MAKE, kind, tmp_path / f"x{ending}"], check=True, timeout=60)
        return (tmp_path / f"x{ending}").read_bytes()
    return make


def test_folded(made):
    assert made("rich", ".folded").decode() == """\
app;_start;main;work 40
app;_start;main;work;read 10
app;_start;main;work;read;entry_SYSCALL_64_[k];vfs_read_[k] 50
app;_start;main;work;step_[i];add_[i] 50
other;[cut: no unwind information];LazyCompile:~f_[j] 15
other;kthread_[k] 5
"""


# ---- pprof: a reader of protocol buffers ---------------------------------------------------------------------------


def fields_of(data):
    """{field: [number or bytes]} of a message."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            assert key & 7 == 2, "pprof has numbers and bytes only"
            length = number()
            value, at = data[at:at + length], at + length
            assert len(value) == length
        found.setdefault(key >> 3, []).append(value)
    return found


def packed(data):
    return [sum((b & 127) << 7 * i for i, b in enumerate(group)) for group in re.findall(rb"[\x80-\xff]*[\x00-\x7f]", data, re.S)]


class Pprof:
    def __init__(self, data):
        self.fields = fields_of(gzip.decompress(data))
        self.texts = [text.decode() for text in self.fields[6]]
        assert self.texts[0] == ""
        self.functions = {f[1][0]: f for f in map(fields_of, self.fields.get(5, []))}
        self.locations = {f[1][0]: f for f in map(fields_of, self.fields.get(4, []))}
        self.mappings = {f[1][0]: f for f in map(fields_of, self.fields.get(3, []))}
        self.types = [tuple(self.texts[fields_of(t)[n][0]] for n in (1, 2)) for t in self.fields[1]]

    def text(self, message, field):
        return self.texts[message.get(field, [0])[0]]

    def stack(self, sample):
        """Names, the outermost first; those of one location in a tuple."""
        return [tuple(self.text(self.functions[fields_of(line)[1][0]], 2) for line in self.locations[location][4])
                for location in reversed(packed(sample.get(1, [b""])[0]))]

    def samples(self):
        for data in self.fields[2]:
            sample = fields_of(data)
            labels = {}
            for label in map(fields_of, sample.get(3, [])):
                labels[self.text(label, 1)] = self.text(label, 2) or label[3][0]
            yield self.stack(sample), packed(sample[2][0]), labels


def test_pprof_has_the_stacks_with_inlined_calls_in_one_location(made):
    pprof = Pprof(made("rich", ".pb.gz"))
    assert pprof.types == [("samples", "count"), ("cpu", "nanoseconds")]
    counts = Counter()
    for stack, values, labels in pprof.samples():
        assert values[1] == values[0] * 10_000_000
        counts[(labels["process"], labels["thread"], labels["pid"], labels["tid"], *stack)] += values[0]
    start = (("_start",), ("main",))
    assert counts == {
        ("app", "app", 100, 100, *start, ("add", "step", "work")): 50,
        ("app", "app", 100, 100, *start, ("work",), ("read",), ("entry_SYSCALL_64",), ("vfs_read",)): 50,
        ("app", "worker", 100, 101, *start, ("work",)): 40,
        ("app", "worker", 100, 101, *start, ("work",), ("read",)): 10,
        ("other", "other", 200, 200, ("[cut: no unwind information]",), ("LazyCompile:~f",)): 15,
        ("other", "other", 200, 200, ("kthread",)): 5,
    }


def test_pprof_tells_addresses_lines_and_build_ids(made):
    pprof = Pprof(made("rich", ".pb.gz"))
    app = next(m for m in pprof.mappings.values() if pprof.text(m, 5) == "/usr/bin/app")
    assert pprof.text(app, 6) == "deadbeef05060708090a0b0c0d0e0f1011121314"
    location = next(l for l in pprof.locations.values() if len(l[4]) == 3)
    assert location[3] == [0x1230] and location[2] == app[1] and app[3] == [0x1231]
    lines = [fields_of(line) for line in location[4]]
    assert [(line[2][0], pprof.text(pprof.functions[line[1][0]], 4)) for line in lines] == [
        (44, "/src/app.c"), (33, "/src/app.c"), (20, "/src/app.c")]
    assert pprof.fields[9] == [1700000000000000000] and pprof.fields[10] == [2500000000] and pprof.fields[12] == [10000000]


def test_pprof_of_many_nodes_is_packed_well(made):
    data = made("large20000", ".pb.gz")
    plain = gzip.decompress(data)
    assert len(data) < len(plain) * 0.6
    assert sum(values[0] for _, values, _ in Pprof(data).samples()) == sum(
        int(line.split()[-1]) for line in made("large20000", ".folded").decode().splitlines())


@pytest.mark.parametrize("text", ["", "a", "abcabcabc" * 1000, "".join(chr(33 + i * i % 90) for i in range(70000))], ids=len)
def test_what_is_packed_is_unpacked_as_it_was(text, tmp_path):
    pprof = Pprof(flame(f"f{text} 1\n", ".pb.gz", tmp_path=tmp_path))
    assert pprof.text(pprof.functions[1], 2) == ("f" + text if len(text) < 1000 else ("f" + text)[:1000] + "…")


# ---- speedscope ----------------------------------------------------------------------------------------------------


def test_speedscope(made):
    data = json.loads(made("rich", ".speedscope.json"))
    names = [frame["name"] for frame in data["shared"]["frames"]]
    (profile,) = data["profiles"]
    assert data["$schema"] == "https://www.speedscope.app/file-format-schema.json" and profile["type"] == "sampled"
    stacks = {tuple(names[i] for i in stack): weight for stack, weight in zip(profile["samples"], profile["weights"])}
    assert len(stacks) == 6 and stacks["app", "_start", "main", "work", "step", "add"] == 50
    assert profile["endValue"] == 170 == sum(profile["weights"]) and profile["startValue"] == 0


# ---- callgrind -----------------------------------------------------------------------------------------------------


def callgrind(text):
    """({function: {line: own cost}}, {(caller, line, callee): (calls, cost)}), names resolved."""
    names, own, calls, current, callee = {}, {}, {}, None, None
    lines = iter(text.split("\n"))
    for line in lines:
        if match := re.match(r"(ob|fl|fn|cob|cfi|cfn)=\((\d+)\)(?: (.*))?$", line):
            kind, number, name = match.groups()
            space = {"ob": "o", "cob": "o", "fl": "f", "cfi": "f", "fn": "n", "cfn": "n"}[kind]
            if name is not None:
                assert (space, number) not in names
                names[space, number] = name
            current, callee = (names[space, number], callee) if kind == "fn" else (
                current, names[space, number] if kind == "cfn" else callee)
        elif match := re.match(r"calls=(\d+) 0$", line):
            at, cost = map(int, next(lines).split())
            assert (current, at, callee) not in calls
            calls[current, at, callee] = (int(match[1]), cost)
        elif match := re.match(r"(\d+) (\d+)$", line):
            own.setdefault(current, {})[int(match[1])] = int(match[2])
    return own, calls


def test_callgrind_has_costs_of_lines_and_calls(made):
    own, calls = callgrind(made("rich", ".callgrind").decode())
    assert own == {"work": {20: 40}, "read": {0: 10}, "vfs_read": {0: 50}, "add": {44: 50}, "LazyCompile:~f": {0: 15},
                   "kthread": {0: 5}}
    assert calls["main", 10, "work"] == (150, 150) and calls["work", 20, "step"] == (50, 50)
    assert calls["step", 33, "add"] == (50, 50) and calls["_start", 0, "main"] == (150, 150)


def test_callgrind_counts_recursion_once(made):
    own, calls = callgrind(made("deep", ".callgrind").decode())
    assert own == {"recurse": {5: 200}} and calls == {("recurse", 5, "recurse"): (199, 199)}


# ---- perf.data: perf itself ----------------------------------------------------------------------------------------

needs_perf = pytest.mark.skipif(not shutil.which("perf"), reason="perf is not installed: package linux-perf")


def perf(*arguments):
    done = subprocess.run(["perf", *map(str, arguments)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, "DEBUGINFOD_URLS": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


def perf_stacks(path):
    """Stacks as perf script tells them: (command, pid/tid, outermost ... innermost) -> samples."""
    found = Counter()
    text = perf("script", "-i", path, "--no-inline", "-F", "comm,pid,tid,period,event,ip,sym,dso")
    for block in text.strip().split("\n\n"):
        head, *frames = block.split("\n")
        command, ids, period, event = re.match(r"(.*?) +(\d+/\d+) +(\d+) +([^:]+):", head).groups()
        names = [re.match(r"\s*([0-9a-f]+) (.*) \((.*)\)$", frame).groups() for frame in frames]
        found[(command.strip(), ids, event, *((name if name != "[unknown]" else f"{dso}+{ip}") for ip, name, dso in reversed(names)))] += int(period)
    return found


@needs_perf
def test_perf_reads_our_stacks(made, tmp_path):
    made("rich", ".data")
    app, ms = ("/usr/bin/app+1000", "/usr/bin/app+1120"), 10_000_000
    work = (*app, "/usr/bin/app+1230")
    assert perf_stacks(tmp_path / "x.data") == {
        ("app", "100/100", "cpu-clock", *work, "step", "add"): 50 * ms,
        ("app", "100/100", "cpu-clock", *work, "read", "entry_SYSCALL_64", "vfs_read"): 50 * ms,
        ("worker", "100/101", "cpu-clock", *work): 40 * ms,
        ("worker", "100/101", "cpu-clock", *work, "read"): 10 * ms,
        ("other", "200/200", "cpu-clock", "[cut: no unwind information]", "LazyCompile:~f"): 15 * ms,
        ("other", "200/200", "cpu-clock", "kthread"): 5 * ms,
    }


@needs_perf
def test_perf_knows_the_build_ids_and_what_was_lost(made, tmp_path):
    made("rich", ".data")
    assert "deadbeef05060708090a0b0c0d0e0f1011121314 /usr/bin/app" in perf("buildid-list", "-i", tmp_path / "x.data")
    assert "# hostname : box" in perf("report", "--header-only", "-i", tmp_path / "x.data")
    assert re.search(r"LOST events: +1 ", perf("report", "--stats", "-i", tmp_path / "x.data"))


@needs_perf
def test_perf_report_adds_up_what_we_tell(made, tmp_path):
    made("rich", ".data")
    rows = dict(re.findall(r"^ +([0-9.]+)% +\[.\] (\S.*?) *$", perf(
        "report", "--stdio", "--no-children", "-g", "none", "--sort", "sym", "-i", tmp_path / "x.data"), re.M))
    rows |= {share: name for share, name in re.findall(r"^ +([0-9.]+)% +\[k\] (\S.*?) *$", perf(
        "report", "--stdio", "--no-children", "-g", "none", "--sort", "sym", "-i", tmp_path / "x.data"), re.M)}
    assert {"29.41", "23.53", "8.82", "5.88", "2.94"} == set(rows)


@needs_perf
def test_perf_finds_names_in_files_that_have_them(trace, tmp_path):
    """A program with symbols, sampled: perf names its functions from the file."""
    out = tmp_path / "x.data"
    done = trace.command("profile", "-F", "999", "-c", f"{FIXTURES / 'shares'} spin 500", "-o", out)
    assert done.code == 0, done.stderr
    rows = perf("report", "--stdio", "--no-children", "-g", "none", "--sort", "dso,sym", "-i", out)
    share = re.search(r"^ +([0-9.]+)% +shares +\[\.\] share_f", rows, re.M)
    assert share and 60 < float(share[1]) < 90, rows


# ---- Firefox Profiler ----------------------------------------------------------------------------------------------


def firefox_stack(thread, stack):
    """[(name, library's place, category, inline depth, line)], the outermost first."""
    texts, frames, funcs = thread["stringArray"], thread["frameTable"], thread["funcTable"]
    found = []
    while stack is not None:
        frame = thread["stackTable"]["frame"][stack]
        func = frames["func"][frame]
        found.append((texts[funcs["name"][func]], funcs["resource"][func], frames["category"][frame],
                      frames["inlineDepth"][frame], frames["line"][frame]))
        stack = thread["stackTable"]["prefix"][stack]
    return found[::-1]


def test_firefox(made):
    data = json.loads(made("rich", ".json"))
    assert data["meta"]["preprocessedProfileVersion"] == 48 and data["meta"]["interval"] == 10
    app, worker, other = data["threads"]
    assert [(t["name"], t["processName"], t["pid"], t["tid"], t["isMainThread"]) for t in data["threads"]] == [
        ("app", "app", "100", 100, True), ("worker", "app", "100", 101, False), ("other", "other", "200", 200, True)]
    for thread in data["threads"]:
        for name in ("samples", "stackTable", "frameTable", "funcTable", "resourceTable", "markers", "nativeSymbols"):
            table = thread[name]
            assert {len(column) for column in table.values() if isinstance(column, list)} == {table["length"]}, name
        assert thread["samples"]["time"] == sorted(thread["samples"]["time"])
    assert app["samples"]["time"][:3] == [0, 10, 20] and other["samples"]["time"][0] == 2000
    assert firefox_stack(app, app["samples"]["stack"][1]) == [
        ("_start", 0, 0, 0, None), ("main", 0, 0, 0, 10), ("work", 0, 0, 0, 20), ("step", 0, 0, 1, 33), ("add", 0, 0, 2, 44)]
    assert [frame[:3] for frame in firefox_stack(app, app["samples"]["stack"][0])[3:]] == [
        ("read", 1, 0), ("entry_SYSCALL_64", -1, 1), ("vfs_read", -1, 1)]
    assert [frame[0] for frame in firefox_stack(other, other["samples"]["stack"][1])] == ["[cut: no unwind information]", "LazyCompile:~f"]
    lib = data["libs"][app["resourceTable"]["lib"][0]]
    assert lib["path"] == "/usr/bin/app" and lib["codeId"] == "deadbeef05060708090a0b0c0d0e0f1011121314"
    assert lib["breakpadId"] == "EFBEADDE06050807090A0B0C0D0E0F100"
