/* Unary, binary and ternary operators and casts, with folding of constants. */
#include "lang/check_int.h"
#include <string.h>

static void set_constant(struct node *node, uint64_t number) {
    node->is_constant = true;
    node->number = (int64_t)number;
}

/* ---- unary ------------------------------------------------------------------------------------------------- */

static void report_unary(struct check *c, const struct node *node, const struct type *type) {
    check_error(c, "operator-type", node->loc, "The %s operator can not be used on expressions of type '%s'",
                operator_spelling(node->op), check_type_text(c, type));
    check_note_origin(c, node->child);
    check_hint(c, node->op == OP_NOT        ? "it takes a number, a pointer or a text"
                  : type->kind == TYPE_BOOL ? "a truth value is negated by !"
                                            : "it takes an integer");
}

static void check_negative(struct check *c, struct node *node, const struct type *type) {
    if (!check_is_integer(type)) {
        report_unary(c, node, type);
        return;
    }
    node->type = type_int(64, true);
    if (node->child->is_constant) {
        set_constant(node, 0 - (uint64_t)node->child->number);
        if (check_is_flexible(type)) /* a literal gives a literal */
            node->type = check_literal_type(node->number, false);
    }
}

static void check_not(struct check *c, struct node *node, const struct type *type) {
    if (!check_has_truth(type)) {
        report_unary(c, node, type);
        return;
    }
    node->type = type_bool();
    if (node->child->is_constant)
        set_constant(node, node->child->number == 0);
}

static void check_invert(struct check *c, struct node *node, const struct type *type) {
    if (type->kind == TYPE_BOOL) {
        report_unary(c, node, type);
        return;
    }
    if (!check_is_integer(type)) {
        report_unary(c, node, type);
        return;
    }
    node->type = type_int(64, check_is_signed(type) || check_is_flexible(type));
    if (node->child->is_constant)
        set_constant(node, ~(uint64_t)node->child->number);
}

static void check_dereference(struct check *c, struct node *node, const struct type *type) {
    if (type->kind == TYPE_POINTER && type->target->kind != TYPE_VOID) {
        node->type = check_memory_type(c, type->target, check_object_space(c, node->child));
    } else if (check_is_integer(type) && type->kind != TYPE_BOOL) {
        node->type = type_int(64, false); /* an address that was computed: `*kaddr` reads 8 bytes */
    } else {
        check_error(c, "dereference-type", node->loc, "Can not dereference expression of type '%s'",
                    check_type_text(c, type));
        check_note_origin(c, node->child);
        check_hint(c, type->kind == TYPE_POINTER ? "cast it to a pointer to something: *(uint64 *)value"
                                                 : "only pointers can be dereferenced");
    }
}

/* &$v; &@m and &@m[key]: the element. Whole maps with keys: the kernel's description of the map. */
static void check_address_of_own(struct check *c, struct node *node) {
    struct node *object = node->child;
    const struct type *type;

    if (object->kind == NODE_MAP && !object->child) {
        const struct lang_map *map = check_bind_map(c, object);
        check_map_defined(c, map, object->loc);
        if (check_map_state(c, map)->shape == MAP_SHAPE_KEYED) {
            const struct type *target = check_find_type(c, TYPE_NAME_STRUCT, "bpf_map");
            object->type = type_void();
            node->type = type_pointer(c->arena, target ? target : type_void(), SPACE_KERNEL);
            return;
        }
    }
    type = check_expression(c, object);
    if (type && type_is_aggregate(type)) {
        check_error(c, "address-of", node->loc, "The address of '%s' can not be taken", check_type_text(c, type));
        check_hint(c, "each CPU has its own; (int64)%s is its value", object->text);
    } else if (type) {
        if (object->kind == NODE_MAP)
            object->map->addressed = true;
        node->type = type_pointer(c->arena, type, SPACE_KERNEL);
    } else if (object->kind == NODE_VARIABLE && object->variable && c->assume_integers) {
        check_error(c, "address-of", object->loc, "No type available for variable %s", object->text);
        check_hint(c, "assign it first, or declare it with a type: let %s: int64;", object->text);
    }
}

