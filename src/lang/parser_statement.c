#include "lang/parser.h"

#include <string.h>

static struct node *statement(struct parser *parser);

/* ---- conditions and blocks --------------------------------------------------------------------------------- */

/* The condition of if and while; parentheses are part of the expression and so optional. */
static struct node *condition(struct parser *parser) {
    bool outer = parser->in_condition;
    struct node *node;

    parser->in_condition = true;
    node = parser_expression(parser);
    if (parser_at(parser, TOKEN_ASSIGN) &&
        parser_error(parser, "assignment-in-expression", parser->token.loc, "an assignment is not an expression"))
        diag_hint(parser->diags, "did you mean ==?");
    parser->in_condition = outer;
    return node;
}

/* At the end of the text, or at a probe: what follows is read as if the braces were there. */
static void unclosed_block(struct parser *parser, struct loc open) {
    struct loc here = parser->token.loc;
    uint32_t line, column;

    if (parser->stopped || parser->unclosed_at == here.begin + 1)
        return;
    parser->unclosed_at = here.begin + 1;
    if (parser_at(parser, TOKEN_END)) {
        diag_error(parser->diags, "unclosed-brace", open, "this { is never closed");
        return;
    }
    source_position(parser->source, here.begin, &line, &column);
    diag_error(parser->diags, "unclosed-brace", open, "this { is not closed before the next probe");
    diag_hint(parser->diags, "expected } before %s in line %u", parser->token.text, line);
}

/* The statements up to the closing brace, which is taken. */
static void statements(struct parser *parser, struct loc open, struct node_list *list) {
    while (!parser_accept(parser, TOKEN_CLOSE_BRACE)) {
        if (parser->panicking)
            return;
        if (parser_at(parser, TOKEN_END) || parser_at_probe(parser)) {
            unclosed_block(parser, open);
            return;
        }
        if (parser_accept(parser, TOKEN_SEMICOLON))
            continue;
        struct node *node = statement(parser);
        if (!parser->panicking) {
            bool nests = node->kind == NODE_IF || node->kind == NODE_BLOCK;
            node->is_tail |= nests && parser_at(parser, TOKEN_CLOSE_BRACE);
            node_list_add(list, node);
            continue;
        }
        parser_recover_statement(parser);
        if (parser_at(parser, TOKEN_END))
            parser->unclosed_at = parser->token.loc.begin + 1; /* the brace may be in what was passed over */
    }
}

struct node *parser_block(struct parser *parser, const char *where) {
    struct node_list list = {0};
    struct loc open = parser->token.loc;

    if (!parser_at(parser, TOKEN_OPEN_BRACE)) {
        if (parser_error(parser, "block-expected", open, "expected { %s, found %s", where, parser_found(parser)) &&
            strcmp(where, "after the attach point") != 0)
            diag_hint(parser->diags, "the braces are needed even around a single statement");
    } else if (parser_enter(parser)) {
        parser_advance(parser);
        statements(parser, open, &list);
        parser_leave(parser);
    }
    return parser_node(parser, NODE_BLOCK, open.begin, list);
}

/* ---- control flow ------------------------------------------------------------------------------------------ */

struct node *parser_if(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    node_list_add(&children, condition(parser));
    node_list_add(&children, parser_block(parser, "after the condition"));
    if (parser_accept_word(parser, "else")) {
        if (parser_at_word(parser, "if") && parser_enter(parser)) {
            node_list_add(&children, parser_if(parser));
            parser_leave(parser);
        } else {
            node_list_add(&children, parser_block(parser, "after else"));
        }
    }
    return parser_node(parser, NODE_IF, begin, children);
}

static struct node *while_statement(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    node_list_add(&children, condition(parser));
    node_list_add(&children, parser_block(parser, "after the condition"));
    return parser_node(parser, NODE_WHILE, begin, children);
}

static struct node *unroll_statement(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    node_list_add(&children, parser_expression(parser));
    node_list_add(&children, parser_block(parser, "after the count"));
    return parser_node(parser, NODE_UNROLL, begin, children);
}

