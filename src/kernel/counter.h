/* Counting with perf_event_open(2): how often something happened, as opposed to samples of it (kernel/perf.h). Counters
 * are opened stopped. The kernel gives hardware counters to more events than the processor has places for by turns:
 * `enabled` is how long an event was to be counted, `running` how long it was; the count belongs to the latter. */
#ifndef TARSIER_KERNEL_COUNTER_H
#define TARSIER_KERNEL_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

struct kernel_counter {
    uint32_t type; /* PERF_TYPE_* */
    uint64_t config;
    int pid, cpu;   /* a thread wherever it runs (cpu -1), or all of a CPU (pid -1) */
    bool inherit;   /* and what it starts */
    bool from_exec; /* starts when the thread calls execve */
    bool user_only, kernel_only;
};

struct kernel_count {
    uint64_t value, enabled, running; /* ns the last two */
};

/* A descriptor, to be closed. -ENOENT, -EOPNOTSUPP, -ENODEV, -EINVAL: this machine cannot count it; -EACCES, -EPERM:
 * not permitted. */
int kernel_counter_open(const struct kernel_counter *counter);
int kernel_counter_start(int fd);
int kernel_counter_stop(int fd); /* with what it inherited */
int kernel_counter_read(int fd, struct kernel_count *count);

#endif
