/* Random programs: a small tree language, evaluated directly here and compiled to BPF; both must agree. One fixed seed
 * and one fresh one (printed; TARSIER_SEED=number repeats it). Each program runs in the interpreter with the orderly
 * and several random register allocations, for both instruction sets; some also in the kernel when root. */
#include "bpf_kernel.h"
#include "unit.h"
#include <stdlib.h>
#include <time.h>

#define VARIABLES 6
#define INPUTS 8
#define NO_CHILD NULL

enum kind { NUMBER, INPUT, VARIABLE, BINARY, UNARY, EXTEND, SWAP, COUNTER, CHOOSE, AFTER_CALL, FETCH, EXCHANGE };
enum statement_kind { ASSIGN, IF, LOOP, NARROW_STORE };

struct node {
    enum kind kind;
    enum ir_op op;
    unsigned index, width;
    bool is_signed;
    uint64_t number;
    struct node *a, *b, *c;
};

struct statement {
    enum statement_kind kind;
    unsigned variable, count, width;
    struct node *value;
    struct statement *yes, *no, *next;
};

struct state {
    uint64_t variables[VARIABLES];
    uint64_t counters[VARIABLES];
    uint64_t inputs[INPUTS];
};

/* The value of map 0: what program and test exchange. Variables live on the stack and are written to `outputs` at the
 * end; counters live here, because verifiers up to 6.18 lose track of what an atomic operation read from the stack and
 * then take branches away that are needed. */
struct shared {
    uint64_t inputs[INPUTS], outputs[VARIABLES], counters[VARIABLES];
};
#define COUNTER_OFFSET(i) (8 * (INPUTS + VARIABLES + (i)))

/* ---- making programs ------------------------------------------------------------------------------------------ */

static uint64_t seed_state;

static uint64_t pick(uint64_t below) {
    seed_state ^= seed_state << 13;
    seed_state ^= seed_state >> 7;
    seed_state ^= seed_state << 17;
    return (seed_state * 0x2545f4914f6cdd1dull >> 16) % below;
}

static uint64_t interesting_number(void) {
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       3,
                                       7,
                                       8,
                                       10,
                                       63,
                                       64,
                                       255,
                                       256,
                                       1000,
                                       65535,
                                       65536,
                                       INT32_MAX,
                                       0x80000000ull,
                                       UINT32_MAX,
                                       0x100000000ull,
                                       INT64_MAX,
                                       1ull << 63,
                                       UINT64_MAX,
                                       UINT64_MAX - 1,
                                       (uint64_t)INT32_MIN,
                                       0xffffffff00000000ull,
                                       0x123456789abcdefull};
    uint64_t high = pick(1ull << 32), number = numbers[pick(sizeof numbers / sizeof *numbers)];
    return pick(4) ? number : high << 32 ^ pick(1ull << 40);
}

static unsigned pick_width(void) { return 1u << pick(4); }

static struct node *make_node(struct arena *arena, unsigned depth) {
    struct node *n = arena_make(arena, struct node);
    n->kind = depth == 0 ? (enum kind)pick(3) : (enum kind)(pick(5) < 3 ? BINARY : pick(EXCHANGE + 1));
    n->index = (unsigned)pick(n->kind == INPUT ? INPUTS : VARIABLES);
    n->width = pick_width();
    n->is_signed = pick(2);
    n->number = interesting_number();
    n->op = n->kind == BINARY ? (enum ir_op)(IR_ADD + pick(IR_SGE - IR_ADD + 1)) : pick(2) ? IR_NEG : IR_NOT;
    if (n->kind == SWAP)
        n->width = 2u << pick(3);
    if (n->kind <= VARIABLE || n->kind == COUNTER)
        return n;
    n->a = make_node(arena, depth - 1);
    n->b = pick(8) ? make_node(arena, depth - 1) : n->a; /* shared now and then */
    n->c = n->kind == CHOOSE || n->kind == EXCHANGE ? make_node(arena, depth - 1) : NO_CHILD;
    return n;
}

