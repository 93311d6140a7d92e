/* Perf maps: how JIT compilers tell the names of their code, in /tmp/perf-PID.map. Source of the format:
 * tools/perf/Documentation/jit-interface.txt; lines "START SIZE name", numbers in hex. Where ranges repeat (code was
 * made again) the later line is right.
 *
 * The file lies in a directory everyone can write to: it is opened without following a link, must be a regular file
 * that belongs to the process's user or root, and at most 256 MiB are read.
 */
#ifndef TARSIER_OBJECT_PERFMAP_H
#define TARSIER_OBJECT_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct object_perfmap;

/* Reads the map; `owner` is the user the process runs as. NULL and a negative errno in *error. */
struct object_perfmap *object_perfmap_open(const char *path, uid_t owner, int *error);
struct object_perfmap *object_perfmap_from_bytes(const char *text, size_t size);
void object_perfmap_close(struct object_perfmap *map); /* NULL is fine */

/* The name of the code at an address; *start is where it begins. NULL when no range holds it. */
const char *object_perfmap_at(const struct object_perfmap *map, uint64_t address, uint64_t *start);
uint32_t object_perfmap_count(const struct object_perfmap *map);

#endif
