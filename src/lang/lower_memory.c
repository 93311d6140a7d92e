/* Memory: where an object lies, reading through pointers with failures counted, and large values built in place. */
#include "lang/lower_int.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

#define UNROLL_LIMIT 128 /* bytes copied or zeroed by plain stores; above, one helper call */

/* ---- guards ------------------------------------------------------------------------------------------------ */

void guard_begin(struct lower *l, struct guard *guard, struct loc loc) {
    *guard = (struct guard){l->guard, loc, l->f->current, IR_NONE, IR_NONE, IR_NONE, loc, IR_NONE};
    l->guard = guard;
}

bool guard_is_safe(struct lower *l, struct guard *guard) {
    if (guard->fail != IR_NONE || guard->outside != IR_NONE)
        return false;
    l->guard = guard->outer;
    return true;
}

ir_block lower_fail_block(struct lower *l) {
    struct guard *guard = l->guard;
    assert(guard);
    if (guard->fail == IR_NONE)
        guard->fail = ir_block_new(l->f, guard->start);
    return guard->fail;
}

bool guard_failed(struct lower *l, struct guard *guard) {
    if (guard_is_safe(l, guard))
        return false;
    l->guard = guard->outer;
    guard->join = ir_block_new(l->f, guard->start);
    ir_jump(l->f, guard->join);
    if (guard->fail != IR_NONE) {
        ir_enter(l->f, guard->fail);
        lower_failed(l, LANG_SITE_READ, guard->loc,
                     guard->cause == IR_NONE ? LOWER_NO_CAUSE : lower_take_slot(l, guard->cause));
    }
    if (guard->outside == IR_NONE)
        return true;
    ir_block failed = ir_block_new(l->f, guard->start);
    if (guard->fail != IR_NONE)
        ir_jump(l->f, failed);
    ir_enter(l->f, guard->outside);
    lower_failed(l, LANG_SITE_INDEX, guard->index_loc, LOWER_NO_CAUSE);
    ir_jump(l->f, failed);
    ir_enter(l->f, failed);
    return true;
}

void guard_join(struct lower *l, struct guard *guard) {
    ir_jump(l->f, guard->join);
    ir_enter(l->f, guard->join);
}

/* `result`: of the helper that was, or would be, asked. */
static void continue_unless(struct lower *l, ir_value failed, enum ir_helper helper, ir_value result) {
    ir_block fail = lower_fail_block(l);
    if (l->env->tells_failures) {
        if (l->guard->cause == IR_NONE)
            l->guard->cause = lower_temp_slot(l, 8);
        lower_store_slot(l, l->guard->cause, lower_cause(l, helper, result));
    }
    ir_block next = ir_block_new(l->f, l->f->current);
    ir_branch(l->f, failed, fail, next);
    ir_enter(l->f, next);
}

static void continue_inside(struct lower *l, ir_value inside, struct loc loc) {
    struct guard *guard = l->guard;
    ir_block next = ir_block_new(l->f, l->f->current);
    if (guard->outside == IR_NONE) {
        guard->outside = ir_block_new(l->f, guard->start);
        guard->index_loc = loc;
    }
    ir_branch(l->f, inside, next, guard->outside);
    ir_enter(l->f, next);
}

/* ---- places ------------------------------------------------------------------------------------------------ */

struct place place_direct(ir_value base, int32_t offset) {
    return (struct place){WHERE_DIRECT, base, offset};
}

ir_value place_address(struct lower *l, struct place place) { return ir_add_offset(l->f, place.base, place.offset); }

struct place place_add(struct lower *l, struct place place, int64_t offset) {
    if (place.offset + offset == (int32_t)(place.offset + offset)) {
        place.offset += (int32_t)offset;
        return place;
    }
    place.base = ir_add_offset(l->f, place_address(l, place), offset);
    place.offset = 0;
    return place;
}

static enum lower_where pointer_where(const struct lower *l, const struct pointer *pointer) {
    if (pointer->direct)
        return WHERE_BTF;
    if (pointer->space == SPACE_NONE)
        return l->target->user_pointers ? WHERE_USER : WHERE_KERNEL;
    return pointer->space == SPACE_USER ? WHERE_USER : WHERE_KERNEL;
}

