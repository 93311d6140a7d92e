/* The program between tree and machine: SSA values in basic blocks, bytes in, bytes out.
 *
 * ir knows neither script text nor BPF encoding. lang builds a function through the calls below, small passes clean it
 * (ir_optimize), bpf/ turns it into instructions, ir_print shows it (`-d ir`, golden tests).
 *
 * Values. Every instruction that has a result defines one 64-bit value, named by the index of the instruction (v12).
 * A value is defined once and used only where its block is dominated by the definition. There are no phis: what must
 * survive a join or change in a loop lives in a stack slot (IR_SLOT) and is loaded and stored. Measured, a spill costs
 * 0.2 ns and a helper call 20 ns, so slots cost nothing, the verifier likes them, and loop bodies (separate BPF
 * functions called back by bpf_loop) can share them through one pointer.
 *
 * Pointers. The verifier cares where a pointer came from; IR does not. The builder of code must keep to its rules:
 *   - context, BTF and stack pointers are loaded from at constant offsets only
 *   - results of OR_NULL helpers are compared with 0 (ir_is_null) before use
 *   - a pointer to a map value may be moved by a bounded value (AND with a constant first)
 *
 * Functions. A module has one main function and any number of callbacks: of bpf_loop, `long f(u64 index, void *frame)`,
 * and of bpf_for_each_map_elem, `long f(map, key, value, void *frame)`. All slots belong to the main function; a
 * callback reaches them through its last argument, which is the address of the slot area of main (IR_FRAME there); the
 * same IR_SLOT instruction works in both. Whoever calls such a helper passes ir_frame() as the callback's argument. The
 * context is known in main only: a callback that needs it loads it from a slot into which main stored it (8 bytes).
 *
 * Folding and sharing happen while building: constants fold, equal pure values and CONST helper calls of dominating
 * blocks are reused. So most redundancy never exists.
 */
#ifndef TARSIER_IR_IR_H
#define TARSIER_IR_IR_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "base/vec.h"
#include <stdbool.h>
#include <stdint.h>

typedef uint32_t ir_value; /* index of an instruction; IR_NONE: no value */
typedef uint32_t ir_block; /* index of a block */
typedef uint32_t ir_slot;  /* index of a stack slot of the module */
#define IR_NONE UINT32_MAX

enum ir_op {
#define IR_OP(name, operands, effect) IR_##name,
#include "ir/ops.def"
#undef IR_OP
    IR_OP_COUNT
};

enum ir_helper {
#define HELPER(name, id, args, effect, result) IR_HELPER_##name,
#include "ir/helpers.def"
#undef HELPER
    IR_HELPER_COUNT
};

enum ir_effect {
    IR_EFFECT_PURE,
    IR_EFFECT_CONST,
    IR_EFFECT_CLOCK,
    IR_EFFECT_READ,
    IR_EFFECT_MEMORY,
    IR_EFFECT_OUTPUT,
    IR_EFFECT_CONTROL
};

struct ir_helper_info {
    const char *name;
    int id; /* number in the kernel's table; negative: a runtime piece */
    uint8_t argument_count;
    enum ir_effect effect;
    enum { IR_RESULT_NUMBER, IR_RESULT_TASK, IR_RESULT_OR_NULL, IR_RESULT_ERROR } result;
};
extern const struct ir_helper_info ir_helpers[IR_HELPER_COUNT];

struct ir_op_info {
    const char *name;
    const char *operands; /* one letter each: v value, i immediate, s slot, m map, b block, f function */
    enum ir_effect effect;
};
extern const struct ir_op_info ir_ops[IR_OP_COUNT];

struct ir_instruction {
    uint8_t op;     /* enum ir_op */
    uint8_t width;  /* loads, stores, atomics, extensions: bytes 1 2 4 8 */
    uint8_t helper; /* IR_CALL: enum ir_helper */
    uint8_t argument_count;
    uint32_t block;        /* the block it stands in */
    ir_value a, b;         /* operands; for control: see ops.def */
    int64_t immediate;     /* constant, offset of a memory access, map or slot index */
    ir_value arguments[5]; /* calls; IR_BRANCH uses [0] and [1] as target blocks */
    struct loc loc;        /* script text this comes from (line_info, verifier messages) */
};

