/* Values that fit a register: numbers, truth values, pointers. */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <string.h>

/* ---- joins: a value from two sides, through a slot ---------------------------------------------------------- */

struct join {
    ir_slot slot;
    ir_block block;
};

static struct join join_begin(struct lower *l) {
    return (struct join){lower_temp_slot(l, 8), ir_block_new(l->f, l->f->current)};
}

static void join_from(struct lower *l, const struct join *join, ir_value value) {
    lower_store_slot(l, join->slot, value);
    ir_jump(l->f, join->block);
}

static ir_value join_end(struct lower *l, const struct join *join) {
    ir_enter(l->f, join->block);
    return lower_take_slot(l, join->slot);
}

/* ---- arithmetic -------------------------------------------------------------------------------------------- */

ir_value lower_resize(struct lower *l, ir_value value, const struct type *type) {
    if (type->kind == TYPE_BOOL)
        return ir_binary(l->f, IR_NE, value, ir_constant(l->f, 0));
    if ((type->kind == TYPE_INT || type->kind == TYPE_ENUM) && type->size < 8)
        return ir_extend(l->f, value, type->size, type->is_signed);
    return value;
}

static enum ir_op division_op(enum node_operator op, bool is_signed) {
    if (op == OP_DIV)
        return is_signed ? IR_SDIV : IR_UDIV;
    return is_signed ? IR_SMOD : IR_UMOD;
}

/* Dividing by zero gives 1 and is counted, as bpftrace does. */
static ir_value lower_division(struct lower *l, enum ir_op op, ir_value a, ir_value b, struct loc loc) {
    struct ir_function *f = l->f;
    int64_t divisor;
    if (ir_is_constant(f, b, &divisor) && divisor != 0)
        return ir_binary(f, op, a, b);
    struct join join = join_begin(l);
    ir_block fine = ir_block_new(f, f->current), zero = ir_block_new(f, f->current);
    ir_branch(f, b, fine, zero);
    ir_enter(f, zero);
    lower_failed(l, LANG_SITE_DIVISION, loc, LOWER_NO_CAUSE);
    join_from(l, &join, ir_constant(f, 1));
    ir_enter(f, fine);
    join_from(l, &join, ir_binary(f, op, a, b));
    return join_end(l, &join);
}

static enum ir_op plain_op(enum node_operator op, bool is_signed) {
    switch (op) {
    case OP_ADD:
        return IR_ADD;
    case OP_SUB:
        return IR_SUB;
    case OP_MUL:
        return IR_MUL;
    case OP_AND:
        return IR_AND;
    case OP_OR:
        return IR_OR;
    case OP_XOR:
        return IR_XOR;
    case OP_SHL:
        return IR_SHL;
    case OP_SHR:
        return is_signed ? IR_ASHR : IR_LSHR;
    case OP_EQ:
        return IR_EQ;
    case OP_NE:
        return IR_NE;
    case OP_LT:
        return is_signed ? IR_SLT : IR_ULT;
    case OP_LE:
        return is_signed ? IR_SLE : IR_ULE;
    case OP_GT:
        return is_signed ? IR_SGT : IR_UGT;
    case OP_GE:
        return is_signed ? IR_SGE : IR_UGE;
    default:
        BUG("no machine operation for '%s'", operator_spelling(op));
    }
}

ir_value lower_arithmetic(struct lower *l, enum node_operator op, ir_value a, ir_value b, struct loc loc,
                          bool is_signed) {
    if (op == OP_DIV || op == OP_MOD)
        return lower_division(l, division_op(op, is_signed), a, b, loc);
    return ir_binary(l->f, plain_op(op, is_signed), a, b);
}

static bool is_compare(enum node_operator op) { return op >= OP_EQ && op <= OP_GE; }
static bool is_logical(const struct node *node) {
    return node->kind == NODE_BINARY && (node->op == OP_LOGICAL_AND || node->op == OP_LOGICAL_OR);
}

static uint32_t pointer_scale(const struct type *type) {
    return type->kind == TYPE_POINTER && type->target && type->target->size ? type->target->size : 1;
}

ir_value lower_pointer_step(struct lower *l, const struct type *type, ir_value count) {
    uint32_t factor = pointer_scale(type);
    return factor == 1 ? count : ir_binary(l->f, IR_MUL, count, ir_constant(l->f, factor));
}

/* Shifts have the sign of what is shifted; the others are signed when a side is, a literal that is not negative taking
 * the other side's sign. The checker types the results by the same rule. */
bool lower_is_signed(enum node_operator op, const struct type *left, const struct type *right) {
    if (op == OP_SHL || op == OP_SHR)
        return left->is_signed;
    return check_is_signed(left) || check_is_signed(right) || (left->is_signed && right->is_signed);
}

