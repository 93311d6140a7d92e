"""fentry:bpf and fexit:bpf: functions of BPF programs. The program that is looked at is made here, byte by byte."""
import ctypes
import os
import struct
import subprocess

import pytest

from conftest import TARSIER

RUNS, PACKET = 500, 60
BPF_PROG_LOAD, BPF_PROG_TEST_RUN, BPF_OBJ_GET_INFO_BY_FD, BPF_BTF_LOAD = 5, 10, 15, 18
XDP = 6


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    result = ctypes.CDLL(None, use_errno=True).syscall(321, command, buffer, 144)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def address(bytes_):
    return ctypes.addressof(bytes_)


def types():
    """int on_packet(struct xdp_md *ctx), long add(int first, long second)."""
    strings, blob = bytearray(b"\0"), bytearray()

    def name(text):
        strings.extend(text.encode() + b"\0")
        return len(strings) - len(text) - 1

    def add(text, kind, length, size, *more):
        blob.extend(struct.pack("<III", name(text) if text else 0, kind << 24 | length, size))
        for item in more:
            blob.extend(struct.pack("<" + "I" * len(item), *item))

    add("int", 1, 0, 4, (1 << 24 | 32,))
    add("long", 1, 0, 8, (1 << 24 | 64,))
    add("xdp_md", 4, 2, 8, (name("data"), 1, 0), (name("data_end"), 1, 32))
    add("", 2, 0, 3)
    add("", 13, 1, 1, (name("ctx"), 4))
    add("on_packet", 12, 1, 5)
    add("", 13, 2, 2, (name("first"), 1), (name("second"), 2))
    add("add", 12, 0, 7)
    return struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(blob), len(blob), len(strings)) + blob + strings


def load():
    def instruction(code, dst=0, src=0, offset=0, value=0):
        return struct.pack("<BBhi", code, src << 4 | dst, offset, value)

    code = b"".join([
        instruction(0x61, 2, 1, 4),        # r2 = ctx->data_end
        instruction(0x61, 3, 1, 0),        # r3 = ctx->data
        instruction(0x1F, 2, 3),           # r2 -= r3
        instruction(0xB7, 1, 0, 0, 7),     # r1 = 7
        instruction(0x85, 0, 1, 0, 2),     # call add
        instruction(0xB7, 0, 0, 0, 2),     # r0 = XDP_PASS
        instruction(0x95),
        instruction(0xBF, 0, 1),           # add: r0 = r1
        instruction(0x0F, 0, 2),           # r0 += r2
        instruction(0x95),
    ])
    blob = ctypes.create_string_buffer(types())
    size = len(blob.raw) - 1
    btf = bpf(BPF_BTF_LOAD, struct.pack("<QQIIII", address(blob), 0, size, 0, 0, 0))
    code_buffer, license_ = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    functions = ctypes.create_string_buffer(struct.pack("<IIII", 0, 6, 7, 8))
    log = ctypes.create_string_buffer(65536)
    attributes = struct.pack("<IIQQIIQII16sIIIIQIIQII", XDP, len(code) // 8, address(code_buffer), address(license_), 1, 65535,
                             address(log), 0, 0, b"fixture_xdp", 0, 0, btf, 8, address(functions), 2, 0, 0, 0, 0)
    try:
        program = bpf(BPF_PROG_LOAD, attributes)
    except OSError:
        pytest.fail(log.value.decode())
    info = ctypes.create_string_buffer(256)
    bpf(BPF_OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", program, 256, address(info)))
    return program, struct.unpack_from("<II", info.raw)[1]


@pytest.fixture(scope="module")
def program():
    return load()


def run(program):
    packet = ctypes.create_string_buffer(PACKET)
    bpf(BPF_PROG_TEST_RUN, struct.pack("<IIIIQQII", program, 0, PACKET, 0, address(packet), 0, RUNS, 0))


def allowed(program):
    answer = subprocess.run([TARSIER, "--dry-run", "-e", f"fentry:bpf:{program[1]}:add {{ }}"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    return answer.returncode == 0, answer.stderr


def test_listed(trace, program):
    found = trace.command("-l", f"fentry:bpf:{program[1]}:*").lines()
    assert found == [f"fentry:bpf:{program[1]}:on_packet", f"fentry:bpf:{program[1]}:add"]
    assert trace.command("-lv", f"fexit:bpf:{program[1]}:add").lines()[1:] == ["    int32 first", "    int64 second", "    int64 retval"]
    listed = trace.command("-lv", "fentry:bpf:on_packet").lines()
    assert [f"fentry:bpf:{program[1]}:on_packet", "    struct xdp_buff * ctx"] == listed[-2:]


def test_no_such_program(trace):
    answer = trace.command("-e", "fentry:bpf:no_such_program { }")
    assert answer.code != 0 and "no such BPF program is loaded" in answer.stderr
    assert "tarsier -l 'fentry:bpf:*'" in answer.stderr


def test_exact_counts_and_arguments(trace, program):
    good, why = allowed(program)
    if not good:
        assert "can not be attached: Operation not permitted" in why
        pytest.skip("this kernel refuses fentry programs")
    session = trace.start(
        f"fentry:bpf:{program[1]}:add {{ @n = count(); @first = sum(args.first); @second = sum(args.second); @name[probe] = count(); }}"
        f"fexit:bpf:{program[1]}:add {{ @returned = sum(retval); @again = sum(args.first); }}"
        "fentry:bpf:on_packet { @length = sum((uint64)args.ctx.data_end - (uint64)args.ctx.data); @packets = count(); }"
        "fexit:bpf:on_packet { @verdict = sum(retval); }")
    session.wait_attached()
    run(program[0])
    answer = session.finish()
    assert "WARNING" not in answer.stderr
    assert answer.value("@n") == answer.value("@packets") == RUNS
    assert answer.value("@first") == answer.value("@again") == 7 * RUNS
    assert answer.value("@second") == answer.value("@length") == PACKET * RUNS
    assert answer.value("@returned") == (7 + PACKET) * RUNS
    assert answer.value("@verdict") == 2 * RUNS
    assert answer.keyed("@name") == {f"fentry:bpf:{program[1]}:add": RUNS}


def test_all_of_a_program(trace, program):
    if not allowed(program)[0]:
        pytest.skip("this kernel refuses fentry programs")
    session = trace.start(f"fentry:bpf:{program[1]}:* {{ @[probe] = count(); }}")
    session.wait_attached()
    run(program[0])
    assert session.finish().keyed() == {f"fentry:bpf:{program[1]}:{name}": RUNS for name in ("add", "on_packet")}
