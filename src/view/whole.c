/* Values that are made of values: arrays, tuples, records, structs. Text and JSON walk them alike; what they write
 * around and between the parts stands in their struct view_notation. */
#include "view/view_int.h"

/* Structs nest by value, so real types end soon; types read from files may lie. */
enum { DEEPEST = 32 };

struct walk {
    const struct view_notation *notation;
    const struct view *view;
    uint32_t div;
    struct strbuf *out;
};

static void add_value(const struct walk *w, const struct type *type, const char *bytes, int depth);

static void add_array(const struct walk *w, const struct type *type, const char *bytes, int depth) {
    if (view_is_text_array(type)) {
        w->notation->text(w->view, bytes, type->count, false, w->out);
        return;
    }
    strbuf_addch(w->out, '[');
    for (uint32_t i = 0; i < type->count; i++) {
        if (i)
            strbuf_addch(w->out, ',');
        add_value(w, type->target, bytes + (size_t)i * type->target->size, depth + 1);
    }
    strbuf_addch(w->out, ']');
}

/* Members of anonymous members are members. */
static void add_members(const struct walk *w, const struct type *type, const char *bytes, int depth, bool *first) {
    type_complete(type);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        if (!view_field_inside(type, field))
            continue;
        if (!field->name && field->type->kind == TYPE_STRUCT) {
            if (depth < DEEPEST)
                add_members(w, field->type, bytes + field->offset, depth + 1, first);
            continue;
        }
        strbuf_addstr(w->out, *first ? w->notation->record_open : w->notation->record_between);
        *first = false;
        w->notation->name(field->name ? field->name : "", w->out);
        if (field->bit_size)
            w->notation->number(field->type, view_load_field(field, bytes + field->offset), w->out);
        else
            add_value(w, field->type, bytes + field->offset, depth + 1);
    }
}

static void add_struct(const struct walk *w, const struct type *type, const char *bytes, int depth) {
    bool first = true;

    add_members(w, type, bytes, depth, &first);
    strbuf_addstr(w->out, first ? "{}" : w->notation->record_close);
}

static void add_tuple(const struct walk *w, const struct type *type, const char *bytes, int depth) {
    strbuf_addstr(w->out, w->notation->tuple_open);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (i)
            strbuf_addstr(w->out, w->notation->tuple_between);
        add_value(w, type->fields[i].type, bytes + type->fields[i].offset, depth + 1);
    }
    strbuf_addstr(w->out, w->notation->tuple_close);
}

static void add_stats(const struct walk *w, const struct type *type, const char *bytes) {
    struct view_stats stats = view_stats(type, bytes, w->div);
    const struct type *number = type_int(64, type->is_signed);

    strbuf_addstr(w->out, w->notation->record_open);
    w->notation->name("count", w->out);
    w->notation->number(type_int(64, false), stats.count, w->out);
    strbuf_addstr(w->out, w->notation->record_between);
    w->notation->name("average", w->out);
    w->notation->number(number, (uint64_t)stats.average, w->out);
    strbuf_addstr(w->out, w->notation->record_between);
    w->notation->name("total", w->out);
    w->notation->number(number, (uint64_t)stats.total, w->out);
    strbuf_addstr(w->out, w->notation->record_close);
}

static void add_value(const struct walk *w, const struct type *type, const char *bytes, int depth) {
    if (depth > DEEPEST || type->kind == TYPE_VOID) {
        strbuf_addstr(w->out, "null");
        return;
    }
    switch (type->kind) {
    case TYPE_BOOL:
        strbuf_addstr(w->out, *bytes ? "true" : "false");
        return;
    case TYPE_STRING:
        w->notation->text(w->view, bytes, type->size, !type->is_array, w->out);
        return;
    case TYPE_ENUM:
        w->notation->number(type, view_load(type, bytes), w->out);
        return;
    case TYPE_ARRAY:
        add_array(w, type, bytes, depth);
        return;
    case TYPE_STRUCT:
        add_struct(w, type, bytes, depth);
        return;
    case TYPE_TUPLE:
        (type_is_record(type) ? add_struct : add_tuple)(w, type, bytes, depth);
        return;
    case TYPE_STATS:
        add_stats(w, type, bytes);
        return;
    case TYPE_AVG:
        w->notation->number(type, (uint64_t)view_stats(type, bytes, w->div).average, w->out);
        return;
    case TYPE_INT:
    case TYPE_COUNT:
    case TYPE_SUM:
    case TYPE_MIN:
    case TYPE_MAX:
        w->notation->number(type, (uint64_t)view_divide(view_number(type, bytes), type->is_signed, w->div), w->out);
        return;
    default:
        w->notation->other(w->view, type, bytes, w->div, w->out);
    }
}

void view_write(const struct view_notation *notation, const struct view *view, const struct type *type,
                const void *bytes, uint32_t div, struct strbuf *out) {
    add_value(&(struct walk){notation, view, div, out}, type, bytes, 0);
}
