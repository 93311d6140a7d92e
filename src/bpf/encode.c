/* Encoding: machine instructions with registers become struct bpf_insn. Three-address form turns into moves and
 * two-address operations, operands of calls are put in place all at once, jumps get their distance, a jump to what
 * follows anyway disappears. */
#include "bpf/bpf_int.h"

struct jump {
    uint32_t instruction, target; /* target: position of the block */
};

struct encoder {
    struct bpf_function *f;
    struct arena *arena;
    struct bpf_program *out;
    VEC(struct jump) jumps;
    uint32_t *starts; /* block -> first instruction */
    struct loc loc, written_loc;
};

static bool fits_s32(int64_t number) { return number >= INT32_MIN && number <= INT32_MAX; }

/* ---- single instructions -------------------------------------------------------------------------------------- */

static void put(struct encoder *e, unsigned code, uint32_t dst, uint32_t src, int16_t offset, int32_t immediate) {
    uint32_t index = e->out->instructions.count;
    bool has_place = e->loc.begin != 0 || e->loc.end != 0;
    if (has_place && (e->loc.begin != e->written_loc.begin || e->loc.end != e->written_loc.end)) {
        vec_push(e->arena, &e->out->lines, ((struct bpf_line){index, e->loc}));
        e->written_loc = e->loc;
    }
    struct bpf_insn insn = {
        .code = (uint8_t)code, .dst_reg = dst & 15u, .src_reg = src & 15u, .off = offset, .imm = immediate};
    vec_push(e->arena, &e->out->instructions, insn);
}

static void put_move(struct encoder *e, uint32_t dst, uint32_t src) {
    if (dst != src)
        put(e, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void put_wide(struct encoder *e, uint32_t dst, unsigned pseudo, uint64_t number) {
    put(e, BPF_LD | BPF_DW | BPF_IMM, dst, pseudo, 0, (int32_t)number);
    put(e, 0, 0, 0, 0, (int32_t)(number >> 32));
}

static void put_constant(struct encoder *e, uint32_t dst, int64_t number) {
    if (fits_s32(number))
        put(e, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)number);
    else if ((uint64_t)number <= UINT32_MAX)
        put(e, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)number);
    else
        put_wide(e, dst, 0, (uint64_t)number);
}

static void put_map(struct encoder *e, uint32_t dst, enum bpf_reloc_kind kind, uint32_t map, uint32_t offset) {
    vec_push(e->arena, &e->out->relocs, ((struct bpf_reloc){e->out->instructions.count, kind, map}));
    put_wide(e, dst, kind == BPF_RELOC_MAP ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE, (uint64_t)offset << 32);
}

/* Sign extension to 64 bits is what immediates get. */
static void put_add(struct encoder *e, uint32_t dst, int64_t number) {
    if (number != 0)
        put(e, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, (int32_t)number);
}

/* ---- operands placed all at once ------------------------------------------------------------------------------ */

struct move {
    uint32_t dst, src;
};

/* Register moves that happen "at the same time". What blocks nothing goes first; what remains are cycles, opened
 * through r0, which is never a target then: only r1-r5 are both. */
static void put_parallel(struct encoder *e, struct move *moves, unsigned count) {
    while (count > 0) {
        unsigned k = 0;
        for (; k < count; k++) {
            bool blocked = false;
            for (unsigned m = 0; m < count; m++)
                blocked |= m != k && moves[m].src == moves[k].dst;
            if (!blocked)
                break;
        }
        if (k == count) {
            put_move(e, BPF_REG_0, moves[0].dst);
            for (unsigned m = 0; m < count; m++)
                if (moves[m].src == moves[0].dst)
                    moves[m].src = BPF_REG_0;
            k = 0;
        }
        put_move(e, moves[k].dst, moves[k].src);
        moves[k] = moves[--count];
    }
}

