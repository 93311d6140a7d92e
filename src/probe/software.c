/* software: events that the kernel counts itself, one sample every `count` of them. */
#include "probe/probe_int.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

static const struct software_event {
    const char *name, *alias; /* alias may be NULL */
    uint32_t config;
    uint64_t default_count;
} events[] = {
    {"alignment-faults", NULL, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1},
    {"bpf-output", NULL, PERF_COUNT_SW_BPF_OUTPUT, 1},
    {"context-switches", "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000},
    {"cpu-clock", "cpu", PERF_COUNT_SW_CPU_CLOCK, 1000000},
    {"cpu-migrations", NULL, PERF_COUNT_SW_CPU_MIGRATIONS, 1},
    {"dummy", NULL, PERF_COUNT_SW_DUMMY, 1},
    {"emulation-faults", NULL, PERF_COUNT_SW_EMULATION_FAULTS, 1},
    {"major-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1},
    {"minor-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100},
    {"page-faults", "faults", PERF_COUNT_SW_PAGE_FAULTS, 100},
    {"task-clock", NULL, PERF_COUNT_SW_TASK_CLOCK, 1},
};
enum { EVENT_COUNT = sizeof events / sizeof *events };

static int no_event(struct probe_context *context, const struct probe_part *part, struct probe_error *error) {
    const char *names[2 * EVENT_COUNT];
    uint32_t count = 0;

    for (size_t i = 0; i < EVENT_COUNT; i++) {
        names[count++] = events[i].name;
        if (events[i].alias)
            names[count++] = events[i].alias;
    }
    int result = probe_fail_match(context, error, part, "No matches for software event %s.", part->text);
    error->hint = probe_nearest(context, part->text, names, count);
    if (!error->hint)
        error->hint = "list them with -l 'software:*'";
    return result;
}

static int software_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                           struct probe_error *error) {
    const char *wanted = point->parts[0].text, *rest;
    uint32_t before = out->items.count;
    uint64_t count = 0;

    if (point->part_count == 2 && point->parts[1].text[0] &&
        (!probe_parse_number(point->parts[1].text, &count, &rest) || *rest || count == 0 || count > INT64_MAX))
        return probe_fail_text(context, error, &point->parts[1], "software: '%s' is not a positive count",
                               point->parts[1].text);
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        const struct software_event *event = &events[i];
        bool by_alias = event->alias && strcmp(wanted, event->alias) == 0;
        if (!by_alias && !str_glob(wanted, event->name))
            continue;
        struct probe_target *target = probe_add_target(context, point, out);
        target->mechanism = PROBE_PERF_SAMPLE;
        target->software_config = event->config;
        target->period = count ? count : event->default_count;
        target->name =
            arena_printf(context->arena, "software:%s:%lu", by_alias ? event->alias : event->name, target->period);
    }
    return out->items.count == before ? no_event(context, &point->parts[0], error) : 0;
}

static int software_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                         struct probe_error *error) {
    (void)point, (void)error;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        if (events[i].alias)
            probe_list_line(lister, arena_printf(context->arena, "software:%s:", events[i].alias));
        probe_list_line(lister, arena_printf(context->arena, "software:%s:", events[i].name));
    }
    return 0;
}

const struct probe_kind probe_kind_software = {
    .name = "software",
    .aliases = {"s"},
    .usage = "software:EVENT or software:EVENT:COUNT",
    .parts_min = 1,
    .parts_max = 2,
    .expand = software_expand,
    .list = software_list,
};
