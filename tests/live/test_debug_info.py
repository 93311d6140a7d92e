"""Types and arguments of user programs, from their debug information, as several compilers' options write it."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import FIXTURES, IN_VM, TARSIER

SOURCES = Path(__file__).parent / "debug"
OUT = FIXTURES / "debug"
sys.path.insert(0, str(SOURCES))
import programs  # noqa: E402

COMPILED = ["O0", "O2"] if IN_VM else list(programs.VARIANTS)  # how to read these is the same on each kernel
CLASSES = ["O2"] if IN_VM else programs.CLASSES_VARIANTS


@pytest.fixture(params=COMPILED)
def shapes(request):
    return programs.build(f"shapes-{request.param}", OUT)


@pytest.fixture
def plain():
    return programs.build("shapes-O2", OUT)


def answer_of(trace, workload, program, path, *arguments, times=1):
    program = program.replace("BIN", str(path))
    return trace(program, *arguments, run=workload(f"debug/{path.name}", times))


def line_of(trace, workload, program, path, *arguments):
    answer = answer_of(trace, workload, program, path, *arguments)
    assert answer.code == 0, answer.stderr
    assert len(answer.lines()) == 1, answer.stdout + answer.stderr
    return answer.lines()[0]


# ---- arguments --------------------------------------------------------------------------------------------------------

def test_integer_arguments(trace, workload, shapes):
    program = ('uprobe:BIN:integers { printf("%d %d %d %d %d %d %c %u %d", args.a, args.b, args.c, args.d, args.e, '
               'args.f, args.g, args.h, args.i); }')
    assert line_of(trace, workload, program, shapes) == "-8 16 -32 -64 1 5 x 4000000000 -9"


def test_structs_in_registers(trace, workload, shapes):
    program = 'uprobe:BIN:in_registers { printf("%d %d %d %d", args.p.x, args.p.y, args.q.first, args.q.second); }'
    assert line_of(trace, workload, program, shapes) == "-1 2 30 -40"


def test_struct_on_the_stack(trace, workload, shapes):
    program = ('uprobe:BIN:on_stack { $i = 1; printf("%d %d %d %d %s %d", args.before, args.l.words[0], args.l.words[$i], '
               'args.l.words[3], args.l.name, args.after); }')
    assert line_of(trace, workload, program, shapes) == "1 10 20 40 stacked 2"


def test_pointers_are_followed(trace, workload, shapes):
    program = ('uprobe:BIN:walk { printf("%d %d %d %s %s %d %d", args.n->id, args.n->next->points[2].y, args.n.points[1].x, '
               'str(args.n->label), str(args.n->next->label), args.e->width, args.e.height); }')
    assert line_of(trace, workload, program, shapes) == "11 6 9 first second 640 480"


def test_bit_fields_and_unions(trace, workload, shapes):
    program = ('uprobe:BIN:walk { printf("%d %d %d %x %c", args.n->bits.low, args.n->bits.middle, args.n->bits.high, '
               'args.n->as_int, args.n->as_bytes[1]); }')
    assert line_of(trace, workload, program, shapes) == "5 -6 70000 44434241 B"


def test_floats_are_refused(trace, plain):
    answer = trace(f"uprobe:{plain}:floating {{ print(args.d); }}")
    assert answer.code == 1
    assert "The argument 'd' of floating can not be read" in answer.stderr
    assert "floating-point register" in answer.stderr


def test_integer_beside_a_float(trace, workload, shapes):
    assert line_of(trace, workload, "uprobe:BIN:floating { print(args.n); }", shapes) == "3"


def test_result_that_is_a_float(trace, plain):
    answer = trace(f"uretprobe:{plain}:floating {{ print(retval); }}")
    assert answer.code == 1 and "The result of floating can not be read" in answer.stderr


# ---- results ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("function,values,expected", [
    ("negative", "retval", "-3"),
    ("pointer_result", "retval->first, retval.second", "77 78"),
    ("small_result", "retval.x, retval.y", "-5 6"),
    ("two_registers", "retval.first, retval.second", "-7 8"),
    ("large_result", "retval.words[2], retval.name", "102 large"),
])
def test_results(trace, workload, shapes, function, values, expected):
    formats = " ".join("%s" if "name" in value else "%d" for value in values.split(", "))
    program = f'uretprobe:BIN:{function} {{ printf("{formats}", {values}); }}'
    assert line_of(trace, workload, program, shapes) == expected


# ---- types by name ----------------------------------------------------------------------------------------------------

def test_cast_to_a_struct_of_the_program(trace, workload, shapes):
    program = 'uprobe:BIN:walk { printf("%d %d", ((struct node *)arg0)->points[1].y, ((extent *)arg1)->height); }'
    assert line_of(trace, workload, program, shapes) == "10 480"


def test_the_programs_type_goes_before_the_kernels(trace, workload, plain):
    program = 'uprobe:BIN:shadows { printf("%d %d", ((struct task_struct *)arg0)->ours, curtask->tgid == pid); }'
    assert line_of(trace, workload, program, plain) == "4711 1"


def test_a_definition_in_the_script_goes_before_both(trace, workload, plain):
    program = 'struct node { int renamed; } uprobe:BIN:walk { print(((struct node *)arg0)->renamed); }'
    assert line_of(trace, workload, program, plain) == "11"


def test_counted(trace, workload, plain):
    answer = answer_of(trace, workload, "uprobe:BIN:walk { @ = sum(args.n->next->id); }", plain, times=100)
    assert answer.value() == 2200


# ---- inlined functions ------------------------------------------------------------------------------------------------

def test_inlined_copies_count(trace, workload, shapes):
    answer = answer_of(trace, workload, "uprobe:BIN:squared { @ = count(); }", shapes, times=50)
    assert answer.value() == 100
    assert "Attached 1 probe\n" in answer.stderr


def test_arguments_of_inlined_copies(trace, workload, plain):
    answer = answer_of(trace, workload, "uprobe:BIN:squared { @ = sum(args.value); }", plain, times=10)
    assert answer.value() == sum(range(10)) + sum(range(1, 11))


def test_inlined_function_does_not_return(trace, plain):
    answer = trace(f"uretprobe:{plain}:squared {{ }}")
    assert answer.code == 1 and "inlined it in 2 places" in answer.stderr


# ---- source lines -----------------------------------------------------------------------------------------------------

def line_with(text):
    lines = (SOURCES / "shapes.c").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_source_line(trace, workload, shapes):
    line = line_with("sum + squared(next)")
    answer = answer_of(trace, workload, f"uprobe:BIN@shapes.c:{line} {{ @[probe] = count(); }}", shapes, times=30)
    assert answer.keyed() == {f"uprobe:{shapes}@shapes.c:{line}": 30}


def test_source_line_of_an_inlined_function(trace, workload, shapes):
    line = line_with("volatile int result = value * value")
    answer = answer_of(trace, workload, f"uprobe:BIN@debug/shapes.c:{line} {{ @ = count(); }}", shapes, times=30)
    assert answer.value() == 60


def test_line_of_a_function_is_its_entry(trace, workload, plain):
    line = line_with("int negative(void)")
    program = f'uprobe:BIN@shapes.c:{line} {{ @line = reg("ip"); }} uprobe:BIN:negative {{ @entry = reg("ip"); }}'
    answer = answer_of(trace, workload, program, plain)
    assert answer.value("@line") == answer.value("@entry")


def test_line_without_code_names_the_nearest(trace, plain):
    line = line_with("struct task_struct { /*")
    answer = trace(f"uprobe:{plain}@shapes.c:{line} {{ }}")
    assert answer.code == 1 and f"shapes.c:{line} has no code" in answer.stderr
    after = line_with("int integers(")
    assert f"the nearest line with code is {after}" in answer.stderr


def test_unknown_source_file(trace, plain):
    answer = trace(f"uprobe:{plain}@nothing.c:1 {{ }}")
    assert answer.code == 1 and "has no code of a file nothing.c" in answer.stderr


# ---- C++ --------------------------------------------------------------------------------------------------------------

@pytest.fixture(params=CLASSES)
def classes(request):
    return programs.build(f"classes-{request.param}", OUT)


def test_method_by_its_name(trace, workload, classes):
    program = 'uprobe:BIN:cpp:"space::Derived::method(int)" { @[probe] = count(); }'
    answer = answer_of(trace, workload, program, classes, times=20)
    assert answer.keyed() == {f'uprobe:{classes}:cpp:"space::Derived::method(int)"': 20}


def test_name_without_arguments(trace, workload, classes):
    assert answer_of(trace, workload, 'uprobe:BIN:cpp:"space::Derived::method" { @ = count(); }', classes).value() == 1


def test_overloads_must_be_told_apart(trace, classes):
    answer = trace(f'uprobe:{classes}:cpp:"space::overloaded" {{ }}')
    assert answer.code == 1 and "2 functions are called space::overloaded" in answer.stderr
    assert '"space::overloaded(int)"' in answer.stderr and '"space::overloaded(char const*)"' in answer.stderr


def test_wildcard_of_names(trace, workload, classes):
    answer = answer_of(trace, workload, 'uprobe:BIN:cpp:"space::overloaded(*)" { @ = count(); }', classes)
    assert answer.value() == 2


def test_members_of_base_classes_and_references(trace, workload, classes):
    program = ('uprobe:BIN:cpp:"space::Derived::method" { printf("%d %d %d ", args.this->base_value, args.this->own, args.n); } '
               'uprobe:BIN:cpp:"space::by_reference" { printf("%d %d\\n", args.object.own, *args.number); }')
    assert line_of(trace, workload, program, classes) == "31 32 3 39 42"


def test_object_that_can_not_be_copied_byte_by_byte(trace, workload, classes):
    program = 'uprobe:BIN:cpp:"space::by_value" { printf("%d %d", args.counted.value, args.behind); }'
    assert line_of(trace, workload, program, classes) == "55 66"


def test_demangled_in_stacks(trace, workload, classes):
    run = workload(f"debug/{classes.name}")
    program = f'uprobe:{classes}:cpp:"space::Derived::method" {{ print(usym(reg("ip"))); print(func); }}'
    assert trace(program, "-p", run.pid, run=run).lines() == ["space::Derived::method(int)"] * 2


def test_list_of_demangled_names(trace, classes):
    answer = trace.command("-lv", f'uprobe:{classes}:cpp:"space::Derived::*"')
    assert f'uprobe:{classes}:cpp:"space::Derived::method(int)"' in answer.lines()
    assert "    struct Derived* const this" in answer.lines()


# ---- files that donate what a stripped program lacks --------------------------------------------------------------------

@pytest.fixture
def stripped(plain):
    target = OUT / "stripped"
    subprocess.run(["objcopy", "--strip-debug", "-R", ".gnu_debuglink", plain, target], check=True)
    return target


def test_without_debug_information(trace, stripped):
    answer = trace(f"uprobe:{stripped}:walk {{ print(args.n); }}")
    assert answer.code == 1 and "no debug information" in answer.stderr and "arg0" in answer.stderr


def test_types_of_an_object_file(trace, workload, stripped):
    donor = programs.build("shapes-donor.o", OUT)
    program = 'uprobe:BIN:walk { printf("%d %d", args.n->next->id, ((struct node *)arg0)->points[0].y); }'
    assert line_of(trace, workload, program, stripped, "--types", donor) == "22 8"


def test_file_without_types(trace, stripped):
    answer = trace("begin { }", "--types", stripped)
    assert answer.code == 1 and "--types" in answer.stderr and "no debug information" in answer.stderr


def test_type_listed_from_an_object_file(trace):
    donor = programs.build("shapes-donor.o", OUT)
    answer = trace.command("-lv", "struct bits", "--types", donor)
    assert answer.lines()[:5] == [f"{donor}: struct bits {{", "    uint32 low : 3;", "    int32 middle : 7;",
                                  "    uint32 high : 20;", "}"]


def test_separate_debug_file(trace, workload, plain):
    directory = OUT / "separate"
    directory.mkdir(exist_ok=True)
    program = OUT / "separated"
    subprocess.run(["objcopy", "--only-keep-debug", plain, directory / "separated.debug"], check=True)
    subprocess.run(["objcopy", "--strip-all", plain, program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={directory}/separated.debug", program], check=True)
    text = 'uprobe:BIN:walk { print(args.n->id); }'
    assert line_of(trace, workload, text, program, "--debuginfo", f"/nonexistent:{directory}") == "11"
    assert line_of(trace, workload, text, program, "--debuginfo", "/nonexistent", "--debuginfo", directory) == "11"


def test_split_debug_information_is_refused(trace):
    program = programs.build("shapes-split", OUT)
    answer = trace(f"uprobe:{program}:walk {{ print(args.n->id); }}")
    assert answer.code == 1 and ".dwo" in answer.stderr


def test_arguments_are_listed(trace, shapes):
    answer = trace.command("-lv", f"uprobe:{shapes}:floating")
    assert answer.lines()[0] == f"uprobe:{shapes}:floating"
    assert answer.lines()[1] == "    int n"
    assert "    double d (can not be read: it is passed in a floating-point register" in answer.lines()[2]
