/* One drain: snapshot, walk, sort, merge, hold. The model is in ring.h.
 *
 * Cost: a walk touches each record once and notes 24 bytes; runs that are in order already (nearly all) are not sorted;
 * the merge takes from one source as long as it stays the smallest. No memory is allocated once the runs have grown. */
#include "kernel/bpf_int.h"
#include "kernel/proc.h"
#include "kernel/ring_int.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long one drain waits in all for records that are reserved but not submitted: first by giving the CPU away (the
 * producer may want it), then by short sleeps. */
#define BUSY_YIELDS 100
#define BUSY_SLEEPS 40
#define BUSY_SLEEP_NS 50000

/* A producer's new position may sit in its CPU's store buffer while that CPU already reads the clock (seen: nested
 * records swapped, some in 10,000 under full load). Stores drain within hundreds of nanoseconds, some microseconds when
 * cache lines are fought over: the snapshot waits that much after T. */
#define STORE_VISIBLE_NS 10000

/* ---- runs ---------------------------------------------------------------------------------------------------- */

static void run_push(struct ring_run *run, struct ring_entry entry) {
    if (run->count == run->capacity) {
        uint32_t capacity = run->capacity ? 2 * run->capacity : 256;
        run->entries = reallocarray(run->entries, capacity, sizeof *run->entries);
        if (!run->entries)
            arena_out_of_memory(capacity * sizeof *run->entries);
        run->capacity = capacity;
    }
    run->entries[run->count++] = entry;
}

