/* Every tests/lang/check/NAME.bt is checked in the world of lang_check_env.h. With NAME.types beside it, the typed tree
 * and the maps are compared; with NAME.txt, the messages, one of which has the tag NAME (up to a dot). With
 * UPDATE_EXPECTED=1 in the environment the files are written instead. */
#include "lang_check_env.h"
#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLDER "tests/lang/check/"

struct checked {
    struct arena *arena;
    struct source source;
    struct diag_list diags;
    struct lang_program *program;
    VEC(struct lang_unit) units;
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

static void check_file(struct checked *checked, const char *path) {
    *checked = (struct checked){.arena = arena_new()};
    checked->source.name = strrchr(path, '/') + 1;
    checked->source.text = read_file(checked->arena, path, &checked->source.size);
    diag_init(&checked->diags, checked->arena, &checked->source);
    checked->program = lang_parse(checked->arena, &checked->source, &world_env, &checked->diags);
    if (checked->diags.error_count)
        return;
    for (struct node *probe = checked->program->tree->child; probe; probe = probe->next) {
        struct lang_unit unit = {probe, world_target(probe)};
        if (!unit.target)
            fail_msg("%s: no such probe: %s", path, probe->child->text);
        vec_push(checked->arena, &checked->units, unit);
    }
    lang_check(checked->program, checked->units.data, checked->units.count, &world_env, &checked->diags);
}

static void describe_map(struct arena *arena, const struct lang_map *map, struct strbuf *out) {
    const struct {
        bool is_set;
        const char *name;
    } flags[] = {{map->printed, "printed"}, {map->cleared, "cleared"},   {map->cleared_at_end, "cleared-at-end"},
                 {map->zeroed, "zeroed"},   {map->iterated, "iterated"}, {map->deleted, "deleted"},
                 {map->counted, "counted"}, {map->tested, "tested"},     {map->always_tid_key, "always-tid"}};

    strbuf_addstr(out, map->name);
    if (map->key)
        strbuf_addf(out, "[%s]", type_text(arena, map->key));
    strbuf_addf(out, " : %s", map->value ? type_text(arena, map->value) : "unknown");
    for (size_t i = 0; i < COUNT(flags); i++)
        if (flags[i].is_set)
            strbuf_addf(out, " %s", flags[i].name);
    strbuf_addch(out, '\n');
}

static const char *messages(struct checked *checked) {
    struct strbuf out = {0};

    for (uint32_t i = 0; i < checked->diags.items.count; i++)
        diag_format(&checked->diags, &checked->diags.items.data[i], false, &out);
    const char *text = arena_strdup(checked->arena, strbuf_text(&out));
    strbuf_free(&out);
    return text;
}

/* Checks every unit twice more, last one first: a tree can be checked again at any time. */
static const char *typed_trees(struct checked *checked) {
    struct strbuf out = {0};

    for (uint32_t i = checked->units.count; i-- > 0;)
        lang_check_unit(checked->program, &checked->units.data[i], &world_env, &checked->diags);
    for (uint32_t i = 0; i < checked->units.count; i++) {
        lang_check_unit(checked->program, &checked->units.data[i], &world_env, &checked->diags);
        node_dump(checked->units.data[i].probe, true, &out);
    }
    for (uint32_t i = 0; i < checked->program->maps.count; i++)
        describe_map(checked->arena, checked->program->maps.data[i], &out);
    const char *text = arena_strdup(checked->arena, strbuf_text(&out));
    strbuf_free(&out);
    return text;
}

/* The path with another ending. */
static const char *beside(struct arena *arena, const char *path, const char *ending) {
    return arena_printf(arena, "%.*s%s", (int)(strrchr(path, '.') - path), path, ending);
}

static void compare_with_file(struct arena *arena, const char *actual, const char *path) {
    uint32_t size;

    if (getenv("UPDATE_EXPECTED")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(actual, file);
        fclose(file);
    }
    assert_string_equal(actual, read_file(arena, path, &size));
}

static void types_are_as_expected(void **state) {
    struct checked checked;

    check_file(&checked, *state);
    assert_string_equal(messages(&checked), "");
    compare_with_file(checked.arena, typed_trees(&checked), beside(checked.arena, *state, ".types"));
    arena_free(checked.arena);
}

static void messages_are_as_expected(void **state) {
    struct checked checked;
    bool has_tag = false;

    check_file(&checked, *state);
    for (uint32_t i = 0; i < checked.diags.items.count; i++) {
        size_t length = strlen(checked.diags.items.data[i].tag);
        has_tag |= strncmp(checked.diags.items.data[i].tag, checked.source.name, length) == 0 &&
                   checked.source.name[length] == '.';
    }
    assert_true(has_tag);
    compare_with_file(checked.arena, messages(&checked), beside(checked.arena, *state, ".txt"));
    arena_free(checked.arena);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

int main(void) {
    struct arena *arena = arena_new();
    VEC(struct CMUnitTest) tests = {0};
    DIR *folder = opendir(FOLDER);

    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!str_ends(entry->d_name, ".bt"))
            continue;
        char *path = arena_printf(arena, FOLDER "%s", entry->d_name);
        bool has_types = access(beside(arena, path, ".types"), R_OK) == 0;
        struct CMUnitTest test = {.name = path,
                                  .test_func = has_types ? types_are_as_expected : messages_are_as_expected,
                                  .initial_state = path};
        vec_push(arena, &tests, test);
    }
    if (!folder || tests.count == 0) {
        fprintf(stderr, FOLDER " has no cases\n");
        return 1;
    }
    closedir(folder);
    qsort(tests.data, tests.count, sizeof *tests.data, by_name);
    int failed = _cmocka_run_group_tests("lang_check", tests.data, tests.count, NULL, NULL);
    arena_free(arena);
    return failed;
}
