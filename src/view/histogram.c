/* hist and lhist values: bucket labels and bars, and the JSON array of buckets. */
#include "view/view_int.h"

enum { LABEL_WIDTH = 16, COUNT_WIDTH = 8, BAR_WIDTH = 52 };

/* One bucket: values from `first` to below `end`. */
struct bucket {
    int64_t first, end;
    bool open_below, open_above;
};

/* A hist bucket holds numbers below 2^63: `end` of the last one is 2^63, kept as its 64 bits. */
static struct bucket hist_bucket(const struct type *type, uint32_t index) {
    int64_t first, last;

    type_hist_bounds(index, type->count, &first, &last);
    struct bucket bucket = {.first = first, .end = (int64_t)((uint64_t)last + 1)};
    bucket.open_below = index == 0;
    bucket.open_above = index > 0 && bucket.end == 0; /* above 2^63: no event gets there, hostile bytes may */
    return bucket;
}

static struct bucket lhist_bucket(const struct type *type, uint32_t index) {
    uint64_t end = (uint64_t)type->lhist_min + (uint64_t)type->lhist_step * index;
    uint32_t last = type->size / 8 - 1;

    return (struct bucket){
        .first = (int64_t)(end - (uint64_t)type->lhist_step),
        .end = (int64_t)end,
        .open_below = index == 0,
        .open_above = index == last,
    };
}

static struct bucket bucket_at(const struct type *type, uint32_t index) {
    return type->kind == TYPE_HIST ? hist_bucket(type, index) : lhist_bucket(type, index);
}

/* Powers of 1024 by letter, once the buckets here are at least that wide: 2K, but 1025 stays 1025. */
static void add_hist_label(uint64_t number, uint32_t bits, struct strbuf *out) {
    static const char suffixes[] = "\0KMGTPE";
    unsigned decade = 0;

    if (number >= 2ull << bits)
        decade = (63u - (unsigned)__builtin_clzll(number) - bits) / 10;
    view_add_unsigned(out, number >> (10 * decade));
    if (decade)
        strbuf_addch(out, suffixes[decade]);
}

static void add_lhist_label(const struct type *type, int64_t number, struct strbuf *out) {
    enum { KILO = 1024, MEGA = 1024 * 1024 };
    bool short_form = type->lhist_step % KILO == 0 && number;

    if (short_form && number % MEGA == 0) {
        view_add_signed(out, number / MEGA);
        strbuf_addch(out, 'M');
    } else if (short_form && number % KILO == 0) {
        view_add_signed(out, number / KILO);
        strbuf_addch(out, 'K');
    } else {
        view_add_signed(out, number);
    }
}

static void add_label(const struct type *type, int64_t number, struct strbuf *out) {
    if (type->kind == TYPE_HIST)
        add_hist_label((uint64_t)number, type->count, out);
    else
        add_lhist_label(type, number, out);
}

/* A bucket of one value is written [3]. */
static bool is_single(const struct bucket *bucket) {
    return !bucket->open_below && !bucket->open_above && (uint64_t)bucket->end - (uint64_t)bucket->first == 1;
}

static void add_range(const struct type *type, const struct bucket *bucket, struct strbuf *out) {
    strbuf_addstr(out, bucket->open_below ? "(..." : "[");
    if (!bucket->open_below)
        add_label(type, bucket->first, out);
    if (is_single(bucket)) {
        strbuf_addch(out, ']');
        return;
    }
    strbuf_addstr(out, ", ");
    if (bucket->open_above)
        strbuf_addstr(out, "...");
    else
        add_label(type, bucket->end, out);
    strbuf_addch(out, ')');
}

static void add_line(const struct type *type, uint32_t index, uint64_t count, uint64_t most, struct strbuf *out) {
    struct bucket bucket = bucket_at(type, index);
    char text[VIEW_NUMBER_BYTES], *end = text + sizeof text, *start = view_unsigned_digits(end, count);
    size_t line = out->length, digits = (size_t)(end - start);
    int bar = most ? (int)((float)count / (float)most * (float)BAR_WIDTH) : 0;

    add_range(type, &bucket, out);
    if (out->length - line < LABEL_WIDTH)
        strbuf_fill(out, ' ', LABEL_WIDTH - (out->length - line));
    if (digits < COUNT_WIDTH)
        strbuf_fill(out, ' ', COUNT_WIDTH - digits);
    strbuf_add(out, start, digits);
    strbuf_addstr(out, " |");
    strbuf_fill(out, '@', (size_t)bar);
    strbuf_fill(out, ' ', (size_t)(BAR_WIDTH - bar));
    strbuf_addstr(out, "|\n");
}

/* The used buckets: false when there are none. */
static bool used_range(const struct type *type, const void *bytes, uint32_t *first, uint32_t *last) {
    bool any = false;

    for (uint32_t i = 0; i < type->size / 8; i++) {
        if (!view_u64(bytes, i))
            continue;
        if (!any)
            *first = i;
        *last = i;
        any = true;
    }
    return any;
}

/* The divisor of print() counts for hist alone. */
static uint64_t shown_count(const struct type *type, const void *bytes, uint32_t index, uint32_t div) {
    uint64_t count = view_u64(bytes, index);

    return type->kind == TYPE_HIST && div > 1 ? count / div : count;
}

void view_histogram(const struct type *type, const void *bytes, uint32_t div, struct strbuf *out) {
    uint32_t first = 0, last = 0;
    uint64_t most = 0;

    if (!used_range(type, bytes, &first, &last))
        return;
    for (uint32_t i = first; i <= last; i++)
        if (shown_count(type, bytes, i, div) > most)
            most = shown_count(type, bytes, i, div);
    for (uint32_t i = first; i <= last; i++)
        add_line(type, i, shown_count(type, bytes, i, div), most, out);
}

/* Bounds are inclusive here; an open side is left out. */
static void add_json_bucket(const struct type *type, uint32_t index, uint64_t count, struct strbuf *out) {
    struct bucket bucket = bucket_at(type, index);

    strbuf_addch(out, '{');
    if (!bucket.open_below) {
        strbuf_addstr(out, "\"min\": ");
        view_json_number(bucket.first, type->kind == TYPE_LHIST, out);
        strbuf_addstr(out, ", ");
    }
    if (!bucket.open_above) {
        strbuf_addstr(out, "\"max\": ");
        view_json_number((int64_t)((uint64_t)bucket.end - 1), true, out);
        strbuf_addstr(out, ", ");
    }
    strbuf_addstr(out, "\"count\": ");
    view_add_unsigned(out, count);
    strbuf_addch(out, '}');
}

void view_histogram_json(const struct type *type, const void *bytes, uint32_t div, struct strbuf *out) {
    uint32_t first = 0, last = 0;

    strbuf_addch(out, '[');
    if (used_range(type, bytes, &first, &last)) {
        for (uint32_t i = first; i <= last; i++) {
            if (i > first)
                strbuf_addch(out, ',');
            add_json_bucket(type, i, shown_count(type, bytes, i, div), out);
        }
    }
    strbuf_addch(out, ']');
}
