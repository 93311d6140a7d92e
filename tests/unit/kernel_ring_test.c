/* The ring reader against rings in ordinary memory; the test plays the kernel's part. */
#include "unit.h"

#include "kernel/proc.h"
#include "kernel/ring_int.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 4096u
#define RINGS 2

struct fixture {
    struct arena *arena;
    struct ring_memory memory[RINGS];
    struct kernel_rings *rings;
    char seen[4096]; /* "cpu:number " per record */
    size_t seen_length;
    int stop_after; /* -1: never */
};

/* Like the kernel: consumer page, producer page, data twice in a row. */
static struct ring_memory make_memory(void) {
    int fd = memfd_create("ring", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 2 * 4096 + SIZE), 0);
    uint8_t *area = mmap(NULL, 2 * 4096 + 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(area, MAP_FAILED);
    assert_ptr_not_equal(mmap(area, 2 * 4096 + SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
                         MAP_FAILED);
    assert_ptr_not_equal(
        mmap(area + 2 * 4096 + SIZE, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 2 * 4096), MAP_FAILED);
    close(fd);
    return (struct ring_memory){.consumer = area, .producer = area + 4096, .data = area + 2 * 4096};
}

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->arena = arena_new();
    fixture->stop_after = -1;
    for (int i = 0; i < RINGS; i++)
        fixture->memory[i] = make_memory();
    fixture->rings = kernel_rings_over_memory(fixture->arena, fixture->memory, RINGS, SIZE);
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    kernel_rings_close(fixture->rings);
    for (int i = 0; i < RINGS; i++)
        munmap(fixture->memory[i].consumer, 2 * 4096 + 2 * SIZE);
    arena_free(fixture->arena);
    free(fixture);
    return 0;
}

static uint64_t position(const void *page) { return __atomic_load_n((const uint64_t *)page, __ATOMIC_ACQUIRE); }

/* The kernel's reserve: a busy header, then the new producer position. NULL when full. */
static uint32_t *reserve(const struct ring_memory *memory, uint32_t size) {
    uint64_t at = position(memory->producer), whole = (size + 8u + 7u) & ~7u;
    if (at + whole - position(memory->consumer) > SIZE)
        return NULL;
    uint32_t *header = (void *)((uint8_t *)memory->data + at % SIZE);
    __atomic_store_n(header, size | KERNEL_RING_BUSY, __ATOMIC_RELEASE);
    __atomic_store_n((uint64_t *)memory->producer, at + whole, __ATOMIC_RELEASE);
    return header;
}

static void fill(uint32_t *header, uint64_t stamp, uint32_t number) {
    struct kernel_record record = {.stamp = stamp, .action = number};
    memcpy(header + 2, &record, sizeof record);
}

static void submit(uint32_t *header, uint32_t flags) {
    uint32_t size = __atomic_load_n(header, __ATOMIC_RELAXED) & ~KERNEL_RING_BUSY;
    __atomic_store_n(header, size | flags, __ATOMIC_RELEASE);
}

static void produce(struct fixture *fixture, int ring, uint64_t stamp, uint32_t number) {
    uint32_t *header = reserve(&fixture->memory[ring], sizeof(struct kernel_record));
    assert_non_null(header);
    fill(header, stamp, number);
    submit(header, 0);
}

static bool collect(void *user, uint32_t cpu, const void *payload, uint32_t size) {
    struct fixture *fixture = user;
    struct kernel_record record;
    assert_true(size >= sizeof record);
    memcpy(&record, payload, sizeof record);
    fixture->seen_length += (size_t)snprintf(fixture->seen + fixture->seen_length,
                                             sizeof fixture->seen - fixture->seen_length, "%u:%u ", cpu, record.action);
    return fixture->stop_after < 0 || --fixture->stop_after > 0;
}

/* Drains, and compares what was handed out. */
#define expect_drain(fixture, result, text)                                                                            \
    do {                                                                                                               \
        (fixture)->seen[(fixture)->seen_length = 0] = '\0';                                                            \
        assert_int_equal(kernel_rings_drain((fixture)->rings, collect, (fixture)), (result));                          \
        assert_string_equal((fixture)->seen, (text));                                                                  \
    } while (0)

static void empty_rings_give_nothing(void **state) { expect_drain((struct fixture *)*state, 0, ""); }

static void records_of_two_rings_are_merged_by_stamp(void **state) {
    struct fixture *fixture = *state;
    produce(fixture, 0, 10, 1);
    produce(fixture, 0, 30, 3);
    produce(fixture, 1, 20, 2);
    produce(fixture, 1, 40, 4);
    expect_drain(fixture, 4, "0:1 1:2 0:3 1:4 ");
    expect_drain(fixture, 0, "");
}

static void equal_stamps_go_by_cpu_then_position(void **state) {
    struct fixture *fixture = *state;
    produce(fixture, 1, 10, 1);
    produce(fixture, 0, 10, 2);
    produce(fixture, 0, 10, 3);
    expect_drain(fixture, 3, "0:2 0:3 1:1 ");
}

