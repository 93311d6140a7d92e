/* The plan: what generated programs need from the kernel and how to read what they leave behind.
 *
 * lang_plan_maps() decides how each map of the script is kept; lowering then adds what it meets: records that programs
 * emit (actions), places that can fail (sites), space in the shared areas. session creates the BPF maps from it, reads
 * results by it, and formats records by it.
 *
 * Shared areas (BPF arrays of one value, addressed directly, no helper call):
 *   globals    written by programs and by user space (mmapable):
 *                cpu rows       LANG_ROW_SIZE bytes for each CPU (power-of-two count): struct lang_cpu_row
 *                counters       u64 each: failures by site, map full, insert refused
 *                scalar maps    integers: u64 set, u64 value; aggregates: a row for each CPU
 *   constants  read-only for programs (frozen): zero bytes for templates, the log2 table, syscall tables
 *   scratch    per-CPU array of LANG_SCRATCH_SLOTS entries: large values; a bitmap in the cpu row tells which are
 * taken, so that programs that nest or preempt each other on one CPU never share one. For programs that need more than
 * a per-CPU value can have, an array with as many entries for each row: the same bits stand for both
 *
 * Maps with generations (those a script clears or zeroes while running) are arrays of maps with one entry. User space
 * puts a fresh map there; the kernel waits until no program uses the old one; then the old one is read and dropped.
 *
 * Records in the rings: struct lang_record, then the fields of action->record (a tuple) at their offsets behind it.
 */
#ifndef TARSIER_LANG_PLAN_H
#define TARSIER_LANG_PLAN_H

#include "lang/lang.h"

#define LANG_ROW_SIZE 64u
#define LANG_SCRATCH_SLOTS 8u
#define LANG_SCRATCH_LIMIT 32768u        /* bytes of a slot: the most that a per-CPU map can hold; */
#define LANG_LARGE_SCRATCH_LIMIT 131072u /* and of one in the map for programs that need more */
#define LANG_BEFOREHAND_MOST (16u << 20) /* bytes of a hash that is allocated at the start */
#define LANG_BEFOREHAND_SMALL (512u << 10)
#define LANG_AT_ONCE_MOST 32u        /* new keys of one run that the kernel keeps memory at hand for */
#define LANG_SYSCALL_LIMIT 1024u     /* numbers a syscall table covers */
#define LANG_RECORD_WAKE_NS 10000000 /* a forced wake-up when the last one is longer ago */

struct lang_cpu_row {
    uint64_t lost_records;   /* no room in the ring of this CPU */
    uint64_t last_wake;      /* stamp of the last forced wake-up */
    uint64_t unwoken_bytes;  /* written since */
    uint64_t scratch_taken;  /* bitmap of scratch slots in use */
    uint64_t scratch_missed; /* events dropped because no slot was free */
};

/* Start of every record; the same layout as struct kernel_record. */
struct lang_record {
    uint64_t stamp; /* CLOCK_BOOTTIME (nsecs), taken after the space was reserved */
    uint32_t action;
    uint32_t size; /* of the whole record */
};

enum lang_action_kind {
    LANG_ACTION_PRINTF,
    LANG_ACTION_PRINT_MAP,
    LANG_ACTION_PRINT_VALUE,
    LANG_ACTION_PRINT_ELEMENT, /* print(@m[k]) of an aggregate: the record holds the key */
    LANG_ACTION_CLEAR,
    LANG_ACTION_ZERO,
    LANG_ACTION_EXIT,    /* record: i64 exit code */
    LANG_ACTION_UNWATCH, /* record: u64 address */
    LANG_ACTION_TIME,
    LANG_ACTION_FULL,  /* the first update of `map` that found no room, with LANG_FULL_STOP */
    LANG_ACTION_ERROR, /* errorf, warnf: text for standard error, with the place in the script */
    LANG_ACTION_WARNING,
    LANG_ACTION_SYSTEM,  /* a command for the shell */
    LANG_ACTION_CAT,     /* the name of a file to print */
    LANG_ACTION_PACKET,  /* record: a buffer: u32 length of the packet, its bytes; `format` names the file */
    LANG_ACTION_FAILURE, /* what failed at place `site`, with -k; record: struct lang_failure */
    LANG_ACTION_JOIN,    /* record: a buffer of words, each with its NUL; `format` stands between them */
};

/* print(@m) with clear(@m) or zero(@m) behind it is one record that does both: what arrives meanwhile belongs to the
 * next print, and where the ring is full both are dropped. */
enum lang_then { LANG_THEN_NOTHING, LANG_THEN_CLEARED, LANG_THEN_ZEROED };

/* What of a map is printed, and in which order; 0: as usual. See print_options.c. */
enum lang_sort { LANG_SORT_USUAL, LANG_SORT_KEY, LANG_SORT_VALUE };
struct lang_print {
    int64_t top, limit, div, least;
    enum lang_sort sort;
    bool has_least, descending;
};
struct lang_print lang_print_options(const struct node *call); /* of a checked print(@map, ...) */

struct lang_action {
    enum lang_action_kind kind;
    struct loc loc;
    const char *format;        /* printf and its kin, time; join: the separator */
    const struct type *record; /* tuple of the fields behind struct lang_record */
    uint32_t size;             /* bytes of the whole record */
    struct lang_map *map;
    struct lang_print print; /* LANG_ACTION_PRINT_MAP */
    enum lang_then then;     /* LANG_ACTION_PRINT_MAP */
    uint32_t site;           /* LANG_ACTION_FAILURE: its number */
};

