/* Maps of the script, read and printed. */
#include "session/session_int.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* One map as read: stored keys and (reduced) values. Lives in `arena`. */
struct contents {
    struct arena *arena;
    uint32_t count;
    const void **keys, **values;
    const uint8_t *stored; /* keys as they are in the map, where those above were changed */
    uint32_t stored_count;
};

static uint64_t *global_word(const struct session *s, const struct lang_map *map, uint32_t index) {
    return (uint64_t *)(void *)(s->globals + map->offset) + index;
}

static void add(struct contents *contents, uint32_t capacity, const void *key, const void *value) {
    if (!contents->keys) {
        contents->keys = arena_new_array(contents->arena, const void *, capacity);
        contents->values = arena_new_array(contents->arena, const void *, capacity);
    }
    contents->keys[contents->count] = key;
    contents->values[contents->count++] = value;
}

/* `take`: leave zero behind, so that nothing that arrives meanwhile is lost. */
static void read_global(struct session *s, const struct lang_map *map, struct contents *contents, bool take) {
    uint64_t *value = arena_make(contents->arena, uint64_t);
    bool set = take ? __atomic_exchange_n(global_word(s, map, 0), 0, __ATOMIC_RELAXED)
                    : __atomic_load_n(global_word(s, map, 0), __ATOMIC_RELAXED);
    *value = take ? __atomic_exchange_n(global_word(s, map, 1), 0, __ATOMIC_RELAXED)
                  : __atomic_load_n(global_word(s, map, 1), __ATOMIC_RELAXED);
    if (set || *value)
        add(contents, 1, NULL, value);
}

/* An array always has its entry: whether anything was ever aggregated shows in the sums (sum: in a mark of its own). */
static bool was_used(const struct type *type, const uint8_t *reduced, const uint8_t *per_cpu, uint32_t stride,
                     uint32_t cpus) {
    uint64_t used = 0;
    if (type->kind == TYPE_SUM) {
        for (uint32_t cpu = 0; cpu < cpus; cpu++)
            used |= ((const uint64_t *)(const void *)(per_cpu + cpu * stride))[1];
        return used != 0;
    }
    uint32_t first = type->kind == TYPE_MIN || type->kind == TYPE_MAX ? 1 : 0;
    for (uint32_t i = first; i < type->size / 8; i++)
        used |= ((const uint64_t *)(const void *)reduced)[i];
    return used != 0;
}

static const void *reduce(struct session *s, struct contents *contents, const struct type *type, const uint8_t *per_cpu,
                          uint32_t stride) {
    void *value = arena_alloc(contents->arena, type->size);
    view_reduce(type, per_cpu, stride, s->cpus.count_possible, value);
    return value;
}

static void add_scalar(struct session *s, const struct lang_map *map, const uint8_t *per_cpu, uint32_t stride,
                       struct contents *contents) {
    const void *value = reduce(s, contents, map->value, per_cpu, stride);
    if (s->zeroed[map->index] || was_used(map->value, value, per_cpu, stride, s->cpus.count_possible))
        add(contents, 1, NULL, value);
}

static int read_array(struct session *s, const struct lang_map *map, int fd, uint32_t stride,
                      struct contents *contents) {
    uint32_t zero = 0;
    uint8_t *per_cpu = arena_alloc(contents->arena, (size_t)stride * s->cpus.count_possible);
    int error = kernel_map_lookup(fd, &zero, per_cpu);
    if (error >= 0)
        add_scalar(s, map, per_cpu, stride, contents);
    return error < 0 ? error : 0;
}

/* Values of equal keys become one: `members` of `size` bytes each, one behind the other. */
static const void *merge(struct session *s, const struct lang_map *map, struct contents *contents,
                         const uint8_t *members, uint32_t count, uint32_t size, uint32_t stride) {
    if (map->storage == LANG_STORE_PERCPU_HASH) {
        void *value = arena_alloc(contents->arena, map->value->size);
        view_reduce(map->value, members, stride, s->cpus.count_possible * count, value);
        return value;
    }
    const uint8_t *last = members + (size_t)size * (count - 1);
    if (map->value->kind != TYPE_INT || map->assigned)
        return last;
    uint64_t *sum = arena_make(contents->arena, uint64_t), number;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&number, members + (size_t)size * i, sizeof number);
        *sum += number;
    }
    return sum;
}

