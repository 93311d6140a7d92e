#include "base/arena.h"
#include "kernel/bpf.h"
#include "kernel/bpf_int.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define KERNEL_ENOTSUPP 524 /* the kernel's own number: never in errno.h, yet returned for maps without batches */

int kernel_map_create(const struct kernel_map_spec *spec) {
    union bpf_attr attributes = {
        .map_type = spec->type,
        .key_size = spec->key_size,
        .value_size = spec->value_size,
        .max_entries = spec->max_entries,
        .map_flags = spec->flags,
        .inner_map_fd = spec->inner_fd > 0 ? (uint32_t)spec->inner_fd : 0,
    };
    if (spec->btf_fd > 0) {
        attributes.btf_fd = (uint32_t)spec->btf_fd;
        attributes.btf_key_type_id = spec->btf_key_type_id;
        attributes.btf_value_type_id = spec->btf_value_type_id;
    }
    kernel_bpf_name(spec->name, attributes.map_name);
    return kernel_bpf(BPF_MAP_CREATE, &attributes, kernel_attr_size(btf_value_type_id));
}

static int element_command(enum bpf_cmd command, int fd, const void *key, const void *value, uint64_t flags) {
    union bpf_attr attributes = {
        .map_fd = (uint32_t)fd, .key = kernel_address(key), .value = kernel_address(value), .flags = flags};
    return kernel_bpf(command, &attributes, kernel_attr_size(flags));
}

int kernel_map_lookup(int fd, const void *key, void *value) {
    return element_command(BPF_MAP_LOOKUP_ELEM, fd, key, value, 0);
}

int kernel_map_update(int fd, const void *key, const void *value, uint64_t flags) {
    return element_command(BPF_MAP_UPDATE_ELEM, fd, key, value, flags);
}

int kernel_map_delete(int fd, const void *key) { return element_command(BPF_MAP_DELETE_ELEM, fd, key, NULL, 0); }

int kernel_map_lookup_and_delete(int fd, const void *key, void *value) {
    return element_command(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0);
}

int kernel_map_next_key(int fd, const void *key, void *next) {
    return element_command(BPF_MAP_GET_NEXT_KEY, fd, key, next, 0);
}

int kernel_map_update_batch(int fd, const void *keys, const void *values, uint32_t *count) {
    union bpf_attr attributes = {0};
    attributes.batch.map_fd = (uint32_t)fd;
    attributes.batch.keys = kernel_address(keys);
    attributes.batch.values = kernel_address(values);
    attributes.batch.count = *count;
    int result = kernel_bpf(BPF_MAP_UPDATE_BATCH, &attributes, kernel_attr_size(batch.flags));
    *count = attributes.batch.count;
    return result;
}

int kernel_map_lookup_batch(int fd, void *cursor, bool *started, void *keys, void *values, uint32_t *count) {
    uint32_t room = *count;
    for (int attempt = 0;; attempt++) {
        union bpf_attr attributes = {0};
        attributes.batch.map_fd = (uint32_t)fd;
        attributes.batch.in_batch = *started ? kernel_address(cursor) : 0;
        attributes.batch.out_batch = kernel_address(cursor);
        attributes.batch.keys = kernel_address(keys);
        attributes.batch.values = kernel_address(values);
        attributes.batch.count = room;
        int result = kernel_bpf(BPF_MAP_LOOKUP_BATCH, &attributes, kernel_attr_size(batch.flags));
        if ((result == -EINTR || result == -EAGAIN) && attempt < 100)
            continue;
        /* -ENOENT is how the kernel says "that was all", with the last entries counted. */
        *count = result == 0 || result == -ENOENT ? attributes.batch.count : 0;
        if (*count > room)
            return -EIO;
        if (result == 0)
            *started = true;
        return result == -ENOENT ? 1 : result;
    }
}

/* A dump under way. On the heap, because the number of entries is not known before. */
struct dump {
    uint32_t key_size, value_size;
    uint8_t *keys, *values;
    uint32_t count, capacity;
};

