#include "unwind/code.h"

#include "base/arena.h"
#include "object/instruction.h"
#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is known in front of an instruction. */
struct state {
    int32_t sp;       /* CFA - sp; 0: not known */
    int32_t bp;       /* CFA - bp, when bp is a frame pointer; else 0 */
    int32_t bp_saved; /* the caller's bp is at CFA - bp_saved; 0: still in bp */
};

enum { ROWS_MOST = 256, STATES_MOST = 1024, ALIGNMENT = 16 };

struct sweep {
    const uint8_t *code;
    size_t size;
    uint64_t address;
    uint16_t *state_at; /* number of a state + 1, by offset: of instructions passed, and of targets ahead */
    struct state states[STATES_MOST];
    uint32_t state_count;
    struct row {
        size_t offset;
        struct unwind_rule rule;
    } rows[ROWS_MOST]; /* of the function */
    uint32_t row_count;
    bool is_bad, has_ended; /* the function: not understood; has come out even somewhere */
};

/* ---- one instruction ----------------------------------------------------------------------------------------- */

enum { SP = 4, BP = 5, NONE = 16 };

struct instruction {
    const uint8_t *bytes; /* behind prefixes and REX: the opcode */
    size_t left;          /* bytes from there */
    uint8_t rex;
    unsigned mod, reg, rm; /* registers 0..15 */
    bool has_modrm;
    bool is_wide;   /* opcode behind 0f */
    bool is_vector; /* VEX, EVEX: not looked into */
};

static struct instruction decode(const uint8_t *bytes, size_t length) {
    struct instruction in = {.bytes = bytes, .left = length};

    while (in.left > 1 && memchr("\x66\xf2\xf3\x2e\x3e\x36\x26\x64\x65\x67", *in.bytes, 10))
        in.bytes++, in.left--;
    if (in.left > 1 && (*in.bytes & 0xf0) == 0x40) {
        in.rex = *in.bytes;
        in.bytes++, in.left--;
    }
    in.is_vector = *in.bytes == 0xc4 || *in.bytes == 0xc5 || *in.bytes == 0x62;
    in.is_wide = *in.bytes == 0x0f;
    unsigned modrm = in.is_wide ? 2 : 1;
    if (in.left > modrm) {
        in.has_modrm = true;
        in.mod = in.bytes[modrm] >> 6;
        in.reg = (in.bytes[modrm] >> 3 & 7) | (in.rex & 4 ? 8 : 0);
        in.rm = (in.bytes[modrm] & 7) | (in.rex & 1 ? 8 : 0);
    }
    return in;
}

static int32_t number_at(const uint8_t *bytes, unsigned size) {
    int32_t number;

    if (size == 1)
        return (int8_t)*bytes;
    memcpy(&number, bytes, sizeof number);
    return number;
}

/* The displacement of a memory operand at base + number without index: its base, or NONE. */
static unsigned simple_memory(const struct instruction *in, int32_t *displacement) {
    const uint8_t *at = in->bytes + (in->is_wide ? 3 : 2);
    unsigned base = in->rm;

    if (in->mod != 1 && in->mod != 2)
        return NONE;
    if ((in->rm & 7) == SP) {
        if ((*at & 0x38) != 0x20 || in->rex & 2) /* an index */
            return NONE;
        base = (*at++ & 7) | (in->rex & 1 ? 8 : 0);
    }
    *displacement = number_at(at, in->mod == 1 ? 1 : 4);
    return base;
}

