/* tracepoint: events of tracefs, each lowered to the cheapest mechanism that gives what the block reads.
 *
 *   syscalls:sys_enter_X, sys_exit_X   the sys_enter or sys_exit raw tracepoint with the number of X; the fields are
 *                                      the call's registers, so the record is never built
 *   raw_syscalls:sys_enter, sys_exit   the same for every number
 *   others, fields not read            the raw tracepoint of that name
 *   others, fields read                a perf tracepoint, whose record the format file describes
 */
#include "object/btf.h"
#include "object/format.h"
#include "probe/context_int.h"

#include <errno.h>
#include <string.h>

/* ---- fields -------------------------------------------------------------------------------------------------- */

/* Pointed-to structs are looked up in BTF when a script follows the pointer, not before. */
static void complete_struct(struct type *self, void *owner) {
    struct object_btf *btf = probe_btf(owner);
    const struct type *found = btf ? object_btf_struct(btf, self->name) : NULL;

    if (found)
        *self = *type_complete(found);
    self->complete = NULL;
}

static const struct type *lazy_struct(void *user, const char *tag) {
    struct probe_context *context = user;
    struct type *type = arena_make(context->arena, struct type);

    *type = (struct type){.kind = TYPE_STRUCT,
                          .align = 1,
                          .name = arena_strdup(context->arena, tag),
                          .complete = complete_struct,
                          .owner = context};
    return type;
}

/* So are the constants of an enum; it is of the size that the record has. */
static void complete_enum(struct type *self, void *owner) {
    struct object_btf *btf = probe_btf(owner);
    uint32_t id = btf ? object_btf_find(btf, OBJECT_BTF_ENUM, self->name) : 0;
    const struct type *found = id ? type_complete(object_btf_type(btf, id)) : NULL;

    if (found) {
        self->enumerators = found->enumerators;
        self->enumerator_count = found->enumerator_count;
        self->btf_id = found->btf_id;
    }
}

static const struct type *lazy_enum(void *user, const char *tag, uint32_t size, bool is_signed) {
    struct probe_context *context = user;
    struct type *type = arena_make(context->arena, struct type);

    *type = (struct type){.kind = TYPE_ENUM,
                          .size = size,
                          .align = size,
                          .is_signed = is_signed,
                          .name = arena_strdup(context->arena, tag),
                          .complete = complete_enum,
                          .owner = context};
    return type;
}

static const struct object_format *read_format(struct probe_context *context, const char *system, const char *event,
                                               struct probe_error *error) {
    struct strbuf text = {0};
    const struct object_format *format = NULL;
    const char *reason, *name = arena_printf(context->arena, "%s:%s", system, event);
    const struct object_format_types types = {.space = strstr(system, "syscalls") ? SPACE_USER : SPACE_KERNEL,
                                              .resolve = lazy_struct,
                                              .resolve_enum = lazy_enum,
                                              .context = context};
    const char *path = arena_printf(context->arena, "events/%s/%s/format", system, event);

    if (probe_tracefs_read(context, path, &text, error) == 0) {
        format = object_format_parse(context->arena, strbuf_text(&text), text.length, name, &types, &reason);
        if (!format)
            probe_fail(context, error, PROBE_ERROR_SYSTEM, EINVAL, NULL, "reading %s of tracefs: %s", path, reason);
    }
    strbuf_free(&text);
    return format;
}

static int read_fields(struct probe_context *context, struct probe_target *target, struct probe_error *error) {
    const struct object_format *format = read_format(context, target->system, target->event, error);

    if (!format)
        return error->kind == PROBE_ERROR_PERMISSION ? -EPERM : -EINVAL;
    target->args = format->args;
    target->tracepoint_id = format->id;
    return 0;
}

int probe_use_perf(struct probe_context *context, struct probe_target *target, struct probe_error *error) {
    int result = read_fields(context, target, error);

    if (result != 0)
        return result;
    target->mechanism = PROBE_PERF_TRACEPOINT;
    target->attach_btf_id = 0;
    return 0;
}

/* ---- lowering ------------------------------------------------------------------------------------------------ */

/* True, with mechanism and number set, when the event is a system call that the raw tracepoints can tell. */
static bool lower_syscall(struct probe_target *target) {
    static const struct {
        const char *prefix, *raw;
        enum probe_mechanism mechanism;
    } sides[] = {
        {"sys_enter_", "sys_enter", PROBE_SYSCALL_ENTER},
        {"sys_exit_", "sys_exit", PROBE_SYSCALL_EXIT},
    };
    bool all = strcmp(target->system, "raw_syscalls") == 0;

    if (!all && strcmp(target->system, "syscalls") != 0)
        return false;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        if (all ? strcmp(target->event, sides[i].raw) != 0 : !str_starts(target->event, sides[i].prefix))
            continue;
        target->mechanism = sides[i].mechanism;
        target->syscall_number = all ? -1 : probe_syscall_number(target->event + strlen(sides[i].prefix));
        return all || target->syscall_number >= 0;
    }
    return false;
}

