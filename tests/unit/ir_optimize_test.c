/* The cleaning passes: what goes, what must stay. */
#include "ir/ir.h"
#include "unit.h"

static struct ir_function *new_main(struct arena *arena) {
    return ir_function_new(ir_module_new(arena, "test"), IR_MAIN, "main");
}

static void expect_after_optimize(struct ir_function *f, const char *expected) {
    struct strbuf out = {0};
    ir_verify(f->module);
    ir_optimize(f->module);
    ir_verify(f->module);
    ir_print(f->module, &out);
    assert_string_equal(strbuf_text(&out), expected);
    strbuf_free(&out);
}

static void drops_dead_values_and_reads(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_value context = ir_context(f);
    ir_binary(f, IR_ADD, ir_load(f, 8, context, 0), ir_constant(f, 1)); /* nobody reads it */
    ir_call0(f, IR_HELPER_ktime_get_ns);
    ir_call0(f, IR_HELPER_get_current_pid_tgid);
    ir_return(f, ir_load(f, 4, context, 16));
    expect_after_optimize(f, "main main\n"
                             "b0:\n"
                             "    v0 = context\n"
                             "    v6 = load.4 [v0 + 16]\n"
                             "    return v6\n");
    arena_free(arena);
}

static void keeps_effects(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_value slot = ir_slot_address(f, ir_slot_new(f->module, 16, "comm"));
    ir_calln(f, IR_HELPER_get_current_comm, slot, ir_constant(f, 16)); /* writes memory */
    ir_store(f, 8, slot, 0, ir_constant(f, 1));
    ir_atomic(f, IR_ATOMIC_FETCH_ADD, 8, ir_map_value(f, 0, 0), 0, ir_constant(f, 1), IR_NONE);
    ir_return(f, ir_constant(f, 0));
    expect_after_optimize(f, "slot s0 16 comm\n"
                             "main main\n"
                             "b0:\n"
                             "    v0 = slot s0\n"
                             "    v1 = constant 16\n"
                             "    v2 = call get_current_comm(v0, v1)\n"
                             "    v3 = constant 1\n"
                             "    store.8 [v0 + 0], v3\n"
                             "    v5 = map_value m0 + 0\n"
                             "    v6 = atomic_fetch_add.8 [v5 + 0], v3\n"
                             "    v7 = constant 0\n"
                             "    return v7\n");
    arena_free(arena);
}

static void removes_unreachable_blocks_and_merges(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_value cell = ir_map_value(f, 0, 0);
    ir_block yes = ir_block_new(f, 0), no = ir_block_new(f, 0), join = ir_block_new(f, 0);
    ir_branch(f, ir_constant(f, 1), yes, no);
    ir_enter(f, no);
    ir_store(f, 8, cell, 0, ir_constant(f, 2));
    ir_jump(f, join);
    ir_enter(f, yes);
    ir_store(f, 8, cell, 0, ir_constant(f, 3));
    ir_jump(f, join);
    ir_enter(f, join);
    ir_return(f, ir_constant(f, 0));
    expect_after_optimize(f, "main main\n"
                             "b0:\n"
                             "    v0 = map_value m0 + 0\n"
                             "    v6 = constant 3\n"
                             "    store.8 [v0 + 0], v6\n"
                             "    v9 = constant 0\n"
                             "    return v9\n");
    arena_free(arena);
}

static void threads_jumps_until_the_branch_is_idle(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_block yes = ir_block_new(f, 0), no = ir_block_new(f, 0), join = ir_block_new(f, 0);
    ir_branch(f, ir_call0(f, IR_HELPER_ktime_get_ns), yes, no);
    ir_enter(f, yes);
    ir_jump(f, join);
    ir_enter(f, no);
    ir_jump(f, join);
    ir_enter(f, join);
    ir_return(f, ir_constant(f, 0));
    expect_after_optimize(f, "main main\n"
                             "b0:\n"
                             "    v4 = constant 0\n"
                             "    return v4\n");
    arena_free(arena);
}

static void keeps_loops(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_value slot = ir_slot_address(f, ir_slot_new(f->module, 8, "i"));
    ir_store(f, 8, slot, 0, ir_constant(f, 0));
    ir_block head = ir_block_new(f, 0), body = ir_block_new(f, head), end = ir_block_new(f, head);
    ir_jump(f, head);
    ir_enter(f, head);
    ir_value i = ir_load(f, 8, slot, 0);
    ir_branch(f, ir_binary(f, IR_ULT, i, ir_constant(f, 5)), body, end);
    ir_enter(f, body);
    ir_store(f, 8, slot, 0, ir_binary(f, IR_ADD, i, ir_constant(f, 1)));
    ir_jump(f, head);
    ir_enter(f, end);
    ir_return(f, i);
    expect_after_optimize(f, "slot s0 8 i\n"
                             "main main\n"
                             "b0:\n"
                             "    v0 = slot s0\n"
                             "    v1 = constant 0\n"
                             "    store.8 [v0 + 0], v1\n"
                             "    jump b1\n"
                             "b1:\n"
                             "    v4 = load.8 [v0 + 0]\n"
                             "    v5 = constant 5\n"
                             "    v6 = ult v4, v5\n"
                             "    branch v6, b2, b3\n"
                             "b2:\n"
                             "    v8 = constant 1\n"
                             "    v9 = add v4, v8\n"
                             "    store.8 [v0 + 0], v9\n"
                             "    jump b1\n"
                             "b3:\n"
                             "    return v4\n");
    arena_free(arena);
}

static void counts_calls_of_the_longest_path(void **unused) {
    (void)unused;
    struct arena *arena = arena_new();
    struct ir_function *f = new_main(arena);
    ir_value first = ir_call0(f, IR_HELPER_get_current_pid_tgid);
    ir_block yes = ir_block_new(f, 0), no = ir_block_new(f, 0);
    ir_branch(f, first, yes, no);
    ir_enter(f, yes);
    ir_return(f, ir_binary(f, IR_ADD, ir_call0(f, IR_HELPER_ktime_get_ns), ir_call0(f, IR_HELPER_jiffies64)));
    ir_enter(f, no);
    ir_return(f, ir_call0(f, IR_HELPER_ktime_get_ns));
    assert_int_equal(ir_count_calls(f), 3);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_dead_values_and_reads),
        cmocka_unit_test(keeps_effects),
        cmocka_unit_test(removes_unreachable_blocks_and_merges),
        cmocka_unit_test(threads_jumps_until_the_branch_is_idle),
        cmocka_unit_test(keeps_loops),
        cmocka_unit_test(counts_calls_of_the_longest_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
