#include "view_test.h"

/* A map with one integer per key, the most common shape. */
struct counts {
    const char *const *names;
    const int64_t *values;
    uint32_t count;
};

enum { MOST = 8, NAME_BYTES = 16 };

static void print_names(struct view_fixture *fixture, const struct type *value, const struct counts *counts,
                        uint32_t words, uint32_t top, uint32_t div) {
    char names[MOST][NAME_BYTES] = {{0}};
    const void *keys[MOST], *values[MOST];

    for (uint32_t i = 0; i < counts->count; i++) {
        strcpy(names[i], counts->names[i]);
        keys[i] = names[i];
        values[i] = counts->values + (size_t)i * words;
    }
    struct view_map map = {"@", type_string(fixture->arena, NAME_BYTES), value, counts->count, keys, values};
    view_print_map(&fixture->view, &map, &(struct view_map_options){.top = top, .div = div});
}

static void check_names(enum view_format format, const struct type *value, const struct counts *counts, uint32_t words,
                        uint32_t top, uint32_t div, const char *text) {
    struct view_fixture fixture;

    view_fixture_open(&fixture, format);
    print_names(&fixture, value, counts, words, top, div);
    assert_string_equal(view_fixture_text(&fixture), text);
    view_fixture_close(&fixture);
}

static void check_map(enum view_format format, const struct view_map *map, const char *text) {
    struct view_fixture fixture;

    view_fixture_open(&fixture, format);
    view_print_map(&fixture.view, map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture), text);
    view_fixture_close(&fixture);
}

static void check_scalar(enum view_format format, const struct type *value, const void *bytes, const char *text) {
    struct view_map map = {"@x", NULL, value, 1, NULL, (const void *const[]){bytes}};

    check_map(format, &map, text);
}

static const struct counts four = {(const char *const[]){"b", "d", "a", "c"}, (const int64_t[]){2, 4, 1, 3}, 4};

static void scalar_is_one_line(void **state) {
    (void)state;
    check_scalar(VIEW_TEXT, type_int(64, true), VIEW_I64(5), "@x: 5\n");
    check_scalar(VIEW_JSON, type_int(64, true), VIEW_I64(5), "{\"type\": \"map\", \"data\": {\"@x\": 5}}\n");
}

static void scalar_that_was_never_set_is_zero(void **state) {
    struct view_map map = {.name = "@", .value = type_simple(TYPE_COUNT, false)};

    (void)state;
    check_map(VIEW_TEXT, &map, "@: 0\n");
    check_map(VIEW_JSON, &map, "{\"type\": \"map\", \"data\": {\"@\": 0}}\n");
}

static void histogram_that_was_never_set_prints_nothing(void **state) {
    struct arena *arena = arena_new();
    struct view_map map = {.name = "@", .value = type_hist(arena, 0)};

    (void)state;
    check_map(VIEW_TEXT, &map, "");
    arena_free(arena);
}

static void keyed_map_without_entries_prints_nothing(void **state) {
    struct view_map map = {.name = "@", .key = type_int(64, true), .value = type_int(64, true)};

    (void)state;
    check_map(VIEW_TEXT, &map, "");
    check_map(VIEW_JSON, &map, "");
}

static void numbers_ascend_by_value(void **state) {
    (void)state;
    check_names(VIEW_TEXT, type_int(64, true), &four, 1, 0, 0, "@[a]: 1\n@[b]: 2\n@[c]: 3\n@[d]: 4\n");
    check_names(VIEW_TEXT, type_simple(TYPE_COUNT, false), &four, 1, 0, 0, "@[a]: 1\n@[b]: 2\n@[c]: 3\n@[d]: 4\n");
    check_names(VIEW_JSON, type_int(64, true), &four, 1, 0, 0,
                "{\"type\": \"map\", \"data\": {\"@\": {\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4}}}\n");
}

static void sign_of_the_type_decides_the_order(void **state) {
    const struct counts two = {(const char *const[]){"a", "b"}, (const int64_t[]){1, -1}, 2};

    (void)state;
    check_names(VIEW_TEXT, type_int(64, true), &two, 1, 0, 0, "@[b]: -1\n@[a]: 1\n");
    check_names(VIEW_TEXT, type_int(64, false), &two, 1, 0, 0, "@[a]: 1\n@[b]: 18446744073709551615\n");
}

