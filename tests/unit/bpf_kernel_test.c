/* The verifier's opinion: each shape of program the compiler makes is loaded with its BTF and run. Needs root. */
#include "bpf_kernel.h"
#include "unit.h"
#include <stdlib.h>

static const char script[] = "BEGIN\n{\n    $sum = 0;\n    loop\n}\n";
static const struct source source = {"script.bt", script, sizeof script - 1, NULL};
static char verifier_log[1 << 20];

struct fixture {
    struct arena *arena;
    struct ir_module *module;
    struct ir_function *f;
    int map; /* array with one value of 64 bytes; the first 8 bytes are 5 */
};

static int set_up(void **state) {
    struct fixture *x = calloc(1, sizeof *x);
    uint64_t value[8] = {5};
    x->arena = arena_new();
    x->module = ir_module_new(x->arena, "test");
    x->f = ir_function_new(x->module, IR_MAIN, "kprobe:some-function");
    x->map = kernel_array(sizeof value);
    kernel_element(BPF_MAP_UPDATE_ELEM, x->map, value);
    *state = x;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *x = *state;
    arena_free(x->arena);
    close(x->map);
    free(x);
    return 0;
}

static ir_value number(struct ir_function *f, int64_t n) { return ir_constant(f, n); }

static bool allowed(const struct fixture *x) {
    if (geteuid() == 0 && x->map >= 0)
        return true;
    print_message("needs root and bpf(2)\n");
    return false;
}

static void expect_once(struct fixture *x, const struct bpf_options *options, uint32_t expected) {
    struct bpf_program program;
    const char *error = NULL;
    uint32_t result = 0;
    if (!bpf_compile(x->arena, x->module, options, &program, &error))
        fail_msg("%s", error);
    int fd = kernel_load(x->arena, &program, &source, x->map, verifier_log, sizeof verifier_log);
    if (fd < 0) {
        struct strbuf out = {0};
        bpf_disassemble(&program, &source, &out);
        print_message("%s\n", strbuf_text(&out));
        strbuf_free(&out);
        fail_msg("refused (%s): %s", strerror(-fd), verifier_log);
    }
    assert_int_equal(kernel_run(fd, &result), 0);
    close(fd);
    assert_int_equal(result, expected);
}

/* Loads and runs with the orderly allocation and a few random ones. */
static void expect(struct fixture *x, uint32_t expected) {
    if (!allowed(x))
        skip();
    ir_verify(x->module);
    ir_optimize(x->module);
    for (uint64_t seed = 0; seed < 6; seed++)
        expect_once(x, &(struct bpf_options){.random_seed = seed}, expected);
}

static void plain_return(void **state) {
    struct fixture *x = *state;
    ir_return(x->f, number(x->f, 42));
    expect(x, 42);
}

static void branches(void **state) {
    struct fixture *x = *state;
    ir_value five = ir_load(x->f, 8, ir_map_value(x->f, 0, 0), 0);
    ir_block yes = ir_block_new(x->f, 0), no = ir_block_new(x->f, 0);
    ir_branch(x->f, ir_binary(x->f, IR_SGT, five, number(x->f, -3)), yes, no);
    ir_enter(x->f, yes);
    ir_return(x->f, number(x->f, 1));
    ir_enter(x->f, no);
    ir_return(x->f, number(x->f, 2));
    expect(x, 1);
}

static void lookup_with_key_in_a_slot(void **state) {
    struct fixture *x = *state;
    ir_slot key = ir_slot_new(x->module, 4, "key");
    x->f->loc = (struct loc){14, 22};
    ir_store(x->f, 4, ir_slot_address(x->f, key), 0, number(x->f, 0));
    ir_value found = ir_calln(x->f, IR_HELPER_map_lookup_elem, ir_map(x->f, 0), ir_slot_address(x->f, key));
    ir_block hit = ir_block_new(x->f, 0), miss = ir_block_new(x->f, 0);
    ir_branch(x->f, ir_binary(x->f, IR_NE, found, number(x->f, 0)), hit, miss);
    ir_enter(x->f, miss);
    ir_return(x->f, number(x->f, 0));
    ir_enter(x->f, hit);
    ir_atomic(x->f, IR_ATOMIC_ADD, 8, found, 8, number(x->f, 3), IR_NONE);
    ir_value clock = ir_call0(x->f, IR_HELPER_ktime_get_ns); /* the pointer lives across it */
    ir_store(x->f, 8, found, 24, clock);
    ir_atomic(x->f, IR_ATOMIC_ADD, 8, found, 0, number(x->f, 0), IR_NONE);
    ir_return(x->f, ir_load(x->f, 8, found, 0));
    expect(x, 5);
}

static void thirty_values_across_calls(void **state) {
    struct fixture *x = *state;
    ir_value values[30], sum = number(x->f, 0);
    for (unsigned i = 0; i < 30; i++) {
        ir_call0(x->f, IR_HELPER_get_prandom_u32);
        ir_atomic(x->f, IR_ATOMIC_ADD, 8, ir_map_value(x->f, 0, 0), 16, ir_call0(x->f, IR_HELPER_get_prandom_u32),
                  IR_NONE);
        values[i] = ir_binary(x->f, IR_ADD, ir_load(x->f, 8, ir_map_value(x->f, 0, 0), 0), number(x->f, i));
    }
    for (unsigned i = 0; i < 30; i++)
        sum = ir_binary(x->f, IR_ADD, sum, values[i]);
    ir_return(x->f, sum);
    expect(x, 30 * 5 + 29 * 30 / 2);
}

