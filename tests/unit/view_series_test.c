/* tseries: the graph and the JSON array, and what becomes of the values of several CPUs. */
#include "view_test.h"
#include <stdlib.h>
#include <time.h>

enum { MOST = 32 };
#define MS 1000000u

struct slot {
    uint64_t epoch;
    int64_t value;
    uint64_t meta;
};

static void put(struct slot *series, uint32_t count, uint64_t epoch, int64_t value) {
    series[epoch % count] = (struct slot){epoch + 1, value, 1};
}

static const struct type *series_type(struct view_fixture *fixture, uint64_t interval, uint32_t count) {
    return type_tseries(fixture->arena, interval, count, TYPE_FOLD_LAST, true);
}

static void check(enum view_format format, uint64_t interval, uint32_t count, const int64_t *pairs, const char *text) {
    struct view_fixture fixture;
    struct slot series[MOST] = {{0}};

    view_fixture_open(&fixture, format);
    for (; pairs[0] >= 0; pairs += 2)
        put(series, count, (uint64_t)pairs[0], pairs[1]);
    struct view_map map = {"@", NULL, series_type(&fixture, interval, count), 1, NULL, (const void *const[]){series}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture), text);
    view_fixture_close(&fixture);
}

static void graph_has_a_line_for_each_interval(void **state) {
    (void)state;
    check(VIEW_TEXT, 500 * MS, 4, (const int64_t[]){1, -5, 2, 0, 3, 5, -1},
          "@:\n"
          "             -5                                                  5\n"
          "hh:mm:ss.ms  |___________________________________________________|\n"
          "00:00:00.500 *                         .                         | -5\n"
          "00:00:01.000 |                         *                         | 0\n"
          "00:00:01.500 |                         .                         * 5\n"
          "             v___________________________________________________v\n"
          "             -5                                                  5\n\n");
}

static void interval_without_a_value_is_a_dash(void **state) {
    (void)state;
    check(VIEW_TEXT, 1000 * MS, 4, (const int64_t[]){1, 10, 3, 20, -1},
          "@:\n"
          "         10                                                 20\n"
          "hh:mm:ss |___________________________________________________|\n"
          "00:00:01 *                                                   | 10\n"
          "00:00:02 |                                                   | -\n"
          "00:00:03 |                                                   * 20\n"
          "         v___________________________________________________v\n"
          "         10                                                 20\n\n");
}

static void values_that_are_equal_stand_in_the_middle(void **state) {
    (void)state;
    check(VIEW_TEXT, 1, 4, (const int64_t[]){1000001, 9, -1},
          "@:\n"
          "                   8                                                  10\n"
          "hh:mm:ss.ns        |___________________________________________________|\n"
          "00:00:00.001000001 |                         *                         | 9\n"
          "                   v___________________________________________________v\n"
          "                   8                                                  10\n\n");
    check(VIEW_TEXT, 1000, 4, (const int64_t[]){1000001, 9, 1000002, 9, -1},
          "@:\n"
          "                8                                                  10\n"
          "hh:mm:ss.us     |___________________________________________________|\n"
          "00:00:01.000001 |                         *                         | 9\n"
          "00:00:01.000002 |                         *                         | 9\n"
          "                v___________________________________________________v\n"
          "                8                                                  10\n\n");
}

static void old_rounds_are_not_shown(void **state) {
    (void)state;
    check(VIEW_JSON, 100 * MS, 4, (const int64_t[]){1, 7, 10, 8, -1}, /* 7..10 are kept */
          "{\"type\": \"tseries\", \"data\": {\"@\": [{\"interval_start\":\"1970-01-01 "
          "00:00:01.000000000\",\"value\":8}]}}\n");
}

static void nothing_is_no_data(void **state) {
    (void)state;
    check(VIEW_TEXT, 100 * MS, 4, (const int64_t[]){-1}, "@:\n<no data>\n");
    check(VIEW_JSON, 100 * MS, 4, (const int64_t[]){-1}, "{\"type\": \"tseries\", \"data\": {\"@\": []}}\n");
}

static void json_has_values_only(void **state) {
    (void)state;
    check(VIEW_JSON, 500 * MS, 4, (const int64_t[]){1, -5, 3, 6, -1},
          "{\"type\": \"tseries\", \"data\": {\"@\": [{\"interval_start\":\"1970-01-01 "
          "00:00:00.500000000\",\"value\":-5},"
          "{\"interval_start\":\"1970-01-01 00:00:01.500000000\",\"value\":6}]}}\n");
}

