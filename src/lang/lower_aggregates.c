/* count() sum() avg() min() max() stats() hist() lhist() tseries(): one element for each CPU, updated in place.
 *
 * Updates are atomic although the element belongs to one CPU: an interrupt's program may use it between two steps,
 * unless a single program updates the map (6 ns less).
 */
#include "lang/lower_int.h"
#include <assert.h>
#include <string.h>

static void add_at(struct lower *l, const struct lang_map *map, ir_value element, int32_t offset, ir_value value) {
    if (map->single_writer)
        ir_store(l->f, 8, element, offset, ir_binary(l->f, IR_ADD, ir_load(l->f, 8, element, offset), value));
    else
        ir_atomic(l->f, IR_ATOMIC_ADD, 8, element, offset, value, IR_NONE);
}

/*     if (!element->set || value < element->value) element->value = value; element->set = 1; */
static void update_extreme(struct lower *l, const struct type *type, bool least, ir_value element, ir_value value) {
    struct ir_function *f = l->f;
    ir_block start = f->current, compare = ir_block_new(f, start);
    ir_block better = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_branch(f, ir_load(f, 8, element, 8), compare, better);
    ir_enter(f, compare);
    enum ir_op op = least ? (type->is_signed ? IR_SLT : IR_ULT) : type->is_signed ? IR_SGT : IR_UGT;
    ir_branch(f, ir_binary(f, op, value, ir_load(f, 8, element, 0)), better, join);
    ir_enter(f, better);
    ir_store(f, 8, element, 0, value);
    ir_store(f, 8, element, 8, ir_constant(f, 1));
    ir_jump(f, join);
    ir_enter(f, join);
}

/* Number of the highest set bit, without branches; 0 for 0. */
static ir_value log2_of(struct lower *l, ir_value value) {
    struct ir_function *f = l->f;
    for (int shift = 1; shift <= 32; shift *= 2)
        value = ir_binary(f, IR_OR, value, ir_binary(f, IR_LSHR, value, ir_constant(f, shift)));
    ir_value top = ir_binary(f, IR_SUB, value, ir_binary(f, IR_LSHR, value, ir_constant(f, 1)));
    /* A zero has the code of bit 63, which no positive number has: its table entry cannot be trusted, so mask it. */
    ir_value nonzero = ir_unary(f, IR_NEG, ir_binary(f, IR_NE, top, ir_constant(f, 0)));
    return ir_binary(f, IR_AND, lower_log2_code(l, top), nonzero);
}

/* The rule of type_hist_bucket(), for bits = 0: negative 0, zero 1, else log2 + 2. */
static ir_value simple_bucket(struct lower *l, ir_value value) {
    struct ir_function *f = l->f;
    ir_value bucket = ir_binary(f, IR_ADD, log2_of(l, value), ir_constant(f, 1));
    bucket = ir_binary(f, IR_ADD, bucket, ir_binary(f, IR_NE, value, ir_constant(f, 0)));
    ir_value negative = ir_binary(f, IR_ASHR, value, ir_constant(f, 63));
    return ir_binary(f, IR_AND, bucket, ir_unary(f, IR_NOT, negative));
}

/*     v < 0: 0;  v < 2^bits: v + 1;  else: ((log2 - bits + 1) << bits | (v >> (log2 - bits)) & mask) + 1 */
static ir_value fine_bucket(struct lower *l, ir_value value, uint32_t bits) {
    struct ir_function *f = l->f;
    ir_slot slot = lower_temp_slot(l, 8);
    ir_block start = f->current, small = ir_block_new(f, start), test = ir_block_new(f, start);
    ir_block large = ir_block_new(f, test), join = ir_block_new(f, start);
    lower_store_slot(l, slot, ir_constant(f, 0));
    ir_branch(f, ir_binary(f, IR_SLT, value, ir_constant(f, 0)), join, test);
    ir_enter(f, test);
    ir_branch(f, ir_binary(f, IR_ULT, value, ir_constant(f, 1 << bits)), small, large);
    ir_enter(f, small);
    lower_store_slot(l, slot, ir_binary(f, IR_ADD, value, ir_constant(f, 1)));
    ir_jump(f, join);
    ir_enter(f, large);
    ir_value above = ir_binary(f, IR_SUB, log2_of(l, value), ir_constant(f, bits));
    ir_value row = ir_binary(f, IR_SHL, ir_binary(f, IR_ADD, above, ir_constant(f, 1)), ir_constant(f, bits));
    ir_value column = ir_binary(f, IR_AND, ir_binary(f, IR_LSHR, value, above), ir_constant(f, (1 << bits) - 1));
    lower_store_slot(l, slot, ir_binary(f, IR_ADD, ir_binary(f, IR_OR, row, column), ir_constant(f, 1)));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, slot);
}

