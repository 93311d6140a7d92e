/* /proc/PID/maps: the mappings of a process. Source of the format: proc(5),
 *     7f12a000-7f12b000 r-xp 00002000 fd:01 12345    /usr/lib/libc.so.6
 * Lines that do not parse are skipped: the process may write its own path names there. A path keeps the kernel's
 * escapes (\012 for a newline) decoded, and loses the mark " (deleted)", which becomes a flag.
 */
#ifndef TARSIER_OBJECT_MAPS_H
#define TARSIER_OBJECT_MAPS_H

#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct object_map {
    uint64_t start, end;  /* half-open */
    uint64_t file_offset; /* of start */
    uint64_t inode;
    uint32_t device_major, device_minor;
    bool is_executable, is_deleted;
    const char *path; /* as the process sees it; "" for anonymous memory, "[stack]", "[vdso]" */
};

struct object_maps {
    const struct object_map *items; /* ascending, as the kernel writes them */
    uint32_t count;
};

/* Reads a process's mappings; 0 or a negative errno. `only_executable` keeps what code can run from. */
int object_maps_read(struct arena *arena, pid_t pid, bool only_executable, struct object_maps *maps);
void object_maps_parse(struct arena *arena, const char *text, size_t size, bool only_executable,
                       struct object_maps *maps);
/* The mapping that holds an address, or NULL. */
const struct object_map *object_maps_at(const struct object_maps *maps, uint64_t address);

#endif
