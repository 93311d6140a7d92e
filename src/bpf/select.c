/* Selection: IR operations become machine instructions on virtual registers.
 *
 * Blocks and instructions are walked from last to first: a value is only made when something after it asked for its
 * register, so what was folded into its users (offsets, immediates, compares of branches, constants) vanishes by
 * itself. Each IR value has the virtual register BPF_VIRTUAL + its id; temporaries come after. */
#include "bpf/bpf_int.h"

struct selector {
    struct bpf_function *f;
    const struct ir_function *ir;
    const uint32_t *slot_offsets;
    bool cpu_v4;
    bool *needed;                   /* by IR value: some instruction reads its register */
    uint32_t *layout;               /* block -> position */
    uint32_t entry[BPF_ENTRY_MOST]; /* virtual registers of what the function is called with, once asked for */
    bpf_code group;                 /* instructions for the current IR instruction, in order */
    bpf_code *block;                /* code of the current block, last instruction first */
    struct loc loc;
};

static const struct ir_instruction *at(const struct selector *s, ir_value value) { return &s->ir->values.data[value]; }

static bool fits_s32(int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; }

static uint32_t new_virtual(struct selector *s, bool unspillable) {
    vec_add(s->f->arena, &s->f->virtuals)->unspillable = unspillable;
    return BPF_VIRTUAL + s->f->virtuals.count - 1;
}

static struct bpf_machine_instruction *emit(struct selector *s, enum bpf_machine_kind kind) {
    struct bpf_machine_instruction *i = vec_add(s->f->arena, &s->group);
    i->kind = (uint8_t)kind;
    i->d = i->a = i->b = BPF_NO_REGISTER;
    i->loc = s->loc;
    return i;
}

static void emit_alu_immediate(struct selector *s, uint8_t code, uint32_t d, uint32_t a, int64_t immediate) {
    struct bpf_machine_instruction *i = emit(s, BPF_M_ALU);
    i->code = code;
    i->d = d;
    i->a = a;
    i->immediate = immediate;
}

static void emit_alu(struct selector *s, uint8_t code, uint32_t d, uint32_t a, uint32_t b) {
    struct bpf_machine_instruction *i = emit(s, BPF_M_ALU);
    i->code = code;
    i->use_b = true;
    i->d = d;
    i->a = a;
    i->b = b;
}

/* ---- operands ------------------------------------------------------------------------------------------------ */

/* Which argument the frame is. */
static unsigned frame_argument(const struct selector *s) { return s->ir->kind == IR_CALLBACK ? 1 : 3; }

static uint32_t entry_register(struct selector *s, unsigned argument, ir_value value, bool pointer) {
    uint32_t *field = &s->entry[argument];
    if (*field == BPF_NO_REGISTER)
        *field = value == IR_NONE ? new_virtual(s, false) : BPF_VIRTUAL + value;
    s->f->virtuals.data[*field - BPF_VIRTUAL].pointer = pointer;
    return *field;
}

/* The frame base and the distance of a value from it, if it is a slot's address (or the frame, or either + constant).
 */
static bool frame_address(struct selector *s, ir_value value, uint32_t *base, int64_t *offset) {
    const struct ir_instruction *v = at(s, value);
    int64_t number = 0;
    if (v->op == IR_ADD && ir_is_constant(s->ir, v->b, &number))
        v = at(s, v->a);
    else
        number = 0;
    if (v->op != IR_SLOT && v->op != IR_FRAME)
        return false;
    if (v->op == IR_SLOT)
        number += s->slot_offsets[v->immediate];
    if (s->ir->kind == IR_MAIN) {
        *base = BPF_FRAME_POINTER;
        number -= s->f->slot_area;
    } else {
        *base = entry_register(s, frame_argument(s), IR_NONE, true);
    }
    *offset = number;
    return true;
}

/* Values that calls take without a register. */
static bool leaf_operand(struct selector *s, ir_value value, struct bpf_operand *operand) {
    static const uint8_t kinds[IR_OP_COUNT] = {[IR_CONSTANT] = BPF_O_CONSTANT,
                                               [IR_MAP] = BPF_O_MAP,
                                               [IR_MAP_VALUE] = BPF_O_MAP_VALUE,
                                               [IR_FUNCTION] = BPF_O_FUNCTION};
    const struct ir_instruction *v = at(s, value);
    *operand = (struct bpf_operand){.kind = (enum bpf_operand_kind)kinds[v->op], .immediate = v->immediate};
    return kinds[v->op] != BPF_O_REGISTER;
}

