/* begin, end: no event at all; session runs the program itself with BPF_PROG_TEST_RUN. */
#include "probe/probe_int.h"

static int once_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error) {
    (void)error;
    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = PROBE_RUN_ONCE;
    target->name = point->kind->name;
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
