/* For a kernel function that cannot be probed here: the tracepoint that may answer the same question. */
#include "probe/context_int.h"

#include <string.h>

static bool any_event(const struct probe_events *events, const char *pattern) {
    for (uint32_t i = 0; i < events->count; i++) {
        if (str_glob(pattern, events->data[i].full_name))
            return true;
    }
    return false;
}

/* "vfs_read", "__x64_sys_read", "ksys_read" -> the tracepoint of the system call; NULL: it is none. */
static const char *system_call(struct probe_context *context, const struct probe_events *events, const char *function,
                               const char *side) {
    static const char *const prefixes[] = {"__x64_sys_", "__arm64_sys_", "__se_sys_", "__do_sys_", "do_sys_",
                                           "ksys_",      "sys_",         "vfs_",      "do_",       ""};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (!str_starts(function, prefixes[i]))
            continue;
        const char *event = arena_printf(context->arena, "syscalls:sys_%s_%s", side, function + strlen(prefixes[i]));
        if (any_event(events, event))
            return event;
    }
    return NULL;
}

/* The function's name, or else the first of its words, that some tracepoint has in its name. */
static const char *common_word(struct probe_context *context, const struct probe_events *events, const char *function) {
    enum { SHORTEST = 3 };

    if (any_event(events, arena_printf(context->arena, "*%s*", function)))
        return function;
    for (const char *at = function; *at;) {
        size_t length = strcspn(at, "_");
        const char *word = arena_strndup(context->arena, at, length);
        if (length >= SHORTEST && any_event(events, arena_printf(context->arena, "*%s*", word)))
            return word;
        at += length + (at[length] == '_');
    }
    return NULL;
}

const char *probe_function_hint(struct probe_context *context, const char *function, bool is_return) {
    const struct probe_events *events = NULL;
    struct probe_error ignored;
    const char *name = arena_strndup(context->arena, function, strcspn(function, "+*"));

    if (*name && probe_events_read(context, &events, &ignored) == 0) {
        const char *event = system_call(context, events, name, is_return ? "exit" : "enter");
        const char *word = event ? NULL : common_word(context, events, name);
        if (event)
            return arena_printf(context->arena, "the system call is tracepoint:%s", event);
        if (word)
            return arena_printf(context->arena, "a tracepoint may tell the same: list them with -l 't:*%s*'", word);
    }
    return "a tracepoint may tell the same: list them with -l 't:*'";
}
