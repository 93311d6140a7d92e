/* The frame of a program: which events are ours, the predicate, scratch memory, and the one way out.
 *
 *     if (event is not ours || !predicate) return;       cheapest tests first
 *     scratch = free slot of this CPU;                    only when large values need it
 *     ... statements ...
 *   leave:
 *     give the slot back; return;
 */
#include "lang/lower_int.h"
#include <assert.h>
#include <linux/bpf.h>
#include <string.h>

/* ---- shared areas ------------------------------------------------------------------------------------------ */

ir_value lower_constants(struct lower *l, uint32_t offset) {
    return ir_map_value(l->f, lang_plan_constants_map(l->plan), offset);
}

ir_value lower_global(struct lower *l, uint32_t offset) { return ir_map_value(l->f, l->plan->globals, offset); }

void lower_count(struct lower *l, uint32_t counter) {
    ir_atomic(l->f, IR_ATOMIC_ADD, 8, lower_global(l, counter), 0, ir_constant(l->f, 1), IR_NONE);
}

static ir_value row_of_cpu(struct lower *l) {
    ir_value cpu = ir_call0(l->f, IR_HELPER_get_smp_processor_id);
    return ir_binary(l->f, IR_AND, cpu, ir_constant(l->f, l->plan->cpu_rows - 1));
}

ir_value lower_row(struct lower *l, uint32_t first, uint32_t stride) {
    struct ir_function *f = l->f;
    ir_value offset = ir_binary(f, IR_MUL, row_of_cpu(l), ir_constant(f, stride));
    return ir_binary(f, IR_ADD, lower_global(l, first), offset);
}

ir_value lower_cpu_row(struct lower *l) { return lower_row(l, 0, LANG_ROW_SIZE); }

/* The number of the only set bit without branches (a branchy log2 multiplies verifier work): multiplying by this
 * constant puts a different 6-bit code for each bit on top; a 64-byte table turns the code into the number. */
#define LOG2_MULTIPLIER 0x07EDD5E59A4E28C2ull

ir_value lower_log2_code(struct lower *l, ir_value top_bit) {
    uint8_t table[64];
    for (unsigned bit = 0; bit < 64; bit++)
        table[((1ull << bit) * LOG2_MULTIPLIER) >> 58] = (uint8_t)bit;
    struct ir_function *f = l->f;
    ir_value product = ir_binary(f, IR_MUL, top_bit, ir_constant(f, (int64_t)LOG2_MULTIPLIER));
    ir_value code = ir_binary(f, IR_LSHR, product, ir_constant(f, 58));
    ir_value base = lower_constants(l, lang_plan_constants(l->plan, table, sizeof table));
    return ir_load(f, 1, ir_binary(f, IR_ADD, base, code), 0);
}

/* ---- slots and temporaries --------------------------------------------------------------------------------- */

ir_value lower_load_slot(struct lower *l, ir_slot slot) { return ir_load(l->f, 8, ir_slot_address(l->f, slot), 0); }

void lower_store_slot(struct lower *l, ir_slot slot, ir_value value) {
    ir_store(l->f, 8, ir_slot_address(l->f, slot), 0, value);
}

static struct temp *free_temp(struct lower *l, uint32_t size) {
    for (uint32_t i = l->temps.count; i-- > 0;) {
        struct temp *temp = &l->temps.data[i];
        if (temp->depth == 0 && temp->size == size)
            return temp;
    }
    return NULL;
}

ir_slot lower_temp_slot(struct lower *l, uint32_t size) {
    size = (size + 7) & ~7u;
    struct temp *best = free_temp(l, size);
    if (!best) {
        best = vec_add(l->arena, &l->temps);
        best->slot = ir_slot_new(l->module, size, "temp");
        best->size = size;
    }
    best->depth = l->statement_depth;
    return best->slot;
}

