/* Leaves, lvalues and the dispatch over the kinds of expressions. */
#include "lang/check_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- literals and parameters ------------------------------------------------------------------------------- */

static void set_constant(struct node *node, int64_t number, const struct type *type) {
    node->is_constant = true;
    node->number = number;
    node->type = type;
}

/* Was the node written as $N? It may have become a literal in an earlier walk. */
static bool is_parameter(const struct node *node, uint32_t *index) {
    *index = node->positional - 1;
    return node->positional != 0;
}

static const char *positional_text(const struct check *c, uint32_t index) {
    return index > 0 && index <= c->env->positional_count ? c->env->positional[index - 1] : NULL;
}

static void become_text(struct check *c, struct node *node, const char *text) {
    node->kind = NODE_STRING;
    node->text = text ? text : "";
    node->length = (uint32_t)strlen(node->text);
    node->is_constant = false;
    node->type = type_string(c->arena, node->length + 1);
}

/* A number if it looks like one, or if it was not given; else a text. */
static void positional_value(struct check *c, struct node *node, uint32_t index) {
    const char *text = positional_text(c, index);
    bool is_negative = text && *text == '-';
    uint64_t magnitude = 0;

    if (text && !str_to_u64(text + is_negative, &magnitude)) {
        become_text(c, node, text);
        return;
    }
    int64_t number = (int64_t)(is_negative ? 0 - magnitude : magnitude);
    node->kind = NODE_INTEGER;
    node->text = arena_printf(c->arena, "$%u", index);
    set_constant(node, number, check_literal_type(number, !is_negative && magnitude > INT64_MAX));
}

bool check_is_positional(const struct node *node) { return node->positional != 0; }

/* $1 + 2: the text behind the second character. */
static bool is_rest_of_parameter(const struct node *node, uint32_t *index) {
    const struct node *left = node->child, *right = left ? left->next : NULL;

    return node->kind == NODE_BINARY && node->op == OP_ADD && is_parameter(left, index) &&
           right->kind == NODE_INTEGER && !right->is_unsigned && right->number >= 0;
}

bool check_positional_string(struct check *c, struct node *node) {
    uint32_t index;

    if (is_rest_of_parameter(node, &index)) {
        const char *text = positional_text(c, index);
        uint64_t skipped = (uint64_t)node->child->next->number, length = text ? strlen(text) : 0;
        node->child = NULL;
        become_text(c, node, skipped < length ? text + skipped : "");
        return true;
    }
    if (!is_parameter(node, &index))
        return false;
    become_text(c, node, positional_text(c, index));
    return true;
}

static void check_integer_literal(struct check *c, struct node *node) {
    uint32_t index;

    if (is_parameter(node, &index)) {
        positional_value(c, node, index);
        return;
    }
    /* An enumerator's name that became a number in an earlier walk keeps its type. */
    bool is_enumerator = node->type && node->type->kind == TYPE_ENUM;
    set_constant(node, node->number, is_enumerator ? node->type : check_literal_type(node->number, node->is_unsigned));
}

static void check_string_literal(struct check *c, struct node *node) {
    uint32_t index;

    if (is_parameter(node, &index))
        positional_value(c, node, index);
    else
        node->type = type_string(c->arena, node->length + 1);
}

static void check_positional(struct check *c, struct node *node) { positional_value(c, node, (uint32_t)node->number); }

static void check_positional_count(struct check *c, struct node *node) {
    node->kind = NODE_INTEGER;
    node->text = "$#";
    set_constant(node, c->env->positional_count, check_literal_type(c->env->positional_count, false));
}

static void check_boolean(struct check *c, struct node *node) {
    (void)c;
    set_constant(node, node->number, type_bool());
}

/* ---- variables and maps ------------------------------------------------------------------------------------ */

static const char *nearest_variable(struct check *c, const char *name) {
    VEC(const char *) names = {0};

    for (const struct scope *scope = c->scope; scope; scope = scope->parent)
        for (uint32_t i = 0; i < scope->variables.count; i++)
            vec_push(c->arena, &names, scope->variables.data[i]->name);
    return check_nearest_name(name, names.data, names.count);
}

static const struct lang_variable *gone_variable(const struct check *c, const char *name) {
    for (uint32_t i = 0; i < c->gone.count; i++)
        if (strcmp(c->gone.data[i]->name, name) == 0)
            return c->gone.data[i];
    return NULL;
}

