/* Blocks, scopes and statements. */
#include "lang/check_int.h"

#include <string.h>

static void check_statement(struct check *c, struct node *node);

/* ---- scopes and variables ---------------------------------------------------------------------------------- */

struct lang_variable *check_find_variable(struct check *c, const struct node *node) {
    for (const struct scope *scope = c->scope; scope; scope = scope->parent) {
        for (uint32_t i = 0; i < scope->variables.count; i++) {
            struct lang_variable *variable = scope->variables.data[i];
            if (variable->hygiene == node->hygiene && strcmp(variable->name, node->text) == 0)
                return variable;
        }
    }
    return NULL;
}

/* The variable that `node` declares; the same one in every walk of a unit. */
static struct lang_variable *declare(struct check *c, struct node *node) {
    struct lang_variable *variable = hash_get_number(&c->declared, (uintptr_t)node);

    if (!variable) {
        variable = arena_make(c->arena, struct lang_variable);
        variable->name = node->text;
        variable->hygiene = node->hygiene;
        variable->declared = variable->typed = node->loc;
        variable->declaring = node;
        hash_put_number(&c->declared, (uintptr_t)node, variable);
    }
    variable->assignments = 0;
    node->variable = variable;
    vec_push(c->arena, &c->scope->variables, variable);
    return variable;
}

static void report_shadowing(struct check *c, const struct node *node, const struct lang_variable *outer) {
    check_error(c, "variable-shadowing", node->loc,
                "Variable %s was already declared. Variable shadowing is not allowed.", node->text);
    check_note(c, outer->declared, "%s lives since here", outer->name);
    check_hint(c, "use another name");
}

static void report_assign_mismatch(struct check *c, const struct lang_variable *variable, const struct type *type,
                                   struct loc loc) {
    check_error(c, "variable-mismatch", loc,
                "Type mismatch for %s: trying to assign value of type '%s' when variable already has a type '%s'",
                variable->name, check_type_text(c, type), check_type_text(c, variable->type));
    check_note(c, variable->typed, "%s is '%s' since here", variable->name, check_type_text(c, variable->type));
    check_hint(c, "use another variable or a cast");
}

/* A variable with a written type does not grow. */
static void assign_declared(struct check *c, const struct lang_variable *variable, const struct node *value,
                            const struct type *type, struct loc loc) {
    const struct type *wanted = variable->type;

    if (!wanted) /* typeof() of what is not known yet */
        return;
    if (wanted->kind == TYPE_INT && check_is_integer(type)) {
        check_store_range(c, value, type, wanted, variable->name, loc);
        return;
    }
    const struct type *promoted = check_promote(c, wanted, type);
    if (!promoted || !type_equal(promoted, wanted))
        report_assign_mismatch(c, variable, type, loc);
}

void check_assign_variable(struct check *c, struct lang_variable *variable, const struct node *value,
                           const struct type *type, struct loc loc) {
    variable->assignments++;
    if (!type)
        return;
    if (type_is_aggregate(type)) {
        check_error(c, "aggregate-value", loc, "Value '%s' cannot be assigned to a scratch variable.",
                    check_type_text(c, type));
        check_hint(c, "histograms and statistics can only be printed");
        return;
    }
    type = check_variable_type(c, type);
    if (variable->explicit_type) {
        assign_declared(c, variable, value, type, loc);
        return;
    }
    const struct type *promoted = check_promote(c, variable->type, type);
    if (!promoted) {
        report_assign_mismatch(c, variable, type, loc);
    } else if (promoted != variable->type) {
        if (!variable->type)
            variable->typed = loc;
        variable->type = check_variable_type(c, promoted);
        c->variables_changed = true;
    } else {
        check_store_range(c, value, type, variable->type, variable->name, loc);
    }
}

/* ---- assignments ------------------------------------------------------------------------------------------- */

/* `target op= value`: an integer keeps its sign unless the value is signed, and takes 64 bits. */
static const struct type *compound_type(struct check *c, const struct node *node, const struct type *target,
                                        const struct node *value) {
    const struct type *result = check_arithmetic(c, node->op, target, node->child, value, node->loc);

    if (!result || !target || target->kind != TYPE_INT || result->kind != TYPE_INT)
        return result;
    if (check_is_flexible(target) && value->type && check_is_flexible(value->type) && node->op != OP_SUB)
        return result;
    if (check_is_flexible(target))
        return type_int(64, node->op == OP_SUB || !value->type || check_is_signed(value->type));
    return type_int(64, target->is_signed || (value->type && check_is_signed(value->type)));
}

