/* Who is running: ids as a pid namespace sees them, other tasks, clocks. */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <string.h>

/* ---- fields of tasks ------------------------------------------------------------------------------------------ */

static bool task_field(struct lower *l, const char *name, uint32_t *offset) {
    const struct type *task = l->env->find_type(l->env->context, TYPE_NAME_STRUCT, "task_struct");
    return task && type_find_field(task, name, offset);
}

/* "pid" or "tgid" as the kernel names them. One helper call either way: through the task pointer when the program has
 * it anyway (comm), else from get_current_pid_tgid. */
static ir_value global_id(struct lower *l, const char *field) {
    struct ir_function *f = l->f;
    uint32_t offset;
    if (l->use_task && task_field(l, field, &offset))
        return ir_load(f, 4, ir_call0(f, IR_HELPER_get_current_task_btf), (int32_t)offset);
    ir_value both = ir_call0(f, IR_HELPER_get_current_pid_tgid);
    return field[0] == 't' ? ir_binary(f, IR_LSHR, both, ir_constant(f, 32)) : ir_extend(f, both, 4, false);
}

/* struct bpf_pidns_info { u32 pid, tgid; }: zeros for a task that lives outside the namespace. */
static ir_value namespace_id(struct lower *l, const char *field) {
    struct ir_function *f = l->f;
    struct place ids = lower_temp(l, 8);
    ir_calln(f, IR_HELPER_get_ns_current_pid_tgid, ir_constant(f, (int64_t)l->env->pid_namespace_device),
             ir_constant(f, (int64_t)l->env->pid_namespace_inode), place_address(l, ids), ir_constant(f, 8));
    return ir_load(f, 4, ids.base, ids.offset + (field[0] == 't' ? 4 : 0));
}

ir_value lower_current(struct lower *l, const char *field) {
    return l->env->pid_namespace_inode ? namespace_id(l, field) : global_id(l, field);
}

ir_value lower_current_id(struct lower *l, const struct node *node, const char *field) {
    return node->child->number == LANG_PID_INIT ? global_id(l, field) : lower_current(l, field);
}

/* ---- relatives ------------------------------------------------------------------------------------------------ */

struct node *lower_field(struct lower *l, const struct node *object, const char *name) {
    if (!object)
        return NULL;
    struct node *child = arena_memdup(l->arena, object, sizeof *object);
    struct node *node = arena_make(l->arena, struct node);
    const struct type *type = object->type->kind == TYPE_POINTER ? object->type->target : object->type;
    child->next = NULL;
    *node = (struct node){.kind = NODE_FIELD, .text = name, .loc = object->loc, .child = child};
    node->field = type->kind == TYPE_STRUCT ? type_find_field(type, name, &node->field_offset) : NULL;
    if (!node->field)
        return NULL;
    node->type = node->field->type;
    if (node->type->kind == TYPE_POINTER)
        node->type = type_pointer(l->arena, node->type->target, SPACE_KERNEL);
    return node;
}

struct node *lower_current_task(struct lower *l, struct loc loc) {
    const struct type *type = l->env->find_type(l->env->context, TYPE_NAME_STRUCT, "task_struct");
    struct node *node = arena_make(l->arena, struct node);
    *node = (struct node){.kind = NODE_IDENTIFIER, .text = "curtask", .loc = loc};
    node->builtin = lang_find_builtin("curtask", NULL);
    node->type = type_pointer(l->arena, type ? type : type_void(), SPACE_KERNEL);
    return node;
}

/* task->relative->field as the script could write it. `task` NULL: the current one. */
static struct node *relative_field(struct lower *l, const struct node *task, const char *relative, const char *field,
                                   struct loc loc) {
    const struct node *object = task ? task : lower_current_task(l, loc);
    struct node *node = lower_field(l, lower_field(l, object, relative), field);
    if (!node) {
        diag_error(l->diags, "no-task-type", loc,
                   "this needs the kernel's type struct task_struct, which is not there");
        diag_hint(l->diags, "the kernel must be built with CONFIG_DEBUG_INFO_BTF; `tarsier info` tells");
    }
    return node;
}

ir_value lower_relative_id(struct lower *l, const struct node *task, const char *relative, const char *field,
                           struct loc loc) {
    struct node *id = relative_field(l, task, relative, field, loc);
    return id ? ir_extend(l->f, lower_scalar(l, id), 4, false) : ir_constant(l->f, 0);
}

void lower_relative_comm(struct lower *l, const struct node *task, const char *relative, const struct type *type,
                         struct place to, struct loc loc) {
    struct node *comm = relative_field(l, task, relative, "comm", loc);
    if (!comm)
        return;
    comm->type = type_string(l->arena, 16);
    lower_into(l, comm, type, to, true);
}

/* ---- clocks --------------------------------------------------------------------------------------------------- */

ir_value lower_clock(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    switch (node->child->number) {
    case LANG_CLOCK_MONOTONIC:
        return ir_call0(f, IR_HELPER_ktime_get_ns);
    case LANG_CLOCK_TAI:
        return ir_call0(f, IR_HELPER_ktime_get_tai_ns);
    case LANG_CLOCK_SW_TAI:
        return ir_binary(f, IR_ADD, ir_call0(f, IR_HELPER_ktime_get_ns),
                         ir_constant(f, l->env->tai_offset ? l->env->tai_offset() : 0));
    default:
        return ir_call0(f, IR_HELPER_ktime_get_boot_ns);
    }
}
