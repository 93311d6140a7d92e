/* Results as text or JSON. Plain data in (types, stored bytes as base/type.h lays them out), bytes out.
 *
 * Everything printed goes through one struct view. In text mode a message is its bytes; in JSON mode it is one object
 * a line: {"type": "printf", "data": "..."}. Both forms are those of bpftrace, to the byte.
 *
 * Where to add: a printable kind of value = a case in value.c (text) and json.c, or in whole.c if both write it alike;
 * a kind of map block = map.c; a printf conversion = base/printf_spec.c and printf.c; a kind of message = MESSAGES
 * below.
 *
 * What needs more than its bytes to become text (symbols, stacks, probe names) is asked of the resolver in view_names.
 */
#ifndef TARSIER_VIEW_VIEW_H
#define TARSIER_VIEW_VIEW_H

#include "base/arena.h"
#include "base/str.h"
#include "base/type.h"
#include "view/output.h"
#include <stdbool.h>
#include <stdint.h>

enum view_format { VIEW_TEXT, VIEW_JSON };

/* Turns ksym, usym, kstack, ustack, probe, timestamp, username and cgroup_path values into text (appended to out). A
 * stack is the whole block: a newline, then 8 spaces, name+offset and a newline per frame. */
struct view_names {
    void *context;
    void (*format)(void *context, const struct type *type, const void *bytes, struct strbuf *out);
};

struct view {
    struct view_output *out;
    enum view_format format;
    const struct view_names *names; /* NULL: such values print as numbers */
    bool plain;                     /* no colours */
    const char *string_trailer;     /* behind a string that fills its buffer; NULL: ".." */
};

/* --- values --- */

/* Appends one stored value as text: 5, true, NAME, text, 0x33, [1,2], { .m = 2, .n = 3 }, (1, 2, x). Aggregates print
 * as their total (count, sum, min, max, avg) or as { .count = .. } (stats); hist and lhist print only in maps. */
void view_value(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out);
/* The same as a JSON value. */
void view_value_json(const struct view *view, const struct type *type, const void *bytes, struct strbuf *out);
/* print(expression): the value and a newline, or {"type": "value", "data": ..}. */
void view_print_value(const struct view *view, const struct type *type, const void *bytes);

/* --- maps --- */

/* A map as read: values of aggregates already reduced to one (view_reduce). keys[i] and values[i] point at stored
 * bytes; both arrays stay the caller's and are not reordered. */
struct view_map {
    const char *name;       /* with the @ */
    const struct type *key; /* NULL: scalar; a tuple: several keys */
    const struct type *value;
    uint32_t count; /* entries; scalar: 0 (prints as zero or not at all, see below) or 1 */
    const void *const *keys;
    const void *const *values;
};

/* What of a map is printed, and in which order. Zero bytes: all of it, in the usual order. */
struct view_map_options {
    enum { VIEW_SORT_USUAL, VIEW_SORT_KEY, VIEW_SORT_VALUE } sort;
    bool descending;
    uint32_t top;   /* only the `top` greatest of the order; 0: all */
    uint32_t limit; /* then only the first `limit` lines; 0: all */
    uint32_t div;   /* values are divided by it; 0: 1 */
    bool has_least;
    int64_t least; /* entries with a smaller value are left out */
};

/* The usual order is bpftrace's: numbers and aggregates ascending by value, histograms by total count, others by key.
 * A scalar without an entry prints as zero; a keyed map without entries prints nothing. */
void view_print_map(const struct view *view, const struct view_map *map, const struct view_map_options *options);

/* Adds up the per-CPU copies of one stored value of an aggregate type into one value of that type. `out` takes
 * type->size bytes; copy c starts at per_cpu + c * stride. Types that are not aggregates: copy 0. */
void view_reduce(const struct type *type, const void *per_cpu, uint32_t stride, uint32_t cpus, void *out);
/* The number that a reduced count, sum, min, max, avg (or any scalar) stands for. */
int64_t view_number(const struct type *type, const void *bytes);

/* --- printf --- */

/* A format bound to the types of its arguments: parsed once, run per event. */
struct view_printf;

/* NULL on a user error: *error is its text (in the arena), *error_argument the argument that does not fit. */
struct view_printf *view_printf_compile(struct arena *arena, const char *format, const struct type *const *types,
                                        uint32_t count, const char **error, uint32_t *error_argument);
/* Appends the formatted text; arguments[i] points at the stored bytes of argument i. */
void view_printf_run(const struct view *view, const struct view_printf *compiled, const void *const *arguments,
                     struct strbuf *out);

/* --- messages --- */

/* kind, "type" in JSON: messages whose data is text. Text mode prints the bytes alone. */
#define VIEW_MESSAGES(X)                                                                                               \
    X(VIEW_PRINTF, "printf")                                                                                           \
    X(VIEW_TIME, "time")                                                                                               \
    X(VIEW_CAT, "cat")                                                                                                 \
    X(VIEW_JOIN, "join")                                                                                               \
    X(VIEW_SYSCALL, "syscall") /* output of system() */

enum view_message {
#define X(kind, name) kind,
    VIEW_MESSAGES(X)
#undef X
};

void view_print_message(const struct view *view, enum view_message kind, const char *text, size_t length);
/* JSON only (in text mode they belong to stderr and are the caller's): */
void view_print_attached(const struct view *view, uint64_t probes);
void view_print_lost(const struct view *view, uint64_t events);
void view_print_helper_error(const struct view *view, const char *message, const char *helper, int64_t result,
                             const char *file, uint32_t line, uint32_t column);

/* --- tests and benchmarks --- */

struct view_trial {
    const char *name;
    bool passed;          /* tests */
    uint64_t nanoseconds; /* a test: of its run; a benchmark: of one run on average */
    uint64_t runs;        /* benchmarks */
};

/* The result of trials[index] and, around the first and the last one, the lines that frame them all. `output` is what
 * the test printed, shown when it failed. */
void view_print_test(const struct view *view, const struct view_trial *trials, uint32_t count, uint32_t index,
                     const char *output, size_t length);
void view_print_bench(const struct view *view, const struct view_trial *trials, uint32_t count, uint32_t index,
                      bool is_first);

/* Appends the text as a quoted JSON string. Bytes that are not UTF-8 become \u00NN. */
void view_json_string(const char *text, size_t length, struct strbuf *out);

#endif
