/* Every tests/lang/parse/NAME.bt is parsed and its tree compared with NAME.ast; every tests/lang/error/TAG.bt must give
 * exactly the messages in TAG.txt, one of them with that tag. Positional parameters: $1 is first, $2 is 2. With
 * UPDATE_EXPECTED=1 in the environment the expected texts are written instead. */
#include "lang/lang.h"
#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FOLDER "tests/lang/"

struct parsed {
    struct arena *arena;
    struct source source;
    struct diag_list diags;
    struct lang_program *program;
};

static const char *read_file(struct arena *arena, const char *path, uint32_t *size) {
    FILE *file = fopen(path, "rb");
    char block[4096];
    struct strbuf text = {0};

    if (!file)
        fail_msg("%s is missing", path);
    for (size_t length; (length = fread(block, 1, sizeof block, file)) > 0;)
        strbuf_add(&text, block, length);
    fclose(file);
    *size = (uint32_t)text.length;
    const char *copy = arena_strdup(arena, strbuf_text(&text));
    strbuf_free(&text);
    return copy;
}

static void parse(struct parsed *parsed, const char *path) {
    static const char *const parameters[] = {"first", "2"};
    struct lang_env env = {.positional = parameters, .positional_count = 2};

    *parsed = (struct parsed){.arena = arena_new()};
    parsed->source.name = strrchr(path, '/') + 1;
    parsed->source.text = read_file(parsed->arena, path, &parsed->source.size);
    diag_init(&parsed->diags, parsed->arena, &parsed->source);
    parsed->program = lang_parse(parsed->arena, &parsed->source, &env, &parsed->diags);
}

/* The path with another ending. */
static const char *beside(struct arena *arena, const char *path, const char *ending) {
    return arena_printf(arena, "%.*s%s", (int)(strrchr(path, '.') - path), path, ending);
}

static void messages(const struct parsed *parsed, struct strbuf *out) {
    for (uint32_t i = 0; i < parsed->diags.items.count; i++)
        diag_format(&parsed->diags, &parsed->diags.items.data[i], false, out);
}

static void compare(struct parsed *parsed, struct strbuf *actual, const char *expected_path) {
    uint32_t size;
    if (getenv("UPDATE_EXPECTED")) {
        FILE *file = fopen(expected_path, "w");
        assert_non_null(file);
        fputs(strbuf_text(actual), file);
        fclose(file);
    }
    const char *expected = read_file(parsed->arena, expected_path, &size);

    assert_string_equal(strbuf_text(actual), expected);
    strbuf_free(actual);
    arena_free(parsed->arena);
}

static void tree_is_as_expected(void **state) {
    struct parsed parsed;
    struct strbuf out = {0};

    parse(&parsed, *state);
    messages(&parsed, &out);
    node_dump(parsed.program->tree, false, &out);
    compare(&parsed, &out, beside(parsed.arena, *state, ".ast"));
}

static void messages_are_as_expected(void **state) {
    struct parsed parsed;
    struct strbuf out = {0};
    bool has_tag = false;

    parse(&parsed, *state);
    messages(&parsed, &out);
    const char *tag = beside(parsed.arena, parsed.source.name, "");
    for (uint32_t i = 0; i < parsed.diags.items.count; i++) {
        const char *found = parsed.diags.items.data[i].tag;
        /* TAG-variant.bt is a further test of TAG */
        has_tag |= strncmp(tag, found, strlen(found)) == 0 && (!tag[strlen(found)] || tag[strlen(found)] == '-');
    }
    if (!has_tag)
        fail_msg("no message has the tag %s", tag);
    compare(&parsed, &out, beside(parsed.arena, *state, ".txt"));
}

/* ---- what no file can show ----------------------------------------------------------------------------------- */

static uint32_t errors_of(const char *text, uint32_t size, const char **tag) {
    struct arena *arena = arena_new();
    struct source source = {"stdin", text, size, NULL};
    struct diag_list diags;

    diag_init(&diags, arena, &source);
    assert_non_null(lang_parse(arena, &source, NULL, &diags)->tree);
    uint32_t count = diags.error_count;
    *tag = count ? diags.items.data[0].tag : "";
    arena_free(arena);
    return count;
}

static const char *repeated(struct strbuf *text, const char *head, const char *part, unsigned times, const char *tail) {
    strbuf_addstr(text, head);
    for (unsigned i = 0; i < times; i++)
        strbuf_addstr(text, part);
    strbuf_addstr(text, tail);
    return strbuf_text(text);
}

static void limits(void **state) {
    static const struct {
        const char *head, *part, *tail, *tag;
        unsigned times, errors;
    } cases[] = {
        {"begin { $x = ", "(", "", "nesting-too-deep", 100000, 1},
        {"begin { $x = ", "-", "1 }", "nesting-too-deep", 100001, 1},
        {"begin { $x = 1", " + 1", " }", "nesting-too-deep", 100000, 1},
        {"begin { $x = 1", " + 1", " }", "", 300, 0},
        {"begin { ", "if 1 { ", "", "nesting-too-deep", 100000, 1},
        {"begin { ", "if 1 { } else ", "{ } }", "nesting-too-deep", 50000, 1},
        {"begin { $x", ".a", " }", "nesting-too-deep", 100000, 1},
        {"begin { ", "$x++;", " }", "", 60000, 0},
        {"begin { ", "$x++;", " }", "program-too-large", 150000, 1},
        {"begin { ", "$x += 1;", " }", "program-too-large", 1 << 18, 1},
        {"begin { ", "$x = ; ", " }", "expression-expected", 100, 21},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf text = {0};
        const char *tag;
        repeated(&text, cases[i].head, cases[i].part, cases[i].times, cases[i].tail);
        uint32_t errors = errors_of(text.data, (uint32_t)text.length, &tag);
        if (errors != cases[i].errors || strcmp(tag, cases[i].tag) != 0)
            print_error("%u times %s: %u errors, first %s\n", cases[i].times, cases[i].part, errors, tag);
        assert_int_equal(errors, cases[i].errors);
        assert_string_equal(tag, cases[i].tag);
        strbuf_free(&text);
    }
}