static uint32_t materialise(struct selector *s, struct bpf_operand operand) {
    uint32_t d = new_virtual(s, true);
    struct bpf_machine_instruction *i = emit(s, BPF_M_CONST);
    i->d = d;
    i->operands[0] = operand;
    return d;
}

/* A register that holds the value; may emit instructions into the group. */
static uint32_t need(struct selector *s, ir_value value) {
    const struct ir_instruction *v = at(s, value);
    struct bpf_operand operand;
    uint32_t base;
    int64_t offset;
    if (frame_address(s, value, &base, &offset)) {
        if (offset == 0)
            return base;
        uint32_t d = new_virtual(s, true);
        emit_alu_immediate(s, BPF_ADD, d, base, offset);
        return d;
    }
    if (v->op == IR_CONTEXT)
        return entry_register(s, 0, value, true);
    if (v->op == IR_CALLBACK_INDEX)
        return entry_register(s, 0, value, false);
    if (v->op == IR_ELEMENT)
        return entry_register(s, (unsigned)v->immediate, value, true);
    if (leaf_operand(s, value, &operand) && v->op != IR_MAP_VALUE)
        return materialise(s, operand);
    s->needed[value] = true;
    return BPF_VIRTUAL + value;
}

static struct bpf_operand call_operand(struct selector *s, ir_value value) {
    struct bpf_operand operand;
    if (leaf_operand(s, value, &operand))
        return operand;
    operand = (struct bpf_operand){.kind = BPF_O_REGISTER};
    if (!frame_address(s, value, &operand.register_, &operand.immediate))
        operand.register_ = need(s, value);
    return operand;
}

/* Base register and offset for a memory access. */
static uint32_t need_address(struct selector *s, const struct ir_instruction *v, int16_t *offset) {
    uint32_t base;
    int64_t distance;
    if (frame_address(s, v->a, &base, &distance) && distance + v->immediate >= INT16_MIN &&
        distance + v->immediate <= INT16_MAX) {
        *offset = (int16_t)(distance + v->immediate);
        return base;
    }
    *offset = (int16_t)v->immediate;
    return need(s, v->a);
}

/* The second operand of an ALU operation or compare: an immediate when it fits. */
static void second_operand(struct selector *s, ir_value value, struct bpf_machine_instruction *i) {
    int64_t number;
    if (ir_is_constant(s->ir, value, &number) && fits_s32(number)) {
        i->immediate = number;
        return;
    }
    i->use_b = true;
    i->b = need(s, value);
}

/* ---- arithmetic ---------------------------------------------------------------------------------------------- */

static const uint8_t alu_codes[IR_OP_COUNT] = {
    [IR_ADD] = BPF_ADD,  [IR_SUB] = BPF_SUB,  [IR_MUL] = BPF_MUL,   [IR_UDIV] = BPF_DIV, [IR_UMOD] = BPF_MOD,
    [IR_SDIV] = BPF_DIV, [IR_SMOD] = BPF_MOD, [IR_AND] = BPF_AND,   [IR_OR] = BPF_OR,    [IR_XOR] = BPF_XOR,
    [IR_SHL] = BPF_LSH,  [IR_LSHR] = BPF_RSH, [IR_ASHR] = BPF_ARSH, [IR_EQ] = BPF_JEQ,   [IR_NE] = BPF_JNE,
    [IR_ULT] = BPF_JLT,  [IR_ULE] = BPF_JLE,  [IR_UGT] = BPF_JGT,   [IR_UGE] = BPF_JGE,  [IR_SLT] = BPF_JSLT,
    [IR_SLE] = BPF_JSLE, [IR_SGT] = BPF_JSGT, [IR_SGE] = BPF_JSGE,  [IR_UMIN] = BPF_JLE,
};

static enum bpf_machine_kind binary_kind(enum ir_op op) {
    return op == IR_UMIN ? BPF_M_LEAST : ir_is_compare(op) ? BPF_M_SET : BPF_M_ALU;
}

