/* profile, interval, software, begin and end: forms, periods, names. No kernel and no root needed. */
#include "base/str.h"
#include "probe_test.h"

#include <linux/perf_event.h>

static void expect_clock(struct fixture *fixture, const char *text, const char *name, uint64_t period,
                         uint64_t frequency) {
    const struct probe_target *target = only_target(fixture, text, false);

    assert_string_equal(target->name, name);
    assert_int_equal(target->mechanism, PROBE_PERF_SAMPLE);
    assert_int_equal(target->event_config, PERF_COUNT_SW_CPU_CLOCK);
    assert_int_equal(target->period, period);
    assert_int_equal(target->frequency, frequency);
}

static void a_unit_and_a_number(void **state) {
    expect_clock(*state, "profile:hz:99", "profile:hz:99", 0, 99);
    expect_clock(*state, "interval:s:1", "interval:s:1", 1000000000, 0);
    expect_clock(*state, "i:ms:100", "interval:ms:100", 100000000, 0);
    expect_clock(*state, "P:us:10", "profile:us:10", 10000, 0);
}

static void a_duration(void **state) {
    expect_clock(*state, "interval:1s", "interval:us:1000000", 1000000000, 0);
    expect_clock(*state, "interval:100ms", "interval:us:100000", 100000000, 0);
    expect_clock(*state, "interval:1m", "interval:us:60000000", 60000000000, 0);
    expect_clock(*state, "profile:99hz", "profile:hz:99", 0, 99);
}

static void a_bare_number_is_nanoseconds_cut_to_microseconds(void **state) {
    expect_clock(*state, "interval:1999", "interval:us:1", 1000, 0);
    expect_clock(*state, "interval:1_000_000", "interval:us:1000", 1000000, 0);
    expect_clock(*state, "interval:1e9", "interval:us:1000000", 1000000000, 0);
}

static void only_interval_is_on_one_cpu(void **state) {
    assert_true(only_target(*state, "interval:s:1", false)->one_cpu);
    assert_false(only_target(*state, "profile:s:1", false)->one_cpu);
}

static void wrong_clocks_are_refused(void **state) {
    expect_error(*state, "interval:999", "interval: the shortest period is 1000 ns", "999",
                 "a number without a unit is nanoseconds; write 1s, 100ms or 10us");
    expect_error(*state, "interval:s:0", "interval: '0' is not a positive number", "0", NULL);
    expect_error(*state, "profile:hz:x", "profile: 'x' is not a positive number", "x", NULL);
    expect_error(*state, "profile:h:1", "profile: 'h' is not a unit of time", "h", "units are hz, s, ms and us");
    expect_error(*state, "interval:1parsec", "interval: '1parsec' is not a positive number", "1parsec", NULL);
    expect_error(*state, "interval:s:99999999999999", "interval: '99999999999999' is too long", "99999999999999", NULL);
    expect_error(*state, "interval", "interval probe type requires 1 or 2 arguments, found 0", "",
                 "write interval:s:1 or interval:100ms");
}

static void a_software_event_has_a_default_count(void **state) {
    static const struct {
        const char *text, *name;
        uint32_t config;
        uint64_t period;
    } rows[] = {
        {"software:page-faults:", "software:page-faults:100", PERF_COUNT_SW_PAGE_FAULTS, 100},
        {"software:faults", "software:faults:100", PERF_COUNT_SW_PAGE_FAULTS, 100},
        {"s:cs:", "software:cs:1000", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000},
        {"s:cpu", "software:cpu:1000000", PERF_COUNT_SW_CPU_CLOCK, 1000000},
        {"s:major-faults:7", "software:major-faults:7", PERF_COUNT_SW_PAGE_FAULTS_MAJ, 7},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct probe_target *target = only_target(*state, rows[i].text, false);
        assert_string_equal(target->name, rows[i].name);
        assert_int_equal(target->event_config, rows[i].config);
        assert_int_equal(target->period, rows[i].period);
    }
}

static void wrong_software_events_are_refused(void **state) {
    expect_error(*state, "software:page-fault:", "No matches for software event page-fault.", "page-fault",
                 "did you mean page-faults?");
    expect_error(*state, "software:cs:-1", "software: '-1' is not a positive count", "-1", NULL);
}

static void begin_and_end_run_once(void **state) {
    static const char *const spellings[] = {"begin", "BEGIN", "Begin", "end", "END"};

    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        const struct probe_target *target = only_target(*state, spellings[i], false);
        assert_int_equal(target->mechanism, PROBE_RUN_ONCE);
        assert_string_equal(target->name, i < 3 ? "begin" : "end");
    }
    expect_error(*state, "begin:x", "begin probe type requires no arguments, found 1", "", "write begin");
}

static void providers_have_aliases(void **state) {
    static const char *const rows[][2] = {
        {"t", "tracepoint"}, {"RT", "rawtracepoint"}, {"p", "profile"},     {"i", "interval"}, {"s", "software"},
        {"u", "uprobe"},     {"ur", "uretprobe"},     {"Uprobe", "uprobe"}, {"END", "end"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(probe_kind_name(rows[i][0], strlen(rows[i][0])), rows[i][1]);
    assert_null(probe_kind_name("x", 1));
}

static void an_unknown_provider_gets_the_nearest(void **state) {
    struct fixture *fixture = *state;

    expect_error(*state, "foo:x", "Invalid probe type: foo", "foo", NULL);
    assert_true(str_starts(fixture->error.hint, "probe types are begin, end, "));
    assert_non_null(strstr(fixture->error.hint, ", tracepoint, uprobe, uretprobe"));
    expect_error(*state, "trcepoint:a:b", "Invalid probe type: trcepoint", "trcepoint", "did you mean tracepoint?");
}

static void broken_texts_are_refused(void **state) {
    expect_error(*state, "uprobe:\"/bin/x", "a quote is not closed: \"/bin/x", "\"/bin/x", NULL);
    expect_error(*state, "t:a:b:c:d:e", "too many ':' in attach point 't:a:b:c:d:e'", "e", NULL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_unit_and_a_number),
        TEST(a_duration),
        TEST(a_bare_number_is_nanoseconds_cut_to_microseconds),
        TEST(only_interval_is_on_one_cpu),
        TEST(wrong_clocks_are_refused),
        TEST(a_software_event_has_a_default_count),
        TEST(wrong_software_events_are_refused),
        TEST(begin_and_end_run_once),
        TEST(providers_have_aliases),
        TEST(an_unknown_provider_gets_the_nearest),
        TEST(broken_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
