/* Processes, CPUs, clocks and small files: what /proc and /sys say, and starting the command of -c. */
#ifndef TARSIER_KERNEL_PROC_H
#define TARSIER_KERNEL_PROC_H

#include "base/arena.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Appends the whole file; more than `max` bytes is -EFBIG. Also for /proc files, whose stat size is 0. */
int kernel_read_file(const char *path, struct strbuf *out, size_t max);
int kernel_read_descriptor(int fd, struct strbuf *out, size_t max); /* from where it stands to the end */
int kernel_read_file_at(int directory_fd, const char *path, struct strbuf *out, size_t max);

/* ---- CPUs ---------------------------------------------------------------------------------------------------- */

struct kernel_cpus {
    uint32_t count_possible; /* highest possible id + 1: how many values a per-CPU map has */
    uint32_t count_online;
    uint32_t *online; /* ids, ascending */
};

int kernel_cpus_read(struct arena *arena, struct kernel_cpus *cpus);
/* "0-3,8,10-11" into ascending ids. False: not such a list (or an id of 65536 or more). */
bool kernel_cpu_list_parse(struct arena *arena, const char *text, uint32_t **ids, uint32_t *count);

/* ---- processes ----------------------------------------------------------------------------------------------- */

int kernel_pidfd_open(pid_t pid); /* readable (poll) when the process has ended */
bool kernel_pid_alive(pid_t pid); /* exists and is no zombie */

struct kernel_pid_namespace {
    uint64_t device; /* as bpf_get_ns_current_pid_tgid wants it (the kernel's own dev_t) */
    uint64_t inode;
    bool initial; /* this process sees every process by its global pid */
};
int kernel_pid_namespace(struct kernel_pid_namespace *info);

/* A command that waits before its execve until released, so that probes can be attached first. It has the caller's
 * descriptors 0-2 and environment, an empty signal mask and default signal actions. If the caller dies first, it ends
 * without running. The caller reaps it (waitpid; kernel_pidfd_open is good for the wait). */
struct kernel_child {
    pid_t pid;
    int go_fd, error_fd; /* internal */
};
/* 0, or why no program of that name can be run: -ENOENT, -EACCES. PATH is searched as execvp(3) does. */
int kernel_spawn_find(const char *name);
/* argv ends with NULL; PATH is searched. */
int kernel_spawn_stopped(const char *const *argv, struct kernel_child *child);
int kernel_spawn_release(struct kernel_child *child); /* 0: it runs; -ENOENT and the like: what execve said */
void kernel_spawn_cancel(struct kernel_child *child); /* ends one that was not released, and reaps it */

/* ---- the system ---------------------------------------------------------------------------------------------- */

const char *kernel_release(struct arena *arena); /* "6.12.9-amd64" */
uint64_t kernel_monotonic_ns(void);              /* the clock of bpf_ktime_get_ns */
uint64_t kernel_boottime_ns(void);               /* the clock of bpf_ktime_get_boot_ns: `nsecs`, stamps of records */
int64_t kernel_boot_offset_ns(void);             /* add to CLOCK_BOOTTIME (bpf_ktime_get_boot_ns) for the time of day */
int64_t kernel_monotonic_offset_ns(void);        /* add to CLOCK_MONOTONIC (bpf_ktime_get_ns) for the time of day */

#endif
