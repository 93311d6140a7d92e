/* Text -> pieces, and what each piece is: enough of the grammar to know operators from signs and casts from groups. */
#include "lang/format_int.h"
#include "lang/lang.h"
#include "lang/parser.h"

#include <string.h>

struct scan {
    struct arena *arena;
    struct lexer lexer;
    struct format_pieces *out;
};

static struct format_piece *piece(struct format_pieces *pieces, uint32_t index) { return &pieces->items.data[index]; }

static bool is_text(const struct format_pieces *pieces, const struct format_piece *piece, const char *word) {
    size_t length = strlen(word);
    return piece->end - piece->begin == length && memcmp(pieces->text + piece->begin, word, length) == 0;
}

bool format_is_word(const struct format_pieces *pieces, uint32_t index, const char *word) {
    const struct format_piece *piece = &pieces->items.data[index];
    return piece->kind == TOKEN_IDENTIFIER && is_text(pieces, piece, word);
}

bool format_is_keyword(const struct format_pieces *pieces, uint32_t index) {
    static const char *const words[] = {"if",  "else",  "while", "for",    "unroll",  "return",
                                        "let", "macro", "fn",    "import", "comptime"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (format_is_word(pieces, index, words[i]))
            return true;
    }
    return false;
}

bool format_is_operand(const struct format_pieces *pieces, uint32_t index) {
    const struct format_piece *piece = &pieces->items.data[index];
    switch (piece->kind) {
    case TOKEN_IDENTIFIER:
        return piece->role != FORMAT_ATTACH && !format_is_keyword(pieces, index);
    case TOKEN_VARIABLE:
    case TOKEN_MAP:
    case TOKEN_POSITIONAL:
    case TOKEN_POSITIONAL_COUNT:
    case TOKEN_INTEGER:
    case TOKEN_STRING:
    case TOKEN_CLOSE_BRACKET:
        return true;
    case TOKEN_CLOSE_PAREN:
        return piece->role != FORMAT_CAST_CLOSE;
    default:
        return piece->role == FORMAT_POSTFIX;
    }
}

/* ---- the way through the text ---------------------------------------------------------------------------------- */

static void measure_gap(struct scan *s, struct format_piece *next, uint32_t begin) {
    const char *text = s->out->text;
    for (uint32_t i = begin; i < next->begin; i++) {
        next->lines_before += text[i] == '\n';
        if (text[i] != '/')
            continue;
        next->has_comment = true;
        if (text[i + 1] == '/') {
            next->has_line_comment = true;
            while (i + 1 < next->begin && text[i + 1] != '\n')
                i++;
        } else {
            for (i += 2; i < next->begin && !(text[i] == '*' && text[i + 1] == '/'); i++)
                next->lines_before += text[i] == '\n';
            i++;
        }
    }
}

static struct format_piece *add(struct scan *s, enum token_kind kind, uint32_t begin, uint32_t end) {
    struct format_pieces *out = s->out;
    uint32_t gap = out->items.count ? piece(out, out->items.count - 1)->end : out->preamble_end;
    struct format_piece *added = vec_add(s->arena, &out->items);
    added->kind = kind;
    added->begin = begin;
    added->end = end;
    measure_gap(s, added, gap);
    s->lexer.position = end;
    return added;
}

static struct token look(const struct scan *s) {
    struct lexer ahead = s->lexer;
    return lexer_next(&ahead);
}

static struct token look_two(const struct scan *s) {
    struct lexer ahead = s->lexer;
    lexer_next(&ahead);
    return lexer_next(&ahead);
}

static bool at_word(const struct scan *s, const struct token *token, const char *word) {
    size_t length = strlen(word);
    return token->kind == TOKEN_IDENTIFIER && token->loc.end - token->loc.begin == length &&
           memcmp(s->out->text + token->loc.begin, word, length) == 0;
}

static struct format_piece *add_token(struct scan *s) {
    struct token token = look(s);
    return add(s, token.kind, token.loc.begin, token.loc.end);
}

