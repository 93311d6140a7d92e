/* Hash table in an arena, from text (or a 64-bit number) to a pointer-sized value. Insert and look up; no removal.
 * Text keys are not copied: they must live as long as the table. */
#ifndef TARSIER_BASE_HASH_H
#define TARSIER_BASE_HASH_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct hash {
    struct arena *arena;
    struct hash_slot *slots;
    uint32_t count, capacity; /* capacity is a power of two or 0 */
};

void hash_init(struct hash *table, struct arena *arena);
void hash_put(struct hash *table, const char *key, void *value); /* replaces */
void *hash_get(const struct hash *table, const char *key);       /* NULL when absent */
void hash_put_number(struct hash *table, uint64_t key, void *value);
void *hash_get_number(const struct hash *table, uint64_t key);
uint64_t hash_bytes(const void *bytes, size_t size);

#endif