static int compare_entries(const void *left, const void *right) {
    const struct ring_entry *a = left, *b = right;
    if (a->stamp != b->stamp)
        return a->stamp < b->stamp ? -1 : 1;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

/* Insertion is linear for runs with a few records out of place; past a budget of moves the general sort takes over. */
static void run_sort(struct ring_run *run) {
    uint64_t moves = 0, budget = 4 * (uint64_t)run->count;
    struct ring_entry *entries = run->entries;
    for (uint32_t i = 1; i < run->count; i++) {
        if (entries[i].stamp >= entries[i - 1].stamp)
            continue;
        struct ring_entry moved = entries[i];
        uint32_t place = i;
        for (; place > 0 && moved.stamp < entries[place - 1].stamp; place--, moves++)
            entries[place] = entries[place - 1];
        entries[place] = moved;
        if (moves > budget) {
            qsort(entries, run->count, sizeof *entries, compare_entries);
            return;
        }
    }
}

/* ---- walking ------------------------------------------------------------------------------------------------- */

/* The header's length word, once it is not busy; still busy when the patience of this drain is used up. */
static uint32_t await_submit(const uint32_t *length, uint32_t *patience) {
    uint32_t word;
    while (((word = __atomic_load_n(length, __ATOMIC_ACQUIRE)) & KERNEL_RING_BUSY) && *patience) {
        const struct timespec moment = {.tv_nsec = BUSY_SLEEP_NS};
        if (--*patience >= BUSY_SLEEPS)
            sched_yield();
        else
            nanosleep(&moment, NULL);
    }
    return word;
}

/* Notes every submitted record from `position` to `limit` (a producer position). 0; 1: stopped before a busy record;
 * -EBADMSG: the bytes are no ring, all of it is skipped. */
static int ring_walk(struct ring *ring, uint64_t limit, uint32_t *patience) {
    uint64_t position = ring->position, mask = ring->size - 1;
    ring->fresh.count = ring->fresh.next = 0;
    int result = limit - position > ring->size ? -EBADMSG : 0;
    while (result == 0 && position < limit) {
        const uint8_t *record = ring->data + (position & mask);
        uint32_t word = await_submit((const uint32_t *)(const void *)record, patience);
        if (word & KERNEL_RING_BUSY) {
            result = 1;
            break;
        }
        uint32_t size = word & ~(KERNEL_RING_BUSY | KERNEL_RING_DISCARD);
        uint64_t whole = ((uint64_t)size + sizeof(struct kernel_ring_header) + 7) & ~7ull;
        bool discarded = word & KERNEL_RING_DISCARD;
        if (whole > limit - position || (!discarded && size < sizeof(uint64_t))) {
            result = -EBADMSG;
            break;
        }
        if (!discarded) {
            struct ring_entry entry = {.begin = (uint32_t)(position - ring->position), .size = size};
            memcpy(&entry.stamp, record + sizeof(struct kernel_ring_header), sizeof entry.stamp);
            run_push(&ring->fresh, entry);
        }
        position += whole;
    }
    if (result < 0)
        ring->fresh.count = 0;
    ring->walked = result < 0 ? limit : position;
    return result;
}

static void ring_release(struct ring *ring, uint64_t position) {
    if (position != ring->released)
        __atomic_store_n(ring->consumer, position, __ATOMIC_RELEASE);
    ring->released = position;
}

/* After sorting, handing out in stamp order frees space in another order: the ring is free up to the lowest begin of
 * what is still to come. */
static void ring_note_releases(struct ring *ring) {
    uint32_t free_up_to = (uint32_t)(ring->walked - ring->position);
    for (uint32_t i = ring->fresh.count; i-- > 0;) {
        struct ring_entry *entry = &ring->fresh.entries[i];
        entry->release = free_up_to;
        free_up_to = entry->begin < free_up_to ? entry->begin : free_up_to;
    }
}

/* ---- holding ------------------------------------------------------------------------------------------------- */

static const uint8_t *fresh_payload(const struct ring *ring, const struct ring_entry *entry) {
    uint64_t place = (ring->position + entry->begin) & (ring->size - 1);
    return ring->data + place + sizeof(struct kernel_ring_header);
}

static uint32_t rounded(uint32_t size) { return (size + 7) & ~7u; }

/* Copies one fresh record behind the held ones. False: that would hold more than a ring's size. */
static bool hold_entry(struct ring *ring, const struct ring_entry *entry) {
    uint32_t size = rounded(entry->size);
    if (size > ring->size - ring->held_size)
        return false;
    if (ring->held_size + size > ring->held_capacity) {
        uint32_t capacity = ring->held_capacity ? 2 * ring->held_capacity : 4096;
        while (capacity < ring->held_size + size)
            capacity *= 2;
        ring->held_bytes = realloc(ring->held_bytes, capacity);
        if (!ring->held_bytes)
            arena_out_of_memory(capacity);
        ring->held_capacity = capacity;
    }
    memcpy(ring->held_bytes + ring->held_size, fresh_payload(ring, entry), entry->size);
    run_push(&ring->held, (struct ring_entry){.stamp = entry->stamp, .begin = ring->held_size, .size = entry->size});
    ring->held_size += size;
    return true;
}

/* A producer stalls: copy what could be read, in the order of the ring; what does not fit stays there. */
static void hold_all(struct ring *ring) {
    struct ring_run *run = &ring->fresh;
    while (run->next < run->count && hold_entry(ring, &run->entries[run->next]))
        run->next++;
    if (run->next < run->count)
        ring->walked = ring->position + run->entries[run->next].begin;
    ring->position = ring->walked;
    ring_release(ring, ring->walked);
}

/* Drops the held records that were handed out; the others move to the front. */
static void compact_held(struct ring *ring) {
    struct ring_run *run = &ring->held;
    if (run->next == run->count) {
        run->count = run->next = ring->held_size = 0;
        return;
    }
    if (run->next == 0)
        return;
    /* In stamp order the bytes may lie anywhere, so through a copy. Rare: only for stamps ahead of our clock. */
    uint8_t *bytes = malloc(ring->held_capacity);
    if (!bytes)
        arena_out_of_memory(ring->held_capacity);
    uint32_t used = 0, kept = 0;
    for (; run->next < run->count; run->next++, kept++) {
        struct ring_entry entry = run->entries[run->next];
        memcpy(bytes + used, ring->held_bytes + entry.begin, entry.size);
        entry.begin = used;
        used += rounded(entry.size);
        run->entries[kept] = entry;
    }
    free(ring->held_bytes);
    ring->held_bytes = bytes;
    ring->held_size = used;
    run->count = kept;
    run->next = 0;
}

/* True when all that is stamped later than `horizon` can be held. */
static bool later_ones_fit(const struct ring *ring, uint64_t horizon) {
    uint64_t bytes = 0;
    const struct ring_run *const runs[] = {&ring->held, &ring->fresh};
    for (unsigned which = 0; which < 2; which++)
        for (uint32_t i = runs[which]->count; i-- > 0 && runs[which]->entries[i].stamp > horizon;)
            bytes += rounded(runs[which]->entries[i].size);
    return bytes <= ring->size;
}

/* ---- merging ------------------------------------------------------------------------------------------------- */

static struct ring *source_ring(struct kernel_rings *rings, uint32_t order) { return &rings->rings[order / 2]; }

static struct ring_run *source_run(struct kernel_rings *rings, uint32_t order) {
    struct ring *ring = source_ring(rings, order);
    return order & 1 ? &ring->fresh : &ring->held;
}

static bool source_less(struct ring_source a, struct ring_source b) {
    return a.stamp != b.stamp ? a.stamp < b.stamp : a.order < b.order;
}

static void heap_sink(struct ring_source *heap, uint32_t count, uint32_t place) {
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= count)
            return;
        if (child + 1 < count && source_less(heap[child + 1], heap[child]))
            child++;
        if (!source_less(heap[child], heap[place]))
            return;
        struct ring_source swapped = heap[place];
        heap[place] = heap[child];
        heap[child] = swapped;
        place = child;
    }
}