static void assign_variable(struct check *c, struct node *node, struct node *target, struct node *value) {
    const struct type *type = check_value(c, value);
    struct lang_variable *variable = check_find_variable(c, target);

    if (node->op != OP_NONE) {
        check_expression(c, target); /* says so if it does not exist */
        if (!variable)
            return;
        type = compound_type(c, node, variable->type, value);
    } else if (!variable) {
        variable = declare(c, target);
    }
    target->variable = variable;
    check_assign_variable(c, variable, node->op == OP_NONE ? value : NULL, type, node->loc);
    target->type = variable->type;
}

static void report_aggregate_copy(struct check *c, const struct node *value) {
    check_error(c, "aggregate-value", value->loc,
                "Map value '%s' cannot be assigned from one map to another. The function that returns this type must "
                "be called directly.",
                check_type_text(c, value->map->value));
    if (check_is_countable(value->map->value))
        check_hint(c, "copy its number: (int64)%s", value->text);
    else
        check_hint(c, "call hist(), lhist() or stats() for both maps");
}

static void assign_map(struct check *c, struct node *node, struct node *target, struct node *value) {
    bool fits = check_map_access(c, target);

    c->aggregate = node->op == OP_NONE ? value : NULL;
    const struct type *type = check_value(c, value);
    c->aggregate = NULL;
    bool from_aggregate = type && value->kind == NODE_MAP && value->map->value &&
                          type_is_aggregate(value->map->value) && node->op == OP_NONE;
    if (from_aggregate && !(target->map->value && check_is_integer(target->map->value) && check_is_integer(type))) {
        report_aggregate_copy(c, value);
        type = NULL;
    }
    if (!fits)
        return;
    if (node->op != OP_NONE)
        type = compound_type(c, node, target->map->value, value);
    check_map_store(c, target->map, type, node->loc);
    if (type && target->map->value)
        check_store_range(c, node->op == OP_NONE ? value : NULL, type, target->map->value, target->map->name,
                          node->loc);
    target->type = target->map->value;
    target->map->assigned |= node->op == OP_NONE && target->type && !type_is_aggregate(target->type);
}

static void check_assign(struct check *c, struct node *node) {
    struct node *target = node->child, *value = target->next;

    if (target->kind == NODE_MAP)
        assign_map(c, node, target, value);
    else
        assign_variable(c, node, target, value);
}

static void check_let(struct check *c, struct node *node) {
    const struct lang_variable *outer = check_find_variable(c, node);
    const struct type *type = node->child ? check_value(c, node->child) : NULL;

    if (outer) {
        report_shadowing(c, node, outer);
        return;
    }
    struct lang_variable *variable = declare(c, node);
    if (node->type_name) {
        const struct type *written = check_type_name(c, node->type_name);
        variable->explicit_type = !check_is_growing_string(node->type_name);
        if (!written)
            return;
        if (!variable->type || (variable->explicit_type && !type_equal(variable->type, written))) {
            c->variables_changed |= variable->type != check_variable_type(c, written);
            variable->type = check_variable_type(c, written);
        }
        if (!type_complete(written)->size) {
            check_error(c, "variable-type", node->type_name->loc, "A variable cannot be of type '%s'",
                        check_type_text(c, written));
            check_hint(c, "use a pointer");
        }
    }
    if (node->child)
        check_assign_variable(c, variable, node->child, type, node->loc);
    else if (!variable->type && c->report)
        variable->type = type_int(64, true); /* never assigned */
}

static void check_discard(struct check *c, struct node *node) { check_value(c, node->child); }

static void check_expression_statement(struct check *c, struct node *node) { check_expression(c, node->child); }

/* ---- control flow ------------------------------------------------------------------------------------------ */

static bool ends_block(const struct node *statement) {
    const struct node *call = statement->kind == NODE_EXPRESSION ? statement->child : NULL;

    return statement->kind == NODE_RETURN || statement->kind == NODE_BREAK || statement->kind == NODE_CONTINUE ||
           (call && call->function && call->function->id == LANG_FUNCTION_exit);
}