/* Tokens to the end of the block that opens first, or to a `;` before one opens. */
static void scan_block(struct scan *s) {
    unsigned braces = 0;
    for (struct token token = look(s); token.kind != TOKEN_END; token = look(s)) {
        add(s, token.kind, token.loc.begin, token.loc.end);
        if (token.kind == TOKEN_OPEN_BRACE)
            braces++;
        else if (token.kind == TOKEN_CLOSE_BRACE && --braces == 0)
            break;
        else if (token.kind == TOKEN_SEMICOLON && braces == 0)
            return;
    }
    if (look(s).kind == TOKEN_SEMICOLON)
        add_token(s);
}

/* As parser_probe.c reads it. */
static void scan_attach_point(struct scan *s) {
    const char *text = s->out->text;
    bool in_quotes = false, had_colon = false;
    lexer_skip_space(&s->lexer);
    uint32_t begin = s->lexer.position, at = begin;
    for (; at < s->lexer.end; at++) {
        char c = text[at];
        if (!in_quotes && (c == ' ' || (c >= '\t' && c <= '\r') || c == ',' || c == '{' || c == '}'))
            break;
        if (!in_quotes && c == '/' && !had_colon)
            break;
        in_quotes ^= c == '"';
        had_colon |= c == ':';
    }
    add(s, TOKEN_IDENTIFIER, begin, at)->role = FORMAT_ATTACH;
}

static void scan_predicate(struct scan *s) {
    add_token(s)->role = FORMAT_PREDICATE_OPEN;
    for (struct token token = look(s); token.kind != TOKEN_END; token = look(s)) {
        bool closes = token.kind == TOKEN_SLASH && look_two(s).kind == TOKEN_OPEN_BRACE;
        add_token(s)->role = closes ? FORMAT_PREDICATE_CLOSE : FORMAT_PLAIN;
        if (closes)
            break;
    }
}

static void scan_probe(struct scan *s) {
    for (;;) {
        uint32_t before = s->lexer.position;
        struct token token = look(s);
        if (token.kind == TOKEN_OPEN_BRACE || token.kind == TOKEN_SLASH || token.kind == TOKEN_END)
            break;
        scan_attach_point(s);
        if (look(s).kind == TOKEN_COMMA)
            add_token(s);
        if (s->lexer.position == before) /* nothing that the parser would have let through */
            add_token(s);
    }
    if (look(s).kind == TOKEN_SLASH)
        scan_predicate(s);
    scan_block(s);
}

static void scan_item(struct scan *s) {
    static const char *const words[] = {"let", "import", "macro", "fn"};
    struct token token = look(s), next = look_two(s);
    bool is_tokens = at_word(s, &token, "config") && next.kind == TOKEN_ASSIGN;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        is_tokens |= at_word(s, &token, words[i]) && next.kind != TOKEN_COLON;
    uint32_t first = s->out->items.count;
    if (is_tokens)
        scan_block(s);
    else
        scan_probe(s);
    if (first < s->out->items.count)
        piece(s->out, first)->starts_item = true;
}

/* ---- before the first probe ------------------------------------------------------------------------------------ */

static bool is_directive(const struct scan *s, uint32_t hash, const char *prefix) {
    const char *text = s->out->text;
    uint32_t at = hash + 1;
    while (at < s->lexer.end && (text[at] == ' ' || text[at] == '\t'))
        at++;
    size_t length = strlen(prefix);
    return s->lexer.end - at >= length && memcmp(text + at, prefix, length) == 0;
}

static void skip_to_next_directive(struct scan *s) {
    const char *text = s->out->text;
    while (s->lexer.position < s->lexer.end) {
        while (s->lexer.position < s->lexer.end && text[s->lexer.position] != '\n')
            s->lexer.position++;
        while (s->lexer.position < s->lexer.end && strchr(" \t\r\n", text[s->lexer.position]))
            s->lexer.position++;
        if (lexer_peek(&s->lexer, 0) == '#')
            return;
    }
}

