/* Helpers and maps without a kernel, for bpf_machine_set_standard_helpers(). One CPU, one task; per-CPU maps have one
 * value. Errors are the kernel's: negative errno as the program would see it. */
#include "bpf/interpret_int.h"
#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>

#define FAKE_PID 1000u
#define FAKE_UID 0u
#define FAKE_COMM "tarsier"
#define FAKE_TASK_SIZE 16384u /* greater than the kernel's task_struct; all zero */
#define ENTRY_LIMIT (1u << 20)

struct map_entry {
    bool used;
    uint8_t *key, *value;
};

struct ring_record {
    uint8_t *data;
    uint32_t size;
    enum { RING_RESERVED, RING_SUBMITTED, RING_DISCARDED } state;
};

struct bpf_machine_map {
    struct bpf_machine *machine;
    uint32_t type, key_size, value_size, max_entries;
    VEC(struct map_entry) entries;
    VEC(struct ring_record) records;
    uint32_t next_record;
};

/* ---- maps ----------------------------------------------------------------------------------------------------- */

static bool is_array(uint32_t type) { return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY; }

static bool is_lru(uint32_t type) { return type == BPF_MAP_TYPE_LRU_HASH || type == BPF_MAP_TYPE_LRU_PERCPU_HASH; }

struct bpf_machine_map *bpf_machine_map_new(struct bpf_machine *machine, uint32_t map, uint32_t type, uint32_t key_size,
                                            uint32_t value_size, uint32_t max_entries) {
    struct bpf_machine_map *m = arena_make(machine->arena, struct bpf_machine_map);
    *m = (struct bpf_machine_map){
        .machine = machine, .type = type, .key_size = key_size, .value_size = value_size, .max_entries = max_entries};
    uint8_t *values = NULL;
    if (is_array(type)) {
        if (max_entries > ENTRY_LIMIT)
            BUG("bpf: an array of %u entries for the interpreter", max_entries);
        size_t stride = (value_size + 7) & ~7u;
        values = arena_alloc(machine->arena, stride * max_entries);
        bpf_machine_add_region(machine, values, stride * max_entries, true);
        for (uint32_t i = 0; i < max_entries; i++)
            *vec_add(machine->arena, &m->entries) = (struct map_entry){true, NULL, values + i * stride};
    }
    vec_push(machine->arena, &machine->standard_maps, m);
    bpf_machine_set_map(machine, map, m, values);
    return m;
}

static struct map_entry *find_entry(const struct bpf_machine_map *map, const void *key) {
    if (is_array(map->type)) {
        uint32_t index;
        memcpy(&index, key, sizeof index);
        return index < map->entries.count ? &map->entries.data[index] : NULL;
    }
    for (uint32_t i = 0; i < map->entries.count; i++)
        if (map->entries.data[i].used && memcmp(map->entries.data[i].key, key, map->key_size) == 0)
            return &map->entries.data[i];
    return NULL;
}

void *bpf_machine_map_lookup(struct bpf_machine_map *map, const void *key) {
    struct map_entry *entry = find_entry(map, key);
    return entry ? entry->value : NULL;
}

static uint32_t used_entries(const struct bpf_machine_map *map) {
    uint32_t count = 0;
    assert(map->entries.count == 0 || map->entries.data);
    for (uint32_t i = 0; i < map->entries.count; i++)
        count += map->entries.data[i].used;
    return count;
}

/* A place for one more key; a full LRU map gives up its first one. */
static struct map_entry *new_entry(struct bpf_machine_map *map) {
    struct bpf_machine *machine = map->machine;
    if (used_entries(map) >= map->max_entries && map->type != BPF_MAP_TYPE_TASK_STORAGE) {
        if (!is_lru(map->type) || map->entries.count == 0)
            return NULL;
        return &map->entries.data[0];
    }
    for (uint32_t i = 0; i < map->entries.count; i++)
        if (!map->entries.data[i].used)
            return &map->entries.data[i];
    struct map_entry *entry = vec_add(machine->arena, &map->entries);
    entry->key = arena_alloc(machine->arena, map->key_size ? map->key_size : 8);
    entry->value = arena_alloc(machine->arena, map->value_size ? map->value_size : 8);
    bpf_machine_add_region(machine, entry->key, map->key_size, false);
    bpf_machine_add_region(machine, entry->value, map->value_size, true);
    return entry;
}