/* A place that can fail while running; its counter is a u64 at `counter` in the globals. */
enum lang_site_kind {
    LANG_SITE_READ,     /* memory could not be read */
    LANG_SITE_DIVISION, /* divided by 0; 1 was used */
    LANG_SITE_LOOP,     /* a while loop was stopped at the kernel's limit */
    LANG_SITE_INDEX,    /* array index out of range */
    LANG_SITE_SIGNAL,   /* the kernel refused to send a signal, or the number is none */
    LANG_SITE_WRITE,    /* user memory could not be written */
    LANG_SITE_PACKET,   /* skboutput: not all of the packet's bytes */
    LANG_SITE_WORDS,    /* join: more words or longer text than there is room for */
    LANG_SITE_LOOKUP,   /* no such key: only with -k */
    LANG_SITE_UPDATE,   /* an element could not be made or replaced: only with -k, the map's counters tell more */
};
struct lang_site {
    enum lang_site_kind kind;
    struct loc loc;
    uint32_t counter;
    uint32_t told; /* with -k: stamp of the latest record about it, a u64 in the globals; else 0 */
};

/* What a failure leaves in a record, with -k: each place sends one at most every LANG_FAILURE_NS. */
#define LANG_FAILURE_NS 100000000
struct lang_failure {
    uint64_t cause; /* the helper's result in the low half, 1 + enum ir_helper in the high one; 0: no helper failed */
    uint64_t count; /* how often it has failed so far */
};

enum lang_map_role {
    LANG_MAP_GLOBALS,
    LANG_MAP_CONSTANTS,
    LANG_MAP_SCRATCH,
    LANG_MAP_RINGS,    /* array of ring buffers, one for each possible CPU */
    LANG_MAP_SCRIPT,   /* keeps `script` */
    LANG_MAP_TASK,     /* task storage for `script` */
    LANG_MAP_UNWINDER, /* number `unwinder` of those that the walk of user stacks wants; made elsewhere */
    LANG_MAP_STACKS,   /* id of a stack -> what was captured (base/type.h), for captures of one size */
};

/* One BPF map to create. Its position in plan->maps is the number in ir_map(). */
struct lang_map_plan {
    enum lang_map_role role;
    const char *name;
    uint32_t type; /* enum bpf_map_type of the (inner) map */
    uint32_t key_size, value_size, max_entries, flags;
    bool generations; /* wrapped in an array of maps with one entry */
    bool declared;    /* its size stands in the script */
    uint32_t at_once; /* new keys that a run of a block without events may make: room for them is found before it */
    uint32_t unwinder;
    struct lang_map *script;
    uint32_t full_counter, refused_counter; /* offsets in the globals */
};

struct lang_plan {
    struct arena *arena;
    VEC(struct lang_map_plan) maps;
    VEC(struct lang_action) actions;
    VEC(struct lang_site) sites;
    VEC(const char *) texts; /* formats of timestamps, filters of cgroup paths: values carry their number */
    uint32_t globals_size;
    uint32_t cpu_rows;      /* power of two */
    uint32_t max_stacks;    /* entries of a table of stacks */
    VEC(uint8_t) constants; /* what follows the zero bytes: content at LANG_CONSTANTS_ZERO + i */
    uint32_t ended;         /* u64 in the globals: exit() was called; 0: nobody asks */
    uint32_t scratch_size;  /* bytes of one scratch slot, 0: none */
    /* map numbers, IR_NONE when not there */
    uint32_t globals, constants_map, scratch, large_scratch, rings;
    uint32_t ring_wake_bytes; /* session: a quarter of a ring */
};

/* Zero bytes at the start of the constants map; templates and blanks point there. */
#define LANG_CONSTANTS_ZERO 32768u

struct lang_plan *lang_plan_new(struct arena *arena, const struct lang_env *env);
/* Decides storage for every map of the checked script, of which these programs will be made. */
void lang_plan_maps(struct lang_program *program, const struct lang_unit *units, uint32_t count,
                    const struct lang_env *env);

/* Used by lowering. */
uint32_t lang_plan_counter(struct lang_plan *plan); /* offset of a new u64 in the globals */
uint32_t lang_plan_ended(struct lang_plan *plan);   /* that of the one that says that exit() was called */
uint32_t lang_plan_site(struct lang_plan *plan, enum lang_site_kind kind, struct loc loc, bool tells); /* number */
uint32_t lang_plan_text(struct lang_plan *plan, const char *text);                      /* number of the text */
uint32_t lang_plan_constants(struct lang_plan *plan, const void *bytes, uint32_t size); /* offset in the constants */
uint32_t lang_plan_constants_map(struct lang_plan *plan);
uint32_t lang_plan_rings(struct lang_plan *plan);
uint32_t lang_plan_scratch(struct lang_plan *plan);
uint32_t lang_plan_large_scratch(struct lang_plan *plan);
/* The map of that number of the unwinder's. */
uint32_t lang_plan_unwinder(struct lang_plan *plan, const struct lang_unwinder *unwinder, uint32_t number);
uint32_t lang_plan_stacks(struct lang_plan *plan, uint32_t size); /* the table for captures of so many bytes */

/* Bytes of BPF's stack that variables and temporaries may take, the others live in scratch: what is quick, and what to
 * try where a program then needs more than the stack has. */
enum lang_stack_room { LANG_STACK_ROOM = 256, LANG_STACK_ROOM_LEAST = 0 };

/* Lowers one checked program to IR. NULL after errors (in diags). Each call takes the next action and site numbers;
 * to lower a program again, the plan must be put back to what it was. */
struct ir_module *lang_lower(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                             enum lang_stack_room room, struct diag_list *diags);

#endif
