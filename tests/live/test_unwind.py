"""User stacks against programs whose chain of callers is known: stripped, without frame pointers or debug information.
Every stack must be the one true chain, from the first sample on, whatever the probe."""
import re
import subprocess

import pytest
from conftest import FIXTURES, IN_VM

CHAINS = FIXTURES / "chains"

# The functions of the program itself, the innermost first; `...` stands for those of the C library in between.
TRUE = {
    "recursion": ["chain_leaf", *["chain_down"] * 20, "main", ..., "_start"],
    "callback": ["chain_leaf", "chain_compare", ..., "main", ..., "_start"],
    "signal": ["chain_leaf", "chain_handler", ..., "chain_wait", "main", ..., "_start"],
    "alloca": ["chain_leaf", "chain_alloca", "main", ..., "_start"],
    "realigned": ["chain_leaf", "chain_realigned", "main", ..., "_start"],
    "thread": ["chain_leaf", "chain_thread", ...],
    "fork": ["chain_leaf", "chain_child", "main", ..., "_start"],
}
OWN = re.compile(r"chain_|main$|_start$")


def stacks(answer):
    """[(names, cut, count)] of a map by user stacks."""
    found = []
    for text, count in re.findall(r"^@\[\n((?: {8}.*\n)*)\]: (\d+)$", answer.stdout, re.M):
        names = [line.strip().rsplit("+", 1)[0] for line in text.splitlines()]
        cut = [name for name in names if name.startswith("[cut")]
        found.append((names, cut, int(count)))
    return found


def is_true(names, chain):
    own = [name for name in names if OWN.match(name)]
    if own != [name for name in chain if name is not ...]:
        return False
    # between two functions that call each other directly there is nothing
    for first, second in zip(chain, chain[1:]):
        if ... not in (first, second) and first != second:
            at = names.index(second)
            if names[at - 1] not in (first, second):
                return False
    return True


def check(answer, mode, least):
    """All stacks with chain_leaf in them are whole and true; the others (the program's start and end) are whole, too. (In
    an emulated machine the start takes long, and what it is in when its files are not known yet is met more often.)"""
    assert answer.code == 0, answer.stderr
    total = 0
    for names, cut, count in stacks(answer):
        assert not cut or (IN_VM and "chain_leaf" not in names), answer.stdout
        if "chain_leaf" in names:
            leaf = names[names.index("chain_leaf"):]  # the clock is read from it
            assert is_true(leaf, TRUE[mode]), answer.stdout
            total += count
    assert total >= least, answer.stdout


@pytest.mark.parametrize("mode", TRUE)
def test_samples(trace, mode):
    answer = trace('profile:hz:499 /comm == "chains"/ { @[ustack] = count(); }', "-c", f"{CHAINS} {mode} 300")
    check(answer, mode, 60)


def test_software_events(trace):
    answer = trace('software:cpu-clock:1000000 /comm == "chains"/ { @[ustack] = count(); }', "-c",
                   f"{CHAINS} recursion 200")
    check(answer, "recursion", 40)


@pytest.mark.parametrize("mode", [mode for mode in TRUE if mode != "fork"])  # -c: that process alone
def test_uprobe(trace, mode):
    answer = trace(f"uprobe:{CHAINS}:chain_leaf {{ @[ustack] = count(); }}", "-c", f"{CHAINS} {mode} 10")
    check(answer, mode, 1)


def test_functions_with_uretprobes_are_in_it(trace):
    """Their return addresses on the stack are those of a trampoline. (The first stacks of a file, which user space has
    to end, may stop there.)"""
    session = trace.start(f"uretprobe:{CHAINS}:chain_down {{ @returned = count(); }} "
                          f"uprobe:{CHAINS}:chain_leaf {{ @[ustack] = count(); }}").wait_attached()
    for _ in range(5):
        subprocess.run([CHAINS, "recursion", "20"], check=False)
    answer = session.finish()
    assert sum(count for names, _, count in stacks(answer) if is_true(names, TRUE["recursion"])) >= 2, answer.stdout
    assert answer.value("@returned") == 100


def test_tracepoint(trace):
    answer = trace('tracepoint:syscalls:sys_enter_tgkill /comm == "chains"/ { @[ustack] = count(); }', "-c",
                   f"{CHAINS} signal 100")
    (names, cut, count), = stacks(answer)
    assert not cut and count == 1, answer.stdout
    assert [name for name in names if OWN.match(name)] == ["chain_wait", "main", "_start"], answer.stdout


def test_equal_stacks_of_two_processes_are_one(trace):
    session = trace.start(f"uprobe:{CHAINS}:chain_leaf {{ @[ustack] = count(); }}").wait_attached()
    for _ in range(3):  # they live long enough for their file to be looked at
        subprocess.run([CHAINS, "alloca", "800" if IN_VM else "50"], check=False)
    answer = session.finish()
    assert [count for _, _, count in stacks(answer)] == [3], answer.stdout


def test_depth_is_no_cut(trace):
    answer = trace(f"uprobe:{CHAINS}:chain_leaf {{ @[ustack(3)] = count(); }}", "-c", f"{CHAINS} recursion 5")
    assert [names for names, _, _ in stacks(answer)] == [["chain_leaf", "chain_down", "chain_down"]]


def test_modes(trace):
    """The same stack as names, with addresses, as addresses alone, by build id."""
    answer = trace(f"uprobe:{CHAINS}:chain_leaf {{ printf(\"%s|%s|%s|%s|\", ustack, ustack(perf), ustack(raw), ustack(build_id)); }}",
                   "-c", f"{CHAINS} alloca 5")
    names, perf, raw, build_id = (part.strip("\n").splitlines() for part in answer.stdout.split("|")[:4])
    assert len(names) == len(perf) == len(raw) == len(build_id) >= 5, answer.stdout
    assert all(line.split()[0] == address for line, address in zip(perf, raw)), answer.stdout
    assert perf[0].endswith(f"chain_leaf+0 ({CHAINS})")
    assert all(re.fullmatch(r"[0-9a-f]{40} 0x[0-9a-f]+", line) for line in build_id), answer.stdout


def test_frame_pointers_by_wish(trace):
    answer = trace(f"uprobe:{CHAINS}:chain_leaf {{ printf(\"%s|%s|\", ustack, ustack(fp)); }}", "-c",
                   f"{CHAINS} recursion 20")
    by_table, by_pointer = (part.split() for part in answer.stdout.split("|")[:2])
    assert len(by_table) > 22 > len(by_pointer), answer.stdout


def test_a_command_that_ends_at_once(trace):
    """It is gone before anybody could look at its mappings: its files were read before it began."""
    for _ in range(5):
        check(trace(f"uprobe:{CHAINS}:chain_leaf {{ @[ustack] = count(); }}", "-c", f"{CHAINS} recursion 0"), "recursion", 1)