/* The verifier computes with numbers only, and knows what the kernel's pointers are: reversing the bytes twice leaves a
 * number of the same value. */
ir_value lower_number(struct lower *l, const struct node *node) {
    ir_value value = lower_scalar(l, node);
    if (node->type->kind != TYPE_POINTER || node->type->space == SPACE_USER)
        return value;
    return ir_byte_swap(l->f, ir_byte_swap(l->f, value, 8), 8);
}

/* Both sides as one type, whose padding is zero, word by word. */
static ir_value lower_whole_compare(struct lower *l, const struct node *node) {
    struct place left = lower_whole(l, node->child, node->common);
    struct place right = lower_whole(l, node->child->next, node->common);
    ir_value differs = lower_words_differ(l, left, right, (node->common->size + 7) & ~7u);
    return node->op == OP_NE ? differs : ir_binary(l->f, IR_EQ, differs, ir_constant(l->f, 0));
}

static bool is_text(const struct type *type) { return type->kind == TYPE_STRING || type->kind == TYPE_PROBE; }

static ir_value lower_probe_compare(struct lower *l, const struct node *node) {
    bool is_first = node->child->kind == NODE_STRING;
    const struct node *literal = is_first ? node->child : node->child->next;
    const struct node *probe = is_first ? node->child->next : node->child;
    if (check_is_one_probe(l->target, probe) || !l->env->probe_name)
        return ir_constant(l->f, (strcmp(literal->text, l->target->name) == 0) == (node->op == OP_EQ));
    const char *name;
    for (uint32_t id = 0; (name = l->env->probe_name(l->env->context, id)); id++) {
        if (strcmp(name, literal->text) == 0)
            return ir_binary(l->f, node->op == OP_EQ ? IR_EQ : IR_NE, lower_scalar(l, probe), ir_constant(l->f, id));
    }
    return ir_constant(l->f, node->op == OP_NE); /* nobody has this name */
}

static ir_value lower_string_compare(struct lower *l, const struct node *node) {
    const struct node *left = node->child, *right = left->next;
    if (left->type->kind == TYPE_PROBE || right->type->kind == TYPE_PROBE)
        return lower_probe_compare(l, node);
    ir_value differs = lower_string_differs(l, left, right, 0);
    return ir_binary(l->f, node->op == OP_EQ ? IR_EQ : IR_NE, differs, ir_constant(l->f, 0));
}

static ir_value truth(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    struct join join = join_begin(l);
    ir_block yes = ir_block_new(f, f->current), no = ir_block_new(f, f->current);
    lower_condition(l, node, yes, no);
    ir_enter(f, yes);
    join_from(l, &join, ir_constant(f, 1));
    ir_enter(f, no);
    join_from(l, &join, ir_constant(f, 0));
    return join_end(l, &join);
}

static ir_value lower_binary(struct lower *l, const struct node *node) {
    const struct node *left = node->child, *right = left->next;
    if (is_logical(node))
        return truth(l, node);
    if (is_compare(node->op) && node->common)
        return lower_whole_compare(l, node);
    if (is_compare(node->op) && (is_text(left->type) || is_text(right->type)))
        return lower_string_compare(l, node);
    bool compare = is_compare(node->op);
    ir_value a = compare ? lower_scalar(l, left) : lower_number(l, left);
    ir_value b = compare ? lower_scalar(l, right) : lower_number(l, right);
    if (node->type->kind == TYPE_POINTER) {
        a = lower_pointer_step(l, right->type, a);
        b = lower_pointer_step(l, left->type, b);
    }
    ir_value result =
        lower_arithmetic(l, node->op, a, b, node->loc, lower_is_signed(node->op, left->type, right->type));
    if (!compare && left->type->kind == TYPE_POINTER && right->type->kind == TYPE_POINTER)
        result = ir_binary(l->f, IR_SDIV, result, ir_constant(l->f, pointer_scale(left->type)));
    return result;
}

/* &p->field: NULL when p is. */
static ir_value lower_address(struct lower *l, const struct node *node) {
    struct guard guard;
    guard_begin(l, &guard, node->loc);
    ir_value address = place_address(l, lower_place(l, node->child));
    ir_slot slot = lower_temp_slot(l, 8);
    lower_store_slot(l, slot, address);
    if (guard_failed(l, &guard)) {
        lower_store_slot(l, slot, ir_constant(l->f, 0));
        guard_join(l, &guard);
    }
    return lower_take_slot(l, slot);
}

/* An address in our own memory, as a number: the verifier would not let go of a pointer to its stack. */
static ir_value own_address(struct lower *l, const struct node *object) {
    ir_value address = object->kind == NODE_VARIABLE ? place_address(l, lower_variable_memory(l, object->variable))
                                                     : lower_map_address(l, object);
    return ir_byte_swap(l->f, ir_byte_swap(l->f, address, 8), 8);
}

