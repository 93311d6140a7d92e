#include "object/input.h"

#include "base/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int object_read_fd(int fd, size_t limit, char **bytes, size_t *size) {
    size_t capacity = 64 << 10, length = 0;
    char *data = malloc(capacity);

    if (!data)
        arena_out_of_memory(capacity);
    for (;;) {
        ssize_t got = read(fd, data + length, capacity - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || length + (size_t)got > limit) {
            int error = got < 0 ? -errno : -EFBIG;
            free(data);
            return error;
        }
        length += (size_t)got;
        if (got == 0)
            break;
        if (length == capacity - 1) {
            capacity *= 2;
            char *larger = realloc(data, capacity);
            if (!larger)
                arena_out_of_memory(capacity);
            data = larger;
        }
    }
    data[length] = '\0';
    *bytes = data;
    *size = length;
    return 0;
}

int object_read_file(const char *path, size_t limit, char **bytes, size_t *size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int error = object_read_fd(fd, limit, bytes, size);
    close(fd);
    return error;
}

struct object_text object_text_until(struct object_text *text, char separator) {
    size_t length = object_text_length(*text);
    const char *found = length ? memchr(text->at, separator, length) : NULL;
    struct object_text piece = {text->at, found ? found : text->end};

    text->at = found ? found + 1 : text->end;
    return piece;
}

bool object_text_line(struct object_text *rest, struct object_text *line) {
    if (rest->at == rest->end)
        return false;
    *line = object_text_until(rest, '\n');
    return true;
}

bool object_text_number(struct object_text *text, unsigned base, uint64_t *value) {
    const char *at = text->at;
    uint64_t number = 0;

    for (; at < text->end; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
                         : *at >= 'A' && *at <= 'F' ? (unsigned)(*at - 'A') + 10
                                                    : base;
        if (digit >= base)
            break;
        if (__builtin_mul_overflow(number, base, &number) || __builtin_add_overflow(number, digit, &number))
            return false;
    }
    if (at == text->at)
        return false;
    text->at = at;
    *value = number;
    return true;
}

bool object_text_take(struct object_text *text, char c) {
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

void object_text_skip_blanks(struct object_text *text) {
    while (text->at < text->end && (*text->at == ' ' || *text->at == '\t'))
        text->at++;
}

bool object_text_equals(struct object_text text, const char *other) {
    size_t length = strlen(other);

    return object_text_length(text) == length && (length == 0 || memcmp(text.at, other, length) == 0);
}

bool object_text_starts(struct object_text text, const char *prefix) {
    size_t length = strlen(prefix);

    return object_text_length(text) >= length && (length == 0 || memcmp(text.at, prefix, length) == 0);
}
