/* From loaded programs to running ones. */
#include "base/diag.h"
#include "kernel/bpf.h"
#include "kernel/uapi.h"
#include "probe/attach_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void probe_keep_fast(struct attachment *at, int fd) { vec_push(at->context->arena, &at->link->fast, fd); }
void probe_keep_slow(struct attachment *at, int fd) { vec_push(at->context->arena, &at->link->slow, fd); }
void probe_keep_late(struct attachment *at, int fd) { vec_push(at->context->arena, &at->link->late, fd); }

void probe_note_failure(struct attachment *at, const struct probe_target *target, int number, const char *operation) {
    struct probe_failure failure = {.target = target, .error = -number};

    probe_fail_system(at->context, &failure.text, number, "%s %s", operation, target->name);
    if (number == ENOENT && target->mechanism == PROBE_RAW_TRACEPOINT)
        failure.text.kind = PROBE_ERROR_NO_MATCH;
    if (number == EINVAL && target->frequency)
        failure.text.hint = "the frequency may be above kernel.perf_event_max_sample_rate";
    if (target->event_type == PERF_TYPE_BREAKPOINT && target->mechanism == PROBE_PERF_SAMPLE)
        probe_explain_watchpoint(number, &failure.text);
    if (target->instead && (number == ENOENT || number == EOPNOTSUPP || number == ENODEV || number == ENOSYS)) {
        failure.text.message = arena_printf(at->context->arena, "%s: this machine does not count it", target->name);
        failure.text.hint =
            arena_printf(at->context->arena, "virtual machines seldom have hardware counters; %s", target->instead);
    }
    vec_push(at->context->arena, &at->link->failures, failure);
}

/* ---- raw and BTF tracepoints --------------------------------------------------------------------------------- */

static void attach_raw(struct attachment *at, const struct item *item) {
    const struct probe_target *target = item->target;
    const char *name = target->event;

    if (target->mechanism == PROBE_SYSCALL_ENTER || target->mechanism == PROBE_SYSCALL_EXIT)
        name = target->mechanism == PROBE_SYSCALL_ENTER ? "sys_enter" : "sys_exit";
    if (target->attach_btf_id)
        name = NULL; /* the program knows */
    int fd = kernel_raw_tracepoint_open(name, at->program_fd, item->cookie, at->with_cookies);
    if (fd < 0) {
        probe_note_failure(at, target, -fd, "attaching");
        return;
    }
    probe_keep_fast(at, fd);
    at->link->attached++;
}

/* ---- perf events --------------------------------------------------------------------------------------------- */

/* Hangs the program into an open event; both descriptors go to the link, or the event is closed. */
int probe_hang_in(struct attachment *at, int event_fd, uint64_t cookie, bool is_slow) {
    int link = kernel_perf_attach(event_fd, at->program_fd, at->with_cookies ? cookie : 0);

    if (link < 0 && link != KERNEL_PERF_NO_LINK) {
        close(event_fd);
        return link;
    }
    if (link >= 0)
        (is_slow ? probe_keep_slow : probe_keep_fast)(at, link);
    if (is_slow && link >= 0)
        probe_keep_late(at, event_fd);
    else
        (is_slow ? probe_keep_slow : probe_keep_fast)(at, event_fd);
    return 0;
}

static void attach_perf_tracepoint(struct attachment *at, const struct item *item) {
    int fd = kernel_perf_tracepoint(item->target->tracepoint_id, -1, 0);
    int result = fd < 0 ? fd : probe_hang_in(at, fd, item->cookie, true);

    if (result < 0)
        probe_note_failure(at, item->target, -result, fd < 0 ? "opening the perf event of" : "attaching");
    else
        at->link->attached++;
}

/* Opens and hangs in one sampled event; -ENODEV and -ESRCH mean that its CPU or thread went away. */
static int sample_on(struct attachment *at, const struct item *item, int pid, int cpu) {
    const struct probe_target *target = item->target;
    int fd = target->event_type == PERF_TYPE_BREAKPOINT
                 ? kernel_perf_watchpoint(target->address, target->length, target->access, pid, cpu)
                 : kernel_perf_sampled(target->event_type, target->event_config, target->period, target->frequency, pid,
                                       cpu);

    return fd < 0 ? fd : probe_hang_in(at, fd, item->cookie, false);
}

