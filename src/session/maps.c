/* The BPF maps of a plan: created before loading, swapped when a script clears one. */
#include "session/session_int.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int create(struct session *s, const struct lang_map_plan *plan, uint32_t value_size, int inner_fd) {
    struct kernel_map_spec spec = {
        .name = plan->name[0] == '@' ? plan->name + 1 : plan->name,
        .type = plan->type,
        .key_size = plan->key_size,
        .value_size = value_size,
        .max_entries = plan->max_entries,
        .flags = plan->flags,
        .inner_fd = -1,
        .btf_fd = -1,
    };
    if (inner_fd >= 0) { /* one entry (or one for each CPU) that holds the real map */
        spec.type = BPF_MAP_TYPE_ARRAY_OF_MAPS;
        spec.key_size = spec.value_size = 4;
        spec.max_entries = plan->role == LANG_MAP_RINGS ? s->cpus.count_possible : 1;
        spec.flags = 0;
        spec.inner_fd = inner_fd;
    }
    if (plan->role == LANG_MAP_TASK) { /* int key, unsigned long[2] value: this kind wants BTF */
        spec.btf_fd = s->map_btf_fd;
        spec.btf_key_type_id = 1;
        spec.btf_value_type_id = 3;
    }
    return kernel_map_create(&spec);
}

static int set_entry(int outer, uint32_t index, int inner) { return kernel_map_update(outer, &index, &inner, BPF_ANY); }

/* Setting an entry of an array of maps takes effect at once, but the call returns only after an RCU grace period (12 ms
 * here, for each entry), in case a program still uses what was there before. At the start nothing was there: a child
 * makes the calls and does the waiting, and we go on when all entries are visible. It holds maps only, no links. */
static void set_in_child(const struct session_entries *entries) {
    for (uint32_t i = 0; i < entries->count;) {
        uint32_t keys[64], values[64], count = 0;
        int outer = entries->data[i].outer;
        while (count < 64 && i < entries->count && entries->data[i].outer == outer) {
            keys[count] = entries->data[i].index;
            values[count++] = (uint32_t)entries->data[i++].inner;
        }
        kernel_map_update_batch(outer, keys, values, &count);
    }
    _exit(0);
}

static bool all_visible(const struct session_entries *entries) {
    for (uint32_t i = entries->count; i-- > 0;) {
        uint32_t id = 0;
        if (kernel_map_lookup(entries->data[i].outer, &entries->data[i].index, &id) < 0)
            return false;
    }
    return true;
}

static int set_entries(struct session *s) {
    const struct session_entries *entries = &s->entries;
    if (entries->count == 0)
        return 0;
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child == 0)
        set_in_child(entries);
    s->setter = child;
    for (int round = 0; round < 1000 && !all_visible(entries); round++)
        usleep(round < 100 ? 20 : 1000);
    for (uint32_t i = 0; i < entries->count; i++) { /* whatever the child could not do */
        uint32_t id = 0;
        const struct session_entry *entry = &entries->data[i];
        int error = 0;
        if (kernel_map_lookup(entry->outer, &entry->index, &id) < 0)
            error = set_entry(entry->outer, entry->index, entry->inner);
        if (error < 0)
            return error;
    }
    return 0;
}

static void add_entry(struct session *s, int outer, uint32_t index, int inner) {
    struct session_entry entry = {outer, index, inner};
    vec_push(s->arena, &s->entries, entry);
}

static int create_constants(struct session *s, const struct lang_map_plan *plan, struct session_map *map) {
    uint32_t size = LANG_CONSTANTS_ZERO + ((s->plan->constants.count + 7) & ~7u), zero = 0;
    map->fd = create(s, plan, size, -1);
    if (map->fd < 0)
        return map->fd;
    if (s->plan->constants.count == 0)
        return 0;
    uint8_t *bytes = arena_alloc(s->arena, size);
    memcpy(bytes + LANG_CONSTANTS_ZERO, s->plan->constants.data, s->plan->constants.count);
    return kernel_map_update(map->fd, &zero, bytes, BPF_ANY);
}

static int create_globals(struct session *s, const struct lang_map_plan *plan, struct session_map *map) {
    int error = 0;
    uint32_t size = (s->plan->globals_size + 7) & ~7u;
    map->fd = create(s, plan, size, -1);
    if (map->fd < 0)
        return map->fd;
    s->globals = kernel_map_mmap(map->fd, size, true, &error);
    return s->globals ? 0 : error;
}