static enum ir_helper read_helper(struct place from) {
    return from.where == WHERE_USER ? IR_HELPER_probe_read_user : IR_HELPER_probe_read_kernel;
}

static struct place behind(struct lower *l, const struct node *node) {
    struct pointer pointer = lower_pointer(l, node);
    struct place place = {pointer_where(l, &pointer), pointer.value, 0};
    if (!pointer.nonnull)
        continue_unless(l, ir_binary(l->f, IR_EQ, pointer.value, ir_constant(l->f, 0)), read_helper(place),
                        ir_constant(l->f, -EFAULT));
    return place;
}

static struct place args_place(struct lower *l) {
    switch (l->target->context) {
    case LANG_CONTEXT_SYSCALL_ENTER:
    case LANG_CONTEXT_SYSCALL_EXIT:
        return (struct place){WHERE_SYSCALL, IR_NONE, 0};
    case LANG_CONTEXT_RAW_TRACEPOINT:
    case LANG_CONTEXT_FENTRY:
    case LANG_CONTEXT_FEXIT:
    case LANG_CONTEXT_ITERATOR:
        return (struct place){WHERE_ARGS, lower_context(l), 0};
    case LANG_CONTEXT_KPROBE:
        return (struct place){WHERE_CALL, IR_NONE, 0};
    default:
        return place_direct(lower_context(l), 0);
    }
}

/* __data_loc: the record holds u32 (length << 16 | offset of the bytes in the record). */
static struct place data_loc(struct lower *l, struct place place) {
    ir_value word = ir_load(l->f, 4, place.base, place.offset);
    ir_value offset = ir_binary(l->f, IR_AND, word, ir_constant(l->f, 0xffff));
    return (struct place){WHERE_KERNEL, ir_binary(l->f, IR_ADD, place.base, offset), 0};
}

static ir_value load_syscall(struct lower *l, int32_t offset) {
    if (offset < 8)
        return offset == 4 ? lower_current(l, "pid") : ir_constant(l->f, 0); /* common_pid, the other common fields */
    bool enter = l->target->context == LANG_CONTEXT_SYSCALL_ENTER;
    if (offset == 8)
        return enter ? ir_load_const(l->f, 8, lower_context(l), 8) : lower_register(l, lang_machine.syscall_number);
    if (!enter)
        return ir_load_const(l->f, 8, lower_context(l), 8);
    uint32_t number = (uint32_t)(offset - 16) / 8;
    return number < 6 ? lower_register(l, lang_syscall_registers[number]) : ir_constant(l->f, 0);
}

/* What lies in registers, put together in memory: a struct that was passed by value, the arguments of a system call. */
static struct place gather_words(struct lower *l, struct place place, uint32_t size) {
    struct place to = lower_temp(l, size);
    for (uint32_t at = 0; at < size; at += 8) {
        int32_t from = place.offset + (int32_t)at;
        ir_value word = place.where == WHERE_SYSCALL ? load_syscall(l, from) : lower_argument_word(l, from / 8);
        ir_store(l->f, 8, to.base, to.offset + (int32_t)at, word);
    }
    return to;
}

static ir_value located_register(struct lower *l, const struct location *location, unsigned index) {
    return lower_register(l, (uint32_t)lang_dwarf_register(location->registers[index]));
}

/* An argument or the result of a user function. What is not in memory is put there: structs may be indexed. */
struct place lower_located(struct lower *l, const struct location *location, const struct type *type) {
    if (location->kind == LOCATION_MEMORY)
        return place_add(l, (struct place){WHERE_USER, located_register(l, location, 0), 0}, location->number);
    if (location->kind == LOCATION_REGISTERS && type_is_scalar(type))
        return place_direct(lower_context(l), lang_dwarf_register(location->registers[0]));
    struct place temp = lower_temp(l, type->size > 16 ? (type->size + 7) & ~7u : 16);
    ir_value first = location->kind == LOCATION_CONSTANT
                         ? ir_constant(l->f, location->number)
                         : ir_add_offset(l->f, located_register(l, location, 0), location->number);
    ir_store(l->f, 8, temp.base, temp.offset, first);
    ir_value second = location->kind == LOCATION_REGISTERS && location->count == 2 ? located_register(l, location, 1)
                                                                                   : ir_constant(l->f, 0);
    ir_store(l->f, 8, temp.base, temp.offset + 8, second);
    return temp;
}

