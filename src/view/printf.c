/* printf: a list of small steps made once, run per event. The common steps (literals, plain numbers, plain strings)
 * write into the buffer directly; everything with a width or a sign goes through add_padded(). */
#include "view/view_int.h"

#include "base/printf_spec.h"
#include <string.h>

enum step_kind {
    STEP_LITERAL,
    STEP_SIGNED,   /* %d without flags or width */
    STEP_UNSIGNED, /* %u likewise */
    STEP_STRING,   /* %s of a string, no width */
    STEP_OTHER,
};

struct step {
    enum step_kind kind;
    const struct printf_spec *spec;
    const struct type *type;
};

struct view_printf {
    uint32_t count;
    struct step steps[];
};

static bool is_plain(const struct printf_spec *spec) { return !spec->width && !spec->plus; }

static enum step_kind step_kind(const struct printf_spec *spec, const struct type *type) {
    if (spec->conversion == PRINTF_LITERAL)
        return STEP_LITERAL;
    if (!is_plain(spec))
        return STEP_OTHER;
    if (spec->conversion == PRINTF_SIGNED && spec->bits == 64)
        return STEP_SIGNED;
    if (spec->conversion == PRINTF_UNSIGNED)
        return STEP_UNSIGNED;
    return spec->conversion == PRINTF_STRING && type->kind == TYPE_STRING ? STEP_STRING : STEP_OTHER;
}

struct view_printf *view_printf_compile(struct arena *arena, const char *format, const struct type *const *types,
                                        uint32_t count, const char **error, uint32_t *error_argument) {
    struct printf_format parsed;
    uint32_t next = 0;

    *error_argument = count;
    *error = printf_parse(arena, arena_strdup(arena, format), &parsed);
    if (!*error)
        *error = printf_check(arena, &parsed, types, count, error_argument);
    if (*error)
        return NULL;
    struct view_printf *compiled = arena_alloc(arena, sizeof *compiled + parsed.count * sizeof *compiled->steps);
    compiled->count = parsed.count;
    for (uint32_t i = 0; i < parsed.count; i++) {
        struct step *step = &compiled->steps[i];
        step->spec = &parsed.specs[i];
        step->type = step->spec->conversion == PRINTF_LITERAL ? NULL : types[next++];
        step->kind = step_kind(step->spec, step->type);
    }
    return compiled;
}

/* bool is 0 or 1; an aggregate is the number it stands for. */
static uint64_t load_number(const struct type *type, const void *bytes) {
    return (uint64_t)(type->kind == TYPE_AVG ? view_number(type, bytes) : (int64_t)view_load(type, bytes));
}

static uint64_t low_bits(uint64_t number, unsigned bits) { return bits < 64 ? number & ((1ull << bits) - 1) : number; }

/* %u of a value narrower than 64 bits shows the value's own bits (at least those of an int, as in C), unless the
 * format names a length. */
static uint64_t unsigned_value(const struct printf_spec *spec, const struct type *type, const void *bytes) {
    uint64_t number = load_number(type, bytes);

    return low_bits(number, !spec->has_length && type->size <= 4 ? 32 : spec->bits);
}

static int64_t signed_value(const struct printf_spec *spec, const struct type *type, const void *bytes) {
    unsigned unused = 64u - spec->bits;

    return (int64_t)(load_number(type, bytes) << unused) >> unused;
}

/* Pads what was appended since `start` to the width; the fill of a '0' flag goes outside the sign, as in bpftrace. */
static void pad(const struct printf_spec *spec, struct strbuf *out, size_t start) {
    size_t length = out->length - start;
    char fill = spec->zero ? '0' : ' ';

    if (length >= spec->width)
        return;
    size_t missing = spec->width - length;
    strbuf_fill(out, fill, missing);
    if (!spec->left) {
        memmove(out->data + start + missing, out->data + start, length);
        memset(out->data + start, fill, missing);
    }
}

static void add_radix(const struct printf_spec *spec, uint64_t number, unsigned shift, const char *prefix,
                      struct strbuf *out) {
    char text[VIEW_NUMBER_BYTES], *end = text + sizeof text;
    char *start = view_radix_digits(end, number, shift, spec->conversion == PRINTF_HEX_UPPER);

    if (number)
        strbuf_addstr(out, prefix);
    strbuf_add(out, start, (size_t)(end - start));
}

static void add_decimal(const struct printf_spec *spec, int64_t number, struct strbuf *out) {
    if (spec->plus && number >= 0)
        strbuf_addch(out, '+');
    view_add_signed(out, number);
}

static void add_buffer(const struct printf_spec *spec, const struct type *type, const char *bytes, struct strbuf *out) {
    enum view_buffer_style style = spec->conversion == PRINTF_BUFFER       ? VIEW_BUFFER_PRINTABLE
                                   : spec->conversion == PRINTF_BUFFER_HEX ? VIEW_BUFFER_ESCAPED
                                                                           : VIEW_BUFFER_SPACED;

    view_buffer_text((const unsigned char *)bytes + 4, view_buffer_length(type, bytes), style, out);
}

static void add_other(const struct view *view, const struct step *step, const void *bytes, struct strbuf *out) {
    const struct printf_spec *spec = step->spec;
    const struct type *type = step->type;
    bool prefix = spec->alternate;

    switch (spec->conversion) {
    case PRINTF_SIGNED:
        add_decimal(spec, signed_value(spec, type, bytes), out);
        return;
    case PRINTF_UNSIGNED:
        view_add_unsigned(out, unsigned_value(spec, type, bytes));
        return;
    case PRINTF_OCTAL:
        add_radix(spec, low_bits(load_number(type, bytes), spec->bits), 3, prefix ? "0" : "", out);
        return;
    case PRINTF_HEX:
        add_radix(spec, low_bits(load_number(type, bytes), spec->bits), 4, prefix ? "0x" : "", out);
        return;
    case PRINTF_HEX_UPPER:
        add_radix(spec, low_bits(load_number(type, bytes), spec->bits), 4, prefix ? "0X" : "", out);
        return;
    case PRINTF_POINTER: /* a null pointer is a bare 0 */
        add_radix(spec, load_number(type, bytes), 4, "0x", out);
        return;
    case PRINTF_CHAR:
        strbuf_addch(out, (char)load_number(type, bytes));
        return;
    case PRINTF_GFP:
        view_gfp_flags(load_number(type, bytes), out);
        return;
    case PRINTF_BUFFER:
    case PRINTF_BUFFER_HEX:
    case PRINTF_BUFFER_SPACED:
        add_buffer(spec, type, bytes, out);
        return;
    default:
        view_value(view, type, bytes, out);
    }
}

void view_printf_run(const struct view *view, const struct view_printf *compiled, const void *const *arguments,
                     struct strbuf *out) {
    for (uint32_t i = 0; i < compiled->count; i++) {
        const struct step *step = &compiled->steps[i];
        size_t start;

        switch (step->kind) {
        case STEP_LITERAL:
            strbuf_add(out, step->spec->text, step->spec->length);
            break;
        case STEP_SIGNED:
            view_add_signed(out, (int64_t)load_number(step->type, *arguments++));
            break;
        case STEP_UNSIGNED:
            view_add_unsigned(out, unsigned_value(step->spec, step->type, *arguments++));
            break;
        case STEP_STRING:
            view_value(view, step->type, *arguments++, out);
            break;
        case STEP_OTHER:
            start = out->length;
            add_other(view, step, *arguments++, out);
            pad(step->spec, out, start);
            break;
        }
    }
}
