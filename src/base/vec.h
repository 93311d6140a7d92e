/* Growing array in an arena: VEC(struct x) xs; vec_push(arena, &xs, value); for (i < xs.count) xs.data[i].
 * Growth copies and leaves the old block to the arena. A zeroed VEC is an empty one. */
#ifndef TARSIER_BASE_VEC_H
#define TARSIER_BASE_VEC_H

#include "base/arena.h"
#include <stdint.h>
#include <string.h>

#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *data;                                                                                                    \
        uint32_t count, capacity;                                                                                      \
    }

void *vec_grow(struct arena *arena, void *data, uint32_t count, uint32_t *capacity, size_t item);

#define vec_reserve_one(arena, vec)                                                                                    \
    ((vec)->count < (vec)->capacity                                                                                    \
         ? (void)0                                                                                                     \
         : (void)((vec)->data = vec_grow((arena), (vec)->data, (vec)->count, &(vec)->capacity, sizeof *(vec)->data)))

#define vec_push(arena, vec, value) (vec_reserve_one((arena), (vec)), (void)((vec)->data[(vec)->count++] = (value)))
/* Appends a zeroed item and gives its address (good until the next push). */
#define vec_add(arena, vec)                                                                                            \
    (vec_reserve_one((arena), (vec)), memset(&(vec)->data[(vec)->count], 0, sizeof *(vec)->data),                      \
     &(vec)->data[(vec)->count++])

/* How many items, which ascend by their first member, a uint64_t, have one up to `key`: the one before that place
 * begins at or before the key. `item`: size of an item. */
uint32_t vec_count_up_to(const void *items, uint32_t count, size_t item, uint64_t key);

#endif