static struct statement *make_statements(struct arena *arena, unsigned depth, unsigned count) {
    struct statement *first = NULL;
    while (count--) {
        struct statement *s = arena_make(arena, struct statement);
        s->kind = depth && pick(3) == 0 ? (pick(2) ? IF : LOOP) : pick(4) ? ASSIGN : NARROW_STORE;
        s->variable = (unsigned)pick(VARIABLES);
        s->width = pick_width();
        s->count = 1 + (unsigned)pick(3);
        s->value = make_node(arena, 1 + (unsigned)pick(4));
        if (s->kind == IF || s->kind == LOOP)
            s->yes = make_statements(arena, depth - 1, 1 + (unsigned)pick(2));
        if (s->kind == IF && pick(2))
            s->no = make_statements(arena, depth - 1, 1 + (unsigned)pick(2));
        s->next = first;
        first = s;
    }
    return first;
}

/* ---- evaluating them ------------------------------------------------------------------------------------------ */

static uint64_t evaluate_binary(enum ir_op op, uint64_t a, uint64_t b) {
    int64_t x = (int64_t)a, y = (int64_t)b;
    bool overflow = x == INT64_MIN && y == -1;
    switch (op) {
    case IR_ADD:
        return a + b;
    case IR_SUB:
        return a - b;
    case IR_MUL:
        return a * b;
    case IR_UDIV:
        return b == 0 ? 0 : a / b;
    case IR_UMOD:
        return b == 0 ? a : a % b;
    case IR_SDIV:
        return b == 0 ? 0 : overflow ? a : (uint64_t)(x / y);
    case IR_SMOD:
        return b == 0 ? a : overflow ? 0 : (uint64_t)(x % y);
    case IR_AND:
        return a & b;
    case IR_OR:
        return a | b;
    case IR_XOR:
        return a ^ b;
    case IR_SHL:
        return a << (b % 64);
    case IR_LSHR:
        return a >> (b % 64);
    case IR_ASHR:
        return (uint64_t)(x >> (b % 64));
    case IR_UMIN:
        return a < b ? a : b;
    case IR_EQ:
        return a == b;
    case IR_NE:
        return a != b;
    case IR_ULT:
        return a < b;
    case IR_ULE:
        return a <= b;
    case IR_UGT:
        return a > b;
    case IR_UGE:
        return a >= b;
    case IR_SLT:
        return x < y;
    case IR_SLE:
        return x <= y;
    case IR_SGT:
        return x > y;
    default:
        return x >= y;
    }
}

static uint64_t evaluate_extend(uint64_t a, unsigned width, bool is_signed) {
    switch (width) {
    case 1:
        return is_signed ? (uint64_t)(int8_t)a : (uint8_t)a;
    case 2:
        return is_signed ? (uint64_t)(int16_t)a : (uint16_t)a;
    case 4:
        return is_signed ? (uint64_t)(int32_t)a : (uint32_t)a;
    default:
        return a;
    }
}

static uint64_t evaluate_swap(uint64_t a, unsigned width) {
    uint64_t result = 0;
    for (unsigned i = 0; i < width; i++)
        result = result << 8 | (a >> (8 * i) & 255);
    return result;
}

static uint64_t evaluate(const struct node *n, struct state *s) {
    switch (n->kind) {
    case NUMBER:
        return n->number;
    case INPUT:
        return evaluate_extend(s->inputs[n->index], n->width, false);
    case VARIABLE:
        return evaluate_extend(s->variables[n->index], n->width, false);
    case COUNTER:
        return s->counters[n->index];
    default:
        break;
    }
    if (n->kind == CHOOSE)
        return evaluate(n->a, s) ? evaluate(n->b, s) : evaluate(n->c, s);
    uint64_t a = evaluate(n->a, s), old = s->counters[n->index];
    switch (n->kind) {
    case UNARY:
        return n->op == IR_NEG ? 0 - a : ~a;
    case EXTEND:
        return evaluate_extend(a, n->width, n->is_signed);
    case SWAP:
        return evaluate_swap(a, n->width);
    case AFTER_CALL:
        return a;
    case FETCH:
        s->counters[n->index] = n->is_signed ? old + a : a;
        return old;
    default:
        break;
    }
    uint64_t b = evaluate(n->b, s);
    if (n->kind == BINARY)
        return evaluate_binary(n->op, a, b);
    uint64_t expected = evaluate(n->c, s); /* EXCHANGE */
    old = s->counters[n->index];
    if (old == expected)
        s->counters[n->index] = a ^ b;
    return old;
}

