/* Variables as older scripts use them. Since bpftrace 0.22 a variable lives in the block of its first assignment;
 * before, it lived in the whole probe, and many scripts do
 *
 *     if (v6) { $address = ntop(...); } else { $address = ntop(...); }
 *     printf("%s", $address);
 *
 * Where a variable is read behind the block that assigned it, it is declared at the start of the probe (`let
 * $address;`, 0 or empty until then), with a warning. Nothing that is correct today has such a use, so nothing else
 * changes. */
#include "lang/expand.h"

#include <string.h>

struct name {
    const struct node
        *first; /* where it was assigned, or NULL: declared by `let` or a loop, which stays in its block */
    const char *text;
    bool ended;
};

struct walk {
    struct arena *arena;
    struct diag_list *diags;
    VEC(struct name) names; /* visible ones and those of blocks that ended */
    VEC(const struct node *) wanted;
};

static struct name *find(struct walk *w, const char *text, bool ended) {
    for (uint32_t i = w->names.count; i-- > 0;) {
        struct name *name = &w->names.data[i];
        if (name->ended == ended && (!ended || name->first) && strcmp(name->text, text) == 0)
            return name;
    }
    return NULL;
}

static void declare(struct walk *w, const struct node *node, bool assigned) {
    if (!find(w, node->text, false))
        vec_push(w->arena, &w->names, ((struct name){assigned ? node : NULL, node->text, false}));
}

static void use(struct walk *w, const struct node *node) {
    struct name *name = find(w, node->text, false) ? NULL : find(w, node->text, true);

    if (!name)
        return;
    diag_warning(w->diags, "variable-outlives-block", node->loc,
                 "%s is used behind the block that assigned it; where that block did not run it is 0 or empty",
                 node->text);
    diag_note(w->diags, name->first->loc, "%s was assigned here", node->text);
    diag_hint(w->diags, "write `let %s;` before that block", node->text);
    name->ended = false;
    vec_push(w->arena, &w->wanted, name->first);
}

static void visit(struct walk *w, const struct node *node);

static void visit_children(struct walk *w, const struct node *node) {
    for (const struct node *child = node->child; child; child = child->next)
        visit(w, child);
}

/* What was wanted in the whole probe meanwhile stays visible. */
static void end_scope(struct walk *w, uint32_t first) {
    for (uint32_t i = first; i < w->names.count; i++) {
        struct name *name = &w->names.data[i];
        bool wanted = false;
        for (uint32_t k = 0; k < w->wanted.count; k++)
            wanted |= w->wanted.data[k] == name->first;
        name->ended = !wanted;
    }
}

static void visit_loop(struct walk *w, const struct node *node) {
    const struct node *variable = node->child;
    uint32_t first = w->names.count;

    for (const struct node *bound = variable->next; bound && bound->next; bound = bound->next)
        visit(w, bound);
    declare(w, variable, false);
    for (const struct node *child = variable->next; child; child = child->next)
        if (!child->next)
            visit(w, child);
    end_scope(w, first);
}

/* Variables of macros have their own rules: they never meet the script's. */
static bool is_variable(const struct node *node) { return node->kind == NODE_VARIABLE && node->hygiene == 0; }

static void visit(struct walk *w, const struct node *node) {
    uint32_t first = w->names.count;

    switch (node->kind) {
    case NODE_BLOCK:
    case NODE_BLOCK_VALUE:
    case NODE_FUNCTION:
        visit_children(w, node);
        end_scope(w, first);
        break;
    case NODE_FOR_RANGE:
    case NODE_FOR_MAP:
        visit_loop(w, node);
        break;
    case NODE_LET:
        visit_children(w, node);
        if (node->hygiene == 0)
            declare(w, node, false);
        break;
    case NODE_ASSIGN:
        visit(w, node->child->next);
        if (is_variable(node->child) && node->op == OP_NONE)
            declare(w, node->child, true);
        else
            visit(w, node->child);
        break;
    case NODE_VARIABLE:
        if (node->hygiene == 0)
            use(w, node);
        break;
    default:
        visit_children(w, node);
    }
}

static struct node *let(struct arena *arena, const struct node *variable) {
    struct node *node = arena_make(arena, struct node);

    node->kind = NODE_LET;
    node->loc = variable->loc;
    node->text = variable->text;
    return node;
}

void lang_expand_variables(struct lang_program *program, struct diag_list *diags) {
    for (struct node *probe = program->tree->child; probe; probe = probe->next) {
        struct walk w = {.arena = program->arena, .diags = diags};
        if (probe->kind != NODE_PROBE)
            continue;
        visit_children(&w, probe);
        struct node *body = node_probe_body(probe);
        for (uint32_t i = 0; i < w.wanted.count; i++) {
            struct node *declaration = let(program->arena, w.wanted.data[i]);
            declaration->next = body->child;
            body->child = declaration;
        }
    }
}
