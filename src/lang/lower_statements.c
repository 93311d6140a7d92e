/* Statements and loops.
 *
 * Loops whose trip count is not known are bodies called back by bpf_loop: the verifier looks at the body once. The body
 * is a function of its own; it shares the slots of main through its second argument, and answers 0 (go on) or 1 (stop).
 */
#include "lang/lower_int.h"
#include <assert.h>

#define LOOP_LIMIT (1 << 23) /* BPF_MAX_LOOPS */

void lower_leave(struct lower *l) {
    struct ir_function *f = l->f;
    if (f->kind == IR_MAIN) {
        ir_jump(f, l->leave);
        return;
    }
    lower_store_slot(l, l->return_slot, ir_constant(f, 1));
    for (struct loop *loop = l->loop; loop; loop = loop->outer)
        loop->returns = true;
    struct loop *loop = l->loop;
    while (loop && loop->unrolled)
        loop = loop->outer;
    assert(loop); /* what is not the main function is the body of a loop */
    ir_jump(f, loop->end);
}

static bool assigned_once(const struct lang_variable *variable) { return variable->assignments <= 1; }

static void assign_scalar(struct lower *l, struct lang_variable *variable, ir_value value) {
    struct place memory = lower_variable_memory(l, variable);
    ir_store(l->f, 8, memory.base, memory.offset, lower_resize(l, value, variable->type));
}

static bool reads_variable(const struct node *node, const struct lang_variable *variable) {
    if (node->kind == NODE_VARIABLE && node->variable == variable)
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (reads_variable(child, variable))
            return true;
    }
    return false;
}

static void assign_variable(struct lower *l, struct lang_variable *variable, const struct node *value) {
    if (variable->type->kind == TYPE_POINTER && value->type->kind == TYPE_POINTER) {
        struct pointer pointer = lower_pointer(l, value);
        variable->is_direct = pointer.direct && assigned_once(variable);
        struct place memory = lower_variable_memory(l, variable);
        ir_store(l->f, 8, memory.base, memory.offset, pointer.value);
    } else if (type_is_scalar(variable->type)) {
        assign_scalar(l, variable, lower_scalar(l, value));
    } else if (reads_variable(value, variable)) { /* its parts are needed until the new value is whole */
        struct place whole = lower_temp(l, variable->type->size);
        lower_into(l, value, variable->type, whole, true);
        lower_copy(l, lower_variable_memory(l, variable), whole, variable->type->size);
    } else {
        lower_into(l, value, variable->type, lower_variable_memory(l, variable), true);
    }
}

static void lower_assign(struct lower *l, const struct node *node) {
    const struct node *target = node->child, *value = target->next;
    if (target->kind == NODE_MAP) {
        if (node->op == OP_NONE)
            lower_map_assign(l, target, value);
        else
            lower_map_compound(l, node);
        return;
    }
    struct lang_variable *variable = target->variable;
    if (node->op == OP_NONE) {
        assign_variable(l, variable, value);
        return;
    }
    struct place memory = lower_variable_memory(l, variable);
    ir_value old = ir_load(l->f, 8, memory.base, memory.offset);
    ir_value operand = lower_scalar(l, value);
    operand = lower_pointer_step(l, variable->type, operand);
    bool is_signed = lower_is_signed(node->op, variable->type, value->type);
    assign_scalar(l, variable, lower_arithmetic(l, node->op, old, operand, node->loc, is_signed));
}

static void lower_let(struct lower *l, const struct node *node) {
    struct lang_variable *variable = node->variable;
    if (node->child)
        assign_variable(l, variable, node->child);
    else if (variable->type && type_is_scalar(variable->type))
        assign_scalar(l, variable, ir_constant(l->f, 0));
    else if (variable->type)
        lower_zero(l, lower_variable_memory(l, variable), (variable->type->size + 7) & ~7u);
}

static void lower_if(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *then = node->child->next, *otherwise = then->next;
    if (node->branch) {
        if (node_branch(node))
            lower_block(l, node_branch(node));
        return;
    }
    ir_block start = f->current;
    ir_block yes = ir_block_new(f, start), no = ir_block_new(f, start), join = ir_block_new(f, start);
    lower_condition(l, node->child, yes, otherwise ? no : join);
    ir_enter(f, yes);
    lower_block(l, then);
    if (!ir_finished(f))
        ir_jump(f, join);
    ir_enter(f, no);
    if (otherwise) {
        lower_block(l, otherwise);
        if (!ir_finished(f))
            ir_jump(f, join);
    } else {
        ir_jump(f, join);
    }
    ir_enter(f, join);
}