void lower_release_slot(struct lower *l, ir_slot slot) {
    for (uint32_t i = 0; i < l->temps.count; i++) {
        if (l->temps.data[i].slot == slot)
            l->temps.data[i].depth = 0;
    }
}

ir_value lower_take_slot(struct lower *l, ir_slot slot) {
    ir_value value = lower_load_slot(l, slot);
    lower_release_slot(l, slot);
    return value;
}

static uint32_t stack_in_use(const struct lower *l) {
    uint32_t size = 0;
    for (uint32_t i = 0; i < l->module->slots.count; i++)
        size += l->module->slots.data[i].size;
    return size;
}

/* Stack areas stay small: 512 bytes must hold slots, spills and the frames of callbacks. */
#define STACK_TEMP_LIMIT 64

static bool has_room(const struct lower *l, uint32_t size) {
    return size <= STACK_TEMP_LIMIT && stack_in_use(l) + size <= l->stack_room;
}

struct place lower_temp(struct lower *l, uint32_t size) {
    size = (size + 7) & ~7u;
    if (size <= STACK_TEMP_LIMIT && (free_temp(l, size) || has_room(l, size)))
        return place_direct(ir_slot_address(l->f, lower_temp_slot(l, size)), 0);
    return lower_scratch_temp(l, size);
}

struct place lower_scratch_temp(struct lower *l, uint32_t size) {
    uint32_t offset = l->temps_top;
    l->temps_top += (size + 7) & ~7u;
    if (l->temps_top > l->temps_most)
        l->temps_most = l->temps_top;
    return place_direct(lower_scratch(l), (int32_t)(l->scratch_variables + offset));
}

struct place lower_variable_memory(struct lower *l, struct lang_variable *variable) {
    uint32_t size = (variable->type->size + 7) & ~7u;
    if (variable->scratch < 0 && variable->slot == IR_NONE) {
        if (has_room(l, size)) {
            variable->slot = ir_slot_new(l->module, size, variable->name);
        } else {
            variable->scratch = (int32_t)l->variables_top;
            l->variables_top += size;
        }
    }
    if (variable->slot != IR_NONE)
        return place_direct(ir_slot_address(l->f, variable->slot), 0);
    return place_direct(lower_scratch(l), variable->scratch);
}

/* ---- scratch ----------------------------------------------------------------------------------------------- */

ir_value lower_scratch(struct lower *l) {
    if (l->measuring)
        return ir_constant(l->f, 0);
    if (l->f->kind != IR_MAIN)
        return lower_load_slot(l, l->scratch_slot);
    assert(l->scratch_base != IR_NONE);
    return l->scratch_base;
}

/* One attempt to take the lowest free slot of this CPU:
 *     free = ~row->taken & ((1 << SLOTS) - 1); bit = free & -free; if (!bit) goto next;
 *     if (fetch_or(&row->taken, bit) & bit) goto next;   a nested program was faster
 *     slot = bit; goto taken; */
static void try_scratch_slot(struct lower *l, ir_slot bit_slot, ir_block taken, ir_block next) {
    struct ir_function *f = l->f;
    ir_value row = lower_cpu_row(l);
    int32_t offset = offsetof(struct lang_cpu_row, scratch_taken);
    ir_value used = ir_load(f, 8, row, offset);
    ir_value open = ir_binary(f, IR_AND, ir_unary(f, IR_NOT, used), ir_constant(f, (1 << LANG_SCRATCH_SLOTS) - 1));
    ir_value bit = ir_binary(f, IR_AND, open, ir_unary(f, IR_NEG, open));
    ir_block some = ir_block_new(f, f->current), ours = ir_block_new(f, some);
    ir_branch(f, bit, some, next);
    ir_enter(f, some);
    ir_value before = ir_atomic(f, IR_ATOMIC_FETCH_OR, 8, row, offset, bit, IR_NONE);
    ir_branch(f, ir_binary(f, IR_AND, before, bit), next, ours);
    ir_enter(f, ours);
    lower_store_slot(l, bit_slot, bit);
    ir_jump(f, taken);
}

