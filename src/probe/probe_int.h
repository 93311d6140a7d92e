/* What the files of this folder share: the vtable of a probe kind, a split attach point, and helpers. */
#ifndef TARSIER_PROBE_PROBE_INT_H
#define TARSIER_PROBE_PROBE_INT_H

#include "base/str.h"
#include "probe/probe.h"

#include <errno.h>

enum { PROBE_PARTS_MAX = 4, PROBE_ALIASES_MAX = 3 };

/* One piece of an attach point, quotes and backslashes removed. */
struct probe_part {
    const char *text;
    uint32_t begin, end; /* bytes of the written text, for error positions */
};

/* "t:syscalls:sys_enter_o*" split: provider "t", parts "syscalls" and "sys_enter_o*". */
struct probe_point {
    const struct probe_kind *kind;
    struct probe_part provider;
    struct probe_part parts[PROBE_PARTS_MAX];
    uint32_t part_count;
    unsigned wants; /* enum probe_wants */
    bool want_args;
};

/* Where -l lines go. */
struct probe_lister {
    bool verbose;
    const char *pattern; /* glob over the whole line */
    probe_line_fn line;
    void *user;
    int count;
};

/* A kind of probe. The table of kinds, and how to add one, is in kind.c. */
struct probe_kind {
    const char *name;
    const char *aliases[PROBE_ALIASES_MAX];
    const char *usage;              /* "tracepoint:SYSTEM:EVENT" */
    uint32_t parts_min, parts_max;  /* parts after the provider */
    bool optional_first_part;       /* with a target process one part fewer will do */
    bool implied_first_part;        /* -l: "t:*x*" means any system, "rt:x" any module */
    bool matches_provider_wildcard; /* "*:x" tries this kind */
    bool is_user;                   /* "*:/bin/x:f" tries this kind, and "*:x" with a target process */
    int (*expand)(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                  struct probe_error *error);
    /* Lists what matches `point` (its parts may be missing: everything). */
    int (*list)(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                struct probe_error *error);
};

extern const struct probe_kind probe_kind_begin, probe_kind_end, probe_kind_tracepoint, probe_kind_rawtracepoint,
    probe_kind_profile, probe_kind_interval, probe_kind_software, probe_kind_uprobe, probe_kind_uretprobe,
    probe_kind_usdt, probe_kind_kprobe, probe_kind_kretprobe, probe_kind_fentry, probe_kind_fexit, probe_kind_hardware,
    probe_kind_watchpoint, probe_kind_iter, probe_kind_self, probe_kind_test, probe_kind_bench;
extern const struct probe_kind *const probe_kinds[];
extern const uint32_t probe_kind_count;

/* kind.c */
/* "*:x" and the like are about user programs: x is a path, or there is a target process. */
bool probe_is_about_user(const struct probe_context *context, const struct probe_point *point);
const struct probe_kind *probe_kind_find(const char *provider, size_t length);
struct probe_target *probe_add_target(struct probe_context *context, const struct probe_point *point,
                                      struct probe_targets *out);

/* Fills the error "Invalid probe type" with the nearest names. */
int probe_unknown_kind(struct probe_context *context, const struct probe_point *point, struct probe_error *error);

/* point.c */
int probe_split(struct probe_context *context, const char *text, struct probe_point *point, struct probe_error *error);
static inline bool probe_has_star(const char *text) { return strchr(text, '*') != NULL; }
/* Whole number, with '_' between digits and an exponent ("1e6"); stops at the first other character. */
bool probe_parse_number(const char *text, uint64_t *value, const char **rest);

/* error.c: fills `error` and returns -number. `part` NULL: the whole attach point. */
int probe_fail(struct probe_context *context, struct probe_error *error, enum probe_error_kind kind, int number,
               const struct probe_part *part, const char *format, ...) __attribute__((format(printf, 6, 7)));
#define probe_fail_text(context, error, part, ...)                                                                     \
    probe_fail((context), (error), PROBE_ERROR_TEXT, EINVAL, (part), __VA_ARGS__)
#define probe_fail_match(context, error, part, ...)                                                                    \
    probe_fail((context), (error), PROBE_ERROR_NO_MATCH, ENOENT, (part), __VA_ARGS__)
/* A system call failed: kind, reason and cure follow from `number` (positive errno). */
int probe_fail_system(struct probe_context *context, struct probe_error *error, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "did you mean a, b or c?", or NULL when nothing is near. */
const char *probe_nearest(struct probe_context *context, const char *wanted, const char *const *names, uint32_t count);

/* watchpoint.c: what an errno of perf_event_open means for a watchpoint. */
void probe_explain_watchpoint(int number, struct probe_error *error);

/* list.c: a probe's line (true: it matched and was written), then its arguments when verbose. */
bool probe_list_line(struct probe_lister *lister, const char *line);
void probe_list_matched(struct probe_lister *lister, const char *line); /* one that is known to match */
void probe_list_argument(struct probe_lister *lister, const char *declaration);
void probe_list_fields(struct probe_lister *lister, const struct type *args);
void probe_add_declaration(const struct type_field *field, struct strbuf *out); /* "char comm[16]" */

/* list_types.c: -l 'struct X'. False: the pattern is not about types. */
bool probe_list_types(struct probe_context *context, struct probe_lister *lister, const char *pattern);

#endif
