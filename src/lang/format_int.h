/* Formatting, inside lang/: format_scan.c makes pieces of the text, format_print.c writes them. */
#ifndef TARSIER_LANG_FORMAT_INT_H
#define TARSIER_LANG_FORMAT_INT_H

#include "base/vec.h"
#include "lang/format.h"
#include "lang/lexer.h"

enum format_role {
    FORMAT_PLAIN,
    FORMAT_ATTACH,         /* an attach point: raw text */
    FORMAT_PREDICATE_OPEN, /* the slashes around a predicate */
    FORMAT_PREDICATE_CLOSE,
    FORMAT_UNARY,        /* - * & ! ~ before an operand */
    FORMAT_PREFIX,       /* ++ -- before, */
    FORMAT_POSTFIX,      /* and behind an operand */
    FORMAT_TYPE_STAR,    /* of a pointer type */
    FORMAT_CAST_CLOSE,   /* ) of a cast */
    FORMAT_TYPE_COLON,   /* `let $x: int64` */
    FORMAT_FIELD_ASSIGN, /* (a=1, b=2) */
};

/* One token. */
struct format_piece {
    enum token_kind kind; /* TOKEN_END: the last one, empty */
    enum format_role role;
    uint32_t begin, end;
    uint32_t match;        /* of a bracket: the other one; else 0 */
    uint32_t lines_before; /* new lines between the piece before and this one */
    bool starts_item;      /* first piece of something at the top level */
    bool starts_statement; /* in a block */
    bool has_line_comment; /* before it */
    bool has_comment;
    bool is_inline; /* braces of a block on one line; set by the printer */
};

struct format_pieces {
    const char *text;
    uint32_t preamble_end; /* text up to here is kept as it is */
    VEC(struct format_piece) items;
};

void format_scan(struct arena *arena, const struct source *source, struct format_pieces *out);
bool format_is_word(const struct format_pieces *pieces, uint32_t index, const char *word);
/* if, while, return, ...: no operand, and no function before a parenthesis. */
bool format_is_keyword(const struct format_pieces *pieces, uint32_t index);
/* Could an expression end with it? Then what follows is a binary operator. */
bool format_is_operand(const struct format_pieces *pieces, uint32_t index);

#endif
