/* Promotion, stored forms and names of types. */
#include "lang/check_int.h"

#include <string.h>

#define FLEXIBLE(bytes)                                                                                                \
    { .kind = TYPE_INT, .size = (bytes), .align = (bytes), .is_signed = true }
static const struct type flexible_types[4] = {FLEXIBLE(1), FLEXIBLE(2), FLEXIBLE(4), FLEXIBLE(8)};

static unsigned size_index(uint32_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3; }

static const struct type *flexible(uint32_t size) { return &flexible_types[size_index(size)]; }

bool check_is_flexible(const struct type *type) {
    for (unsigned i = 0; i < 4; i++)
        if (type == &flexible_types[i])
            return true;
    return false;
}

bool check_is_signed(const struct type *type) { return type->is_signed && !check_is_flexible(type); }

bool check_is_integer(const struct type *type) {
    return type->kind == TYPE_INT || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM;
}

const struct type *check_literal_type(int64_t value, bool is_unsigned) {
    if (is_unsigned)
        return type_int(64, false);
    uint32_t size = value == (int8_t)value ? 1 : value == (int16_t)value ? 2 : value == (int32_t)value ? 4 : 8;
    return value >= 0 ? flexible(size) : type_int(size * 8, true);
}

/* The integer type of the same size and sign, without name or enumerators. */
static const struct type *plain_integer(const struct type *type) {
    if (check_is_flexible(type))
        return type;
    return type_int(type->size * 8, type->is_signed);
}

static const struct type *promote_integers(const struct type *a, const struct type *b) {
    uint32_t size = a->size > b->size ? a->size : b->size;

    a = plain_integer(a);
    b = plain_integer(b);
    if (check_is_flexible(a) && check_is_flexible(b))
        return a->size == size ? a : b;
    if (check_is_flexible(a))
        return type_int(size * 8, b->is_signed);
    if (check_is_flexible(b))
        return type_int(size * 8, a->is_signed);
    if (a->is_signed == b->is_signed)
        return a->size == size ? a : b;
    const struct type *with_sign = a->is_signed ? a : b, *without = a->is_signed ? b : a;
    if (with_sign->size > without->size)
        return with_sign;
    return type_int(size == 8 ? 64 : size * 16, true);
}

static const struct type *promote_pointers(const struct type *a, const struct type *b) {
    if (type_equal(a->target, b->target) || b->target->kind == TYPE_VOID)
        return a->space == SPACE_NONE && b->space != SPACE_NONE && type_equal(a->target, b->target) ? b : a;
    return a->target->kind == TYPE_VOID ? b : NULL;
}

/* Field by field; those of records by name, in the order of `a`. */
static const struct type *promote_tuples(struct check *c, const struct type *a, const struct type *b) {
    bool record = type_is_record(a);

    if (a->field_count != b->field_count || record != type_is_record(b))
        return NULL;
    const struct type **fields = arena_new_array(c->arena, const struct type *, a->field_count);
    const char **names = arena_new_array(c->arena, const char *, a->field_count);
    bool grows = false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        names[i] = a->fields[i].name;
        uint32_t other = record ? type_record_index(b, names[i]) : i;
        fields[i] = other < b->field_count ? check_promote(c, a->fields[i].type, b->fields[other].type) : NULL;
        if (!fields[i])
            return NULL;
        fields[i] = check_variable_type(c, fields[i]);
        grows |= fields[i] != a->fields[i].type;
    }
    return grows ? type_record(c->arena, fields, record ? names : NULL, a->field_count) : a;
}

static const struct type *promote_same_kind(struct check *c, const struct type *a, const struct type *b) {
    switch (a->kind) {
    case TYPE_INT:
        return promote_integers(a, b);
    case TYPE_ENUM:
        return type_equal(a, b) ? a : type_int(64, true);
    case TYPE_POINTER:
        return promote_pointers(a, b);
    case TYPE_KSTACK:
    case TYPE_USTACK: /* the mode is how it prints: one value cannot print in two ways */
        return a->stack_mode != b->stack_mode ? NULL : b->count > a->count ? b : a;
    case TYPE_STRING:
        if (a->size == b->size) /* one that may be cut, so that it shows */
            return a->is_array ? b : a;
        return b->size > a->size ? b : a;
    case TYPE_BUFFER:
        return b->size > a->size ? b : a;
    case TYPE_TUPLE:
        return promote_tuples(c, a, b);
    case TYPE_SUM:
    case TYPE_AVG:
    case TYPE_MIN:
    case TYPE_MAX:
    case TYPE_STATS:
        return b->is_signed ? b : a;
    case TYPE_TSERIES:
        if (a->interval != b->interval || a->count != b->count || a->fold != b->fold)
            return NULL;
        return b->is_signed ? b : a;
    default:
        return type_equal(a, b) ? a : NULL;
    }
}

