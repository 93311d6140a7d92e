/* Shared by the readers of this room: getting at bytes, and taking them apart without leaving them. */
#ifndef TARSIER_OBJECT_INPUT_H
#define TARSIER_OBJECT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* Reads to the end of `fd`, at most `limit` bytes, into the heap with a NUL behind (not counted). 0, -EFBIG when there
 * is more, or another negative errno. Works for /proc, whose files tell no size. */
int object_read_fd(int fd, size_t limit, char **bytes, size_t *size);
int object_read_file(const char *path, size_t limit, char **bytes, size_t *size);

static inline bool object_fits(uint64_t total, uint64_t offset, uint64_t length) {
    return offset <= total && length <= total - offset;
}

static inline uint16_t object_u16(const void *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint32_t object_u32(const void *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t object_u64(const void *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* A piece of text that need not end in NUL; reading takes it off the front. */
struct object_text {
    const char *at, *end;
};

static inline struct object_text object_text(const char *text, size_t size) {
    return (struct object_text){text, size ? text + size : text};
}
static inline size_t object_text_length(struct object_text text) { return (size_t)(text.end - text.at); }
/* Takes the next line (without its newline); false at the end. */
bool object_text_line(struct object_text *rest, struct object_text *line);
/* Takes the characters up to `separator` and the separator; all there is when it does not occur. */
struct object_text object_text_until(struct object_text *text, char separator);
/* Takes a number; false (and nothing taken) when there is none or it exceeds 64 bits. */
bool object_text_number(struct object_text *text, unsigned base, uint64_t *value);
bool object_text_take(struct object_text *text, char c);
void object_text_skip_blanks(struct object_text *text);
bool object_text_equals(struct object_text text, const char *other);
bool object_text_starts(struct object_text text, const char *prefix);

#endif
