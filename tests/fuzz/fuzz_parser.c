/* Script texts: the parser ends with a tree or with messages that lie inside the text, and the tree can be walked.
 * Good starting points: tests/lang/parse and tests/lang/error. */
#include "lang/lang.h"

static void check_places(const struct node *node, uint32_t size) {
    if (node->loc.end > size || node->loc.begin > node->loc.end || node->height > NODE_HEIGHT_LIMIT)
        __builtin_trap();
    for (const struct node *child = node->child; child; child = child->next)
        check_places(child, size);
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
    check_places(program->tree, source.size);
    node_dump(program->tree, false, &out);
    for (uint32_t i = 0; i < diags.items.count; i++) {
        if (diags.items.data[i].loc.end > source.size)
            __builtin_trap();
        diag_format(&diags, &diags.items.data[i], false, &out);
    }
    strbuf_free(&out);
    arena_free(arena);
    return 0;
}
