/* Addresses that depend on where the event happened: on which CPU, in which mapping of a file. */
#include "lang/lower_int.h"

/*     result = 0; if (cpu < possible CPUs) result = symbol + __per_cpu_offset[cpu]; */
ir_value lower_percpu_kaddr(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *number = node->child->next;
    ir_value cpu = number ? lower_scalar(l, number) : ir_call0(f, IR_HELPER_get_smp_processor_id);
    ir_slot result = lower_temp_slot(l, 8);
    struct place offset = lower_temp(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block exists = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_ULT, cpu, ir_constant(f, l->env->cpu_count)), exists, join);
    ir_enter(f, exists);
    ir_value table = ir_constant(f, node->child->number);
    ir_value entry = ir_binary(f, IR_ADD, table, ir_binary(f, IR_MUL, cpu, ir_constant(f, 8)));
    lower_read_bytes(l, (struct place){WHERE_KERNEL, entry, 0}, offset, ir_constant(f, 8), node->loc);
    ir_value distance = ir_load(f, 8, offset.base, offset.offset);
    lower_store_slot(l, result, ir_binary(f, IR_ADD, ir_constant(f, node->number), distance));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

/* The file is mapped as a whole, so the symbol is as far from the probed instruction as in the file:
 *     at = address of the probed instruction; result = at ? at + distance : 0;
 * Kernels before 6.6 do not tell where a uretprobe's function is. */
ir_value lower_uaddr(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    ir_value at = lower_function_address(l);
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, at);
    ir_block known = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, at, known, join);
    ir_enter(f, known);
    lower_store_slot(l, result, ir_add_offset(f, at, node->number));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}
