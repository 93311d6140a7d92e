/* From text to IR: parse, check, plan, lower. No kernel, no root: what the outside knows comes through struct lang_env.
 *
 *   lang_parse   text -> tree
 *   (session expands attach points into targets and groups them into programs: struct lang_target)
 *   lang_check   names bound, types found (maps and variables get one type each, over all programs)
 *   lang_lower   one program: tree of its block + its target -> IR module; adds records (actions) to the plan
 *
 * Errors go to the diag_list; every function goes on after an error as far as it makes sense and returns false.
 */
#ifndef TARSIER_LANG_LANG_H
#define TARSIER_LANG_LANG_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/hash.h"
#include "base/type.h"
#include "base/vec.h"
#include "ir/ir.h"
#include "lang/ast.h"

struct lang_plan;
struct object_usdt_arguments;

/* ---- how a program is called ------------------------------------------------------------------------------- */

/* What the context (R1) is and what it holds. */
enum lang_context {
    LANG_CONTEXT_NONE,           /* begin, end, self, test, bench: nothing in it */
    LANG_CONTEXT_SYSCALL_ENTER,  /* sys_enter: [0] pt_regs *, [1] number */
    LANG_CONTEXT_SYSCALL_EXIT,   /* sys_exit: [0] pt_regs *, [1] result */
    LANG_CONTEXT_RAW_TRACEPOINT, /* u64 arguments; with BTF loadable directly */
    LANG_CONTEXT_TRACEPOINT,     /* the record of the tracefs format */
    LANG_CONTEXT_UPROBE,         /* pt_regs at the entry of a user function */
    LANG_CONTEXT_URETPROBE,      /* pt_regs at its return */
    LANG_CONTEXT_KPROBE,         /* pt_regs at the entry of a kernel function, or at an instruction of it */
    LANG_CONTEXT_KRETPROBE,      /* pt_regs at its return */
    LANG_CONTEXT_FENTRY,         /* u64[]: the arguments of a kernel function */
    LANG_CONTEXT_FEXIT,          /* u64[]: the arguments, then the result */
    LANG_CONTEXT_PERF_EVENT,     /* profile, interval, software, hardware, watchpoint: bpf_perf_event_data (starts with
                                    pt_regs) */
    LANG_CONTEXT_ITERATOR,       /* iter: u64 arguments as args tells, [0] meta, [1] the object */
};
#define CONTEXT_BIT(name) (1u << LANG_CONTEXT_##name)

/* How the program learns which of its probes fired. */
enum lang_probe_id { LANG_PROBE_CONSTANT, LANG_PROBE_BY_SYSCALL, LANG_PROBE_BY_COOKIE };

/* One program to be generated from one block. Filled by session. */
struct lang_target {
    enum lang_context context;
    bool has_btf;            /* raw tracepoint program loaded with BTF: context pointers may be loaded from directly */
    const struct type *args; /* struct of `args`, or NULL when the probe has none */
    const struct type *result; /* fexit: type of `retval`; void: there is none; NULL: a plain number */
    uint32_t argument_count;   /* FENTRY, FEXIT: words of arguments in the context; the result is behind them */
    /* not NULL: the event stands in for a function; argN is word [N] of the context for N below argument_count, and in
     * SYSCALL_EXIT retval is word result_word */
    const uint8_t *argument_words;
    uint8_t result_word;
    const char *provider;                     /* "tracepoint", "uprobe": for messages */
    const char *name;                         /* first probe name of the program */
    const struct object_usdt_arguments *usdt; /* usdt: what argN means; NULL for other kinds */
    bool writes_file;                         /* pinned iterator: printf() writes to the file that is being read */
    const struct object_function *function;   /* uprobe, uretprobe: where `args` and `retval` are; NULL: not known */
    const char *no_function;                  /* why it is not known */
    bool user_pointers; /* integers and void pointers from this probe's args point to user memory */
    enum lang_probe_id probe_id;
    uint32_t first_probe; /* index of its first name in the session's table of probe names */
    /* SYSCALL_*: which numbers to take: one (-1: all), or with LANG_PROBE_BY_SYSCALL those in the table:
     * syscall_probes[number] = probe index + 1, 0 = not ours; LANG_SYSCALL_LIMIT entries. */
    int32_t syscall_number;
    const uint32_t *syscall_probes;
    bool test_compat;    /* the kernel runs 32-bit processes: their calls must be told apart */
    const char *path;    /* user probes: the file, */
    uint64_t address;    /* and the address of the probed instruction in it */
    uint32_t filter_pid; /* -p: only this process; 0 none */
    bool exclude_self;   /* drop what tarsier's own process does */
};