struct ir_basic_block {
    ir_block dominator;         /* immediate dominator, IR_NONE for the entry */
    ir_block far;               /* an ancestor further up, for ir_dominates(); as it was when the block was made */
    uint32_t depth;             /* in the tree of dominators */
    VEC(ir_value) instructions; /* in order; the last one is control once the block is finished */
};

enum ir_function_kind { IR_MAIN, IR_CALLBACK, IR_ELEMENT_CALLBACK };
/* What a callback of bpf_for_each_map_elem is given. */
enum ir_element_part { IR_ELEMENT_MAP, IR_ELEMENT_KEY, IR_ELEMENT_VALUE };

struct ir_function {
    struct ir_module *module;
    uint32_t index; /* in the module */
    enum ir_function_kind kind;
    const char *name;
    VEC(struct ir_instruction) values; /* all instructions, by value id */
    VEC(struct ir_basic_block) blocks; /* block 0 is the entry */
    ir_block current;                  /* where the builder appends */
    struct loc loc;                    /* stamped on new instructions */
    struct ir_share *share;            /* internal: table of shareable values */
};

struct ir_slot_info {
    uint32_t size; /* bytes, rounded up to 8 */
    const char *name;
};

/* What a place of a runtime piece stands for: `K_` a number, `MAP_` the number of a map. */
struct ir_binding {
    const char *name;
    int64_t value;
};
enum { IR_PIECES = 1 }; /* rows of helpers.def with a negative id */
struct piece;

struct ir_module {
    struct arena *arena;
    const char *name;
    VEC(struct ir_function *) functions; /* [0] is main */
    VEC(struct ir_slot_info) slots;
    const struct piece *pieces[IR_PIECES]; /* those that are called */
    VEC(struct ir_binding) bindings;       /* each name once; for all of their places */
};

/* ---- building ---------------------------------------------------------------------------------------------- */

struct ir_module *ir_module_new(struct arena *arena, const char *name);
/* A new function with an empty entry block, which is current. The first one must be IR_MAIN. */
struct ir_function *ir_function_new(struct ir_module *module, enum ir_function_kind kind, const char *name);

/* A block dominated (immediately) by `dominator`. It does not become current. */
ir_block ir_block_new(struct ir_function *f, ir_block dominator);
/* True when a == b or a is an ancestor of b in the tree of dominators; while building. */
bool ir_dominates(const struct ir_function *f, ir_block a, ir_block b);
void ir_enter(struct ir_function *f, ir_block block); /* append there from now on */
bool ir_finished(const struct ir_function *f);        /* the current block already ends in control */

ir_slot ir_slot_new(struct ir_module *module, uint32_t size, const char *name);

ir_value ir_constant(struct ir_function *f, int64_t number);
/* True and the number if the value is a known constant. */
bool ir_is_constant(const struct ir_function *f, ir_value value, int64_t *number);
ir_value ir_binary(struct ir_function *f, enum ir_op op, ir_value a, ir_value b); /* ADD .. SGE */
ir_value ir_unary(struct ir_function *f, enum ir_op op, ir_value a);              /* NEG, NOT */
ir_value ir_extend(struct ir_function *f, ir_value a, unsigned width, bool is_signed);
ir_value ir_byte_swap(struct ir_function *f, ir_value a, unsigned width);
ir_value ir_context(struct ir_function *f);
ir_value ir_callback_index(struct ir_function *f);                     /* callbacks: first argument */
ir_value ir_element(struct ir_function *f, enum ir_element_part part); /* element callbacks: never NULL */
ir_value ir_frame(struct ir_function *f);                              /* slot area of main, for callbacks */
ir_value ir_slot_address(struct ir_function *f, ir_slot slot);
ir_value ir_map(struct ir_function *f, uint32_t map);                        /* map for a helper argument */
ir_value ir_map_value(struct ir_function *f, uint32_t map, uint32_t offset); /* address inside an array map's value */
ir_value ir_function_address(struct ir_function *f, const struct ir_function *callback);
ir_value ir_add_offset(struct ir_function *f, ir_value pointer, int64_t offset);

