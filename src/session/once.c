/* Running a block that has no event.
 *
 * A map that is not allocated beforehand takes the memory for a new key from what the kernel has at hand for this CPU
 * and map: one element or a few, and more only when the program has ended. A block that makes several keys at once
 * would lose some. So keys are made here first, under names of their own, and deleted again: then the kernel has their
 * memory at hand. Some microseconds for each key; plan->at_once says how many. No event can see them: before begin
 * nothing is attached, before end nothing is attached any more. */
#include "session/session_int.h"
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS 100 /* of a millisecond, while the kernel looks for memory */

static int make_key(int fd, const void *key, const void *value) {
    int error = 0;
    for (int i = 0; i < ATTEMPTS; i++) {
        error = kernel_map_update(fd, key, value, BPF_NOEXIST);
        if (error != -ENOMEM)
            break;
        usleep(1000);
    }
    return error;
}

/* What no script has as a key: 0xa5 in all bytes, and a number. */
static const uint8_t *numbered_key(uint8_t *key, uint32_t size, uint32_t number) {
    memset(key, 0xa5, size);
    memcpy(key, &number, sizeof number);
    return key;
}

static void prepare_map(const struct session *s, const struct lang_map_plan *plan, int fd, struct arena *arena) {
    uint32_t copies = plan->type == BPF_MAP_TYPE_PERCPU_HASH ? s->cpus.count_possible : 1;
    uint8_t *value = arena_alloc(arena, (size_t)plan->value_size * copies);
    uint8_t *key = arena_alloc(arena, plan->key_size);
    bool made[LANG_AT_ONCE_MOST];
    for (uint32_t i = 0; i < plan->at_once; i++)
        made[i] = make_key(fd, numbered_key(key, plan->key_size, i), value) == 0;
    for (uint32_t i = 0; i < plan->at_once; i++) {
        if (made[i])
            kernel_map_delete(fd, numbered_key(key, plan->key_size, i));
    }
}

static void prepare_maps(const struct session *s) {
    struct arena *arena = arena_new();
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        const struct lang_map_plan *plan = &s->plan->maps.data[i];
        if (plan->at_once)
            prepare_map(s, plan, plan->generations ? s->maps[i].inner : s->maps[i].fd, arena);
    }
    arena_free(arena);
}

/* The memory is at hand for the CPU on which the keys were deleted: the block has to run there. */
static bool stay_here(cpu_set_t *before) {
    cpu_set_t here;
    int cpu = sched_getcpu();
    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof *before, before) < 0)
        return false;
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    return sched_setaffinity(0, sizeof here, &here) == 0;
}

static bool wants_preparation(const struct session *s) {
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        if (s->plan->maps.data[i].at_once)
            return true;
    }
    return false;
}

int session_run_once(struct session *s, const struct session_unit *unit, uint32_t *result) {
    cpu_set_t before;
    bool alone = unit->moment == SESSION_AT_BEGIN || unit->moment == SESSION_AT_END || unit->moment == SESSION_AT_TEST;
    bool prepares = alone && wants_preparation(s), stays = prepares && stay_here(&before);
    if (prepares)
        prepare_maps(s);
    int error = kernel_program_test_run(unit->program_fd, NULL, 0, result);
    if (stays)
        sched_setaffinity(0, sizeof before, &before);
    return error;
}
