/* bpf(2), the rings and the features of a kernel, played by the interpreter of src/bpf: linked in front of the library,
 * this makes tarsier-interpreted, the same program without a kernel under it. Scripts of begin and end blocks run in it
 * from text to answer, without root, and tests/fuzz/random_programs compares what they say with the true kernel's.
 *
 * One CPU, one task. A map, a program or a link is a file descriptor (of /dev/null, so that it is unique and can be
 * closed) and an object in a table. What needs events (attaching, iterators) is refused with ENOTSUP.
 */
#include "bpf/interpret_int.h"
#include "kernel/bpf.h"
#include "kernel/feature.h"
#include "kernel/proc.h"
#include "kernel/ring.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OBJECT_LIMIT = 4096, OUTER_LIMIT = 1024 };

struct object {
    uint32_t number; /* for the machine: descriptors are used again, numbers are not */
    struct kernel_map_spec spec;
    struct bpf_machine_map *map;
    uint64_t *inner; /* array of maps: handles, shared with the child that sets them */
    int *inner_fd;
    struct bpf_program *program;
};

static struct object *objects[OBJECT_LIMIT]; /* by descriptor */
static struct arena *memory;
static struct bpf_machine *machine;

static struct object *object_of(int fd) { return fd >= 0 && fd < OBJECT_LIMIT ? objects[fd] : NULL; }

static uint64_t lookup_of_maps(struct bpf_machine *of, const uint64_t arguments[5]);
static bpf_helper_fn standard_lookup;

static struct bpf_machine *the_machine(void) {
    if (!machine) {
        memory = arena_new();
        machine = bpf_machine_new(memory);
        bpf_machine_set_standard_helpers(machine);
        standard_lookup = machine->helpers[BPF_FUNC_map_lookup_elem];
        bpf_machine_set_helper(machine, BPF_FUNC_map_lookup_elem, lookup_of_maps);
    }
    return machine;
}

static int new_object(struct object **out) {
    static uint32_t numbers;
    the_machine();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fd >= OBJECT_LIMIT) {
        close(fd);
        return -EMFILE;
    }
    *out = objects[fd] = arena_make(memory, struct object);
    **out = (struct object){.number = ++numbers};
    return fd;
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

/* Handles of arrays of maps are their objects; all others are the machine's own. */
static struct object *outer_map(uint64_t handle) {
    for (uint32_t i = 0; i < OBJECT_LIMIT; i++)
        if (objects[i] && objects[i]->inner && (uintptr_t)objects[i] == handle)
            return objects[i];
    return NULL;
}

static uint64_t lookup_of_maps(struct bpf_machine *of, const uint64_t arguments[5]) {
    const struct object *outer = outer_map(arguments[0]);
    uint32_t index;
    if (!outer)
        return standard_lookup(of, arguments);
    memcpy(&index, (const void *)(uintptr_t)arguments[1], sizeof index);
    return index < outer->spec.max_entries ? outer->inner[index] : 0;
}

static void *shared(size_t size) { return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); }

int kernel_map_create(const struct kernel_map_spec *spec) {
    struct object *object;
    int fd = new_object(&object);
    if (fd < 0)
        return fd;
    object->spec = *spec;
    if (spec->type == BPF_MAP_TYPE_ARRAY_OF_MAPS) {
        if (spec->max_entries > OUTER_LIMIT)
            return -E2BIG;
        object->inner = shared(OUTER_LIMIT * sizeof *object->inner);
        object->inner_fd = shared(OUTER_LIMIT * sizeof *object->inner_fd);
        bpf_machine_set_map(machine, object->number, object, NULL);
    } else {
        object->map = bpf_machine_map_new(machine, object->number, spec->type, spec->key_size, spec->value_size,
                                          spec->max_entries);
    }
    return fd;
}

