/* Functions: found by address, their parameters with places; and their inlined copies. */
#include "object/dwarf_int.h"

#include "base/str.h"
#include <stdlib.h>

enum { MOST_PARAMETERS = 255, MOST_COPIES = 1 << 16 };

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static bool next_parameter(struct dwarf_walk *walk, struct dwarf_die *parameter) {
    while (dwarf_next_child(walk, parameter))
        if (parameter->shape->tag == DW_TAG_formal_parameter)
            return true;
    return false;
}

static uint32_t count_parameters(const struct dwarf_die *function) {
    struct dwarf_walk walk = dwarf_children(function);
    struct dwarf_die parameter;
    uint32_t count = 0;

    while (count < MOST_PARAMETERS && next_parameter(&walk, &parameter))
        count++;
    return count;
}

static bool same_die(const struct dwarf_die *a, const struct dwarf_die *b) {
    return a->unit == b->unit && a->offset == b->offset;
}

/* The parameter of `function` (a concrete instance) that stands for `original`. */
static bool concrete_parameter(const struct dwarf_die *function, const struct dwarf_die *original,
                               struct dwarf_die *parameter) {
    struct dwarf_walk walk = dwarf_children(function);
    struct dwarf_die origin;

    while (next_parameter(&walk, parameter))
        if (same_die(parameter, original) ||
            (dwarf_reference(parameter, DW_AT_abstract_origin, &origin) && same_die(&origin, original)))
            return true;
    return false;
}

/* A parameter's type may be with the original that it stands for. */
static bool type_die(const struct dwarf_die *die, struct dwarf_die *type) {
    struct dwarf_die origin;

    return dwarf_reference(die, DW_AT_type, type) ||
           ((dwarf_reference(die, DW_AT_abstract_origin, &origin) ||
             dwarf_reference(die, DW_AT_specification, &origin)) &&
            (dwarf_reference(&origin, DW_AT_type, type) ||
             (dwarf_reference(&origin, DW_AT_specification, &origin) && dwarf_reference(&origin, DW_AT_type, type))));
}

struct builder {
    struct object_dwarf *dwarf;
    const struct dwarf_die *function; /* the concrete instance */
    uint64_t address;
    bool keeps_convention;
    VEC(struct type_field) fields;
    VEC(struct location) locations;
    VEC(struct dwarf_die) declared;
};

static struct location place(struct builder *builder, struct dwarf_parameters *state, const struct dwarf_die *original,
                             const struct dwarf_die *type) {
    struct location location = dwarf_place_parameter(state, type);
    struct dwarf_die parameter;

    if (builder->keeps_convention)
        return location;
    if (concrete_parameter(builder->function, original, &parameter))
        return dwarf_locate(&parameter, builder->address, builder->function->shape->tag == DW_TAG_subprogram);
    return (struct location){.kind = LOCATION_NOWHERE, .reason = "the compiler did not keep it"};
}

static void add_parameter(struct builder *builder, struct dwarf_parameters *state, const struct dwarf_die *original) {
    const char *name = dwarf_name(original);
    struct dwarf_die type;

    if (!type_die(original, &type))
        return;
    struct type_field field = {
        .name = name ? dwarf_keep(builder->dwarf, name)
                     : arena_printf(builder->dwarf->arena, "arg%u", builder->fields.count),
        .type = dwarf_type_of(&type),
        .offset = 8 * builder->fields.count,
    };
    struct location location = place(builder, state, original, &type);
    vec_push(builder->dwarf->arena, &builder->fields, field);
    vec_push(builder->dwarf->arena, &builder->locations, location);
    vec_push(builder->dwarf->arena, &builder->declared, type);
}

/* Go has a convention of its own; what nobody calls from outside may have any. */
static bool keeps_convention(const struct dwarf_die *function) {
    uint64_t convention = 0;

    dwarf_constant(function, DW_AT_calling_convention, &convention);
    return function->shape->tag == DW_TAG_subprogram && function->unit->language != DW_LANG_Go &&
           convention != DW_CC_nocall;
}

