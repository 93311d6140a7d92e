/* tracefs: ids and formats of tracepoints, lists of probe-able functions.
 *
 * A directory descriptor, found in this order: /sys/kernel/tracing, /sys/kernel/debug/tracing (only where tracefs
 * already is mounted: no automount is triggered), else a private mount that is attached to no directory (fsopen,
 * fsmount) and vanishes with its descriptor: nothing on the system changes. Open it when a script first needs it.
 * Paths are relative ("events/sched/sched_switch/format"). Contents are the kernel's, but sizes are bounded anyway.
 */
#ifndef TARSIER_KERNEL_TRACEFS_H
#define TARSIER_KERNEL_TRACEFS_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>

struct kernel_tracefs;

/* NULL and a negative errno in *error: -EPERM (CAP_SYS_ADMIN for the private mount), -ENODEV (kernel without it). */
struct kernel_tracefs *kernel_tracefs_open(struct arena *arena, int *error);
void kernel_tracefs_close(struct kernel_tracefs *tracefs); /* NULL is fine */

int kernel_tracefs_read(const struct kernel_tracefs *tracefs, const char *path, struct strbuf *out); /* appends */
bool kernel_tracefs_exists(const struct kernel_tracefs *tracefs, const char *path);
bool kernel_tracefs_private(const struct kernel_tracefs *tracefs);
int kernel_tracefs_fd(const struct kernel_tracefs *tracefs); /* of its directory, for openat */

/* Calls back for each entry but "." and "..", in the directory's order, until the callback says false. */
typedef bool (*kernel_tracefs_entry)(void *user, const char *name, bool is_directory);
int kernel_tracefs_list(const struct kernel_tracefs *tracefs, const char *directory, kernel_tracefs_entry callback,
                        void *user);

#endif
