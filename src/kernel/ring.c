/* Opening, waiting and closing; the reading itself is ring_drain.c. */
#include "kernel/ring.h"
#include "kernel/bpf_int.h"
#include "kernel/ring_int.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#define RING_SIZE_MAX (1u << 30) /* entries count bytes in 32 bits */
#define EVENT_IS_RING (1ull << 32)

static struct kernel_rings *rings_new(struct arena *arena, uint32_t count, uint32_t size) {
    struct kernel_rings *rings = arena_make(arena, struct kernel_rings);
    rings->rings = arena_new_array(arena, struct ring, count);
    rings->heap = arena_new_array(arena, struct ring_source, 2 * (size_t)count);
    rings->count = count;
    rings->epoll_fd = -1;
    for (uint32_t cpu = 0; cpu < count; cpu++)
        rings->rings[cpu].size = size;
    return rings;
}

static void ring_place(struct ring *ring, void *consumer, const void *producer, const void *data) {
    ring->consumer = consumer;
    ring->producer = producer;
    ring->data = data;
    ring->position = ring->walked = ring->released = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
}

struct kernel_rings *kernel_rings_over_memory(struct arena *arena, const struct ring_memory *memory, uint32_t count,
                                              uint32_t size) {
    struct kernel_rings *rings = rings_new(arena, count, size);
    for (uint32_t cpu = 0; cpu < count; cpu++)
        ring_place(&rings->rings[cpu], memory[cpu].consumer, memory[cpu].producer, memory[cpu].data);
    return rings;
}

static int ring_map(struct ring *ring, int fd, size_t page) {
    void *consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED)
        return -errno;
    uint8_t *rest = mmap(NULL, page + 2 * (size_t)ring->size, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (rest == MAP_FAILED) {
        int error = -errno;
        munmap(consumer, page);
        return error;
    }
    ring_place(ring, consumer, rest, rest + page);
    return 0;
}

static int rings_map(struct kernel_rings *rings, const int *fds) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    rings->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (rings->epoll_fd < 0)
        return -errno;
    for (uint32_t cpu = 0; cpu < rings->count; cpu++) {
        int error = ring_map(&rings->rings[cpu], fds[cpu], page);
        if (error)
            return error;
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = EVENT_IS_RING | cpu};
        if (epoll_ctl(rings->epoll_fd, EPOLL_CTL_ADD, fds[cpu], &event) < 0)
            return -errno;
    }
    return 0;
}

struct kernel_rings *kernel_rings_open(struct arena *arena, const int *fds, uint32_t count, uint32_t size, int *error) {
    if (size == 0 || size > RING_SIZE_MAX || (size & (size - 1)) || size % (uint32_t)sysconf(_SC_PAGESIZE)) {
        *error = -EINVAL;
        return NULL;
    }
    struct kernel_rings *rings = rings_new(arena, count, size);
    rings->mapped = true;
    *error = rings_map(rings, fds);
    if (*error) {
        kernel_rings_close(rings);
        return NULL;
    }
    return rings;
}

void kernel_rings_close(struct kernel_rings *rings) {
    if (!rings)
        return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (uint32_t cpu = 0; cpu < rings->count; cpu++) {
        struct ring *ring = &rings->rings[cpu];
        if (rings->mapped && ring->consumer) {
            munmap(ring->consumer, page);
            munmap((void *)(uintptr_t)ring->producer, page + 2 * (size_t)ring->size);
        }
        free(ring->fresh.entries);
        free(ring->held.entries);
        free(ring->held_bytes);
    }
    if (rings->epoll_fd >= 0)
        close(rings->epoll_fd);
    rings->count = 0;
    rings->epoll_fd = -1;
}

int kernel_rings_epoll_fd(const struct kernel_rings *rings) { return rings->epoll_fd; }

int kernel_rings_watch(struct kernel_rings *rings, int fd, uint32_t number) {
    assert(number <= INT32_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = number};
    return epoll_ctl(rings->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int kernel_rings_unwatch(struct kernel_rings *rings, int fd) {
    return epoll_ctl(rings->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int kernel_rings_wait(struct kernel_rings *rings, int timeout_ms, uint32_t *ready, uint32_t max) {
    struct epoll_event events[64];
    int count = epoll_wait(rings->epoll_fd, events, sizeof events / sizeof *events, timeout_ms);
    if (count < 0)
        return -errno;
    uint32_t used = 0;
    for (int i = 0; i < count; i++) /* what does not fit is reported again: epoll is level-triggered */
        if (!(events[i].data.u64 & EVENT_IS_RING) && used < max)
            ready[used++] = (uint32_t)events[i].data.u64;
    return (int)used;
}

int kernel_rings_timeout(const struct kernel_rings *rings) { return rings->polling ? KERNEL_RING_POLL_MS : -1; }

uint64_t kernel_rings_late(const struct kernel_rings *rings) { return rings->late; }
