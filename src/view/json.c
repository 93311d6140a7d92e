/* JSON: values, and the messages that are one object a line. */
#include "view/view_int.h"

#include <string.h>

/* Length of the UTF-8 character at text, or 0 when the bytes are none (overlong, surrogate, cut, stray). */
static size_t utf8_length(const unsigned char *text, size_t available) {
    static const struct {
        unsigned char first, last, second_low, second_high, length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*text < forms[i].first || *text > forms[i].last)
            continue;
        if (forms[i].length > available || text[1] < forms[i].second_low || text[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void add_escape(unsigned char c, struct strbuf *out) {
    static const char special[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    const char *at = c ? strchr(special, c) : NULL;

    if (at) {
        char text[2] = {'\\', letters[at - special]};
        strbuf_add(out, text, sizeof text);
    } else {
        char text[6] = {'\\', 'u', '0', '0', "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15]};
        strbuf_add(out, text, sizeof text);
    }
}

/* The inside of a quoted string. */
static void add_escaped(const char *text, size_t length, struct strbuf *out) {
    const unsigned char *bytes = (const unsigned char *)text;
    size_t plain = 0, i = 0;

    while (i < length) {
        size_t step = 1;
        if (bytes[i] >= 0x80)
            step = utf8_length(bytes + i, length - i);
        else if (bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\')
            step = 0;
        if (step) {
            i += step;
            continue;
        }
        strbuf_add(out, text + plain, i - plain);
        add_escape(bytes[i], out);
        plain = ++i;
    }
    strbuf_add(out, text + plain, length - plain);
}

void view_json_string(const char *text, size_t length, struct strbuf *out) {
    strbuf_addch(out, '"');
    add_escaped(text, length, out);
    strbuf_addch(out, '"');
}

/* Readers hold numbers as doubles: what would not survive that goes as a string. */
static void add_number(int64_t number, bool is_signed, struct strbuf *out) {
    enum { EXACT_BITS = 53 };
    uint64_t magnitude = is_signed && number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    bool exact = !magnitude || 64 - __builtin_clzll(magnitude) - __builtin_ctzll(magnitude) <= EXACT_BITS;

    if (!exact)
        strbuf_addch(out, '"');
    view_add_number(out, number, is_signed);
    if (!exact)
        strbuf_addch(out, '"');
}

void view_json_number(int64_t number, bool is_signed, struct strbuf *out) { add_number(number, is_signed, out); }

static void add_text(const struct view *view, const char *bytes, uint32_t size, bool can_be_cut, struct strbuf *out) {
    bool cut;
    size_t length = view_text_length(bytes, size, &cut);

    strbuf_addch(out, '"');
    add_escaped(bytes, length, out);
    if (cut && can_be_cut)
        add_escaped(view_trailer(view), strlen(view_trailer(view)), out);
    strbuf_addch(out, '"');
}

static void add_buffer(const unsigned char *bytes, size_t length, struct strbuf *out) {
    strbuf_addch(out, '[');
    for (size_t i = 0; i < length; i++) {
        if (i)
            strbuf_addch(out, ',');
        view_add_signed(out, (signed char)bytes[i]);
    }
    strbuf_addch(out, ']');
}

/* Enums too, also where they have a name. */
static void add_integer(const struct type *type, uint64_t number, struct strbuf *out) {
    add_number((int64_t)number, type->is_signed, out);
}

static void add_name(const char *name, struct strbuf *out) {
    view_json_string(name, strlen(name), out);
    strbuf_addstr(out, ": ");
}

/* Kinds whose JSON is their text in quotes. */
static void add_quoted(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    struct strbuf text = {0};

    view_value(view, type, bytes, &text);
    view_json_string(strbuf_text(&text), text.length, out);
    strbuf_free(&text);
}

static void add_other(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                      struct strbuf *out) {
    switch (type->kind) {
    case TYPE_POINTER:
        add_number((int64_t)view_load(type, bytes), false, out);
        return;
    case TYPE_BUFFER:
        add_buffer((const unsigned char *)bytes + 4, view_buffer_length(type, bytes), out);
        return;
    case TYPE_HIST:
    case TYPE_LHIST:
        view_histogram_json(type, bytes, div, out);
        return;
    case TYPE_TSERIES:
        view_series_json(type, bytes, view_series_last(type, bytes), out);
        return;
    default:
        add_quoted(view, type, bytes, out);
    }
}

void view_value_json_divided(const struct view *view, const struct type *type, const void *bytes, uint32_t div,
                             struct strbuf *out) {
    static const struct view_notation json = {
        .tuple_open = "[",
        .tuple_between = ",",
        .tuple_close = "]",
        .record_open = "{",
        .record_between = ", ",
        .record_close = "}",
        .name = add_name,
        .text = add_text,
        .number = add_integer,
        .other = add_other,
    };

    view_write(&json, view, type, bytes, div, out);
}

void view_value_json(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out) {
    view_value_json_divided(view, type, bytes, 1, out);
}
