/* Attaching to functions of the kernel: kprobe.multi, perf events, trampolines.
 *
 * kprobe.multi takes names or addresses, all of a set or none. Perf events are found in no list of the system: they
 * hang on their descriptors (kprobe_events of tracefs is not written to). */
#include "kernel/bpf.h"
#include "probe/attach_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What an errno means for a function, whose text speaks of something else. */
static const char *reason(int number) {
    switch (number) {
    case EINVAL:
        return "the kernel lets nobody probe it, because probes themselves need it or its source says so";
    case EILSEQ:
        return "the offset is in the middle of an instruction";
    case ENOENT:
    case ESRCH:
        return "the kernel has no such function, or does not let it be traced";
    case EADDRNOTAVAIL:
        return "several functions have this name: say which with a module, or with its address";
    case EBUSY:
        return "a live patch or another tracer has changed the function";
    default:
        return NULL;
    }
}

static void note_failure(struct attachment *at, const struct probe_target *target, int number) {
    probe_note_failure(at, target, number, "attaching");
    struct probe_error *text = &at->link->failures.data[at->link->failures.count - 1].text;
    if (!reason(number))
        return;
    text->message = arena_printf(at->context->arena, "attaching %s: %s", target->name, reason(number));
    text->hint = NULL;
}

/* ---- kprobe.multi -------------------------------------------------------------------------------------------- */

struct kprobe_set {
    const struct item *items;
    const char **symbols;          /* NULL: by address */
    uint64_t *addresses, *cookies; /* cookies may be NULL */
};

/* The kernel does not tell which one it does not like: halve the set until the bad are alone. */
static void attach_range(struct attachment *at, const struct kprobe_set *set, uint32_t begin, uint32_t end) {
    int fd = kernel_link_kprobe_multi(
        at->program_fd, set->symbols ? set->symbols + begin : NULL, set->symbols ? NULL : set->addresses + begin,
        set->cookies ? set->cookies + begin : NULL, end - begin, set->items[begin].target->is_return);
    if (fd >= 0) {
        probe_keep_slow(at, fd);
        at->link->attached += end - begin;
    } else if (end - begin == 1 || (probe_is_general(-fd) && fd != -ESRCH)) { /* here ESRCH is a name not found */
        for (uint32_t i = begin; i < end; i++)
            note_failure(at, set->items[i].target, -fd);
    } else {
        uint32_t middle = begin + (end - begin) / 2;
        attach_range(at, set, begin, middle);
        attach_range(at, set, middle, end);
    }
}

static int compare_addresses(const void *a, const void *b) {
    const struct probe_target *x = ((const struct item *)a)->target, *y = ((const struct item *)b)->target;

    return (x->address > y->address) - (x->address < y->address);
}

/* Those without an address first, by name; the others by address. */
void probe_attach_kprobes(struct attachment *at, struct item *items, uint32_t count) {
    struct arena *arena = at->context->arena;
    struct kprobe_set set = {.items = items, .symbols = arena_new_array(arena, const char *, count)};
    uint32_t named = 0;

    qsort(items, count, sizeof *items, compare_addresses);
    set.addresses = arena_new_array(arena, uint64_t, count);
    if (at->with_cookies)
        set.cookies = arena_new_array(arena, uint64_t, count);
    for (uint32_t i = 0; i < count; i++) {
        set.symbols[i] = items[i].target->symbol;
        set.addresses[i] = items[i].target->address;
        named += items[i].target->address == 0;
        if (set.cookies)
            set.cookies[i] = items[i].cookie;
    }
    if (named)
        attach_range(at, &set, 0, named);
    set.symbols = NULL;
    if (named < count)
        attach_range(at, &set, named, count);
}

/* ---- one by one ---------------------------------------------------------------------------------------------- */

static int attach_event(struct attachment *at, const struct item *item) {
    const struct probe_target *target = item->target;
    struct kernel_perf_pmu *pmu = &at->context->caches->kprobe_pmu;
    int result = pmu->type ? 0 : kernel_perf_pmu_read("kprobe", pmu);
    bool by_address = target->address != 0;

    if (result == 0)
        result = kernel_perf_kprobe(pmu, by_address ? NULL : target->symbol,
                                    by_address ? target->address + target->offset : target->offset, target->is_return);
    return result < 0 ? result : probe_hang_in(at, result, item->cookie, true);
}

static int attach_trampoline(struct attachment *at) {
    int fd = kernel_raw_tracepoint_open(NULL, at->program_fd, 0, false);

    if (fd >= 0)
        probe_keep_slow(at, fd);
    return fd < 0 ? fd : 0;
}

void probe_attach_function(struct attachment *at, const struct item *item) {
    int result = item->target->mechanism == PROBE_FENTRY ? attach_trampoline(at) : attach_event(at, item);

    if (result == 0)
        at->link->attached++;
    else
        note_failure(at, item->target, -result);
}

/* ---- missed hits --------------------------------------------------------------------------------------------- */

uint64_t probe_missed(const struct probe_link *link) {
    uint64_t missed = 0;

    for (uint32_t i = 0; i < link->slow.count; i++)
        missed += kernel_link_missed(link->slow.data[i]);
    return missed;
}
