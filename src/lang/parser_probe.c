#include "lang/parser.h"

#include <string.h>

/* Words that start the text of an attach point: what makes a missing `}` before a probe recognizable. */
static const char *const bare_providers[] = {"BEGIN", "END", "begin", "end"};
static const char *const providers[] = {
    "kprobe",     "k",  "kretprobe",     "kr",   "kfunc",    "fentry", "f",         "kretfunc", "fexit",      "fr",
    "tracepoint", "t",  "rawtracepoint", "rt",   "uprobe",   "u",      "uretprobe", "ur",       "usdt",       "U",
    "profile",    "p",  "interval",      "i",    "software", "s",      "hardware",  "h",        "watchpoint", "w",
    "iter",       "it", "self",          "test", "bench",
};

static bool is_listed(const char *word, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, list[i]) == 0)
            return true;
    }
    return false;
}

bool parser_at_probe(const struct parser *parser) {
    enum token_kind next;

    if (!parser_at(parser, TOKEN_IDENTIFIER))
        return false;
    next = parser_peek(parser).kind;
    if (is_listed(parser->token.text, bare_providers, sizeof bare_providers / sizeof *bare_providers))
        return next == TOKEN_OPEN_BRACE || next == TOKEN_COMMA;
    return next == TOKEN_COLON && is_listed(parser->token.text, providers, sizeof providers / sizeof *providers);
}

/* ---- attach points ----------------------------------------------------------------------------------------- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

/* Adds the text of positional parameter $N; the position is on the $ and ends behind the number. */
static void substitute(struct parser *parser, struct strbuf *text) {
    struct token token = lexer_next(&parser->lexer);
    uint32_t count = parser->env ? parser->env->positional_count : 0;

    if (token.number >= 1 && token.number <= count) {
        strbuf_addstr(text, parser->env->positional[token.number - 1]);
        return;
    }
    parser->token = token;
    if (parser_error(parser, "missing-parameter", token.loc, "the attach point needs parameter $%lu", token.number))
        diag_hint(parser->diags, "%u %s given; parameters follow the program on the command line", count,
                  count == 1 ? "was" : "were");
}

/* The raw text of an attach point. It ends at a blank, `,` or `{`, and at `/` if there was no `:` before: that `/`
 * starts a predicate, any other is part of a path. Quoted parts keep everything. */
static void read_attach_text(struct parser *parser, struct strbuf *text) {
    struct lexer *lexer = &parser->lexer;
    bool in_quotes = false, had_colon = false;
    uint32_t quote = 0;

    while (lexer->position < lexer->end && !parser->panicking) {
        char c = lexer_peek(lexer, 0), next = lexer_peek(lexer, 1);
        if (c == '\n' && in_quotes)
            break;
        if (!in_quotes && (is_blank(c) || c == ',' || c == '{' || c == '}' || (c == '/' && !had_colon)))
            break;
        if (!in_quotes && c == '$' && next >= '0' && next <= '9') {
            substitute(parser, text);
            continue;
        }
        if (c == '"') {
            in_quotes = !in_quotes;
            quote = lexer->position;
        }
        had_colon |= c == ':';
        strbuf_addch(text, c);
        lexer->position++;
    }
    if (in_quotes) {
        parser->token.loc = (struct loc){quote, lexer->position};
        parser_error(parser, "unterminated-string", parser->token.loc, "unterminated string");
        parser->resume = lexer->position;
    }
}

/* name=probe:... gives the block a name, which nothing asks for yet. The length of `name=`, 0: there is none. */
static size_t name_length(const char *text) {
    size_t length = 0;

    while (lexer_is_name(text[length]))
        length++;
    return length > 0 && text[length] == '=' ? length + 1 : 0;
}

/* At the first token of the attach point; its text is read again as it stands. */
static struct node *attach_point(struct parser *parser, bool is_first) {
    struct token token = parser->token;
    struct strbuf text = {0};

    parser->lexer.position = token.loc.begin;
    read_attach_text(parser, &text);
    token.loc.end = parser->lexer.position;
    token.text = arena_strdup(parser->arena, strbuf_text(&text));
    token.length = (uint32_t)text.length;
    token.number = 0;
    strbuf_free(&text);
    if (is_first) {
        size_t name = name_length(token.text);
        token.text += name;
        token.length -= (uint32_t)name;
        token.loc.begin += (uint32_t)name;
    }
    if (token.length == 0 && !parser->panicking) {
        parser_error(parser, "missing-attach-point", parser->token.loc, "expected an attach point, found %s",
                     parser_found(parser));
    }
    if (!parser->panicking) {
        parser->token.loc.end = token.loc.end;
        parser_advance(parser);
    }
    return parser_leaf(parser, NODE_ATTACH_POINT, &token);
}

/* ---- probes ------------------------------------------------------------------------------------------------ */

static struct node *predicate(struct parser *parser) {
    struct node *node;
    struct loc open = parser->token.loc;

    parser_advance(parser);
    parser->in_predicate = true;
    node = parser_expression(parser);
    parser->in_predicate = false;
    if (!parser_accept(parser, TOKEN_SLASH)) {
        if (parser_at(parser, TOKEN_ASSIGN)) {
            if (parser_error(parser, "assignment-in-expression", parser->token.loc,
                             "an assignment is not an expression"))
                diag_hint(parser->diags, "did you mean ==?");
        } else if (parser_at(parser, TOKEN_OPEN_BRACE) || parser_at(parser, TOKEN_END)) {
            if (parser_error(parser, "unclosed-predicate", open, "this predicate is never closed"))
                diag_hint(parser->diags, "a predicate stands between slashes: /condition/");
        } else {
            parser_error(parser, "unexpected-token", parser->token.loc,
                         "expected / at the end of the predicate, found %s", parser_found(parser));
        }
    }
    return node;
}

struct node *parser_probe(struct parser *parser) {
    struct node_list children = {0};
    uint32_t begin = parser->token.loc.begin;
    bool has_predicate = false;

    do
        node_list_add(&children, attach_point(parser, !children.first));
    while (parser_accept(parser, TOKEN_COMMA) && !parser_at(parser, TOKEN_OPEN_BRACE) &&
           !parser_at(parser, TOKEN_SLASH));
    if (parser_at(parser, TOKEN_SLASH)) {
        has_predicate = true;
        node_list_add(&children, predicate(parser));
    }
    uint32_t head_end = parser->previous_end;
    node_list_add(&children, parser_block(parser, has_predicate ? "after the predicate" : "after the attach point"));
    for (struct node *statement = children.last->child; statement; statement = statement->next)
        statement->is_tail = false; /* a probe has no value */
    struct node *node = parser_node(parser, NODE_PROBE, begin, children);
    node->has_predicate = has_predicate;
    if (head_end > begin)
        node->loc.end = head_end; /* the head is what messages about a probe point at */
    return node;
}