static uint32_t heap_build(struct kernel_rings *rings, uint64_t horizon) {
    uint32_t count = 0;
    for (uint32_t order = 0; order < 2 * rings->count; order++) {
        const struct ring_run *run = source_run(rings, order);
        if (run->next < run->count && run->entries[run->next].stamp <= horizon)
            rings->heap[count++] = (struct ring_source){.stamp = run->entries[run->next].stamp, .order = order};
    }
    for (uint32_t place = count / 2; place-- > 0;)
        heap_sink(rings->heap, count, place);
    return count;
}

struct emitter {
    kernel_ring_callback callback;
    void *user;
    uint64_t emitted;
    bool go_on;
};

static void emit(struct kernel_rings *rings, uint32_t order, const struct ring_entry *entry, struct emitter *emitter) {
    struct ring *ring = source_ring(rings, order);
    bool fresh = order & 1;
    const uint8_t *payload = fresh ? fresh_payload(ring, entry) : ring->held_bytes + entry->begin;
    if (entry->stamp < rings->last_stamp)
        rings->late++;
    else
        rings->last_stamp = entry->stamp;
    emitter->go_on = emitter->callback(emitter->user, order / 2, payload, entry->size);
    emitter->emitted++;
    /* Telling the kernel costs a cache line it is reading: now and then is enough. */
    uint64_t free_up_to = ring->position + entry->release;
    if (fresh && free_up_to - ring->released > ring->size / 16 && free_up_to > ring->released)
        ring_release(ring, free_up_to);
}

static void merge(struct kernel_rings *rings, uint64_t horizon, struct emitter *emitter) {
    struct ring_source *heap = rings->heap;
    uint32_t count = heap_build(rings, horizon);
    while (count && emitter->go_on) {
        struct ring_run *run = source_run(rings, heap[0].order);
        struct ring_source other = {.stamp = UINT64_MAX, .order = UINT32_MAX};
        for (uint32_t child = 1; child < 3 && child < count; child++)
            if (source_less(heap[child], other))
                other = heap[child];
        /* This source goes on as long as it is ahead of the best other one. */
        do {
            emit(rings, heap[0].order, &run->entries[run->next], emitter);
            run->next++;
            if (run->next == run->count || run->entries[run->next].stamp > horizon) {
                heap[0] = heap[--count];
                break;
            }
            heap[0].stamp = run->entries[run->next].stamp;
        } while (emitter->go_on && source_less(heap[0], other));
        heap_sink(heap, count, 0);
    }
}