/*     v < min: 0;  v >= max: last;  else (v - min) / step + 1 */
static ir_value linear_bucket(struct lower *l, const struct type *type, ir_value value) {
    struct ir_function *f = l->f;
    ir_slot slot = lower_temp_slot(l, 8);
    ir_block start = f->current, test = ir_block_new(f, start), top = ir_block_new(f, start);
    ir_block inside = ir_block_new(f, start), join = ir_block_new(f, start);
    lower_store_slot(l, slot, ir_constant(f, 0));
    ir_branch(f, ir_binary(f, IR_SLT, value, ir_constant(f, type->lhist_min)), join, test);
    ir_enter(f, test);
    ir_branch(f, ir_binary(f, IR_SGE, value, ir_constant(f, type->lhist_max)), top, inside);
    ir_enter(f, top);
    lower_store_slot(l, slot, ir_constant(f, type->size / 8 - 1));
    ir_jump(f, join);
    ir_enter(f, inside);
    ir_value above = ir_binary(f, IR_SUB, value, ir_constant(f, type->lhist_min));
    ir_value number = ir_binary(f, IR_UDIV, above, ir_constant(f, type->lhist_step));
    lower_store_slot(l, slot, ir_binary(f, IR_ADD, number, ir_constant(f, 1)));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, slot);
}

static void update_bucket(struct lower *l, const struct lang_map *map, ir_value element, ir_value bucket) {
    struct ir_function *f = l->f;
    /* Never taken; tells the verifier the bound. */
    ir_block inside = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_ULT, bucket, ir_constant(f, map->value->size / 8)), inside, join);
    ir_enter(f, inside);
    ir_value offset = ir_binary(f, IR_MUL, bucket, ir_constant(f, 8));
    add_at(l, map, ir_binary(f, IR_ADD, element, offset), 0, ir_constant(f, 1));
    ir_jump(f, join);
    ir_enter(f, join);
}

/* ---- tseries ------------------------------------------------------------------------------------------------ */

enum { SLOT_EPOCH = 0, SLOT_VALUE = 8, SLOT_META = 16 };

/* The slot is of another round: what it holds goes. An interrupt's program may come in between, start the new interval
 * and add to it, so the old values are subtracted where they can be:
 *     if (slot->epoch != epoch) { v = slot->value; m = slot->meta;
 *         if (cmpxchg(&slot->epoch, old, epoch) == old) { slot->value -= v; slot->meta -= m; } } */
static void begin_interval(struct lower *l, const struct lang_map *map, ir_value slot, ir_value epoch) {
    struct ir_function *f = l->f;
    ir_value old = ir_load(f, 8, slot, SLOT_EPOCH);
    ir_block start = f->current, other = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_branch(f, ir_binary(f, IR_NE, old, epoch), other, join);
    ir_enter(f, other);
    if (map->single_writer) {
        ir_store(f, 8, slot, SLOT_EPOCH, epoch);
        ir_store(f, 8, slot, SLOT_VALUE, ir_constant(f, 0));
        ir_store(f, 8, slot, SLOT_META, ir_constant(f, 0));
    } else {
        ir_value value = ir_load(f, 8, slot, SLOT_VALUE), meta = ir_load(f, 8, slot, SLOT_META);
        ir_block ours = ir_block_new(f, other);
        ir_value before = ir_atomic(f, IR_ATOMIC_CMPXCHG, 8, slot, SLOT_EPOCH, epoch, old);
        ir_branch(f, ir_binary(f, IR_EQ, before, old), ours, join);
        ir_enter(f, ours);
        ir_atomic(f, IR_ATOMIC_ADD, 8, slot, SLOT_VALUE, ir_unary(f, IR_NEG, value), IR_NONE);
        ir_atomic(f, IR_ATOMIC_ADD, 8, slot, SLOT_META, ir_unary(f, IR_NEG, meta), IR_NONE);
    }
    ir_jump(f, join);
    ir_enter(f, join);
}

/* The clock is read once for all series of an event: cheaper, and they agree on the interval. */
static ir_value real_time(struct lower *l) {
    struct found *known = &l->series_time;
    if (known->f == l->f && ir_dominates(l->f, known->block, l->f->current))
        return known->element;
    ir_value boot = ir_call0(l->f, IR_HELPER_ktime_get_boot_ns);
    ir_value now = ir_binary(l->f, IR_ADD, boot, ir_constant(l->f, (int64_t)l->env->boot_to_real));
    *known = (struct found){.element = now, .block = l->f->current, .f = l->f};
    return now;
}