static void report_undefined_variable(struct check *c, const struct node *node) {
    const struct lang_variable *gone = gone_variable(c, node->text);
    const char *nearest = nearest_variable(c, node->text);

    check_error(c, "undefined-variable", node->loc, "Undefined or undeclared variable: %s", node->text);
    if (gone) {
        check_note(c, gone->declared, "this %s ended with its block", node->text);
        check_hint(c, "write 'let %s;' in front of that block", node->text);
    } else if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else
        check_hint(c, "assign it first; a map shares a value between probes");
}

static void check_variable(struct check *c, struct node *node) {
    node->variable = check_find_variable(c, node);
    if (node->variable) {
        node->type = node->variable->type;
        if (!node->type && c->assume_integers && !node->variable->assignments)
            node->type = type_int(64, true);
        return;
    }
    if (c->report)
        report_undefined_variable(c, node);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

static bool is_args(const struct node *node) { return node->builtin && node->builtin->id == LANG_BUILTIN_args; }

static enum type_space user_or(const struct check *c, enum type_space otherwise) {
    return c->target->user_pointers ? SPACE_USER : otherwise;
}

enum type_space check_object_space(struct check *c, const struct node *object) {
    while (object && (!object->type || object->type->kind != TYPE_POINTER)) {
        if (is_args(object))
            return user_or(c, SPACE_KERNEL);
        if (object->kind != NODE_FIELD && object->kind != NODE_INDEX)
            return user_or(c, SPACE_NONE);
        object = object->child;
    }
    if (!object || object->type->space == SPACE_NONE)
        return user_or(c, SPACE_NONE);
    return object->type->space;
}

struct names {
    VEC(const char *) list;
};

/* The names of the members, those of anonymous members too. */
static void add_field_names(struct check *c, const struct type *type, unsigned depth, struct names *names) {
    enum { DEEPEST = 8 };

    type_complete(type);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        if (field->name)
            vec_push(c->arena, &names->list, field->name);
        else if (field->type->kind == TYPE_STRUCT && depth < DEEPEST)
            add_field_names(c, field->type, depth + 1, names);
    }
}

static const char *nearest_field(struct check *c, const struct type *type, const char *name) {
    struct names names = {0};

    add_field_names(c, type, 0, &names);
    return diag_nearest(name, names.list.data, names.list.count);
}

/* "a, b, c" */
static const char *record_names(struct check *c, const struct type *record) {
    const char *text = record->fields[0].name;

    for (uint32_t i = 1; i < record->field_count; i++)
        text = arena_printf(c->arena, "%s, %s", text, record->fields[i].name);
    return text;
}

static void report_unknown_field(struct check *c, const struct node *node, const struct type *object) {
    if (!c->report)
        return;
    if (is_args(node->child))
        check_error(c, "unknown-field", node->loc, "Can't find function parameter %s", node->text);
    else if (type_is_record(object))
        check_error(c, "unknown-field", node->loc, "The record does not contain a field named '%s'", node->text);
    else
        check_error(c, "unknown-field", node->loc, "Struct/union of type '%s' does not contain a field named '%s'",
                    check_type_text(c, object), node->text);
    const char *nearest = nearest_field(c, object, node->text);
    if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else if (is_args(node->child))
        check_hint(c, "'tarsier -lv %s' lists the arguments", c->target->name);
    else if (type_is_record(object))
        check_hint(c, "its fields are %s", record_names(c, object));
    else
        check_hint(c, "'tarsier -lv \"%s\"' lists the fields", check_type_text(c, object));
}

static bool is_literal(const struct node *node) {
    return node->kind == NODE_INTEGER || node->kind == NODE_STRING || node->kind == NODE_BOOLEAN;
}

/* (a = 1, b = "x").a is 1 */
static bool take_literal(struct check *c, struct node *node, uint32_t index) {
    const struct node *element = node->child->kind == NODE_TUPLE ? node->child->child : NULL;

    for (const struct node *other = element; other; other = other->next)
        if (!is_literal(other))
            return false;
    while (element && index--)
        element = element->next;
    if (!element)
        return false;
    struct node literal = *element;
    literal.next = node->next;
    literal.loc = node->loc;
    *node = literal;
    check_expression(c, node);
    return true;
}

