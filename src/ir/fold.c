/* Folding: simpler equal values, found while building. One function per shape; all rules are exact for every input.
 * The verifier's needs bound the rules: a mask goes away only where the bits are known from something the verifier
 * follows too (narrow loads, masks, constant shifts, compares). */
#include "ir/ir_int.h"

static uint64_t mask_of_width(unsigned width) { return width >= 8 ? UINT64_MAX : (1ull << (width * 8)) - 1; }

static bool is_power_of_two(int64_t number) { return number > 0 && (number & (number - 1)) == 0; }

uint64_t ir_known_bits(const struct ir_function *f, ir_value value) {
    const struct ir_instruction *v = ir_at(f, value);
    int64_t number;
    if (ir_is_compare((enum ir_op)v->op))
        return 1;
    switch (v->op) {
    case IR_CONSTANT:
        return (uint64_t)v->immediate;
    case IR_LOAD:
    case IR_LOAD_CONST:
    case IR_ZEXT:
    case IR_BSWAP:
        return mask_of_width(v->width);
    case IR_AND:
        if (ir_is_constant(f, v->b, &number))
            return (uint64_t)number;
        return UINT64_MAX;
    case IR_LSHR:
        return ir_is_constant(f, v->b, &number) ? UINT64_MAX >> (number & 63) : UINT64_MAX;
    case IR_UMIN:
        return ir_is_constant(f, v->b, &number) && number ? UINT64_MAX >> __builtin_clzll((uint64_t)number)
                                                          : UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

/* (x op c1) op c2 for the operations where the constants combine. */
static bool combine_constants(struct ir_function *f, enum ir_op op, ir_value *a, int64_t *number) {
    const struct ir_instruction *inner = ir_at(f, *a);
    int64_t c1;
    if (inner->op != op || !ir_is_constant(f, inner->b, &c1))
        return false;
    *number = ir_evaluate(op, c1, *number);
    *a = inner->a;
    return true;
}

static ir_value fold_add(struct ir_function *f, ir_value *a, ir_value *b, int64_t number) {
    if (combine_constants(f, IR_ADD, a, &number))
        *b = ir_constant(f, number);
    if (number == 0)
        return *a;
    const struct ir_instruction *base = ir_at(f, *a);
    if (base->op == IR_MAP_VALUE) {
        int64_t offset = (int64_t)(base->immediate & UINT32_MAX) + number;
        if (offset >= 0 && offset <= INT32_MAX)
            return ir_map_value(f, (uint32_t)(base->immediate >> 32), (uint32_t)offset);
    }
    return IR_NONE;
}

static ir_value fold_multiply_divide(struct ir_function *f, enum ir_op *op, ir_value *a, ir_value *b, int64_t number) {
    bool remainder = *op == IR_UMOD || *op == IR_SMOD;
    if (number == 0)
        return remainder ? *a : ir_constant(f, 0);
    if (number == 1 || (number == -1 && *op == IR_SMOD))
        return remainder ? ir_constant(f, 0) : *a;
    if (number == -1 && (*op == IR_SDIV || *op == IR_MUL))
        return ir_unary(f, IR_NEG, *a);
    if (!is_power_of_two(number) || *op == IR_SDIV || *op == IR_SMOD)
        return IR_NONE;
    if (*op == IR_UMOD)
        return ir_binary(f, IR_AND, *a, ir_constant(f, number - 1));
    *op = *op == IR_MUL ? IR_SHL : IR_LSHR;
    *b = ir_constant(f, __builtin_ctzll((uint64_t)number));
    return IR_NONE;
}

static ir_value fold_and(struct ir_function *f, ir_value *a, ir_value *b, int64_t number) {
    if (combine_constants(f, IR_AND, a, &number))
        *b = ir_constant(f, number);
    uint64_t known = ir_known_bits(f, *a);
    if (number == 0 || (known & (uint64_t)number) == 0)
        return ir_constant(f, 0);
    if ((known & ~(uint64_t)number) == 0)
        return *a;
    for (unsigned width = 1; width <= 4; width *= 2)
        if ((uint64_t)number == mask_of_width(width))
            return ir_extend(f, *a, width, false);
    return IR_NONE;
}

static ir_value fold_or_xor(struct ir_function *f, enum ir_op op, ir_value *a, ir_value *b, int64_t number) {
    if (combine_constants(f, op, a, &number))
        *b = ir_constant(f, number);
    if (number == 0)
        return *a;
    if (op == IR_OR)
        return number == -1 ? ir_constant(f, -1) : IR_NONE;
    const struct ir_instruction *inner = ir_at(f, *a);
    if (number == 1 && ir_is_compare((enum ir_op)inner->op))
        return ir_binary(f, ir_inverted((enum ir_op)inner->op), inner->a, inner->b);
    return number == -1 ? ir_unary(f, IR_NOT, *a) : IR_NONE;
}

static ir_value fold_shift(struct ir_function *f, ir_value *a, ir_value *b, int64_t number) {
    if ((number & 63) == 0)
        return *a;
    if (number != (number & 63))
        *b = ir_constant(f, number & 63);
    return IR_NONE;
}

static ir_value fold_least(struct ir_function *f, ir_value a, int64_t number) {
    if (number == 0)
        return ir_constant(f, 0);
    return ir_known_bits(f, a) <= (uint64_t)number ? a : IR_NONE;
}

/* Compares whose outcome the known bits of `a` decide: 0 or 1; -1 when open. */
static int decided_compare(enum ir_op op, uint64_t known, uint64_t number) {
    bool above = number > known; /* no value of `a` reaches the number */
    switch (op) {
    case IR_EQ:
        return (number & ~known) ? 0 : -1;
    case IR_NE:
        return (number & ~known) ? 1 : -1;
    case IR_ULT:
        return number == 0 ? 0 : above ? 1 : -1;
    case IR_UGE:
        return number == 0 ? 1 : above ? 0 : -1;
    case IR_ULE:
        return above || number >= known ? 1 : -1;
    case IR_UGT:
        return above || number >= known ? 0 : -1;
    default:
        return -1;
    }
}

static ir_value fold_compare(struct ir_function *f, enum ir_op *op, ir_value *a, ir_value *b, int64_t number) {
    int decided = decided_compare(*op, ir_known_bits(f, *a), (uint64_t)number);
    if (decided >= 0)
        return ir_constant(f, decided);
    if ((*op == IR_ULT && number == 1) || (*op == IR_ULE && number == 0)) {
        *op = IR_EQ;
        *b = ir_constant(f, number = 0);
    } else if ((*op == IR_UGT && number == 0) || (*op == IR_UGE && number == 1)) {
        *op = IR_NE;
        *b = ir_constant(f, number = 0);
    }
    const struct ir_instruction *inner = ir_at(f, *a);
    if ((*op != IR_EQ && *op != IR_NE) || !ir_is_compare((enum ir_op)inner->op) || (number != 0 && number != 1))
        return IR_NONE;
    bool same = (*op == IR_EQ) == (number == 1);
    return same ? *a : ir_binary(f, ir_inverted((enum ir_op)inner->op), inner->a, inner->b);
}

static ir_value fold_equal_operands(struct ir_function *f, enum ir_op op, ir_value a) {
    switch (op) {
    case IR_SUB:
    case IR_XOR:
    case IR_UMOD:
    case IR_SMOD: /* also for 0: the dividend is 0 */
        return ir_constant(f, 0);
    case IR_AND:
    case IR_OR:
    case IR_UMIN:
        return a;
    default:
        return ir_is_compare(op) ? ir_constant(f, ir_evaluate(op, 0, 0)) : IR_NONE;
    }
}

static ir_value fold_with_constant(struct ir_function *f, enum ir_op *op, ir_value *a, ir_value *b, int64_t number) {
    switch (*op) {
    case IR_SUB:
        *op = IR_ADD;
        number = (int64_t)(0 - (uint64_t)number);
        *b = ir_constant(f, number);
        return fold_add(f, a, b, number);
    case IR_ADD:
        return fold_add(f, a, b, number);
    case IR_MUL:
    case IR_UDIV:
    case IR_UMOD:
    case IR_SDIV:
    case IR_SMOD:
        return fold_multiply_divide(f, op, a, b, number);
    case IR_AND:
        return fold_and(f, a, b, number);
    case IR_OR:
    case IR_XOR:
        return fold_or_xor(f, *op, a, b, number);
    case IR_SHL:
    case IR_LSHR:
    case IR_ASHR:
        return fold_shift(f, a, b, number);
    case IR_UMIN:
        return fold_least(f, *a, number);
    default:
        return fold_compare(f, op, a, b, number);
    }
}

ir_value ir_fold_binary(struct ir_function *f, enum ir_op *op, ir_value *a, ir_value *b) {
    int64_t left, right;
    bool left_known = ir_is_constant(f, *a, &left), right_known = ir_is_constant(f, *b, &right);
    if (left_known && right_known)
        return ir_constant(f, ir_evaluate(*op, left, right));
    if (*a == *b)
        return fold_equal_operands(f, *op, *a);
    if (left_known && (ir_is_commutative(*op) || ir_is_compare(*op))) {
        ir_value swap = *a;
        *a = *b;
        *b = swap;
        if (ir_is_compare(*op))
            *op = ir_swapped(*op);
        right = left;
        right_known = true;
    }
    return right_known ? fold_with_constant(f, op, a, b, right) : IR_NONE;
}

ir_value ir_unary(struct ir_function *f, enum ir_op op, ir_value a) {
    const struct ir_instruction *inner = ir_at(f, a);
    int64_t number;
    if (ir_is_constant(f, a, &number))
        return ir_constant(f, op == IR_NEG ? (int64_t)(0 - (uint64_t)number) : ~number);
    if (inner->op == op)
        return inner->a;
    return ir_append_shared(f, &(struct ir_instruction){.op = (uint8_t)op, .a = a, .b = IR_NONE});
}

ir_value ir_extend(struct ir_function *f, ir_value a, unsigned width, bool is_signed) {
    const struct ir_instruction *inner = ir_at(f, a);
    uint64_t mask = mask_of_width(width), known = ir_known_bits(f, a);
    int64_t number;
    if (width >= 8)
        return a;
    if (ir_is_constant(f, a, &number)) {
        uint64_t low = (uint64_t)number & mask, sign = 1ull << (width * 8 - 1);
        return ir_constant(f, (int64_t)(is_signed ? (low ^ sign) - sign : low));
    }
    if ((known & ~(is_signed ? mask >> 1 : mask)) == 0)
        return a;
    /* Only the low bytes count: an extension from the same or a greater width below is idle. */
    if ((inner->op == IR_ZEXT || inner->op == IR_SEXT) && inner->width >= width)
        return ir_extend(f, inner->a, width, is_signed);
    return ir_append_shared(f, &(struct ir_instruction){
                                   .op = is_signed ? IR_SEXT : IR_ZEXT, .width = (uint8_t)width, .a = a, .b = IR_NONE});
}

ir_value ir_byte_swap(struct ir_function *f, ir_value a, unsigned width) {
    int64_t number;
    if (width == 1)
        return ir_extend(f, a, 1, false);
    if (ir_is_constant(f, a, &number))
        return ir_constant(f, (int64_t)(__builtin_bswap64((uint64_t)number) >> (64 - width * 8)));
    return ir_append_shared(f, &(struct ir_instruction){.op = IR_BSWAP, .width = (uint8_t)width, .a = a, .b = IR_NONE});
}