static void select_binary(struct selector *s, const struct ir_instruction *v, uint32_t d, enum bpf_machine_kind kind,
                          int16_t offset) {
    struct bpf_machine_instruction i = {.kind = (uint8_t)kind, .code = alu_codes[v->op], .b = BPF_NO_REGISTER};
    i.d = d;
    i.offset = offset;
    i.loc = s->loc;
    i.a = need(s, v->a);
    second_operand(s, v->b, &i);
    vec_push(s->f->arena, &s->group, i);
}

static void select_shift(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    int64_t number;
    uint32_t a = need(s, v->a);
    if (ir_is_constant(s->ir, v->b, &number)) {
        emit_alu_immediate(s, alu_codes[v->op], d, a, number & 63);
        return;
    }
    uint32_t count = new_virtual(s, false), b = need(s, v->b);
    emit_alu_immediate(s, BPF_AND, count, b, 63);
    emit_alu(s, alu_codes[v->op], d, a, count);
}

/* |x| = (x ^ sign) - sign with sign = x >> 63 (arithmetic): no branch, so no second path for the verifier. */
static uint32_t magnitude(struct selector *s, uint32_t a, uint32_t *sign) {
    uint32_t flipped = new_virtual(s, false), result = new_virtual(s, false);
    *sign = new_virtual(s, false);
    emit_alu_immediate(s, BPF_ARSH, *sign, a, 63);
    emit_alu(s, BPF_XOR, flipped, a, *sign);
    emit_alu(s, BPF_SUB, result, flipped, *sign);
    return result;
}

/* Without cpu v4: divide the magnitudes, then give the quotient the sign of a ^ b, the remainder the sign of a. */
static void expand_signed_division(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    uint32_t sign_a, sign_b, sign = new_virtual(s, false);
    uint32_t a = magnitude(s, need(s, v->a), &sign_a);
    uint32_t b = magnitude(s, need(s, v->b), &sign_b);
    uint32_t result = new_virtual(s, false), flipped = new_virtual(s, false);
    emit_alu(s, alu_codes[v->op], result, a, b);
    if (v->op == IR_SDIV)
        emit_alu(s, BPF_XOR, sign, sign_a, sign_b);
    else
        sign = sign_a;
    emit_alu(s, BPF_XOR, flipped, result, sign);
    emit_alu(s, BPF_SUB, d, flipped, sign);
}

static void emit_move(struct selector *s, uint8_t code, int16_t offset, uint32_t d, uint32_t a) {
    struct bpf_machine_instruction *i = emit(s, BPF_M_MOVE);
    i->code = code;
    i->offset = offset;
    i->d = d;
    i->a = a;
}

static void select_extend(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    uint32_t a = need(s, v->a);
    int bits = v->width * 8;
    if (v->op == IR_ZEXT && v->width == 4) {
        emit_move(s, BPF_ALU | BPF_MOV | BPF_X, 0, d, a); /* AND 0xffffffff would be sign-extended to all ones */
    } else if (v->op == IR_ZEXT) {
        emit_alu_immediate(s, BPF_AND, d, a, (1 << bits) - 1);
    } else if (s->cpu_v4) {
        emit_move(s, BPF_ALU64 | BPF_MOV | BPF_X, (int16_t)bits, d, a);
    } else {
        uint32_t raised = new_virtual(s, false);
        emit_alu_immediate(s, BPF_LSH, raised, a, 64 - bits);
        emit_alu_immediate(s, BPF_ARSH, d, raised, 64 - bits);
    }
}

static void select_unary(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    uint32_t a = need(s, v->a);
    if (v->op == IR_NOT) {
        emit_alu_immediate(s, BPF_XOR, d, a, -1);
        return;
    }
    struct bpf_machine_instruction *i = emit(s, BPF_M_UNARY);
    i->d = d;
    i->a = a;
    i->code = v->op == IR_NEG ? BPF_ALU64 | BPF_NEG : BPF_ALU | BPF_END | BPF_TO_BE; /* a swap on little-endian */
    i->immediate = v->op == IR_NEG ? 0 : v->width * 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    if (v->op == IR_BSWAP)
        i->code = BPF_ALU | BPF_END | BPF_TO_LE;
#endif
}