static void run_statements(const struct statement *s, struct state *state) {
    for (; s; s = s->next) {
        uint64_t value = s->kind == LOOP ? 0 : evaluate(s->value, state);
        if (s->kind == ASSIGN)
            state->variables[s->variable] = value;
        else if (s->kind == NARROW_STORE)
            memcpy(&state->variables[s->variable], &value, s->width); /* little-endian machines only */
        else if (s->kind == IF)
            run_statements(value ? s->yes : s->no, state);
        else
            for (unsigned i = 0; i < s->count; i++)
                run_statements(s->yes, state);
    }
}

/* ---- building the IR ------------------------------------------------------------------------------------------ */

struct builder {
    struct ir_module *module;
    ir_slot variables[VARIABLES], idle;
};

static ir_value build(struct builder *b, struct ir_function *f, const struct node *n);

static ir_value build_choose(struct builder *b, struct ir_function *f, const struct node *n) {
    ir_slot slot = ir_slot_new(b->module, 8, "choice");
    ir_value condition = build(b, f, n->a);
    ir_block from = f->current, yes = ir_block_new(f, from), no = ir_block_new(f, from), join = ir_block_new(f, from);
    ir_branch(f, condition, yes, no);
    ir_enter(f, yes);
    ir_store(f, 8, ir_slot_address(f, slot), 0, build(b, f, n->b));
    ir_jump(f, join);
    ir_enter(f, no);
    ir_store(f, 8, ir_slot_address(f, slot), 0, build(b, f, n->c));
    ir_jump(f, join);
    ir_enter(f, join);
    return ir_load(f, 8, ir_slot_address(f, slot), 0);
}

static ir_value build(struct builder *b, struct ir_function *f, const struct node *n) {
    switch (n->kind) {
    case NUMBER:
        return ir_constant(f, (int64_t)n->number);
    case INPUT:
        return ir_load_const(f, n->width, ir_map_value(f, 0, 0), (int32_t)(8 * n->index));
    case VARIABLE:
        return ir_load(f, n->width, ir_slot_address(f, b->variables[n->index]), 0);
    case COUNTER:
        return ir_load(f, 8, ir_map_value(f, 0, 0), COUNTER_OFFSET((int32_t)n->index));
    case CHOOSE:
        return build_choose(b, f, n);
    default:
        break;
    }
    ir_value a = build(b, f, n->a);
    /* The block may have changed; a value of an earlier block that dominates this one stays usable. */
    switch (n->kind) {
    case UNARY:
        return ir_unary(f, n->op, a);
    case EXTEND:
        return ir_extend(f, a, n->width, n->is_signed);
    case SWAP:
        return ir_byte_swap(f, a, n->width);
    case AFTER_CALL:
        ir_store(f, 8, ir_slot_address(f, b->idle), 0, ir_call0(f, IR_HELPER_get_prandom_u32));
        return a;
    case FETCH:
        return ir_atomic(f, n->is_signed ? IR_ATOMIC_FETCH_ADD : IR_ATOMIC_XCHG, 8,
                         ir_map_value(f, 0, COUNTER_OFFSET(n->index)), 0, a, IR_NONE);
    default:
        break;
    }
    ir_value second = build(b, f, n->b);
    if (n->kind == BINARY)
        return ir_binary(f, n->op, a, second);
    ir_value expected = build(b, f, n->c);
    return ir_atomic(f, IR_ATOMIC_CMPXCHG, 8, ir_map_value(f, 0, 0), COUNTER_OFFSET((int32_t)n->index),
                     ir_binary(f, IR_XOR, a, second), expected);
}

static void build_statements(struct builder *b, struct ir_function *f, const struct statement *s);