/* What the kernel gave keys of their own may be equal by now: stacks that user space had to walk to their ends. */
static bool merge_equal(struct session *s, const struct lang_map *map, struct contents *contents, uint8_t *keys,
                        const uint8_t *values, uint32_t count, uint32_t key_size, uint32_t size, uint32_t stride) {
    bool changed = false;
    const uint8_t *stored = arena_memdup(contents->arena, keys, (size_t)key_size * count);
    session_drain_stacks(s);
    for (uint32_t i = 0; i < count; i++)
        changed |= session_settle_stacks(s, map->key, keys + (size_t)key_size * i);
    if (!changed)
        return false;
    contents->stored = stored;
    contents->stored_count = count;
    struct hash first;
    uint32_t *next = arena_new_array(contents->arena, uint32_t, count + 1); /* + 1, of the same key */
    bool *follows = arena_new_array(contents->arena, bool, count + 1);
    hash_init(&first, contents->arena);
    for (uint32_t i = count; i-- > 0;) {
        uint64_t hash = hash_bytes(keys + (size_t)key_size * i, key_size);
        next[i] = (uint32_t)(uintptr_t)hash_get_number(&first, hash);
        if (next[i])
            follows[next[i] - 1] = true;
        hash_put_number(&first, hash, (void *)(uintptr_t)(i + 1));
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t members = 0;
        uint8_t *all = NULL;
        for (uint32_t k = i + 1; k && !follows[i]; k = next[k - 1])
            members++;
        if (!members)
            continue;
        all = arena_alloc(contents->arena, (size_t)size * members);
        for (uint32_t k = i + 1, m = 0; k; k = next[k - 1])
            memcpy(all + (size_t)size * m++, values + (size_t)size * (k - 1), size);
        add(contents, count, keys + (size_t)key_size * i, merge(s, map, contents, all, members, size, stride));
    }
    return true;
}

static int read_hash(struct session *s, const struct lang_map *map, int fd, const struct lang_map_plan *plan,
                     struct contents *contents) {
    bool per_cpu = map->storage == LANG_STORE_PERCPU_HASH;
    uint32_t size = per_cpu ? plan->value_size * s->cpus.count_possible : plan->value_size, count = 0;
    void *keys, *values;
    int error = kernel_map_dump(fd, plan->key_size, size, plan->max_entries, contents->arena, &keys, &values, &count);
    if (error < 0)
        return error;
    if (map->key && s->unwind &&
        merge_equal(s, map, contents, keys, values, count, plan->key_size, size, plan->value_size))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *value = (uint8_t *)values + (size_t)size * i;
        add(contents, count, (uint8_t *)keys + (size_t)plan->key_size * i,
            per_cpu ? reduce(s, contents, map->value, value, plan->value_size) : value);
    }
    return 0;
}

static int read_fd(struct session *s, const struct lang_map *map, int fd, struct contents *contents) {
    const struct lang_map_plan *plan = &s->plan->maps.data[map->map];
    if (map->storage == LANG_STORE_PERCPU_ARRAY)
        return read_array(s, map, fd, plan->value_size, contents);
    return read_hash(s, map, fd, plan, contents);
}

static int current_fd(const struct session *s, const struct lang_map *map) {
    const struct session_map *state = &s->maps[map->map];
    return state->inner >= 0 ? state->inner : state->fd;
}

static int read_map(struct session *s, struct lang_map *map, struct contents *contents) {
    switch (map->storage) {
    case LANG_STORE_GLOBAL:
        read_global(s, map, contents, false);
        return 0;
    case LANG_STORE_ROWS:
        add_scalar(s, map, s->globals + map->offset, map->stride, contents);
        return 0;
    case LANG_STORE_TASK: /* never shown: that is why it may live in the tasks */
        return 0;
    default:
        return read_fd(s, map, current_fd(s, map), contents);
    }
}

