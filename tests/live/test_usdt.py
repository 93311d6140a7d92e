"""usdt probes: counts, every form of arguments, places, semaphores, and the ways to name them."""
import platform
import re
import shutil
import subprocess

import pytest

from conftest import FIXTURES

MARKS = FIXTURES / "marks"
N = 500
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the fixture describes registers of x86-64")


def own(work):
    return f"pid == {work.pid}"


def test_counts_of_every_probe(trace, workload):
    marks = workload("marks", N)
    answer = trace(f"usdt:{MARKS}:* /{own(marks)}/ {{ @[probe] = count(); }}",
                   run=marks)
    counts = {key.split(":", 2)[2]: value for key, value in answer.keyed().items()}
    assert counts["marks:plain"] == counts["marks:round"] == counts["marks:twelve"] == N
    assert counts["marks:inlined"] == counts["other:plain"] == 2 * N


def test_arguments(trace, workload):
    marks = workload("marks", N)
    answer = trace(f"""usdt:{MARKS}:marks:round /{own(marks)}/ {{ @first = sum(arg0); @second = sum(arg1); @text[str(arg2)] = count(); }}
                   usdt:{MARKS}:marks:twelve /{own(marks)}/ {{ @all = sum(arg0 + arg10); @last = min(arg11); }}""", run=marks)
    total = sum(range(N))
    assert answer.value("@first") == total and answer.value("@second") == 3 * total
    assert answer.keyed("@text") == {f"mark {i}": 1 for i in range(N)}
    assert answer.value("@all") == 12 * N and answer.value("@last") == -1


def test_one_probe_in_two_places_with_other_arguments(trace, workload):
    marks = workload("marks", N)
    answer = trace(f"usdt:{MARKS}:marks:inlined /{own(marks)}/ {{ @ = sum(arg0); @n = count(); }}", run=marks)
    assert "Attached 1 probe\n" in answer.stderr
    assert answer.value() == sum(range(N)) + 1000 * N and answer.value("@n") == 2 * N


FORMS = {**{name: -16 for name in "const_8 const_4 const_2 const_1 reg_8 reg_4 reg_2 reg_1 high_1 base index both "
                                  "twice variable byte".split()},
         "const_u4": 0xfffffff0, "const_u2": 0xfff0, "const_u1": 0xf0, "reg_u8": 0xfffffffffffffff0, "reg_u4": 0xfffffff0,
         "reg_u2": 0xfff0, "reg_u1": 0xf0, "high_u1": 0xf0, "middle": 0x03040506}


@X86
@pytest.mark.parametrize("program", ["marks", "marks-static"])
def test_every_form_of_an_argument(trace, workload, program):
    marks = workload(program, 3)
    blocks = "".join(f"usdt:{FIXTURES / program}:forms:{form} /{own(marks)}/ {{ @{form} = arg0; }}" for form in FORMS)
    answer = trace(blocks, run=marks)
    assert {form: answer.values(f"@{form}") for form in FORMS} == {form: [value] for form, value in FORMS.items()}


@X86
def test_memory_that_is_not_there_is_counted(trace, workload):
    marks = workload("marks", 3)
    answer = trace(f"usdt:{MARKS}:forms:nowhere /{own(marks)}/ {{ @[arg0] = count(); }}", run=marks)
    assert answer.keyed() == {"0": 3} and "memory could not be read, 0 or \"\" was used (3 times)" in answer.stderr


@X86
@pytest.mark.parametrize("probe, argument, reason", [
    ("vector", 0, "it is a floating point number"), ("thread", 0, "thread-local"), ("large", 0, "1, 2, 4 or 8 bytes"),
    ("base", 1, "its arguments are arg0 to arg0"), ("plain", 0, "it has no arguments"),
])
def test_arguments_that_can_not_be_read(trace, probe, argument, reason):
    answer = trace(f"usdt:{MARKS}:{probe} {{ @ = arg{argument}; }}")
    assert answer.code == 1 and reason in answer.stderr


@X86
def test_arguments_beside_one_that_can_not_be_read(trace, workload):
    marks = workload("marks", 2)
    probes = ",".join(f"usdt:{MARKS}:forms:{name}" for name in ("vector", "thread", "large"))
    assert trace(f"{probes} /{own(marks)}/ {{ @ = sum(arg1); }}", run=marks).value() == 2 * 3 * 7


def test_wildcards_and_the_provider_left_out(trace, workload):
    marks = workload("marks", N)
    answer = trace(f"""usdt:{MARKS}:plain /{own(marks)}/ {{ @plain = count(); }}
                   usdt:{MARKS}::plain /{own(marks)}/ {{ @empty = count(); }}
                   usdt:{MARKS}:*er:pl* /{own(marks)}/ {{ @other = count(); }}
                   U:{str(MARKS)[:-2]}*:marks:plain /{own(marks)}/ {{ @glob = count(); }}""", run=marks)
    assert [answer.value(name) for name in ("@plain", "@empty", "@other", "@glob")] == [3 * N, 3 * N, 2 * N, N]


