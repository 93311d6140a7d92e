/* Cleaning after building: threaded jumps, merged blocks, no unreachable block (the verifier rejects them), no dead
 * value. Value ids stay; removed instructions leave their block and become NOP. */
#include "ir/ir_int.h"

/* Where a jump to `block` really ends: through blocks that only jump on. */
static ir_block final_target(const struct ir_function *f, ir_block block) {
    for (uint32_t hops = 0; hops < f->blocks.count; hops++) {
        const struct ir_basic_block *b = &f->blocks.data[block];
        const struct ir_instruction *last = ir_terminator(f, block);
        if (b->instructions.count != 1 || last->op != IR_JUMP)
            break;
        block = last->arguments[0];
    }
    return block;
}

static bool thread_jumps(struct ir_function *f) {
    bool changed = false;
    for (ir_block i = 0; i < f->blocks.count; i++) {
        struct ir_instruction *last = ir_terminator(f, i);
        if (!last || last->op == IR_RETURN)
            continue;
        unsigned edges = last->op == IR_JUMP ? 1 : 2;
        for (unsigned e = 0; e < edges; e++) {
            ir_block target = final_target(f, last->arguments[e]);
            changed |= target != last->arguments[e];
            last->arguments[e] = target;
        }
        int64_t number;
        bool known = last->op == IR_BRANCH && ir_is_constant(f, last->a, &number);
        if (last->op == IR_BRANCH && (known || last->arguments[0] == last->arguments[1])) {
            last->arguments[0] = last->arguments[known && !number ? 1 : 0];
            last->op = IR_JUMP;
            last->a = IR_NONE;
            changed = true;
        }
    }
    return changed;
}

static void empty_block(struct ir_function *f, ir_block block) {
    struct ir_basic_block *b = &f->blocks.data[block];
    for (uint32_t k = 0; k < b->instructions.count; k++)
        *ir_at(f, b->instructions.data[k]) = (struct ir_instruction){.op = IR_NOP, .a = IR_NONE, .b = IR_NONE};
    b->instructions.count = 0;
}

static bool remove_unreachable(struct ir_function *f, struct arena *scratch) {
    uint32_t count;
    ir_block *order = ir_reverse_post_order(f, scratch, &count);
    bool *reached = arena_new_array(scratch, bool, f->blocks.count), changed = false;
    for (uint32_t i = 0; i < count; i++)
        reached[order[i]] = true;
    for (ir_block i = 0; i < f->blocks.count; i++)
        if (!reached[i] && f->blocks.data[i].instructions.count) {
            empty_block(f, i);
            changed = true;
        }
    return changed;
}

static bool merge_blocks(struct ir_function *f, struct arena *scratch) {
    uint32_t *entries = arena_new_array(scratch, uint32_t, f->blocks.count);
    bool changed = false;
    for (ir_block i = 0; i < f->blocks.count; i++) {
        ir_block successors[2];
        unsigned edges = ir_successors(f, i, successors);
        for (unsigned e = 0; e < edges; e++)
            entries[successors[e]]++;
    }
    for (ir_block i = 0; i < f->blocks.count; i++) {
        struct ir_instruction *last;
        while ((last = ir_terminator(f, i)) && last->op == IR_JUMP) {
            ir_block target = last->arguments[0];
            if (target == 0 || target == i || entries[target] != 1)
                break;
            struct ir_basic_block *from = &f->blocks.data[target], *to = &f->blocks.data[i];
            *last = (struct ir_instruction){.op = IR_NOP, .a = IR_NONE, .b = IR_NONE};
            to->instructions.count--;
            for (uint32_t k = 0; k < from->instructions.count; k++) {
                vec_push(f->module->arena, &to->instructions, from->instructions.data[k]);
                ir_at(f, from->instructions.data[k])->block = i;
            }
            from->instructions.count = 0;
            changed = true;
        }
    }
    return changed;
}

static bool droppable(const struct ir_instruction *v) {
    switch (ir_effect_of(v)) {
    case IR_EFFECT_PURE:
    case IR_EFFECT_CONST:
    case IR_EFFECT_CLOCK:
    case IR_EFFECT_READ:
        return true;
    default:
        return false;
    }
}

static void mark_used(const struct ir_function *f, ir_value value, bool *used, ir_value *work) {
    uint32_t count = 0;
    work[count++] = value;
    used[value] = true;
    while (count > 0) {
        const ir_value *operands[8];
        unsigned n = ir_operands(ir_at(f, work[--count]), operands);
        for (unsigned i = 0; i < n; i++)
            if (!used[*operands[i]]) {
                used[*operands[i]] = true;
                work[count++] = *operands[i];
            }
    }
}

static bool remove_dead_values(struct ir_function *f, struct arena *scratch) {
    bool *used = arena_new_array(scratch, bool, f->values.count), changed = false;
    ir_value *work = arena_new_array(scratch, ir_value, f->values.count);
    for (ir_block i = 0; i < f->blocks.count; i++)
        for (uint32_t k = 0; k < f->blocks.data[i].instructions.count; k++) {
            ir_value value = f->blocks.data[i].instructions.data[k];
            if (!used[value] && !droppable(ir_at(f, value)))
                mark_used(f, value, used, work);
        }
    for (ir_block i = 0; i < f->blocks.count; i++) {
        struct ir_basic_block *block = &f->blocks.data[i];
        uint32_t kept = 0;
        for (uint32_t k = 0; k < block->instructions.count; k++) {
            ir_value value = block->instructions.data[k];
            if (used[value])
                block->instructions.data[kept++] = value;
            else
                *ir_at(f, value) = (struct ir_instruction){.op = IR_NOP, .a = IR_NONE, .b = IR_NONE};
        }
        changed |= kept != block->instructions.count;
        block->instructions.count = kept;
    }
    return changed;
}

static void record_dominators(struct ir_function *f, struct arena *scratch) {
    uint32_t count;
    ir_block *order = ir_reverse_post_order(f, scratch, &count);
    ir_block *dominators = ir_find_dominators(f, scratch, order, count);
    for (ir_block i = 0; i < f->blocks.count; i++)
        f->blocks.data[i].dominator = dominators[i];
}

static void optimize_function(struct ir_function *f) {
    struct arena *scratch = arena_new();
    for (bool changed = true; changed;) {
        changed = thread_jumps(f);
        changed |= remove_unreachable(f, scratch);
        changed |= merge_blocks(f, scratch);
        changed |= remove_dead_values(f, scratch);
    }
    record_dominators(f, scratch);
    arena_free(scratch);
}

void ir_optimize(struct ir_module *module) {
    for (uint32_t i = 0; i < module->functions.count; i++)
        optimize_function(module->functions.data[i]);
}