static int64_t update_entry(struct bpf_machine_map *map, const void *key, const void *value, uint64_t flags) {
    struct map_entry *entry = find_entry(map, key);
    if (flags > BPF_EXIST)
        return -EINVAL;
    if (!entry && is_array(map->type))
        return -E2BIG;
    if (entry && flags == BPF_NOEXIST)
        return -EEXIST;
    if (!entry && flags == BPF_EXIST)
        return -ENOENT;
    if (!entry) {
        entry = new_entry(map);
        if (!entry)
            return -E2BIG;
        entry->used = true;
        memcpy(entry->key, key, map->key_size);
    }
    memcpy(entry->value, value, map->value_size);
    return 0;
}

static int64_t delete_entry(struct bpf_machine_map *map, const void *key) {
    if (is_array(map->type))
        return -EINVAL;
    struct map_entry *entry = find_entry(map, key);
    if (!entry)
        return -ENOENT;
    entry->used = false;
    return 0;
}

int bpf_machine_map_update(struct bpf_machine_map *map, const void *key, const void *value, uint64_t flags) {
    return (int)update_entry(map, key, value, flags);
}

int bpf_machine_map_delete(struct bpf_machine_map *map, const void *key) { return (int)delete_entry(map, key); }

bool bpf_machine_map_next(const struct bpf_machine_map *map, uint32_t *place, const void **key, void **value) {
    while (*place < map->entries.count) {
        const struct map_entry *entry = &map->entries.data[(*place)++];
        if (!entry->used)
            continue;
        *key = entry->key;
        *value = entry->value;
        return true;
    }
    return false;
}

/* The map behind a handle, if the program passed a true one. */
static struct bpf_machine_map *map_of(struct bpf_machine *machine, uint64_t handle) {
    for (uint32_t i = 0; i < machine->standard_maps.count; i++)
        if ((uintptr_t)machine->standard_maps.data[i] == handle)
            return machine->standard_maps.data[i];
    bpf_machine_fail(machine, "helper: 0x%llx is no map", (unsigned long long)handle);
    return NULL;
}

/* Memory an argument points to; NULL (and the run stops) when the program may not touch it. */
static void *memory(struct bpf_machine *machine, uint64_t address, uint64_t size, bool write) {
    if (bpf_machine_may_access(machine, address, size, write))
        return (void *)(uintptr_t)address;
    bpf_machine_fail(machine, "helper: bad memory argument, %llu bytes at 0x%llx", (unsigned long long)size,
                     (unsigned long long)address);
    return NULL;
}

static uint64_t map_lookup_elem(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    void *key = map ? memory(machine, a[1], map->key_size, false) : NULL;
    return key ? (uintptr_t)bpf_machine_map_lookup(map, key) : 0;
}

static uint64_t map_lookup_percpu_elem(struct bpf_machine *machine, const uint64_t a[5]) {
    return a[2] == 0 ? map_lookup_elem(machine, a) : 0;
}

static uint64_t map_update_elem(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    void *key = map ? memory(machine, a[1], map->key_size, false) : NULL;
    void *value = key ? memory(machine, a[2], map->value_size, false) : NULL;
    return value ? (uint64_t)update_entry(map, key, value, a[3]) : 0;
}

static uint64_t map_delete_elem(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    void *key = map ? memory(machine, a[1], map->key_size, false) : NULL;
    return key ? (uint64_t)delete_entry(map, key) : 0;
}

