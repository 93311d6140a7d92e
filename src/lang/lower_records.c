/* Records: what a program sends to user space.
 *
 *     scalars are computed;                                       they may fail or have effects
 *     row = &globals.rows[cpu]; ring = rings[cpu];
 *     r = ring ? ringbuf_reserve(ring, size) : NULL;
 *     if (!r) { row->lost_records++; goto done; }
 *     r->stamp = ktime_get_boot_ns();                             after the reserve: this makes the order provable
 *     fields are written in place, large ones last;
 *     wake = stamp - row->last_wake > 10 ms || row->unwoken_bytes > a quarter of the ring;
 *     submit(r, wake ? FORCE_WAKEUP : NO_WAKEUP);
 *   done:
 */
#include "lang/lower_int.h"
#include <linux/bpf.h>

static ir_value reserve(struct lower *l, ir_value row, uint32_t size, ir_block done) {
    struct ir_function *f = l->f;
    ir_slot key = lower_temp_slot(l, 8);
    ir_store(f, 4, ir_slot_address(f, key), 0, ir_call0(f, IR_HELPER_get_smp_processor_id));
    ir_block start = f->current, found = ir_block_new(f, start), lost = ir_block_new(f, start);
    ir_value ring =
        ir_calln(f, IR_HELPER_map_lookup_elem, ir_map(f, lang_plan_rings(l->plan)), ir_slot_address(f, key));
    ir_branch(f, ring, found, lost);
    ir_enter(f, found);
    ir_value record = ir_calln(f, IR_HELPER_ringbuf_reserve, ring, ir_constant(f, size), ir_constant(f, 0));
    ir_block reserved = ir_block_new(f, found);
    ir_branch(f, record, reserved, lost);
    ir_enter(f, lost);
    ir_atomic(f, IR_ATOMIC_ADD, 8, row, offsetof(struct lang_cpu_row, lost_records), ir_constant(f, 1), IR_NONE);
    ir_jump(f, done);
    ir_enter(f, reserved);
    return record;
}

static void submit(struct lower *l, ir_value row, ir_value record, ir_value stamp, uint32_t size) {
    struct ir_function *f = l->f;
    int32_t bytes_offset = offsetof(struct lang_cpu_row, unwoken_bytes);
    int32_t wake_offset = offsetof(struct lang_cpu_row, last_wake);
    ir_slot flags = lower_temp_slot(l, 8);
    ir_value since = ir_binary(f, IR_SUB, stamp, ir_load(f, 8, row, wake_offset));
    ir_value bytes = ir_binary(f, IR_ADD, ir_load(f, 8, row, bytes_offset), ir_constant(f, size));
    ir_value wake_bytes = ir_constant(f, l->plan->ring_wake_bytes);
    ir_block start = f->current, test = ir_block_new(f, start), quiet = ir_block_new(f, test);
    ir_block wake = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_branch(f, ir_binary(f, IR_UGT, since, ir_constant(f, LANG_RECORD_WAKE_NS)), wake, test);
    ir_enter(f, test);
    ir_branch(f, ir_binary(f, IR_UGT, bytes, wake_bytes), wake, quiet);
    ir_enter(f, quiet);
    ir_store(f, 8, row, bytes_offset, bytes);
    lower_store_slot(l, flags, ir_constant(f, BPF_RB_NO_WAKEUP));
    ir_jump(f, join);
    ir_enter(f, wake);
    ir_store(f, 8, row, wake_offset, stamp);
    ir_store(f, 8, row, bytes_offset, ir_constant(f, 0));
    lower_store_slot(l, flags, ir_constant(f, BPF_RB_FORCE_WAKEUP));
    ir_jump(f, join);
    ir_enter(f, join);
    ir_calln(f, IR_HELPER_ringbuf_submit, record, lower_load_slot(l, flags));
}

/* The layout of the fields: a tuple behind the header, and the size of the whole. */
static void lay_out(struct lower *l, struct lang_action *action, const struct node *const *values, uint32_t count) {
    const struct type **types = arena_new_array(l->arena, const struct type *, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        const struct type *type = values[i]->type;
        /* Numbers travel as 64 bits: printf decides what to show. */
        types[i] = type->kind == TYPE_INT && type->size < 8 ? type_int(64, type->is_signed) : type;
        if (type_is_aggregate(type))
            types[i] = type_int(64, type->is_signed);
    }
    action->record = type_tuple(l->arena, types, count);
    action->size = (uint32_t)sizeof(struct lang_record) + ((action->record->size + 7) & ~7u);
}

