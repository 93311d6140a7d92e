#include "base/printf_spec.h"

#include "base/vec.h"
#include <string.h>

enum { WIDEST = 65535 }; /* a field wider than any string we can carry is a slip of the finger */

/* letters, conversion, bits without a length modifier. Longer spellings stand before their prefixes. */
static const struct conversion {
    const char *letters;
    enum printf_conversion conversion;
    uint8_t bits;
} conversions[] = {
    {"d", PRINTF_SIGNED, 64},  {"i", PRINTF_SIGNED, 64},      {"u", PRINTF_UNSIGNED, 64},
    {"o", PRINTF_OCTAL, 32},   {"x", PRINTF_HEX, 32},         {"X", PRINTF_HEX_UPPER, 32},
    {"c", PRINTF_CHAR, 8},     {"s", PRINTF_STRING, 64},      {"p", PRINTF_POINTER, 64},
    {"gr", PRINTF_GFP, 64},    {"rx", PRINTF_BUFFER_HEX, 64}, {"rh", PRINTF_BUFFER_SPACED, 64},
    {"r", PRINTF_BUFFER, 64},  {"%", PRINTF_LITERAL, 64},     {"e", PRINTF_REFUSED, 64},
    {"E", PRINTF_REFUSED, 64}, {"f", PRINTF_REFUSED, 64},     {"F", PRINTF_REFUSED, 64},
    {"g", PRINTF_REFUSED, 64}, {"G", PRINTF_REFUSED, 64},     {"a", PRINTF_REFUSED, 64},
    {"A", PRINTF_REFUSED, 64}, {"n", PRINTF_REFUSED, 64},
};

static const struct conversion *find_conversion(const char *text) {
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++)
        if (str_starts(text, conversions[i].letters))
            return &conversions[i];
    return NULL;
}

static bool take(const char **at, char c) {
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* A number or '*'; false when neither stands there. Saturates past WIDEST. */
static bool take_number(const char **at, uint32_t *number) {
    *number = 0;
    if (take(at, '*'))
        return true;
    if (**at < '0' || **at > '9')
        return false;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (*number <= WIDEST)
            *number = *number * 10 + (uint32_t)(**at - '0');
    return true;
}

static uint8_t modified_bits(const char *modifier, size_t length, uint8_t plain) {
    static const struct {
        const char *text;
        uint8_t bits;
    } modifiers[] = {{"hh", 8}, {"h", 16}, {"l", 64}, {"ll", 64}, {"j", 64}, {"z", 64}, {"t", 64}};

    for (size_t i = 0; i < sizeof modifiers / sizeof *modifiers; i++)
        if (strlen(modifiers[i].text) == length && memcmp(modifiers[i].text, modifier, length) == 0)
            return modifiers[i].bits;
    return plain;
}

/* Reads one conversion at a '%'. Returns the byte behind it, or NULL when this is no conversion but plain text. */
static const char *parse_spec(const char *start, struct printf_spec *spec) {
    const char *at = start + 1, *modifier;
    uint32_t precision;

    *spec = (struct printf_spec){.text = start};
    spec->left = take(&at, '-');
    spec->plus = take(&at, '+');
    take(&at, ' ');
    spec->alternate = take(&at, '#');
    spec->zero = take(&at, '0');
    take_number(&at, &spec->width);
    if (take(&at, '.') && !take_number(&at, &precision))
        return NULL;
    modifier = at;
    while (*at && strchr("hlLjzt", *at))
        at++;
    const struct conversion *conversion = find_conversion(at);
    if (!conversion)
        return NULL;
    spec->conversion = conversion->conversion;
    spec->has_length = at > modifier;
    spec->bits = modified_bits(modifier, (size_t)(at - modifier), conversion->bits);
    at += strlen(conversion->letters);
    spec->length = (uint32_t)(at - start);
    return at;
}

typedef VEC(struct printf_spec) spec_list;

static void add_literal(struct arena *arena, spec_list *specs, const char *text, size_t length) {
    if (length)
        vec_push(arena, specs, ((struct printf_spec){.text = text, .length = (uint32_t)length}));
}

const char *printf_parse(struct arena *arena, const char *format, struct printf_format *out) {
    spec_list specs = {0};
    const char *literal = format, *at = format;
    uint32_t arguments = 0;

    while ((at = strchr(at, '%'))) {
        struct printf_spec spec;
        const char *end = parse_spec(at, &spec);
        if (!end) {
            at++;
            continue;
        }
        if (spec.width > WIDEST)
            return arena_printf(arena, "field width too large in format specifier: %.*s", (int)spec.length, spec.text);
        add_literal(arena, &specs, literal, (size_t)(at - literal));
        if (spec.conversion == PRINTF_LITERAL) {
            add_literal(arena, &specs, end - 1, 1); /* the last '%' of "%%" */
        } else {
            vec_push(arena, &specs, spec);
            arguments++;
        }
        literal = at = end;
    }
    add_literal(arena, &specs, literal, strlen(literal));
    *out = (struct printf_format){specs.data, specs.count, arguments};
    return NULL;
}

static const char *spec_letters(const struct printf_spec *spec) {
    const char *at = spec->text + spec->length - 1;

    /* gr, rx and rh are the only ones of two letters */
    if (spec->conversion == PRINTF_GFP || spec->conversion == PRINTF_BUFFER_HEX ||
        spec->conversion == PRINTF_BUFFER_SPACED)
        at--;
    return find_conversion(at)->letters;
}

static bool is_number(const struct type *type) {
    return type->kind == TYPE_INT || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM || type->kind == TYPE_POINTER ||
           (type->kind >= TYPE_COUNT && type->kind <= TYPE_MAX);
}

static const char *check_argument(struct arena *arena, const struct printf_spec *spec, const struct type *type) {
    bool fits = true;

    if (type->kind == TYPE_VOID)
        return arena_printf(arena, "unable to print none type for specifier: %s", spec_letters(spec));
    switch (spec->conversion) {
    case PRINTF_REFUSED:
        return arena_printf(arena, "unsupported format specifier: %s", spec_letters(spec));
    case PRINTF_LITERAL:
    case PRINTF_STRING:
        break;
    case PRINTF_BUFFER:
    case PRINTF_BUFFER_HEX:
    case PRINTF_BUFFER_SPACED:
        fits = type->kind == TYPE_BUFFER;
        break;
    default:
        fits = is_number(type);
    }
    if (fits)
        return NULL;
    return arena_printf(arena, "unsupported format specifier for type '%s': %s", type_text(arena, type),
                        spec_letters(spec));
}

const char *printf_check(struct arena *arena, const struct printf_format *format, const struct type *const *types,
                         uint32_t count, uint32_t *argument) {
    uint32_t next = 0;

    *argument = count;
    if (count != format->argument_count)
        return arena_printf(arena, "%s arguments for format string (%u supplied, %u expected)",
                            count < format->argument_count ? "not enough" : "too many", count, format->argument_count);
    for (uint32_t i = 0; i < format->count; i++) {
        if (format->specs[i].conversion == PRINTF_LITERAL)
            continue;
        const char *error = check_argument(arena, &format->specs[i], types[next]);
        if (error) {
            *argument = next;
            return error;
        }
        next++;
    }
    return NULL;
}