static void lower_unroll(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    struct loop loop = {.outer = l->loop, .unrolled = true, .end = ir_block_new(f, f->current)};
    l->loop = &loop;
    for (int64_t i = 0; i < node->child->number; i++) {
        loop.next = ir_block_new(f, f->current);
        lower_block(l, node->child->next);
        if (!ir_finished(f))
            ir_jump(f, loop.next);
        ir_enter(f, loop.next);
    }
    ir_jump(f, loop.end);
    ir_enter(f, loop.end);
    l->loop = loop.outer;
}

/* The verifier follows a loop round by round until a round starts with nothing that an earlier one did not start with:
 * kinds of stack words, ranges, and which numbers are known to be equal. So before the loop
 *   - variables that the body assigns get a value it does not know: plus a zero read from a map;
 *   - the last of those stays in a register, known to be equal to the variable: the next number takes that register;
 *   - what is the body's own is zeroed, as it is at the end of each round.
 * Each round ends the same way: else a counter that some path knows (`if ($n == 0) ...`) has a new known value in each
 * round, and where the verifier follows that path first, it comes to no end. So it sees the body once. */
static void forget_number(struct lower *l, ir_slot slot, int32_t at) {
    struct ir_function *f = l->f;
    ir_value word = ir_load(f, 8, ir_slot_address(f, slot), at), zero = ir_load(f, 8, lower_constants(l, 0), 0);
    ir_store(f, 8, ir_slot_address(f, slot), at, ir_binary(f, IR_ADD, word, zero));
}

static bool on_stack(const struct lang_variable *variable) { return variable && variable->slot != IR_NONE; }

static bool is_inside(const struct lang_variable *variable, const struct node *loop) {
    return node_contains(loop, variable->declaring);
}

static void forget_assigned(struct lower *l, const struct node *node, const struct node *loop) {
    const struct lang_variable *variable = node->child ? node->child->variable : NULL;
    bool finds = node->kind == NODE_CALL && node->function && node->function->id == LANG_FUNCTION_find;
    if (finds)
        variable = node->child->next->next->variable;
    if ((node->kind == NODE_ASSIGN || node->kind == NODE_INCREMENT || finds) && variable && on_stack(variable) &&
        !is_inside(variable, loop) && variable->type->kind != TYPE_POINTER) {
        for (uint32_t at = 0; at < variable->type->size; at += 8)
            forget_number(l, variable->slot, (int32_t)at);
    }
    for (const struct node *child = node->child; child; child = child->next)
        forget_assigned(l, child, loop);
}

static void clear_slot(struct lower *l, ir_slot slot) {
    lower_zero(l, place_direct(ir_slot_address(l->f, slot), 0), l->module->slots.data[slot].size);
}

static void clear_variables(struct lower *l, const struct node *node, const struct loop *loop) {
    if (on_stack(node->variable) && node->variable->slot < loop->first_slot && is_inside(node->variable, loop->node))
        clear_slot(l, node->variable->slot);
    for (const struct node *child = node->child; child; child = child->next)
        clear_variables(l, child, loop);
}

/* What a round uses for itself: slots made for it, older ones that are free, its variables. */
static void clear_slots(struct lower *l, const struct loop *loop) {
    for (uint32_t i = loop->first_slot; i < l->module->slots.count; i++)
        clear_slot(l, i);
    for (uint32_t i = 0; i < l->temps.count; i++) {
        if (l->temps.data[i].slot < loop->first_slot && l->temps.data[i].depth == 0)
            clear_slot(l, l->temps.data[i].slot);
    }
    clear_variables(l, loop->node, loop);
}

/* bpf_loop(subject, body, frame) or bpf_for_each_map_elem(subject, body, frame), then: if the body asked to leave the
 * probe, leave. Gives the number of rounds. */
