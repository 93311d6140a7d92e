/* Maps: the order of the entries, and their text or JSON. */
#include "view/view_int.h"

#include <stdlib.h>
#include <string.h>

/* --- order --- */

struct ordering {
    const struct view_map *map;
    const uint64_t *weights; /* by entry; NULL: by the bytes of key or value */
    bool is_signed, by_value, descending;
};

static int compare_numbers(uint64_t a, uint64_t b, bool is_signed) {
    if (a == b)
        return 0;
    return (is_signed ? (int64_t)a < (int64_t)b : a < b) ? -1 : 1;
}

/* Integers compare signed whatever their type is, strings to the NUL, tuples field by field. */
static int compare_bytes(const struct type *type, const char *a, const char *b) {
    struct type as_signed = {.size = type->size, .is_signed = true};

    switch (type->kind) {
    case TYPE_INT:
    case TYPE_ENUM:
        return compare_numbers(view_load(&as_signed, a), view_load(&as_signed, b), true);
    case TYPE_BOOL:
    case TYPE_POINTER:
    case TYPE_KSYM:
    case TYPE_USYM:
    case TYPE_PROBE:
        return compare_numbers(view_load(type, a), view_load(type, b), false);
    case TYPE_STRING:
        return strncmp(a, b, type->size);
    case TYPE_TUPLE:
        for (uint32_t i = 0; i < type->field_count; i++) {
            const struct type_field *field = &type->fields[i];
            int order = compare_bytes(field->type, a + field->offset, b + field->offset);
            if (order)
                return order;
        }
        return 0;
    default:
        return memcmp(a, b, type->size);
    }
}

/* Equal weights are ordered by key, so that the same map prints the same way twice. */
static int compare_entries(const void *left, const void *right, void *context) {
    const struct ordering *ordering = context;
    const struct view_map *map = ordering->map;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;

    if (ordering->weights)
        order = compare_numbers(ordering->weights[a], ordering->weights[b], ordering->is_signed);
    else if (ordering->by_value)
        order = compare_bytes(map->value, map->values[a], map->values[b]);
    else if (map->key)
        order = compare_bytes(map->key, map->keys[a], map->keys[b]);
    if (order)
        return ordering->descending ? -order : order;
    if (map->key)
        order = compare_bytes(map->key, map->keys[a], map->keys[b]);
    return order ? order : (a > b) - (a < b);
}

static bool has_weight(const struct type *value) {
    return value->kind == TYPE_INT || value->kind == TYPE_ENUM || type_is_aggregate(value);
}

static uint64_t weight_of(const struct type *value, const void *bytes) {
    uint64_t total = 0;

    if (value->kind == TYPE_TSERIES)
        return view_series_last(value, bytes);
    if (value->kind == TYPE_STATS)
        return (uint64_t)view_stats(value, bytes, 1).average;
    if (value->kind != TYPE_HIST && value->kind != TYPE_LHIST)
        return (uint64_t)view_number(value, bytes);
    for (uint32_t i = 0; i < value->size / 8; i++)
        total += view_u64(bytes, i);
    return total;
}

static bool weighs_signed(const struct type *value) {
    switch (value->kind) {
    case TYPE_MIN: /* as bpftrace orders them */
    case TYPE_MAX:
    case TYPE_HIST:
    case TYPE_LHIST:
    case TYPE_TSERIES:
        return false;
    default:
        return value->is_signed;
    }
}

static bool is_too_small(const struct view_map *map, uint32_t entry, const struct view_map_options *options) {
    const struct type *value = map->value;

    if (!options->has_least || !has_weight(value) || value->kind == TYPE_TSERIES)
        return false;
    int64_t weight = (int64_t)weight_of(value, map->values[entry]);
    if (value->is_signed || options->least < 0) /* an unsigned one is above all negative numbers */
        return value->is_signed && weight < options->least;
    return (uint64_t)weight < (uint64_t)options->least;
}

/* Series have an order of their own only when it is asked for, so bpftrace has them. */
static bool sorts_by_weight(const struct view_map *map, const struct view_map_options *options) {
    if (options->sort == VIEW_SORT_USUAL && map->value->kind == TYPE_TSERIES)
        return false;
    return options->sort != VIEW_SORT_KEY && has_weight(map->value);
}

/* The entries to print, in their order; the caller frees. */
static uint32_t *order_entries(const struct view_map *map, const struct view_map_options *options, uint32_t *count) {
    uint32_t *order = calloc(map->count + 1, sizeof *order);
    bool weighs = sorts_by_weight(map, options);
    uint64_t *weights = weighs ? calloc(map->count + 1, sizeof *weights) : NULL;
    struct ordering ordering = {map, weights, weighs_signed(map->value), options->sort == VIEW_SORT_VALUE,
                                options->descending};

    if (!order || (weighs && !weights))
        arena_out_of_memory(map->count * sizeof *weights);
    *count = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        if (weights)
            weights[i] = weight_of(map->value, map->values[i]);
        if (!is_too_small(map, i, options))
            order[(*count)++] = i;
    }
    qsort_r(order, *count, sizeof *order, compare_entries, &ordering);
    free(weights);
    if (options->top && options->top < *count) {
        if (!options->descending)
            memmove(order, order + (*count - options->top), options->top * sizeof *order);
        *count = options->top;
    }
    if (options->limit && options->limit < *count)
        *count = options->limit;
    return order;
}

/* --- text --- */

