/* C's macros as C has them: text for text. Needed where a macro has parameters, and for the conditions of #if; a plain
 * #define is parsed where it stands (parser_define_value).
 *
 * A use is expanded to a text: arguments first, then the body with the arguments in it once more, the macro itself
 * being out of sight. The text becomes a part of the source, called <NAME>, so messages point at the use. */
#include "lang/parser.h"

#include <string.h>

enum { TEXT_LIMIT = 1 << 16, DEPTH_LIMIT = 40, ARGUMENT_LIMIT = 32 };

struct expansion {
    struct parser *parser;
    struct strbuf out;
    unsigned depth;
    bool keep_defined; /* #if: what stands behind `defined` is a name */
    const char *problem;
};

struct text {
    const char *begin;
    uint32_t size;
};

static void expand(struct expansion *x, struct text text);

static void add(struct expansion *x, const char *text, size_t size) {
    if (x->out.length + size > TEXT_LIMIT)
        x->problem = "its text is too long";
    else
        strbuf_add(&x->out, text, size);
}

/* Expands into a text of its own. */
static struct text expanded(struct expansion *x, struct text text) {
    struct strbuf outer = x->out;

    x->out = (struct strbuf){0};
    expand(x, text);
    struct text result = {arena_memdup(x->parser->arena, strbuf_text(&x->out), x->out.length + 1),
                          (uint32_t)x->out.length};
    strbuf_free(&x->out);
    x->out = outer;
    return result;
}

static struct text body_of(const struct parser *parser, const struct parser_define *define) {
    return (struct text){parser->source->text + define->begin,
                         define->end > define->begin ? define->end - define->begin : 0};
}

