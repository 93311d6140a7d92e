/* From IR to instructions: the shapes selection must choose (read as disassembly) and the limits. */
#include "bpf/bpf.h"
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

static struct bpf_program compile(struct fixture *x, bool cpu_v4) {
    struct bpf_program program;
    const char *error = NULL;
    struct bpf_options options = {.cpu_v4 = cpu_v4};
    ir_verify(x->module);
    ir_optimize(x->module);
    ir_verify(x->module);
    if (!bpf_compile(x->arena, x->module, &options, &program, &error))
        fail_msg("%s", error);
    return program;
}

static void expect_code(struct fixture *x, bool cpu_v4, const char *expected) {
    struct bpf_program program = compile(x, cpu_v4);
    struct strbuf out = {0};
    bpf_disassemble(&program, NULL, &out);
    char *text = arena_strdup(x->arena, strbuf_text(&out));
    strbuf_free(&out);
    assert_string_equal(text, expected);
}

static const char *compile_error(struct fixture *x) {
    struct bpf_program program;
    const char *error = NULL;
    assert_false(bpf_compile(x->arena, x->module, &(struct bpf_options){0}, &program, &error));
    return error;
}

static void returns_a_constant(void **state) {
    struct fixture *x = *state;
    ir_return(x->f, number(x->f, 1));
    expect_code(x, false,
                "main:\n"
                "   0: (b7) r0 = 1\n"
                "   1: (95) exit\n");
}

static void low_half_is_a_32_bit_move(void **state) {
    struct fixture *x = *state;
    ir_value all = ir_call0(x->f, IR_HELPER_get_current_pid_tgid);
    ir_return(x->f, ir_binary(x->f, IR_AND, all, number(x->f, UINT32_MAX)));
    expect_code(x, false,
                "main:\n"
                "   0: (85) call get_current_pid_tgid#14\n"
                "   1: (bc) w0 = w0\n"
                "   2: (95) exit\n");
}

static void stores_constants_into_slots_directly(void **state) {
    struct fixture *x = *state;
    ir_value slot = ir_slot_address(x->f, ir_slot_new(x->module, 16, "key"));
    ir_store(x->f, 8, slot, 0, number(x->f, 7));
    ir_store(x->f, 4, slot, 8, number(x->f, UINT32_MAX));
    ir_store(x->f, 8, slot, 8, number(x->f, INT64_MAX));
    ir_return(x->f, number(x->f, 0));
    expect_code(x, false,
                "main:\n"
                "   0: (7a) *(u64 *)(r10 -16) = 7\n"
                "   1: (62) *(u32 *)(r10 -8) = -1\n"
                "   2: (18) r5 = 0x7fffffffffffffff ll\n"
                "   4: (7b) *(u64 *)(r10 -8) = r5\n"
                "   5: (b7) r0 = 0\n"
                "   6: (95) exit\n");
}

static void null_check_is_a_64_bit_compare_with_0(void **state) {
    struct fixture *x = *state;
    ir_value slot = ir_slot_address(x->f, ir_slot_new(x->module, 8, "key"));
    ir_store(x->f, 8, slot, 0, number(x->f, 0));
    ir_value found = ir_calln(x->f, IR_HELPER_map_lookup_elem, ir_map(x->f, 5), slot);
    ir_block hit = ir_block_new(x->f, 0), miss = ir_block_new(x->f, 0);
    ir_branch(x->f, ir_binary(x->f, IR_EQ, found, number(x->f, 0)), miss, hit);
    ir_enter(x->f, hit);
    ir_atomic(x->f, IR_ATOMIC_FETCH_ADD, 8, found, 8, number(x->f, 1), IR_NONE);
    ir_return(x->f, number(x->f, 1));
    ir_enter(x->f, miss);
    ir_return(x->f, number(x->f, 0));
    expect_code(x, false,
                "main:\n"
                "   0: (7a) *(u64 *)(r10 -8) = 0\n"
                "   1: (bf) r2 = r10\n"
                "   2: (18) r1 = map[5]\n"
                "   4: (07) r2 += -8\n"
                "   5: (85) call map_lookup_elem#1\n"
                "   6: (55) if r0 != 0 goto pc+2\n"
                "   7: (b7) r0 = 0\n"
                "   8: (95) exit\n"
                "   9: (b7) r5 = 1\n"
                "  10: (db) lock *(u64 *)(r0 +8) += r5\n"
                "  11: (b7) r0 = 1\n"
                "  12: (95) exit\n");
}