static bool is_located_args(const struct lower *l, const struct node *object) {
    return l->target->function && l->target->function->args == l->target->args && object->builtin &&
           object->builtin->id == LANG_BUILTIN_args;
}

static struct place result_place(struct lower *l) {
    return lower_located(l, &l->target->function->result_location, l->target->function->result);
}

/* `element`: only one element is wanted, known beforehand, which has a register of its own. */
static struct place field_place(struct lower *l, const struct node *node, bool element) {
    const struct node *object = node->child;
    if (is_located_args(l, object)) {
        const struct object_function *function = l->target->function;
        return lower_located(l, &function->locations[node->field - function->args->fields], node->field->type);
    }
    struct place place = object->type->kind == TYPE_POINTER ? behind(l, object) : lower_place(l, object);
    place = place_add(l, place, node->field_offset);
    if (!type_is_scalar(node->type) && (place.where == WHERE_CALL || (place.where == WHERE_SYSCALL && !element)))
        return gather_words(l, place, node->type->size);
    return node->field && node->field->is_data_loc ? data_loc(l, place) : place;
}

/* An index that is not constant: bounded where the size is known, then read as kernel memory wherever it lies. */
static struct place dynamic_index(struct lower *l, struct place place, const struct node *index, uint32_t element,
                                  uint32_t count) {
    struct ir_function *f = l->f;
    ir_value i = lower_scalar(l, index);
    if (count > 0)
        continue_inside(l, ir_binary(f, IR_ULT, i, ir_constant(f, count)), index->loc);
    ir_value offset = ir_binary(f, IR_MUL, i, ir_constant(f, element));
    place.base = ir_binary(f, IR_ADD, place_address(l, place), offset);
    place.offset = 0;
    if (place.where != WHERE_USER)
        place.where = WHERE_KERNEL;
    return place;
}

static struct place index_place(struct lower *l, const struct node *node) {
    const struct node *object = node->child, *index = object->next;
    bool pointer = object->type->kind == TYPE_POINTER;
    uint32_t size = object->type->kind == TYPE_STRING ? 1 : object->type->target->size;
    uint32_t count = object->type->kind == TYPE_STRING ? object->type->size : object->type->count;
    bool element = index->is_constant && object->kind == NODE_FIELD;
    struct place place = pointer ? behind(l, object) : element ? field_place(l, object, true) : lower_place(l, object);
    if (index->is_constant)
        return place_add(l, place, index->number * (int64_t)(size ? size : 1));
    return dynamic_index(l, place, index, size ? size : 1, pointer ? 0 : count);
}

struct place lower_place(struct lower *l, const struct node *node) {
    node = lower_value(l, node);
    switch (node->kind) {
    case NODE_IDENTIFIER:
    case NODE_CALL:
        if (node->builtin && node->builtin->id == LANG_BUILTIN_args)
            return args_place(l);
        if (node->builtin && node->builtin->id == LANG_BUILTIN_retval && !type_is_scalar(node->type))
            return result_place(l);
        break;
    case NODE_FIELD:
        return field_place(l, node, false);
    case NODE_INDEX:
        return index_place(l, node);
    case NODE_TUPLE_FIELD:
        return place_add(l, lower_place(l, node->child), node->child->type->fields[node->number].offset);
    case NODE_UNARY:
        if (node->op == OP_DEREFERENCE)
            return behind(l, node->child);
        break;
    case NODE_VARIABLE:
        return lower_variable_memory(l, node->variable);
    case NODE_MAP:
        return lower_map_place(l, node);
    default:
        break;
    }
    return lower_bytes(l, node, 0, NULL);
}

/* ---- loads ------------------------------------------------------------------------------------------------- */

static void read_memory(struct lower *l, struct place from, struct place to, uint32_t size) {
    enum ir_helper helper = read_helper(from);
    ir_value error = ir_calln(l->f, helper, place_address(l, to), ir_constant(l->f, size), place_address(l, from));
    continue_unless(l, ir_binary(l->f, IR_SLT, error, ir_constant(l->f, 0)), helper, error);
}