/* A directive, and with #if everything up to its #endif. */
static void skip_directive(struct scan *s) {
    unsigned depth = 0;
    do {
        uint32_t hash = s->lexer.position;
        if (depth && lexer_peek(&s->lexer, 0) != '#')
            break;
        if (is_directive(s, hash, "if"))
            depth++;
        else if (is_directive(s, hash, "endif") && depth)
            depth--;
        s->lexer.position = parser_directive_end(&s->lexer);
        if (depth)
            skip_to_next_directive(s);
    } while (depth && s->lexer.position < s->lexer.end);
}

static void skip_balanced(struct scan *s, enum token_kind open, enum token_kind close) {
    unsigned depth = 0;
    for (struct token token = lexer_next(&s->lexer); token.kind != TOKEN_END; token = lexer_next(&s->lexer)) {
        depth += token.kind == open;
        if (token.kind == close && --depth == 0)
            return;
    }
}

/* A comment behind a definition belongs to it. */
static void skip_line_comment(struct scan *s) {
    const char *text = s->out->text;
    uint32_t at = s->lexer.position;
    while (text[at] == ' ' || text[at] == '\t')
        at++;
    if (text[at] != '/' || text[at + 1] != '/')
        return;
    while (at < s->lexer.end && text[at] != '\n')
        at++;
    s->lexer.position = at;
}

/* At struct, union or enum. False: this is the head of no definition. */
static bool skip_definition(struct scan *s) {
    struct lexer start = s->lexer;
    lexer_next(&s->lexer);
    if (look(s).kind == TOKEN_IDENTIFIER)
        lexer_next(&s->lexer);
    enum token_kind next = look(s).kind;
    if (next != TOKEN_OPEN_BRACE && next != TOKEN_SEMICOLON) {
        s->lexer = start;
        return false;
    }
    if (next == TOKEN_OPEN_BRACE)
        skip_balanced(s, TOKEN_OPEN_BRACE, TOKEN_CLOSE_BRACE);
    if (look(s).kind == TOKEN_IDENTIFIER && look_two(s).kind == TOKEN_OPEN_PAREN)
        skip_balanced(s, TOKEN_OPEN_PAREN, TOKEN_CLOSE_PAREN);
    if (look(s).kind == TOKEN_SEMICOLON)
        lexer_next(&s->lexer);
    skip_line_comment(s);
    return true;
}

static void find_preamble(struct scan *s) {
    if (str_starts(s->out->text, "#!"))
        s->lexer.position = parser_directive_end(&s->lexer);
    for (;;) {
        s->out->preamble_end = s->lexer.position;
        lexer_skip_space(&s->lexer);
        struct token token = look(s);
        bool is_type = at_word(s, &token, "struct") || at_word(s, &token, "union") || at_word(s, &token, "enum");
        if (lexer_peek(&s->lexer, 0) == '#')
            skip_directive(s);
        else if (!is_type || !skip_definition(s))
            break;
    }
    s->lexer.position = s->out->preamble_end;
}

/* ---- what the pieces are --------------------------------------------------------------------------------------- */

static bool closes(enum token_kind open, enum token_kind kind) {
    return (open == TOKEN_OPEN_PAREN && kind == TOKEN_CLOSE_PAREN) ||
           (open == TOKEN_OPEN_BRACKET && kind == TOKEN_CLOSE_BRACKET) ||
           (open == TOKEN_OPEN_BRACE && kind == TOKEN_CLOSE_BRACE);
}

static void match_brackets(struct scan *s) {
    struct format_pieces *out = s->out;
    VEC(uint32_t) open = {0};
    for (uint32_t i = 0; i < out->items.count; i++) {
        enum token_kind kind = piece(out, i)->kind;
        if (kind == TOKEN_OPEN_PAREN || kind == TOKEN_OPEN_BRACKET || kind == TOKEN_OPEN_BRACE)
            vec_push(s->arena, &open, i);
        else if (open.count && closes(piece(out, open.data[open.count - 1])->kind, kind)) {
            uint32_t other = open.data[--open.count];
            piece(out, i)->match = other;
            piece(out, other)->match = i;
        }
    }
}

static bool is_type_word(const struct format_pieces *out, uint32_t index) {
    const struct format_piece *word = &out->items.data[index];
    for (int i = 0; i < LANG_BUILTIN_COUNT; i++) {
        if (lang_builtins[i].name && is_text(out, word, lang_builtins[i].name))
            return false;
    }
    return word->kind == TOKEN_IDENTIFIER;
}