/* Leaves the current block where `scratch_base` is valid; events that find no slot are counted and dropped. */
static void take_scratch(struct lower *l, ir_slot bit_slot, ir_slot key, ir_block drop) {
    struct ir_function *f = l->f;
    uint32_t map = l->large_scratch ? lang_plan_large_scratch(l->plan) : lang_plan_scratch(l->plan);
    ir_block start = f->current, taken = ir_block_new(f, start);
    for (int attempt = 0; attempt < 2; attempt++) {
        ir_block next = ir_block_new(f, f->current);
        try_scratch_slot(l, bit_slot, taken, next);
        ir_enter(f, next);
    }
    ir_atomic(f, IR_ATOMIC_ADD, 8, lower_cpu_row(l), offsetof(struct lang_cpu_row, scratch_missed), ir_constant(f, 1),
              IR_NONE);
    ir_jump(f, drop);

    ir_enter(f, taken);
    ir_value entry = lower_log2_code(l, lower_load_slot(l, bit_slot));
    if (l->large_scratch) /* row * slots + number of the slot */
        entry = ir_binary(f, IR_ADD, entry, ir_binary(f, IR_MUL, row_of_cpu(l), ir_constant(f, LANG_SCRATCH_SLOTS)));
    ir_store(f, 4, ir_slot_address(f, key), 0, entry);
    ir_value base = ir_calln(f, IR_HELPER_map_lookup_elem, ir_map(f, map), ir_slot_address(f, key));
    ir_block ready = ir_block_new(f, f->current);
    ir_branch(f, base, ready, drop);
    ir_enter(f, ready);
    l->scratch_base = base;
    if (l->has_loops)
        lower_store_slot(l, l->scratch_slot, base);
}

static void give_scratch(struct lower *l, ir_slot bit_slot) {
    ir_value bit = lower_load_slot(l, bit_slot);
    ir_atomic(l->f, IR_ATOMIC_AND, 8, lower_cpu_row(l), offsetof(struct lang_cpu_row, scratch_taken),
              ir_unary(l->f, IR_NOT, bit), IR_NONE);
}

/* ---- which events are ours --------------------------------------------------------------------------------- */

ir_value lower_context(struct lower *l) {
    return l->f->kind == IR_MAIN ? ir_context(l->f) : lower_load_slot(l, l->context_slot);
}

static void continue_if(struct lower *l, ir_value condition, ir_block otherwise) {
    ir_block next = ir_block_new(l->f, l->f->current);
    ir_branch(l->f, condition, next, otherwise);
    ir_enter(l->f, next);
}

#if defined(__x86_64__)
#define COMPAT_STATUS 2 /* TS_COMPAT in thread_info.status */
#define SAVED_CX 88     /* pt_regs.cx */
/* 32-bit calls reach the same tracepoint with other numbers. The SYSCALL instruction of 64-bit code leaves the return
 * address in cx, so two loads tell a native call without a helper; what looks different is asked from the task:
 *     if (regs->cx == regs->ip) goto native;
 *     if (current->thread_info.status & TS_COMPAT) goto drop;
 * thread_info is the first member of task_struct on this architecture. */
static void drop_compat(struct lower *l, ir_block drop) {
    struct ir_function *f = l->f;
    uint32_t offset = 0;
    const struct type *info = l->env->find_type(l->env->context, TYPE_NAME_STRUCT, "thread_info");
    if (!info || !type_find_field(info, "status", &offset))
        return;
    ir_block native = ir_block_new(f, f->current), slow = ir_block_new(f, f->current);
    ir_value instruction = lower_register(l, lang_machine.instruction);
    ir_branch(f, ir_binary(f, IR_EQ, lower_register(l, SAVED_CX), instruction), native, slow);
    ir_enter(f, slow);
    ir_value status = ir_load(f, 4, ir_call0(f, IR_HELPER_get_current_task_btf), (int32_t)offset);
    ir_branch(f, ir_binary(f, IR_AND, status, ir_constant(f, COMPAT_STATUS)), drop, native);
    ir_enter(f, native);
}
#else
static void drop_compat(struct lower *l, ir_block drop) { (void)l, (void)drop; }
#endif

