/* What may stand before the probes: the `#!` line, C directives, C definitions.
 *
 * Types come from the kernel's BTF, so #include has nothing to add and is passed over. #define gives constants names.
 * Conditionals choose text; BPFTRACE_HAVE_BTF is defined, as scripts ask for it to do without kernel headers. */
#include "lang/parser.h"

#include <string.h>

enum { CONDITION_DEPTH_LIMIT = 32 };

struct preamble {
    struct parser *parser;
    struct lexer *lexer;
    struct conditional {
        struct loc loc;
        bool is_active;  /* the text here counts (the enclosing one being active) */
        bool was_active; /* a branch was taken already */
        bool outer_active;
    } stack[CONDITION_DEPTH_LIMIT];
    unsigned depth;
};

static bool is_active(const struct preamble *preamble) {
    return preamble->depth == 0 || preamble->stack[preamble->depth - 1].is_active;
}

static void skip_blanks(struct lexer *lexer) {
    while (lexer_peek(lexer, 0) == ' ' || lexer_peek(lexer, 0) == '\t')
        lexer->position++;
}

uint32_t parser_directive_end(const struct lexer *lexer) {
    struct lexer at = *lexer;
    bool in_quotes = false;

    for (; at.position < at.end && lexer_peek(&at, 0) != '\n'; at.position++) {
        char c = lexer_peek(&at, 0), next = lexer_peek(&at, 1);
        if (c == '\\' && next != '\0') {
            at.position += next == '\r' && lexer_peek(&at, 2) == '\n' ? 2 : 1;
        } else if (c == '"') {
            in_quotes = !in_quotes;
        } else if (!in_quotes && c == '/' && next == '*') {
            for (at.position += 2; at.position < at.end; at.position++) {
                if (lexer_peek(&at, 0) == '*' && lexer_peek(&at, 1) == '/')
                    break;
            }
            at.position += at.position < at.end; /* onto the closing slash */
        } else if (!in_quotes && c == '/' && next == '/') {
            while (at.position + 1 < at.end && lexer_peek(&at, 1) != '\n')
                at.position++;
        }
    }
    return at.position < at.end ? at.position : at.end;
}

/* ---- #define ----------------------------------------------------------------------------------------------- */

static void define(struct preamble *preamble, uint32_t end) {
    struct lexer *lexer = preamble->lexer;
    struct parser_define *entry = arena_make(preamble->parser->arena, struct parser_define);
    struct token name = lexer_next(lexer);

    if (name.kind != TOKEN_IDENTIFIER) {
        diag_error(preamble->parser->diags, "bad-directive", name.loc, "expected a name after #define");
        return;
    }
    entry->name = name.loc;
    entry->has_parameters = lexer_peek(lexer, 0) == '(';
    struct lexer value = *lexer;
    value.end = end;
    lexer_skip_space(&value);
    entry->begin = value.position;
    entry->end = end;
    hash_put(&preamble->parser->defines, name.text, entry);
}

struct node *parser_define_value(struct parser *parser, struct parser_define *define, const struct token *use) {
    struct parser saved = *parser;
    struct node *node;
    if (define->is_enumerator) {
        node = parser_leaf(parser, NODE_IDENTIFIER, use); /* keeps its type; see parser_constant() */
        node->is_constant = true;
        node->number = define->number;
        return node;
    }
    const char *problem = define->has_parameters         ? "a macro with parameters"
                          : define->begin >= define->end ? "defined without a value"
                          : define->expanding            ? "defined by itself"
                                                         : NULL;

