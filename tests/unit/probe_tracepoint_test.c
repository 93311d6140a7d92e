/* Tracepoints over a directory that looks like tracefs: lowering, fields, wildcards, errors, listing. */
#include "probe_test.h"

#include "kernel/tracefs.h"
#include "probe/probe_int.h"

static void a_system_call_becomes_the_raw_tracepoint_with_its_number(void **state) {
    const struct probe_target *target = only_target(*state, "tracepoint:syscalls:sys_enter_openat", false);

    assert_int_equal(target->mechanism, PROBE_SYSCALL_ENTER);
    assert_int_equal(target->syscall_number, probe_syscall_number("openat"));
    assert_null(target->args);
    assert_string_equal(target->name, "tracepoint:syscalls:sys_enter_openat");
    assert_int_equal(only_target(*state, "t:syscalls:sys_exit_openat", false)->mechanism, PROBE_SYSCALL_EXIT);
}

static void all_system_calls_have_no_number(void **state) {
    const struct probe_target *target = only_target(*state, "t:raw_syscalls:sys_enter", false);

    assert_int_equal(target->mechanism, PROBE_SYSCALL_ENTER);
    assert_int_equal(target->syscall_number, -1);
}

static void fields_are_read_only_when_asked(void **state) {
    const struct probe_target *target = only_target(*state, "t:syscalls:sys_enter_openat", true);
    uint32_t offset = 0;

    assert_int_equal(target->mechanism, PROBE_SYSCALL_ENTER);
    assert_non_null(type_find_field(target->args, "filename", &offset));
    assert_int_equal(offset, 24);
    assert_int_equal(target->args_space, SPACE_USER);
}

static void a_tracepoint_whose_fields_are_read_goes_through_perf(void **state) {
    const struct probe_target *target = only_target(*state, "t:demo:demo_switch", true);
    uint32_t offset = 0;

    assert_int_equal(target->mechanism, PROBE_PERF_TRACEPOINT);
    assert_int_equal(target->tracepoint_id, 372);
    assert_non_null(type_find_field(target->args, "comm", &offset));
    assert_int_equal(offset, 8);
}

static void a_struct_nobody_knows_stays_empty(void **state) {
    const struct probe_target *target = only_target(*state, "t:demo:demo_switch", true);
    const struct type_field *field = type_find_field(target->args, "task", &(uint32_t){0});

    assert_int_equal(field->type->kind, TYPE_POINTER);
    assert_string_equal(type_complete(field->type->target)->name, "nothing_known");
    assert_int_equal(field->type->target->field_count, 0);
}

static void a_call_that_the_table_does_not_know_goes_through_perf(void **state) {
    const struct probe_target *target = only_target(*state, "t:syscalls:sys_enter_from_the_future", true);

    assert_int_equal(target->mechanism, PROBE_PERF_TRACEPOINT);
    assert_int_equal(target->tracepoint_id, 999);
}

static void perf_can_take_over_from_raw(void **state) {
    struct fixture *fixture = *state;
    struct probe_target target = {.mechanism = PROBE_RAW_TRACEPOINT, .system = "demo", .event = "demo_switch"};

    assert_int_equal(probe_use_perf(&fixture->context, &target, &fixture->error), 0);
    assert_int_equal(target.mechanism, PROBE_PERF_TRACEPOINT);
    assert_int_equal(target.tracepoint_id, 372);
}

static void stars_match_in_both_parts(void **state) {
    struct fixture *fixture = *state;

    assert_int_equal(expand(fixture, "t:sys*:sys_enter_open*", false), 0);
    assert_int_equal(fixture->targets.items.count, 2);
    assert_string_equal(fixture->targets.items.data[0]->name, "tracepoint:syscalls:sys_enter_open");
    assert_string_equal(fixture->targets.items.data[1]->name, "tracepoint:syscalls:sys_enter_openat");
}