static void check_address(struct check *c, struct node *node) {
    struct node *object = node->child;

    if (object->kind == NODE_VARIABLE || object->kind == NODE_MAP) {
        check_address_of_own(c, node);
        return;
    }
    const struct type *type = check_expression(c, object);

    if (object->kind != NODE_FIELD && object->kind != NODE_INDEX &&
        !(object->kind == NODE_UNARY && object->op == OP_DEREFERENCE)) {
        check_error(c, "address-of", node->loc, "The address of this expression can not be taken");
        check_hint(c, "what lies in memory has an address: a variable, a map, a field, an array element, *pointer");
        return;
    }
    if (!type)
        return;
    if (object->kind == NODE_FIELD)
        type = object->field->type;
    node->type = type_pointer(c->arena, type, check_object_space(c, object->child));
}

void check_unary(struct check *c, struct node *node) {
    static void (*const rules[])(struct check *, struct node *, const struct type *) = {
        [OP_NEG] = check_negative,
        [OP_NOT] = check_not,
        [OP_INVERT] = check_invert,
        [OP_DEREFERENCE] = check_dereference,
    };

    if (node->op == OP_ADDRESS) {
        check_address(c, node);
        return;
    }
    const struct type *type = check_value(c, node->child);
    if (type)
        rules[node->op](c, node, type);
}

void check_increment(struct check *c, struct node *node) {
    struct node *target = node->child;
    const struct type *type, *grown = NULL;

    if (target->kind == NODE_MAP) {
        check_map_access(c, target);
        type = target->map->value;
        if (!type && c->assume_integers)
            type = type_int(64, true);
        check_map_store(c, target->map, type, target->loc);
        type = target->type = target->map->value;
    } else {
        type = check_expression(c, target);
    }
    if (!type)
        return;
    if (type->kind == TYPE_POINTER)
        grown = type;
    else if (type->kind == TYPE_INT)
        grown = node->op == OP_SUB && check_is_flexible(type) ? type_int(64, true) : check_stored(c, type);
    if (!grown) {
        check_error(c, "operator-type", node->loc, "The %s operator can not be used on expressions of type '%s'",
                    node->op == OP_ADD ? "++" : "--", check_type_text(c, type));
        check_note_origin(c, target);
        check_hint(c, type_is_aggregate(type) ? "a map is either counted by count() or changed by ++"
                                              : "it takes an integer or a pointer");
        return;
    }
    if (target->kind == NODE_MAP)
        check_map_store(c, target->map, grown, target->loc);
    else
        check_assign_variable(c, target->variable, NULL, grown, node->loc);
    node->type = grown;
}

/* ---- arithmetic -------------------------------------------------------------------------------------------- */

static void report_binary(struct check *c, enum node_operator op, const struct type *left, const struct node *left_node,
                          const struct node *right, struct loc loc) {
    const struct type *type = right->type;

    check_error(c, "operator-types", loc, "The %s operator can not be used on expressions of types '%s', '%s'",
                operator_spelling(op), check_type_text(c, left), check_type_text(c, type));
    check_note_origin(c, left_node);
    check_note_origin(c, right);
    if (left->kind == TYPE_STRING && type->kind == TYPE_STRING)
        check_hint(c, op >= OP_EQ && op <= OP_GE ? "strings can be compared by == and != only"
                                                 : "texts are put together by printf(\"%%s%%s\", a, b)");
    else if (left->kind == TYPE_POINTER || type->kind == TYPE_POINTER)
        check_hint(c, "cast the pointer to a number first: (uint64)pointer");
    else
        check_hint(c, "it takes integers");
}

static const struct type *pointer_arithmetic(enum node_operator op, const struct type *left, const struct type *right) {
    bool both = left->kind == TYPE_POINTER && right->kind == TYPE_POINTER;

    if (both && op == OP_SUB && type_equal(left->target, right->target))
        return type_int(64, true);
    if (left->kind == TYPE_POINTER && check_is_integer(right) && (op == OP_ADD || op == OP_SUB))
        return left;
    if (right->kind == TYPE_POINTER && check_is_integer(left) && op == OP_ADD)
        return right;
    return NULL;
}