static void failed(const struct lang_map *map, const char *what, int error) {
    fprintf(stderr, "WARNING: %s %s: %s\n", what, map->name, strerror(-error));
}

static void print(struct session *s, struct lang_map *map, const struct contents *contents,
                  const struct lang_print *how) {
    struct view_map shown = {map->name, map->key, map->value, contents->count, contents->keys, contents->values};
    struct view_map_options options = {
        .sort = how->sort == LANG_SORT_KEY     ? VIEW_SORT_KEY
                : how->sort == LANG_SORT_VALUE ? VIEW_SORT_VALUE
                                               : VIEW_SORT_USUAL,
        .descending = how->descending,
        .top = (uint32_t)how->top,
        .limit = (uint32_t)how->limit,
        .div = (uint32_t)how->div,
        .has_least = how->has_least,
        .least = how->least,
    };
    view_print_map(&s->view, &shown, &options);
}

void session_print_element(struct session *s, const struct lang_action *action, const void *key) {
    const struct lang_map *map = action->map;
    const struct lang_map_plan *plan = &s->plan->maps.data[map->map];
    struct contents contents = {.arena = arena_new()};
    uint8_t *padded = arena_alloc(contents.arena, plan->key_size);
    memcpy(padded, key, map->key->size);
    uint8_t *values = arena_alloc(contents.arena, (size_t)plan->value_size * s->cpus.count_possible);
    int error = kernel_map_lookup(current_fd(s, map), padded, values);
    if (error < 0 && error != -ENOENT) /* no such key: zero */
        failed(map, "cannot read", error);
    view_print_value(&s->view, map->value, reduce(s, &contents, map->value, values, plan->value_size));
    arena_free(contents.arena);
}

/* ---- emptying -------------------------------------------------------------------------------------------------- */

static void *zero_value(struct session *s, const struct lang_map *map, struct arena *arena) {
    return arena_alloc(arena, (size_t)s->plan->maps.data[map->map].value_size * s->cpus.count_possible);
}

/* Keys stay, with zero values; an element that came back meanwhile is left as it is. */
static void put_zeros(struct session *s, struct lang_map *map, const struct contents *contents) {
    const void *zeros = zero_value(s, map, contents->arena);
    for (uint32_t i = 0; i < contents->count && contents->keys[i]; i++)
        kernel_map_update(current_fd(s, map), contents->keys[i], zeros, BPF_NOEXIST);
}

/* Maps of begin and end blocks alone have no generations: nothing else runs, so they are emptied key by key. */
static void empty_in_place(struct session *s, struct lang_map *map, bool keep_keys, const struct contents *contents) {
    const uint32_t zero = 0;
    const void *zeros = zero_value(s, map, contents->arena);
    for (uint32_t i = 0; i < contents->stored_count; i++)
        kernel_map_delete(current_fd(s, map), contents->stored + (size_t)s->plan->maps.data[map->map].key_size * i);
    for (uint32_t i = 0; i < contents->count; i++) {
        const void *key = contents->keys[i] ? contents->keys[i] : &zero;
        if (keep_keys || map->storage == LANG_STORE_PERCPU_ARRAY)
            kernel_map_update(current_fd(s, map), key, zeros, BPF_ANY);
        else
            kernel_map_delete(current_fd(s, map), key);
    }
}

static int take_generation(struct session *s, struct lang_map *map, bool keep_keys, struct contents *contents) {
    int old = session_swap(s, map->map);
    if (old < 0)
        return old;
    int error = read_fd(s, map, old, contents);
    close(old);
    if (error >= 0 && keep_keys)
        put_zeros(s, map, contents);
    s->maps[map->map].zeroed = keep_keys;
    return error;
}

/* A swap takes as long as the slowest program of the system (an RCU grace period), so requests may queue up behind it.
 * All that was counted before such a request was written has been taken by that swap: it finds the map as the swap left
 * it, and what has arrived since is kept for the requests that are newer. (zero() behind clear(): there are no keys
 * left to keep.) */
