/* The builder: printed form, folding, sharing along the dominator tree. */
#include "ir/ir.h"
#include "unit.h"
#include <stdlib.h>

struct fixture {
    struct arena *arena;
    struct ir_module *module;
    struct ir_function *f;
};

static int set_up(void **state) {
    struct fixture *x = calloc(1, sizeof *x);
    x->arena = arena_new();
    x->module = ir_module_new(x->arena, "test");
    x->f = ir_function_new(x->module, IR_MAIN, "main");
    *state = x;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *x = *state;
    arena_free(x->arena);
    free(x);
    return 0;
}

static ir_value number(struct ir_function *f, int64_t n) { return ir_constant(f, n); }
static ir_value unknown(struct ir_function *f) { return ir_call0(f, IR_HELPER_ktime_get_ns); }

static void expect_text(const struct ir_module *module, const char *expected) {
    struct strbuf out = {0};
    ir_print(module, &out);
    assert_string_equal(strbuf_text(&out), expected);
    strbuf_free(&out);
}

static void expect_constant(struct ir_function *f, ir_value value, int64_t expected) {
    int64_t found;
    assert_true(ir_is_constant(f, value, &found));
    assert_int_equal(found, expected);
}

static void prints_every_shape(void **state) {
    struct fixture *x = *state;
    ir_slot slot = ir_slot_new(x->module, 12, "key");
    ir_value context = ir_context(x->f), a = ir_load_const(x->f, 4, context, 8);
    ir_value sum = ir_binary(x->f, IR_ADD, a, number(x->f, 5));
    ir_store(x->f, 8, ir_slot_address(x->f, slot), 0, sum);
    ir_value found = ir_calln(x->f, IR_HELPER_map_lookup_elem, ir_map(x->f, 3), ir_slot_address(x->f, slot));
    ir_block yes = ir_block_new(x->f, 0), no = ir_block_new(x->f, 0);
    ir_branch(x->f, ir_binary(x->f, IR_EQ, found, number(x->f, 0)), no, yes);
    ir_enter(x->f, yes);
    ir_atomic(x->f, IR_ATOMIC_ADD, 8, found, -8, sum, IR_NONE);
    ir_atomic(x->f, IR_ATOMIC_CMPXCHG, 4, ir_map_value(x->f, 1, 16), 0, a, sum);
    ir_jump(x->f, no);
    ir_enter(x->f, no);
    ir_return(x->f, ir_extend(x->f, sum, 2, true));
    ir_verify(x->module);
    expect_text(x->module, "slot s0 16 key\n"
                           "main main\n"
                           "b0:\n"
                           "    v0 = context\n"
                           "    v1 = load_const.4 [v0 + 8]\n"
                           "    v2 = constant 5\n"
                           "    v3 = add v1, v2\n"
                           "    v4 = slot s0\n"
                           "    store.8 [v4 + 0], v3\n"
                           "    v6 = map m3\n"
                           "    v7 = call map_lookup_elem(v6, v4)\n"
                           "    v8 = constant 0\n"
                           "    v9 = eq v7, v8\n"
                           "    branch v9, b2, b1\n"
                           "b1:\n"
                           "    atomic_add.8 [v7 - 8], v3\n"
                           "    v12 = map_value m1 + 16\n"
                           "    v13 = atomic_cmpxchg.4 [v12 + 0], v1, v3\n"
                           "    jump b2\n"
                           "b2:\n"
                           "    v15 = sext.2 v3\n"
                           "    return v15\n");
}

static void folds_constants(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    expect_constant(f, ir_binary(f, IR_ADD, number(f, 2), number(f, 3)), 5);
    expect_constant(f, ir_binary(f, IR_UDIV, number(f, 7), number(f, 0)), 0);
    expect_constant(f, ir_binary(f, IR_UMOD, number(f, 7), number(f, 0)), 7);
    expect_constant(f, ir_binary(f, IR_SDIV, number(f, INT64_MIN), number(f, -1)), INT64_MIN);
    expect_constant(f, ir_binary(f, IR_SMOD, number(f, -7), number(f, 2)), -1);
    expect_constant(f, ir_binary(f, IR_SHL, number(f, 1), number(f, 65)), 2);
    expect_constant(f, ir_binary(f, IR_ASHR, number(f, -8), number(f, 1)), -4);
    expect_constant(f, ir_binary(f, IR_UMIN, number(f, -1), number(f, 1)), 1);
    expect_constant(f, ir_binary(f, IR_ULT, number(f, -1), number(f, 1)), 0);
    expect_constant(f, ir_binary(f, IR_SLT, number(f, -1), number(f, 1)), 1);
    expect_constant(f, ir_unary(f, IR_NEG, number(f, 5)), -5);
    expect_constant(f, ir_unary(f, IR_NOT, number(f, 0)), -1);
    expect_constant(f, ir_extend(f, number(f, 0x1ff), 1, true), -1);
    expect_constant(f, ir_extend(f, number(f, -1), 4, false), UINT32_MAX);
    expect_constant(f, ir_byte_swap(f, number(f, 0x1234), 2), 0x3412);
}

