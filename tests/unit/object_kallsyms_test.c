#include "object/kallsyms.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char text[] = "ffffffff81000000 T _text\n"
                           "ffffffff81000010 t __pfx_one\n"
                           "ffffffff81000020 t one\n"
                           "ffffffff81000020 W alias\n"
                           "ffffffff81000100 t two\n"
                           "ffffffff82000000 D some_data\n"
                           "ffffffffc0000000 t read_it\t[xfs]\n";

static struct object_kallsyms *load_text(const char *from) {
    int error;
    return object_kallsyms_from_bytes(from, strlen(from), &error);
}

static int set_up(void **state) {
    *state = load_text(text);
    return *state ? 0 : -1;
}

static int tear_down(void **state) {
    object_kallsyms_free(*state);
    return 0;
}

static void address_belongs_to_the_function_before_it(void **state) {
    struct object_kernel_symbol symbol;
    assert_true(object_kallsyms_at(*state, 0xffffffff81000105, &symbol));
    assert_string_equal(symbol.name, "two");
    assert_int_equal(symbol.address, 0xffffffff81000100);
    assert_null(symbol.module);
}

static void first_of_two_names_answers(void **state) {
    struct object_kernel_symbol symbol;
    assert_true(object_kallsyms_at(*state, 0xffffffff81000021, &symbol));
    assert_string_equal(symbol.name, "one");
}

static void module_is_named_without_brackets(void **state) {
    struct object_kernel_symbol symbol;
    assert_true(object_kallsyms_by_name(*state, "read_it", &symbol));
    assert_string_equal(symbol.module, "xfs");
}

static void data_and_padding_are_no_functions(void **state) {
    struct object_kernel_symbol symbol;
    assert_false(object_kallsyms_by_name(*state, "some_data", &symbol));
    assert_false(object_kallsyms_by_name(*state, "__pfx_one", &symbol));
}

static void part_of_a_name_is_not_found(void **state) {
    struct object_kernel_symbol symbol;
    assert_false(object_kallsyms_by_name(*state, "ne", &symbol));
    assert_false(object_kallsyms_by_name(*state, "", &symbol));
}

static void addresses_outside_have_no_name(void **state) {
    struct object_kernel_symbol symbol;
    assert_false(object_kallsyms_at(*state, 0x1000, &symbol));
    assert_false(object_kallsyms_at(*state, 0xffffffff90000000, &symbol));
    assert_false(object_kallsyms_at(*state, UINT64_MAX, &symbol));
}

static void unsorted_text_is_sorted(void **state) {
    struct object_kernel_symbol symbol;
    (void)state;
    struct object_kallsyms *table = load_text("2000 T b\n1000 T a\n");
    assert_true(object_kallsyms_at(table, 0x1001, &symbol));
    assert_string_equal(symbol.name, "a");
    object_kallsyms_free(table);
}

static void hidden_addresses_are_an_error(void **state) {
    static const char hidden[] = "0000000000000000 T _text\n";
    int error = 0;
    (void)state;
    assert_null(object_kallsyms_from_bytes(hidden, sizeof hidden - 1, &error));
    assert_int_equal(error, -EPERM);
}

static void broken_lines_are_skipped(void **state) {
    struct object_kernel_symbol symbol;
    (void)state;
    struct object_kallsyms *table =
        load_text("zzz\n11111111111111111 T much\n1000\n1000 T\n1000 T \n1000 T a\t[\n2000 t b");
    assert_true(object_kallsyms_by_name(table, "a", &symbol));
    assert_null(symbol.module);
    assert_true(object_kallsyms_by_name(table, "b", &symbol));
    assert_false(object_kallsyms_by_name(table, "much", &symbol));
    object_kallsyms_free(table);
}

static void streaming_finds_names_of_any_type(void **state) {
    static const char *const names[] = {"some_data", "absent", "one"};
    char path[] = "/tmp/object_kallsyms_XXXXXX";
    uint64_t addresses[3];
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    int found = object_kallsyms_find(path, names, 3, addresses);
    unlink(path);
    assert_int_equal(found, 2);
    assert_int_equal(addresses[0], 0xffffffff82000000);
    assert_int_equal(addresses[1], 0);
    assert_int_equal(addresses[2], 0xffffffff81000020);
}

/* Lines that straddle the chunks the file is read in. */
static void long_file_is_read_whole(void **state) {
    char path[] = "/tmp/object_kallsyms_XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct object_kernel_symbol symbol;
    int error = 0, wrong = 0;
    (void)state;
    for (int i = 1; i <= 20000; i++)
        fprintf(file, "%016x t function_%d\n", i * 16, i);
    fclose(file);
    struct object_kallsyms *table = object_kallsyms_load(path, &error);
    unlink(path);
    assert_non_null(table);
    for (int i = 1; i <= 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "function_%d", i);
        wrong += !object_kallsyms_at(table, (uint64_t)i * 16 + 15, &symbol) || strcmp(symbol.name, name) != 0;
    }
    object_kallsyms_free(table);
    assert_int_equal(wrong, 0);
}

static void missing_file_is_an_error(void **state) {
    int error = 0;
    (void)state;
    assert_null(object_kallsyms_load("/nonexistent", &error));
    assert_int_equal(error, -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(address_belongs_to_the_function_before_it),
        TEST(first_of_two_names_answers),
        TEST(module_is_named_without_brackets),
        TEST(data_and_padding_are_no_functions),
        TEST(part_of_a_name_is_not_found),
        TEST(addresses_outside_have_no_name),
        cmocka_unit_test(unsorted_text_is_sorted),
        cmocka_unit_test(hidden_addresses_are_an_error),
        cmocka_unit_test(broken_lines_are_skipped),
        cmocka_unit_test(streaming_finds_names_of_any_type),
        cmocka_unit_test(long_file_is_read_whole),
        cmocka_unit_test(missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