    if (problem) {
        parser_error(parser, "bad-constant", use->loc, "%s can not be used as a constant: it is %s", use->text,
                     problem);
        return parser_leaf(parser, NODE_INTEGER, use);
    }
    define->expanding = true;
    parser->lexer.end = define->end;
    parser->in_predicate = parser->in_condition = false;
    parser_seek(parser, define->begin);
    node = parser_expression(parser);
    if (!parser_at(parser, TOKEN_END))
        parser_error(parser, "bad-constant", parser->token.loc, "the value of %s is not an expression", use->text);
    define->expanding = false;
    parser->lexer = saved.lexer;
    parser->token = saved.token;
    parser->previous_end = saved.previous_end;
    parser->in_predicate = saved.in_predicate;
    parser->in_condition = saved.in_condition;
    if (parser->panicking) {
        parser->resume = use->loc.begin;
        parser->token.kind = TOKEN_ERROR;
    }
    return node;
}

/* ---- conditionals ------------------------------------------------------------------------------------------ */

/* The expression of #if. It is short and needs only || && ! () defined, numbers and comparison with nothing. */
struct condition {
    struct preamble *preamble;
    struct lexer lexer;
    struct token token;
    unsigned depth;
    bool is_bad;
};

static bool condition_any(struct condition *condition);

static void step(struct condition *condition) { condition->token = lexer_next(&condition->lexer); }

static bool condition_defined(struct condition *condition) {
    bool in_parentheses = condition->token.kind == TOKEN_OPEN_PAREN;
    bool is_defined = false;

    if (in_parentheses)
        step(condition);
    if (condition->token.kind == TOKEN_IDENTIFIER)
        is_defined = hash_get(&condition->preamble->parser->defines, condition->token.text) != NULL;
    else
        condition->is_bad = true;
    step(condition);
    if (in_parentheses) {
        condition->is_bad |= condition->token.kind != TOKEN_CLOSE_PAREN;
        step(condition);
    }
    return is_defined;
}

static bool condition_operand(struct condition *condition) {
    struct token token = condition->token;
    bool value = false;

    step(condition);
    if (token.kind == TOKEN_INTEGER)
        return token.number != 0;
    if (token.kind == TOKEN_IDENTIFIER)
        return strcmp(token.text, "defined") == 0 ? condition_defined(condition) : false;
    if (++condition->depth > CONDITION_DEPTH_LIMIT || (token.kind != TOKEN_BANG && token.kind != TOKEN_OPEN_PAREN)) {
        condition->is_bad = true;
        return false;
    }
    if (token.kind == TOKEN_BANG) {
        value = !condition_operand(condition);
    } else {
        value = condition_any(condition);
        condition->is_bad |= condition->token.kind != TOKEN_CLOSE_PAREN;
        step(condition);
    }
    condition->depth--;
    return value;
}

static bool condition_all(struct condition *condition) {
    bool value = condition_operand(condition);

    while (condition->token.kind == TOKEN_LOGICAL_AND) {
        step(condition);
        value &= condition_operand(condition);
    }
    return value;
}

static bool condition_any(struct condition *condition) {
    bool value = condition_all(condition);

    while (condition->token.kind == TOKEN_LOGICAL_OR) {
        step(condition);
        value |= condition_all(condition);
    }
    return value;
}

static bool evaluate(struct preamble *preamble, uint32_t end) {
    struct condition condition = {.preamble = preamble, .lexer = *preamble->lexer};
    uint32_t begin = condition.lexer.position;
    bool value;

    condition.lexer.end = end;
    step(&condition);
    value = condition_any(&condition);
    if (condition.is_bad || condition.token.kind != TOKEN_END) {
        diag_error(preamble->parser->diags, "bad-directive", (struct loc){begin, end},
                   "this condition is too difficult");
        diag_hint(preamble->parser->diags, "it may have defined(NAME), numbers, !, &&, || and parentheses");
    }
    return value;
}

static void open_conditional(struct preamble *preamble, struct loc loc, bool value) {
    bool outer = is_active(preamble);

    if (preamble->depth == CONDITION_DEPTH_LIMIT) {
        parser_stop(preamble->parser, "nesting-too-deep", loc, "conditionals are nested too deeply", NULL);
        return;
    }
    preamble->stack[preamble->depth++] = (struct conditional){loc, outer && value, value, outer};
}

