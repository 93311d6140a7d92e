#include "base/type.h"

#include "base/diag.h"
#include <assert.h>
#include <string.h>

#define INT_TYPE(bits, sign)                                                                                           \
    { .kind = TYPE_INT, .size = (bits) / 8, .align = (bits) / 8, .is_signed = (sign) }

static const struct type void_type = {.kind = TYPE_VOID, .align = 1};
static const struct type bool_type = {.kind = TYPE_BOOL, .size = 1, .align = 1};
static const struct type int_types[2][4] = {
    {INT_TYPE(8, false), INT_TYPE(16, false), INT_TYPE(32, false), INT_TYPE(64, false)},
    {INT_TYPE(8, true), INT_TYPE(16, true), INT_TYPE(32, true), INT_TYPE(64, true)},
};

/* kind, bytes of a stored value, printed name: the kinds that carry nothing but a sign */
#define SIMPLE_TYPES(X)                                                                                                \
    X(TYPE_KSYM, 8, "ksym")                                                                                            \
    X(TYPE_USYM, 16, "usym")                                                                                           \
    X(TYPE_PROBE, 8, "probe")                                                                                          \
    X(TYPE_INET, 24, "inet")                                                                                           \
    X(TYPE_MACADDR, 8, "macaddr")                                                                                      \
    X(TYPE_TIMESTAMP, 16, "timestamp")                                                                                 \
    X(TYPE_USERNAME, 8, "username")                                                                                    \
    X(TYPE_CGROUP_PATH, 16, "cgroup_path")                                                                             \
    X(TYPE_COUNT, 8, "count_t")                                                                                        \
    X(TYPE_SUM, 8, "sum_t")                                                                                            \
    X(TYPE_AVG, 16, "avg_t")                                                                                           \
    X(TYPE_MIN, 16, "min_t")                                                                                           \
    X(TYPE_MAX, 16, "max_t")                                                                                           \
    X(TYPE_STATS, 16, "stats_t")

static const struct {
    struct type type[2]; /* unsigned, signed */
    const char *text;
} simple_types[] = {
#define X(k, bytes, text)                                                                                              \
    [k] = {{{.kind = k, .size = bytes, .align = 8}, {.kind = k, .size = bytes, .align = 8, .is_signed = true}}, text},
    SIMPLE_TYPES(X)
#undef X
};

const struct type *type_int(unsigned bits, bool is_signed) {
    switch (bits) {
    case 8:
        return &int_types[is_signed][0];
    case 16:
        return &int_types[is_signed][1];
    case 32:
        return &int_types[is_signed][2];
    case 64:
        return &int_types[is_signed][3];
    default:
        BUG("no integer of %u bits", bits);
    }
}

const struct type *type_bool(void) { return &bool_type; }

const struct type *type_void(void) { return &void_type; }

const struct type *type_simple(enum type_kind kind, bool is_signed) {
    if (kind >= sizeof simple_types / sizeof *simple_types || !simple_types[kind].text)
        BUG("type kind %d is not a simple one", (int)kind);
    return &simple_types[kind].type[is_signed];
}

static struct type *make(struct arena *arena, enum type_kind kind, uint64_t size, uint32_t align) {
    struct type *type = arena_make(arena, struct type);

    assert(size <= UINT32_MAX);
    type->kind = kind;
    type->size = (uint32_t)size;
    type->align = align;
    return type;
}

const struct type *type_string(struct arena *arena, uint32_t size) { return make(arena, TYPE_STRING, size, 8); }

const struct type *type_string_array(struct arena *arena, uint32_t size) {
    struct type *type = make(arena, TYPE_STRING, size, 8);

    type->is_array = true;
    return type;
}

const struct type *type_buffer(struct arena *arena, uint32_t capacity) {
    struct type *type = make(arena, TYPE_BUFFER, (uint64_t)capacity + sizeof(uint32_t), 8);

    type->count = capacity;
    return type;
}

const struct type *type_pointer(struct arena *arena, const struct type *target, enum type_space space) {
    struct type *type = make(arena, TYPE_POINTER, 8, 8);

    type->target = target;
    type->space = space;
    return type;
}