static void a_missing_tracepoint_gets_the_nearest(void **state) {
    expect_error(*state, "tracepoint:syscalls:nonsense", "No matches for tracepoint syscalls:nonsense.", "nonsense",
                 "list them with -l 'tracepoint:syscalls:*'");
    expect_error(*state, "t:demo:demo_swich", "No matches for tracepoint demo:demo_swich.", "demo_swich",
                 "did you mean demo_switch?");
    expect_error(*state, "t:dema:demo_switch", "No matches for tracepoint dema:demo_switch.", "dema",
                 "did you mean demo:demo_switch?");
    expect_error(*state, "t:demo:x*", "No matches for tracepoint demo:x*.", "x*", NULL);
    expect_error(*state, "t:demo:../../demo/demo_switch", "No matches for tracepoint demo:../../demo/demo_switch.",
                 "../../demo/demo_switch", NULL);
    assert_int_equal(((struct fixture *)*state)->error.kind, PROBE_ERROR_NO_MATCH);
    expect_error(*state, "t:x", "tracepoint probe type requires 2 arguments, found 1", "",
                 "write tracepoint:SYSTEM:EVENT");
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static void add_line(void *user, const char *line) { strbuf_addf(user, "%s\n", line); }

static void expect_list(void **state, const char *pattern, bool verbose, const char *expected) {
    struct fixture *fixture = *state;
    struct strbuf lines = {0};

    probe_list(&fixture->context, pattern, verbose, add_line, &lines, &fixture->error);
    assert_string_equal(strbuf_text(&lines), expected);
    strbuf_free(&lines);
}

static void listing_by_pattern(void **state) {
    expect_list(state, "t:demo:*", false, "tracepoint:demo:demo_switch\n");
    expect_list(state, "t:*enter_open", false, "tracepoint:syscalls:sys_enter_open\n");
    expect_list(state, "tracepoint:syscalls:sys_exit_openat", false, "tracepoint:syscalls:sys_exit_openat\n");
    expect_list(state, "*exit_openat*", false, "tracepoint:syscalls:sys_exit_openat\n");
    expect_list(state, "interval:*", false, "interval:hz:\ninterval:s:\ninterval:ms:\ninterval:us:\n");
    expect_list(state, "s:*cpu*", false, "software:cpu:\nsoftware:cpu-clock:\nsoftware:cpu-migrations:\n");
}

static void verbose_listing_shows_fields(void **state) {
    expect_list(state, "t:syscalls:sys_enter_openat", true,
                "tracepoint:syscalls:sys_enter_openat\n    int __syscall_nr\n    int dfd\n"
                "    const char * filename\n");
}

/* ---- system calls -------------------------------------------------------------------------------------------- */

static void names_that_differ_have_their_numbers(void **state) {
    (void)state;
#if defined(__x86_64__)
    static const struct {
        const char *name;
        int32_t number;
    } rows[] = {{"newstat", 4},     {"newfstat", 5}, {"newlstat", 6}, {"newuname", 63},     {"sendfile64", 40},
                {"umount", 166},    {"openat", 257}, {"pread64", 17}, {"newfstatat", 262},  {"uretprobe", 335},
                {"cachestat", 451}, {"mseal", 462},  {"read", 0},     {"file_getattr", 468}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(probe_syscall_number(rows[i].name), rows[i].number);
#endif
    assert_int_equal(probe_syscall_number("no_such_call"), -1);
}

static bool check_event(void *user, const char *name, bool is_directory) {
    (void)user;
    if (is_directory && str_starts(name, "sys_enter_") && probe_syscall_number(name + strlen("sys_enter_")) < 0)
        fail_msg("%s has no number", name);
    return true;
}

static void every_system_call_of_this_kernel_has_a_number(void **state) {
    struct fixture *fixture = *state;
    int error = 0;
    struct kernel_tracefs *tracefs = kernel_tracefs_open(fixture->arena, &error);

    if (!tracefs) {
        print_message("skipped: tracefs can not be opened (%s)\n", strerror(-error));
        skip();
    }
    assert_int_equal(kernel_tracefs_list(tracefs, "events/syscalls", check_event, NULL), 0);
    kernel_tracefs_close(tracefs);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_system_call_becomes_the_raw_tracepoint_with_its_number),
        TEST(all_system_calls_have_no_number),
        TEST(fields_are_read_only_when_asked),
        TEST(a_tracepoint_whose_fields_are_read_goes_through_perf),
        TEST(a_struct_nobody_knows_stays_empty),
        TEST(a_call_that_the_table_does_not_know_goes_through_perf),
        TEST(perf_can_take_over_from_raw),
        TEST(stars_match_in_both_parts),
        TEST(a_missing_tracepoint_gets_the_nearest),
        TEST(listing_by_pattern),
        TEST(verbose_listing_shows_fields),
        TEST(names_that_differ_have_their_numbers),
        TEST(every_system_call_of_this_kernel_has_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