static bool is_per_cpu(uint32_t type) {
    return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
           type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* As the system call gives it: per-CPU values one behind the other, and all but the first CPU's are zero. */
static void copy_out(const struct object *object, void *to, const void *value) {
    size_t size = (object->spec.value_size + 7) & ~7u;
    if (is_per_cpu(object->spec.type)) {
        struct kernel_cpus cpus;
        kernel_cpus_read(memory, &cpus);
        memset(to, 0, size * cpus.count_possible);
    }
    memcpy(to, value, object->spec.value_size);
}

int kernel_map_lookup(int fd, const void *key, void *value) {
    const struct object *object = object_of(fd);
    if (!object)
        return -EBADF;
    if (object->inner) {
        uint32_t index = *(const uint32_t *)key;
        memcpy(value, &object->inner_fd[index], 4);
        return object->inner_fd[index] ? 0 : -ENOENT;
    }
    const void *found = bpf_machine_map_lookup(object->map, key);
    if (!found)
        return -ENOENT;
    copy_out(object, value, found);
    return 0;
}

int kernel_map_update(int fd, const void *key, const void *value, uint64_t flags) {
    const struct object *object = object_of(fd);
    if (!object)
        return -EBADF;
    if (!object->inner)
        return bpf_machine_map_update(object->map, key, value, flags);
    uint32_t index = *(const uint32_t *)key;
    int inner_fd = *(const int *)value;
    const struct object *inner = object_of(inner_fd);
    if (!inner || index >= object->spec.max_entries)
        return -EINVAL;
    object->inner[index] = (uintptr_t)inner->map;
    object->inner_fd[index] = inner_fd;
    return 0;
}

int kernel_map_delete(int fd, const void *key) {
    const struct object *object = object_of(fd);
    return object && object->map ? bpf_machine_map_delete(object->map, key) : -EBADF;
}

int kernel_map_lookup_and_delete(int fd, const void *key, void *value) {
    int result = kernel_map_lookup(fd, key, value);
    return result == 0 ? kernel_map_delete(fd, key) : result;
}

int kernel_map_update_batch(int fd, const void *keys, const void *values, uint32_t *count) {
    const struct object *object = object_of(fd);
    for (uint32_t i = 0; object && i < *count; i++) {
        int result = kernel_map_update(fd, (const char *)keys + i * object->spec.key_size,
                                       (const char *)values + i * object->spec.value_size, BPF_ANY);
        if (result < 0) {
            *count = i;
            return result;
        }
    }
    return object ? 0 : -EBADF;
}

int kernel_map_dump(int fd, uint32_t key_size, uint32_t value_size, uint32_t max, struct arena *arena, void **keys,
                    void **values, uint32_t *count) {
    const struct object *object = object_of(fd);
    uint32_t place = 0, made = 0;
    const void *key;
    void *value;
    if (!object || !object->map)
        return -EBADF;
    while (bpf_machine_map_next(object->map, &place, &key, &value))
        made++;
    made = made < max ? made : max;
    *keys = arena_alloc(arena, (size_t)key_size * made + 1);
    *values = arena_alloc(arena, (size_t)value_size * made + 1);
    *count = place = 0;
    while (*count < made && bpf_machine_map_next(object->map, &place, &key, &value)) {
        if (key)
            memcpy((char *)*keys + (size_t)key_size * *count, key, key_size);
        else
            memcpy((char *)*keys + (size_t)key_size * *count, count, sizeof *count);
        copy_out(object, (char *)*values + (size_t)value_size * *count, value);
        ++*count;
    }
    return 0;
}

void *kernel_map_mmap(int fd, size_t size, bool writable, int *error) {
    const struct object *object = object_of(fd);
    uint32_t zero = 0;
    (void)size, (void)writable;
    *error = object ? 0 : -EBADF;
    return object ? bpf_machine_map_lookup(object->map, &zero) : NULL;
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

/* The machine finds maps by relocation; the instructions carry descriptors. */
int kernel_program_load(const struct kernel_program_spec *spec) {
    struct object *object;
    int fd = new_object(&object);
    if (fd < 0)
        return fd;
    struct bpf_program *program = object->program = arena_make(memory, struct bpf_program);
    program->name = spec->name;
    for (uint32_t i = 0; i < spec->count; i++) {
        struct bpf_insn instruction = spec->instructions[i];
        bool is_map = instruction.code == (BPF_LD | BPF_DW | BPF_IMM) &&
                      (instruction.src_reg == BPF_PSEUDO_MAP_FD || instruction.src_reg == BPF_PSEUDO_MAP_VALUE);
        if (is_map) {
            const struct object *map = object_of(instruction.imm);
            struct bpf_reloc reloc = {i, instruction.src_reg == BPF_PSEUDO_MAP_FD ? BPF_RELOC_MAP : BPF_RELOC_MAP_VALUE,
                                      map ? map->number : 0};
            if (!map)
                return -EBADF;
            vec_push(memory, &program->relocs, reloc);
        }
        vec_push(memory, &program->instructions, instruction);
    }
    return fd;
}

int kernel_btf_load(const void *bytes, uint32_t size) {
    struct object *object;
    (void)bytes, (void)size;
    return new_object(&object);
}

int kernel_program_test_run(int program_fd, const void *context, uint32_t context_size, uint32_t *result) {
    const struct object *object = object_of(program_fd);
    static uint64_t nothing[12];
    uint64_t value = 0;
    (void)context, (void)context_size;
    if (!object || !object->program)
        return -EBADF;
    bpf_machine_add_region(machine, nothing, sizeof nothing, false);
    if (!bpf_machine_run(machine, object->program, nothing, &value)) {
        fprintf(stderr, "interpreter: %s\n", bpf_machine_error(machine));
        return -EFAULT;
    }
    *result = (uint32_t)value;
    return 0;
}

int kernel_program_info(int fd, struct kernel_program_info *info) {
    *info = (struct kernel_program_info){.id = (uint32_t)fd};
    return 0;
}

int kernel_stats_enable(void) { return -ENOTSUP; }

/* ---- attaching: there are no events ---------------------------------------------------------------------------- */

int kernel_raw_tracepoint_open(const char *name, int program_fd, uint64_t cookie, bool with_cookie) {
    (void)name, (void)program_fd, (void)cookie, (void)with_cookie;
    return -ENOTSUP;
}

int kernel_link_perf_event(int perf_fd, int program_fd, uint64_t cookie) {
    (void)perf_fd, (void)program_fd, (void)cookie;
    return -ENOTSUP;
}

int kernel_link_uprobe_multi(int program_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies,
                             const uint64_t *ref_ctr_offsets, uint32_t count, int pid, bool is_return) {
    (void)program_fd, (void)path, (void)offsets, (void)cookies, (void)ref_ctr_offsets, (void)count, (void)pid;
    (void)is_return;
    return -ENOTSUP;
}

int kernel_link_kprobe_multi(int program_fd, const char *const *symbols, const uint64_t *addresses,
                             const uint64_t *cookies, uint32_t count, bool is_return) {
    (void)program_fd, (void)symbols, (void)addresses, (void)cookies, (void)count, (void)is_return;
    return -ENOTSUP;
}

int kernel_btf_of_module(const char *name) {
    (void)name;
    return -ENOENT;
}

uint64_t kernel_link_missed(int link_fd) {
    (void)link_fd;
    return 0;
}

int kernel_link_iterator(int program_fd, const void *information, uint32_t information_size) {
    (void)program_fd, (void)information, (void)information_size;
    return -ENOTSUP;
}

int kernel_iterator_create(int link_fd) {
    (void)link_fd;
    return -ENOTSUP;
}

int kernel_link_pin(int link_fd, const char *path) {
    (void)link_fd, (void)path;
    return -ENOTSUP;
}

/* ---- rings ----------------------------------------------------------------------------------------------------- */

struct kernel_rings {
    struct bpf_machine_map *map[64];
    uint32_t count;
    int epoll_fd;
};

struct kernel_rings *kernel_rings_open(struct arena *arena, const int *fds, uint32_t count, uint32_t size, int *error) {
    struct kernel_rings *rings = arena_make(arena, struct kernel_rings);
    (void)size;
    *error = 0;
    rings->count = count < 64 ? count : 64;
    for (uint32_t i = 0; i < rings->count; i++)
        rings->map[i] = object_of(fds[i])->map;
    rings->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return rings;
}

void kernel_rings_close(struct kernel_rings *rings) {
    if (rings)
        close(rings->epoll_fd);
}

int kernel_rings_epoll_fd(const struct kernel_rings *rings) { return rings->epoll_fd; }

int64_t kernel_rings_drain(struct kernel_rings *rings, kernel_ring_callback callback, void *user) {
    int64_t count = 0;
    uint32_t size;
    const void *record;
    for (uint32_t cpu = 0; cpu < rings->count; cpu++)
        while ((record = bpf_machine_ring_next(rings->map[cpu], &size))) {
            count++;
            if (!callback(user, cpu, record, size))
                return -EINTR;
        }
    return count;
}

int kernel_rings_watch(struct kernel_rings *rings, int fd, uint32_t number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    return epoll_ctl(rings->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int kernel_rings_wait(struct kernel_rings *rings, int timeout_ms, uint32_t *ready, uint32_t max) {
    struct epoll_event event;
    int count = epoll_wait(rings->epoll_fd, &event, 1, timeout_ms);
    if (count == 1 && max > 0)
        ready[0] = event.data.u32;
    return count < 0 ? -errno : count;
}

int kernel_rings_timeout(const struct kernel_rings *rings) { return (void)rings, -1; }
uint64_t kernel_rings_late(const struct kernel_rings *rings) { return (void)rings, 0; }

/* ---- features: everything that generated code may use is there --------------------------------------------------- */

struct kernel_features *kernel_features_new(struct arena *arena) {
    return (struct kernel_features *)arena_alloc(arena, 1);
}

void kernel_features_set_btf(struct kernel_features *features, const struct kernel_feature_btf *ids) {
    (void)features, (void)ids;
}

void kernel_feature_deny(struct kernel_features *features, enum kernel_feature id) { (void)features, (void)id; }
bool kernel_feature(struct kernel_features *features, enum kernel_feature id) {
    return kernel_feature_error(features, id) == 0;
}

int kernel_feature_error(struct kernel_features *features, enum kernel_feature id) {
    (void)features;
    return id == KERNEL_FEATURE_RAW_TRACEPOINT_COOKIE ? -ENOTSUP : 0;
}

const char *kernel_feature_name(enum kernel_feature id) { return (void)id, "feature"; }
const char *kernel_feature_use(enum kernel_feature id) { return (void)id, "nothing"; }

void kernel_feature_explain(struct kernel_features *features, enum kernel_feature id, struct strbuf *out) {
    (void)features, (void)id;
    strbuf_addstr(out, "interpreted");
}