/* ---- what the outside knows -------------------------------------------------------------------------------- */

/* What happens when a map has no room for a new key: the update is lost and counted; another key makes room; the run
 * ends. */
enum lang_full_maps { LANG_FULL_COUNT, LANG_FULL_EVICT, LANG_FULL_STOP };

/* --name=value behind `--`; value NULL: --name alone. */
struct lang_option {
    const char *name, *value;
};

/* A file as the outside gives it. */
struct lang_file {
    const char *identity; /* the same for all paths that lead to it */
    const char *text;
    uint32_t size;
    bool is_directory;
    bool is_open_to_all;      /* everybody may write to the folder that it is in, or to it, a folder */
    const char *const *names; /* in a directory, sorted */
    uint32_t name_count;
    const char *error; /* when it could not be read: why */
};

/* A setting as `config` shows it: a text, a number, or true and false. */
struct lang_setting {
    const char *name, *text;
    int64_t number;
    bool is_truth;
};

/* The walk of user stacks, as a runtime piece: id = piece(memory, context, request, tgid). Behind `memory_size` bytes
 * of its memory lies the stack then, as it is kept. NULL in the environment: the kernel's helper follows frame
 * pointers instead. */
struct lang_unwinder {
    const struct piece *piece;
    uint32_t memory_size;
    uint32_t absolute, use_context; /* bits of a request beside the number of frames */
    const struct lang_unwinder_field {
        const char *name;
        int64_t value;
    } * fields; /* numbers for the piece */
    uint32_t field_count;
    const char *const *maps; /* maps for the piece, which session makes */
    uint32_t map_count;
};