/* ---- memory, calls, control ---------------------------------------------------------------------------------- */

static uint8_t size_code(unsigned width) {
    return width == 1 ? BPF_B : width == 2 ? BPF_H : width == 4 ? BPF_W : BPF_DW;
}

static void select_load(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    int16_t offset;
    uint32_t a = need_address(s, v, &offset);
    struct bpf_machine_instruction *i = emit(s, BPF_M_LOAD);
    i->code = size_code(v->width);
    i->offset = offset;
    i->d = d;
    i->a = a;
}

/* The constant as the immediate of a store of this width, which sign-extends 32 bits. */
static bool store_immediate(const struct selector *s, const struct ir_instruction *v, int64_t *number) {
    if (!ir_is_constant(s->ir, v->b, number) || (v->width == 8 && !fits_s32(*number)))
        return false;
    *number = (int32_t)*number;
    return true;
}

static void select_store(struct selector *s, const struct ir_instruction *v) {
    struct bpf_machine_instruction i = {.kind = BPF_M_STORE, .d = BPF_NO_REGISTER, .b = BPF_NO_REGISTER};
    i.code = size_code(v->width);
    i.loc = s->loc;
    i.a = need_address(s, v, &i.offset);
    i.use_b = !store_immediate(s, v, &i.immediate);
    if (i.use_b)
        i.b = need(s, v->b);
    vec_push(s->f->arena, &s->group, i);
}

static void select_atomic(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    static const uint16_t operations[IR_OP_COUNT] = {
        [IR_ATOMIC_ADD] = BPF_ADD,
        [IR_ATOMIC_AND] = BPF_AND,
        [IR_ATOMIC_OR] = BPF_OR,
        [IR_ATOMIC_XOR] = BPF_XOR,
        [IR_ATOMIC_FETCH_ADD] = BPF_ADD | BPF_FETCH,
        [IR_ATOMIC_FETCH_AND] = BPF_AND | BPF_FETCH,
        [IR_ATOMIC_FETCH_OR] = BPF_OR | BPF_FETCH,
        [IR_ATOMIC_XCHG] = BPF_XCHG,
        [IR_ATOMIC_CMPXCHG] = BPF_CMPXCHG,
    };
    static const uint8_t without_result[IR_OP_COUNT] = {
        [IR_ATOMIC_FETCH_ADD] = BPF_ADD, [IR_ATOMIC_FETCH_AND] = BPF_AND, [IR_ATOMIC_FETCH_OR] = BPF_OR};
    struct bpf_machine_instruction i = {.kind = BPF_M_ATOMIC, .use_b = true, .d = d};
    bool idle = d == BPF_NO_REGISTER;
    if (v->op == IR_ATOMIC_CMPXCHG)
        i.kind = BPF_M_CMPXCHG;
    else if (ir_has_result(v) && !(idle && v->op != IR_ATOMIC_XCHG))
        i.kind = BPF_M_FETCH;
    if (i.kind == BPF_M_FETCH && idle)
        i.d = new_virtual(s, true); /* XCHG overwrites a register, wanted or not */
    i.code = size_code(v->width);
    i.immediate = i.kind == BPF_M_ATOMIC && ir_has_result(v) ? without_result[v->op] : operations[v->op];
    i.loc = s->loc;
    i.a = need_address(s, v, &i.offset);
    i.b = need(s, v->b);
    if (i.kind == BPF_M_CMPXCHG) {
        i.operand_count = 1;
        i.operands[0] = call_operand(s, v->arguments[0]);
    }
    vec_push(s->f->arena, &s->group, i);
}

static void select_call(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    struct bpf_machine_instruction i = {.kind = BPF_M_CALL, .a = BPF_NO_REGISTER, .b = BPF_NO_REGISTER};
    i.d = d;
    i.immediate = ir_helpers[v->helper].id;
    i.operand_count = v->argument_count;
    i.loc = s->loc;
    for (unsigned k = 0; k < v->argument_count; k++)
        i.operands[k] = call_operand(s, v->arguments[k]);
    vec_push(s->f->arena, &s->group, i);
}

