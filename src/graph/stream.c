/* Pages of all CPUs to events in order of time. */
#include "graph/graph.h"
#include "kernel/ftrace.h"
#include "kernel/proc.h"
#include "object/format.h"
#include "object/trace_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETTLED_NS = 2000000, /* an event that is older has been written by now, on every CPU */
    PAGES_AT_ONCE = 4096, /* of a CPU: then it is the turn of the others */
    CLONE_THREAD_FLAG = 0x10000,
};

/* Where a number stands in a record; size 0: nowhere. */
struct place {
    uint32_t offset, size;
};

struct queue {
    struct graph_event *events;
    size_t count, capacity, next;
    uint64_t lost;
    bool is_drained;
};

struct graph_stream {
    struct kernel_ftrace *ftrace;
    uint64_t call_id, return_id, new_task_id, rename_id; /* 0: not known */
    struct place call_function, call_depth;
    struct place return_function, return_depth, return_begin, return_end, return_result;
    struct place child, flags, child_name, renamed, new_name;
    struct queue *queues;
    unsigned char *page;
};

/* ---- formats ------------------------------------------------------------------------------------------------- */

static struct place find(const struct object_format *format, const char *name) {
    for (uint32_t i = 0; i < format->args->field_count; i++) {
        const struct type_field *field = &format->args->fields[i];
        if (strcmp(field->name, name) == 0)
            return (struct place){field->offset, field->type->size};
    }
    return (struct place){0};
}

static const struct object_format *read_format(struct arena *arena, const struct kernel_tracefs *tracefs,
                                               const char *event, const char **error) {
    struct strbuf text = {0};
    int result = kernel_tracefs_read(tracefs, arena_printf(arena, "events/%s/format", event), &text);
    const char *reason = result < 0 ? strerror(-result) : NULL;
    const struct object_format *format =
        result < 0 ? NULL : object_format_parse(arena, strbuf_text(&text), text.length, event, NULL, &reason);

    strbuf_free(&text);
    if (!format)
        *error = arena_printf(arena, "reading the format of %s: %s", event, reason);
    return format;
}

static bool read_formats(struct graph_stream *stream, struct arena *arena, const struct kernel_tracefs *tracefs,
                         const char **error) {
    const struct object_format *calls = read_format(arena, tracefs, "ftrace/funcgraph_entry", error);
    const struct object_format *returns = calls ? read_format(arena, tracefs, "ftrace/funcgraph_exit", error) : NULL;
    const struct object_format *tasks = returns ? read_format(arena, tracefs, "task/task_newtask", error) : NULL;
    const struct object_format *names = tasks ? read_format(arena, tracefs, "task/task_rename", error) : NULL;

    if (!names)
        return false;
    stream->call_id = calls->id;
    stream->call_function = find(calls, "func");
    stream->call_depth = find(calls, "depth");
    stream->return_id = returns->id;
    stream->return_function = find(returns, "func");
    stream->return_depth = find(returns, "depth");
    stream->return_begin = find(returns, "calltime");
    stream->return_end = find(returns, "rettime");
    stream->return_result = find(returns, "retval");
    stream->new_task_id = tasks->id;
    stream->child = find(tasks, "pid");
    stream->child_name = find(tasks, "comm");
    stream->flags = find(tasks, "clone_flags");
    stream->rename_id = names->id;
    stream->renamed = find(names, "pid");
    stream->new_name = find(names, "newcomm");
    if (stream->call_function.size && stream->call_depth.size && stream->return_function.size &&
        stream->return_depth.size)
        return true;
    *error = "the events of this kernel's function_graph tracer have no function or no depth";
    return false;
}

struct graph_stream *graph_stream_open(struct arena *arena, const struct kernel_tracefs *tracefs,
                                       struct kernel_ftrace *ftrace, const char **error) {
    struct graph_stream *stream = arena_make(arena, struct graph_stream);

    stream->ftrace = ftrace;
    if (!read_formats(stream, arena, tracefs, error))
        return NULL;
    stream->queues = arena_new_array(arena, struct queue, kernel_ftrace_cpu_count(ftrace));
    stream->page = arena_alloc(arena, KERNEL_FTRACE_PAGE_MAX);
    return stream;
}