static uint64_t for_each_map_elem(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    uint64_t visited = 0;
    for (uint32_t i = 0; map && i < map->entries.count && !machine->error; i++) {
        uint32_t *index = arena_make(machine->arena, uint32_t);
        *index = i;
        if (!map->entries.data[i].used)
            continue;
        uint8_t *key = map->entries.data[i].key ? map->entries.data[i].key : (uint8_t *)index;
        uint64_t arguments[5] = {a[0], (uintptr_t)key, (uintptr_t)map->entries.data[i].value, a[2], 0};
        visited++;
        if (bpf_machine_call(machine, a[1], arguments) != 0)
            break;
    }
    return visited;
}

/* There is one task, so a storage map has at most one value. */
static uint64_t task_storage_get(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    if (!map)
        return 0;
    struct map_entry *entry = map->entries.count ? &map->entries.data[0] : NULL;
    if (entry && entry->used)
        return (uintptr_t)entry->value;
    if (!(a[3] & BPF_LOCAL_STORAGE_GET_F_CREATE))
        return 0;
    entry = new_entry(map);
    entry->used = true;
    memset(entry->value, 0, map->value_size);
    void *initial = a[2] ? memory(machine, a[2], map->value_size, false) : NULL;
    if (initial)
        memcpy(entry->value, initial, map->value_size);
    return (uintptr_t)entry->value;
}

static uint64_t task_storage_delete(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    if (!map || map->entries.count == 0 || !map->entries.data[0].used)
        return (uint64_t)-ENOENT;
    map->entries.data[0].used = false;
    return 0;
}

/* ---- ring buffer ---------------------------------------------------------------------------------------------- */

static struct ring_record *new_record(struct bpf_machine_map *map, uint64_t size) {
    struct ring_record *record = vec_add(map->machine->arena, &map->records);
    record->size = (uint32_t)size;
    record->data = arena_alloc(map->machine->arena, size + 8);
    bpf_machine_add_region(map->machine, record->data, size, true);
    return record;
}

static uint64_t ringbuf_reserve(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    if (!map || a[1] > map->max_entries) /* of a ring buffer: its size in bytes */
        return 0;
    return (uintptr_t)new_record(map, a[1])->data;
}

static uint64_t finish_record(struct bpf_machine *machine, uint64_t address, bool submit) {
    for (uint32_t i = 0; i < machine->standard_maps.count; i++) {
        struct bpf_machine_map *map = machine->standard_maps.data[i];
        for (uint32_t k = 0; k < map->records.count; k++)
            if ((uintptr_t)map->records.data[k].data == address && map->records.data[k].state == RING_RESERVED) {
                map->records.data[k].state = submit ? RING_SUBMITTED : RING_DISCARDED;
                return 0;
            }
    }
    bpf_machine_fail(machine, "helper: 0x%llx is no reserved record", (unsigned long long)address);
    return 0;
}

static uint64_t ringbuf_submit(struct bpf_machine *machine, const uint64_t a[5]) {
    return finish_record(machine, a[0], true);
}

static uint64_t ringbuf_discard(struct bpf_machine *machine, const uint64_t a[5]) {
    return finish_record(machine, a[0], false);
}

static uint64_t ringbuf_output(struct bpf_machine *machine, const uint64_t a[5]) {
    struct bpf_machine_map *map = map_of(machine, a[0]);
    void *data = map ? memory(machine, a[1], a[2], false) : NULL;
    if (!data)
        return (uint64_t)-EINVAL;
    if (a[2] > map->max_entries)
        return (uint64_t)-EAGAIN;
    struct ring_record *record = new_record(map, a[2]);
    memcpy(record->data, data, a[2]);
    record->state = RING_SUBMITTED;
    return 0;
}

