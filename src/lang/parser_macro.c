/* macro name($variable, @map, expression) { body }: read as it stands; expand_macro.c puts it where it is used. */
#include "lang/expand.h"
#include "lang/parser.h"

#include <string.h>

static const struct lang_macro_parameter *find(const struct lang_macro *macro, const char *name) {
    for (uint32_t i = 0; i < macro->parameters.count; i++) {
        if (strcmp(macro->parameters.data[i].name, name) == 0)
            return &macro->parameters.data[i];
    }
    return NULL;
}

/* $x : type of a function */
static const struct type_name *parameter_type(struct parser *parser, const struct token *name) {
    if (name->kind != TOKEN_VARIABLE &&
        parser_error(parser, "function-parameter", name->loc, "the parameters of a function are variables"))
        diag_hint(parser->diags, "as in: fn add($a : int64, $b : int64) : int64 { return $a + $b; }");
    parser_expect(parser, TOKEN_COLON, "and a type behind the parameter");
    return parser_type(parser);
}

static void parameter(struct parser *parser, struct lang_macro *macro) {
    struct token token = parser->token;
    enum node_kind kind = token.kind == TOKEN_VARIABLE ? NODE_VARIABLE
                          : token.kind == TOKEN_MAP    ? NODE_MAP
                                                       : NODE_IDENTIFIER;

    if (!parser_accept(parser, TOKEN_VARIABLE) && !parser_accept(parser, TOKEN_MAP) &&
        !parser_accept(parser, TOKEN_IDENTIFIER)) {
        if (parser_error(parser, "macro-parameter", token.loc, "expected a parameter of the macro, found %s",
                         parser_found(parser)))
            diag_hint(parser->diags, "$x takes a variable, @m a map, a plain name any expression");
        return;
    }
    const struct type_name *type = macro->result ? parameter_type(parser, &token) : NULL;
    if (find(macro, token.text))
        parser_error(parser, "macro-parameter", token.loc, "%s is a parameter already", token.text);
    vec_push(parser->arena, &macro->parameters, ((struct lang_macro_parameter){kind, token.text, token.loc, type}));
}

static void parameters(struct parser *parser, struct lang_macro *macro) {
    struct loc open = parser->token.loc;

    parser_advance(parser);
    while (!parser_at(parser, TOKEN_CLOSE_PAREN)) {
        parameter(parser, macro);
        if (!parser_accept(parser, TOKEN_COMMA))
            break;
    }
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
}

/* A macro that is used in two places must not surprise in one of them: it sees no maps but those it is given. */
static void check_maps(struct parser *parser, const struct lang_macro *macro, const struct node *node) {
    if (node->kind == NODE_MAP && !find(macro, node->text)) {
        diag_error(parser->diags, "unhygienic-access", node->loc,
                   "Unhygienic access to map: %s. Maps must be passed into the macro as arguments.", node->text);
        diag_hint(parser->diags, "write %s as a parameter of the macro %s", node->text, macro->name);
    }
    for (const struct node *child = node->child; child; child = child->next)
        check_maps(parser, macro, child);
}

static bool same_parameters(const struct lang_macro *a, const struct lang_macro *b) {
    if (a->parameters.count != b->parameters.count)
        return false;
    for (uint32_t i = 0; i < a->parameters.count; i++) {
        if (a->parameters.data[i].kind != b->parameters.data[i].kind)
            return false;
    }
    return true;
}

static void add(struct parser *parser, struct lang_macro *macro) {
    uint32_t line, column;

    for (const struct lang_macro *other = hash_get(&parser->program->macros, macro->name); other;
         other = other->other) {
        if (!same_parameters(macro, other))
            continue;
        source_position(parser->source, other->name_loc.begin, &line, &column);
        diag_error(parser->diags, "duplicate-macro", macro->name_loc, "Redefinition of macro: %s", macro->name);
        diag_hint(parser->diags, "it is defined in line %u of %s, with the same parameters", line,
                  source_name(parser->source, other->name_loc.begin));
        return;
    }
    macro->other = hash_get(&parser->program->macros, macro->name);
    hash_put(&parser->program->macros, macro->name, macro);
}

/* At the word `macro`. */
static struct lang_macro *read(struct parser *parser) {
    struct lang_macro *macro = arena_make(parser->arena, struct lang_macro);
    uint32_t begin = parser->token.loc.begin;

    parser_advance(parser);
    macro->name = parser->token.text;
    macro->name_loc = parser->token.loc;
    parser_advance(parser);
    if (parser_at(parser, TOKEN_OPEN_PAREN))
        parameters(parser, macro);
    macro->body = parser_block(parser, "after the head of the macro");
    macro->definition = (struct loc){begin, parser->previous_end};
    parser_accept(parser, TOKEN_SEMICOLON);
    return macro;
}

/* fn name($a : type) : type { ... return value; } */
void parser_function(struct parser *parser) {
    struct lang_macro *function = arena_make(parser->arena, struct lang_macro);
    struct type_name *result = arena_make(parser->arena, struct type_name);
    uint32_t begin = parser->token.loc.begin;

    *result = (struct type_name){.name = "void", .loc = parser->token.loc};
    function->result = result;
    parser_advance(parser);
    function->name = parser->token.text;
    function->name_loc = parser->token.loc;
    parser_advance(parser);
    if (!parser_at(parser, TOKEN_OPEN_PAREN))
        parser_expect(parser, TOKEN_OPEN_PAREN, "after the name of the function");
    else
        parameters(parser, function);
    if (parser_accept(parser, TOKEN_COLON))
        function->result = parser_type(parser);
    function->body = parser_block(parser, "after the head of the function");
    function->definition = (struct loc){begin, parser->previous_end};
    if (parser->panicking)
        return;
    for (struct node *statement = function->body->child; statement; statement = statement->next)
        statement->is_tail = false;
    add(parser, function);
}

void parser_macro(struct parser *parser) {
    struct lang_macro *macro = read(parser);

    if (parser->panicking)
        return;
    check_maps(parser, macro, macro->body);
    add(parser, macro);
}

struct lang_macro *parser_library_macro(struct lang_program *program, struct diag_list *diags, const char *name,
                                        const char *text) {
    struct parser parser = {.arena = program->arena, .source = program->source, .diags = diags, .program = program};
    uint32_t begin = 0, size = (uint32_t)strlen(text);

    if (!source_add_file(program->source, program->arena, arena_printf(program->arena, "<%s>", name), text, size,
                         (struct loc){0, 0}, &begin))
        return NULL;
    hash_init(&parser.defines, program->arena);
    parser.lexer = (struct lexer){program->arena, program->source, diags, begin, begin + size};
    parser_advance(&parser);
    struct lang_macro *macro = read(&parser);
    macro->is_library = true;
    return macro;
}
