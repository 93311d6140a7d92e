#include "base/diag.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TAB_WIDTH = 4 };

void diag_init(struct diag_list *list, struct arena *arena, const struct source *source) {
    *list = (struct diag_list){.arena = arena, .source = source};
}

static bool same_finding(const struct diag *a, const struct diag *b) {
    bool placeless = a->loc.begin == 0 && a->loc.end == 0;

    return a->level == b->level && a->loc.begin == b->loc.begin && a->loc.end == b->loc.end &&
           strcmp(a->tag, b->tag) == 0 && (!placeless || strcmp(a->message, b->message) == 0);
}

static void add(struct diag_list *list, struct diag diag) {
    for (uint32_t i = 0; i < list->items.count; i++) {
        if (same_finding(&list->items.data[i], &diag)) {
            list->latest = i;
            return;
        }
    }
    list->latest = list->items.count;
    list->error_count += diag.level == DIAG_ERROR;
    vec_push(list->arena, &list->items, diag);
}

void diag_error(struct diag_list *list, const char *tag, struct loc loc, const char *format, ...) {
    va_list args;

    va_start(args, format);
    const char *message = arena_vprintf(list->arena, format, args);
    va_end(args);
    add(list, (struct diag){.level = DIAG_ERROR, .tag = tag, .loc = loc, .message = message});
}

void diag_warning(struct diag_list *list, const char *tag, struct loc loc, const char *format, ...) {
    va_list args;

    va_start(args, format);
    const char *message = arena_vprintf(list->arena, format, args);
    va_end(args);
    add(list, (struct diag){.level = DIAG_WARNING, .tag = tag, .loc = loc, .message = message});
}

void diag_note(struct diag_list *list, struct loc loc, const char *format, ...) {
    struct diag *diag = &list->items.data[list->latest];
    va_list args;

    assert(list->latest < list->items.count);
    va_start(args, format);
    struct diag_note note = {loc, arena_vprintf(list->arena, format, args)};
    va_end(args);
    for (uint32_t i = 0; i < diag->notes.count; i++)
        if (diag->notes.data[i].loc.begin == loc.begin && strcmp(diag->notes.data[i].text, note.text) == 0)
            return;
    vec_push(list->arena, &diag->notes, note);
}

void diag_hint(struct diag_list *list, const char *format, ...) {
    va_list args;

    assert(list->latest < list->items.count);
    va_start(args, format);
    list->items.data[list->latest].hint = arena_vprintf(list->arena, format, args);
    va_end(args);
}

void diag_drop_warnings(struct diag_list *list) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < list->items.count; i++) {
        if (list->items.data[i].level != DIAG_WARNING)
            list->items.data[kept++] = list->items.data[i];
    }
    list->items.count = kept;
}

/* The source line of `loc` and a ~~~~ under it; tabs become spaces so that the two stay aligned. */
static void format_underlined(const struct source *source, struct loc loc, struct strbuf *out) {
    struct strbuf marks = {0};

    loc = source_original(source, loc);
    uint32_t length, first = source_line(source, loc.begin, &length), last = first + length;
    uint32_t end = loc.end > loc.begin ? loc.end : loc.begin + 1;
    for (uint32_t i = first; i < last || i < end; i++) {
        char c = i < last ? source->text[i] : ' ';
        size_t width = c == '\t' ? TAB_WIDTH : 1;
        if (i < last)
            strbuf_fill(out, c == '\t' ? ' ' : c, width);
        if (i < end && (i < last || i == loc.begin))
            strbuf_fill(&marks, i < loc.begin ? ' ' : '~', width);
        else if (i >= last)
            break;
    }
    strbuf_addf(out, "\n%s\n", strbuf_text(&marks));
    strbuf_free(&marks);
}

static void format_place(const struct source *source, struct loc loc, struct strbuf *out) {
    uint32_t line, column, end_line, end_column;
    const char *name = source_name(source, loc.begin);

    loc = source_original(source, loc);
    source_position(source, loc.begin, &line, &column);
    source_position(source, loc.end, &end_line, &end_column);
    if (end_line == line)
        strbuf_addf(out, "%s:%u:%u-%u: ", name, line, column, end_column);
    else
        strbuf_addf(out, "%s:%u-%u: ", name, line, end_line);
}

/* The text of macros that come with the program (their "files" are called <name>) says nothing to the user: the place
 * is where they are used. */
static struct loc user_place(const struct source *source, struct loc loc) {
    while (source_name(source, loc.begin)[0] == '<' && source_use(source, loc).end)
        loc = source_use(source, loc);
    return loc;
}

/* The uses of macros through which the text came there, from the inside to the outside. */
static void format_uses(const struct source *source, struct loc loc, const char *word, struct strbuf *out) {
    for (loc = source_use(source, loc); loc.end; loc = source_use(source, loc)) {
        if (source_name(source, loc.begin)[0] == '<')
            continue;
        format_place(source, loc, out);
        strbuf_addf(out, "%sexpanded from\n", word);
        format_underlined(source, loc, out);
    }
}

void diag_format(const struct diag_list *list, const struct diag *diag, bool color, struct strbuf *out) {
    static const struct {
        const char *word, *color;
    } levels[] = {[DIAG_ERROR] = {"ERROR: ", "\033[31m"}, [DIAG_WARNING] = {"WARNING: ", "\033[33m"}};
    const char *reset = color ? "\033[0m" : "";
    const struct source *source = list->source;
    bool has_place = source && (diag->loc.begin || diag->loc.end);
    struct loc loc = has_place ? user_place(source, diag->loc) : diag->loc;

    strbuf_addstr(out, color ? levels[diag->level].color : "");
    if (has_place)
        format_place(source, loc, out);
    strbuf_addf(out, "%s%s%s\n", levels[diag->level].word, diag->message, reset);
    if (has_place) {
        format_underlined(source, loc, out);
        format_uses(source, loc, levels[diag->level].word, out);
    }
    for (uint32_t i = 0; i < diag->notes.count && source; i++) {
        format_place(source, diag->notes.data[i].loc, out);
        strbuf_addf(out, "NOTE: %s\n", diag->notes.data[i].text);
        format_underlined(source, diag->notes.data[i].loc, out);
    }
    if (diag->hint)
        strbuf_addf(out, "HINT: %s\n", diag->hint);
}

void diag_print_all(const struct diag_list *list, bool color, FILE *out) {
    struct strbuf text = {0};

    for (uint32_t i = 0; i < list->items.count; i++)
        diag_format(list, &list->items.data[i], color, &text);
    fputs(strbuf_text(&text), out);
    strbuf_free(&text);
}

unsigned diag_near(const char *wanted) {
    size_t length = strlen(wanted);

    return length < 3 ? length > 1 : (unsigned)length / 3;
}

const char *diag_nearest(const char *wanted, const char *const *names, uint32_t count) {
    unsigned best = diag_near(wanted);
    const char *nearest = NULL;

    for (uint32_t i = 0; i < count; i++) {
        unsigned distance = str_distance(wanted, names[i], best);
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

_Noreturn void diag_bug(const char *file, int line, const char *format, ...) {
    va_list args;

    const char *place = file; /* from the last src/ on: the rest is where the compiler was run */

    for (const char *at = file; (at = strstr(at, "src/")); at++)
        place = at;
    fprintf(stderr, "BUG: %s:%d: ", place, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\nThis is a bug in tarsier. Please report it with this line, the program that was run and the output of "
          "`tarsier info`.\n",
          stderr);
    abort();
}
