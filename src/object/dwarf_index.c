/* Names: one pass over the outer DIEs of all units, made when the first name is asked for; one index for types, one for
 * functions that were inlined (others are found by their symbols). */
#include "object/dwarf_int.h"

#include "base/diag.h"
#include "base/str.h"
#include <stdlib.h>

struct dwarf_index {
    VEC(struct dwarf_name) names; /* 0 is unused */
    uint32_t *buckets;
    uint32_t mask;
    bool of_functions;
};

static uint32_t kind_of(uint16_t tag) {
    switch (tag) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return OBJECT_DWARF_STRUCT;
    case DW_TAG_union_type:
        return OBJECT_DWARF_UNION;
    case DW_TAG_enumeration_type:
        return OBJECT_DWARF_ENUM;
    case DW_TAG_typedef:
        return OBJECT_DWARF_TYPEDEF;
    case DW_TAG_base_type:
        return OBJECT_DWARF_BASE;
    case DW_TAG_subprogram:
        return OBJECT_DWARF_FUNCTION;
    default:
        return 0;
    }
}

/* What can hold the wanted DIEs. Types inside of functions are not looked for; a method that was inlined has a DIE
 * outside of its class, which completes the one there. */
static bool is_scope(const struct dwarf_index *index, uint16_t tag) {
    return tag == DW_TAG_namespace || tag == DW_TAG_module ||
           (!index->of_functions &&
            (tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type));
}

static uint32_t hash_of(const char *text) {
    uint32_t hash = 2166136261u;

    while (*text)
        hash = (hash ^ (uint8_t)*text++) * 16777619u;
    return hash;
}

static void add_name(struct dwarf_index *index, const struct dwarf_die *die, const char *text, uint32_t kind) {
    struct dwarf_name name = {die->unit, die->offset, text, 0, hash_of(text), kind};

    vec_push(die->unit->dwarf->arena, &index->names, name);
}

/* Declarations are no answer. */
static void add_type(struct dwarf_index *index, const struct dwarf_die *die, uint32_t kind) {
    struct dwarf_value name;

    if (dwarf_attribute(die, DW_AT_name, &name) && name.text && *name.text && !dwarf_flag(die, DW_AT_declaration))
        add_name(index, die, name.text, kind);
}

/* By the name in the source and by that of the symbol, which C++ makes from it. */
static void add_function(struct dwarf_index *index, const struct dwarf_die *die) {
    const char *name = dwarf_name(die);
    struct dwarf_value linkage;

    if (name)
        add_name(index, die, name, OBJECT_DWARF_FUNCTION);
    if (dwarf_attribute_deep(die, DW_AT_linkage_name, &linkage) && linkage.text && *linkage.text)
        add_name(index, die, linkage.text, OBJECT_DWARF_FUNCTION);
}

static void index_unit(struct dwarf_index *index, struct dwarf_unit *unit) {
    struct dwarf_die root, die;

    if (!dwarf_root(unit, &root))
        return;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, &die);) {
        uint32_t kind = kind_of(die.shape->tag);
        if (kind == OBJECT_DWARF_FUNCTION && index->of_functions && die.shape->is_inlined)
            add_function(index, &die);
        else if (kind && kind != OBJECT_DWARF_FUNCTION && !index->of_functions)
            add_type(index, &die, kind);
        if (!is_scope(index, die.shape->tag))
            dwarf_skip(&walk, &die);
    }
}

/* Chains go from the last name to the first, so they are built backwards: the first unit's definition is found first.
 */
static void link_names(struct object_dwarf *dwarf, struct dwarf_index *index) {
    uint32_t size = 16;

    while (size < index->names.count)
        size *= 2;
    index->buckets = arena_new_array(dwarf->arena, uint32_t, size);
    index->mask = size - 1;
    for (uint32_t i = index->names.count - 1; i > 0; i--) {
        struct dwarf_name *name = &index->names.data[i];
        name->next = index->buckets[name->hash & index->mask];
        index->buckets[name->hash & index->mask] = i;
    }
}

static struct dwarf_index *make_index(struct object_dwarf *dwarf, bool of_functions) {
    struct dwarf_index *index = arena_make(dwarf->arena, struct dwarf_index);
    struct dwarf_name none = {0};

    index->of_functions = of_functions;
    vec_push(dwarf->arena, &index->names, none);
    for (uint32_t i = 0; i < dwarf->unit_count; i++)
        index_unit(index, &dwarf->units[i]);
    link_names(dwarf, index);
    return index;
}