void graph_stream_close(struct graph_stream *stream) {
    for (uint32_t i = 0; stream && i < kernel_ftrace_cpu_count(stream->ftrace); i++)
        free(stream->queues[i].events);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

static uint64_t number(const struct object_trace_record *record, struct place place) {
    uint64_t value = 0;

    if (place.size <= sizeof value && (uint64_t)place.offset + place.size <= record->size)
        memcpy(&value, record->bytes + place.offset, place.size);
    return value;
}

static void copy_name(char out[GRAPH_NAME_SIZE], const struct object_trace_record *record, struct place place) {
    size_t size = place.size < GRAPH_NAME_SIZE ? place.size : GRAPH_NAME_SIZE;

    memset(out, 0, GRAPH_NAME_SIZE);
    if ((uint64_t)place.offset + size <= record->size)
        memcpy(out, record->bytes + place.offset, size);
    out[GRAPH_NAME_SIZE - 1] = '\0';
}

static void decode_return(const struct graph_stream *stream, const struct object_trace_record *record,
                          struct graph_event *event) {
    uint64_t begin = number(record, stream->return_begin), end = number(record, stream->return_end);

    event->kind = GRAPH_RETURN;
    event->function = number(record, stream->return_function);
    event->depth = (int32_t)number(record, stream->return_depth);
    event->duration = end > begin ? end - begin : 0;
    event->has_result = stream->return_result.size != 0;
    event->result = number(record, stream->return_result);
}

/* False: an event of no interest. */
static bool decode(const struct graph_stream *stream, const struct object_trace_record *record,
                   struct graph_event *event) {
    enum { IN_INTERRUPT = OBJECT_TRACE_HARD_INTERRUPT | OBJECT_TRACE_SOFT_INTERRUPT };

    event->time = record->time;
    event->thread = (uint32_t)record->thread;
    event->in_interrupt = record->flags & IN_INTERRUPT;
    if (record->event == stream->call_id) {
        event->kind = GRAPH_CALL;
        event->function = number(record, stream->call_function);
        event->depth = (int32_t)number(record, stream->call_depth);
    } else if (record->event == stream->return_id) {
        decode_return(stream, record, event);
    } else if (record->event == stream->new_task_id) {
        event->kind = GRAPH_NEW_TASK;
        event->child = (uint32_t)number(record, stream->child);
        event->same_process = number(record, stream->flags) & CLONE_THREAD_FLAG;
        copy_name(event->name, record, stream->child_name);
    } else if (record->event == stream->rename_id) {
        event->kind = GRAPH_NAME;
        event->thread = (uint32_t)number(record, stream->renamed);
        copy_name(event->name, record, stream->new_name);
    } else {
        return false;
    }
    return true;
}

static struct graph_event *add(struct queue *queue) {
    if (queue->next == queue->count)
        queue->next = queue->count = 0;
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity ? queue->capacity * 2 : 1024;
        struct graph_event *events = realloc(queue->events, capacity * sizeof *events);
        if (!events)
            arena_out_of_memory(capacity * sizeof *events);
        queue->events = events;
        queue->capacity = capacity;
    }
    struct graph_event *event = &queue->events[queue->count++];
    memset(event, 0, sizeof *event);
    return event;
}

/* The number of pages, or a negative errno. */
static int64_t read_cpu(struct graph_stream *stream, uint32_t index) {
    struct queue *queue = &stream->queues[index];
    int64_t pages = 0;

    queue->is_drained = false;
    for (; pages < PAGES_AT_ONCE; pages++) {
        struct object_trace_page page;
        struct object_trace_record record;
        ssize_t got = kernel_ftrace_read(stream->ftrace, index, stream->page);
        if (got < 0)
            return got;
        if (got == 0 || !object_trace_page_open(&page, stream->page, (size_t)got)) {
            queue->is_drained = true;
            break;
        }
        queue->lost += page.has_lost && !page.lost ? 1 : page.lost;
        while (object_trace_page_next(&page, &record)) {
            struct graph_event *event = add(queue);
            event->cpu = kernel_ftrace_cpu(stream->ftrace, index);
            if (!decode(stream, &record, event))
                queue->count--;
        }
    }
    return pages;
}

/* ---- order --------------------------------------------------------------------------------------------------- */

static bool is_empty(const struct queue *queue) { return queue->next == queue->count; }

/* The queue whose next event is the earliest (NULL: all are empty), and when the next of the others is. */
static struct queue *earliest(struct graph_stream *stream, uint64_t *others) {
    struct queue *first = NULL;

    *others = UINT64_MAX;
    for (uint32_t i = 0; i < kernel_ftrace_cpu_count(stream->ftrace); i++) {
        struct queue *queue = &stream->queues[i];
        if (is_empty(queue))
            continue;
        uint64_t time = queue->events[queue->next].time;
        if (!first || time < first->events[first->next].time) {
            if (first)
                *others = first->events[first->next].time;
            first = queue;
        } else if (time < *others) {
            *others = time;
        }
    }
    return first;
}

static void hand_out(struct graph_stream *stream, uint64_t horizon, graph_event_fn callback, void *user) {
    uint64_t others;

    for (struct queue *queue; (queue = earliest(stream, &others));) {
        const struct graph_event *event = &queue->events[queue->next];
        if (event->time > horizon)
            return;
        do
            callback(user, event++);
        while (++queue->next < queue->count && event->time <= others && event->time <= horizon);
    }
}

int64_t graph_stream_read(struct graph_stream *stream, bool all, graph_event_fn callback, void *user) {
    uint64_t horizon = kernel_monotonic_ns() - SETTLED_NS;
    int64_t total = 0;

    for (uint32_t i = 0; i < kernel_ftrace_cpu_count(stream->ftrace); i++) {
        struct queue *queue = &stream->queues[i];
        int64_t pages = read_cpu(stream, i);
        if (pages < 0)
            return pages;
        total += pages;
        uint64_t last = is_empty(queue) ? UINT64_MAX : queue->events[queue->count - 1].time;
        if (!queue->is_drained && last < horizon)
            horizon = last; /* there is more of it, which may be earlier than what the others have */
    }
    hand_out(stream, all && total == 0 ? UINT64_MAX : horizon, callback, user);
    return total;
}

/* Pages do not always have room for the number; the buffer counts as well. */
uint64_t graph_stream_lost(const struct graph_stream *stream, uint32_t index) {
    static const char *const counters[] = {"\noverrun: ", "\ncommit overrun: ", "\ndropped events: "};
    char path[64];
    struct strbuf text = {0};
    uint64_t lost = 0;

    snprintf(path, sizeof path, "per_cpu/cpu%u/stats", kernel_ftrace_cpu(stream->ftrace, index));
    if (kernel_ftrace_read_file(stream->ftrace, path, &text) == 0) {
        for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
            const char *at = strstr(strbuf_text(&text), counters[i]);
            lost += at ? strtoull(at + strlen(counters[i]), NULL, 10) : 0;
        }
    }
    strbuf_free(&text);
    return lost > stream->queues[index].lost ? lost : stream->queues[index].lost;
}