static void equal_values_are_in_key_order(void **state) {
    const struct counts three = {(const char *const[]){"c", "a", "b"}, (const int64_t[]){1, 1, 1}, 3};

    (void)state;
    check_names(VIEW_TEXT, type_int(64, true), &three, 1, 0, 0, "@[a]: 1\n@[b]: 1\n@[c]: 1\n");
}

static void top_prints_the_last(void **state) {
    (void)state;
    check_names(VIEW_TEXT, type_int(64, true), &four, 1, 2, 0, "@[c]: 3\n@[d]: 4\n");
    check_names(VIEW_TEXT, type_int(64, true), &four, 1, 10, 0, "@[a]: 1\n@[b]: 2\n@[c]: 3\n@[d]: 4\n");
    check_names(VIEW_JSON, type_int(64, true), &four, 1, 1, 0, "{\"type\": \"map\", \"data\": {\"@\": {\"d\": 4}}}\n");
}

static void check_options(const struct type *value, const struct view_map_options *options, const char *text) {
    static const char keys[][NAME_BYTES] = {"b", "d", "a", "c"};
    static const int64_t values[] = {2, -4, 2, 3};
    struct view_fixture fixture;

    view_fixture_open(&fixture, VIEW_TEXT);
    struct view_map map = {"@",
                           type_string(fixture.arena, NAME_BYTES),
                           value,
                           4,
                           (const void *const[]){keys[0], keys[1], keys[2], keys[3]},
                           (const void *const[]){&values[0], &values[1], &values[2], &values[3]}};
    view_print_map(&fixture.view, &map, options);
    assert_string_equal(view_fixture_text(&fixture), text);
    view_fixture_close(&fixture);
}

#define OPTIONS(...) (&(struct view_map_options){__VA_ARGS__})

static void options_choose_entries_and_order(void **state) {
    const struct type *number = type_int(64, true);

    (void)state;
    check_options(number, OPTIONS(.descending = true), "@[c]: 3\n@[a]: 2\n@[b]: 2\n@[d]: -4\n");
    check_options(number, OPTIONS(.sort = VIEW_SORT_KEY), "@[a]: 2\n@[b]: 2\n@[c]: 3\n@[d]: -4\n");
    check_options(number, OPTIONS(.sort = VIEW_SORT_KEY, .descending = true), "@[d]: -4\n@[c]: 3\n@[b]: 2\n@[a]: 2\n");
    check_options(number, OPTIONS(.limit = 2), "@[d]: -4\n@[a]: 2\n");
    check_options(number, OPTIONS(.limit = 2, .descending = true), "@[c]: 3\n@[a]: 2\n");
    check_options(number, OPTIONS(.top = 2), "@[b]: 2\n@[c]: 3\n");
    check_options(number, OPTIONS(.top = 2, .descending = true), "@[c]: 3\n@[a]: 2\n");
    check_options(number, OPTIONS(.top = 3, .limit = 1), "@[a]: 2\n");
    check_options(number, OPTIONS(.has_least = true, .least = 2), "@[a]: 2\n@[b]: 2\n@[c]: 3\n");
    check_options(number, OPTIONS(.has_least = true, .least = -9, .limit = 1), "@[d]: -4\n");
    check_options(number, OPTIONS(.has_least = true, .least = 4), "");
    check_options(type_int(64, false), OPTIONS(.has_least = true, .least = -1, .limit = 2), "@[a]: 2\n@[b]: 2\n");
    check_options(type_int(64, false), OPTIONS(.has_least = true, .least = 4), "@[d]: 18446744073709551612\n");
}

static void div_divides_values(void **state) {
    const struct counts two = {(const char *const[]){"a", "b"}, (const int64_t[]){-25, 99}, 2};

    (void)state;
    check_names(VIEW_TEXT, type_int(64, true), &two, 1, 0, 10, "@[a]: -2\n@[b]: 9\n");
}

static void div_of_stats_divides_the_average_only(void **state) {
    const struct counts one = {(const char *const[]){"a"}, (const int64_t[]){2, 40}, 1};

    (void)state;
    check_names(VIEW_TEXT, type_simple(TYPE_STATS, true), &one, 2, 0, 10,
                "@[a]: { .count = 2, .average = 2, .total = 40 }\n");
}

static void averages_order_by_average_and_are_stats_in_json(void **state) {
    const struct counts two = {(const char *const[]){"a", "b"}, (const int64_t[]){1, 30, 10, 200}, 2};

    (void)state;
    check_names(VIEW_TEXT, type_simple(TYPE_AVG, true), &two, 2, 0, 0, "@[b]: 20\n@[a]: 30\n");
    check_names(VIEW_JSON, type_simple(TYPE_AVG, true), &two, 2, 0, 10,
                "{\"type\": \"stats\", \"data\": {\"@\": {\"b\": 2, \"a\": 3}}}\n");
}