static void folds_identities(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value x = unknown(f);
    assert_int_equal(ir_binary(f, IR_ADD, x, number(f, 0)), x);
    assert_int_equal(ir_binary(f, IR_MUL, number(f, 1), x), x);
    assert_int_equal(ir_binary(f, IR_AND, x, number(f, -1)), x);
    assert_int_equal(ir_binary(f, IR_OR, x, x), x);
    assert_int_equal(ir_unary(f, IR_NEG, ir_unary(f, IR_NEG, x)), x);
    assert_int_equal(ir_extend(f, x, 8, true), x);
    expect_constant(f, ir_binary(f, IR_SUB, x, x), 0);
    expect_constant(f, ir_binary(f, IR_MUL, x, number(f, 0)), 0);
    expect_constant(f, ir_binary(f, IR_UDIV, x, number(f, 0)), 0);
    assert_int_equal(ir_binary(f, IR_UMOD, x, number(f, 0)), x);
    expect_constant(f, ir_binary(f, IR_ULT, x, number(f, 0)), 0);
    expect_constant(f, ir_binary(f, IR_UGE, x, x), 1);
}

static void turns_powers_of_two_into_shifts_and_masks(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value x = unknown(f), product = ir_binary(f, IR_MUL, x, number(f, 8)),
             quotient = ir_binary(f, IR_UDIV, x, number(f, 16)), rest = ir_binary(f, IR_UMOD, x, number(f, 16));
    assert_int_equal(f->values.data[product].op, IR_SHL);
    expect_constant(f, f->values.data[product].b, 3);
    assert_int_equal(f->values.data[quotient].op, IR_LSHR);
    expect_constant(f, f->values.data[quotient].b, 4);
    assert_int_equal(f->values.data[rest].op, IR_AND);
    expect_constant(f, f->values.data[rest].b, 15);
}

static void signed_division_by_a_power_of_two_stays(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value quotient = ir_binary(f, IR_SDIV, unknown(f), number(f, 16)); /* -1 / 16 is 0, -1 >> 4 is -1 */
    assert_int_equal(f->values.data[quotient].op, IR_SDIV);
}

static void combines_offsets(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value p = unknown(f), q = ir_add_offset(f, ir_add_offset(f, p, 8), 16);
    assert_int_equal(f->values.data[q].a, p);
    expect_constant(f, f->values.data[q].b, 24);
    ir_value loaded = ir_load(f, 8, q, 4);
    assert_int_equal(f->values.data[loaded].a, p);
    assert_int_equal(f->values.data[loaded].immediate, 28);
    ir_value far = ir_load(f, 8, p, 100000); /* does not fit 16 bits */
    assert_int_equal(f->values.data[far].immediate, 0);
    assert_int_equal(f->values.data[f->values.data[far].a].op, IR_ADD);
    assert_int_equal(ir_add_offset(f, ir_map_value(f, 1, 8), 8), ir_map_value(f, 1, 16));
}

static void drops_masks_of_narrow_values(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value byte = ir_load(f, 1, ir_context(f), 0);
    assert_int_equal(ir_binary(f, IR_AND, byte, number(f, 0xff)), byte);
    assert_int_equal(ir_extend(f, byte, 4, false), byte);
    assert_int_equal(ir_extend(f, byte, 4, true), byte);
    assert_int_not_equal(ir_extend(f, byte, 1, true), byte);
    assert_int_not_equal(ir_binary(f, IR_AND, byte, number(f, 0x7f)), byte);
    expect_constant(f, ir_binary(f, IR_ULT, byte, number(f, 256)), 1);
    expect_constant(f, ir_binary(f, IR_EQ, byte, number(f, 256)), 0);
}

