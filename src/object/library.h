/* From what a user writes ("libc", "libssl.so.3", "bash", "./a.out") to the path of a file.
 *
 * Libraries are looked up in /etc/ld.so.cache (source of the format: sysdeps/generic/dl-cache.h of glibc), and where
 * there is none (musl) in the usual directories; programs in PATH. All of it may happen below another root, such as
 * /proc/PID/root of a process in a container: symbolic links are then followed inside that root by ourselves, since the
 * kernel would follow absolute ones in ours.
 */
#ifndef TARSIER_OBJECT_LIBRARY_H
#define TARSIER_OBJECT_LIBRARY_H

#include "base/arena.h"
#include <stddef.h>
#include <stdint.h>

/* Finds the file that `target` names; `root` NULL or "" is ours. The result is an absolute path that includes the root,
 * free of symbolic links, in the arena. NULL and a text in *error (fixed or in the arena) when there is none. */
const char *object_library_resolve(struct arena *arena, const char *root, const char *target, const char **error);

/* The parts, for callers that know what they look for. NULL when there is none. Paths include the root. */
const char *object_library_find(struct arena *arena, const char *root, const char *name);
const char *object_program_find(struct arena *arena, const char *root, const char *name, const char *search_path);
/* `path` below `root` without symbolic links; NULL when it does not exist or links run in circles. */
const char *object_path_in_root(struct arena *arena, const char *root, const char *path);

/* Looks a library up in the bytes of an ld.so.cache: "libc.so.6" exactly, else "libc" and "c" as libc.so.*. The path in
 * the cache, copied to the arena, or NULL. */
const char *object_library_in_cache(struct arena *arena, const void *bytes, size_t size, const char *name);

#endif
