/* Pieces -> text. Lines are collected first, because comments behind code are aligned over several of them. */
#include "lang/format_int.h"

#include <string.h>

struct line {
    const char *code, *comment; /* comment: the one behind the code, NULL */
    bool blank_before;
};

struct level {
    uint32_t open;        /* the bracket's piece */
    uint32_t line_indent; /* of the line it stands on */
    uint32_t statement_indent;
};

struct printer {
    struct arena *arena;
    struct format_pieces *pieces;
    VEC(struct line) lines;
    VEC(struct level) levels;
    struct strbuf current; /* the line being made */
    const char *comment;
    bool blank_before;
    bool is_open; /* `current` is a line, if maybe an empty one */
    uint32_t line_indent, statement_indent;
};

static const struct format_piece *at(const struct printer *p, uint32_t index) { return &p->pieces->items.data[index]; }

/* ---- blanks ---------------------------------------------------------------------------------------------------- */

static bool would_join(const struct printer *p, uint32_t i) {
    return p->pieces->text[at(p, i - 1)->end - 1] == p->pieces->text[at(p, i)->begin];
}

static bool before_parenthesis(const struct printer *p, uint32_t i) {
    const struct format_piece *before = at(p, i - 1);
    if (before->kind == TOKEN_IDENTIFIER)
        return format_is_keyword(p->pieces, i - 1);
    return before->kind != TOKEN_CLOSE_PAREN && before->kind != TOKEN_CLOSE_BRACKET;
}

static bool is_tight(enum token_kind kind) { return kind == TOKEN_DOT || kind == TOKEN_ARROW || kind == TOKEN_RANGE; }

/* Is there a blank between piece i and the one before, when both are on one line? */
static bool has_blank(const struct printer *p, uint32_t i) {
    const struct format_piece *before = at(p, i - 1), *it = at(p, i);
    if (before->role == FORMAT_PREDICATE_OPEN)
        return it->kind == TOKEN_STAR || it->kind == TOKEN_SLASH;
    if (it->role == FORMAT_PREDICATE_CLOSE)
        return false;
    if (before->kind == TOKEN_INTEGER && it->kind == TOKEN_DOT)
        return it->begin > before->end;
    if (is_tight(before->kind) || is_tight(it->kind))
        return false;
    if (before->role == FORMAT_UNARY || before->role == FORMAT_PREFIX)
        return would_join(p, i);
    if (before->role == FORMAT_CAST_CLOSE || it->role == FORMAT_POSTFIX || before->role == FORMAT_FIELD_ASSIGN ||
        it->role == FORMAT_FIELD_ASSIGN)
        return false;
    if (before->kind == TOKEN_OPEN_PAREN || before->kind == TOKEN_OPEN_BRACKET)
        return false;
    switch (it->kind) {
    case TOKEN_SEMICOLON:
    case TOKEN_COMMA:
    case TOKEN_CLOSE_PAREN:
    case TOKEN_CLOSE_BRACKET:
        return false;
    case TOKEN_OPEN_PAREN:
        return before_parenthesis(p, i);
    case TOKEN_OPEN_BRACKET:
        return !format_is_operand(p->pieces, i - 1) && before->role != FORMAT_TYPE_STAR;
    case TOKEN_STAR:
        return it->role != FORMAT_TYPE_STAR ||
               (before->role != FORMAT_TYPE_STAR && before->kind != TOKEN_CLOSE_BRACKET);
    case TOKEN_COLON:
        return it->role != FORMAT_TYPE_COLON && before->kind != TOKEN_QUESTION;
    default:
        return true;
    }
}

/* ---- what fits on one line ------------------------------------------------------------------------------------- */