/* .name of a record is .N */
static void check_record_field(struct check *c, struct node *node, const struct type *record) {
    uint32_t index = type_record_index(record, node->text);

    if (index == record->field_count) {
        report_unknown_field(c, node, record);
        return;
    }
    if (take_literal(c, node, index))
        return;
    node->kind = NODE_TUPLE_FIELD;
    node->number = index;
    node->type = record->fields[index].type;
}

static void report_no_struct(struct check *c, const struct node *node, const struct type *object) {
    check_error(c, "field-of-non-struct", node->loc, "Can not access field '%s' on expression of type '%s'", node->text,
                check_type_text(c, object));
    check_note_origin(c, node->child);
    if (check_is_integer(object) || object->kind == TYPE_POINTER)
        check_hint(c, "say what it points to: ((struct NAME *)value)->%s", node->text);
    else if (object->kind == TYPE_TUPLE)
        check_hint(c, "the elements of a tuple are .0, .1, ...");
}

/* An argument of a user function that is where no program can read it. */
static bool is_unreadable(struct check *c, const struct node *node) {
    const struct object_function *function = c->target->function;

    if (!is_args(node->child) || !function || function->args != c->target->args)
        return false;
    const char *reason = check_unreadable(&function->locations[node->field - function->args->fields]);
    if (!reason)
        return false;
    check_error(c, "unreadable-argument", node->loc, "The argument '%s' of %s can not be read", node->text,
                function->name);
    check_hint(c, "%s", reason);
    return true;
}

static void check_field(struct check *c, struct node *node) {
    const struct type *object = check_expression(c, node->child);

    if (!object)
        return;
    if (type_is_record(object)) {
        check_record_field(c, node, object);
        return;
    }
    if (object->kind == TYPE_POINTER)
        object = object->target;
    if (object->kind != TYPE_STRUCT) {
        report_no_struct(c, node, node->child->type);
        return;
    }
    node->field = type_find_field(object, node->text, &node->field_offset);
    if (!node->field) {
        report_unknown_field(c, node, object);
        return;
    }
    if (is_unreadable(c, node))
        return;
    const struct type *type = node->field->type;
    if (!node->field->is_data_loc) {
        node->type = check_memory_type(c, type, check_object_space(c, node->child));
        return;
    }
    if (type->kind == TYPE_ARRAY && type->target->size != 1) {
        check_error(c, "dynamic-array", node->loc, "The dynamic array '%s' of type '%s' cannot be read", node->text,
                    check_type_text(c, type));
        check_hint(c, "only dynamic arrays of bytes can be read, as strings");
        return;
    }
    node->type = type_string(c->arena, c->env->max_strlen);
}

static void check_tuple_field(struct check *c, struct node *node) {
    if (*node->text) { /* it was by name in an earlier walk */
        node->kind = NODE_FIELD;
        check_field(c, node);
        return;
    }
    const struct type *object = check_value(c, node->child);

    if (!object)
        return;
    if (object->kind != TYPE_TUPLE) {
        check_error(c, "tuple-expected", node->loc, "Can not access index '%lld' on expression of type '%s'",
                    (long long)node->number, check_type_text(c, object));
        check_note_origin(c, node->child);
        check_hint(c, "only tuples have .N; elements of arrays are [N]");
    } else if (node->number < 0 || node->number >= object->field_count) {
        check_error(c, "tuple-index", node->loc, "Invalid tuple index: %lld. Found %u elements in tuple.",
                    (long long)node->number, object->field_count);
        check_hint(c, "the elements are numbered from 0");
    } else {
        node->type = object->fields[node->number].type;
    }
}