static void select_branch(struct selector *s, const struct ir_instruction *v) {
    struct bpf_machine_instruction i = {.kind = BPF_M_BRANCH, .d = BPF_NO_REGISTER, .b = BPF_NO_REGISTER};
    const struct ir_instruction *condition = at(s, v->a);
    i.loc = s->loc;
    i.targets[0] = s->layout[v->arguments[0]];
    i.targets[1] = s->layout[v->arguments[1]];
    /* A compare that was already asked for as a number is at hand; otherwise it becomes part of the jump. */
    if (ir_is_compare((enum ir_op)condition->op) && !s->needed[v->a]) {
        i.code = alu_codes[condition->op];
        i.a = need(s, condition->a);
        second_operand(s, condition->b, &i);
    } else {
        i.code = BPF_JNE;
        i.a = need(s, v->a);
    }
    vec_push(s->f->arena, &s->group, i);
}

static void select_return(struct selector *s, const struct ir_instruction *v) {
    struct bpf_operand operand = call_operand(s, v->a);
    struct bpf_machine_instruction *i = emit(s, BPF_M_RETURN);
    i->operand_count = 1;
    i->operands[0] = operand;
}

static void select_map_value(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    struct bpf_operand operand = {.kind = BPF_O_MAP_VALUE, .immediate = v->immediate};
    struct bpf_machine_instruction *i = emit(s, BPF_M_CONST);
    i->d = d;
    i->operands[0] = operand;
    s->f->virtuals.data[d - BPF_VIRTUAL].remade = true;
    s->f->virtuals.data[d - BPF_VIRTUAL].operand = operand;
}

static void select_value(struct selector *s, const struct ir_instruction *v, uint32_t d) {
    switch (v->op) {
    case IR_SDIV:
    case IR_SMOD:
        if (!s->cpu_v4)
            expand_signed_division(s, v, d);
        else
            select_binary(s, v, d, BPF_M_ALU, 1);
        break;
    case IR_SHL:
    case IR_LSHR:
    case IR_ASHR:
        select_shift(s, v, d);
        break;
    case IR_SEXT:
    case IR_ZEXT:
        select_extend(s, v, d);
        break;
    case IR_NEG:
    case IR_NOT:
    case IR_BSWAP:
        select_unary(s, v, d);
        break;
    case IR_MAP_VALUE:
        select_map_value(s, v, d);
        break;
    case IR_LOAD:
    case IR_LOAD_CONST:
        select_load(s, v, d);
        break;
    default:
        if (!alu_codes[v->op] && v->op != IR_ADD)
            BUG("bpf: no instruction for %s", ir_ops[v->op].name);
        select_binary(s, v, d, binary_kind((enum ir_op)v->op), 0);
    }
}

static bool droppable(const struct ir_instruction *v) {
    enum ir_effect effect = ir_effect_of(v);
    return effect <= IR_EFFECT_READ;
}

static void select_instruction(struct selector *s, ir_value value) {
    const struct ir_instruction *v = at(s, value);
    uint32_t d = s->needed[value] ? BPF_VIRTUAL + value : BPF_NO_REGISTER;
    if (d == BPF_NO_REGISTER && droppable(v))
        return;
    s->loc = v->loc;
    s->group.count = 0;
    if (v->op == IR_CALL) {
        select_call(s, v, d);
    } else if (v->op == IR_STORE) {
        select_store(s, v);
    } else if (v->op >= IR_ATOMIC_ADD && v->op <= IR_ATOMIC_CMPXCHG) {
        select_atomic(s, v, d);
    } else if (v->op == IR_JUMP) {
        emit(s, BPF_M_JUMP)->targets[0] = s->layout[v->arguments[0]];
    } else if (v->op == IR_BRANCH) {
        select_branch(s, v);
    } else if (v->op == IR_RETURN) {
        select_return(s, v);
    } else {
        select_value(s, v, d);
    }
    while (s->group.count > 0)
        vec_push(s->f->arena, s->block, s->group.data[--s->group.count]);
}

/* ---- the whole function -------------------------------------------------------------------------------------- */

