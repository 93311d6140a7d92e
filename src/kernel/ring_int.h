/* Inside the ring reader; also for its tests, which put rings in ordinary memory and play the producer. */
#ifndef TARSIER_KERNEL_RING_INT_H
#define TARSIER_KERNEL_RING_INT_H

#include "kernel/ring.h"
#include "kernel/uapi.h"
#include <stdint.h>

/* One record that was read but not handed out yet. */
struct ring_entry {
    uint64_t stamp;
    uint32_t begin;   /* of the record: bytes from the start of the walk, or in held_bytes */
    uint32_t size;    /* of the payload */
    uint32_t release; /* walked bytes that are free once all entries up to this one were handed out */
};

/* Entries of one source, ascending by stamp once sorted. */
struct ring_run {
    struct ring_entry *entries;
    uint32_t count, capacity;
    uint32_t next; /* the first not handed out */
};

struct ring {
    uint64_t *consumer;       /* written by us */
    const uint64_t *producer; /* written by the kernel, as are the data */
    const uint8_t *data;      /* twice `size` bytes: the same bytes two times in a row */
    uint32_t size;
    uint64_t position; /* where the walk starts: all before is handed out or held */
    uint64_t walked;   /* where it ended */
    uint64_t released; /* what the kernel was told */
    struct ring_run fresh, held;
    uint8_t *held_bytes;
    uint32_t held_size, held_capacity;
};

/* A source in the merge: the fresh or the held run of a ring. */
struct ring_source {
    uint64_t stamp;
    uint32_t order; /* 2 * CPU, + 1 for fresh: held ones of a CPU are older */
};

struct kernel_rings {
    struct ring *rings;
    struct ring_source *heap; /* room for 2 * count */
    uint32_t count;
    int epoll_fd; /* -1 in tests */
    bool mapped;
    uint64_t stall_since; /* since when a record is awaited; 0: none */
    uint64_t last_stamp, late;
    uint64_t last_activity; /* time of the latest drain that found something */
    bool polling;
};

struct ring_memory {
    void *consumer, *producer, *data; /* data: 2 * size bytes mapped as the kernel does */
};

/* Rings over existing memory; kernel_rings_close() leaves that memory alone. */
struct kernel_rings *kernel_rings_over_memory(struct arena *arena, const struct ring_memory *memory, uint32_t count,
                                              uint32_t size);

#endif