static struct lang_program *program_of(struct arena *arena, const char *text) {
    struct source *source = arena_make(arena, struct source);
    struct diag_list *diags = arena_make(arena, struct diag_list);

    *source = (struct source){"stdin", text, (uint32_t)strlen(text), NULL};
    diag_init(diags, arena, source);
    struct lang_program *program = lang_parse(arena, source, NULL, diags);
    assert_int_equal(diags->error_count, 0);
    return program;
}

static void probe_has_predicate_and_body(void **state) {
    struct arena *arena = arena_new();
    struct lang_program *program = program_of(arena, "kprobe:a, kprobe:b / pid / { @ = 1 } begin { }");
    struct node *first = program->tree->child;

    (void)state;
    assert_int_equal(node_probe_predicate(first)->kind, NODE_IDENTIFIER);
    assert_int_equal(node_probe_body(first)->kind, NODE_BLOCK);
    assert_null(node_probe_predicate(first->next));
    arena_free(arena);
}

static void use_of_names_is_found(void **state) {
    struct arena *arena = arena_new();
    struct lang_program *program =
        program_of(arena, "kprobe:a { if tid() { @[args.x] = func } } kprobe:b / arg0 / { @args = \"args\" }");
    struct node *first = program->tree->child, *second = first->next;

    (void)state;
    assert_true(lang_uses_args(first));
    assert_true(lang_uses(first, "func"));
    assert_true(lang_uses(first, "tid"));
    assert_false(lang_uses(first, "pid"));
    assert_false(lang_uses_args(second));
    assert_true(lang_uses(second, "arg0"));
    arena_free(arena);
}

static void config_values_are_kept(void **state) {
    struct arena *arena = arena_new();
    struct lang_program *program = program_of(arena, "config = { a = 5; b = perf; c = true; d = \"x\"; e = false }\n"
                                                     "begin { }");

    (void)state;
    assert_int_equal(program->config.count, 5);
    assert_string_equal(program->config.data[0].name, "a");
    assert_int_equal(program->config.data[0].number, 5);
    assert_true(program->config.data[0].is_number);
    assert_string_equal(program->config.data[1].text, "perf");
    assert_false(program->config.data[1].is_number);
    assert_true(program->config.data[2].is_number && program->config.data[2].number == 1);
    assert_string_equal(program->config.data[3].text, "x");
    assert_true(program->config.data[4].is_number && program->config.data[4].number == 0);
    arena_free(arena);
}

static void argument_names_are_numbered(void **state) {
    static const struct {
        const char *name;
        int64_t number; /* -1: not one */
    } cases[] = {{"arg0", 0},   {"arg12", 12}, {"arg255", 255}, {"arg256", -1}, {"arg", -1},
                 {"arg01", -1}, {"argN", -1},  {"sarg3", 3},    {"sarg", -1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = -1;
        const struct lang_builtin *builtin = lang_find_builtin(cases[i].name, &number);
        assert_int_equal(number, cases[i].number);
        assert_true((builtin != NULL) == (cases[i].number >= 0));
    }
    assert_string_equal(lang_find_builtin("nsecs", NULL)->name, "nsecs");
    assert_null(lang_find_builtin("nsec", NULL));
    assert_int_equal(lang_find_function("hist")->flags, LANG_FUNCTION_AGGREGATE);
    assert_null(lang_find_function("comm"));
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

struct test_list {
    struct arena *arena;
    VEC(struct CMUnitTest) tests;
};

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void add_folder(struct test_list *list, const char *folder, CMUnitTestFunction function) {
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name);

    for (int i = 0; i < count; i++) {
        if (str_ends(entries[i]->d_name, ".bt")) {
            char *path = arena_printf(list->arena, "%s/%s", folder, entries[i]->d_name);
            struct CMUnitTest test = {path, function, NULL, NULL, path};
            vec_push(list->arena, &list->tests, test);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits),
        cmocka_unit_test(probe_has_predicate_and_body),
        cmocka_unit_test(use_of_names_is_found),
        cmocka_unit_test(config_values_are_kept),
        cmocka_unit_test(argument_names_are_numbered),
    };
    struct test_list list = {.arena = arena_new()};

    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        vec_push(list.arena, &list.tests, tests[i]);
    uint32_t fixed = list.tests.count;
    add_folder(&list, FOLDER "parse", tree_is_as_expected);
    add_folder(&list, FOLDER "error", messages_are_as_expected);
    if (list.tests.count == fixed)
        print_error("no scripts in " FOLDER "; run this in the top folder of the source\n");
    int failed = _cmocka_run_group_tests("lang_parser", list.tests.data, list.tests.count, NULL, NULL);
    arena_free(list.arena);
    return failed + (list.tests.count == fixed);
}