/* ns since 1970. Or what a map of the script says: then tests know the answer. */
static ir_value series_time(struct lower *l) {
    const char *clock = l->env->series_clock;
    for (uint32_t i = 0; clock && i < l->program->maps.count; i++) {
        struct lang_map *map = l->program->maps.data[i];
        if (strcmp(map->name, clock) == 0 && map->storage == LANG_STORE_GLOBAL) {
            struct node node = {.kind = NODE_MAP, .map = map, .type = map->value};
            return lower_map_scalar(l, &node);
        }
    }
    return real_time(l);
}

/*     now = boottime + boot_to_real; number = now / interval; slot = &series[number % count]; epoch = number + 1; */
static void update_series(struct lower *l, const struct lang_map *map, ir_value element, ir_value value) {
    struct ir_function *f = l->f;
    const struct type *type = map->value;
    ir_value now = series_time(l);
    ir_value number = ir_binary(f, IR_UDIV, now, ir_constant(f, (int64_t)type->interval));
    ir_value epoch = ir_binary(f, IR_ADD, number, ir_constant(f, 1));
    ir_value index = ir_binary(f, IR_UMOD, number, ir_constant(f, type->count));
    /* Never taken; tells the verifier the bound. */
    ir_block inside = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_ULT, index, ir_constant(f, type->count)), inside, join);
    ir_enter(f, inside);
    ir_value offset = ir_binary(f, IR_MUL, index, ir_constant(f, TYPE_TSERIES_SLOT));
    ir_value slot = ir_binary(f, IR_ADD, element, offset);
    if (type->fold == TYPE_FOLD_LAST) {
        ir_store(f, 8, slot, SLOT_VALUE, value);
        ir_store(f, 8, slot, SLOT_META, now);
        ir_store(f, 8, slot, SLOT_EPOCH, epoch);
    } else {
        begin_interval(l, map, slot, epoch);
        if (type->fold == TYPE_FOLD_MIN || type->fold == TYPE_FOLD_MAX)
            update_extreme(l, type, type->fold == TYPE_FOLD_MIN, ir_add_offset(f, slot, SLOT_VALUE), value);
        else
            add_at(l, map, slot, SLOT_VALUE, value);
        if (type->fold == TYPE_FOLD_AVG)
            add_at(l, map, slot, SLOT_META, ir_constant(f, 1));
    }
    ir_jump(f, join);
    ir_enter(f, join);
}

static void update(struct lower *l, const struct lang_map *map, ir_value element, ir_value value, ir_value bucket) {
    const struct type *type = map->value;
    switch (type->kind) {
    case TYPE_COUNT:
        add_at(l, map, element, 0, ir_constant(l->f, 1));
        break;
    case TYPE_SUM:
        add_at(l, map, element, 0, value);
        if (!map->key) /* a sum of 0 is not the same as no sum */
            ir_store(l->f, 8, element, 8, ir_constant(l->f, 1));
        break;
    case TYPE_AVG:
    case TYPE_STATS:
        add_at(l, map, element, 0, ir_constant(l->f, 1));
        add_at(l, map, element, 8, value);
        break;
    case TYPE_MIN:
    case TYPE_MAX:
        update_extreme(l, type, type->kind == TYPE_MIN, element, value);
        break;
    case TYPE_TSERIES:
        update_series(l, map, element, value);
        break;
    case TYPE_HIST:
    case TYPE_LHIST:
        update_bucket(l, map, element, bucket);
        break;
    default:
        BUG("no aggregate: type kind %d", type->kind);
    }
}

static ir_value bucket_of(struct lower *l, const struct type *type, ir_value value) {
    if (type->kind == TYPE_LHIST)
        return linear_bucket(l, type, value);
    if (type->kind == TYPE_HIST)
        return type->count ? fine_bucket(l, value, type->count) : simple_bucket(l, value);
    return IR_NONE;
}

void lower_aggregate(struct lower *l, const struct node *target, const struct node *call) {
    const struct lang_map *map = target->map;
    ir_value value = call->child ? lower_scalar(l, call->child) : IR_NONE;
    ir_value bucket = bucket_of(l, map->value, value);
    if (map->storage == LANG_STORE_ROWS) {
        update(l, map, lower_row(l, map->offset, map->stride), value, bucket);
        return;
    }
    ir_value key = lower_key(l, map, target->child);
    ir_block join = ir_block_new(l->f, l->f->current);
    ir_value element = lower_map_slot(l, map, key, join);
    update(l, map, element, value, bucket);
    ir_jump(l->f, join);
    ir_enter(l->f, join);
}

