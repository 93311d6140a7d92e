/* Programs attached to this process's own events. Needs the right to load BPF programs; else each test is skipped. */
#include "probe_test.h"

#include "kernel/bpf.h"
#include "kernel/proc.h"

#include <errno.h>
#include <time.h>

enum { SPIN_SECONDS_MAX = 5 };

__attribute__((noinline, used)) int attach_test_one(int x) {
    __asm__ volatile("" : "+r"(x));
    return x + 1;
}
__attribute__((noinline, used)) int attach_test_two(int x) {
    __asm__ volatile("" : "+r"(x));
    return x + 2;
}

/* A program that counts its runs in a map. */
struct counter {
    int map_fd, program_fd;
};

static void load_counter(struct fixture *fixture, const struct probe_target *target, struct counter *counter) {
    const struct kernel_map_spec map = {
        .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1, .name = "count"};
    const struct probe_program program = probe_program(&fixture->context, target);

    counter->map_fd = kernel_map_create(&map);
    if (counter->map_fd == -EPERM) {
        print_message("skipped: not permitted to make BPF maps\n");
        skip();
    }
    const struct bpf_insn instructions[] = {
        {.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = counter->map_fd},
        {0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 1},
        {.code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = 1, .src_reg = 2, .imm = BPF_ADD},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    const struct kernel_program_spec spec = {.type = program.type,
                                             .expected_attach_type = program.expected_attach_type,
                                             .attach_btf_id = program.attach_btf_id,
                                             .name = "counter",
                                             .instructions = instructions,
                                             .count = sizeof instructions / sizeof *instructions};
    counter->program_fd = kernel_program_load(&spec);
    assert_true(counter->program_fd >= 0);
}

static uint64_t counted(const struct counter *counter) {
    uint64_t value = 0;

    assert_int_equal(kernel_map_lookup(counter->map_fd, &(uint32_t){0}, &value), 0);
    return value;
}

static void free_counter(struct counter *counter) {
    close(counter->program_fd);
    close(counter->map_fd);
}

/* Attaches one counter to all targets of fixture->targets. */
static void attach(struct fixture *fixture, struct counter *counter, struct probe_link *link) {
    load_counter(fixture, fixture->targets.items.data[0], counter);
    const struct probe_target *const *targets = (const struct probe_target *const *)fixture->targets.items.data;
    int result = probe_attach(&fixture->context, link, counter->program_fd, targets, NULL, fixture->targets.items.count,
                              &fixture->error);
    if (result != 0)
        fail_msg("%s", fixture->error.message);
}

static void use_real_kernel(struct fixture *fixture) {
    fixture->context.tracefs_path = NULL;
    fixture->context.features = kernel_features_new(fixture->arena);
}

static void must_expand(struct fixture *fixture, const char *text, bool want_args) {
    if (expand(fixture, text, want_args) == 0)
        return;
    if (fixture->error.kind == PROBE_ERROR_PERMISSION) {
        print_message("skipped: %s\n", fixture->error.message);
        skip();
    }
    fail_msg("%s: %s", text, fixture->error.message);
}

static void expect_uprobes_count(struct fixture *fixture) {
    struct counter counter;
    struct probe_link link;

    fixture->context.pid = getpid();
    must_expand(fixture, "uprobe:attach_test_*", false);
    attach(fixture, &counter, &link);
    assert_int_equal(link.attached, 2);
    attach_test_one(1);
    attach_test_two(1);
    attach_test_two(1);
    assert_int_equal(counted(&counter), 3);
    probe_detach(&link);
    attach_test_one(1);
    assert_int_equal(counted(&counter), 3);
    free_counter(&counter);
}

static void uprobes_count_every_call(void **state) {
    use_real_kernel(*state);
    expect_uprobes_count(*state);
}

static void uprobes_work_without_multi(void **state) { expect_uprobes_count(*state); }

static void returns_are_counted(void **state) {
    struct fixture *fixture = *state;
    struct counter counter;
    struct probe_link link;

    use_real_kernel(fixture);
    fixture->context.pid = getpid();
    must_expand(fixture, "uretprobe:attach_test_one", false);
    attach(fixture, &counter, &link);
    attach_test_one(1);
    assert_int_equal(counted(&counter), 1);
    probe_detach(&link);
    free_counter(&counter);
}

static void bad_places_are_found_among_good_ones(void **state) {
    struct fixture *fixture = *state;
    struct counter counter;
    struct probe_link link;

    use_real_kernel(fixture);
    fixture->context.pid = getpid();
    must_expand(fixture, "uprobe:attach_test_*", false);
    struct probe_target bad = *fixture->targets.items.data[0];
    bad.offset = 1ull << 40;
    bad.name = "uprobe:bad";
    vec_push(fixture->arena, &fixture->targets.items, &bad);
    attach(fixture, &counter, &link);
    assert_int_equal(link.attached, 2);
    assert_int_equal(link.failures.count, 1);
    assert_string_equal(link.failures.data[0].target->name, "uprobe:bad");
    assert_int_equal(link.failures.data[0].error, -EINVAL);
    attach_test_one(1);
    attach_test_two(1);
    assert_int_equal(counted(&counter), 2);
    probe_detach(&link);
    free_counter(&counter);
}

static void cause_nothing(void) { getppid(); }
static void cause_switch(void) { nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL); }

