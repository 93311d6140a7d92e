/* Functions that look into texts and memory. */
#include "lang/check_int.h"

#include <string.h>

/* A string, or bytes that hold one: an array of them or their address. NULL (and reported) if it is none. */
static const struct type *check_text(struct check *c, struct node *node, const char *function) {
    const struct type *type = check_positional_string(c, node) ? node->type : check_value(c, node);

    if (!type || type->kind == TYPE_STRING || type->kind == TYPE_PROBE)
        return type;
    const struct type *element = type->kind == TYPE_ARRAY || type->kind == TYPE_POINTER ? type->target : NULL;
    if (element && element->kind == TYPE_INT && element->size == 1)
        return type;
    check_error(c, "text-expected", node->loc, "%s() expects a string, an array of int8 or an int8 * ('%s' provided)",
                function, check_type_text(c, type));
    check_hint(c, "str(pointer) makes a string of what a pointer points to");
    return NULL;
}

bool check_is_one_probe(const struct lang_target *target, const struct node *node) {
    return node->builtin && target->probe_id == LANG_PROBE_CONSTANT;
}

uint32_t check_probe_room(const struct lang_env *env, const struct lang_target *target, const struct node *node) {
    size_t most = strlen(target->name);
    const char *name;

    if (check_is_one_probe(target, node) || !env->probe_name)
        return (uint32_t)most + 1;
    for (uint32_t i = 0; (name = env->probe_name(env->context, i)); i++)
        most = strlen(name) > most ? strlen(name) : most;
    return (uint32_t)most + 1;
}

/* Bytes that the text takes at most, its NUL included. */
static uint32_t text_room(const struct check *c, const struct node *node) {
    if (node->kind == NODE_STRING)
        return node->length + 1;
    if (node->type->kind == TYPE_PROBE)
        return check_probe_room(c->env, c->target, node);
    return node->type->kind == TYPE_POINTER ? c->env->max_strlen : node->type->size;
}

/* Bytes before the NUL: an array may be full. */
static uint32_t text_most(const struct check *c, const struct node *node) {
    bool can_be_full = node->kind != NODE_STRING && (node->type->kind == TYPE_ARRAY || node->type->is_array);

    return text_room(c, node) - !can_be_full;
}

void check_call_strlen(struct check *c, struct node *node) {
    node->type = type_int(64, false);
    check_text(c, node->child, node->text);
}

void check_call_strcap(struct check *c, struct node *node) {
    const struct type *type = check_text(c, node->child, node->text);

    node->type = type_int(64, true);
    if (!type || type->kind == TYPE_POINTER)
        return;
    node->is_constant = true;
    node->number = text_room(c, node->child);
}

static void check_search(struct check *c, struct node *node) {
    struct node *needle = node->child->next;

    check_text(c, node->child, node->text);
    if (!check_text(c, needle, node->text) || text_room(c, needle) <= CHECK_NEEDLE_MOST)
        return;
    check_error(c, "needle-size", needle->loc, "%s() looks for texts of up to %d bytes ('%s' provided)", node->text,
                CHECK_NEEDLE_MOST, check_type_text(c, needle->type));
    check_hint(c, "str(pointer, %d) reads less", CHECK_NEEDLE_MOST);
}

void check_call_strstr(struct check *c, struct node *node) {
    node->type = type_int(64, true);
    check_search(c, node);
}

void check_call_strcontains(struct check *c, struct node *node) {
    node->type = type_bool();
    check_search(c, node);
}

void check_call_str_concat(struct check *c, struct node *node) {
    struct node *a = node->child, *b = a->next;
    uint32_t room = c->env->max_strlen;

    bool known = check_text(c, a, node->text) != NULL;
    known &= check_text(c, b, node->text) != NULL;
    uint32_t both = known ? text_most(c, a) + text_most(c, b) + 1 : room;
    if (both < room)
        room = both;
    node->type = type_string(c->arena, room);
}

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* Bytes of our own: not what a pointer points to. */
static bool has_bytes(const struct type *type) {
    return !type_is_aggregate(type) && !type_is_stack(type) && type->kind != TYPE_VOID;
}

void check_call_memcmp(struct check *c, struct node *node) {
    struct node *count = node->child->next->next;
    uint32_t least = UINT32_MAX;

    node->type = type_int(32, true);
    for (struct node *side = node->child; side != count; side = side->next) {
        const struct type *type = check_positional_string(c, side) ? side->type : check_value(c, side);
        if (!type)
            continue;
        uint32_t size = side->kind == NODE_STRING ? side->length + 1 : check_sizeof_type(type);
        if (type->kind != TYPE_POINTER && size < least)
            least = size;
        if (has_bytes(type))
            continue;
        check_error(c, "memcmp-argument", side->loc, "memcmp() cannot compare a value of type '%s'",
                    check_type_text(c, type));
        check_hint(c, "it compares numbers, texts, arrays, tuples and what pointers point to");
    }
    if (least > CHECK_MEMCMP_MOST)
        least = CHECK_MEMCMP_MOST;
    if (check_integer(c, count, "memcmp()") && count->is_constant && (uint64_t)count->number > least) {
        check_error(c, "memcmp-size", count->loc, "memcmp() of these can compare %u bytes (%lld provided)", least,
                    (long long)count->number);
        check_hint(c, "the last argument is the number of bytes; %d at most", CHECK_MEMCMP_MOST);
    }
}
