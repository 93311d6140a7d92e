/* Shared by the files that make a profile of a perf.data file.
 *
 *   perf_read.c      the way: two passes, then the result
 *   perf_image.c     first pass: which process had what mapped when, names of threads, what was lost
 *   perf_chain.c     second pass: each different stack once, and how much of it each thread had. No names yet
 *   perf_unwind.c    in it: stacks out of copies of stack memory
 *   perf_resolve.c   stacks to frames with names: each different address once
 *
 * The first pass is over the few records that are no samples. Afterwards what it found is only read, so that the second
 * pass, over the samples, runs on all CPUs: each takes pieces of the file and has stacks and sums of its own. Both
 * passes look things up by time, because the records of different CPUs come in no common order.
 */
#ifndef TARSIER_PROFILE_PERF_INT_H
#define TARSIER_PROFILE_PERF_INT_H

#include "base/profile.h"
#include "base/str.h"
#include "object/perfdata.h"
#include "object/perfmap.h"
#include "symbol/symbol.h"

struct perf_map {
    uint64_t start, end, file_offset, time;
    const char *path;
    uint8_t build_id[20], build_id_size;
    struct symbol_file *file; /* when first needed */
    uint32_t module;          /* of the profile; 0: not looked for yet */
    struct perf_code *code;   /* what unwinding needs; NULL: not looked for yet */
};

/* What was so from a time on, until the next one begins. The first member of what is found by a number and a time. */
struct perf_period {
    uint64_t since;
    struct perf_period *next; /* later */
    struct perf_period *last; /* in the first one of a number */
};
static inline bool perf_period_holds(const struct perf_period *period, uint64_t time) {
    return period->since <= time && (!period->next || period->next->since > time);
}

/* A program in a process: from a fork or exec to the next. */
struct perf_image {
    struct perf_period period;
    uint32_t pid, number;
    struct perf_image *parent;  /* of a fork: what it had mapped at that time is here, too; or NULL */
    VEC(struct perf_map) maps;  /* by start, after perf_images_sort() */
    bool has_overlaps;          /* an address may be different things at different times */
    struct object_perfmap *jit; /* names of code made at run time */
    bool has_looked_for_jit;
    struct hash frames; /* of the profile + 1, by address and whether it is exact */
};

struct perf_comm {
    struct perf_period period;
    const char *name;
};

struct perf_kernel_symbol {
    uint64_t start, end;
    const char *name;
};

/* What the first pass found. */
struct perf_images {
    struct arena *arena;
    const struct object_perfdata *data;
    struct hash processes; /* pid -> its first image */
    struct hash threads;   /* tid -> its first name */
    VEC(struct perf_image *) all;
    struct perf_image *kernel;                     /* pid -1 */
    struct perf_image *nothing;                    /* of processes that nothing is known of */
    VEC(struct perf_kernel_symbol) kernel_symbols; /* code the kernel made at run time */
    VEC(uint64_t) pieces;    /* places in the data where a record begins, some megabytes apart; the last is the end */
    uint64_t *event_samples; /* records of each event */
    uint64_t lost;           /* events that the kernel could not write down */
    const char *cut;         /* why the file could not be read to its end, or NULL */
    uint64_t cut_at, text_start; /* where the kernel's _text was; 0 not known */
};

void perf_images_read(struct perf_images *images, struct arena *arena, const struct object_perfdata *data);
/* The program that ran in a process at a time; never NULL. */
const struct perf_image *perf_image_at(const struct perf_images *images, uint32_t pid, uint64_t time);
/* The mapping that holds an address; NULL when there is none. */
struct perf_map *perf_map_at(const struct perf_image *image, uint64_t address, uint64_t time);
/* The name that a thread had; NULL not known, for which perf_comm_name() has a text. */
const struct perf_comm *perf_comm_at(const struct perf_images *images, uint32_t tid, uint64_t time);
const char *perf_comm_name(const struct perf_comm *comm, uint32_t tid);

/* A stack as it was recorded: addresses from the innermost outwards, with PERF_CONTEXT_* marks before those of the
 * kernel and of the program. */
struct perf_chain {
    uint64_t hash;
    const struct perf_image *image;
    const uint64_t *words;
    uint32_t count;
    uint32_t cut;  /* enum profile_cut: how the user part ended where we walked it; PROFILE_CUT_UNKNOWN: perf walked */
    uint64_t time; /* of its first sample */
};

/* What a thread had of a stack. */
struct perf_sum {
    uint32_t chain, thread;
    uint64_t weight, count;
};

struct perf_moment {
    uint64_t time, weight;
    uint32_t chain, thread, cpu;
};

struct perf_thread {
    uint32_t pid, tid;
    const char *comm;
};

/* What one CPU made of its pieces. */
struct perf_part {
    struct arena *arena;
    VEC(struct perf_chain) chains;
    VEC(struct perf_thread) threads;
    VEC(struct perf_sum) sums;              /* without times */
    VEC(struct perf_moment) moments;        /* with */
    uint64_t first_time, last_time, broken; /* broken: samples shorter than they say */
    uint32_t cpus;
};

struct perf_pass {
    const struct object_perfdata *data;
    const struct perf_images *images;
    struct perf_tables *tables; /* for samples with a copy of the stack; NULL: there are none */
    uint64_t registers;         /* that these samples have */
    uint32_t event;             /* samples of this one */
    bool with_times, by_period;
};

/* Whether code of this mapping comes from a file (or the vdso), by its path; else it was made at run time. */
bool perf_has_code(const char *path);

/* Unwinding. Several threads may use one. */
struct perf_tables *perf_tables_new(struct arena *arena, struct symbol_cache *symbols);
void perf_tables_free(struct perf_tables *tables);
/* The user stack of a sample as words of a chain; *cut: how it ended. `mask`: its registers. */
uint32_t perf_unwind(struct perf_tables *tables, const struct perf_image *image,
                     const struct object_perf_sample *sample, uint64_t mask, uint64_t *words, uint32_t most,
                     uint32_t *cut);

/* Reads all samples with `parts` threads; parts[i].arena is there. */
void perf_chains_read(const struct perf_pass *pass, struct perf_part *parts, uint32_t count);

/* Turns the parts into samples of the profile. */
void perf_resolve(struct profile *profile, const struct perf_images *images, const struct perf_part *parts,
                  uint32_t count, struct symbol_cache *symbols);

#endif
