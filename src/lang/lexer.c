#include "lang/lexer.h"

#include <string.h>

static const struct {
    const char *spelling;
    enum node_operator binary, assign;
} punctuations[TOKEN_KIND_COUNT] = {
#define PUNCTUATION(name, spelling, binary, assign) [TOKEN_##name] = {spelling, OP_##binary, OP_##assign},
    PUNCTUATIONS(PUNCTUATION)
#undef PUNCTUATION
};

/* What a number may end with. C suffixes change nothing; durations become nanoseconds. */
static const struct {
    const char *text;
    uint64_t factor;
} suffixes[] = {
    {"u", 1},     {"l", 1},        {"ll", 1},         {"ul", 1},          {"ull", 1},           {"ns", 1},
    {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
};

const char *token_spelling(enum token_kind kind) {
    return punctuations[kind].spelling ? punctuations[kind].spelling : "";
}

enum node_operator token_binary_operator(enum token_kind kind) { return punctuations[kind].binary; }

enum node_operator token_assign_operator(enum token_kind kind) { return punctuations[kind].assign; }

bool lexer_is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool lexer_is_name(char c) { return lexer_is_name_start(c) || is_digit(c); }

char lexer_peek(const struct lexer *lexer, uint32_t ahead) {
    return ahead < lexer->end - lexer->position ? lexer->source->text[lexer->position + ahead] : '\0';
}

#define REPORT(lexer, ...)                                                                                             \
    do {                                                                                                               \
        if ((lexer)->diags)                                                                                            \
            diag_error((lexer)->diags, __VA_ARGS__);                                                                   \
    } while (0)
#define HINT(lexer, ...)                                                                                               \
    do {                                                                                                               \
        if ((lexer)->diags)                                                                                            \
            diag_hint((lexer)->diags, __VA_ARGS__);                                                                    \
    } while (0)

/* ---- blanks ------------------------------------------------------------------------------------------------ */

static void skip_block_comment(struct lexer *lexer) {
    uint32_t begin = lexer->position;

    for (lexer->position += 2; lexer->position < lexer->end; lexer->position++) {
        if (lexer_peek(lexer, 0) == '*' && lexer_peek(lexer, 1) == '/') {
            lexer->position += 2;
            return;
        }
    }
    REPORT(lexer, "unclosed-comment", ((struct loc){begin, begin + 2}), "this comment is never closed");
    HINT(lexer, "end it with */");
}

static void skip_line(struct lexer *lexer) {
    while (lexer->position < lexer->end && lexer_peek(lexer, 0) != '\n')
        lexer->position++;
}

void lexer_skip_space(struct lexer *lexer) {
    while (lexer->position < lexer->end) {
        char c = lexer_peek(lexer, 0), next = lexer_peek(lexer, 1);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v')
            lexer->position++;
        else if (c == '\\' && (next == '\n' || (next == '\r' && lexer_peek(lexer, 2) == '\n')))
            lexer->position += next == '\n' ? 2 : 3;
        else if (c == '/' && next == '/')
            skip_line(lexer);
        else if (c == '/' && next == '*')
            skip_block_comment(lexer);
        else
            return;
    }
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

static int digit_value(char c) {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Digits of `base` with `_` between them, added to *value. False on overflow; reading goes on to the last digit. */
static bool read_digits(struct lexer *lexer, unsigned base, uint64_t *value) {
    bool fits = true, is_reported = false;

    for (;; lexer->position++) {
        char c = lexer_peek(lexer, 0);
        if (c == '_')
            continue;
        int digit = digit_value(c);
        if (digit < 0 || digit >= (base == 16 ? 16 : 10))
            return fits;
        if ((unsigned)digit >= base && !is_reported) {
            is_reported = true;
            REPORT(lexer, "bad-octal", ((struct loc){lexer->position, lexer->position + 1}),
                   "%c is not a digit of an octal number", c);
            HINT(lexer, "a number that starts with 0 is octal; leave the 0 out for a decimal one");
        }
        fits &= !__builtin_mul_overflow(*value, base, value) && !__builtin_add_overflow(*value, (unsigned)digit, value);
    }
}

static bool read_exponent(struct lexer *lexer, uint64_t *value) {
    uint64_t exponent = 0;
    bool fits = true;

    lexer->position++;
    fits = read_digits(lexer, 10, &exponent);
    if (!fits || exponent > 19)
        return *value == 0;
    for (; exponent > 0; exponent--)
        fits &= !__builtin_mul_overflow(*value, 10u, value);
    return fits;
}

static bool apply_suffix(struct lexer *lexer, uint32_t begin, uint64_t *value) {
    uint32_t length = lexer->position - begin;
    const char *text = lexer->source->text + begin;
    char lower[4] = {0};

    for (uint32_t i = 0; i < length && i < sizeof lower; i++)
        lower[i] = (char)(text[i] | 0x20);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        bool is_duration = strcspn(suffixes[i].text, "nmshd") < strlen(suffixes[i].text);
        if (strlen(suffixes[i].text) == length && strncmp(suffixes[i].text, is_duration ? text : lower, length) == 0)
            return !__builtin_mul_overflow(*value, suffixes[i].factor, value);
    }
    REPORT(lexer, "number-suffix", ((struct loc){begin, lexer->position}), "a number can not end with %.*s",
           (int)(length > 20 ? 20 : length), text);
    HINT(lexer, "known endings: u l ul ll ull, and the times ns us ms s m h d");
    return true;
}

static struct token read_number(struct lexer *lexer) {
    struct token token = {TOKEN_INTEGER, {lexer->position, 0}, NULL, 0, 0};
    bool fits = true;
    char second = lexer_peek(lexer, 1);

    if (lexer_peek(lexer, 0) == '0' && (second == 'x' || second == 'X') && digit_value(lexer_peek(lexer, 2)) >= 0) {
        lexer->position += 2;
        fits = read_digits(lexer, 16, &token.number);
    } else if (lexer_peek(lexer, 0) == '0') {
        fits = read_digits(lexer, 8, &token.number);
    } else {
        fits = read_digits(lexer, 10, &token.number);
        if (lexer_peek(lexer, 0) == 'e' && is_digit(lexer_peek(lexer, 1)))
            fits &= read_exponent(lexer, &token.number);
    }
    uint32_t suffix = lexer->position;
    while (lexer_is_name(lexer_peek(lexer, 0)))
        lexer->position++;
    if (lexer->position > suffix)
        fits &= apply_suffix(lexer, suffix, &token.number);
    token.loc.end = lexer->position;
    if (!fits) {
        REPORT(lexer, "number-too-large", token.loc, "this number does not fit in 64 bits");
        HINT(lexer, "the largest is 18446744073709551615");
    }
    token.text = arena_strndup(lexer->arena, lexer->source->text + token.loc.begin, token.loc.end - token.loc.begin);
    return token;
}

/* ---- strings ----------------------------------------------------------------------------------------------- */

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* The value of a backslash sequence; the position is on the backslash and ends behind the sequence. */
static char read_escape(struct lexer *lexer) {
    static const char letters[] = "ntr\"\\", values[] = "\n\t\r\"\\";
    uint32_t begin = lexer->position;
    char c = lexer_peek(lexer, 1);
    const char *found = c ? strchr(letters, c) : NULL;

    lexer->position += 2;
    if (found)
        return values[found - letters];
    if (is_octal(c)) {
        unsigned value = (unsigned)(c - '0');
        for (int i = 0; i < 2 && is_octal(lexer_peek(lexer, 0)); i++, lexer->position++)
            value = value * 8 + (unsigned)(lexer_peek(lexer, 0) - '0');
        return (char)value;
    }
    if (c == 'x' && digit_value(lexer_peek(lexer, 0)) >= 0) {
        unsigned value = 0;
        for (int i = 0; i < 2 && digit_value(lexer_peek(lexer, 0)) >= 0; i++, lexer->position++)
            value = value * 16 + (unsigned)digit_value(lexer_peek(lexer, 0));
        return (char)value;
    }
    if (c >= ' ' && c <= '~')
        REPORT(lexer, "bad-escape", ((struct loc){begin, lexer->position}), "unknown escape sequence \\%c", c);
    else
        REPORT(lexer, "bad-escape", ((struct loc){begin, begin + 1}), "unknown escape sequence");
    HINT(lexer, "known are \\n \\t \\r \\\" \\\\ \\ooo (octal) and \\xhh");
    return c;
}

static struct token read_string(struct lexer *lexer) {
    struct token token = {TOKEN_STRING, {lexer->position, 0}, NULL, 0, 0};
    struct strbuf bytes = {0};
    char c;

    lexer->position++;
    for (;;) {
        c = lexer_peek(lexer, 0);
        if (lexer->position >= lexer->end || c == '\n' || c == '"')
            break;
        if (c == '\\' && lexer_peek(lexer, 1) != '\n' && lexer->position + 1 < lexer->end) {
            strbuf_addch(&bytes, read_escape(lexer));
        } else {
            strbuf_addch(&bytes, c);
            lexer->position++;
        }
    }
    if (c == '"' && lexer->position < lexer->end) {
        lexer->position++;
    } else {
        token.kind = TOKEN_ERROR;
        REPORT(lexer, "unterminated-string", ((struct loc){token.loc.begin, lexer->position}), "unterminated string");
        HINT(lexer, "a string ends with \" on the line it starts on; write a new line as \\n");
    }
    token.loc.end = lexer->position;
    token.length = (uint32_t)bytes.length;
    token.text = arena_memdup(lexer->arena, strbuf_text(&bytes), bytes.length + 1);
    strbuf_free(&bytes);
    return token;
}

static struct token read_character_literal(struct lexer *lexer) {
    struct token token = {TOKEN_ERROR, {lexer->position, 0}, NULL, 0, 0};

    lexer->position++;
    while (lexer->position < lexer->end && !strchr("'\n;", lexer_peek(lexer, 0)))
        lexer->position++;
    if (lexer_peek(lexer, 0) == '\'')
        lexer->position++;
    token.loc.end = lexer->position;
    REPORT(lexer, "character-literal", token.loc, "character literals are not part of the language");
    HINT(lexer, "write a string in double quotes, or the character's number");
    return token;
}

/* ---- the rest ---------------------------------------------------------------------------------------------- */

static struct token finish_name(struct lexer *lexer, enum token_kind kind, uint32_t begin) {
    while (lexer_is_name(lexer_peek(lexer, 0)))
        lexer->position++;
    return (struct token){kind,
                          {begin, lexer->position},
                          arena_strndup(lexer->arena, lexer->source->text + begin, lexer->position - begin),
                          0,
                          0};
}

static struct token read_dollar(struct lexer *lexer) {
    uint32_t begin = lexer->position++;
    char c = lexer_peek(lexer, 0);
    struct token token = {TOKEN_POSITIONAL_COUNT, {begin, begin + 2}, "$#", 0, 0};

    if (lexer_is_name_start(c))
        return finish_name(lexer, TOKEN_VARIABLE, begin);
    if (c == '#') {
        lexer->position++;
        return token;
    }
    if (!is_digit(c)) {
        REPORT(lexer, "bad-variable", ((struct loc){begin, begin + 1}), "expected a name or a number after $");
        HINT(lexer, "$name is a variable, $1 the first positional parameter, $# their number");
        return (struct token){TOKEN_ERROR, {begin, begin + 1}, NULL, 0, 0};
    }
    token.kind = TOKEN_POSITIONAL;
    for (; is_digit(lexer_peek(lexer, 0)); lexer->position++) {
        if (token.number < UINT32_MAX)
            token.number = token.number * 10 + (uint64_t)digit_value(lexer_peek(lexer, 0));
    }
    token.loc.end = lexer->position;
    return token;
}

static struct token read_unexpected(struct lexer *lexer) {
    struct token token = {TOKEN_ERROR, {lexer->position, lexer->position + 1}, NULL, 0, 0};
    unsigned char c = (unsigned char)lexer_peek(lexer, 0);

    lexer->position++;
    /* a character of several bytes is one mistake */
    while (c >= 0x80 && ((unsigned char)lexer_peek(lexer, 0) & 0xc0) == 0x80)
        lexer->position++;
    token.loc.end = lexer->position;
    if (c > ' ' && c < 0x7f)
        REPORT(lexer, "unexpected-character", token.loc, "unexpected character %c", c);
    else
        REPORT(lexer, "unexpected-character", token.loc, "unexpected character (byte 0x%02x)", c);
    if (c >= 0x80)
        HINT(lexer, "outside of strings and comments a program is plain ASCII; typographic quotes come from copying");
    return token;
}

struct token lexer_next(struct lexer *lexer) {
    lexer_skip_space(lexer);
    uint32_t begin = lexer->position;
    char c = lexer_peek(lexer, 0);

    if (begin >= lexer->end)
        return (struct token){TOKEN_END, {lexer->end, lexer->end}, NULL, 0, 0};
    if (lexer_is_name_start(c))
        return finish_name(lexer, TOKEN_IDENTIFIER, begin);
    if (is_digit(c))
        return read_number(lexer);
    if (c == '"')
        return read_string(lexer);
    if (c == '\'')
        return read_character_literal(lexer);
    if (c == '$')
        return read_dollar(lexer);
    if (c == '@') {
        lexer->position++;
        if (is_digit(lexer_peek(lexer, 0)))
            return (struct token){TOKEN_MAP, {begin, begin + 1}, "@", 0, 0};
        return finish_name(lexer, TOKEN_MAP, begin);
    }
    for (unsigned kind = TOKEN_STRING + 1; kind < TOKEN_KIND_COUNT; kind++) {
        uint32_t length = (uint32_t)strlen(punctuations[kind].spelling);
        if (length <= lexer->end - begin &&
            memcmp(lexer->source->text + begin, punctuations[kind].spelling, length) == 0) {
            lexer->position += length;
            return (struct token){(enum token_kind)kind, {begin, begin + length}, punctuations[kind].spelling, 0, 0};
        }
    }
    return read_unexpected(lexer);
}
