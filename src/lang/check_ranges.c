/* Integers of different signs and sizes that meet: what would surprise is told. */
#include "lang/check_int.h"

static bool fits(int64_t number, const struct type *value, const struct type *type) {
    unsigned unused = type->size >= 8 ? 0 : 64 - type->size * 8;

    if (value->size == 8 && !value->is_signed && number < 0) /* above INT64_MAX */
        return type->size == 8 && !type->is_signed;
    if (type->is_signed)
        return (int64_t)((uint64_t)number << unused) >> unused == number;
    return number >= 0 && (uint64_t)number << unused >> unused == (uint64_t)number;
}

static void report_constant(struct check *c, const struct node *value, const struct type *from, const struct type *to,
                            const char *what, struct loc loc) {
    const char *format = from->is_signed ? "Value %lld does not fit into %s of type '%s'"
                                         : "Value %llu does not fit into %s of type '%s'";

    check_error(c, "constant-range", loc, format, value->number, what, check_type_text(c, to));
    check_hint(c, to->size < 8 ? "declare a wider type" : "the other values of %s are signed", what);
}

/* Numbers that `to` cannot hold. */
static const char *lost_numbers(const struct type *from, const struct type *to) {
    if (from->is_signed && !to->is_signed && from->size <= to->size)
        return "negative numbers become large ones";
    return from->size > to->size ? "large numbers are cut" : "large numbers become negative";
}

void check_store_range(struct check *c, const struct node *value, const struct type *from, const struct type *to,
                       const char *what, struct loc loc) {
    if (from->kind == TYPE_TUPLE && to->kind == TYPE_TUPLE && from->field_count == to->field_count) {
        for (uint32_t i = 0; i < from->field_count && !type_is_record(from); i++)
            check_store_range(c, NULL, from->fields[i].type, to->fields[i].type, what, loc);
        return;
    }
    if (!c->report || from->kind != TYPE_INT || to->kind != TYPE_INT)
        return;
    if (value && value->is_constant && value->kind != NODE_CAST) {
        if (!fits(value->number, from, to))
            report_constant(c, value, from, to, what, loc);
        return;
    }
    bool holds = from->is_signed == to->is_signed ? from->size <= to->size : to->is_signed && from->size < to->size;
    if (holds || check_is_flexible(from) || check_is_flexible(to))
        return;
    check_warning(c, "integer-range", loc, "A value of type '%s' is stored in %s of type '%s': %s",
                  check_type_text(c, from), what, check_type_text(c, to), lost_numbers(from, to));
    if (value)
        check_hint(c, "a cast says that this is meant: (%s)value", check_type_text(c, to));
    else
        check_hint(c, "%sif this is meant, assign what is computed with a cast: = (%s)(...)",
                   to->size < 8 ? "a wider type holds it; " : "", check_type_text(c, to));
}

static bool is_unsigned(const struct node *node) {
    return node->type->kind == TYPE_INT && !node->type->is_signed && !node->is_constant;
}

static bool is_negative(const struct node *node) {
    return node->is_constant && node->type->kind == TYPE_INT && node->type->is_signed && node->number < 0;
}

/* `value` is unsigned, `constant` is 0 or negative; the operator as if the value stood on the left. -1: it depends. */
static int known_result(enum node_operator op, const struct node *value, const struct node *constant) {
    if (constant->number == 0)
        return op == OP_LT ? 0 : op == OP_GE ? 1 : -1;
    if (value->type->size == 8)
        return -1; /* compared as signed numbers */
    switch (op) {
    case OP_EQ:
    case OP_LT:
    case OP_LE:
        return 0;
    default:
        return 1;
    }
}

static enum node_operator mirrored(enum node_operator op) {
    return op == OP_LT ? OP_GT : op == OP_GT ? OP_LT : op == OP_LE ? OP_GE : op == OP_GE ? OP_LE : op;
}

static bool warn_known(struct check *c, const struct node *node, enum node_operator op, const struct node *value,
                       const struct node *constant) {
    if (!is_unsigned(value) || !constant->is_constant || (constant->number != 0 && !is_negative(constant)))
        return false;
    int result = known_result(op, value, constant);
    if (result < 0)
        return false;
    check_warning(c, "comparison-range", node->loc, "The condition is always %s: the value is unsigned ('%s')",
                  result ? "true" : "false", check_type_text(c, value->type));
    check_note_origin(c, value);
    check_hint(c, "compare it as a signed number: (int%u)value", value->type->size * 8);
    return true;
}

void check_comparison_range(struct check *c, const struct node *node) {
    const struct node *left = node->child, *right = left->next;
    bool order = node->op >= OP_LT && node->op <= OP_GE;

    if (!c->report || warn_known(c, node, node->op, left, right) ||
        warn_known(c, node, mirrored(node->op), right, left) || !order)
        return;
    const struct node *with_sign = check_is_signed(left->type) ? left : right,
                      *without = with_sign == left ? right : left;
    if (!is_unsigned(without) || without->type->size < 8 || !check_is_signed(with_sign->type))
        return;
    if (with_sign->is_constant && !is_negative(with_sign))
        return;
    check_warning(c, "comparison-range", node->loc,
                  "'%s' and '%s' are compared as signed numbers: large ones are negative",
                  check_type_text(c, left->type), check_type_text(c, right->type));
    check_note_origin(c, left);
    check_note_origin(c, right);
    check_hint(c, "a cast of one side says what is meant: (int64)value or (uint64)value");
}
