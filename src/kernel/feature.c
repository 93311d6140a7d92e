/* The table of features: cache, explanations, and the tries that need no program (those are feature_program.c). */
#include "kernel/feature.h"
#include "kernel/bpf.h"
#include "kernel/bpf_int.h"
#include "kernel/feature_int.h"
#include "kernel/perf.h"
#include "kernel/proc.h"
#include "kernel/tracefs.h"
#include "kernel/uapi.h"
#include <assert.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

/* Capabilities, by their bit in /proc/self/status. CAP_SYS_ADMIN stands for the two newer ones as well. */
#define CAN_NOTHING 0
#define CAN_SYS_ADMIN (1ull << 21)
#define CAN_PERFMON (1ull << 38)
#define CAN_BPF (1ull << 39)
#define CAN_LOAD (CAN_BPF | CAN_PERFMON) /* a tracing program */

struct feature_row {
    const char *name, *use, *needs;
    uint64_t capabilities;
    kernel_feature_try try;
};

static const struct feature_row rows[KERNEL_FEATURE_COUNT] = {
#define KERNEL_FEATURE(name, text, use, try, can, needs) {text, use, needs, can, kernel_##try},
#include "kernel/feature.def"
#undef KERNEL_FEATURE
};

struct kernel_features *kernel_features_new(struct arena *arena) {
    struct kernel_features *features = arena_make(arena, struct kernel_features);
    features->arena = arena;
    return features;
}

void kernel_features_set_btf(struct kernel_features *features, const struct kernel_feature_btf *ids) {
    features->btf = *ids;
}

int kernel_feature_error(struct kernel_features *features, enum kernel_feature id) {
    assert(id < KERNEL_FEATURE_COUNT);
    if (!features->results[id].known) {
        int error = rows[id].try(features);
        features->results[id].error = error;
        features->results[id].known = error != -ENODATA; /* the id may come later */
        return error;
    }
    return features->results[id].error;
}

void kernel_feature_deny(struct kernel_features *features, enum kernel_feature id) {
    features->results[id].known = true;
    features->results[id].error = -EOPNOTSUPP;
}

bool kernel_feature(struct kernel_features *features, enum kernel_feature id) {
    return kernel_feature_error(features, id) == 0;
}

const char *kernel_feature_name(enum kernel_feature id) { return rows[id].name; }

const char *kernel_feature_use(enum kernel_feature id) { return rows[id].use; }

/* ---- explaining a refusal ------------------------------------------------------------------------------------ */

static const struct {
    uint64_t bit;
    const char *name;
} capability_names[] = {{CAN_BPF, "CAP_BPF"}, {CAN_PERFMON, "CAP_PERFMON"}, {CAN_SYS_ADMIN, "CAP_SYS_ADMIN"}};

static uint64_t effective_capabilities(void) {
    struct strbuf text = {0};
    uint64_t mask = 0;
    if (kernel_read_file("/proc/self/status", &text, 1u << 16) == 0) {
        const char *line = strstr(strbuf_text(&text), "\nCapEff:");
        if (line)
            mask = strtoull(line + strlen("\nCapEff:"), NULL, 16);
    }
    strbuf_free(&text);
    return mask;
}

/* The lockdown mode in force ("integrity", "confidentiality"), or NULL. The file says "none [integrity] ...". */
static const char *lockdown_mode(void) {
    static const char *const modes[] = {"integrity", "confidentiality"};
    struct strbuf text = {0};
    const char *found = NULL;
    if (kernel_read_file("/sys/kernel/security/lockdown", &text, 4096) == 0) {
        const char *chosen = strchr(strbuf_text(&text), '[');
        for (size_t i = 0; chosen && i < sizeof modes / sizeof *modes; i++)
            if (str_starts(chosen + 1, modes[i]))
                found = modes[i];
    }
    strbuf_free(&text);
    return found;
}

