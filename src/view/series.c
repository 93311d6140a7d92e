/* tseries values: the graph with a line for each interval, and the JSON array.
 *
 * A value is a ring of slots {u64 epoch, value, u64 meta}; epoch: 1 + number of the interval since 1970, 0: never used.
 * All series of a map end with the latest interval that any of them has (`last`); each begins with the first one it has
 * itself. */
#include "view/view_int.h"

#include <string.h>
#include <time.h>

enum { GRAPH_WIDTH = 53, LABEL_WIDTH = 21, NANOSECONDS_DIGITS = 9 };
#define SECOND_NS 1000000000u

struct slot {
    uint64_t epoch;
    int64_t value; /* unsigned if the type is */
    uint64_t meta; /* last: when it was stored; avg: how many values; min, max: 1 */
};

static struct slot slot_at(const void *bytes, uint32_t index) {
    struct slot slot;

    memcpy(&slot, (const char *)bytes + index * sizeof slot, sizeof slot);
    return slot;
}

/* ---- adding up the CPUs ------------------------------------------------------------------------------------ */

static bool less(const struct type *type, int64_t a, int64_t b) {
    return type->is_signed ? a < b : (uint64_t)a < (uint64_t)b;
}

static void fold(const struct type *type, struct slot *into, const struct slot *from) {
    switch (type->fold) {
    case TYPE_FOLD_LAST:
        if (from->meta > into->meta)
            *into = *from;
        break;
    case TYPE_FOLD_MIN:
        if (less(type, from->value, into->value))
            into->value = from->value;
        break;
    case TYPE_FOLD_MAX:
        if (less(type, into->value, from->value))
            into->value = from->value;
        break;
    case TYPE_FOLD_SUM:
    case TYPE_FOLD_AVG:
        into->value = (int64_t)((uint64_t)into->value + (uint64_t)from->value);
        into->meta += from->meta;
        break;
    }
}

void view_reduce_series(const struct type *type, const char *per_cpu, uint32_t stride, uint32_t cpus, char *out) {
    for (uint32_t i = 0; i < type->count; i++) {
        struct slot latest = {0};
        for (uint32_t cpu = 0; cpu < cpus; cpu++) {
            struct slot slot = slot_at(per_cpu + (size_t)cpu * stride, i);
            if (slot.epoch > latest.epoch)
                latest = slot;
            else if (slot.epoch && slot.epoch == latest.epoch)
                fold(type, &latest, &slot);
        }
        memcpy(out + i * sizeof latest, &latest, sizeof latest);
    }
}

uint64_t view_series_last(const struct type *type, const void *bytes) {
    uint64_t last = 0;

    for (uint32_t i = 0; i < type->count; i++)
        if (slot_at(bytes, i).epoch > last)
            last = slot_at(bytes, i).epoch;
    return last;
}

/* ---- the lines --------------------------------------------------------------------------------------------- */

struct series {
    const struct type *type;
    const void *bytes;
    uint64_t first, last; /* epochs; first > last: no data */
};

/* False: nothing was stored in this interval. */
static bool value_of(const struct series *series, uint64_t epoch, int64_t *value) {
    const struct type *type = series->type;
    struct slot slot = slot_at(series->bytes, (uint32_t)((epoch - 1) % type->count));

    if (!epoch || slot.epoch != epoch)
        return false;
    *value = slot.value;
    if (type->fold == TYPE_FOLD_AVG && slot.meta)
        *value = type->is_signed ? slot.value / (int64_t)slot.meta : (int64_t)((uint64_t)slot.value / slot.meta);
    return true;
}

static struct series series_of(const struct type *type, const void *bytes, uint64_t last) {
    uint64_t oldest = last >= type->count ? last - type->count + 1 : 1;
    struct series series = {type, bytes, last + 1, last};

    for (uint32_t i = 0; i < type->count; i++) {
        uint64_t epoch = slot_at(bytes, i).epoch;
        if (epoch >= oldest && epoch < series.first)
            series.first = epoch;
    }
    return series;
}

/* Seconds and the rest of an interval's start. */
static time_t start_of(const struct series *series, uint64_t epoch, uint32_t *nanoseconds) {
    uint64_t start = (epoch - 1) * series->type->interval;

    *nanoseconds = (uint32_t)(start % SECOND_NS);
    return (time_t)(start / SECOND_NS);
}

static void add_fraction(uint32_t nanoseconds, unsigned digits, struct strbuf *out) {
    char text[NANOSECONDS_DIGITS];

    for (unsigned i = NANOSECONDS_DIGITS; i-- > 0; nanoseconds /= 10)
        text[i] = (char)('0' + nanoseconds % 10);
    if (digits)
        strbuf_addch(out, '.');
    strbuf_add(out, text, digits);
}

/* ---- JSON -------------------------------------------------------------------------------------------------- */

void view_series_json(const struct type *type, const void *bytes, uint64_t last, struct strbuf *out) {
    struct series series = series_of(type, bytes, last);
    bool any = false;

    strbuf_addch(out, '[');
    for (uint64_t epoch = series.first; epoch <= series.last; epoch++) {
        int64_t value;
        uint32_t nanoseconds;
        struct tm utc = {0};
        char text[64];
        time_t start = start_of(&series, epoch, &nanoseconds);
        if (!value_of(&series, epoch, &value))
            continue;
        if (any)
            strbuf_addch(out, ',');
        any = true;
        gmtime_r(&start, &utc);
        strbuf_addstr(out, "{\"interval_start\":\"");
        strbuf_add(out, text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &utc));
        add_fraction(nanoseconds, NANOSECONDS_DIGITS, out);
        strbuf_addstr(out, "\",\"value\":");
        view_json_number(value, type->is_signed, out);
        strbuf_addch(out, '}');
    }
    strbuf_addch(out, ']');
}

