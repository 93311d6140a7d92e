#include "base/vec.h"

#include <assert.h>

void *vec_grow(struct arena *arena, void *data, uint32_t count, uint32_t *capacity, size_t item) {
    assert(*capacity <= UINT32_MAX / 2);
    uint32_t larger = *capacity ? *capacity * 2 : 8;
    void *copy = arena_alloc(arena, larger * item);

    if (count)
        memcpy(copy, data, count * item);
    *capacity = larger;
    return copy;
}

uint32_t vec_count_up_to(const void *items, uint32_t count, size_t item, uint64_t key) {
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t begin;
        memcpy(&begin, (const char *)items + middle * item, sizeof begin);
        if (begin <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