const struct type *type_array(struct arena *arena, const struct type *element, uint32_t count) {
    struct type *type = make(arena, TYPE_ARRAY, (uint64_t)element->size * count, element->align);

    type->target = element;
    type->count = count;
    return type;
}

static uint64_t align_up(uint64_t offset, uint32_t align) { return (offset + align - 1) & ~(uint64_t)(align - 1); }

const struct type *type_record(struct arena *arena, const struct type *const *fields, const char *const *names,
                               uint32_t count) {
    struct type_field *copy = arena_new_array(arena, struct type_field, count);
    uint64_t offset = 0;
    uint32_t align = 1;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = type_is_scalar(fields[i]) ? fields[i]->align : 8; /* the rest is copied in words */
        offset = align_up(offset, own);
        copy[i].name = names ? names[i] : NULL;
        copy[i].type = fields[i];
        copy[i].offset = (uint32_t)offset;
        offset += align_up(fields[i]->size, own);
        if (own > align)
            align = own;
    }
    struct type *type = make(arena, TYPE_TUPLE, align_up(offset, align), align);
    type->fields = copy;
    type->field_count = count;
    return type;
}

const struct type *type_tuple(struct arena *arena, const struct type *const *fields, uint32_t count) {
    return type_record(arena, fields, NULL, count);
}

uint32_t type_record_index(const struct type *record, const char *name) {
    uint32_t i = 0;

    while (i < record->field_count && strcmp(record->fields[i].name, name) != 0)
        i++;
    return i;
}

const char *const type_stack_mode_names[] = {[TYPE_STACK_BPFTRACE] = "bpftrace",
                                             [TYPE_STACK_PERF] = "perf",
                                             [TYPE_STACK_RAW] = "raw",
                                             [TYPE_STACK_BUILD_ID] = "build_id",
                                             NULL};

bool type_stack_mode_find(const char *name, enum type_stack_mode *mode) {
    for (unsigned i = 0; type_stack_mode_names[i]; i++) {
        if (strcmp(name, type_stack_mode_names[i]) == 0) {
            *mode = (enum type_stack_mode)i;
            return true;
        }
    }
    return false;
}

const struct type *type_stack(struct arena *arena, enum type_kind kind, uint32_t depth, enum type_stack_mode mode) {
    assert(kind == TYPE_KSTACK || kind == TYPE_USTACK);
    if (kind == TYPE_KSTACK && mode == TYPE_STACK_BUILD_ID) /* the kernel's own code has none */
        mode = TYPE_STACK_RAW;
    struct type *type = make(arena, kind, 8, 8);

    type->count = depth;
    type->stack_mode = mode;
    return type;
}

const struct type *type_stack_by_pointers(struct arena *arena, const struct type *stack) {
    struct type *type = make(arena, stack->kind, 8, 8);

    *type = *stack;
    type->by_pointers = true;
    return type;
}

uint32_t type_stack_captured(const struct type *type) {
    uint32_t frames = type->count + (type->kind == TYPE_KSTACK ? TYPE_STACK_MACHINERY : 0);
    return 8 + (type->stack_mode == TYPE_STACK_BUILD_ID ? TYPE_BUILD_ID_FRAME : 8) * frames;
}

const struct type *type_hist(struct arena *arena, uint32_t bits) {
    struct type *type = make(arena, TYPE_HIST, 8 * (uint64_t)TYPE_HIST_BUCKETS(bits), 8);

    type->count = bits;
    return type;
}

const struct type *type_lhist(struct arena *arena, int64_t min, int64_t max, int64_t step) {
    assert(step > 0 && max > min);
    uint64_t buckets = ((uint64_t)max - (uint64_t)min) / (uint64_t)step + 2;

    assert(buckets <= UINT32_MAX / 8);
    struct type *type = make(arena, TYPE_LHIST, 8 * buckets, 8);
    type->lhist_min = min;
    type->lhist_max = max;
    type->lhist_step = step;
    return type;
}

const char *const type_fold_names[] = {[TYPE_FOLD_LAST] = "",   [TYPE_FOLD_AVG] = "avg", [TYPE_FOLD_MAX] = "max",
                                       [TYPE_FOLD_MIN] = "min", [TYPE_FOLD_SUM] = "sum", NULL};