static void describe(const struct dwarf_die *function, uint64_t address, bool is_changed, struct object_function *out) {
    struct object_dwarf *dwarf = function->unit->dwarf;
    struct dwarf_parameters state = {.dwarf = dwarf, .is_rust = function->unit->language == DW_LANG_Rust};
    struct builder builder = {dwarf, function, address, !is_changed && keeps_convention(function), {0}, {0}, {0}};
    struct dwarf_die list = *function, origin, parameter, type, result = {0};
    const char *name = dwarf_name(function);

    *out = (struct object_function){.name = name ? dwarf_keep(dwarf, name) : NULL,
                                    .address = address,
                                    .result = type_void(),
                                    .is_inlined = function->shape->tag != DW_TAG_subprogram};
    if (type_die(function, &type)) {
        result = type;
        out->result = dwarf_type_of(&type);
        out->result_location = dwarf_place_result(&state, &type);
    }
    /* parameters that a copy does without are missing in it, so the original has the complete list */
    if (dwarf_reference(function, DW_AT_abstract_origin, &origin) && count_parameters(&origin) > 0)
        list = origin;
    struct dwarf_walk walk = dwarf_children(&list);
    while (builder.fields.count < MOST_PARAMETERS && next_parameter(&walk, &parameter))
        add_parameter(&builder, &state, &parameter);
    vec_push(dwarf->arena, &builder.declared, result);
    struct type *args = arena_make(dwarf->arena, struct type);
    *args = (struct type){.kind = TYPE_STRUCT,
                          .size = 8 * builder.fields.count,
                          .align = 8,
                          .name = out->name,
                          .fields = builder.fields.data,
                          .field_count = builder.fields.count};
    out->args = args;
    out->locations = builder.locations.data;
    out->declared = builder.declared.data;
}

/* ---- by address ------------------------------------------------------------------------------------------------ */

static bool find_function(struct dwarf_unit *unit, uint64_t address, bool is_deep, struct dwarf_die *function) {
    struct dwarf_die root;
    uint64_t entry;

    if (!dwarf_root(unit, &root))
        return false;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, function);) {
        uint16_t tag = function->shape->tag;
        if (tag == DW_TAG_subprogram && dwarf_entry(function, &entry) && entry == address)
            return true;
        if (!is_deep && tag != DW_TAG_namespace && tag != DW_TAG_module)
            dwarf_skip(&walk, function);
    }
    return false;
}

bool object_dwarf_function(struct object_dwarf *dwarf, uint64_t address, bool is_changed, struct object_function *out) {
    struct dwarf_unit *unit = dwarf_unit_of_address(dwarf, address);
    struct dwarf_die function;

    if (!unit || !(find_function(unit, address, false, &function) || find_function(unit, address, true, &function)))
        return false;
    describe(&function, address, is_changed, out);
    return true;
}

/* ---- by name --------------------------------------------------------------------------------------------------- */

static bool has_name(const struct dwarf_die *function, const char *name) {
    const char *own = dwarf_name(function);
    struct dwarf_value linkage;

    return (own && strcmp(own, name) == 0) || (dwarf_attribute_deep(function, DW_AT_linkage_name, &linkage) &&
                                               linkage.text && strcmp(linkage.text, name) == 0);
}

bool object_dwarf_function_named(struct object_dwarf *dwarf, const char *name, struct object_function *out) {
    struct dwarf_die root, die;

    for (uint32_t i = 0; i < dwarf->unit_count; i++) {
        if (!dwarf_root(&dwarf->units[i], &root))
            continue;
        for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, &die);) {
            uint16_t tag = die.shape->tag;
            if (tag == DW_TAG_subprogram && !dwarf_flag(&die, DW_AT_declaration) && has_name(&die, name)) {
                describe(&die, 0, false, out);
                return true;
            }
            if (tag != DW_TAG_namespace && tag != DW_TAG_module)
                dwarf_skip(&walk, &die);
        }
    }
    return false;
}

/* ---- inlined copies ---------------------------------------------------------------------------------------------- */

struct copies {
    struct object_dwarf *dwarf;
    VEC(struct dwarf_die) originals;
    VEC(struct object_function) found;
};

