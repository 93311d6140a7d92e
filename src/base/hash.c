#include "base/hash.h"

#include <assert.h>
#include <string.h>

struct hash_slot {
    uint64_t hash;
    const char *text; /* NULL: the key is `number` */
    uint64_t number;
    void *value;
    bool used;
};

void hash_init(struct hash *table, struct arena *arena) { *table = (struct hash){.arena = arena}; }

/* FNV-1a with a final mix, since the low bits choose the slot. */
static uint64_t mix(uint64_t hash) {
    hash ^= hash >> 32;
    hash *= 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

uint64_t hash_bytes(const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return mix(hash);
}

/* The slot that holds the key, or the free one where it belongs. Linear probing; the table is never full. */
static struct hash_slot *find(const struct hash *table, uint64_t hash, const char *text, uint64_t number) {
    uint32_t mask = table->capacity - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        struct hash_slot *slot = &table->slots[i];
        if (!slot->used)
            return slot;
        if (slot->hash != hash || !slot->text != !text)
            continue;
        if (text ? strcmp(slot->text, text) == 0 : slot->number == number)
            return slot;
    }
}

static void grow(struct hash *table) {
    struct hash old = *table;

    assert(old.capacity <= UINT32_MAX / 2);
    table->capacity = old.capacity ? old.capacity * 2 : 16;
    table->slots = arena_new_array(table->arena, struct hash_slot, table->capacity);
    for (uint32_t i = 0; i < old.capacity; i++) {
        const struct hash_slot *slot = &old.slots[i];
        if (slot->used)
            *find(table, slot->hash, slot->text, slot->number) = *slot;
    }
}

static void put(struct hash *table, struct hash_slot item) {
    if (table->count >= table->capacity / 4 * 3)
        grow(table);
    struct hash_slot *slot = find(table, item.hash, item.text, item.number);
    table->count += !slot->used;
    *slot = item;
}

static void *get(const struct hash *table, uint64_t hash, const char *text, uint64_t number) {
    return table->capacity ? find(table, hash, text, number)->value : NULL;
}

void hash_put(struct hash *table, const char *key, void *value) {
    put(table, (struct hash_slot){hash_bytes(key, strlen(key)), key, 0, value, true});
}

void *hash_get(const struct hash *table, const char *key) { return get(table, hash_bytes(key, strlen(key)), key, 0); }

void hash_put_number(struct hash *table, uint64_t key, void *value) {
    put(table, (struct hash_slot){mix(key), NULL, key, value, true});
}

void *hash_get_number(const struct hash *table, uint64_t key) { return get(table, mix(key), NULL, key); }