def test_one_process_by_its_mapped_files(trace, workload):
    marks, other = workload("marks", N), workload("marks", N)
    session = trace.start("""usdt:*:marks:plain { @star = count(); } usdt::marks:plain { @empty = count(); }
                          usdt:round { @left_out = sum(arg0); } *:*:marks:plain { @any = count(); }""", "-p", str(marks.pid))
    session.wait_attached()
    other.go()
    marks.go()
    answer = session.wait()
    assert [answer.value(name) for name in ("@star", "@empty", "@any")] == [N, N, N]
    assert answer.value("@left_out") == sum(range(N))


def test_the_files_of_all_processes(trace, workload):
    marks = workload("marks", N)
    assert trace(f"usdt:*:marks:plain /{own(marks)}/ {{ @ = count(); }}", run=marks).value() == N


def test_of_a_command(trace, tmp_path):
    answer = trace(f"usdt:{MARKS}:marks:plain {{ @ = count(); }}", "-c", f"sh -c 'echo go | exec {MARKS} {N}'")
    assert answer.values("@") in ([], [N])  # the shell's child is not the command
    (tmp_path / "go").write_text("go\n")
    session = trace.start(f"usdt:{MARKS}:marks:plain {{ @ = count(); }}", "-c", f"{MARKS} {N}", stdin=open(tmp_path / "go"))
    assert session.wait().value() == N


def test_a_library(trace, workload):
    functions = workload("functions", N, "text")
    path = functions.path.parent / "libfixture.so"
    answer = trace(f"usdt:{path}:fixture:text /{own(functions)}/ {{ @[str(arg0), arg1] = count(); }}", run=functions)
    assert answer.keyed() == {"hello, probe, 12": N}


def test_a_library_by_name(trace, workload):
    functions = workload("functions", N, "text")
    session = trace.start("usdt:libfixture:text { @ = sum(arg1); }", "-p", str(functions.pid))
    session.wait_attached()
    functions.go()
    assert session.wait().value() == 12 * N


def test_a_stripped_program(trace, tmp_path):
    stripped = tmp_path / "marks"
    shutil.copy(MARKS, stripped)
    subprocess.run(["strip", stripped], check=True)
    (tmp_path / "go").write_text("go\n")
    answer = trace(f"usdt:{stripped}:marks:inlined {{ @ = sum(arg0); }}", "-c", f"{stripped} {N}", stdin=open(tmp_path / "go"))
    assert answer.value() == sum(range(N)) + 1000 * N


@pytest.mark.parametrize("arguments", [[], ["-p"]])
def test_semaphore(trace, workload, arguments):
    """Raised while traced, by the kernel, and down again afterwards."""
    work = workload("semaphore", N)
    session = trace.start(f"usdt:{work.path}:guarded:mark {{ @ = count(); @value = min(arg0); }}",
                          *arguments, *([str(work.pid)] if arguments else []))
    session.wait_attached()
    assert work.go() == [N]
    answer = session.finish()
    assert answer.value() == N and answer.value("@value") >= 1
    assert workload("semaphore", 10).go() == [0]


def test_listing(trace, workload):
    lines = trace.command("-l", f"usdt:{MARKS}:marks:*").lines()
    assert lines == [f"usdt:{MARKS}:marks:{name}" for name in ("inlined", "plain", "round", "twelve")]
    assert trace.command("-l", f"usdt:{MARKS}:oth*:*").lines() == [f"usdt:{MARKS}:other:plain"]
    assert f"usdt:{MARKS}:other:plain" in trace.command("-l", f"*:{MARKS}:*").lines()
    assert "    int32 arg0" in trace.command("-lv", f"usdt:{MARKS}:round").lines()


def test_listing_of_a_process(trace, workload):
    marks, functions = workload("marks", 1), workload("functions", 1, "0")
    for pattern in ([], ["usdt:*"], ["usdt:*:other:*"]):
        lines = trace.command("-l", *pattern, "-p", str(marks.pid)).lines()
        assert any(re.fullmatch("usdt:.*/marks:other:plain", line) for line in lines)
    lines = trace.command("-l", "usdt:*", "-p", str(functions.pid)).lines()
    assert any(re.fullmatch("usdt:.*/libfixture.so:fixture:text", line) for line in lines)


def test_messages(trace):
    answer = trace(f"usdt:{MARKS}:marks:plian {{ exit(); }}")
    assert answer.code == 1 and f"No matches for usdt {MARKS}:marks:plian." in answer.stderr and "marks:plain" in answer.stderr
    assert "usdt needs a binary" in trace("usdt::x {}").stderr
    assert "/no/such/file' does not exist" in trace("usdt:/no/such/file:a:b {}").stderr
