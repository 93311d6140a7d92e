/* Types that the program defines itself: struct, union and enum in C's notation, and their layout (x86-64 and aarch64
 * System V: natural alignment, bit-fields packed into units of their declared type). */
#include "lang/parser.h"

#include <string.h>

/* The number of definitions bounds the recursion of layouts as well. */
enum { DEFINED_SIZE_LIMIT = 1 << 24, DEFINITION_LIMIT = 500 };

/* ---- reading ----------------------------------------------------------------------------------------------- */

static struct lang_definition *definition_body(struct parser *parser, int keyword, const char *name, struct loc head);

static void add_field(struct parser *parser, struct lang_definition *definition, struct lang_definition_field field) {
    if (!parser->panicking)
        vec_push(parser->arena, &definition->fields, field);
}

struct attributes {
    bool is_packed;
    uint32_t align;
};

/* (N) behind `aligned`; without a number the largest alignment there is. */
static uint32_t alignment(struct parser *parser) {
    struct token number;
    uint32_t align = 16;

    if (!parser_at(parser, TOKEN_OPEN_PAREN))
        return align;
    number = parser_peek(parser);
    if (number.kind == TOKEN_INTEGER &&
        (number.number == 0 || number.number > 4096 || number.number & (number.number - 1)))
        parser_error(parser, "c-definition", number.loc, "an alignment is a power of two, at most 4096");
    else if (number.kind == TOKEN_INTEGER)
        align = (uint32_t)number.number;
    return align;
}

/* __attribute__((packed)) and the like; only packed and aligned change anything here. */
static struct attributes attributes(struct parser *parser) {
    struct attributes found = {0};

    while (parser_accept_word(parser, "__attribute__")) {
        unsigned depth = 0;
        do {
            bool is_aligned = parser_at_word(parser, "aligned") || parser_at_word(parser, "__aligned__");
            found.is_packed |= parser_at_word(parser, "packed") || parser_at_word(parser, "__packed__");
            depth += parser_at(parser, TOKEN_OPEN_PAREN);
            depth -= parser_at(parser, TOKEN_CLOSE_PAREN) && depth > 0;
            parser_advance(parser);
            if (is_aligned)
                found.align = alignment(parser);
        } while (depth > 0 && !parser_at(parser, TOKEN_END) && !parser->panicking);
    }
    return found;
}

static void apply(struct lang_definition *definition, struct attributes found) {
    definition->is_packed |= found.is_packed;
    if (found.align > definition->align)
        definition->align = found.align;
}

/* Behind the type: *name[N] : bits, or (*name)(...), which is a pointer to code. */
static void declarator(struct parser *parser, struct lang_definition *definition, const struct type_name *base) {
    struct type_name *type = arena_memdup(parser->arena, base, sizeof *base);
    struct lang_definition_field field = {.type_name = type};
    struct loc open = parser->token.loc;

    type->pointer_depth = parser_type_stars(parser);
    bool is_function = parser_accept(parser, TOKEN_OPEN_PAREN);
    if (is_function) {
        parser_expect(parser, TOKEN_STAR, "in a pointer to a function");
        *type = (struct type_name){.name = "void", .pointer_depth = 1, .loc = base->loc};
    }
    field.name = parser->token.text;
    bool has_name = parser_accept(parser, TOKEN_IDENTIFIER);
    if (!has_name) {
        field.name = NULL;
        if (!parser_at(parser, TOKEN_COLON))
            parser_error(parser, "c-definition", parser->token.loc, "expected the name of a member, found %s",
                         parser_found(parser));
    }
    parser_type_bounds(parser, type);
    if (is_function) {
        parser_expect_close(parser, TOKEN_CLOSE_PAREN, open);
        while (!parser_at(parser, TOKEN_SEMICOLON) && !parser_at(parser, TOKEN_CLOSE_BRACE) &&
               !parser_at(parser, TOKEN_END) && !parser->panicking)
            parser_advance(parser); /* the parameters */
    } else if (parser_accept(parser, TOKEN_COLON)) {
        field.is_bit_field = true;
        if (!parser_at(parser, TOKEN_INTEGER) || parser->token.number > 64)
            parser_error(parser, "c-definition", parser->token.loc, "expected the width in bits, found %s",
                         parser_found(parser));
        field.bit_size = (uint16_t)parser->token.number;
        parser_advance(parser);
    }
    struct attributes found = attributes(parser);
    field.is_packed = found.is_packed;
    field.align = found.align;
    add_field(parser, definition, field);
}

