"""Programs that interrupt each other on one CPU: a tracepoint, a user probe and a fast clock in one script, with strings
in keys, tuples, values and lines. None may be mixed up, and what the fixture does is counted exactly."""
import re

import pytest

from conftest import FIXTURES

pytestmark = pytest.mark.machine
N = 20000
TEXTS = [f"text of round {i} " + chr(ord("a") + i % 26) * (i % 40 + 1) for i in range(64)]
NEST = FIXTURES / "nest"


def keyed_texts(answer, name):
    return {key: int(count) for key, count in re.findall(rf"^{name}\[(.*)\]: (\d+)$", answer.stdout, re.M)}


def test_strings_in_keys_values_and_tuples(trace, workload):
    nest = workload("nest", N, 0)
    own = f"pid == {nest.pid}"
    answer = trace(f"""
        uprobe:{NEST}:named /{own}/ {{ @text[str(arg0)] = count(); @pair[comm, str(arg0), arg1 % 2] = count(); @last = str(arg0);
                                       @tuple[1] = (tid, str(arg0), comm); @rounds = sum(arg1); }}
        tracepoint:syscalls:sys_enter_getppid /{own}/ {{ @call[comm, "a literal in a key", pid] = count(); @name = comm; @plain++; }}
        profile:hz:4999 /{own}/ {{ @sample[comm, cpu, "sampled"] = count(); @who = comm; @where[ustack(3), comm] = count(); }}
        end {{ clear(@where); }}""", run=nest)
    each = {text: N // 64 + (i < N % 64) for i, text in enumerate(TEXTS)}
    assert keyed_texts(answer, "@text") == each
    pairs = keyed_texts(answer, "@pair")
    assert {key.split(", ", 1)[1].rsplit(", ", 1)[0]: count for key, count in pairs.items()} == each
    assert all(key.startswith("nest, ") for key in pairs)
    assert keyed_texts(answer, "@call") == {f"nest, a literal in a key, {nest.pid}": N}
    assert answer.value("@plain") == N and answer.value("@rounds") == sum(range(N))
    assert f"@last: {TEXTS[(N - 1) % 64]}\n" in answer.stdout
    assert f"@tuple[1]: ({nest.pid}, {TEXTS[(N - 1) % 64]}, nest)\n" in answer.stdout
    assert "@name: nest\n" in answer.stdout and "@who: nest\n" in answer.stdout
    samples = keyed_texts(answer, "@sample")
    assert set(samples) == {"nest, 0, sampled"} and samples["nest, 0, sampled"] > 5
    assert "dropped" not in answer.stderr and "could not" not in answer.stderr


def test_lines_of_programs_that_interrupt_each_other(trace, workload):
    count = 3000
    nest = workload("nest", count, 0)
    own = f"pid == {nest.pid}"
    answer = trace(f"""
        config = {{ perf_rb_pages = 4096; }}
        uprobe:{NEST}:named /{own}/ {{ printf("named %d %s.\\n", arg1, str(arg0)); }}
        tracepoint:syscalls:sys_enter_getppid /{own}/ {{ printf("call %s %d.\\n", comm, pid); }}
        profile:hz:4999 /{own}/ {{ printf("sample %s %d.\\n", comm, cpu); }}""", run=nest)
    lines = answer.lines()
    named = [f"named {i} {TEXTS[i % 64]}." for i in range(count)]
    assert [line for line in lines if line.startswith("named")] == named
    assert lines.count(f"call nest {nest.pid}.") == count
    rest = [line for line in lines if not line.startswith(("named", "call"))]
    assert rest and set(rest) == {"sample nest 0."}
    assert "lost" not in answer.stderr.lower()


@pytest.mark.parametrize("probes", [1, 3])
def test_one_event_fires_several_blocks_in_the_order_of_the_script(trace, workload, probes):
    nest = workload("nest", 50, 0)
    own = f"pid == {nest.pid}"
    kinds = [f"uprobe:{NEST}:named", "tracepoint:syscalls:sys_enter_getppid", "rawtracepoint:sys_enter"][:probes]
    for kind in kinds:
        work = workload("nest", 50, 0)
        own = f"pid == {work.pid}" + (" && arg1 == 110" if kind.startswith("raw") else "")
        blocks = "".join(f'{kind} /{own}/ {{ printf("{i}"); }}' for i in range(4))
        answer = trace(blocks, run=work)
        assert answer.stdout.strip() == "0123" * 50, kind
    nest.go()
