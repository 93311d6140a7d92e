/* Maps: their shape (keys or none), the types of keys and values, and what is done with them. */
#include "lang/check_int.h"

#include <string.h>

struct lang_map *check_bind_map(struct check *c, struct node *node) {
    struct lang_program *program = c->program;

    node->map = NULL;
    for (uint32_t i = 0; i < program->maps.count && !node->map; i++)
        if (strcmp(program->maps.data[i]->name, node->text) == 0)
            node->map = program->maps.data[i];
    if (!node->map) {
        node->map = arena_make(program->arena, struct lang_map);
        node->map->name = node->text;
        node->map->index = program->maps.count;
        node->map->first = node->loc;
        node->map->always_tid_key = true;
        vec_push(program->arena, &program->maps, node->map);
    }
    while (c->map_states.count < program->maps.count)
        vec_add(c->arena, &c->map_states);
    return node->map;
}

struct map_state *check_map_state(struct check *c, const struct lang_map *map) {
    return &c->map_states.data[map->index];
}

bool check_is_countable(const struct type *type) {
    return type->kind == TYPE_COUNT || type->kind == TYPE_SUM || type->kind == TYPE_MIN || type->kind == TYPE_MAX ||
           type->kind == TYPE_AVG;
}

const struct type *check_reduced_type(const struct type *aggregate) {
    return type_int(64, aggregate->is_signed || aggregate->kind == TYPE_COUNT);
}

/* False (and reported) if the map has the other shape. */
static bool take_shape(struct check *c, struct lang_map *map, struct loc loc, bool keyed) {
    struct map_state *state = check_map_state(c, map);

    if (state->shape == MAP_SHAPE_UNKNOWN) {
        state->shape = keyed ? MAP_SHAPE_KEYED : MAP_SHAPE_SCALAR;
        map->key_from = loc;
        c->maps_changed = true;
    }
    if ((state->shape == MAP_SHAPE_KEYED) == keyed)
        return true;
    check_error(c, "map-shape", loc,
                keyed
                    ? "%s used as a map with an explicit key (non-scalar map), previously used without an explicit key "
                      "(scalar map)"
                    : "%s used as a map without an explicit key (scalar map), previously used with an explicit key "
                      "(non-scalar map)",
                map->name);
    check_note(c, map->key_from, keyed ? "%s has no keys since here" : "%s has keys since here", map->name);
    if (keyed)
        check_hint(c, "use another name for the map with keys");
    else
        check_hint(c, "write %s[key], or use another name", map->name);
    return false;
}

static bool is_tid(const struct node *key) {
    return key->builtin && key->builtin->id == LANG_BUILTIN_tid && !key->next;
}

/* A value that can be compared byte by byte; as it is, for a tuple. */
static const struct type *key_type(struct check *c, struct node *key) {
    const struct type *type = check_value(c, key);

    if (!type)
        return NULL;
    if (type_is_aggregate(type)) {
        check_error(c, "map-key-type", key->loc, "'%s' cannot be used as a map key", check_type_text(c, type));
        check_hint(c, "keys are integers, strings, pointers, stacks, symbols or tuples of them");
        return NULL;
    }
    return check_variable_type(c, type);
}

static const struct type *keys_type(struct check *c, struct node *keys) {
    VEC(const struct type *) types = {0};
    bool known = true;

    for (struct node *key = keys; key; key = key->next) {
        const struct type *type = key_type(c, key);
        known &= type != NULL;
        vec_push(c->arena, &types, type);
    }
    if (!known)
        return NULL;
    return types.count == 1 ? check_stored(c, types.data[0]) : type_tuple(c->arena, types.data, types.count);
}

bool check_map_keys(struct check *c, struct lang_map *map, struct loc loc, struct node *keys) {
    const struct type *type = keys_type(c, keys);

    map->always_tid_key &= is_tid(keys);
    if (!take_shape(c, map, loc, true))
        return false;
    if (!type)
        return true;
    const struct type *promoted = check_promote(c, map->key, type);
    if (promoted && promoted != map->key) {
        promoted = check_stored(c, promoted);
        if (!map->key)
            map->key_from = loc;
        map->key = promoted;
        c->maps_changed = true;
    }
    if (promoted) {
        if (!keys->next && keys->is_constant)
            check_store_range(c, keys, type, promoted, arena_printf(c->arena, "the key of %s", map->name), loc);
        return true;
    }
    check_error(c, "map-key-mismatch", loc,
                "Argument mismatch for %s: trying to access with arguments: '%s' when map expects arguments: '%s'",
                map->name, check_type_text(c, type), check_type_text(c, map->key));
    check_note(c, map->key_from, "the key of %s is '%s' since here", map->name, check_type_text(c, map->key));
    check_hint(c, "all accesses to a map have keys of one type");
    return true;
}

bool check_map_access(struct check *c, struct node *node) {
    struct lang_map *map = check_bind_map(c, node);

    return node->child ? check_map_keys(c, map, node->loc, node->child) : take_shape(c, map, node->loc, false);
}

static void report_store_mismatch(struct check *c, const struct lang_map *map, const struct type *value,
                                  struct loc loc) {
    if (map->value->kind == value->kind && value->kind >= TYPE_HIST) {
        check_error(c, "map-bounds", loc, "Different %s in a single map unsupported",
                    value->kind == TYPE_HIST    ? "bits of hist()"
                    : value->kind == TYPE_LHIST ? "lhist bounds"
                                                : "tseries bounds");
        check_hint(c, "%s has others since line %u; use another map", map->name, check_line(c, map->value_from));
        return;
    }
    check_error(c, "map-value-mismatch", loc,
                "Type mismatch for %s: trying to assign value of type '%s' when map already has a type '%s'", map->name,
                check_type_text(c, value), check_type_text(c, map->value));
    check_note(c, map->value_from, "%s is '%s' since here", map->name, check_type_text(c, map->value));
    check_hint(c, "use another map for values of type '%s'", check_type_text(c, value));
}