/* ---- draining ------------------------------------------------------------------------------------------------ */

/* After a merge: what is stamped later is held, everything walked is free. */
static void ring_finish(struct ring *ring, bool drop_rest) {
    if (drop_rest) {
        ring->held.next = ring->held.count;
        ring->fresh.next = ring->fresh.count;
    }
    compact_held(ring);
    for (; ring->fresh.next < ring->fresh.count; ring->fresh.next++)
        if (!hold_entry(ring, &ring->fresh.entries[ring->fresh.next]))
            break; /* can not happen: later_ones_fit() was asked */
    ring->position = ring->walked;
    ring_release(ring, ring->walked);
}

/* Walks every ring. 0, 1 (some ring stopped before a busy record) or -EBADMSG; *found: anything new or held. */
static int walk_all(struct kernel_rings *rings, bool *found) {
    uint32_t patience = BUSY_YIELDS + BUSY_SLEEPS;
    int result = 0;
    /* All positions first: the time T was taken just before, and waiting below must not stretch the snapshot. */
    for (uint32_t cpu = 0; cpu < rings->count; cpu++)
        rings->rings[cpu].walked = __atomic_load_n(rings->rings[cpu].producer, __ATOMIC_ACQUIRE);
    for (uint32_t cpu = 0; cpu < rings->count; cpu++) {
        struct ring *ring = &rings->rings[cpu];
        *found |= ring->walked != ring->position || ring->held.count;
        int walked = ring_walk(ring, ring->walked, &patience);
        if (walked < 0 || (walked == 1 && result == 0))
            result = walked;
    }
    return result;
}

/* True while a busy record is worth waiting for. */
static bool stalled(struct kernel_rings *rings, bool busy, uint64_t now) {
    if (!busy) {
        rings->stall_since = 0;
        return false;
    }
    if (!rings->stall_since)
        rings->stall_since = now;
    return now - rings->stall_since < KERNEL_RING_STALL_NS;
}

int64_t kernel_rings_drain(struct kernel_rings *rings, kernel_ring_callback callback, void *user) {
    uint64_t now = kernel_boottime_ns();
    while (kernel_boottime_ns() - now < STORE_VISIBLE_NS)
        continue;
    bool found = false;
    int walked = walk_all(rings, &found);
    if (found)
        rings->last_activity = now;
    rings->polling = rings->last_activity && now - rings->last_activity < 2 * KERNEL_RING_WAKE_NS;
    if (stalled(rings, walked == 1, now)) {
        for (uint32_t cpu = 0; cpu < rings->count; cpu++)
            hold_all(&rings->rings[cpu]);
        return 0;
    }
    uint64_t horizon = now;
    for (uint32_t cpu = 0; cpu < rings->count; cpu++) {
        struct ring *ring = &rings->rings[cpu];
        run_sort(&ring->held);
        run_sort(&ring->fresh);
        ring_note_releases(ring);
        if (!later_ones_fit(ring, horizon))
            horizon = UINT64_MAX; /* nonsense stamps: rather out of order than lost */
    }
    struct emitter emitter = {.callback = callback, .user = user, .go_on = true};
    merge(rings, horizon, &emitter);
    for (uint32_t cpu = 0; cpu < rings->count; cpu++)
        ring_finish(&rings->rings[cpu], !emitter.go_on);
    if (!emitter.go_on)
        return -EINTR;
    return walked < 0 ? walked : (int64_t)emitter.emitted;
}