static bool is_shift(enum node_operator op) { return op == OP_SHL || op == OP_SHR; }

/* int64 if a side is signed or the operator is `-`; non-negative literals take the other side's sign. */
static const struct type *integer_arithmetic(enum node_operator op, const struct type *left, const struct type *right) {
    if (op == OP_SUB || check_is_signed(left) || (check_is_signed(right) && !is_shift(op)))
        return type_int(64, true);
    if (check_is_flexible(left) && (check_is_flexible(right) || is_shift(op)))
        return check_literal_type(INT64_MAX, false);
    return type_int(64, false);
}

static const struct type *arithmetic_type(enum node_operator op, const struct type *left, const struct type *type) {
    if (left->kind == TYPE_POINTER || type->kind == TYPE_POINTER)
        return pointer_arithmetic(op, left, type);
    if (!check_is_integer(left) || !check_is_integer(type))
        return NULL;
    return integer_arithmetic(op, left, type);
}

const struct type *check_arithmetic(struct check *c, enum node_operator op, const struct type *left,
                                    const struct node *left_node, const struct node *right, struct loc loc) {
    const struct type *type = right->type;

    if ((op == OP_DIV || op == OP_MOD) && right->is_constant && right->number == 0) {
        check_error(c, "division-by-zero", right->loc, "Division by zero");
        check_hint(c, "the divisor is always 0");
        return NULL;
    }
    if (!left && !type)
        return c->assume_integers ? type_int(64, true) : NULL;
    if (!left || !type) {
        const struct type *known = left ? left : type;
        if (c->assume_integers && check_is_integer(known))
            return integer_arithmetic(op, known, known);
        if (!c->assume_integers || !type || !left_node || left_node->kind != NODE_MAP)
            return NULL;
        left = type_int(64, true); /* a map that nothing else gives a type to */
    }
    const struct type *result = arithmetic_type(op, left, type);
    if (!result)
        report_binary(c, op, left, left_node, right, loc);
    return result;
}

static bool fold_arithmetic(enum node_operator op, uint64_t a, uint64_t b, bool is_signed, uint64_t *result) {
    int64_t x = (int64_t)a, y = (int64_t)b;
    bool overflows = x == INT64_MIN && y == -1;

    switch (op) {
    case OP_ADD:
        return *result = a + b, true;
    case OP_SUB:
        return *result = a - b, true;
    case OP_MUL:
        return *result = a * b, true;
    case OP_DIV:
        return b && (*result = !is_signed ? a / b : overflows ? a : (uint64_t)(x / y), true);
    case OP_MOD:
        return b && (*result = !is_signed ? a % b : overflows ? 0 : (uint64_t)(x % y), true);
    case OP_AND:
        return *result = a & b, true;
    case OP_OR:
        return *result = a | b, true;
    case OP_XOR:
        return *result = a ^ b, true;
    case OP_SHL:
        return *result = a << (b & 63), true;
    case OP_SHR:
        return *result = is_signed ? (uint64_t)(x >> (b & 63)) : a >> (b & 63), true;
    default:
        return false;
    }
}

static void check_binary_arithmetic(struct check *c, struct node *node, struct node *left, struct node *right) {
    uint64_t result;

    node->type = check_arithmetic(c, node->op, left->type, left, right, node->loc);
    if (!node->type || node->type->kind != TYPE_INT || !left->is_constant || !right->is_constant)
        return;
    if (!fold_arithmetic(node->op, (uint64_t)left->number, (uint64_t)right->number, node->type->is_signed, &result))
        return;
    set_constant(node, result);
    if (check_is_flexible(left->type) && check_is_flexible(right->type)) /* literals give a literal */
        node->type = check_literal_type(node->number, false);
}

/* ---- comparison and logic ---------------------------------------------------------------------------------- */

static bool is_comparable_number(const struct type *type) {
    return check_is_integer(type) || type->kind == TYPE_POINTER || type->kind == TYPE_KSYM;
}

