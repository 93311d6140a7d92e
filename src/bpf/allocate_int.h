/* Between liveness.c and allocate.c. */
#ifndef TARSIER_BPF_ALLOCATE_INT_H
#define TARSIER_BPF_ALLOCATE_INT_H

#include "bpf/bpf_int.h"

/* Positions: instruction k of the layout reads at 2k and writes at 2k + 1. Both ends belong to the interval. */
struct bpf_interval {
    uint32_t start, end; /* start UINT32_MAX: never used */
    uint32_t accesses;   /* reads and writes */
};

enum bpf_items { BPF_ITEMS_VIRTUALS, BPF_ITEMS_SLOTS };

/* Intervals of the virtual registers, or of the spill slots; `count` is how many of them there are. */
struct bpf_interval *bpf_intervals(struct bpf_function *f, struct arena *arena, enum bpf_items items, uint32_t count);

#endif
