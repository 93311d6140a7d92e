/* Other users of the kernel's tracers: people, scripts, other runs of tarsier, and what killed ones left. */
#include "kernel/ftrace_int.h"
#include "kernel/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* Filters that every function_graph of the system obeys, and what they say when nobody has set them. */
static const struct {
    const char *path, *unset;
} global_filters[] = {
    {"set_graph_function", "#### all functions enabled ####"},
    {"set_graph_notrace", "#### no functions disabled ####"},
    {"max_graph_depth", "0"},
};

/* What stands in the way at the top besides. */
static const struct {
    const char *path, *unset, *meaning;
} top_settings[] = {
    {"current_tracer", "nop", "a tracer is in use"},
    {"set_event", "", "events are traced"}, /* but see set_by_kernel */
    {"set_ftrace_filter", "#### all functions enabled ####", "a filter of functions is set"},
    {"set_ftrace_notrace", "#### no functions disabled ####", "a filter of functions is set"},
    {"set_ftrace_pid", "no pid", "a filter of processes is set"},
};

/* The kernel enables this event when a BPF program with bpf_trace_printk() is loaded, and leaves it enabled. */
static const char set_by_kernel[] = "bpf_trace:bpf_trace_printk";

struct look {
    struct arena *arena;
    const struct kernel_tracefs *tracefs;
    const char *own;
    struct kernel_ftrace_problem *problem;
    VEC(const char *) instances;
};

static const char *read_text(const struct look *look, const char *path) {
    struct strbuf text = {0};
    int error = kernel_tracefs_read(look->tracefs, path, &text);
    char *copy = error < 0 ? NULL : arena_strndup(look->arena, strbuf_text(&text), text.length);

    strbuf_free(&text);
    for (size_t length = copy ? strlen(copy) : 0; length && copy[length - 1] == '\n'; length--)
        copy[length - 1] = '\0';
    return copy;
}

static const char *first_line(struct arena *arena, const char *text) {
    size_t length = strcspn(text, "\n");

    return arena_printf(arena, "%.*s%s", (int)(length > 60 ? 60 : length), text, text[length] ? " ..." : "");
}

static int busy(const struct look *look, const char *path, const char *text, const char *meaning, const char *hint) {
    look->problem->message = arena_printf(look->arena, "someone else uses the kernel's tracers: %s (%s of tracefs: %s)",
                                          meaning, path, first_line(look->arena, text));
    look->problem->hint = hint;
    return -EBUSY;
}

static bool collect(void *user, const char *name, bool is_directory) {
    struct look *look = user;

    if (is_directory)
        vec_push(look->arena, &look->instances, arena_printf(look->arena, "instances/%s", name));
    return true;
}

/* Their trees would be cut to our functions, ours to theirs. */
static int check_graphs(const struct look *look) {
    for (uint32_t i = 0; i <= look->instances.count; i++) {
        const char *place = i < look->instances.count ? look->instances.data[i] : ".";
        const char *path = arena_printf(look->arena, "%s%scurrent_tracer", i < look->instances.count ? place : "",
                                        i < look->instances.count ? "/" : "");
        const char *tracer = strcmp(place, look->own) ? read_text(look, path) : NULL;
        if (tracer && strcmp(tracer, "function_graph") == 0)
            return busy(look, path, tracer, "only one can trace call trees at a time", "wait until it has ended");
    }
    return 0;
}

static int check_filters(const struct look *look) {
    for (size_t i = 0; i < sizeof global_filters / sizeof *global_filters; i++) {
        const char *text = read_text(look, global_filters[i].path);
        if (text && strcmp(text, global_filters[i].unset) != 0)
            return busy(look, global_filters[i].path, text, "a filter of call trees is set",
                        arena_printf(look->arena, "if nobody needs it: echo %s> /sys/kernel/tracing/%s",
                                     global_filters[i].unset[0] == '#' ? "" : "0 ", global_filters[i].path));
    }
    return 0;
}

