/* Map elements.
 *
 * Integers are updated in place, atomically: look up, add; on a miss insert zero bytes (NOEXIST) and look up again. So
 * two CPUs that meet never lose a count. Larger values are replaced as a whole by the kernel (update_elem).
 */
#include "lang/lower_int.h"
#include <errno.h>
#include <linux/bpf.h>

static const struct lang_map_plan *spec_of(const struct lower *l, const struct lang_map *map) {
    return &l->plan->maps.data[map->map];
}

static ir_value first_entry(struct lower *l) {
    ir_slot slot = lower_temp_slot(l, 8);
    lower_store_slot(l, slot, ir_constant(l->f, 0));
    return ir_slot_address(l->f, slot);
}

/* Maps with generations are found through their array of maps; the entry is always there, but must be tested. */
ir_value lower_map_handle(struct lower *l, const struct lang_map *map) {
    struct ir_function *f = l->f;
    ir_value outer = ir_map(f, map->map);
    if (!spec_of(l, map)->generations)
        return outer;
    ir_value inner = ir_calln(f, IR_HELPER_map_lookup_elem, outer, first_entry(l));
    return inner;
}

/* Continues where the handle is good; goes to `done` otherwise. */
ir_value lower_tested_handle(struct lower *l, const struct lang_map *map, ir_block done) {
    ir_value handle = lower_map_handle(l, map);
    if (spec_of(l, map)->generations) {
        ir_block next = ir_block_new(l->f, l->f->current);
        ir_branch(l->f, handle, next, done);
        ir_enter(l->f, next);
    }
    return handle;
}

/* ---- keys -------------------------------------------------------------------------------------------------- */

static ir_value scalar_key(struct lower *l, const struct lang_map *map, ir_value number) {
    struct place memory = lower_temp(l, 8);
    if (map->key->size < 8)
        lower_zero(l, memory, 8);
    lower_store(l, memory, map->key, number);
    return place_address(l, memory);
}

ir_value lower_key(struct lower *l, const struct lang_map *map, const struct node *keys) {
    if (!map->key || !keys)
        return first_entry(l);
    if (type_is_scalar(map->key))
        return scalar_key(l, map, lower_scalar(l, keys));
    struct place memory = lower_temp(l, map->key->size);
    if (map->key->kind == TYPE_TUPLE && keys->next) {
        struct node tuple = {.kind = NODE_TUPLE, .loc = keys->loc, .type = map->key, .child = (struct node *)keys};
        lower_into(l, &tuple, map->key, memory, true);
    } else {
        lower_into(l, keys, map->key, memory, true);
    }
    return place_address(l, memory);
}

/* ---- elements found before -----------------------------------------------------------------------------------

 * A helper call costs 20 ns, so `/@s[tid]/ { ... @s[tid] ... }` looks up once: a later use of the same key takes the
 * pointer that an earlier, dominating look-up gave (tested for NULL again, which is free). Creating or deleting an
 * element of the map ends that, for the program text behind it. */

static ir_value found_before(const struct lower *l, const struct lang_map *map, ir_value key) {
    for (uint32_t i = l->found.count; i-- > 0;) {
        const struct found *found = &l->found.data[i];
        if (found->map == map && found->key == key && found->f == l->f &&
            ir_dominates(l->f, found->block, l->f->current))
            return found->element;
    }
    return IR_NONE;
}

static void remember(struct lower *l, const struct lang_map *map, ir_value key, ir_value element) {
    struct found found = {map, key, element, l->f->current, l->f};
    vec_push(l->arena, &l->found, found);
}

static void forget(struct lower *l, const struct lang_map *map) {
    for (uint32_t i = 0; i < l->found.count; i++) {
        if (l->found.data[i].map == map)
            l->found.data[i].map = NULL;
    }
}

/* ---- task storage ------------------------------------------------------------------------------------------ */

/* Element of the current task: {u64 value, u64 set}; NULL when absent, or when the kernel refuses one here. */
static ir_value task_element(struct lower *l, const struct lang_map *map, bool create) {
    struct ir_function *f = l->f;
    ir_value task = ir_call0(f, IR_HELPER_get_current_task_btf);
    return ir_calln(f, IR_HELPER_task_storage_get, ir_map(f, map->map), task, ir_constant(f, 0),
                    ir_constant(f, create ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0));
}

/* ---- finding elements -------------------------------------------------------------------------------------- */

