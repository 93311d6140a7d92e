/* Control flow facts: successors, order, dominators (Cooper, Harvey and Kennedy's simple algorithm), longest path. */
#include "ir/ir_int.h"
#include <assert.h>

unsigned ir_successors(const struct ir_function *f, ir_block block, ir_block successors[2]) {
    const struct ir_instruction *last = ir_terminator(f, block);
    if (!last || last->op == IR_RETURN)
        return 0;
    successors[0] = last->arguments[0];
    if (last->op == IR_JUMP)
        return 1;
    successors[1] = last->arguments[1];
    return 2;
}

ir_block *ir_reverse_post_order(const struct ir_function *f, struct arena *arena, uint32_t *count) {
    uint32_t n = f->blocks.count, depth = 0, left = n;
    ir_block *order = arena_new_array(arena, ir_block, n), *stack = arena_new_array(arena, ir_block, n);
    uint8_t *next = arena_new_array(arena, uint8_t, n); /* 0: not visited, else 1 + successors followed */
    stack[depth++] = 0;
    next[0] = 1;
    while (depth > 0) {
        ir_block block = stack[depth - 1], successors[2];
        unsigned edges = ir_successors(f, block, successors);
        unsigned followed = next[block] - 1u;
        assert(followed <= edges);
        if (followed == edges) {
            order[--left] = block;
            depth--;
            continue;
        }
        /* The second successor first: then the first one lands right behind its branch. */
        ir_block target = successors[edges - 1 - followed];
        next[block]++;
        if (!next[target]) {
            next[target] = 1;
            stack[depth++] = target;
        }
    }
    *count = n - left;
    return order + left;
}

static ir_block common_dominator(const ir_block *dominators, const uint32_t *position, ir_block a, ir_block b) {
    while (a != b) {
        while (position[a] > position[b])
            a = dominators[a];
        while (position[b] > position[a])
            b = dominators[b];
    }
    return a;
}

ir_block *ir_find_dominators(const struct ir_function *f, struct arena *arena, const ir_block *order, uint32_t count) {
    uint32_t n = f->blocks.count;
    ir_block *dominators = arena_new_array(arena, ir_block, n);
    uint32_t *position = arena_new_array(arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        dominators[i] = IR_NONE;
    for (uint32_t i = 0; i < count; i++)
        position[order[i]] = i;
    dominators[0] = 0;
    /* Push each block's dominator along its edges until nothing moves. A block is reached before it pushes. */
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < count; i++) {
            ir_block successors[2];
            unsigned edges = ir_successors(f, order[i], successors);
            for (unsigned e = 0; e < edges; e++) {
                ir_block target = successors[e];
                if (target == 0)
                    continue;
                ir_block found = dominators[target] == IR_NONE
                                     ? order[i]
                                     : common_dominator(dominators, position, dominators[target], order[i]);
                if (found != dominators[target]) {
                    dominators[target] = found;
                    changed = true;
                }
            }
        }
    }
    dominators[0] = IR_NONE;
    return dominators;
}

bool ir_dominates(const struct ir_function *f, ir_block a, ir_block b) {
    uint32_t depth = f->blocks.data[a].depth;
    while (f->blocks.data[b].depth > depth) {
        const struct ir_basic_block *block = &f->blocks.data[b];
        b = f->blocks.data[block->far].depth >= depth ? block->far : block->dominator;
    }
    return b == a;
}

uint32_t ir_count_calls(const struct ir_function *f) {
    struct arena *scratch = arena_new();
    uint32_t count, most = 0;
    ir_block *order = ir_reverse_post_order(f, scratch, &count);
    uint32_t *before = arena_new_array(scratch, uint32_t, f->blocks.count);
    bool *done = arena_new_array(scratch, bool, f->blocks.count);
    for (uint32_t i = 0; i < count; i++) {
        const struct ir_basic_block *block = &f->blocks.data[order[i]];
        uint32_t calls = before[order[i]];
        for (uint32_t k = 0; k < block->instructions.count; k++)
            calls += ir_at(f, block->instructions.data[k])->op == IR_CALL;
        most = calls > most ? calls : most;
        done[order[i]] = true;
        ir_block successors[2];
        unsigned edges = ir_successors(f, order[i], successors);
        for (unsigned e = 0; e < edges; e++)
            if (!done[successors[e]] && before[successors[e]] < calls)
                before[successors[e]] = calls;
    }
    arena_free(scratch);
    return most;
}
