/* The interpreter: checked memory, limits, and helpers that behave like the kernel's. */
#include "bpf/bpf.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>

struct fixture {
    struct arena *arena;
    struct ir_function *f;
    struct bpf_machine *machine;
    uint64_t context[4];
};

static int set_up(void **state) {
    struct fixture *x = calloc(1, sizeof *x);
    x->arena = arena_new();
    x->f = ir_function_new(ir_module_new(x->arena, "test"), IR_MAIN, "main");
    x->machine = bpf_machine_new(x->arena);
    bpf_machine_set_standard_helpers(x->machine);
    bpf_machine_add_region(x->machine, x->context, sizeof x->context, false);
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
static ir_value new_slot(struct fixture *x, uint32_t size) {
    return ir_slot_address(x->f, ir_slot_new(x->f->module, size, "slot"));
}

static bool run(struct fixture *x, uint64_t *result) {
    struct bpf_program *program = arena_make(x->arena, struct bpf_program);
    const char *error;
    ir_verify(x->f->module);
    assert_true(bpf_compile(x->arena, x->f->module, &(struct bpf_options){0}, program, &error));
    return bpf_machine_run(x->machine, program, x->context, result);
}

static void expect_result(struct fixture *x, int64_t expected) {
    uint64_t result;
    if (!run(x, &result))
        fail_msg("%s", bpf_machine_error(x->machine));
    assert_int_equal(result, expected);
}

static void expect_error(struct fixture *x, const char *part) {
    uint64_t result;
    assert_false(run(x, &result));
    assert_non_null(strstr(bpf_machine_error(x->machine), part));
}

static void reads_the_context(void **state) {
    struct fixture *x = *state;
    x->context[1] = 77;
    ir_return(x->f, ir_load_const(x->f, 8, ir_context(x->f), 8));
    expect_result(x, 77);
}

static void stops_at_a_load_outside_its_memory(void **state) {
    struct fixture *x = *state;
    ir_return(x->f, ir_load(x->f, 8, ir_context(x->f), sizeof x->context - 4));
    expect_error(x, "bad load of 8 bytes");
}

static void stops_at_a_store_to_read_only_memory(void **state) {
    struct fixture *x = *state;
    ir_store(x->f, 8, ir_context(x->f), 0, number(x->f, 1));
    ir_return(x->f, number(x->f, 0));
    expect_error(x, "bad store of 8 bytes");
}

static void stops_at_a_store_below_the_frame(void **state) {
    struct fixture *x = *state;
    ir_store(x->f, 8, new_slot(x, 8), -512, number(x->f, 1));
    ir_return(x->f, number(x->f, 0));
    expect_error(x, "bad store");
}

static void stops_an_endless_loop(void **state) {
    struct fixture *x = *state;
    ir_block loop = ir_block_new(x->f, 0);
    ir_jump(x->f, loop);
    ir_enter(x->f, loop);
    ir_jump(x->f, loop);
    expect_error(x, "steps");
}

static void stops_at_a_helper_it_does_not_have(void **state) {
    struct fixture *x = *state;
    bpf_machine_set_helper(x->machine, ir_helpers[IR_HELPER_ktime_get_ns].id, NULL);
    ir_return(x->f, ir_call0(x->f, IR_HELPER_ktime_get_ns));
    expect_error(x, "no helper 5");
}

static void stack_that_was_never_written_is_not_zero(void **state) {
    struct fixture *x = *state;
    ir_return(x->f, ir_load(x->f, 1, new_slot(x, 8), 0));
    expect_result(x, 0xa5);
}

static void atomics_of_4_bytes_leave_the_rest_alone(void **state) {
    struct fixture *x = *state;
    ir_value slot = new_slot(x, 8);
    ir_store(x->f, 8, slot, 0, number(x->f, 0x7ffffffff));
    ir_value old = ir_atomic(x->f, IR_ATOMIC_FETCH_ADD, 4, slot, 0, number(x->f, 1), IR_NONE);
    ir_return(x->f, ir_binary(x->f, IR_ADD, old, ir_load(x->f, 8, slot, 0)));
    expect_result(x, 0xffffffff + 0x700000000);
}

static void compare_and_exchange_gives_the_old_value(void **state) {
    struct fixture *x = *state;
    ir_value slot = new_slot(x, 8);
    ir_store(x->f, 8, slot, 0, number(x->f, 5));
    ir_value missed = ir_atomic(x->f, IR_ATOMIC_CMPXCHG, 8, slot, 0, number(x->f, 100), number(x->f, 6));
    ir_value hit = ir_atomic(x->f, IR_ATOMIC_CMPXCHG, 8, slot, 0, number(x->f, 200), number(x->f, 5));
    ir_value sum = ir_binary(x->f, IR_ADD, missed, hit);
    ir_return(x->f, ir_binary(x->f, IR_ADD, sum, ir_load(x->f, 8, slot, 0)));
    expect_result(x, 5 + 5 + 200);
}

static ir_value store_key(struct fixture *x, uint64_t key) {
    ir_value slot = new_slot(x, 8);
    ir_store(x->f, 8, slot, 0, number(x->f, (int64_t)key));
    return slot;
}

static void hash_keeps_what_was_put(void **state) {
    struct fixture *x = *state;
    struct bpf_machine_map *map = bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_HASH, 8, 8, 4);
    uint64_t key = 11;
    ir_calln(x->f, IR_HELPER_map_update_elem, ir_map(x->f, 0), store_key(x, 11), store_key(x, 22), number(x->f, 0));
    ir_return(x->f, number(x->f, 0));
    expect_result(x, 0);
    assert_int_equal(*(uint64_t *)bpf_machine_map_lookup(map, &key), 22);
    key = 12;
    assert_null(bpf_machine_map_lookup(map, &key));
}