static bool is_wanted(const struct copies *copies, const struct dwarf_die *copy) {
    struct dwarf_die origin;

    if (!dwarf_reference(copy, DW_AT_abstract_origin, &origin))
        return false;
    for (uint32_t i = 0; i < copies->originals.count; i++)
        if (same_die(&copies->originals.data[i], &origin))
            return true;
    return false;
}

static void search_unit(struct copies *copies, struct dwarf_unit *unit) {
    struct dwarf_die root, die, outer;
    uint64_t address;
    int outer_depth = -1;

    if (!dwarf_root(unit, &root))
        return;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, &die);) {
        int depth = walk.depth - die.shape->has_children; /* of this DIE */
        if (die.shape->tag == DW_TAG_subprogram && (outer_depth < 0 || depth <= outer_depth)) {
            outer = die;
            outer_depth = depth;
        }
        if (die.shape->tag != DW_TAG_inlined_subroutine || !is_wanted(copies, &die) || !dwarf_entry(&die, &address) ||
            copies->found.count >= MOST_COPIES)
            continue;
        struct object_function copy;
        describe(&die, address, true, &copy);
        const char *into = outer_depth >= 0 ? dwarf_name(&outer) : NULL;
        copy.into = into ? dwarf_keep(copies->dwarf, into) : NULL;
        vec_push(copies->dwarf->arena, &copies->found, copy);
    }
}

/* Units whose copies may stand for functions of other units (link-time optimization, dwz). */
static bool refers_outside(struct dwarf_unit *unit) {
    if (!dwarf_unit_ready(unit))
        return false;
    for (uint32_t i = 0; i < unit->shapes->count; i++) {
        const struct dwarf_shape *shape = &unit->shapes->items[i];
        for (uint32_t a = 0; shape->tag == DW_TAG_inlined_subroutine && a < shape->count; a++)
            if (shape->attributes[a].name == DW_AT_abstract_origin && shape->attributes[a].form == DW_FORM_ref_addr)
                return true;
    }
    return false;
}

static int compare_copies(const void *a, const void *b) {
    const struct object_function *x = a, *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

void object_dwarf_inlined(struct object_dwarf *dwarf, const char *name,
                          void (*callback)(void *context, const struct object_function *copy), void *context) {
    struct copies copies = {.dwarf = dwarf};
    const struct dwarf_name *found = NULL;
    struct dwarf_die die;

    while ((found = dwarf_find_name(dwarf, OBJECT_DWARF_FUNCTION, name, found)))
        if (dwarf_die_at(found->unit, found->offset, &die))
            vec_push(dwarf->arena, &copies.originals, die);
    for (uint32_t i = 0; copies.originals.count && i < dwarf->unit_count; i++) {
        struct dwarf_unit *unit = &dwarf->units[i];
        bool is_home = false;
        for (uint32_t o = 0; o < copies.originals.count && !is_home; o++)
            is_home = copies.originals.data[o].unit == unit;
        if (is_home || refers_outside(unit))
            search_unit(&copies, unit);
    }
    if (copies.found.count)
        qsort(copies.found.data, copies.found.count, sizeof *copies.found.data, compare_copies);
    for (uint32_t i = 0; i < copies.found.count; i++)
        callback(context, &copies.found.data[i]);
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

static bool same_location(const struct location *a, const struct location *b) {
    return a->kind == b->kind && a->count == b->count && a->registers[0] == b->registers[0] &&
           a->registers[1] == b->registers[1] && a->number == b->number;
}

bool object_function_same(const struct object_function *a, const struct object_function *b) {
    if (a == b || !a || !b)
        return a == b;
    if (a->args->field_count != b->args->field_count || !type_equal(a->result, b->result) ||
        !same_location(&a->result_location, &b->result_location))
        return false;
    for (uint32_t i = 0; i < a->args->field_count; i++) {
        const struct type_field *x = &a->args->fields[i], *y = &b->args->fields[i];
        if (strcmp(x->name, y->name) != 0 || !type_equal(x->type, y->type) ||
            !same_location(&a->locations[i], &b->locations[i]))
            return false;
    }
    return true;
}
