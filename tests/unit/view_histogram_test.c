#include "view_test.h"

#define FULL "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
#define HALF "@@@@@@@@@@@@@@@@@@@@@@@@@@                          "
#define NONE "                                                    "

enum { MOST_BUCKETS = TYPE_HIST_BUCKETS(3) };

static void fill_hist(uint64_t *buckets, uint32_t bits, const int64_t *values, uint32_t count) {
    memset(buckets, 0, MOST_BUCKETS * sizeof *buckets);
    for (uint32_t i = 0; i < count; i++)
        buckets[type_hist_bucket(values[i], bits)]++;
}

static void check(enum view_format format, const struct type *type, const uint64_t *buckets, uint32_t div,
                  const char *text) {
    struct view_fixture fixture;
    struct view_map map = {"@", NULL, type, 1, NULL, (const void *const[]){buckets}};

    view_fixture_open(&fixture, format);
    view_print_map(&fixture.view, &map, &(struct view_map_options){.div = div});
    assert_string_equal(view_fixture_text(&fixture), text);
    view_fixture_close(&fixture);
}

static void check_hist(enum view_format format, uint32_t bits, const int64_t *values, uint32_t count, uint32_t div,
                       const char *text) {
    uint64_t buckets[MOST_BUCKETS];
    struct arena *arena = arena_new();

    fill_hist(buckets, bits, values, count);
    check(format, type_hist(arena, bits), buckets, div, text);
    arena_free(arena);
}

#define CHECK_HIST(format, bits, div, text, ...)                                                                       \
    check_hist(format, bits, (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / 8, div, text)

static void negative_values_and_gaps(void **state) {
    (void)state;
    CHECK_HIST(VIEW_TEXT, 0, 0,
               "@:\n"
               "(..., 0)               1 |" HALF "|\n"
               "[0]                    0 |" NONE "|\n"
               "[1]                    0 |" NONE "|\n"
               "[2, 4)                 2 |" FULL "|\n"
               "[4, 8)                 1 |" HALF "|\n"
               "\n",
               -1, 2, 3, 4);
}

static void powers_of_1024_have_letters(void **state) {
    (void)state;
    CHECK_HIST(VIEW_TEXT, 0, 0,
               "@:\n"
               "[512, 1K)              1 |" FULL "|\n"
               "[1K, 2K)               1 |" FULL "|\n"
               "\n",
               1000, 1024);
    CHECK_HIST(VIEW_TEXT, 0, 0, "@:\n[512K, 1M)             1 |" FULL "|\n\n", 1 << 19);
    CHECK_HIST(VIEW_TEXT, 0, 0, "@:\n[1G, 2G)               1 |" FULL "|\n\n", 1 << 30);
    CHECK_HIST(VIEW_TEXT, 0, 0, "@:\n[4E, 8E)               1 |" FULL "|\n\n", INT64_MAX);
}

static void finer_buckets(void **state) {
    (void)state;
    CHECK_HIST(VIEW_TEXT, 3, 0,
               "@:\n"
               "[15]                   1 |" FULL "|\n"
               "[16, 18)               1 |" FULL "|\n"
               "\n",
               15, 17);
    CHECK_HIST(VIEW_TEXT, 3, 0, "@:\n[8K, 9K)               1 |" FULL "|\n\n", 8192);
    CHECK_HIST(VIEW_TEXT, 3, 0, "@:\n[1024, 1152)           1 |" FULL "|\n\n", 1024);
}

static void div_divides_counts(void **state) {
    (void)state;
    CHECK_HIST(VIEW_TEXT, 0, 2,
               "@:\n"
               "[1]                    2 |" FULL "|\n"
               "[2, 4)                 0 |" NONE "|\n"
               "\n",
               1, 1, 1, 1, 2);
    CHECK_HIST(VIEW_TEXT, 0, 5, "@:\n[1]                    0 |" NONE "|\n\n", 1);
}

static void zeroed_histogram_is_an_empty_block(void **state) {
    uint64_t buckets[MOST_BUCKETS] = {0};
    struct arena *arena = arena_new();

    (void)state;
    check(VIEW_TEXT, type_hist(arena, 0), buckets, 0, "@:\n\n");
    check(VIEW_JSON, type_hist(arena, 0), buckets, 0, "{\"type\": \"hist\", \"data\": {\"@\": []}}\n");
    arena_free(arena);
}

static void json_bounds_are_inclusive(void **state) {
    (void)state;
    CHECK_HIST(VIEW_JSON, 0, 0, "{\"type\": \"hist\", \"data\": {\"@\": [{\"min\": 2, \"max\": 3, \"count\": 1}]}}\n",
               2);
    CHECK_HIST(VIEW_JSON, 0, 0,
               "{\"type\": \"hist\", \"data\": {\"@\": [{\"max\": -1, \"count\": 1},{\"min\": 0, \"max\": 0, "
               "\"count\": 1}]}}\n",
               -1, 0);
}

static void keyed_histograms_order_by_total(void **state) {
    uint64_t many[MOST_BUCKETS], few[MOST_BUCKETS];
    struct view_fixture fixture;

    (void)state;
    fill_hist(many, 0, (const int64_t[]){1, 1}, 2);
    fill_hist(few, 0, (const int64_t[]){100}, 1);
    view_fixture_open(&fixture, VIEW_TEXT);
    struct view_map map = {"@",
                           type_string(fixture.arena, 16),
                           type_hist(fixture.arena, 0),
                           2,
                           (const void *const[]){"bpftrace\0.......", "curl\0..........."},
                           (const void *const[]){many, few}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture), "@[curl]:\n"
                                                     "[64, 128)              1 |" FULL "|\n"
                                                     "\n"
                                                     "@[bpftrace]:\n"
                                                     "[1]                    2 |" FULL "|\n"
                                                     "\n");
    view_fixture_close(&fixture);
}