/* for (a; b; c): the rest of the head is passed over so that it gives no further messages. */
static void reject_c_loop(struct parser *parser, struct loc loc) {
    unsigned depth = 1;
    struct lexer ahead = parser->lexer;
    struct token token = parser->token;

    ahead.diags = NULL;
    while (token.kind != TOKEN_END && token.kind != TOKEN_OPEN_BRACE) {
        depth += token.kind == TOKEN_OPEN_PAREN;
        if (token.kind == TOKEN_CLOSE_PAREN && --depth == 0)
            break;
        token = lexer_next(&ahead);
    }
    if (parser_error(parser, "c-style-for", loc, "for has no form with three parts"))
        diag_hint(parser->diags, "use for $i : 0..10 { }, or while with a condition");
    parser->resume = token.loc.begin;
}

static struct node *for_statement(struct parser *parser) {
    struct node_list children = {0};
    struct loc word = parser->token.loc, open;
    enum node_kind kind = NODE_FOR_MAP;

    parser_advance(parser);
    open = parser->token.loc;
    bool has_parentheses = parser_accept(parser, TOKEN_OPEN_PAREN);
    struct token variable = parser->token, next = parser_peek(parser);
    if (has_parentheses && (parser_at(parser, TOKEN_SEMICOLON) || parser_at_word(parser, "let") ||
                            parser_at_word(parser, "int") || next.kind == TOKEN_ASSIGN)) {
        reject_c_loop(parser, word);
    } else if (!parser_accept(parser, TOKEN_VARIABLE)) {
        if (parser_error(parser, "for-variable", variable.loc, "expected a variable after for, found %s",
                         parser_found(parser)))
            diag_hint(parser->diags, "the forms are: for $kv : @map { } and for $i : 0..10 { }");
    }
    node_list_add(&children, parser_leaf(parser, NODE_VARIABLE, &variable));
    parser_expect(parser, TOKEN_COLON, "after the loop variable");
    node_list_add(&children, parser_expression(parser));
    if (parser_accept(parser, TOKEN_RANGE)) {
        kind = NODE_FOR_RANGE;
        node_list_add(&children, parser_expression(parser));
    } else if (!parser->panicking && (children.last->kind != NODE_MAP || children.last->child)) {
        if (parser_error(parser, "for-subject", children.last->loc, "for needs a map or a range here"))
            diag_hint(parser->diags, "the forms are: for $kv : @map { } and for $i : 0..10 { }");
    }
    if (has_parentheses)
        parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    node_list_add(&children, parser_block(parser, "after the head of the loop"));
    return parser_node(parser, kind, word.begin, children);
}

/* ---- simple statements ------------------------------------------------------------------------------------- */

static struct node *let_statement(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;
    const struct type_name *type = NULL;

    parser_advance(parser);
    struct token name = parser->token;
    if (parser_at(parser, TOKEN_MAP)) {
        if (parser_error(parser, "let-variable", name.loc, "let declares variables, not maps"))
            diag_hint(parser->diags, "a map is made by its first assignment");
    } else if (!parser_accept(parser, TOKEN_VARIABLE)) {
        if (parser_error(parser, "let-variable", name.loc, "expected a variable after let, found %s",
                         parser_found(parser)))
            diag_hint(parser->diags, "as in: let $x; let $x = 1; let $x : uint64 = 1;");
    }
    if (parser_accept(parser, TOKEN_COLON))
        type = parser_type(parser);
    if (parser_accept(parser, TOKEN_ASSIGN))
        node_list_add(&children, parser_expression(parser));
    struct node *node = parser_node(parser, NODE_LET, begin, children);
    node->text = name.text;
    node->type_name = type;
    return node;
}

/* return, break, continue; return may have a value. */
static struct node *jump(struct parser *parser, enum node_kind kind) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    if (kind == NODE_RETURN && parser_starts_expression(&parser->token))
        node_list_add(&children, parser_expression(parser));
    return parser_node(parser, kind, begin, children);
}

static struct node *discard(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    parser_expect(parser, TOKEN_ASSIGN, "after _");
    node_list_add(&children, parser_expression(parser));
    return parser_node(parser, NODE_DISCARD, begin, children);
}

static struct node *assignment_or_expression(struct parser *parser) {
    struct node_list children = {0};
    struct node *target = parser_expression(parser);
    enum node_operator op = token_assign_operator(parser->token.kind);

