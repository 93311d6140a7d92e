/* profile, interval: a clock of each CPU (profile) or of one (interval).
 *
 * Forms: UNIT:N with UNIT hz, s, ms, us; or N with a duration suffix; a bare N is nanoseconds, cut to whole
 * microseconds. The kernel's timer is never faster than 10 us. */
#include "probe/probe_int.h"

#include <assert.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

static const struct clock_unit {
    const char *name;
    uint64_t nanoseconds; /* 0: a frequency */
    bool as_part;         /* may be written as UNIT:N */
} units[] = {
    {"hz", 0, true},  {"s", 1000000000, true},   {"ms", 1000000, true},       {"us", 1000, true},
    {"ns", 1, false}, {"m", 60000000000, false}, {"h", 3600000000000, false}, {"d", 86400000000000, false},
    {"", 1, false},
};

static const struct clock_unit *find_unit(const char *name) {
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

static int bad_number(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                      struct probe_error *error) {
    return probe_fail_text(context, error, part, "%s: '%s' is not a positive number", point->kind->name, part->text);
}

/* "ms:100" */
static int parse_unit_and_number(struct probe_context *context, const struct probe_point *point,
                                 const struct clock_unit **unit, uint64_t *number, struct probe_error *error) {
    const char *rest;

    *unit = find_unit(point->parts[0].text);
    if (!*unit || !(*unit)->as_part) {
        int result = probe_fail_text(context, error, &point->parts[0], "%s: '%s' is not a unit of time",
                                     point->kind->name, point->parts[0].text);
        error->hint = "units are hz, s, ms and us";
        return result;
    }
    if (!probe_parse_number(point->parts[1].text, number, &rest) || *rest || *number == 0)
        return bad_number(context, point, &point->parts[1], error);
    return 0;
}

/* "100ms", "99hz", "1000" */
static int parse_duration(struct probe_context *context, const struct probe_point *point,
                          const struct clock_unit **unit, uint64_t *number, struct probe_error *error) {
    const char *rest;

    if (!probe_parse_number(point->parts[0].text, number, &rest) || *number == 0 || !(*unit = find_unit(rest))) {
        int result = bad_number(context, point, &point->parts[0], error);
        error->hint = arena_printf(context->arena, "for example %s:1s, %s:100ms or %s:hz:99", point->kind->name,
                                   point->kind->name, point->kind->name);
        return result;
    }
    return 0;
}

static int set_period(struct probe_context *context, const struct probe_point *point, const struct clock_unit *unit,
                      uint64_t number, struct probe_target *target, struct probe_error *error) {
    assert(unit);
    if (unit->nanoseconds == 0) {
        target->frequency = number;
        return 0;
    }
    if (__builtin_mul_overflow(number, unit->nanoseconds, &target->period) || target->period > INT64_MAX)
        return probe_fail_text(context, error, &point->parts[point->part_count - 1], "%s: '%s' is too long",
                               point->kind->name, point->parts[point->part_count - 1].text);
    target->period -= target->period % 1000;
    if (target->period == 0) {
        int result =
            probe_fail_text(context, error, &point->parts[0], "%s: the shortest period is 1000 ns", point->kind->name);
        error->hint = "a number without a unit is nanoseconds; write 1s, 100ms or 10us";
        return result;
    }
    return 0;
}

static int clock_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                        struct probe_error *error) {
    const struct clock_unit *unit = units;
    struct probe_target parsed = {0};
    uint64_t number = 0;
    bool with_unit = point->part_count == 2;

    int result = (with_unit ? parse_unit_and_number : parse_duration)(context, point, &unit, &number, error);
    if (result == 0)
        result = set_period(context, point, unit, number, &parsed, error);
    if (result != 0)
        return result;

    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = PROBE_PERF_SAMPLE;
    target->event_type = PERF_TYPE_SOFTWARE;
    target->event_config = PERF_COUNT_SW_CPU_CLOCK;
    target->period = parsed.period;
    target->frequency = parsed.frequency;
    target->one_cpu = point->kind == &probe_kind_interval;
    if (with_unit || unit->nanoseconds == 0) {
        target->name = arena_printf(context->arena, "%s:%s:%lu", point->kind->name, unit->name, number);
    } else {
        target->name = arena_printf(context->arena, "%s:us:%lu", point->kind->name, parsed.period / 1000);
    }
    return 0;
}

static int clock_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                      struct probe_error *error) {
    (void)error;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].as_part)
            probe_list_line(lister, arena_printf(context->arena, "%s:%s:", point->kind->name, units[i].name));
    }
    return 0;
}

const struct probe_kind probe_kind_profile = {
    .name = "profile",
    .aliases = {"p"},
    .usage = "profile:hz:99 or profile:10ms",
    .parts_min = 1,
    .parts_max = 2,
    .expand = clock_expand,
    .list = clock_list,
};

const struct probe_kind probe_kind_interval = {
    .name = "interval",
    .aliases = {"i"},
    .usage = "interval:s:1 or interval:100ms",
    .parts_min = 1,
    .parts_max = 2,
    .expand = clock_expand,
    .list = clock_list,
};
