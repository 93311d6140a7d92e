/* Tables kept on disk, by build id, so that large files are not read again at each start.
 *
 * Where: $XDG_CACHE_HOME/tarsier, ~/.cache/tarsier, or /var/cache/tarsier: the first that exists or can be made,
 * belongs to us and that nobody else may write to. Files there are versioned, checked whole before they are believed,
 * replaced in one step, and removed, oldest first, when all together exceed a bound. No cache is no error.
 *
 * A build id is what a file says about itself, so whoever may write a file could put a table in another one's place.
 * Only files that belong to root (or us) and that others may not write to are kept; the rest is made each time. So are
 * small tables, which are made faster than found.
 */
#ifndef TARSIER_UNWIND_CACHE_H
#define TARSIER_UNWIND_CACHE_H

#include "unwind/table.h"

struct unwind_cache {
    int directory; /* -1: none */
};

/* `path` is the directory; NULL: as above. */
struct unwind_cache unwind_cache_open(const char *path);
void unwind_cache_close(struct unwind_cache *cache);
/* As unwind_table_build(), from the cache when it is there; else it is kept there for the next time. */
struct unwind_table *unwind_cache_table(const struct unwind_cache *cache, struct object_elf *elf, const char **reason);

/* The form on disk. Read: NULL unless every index, number and order in it is right. */
struct unwind_table *unwind_table_from_bytes(const void *bytes, size_t size);
/* Of a table that is not shared; on the heap. */
void *unwind_table_to_bytes(const struct unwind_table *table, size_t *size);

#endif
