#include "base/type.h"
#include "unit.h"

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

static void texts(void **state) {
    struct arena *arena = *state;
    static const struct type task = {.kind = TYPE_STRUCT, .name = "task_struct"};
    static const struct type state_enum = {.kind = TYPE_ENUM, .name = "state", .size = 4};
    const struct type *pointer = type_pointer(arena, &task, SPACE_KERNEL);
    const struct type *pair[] = {type_int(64, true), type_string(arena, 16)};
    const struct {
        const struct type *type;
        const char *text;
    } rows[] = {
        {type_int(64, false), "uint64"},
        {type_int(8, true), "int8"},
        {type_bool(), "bool"},
        {type_void(), "void"},
        {pair[1], "string[16]"},
        {pointer, "struct task_struct *"},
        {type_pointer(arena, pointer, SPACE_KERNEL), "struct task_struct **"},
        {&state_enum, "enum state"},
        {type_tuple(arena, pair, 2), "(int64,string[16])"},
        {type_array(arena, type_int(32, true), 4), "int32[4]"},
        {type_buffer(arena, 64), "buffer[64]"},
        {type_stack(arena, TYPE_KSTACK, 127, TYPE_STACK_BPFTRACE), "kstack"},
        {type_stack(arena, TYPE_USTACK, 127, TYPE_STACK_BPFTRACE), "ustack"},
        {type_simple(TYPE_KSYM, false), "ksym"},
        {type_simple(TYPE_USYM, false), "usym"},
        {type_simple(TYPE_PROBE, false), "probe"},
        {type_simple(TYPE_COUNT, false), "count_t"},
        {type_simple(TYPE_SUM, true), "sum_t"},
        {type_simple(TYPE_AVG, true), "avg_t"},
        {type_simple(TYPE_MIN, true), "min_t"},
        {type_simple(TYPE_MAX, false), "max_t"},
        {type_simple(TYPE_STATS, false), "stats_t"},
        {type_hist(arena, 0), "hist_t"},
        {type_lhist(arena, 0, 10, 2), "lhist_t"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(type_text(arena, rows[i].type), rows[i].text);
}

static void stored_sizes(void **state) {
    struct arena *arena = *state;
    assert_int_equal(type_simple(TYPE_USYM, false)->size, 16);
    assert_int_equal(type_simple(TYPE_AVG, false)->size, 16);
    const struct type *stack = type_stack(arena, TYPE_KSTACK, 127, TYPE_STACK_BPFTRACE);
    assert_int_equal(stack->size, 8);
    assert_int_equal(type_stack_captured(stack), 8 + (127 + TYPE_STACK_MACHINERY) * 8);
    assert_int_equal(type_buffer(arena, 64)->size, 68);
    assert_int_equal(type_lhist(arena, 0, 10, 2)->size, 7 * 8);
    assert_int_equal(type_hist(arena, 0)->size, 66 * 8);
}

static void tuple_fields_are_aligned(void **state) {
    struct arena *arena = *state;
    const struct type *fields[] = {type_int(8, false), type_int(64, false), type_string(arena, 3)};
    const struct type *tuple = type_tuple(arena, fields, 3);
    assert_int_equal(tuple->fields[1].offset, 8);
    assert_int_equal(tuple->fields[2].offset, 16);
    assert_int_equal(tuple->size, 24);
    assert_int_equal(tuple->align, 8);
}

static void equality_is_by_structure(void **state) {
    struct arena *arena = *state;
    const struct type *fields[] = {type_int(64, true), type_string(arena, 16)};
    const struct type *others[] = {type_int(64, true), type_string(arena, 17)};
    assert_true(type_equal(type_tuple(arena, fields, 2), type_tuple(arena, fields, 2)));
    assert_false(type_equal(type_tuple(arena, fields, 2), type_tuple(arena, others, 2)));
    assert_false(type_equal(type_int(64, true), type_int(64, false)));
    assert_true(type_equal(type_hist(arena, 2), type_hist(arena, 2)));
    assert_false(type_equal(type_lhist(arena, 0, 10, 2), type_lhist(arena, 1, 11, 2)));
}

static struct type_field node_fields[2];

static void complete_node(struct type *self, void *owner) {
    ++*(int *)owner;
    self->fields = node_fields;
    self->field_count = 2;
}

static void fields_are_found_in_anonymous_members(void **state) {
    struct arena *arena = *state;
    struct type_field inner_fields[] = {{.name = "x", .type = type_int(32, false), .offset = 4}};
    struct type inner = {.kind = TYPE_STRUCT, .fields = inner_fields, .field_count = 1};
    int completions = 0;
    struct type node = {.kind = TYPE_STRUCT, .name = "node", .complete = complete_node, .owner = &completions};
    uint32_t offset = 0;
    node_fields[0] = (struct type_field){.name = "next", .type = type_pointer(arena, &node, SPACE_KERNEL)};
    node_fields[1] = (struct type_field){.type = &inner, .offset = 8};
    assert_ptr_equal(type_find_field(&node, "x", &offset), &inner_fields[0]);
    assert_int_equal(offset, 12);
    assert_null(type_find_field(&node, "y", &offset));
    assert_int_equal(completions, 1);
}

static void anonymous_loop_ends(void **state) {
    (void)state;
    struct type loop = {.kind = TYPE_STRUCT};
    struct type_field field = {.type = &loop};
    uint32_t offset;
    loop.fields = &field;
    loop.field_count = 1;
    assert_null(type_find_field(&loop, "x", &offset));
}

static void power_of_two_buckets(void **state) {
    static const struct {
        int64_t value;
        uint32_t bits, bucket;
    } rows[] = {{-1, 0, 0}, {INT64_MIN, 0, 0}, {0, 0, 1},     {1, 0, 2},   {2, 0, 3},   {3, 0, 3},
                {4, 0, 4},  {7, 0, 4},         {1024, 0, 12}, {0, 2, 1},   {3, 2, 4},   {4, 2, 5},
                {5, 2, 6},  {8, 2, 9},         {9, 2, 9},     {10, 2, 10}, {16, 2, 13}, {INT64_MAX, 0, 64}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(type_hist_bucket(rows[i].value, rows[i].bits), rows[i].bucket);
}

static void bounds_cover_all_values_without_a_gap(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits <= 5; bits++) {
        int64_t expected = 0;
        for (uint32_t bucket = 1; bucket < TYPE_HIST_BUCKETS(bits) - 1; bucket++) {
            int64_t first, last;
            type_hist_bounds(bucket, bits, &first, &last);
            assert_int_equal(first, expected);
            assert_int_equal(type_hist_bucket(first, bits), bucket);
            assert_int_equal(type_hist_bucket(last, bits), bucket);
            expected = (int64_t)((uint64_t)last + 1);
        }
        assert_int_equal(expected, INT64_MIN); /* one past INT64_MAX */
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(texts),
        TEST(stored_sizes),
        TEST(tuple_fields_are_aligned),
        TEST(equality_is_by_structure),
        TEST(fields_are_found_in_anonymous_members),
        TEST(anonymous_loop_ends),
        TEST(power_of_two_buckets),
        TEST(bounds_cover_all_values_without_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
