/* Text to tokens, one at a time and from any position.
 *
 * There is no token array: attach points and C directives are read from the raw text, and whether `/` divides or ends a
 * predicate depends on where the parser is, so the parser drives. To look ahead, copy the struct lexer, read on, and
 * throw the copy away.
 *
 * A malformed literal is reported here. Where a value can still be made (unknown escape, bad suffix) the token is a
 * normal one; where it can not, the kind is TOKEN_ERROR and the parser must stay silent about it.
 */
#ifndef TARSIER_LANG_LEXER_H
#define TARSIER_LANG_LEXER_H

#include "base/arena.h"
#include "base/diag.h"
#include "lang/ast.h"
#include <stdbool.h>
#include <stdint.h>

/* PUNCTUATION(name, spelling, operator between two expressions, operator of a compound assignment).
 * Longer spellings come first: the first row that fits is taken. */
#define PUNCTUATIONS(PUNCTUATION)                                                                                      \
    PUNCTUATION(SHL_ASSIGN, "<<=", NONE, SHL)                                                                          \
    PUNCTUATION(SHR_ASSIGN, ">>=", NONE, SHR)                                                                          \
    PUNCTUATION(SHL, "<<", SHL, NONE)                                                                                  \
    PUNCTUATION(SHR, ">>", SHR, NONE)                                                                                  \
    PUNCTUATION(LE, "<=", LE, NONE)                                                                                    \
    PUNCTUATION(GE, ">=", GE, NONE)                                                                                    \
    PUNCTUATION(EQ, "==", EQ, NONE)                                                                                    \
    PUNCTUATION(NE, "!=", NE, NONE)                                                                                    \
    PUNCTUATION(LOGICAL_AND, "&&", LOGICAL_AND, NONE)                                                                  \
    PUNCTUATION(LOGICAL_OR, "||", LOGICAL_OR, NONE)                                                                    \
    PUNCTUATION(INCREMENT, "++", NONE, NONE)                                                                           \
    PUNCTUATION(DECREMENT, "--", NONE, NONE)                                                                           \
    PUNCTUATION(ADD_ASSIGN, "+=", NONE, ADD)                                                                           \
    PUNCTUATION(SUB_ASSIGN, "-=", NONE, SUB)                                                                           \
    PUNCTUATION(MUL_ASSIGN, "*=", NONE, MUL)                                                                           \
    PUNCTUATION(DIV_ASSIGN, "/=", NONE, DIV)                                                                           \
    PUNCTUATION(MOD_ASSIGN, "%=", NONE, MOD)                                                                           \
    PUNCTUATION(AND_ASSIGN, "&=", NONE, AND)                                                                           \
    PUNCTUATION(OR_ASSIGN, "|=", NONE, OR)                                                                             \
    PUNCTUATION(XOR_ASSIGN, "^=", NONE, XOR)                                                                           \
    PUNCTUATION(ARROW, "->", NONE, NONE)                                                                               \
    PUNCTUATION(RANGE, "..", NONE, NONE)                                                                               \
    PUNCTUATION(PLUS, "+", ADD, NONE)                                                                                  \
    PUNCTUATION(MINUS, "-", SUB, NONE)                                                                                 \
    PUNCTUATION(STAR, "*", MUL, NONE)                                                                                  \
    PUNCTUATION(SLASH, "/", DIV, NONE)                                                                                 \
    PUNCTUATION(PERCENT, "%", MOD, NONE)                                                                               \
    PUNCTUATION(AMPERSAND, "&", AND, NONE)                                                                             \
    PUNCTUATION(BAR, "|", OR, NONE)                                                                                    \
    PUNCTUATION(CARET, "^", XOR, NONE)                                                                                 \
    PUNCTUATION(TILDE, "~", NONE, NONE)                                                                                \
    PUNCTUATION(BANG, "!", NONE, NONE)                                                                                 \
    PUNCTUATION(LT, "<", LT, NONE)                                                                                     \
    PUNCTUATION(GT, ">", GT, NONE)                                                                                     \
    PUNCTUATION(ASSIGN, "=", NONE, NONE)                                                                               \
    PUNCTUATION(OPEN_PAREN, "(", NONE, NONE)                                                                           \
    PUNCTUATION(CLOSE_PAREN, ")", NONE, NONE)                                                                          \
    PUNCTUATION(OPEN_BRACKET, "[", NONE, NONE)                                                                         \
    PUNCTUATION(CLOSE_BRACKET, "]", NONE, NONE)                                                                        \
    PUNCTUATION(OPEN_BRACE, "{", NONE, NONE)                                                                           \
    PUNCTUATION(CLOSE_BRACE, "}", NONE, NONE)                                                                          \
    PUNCTUATION(COMMA, ",", NONE, NONE)                                                                                \
    PUNCTUATION(SEMICOLON, ";", NONE, NONE)                                                                            \
    PUNCTUATION(COLON, ":", NONE, NONE)                                                                                \
    PUNCTUATION(QUESTION, "?", NONE, NONE)                                                                             \
    PUNCTUATION(DOT, ".", NONE, NONE)                                                                                  \
    PUNCTUATION(HASH, "#", NONE, NONE)

enum token_kind {
    TOKEN_END,   /* end of the text */
    TOKEN_ERROR, /* malformed and already reported */
    TOKEN_IDENTIFIER,
    TOKEN_VARIABLE,         /* text: with the $ */
    TOKEN_MAP,              /* text: with the @; "@" alone is a name too */
    TOKEN_POSITIONAL,       /* $N: number */
    TOKEN_POSITIONAL_COUNT, /* $# */
    TOKEN_INTEGER,          /* number; durations in nanoseconds; text: as written */
    TOKEN_STRING,           /* text, length: decoded */
#define PUNCTUATION(name, spelling, binary, assign) TOKEN_##name,
    PUNCTUATIONS(PUNCTUATION)
#undef PUNCTUATION
        TOKEN_KIND_COUNT
};

struct token {
    enum token_kind kind;
    struct loc loc;
    const char *text;
    uint32_t length; /* of a decoded string */
    uint64_t number;
};

struct lexer {
    struct arena *arena;
    const struct source *source;
    struct diag_list *diags; /* NULL: looking ahead, report nothing */
    uint32_t position;       /* next byte to read */
    uint32_t end;            /* first byte not to read */
};

struct token lexer_next(struct lexer *lexer);
/* Moves over blanks, comments and continued lines; an unclosed comment is reported and ends the text. */
void lexer_skip_space(struct lexer *lexer);
/* The byte `ahead` places on, 0 past the end. */
char lexer_peek(const struct lexer *lexer, uint32_t ahead);

const char *token_spelling(enum token_kind kind);               /* punctuation only; "" for the others */
enum node_operator token_binary_operator(enum token_kind kind); /* OP_NONE: none */
enum node_operator token_assign_operator(enum token_kind kind);

bool lexer_is_name_start(char c);
bool lexer_is_name(char c);

#endif