/* The parentheses of a key of several parts are left out: those around the text, whatever it came from. */
static void strip_parentheses(struct strbuf *out, size_t start) {
    if (out->length - start < 2 || out->data[start] != '(' || out->data[out->length - 1] != ')')
        return;
    memmove(out->data + start, out->data + start + 1, out->length - start - 2);
    out->length -= 2;
    out->data[out->length] = '\0';
}

static bool is_block(const struct type *value) {
    return value->kind == TYPE_HIST || value->kind == TYPE_LHIST || value->kind == TYPE_TSERIES;
}

/* The latest interval of all series of the map. */
static uint64_t series_end(const struct view_map *map) {
    uint64_t end = 0;

    for (uint32_t i = 0; map->value->kind == TYPE_TSERIES && i < map->count; i++) {
        uint64_t last = view_series_last(map->value, map->values[i]);
        end = last > end ? last : end;
    }
    return end;
}

/* What is printed of a map. */
struct selection {
    const struct view_map *map;
    uint32_t *order, count, div;
    uint64_t series_end;
};

static void add_entry(const struct view *view, const struct selection *selection, uint32_t entry, struct strbuf *out) {
    const struct view_map *map = selection->map;

    strbuf_addstr(out, map->name);
    if (map->key) {
        strbuf_addch(out, '[');
        size_t start = out->length;
        view_value(view, map->key, map->keys[entry], out);
        strip_parentheses(out, start);
        strbuf_addch(out, ']');
    }
    strbuf_addstr(out, is_block(map->value) ? ":\n" : ": ");
    if (map->value->kind == TYPE_TSERIES)
        view_series(map->value, map->values[entry], selection->series_end, out);
    else
        view_value_divided(view, map->value, map->values[entry], selection->div, out);
    strbuf_addch(out, '\n');
}

/* --- JSON --- */

/* Keys are strings; the parts of a tuple are joined by a comma without a space. */
static void add_key_text(const struct view *view, const struct type *type, const char *bytes, bool outermost,
                         struct strbuf *out) {
    if (type->kind != TYPE_TUPLE || type_is_record(type)) {
        view_value(view, type, bytes, out);
        return;
    }
    if (!outermost)
        strbuf_addch(out, '(');
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (i)
            strbuf_addch(out, ',');
        add_key_text(view, type->fields[i].type, bytes + type->fields[i].offset, false, out);
    }
    if (!outermost)
        strbuf_addch(out, ')');
}

static void add_json_entry(const struct view *view, const struct selection *selection, uint32_t entry,
                           struct strbuf *out) {
    const struct view_map *map = selection->map;

    if (map->key) {
        struct strbuf key = {0};
        add_key_text(view, map->key, map->keys[entry], true, &key);
        view_json_string(strbuf_text(&key), key.length, out);
        strbuf_free(&key);
        strbuf_addstr(out, ": ");
    }
    if (map->value->kind == TYPE_TSERIES)
        view_series_json(map->value, map->values[entry], selection->series_end, out);
    else
        view_value_json_divided(view, map->value, map->values[entry], selection->div, out);
}

static const char *json_type(const struct type *value) {
    if (is_block(value))
        return value->kind == TYPE_TSERIES ? "tseries" : "hist";
    return value->kind == TYPE_STATS || value->kind == TYPE_AVG ? "stats" : "map";
}

static void add_json(const struct view *view, const struct selection *selection, struct strbuf *out) {
    const struct view_map *map = selection->map;

    strbuf_addf(out, "{\"type\": \"%s\", \"data\": {", json_type(map->value));
    view_json_string(map->name, strlen(map->name), out);
    strbuf_addstr(out, map->key ? ": {" : ": ");
    for (uint32_t i = 0; i < selection->count; i++) {
        if (i)
            strbuf_addstr(out, ", ");
        add_json_entry(view, selection, selection->order[i], out);
    }
    strbuf_addstr(out, map->key ? "}}}\n" : "}}\n");
}

/* --- both --- */

static void print_entries(const struct view *view, const struct view_map *map, const struct view_map_options *options) {
    struct strbuf out = {0};
    struct selection selection = {.map = map, .div = options->div, .series_end = series_end(map)};

    selection.order = order_entries(map, options, &selection.count);
    if (view->format == VIEW_JSON && (map->key || selection.count)) {
        add_json(view, &selection, &out);
    } else if (view->format == VIEW_TEXT) {
        for (uint32_t i = 0; i < selection.count; i++) {
            add_entry(view, &selection, selection.order[i], &out);
            if (out.length > 64 * 1024) { /* stacks of a large map: no need to hold all of it */
                view_output_write(view->out, out.data, out.length);
                strbuf_reset(&out);
            }
        }
    }
    view_output_write(view->out, strbuf_text(&out), out.length);
    strbuf_free(&out);
    free(selection.order);
}

void view_print_map(const struct view *view, const struct view_map *map, const struct view_map_options *options) {
    if (map->count) {
        print_entries(view, map, options);
    } else if (!map->key && !is_block(map->value)) {
        /* A number that was never set is zero. */
        struct view_map zeroed = *map;
        void *zero = calloc(1, map->value->size + 1);
        const void *const values[1] = {zero};

        if (!zero)
            arena_out_of_memory(map->value->size);
        zeroed.count = 1;
        zeroed.values = values;
        print_entries(view, &zeroed, &(struct view_map_options){.div = options->div});
        free(zero);
    }
}