static int create_rings(struct session *s, const struct lang_map_plan *plan, struct session_map *map) {
    struct lang_map_plan ring = *plan;
    ring.key_size = 0;
    ring.max_entries = s->ring_size;
    uint32_t count = s->cpus.count_possible;
    int *fds = arena_new_array(s->arena, int, count);
    for (uint32_t cpu = 0; cpu < count; cpu++) {
        fds[cpu] = create(s, &ring, 0, -1);
        if (fds[cpu] < 0)
            return fds[cpu];
        if (cpu == 0 && (map->fd = create(s, plan, 4, fds[0])) < 0)
            return map->fd;
        add_entry(s, map->fd, cpu, fds[cpu]);
    }
    int error = 0;
    s->rings = kernel_rings_open(s->arena, fds, count, s->ring_size, &error);
    s->ring_fds = fds;
    return s->rings ? 0 : error;
}

static int create_script_map(struct session *s, const struct lang_map_plan *plan, struct session_map *map) {
    if (plan->role == LANG_MAP_TASK && s->map_btf_fd < 0) {
        void *btf;
        uint32_t size;
        bpf_make_map_btf(s->arena, &btf, &size);
        s->map_btf_fd = kernel_btf_load(btf, size);
        if (s->map_btf_fd < 0)
            return s->map_btf_fd;
    }
    int fd = create(s, plan, plan->value_size, -1);
    if (fd < 0 || !plan->generations) {
        map->fd = fd;
        return fd < 0 ? fd : 0;
    }
    map->inner = fd;
    map->fd = create(s, plan, 4, fd);
    if (map->fd >= 0)
        add_entry(s, map->fd, 0, fd);
    return map->fd < 0 ? map->fd : 0;
}

static int create_map(struct session *s, const struct lang_map_plan *plan, struct session_map *map) {
    switch (plan->role) {
    case LANG_MAP_GLOBALS:
        return create_globals(s, plan, map);
    case LANG_MAP_CONSTANTS:
        return create_constants(s, plan, map);
    case LANG_MAP_STACKS:
        map->fd = create(s, plan, plan->value_size, -1);
        return map->fd < 0 ? map->fd : 0;
    case LANG_MAP_SCRATCH:
        map->fd = create(s, plan, plan->value_size ? plan->value_size : s->plan->scratch_size, -1);
        return map->fd < 0 ? map->fd : 0;
    case LANG_MAP_UNWINDER: {
        int error = session_open_stacks(s);
        if (error < 0)
            return error;
        map->fd = fcntl(unwind_store_fd(s->unwind, (enum unwind_map)plan->unwinder), F_DUPFD_CLOEXEC, 0);
        return map->fd < 0 ? -errno : 0;
    }
    case LANG_MAP_RINGS:
        return create_rings(s, plan, map);
    case LANG_MAP_SCRIPT:
    case LANG_MAP_TASK:
        return create_script_map(s, plan, map);
    }
    BUG("map role %d", (int)plan->role);
}

int session_create_maps(struct session *s) {
    uint32_t count = s->plan->maps.count;
    s->maps = arena_new_array(s->arena, struct session_map, count);
    s->zeroed = arena_new_array(s->arena, bool, s->program->maps.count + 1);
    for (uint32_t i = 0; i < count; i++)
        s->maps[i].fd = s->maps[i].inner = -1;
    for (uint32_t i = 0; i < count; i++) {
        int error = create_map(s, &s->plan->maps.data[i], &s->maps[i]);
        if (error < 0) {
            char what[128];
            snprintf(what, sizeof what, "creating the map for %s", s->plan->maps.data[i].name);
            return session_system_error(what, error);
        }
    }
    int error = set_entries(s);
    for (uint32_t cpu = 0; s->ring_fds && cpu < s->cpus.count_possible; cpu++)
        close(s->ring_fds[cpu]);
    return error < 0 ? session_system_error("putting maps into arrays of maps", error) : SESSION_OK;
}

/* Updating an array of maps returns only when no program that might use the old one is running any more. */
int session_swap(struct session *s, uint32_t number) {
    const struct lang_map_plan *plan = &s->plan->maps.data[number];
    struct session_map *map = &s->maps[number];
    int fresh = create(s, plan, plan->value_size, -1), old = map->inner;
    if (fresh < 0)
        return fresh;
    uint64_t now = kernel_boottime_ns();
    int error = set_entry(map->fd, 0, fresh);
    if (error < 0) {
        close(fresh);
        return error;
    }
    map->inner = fresh;
    map->emptied_at = now;
    return old;
}

uint64_t session_counter(const struct session *s, uint32_t offset) {
    return __atomic_load_n((const uint64_t *)(const void *)(s->globals + offset), __ATOMIC_RELAXED);
}
