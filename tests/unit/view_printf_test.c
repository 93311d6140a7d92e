#include "view_test.h"

#include "base/printf_spec.h"

static const struct view plain_view;

static void expect_one(const char *format, const struct type *type, const void *bytes, const char *text) {
    struct arena *arena = arena_new();
    struct strbuf out = {0};
    const char *error;
    uint32_t argument;
    struct view_printf *compiled = view_printf_compile(arena, format, &type, type ? 1 : 0, &error, &argument);

    if (!compiled)
        fail_msg("%s: %s", format, error);
    view_printf_run(&plain_view, compiled, &bytes, &out);
    assert_string_equal(strbuf_text(&out), text);
    strbuf_free(&out);
    arena_free(arena);
}

static void numbers(void **state) {
    static const struct {
        const char *format;
        int64_t value;
        const char *text;
    } rows[] = {
        {"%d", -5, "-5"},
        {"%i", INT64_MIN, "-9223372036854775808"},
        {"%d", 1ll << 40, "1099511627776"}, /* all 64 bits */
        {"%ld", 1ll << 40, "1099511627776"},
        {"%hd", 0x12345, "9029"},
        {"%hhd", 0xff, "-1"},
        {"%u", -1, "18446744073709551615"},
        {"%lu", -2, "18446744073709551614"},
        {"%hhx", 0x12345678abcdef, "ef"},
        {"%hx", 0x12345678abcdef, "cdef"},
        {"%x", 0x12345678abcdef, "78abcdef"},
        {"%jx", 0x12345678abcdef, "12345678abcdef"},
        {"%lx", 0x12345678abcdef, "12345678abcdef"},
        {"%llX", 0x12345678abcdef, "12345678ABCDEF"},
        {"%o", 8, "10"},
        {"%#x", 255, "0xff"},
        {"%#X", 255, "0XFF"},
        {"%#o", 8, "010"},
        {"%#x", 0, "0"},
        {"%+d", 5, "+5"},
        {"%+d", -5, "-5"},
        {"%+u", 5, "5"},
        {"% d", 5, "5"}, /* no effect */
        {"%5d|", 42, "   42|"},
        {"%-5d|", 42, "42   |"},
        {"%05d", 42, "00042"},
        {"%05d", -5, "000-5"},
        {"%2d", 12345, "12345"},
        {"%.3d", 5, "5"},
        {"%*d", 5, "5"},
        {"%10x", 255, "        ff"},
        {"%c", 'A', "A"},
        {"%3c|", 'A', "  A|"},
        {"%p", 0x1f, "0x1f"},
        {"%p", 0, "0"},
        {"%s", -7, "-7"},
        {"%gr", 0xcc0, "GFP_KERNEL"},
        {"%gr", 0xce0, "GFP_KERNEL|__GFP_HIGH"},
        {"%gr", 1, "GFP_DMA"},
        {"%gr", 0, "0"},
        {"%gr", 1ll << 40, "0x10000000000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_one(rows[i].format, type_int(64, true), &rows[i].value, rows[i].text);
}

static void narrow_unsigned_keeps_its_bits(void **state) {
    (void)state;
    expect_one("%u", type_int(32, true), &(int32_t){-1}, "4294967295");
    expect_one("%lu", type_int(32, true), &(int32_t){-1}, "18446744073709551615");
    expect_one("%x", type_int(8, true), &(int8_t){-1}, "ffffffff");
    expect_one("%d", type_int(32, false), &(uint32_t){4000000000u}, "4000000000");
}

static void texts(void **state) {
    struct arena *arena = arena_new();
    const struct type *text = type_string(arena, 8);

    (void)state;
    expect_one("%s", text, "abc\0\0\0\0", "abc");
    expect_one("%s", type_string(arena, 3), "abc", "abc..");
    expect_one("[%8s]", text, "abc\0\0\0\0", "[     abc]");
    expect_one("[%-8s]", text, "abc\0\0\0\0", "[abc     ]");
    expect_one("%.1s", text, "abc\0\0\0\0", "abc");
    expect_one("%6s", type_bool(), "\1", "  true");
    expect_one("%d", type_bool(), "\1", "1");
    arena_free(arena);
}

static void buffers(void **state) {
    struct arena *arena = arena_new();
    const struct type *type = type_buffer(arena, 4);
    const void *bytes = VIEW_BYTES(3, 0, 0, 0, 'a', 0, 'z', 'x');

    (void)state;
    expect_one("%r", type, bytes, "a\\x00z");
    expect_one("%rx", type, bytes, "\\x61\\x00\\x7a");
    expect_one("%rh", type, bytes, "61 00 7a");
    expect_one("%s", type, bytes, "a\\x00z");
    arena_free(arena);
}

static void enum_by_name_and_number(void **state) {
    static const struct type_enumerator names[] = {{"ONE", 1}};
    static const struct type type = {
        .kind = TYPE_ENUM, .size = 8, .align = 8, .enumerators = names, .enumerator_count = 1};

    (void)state;
    expect_one("%d", &type, VIEW_U64(1), "1");
    expect_one("%s", &type, VIEW_U64(1), "ONE");
}

static void aggregates_are_numbers(void **state) {
    (void)state;
    expect_one("%d", type_simple(TYPE_AVG, true), VIEW_I64(2, -10), "-5");
    expect_one("%lu", type_simple(TYPE_COUNT, false), VIEW_U64(9), "9");
}

static void percent_and_what_is_no_conversion(void **state) {
    (void)state;
    expect_one("100%%", NULL, NULL, "100%");
    expect_one("%-5%|", NULL, NULL, "%|");
    expect_one("50%", NULL, NULL, "50%");
    expect_one("%y %.s", NULL, NULL, "%y %.s");
    expect_one("", NULL, NULL, "");
}

static void several_arguments_in_order(void **state) {
    struct arena *arena = arena_new();
    const struct type *types[] = {type_string(arena, 8), type_int(32, true), type_int(64, false)};
    const void *arguments[] = {"cat\0\0\0\0", &(int32_t){-3}, VIEW_U64(1234567)};
    struct strbuf out = {0};
    const char *error;
    uint32_t argument;
    struct view_printf *compiled = view_printf_compile(arena, "%s %d %d\n", types, 3, &error, &argument);

    (void)state;
    assert_non_null(compiled);
    view_printf_run(&plain_view, compiled, arguments, &out);
    view_printf_run(&plain_view, compiled, arguments, &out);
    assert_string_equal(strbuf_text(&out), "cat -3 1234567\ncat -3 1234567\n");
    strbuf_free(&out);
    arena_free(arena);
}

static void errors(void **state) {
    struct arena *arena = arena_new();
    const struct type *number = type_int(64, true), *text = type_string(arena, 16);
    const struct {
        const char *format;
        const struct type *types[2];
        uint32_t count;
        const char *error;
        uint32_t argument;
    } rows[] = {
        {"%d", {0}, 0, "not enough arguments for format string (0 supplied, 1 expected)", 0},
        {"%d", {number, number}, 2, "too many arguments for format string (2 supplied, 1 expected)", 2},
        {"%d %d", {number, text}, 2, "unsupported format specifier for type 'string[16]': d", 1},
        {"%5lx", {text}, 1, "unsupported format specifier for type 'string[16]': x", 0},
        {"%r", {number}, 1, "unsupported format specifier for type 'int64': r", 0},
        {"%rh", {number}, 1, "unsupported format specifier for type 'int64': rh", 0},
        {"%gr", {text}, 1, "unsupported format specifier for type 'string[16]': gr", 0},
        {"%f", {number}, 1, "unsupported format specifier: f", 0},
        {"%n", {number}, 1, "unsupported format specifier: n", 0},
        {"%s", {type_void()}, 1, "unable to print none type for specifier: s", 0},
        {"%99999d", {number}, 1, "field width too large in format specifier: %99999d", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *error;
        uint32_t argument;
        assert_null(view_printf_compile(arena, rows[i].format, rows[i].types, rows[i].count, &error, &argument));
        assert_string_equal(error, rows[i].error);
        assert_int_equal(argument, rows[i].argument);
    }
    arena_free(arena);
}

static void pieces_of_a_format(void **state) {
    struct arena *arena = arena_new();
    struct printf_format format;

    (void)state;
    assert_null(printf_parse(arena, "a%-+ #08.3lldb%%", &format));
    assert_int_equal(format.argument_count, 1);
    assert_int_equal(format.count, 4); /* a, the conversion, b, % */
    const struct printf_spec *spec = &format.specs[1];
    assert_int_equal(spec->conversion, PRINTF_SIGNED);
    assert_true(spec->left && spec->plus && spec->alternate && spec->zero && spec->has_length);
    assert_int_equal(spec->width, 8);
    assert_int_equal(spec->bits, 64);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(narrow_unsigned_keeps_its_bits),
        cmocka_unit_test(texts),
        cmocka_unit_test(buffers),
        cmocka_unit_test(enum_by_name_and_number),
        cmocka_unit_test(aggregates_are_numbers),
        cmocka_unit_test(percent_and_what_is_no_conversion),
        cmocka_unit_test(several_arguments_in_order),
        cmocka_unit_test(errors),
        cmocka_unit_test(pieces_of_a_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
