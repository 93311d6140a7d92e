#include "lang/ast.h"

#include <ctype.h>

const char *node_kind_name(enum node_kind kind) {
    static const char *const names[] = {
#define NODE(kind, children) #kind,
#include "lang/nodes.def"
#undef NODE
    };
    return kind < NODE_KIND_COUNT ? names[kind] : "?";
}

static const struct {
    const char *spelling;
    unsigned precedence;
} operators[] = {
#define OPERATOR(name, spelling, precedence) {spelling, precedence},
#include "lang/operators.def"
#undef OPERATOR
};

const char *operator_spelling(enum node_operator op) { return op < OP_COUNT ? operators[op].spelling : "?"; }

unsigned operator_precedence(enum node_operator op) { return op < OP_COUNT ? operators[op].precedence : 0; }

unsigned node_child_count(const struct node *node) {
    unsigned count = 0;

    for (const struct node *child = node->child; child; child = child->next)
        count++;
    return count;
}

struct node *node_child(const struct node *node, unsigned index) {
    struct node *child = node->child;

    for (; child && index > 0; index--)
        child = child->next;
    return child;
}

/* The last statement if it is what the block is worth; *before: the link to it. */
static struct node *tail(struct node *block, struct node ***link) {
    *link = &block->child;
    while (**link && (**link)->next)
        *link = &(**link)->next;
    return **link && (**link)->is_tail ? **link : NULL;
}

static bool has_value(struct node *block) {
    struct node **link, *last = block->kind == NODE_BLOCK ? tail(block, &link) : block;

    if (!last || last->kind == NODE_BLOCK)
        return last && has_value(last);
    if (last->kind != NODE_IF)
        return last->kind == NODE_EXPRESSION;
    const struct node *then = last->child->next;
    return then->next && has_value(last->child->next) && has_value(then->next);
}

/* if (c) { a } else { b } becomes c ? a : b. */
static struct node *if_value(struct node *node) {
    struct node *then = node->child->next, *otherwise = then->next;

    node->kind = NODE_TERNARY;
    node->child->next = node_block_value(then);
    node->child->next->next = otherwise->kind == NODE_IF ? if_value(otherwise) : node_block_value(otherwise);
    node->child->next->next->next = NULL;
    return node;
}

struct node *node_block_value(struct node *block) {
    struct node **link, *last = tail(block, &link);

    if (block->kind != NODE_BLOCK || !has_value(block))
        return block;
    *link = last->kind == NODE_IF ? if_value(last) : last->kind == NODE_BLOCK ? node_block_value(last) : last->child;
    (*link)->next = NULL;
    if (*link == block->child)
        return block->child;
    block->kind = NODE_BLOCK_VALUE;
    return block;
}

bool node_contains(const struct node *node, const struct node *inner) {
    if (node == inner)
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (node_contains(child, inner))
            return true;
    }
    return false;
}

struct node *node_branch(const struct node *node) {
    struct node *then = node->child->next;

    return node->branch == 1 ? then : then->next;
}

struct node *node_probe_body(const struct node *probe) {
    struct node *child = probe->child;

    while (child && child->next)
        child = child->next;
    return child;
}

struct node *node_probe_predicate(const struct node *probe) {
    struct node *child = probe->child;

    if (!probe->has_predicate)
        return NULL;
    while (child && child->next && child->next->next)
        child = child->next;
    return child;
}

void type_name_format(const struct type_name *name, struct strbuf *out) {
    static const char *const keywords[] = {"", "struct ", "union ", "enum "};

    strbuf_addf(out, "%s%s", keywords[name->keyword], name->name);
    if (name->inner) {
        strbuf_addch(out, '(');
        type_name_format(name->inner, out);
        strbuf_addch(out, ')');
    } else if (name->of) {
        strbuf_addstr(out, "(...)");
    }
    if (name->pointer_depth > 0)
        strbuf_addch(out, ' ');
    strbuf_fill(out, '*', name->pointer_depth);
    for (uint32_t i = 0; i < name->array_count; i++)
        strbuf_addf(out, "[%u]", name->array_sizes[i]);
    strbuf_fill(out, '*', name->outer_pointers);
}

/* A string as it would be written; bytes that are not printable as \xhh. */
static void dump_string(const struct node *node, struct strbuf *out) {
    strbuf_addstr(out, " \"");
    for (uint32_t i = 0; i < node->length; i++) {
        unsigned char c = (unsigned char)node->text[i];
        if (c == '\n')
            strbuf_addstr(out, "\\n");
        else if (c == '"' || c == '\\')
            strbuf_addf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            strbuf_addf(out, "\\x%02x", c);
        else
            strbuf_addch(out, (char)c);
    }
    strbuf_addch(out, '"');
}

static void dump_leaf(const struct node *node, struct strbuf *out) {
    if (node->kind == NODE_STRING)
        dump_string(node, out);
    else if (node->kind == NODE_INTEGER)
        strbuf_addf(out, node->is_unsigned ? " %lu" : " %ld", node->number);
    else if (node->kind == NODE_POSITIONAL || node->kind == NODE_TUPLE_FIELD)
        strbuf_addf(out, " %ld", node->number);
    else if (node->kind == NODE_BOOLEAN)
        strbuf_addstr(out, node->number ? " true" : " false");
    else if (node->text)
        strbuf_addf(out, " %s", node->text);
    for (unsigned i = 0; node->names && i < node_child_count(node); i++)
        strbuf_addf(out, " .%s", node->names[i]);
    if (node->kind == NODE_ASSIGN)
        strbuf_addf(out, " %s=", operator_spelling(node->op));
    else if (node->kind == NODE_INCREMENT)
        strbuf_addf(out, " %s %s", node->op == OP_ADD ? "++" : "--", node->is_postfix ? "after" : "before");
    else if (node->op != OP_NONE)
        strbuf_addf(out, " %s", operator_spelling(node->op));
    if (node->type_name) {
        strbuf_addstr(out, " (");
        type_name_format(node->type_name, out);
        strbuf_addch(out, ')');
    }
}

static void dump(const struct node *node, bool types, unsigned level, struct strbuf *out) {
    strbuf_fill(out, ' ', (size_t)level * 2);
    for (const char *c = node_kind_name(node->kind); *c; c++)
        strbuf_addch(out, (char)tolower((unsigned char)*c));
    dump_leaf(node, out);
    if (types && node->type && node->type->kind != TYPE_VOID) {
        strbuf_addstr(out, " : ");
        type_format(node->type, out);
        if (node->is_constant && node->kind != NODE_INTEGER && node->kind != NODE_BOOLEAN)
            strbuf_addf(out, " = %ld", node->number);
    }
    strbuf_addch(out, '\n');
    const struct node *predicate = node->kind == NODE_PROBE ? node_probe_predicate(node) : NULL;
    for (const struct node *child = node->child; child; child = child->next) {
        if (child == predicate) {
            strbuf_fill(out, ' ', (size_t)level * 2 + 2);
            strbuf_addstr(out, "predicate\n");
        }
        dump(child, types, level + 1 + (child == predicate), out);
    }
}

void node_dump(const struct node *node, bool types, struct strbuf *out) { dump(node, types, 0, out); }