static void put_operand(struct encoder *e, uint32_t dst, const struct bpf_operand *operand) {
    switch (operand->kind) {
    case BPF_O_REGISTER: /* already moved */
        put_add(e, dst, operand->immediate);
        break;
    case BPF_O_CONSTANT:
        put_constant(e, dst, operand->immediate);
        break;
    case BPF_O_SLOT:
        put(e, BPF_LDX | BPF_MEM | BPF_DW, dst, BPF_FRAME_POINTER, bpf_spill_offset(e->f, operand->slot), 0);
        put_add(e, dst, operand->immediate);
        break;
    case BPF_O_MAP:
        put_map(e, dst, BPF_RELOC_MAP, (uint32_t)operand->immediate, 0);
        break;
    case BPF_O_MAP_VALUE:
        put_map(e, dst, BPF_RELOC_MAP_VALUE, (uint32_t)(operand->immediate >> 32), (uint32_t)operand->immediate);
        break;
    case BPF_O_FUNCTION:
        put_wide(e, dst, BPF_PSEUDO_FUNC, (uint64_t)operand->immediate);
        break;
    }
}

/* Operand k goes to register first + k. */
static void put_operands(struct encoder *e, uint32_t first, const struct bpf_operand *operands, unsigned count) {
    struct move moves[5];
    unsigned n = 0;
    for (unsigned k = 0; k < count; k++)
        if (operands[k].kind == BPF_O_REGISTER && operands[k].register_ != first + k)
            moves[n++] = (struct move){first + k, operands[k].register_};
    put_parallel(e, moves, n);
    for (unsigned k = 0; k < count; k++)
        put_operand(e, first + k, &operands[k]);
}

/* ---- instructions of each kind -------------------------------------------------------------------------------- */

static void encode_alu(struct encoder *e, const struct bpf_machine_instruction *i) {
    if (!i->use_b) {
        put_move(e, i->d, i->a);
        put(e, BPF_ALU64 | i->code | BPF_K, i->d, 0, i->offset, (int32_t)i->immediate);
        return;
    }
    uint32_t a = i->a, b = i->b;
    if (i->d == b && a != b) { /* only commutative operations get here: see bpf_uses() */
        b = a;
        a = i->d;
    }
    put_move(e, i->d, a);
    put(e, BPF_ALU64 | i->code | BPF_X, i->d, b, i->offset, 0);
}

static void put_compare(struct encoder *e, const struct bpf_machine_instruction *i, unsigned code, int16_t offset) {
    if (i->use_b)
        put(e, BPF_JMP | code | BPF_X, i->a, i->b, offset, 0);
    else
        put(e, BPF_JMP | code | BPF_K, i->a, 0, offset, (int32_t)i->immediate);
}

static void encode_set(struct encoder *e, const struct bpf_machine_instruction *i) {
    if (i->d != i->a && !(i->use_b && i->d == i->b)) {
        put_constant(e, i->d, 1);
        put_compare(e, i, i->code, 1);
        put_constant(e, i->d, 0);
        return;
    }
    put_compare(e, i, i->code, 2);
    put_constant(e, i->d, 0);
    put(e, BPF_JMP | BPF_JA, 0, 0, 1, 0);
    put_constant(e, i->d, 1);
}

/* The result itself is compared, so that its bound does not depend on what the verifier knows of copies. */
static void encode_least(struct encoder *e, const struct bpf_machine_instruction *i) {
    struct bpf_machine_instruction result = *i;
    result.a = i->d;
    put_move(e, i->d, i->a);
    put_compare(e, &result, i->code, 1);
    if (i->use_b)
        put(e, BPF_ALU64 | BPF_MOV | BPF_X, i->d, i->b, 0, 0);
    else
        put(e, BPF_ALU64 | BPF_MOV | BPF_K, i->d, 0, 0, (int32_t)i->immediate);
}