static int keyword_here(const struct parser *parser) {
    return parser_at_word(parser, "struct")  ? TYPE_NAME_STRUCT
           : parser_at_word(parser, "union") ? TYPE_NAME_UNION
           : parser_at_word(parser, "enum")  ? TYPE_NAME_ENUM
                                             : TYPE_NAME_PLAIN;
}

/* struct [TAG] { ... } as the type of members: becomes a definition of its own. False at any other type. */
static bool inner_definition(struct parser *parser, const struct lang_definition *outer, struct type_name *base) {
    int keyword = keyword_here(parser);
    struct lexer ahead = parser->lexer;

    ahead.diags = NULL;
    struct token tag = lexer_next(&ahead), brace = tag.kind == TOKEN_IDENTIFIER ? lexer_next(&ahead) : tag;
    if (keyword == TYPE_NAME_PLAIN || brace.kind != TOKEN_OPEN_BRACE)
        return false;
    base->loc = parser->token.loc;
    base->keyword = keyword;
    base->name = tag.kind == TOKEN_IDENTIFIER
                     ? tag.text
                     : arena_printf(parser->arena, "%s.%u", outer->name, parser->program->definitions.count);
    parser_advance(parser);
    if (tag.kind == TOKEN_IDENTIFIER)
        parser_advance(parser);
    struct loc loc = base->loc;
    loc.end = parser->previous_end;
    definition_body(parser, keyword, base->name, loc);
    return true;
}

/* type declarator, declarator; */
static void members(struct parser *parser, struct lang_definition *definition) {
    struct type_name base = {.name = ""};

    if (inner_definition(parser, definition, &base)) {
        if (parser_accept(parser, TOKEN_SEMICOLON)) {
            struct type_name *type = arena_memdup(parser->arena, &base, sizeof base);
            add_field(parser, definition, (struct lang_definition_field){.type_name = type});
            return;
        }
    } else {
        parser_type_base(parser, &base);
    }
    do
        declarator(parser, definition, &base);
    while (parser_accept(parser, TOKEN_COMMA));
    if (!parser_at(parser, TOKEN_CLOSE_BRACE))
        parser_expect(parser, TOKEN_SEMICOLON, "after the member");
}

bool parser_constant(const struct node *node, uint64_t *value) {
    uint64_t left = 0, right = 0;

    if (node->kind == NODE_INTEGER || (node->kind == NODE_IDENTIFIER && node->is_constant)) {
        *value = (uint64_t)node->number;
        return true;
    }
    if ((node->kind != NODE_UNARY && node->kind != NODE_BINARY) || !parser_constant(node->child, &left) ||
        (node->kind == NODE_BINARY && !parser_constant(node->child->next, &right)))
        return false;
    switch (node->op) {
    case OP_NEG:
        *value = 0 - left;
        return true;
    case OP_INVERT:
        *value = ~left;
        return true;
    case OP_ADD:
        *value = left + right;
        return true;
    case OP_SUB:
        *value = left - right;
        return true;
    case OP_MUL:
        *value = left * right;
        return true;
    case OP_SHL:
        *value = right < 64 ? left << right : 0;
        return true;
    case OP_SHR:
        *value = right < 64 ? left >> right : 0;
        return true;
    case OP_OR:
        *value = left | right;
        return true;
    case OP_AND:
        *value = left & right;
        return true;
    case OP_DIV:
        *value = right ? left / right : 0;
        return right != 0;
    default:
        return false;
    }
}

/* NAME [= value] */
static void enumerator(struct parser *parser, struct lang_definition *definition, int64_t *next) {
    struct parser_define *define = arena_make(parser->arena, struct parser_define);
    struct token name = parser->token;

    if (!parser_accept(parser, TOKEN_IDENTIFIER)) {
        parser_error(parser, "c-definition", name.loc, "expected a name in the enum, found %s", parser_found(parser));
        return;
    }
    if (parser_accept(parser, TOKEN_ASSIGN)) {
        const struct node *value = parser_expression(parser);
        uint64_t number = 0;
        if (!parser_constant(value, &number))
            parser_error(parser, "c-definition", value->loc, "the value of an enum constant is made of numbers");
        *next = (int64_t)number;
    }
    define->name = name.loc;
    define->is_enumerator = true;
    define->number = *next;
    if (!parser->panicking) {
        hash_put(&parser->defines, name.text, define);
        vec_push(parser->arena, &definition->enumerators, ((struct type_enumerator){name.text, *next}));
    }
    *next = (int64_t)((uint64_t)*next + 1);
}

