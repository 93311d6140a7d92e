#include "base/str.h"

#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_free(struct strbuf *buf) {
    free(buf->data);
    *buf = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *buf) {
    buf->length = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

void strbuf_reserve(struct strbuf *buf, size_t extra) {
    if (buf->capacity - buf->length > extra)
        return;
    if (extra >= SIZE_MAX / 4 - buf->length)
        arena_out_of_memory(extra);
    size_t needed = buf->length + extra + 1; /* the closing NUL */
    size_t larger = buf->capacity ? buf->capacity * 2 : 64;
    if (larger < needed)
        larger = needed;
    char *data = realloc(buf->data, larger);
    if (!data)
        arena_out_of_memory(larger);
    buf->data = data;
    buf->capacity = larger;
}

void strbuf_add(struct strbuf *buf, const void *bytes, size_t length) {
    strbuf_reserve(buf, length);
    if (length)
        memcpy(buf->data + buf->length, bytes, length);
    buf->length += length;
    buf->data[buf->length] = '\0';
}

void strbuf_addstr(struct strbuf *buf, const char *text) { strbuf_add(buf, text, strlen(text)); }

void strbuf_addch(struct strbuf *buf, char c) { strbuf_add(buf, &c, 1); }

void strbuf_addf(struct strbuf *buf, const char *format, ...) {
    va_list args;

    va_start(args, format);
    strbuf_vaddf(buf, format, args);
    va_end(args);
}

void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args) {
    va_list again;

    strbuf_reserve(buf, 64); /* most pieces fit, and are formatted once */
    size_t room = buf->capacity - buf->length;
    va_copy(again, args);
    int length = vsnprintf(buf->data + buf->length, room, format, args);
    if (length >= 0 && (size_t)length >= room) {
        strbuf_reserve(buf, (size_t)length);
        vsnprintf(buf->data + buf->length, (size_t)length + 1, format, again);
    }
    va_end(again);
    if (length > 0)
        buf->length += (size_t)length;
    buf->data[buf->length] = '\0';
}

void strbuf_fill(struct strbuf *buf, char c, size_t times) {
    strbuf_reserve(buf, times);
    memset(buf->data + buf->length, c, times);
    buf->length += times;
    buf->data[buf->length] = '\0';
}

const char *strbuf_text(const struct strbuf *buf) { return buf->data ? buf->data : ""; }

bool str_starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

bool str_ends(const char *text, const char *suffix) {
    size_t length = strlen(text), tail = strlen(suffix);

    return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

bool str_glob(const char *pattern, const char *text) {
    /* On a mismatch only the latest '*' needs to take one more character: linear space, no recursion. */
    const char *star = NULL, *retry = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

enum { DISTANCE_LONGEST = 128 };

static unsigned smaller(unsigned a, unsigned b) { return a < b ? a : b; }

unsigned str_distance(const char *a, const char *b, unsigned limit) {
    size_t rows = strlen(a), columns = strlen(b);
    unsigned table[3][DISTANCE_LONGEST + 1]; /* the row before the previous one is for swaps */

    if (rows > DISTANCE_LONGEST || columns > DISTANCE_LONGEST)
        return limit + 1;
    for (unsigned column = 0; column <= columns; column++)
        table[0][column] = column;
    for (unsigned row = 1; row <= rows; row++) {
        unsigned *now = table[row % 3], *before = table[(row + 2) % 3], *swap = table[(row + 1) % 3];
        unsigned best = now[0] = row;
        for (unsigned column = 1; column <= columns; column++) {
            unsigned cost = before[column - 1] + (a[row - 1] != b[column - 1]);
            cost = smaller(cost, smaller(before[column], now[column - 1]) + 1);
            if (row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1])
                cost = smaller(cost, swap[column - 2] + 1);
            now[column] = cost;
            best = smaller(best, cost);
        }
        /* A swap may still come back from the row before: give up only one past the limit. */
        if (best > limit + 1)
            return limit + 1;
    }
    return smaller(table[rows % 3][columns], limit + 1);
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

bool str_to_u64(const char *text, uint64_t *value) {
    unsigned base = 10;
    uint64_t number = 0;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    } else if (text[0] == '0' && text[1]) {
        base = 8;
        text++;
    }
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned digit = (unsigned)digit_value(*text);
        if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *value = number;
    return true;
}

typedef uint8_t sixteen __attribute__((vector_size(16)));

static sixteen sixteen_at(const char *at) {
    sixteen bytes;
    memcpy(&bytes, at, sizeof bytes);
    return bytes;
}

static sixteen equal_bytes(const char *at, sixteen byte) { return (sixteen)(sixteen_at(at) == byte); }

static bool has_any(sixteen bytes) {
    uint64_t halves[2];
    memcpy(halves, &bytes, sizeof halves);
    return halves[0] | halves[1];
}

/* Candidates have two of the needle's bytes in the right distance: not the outermost, which for whole strings are NULs,
 * and of those a table of names is full. */
const char *str_find(const char *text, size_t size, const char *needle, size_t length) {
    enum { AT_ONCE = 4 };
    const char *at = text, *end = text + size;

    if (length == 0 || size < length)
        return length == 0 ? text : NULL;
    size_t one = length < 4 ? 0 : 1, two = length - 1 - one, block = AT_ONCE * sizeof(sixteen);
    sixteen first = (sixteen){0} + (uint8_t)needle[one], last = (sixteen){0} + (uint8_t)needle[two];
    for (; (size_t)(end - at) >= length - 1 + block; at += block) {
        sixteen hits[AT_ONCE], any = {0};
        for (size_t i = 0; i < AT_ONCE; i++) {
            const char *part = at + i * sizeof *hits;
            hits[i] = equal_bytes(part + one, first) & equal_bytes(part + two, last);
            any |= hits[i];
        }
        if (!has_any(any))
            continue;
        for (size_t i = 0; i < block; i++) {
            if (hits[i / sizeof *hits][i % sizeof *hits] && memcmp(at + i, needle, length) == 0)
                return at + i;
        }
    }
    return memmem(at, (size_t)(end - at), needle, length);
}