static ir_value call_loop(struct lower *l, ir_value subject, const struct ir_function *body, struct loop *loop) {
    struct ir_function *f = l->f;
    enum ir_helper helper = body->kind == IR_CALLBACK ? IR_HELPER_loop : IR_HELPER_for_each_map_elem;
    clear_slots(l, loop);
    forget_assigned(l, loop->node, loop->node);
    forget_number(l, l->return_slot, 0);
    ir_value rounds = ir_calln(f, helper, subject, ir_function_address(f, body), ir_frame(f), ir_constant(f, 0));
    if (loop->returns) {
        ir_block stop = ir_block_new(f, f->current), go_on = ir_block_new(f, f->current);
        ir_branch(f, lower_load_slot(l, l->return_slot), stop, go_on);
        ir_enter(f, stop);
        lower_leave(l);
        ir_enter(f, go_on);
    }
    return rounds;
}

static struct ir_function *begin_body(struct lower *l, struct loop *loop, const struct node *node,
                                      enum ir_function_kind kind, const char *name) {
    *loop = (struct loop){.outer = l->loop, .node = node, .first_slot = l->module->slots.count};
    l->loop = loop;
    l->f = ir_function_new(l->module, kind, name);
    l->f->loc = node->loc;
    loop->next = ir_block_new(l->f, l->f->current);
    loop->end = ir_block_new(l->f, l->f->current);
    return l->f;
}

static void end_body(struct lower *l, struct loop *loop, struct ir_function *outer) {
    if (!ir_finished(l->f))
        ir_jump(l->f, loop->next);
    ir_enter(l->f, loop->next);
    clear_slots(l, loop);
    forget_assigned(l, loop->node, loop->node);
    ir_return(l->f, ir_constant(l->f, 0));
    ir_enter(l->f, loop->end);
    clear_slots(l, loop);
    ir_return(l->f, ir_constant(l->f, 1));
    l->loop = loop->outer;
    l->f = outer;
}

static void lower_while(struct lower *l, const struct node *node) {
    struct ir_function *outer = l->f;
    struct loop loop;
    struct ir_function *body = begin_body(l, &loop, node, IR_CALLBACK, "while");
    ir_block yes = ir_block_new(body, body->current), no = ir_block_new(body, body->current);
    lower_condition(l, node->child, yes, no);
    ir_enter(body, no);
    ir_jump(body, loop.end);
    ir_enter(body, yes);
    lower_block(l, node->child->next);
    end_body(l, &loop, outer);

    /* bpf_loop counts the round that stopped it, so only a loop that never stopped did all of them and was cut. */
    ir_value rounds = call_loop(l, ir_constant(outer, LOOP_LIMIT), body, &loop);
    lower_count_if(l, ir_binary(outer, IR_EQ, rounds, ir_constant(outer, LOOP_LIMIT)), LANG_SITE_LOOP, node->loc,
                   LOWER_NO_CAUSE);
}

/*     if (end > first) bpf_loop(end - first, { $i = first + index; ... })
 * The kernel must not be asked for 0 rounds where its verifier knows that: it then drops the body and fails. */
static void lower_for_range(struct lower *l, const struct node *node) {
    struct ir_function *outer = l->f;
    const struct node *variable = node->child, *first = variable->next, *end = first->next;
    ir_slot start_slot = lower_temp_slot(l, 8);
    ir_value from = lower_scalar(l, first), to = lower_scalar(l, end);
    lower_store_slot(l, start_slot, from);
    ir_block some = ir_block_new(outer, outer->current), done = ir_block_new(outer, outer->current);
    ir_branch(outer, ir_binary(outer, IR_SGT, to, from), some, done);
    ir_enter(outer, some);

    struct loop loop;
    struct ir_function *body = begin_body(l, &loop, node, IR_CALLBACK, "for");
    ir_value index = ir_callback_index(body);
    assign_scalar(l, variable->variable, ir_binary(body, IR_ADD, lower_load_slot(l, start_slot), index));
    lower_block(l, end->next);
    end_body(l, &loop, outer);
    ir_value count = ir_binary(outer, IR_SUB, to, from), limit = ir_constant(outer, LOOP_LIMIT);
    ir_value rounds = call_loop(l, lower_at_most(l, count, LOOP_LIMIT), body, &loop);
    ir_value cut =
        ir_binary(outer, IR_AND, ir_binary(outer, IR_EQ, rounds, limit), ir_binary(outer, IR_UGT, count, limit));
    lower_count_if(l, cut, LANG_SITE_LOOP, node->loc, LOWER_NO_CAUSE);
    ir_jump(outer, done);
    ir_enter(outer, done);
}