/* The series of a map end together; each begins with its first value. */
static void series_of_a_map_end_together(void **state) {
    struct view_fixture fixture;
    struct slot one[4] = {{0}}, two[4] = {{0}};
    const int64_t keys[] = {1, 2};

    (void)state;
    view_fixture_open(&fixture, VIEW_TEXT);
    put(one, 4, 8, 3);
    put(two, 4, 7, 4);
    put(two, 4, 10, 6);
    struct view_map map = {"@",
                           type_int(64, true),
                           series_type(&fixture, 1000 * MS, 4),
                           2,
                           (const void *const[]){&keys[0], &keys[1]},
                           (const void *const[]){one, two}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture),
                        "@[1]:\n"
                        "         2                                                   4\n"
                        "hh:mm:ss |___________________________________________________|\n"
                        "00:00:08 |                         *                         | 3\n"
                        "00:00:09 |                                                   | -\n"
                        "00:00:10 |                                                   | -\n"
                        "         v___________________________________________________v\n"
                        "         2                                                   4\n\n"
                        "@[2]:\n"
                        "         4                                                   6\n"
                        "hh:mm:ss |___________________________________________________|\n"
                        "00:00:07 *                                                   | 4\n"
                        "00:00:08 |                                                   | -\n"
                        "00:00:09 |                                                   | -\n"
                        "00:00:10 |                                                   * 6\n"
                        "         v___________________________________________________v\n"
                        "         4                                                   6\n\n");
    view_fixture_close(&fixture);
}

static void scale_ends_where_numbers_end(void **state) {
    struct view_fixture fixture;
    struct slot series[1] = {{2, 0, 1}};

    (void)state;
    view_fixture_open(&fixture, VIEW_TEXT);
    struct view_map map = {"@", NULL, type_tseries(fixture.arena, 1000 * MS, 1, TYPE_FOLD_LAST, false),
                           1,   NULL, (const void *const[]){series}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    series[0].value = -1;
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    const char *text = view_fixture_text(&fixture);
    assert_non_null(strstr(text, "00:00:01.000000000 *                                                   | 0\n"));
    assert_non_null(strstr(
        text, "00:00:01.000000000 |                                                   * 18446744073709551615\n"));
    view_fixture_close(&fixture);
}

struct reduction {
    enum type_fold fold;
    struct slot cpus[3], result;
};

static void cpus_are_added_up_within_an_interval(void **state) {
    static const struct reduction cases[] = {
        {TYPE_FOLD_LAST, {{5, 1, 100}, {5, 2, 300}, {5, 3, 200}}, {5, 2, 300}},
        {TYPE_FOLD_LAST, {{5, 1, 100}, {1, 2, 900}, {0, 3, 999}}, {5, 1, 100}}, /* of an older round, never used */
        {TYPE_FOLD_SUM, {{5, 1, 0}, {5, -2, 0}, {5, 30, 0}}, {5, 29, 0}},
        {TYPE_FOLD_AVG, {{5, 1, 1}, {5, 4, 2}, {4, 30, 9}}, {5, 5, 3}},
        {TYPE_FOLD_MIN, {{5, 1, 1}, {5, -4, 1}, {5, 3, 1}}, {5, -4, 1}},
        {TYPE_FOLD_MAX, {{5, 1, 1}, {5, -4, 1}, {6, -30, 1}}, {6, -30, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena *arena = arena_new();
        struct slot out;
        const struct type *type = type_tseries(arena, 1, 1, cases[i].fold, true);
        view_reduce(type, cases[i].cpus, sizeof(struct slot), 3, &out);
        assert_memory_equal(&out, &cases[i].result, sizeof out);
        arena_free(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_has_a_line_for_each_interval),
        cmocka_unit_test(interval_without_a_value_is_a_dash),
        cmocka_unit_test(values_that_are_equal_stand_in_the_middle),
        cmocka_unit_test(old_rounds_are_not_shown),
        cmocka_unit_test(nothing_is_no_data),
        cmocka_unit_test(json_has_values_only),
        cmocka_unit_test(series_of_a_map_end_together),
        cmocka_unit_test(scale_ends_where_numbers_end),
        cmocka_unit_test(cpus_are_added_up_within_an_interval),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
