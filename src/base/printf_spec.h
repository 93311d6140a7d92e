/* The format strings of printf, errorf, system, cat: one parser for the checker (lang) and for the printer (view).
 *
 * A conversion is % flags width .precision length conversion, with the flags only in this order: - + space # 0.
 * Length modifiers are any of h l j z t, repeated; they matter for %x and %o, which print 32 bits without one.
 *   %d %i %u %o %x %X %c %p   integers, bools, enums, pointers    %s      any type, as print() would show it
 *   %r %rx %rh                a buffer: text, \xNN, NN NN         %gr     allocation flags of the kernel by name
 *   %%                        a percent sign
 * Precision and '*' are accepted and have no effect, as in bpftrace; a '*' takes no argument.
 */
#ifndef TARSIER_BASE_PRINTF_SPEC_H
#define TARSIER_BASE_PRINTF_SPEC_H

#include "base/arena.h"
#include "base/type.h"
#include <stdbool.h>
#include <stdint.h>

enum printf_conversion {
    PRINTF_LITERAL, /* plain text; takes no argument */
    PRINTF_SIGNED,  /* d i */
    PRINTF_UNSIGNED,
    PRINTF_OCTAL,
    PRINTF_HEX,
    PRINTF_HEX_UPPER,
    PRINTF_CHAR,
    PRINTF_POINTER,
    PRINTF_STRING,
    PRINTF_BUFFER,
    PRINTF_BUFFER_HEX,    /* rx */
    PRINTF_BUFFER_SPACED, /* rh */
    PRINTF_GFP,           /* gr */
    PRINTF_REFUSED,       /* floats and %n: known to C, of no use here */
};

struct printf_spec {
    enum printf_conversion conversion;
    const char *text; /* literal: the text itself; else the conversion as written, from '%' */
    uint32_t length;
    uint32_t width;
    uint8_t bits;    /* of the value that is printed, by the length modifier: 8, 16, 32 or 64 */
    bool has_length; /* a length modifier was written */
    bool left, plus, alternate, zero;
};

enum { PRINTF_MOST_ARGUMENTS = 128 };

struct printf_format {
    const struct printf_spec *specs; /* literals and conversions in order */
    uint32_t count;
    uint32_t argument_count; /* conversions that take an argument */
};

/* Splits `format` (kept: the pieces point into it). Returns NULL, or the error text in the arena. */
const char *printf_parse(struct arena *arena, const char *format, struct printf_format *out);

/* Whether arguments of these types fit. Returns NULL, or the error text; *argument is the first that does not fit
 * (or `count` when the number of arguments is wrong). */
const char *printf_check(struct arena *arena, const struct printf_format *format, const struct type *const *types,
                         uint32_t count, uint32_t *argument);

#endif
