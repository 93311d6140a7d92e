/* What the files of kernel/ftrace share: writing to tracefs, and the watchdog. */
#ifndef TARSIER_KERNEL_FTRACE_INT_H
#define TARSIER_KERNEL_FTRACE_INT_H

#include "base/vec.h"
#include "kernel/ftrace.h"

#define FTRACE_OWN_PREFIX "tarsier-" /* of names of instances */

/* One change that is undone by writing `before` (empty: by truncating). */
struct ftrace_change {
    const char *path, *before;
};

struct ftrace_undo {
    int root_fd;          /* of tracefs */
    const char *instance; /* "instances/tarsier-12" */
    const char *place;    /* `instance`, or "." */
    VEC(struct ftrace_change) changes;
};

/* Writes to a file below the directory; `text` empty: truncates it. */
int ftrace_write(int directory_fd, const char *path, const char *text);
/* What is written to have a setting again that reads like `text`. */
const char *ftrace_setting_in(struct arena *arena, const char *text);
/* Undoes all, the last change first. The first error, but goes on after it. */
int ftrace_undo(const struct ftrace_undo *undo);

/* ftrace_watchdog.c */
struct ftrace_watchdog {
    pid_t pid;
    int fd; /* of the pipe */
};
/* And makes the instance. */
int ftrace_watchdog_start(struct ftrace_watchdog *watchdog, struct arena *arena, const struct ftrace_undo *undo);
/* Before a change is made. */
int ftrace_watchdog_note(const struct ftrace_watchdog *watchdog, const struct ftrace_change *change);
/* The tracer is at the top, not in the instance. */
int ftrace_watchdog_note_top(const struct ftrace_watchdog *watchdog);
/* Lets it undo everything and waits. -ECHILD: it was killed. */
int ftrace_watchdog_end(struct ftrace_watchdog *watchdog);

/* ftrace_others.c: what stands in the way of this run. 0, or -EBUSY and the problem. */
int ftrace_check_others(struct arena *arena, const struct kernel_tracefs *tracefs, const char *own, bool at_top,
                        bool with_filters, struct kernel_ftrace_problem *problem);
/* Removes what runs of tarsier left that were killed together with their watchdogs. */
void ftrace_remove_leftovers(struct arena *arena, const struct kernel_tracefs *tracefs);

#endif