static uint32_t columns(const char *text, size_t size) {
    uint32_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static bool one_line(const struct printer *p, uint32_t first, uint32_t last) {
    for (uint32_t i = first + 1; i <= last; i++) {
        if (at(p, i)->lines_before || at(p, i)->has_comment)
            return false;
    }
    return true;
}

static uint32_t width(const struct printer *p, uint32_t first, uint32_t last) {
    uint32_t sum = 0;
    for (uint32_t i = first; i <= last; i++) {
        sum += columns(p->pieces->text + at(p, i)->begin, at(p, i)->end - at(p, i)->begin);
        sum += i > first && (has_blank(p, i) || at(p, i)->starts_statement);
    }
    return sum;
}

static uint32_t next_item(const struct printer *p, uint32_t i) {
    do
        i++;
    while (i < p->pieces->items.count && !at(p, i)->starts_item);
    return i;
}

static bool is_short_item(const struct printer *p, uint32_t first) {
    if (at(p, first)->kind == TOKEN_END)
        return true;
    uint32_t last = next_item(p, first) - 1;
    return one_line(p, first, last) && width(p, first, last) <= LANG_FORMAT_WIDTH;
}

/* The head of a probe, up to its `{`, takes more than one line. */
static bool has_long_head(const struct printer *p, uint32_t brace) {
    uint32_t first = brace;
    while (first > 0 && !at(p, first)->starts_item)
        first--;
    for (uint32_t i = first + 1; i < brace; i++) {
        if (at(p, i)->lines_before || at(p, i)->has_line_comment)
            return true;
    }
    return at(p, brace)->has_line_comment || (brace > first && width(p, first, brace) > LANG_FORMAT_WIDTH);
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

static void end_line(struct printer *p) {
    if (!p->is_open)
        return;
    size_t length = p->current.length;
    while (length && p->current.data[length - 1] == ' ')
        length--;
    struct line line = {arena_strndup(p->arena, strbuf_text(&p->current), length), p->comment, p->blank_before};
    vec_push(p->arena, &p->lines, line);
    strbuf_reset(&p->current);
    p->comment = NULL;
    p->is_open = false;
}

static void start_line(struct printer *p, uint32_t indent, bool blank_before) {
    end_line(p);
    p->is_open = true;
    p->blank_before = blank_before && (p->lines.count || p->pieces->preamble_end);
    p->line_indent = indent;
    strbuf_fill(&p->current, ' ', indent);
}

static uint32_t block_indent(const struct printer *p) {
    for (uint32_t i = p->levels.count; i-- > 0;) {
        if (at(p, p->levels.data[i].open)->kind == TOKEN_OPEN_BRACE)
            return p->levels.data[i].line_indent + LANG_FORMAT_INDENT;
    }
    return 0;
}

/* Where a statement goes on: behind an open parenthesis one step from the line that opens it, else from its own start.
 */
static uint32_t continued_indent(const struct printer *p, const struct format_piece *it) {
    const struct level *top = p->levels.count ? &p->levels.data[p->levels.count - 1] : NULL;
    bool closes = it->kind == TOKEN_CLOSE_PAREN || it->kind == TOKEN_CLOSE_BRACKET;
    if (top && at(p, top->open)->kind != TOKEN_OPEN_BRACE)
        return top->line_indent + (closes ? 0 : LANG_FORMAT_INDENT);
    return p->statement_indent + LANG_FORMAT_INDENT;
}

/* ---- comments -------------------------------------------------------------------------------------------------- */

struct gap {
    const char *text;
    uint32_t position, end;
    uint32_t lines; /* new lines passed since the last comment or piece */
    uint32_t comment_begin, comment_end;
    bool is_block;
};

/* Moves to the next comment; false: there is none, `lines` counts to the end of the gap. */
static bool next_comment(struct gap *gap) {
    gap->lines = 0;
    while (gap->position < gap->end && gap->text[gap->position] != '/')
        gap->lines += gap->text[gap->position++] == '\n';
    if (gap->position >= gap->end)
        return false;
    gap->comment_begin = gap->position;
    gap->is_block = gap->text[gap->position + 1] == '*';
    gap->position += 2;
    if (gap->is_block) {
        while (gap->position < gap->end && strncmp(gap->text + gap->position, "*/", 2) != 0)
            gap->position++;
        gap->position += 2;
    } else {
        while (gap->position < gap->end && gap->text[gap->position] != '\n')
            gap->position++;
    }
    gap->comment_end = gap->position;
    return true;
}

static uint32_t trimmed(const char *text, uint32_t begin, uint32_t end) {
    while (end > begin && strchr(" \t\r", text[end - 1]))
        end--;
    return end;
}

/* Further lines of a block comment: those that start with a star are put under the first one. */
static void write_comment(struct printer *p, const struct gap *gap) {
    for (uint32_t begin = gap->comment_begin; begin < gap->comment_end;) {
        uint32_t end = begin;
        while (end < gap->comment_end && gap->text[end] != '\n')
            end++;
        uint32_t from = begin, to = trimmed(gap->text, begin, end);
        if (begin != gap->comment_begin) {
            while (from < to && strchr(" \t", gap->text[from]))
                from++;
            bool star = from < to && gap->text[from] == '*';
            uint32_t indent = p->line_indent;
            start_line(p, star ? indent + 1 : 0, false);
            p->line_indent = indent;
            from = star ? from : begin;
        }
        strbuf_add(&p->current, gap->text + from, to - from);
        begin = end + 1;
    }
}

/* What stands between two pieces, and how the second one is to follow. */
struct follow {
    bool on_new_line, blank_before, with_blank;
    uint32_t indent, comment_indent;
    bool separate; /* a blank line before the first comment on a line of its own, or before the piece */
};

static void print_comment(struct printer *p, struct gap *gap, struct follow *follow) {
    bool own_line = gap->lines > 0 || !p->is_open;
    if (own_line) {
        bool blank = (gap->lines > 1 && follow->blank_before) || follow->separate;
        follow->separate = false;
        start_line(p, follow->comment_indent, blank);
        write_comment(p, gap);
    } else if (gap->is_block) {
        strbuf_addch(&p->current, ' ');
        write_comment(p, gap);
    } else {
        uint32_t end = trimmed(gap->text, gap->comment_begin, gap->comment_end);
        p->comment = arena_strndup(p->arena, gap->text + gap->comment_begin, end - gap->comment_begin);
    }
}

static void print_gap(struct printer *p, uint32_t i, struct follow follow) {
    struct gap gap = {.text = p->pieces->text, .position = i ? at(p, i - 1)->end : p->pieces->preamble_end};
    gap.end = at(p, i)->begin;
    bool any = false, was_line_comment = false, was_behind = false;
    while (next_comment(&gap)) {
        was_behind = gap.lines == 0 && p->is_open;
        print_comment(p, &gap, &follow);
        any = true;
        was_line_comment = !gap.is_block;
    }
    if (was_line_comment ||
        (follow.on_new_line && (!any || gap.lines > 0 || was_behind || at(p, i)->kind == TOKEN_END)))
        start_line(p, follow.indent, (gap.lines > 1 && follow.blank_before) || follow.separate);
    else if (any || follow.with_blank)
        strbuf_addch(&p->current, ' ');
}

/* ---- pieces ---------------------------------------------------------------------------------------------------- */

static bool in_inline_block(const struct printer *p) {
    for (uint32_t i = p->levels.count; i-- > 0;) {
        if (at(p, p->levels.data[i].open)->kind == TOKEN_OPEN_BRACE)
            return at(p, p->levels.data[i].open)->is_inline;
    }
    return false;
}

static struct follow on_line(uint32_t indent, bool keeps_blank) {
    return (struct follow){
        .on_new_line = true, .blank_before = keeps_blank, .indent = indent, .comment_indent = indent};
}

static struct follow follow_item(struct printer *p, uint32_t i) {
    struct follow follow = on_line(0, true);
    uint32_t before = i;
    while (before > 0 && !at(p, --before)->starts_item)
        ;
    follow.separate = i > 0 && at(p, i)->kind != TOKEN_END && (!is_short_item(p, before) || !is_short_item(p, i));
    return follow;
}

static struct follow follow_brace(struct printer *p, uint32_t i) {
    if (p->levels.count == 0 && has_long_head(p, i))
        return on_line(0, false);
    return (struct follow){
        .with_blank = has_blank(p, i), .indent = p->statement_indent, .comment_indent = p->statement_indent};
}

static struct follow follow_piece(struct printer *p, uint32_t i) {
    const struct format_piece *it = at(p, i), *before = i ? at(p, i - 1) : NULL;
    if (it->starts_item || !before)
        return follow_item(p, i);
    bool is_block_end = it->kind == TOKEN_CLOSE_BRACE && it->match;
    if ((is_block_end || it->starts_statement) && in_inline_block(p))
        return (struct follow){.with_blank = true};
    if (is_block_end) {
        struct follow follow = on_line(p->levels.count ? p->levels.data[p->levels.count - 1].line_indent : 0, false);
        follow.comment_indent = block_indent(p);
        follow.blank_before = true;
        return follow;
    }
    if (it->starts_statement)
        return on_line(block_indent(p), before->kind != TOKEN_OPEN_BRACE);
    if (it->kind == TOKEN_OPEN_BRACE)
        return follow_brace(p, i);
    uint32_t indent = continued_indent(p, it);
    if (it->role == FORMAT_ATTACH || it->role == FORMAT_PREDICATE_OPEN)
        indent = 0;
    bool stays = it->kind == TOKEN_SEMICOLON || it->kind == TOKEN_COMMA || format_is_word(p->pieces, i, "else") ||
                 it->role == FORMAT_PREDICATE_CLOSE;
    return (struct follow){
        .on_new_line = it->lines_before && !stays,
        .with_blank = has_blank(p, i),
        .indent = indent,
        .comment_indent = indent,
    };
}

static void open_bracket(struct printer *p, uint32_t i) {
    struct format_piece *it = &p->pieces->items.data[i];
    bool in_group = p->levels.count && at(p, p->levels.data[p->levels.count - 1].open)->kind != TOKEN_OPEN_BRACE;
    /* the body of a statement whose head took several lines starts from the statement */
    bool is_body = it->kind == TOKEN_OPEN_BRACE && !in_group;
    struct level level = {i, is_body ? p->statement_indent : p->line_indent, p->statement_indent};
    vec_push(p->arena, &p->levels, level);
    if (it->kind != TOKEN_OPEN_BRACE || !it->match)
        return;
    uint32_t here = columns(strbuf_text(&p->current), p->current.length);
    it->is_inline = (it->match == i + 1 && !at(p, i + 1)->has_comment) ||
                    (one_line(p, i, it->match) && here + width(p, i + 1, it->match) < LANG_FORMAT_WIDTH);
}

static void print_piece(struct printer *p, uint32_t i) {
    const struct format_piece *it = at(p, i);
    struct follow follow = follow_piece(p, i);
    if (it->starts_item)
        p->statement_indent = 0;
    print_gap(p, i, follow);
    if (it->starts_statement && !in_inline_block(p))
        p->statement_indent = p->line_indent;
    strbuf_add(&p->current, p->pieces->text + it->begin, it->end - it->begin);
    bool is_close = it->kind == TOKEN_CLOSE_BRACE || it->kind == TOKEN_CLOSE_PAREN || it->kind == TOKEN_CLOSE_BRACKET;
    if (is_close && it->match && p->levels.count) {
        p->statement_indent = p->levels.data[--p->levels.count].statement_indent;
    } else if (it->match > i) {
        open_bracket(p, i);
    }
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static void add_preamble(const struct format_pieces *pieces, struct strbuf *out) {
    uint32_t empty = 0;
    for (uint32_t begin = 0; begin < pieces->preamble_end;) {
        uint32_t end = begin;
        while (end < pieces->preamble_end && pieces->text[end] != '\n')
            end++;
        uint32_t last = trimmed(pieces->text, begin, end);
        empty = last == begin ? empty + 1 : 0;
        if (last > begin || (empty == 1 && out->length)) {
            strbuf_add(out, pieces->text + begin, last - begin);
            strbuf_addch(out, '\n');
        }
        begin = end + 1;
    }
}

/* Lines in a row that have comments behind their code: the comments start in one column. */
static uint32_t comment_column(const struct printer *p, uint32_t first, uint32_t *after) {
    uint32_t column = 0, i = first;
    for (; i < p->lines.count && p->lines.data[i].comment && (i == first || !p->lines.data[i].blank_before); i++) {
        uint32_t code = columns(p->lines.data[i].code, strlen(p->lines.data[i].code));
        if (code > column)
            column = code;
    }
    *after = i;
    return column + 2;
}

static void add_lines(const struct printer *p, struct strbuf *out) {
    uint32_t run_end = 0, column = 0;
    for (uint32_t i = 0; i < p->lines.count; i++) {
        const struct line *line = &p->lines.data[i];
        if (line->blank_before)
            strbuf_addch(out, '\n');
        strbuf_addstr(out, line->code);
        if (line->comment) {
            if (i >= run_end)
                column = comment_column(p, i, &run_end);
            strbuf_fill(out, ' ', column - columns(line->code, strlen(line->code)));
            strbuf_addstr(out, line->comment);
        }
        strbuf_addch(out, '\n');
    }
}

void lang_format(struct arena *arena, const struct source *source, struct strbuf *out) {
    struct format_pieces pieces;
    struct printer p = {.arena = arena, .pieces = &pieces};
    format_scan(arena, source, &pieces);
    add_preamble(&pieces, out);
    for (uint32_t i = 0; i < pieces.items.count; i++)
        print_piece(&p, i);
    if (p.current.length == 0 && !p.comment) /* the end is a line only for comments before it */
        p.is_open = false;
    end_line(&p);
    add_lines(&p, out);
    strbuf_free(&p.current);
}

/* ---- proof ----------------------------------------------------------------------------------------------------- */

static bool same_text(const char *a, uint32_t a_begin, uint32_t a_end, const char *b, uint32_t b_begin,
                      uint32_t b_end) {
    return a_end - a_begin == b_end - b_begin && memcmp(a + a_begin, b + b_begin, a_end - a_begin) == 0;
}

/* Comments alike but for blanks: white space inside them may have been moved. */
static bool same_gap(const char *a, uint32_t a_begin, uint32_t a_end, const char *b, uint32_t b_begin, uint32_t b_end) {
    for (;;) {
        while (a_begin < a_end && strchr(" \t\r\n\f\v\\", a[a_begin]))
            a_begin++;
        while (b_begin < b_end && strchr(" \t\r\n\f\v\\", b[b_begin]))
            b_begin++;
        if (a_begin == a_end || b_begin == b_end)
            return a_begin == a_end && b_begin == b_end;
        if (a[a_begin++] != b[b_begin++])
            return false;
    }
}

bool lang_format_is_same(struct arena *arena, const struct source *a, const struct source *b) {
    struct format_pieces x, y;
    format_scan(arena, a, &x);
    format_scan(arena, b, &y);
    bool same = x.items.count == y.items.count && same_gap(x.text, 0, x.preamble_end, y.text, 0, y.preamble_end);
    uint32_t x_end = x.preamble_end, y_end = y.preamble_end;
    for (uint32_t i = 0; same && i < x.items.count; i++) {
        const struct format_piece *p = &x.items.data[i], *q = &y.items.data[i];
        same = p->kind == q->kind && same_text(x.text, p->begin, p->end, y.text, q->begin, q->end) &&
               same_gap(x.text, x_end, p->begin, y.text, y_end, q->begin);
        x_end = p->end;
        y_end = q->end;
    }
    return same;
}