static ir_value lower_unary(struct lower *l, const struct node *node) {
    switch (node->op) {
    case OP_NEG:
        return ir_unary(l->f, IR_NEG, lower_scalar(l, node->child));
    case OP_INVERT:
        return ir_unary(l->f, IR_NOT, lower_scalar(l, node->child));
    case OP_NOT:
        if (type_is_scalar(node->child->type))
            return ir_binary(l->f, IR_EQ, lower_scalar(l, node->child), ir_constant(l->f, 0));
        return truth(l, node);
    case OP_DEREFERENCE:
        return lower_read(l, node);
    case OP_ADDRESS:
        if (node->child->kind == NODE_VARIABLE || node->child->kind == NODE_MAP)
            return own_address(l, node->child);
        return lower_address(l, node);
    default:
        BUG("unary operator '%s'", operator_spelling(node->op));
    }
}

/* ---- conditions -------------------------------------------------------------------------------------------- */

void lower_condition(struct lower *l, const struct node *node, ir_block yes, ir_block no) {
    struct ir_function *f = l->f;
    node = lower_value(l, node);
    if (is_logical(node)) {
        ir_block second = ir_block_new(f, f->current);
        if (node->op == OP_LOGICAL_AND)
            lower_condition(l, node->child, second, no);
        else
            lower_condition(l, node->child, yes, second);
        ir_enter(f, second);
        lower_condition(l, node->child->next, yes, no);
    } else if (node->kind == NODE_UNARY && node->op == OP_NOT) {
        lower_condition(l, node->child, no, yes);
    } else if (node->kind == NODE_STRING) {
        ir_branch(f, ir_constant(f, node->length > 0), yes, no);
    } else if (node->type->kind == TYPE_STRING) { /* not empty */
        struct place text = lower_bytes(l, node, 1, NULL);
        ir_branch(f, ir_load(f, 1, text.base, text.offset), yes, no);
    } else {
        ir_branch(f, lower_scalar(l, node), yes, no);
    }
}

/* ---- pointers ---------------------------------------------------------------------------------------------- */

static struct pointer plain_pointer(struct lower *l, const struct node *node) {
    return (struct pointer){lower_scalar(l, node), false, false, node->type->space};
}

static bool same_struct(const struct type *a, const struct type *b) {
    return a->kind == TYPE_POINTER && b->kind == TYPE_POINTER && a->target && b->target &&
           a->target->kind == TYPE_STRUCT && a->target->btf_id && a->target->btf_id == b->target->btf_id;
}

static bool is_kernel_struct_pointer(const struct type *type) {
    return type->kind == TYPE_POINTER && type->target && type->target->kind == TYPE_STRUCT && type->target->btf_id;
}

/* The kernel types a pointer that was loaded from BTF-typed memory only if it points to a struct. */
static bool loads_direct(const struct place *place, const struct type *type) {
    return (place->where == WHERE_BTF || place->where == WHERE_ARGS) && is_kernel_struct_pointer(type);
}

static struct pointer guarded_pointer(struct lower *l, const struct node *node) {
    struct guard guard;
    guard_begin(l, &guard, node->loc);
    struct pointer pointer = lower_pointer(l, node);
    if (guard_is_safe(l, &guard))
        return pointer;
    ir_slot slot = lower_temp_slot(l, 8);
    lower_store_slot(l, slot, pointer.value);
    if (guard_failed(l, &guard)) {
        lower_store_slot(l, slot, ir_constant(l->f, 0));
        guard_join(l, &guard);
    }
    pointer.value = lower_take_slot(l, slot);
    return pointer;
}

struct pointer lower_pointer(struct lower *l, const struct node *node) {
    node = lower_value(l, node);
    if (node->kind == NODE_IDENTIFIER || (node->kind == NODE_CALL && node->builtin)) {
        struct pointer pointer = plain_pointer(l, node);
        pointer.direct = pointer.nonnull = node->builtin && node->builtin->id == LANG_BUILTIN_curtask;
        if (node->builtin && node->builtin->id == LANG_BUILTIN_retval)
            pointer.direct = l->target->context == LANG_CONTEXT_FEXIT && is_kernel_struct_pointer(node->type);
        return pointer;
    }
    if (node->kind == NODE_FIELD && l->guard) {
        struct place place = lower_place(l, node);
        struct pointer pointer = {lower_load(l, place, node->type), loads_direct(&place, node->type), false,
                                  node->type->space};
        if (place.where == WHERE_ARGS && !l->target->has_btf)
            pointer.direct = false;
        return pointer;
    }
    if (node->kind == NODE_FIELD) /* outside a chain: on failure NULL, through a slot that keeps the pointer's kind */
        return guarded_pointer(l, node);
    if (node->kind == NODE_CAST && node->child->type->kind == TYPE_POINTER) {
        struct pointer pointer = lower_pointer(l, node->child);
        pointer.direct = pointer.direct && same_struct(node->type, node->child->type);
        pointer.space = node->type->space;
        return pointer;
    }
    struct pointer pointer = plain_pointer(l, node);
    if (node->kind == NODE_VARIABLE)
        pointer.direct = node->variable->is_direct;
    return pointer;
}