struct lang_env {
    void *context;
    bool (*setting)(void *context, uint32_t index, struct lang_setting *setting); /* false: there are no more */
    bool (*read_file)(void *context, const char *path, struct lang_file *file);   /* NULL: there are no files */
    const char *const *include_directories;                                       /* -I */
    uint32_t include_directory_count;
    const char *const *includes; /* --include: before the script */
    uint32_t include_count;
    /* struct, union, enum or typedef of the kernel (keyword as in struct type_name); NULL when unknown. */
    const struct type *(*find_type)(void *context, int keyword, const char *name);
    /* The same of user programs: that of the target, of the traced process, of --types. */
    const struct type *(*find_user_type)(void *context, const struct lang_target *target, int keyword,
                                         const char *name);
    /* A constant of an enum there, and the enum; NULL when there is none. */
    const struct type *(*find_user_constant)(void *context, const struct lang_target *target, const char *name,
                                             int64_t *value);
    const char *(*nearest_type)(void *context, int keyword, const char *name); /* for hints; may give NULL */
    /* Enum constants of the kernel and named constants; *type is set for enumerators, NULL for plain numbers. */
    bool (*has_function)(void *context, const char *name); /* in the kernel */
    bool (*find_constant)(void *context, const char *name, int64_t *value, const struct type **type);
    /* Asked while compiling; 0 or a negative errno. */
    int (*find_kernel_symbol)(void *context, const char *name, uint64_t *address);
    /* A symbol of the file that a user probe is in: its address in the file, its size. */
    int (*find_user_symbol)(void *context, const struct lang_target *target, const char *name, uint64_t *address,
                            uint64_t *size);
    int (*find_cgroup)(void *context, const char *path, uint64_t *id);
    const char *(*syscall_name)(void *context, uint32_t number); /* NULL: there is no such call */
    const char *(*probe_name)(void *context, uint32_t id);       /* in the session's table; NULL behind its end */
    const char *const *positional;                               /* $1.. */
    uint32_t positional_count;
    const struct lang_option *options; /* in the order of the command line */
    uint32_t option_count;
    uint32_t kernel_version; /* as LINUX_VERSION_CODE */
    uint32_t self_pid;
    uint32_t child_pid; /* -c; 0 none */
    /* The pid namespace of tarsier, as bpf_get_ns_current_pid_tgid wants it; 0, 0: the first one, which sees all. */
    uint64_t pid_namespace_device, pid_namespace_inode;
    int64_t (*tai_offset)(void); /* ns from CLOCK_MONOTONIC to CLOCK_TAI: nsecs(sw_tai) */
    uint64_t boot_to_real;       /* ns that the time of day is ahead of the time since boot */
    uint64_t start_boottime;     /* ns since boot when tarsier started: what `elapsed` counts from */
    uint32_t cpu_count;          /* possible CPUs */
    uint32_t max_strlen;         /* bytes a str() may take, NUL included: 1024 */
    uint32_t max_map_keys;       /* 4096 */
    uint32_t max_stacks;         /* different stacks that are kept */
    enum lang_full_maps full_maps;
    enum type_stack_mode stack_mode; /* of stacks that name none */
    bool has_task_storage, has_loop_helper, has_cookie;
    bool allow_unsafe;
    const char *series_clock; /* tests: tseries() takes the time from this scalar map; NULL: from the kernel */
    bool tells_failures;      /* -k: each when it happens */
    const struct lang_unwinder *unwinder;
};

/* ---- what the script uses ---------------------------------------------------------------------------------- */

struct lang_variable {
    const char *name;
    const struct type *type; /* NULL until the first assignment is checked */
    struct loc declared;
    struct loc typed; /* where its type came from: the declaration or the first assignment */
    const struct node *declaring;
    uint32_t hygiene;     /* of that node */
    bool explicit_type;   /* let $x : type */
    uint32_t assignments; /* how many places assign it */
    /* lowering */
    uint32_t slot;   /* ir_slot of a scalar, IR_NONE */
    int32_t scratch; /* offset in the scratch area of a large value, -1 */
    bool is_direct;  /* pointer: BTF pointer that may be loaded from directly */
};

/* How a map of the script is kept in the kernel. */
enum lang_storage {
    LANG_STORE_GLOBAL,       /* scalar integer: 8 bytes of the globals, atomic updates */
    LANG_STORE_ROWS,         /* scalar aggregate: a row of the globals for each CPU, no look-up */
    LANG_STORE_PERCPU_ARRAY, /* scalar aggregate that is cleared while events arrive, or large */
    LANG_STORE_HASH,         /* plain value, keyed; scalars that are no integer use the key 0 */
    LANG_STORE_PERCPU_HASH,  /* keyed aggregate; integers that a declaration wants on each CPU */
    LANG_STORE_TASK,         /* [tid] only, never printed nor left at exit: task storage */
};

struct lang_map {
    const char *name;       /* with the @ */
    uint32_t index;         /* position in program->maps */
    const struct type *key; /* NULL: scalar; several keys: a tuple */
    const struct type *value;
    struct loc first; /* where it was seen first; where each type came from */
    struct loc key_from, value_from;
    bool printed;                            /* print() by name; everything left at exit is printed anyway */
    bool cleared;                            /* clear() somewhere: two generations */
    bool cleared_at_end;                     /* an end block clears it as a whole */
    bool zeroed, iterated, deleted, counted; /* zero(), for, delete(), len() */
    bool tested;                             /* has_key() */
    bool addressed;                          /* & of an element */
    bool assigned;                           /* `=` of a plain value; else what is not aggregated is counted */
    bool always_tid_key;                     /* every key expression is exactly `tid` */
    enum lang_storage storage;               /* planned */
    bool single_writer;                      /* planned: one program updates it, and that one never interrupts itself */
    uint32_t map;                            /* planned: number of the BPF map (plan->maps), IR_NONE for globals */
    uint32_t offset; /* planned: in the globals; LANG_STORE_GLOBAL: {u64 set, u64 value}; LANG_STORE_ROWS: first row */
    uint32_t stride; /* planned: LANG_STORE_ROWS: bytes of a row, a power of two */
};

