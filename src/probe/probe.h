/* Probes: from the text of an attach point to concrete events, and from a loaded program to an attached one.
 *
 * A probe kind (`tracepoint`, `uprobe`, ...) is one file here behind one vtable; kind.c holds the table of kinds with
 * the recipe for a new one. The way of an attach point:
 *
 *   "t:syscalls:sys_enter_o*"  --probe_expand-->  targets: one concrete event each, lowered to a mechanism
 *   target                     --probe_program-->  the program type it needs (session compiles and loads)
 *   program + targets          --probe_attach-->  a link; probe_detach(_all) ends it
 *
 * Everything attached lives in file descriptors only (no kprobe_events, no pins): when the process dies, it is gone.
 *
 * Ownership: targets, names, types and error texts live in the context's arena. File descriptors of a link belong to
 * the link. The context keeps open ELF files and name lists until probe_context_free().
 *
 * Failures: all functions that return int return 0 or a negative errno and fill `error` (see struct probe_error).
 */
#ifndef TARSIER_PROBE_PROBE_H
#define TARSIER_PROBE_PROBE_H

#include "base/arena.h"
#include "base/type.h"
#include "base/vec.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kernel_features;
struct object_btf;
struct object_usdt_arguments;
struct probe_caches; /* lazily opened tracefs, event names, ELF files, BTF */
struct probe_kind;

struct probe_context {
    struct arena *arena;
    struct kernel_features *features;     /* NULL: take the oldest mechanisms (perf events, no cookies) */
    pid_t pid;                            /* -p PID or the -c child; 0: none */
    bool unsafe;                          /* --unsafe: offsets outside a symbol are accepted */
    const char *const *debug_directories; /* --debuginfo: where to look for separate debug files first; NULL at the
                                           * end, or NULL */
    const char *types_path;               /* --types: a file whose types are known; or NULL */
    const char *tracefs_path;   /* NULL: found or mounted privately by kernel/tracefs.h; tests give a directory */
    const char *functions_path; /* NULL: available_filter_functions of tracefs; else a file of such lines */
    const char *kallsyms_path;  /* NULL: /proc/kallsyms; tests give a file */
    struct object_btf *btf;     /* NULL: opened when first needed by probe_btf(), which sets it */
    struct probe_caches *caches;
};

void probe_context_init(struct probe_context *context, struct arena *arena);
void probe_context_free(struct probe_context *context);
/* The kernel's BTF, opened on first use; NULL when there is none. */
struct object_btf *probe_btf(struct probe_context *context);

/* How the kernel delivers the event, which fixes the program's type and what `ctx` points to. */
enum probe_mechanism {
    /* begin, end, self, test, bench: a raw tracepoint program run by BPF_PROG_TEST_RUN. Nothing to attach. */
    PROBE_RUN_ONCE,
    /* syscalls:sys_enter_X, raw_syscalls:sys_enter: ctx is u64[2] = { struct pt_regs *, long number }.
     * The program itself must compare the number with `syscall_number` (unless -1) and turn away 32-bit compat calls,
     * whose numbers mean other calls. */
    PROBE_SYSCALL_ENTER,
    /* ... sys_exit: ctx is u64[2] = { struct pt_regs *, long return value }; the number is in the registers. */
    PROBE_SYSCALL_EXIT,
    /* Tracepoint or rawtracepoint by event name: ctx is u64[], the arguments of the kernel's tracepoint. */
    PROBE_RAW_TRACEPOINT,
    /* The same with types from BTF: args has field i at offset 8 * i of ctx; kernel pointers can be followed. */
    PROBE_BTF_TRACEPOINT,
    /* Tracepoint whose fields are read: ctx is the record, args describes it (offsets from ctx). */
    PROBE_PERF_TRACEPOINT,
    /* profile, interval, software, hardware, watchpoint: ctx is struct bpf_perf_event_data. */
    PROBE_PERF_SAMPLE,
    /* uprobe, uretprobe, usdt: ctx is struct pt_regs of the user thread. */
    PROBE_UPROBE,
    /* A kernel function by kprobe.multi or a perf event: ctx is struct pt_regs at its entry (or at `offset` in it),
     * with is_return at its return. args are the parameters as passed: word i of `args` is argument i. */
    PROBE_KPROBE,
    /* A kernel function by its trampoline: ctx is u64[], the arguments in the layout of `args`; with is_return they
     * are followed by the result. */
    PROBE_FENTRY,
    /* iter: runs for each object while the iterator is read (see probe_read_iterator); ctx is u64[], the arguments of
     * the kernel's iterator, which args describes. The object is NULL in one last call. */
    PROBE_ITERATOR,
};