static unsigned inverted(unsigned code) {
    static const uint8_t pairs[][2] = {
        {BPF_JEQ, BPF_JNE}, {BPF_JGT, BPF_JLE}, {BPF_JGE, BPF_JLT}, {BPF_JSGT, BPF_JSLE}, {BPF_JSGE, BPF_JSLT}};
    for (unsigned k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        if (pairs[k][0] == code)
            return pairs[k][1];
        if (pairs[k][1] == code)
            return pairs[k][0];
    }
    BUG("bpf: jump 0x%x has no inverse", code);
}

static void note_jump(struct encoder *e, uint32_t target) {
    vec_push(e->arena, &e->jumps, ((struct jump){e->out->instructions.count, target}));
}

static void encode_jump(struct encoder *e, uint32_t target, uint32_t block) {
    if (target == block + 1)
        return;
    note_jump(e, target);
    put(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void encode_branch(struct encoder *e, const struct bpf_machine_instruction *i, uint32_t block) {
    bool invert = i->targets[0] == block + 1;
    note_jump(e, i->targets[invert]);
    put_compare(e, i, invert ? inverted(i->code) : i->code, 0);
    if (!invert)
        encode_jump(e, i->targets[1], block);
}

static void encode_entry(struct encoder *e, const struct bpf_machine_instruction *i) {
    struct move moves[BPF_ENTRY_MOST];
    unsigned count = 0;
    for (unsigned k = 0; k < BPF_ENTRY_MOST; k++)
        if (i->entry[k] != BPF_NO_REGISTER)
            moves[count++] = (struct move){i->entry[k], BPF_REG_1 + k};
    put_parallel(e, moves, count);
}

static void encode_atomic(struct encoder *e, const struct bpf_machine_instruction *i) {
    uint32_t source = i->b;
    if (i->kind == BPF_M_FETCH) { /* the old value replaces the operand */
        put_move(e, i->d, i->b);
        source = i->d;
    } else if (i->kind == BPF_M_CMPXCHG) {
        put_operands(e, BPF_REG_0, i->operands, 1);
    }
    put(e, (unsigned)(BPF_STX | BPF_ATOMIC | i->code), i->a, source, i->offset, (int32_t)i->immediate);
    if (i->kind == BPF_M_CMPXCHG && i->d != BPF_NO_REGISTER)
        put_move(e, i->d, BPF_REG_0);
}

static void encode_store(struct encoder *e, const struct bpf_machine_instruction *i) {
    if (i->use_b)
        put(e, (unsigned)(BPF_STX | BPF_MEM | i->code), i->a, i->b, i->offset, 0);
    else
        put(e, (unsigned)(BPF_ST | BPF_MEM | i->code), i->a, 0, i->offset, (int32_t)i->immediate);
}

static void encode_call(struct encoder *e, const struct bpf_machine_instruction *i) {
    put_operands(e, BPF_REG_1, i->operands, i->operand_count);
    if (i->immediate < 0) /* a runtime piece: its number, until link.c knows where it stands */
        put(e, BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, (int32_t)(-1 - i->immediate));
    else
        put(e, BPF_JMP | BPF_CALL, 0, 0, 0, (int32_t)i->immediate);
    if (i->d != BPF_NO_REGISTER)
        put_move(e, i->d, BPF_REG_0);
}

static void encode_plain_move(struct encoder *e, const struct bpf_machine_instruction *i) {
    bool idle = i->code == (BPF_ALU64 | BPF_MOV | BPF_X) && i->offset == 0 && i->d == i->a;
    if (!idle)
        put(e, i->code, i->d, i->a, i->offset, 0);
}

static void encode_instruction(struct encoder *e, const struct bpf_machine_instruction *i, uint32_t block) {
    e->loc = i->loc;
    switch ((enum bpf_machine_kind)i->kind) {
    case BPF_M_ALU:
        encode_alu(e, i);
        break;
    case BPF_M_UNARY:
        put_move(e, i->d, i->a);
        put(e, i->code, i->d, 0, 0, (int32_t)i->immediate);
        break;
    case BPF_M_MOVE:
        encode_plain_move(e, i);
        break;
    case BPF_M_CONST:
        put_operand(e, i->d, &i->operands[0]);
        break;
    case BPF_M_LOAD:
        put(e, (unsigned)(BPF_LDX | BPF_MEM | i->code), i->d, i->a, i->offset, 0);
        break;
    case BPF_M_STORE:
        encode_store(e, i);
        break;
    case BPF_M_ATOMIC:
    case BPF_M_FETCH:
    case BPF_M_CMPXCHG:
        encode_atomic(e, i);
        break;
    case BPF_M_LEAST:
        encode_least(e, i);
        break;
    case BPF_M_SET:
        encode_set(e, i);
        break;
    case BPF_M_CALL:
        encode_call(e, i);
        break;
    case BPF_M_ENTRY:
        encode_entry(e, i);
        break;
    case BPF_M_RETURN:
        put_operands(e, BPF_REG_0, i->operands, 1);
        put(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
        break;
    case BPF_M_JUMP:
        encode_jump(e, i->targets[0], block);
        break;
    case BPF_M_BRANCH:
        encode_branch(e, i, block);
        break;
    case BPF_M_SPILL:
        if (i->use_b)
            put(e, BPF_ALU64 | BPF_MOV | BPF_X, i->a, i->a, 0, 0);
        put(e, BPF_STX | BPF_MEM | BPF_DW, BPF_FRAME_POINTER, i->a, bpf_spill_offset(e->f, (uint32_t)i->immediate), 0);
        break;
    case BPF_M_FILL:
        put(e, BPF_LDX | BPF_MEM | BPF_DW, i->d, BPF_FRAME_POINTER, bpf_spill_offset(e->f, (uint32_t)i->immediate), 0);
        break;
    }
}

/* ---- the whole function --------------------------------------------------------------------------------------- */

static bool patch_jumps(struct encoder *e, const char **error) {
    for (uint32_t k = 0; k < e->jumps.count; k++) {
        int64_t distance = (int64_t)e->starts[e->jumps.data[k].target] - e->jumps.data[k].instruction - 1;
        if (distance < INT16_MIN || distance > INT16_MAX) {
            *error = arena_printf(e->arena,
                                  "the code of %s is too long: a jump spans %lld instructions, BPF allows 32767; "
                                  "split the program into several probes",
                                  e->f->ir->name, (long long)distance);
            return false;
        }
        e->out->instructions.data[e->jumps.data[k].instruction].off = (int16_t)distance;
    }
    return true;
}

bool bpf_encode(struct bpf_function *f, struct arena *arena, struct bpf_program *out, const char **error) {
    struct encoder e = {.f = f, .arena = arena, .out = out};
    e.starts = arena_new_array(f->arena, uint32_t, f->block_count);
    vec_push(arena, &out->subprograms,
             ((struct bpf_subprogram){out->instructions.count, f->ir->kind, arena_strdup(arena, f->ir->name)}));
    for (uint32_t block = 0; block < f->block_count; block++) {
        e.starts[block] = out->instructions.count;
        for (uint32_t k = 0; k < f->blocks[block].count; k++)
            encode_instruction(&e, &f->blocks[block].data[k], block);
    }
    return patch_jumps(&e, error);
}

void bpf_resolve_functions(struct bpf_program *program, const uint32_t *starts) {
    for (uint32_t i = 0; i < program->instructions.count; i++) {
        struct bpf_insn *insn = &program->instructions.data[i];
        if (insn->code != (BPF_LD | BPF_DW | BPF_IMM))
            continue;
        if (insn->src_reg == BPF_PSEUDO_FUNC)
            insn->imm = (int32_t)(starts[insn->imm] - i - 1);
        i++; /* its second half */
    }
}
