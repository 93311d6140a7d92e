/* State of a session, shared by the files of this folder. Two arenas: `compile` ends when the programs are loaded and
 * holds text, tree, IR and bytes; `arena` lives as long as the session. */
#ifndef TARSIER_SESSION_SESSION_INT_H
#define TARSIER_SESSION_SESSION_INT_H

#include "base/hash.h"
#include "bpf/bpf.h"
#include "kernel/bpf.h"
#include "kernel/feature.h"
#include "kernel/proc.h"
#include "kernel/ring.h"
#include "lang/plan.h"
#include "object/btf.h"
#include "probe/probe.h"
#include "session/session.h"
#include "symbol/symbol.h"
#include "unwind/store.h"
#include <regex.h>
#include <stdio.h>

/* When a block runs. */
enum session_moment {
    SESSION_AT_EVENT,  /* its probes fire */
    SESSION_AT_BEGIN,  /* before anything is attached */
    SESSION_AT_END,    /* after everything is detached */
    SESSION_AT_SIGNAL, /* tarsier gets SIGUSR1 */
    SESSION_AT_TEST,   /* --test runs it once */
    SESSION_AT_BENCH,  /* --bench runs it many times */
    SESSION_AT_READING /* iter: the iterator is read */
};

/* One program: a block of the script for a group of targets. */
struct session_unit {
    struct lang_unit lang;
    struct lang_target target;
    struct probe_targets targets;
    uint32_t *probe_ids;      /* of each target: its name's place in the session's table */
    struct hash places;       /* kernel functions among them: one that is there twice needs a program for each */
    const struct node *point; /* attach point of the first target */
    struct bpf_program program;
    struct probe_program kernel; /* type and attach type */
    int program_fd;
    struct probe_link link;
    uint64_t *cookies; /* one for each target, or NULL */
    bool is_rest;      /* others of these targets are attached: failures are warnings */
    uint64_t missed;   /* hits that the kernel missed, read when the link ended */
    enum session_moment moment;
};

struct session_map {
    int fd;              /* what programs are given: the map, or its array of maps */
    int inner;           /* map with generations: the current one; else -1 */
    uint64_t emptied_at; /* when a fresh generation took over last, as in the stamps of records */
    bool zeroed;         /* by zero(): the keys were put into it */
};

/* An entry of an array of maps that is to be set before programs run. */
struct session_entry {
    int outer;
    uint32_t index;
    int inner;
};
struct session_entries {
    struct session_entry *data;
    uint32_t count, capacity;
};

/* What to do when an event of the script does not exist. Unless the script says so: an error when a block has none at
 * all, else a warning. ERROR: an error whenever one is missing that is named without `*`. */
/* A file of packets. */
struct session_capture {
    const char *path;
    FILE *file; /* NULL: it could not be opened */
    int64_t boot_offset;
};

enum session_missing { SESSION_MISSING_ERROR, SESSION_MISSING_WARN, SESSION_MISSING_IGNORE, SESSION_MISSING_UNSAID };

/* What the config block and the environment can change; see the table in settings.c. */
struct session_settings {
    uint32_t max_strlen, max_map_keys, max_stacks;
    uint32_t ring_pages; /* of all rings together; 0: as many as the script needs */
    uint32_t print_maps_on_exit;
    uint32_t missing_probes; /* enum session_missing */
    uint32_t full_maps;      /* enum lang_full_maps */
    uint32_t stack_mode;     /* enum type_stack_mode */
    uint32_t max_cat_bytes;
    const char *string_trailer;
    const char **said; /* by place in the table: what was said about settings that change nothing, or NULL */
};

struct session {
    const struct session_options *options;
    struct arena *arena;
    struct diag_list diags;
    struct lang_env env;
    struct session_settings settings;
    struct lang_program *program;
    struct lang_plan *plan;
    struct kernel_features *features;
    struct kernel_cpus cpus;
    struct probe_context probes;
    regex_t probe_filter; /* while targets are looked up, when there is one */
    VEC(struct session_unit *) units;
    VEC(const char *) probe_names;      /* each once: `probe` as a key is one key for one name */
    struct hash probe_ids;              /* name -> its place + 1 */
    VEC(struct session_unit *) retried; /* made while attaching, then among the units */

    struct session_map *maps; /* one for each of plan->maps */
    bool *zeroed;             /* by map of the script: it has an entry even if nothing was added since */
    uint8_t *globals;         /* mapped; NULL while there are no maps */
    int map_btf_fd;
    struct session_entries entries;
    pid_t setter; /* child that sets them, to be reaped */
    int *ring_fds;
    uint32_t ring_size;
    struct kernel_rings *rings;

    struct symbol_cache *symbols;
    struct unwind_store *unwind;            /* NULL: no user stacks are walked by it */
    VEC(struct symbol_file *) unwind_files; /* by its numbers */
    struct hash unwind_numbers;             /* file -> number + 1 */
    struct hash walked;                     /* id -> struct session_walked */
    struct hash made_up_names;
    struct session_told *told, *told_last; /* by the unwinder, and not answered yet */
    uint32_t told_count;
    struct view view;
    struct view_names names;
    struct view_printf **formats; /* compiled printf of each action, made on first use */
    struct strbuf text;           /* reused for each record */
    struct session_values *values;
    VEC(struct session_capture) captures;

    struct session_known *known; /* stacks that the sink has; see sink.c */

