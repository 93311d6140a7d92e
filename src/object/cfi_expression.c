/* Expressions of call frame information, evaluated: DWARF 5 section 2.5.1, without what section 6.4.2 rules out. */
#include "object/eh_frame_int.h"

enum {
    DW_OP_addr = 0x03,
    DW_OP_deref = 0x06,
    DW_OP_const1u = 0x08,
    DW_OP_const1s = 0x09,
    DW_OP_const2u = 0x0a,
    DW_OP_const2s = 0x0b,
    DW_OP_const4u = 0x0c,
    DW_OP_const4s = 0x0d,
    DW_OP_const8u = 0x0e,
    DW_OP_const8s = 0x0f,
    DW_OP_constu = 0x10,
    DW_OP_consts = 0x11,
    DW_OP_dup = 0x12,
    DW_OP_drop = 0x13,
    DW_OP_over = 0x14,
    DW_OP_pick = 0x15,
    DW_OP_swap = 0x16,
    DW_OP_rot = 0x17,
    DW_OP_abs = 0x19,
    DW_OP_and = 0x1a,
    DW_OP_div = 0x1b,
    DW_OP_minus = 0x1c,
    DW_OP_mod = 0x1d,
    DW_OP_mul = 0x1e,
    DW_OP_neg = 0x1f,
    DW_OP_not = 0x20,
    DW_OP_or = 0x21,
    DW_OP_plus = 0x22,
    DW_OP_plus_uconst = 0x23,
    DW_OP_shl = 0x24,
    DW_OP_shr = 0x25,
    DW_OP_shra = 0x26,
    DW_OP_xor = 0x27,
    DW_OP_bra = 0x28,
    DW_OP_eq = 0x29,
    DW_OP_ge = 0x2a,
    DW_OP_gt = 0x2b,
    DW_OP_le = 0x2c,
    DW_OP_lt = 0x2d,
    DW_OP_ne = 0x2e,
    DW_OP_skip = 0x2f,
    DW_OP_lit0 = 0x30,
    DW_OP_lit31 = 0x4f,
    DW_OP_breg0 = 0x70,
    DW_OP_breg31 = 0x8f,
    DW_OP_bregx = 0x92,
    DW_OP_deref_size = 0x94,
    DW_OP_nop = 0x96,
};

enum { VALUES_MOST = 32, OPERATIONS_MOST = 512 };

struct machine {
    const struct object_machine *outside;
    struct dwarf_reader in;
    const uint8_t *start;
    uint64_t values[VALUES_MOST];
    unsigned count;
    bool is_bad, is_memory;
};

static void push(struct machine *machine, uint64_t value) {
    if (machine->count == VALUES_MOST)
        machine->is_bad = true;
    else
        machine->values[machine->count++] = value;
}

static uint64_t pop(struct machine *machine) {
    if (machine->count)
        return machine->values[--machine->count];
    machine->is_bad = true;
    return 0;
}

/* `depth` 0 is the top. */
static uint64_t peek(struct machine *machine, uint64_t depth) {
    if (depth < machine->count)
        return machine->values[machine->count - 1 - depth];
    machine->is_bad = true;
    return 0;
}

static void dereference(struct machine *machine, uint64_t size) {
    uint64_t value = 0, address = pop(machine);

    if (machine->is_bad || (size != 1 && size != 2 && size != 4 && size != 8)) {
        machine->is_bad = true;
        return;
    }
    if (!machine->outside->read(machine->outside->context, address, &value, (uint32_t)size))
        machine->is_bad = machine->is_memory = true;
    push(machine, value);
}

static void push_register(struct machine *machine, uint64_t number, int64_t offset) {
    if (number >= OBJECT_CFI_REGISTERS || !(machine->outside->known >> number & 1))
        machine->is_bad = true;
    else
        push(machine, machine->outside->registers[number] + (uint64_t)offset);
}

static void jump(struct machine *machine, bool is_taken) {
    int64_t distance = frame_signed(&machine->in, 2);
    int64_t target = machine->in.at - machine->start + distance, size = machine->in.end - machine->start;

    if (!is_taken)
        return;
    if (target < 0 || target > size)
        machine->is_bad = true;
    else
        machine->in.at = machine->start + target;
}

static void rotate(struct machine *machine) {
    uint64_t first = pop(machine), second = pop(machine), third = pop(machine);

    push(machine, first);
    push(machine, third);
    push(machine, second);
}

static void do_stack(struct machine *machine, uint8_t operation) {
    uint64_t top;

    switch (operation) {
    case DW_OP_dup:
        push(machine, peek(machine, 0));
        break;
    case DW_OP_drop:
        pop(machine);
        break;
    case DW_OP_over:
        push(machine, peek(machine, 1));
        break;
    case DW_OP_pick:
        push(machine, peek(machine, dwarf_number(&machine->in, 1)));
        break;
    case DW_OP_swap:
        top = peek(machine, 1);
        if (!machine->is_bad)
            machine->values[machine->count - 2] = machine->values[machine->count - 1];
        if (!machine->is_bad)
            machine->values[machine->count - 1] = top;
        break;
    default:
        rotate(machine);
    }
}

