/* The tables of all files, where the walk in the kernel finds them: BPF maps that user space fills (kernel_map.h).
 *
 * Nothing is known at first. The walk meets a file, tells of it through a ring, and user space, which opens the file,
 * gives its table to unwind_store_add(). From then on every process that maps the file is walked through it.
 *
 * Ownership: maps and memory are the store's; it keeps the tables (names of functions, walks that go on in user space),
 * not the ELF files. One thread. Limits (files, pages of code, kinds of rules) are those of kernel_map.h; what does not
 * fit is left to frame pointers, and counted.
 */
#ifndef TARSIER_UNWIND_STORE_H
#define TARSIER_UNWIND_STORE_H

#include "base/arena.h"
#include "base/piece.h"
#include "object/elf.h"
#include "unwind/kernel_map.h"
#include "unwind/table.h"
#include <sys/stat.h>

enum unwind_map {
    UNWIND_MAP_FILES,
    UNWIND_MAP_PAGES,
    UNWIND_MAP_ROWS,
    UNWIND_MAP_RULES,
    UNWIND_MAP_ASKED,
    UNWIND_MAPS
};
extern const char *const unwind_map_names[UNWIND_MAPS]; /* as places of the piece: "MAP_FILES" */

extern const struct piece unwind_kernel_walk; /* walk.bpf.c */

struct unwind_store;

/* Creates the maps. NULL and a negative errno in *error. */
struct unwind_store *unwind_store_new(struct arena *arena, int *error);
void unwind_store_close(struct unwind_store *store);                        /* NULL is fine */
int unwind_store_fd(const struct unwind_store *store, enum unwind_map map); /* stays the store's */

/* A file gets its number, and its table is made and put where the walk finds it. elf NULL: it could not be opened, or
 * is no ELF file. */
uint32_t unwind_store_add(struct unwind_store *store, struct object_elf *elf);
/* From now on the walk knows that file by this key. `offset`: of a mapping of its code. */
void unwind_store_name(struct unwind_store *store, const struct unwind_file_key *key, uint32_t number, uint64_t offset);
/* The key that the kernel has for a file which stat(2) shows so, on file systems that show what they have. */
struct unwind_file_key unwind_file_key(const struct stat *status);
/* It could not be looked at now: the next walk asks again. */
void unwind_store_forget(struct unwind_store *store, const struct unwind_file_key *key);

/* Calls for each record of the walk (enum unwind_action) that has not been seen, in order. There are some when
 * unwind_store_wait_fd() is readable. */
struct unwind_record {
    uint64_t stamp;
    uint32_t action, size;
};
typedef void unwind_record_callback(void *context, const struct unwind_record *record);
void unwind_store_drain(struct unwind_store *store, unwind_record_callback *callback, void *context);
int unwind_store_wait_fd(const struct unwind_store *store);

/* address in the file - offset in the file, for code at this offset. */
uint64_t unwind_store_bias(const struct unwind_store *store, uint32_t number, uint64_t offset);
const struct unwind_rule *unwind_store_rules(const struct unwind_store *store);
/* The table of a file by its number; NULL: it has none. */
const struct unwind_table *unwind_store_table(const struct unwind_store *store, uint32_t number);
uint32_t unwind_store_files(const struct unwind_store *store);
uint64_t unwind_store_left_out(const struct unwind_store *store); /* files that there was no room for */

#endif
