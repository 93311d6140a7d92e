/* Ending attachments. Closing a descriptor detaches; for some the kernel then waits until no CPU can still be inside the
 * program, and those waits can pass side by side. */
#include "probe/probe_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { CLOSERS_MAX = 32 };

struct closing {
    const int *fds;
    uint32_t count;
    atomic_uint next;
};

static void *close_some(void *user) {
    struct closing *closing = user;

    for (uint32_t i; (i = atomic_fetch_add(&closing->next, 1)) < closing->count;)
        close(closing->fds[i]);
    return NULL;
}

static void close_side_by_side(const int *fds, uint32_t count) {
    struct closing closing = {.fds = fds, .count = count};
    pthread_t threads[CLOSERS_MAX];
    uint32_t started = 0;

    while (started + 1 < count && started < CLOSERS_MAX &&
           pthread_create(&threads[started], NULL, close_some, &closing) == 0)
        started++;
    close_some(&closing);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static void close_fast(struct probe_link *link) {
    for (uint32_t i = 0; i < link->fast.count; i++)
        close(link->fast.data[i]);
    link->fast.count = 0;
}

void probe_detach(struct probe_link *link) {
    struct probe_link *const links[] = {link};

    probe_detach_all(links, 1);
}

void probe_detach_all(struct probe_link *const *links, uint32_t count) {
    struct arena *arena = arena_new();
    VEC(int) slow = {0};

    for (uint32_t i = 0; i < count; i++)
        close_fast(links[i]);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t s = 0; s < links[i]->slow.count; s++)
            vec_push(arena, &slow, links[i]->slow.data[s]);
        links[i]->slow.count = 0;
        links[i]->attached = 0;
    }
    close_side_by_side(slow.data, slow.count);
    arena_free(arena);
}