/* "(struct x *)", "(uint64)", "(int8[4])" before an operand. */
static bool is_cast(const struct format_pieces *out, uint32_t close) {
    const struct format_piece *items = out->items.data;
    uint32_t open = items[close].match;
    if (open + 1 >= close || !is_type_word(out, open + 1) || (open && format_is_operand(out, open - 1)))
        return false;
    if (open && (format_is_keyword(out, open - 1) || items[open - 1].kind == TOKEN_CLOSE_BRACE))
        return false;
    for (uint32_t i = open + 1; i < close; i++) {
        enum token_kind kind = items[i].kind;
        if (kind != TOKEN_IDENTIFIER && kind != TOKEN_STAR && kind != TOKEN_OPEN_BRACKET &&
            kind != TOKEN_CLOSE_BRACKET && kind != TOKEN_INTEGER)
            return false;
    }
    switch (items[close + 1].kind) {
    case TOKEN_IDENTIFIER:
    case TOKEN_VARIABLE:
    case TOKEN_MAP:
    case TOKEN_POSITIONAL:
    case TOKEN_INTEGER:
    case TOKEN_STRING:
    case TOKEN_OPEN_PAREN:
    case TOKEN_MINUS:
    case TOKEN_STAR:
    case TOKEN_AMPERSAND:
    case TOKEN_BANG:
    case TOKEN_TILDE:
        return true;
    default:
        return false;
    }
}

static bool is_type_star(const struct format_pieces *out, uint32_t index) {
    if (index == 0)
        return false;
    enum token_kind before = out->items.data[index - 1].kind;
    if (before != TOKEN_IDENTIFIER && before != TOKEN_STAR && before != TOKEN_CLOSE_BRACKET)
        return false;
    while (out->items.data[index].kind == TOKEN_STAR)
        index++;
    enum token_kind next = out->items.data[index].kind;
    return next == TOKEN_CLOSE_PAREN || next == TOKEN_COMMA || next == TOKEN_ASSIGN || next == TOKEN_SEMICOLON ||
           (next == TOKEN_OPEN_BRACKET && before != TOKEN_CLOSE_BRACKET);
}

static bool is_sign(enum token_kind kind) {
    return kind == TOKEN_MINUS || kind == TOKEN_PLUS || kind == TOKEN_STAR || kind == TOKEN_AMPERSAND;
}

/* A colon behind no `?` and in no `for` belongs to a type. */
struct colons {
    uint32_t questions[64], depth;
};

static bool is_type_colon(const struct format_pieces *out, uint32_t index, struct colons *colons) {
    uint32_t level = colons->depth < 64 ? colons->depth : 63;
    if (colons->questions[level]) {
        colons->questions[level]--;
        return false;
    }
    bool in_for =
        index >= 2 &&
        (format_is_word(out, index - 2, "for") ||
         (index >= 3 && out->items.data[index - 2].kind == TOKEN_OPEN_PAREN && format_is_word(out, index - 3, "for")));
    return !in_for;
}

static void count_colons(struct colons *colons, enum token_kind kind) {
    if (kind == TOKEN_OPEN_PAREN || kind == TOKEN_OPEN_BRACKET || kind == TOKEN_OPEN_BRACE)
        colons->depth++;
    else if ((kind == TOKEN_CLOSE_PAREN || kind == TOKEN_CLOSE_BRACKET || kind == TOKEN_CLOSE_BRACE) && colons->depth)
        colons->depth--;
    uint32_t level = colons->depth < 64 ? colons->depth : 63;
    if (kind == TOKEN_QUESTION)
        colons->questions[level]++;
    else if (kind == TOKEN_SEMICOLON || kind == TOKEN_OPEN_PAREN || kind == TOKEN_OPEN_BRACKET ||
             kind == TOKEN_OPEN_BRACE)
        colons->questions[level] = 0;
}