/* main: for i in 0..9: for j in 0..2: sum += i; the context goes through a slot. */
static void nested_loops_share_slots(void **state) {
    struct fixture *x = *state;
    struct ir_function *outer = ir_function_new(x->module, IR_CALLBACK, "outer loop");
    struct ir_function *inner = ir_function_new(x->module, IR_CALLBACK, "inner loop");
    ir_slot sum = ir_slot_new(x->module, 8, "sum"), i = ir_slot_new(x->module, 8, "i");
    ir_slot context = ir_slot_new(x->module, 8, "context");
    x->f->loc = outer->loc = inner->loc = (struct loc){30, 34};
    ir_store(x->f, 8, ir_slot_address(x->f, sum), 0, number(x->f, 0));
    ir_store(x->f, 8, ir_slot_address(x->f, i), 0, number(x->f, 0));
    ir_store(x->f, 8, ir_slot_address(x->f, context), 0, ir_context(x->f));
    ir_calln(x->f, IR_HELPER_loop, number(x->f, 10), ir_function_address(x->f, outer), ir_frame(x->f), number(x->f, 0));
    ir_return(x->f, ir_load(x->f, 8, ir_slot_address(x->f, sum), 0));
    ir_store(outer, 8, ir_slot_address(outer, i), 0, ir_callback_index(outer));
    ir_calln(outer, IR_HELPER_loop, number(outer, 3), ir_function_address(outer, inner), ir_frame(outer),
             number(outer, 0));
    ir_value reloaded = ir_load(outer, 8, ir_slot_address(outer, context), 0);
    ir_store(outer, 8, ir_map_value(outer, 0, 0), 32, ir_load(outer, 4, reloaded, 0)); /* packet length */
    ir_return(outer, number(outer, 0));
    ir_value old = ir_load(inner, 8, ir_slot_address(inner, sum), 0);
    ir_value step = ir_load(inner, 8, ir_slot_address(inner, i), 0);
    ir_store(inner, 8, ir_slot_address(inner, sum), 0, ir_binary(inner, IR_ADD, old, step));
    ir_return(inner, number(inner, 0));
    expect(x, 45 * 3);
}

static void bounded_backward_jump(void **state) {
    struct fixture *x = *state;
    ir_value slot = ir_slot_address(x->f, ir_slot_new(x->module, 8, "i"));
    ir_store(x->f, 8, slot, 0, number(x->f, 0));
    ir_block head = ir_block_new(x->f, 0), body = ir_block_new(x->f, head), end = ir_block_new(x->f, head);
    ir_jump(x->f, head);
    ir_enter(x->f, head);
    ir_value i = ir_load(x->f, 8, slot, 0);
    ir_branch(x->f, ir_binary(x->f, IR_ULT, i, number(x->f, 17)), body, end);
    ir_enter(x->f, body);
    ir_store(x->f, 8, slot, 0, ir_binary(x->f, IR_ADD, i, number(x->f, 1)));
    ir_jump(x->f, head);
    ir_enter(x->f, end);
    ir_return(x->f, i);
    expect(x, 17);
}

static void masked_index_into_a_map_value(void **state) {
    struct fixture *x = *state;
    ir_value base = ir_map_value(x->f, 0, 0), index = ir_load(x->f, 8, base, 0);
    ir_value offset = ir_binary(x->f, IR_SHL, ir_binary(x->f, IR_AND, index, number(x->f, 3)), number(x->f, 3));
    ir_store(x->f, 8, ir_binary(x->f, IR_ADD, base, offset), 16, number(x->f, 99)); /* [16 + 8 * (5 & 3)] */
    ir_return(x->f, ir_load(x->f, 8, base, 24));
    expect(x, 99);
}

static void program_without_a_source(void **state) {
    struct fixture *x = *state;
    struct bpf_program program;
    const char *error;
    ir_return(x->f, number(x->f, 0));
    if (!allowed(x))
        skip();
    assert_true(bpf_compile(x->arena, x->module, &(struct bpf_options){0}, &program, &error));
    int fd = kernel_load(x->arena, &program, NULL, -1, verifier_log, sizeof verifier_log);
    assert_true(fd >= 0);
    close(fd);
}

/* Task storage is the map type that insists on BTF for key and value. */
static void map_btf_satisfies_task_storage(void **state) {
    struct fixture *x = *state;
    union bpf_attr attr = {0};
    void *btf;
    uint32_t size;
    if (!allowed(x))
        skip();
    bpf_make_map_btf(x->arena, &btf, &size);
    attr.btf = (uintptr_t)btf;
    attr.btf_size = size;
    int btf_fd = kernel_bpf(BPF_BTF_LOAD, &attr);
    assert_true(btf_fd >= 0);
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_TASK_STORAGE;
    attr.key_size = 4;
    attr.value_size = 8;
    attr.map_flags = BPF_F_NO_PREALLOC;
    attr.btf_fd = (uint32_t)btf_fd;
    attr.btf_key_type_id = 1;
    attr.btf_value_type_id = 2;
    int map = kernel_bpf(BPF_MAP_CREATE, &attr);
    assert_true(map >= 0);
    close(map);
    close(btf_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(plain_return),
        TEST(branches),
        TEST(lookup_with_key_in_a_slot),
        TEST(thirty_values_across_calls),
        TEST(nested_loops_share_slots),
        TEST(bounded_backward_jump),
        TEST(masked_index_into_a_map_value),
        TEST(program_without_a_source),
        TEST(map_btf_satisfies_task_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