/* The register it may write besides those that are handled; NONE. */
static unsigned written(const struct instruction *in) {
    uint8_t op = in->bytes[0];
    bool is_register = in->has_modrm && in->mod == 3;

    if (in->is_wide) {
        op = in->bytes[1];
        if ((op & 0xf0) == 0x40 || op == 0xaf || (op >= 0xb6 && op <= 0xb8) || (op >= 0xbc && op <= 0xbf) ||
            op == 0x2c || op == 0x2d || op == 0x50 || op == 0xc5 || op == 0xd7)
            return in->reg;
        if ((op & 0xf8) == 0xc8)
            return (op & 7) | (in->rex & 1 ? 8 : 0);
        if (is_register &&
            ((op & 0xf0) == 0x90 || op == 0x7e || op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad || op == 0xab ||
             op == 0xb3 || op == 0xba || op == 0xbb || op == 0xb0 || op == 0xb1 || op == 0xc0 || op == 0xc1))
            return in->rm;
        return NONE;
    }
    if (op < 0x40 && (op & 7) < 4 && op < 0x38)
        return op & 2 ? in->reg : is_register ? in->rm : NONE;
    if (op == 0x63 || op == 0x69 || op == 0x6b || op == 0x8a || op == 0x8b || op == 0x8d)
        return in->reg;
    if ((op & 0xf0) == 0xb0 || (op > 0x90 && op < 0x98))
        return (op & 7) | (in->rex & 1 ? 8 : 0);
    bool is_compare = ((op == 0x80 || op == 0x81 || op == 0x83) && (in->reg & 7) == 7) ||
                      ((op == 0xf6 || op == 0xf7) && (in->reg & 7) < 2);
    if (is_register && !is_compare &&
        ((op >= 0x80 && op <= 0x83) || op == 0x86 || op == 0x87 || op == 0x88 || op == 0x89 || op == 0xc0 ||
         op == 0xc1 || op == 0xc6 || op == 0xc7 || (op >= 0xd0 && op <= 0xd3) || op == 0xf6 || op == 0xf7 ||
         op == 0xfe || (op == 0xff && (in->reg & 7) < 2)))
        return in->rm;
    return NONE;
}

/* ---- its effect ---------------------------------------------------------------------------------------------- */

static void push(struct state *state, bool is_bp) {
    state->sp += 8;
    if (is_bp && !state->bp_saved && !state->bp)
        state->bp_saved = state->sp;
}

static bool pop(struct state *state, unsigned into) {
    if (into == SP || (into == BP && (!state->bp_saved || state->bp_saved != state->sp)))
        return false;
    if (into == BP)
        state->bp_saved = state->bp = 0;
    state->sp -= 8;
    return state->sp >= 8;
}

/* Something else than the stack pointer goes into bp. */
static bool lose_bp(struct state *state) {
    state->bp = 0;
    return state->bp_saved;
}

/* add, sub, and with a number, of sp. */
static bool adjust(const struct instruction *in, struct state *state) {
    int32_t number = number_at(in->bytes + 2, in->bytes[0] == 0x83 ? 1 : 4);

    if (number < -(1 << 24) || number > 1 << 24 || !(in->rex & 8))
        return false;
    if (in->reg == 0)
        state->sp -= number;
    else if (in->reg == 5)
        state->sp += number;
    else
        return in->reg == 7;
    return state->sp >= 8;
}

/* mov and lea with sp or bp as what is written. False: not understood; *is_done: it was one of these. */
static bool move(const struct instruction *in, struct state *state, bool *is_done) {
    uint8_t op = in->bytes[0];
    unsigned into = op == 0x89 ? in->rm : in->reg, from = op == 0x89 ? in->reg : in->rm;
    int32_t displacement = 0;

    *is_done = false;
    if (in->is_wide || (op != 0x89 && op != 0x8b && op != 0x8d) || (into != SP && into != BP) ||
        (op == 0x89 && in->mod != 3))
        return true;
    if (op == 0x8d)
        from = simple_memory(in, &displacement);
    else if (in->mod != 3)
        from = NONE;
    *is_done = true;
    int32_t distance = from == SP ? state->sp : from == BP ? state->bp : 0;
    if (!distance || !(in->rex & 8))
        return into == BP && lose_bp(state);
    distance -= displacement;
    if (into == SP)
        state->sp = distance;
    else if (!state->bp_saved)
        return false;
    else
        state->bp = distance;
    return distance >= 8;
}