static void nested_records_of_one_ring_are_sorted(void **state) {
    struct fixture *fixture = *state;
    produce(fixture, 0, 30, 3); /* reserved first, stamped last */
    produce(fixture, 0, 10, 1);
    produce(fixture, 0, 20, 2);
    expect_drain(fixture, 3, "0:1 0:2 0:3 ");
}

static void a_ring_in_reverse_is_sorted(void **state) {
    struct fixture *fixture = *state;
    char expected[2048] = "";
    for (uint32_t i = 0; i < 100; i++) {
        produce(fixture, 0, 1000 - i, i);
        snprintf(expected + strlen(expected), 16, "0:%u ", 99 - i);
    }
    expect_drain(fixture, 100, expected);
}

static void discarded_records_are_skipped(void **state) {
    struct fixture *fixture = *state;
    produce(fixture, 0, 10, 1);
    submit(reserve(&fixture->memory[0], 16), KERNEL_RING_DISCARD);
    submit(reserve(&fixture->memory[0], 0), KERNEL_RING_DISCARD);
    produce(fixture, 0, 30, 3);
    expect_drain(fixture, 2, "0:1 0:3 ");
    assert_int_equal(position(fixture->memory[0].consumer), position(fixture->memory[0].producer));
}

static void records_wrap_around_the_end(void **state) {
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 3 * SIZE / 56; i++) { /* 56 does not divide the size: headers and payloads straddle it */
        uint32_t *header = reserve(&fixture->memory[0], 48);
        assert_non_null(header);
        fill(header, i, i);
        submit(header, 0);
        char expected[32];
        snprintf(expected, sizeof expected, "0:%u ", i);
        expect_drain(fixture, 1, expected);
    }
}

static void later_stamps_are_held_and_free_their_space(void **state) {
    struct fixture *fixture = *state;
    uint64_t soon = kernel_boottime_ns() + 400000000;
    produce(fixture, 0, soon + 2, 3);
    produce(fixture, 0, 10, 1);
    expect_drain(fixture, 1, "0:1 ");
    assert_int_equal(position(fixture->memory[0].consumer), position(fixture->memory[0].producer));
    produce(fixture, 1, soon + 1, 2);
    expect_drain(fixture, 0, "");
    produce(fixture, 0, 20, 4); /* stamped before the held ones: goes out alone */
    expect_drain(fixture, 1, "0:4 ");
    while (kernel_boottime_ns() <= soon + 2)
        usleep(1000);
    expect_drain(fixture, 2, "1:2 0:3 ");
    assert_int_equal(kernel_rings_late(fixture->rings), 0);
}

static void stamps_that_never_come_true_are_not_kept_for_ever(void **state) {
    struct fixture *fixture = *state;
    int64_t handed_out = 0;
    for (uint32_t i = 0; i < 1000 && handed_out == 0; i++) {
        produce(fixture, 0, UINT64_MAX, i);
        fixture->seen_length = 0;
        handed_out = kernel_rings_drain(fixture->rings, collect, fixture);
    }
    assert_int_equal(handed_out, SIZE / sizeof(struct kernel_record) + 1);
}

static void a_busy_record_stops_everything_until_submitted(void **state) {
    struct fixture *fixture = *state;
    uint32_t *busy = reserve(&fixture->memory[0], sizeof(struct kernel_record));
    produce(fixture, 0, 30, 3);
    produce(fixture, 1, 20, 2);
    expect_drain(fixture, 0, "");
    /* The other ring's space is free meanwhile. */
    assert_int_equal(position(fixture->memory[1].consumer), position(fixture->memory[1].producer));
    fill(busy, 10, 1);
    submit(busy, 0);
    expect_drain(fixture, 3, "0:1 1:2 0:3 ");
    assert_int_equal(kernel_rings_late(fixture->rings), 0);
}

static void a_stalled_producer_does_not_stop_the_others_for_ever(void **state) {
    struct fixture *fixture = *state;
    uint32_t *busy = reserve(&fixture->memory[0], sizeof(struct kernel_record));
    produce(fixture, 1, 20, 2);
    expect_drain(fixture, 0, "");
    usleep(KERNEL_RING_STALL_NS / 1000);
    expect_drain(fixture, 1, "1:2 ");
    fill(busy, 10, 1);
    submit(busy, 0);
    expect_drain(fixture, 1, "0:1 ");
    assert_int_equal(kernel_rings_late(fixture->rings), 1);
}

static void a_callback_that_says_no_drops_the_rest(void **state) {
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < 4; i++)
        produce(fixture, i & 1, 10 + i, i);
    fixture->stop_after = 2;
    expect_drain(fixture, -EINTR, "0:0 1:1 ");
    fixture->stop_after = -1;
    expect_drain(fixture, 0, "");
}

