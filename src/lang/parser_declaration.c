/* What else may stand among the probes. */
#include "lang/parser.h"

#include <string.h>

const char *const lang_map_kind_names[LANG_MAP_KIND_COUNT] = {
    [LANG_MAP_HASH] = "hash",
    [LANG_MAP_LRUHASH] = "lruhash",
    [LANG_MAP_PERCPUHASH] = "percpuhash",
    [LANG_MAP_PERCPULRUHASH] = "percpulruhash",
};

const struct lang_map_declaration *lang_find_map_declaration(const struct lang_program *program, const char *name) {
    for (uint32_t i = 0; i < program->map_declarations.count; i++) {
        if (strcmp(program->map_declarations.data[i].name, name) == 0)
            return &program->map_declarations.data[i];
    }
    return NULL;
}

/* The kinds have bpftrace's names; those of other BPF maps have no meaning in a script. */
static void map_kind(struct parser *parser, struct lang_map_declaration *declaration) {
    struct token token = parser->token;
    unsigned kind = 0;

    declaration->kind_loc = token.loc;
    if (!parser_accept(parser, TOKEN_IDENTIFIER)) {
        parser_error(parser, "map-declaration", token.loc, "expected the kind of the map, found %s",
                     parser_found(parser));
        return;
    }
    while (kind < LANG_MAP_KIND_COUNT && strcmp(token.text, lang_map_kind_names[kind]) != 0)
        kind++;
    declaration->kind = (enum lang_map_kind)kind;
    if (kind == LANG_MAP_KIND_COUNT &&
        parser_error(parser, "map-kind", token.loc, "Invalid bpf map type: %s", token.text)) {
        const char *nearest = diag_nearest(token.text, lang_map_kind_names, LANG_MAP_KIND_COUNT);
        if (nearest)
            diag_hint(parser->diags, "did you mean %s?", nearest);
        else
            diag_hint(parser->diags, "the kinds are hash, lruhash, percpuhash and percpulruhash");
    }
}

/* (N) */
static void map_entries(struct parser *parser, struct lang_map_declaration *declaration) {
    struct loc open = parser->token.loc;

    parser_expect(parser, TOKEN_OPEN_PAREN, "after the kind of the map");
    const struct node *entries = parser_expression(parser);
    declaration->entries_loc = entries->loc;
    declaration->entries = (uint32_t)entries->number;
    if (entries->kind != NODE_INTEGER || entries->is_unsigned || entries->number < 1 || entries->number > UINT32_MAX)
        parser_error(parser, "map-declaration", entries->loc, "the size of a map is a number of entries, at least 1");
    parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
}

/* let @name = kind(N); */
void parser_map_declaration(struct parser *parser) {
    struct lang_map_declaration declaration = {0};
    const struct lang_map_declaration *other;

    parser_advance(parser);
    declaration.name = parser->token.text;
    declaration.name_loc = parser->token.loc;
    if (!parser_accept(parser, TOKEN_MAP)) {
        if (parser_error(parser, "map-declaration", parser->token.loc, "expected a map after let, found %s",
                         parser_found(parser)))
            diag_hint(parser->diags, "between probes stand declarations of maps: let @name = hash(100); variables are "
                                     "declared in blocks");
        return;
    }
    parser_expect(parser, TOKEN_ASSIGN, "after the name of the map");
    map_kind(parser, &declaration);
    map_entries(parser, &declaration);
    struct loc behind = {parser->previous_end, parser->previous_end};
    if (!parser_accept(parser, TOKEN_SEMICOLON))
        parser_error(parser, "missing-semicolon", behind, "expected ; at the end of this declaration");
    if (parser->panicking)
        return;
    other = lang_find_map_declaration(parser->program, declaration.name);
    if (other) {
        uint32_t line, column;
        source_position(parser->source, other->name_loc.begin, &line, &column);
        diag_error(parser->diags, "duplicate-map", declaration.name_loc, "Duplicate map declaration: %s",
                   declaration.name);
        diag_hint(parser->diags, "it is declared in line %u already", line);
        return;
    }
    vec_push(parser->arena, &parser->program->map_declarations, declaration);
}