static ir_value syscall_number(struct lower *l) {
    if (l->target->context == LANG_CONTEXT_SYSCALL_ENTER)
        return ir_load_const(l->f, 8, lower_context(l), 8);
    return lower_register(l, lang_machine.syscall_number);
}

/*     if (number != ours) goto drop;                      one syscall
 *     probe = table[number]; if (!probe) goto drop;       several */
static void filter_syscall(struct lower *l, ir_block drop) {
    struct ir_function *f = l->f;
    const struct lang_target *target = l->target;
    if (target->probe_id == LANG_PROBE_BY_SYSCALL) {
        ir_value number = syscall_number(l);
        continue_if(l, ir_binary(f, IR_ULT, number, ir_constant(f, LANG_SYSCALL_LIMIT)), drop);
        uint32_t table = lang_plan_constants(l->plan, target->syscall_probes, LANG_SYSCALL_LIMIT * sizeof(uint32_t));
        ir_value offset = ir_binary(f, IR_MUL, number, ir_constant(f, 4));
        ir_value entry = ir_load(f, 4, ir_binary(f, IR_ADD, lower_constants(l, table), offset), 0);
        continue_if(l, entry, drop);
        l->probe_slot = ir_slot_new(l->module, 8, "probe");
        lower_store_slot(l, l->probe_slot, ir_binary(f, IR_SUB, entry, ir_constant(f, 1)));
    } else if (target->syscall_number >= 0) {
        continue_if(l, ir_binary(f, IR_EQ, syscall_number(l), ir_constant(f, target->syscall_number)), drop);
    }
    if (target->test_compat && (target->syscall_number >= 0 || target->probe_id == LANG_PROBE_BY_SYSCALL))
        drop_compat(l, drop);
}

/* Not through the task pointer: most events end here, and what they need is one call. */
static ir_value current_tgid(struct lower *l) {
    if (l->env->pid_namespace_inode)
        return lower_current(l, "tgid");
    return ir_binary(l->f, IR_LSHR, ir_call0(l->f, IR_HELPER_get_current_pid_tgid), ir_constant(l->f, 32));
}

ir_value lower_iterator_file(struct lower *l) {
    return ir_load(l->f, 8, ir_load_const(l->f, 8, lower_context(l), 0), 0);
}

/* One call more than there are objects: with NULL, at the end. For each object a byte goes to the reader, so that it is
 * given the objects in portions and can empty the rings between them:
 *     if (!object) goto drop;
 *     seq_write(meta->seq, "\0", 1); */
static void pace_iterator(struct lower *l, ir_block drop) {
    struct ir_function *f = l->f;
    static const uint8_t zeros[8];
    ir_value context = lower_context(l);

    continue_if(l, ir_load_const(f, 8, context, 8), drop);
    if (l->target->writes_file) /* what the script writes is all there is to read */
        return;
    ir_value file = lower_iterator_file(l);
    ir_value byte = lower_constants(l, lang_plan_constants(l->plan, zeros, sizeof zeros));
    ir_calln(f, IR_HELPER_seq_write, file, byte, ir_constant(f, 1));
}

/* Until user space hears of exit(), events go on. begin and its like run to their end, an iterator is read to its end.
 */
bool lower_ends_once(struct lower *l) {
    return l->target->context != LANG_CONTEXT_NONE && l->target->context != LANG_CONTEXT_ITERATOR;
}

