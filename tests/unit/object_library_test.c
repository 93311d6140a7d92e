/* Names of libraries and programs, in caches made by hand and below a root made for the test. */
#include "base/str.h"
#include "object/library.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__aarch64__)
enum { OUR_FLAGS = 0x0a03, OTHER_FLAGS = 0x0303 };
#else
enum { OUR_FLAGS = 0x0303, OTHER_FLAGS = 0x0a03 };
#endif

struct world {
    struct arena *arena;
    struct strbuf cache;
    char root[32];
};

struct entry {
    uint32_t flags, key, value, os;
    uint64_t hwcap;
};

struct cache {
    char magic[20];
    uint32_t count, strings_size, flags, extension, unused[3];
    struct entry entries[4];
    char strings[128];
};

enum { STRINGS = offsetof(struct cache, strings) };

static const struct cache good = {
    .magic = {'g', 'l', 'i', 'b', 'c', '-', 'l', 'd', '.', 's', 'o', '.', 'c', 'a', 'c', 'h', 'e', '1', '.', '1'},
    .count = 4,
    .strings = "libc.so.6\0/other/libc.so.6\0/fast/libc.so.6\0/lib/libc.so.6\0libssl.so.3\0/lib/libssl.so.3",
    .entries =
        {
            {OTHER_FLAGS, STRINGS, STRINGS + 10, 0, 0},
            {OUR_FLAGS, STRINGS, STRINGS + 27, 0, 1},
            {OUR_FLAGS, STRINGS, STRINGS + 43, 0, 0},
            {OUR_FLAGS, STRINGS + 58, STRINGS + 70, 0, 0},
        },
};

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof *world);

    world->arena = arena_new();
    strcpy(world->root, "/tmp/object_root_XXXXXX");
    *state = world;
    return mkdtemp(world->root) ? 0 : -1;
}

static int tear_down(void **state) {
    struct world *world = *state;
    char command[64];

    snprintf(command, sizeof command, "rm -rf '%s'", world->root);
    int result = system(command);
    arena_free(world->arena);
    strbuf_free(&world->cache);
    free(world);
    return result;
}

static const char *in_cache(struct world *world, const void *bytes, size_t size, const char *name) {
    return object_library_in_cache(world->arena, bytes, size, name);
}

static void make_folder(struct world *world, const char *path) {
    assert_int_equal(mkdir(arena_printf(world->arena, "%s%s", world->root, path), 0755), 0);
}

static void make_file(struct world *world, const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(arena_printf(world->arena, "%s%s", world->root, path), "w");
    assert_non_null(file);
    fwrite(bytes, 1, size, file);
    fchmod(fileno(file), 0755);
    fclose(file);
}

static void make_link(struct world *world, const char *path, const char *target) {
    assert_int_equal(symlink(target, arena_printf(world->arena, "%s%s", world->root, path)), 0);
}

static const char *below_root(struct world *world, const char *path) {
    return arena_printf(world->arena, "%s%s", world->root, path);
}

static void cache_knows_full_and_short_names(void **state) {
    assert_string_equal(in_cache(*state, &good, sizeof good, "libc.so.6"), "/lib/libc.so.6");
    assert_string_equal(in_cache(*state, &good, sizeof good, "libc"), "/lib/libc.so.6");
    assert_string_equal(in_cache(*state, &good, sizeof good, "c"), "/lib/libc.so.6");
    assert_string_equal(in_cache(*state, &good, sizeof good, "ssl"), "/lib/libssl.so.3");
    assert_null(in_cache(*state, &good, sizeof good, "lib"));
    assert_null(in_cache(*state, &good, sizeof good, "libcrypto"));
}

static void cache_behind_the_old_format_is_found(void **state) {
    struct world *world = *state;
    uint32_t old_count = 1;
    strbuf_add(&world->cache, "ld.so-1.7.0", 12);
    strbuf_add(&world->cache, &old_count, 4);
    strbuf_fill(&world->cache, 0, 16); /* one entry, rounded up to 8 */
    strbuf_add(&world->cache, &good, sizeof good);
    assert_string_equal(in_cache(world, world->cache.data, world->cache.length, "libc"), "/lib/libc.so.6");
}

