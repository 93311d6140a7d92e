/* Script texts: the parser ends with a tree or with messages that lie inside the text, and the tree can be walked.
 * Good starting points: tests/lang/parse and tests/lang/error. */
#include "lang/lang.h"

static void check_place(const struct source *source, struct loc loc) {
    struct loc original = source_original(source, loc);

    if (loc.begin > loc.end || original.end > source->size || original.end - original.begin != loc.end - loc.begin)
        __builtin_trap();
}

static void check_places(const struct node *node, const struct source *source) {
    check_place(source, node->loc);
    if (node->height > NODE_HEIGHT_LIMIT)
        __builtin_trap();
    for (const struct node *child = node->child; child; child = child->next)
        check_places(child, source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const parameters[] = {"vfs_read", "2"};
    struct lang_env env = {.positional = parameters, .positional_count = 2};
    struct arena *arena = arena_new();
    /* exactly as long as it says, so that reading past the end is noticed */
    struct source source = {"stdin", (const char *)bytes, (uint32_t)size, NULL};
    struct diag_list diags;
    struct strbuf out = {0};

    diag_init(&diags, arena, &source);
    struct lang_program *program = lang_parse(arena, &source, &env, &diags);
    check_places(program->tree, program->source);
    node_dump(program->tree, false, &out);
    for (uint32_t i = 0; i < diags.items.count; i++) {
        check_place(program->source, diags.items.data[i].loc);
        diag_format(&diags, &diags.items.data[i], false, &out);
    }
    strbuf_free(&out);
    arena_free(arena);
    return 0;
}
