/* Which files the target of a user probe names. */
#ifndef TARSIER_PROBE_BINARY_INT_H
#define TARSIER_PROBE_BINARY_INT_H

#include "probe/probe_int.h"

struct probe_binary {
    const char *path;  /* to open */
    const char *shown; /* in probe names: as written, or as the target process sees it */
    dev_t device;
    ino_t inode;
    uint64_t begin, size; /* where it lies in the file at `path`: an entry of a zip archive; size 0: it is all of it */
};

struct object_elf;

struct probe_binaries {
    VEC(struct probe_binary) items; /* each file once, however many names it has */
};

/* The files with code that the target process has mapped, or those of all processes where there is none. */
void probe_find_mapped(struct probe_context *context, struct probe_binaries *out);
/* Opened once; NULL and *reason when it is no ELF file. Offsets in it count from `begin`. */
struct object_elf *probe_binary_elf(struct probe_context *context, const struct probe_binary *binary,
                                    const char **reason);
/* `part` NULL: the executable of the target process. */
int probe_find_binaries(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                        struct probe_binaries *out, struct probe_error *error);

#endif