/* A literal takes the sign of the other side, so that lowering sees one sign. */
static void adapt_literal(struct node *literal, const struct type *other) {
    if (literal->is_constant && check_is_flexible(literal->type) && (!other->is_signed || other->kind == TYPE_POINTER))
        literal->type = type_int(64, false);
}

/* Compared byte by byte, after both were made one type. */
static bool is_comparable_whole(const struct type *type) {
    return type->kind == TYPE_TUPLE || type->kind == TYPE_ARRAY || type->kind == TYPE_BUFFER;
}

static void report_comparison(struct check *c, const struct node *node) {
    const struct type *a = node->child->type, *b = node->child->next->type;

    check_error(c, "comparison-types", node->loc, "Type mismatch for '%s': comparing '%s' with '%s'",
                operator_spelling(node->op), check_type_text(c, a), check_type_text(c, b));
    check_note_origin(c, node->child);
    check_note_origin(c, node->child->next);
    if (is_comparable_whole(a) && a->kind == b->kind && check_promote(c, a, b))
        check_hint(c, "such values can be compared by == and != only");
    else if (is_comparable_whole(a) && a->kind == b->kind)
        check_hint(c, "they differ in the number or the types of their elements");
    else if (a->kind == TYPE_STRUCT || b->kind == TYPE_STRUCT)
        check_hint(c, "compare the fields that matter");
    else if (a->kind == TYPE_STRING || b->kind == TYPE_STRING)
        check_hint(c, "str(pointer) makes a string of what a pointer points to");
    else
        check_hint(c, "both sides must be numbers or both strings");
}

static void fold_texts(struct node *node, const char *a, const char *b) {
    if (a && b)
        set_constant(node, (strcmp(a, b) == 0) == (node->op == OP_EQ));
}

static void check_comparison(struct check *c, struct node *node, struct node *left, struct node *right) {
    bool equality = node->op == OP_EQ || node->op == OP_NE;

    node->type = type_bool();
    node->common = NULL;
    const struct type *a = left->type, *b = right->type;
    if (!a || !b)
        return;
    if (is_comparable_number(a) && is_comparable_number(b)) {
        if (left->is_constant && right->is_constant) {
            int64_t x = left->number, y = right->number;
            bool is_signed = check_is_signed(a) || check_is_signed(b) || (a->is_signed && b->is_signed);
            bool less = is_signed ? x < y : (uint64_t)x < (uint64_t)y;
            bool results[] = {[OP_EQ] = x == y,         [OP_NE] = x != y,          [OP_LT] = less,
                              [OP_LE] = less || x == y, [OP_GT] = !less && x != y, [OP_GE] = !less};
            set_constant(node, results[node->op]);
        }
        adapt_literal(left, b);
        adapt_literal(right, a);
        check_comparison_range(c, node);
        return;
    }
    if (equality && a->kind == b->kind && (a->kind == TYPE_MACADDR || a->kind == TYPE_USERNAME))
        return;
    if (equality && a->kind == TYPE_STRING && b->kind == TYPE_STRING) {
        fold_texts(node, check_constant_text(c, left), check_constant_text(c, right));
        return;
    }
    if (equality &&
        ((a->kind == TYPE_PROBE && right->kind == NODE_STRING) || (b->kind == TYPE_PROBE && left->kind == NODE_STRING)))
        return;
    if (a->kind == TYPE_STRING && b->kind == TYPE_STRING) {
        report_binary(c, node->op, a, left, right, node->loc);
        return;
    }
    if (equality && is_comparable_whole(a) && is_comparable_whole(b))
        node->common = check_promote(c, a, b);
    if (equality && left->kind == NODE_TYPEINFO && right->kind == NODE_TYPEINFO)
        fold_texts(node, check_type_text(c, left->common), check_type_text(c, right->common));
    if (!node->common)
        report_comparison(c, node);
}

static void check_logic(struct check *c, struct node *node) {
    struct node *left = node->child, *right = left->next;

    check_condition(c, left);
    check_condition(c, right);
    node->type = type_bool();
    if (left->is_constant && right->is_constant)
        set_constant(node, node->op == OP_LOGICAL_AND ? left->number && right->number : left->number || right->number);
}

