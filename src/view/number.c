/* Digits without printf: two at a time, written backwards. */
#include "view/view_int.h"

#include <string.h>

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                  "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

char *view_unsigned_digits(char *end, uint64_t number) {
    while (number >= 100) {
        uint64_t rest = number / 100;
        end -= 2;
        memcpy(end, &digit_pairs[2 * (number - rest * 100)], 2);
        number = rest;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, &digit_pairs[2 * number], 2);
    } else {
        *--end = (char)('0' + number);
    }
    return end;
}

char *view_radix_digits(char *end, uint64_t number, unsigned shift, bool upper) {
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    do {
        *--end = digits[number & ((1u << shift) - 1)];
        number >>= shift;
    } while (number);
    return end;
}

void view_add_unsigned(struct strbuf *out, uint64_t number) {
    char text[VIEW_NUMBER_BYTES], *end = text + sizeof text, *start = view_unsigned_digits(end, number);

    strbuf_add(out, start, (size_t)(end - start));
}

void view_add_signed(struct strbuf *out, int64_t number) {
    char text[VIEW_NUMBER_BYTES], *end = text + sizeof text;
    char *start = view_unsigned_digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);

    if (number < 0)
        *--start = '-';
    strbuf_add(out, start, (size_t)(end - start));
}

void view_add_number(struct strbuf *out, int64_t number, bool is_signed) {
    if (is_signed)
        view_add_signed(out, number);
    else
        view_add_unsigned(out, (uint64_t)number);
}

void view_add_hex(struct strbuf *out, uint64_t number) {
    char text[VIEW_NUMBER_BYTES], *end = text + sizeof text, *start = view_radix_digits(end, number, 4, false);

    *--start = 'x';
    *--start = '0';
    strbuf_add(out, start, (size_t)(end - start));
}
