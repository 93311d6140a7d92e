#include "cli/manual.h"

#include <ctype.h>
#include <string.h>

extern const char cli_manual_text[];

enum { TEXT_WIDTH = 78, TEXT_INDENT = 4 };

void manual_start(struct manual *manual) { *manual = (struct manual){.next = cli_manual_text}; }

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static struct manual_cell trimmed(const char *begin, const char *end) {
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    return (struct manual_cell){begin, (size_t)(end - begin)};
}

/* A | inside of `code` or behind a backslash separates nothing. */
static const char *cell_end(const char *at, const char *end) {
    bool in_code = false;
    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '`')
            in_code = !in_code;
        else if (*at == '|' && !in_code)
            break;
    }
    return at;
}

static void split_cells(struct manual *manual, const char *begin, const char *end) {
    manual->cell_count = 0;
    for (const char *at = begin + 1; at < end && manual->cell_count < MANUAL_CELLS_MAX;) {
        const char *stop = cell_end(at, end);
        manual->cells[manual->cell_count++] = trimmed(at, stop);
        at = stop + 1;
    }
}

static enum manual_kind table_kind(struct manual *manual, const char *begin, const char *end) {
    split_cells(manual, begin, end);
    if (strncmp(begin, "|---", 4) == 0)
        return MANUAL_RULE;
    return manual->in_table ? MANUAL_ROW : MANUAL_HEAD;
}

static enum manual_kind kind_of(struct manual *manual, const char *begin, const char *end) {
    if (strncmp(begin, "```", 3) == 0)
        return MANUAL_FENCE;
    if (manual->in_code)
        return MANUAL_CODE;
    if (begin == end)
        return MANUAL_BLANK;
    if (*begin == '|')
        return table_kind(manual, begin, end);
    if (*begin == '#')
        return MANUAL_HEADING;
    if (strncmp(begin, "- ", 2) == 0)
        return MANUAL_ITEM;
    return manual->in_item && *begin == ' ' ? MANUAL_CONTINUED : MANUAL_TEXT;
}

bool manual_next(struct manual *manual) {
    const char *begin = manual->next, *end = begin + strcspn(begin, "\n");
    if (!*begin) {
        manual->kind = MANUAL_END;
        return false;
    }
    manual->next = *end ? end + 1 : end;
    manual->kind = kind_of(manual, begin, end);
    manual->level = manual->kind == MANUAL_HEADING ? (unsigned)strspn(begin, "#") : 0;
    if (manual->kind == MANUAL_FENCE)
        manual->in_code = !manual->in_code;
    manual->in_table = manual->kind == MANUAL_RULE || manual->kind == MANUAL_ROW;
    manual->in_item = manual->kind == MANUAL_ITEM || manual->kind == MANUAL_CONTINUED;
    size_t marks = manual->level ? manual->level : manual->kind == MANUAL_ITEM ? 2 : 0;
    manual->line =
        manual->kind == MANUAL_CODE ? (struct manual_cell){begin, (size_t)(end - begin)} : trimmed(begin + marks, end);
    return true;
}

/* ---- names in tables -----------------------------------------------------------------------------------------------
 */

static bool cell_names(struct manual_cell cell, const char *name) {
    size_t length = strlen(name);
    for (const char *at = cell.text; at + length < cell.text + cell.length; at++) {
        if (*at == '`' && strncmp(at + 1, name, length) == 0 && strchr("`(:", at[1 + length]))
            return true;
    }
    return false;
}

bool manual_row_names(const struct manual *manual, const char *name) {
    if (manual->kind != MANUAL_ROW || manual->cell_count == 0)
        return false;
    return cell_names(manual->cells[0], name) || (manual->cell_count > 2 && strlen(name) <= 8 &&
                                                  manual->cells[1].length < 24 && cell_names(manual->cells[1], name));
}

void manual_plain(struct manual_cell text, struct strbuf *out) {
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        if (c == '\\' && i + 1 < text.length && text.text[i + 1] == '|')
            continue;
        if (c != '`')
            strbuf_addch(out, c);
    }
}

