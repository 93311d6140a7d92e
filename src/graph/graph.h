/* Call trees of functions of the kernel, from its function_graph tracer (kernel/ftrace.h).
 *
 *   pages of each CPU --graph_stream--> events in order of time --graph_forest--> whole trees --graph_print--> text,
 * JSON
 *
 * The tracer writes an event at each call and one at each return, which says how deep it is. A tree is built for each
 * thread and handed out when its root returns, so that trees are never mixed with each other. What was lost in between
 * shows by depths that do not fit: calls without a return, returns without a call. They stay in the tree and say so.
 *
 * Times: ns of CLOCK_MONOTONIC. One thread.
 */
#ifndef TARSIER_GRAPH_GRAPH_H
#define TARSIER_GRAPH_GRAPH_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct kernel_ftrace;
struct kernel_tracefs;
struct symbol_cache;
struct view_output;

/* ---- events -------------------------------------------------------------------------------------------------- */

enum graph_event_kind { GRAPH_CALL, GRAPH_RETURN, GRAPH_NEW_TASK, GRAPH_NAME };
enum { GRAPH_NAME_SIZE = 16 };

struct graph_event {
    enum graph_event_kind kind;
    bool in_interrupt, has_result;
    uint32_t thread, cpu;
    uint64_t time;
    union {
        struct { /* CALL, RETURN */
            int32_t depth;
            uint64_t function, duration, result; /* the last two: of a return */
        };
        struct { /* NEW_TASK: of the child; NAME: of `thread` */
            uint32_t child;
            bool same_process;
            char name[GRAPH_NAME_SIZE];
        };
    };
};

struct graph_stream;
typedef void (*graph_event_fn)(void *user, const struct graph_event *event);

/* NULL and *error (a text) when the formats of the events cannot be read. */
struct graph_stream *graph_stream_open(struct arena *arena, const struct kernel_tracefs *tracefs,
                                       struct kernel_ftrace *ftrace, const char **error);
void graph_stream_close(struct graph_stream *stream); /* NULL is fine */
/* Reads what is there and hands it out in order of time; the last moments are kept for the next time, unless `all`.
 * The number of pages that were read, or a negative errno. */
int64_t graph_stream_read(struct graph_stream *stream, bool all, graph_event_fn callback, void *user);
/* Events that the CPU (index as in kernel_ftrace_cpu) lost for want of room, until now. */
uint64_t graph_stream_lost(const struct graph_stream *stream, uint32_t index);

/* ---- names --------------------------------------------------------------------------------------------------- */

struct graph_names; /* of functions, by address */
struct graph_name {
    const char *text, *module;  /* "vfs_read" or the address; NULL: the kernel itself */
    bool is_root, is_interrupt; /* matches one of the roots; the kernel is entered here by an interrupt */
};
/* roots: names with stars; none: every function may be a root */
struct graph_names *graph_names_new(struct arena *arena, struct symbol_cache *symbols, const char *const *roots,
                                    uint32_t root_count);
const struct graph_name *graph_names_get(struct graph_names *names, uint64_t address);

/* ---- trees --------------------------------------------------------------------------------------------------- */

struct graph_call {
    uint64_t function;
    uint64_t time;     /* of the call, or of the return when that is all there is */
    uint64_t duration; /* 0 without a return */
    uint64_t result;
    int32_t depth;  /* as the kernel counts */
    uint32_t level; /* in the tree, 0 for its root: what stands below it with higher ones is what it called */
    uint32_t cpu;
    bool has_call, has_return, has_result;
};

struct graph_tree {
    uint32_t thread;
    const char *name; /* of the thread */
    const struct graph_call *calls;
    uint32_t count;
    uint32_t left_out;  /* calls for which there was no room */
    bool still_running; /* calls without a return had not returned at the end of the run */
};

struct graph_wish {
    const char *name; /* only threads of this name (may have stars); NULL: all */
    pid_t process;    /* only threads of this process; 0: all */
    uint32_t depth;   /* 0: no limit */
    bool without_interrupts;
};

struct graph_forest;
typedef void (*graph_tree_fn)(void *user, const struct graph_tree *tree);

/* What is behind the pointers in `wish` must outlive it. */
struct graph_forest *graph_forest_new(const struct graph_wish *wish, struct graph_names *names, graph_tree_fn callback,
                                      void *user);
void graph_forest_free(struct graph_forest *forest); /* NULL is fine */
/* A thread of the process that was there before the trace. */
void graph_forest_know(struct graph_forest *forest, pid_t thread);
void graph_forest_add(struct graph_forest *forest, const struct graph_event *event);
/* Hands out the trees that are still open. */
void graph_forest_end(struct graph_forest *forest);
/* Calls and returns that belong to no tree: its root was lost. */
uint64_t graph_forest_strays(const struct graph_forest *forest);
/* Trees whose root was called by functions that others trace: the tracer's own limit of depth counts those, too. */
uint64_t graph_forest_raised(const struct graph_forest *forest);

/* ---- printing ------------------------------------------------------------------------------------------------ */

struct graph_style {
    bool json, time, task, no_cpu, no_duration, tail;
    uint64_t least; /* calls that took less ns are left out, with what they called */
    uint32_t cpus;  /* width of the column */
};

struct graph_printer;
struct graph_printer *graph_printer_new(struct arena *arena, const struct graph_style *style, struct graph_names *names,
                                        struct view_output *out);
void graph_printer_free(struct graph_printer *printer); /* NULL is fine; the rest is the arena's */
/* True: something of it was printed. */
bool graph_print(struct graph_printer *printer, const struct graph_tree *tree);

#endif
