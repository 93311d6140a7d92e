#include "base/str.h"
#include "kernel/tracefs.h"
#include "profile/stat.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *other;
    uint32_t type;
    uint64_t config;
    enum stat_metric metric;
} known[] = {
#define EVENT(name, other, type, config, metric) {name, other, PERF_TYPE_##type, PERF_COUNT_##config, STAT_##metric},
#include "profile/events.def"
#undef EVENT
};

enum { USUAL = 8 };

static bool is_clock(uint32_t type, uint64_t config) {
    return type == PERF_TYPE_SOFTWARE && (config == PERF_COUNT_SW_TASK_CLOCK || config == PERF_COUNT_SW_CPU_CLOCK);
}

static bool find_known(const char *name, struct stat_event *event) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0 && (!known[i].other || strcmp(name, known[i].other) != 0))
            continue;
        event->type = known[i].type;
        event->config = known[i].config;
        event->metric = known[i].metric;
        event->is_clock = is_clock(event->type, event->config);
        return true;
    }
    return false;
}

/* r1a2b: as the processor's manual has it. */
static bool find_raw(const char *name, struct stat_event *event) {
    char *end;
    if (name[0] != 'r' || !name[1] || strlen(name) > 17)
        return false;
    event->config = strtoull(name + 1, &end, 16);
    event->type = PERF_TYPE_RAW;
    event->metric = STAT_RATE;
    return *end == '\0' && strspn(name + 1, "0123456789abcdefABCDEF") == strlen(name + 1);
}

/* SUBSYSTEM:NAME */
static bool find_tracepoint(struct arena *arena, const char *name, struct stat_event *event) {
    const char *colon = strchr(name, ':');
    struct strbuf text = {0};
    int error;
    if (!colon || strpbrk(name, "/*") || name[0] == '.' || colon[1] == '.')
        return false;
    struct kernel_tracefs *tracefs = kernel_tracefs_open(arena, &error);
    const char *path = arena_printf(arena, "events/%.*s/%s/id", (int)(colon - name), name, colon + 1);
    bool found = tracefs && kernel_tracefs_read(tracefs, path, &text) == 0;
    kernel_tracefs_close(tracefs);
    event->config = strtoull(strbuf_text(&text), NULL, 10);
    event->type = PERF_TYPE_TRACEPOINT;
    event->metric = STAT_RATE;
    strbuf_free(&text);
    return found && event->config;
}

/* Takes :u or :k off the end. */
static void take_modifier(char *name, struct stat_event *event) {
    size_t length = strlen(name);
    if (length < 3 || name[length - 2] != ':' || !strchr("uk", name[length - 1]))
        return;
    event->user_only = name[length - 1] == 'u';
    event->kernel_only = name[length - 1] == 'k';
    name[length - 2] = '\0';
}

bool stat_add_events(struct arena *arena, const char *names, stat_events *events, const char **wrong) {
    for (const char *at = names; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        struct stat_event event = {.name = arena_strndup(arena, at, length)};
        char *plain = arena_strndup(arena, at, length);
        take_modifier(plain, &event);
        at += length;
        if (!find_known(plain, &event) && !find_raw(plain, &event) && !find_tracepoint(arena, plain, &event)) {
            *wrong = event.name;
            return false;
        }
        vec_push(arena, events, event);
    }
    return true;
}

void stat_usual_events(struct arena *arena, bool whole_system, stat_events *events) {
    for (int i = 0; i < USUAL; i++) {
        const char *name = i == 0 && whole_system ? "cpu-clock" : known[i].name;
        struct stat_event event = {.name = name};
        find_known(name, &event);
        vec_push(arena, events, event);
    }
}
