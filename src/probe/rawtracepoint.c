/* rawtracepoint: the kernel's tracepoints with their own arguments, before any record is made.
 *
 * With BTF the arguments have names and types (tp_btf); a tracepoint that only a module's BTF knows, or a kernel
 * without BTF, gives a plain raw tracepoint: argN, no `args`. */
#include "object/btf.h"
#include "probe/context_int.h"

#include <errno.h>
#include <string.h>

#define TYPEDEF_PREFIX "btf_trace_"
#define KERNEL_MODULE "vmlinux"

struct name_list {
    struct arena *arena;
    const char *pattern;
    VEC(const char *) names;
};

static bool collect_typedef(void *user, uint32_t id, const char *name) {
    struct name_list *list = user;

    (void)id;
    if (str_starts(name, TYPEDEF_PREFIX) && str_glob(list->pattern, name + strlen(TYPEDEF_PREFIX)))
        vec_push(list->arena, &list->names, arena_strdup(list->arena, name + strlen(TYPEDEF_PREFIX)));
    return true;
}

/* Names that match, from BTF; without BTF the event names of tracefs, most of which are tracepoints. */
static int find_names(struct probe_context *context, struct name_list *list, struct probe_error *error) {
    struct object_btf *btf = probe_btf(context);
    const struct probe_events *events;

    list->arena = context->arena;
    if (btf) {
        object_btf_list(btf, OBJECT_BTF_TYPEDEF, collect_typedef, list);
        return 0;
    }
    int result = probe_events_read(context, &events, error);
    for (uint32_t i = 0; result == 0 && i < events->count; i++) {
        if (strcmp(events->data[i].system, "syscalls") != 0 && str_glob(list->pattern, events->data[i].event))
            vec_push(context->arena, &list->names, events->data[i].event);
    }
    return result;
}

static bool add_tracepoint(struct probe_context *context, const struct probe_point *point, const char *event,
                           struct probe_targets *out) {
    const char *module = point->part_count == 2 ? point->parts[0].text : "*";
    const struct type *args = NULL;
    uint32_t id = probe_raw_btf_id(context, event, &args);

    if (id ? !str_glob(module, KERNEL_MODULE) : !probe_raw_exists(context, event))
        return false;
    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = id ? PROBE_BTF_TRACEPOINT : PROBE_RAW_TRACEPOINT;
    target->attach_btf_id = id;
    target->args = args;
    target->args_space = SPACE_KERNEL;
    target->event = event;
    if (id)
        target->name = arena_printf(context->arena, "rawtracepoint:" KERNEL_MODULE ":%s", event);
    else if (point->part_count == 2 && !probe_has_star(module))
        target->name = arena_printf(context->arena, "rawtracepoint:%s:%s", module, event);
    else
        target->name = arena_printf(context->arena, "rawtracepoint:%s", event);
    return true;
}

static int no_match(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const struct probe_part *event = &point->parts[point->part_count - 1];
    struct name_list all = {.pattern = "*"};
    struct probe_error ignored;

    int result = probe_fail_match(context, error, event, "No matches for rawtracepoint %s%s%s.",
                                  point->part_count == 2 ? point->parts[0].text : "", point->part_count == 2 ? ":" : "",
                                  event->text);
    if (find_names(context, &all, &ignored) == 0)
        error->hint = probe_nearest(context, event->text, all.names.data, all.names.count);
    if (!error->hint)
        error->hint = "list them with -l 'rawtracepoint:*'";
    return result;
}

static int rawtracepoint_expand(struct probe_context *context, const struct probe_point *point,
                                struct probe_targets *out, struct probe_error *error) {
    const char *event = point->parts[point->part_count - 1].text;
    struct name_list list = {.pattern = event};
    uint32_t before = out->items.count;

    if (!probe_has_star(event)) {
        add_tracepoint(context, point, event, out);
    } else {
        int result = find_names(context, &list, error);
        if (result != 0)
            return result;
        for (uint32_t i = 0; i < list.names.count; i++)
            add_tracepoint(context, point, list.names.data[i], out);
    }
    return out->items.count == before ? no_match(context, point, error) : 0;
}

static int rawtracepoint_list(struct probe_context *context, const struct probe_point *point,
                              struct probe_lister *lister, struct probe_error *error) {
    struct name_list list = {.pattern = "*"};
    const char *module = probe_btf(context) ? KERNEL_MODULE ":" : "";

    (void)point;
    int result = find_names(context, &list, error);
    if (result != 0)
        return result;
    probe_sort_names(list.names.data, list.names.count);
    for (uint32_t i = 0; i < list.names.count; i++) {
        const struct type *args = NULL;
        char *line = arena_printf(context->arena, "rawtracepoint:%s%s", module, list.names.data[i]);
        if (probe_list_line(lister, line) && lister->verbose && probe_raw_btf_id(context, list.names.data[i], &args))
            probe_list_fields(lister, args);
    }
    return 0;
}

const struct probe_kind probe_kind_rawtracepoint = {
    .name = "rawtracepoint",
    .aliases = {"rt"},
    .usage = "rawtracepoint:EVENT or rawtracepoint:MODULE:EVENT",
    .parts_min = 1,
    .parts_max = 2,
    .implied_first_part = true,
    .matches_provider_wildcard = true,
    .expand = rawtracepoint_expand,
    .list = rawtracepoint_list,
};
