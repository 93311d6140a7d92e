/* One value as text. */
#include "view/view_int.h"

#include <string.h>

static void add_text(const struct view *view, const char *bytes, uint32_t size, bool can_be_cut, struct strbuf *out) {
    bool cut;
    size_t length = view_text_length(bytes, size, &cut);

    strbuf_add(out, bytes, length);
    if (cut && can_be_cut)
        strbuf_addstr(out, view_trailer(view));
}

/* An enum by its name, if it has one. */
static void add_number(const struct type *type, uint64_t number, struct strbuf *out) {
    const struct type_enumerator *enumerator = type->kind == TYPE_ENUM ? view_enumerator(type, number) : NULL;

    if (enumerator)
        strbuf_addstr(out, enumerator->name);
    else
        view_add_number(out, (int64_t)number, type->is_signed);
}

static void add_name(const char *name, struct strbuf *out) {
    strbuf_addstr(out, name);
    strbuf_addstr(out, " = ");
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

/* Without a resolver an address is all there is to say. */
static void add_named(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    if (view->names)
        view->names->format(view->names->context, type, bytes, out);
    else
        view_add_hex(out, view_u64(bytes, 0));
}

static void add_other(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                      struct strbuf *out) {
    switch (type->kind) {
    case TYPE_POINTER:
        view_add_hex(out, view_load(type, bytes));
        return;
    case TYPE_BUFFER:
        view_buffer_text((const unsigned char *)bytes + 4, view_buffer_length(type, bytes), VIEW_BUFFER_PRINTABLE, out);
        return;
    case TYPE_INET:
        view_add_inet(bytes, out);
        return;
    case TYPE_MACADDR:
        view_add_macaddr(bytes, out);
        return;
    case TYPE_HIST:
    case TYPE_LHIST:
        view_histogram(type, bytes, div, out);
        return;
    case TYPE_TSERIES:
        view_series(type, bytes, view_series_last(type, bytes), out);
        return;
    default:
        add_named(view, type, bytes, out);
    }
}

void view_value_divided(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                        struct strbuf *out) {
    static const struct view_notation text = {
        .tuple_open = "(",
        .tuple_between = ", ",
        .tuple_close = ")",
        .record_open = "{ .",
        .record_between = ", .",
        .record_close = " }",
        .name = add_name,
        .text = add_text,
        .number = add_number,
        .other = add_other,
    };

    view_write(&text, view, type, bytes, div, out);
}

void view_value(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    view_value_divided(view, type, bytes, 1, out);
}