static void signed_operations_use_cpu_v4_when_it_is_there(void **state) {
    struct fixture *x = *state;
    ir_value a = ir_call0(x->f, IR_HELPER_ktime_get_ns);
    ir_return(x->f, ir_binary(x->f, IR_SDIV, ir_extend(x->f, a, 4, true), number(x->f, 10)));
    expect_code(x, true,
                "main:\n"
                "   0: (85) call ktime_get_ns#5\n"
                "   1: (bf) r0 = (s32)r0\n"
                "   2: (37) r0 s/= 10\n"
                "   3: (95) exit\n");
}

static void sign_extension_without_v4_is_two_shifts(void **state) {
    struct fixture *x = *state;
    ir_return(x->f, ir_extend(x->f, ir_call0(x->f, IR_HELPER_ktime_get_ns), 4, true));
    expect_code(x, false,
                "main:\n"
                "   0: (85) call ktime_get_ns#5\n"
                "   1: (67) r0 <<= 32\n"
                "   2: (c7) r0 s>>= 32\n"
                "   3: (95) exit\n");
}

static void dynamic_shift_counts_are_masked(void **state) {
    struct fixture *x = *state;
    ir_value count = ir_load_const(x->f, 8, ir_context(x->f), 0);
    ir_return(x->f, ir_binary(x->f, IR_SHL, number(x->f, 1), count));
    expect_code(x, false,
                "main:\n"
                "   0: (79) r5 = *(u64 *)(r1 +0)\n"
                "   1: (b7) r0 = 1\n"
                "   2: (57) r5 &= 63\n"
                "   3: (6f) r0 <<= r5\n"
                "   4: (95) exit\n");
}

static void context_survives_calls_in_a_saved_register(void **state) {
    struct fixture *x = *state;
    ir_value first = ir_call0(x->f, IR_HELPER_ktime_get_ns);
    ir_return(x->f, ir_binary(x->f, IR_ADD, first, ir_load_const(x->f, 8, ir_context(x->f), 16)));
    expect_code(x, false,
                "main:\n"
                "   0: (bf) r6 = r1\n"
                "   1: (85) call ktime_get_ns#5\n"
                "   2: (79) r5 = *(u64 *)(r6 +16)\n"
                "   3: (0f) r0 += r5\n"
                "   4: (95) exit\n");
}

static void callback_reaches_slots_through_its_frame_argument(void **state) {
    struct fixture *x = *state;
    struct ir_function *body = ir_function_new(x->module, IR_CALLBACK, "body");
    ir_slot sum = ir_slot_new(x->module, 8, "sum");
    ir_store(x->f, 8, ir_slot_address(x->f, sum), 0, number(x->f, 0));
    ir_calln(x->f, IR_HELPER_loop, number(x->f, 10), ir_function_address(x->f, body), ir_frame(x->f), number(x->f, 0));
    ir_return(x->f, ir_load(x->f, 8, ir_slot_address(x->f, sum), 0));
    ir_value old = ir_load(body, 8, ir_slot_address(body, sum), 0);
    ir_store(body, 8, ir_slot_address(body, sum), 0, ir_binary(body, IR_ADD, old, ir_callback_index(body)));
    ir_return(body, number(body, 0));
    expect_code(x, false,
                "main:\n"
                "   0: (7a) *(u64 *)(r10 -8) = 0\n"
                "   1: (bf) r3 = r10\n"
                "   2: (b7) r1 = 10\n"
                "   3: (18) r2 = subprog[+6]\n"
                "   5: (07) r3 += -8\n"
                "   6: (b7) r4 = 0\n"
                "   7: (85) call loop#181\n"
                "   8: (79) r0 = *(u64 *)(r10 -8)\n"
                "   9: (95) exit\n"
                "body:\n"
                "  10: (79) r5 = *(u64 *)(r2 +0)\n"
                "  11: (0f) r5 += r1\n"
                "  12: (7b) *(u64 *)(r2 +0) = r5\n"
                "  13: (b7) r0 = 0\n"
                "  14: (95) exit\n");
}

static void callback_nobody_uses_is_left_out(void **state) {
    struct fixture *x = *state;
    struct ir_function *body = ir_function_new(x->module, IR_CALLBACK, "body");
    ir_return(body, number(body, 0));
    ir_return(x->f, number(x->f, 0));
    assert_int_equal(compile(x, false).subprograms.count, 1);
}