static void build_if(struct builder *b, struct ir_function *f, const struct statement *s) {
    ir_value condition = build(b, f, s->value);
    ir_block from = f->current, yes = ir_block_new(f, from), no = ir_block_new(f, from), join = ir_block_new(f, from);
    ir_branch(f, condition, yes, no);
    ir_enter(f, yes);
    build_statements(b, f, s->yes);
    ir_jump(f, join);
    ir_enter(f, no);
    build_statements(b, f, s->no);
    ir_jump(f, join);
    ir_enter(f, join);
}

static void build_loop(struct builder *b, struct ir_function *f, const struct statement *s) {
    struct ir_function *body = ir_function_new(b->module, IR_CALLBACK, "body");
    build_statements(b, body, s->yes);
    ir_return(body, ir_constant(body, 0));
    ir_calln(f, IR_HELPER_loop, ir_constant(f, s->count), ir_function_address(f, body), ir_frame(f), ir_constant(f, 0));
}

static void build_statements(struct builder *b, struct ir_function *f, const struct statement *s) {
    for (; s; s = s->next) {
        if (s->kind == IF)
            build_if(b, f, s);
        else if (s->kind == LOOP)
            build_loop(b, f, s);
        else
            ir_store(f, s->kind == ASSIGN ? 8 : s->width, ir_slot_address(f, b->variables[s->variable]), 0,
                     build(b, f, s->value));
    }
}