    node_list_add(&children, target);
    if (parser->panicking || (op == OP_NONE && !parser_at(parser, TOKEN_ASSIGN)))
        return parser_node(parser, NODE_EXPRESSION, target->loc.begin, children);
    if (target->kind != NODE_VARIABLE && target->kind != NODE_MAP) {
        if (parser_error(parser, "assignment-target", target->loc, "only variables and maps can be assigned") &&
            target->kind == NODE_IDENTIFIER)
            diag_hint(parser->diags, "a variable is written $%s, a map @%s", target->text, target->text);
    }
    parser_advance(parser);
    node_list_add(&children, parser_expression(parser));
    struct node *node = parser_node(parser, NODE_ASSIGN, target->loc.begin, children);
    node->op = op;
    return node;
}

/* On a new line the next statement is taken as it is; on the same line it is anybody's guess what was meant. */
static void missing_semicolon(struct parser *parser) {
    struct loc behind = {parser->previous_end, parser->previous_end};
    uint32_t line, next_line, column;

    source_position(parser->source, behind.begin, &line, &column);
    source_position(parser->source, parser->token.loc.begin, &next_line, &column);
    if (next_line > line)
        diag_error(parser->diags, "missing-semicolon", behind, "expected ; at the end of this statement");
    else
        parser_error(parser, "missing-semicolon", behind, "expected ; or an operator, found %s", parser_found(parser));
}

/* `;` is needed between statements, not before `}`. */
static void end_of_statement(struct parser *parser, struct node *node) {
    const struct node *called = node->kind == NODE_EXPRESSION ? node->child : NULL;

    if (parser_accept(parser, TOKEN_SEMICOLON) || parser->panicking)
        return;
    if (parser_at(parser, TOKEN_CLOSE_BRACE)) {
        node->is_tail = node->kind == NODE_EXPRESSION;
        return;
    }
    if (called && called->kind == NODE_IDENTIFIER && parser_starts_expression(&parser->token)) {
        if (parser_error(parser, "call-parentheses", called->loc, "arguments stand in parentheses"))
            diag_hint(parser->diags, "write %s(...)", called->text);
    } else if (parser_at(parser, TOKEN_END)) {
        return; /* the block that is not closed will be reported */
    } else if (parser_at(parser, TOKEN_CLOSE_PAREN) || parser_at(parser, TOKEN_CLOSE_BRACKET)) {
        parser_error(parser, "stray-parenthesis", parser->token.loc, "this %s closes nothing", parser_found(parser));
    } else if (parser_starts_expression(&parser->token)) {
        missing_semicolon(parser);
    } else {
        parser_error(parser, "unexpected-token", parser->token.loc, "expected ; or an operator, found %s",
                     parser_found(parser));
    }
}

static struct node *simple_statement(struct parser *parser) {
    struct node *node;

    if (parser_at_word(parser, "let"))
        node = let_statement(parser);
    else if (parser_at_word(parser, "return"))
        node = jump(parser, NODE_RETURN);
    else if (parser_at_word(parser, "break"))
        node = jump(parser, NODE_BREAK);
    else if (parser_at_word(parser, "continue"))
        node = jump(parser, NODE_CONTINUE);
    else if (parser_at_word(parser, "_"))
        node = discard(parser);
    else
        node = assignment_or_expression(parser);
    end_of_statement(parser, node);
    return node;
}

static struct node *statement(struct parser *parser) {
    if (parser_at_word(parser, "if"))
        return parser_if(parser);
    if (parser_at_word(parser, "while"))
        return while_statement(parser);
    if (parser_at_word(parser, "unroll"))
        return unroll_statement(parser);
    if (parser_at_word(parser, "for"))
        return for_statement(parser);
    if (parser_at_word(parser, "else")) {
        struct token token = parser->token;
        if (parser_error(parser, "stray-else", token.loc, "this else belongs to no if"))
            diag_hint(parser->diags, "else stands directly behind the } of an if");
        return parser_leaf(parser, NODE_BREAK, &token);
    }
    if (parser_at(parser, TOKEN_OPEN_BRACE))
        return parser_block(parser, "");
    if (parser_at_word(parser, "import") && parser_peek(parser).kind == TOKEN_STRING) {
        uint32_t begin = parser->token.loc.begin;
        parser_import(parser);
        return parser_node(parser, NODE_BLOCK, begin, (struct node_list){0});
    }
    return simple_statement(parser);
}