/* Widest access that `offset` is aligned for and that stays within `size`; the stack takes no other. */
static uint32_t aligned_width(int32_t offset, uint32_t size) {
    uint32_t width = 8;
    while (width > size || ((uint32_t)offset & (width - 1)))
        width /= 2;
    return width;
}

/* Members of packed structs: value = part0 | part1 << 8 * width | ... */
static ir_value load_in_parts(struct lower *l, struct place place, uint32_t size) {
    uint32_t width = aligned_width(place.offset, size);
    ir_value value = ir_load(l->f, width, place.base, place.offset);
    for (uint32_t at = width; at < size; at += width) {
        ir_value part = ir_load(l->f, width, place.base, place.offset + (int32_t)at);
        value = ir_binary(l->f, IR_OR, value, ir_binary(l->f, IR_SHL, part, ir_constant(l->f, 8 * at)));
    }
    return value;
}

ir_value lower_load(struct lower *l, struct place place, const struct type *type) {
    unsigned width = type->size;
    if (width != 1 && width != 2 && width != 4)
        width = 8;
    ir_value value;
    switch (place.where) {
    case WHERE_DIRECT:
        value = load_in_parts(l, place, width);
        break;
    case WHERE_BTF:
        value = ir_load(l->f, width, place.base, place.offset);
        break;
    case WHERE_SYSCALL:
        value = load_syscall(l, place.offset);
        break;
    case WHERE_ARGS:
        value = ir_load(l->f, 8, place.base, place.offset);
        break;
    case WHERE_CALL:
        value = lower_argument_word(l, place.offset / 8);
        if (place.offset % 8) /* a member of a struct that was passed by value */
            value = ir_binary(l->f, IR_LSHR, value, ir_constant(l->f, 8 * (place.offset % 8)));
        break;
    default: {
        struct place temp = lower_temp(l, 8);
        read_memory(l, place, temp, width);
        value = ir_load(l->f, width, temp.base, temp.offset);
        break;
    }
    }
    return lower_resize(l, value, type);
}

/* A bit-field: the storage unit is loaded, shifted up to drop what is above and down again with or without sign. */
static ir_value extract_bits(struct lower *l, ir_value unit, const struct type_field *field) {
    int64_t above = 64 - field->bit_offset - field->bit_size;
    ir_value up = ir_binary(l->f, IR_SHL, unit, ir_constant(l->f, above));
    return ir_binary(l->f, field->type->is_signed ? IR_ASHR : IR_LSHR, up, ir_constant(l->f, 64 - field->bit_size));
}

static ir_value read_guarded(struct lower *l, const struct node *node) {
    struct place place = lower_place(l, node);
    ir_value value = lower_load(l, place, node->type);
    if (node->kind == NODE_FIELD && node->field && node->field->bit_size)
        value = extract_bits(l, value, node->field);
    return value;
}

ir_value lower_read(struct lower *l, const struct node *node) {
    if (l->guard) /* inside a chain: its failure is the chain's */
        return read_guarded(l, node);
    struct guard guard;
    guard_begin(l, &guard, node->loc);
    ir_value value = read_guarded(l, node);
    if (guard_is_safe(l, &guard))
        return value;
    ir_slot slot = lower_temp_slot(l, 8);
    lower_store_slot(l, slot, value);
    if (guard_failed(l, &guard)) {
        lower_store_slot(l, slot, ir_constant(l->f, 0));
        guard_join(l, &guard);
    }
    return lower_take_slot(l, slot);
}

/* ---- stores ------------------------------------------------------------------------------------------------ */

void lower_store(struct lower *l, struct place place, const struct type *type, ir_value value) {
    unsigned width = type->size == 1 || type->size == 2 || type->size == 4 ? type->size : 8;
    ir_store(l->f, width, place.base, place.offset, value);
}