static void slot_nobody_uses_takes_no_stack(void **state) {
    struct fixture *x = *state;
    ir_slot_new(x->module, 4096, "idle");
    ir_return(x->f, number(x->f, 0));
    assert_int_equal(compile(x, false).stack_size, 32);
}

/* `count` values that all live across a call, then are added up. */
static void build_pressure(struct ir_function *f, unsigned count) {
    ir_value values[128] = {0}, sum;
    for (unsigned i = 0; i < count; i++)
        values[i] = ir_call0(f, IR_HELPER_get_prandom_u32);
    sum = values[0];
    for (unsigned i = 1; i < count; i++)
        sum = ir_binary(f, IR_ADD, sum, values[i]);
    ir_return(f, sum);
}

static uint64_t count_up(struct bpf_machine *machine, const uint64_t arguments[5]) {
    (void)arguments;
    return ++*(uint64_t *)bpf_machine_user(machine);
}

static uint64_t run(struct fixture *x, const struct bpf_program *program) {
    uint64_t result = 0, counter = 0;
    struct bpf_machine *machine = bpf_machine_new(x->arena);
    bpf_machine_set_standard_helpers(machine);
    bpf_machine_set_helper(machine, ir_helpers[IR_HELPER_get_prandom_u32].id, count_up);
    bpf_machine_set_user(machine, &counter);
    if (!bpf_machine_run(machine, program, NULL, &result))
        fail_msg("%s", bpf_machine_error(machine));
    return result;
}

static void forty_values_across_calls_are_spilled(void **state) {
    struct fixture *x = *state;
    build_pressure(x->f, 40);
    struct bpf_program program = compile(x, false);
    assert_int_equal(run(x, &program), 40 * 41 / 2);
}

/* The size a string read gives is compared in one copy and used in another; the move makes old verifiers link them. */
static void spilled_sizes_are_linked_by_a_move(void **state) {
    struct fixture *x = *state;
    build_pressure(x->f, 8);
    struct bpf_program program = compile(x, false);
    struct strbuf out = {0};
    bpf_disassemble(&program, NULL, &out);
    assert_non_null(strstr(strbuf_text(&out), "(bf) r0 = r0\n"));
    strbuf_free(&out);
}

static void too_many_values_are_an_error_that_says_so(void **state) {
    struct fixture *x = *state;
    build_pressure(x->f, 100);
    const char *error = compile_error(x);
    assert_non_null(strstr(error, "512"));
    assert_non_null(strstr(error, "values computed at the same time"));
}

static void stack_error_names_the_largest_slot(void **state) {
    struct fixture *x = *state;
    ir_slot small = ir_slot_new(x->module, 8, "$small"), big = ir_slot_new(x->module, 512, "$big");
    ir_store(x->f, 8, ir_slot_address(x->f, small), 0, number(x->f, 0));
    ir_store(x->f, 8, ir_slot_address(x->f, big), 0, number(x->f, 0));
    ir_return(x->f, number(x->f, 0));
    assert_non_null(strstr(compile_error(x), "'$big' with 512"));
}

static void numbers_share_spill_slots_when_the_stack_is_short(void **state) {
    struct fixture *x = *state;
    ir_value total = number(x->f, 0);
    for (unsigned group = 0; group < 4; group++) { /* 4 times 30 values, but only 31 at a time */
        ir_value values[30];
        for (unsigned i = 0; i < 30; i++)
            values[i] = ir_call0(x->f, IR_HELPER_get_prandom_u32);
        for (unsigned i = 0; i < 30; i++)
            total = ir_binary(x->f, IR_ADD, total, values[i]);
    }
    ir_return(x->f, total);
    struct bpf_program program = compile(x, false);
    assert_true(program.stack_size <= 512);
    assert_int_equal(run(x, &program), 120 * 121 / 2);
}

static void jump_over_too_much_code_is_an_error(void **state) {
    struct fixture *x = *state;
    ir_value a = ir_call0(x->f, IR_HELPER_get_prandom_u32);
    ir_block yes = ir_block_new(x->f, 0), no = ir_block_new(x->f, 0);
    ir_branch(x->f, a, yes, no);
    ir_enter(x->f, yes);
    for (unsigned i = 0; i < 33000; i++)
        ir_store(x->f, 8, ir_map_value(x->f, 0, 0), 0, a);
    ir_return(x->f, number(x->f, 1));
    ir_enter(x->f, no);
    ir_return(x->f, number(x->f, 0));
    assert_non_null(strstr(compile_error(x), "too long"));
}

