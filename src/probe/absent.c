/* Kinds of probes that bpftrace's language has and this version has not. Scripts are full of them, so each gets its own
 * sentence, and a hint that names what answers the same question here. */
#include "probe/context_int.h"

#include <string.h>
#include <strings.h>

static const char *function_hint(struct probe_context *context, const struct probe_point *point, const char *side);

static const char *entry_hint(struct probe_context *context, const struct probe_point *point) {
    return function_hint(context, point, "enter");
}

static const char *return_hint(struct probe_context *context, const struct probe_point *point) {
    return function_hint(context, point, "exit");
}

static const struct absent_kind {
    const char *name;
    const char *aliases[PROBE_ALIASES_MAX];
    const char *hint;
    const char *(*make_hint)(struct probe_context *context, const struct probe_point *point);
} absent_kinds[] = {
    {"kprobe", {"k"}, NULL, entry_hint},
    {"kretprobe", {"kr"}, NULL, return_hint},
    {"fentry", {"f", "kfunc"}, NULL, entry_hint},
    {"fexit", {"fr", "kretfunc"}, NULL, return_hint},
    {"hardware",
     {"h"},
     "profile:hz:99 shows where the time goes; software:page-faults:1 and others count events",
     NULL},
    {"watchpoint", {"w"}, "uprobe:BINARY:FUNCTION shows calls of the functions that write there", NULL},
    {"iter", {"it"}, "tracepoints tell of every change as it happens: -l 'tracepoint:*'", NULL},
    {"self", {NULL}, "interval:s:1 runs a block without an event from outside", NULL},
    {"test", {NULL}, "begin { ... } runs a block once", NULL},
    {"bench", {NULL}, "begin { ... } runs a block once", NULL},
};

static bool is_spelled(const struct absent_kind *kind, const char *provider) {
    if (strcasecmp(kind->name, provider) == 0)
        return true;
    for (uint32_t i = 0; i < PROBE_ALIASES_MAX && kind->aliases[i]; i++) {
        if (strcmp(kind->aliases[i], provider) == 0) /* U is usdt, u is uprobe */
            return true;
    }
    return false;
}

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

static const char *function_hint(struct probe_context *context, const struct probe_point *point, const char *side) {
    const struct probe_events *events = NULL;
    struct probe_error ignored;
    const char *last = point->part_count ? point->parts[point->part_count - 1].text : "";
    const char *function = arena_strndup(context->arena, last, strcspn(last, "+*"));

    if (*function && probe_events_read(context, &events, &ignored) == 0) {
        const char *event = system_call(context, events, function, side);
        const char *word = event ? NULL : common_word(context, events, function);
        if (event)
            return arena_printf(context->arena, "the system call is tracepoint:%s", event);
        if (word)
            return arena_printf(context->arena, "a tracepoint may tell the same: list them with -l 't:*%s*'", word);
    }
    return "a tracepoint may tell the same: list them with -l 't:*'";
}

bool probe_is_absent(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    for (size_t i = 0; i < sizeof absent_kinds / sizeof *absent_kinds; i++) {
        const struct absent_kind *kind = &absent_kinds[i];
        if (!is_spelled(kind, point->provider.text))
            continue;
        probe_fail_text(context, error, &point->provider, "%s probes are not part of this version", kind->name);
        error->hint = kind->make_hint ? kind->make_hint(context, point) : kind->hint;
        return true;
    }
    return false;
}