/* One concrete event. */
struct probe_target {
    const struct probe_kind *kind;
    const char *kind_name; /* "tracepoint": what `probetype` shows */
    const char *name;      /* "tracepoint:syscalls:sys_enter_openat": what `probe` shows */
    enum probe_mechanism mechanism;
    const char *warning;        /* NULL, or what the user should know about this target */
    const struct type *args;    /* fields for `args`; NULL: none, or not asked for */
    enum type_space args_space; /* memory that pointers among the arguments point into */

    /* tracepoints */
    const char *system, *event;
    int32_t syscall_number; /* SYSCALL_*: the call, or -1 for all (raw_syscalls) */
    uint64_t tracepoint_id; /* PERF_TRACEPOINT: id for perf_event_open */
    uint32_t attach_btf_id; /* not 0: tp_btf (SYSCALL_* on a kernel with BTF, BTF_TRACEPOINT) */

    /* profile, interval, software, hardware, watchpoint */
    uint32_t event_type;     /* PERF_TYPE_SOFTWARE, HARDWARE, BREAKPOINT */
    uint32_t event_config;   /* PERF_COUNT_SW_*, PERF_COUNT_HW_* */
    uint64_t period;         /* ns of a clock or events; 0 when `frequency` is given */
    uint64_t frequency;      /* samples a second; 0 when `period` is given */
    bool one_cpu;            /* interval: a single CPU; never filtered by pid */
    const char *instead;     /* hardware: what to use on machines that can not count this; or NULL */
    uint32_t length, access; /* watchpoint, of `address`: bytes, KERNEL_WATCH_* */

    /* uprobe, uretprobe */
    const char *path;   /* file to open */
    const char *symbol; /* NULL when given by address only */
    uint64_t offset;    /* in the file: what the kernel wants */
    uint64_t address;   /* virtual address in the file: what a symbol table says. watchpoint: where it watches */
    bool is_return;
    const struct object_function *function; /* arguments and result, when wanted and known */
    const char *no_function;                /* why they are not known */

    /* iter */
    const char *pin; /* where its link goes in the BPF file system; NULL: it is read at once */

    /* usdt: a uprobe too; one target for each place of a probe */
    const struct object_usdt_arguments *usdt; /* where the arguments are at this place */
    uint64_t semaphore;                       /* file offset of the counter that the kernel raises; 0: none */
    bool is_further;                          /* not the first place of its probe: counts as one with that */
    /* kprobe, kretprobe, fentry, fexit: symbol, offset (in the function), address (0: by symbol) and is_return as
     * above, attach_btf_id for FENTRY */
    const char *module;        /* of the function; NULL: the kernel itself */
    int attach_btf_fd;         /* FENTRY in a module: its BTF, or the BPF program, owned by the context; else 0 */
    bool is_program;           /* FENTRY of a function of a BPF program */
    const struct type *result; /* type of the result where BTF tells and the kind has typed results; else NULL */
    uint32_t argument_count;   /* FENTRY: words of arguments */
    /* not NULL: the event stands in for a function, whose argument i (of argument_count) is word [i] of the context,
     * and whose result is word result_word (SYSCALL_EXIT only) */
    const uint8_t *argument_words;
    uint8_t result_word;
    bool by_event;      /* KPROBE: by a perf event, even where kprobe.multi could */
    const char *detour; /* NULL, or what -v tells: that another mechanism than the kind's own does it */
};