static void minimum_orders_as_unsigned(void **state) {
    const struct counts two = {(const char *const[]){"a", "b"}, (const int64_t[]){-5, 1, 7, 1}, 2};

    (void)state;
    check_names(VIEW_TEXT, type_simple(TYPE_MIN, true), &two, 2, 0, 0, "@[b]: 7\n@[a]: -5\n");
}

static void stats_have_their_json(void **state) {
    (void)state;
    check_scalar(VIEW_JSON, type_simple(TYPE_STATS, true), VIEW_I64(2, 12),
                 "{\"type\": \"stats\", \"data\": {\"@x\": {\"count\": 2, \"average\": 6, \"total\": 12}}}\n");
}

static void text_values_are_in_key_order_and_keys_compare_signed(void **state) {
    struct arena *arena = arena_new();
    struct view_map map = {"@",
                           type_int(64, false),
                           type_string(arena, 4),
                           3,
                           (const void *const[]){VIEW_I64(2), VIEW_I64(-1), VIEW_I64(1)},
                           (const void *const[]){"two", "max", "one"}};

    (void)state;
    check_map(VIEW_TEXT, &map, "@[18446744073709551615]: max\n@[1]: one\n@[2]: two\n");
    arena_free(arena);
}

struct pair {
    int64_t first;
    int64_t second[2];
};

static void parentheses_of_the_key_are_left_out(void **state) {
    struct arena *arena = arena_new();
    const struct type *inner = type_tuple(arena, (const struct type *[]){type_int(64, true), type_int(64, true)}, 2);
    const struct type *key = type_tuple(arena, (const struct type *[]){type_int(64, true), inner}, 2);
    struct view_map map = {"@a",
                           key,
                           type_int(64, true),
                           1,
                           (const void *const[]){&(struct pair){-1, {-2, 3}}},
                           (const void *const[]){VIEW_I64(10)}};

    (void)state;
    check_map(VIEW_TEXT, &map, "@a[-1, (-2, 3)]: 10\n");
    check_map(VIEW_JSON, &map, "{\"type\": \"map\", \"data\": {\"@a\": {\"-1,(-2,3)\": 10}}}\n");
    arena_free(arena);
}

static void tuple_keys_order_field_by_field(void **state) {
    struct arena *arena = arena_new();
    const struct type *key = type_tuple(arena, (const struct type *[]){type_int(64, true), type_int(64, true)}, 2);
    struct view_map map = {"@",
                           key,
                           type_bool(),
                           3,
                           (const void *const[]){VIEW_I64(2, 1), VIEW_I64(1, 2), VIEW_I64(1, 1)},
                           (const void *const[]){"\1", "\0", "\1"}};

    (void)state;
    check_map(VIEW_TEXT, &map, "@[1, 1]: true\n@[1, 2]: false\n@[2, 1]: true\n");
    arena_free(arena);
}

static void key_of_text_and_number_in_json(void **state) {
    struct arena *arena = arena_new();
    const struct type *key = type_tuple(arena, (const struct type *[]){type_string(arena, 16), type_int(64, true)}, 2);
    struct {
        char name[16];
        int64_t number;
    } bytes = {"bpf trace", 2};
    struct view_map map = {
        "@complex", key, type_int(64, true), 1, (const void *const[]){&bytes}, (const void *const[]){VIEW_I64(5)}};

    (void)state;
    check_map(VIEW_JSON, &map, "{\"type\": \"map\", \"data\": {\"@complex\": {\"bpf trace,2\": 5}}}\n");
    arena_free(arena);
}

static void two_lines_for_a_stack_key(void *context, const struct type *type, const void *bytes, struct strbuf *out) {
    (void)context;
    (void)type;
    (void)bytes;
    strbuf_addstr(out, "\n        do_nanosleep+5\n        hrtimer_nanosleep+180\n");
}

