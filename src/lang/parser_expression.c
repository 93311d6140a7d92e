#include "lang/parser.h"

#include <string.h>

static struct node *one(struct parser *parser, enum node_kind kind, uint32_t begin, enum node_operator op,
                        struct node *operand) {
    struct node_list children = {0};

    node_list_add(&children, operand);
    struct node *node = parser_node(parser, kind, begin, children);
    node->op = op;
    return node;
}

/* ---- unary ------------------------------------------------------------------------------------------------- */

/* The operand of a prefix operator. */
static struct node *nested_unary(struct parser *parser) {
    if (!parser_enter(parser))
        return parser_leaf(parser, NODE_INTEGER, &parser->token);
    struct node *node = parser_unary(parser);
    parser_leave(parser);
    return node;
}

static struct node *prefix_increment(struct parser *parser) {
    struct loc loc = parser->token.loc;
    enum node_operator op = parser_at(parser, TOKEN_INCREMENT) ? OP_ADD : OP_SUB;

    parser_advance(parser);
    struct node *operand = nested_unary(parser);
    if (operand->kind != NODE_VARIABLE && operand->kind != NODE_MAP) {
        if (parser_error(parser, "increment-target", loc, "only variables and maps can be %s",
                         op == OP_ADD ? "incremented" : "decremented") &&
            op == OP_SUB)
            diag_hint(parser->diags, "for a negative number of a negative number write -(-x)");
    }
    return one(parser, NODE_INCREMENT, loc.begin, op, operand);
}

struct node *parser_unary(struct parser *parser) {
    static const struct {
        enum token_kind token;
        enum node_operator op;
    } operators[] = {{TOKEN_MINUS, OP_NEG},
                     {TOKEN_BANG, OP_NOT},
                     {TOKEN_TILDE, OP_INVERT},
                     {TOKEN_STAR, OP_DEREFERENCE},
                     {TOKEN_AMPERSAND, OP_ADDRESS}};
    uint32_t begin = parser->token.loc.begin;

    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (parser_accept(parser, operators[i].token))
            return one(parser, NODE_UNARY, begin, operators[i].op, nested_unary(parser));
    }
    if (parser_at(parser, TOKEN_INCREMENT) || parser_at(parser, TOKEN_DECREMENT))
        return prefix_increment(parser);
    return parser_operand(parser);
}

/* ---- binary ------------------------------------------------------------------------------------------------ */

/* A predicate ends at a `/` with `{` behind it, or with anything else that can not be divided by. */
static bool ends_predicate(const struct parser *parser) {
    if (!parser->in_predicate || !parser_at(parser, TOKEN_SLASH))
        return false;
    struct token next = parser_peek(parser);
    return !parser_starts_expression(&next);
}

/* Precedence climbing: operators that bind at least as tightly as `lowest`. */
static struct node *binary(struct parser *parser, unsigned lowest) {
    struct node *left = parser_unary(parser);

    for (;;) {
        enum node_operator op = token_binary_operator(parser->token.kind);
        struct node_list children = {0};
        if (op == OP_NONE || operator_precedence(op) < lowest || ends_predicate(parser))
            return left;
        parser_advance(parser);
        node_list_add(&children, left);
        node_list_add(&children, binary(parser, operator_precedence(op) + 1));
        left = parser_node(parser, NODE_BINARY, left->loc.begin, children);
        left->op = op;
    }
}

/* ---- ternary ----------------------------------------------------------------------------------------------- */

/* Is reading it twice the same as reading it once, and cheap? */
static bool is_plain(const struct node *node) {
    bool is_leaf = node->kind == NODE_VARIABLE || node->kind == NODE_IDENTIFIER || node->kind == NODE_INTEGER ||
                   node->kind == NODE_STRING || node->kind == NODE_BOOLEAN || node->kind == NODE_POSITIONAL;

    return is_leaf || ((node->kind == NODE_FIELD || node->kind == NODE_TUPLE_FIELD) && is_plain(node->child));
}

static struct node *copy(struct parser *parser, const struct node *node) {
    struct node_list children = {0};

    for (const struct node *child = node->child; child && !parser->stopped; child = child->next)
        node_list_add(&children, copy(parser, child));
    struct node *result = parser_node(parser, node->kind, node->loc.begin, children);
    struct node *first = result->child;
    *result = *node;
    result->child = first;
    result->next = NULL;
    return result;
}

/* A variable that no script can name. */
static struct node *hidden_variable(struct parser *parser, enum node_kind kind, struct loc loc, uint32_t number,
                                    struct node *value) {
    struct node_list children = {0};

    if (value)
        node_list_add(&children, value);
    struct node *node = parser_node(parser, kind, loc.begin, children);
    node->loc = loc;
    node->text = arena_printf(parser->arena, "$?%u", number);
    return node;
}

/* a ?: b, at the colon. What is more than a name is computed once: { let $?1 = a; $?1 ? $?1 : b } */
static struct node *short_ternary(struct parser *parser, struct node *condition) {
    struct node_list children = {0}, block = {0};
    bool twice = is_plain(condition);

    parser_advance(parser);
    if (!twice) {
        uint32_t number = ++parser->hidden_count;
        node_list_add(&block, hidden_variable(parser, NODE_LET, condition->loc, number, condition));
        condition = hidden_variable(parser, NODE_VARIABLE, condition->loc, number, NULL);
    }
    node_list_add(&children, condition);
    node_list_add(&children, copy(parser, condition));
    node_list_add(&children, parser_expression(parser));
    struct node *node = parser_node(parser, NODE_TERNARY, condition->loc.begin, children);
    if (twice)
        return node;
    node_list_add(&block, node);
    return parser_node(parser, NODE_BLOCK_VALUE, condition->loc.begin, block);
}

struct node *parser_expression(struct parser *parser) {
    struct node_list children = {0};
    struct node *condition;

    if (!parser_enter(parser))
        return parser_leaf(parser, NODE_INTEGER, &parser->token);
    condition = binary(parser, 1);
    struct loc question = parser->token.loc;
    if (!parser_accept(parser, TOKEN_QUESTION)) {
        parser_leave(parser);
        return condition;
    }
    if (parser_at(parser, TOKEN_COLON)) {
        condition = short_ternary(parser, condition);
        parser_leave(parser);
        return condition;
    }
    node_list_add(&children, condition);
    node_list_add(&children, parser_expression(parser));
    if (!parser_accept(parser, TOKEN_COLON) && parser_error(parser, "ternary-colon", question, "this ? has no :"))
        diag_hint(parser->diags, "the form is: condition ? value : other value");
    node_list_add(&children, parser_expression(parser));
    parser_leave(parser);
    return parser_node(parser, NODE_TERNARY, condition->loc.begin, children);
}
