/* Built-in variables: one function for each row of builtins.def. */
#include "lang/lower_int.h"
#include "object/usdt.h"
#include <linux/bpf.h>
#include <string.h>

/* ---- the current task ---------------------------------------------------------------------------------------- */

static bool task_field(struct lower *l, const char *name, uint32_t *offset) {
    const struct type *task = l->env->find_type(l->env->context, TYPE_NAME_STRUCT, "task_struct");
    return task && type_find_field(task, name, offset);
}

static ir_value lower_builtin_pid(struct lower *l) { return lower_current(l, "tgid"); }
static ir_value lower_builtin_tid(struct lower *l) { return lower_current(l, "pid"); }

static ir_value lower_builtin_uid(struct lower *l) {
    return ir_extend(l->f, ir_call0(l->f, IR_HELPER_get_current_uid_gid), 4, false);
}

static ir_value lower_builtin_gid(struct lower *l) {
    return ir_binary(l->f, IR_LSHR, ir_call0(l->f, IR_HELPER_get_current_uid_gid), ir_constant(l->f, 32));
}

static ir_value lower_builtin_ppid(struct lower *l) {
    return lower_relative_id(l, NULL, "real_parent", "tgid", l->f->loc);
}
static ir_value lower_builtin_leader_tid(struct lower *l) {
    return lower_relative_id(l, NULL, "group_leader", "pid", l->f->loc);
}
static ir_value lower_builtin_username(struct lower *l) { return lower_builtin_uid(l); }
static ir_value lower_builtin_cpid(struct lower *l) { return ir_constant(l->f, l->env->child_pid); }
static ir_value lower_builtin_has_cpid(struct lower *l) { return ir_constant(l->f, l->env->child_pid != 0); }

static ir_value lower_builtin_curtask(struct lower *l) { return ir_call0(l->f, IR_HELPER_get_current_task_btf); }
static ir_value lower_builtin_cgroup(struct lower *l) { return ir_call0(l->f, IR_HELPER_get_current_cgroup_id); }

/* comm: two loads through the task pointer (19 ns with the call) instead of get_current_comm (54 ns). */
static void comm_into(struct lower *l, struct place to) {
    struct ir_function *f = l->f;
    uint32_t offset;
    if (!task_field(l, "comm", &offset)) {
        ir_calln(f, IR_HELPER_get_current_comm, place_address(l, to), ir_constant(f, 16));
        return;
    }
    ir_value task = ir_call0(f, IR_HELPER_get_current_task_btf);
    for (int32_t at = 0; at < 16; at += 8)
        ir_store(f, 8, to.base, to.offset + at, ir_load(f, 8, task, (int32_t)offset + at));
}

/* ---- time and place ------------------------------------------------------------------------------------------ */

static ir_value lower_builtin_nsecs(struct lower *l) { return ir_call0(l->f, IR_HELPER_ktime_get_boot_ns); }

static ir_value lower_builtin_elapsed(struct lower *l) {
    return ir_binary(l->f, IR_SUB, lower_builtin_nsecs(l), ir_constant(l->f, (int64_t)l->env->start_boottime));
}

static ir_value lower_builtin_jiffies(struct lower *l) { return ir_call0(l->f, IR_HELPER_jiffies64); }
static ir_value lower_builtin_cpu(struct lower *l) { return ir_call0(l->f, IR_HELPER_get_smp_processor_id); }
static ir_value lower_builtin_ncpus(struct lower *l) { return ir_constant(l->f, l->env->cpu_count); }
static ir_value lower_builtin_numaid(struct lower *l) { return ir_call0(l->f, IR_HELPER_get_numa_node_id); }

static ir_value lower_builtin_rand(struct lower *l) {
    return ir_extend(l->f, ir_call0(l->f, IR_HELPER_get_prandom_u32), 4, false);
}

/* ---- the probe ----------------------------------------------------------------------------------------------- */

static ir_value lower_builtin_probe(struct lower *l) { return lower_probe_id(l); }
static ir_value lower_builtin_ctx(struct lower *l) { return lower_context(l); }

static ir_value lower_builtin_args(struct lower *l) {
    (void)l;
    BUG("`args` as a value");
}

