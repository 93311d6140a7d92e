#include "lang/parser.h"
#include "lang/expand.h"

#include <stdarg.h>
#include <string.h>

/* Constructs of the language as others have it that mean nothing here. To add one: a row. */
static const struct {
    const char *word, *what, *hint;
    enum token_kind follower; /* the token that must come behind the word; TOKEN_END: any */
    bool is_top_level;
} unknown_constructs[] = {
    {"subprog", "function definitions", "write the body where it is used", TOKEN_IDENTIFIER, true},
    {"switch", "switch", "use if ... else if ... else", TOKEN_END, false},
    {"goto", "goto", NULL, TOKEN_IDENTIFIER, false},
    {"do", "do loops", "use while (condition) { }", TOKEN_OPEN_BRACE, false},
};

/* ---- tokens ------------------------------------------------------------------------------------------------ */

void parser_advance(struct parser *parser) {
    if (parser->panicking)
        return;
    parser->previous_end = parser->token.loc.end;
    parser->token = lexer_next(&parser->lexer);
}

void parser_seek(struct parser *parser, uint32_t position) {
    parser->lexer.position = position;
    parser->token = lexer_next(&parser->lexer);
}

bool parser_at_word(const struct parser *parser, const char *word) {
    return parser->token.kind == TOKEN_IDENTIFIER && strcmp(parser->token.text, word) == 0;
}

bool parser_accept(struct parser *parser, enum token_kind kind) {
    if (!parser_at(parser, kind))
        return false;
    parser_advance(parser);
    return true;
}

bool parser_accept_word(struct parser *parser, const char *word) {
    if (!parser_at_word(parser, word))
        return false;
    parser_advance(parser);
    return true;
}

struct token parser_peek(const struct parser *parser) {
    struct lexer ahead = parser->lexer;

    ahead.diags = NULL;
    return lexer_next(&ahead);
}

bool parser_starts_expression(const struct token *token) {
    switch (token->kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_VARIABLE:
    case TOKEN_MAP:
    case TOKEN_POSITIONAL:
    case TOKEN_POSITIONAL_COUNT:
    case TOKEN_INTEGER:
    case TOKEN_STRING:
    case TOKEN_OPEN_PAREN:
    case TOKEN_STAR:
    case TOKEN_AMPERSAND:
    case TOKEN_MINUS:
    case TOKEN_BANG:
    case TOKEN_TILDE:
    case TOKEN_INCREMENT:
    case TOKEN_DECREMENT:
        return true;
    default:
        return false;
    }
}

