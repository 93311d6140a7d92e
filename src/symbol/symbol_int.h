/* Shared by the files of symbol/. */
#ifndef TARSIER_SYMBOL_SYMBOL_INT_H
#define TARSIER_SYMBOL_SYMBOL_INT_H

#include "symbol/symbol.h"

#include "base/hash.h"
#include "base/vec.h"
#include "object/demangle.h"
#include "object/eh_frame.h"
#include "object/elf.h"
#include "object/kallsyms.h"
#include "object/maps.h"
#include "object/perfmap.h"

/* One file that processes map code from; shared, lives as long as the cache. */
struct symbol_file {
    const char *path;       /* as the first process that showed it sees it */
    struct object_elf *elf; /* NULL: could not be opened or is no ELF file */
    bool has_looked_for_debug;
    struct object_eh_frame *frames; /* where functions begin; NULL: none, or not looked for yet */
    bool has_looked_for_frames;
};

struct symbol_process {
    uint32_t tgid;
    uint64_t identity;   /* of this program in this process (symbol_process_identity) */
    uint64_t checked_ns; /* when the identity was last compared */
    uint64_t read_ns;    /* when the mappings were last read */
    bool is_gone;
    struct symbol_mapping *mappings; /* ascending, on the heap */
    uint32_t mapping_count;
    struct object_perfmap *perfmap;                        /* NULL: none, or not looked for yet */
    uint64_t perfmap_ns;                                   /* when it was last read; 0: never */
    const char *perfmap_path;                              /* in the arena; NULL: none */
    struct symbol_process *next_in_bucket, *newer, *older; /* by use */
};

enum { SYMBOL_PROCESS_BUCKETS = 1024 };

struct symbol_cache {
    struct arena *arena;
    struct object_kallsyms *kallsyms;
    bool has_loaded_kallsyms;
    struct hash files;       /* by device, inode, size and time */
    struct hash unversioned; /* names cut at their version, by address of the name */
    struct hash jit_names;   /* each name once, by its text */
    struct hash made_names;  /* of stubs and of functions without a symbol, by file and address */
    struct hash demangled;   /* names of C++ and Rust as people write them, by address of the name */
    struct object_demangler *demangler;
    VEC(struct symbol_file *) all_files;
    struct symbol_file *expected; /* the program of processes that are gone; NULL: not known */
    struct symbol_file vdso;
    uint64_t vdso_size; /* 0: unknown */
    struct symbol_process *buckets[SYMBOL_PROCESS_BUCKETS];
    struct symbol_process *newest, *oldest;
    uint32_t process_count;
};

uint64_t symbol_now(void); /* CLOCK_MONOTONIC_COARSE, in ns */

/* The file behind a mapping of a living process; NULL for anonymous memory. */
struct symbol_file *symbol_file_of(struct symbol_cache *cache, uint32_t tgid, const struct object_map *map);
void symbol_file_init_vdso(struct symbol_cache *cache);
void symbol_file_close(struct symbol_file *file);

/* The process, its mappings read; NULL when it is not known and gone. */
struct symbol_process *symbol_process_get(struct symbol_cache *cache, uint32_t tgid);
/* Reads the mappings (again); false when the process has gone. */
bool symbol_process_read(struct symbol_cache *cache, struct symbol_process *process);
/* The mapping that holds an address; reads the mappings again when it is in none. */
const struct symbol_mapping *symbol_process_mapping(struct symbol_cache *cache, struct symbol_process *process,
                                                    uint64_t address);
bool symbol_process_jit_name(struct symbol_cache *cache, struct symbol_process *process, uint64_t address,
                             struct symbol_name *out);
void symbol_process_close_all(struct symbol_cache *cache);

#endif
