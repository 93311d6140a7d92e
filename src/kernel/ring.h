/* Records from BPF programs, in the order in which they happened.
 *
 * Model. One BPF_MAP_TYPE_RINGBUF per CPU; programs reserve, then stamp, fill and submit. Within a ring the stamps are
 * nearly, not quite, ascending (an interrupt between a reserve and its stamp), between rings not at all. A drain
 *   1. takes the time T,
 *   2. 10 us later snapshots every producer position: whatever is stamped <= T was reserved, and visibly so, before,
 *   3. walks each ring up to its snapshot, waiting a little for records that are reserved but not submitted,
 *   4. hands out what is stamped <= T in the order (stamp, CPU, position), and
 *   5. holds (copies) what is stamped later; the next drain sorts it in.
 * So the order is exact. If a producer does not submit in time (it was preempted), nothing is handed out, what can be
 * read is held so that the producers keep their space, and the next drain tries again; after KERNEL_RING_STALL_NS the
 * rest goes out without that record and kernel_rings_late() counts if it then comes too late.
 *
 * Wake-ups. Programs submit with BPF_RB_NO_WAKEUP, except BPF_RB_FORCE_WAKEUP when more than KERNEL_RING_WAKE_NS passed
 * since the last forced wake-up on that CPU, or a quarter of the ring was written since. After a wake-up the reader
 * polls every KERNEL_RING_POLL_MS until nothing came for two rounds, then sleeps (kernel_rings_timeout). Two rounds
 * cover the time in which a program may have stayed silent, so no record waits.
 *
 * Layout, from the kernel's Documentation/bpf/ringbuf.rst: page 0 consumer position (we write), page 1 producer
 * position, then the data, mapped twice in a row so that a record never wraps. Positions only grow; place = position
 * modulo size. A record is 8 bytes of header (uapi.h) and the payload, rounded up to 8.
 */
#ifndef TARSIER_KERNEL_RING_H
#define TARSIER_KERNEL_RING_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* How every payload begins; written by generated code. */
struct kernel_record {
    uint64_t stamp;  /* CLOCK_BOOTTIME ns (bpf_ktime_get_boot_ns), taken after the reserve */
    uint32_t action; /* which statement of the script wrote it: index in the session's table */
    uint32_t size;   /* bytes of the payload that are used, this header included; 0: all of it */
};

#define KERNEL_RING_WAKE_NS 10000000u
#define KERNEL_RING_POLL_MS 10
#define KERNEL_RING_STALL_NS 100000000u

struct kernel_rings;

/* fds[i] is the ring of CPU i, each of `size` data bytes (power of two, whole pages). Descriptors stay the caller's.
 * NULL and a negative errno in *error on failure. */
struct kernel_rings *kernel_rings_open(struct arena *arena, const int *fds, uint32_t count, uint32_t size, int *error);
void kernel_rings_close(struct kernel_rings *rings); /* unmaps; NULL is fine */

/* The payload is 8-aligned and good until the callback returns. False: stop, and drop everything read so far. */
typedef bool (*kernel_ring_callback)(void *user, uint32_t cpu, const void *payload, uint32_t size);
/* Number of records handed out, or negative errno (-EINTR: the callback stopped; -EBADMSG: a ring is corrupt). */
int64_t kernel_rings_drain(struct kernel_rings *rings, kernel_ring_callback callback, void *user);

/* An epoll descriptor with all rings in it; it may be put into another epoll. */
int kernel_rings_epoll_fd(const struct kernel_rings *rings);
/* Adds a descriptor of the caller's (signalfd, timerfd, pidfd) under a number below 2^31. */
int kernel_rings_watch(struct kernel_rings *rings, int fd, uint32_t number);
int kernel_rings_unwatch(struct kernel_rings *rings, int fd);
/* Sleeps until a ring or a watched descriptor is ready, or timeout_ms passed (-1: no limit). Result: how many watched
 * numbers are in ready[] (0: only rings, or the timeout), -EINTR on a signal. Drain after every wait. */
int kernel_rings_wait(struct kernel_rings *rings, int timeout_ms, uint32_t *ready, uint32_t max);
/* -1: sleep until woken; KERNEL_RING_POLL_MS: records came lately, or some are held. */
int kernel_rings_timeout(const struct kernel_rings *rings);

/* Records handed out after one with a later stamp (only after a stall). */
uint64_t kernel_rings_late(const struct kernel_rings *rings);

#endif
