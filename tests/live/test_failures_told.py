"""-k: what fails in a program is told when it happens, with its place; without it, summed up at the end."""
import json

LOOKUP = "i:ms:100 { @[1] = 1; print(@[2]); exit(); }"
STORM = "config = { max_map_keys = 2 } i:ms:1 { @[nsecs] = 1; @n++; if (@n > 120) { exit(); } }"


def test_missing_key(trace):
    answer = trace(LOOKUP, "-k")
    assert ("stdin:1:28-32: WARNING: Can't lookup map element because it does not exist.\n"
            "Additional Info - helper: map_lookup_elem, retcode: 0\n" + LOOKUP) in answer.stderr
    assert "lookup" not in trace(LOOKUP).stderr


def test_reading_in_json(trace):
    answer = trace("begin { $a = *(uint8*)0x1000; print(str(0x10)); exit(); }", "-k", "-f", "json", "-q")
    found = [message for message in map(json.loads, answer.lines()) if message["type"] == "helper_error"]
    assert [(one["helper"], one["line"], one["col"]) for one in found] == [
        ("probe_read_kernel", 1, 14), ("probe_read_kernel_str", 1, 37)]
    assert all(one["retcode"] < 0 and one["msg"] for one in found)


def test_no_more_than_ten_a_second(trace):
    answer = trace(STORM, "-k")
    told = answer.stderr.count("Map full; can't update element. Try increasing max_map_keys")
    assert 1 <= told <= 4, "119 failures in about 120 ms"
    assert "retcode: -7" in answer.stderr and "updates were lost" in answer.stderr


def test_per_thread_values_that_are_missing(trace):
    program = "i:ms:10 { $d = @s[tid]; @s[tid] = 1; delete(@s, tid); $d = @s[tid]; @n++; if (@n == 2) { exit(); } }"
    assert trace(program, "-k").stderr.count("Can't lookup map element") >= 4


def test_failures_inside_records_loops_and_predicates(trace):
    program = ('i:ms:10 /@none[1] == 0/ { for ($i : 0..3) { printf("%s %d\\n", str(0x10), 1 / (uint64)@zero); }'
               ' @ = str((uint8*)0x20); exit(); }')
    answer = trace(program, "-k")
    assert answer.code == 0 and "Divide or modulo by 0" in answer.stderr and "probe_read_kernel_str" in answer.stderr


def test_no_warnings_is_stronger(trace):
    assert "lookup" not in trace(LOOKUP, "-k", "--no-warnings").stderr
