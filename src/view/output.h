/* Buffered bytes to a file descriptor. Nothing is lost silently: a failed write is remembered until it is asked for.
 *
 * A write takes the bytes into the buffer; the buffer goes out when it is full, on view_output_flush(), and after each
 * batch of events (view_output_settle) according to the mode. So a line appears as soon as the events that are already
 * there are printed, without a system call per line.
 *
 * Errors: EPIPE is the reader's decision to stop (head): `ended` becomes true and later bytes go nowhere. Any other
 * error (ENOSPC, EIO) stays in view_output_error() and later bytes are dropped; the caller reports it once and fails.
 */
#ifndef TARSIER_VIEW_OUTPUT_H
#define TARSIER_VIEW_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

enum view_buffering {
    VIEW_BUFFER_LINE, /* settle sends everything up to the last newline */
    VIEW_BUFFER_FULL, /* only a full buffer, or flush */
    VIEW_BUFFER_NONE, /* every write at once */
};

struct view_output;

/* The descriptor stays the caller's. */
struct view_output *view_output_new(int fd, enum view_buffering buffering);
/* Flushes and frees; returns the error as view_output_error() would. NULL is fine. */
int view_output_free(struct view_output *out);

void view_output_write(struct view_output *out, const void *bytes, size_t length);
/* A batch of events has been handled and the program is about to wait. */
void view_output_settle(struct view_output *out);
/* Everything goes out now (before system(), at the end). Returns view_output_error(). */
int view_output_flush(struct view_output *out);

int view_output_error(const struct view_output *out);  /* 0 or a negative errno; 0 for EPIPE */
bool view_output_ended(const struct view_output *out); /* the reader has gone: end the run quietly */

#endif