/* Which parts of $kv the block reads: bit 0 the key, bit 1 the value. */
static unsigned parts_read(const struct node *node, const struct lang_variable *variable) {
    if (node->kind == NODE_TUPLE_FIELD && node->child->variable == variable)
        return 1u << node->number;
    unsigned parts = node->kind == NODE_VARIABLE && node->variable == variable ? 3 : 0;
    for (const struct node *child = node->child; child; child = child->next)
        parts |= parts_read(child, variable);
    return parts;
}

/* $kv = (key, value), what is read of it: a copy, because the element may change or go while the block runs. */
static void take_element(struct lower *l, const struct node *variable, const struct lang_map *map, unsigned parts) {
    const struct type *pair = variable->variable->type;
    struct place to = lower_variable_memory(l, variable->variable);
    struct place key = place_direct(ir_element(l->f, IR_ELEMENT_KEY), 0);
    if (parts & 1)
        lower_copy_stored(l, place_add(l, to, pair->fields[0].offset), key, pair->fields[0].type);
    if (!(parts & 2))
        return;
    to = place_add(l, to, pair->fields[1].offset);
    if (map->storage == LANG_STORE_PERCPU_HASH)
        lower_store(l, to, pair->fields[1].type, lower_aggregate_element(l, map));
    else
        lower_copy_stored(l, to, place_direct(ir_element(l->f, IR_ELEMENT_VALUE), 0), pair->fields[1].type);
}

/*     bpf_for_each_map_elem(map, { $kv = (*key, *value); ... }) */
static void lower_for_map(struct lower *l, const struct node *node) {
    struct ir_function *outer = l->f;
    const struct node *variable = node->child, *map = variable->next, *block = map->next;
    ir_block done = ir_block_new(outer, outer->current);
    ir_value handle = lower_tested_handle(l, map->map, done);

    struct loop loop;
    const struct ir_function *body = begin_body(l, &loop, node, IR_ELEMENT_CALLBACK, "for");
    take_element(l, variable, map->map, parts_read(block, variable->variable));
    lower_block(l, block);
    end_body(l, &loop, outer);
    call_loop(l, handle, body, &loop);
    ir_jump(outer, done);
    ir_enter(outer, done);
}

static void lower_break(struct lower *l, bool is_break) { ir_jump(l->f, is_break ? l->loop->end : l->loop->next); }

static void lower_effect(struct lower *l, const struct node *node, const struct node *next);

/* condition ? print(1) : print(2); */
static void lower_ternary_statement(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *arm = node->child->next;
    ir_block start = f->current, join = ir_block_new(f, start);
    ir_block arms[] = {ir_block_new(f, start), ir_block_new(f, start)};
    lower_condition(l, node->child, arms[0], arms[1]);
    for (int i = 0; i < 2; i++, arm = arm->next) {
        ir_enter(f, arms[i]);
        lower_effect(l, arm, NULL);
        if (!ir_finished(f))
            ir_jump(f, join);
    }
    ir_enter(f, join);
}

/* Room for a value that nobody wants. */
static struct place function_result(struct lower *l, const struct type *type) {
    if (type->kind == TYPE_VOID)
        return place_direct(IR_NONE, 0);
    struct place place = lower_temp(l, type->size);
    lower_zero(l, place, (type->size + 7) & ~7u);
    return place;
}

/* An expression for what it does; `next`: the statement behind it. */
static void lower_effect(struct lower *l, const struct node *node, const struct node *next) {
    node = lower_value(l, node);
    if (node->kind == NODE_BLOCK)
        lower_block(l, node);
    else if (node->kind == NODE_FUNCTION)
        lower_function(l, node, function_result(l, node->type));
    else if (node->kind == NODE_INCREMENT)
        lower_increment(l, node, false);
    else if (node->kind == NODE_TERNARY && !type_is_scalar(node->type))
        lower_ternary_statement(l, node);
    else if (node->kind == NODE_CALL && node->function)
        lower_call_statement(l, node, next);
    else if (node->type && type_is_scalar(node->type))
        lower_scalar(l, node);
}

