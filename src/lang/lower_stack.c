/* kstack, ustack: captured once for each event, kept once for each different stack.
 *
 * A captured stack is a kilobyte. As a key it would be hashed, compared and copied as a whole, in every map again; as
 * an id of 8 bytes it costs what a number costs, in keys, in values and in records. See base/type.h for the id and
 * plan.h for the table. The code:
 *
 *     bytes = get_stack(ctx, memory + 8, size, flags);
 *     memory = {tgid, count = bytes < 0 ? 0 : bytes / frame};
 *     hash = seed(tgid);
 *     for each 8 frames (unrolled):  if (count <= first) break;  hash = (hash ^ word) * K  for each word
 *     id = count ? (hash with count in its low bits) : 0;
 *     if (id && !lookup(stacks, &id))  update(stacks, &id, memory), counting what is refused
 *
 * The kernel zeroes the room that it does not fill, so the last 8 need no look at the count.
 *
 * User stacks are walked by the unwinder where it can run; it makes the id, too:
 *
 *     id = user_stack(memory, ctx, depth | how, tgid);        the stack is behind its own memory
 *     if (id && !lookup(stacks, &id))  ...
 */
#include "lang/lower_int.h"
#include <linux/bpf.h>

enum { HASH_STEP = 8 };
#define HASH_SEED 0x51ed270b0a1f39c1
#define HASH_FACTOR 0x5851f42d4c957f2d /* odd, and its bits are well spread */

/* Captures into memory; gives the number of frames. */
static ir_value capture(struct lower *l, const struct type *type, struct place to, ir_value tgid) {
    struct ir_function *f = l->f;
    bool user = type->kind == TYPE_USTACK, build_ids = type->stack_mode == TYPE_STACK_BUILD_ID;
    int64_t flags = user ? BPF_F_USER_STACK | (build_ids ? BPF_F_USER_BUILD_ID : 0) : 0;
    ir_value bytes = ir_calln(f, IR_HELPER_get_stack, lower_context(l), place_address(l, place_add(l, to, 8)),
                              ir_constant(f, type_stack_captured(type) - 8), ir_constant(f, flags));
    /* negative: no stack here (a kernel thread has no user stack): count 0 */
    ir_value ok = ir_unary(f, IR_NOT, ir_binary(f, IR_ASHR, bytes, ir_constant(f, 63)));
    ir_value count = ir_binary(f, IR_LSHR, ir_binary(f, IR_AND, bytes, ok), ir_constant(f, build_ids ? 5 : 3));
    ir_store(f, 4, to.base, to.offset, tgid);
    ir_store(f, 4, to.base, to.offset + 4, count);
    return count;
}

static ir_value mix(struct lower *l, ir_value hash, ir_value word) {
    return ir_binary(l->f, IR_MUL, ir_binary(l->f, IR_XOR, hash, word), ir_constant(l->f, HASH_FACTOR));
}

/* The id of a captured stack. */
static ir_value stack_id(struct lower *l, const struct type *type, struct place from, ir_value tgid, ir_value count) {
    struct ir_function *f = l->f;
    ir_slot slot = lower_temp_slot(l, 8);
    ir_value hash = mix(l, tgid, ir_constant(f, HASH_SEED));
    ir_block start = f->current, done = ir_block_new(f, start);
    uint32_t frame = type->stack_mode == TYPE_STACK_BUILD_ID ? TYPE_BUILD_ID_FRAME : 8;
    uint32_t words = (type_stack_captured(type) - 8) / 8, per_step = HASH_STEP * frame / 8;
    lower_store_slot(l, slot, hash);
    for (uint32_t first = 0; first < words; first += per_step) {
        ir_block more = ir_block_new(f, f->current);
        ir_branch(f, ir_binary(f, IR_ULT, ir_constant(f, first * 8 / frame), count), more, done);
        ir_enter(f, more);
        hash = lower_load_slot(l, slot);
        for (uint32_t i = first; i < first + per_step && i < words; i++)
            hash = mix(l, hash, ir_load(f, 8, from.base, from.offset + 8 + (int32_t)i * 8));
        lower_store_slot(l, slot, hash);
    }
    ir_jump(f, done);
    ir_enter(f, done);
    ir_value low = ir_constant(f, (1 << TYPE_STACK_COUNT_BITS) - 1);
    ir_value high = ir_binary(f, IR_AND, lower_take_slot(l, slot), ir_constant(f, -(1 << TYPE_STACK_COUNT_BITS)));
    ir_value none = ir_binary(f, IR_SUB, ir_binary(f, IR_EQ, count, ir_constant(f, 0)), ir_constant(f, 1));
    return ir_binary(f, IR_AND, ir_binary(f, IR_OR, high, ir_binary(f, IR_AND, count, low)), none);
}