static void stack_key_is_a_block_in_brackets(void **state) {
    struct view_names names = {NULL, two_lines_for_a_stack_key};
    struct view_fixture fixture;

    (void)state;
    view_fixture_open(&fixture, VIEW_TEXT);
    fixture.view.names = &names;
    struct view_map map = {"@",
                           type_stack(fixture.arena, TYPE_KSTACK, 1, TYPE_STACK_BPFTRACE),
                           type_simple(TYPE_COUNT, false),
                           1,
                           (const void *const[]){VIEW_U64(1, 1)},
                           (const void *const[]){VIEW_U64(1)}};
    view_print_map(&fixture.view, &map, &(struct view_map_options){0});
    assert_string_equal(view_fixture_text(&fixture),
                        "@[\n        do_nanosleep+5\n        hrtimer_nanosleep+180\n]: 1\n");
    view_fixture_close(&fixture);
}

/* --- reduction over CPUs --- */

static void counts_and_sums_add_up(void **state) {
    int64_t out;

    (void)state;
    view_reduce(type_simple(TYPE_COUNT, false), VIEW_U64(1, 2, 3), 8, 3, &out);
    assert_int_equal(out, 6);
    view_reduce(type_simple(TYPE_SUM, true), VIEW_I64(1, -5), 8, 2, &out);
    assert_int_equal(out, -4);
}

static void minimum_is_over_the_copies_that_were_set(void **state) {
    int64_t out[2];

    (void)state;
    view_reduce(type_simple(TYPE_MIN, true), VIEW_I64(0, 0, 7, 1, -2, 1), 16, 3, out);
    assert_int_equal(out[0], -2);
    view_reduce(type_simple(TYPE_MIN, false), VIEW_I64(0, 0, 7, 1, -2, 1), 16, 3, out);
    assert_int_equal(out[0], 7);
    view_reduce(type_simple(TYPE_MAX, true), VIEW_I64(0, 0, -7, 1, -9, 1), 16, 3, out);
    assert_int_equal(out[0], -7);
    view_reduce(type_simple(TYPE_MAX, true), VIEW_I64(5, 0, 6, 0), 16, 2, out);
    assert_int_equal(out[0], 0);
    assert_int_equal(out[1], 0);
}

static void stats_add_count_and_total(void **state) {
    int64_t out[2];

    (void)state;
    view_reduce(type_simple(TYPE_STATS, true), VIEW_I64(1, 10, 2, -40), 16, 2, out);
    assert_int_equal(out[0], 3);
    assert_int_equal(out[1], -30);
}

static void stride_may_exceed_the_size(void **state) {
    uint64_t out;

    (void)state;
    view_reduce(type_simple(TYPE_COUNT, false), VIEW_U64(1, 99, 2, 99), 16, 2, &out);
    assert_int_equal(out, 3);
}

static void plain_value_is_the_first_copy(void **state) {
    bool out;

    (void)state;
    view_reduce(type_bool(), (const bool[16]){true}, 8, 2, &out);
    assert_true(out);
}

static void integers_of_each_cpu_add_up(void **state) {
    int64_t out;

    (void)state;
    view_reduce(type_int(64, true), (const int64_t[]){-3, 5, 10}, 8, 3, &out);
    assert_int_equal(out, 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_is_one_line),
        cmocka_unit_test(scalar_that_was_never_set_is_zero),
        cmocka_unit_test(histogram_that_was_never_set_prints_nothing),
        cmocka_unit_test(keyed_map_without_entries_prints_nothing),
        cmocka_unit_test(numbers_ascend_by_value),
        cmocka_unit_test(sign_of_the_type_decides_the_order),
        cmocka_unit_test(equal_values_are_in_key_order),
        cmocka_unit_test(top_prints_the_last),
        cmocka_unit_test(options_choose_entries_and_order),
        cmocka_unit_test(div_divides_values),
        cmocka_unit_test(div_of_stats_divides_the_average_only),
        cmocka_unit_test(averages_order_by_average_and_are_stats_in_json),
        cmocka_unit_test(minimum_orders_as_unsigned),
        cmocka_unit_test(stats_have_their_json),
        cmocka_unit_test(text_values_are_in_key_order_and_keys_compare_signed),
        cmocka_unit_test(parentheses_of_the_key_are_left_out),
        cmocka_unit_test(tuple_keys_order_field_by_field),
        cmocka_unit_test(key_of_text_and_number_in_json),
        cmocka_unit_test(stack_key_is_a_block_in_brackets),
        cmocka_unit_test(counts_and_sums_add_up),
        cmocka_unit_test(minimum_is_over_the_copies_that_were_set),
        cmocka_unit_test(stats_add_count_and_total),
        cmocka_unit_test(stride_may_exceed_the_size),
        cmocka_unit_test(plain_value_is_the_first_copy),
        cmocka_unit_test(integers_of_each_cpu_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
