#include "lang/parser.h"

#include <string.h>

/* ---- lists in parentheses and brackets --------------------------------------------------------------------- */

/* Expressions with commas up to the closing token, which is taken. A comma at the end is allowed in tuples only. */
static struct node *record(struct parser *parser, enum token_kind close, struct loc open);

/* {name = e, ...} as an argument: options, which is a record too. */
static bool at_options(const struct parser *parser) {
    struct lexer ahead = parser->lexer;

    ahead.diags = NULL;
    return parser_at(parser, TOKEN_OPEN_BRACE) && lexer_next(&ahead).kind == TOKEN_IDENTIFIER &&
           lexer_next(&ahead).kind == TOKEN_ASSIGN;
}

static struct node *argument(struct parser *parser) {
    struct loc open = parser->token.loc;

    if (!at_options(parser))
        return parser_expression(parser);
    parser_advance(parser);
    return record(parser, TOKEN_CLOSE_BRACE, open);
}

static void arguments(struct parser *parser, enum token_kind close, struct loc open, struct node_list *list) {
    while (!parser_at(parser, close)) {
        node_list_add(list, argument(parser));
        if (parser_accept(parser, TOKEN_COMMA)) {
            if (parser_at(parser, close))
                parser_error(parser, "missing-argument", parser->token.loc,
                             "expected an expression after the comma, found %s", parser_found(parser));
            continue;
        }
        if (parser_starts_expression(&parser->token)) {
            if (parser_error(parser, "missing-comma", parser->token.loc, "expected , or %s, found %s",
                             token_spelling(close), parser_found(parser)))
                diag_hint(parser->diags, "is a comma missing?");
        }
        break;
    }
    parser_expect_close(parser, close, open);
}

static struct node *map(struct parser *parser) {
    struct node_list keys = {0};
    struct token name = parser->token;

    parser_advance(parser);
    if (parser_at(parser, TOKEN_OPEN_BRACKET)) {
        struct loc open = parser->token.loc;
        open.begin = name.loc.begin;
        parser_advance(parser);
        if (parser_at(parser, TOKEN_CLOSE_BRACKET))
            parser_error(parser, "missing-key", open, "expected a key between the brackets");
        arguments(parser, TOKEN_CLOSE_BRACKET, open, &keys);
        /* one tuple is the same as its elements */
        if (keys.count == 1 && keys.first->kind == NODE_TUPLE && !keys.first->names &&
            node_child_count(keys.first) >= 2)
            keys = (struct node_list){keys.first->child, NULL, 0};
    }
    struct node *node = parser_node(parser, NODE_MAP, name.loc.begin, keys);
    node->text = name.text;
    return node;
}

/* ---- parentheses: cast, record, tuple, grouping --------------------------------------------------------------------
 */

/* (word) is a cast if something follows that a cast could apply to, unless the word is known to be a value. */
static bool is_cast(const struct parser *parser) {
    struct token after;
    bool is_plain;

    if (!parser_looks_like_type(parser, TOKEN_CLOSE_PAREN, &after, &is_plain))
        return false;
    if (!is_plain)
        return true;
    return parser_starts_expression(&after) && !lang_find_builtin(parser->token.text, NULL) &&
           !parser_at_word(parser, "true") && !parser_at_word(parser, "false") &&
           !hash_get(&parser->defines, parser->token.text);
}

static struct node *cast(struct parser *parser, struct loc open) {
    struct node_list children = {0};
    const struct type_name *type = parser_type(parser);

    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    if (parser_enter(parser)) {
        node_list_add(&children, parser_unary(parser));
        parser_leave(parser);
    }
    struct node *node = parser_node(parser, NODE_CAST, open.begin, children);
    node->type_name = type;
    return node;
}

/* Behind the first element and at the comma. */
static struct node *tuple(struct parser *parser, struct loc open, struct node *first) {
    struct node_list elements = {0};

    node_list_add(&elements, first);
    while (parser_accept(parser, TOKEN_COMMA) && !parser_at(parser, TOKEN_CLOSE_PAREN))
        node_list_add(&elements, parser_expression(parser));
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    return parser_node(parser, NODE_TUPLE, open.begin, elements);
}

static bool at_record(const struct parser *parser) {
    struct lexer ahead = parser->lexer;

    ahead.diags = NULL;
    return parser_at(parser, TOKEN_IDENTIFIER) && lexer_next(&ahead).kind == TOKEN_ASSIGN;
}

/* (name=e, name=e) or {name=e}: at the first name. */
static struct node *record(struct parser *parser, enum token_kind close, struct loc open) {
    struct node_list elements = {0};
    VEC(const char *) names = {0};