static void do_unary(struct machine *machine, uint8_t operation) {
    uint64_t value = pop(machine);

    switch (operation) {
    case DW_OP_abs:
        push(machine, (int64_t)value < 0 ? -value : value);
        break;
    case DW_OP_neg:
        push(machine, -value);
        break;
    case DW_OP_not:
        push(machine, ~value);
        break;
    default:
        push(machine, value + dwarf_uleb(&machine->in));
    }
}

static uint64_t divide(struct machine *machine, uint64_t left, uint64_t right, bool is_signed) {
    if (right == 0) {
        machine->is_bad = true;
        return 0;
    }
    if (!is_signed)
        return left % right;
    return right == UINT64_MAX ? -left : (uint64_t)((int64_t)left / (int64_t)right);
}

static uint64_t shift(uint8_t operation, uint64_t left, uint64_t right) {
    if (operation == DW_OP_shra)
        return (uint64_t)((int64_t)left >> (right < 64 ? right : 63));
    if (right >= 64)
        return 0;
    return operation == DW_OP_shl ? left << right : left >> right;
}

static bool is_true(uint8_t operation, int64_t left, int64_t right) {
    switch (operation) {
    case DW_OP_eq:
        return left == right;
    case DW_OP_ge:
        return left >= right;
    case DW_OP_gt:
        return left > right;
    case DW_OP_le:
        return left <= right;
    case DW_OP_lt:
        return left < right;
    default:
        return left != right;
    }
}

static uint64_t combine(struct machine *machine, uint8_t operation, uint64_t left, uint64_t right) {
    switch (operation) {
    case DW_OP_and:
        return left & right;
    case DW_OP_div:
        return divide(machine, left, right, true);
    case DW_OP_minus:
        return left - right;
    case DW_OP_mod:
        return divide(machine, left, right, false);
    case DW_OP_mul:
        return left * right;
    case DW_OP_or:
        return left | right;
    case DW_OP_plus:
        return left + right;
    case DW_OP_xor:
        return left ^ right;
    case DW_OP_shl ... DW_OP_shra:
        return shift(operation, left, right);
    default:
        return is_true(operation, (int64_t)left, (int64_t)right);
    }
}

static void do_constant(struct machine *machine, uint8_t operation) {
    struct dwarf_reader *in = &machine->in;
    unsigned size = 1u << (operation - DW_OP_const1u) / 2; /* 1, 2, 4, 8: unsigned, signed in turns */

    if (operation == DW_OP_constu)
        push(machine, dwarf_uleb(in));
    else if (operation == DW_OP_consts)
        push(machine, (uint64_t)dwarf_sleb(in));
    else
        push(machine, (operation - DW_OP_const1u) & 1 ? (uint64_t)frame_signed(in, size) : dwarf_number(in, size));
}

static void do_operation(struct machine *machine, uint8_t operation) {
    uint64_t number;

    switch (operation) {
    case DW_OP_lit0 ... DW_OP_lit31:
        push(machine, operation - DW_OP_lit0);
        break;
    case DW_OP_breg0 ... DW_OP_breg31:
        push_register(machine, operation - DW_OP_breg0, dwarf_sleb(&machine->in));
        break;
    case DW_OP_bregx:
        number = dwarf_uleb(&machine->in);
        push_register(machine, number, dwarf_sleb(&machine->in));
        break;
    case DW_OP_const1u ... DW_OP_consts:
        do_constant(machine, operation);
        break;
    case DW_OP_deref:
        dereference(machine, 8);
        break;
    case DW_OP_deref_size:
        dereference(machine, dwarf_number(&machine->in, 1));
        break;
    case DW_OP_dup ... DW_OP_rot:
        do_stack(machine, operation);
        break;
    case DW_OP_abs:
    case DW_OP_neg:
    case DW_OP_not:
    case DW_OP_plus_uconst:
        do_unary(machine, operation);
        break;
    case DW_OP_and ... DW_OP_mul:
    case DW_OP_or:
    case DW_OP_plus:
    case DW_OP_shl ... DW_OP_xor:
    case DW_OP_eq ... DW_OP_ne:
        number = pop(machine);
        push(machine, combine(machine, operation, pop(machine), number));
        break;
    case DW_OP_bra:
        jump(machine, pop(machine) != 0);
        break;
    case DW_OP_skip:
        jump(machine, true);
        break;
    case DW_OP_nop:
        break;
    default: /* also an address: it would have to be moved to where the file is */
        machine->is_bad = true;
    }
}

bool object_expression_evaluate(struct object_expression expression, const struct object_machine *outside,
                                const uint64_t *initial, uint64_t *result, bool *is_memory) {
    struct machine machine;

    machine.outside = outside;
    machine.start = expression.bytes;
    machine.in = (struct dwarf_reader){expression.bytes, expression.bytes + expression.size, false};
    machine.count = 0;
    machine.is_bad = machine.is_memory = false;
    if (initial)
        push(&machine, *initial);
    for (int i = 0; machine.in.at < machine.in.end && !machine.is_bad && !machine.in.is_bad; i++) {
        if (i == OPERATIONS_MOST)
            machine.is_bad = true;
        else
            do_operation(&machine, *machine.in.at++);
    }
    *result = pop(&machine);
    *is_memory = machine.is_memory;
    return !machine.is_bad && !machine.in.is_bad;
}
