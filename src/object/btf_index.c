/* All names of a BTF file by hash: for those who ask for many. A search through the file costs up to a millisecond; the
 * index costs some ten of them once and 16 bytes a type. */
#include "object/btf_record.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing; id 0 is a free slot. Of records with one name the one with the lower id comes first, because ids are
 * put in in their order. */
struct record_slot {
    uint32_t hash, id;
};

static uint32_t hash_of(const char *name) { return (uint32_t)hash_bytes(name, strlen(name)); }

static void build(struct object_btf *btf) {
    struct record_cursor cursor = RECORD_FIRST(btf);
    struct record record;
    uint32_t capacity = 16;

    while (capacity < 2 * (uint64_t)object_btf_count(btf))
        capacity *= 2;
    size_t bytes = capacity * sizeof *btf->index;
    btf->index = btf->path ? calloc(1, bytes) : arena_alloc(btf->arena, bytes); /* as the noted offsets */
    if (!btf->index)
        arena_out_of_memory(bytes);
    btf->index_mask = capacity - 1;
    while (record_next(btf, &cursor, UINT32_MAX, &record)) {
        const char *name = record_name(btf, record.name_offset);
        if (!*name)
            continue;
        uint32_t hash = hash_of(name), at = hash & btf->index_mask;
        while (btf->index[at].id)
            at = (at + 1) & btf->index_mask;
        btf->index[at] = (struct record_slot){hash, record.id};
    }
}

bool record_find_indexed(struct object_btf *btf, uint32_t kinds, const char *name, struct record *record) {
    if (!btf->index)
        build(btf);
    uint32_t hash = hash_of(name);
    for (uint32_t at = hash & btf->index_mask; btf->index[at].id; at = (at + 1) & btf->index_mask) {
        if (btf->index[at].hash == hash && record_get(btf, btf->index[at].id, record) && kinds >> record->kind & 1 &&
            strcmp(record_name(btf, record->name_offset), name) == 0)
            return true;
    }
    return false;
}