    while (parser_at(parser, TOKEN_IDENTIFIER)) {
        struct token name = parser->token;
        for (uint32_t i = 0; i < names.count; i++)
            if (strcmp(names.data[i], name.text) == 0)
                parser_error(parser, "record-field", name.loc, "the record has two fields named '%s'", name.text);
        parser_advance(parser);
        if (!parser_accept(parser, TOKEN_ASSIGN)) {
            if (parser_error(parser, "record-field", name.loc, "expected = and a value behind the name '%s'",
                             name.text))
                diag_hint(parser->diags, "the fields of a record are name=value; a tuple has none with names");
            break;
        }
        vec_push(parser->arena, &names, name.text);
        node_list_add(&elements, parser_expression(parser));
        if (!parser_accept(parser, TOKEN_COMMA))
            break;
        if (!parser_at(parser, TOKEN_IDENTIFIER) && !parser_at(parser, close)) {
            if (parser_error(parser, "record-field", parser->token.loc, "expected the name of a field, found %s",
                             parser_found(parser)))
                diag_hint(parser->diags, "the fields of a record are name=value; a tuple has none with names");
        }
    }
    parser_expect_close(parser, close, open);
    struct node *node = parser_node(parser, NODE_TUPLE, open.begin, elements);
    node->names = names.data;
    return node;
}

struct node *parser_parenthesized(struct parser *parser) {
    struct loc open = parser->token.loc;

    parser_advance(parser);
    if (is_cast(parser))
        return cast(parser, open);
    if (parser_accept(parser, TOKEN_CLOSE_PAREN))
        return parser_node(parser, NODE_TUPLE, open.begin, (struct node_list){0});
    if (at_record(parser))
        return record(parser, TOKEN_CLOSE_PAREN, open);
    struct node *node = parser_expression(parser);
    if (parser_at(parser, TOKEN_COMMA))
        return tuple(parser, open, node);
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    return node;
}

/* ---- names and literals ------------------------------------------------------------------------------------ */

/* At the opening parenthesis behind the word. */
static struct node *size_of(struct parser *parser, const struct token *name, enum node_kind kind) {
    struct node_list children = {0};
    const struct type_name *type;
    struct node *operand;
    struct loc open = parser->token.loc;

    parser_advance(parser);
    parser_type_or_expression(parser, TOKEN_CLOSE_PAREN, &type, &operand);
    if (operand)
        node_list_add(&children, operand);
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    struct node *node = parser_node(parser, kind, name->loc.begin, children);
    node->type_name = type;
    return node;
}

/* .name.name behind the comma of offsetof() */
static const char *member_path(struct parser *parser) {
    const char *path = "";

    do {
        struct token token = parser->token;
        if (!parser_accept(parser, TOKEN_IDENTIFIER)) {
            parser_error(parser, "field-expected", token.loc, "expected the name of a field, found %s",
                         parser_found(parser));
            break;
        }
        path = arena_printf(parser->arena, "%s%s%s", path, *path ? "." : "", token.text);
    } while (parser_accept(parser, TOKEN_DOT));
    return path;
}

/* At the opening parenthesis behind the word. */
static struct node *offset_of(struct parser *parser, const struct token *name) {
    struct node_list children = {0};
    const struct type_name *type;
    struct node *operand;
    struct loc open = parser->token.loc;
    const char *path = "";

    parser_advance(parser);
    parser_type_or_expression(parser, TOKEN_COMMA, &type, &operand);
    if (operand)
        node_list_add(&children, operand);
    if (parser_accept(parser, TOKEN_COMMA))
        path = member_path(parser);
    else if (parser_error(parser, "field-expected", parser->token.loc,
                          "expected a comma and the name of a field, found %s", parser_found(parser)))
        diag_hint(parser->diags, "offsetof(struct NAME, field)");
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    struct node *node = parser_node(parser, NODE_OFFSETOF, name->loc.begin, children);
    node->type_name = type;
    node->text = path;
    return node;
}

/* container_of(pointer, type, member) -> (type *)((int8 *)pointer - offsetof(type, member)) */
static struct node *container_of(struct parser *parser, const struct token *name) {
    static const struct type_name byte = {.name = "int8", .pointer_depth = 1};
    struct node_list pointers = {0}, differences = {0}, operands = {0}, offsets = {0};
    const struct type_name *type;
    struct node *operand;
    struct loc open = parser->token.loc;