struct probe_targets {
    VEC(struct probe_target *) items;
};

enum probe_error_kind {
    PROBE_ERROR_TEXT,       /* the attach point is written wrongly */
    PROBE_ERROR_NO_MATCH,   /* well written, but there is no such event (missing_probes decides) */
    PROBE_ERROR_PERMISSION, /* the system refused: EPERM, EACCES */
    PROBE_ERROR_SYSTEM,     /* any other errno */
};

struct probe_error {
    enum probe_error_kind kind;
    uint32_t begin, end; /* faulty part: byte range within the attach point's text; {0,0}: all of it */
    const char *message; /* one line, no "ERROR:" */
    const char *hint;    /* NULL or what to do */
};

/* What a block uses of its probes; it decides between mechanisms. */
enum probe_wants {
    PROBE_WANT_ARGS = 1,      /* `args`: tracepoints must deliver their fields */
    PROBE_WANT_REGISTERS = 2, /* reg() or ctx: only what has pt_regs will do */
    PROBE_WANT_FUNCTION = 4,  /* func */
    PROBE_WANT_RESULT = 8,    /* `retval`: uretprobes must say what type it has */
};
/* argN; the last bit stands for all from there on. */
#define PROBE_WANT_ARGUMENTS 16u
#define PROBE_WANT_ARGUMENT(n) (16u << (n))

/* Expands one attach point as written ("t:syscalls:sys_enter_o*", "u:bash:readline") and appends its targets.
 * wants: enum probe_wants. Nothing is appended on failure. */
int probe_expand(struct probe_context *context, const char *text, unsigned wants, struct probe_targets *out,
                 struct probe_error *error);
/* The system call of that number on this machine: "openat"; NULL: there is none. */
/* Names of the kinds of probes, in the order of the table; NULL behind the last. */
const char *probe_kind_at(uint32_t index);
const char *probe_syscall_name(uint32_t number);
/* The number of a call under the name tracefs gives it ("newfstat"), or -1. */
int32_t probe_syscall_number(const char *tracefs_name);
/* Why the file of --types tells no types; NULL when it does, or none was given. */
const char *probe_types_problem(struct probe_context *context);
/* "DIR:DIR" as debug_directories; NULL is none. */
const char *const *probe_directories(struct arena *arena, const char *text);
/* A type of user programs: of --types, of the file of `target` (NULL: the target process's), NULL when unknown.
 * kinds: enum object_dwarf_kinds. */
const struct type *probe_user_type(struct probe_context *context, const struct probe_target *target, uint32_t kinds,
                                   const char *name);
/* A constant of an enum there, and the enum. */
const struct type *probe_user_enumerator(struct probe_context *context, const struct probe_target *target,
                                         const char *name, int64_t *value);
const char *probe_nearest_user_type(struct probe_context *context, const struct probe_target *target, uint32_t kinds,
                                    const char *name);
/* After compiling: pages of debug information are given back; they come again when they are needed. */
void probe_rest(struct probe_context *context);
/* True when the attach point names more than one event (a `*` in any part); such blocks may show `probe` per target. */
bool probe_is_wildcard(const char *text);
/* The canonical kind name of a provider spelling ("t", "BEGIN", "Tracepoint"), or NULL. */
const char *probe_kind_name(const char *provider, size_t length);

/* Turns a RAW_TRACEPOINT target into a PERF_TRACEPOINT (attaching it raw gave ENOENT): its program must be remade. */
int probe_use_perf(struct probe_context *context, struct probe_target *target, struct probe_error *error);

