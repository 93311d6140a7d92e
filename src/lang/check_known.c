/* What is known about the program itself before it runs: kinds of types, fields that exist, sentences of the script
 * about what is wrong. The answers are constants; asked as a condition (exists() always, the others behind `comptime`)
 * they decide what is part of the program at all. */
#include "base/printf_spec.h"
#include "lang/check_int.h"

#include <inttypes.h>
#include <string.h>

static void answer(struct node *node, bool is_true) {
    node->type = type_bool();
    node->is_constant = true;
    node->number = is_true;
}

/* ---- settings ------------------------------------------------------------------------------------------------- */

static struct node *setting_value(struct check *c, const struct lang_setting *setting, struct loc loc) {
    struct node *value = arena_make(c->arena, struct node);

    value->kind = setting->text ? NODE_STRING : setting->is_truth ? NODE_BOOLEAN : NODE_INTEGER;
    value->loc = loc;
    value->text = setting->text;
    value->length = setting->text ? (uint32_t)strlen(setting->text) : 0;
    value->number = setting->number;
    return value;
}

/* config -> (max_strlen = 1024, ...) */
void check_config(struct check *c, struct node *node) {
    struct node *values = NULL, **link = &values;
    VEC(const char *) names = {0};
    struct lang_setting setting;

    for (uint32_t i = 0; c->env->setting && c->env->setting(c->env->context, i, &setting); i++) {
        *link = setting_value(c, &setting, node->loc);
        link = &(*link)->next;
        vec_push(c->arena, &names, setting.name);
    }
    if (!values) {
        check_error(c, "no-settings", node->loc, "the settings are not known here");
        return;
    }
    node->kind = NODE_TUPLE;
    node->text = NULL;
    node->child = values;
    node->names = names.data;
    check_expression(c, node);
}

/* ---- types --------------------------------------------------------------------------------------------------- */

/* The type of the argument; NULL while it is not known. */
static const struct type *argument_type(struct check *c, struct node *node) {
    const struct type *type = check_expression(c, node->child);

    return type && type_is_aggregate(type) ? check_reduced_value(node->child) : type;
}

void check_call_is_ptr(struct check *c, struct node *node) {
    const struct type *type = argument_type(c, node);
    if (type)
        answer(node, type->kind == TYPE_POINTER);
}

void check_call_is_str(struct check *c, struct node *node) {
    const struct type *type = argument_type(c, node);
    if (type)
        answer(node, type->kind == TYPE_STRING);
}

void check_call_is_array(struct check *c, struct node *node) {
    const struct type *type = argument_type(c, node);
    if (type)
        answer(node, type->kind == TYPE_ARRAY);
}

void check_call_is_integer(struct check *c, struct node *node) {
    const struct type *type = argument_type(c, node);
    if (type)
        answer(node, type->kind == TYPE_INT);
}

void check_call_is_unsigned_integer(struct check *c, struct node *node) {
    const struct type *type = argument_type(c, node);
    if (type)
        answer(node, type->kind == TYPE_INT && !type->is_signed);
}

void check_call_is_literal(struct check *c, struct node *node) {
    const struct node *value = node->child;

    check_expression(c, node->child);
    if (value->kind == NODE_UNARY && value->op == OP_NEG)
        value = value->child;
    answer(node, value->kind == NODE_INTEGER || value->kind == NODE_STRING || value->kind == NODE_BOOLEAN);
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

/* a.b.c: whether each of the fields is there. -1 while that is not known. */
static int has_fields(struct check *c, struct node *node) {
    if (node->kind != NODE_FIELD)
        return check_expression(c, node) ? 1 : -1;
    int object = has_fields(c, node->child);
    if (object <= 0)
        return object;
    const struct type *type = node->child->type;
    if (type->kind == TYPE_POINTER)
        type = type->target;
    uint32_t offset;
    if (type->kind != TYPE_STRUCT || !type_find_field(type_complete(type), node->text, &offset))
        return 0;
    return check_expression(c, node) ? 1 : -1;
}

void check_call_exists(struct check *c, struct node *node) {
    struct node *value = node->child;

    if (value->kind != NODE_FIELD) {
        check_error(c, "exists", value->loc, "exists() asks for a field");
        check_hint(c, "as in: if (exists(curtask->__state)) { ... } else { ... }");
        return;
    }
    int found = has_fields(c, value);
    if (found >= 0)
        answer(node, found);
}

/* ---- sentences ------------------------------------------------------------------------------------------------ */

static void add_argument(struct strbuf *text, const struct printf_spec *spec, const struct node *argument) {
    if (argument->kind == NODE_STRING)
        strbuf_add(text, argument->text, strlen(argument->text));
    else if (spec->conversion == PRINTF_HEX || spec->conversion == PRINTF_POINTER)
        strbuf_addf(text, "%" PRIx64, (uint64_t)argument->number);
    else if (spec->conversion == PRINTF_UNSIGNED)
        strbuf_addf(text, "%" PRIu64, (uint64_t)argument->number);
    else
        strbuf_addf(text, "%" PRId64, argument->number);
}

/* fail("format", ...): the script itself says that it cannot be. */
void check_call_fail(struct check *c, struct node *node) {
    struct printf_format format = {0};
    const struct node *argument = node->child->next;
    struct strbuf text = {0};

    for (struct node *value = node->child; value; value = value->next) {
        const struct type *type = check_expression(c, value);
        if (!type || value->kind == NODE_STRING || value->is_constant)
            continue;
        check_error(c, "constant-expected", value->loc, "fail() takes values that are known at compile time");
        return;
    }
    const char *problem =
        node->child->kind == NODE_STRING ? printf_parse(c->arena, node->child->text, &format) : "no format string";
    if (problem || format.argument_count != node_child_count(node) - 1) {
        check_error(c, "format-arguments", node->loc, "fail(): %s",
                    problem ? problem : "the number of arguments does not fit the format");
        return;
    }
    for (uint32_t i = 0; i < format.count; i++) {
        const struct printf_spec *spec = &format.specs[i];
        if (spec->conversion == PRINTF_LITERAL) {
            strbuf_add(&text, spec->text, spec->length);
        } else if (argument) {
            add_argument(&text, spec, argument);
            argument = argument->next;
        }
    }
    check_error(c, "fail", node->loc, "%s", strbuf_text(&text));
    strbuf_free(&text);
}

/* ---- functions of the kernel ---------------------------------------------------------------------------------- */

void check_call_kfunc_exist(struct check *c, struct node *node) {
    struct node *name = node->child;

    if (name->kind != NODE_STRING) {
        check_error(c, "constant-expected", name->loc, "kfunc_exist() accepts a string literal only");
        return;
    }
    check_expression(c, name);
    answer(node, c->env->has_function && c->env->has_function(c->env->context, name->text));
}

/* tarsier's programs call none. */
void check_call_kfunc_allowed(struct check *c, struct node *node) {
    if (node->child->kind != NODE_STRING) {
        check_error(c, "constant-expected", node->child->loc, "kfunc_allowed() accepts a string literal only");
        return;
    }
    check_expression(c, node->child);
    answer(node, false);
}
