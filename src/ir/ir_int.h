/* What the files of ir/ share. */
#ifndef TARSIER_IR_IR_INT_H
#define TARSIER_IR_IR_INT_H

#include "base/hash.h"
#include "ir/ir.h"

struct ir_share_entry {
    ir_value value;
    struct ir_share_entry *next; /* same hash */
};

struct ir_share {
    struct hash table; /* hash of operation and operands -> struct ir_share_entry */
};

/* Appends to the current block; no folding. Gives the id. */
ir_value ir_append(struct ir_function *f, const struct ir_instruction *instruction);
/* Like ir_append, but gives an equal value of a dominating block when there is one. For PURE and CONST only. */
ir_value ir_append_shared(struct ir_function *f, const struct ir_instruction *instruction);
/* A simpler or equal value for `a op b`; IR_NONE: emit it. May change op and operands on the way. */
ir_value ir_fold_binary(struct ir_function *f, enum ir_op *op, ir_value *a, ir_value *b);

/* Immediate dominators from the edges alone; `order` is ir_reverse_post_order(). Unreachable blocks get IR_NONE. */
ir_block *ir_find_dominators(const struct ir_function *f, struct arena *arena, const ir_block *order, uint32_t count);

static inline struct ir_instruction *ir_at(const struct ir_function *f, ir_value value) {
    return &f->values.data[value];
}

/* The control instruction of a block, or NULL while it is unfinished (or removed). */
static inline struct ir_instruction *ir_terminator(const struct ir_function *f, ir_block block) {
    const struct ir_basic_block *b = &f->blocks.data[block];
    if (b->instructions.count == 0)
        return NULL;
    struct ir_instruction *last = ir_at(f, b->instructions.data[b->instructions.count - 1]);
    return ir_ops[last->op].effect == IR_EFFECT_CONTROL ? last : NULL;
}

#endif
