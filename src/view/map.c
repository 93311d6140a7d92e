/* Maps: the order of the entries, and their text or JSON. */
#include "view/view_int.h"

#include <stdlib.h>
#include <string.h>

/* --- order --- */

struct ordering {
    const struct view_map *map;
    const uint64_t *weights; /* by entry; NULL: by key */
    bool is_signed;
};

static int compare_numbers(uint64_t a, uint64_t b, bool is_signed) {
    if (a == b)
        return 0;
    return (is_signed ? (int64_t)a < (int64_t)b : a < b) ? -1 : 1;
}

/* Integers compare signed whatever their type is, strings to the NUL, tuples field by field. */
static int compare_keys(const struct type *type, const char *a, const char *b) {
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
            int order = compare_keys(field->type, a + field->offset, b + field->offset);
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
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = 0;

    if (ordering->weights)
        order = compare_numbers(ordering->weights[a], ordering->weights[b], ordering->is_signed);
    if (!order && ordering->map->key)
        order = compare_keys(ordering->map->key, ordering->map->keys[a], ordering->map->keys[b]);
    return order ? order : (a > b) - (a < b);
}

static bool has_weight(const struct type *value) {
    return value->kind == TYPE_INT || value->kind == TYPE_ENUM || type_is_aggregate(value);
}

static uint64_t weight_of(const struct type *value, const void *bytes) {
    uint64_t total = 0;

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
        return false;
    default:
        return value->is_signed;
    }
}

/* The entries in print order; the caller frees. */
static uint32_t *order_entries(const struct view_map *map) {
    uint32_t *order = calloc(map->count + 1, sizeof *order);
    uint64_t *weights = has_weight(map->value) ? calloc(map->count + 1, sizeof *weights) : NULL;
    struct ordering ordering = {map, weights, weighs_signed(map->value)};

    if (!order || (has_weight(map->value) && !weights))
        arena_out_of_memory(map->count * sizeof *weights);
    for (uint32_t i = 0; i < map->count; i++) {
        order[i] = i;
        if (weights)
            weights[i] = weight_of(map->value, map->values[i]);
    }
    qsort_r(order, map->count, sizeof *order, compare_entries, &ordering);
    free(weights);
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

static bool is_block(const struct type *value) { return value->kind == TYPE_HIST || value->kind == TYPE_LHIST; }

static void add_entry(const struct view *view, const struct view_map *map, uint32_t entry, uint32_t div,
                      struct strbuf *out) {
    strbuf_addstr(out, map->name);
    if (map->key) {
        strbuf_addch(out, '[');
        size_t start = out->length;
        view_value(view, map->key, map->keys[entry], out);
        strip_parentheses(out, start);
        strbuf_addch(out, ']');
    }
    strbuf_addstr(out, is_block(map->value) ? ":\n" : ": ");
    view_value_divided(view, map->value, map->values[entry], div, out);
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

static void add_json_entry(const struct view *view, const struct view_map *map, uint32_t entry, uint32_t div,
                           struct strbuf *out) {
    if (map->key) {
        struct strbuf key = {0};
        add_key_text(view, map->key, map->keys[entry], true, &key);
        view_json_string(strbuf_text(&key), key.length, out);
        strbuf_free(&key);
        strbuf_addstr(out, ": ");
    }
    view_value_json_divided(view, map->value, map->values[entry], div, out);
}

static const char *json_type(const struct type *value) {
    if (is_block(value))
        return "hist";
    return value->kind == TYPE_STATS || value->kind == TYPE_AVG ? "stats" : "map";
}

static void add_json(const struct view *view, const struct view_map *map, const uint32_t *order, uint32_t skip,
                     uint32_t div, struct strbuf *out) {
    strbuf_addf(out, "{\"type\": \"%s\", \"data\": {", json_type(map->value));
    view_json_string(map->name, strlen(map->name), out);
    strbuf_addstr(out, map->key ? ": {" : ": ");
    for (uint32_t i = skip; i < map->count; i++) {
        if (i > skip)
            strbuf_addstr(out, ", ");
        add_json_entry(view, map, order[i], div, out);
    }
    strbuf_addstr(out, map->key ? "}}}\n" : "}}\n");
}

/* --- both --- */

static void print_entries(const struct view *view, const struct view_map *map, uint32_t top, uint32_t div) {
    struct strbuf out = {0};
    uint32_t *order = order_entries(map);
    uint32_t skip = top && top < map->count ? map->count - top : 0;

    if (view->format == VIEW_JSON) {
        add_json(view, map, order, skip, div, &out);
    } else {
        for (uint32_t i = skip; i < map->count; i++) {
            add_entry(view, map, order[i], div, &out);
            if (out.length > 64 * 1024) { /* stacks of a large map: no need to hold all of it */
                view_output_write(view->out, out.data, out.length);
                strbuf_reset(&out);
            }
        }
    }
    view_output_write(view->out, strbuf_text(&out), out.length);
    strbuf_free(&out);
    free(order);
}

void view_print_map(const struct view *view, const struct view_map *map, uint32_t top, uint32_t div) {
    if (map->count) {
        print_entries(view, map, top, div);
    } else if (!map->key && !is_block(map->value)) {
        /* A number that was never set is zero. */
        struct view_map zeroed = *map;
        void *zero = calloc(1, map->value->size + 1);
        const void *const values[1] = {zero};

        if (!zero)
            arena_out_of_memory(map->value->size);
        zeroed.count = 1;
        zeroed.values = values;
        print_entries(view, &zeroed, 0, div);
        free(zero);
    }
}
