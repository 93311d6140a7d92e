/* The driver of the machine's passes, and the one limit that concerns all functions together: the stack. */
#include "base/piece.h"
#include "bpf/bpf_int.h"

struct attempt {
    uint64_t random_seed;
    bool share;
};

struct compiler {
    struct arena *scratch;
    const struct ir_module *module;
    const struct bpf_options *options;
    struct bpf_function *functions;
    bool *used; /* functions that main reaches: the kernel refuses code nobody refers to */
};

/* Calls visit(c, index of the function) for every callback whose address `f` takes. */
static void each_callback(struct compiler *c, const struct ir_function *f,
                          void (*visit)(struct compiler *c, uint32_t index, void *data), void *data) {
    for (ir_block b = 0; b < f->blocks.count; b++)
        for (uint32_t k = 0; k < f->blocks.data[b].instructions.count; k++) {
            const struct ir_instruction *v = &f->values.data[f->blocks.data[b].instructions.data[k]];
            if (v->op == IR_FUNCTION)
                visit(c, (uint32_t)v->immediate, data);
        }
}

static void mark_used(struct compiler *c, uint32_t index, void *unused) {
    if (c->used[index])
        return;
    c->used[index] = true;
    each_callback(c, c->module->functions.data[index], mark_used, unused);
}

static void lower_functions(struct compiler *c, struct attempt attempt) {
    uint32_t *slot_offsets, area = bpf_place_slots(c->module, c->scratch, &slot_offsets);
    uint64_t state = attempt.random_seed;
    for (uint32_t i = 0; i < c->module->functions.count; i++) {
        struct bpf_function *f = &c->functions[i];
        if (!c->used[i])
            continue;
        *f = (struct bpf_function){.ir = c->module->functions.data[i], .arena = c->scratch};
        f->slot_area = f->ir->kind == IR_MAIN ? area : 0;
        bpf_select(f, slot_offsets, c->options->cpu_v4);
        bpf_allocate(f, state ? &state : NULL, attempt.share);
    }
}

/* The kernel counts at least one byte for each frame and rounds each up to 32. */
static uint32_t rounded_frame(const struct bpf_function *f) {
    uint32_t size = bpf_frame_size(f);
    return size == 0 ? 32 : (size + 31) & ~31u;
}

struct chain {
    uint32_t depth, deepest;
};

/* The deepest chain of a runtime piece that the function calls. */
static uint32_t pieces_size(const struct compiler *c, const struct ir_function *f) {
    uint32_t deepest = 0;
    for (ir_block b = 0; b < f->blocks.count; b++)
        for (uint32_t k = 0; k < f->blocks.data[b].instructions.count; k++) {
            const struct ir_instruction *v = &f->values.data[f->blocks.data[b].instructions.data[k]];
            int id = v->op == IR_CALL ? ir_helpers[v->helper].id : 0;
            if (id < 0 && c->module->pieces[-1 - id]->stack > deepest)
                deepest = c->module->pieces[-1 - id]->stack;
        }
    return deepest;
}

static uint32_t chain_size(struct compiler *c, uint32_t index, uint32_t depth);

static void measure_callback(struct compiler *c, uint32_t index, void *data) {
    struct chain *chain = data;
    uint32_t size = chain_size(c, index, chain->depth + 1);
    chain->deepest = size > chain->deepest ? size : chain->deepest;
}

/* Frame of a function plus the deepest chain of callbacks it starts. No function may reach itself, so the depth of
 * this recursion is at most the number of functions. */
static uint32_t chain_size(struct compiler *c, uint32_t index, uint32_t depth) {
    struct chain chain = {depth, pieces_size(c, c->functions[index].ir)};
    if (depth > c->module->functions.count)
        BUG("bpf: callbacks of %s call themselves", c->module->name);
    each_callback(c, c->functions[index].ir, measure_callback, &chain);
    return rounded_frame(&c->functions[index]) + chain.deepest;
}

static const char *stack_error(const struct compiler *c, struct arena *arena, uint32_t size) {
    const struct ir_module *module = c->module;
    uint32_t largest = UINT32_MAX;
    for (uint32_t i = 0; i < module->slots.count; i++)
        if (largest == UINT32_MAX || module->slots.data[i].size > module->slots.data[largest].size)
            largest = i;
    const char *who = largest == UINT32_MAX ? "values computed at the same time"
                                            : arena_printf(arena, "'%s' with %u", module->slots.data[largest].name,
                                                           module->slots.data[largest].size);
    return arena_printf(arena,
                        "%s needs %u bytes of stack and BPF has %u; the largest user is %s: use fewer or smaller "
                        "variables and keys, or split the probe",
                        module->name, size, BPF_STACK_LIMIT, who);
}

static bool write_program(struct compiler *c, struct arena *arena, struct bpf_program *out, const char **error) {
    uint32_t *starts = arena_new_array(c->scratch, uint32_t, c->module->functions.count);
    for (uint32_t i = 0; i < c->module->functions.count; i++) {
        starts[i] = out->instructions.count;
        if (c->used[i] && !bpf_encode(&c->functions[i], arena, out, error))
            return false;
    }
    bpf_resolve_functions(out, starts);
    bpf_link(arena, c->module, out);
    return true;
}

bool bpf_compile(struct arena *arena, const struct ir_module *module, const struct bpf_options *options,
                 struct bpf_program *out, const char **error) {
    const struct attempt attempts[] = {{options->random_seed, false}, {0, false}, {0, true}};
    struct compiler c = {.scratch = arena_new(), .module = module, .options = options};
    c.functions = arena_new_array(c.scratch, struct bpf_function, module->functions.count);
    c.used = arena_new_array(c.scratch, bool, module->functions.count);
    mark_used(&c, 0, NULL);
    *out = (struct bpf_program){.name = arena_strdup(arena, module->name)};
    *error = NULL;
    for (unsigned i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        lower_functions(&c, attempts[i]);
        out->stack_size = chain_size(&c, 0, 0);
        if (out->stack_size <= BPF_STACK_LIMIT)
            break;
    }
    uint32_t functions = 0;
    for (uint32_t i = 0; i < module->functions.count; i++)
        functions += c.used[i];
    if (functions > BPF_FUNCTION_LIMIT)
        *error = arena_printf(
            arena, "%s has %u loops and the kernel allows %u in a program: split the block into several probes",
            module->name, functions - 1, BPF_FUNCTION_LIMIT - 1);
    else if (out->stack_size > BPF_STACK_LIMIT)
        *error = stack_error(&c, arena, out->stack_size);
    bool done = !*error && write_program(&c, arena, out, error);
    arena_free(c.scratch);
    return done;
}