static void call_arguments_may_swap(void **state) {
    struct fixture *x = *state;
    struct ir_function *body = ir_function_new(x->module, IR_CALLBACK, "body");
    ir_value slot = ir_slot_address(x->f, ir_slot_new(x->module, 8, "buffer"));
    ir_calln(x->f, IR_HELPER_loop, number(x->f, 1), ir_function_address(x->f, body), ir_frame(x->f), number(x->f, 0));
    ir_return(x->f, ir_load(x->f, 8, slot, 0));
    /* In the callback r1 is the index (0) and r2 the frame; strncmp(frame, index, ..) needs them the other way. */
    ir_store(body, 8, ir_frame(body), 0, number(body, 0x41));
    ir_value compared =
        ir_calln(body, IR_HELPER_strncmp, ir_frame(body),
                 ir_binary(body, IR_ADD, ir_callback_index(body), number(body, 0)), ir_map_value(body, 0, 0));
    ir_block same = ir_block_new(body, 0), other = ir_block_new(body, 0);
    ir_branch(body, compared, other, same);
    ir_enter(body, same);
    ir_return(body, number(body, 0));
    ir_enter(body, other);
    ir_return(body, number(body, 1));
    struct bpf_program program = compile(x, false);
    struct strbuf out = {0};
    bpf_disassemble(&program, NULL, &out);
    assert_non_null(strstr(strbuf_text(&out), "r0 = r1\n"));
    assert_non_null(strstr(strbuf_text(&out), "r1 = r2\n"));
    assert_non_null(strstr(strbuf_text(&out), "r2 = r0\n"));
    strbuf_free(&out);
}

static void lines_start_where_the_place_changes(void **state) {
    struct fixture *x = *state;
    x->f->loc = (struct loc){4, 8};
    ir_value cell = ir_map_value(x->f, 0, 0);
    ir_store(x->f, 8, cell, 0, number(x->f, 1));
    ir_store(x->f, 8, cell, 8, number(x->f, 2));
    x->f->loc = (struct loc){20, 28};
    ir_store(x->f, 8, cell, 16, number(x->f, 3));
    x->f->loc = (struct loc){0, 0};
    ir_return(x->f, number(x->f, 0));
    struct bpf_program program = compile(x, false);
    assert_int_equal(program.lines.count, 2);
    assert_int_equal(program.lines.data[0].instruction, 0);
    assert_int_equal(program.lines.data[0].loc.begin, 4);
    assert_int_equal(program.lines.data[1].instruction, 4);
    assert_int_equal(program.lines.data[1].loc.begin, 20);
}

static void same_program_twice_is_the_same_bytes(void **state) {
    struct fixture *x = *state;
    build_pressure(x->f, 20);
    struct bpf_program first = compile(x, false), second = compile(x, false);
    assert_int_equal(first.instructions.count, second.instructions.count);
    assert_memory_equal(first.instructions.data, second.instructions.data,
                        first.instructions.count * sizeof(struct bpf_insn));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(returns_a_constant),
        TEST(low_half_is_a_32_bit_move),
        TEST(stores_constants_into_slots_directly),
        TEST(null_check_is_a_64_bit_compare_with_0),
        TEST(signed_operations_use_cpu_v4_when_it_is_there),
        TEST(sign_extension_without_v4_is_two_shifts),
        TEST(dynamic_shift_counts_are_masked),
        TEST(context_survives_calls_in_a_saved_register),
        TEST(callback_reaches_slots_through_its_frame_argument),
        TEST(callback_nobody_uses_is_left_out),
        TEST(slot_nobody_uses_takes_no_stack),
        TEST(forty_values_across_calls_are_spilled),
        TEST(spilled_sizes_are_linked_by_a_move),
        TEST(too_many_values_are_an_error_that_says_so),
        TEST(stack_error_names_the_largest_slot),
        TEST(numbers_share_spill_slots_when_the_stack_is_short),
        TEST(jump_over_too_much_code_is_an_error),
        TEST(call_arguments_may_swap),
        TEST(lines_start_where_the_place_changes),
        TEST(same_program_twice_is_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
