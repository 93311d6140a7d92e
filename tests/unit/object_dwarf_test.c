/* Debug information as gcc and clang write it, in several versions (the files are seeds of the fuzzer, too). */
#include "object/dwarf.h"
#include "unit.h"

#define FILES "tests/fuzz/corpus/dwarf/"

struct fixture {
    struct arena *arena;
    struct object_elf *elf;
    struct object_dwarf *dwarf;
    const char *reason;
};

static void open_file(struct fixture *fixture, const char *path) {
    fixture->arena = arena_new();
    fixture->elf = object_elf_open(path, &fixture->reason);
    assert_non_null(fixture->elf);
    fixture->dwarf = object_dwarf_open(fixture->arena, fixture->elf, &fixture->reason);
}

static void close_file(struct fixture *fixture) {
    object_dwarf_close(fixture->dwarf);
    object_elf_close(fixture->elf);
    arena_free(fixture->arena);
}

static const char *const files[] = {FILES "dwarf-2.o", FILES "dwarf-4.o", FILES "types.so", FILES "compressed.o",
                                    FILES "linked.so"};
enum { FILE_COUNT = sizeof files / sizeof *files };

static void types_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        struct fixture fixture;
        uint32_t offset = 0;
        open_file(&fixture, files[i]);
        const struct type *type = object_dwarf_type(fixture.dwarf, OBJECT_DWARF_STRUCT, "Base", 0);
        assert_non_null(type);
        const struct type_field *field = type_find_field(type, "in", &offset);
        assert_non_null(field);
        assert_int_equal(offset, 4); /* behind an int */
        assert_non_null(type_find_field(field->type, "b", &offset));
        assert_null(object_dwarf_type(fixture.dwarf, OBJECT_DWARF_STRUCT, "Bas", 0));
        assert_null(object_dwarf_type(fixture.dwarf, OBJECT_DWARF_UNION, "Base", 0));
        assert_string_equal(object_dwarf_nearest(fixture.dwarf, OBJECT_DWARF_STRUCT, "Bace"), "Base");
        close_file(&fixture);
    }
}

static void arguments_in_registers(void **state) {
    (void)state;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        struct fixture fixture;
        struct object_function function;
        open_file(&fixture, files[i]);
        assert_true(object_dwarf_function_named(fixture.dwarf, "twice", &function));
        assert_int_equal(function.args->field_count, 2);
        assert_string_equal(function.args->fields[0].name, "n");
        assert_int_equal(function.locations[0].kind, LOCATION_REGISTERS);
        assert_int_equal(function.locations[0].registers[0], 5); /* rdi */
        assert_int_equal(function.args->fields[1].type->kind, TYPE_POINTER);
        assert_string_equal(function.args->fields[1].type->target->name, "Base");
        assert_int_equal(function.locations[1].registers[0], 4); /* rsi */
        assert_int_equal(function.result->size, 4);
        assert_int_equal(function.result_location.registers[0], 0);
        assert_false(object_dwarf_function_named(fixture.dwarf, "thrice", &function));
        close_file(&fixture);
    }
}

static void count_copy(void *context, const struct object_function *copy) {
    assert_string_equal(copy->args->fields[0].name, "v");
    assert_string_equal(copy->into, "twice");
    ++*(int *)context;
}

static void inlined_copies(void **state) {
    struct fixture fixture;
    int count = 0;

    (void)state;
    open_file(&fixture, FILES "linked.so");
    object_dwarf_inlined(fixture.dwarf, "in", count_copy, &count);
    assert_int_equal(count, 2);
    close_file(&fixture);
}

static void lines(void **state) {
    struct fixture fixture;
    struct object_lines found;

    (void)state;
    open_file(&fixture, FILES "linked.so");
    object_dwarf_lines(fixture.dwarf, "tiny.cpp", 4, 0, &found);
    assert_int_equal(found.files.count, 1);
    assert_true(found.found.count >= 1);
    object_dwarf_lines(fixture.dwarf, "tiny.cpp", 100, 0, &found);
    assert_int_equal(found.found.count, 0);
    assert_int_equal(found.before, 4);
    object_dwarf_lines(fixture.dwarf, "iny.cpp", 4, 0, &found); /* no whole name */
    assert_int_equal(found.files.count, 0);
    close_file(&fixture);
}

/* The root of the unit has a shape that is not there, so nothing of the unit is known. */
static void a_unit_without_a_root(void **state) {
    struct fixture fixture;
    struct object_lines found;
    struct object_function function;

    (void)state;
    open_file(&fixture, FILES "no-root.o");
    assert_non_null(fixture.dwarf);
    object_dwarf_lines(fixture.dwarf, "tiny.cpp", 4, 0, &found);
    assert_int_equal(found.files.count, 0);
    assert_false(object_dwarf_function_named(fixture.dwarf, "twice", &function));
    close_file(&fixture);
}

static void split_files_are_refused(void **state) {
    struct fixture fixture;

    (void)state;
    open_file(&fixture, FILES "split.o");
    assert_null(fixture.dwarf);
    assert_non_null(strstr(fixture.reason, ".dwo"));
    close_file(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_by_name),         cmocka_unit_test(arguments_in_registers),
        cmocka_unit_test(inlined_copies),        cmocka_unit_test(lines),
        cmocka_unit_test(a_unit_without_a_root), cmocka_unit_test(split_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
