#include "lang/parser.h"

#include <string.h>

/* Elements of all bounds together: keeps sizes within 32 bits. */
enum { ARRAY_LIMIT = 1 << 20 };

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

/* Behind an opening parenthesis: the token behind the one that closes it. */
static struct token skip_parentheses(struct lexer *lexer) {
    struct token token;

    for (unsigned depth = 1; depth > 0;) {
        token = lexer_next(lexer);
        if (token.kind == TOKEN_END)
            return token;
        depth += token.kind == TOKEN_OPEN_PAREN;
        depth -= token.kind == TOKEN_CLOSE_PAREN;
    }
    return lexer_next(lexer);
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
    bool is_integer = is_integer_word(token.text), is_typeof = is_word(&token, "typeof");
    decorated |= is_integer;
    token = lexer_next(&lexer);
    if (is_typeof && token.kind == TOKEN_OPEN_PAREN) {
        decorated = true;
        token = skip_parentheses(&lexer);
    }
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

/* C's integer types by their words, as the types of fixed size that they are. */
static const char *integer_words(struct parser *parser) {
    const char *first = parser->token.text;
    bool is_unsigned = false, is_signed = false;
    unsigned bits = 32, words = 0;

    for (; parser_at(parser, TOKEN_IDENTIFIER) && is_integer_word(parser->token.text); words++) {
        const char *word = parser->token.text;
        is_unsigned |= strcmp(word, "unsigned") == 0;
        is_signed |= strcmp(word, "signed") == 0;
        if (strcmp(word, "char") == 0)
            bits = 8;
        else if (strcmp(word, "short") == 0)
            bits = 16;
        else if (strcmp(word, "long") == 0)
            bits = 64;
        parser_advance(parser);
    }
    if (words == 1 && !is_unsigned && !is_signed)
        return first; /* char is more than int8: arrays of it are strings */
    return arena_printf(parser->arena, "%sint%u", is_unsigned ? "u" : "", bits);
}

uint32_t parser_type_stars(struct parser *parser) {
    uint32_t count = 0;

    while (parser_accept(parser, TOKEN_STAR)) {
        count++;
        parser_accept_word(parser, "const");
    }
    if (parser_at(parser, TOKEN_MUL_ASSIGN)) { /* let $x : int8 *= ...: two tokens written as one */
        count++;
        parser->token.kind = TOKEN_ASSIGN;
        parser->token.loc.begin++;
    }
    return count;
}

void parser_type_bounds(struct parser *parser, struct type_name *type) {
    const uint32_t limit = sizeof type->array_sizes / sizeof *type->array_sizes;
    uint64_t elements = 1;

    while (parser_at(parser, TOKEN_OPEN_BRACKET)) {
        struct loc open = parser->token.loc;
        parser_advance(parser);
        uint64_t size = 0;
        if (!parser_at(parser, TOKEN_CLOSE_BRACKET)) {
            const struct node *bound = parser_expression(parser);
            if (!parser_constant(bound, &size))
                parser_error(parser, "type-bounds", bound->loc, "an array bound is a number");
        }
        if (type->array_count == limit)
            parser_error(parser, "type-bounds", open, "a type has at most %u array bounds", limit);
        elements = size < ARRAY_LIMIT ? elements * (size ? size : 1) : ARRAY_LIMIT;
        if (elements >= ARRAY_LIMIT)
            parser_error(parser, "type-bounds", open, "this array is too large");
        parser_expect_close(parser, TOKEN_CLOSE_BRACKET, open);
        if (!parser->panicking)
            type->array_sizes[type->array_count++] = (uint32_t)size;
    }
}

/* typeof(T) or typeof(e): at the word. */
static void type_of(struct parser *parser, struct type_name *type) {
    struct loc open;

    type->name = "typeof";
    parser_advance(parser);
    open = parser->token.loc;
    if (!parser_accept(parser, TOKEN_OPEN_PAREN)) {
        parser_error(parser, "type-expected", parser->token.loc, "expected ( behind typeof, found %s",
                     parser_found(parser));
        return;
    }
    parser_type_or_expression(parser, TOKEN_CLOSE_PAREN, &type->inner, &type->of);
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
    type->loc.end = parser->previous_end;
}

void parser_type_or_expression(struct parser *parser, enum token_kind end, const struct type_name **type,
                               struct node **expression) {
    struct token after;
    bool is_plain;

    *type = NULL;
    *expression = NULL;
    if (parser_looks_like_type(parser, end, &after, &is_plain) &&
        !(is_plain && (lang_find_builtin(parser->token.text, NULL) || hash_get(&parser->defines, parser->token.text))))
        *type = parser_type(parser);
    else
        *expression = parser_expression(parser);
}

void parser_type_base(struct parser *parser, struct type_name *type) {
    type->name = "";
    type->loc = parser->token.loc;
    while (parser_accept_word(parser, "const") || parser_accept_word(parser, "volatile"))
        ;
    type->keyword = keyword_of(&parser->token);
    if (parser_at_word(parser, "typeof")) {
        type_of(parser, type);
        return;
    }
    if (type->keyword != TYPE_NAME_PLAIN)
        parser_advance(parser);
    if (!parser_at(parser, TOKEN_IDENTIFIER)) {
        parser_error(parser, "type-expected", parser->token.loc, "expected a type, found %s", parser_found(parser));
        return;
    }
    if (type->keyword == TYPE_NAME_PLAIN && is_integer_word(parser->token.text)) {
        type->name = integer_words(parser);
    } else {
        type->name = parser->token.text;
        parser_advance(parser);
    }
    type->loc.end = parser->previous_end;
}

const struct type_name *parser_type(struct parser *parser) {
    struct type_name *type = arena_make(parser->arena, struct type_name);

    type->name = "";
    type->loc = parser->token.loc;
    parser_type_base(parser, type);
    type->pointer_depth = parser_type_stars(parser);
    parser_type_bounds(parser, type);
    type->outer_pointers = parser_type_stars(parser);
    type->loc.end = parser->previous_end > type->loc.begin ? parser->previous_end : type->loc.end;
    return type;
}
