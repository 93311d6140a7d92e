#include "unit.h"

#include "object/kallsyms.h"
#include "symbol/symbol.h"
#include <inttypes.h>
#include <stdio.h>

struct fixture {
    struct arena *arena;
    struct symbol_cache *cache;
    uint64_t schedule; /* address; 0 when the kernel does not tell */
};

static int open_cache(void **state) {
    static struct fixture fixture;
    static const char *const name = "schedule";

    fixture.arena = arena_new();
    fixture.cache = symbol_cache_new(fixture.arena);
    fixture.schedule = 0;
    object_kallsyms_find(NULL, &name, 1, &fixture.schedule);
    *state = &fixture;
    return 0;
}

static int close_cache(void **state) {
    struct fixture *fixture = *state;

    symbol_cache_close(fixture->cache);
    arena_free(fixture->arena);
    return 0;
}

static struct fixture *with_addresses(void **state) {
    struct fixture *fixture = *state;

    if (!fixture->schedule)
        skip();
    return fixture;
}

static void address_inside_a_function(void **state) {
    struct fixture *fixture = with_addresses(state);
    struct symbol_name symbol;

    assert_true(symbol_kernel(fixture->cache, fixture->schedule + 5, &symbol));
    assert_string_equal(symbol.name, "schedule");
    assert_int_equal(symbol.offset, 5);
    assert_string_equal(symbol.module, "[kernel.kallsyms]");
}

static void name_alone(void **state) {
    struct fixture *fixture = with_addresses(state);
    struct strbuf out = {0};

    symbol_format_ksym(fixture->cache, fixture->schedule + 5, &out);
    assert_string_equal(strbuf_text(&out), "schedule");
    strbuf_free(&out);
}

static void address_that_is_nothing_stays_one(void **state) {
    struct fixture *fixture = *state;
    struct symbol_name symbol;
    struct strbuf out = {0};

    assert_false(symbol_kernel(fixture->cache, 0x1234, &symbol));
    assert_null(symbol.name);
    symbol_format_ksym(fixture->cache, 0x1234, &out);
    assert_string_equal(strbuf_text(&out), "0x1234");
    strbuf_free(&out);
}

static void expect_stack(struct fixture *fixture, enum symbol_stack_mode mode, const char *text) {
    uint64_t ips[] = {fixture->schedule + 5, fixture->schedule + 9, 0x1234};
    struct strbuf out = {0};

    symbol_format_kernel_stack(fixture->cache, ips, 3, mode, &out);
    assert_string_equal(strbuf_text(&out), text);
    strbuf_free(&out);
}

static void stack_in_each_mode(void **state) {
    struct fixture *fixture = with_addresses(state);
    char perf[256], raw[256];

    expect_stack(fixture, SYMBOL_STACK_BPFTRACE,
                 "\n"
                 "        schedule+5\n"
                 "        schedule+9\n"
                 "        0x1234\n");
    snprintf(perf, sizeof perf, "\n\t%" PRIx64 " schedule+5\n\t%" PRIx64 " schedule+9\n\t1234 0x1234\n",
             fixture->schedule + 5, fixture->schedule + 9);
    expect_stack(fixture, SYMBOL_STACK_PERF, perf);
    snprintf(raw, sizeof raw, "\n%" PRIx64 "\n%" PRIx64 "\n1234\n", fixture->schedule + 5, fixture->schedule + 9);
    expect_stack(fixture, SYMBOL_STACK_RAW, raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_inside_a_function),
        cmocka_unit_test(name_alone),
        cmocka_unit_test(address_that_is_nothing_stays_one),
        cmocka_unit_test(stack_in_each_mode),
    };

    return cmocka_run_group_tests(tests, open_cache, close_cache);
}