/* True when the value may be a pointer, as far as the IR tells. */
static bool maybe_pointer(const struct ir_function *ir, ir_value value, const bool *pointer) {
    const struct ir_instruction *v = &ir->values.data[value];
    switch (v->op) {
    case IR_ADD:
    case IR_SUB:
        return pointer[v->a] || pointer[v->b];
    case IR_LOAD:
    case IR_LOAD_CONST:
        return v->width == 8;
    case IR_CALL:
        return ir_helpers[v->helper].result == IR_RESULT_TASK || ir_helpers[v->helper].result == IR_RESULT_OR_NULL;
    case IR_CONTEXT:
    case IR_ELEMENT:
    case IR_FRAME:
    case IR_SLOT:
    case IR_MAP:
    case IR_MAP_VALUE:
    case IR_FUNCTION:
    case IR_ATOMIC_XCHG:
    case IR_ATOMIC_CMPXCHG:
        return true;
    default:
        return false;
    }
}

static void reverse(bpf_code *code) {
    for (uint32_t i = 0, k = code->count; i + 1 < k; i++) {
        struct bpf_machine_instruction swap = code->data[i];
        code->data[i] = code->data[--k];
        code->data[k] = swap;
    }
}

static void make_entry(struct selector *s) {
    struct bpf_machine_instruction entry = {.kind = BPF_M_ENTRY};
    bool any = false;
    entry.d = entry.a = entry.b = BPF_NO_REGISTER;
    for (unsigned k = 0; k < BPF_ENTRY_MOST; k++) {
        entry.entry[k] = s->entry[k];
        any |= s->entry[k] != BPF_NO_REGISTER;
    }
    if (any)
        vec_push(s->f->arena, &s->f->blocks[0], entry); /* still in reverse */
}

static void make_virtuals(struct bpf_function *f, struct arena *arena) {
    bool *pointer = arena_new_array(arena, bool, f->ir->values.count);
    for (ir_value v = 0; v < f->ir->values.count; v++) {
        pointer[v] = maybe_pointer(f->ir, v, pointer);
        struct bpf_virtual *added = vec_add(arena, &f->virtuals);
        added->pointer = pointer[v];
        added->linked = f->ir->values.data[v].op == IR_CALL && !pointer[v];
    }
}

void bpf_select(struct bpf_function *f, const uint32_t *slot_offsets, bool cpu_v4) {
    struct selector s = {.f = f, .ir = f->ir, .slot_offsets = slot_offsets, .cpu_v4 = cpu_v4};
    ir_block *order = ir_reverse_post_order(f->ir, f->arena, &f->block_count);
    for (unsigned k = 0; k < BPF_ENTRY_MOST; k++)
        s.entry[k] = BPF_NO_REGISTER;
    s.needed = arena_new_array(f->arena, bool, f->ir->values.count);
    s.layout = arena_new_array(f->arena, uint32_t, f->ir->blocks.count);
    f->blocks = arena_new_array(f->arena, bpf_code, f->block_count);
    make_virtuals(f, f->arena);
    for (uint32_t i = 0; i < f->block_count; i++)
        s.layout[order[i]] = i;
    for (uint32_t i = f->block_count; i-- > 0;) {
        const struct ir_basic_block *block = &f->ir->blocks.data[order[i]];
        s.block = &f->blocks[i];
        for (uint32_t k = block->instructions.count; k-- > 0;)
            select_instruction(&s, block->instructions.data[k]);
    }
    make_entry(&s);
    for (uint32_t i = 0; i < f->block_count; i++)
        reverse(&f->blocks[i]);
}

uint32_t bpf_place_slots(const struct ir_module *module, struct arena *arena, uint32_t **offsets) {
    *offsets = arena_new_array(arena, uint32_t, module->slots.count + 1);
    bool *used = arena_new_array(arena, bool, module->slots.count + 1);
    uint32_t area = 0;
    for (uint32_t i = 0; i < module->functions.count; i++) {
        const struct ir_function *f = module->functions.data[i];
        for (ir_value v = 0; v < f->values.count; v++)
            if (f->values.data[v].op == IR_SLOT)
                used[f->values.data[v].immediate] = true;
    }
    for (uint32_t i = 0; i < module->slots.count; i++) {
        (*offsets)[i] = used[i] ? area : UINT32_MAX;
        area += used[i] ? module->slots.data[i].size : 0;
    }
    return area;
}