/* ---- help ----------------------------------------------------------------------------------------------------------
 */

/* Words, filled up to TEXT_WIDTH columns. */
static void add_filled(const char *text, struct strbuf *out) {
    size_t column = 0;
    while (*text) {
        size_t space = strspn(text, " "), length = strcspn(text + space, " ");
        text += space;
        if (length == 0)
            break;
        if (column && column + 1 + length > TEXT_WIDTH) {
            strbuf_addch(out, '\n');
            column = 0;
        }
        strbuf_fill(out, ' ', column ? 1 : TEXT_INDENT);
        column += (column ? 1 : TEXT_INDENT) + length;
        strbuf_add(out, text, length);
        text += length;
    }
    strbuf_addch(out, '\n');
}

static void add_row(const struct manual *manual, struct strbuf *out) {
    struct strbuf text = {0};
    strbuf_addch(out, '\n');
    manual_plain(manual->cells[0], out);
    for (unsigned i = 1; i + 1 < manual->cell_count; i++) {
        if (manual->cells[i].length) {
            strbuf_addstr(out, "    ");
            manual_plain(manual->cells[i], out);
        }
    }
    strbuf_addch(out, '\n');
    if (manual->cell_count > 1)
        manual_plain(manual->cells[manual->cell_count - 1], &text);
    add_filled(strbuf_text(&text), out);
    strbuf_free(&text);
}

static void add_line(struct manual *manual, struct strbuf *paragraph, struct strbuf *out) {
    bool goes_on = manual->kind == MANUAL_TEXT || manual->kind == MANUAL_CONTINUED || manual->kind == MANUAL_ITEM;
    if (paragraph->length && (manual->kind == MANUAL_ITEM || !goes_on)) {
        strbuf_addch(out, '\n');
        add_filled(strbuf_text(paragraph), out);
        strbuf_reset(paragraph);
    }
    if (goes_on) {
        strbuf_addstr(paragraph, manual->kind == MANUAL_ITEM ? "- " : " ");
        manual_plain(manual->line, paragraph);
    } else if (manual->kind == MANUAL_ROW) {
        add_row(manual, out);
    } else if (manual->kind == MANUAL_CODE) {
        strbuf_fill(out, ' ', 2 * TEXT_INDENT);
        strbuf_add(out, manual->line.text, manual->line.length);
        strbuf_addch(out, '\n');
    } else if (manual->kind == MANUAL_FENCE && manual->in_code) {
        strbuf_addch(out, '\n');
    }
}

static bool contains_word(struct manual_cell heading, const char *topic) {
    size_t length = strlen(topic);
    for (size_t i = 0; length && i + length <= heading.length; i++) {
        bool starts = i == 0 || !isalnum((unsigned char)heading.text[i - 1]);
        bool ends = i + length == heading.length || !isalnum((unsigned char)heading.text[i + length]);
        if (starts && ends && strncasecmp(heading.text + i, topic, length) == 0)
            return true;
    }
    return false;
}

static bool add_section(const char *topic, struct strbuf *out) {
    struct manual manual;
    struct strbuf paragraph = {0};
    bool found = false;
    manual_start(&manual);
    while (manual_next(&manual)) {
        if (manual.kind == MANUAL_HEADING && found)
            break;
        if (manual.kind == MANUAL_HEADING && manual.level > 1 && contains_word(manual.line, topic)) {
            found = true;
            manual_plain(manual.line, out);
            strbuf_addch(out, '\n');
        } else if (found) {
            add_line(&manual, &paragraph, out);
        }
    }
    manual.kind = MANUAL_BLANK;
    add_line(&manual, &paragraph, out);
    strbuf_free(&paragraph);
    return found;
}

static bool add_rows(const char *topic, struct strbuf *out) {
    struct manual manual;
    bool found = false;
    manual_start(&manual);
    while (manual_next(&manual)) {
        if (!manual_row_names(&manual, topic))
            continue;
        add_row(&manual, out);
        found = true;
    }
    return found;
}

bool manual_help(const char *topic, struct strbuf *out) { return add_rows(topic, out) || add_section(topic, out); }