static void open_scope(struct check *c, struct scope *scope) {
    *scope = (struct scope){.parent = c->scope};
    c->scope = scope;
}

static void close_scope(struct check *c, const struct scope *scope) {
    for (uint32_t i = 0; i < scope->variables.count && c->report; i++)
        vec_push(c->arena, &c->gone, scope->variables.data[i]);
    c->scope = scope->parent;
}

/* The statements up to `end`, which is not one of them. */
static void check_statements(struct check *c, struct node *block, const struct node *end) {
    bool warned = false;

    for (struct node *statement = block->child; statement != end; statement = statement->next) {
        check_statement(c, statement);
        if (statement->next && ends_block(statement) && !warned) {
            check_warning(c, "unreachable", statement->next->loc, "Unreachable statement");
            check_hint(c, "nothing behind line %u is run", check_line(c, statement->loc));
            warned = true;
        }
    }
}

void check_block(struct check *c, struct node *block) {
    struct scope scope;

    open_scope(c, &scope);
    check_statements(c, block, NULL);
    block->type = type_void();
    close_scope(c, &scope);
}

/* { statements; value } */
void check_block_value(struct check *c, struct node *node) {
    struct node *value = node->child;
    struct scope scope;
    bool may_aggregate = c->aggregate == node;

    while (value->next)
        value = value->next;
    open_scope(c, &scope);
    c->aggregate = NULL;
    check_statements(c, node, value);
    c->aggregate = may_aggregate ? value : NULL;
    node->type = check_expression(c, value);
    if (node->type && node->type->kind != TYPE_VOID && node->type->kind != TYPE_STRUCT)
        node->type = value->type = check_reduced_value(value);
    close_scope(c, &scope);
}

static void check_if(struct check *c, struct node *node) {
    struct node *body = node->child->next;

    if (!check_branches(c, node))
        return;
    if (node->branch != 2)
        check_block(c, body);
    if (body->next && node->branch != 1)
        check_statement(c, body->next);
}

static void check_loop_body(struct check *c, struct node *body) {
    c->loop_depth++;
    c->callback_depth++;
    check_block(c, body);
    c->callback_depth--;
    c->loop_depth--;
}

static void check_while(struct check *c, struct node *node) {
    check_condition(c, node->child);
    check_loop_body(c, node->child->next);
}

static void check_unroll(struct check *c, struct node *node) {
    enum { UNROLL_MOST = 100 };
    int64_t times;

    if (check_constant(c, node->child, "unroll", &times) && (times < 1 || times > UNROLL_MOST)) {
        check_error(c, "unroll-range", node->child->loc,
                    times < 1 ? "unroll minimum value is 1" : "unroll maximum value is %d", UNROLL_MOST);
        check_hint(c, "a loop that is not unrolled can have any length: for $i : 0..1000 { }");
    }
    c->loop_depth++;
    check_block(c, node->child->next);
    c->loop_depth--;
}

/* Opens a scope for the loop variable; `scope` must live until close_loop(). */
static void open_loop(struct check *c, struct scope *scope, struct node *variable, const struct type *type) {
    const struct lang_variable *outer = check_find_variable(c, variable);

    if (outer)
        report_shadowing(c, variable, outer);
    *scope = (struct scope){.parent = c->scope};
    c->scope = scope;
    check_assign_variable(c, declare(c, variable), NULL, type, variable->loc);
    variable->type = variable->variable->type;
}

static void close_loop(struct check *c, struct scope *scope) { c->scope = scope->parent; }

static void check_for_range(struct check *c, struct node *node) {
    struct node *variable = node->child, *first = variable->next, *end = first->next;
    struct scope scope;

    check_integer(c, first, "A range");
    check_integer(c, end, "A range");
    open_loop(c, &scope, variable, type_int(64, true));
    check_loop_body(c, end->next);
    close_loop(c, &scope);
}