/* Pointer to an element or NULL; `keys` as in the tree. The current block may end: `missing` when there is no map. */
static ir_value find_element(struct lower *l, const struct lang_map *map, const struct node *keys, ir_block missing) {
    bool task = map->storage == LANG_STORE_TASK;
    bool shareable = task || (keys && !keys->next && map->key && type_is_scalar(map->key));
    ir_value number = shareable && keys && !task ? lower_scalar(l, keys) : IR_NONE;
    ir_value element = shareable ? found_before(l, map, number) : IR_NONE;
    if (element != IR_NONE)
        return element;
    if (task) {
        element = task_element(l, map, false);
    } else {
        ir_value key = shareable ? scalar_key(l, map, number) : lower_key(l, map, keys);
        element = ir_calln(l->f, IR_HELPER_map_lookup_elem, lower_tested_handle(l, map, missing), key);
    }
    if (shareable)
        remember(l, map, number, element);
    return element;
}

/* The first one that finds the map full tells user space. */
static void report_full(struct lower *l, const struct lang_map *map, ir_block done) {
    struct ir_function *f = l->f;
    struct lang_action action = {.kind = LANG_ACTION_FULL, .loc = f->loc, .map = (struct lang_map *)map};
    ir_value before = ir_atomic(f, IR_ATOMIC_FETCH_ADD, 8, lower_global(l, spec_of(l, map)->full_counter), 0,
                                ir_constant(f, 1), IR_NONE);
    ir_block first = ir_block_new(f, f->current);
    ir_branch(f, before, done, first);
    ir_enter(f, first);
    lower_record(l, &action, NULL, 0);
}

void lower_count_refused(struct lower *l, uint32_t table, const struct lang_map *stops, ir_value error) {
    struct ir_function *f = l->f;
    uint32_t full_counter = l->plan->maps.data[table].full_counter;
    uint32_t refused_counter = l->plan->maps.data[table].refused_counter;
    ir_block full = ir_block_new(f, f->current), refused = ir_block_new(f, f->current);
    ir_block join = ir_block_new(f, f->current);
    /* Before 6.4 the kernel's map functions return int: only the low half of the register counts. */
    ir_value code = ir_extend(f, error, 4, true);
    ir_branch(f, ir_binary(f, IR_EQ, code, ir_constant(f, -E2BIG)), full, refused);
    ir_enter(f, full);
    if (stops)
        report_full(l, stops, join);
    else
        lower_count(l, full_counter);
    ir_jump(f, join);
    ir_enter(f, refused);
    lower_count(l, refused_counter);
    ir_jump(f, join);
    ir_enter(f, join);
}

static void count_refused(struct lower *l, const struct lang_map *map, ir_value error) {
    if (l->env->tells_failures)
        lower_failed(l, LANG_SITE_UPDATE, l->f->loc, lower_cause(l, IR_HELPER_map_update_elem, error));
    lower_count_refused(l, map->map, l->env->full_maps == LANG_FULL_STOP ? map : NULL, error);
}

static ir_value create_in_task(struct lower *l, const struct lang_map *map, ir_block done) {
    struct ir_function *f = l->f;
    ir_value element = task_element(l, map, true);
    ir_block found = ir_block_new(f, f->current), refused = ir_block_new(f, f->current);
    ir_branch(f, element, found, refused);
    ir_enter(f, refused);
    lower_count(l, spec_of(l, map)->refused_counter);
    ir_jump(f, done);
    ir_enter(f, found);
    return element;
}

/*     p = lookup(map, key);
 *     if (!p) { e = update(map, key, zeros, NOEXIST); p = lookup(map, key); if (!p) { count e; goto done; } } */
ir_value lower_map_slot(struct lower *l, const struct lang_map *map, ir_value key, ir_block done) {
    struct ir_function *f = l->f;
    forget(l, map);
    if (map->storage == LANG_STORE_TASK)
        return create_in_task(l, map, done);
    ir_value handle = lower_tested_handle(l, map, done);
    ir_value first = ir_calln(f, IR_HELPER_map_lookup_elem, handle, key);
    ir_block start = f->current, found = ir_block_new(f, start);
    if (map->storage == LANG_STORE_PERCPU_ARRAY) { /* an array entry is always there */
        ir_branch(f, first, found, done);
        ir_enter(f, found);
        return first;
    }
    ir_slot slot = lower_temp_slot(l, 8);
    ir_block missing = ir_block_new(f, start), ready = ir_block_new(f, start);
    ir_branch(f, first, found, missing);
    ir_enter(f, found);
    lower_store_slot(l, slot, first);
    ir_jump(f, ready);

    ir_enter(f, missing);
    ir_value error =
        ir_calln(f, IR_HELPER_map_update_elem, handle, key, lower_constants(l, 0), ir_constant(f, BPF_NOEXIST));
    ir_value second = ir_calln(f, IR_HELPER_map_lookup_elem, handle, key);
    ir_block created = ir_block_new(f, f->current), refused = ir_block_new(f, f->current);
    ir_branch(f, second, created, refused);
    ir_enter(f, created);
    lower_store_slot(l, slot, second);
    ir_jump(f, ready);
    ir_enter(f, refused);
    count_refused(l, map, error);
    ir_jump(f, done);
    ir_enter(f, ready);
    return lower_take_slot(l, slot);
}

