/* Tables on disk: they come back as they were, and nothing damaged is believed. */
#include "unit.h"

#include "unwind/cache.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const library = "/lib/x86_64-linux-gnu/libc.so.6";

static struct unwind_table *build(void) {
    const char *reason;
    struct object_elf *elf = object_elf_open(library, &reason);
    struct unwind_table *table = elf ? unwind_table_build(elf, &reason) : NULL;

    object_elf_close(elf);
    return table;
}

static void assert_equal(const struct unwind_table *a, const struct unwind_table *b) {
    assert_int_equal(a->page_count, b->page_count);
    assert_int_equal(a->row_count, b->row_count);
    assert_int_equal(a->rule_count, b->rule_count);
    assert_int_equal(a->function_count, b->function_count);
    assert_memory_equal(a->page_start, b->page_start, 4 * (a->page_count + 1));
    assert_memory_equal(a->rows, b->rows, 4 * a->row_count);
    assert_memory_equal(a->rules, b->rules, sizeof *a->rules * a->rule_count);
    assert_memory_equal(a->functions, b->functions, 4 * a->function_count);
}

static void test_form(void **state) {
    struct unwind_table *table = build(), *again;
    size_t size;
    (void)state;

    if (!table)
        skip();
    char *bytes = unwind_table_to_bytes(table, &size);
    again = unwind_table_from_bytes(bytes, size);
    assert_non_null(again);
    assert_equal(table, again);
    unwind_table_free(again);
    assert_null(unwind_table_from_bytes(bytes, size - 4));
    assert_null(unwind_table_from_bytes(bytes, 20));
    for (size_t at = 0; at < size; at += 1 + size / 500) { /* a changed bit anywhere */
        bytes[at] ^= 4;
        again = unwind_table_from_bytes(bytes, size);
        assert_true(!again || (at >= 28 && at < 40)); /* but in what is not used, and where the first page is */
        unwind_table_free(again);
        bytes[at] ^= 4;
    }
    free(bytes);
    unwind_table_free(table);
}

static unsigned count_files(const char *path) {
    DIR *directory = opendir(path);
    unsigned count = 0;

    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void damage(const char *directory) {
    char path[600];
    DIR *entries = opendir(directory);

    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            assert_int_equal(truncate(path, 100), 0);
        }
    closedir(entries);
}

static void test_directory(void **state) {
    char path[] = "/tmp/unwind-cache-XXXXXX", command[64];
    const char *reason;
    struct object_elf *elf = object_elf_open(library, &reason);
    struct unwind_table *table = build();
    (void)state;

    if (!table)
        skip();
    assert_non_null(mkdtemp(path));
    struct unwind_cache cache = unwind_cache_open(path);
    assert_true(cache.directory >= 0);
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            damage(path);
        struct unwind_table *kept = unwind_cache_table(&cache, elf, &reason);
        assert_non_null(kept);
        assert_equal(table, kept);
        assert_int_equal(count_files(path), 1);
        unwind_table_free(kept);
    }
    unwind_cache_close(&cache);
    assert_int_equal(chmod(path, 0777), 0); /* others may write */
    cache = unwind_cache_open(path);
    assert_int_equal(cache.directory, -1);
    struct unwind_table *made = unwind_cache_table(&cache, elf, &reason);
    assert_non_null(made);
    unwind_table_free(made);
    object_elf_close(elf);
    unwind_table_free(table);
    snprintf(command, sizeof command, "rm -rf %s", path);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_form), cmocka_unit_test(test_directory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
