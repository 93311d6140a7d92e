/* From calls and returns to trees, one at a time for each thread. */
#include "base/hash.h"
#include "base/str.h"
#include "base/vec.h"
#include "graph/graph.h"
#include "kernel/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CALLS_MAX = 1 << 20, /* of a tree */
    CALLS_KEPT = 1024,   /* room that a thread keeps between trees */
    OPEN_MAX = 256,      /* the kernel's own limit is 50 */
};

struct thread {
    uint32_t id;
    bool is_wanted, is_settled; /* settled: is_wanted and the name are known */
    bool is_hidden;             /* inside a call that is not wanted, of this depth */
    int32_t hidden_depth;
    bool is_in_interrupt; /* the tree began there */
    char name[GRAPH_NAME_SIZE];
    struct graph_call *calls;
    uint32_t count, capacity, left_out;
    uint32_t open[OPEN_MAX], open_count; /* calls that have not returned, outermost first */
};

struct graph_forest {
    struct graph_wish wish;
    struct graph_names *names;
    graph_tree_fn callback;
    void *user;
    struct arena *arena; /* of the threads and their table */
    struct hash threads;
    struct thread **all;
    uint32_t count, capacity;
    uint64_t strays, raised;
};

/* ---- threads ------------------------------------------------------------------------------------------------- */

struct graph_forest *graph_forest_new(const struct graph_wish *wish, struct graph_names *names, graph_tree_fn callback,
                                      void *user) {
    struct arena *arena = arena_new();
    struct graph_forest *forest = arena_make(arena, struct graph_forest);

    *forest = (struct graph_forest){.wish = *wish, .names = names, .callback = callback, .user = user, .arena = arena};
    hash_init(&forest->threads, arena);
    return forest;
}

void graph_forest_free(struct graph_forest *forest) {
    if (!forest)
        return;
    for (uint32_t i = 0; i < forest->count; i++)
        free(forest->all[i]->calls);
    arena_free(forest->arena);
}

uint64_t graph_forest_strays(const struct graph_forest *forest) { return forest->strays; }

uint64_t graph_forest_raised(const struct graph_forest *forest) { return forest->raised; }

/* The idle tasks of all CPUs have the number 0. */
static struct thread *thread_of(struct graph_forest *forest, uint32_t id, uint32_t cpu) {
    uint64_t key = (uint64_t)id + 1 + ((uint64_t)(id ? 0 : cpu) << 32);
    struct thread *thread = hash_get_number(&forest->threads, key);

    if (thread)
        return thread;
    thread = arena_make(forest->arena, struct thread);
    thread->id = id;
    if (id == 0)
        snprintf(thread->name, sizeof thread->name, "<idle>");
    hash_put_number(&forest->threads, key, thread);
    if (forest->count == forest->capacity)
        forest->all = vec_grow(forest->arena, forest->all, forest->count, &forest->capacity, sizeof *forest->all);
    forest->all[forest->count++] = thread;
    return thread;
}

/* What /proc says of a thread whose beginning was not seen; nothing when it has ended. */
static void read_name(struct thread *thread) {
    struct strbuf text = {0};
    char path[64];

    snprintf(path, sizeof path, "/proc/%u/comm", thread->id);
    if (kernel_read_file(path, &text, 4096) == 0)
        snprintf(thread->name, sizeof thread->name, "%.*s", (int)strcspn(strbuf_text(&text), "\n"), strbuf_text(&text));
    strbuf_free(&text);
}

static bool is_of_process(uint32_t thread, pid_t process) {
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task/%u", (int)process, thread);
    return access(path, F_OK) == 0;
}

/* Asked when a tree begins. */
static bool is_wanted(struct graph_forest *forest, struct thread *thread) {
    const struct graph_wish *wish = &forest->wish;

    if (!thread->name[0])
        read_name(thread);
    if (!thread->is_settled) {
        thread->is_settled = true;
        thread->is_wanted = !wish->process || is_of_process(thread->id, wish->process);
    }
    return thread->is_wanted && (!wish->name || str_glob(wish->name, thread->name));
}

void graph_forest_know(struct graph_forest *forest, pid_t id) {
    struct thread *thread = thread_of(forest, (uint32_t)id, 0);

    read_name(thread);
    thread->is_settled = thread->is_wanted = true;
}

static void add_task(struct graph_forest *forest, const struct graph_event *event) {
    struct thread *thread = thread_of(forest, event->child, 0);
    struct thread *parent = thread_of(forest, event->thread, event->cpu);

    memcpy(thread->name, event->name, sizeof thread->name);
    thread->is_settled = true;
    thread->is_wanted = !forest->wish.process || (event->same_process && is_wanted(forest, parent));
}

/* ---- calls --------------------------------------------------------------------------------------------------- */

static struct graph_call *top_of(struct thread *thread) {
    return thread->open_count ? &thread->calls[thread->open[thread->open_count - 1]] : NULL;
}

/* A call at place `at`, before those that are there. NULL: no room. */
static struct graph_call *insert(struct thread *thread, uint32_t at) {
    if (thread->count == CALLS_MAX)
        return NULL;
    if (thread->count == thread->capacity) {
        uint32_t capacity = thread->capacity ? thread->capacity * 2 : 64;
        struct graph_call *calls = realloc(thread->calls, capacity * sizeof *calls);
        if (!calls)
            arena_out_of_memory(capacity * sizeof *calls);
        thread->calls = calls;
        thread->capacity = capacity;
    }
    memmove(&thread->calls[at + 1], &thread->calls[at], (thread->count - at) * sizeof *thread->calls);
    memset(&thread->calls[at], 0, sizeof *thread->calls);
    thread->count++;
    return &thread->calls[at];
}

