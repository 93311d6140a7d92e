/* Machine code before it has registers: what select makes, allocate completes and encode writes.
 *
 * A register field (d, a, b) holds a machine register 0..10, or a virtual register BPF_VIRTUAL + n before allocation.
 * Instructions are three-address: encode adds the move that BPF's two-address form needs. Calls, entry and return take
 * operands that may be anything (register, constant, stack slot, map), because encode places all of them at once; so a
 * spilled or rematerialised argument costs no register.
 *
 * Stack of main, from r10 downwards:     | slots of the module (slot_area bytes) | spills, 8 bytes each |
 * so the offsets of slots are known before the number of spills is. Frames of callbacks hold spills only.
 */
#ifndef TARSIER_BPF_BPF_INT_H
#define TARSIER_BPF_BPF_INT_H

#include "bpf/bpf.h"

#define BPF_VIRTUAL 16u       /* first virtual register */
#define BPF_FRAME_POINTER 10u /* r10 */
#define BPF_STACK_LIMIT 512u  /* bytes, of all frames of a call chain together */
#define BPF_FUNCTION_LIMIT 256u

enum bpf_machine_kind {
    BPF_M_ALU,     /* d = a op (b or immediate); code: BPF_ADD.., use_b */
    BPF_M_UNARY,   /* d = op a in place: code complete (BPF_NEG, BPF_END) */
    BPF_M_LEAST,   /* d = a; if (!(d cc (b or immediate))) d = b; code: BPF_JLE */
    BPF_M_MOVE,    /* d = a; code complete: 64 or 32 bits; offset 8, 16, 32: sign-extending */
    BPF_M_CONST,   /* d = operands[0], which is no register */
    BPF_M_LOAD,    /* d = [a + offset]; code: size */
    BPF_M_STORE,   /* [a + offset] = b, or immediate */
    BPF_M_ATOMIC,  /* [a + offset] op= b; immediate: operation */
    BPF_M_FETCH,   /* the same, d = old value */
    BPF_M_CMPXCHG, /* the same; operands[0] is compared; goes through r0 */
    BPF_M_SET,     /* d = a cc (b or immediate) ? 1 : 0; code: BPF_JEQ.. */
    BPF_M_CALL,    /* d = helper `immediate` (operands) */
    BPF_M_ENTRY,   /* entry[k] = r1 + k; any may be missing */
    BPF_M_RETURN,  /* operands[0] */
    BPF_M_JUMP,    /* targets[0] */
    BPF_M_BRANCH,  /* a cc (b or immediate) ? targets[0] : targets[1] */
    BPF_M_SPILL,   /* slot `immediate` = a; use_b: linked (see struct bpf_virtual) */
    BPF_M_FILL,    /* d = slot `immediate` */
};

enum bpf_operand_kind {
    BPF_O_REGISTER, /* register_ + immediate */
    BPF_O_CONSTANT,
    BPF_O_SLOT,      /* spill slot number `slot`, its content + immediate */
    BPF_O_MAP,       /* immediate: map */
    BPF_O_MAP_VALUE, /* immediate: map << 32 | offset */
    BPF_O_FUNCTION,  /* immediate: function index */
};

struct bpf_operand {
    enum bpf_operand_kind kind;
    uint32_t register_;
    uint32_t slot;
    int64_t immediate;
};

#define BPF_NO_REGISTER UINT32_MAX
#define BPF_ENTRY_MOST 4u /* arguments of a function */

struct bpf_machine_instruction {
    uint8_t kind; /* enum bpf_machine_kind */
    uint8_t code;
    bool use_b; /* else the immediate is the second operand */
    uint8_t operand_count;
    int16_t offset;
    uint32_t d, a, b; /* BPF_NO_REGISTER: none */
    int64_t immediate;
    uint32_t targets[2]; /* positions of blocks in the layout */
    struct bpf_operand operands[5];
    uint32_t entry[BPF_ENTRY_MOST]; /* BPF_M_ENTRY: registers, or BPF_NO_REGISTER */
    struct loc loc;
};

typedef VEC(struct bpf_machine_instruction) bpf_code;

/* What allocation may do with a virtual register. */
struct bpf_virtual {
    bool unspillable; /* lives from one instruction to the next */
    bool pointer;     /* or not known: its spill slot is never shared */
    /* A size that a helper gave, to be compared before use. Its bounds must hold for all copies, so verifiers
     * before 6.9 need a move in front of the spill: only moves make them note that two places hold one number. */
    bool linked;
    bool remade; /* made again by `operand` instead of being spilled */
    struct bpf_operand operand;
};

struct bpf_function {
    const struct ir_function *ir;
    struct arena *arena;
    bpf_code *blocks; /* in layout order */
    uint32_t block_count;
    VEC(struct bpf_virtual) virtuals;
    uint32_t spill_count; /* slots after allocation */
    uint32_t slot_area;   /* main: bytes for the module's slots */
};

static inline uint32_t bpf_frame_size(const struct bpf_function *f) { return f->slot_area + f->spill_count * 8; }
static inline int16_t bpf_spill_offset(const struct bpf_function *f, uint32_t slot) {
    return (int16_t)(-(int32_t)f->slot_area - 8 * ((int32_t)slot + 1));
}

/* Where each slot of the module lies from the frame base; returns the size of the area. Unused slots get UINT32_MAX. */
uint32_t bpf_place_slots(const struct ir_module *module, struct arena *arena, uint32_t **offsets);

/* The passes. */
void bpf_select(struct bpf_function *f, const uint32_t *slot_offsets, bool cpu_v4);
/* `share`: let scalars share spill slots (only when the stack would not fit otherwise). */
void bpf_allocate(struct bpf_function *f, uint64_t *random_state, bool share);
/* Appends the function's code to the program; false with *error when a jump is too far. Addresses of callbacks stay
 * function indices in the immediate; bpf_resolve_functions() makes them relative, given where each function starts. */
bool bpf_encode(struct bpf_function *f, struct arena *arena, struct bpf_program *out, const char **error);
void bpf_resolve_functions(struct bpf_program *program, const uint32_t *starts);
/* link.c: appends the runtime pieces of the module that the program calls. */
void bpf_link(struct arena *arena, const struct ir_module *module, struct bpf_program *program);

/* Fields an instruction reads and writes that hold registers; `late` marks reads that happen after the result is
 * written, so the two must not share a register. Both give the count. */
struct bpf_use {
    uint32_t *field;
    bool late;
};
unsigned bpf_uses(struct bpf_machine_instruction *i, struct bpf_use uses[8]);
unsigned bpf_definitions(struct bpf_machine_instruction *i, uint32_t *fields[BPF_ENTRY_MOST]);

#endif