/* What the loop variable is: (key, value). NULL if not known or after an error. */
static const struct type *element_type(struct check *c, const struct node *node, struct lang_map *map) {
    if (check_map_state(c, map)->shape == MAP_SHAPE_SCALAR) {
        check_error(c, "for-scalar-map", node->loc,
                    "%s has no explicit keys (scalar map), and cannot be used for iteration", map->name);
        check_hint(c, "use %s itself", map->name);
        return NULL;
    }
    if (!map->key || !map->value)
        return NULL;
    const struct type *fields[] = {map->key, map->value};
    if (check_is_countable(map->value)) {
        fields[1] = check_reduced_type(map->value);
    } else if (type_is_aggregate(map->value)) {
        check_error(c, "for-aggregate", node->loc, "Loop expression does not support type: %s",
                    check_type_text(c, map->value));
        check_hint(c, "print(%s) shows it", map->name);
        return NULL;
    }
    return type_tuple(c->arena, fields, 2);
}

static void check_for_map(struct check *c, struct node *node) {
    struct node *variable = node->child, *map_node = variable->next;
    struct lang_map *map = check_map_whole(c, map_node, "for");
    struct scope scope;

    if (map)
        map->iterated = true;
    open_loop(c, &scope, variable, map ? element_type(c, map_node, map) : NULL);
    check_loop_body(c, map_node->next);
    close_loop(c, &scope);
}

static void check_function_return(struct check *c, struct node *node) {
    const struct type *type = node->child ? check_value(c, node->child) : type_void(), *wanted = c->function->type;

    if (type && wanted && (type->kind == TYPE_VOID) != (wanted->kind == TYPE_VOID)) {
        check_error(c, "return-type", node->loc, "The function %s returns '%s', not '%s'", c->function->text,
                    check_type_text(c, wanted), check_type_text(c, type));
    } else if (type && wanted && wanted->kind != TYPE_VOID && !(check_is_integer(type) && check_is_integer(wanted))) {
        const struct type *both = check_promote(c, wanted, type);
        if (!both || !type_equal(both, wanted))
            check_error(c, "return-type", node->loc, "The function %s returns '%s', not '%s'", c->function->text,
                        check_type_text(c, wanted), check_type_text(c, type));
    }
}

static void check_return(struct check *c, struct node *node) {
    if (c->function)
        check_function_return(c, node);
    else if (node->child)
        check_value(c, node->child);
}

/* A use of a function: parameters, body, and a value of its own type. */
void check_function(struct check *c, struct node *node) {
    const struct node *outer = c->function;
    unsigned loop_depth = c->loop_depth;
    const struct type *type = check_type_name(c, node->type_name);
    struct node *child = node->child;
    struct scope scope;

    node->type = type && type->kind != TYPE_VOID ? check_variable_type(c, type) : type;
    open_scope(c, &scope);
    for (; child->kind == NODE_LET; child = child->next)
        check_statement(c, child);
    c->function = node;
    c->loop_depth = 0;
    check_block(c, child);
    c->function = outer;
    c->loop_depth = loop_depth;
    close_scope(c, &scope);
}

static void check_jump(struct check *c, struct node *node) {
    if (c->loop_depth)
        return;
    check_error(c, "outside-loop", node->loc, "%s can only be used inside a loop",
                node->kind == NODE_BREAK ? "break" : "continue");
    check_hint(c, "return ends the block");
}

static void check_statement(struct check *c, struct node *node) {
    static void (*const rules[NODE_KIND_COUNT])(struct check *, struct node *) = {
        [NODE_BLOCK] = check_block,         [NODE_EXPRESSION] = check_expression_statement,
        [NODE_ASSIGN] = check_assign,       [NODE_LET] = check_let,
        [NODE_DISCARD] = check_discard,     [NODE_IF] = check_if,
        [NODE_WHILE] = check_while,         [NODE_UNROLL] = check_unroll,
        [NODE_FOR_RANGE] = check_for_range, [NODE_FOR_MAP] = check_for_map,
        [NODE_RETURN] = check_return,       [NODE_BREAK] = check_jump,
        [NODE_CONTINUE] = check_jump,
    };

    if (!rules[node->kind])
        BUG("no statement: %s", node_kind_name(node->kind));
    node->type = type_void();
    rules[node->kind](c, node);
}

void check_probe(struct check *c, struct node *probe) {
    struct node *predicate = node_probe_predicate(probe);

    c->scope = NULL;
    c->gone.count = 0;
    c->loop_depth = c->callback_depth = 0;
    c->function = NULL;
    if (predicate)
        check_condition(c, predicate);
    check_block(c, node_probe_body(probe));
    probe->type = type_void();
}