const void *bpf_machine_ring_next(struct bpf_machine_map *map, uint32_t *size) {
    while (map->next_record < map->records.count) {
        const struct ring_record *record = &map->records.data[map->next_record];
        if (record->state == RING_RESERVED)
            break;
        map->next_record++;
        if (record->state == RING_SUBMITTED) {
            *size = record->size;
            return record->data;
        }
    }
    return NULL;
}

/* ---- memory and strings --------------------------------------------------------------------------------------- */

static uint64_t probe_read(struct bpf_machine *machine, const uint64_t a[5]) {
    uint64_t size = (uint32_t)a[1];
    void *to = memory(machine, a[0], size, true);
    if (!to)
        return 0;
    if (!bpf_machine_may_access(machine, a[2], size, false)) {
        memset(to, 0, size);
        return (uint64_t)-EFAULT;
    }
    memmove(to, (const void *)(uintptr_t)a[2], size);
    return 0;
}

static uint64_t probe_read_str(struct bpf_machine *machine, const uint64_t a[5]) {
    uint64_t size = (uint32_t)a[1];
    char *to = memory(machine, a[0], size, true);
    if (!to || size == 0)
        return 0;
    for (uint64_t i = 0; i < size; i++) {
        if (!bpf_machine_may_access(machine, a[2] + i, 1, false)) {
            memset(to, 0, size);
            return (uint64_t)-EFAULT;
        }
        to[i] = ((const char *)(uintptr_t)a[2])[i];
        if (to[i] == '\0')
            return i + 1;
    }
    to[size - 1] = '\0';
    return size;
}

static uint64_t compare_strings(struct bpf_machine *machine, const uint64_t a[5]) {
    uint64_t size = (uint32_t)a[1];
    const char *left = memory(machine, a[0], size, false);
    for (uint64_t i = 0; left && i < size; i++) {
        const char *right = memory(machine, a[2] + i, 1, false);
        if (!right)
            return 0;
        if (left[i] != *right)
            return (uint64_t)(int64_t)((unsigned char)left[i] - (unsigned char)*right);
        if (!left[i])
            break;
    }
    return 0;
}

static uint64_t get_current_comm(struct bpf_machine *machine, const uint64_t a[5]) {
    uint64_t size = (uint32_t)a[1];
    char *to = memory(machine, a[0], size, true);
    if (!to || size == 0)
        return (uint64_t)-EINVAL;
    memset(to, 0, size);
    memcpy(to, FAKE_COMM, size - 1 < sizeof FAKE_COMM ? size - 1 : sizeof FAKE_COMM);
    return 0;
}

/* A stack of addresses that tell the frame: 0xffffffff81000000 + 16 * depth for the kernel's, 0x400000 + for users'. */
static uint64_t get_stack(struct bpf_machine *machine, const uint64_t a[5]) {
    uint64_t size = (uint32_t)a[2], frames = 4, count = size / 8 < frames ? size / 8 : frames;
    uint64_t base = a[3] & BPF_F_USER_STACK ? 0x400000u : 0xffffffff81000000u;
    uint8_t *to = memory(machine, a[1], size, true);
    if (!to)
        return (uint64_t)-EINVAL;
    memset(to, 0, size);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t address = base + 16 * i;
        memcpy(to + i * 8, &address, 8);
    }
    return count * 8;
}

/* ---- facts about the event ------------------------------------------------------------------------------------ */

static uint64_t count_clock(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)a;
    return machine->clock += 1000;
}

static uint64_t next_random(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)a;
    machine->random = machine->random * 6364136223846793005u + 1442695040888963407u;
    return machine->random >> 32;
}

static uint64_t give_zero(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)machine, (void)a;
    return 0;
}

static uint64_t give_pid(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)machine, (void)a;
    return (uint64_t)FAKE_PID << 32 | FAKE_PID;
}

static uint64_t give_uid(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)machine, (void)a;
    return (uint64_t)FAKE_UID << 32 | FAKE_UID;
}

static uint64_t give_one(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)machine, (void)a;
    return 1;
}

