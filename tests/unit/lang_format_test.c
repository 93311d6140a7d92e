/* Every tests/lang/format/NAME.bt is formatted and compared with NAME.formatted; formatting that again changes nothing.
 * All programs of tests/lang/parse keep their tokens and comments, and are formatted the same twice. */
#include "lang/format.h"
#include "unit.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

static void read_file(const char *path, struct strbuf *out) {
    FILE *file = fopen(path, "rb");
    char block[4096];

    if (!file)
        fail_msg("%s is missing", path);
    for (size_t length; (length = fread(block, 1, sizeof block, file)) > 0;)
        strbuf_add(out, block, length);
    fclose(file);
}

static struct source source_of(const struct strbuf *text) {
    return (struct source){"test", strbuf_text(text), (uint32_t)text->length, NULL};
}

static void format_twice(struct arena *arena, const struct strbuf *text, struct strbuf *out) {
    struct strbuf again = {0};
    struct source before = source_of(text);

    lang_format(arena, &before, out);
    struct source after = source_of(out);
    assert_true(lang_format_is_same(arena, &before, &after));
    lang_format(arena, &after, &again);
    assert_string_equal(strbuf_text(&again), strbuf_text(out));
    strbuf_free(&again);
}

static void each(const char *pattern, void (*test)(struct arena *arena, const char *path)) {
    glob_t found;

    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct arena *arena = arena_new();
        test(arena, found.gl_pathv[i]);
        arena_free(arena);
    }
    globfree(&found);
}

static void compare(struct arena *arena, const char *path) {
    struct strbuf text = {0}, formatted = {0}, expected = {0};

    read_file(path, &text);
    format_twice(arena, &text, &formatted);
    read_file(arena_printf(arena, "%.*sformatted", (int)strlen(path) - 2, path), &expected);
    assert_string_equal(strbuf_text(&formatted), strbuf_text(&expected));
    strbuf_free(&text);
    strbuf_free(&formatted);
    strbuf_free(&expected);
}

static void only_format(struct arena *arena, const char *path) {
    struct strbuf text = {0}, formatted = {0};

    read_file(path, &text);
    format_twice(arena, &text, &formatted);
    strbuf_free(&text);
    strbuf_free(&formatted);
}

static void examples(void **state) {
    (void)state;
    each("tests/lang/format/*.bt", compare);
}

static void all_that_parses(void **state) {
    (void)state;
    each("tests/lang/parse/*.bt", only_format);
}

static void differences_are_seen(void **state) {
    (void)state;
    static const char *const texts[] = {
        "begin { @x = 1; }",      "begin { @x = 2; }", "begin { @x = 1 }",
        "begin { @x = 1; } // c", "end { @x = 1; }",   "#define A 1\nbegin { @x = 1; }",
    };
    struct arena *arena = arena_new();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            struct source a = {"a", texts[i], (uint32_t)strlen(texts[i]), NULL};
            struct source b = {"b", texts[j], (uint32_t)strlen(texts[j]), NULL};
            assert_int_equal(lang_format_is_same(arena, &a, &b), i == j);
        }
    }
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(all_that_parses),
        cmocka_unit_test(differences_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