static void hash_obeys_noexist(void **state) {
    struct fixture *x = *state;
    bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_HASH, 8, 8, 4);
    ir_value key = store_key(x, 1), map = ir_map(x->f, 0);
    ir_calln(x->f, IR_HELPER_map_update_elem, map, key, key, number(x->f, BPF_NOEXIST));
    ir_return(x->f, ir_calln(x->f, IR_HELPER_map_update_elem, map, key, key, number(x->f, BPF_NOEXIST)));
    expect_result(x, -EEXIST);
}

static void full_hash_refuses(void **state) {
    struct fixture *x = *state;
    bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_HASH, 8, 8, 1);
    ir_value first = store_key(x, 1), second = store_key(x, 2), map = ir_map(x->f, 0);
    ir_calln(x->f, IR_HELPER_map_update_elem, map, first, first, number(x->f, 0));
    ir_return(x->f, ir_calln(x->f, IR_HELPER_map_update_elem, map, second, second, number(x->f, 0)));
    expect_result(x, -E2BIG);
}

static void deleted_key_is_gone(void **state) {
    struct fixture *x = *state;
    bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_HASH, 8, 8, 4);
    ir_value key = store_key(x, 1), map = ir_map(x->f, 0);
    ir_calln(x->f, IR_HELPER_map_update_elem, map, key, key, number(x->f, 0));
    ir_value first = ir_calln(x->f, IR_HELPER_map_delete_elem, map, key);
    ir_value second = ir_calln(x->f, IR_HELPER_map_delete_elem, map, key);
    ir_return(x->f, ir_binary(x->f, IR_ADD, first, second));
    expect_result(x, -ENOENT);
}

static void ring_hands_out_submitted_records_in_order(void **state) {
    struct fixture *x = *state;
    struct bpf_machine_map *ring = bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
    uint32_t size;
    for (unsigned i = 0; i < 3; i++) {
        ir_value zero = number(x->f, 0);
        ir_value record = ir_calln(x->f, IR_HELPER_ringbuf_reserve, ir_map(x->f, 0), number(x->f, 8), zero);
        ir_store(x->f, 8, record, 0, number(x->f, i));
        ir_calln(x->f, i == 1 ? IR_HELPER_ringbuf_discard : IR_HELPER_ringbuf_submit, record, zero);
    }
    ir_return(x->f, number(x->f, 0));
    expect_result(x, 0);
    assert_int_equal(*(const uint64_t *)bpf_machine_ring_next(ring, &size), 0);
    assert_int_equal(size, 8);
    assert_int_equal(*(const uint64_t *)bpf_machine_ring_next(ring, &size), 2);
    assert_null(bpf_machine_ring_next(ring, &size));
}

static void probe_read_of_foreign_memory_fails_and_zeroes(void **state) {
    struct fixture *x = *state;
    ir_value slot = store_key(x, UINT64_MAX);
    ir_value error = ir_calln(x->f, IR_HELPER_probe_read_kernel, slot, number(x->f, 8), number(x->f, 0x1000));
    ir_return(x->f, ir_binary(x->f, IR_ADD, error, ir_load(x->f, 8, slot, 0)));
    expect_result(x, -EFAULT);
}