/* Attaches, causes the event until it is counted, leaves, and sees that nothing is counted any more. */
static void expect_event(struct fixture *fixture, const char *text, bool want_args, enum probe_mechanism mechanism,
                         void (*cause)(void)) {
    struct counter counter;
    struct probe_link link, *links[] = {&link};
    uint64_t end = kernel_monotonic_ns() + SPIN_SECONDS_MAX * 1000000000ull;

    use_real_kernel(fixture);
    must_expand(fixture, text, want_args);
    assert_int_equal(fixture->targets.items.data[0]->mechanism, mechanism);
    attach(fixture, &counter, &link);
    while (counted(&counter) == 0 && kernel_monotonic_ns() < end)
        cause();
    assert_true(counted(&counter) > 0);
    probe_leave_all(links, 1);
    uint64_t before = counted(&counter);
    for (int i = 0; i < 100; i++)
        cause();
    assert_int_equal(counted(&counter), before);
    free_counter(&counter);
}

static void system_calls_arrive(void **state) {
    expect_event(*state, "tracepoint:syscalls:sys_enter_getppid", false, PROBE_SYSCALL_ENTER, cause_nothing);
}

static void plain_raw_tracepoints_arrive(void **state) {
    expect_event(*state, "tracepoint:sched:sched_switch", false, PROBE_RAW_TRACEPOINT, cause_switch);
}

static void perf_tracepoints_arrive(void **state) {
    expect_event(*state, "tracepoint:sched:sched_switch", true, PROBE_PERF_TRACEPOINT, cause_switch);
}

static void typed_raw_tracepoints_arrive(void **state) {
    struct fixture *fixture = *state;

    use_real_kernel(fixture);
    if (!probe_btf(&fixture->context)) {
        print_message("skipped: this kernel has no BTF\n");
        skip();
    }
    expect_event(fixture, "rawtracepoint:sched_switch", true, PROBE_BTF_TRACEPOINT, cause_switch);
    assert_true(type_complete(fixture->targets.items.data[0]->args)->field_count > 0);
}

static void samples_arrive(void **state) {
    expect_event(*state, "profile:ms:1", false, PROBE_PERF_SAMPLE, cause_nothing);
}

static void intervals_arrive(void **state) {
    expect_event(*state, "interval:ms:1", false, PROBE_PERF_SAMPLE, cause_nothing);
}

static void a_refused_event_says_why(void **state) {
    struct fixture *fixture = *state;
    struct counter counter;
    struct probe_link link;

    must_expand(fixture, "profile:hz:4000000000", false);
    load_counter(fixture, fixture->targets.items.data[0], &counter);
    const struct probe_target *const *targets = (const struct probe_target *const *)fixture->targets.items.data;
    assert_int_equal(probe_attach(&fixture->context, &link, counter.program_fd, targets, NULL, 1, &fixture->error),
                     -EINVAL);
    assert_string_equal(fixture->error.message, "opening the perf event of profile:hz:4000000000: Invalid argument");
    assert_string_equal(fixture->error.hint, "the frequency may be above kernel.perf_event_max_sample_rate");
    free_counter(&counter);
}

static void a_tracepoint_that_is_not_there_says_so(void **state) {
    struct fixture *fixture = *state;
    const struct probe_target target = {
        .mechanism = PROBE_RAW_TRACEPOINT, .name = "tracepoint:x:no_such", .event = "no_such"};
    const struct probe_target *const targets[] = {&target};
    struct counter counter;
    struct probe_link link;

    load_counter(fixture, &target, &counter);
    assert_int_equal(probe_attach(&fixture->context, &link, counter.program_fd, targets, NULL, 1, &fixture->error),
                     -ENOENT);
    assert_int_equal(fixture->error.kind, PROBE_ERROR_NO_MATCH);
    free_counter(&counter);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(uprobes_count_every_call), TEST(uprobes_work_without_multi),
        TEST(returns_are_counted),      TEST(bad_places_are_found_among_good_ones),
        TEST(system_calls_arrive),      TEST(plain_raw_tracepoints_arrive),
        TEST(perf_tracepoints_arrive),  TEST(typed_raw_tracepoints_arrive),
        TEST(samples_arrive),           TEST(intervals_arrive),
        TEST(a_refused_event_says_why), TEST(a_tracepoint_that_is_not_there_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
