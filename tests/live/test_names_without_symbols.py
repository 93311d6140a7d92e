"""Names of code that has no symbol: stubs of the linkage table, functions of stripped programs."""
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="no compiler here")

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
static volatile int sink;
__attribute__((noinline)) static int compare(const void *a, const void *b) {
    for (int i = 0; i < 300; i++)
        sink += i;
    return *(const int *)a - *(const int *)b;
}
int main(void) {
    int numbers[32];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 32; i++)
            numbers[i] = (i * 7919 + round) % 97;
        qsort(numbers, 32, sizeof *numbers, compare);
    }
    return 0;
}
"""


def build(tmp_path, *flags, is_stripped=True):
    source, program = tmp_path / "source.c", tmp_path / "stripped"
    source.write_text(SOURCE.replace("ROUNDS", "10000"))
    subprocess.run(["cc", "-O2", *flags, source, "-o", program], check=True)
    whole = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    if is_stripped:
        subprocess.run(["strip", program], check=True)
    return program, {name: int(address, 16) for address, name in re.findall(r"^(\w+) \w (\w+)$", whole, re.M)}


def test_a_function_is_named_by_where_it_begins(trace, tmp_path):
    program, symbols = build(tmp_path)
    answer = trace(f'profile:hz:499 /pid == cpid/ {{ @[usym(reg("ip"))] = count(); }}', "-c", str(program))
    names = answer.keyed()
    mine = f"stripped!fn_{symbols['compare']:x}"
    assert names.get(mine, 0) > sum(names.values()) / 2, names


@pytest.mark.parametrize("is_stripped", [True, False])
def test_a_stub_is_named_after_its_function(trace, tmp_path, is_stripped):
    """With symbols, too: _init stands before the stubs and has no size."""
    program, _ = build(tmp_path, "-Wl,-z,lazy", "-fcf-protection=none", is_stripped=is_stripped)
    text = subprocess.run(["objdump", "-d", "-j", ".plt", program], capture_output=True, text=True, check=True).stdout
    stub = int(re.search(r"^0*(\w+) <qsort@plt>", text, re.M)[1], 16)
    answer = trace(f'uprobe:{program}:{stub:#x} /pid == cpid/ {{ @[usym(reg("ip"))] = count(); }}', "-c", str(program), "--unsafe")
    assert answer.keyed() == {"qsort@plt": 10000}
