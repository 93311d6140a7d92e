#include "base/diag.h"
#include "unit.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char text[] = "BEGIN { @ = 1 }\n\tEND { $x }\n";
static const struct source source = {"stdin", text, sizeof text - 1, NULL};

static struct loc find(const char *part) {
    uint32_t begin = (uint32_t)(strstr(text, part) - text);
    return (struct loc){begin, begin + (uint32_t)strlen(part)};
}

static void assert_printed(const struct diag_list *list, const char *expected) {
    struct strbuf out = {0};
    for (uint32_t i = 0; i < list->items.count; i++)
        diag_format(list, &list->items.data[i], false, &out);
    assert_string_equal(strbuf_text(&out), expected);
    strbuf_free(&out);
}

static void error_is_underlined_and_has_its_hint(void **state) {
    struct diag_list list;
    struct arena *arena = *state;
    diag_init(&list, arena, &source);
    diag_error(&list, "undefined-variable", find("$x"), "Undefined variable: %s", "$x");
    diag_hint(&list, "assign it first: %s = 0", "$x");
    assert_int_equal(list.error_count, 1);
    assert_printed(&list, "stdin:2:8-10: ERROR: Undefined variable: $x\n"
                          "    END { $x }\n"
                          "          ~~\n"
                          "HINT: assign it first: $x = 0\n");
}

static void notes_show_their_places(void **state) {
    struct diag_list list;
    diag_init(&list, *state, &source);
    diag_error(&list, "variable-mismatch", find("$x"), "Type mismatch");
    diag_note(&list, find("@ = 1"), "@ is '%s' since here", "int64");
    diag_note(&list, find("@ = 1"), "@ is 'int64' since here");
    diag_hint(&list, "use another map");
    assert_printed(&list, "stdin:2:8-10: ERROR: Type mismatch\n"
                          "    END { $x }\n"
                          "          ~~\n"
                          "stdin:1:9-14: NOTE: @ is 'int64' since here\n"
                          "BEGIN { @ = 1 }\n"
                          "        ~~~~~\n"
                          "HINT: use another map\n");
}

static void end_of_text_is_a_place(void **state) {
    struct diag_list list;
    diag_init(&list, *state, &(struct source){"a.bt", "BEGIN {", 7, NULL});
    diag_error(&list, "syntax", (struct loc){7, 7}, "unexpected end of file");
    assert_printed(&list, "a.bt:1:8-8: ERROR: unexpected end of file\nBEGIN {\n       ~\n");
}

static void several_lines_mark_the_first(void **state) {
    struct diag_list list;
    diag_init(&list, *state, &source);
    diag_warning(&list, "unused", (struct loc){6, sizeof text - 1}, "two lines");
    assert_int_equal(list.error_count, 0);
    assert_printed(&list, "stdin:1-3: WARNING: two lines\nBEGIN { @ = 1 }\n      ~~~~~~~~~\n");
}

static void no_place_prints_the_message_alone(void **state) {
    struct diag_list list;
    diag_init(&list, *state, &source);
    diag_error(&list, "no-match", (struct loc){0, 0}, "No matches for a:b.");
    diag_error(&list, "no-match", (struct loc){0, 0}, "No matches for a:c.");
    assert_printed(&list, "ERROR: No matches for a:b.\nERROR: No matches for a:c.\n");
}

static void same_tag_at_same_place_is_said_once(void **state) {
    struct diag_list list;
    diag_init(&list, *state, &source);
    diag_error(&list, "a", find("@"), "first");
    diag_error(&list, "b", find("@"), "other tag");
    diag_error(&list, "a", find("@"), "again");
    diag_hint(&list, "of the first");
    assert_int_equal(list.error_count, 2);
    assert_int_equal(list.items.count, 2);
    assert_string_equal(list.items.data[0].hint, "of the first");
    assert_null(list.items.data[1].hint);
}

static void nearest_name_or_none(void **state) {
    static const char *const names[] = {"count", "sum", "hist", "lhist"};
    (void)state;
    assert_string_equal(diag_nearest("cuont", names, 4), "count");
    assert_string_equal(diag_nearest("hits", names, 4), "hist");
    assert_null(diag_nearest("printf", names, 4));
    assert_null(diag_nearest("cast", names, 4)); /* two of four letters are wrong */
}

/* What a process says that calls diag_bug with this file. */
static void read_bug(const char *file, char *said, size_t size) {
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(pair[1], STDERR_FILENO);
        diag_bug(file, 7, "no %s", "way");
    }
    close(pair[1]);
    FILE *pipe_end = fdopen(pair[0], "r");
    said[fread(said, 1, size - 1, pipe_end)] = '\0';
    fclose(pipe_end);
    waitpid(child, NULL, 0);
}

static void bug_names_its_place_below_src(void **state) {
    char said[256];
    (void)state;
    read_bug("../../home/me/src/view/map.c", said, sizeof said);
    assert_int_equal(strncmp(said, "BUG: src/view/map.c:7: no way\n", 30), 0);
}

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(error_is_underlined_and_has_its_hint),
        TEST(notes_show_their_places),
        TEST(end_of_text_is_a_place),
        TEST(several_lines_mark_the_first),
        TEST(no_place_prints_the_message_alone),
        TEST(same_tag_at_same_place_is_said_once),
        TEST(nearest_name_or_none),
        TEST(bug_names_its_place_below_src),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