void lower_zero(struct lower *l, struct place place, uint32_t size) {
    struct ir_function *f = l->f;
    size = (size + 7) & ~7u;
    if (size <= UNROLL_LIMIT) {
        for (uint32_t at = 0; at < size; at += 8)
            ir_store(f, 8, place.base, place.offset + (int32_t)at, ir_constant(f, 0));
        return;
    }
    for (uint32_t at = 0; at < size; at += LANG_CONSTANTS_ZERO) {
        uint32_t part = size - at < LANG_CONSTANTS_ZERO ? size - at : LANG_CONSTANTS_ZERO;
        ir_calln(f, IR_HELPER_probe_read_kernel, place_address(l, place_add(l, place, at)), ir_constant(f, part),
                 lower_constants(l, 0));
    }
}

/* Zero bytes from `size` up to the next multiple of 8. */
static void lower_zero_tail(struct lower *l, struct place place, uint32_t size) {
    for (unsigned width = 1; size & 7; width *= 2) {
        if (size & width) {
            ir_store(l->f, width, place.base, place.offset + (int32_t)size, ir_constant(l->f, 0));
            size += width;
        }
    }
}

void lower_copy(struct lower *l, struct place to, struct place from, uint32_t size) {
    struct ir_function *f = l->f;
    size = (size + 7) & ~7u;
    if (size > UNROLL_LIMIT) {
        ir_calln(f, IR_HELPER_probe_read_kernel, place_address(l, to), ir_constant(f, size), place_address(l, from));
        return;
    }
    for (int32_t at = 0; at < (int32_t)size; at += 8)
        ir_store(f, 8, to.base, to.offset + at, ir_load(f, 8, from.base, from.offset + at));
}

void lower_copy_stored(struct lower *l, struct place to, struct place from, const struct type *type) {
    if (type_is_scalar(type))
        lower_store(l, to, type, lower_load(l, from, type));
    else
        lower_copy(l, to, from, type->size);
}

/* `size` bytes and no more, from inside of something larger. */
static void copy_part(struct lower *l, struct place to, struct place from, uint32_t size) {
    struct ir_function *f = l->f;
    if (size > UNROLL_LIMIT) {
        ir_calln(f, IR_HELPER_probe_read_kernel, place_address(l, to), ir_constant(f, size), place_address(l, from));
        return;
    }
    for (int32_t at = 0; at < (int32_t)size;) {
        uint32_t width = aligned_width((from.offset + at) | (to.offset + at), size - (uint32_t)at);
        ir_store(f, width, to.base, to.offset + at, ir_load(f, width, from.base, from.offset + at));
        at += (int32_t)width;
    }
}

/* ---- strings ----------------------------------------------------------------------------------------------- */

/* Literal text as 8-byte words; the rest of the string becomes zero when `clean`. */
static void store_literal(struct lower *l, const struct node *node, uint32_t size, struct place to, bool clean) {
    uint32_t used = node->length + 1 < size ? node->length + 1 : size;
    for (uint32_t at = 0; at < ((used + 7) & ~7u); at += 8) {
        uint64_t word = 0;
        for (uint32_t i = 0; i < 8 && at + i < node->length && at + i < size; i++)
            word |= (uint64_t)(uint8_t)node->text[at + i] << (8 * i);
        ir_store(l->f, 8, to.base, to.offset + (int32_t)at, ir_constant(l->f, (int64_t)word));
    }
    uint32_t done = (used + 7) & ~7u;
    if (clean && done < size)
        lower_zero(l, place_add(l, to, done), size - done);
}

/*     if (length == size) probe_read(to + size - 1, 1, from + size - 1);
 * The helper ends what it cuts with a NUL. With the byte that belongs there, a text that was cut fills its buffer,
 * which is how it is known when it is printed. */
static void keep_last_byte(struct lower *l, struct place from, struct place to, uint32_t size, ir_value length) {
    struct ir_function *f = l->f;
    ir_block full = ir_block_new(f, f->current), go_on = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_EQ, length, ir_constant(f, size)), full, go_on);
    ir_enter(f, full);
    enum ir_helper helper = from.where == WHERE_USER ? IR_HELPER_probe_read_user : IR_HELPER_probe_read_kernel;
    ir_calln(f, helper, place_address(l, place_add(l, to, size - 1)), ir_constant(f, 1),
             place_address(l, place_add(l, from, size - 1)));
    ir_jump(f, go_on);
    ir_enter(f, go_on);
}