static void check_index(struct check *c, struct node *node) {
    struct node *index = node->child->next;
    const struct type *object = check_expression(c, node->child);
    const struct type *type = check_integer(c, index, "An index");

    if (!object || !type)
        return;
    if (object->kind == TYPE_TUPLE && !type_is_record(object) && index->is_constant) {
        node->kind = NODE_TUPLE_FIELD;
        node->text = "";
        node->number = index->number;
        node->child->next = NULL;
        check_tuple_field(c, node);
        return;
    }
    bool is_array = object->kind == TYPE_ARRAY || object->kind == TYPE_STRING;
    uint32_t count = object->kind == TYPE_STRING ? object->size : object->count;
    if (is_array && index->is_constant && count && (uint64_t)index->number >= count) {
        check_error(c, "array-bounds", index->loc, "the index %lld is out of bounds for array of size %u",
                    (long long)index->number, count);
        check_hint(c, "the last element is [%u]", count - 1);
    } else if (object->kind == TYPE_STRING) {
        node->type = type_int(8, true);
    } else if (object->kind == TYPE_ARRAY || (object->kind == TYPE_POINTER && object->target->kind != TYPE_VOID)) {
        node->type = check_memory_type(c, object->target, check_object_space(c, node->child));
    } else {
        check_error(c, "index-of-non-array", node->loc,
                    "The array index operator [] can only be used on arrays and pointers, found '%s'.",
                    check_type_text(c, object));
        check_note_origin(c, node->child);
        check_hint(c, "cast a number to a pointer first: ((int32 *)value)[0]");
    }
}

/* ---- tuples and sizes -------------------------------------------------------------------------------------- */

/* The kernel's own fields, which every record of a tracepoint has, say nothing about the event. */
static bool is_argument(const struct type_field *field) {
    return field->name && !str_starts(field->name, "common_") && !str_starts(field->name, "__");
}

/* args as a value is the record (a = args.a, b = args.b, ...). Each walk makes it anew: another probe, other arguments.
 */
static bool make_args_record(struct check *c, struct node *node) {
    struct node args = *node, *members = NULL, **link = &members;
    VEC(const char *) names = {0};

    args.kind = NODE_IDENTIFIER;
    args.child = args.next = NULL;
    const struct type *type = check_expression(c, &args);
    for (uint32_t i = 0; type && type->kind == TYPE_STRUCT && i < type->field_count; i++) {
        if (!is_argument(&type->fields[i]))
            continue;
        struct node *member = arena_make(c->arena, struct node), *object = arena_make(c->arena, struct node);
        *object = args;
        *member = (struct node){.kind = NODE_FIELD, .loc = node->loc, .child = object, .text = type->fields[i].name};
        *link = member;
        link = &member->next;
        vec_push(c->arena, &names, member->text);
    }
    if (!members)
        return false;
    node->kind = NODE_TUPLE;
    node->child = members;
    node->names = names.data;
    return true;
}

static void check_tuple(struct check *c, struct node *node) {
    VEC(const struct type *) types = {0};
    bool known = true;

    if (node->text && !make_args_record(c, node)) /* it was args in an earlier walk */
        return;
    for (struct node *element = node->child; element; element = element->next) {
        const struct type *type = check_value(c, element);
        if (type && type_is_aggregate(type)) {
            check_error(c, "aggregate-value", element->loc, "'%s' cannot be an element of a %s",
                        check_type_text(c, type), node->names ? "record" : "tuple");
            check_hint(c, "histograms and statistics can be printed, but not copied");
            type = NULL;
        }
        known &= type != NULL;
        vec_push(c->arena, &types, type ? check_variable_type(c, type) : NULL);
    }
    if (known)
        node->type = type_record(c->arena, types.data, node->names, types.count);
}

/* The type that sizeof and offsetof speak of. A plain word can be a type or a constant: which, is known only here. */
static const struct type *operand_type(struct check *c, struct node *node) {
    if (!node->child && !check_knows_type(c, node->type_name) && !node->type_name->array_count &&
        !node->type_name->pointer_depth) {
        struct node constant = {.kind = NODE_IDENTIFIER, .text = node->type_name->name, .loc = node->type_name->loc};
        bool report = c->report;
        c->report = false;
        const struct type *type = check_expression(c, &constant);
        c->report = report;
        if (type)
            return type;
    }
    const struct type *type = node->child ? check_expression(c, node->child) : check_type_name(c, node->type_name);
    return type ? type_complete(type) : NULL;
}

static void check_sizeof(struct check *c, struct node *node) {
    const struct type *type = operand_type(c, node);

    if (type)
        set_constant(node, check_sizeof_type(type), type_int(64, false));
}

/* (btf_id, base_type, full_type): the texts are as long as they are, so that records of equal types are equal. */
static void check_typeinfo(struct check *c, struct node *node) {
    static const char *const names[] = {"btf_id", "base_type", "full_type"};
    const struct type *type = operand_type(c, node);

    node->common = type && check_is_flexible(type) ? type_int(type->size * 8, true) : type;
    if (!type)
        return;
    const char *base = type_kind_text(type), *full = check_type_text(c, node->common);
    const struct type *fields[] = {type_int(64, false), type_string(c->arena, (uint32_t)strlen(base) + 1),
                                   type_string(c->arena, (uint32_t)strlen(full) + 1)};
    node->type = type_record(c->arena, fields, names, 3);
}