/* Registers of the traced code: in the context itself, or behind its first word (system calls). */
ir_value lower_register(struct lower *l, uint32_t offset) {
    struct ir_function *f = l->f;
    switch (l->target->context) {
    case LANG_CONTEXT_UPROBE:
    case LANG_CONTEXT_URETPROBE:
    case LANG_CONTEXT_KPROBE:
    case LANG_CONTEXT_KRETPROBE:
    case LANG_CONTEXT_PERF_EVENT: /* bpf_perf_event_data starts with pt_regs, uprobe contexts are pt_regs */
        return ir_load_const(f, 8, lower_context(l), (int32_t)offset);
    case LANG_CONTEXT_SYSCALL_ENTER:
    case LANG_CONTEXT_SYSCALL_EXIT: {
        ir_value registers = ir_load_const(f, 8, lower_context(l), 0);
        if (l->target->has_btf)
            return ir_load(f, 8, registers, (int32_t)offset);
        struct place temp = lower_temp(l, 8);
        ir_calln(f, IR_HELPER_probe_read_kernel, place_address(l, temp), ir_constant(f, 8),
                 ir_add_offset(f, registers, offset));
        return ir_load(f, 8, temp.base, temp.offset);
    }
    default:
        BUG("no registers in context %d", l->target->context);
    }
}

/* base + (index << scale) + number */
static struct place usdt_place(struct lower *l, const struct object_usdt_argument *argument) {
    struct ir_function *f = l->f;
    ir_value address =
        argument->base == OBJECT_USDT_NO_REGISTER ? ir_constant(f, 0) : lower_register(l, argument->base);

    if (argument->index != OBJECT_USDT_NO_REGISTER) {
        ir_value index = lower_register(l, argument->index);
        if (argument->index_size < 8)
            index = ir_extend(f, index, argument->index_size, argument->index_signed);
        address = ir_binary(f, IR_ADD, address, ir_binary(f, IR_SHL, index, ir_constant(f, argument->scale)));
    }
    return place_add(l, (struct place){WHERE_USER, address, 0}, argument->number);
}

/* argN of a usdt probe: a constant, a register, or memory of the program. */
static ir_value lower_usdt_argument(struct lower *l, const struct object_usdt_argument *argument, struct loc loc) {
    struct ir_function *f = l->f;
    const struct type *type = type_int(8u * argument->size, argument->is_signed);
    struct guard guard;

    if (argument->where == OBJECT_USDT_CONSTANT)
        return ir_constant(f, argument->number);
    if (argument->where == OBJECT_USDT_REGISTER) {
        ir_value value = lower_register(l, argument->base);
        return lower_resize(l, ir_binary(f, IR_LSHR, value, ir_constant(f, argument->low_bit)), type);
    }
    ir_slot slot = lower_temp_slot(l, 8);
    guard_begin(l, &guard, loc);
    lower_store_slot(l, slot, lower_load(l, usdt_place(l, argument), type));
    if (guard_failed(l, &guard)) {
        lower_store_slot(l, slot, ir_constant(f, 0));
        guard_join(l, &guard);
    }
    return lower_take_slot(l, slot);
}

/* A word of a context that holds arguments, as a number: as lower_number, lest the verifier sees a pointer. */
static ir_value context_number(struct lower *l, uint32_t word) {
    struct ir_function *f = l->f;
    return ir_byte_swap(f, ir_byte_swap(f, ir_load_const(f, 8, lower_context(l), (int32_t)(8 * word)), 8), 8);
}

/* A word of the arguments as the calling convention has them: a register, or on the stack behind the return address.
 * Within a guard. */
ir_value lower_argument_word(struct lower *l, int64_t number) {
    if (number < 6)
        return lower_register(l, lang_argument_registers[number]);
    bool kernel = l->target->context == LANG_CONTEXT_KPROBE;
    int64_t above = lang_machine.first_stack_argument + 8 * (number - 6);
    struct place from = {kernel ? WHERE_KERNEL : WHERE_USER, lower_register(l, lang_machine.stack), (int32_t)above};
    return lower_load(l, from, type_int(64, false));
}

/* Where the event happened: begin and end count as ours, a user program. */
static ir_value lower_builtin_usermode(struct lower *l) {
    struct ir_function *f = l->f;
    switch (l->target->context) {
    case LANG_CONTEXT_NONE:
    case LANG_CONTEXT_UPROBE:
    case LANG_CONTEXT_URETPROBE:
        return ir_constant(f, 1);
    case LANG_CONTEXT_PERF_EVENT: {
        ir_value mode =
            ir_binary(f, IR_AND, lower_register(l, lang_machine.mode), ir_constant(f, lang_machine.mode_mask));
        return ir_binary(f, IR_EQ, mode, ir_constant(f, lang_machine.user_mode));
    }
    default: /* the kernel's own code */
        return ir_constant(f, 0);
    }
}

/* A word of the traced function's stack, behind the return address. */
static ir_value stack_argument(struct lower *l, int64_t number, struct loc loc) {
    struct guard guard;
    ir_slot slot = lower_temp_slot(l, 8);
    guard_begin(l, &guard, loc);
    lower_store_slot(l, slot, lower_argument_word(l, 6 + number));
    if (guard_failed(l, &guard)) {
        lower_store_slot(l, slot, ir_constant(l->f, 0));
        guard_join(l, &guard);
    }
    return lower_take_slot(l, slot);
}