const struct type *type_tseries(struct arena *arena, uint64_t interval, uint32_t count, enum type_fold fold,
                                bool is_signed) {
    struct type *type = make(arena, TYPE_TSERIES, (uint64_t)TYPE_TSERIES_SLOT * count, 8);

    type->interval = interval;
    type->count = count;
    type->fold = fold;
    type->is_signed = is_signed;
    return type;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

bool type_equal(const struct type *a, const struct type *b) {
    /* Pointers nest; everything else that recurses (tuples, arrays) has been built by value and is finite. */
    while (a != b && a->kind == TYPE_POINTER && b->kind == TYPE_POINTER) {
        a = a->target;
        b = b->target;
    }
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case TYPE_ENUM:
    case TYPE_STRUCT:
        if (!same_text(a->name, b->name) || a->is_union != b->is_union)
            return false;
        /* the kernel's types may have one struct twice; a name and a size are one type then, too */
        return a->btf_id == b->btf_id || (a->name && type_complete(a)->size == type_complete(b)->size);
    case TYPE_ARRAY:
        return a->count == b->count && type_equal(a->target, b->target);
    case TYPE_TUPLE:
        if (a->field_count != b->field_count)
            return false;
        for (uint32_t i = 0; i < a->field_count; i++)
            if (!same_text(a->fields[i].name, b->fields[i].name) || !type_equal(a->fields[i].type, b->fields[i].type))
                return false;
        return true;
    case TYPE_LHIST:
        return a->lhist_min == b->lhist_min && a->lhist_max == b->lhist_max && a->lhist_step == b->lhist_step;
    case TYPE_TSERIES:
        return a->interval == b->interval && a->count == b->count && a->fold == b->fold && a->is_signed == b->is_signed;
    default:
        return a->size == b->size && a->count == b->count && a->is_signed == b->is_signed;
    }
}

const struct type *type_complete(const struct type *type) {
    if (type->complete) {
        struct type *self = (struct type *)type; /* the one change an arena type sees after it was made */
        void (*complete)(struct type *, void *) = self->complete;

        self->complete = NULL; /* first, so that a struct which holds itself ends */
        complete(self, self->owner);
    }
    return type;
}

static const struct type_field *find_field(const struct type *type, const char *name, uint32_t *offset, int depth) {
    enum { DEEPEST = 32 }; /* BTF comes from outside: anonymous members may form a loop */

    if (depth > DEEPEST)
        return NULL;
    type_complete(type);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i], *inner = NULL;
        uint32_t inside = 0;
        if (field->name)
            inner = strcmp(field->name, name) == 0 ? field : NULL;
        else if (field->type->kind == TYPE_STRUCT)
            inner = find_field(field->type, name, &inside, depth + 1);
        if (inner) {
            *offset = inside + field->offset;
            return inner;
        }
    }
    return NULL;
}

const struct type_field *type_find_field(const struct type *type, const char *name, uint32_t *offset) {
    return find_field(type, name, offset, 0);
}

static void format_record(const struct type *type, struct strbuf *out) {
    strbuf_addstr(out, "record { ");
    for (uint32_t i = 0; i < type->field_count; i++) {
        strbuf_addf(out, "%s.%s = ", i ? ", " : "", type->fields[i].name);
        type_format(type->fields[i].type, out);
    }
    strbuf_addstr(out, " }");
}

static void format_tuple(const struct type *type, struct strbuf *out) {
    strbuf_addch(out, '(');
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (i)
            strbuf_addch(out, ',');
        type_format(type->fields[i].type, out);
    }
    strbuf_addch(out, ')');
}

/* Bounds outermost first, as in C. */
static void format_array(const struct type *type, struct strbuf *out) {
    const struct type *element = type;

    while (element->kind == TYPE_ARRAY)
        element = element->target;
    type_format(element, out);
    for (; type->kind == TYPE_ARRAY; type = type->target)
        strbuf_addf(out, "[%u]", type->count);
}