    struct kernel_child child;
    int child_status; /* of -c, once reaped */
    int target_fd;
    bool refused;                       /* the system does not let us look for targets */
    bool is_ending;                     /* the end blocks run: what they say is always shown */
    bool is_iterating;                  /* exit() lets the iterator run to its end */
    bool left_out_test, left_out_bench; /* such blocks are there, but this is not their mode */
    uint64_t looked_at, stopped_at;     /* overdue() of events.c; 0: not yet */
    uint64_t forgiven;                  /* time that did not count */
    uint64_t left_behind;               /* records that were dropped because of it */
    bool stop, exit_dropped;            /* exit() was handled: later records are dropped */
    int exit_code;
    uint64_t attached;
    uint64_t attached_at, detached_at; /* stamps: events were counted in between */
};

/* environment.c */
void session_environment(struct session *s);
/* files.c */
bool session_read_file(void *session, const char *path, struct lang_file *file);
/* settings.c: errors go to s->diags */
void session_settings(struct session *s);
bool session_setting(void *session, uint32_t index, struct lang_setting *setting); /* as `config` shows it */

/* open.c, units.c, debug.c */
int session_compile(struct session *s);
int session_expand(struct session *s);
int session_list(struct session *s);
void session_show_stages(struct session *s);
void session_show_unit(struct session *s, const struct session_unit *unit, const struct ir_module *module);

/* needs.c */
bool session_has_helpers(struct session *s, const struct lang_unit *units);

/* maps.c */
int session_create_maps(struct session *s);
/* A fresh generation takes the place of the current one; returns the old map (no program uses it), to be closed. */
int session_swap(struct session *s, uint32_t map);
uint64_t session_counter(const struct session *s, uint32_t offset);

/* once.c: runs a program that has no event, with memory for the new keys it may make. 0 or -errno. */
int session_run_once(struct session *s, const struct session_unit *unit, uint32_t *result);

/* load.c */
int session_load(struct session *s);
int session_attach(struct session *s);
void session_close(struct session *s);
/* "<what>: <errno text>" on stderr, with the cure for refused permission. Returns SESSION_SYSTEM_ERROR. */
int session_system_error(const char *what, int error);

/* run.c */
int session_events(struct session *s);
/* Hands out the records that are there. */
int session_drain(struct session *s);
/* Runs the blocks of a moment in the order of the script. */
int session_run_blocks(struct session *s, enum session_moment moment);
/* trial.c: --test and --bench. *code becomes 1 when one failed. */
int session_tests(struct session *s, int *code);
int session_benches(struct session *s, int *code);

/* iterate.c: reads the iterators to their ends, or pins them. */
int session_read_iterators(struct session *s);
/* Ends the watchpoints on an address; how many there were. */
uint32_t session_unwatch(struct session *s, uint64_t address);

/* events.c */
bool session_record(void *session, uint32_t cpu, const void *payload, uint32_t size);

/* texts.c */
void session_print_text(struct session *s, uint32_t number, const struct lang_action *action, const void *record);
void session_print_words(struct session *s, const struct lang_action *action, const void *record);

/* packets.c */
void session_write_packet(struct session *s, const struct lang_action *action, const void *packet, uint64_t stamp);
int session_close_packets(struct session *s); /* SESSION_OK or SESSION_OUTPUT_ERROR */

/* values.c */
void session_format_username(struct session *s, uint64_t id, struct strbuf *out);
void session_format_timestamp(struct session *s, uint64_t ns, uint64_t format, struct strbuf *out);
void session_format_cgroup_path(struct session *s, uint64_t id, uint64_t filter, struct strbuf *out);

/* results.c */
void session_print_map(struct session *s, const struct lang_action *action, uint64_t stamp);
void session_print_element(struct session *s, const struct lang_action *action, const void *key);
void session_clear_map(struct session *s, struct lang_map *map, bool keep_keys, uint64_t stamp);
void session_print_all_maps(struct session *s);
void session_sink_map(struct session *s, struct lang_map *map);

/* failures.c */
void session_report_failures(struct session *s);
void session_count_losses(struct session *s, struct session_losses *losses); /* for a sink: told by its owner */
void session_tell_failure(struct session *s, const struct lang_action *action, const struct lang_failure *failure);
void session_map_full(struct session *s, const struct lang_map *map); /* and the policy is to stop */

/* names.c */
void session_names(struct session *s);
uint32_t session_machinery_frames(struct session *s, const uint64_t *ips, uint32_t count);

/* sink.c */
void session_sink_value(struct session *s, uint64_t stamp, const struct type *type, const void *bytes);
void session_sink_element(struct session *s, const struct lang_map *map, const void *key, const void *value);
void session_sink_end(struct session *s); /* losses, maps */

/* stacks.c */
void session_prepare_stacks(struct session *s);
int session_open_stacks(struct session *s); /* 0 or a negative errno */
void session_drain_stacks(struct session *s);
/* What user space has walked to its end. */
struct session_walked {
    uint64_t id; /* what the kernel gives to equal stacks by now */
    const struct unwind_stack *stack;
};
/* Puts the ids that equal stacks have by now into a value; false: nothing was to change. */
bool session_settle_stacks(const struct session *s, const struct type *type, uint8_t *bytes);
/* Was it captured by the unwinder, whole in `size` bytes? */
bool session_is_unwound(const struct session *s, const uint8_t *captured, uint32_t size);
struct session_frame session_unwound_frame(struct session *s, const struct unwind_stack *stack, uint32_t index);
const struct session_walked *session_walked_stack(const struct session *s, uint64_t id);
void session_format_unwound(struct session *s, const struct type *type, const struct unwind_stack *stack,
                            enum symbol_stack_mode mode, struct strbuf *out);

#endif