static void next_branch(struct preamble *preamble, struct loc loc, bool value) {
    struct conditional *top = preamble->depth > 0 ? &preamble->stack[preamble->depth - 1] : NULL;

    if (!top) {
        diag_error(preamble->parser->diags, "bad-directive", loc, "there is no #if before this");
        return;
    }
    top->is_active = top->outer_active && !top->was_active && value;
    top->was_active |= value;
}

/* ---- lines ------------------------------------------------------------------------------------------------- */

static bool is_defined(struct preamble *preamble) {
    struct token name = lexer_next(preamble->lexer);

    return name.kind == TOKEN_IDENTIFIER && hash_get(&preamble->parser->defines, name.text);
}

static bool conditional(struct preamble *preamble, const char *name, struct loc loc, uint32_t end) {
    if (strcmp(name, "ifdef") == 0)
        open_conditional(preamble, loc, is_defined(preamble));
    else if (strcmp(name, "ifndef") == 0)
        open_conditional(preamble, loc, !is_defined(preamble));
    else if (strcmp(name, "if") == 0)
        open_conditional(preamble, loc, is_active(preamble) && evaluate(preamble, end));
    else if (strcmp(name, "elif") == 0)
        next_branch(preamble, loc, evaluate(preamble, end));
    else if (strcmp(name, "endif") == 0 && preamble->depth > 0)
        preamble->depth--;
    else if (strcmp(name, "else") == 0 || strcmp(name, "endif") == 0)
        next_branch(preamble, loc, true); /* reports what has no beginning */
    else
        return false;
    return true;
}

/* #include <name> or "name" */
static void include(struct preamble *preamble, struct loc loc, uint32_t end) {
    struct lexer *lexer = preamble->lexer;

    skip_blanks(lexer);
    char close = lexer_peek(lexer, 0) == '<' ? '>' : lexer_peek(lexer, 0) == '"' ? '"' : '\0';
    uint32_t begin = lexer->position + 1, at = begin;
    while (close && at < end && lexer->source->text[at] != close && lexer->source->text[at])
        at++;
    if (!close || at >= end || at == begin || lexer->source->text[at] != close) {
        diag_error(preamble->parser->diags, "bad-directive", (struct loc){loc.begin, end},
                   "#include wants a file: <name> or \"name\"");
        return;
    }
    const char *name = arena_strndup(lexer->arena, lexer->source->text + begin, at - begin);
    parser_include(preamble->parser, name, close == '"', (struct loc){begin - 1, at + 1});
}

/* At the #. */
static void directive(struct preamble *preamble) {
    struct lexer *lexer = preamble->lexer;
    struct diag_list *diags = preamble->parser->diags;
    uint32_t begin = lexer->position++, end = parser_directive_end(lexer);

    skip_blanks(lexer);
    uint32_t name_begin = lexer->position;
    while (lexer_is_name(lexer_peek(lexer, 0)))
        lexer->position++;
    struct loc loc = {begin, lexer->position};
    const char *name = arena_strndup(lexer->arena, lexer->source->text + name_begin, lexer->position - name_begin);
    if (!conditional(preamble, name, loc, end) && is_active(preamble)) {
        if (strcmp(name, "define") == 0) {
            define(preamble, end);
        } else if (strcmp(name, "undef") == 0) {
            struct token undefined = lexer_next(lexer);
            if (undefined.kind == TOKEN_IDENTIFIER)
                hash_put(&preamble->parser->defines, undefined.text, NULL);
        } else if (strcmp(name, "error") == 0) {
            diag_error(diags, "bad-directive", (struct loc){begin, end}, "the program reports an error");
        } else if (strcmp(name, "include") == 0) {
            include(preamble, loc, end);
        } else if (strcmp(name, "pragma") != 0 && *name) {
            diag_error(diags, "bad-directive", loc, "unknown directive #%s", name);
        }
    }
    lexer->position = end;
}