const struct type *check_promote(struct check *c, const struct type *a, const struct type *b) {
    if (!a || a == b)
        return b;
    if (!b)
        return a;
    if (a->kind == b->kind)
        return promote_same_kind(c, a, b);
    if (!check_is_integer(a) || !check_is_integer(b))
        return NULL;
    if (a->kind == TYPE_BOOL || b->kind == TYPE_BOOL) {
        const struct type *other = a->kind == TYPE_BOOL ? b : a;
        return other->kind == TYPE_INT ? plain_integer(other) : type_int(64, other->is_signed);
    }
    const struct type *enumeration = a->kind == TYPE_ENUM ? a : b, *integer = a->kind == TYPE_ENUM ? b : a;
    return type_int(64, enumeration->is_signed || integer->is_signed);
}

static const struct type *wide_enum(struct check *c, const struct type *type) {
    struct type *copy = arena_memdup(c->arena, type_complete(type), sizeof *type);

    copy->size = copy->align = 8;
    return copy;
}

const struct type *check_stored(struct check *c, const struct type *type) {
    switch (type->kind) {
    case TYPE_INT:
        return check_is_flexible(type) ? flexible(8) : type_int(64, type->is_signed);
    case TYPE_ENUM:
        return type->size == 8 ? type : wide_enum(c, type);
    default:
        return type;
    }
}

const struct type *check_variable_type(struct check *c, const struct type *type) {
    return type->kind == TYPE_INT ? plain_integer(type) : check_stored(c, type);
}

const struct type *check_with_space(struct check *c, const struct type *pointer, enum type_space space) {
    if (pointer->kind != TYPE_POINTER || pointer->space == space)
        return pointer;
    return type_pointer(c->arena, pointer->target, space);
}

static bool is_char(const struct type *type) {
    return type->kind == TYPE_INT && type->size == 1 && type->name && strcmp(type->name, "char") == 0;
}

const struct type *check_memory_type(struct check *c, const struct type *type, enum type_space space) {
    if (type->kind == TYPE_ARRAY && is_char(type->target))
        return type->count ? type_string_array(c->arena, type->count) : type_string(c->arena, c->env->max_strlen);
    if (type->kind == TYPE_ENUM) /* its names are printed */
        return type_complete(type);
    if (type->kind != TYPE_POINTER)
        return type;
    /* What lies in user memory points there; kernel structs may hold pointers that are marked as the user's. */
    if (space == SPACE_KERNEL && type->space != SPACE_NONE)
        space = type->space;
    return check_with_space(c, type, space);
}

const char *check_type_text(struct check *c, const struct type *type) {
    if (!type)
        return "unknown";
    return type_text(c->arena, check_is_flexible(type) ? type_int(64, true) : type);
}

static const struct {
    const char *name;
    uint8_t bits;
    bool is_signed;
} integer_names[] = {
    {"int8", 8, true},       {"int16", 16, true},      {"int32", 32, true},     {"int64", 64, true},
    {"uint8", 8, false},     {"uint16", 16, false},    {"uint32", 32, false},   {"uint64", 64, false},
    {"short", 16, true},     {"int", 32, true},        {"long", 64, true},      {"s8", 8, true},
    {"s16", 16, true},       {"s32", 32, true},        {"s64", 64, true},       {"u8", 8, false},
    {"u16", 16, false},      {"u32", 32, false},       {"u64", 64, false},      {"size_t", 64, false},
    {"int8_t", 8, true},     {"int16_t", 16, true},    {"int32_t", 32, true},   {"int64_t", 64, true},
    {"uint8_t", 8, false},   {"uint16_t", 16, false},  {"uint32_t", 32, false}, {"uint64_t", 64, false},
    {"unsigned", 32, false}, {"uintptr_t", 64, false}, {"ssize_t", 64, true},
};

static const struct type char_type = {.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .name = "char"};

/* The type of a member of a struct that the program defines. */
static const struct type *resolve_member(void *check, const struct type_name *name) {
    return check_type_name(check, name);
}

const struct type *check_find_kernel_type(struct check *c, int keyword, const char *name) {
    const struct type *type = lang_definition_type(c->program, keyword, name, resolve_member, c);

    return type ? type : c->env->find_type(c->env->context, keyword, name);
}

static const struct type *find_user_type(struct check *c, int keyword, const char *name) {
    const struct lang_env *env = c->env;

    return env->find_user_type ? env->find_user_type(env->context, c->target, keyword, name) : NULL;
}

/* The script's own definitions come first; then in probes of a program its types, elsewhere those of the kernel. */
const struct type *check_find_type(struct check *c, int keyword, const char *name) {
    bool is_user = c->target->context == LANG_CONTEXT_UPROBE || c->target->context == LANG_CONTEXT_URETPROBE;
    const struct type *type = NULL;

    if (is_user)
        type = lang_definition_type(c->program, keyword, name, resolve_member, c);
    if (is_user && !type)
        type = find_user_type(c, keyword, name);
    if (!type)
        type = check_find_kernel_type(c, keyword, name);
    return type || is_user ? type : find_user_type(c, keyword, name);
}

static const struct type *plain_type(struct check *c, const char *name) {
    for (size_t i = 0; i < sizeof integer_names / sizeof *integer_names; i++)
        if (strcmp(integer_names[i].name, name) == 0)
            return type_int(integer_names[i].bits, integer_names[i].is_signed);
    if (strcmp(name, "char") == 0)
        return &char_type;
    if (strcmp(name, "bool") == 0)
        return type_bool();
    if (strcmp(name, "void") == 0)
        return type_void();
    return check_find_type(c, TYPE_NAME_PLAIN, name);
}