/* ---- text -------------------------------------------------------------------------------------------------- */

struct graph {
    struct series series;
    int64_t least, most; /* of the scale */
    unsigned digits;     /* of the fraction of a second: 0, 3, 6 or 9 */
};

/* `from` is not above `to`, signed or not. */
static float distance(int64_t from, int64_t to) { return (float)((uint64_t)to - (uint64_t)from); }

static void find_scale(struct graph *graph) {
    const struct type *type = graph->series.type;
    int64_t value;
    bool any = false;

    for (uint64_t epoch = graph->series.first; epoch <= graph->series.last; epoch++) {
        if (!value_of(&graph->series, epoch, &value))
            continue;
        if (!any || less(type, value, graph->least))
            graph->least = value;
        if (!any || less(type, graph->most, value))
            graph->most = value;
        any = true;
    }
    if (graph->least != graph->most)
        return;
    if (graph->least != (type->is_signed ? INT64_MIN : 0))
        graph->least = (int64_t)((uint64_t)graph->least - 1);
    if (graph->most != (type->is_signed ? INT64_MAX : -1))
        graph->most = (int64_t)((uint64_t)graph->most + 1);
}

/* By the distance of two lines; a single line shows all there is. */
static unsigned fraction_digits(const struct series *series) {
    uint64_t interval = series->last > series->first ? series->type->interval : 0;

    return interval >= SECOND_NS ? 0 : interval >= 1000000 ? 3 : interval >= 1000 ? 6 : 9;
}

static void add_spaces(struct strbuf *out, size_t count) {
    while (count--)
        strbuf_addch(out, ' ');
}

/* "-5                                   5" over and under the graph */
static void add_scale(const struct graph *graph, size_t indent, struct strbuf *out) {
    struct strbuf most = {0};

    add_spaces(out, indent);
    size_t start = out->length;
    view_add_number(out, graph->least, graph->series.type->is_signed);
    while (out->length - start < LABEL_WIDTH)
        strbuf_addch(out, ' ');
    view_add_number(&most, graph->most, graph->series.type->is_signed);
    add_spaces(out, most.length < GRAPH_WIDTH - LABEL_WIDTH ? GRAPH_WIDTH - LABEL_WIDTH - most.length : 0);
    strbuf_add(out, strbuf_text(&most), most.length);
    strbuf_addch(out, '\n');
    strbuf_free(&most);
}

static void add_line(const struct graph *graph, uint64_t epoch, struct strbuf *out) {
    const struct type *type = graph->series.type;
    float range = distance(graph->least, graph->most);
    char line[GRAPH_WIDTH], text[16];
    uint32_t nanoseconds;
    struct tm local = {0};
    int64_t value = 0;

    memset(line, ' ', sizeof line);
    line[0] = line[GRAPH_WIDTH - 1] = '|';
    if (type->is_signed && graph->least < 0 && graph->most > 0) {
        int zero = (int)((float)GRAPH_WIDTH * distance(graph->least, 0) / range);
        if (zero > 0 && zero < GRAPH_WIDTH)
            line[zero] = '.';
    }
    bool any = value_of(&graph->series, epoch, &value);
    if (any) {
        int at = (int)((float)(GRAPH_WIDTH - 1) * distance(graph->least, value) / range);
        line[at < 0 ? 0 : at > GRAPH_WIDTH - 1 ? GRAPH_WIDTH - 1 : at] = '*';
    }
    time_t start = start_of(&graph->series, epoch, &nanoseconds);
    localtime_r(&start, &local);
    strbuf_add(out, text, strftime(text, sizeof text, "%H:%M:%S", &local));
    add_fraction(nanoseconds, graph->digits, out);
    strbuf_addch(out, ' ');
    strbuf_add(out, line, sizeof line);
    strbuf_addch(out, ' ');
    if (any)
        view_add_number(out, value, type->is_signed);
    else
        strbuf_addch(out, '-');
    strbuf_addch(out, '\n');
}

static void add_border(char corner, struct strbuf *out) {
    strbuf_addch(out, corner);
    for (int i = 0; i < GRAPH_WIDTH - 2; i++)
        strbuf_addch(out, '_');
    strbuf_addch(out, corner);
    strbuf_addch(out, '\n');
}

void view_series(const struct type *type, const void *bytes, uint64_t last, struct strbuf *out) {
    static const char *const headings[] = {
        [0] = "hh:mm:ss", [3] = "hh:mm:ss.ms", [6] = "hh:mm:ss.us", [9] = "hh:mm:ss.ns"};
    struct graph graph = {.series = series_of(type, bytes, last)};

    if (graph.series.first > graph.series.last) {
        strbuf_addstr(out, "<no data>");
        return;
    }
    find_scale(&graph);
    graph.digits = fraction_digits(&graph.series);
    size_t indent = strlen("hh:mm:ss ") + (graph.digits ? graph.digits + 1 : 0);
    add_scale(&graph, indent, out);
    strbuf_addstr(out, headings[graph.digits]);
    add_spaces(out, indent - strlen(headings[graph.digits]));
    add_border('|', out);
    for (uint64_t epoch = graph.series.first; epoch <= graph.series.last; epoch++)
        add_line(&graph, epoch, out);
    add_spaces(out, indent);
    add_border('v', out);
    add_scale(&graph, indent, out);
}
