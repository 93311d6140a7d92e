/* From text to programs: the compiler's stages in order. */
#include "session/session_int.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int print_diagnostics(struct session *s) {
    if (s->options->no_warnings)
        diag_drop_warnings(&s->diags);
    diag_print_all(&s->diags, s->options->color, stderr);
    return s->diags.error_count ? SESSION_USER_ERROR : SESSION_OK;
}

static struct lang_unit *lang_units(struct session *s) {
    struct lang_unit *units = arena_new_array(s->arena, struct lang_unit, s->units.count + 1);
    for (uint32_t i = 0; i < s->units.count; i++)
        units[i] = s->units.data[i]->lang;
    return units;
}

/* Task storage and the loop helper decide what code is made, so the kernel is asked before lowering. */
static void ask_kernel(struct session *s) {
    for (uint32_t i = 0; i < s->program->maps.count; i++) {
        const struct lang_map *map = s->program->maps.data[i];
        if (map->always_tid_key && map->cleared_at_end)
            s->env.has_task_storage = kernel_feature(s->features, KERNEL_FEATURE_TASK_STORAGE);
    }
    session_prepare_stacks(s);
    s->env.has_loop_helper = true;
    s->env.has_cookie = true;
}

/* The rings of all CPUs together stay within a budget (they are mapped twice and count as memory of the process); a
 * script that only prints maps or exits needs little. */
#define RING_BUDGET (2u << 20)
#define RING_BUDGET_CONTROL (64u << 10)
#define RING_LEAST (16u << 10)
#define RING_MOST (1u << 30)

static bool is_text(enum lang_function_id id) {
    static const enum lang_function_id texts[] = {LANG_FUNCTION_printf, LANG_FUNCTION_print,    LANG_FUNCTION_errorf,
                                                  LANG_FUNCTION_warnf,  LANG_FUNCTION_system,   LANG_FUNCTION_cat,
                                                  LANG_FUNCTION_join,   LANG_FUNCTION_skboutput};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] == id)
            return true;
    }
    return false;
}

static bool sends_data(const struct node *node) {
    if (node->kind == NODE_CALL && node->function && is_text(node->function->id))
        return true;
    for (const struct node *child = node->child; child; child = child->next) {
        if (sends_data(child))
            return true;
    }
    return false;
}

/* The largest power of two that gives every CPU its ring within the budget, but not less than `least`. */
static uint32_t share(uint64_t budget, uint32_t least, uint32_t cpus) {
    uint32_t size = least;
    while (size < RING_MOST && (uint64_t)size * 2 * cpus <= budget)
        size *= 2;
    return size;
}

static uint32_t ring_size(const struct session *s) {
    uint32_t cpus = s->cpus.count_possible, page = (uint32_t)sysconf(_SC_PAGESIZE);
    if (s->settings.ring_pages)
        return share((uint64_t)s->settings.ring_pages * page, page, cpus);
    return share(sends_data(s->program->tree) ? RING_BUDGET : RING_BUDGET_CONTROL, RING_LEAST, cpus);
}

/* For tests: random but legal choices of registers. */
static uint64_t torture_seed(void) {
    const char *seed = getenv("TARSIER_TORTURE");
    return seed ? strtoull(seed, NULL, 0) : 0;
}

static int lower_unit(struct session *s, struct session_unit *unit) {
    if (!lang_check_unit(s->program, &unit->lang, &s->env, &s->diags))
        return SESSION_USER_ERROR;
    struct bpf_options options = {.cpu_v4 = false, .random_seed = torture_seed()};
    struct lang_plan before = *s->program->plan;
    const char *error = NULL;
    struct ir_module *module = lang_lower(s->program, &unit->lang, &s->env, LANG_STACK_ROOM, &s->diags);
    if (module && !bpf_compile(s->arena, module, &options, &unit->program, &error)) {
        *s->program->plan = before;
        module = lang_lower(s->program, &unit->lang, &s->env, LANG_STACK_ROOM_LEAST, &s->diags);
    }
    if (!module)
        return SESSION_USER_ERROR;
    if (error && !bpf_compile(s->arena, module, &options, &unit->program, &error)) {
        diag_error(&s->diags, "program-limit", unit->lang.probe->loc, "%s", error);
        return SESSION_USER_ERROR;
    }
    session_show_unit(s, unit, module);
    return SESSION_OK;
}

int session_compile(struct session *s) {
    s->program = lang_parse(s->arena, s->diags.source, &s->env, &s->diags);
    if (s->diags.error_count)
        return print_diagnostics(s);
    session_settings(s);
    if (s->diags.error_count)
        return print_diagnostics(s);
    if (s->options->stages & SESSION_STAGE_AST)
        session_show_stages(s);
    int result = session_expand(s);
    if (result != SESSION_OK) {
        print_diagnostics(s);
        return result;
    }
    if (s->options->list)
        return session_list(s);
    const struct lang_unit *units = lang_units(s);
    if (!lang_check(s->program, units, s->units.count, &s->env, &s->diags)) {
        print_diagnostics(s);
        return SESSION_USER_ERROR;
    }
    if (!session_has_helpers(s, units)) {
        print_diagnostics(s);
        return SESSION_SYSTEM_ERROR;
    }
    ask_kernel(s);
    lang_plan_maps(s->program, units, s->units.count, &s->env);
    s->plan = s->program->plan;
    s->ring_size = ring_size(s);
    s->plan->ring_wake_bytes = s->ring_size / 4;
    for (uint32_t i = 0; i < s->units.count && result == SESSION_OK; i++)
        result = lower_unit(s, s->units.data[i]);
    object_btf_release(s->probes.btf);
    probe_rest(&s->probes);
    int printed = print_diagnostics(s);
    return result != SESSION_OK ? result : printed;
}
