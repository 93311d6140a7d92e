#include "view_test.h"

static const struct view plain_view;

static void expect(const struct type *type, const void *bytes, const char *text, const char *json) {
    struct strbuf out = {0};

    view_value(&plain_view, type, bytes, &out);
    assert_string_equal(strbuf_text(&out), text);
    strbuf_reset(&out);
    view_value_json(&plain_view, type, bytes, &out);
    assert_string_equal(strbuf_text(&out), json);
    strbuf_free(&out);
}

static void integers_by_size_and_sign(void **state) {
    (void)state;
    expect(type_int(64, false), VIEW_U64(UINT64_MAX), "18446744073709551615", "\"18446744073709551615\"");
    expect(type_int(64, true), VIEW_I64(INT64_MIN), "-9223372036854775808", "-9223372036854775808");
    expect(type_int(32, true), &(int32_t){-5}, "-5", "-5");
    expect(type_int(16, false), &(uint16_t){65535}, "65535", "65535");
    expect(type_int(8, true), &(int8_t){-128}, "-128", "-128");
    expect(type_int(64, true), VIEW_I64(0), "0", "0");
    expect(type_int(64, true), VIEW_I64(100), "100", "100");
}

static void json_numbers_beyond_a_double_are_strings(void **state) {
    (void)state;
    expect(type_int(64, true), VIEW_I64((1ll << 53) + 1), "9007199254740993", "\"9007199254740993\"");
    expect(type_int(64, true), VIEW_I64(1ll << 60), "1152921504606846976", "1152921504606846976");
}

static void bool_is_a_word(void **state) {
    (void)state;
    expect(type_bool(), "\1", "true", "true");
    expect(type_bool(), "\0", "false", "false");
}

static void enum_is_a_name_in_text_and_a_number_in_json(void **state) {
    static const struct type_enumerator names[] = {{"ONE", 1}, {"MINUS", -1}};
    static const struct type type = {.kind = TYPE_ENUM,
                                     .size = 4,
                                     .align = 4,
                                     .is_signed = true,
                                     .name = "number",
                                     .enumerators = names,
                                     .enumerator_count = 2};

    (void)state;
    expect(&type, &(int32_t){1}, "ONE", "1");
    expect(&type, &(int32_t){-1}, "MINUS", "-1");
    expect(&type, &(int32_t){7}, "7", "7");
}

static void pointer_is_hex(void **state) {
    struct arena *arena = arena_new();

    (void)state;
    expect(type_pointer(arena, type_void(), SPACE_NONE), VIEW_U64(0x33), "0x33", "51");
    arena_free(arena);
}

static void string_ends_at_nul_and_tells_when_it_was_cut(void **state) {
    struct arena *arena = arena_new();

    (void)state;
    expect(type_string(arena, 8), "abc\0def", "abc", "\"abc\"");
    expect(type_string(arena, 3), "abc", "abc..", "\"abc..\"");
    expect(type_string(arena, 3), "\0\0", "", "\"\"");
    arena_free(arena);
}

static void trailer_can_be_chosen(void **state) {
    struct arena *arena = arena_new();
    struct view view = {.string_trailer = "~"};
    struct strbuf out = {0};

    (void)state;
    view_value(&view, type_string(arena, 2), "ab", &out);
    assert_string_equal(strbuf_text(&out), "ab~");
    strbuf_free(&out);
    arena_free(arena);
}

static void arrays_have_no_spaces(void **state) {
    struct arena *arena = arena_new();
    const struct type *row = type_array(arena, type_int(32, true), 2);

    (void)state;
    expect(row, (int32_t[]){1, 2}, "[1,2]", "[1,2]");
    expect(type_array(arena, row, 2), (int32_t[]){5, 6, 7, 8}, "[[5,6],[7,8]]", "[[5,6],[7,8]]");
    arena_free(arena);
}

static void array_of_char_is_text(void **state) {
    static const struct type character = {.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .name = "char"};
    struct arena *arena = arena_new();

    (void)state;
    expect(type_array(arena, &character, 4), "ab\0\0", "ab", "\"ab\"");
    arena_free(arena);
}

static void tuples_nest(void **state) {
    struct arena *arena = arena_new();
    const struct type *inner = type_tuple(arena, (const struct type *[]){type_int(64, true), type_int(64, true)}, 2);
    const struct type *outer =
        type_tuple(arena, (const struct type *[]){type_int(64, true), type_string(arena, 8), inner}, 3);
    struct {
        int64_t first;
        char text[8];
        int64_t inner[2];
    } bytes = {1, "string", {4, 5}};

    (void)state;
    expect(outer, &bytes, "(1, string, (4, 5))", "[1,\"string\",[4,5]]");
    arena_free(arena);
}

static void structs_print_members_and_bit_fields(void **state) {
    struct type_field inner_fields[] = {{.name = "deep", .type = type_int(32, true)}};
    struct type inner = {.kind = TYPE_STRUCT, .size = 4, .align = 4, .fields = inner_fields, .field_count = 1};
    struct type_field fields[] = {
        {.name = "m", .type = type_int(32, true)},
        {.name = "low", .type = type_int(32, false), .offset = 4, .bit_offset = 0, .bit_size = 3},
        {.name = "high", .type = type_int(32, true), .offset = 4, .bit_offset = 3, .bit_size = 2},
        {.type = &inner, .offset = 8},
    };
    struct type type = {.kind = TYPE_STRUCT, .size = 12, .align = 4, .fields = fields, .field_count = 4};

    (void)state;
    expect(&type, (int32_t[]){-2, 5 | 3 << 3, 9}, "{ .m = -2, .low = 5, .high = -1, .deep = 9 }",
           "{\"m\": -2, \"low\": 5, \"high\": -1, \"deep\": 9}");
}