static int as_left_empty(struct session *s, struct lang_map *map, struct contents *contents) {
    if (!s->maps[map->map].zeroed)
        return 0;
    int error = read_fd(s, map, current_fd(s, map), contents);
    for (uint32_t i = 0; error >= 0 && i < contents->count; i++)
        contents->values[i] = arena_alloc(contents->arena, map->value->size);
    return error;
}

static int take_contents(struct session *s, struct lang_map *map, bool keep_keys, uint64_t stamp,
                         struct contents *contents) {
    if (map->storage == LANG_STORE_TASK)
        return 0;
    if (map->storage == LANG_STORE_GLOBAL) {
        read_global(s, map, contents, true);
        if (keep_keys && contents->count)
            __atomic_store_n(global_word(s, map, 0), 1, __ATOMIC_RELAXED);
        return 0;
    }
    if (map->storage == LANG_STORE_ROWS) { /* only begin and end blocks empty these: nothing else runs */
        add_scalar(s, map, s->globals + map->offset, map->stride, contents);
        memset(s->globals + map->offset, 0, (size_t)map->stride * s->cpus.count_possible);
        return 0;
    }
    const struct session_map *state = &s->maps[map->map];
    if (state->inner < 0) {
        int error = read_fd(s, map, state->fd, contents);
        empty_in_place(s, map, keep_keys, contents);
        return error;
    }
    if (stamp < state->emptied_at && (state->zeroed == keep_keys || keep_keys))
        return as_left_empty(s, map, contents);
    return take_generation(s, map, keep_keys, contents);
}

/* Reads what there is and leaves the map empty, or its keys with zeros. `stamp`: when that was asked for. */
static int take_map(struct session *s, struct lang_map *map, bool keep_keys, uint64_t stamp,
                    struct contents *contents) {
    int error = take_contents(s, map, keep_keys, stamp, contents);
    s->zeroed[map->index] = keep_keys && contents->count > 0;
    return error;
}

/* ---- what records ask for ------------------------------------------------------------------------------------- */

void session_print_map(struct session *s, const struct lang_action *action, uint64_t stamp) {
    struct contents contents = {.arena = arena_new()};
    int error = action->then == LANG_THEN_NOTHING
                    ? read_map(s, action->map, &contents)
                    : take_map(s, action->map, action->then == LANG_THEN_ZEROED, stamp, &contents);
    if (error < 0)
        failed(action->map, "cannot read", error);
    else
        print(s, action->map, &contents, &action->print);
    arena_free(contents.arena);
}

void session_clear_map(struct session *s, struct lang_map *map, bool keep_keys, uint64_t stamp) {
    struct contents contents = {.arena = arena_new()};
    int error = take_map(s, map, keep_keys, stamp, &contents);
    if (error < 0)
        failed(map, "cannot empty", error);
    arena_free(contents.arena);
}

/* For a sink: each entry as it is. */
void session_sink_map(struct session *s, struct lang_map *map) {
    struct contents contents = {.arena = arena_new()};
    int error = map->value ? read_map(s, map, &contents) : 0;
    if (error < 0)
        failed(map, "cannot read", error);
    for (uint32_t i = 0; error >= 0 && i < contents.count; i++)
        session_sink_element(s, map, contents.keys[i], contents.values[i]);
    arena_free(contents.arena);
}

/* At the end: every map that has entries, by name. */
void session_print_all_maps(struct session *s) {
    uint32_t count = s->program->maps.count;
    struct lang_map **sorted = arena_memdup(s->arena, s->program->maps.data, sizeof(*sorted) * count);
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = i; j > 0 && strcmp(sorted[j - 1]->name, sorted[j]->name) > 0; j--) {
            struct lang_map *swap = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = swap;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct contents contents = {.arena = arena_new()};
        int error = sorted[i]->value ? read_map(s, sorted[i], &contents) : 0;
        if (error < 0)
            failed(sorted[i], "cannot read", error);
        else if (contents.count > 0)
            print(s, sorted[i], &contents, &(struct lang_print){0});
        arena_free(contents.arena);
    }
}