static const char *keyword_text(int keyword) {
    return keyword == TYPE_NAME_STRUCT  ? "struct "
           : keyword == TYPE_NAME_UNION ? "union "
           : keyword == TYPE_NAME_ENUM  ? "enum "
                                        : "";
}

static const struct type *unknown_type(struct check *c, const struct type_name *name) {
    static const int keywords[] = {TYPE_NAME_STRUCT, TYPE_NAME_UNION, TYPE_NAME_ENUM, TYPE_NAME_PLAIN};
    const char *keyword = keyword_text(name->keyword);

    if (!c->report)
        return NULL;
    check_error(c, "unknown-type", name->loc, "Cannot resolve unknown type \"%s%s\"", keyword, name->name);
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (check_find_type(c, keywords[i], name->name)) {
            check_hint(c, "write '%s%s'", keyword_text(keywords[i]), name->name);
            return NULL;
        }
    }
    const char *nearest = c->env->nearest_type(c->env->context, name->keyword, name->name);
    if (nearest)
        check_hint(c, "did you mean '%s%s'?", keyword, nearest);
    else
        check_hint(c, "the types of the running kernel and int8 .. uint64, bool, void are known");
    return NULL;
}

/* typeof(@m) of a map with keys is the type of its keys: that is what `for` and the functions of maps take. */
static const struct type *type_of_map(struct check *c, struct node *node) {
    const struct lang_map *map = check_bind_map(c, node);
    bool keyed = check_map_state(c, map)->shape == MAP_SHAPE_KEYED;

    check_map_defined(c, map, node->loc);
    return keyed ? map->key : map->value;
}

static const struct type *type_of(struct check *c, const struct type_name *name) {
    const struct type *type = name->inner                                      ? check_type_name(c, name->inner)
                              : name->of->kind == NODE_MAP && !name->of->child ? type_of_map(c, name->of)
                                                                               : check_expression(c, name->of);

    if (type && type->kind == TYPE_INT && check_is_flexible(type))
        return type_int(type->size * 8, true);
    return type;
}

/* string[N] and buffer[N]: NULL if the name is of another kind. */
static const struct type *text_type(struct check *c, const struct type_name *name) {
    uint32_t size = name->array_sizes[0] ? name->array_sizes[0] : 1;

    if (name->keyword != TYPE_NAME_PLAIN || name->array_count > 1 || name->pointer_depth || name->outer_pointers)
        return NULL;
    if (strcmp(name->name, "string") == 0)
        return type_string(c->arena, size);
    return strcmp(name->name, "buffer") == 0 && name->array_count ? type_buffer(c->arena, size) : NULL;
}

bool check_is_growing_string(const struct type_name *name) {
    return name->keyword == TYPE_NAME_PLAIN && !name->array_count && strcmp(name->name, "string") == 0;
}

bool check_knows_type(struct check *c, const struct type_name *name) {
    return name->keyword != TYPE_NAME_PLAIN || name->inner || name->of || text_type(c, name) ||
           plain_type(c, name->name);
}

const struct type *check_type_name(struct check *c, const struct type_name *name) {
    const struct type *type = text_type(c, name);
    uint32_t arrays = name->array_count;

    if (type)
        return type;
    if (name->inner || name->of)
        type = type_of(c, name);
    else if (name->keyword == TYPE_NAME_PLAIN)
        type = plain_type(c, name->name);
    else
        type = check_find_type(c, name->keyword, name->name);
    if (!type)
        return name->inner || name->of ? NULL : unknown_type(c, name);
    if (type->kind == TYPE_STRUCT)
        type_complete(type);
    for (uint32_t i = 0; i < name->pointer_depth; i++)
        type = type_pointer(c->arena, type, SPACE_NONE);
    while (arrays > 0)
        type = type_array(c->arena, type, name->array_sizes[--arrays]);
    for (uint32_t i = 0; i < name->outer_pointers; i++)
        type = type_pointer(c->arena, type, SPACE_NONE);
    return type;
}

/* ---- sizeof ------------------------------------------------------------------------------------------------ */

static uint64_t align_up(uint64_t offset, uint32_t align) { return (offset + align - 1) & ~(uint64_t)(align - 1); }

static uint64_t size_of(const struct type *type, uint32_t *align) {
    uint64_t size = 0;

    *align = type->kind == TYPE_STRING ? 1 : type->align ? type->align : 1;
    if (type->kind != TYPE_TUPLE)
        return type->size;
    *align = 1;
    for (uint32_t i = 0; i < type->field_count; i++) {
        uint32_t own;
        uint64_t bytes = size_of(type->fields[i].type, &own);
        size = align_up(size, own) + bytes;
        *align = own > *align ? own : *align;
    }
    return align_up(size, *align);
}

uint32_t check_sizeof_type(const struct type *type) {
    uint32_t align;

    return (uint32_t)size_of(type, &align);
}