static void string_read_counts_the_nul(void **state) {
    struct fixture *x = *state;
    memcpy(x->context, "hello", 6);
    ir_value size = number(x->f, 16);
    ir_return(x->f, ir_calln(x->f, IR_HELPER_probe_read_user_str, new_slot(x, 16), size, ir_context(x->f)));
    expect_result(x, 6);
}

static void loop_ends_when_the_callback_says_so(void **state) {
    struct fixture *x = *state;
    struct ir_function *body = ir_function_new(x->f->module, IR_CALLBACK, "body");
    ir_return(x->f, ir_calln(x->f, IR_HELPER_loop, number(x->f, 100), ir_function_address(x->f, body), ir_frame(x->f),
                             number(x->f, 0)));
    ir_return(body, ir_binary(body, IR_EQ, ir_callback_index(body), number(body, 6)));
    expect_result(x, 7);
}

/* All four arguments of an element callback arrive, whatever registers they go to. */
static void elements_reach_the_callback(void **state) {
    struct fixture *x = *state;
    struct ir_function *f = x->f, *body = ir_function_new(f->module, IR_ELEMENT_CALLBACK, "body");
    struct bpf_machine_map *map = bpf_machine_map_new(x->machine, 0, BPF_MAP_TYPE_HASH, 8, 8, 10);
    ir_slot sum = ir_slot_new(f->module, 8, "sum"), pair[2];
    for (int i = 0; i < 2; i++)
        pair[i] = ir_slot_new(f->module, 8, "pair");
    ir_store(f, 8, ir_slot_address(f, sum), 0, number(f, 0));
    for (int64_t i = 1; i <= 3; i++) {
        ir_store(f, 8, ir_slot_address(f, pair[0]), 0, number(f, i));
        ir_store(f, 8, ir_slot_address(f, pair[1]), 0, number(f, 100 * i));
        ir_calln(f, IR_HELPER_map_update_elem, ir_map(f, 0), ir_slot_address(f, pair[0]), ir_slot_address(f, pair[1]),
                 number(f, 0));
    }
    ir_calln(f, IR_HELPER_for_each_map_elem, ir_map(f, 0), ir_function_address(f, body), ir_frame(f), number(f, 0));
    ir_return(f, ir_load(f, 8, ir_slot_address(f, sum), 0));

    ir_value key = ir_element(body, IR_ELEMENT_KEY), value = ir_element(body, IR_ELEMENT_VALUE);
    ir_value more = ir_binary(body, IR_ADD, ir_load(body, 8, key, 0), ir_load(body, 8, value, 0));
    ir_value old = ir_load(body, 8, ir_slot_address(body, sum), 0);
    ir_store(body, 8, ir_slot_address(body, sum), 0, ir_binary(body, IR_ADD, old, more));
    ir_calln(body, IR_HELPER_map_delete_elem, ir_element(body, IR_ELEMENT_MAP), key);
    ir_return(body, ir_binary(body, IR_EQ, more, number(body, 202)));
    ir_verify(f->module);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct bpf_program program;
        const char *error;
        uint64_t result, first = 1, third = 3;
        assert_true(bpf_compile(x->arena, f->module, &(struct bpf_options){.random_seed = seed}, &program, &error));
        assert_true(bpf_machine_run(x->machine, &program, x->context, &result));
        assert_int_equal(result, 101 + 202); /* the second one ends the loop */
        assert_null(bpf_machine_map_lookup(map, &first));
        assert_non_null(bpf_machine_map_lookup(map, &third));
        assert_int_equal(program.subprograms.data[1].kind, IR_ELEMENT_CALLBACK);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_the_context),
        TEST(stops_at_a_load_outside_its_memory),
        TEST(stops_at_a_store_to_read_only_memory),
        TEST(stops_at_a_store_below_the_frame),
        TEST(stops_an_endless_loop),
        TEST(stops_at_a_helper_it_does_not_have),
        TEST(stack_that_was_never_written_is_not_zero),
        TEST(atomics_of_4_bytes_leave_the_rest_alone),
        TEST(compare_and_exchange_gives_the_old_value),
        TEST(hash_keeps_what_was_put),
        TEST(hash_obeys_noexist),
        TEST(full_hash_refuses),
        TEST(deleted_key_is_gone),
        TEST(ring_hands_out_submitted_records_in_order),
        TEST(probe_read_of_foreign_memory_fails_and_zeroes),
        TEST(string_read_counts_the_nul),
        TEST(loop_ends_when_the_callback_says_so),
        TEST(elements_reach_the_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
