/* getopt("name"[, default[, description]]): options that the script takes behind `--`. Each use becomes the literal
 * that was given, of the kind of its default; without a default it is a flag. */
#include "lang/expand.h"

#include <string.h>
#include <strings.h>

struct option {
    const char *name, *description;
    enum node_kind kind; /* INTEGER, STRING, BOOLEAN: of the default */
    struct node *fallback;
    struct loc loc;
    bool is_given;
};

struct options {
    struct lang_program *program;
    const struct lang_env *env;
    struct diag_list *diags;
    VEC(struct option) known;
};

static struct option *find(struct options *o, const char *name) {
    for (uint32_t i = 0; i < o->known.count; i++) {
        if (strcmp(o->known.data[i].name, name) == 0)
            return &o->known.data[i];
    }
    return NULL;
}

/* ---- what the script says ---------------------------------------------------------------------------------- */

/* A literal, also with a sign; NULL if it is none. */
static struct node *literal(struct node *node) {
    if (node->kind == NODE_UNARY && node->op == OP_NEG && node->child->kind == NODE_INTEGER &&
        !node->child->is_unsigned) {
        node->child->number = -node->child->number;
        node->child->loc = node->loc;
        return node->child;
    }
    bool is_literal = node->kind == NODE_INTEGER || node->kind == NODE_STRING || node->kind == NODE_BOOLEAN;
    return is_literal ? node : NULL;
}

static bool same_literal(const struct node *a, const struct node *b) {
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->number == b->number && a->length == b->length &&
           (a->kind != NODE_STRING || memcmp(a->text, b->text, a->length) == 0);
}

/* NULL after an error. */
static struct option *declare(struct options *o, struct node *call) {
    struct node *name = call->child, *fallback = name ? name->next : NULL;
    struct node *description = fallback ? fallback->next : NULL;
    struct option option = {.kind = NODE_BOOLEAN, .loc = call->loc};

    if (!name || name->kind != NODE_STRING ||
        (description && (description->next || description->kind != NODE_STRING))) {
        diag_error(o->diags, "getopt", call->loc, "getopt() takes the name of an option%s",
                   name && name->kind == NODE_STRING ? ", its default and its description" : " as a string literal");
        diag_hint(o->diags, "getopt(\"name\", default, \"description\")");
        return NULL;
    }
    if (fallback && !(option.fallback = literal(fallback))) {
        diag_error(o->diags, "getopt", fallback->loc, "The default of an option is a number, a string, true or false");
        return NULL;
    }
    option.name = name->text;
    option.kind = option.fallback ? option.fallback->kind : NODE_BOOLEAN;
    option.description = description ? description->text : NULL;
    struct option *known = find(o, option.name);
    if (!known) {
        vec_push(o->program->arena, &o->known, option);
        return find(o, option.name);
    }
    if (!known->description)
        known->description = option.description;
    if (same_literal(known->fallback, option.fallback))
        return known;
    diag_error(o->diags, "getopt", call->loc,
               "Command line option '%s' needs to have the same default value in all places it is used", option.name);
    diag_hint(o->diags, "write it once, in a macro");
    return NULL;
}

/* ---- what the command line says ------------------------------------------------------------------------------ */

static const struct lang_option *given(const struct options *o, const char *name) {
    for (uint32_t i = o->env ? o->env->option_count : 0; i-- > 0;) {
        if (strcmp(o->env->options[i].name, name) == 0)
            return &o->env->options[i];
    }
    return NULL;
}

static bool parse_integer(const char *text, struct node *node) {
    bool is_negative = *text == '-';
    uint64_t magnitude;

    if (!str_to_u64(text + is_negative, &magnitude) || (is_negative && magnitude > (uint64_t)INT64_MAX + 1))
        return false;
    node->number = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    node->is_unsigned = !is_negative && magnitude > INT64_MAX;
    return true;
}

static bool parse_boolean(const char *text, struct node *node) {
    node->number = strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return node->number || strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

/* Puts the given value into the literal. */
static bool read_value(const struct option *option, const char *text, struct node *node) {
    switch (option->kind) {
    case NODE_INTEGER:
        node->text = text ? text : "";
        return text && parse_integer(text, node);
    case NODE_BOOLEAN:
        return parse_boolean(text ? text : "true", node);
    default:
        node->text = text ? text : "";
        node->length = (uint32_t)strlen(node->text);
        return text != NULL;
    }
}

static void become_literal(struct options *o, struct node *call) {
    static const char *const kinds[NODE_KIND_COUNT] = {
        [NODE_INTEGER] = "integer", [NODE_BOOLEAN] = "boolean", [NODE_STRING] = "string"};
    const struct option *option = declare(o, call);
    const struct lang_option *value = option ? given(o, option->name) : NULL;
    struct node *next = call->next;
    struct loc loc = call->loc;

    if (option && option->fallback)
        *call = *option->fallback;
    call->kind = option ? option->kind : NODE_INTEGER;
    call->child = NULL;
    call->height = 0;
    call->next = next;
    call->loc = loc;
    if (!value || read_value(option, value->value, call))
        return;
    diag_error(o->diags, "option-value", (struct loc){0, 0}, "program command line option --%s %s %s", option->name,
               value->value ? "invalid" : "requires a value:",
               value->value ? arena_printf(o->program->arena, "%s (value: %s)", kinds[option->kind], value->value)
                            : arena_printf(o->program->arena, "--%s=...", option->name));
}

static void expand(struct options *o, struct node *node) {
    for (struct node *child = node->child; child; child = child->next)
        expand(o, child);
    if (node->kind == NODE_CALL && strcmp(node->text, "getopt") == 0)
        become_literal(o, node);
}

/* "--a, --b", or one a line when some are described. */
static const char *option_list(const struct options *o) {
    const char *text = "";
    bool is_described = false;

    for (uint32_t i = 0; i < o->known.count; i++)
        is_described |= o->known.data[i].description != NULL;
    for (uint32_t i = 0; i < o->known.count; i++) {
        const struct option *option = &o->known.data[i];
        text =
            arena_printf(o->program->arena, "%s%s--%s%s%s", text,
                         is_described ? "\n"
                         : i          ? ", "
                                      : " ",
                         option->name, option->description ? ": " : "", option->description ? option->description : "");
    }
    return *text ? text : " none";
}

static void check_given(struct options *o) {
    const char *unknown = "";

    for (uint32_t i = 0; i < o->env->option_count; i++) {
        const char *name = o->env->options[i].name;
        if (!find(o, name) && strcmp(name, "help") != 0)
            unknown = arena_printf(o->program->arena, "%s%s--%s", unknown, *unknown ? ", " : "", name);
    }
    if (*unknown)
        diag_error(o->diags, "unknown-option", (struct loc){0, 0}, "unexpected program command line options: %s",
                   unknown);
    else if (given(o, "help") && !find(o, "help"))
        diag_error(o->diags, "option-help", (struct loc){0, 0}, "the program was asked for its options");
    else
        return;
    diag_hint(o->diags, "expected program options:%s", option_list(o));
}

void lang_expand_options(struct lang_program *program, const struct lang_env *env, struct diag_list *diags) {
    struct options o = {.program = program, .env = env, .diags = diags};

    expand(&o, program->tree);
    if (env)
        check_given(&o);
}