/* One `name = value;` of the config block. What the names mean is session's business. */
struct lang_config_item {
    const char *name;
    const char *text; /* the value: a word, a decoded string, or a number as written */
    int64_t number;
    bool is_number; /* true and false are the numbers 1 and 0 */
    struct loc name_loc, loc;
};

/* struct, union, enum or typedef of the program itself; it goes before the kernel's type of that name. A definition
 * inside another is an entry of its own, under its tag or a made-up name that no script can write. */
struct lang_definition {
    int keyword; /* as in struct type_name; TYPE_NAME_PLAIN: a typedef of `alias` */
    const char *name;
    const struct type_name *alias;
    bool is_packed;
    bool is_resolving; /* the alias is being looked up: what leads back here has no end */
    uint32_t align;    /* at least; 0: nothing was said */
    struct loc loc;
    VEC(struct lang_definition_field {
        const char *name; /* NULL: anonymous struct or union, or padding */
        const struct type_name *type_name;
        bool is_bit_field;
        bool is_packed;
        uint16_t bit_size;
        uint32_t align;
    })
    fields;
    VEC(struct type_enumerator) enumerators;
    const struct type *type; /* once it was asked for */
};

/* `let @m = lruhash(100);` among the probes: how the map is to be kept. What the kinds mean is the planner's business.
 */
enum lang_map_kind {
    LANG_MAP_HASH,
    LANG_MAP_LRUHASH,
    LANG_MAP_PERCPUHASH,
    LANG_MAP_PERCPULRUHASH,
    LANG_MAP_KIND_COUNT
};
enum { LANG_MAP_ENTRIES_MOST = 64 << 20 }; /* of one map */
struct lang_map_declaration {
    const char *name; /* with the @ */
    enum lang_map_kind kind;
    uint32_t entries;
    struct loc name_loc, kind_loc, entries_loc;
};

/* macro name($x, @m, e) { ... }: see expand_macro.c. */
struct lang_macro {
    const char *name;
    struct loc name_loc, definition;
    VEC(struct lang_macro_parameter {
        enum node_kind kind; /* VARIABLE, MAP, or IDENTIFIER for any expression */
        const char *name;    /* with the $ or @ */
        struct loc loc;
        const struct type_name *type; /* of a function */
    })
    parameters;
    struct node *body;              /* BLOCK */
    struct lang_macro *other;       /* of the same name, with other parameters */
    const struct type_name *result; /* fn: what it returns; NULL: it is a macro */
    bool is_library;                /* comes with tarsier */
    bool expanding;
};

struct lang_program {
    struct arena *arena;
    struct source *source; /* the script, and what it includes */
    struct node *tree;     /* NODE_PROGRAM */
    VEC(struct lang_config_item) config;
    VEC(struct lang_definition *) definitions;
    VEC(struct lang_map_declaration) map_declarations; /* each name once */
    struct hash macros;                                /* name -> struct lang_macro * */
    VEC(struct lang_map *) maps;
    struct lang_plan *plan;
};

/* ---- calls ------------------------------------------------------------------------------------------------- */

/* Parses a script. Positional parameters in attach points are replaced here, so they are needed; the rest of `env` is
 * not used and it may be NULL. Never returns NULL: after errors (see diags->error_count) the tree holds what could be
 * understood. At most LANG_SOURCE_LIMIT bytes are accepted. */
enum { LANG_SOURCE_LIMIT = 1 << 20 };
struct lang_program *lang_parse(struct arena *arena, const struct source *source, const struct lang_env *env,
                                struct diag_list *diags);

