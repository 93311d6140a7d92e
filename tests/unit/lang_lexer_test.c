#include "lang/lexer.h"
#include "unit.h"

struct lexed {
    struct arena *arena;
    struct token token; /* the first one */
    uint32_t errors;
};

static struct lexed lex(const char *text) {
    struct lexed lexed = {.arena = arena_new()};
    struct source source = {"stdin", text, (uint32_t)strlen(text), NULL};
    struct diag_list diags;
    struct lexer lexer = {lexed.arena, &source, &diags, 0, source.size};

    diag_init(&diags, lexed.arena, &source);
    lexed.token = lexer_next(&lexer);
    lexed.errors = diags.error_count;
    return lexed;
}

static void numbers(void **state) {
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"42", 42},
        {"1_000_000", 1000000},
        {"0x1F", 31},
        {"0xffff_ffff_ffff_ffff", UINT64_MAX},
        {"0x10d", 0x10d},
        {"017", 15},
        {"1e6", 1000000},
        {"12e0", 12},
        {"5u", 5},
        {"5UL", 5},
        {"5ull", 5},
        {"0x5ll", 5},
        {"7ns", 7},
        {"7us", 7000},
        {"10ms", 10000000},
        {"2s", 2000000000},
        {"3m", 180000000000},
        {"1h", 3600000000000},
        {"1d", 86400000000000},
        {"18446744073709551615", UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexed lexed = lex(cases[i].text);
        assert_int_equal(lexed.errors, 0);
        assert_int_equal(lexed.token.kind, TOKEN_INTEGER);
        assert_int_equal(lexed.token.number, cases[i].value);
        assert_string_equal(lexed.token.text, cases[i].text);
        arena_free(lexed.arena);
    }
}

static void strings(void **state) {
    static const struct {
        const char *text, *value;
        uint32_t length;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"a b\"", "a b", 3},
        {"\"\\n\\t\\r\\\"\\\\\"", "\n\t\r\"\\", 5},
        {"\"\\101\\x41\\x4a1\"", "AAJ1", 4},
        {"\"a\\0b\"", "a\0b", 3},
        {"\"// no comment /*\"", "// no comment /*", 16},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexed lexed = lex(cases[i].text);
        assert_int_equal(lexed.errors, 0);
        assert_int_equal(lexed.token.length, cases[i].length);
        assert_memory_equal(lexed.token.text, cases[i].value, cases[i].length + 1);
        arena_free(lexed.arena);
    }
}

static void kinds_and_places(void **state) {
    static const struct {
        const char *text;
        enum token_kind kind;
        struct loc loc;
    } cases[] = {
        {"", TOKEN_END, {0, 0}},
        {"  // all\n/* of */ \\\n", TOKEN_END, {20, 20}},
        {"/**/name1 ", TOKEN_IDENTIFIER, {4, 9}},
        {"$x1.y", TOKEN_VARIABLE, {0, 3}},
        {"@", TOKEN_MAP, {0, 1}},
        {"@a_1[", TOKEN_MAP, {0, 4}},
        {"$12", TOKEN_POSITIONAL, {0, 3}},
        {"$#", TOKEN_POSITIONAL_COUNT, {0, 2}},
        {"<<=", TOKEN_SHL_ASSIGN, {0, 3}},
        {"<<", TOKEN_SHL, {0, 2}},
        {"->", TOKEN_ARROW, {0, 2}},
        {"..", TOKEN_RANGE, {0, 2}},
        {"---", TOKEN_DECREMENT, {0, 2}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexed lexed = lex(cases[i].text);
        assert_int_equal(lexed.token.kind, cases[i].kind);
        assert_int_equal(lexed.token.loc.begin, cases[i].loc.begin);
        assert_int_equal(lexed.token.loc.end, cases[i].loc.end);
        arena_free(lexed.arena);
    }
}

static void looking_ahead_is_silent(void **state) {
    struct arena *arena = arena_new();
    struct source source = {"stdin", "\"open", 5, NULL};
    struct lexer lexer = {arena, &source, NULL, 0, 5};

    (void)state;
    assert_int_equal(lexer_next(&lexer).kind, TOKEN_ERROR);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(strings),
        cmocka_unit_test(kinds_and_places),
        cmocka_unit_test(looking_ahead_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
