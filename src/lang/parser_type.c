#include "lang/parser.h"

#include <string.h>

/* C's integer types are written with several words; these are the words. */
static bool is_integer_word(const char *word) {
    static const char *const words[] = {"unsigned", "signed", "long", "short", "int", "char"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static int keyword_of(const struct token *token) {
    static const char *const keywords[] = {"struct", "union", "enum"};

    for (int i = 0; i < 3 && token->kind == TOKEN_IDENTIFIER; i++) {
        if (strcmp(token->text, keywords[i]) == 0)
            return TYPE_NAME_STRUCT + i;
    }
    return TYPE_NAME_PLAIN;
}

static bool is_word(const struct token *token, const char *word) {
    return token->kind == TOKEN_IDENTIFIER && strcmp(token->text, word) == 0;
}

/* ---- looking ahead ----------------------------------------------------------------------------------------- */

static struct token skip_stars(struct lexer *lexer, struct token token, bool *any) {
    for (; token.kind == TOKEN_STAR; *any = true)
        token = lexer_next(lexer);
    return token;
}

bool parser_looks_like_type(const struct parser *parser, enum token_kind end, struct token *after, bool *is_plain) {
    struct lexer lexer = parser->lexer;
    struct token token = parser->token;
    bool decorated = false;

    lexer.diags = NULL;
    while (is_word(&token, "const"))
        token = lexer_next(&lexer);
    if (keyword_of(&token) != TYPE_NAME_PLAIN) {
        decorated = true;
        token = lexer_next(&lexer);
    }
    if (token.kind != TOKEN_IDENTIFIER)
        return false;
    bool is_integer = is_integer_word(token.text);
    decorated |= is_integer;
    token = lexer_next(&lexer);
    while (is_integer && token.kind == TOKEN_IDENTIFIER && is_integer_word(token.text))
        token = lexer_next(&lexer);
    token = skip_stars(&lexer, token, &decorated);
    while (token.kind == TOKEN_OPEN_BRACKET) {
        token = lexer_next(&lexer);
        if (token.kind == TOKEN_INTEGER)
            token = lexer_next(&lexer);
        if (token.kind != TOKEN_CLOSE_BRACKET)
            return false;
        decorated = true;
        token = lexer_next(&lexer);
    }
    token = skip_stars(&lexer, token, &decorated);
    *is_plain = !decorated;
    *after = lexer_next(&lexer);
    return token.kind == end;
}

/* ---- reading ----------------------------------------------------------------------------------------------- */

static const char *integer_words(struct parser *parser) {
    const char *name = parser->token.text;

    parser_advance(parser);
    while (parser_at(parser, TOKEN_IDENTIFIER) && is_integer_word(parser->token.text) && strlen(name) < 64) {
        name = arena_printf(parser->arena, "%s %s", name, parser->token.text);
        parser_advance(parser);
    }
    return name;
}

static uint32_t stars(struct parser *parser) {
    uint32_t count = 0;

    while (parser_accept(parser, TOKEN_STAR))
        count++;
    if (parser_at(parser, TOKEN_MUL_ASSIGN)) { /* let $x : int8 *= ...: two tokens written as one */
        count++;
        parser->token.kind = TOKEN_ASSIGN;
        parser->token.loc.begin++;
    }
    return count;
}

static void bounds(struct parser *parser, struct type_name *type) {
    const uint32_t limit = sizeof type->array_sizes / sizeof *type->array_sizes;

    while (parser_at(parser, TOKEN_OPEN_BRACKET)) {
        struct loc open = parser->token.loc;
        parser_advance(parser);
        uint64_t size = parser_at(parser, TOKEN_INTEGER) ? parser->token.number : 0;
        if (type->array_count == limit)
            parser_error(parser, "type-bounds", open, "a type has at most %u array bounds", limit);
        if (size > UINT32_MAX)
            parser_error(parser, "type-bounds", parser->token.loc, "this array bound is too large");
        parser_accept(parser, TOKEN_INTEGER);
        parser_expect_close(parser, TOKEN_CLOSE_BRACKET, open);
        if (!parser->panicking)
            type->array_sizes[type->array_count++] = (uint32_t)size;
    }
}

const struct type_name *parser_type(struct parser *parser) {
    struct type_name *type = arena_make(parser->arena, struct type_name);

    type->name = "";
    type->loc = parser->token.loc;
    while (parser_accept_word(parser, "const"))
        ;
    type->keyword = keyword_of(&parser->token);
    if (type->keyword != TYPE_NAME_PLAIN)
        parser_advance(parser);
    if (!parser_at(parser, TOKEN_IDENTIFIER)) {
        parser_error(parser, "type-expected", parser->token.loc, "expected a type, found %s", parser_found(parser));
        return type;
    }
    if (type->keyword == TYPE_NAME_PLAIN && is_integer_word(parser->token.text)) {
        type->name = integer_words(parser);
    } else {
        type->name = parser->token.text;
        parser_advance(parser);
    }
    type->pointer_depth = stars(parser);
    bounds(parser, type);
    type->outer_pointers = stars(parser);
    type->loc.end = parser->previous_end > type->loc.begin ? parser->previous_end : type->loc.end;
    return type;
}
