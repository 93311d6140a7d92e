/* perf.data as a profile: perf_int.h tells the way. */
#include "profile/perf_int.h"
#include "profile/read.h"

#include <linux/perf_event.h>
#include <string.h>
#include <unistd.h>

enum { MOST_THREADS = 16 };

bool profile_is_perf(const uint8_t *start, size_t size) {
    return size >= 8 && (memcmp(start, "PERFILE2", 8) == 0 || memcmp(start, "2ELIFREP", 8) == 0);
}

/* The event that was asked for, or the first that has samples; -1 and *error. */
static int choose_event(struct profile *profile, const struct object_perfdata *data, const struct perf_images *images,
                        const char *wanted, const char **error) {
    struct arena *arena = profile->arena;
    uint32_t count;
    const struct object_perf_event *events = object_perfdata_events(data, &count);
    const char *names = "";
    int chosen = -1;
    for (uint32_t i = 0; i < count; i++) {
        bool has_samples = images->event_samples[i] > 0;
        names = arena_printf(arena, "%s%s%s", names, *names ? ", " : "", events[i].name);
        if (chosen < 0 && (wanted ? strcmp(events[i].name, wanted) == 0 : has_samples))
            chosen = (int)i;
    }
    if (chosen < 0 && wanted)
        *error = arena_printf(arena, "it has no event %s, but: %s", wanted, names);
    if (chosen < 0 && !wanted)
        chosen = 0;
    if (count > 1 && !wanted)
        profile->note = arena_printf(arena, "the file has %u events: %s. This is %s; choose with --event", count, names,
                                     events[chosen].name);
    return chosen;
}

static bool counts_time(const struct object_perf_event *event) {
    return event->type == PERF_TYPE_SOFTWARE &&
           (event->config == PERF_COUNT_SW_CPU_CLOCK || event->config == PERF_COUNT_SW_TASK_CLOCK);
}

static void describe(struct profile *profile, const struct object_perfdata *data, const struct object_perf_event *event,
                     const struct perf_images *images, bool by_period) {
    profile->event = event->name;
    profile->unit = by_period ? event->name : "samples";
    profile->command = object_perfdata_command(data);
    profile->host = object_perfdata_host(data);
    if (event->is_frequency && event->period_or_frequency)
        profile->period_ns = 1000000000 / event->period_or_frequency;
    else if (counts_time(event))
        profile->period_ns = event->period_or_frequency;
    profile->badge.lost = images->lost;
}

static void add_note(struct profile *profile, const char *note) {
    profile->note = profile->note ? arena_printf(profile->arena, "%s; %s", profile->note, note) : note;
}

/* What could not be used. */
static void tell_trouble(struct profile *profile, const struct perf_images *images, uint64_t broken) {
    if (images->cut)
        add_note(profile, arena_printf(profile->arena, "at byte %llu %s: what comes behind it is not here",
                                       (unsigned long long)images->cut_at, images->cut));
    if (broken)
        add_note(profile, arena_printf(profile->arena, "%llu samples are shorter than they say and were left out",
                                       (unsigned long long)broken));
    if (profile->badge.cut[PROFILE_CUT_MEMORY])
        add_note(profile, "stacks were deeper than the copies in the file: record with --call-graph dwarf,65528, or "
                          "with tarsier profile");
}

static void read_samples(struct profile *profile, struct perf_pass *pass) {
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t pieces = pass->images->pieces.count - 1, count = cpus < 1 ? 1 : (uint32_t)cpus;
    struct perf_part parts[MOST_THREADS] = {0};
    struct symbol_cache *symbols = symbol_cache_new(pass->images->arena);
    uint64_t broken = 0;
    count = count > MOST_THREADS ? MOST_THREADS : count;
    count = count > pieces ? pieces + !pieces : count;
    for (uint32_t i = 0; i < count; i++)
        parts[i].arena = arena_new();
    if (pass->registers)
        pass->tables = perf_tables_new(pass->images->arena, symbols);
    perf_chains_read(pass, parts, count);
    perf_resolve(profile, pass->images, parts, count, symbols);
    for (uint32_t i = 0; i < count; i++) {
        broken += parts[i].broken;
        arena_free(parts[i].arena);
    }
    if (pass->tables)
        perf_tables_free(pass->tables);
    tell_trouble(profile, pass->images, broken);
    symbol_cache_close(symbols);
}

bool profile_read_perf(struct profile *profile, const uint8_t *bytes, size_t size,
                       const struct profile_read_options *options, const char **error) {
    struct arena *scratch = arena_new();
    struct perf_images images;
    uint32_t events;
    const struct object_perfdata *data = object_perfdata_open(profile->arena, bytes, size, error);
    int chosen = -1;
    if (data) {
        perf_images_read(&images, scratch, data);
        chosen = choose_event(profile, data, &images, options->event, error);
    }
    if (chosen >= 0) {
        const struct object_perf_event *event = &object_perfdata_events(data, &events)[chosen];
        bool by_period =
            (event->sample_type & PERF_SAMPLE_PERIOD) && event->type != PERF_TYPE_TRACEPOINT && !counts_time(event);
        bool has_copies = (event->sample_type & (PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)) ==
                          (PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER);
        struct perf_pass pass = {.data = data,
                                 .images = &images,
                                 .registers = has_copies ? event->registers : 0,
                                 .event = (uint32_t)chosen,
                                 .with_times = options->with_times,
                                 .by_period = by_period};
        describe(profile, data, event, &images, by_period);
        read_samples(profile, &pass);
    }
    arena_free(scratch);
    return chosen >= 0;
}