ir_value lower_at_most(struct lower *l, ir_value value, uint32_t limit) {
    return ir_binary(l->f, IR_UMIN, value, ir_constant(l->f, limit));
}

/* ---- everything -------------------------------------------------------------------------------------------- */

static ir_value lower_ternary(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    struct join join = join_begin(l);
    ir_block yes = ir_block_new(f, f->current), no = ir_block_new(f, f->current);
    const struct node *then = node->child->next;
    lower_condition(l, node->child, yes, no);
    ir_enter(f, yes);
    join_from(l, &join, lower_scalar(l, then));
    ir_enter(f, no);
    join_from(l, &join, lower_scalar(l, then->next));
    return join_end(l, &join);
}

/* The bytes of an array as a number. */
static ir_value array_number(struct lower *l, const struct node *array) {
    struct place place = lower_whole(l, array, array->type);
    return ir_load(l->f, 8, place.base, place.offset);
}

static ir_value lower_cast(struct lower *l, const struct node *node) {
    const struct node *operand = node->child;
    if (operand->type->kind == TYPE_STRING)
        return truth(l, operand);
    if (operand->type->kind == TYPE_ARRAY)
        return lower_resize(l, array_number(l, operand), node->type);
    if (type_is_aggregate(operand->type) || (operand->kind == NODE_MAP && type_is_aggregate(operand->map->value)))
        return lower_resize(l, lower_aggregate_sum(l, operand), node->type);
    if (node->type->kind == TYPE_POINTER)
        return lower_scalar(l, operand);
    return lower_resize(l, lower_number(l, operand), node->type);
}

ir_value lower_increment(struct lower *l, const struct node *node, bool used) {
    const struct node *target = node->child;
    int64_t by = node->op == OP_ADD ? 1 : -1;
    if (target->kind == NODE_MAP)
        return lower_map_increment(l, target, by, node->is_postfix, used);
    struct lang_variable *variable = target->variable;
    struct place memory = lower_variable_memory(l, variable);
    ir_value old = ir_load(l->f, 8, memory.base, memory.offset);
    ir_value step = lower_pointer_step(l, variable->type, ir_constant(l->f, by));
    ir_value new = lower_resize(l, ir_binary(l->f, IR_ADD, old, step), variable->type);
    ir_store(l->f, 8, memory.base, memory.offset, new);
    return node->is_postfix ? old : new;
}

static ir_value lower_variable(struct lower *l, const struct node *node) {
    struct place memory = lower_variable_memory(l, node->variable);
    return ir_load(l->f, 8, memory.base, memory.offset);
}

static ir_value lower_function_scalar(struct lower *l, const struct node *node) {
    ir_slot slot = lower_temp_slot(l, 8);

    lower_store_slot(l, slot, ir_constant(l->f, 0));
    lower_function(l, node, place_direct(ir_slot_address(l->f, slot), 0));
    return lower_resize(l, lower_take_slot(l, slot), node->type);
}

ir_value lower_scalar(struct lower *l, const struct node *node) {
    node = lower_value(l, node);
    if (node->is_constant)
        return ir_constant(l->f, node->number);
    switch (node->kind) {
    case NODE_INTEGER:
    case NODE_BOOLEAN:
        return ir_constant(l->f, node->number);
    case NODE_IDENTIFIER:
        return lower_builtin(l, node);
    case NODE_VARIABLE:
        return lower_variable(l, node);
    case NODE_MAP:
        return type_is_aggregate(node->map->value) ? lower_aggregate_sum(l, node) : lower_map_scalar(l, node);
    case NODE_UNARY:
        return lower_unary(l, node);
    case NODE_INCREMENT:
        return lower_increment(l, node, true);
    case NODE_BINARY:
        return lower_binary(l, node);
    case NODE_TERNARY:
        return lower_ternary(l, node);
    case NODE_CAST:
        return lower_cast(l, node);
    case NODE_FUNCTION:
        return lower_function_scalar(l, node);
    case NODE_CALL:
        return node->builtin ? lower_builtin(l, node) : lower_call(l, node);
    case NODE_FIELD:
    case NODE_TUPLE_FIELD:
    case NODE_INDEX:
        return lower_read(l, node);
    default:
        BUG("value of kind %s", node_kind_name(node->kind));
    }
}