    parser_advance(parser);
    node_list_add(&pointers, parser_expression(parser));
    bool complete = parser_accept(parser, TOKEN_COMMA);
    if (complete) {
        parser_type_or_expression(parser, TOKEN_COMMA, &type, &operand);
        complete = type && parser_accept(parser, TOKEN_COMMA);
    }
    if (!complete) {
        if (parser_error(parser, "container-of", parser->token.loc,
                         "container_of() takes a pointer, a type and a member"))
            diag_hint(parser->diags, "container_of($pointer, struct NAME, member)");
        return parser_leaf(parser, NODE_INTEGER, name);
    }
    const char *path = member_path(parser);
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    struct node *bytes = parser_node(parser, NODE_CAST, name->loc.begin, pointers);
    bytes->type_name = &byte;
    struct node *offset = parser_node(parser, NODE_OFFSETOF, name->loc.begin, offsets);
    offset->type_name = type;
    offset->text = path;
    node_list_add(&differences, bytes);
    node_list_add(&differences, offset);
    struct node *difference = parser_node(parser, NODE_BINARY, name->loc.begin, differences);
    difference->op = OP_SUB;
    node_list_add(&operands, difference);
    struct node *node = parser_node(parser, NODE_CAST, name->loc.begin, operands);
    struct type_name *pointer = arena_memdup(parser->arena, type, sizeof *type);
    if (pointer->array_count)
        pointer->outer_pointers++;
    else
        pointer->pointer_depth++;
    node->type_name = pointer;
    return node;
}

static struct node *call(struct parser *parser, const struct token *name) {
    struct node_list list = {0};
    struct loc open = parser->token.loc;

    open.begin = name->loc.begin;
    parser_advance(parser);
    arguments(parser, TOKEN_CLOSE_PAREN, open, &list);
    struct node *node = parser_node(parser, NODE_CALL, name->loc.begin, list);
    node->text = name->text;
    return node;
}

/* typeof(T), which only macros take */
static struct node *type_value(struct parser *parser) {
    uint32_t begin = parser->token.loc.begin;
    const struct type_name *type = parser_type(parser);
    struct node *node = parser_node(parser, NODE_TYPE, begin, (struct node_list){0});

    node->type_name = type;
    return node;
}

static struct node *if_expression(struct parser *parser);
static struct node *comptime(struct parser *parser);

static struct node *name(struct parser *parser) {
    struct token token = parser->token;
    struct parser_define *define = hash_get(&parser->defines, token.text);

    if (strcmp(token.text, "if") == 0)
        return if_expression(parser);
    if (strcmp(token.text, "comptime") == 0)
        return comptime(parser);
    if (strcmp(token.text, "typeof") == 0 && parser_peek(parser).kind == TOKEN_OPEN_PAREN)
        return type_value(parser);
    if (parser_reject_expression_word(parser))
        return parser_leaf(parser, NODE_INTEGER, &token);
    parser_advance(parser);
    if (define)
        return parser_define_value(parser, define, &token);
    if (strcmp(token.text, "sizeof") == 0 && parser_at(parser, TOKEN_OPEN_PAREN))
        return size_of(parser, &token, NODE_SIZEOF);
    if (strcmp(token.text, "typeinfo") == 0 && parser_at(parser, TOKEN_OPEN_PAREN))
        return size_of(parser, &token, NODE_TYPEINFO);
    if (strcmp(token.text, "offsetof") == 0 && parser_at(parser, TOKEN_OPEN_PAREN))
        return offset_of(parser, &token);
    if (strcmp(token.text, "container_of") == 0 && parser_at(parser, TOKEN_OPEN_PAREN))
        return container_of(parser, &token);
    if (parser_at(parser, TOKEN_BANG) && parser->token.loc.begin == token.loc.end &&
        lexer_peek(&parser->lexer, 0) == '(') /* macro!(), as it once was written */
        parser_advance(parser);
    if (parser_at(parser, TOKEN_OPEN_PAREN))
        return call(parser, &token);
    if (strcmp(token.text, "true") == 0 || strcmp(token.text, "false") == 0) {
        token.number = token.text[0] == 't';
        return parser_leaf(parser, NODE_BOOLEAN, &token);
    }
    return parser_leaf(parser, NODE_IDENTIFIER, &token);
}

static struct node *integer(struct parser *parser) {
    struct token token = parser->token;

    if (lexer_peek(&parser->lexer, 0) == '.' && lexer_peek(&parser->lexer, 1) >= '0' &&
        lexer_peek(&parser->lexer, 1) <= '9') {
        struct loc loc = {token.loc.begin, token.loc.end + 2};
        if (parser_error(parser, "floating-point", loc, "there are no floating-point numbers"))
            diag_hint(parser->diags, "count in a smaller unit: 1500us for 1.5ms");
    }
    parser_advance(parser);
    struct node *node = parser_leaf(parser, NODE_INTEGER, &token);
    node->is_unsigned = token.number > INT64_MAX;
    return node;
}

static struct node *leaf(struct parser *parser, enum node_kind kind) {
    struct token token = parser->token;

    parser_advance(parser);
    return parser_leaf(parser, kind, &token);
}

/* { statements; value } */
static struct node *block_expression(struct parser *parser) {
    bool in_predicate = parser->in_predicate, in_condition = parser->in_condition;