const char *check_constant_text(struct check *c, const struct node *node) {
    const struct node *info = node->child;

    if (node->kind == NODE_STRING)
        return node->text;
    if (node->kind != NODE_TUPLE_FIELD || info->kind != NODE_TYPEINFO || !info->common || node->number == 0)
        return NULL;
    return node->number == 1 ? type_kind_text(info->common) : check_type_text(c, info->common);
}

/* One name of the path a.b.c; NULL after an error. */
static const struct type *member_type(struct check *c, const struct node *node, const struct type *type,
                                      const char *name, uint64_t *offset) {
    uint32_t inside = 0;

    if (type->kind != TYPE_STRUCT) {
        check_error(c, "offsetof-type", node->loc, "'%s' has no fields: it is no struct or union",
                    check_type_text(c, type));
        check_hint(c,
                   type->kind == TYPE_POINTER ? "offsets end at a pointer: take offsetof(%s, %s)"
                                              : "offsetof(struct NAME, field)",
                   type->kind == TYPE_POINTER ? check_type_text(c, type->target) : "", name);
        return NULL;
    }
    const struct type_field *field = type_find_field(type, name, &inside);
    if (!field) {
        const char *nearest = nearest_field(c, type, name);
        check_error(c, "unknown-field", node->loc, "'%s' has no field named '%s'", check_type_text(c, type), name);
        if (nearest)
            check_hint(c, "did you mean '%s'?", nearest);
        else
            check_hint(c, "'tarsier -lv \"%s\"' lists the fields", check_type_text(c, type));
        return NULL;
    }
    *offset += inside;
    return field->type;
}

static void check_offsetof(struct check *c, struct node *node) {
    const struct type *type = operand_type(c, node);
    char *path = arena_strdup(c->arena, node->text), *rest = NULL;
    uint64_t offset = 0;

    for (char *name = strtok_r(path, ".", &rest); name && type; name = strtok_r(NULL, ".", &rest))
        type = member_type(c, node, type, name, &offset);
    if (type)
        set_constant(node, (int64_t)offset, type_int(64, false));
}

static void check_type(struct check *c, struct node *node) {
    check_error(c, "type-value", node->loc, "A type is not a value");
    check_hint(c, "macros take types; sizeof(), offsetof() and casts use them");
}

/* ---- known ahead -------------------------------------------------------------------------------------------- */

/* Silent walks may not know yet. */
static void check_comptime(struct check *c, struct node *node) {
    struct node *value = node->child;

    node->type = check_value(c, value);
    if (value->is_constant) {
        set_constant(node, value->number, node->type);
    } else if (node->type) {
        check_error(c, "comptime", node->loc, "Unable to resolve comptime expression");
        check_hint(c, "literals, parameters of the script, sizes and types are known at compile time");
        node->type = NULL;
    }
}

/* ---- dispatch ---------------------------------------------------------------------------------------------- */

const struct type *check_expression(struct check *c, struct node *node) {
    static void (*const rules[NODE_KIND_COUNT])(struct check *, struct node *) = {
        [NODE_INTEGER] = check_integer_literal,
        [NODE_STRING] = check_string_literal,
        [NODE_BOOLEAN] = check_boolean,
        [NODE_POSITIONAL] = check_positional,
        [NODE_POSITIONAL_COUNT] = check_positional_count,
        [NODE_IDENTIFIER] = check_identifier,
        [NODE_VARIABLE] = check_variable,
        [NODE_MAP] = check_map_read,
        [NODE_UNARY] = check_unary,
        [NODE_INCREMENT] = check_increment,
        [NODE_BINARY] = check_binary,
        [NODE_TERNARY] = check_ternary,
        [NODE_CAST] = check_cast,
        [NODE_CALL] = check_call,
        [NODE_FIELD] = check_field,
        [NODE_TUPLE_FIELD] = check_tuple_field,
        [NODE_INDEX] = check_index,
        [NODE_TUPLE] = check_tuple,
        [NODE_SIZEOF] = check_sizeof,
        [NODE_TYPEINFO] = check_typeinfo,
        [NODE_OFFSETOF] = check_offsetof,
        [NODE_BLOCK] = check_block,
        [NODE_BLOCK_VALUE] = check_block_value,
        [NODE_COMPTIME] = check_comptime,
        [NODE_FUNCTION] = check_function,
        [NODE_TYPE] = check_type,
    };

    if (!rules[node->kind])
        BUG("no expression: %s", node_kind_name(node->kind));
    if (node->kind != NODE_INTEGER)
        node->type = NULL;
    node->is_constant = false;
    node->builtin = NULL;
    node->function = NULL;
    node->field = NULL;
    rules[node->kind](c, node);
    return node->type;
}