/* Where reading finds no element: told with -k, and on to `join`. */
static ir_block missing_block(struct lower *l, ir_block join, struct loc loc) {
    struct ir_function *f = l->f;
    if (!l->env->tells_failures)
        return join;
    ir_block before = f->current, missing = ir_block_new(f, before);
    ir_enter(f, missing);
    lower_failed(l, LANG_SITE_LOOKUP, loc, lower_cause(l, IR_HELPER_map_lookup_elem, ir_constant(f, 0)));
    ir_jump(f, join);
    ir_enter(f, before);
    return missing;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static ir_value global_value(struct lower *l, const struct lang_map *map) { return lower_global(l, map->offset + 8); }

ir_value lower_map_scalar(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct lang_map *map = node->map;
    if (map->storage == LANG_STORE_GLOBAL)
        return lower_resize(l, ir_load(f, 8, global_value(l, map), 0), map->value);
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_value element = find_element(l, map, node->child, join);
    ir_branch(f, element, found, missing_block(l, join, node->loc));
    ir_enter(f, found);
    lower_store_slot(l, result, lower_load(l, place_direct(element, 0), map->value));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

struct place lower_map_place(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct lang_map *map = node->map;
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, lower_constants(l, 0));
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_value element = find_element(l, map, node->child, join);
    ir_branch(f, element, found, missing_block(l, join, node->loc));
    ir_enter(f, found);
    lower_store_slot(l, result, element);
    ir_jump(f, join);
    ir_enter(f, join);
    return place_direct(lower_take_slot(l, result), 0);
}

/* The kernel's struct bpf_map of a whole map with keys; else the address of the element, 0 when there is none. */
ir_value lower_map_address(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct lang_map *map = node->map;
    if (map->key && !node->child)
        return lower_map_handle(l, map);
    if (map->storage == LANG_STORE_GLOBAL)
        return global_value(l, map);
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_value element = find_element(l, map, node->child, join);
    ir_branch(f, element, found, join);
    ir_enter(f, found);
    lower_store_slot(l, result, element);
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

ir_value lower_map_has_key(struct lower *l, const struct lang_map *map, const struct node *keys) {
    struct ir_function *f = l->f;
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_value element = find_element(l, map, keys, join);
    ir_branch(f, element, found, join);
    ir_enter(f, found);
    bool task = map->storage == LANG_STORE_TASK;
    lower_store_slot(l, result, task ? ir_load(f, 8, element, 8) : ir_constant(f, 1));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

/* An element is there: its value goes to the variable. */
static void take_found(struct lower *l, const struct lang_map *map, const struct node *key, ir_value element,
                       struct lang_variable *variable) {
    struct place memory = lower_variable_memory(l, variable);
    if (type_is_aggregate(map->value)) {
        struct node access = {.kind = NODE_MAP, .loc = key->loc, .map = (struct lang_map *)map};
        struct node keys = *key;
        keys.next = NULL; /* what follows is the variable */
        access.child = &keys;
        ir_value number = lower_aggregate_sum(l, &access);
        ir_store(l->f, 8, memory.base, memory.offset, number);
    } else if (type_is_scalar(map->value)) {
        ir_value value = lower_load(l, place_direct(element, 0), map->value);
        ir_store(l->f, 8, memory.base, memory.offset, lower_resize(l, value, variable->type));
    } else {
        lower_copy_value(l, place_direct(element, 0), map->value, memory, variable->type);
    }
}

ir_value lower_map_find(struct lower *l, const struct lang_map *map, const struct node *key,
                        struct lang_variable *variable) {
    struct ir_function *f = l->f;
    struct node keys = *key;
    keys.next = NULL;
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, found = ir_block_new(f, start), join = ir_block_new(f, start);
    ir_value element = find_element(l, map, &keys, join);
    ir_branch(f, element, found, join);
    ir_enter(f, found);
    if (map->storage == LANG_STORE_TASK) { /* an emptied one stays with the task */
        ir_block set = ir_block_new(f, found);
        ir_branch(f, ir_load(f, 8, element, 8), set, join);
        ir_enter(f, set);
    }
    take_found(l, map, key, element, variable);
    lower_store_slot(l, result, ir_constant(f, 1));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

static void store_element(struct lower *l, const struct lang_map *map, ir_value element, ir_value value) {
    lower_store(l, place_direct(element, 0), map->value, value);
    if (map->storage == LANG_STORE_TASK)
        ir_store(l->f, 8, element, 8, ir_constant(l->f, 1));
}

static void mark_set(struct lower *l, const struct lang_map *map) {
    ir_store(l->f, 8, lower_global(l, map->offset), 0, ir_constant(l->f, 1));
}

/* update(map, key, memory), a refusal counted; goes on at `join`, as what jumped there before. */
static void replace_element(struct lower *l, const struct lang_map *map, ir_value handle, ir_value key,
                            struct place memory, ir_block join) {
    struct ir_function *f = l->f;
    ir_value error =
        ir_calln(f, IR_HELPER_map_update_elem, handle, key, place_address(l, memory), ir_constant(f, BPF_ANY));
    ir_block failed = ir_block_new(f, f->current);
    ir_branch(f, error, failed, join);
    ir_enter(f, failed);
    count_refused(l, map, error);
    ir_jump(f, join);
    ir_enter(f, join);
}

static void assign_large(struct lower *l, const struct lang_map *map, const struct node *keys,
                         const struct node *value) {
    struct ir_function *f = l->f;
    struct place memory = lower_temp(l, map->value->size);
    if (map->value->size & 7)
        lower_zero(l, memory, map->value->size);
    lower_into(l, value, map->value, memory, true);
    ir_value key = lower_key(l, map, keys);
    forget(l, map);
    ir_block join = ir_block_new(f, f->current);
    ir_value handle = lower_tested_handle(l, map, join);
    replace_element(l, map, handle, key, memory, join);
}

/*     if (p = lookup(map, key)) *p = value; else update(map, key, &value);
 * Elements of a map that is deleted from are mostly missing when they are assigned: then update at once. */
static void assign_in_hash(struct lower *l, const struct lang_map *map, const struct node *keys, ir_value value) {
    struct ir_function *f = l->f;
    struct place memory = lower_temp(l, 8);
    lower_zero(l, memory, 8);
    lower_store(l, memory, map->value, value);
    ir_value key = lower_key(l, map, keys);
    forget(l, map);
    ir_block join = ir_block_new(f, f->current);
    ir_value handle = lower_tested_handle(l, map, join);
    if (!map->deleted) {
        ir_value element = ir_calln(f, IR_HELPER_map_lookup_elem, handle, key);
        ir_block found = ir_block_new(f, f->current), missing = ir_block_new(f, f->current);
        ir_branch(f, element, found, missing);
        ir_enter(f, found);
        store_element(l, map, element, value);
        ir_jump(f, join);
        ir_enter(f, missing);
    }
    replace_element(l, map, handle, key, memory, join);
}

static void assign_integer(struct lower *l, const struct lang_map *map, const struct node *keys, ir_value value) {
    struct ir_function *f = l->f;
    if (map->storage == LANG_STORE_GLOBAL) {
        ir_store(f, 8, global_value(l, map), 0, value);
        mark_set(l, map);
        return;
    }
    if (map->storage != LANG_STORE_TASK) {
        assign_in_hash(l, map, keys, value);
        return;
    }
    ir_block join = ir_block_new(f, f->current);
    store_element(l, map, lower_map_slot(l, map, IR_NONE, join), value);
    ir_jump(f, join);
    ir_enter(f, join);
}

void lower_map_assign(struct lower *l, const struct node *target, const struct node *value) {
    const struct lang_map *map = target->map;
    if (type_is_aggregate(map->value))
        lower_aggregate(l, target, lower_value(l, value));
    else if (type_is_scalar(map->value))
        assign_integer(l, map, target->child, lower_resize(l, lower_scalar(l, value), map->value));
    else
        assign_large(l, map, target->child, value);
}

/* Adds to the element; *old (if wanted) gets the value before, 0 when the element could not be made. */
static ir_value add_to_element(struct lower *l, const struct lang_map *map, const struct node *keys, enum ir_op op,
                               ir_value by, bool used) {
    struct ir_function *f = l->f;
    enum ir_op fetch = op == IR_ATOMIC_ADD   ? IR_ATOMIC_FETCH_ADD
                       : op == IR_ATOMIC_AND ? IR_ATOMIC_FETCH_AND
                                             : IR_ATOMIC_FETCH_OR;
    if (map->storage == LANG_STORE_GLOBAL) {
        ir_value old = ir_atomic(f, used ? fetch : op, 8, global_value(l, map), 0, by, IR_NONE);
        mark_set(l, map);
        return old;
    }
    ir_slot result = used ? lower_temp_slot(l, 8) : IR_NONE;
    if (used)
        lower_store_slot(l, result, ir_constant(f, 0));
    ir_value key = map->storage == LANG_STORE_TASK ? IR_NONE : lower_key(l, map, keys);
    ir_block join = ir_block_new(f, f->current);
    ir_value element = lower_map_slot(l, map, key, join);
    ir_value old = ir_atomic(f, used ? fetch : op, 8, element, 0, by, IR_NONE);
    if (map->storage == LANG_STORE_TASK)
        ir_store(f, 8, element, 8, ir_constant(f, 1));
    if (used)
        lower_store_slot(l, result, old);
    ir_jump(f, join);
    ir_enter(f, join);
    return used ? lower_take_slot(l, result) : IR_NONE;
}

ir_value lower_map_increment(struct lower *l, const struct node *node, int64_t by, bool postfix, bool used) {
    const struct lang_map *map = node->map;
    ir_value step = lower_pointer_step(l, map->value, ir_constant(l->f, by));
    ir_value old = add_to_element(l, map, node->child, IR_ATOMIC_ADD, step, used);
    if (!used)
        return IR_NONE;
    return lower_resize(l, postfix ? old : ir_binary(l->f, IR_ADD, old, step), map->value);
}

/* += -= &= |= ^= are atomic; the others read, compute and write. */
void lower_map_compound(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *target = node->child, *value = target->next;
    const struct lang_map *map = target->map;
    ir_value operand = lower_pointer_step(l, map->value, lower_number(l, value));
    switch (node->op) {
    case OP_ADD:
        add_to_element(l, map, target->child, IR_ATOMIC_ADD, operand, false);
        return;
    case OP_SUB:
        add_to_element(l, map, target->child, IR_ATOMIC_ADD, ir_unary(f, IR_NEG, operand), false);
        return;
    case OP_AND:
        add_to_element(l, map, target->child, IR_ATOMIC_AND, operand, false);
        return;
    case OP_OR:
        add_to_element(l, map, target->child, IR_ATOMIC_OR, operand, false);
        return;
    case OP_XOR:
        add_to_element(l, map, target->child, IR_ATOMIC_XOR, operand, false);
        return;
    default: {
        ir_value old = lower_map_scalar(l, target);
        bool is_signed = lower_is_signed(node->op, map->value, value->type);
        ir_value result = lower_arithmetic(l, node->op, old, operand, node->loc, is_signed);
        assign_integer(l, map, target->child, lower_resize(l, result, map->value));
    }
    }
}

/* 1 when there was an element. */
ir_value lower_map_delete(struct lower *l, const struct lang_map *map, const struct node *keys) {
    struct ir_function *f = l->f;
    ir_slot result = lower_temp_slot(l, 8);
    if (map->storage == LANG_STORE_GLOBAL) {
        ir_value set = ir_load(f, 8, lower_global(l, map->offset), 0);
        ir_store(f, 8, global_value(l, map), 0, ir_constant(f, 0));
        ir_store(f, 8, lower_global(l, map->offset), 0, ir_constant(f, 0));
        return set;
    }
    lower_store_slot(l, result, ir_constant(f, 0));
    ir_block start = f->current, join = ir_block_new(f, start);
    if (map->storage == LANG_STORE_TASK) { /* the element stays with the task, emptied */
        ir_block found = ir_block_new(f, start);
        ir_value element = find_element(l, map, NULL, join);
        ir_branch(f, element, found, join);
        ir_enter(f, found);
        lower_store_slot(l, result, ir_load(f, 8, element, 8));
        ir_store(f, 8, element, 0, ir_constant(f, 0));
        ir_store(f, 8, element, 8, ir_constant(f, 0));
    } else {
        ir_value key = lower_key(l, map, keys);
        ir_value handle = lower_tested_handle(l, map, join);
        ir_value error = ir_calln(f, IR_HELPER_map_delete_elem, handle, key);
        forget(l, map);
        lower_store_slot(l, result, ir_binary(f, IR_EQ, error, ir_constant(f, 0)));
    }
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}