    parser->in_predicate = parser->in_condition = false;
    struct node *block = parser_block(parser, "");
    parser->in_predicate = in_predicate;
    parser->in_condition = in_condition;
    return parser->panicking ? block : node_block_value(block);
}

/* if condition { value } else { value } */
static struct node *if_expression(struct parser *parser) {
    struct node *node = parser_if(parser);
    struct node block = {.kind = NODE_BLOCK, .child = node};

    node->is_tail = true;
    if (!parser->panicking && node_block_value(&block) == &block &&
        parser_error(parser, "if-value", node->loc, "this if has no value"))
        diag_hint(parser->diags, "each branch ends with a value and no semicolon: if c { 1 } else { 2 }");
    return node;
}

/* comptime value */
static struct node *comptime(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    if (parser_enter(parser)) {
        node_list_add(&children, parser_at_word(parser, "comptime") ? comptime(parser) : parser_unary(parser));
        parser_leave(parser);
    }
    return parser_node(parser, NODE_COMPTIME, begin, children);
}

static struct node *primary(struct parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_IDENTIFIER:
        return name(parser);
    case TOKEN_VARIABLE:
        return leaf(parser, NODE_VARIABLE);
    case TOKEN_MAP:
        return map(parser);
    case TOKEN_INTEGER:
        return integer(parser);
    case TOKEN_STRING:
        return leaf(parser, NODE_STRING);
    case TOKEN_POSITIONAL: {
        struct node *node = leaf(parser, NODE_POSITIONAL);
        node->positional = node->number < UINT32_MAX ? (uint32_t)node->number + 1 : UINT32_MAX;
        return node;
    }
    case TOKEN_POSITIONAL_COUNT:
        return leaf(parser, NODE_POSITIONAL_COUNT);
    case TOKEN_OPEN_PAREN:
        return parser_parenthesized(parser);
    case TOKEN_OPEN_BRACE:
        return block_expression(parser);
    case TOKEN_ASSIGN:
        if (parser_error(parser, "expression-expected", parser->token.loc, "expected an expression, found =") &&
            parser->previous_end == parser->token.loc.begin)
            diag_hint(parser->diags, "to compare, use ==");
        return leaf(parser, NODE_INTEGER);
    default:
        parser_error(parser, "expression-expected", parser->token.loc, "expected an expression, found %s",
                     parser_found(parser));
        return leaf(parser, NODE_INTEGER);
    }
}

/* ---- postfix ----------------------------------------------------------------------------------------------- */

static struct node *index_of(struct parser *parser, struct node *object) {
    struct node_list children = {0};
    struct loc open = parser->token.loc;

    parser_advance(parser);
    node_list_add(&children, object);
    node_list_add(&children, parser_expression(parser));
    parser_expect_close(parser, TOKEN_CLOSE_BRACKET, open);
    return parser_node(parser, NODE_INDEX, object->loc.begin, children);
}

/* .name ->name .0 */
static struct node *field(struct parser *parser, struct node *object) {
    struct node_list children = {0};

    parser_advance(parser);
    struct token token = parser->token;
    enum node_kind kind = parser_at(parser, TOKEN_INTEGER) ? NODE_TUPLE_FIELD : NODE_FIELD;
    if (!parser_accept(parser, TOKEN_IDENTIFIER) && !parser_accept(parser, TOKEN_INTEGER))
        parser_error(parser, "field-expected", token.loc, "expected the name of a field, found %s",
                     parser_found(parser));
    node_list_add(&children, object);
    struct node *node = parser_node(parser, kind, object->loc.begin, children);
    node->text = kind == NODE_FIELD && token.text ? token.text : "";
    node->number = (int64_t)token.number;
    return node;
}

static struct node *postfix_increment(struct parser *parser, struct node *target) {
    struct node_list children = {0};
    enum node_operator op = parser_at(parser, TOKEN_INCREMENT) ? OP_ADD : OP_SUB;

    if (target->kind != NODE_VARIABLE && target->kind != NODE_MAP)
        parser_error(parser, "increment-target", target->loc, "only variables and maps can be %s",
                     op == OP_ADD ? "incremented" : "decremented");
    parser_advance(parser);
    node_list_add(&children, target);
    struct node *node = parser_node(parser, NODE_INCREMENT, target->loc.begin, children);
    node->op = op;
    node->is_postfix = true;
    return node;
}

struct node *parser_operand(struct parser *parser) {
    struct node *node = primary(parser);

    for (;;) {
        if (parser_at(parser, TOKEN_OPEN_BRACKET))
            node = index_of(parser, node);
        else if (parser_at(parser, TOKEN_DOT) || parser_at(parser, TOKEN_ARROW))
            node = field(parser, node);
        else if (parser_at(parser, TOKEN_INCREMENT) || parser_at(parser, TOKEN_DECREMENT))
            node = postfix_increment(parser, node);
        else
            return node;
    }
}