/* Who says no, and what helps. Resource limits never are the reason since 5.11, so they are not spoken of. */
static void explain_policy(uint64_t needed, struct strbuf *out) {
    uint64_t have = effective_capabilities();
    uint64_t missing = have & CAN_SYS_ADMIN ? 0 : needed & ~have;
    const char *separator = "this process lacks ";
    for (size_t i = 0; i < sizeof capability_names / sizeof *capability_names; i++) {
        if (!(missing & capability_names[i].bit))
            continue;
        strbuf_addf(out, "%s%s", separator, capability_names[i].name);
        separator = " and ";
    }
    if (missing) {
        strbuf_addstr(out, ". Run as root or grant what is missing");
        return;
    }
    const char *mode = lockdown_mode();
    if (mode)
        strbuf_addf(out, "kernel lockdown (%s) forbids it. It is lifted at boot: lockdown=none, Secure Boot off", mode);
    else
        strbuf_addstr(out, "the kernel's security policy (an LSM, a container or the hypervisor) forbids it, although "
                           "the capabilities are there. Ask who runs this machine");
}

void kernel_feature_explain(struct kernel_features *features, enum kernel_feature id, struct strbuf *out) {
    int error = kernel_feature_error(features, id);
    strbuf_addf(out, "%s: %s", rows[id].name, error ? "no" : "yes");
    if (error == 0)
        return;
    if (error == -ENODATA) {
        strbuf_addf(out, ": the kernel's type information lacks it. It needs %s", rows[id].needs);
    } else if (error == -EPERM || error == -EACCES) {
        strbuf_addf(out, " (%s): ", strerror(-error));
        explain_policy(rows[id].capabilities, out);
    } else {
        strbuf_addf(out, " (%s): this kernel or machine does not have it. It needs %s", strerror(-error),
                    rows[id].needs);
    }
    strbuf_addch(out, '.');
}

/* ---- tries without a program --------------------------------------------------------------------------------- */

/* Success or descriptor -> 0, closing it. */
static int try_close(int fd) {
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* A call that is made so that it must fail: `expected` is the answer of a kernel that knows how. */
static int try_expect(int result, int expected) {
    if (result == expected)
        return 0;
    return result < 0 ? result : try_close(result);
}

int kernel_try_perf_uprobe(struct kernel_features *features) {
    (void)features;
    /* No program file: a directory. */
    return try_expect(kernel_perf_uprobe(NULL, "/", 0, 0, false, -1), -EINVAL);
}

int kernel_try_perf_kprobe(struct kernel_features *features) {
    (void)features;
    struct kernel_perf_pmu pmu;
    int error = kernel_perf_pmu_read("kprobe", &pmu);
    return error ? error : try_expect(kernel_perf_kprobe(&pmu, "tarsier_no_such_function", 0, false), -ENOENT);
}

int kernel_try_raw_tracepoint_cookie(struct kernel_features *features) {
    (void)features;
    /* Attributes are checked before the program descriptor: an old kernel says EINVAL. */
    return try_expect(kernel_raw_tracepoint_open("sched_switch", -1, 1, true), -EBADF);
}

int kernel_try_perf_link(struct kernel_features *features) {
    (void)features;
    return try_expect(kernel_link_perf_event(-1, -1, 0), -EBADF);
}

int kernel_try_hardware_events(struct kernel_features *features) {
    (void)features;
    return try_close(kernel_perf_sampled(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1000000, 0, 0, -1));
}

int kernel_try_ring_buffer(struct kernel_features *features) {
    (void)features;
    return try_close(kernel_map_create(&(struct kernel_map_spec){
        .name = "try", .type = BPF_MAP_TYPE_RINGBUF, .max_entries = (uint32_t)sysconf(_SC_PAGESIZE)}));
}

int kernel_try_btf(struct kernel_features *features) {
    (void)features;
    return access("/sys/kernel/btf/vmlinux", R_OK) < 0 ? -errno : 0;
}

static int try_open_tracefs(struct kernel_features *features, bool mounted_only) {
    int error = 0;
    struct kernel_tracefs *tracefs = kernel_tracefs_open(features->arena, &error);
    if (error == 0 && mounted_only && kernel_tracefs_private(tracefs))
        error = -ENOENT;
    kernel_tracefs_close(tracefs);
    return error;
}

int kernel_try_tracefs(struct kernel_features *features) { return try_open_tracefs(features, false); }
int kernel_try_tracefs_mounted(struct kernel_features *features) { return try_open_tracefs(features, true); }
