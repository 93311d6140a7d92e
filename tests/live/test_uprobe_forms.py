"""Ways to name user functions, and what a block can know of them."""
import os
import re
import subprocess
import zipfile

import pytest

from conftest import FIXTURES

LIBRARY = FIXTURES / "libfixture.so"
N = 200
X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="registers and instructions of x86-64")


def test_arguments_on_the_stack(trace, workload):
    functions = workload("functions", N, "ten")
    values = "arg0, (int32)arg1, arg2, arg3, arg4, arg5, arg6, (int32)arg7, (int16)arg8, arg9"
    answer = trace(f'uprobe:{LIBRARY}:fixture_ten /pid == {functions.pid}/ {{ printf("%d %d %d %d %d %d %d %d %d %d\\n", {values}); }}',
                   run=functions)
    assert answer.lines() == [f"{i} -2 3 4 5 6 {7 * i} -8 9 {1 << 40}" for i in range(N)]


def names_in_uretprobes(trace):
    return "bpf_get_func_ip in uretprobes: yes" in trace.command("info").stdout


@X86
def test_registers_and_function_names(trace, workload):
    functions = workload("functions", N, "7")
    session = trace.start(f"""uprobe:{LIBRARY}:f7 {{ @di = sum(reg("di")); @si = sum(reg("si")); @in[func] = count();
                                                    @sp[reg("sp") % 16] = count(); }}
                          uretprobe:{LIBRARY}:f7 {{ @ax = sum(reg("ax")); }}""", "-p", str(functions.pid))
    session.wait_attached()
    functions.go()
    answer = session.wait()
    total = sum(range(N))
    assert answer.value("@di") == total and answer.value("@si") == 10 * N and answer.value("@ax") == total + 17 * N
    assert answer.keyed("@in") == {"f7": N} and answer.keyed("@sp") == {"8": N}


def test_function_names_of_uretprobes(trace, workload):
    if not names_in_uretprobes(trace):
        pytest.skip("needs bpf_get_func_ip in uretprobes: kernel 6.6")
    functions = workload("functions", N, "7", "outer")
    session = trace.start(f"""uretprobe:{LIBRARY}:f7 {{ @out[func] = count(); }}
                          uretprobe:{LIBRARY}:fixture_* {{ @other[func] = sum(retval); }}""", "-p", str(functions.pid))
    session.wait_attached()
    functions.go()
    answer, total = session.wait(), sum(range(N))
    assert answer.keyed("@out") == {"f7": N}
    assert answer.keyed("@other") == {"fixture_inner": total + N, "fixture_outer": total + 2 * N}


def test_where_function_names_of_uretprobes_are_missing(trace):
    if names_in_uretprobes(trace):
        pytest.skip("this kernel knows the function in uretprobes")
    answer = trace(f"uretprobe:{LIBRARY}:f7 {{ @ = func; }}")
    assert answer.code != 0 and "func in a uretprobe cannot be used on this kernel" in answer.stderr and "6.6" in answer.stderr


def test_all_files_of_a_process(trace, workload):
    functions = workload("functions", N, "7")
    session = trace.start("uprobe:*:f7 { @[probe] = count(); }", "-p", str(functions.pid)).wait_attached()
    functions.go()
    assert list(session.wait().keyed().values()) == [N]


def test_a_library_by_name_in_a_process(trace, workload):
    functions = workload("functions", N, "7")
    session = trace.start("uprobe:libfixture:f7 { @ = count(); }", "-p", str(functions.pid)).wait_attached()
    functions.go()
    assert session.wait().value() == N


def instructions(function):
    """Offsets at which instructions begin."""
    text = subprocess.run(["objdump", "-d", f"--disassemble={function}", LIBRARY], capture_output=True, text=True, check=True).stdout
    addresses = [int(address, 16) for address in re.findall(r"^ +([0-9a-f]+):\t", text, re.M)]
    return [address - addresses[0] for address in addresses]