static void dump_reserve(struct dump *dump, uint32_t extra) {
    if (dump->capacity - dump->count >= extra)
        return;
    size_t capacity = (size_t)dump->count + extra;
    if (capacity < 2 * (size_t)dump->capacity)
        capacity = 2 * (size_t)dump->capacity;
    if (capacity > UINT32_MAX)
        arena_out_of_memory(capacity);
    dump->keys = reallocarray(dump->keys, capacity, dump->key_size);
    dump->values = reallocarray(dump->values, capacity, dump->value_size);
    if (!dump->keys || !dump->values)
        arena_out_of_memory(capacity * ((size_t)dump->key_size + dump->value_size));
    dump->capacity = (uint32_t)capacity;
}

static uint8_t *dump_key(struct dump *dump, uint32_t index) { return dump->keys + (size_t)index * dump->key_size; }
static uint8_t *dump_value(struct dump *dump, uint32_t index) {
    return dump->values + (size_t)index * dump->value_size;
}

static int dump_batches(struct dump *dump, int fd, uint32_t max, void *cursor) {
    /* A batch fills what it is given: small for small maps, large enough that calls do not matter for others. */
    uint32_t chunk = max < 1024 ? max : 1024;
    bool started = false;
    for (;;) {
        dump_reserve(dump, chunk);
        uint32_t count = chunk;
        int result = kernel_map_lookup_batch(fd, cursor, &started, dump_key(dump, dump->count),
                                             dump_value(dump, dump->count), &count);
        if (result == -ENOSPC && chunk < max) {
            chunk = chunk > max / 2 ? max : 2 * chunk;
            continue;
        }
        if (result < 0)
            return result;
        dump->count += count;
        /* Entries deleted and inserted while we walk may be more than `max`, but not without end. */
        if (result == 1 || dump->count / 2 > max)
            return 0;
    }
}

/* `place` has room for two keys: the one just seen, and its successor. */
static int dump_by_key(struct dump *dump, int fd, uint32_t max, uint8_t *place) {
    uint8_t *seen = NULL, *next = place;
    /* A key that is deleted before we ask for its successor makes the kernel start again: bound the walk. */
    for (uint64_t round = 0; round <= 2 * (uint64_t)max && dump->count < max; round++) {
        int result = kernel_map_next_key(fd, seen, next);
        if (result)
            return result == -ENOENT ? 0 : result;
        dump_reserve(dump, 1);
        memcpy(dump_key(dump, dump->count), next, dump->key_size);
        result = kernel_map_lookup(fd, next, dump_value(dump, dump->count));
        if (result && result != -ENOENT)
            return result;
        if (result == 0) /* else it vanished, or is an empty slot of a map of maps */
            dump->count++;
        seen = next;
        next = next == place ? place + dump->key_size : place;
    }
    return 0;
}

int kernel_map_dump(int fd, uint32_t key_size, uint32_t value_size, uint32_t max, struct arena *arena, void **keys,
                    void **values, uint32_t *count) {
    assert(key_size && value_size && max);
    struct dump dump = {.key_size = key_size, .value_size = value_size};
    void *cursor = calloc(2, key_size < 8 ? 8 : key_size);
    if (!cursor)
        arena_out_of_memory(key_size);
    int result = dump_batches(&dump, fd, max, cursor);
    if (result == -EINVAL || result == -KERNEL_ENOTSUPP || result == -EOPNOTSUPP) {
        dump.count = 0;
        result = dump_by_key(&dump, fd, max, cursor);
    }
    if (result == 0) {
        *keys = arena_memdup(arena, dump.keys, (size_t)dump.count * key_size);
        *values = arena_memdup(arena, dump.values, (size_t)dump.count * value_size);
        *count = dump.count;
    }
    free(cursor);
    free(dump.keys);
    free(dump.values);
    return result;
}

void *kernel_map_mmap(int fd, size_t size, bool writable, int *error) {
    void *memory = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    *error = memory == MAP_FAILED ? -errno : 0;
    return memory == MAP_FAILED ? NULL : memory;
}
