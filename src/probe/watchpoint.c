/* watchpoint: memory that is read, written or executed. ADDRESS:LENGTH:MODE, for a process (-p, -c), or for everybody
 * when the address is the kernel's. The processor does the watching; it has 4 registers for it. */
#include "kernel/perf.h"
#include "probe/probe_int.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

static int parse_mode(struct probe_context *context, const struct probe_part *part, uint32_t *access,
                      struct probe_error *error) {
    static const struct {
        char letter;
        uint32_t access;
    } modes[] = {{'r', KERNEL_WATCH_READ}, {'w', KERNEL_WATCH_WRITE}, {'x', KERNEL_WATCH_EXECUTE}};

    *access = 0;
    for (const char *at = part->text; *at; at++) {
        uint32_t one = 0;
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
            one = modes[i].letter == *at ? modes[i].access : one;
        if (one == 0 || *access & one) {
            *access = 0;
            break;
        }
        *access |= one;
    }
    if (*access == 0)
        return probe_fail_text(context, error, part,
                               "watchpoint: the mode must be a combination of r, w and x, each once");
    if (*access == KERNEL_WATCH_READ || (*access & KERNEL_WATCH_EXECUTE && *access != KERNEL_WATCH_EXECUTE)) {
        int result =
            probe_fail_text(context, error, part, "watchpoint: the processor can not watch for '%s'", part->text);
        error->hint = "it can watch for w (writes), rw (reads and writes) or x (execution)";
        return result;
    }
    return 0;
}

static int parse_numbers(struct probe_context *context, const struct probe_point *point, uint64_t *address,
                         uint64_t *length, struct probe_error *error) {
    const struct probe_part *where = &point->parts[0], *size = &point->parts[1];

    if (!str_to_u64(where->text, address)) {
        int result = probe_fail_text(context, error, where, "watchpoint: '%s' is not an address", where->text);
        error->hint = "write a number, such as 0x10000000";
        return result;
    }
    if (!str_to_u64(size->text, length) || (*length != 1 && *length != 2 && *length != 4 && *length != 8))
        return probe_fail_text(context, error, size, "watchpoint: the length must be 1, 2, 4 or 8 bytes, not '%s'",
                               size->text);
    if (*address % *length != 0) {
        int result = probe_fail_text(context, error, where,
                                     "watchpoint: %lu bytes at %s: the address must be a multiple of the length",
                                     *length, where->text);
        error->hint = "the processor watches aligned pieces only";
        return result;
    }
    return 0;
}

static int watchpoint_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                             struct probe_error *error) {
    uint64_t address, length;
    uint32_t access;

    int result = parse_numbers(context, point, &address, &length, error);
    if (result == 0)
        result = parse_mode(context, &point->parts[2], &access, error);
    if (result != 0)
        return result;
    bool of_kernel = address >> 63;
    if (!of_kernel && context->pid <= 0) {
        result = probe_fail_text(context, error, &point->parts[0],
                                 "watchpoint: %s is an address of a process, but of which?", point->parts[0].text);
        error->hint = "give a process with -p PID or start one with -c COMMAND";
        return result;
    }
    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = PROBE_PERF_SAMPLE;
    target->event_type = PERF_TYPE_BREAKPOINT;
    target->address = address;
    target->length =
        access == KERNEL_WATCH_EXECUTE ? sizeof(long) : (uint32_t)length; /* what the kernel wants for code */
    target->access = access;
    target->period = 1;
    target->name = arena_printf(context->arena, "watchpoint:0x%lx:%lu:%s", address, length, point->parts[2].text);
    return 0;
}

void probe_explain_watchpoint(int number, struct probe_error *error) {
    if (number == ENOSPC)
        error->hint =
            "the processor has registers for 4 watchpoints, and all are taken (by this script, or by a debugger)";
    else if (number == EINVAL)
        error->hint = "the processor can not watch this address, length and mode together";
    else if (number == ENODEV || number == ENOENT || number == EOPNOTSUPP)
        error->hint = "this machine has no hardware breakpoints";
}

static int watchpoint_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                           struct probe_error *error) {
    (void)context, (void)point, (void)lister, (void)error;
    return 0; /* every address of the machine is no answer */
}

const struct probe_kind probe_kind_watchpoint = {
    .name = "watchpoint",
    .aliases = {"w"},
    .usage = "watchpoint:ADDRESS:LENGTH:MODE",
    .parts_min = 3,
    .parts_max = 3,
    .expand = watchpoint_expand,
    .list = watchpoint_list,
};
