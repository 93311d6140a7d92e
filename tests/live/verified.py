"""What the kernel's verifier has to do for programs: the instructions it walks (it stops at a million), kept from growing.

One row per program and kernel series in verified/SERIES.txt ("COUNT NAME"). More than a tenth above its row fails; a
program without a row is shown and passes. UPDATE_VERIFIED=1 writes the rows of the kernel this runs on instead
(`./dev verifier-table --measure` does it for every kernel, and makes docs/verifier.md of the tables)."""
import os
import platform
import re
from pathlib import Path

SERIES = ".".join(platform.release().split(".")[:2])
TABLE = Path(__file__).parent / "verified" / f"{SERIES}.txt"


def rows(table):
    """{name: count}"""
    lines = table.read_text().splitlines() if table.exists() else []
    return {name: int(count) for count, name in (line.split(None, 1) for line in lines)}


class Verified:
    def __init__(self):
        self.known, self.measured = rows(TABLE), {}
        self.updates = bool(os.environ.get("UPDATE_VERIFIED"))

    def check(self, name, stderr):
        """`stderr`: what -v said while the programs of the script were loaded."""
        counts = [int(count) for count in re.findall(r"^loaded .* (\d+) verified,", stderr, re.M)]
        assert counts, stderr
        now, before = sum(counts), self.known.get(name)
        self.measured[name] = now
        assert self.updates or before is None or now <= before * 1.1 + 5, \
            f"{name}: {before} instructions before, {now} now"

    def finish(self, capture):
        if self.updates:
            TABLE.write_text(self.text({**self.known, **self.measured}))
        changed = {name: now for name, now in self.measured.items() if self.known.get(name) != now}
        if changed and not self.updates:
            with capture.global_and_fixture_disabled():
                print(f"\n--- verified instructions on {SERIES}: rows that differ\n{self.text(changed)}---")

    @staticmethod
    def text(counts):
        return "".join(f"{count:6} {name}\n" for name, count in counts.items())
