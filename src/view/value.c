/* One value as text. */
#include "view/view_int.h"

#include <string.h>

/* Structs nest by value, so real types end soon; types read from files may lie. */
enum { DEEPEST = 32 };

static void add_value(const struct view *view, const struct type *type, const void *bytes, uint32_t div, int depth,
                      struct strbuf *out);

static void add_text(const struct view *view, const char *bytes, uint32_t size, struct strbuf *out) {
    bool cut;
    size_t length = view_text_length(bytes, size, &cut);

    strbuf_add(out, bytes, length);
    if (cut)
        strbuf_addstr(out, view_trailer(view));
}

static void add_enum(const struct type *type, uint64_t value, struct strbuf *out) {
    const struct type_enumerator *enumerator = view_enumerator(type, value);

    if (enumerator)
        strbuf_addstr(out, enumerator->name);
    else
        view_add_number(out, (int64_t)value, type->is_signed);
}

void view_buffer_text(const unsigned char *bytes, size_t length, enum view_buffer_style style, struct strbuf *out) {
    for (size_t i = 0; i < length; i++) {
        char text[4] = {'\\', 'x'};
        if (style == VIEW_BUFFER_PRINTABLE && bytes[i] >= 32 && bytes[i] <= 126) {
            strbuf_addch(out, (char)bytes[i]);
            continue;
        }
        text[2] = "0123456789abcdef"[bytes[i] >> 4];
        text[3] = "0123456789abcdef"[bytes[i] & 15];
        if (style != VIEW_BUFFER_SPACED) {
            strbuf_add(out, text, 4);
        } else {
            strbuf_add(out, text + 2, 2);
            if (i + 1 < length)
                strbuf_addch(out, ' ');
        }
    }
}

static void add_array(const struct view *view, const struct type *type, const char *bytes, uint32_t div, int depth,
                      struct strbuf *out) {
    if (view_is_text_array(type)) {
        add_text(view, bytes, type->count, out);
        return;
    }
    strbuf_addch(out, '[');
    for (uint32_t i = 0; i < type->count; i++) {
        if (i)
            strbuf_addch(out, ',');
        add_value(view, type->target, bytes + (size_t)i * type->target->size, div, depth + 1, out);
    }
    strbuf_addch(out, ']');
}

static void add_field(const struct view *view, const struct type_field *field, const char *bytes, uint32_t div,
                      int depth, struct strbuf *out) {
    if (field->bit_size && field->type->kind == TYPE_ENUM)
        add_enum(field->type, view_load_field(field, bytes), out);
    else if (field->bit_size)
        view_add_number(out, (int64_t)view_load_field(field, bytes), field->type->is_signed);
    else
        add_value(view, field->type, bytes, div, depth + 1, out);
}

/* Members of anonymous members are members. */
static void add_members(const struct view *view, const struct type *type, const char *bytes, uint32_t div, int depth,
                        bool *first, struct strbuf *out) {
    type_complete(type);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        if (!view_field_inside(type, field))
            continue;
        if (!field->name && field->type->kind == TYPE_STRUCT) {
            if (depth < DEEPEST)
                add_members(view, field->type, bytes + field->offset, div, depth + 1, first, out);
            continue;
        }
        strbuf_addstr(out, *first ? "{ ." : ", .");
        *first = false;
        strbuf_addstr(out, field->name ? field->name : "");
        strbuf_addstr(out, " = ");
        add_field(view, field, bytes + field->offset, div, depth, out);
    }
}

static void add_struct(const struct view *view, const struct type *type, const char *bytes, uint32_t div, int depth,
                       struct strbuf *out) {
    bool first = true;

    add_members(view, type, bytes, div, depth, &first, out);
    strbuf_addstr(out, first ? "{}" : " }");
}

static void add_tuple(const struct view *view, const struct type *type, const char *bytes, uint32_t div, int depth,
                      struct strbuf *out) {
    if (type_is_record(type)) {
        add_struct(view, type, bytes, div, depth, out);
        return;
    }
    strbuf_addch(out, '(');
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        if (i)
            strbuf_addstr(out, ", ");
        add_value(view, field->type, bytes + field->offset, div, depth + 1, out);
    }
    strbuf_addch(out, ')');
}

static void add_stats(const struct type *type, const void *bytes, uint32_t div, struct strbuf *out) {
    struct view_stats stats = view_stats(type, bytes, div);

    strbuf_addstr(out, "{ .count = ");
    view_add_unsigned(out, stats.count);
    strbuf_addstr(out, ", .average = ");
    view_add_number(out, stats.average, type->is_signed);
    strbuf_addstr(out, ", .total = ");
    view_add_number(out, stats.total, type->is_signed);
    strbuf_addstr(out, " }");
}

/* Without a resolver an address is all there is to say. */
static void add_named(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    if (view->names)
        view->names->format(view->names->context, type, bytes, out);
    else
        view_add_hex(out, view_u64(bytes, 0));
}

static void add_value(const struct view *view, const struct type *type, const void *bytes, uint32_t div, int depth,
                      struct strbuf *out) {
    if (depth > DEEPEST) {
        strbuf_addstr(out, "null");
        return;
    }
    switch (type->kind) {
    case TYPE_VOID:
        strbuf_addstr(out, "null");
        return;
    case TYPE_BOOL:
        strbuf_addstr(out, *(const char *)bytes ? "true" : "false");
        return;
    case TYPE_ENUM:
        add_enum(type, view_load(type, bytes), out);
        return;
    case TYPE_POINTER:
        view_add_hex(out, view_load(type, bytes));
        return;
    case TYPE_STRING:
        add_text(view, bytes, type->size, out);
        return;
    case TYPE_BUFFER:
        view_buffer_text((const unsigned char *)bytes + 4, view_buffer_length(type, bytes), VIEW_BUFFER_PRINTABLE, out);
        return;
    case TYPE_ARRAY:
        add_array(view, type, bytes, div, depth, out);
        return;
    case TYPE_STRUCT:
        add_struct(view, type, bytes, div, depth, out);
        return;
    case TYPE_TUPLE:
        add_tuple(view, type, bytes, div, depth, out);
        return;
    case TYPE_KSYM:
    case TYPE_USYM:
    case TYPE_KSTACK:
    case TYPE_USTACK:
    case TYPE_PROBE:
    case TYPE_TIMESTAMP:
    case TYPE_USERNAME:
    case TYPE_CGROUP_PATH:
        add_named(view, type, bytes, out);
        return;
    case TYPE_INET:
        view_add_inet(bytes, out);
        return;
    case TYPE_MACADDR:
        view_add_macaddr(bytes, out);
        return;
    case TYPE_AVG:
        view_add_number(out, view_stats(type, bytes, div).average, type->is_signed);
        return;
    case TYPE_STATS:
        add_stats(type, bytes, div, out);
        return;
    case TYPE_HIST:
    case TYPE_LHIST:
        view_histogram(type, bytes, div, out);
        return;
    case TYPE_TSERIES:
        view_series(type, bytes, view_series_last(type, bytes), out);
        return;
    case TYPE_INT:
    case TYPE_COUNT:
    case TYPE_SUM:
    case TYPE_MIN:
    case TYPE_MAX:
        break;
    }
    view_add_number(out, view_divide(view_number(type, bytes), type->is_signed, div), type->is_signed);
}

void view_value_divided(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                        struct strbuf *out) {
    add_value(view, type, bytes, div, 0, out);
}

void view_value(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    add_value(view, type, bytes, 1, 0, out);
}
