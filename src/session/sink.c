/* Values for a sink: profile/ takes what a program prints as it is.
 *
 * A value names a stack by its id. Before the value goes to the sink, the stack does, with the names of its frames, if
 * it was not there before: an id is made of what was captured, so it means the same for ever. What the sink has needs
 * no place in the kernel's table any more. Every other moment the table is emptied: what is in it and not yet known is
 * named as well, because a blocked thread may hold an id for hours. So the table is small however long the run is, and
 * all that grows here is 8 bytes for each different stack.
 */
#include "session/session_int.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EMPTY_EVERY_NS 5000000000u
enum { EMPTY_EVERY_VALUES = 4096 };

struct session_known {
    struct arena *arena;
    struct hash ids;     /* those that the sink has been given */
    uint64_t emptied_at; /* monotonic ns */
    uint32_t values;     /* since */
    VEC(struct session_frame) frames;
};

static struct session_known *known(struct session *s) {
    if (!s->known) {
        s->known = arena_make(s->arena, struct session_known);
        s->known->arena = s->arena;
        hash_init(&s->known->ids, s->arena);
        s->known->emptied_at = kernel_monotonic_ns();
    }
    return s->known;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static struct session_frame named(const struct symbol_name *symbol, enum profile_frame_kind kind, uint64_t address) {
    return (struct session_frame){symbol->name, symbol->module, address, symbol->offset, kind};
}

/* Of a caller the function is the one that holds the byte before, see symbol.h. */
static void add_kernel_frame(struct session *s, uint64_t address, bool is_caller) {
    struct symbol_name symbol;
    symbol_kernel(s->symbols, address - is_caller, &symbol);
    symbol.offset += is_caller;
    vec_push(s->arena, &s->known->frames, named(&symbol, PROFILE_KERNEL, address));
}

static void add_user_frame(struct session *s, uint32_t tgid, uint64_t address, bool is_caller) {
    struct symbol_name symbol;
    enum profile_frame_kind kind = PROFILE_USER;
    if (!symbol_user(s->symbols, tgid, address - is_caller, &symbol))
        kind = symbol.module ? PROFILE_UNNAMED : PROFILE_JIT;
    else if (symbol.is_place)
        kind = PROFILE_UNNAMED;
    else if (str_starts(symbol.module, "/tmp/perf-"))
        kind = PROFILE_JIT;
    symbol.offset += is_caller;
    vec_push(s->arena, &s->known->frames, named(&symbol, kind, symbol.address ? symbol.address + is_caller : address));
}

static void tell_unwound(struct session *s, uint64_t id, const struct unwind_stack *captured) {
    const struct session_sink *sink = s->options->sink;
    struct session_known *k = known(s);
    k->frames.count = 0;
    for (uint32_t i = 0; i < captured->count; i++)
        vec_push(s->arena, &k->frames, session_unwound_frame(s, captured, i));
    struct session_stack stack = {k->frames.data, k->frames.count, true, (enum profile_cut)captured->cut};
    sink->stack(sink->context, id, &stack);
    hash_put_number(&k->ids, id, k);
}

/* captured: u32 tgid (0 in the kernel), u32 count, u64 addresses; or as the unwinder made it. */
static void tell_stack(struct session *s, uint64_t id, const uint8_t *captured, uint32_t size) {
    const struct session_sink *sink = s->options->sink;
    struct session_known *k = known(s);
    const uint64_t *addresses = (const void *)(captured + 8);
    const struct session_walked *walked = session_walked_stack(s, id);
    uint32_t tgid, count;
    if (walked || session_is_unwound(s, captured, size)) {
        tell_unwound(s, id, walked ? walked->stack : (const void *)captured);
        return;
    }
    memcpy(&tgid, captured, sizeof tgid);
    memcpy(&count, captured + 4, sizeof count);
    count = count > size / 8 - 1 ? size / 8 - 1 : count;
    uint32_t first = tgid ? 0 : session_machinery_frames(s, addresses, count);
    k->frames.count = 0;
    for (uint32_t i = first; i < count; i++) {
        if (tgid)
            add_user_frame(s, tgid, addresses[i], i > first);
        else
            add_kernel_frame(s, addresses[i], i > first);
    }
    struct session_stack stack = {k->frames.data, k->frames.count, tgid != 0,
                                  tgid ? PROFILE_CUT_UNKNOWN : PROFILE_COMPLETE};
    sink->stack(sink->context, id, &stack);
    hash_put_number(&k->ids, id, k);
}

static bool is_known(struct session *s, uint64_t id) { return hash_get_number(&known(s)->ids, id) != NULL; }

/* ---- the table of the kernel ---------------------------------------------------------------------------------------
 */

static void look_up(struct session *s, uint64_t id) {
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        const struct lang_map_plan *table = &s->plan->maps.data[i];
        if (table->role != LANG_MAP_STACKS)
            continue;
        uint8_t *bytes = malloc(table->value_size);
        bool found = bytes && kernel_map_lookup(s->maps[i].fd, &id, bytes) == 0;
        if (found)
            tell_stack(s, id, bytes, table->value_size);
        free(bytes);
        if (found)
            return;
    }
}

static void empty_table(struct session *s, const struct lang_map_plan *table, int fd) {
    struct arena *arena = arena_new();
    void *keys, *values;
    uint32_t count = 0;
    if (kernel_map_dump(fd, 8, table->value_size, table->max_entries, arena, &keys, &values, &count) < 0)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *id = (const uint64_t *)keys + i;
        if (!is_known(s, *id))
            tell_stack(s, *id, (const uint8_t *)values + (size_t)i * table->value_size, table->value_size);
        kernel_map_delete(fd, id);
    }
    arena_free(arena);
}

static void empty_tables(struct session *s) {
    struct session_known *k = known(s);
    uint64_t now = kernel_monotonic_ns();
    if (k->values < EMPTY_EVERY_VALUES && now - k->emptied_at < EMPTY_EVERY_NS)
        return;
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        if (s->plan->maps.data[i].role == LANG_MAP_STACKS)
            empty_table(s, &s->plan->maps.data[i], s->maps[i].fd);
    }
    k->values = 0;
    k->emptied_at = now;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void tell_stacks_in(struct session *s, const struct type *type, const uint8_t *bytes) {
    uint64_t id;
    session_drain_stacks(s);
    if (type_is_stack(type)) {
        memcpy(&id, bytes, sizeof id);
        if (id && !is_known(s, id))
            look_up(s, id);
    }
    for (uint32_t i = 0; type->kind == TYPE_TUPLE && i < type->field_count; i++)
        tell_stacks_in(s, type->fields[i].type, bytes + type->fields[i].offset);
}

void session_sink_value(struct session *s, uint64_t stamp, const struct type *type, const void *bytes) {
    const struct session_sink *sink = s->options->sink;
    known(s)->values++;
    tell_stacks_in(s, type, bytes);
    empty_tables(s);
    sink->value(sink->context, stamp, type, bytes);
}

void session_sink_element(struct session *s, const struct lang_map *map, const void *key, const void *value) {
    const struct session_sink *sink = s->options->sink;
    tell_stacks_in(s, map->value, value);
    sink->element(sink->context, map->name, key, map->value, value);
}

void session_sink_end(struct session *s) {
    const struct session_sink *sink = s->options->sink;
    struct session_losses losses = {.started_at = s->attached_at, .stopped_at = s->detached_at};
    session_count_losses(s, &losses);
    sink->end(sink->context, &losses);
    for (uint32_t i = 0; i < s->program->maps.count; i++)
        session_sink_map(s, s->program->maps.data[i]);
}
