/* The caches of a probe_context and the questions they answer. */
#ifndef TARSIER_PROBE_CONTEXT_INT_H
#define TARSIER_PROBE_CONTEXT_INT_H

#include "base/hash.h"
#include "kernel/perf.h"
#include "kernel/proc.h"
#include "probe/probe_int.h"

struct kernel_tracefs;
struct object_elf;

struct probe_event {
    const char *full_name; /* "sched:sched_switch" */
    const char *system, *event;
};

struct probe_events {
    struct probe_event *data;
    uint32_t count, capacity;
};

struct probe_file {
    const char *path;
    uint64_t begin; /* of a file inside of it */
    struct object_elf *elf;
    struct object_dwarf *dwarf; /* NULL: not asked for, or none */
    const char *no_dwarf;       /* why there is none */
};

struct probe_function {
    const char *name;
    const char *module; /* NULL: the kernel itself */
    uint64_t address;   /* 0: not looked up, or not told */
};

/* Where the types of a function are: the kernel or one of its modules. */
struct probe_types {
    struct object_btf *btf; /* NULL: none */
    int fd;                 /* of a module's BTF in the kernel; 0: the kernel's */
    const char *module;
    struct hash ids; /* name of a function -> its id; empty until many are asked for */
};

struct probe_functions {
    struct probe_function *data;
    uint32_t count, capacity;
};

struct probe_caches {
    struct kernel_tracefs *tracefs;
    struct probe_events events; /* sorted; empty until asked for */
    VEC(struct probe_file) files;
    struct kernel_cpus cpus;           /* count_online 0: not read */
    struct kernel_perf_pmu uprobe_pmu; /* type 0: not read */
    uint32_t syscall_btf_ids[2];       /* of sys_enter and sys_exit; 0: not looked up, or there is none */
    struct probe_functions functions;  /* sorted; empty until asked for */
    struct probe_types kernel_types;
    VEC(struct probe_types *) module_types;
    struct kernel_perf_pmu kprobe_pmu;
    VEC(int) programs; /* BPF programs whose functions are targets */
    int fentry_error;  /* once tried: why no fentry program can be loaded at all, or 0 */
    bool functions_read, functions_traceable, fentry_tried;
    int raw_check_fd;
    bool raw_check_tried;
    struct object_demangler *demangler; /* NULL until it is needed */
    bool owns_btf;                      /* opened here, or tried in vain */
};

/* tracefs: reads (appends) a file; 1 or 0 whether a path exists, or a negative errno. */
int probe_tracefs_read(struct probe_context *context, const char *path, struct strbuf *out, struct probe_error *error);
int probe_tracefs_exists(struct probe_context *context, const char *path, struct probe_error *error);
/* All events of the kernel, by name. One read of available_events. */
int probe_events_read(struct probe_context *context, const struct probe_events **events, struct probe_error *error);

/* A raw tracepoint of that name can be attached to (true when we may not ask). */
bool probe_raw_exists(struct probe_context *context, const char *event);
/* attach_btf_id of the tracepoint, 0 without BTF; args (may be NULL) as in object_btf_raw_tracepoint. */
uint32_t probe_raw_btf_id(struct probe_context *context, const char *event, const struct type **args);

/* functions.c: the functions of the kernel, by name. */
int probe_functions_all(struct probe_context *context, const struct probe_functions **out, struct probe_error *error);

/* Those that match and can be traced, sorted by name; one that occurs more than once in the kernel has addresses.
 * `module` and `name` may have stars; module "*" or NULL: any, "vmlinux": the kernel itself. */
int probe_functions_match(struct probe_context *context, const char *module, const char *name,
                          struct probe_functions *out, struct probe_error *error);
/* The places of a function without a star in its name: none when there is no such function; without addresses where
 * the name alone says enough. */
int probe_functions_find(struct probe_context *context, const char *module, const char *name,
                         struct probe_functions *out, struct probe_error *error);
/* Those of a module (NULL or vmlinux: the kernel). Never NULL. */
struct probe_types *probe_types_of(struct probe_context *context, const char *module);
/* BTF id of a function, 0: not in BTF. `many`: more will be asked, so all names are read at once. */
uint32_t probe_function_id(struct probe_context *context, struct probe_types *types, const char *name, bool many);
const char *probe_function_nearest(struct probe_context *context, const char *name); /* hint, or NULL */

/* function_hint.c: the tracepoint that may answer what a probe of that function would. */
const char *probe_function_hint(struct probe_context *context, const char *function, bool is_return);

/* stand_in.c: makes the target of a function (symbol, is_return) one of a tracepoint that tells the same. False: none
 * does, or not what the block reads (enum probe_wants). */
enum { PROBE_STAND_IN_WORDS = 6 };
bool probe_has_stand_in(const char *function); /* those that are in the table */
bool probe_use_stand_in(struct probe_context *context, struct probe_target *target, unsigned wants);

/* function.c: a kernel function by some mechanism. */
bool probe_uses_kprobe_multi(const struct probe_context *context, const struct probe_target *target);
bool probe_has_kprobes(struct probe_context *context);
/* Loads a program for a function's trampoline that does nothing: 0 or the negative errno, ENOENT when the kernel has no
 * such function. */
int probe_try_trampoline(struct probe_context *context, const struct probe_types *types, uint32_t btf_id,
                         bool is_return);

/* bpf_program.c: fentry:bpf:... */
bool probe_is_about_programs(const struct probe_point *point);
int probe_expand_programs(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                          struct probe_error *error);
int probe_list_programs(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                        struct probe_error *error);
int probe_try_program(const struct probe_target *target); /* function.c: as probe_try_trampoline() */

/* program.c: uprobes are attached through uprobe.multi links (and their programs loaded for them). */
bool probe_uses_uprobe_multi(const struct probe_context *context);

/* The file at `path` (size not 0: the one that lies there inside of it), opened once; NULL and *reason when it is no
 * ELF file. `path` must live in the arena. */
struct object_elf *probe_elf(struct probe_context *context, const char *path, uint64_t begin, uint64_t size,
                             const char **reason);

/* debug.c: the debug information of the file, opened once; NULL and *reason. */
struct object_dwarf *probe_dwarf(struct probe_context *context, const char *path, const char **reason);
/* The file has debug information, or there is a separate file with it: asking probe_dwarf() is worth it. */
bool probe_has_dwarf(struct probe_context *context, const char *path);
struct object_dwarf *probe_types(struct probe_context *context); /* of --types; NULL */
/* Fills target->function (and args) from the debug information, else target->no_function. */
void probe_describe_function(struct probe_context *context, struct probe_target *target);

#endif
