/* The builder: appends instructions, and gives back an earlier equal one where that is right. */
#include "ir/ir_int.h"

struct ir_module *ir_module_new(struct arena *arena, const char *name) {
    struct ir_module *module = arena_make(arena, struct ir_module);
    module->arena = arena;
    module->name = arena_strdup(arena, name);
    return module;
}

struct ir_function *ir_function_new(struct ir_module *module, enum ir_function_kind kind, const char *name) {
    if ((module->functions.count == 0) != (kind == IR_MAIN))
        BUG("ir: the first function, and only it, is main");
    struct ir_function *f = arena_make(module->arena, struct ir_function);
    f->module = module;
    f->index = module->functions.count;
    f->kind = kind;
    f->name = arena_strdup(module->arena, name);
    f->share = arena_make(module->arena, struct ir_share);
    hash_init(&f->share->table, module->arena);
    vec_push(module->arena, &module->functions, f);
    f->current = ir_block_new(f, IR_NONE);
    return f;
}

ir_block ir_block_new(struct ir_function *f, ir_block dominator) {
    if ((f->blocks.count == 0) != (dominator == IR_NONE))
        BUG("ir: every block but the entry has a dominator");
    struct ir_basic_block *block = vec_add(f->module->arena, &f->blocks);
    block->dominator = dominator;
    if (dominator == IR_NONE)
        return 0;
    /* Two equal jumps of the ancestors become one, so that every ancestor is log(depth) jumps away. */
    const struct ir_basic_block *above = &f->blocks.data[dominator], *jump = &f->blocks.data[above->far];
    block->depth = above->depth + 1;
    block->far = above->depth - jump->depth == jump->depth - f->blocks.data[jump->far].depth ? jump->far : dominator;
    return f->blocks.count - 1;
}

void ir_enter(struct ir_function *f, ir_block block) {
    if (block >= f->blocks.count)
        BUG("ir: no block %u", block);
    f->current = block;
}

bool ir_finished(const struct ir_function *f) { return ir_terminator(f, f->current) != NULL; }

ir_slot ir_slot_new(struct ir_module *module, uint32_t size, const char *name) {
    struct ir_slot_info *slot = vec_add(module->arena, &module->slots);
    slot->size = (size + 7) & ~7u;
    slot->name = name ? arena_strdup(module->arena, name) : "";
    return module->slots.count - 1;
}

/* ---- appending and sharing ----------------------------------------------------------------------------------- */

ir_value ir_append(struct ir_function *f, const struct ir_instruction *instruction) {
    if (ir_finished(f))
        BUG("ir: %s appended to the finished block b%u", ir_ops[instruction->op].name, f->current);
    struct ir_instruction copy = *instruction; /* it may lie in the array that grows now */
    copy.block = f->current;
    copy.loc = f->loc;
    ir_value value = f->values.count;
    vec_push(f->module->arena, &f->values, copy);
    vec_push(f->module->arena, &f->blocks.data[f->current].instructions, value);
    return value;
}

static bool same_value(const struct ir_instruction *x, const struct ir_instruction *y) {
    if (x->op != y->op || x->width != y->width || x->helper != y->helper || x->argument_count != y->argument_count ||
        x->a != y->a || x->b != y->b || x->immediate != y->immediate)
        return false;
    for (unsigned i = 0; i < x->argument_count; i++)
        if (x->arguments[i] != y->arguments[i])
            return false;
    return true;
}

static uint64_t value_hash(const struct ir_instruction *i) {
    uint64_t words[9] = {(uint64_t)i->op | (uint64_t)i->width << 8 | (uint64_t)i->helper << 16,
                         (uint64_t)i->a << 32 | i->b, (uint64_t)i->immediate, i->argument_count};
    for (unsigned k = 0; k < i->argument_count; k++)
        words[4 + k] = i->arguments[k];
    return hash_bytes(words, sizeof words);
}

ir_value ir_append_shared(struct ir_function *f, const struct ir_instruction *instruction) {
    uint64_t hash = value_hash(instruction);
    struct ir_share_entry *first = hash_get_number(&f->share->table, hash);
    for (struct ir_share_entry *entry = first; entry; entry = entry->next) {
        const struct ir_instruction *earlier = ir_at(f, entry->value);
        if (same_value(earlier, instruction) && ir_dominates(f, earlier->block, f->current))
            return entry->value;
    }
    struct ir_share_entry *entry = arena_make(f->module->arena, struct ir_share_entry);
    entry->value = ir_append(f, instruction);
    entry->next = first;
    hash_put_number(&f->share->table, hash, entry);
    return entry->value;
}

