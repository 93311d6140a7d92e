/* The caches of a probe_context and the questions they answer. */
#ifndef TARSIER_PROBE_CONTEXT_INT_H
#define TARSIER_PROBE_CONTEXT_INT_H

#include "kernel/perf.h"
#include "kernel/proc.h"
#include "probe/probe_int.h"

struct kernel_tracefs;
struct object_elf;

struct probe_event {
    const char *full_name; /* "sched:sched_switch" */
    const char *system, *event;
};

struct probe_events {
    struct probe_event *data;
    uint32_t count, capacity;
};

struct probe_file {
    const char *path;
    struct object_elf *elf;
};

struct probe_caches {
    struct kernel_tracefs *tracefs;
    struct probe_events events; /* sorted; empty until asked for */
    VEC(struct probe_file) files;
    struct kernel_cpus cpus;           /* count_online 0: not read */
    struct kernel_perf_pmu uprobe_pmu; /* type 0: not read */
    uint32_t syscall_btf_ids[2];       /* of sys_enter and sys_exit; 0: not looked up, or there is none */
    int raw_check_fd;
    bool raw_check_tried;
    bool owns_btf; /* opened here, or tried in vain */
};

/* tracefs: reads (appends) a file; 1 or 0 whether a path exists, or a negative errno. */
int probe_tracefs_read(struct probe_context *context, const char *path, struct strbuf *out, struct probe_error *error);
int probe_tracefs_exists(struct probe_context *context, const char *path, struct probe_error *error);
/* All events of the kernel, by name. One read of available_events. */
int probe_events_read(struct probe_context *context, const struct probe_events **events, struct probe_error *error);

/* A raw tracepoint of that name can be attached to (true when we may not ask). */
bool probe_raw_exists(struct probe_context *context, const char *event);
/* attach_btf_id of the tracepoint, 0 without BTF; args (may be NULL) as in object_btf_raw_tracepoint. */
uint32_t probe_raw_btf_id(struct probe_context *context, const char *event, const struct type **args);

/* program.c: uprobes are attached through uprobe.multi links (and their programs loaded for them). */
bool probe_uses_uprobe_multi(const struct probe_context *context);

/* The file at `path`, opened once; NULL and *reason when it is no ELF file. `path` must live in the arena. */
struct object_elf *probe_elf(struct probe_context *context, const char *path, const char **reason);

#endif