static void filter_event(struct lower *l, ir_block drop) {
    const struct lang_target *target = l->target;
    if (target->context == LANG_CONTEXT_ITERATOR)
        pace_iterator(l, drop);
    if (target->context == LANG_CONTEXT_SYSCALL_ENTER || target->context == LANG_CONTEXT_SYSCALL_EXIT)
        filter_syscall(l, drop);
    if (target->filter_pid)
        continue_if(l, ir_binary(l->f, IR_EQ, current_tgid(l), ir_constant(l->f, target->filter_pid)), drop);
    else if (target->exclude_self)
        continue_if(l, ir_binary(l->f, IR_NE, current_tgid(l), ir_constant(l->f, l->env->self_pid)), drop);
    if (lang_uses(l->unit->probe, "exit") && lower_ends_once(l)) {
        ir_value ended = ir_load(l->f, 8, lower_global(l, lang_plan_ended(l->plan)), 0);
        continue_if(l, ir_binary(l->f, IR_EQ, ended, ir_constant(l->f, 0)), drop);
    }
}

ir_value lower_probe_id(struct lower *l) {
    const struct lang_target *target = l->target;
    switch (target->probe_id) {
    case LANG_PROBE_CONSTANT:
        return ir_constant(l->f, target->first_probe);
    case LANG_PROBE_BY_SYSCALL:
        return lower_load_slot(l, l->probe_slot);
    case LANG_PROBE_BY_COOKIE:
        return ir_calln(l->f, IR_HELPER_get_attach_cookie, lower_context(l));
    }
    BUG("probe id %d", target->probe_id);
}

/* ---- the whole program ------------------------------------------------------------------------------------- */

static bool has_loops(const struct node *node) {
    if (node->kind == NODE_WHILE || node->kind == NODE_FOR_RANGE || node->kind == NODE_FOR_MAP ||
        (node->function && (node->function->flags & LANG_FUNCTION_LOOP)))
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (has_loops(child))
            return true;
    }
    return false;
}

static bool returns_value(const struct node *node) {
    if (node->kind == NODE_RETURN && node->child)
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (returns_value(child))
            return true;
    }
    return false;
}

static void reset_variables(const struct node *node) {
    if (node->variable) {
        node->variable->slot = IR_NONE;
        node->variable->scratch = -1;
        node->variable->is_direct = false;
    }
    for (const struct node *child = node->child; child; child = child->next)
        reset_variables(child);
}

static void lower_program(struct lower *l) {
    struct ir_function *f = l->f = ir_function_new(l->module, IR_MAIN, "main");
    const struct node *probe = l->unit->probe;
    f->loc = probe->loc;
    l->statement_depth = 1;
    if (l->has_loops) {
        l->context_slot = ir_slot_new(l->module, 8, "context");
        l->scratch_slot = ir_slot_new(l->module, 8, "scratch");
        l->return_slot = ir_slot_new(l->module, 8, "return");
        lower_store_slot(l, l->context_slot, ir_context(f));
        lower_store_slot(l, l->scratch_slot, ir_constant(f, 0));
        lower_store_slot(l, l->return_slot, ir_constant(f, 0));
    }
    bool scratch = !l->measuring && l->scratch_variables + l->scratch_temps > 0;
    if (l->target->context == LANG_CONTEXT_NONE && returns_value(probe)) {
        l->result_slot = ir_slot_new(l->module, 8, "result");
        lower_store_slot(l, l->result_slot, ir_constant(f, l->return_value));
    }
    ir_block drop = ir_block_new(f, f->current);
    filter_event(l, drop);
    /* Both runs have the same slots, so that both find the same room on the stack and put the same into scratch. */
    bool slots = scratch || l->measuring;
    ir_slot bit_slot = slots ? ir_slot_new(l->module, 8, "scratch bit") : IR_NONE;
    ir_slot key_slot = slots ? ir_slot_new(l->module, 8, "scratch number") : IR_NONE;
    const struct node *predicate = node_probe_predicate(probe);
    if (scratch && l->predicate_scratch)
        take_scratch(l, bit_slot, key_slot, drop);
    ir_block refused = ir_block_new(f, f->current);
    if (predicate) {
        ir_block accepted = ir_block_new(f, f->current);
        lower_condition(l, predicate, accepted, scratch && l->predicate_scratch ? refused : drop);
        ir_enter(f, accepted);
        l->predicate_scratch = l->predicate_scratch || l->temps_most > 0;
    }
    if (scratch && !l->predicate_scratch)
        take_scratch(l, bit_slot, key_slot, drop);
    l->leave = ir_block_new(f, f->current);
    lower_block(l, node_probe_body(probe));
    if (!ir_finished(f))
        ir_jump(f, l->leave);
    f->loc = probe->loc;
    ir_enter(f, l->leave);
    if (scratch)
        give_scratch(l, bit_slot);
    ir_return(f, l->result_slot != IR_NONE ? lower_load_slot(l, l->result_slot) : ir_constant(f, l->return_value));
    ir_enter(f, refused);
    if (scratch && l->predicate_scratch)
        give_scratch(l, bit_slot);
    ir_return(f, ir_constant(f, l->return_value));
    ir_enter(f, drop);
    ir_return(f, ir_constant(f, l->return_value));
}

