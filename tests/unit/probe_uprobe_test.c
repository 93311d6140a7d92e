/* uprobe targets in this test's own executable: names, offsets, aliases, wildcards, errors. No root needed. */
#include "probe_test.h"

#include "object/elf.h"
#include "object/instruction.h"
#include <elf.h>

#ifdef __aarch64__
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

__attribute__((noinline, used, retain)) int probe_test_function(int x) { return x + 41; }
__attribute__((noinline, used, retain)) int probe_test_other(int x) { return x * 3 + 7; }
int probe_test_alias(int x) __attribute__((alias("probe_test_function")));

static const char *self_path(void) {
    static char path[512];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    assert_true(length > 0);
    return path;
}

static const char *point(struct fixture *fixture, const char *format) {
    return arena_printf(fixture->arena, format, self_path());
}

static void a_function_by_name(void **state) {
    struct fixture *fixture = *state;
    const struct probe_target *target = only_target(fixture, point(fixture, "uprobe:%s:probe_test_function"), false);
    struct object_symbol symbol;
    const char *reason;
    struct object_elf *elf = object_elf_open(self_path(), &reason);

    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "probe_test_function", &symbol));
    assert_int_equal(target->mechanism, PROBE_UPROBE);
    assert_int_equal(target->address, symbol.address);
    assert_int_equal(target->offset, symbol.file_offset);
    assert_string_equal(target->name, point(fixture, "uprobe:%s:probe_test_function"));
    assert_string_equal(target->path, self_path());
    assert_false(target->is_return);
    object_elf_close(elf);
}

static void the_return_of_a_function(void **state) {
    const struct probe_target *target = only_target(*state, point(*state, "ur:%s:probe_test_function"), false);

    assert_true(target->is_return);
    assert_string_equal(target->kind_name, "uretprobe");
}

/* Length of the instruction at this offset in probe_test_function(). */
static size_t instruction_at(size_t offset) {
    size_t length = object_instruction_length(MACHINE, (const uint8_t *)probe_test_function + offset, 16);

    assert_true(length > 0);
    return length;
}

static void an_offset_moves_the_place(void **state) {
    struct fixture *fixture = *state;
    size_t length = instruction_at(0);
    uint64_t start = only_target(fixture, point(fixture, "u:%s:probe_test_function"), false)->offset;
    const char *text = arena_printf(fixture->arena, "u:%s:probe_test_function+%zu", self_path(), length);
    const struct probe_target *target = only_target(fixture, text, false);

    assert_int_equal(target->offset, start + length);
    assert_true(str_ends(target->name, arena_printf(fixture->arena, ":probe_test_function+%zu", length)));
    assert_null(target->warning);
}

static void an_offset_inside_of_an_instruction_needs_unsafe(void **state) {
    struct fixture *fixture = *state;
    size_t start = 0;

    while (instruction_at(start) == 1) /* "push %rbp", where the compiler keeps frame pointers */
        start++;
    const char *place = arena_printf(fixture->arena, "probe_test_function+%zu", start + 1);
    const char *text = arena_printf(fixture->arena, "u:%s:%s", self_path(), place);
    expect_error(fixture, text, "Possible attachment attempt in the middle of an instruction, try a different offset.",
                 place, NULL);
    assert_non_null(strstr(fixture->error.hint, arena_printf(fixture->arena,
                                                             "probe_test_function+%zu and "
                                                             "probe_test_function+%zu",
                                                             start, start + instruction_at(start))));
    uint64_t address = only_target(fixture, point(fixture, "u:%s:probe_test_function"), false)->address + start + 1;
    assert_true(expand(fixture, arena_printf(fixture->arena, "u:%s:0x%lx", self_path(), address), false) < 0);
    fixture->context.unsafe = true;
    only_target(fixture, text, false);
}

static void an_offset_outside_needs_unsafe(void **state) {
    struct fixture *fixture = *state;

    assert_true(expand(fixture, point(fixture, "u:%s:probe_test_function+4096"), false) < 0);
    assert_non_null(
        strstr(fixture->error.message, "Offset outside the function bounds ('probe_test_function' size is "));
    fixture->context.unsafe = true;
    fixture->targets.items.count = 0;
    assert_int_equal(expand(fixture, point(fixture, "u:%s:probe_test_function+16"), false), 0);
}