static void report_void(struct check *c, const struct node *node) {
    if (node->kind == NODE_FUNCTION) {
        check_error(c, "no-value", node->loc, "%s() should not be used in an expression: it has no value", node->text);
        check_hint(c, "say what it returns: fn %s(...) : int64 { ... }", node->text);
    } else if (node->kind == NODE_BLOCK || node->kind == NODE_BLOCK_VALUE) {
        check_error(c, "no-value", node->loc, "This block has no value");
        check_hint(c, "a block is worth its last expression, which stands there without a semicolon");
    } else if (node->kind == NODE_CALL) {
        check_error(c, "no-value", node->loc, "%s() should not be used in an expression: it has no value", node->text);
        check_hint(c, "write it as a statement of its own: %s(...);", node->text);
    } else {
        check_error(c, "no-value", node->loc, "The expression has no value");
        check_hint(c, "cast the pointer to the type of what it points to");
    }
}

static void report_struct(struct check *c, const struct node *node) {
    check_error(c, "struct-value", node->loc, "A value of type '%s' cannot be used: its fields are not known",
                check_type_text(c, node->type));
    check_hint(c, "keep its address");
}

const struct type *check_reduced_value(const struct node *node) {
    return node->kind == NODE_MAP && check_is_countable(node->type) ? check_reduced_type(node->type) : node->type;
}

const struct type *check_value(struct check *c, struct node *node) {
    check_expression(c, node);
    return check_checked_value(c, node);
}

const struct type *check_checked_value(struct check *c, struct node *node) {
    const struct type *type = node->type;

    if (type && type->kind == TYPE_STRUCT && is_args(node) && make_args_record(c, node))
        type = check_expression(c, node);
    if (!type)
        return NULL;
    if (type->kind == TYPE_VOID) {
        report_void(c, node);
        node->type = NULL;
    } else if (type->kind == TYPE_STRUCT && !type_complete(type)->size) {
        report_struct(c, node);
        node->type = NULL;
    } else {
        node->type = check_reduced_value(node);
    }
    return node->type;
}

const struct type *check_integer(struct check *c, struct node *node, const char *what) {
    const struct type *type = check_value(c, node);

    if (!type || check_is_integer(type))
        return type;
    check_error(c, "integer-expected", node->loc, "%s expects an integer ('%s' provided)", what,
                check_type_text(c, type));
    check_note_origin(c, node);
    check_hint(c, type->kind == TYPE_POINTER  ? "cast it: (uint64)value"
                  : type->kind == TYPE_STRING ? "a text has no number"
                                              : "use a number that is part of it");
    return NULL;
}

bool check_constant(struct check *c, struct node *node, const char *what, int64_t *value) {
    if (!check_integer(c, node, what))
        return false;
    if (!node->is_constant) {
        check_error(c, "constant-expected", node->loc, "%s expects a value that is known at compile time", what);
        check_hint(c, "write a number, a constant, or a parameter of the script such as $1");
        return false;
    }
    *value = node->number;
    return true;
}

bool check_has_truth(const struct type *type) {
    return check_is_integer(type) || type->kind == TYPE_POINTER || type->kind == TYPE_STRING;
}

void check_condition(struct check *c, struct node *node) {
    const struct type *type = check_value(c, node);

    if (!type || check_has_truth(type))
        return;
    check_error(c, "invalid-condition", node->loc, "Invalid condition: %s", check_type_text(c, type));
    check_note_origin(c, node);
    if (node->kind == NODE_TUPLE && node->names && !node->child->next)
        check_hint(c, "to compare, use ==");
    else
        check_hint(c, "conditions are numbers, pointers, texts (true if not empty) and comparisons");
}
