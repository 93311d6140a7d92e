/* The rules of ir.h as checks. A violation is a fault of whoever built the module, so it ends in BUG(). */
#include "ir/ir_int.h"

struct checker {
    const struct ir_function *f;
    const ir_block *dominators;
    const uint32_t *position; /* of a value in its block; UINT32_MAX: in no reachable block */
};

static bool defined_before(const struct checker *c, ir_value used, ir_value user) {
    ir_block from = ir_at(c->f, used)->block, to = ir_at(c->f, user)->block;
    if (from == to)
        return c->position[used] < c->position[user];
    while (to != IR_NONE && to != from)
        to = c->dominators[to];
    return to == from;
}

static void check_operands(const struct checker *c, ir_value value) {
    const struct ir_instruction *v = ir_at(c->f, value);
    const ir_value *operands[8];
    unsigned count = ir_operands(v, operands);
    for (unsigned i = 0; i < count; i++) {
        ir_value used = *operands[i];
        if (used >= c->f->values.count || !ir_has_result(ir_at(c->f, used)) || c->position[used] == UINT32_MAX)
            BUG("ir: %s: v%u (%s) uses v%u, which is no value", c->f->name, value, ir_ops[v->op].name, used);
        if (!defined_before(c, used, value))
            BUG("ir: %s: v%u (%s) uses v%u, which does not dominate it", c->f->name, value, ir_ops[v->op].name, used);
    }
}

static void check_form(const struct checker *c, ir_value value) {
    const struct ir_module *module = c->f->module;
    const struct ir_instruction *v = ir_at(c->f, value);
    bool atomic = v->op >= IR_ATOMIC_ADD && v->op <= IR_ATOMIC_CMPXCHG;
    bool sized = atomic || v->op == IR_LOAD || v->op == IR_LOAD_CONST || v->op == IR_STORE || v->op == IR_SEXT ||
                 v->op == IR_ZEXT || v->op == IR_BSWAP;
    if (sized && v->width != 1 && v->width != 2 && v->width != 4 && v->width != 8)
        BUG("ir: %s: v%u has width %u", c->f->name, value, v->width);
    if (atomic && v->width < 4)
        BUG("ir: %s: v%u is an atomic of width %u", c->f->name, value, v->width);
    if (v->op == IR_SLOT && (uint64_t)v->immediate >= module->slots.count)
        BUG("ir: %s: v%u names no slot", c->f->name, value);
    if (v->op == IR_FUNCTION && ((uint64_t)v->immediate >= module->functions.count || v->immediate == 0))
        BUG("ir: %s: v%u names no callback", c->f->name, value);
    int id = v->op == IR_CALL ? ir_helpers[v->helper].id : 0;
    if (id < 0 && (-1 - id >= IR_PIECES || !module->pieces[-1 - id]))
        BUG("ir: %s: v%u calls a piece that the module has not", c->f->name, value);
    if ((v->op == IR_CONTEXT && c->f->kind != IR_MAIN) || (v->op == IR_CALLBACK_INDEX && c->f->kind != IR_CALLBACK) ||
        (v->op == IR_ELEMENT && c->f->kind != IR_ELEMENT_CALLBACK))
        BUG("ir: %s: v%u (%s) in the wrong kind of function", c->f->name, value, ir_ops[v->op].name);
}

static void check_block(const struct checker *c, ir_block index) {
    const struct ir_basic_block *block = &c->f->blocks.data[index];
    if (!ir_terminator(c->f, index))
        BUG("ir: %s: block b%u is not finished", c->f->name, index);
    for (uint32_t k = 0; k < block->instructions.count; k++) {
        ir_value value = block->instructions.data[k];
        const struct ir_instruction *v = ir_at(c->f, value);
        if (v->block != index)
            BUG("ir: %s: v%u thinks it is in b%u, not b%u", c->f->name, value, v->block, index);
        if (k + 1 < block->instructions.count && ir_ops[v->op].effect == IR_EFFECT_CONTROL)
            BUG("ir: %s: b%u goes on after its end", c->f->name, index);
        check_operands(c, value);
        check_form(c, value);
    }
}

/* What the builder claimed about dominance must be true: sharing relied on it. */
static void check_claims(const struct checker *c, ir_block index) {
    ir_block claimed = c->f->blocks.data[index].dominator, up = c->dominators[index];
    while (up != IR_NONE && up != claimed)
        up = c->dominators[up];
    if (up != claimed)
        BUG("ir: %s: b%u is not dominated by b%u", c->f->name, index, claimed);
}

static void check_targets(const struct ir_function *f) {
    for (ir_block i = 0; i < f->blocks.count; i++) {
        ir_block successors[2];
        unsigned edges = ir_successors(f, i, successors);
        for (unsigned e = 0; e < edges; e++)
            if (successors[e] == 0 || successors[e] >= f->blocks.count)
                BUG("ir: %s: b%u goes to b%u, which is the entry or no block", f->name, i, successors[e]);
    }
}

static void verify_function(const struct ir_function *f) {
    struct arena *scratch = arena_new();
    check_targets(f);
    uint32_t count;
    ir_block *order = ir_reverse_post_order(f, scratch, &count);
    uint32_t *position = arena_new_array(scratch, uint32_t, f->values.count);
    for (ir_value v = 0; v < f->values.count; v++)
        position[v] = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < f->blocks.data[order[i]].instructions.count; k++)
            position[f->blocks.data[order[i]].instructions.data[k]] = k;
    struct checker checker = {f, ir_find_dominators(f, scratch, order, count), position};
    for (uint32_t i = 0; i < count; i++) {
        check_claims(&checker, order[i]);
        check_block(&checker, order[i]);
    }
    arena_free(scratch);
}

void ir_verify(const struct ir_module *module) {
    if (module->functions.count == 0)
        BUG("ir: module %s has no main function", module->name);
    for (uint32_t i = 0; i < module->functions.count; i++)
        verify_function(module->functions.data[i]);
}
