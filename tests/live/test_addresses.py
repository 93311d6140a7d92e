"""Addresses of symbols: in the traced program, wherever it is mapped, and in the kernel."""
import subprocess

import pytest

from conftest import TARSIER


@pytest.mark.parametrize("name", ["globals", "globals-static"])
def test_symbols_of_the_program(name, trace, workload):
    child = workload(name)
    program = (f'uprobe:{child.path}:global_entry {{ printf("%x %lx %d %x %s\\n", *uaddr("global_four"), *uaddr("global_eight"), '
               '*uaddr("global_one"), *uaddr("global_two"), str(*(uint64 *)uaddr("global_text"))); }')
    answer = trace(program, run=child)
    assert answer.lines() == ["55555555 3333333344444444 8 1234 the text", "7 3333333344444444 8 1234 the text"]
    assert "could not be read" not in answer.stderr


def test_symbols_at_the_return(trace, workload):
    child = workload("globals")
    answer = trace(f'uretprobe:{child.path}:global_entry {{ $p = uaddr("global_four"); if ($p != 0) {{ print(*$p); }} }}', run=child)
    assert answer.lines() in ([str(0x55555555), "7"], [])  # kernels before 6.6 do not tell where the function is


def test_each_probe_of_a_block_finds_the_symbol(trace, workload):
    """Two probes of one block are at different distances from the symbol."""
    child = workload("globals")
    program = f'uprobe:{child.path}:global_entry, uprobe:{child.path}:global_other {{ @[*uaddr("global_two")] = count(); }}'
    assert trace(program, run=child).keyed() == {str(0x1234): 3}


def test_symbols_that_are_none(workload, trace):
    child = workload("globals")
    answer = trace(f'uprobe:{child.path}:global_entry {{ print(uaddr("nope")); }}')
    assert answer.code == 1 and f"Could not resolve symbol: {child.path}:nope" in answer.stderr
    answer = trace('interval:s:1 { print(uaddr("main")); }')
    assert answer.code == 1 and "uaddr() can not be used with 'interval' probes" in answer.stderr


def test_percpu_symbols(trace):
    symbols = {line.split()[2] for line in open("/proc/kallsyms")}
    if not {"__per_cpu_offset", "process_counts"} <= symbols:
        answer = trace('begin { print(*percpu_kaddr("process_counts")); }')
        assert answer.code == 1 and "Failed to resolve kernel symbol: process_counts" in answer.stderr
        assert "CONFIG_KALLSYMS_ALL" in answer.stderr
        return
    program = ('begin { print(*percpu_kaddr("process_counts") == *percpu_kaddr("process_counts", cpu)); '
               '$r = (struct rq *)percpu_kaddr("runqueues", 0); print($r.cpu); print(percpu_kaddr("runqueues", 100000) == 0); '
               'print(((struct rq *)percpu_kaddr("runqueues")).cpu == cpu); }')
    answer = trace(program)
    assert answer.lines() == ["true", "0", "true", "true"]
