/* Stored bytes to numbers and lengths, and the reduction of per-CPU aggregates. */
#include "view/view_int.h"

#include <string.h>

uint64_t view_load(const struct type *type, const void *bytes) {
    uint64_t value = 0;
    unsigned size = type->size < 8 ? type->size : 8;

    memcpy(&value, bytes, size);
    if (type->is_signed && size && size < 8) {
        unsigned unused = 64 - 8 * size;
        value = (uint64_t)((int64_t)(value << unused) >> unused);
    }
    return value;
}

uint64_t view_load_field(const struct type_field *field, const void *field_storage) {
    if (!field->bit_size || field->bit_size > 64)
        return view_load(field->type, field_storage);
    struct type storage = {.size = field->type->size};
    uint64_t value = field->bit_offset < 64 ? view_load(&storage, field_storage) >> field->bit_offset : 0;
    unsigned unused = 64u - field->bit_size;
    value <<= unused;
    return field->type->is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
}

bool view_is_text_array(const struct type *type) {
    const struct type *element = type->target;

    return type->kind == TYPE_ARRAY && element->kind == TYPE_INT && element->size == 1 && element->name &&
           strcmp(element->name, "char") == 0;
}

size_t view_text_length(const char *bytes, uint32_t size, bool *cut) {
    size_t length = strnlen(bytes, size);

    *cut = length == size && size > 0;
    return length;
}

const char *view_trailer(const struct view *view) { return view->string_trailer ? view->string_trailer : ".."; }

size_t view_buffer_length(const struct type *type, const void *bytes) {
    uint32_t length = 0;

    if (type->size < sizeof length)
        return 0;
    memcpy(&length, bytes, sizeof length);
    return length < type->size - sizeof length ? length : type->size - sizeof length;
}

const struct type_enumerator *view_enumerator(const struct type *type, uint64_t value) {
    for (uint32_t i = 0; i < type->enumerator_count; i++) {
        uint64_t named = (uint64_t)type->enumerators[i].value;
        /* The value has the width of the enum; 0xffffffff and -1 are the same 32 bits. */
        if (named == value || (type->size < 8 && (named ^ value) << (64 - 8 * type->size) == 0))
            return &type->enumerators[i];
    }
    return NULL;
}

int64_t view_divide(int64_t number, bool is_signed, uint32_t div) {
    if (div <= 1)
        return number;
    return is_signed ? number / (int64_t)div : (int64_t)((uint64_t)number / div);
}

struct view_stats view_stats(const struct type *type, const void *bytes, uint32_t div) {
    struct view_stats stats = {.count = view_u64(bytes, 0), .total = (int64_t)view_u64(bytes, 1)};

    if (stats.count && type->is_signed && stats.count <= INT64_MAX)
        stats.average = stats.total / (int64_t)stats.count;
    else if (stats.count)
        stats.average = (int64_t)((uint64_t)stats.total / stats.count);
    stats.average = view_divide(stats.average, type->is_signed, div);
    return stats;
}

int64_t view_number(const struct type *type, const void *bytes) {
    if (type->kind == TYPE_AVG)
        return view_stats(type, bytes, 1).average;
    return (int64_t)view_load(type, bytes);
}

static void add_up(const struct type *type, const char *per_cpu, uint32_t stride, uint32_t cpus, char *out) {
    for (uint32_t word = 0; word < type->size / 8; word++) {
        uint64_t total = 0;
        for (uint32_t cpu = 0; cpu < cpus; cpu++)
            total += view_u64(per_cpu + (size_t)cpu * stride, word);
        memcpy(out + 8 * (size_t)word, &total, 8);
    }
}

static bool is_better(const struct type *type, uint64_t value, uint64_t best) {
    bool less = type->is_signed ? (int64_t)value < (int64_t)best : value < best;

    return type->kind == TYPE_MIN ? less : !less;
}

/* The best over the copies that were ever set: zero is a value like any other. */
static void pick_extreme(const struct type *type, const char *per_cpu, uint32_t stride, uint32_t cpus, char *out) {
    uint64_t best[2] = {0, 0};

    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        const char *copy = per_cpu + (size_t)cpu * stride;
        uint64_t value = view_u64(copy, 0);
        if (view_u64(copy, 1) && (!best[1] || is_better(type, value, best[0]))) {
            best[0] = value;
            best[1] = 1;
        }
    }
    memcpy(out, best, sizeof best);
}

void view_reduce(const struct type *type, const void *per_cpu, uint32_t stride, uint32_t cpus, void *out) {
    switch (type->kind) {
    case TYPE_MIN:
    case TYPE_MAX:
        pick_extreme(type, per_cpu, stride, cpus, out);
        break;
    case TYPE_INT: /* kept on each CPU because a declaration says so */
    case TYPE_COUNT:
    case TYPE_SUM:
    case TYPE_AVG:
    case TYPE_STATS:
    case TYPE_HIST:
    case TYPE_LHIST:
        add_up(type, per_cpu, stride, cpus, out);
        break;
    case TYPE_TSERIES:
        view_reduce_series(type, per_cpu, stride, cpus, out);
        break;
    default:
        memcpy(out, per_cpu, type->size);
    }
}
