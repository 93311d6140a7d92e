"""Blocks without events make all their new keys in one run: none is lost, though the kernel has memory for a few only."""
import re

import pytest

pytestmark = pytest.mark.machine
LOOP = "for $i : 0..1000 {{ @a[$i] = {value}; }}"


def lines(count, value):
    return " ".join(f'@a[{n}, "key"] = {value};' for n in range(count))


@pytest.mark.parametrize("value", ["count()", "hist($i)", "tseries($i, 1s, 10)", "$i", "(comm, $i, \"text\")"])
@pytest.mark.parametrize("moment", ["begin", "end"])
def test_loops_make_every_key(trace, moment, value):
    answer = trace("config = { print_maps_on_exit = false } %s { %s print(len(@a)); }"
                   % (moment, LOOP.format(value=value)), "-q")
    assert answer.lines()[-1] == "1000" and not answer.stderr, answer.stderr


@pytest.mark.parametrize("count", [1, 5, 12, 30, 60])
@pytest.mark.parametrize("value", ["sum(7)", "hist(7)", "lhist(7, 0, 500, 5)", "str(\"text\")"])
def test_statements_make_every_key(trace, count, value):
    answer = trace("config = { print_maps_on_exit = false } begin { %s print(len(@a)); }" % lines(count, value), "-q")
    assert answer.lines() == [str(count)] and not answer.stderr, answer.stderr


def test_many_maps(trace):
    program = " ".join(f'@m{n}[comm] = hist({n}); @m{n}["other"] = hist({n});' for n in range(50))
    answer = trace("begin { %s } end { %s }" % (program, program), "-q")
    assert len(re.findall(r"^@m\d+\[", answer.stdout, re.M)) == 100 and not answer.stderr, answer.stderr


def test_no_other_key_appears(trace):
    """Memory is found by keys of its own, which are gone before the block runs."""
    answer = trace("begin { @a[1] = sum(1); @a[2] = sum(1); @b = len(@a); } "
                   "end { for ($kv : @a) { @seen[$kv.0] = 1; } @a[3] = sum(5); @c = len(@a); exit(); }", "-q")
    assert answer.value("@b") == 2 and answer.value("@c") == 3 and answer.keyed("@seen") == {"1": 1, "2": 1}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_map_smaller_than_the_statements(trace, size):
    answer = trace("let @a = percpuhash(%d); begin { %s print(len(@a)); }" % (size, lines(4, "hist(7)")), "-q")
    assert answer.lines()[0] == str(size) and f"{4 - size} updates were lost" in answer.stderr, answer.stderr
