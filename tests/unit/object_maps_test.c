/* The mappings of a process, and the names its JIT compiler tells. */
#include "object/maps.h"
#include "object/perfmap.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

static struct object_maps parse_text(struct arena *arena, const char *text, bool only_executable) {
    struct object_maps maps;
    object_maps_parse(arena, text, strlen(text), only_executable, &maps);
    return maps;
}

static void reads_all_parts_of_a_line(void **state) {
    struct object_maps maps =
        parse_text(*state, "7f1000-7f3000 r-xp 00002000 fd:1a 1234                      /usr/lib/a b.so\n", false);
    assert_int_equal(maps.count, 1);
    assert_int_equal(maps.items[0].start, 0x7f1000);
    assert_int_equal(maps.items[0].end, 0x7f3000);
    assert_int_equal(maps.items[0].file_offset, 0x2000);
    assert_int_equal(maps.items[0].device_major, 0xfd);
    assert_int_equal(maps.items[0].device_minor, 0x1a);
    assert_int_equal(maps.items[0].inode, 1234);
    assert_true(maps.items[0].is_executable);
    assert_false(maps.items[0].is_deleted);
    assert_string_equal(maps.items[0].path, "/usr/lib/a b.so");
}

static void deleted_file_is_marked(void **state) {
    struct object_maps maps = parse_text(*state, "1000-2000 r--p 0 0:0 1 /tmp/x (deleted)\n", false);
    assert_true(maps.items[0].is_deleted);
    assert_string_equal(maps.items[0].path, "/tmp/x");
}

static void newline_in_a_path_is_decoded(void **state) {
    struct object_maps maps = parse_text(*state, "1000-2000 r--p 0 0:0 1 /tmp/a\\012b\\9\n", false);
    assert_string_equal(maps.items[0].path, "/tmp/a\nb\\9");
}

static void anonymous_memory_has_an_empty_path(void **state) {
    struct object_maps maps = parse_text(*state, "1000-2000 rw-p 00000000 00:00 0 \n", false);
    assert_string_equal(maps.items[0].path, "");
}

static void code_alone_is_kept_when_asked(void **state) {
    struct object_maps maps = parse_text(*state, "1000-2000 r--p 0 0:0 1 /x\n2000-3000 r-xp 0 0:0 1 /x\n", true);
    assert_int_equal(maps.count, 1);
    assert_int_equal(maps.items[0].start, 0x2000);
}

static void address_finds_its_mapping(void **state) {
    struct object_maps maps = parse_text(*state, "1000-2000 r--p 0 0:0 1 /x\n3000-4000 r-xp 0 0:0 1 /y\n", false);
    assert_ptr_equal(object_maps_at(&maps, 0x1fff), &maps.items[0]);
    assert_null(object_maps_at(&maps, 0x2000));
    assert_ptr_equal(object_maps_at(&maps, 0x3000), &maps.items[1]);
    assert_null(object_maps_at(&maps, 0xfff));
}

static void broken_map_lines_are_skipped(void **state) {
    struct object_maps maps = parse_text(*state,
                                         "\n-\n2000-1000 r-xp 0 0:0 1 /x\n10000000000000000-2 r-xp 0 0:0 1 /x\n"
                                         "1000-2000 r-x\n1000-2000 r-xp 0 00 1\n5000-6000 r-xp 0 0:0 1",
                                         false);
    assert_int_equal(maps.count, 1);
    assert_int_equal(maps.items[0].start, 0x5000);
}

static void own_mappings_hold_this_function(void **state) {
    struct object_maps maps;
    assert_int_equal(object_maps_read(*state, getpid(), true, &maps), 0);
    const struct object_map *map = object_maps_at(&maps, (uint64_t)own_mappings_hold_this_function);
    assert_non_null(map);
    assert_int_equal(map->path[0], '/');
}

/* Perf maps. */

static struct object_perfmap *perfmap(const char *text) { return object_perfmap_from_bytes(text, strlen(text)); }

static void jit_name_is_found_in_its_range(void **state) {
    uint64_t start = 0;
    (void)state;
    struct object_perfmap *map = perfmap("2000 10 later\n1000 20 a name with blanks\n0x3000 0x8 prefixed");
    assert_string_equal(object_perfmap_at(map, 0x101f, &start), "a name with blanks");
    assert_int_equal(start, 0x1000);
    assert_null(object_perfmap_at(map, 0x1020, &start));
    assert_string_equal(object_perfmap_at(map, 0x3007, &start), "prefixed");
    object_perfmap_close(map);
}

static void later_line_for_one_place_wins(void **state) {
    uint64_t start;
    (void)state;
    struct object_perfmap *map = perfmap("1000 20 old\n1000 10 new\n");
    assert_string_equal(object_perfmap_at(map, 0x1000, &start), "new");
    assert_int_equal(object_perfmap_count(map), 1);
    object_perfmap_close(map);
}

static void broken_perf_lines_are_skipped(void **state) {
    (void)state;
    struct object_perfmap *map = perfmap("x\n1000\n1000 \n1000 10\n1000 10 \n1000 0 empty\nffffffffffffffff 2 wraps\n");
    assert_int_equal(object_perfmap_count(map), 0);
    object_perfmap_close(map);
}

static const char *write_perfmap(char path[32]) {
    strcpy(path, "/tmp/object_perfmap_XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "1000 10 f\n", 10), 10);
    close(fd);
    return path;
}

static void perf_map_of_its_owner_is_read(void **state) {
    char path[32];
    int error = 1;
    (void)state;
    struct object_perfmap *map = object_perfmap_open(write_perfmap(path), getuid(), &error);
    unlink(path);
    assert_non_null(map);
    assert_int_equal(error, 0);
    object_perfmap_close(map);
}

static void perf_map_behind_a_link_is_refused(void **state) {
    char path[32], link[40];
    int error = 0;
    (void)state;
    strcpy(link, write_perfmap(path));
    strcat(link, ".l");
    assert_int_equal(symlink(path, link), 0);
    struct object_perfmap *map = object_perfmap_open(link, getuid(), &error);
    unlink(link);
    unlink(path);
    assert_null(map);
    assert_int_equal(error, -ELOOP);
}

static void perf_map_of_a_stranger_is_refused(void **state) {
    char path[32];
    int error = 0;
    (void)state;
    if (getuid() != 0)
        skip(); /* only root can give a file away */
    assert_int_equal(chown(write_perfmap(path), 12345, (gid_t)-1), 0);
    struct object_perfmap *map = object_perfmap_open(path, 54321, &error);
    unlink(path);
    assert_null(map);
    assert_int_equal(error, -EPERM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_all_parts_of_a_line),
        TEST(deleted_file_is_marked),
        TEST(newline_in_a_path_is_decoded),
        TEST(anonymous_memory_has_an_empty_path),
        TEST(code_alone_is_kept_when_asked),
        TEST(address_finds_its_mapping),
        TEST(broken_map_lines_are_skipped),
        TEST(own_mappings_hold_this_function),
        cmocka_unit_test(jit_name_is_found_in_its_range),
        cmocka_unit_test(later_line_for_one_place_wins),
        cmocka_unit_test(broken_perf_lines_are_skipped),
        cmocka_unit_test(perf_map_of_its_owner_is_read),
        cmocka_unit_test(perf_map_behind_a_link_is_refused),
        cmocka_unit_test(perf_map_of_a_stranger_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
