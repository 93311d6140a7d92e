/* begin, end, self, test, bench: no event at all; session runs the program itself with BPF_PROG_TEST_RUN. */
#include "probe/probe_int.h"

#include <string.h>

static struct probe_target *add_once(struct probe_context *context, const struct probe_point *point,
                                     struct probe_targets *out) {
    struct probe_target *target = probe_add_target(context, point, out);

    target->mechanism = PROBE_RUN_ONCE;
    target->name = point->kind->name;
    return target;
}

static int once_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error) {
    (void)error;
    add_once(context, point, out);
    return 0;
}

static int once_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                     struct probe_error *error) {
    (void)context, (void)error;
    probe_list_line(lister, point->kind->name);
    return 0;
}

const struct probe_kind probe_kind_begin = {
    .name = "begin", .usage = "begin", .expand = once_expand, .list = once_list};
const struct probe_kind probe_kind_end = {.name = "end", .usage = "end", .expand = once_expand, .list = once_list};

/* ---- self: what happens to tarsier --------------------------------------------------------------------------- */

#define SIGNAL "SIGUSR1" /* the only one that is free */

static int self_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error) {
    if (strcmp(point->parts[0].text, "signal") != 0) {
        int result =
            probe_fail_text(context, error, &point->parts[0], "self: '%s' is not an event", point->parts[0].text);
        error->hint = "the event is signal: self:signal:" SIGNAL;
        return result;
    }
    if (strcmp(point->parts[1].text, SIGNAL) != 0) {
        int result = probe_fail_text(context, error, &point->parts[1], "self: signal '%s' can not be used",
                                     point->parts[1].text);
        error->hint = "use self:signal:" SIGNAL "; other signals end the run";
        return result;
    }
    add_once(context, point, out)->name = "self:signal:" SIGNAL;
    return 0;
}

static int self_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                     struct probe_error *error) {
    (void)context, (void)point, (void)error;
    probe_list_line(lister, "self:signal:" SIGNAL);
    return 0;
}

const struct probe_kind probe_kind_self = {
    .name = "self",
    .usage = "self:signal:" SIGNAL,
    .parts_min = 2,
    .parts_max = 2,
    .expand = self_expand,
    .list = self_list,
};

/* ---- test, bench: run by --test and --bench alone ------------------------------------------------------------ */

static int named_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                        struct probe_error *error) {
    (void)error;
    struct probe_target *target = add_once(context, point, out);
    target->event = point->parts[0].text;
    target->name = arena_printf(context->arena, "%s:%s", point->kind->name, target->event);
    return 0;
}

static int named_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                      struct probe_error *error) {
    (void)context, (void)point, (void)lister, (void)error;
    return 0; /* their names are those that scripts give them */
}

const struct probe_kind probe_kind_test = {
    .name = "test", .usage = "test:NAME", .parts_min = 1, .parts_max = 1, .expand = named_expand, .list = named_list};
const struct probe_kind probe_kind_bench = {
    .name = "bench", .usage = "bench:NAME", .parts_min = 1, .parts_max = 1, .expand = named_expand, .list = named_list};
