/* Scripts through the whole compiler: parsed, checked, lowered and encoded for a small world of types and targets,
 * twice (a tree can be checked again at any time). What is accepted must compile; what is refused must say why, inside
 * the text. Seeds: tests/lang/check and tests/lang/parse. */
#include "../unit/lang_check_env.h"
#include "bpf/bpf.h"
#include "lang/plan.h"

enum { SIZE_LIMIT = 8192, PROBE_LIMIT = 16 };

static const struct lang_target *some_target(const struct node *probe) {
    const struct lang_target *target = world_target(probe);
    return target ? target : &world_targets[strlen(probe->child->text) % COUNT(world_targets)];
}

static void compile_unit(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                         struct diag_list *diags) {
    struct bpf_options options = {0};
    struct bpf_program compiled = {0};
    struct strbuf out = {0};
    const enum lang_stack_room rooms[] = {LANG_STACK_ROOM, LANG_STACK_ROOM_LEAST};
    bool fits = false;

    if (!lang_check_unit(program, unit, env, diags))
        return;
    const struct lang_plan before = *program->plan;
    for (unsigned i = 0; i < COUNT(rooms) && !fits; i++) {
        const char *error = NULL;
        *program->plan = before;
        struct ir_module *module = lang_lower(program, unit, env, rooms[i], diags);
        if (!module) {
            if (diags->error_count == 0)
                __builtin_trap();
            return;
        }
        fits = bpf_compile(program->arena, module, &options, &compiled, &error);
        if (!fits && !error)
            __builtin_trap();
    }
    if (fits)
        bpf_disassemble(&compiled, program->source, &out);
    strbuf_free(&out);
}

static void compile_program(struct lang_program *program, struct diag_list *diags) {
    struct lang_env env = world_env;
    struct lang_unit units[PROBE_LIMIT];
    uint32_t count = 0;

    env.has_loop_helper = env.has_cookie = env.has_task_storage = env.allow_unsafe = true;
    for (struct node *probe = program->tree->child; probe && count < PROBE_LIMIT; probe = probe->next) {
        if (probe->kind == NODE_PROBE)
            units[count++] = (struct lang_unit){probe, some_target(probe)};
    }
    if (!lang_check(program, units, count, &env, diags)) {
        if (diags->error_count == 0)
            __builtin_trap();
        return;
    }
    lang_plan_maps(program, units, count, &env);
    for (uint32_t i = 0; i < count; i++)
        compile_unit(program, &units[i], &env, diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size > SIZE_LIMIT)
        return 0;
    struct arena *arena = arena_new();
    struct source source = {"stdin", (const char *)bytes, (uint32_t)size, NULL};
    struct diag_list diags;
    struct strbuf out = {0};

    diag_init(&diags, arena, &source);
    struct lang_program *program = lang_parse(arena, &source, &world_env, &diags);
    if (diags.error_count == 0)
        compile_program(program, &diags);
    for (uint32_t i = 0; i < diags.items.count; i++)
        diag_format(&diags, &diags.items.data[i], false, &out);
    strbuf_free(&out);
    arena_free(arena);
    return 0;
}
