/* rawtracepoint: the kernel's tracepoints with their own arguments, before any record is made.
 *
 * With BTF the arguments have names and types (tp_btf); a tracepoint that only a module's BTF knows, or a kernel
 * without BTF, gives a plain raw tracepoint: argN, no `args`. */
#include "object/btf.h"
#include "probe/context_int.h"

#include <stdlib.h>
#include <string.h>

#define TYPEDEF_PREFIX "btf_trace_"
#define KERNEL_MODULE "vmlinux"

struct tracepoint {
    const char *name;
    uint32_t btf_id; /* 0: no BTF */
};

struct tracepoint_list {
    struct arena *arena;
    const char *pattern;
    VEC(struct tracepoint) items;
};

static bool collect_typedef(void *user, uint32_t id, const char *name) {
    struct tracepoint_list *list = user;

    if (str_starts(name, TYPEDEF_PREFIX) && str_glob(list->pattern, name + strlen(TYPEDEF_PREFIX))) {
        struct tracepoint found = {arena_strdup(list->arena, name + strlen(TYPEDEF_PREFIX)), id};
        vec_push(list->arena, &list->items, found);
    }
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct tracepoint *)a)->name, ((const struct tracepoint *)b)->name);
}

/* Names that match, sorted: from BTF; without BTF the event names of tracefs, most of which are tracepoints. */
static int find_tracepoints(struct probe_context *context, struct tracepoint_list *list, struct probe_error *error) {
    struct object_btf *btf = probe_btf(context);
    const struct probe_events *events = NULL;
    int result = 0;

    list->arena = context->arena;
    if (btf)
        object_btf_list(btf, OBJECT_BTF_TYPEDEF, collect_typedef, list);
    else
        result = probe_events_read(context, &events, error);
    for (uint32_t i = 0; result == 0 && events && i < events->count; i++) {
        struct tracepoint found = {events->data[i].event, 0};
        if (strcmp(events->data[i].system, "syscalls") != 0 && str_glob(list->pattern, found.name))
            vec_push(context->arena, &list->items, found);
    }
    if (list->items.count)
        qsort(list->items.data, list->items.count, sizeof *list->items.data, compare_names);
    return result;
}

/* Types are looked up only for a block that reads `args`: each costs a search. */
static void add_tracepoint(struct probe_context *context, const struct probe_point *point,
                           const struct tracepoint *found, struct probe_targets *out) {
    const char *module = point->part_count == 2 ? point->parts[0].text : "*";
    const struct type *args = NULL;

    if (found->btf_id ? !str_glob(module, KERNEL_MODULE) : !probe_raw_exists(context, found->name))
        return;
    if (found->btf_id && point->want_args)
        probe_raw_btf_id(context, found->name, &args);
    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = found->btf_id ? PROBE_BTF_TRACEPOINT : PROBE_RAW_TRACEPOINT;
    target->attach_btf_id = found->btf_id;
    target->args = args;
    target->args_space = SPACE_KERNEL;
    target->event = found->name;
    if (found->btf_id)
        target->name = arena_printf(context->arena, "rawtracepoint:" KERNEL_MODULE ":%s", found->name);
    else if (point->part_count == 2 && !probe_has_star(module))
        target->name = arena_printf(context->arena, "rawtracepoint:%s:%s", module, found->name);
    else
        target->name = arena_printf(context->arena, "rawtracepoint:%s", found->name);
}

static int no_match(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const struct probe_part *event = &point->parts[point->part_count - 1];
    const char *module = point->part_count == 2 ? point->parts[0].text : NULL;
    struct tracepoint_list all = {.pattern = "*"};
    VEC(const char *) names = {0};
    struct probe_error ignored;

    int result = probe_fail_match(context, error, event, "No matches for rawtracepoint %s%s%s.", module ? module : "",
                                  module ? ":" : "", event->text);
    if (module && !probe_has_star(module) && strcmp(module, KERNEL_MODULE) != 0 &&
        probe_raw_exists(context, event->text)) {
        error->hint = arena_printf(context->arena,
                                   "the first part is a module, not a system: write "
                                   "rawtracepoint:%s, or rawtracepoint:" KERNEL_MODULE ":%s",
                                   event->text, event->text);
        return result;
    }
    if (find_tracepoints(context, &all, &ignored) == 0) {
        for (uint32_t i = 0; i < all.items.count; i++)
            vec_push(context->arena, &names, all.items.data[i].name);
        error->hint = probe_nearest(context, event->text, names.data, names.count);
    }
    if (!error->hint)
        error->hint = "list them with -l 'rawtracepoint:*'";
    return result;
}

static int rawtracepoint_expand(struct probe_context *context, const struct probe_point *point,
                                struct probe_targets *out, struct probe_error *error) {
    const char *event = point->parts[point->part_count - 1].text;
    struct tracepoint_list list = {.pattern = event};
    uint32_t before = out->items.count;

    if (!probe_has_star(event)) {
        const struct tracepoint named = {event, probe_raw_btf_id(context, event, NULL)};
        add_tracepoint(context, point, &named, out);
    } else {
        int result = find_tracepoints(context, &list, error);
        if (result != 0)
            return result;
        for (uint32_t i = 0; i < list.items.count; i++)
            add_tracepoint(context, point, &list.items.data[i], out);
    }
    return out->items.count == before ? no_match(context, point, error) : 0;
}

static int rawtracepoint_list(struct probe_context *context, const struct probe_point *point,
                              struct probe_lister *lister, struct probe_error *error) {
    struct tracepoint_list list = {.pattern = "*"};

    (void)point;
    int result = find_tracepoints(context, &list, error);
    for (uint32_t i = 0; result == 0 && i < list.items.count; i++) {
        const struct tracepoint *found = &list.items.data[i];
        const struct type *args = NULL;
        /* Without BTF the module is not known and not shown; a pattern with one still finds it. */
        char *line = arena_printf(context->arena, "rawtracepoint:" KERNEL_MODULE ":%s", found->name);
        if (!str_glob(lister->pattern, line))
            continue;
        probe_list_matched(lister,
                           found->btf_id ? line : arena_printf(context->arena, "rawtracepoint:%s", found->name));
        if (lister->verbose && probe_raw_btf_id(context, found->name, &args))
            probe_list_fields(lister, args);
    }
    return result;
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