static ir_value append_leaf(struct ir_function *f, enum ir_op op, int64_t immediate) {
    return ir_append_shared(
        f, &(struct ir_instruction){.op = (uint8_t)op, .a = IR_NONE, .b = IR_NONE, .immediate = immediate});
}

/* ---- values -------------------------------------------------------------------------------------------------- */

ir_value ir_constant(struct ir_function *f, int64_t number) { return append_leaf(f, IR_CONSTANT, number); }

bool ir_is_constant(const struct ir_function *f, ir_value value, int64_t *number) {
    const struct ir_instruction *v = ir_at(f, value);
    if (v->op != IR_CONSTANT)
        return false;
    *number = v->immediate;
    return true;
}

ir_value ir_binary(struct ir_function *f, enum ir_op op, ir_value a, ir_value b) {
    if (op < IR_ADD || op > IR_SGE)
        BUG("ir: %s is not a binary operation", ir_ops[op].name);
    ir_value folded = ir_fold_binary(f, &op, &a, &b);
    if (folded != IR_NONE)
        return folded;
    int64_t number;
    if (ir_is_commutative(op) && a > b && !ir_is_constant(f, b, &number)) { /* one order, so that both share */
        ir_value swap = a;
        a = b;
        b = swap;
    }
    return ir_append_shared(f, &(struct ir_instruction){.op = (uint8_t)op, .a = a, .b = b});
}

ir_value ir_context(struct ir_function *f) {
    if (f->kind != IR_MAIN)
        BUG("ir: the context is known in main only");
    return append_leaf(f, IR_CONTEXT, 0);
}

ir_value ir_callback_index(struct ir_function *f) {
    if (f->kind != IR_CALLBACK)
        BUG("ir: main has no callback index");
    return append_leaf(f, IR_CALLBACK_INDEX, 0);
}

ir_value ir_element(struct ir_function *f, enum ir_element_part part) {
    if (f->kind != IR_ELEMENT_CALLBACK)
        BUG("ir: %s is not called for an element", f->name);
    return append_leaf(f, IR_ELEMENT, part);
}

ir_value ir_frame(struct ir_function *f) { return append_leaf(f, IR_FRAME, 0); }
ir_value ir_slot_address(struct ir_function *f, ir_slot slot) { return append_leaf(f, IR_SLOT, slot); }
ir_value ir_map(struct ir_function *f, uint32_t map) { return append_leaf(f, IR_MAP, map); }

ir_value ir_map_value(struct ir_function *f, uint32_t map, uint32_t offset) {
    return append_leaf(f, IR_MAP_VALUE, (int64_t)((uint64_t)map << 32 | offset));
}

ir_value ir_function_address(struct ir_function *f, const struct ir_function *callback) {
    if (callback->kind == IR_MAIN)
        BUG("ir: only callbacks have an address");
    return append_leaf(f, IR_FUNCTION, callback->index);
}