static int sample_cpus(struct attachment *at, const struct item *item) {
    struct kernel_cpus *cpus = &at->context->caches->cpus;
    int result = cpus->count_online ? 0 : kernel_cpus_read(at->context->arena, cpus);
    uint32_t opened = 0;

    for (uint32_t i = 0; result == 0 && i < cpus->count_online; i++) {
        result = sample_on(at, item, -1, (int)cpus->online[i]);
        opened += result == 0;
        if (result == 0 && item->target->one_cpu)
            break;
        if (result == -ENODEV && (i + 1 < cpus->count_online || opened))
            result = 0;
    }
    return result;
}

/* A perf event follows one thread (and those it starts): one for each there is now. */
static int sample_threads(struct attachment *at, const struct item *item) {
    const char *path = arena_printf(at->context->arena, "/proc/%d/task", at->context->pid);
    DIR *directory = opendir(path);
    int result = directory ? -ESRCH : errno == ENOENT ? -ESRCH : -errno;

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        int thread = atoi(entry->d_name);
        int opened = thread > 0 ? sample_on(at, item, thread, -1) : -ESRCH;
        if (opened == 0)
            result = 0;
        else if (opened != -ESRCH && result != 0)
            result = opened;
    }
    if (directory)
        closedir(directory);
    return result;
}

static void attach_sample(struct attachment *at, const struct item *item) {
    bool per_thread = at->context->pid > 0 && !item->target->one_cpu;
    int result = per_thread ? sample_threads(at, item) : sample_cpus(at, item);

    if (result < 0)
        probe_note_failure(at, item->target, -result, "opening the perf event of");
    else
        at->link->attached++;
}

/* ---- iterators ----------------------------------------------------------------------------------------------- */

/* Iterators over tasks, their files and mappings can keep to one process. */
static bool is_about_tasks(const struct probe_target *target) { return str_starts(target->event, "task"); }

static void attach_iterator(struct attachment *at, const struct item *item) {
    const struct kernel_iterator_tasks tasks = {.pid = (uint32_t)at->context->pid};
    bool one_process = at->context->pid > 0 && is_about_tasks(item->target);
    int fd = kernel_link_iterator(at->program_fd, one_process ? &tasks : NULL, one_process ? sizeof tasks : 0);

    if (fd < 0) {
        probe_note_failure(at, item->target, -fd, "attaching");
        return;
    }
    probe_keep_fast(at, fd);
    at->link->attached++;
}

/* ---- uprobes ------------------------------------------------------------------------------------------------- */

static void attach_perf_uprobe(struct attachment *at, const struct item *item) {
    const struct probe_target *target = item->target;
    struct kernel_perf_pmu *pmu = &at->context->caches->uprobe_pmu;
    int pid = at->context->pid > 0 ? at->context->pid : -1;
    int result = pmu->type ? 0 : kernel_perf_pmu_read("uprobe", pmu);

    if (result == 0) {
        int fd = kernel_perf_uprobe(pmu, target->path, target->offset, target->semaphore, target->is_return, pid);
        result = fd < 0 ? fd : probe_hang_in(at, fd, item->cookie, true);
    }
    if (result < 0)
        probe_note_failure(at, target, -result, "attaching");
    else
        at->link->attached += !target->is_further;
}

/* Errors that splitting the set can not cure. */
bool probe_is_general(int number) {
    return number == EPERM || number == EACCES || number == ENOMEM || number == EBADF || number == EMFILE ||
           number == ENFILE || number == ESRCH || number == EOPNOTSUPP;
}

struct uprobe_set {
    const struct item *items;
    uint64_t *offsets, *cookies, *semaphores; /* the last two may be NULL */
};

/* The kernel attaches all of a set or none and does not tell which one is bad: halve it until the bad are alone. */
static void attach_uprobe_range(struct attachment *at, const struct uprobe_set *set, uint32_t begin, uint32_t end) {
    const struct probe_target *first = set->items[begin].target;
    int pid = at->context->pid > 0 ? at->context->pid : 0;
    int fd = kernel_link_uprobe_multi(
        at->program_fd, first->path, set->offsets + begin, set->cookies ? set->cookies + begin : NULL,
        set->semaphores ? set->semaphores + begin : NULL, end - begin, pid, first->is_return);
    if (fd >= 0) {
        probe_keep_slow(at, fd);
        for (uint32_t i = begin; i < end; i++)
            at->link->attached += !set->items[i].target->is_further;
    } else if (end - begin == 1 || probe_is_general(-fd)) {
        for (uint32_t i = begin; i < end; i++)
            probe_note_failure(at, set->items[i].target, -fd, "attaching");
    } else {
        uint32_t middle = begin + (end - begin) / 2;
        attach_uprobe_range(at, set, begin, middle);
        attach_uprobe_range(at, set, middle, end);
    }
}