static struct lower *lower_new(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                               enum lang_stack_room room, struct diag_list *diags) {
    struct lower *l = arena_make(program->arena, struct lower);
    l->arena = program->arena;
    l->program = program;
    l->plan = program->plan;
    l->unit = unit;
    l->target = unit->target;
    l->env = env;
    l->stack_room = room;
    l->diags = diags;
    l->module = ir_module_new(program->arena, unit->target->name);
    l->scratch_base = IR_NONE;
    l->probe_slot = IR_NONE;
    l->result_slot = IR_NONE;
    l->packet_result = IR_NONE;
    l->has_loops = has_loops(unit->probe);
    l->use_task = lang_uses(unit->probe, "comm") || lang_uses(unit->probe, "curtask");
    /* 0 from a perf tracepoint program would hide the event from other users of the same event. */
    l->return_value = unit->target->context == LANG_CONTEXT_TRACEPOINT ? 1 : 0;
    reset_variables(unit->probe);
    return l;
}

static void keep_scratch_size(struct lower *l, uint32_t size) {
    uint32_t *most = l->large_scratch ? &l->plan->maps.data[l->plan->large_scratch].value_size : &l->plan->scratch_size;
    if (*most < size)
        *most = size;
}

/* The block is lowered once to learn how much scratch it needs, and again only if it needs some. */
struct ir_module *lang_lower(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                             enum lang_stack_room room, struct diag_list *diags) {
    struct lang_plan before = *program->plan;
    uint32_t errors = diags->error_count;
    struct lower *measure = lower_new(program, unit, env, room, diags);
    measure->measuring = true;
    lower_program(measure);
    if (diags->error_count > errors)
        return NULL;
    struct lower *l = measure;
    uint32_t scratch = measure->variables_top + measure->temps_most;
    if (scratch > LANG_LARGE_SCRATCH_LIMIT) {
        diag_error(diags, "scratch-limit", unit->probe->loc,
                   "this block needs %u bytes for strings, tuples and stacks at once; there is room for %u", scratch,
                   LANG_LARGE_SCRATCH_LIMIT);
        diag_hint(diags, "use shorter strings: str(p, n), or BPFTRACE_MAX_STRLEN");
        return NULL;
    }
    if (scratch > 0) {
        *program->plan = before;
        l = lower_new(program, unit, env, room, diags);
        l->scratch_variables = measure->variables_top;
        l->scratch_temps = measure->temps_most;
        l->predicate_scratch = measure->predicate_scratch;
        l->large_scratch = scratch > LANG_SCRATCH_LIMIT;
        lower_program(l);
        assert(l->variables_top == l->scratch_variables && l->temps_most == l->scratch_temps);
        keep_scratch_size(l, (scratch + 7) & ~7u);
    }
    ir_verify(l->module);
    ir_optimize(l->module);
    return l->module;
}
