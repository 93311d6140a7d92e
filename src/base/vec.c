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