/* Both sides; $N is a text where the other side is one. */
static void check_pair(struct check *c, struct node *left, struct node *right,
                       const struct type *(*check)(struct check *, struct node *)) {
    bool left_follows = check_is_positional(left);
    struct node *leader = left_follows ? right : left, *follower = left_follows ? left : right;
    const struct type *type = check(c, leader);

    if (!type || type->kind != TYPE_STRING || !check_positional_string(c, follower))
        check(c, follower);
}

void check_binary(struct check *c, struct node *node) {
    struct node *left = node->child, *right = left->next;

    if (node->op == OP_LOGICAL_AND || node->op == OP_LOGICAL_OR) {
        check_logic(c, node);
        return;
    }
    check_pair(c, left, right, check_value);
    if (node->op >= OP_EQ && node->op <= OP_GE)
        check_comparison(c, node, left, right);
    else
        check_binary_arithmetic(c, node, left, right);
}

/* A value, or a call that has none if the other arm has none either. */
static const struct type *check_arm(struct check *c, struct node *node) {
    const struct type *type = check_expression(c, node);

    return type && type->kind != TYPE_VOID ? check_checked_value(c, node) : type;
}

/* Conditions that are asked at compile time decide what is part of the program at all. */
static bool decides(const struct node *node) {
    if (node->kind == NODE_COMPTIME || (node->kind == NODE_CALL && strcmp(node->text, "exists") == 0))
        return true;
    if (node->kind != NODE_UNARY && node->kind != NODE_BINARY)
        return false;
    for (const struct node *child = node->child; child; child = child->next) {
        if (decides(child))
            return true;
    }
    return false;
}

bool check_branches(struct check *c, struct node *node) {
    struct node *condition = node->child;
    bool is_decided = decides(condition);

    node->branch = 0;
    check_condition(c, condition);
    if (is_decided && condition->is_constant)
        node->branch = condition->number ? 1 : 2;
    return !is_decided || node->branch;
}

void check_ternary(struct check *c, struct node *node) {
    struct node *yes = node->child->next, *no = yes->next;

    if (!check_branches(c, node))
        return;
    if (node->branch) {
        struct node *chosen = node_branch(node);
        node->type = check_arm(c, chosen);
        if (chosen->is_constant) {
            node->is_constant = true;
            node->number = chosen->number;
        }
        return;
    }
    check_pair(c, yes, no, check_arm);
    const struct type *a = yes->type, *b = no->type;
    node->type = check_promote(c, a, b);
    if (node->type && node->type->kind == TYPE_ENUM)
        node->type = check_stored(c, node->type);
    if (node->type || !a || !b)
        return;
    check_error(c, "ternary-types", node->loc, "Ternary operator must return the same type: have '%s' and '%s'",
                check_type_text(c, a), check_type_text(c, b));
    check_note_origin(c, yes);
    check_note_origin(c, no);
    check_hint(c, "make both arms numbers or both strings");
}

/* ---- casts ------------------------------------------------------------------------------------------------- */

static uint64_t truncate_to(uint64_t number, const struct type *type) {
    unsigned unused = type->size >= 8 ? 0 : 64 - type->size * 8;

    return type->is_signed ? (uint64_t)((int64_t)(number << unused) >> unused) : number << unused >> unused;
}

static bool is_number(const struct type *type) { return type->kind == TYPE_INT || type->kind == TYPE_BOOL; }

/* The array that `(T[N])value` makes of the bytes of an integer or text; NULL if they do not fit. */
static const struct type *cast_to_array(struct check *c, const struct node *operand, const struct type *to) {
    const struct type *from = operand->type;
    uint32_t size = from->size, element = to->target->size;

    if (from->kind == TYPE_ARRAY)
        return type_equal(from, to) ? to : NULL;
    if (!is_number(to->target) || (from->kind != TYPE_INT && from->kind != TYPE_STRING))
        return NULL;
    if (!to->count)
        to = type_array(c->arena, to->target, size / element ? size / element : 1);
    if (from->kind == TYPE_INT && operand->is_constant && check_is_flexible(from))
        size = to->size <= 8 ? to->size : 8; /* a literal has the size that is wanted */
    return to->size == size ? to : NULL;
}

