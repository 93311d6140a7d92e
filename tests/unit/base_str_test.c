#include "base/str.h"
#include "unit.h"

static void strbuf_grows_and_stays_terminated(void **state) {
    (void)state;
    struct strbuf buf = {0};
    assert_string_equal(strbuf_text(&buf), "");
    strbuf_addstr(&buf, "ab");
    strbuf_addch(&buf, 'c');
    strbuf_fill(&buf, '.', 3);
    strbuf_addf(&buf, "%d", 42);
    assert_string_equal(strbuf_text(&buf), "abc...42");
    strbuf_reset(&buf);
    assert_string_equal(strbuf_text(&buf), "");
    strbuf_addf(&buf, "%0500d", 1);
    assert_int_equal(buf.length, 500);
    assert_int_equal(strlen(buf.data), 500);
    strbuf_free(&buf);
}

static void strbuf_keeps_nul_bytes(void **state) {
    (void)state;
    struct strbuf buf = {0};
    strbuf_add(&buf, "a\0b", 3);
    assert_int_equal(buf.length, 3);
    assert_memory_equal(buf.data, "a\0b", 4);
    strbuf_free(&buf);
}

static void glob_matches_stars_only(void **state) {
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"*", "", true},
        {"*", "abc", true},
        {"a*c", "abbc", true},
        {"a*c", "abcd", false},
        {"*b*", "abc", true},
        {"a?c", "abc", false},
        {"a?c", "a?c", true},
        {"[a]", "a", false},
        {"vfs_*", "vfs_", true},
        {"vfs_*", "vf", false},
        {"*ab", "aab", true},
        {"*a*b*c", "xaxbxcx", false},
        {"abc", "ab", false},
        {"ab", "abc", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_glob(rows[i].pattern, rows[i].text) != rows[i].matches)
            fail_msg("glob %s on %s is not %d", rows[i].pattern, rows[i].text, rows[i].matches);
}

static void prefix_and_suffix(void **state) {
    (void)state;
    assert_true(str_starts("sys_enter", "sys_"));
    assert_false(str_starts("sy", "sys"));
    assert_true(str_ends("libc.so", ".so"));
    assert_false(str_ends("so", ".so"));
}

static void distance_counts_edits_up_to_the_limit(void **state) {
    (void)state;
    assert_int_equal(str_distance("count", "count", 3), 0);
    assert_int_equal(str_distance("count", "cont", 3), 1);
    assert_int_equal(str_distance("cuont", "count", 3), 1);
    assert_int_equal(str_distance("", "abc", 3), 3);
    assert_int_equal(str_distance("kitten", "sitting", 3), 3);
    assert_int_equal(str_distance("kitten", "sitting", 2), 3);
}

static void numbers_are_whole_texts(void **state) {
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"0x1F", true, 31},
        {"0775", true, 0775},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"0x", false, 0},
        {"08", false, 0},
        {"-1", false, 0},
        {"12a", false, 0},
        {" 1", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 0;
        if (str_to_u64(rows[i].text, &value) != rows[i].good || value != rows[i].value)
            fail_msg("'%s' was read as %llu", rows[i].text, (unsigned long long)value);
    }
}

/* Every length of text and needle around the sixteen bytes that are looked at together, as memmem finds it. */
static void find_is_memmem(void **state) {
    char text[80];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)("aab"[i * 7 % 3] + (i % 11 == 10));
    for (size_t size = 0; size <= sizeof text; size++)
        for (size_t start = 0; start < size; start++)
            for (size_t length = 0; length <= size - start && length < 20; length++)
                assert_ptr_equal(str_find(text, size, text + start, length), memmem(text, size, text + start, length));
    assert_null(str_find(text, sizeof text, "zz", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strbuf_grows_and_stays_terminated),
        cmocka_unit_test(strbuf_keeps_nul_bytes),
        cmocka_unit_test(glob_matches_stars_only),
        cmocka_unit_test(prefix_and_suffix),
        cmocka_unit_test(distance_counts_edits_up_to_the_limit),
        cmocka_unit_test(numbers_are_whole_texts),
        cmocka_unit_test(find_is_memmem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
