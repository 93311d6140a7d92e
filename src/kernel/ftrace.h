/* A run of one of the kernel's own tracers (function_graph) that leaves no trace of itself.
 *
 * The tracer's settings are files of tracefs and outlive whoever writes them, so this is the one place of tarsier whose
 * effects do not hang on descriptors. What makes up for it:
 *
 *   place      an instance of our own (instances/tarsier-PID), with its own buffers, processes and tracer. Where the
 *              kernel has this tracer only at the top (function_graph before 6.11) that is used, if nobody else does:
 *              no tracer, no events, nothing in the buffers, no filters. Else: busy, with what is in the way.
 *   undoing    a child process (the watchdog) waits for the end of a pipe, which comes when we close it or die in
 *              whatever way. It is told what to write where before each change is made; then it removes the instance.
 *              If it was killed itself we do its work; if both were, the next run of tarsier does.
 *   alive      a lock (flock) on the directory of the instance, held by both: without it, an instance of our name is
 *              left over. Starting is under a lock on instances/, so that two runs do not take each other for granted.
 *
 * Filters of function_graph (set_graph_function, set_graph_notrace, max_graph_depth) are the whole system's: with them
 * only one user of that tracer can run at a time, and others are told so.
 *
 * Times are CLOCK_MONOTONIC. Failures: negative errno and a text. One run at a time in a process.
 */
#ifndef TARSIER_KERNEL_FTRACE_H
#define TARSIER_KERNEL_FTRACE_H

#include "base/arena.h"
#include "kernel/tracefs.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kernel_ftrace;

struct kernel_ftrace_problem {
    const char *message; /* one line, no "ERROR:" */
    const char *hint;    /* NULL or what to do */
    bool is_absent;      /* this kernel has no such tracer */
};

struct kernel_ftrace_spec {
    const char *tracer;
    /* names of functions with * ? [] as the kernel takes them */
    const char *const *functions, *const *not_functions; /* at which trees begin; which they leave out */
    const char *const *only;                             /* no others are traced at all, which costs the system less */
    uint32_t function_count, not_function_count, only_count;
    uint32_t depth; /* 0: no limit */
    const pid_t *threads;
    uint32_t thread_count; /* 0: all but this process */
    bool follows;          /* and the threads and processes that these start */
    uint64_t buffer_kb;    /* for each CPU */
};

/* Sets everything up, traces nothing yet. NULL and *problem when it cannot. `tracefs` must outlive it. */
struct kernel_ftrace *kernel_ftrace_open(struct arena *arena, const struct kernel_tracefs *tracefs,
                                         const struct kernel_ftrace_spec *spec, struct kernel_ftrace_problem *problem);
int kernel_ftrace_start(struct kernel_ftrace *ftrace);
int kernel_ftrace_stop(struct kernel_ftrace *ftrace); /* what is in the buffers stays */
/* Undoes everything. 0, or a negative errno when something of it could not be (then *problem says what). */
int kernel_ftrace_close(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem);

/* The tracer runs in an instance of our own. */
bool kernel_ftrace_is_private(const struct kernel_ftrace *ftrace);
uint32_t kernel_ftrace_cpu_count(const struct kernel_ftrace *ftrace);
uint32_t kernel_ftrace_cpu(const struct kernel_ftrace *ftrace, uint32_t index);
/* The next page of a CPU's buffer, as object/trace_page.h reads it: its bytes, 0: none at present, or a negative
 * errno. `page` is of KERNEL_FTRACE_PAGE_MAX bytes, 8-aligned. */
enum { KERNEL_FTRACE_PAGE_MAX = 65536 };
ssize_t kernel_ftrace_read(struct kernel_ftrace *ftrace, uint32_t index, void *page);
/* Waits until a buffer is a quarter full, `stop_fd` is readable or the time is over. True: stop_fd is. */
bool kernel_ftrace_wait(struct kernel_ftrace *ftrace, const int *stop_fds, uint32_t stop_count, int timeout_ms);
/* Appends the text of a file of the place (relative path). */
int kernel_ftrace_read_file(const struct kernel_ftrace *ftrace, const char *path, struct strbuf *out);

#endif