void lower_read_text(struct lower *l, struct place from, struct place to, uint32_t size, bool clean, struct loc loc,
                     bool shows_cut) {
    struct guard guard;
    if (clean)
        lower_zero(l, to, size);
    guard_begin(l, &guard, loc);
    enum ir_helper helper = from.where == WHERE_USER ? IR_HELPER_probe_read_user_str : IR_HELPER_probe_read_kernel_str;
    ir_value length = ir_calln(l->f, helper, place_address(l, to), ir_constant(l->f, size), place_address(l, from));
    continue_unless(l, ir_binary(l->f, IR_SLT, length, ir_constant(l->f, 0)), helper, length);
    if (shows_cut)
        keep_last_byte(l, from, to, size, length);
    if (guard_failed(l, &guard)) {
        ir_store(l->f, 1, to.base, to.offset, ir_constant(l->f, 0));
        guard_join(l, &guard);
    }
}

/* Arrays of characters may be full, without a NUL. Names of tasks never are, and are what scripts read most. */
static bool may_be_full(const struct node *node) {
    const struct type_field *field = node->field;
    return !field || (!field->is_data_loc && !(node->type->size == 16 && str_ends(field->name, "comm")));
}

static uint32_t string_capacity(const struct node *node) {
    return node->kind == NODE_STRING ? node->length + 1 : node->type->size;
}

/* Values that the program keeps are stored clean. */
static bool is_kept(const struct node *node) {
    return node->kind == NODE_VARIABLE || node->kind == NODE_MAP ||
           (node->kind == NODE_TUPLE_FIELD && is_kept(node->child));
}

struct place lower_whole(struct lower *l, const struct node *node, const struct type *type) {
    if (is_kept(node) && type_equal(node->type, type))
        return lower_place(l, node);
    struct place temp = lower_temp(l, type->size);
    lower_into(l, node, type, temp, true);
    return temp;
}

struct place lower_bytes(struct lower *l, const struct node *node, uint32_t need, uint32_t *size) {
    node = lower_value(l, node);
    uint32_t capacity = node->type->size;
    if (node->type->kind == TYPE_STRING &&
        (node->kind == NODE_VARIABLE || node->kind == NODE_MAP || node->kind == NODE_TUPLE_FIELD)) {
        if (size)
            *size = capacity;
        return lower_place(l, node);
    }
    const struct type *type = node->type;
    bool whole = node->builtin; /* is copied as it is: comm */
    if (type->kind == TYPE_STRING && need && need + 1 < capacity && !whole) {
        capacity = need + 1; /* one more: a longer text must not end where the other one ends */
        type = type_string(l->arena, capacity);
    }
    if (size)
        *size = capacity;
    struct place temp = lower_temp(l, capacity);
    lower_into(l, node, type, temp, true);
    return temp;
}

/* difference = OR over words of (a ^ b); the last word is masked to the bytes that count */
static ir_value compare_words(struct lower *l, struct place a, struct place b, const uint8_t *literal,
                              uint32_t length) {
    struct ir_function *f = l->f;
    ir_value difference = ir_constant(f, 0);
    for (uint32_t at = 0; at < length; at += 8) {
        ir_value other;
        if (literal) {
            uint64_t word = 0;
            for (uint32_t i = 0; i < 8 && at + i < length; i++)
                word |= (uint64_t)literal[at + i] << (8 * i);
            other = ir_constant(f, (int64_t)word);
        } else {
            other = ir_load(f, 8, b.base, b.offset + (int32_t)at);
        }
        ir_value word = ir_load(f, 8, a.base, a.offset + (int32_t)at);
        if (length - at < 8) {
            ir_value mask = ir_constant(f, (int64_t)((1ull << (8 * (length - at))) - 1));
            word = ir_binary(f, IR_AND, word, mask);
            if (!literal)
                other = ir_binary(f, IR_AND, other, mask);
        }
        difference = ir_binary(f, IR_OR, difference, ir_binary(f, IR_XOR, word, other));
    }
    return ir_binary(f, IR_NE, difference, ir_constant(f, 0));
}

ir_value lower_words_differ(struct lower *l, struct place a, struct place b, uint32_t size) {
    return compare_words(l, a, b, NULL, size);
}

