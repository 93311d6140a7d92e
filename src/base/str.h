/* strbuf: a growing text on the heap, always NUL-terminated. Zeroed is empty; strbuf_free() ends it.
 * Used where text is produced (output, messages, dumps); bytes with NULs are fine, `length` counts. */
#ifndef TARSIER_BASE_STR_H
#define TARSIER_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strbuf {
    char *data; /* NULL while empty */
    size_t length, capacity;
};

void strbuf_free(struct strbuf *buf);
void strbuf_reset(struct strbuf *buf); /* keeps the memory */
void strbuf_reserve(struct strbuf *buf, size_t extra);
void strbuf_add(struct strbuf *buf, const void *bytes, size_t length);
void strbuf_addstr(struct strbuf *buf, const char *text);
void strbuf_addch(struct strbuf *buf, char c);
void strbuf_addf(struct strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *buf, const char *format, va_list args);
void strbuf_fill(struct strbuf *buf, char c, size_t times);
const char *strbuf_text(const struct strbuf *buf); /* "" while empty */

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
/* Glob with '*' only (as bpftrace matches targets); no other character is special. */
bool str_glob(const char *pattern, const char *text);
/* Edit distance, for "did you mean": insert, delete, replace and swap cost 1; gives up past `limit`. */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* Unsigned number in base 10, 0x, or 0 (octal). False unless the whole text is one. */
bool str_to_u64(const char *text, uint64_t *value);

/* memmem(3), several times as fast for short needles in megabytes: sixteen places are looked at together. */
const char *str_find(const char *text, size_t size, const char *needle, size_t length);

#endif