ir_value ir_add_offset(struct ir_function *f, ir_value pointer, int64_t offset) {
    return ir_binary(f, IR_ADD, pointer, ir_constant(f, offset));
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* Moves constant parts of the address into the 16-bit offset of the access as far as they fit. */
static int64_t split_address(struct ir_function *f, ir_value *base, int64_t offset) {
    const struct ir_instruction *v = ir_at(f, *base);
    int64_t number;
    if (v->op == IR_ADD && ir_is_constant(f, v->b, &number)) {
        int64_t total = (int64_t)((uint64_t)offset + (uint64_t)number);
        if (total >= INT16_MIN && total <= INT16_MAX) {
            *base = v->a;
            return total;
        }
    }
    if (offset >= INT16_MIN && offset <= INT16_MAX)
        return offset;
    *base = ir_add_offset(f, *base, offset);
    return 0;
}

ir_value ir_load(struct ir_function *f, unsigned width, ir_value base, int32_t offset) {
    int64_t immediate = split_address(f, &base, offset);
    return ir_append(f, &(struct ir_instruction){
                            .op = IR_LOAD, .width = (uint8_t)width, .a = base, .b = IR_NONE, .immediate = immediate});
}

ir_value ir_load_const(struct ir_function *f, unsigned width, ir_value base, int32_t offset) {
    int64_t immediate = split_address(f, &base, offset);
    return ir_append_shared(
        f, &(struct ir_instruction){
               .op = IR_LOAD_CONST, .width = (uint8_t)width, .a = base, .b = IR_NONE, .immediate = immediate});
}

void ir_store(struct ir_function *f, unsigned width, ir_value base, int32_t offset, ir_value value) {
    int64_t immediate = split_address(f, &base, offset);
    const struct ir_instruction *v = ir_at(f, value);
    if ((v->op == IR_ZEXT || v->op == IR_SEXT) && v->width >= width) /* the store cuts off the rest anyway */
        value = v->a;
    ir_append(f, &(struct ir_instruction){
                     .op = IR_STORE, .width = (uint8_t)width, .a = base, .b = value, .immediate = immediate});
}

ir_value ir_atomic(struct ir_function *f, enum ir_op op, unsigned width, ir_value base, int32_t offset, ir_value value,
                   ir_value compare) {
    if (op < IR_ATOMIC_ADD || op > IR_ATOMIC_CMPXCHG || (op == IR_ATOMIC_CMPXCHG) != (compare != IR_NONE))
        BUG("ir: wrong use of an atomic operation");
    int64_t immediate = split_address(f, &base, offset);
    struct ir_instruction atomic = {
        .op = (uint8_t)op, .width = (uint8_t)width, .a = base, .b = value, .immediate = immediate};
    atomic.arguments[0] = compare;
    ir_value result = ir_append(f, &atomic);
    return ir_has_result(&atomic) ? result : IR_NONE;
}

void ir_bind(struct ir_module *module, const char *name, int64_t value) {
    for (uint32_t i = 0; i < module->bindings.count; i++) {
        if (strcmp(module->bindings.data[i].name, name) == 0) {
            module->bindings.data[i].value = value;
            return;
        }
    }
    vec_push(module->arena, &module->bindings, ((struct ir_binding){name, value}));
}

ir_value ir_call(struct ir_function *f, enum ir_helper helper, unsigned count, const ir_value *arguments) {
    const struct ir_helper_info *info = &ir_helpers[helper];
    if (count != info->argument_count)
        BUG("ir: %s takes %u arguments, not %u", info->name, info->argument_count, count);
    int64_t number;
    /* No rounds: the verifier would never walk the callback, drop its code and then miss it. */
    if (helper == IR_HELPER_loop && ir_is_constant(f, arguments[0], &number) && (uint32_t)number == 0)
        return ir_constant(f, 0);
    struct ir_instruction call = {
        .op = IR_CALL, .helper = (uint8_t)helper, .argument_count = (uint8_t)count, .a = IR_NONE, .b = IR_NONE};
    for (unsigned i = 0; i < count; i++)
        call.arguments[i] = arguments[i];
    return info->effect == IR_EFFECT_CONST ? ir_append_shared(f, &call) : ir_append(f, &call);
}

/* ---- control ------------------------------------------------------------------------------------------------- */

void ir_jump(struct ir_function *f, ir_block target) {
    struct ir_instruction jump = {.op = IR_JUMP, .a = IR_NONE, .b = IR_NONE};
    jump.arguments[0] = target;
    ir_append(f, &jump);
}

void ir_branch(struct ir_function *f, ir_value condition, ir_block yes, ir_block no) {
    int64_t number;
    if (ir_is_constant(f, condition, &number)) {
        ir_jump(f, number ? yes : no);
        return;
    }
    if (yes == no) {
        ir_jump(f, yes);
        return;
    }
    struct ir_instruction branch = {.op = IR_BRANCH, .a = condition, .b = IR_NONE};
    branch.arguments[0] = yes;
    branch.arguments[1] = no;
    ir_append(f, &branch);
}

void ir_return(struct ir_function *f, ir_value value) {
    ir_append(f, &(struct ir_instruction){.op = IR_RETURN, .a = value, .b = IR_NONE});
}