static ir_value differs_from_literal(struct lower *l, const struct node *node, const struct node *literal,
                                     uint32_t length) {
    uint32_t count = literal->length + 1, size = 0;
    if (length && length < count)
        count = length;
    if (string_capacity(node) + 1 == count) /* they are equal when the text fills its array */
        count--;
    if (string_capacity(node) < count) /* cannot hold that text */
        return ir_constant(l->f, 1);
    struct place bytes = lower_bytes(l, node, count, &size);
    return compare_words(l, bytes, bytes, (const uint8_t *)literal->text, count);
}

ir_value lower_string_differs(struct lower *l, const struct node *a, const struct node *b, uint32_t length) {
    if (a->kind == NODE_STRING && b->kind == NODE_STRING) {
        int order = length ? strncmp(a->text, b->text, length) : strcmp(a->text, b->text);
        return ir_constant(l->f, order != 0);
    }
    if (b->kind == NODE_STRING)
        return differs_from_literal(l, a, b, length);
    if (a->kind == NODE_STRING)
        return differs_from_literal(l, b, a, length);
    /* Both unknown: with zero tails equal texts are equal words. */
    uint32_t size = a->type->size > b->type->size ? a->type->size : b->type->size;
    const struct type *type = type_string(l->arena, size);
    struct place left = lower_temp(l, size), right = lower_temp(l, size);
    lower_into(l, a, type, left, true);
    lower_into(l, b, type, right, true);
    return compare_words(l, left, right, NULL, length && length < size ? length : size);
}

/* ---- building values in place ------------------------------------------------------------------------------ */

/* Fields leave bytes of the tuple's words to nobody. */
static bool has_gaps(const struct type *type) {
    uint32_t end = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        if (field->offset != end)
            return true;
        end = field->offset + (field->type->size < 8 ? field->type->size : (field->type->size + 7) & ~7u);
    }
    return end & 7;
}

/* Number of the field of `type` that the element `i` of another tuple belongs to: records go by name. */
static uint32_t field_index(const struct type *type, const char *name, uint32_t i) {
    return name ? type_record_index(type, name) : i;
}

void lower_copy_value(struct lower *l, struct place from, const struct type *from_type, struct place to,
                      const struct type *type) {
    if (type->kind == TYPE_TUPLE && !type_equal(type, from_type)) {
        if (has_gaps(type))
            lower_zero(l, to, type->size);
        for (uint32_t i = 0; i < from_type->field_count; i++) {
            const struct type_field *source = &from_type->fields[i];
            const struct type_field *field = &type->fields[field_index(type, source->name, i)];
            lower_copy_value(l, place_add(l, from, source->offset), source->type, place_add(l, to, field->offset),
                             field->type);
        }
    } else if (type_is_scalar(type)) {
        lower_store(l, to, type, lower_load(l, from, from_type));
    } else {
        uint32_t size = from_type->size < type->size ? from_type->size : type->size;
        lower_copy(l, to, from, size);
        uint32_t done = (size + 7) & ~7u;
        if (done < type->size)
            lower_zero(l, place_add(l, to, done), type->size - done);
    }
}

static void tuple_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    if (clean && has_gaps(type))
        lower_zero(l, to, type->size);
    const struct node *element = node->child;
    for (uint32_t i = 0; i < type->field_count && element; i++, element = element->next) {
        const struct type_field *field = &type->fields[field_index(type, node->names ? node->names[i] : NULL, i)];
        lower_into(l, element, field->type, place_add(l, to, field->offset), clean);
    }
}

/* Bytes behind a pointer or in a record: arrays, structs, char arrays as strings. */
static void memory_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                        bool clean) {
    struct guard guard;
    guard_begin(l, &guard, node->loc);
    struct place from = lower_place(l, node);
    if (type->kind == TYPE_STRING)
        lower_read_text(l, from, to, node->type->size < type->size ? node->type->size : type->size, clean, node->loc,
                        node->type->size <= type->size && may_be_full(node));
    else if (from.where == WHERE_DIRECT && (type->kind == TYPE_ARRAY || type->kind == TYPE_STRUCT))
        copy_part(l, to, from, type->size);
    else if (from.where == WHERE_DIRECT)
        lower_copy_value(l, from, node->type, to, type);
    else
        read_memory(l, from, to, type->size);
    if (clean && type->kind != TYPE_STRING && (type->size & 7)) /* keys and values are whole words */
        lower_zero_tail(l, to, type->size);
    if (clean && type->kind == TYPE_STRING && node->type->size < type->size) {
        uint32_t done = (node->type->size + 7) & ~7u;
        if (done < type->size)
            lower_zero(l, place_add(l, to, done), type->size - done);
    }
    if (guard_failed(l, &guard)) {
        lower_zero(l, to, type->size);
        guard_join(l, &guard);
    }
}

