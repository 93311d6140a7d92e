#include "view/output.h"

#include "base/arena.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024 };

struct view_output {
    int fd;
    enum view_buffering buffering;
    int error; /* negative errno of the first write that failed; -EPIPE: the reader has gone */
    size_t length;
    char buffer[BUFFER_BYTES];
};

struct view_output *view_output_new(int fd, enum view_buffering buffering) {
    struct view_output *out = malloc(sizeof *out); /* not zeroed: the pages of the buffer are touched as they fill */

    if (!out)
        arena_out_of_memory(sizeof *out);
    out->fd = fd;
    out->buffering = buffering;
    out->error = 0;
    out->length = 0;
    return out;
}

/* Writes all of it, or remembers why not. */
static void send_bytes(struct view_output *out, const char *bytes, size_t length) {
    while (length && !out->error) {
        ssize_t sent = write(out->fd, bytes, length);
        if (sent >= 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN) { /* someone made the terminal non-blocking: wait, nothing may be lost */
            poll(&(struct pollfd){.fd = out->fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            out->error = -errno;
        }
    }
}

/* Sends the first `length` buffered bytes and moves the rest to the front. */
static void send_buffered(struct view_output *out, size_t length) {
    send_bytes(out, out->buffer, length);
    out->length -= length;
    memmove(out->buffer, out->buffer + length, out->length);
}

void view_output_write(struct view_output *out, const void *bytes, size_t length) {
    if (out->error)
        return;
    if (length > BUFFER_BYTES - out->length)
        send_buffered(out, out->length);
    if (length > BUFFER_BYTES) {
        send_bytes(out, bytes, length);
        return;
    }
    if (length)
        memcpy(out->buffer + out->length, bytes, length);
    out->length += length;
    if (out->buffering == VIEW_BUFFER_NONE)
        send_buffered(out, out->length);
}

void view_output_settle(struct view_output *out) {
    if (out->buffering != VIEW_BUFFER_LINE || !out->length)
        return;
    const char *newline = memrchr(out->buffer, '\n', out->length);
    if (newline)
        send_buffered(out, (size_t)(newline - out->buffer) + 1);
}

int view_output_flush(struct view_output *out) {
    send_buffered(out, out->length);
    return view_output_error(out);
}

int view_output_error(const struct view_output *out) { return out->error == -EPIPE ? 0 : out->error; }

bool view_output_ended(const struct view_output *out) { return out->error == -EPIPE; }

int view_output_free(struct view_output *out) {
    if (!out)
        return 0;
    int error = view_output_flush(out);
    free(out);
    return error;
}