/* What it does to the stack pointer and bp, for all but jumps and returns. */
static bool apply(const struct instruction *in, struct state *state) {
    uint8_t op = in->bytes[0];
    unsigned low = (op & 7) | (in->rex & 1 ? 8 : 0);
    bool is_done;

    if (in->is_vector)
        return state->bp_saved || !in->has_modrm || state->bp == 0; /* bp may be any register there */
    if (in->is_wide && in->bytes[1] != 0xa0 && in->bytes[1] != 0xa8) {
        unsigned into = written(in);
        return into != SP && (into != BP || lose_bp(state));
    }
    if ((op & 0xf8) == 0x50 || op == 0x68 || op == 0x6a || op == 0x9c) {
        push(state, op == 0x55 && low == BP);
        return true;
    }
    if ((op & 0xf8) == 0x58)
        return pop(state, low);
    if (op == 0x9d)
        return pop(state, NONE);
    if (op == 0xc9) {
        state->sp = state->bp;
        return state->bp && pop(state, BP);
    }
    if ((op == 0x81 || op == 0x83) && in->mod == 3 && in->rm == SP)
        return adjust(in, state);
    if (op == 0xff && (in->reg & 7) == 6) {
        push(state, false);
        return true;
    }
    if (op == 0x8f)
        return pop(state, NONE);
    if (op == 0xc8 || op == 0xcb || op == 0xcf || op == 0xca) /* enter, far returns */
        return false;
    bool is_understood = move(in, state, &is_done);
    if (!is_understood || is_done)
        return is_understood;
    unsigned into = written(in);
    return into != SP && (into != BP || lose_bp(state));
}

/* ---- following the code -------------------------------------------------------------------------------------- */

static uint16_t keep_state(struct sweep *sweep, const struct state *state) {
    for (uint32_t i = sweep->state_count; i-- > 0 && sweep->state_count - i < 16;)
        if (memcmp(&sweep->states[i], state, sizeof *state) == 0)
            return (uint16_t)(i + 1);
    if (sweep->state_count == STATES_MOST) {
        sweep->is_bad = true;
        return 1;
    }
    sweep->states[sweep->state_count++] = *state;
    return (uint16_t)sweep->state_count;
}

/* The stack is as the call had left it. */
static bool is_even(const struct state *state) { return state->sp == 8 && !state->bp_saved && !state->bp; }

/* What is known reaches an offset, too. */
static void reach(struct sweep *sweep, int64_t offset, const struct state *state) {
    if (offset < 0 || offset >= (int64_t)sweep->size) {
        sweep->is_bad |= !is_even(state);
        return;
    }
    uint16_t *at = &sweep->state_at[offset];
    if (*at)
        sweep->is_bad |= memcmp(&sweep->states[*at - 1], state, sizeof *state) != 0;
    else
        *at = keep_state(sweep, state);
}