static int parameter(const struct parser_define *define, const struct token *token) {
    for (uint32_t i = 0; token->kind == TOKEN_IDENTIFIER && i < define->parameter_count; i++) {
        if (strcmp(define->parameters[i], token->text) == 0)
            return (int)i;
    }
    return -1;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n'; }

static struct text trimmed(struct text text) {
    while (text.size && is_space(*text.begin))
        text.begin++, text.size--;
    while (text.size && is_space(text.begin[text.size - 1]))
        text.size--;
    return text;
}

static bool is_paste(const struct lexer *lexer, const struct token *token) {
    return token->kind == TOKEN_HASH && lexer_peek(lexer, 0) == '#';
}

/* The body with the arguments in it: `raw` at # and ##, `full` elsewhere. */
static void substitute(struct expansion *x, const struct parser_define *define, const struct text *raw,
                       const struct text *full) {
    struct text body = body_of(x->parser, define);
    struct source source = {"", body.begin, body.size, NULL};
    struct lexer lexer = {x->parser->arena, &source, NULL, 0, body.size};
    static const char ends[] = "## stands between two words";
    bool is_text = false, is_pasted = false, is_first = true;

    for (struct token token = lexer_next(&lexer); token.kind != TOKEN_END && !x->problem; token = lexer_next(&lexer)) {
        if (is_paste(&lexer, &token)) {
            lexer_next(&lexer);
            if (is_first || is_pasted)
                x->problem = ends;
            is_pasted = true;
            continue;
        }
        if (token.kind == TOKEN_HASH) {
            is_text = true;
            continue;
        }
        struct lexer ahead = lexer;
        struct token next = lexer_next(&ahead);
        bool is_operand = is_pasted || is_paste(&ahead, &next);
        int index = parameter(define, &token);
        struct text piece = {body.begin + token.loc.begin, token.loc.end - token.loc.begin};
        if (index >= 0)
            piece = is_text ? raw[index] : is_operand ? trimmed(raw[index]) : full[index];
        if (!is_first && !is_pasted)
            add(x, " ", 1);
        add(x, "\"", index >= 0 && is_text);
        add(x, piece.begin, piece.size);
        add(x, "\"", index >= 0 && is_text);
        is_text = is_pasted = is_first = false;
    }
    if (is_pasted)
        x->problem = ends;
}

/* (a, b): at the parenthesis. The number of arguments; the lexer is behind them. */
static uint32_t read_arguments(struct expansion *x, struct lexer *lexer, struct text *raw) {
    uint32_t count = 0, depth = 0, begin = lexer->position + 1;
    bool any = false;

    for (struct token token = lexer_next(lexer);; token = lexer_next(lexer)) {
        bool ends = token.kind == TOKEN_CLOSE_PAREN && depth == 1;
        if (token.kind == TOKEN_END) {
            x->problem = "its arguments are not closed";
            return 0;
        }
        if ((token.kind == TOKEN_COMMA && depth == 1) || ends) {
            if (count == ARGUMENT_LIMIT) {
                x->problem = "it has too many arguments";
                return 0;
            }
            if (!ends || any || count > 0)
                raw[count++] = (struct text){lexer->source->text + begin, token.loc.begin - begin};
            if (ends)
                return count;
            begin = token.loc.end;
            continue;
        }
        any |= depth > 0;
        depth += token.kind == TOKEN_OPEN_PAREN;
        depth -= token.kind == TOKEN_CLOSE_PAREN;
    }
}

static void use_with_arguments(struct expansion *x, struct parser_define *define, struct lexer *lexer) {
    struct text raw[ARGUMENT_LIMIT], full[ARGUMENT_LIMIT];
    uint32_t count = read_arguments(x, lexer, raw);

    if (!x->problem && count != define->parameter_count)
        x->problem = arena_printf(x->parser->arena, "it takes %u arguments, not %u", define->parameter_count, count);
    for (uint32_t i = 0; i < count && !x->problem; i++)
        full[i] = expanded(x, raw[i]);
    if (x->problem)
        return;
    struct strbuf outer = x->out;
    x->out = (struct strbuf){0};
    substitute(x, define, raw, full);
    struct text text = {arena_memdup(x->parser->arena, strbuf_text(&x->out), x->out.length + 1),
                        (uint32_t)x->out.length};
    strbuf_free(&x->out);
    x->out = outer;
    define->expanding = true;
    expand(x, text);
    define->expanding = false;
}

/* The name behind `defined`, in parentheses or not, as it stands. */
static void copy_defined(struct expansion *x, struct lexer *lexer) {
    struct token token = lexer_next(lexer);
    bool in_parentheses = token.kind == TOKEN_OPEN_PAREN;

    if (in_parentheses)
        token = lexer_next(lexer);
    bool is_defined = token.kind == TOKEN_IDENTIFIER && hash_get(&x->parser->defines, token.text);
    if (token.kind != TOKEN_IDENTIFIER || (in_parentheses && lexer_next(lexer).kind != TOKEN_CLOSE_PAREN))
        x->problem = "defined wants a name";
    add(x, is_defined ? "1 " : "0 ", 2);
}

static void expand_name(struct expansion *x, struct lexer *lexer, const struct token *name) {
    struct parser_define *define = hash_get(&x->parser->defines, name->text);
    struct lexer ahead = *lexer;
    bool has_arguments = define && define->has_parameters && lexer_next(&ahead).kind == TOKEN_OPEN_PAREN;

    if (x->keep_defined && strcmp(name->text, "defined") == 0) {
        copy_defined(x, lexer);
    } else if (!define || define->is_enumerator || define->expanding || (define->has_parameters && !has_arguments)) {
        add(x, name->text, strlen(name->text));
        add(x, " ", 1);
    } else if (has_arguments) {
        lexer_skip_space(lexer);
        use_with_arguments(x, define, lexer);
    } else {
        define->expanding = true;
        expand(x, body_of(x->parser, define));
        define->expanding = false;
    }
}

static void expand(struct expansion *x, struct text text) {
    struct source source = {"", text.begin, text.size, NULL};
    struct lexer lexer = {x->parser->arena, &source, NULL, 0, text.size};

    if (++x->depth > DEPTH_LIMIT)
        x->problem = "macros are nested too deeply";
    for (struct token token = lexer_next(&lexer); token.kind != TOKEN_END && !x->problem; token = lexer_next(&lexer)) {
        if (token.kind == TOKEN_IDENTIFIER) {
            expand_name(x, &lexer, &token);
        } else {
            add(x, text.begin + token.loc.begin, token.loc.end - token.loc.begin);
            add(x, " ", 1);
        }
    }
    x->depth--;
}

const char *parser_expand_text(struct parser *parser, uint32_t begin, uint32_t end, bool keep_defined,
                               const char **text, uint32_t *size) {
    struct expansion x = {.parser = parser, .keep_defined = keep_defined};
    struct text result = expanded(&x, (struct text){parser->source->text + begin, end > begin ? end - begin : 0});

    *text = result.begin;
    *size = result.size;
    return x.problem;
}

/* Where the arguments end that begin at the current token; 0 if they do not. */
static uint32_t end_of_arguments(const struct parser *parser) {
    struct lexer ahead = parser->lexer;
    uint32_t depth = 1;

    ahead.diags = NULL;
    for (struct token token = lexer_next(&ahead); token.kind != TOKEN_END; token = lexer_next(&ahead)) {
        depth += token.kind == TOKEN_OPEN_PAREN;
        depth -= token.kind == TOKEN_CLOSE_PAREN;
        if (depth == 0)
            return token.loc.end;
    }
    return 0;
}

/* NAME(...), at the parenthesis: its value. */
struct node *parser_macro_value(struct parser *parser, struct parser_define *define, const struct token *use) {
    uint32_t end = parser_at(parser, TOKEN_OPEN_PAREN) ? end_of_arguments(parser) : 0, begin = 0, size = 0;
    const char *text = "", *problem = define->expanding ? "it is defined by itself" : NULL;
    struct loc loc = {use->loc.begin, end ? end : use->loc.end};

    if (!end)
        problem = "it takes arguments: NAME(...)";
    else if (!problem)
        problem = parser_expand_text(parser, loc.begin, end, false, &text, &size);
    if (!problem && (parser->file_depth >= DEPTH_LIMIT ||
                     !source_add_file(parser->source, parser->arena, arena_printf(parser->arena, "<%s>", use->text),
                                      text, size, loc, &begin)))
        problem = "there is too much of it";
    if (problem) {
        parser_error(parser, "bad-macro", loc, "%s cannot be used here: %s", use->text, problem);
        return parser_leaf(parser, NODE_INTEGER, use);
    }
    parser_seek(parser, end);
    struct parser_define value = {.begin = begin, .end = begin + size};
    parser->file_depth++;
    define->expanding = true;
    struct node *node = parser_define_value(parser, &value, use);
    define->expanding = false;
    parser->file_depth--;
    parser->previous_end = end;
    return node;
}