static void broken_caches_know_nothing(void **state) {
    struct cache bad = good;
    assert_null(in_cache(*state, &good, 47, "libc"));
    assert_null(in_cache(*state, &good, sizeof good - sizeof good.strings, "libc"));
    assert_null(in_cache(*state, NULL, 0, "libc"));
    bad.entries[2].value = UINT32_MAX;
    bad.entries[1].key = UINT32_MAX;
    assert_null(in_cache(*state, &bad, sizeof bad, "libc"));
    bad = good;
    bad.count = UINT32_MAX;
    assert_string_equal(in_cache(*state, &bad, sizeof bad, "libc"), "/lib/libc.so.6");
    memset(bad.strings, 'x', sizeof bad.strings); /* no end of text */
    assert_null(in_cache(*state, &bad, sizeof bad, "libc"));
    assert_null(in_cache(*state, "ld.so-1.7.0\0\xff\xff\xff\xff", 16, "libc"));
}

static void absolute_link_stays_inside_the_root(void **state) {
    struct world *world = *state;
    make_folder(world, "/etc");
    make_file(world, "/etc/passwd", "inside", 6);
    make_link(world, "/link", "/etc/../../../etc/passwd");
    assert_string_equal(object_path_in_root(world->arena, world->root, "/link"), below_root(world, "/etc/passwd"));
}

static void relative_link_in_the_middle_is_followed(void **state) {
    struct world *world = *state;
    make_folder(world, "/usr");
    make_folder(world, "/usr/lib");
    make_file(world, "/usr/lib/x", "", 0);
    make_link(world, "/lib", "usr/lib");
    assert_string_equal(object_path_in_root(world->arena, world->root, "/lib/./x"), below_root(world, "/usr/lib/x"));
}

static void circle_of_links_is_no_path(void **state) {
    struct world *world = *state;
    make_link(world, "/a", "b");
    make_link(world, "/b", "a");
    assert_null(object_path_in_root(world->arena, world->root, "/a"));
}

static void library_below_a_root_comes_from_its_cache(void **state) {
    struct world *world = *state;
    const char *error = NULL;
    make_folder(world, "/etc");
    make_folder(world, "/lib");
    make_file(world, "/etc/ld.so.cache", &good, sizeof good);
    make_file(world, "/lib/libc.so.6", "", 0);
    assert_string_equal(object_library_resolve(world->arena, world->root, "libc", &error),
                        below_root(world, "/lib/libc.so.6"));
}

static void library_without_a_cache_comes_from_the_folders(void **state) {
    struct world *world = *state;
    const char *error = NULL;
    make_folder(world, "/lib");
    make_file(world, "/lib/libz.so.1", "", 0);
    assert_string_equal(object_library_resolve(world->arena, world->root, "libz", &error),
                        below_root(world, "/lib/libz.so.1"));
}

static void program_below_a_root_is_found(void **state) {
    struct world *world = *state;
    const char *error = NULL;
    make_folder(world, "/bin");
    make_file(world, "/bin/tool", "", 0);
    assert_string_equal(object_library_resolve(world->arena, world->root, "tool", &error),
                        below_root(world, "/bin/tool"));
}

static void program_is_searched_in_order(void **state) {
    struct world *world = *state;
    make_folder(world, "/one");
    make_folder(world, "/two");
    make_file(world, "/two/tool", "", 0);
    assert_string_equal(object_program_find(world->arena, world->root, "tool", "/none::/one:/two"),
                        below_root(world, "/two/tool"));
}

static void failures_name_the_target(void **state) {
    struct world *world = *state;
    const char *error = NULL;
    assert_null(object_library_resolve(world->arena, world->root, "nothing", &error));
    assert_string_equal(error, "'nothing' is neither a program in PATH nor a library");
    assert_null(object_library_resolve(world->arena, NULL, "/nonexistent/x", &error));
    assert_string_equal(error, "'/nonexistent/x' does not exist");
    assert_null(object_library_resolve(world->arena, NULL, "/tmp", &error));
    assert_string_equal(error, "'/tmp' is not a regular file");
    assert_null(object_library_resolve(world->arena, NULL, "", &error));
}

static void this_machine_has_a_shell(void **state) {
    struct world *world = *state;
    const char *error = NULL, *path = object_library_resolve(world->arena, NULL, "sh", &error);
    assert_non_null(path);
    assert_int_equal(access(path, X_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(cache_knows_full_and_short_names),
        TEST(cache_behind_the_old_format_is_found),
        TEST(broken_caches_know_nothing),
        TEST(absolute_link_stays_inside_the_root),
        TEST(relative_link_in_the_middle_is_followed),
        TEST(circle_of_links_is_no_path),
        TEST(library_below_a_root_comes_from_its_cache),
        TEST(library_without_a_cache_comes_from_the_folders),
        TEST(program_below_a_root_is_found),
        TEST(program_is_searched_in_order),
        TEST(failures_name_the_target),
        TEST(this_machine_has_a_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