/* argN */
ir_value lower_argument(struct lower *l, int64_t number, struct loc loc) {
    if (l->target->usdt)
        return lower_usdt_argument(l, &l->target->usdt->items[number], loc);
    if (l->target->argument_words)
        return context_number(l, l->target->argument_words[number]);
    switch (l->target->context) {
    case LANG_CONTEXT_RAW_TRACEPOINT:
    case LANG_CONTEXT_FENTRY:
    case LANG_CONTEXT_FEXIT:
        return context_number(l, (uint32_t)number);
    default:
        break;
    }
    if (number < 6)
        return lower_argument_word(l, number);
    return stack_argument(l, number - 6, loc);
}

static ir_value lower_builtin_retval(struct lower *l) {
    const struct type *result = l->target->function ? l->target->function->result : l->target->result;
    ir_value value;
    if (l->target->argument_words)
        value = context_number(l, l->target->result_word);
    else if (l->target->context != LANG_CONTEXT_FEXIT)
        value = lower_register(l, lang_machine.return_value);
    else if (result && result->kind == TYPE_POINTER)
        return ir_load_const(l->f, 8, lower_context(l), (int32_t)(8 * l->target->argument_count));
    else
        value = context_number(l, l->target->argument_count);
    return result && type_is_scalar(result) ? lower_resize(l, value, result) : value;
}

/* Entry: the probed instruction itself. Return: the kernel remembers the function's address. */
ir_value lower_function_address(struct lower *l) {
    if (l->target->context == LANG_CONTEXT_UPROBE)
        return lower_register(l, lang_machine.instruction);
    return ir_calln(l->f, IR_HELPER_get_func_ip, lower_context(l));
}

static ir_value lower_builtin_func(struct lower *l) { return lower_function_address(l); }

static ir_value lower_builtin_comm(struct lower *l) {
    (void)l;
    BUG("a text as a scalar");
}
static ir_value lower_builtin_pcomm(struct lower *l) { return lower_builtin_comm(l); }
static ir_value lower_builtin_leader_comm(struct lower *l) { return lower_builtin_comm(l); }
static ir_value lower_builtin_probetype(struct lower *l) { return lower_builtin_comm(l); }
static ir_value lower_builtin_config(struct lower *l) { return lower_builtin_comm(l); }
/* Their depth and mode are in the type: lower_builtin() takes them before. */
static ir_value lower_builtin_kstack(struct lower *l) { return lower_builtin_comm(l); }
static ir_value lower_builtin_ustack(struct lower *l) { return lower_builtin_comm(l); }
static ir_value lower_builtin_dw_ustack(struct lower *l) { return lower_builtin_comm(l); }

ir_value lower_builtin(struct lower *l, const struct node *node) {
    if (type_is_stack(node->type))
        return lower_stack(l, node->type);
    switch (node->builtin->id) {
#define BUILTIN(name, type, contexts, help)                                                                            \
    case LANG_BUILTIN_##name:                                                                                          \
        return lower_builtin_##name(l);
#include "lang/builtins.def"
#undef BUILTIN
    case LANG_BUILTIN_arg:
        return lower_argument(l, node->number, node->loc);
    case LANG_BUILTIN_sarg:
        return stack_argument(l, node->number, node->loc);
    default:
        BUG("built-in %s", node->builtin->name);
    }
}

/* ---- large ones ---------------------------------------------------------------------------------------------- */

void lower_builtin_into(struct lower *l, const struct node *node, const struct type *type, struct place to) {
    switch (node->builtin->id) {
    case LANG_BUILTIN_comm:
        comm_into(l, to);
        if (type->size > 16)
            lower_zero(l, place_add(l, to, 16), type->size - 16);
        break;
    case LANG_BUILTIN_pcomm:
        lower_relative_comm(l, NULL, "real_parent", type, to, node->loc);
        break;
    case LANG_BUILTIN_leader_comm:
        lower_relative_comm(l, NULL, "group_leader", type, to, node->loc);
        break;
    case LANG_BUILTIN_probetype: {
        struct node text = {.kind = NODE_STRING, .text = lang_probe_type(l->target), .loc = node->loc};
        text.length = (uint32_t)strlen(text.text);
        text.type = node->type;
        lower_into(l, &text, type, to, true);
        break;
    }
    case LANG_BUILTIN_func: /* usym: u64 address, u32 tgid, u32 zero */
        ir_store(l->f, 8, to.base, to.offset, lower_function_address(l));
        ir_store(l->f, 8, to.base, to.offset + 8, lower_current(l, "tgid"));
        break;
    default:
        BUG("built-in %s in memory", node->builtin->name);
    }
}
