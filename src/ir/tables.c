/* The two tables, and questions about operations that several passes ask. */
#include "ir/ir.h"

const struct ir_helper_info ir_helpers[IR_HELPER_COUNT] = {
#define HELPER(name, id, args, effect, result) {#name, id, args, IR_EFFECT_##effect, IR_RESULT_##result},
#include "ir/helpers.def"
#undef HELPER
};

const struct ir_op_info ir_ops[IR_OP_COUNT] = {
#define IR_OP(name, operands, effect) {#name, operands, IR_EFFECT_##effect},
#include "ir/ops.def"
#undef IR_OP
};

enum ir_effect ir_effect_of(const struct ir_instruction *instruction) {
    return instruction->op == IR_CALL ? ir_helpers[instruction->helper].effect : ir_ops[instruction->op].effect;
}

bool ir_has_result(const struct ir_instruction *instruction) {
    switch (instruction->op) {
    case IR_NOP:
    case IR_STORE:
    case IR_ATOMIC_ADD:
    case IR_ATOMIC_AND:
    case IR_ATOMIC_OR:
    case IR_ATOMIC_XOR:
        return false;
    default:
        return ir_ops[instruction->op].effect != IR_EFFECT_CONTROL;
    }
}

bool ir_is_compare(enum ir_op op) { return op >= IR_EQ && op <= IR_SGE; }

bool ir_is_commutative(enum ir_op op) {
    switch (op) {
    case IR_ADD:
    case IR_MUL:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_UMIN:
    case IR_EQ:
    case IR_NE:
        return true;
    default:
        return false;
    }
}

static const struct {
    uint8_t inverted, swapped;
} compares[] = {
    [IR_EQ - IR_EQ] = {IR_NE, IR_EQ},    [IR_NE - IR_EQ] = {IR_EQ, IR_NE},    [IR_ULT - IR_EQ] = {IR_UGE, IR_UGT},
    [IR_ULE - IR_EQ] = {IR_UGT, IR_UGE}, [IR_UGT - IR_EQ] = {IR_ULE, IR_ULT}, [IR_UGE - IR_EQ] = {IR_ULT, IR_ULE},
    [IR_SLT - IR_EQ] = {IR_SGE, IR_SGT}, [IR_SLE - IR_EQ] = {IR_SGT, IR_SGE}, [IR_SGT - IR_EQ] = {IR_SLE, IR_SLT},
    [IR_SGE - IR_EQ] = {IR_SLT, IR_SLE},
};

enum ir_op ir_inverted(enum ir_op compare) { return (enum ir_op)compares[compare - IR_EQ].inverted; }
enum ir_op ir_swapped(enum ir_op compare) { return (enum ir_op)compares[compare - IR_EQ].swapped; }

static uint64_t divide_signed(uint64_t a, uint64_t b) {
    if (b == 0)
        return 0;
    return b == UINT64_MAX ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b); /* INT64_MIN / -1 wraps, as in the kernel */
}

static uint64_t modulo_signed(uint64_t a, uint64_t b) {
    if (b == 0)
        return a;
    return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

int64_t ir_evaluate(enum ir_op op, int64_t left, int64_t right) {
    uint64_t a = (uint64_t)left, b = (uint64_t)right;
    switch (op) {
    case IR_ADD:
        return (int64_t)(a + b);
    case IR_SUB:
        return (int64_t)(a - b);
    case IR_MUL:
        return (int64_t)(a * b);
    case IR_UDIV:
        return (int64_t)(b ? a / b : 0);
    case IR_UMOD:
        return (int64_t)(b ? a % b : a);
    case IR_SDIV:
        return (int64_t)divide_signed(a, b);
    case IR_SMOD:
        return (int64_t)modulo_signed(a, b);
    case IR_AND:
        return (int64_t)(a & b);
    case IR_OR:
        return (int64_t)(a | b);
    case IR_XOR:
        return (int64_t)(a ^ b);
    case IR_SHL:
        return (int64_t)(a << (b & 63));
    case IR_LSHR:
        return (int64_t)(a >> (b & 63));
    case IR_ASHR:
        return left >> (b & 63);
    case IR_UMIN:
        return (int64_t)(a < b ? a : b);
    case IR_EQ:
        return a == b;
    case IR_NE:
        return a != b;
    case IR_ULT:
        return a < b;
    case IR_ULE:
        return a <= b;
    case IR_UGT:
        return a > b;
    case IR_UGE:
        return a >= b;
    case IR_SLT:
        return left < right;
    case IR_SLE:
        return left <= right;
    case IR_SGT:
        return left > right;
    case IR_SGE:
        return left >= right;
    default:
        BUG("ir: %s is not a binary operation", ir_ops[op].name);
    }
}

unsigned ir_operands(const struct ir_instruction *instruction, const ir_value *operands[8]) {
    unsigned count = 0;
    for (const char *letter = ir_ops[instruction->op].operands; *letter; letter++) {
        if (*letter != 'v')
            continue;
        operands[count] = count == 0 ? &instruction->a : count == 1 ? &instruction->b : &instruction->arguments[0];
        count++;
    }
    if (instruction->op == IR_CALL)
        for (unsigned i = 0; i < instruction->argument_count; i++)
            operands[count++] = &instruction->arguments[i];
    return count;
}