static void lower_return(struct lower *l, const struct node *node) {
    if (!l->function) {
        if (node->child && l->result_slot != IR_NONE && type_is_scalar(node->child->type))
            lower_store_slot(l, l->result_slot, lower_number(l, node->child));
        lower_leave(l);
        return;
    }
    if (node->child)
        lower_into(l, node->child, l->function->type, l->function->result, true);
    ir_jump(l->f, l->function->end);
}

static void lower_statement(struct lower *l, const struct node *node) {
    switch (node->kind) {
    case NODE_EXPRESSION:
    case NODE_DISCARD:
        lower_effect(l, node->child, node->next);
        break;
    case NODE_ASSIGN:
        lower_assign(l, node);
        break;
    case NODE_LET:
        lower_let(l, node);
        break;
    case NODE_IF:
        lower_if(l, node);
        break;
    case NODE_BLOCK:
        lower_block(l, node);
        break;
    case NODE_WHILE:
        lower_while(l, node);
        break;
    case NODE_UNROLL:
        lower_unroll(l, node);
        break;
    case NODE_FOR_RANGE:
        lower_for_range(l, node);
        break;
    case NODE_FOR_MAP:
        lower_for_map(l, node);
        break;
    case NODE_RETURN:
        lower_return(l, node);
        break;
    case NODE_BREAK:
    case NODE_CONTINUE:
        lower_break(l, node->kind == NODE_BREAK);
        break;
    default:
        BUG("statement of kind %s", node_kind_name(node->kind));
    }
}

/* Temporaries of a statement are free again behind it; what an enclosing statement holds stays. */
static void free_temps(struct lower *l) {
    for (uint32_t i = 0; i < l->temps.count; i++) {
        if (l->temps.data[i].depth >= l->statement_depth)
            l->temps.data[i].depth = 0;
    }
}

/* The statements up to `end`, which is not one of them. */
static void lower_statements(struct lower *l, const struct node *block, const struct node *end) {
    l->statement_depth++;
    for (const struct node *node = block->child; node != end && !ir_finished(l->f); node = node->next) {
        uint32_t top = l->temps_top;
        l->f->loc = node->loc;
        lower_statement(l, node);
        l->temps_top = top;
        free_temps(l);
    }
    l->statement_depth--;
}

void lower_block(struct lower *l, const struct node *block) {
    if (block->kind == NODE_BLOCK)
        lower_statements(l, block, NULL);
    else /* else if */
        lower_statement(l, block);
}

bool lower_has_statements(const struct node *node) {
    if (node->kind == NODE_BLOCK_VALUE || node->kind == NODE_BLOCK)
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (lower_has_statements(child))
            return true;
    }
    return false;
}

/* Statements inside of an expression: a chain of pointers around them does not fail because of theirs, and when they
 * leave the probe the rest of the expression is code that nothing reaches. */
static const struct node *block_value(struct lower *l, const struct node *block) {
    const struct node *value = block->child;
    struct guard *guard = l->guard;
    struct loc loc = l->f->loc;

    while (value->next)
        value = value->next;
    l->guard = NULL;
    lower_statements(l, block, value);
    if (ir_finished(l->f))
        ir_enter(l->f, ir_block_new(l->f, l->f->current));
    l->guard = guard;
    l->f->loc = loc;
    return value;
}

const struct node *lower_value(struct lower *l, const struct node *node) {
    for (;;) {
        if (node->kind == NODE_BLOCK_VALUE)
            node = block_value(l, node);
        else if (node->kind == NODE_TERNARY && node->branch)
            node = node_branch(node);
        else if (node->kind == NODE_COMPTIME)
            node = node->child;
        else
            return node;
    }
}

void lower_function(struct lower *l, const struct node *node, struct place result) {
    struct ir_function *f = l->f;
    struct lower_function function = {node->type, result, ir_block_new(f, f->current)}, *outer = l->function;
    struct guard *guard = l->guard;
    const struct node *child = node->child;

    l->guard = NULL;
    for (; child->kind == NODE_LET; child = child->next)
        lower_let(l, child);
    l->function = &function;
    lower_block(l, child);
    if (!ir_finished(f))
        ir_jump(f, function.end);
    ir_enter(f, function.end);
    l->function = outer;
    l->guard = guard;
}