static void inverts_compares_instead_of_testing_them(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value less = ir_binary(f, IR_ULT, unknown(f), unknown(f)), not_less = ir_binary(f, IR_EQ, less, number(f, 0));
    assert_int_equal(f->values.data[not_less].op, IR_UGE);
    assert_int_equal(ir_binary(f, IR_NE, less, number(f, 0)), less);
    assert_int_equal(ir_binary(f, IR_XOR, less, number(f, 1)), not_less);
}

static void store_needs_no_extension(void **state) {
    struct fixture *x = *state;
    ir_value wide = unknown(x->f);
    ir_store(x->f, 2, ir_slot_address(x->f, ir_slot_new(x->module, 8, "s")), 0, ir_extend(x->f, wide, 4, false));
    assert_int_equal(x->f->values.data[x->f->values.count - 1].b, wide);
}

static void shares_equal_values_and_constant_calls(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value a = unknown(f), b = unknown(f);
    assert_int_not_equal(a, b); /* a clock is never shared */
    assert_int_equal(ir_binary(f, IR_XOR, a, b), ir_binary(f, IR_XOR, b, a));
    assert_int_not_equal(ir_binary(f, IR_SUB, a, b), ir_binary(f, IR_SUB, b, a));
    assert_int_equal(ir_call0(f, IR_HELPER_get_current_pid_tgid), ir_call0(f, IR_HELPER_get_current_pid_tgid));
    ir_value slot = ir_context(f);
    assert_int_not_equal(ir_load(f, 8, slot, 0), ir_load(f, 8, slot, 0)); /* memory may change between */
    assert_int_equal(ir_load_const(f, 8, slot, 0), ir_load_const(f, 8, slot, 0));
}

static void shares_from_dominating_blocks_only(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_value above = ir_call0(f, IR_HELPER_get_current_pid_tgid);
    ir_block yes = ir_block_new(f, 0), no = ir_block_new(f, 0), join = ir_block_new(f, 0);
    ir_branch(f, unknown(f), yes, no);
    ir_enter(f, yes);
    assert_int_equal(ir_call0(f, IR_HELPER_get_current_pid_tgid), above);
    ir_value left = ir_call0(f, IR_HELPER_get_current_uid_gid);
    ir_jump(f, join);
    ir_enter(f, no);
    ir_value right = ir_call0(f, IR_HELPER_get_current_uid_gid);
    assert_int_not_equal(left, right);
    ir_jump(f, join);
    ir_enter(f, join);
    ir_value below = ir_call0(f, IR_HELPER_get_current_uid_gid);
    assert_int_not_equal(below, left);
    assert_int_not_equal(below, right);
    ir_return(f, below);
    ir_verify(f->module);
}

static void constant_branch_is_a_jump(void **state) {
    struct ir_function *f = ((struct fixture *)*state)->f;
    ir_block yes = ir_block_new(f, 0), no = ir_block_new(f, 0);
    assert_false(ir_finished(f));
    ir_branch(f, number(f, 7), yes, no);
    assert_true(ir_finished(f));
    const struct ir_instruction *last = &f->values.data[f->values.count - 1];
    assert_int_equal(last->op, IR_JUMP);
    assert_int_equal(last->arguments[0], yes);
}

static void loop_without_rounds_is_no_call(void **state) {
    struct fixture *x = *state;
    struct ir_function *body = ir_function_new(x->module, IR_CALLBACK, "body");
    expect_constant(x->f,
                    ir_calln(x->f, IR_HELPER_loop, number(x->f, 0), ir_function_address(x->f, body), ir_frame(x->f),
                             number(x->f, 0)),
                    0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(prints_every_shape),
        TEST(folds_constants),
        TEST(folds_identities),
        TEST(turns_powers_of_two_into_shifts_and_masks),
        TEST(signed_division_by_a_power_of_two_stays),
        TEST(combines_offsets),
        TEST(drops_masks_of_narrow_values),
        TEST(inverts_compares_instead_of_testing_them),
        TEST(store_needs_no_extension),
        TEST(shares_equal_values_and_constant_calls),
        TEST(shares_from_dominating_blocks_only),
        TEST(constant_branch_is_a_jump),
        TEST(loop_without_rounds_is_no_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