void check_map_store(struct check *c, struct lang_map *map, const struct type *value, struct loc loc) {
    struct map_state *state = check_map_state(c, map);

    if (!state->assigned) {
        state->assigned = true;
        c->maps_changed = true;
    }
    if (!value)
        return;
    value = check_stored(c, value);
    const struct type *promoted = check_promote(c, map->value, value);
    if (!promoted) {
        report_store_mismatch(c, map, value, loc);
        return;
    }
    promoted = check_stored(c, promoted);
    if (promoted == map->value)
        return;
    if (!map->value)
        map->value_from = loc;
    map->value = promoted;
    c->maps_changed = true;
}

static const char *nearest_map(struct check *c, const struct lang_map *wanted) {
    VEC(const char *) names = {0};

    for (uint32_t i = 0; i < c->program->maps.count; i++)
        if (c->map_states.data[i].assigned && i != wanted->index)
            vec_push(c->arena, &names, c->program->maps.data[i]->name);
    return check_nearest_name(wanted->name, names.data, names.count);
}

static void hint_undefined(struct check *c, const struct lang_map *map) {
    const char *nearest = nearest_map(c, map);

    if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else
        check_hint(c, "no probe assigns %s: write '%s = ...' or '%s = count()' somewhere", map->name, map->name,
                   map->name);
}

void check_map_defined(struct check *c, const struct lang_map *map, struct loc loc) {
    if (!c->report || check_map_state(c, map)->assigned)
        return;
    check_error(c, "undefined-map", loc, "Undefined map: %s", map->name);
    hint_undefined(c, map);
}

/* A map that is only read is a number that is always 0, and so is one that only gets its own value: @a = @a. */
static void read_undefined(struct check *c, struct lang_map *map, struct loc loc) {
    if (!map->value && c->assume_integers) {
        map->value = type_int(64, true);
        map->value_from = loc;
        c->maps_changed = true;
    }
    if (check_map_state(c, map)->assigned)
        return;
    check_warning(c, "undefined-map", loc, "Undefined map: nothing is stored in %s, it is always 0", map->name);
    if (c->report)
        hint_undefined(c, map);
}

void check_map_read(struct check *c, struct node *node) {
    bool fits = check_map_access(c, node);

    read_undefined(c, node->map, node->loc);
    node->type = fits ? node->map->value : NULL;
}

struct lang_map *check_map_whole(struct check *c, struct node *node, const char *user) {
    if (node->kind != NODE_MAP) {
        check_error(c, "map-expected", node->loc, "%s() expects a map to be provided", user);
        check_hint(c, "the names of maps begin with @: %s(@name)", user);
        return NULL;
    }
    struct lang_map *map = check_bind_map(c, node);
    if (node->child) {
        check_error(c, "map-with-key", node->loc, "The map passed to %s() should not be indexed by a key", user);
        check_hint(c, "write %s(%s)", user, map->name);
        return NULL;
    }
    check_map_defined(c, map, node->loc);
    node->type = type_void();
    return map;
}

/* ---- declarations ------------------------------------------------------------------------------------------ */

static void report_map_kind(struct check *c, const struct lang_map_declaration *declaration, const struct lang_map *map,
                            bool percpu) {
    const char *wanted = percpu ? "hash" : "percpuhash";

    check_error(c, "map-kind-mismatch", declaration->kind_loc,
                "Incompatible map types. Type from declaration: %s. Type from value/key type: %s",
                lang_map_kind_names[declaration->kind], wanted);
    if (percpu)
        check_hint(c, "values of type '%s' cannot be added up over the CPUs: write %s(%u)",
                   check_type_text(c, map->value), declaration->kind == LANG_MAP_PERCPUHASH ? "hash" : "lruhash",
                   declaration->entries);
    else
        check_hint(c, "values of type '%s' are kept for each CPU: write %s(%u)", check_type_text(c, map->value),
                   declaration->kind == LANG_MAP_HASH ? "percpuhash" : "percpulruhash", declaration->entries);
}

static void check_map_declaration(struct check *c, const struct lang_map_declaration *declaration) {
    const struct lang_map *map = NULL;
    bool percpu = declaration->kind == LANG_MAP_PERCPUHASH || declaration->kind == LANG_MAP_PERCPULRUHASH;

    for (uint32_t i = 0; i < c->program->maps.count && !map; i++)
        if (strcmp(c->program->maps.data[i]->name, declaration->name) == 0)
            map = c->program->maps.data[i];
    if (declaration->entries > LANG_MAP_ENTRIES_MOST) {
        check_error(c, "map-entries", declaration->entries_loc, "a map holds at most %u entries (%u provided)",
                    LANG_MAP_ENTRIES_MOST, declaration->entries);
        check_hint(c, "entries that are declared for a lruhash take memory at once, others when they are used");
    }
    if (!map) {
        check_warning(c, "unused-map", declaration->name_loc, "Unused map: %s", declaration->name);
        check_hint(c, "the declaration can be left out");
    } else if (map->value && (percpu ? !type_is_aggregate(map->value) && map->value->kind != TYPE_INT
                                     : type_is_aggregate(map->value))) {
        report_map_kind(c, declaration, map, percpu);
    }
}

void check_map_declarations(struct check *c) {
    for (uint32_t i = 0; i < c->program->map_declarations.count; i++)
        check_map_declaration(c, &c->program->map_declarations.data[i]);
}
