/* docs/language.md, which is in the program: the one description of functions, variables, probes and settings. Read
 * line by line: headings, rows of tables, items of lists, code and text. */
#ifndef TARSIER_CLI_MANUAL_H
#define TARSIER_CLI_MANUAL_H

#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

enum manual_kind {
    MANUAL_END,
    MANUAL_BLANK,
    MANUAL_HEADING, /* text without the #s */
    MANUAL_HEAD,    /* row of a table above its rule */
    MANUAL_RULE,
    MANUAL_ROW,
    MANUAL_ITEM,      /* "- ..." */
    MANUAL_CONTINUED, /* of an item */
    MANUAL_FENCE,     /* around code */
    MANUAL_CODE,
    MANUAL_TEXT,
};

enum { MANUAL_CELLS_MAX = 6 };

struct manual_cell {
    const char *text;
    size_t length;
};

struct manual {
    const char *next; /* where the next line starts */
    bool in_code, in_table, in_item;
    /* the line that was read */
    enum manual_kind kind;
    struct manual_cell line; /* without marks at its start */
    struct manual_cell cells[MANUAL_CELLS_MAX];
    unsigned cell_count, level; /* level: number of #s */
};

void manual_start(struct manual *manual);
bool manual_next(struct manual *manual); /* false: the end */
/* Does the first cell (or the second, of probes) name it: `name`, `name(...)`, `name:...`? */
bool manual_row_names(const struct manual *manual, const char *name);
/* Text without marks: `code` and \\| lose theirs. */
void manual_plain(struct manual_cell text, struct strbuf *out);

/* What `tarsier help TOPIC` says: false when there is nothing. */
bool manual_help(const char *topic, struct strbuf *out);

#endif
