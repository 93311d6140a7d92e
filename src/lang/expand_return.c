/* `return` inside of a loop of a function. The body of a loop is called back by the kernel and cannot jump out of the
 * function, so it says that it wants to, and the statement behind each loop goes on from there:
 *
 *     while (c) { return e; }      ->      while (c) { { $value = e; $returned = true; break; } }
 *                                          if ($returned) { return $value; }      (inside of another loop: break)
 *
 * The two variables have names that no script can write, and the mark of this use of the function. */
#include "lang/expand.h"

struct rewriting {
    struct arena *arena;
    uint32_t hygiene;
    unsigned loops; /* around that are called back */
    bool has_value;
};

static struct node *make(struct rewriting *r, enum node_kind kind, struct loc loc, struct node *child) {
    struct node *node = arena_make(r->arena, struct node);
    unsigned height = 0;

    *node = (struct node){.kind = kind, .loc = loc, .child = child};
    for (; child; child = child->next)
        height = child->height >= height ? child->height + 1u : height;
    node->height = (uint16_t)height;
    return node;
}

static struct node *variable(struct rewriting *r, const char *name, struct loc loc) {
    struct node *node = make(r, NODE_VARIABLE, loc, NULL);

    node->text = name;
    node->hygiene = r->hygiene;
    return node;
}

static struct node *value_variable(struct rewriting *r, struct loc loc) { return variable(r, "$return value", loc); }
static struct node *flag_variable(struct rewriting *r, struct loc loc) { return variable(r, "$return now", loc); }

static struct node *boolean(struct rewriting *r, bool value, struct loc loc) {
    struct node *node = make(r, NODE_BOOLEAN, loc, NULL);

    node->number = value;
    return node;
}

static struct node *assign(struct rewriting *r, struct node *target, struct node *value, struct loc loc) {
    target->next = value;
    struct node *node = make(r, NODE_ASSIGN, loc, target);
    node->op = OP_NONE;
    return node;
}

/* { $value = e; $returned = true; break; } */
static void leave_loop(struct rewriting *r, struct node *node) {
    struct node *value = node->child, *now, **link = &now;
    struct loc loc = node->loc;

    if (value) {
        r->has_value = true;
        *link = assign(r, value_variable(r, loc), value, loc);
        link = &(*link)->next;
    }
    *link = assign(r, flag_variable(r, loc), boolean(r, true, loc), loc);
    (*link)->next = make(r, NODE_BREAK, loc, NULL);
    struct node *block = make(r, NODE_BLOCK, loc, now), *next = node->next;
    *node = *block;
    node->next = next;
}

/* if ($returned) { return $value; }      or { break; } */
static struct node *go_on(struct rewriting *r, struct loc loc) {
    struct node *condition = flag_variable(r, loc), *statement;

    if (r->loops)
        statement = make(r, NODE_BREAK, loc, NULL);
    else
        statement = make(r, NODE_RETURN, loc, r->has_value ? value_variable(r, loc) : NULL);
    condition->next = make(r, NODE_BLOCK, loc, statement);
    return make(r, NODE_IF, loc, condition);
}

static bool is_called_back(const struct node *node) {
    return node->kind == NODE_WHILE || node->kind == NODE_FOR_RANGE || node->kind == NODE_FOR_MAP;
}

/* Whether there is such a `return` in the node. Functions that are used in this one have had theirs rewritten. */
static bool rewrite(struct rewriting *r, struct node *node) {
    unsigned height = 0;
    bool any = false;

    if (node->kind == NODE_FUNCTION)
        return false;
    if (node->kind == NODE_RETURN && r->loops) {
        leave_loop(r, node);
        return true;
    }
    r->loops += is_called_back(node);
    for (struct node *child = node->child; child; child = child->next) {
        bool is_loop = is_called_back(child) || (child->kind == NODE_UNROLL && r->loops);
        bool found = rewrite(r, child);
        if (found && is_loop) {
            struct node *behind = go_on(r, child->loc);
            behind->next = child->next;
            child->next = behind;
        }
        any |= found;
    }
    r->loops -= is_called_back(node);
    for (const struct node *child = node->child; child; child = child->next)
        height = child->height >= height ? child->height + 1u : height;
    node->height = (uint16_t)height;
    return any;
}

void lang_expand_returns(struct arena *arena, struct node *body, const struct type_name *result, uint32_t hygiene) {
    struct rewriting r = {.arena = arena, .hygiene = hygiene};

    if (!rewrite(&r, body))
        return;
    struct node *flag = make(&r, NODE_LET, body->loc, boolean(&r, false, body->loc));
    flag->text = "$return now";
    flag->hygiene = hygiene;
    flag->next = body->child;
    body->child = flag;
    if (r.has_value) {
        struct node *value = make(&r, NODE_LET, body->loc, NULL);
        value->text = "$return value";
        value->hygiene = hygiene;
        value->type_name = result;
        value->next = flag;
        body->child = value;
    }
    body->height = body->height < 2 ? 2 : body->height;
}