static const struct dwarf_index *get_index(struct object_dwarf *dwarf, uint32_t kinds) {
    bool of_functions = kinds & OBJECT_DWARF_FUNCTION;
    struct dwarf_index **index = of_functions ? &dwarf->functions_index : &dwarf->types_index;

    if (!*index)
        *index = make_index(dwarf, of_functions);
    return *index;
}

static const struct dwarf_name *find_from(const struct dwarf_index *index, uint32_t at, uint32_t kinds,
                                          const char *name, uint32_t hash) {
    for (; at; at = index->names.data[at].next) {
        const struct dwarf_name *candidate = &index->names.data[at];
        if (candidate->hash == hash && candidate->kind & kinds && strcmp(candidate->text, name) == 0)
            return candidate;
    }
    return NULL;
}

const struct dwarf_name *dwarf_find_name(struct object_dwarf *dwarf, uint32_t kinds, const char *name,
                                         const struct dwarf_name *after) {
    const struct dwarf_index *index = get_index(dwarf, kinds);
    uint32_t hash = hash_of(name);

    return find_from(index, after ? after->next : index->buckets[hash & index->mask], kinds, name, hash);
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

const struct type *object_dwarf_type(struct object_dwarf *dwarf, uint32_t kinds, const char *name, uint64_t address) {
    const struct dwarf_name *found = dwarf_find_name(dwarf, kinds & OBJECT_DWARF_TYPES, name, NULL), *best = found;
    struct dwarf_die die;

    if (found && address && dwarf_find_name(dwarf, kinds & OBJECT_DWARF_TYPES, name, found)) {
        const struct dwarf_unit *unit = dwarf_unit_of_address(dwarf, address);
        for (; found; found = dwarf_find_name(dwarf, kinds & OBJECT_DWARF_TYPES, name, found))
            if (found->unit == unit) {
                best = found;
                break;
            }
    }
    if (best && dwarf_die_at(best->unit, best->offset, &die))
        return dwarf_type_of(&die);
    struct object_dwarf *other = dwarf_other(dwarf);
    return other ? object_dwarf_type(other, kinds, name, 0) : NULL;
}

static bool enumerator_of(const struct dwarf_die *enumeration, const char *name, int64_t *value) {
    struct dwarf_walk walk = dwarf_children(enumeration);
    struct dwarf_die item;

    while (dwarf_next_child(&walk, &item)) {
        const char *own = item.shape->tag == DW_TAG_enumerator ? dwarf_name(&item) : NULL;
        if (own && strcmp(own, name) == 0)
            return dwarf_constant(&item, DW_AT_const_value, (uint64_t *)value);
    }
    return false;
}

/* Enums need no name, so the index of names does not have them all. */
static bool find_enumerator(struct dwarf_unit *unit, const char *name, int64_t *value, struct dwarf_die *die) {
    static const struct dwarf_index of_types;
    struct dwarf_die root;

    if (!dwarf_root(unit, &root))
        return false;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, die);) {
        if (die->shape->tag == DW_TAG_enumeration_type && enumerator_of(die, name, value))
            return true;
        if (!is_scope(&of_types, die->shape->tag))
            dwarf_skip(&walk, die);
    }
    return false;
}

const struct type *object_dwarf_enumerator(struct object_dwarf *dwarf, const char *name, int64_t *value) {
    struct dwarf_die die;

    for (uint32_t i = 0; i < dwarf->unit_count; i++)
        if (find_enumerator(&dwarf->units[i], name, value, &die))
            return dwarf_type_of(&die);
    return NULL;
}

const char *object_dwarf_nearest(struct object_dwarf *dwarf, uint32_t kinds, const char *name) {
    const struct dwarf_index *index = get_index(dwarf, kinds);
    const char *best = NULL;
    unsigned least = (unsigned)strlen(name) / 3 + 1;

    for (uint32_t i = 1; i < index->names.count; i++) {
        const struct dwarf_name *candidate = &index->names.data[i];
        unsigned distance;
        if (candidate->kind & kinds && (distance = str_distance(name, candidate->text, least)) < least) {
            least = distance;
            best = candidate->text;
        }
    }
    return best ? dwarf_keep(dwarf, best) : NULL;
}

void object_dwarf_list(struct object_dwarf *dwarf, uint32_t kinds, bool (*callback)(void *context, const char *name),
                       void *context) {
    const struct dwarf_index *index = get_index(dwarf, kinds);

    for (uint32_t i = 1; i < index->names.count; i++) {
        const struct dwarf_name *name = &index->names.data[i];
        uint32_t first = index->buckets[name->hash & index->mask];
        if (name->kind & kinds && find_from(index, first, kinds, name->text, name->hash) == name &&
            !callback(context, name->text))
            return;
    }
}