/* Memory: address = base + offset; width 1, 2, 4 or 8. Loads give zero-extended numbers. */
ir_value ir_load(struct ir_function *f, unsigned width, ir_value base, int32_t offset);
/* Like ir_load, but the memory never changes during the event (context): may be shared. */
ir_value ir_load_const(struct ir_function *f, unsigned width, ir_value base, int32_t offset);
void ir_store(struct ir_function *f, unsigned width, ir_value base, int32_t offset, ir_value value);
/* Atomics, width 4 or 8. IR_ATOMIC_ADD AND OR XOR have no result; the FETCH forms, XCHG and CMPXCHG give the old
 * value. CMPXCHG compares with `compare`; pass IR_NONE for the others. Forms with a result belong on map memory: on a
 * stack slot, verifiers up to 6.18 may take the slot's value for a known constant and drop branches (seen). */
ir_value ir_atomic(struct ir_function *f, enum ir_op op, unsigned width, ir_value base, int32_t offset, ir_value value,
                   ir_value compare);

/* The value of a name in runtime pieces; the last one counts. */
void ir_bind(struct ir_module *module, const char *name, int64_t value);
ir_value ir_call(struct ir_function *f, enum ir_helper helper, unsigned count, const ir_value *arguments);
#define ir_call0(f, h) ir_call((f), (h), 0, NULL)
#define ir_calln(f, h, ...)                                                                                            \
    ir_call((f), (h), sizeof((ir_value[]){__VA_ARGS__}) / sizeof(ir_value), (ir_value[]){__VA_ARGS__})

void ir_jump(struct ir_function *f, ir_block target);
/* Goes to `yes` when the value is not 0. A compare used only here becomes one compare-and-jump. */
void ir_branch(struct ir_function *f, ir_value condition, ir_block yes, ir_block no);
void ir_return(struct ir_function *f, ir_value value);

/* ---- after building ---------------------------------------------------------------------------------------- */

/* Checks every rule above (operands defined and dominating, blocks finished, widths); BUG() on a violation. */
void ir_verify(const struct ir_module *module);
/* Dead values, unreachable blocks, jump threading, block merging; keeps value ids. */
void ir_optimize(struct ir_module *module);
void ir_print(const struct ir_module *module, struct strbuf *out);
/* Helper calls on the longest path: the cost model, kept from growing by tests. Loops count once. */
uint32_t ir_count_calls(const struct ir_function *f);

/* Facts for passes, here and in bpf/. */
enum ir_effect ir_effect_of(const struct ir_instruction *instruction); /* calls: the helper's */
bool ir_has_result(const struct ir_instruction *instruction);
bool ir_is_compare(enum ir_op op); /* EQ .. SGE */
bool ir_is_commutative(enum ir_op op);
enum ir_op ir_inverted(enum ir_op compare);               /* !(a < b) is a >= b */
enum ir_op ir_swapped(enum ir_op compare);                /* a < b is b > a */
int64_t ir_evaluate(enum ir_op op, int64_t a, int64_t b); /* ADD .. SGE as the machine computes them */
/* Bits that may be set in the value, by what made it (loads, masks, compares). */
uint64_t ir_known_bits(const struct ir_function *f, ir_value value);
/* The operands that are values, as pointers into the instruction; gives how many (at most 8). */
unsigned ir_operands(const struct ir_instruction *instruction, const ir_value *operands[8]);
/* Blocks control goes to from `block` (0 to 2; 0 while unfinished). */
unsigned ir_successors(const struct ir_function *f, ir_block block, ir_block successors[2]);
/* Reachable blocks in reverse post-order: a block comes after the blocks that dominate it. */
ir_block *ir_reverse_post_order(const struct ir_function *f, struct arena *arena, uint32_t *count);

#endif