/* The type of the result; NULL if there is no such cast. */
static const struct type *cast_type(struct check *c, const struct node *operand, const struct type *to) {
    const struct type *from = operand->type;
    bool scalar = check_is_integer(from) || from->kind == TYPE_POINTER || from->kind == TYPE_KSYM;

    switch (to->kind) {
    case TYPE_BOOL:
        return scalar || from->kind == TYPE_STRING ? to : NULL;
    case TYPE_INT:
        return scalar || (from->kind == TYPE_ARRAY && is_number(from->target) && from->size <= to->size) ? to : NULL;
    case TYPE_ENUM:
    case TYPE_POINTER:
        return scalar ? to : NULL;
    case TYPE_STRING:
        return from->kind == TYPE_STRING && from->size <= to->size ? to : NULL;
    case TYPE_ARRAY:
        return cast_to_array(c, operand, to);
    default:
        return type_equal(from, to) ? to : NULL;
    }
}

static void report_cast(struct check *c, const struct node *node, const struct type *from, const struct type *to) {
    check_error(c, "invalid-cast", node->loc, "Cannot cast from \"%s\" to \"%s\"", check_type_text(c, from),
                check_type_text(c, to));
    check_note_origin(c, node->child);
    if (to->kind == TYPE_STRUCT)
        check_hint(c, "cast to a pointer: (%s *)", check_type_text(c, to));
    else if (to->kind == TYPE_STRING && from->kind == TYPE_STRING)
        check_hint(c, "the text takes %u bytes with its end", from->size);
    else if (to->kind == TYPE_STRING)
        check_hint(c, "str(pointer) makes a string");
    else if (to->kind == TYPE_ARRAY && (check_is_integer(from) || from->kind == TYPE_STRING))
        check_hint(c, "the value has %u bytes, the array %u", from->size, to->size);
    else if (from->kind == TYPE_ARRAY)
        check_hint(c, "an array of numbers becomes an integer of its size or more, at most 8 bytes; it has %u",
                   from->size);
    else if (from->kind == TYPE_STRING)
        check_hint(c, "a string has no number; strncmp() and == compare strings");
    else
        check_hint(c, "casts go between integers, enums, pointers and arrays of integers");
}

/* A constant that has no name in the enum is a slip of the pen. */
static void check_enum_value(struct check *c, const struct node *node, const struct type *type) {
    type_complete(type);
    for (uint32_t i = 0; i < type->enumerator_count; i++)
        if (type->enumerators[i].value == node->child->number)
            return;
    check_error(c, "enum-value", node->loc, "Enum: %s doesn't contain a variant value of %lld",
                type->name ? type->name : "{...}", (long long)node->child->number);
    check_hint(c, "use it as an integer");
}

void check_cast(struct check *c, struct node *node) {
    const struct type *to = check_type_name(c, node->type_name);
    const struct type *from = check_value(c, node->child);
    struct node *operand = node->child;

    if (!to || !from)
        return;
    const struct type *result = cast_type(c, operand, to);
    if (!result) {
        report_cast(c, node, from, to);
        return;
    }
    if (result->kind == TYPE_POINTER)
        result = check_with_space(c, result,
                                  from->kind == TYPE_POINTER ? from->space
                                  : c->target->user_pointers ? SPACE_USER
                                                             : SPACE_NONE);
    node->type = result->kind == TYPE_ENUM ? check_stored(c, result) : result;
    if (result->kind == TYPE_BOOL && operand->kind == NODE_STRING)
        set_constant(node, operand->length > 0);
    if (!operand->is_constant || !type_is_scalar(result) || result->kind == TYPE_POINTER)
        return;
    set_constant(node,
                 result->kind == TYPE_BOOL ? operand->number != 0 : truncate_to((uint64_t)operand->number, node->type));
    if (result->kind == TYPE_ENUM)
        check_enum_value(c, node, node->type);
}