/* Keeps it, if there are frames and the table has not got it. */
static void keep(struct lower *l, uint32_t size, struct place from, ir_value id) {
    struct ir_function *f = l->f;
    uint32_t map = lang_plan_stacks(l->plan, size);
    ir_block start = f->current, some = ir_block_new(f, start), fresh = ir_block_new(f, some);
    ir_block wrong = ir_block_new(f, fresh), done = ir_block_new(f, start);
    ir_slot key = lower_temp_slot(l, 8);
    ir_branch(f, id, some, done);
    ir_enter(f, some);
    lower_store_slot(l, key, id);
    ir_value address = ir_slot_address(f, key);
    ir_branch(f, ir_calln(f, IR_HELPER_map_lookup_elem, ir_map(f, map), address), done, fresh);
    ir_enter(f, fresh);
    ir_value error = ir_calln(f, IR_HELPER_map_update_elem, ir_map(f, map), address, place_address(l, from),
                              ir_constant(f, BPF_ANY)); /* another CPU may be faster: an equal id has equal bytes */
    ir_branch(f, ir_extend(f, error, 4, true), wrong, done); /* an int before 6.4 */
    ir_enter(f, wrong);
    lower_count_refused(l, map, NULL, error);
    ir_jump(f, done);
    ir_enter(f, done);
    lower_release_slot(l, key);
}

static bool has_user_registers(enum lang_context context) {
    return context == LANG_CONTEXT_PERF_EVENT || context == LANG_CONTEXT_UPROBE || context == LANG_CONTEXT_URETPROBE;
}

static void bind(struct lower *l, const struct lang_unwinder *unwinder) {
    l->module->pieces[-1 - ir_helpers[IR_HELPER_user_stack].id] = unwinder->piece;
    for (uint32_t i = 0; i < unwinder->field_count; i++)
        ir_bind(l->module, unwinder->fields[i].name, unwinder->fields[i].value);
    for (uint32_t i = 0; i < unwinder->map_count; i++)
        ir_bind(l->module, unwinder->maps[i], lang_plan_unwinder(l->plan, unwinder, i));
}

static ir_value unwind(struct lower *l, const struct type *type, const struct lang_unwinder *unwinder) {
    uint32_t size = 8 + 8 * type->count, request = type->count;
    struct place memory = lower_scratch_temp(l, unwinder->memory_size + size);
    bind(l, unwinder);
    if (type->stack_mode == TYPE_STACK_PERF || type->stack_mode == TYPE_STACK_RAW)
        request |= unwinder->absolute;
    if (has_user_registers(l->target->context))
        request |= unwinder->use_context;
    ir_value id = ir_calln(l->f, IR_HELPER_user_stack, place_address(l, memory), lower_context(l),
                           ir_constant(l->f, request), lower_current(l, "tgid"));
    keep(l, size, place_add(l, memory, unwinder->memory_size), id);
    return id;
}

ir_value lower_stack(struct lower *l, const struct type *type) {
    if (type->kind == TYPE_USTACK && l->env->unwinder && !type->by_pointers)
        return unwind(l, type, l->env->unwinder);
    struct place memory = lower_temp(l, type_stack_captured(type));
    /* build ids mean the same in every process: equal stacks are then one */
    bool process = type->kind == TYPE_USTACK && type->stack_mode != TYPE_STACK_BUILD_ID;
    ir_value tgid = process ? lower_current(l, "tgid") : ir_constant(l->f, 0);
    ir_value count = capture(l, type, memory, tgid);
    ir_value id = stack_id(l, type, memory, tgid, count);
    keep(l, type_stack_captured(type), memory, id);
    return id;
}
