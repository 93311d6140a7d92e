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

/* (a, b) of a macro. */
static bool macro_parameters(struct preamble *preamble, struct parser_define *define) {
    VEC(const char *) names = {0};
    struct token token = lexer_next(preamble->lexer);

    for (token = lexer_next(preamble->lexer); token.kind == TOKEN_IDENTIFIER; token = lexer_next(preamble->lexer)) {
        vec_push(preamble->parser->arena, &names, token.text);
        token = lexer_next(preamble->lexer);
        if (token.kind != TOKEN_COMMA)
            break;
    }
    define->parameters = names.data;
    define->parameter_count = names.count;
    if (token.kind != TOKEN_CLOSE_PAREN)
        diag_error(preamble->parser->diags, "bad-directive", token.loc, "expected the names of the macro's parameters");
    return token.kind == TOKEN_CLOSE_PAREN;
}

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
    if (entry->has_parameters && !macro_parameters(preamble, entry))
        return;
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
    if (define->has_parameters)
        return parser_macro_value(parser, define, use);
    const char *problem = define->begin >= define->end ? "defined without a value"
                          : define->expanding          ? "defined by itself"
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

/* The expression of #if: numbers and operators, once its macros are expanded; other names are 0. */
struct condition {
    struct lexer lexer;
    struct token token;
    unsigned depth;
    bool is_bad;
};

static int64_t condition_binary(struct condition *condition, unsigned lowest);

static void step(struct condition *condition) { condition->token = lexer_next(&condition->lexer); }

static int64_t condition_operand(struct condition *condition) {
    struct token token = condition->token;
    int64_t value = 0;

    step(condition);
    if (token.kind == TOKEN_INTEGER)
        return (int64_t)token.number;
    if (token.kind == TOKEN_IDENTIFIER)
        return strcmp(token.text, "true") == 0;
    if (++condition->depth > CONDITION_DEPTH_LIMIT) {
        condition->is_bad = true;
    } else if (token.kind == TOKEN_BANG) {
        value = !condition_operand(condition);
    } else if (token.kind == TOKEN_TILDE) {
        value = ~condition_operand(condition);
    } else if (token.kind == TOKEN_MINUS) {
        value = (int64_t)(0 - (uint64_t)condition_operand(condition));
    } else if (token.kind == TOKEN_OPEN_PAREN) {
        value = condition_binary(condition, 0);
        condition->is_bad |= condition->token.kind != TOKEN_CLOSE_PAREN;
        step(condition);
    } else {
        condition->is_bad = true;
    }
    condition->depth--;
    return value;
}

static int64_t compute(enum node_operator op, int64_t a, int64_t b, bool *is_bad) {
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (op) {
    case OP_LOGICAL_OR:
        return a || b;
    case OP_LOGICAL_AND:
        return a && b;
    case OP_OR:
        return a | b;
    case OP_XOR:
        return a ^ b;
    case OP_AND:
        return a & b;
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_LT:
        return a < b;
    case OP_LE:
        return a <= b;
    case OP_GT:
        return a > b;
    case OP_GE:
        return a >= b;
    case OP_SHL:
        return (int64_t)(x << (y & 63));
    case OP_SHR:
        return a >> (y & 63);
    case OP_ADD:
        return (int64_t)(x + y);
    case OP_SUB:
        return (int64_t)(x - y);
    case OP_MUL:
        return (int64_t)(x * y);
    default: /* / and % */
        *is_bad |= b == 0;
        if (b == 0 || b == -1)
            return op == OP_DIV ? (int64_t)(0 - x) : 0;
        return op == OP_DIV ? a / b : a % b;
    }
}

/* Operators that bind at least as tightly as `lowest`; 0: the ternary too. */
static int64_t condition_binary(struct condition *condition, unsigned lowest) {
    int64_t value = condition_operand(condition);

    for (;;) {
        enum node_operator op = token_binary_operator(condition->token.kind);
        if (op == OP_NONE || operator_precedence(op) < lowest)
            break;
        step(condition);
        value = compute(op, value, condition_binary(condition, operator_precedence(op) + 1), &condition->is_bad);
    }
    if (lowest > 0 || condition->token.kind != TOKEN_QUESTION)
        return value;
    step(condition);
    int64_t yes = condition_binary(condition, 0);
    condition->is_bad |= condition->token.kind != TOKEN_COLON;
    step(condition);
    int64_t no = condition_binary(condition, 0);
    return value ? yes : no;
}

static bool evaluate(struct preamble *preamble, uint32_t end) {
    uint32_t begin = preamble->lexer->position;
    struct source source = {"", "", 0, NULL};
    const char *problem = parser_expand_text(preamble->parser, begin, end, true, &source.text, &source.size);
    struct condition condition = {.lexer = {preamble->parser->arena, &source, NULL, 0, source.size}};

    step(&condition);
    bool value = condition_binary(&condition, 0) != 0;
    if (problem || condition.is_bad || condition.token.kind != TOKEN_END) {
        diag_error(preamble->parser->diags, "bad-directive", (struct loc){begin, end},
                   problem ? "this condition has no value: %s" : "this condition has no value%s",
                   problem ? problem : "");
        diag_hint(preamble->parser->diags, "it may have numbers, defined(NAME), macros and the operators of C");
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

/* Could a further branch be taken? If not its condition is not looked at. */
static bool wants_branch(const struct preamble *preamble) {
    const struct conditional *top = &preamble->stack[preamble->depth - 1];

    return top->outer_active && !top->was_active;
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
        next_branch(preamble, loc, preamble->depth == 0 || wants_branch(preamble) ? evaluate(preamble, end) : false);
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

/* What scripts ask for in conditions; made when there is the first directive. */
static void define_machine(struct parser *parser) {
    static const char text[] = "KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))";
    const char *all;

    parser->has_machine = true;
#if defined(__x86_64__)
    hash_put(&parser->defines, "__x86_64__", arena_make(parser->arena, struct parser_define));
#elif defined(__aarch64__)
    hash_put(&parser->defines, "__aarch64__", arena_make(parser->arena, struct parser_define));
#endif
    all = arena_printf(parser->arena, "%s\nLINUX_VERSION_CODE %u", text, parser->env ? parser->env->kernel_version : 0);
    uint32_t size = (uint32_t)strlen(all), begin;
    if (!source_add_file(parser->source, parser->arena, "<linux/version.h>", all, size, (struct loc){0, 0}, &begin))
        return;
    struct lexer lexer = {parser->arena, parser->source, parser->diags, begin, begin + size};
    struct preamble inner = {.parser = parser, .lexer = &lexer};
    define(&inner, begin + (uint32_t)strlen(text));
    lexer.position = begin + (uint32_t)strlen(text);
    define(&inner, begin + size);
}

/* At the #. */
static void directive(struct preamble *preamble) {
    if (!preamble->parser->has_machine)
        define_machine(preamble->parser);
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