/* ---- reading in the kernel: over all CPUs ------------------------------------------------------------------- */

/* What one CPU adds: {first, second} words go into the two sums; min and max compare instead. */
static void merge_cpu(struct lower *l, const struct type *type, ir_value element, ir_slot first, ir_slot second) {
    struct ir_function *f = l->f;
    if (type->kind != TYPE_MIN && type->kind != TYPE_MAX) {
        ir_value sum = ir_binary(f, IR_ADD, lower_load_slot(l, first), ir_load(f, 8, element, 0));
        lower_store_slot(l, first, sum);
        if (type->kind == TYPE_AVG || type->kind == TYPE_STATS)
            lower_store_slot(l, second, ir_binary(f, IR_ADD, lower_load_slot(l, second), ir_load(f, 8, element, 8)));
        return;
    }
    ir_block start = f->current, set = ir_block_new(f, start), compare = ir_block_new(f, set);
    ir_block better = ir_block_new(f, set), join = ir_block_new(f, start);
    ir_branch(f, ir_load(f, 8, element, 8), set, join);
    ir_enter(f, set);
    ir_value value = ir_load(f, 8, element, 0);
    ir_branch(f, lower_load_slot(l, second), compare, better);
    ir_enter(f, compare);
    enum ir_op op = type->kind == TYPE_MIN ? (type->is_signed ? IR_SLT : IR_ULT) : type->is_signed ? IR_SGT : IR_UGT;
    ir_branch(f, ir_binary(f, op, value, lower_load_slot(l, first)), better, join);
    ir_enter(f, better);
    lower_store_slot(l, first, value);
    lower_store_slot(l, second, ir_constant(f, 1));
    ir_jump(f, join);
    ir_enter(f, join);
}

/* The element of one CPU; NULL when there is none, `next` then. */
static ir_value element_of(struct lower *l, ir_value handle, ir_value key, uint32_t cpu, ir_block next) {
    struct ir_function *f = l->f;
    ir_value element = ir_calln(f, IR_HELPER_map_lookup_percpu_elem, handle, key, ir_constant(f, cpu));
    ir_block found = ir_block_new(f, f->current);
    ir_branch(f, element, found, next);
    ir_enter(f, found);
    return element;
}

/* For each CPU: e = lookup_percpu(handle, key, cpu); if (e) merge. Without a key the map has rows; without a handle
 * it is found first. */
static ir_value sum_over_cpus(struct lower *l, const struct lang_map *map, ir_value handle, ir_value key) {
    const struct type *type = map->value;
    ir_slot first = lower_temp_slot(l, 8), second = lower_temp_slot(l, 8);
    lower_store_slot(l, first, ir_constant(l->f, 0));
    lower_store_slot(l, second, ir_constant(l->f, 0));
    ir_block done = ir_block_new(l->f, l->f->current);
    if (key != IR_NONE && handle == IR_NONE)
        handle = lower_tested_handle(l, map, done);
    for (uint32_t cpu = 0; cpu < l->env->cpu_count; cpu++) {
        ir_block next = ir_block_new(l->f, l->f->current);
        ir_value element =
            key == IR_NONE ? lower_global(l, map->offset + cpu * map->stride) : element_of(l, handle, key, cpu, next);
        merge_cpu(l, type, element, first, second);
        ir_jump(l->f, next);
        ir_enter(l->f, next);
    }
    ir_jump(l->f, done);
    ir_enter(l->f, done);
    ir_value sum = lower_load_slot(l, first);
    if (type->kind != TYPE_AVG && type->kind != TYPE_STATS)
        return sum;
    /* Nothing counted: the machine's 0 for a division by 0 is the answer. */
    return ir_binary(l->f, type->is_signed ? IR_SDIV : IR_UDIV, lower_load_slot(l, second), sum);
}

ir_value lower_aggregate_sum(struct lower *l, const struct node *node) {
    const struct lang_map *map = node->map;
    assert(node->kind == NODE_MAP);
    bool rows = map->storage == LANG_STORE_ROWS;
    return sum_over_cpus(l, map, IR_NONE, rows ? IR_NONE : lower_key(l, map, node->child));
}

ir_value lower_aggregate_element(struct lower *l, const struct lang_map *map) {
    return sum_over_cpus(l, map, ir_element(l->f, IR_ELEMENT_MAP), ir_element(l->f, IR_ELEMENT_KEY));
}
