#!/usr/bin/env python3
"""The programs whose debug information the tests read: what to compile, and how. programs.py DIRECTORY compiles all,
for machines without a compiler (the test VMs); elsewhere each is compiled when a test first asks for it.
"""
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent
VARIANTS = {
    "O0": ["-O0"],
    "O2": ["-O2"],
    "dwarf2": ["-O2", "-gdwarf-2"],
    "dwarf3": ["-O1", "-gdwarf-3"],
    "dwarf4": ["-O2", "-gdwarf-4"],
    "dwarf5": ["-O2", "-gdwarf-5"],
    "dwarf64": ["-O2", "-gdwarf64"],
    "compressed": ["-O2", "-gz"],
    "type-units": ["-O2", "-gdwarf-4", "-fdebug-types-section"],
    "type-units-5": ["-O2", "-gdwarf-5", "-fdebug-types-section"],
    "lto": ["-O2", "-flto"],
    "no-pie": ["-O2", "-no-pie"],
}
CLASSES_VARIANTS = ["O0", "O2", "dwarf4", "type-units"]
# name: compiler, source, flags
PROGRAMS = {
    **{f"shapes-{name}": ("gcc", "shapes.c", flags) for name, flags in VARIANTS.items()},
    **{f"classes-{name}": ("g++", "classes.cpp", VARIANTS[name]) for name in CLASSES_VARIANTS},
    "shapes-donor.o": ("gcc", "shapes.c", ["-O2", "-c"]),
    "shapes-split": ("gcc", "shapes.c", ["-O2", "-gsplit-dwarf"]),
}


def build(name, directory):
    """Its path; compiled if it is missing or older than its source."""
    compiler, source, flags = PROGRAMS[name]
    target, source = directory / name, SOURCES / source
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-g", "-Wall", *flags, "-dumpdir", f"{directory}/", source, "-o", target], check=True)
    return target


if __name__ == "__main__":
    for program in PROGRAMS:
        build(program, Path(sys.argv[1]))