/* In a header: struct NAME { or struct NAME; and not struct NAME *function(...); */
static bool is_definition(struct lexer ahead) {
    struct token token = lexer_next(&ahead);

    return token.kind == TOKEN_OPEN_BRACE || token.kind == TOKEN_SEMICOLON ||
           (token.kind == TOKEN_IDENTIFIER && strcmp(token.text, "__attribute__") == 0);
}

/* At `struct NAME {`? Then it is read. */
static bool c_definition(struct preamble *preamble, bool is_header) {
    struct lexer ahead = *preamble->lexer;
    struct parser *parser = preamble->parser;

    ahead.diags = NULL;
    struct token keyword = lexer_next(&ahead), name = lexer_next(&ahead);
    if (keyword.kind != TOKEN_IDENTIFIER)
        return false;
    bool is_typedef = strcmp(keyword.text, "typedef") == 0 && name.kind == TOKEN_IDENTIFIER;
    if (!is_typedef && strcmp(keyword.text, "struct") != 0 && strcmp(keyword.text, "union") != 0 &&
        strcmp(keyword.text, "enum") != 0)
        return false;
    if (name.kind != TOKEN_OPEN_BRACE && name.kind != TOKEN_IDENTIFIER)
        return false;
    if (is_header && !is_typedef && name.kind == TOKEN_IDENTIFIER && !is_definition(ahead))
        return false;
    parser_seek(parser, preamble->lexer->position);
    parser_c_definition(parser);
    if (parser->panicking) {
        parser->resume = keyword.loc.begin; /* all of the definition is passed over */
        parser_skip_definition(parser);
    }
    parser->lexer.position = parser->token.loc.begin;
    return true;
}

/* Text in a branch that is not taken. */
static void skip_inactive_line(struct lexer *lexer) {
    while (lexer->position < lexer->end && lexer_peek(lexer, 0) != '\n')
        lexer->position++;
}

/* A declaration of C that means nothing here: up to its semicolon, or behind the body of a function. */
static void skip_declaration(struct parser *parser) {
    unsigned depth = 0;

    parser->lexer.diags = NULL;
    for (parser_seek(parser, parser->lexer.position); !parser_at(parser, TOKEN_END); parser_advance(parser)) {
        depth += parser_at(parser, TOKEN_OPEN_BRACE);
        if (parser_at(parser, TOKEN_CLOSE_BRACE) && depth > 0 && --depth == 0)
            break;
        if (parser_at(parser, TOKEN_SEMICOLON) && depth == 0)
            break;
    }
    parser->lexer.diags = parser->diags;
    parser->lexer.position = parser->token.loc.end;
}

/* Up to the first thing that is no part of a preamble; of a header, to its end. */
static void read_preamble(struct parser *parser, bool is_header) {
    struct preamble preamble = {.parser = parser, .lexer = &parser->lexer};
    struct lexer *lexer = &parser->lexer;

    for (lexer_skip_space(lexer); lexer->position < lexer->end && !parser->stopped; lexer_skip_space(lexer)) {
        if (lexer_peek(lexer, 0) == '#')
            directive(&preamble);
        else if (!is_active(&preamble))
            skip_inactive_line(lexer);
        else if (c_definition(&preamble, is_header))
            continue;
        else if (is_header)
            skip_declaration(parser);
        else
            break;
    }
    if (preamble.depth > 0)
        diag_error(parser->diags, "unclosed-conditional", preamble.stack[preamble.depth - 1].loc,
                   "this conditional is not closed before %s", is_header ? "the end of the file" : "the first probe");
    parser_seek(parser, parser->stopped ? lexer->end : lexer->position);
}

void parser_header(struct parser *parser) { read_preamble(parser, true); }

void parser_preamble(struct parser *parser) {
    if (lexer_peek(&parser->lexer, 0) == '#' && lexer_peek(&parser->lexer, 1) == '!')
        skip_inactive_line(&parser->lexer);
    read_preamble(parser, false);
}
