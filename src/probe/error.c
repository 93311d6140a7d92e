/* Errors of this folder: what was asked, why not, and the cure. */
#include "base/diag.h"
#include "probe/probe_int.h"

#include <errno.h>
#include <string.h>

/* What a person can do about an errno of bpf(2) and perf_event_open(2), whichever probe it was. */
static const struct {
    int number;
    const char *hint;
} cures[] = {
    {EPERM, "needs CAP_BPF and CAP_PERFMON (or root); a locked-down kernel refuses it to root as well "
            "(see /sys/kernel/security/lockdown)"},
    {EACCES, "needs CAP_PERFMON (or root), or a lower kernel.perf_event_paranoid"},
    {EMFILE, "too many open files: raise the limit with 'ulimit -n', or match fewer probes"},
    {ENFILE, "the system has too many open files: match fewer probes"},
    {E2BIG, "too many BPF programs on one event (the kernel allows 64): end other tracers on it"},
    {EBUSY, "another tool holds the event: end it, or choose another probe"},
    {ENOMEM, "out of kernel memory: match fewer probes"},
    {ENOSYS, "this kernel is built without it"},
    {EOPNOTSUPP, "this kernel or machine does not offer the event"},
    {ESRCH, "the process has ended"},
};

static int vfail(struct probe_context *context, struct probe_error *error, enum probe_error_kind kind, int number,
                 const struct probe_part *part, const char *format, va_list args) {
    *error = (struct probe_error){.kind = kind,
                                  .begin = part ? part->begin : 0,
                                  .end = part ? part->end : 0,
                                  .message = arena_vprintf(context->arena, format, args)};
    return -number;
}

int probe_fail(struct probe_context *context, struct probe_error *error, enum probe_error_kind kind, int number,
               const struct probe_part *part, const char *format, ...) {
    va_list args;

    va_start(args, format);
    vfail(context, error, kind, number, part, format, args);
    va_end(args);
    return -number;
}

int probe_fail_system(struct probe_context *context, struct probe_error *error, int number, const char *format, ...) {
    bool refused = number == EPERM || number == EACCES;
    va_list args;

    va_start(args, format);
    vfail(context, error, refused ? PROBE_ERROR_PERMISSION : PROBE_ERROR_SYSTEM, number, NULL, format, args);
    va_end(args);
    error->message =
        arena_printf(context->arena, "%s: %s", error->message, refused ? "not permitted" : strerror(number));
    for (size_t i = 0; i < sizeof cures / sizeof *cures; i++) {
        if (cures[i].number == number)
            error->hint = cures[i].hint;
    }
    return -number;
}

enum { NEAREST_MAX = 3 };

static bool is_among(const char *name, const char *const *names, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Names within a slip for every three characters, the nearest first; symbol tables may hold a name twice. */
static uint32_t find_nearest(const char *wanted, const char *const *names, uint32_t count, const char **nearest) {
    unsigned distances[NEAREST_MAX], limit = diag_near(wanted);
    uint32_t found = 0;

    for (uint32_t i = 0; i < count; i++) {
        unsigned distance = str_distance(wanted, names[i], limit);
        if (distance > limit || (found == NEAREST_MAX && distance >= distances[NEAREST_MAX - 1]) ||
            is_among(names[i], nearest, found))
            continue;
        uint32_t at = found < NEAREST_MAX ? found++ : NEAREST_MAX - 1;
        for (; at > 0 && distances[at - 1] > distance; at--) {
            distances[at] = distances[at - 1];
            nearest[at] = nearest[at - 1];
        }
        distances[at] = distance;
        nearest[at] = names[i];
    }
    return found;
}

const char *probe_nearest(struct probe_context *context, const char *wanted, const char *const *names, uint32_t count) {
    const char *nearest[NEAREST_MAX];

    switch (find_nearest(wanted, names, count, nearest)) {
    case 0:
        return NULL;
    case 1:
        return arena_printf(context->arena, "did you mean %s?", nearest[0]);
    case 2:
        return arena_printf(context->arena, "did you mean %s or %s?", nearest[0], nearest[1]);
    default:
        return arena_printf(context->arena, "did you mean %s, %s or %s?", nearest[0], nearest[1], nearest[2]);
    }
}
