/* Counting: what `tarsier stat` asks the kernel's and the processor's counters.
 *
 *   stat_events.c   names -> events (events.def; r1a2b: raw; SUBSYSTEM:NAME: a tracepoint; :u, :k behind them)
 *   stat.c          counters of the targets, run, read: on each interval, and at the end
 *   stat_metric.c   the number behind a count: a rate, a share, instructions per cycle
 *
 * Targets: a command and what it starts (from its execve on), a process with its threads and what they start, or every
 * CPU. An event that this machine cannot count is kept, marked; it is no error.
 */
#ifndef TARSIER_PROFILE_STAT_H
#define TARSIER_PROFILE_STAT_H

#include "base/arena.h"
#include "base/vec.h"
#include "kernel/counter.h"
#include <stdbool.h>
#include <sys/types.h>

enum stat_metric {
    STAT_NONE,
    STAT_CPUS,      /* CPUs utilized */
    STAT_RATE,      /* a second of processor time */
    STAT_GIGAHERTZ, /* cycles */
    STAT_PER_CYCLE, /* instructions */
    STAT_OF_BRANCHES,
    STAT_OF_CACHE,
    STAT_OF_CYCLES,
    STAT_OF_L1,
    STAT_OF_LLC,
    STAT_OF_DTLB,
    STAT_OF_ITLB,
};

struct stat_event {
    const char *name; /* as it was asked for */
    uint32_t type;
    uint64_t config;
    enum stat_metric metric;
    bool is_clock; /* counts ns */
    bool user_only, kernel_only;
};
typedef VEC(struct stat_event) stat_events;

/* Names joined by commas, added to the list. False: *wrong is the name that is none. */
bool stat_add_events(struct arena *arena, const char *names, stat_events *events, const char **wrong);
/* Those that are counted when nobody says what. */
void stat_usual_events(struct arena *arena, bool whole_system, stat_events *events);

enum stat_state { STAT_COUNTED, STAT_NOT_SUPPORTED, STAT_NOT_COUNTED /* it never had its turn */ };

/* What an event came to. */
struct stat_count {
    enum stat_state state;
    double value;              /* for the whole time: what was counted, scaled by enabled / running */
    uint64_t enabled, running; /* ns */
};

struct stat_result {
    const stat_events *events;
    const struct stat_count *counts; /* of each event */
    uint64_t at_ns;                  /* since the start: the end of an interval */
    uint64_t elapsed_ns;             /* of the interval, or the run */
    uint64_t user_ns, system_ns;     /* of a command that ended */
    bool last;                       /* of a run */
    int status;                      /* of the command, as wait(2) has it */
};

struct stat_request {
    pid_t pid;                  /* 0 none */
    const char *const *command; /* NULL none; neither: every CPU */
    uint64_t interval_ms;       /* 0: one result */
    uint64_t duration_ms;       /* 0: until the target ends, or stop_fd */
    int stop_fd;
    void (*result)(void *context, const struct stat_result *result);
    void *context;
};

/* One run. 0, or a negative errno with *what: the operation that failed. `stopped`: by stop_fd. */
int stat_run(const struct stat_request *request, const stat_events *events, bool *stopped, const char **what);

/* The number behind a count; false: there is none. `unit` is as perf stat words it: "CPUs utilized", "K/sec". */
bool stat_metric_of(const struct stat_result *result, uint32_t event, double *value, const char **unit);

#endif
