/* software, hardware: events that the kernel or the processor counts; one sample every `count` of them.
 *
 * Hardware counters are missing in most virtual machines. Then opening the event fails, and the hint names what answers
 * a similar question without them. */
#include "probe/probe_int.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

struct counted_event {
    const char *name, *alias; /* alias may be NULL */
    uint32_t config;
    uint64_t default_count;
    const char *instead; /* NULL, or what to use where the machine can not count it */
};

static const struct counted_event software_events[] = {
    {"alignment-faults", NULL, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1, NULL},
    {"bpf-output", NULL, PERF_COUNT_SW_BPF_OUTPUT, 1, NULL},
    {"context-switches", "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000, NULL},
    {"cpu-clock", "cpu", PERF_COUNT_SW_CPU_CLOCK, 1000000, NULL},
    {"cpu-migrations", NULL, PERF_COUNT_SW_CPU_MIGRATIONS, 1, NULL},
    {"dummy", NULL, PERF_COUNT_SW_DUMMY, 1, NULL},
    {"emulation-faults", NULL, PERF_COUNT_SW_EMULATION_FAULTS, 1, NULL},
    {"major-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1, NULL},
    {"minor-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100, NULL},
    {"page-faults", "faults", PERF_COUNT_SW_PAGE_FAULTS, 100, NULL},
    {"task-clock", NULL, PERF_COUNT_SW_TASK_CLOCK, 1, NULL},
};

#define BY_TIME "profile:hz:99 samples by time"
#define BY_FAULTS "software:page-faults:1 shows where memory is touched first, " BY_TIME
static const struct counted_event hardware_events[] = {
    {"backend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1000000, BY_TIME},
    {"branch-instructions", "branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100000, BY_TIME},
    {"branch-misses", NULL, PERF_COUNT_HW_BRANCH_MISSES, 100000, BY_TIME},
    {"bus-cycles", NULL, PERF_COUNT_HW_BUS_CYCLES, 100000, BY_TIME},
    {"cache-misses", NULL, PERF_COUNT_HW_CACHE_MISSES, 1000000, BY_FAULTS},
    {"cache-references", NULL, PERF_COUNT_HW_CACHE_REFERENCES, 1000000, BY_FAULTS},
    {"cpu-cycles", "cycles", PERF_COUNT_HW_CPU_CYCLES, 1000000, "software:cpu-clock:1000000 samples each ms, " BY_TIME},
    {"frontend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1000000, BY_TIME},
    {"instructions", NULL, PERF_COUNT_HW_INSTRUCTIONS, 1000000, "software:cpu-clock:1000000 samples each ms, " BY_TIME},
    {"ref-cycles", NULL, PERF_COUNT_HW_REF_CPU_CYCLES, 1000000, BY_TIME},
};

/* The events of a kind. */
static struct counted {
    const struct counted_event *events;
    size_t count;
    uint32_t type;
} counted(const struct probe_kind *kind) {
    if (kind == &probe_kind_hardware)
        return (struct counted){hardware_events, sizeof hardware_events / sizeof *hardware_events, PERF_TYPE_HARDWARE};
    return (struct counted){software_events, sizeof software_events / sizeof *software_events, PERF_TYPE_SOFTWARE};
}

static int no_event(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const struct counted all = counted(point->kind);
    const struct probe_part *part = &point->parts[0];
    VEC(const char *) names = {0};

    for (size_t i = 0; i < all.count; i++) {
        vec_push(context->arena, &names, all.events[i].name);
        if (all.events[i].alias)
            vec_push(context->arena, &names, all.events[i].alias);
    }
    int result = probe_fail_match(context, error, part, "No matches for %s event %s.", point->kind->name, part->text);
    error->hint = probe_nearest(context, part->text, names.data, names.count);
    if (!error->hint)
        error->hint = arena_printf(context->arena, "list them with -l '%s:*'", point->kind->name);
    return result;
}

static int counter_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                          struct probe_error *error) {
    const struct counted all = counted(point->kind);
    const char *wanted = point->parts[0].text, *rest;
    uint32_t before = out->items.count;
    uint64_t count = 0;

    if (point->part_count == 2 && point->parts[1].text[0] &&
        (!probe_parse_number(point->parts[1].text, &count, &rest) || *rest || count == 0 || count > INT64_MAX))
        return probe_fail_text(context, error, &point->parts[1], "%s: '%s' is not a positive count", point->kind->name,
                               point->parts[1].text);
    for (size_t i = 0; i < all.count; i++) {
        const struct counted_event *event = &all.events[i];
        bool by_alias = event->alias && strcmp(wanted, event->alias) == 0;
        if (!by_alias && !str_glob(wanted, event->name))
            continue;
        struct probe_target *target = probe_add_target(context, point, out);
        target->mechanism = PROBE_PERF_SAMPLE;
        target->event_type = all.type;
        target->event_config = event->config;
        target->period = count ? count : event->default_count;
        target->instead = event->instead;
        target->name = arena_printf(context->arena, "%s:%s:%lu", point->kind->name,
                                    by_alias ? event->alias : event->name, target->period);
    }
    return out->items.count == before ? no_event(context, point, error) : 0;
}

static int counter_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                        struct probe_error *error) {
    const struct counted all = counted(point->kind);

    (void)error;
    for (size_t i = 0; i < all.count; i++) {
        const struct counted_event *event = &all.events[i];
        if (event->alias)
            probe_list_line(lister, arena_printf(context->arena, "%s:%s:", point->kind->name, event->alias));
        probe_list_line(lister, arena_printf(context->arena, "%s:%s:", point->kind->name, event->name));
    }
    return 0;
}

const struct probe_kind probe_kind_software = {
    .name = "software",
    .aliases = {"s"},
    .usage = "software:EVENT or software:EVENT:COUNT",
    .parts_min = 1,
    .parts_max = 2,
    .expand = counter_expand,
    .list = counter_list,
};

const struct probe_kind probe_kind_hardware = {
    .name = "hardware",
    .aliases = {"h"},
    .usage = "hardware:EVENT or hardware:EVENT:COUNT",
    .parts_min = 1,
    .parts_max = 2,
    .expand = counter_expand,
    .list = counter_list,
};
