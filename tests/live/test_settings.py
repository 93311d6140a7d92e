"""Modes of stacks and the config block."""
import re

import pytest

GETPPID = "tracepoint:syscalls:sys_enter_getppid"


def stack_of(trace, workload, program):
    calls = workload("calls", 1)
    answer = trace(program.replace("PROBE", f"{GETPPID} /pid == {calls.pid}/"), run=calls)
    return [line for line in answer.stdout.split("\n") if line]


def test_perf_mode_shows_addresses_and_names(trace, workload):
    frames = stack_of(trace, workload, "PROBE { print(kstack(perf, 2)); }")
    assert len(frames) == 2 and all(re.fullmatch(r"\t[0-9a-f]{16} [\w.]+\+\d+", frame) for frame in frames)


def test_raw_mode_shows_addresses_alone(trace, workload):
    frames = stack_of(trace, workload, "PROBE { print(kstack(raw, 2)); }")
    assert len(frames) == 2 and all(re.fullmatch("[0-9a-f]{16}", frame) for frame in frames)


def test_raw_mode_of_a_key(trace, workload):
    lines = stack_of(trace, workload, "PROBE { @[ustack(raw, 1)] = count(); }")
    assert lines[0] == "@[" and re.fullmatch("[0-9a-f]+", lines[1]) and lines[2] == "]: 1"


# ---- config block and environment ---------------------------------------------------------------------------------------

def configured(trace, config, program, **environment):
    return trace(f"config = {{ {config} }} begin {{ {program} exit(); }}", environment=environment)


@pytest.mark.parametrize("config, error, hint", [
    ("max_strln = 64", "stdin:1:12-26: ERROR: max_strln: not a known configuration option", "did you mean max_strlen?"),
    ('license = "Potato"', "ERROR: Invalid value for license. Found: Potato. Valid values: Dual MIT/GPL, ", ""),
    ("max_strlen = 1", "ERROR: max_strlen must be a number between 2 and 16384, not \"1\"", ""),
    ("stack_mode = fancy", "ERROR: stack_mode must be bpftrace, perf, raw or build_id, not \"fancy\"", ""),
])
def test_wrong_settings_are_errors(trace, config, error, hint):
    answer = configured(trace, config, "")
    assert answer.code == 1 and error in answer.stderr and hint in answer.stderr


def test_settings_without_effect_are_silent(trace):
    answer = configured(trace, 'license = "GPL"; cache_user_symbols = PER_PID; max_probes = 9; log_size = 1', "@ = 1;")
    assert answer.stderr == "Attached 1 probe\n" and answer.value() == 1


@pytest.mark.parametrize("config", ["stack_mode = raw", 'stack_mode = "raw"', "BPFTRACE_STACK_MODE = raw"])
def test_stack_mode_of_the_script(trace, config):
    assert re.fullmatch("[0-9a-f]{16}", configured(trace, config, "print(kstack(1));").lines()[0])


def test_maps_need_not_be_printed(trace):
    assert configured(trace, "print_maps_on_exit = 0", "@ = 1;").stdout == "\n\n"


def test_trailer_of_cut_text(trace):
    answer = configured(trace, 'max_strlen = 8; str_trunc_trailer = "~"', 'print(str("abcdefghijkl"));')
    assert answer.lines() == ["abcdefgh~"]


@pytest.mark.parametrize("pages", [1, 8, 4096])
def test_ring_pages(trace, pages):
    assert configured(trace, f"perf_rb_pages = {pages}", 'printf("x\\n");').lines() == ["x"]


def test_environment_goes_first(trace):
    answer = configured(trace, "print_maps_on_exit = 1", "@ = 1;", TARSIER_PRINT_MAPS_ON_EXIT="false")
    assert answer.stdout == "\n\n"


def test_wrong_environment_is_said_once(trace):
    answer = configured(trace, "", "@ = 1;", BPFTRACE_MAX_STRLEN="lots")
    assert answer.value() == 1 and answer.stderr.count("max_strlen must be") == 1


def test_old_names_are_told(trace):
    answer = configured(trace, "strlen = 64; cat_bytes_max = 10", "@ = 1;")
    assert "stdin:1:12-18: WARNING: strlen has been renamed to max_strlen" in answer.stderr
    assert "cat_bytes_max has been renamed to max_cat_bytes" in answer.stderr and answer.values("@") == [1]


@pytest.mark.parametrize("config", ["log_size = many", "show_debug_info = 5", "cpp_demangle = maybe",
                                    "cache_user_symbols = SOME"])
def test_settings_without_effect_have_a_type(trace, config):
    answer = configured(trace, config, "")
    assert answer.code == 1 and config.split()[0] in answer.stderr