/* 0, or why no program can be attached to such a target on this machine at all, with what may tell the same. Asked
 * before loading, so that a script that cannot run here still is compiled and checked. */
int probe_possible(struct probe_context *context, const struct probe_target *target, struct probe_error *error);

/* What BPF_PROG_LOAD needs to know for a target. */
struct probe_program {
    uint32_t type;                 /* BPF_PROG_TYPE_* */
    uint32_t expected_attach_type; /* or 0 */
    uint32_t attach_btf_id;        /* or 0 */
    int attach_btf_fd;             /* of a module, owned by the probe context; or 0 */
};
struct probe_program probe_program(const struct probe_context *context, const struct probe_target *target);
/* Targets that one loaded program can be attached to together, in one probe_attach call. */
bool probe_can_share(const struct probe_context *context, const struct probe_target *a, const struct probe_target *b);
/* bpf_get_attach_cookie() works in programs of this target. */
bool probe_has_cookie(const struct probe_context *context, const struct probe_target *target);

struct probe_failure {
    const struct probe_target *target;
    int error; /* negative errno */
    struct probe_error text;
};

/* An attached program. Zeroed is empty. */
struct probe_link {
    VEC(int) fast; /* closing ends the program and returns at once */
    VEC(int) slow; /* closing ends the program after some 30 ms (perf tracepoints, uprobes); these waits can overlap */
    VEC(int) late; /* perf events behind `slow` ones, closed after them: 40 ms each, mostly one after the other */
    uint32_t attached; /* probes that fire (usdt: whatever the number of its places) */
    VEC(struct probe_failure) failures;
};

/* Hits that the kernel counted as missed by an attached link, for want of a place to keep them or because they came
 * while a handler was running on that CPU. To be asked before it is detached; 0 where the kernel does not count. */
uint64_t probe_missed(const struct probe_link *link);

/* Attaches one program to targets that probe_can_share() (RUN_ONCE targets count as attached and need nothing).
 * cookies: one per target, or NULL. Fails only when no target could be attached; partial failures are in
 * out->failures, `error` tells the first. */
int probe_attach(struct probe_context *context, struct probe_link *out, int program_fd,
                 const struct probe_target *const *targets, const uint64_t *cookies, uint32_t count,
                 struct probe_error *error);
void probe_detach(struct probe_link *link);

/* iter: an open iterator over an attached program; a file descriptor. Each read(2) of N bytes runs the program for
 * about N objects when the program writes a byte for each; 0 is the end. */
int probe_open_iterator(struct probe_context *context, const struct probe_link *link, struct probe_error *error);
/* Puts the link into the BPF file system, where whoever reads the file runs the program. *path: where that is. */
int probe_pin_iterator(struct probe_context *context, const struct probe_link *link, const struct probe_target *target,
                       const char **path, struct probe_error *error);
/* Ends many links: the fast ones first, then the slow ones with their waits side by side. */
void probe_detach_all(struct probe_link *const *links, uint32_t count);
/* For the way out: the same, but returns when no program is attached any more. The perf events that then are left
 * (without a program) are torn down by a child process that lives no longer than that and holds nothing else. */
void probe_leave_all(struct probe_link *const *links, uint32_t count);

/* -l: calls `line` for each probe that matches, in bpftrace's listing form. pattern: NULL for all kinds that can be
 * listed without a target, "t:*open*", "*open*" (any kind), "uprobe:/bin/x:f*". verbose adds the arguments, one a
 * line, indented by 4 spaces. Returns the number of probes or a negative errno; when only a part could be read, the
 * rest is listed and error->message tells what is missing. */
/* The same lister takes types: "struct task_struct", "struct *task*", "union u", "enum e"; verbose shows their members.
 */
typedef void (*probe_line_fn)(void *user, const char *line);
int probe_list(struct probe_context *context, const char *pattern, bool verbose, probe_line_fn line, void *user,
               struct probe_error *error);

#endif