static bool note_cpu(void *user, const char *name, bool is_directory) {
    struct look *look = user;
    const char *text = is_directory ? read_text(look, arena_printf(look->arena, "per_cpu/%s/stats", name)) : NULL;
    const char *entries = text ? strstr(text, "entries: ") : NULL;

    if (entries && strtoull(entries + strlen("entries: "), NULL, 10))
        look->problem->message = arena_printf(
            look->arena, "the kernel's trace buffer holds events of someone else (tracefs: per_cpu/%s)", name);
    return !look->problem->message;
}

static int check_top(struct look *look) {
    for (size_t i = 0; i < sizeof top_settings / sizeof *top_settings; i++) {
        const char *text = read_text(look, top_settings[i].path);
        if (text && strcmp(text, top_settings[i].unset) != 0 && strcmp(text, set_by_kernel) != 0)
            return busy(look, top_settings[i].path, text, top_settings[i].meaning,
                        "before Linux 6.11 there is only one buffer for call trees: wait until they have ended");
    }
    kernel_tracefs_list(look->tracefs, "per_cpu", note_cpu, look);
    if (!look->problem->message)
        return 0;
    look->problem->hint = "before Linux 6.11 there is only one buffer for call trees; if nobody needs them: "
                          "echo > /sys/kernel/tracing/trace";
    return -EBUSY;
}

int ftrace_check_others(struct arena *arena, const struct kernel_tracefs *tracefs, const char *own, bool at_top,
                        bool with_filters, struct kernel_ftrace_problem *problem) {
    struct look look = {.arena = arena, .tracefs = tracefs, .own = own, .problem = problem};

    kernel_tracefs_list(tracefs, "instances", collect, &look);
    int result = with_filters || at_top ? check_graphs(&look) : 0;
    result = result == 0 ? check_filters(&look) : result;
    return result == 0 && at_top ? check_top(&look) : result;
}

/* ---- leftovers ----------------------------------------------------------------------------------------------- */

static bool is_left_over(const struct kernel_tracefs *tracefs, const char *instance) {
    int fd = openat(kernel_tracefs_fd(tracefs), instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool result = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd >= 0)
        close(fd);
    return result;
}

void ftrace_remove_leftovers(struct arena *arena, const struct kernel_tracefs *tracefs) {
    /* All that a run changes at the top, undone from below: first the settings, then the tracer, then the rest. */
    static const struct ftrace_change of_top[] = {
        {"trace", ""},
        {"tracing_on", "1"},
        {"buffer_size_kb", "1408"}, /* the kernel's own choice */
        {"set_ftrace_filter", ""},
        {"events/task/task_newtask/enable", "0"},
        {"events/task/task_rename/enable", "0"},
        {"set_ftrace_pid", ""},
        {"set_ftrace_notrace_pid", ""},
        {"options/function-fork", "0"},
    };
    static const struct ftrace_change filters[] = {
        {"max_graph_depth", "0"}, {"set_graph_notrace", ""}, {"set_graph_function", ""}};
    struct look look = {.arena = arena, .tracefs = tracefs};

    kernel_tracefs_list(tracefs, "instances", collect, &look);
    for (uint32_t i = 0; i < look.instances.count; i++) {
        const char *instance = look.instances.data[i];
        if (!str_starts(instance, "instances/" FTRACE_OWN_PREFIX) || !is_left_over(tracefs, instance))
            continue;
        struct ftrace_undo undo = {.root_fd = kernel_tracefs_fd(tracefs), .instance = instance, .place = instance};
        const char *tracers = read_text(&look, arena_printf(arena, "%s/available_tracers", instance));
        const char *tracer = read_text(&look, "current_tracer");
        bool was_at_top = tracers && !strstr(tracers, "function_graph") && tracer && !strcmp(tracer, "function_graph");
        if (was_at_top)
            undo.place = ".";
        const char *clock = read_text(&look, arena_printf(arena, "%s/trace_clock", instance));
        if (was_at_top && clock)
            vec_push(arena, &undo.changes, ((struct ftrace_change){"trace_clock", ftrace_setting_in(arena, clock)}));
        for (size_t j = 0; was_at_top && j < sizeof of_top / sizeof *of_top; j++)
            vec_push(arena, &undo.changes, of_top[j]);
        for (size_t j = 0; j < sizeof filters / sizeof *filters; j++)
            vec_push(arena, &undo.changes, filters[j]);
        ftrace_undo(&undo);
    }
}