const char *parser_found(struct parser *parser) {
    struct loc loc = parser->token.loc;
    uint32_t length = loc.end - loc.begin;

    if (parser_at(parser, TOKEN_END))
        return parser->lexer.end < parser->file_end ? "the end of the line" : "the end of the program";
    return arena_printf(parser->arena, "%.*s%s", (int)(length > 32 ? 32 : length), parser->source->text + loc.begin,
                        length > 32 ? "..." : "");
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* From here on nothing matches. */
static void panic(struct parser *parser) {
    parser->panicking = true;
    parser->resume = parser->token.loc.begin;
    parser->token = (struct token){TOKEN_ERROR, {parser->resume, parser->resume}, NULL, 0, 0};
}

void parser_stop(struct parser *parser, const char *tag, struct loc loc, const char *message, const char *hint) {
    if (parser->stopped)
        return;
    if (!parser->panicking) {
        diag_error(parser->diags, tag, loc, "%s", message);
        if (hint)
            diag_hint(parser->diags, "%s", hint);
        panic(parser);
    }
    parser->stopped = true;
}

bool parser_error(struct parser *parser, const char *tag, struct loc loc, const char *format, ...) {
    bool is_reported = parser_at(parser, TOKEN_ERROR); /* by the lexer */
    va_list args;

    if (parser->panicking || parser->stopped)
        return false;
    if (!is_reported) {
        va_start(args, format);
        diag_error(parser->diags, tag, loc, "%s", arena_vprintf(parser->arena, format, args));
        va_end(args);
    }
    panic(parser);
    return !is_reported;
}

bool parser_expect(struct parser *parser, enum token_kind kind, const char *where) {
    if (parser_accept(parser, kind))
        return true;
    parser_error(parser, "unexpected-token", parser->token.loc, "expected %s%s%s, found %s", token_spelling(kind),
                 *where ? " " : "", where, parser_found(parser));
    return false;
}

bool parser_expect_close(struct parser *parser, enum token_kind kind, struct loc open) {
    if (parser_accept(parser, kind))
        return true;
    bool ends_statement = parser_at(parser, TOKEN_SEMICOLON) || parser_at(parser, TOKEN_CLOSE_BRACE) ||
                          parser_at(parser, TOKEN_OPEN_BRACE) || parser_at(parser, TOKEN_END);
    if (ends_statement || (parser_at(parser, TOKEN_ASSIGN) && kind == TOKEN_CLOSE_BRACKET)) {
        const char *found = parser_found(parser);
        if (parser_error(parser, kind == TOKEN_CLOSE_PAREN ? "unclosed-parenthesis" : "unclosed-bracket", open,
                         "%.*s is never closed", (int)(open.end - open.begin), parser->source->text + open.begin))
            diag_hint(parser->diags, "expected %s before %s", token_spelling(kind), found);
    } else if (parser_at(parser, TOKEN_ASSIGN) && kind == TOKEN_CLOSE_PAREN) {
        if (parser_error(parser, "assignment-in-expression", parser->token.loc, "an assignment is not an expression"))
            diag_hint(parser->diags, parser->in_condition || parser->in_predicate
                                         ? "did you mean ==?"
                                         : "assign in a statement of its own; to compare, use ==");
    } else {
        parser_expect(parser, kind, "");
    }
    return false;
}

bool parser_enter(struct parser *parser) {
    if (parser->depth < PARSER_DEPTH_LIMIT) {
        parser->depth++;
        return true;
    }
    parser_stop(parser, "nesting-too-deep", parser->token.loc, "the program is nested too deeply here",
                "at most 200 levels are possible");
    return false;
}

void parser_leave(struct parser *parser) { parser->depth--; }

/* Back to normal, at the place of the mistake. False when the parse is over. */
static bool resume(struct parser *parser) {
    parser->panicking = false;
    if (!parser->stopped && parser->diags->error_count >= PARSER_ERROR_LIMIT) {
        parser->stopped = true;
        diag_error(parser->diags, "too-many-errors", (struct loc){0, 0}, "too many errors, the rest is not shown");
    }
    parser_seek(parser, parser->stopped ? parser->lexer.end : parser->resume);
    return !parser->stopped;
}

/* Moves to behind the `}` that closes the first `{`, or to a `;` or `}` outside of braces. What is passed over gives no
 * messages: it may well be wrong only because of the mistake before it. */
static void skip_quietly(struct parser *parser) {
    unsigned depth = 0;

    for (; !parser_at(parser, TOKEN_END); parser_advance(parser)) {
        if (parser_at(parser, TOKEN_OPEN_BRACE)) {
            depth++;
        } else if (parser_at(parser, TOKEN_CLOSE_BRACE)) {
            if (depth <= 1) {
                if (depth == 1)
                    parser_advance(parser);
                return;
            }
            depth--;
        } else if (parser_at(parser, TOKEN_SEMICOLON) && depth == 0) {
            return;
        }
    }
}

static void skip_to_end(struct parser *parser) {
    parser->lexer.diags = NULL;
    skip_quietly(parser);
    parser->lexer.diags = parser->diags;
    parser_seek(parser, parser->token.loc.begin);
}

void parser_recover_statement(struct parser *parser) {
    if (!resume(parser))
        return;
    do
        skip_to_end(parser);
    while (parser_accept_word(parser, "else"));
    parser_accept(parser, TOKEN_SEMICOLON);
}

void parser_skip_definition(struct parser *parser) {
    if (!resume(parser))
        return;
    skip_to_end(parser);
    if (!parser_accept(parser, TOKEN_SEMICOLON))
        parser_accept(parser, TOKEN_CLOSE_BRACE); /* of a block whose head was lost */
}

static bool reject_word(struct parser *parser, bool is_top_level) {
    struct token next;

    if (!parser_at(parser, TOKEN_IDENTIFIER))
        return false;
    next = parser_peek(parser);
    for (size_t i = 0; i < sizeof unknown_constructs / sizeof *unknown_constructs; i++) {
        if (unknown_constructs[i].is_top_level != is_top_level || !parser_at_word(parser, unknown_constructs[i].word) ||
            (unknown_constructs[i].follower != TOKEN_END && unknown_constructs[i].follower != next.kind))
            continue;
        if (parser_error(parser, "unknown-construct", parser->token.loc, "tarsier does not have %s",
                         unknown_constructs[i].what) &&
            unknown_constructs[i].hint)
            diag_hint(parser->diags, "%s", unknown_constructs[i].hint);
        return true;
    }
    return false;
}

bool parser_reject_expression_word(struct parser *parser) { return reject_word(parser, false); }

bool parser_reject_top_level_word(struct parser *parser) { return reject_word(parser, true); }

/* ---- nodes ------------------------------------------------------------------------------------------------- */

void node_list_add(struct node_list *list, struct node *node) {
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
    list->count++;
}

struct node *parser_node(struct parser *parser, enum node_kind kind, uint32_t begin, struct node_list children) {
    struct node *node = arena_make(parser->arena, struct node);

    node->kind = kind;
    node->loc = (struct loc){begin, parser->previous_end > begin ? parser->previous_end : begin};
    node->child = children.first;
    for (const struct node *child = children.first; child; child = child->next) {
        if (child->height >= node->height)
            node->height = (uint16_t)(child->height + 1);
    }
    if (node->height > NODE_HEIGHT_LIMIT) {
        node->child = NULL;
        node->height = 0;
        parser_stop(parser, "nesting-too-deep", node->loc, "this chain of operations or branches is too long",
                    "split it: at most 400 are possible");
    }
    if (++parser->node_count > PARSER_NODE_LIMIT)
        parser_stop(parser, "program-too-large", node->loc, "the program is too large", NULL);
    return node;
}

struct node *parser_leaf(struct parser *parser, enum node_kind kind, const struct token *token) {
    struct node *node = parser_node(parser, kind, token->loc.begin, (struct node_list){0});

    node->loc = token->loc;
    node->text = token->text;
    node->length = token->length;
    node->number = (int64_t)token->number;
    return node;
}

/* ---- top level --------------------------------------------------------------------------------------------- */

static void config_item(struct parser *parser) {
    struct lang_config_item item = {.name = parser->token.text, .name_loc = parser->token.loc};

    if (!parser_accept(parser, TOKEN_IDENTIFIER)) {
        parser_error(parser, "config-value", parser->token.loc, "expected the name of a setting, found %s",
                     parser_found(parser));
        return;
    }
    parser_expect(parser, TOKEN_ASSIGN, "after the name of a setting");
    item.loc = parser->token.loc;
    item.text = parser->token.text;
    item.is_number = true;
    if (parser_at_word(parser, "true"))
        item.number = 1;
    else if (parser_at(parser, TOKEN_INTEGER))
        item.number = (int64_t)parser->token.number;
    else if (!parser_at_word(parser, "false"))
        item.is_number = false;
    if (parser_at(parser, TOKEN_INTEGER) || parser_at(parser, TOKEN_STRING) || parser_at(parser, TOKEN_IDENTIFIER))
        parser_advance(parser);
    else
        parser_error(parser, "config-value", parser->token.loc, "expected a number, a word or a string, found %s",
                     parser_found(parser));
    if (!parser_at(parser, TOKEN_CLOSE_BRACE))
        parser_expect(parser, TOKEN_SEMICOLON, "after the value");
    if (!parser->panicking)
        vec_push(parser->arena, &parser->program->config, item);
}

/* config = { name = value; ... } */
void parser_config(struct parser *parser) {
    struct loc open;

    parser_advance(parser);
    parser_advance(parser);
    open = parser->token.loc;
    if (!parser_expect(parser, TOKEN_OPEN_BRACE, "after config ="))
        return;
    while (!parser_at(parser, TOKEN_CLOSE_BRACE) && !parser_at(parser, TOKEN_END) && !parser->stopped) {
        config_item(parser);
        if (parser->panicking)
            parser_recover_statement(parser);
    }
    if (!parser_accept(parser, TOKEN_CLOSE_BRACE))
        parser_error(parser, "unclosed-brace", open, "this { is never closed");
    parser_accept(parser, TOKEN_SEMICOLON);
}

/* Things that can not start a probe. True if one was found and reported. */
static bool reject_stray(struct parser *parser) {
    bool is_c_type =
        parser_at_word(parser, "struct") || parser_at_word(parser, "union") || parser_at_word(parser, "enum");

    if (parser_at(parser, TOKEN_HASH) || (is_c_type && parser_peek(parser).kind == TOKEN_IDENTIFIER)) {
        parser_error(parser, "preamble-order", parser->token.loc, "C definitions must come before the probes");
        return true;
    }
    if (parser_at(parser, TOKEN_OPEN_BRACE)) {
        if (parser_error(parser, "missing-attach-point", parser->token.loc, "this block has no probe"))
            diag_hint(
                parser->diags,
                "say when it is to run, as in: tracepoint:syscalls:sys_enter_openat { ... } or interval:s:1 { ... }");
        return true;
    }
    return parser_reject_top_level_word(parser);
}

static void skip_line(struct parser *parser) {
    parser->panicking = false;
    uint32_t position = parser->resume;
    while (position < parser->lexer.end && parser->source->text[position] != '\n')
        position++;
    parser_seek(parser, position);
}

static void top_level(struct parser *parser) {
    struct node_list *probes = parser->probes;
    bool is_directive = parser_at(parser, TOKEN_HASH);
    bool has_config = parser->program->config.count > 0;

    if (parser_at(parser, TOKEN_CLOSE_BRACE)) {
        diag_error(parser->diags, "stray-brace", parser->token.loc, "this } closes nothing");
        diag_hint(parser->diags, "remove it, or look for a { that is missing above");
        parser_advance(parser);
        return;
    }
    if (reject_stray(parser)) {
        if (is_directive)
            skip_line(parser);
        else
            parser_skip_definition(parser);
        return;
    }
    if (parser_at_word(parser, "config") && parser_peek(parser).kind == TOKEN_ASSIGN) {
        if (parser->file_depth > 0)
            parser_error(parser, "config-order", parser->token.loc, "an imported file cannot have a config block");
        else if (probes->count == 0 && !has_config)
            parser_config(parser);
        else
            parser_error(parser, "config-order", parser->token.loc,
                         has_config ? "there is a config block already"
                                    : "the config block must come before the probes");
    } else if (parser_at_word(parser, "import") && parser_peek(parser).kind == TOKEN_STRING) {
        parser_import(parser);
    } else if (parser_at_word(parser, "let")) {
        parser_map_declaration(parser);
    } else if (parser_at_word(parser, "macro") && parser_peek(parser).kind == TOKEN_IDENTIFIER) {
        parser_macro(parser);
    } else if (parser_at_word(parser, "fn") && parser_peek(parser).kind == TOKEN_IDENTIFIER) {
        parser_function(parser);
    } else {
        node_list_add(probes, parser_probe(parser));
    }
    if (parser->panicking)
        parser_skip_definition(parser);
}

void parser_script(struct parser *parser) {
    parser_preamble(parser);
    while (!parser_at(parser, TOKEN_END) && !parser->stopped)
        top_level(parser);
}

struct lang_program *lang_parse(struct arena *arena, const struct source *script, const struct lang_env *env,
                                struct diag_list *diags) {
    struct lang_program *program = arena_make(arena, struct lang_program);
    struct source *source = arena_memdup(arena, script, sizeof *script); /* it grows */
    struct node_list probes = {0};
    struct parser parser = {.arena = arena, .source = source, .env = env, .diags = diags, .program = program};

    program->arena = arena;
    program->source = source;
    diags->source = source;
    hash_init(&program->macros, arena);
    hash_init(&parser.defines, arena);
    hash_init(&parser.imported, arena);
    hash_put(&parser.defines, "BPFTRACE_HAVE_BTF", arena_make(arena, struct parser_define));
    parser.probes = &probes;
    parser.file_end = source->size;
    parser.lexer = (struct lexer){arena, source, diags, 0, source->size};
    if (source->size > LANG_SOURCE_LIMIT) {
        diag_error(diags, "program-too-large", (struct loc){0, 0}, "the program is larger than 1 MB");
        parser.lexer.end = 0;
    }
    uint32_t errors = diags->error_count;
    for (uint32_t i = 0; env && i < env->include_count; i++)
        parser_include(&parser, env->includes[i], true, (struct loc){0, 0});
    parser_script(&parser);
    if (probes.count == 0 && diags->error_count == errors && script->size <= LANG_SOURCE_LIMIT) {
        diag_error(diags, "no-probes", (struct loc){0, 0}, "the program has no probes");
        diag_hint(diags, "a program looks like: tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }");
    }
    parser.previous_end = parser.lexer.end;
    program->tree = parser_node(&parser, NODE_PROGRAM, 0, probes);
    if (diags->error_count == errors)
        lang_expand_macros(program, parser.node_count, diags);
    if (diags->error_count == errors)
        lang_expand_options(program, env, diags);
    if (diags->error_count == errors)
        lang_expand_variables(program, diags);
    return program;
}