/* More values than this wait in memory for the record: each would take a stack word of its own. */
#define MANY_VALUES 12

static bool in_register(const struct type *type) { return type_is_scalar(type); }

/* `nsecs` as a field of a record is the stamp of the record: lines are then in the order of the times they show. */
static bool is_stamp(const struct node *value) { return value->builtin && value->builtin->id == LANG_BUILTIN_nsecs; }

/* Statements may leave the program, which must not happen while a record is reserved. */
static struct place before_record(struct lower *l, const struct node *value, const struct type *type) {
    if (type_is_scalar(type) || !lower_has_statements(value))
        return place_direct(IR_NONE, 0);
    struct place place = lower_temp(l, type->size);
    lower_into(l, value, type, place, true);
    return place;
}

/* Reserves the record of a new action and writes its head; goes to `done` when there is no room. */
static ir_value begin_record(struct lower *l, const struct lang_action *action, ir_value row, ir_block done,
                             ir_value *stamp) {
    struct ir_function *f = l->f;
    uint32_t number = l->plan->actions.count;
    vec_push(l->arena, &l->plan->actions, *action);
    ir_value record = reserve(l, row, action->size, done);
    *stamp = ir_call0(f, IR_HELPER_ktime_get_boot_ns);
    ir_store(f, 8, record, 0, *stamp);
    ir_store(f, 8, record, 8, ir_constant(f, (int64_t)((uint64_t)action->size << 32 | number)));
    return record;
}

void lower_record_numbers(struct lower *l, struct lang_action *action, const ir_value *numbers, uint32_t count) {
    struct ir_function *f = l->f;
    const struct type **types = arena_new_array(l->arena, const struct type *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        types[i] = type_int(64, false);
    action->record = type_tuple(l->arena, types, count);
    action->size = (uint32_t)sizeof(struct lang_record) + 8 * count;
    ir_value row = lower_cpu_row(l), stamp;
    ir_block done = ir_block_new(f, f->current);
    ir_value record = begin_record(l, action, row, done, &stamp);
    for (uint32_t i = 0; i < count; i++)
        ir_store(f, 8, record, (int32_t)(sizeof(struct lang_record) + 8 * i), numbers[i]);
    submit(l, row, record, stamp, action->size);
    ir_jump(f, done);
    ir_enter(f, done);
}

void lower_record(struct lower *l, struct lang_action *action, const struct node *const *values, uint32_t count) {
    struct ir_function *f = l->f;
    lay_out(l, action, values, count);

    ir_value *scalars = arena_new_array(l->arena, ir_value, count + 1);
    bool many = count > MANY_VALUES;
    struct place waiting = many ? lower_temp(l, 8 * count) : place_direct(IR_NONE, 0);
    struct place *large = arena_new_array(l->arena, struct place, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        bool now = in_register(action->record->fields[i].type) && !is_stamp(values[i]);
        scalars[i] = now ? lower_scalar(l, values[i]) : IR_NONE;
        large[i] = before_record(l, values[i], action->record->fields[i].type);
        if (many && scalars[i] != IR_NONE)
            ir_store(f, 8, waiting.base, waiting.offset + (int32_t)(8 * i), scalars[i]);
    }
    ir_value row = lower_cpu_row(l), stamp;
    ir_block done = ir_block_new(f, f->current);
    ir_value record = begin_record(l, action, row, done, &stamp);
    for (uint32_t i = 0; i < count; i++) {
        const struct type_field *field = &action->record->fields[i];
        struct place to = place_direct(record, (int32_t)(sizeof(struct lang_record) + field->offset));
        if (many && scalars[i] != IR_NONE)
            scalars[i] = ir_load(f, 8, waiting.base, waiting.offset + (int32_t)(8 * i));
        if (is_stamp(values[i]))
            scalars[i] = stamp;
        if (scalars[i] != IR_NONE)
            lower_store(l, to, field->type, scalars[i]);
        else if (large[i].base != IR_NONE)
            lower_copy(l, to, large[i], (field->type->size + 7) & ~7u);
        else
            lower_into(l, values[i], field->type, to, action->kind == LANG_ACTION_PRINT_ELEMENT); /* keys are clean */
    }
    submit(l, row, record, stamp, action->size);
    if (action->kind == LANG_ACTION_EXIT && lower_ends_once(l))
        ir_store(f, 8, lower_global(l, lang_plan_ended(l->plan)), 0, ir_constant(f, 1));
    ir_jump(f, done);
    ir_enter(f, done);
}
