/* Inlined functions: a probe on one is at each place where a copy of it begins. And what -lv says about functions. */
#include "object/dwarf.h"
#include "probe/uprobe_int.h"

#include <inttypes.h>
#include <string.h>

struct adder {
    struct probe_context *context;
    const struct probe_point *point;
    const struct probe_binary *binary;
    struct object_elf *elf;
    const char *name;
    struct probe_targets *out;
    uint32_t first, added;
};

static bool is_known(const struct adder *adder, uint64_t offset) {
    for (uint32_t i = adder->first; i < adder->out->items.count; i++)
        if (adder->out->items.data[i]->offset == adder->binary->begin + offset)
            return true;
    return false;
}

static void add_copy(void *user, const struct object_function *copy) {
    struct adder *adder = user;
    struct arena *arena = adder->context->arena;
    uint64_t offset;

    if (!object_elf_offset_of(adder->elf, copy->address, &offset) || is_known(adder, offset))
        return;
    struct probe_target *target =
        uprobe_add(adder->context, adder->point, adder->binary, arena_printf(arena, ":%s", adder->name), adder->name,
                   copy->address, offset, adder->out);
    target->is_further = adder->out->items.count > adder->first + 1;
    target->function = NULL;
    target->args = NULL;
    target->no_function = NULL;
    if (adder->point->wants & PROBE_WANT_ARGS) {
        target->function = arena_memdup(arena, copy, sizeof *copy);
        target->args = copy->args;
    }
    adder->added++;
}

/* `out` holds the function itself as its last target, where there is one. */
uint32_t uprobe_add_inlined(struct probe_context *context, const struct probe_point *point,
                            const struct probe_binary *binary, struct object_elf *elf, const char *name,
                            struct probe_targets *out) {
    struct adder adder = {context, point, binary, elf, name, out, out->items.count, 0};
    const char *reason;

    if (adder.first > 0 && out->items.data[adder.first - 1]->path == binary->path)
        adder.first--;
    struct object_dwarf *dwarf =
        probe_has_dwarf(context, binary->path) ? probe_dwarf(context, binary->path, &reason) : NULL;
    if (dwarf)
        object_dwarf_inlined(dwarf, name, add_copy, &adder);
    return adder.added;
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

/* An argument as the source declares it. `number` may be that of the result. */
static void list_field(struct probe_lister *lister, const struct object_function *function, uint32_t number,
                       const char *name, const struct location *location) {
    struct strbuf text = {0}, type = {0};

    strbuf_addf(&text, "%s %s", object_dwarf_declared(function, number, &type), name);
    if (location && location->kind == LOCATION_NOWHERE)
        strbuf_addf(&text, " (can not be read: %s)", location->reason);
    probe_list_argument(lister, strbuf_text(&text));
    strbuf_free(&type);
    strbuf_free(&text);
}

void uprobe_list_arguments(struct probe_context *context, struct probe_lister *lister, const char *path,
                           uint64_t address, bool is_return) {
    const char *reason;
    struct object_dwarf *dwarf = probe_dwarf(context, path, &reason);
    struct object_function function;

    if (!dwarf || !object_dwarf_function(dwarf, address, false, &function))
        return;
    for (uint32_t i = 0; !is_return && i < function.args->field_count; i++)
        list_field(lister, &function, i, function.args->fields[i].name, &function.locations[i]);
    if (is_return && function.result->kind != TYPE_VOID)
        list_field(lister, &function, function.args->field_count, "retval", &function.result_location);
}

struct copy_lister {
    struct probe_context *context;
    struct probe_lister *lister;
    uint32_t count;
    bool with_arguments;
};

static void list_copy(void *user, const struct object_function *copy) {
    struct copy_lister *state = user;

    if (state->count++ == 0 && state->with_arguments)
        for (uint32_t i = 0; i < copy->args->field_count; i++)
            list_field(state->lister, copy, i, copy->args->fields[i].name, NULL);
    if (state->lister)
        probe_list_argument(state->lister, arena_printf(state->context->arena, "(inlined into %s at 0x%" PRIx64 ")",
                                                        copy->into ? copy->into : "?", copy->address));
}

uint32_t uprobe_list_inlined(struct probe_context *context, struct probe_lister *lister, const char *path,
                             const char *name, bool with_arguments) {
    struct copy_lister state = {context, lister, 0, with_arguments};
    const char *reason;
    struct object_dwarf *dwarf = probe_has_dwarf(context, path) ? probe_dwarf(context, path, &reason) : NULL;

    if (dwarf)
        object_dwarf_inlined(dwarf, name, list_copy, &state);
    return state.count;
}