static void an_address_is_that_of_the_symbol_table(void **state) {
    struct fixture *fixture = *state;
    const struct probe_target *named = only_target(fixture, point(fixture, "u:%s:probe_test_other"), false);
    const char *text = arena_printf(fixture->arena, "u:%s:0x%lx", self_path(), named->address);
    const struct probe_target *target = only_target(fixture, text, false);

    assert_int_equal(target->offset, named->offset);
    assert_string_equal(target->symbol, "probe_test_other");
}

static void two_names_of_one_place_are_one_target(void **state) {
    struct fixture *fixture = *state;

    assert_int_equal(expand(fixture, point(fixture, "u:%s:probe_test_*"), false), 0);
    assert_int_equal(fixture->targets.items.count, 2);
    assert_string_equal(fixture->targets.items.data[0]->symbol, "probe_test_alias");
    assert_string_equal(fixture->targets.items.data[1]->symbol, "probe_test_other");
}

static void the_target_process_names_the_file(void **state) {
    struct fixture *fixture = *state;

    fixture->context.pid = getpid();
    const struct probe_target *target = only_target(fixture, "uprobe:probe_test_other", false);
    assert_string_equal(target->name, point(fixture, "uprobe:%s:probe_test_other"));
}

static void a_library_the_process_has_mapped(void **state) {
    struct fixture *fixture = *state;

    fixture->context.pid = getpid();
    assert_non_null(strstr(only_target(fixture, "u:libc:malloc", false)->path, "libc.so"));
}

static void quotes_keep_colons_together(void **state) {
    struct fixture *fixture = *state;
    const char *link = arena_printf(fixture->arena, "%s/a:b", fixture->directory);

    assert_int_equal(symlink(self_path(), link), 0);
    const struct probe_target *target =
        only_target(fixture, arena_printf(fixture->arena, "u:\"%s\":probe_test_other", link), false);
    assert_string_equal(target->symbol, "probe_test_other");
}

static void a_path_with_a_star(void **state) {
    struct fixture *fixture = *state;
    char *name = arena_strdup(fixture->arena, self_path());

    name[strlen(name) - 1] = '*';
    assert_int_equal(expand(fixture, arena_printf(fixture->arena, "u:%s:probe_test_other", name), false), 0);
    assert_true(fixture->targets.items.count >= 1);
    for (uint32_t i = 0; i < fixture->targets.items.count; i++)
        assert_string_equal(fixture->targets.items.data[i]->symbol, "probe_test_other");
}

static void wrong_uprobes_are_refused(void **state) {
    struct fixture *fixture = *state;

    expect_error(fixture, "uprobe:/no/such/file:f",
                 "uprobe target file '/no/such/file' does not exist or is not executable", "/no/such/file", NULL);
    expect_error(fixture, point(fixture, "u:%s:probe_test_othr"),
                 point(fixture, "No matches for uprobe %s:probe_test_othr."), "probe_test_othr", NULL);
    assert_non_null(strstr(fixture->error.hint, "probe_test_other"));
    expect_error(fixture, "u:f", "uprobe probe type requires 2 or 3 arguments, found 1", "",
                 "write uprobe:BINARY:FUNCTION, uprobe:BINARY@FILE:LINE or uprobe:BINARY:cpp:\"NAME\"");
    expect_error(fixture, "u:/bin/sh:main:3", "uprobe probe type requires a binary and a function", "main", NULL);
    expect_error(fixture, "ur:/bin/sh:main+4", "uretprobe can not have an offset: a function returns once", "main+4",
                 "use uprobe for a place inside a function");
    expect_error(fixture, "u:/bin/sh:main+x", "uprobe: 'x' is not an offset", "main+x", NULL);
    expect_error(fixture, "u:/bin/sh:", "uprobe needs a function name or an address", "", NULL);
    put_file(fixture->directory, "text", "no ELF");
    assert_true(expand(fixture, arena_printf(fixture->arena, "u:%s/text:f", fixture->directory), false) < 0);
    assert_non_null(strstr(fixture->error.message, "can not be read: "));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_function_by_name),
        TEST(the_return_of_a_function),
        TEST(an_offset_moves_the_place),
        TEST(an_offset_inside_of_an_instruction_needs_unsafe),
        TEST(an_offset_outside_needs_unsafe),
        TEST(an_address_is_that_of_the_symbol_table),
        TEST(two_names_of_one_place_are_one_target),
        TEST(the_target_process_names_the_file),
        TEST(a_library_the_process_has_mapped),
        TEST(quotes_keep_colons_together),
        TEST(a_path_with_a_star),
        TEST(wrong_uprobes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
