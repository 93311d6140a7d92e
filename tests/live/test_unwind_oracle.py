"""The unwinder against other witnesses: a shadow stack kept instruction by instruction, and binutils' reading of tables."""
import bisect
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import IN_VM, ROOT

TOOLS = Path(os.environ.get("BUILD", ROOT / "build")) / "release/tests/unwind"
PROGRAMS = ROOT / "tests/unwind/programs"
LIBRARY = Path("/lib/x86_64-linux-gnu")
pytestmark = pytest.mark.skipif(IN_VM or not TOOLS.exists(), reason="the same on every kernel")


def build(source, compiler, directory):
    if source.suffix == ".cpp":
        compiler = {"cc": "c++"}.get(compiler, compiler.replace("clang", "clang++"))
    program = directory / f"{source.stem}-{compiler}"
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler}")
    subprocess.run([compiler, "-O2", "-fomit-frame-pointer", "-mavx2", "-w", source, "-o", program, "-lm"], check=True)
    subprocess.run(["strip", program], check=True)
    return program


@pytest.mark.parametrize("compiler", ["cc", "clang-19"])
@pytest.mark.parametrize("name", ["libc.c", "frames.c", "signals.c"])
def test_every_instruction_has_its_true_callers(name, compiler, tmp_path):
    program = build(PROGRAMS / name, compiler, tmp_path)
    told = subprocess.run([TOOLS / "unwind-shadow", "--from-trap", program], capture_output=True, text=True, timeout=120).stdout
    counts = {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", told.splitlines()[-1])}
    assert counts["steps"] > 10000 and counts["wrong"] == counts["cut"] == 0 and counts["known"] < 20, told


def test_exceptions_have_their_true_callers(tmp_path):
    program = build(PROGRAMS / "exceptions.cpp", "cc", tmp_path)
    told = subprocess.run([TOOLS / "unwind-shadow", "--from-trap", "--steps", "90000", program], capture_output=True, text=True, timeout=120).stdout
    counts = {word: int(number) for word, number in re.findall(r"(\w+) (\d+)", told.splitlines()[-1])}
    assert counts["steps"] == 90000 and counts["wrong"] == counts["cut"] == 0, told
    assert counts["known"] < 900, told  # between writing the landing pad into the stack and going there


REGISTERS = {name: number for number, name in enumerate("rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split())}


def expected(cfa, bp, ra):
    """A row of readelf as unwind-tables writes it; None: an expression."""
    if ra == "u":
        return "end"
    found = re.fullmatch(r"(r\w+)([+-]\d+)", cfa)
    if not found or not re.fullmatch(r"[us]|c[+-]\d+", bp) or not re.fullmatch(r"c[+-]\d+", ra):
        return None
    base = {"rsp": "sp", "rbp": "bp"}.get(found[1], f"register{REGISTERS[found[1]]}")
    place = "same+0" if bp in "us" else f"cfa{int(bp[1:]):+}"
    offset = int(ra[1:])
    return f"{base}{found[2]} bp={place} ra={0 if offset == -8 else 1} extra={0 if offset == -8 else offset}"


def rows_of_readelf(path):
    """(address, cfa, rule of bp, rule of the return address) of every row of every function."""
    columns, in_function = [], False
    text = subprocess.run(["readelf", "-wF", path], capture_output=True, text=True).stdout
    for line in text.splitlines():
        if " CIE" in line or " FDE " in line:
            in_function = " FDE " in line
        fields = re.sub(r"(r\d+) \(\w+\)", r"\1", line).split()
        if fields[:1] == ["LOC"]:
            columns = fields
        elif in_function and len(fields) == len(columns) and re.fullmatch(r"[0-9a-f]{16}", fields[0]):
            row = dict(zip(columns, fields))
            if row.get("rsp", "u") == "u" or row.get("ra") == "u":  # else its caller's stack pointer is no rule (swapcontext)
                yield int(row["LOC"], 16), row["CFA"], row.get("rbp", "u"), row.get("ra", "u")


@pytest.mark.parametrize("path", [LIBRARY / "libc.so.6", Path("/lib64/ld-linux-x86-64.so.2"), LIBRARY / "libgcc_s.so.1",
                                  LIBRARY / "libm.so.6"], ids=lambda path: path.name)
def test_rows_are_those_that_binutils_reads(path):
    if not path.exists() or not shutil.which("readelf"):
        pytest.skip("not here")
    told = subprocess.run([TOOLS / "unwind-tables", "--rows", path], capture_output=True, text=True, check=True).stdout
    rows = [(int(line.split()[0], 16), line.split(None, 1)[1]) for line in told.splitlines()]
    addresses = [row[0] for row in rows]
    compared = 0
    for address, cfa, bp, ra in rows_of_readelf(path):
        wanted = expected(cfa, bp, ra)
        found = rows[bisect.bisect_right(addresses, address) - 1][1]
        if wanted:
            compared += 1
            assert found == wanted, f"at {address:#x}"
    assert compared > 1000


def test_the_table_of_libc_is_small():
    told = subprocess.run([TOOLS / "unwind-tables", LIBRARY / "libc.so.6"], capture_output=True, text=True, check=True).stdout
    rows = int(re.search(r"(\d+) rows", told)[1])
    assert 20000 < rows < 24300 and rows * 4 <= 97280  # 95 KB