void type_format(const struct type *type, struct strbuf *out) {
    switch (type->kind) {
    case TYPE_VOID:
        strbuf_addstr(out, "void");
        break;
    case TYPE_INT:
        strbuf_addf(out, "%sint%u", type->is_signed ? "" : "u", type->size * 8);
        break;
    case TYPE_BOOL:
        strbuf_addstr(out, "bool");
        break;
    case TYPE_ENUM:
        strbuf_addf(out, "enum %s", type->name ? type->name : "{...}");
        break;
    case TYPE_STRUCT:
        strbuf_addf(out, "%s %s", type->is_union ? "union" : "struct", type->name ? type->name : "{...}");
        break;
    case TYPE_POINTER:
        type_format(type->target, out);
        strbuf_addstr(out, type->target->kind == TYPE_POINTER ? "*" : " *");
        break;
    case TYPE_STRING:
        strbuf_addf(out, "string[%u]", type->size);
        break;
    case TYPE_BUFFER:
        strbuf_addf(out, "buffer[%u]", type->count);
        break;
    case TYPE_ARRAY:
        format_array(type, out);
        break;
    case TYPE_TUPLE:
        (type_is_record(type) ? format_record : format_tuple)(type, out);
        break;
    case TYPE_KSTACK:
    case TYPE_USTACK:
        strbuf_addf(out, "%cstack", type->kind == TYPE_KSTACK ? 'k' : 'u');
        if (type->stack_mode != TYPE_STACK_BPFTRACE)
            strbuf_addf(out, "(%s)", type_stack_mode_names[type->stack_mode]);
        break;
    case TYPE_HIST:
        strbuf_addstr(out, "hist_t");
        break;
    case TYPE_LHIST:
        strbuf_addstr(out, "lhist_t");
        break;
    case TYPE_TSERIES:
        strbuf_addstr(out, "tseries_t");
        break;
    default:
        strbuf_addstr(out, simple_types[type->kind].text);
    }
}

const char *type_text(struct arena *arena, const struct type *type) {
    struct strbuf text = {0};

    type_format(type, &text);
    const char *copy = arena_strdup(arena, strbuf_text(&text));
    strbuf_free(&text);
    return copy;
}

const char *type_kind_text(const struct type *type) {
    static const char *const texts[] = {
        [TYPE_VOID] = "void",       [TYPE_INT] = "int",       [TYPE_BOOL] = "bool",     [TYPE_ENUM] = "enum",
        [TYPE_POINTER] = "pointer", [TYPE_STRING] = "string", [TYPE_BUFFER] = "buffer", [TYPE_ARRAY] = "array",
        [TYPE_STRUCT] = "struct",   [TYPE_TUPLE] = "tuple",   [TYPE_KSTACK] = "kstack", [TYPE_USTACK] = "ustack",
        [TYPE_HIST] = "hist_t",     [TYPE_LHIST] = "lhist_t",
    };

    if (type_is_record(type))
        return "record";
    if (type->kind == TYPE_STRUCT && type->is_union)
        return "union";
    return type->kind < sizeof texts / sizeof *texts && texts[type->kind] ? texts[type->kind]
                                                                          : simple_types[type->kind].text;
}

uint32_t type_hist_bucket(int64_t value, uint32_t bits) {
    uint64_t number = (uint64_t)value;

    if (value < 0)
        return 0;
    if (number < 1u << bits)
        return (uint32_t)number + 1;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(number);
    uint32_t sub = (uint32_t)(number >> (log - bits)) & ((1u << bits) - 1);
    return ((log - bits + 1) << bits | sub) + 1;
}

void type_hist_bounds(uint32_t bucket, uint32_t bits, int64_t *first, int64_t *last) {
    if (bucket == 0) {
        *first = INT64_MIN;
        *last = -1;
        return;
    }
    uint64_t index = bucket - 1;
    if (index < 1u << bits) {
        *first = *last = (int64_t)index;
        return;
    }
    uint64_t shift = (index >> bits) - 1, sub = index & ((1u << bits) - 1);
    uint64_t low = ((1ull << bits) | sub) << shift;
    *first = (int64_t)low;
    *last = (int64_t)(low + (1ull << shift) - 1);
}
