/* Rules from code alone: what is believed, and what is not. */
#include "unit.h"

#include "unwind/code.h"

enum { START = 0x1000 };

struct seen {
    int32_t sp[32], bp[32]; /* by offset: CFA - sp (0: gap), CFA - where bp is saved */
    unsigned size;
};

static void see(void *context, uint64_t address, const struct unwind_rule *rule) {
    struct seen *seen = context;

    for (uint64_t at = address - START; at < seen->size; at++) {
        seen->sp[at] = rule->cfa_kind == UNWIND_CFA_SP ? rule->cfa_offset : 0;
        seen->bp[at] = rule->bp_kind == UNWIND_BP_AT_CFA ? -rule->bp_offset : 0;
    }
}

static struct seen look(const uint8_t *code, size_t size) {
    struct seen seen = {.size = (unsigned)size};

    unwind_code_rules(code, size, START, see, &seen);
    return seen;
}

#define LOOK(...) look((uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void test_a_frame(void **state) {
    /* push %rbp; mov %rsp,%rbp; sub $16,%rsp; call; leave; ret */
    struct seen seen = LOOK(0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0xe8, 1, 0, 0, 0, 0xc9, 0xc3);
    (void)state;

    assert_int_equal(seen.sp[0], 8);
    assert_int_equal(seen.bp[0], 0);
    assert_int_equal(seen.sp[1], 16);
    assert_int_equal(seen.bp[1], 16);
    assert_int_equal(seen.sp[8], 32);
    assert_int_equal(seen.sp[13], 32);
    assert_int_equal(seen.sp[14], 8);
    assert_int_equal(seen.bp[14], 0);
}

static void test_jumps(void **state) {
    /* test; je +3; push %rbx; pop %rbx; ret; ret */
    struct seen seen = LOOK(0x85, 0xc0, 0x74, 3, 0x53, 0x5b, 0xc3, 0xc3);
    (void)state;

    assert_int_equal(seen.sp[5], 16);
    assert_int_equal(seen.sp[7], 8);
    /* two ways that do not agree: je over a push */
    seen = LOOK(0x85, 0xc0, 0x74, 1, 0x53, 0x90, 0xc3);
    assert_int_equal(seen.sp[0], 0);
}

static void test_what_is_not_believed(void **state) {
    static const struct {
        uint8_t code[16], size;
    } cases[] = {
        {{0x53, 0xc3}, 2},                            /* push; ret */
        {{0x48, 0x89, 0xfc, 0xc3}, 4},                /* mov %rdi,%rsp */
        {{0x48, 0x83, 0xe4, 0xf0, 0xc3}, 5},          /* and $-16,%rsp */
        {{0x31, 0xed, 0xc3}, 3},                      /* bp is lost */
        {{0x5d, 0xc3}, 2},                            /* pops bp, which it did not push */
        {{0xe8, 0, 0, 0, 0, 0x58, 0xc3}, 7},          /* call the next instruction */
        {{0x48, 0x81, 0xec, 0, 0, 0, 0x7f, 0xc3}, 8}, /* a frame of 2 GB */
        {{0x06, 0xc3}, 2},                            /* no instruction */
        {{0xc3, 0x90, 0x53}, 3},                      /* nothing leads to what follows */
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen = look(cases[i].code, cases[i].size);
        assert_int_equal(seen.sp[cases[i].size - 1], 0);
    }
}

/* Damage ends at the next aligned place behind padding. */
static void test_after_damage(void **state) {
    struct seen seen = LOOK(0x06, 0x06, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
                            0xcc, 0x53, 0x5b, 0xc3);
    (void)state;

    assert_int_equal(seen.sp[0], 0);
    assert_int_equal(seen.sp[16], 8);
    assert_int_equal(seen.sp[17], 16);
    assert_int_equal(seen.sp[18], 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_frame), cmocka_unit_test(test_jumps),
                                       cmocka_unit_test(test_what_is_not_believed),
                                       cmocka_unit_test(test_after_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