static void keyed_histograms_in_json(void **state) {
    uint64_t buckets[MOST_BUCKETS];
    struct view_fixture fixture;

    (void)state;
    fill_hist(buckets, 0, (const int64_t[]){20}, 1);
    view_fixture_open(&fixture, VIEW_JSON);
    struct view_map map = {"@",
                           type_int(64, true),
                           type_hist(fixture.arena, 0),
                           2,
                           (const void *const[]){VIEW_I64(3), VIEW_I64(2)},
                           (const void *const[]){buckets, buckets}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture),
                        "{\"type\": \"hist\", \"data\": {\"@\": {\"2\": [{\"min\": 16, \"max\": 31, \"count\": 1}], "
                        "\"3\": [{\"min\": 16, \"max\": 31, \"count\": 1}]}}}\n");
    view_fixture_close(&fixture);
}

/* --- lhist --- */

static void check_lhist(enum view_format format, int64_t min, int64_t max, int64_t step, const uint64_t *buckets,
                        const char *text) {
    struct arena *arena = arena_new();

    check(format, type_lhist(arena, min, max, step), buckets, 10, text);
    arena_free(arena);
}

static void linear_under_and_overflow(void **state) {
    static const uint64_t buckets[] = {1, 0, 2, 1, 0, 0, 1};

    (void)state;
    check_lhist(VIEW_TEXT, 0, 10, 2, buckets,
                "@:\n"
                "(..., 0)               1 |" HALF "|\n"
                "[0, 2)                 0 |" NONE "|\n"
                "[2, 4)                 2 |" FULL "|\n"
                "[4, 6)                 1 |" HALF "|\n"
                "[6, 8)                 0 |" NONE "|\n"
                "[8, 10)                0 |" NONE "|\n"
                "[10, ...)              1 |" HALF "|\n"
                "\n");
}

static void linear_steps_of_one_and_negative_bounds(void **state) {
    static const uint64_t buckets[] = {0, 1, 1, 0, 0};

    (void)state;
    check_lhist(VIEW_TEXT, -2, 1, 1, buckets,
                "@:\n"
                "[-2]                   1 |" FULL "|\n"
                "[-1]                   1 |" FULL "|\n"
                "\n");
}

static void linear_steps_of_1024_have_letters(void **state) {
    static const uint64_t buckets[] = {0, 1, 0, 0, 1};

    (void)state;
    check_lhist(VIEW_TEXT, 0, 3 << 20, 1 << 20, buckets,
                "@:\n"
                "[0, 1M)                1 |" FULL "|\n"
                "[1M, 2M)               0 |" NONE "|\n"
                "[2M, 3M)               0 |" NONE "|\n"
                "[3M, ...)              1 |" FULL "|\n"
                "\n");
    check_lhist(VIEW_TEXT, 512, 512 + 3 * 1024, 1024, buckets,
                "@:\n"
                "[512, 1536)            1 |" FULL "|\n"
                "[1536, 2560)           0 |" NONE "|\n"
                "[2560, 3584)           0 |" NONE "|\n"
                "[3584, ...)            1 |" FULL "|\n"
                "\n");
}

static void linear_json_leaves_the_open_side_out(void **state) {
    static const uint64_t buckets[] = {1, 1, 3};

    (void)state;
    check_lhist(VIEW_JSON, 0, 10, 10, buckets,
                "{\"type\": \"hist\", \"data\": {\"@\": [{\"max\": -1, \"count\": 1},"
                "{\"min\": 0, \"max\": 9, \"count\": 1},{\"min\": 10, \"count\": 3}]}}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(negative_values_and_gaps),
        cmocka_unit_test(powers_of_1024_have_letters),
        cmocka_unit_test(finer_buckets),
        cmocka_unit_test(div_divides_counts),
        cmocka_unit_test(zeroed_histogram_is_an_empty_block),
        cmocka_unit_test(json_bounds_are_inclusive),
        cmocka_unit_test(keyed_histograms_order_by_total),
        cmocka_unit_test(keyed_histograms_in_json),
        cmocka_unit_test(linear_under_and_overflow),
        cmocka_unit_test(linear_steps_of_one_and_negative_bounds),
        cmocka_unit_test(linear_steps_of_1024_have_letters),
        cmocka_unit_test(linear_json_leaves_the_open_side_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