/* How the program declares the map of that name; NULL when it does not. */
const struct lang_map_declaration *lang_find_map_declaration(const struct lang_program *program, const char *name);
extern const char *const lang_map_kind_names[LANG_MAP_KIND_COUNT];

/* The type that the program defines under this name, laid out as C does; NULL when there is none or when a member's
 * type is not known. `resolve` gives the types of members, and calls back here for those defined in the program. */
typedef const struct type *lang_resolve_type(void *context, const struct type_name *name);
const struct type *lang_definition_type(const struct lang_program *program, int keyword, const char *name,
                                        lang_resolve_type *resolve, void *context);

/* True if the block reads `args` (then a tracepoint must be attached with its record). */
bool lang_uses_args(const struct node *probe);
/* True if the block uses the built-in variable or function of that name. */
bool lang_uses(const struct node *probe, const char *name);
/* True if the block reads arg0, arg1, ... */
bool lang_uses_numbered_args(const struct node *probe);

/* One program: the block it comes from and how it is called. */
struct lang_unit {
    struct node *probe;
    const struct lang_target *target;
};
/* Checks all programs of a script together, until the types of maps settle, and then reports errors. */
bool lang_check(struct lang_program *program, const struct lang_unit *units, uint32_t count, const struct lang_env *env,
                struct diag_list *diags);
/* Checks one program again with settled map types, so that its tree carries the types of this target. */
bool lang_check_unit(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                     struct diag_list *diags);

/* Built-in variables and functions as tables (help, completion, nearest names). */
enum lang_function_flag {
    LANG_FUNCTION_AGGREGATE = 1,
    LANG_FUNCTION_STATEMENT = 2,
    LANG_FUNCTION_MAP_FIRST = 4,
    LANG_FUNCTION_UNSAFE = 8,
    LANG_FUNCTION_ASYNC = 16,
    LANG_FUNCTION_LOOP = 32,
};
enum lang_function_id {
#define FUNCTION(name, least, most, flags, help) LANG_FUNCTION_##name,
#include "lang/functions.def"
#undef FUNCTION
    LANG_FUNCTION_COUNT
};
struct lang_function {
    const char *name;
    enum lang_function_id id;
    uint8_t least, most;
    unsigned flags;
    const char *help;
};
extern const struct lang_function lang_functions[LANG_FUNCTION_COUNT];

enum lang_builtin_id {
#define BUILTIN(name, type, contexts, help) LANG_BUILTIN_##name,
#include "lang/builtins.def"
#undef BUILTIN
    LANG_BUILTIN_arg,  /* arg0..argN: number in node->number */
    LANG_BUILTIN_sarg, /* sarg0..sargN: on the stack, whatever the calling convention */
    LANG_BUILTIN_COUNT
};
enum lang_builtin_type {
    LANG_BUILTIN_TYPE_U64,
    LANG_BUILTIN_TYPE_U32,
    LANG_BUILTIN_TYPE_I64,
    LANG_BUILTIN_TYPE_BOOL,
    LANG_BUILTIN_TYPE_STRING16,
    LANG_BUILTIN_TYPE_KSTACK,
    LANG_BUILTIN_TYPE_USTACK,
    LANG_BUILTIN_TYPE_PROBE,
    LANG_BUILTIN_TYPE_TASK,
    LANG_BUILTIN_TYPE_CTX,
    LANG_BUILTIN_TYPE_TYPED,
};
struct lang_builtin {
    const char *name;
    enum lang_builtin_id id;
    enum lang_builtin_type type;
    unsigned contexts; /* mask of CONTEXT_BIT */
    const char *help;
};
extern const struct lang_builtin lang_builtins[LANG_BUILTIN_COUNT];
const struct lang_builtin *lang_find_builtin(const char *name, int64_t *argument); /* also argN */
const struct lang_function *lang_find_function(const char *name);
const char *lang_probe_type(const struct lang_target *target); /* what `probetype` says */

#endif