static void a_length_beyond_the_ring_is_refused(void **state) {
    struct fixture *fixture = *state;
    uint32_t *header = reserve(&fixture->memory[0], sizeof(struct kernel_record));
    *header = SIZE;
    produce(fixture, 1, 20, 2);
    expect_drain(fixture, -EBADMSG, "1:2 ");
}

static void a_record_without_room_for_a_stamp_is_refused(void **state) {
    struct fixture *fixture = *state;
    submit(reserve(&fixture->memory[0], 4), 0);
    expect_drain(fixture, -EBADMSG, "");
}

static void a_producer_position_out_of_range_is_refused(void **state) {
    struct fixture *fixture = *state;
    *(uint64_t *)fixture->memory[0].producer = 10 * SIZE;
    expect_drain(fixture, -EBADMSG, "");
}

static void an_idle_reader_sleeps_and_an_active_one_polls(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(kernel_rings_timeout(fixture->rings), -1);
    produce(fixture, 0, 10, 1);
    expect_drain(fixture, 1, "0:1 ");
    assert_int_equal(kernel_rings_timeout(fixture->rings), KERNEL_RING_POLL_MS);
    usleep(2 * KERNEL_RING_WAKE_NS / 1000);
    expect_drain(fixture, 0, "");
    assert_int_equal(kernel_rings_timeout(fixture->rings), -1);
}

/* A producer thread a ring, stamping after the reserve, now and then "interrupted" by a nested record. */
struct producer {
    const struct ring_memory *memory;
    uint32_t count;
};

static uint32_t *reserve_wait(const struct ring_memory *memory) {
    uint32_t *header;
    while (!(header = reserve(memory, sizeof(struct kernel_record))))
        sched_yield();
    return header;
}

static void *producer_main(void *argument) {
    const struct producer *producer = argument;
    for (uint32_t i = 0; i < producer->count;) {
        uint32_t *outer = reserve_wait(producer->memory);
        bool nest = i % 7 == 0 && i + 1 < producer->count &&
                    position(producer->memory->producer) - position(producer->memory->consumer) < SIZE / 2;
        uint64_t inner_stamp = 0;
        if (nest) {
            uint32_t *inner = reserve_wait(producer->memory);
            inner_stamp = kernel_boottime_ns();
            fill(inner, inner_stamp, i++);
            submit(inner, 0);
        }
        uint64_t stamp = kernel_boottime_ns();
        fill(outer, stamp > inner_stamp ? stamp : inner_stamp + 1, i++);
        submit(outer, 0);
    }
    return NULL;
}

struct checker {
    uint64_t last, count, disorder;
    uint32_t next[RINGS];
};

static bool check(void *user, uint32_t cpu, const void *payload, uint32_t size) {
    (void)size;
    struct checker *checker = user;
    struct kernel_record record;
    memcpy(&record, payload, sizeof record);
    checker->disorder += record.stamp < checker->last;
    checker->disorder += record.action != checker->next[cpu]++;
    checker->last = record.stamp;
    checker->count++;
    return true;
}

static void concurrent_producers_lose_nothing_and_keep_the_order(void **state) {
    struct fixture *fixture = *state;
    enum { COUNT = 20000 };
    pthread_t threads[RINGS];
    struct producer producers[RINGS];
    for (int i = 0; i < RINGS; i++) {
        producers[i] = (struct producer){.memory = &fixture->memory[i], .count = COUNT};
        assert_int_equal(pthread_create(&threads[i], NULL, producer_main, &producers[i]), 0);
    }
    struct checker checker = {0};
    while (checker.count < RINGS * COUNT)
        assert_true(kernel_rings_drain(fixture->rings, check, &checker) >= 0);
    for (int i = 0; i < RINGS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(checker.disorder, kernel_rings_late(fixture->rings));
    assert_int_equal(checker.count, RINGS * COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(empty_rings_give_nothing),
        TEST(records_of_two_rings_are_merged_by_stamp),
        TEST(equal_stamps_go_by_cpu_then_position),
        TEST(nested_records_of_one_ring_are_sorted),
        TEST(a_ring_in_reverse_is_sorted),
        TEST(discarded_records_are_skipped),
        TEST(records_wrap_around_the_end),
        TEST(later_stamps_are_held_and_free_their_space),
        TEST(stamps_that_never_come_true_are_not_kept_for_ever),
        TEST(a_busy_record_stops_everything_until_submitted),
        TEST(a_stalled_producer_does_not_stop_the_others_for_ever),
        TEST(a_callback_that_says_no_drops_the_rest),
        TEST(a_length_beyond_the_ring_is_refused),
        TEST(a_record_without_room_for_a_stamp_is_refused),
        TEST(a_producer_position_out_of_range_is_refused),
        TEST(an_idle_reader_sleeps_and_an_active_one_polls),
        TEST(concurrent_producers_lose_nothing_and_keep_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