static uint32_t syscall_btf_id(struct probe_context *context, enum probe_mechanism mechanism) {
    uint32_t *id = &context->caches->syscall_btf_ids[mechanism == PROBE_SYSCALL_EXIT];

    if (*id == 0)
        *id = probe_raw_btf_id(context, mechanism == PROBE_SYSCALL_ENTER ? "sys_enter" : "sys_exit", NULL);
    return *id;
}

static int add_event(struct probe_context *context, const struct probe_point *point, const char *system,
                     const char *event, struct probe_targets *out, struct probe_error *error) {
    struct probe_target *target = probe_add_target(context, point, out);

    target->system = system;
    target->event = event;
    target->name = arena_printf(context->arena, "tracepoint:%s:%s", system, event);
    target->args_space = strstr(system, "syscalls") ? SPACE_USER : SPACE_KERNEL;
    if (lower_syscall(target)) {
        target->attach_btf_id = syscall_btf_id(context, target->mechanism);
        return point->want_args ? read_fields(context, target, error) : 0;
    }
    if (point->want_args || !probe_raw_exists(context, event))
        return probe_use_perf(context, target, error);
    target->mechanism = PROBE_RAW_TRACEPOINT;
    return 0;
}

/* ---- matching ------------------------------------------------------------------------------------------------ */

static int no_match(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const char *system = point->parts[0].text, *event = point->parts[1].text;
    const struct probe_events *events;
    struct probe_error ignored;
    VEC(const char *) names = {0};

    if (probe_events_read(context, &events, &ignored) == 0) {
        for (uint32_t i = 0; i < events->count; i++) {
            if (strcmp(events->data[i].system, system) == 0)
                vec_push(context->arena, &names, events->data[i].event);
        }
    }
    bool system_exists = names.count > 0;
    for (uint32_t i = 0; !system_exists && i < events->count; i++)
        vec_push(context->arena, &names, events->data[i].full_name);

    int result = probe_fail_match(context, error, &point->parts[system_exists ? 1 : 0],
                                  "No matches for tracepoint %s:%s.", system, event);
    const char *wanted = system_exists ? event : arena_printf(context->arena, "%s:%s", system, event);
    error->hint = probe_nearest(context, wanted, names.data, names.count);
    if (!error->hint)
        error->hint = arena_printf(context->arena, "list them with -l 'tracepoint:%s:*'", system_exists ? system : "*");
    return result;
}

static int expand_wildcard(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                           struct probe_error *error) {
    uint32_t before = out->items.count;
    const struct probe_events *events;

    int result = probe_events_read(context, &events, error);
    for (uint32_t i = 0; result == 0 && i < events->count; i++) {
        const struct probe_event *event = &events->data[i];
        if (str_glob(point->parts[0].text, event->system) && str_glob(point->parts[1].text, event->event))
            result = add_event(context, point, event->system, event->event, out, error);
    }
    return result == 0 && out->items.count == before ? no_match(context, point, error) : result;
}

/* Part of a path below events/: no way out of it. */
static bool is_event_name(const char *text) { return *text && *text != '.' && !strchr(text, '/'); }

static int tracepoint_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                             struct probe_error *error) {
    const char *system = point->parts[0].text, *event = point->parts[1].text;

    if (probe_has_star(system) || probe_has_star(event))
        return expand_wildcard(context, point, out, error);
    if (!is_event_name(system) || !is_event_name(event))
        return no_match(context, point, error);
    int exists = probe_tracefs_exists(context, arena_printf(context->arena, "events/%s/%s", system, event), error);
    if (exists < 0)
        return exists;
    if (!exists)
        return no_match(context, point, error);
    return add_event(context, point, system, event, out, error);
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static int tracepoint_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                           struct probe_error *error) {
    const struct probe_events *events;
    struct strbuf line = {0};

    (void)point;
    int result = probe_events_read(context, &events, error);
    for (uint32_t i = 0; result == 0 && i < events->count; i++) {
        const struct probe_event *event = &events->data[i];
        strbuf_reset(&line);
        strbuf_addf(&line, "tracepoint:%s", event->full_name);
        if (!probe_list_line(lister, strbuf_text(&line)) || !lister->verbose)
            continue;
        const struct object_format *format = read_format(context, event->system, event->event, error);
        for (uint32_t f = format ? format->common_count : 0; format && f < format->args->field_count; f++)
            probe_list_argument(lister, format->declarations[f]);
    }
    strbuf_free(&line);
    return result;
}

const struct probe_kind probe_kind_tracepoint = {
    .name = "tracepoint",
    .aliases = {"t"},
    .usage = "tracepoint:SYSTEM:EVENT",
    .parts_min = 2,
    .parts_max = 2,
    .implied_first_part = true,
    .matches_provider_wildcard = true,
    .expand = tracepoint_expand,
    .list = tracepoint_list,
};