static uint64_t give_function_ip(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)machine, (void)a;
    return 0xffffffff81000000u;
}

static uint64_t give_task(struct bpf_machine *machine, const uint64_t a[5]) {
    (void)a;
    return (uintptr_t)machine->task;
}

static uint64_t get_namespace_pid(struct bpf_machine *machine, const uint64_t a[5]) {
    uint32_t *to = memory(machine, a[2], 8, true);
    if (!to || a[3] != 8)
        return (uint64_t)-EINVAL;
    to[0] = to[1] = FAKE_PID;
    return 0;
}

static uint64_t run_loop(struct bpf_machine *machine, const uint64_t a[5]) {
    uint32_t rounds = (uint32_t)a[0], i = 0;
    if (a[3] != 0)
        return (uint64_t)-EINVAL;
    if (rounds > (1u << 23))
        return (uint64_t)-E2BIG;
    while (i < rounds && !machine->error) {
        uint64_t arguments[5] = {i++, a[2], 0, 0, 0};
        if (bpf_machine_call(machine, a[1], arguments) != 0)
            break;
    }
    return i;
}

static const struct {
    enum ir_helper helper;
    bpf_helper_fn run;
} standard[] = {
    {IR_HELPER_map_lookup_elem, map_lookup_elem},
    {IR_HELPER_map_update_elem, map_update_elem},
    {IR_HELPER_map_delete_elem, map_delete_elem},
    {IR_HELPER_map_lookup_percpu_elem, map_lookup_percpu_elem},
    {IR_HELPER_for_each_map_elem, for_each_map_elem},
    {IR_HELPER_task_storage_get, task_storage_get},
    {IR_HELPER_task_storage_delete, task_storage_delete},
    {IR_HELPER_ringbuf_output, ringbuf_output},
    {IR_HELPER_ringbuf_reserve, ringbuf_reserve},
    {IR_HELPER_ringbuf_submit, ringbuf_submit},
    {IR_HELPER_ringbuf_discard, ringbuf_discard},
    {IR_HELPER_probe_read_user, probe_read},
    {IR_HELPER_probe_read_kernel, probe_read},
    {IR_HELPER_probe_read_user_str, probe_read_str},
    {IR_HELPER_probe_read_kernel_str, probe_read_str},
    {IR_HELPER_strncmp, compare_strings},
    {IR_HELPER_get_current_comm, get_current_comm},
    {IR_HELPER_get_stack, get_stack},
    {IR_HELPER_ktime_get_ns, count_clock},
    {IR_HELPER_ktime_get_boot_ns, count_clock},
    {IR_HELPER_ktime_get_tai_ns, count_clock},
    {IR_HELPER_jiffies64, count_clock},
    {IR_HELPER_get_prandom_u32, next_random},
    {IR_HELPER_get_smp_processor_id, give_zero},
    {IR_HELPER_get_numa_node_id, give_zero},
    {IR_HELPER_get_attach_cookie, give_zero},
    {IR_HELPER_get_current_pid_tgid, give_pid},
    {IR_HELPER_get_current_uid_gid, give_uid},
    {IR_HELPER_get_current_cgroup_id, give_one},
    {IR_HELPER_get_func_ip, give_function_ip},
    {IR_HELPER_get_current_task_btf, give_task},
    {IR_HELPER_get_ns_current_pid_tgid, get_namespace_pid},
    {IR_HELPER_loop, run_loop},
};

void bpf_machine_set_standard_helpers(struct bpf_machine *machine) {
    for (unsigned i = 0; i < sizeof standard / sizeof *standard; i++)
        bpf_machine_set_helper(machine, ir_helpers[standard[i].helper].id, standard[i].run);
    machine->task = arena_alloc(machine->arena, FAKE_TASK_SIZE);
    bpf_machine_add_region(machine, machine->task, FAKE_TASK_SIZE, false);
}
