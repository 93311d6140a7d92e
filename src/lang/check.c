#include "lang/check_int.h"

#include <string.h>
#include <strings.h>

/* Types only grow, and each of them only a few times; a script that needs more walks does not exist. */
enum { WALKS_MOST = 64 };

void check_error(struct check *c, const char *tag, struct loc loc, const char *format, ...) {
    va_list args;

    if (!c->report)
        return;
    va_start(args, format);
    diag_error(c->diags, tag, loc, "%s", arena_vprintf(c->arena, format, args));
    va_end(args);
}

void check_warning(struct check *c, const char *tag, struct loc loc, const char *format, ...) {
    va_list args;

    if (!c->report)
        return;
    va_start(args, format);
    diag_warning(c->diags, tag, loc, "%s", arena_vprintf(c->arena, format, args));
    va_end(args);
}

void check_note(struct check *c, struct loc loc, const char *format, ...) {
    va_list args;

    if (!c->report)
        return;
    va_start(args, format);
    diag_note(c->diags, loc, "%s", arena_vprintf(c->arena, format, args));
    va_end(args);
}

void check_note_origin(struct check *c, const struct node *node) {
    const struct lang_variable *variable = node->kind == NODE_VARIABLE ? node->variable : NULL;
    const struct lang_map *map = node->kind == NODE_MAP ? node->map : NULL;

    if (variable && variable->type && variable->typed.begin != node->loc.begin)
        check_note(c, variable->typed, "%s is '%s' since here", variable->name, check_type_text(c, variable->type));
    else if (map && map->value && map->value_from.end)
        check_note(c, map->value_from, "%s is '%s' since here", map->name, check_type_text(c, map->value));
}

void check_hint(struct check *c, const char *format, ...) {
    va_list args;

    if (!c->report)
        return;
    va_start(args, format);
    diag_hint(c->diags, "%s", arena_vprintf(c->arena, format, args));
    va_end(args);
}

uint32_t check_line(const struct check *c, struct loc loc) {
    uint32_t line, column;

    source_position(c->program->source, loc.begin, &line, &column);
    return line;
}

const char *check_nearest_name(const char *wanted, const char *const *names, uint32_t count) {
    enum { SHORTEST = 3 }; /* with the $ or @ */

    return strlen(wanted) < SHORTEST ? NULL : diag_nearest(wanted, names, count);
}

static void init(struct check *c, struct lang_program *program, const struct lang_env *env, struct diag_list *diags) {
    *c = (struct check){.program = program, .env = env, .diags = diags, .arena = program->arena};
    hash_init(&c->unknown_names, c->arena);
    for (uint32_t i = 0; i < program->maps.count; i++) {
        const struct lang_map *map = program->maps.data[i];
        struct map_state state = {.assigned = map->value != NULL};
        if (map->value)
            state.shape = map->key ? MAP_SHAPE_KEYED : MAP_SHAPE_SCALAR;
        vec_push(c->arena, &c->map_states, state);
    }
}

static void settle_variables(struct check *c, struct node *probe) {
    for (unsigned walk = 0; walk < WALKS_MOST; walk++) {
        c->variables_changed = false;
        check_probe(c, probe);
        if (!c->variables_changed)
            return;
    }
}

/* Walks one unit until its variables settle, without a word. */
static void settle_unit(struct check *c, const struct lang_unit *unit, bool assume_integers) {
    c->target = unit->target;
    hash_init(&c->declared, c->arena);
    c->assume_integers = false;
    settle_variables(c, unit->probe);
    if (assume_integers) {
        c->assume_integers = true;
        settle_variables(c, unit->probe);
    }
}

static void report_unit(struct check *c, const struct lang_unit *unit) {
    settle_unit(c, unit, true);
    c->report = true;
    check_probe(c, unit->probe);
    c->report = false;
}

static void settle_maps(struct check *c, const struct lang_unit *units, uint32_t count, bool assume_integers) {
    for (unsigned walk = 0; walk < WALKS_MOST; walk++) {
        c->maps_changed = false;
        for (uint32_t i = 0; i < count; i++)
            settle_unit(c, &units[i], assume_integers);
        if (!c->maps_changed)
            return;
    }
}

static bool is_end_probe(const struct node *probe) {
    for (const struct node *point = probe->child; point && point->kind == NODE_ATTACH_POINT; point = point->next)
        if (strcasecmp(point->text, "end") == 0)
            return true;
    return false;
}

/* Maps that an end block clears are not printed at exit, so nobody sees what is left in them. */
static void mark_cleared_at_end(const struct node *probe) {
    if (!is_end_probe(probe) || node_probe_predicate(probe))
        return;
    for (const struct node *statement = node_probe_body(probe)->child; statement; statement = statement->next) {
        const struct node *call = statement->kind == NODE_EXPRESSION ? statement->child : NULL;
        if (call && call->kind == NODE_CALL && call->function && call->function->id == LANG_FUNCTION_clear &&
            call->child && call->child->map)
            call->child->map->cleared_at_end = true;
    }
}

bool lang_check(struct lang_program *program, const struct lang_unit *units, uint32_t count, const struct lang_env *env,
                struct diag_list *diags) {
    struct check c;
    uint32_t errors = diags->error_count;

    init(&c, program, env, diags);
    settle_maps(&c, units, count, false);
    settle_maps(&c, units, count, true);
    for (uint32_t i = 0; i < count; i++) {
        report_unit(&c, &units[i]);
        mark_cleared_at_end(units[i].probe);
    }
    c.report = true;
    check_map_declarations(&c);
    for (uint32_t i = 0; i < program->maps.count; i++)
        if (!program->maps.data[i]->key)
            program->maps.data[i]->always_tid_key = false;
    return diags->error_count == errors;
}

bool lang_check_unit(struct lang_program *program, const struct lang_unit *unit, const struct lang_env *env,
                     struct diag_list *diags) {
    struct check c;
    uint32_t errors = diags->error_count;

    init(&c, program, env, diags);
    report_unit(&c, unit);
    return diags->error_count == errors;
}
