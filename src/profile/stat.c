#include "profile/stat.h"
#include "kernel/proc.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The counters of one event: one for each thread or CPU. */
struct counters {
    VEC(int) fds;
    int error;                  /* why there is none */
    struct kernel_count before; /* at the end of the last interval */
};

struct run {
    struct arena *arena;
    const struct stat_request *request;
    const stat_events *events;
    struct counters *counters; /* of each event */
    struct kernel_child child;
    uint64_t started, shown; /* monotonic ns */
    const char *what;
};

/* ---- opening --------------------------------------------------------------------------------------------------------
 */

static bool is_missing(int error) {
    return error == -ENOENT || error == -EOPNOTSUPP || error == -ENODEV || error == -EINVAL || error == -ENXIO ||
           error == -ENOSYS;
}

/* Who may not look into the kernel counts what programs do, as perf does. */
static int open_counter(struct kernel_counter *counter) {
    int fd = kernel_counter_open(counter);
    if ((fd == -EACCES || fd == -EPERM) && !counter->user_only && !counter->kernel_only) {
        counter->user_only = true;
        fd = kernel_counter_open(counter);
    }
    return fd;
}

/* Adds a counter for each event. -ESRCH: the thread has gone. */
static int open_all(struct run *run, int pid, int cpu) {
    for (uint32_t i = 0; i < run->events->count; i++) {
        const struct stat_event *event = &run->events->data[i];
        struct kernel_counter counter = {.type = event->type,
                                         .config = event->config,
                                         .pid = pid,
                                         .cpu = cpu,
                                         .inherit = pid >= 0,
                                         .from_exec = run->child.pid != 0,
                                         .user_only = event->user_only,
                                         .kernel_only = event->kernel_only};
        int fd = open_counter(&counter);
        if (fd >= 0)
            vec_push(run->arena, &run->counters[i].fds, fd);
        else if (is_missing(fd))
            run->counters[i].error = fd;
        else
            return fd;
    }
    return 0;
}

static int open_cpus(struct run *run) {
    struct kernel_cpus cpus = {0};
    int error = kernel_cpus_read(run->arena, &cpus);
    for (uint32_t i = 0; error == 0 && i < cpus.count_online; i++)
        error = open_all(run, -1, (int)cpus.online[i]);
    return error;
}

/* The threads that are there; what they start is counted with them. */
static int open_process(struct run *run) {
    VEC(int) threads = {0};
    char path[40];
    int error = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)run->request->pid);
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? -ESRCH : -errno;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (atoi(entry->d_name) > 0)
            vec_push(run->arena, &threads, atoi(entry->d_name));
    }
    closedir(directory);
    for (uint32_t i = 0; error == 0 && i < threads.count; i++) {
        error = open_all(run, threads.data[i], -1);
        error = error == -ESRCH ? 0 : error; /* it has ended meanwhile */
    }
    return error;
}

static int open_command(struct run *run) {
    int error = kernel_spawn_find(run->request->command[0]);
    run->what = run->request->command[0];
    if (error == 0)
        error = kernel_spawn_stopped(run->request->command, &run->child);
    if (error < 0)
        return error;
    run->what = "counting";
    return open_all(run, run->child.pid, -1);
}

static int open_targets(struct run *run) {
    run->what = "counting";
    if (run->request->command)
        return open_command(run);
    return run->request->pid ? open_process(run) : open_cpus(run);
}

static void each_counter(struct run *run, int (*call)(int fd)) {
    for (uint32_t i = 0; i < run->events->count; i++)
        for (uint32_t k = 0; k < run->counters[i].fds.count; k++)
            call(run->counters[i].fds.data[k]);
}

/* ---- reading --------------------------------------------------------------------------------------------------------
 */

static struct kernel_count sum_of(const struct counters *counters) {
    struct kernel_count sum = {0};
    for (uint32_t i = 0; i < counters->fds.count; i++) {
        struct kernel_count one;
        if (kernel_counter_read(counters->fds.data[i], &one) < 0)
            continue;
        sum.value += one.value;
        sum.enabled += one.enabled;
        sum.running += one.running;
    }
    return sum;
}

static struct stat_count count_since(struct counters *counters, bool in_intervals) {
    struct kernel_count now = sum_of(counters), before = counters->before;
    struct stat_count count = {.enabled = now.enabled - before.enabled, .running = now.running - before.running};
    if (in_intervals)
        counters->before = now;
    if (!counters->fds.count)
        count.state = STAT_NOT_SUPPORTED;
    else if (count.enabled && !count.running)
        count.state = STAT_NOT_COUNTED;
    else if (count.running) /* else the target did not run: 0 */
        count.value = (double)(now.value - before.value) * ((double)count.enabled / (double)count.running);
    return count;
}