static void ternary_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                         bool clean) {
    struct ir_function *f = l->f;
    ir_block start = f->current, yes = ir_block_new(f, start), no = ir_block_new(f, start);
    ir_block join = ir_block_new(f, start);
    const struct node *then = node->child->next;
    lower_condition(l, node->child, yes, no);
    ir_enter(f, yes);
    lower_into(l, then, type, to, clean);
    ir_jump(f, join);
    ir_enter(f, no);
    lower_into(l, then->next, type, to, clean);
    ir_jump(f, join);
    ir_enter(f, join);
}

/* An array takes the bytes of a number, low ones first, or those of a text. */
static void cast_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    const struct node *operand = node->child;
    if (type->kind == TYPE_ARRAY && type_is_scalar(operand->type)) {
        ir_value bytes = lower_scalar(l, operand);
        if (type->size < 8)
            bytes = ir_binary(l->f, IR_AND, bytes, ir_constant(l->f, (int64_t)((1ull << (8 * type->size)) - 1)));
        ir_store(l->f, 8, to.base, to.offset, bytes);
    } else {
        bool text = type->kind == TYPE_ARRAY && operand->type->kind == TYPE_STRING;
        lower_into(l, operand, text ? type_string(l->arena, type->size) : type, to, clean);
    }
}

static void text_into(struct lower *l, const char *text, const struct type *type, struct place to, bool clean) {
    struct node literal = {.kind = NODE_STRING, .text = text, .length = (uint32_t)strlen(text)};
    store_literal(l, &literal, type->size, to, clean);
}

static void typeinfo_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                          bool clean) {
    const struct type_field *fields = type->fields;
    ir_store(l->f, 8, to.base, to.offset, ir_constant(l->f, node->common->btf_id));
    text_into(l, type_kind_text(node->common), fields[1].type, place_add(l, to, fields[1].offset), clean);
    text_into(l, type_text(l->arena, node->common), fields[2].type, place_add(l, to, fields[2].offset), clean);
}

static void function_into(struct lower *l, const struct node *node, const struct type *type, struct place to) {
    struct place result = lower_temp(l, node->type->size);

    lower_zero(l, result, (node->type->size + 7) & ~7u);
    lower_function(l, node, result);
    lower_copy_value(l, result, node->type, to, type);
}

void lower_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    node = lower_value(l, node);
    if (type_is_scalar(type)) {
        lower_store(l, to, type, lower_scalar(l, node));
        return;
    }
    switch (node->kind) {
    case NODE_STRING:
        store_literal(l, node, type->size, to, clean);
        break;
    case NODE_TUPLE:
        tuple_into(l, node, type, to, clean);
        break;
    case NODE_TYPEINFO:
        typeinfo_into(l, node, type, to, clean);
        break;
    case NODE_TERNARY:
        ternary_into(l, node, type, to, clean);
        break;
    case NODE_IDENTIFIER:
        lower_builtin_into(l, node, type, to);
        break;
    case NODE_FUNCTION:
        function_into(l, node, type, to);
        break;
    case NODE_CALL:
        if (node->builtin)
            lower_builtin_into(l, node, type, to);
        else
            lower_call_into(l, node, type, to, clean);
        break;
    case NODE_CAST:
        cast_into(l, node, type, to, clean);
        break;
    case NODE_VARIABLE:
    case NODE_MAP:
    case NODE_TUPLE_FIELD:
        lower_copy_value(l, lower_place(l, node), node->type, to, type);
        break;
    default:
        memory_into(l, node, type, to, clean);
    }
}