@X86
def test_places_inside_of_a_function(trace, workload):
    begins = instructions("f7")
    functions = workload("functions", N, "7")
    blocks = "".join(f"uprobe:{LIBRARY}:f7+{at} /pid == {functions.pid}/ {{ @[{at}] = count(); }}" for at in begins)
    assert trace(blocks, run=functions).keyed() == {str(at): N for at in begins}
    middle = next(at for at in range(begins[-1]) if at not in begins)
    answer = trace(f"uprobe:{LIBRARY}:f7+{middle} {{ }}")
    before, after = max(at for at in begins if at < middle), min(at for at in begins if at > middle)
    assert answer.code == 1 and "in the middle of an instruction" in answer.stderr
    assert f"f7+{before} and f7+{after}" in answer.stderr
    assert "Offset outside the function bounds ('f7' size is" in trace(f"uprobe:{LIBRARY}:f7+4000 {{ }}").stderr


# ---- libraries inside of zip files (APK!/lib) --------------------------------------------------------------------------

def make_zip(path, method=zipfile.ZIP_STORED):
    """The library at a page's start, as the dynamic loader of Android wants it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("assets/readme.txt", "text " * 50, zipfile.ZIP_DEFLATED)
        info = zipfile.ZipInfo("lib/x86_64/libfixture.so")
        info.compress_type = method
        header = 30 + len(info.filename)
        info.extra = b"\x35\xd9" + (0).to_bytes(2, "little")
        info.extra += b"\x00" * ((-(archive.fp.tell() + header + len(info.extra))) % 4096)
        archive.writestr(info, LIBRARY.read_bytes())
        offset = info.header_offset + header + len(info.extra)
    return offset


def offset_of_function(name):
    symbols = subprocess.run(["nm", LIBRARY], capture_output=True, text=True, check=True).stdout
    address = int(re.search(rf"^([0-9a-f]+) T {name}$", symbols, re.M)[1], 16)
    headers = subprocess.run(["readelf", "-lW", LIBRARY], capture_output=True, text=True, check=True).stdout
    for offset, start, size in re.findall(r"LOAD +(0x\w+) (0x\w+) 0x\w+ (0x\w+)", headers):
        if int(start, 16) <= address < int(start, 16) + int(size, 16):
            return address - int(start, 16) + int(offset, 16)
    raise AssertionError(name)


def test_a_library_in_a_zip_file(trace, workload, tmp_path):
    archive = tmp_path / "app.apk"
    place = make_zip(archive) + offset_of_function("f7")
    mapped = workload("mapped", archive, place, N)
    answer = trace(f"uprobe:{archive}!/lib/x86_64/libfixture.so:f7 /pid == {mapped.pid}/ {{ @ = sum(arg0); @n = count(); }}"
                   f" uprobe:{archive}!/lib/x86_64/libfixture.so:f7* /pid == {mapped.pid}/ {{ @all = count(); }}"
                   f" uretprobe:{archive}!/lib/x86_64/libfixture.so:f7 /pid == {mapped.pid}/ {{ @ret = sum(retval); }}", run=mapped)
    assert answer.value("@n") == answer.value("@all") == N and answer.value() == sum(range(N))
    assert answer.value("@ret") == sum(range(N)) + 17 * N
    lines = trace.command("-l", f"uprobe:{archive}!/lib/x86_64/libfixture.so:f19*").lines()
    assert len(lines) == 11 and lines[0].endswith(":f19")


def test_zip_files_that_do_not_have_it(trace, tmp_path):
    archive = tmp_path / "app.apk"
    make_zip(archive, zipfile.ZIP_DEFLATED)
    answer = trace(f"uprobe:{archive}!/lib/x86_64/libfixture.so:f7 {{ }}")
    assert answer.code == 1 and "compressed" in answer.stderr
    assert "has no such entry" in trace(f"uprobe:{archive}!/lib/none.so:f7 {{ }}").stderr
    assert "not a zip file" in trace(f"uprobe:{LIBRARY}!/lib/none.so:f7 {{ }}").stderr
    assert "does not exist" in trace("uprobe:/no/such.apk!/lib/none.so:f7 { }").stderr