/* Jumps and ends. True when the next instruction is not reached from here. */
static bool flow(struct sweep *sweep, const struct instruction *in, size_t next, const struct state *state,
                 bool *is_flow) {
    uint8_t op = in->bytes[0];
    bool is_short = op == 0xeb || (op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0, is_jump = op == 0xe9 || op == 0xeb;
    bool is_wide_jump = in->is_wide && (in->bytes[1] & 0xf0) == 0x80;

    *is_flow = true;
    if (op == 0xc3 || op == 0xc2) {
        sweep->is_bad |= !is_even(state);
        sweep->has_ended = true;
        return true;
    }
    if (is_short || is_jump || is_wide_jump) {
        int32_t distance = number_at(in->bytes + (is_wide_jump ? 2 : 1), is_short ? 1 : 4);
        int64_t target = (int64_t)next + distance;
        sweep->has_ended |= is_jump && is_even(state);
        reach(sweep, target, state);
        return is_jump;
    }
    if (op == 0xff && (in->reg & 7) == 4) { /* to elsewhere; the lazy way through a PLT comes back behind it */
        sweep->is_bad |= !is_even(state);
        sweep->has_ended = true;
        return !(next < sweep->size && sweep->code[next] == 0x68);
    }
    if (op == 0xe8)
        sweep->is_bad |= number_at(in->bytes + 1, 4) == 0; /* call the next instruction, pop */
    if (op == 0xe8 || (op == 0xff && (in->reg & 7) == 2))
        return false;
    if (op == 0xf4 || op == 0xcc || (in->is_wide && in->bytes[1] == 0x0b)) /* hlt, int3, ud2 */
        return true;
    *is_flow = false;
    return false;
}

static bool is_padding(const struct instruction *in) {
    return in->bytes[0] == 0x90 || in->bytes[0] == 0xcc || (in->is_wide && in->bytes[1] == 0x1f);
}

static struct unwind_rule rule_of(const struct state *state) {
    return (struct unwind_rule){.cfa_kind = UNWIND_CFA_SP,
                                .cfa_offset = state->sp,
                                .bp_kind = state->bp_saved ? UNWIND_BP_AT_CFA : UNWIND_BP_SAME,
                                .bp_offset = -state->bp_saved};
}

static void add_row(struct sweep *sweep, size_t offset, const struct unwind_rule *rule) {
    if (sweep->row_count && memcmp(&sweep->rows[sweep->row_count - 1].rule, rule, sizeof *rule) == 0)
        return;
    if (sweep->row_count == ROWS_MOST)
        sweep->is_bad = true;
    else
        sweep->rows[sweep->row_count++] = (struct row){offset, *rule};
}

/* Follows one function; gives where it ends, with the padding behind it. */
static size_t follow_function(struct sweep *sweep, size_t start) {
    struct state state = {.sp = 8};
    size_t at = start;

    sweep->row_count = 0;
    sweep->has_ended = false;
    while (at < sweep->size && !sweep->is_bad) {
        size_t length = object_instruction_length(EM_X86_64, sweep->code + at, sweep->size - at);
        if (length == 0) {
            sweep->is_bad = true;
            break;
        }
        struct instruction in = decode(sweep->code + at, length);
        bool is_flow, is_end = false;
        if (state.sp)
            reach(sweep, (int64_t)at, &state);
        else if (sweep->state_at[at])
            state = sweep->states[sweep->state_at[at] - 1];
        else if (!is_padding(&in))
            break;
        if (state.sp) {
            struct unwind_rule rule = rule_of(&state);
            add_row(sweep, at, &rule);
            is_end = flow(sweep, &in, at + length, &state, &is_flow);
            sweep->is_bad |= !is_flow && !apply(&in, &state);
        }
        if (is_end)
            state.sp = 0;
        at += length;
    }
    if (at == sweep->size && is_even(&state)) /* falls into the function behind, if only as padding */
        sweep->has_ended = true;
    else
        sweep->is_bad |= state.sp != 0;
    /* code that nothing leads to, where no function would begin */
    sweep->is_bad |= !sweep->has_ended || (at < sweep->size && (sweep->address + at) % ALIGNMENT);
    return at;
}

/* Where the next function begins for certain: aligned, behind padding. */
static size_t next_padded(const struct sweep *sweep, size_t at) {
    for (at += ALIGNMENT - (sweep->address + at) % ALIGNMENT; at < sweep->size; at += ALIGNMENT)
        if (sweep->code[at - 1] == 0x90 || sweep->code[at - 1] == 0xcc)
            return at;
    return sweep->size;
}

void unwind_code_rules(const uint8_t *code, size_t size, uint64_t address,
                       void (*callback)(void *context, uint64_t address, const struct unwind_rule *rule),
                       void *context) {
    struct sweep *sweep = calloc(1, sizeof *sweep);
    const struct unwind_rule gap = {.cfa_kind = UNWIND_GAP};

    if (!sweep || !(sweep->state_at = calloc(size ? size : 1, sizeof *sweep->state_at)))
        arena_out_of_memory(size);
    sweep->code = code;
    sweep->size = size;
    sweep->address = address;
    for (size_t at = 0; at < size;) {
        size_t start = at;
        at = follow_function(sweep, start);
        if (sweep->is_bad) {
            callback(context, address + start, &gap);
            at = next_padded(sweep, start);
            sweep->is_bad = false;
            continue;
        }
        for (uint32_t i = 0; i < sweep->row_count; i++)
            callback(context, address + sweep->rows[i].offset, &sweep->rows[i].rule);
    }
    free(sweep->state_at);
    free(sweep);
}