static struct lang_definition *find(const struct lang_program *program, int keyword, const char *name) {
    for (uint32_t i = 0; i < program->definitions.count; i++) {
        struct lang_definition *definition = program->definitions.data[i];
        if (definition->keyword == keyword && strcmp(definition->name, name) == 0)
            return definition;
    }
    return NULL;
}

static void add_definition(struct parser *parser, struct lang_definition *definition) {
    static const char *const keywords[] = {"", "struct ", "union ", "enum "};
    const struct lang_definition *other =
        *definition->name ? find(parser->program, definition->keyword, definition->name) : NULL;
    uint32_t line, column;

    if (other) {
        source_position(parser->source, other->loc.begin, &line, &column);
        diag_error(parser->diags, "duplicate-type", definition->loc, "Redefinition of '%s%s'",
                   keywords[definition->keyword], definition->name);
        diag_hint(parser->diags, "it is defined in line %u of %s", line, source_name(parser->source, other->loc.begin));
    }
    vec_push(parser->arena, &parser->program->definitions, definition);
}

/* At the brace. */
static struct lang_definition *definition_body(struct parser *parser, int keyword, const char *name, struct loc head) {
    struct lang_definition *definition = arena_make(parser->arena, struct lang_definition);
    struct loc open = parser->token.loc;
    int64_t next = 0;

    definition->keyword = keyword;
    definition->name = name;
    definition->loc = head;
    if (!parser_expect(parser, TOKEN_OPEN_BRACE, "after the name of the type") || !parser_enter(parser))
        return definition;
    if (parser->program->definitions.count >= DEFINITION_LIMIT)
        parser_stop(parser, "program-too-large", open, "the program defines too many types", NULL);
    add_definition(parser, definition);
    while (!parser_at(parser, TOKEN_CLOSE_BRACE) && !parser_at(parser, TOKEN_END) && !parser->panicking) {
        if (keyword != TYPE_NAME_ENUM)
            members(parser, definition);
        else
            enumerator(parser, definition, &next);
        if (keyword == TYPE_NAME_ENUM && !parser_accept(parser, TOKEN_COMMA))
            break;
    }
    parser_leave(parser);
    if (!parser_accept(parser, TOKEN_CLOSE_BRACE)) {
        if (parser_at(parser, TOKEN_END))
            parser_error(parser, "unclosed-brace", open, "this { is never closed");
        else
            parser_expect(parser, TOKEN_CLOSE_BRACE, "at the end of the definition");
    }
    apply(definition, attributes(parser));
    return definition;
}

/* typedef type name, *name; */
static void type_definition(struct parser *parser) {
    struct lang_definition names = {.name = "typedef"};
    struct type_name base = {.name = ""};

    parser_advance(parser);
    if (!inner_definition(parser, &names, &base))
        parser_type_base(parser, &base);
    do
        declarator(parser, &names, &base);
    while (parser_accept(parser, TOKEN_COMMA));
    if (!parser_at(parser, TOKEN_END))
        parser_expect(parser, TOKEN_SEMICOLON, "after the typedef");
    for (uint32_t i = 0; i < names.fields.count && !parser->panicking; i++) {
        struct lang_definition *definition = arena_make(parser->arena, struct lang_definition);
        const struct lang_definition_field *field = &names.fields.data[i];
        const struct lang_definition *other = field->name ? find(parser->program, TYPE_NAME_PLAIN, field->name) : NULL;
        if (!field->name || other) /* C allows the same typedef twice */
            continue;
        definition->keyword = TYPE_NAME_PLAIN;
        definition->name = field->name;
        definition->alias = field->type_name;
        definition->loc = base.loc;
        add_definition(parser, definition);
    }
}

void parser_c_definition(struct parser *parser) {
    int keyword = keyword_here(parser);
    struct loc loc = parser->token.loc;

    if (parser_at_word(parser, "typedef")) {
        type_definition(parser);
        return;
    }
    parser_advance(parser);
    struct attributes found = attributes(parser);
    const char *name = parser_at(parser, TOKEN_IDENTIFIER) ? parser->token.text : "";
    parser_accept(parser, TOKEN_IDENTIFIER);
    if (parser_accept(parser, TOKEN_SEMICOLON)) /* a declaration alone says nothing */
        return;
    loc.end = parser->previous_end;
    struct lang_definition *definition = definition_body(parser, keyword, name, loc);
    apply(definition, found);
    parser_accept(parser, TOKEN_SEMICOLON);
}