static enum format_role role_of(const struct format_pieces *out, uint32_t i, uint32_t open, struct colons *colons) {
    const struct format_piece *items = out->items.data;
    bool after_operand = i > 0 && format_is_operand(out, i - 1);
    switch (items[i].kind) {
    case TOKEN_CLOSE_PAREN:
        return items[i].match && is_cast(out, i) ? FORMAT_CAST_CLOSE : FORMAT_PLAIN;
    case TOKEN_INCREMENT:
    case TOKEN_DECREMENT:
        return after_operand && items[i].lines_before == 0 ? FORMAT_POSTFIX : FORMAT_PREFIX;
    case TOKEN_BANG:
    case TOKEN_TILDE:
        return FORMAT_UNARY;
    case TOKEN_COLON:
        return is_type_colon(out, i, colons) ? FORMAT_TYPE_COLON : FORMAT_PLAIN;
    case TOKEN_ASSIGN:
        return open && items[open].kind == TOKEN_OPEN_PAREN ? FORMAT_FIELD_ASSIGN : FORMAT_PLAIN;
    case TOKEN_STAR:
        if (is_type_star(out, i))
            return FORMAT_TYPE_STAR;
        return after_operand ? FORMAT_PLAIN : FORMAT_UNARY;
    default:
        return is_sign(items[i].kind) && !after_operand ? FORMAT_UNARY : FORMAT_PLAIN;
    }
}

/* Behind the } of a block: does the statement or expression that it is part of go on? */
static bool goes_on(const struct format_pieces *out, uint32_t index) {
    const struct format_piece *piece = &out->items.data[index];
    switch (piece->kind) {
    case TOKEN_SEMICOLON:
    case TOKEN_COMMA:
    case TOKEN_CLOSE_PAREN:
    case TOKEN_CLOSE_BRACKET:
    case TOKEN_DOT:
    case TOKEN_ARROW:
    case TOKEN_QUESTION:
    case TOKEN_COLON:
    case TOKEN_OPEN_BRACE:
        return true;
    case TOKEN_IDENTIFIER:
        return format_is_word(out, index, "else");
    default:
        if (is_sign(piece->kind))
            return piece->lines_before == 0;
        return token_binary_operator(piece->kind) != OP_NONE;
    }
}

static bool starts_statement(const struct format_pieces *out, uint32_t i, uint32_t open) {
    const struct format_piece *items = out->items.data;
    if (i == 0 || !open || items[open].kind != TOKEN_OPEN_BRACE || items[i].kind == TOKEN_CLOSE_BRACE)
        return false;
    if (i - 1 == open || (items[i - 1].kind == TOKEN_SEMICOLON && items[i].kind != TOKEN_SEMICOLON))
        return true;
    return items[i - 1].kind == TOKEN_CLOSE_BRACE && !goes_on(out, i);
}

static void name_roles(struct scan *s) {
    struct format_pieces *out = s->out;
    struct colons colons = {0};
    VEC(uint32_t) open = {0};
    vec_push(s->arena, &open, 0); /* the first piece is never a bracket: 0 is "none" */
    for (uint32_t i = 0; i < out->items.count; i++) {
        struct format_piece *it = piece(out, i);
        uint32_t around = open.data[open.count - 1];
        it->starts_statement = starts_statement(out, i, around);
        if (it->starts_item)
            colons = (struct colons){0};
        count_colons(&colons, it->kind);
        if (it->role == FORMAT_PLAIN)
            it->role = role_of(out, i, around, &colons);
        if (it->match > i)
            vec_push(s->arena, &open, i);
        else if (it->match && open.count > 1)
            open.count--;
    }
}

void format_scan(struct arena *arena, const struct source *source, struct format_pieces *out) {
    *out = (struct format_pieces){.text = source->text};
    struct scan s = {.arena = arena, .lexer = {arena, source, NULL, 0, source->size}, .out = out};
    find_preamble(&s);
    while (look(&s).kind != TOKEN_END)
        scan_item(&s);
    lexer_skip_space(&s.lexer);
    add(&s, TOKEN_END, source->size, source->size)->starts_item = true;
    match_brackets(&s);
    name_roles(&s);
}
