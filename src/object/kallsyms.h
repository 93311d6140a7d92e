/* Kernel symbols from /proc/kallsyms: "ffffffff81000000 T _text", for modules "\t[name]" behind it.
 *
 * The file is 5 to 10 MB of text made up on each read (tens of milliseconds), so it is read only when asked: either
 * streaming for a few names, or once into a sorted table. The table holds functions (types t, T, w, W), 16 bytes and
 * the name each; padding symbols (__pfx_*, __cfi_*) are no places code runs at and are left out.
 */
#ifndef TARSIER_OBJECT_KALLSYMS_H
#define TARSIER_OBJECT_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object_kallsyms;

struct object_kernel_symbol {
    const char *name;   /* lives as long as the table */
    const char *module; /* without brackets; NULL: the kernel itself */
    uint64_t address;
};

/* Reads the table; `path` NULL means /proc/kallsyms. NULL and a negative errno: -EPERM when all addresses are zero
 * (kptr_restrict). object_kallsyms_free() ends it. */
struct object_kallsyms *object_kallsyms_load(const char *path, int *error);
struct object_kallsyms *object_kallsyms_from_bytes(const char *text, size_t size, int *error);
void object_kallsyms_free(struct object_kallsyms *table); /* NULL is fine */

/* The function that an address lies in: the last one that starts at or before it. The offset into it is
 * address - symbol->address. False below the first symbol and a long way (1 MiB) behind the last one before it. */
bool object_kallsyms_at(const struct object_kallsyms *table, uint64_t address, struct object_kernel_symbol *symbol);
/* The first function of that name. */
bool object_kallsyms_by_name(const struct object_kallsyms *table, const char *name,
                             struct object_kernel_symbol *symbol);
/* Every function, by address, until the callback answers false. */
void object_kallsyms_each(const struct object_kallsyms *table,
                          bool (*callback)(void *context, const struct object_kernel_symbol *symbol), void *context);
size_t object_kallsyms_memory(const struct object_kallsyms *table);

/* Streams through the file for a few names of any type (data too) and keeps nothing: addresses[i] is that of names[i],
 * 0 when absent. Stops when all are found. The number found, or a negative errno. */
int object_kallsyms_find(const char *path, const char *const *names, uint32_t count, uint64_t *addresses);

#endif