static struct ir_module *build_module(struct arena *arena, const struct statement *program) {
    struct builder b = {.module = ir_module_new(arena, "random")};
    struct ir_function *f = ir_function_new(b.module, IR_MAIN, "main");
    b.idle = ir_slot_new(b.module, 8, "idle");
    for (unsigned i = 0; i < VARIABLES; i++) {
        b.variables[i] = ir_slot_new(b.module, 8, "variable");
        ir_store(f, 8, ir_slot_address(f, b.variables[i]), 0, ir_constant(f, i));
    }
    build_statements(&b, f, program);
    for (unsigned i = 0; i < VARIABLES; i++)
        ir_store(f, 8, ir_map_value(f, 0, 0), (int32_t)(8 * (INPUTS + i)),
                 ir_load(f, 8, ir_slot_address(f, b.variables[i]), 0));
    ir_return(f, ir_constant(f, 1));
    return b.module;
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

static void dump(const struct ir_module *module, const struct bpf_program *program) {
    struct strbuf out = {0};
    ir_print(module, &out);
    bpf_disassemble(program, NULL, &out);
    fputs(strbuf_text(&out), stderr);
    strbuf_free(&out);
}

static bool interpret(struct arena *arena, const struct bpf_program *program, struct shared *shared, uint64_t *result) {
    struct bpf_machine *machine = bpf_machine_new(arena);
    uint64_t context[8] = {0};
    bpf_machine_set_standard_helpers(machine);
    bpf_machine_add_region(machine, shared, sizeof *shared, true);
    bpf_machine_set_map(machine, 0, NULL, shared);
    if (bpf_machine_run(machine, program, context, result))
        return true;
    fprintf(stderr, "%s\n", bpf_machine_error(machine));
    return false;
}

static bool agree(const struct shared *shared, const struct state *state) {
    return memcmp(shared->outputs, state->variables, sizeof state->variables) == 0 &&
           memcmp(shared->counters, state->counters, sizeof state->counters) == 0;
}

static struct state make_inputs(void) {
    struct state state = {{0}, {0}, {0}};
    for (unsigned i = 0; i < INPUTS; i++)
        state.inputs[i] = interesting_number();
    for (unsigned i = 0; i < VARIABLES; i++)
        state.variables[i] = i;
    return state;
}

/* False: the program needs more stack than there is. */
static bool try_program(struct arena *arena, bool optimize, uint64_t allocation_seed, bool cpu_v4,
                        const struct statement *tree, struct ir_module **module, struct bpf_program *program) {
    const char *error;
    struct bpf_options options = {.cpu_v4 = cpu_v4, .random_seed = allocation_seed};
    *module = build_module(arena, tree);
    ir_verify(*module);
    if (optimize) {
        ir_optimize(*module);
        ir_verify(*module);
    }
    return bpf_compile(arena, *module, &options, program, &error);
}

static unsigned compare_once(struct arena *arena, const struct statement *tree, uint64_t allocation_seed, bool cpu_v4) {
    struct ir_module *module;
    struct bpf_program program;
    if (!try_program(arena, allocation_seed % 3 != 2, allocation_seed, cpu_v4, tree, &module, &program))
        return 0;
    for (unsigned round = 0; round < 3; round++) {
        struct state state = make_inputs();
        struct shared shared = {{0}, {0}, {0}};
        uint64_t result = 0;
        memcpy(shared.inputs, state.inputs, sizeof shared.inputs);
        bool good = interpret(arena, &program, &shared, &result);
        run_statements(tree, &state);
        if (!good || result != 1 || !agree(&shared, &state)) {
            dump(module, &program);
            fail_msg("wrong result with allocation seed %llu, v4 %d", (unsigned long long)allocation_seed, cpu_v4);
        }
    }
    return 1;
}

static void compare_with_interpreter(uint64_t seed, unsigned programs) {
    unsigned fitted = 0;
    seed_state = seed;
    for (unsigned i = 0; i < programs; i++) {
        struct arena *arena = arena_new();
        struct statement *tree = make_statements(arena, 2, 2 + (unsigned)pick(5));
        for (uint64_t allocation = 0; allocation < 4; allocation++)
            fitted += compare_once(arena, tree, allocation ? allocation + i : 0, (allocation + i) % 2);
        arena_free(arena);
    }
    assert_true(fitted > programs * 2); /* of 4 each: most fit the stack */
}

static uint64_t fresh_seed(void) {
    const char *given = getenv("TARSIER_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b97f4a7c15ull | 1;
    print_message("# TARSIER_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void fixed_seed_agrees(void **unused) {
    (void)unused;
    compare_with_interpreter(0x5eed, 300);
}

static void fresh_seed_agrees(void **unused) {
    (void)unused;
    compare_with_interpreter(fresh_seed(), 100);
}

static void compare_in_kernel(struct arena *arena, const struct statement *tree, int map, uint64_t allocation_seed) {
    static char log[1 << 20];
    struct ir_module *module;
    struct bpf_program program;
    if (!try_program(arena, true, allocation_seed, false, tree, &module, &program))
        return;
    int fd = kernel_load(arena, &program, NULL, map, log, sizeof log);
    if (fd == -E2BIG) /* too many paths for the verifier */
        return;
    if (fd < 0) {
        dump(module, &program);
        size_t length = strlen(log);
        fail_msg("refused (%s): %s", strerror(-fd), length > 1500 ? log + length - 1500 : log);
    }
    struct state state = make_inputs();
    struct shared shared = {{0}, {0}, {0}};
    uint32_t result = 0;
    memcpy(shared.inputs, state.inputs, sizeof shared.inputs);
    assert_int_equal(kernel_element(BPF_MAP_UPDATE_ELEM, map, &shared), 0);
    assert_int_equal(kernel_run(fd, &result), 0);
    assert_int_equal(kernel_element(BPF_MAP_LOOKUP_ELEM, map, &shared), 0);
    close(fd);
    run_statements(tree, &state);
    if (result != 1 || !agree(&shared, &state)) {
        dump(module, &program);
        fail_msg("wrong result in the kernel, allocation seed %llu", (unsigned long long)allocation_seed);
    }
}

static void kernel_agrees(void **unused) {
    (void)unused;
    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    int map = kernel_array(sizeof(struct shared));
    if (map < 0) {
        print_message("bpf(2) is not allowed here: %s\n", strerror(errno));
        skip();
    }
    seed_state = fresh_seed();
    for (unsigned i = 0; i < 60; i++) {
        struct arena *arena = arena_new();
        struct statement *tree = make_statements(arena, 1, 2 + (unsigned)pick(3));
        compare_in_kernel(arena, tree, map, 0);
        compare_in_kernel(arena, tree, map, i + 1);
        arena_free(arena);
    }
    close(map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_seed_agrees),
        cmocka_unit_test(fresh_seed_agrees),
        cmocka_unit_test(kernel_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