static int compare_paths(const void *a, const void *b) {
    return strcmp(((const struct item *)a)->target->path, ((const struct item *)b)->target->path);
}

static void attach_uprobes(struct attachment *at, struct item *items, uint32_t count) {
    struct arena *arena = at->context->arena;
    struct uprobe_set set = {.items = items, .offsets = arena_new_array(arena, uint64_t, count)};

    qsort(items, count, sizeof *items, compare_paths);
    if (at->with_cookies)
        set.cookies = arena_new_array(arena, uint64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].target->semaphore && !set.semaphores)
            set.semaphores = arena_new_array(arena, uint64_t, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        set.offsets[i] = items[i].target->offset;
        if (set.semaphores)
            set.semaphores[i] = items[i].target->semaphore;
        if (set.cookies)
            set.cookies[i] = items[i].cookie;
    }
    for (uint32_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && compare_paths(&items[begin], &items[end]) == 0;)
            end++;
        attach_uprobe_range(at, &set, begin, end);
    }
}

/* ---- all ----------------------------------------------------------------------------------------------------- */

static void attach_one(struct attachment *at, const struct item *item) {
    switch (item->target->mechanism) {
    case PROBE_RAW_TRACEPOINT:
    case PROBE_BTF_TRACEPOINT:
        attach_raw(at, item);
        return;
    case PROBE_PERF_TRACEPOINT:
        attach_perf_tracepoint(at, item);
        return;
    case PROBE_PERF_SAMPLE:
        attach_sample(at, item);
        return;
    case PROBE_UPROBE:
        attach_perf_uprobe(at, item);
        return;
    case PROBE_KPROBE:
    case PROBE_FENTRY:
        probe_attach_function(at, item);
        return;
    case PROBE_ITERATOR:
        attach_iterator(at, item);
        return;
    case PROBE_RUN_ONCE:
    case PROBE_SYSCALL_ENTER:
    case PROBE_SYSCALL_EXIT:
        break; /* attached as a whole */
    }
    BUG("probe mechanism %d is not attached one by one", (int)item->target->mechanism);
}

static void attach_items(struct attachment *at, struct item *items, uint32_t count) {
    switch (items[0].target->mechanism) {
    case PROBE_RUN_ONCE:
        at->link->attached = count;
        return;
    case PROBE_SYSCALL_ENTER:
    case PROBE_SYSCALL_EXIT:
        attach_raw(at, &items[0]);
        if (at->link->attached)
            at->link->attached = count;
        return;
    case PROBE_UPROBE:
        if (probe_uses_uprobe_multi(at->context)) {
            attach_uprobes(at, items, count);
            return;
        }
        break;
    case PROBE_KPROBE:
        if (probe_uses_kprobe_multi(at->context, items[0].target)) {
            probe_attach_kprobes(at, items, count);
            return;
        }
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < count; i++)
        attach_one(at, &items[i]);
}

int probe_attach(struct probe_context *context, struct probe_link *out, int program_fd,
                 const struct probe_target *const *targets, const uint64_t *cookies, uint32_t count,
                 struct probe_error *error) {
    *out = (struct probe_link){0};
    *error = (struct probe_error){0};
    if (count == 0)
        return 0;
    struct item *items = arena_new_array(context->arena, struct item, count);
    struct attachment at = {.context = context,
                            .link = out,
                            .program_fd = program_fd,
                            .with_cookies = cookies && probe_has_cookie(context, targets[0])};

    for (uint32_t i = 0; i < count; i++)
        items[i] = (struct item){targets[i], cookies ? cookies[i] : 0};
    attach_items(&at, items, count);
    if (out->failures.count)
        *error = out->failures.data[0].text;
    bool nothing = out->fast.count == 0 && out->slow.count == 0;
    return out->failures.count && nothing ? out->failures.data[0].error : 0;
}