static void record_is_a_tuple_with_names(void **state) {
    struct type_field fields[] = {{.name = "m", .type = type_int(64, true)},
                                  {.name = "n", .type = type_int(64, true), .offset = 8}};
    struct type type = {.kind = TYPE_TUPLE, .size = 16, .align = 8, .fields = fields, .field_count = 2};

    (void)state;
    expect(&type, VIEW_I64(2, 3), "{ .m = 2, .n = 3 }", "{\"m\": 2, \"n\": 3}");
}

static void field_outside_of_its_struct_is_left_out(void **state) {
    struct type_field fields[] = {{.name = "m", .type = type_int(32, true)},
                                  {.name = "far", .type = type_int(32, true), .offset = 1000}};
    struct type type = {.kind = TYPE_STRUCT, .size = 4, .align = 4, .fields = fields, .field_count = 2};

    (void)state;
    expect(&type, &(int32_t){2}, "{ .m = 2 }", "{\"m\": 2}");
}

static void buffer_shows_bytes(void **state) {
    struct arena *arena = arena_new();
    const struct type *type = type_buffer(arena, 8);

    (void)state;
    expect(type, VIEW_BYTES(3, 0, 0, 0, 'o', 'k', 0, 'x', 0, 0, 0, 0), "ok\\x00", "[111,107,0]");
    expect(type, VIEW_BYTES(127, 0, 0, 0, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), "abcdefgh",
           "[97,98,99,100,101,102,103,104]");
    arena_free(arena);
}

static void aggregates_print_their_number(void **state) {
    (void)state;
    expect(type_simple(TYPE_COUNT, false), VIEW_U64(7), "7", "7");
    expect(type_simple(TYPE_SUM, true), VIEW_I64(-7), "-7", "-7");
    expect(type_simple(TYPE_MIN, true), VIEW_I64(-3, 1), "-3", "-3");
    expect(type_simple(TYPE_AVG, true), VIEW_I64(3, -10), "-3", "-3");
    expect(type_simple(TYPE_AVG, false), VIEW_U64(0, 0), "0", "0");
    expect(type_simple(TYPE_STATS, true), VIEW_I64(3, -10), "{ .count = 3, .average = -3, .total = -10 }",
           "{\"count\": 3, \"average\": -3, \"total\": -10}");
}

static void name_it(void *context, const struct type *type, const void *bytes, struct strbuf *out) {
    (void)type;
    (void)bytes;
    strbuf_addstr(out, context);
}

static void symbols_come_from_the_resolver(void **state) {
    struct view_names names = {(void *)(uintptr_t) "\n        f+1\n", name_it};
    struct view view = {.names = &names};
    struct arena *arena = arena_new();
    const struct type *type = type_stack(arena, TYPE_KSTACK, 1, TYPE_STACK_BPFTRACE);
    struct strbuf out = {0};

    (void)state;
    view_value(&view, type, VIEW_U64(1, 2), &out);
    assert_string_equal(strbuf_text(&out), "\n        f+1\n");
    strbuf_reset(&out);
    view_value_json(&view, type, VIEW_U64(1, 2), &out);
    assert_string_equal(strbuf_text(&out), "\"\\n        f+1\\n\"");
    strbuf_free(&out);
    arena_free(arena);
}

static void symbol_without_a_resolver_is_an_address(void **state) {
    (void)state;
    expect(type_simple(TYPE_USYM, false), VIEW_U64(1, 0), "0x1", "\"0x1\"");
}

static void expect_json(const char *text, size_t length, const char *json) {
    struct strbuf out = {0};

    view_json_string(text, length, &out);
    assert_string_equal(strbuf_text(&out), json);
    strbuf_free(&out);
}

static void json_escapes(void **state) {
    (void)state;
    expect_json("test \r \n \t \\ \" bar", 18, "\"test \\r \\n \\t \\\\ \\\" bar\"");
    expect_json("\0\x1b", 2, "\"\\u0000\\u001b\"");
    expect_json("h\xc3\xa9 \xf0\x9f\x90\x92", 8, "\"h\xc3\xa9 \xf0\x9f\x90\x92\"");
}

static void json_replaces_what_is_no_utf8(void **state) {
    (void)state;
    expect_json("a\xff", 2, "\"a\\u00ff\"");
    expect_json("\xc3", 1, "\"\\u00c3\"");                       /* cut */
    expect_json("\xc0\xaf", 2, "\"\\u00c0\\u00af\"");            /* overlong */
    expect_json("\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\""); /* surrogate */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_by_size_and_sign),
        cmocka_unit_test(json_numbers_beyond_a_double_are_strings),
        cmocka_unit_test(bool_is_a_word),
        cmocka_unit_test(enum_is_a_name_in_text_and_a_number_in_json),
        cmocka_unit_test(pointer_is_hex),
        cmocka_unit_test(string_ends_at_nul_and_tells_when_it_was_cut),
        cmocka_unit_test(trailer_can_be_chosen),
        cmocka_unit_test(arrays_have_no_spaces),
        cmocka_unit_test(array_of_char_is_text),
        cmocka_unit_test(tuples_nest),
        cmocka_unit_test(structs_print_members_and_bit_fields),
        cmocka_unit_test(record_is_a_tuple_with_names),
        cmocka_unit_test(field_outside_of_its_struct_is_left_out),
        cmocka_unit_test(buffer_shows_bytes),
        cmocka_unit_test(aggregates_print_their_number),
        cmocka_unit_test(symbols_come_from_the_resolver),
        cmocka_unit_test(symbol_without_a_resolver_is_an_address),
        cmocka_unit_test(json_escapes),
        cmocka_unit_test(json_replaces_what_is_no_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