static void tell(struct run *run, const struct rusage *usage, int status, bool last) {
    struct arena *arena = arena_new();
    struct stat_count *counts = arena_new_array(arena, struct stat_count, run->events->count + 1);
    uint64_t now = kernel_monotonic_ns();
    for (uint32_t i = 0; i < run->events->count; i++)
        counts[i] = count_since(&run->counters[i], run->request->interval_ms != 0);
    struct stat_result result = {
        .events = run->events,
        .counts = counts,
        .at_ns = now - run->started,
        .elapsed_ns = now - (run->request->interval_ms ? run->shown : run->started),
        .user_ns = (uint64_t)usage->ru_utime.tv_sec * 1000000000 + (uint64_t)usage->ru_utime.tv_usec * 1000,
        .system_ns = (uint64_t)usage->ru_stime.tv_sec * 1000000000 + (uint64_t)usage->ru_stime.tv_usec * 1000,
        .last = last,
        .status = status,
    };
    run->shown = now;
    run->request->result(run->request->context, &result);
    arena_free(arena);
}

/* ---- the run --------------------------------------------------------------------------------------------------------
 */

/* How long to wait for the next thing to do, in ms; -1: for ever. */
static int patience(const struct run *run) {
    uint64_t now = kernel_monotonic_ns(), next = UINT64_MAX;
    if (run->request->interval_ms)
        next = run->shown + run->request->interval_ms * 1000000;
    if (run->request->duration_ms && run->started + run->request->duration_ms * 1000000 < next)
        next = run->started + run->request->duration_ms * 1000000;
    if (next == UINT64_MAX)
        return -1;
    return next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

static bool is_over(const struct run *run) {
    return run->request->duration_ms && kernel_monotonic_ns() >= run->started + run->request->duration_ms * 1000000;
}

/* Until the target ends (false) or the user has enough (true). */
static bool wait_for_end(struct run *run, int target_fd, bool *stopped) {
    static const struct rusage none;
    for (;;) {
        struct pollfd watched[2] = {{.fd = target_fd, .events = POLLIN},
                                    {.fd = run->request->stop_fd, .events = POLLIN}};
        int ready = poll(watched, 2, patience(run));
        if (ready > 0 && watched[0].revents)
            return false;
        if (ready > 0 && watched[1].revents)
            *stopped = true;
        if (*stopped || is_over(run))
            return true;
        if (ready == 0 && run->request->interval_ms)
            tell(run, &none, 0, false);
    }
}

static int finish(struct run *run, bool early) {
    struct rusage usage = {0};
    int status = 0;
    if (run->child.pid) {
        if (early)
            kill(run->child.pid, SIGTERM);
        while (wait4(run->child.pid, &status, 0, &usage) < 0 && errno == EINTR)
            continue;
    }
    each_counter(run, kernel_counter_stop);
    tell(run, &usage, status, true);
    return 0;
}

static int count(struct run *run, bool *stopped) {
    pid_t target = run->child.pid ? run->child.pid : run->request->pid;
    int target_fd = target ? kernel_pidfd_open(target) : -1;
    int error = target && target_fd < 0 ? target_fd : 0;
    run->started = run->shown = kernel_monotonic_ns();
    if (error == 0 && run->child.pid) {
        run->what = run->request->command[0];
        error = kernel_spawn_release(&run->child);
    } else {
        each_counter(run, kernel_counter_start);
    }
    if (error == 0)
        error = finish(run, wait_for_end(run, target_fd, stopped));
    else if (run->child.pid)
        kernel_spawn_cancel(&run->child);
    if (target_fd >= 0)
        close(target_fd);
    return error;
}

int stat_run(const struct stat_request *request, const stat_events *events, bool *stopped, const char **what) {
    struct run run = {.arena = arena_new(), .request = request, .events = events};
    run.counters = arena_new_array(run.arena, struct counters, events->count + 1);
    int error = open_targets(&run);
    if (error == 0)
        error = count(&run, stopped);
    else if (run.child.pid)
        kernel_spawn_cancel(&run.child);
    each_counter(&run, close);
    *what = run.what;
    arena_free(run.arena);
    return error;
}
