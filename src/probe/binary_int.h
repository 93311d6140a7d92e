/* Which files a uprobe's target names. */
#ifndef TARSIER_PROBE_BINARY_INT_H
#define TARSIER_PROBE_BINARY_INT_H

#include "probe/probe_int.h"

struct probe_binary {
    const char *path;  /* to open */
    const char *shown; /* in probe names: as written, or as the target process sees it */
    dev_t device;
    ino_t inode;
};

struct probe_binaries {
    VEC(struct probe_binary) items; /* each file once, however many names it has */
};

/* `part` NULL: the executable of the target process. */
int probe_find_binaries(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                        struct probe_binaries *out, struct probe_error *error);

#endif