/* ---- layout ------------------------------------------------------------------------------------------------ */

struct layout {
    uint64_t bits; /* used so far; of a union: always 0 */
    uint64_t size; /* bytes of the largest extent so far */
    uint32_t align;
};

static uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

/* Puts one member behind the others. */
static void place(struct layout *layout, const struct lang_definition *definition,
                  const struct lang_definition_field *field, struct type_field *out) {
    bool is_packed = definition->is_packed || field->is_packed;
    uint64_t unit = (uint64_t)out->type->size * 8, align = is_packed ? 1 : out->type->align;
    if (field->align > align || (field->align && is_packed))
        align = field->align;
    uint64_t width = field->is_bit_field ? field->bit_size : unit;

    if (definition->keyword == TYPE_NAME_UNION)
        layout->bits = 0;
    if (!field->is_bit_field || width == 0 ||
        layout->bits / (unit ? unit : 1) != (layout->bits + width - 1) / (unit ? unit : 1))
        layout->bits = round_up(layout->bits, field->is_bit_field && width == 0 ? unit : align * 8);
    out->offset = (uint32_t)(layout->bits / 8);
    if (field->is_bit_field && is_packed) {
        out->bit_offset = (uint16_t)(layout->bits % 8);
        out->bit_size = field->bit_size;
    } else if (field->is_bit_field && unit) {
        out->offset = (uint32_t)(layout->bits / unit * out->type->size);
        out->bit_offset = (uint16_t)(layout->bits - (uint64_t)out->offset * 8);
        out->bit_size = field->bit_size;
    }
    layout->bits += width;
    if (round_up(layout->bits, 8) / 8 > layout->size)
        layout->size = round_up(layout->bits, 8) / 8;
    if (align > layout->align)
        layout->align = (uint32_t)align;
}

/* Holds a type that is just being laid out: the type would contain itself. */
static bool is_incomplete(const struct type *type) {
    while (type->kind == TYPE_ARRAY)
        type = type->target;
    return type->kind == TYPE_STRUCT && !type->fields && !type->complete && !type->btf_id;
}

static bool lay_out(struct arena *arena, const struct lang_definition *definition, struct type *type,
                    lang_resolve_type *resolve, void *context) {
    struct type_field *fields = arena_new_array(arena, struct type_field, definition->fields.count + 1);
    struct layout layout = {0, 0, 1};
    uint32_t count = 0;

    for (uint32_t i = 0; i < definition->fields.count; i++) {
        const struct lang_definition_field *field = &definition->fields.data[i];
        struct type_field *out = &fields[count];
        out->type = resolve(context, field->type_name);
        if (!out->type)
            return false;
        bool is_bad = is_incomplete(out->type) || (field->is_bit_field && field->bit_size > out->type->size * 8);
        if (is_bad || layout.size + out->type->size > DEFINED_SIZE_LIMIT)
            return false;
        out->name = field->name;
        place(&layout, definition, field, out);
        count += field->name || out->type->kind == TYPE_STRUCT;
    }
    type->fields = fields;
    type->field_count = count;
    type->align = layout.align = layout.align > definition->align ? layout.align : definition->align;
    type->size = (uint32_t)round_up(layout.size, layout.align);
    return true;
}

const struct type *lang_definition_type(const struct lang_program *program, int keyword, const char *name,
                                        lang_resolve_type *resolve, void *context) {
    struct lang_definition *definition = find(program, keyword, name);

    if (!definition || definition->type || definition->is_resolving)
        return definition ? definition->type : NULL;
    if (definition->alias) {
        definition->is_resolving = true;
        definition->type = resolve(context, definition->alias);
        definition->is_resolving = false;
        return definition->type;
    }
    struct type *type = arena_make(program->arena, struct type);
    definition->type = type; /* members may point to it */
    type->kind = keyword == TYPE_NAME_ENUM ? TYPE_ENUM : TYPE_STRUCT;
    type->name = definition->name;
    type->is_union = keyword == TYPE_NAME_UNION;
    if (keyword == TYPE_NAME_ENUM) {
        type->size = type->align = 4;
        type->enumerators = definition->enumerators.data;
        type->enumerator_count = definition->enumerators.count;
        for (uint32_t i = 0; i < type->enumerator_count; i++)
            type->is_signed |= type->enumerators[i].value < 0;
    } else if (!lay_out(program->arena, definition, type, resolve, context)) {
        definition->type = NULL;
        return NULL;
    }
    return type;
}