static void finish(struct graph_forest *forest, struct thread *thread, bool at_end) {
    const struct graph_tree tree = {.thread = thread->id,
                                    .name = thread->name,
                                    .calls = thread->calls,
                                    .count = thread->count,
                                    .left_out = thread->left_out,
                                    .still_running = at_end};

    if (thread->count)
        forest->callback(forest->user, &tree);
    thread->count = thread->left_out = thread->open_count = 0;
    if (thread->capacity > CALLS_KEPT) {
        free(thread->calls);
        thread->calls = NULL;
        thread->capacity = 0;
    }
}

/* Calls that are as deep or deeper have returned, even if their returns were lost. */
static void close_down_to(struct graph_forest *forest, struct thread *thread, int32_t depth) {
    while (thread->open_count && top_of(thread)->depth >= depth)
        thread->open_count--;
    if (!thread->open_count && thread->count)
        finish(forest, thread, false);
}

static bool is_too_deep(const struct graph_forest *forest, const struct thread *thread) {
    return (forest->wish.depth && thread->open_count >= forest->wish.depth) || thread->open_count == OPEN_MAX;
}

static void describe(struct graph_call *call, const struct graph_event *event, uint32_t level) {
    call->function = event->function;
    call->time = event->time;
    call->depth = event->depth;
    call->level = level;
    call->cpu = event->cpu;
}

static void hide(struct thread *thread, const struct graph_event *event) {
    thread->is_hidden = true;
    thread->hidden_depth = event->depth;
}

static void add_call(struct graph_forest *forest, struct thread *thread, const struct graph_event *event) {
    close_down_to(forest, thread, event->depth);
    if (!thread->open_count) {
        if (!graph_names_get(forest->names, event->function)->is_root) {
            forest->strays++;
            return;
        }
        thread->is_in_interrupt = event->in_interrupt;
    }
    if ((!thread->open_count && !is_wanted(forest, thread)) || is_too_deep(forest, thread)) {
        hide(thread, event);
        return;
    }
    struct graph_call *call = insert(thread, thread->count);
    if (!call) {
        thread->left_out++;
        return;
    }
    describe(call, event, thread->open_count);
    forest->raised += !thread->open_count && event->depth > 0;
    call->has_call = true;
    thread->open[thread->open_count++] = thread->count - 1;
}

/* The call was lost: it goes before what it called, which is what is deeper of the last calls of the same caller. */
static struct graph_call *adopt(struct thread *thread, const struct graph_event *event) {
    uint32_t at = thread->count, level = thread->open_count;

    for (uint32_t i = thread->count; i-- > thread->open[level - 1] + 1;) {
        if (thread->calls[i].level == level && thread->calls[i].depth <= event->depth)
            break;
        if (thread->calls[i].level == level)
            at = i;
    }
    struct graph_call *call = insert(thread, at);
    if (!call) {
        thread->left_out++;
        return NULL;
    }
    describe(call, event, level);
    for (uint32_t i = at + 1; i < thread->count; i++)
        thread->calls[i].level++;
    return call;
}

static void add_return(struct graph_forest *forest, struct thread *thread, const struct graph_event *event) {
    while (thread->open_count && top_of(thread)->depth > event->depth)
        thread->open_count--;
    struct graph_call *call = top_of(thread);
    bool is_its_call = call && call->depth == event->depth && call->function == event->function;
    if (call && call->depth == event->depth)
        thread->open_count--;
    if (!is_its_call && thread->open_count && !thread->left_out)
        call = adopt(thread, event);
    else if (!is_its_call)
        call = NULL;
    if (call) {
        call->has_return = true;
        call->duration = event->duration ? event->duration : event->time - call->time;
        call->has_result = event->has_result;
        call->result = event->result;
    } else if (!thread->open_count) {
        forest->strays++;
    }
    if (!thread->open_count && thread->count)
        finish(forest, thread, false);
}

/* Below a call that is not wanted, or an interrupt that is not. */
static bool is_hidden(struct graph_forest *forest, struct thread *thread, const struct graph_event *event) {
    if (thread->is_hidden) {
        if (event->depth > thread->hidden_depth)
            return true;
        thread->is_hidden = false;
        if (event->kind == GRAPH_RETURN && event->depth == thread->hidden_depth)
            return true;
    }
    if (!forest->wish.without_interrupts || !thread->open_count || thread->is_in_interrupt)
        return false;
    if (event->kind == GRAPH_CALL && graph_names_get(forest->names, event->function)->is_interrupt) {
        hide(thread, event);
        return true;
    }
    return event->in_interrupt;
}

void graph_forest_add(struct graph_forest *forest, const struct graph_event *event) {
    if (event->kind == GRAPH_NEW_TASK) {
        add_task(forest, event);
        return;
    }
    struct thread *thread = thread_of(forest, event->thread, event->cpu);
    if (event->kind == GRAPH_NAME)
        memcpy(thread->name, event->name, sizeof thread->name);
    else if (is_hidden(forest, thread, event))
        return;
    else if (event->kind == GRAPH_CALL)
        add_call(forest, thread, event);
    else
        add_return(forest, thread, event);
}

void graph_forest_end(struct graph_forest *forest) {
    for (uint32_t i = 0; i < forest->count; i++) {
        if (forest->all[i]->count)
            finish(forest, forest->all[i], true);
    }
}
