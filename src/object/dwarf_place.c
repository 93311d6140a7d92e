/* From an address to the source. Two tables are made for a unit when it is first asked: its lines, and the ranges of
 * its functions and inlined copies in the order of the tree, so that what is inside of a function follows it. */
#include "object/dwarf_int.h"

#include <stdlib.h>

enum { MOST_SPANS = 1 << 24 };

/* A range of a function or of an inlined copy. */
struct span {
    uint64_t begin, end, die;
    int depth;
};

/* A range of a function, and where its spans begin. */
struct function_range {
    uint64_t begin, end;
    uint32_t span;
};

struct dwarf_places {
    struct dwarf_line_rows lines;
    VEC(struct span) spans;
    VEC(struct function_range) functions; /* by begin */
    struct hash files;                    /* number -> path */
};

/* ---- making the tables ------------------------------------------------------------------------------------------- */

struct span_walk {
    struct dwarf_places *places;
    struct arena *arena;
    uint64_t die;
    int depth;
    bool is_function;
};

static bool take_range(void *context, struct dwarf_range range) {
    struct span_walk *walk = context;
    struct dwarf_places *places = walk->places;

    if (places->spans.count >= MOST_SPANS)
        return true;
    if (range.begin >= range.end || range.begin == 0)
        return false;
    if (walk->is_function)
        vec_push(walk->arena, &places->functions,
                 ((struct function_range){range.begin, range.end, places->spans.count}));
    vec_push(walk->arena, &places->spans, ((struct span){range.begin, range.end, walk->die, walk->depth}));
    return false;
}

static int compare_functions(const void *a, const void *b) {
    const struct function_range *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

static void find_spans(struct dwarf_unit *unit, struct dwarf_places *places) {
    struct dwarf_die root, die;

    if (!dwarf_root(unit, &root))
        return;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, &die);) {
        bool is_function = die.shape->tag == DW_TAG_subprogram;
        struct span_walk span = {places, unit->dwarf->arena, die.offset, walk.depth - die.shape->has_children,
                                 is_function};
        if (is_function || die.shape->tag == DW_TAG_inlined_subroutine)
            dwarf_each_range(&die, take_range, &span);
    }
    if (places->functions.count)
        qsort(places->functions.data, places->functions.count, sizeof *places->functions.data, compare_functions);
}

static struct dwarf_places *places_of(struct dwarf_unit *unit) {
    if (!unit->places) {
        unit->places = arena_make(unit->dwarf->arena, struct dwarf_places);
        hash_init(&unit->places->files, unit->dwarf->arena);
        dwarf_line_rows(unit, &unit->places->lines);
        find_spans(unit, unit->places);
    }
    return unit->places;
}

/* ---- asking them ------------------------------------------------------------------------------------------------- */

static const char *file_of(struct dwarf_unit *unit, uint32_t number) {
    static const char missing[] = "";
    const char *path = hash_get_number(&unit->places->files, number);

    if (!path) {
        path = dwarf_line_file(unit, number);
        hash_put_number(&unit->places->files, number, (void *)(path ? path : missing));
    }
    return path && *path ? path : NULL;
}

static const struct dwarf_line_row *row_at(const struct dwarf_places *places, uint64_t address) {
    uint32_t behind = vec_count_up_to(places->lines.data, places->lines.count, sizeof *places->lines.data, address);
    const struct dwarf_line_row *row = behind ? &places->lines.data[behind - 1] : NULL;
    return row && !row->is_end ? row : NULL;
}

static const struct function_range *function_at(const struct dwarf_places *places, uint64_t address) {
    uint32_t behind =
        vec_count_up_to(places->functions.data, places->functions.count, sizeof *places->functions.data, address);
    const struct function_range *range = behind ? &places->functions.data[behind - 1] : NULL;
    return range && address < range->end ? range : NULL;
}

static const char *name_of(struct dwarf_unit *unit, const struct dwarf_die *die) {
    struct dwarf_value linkage;
    const char *name =
        dwarf_attribute_deep(die, DW_AT_linkage_name, &linkage) && linkage.text ? linkage.text : dwarf_name(die);

    return name ? dwarf_keep(unit->dwarf, name) : NULL;
}

/* The function and the copies inside of it that hold the address, outermost first. */
static uint32_t chain_at(const struct dwarf_places *places, const struct function_range *function, uint64_t address,
                         const struct span **chain, uint32_t most) {
    uint32_t count = 0;
    int depth = places->spans.data[function->span].depth;

    for (uint32_t i = function->span; i < places->spans.count && count < most; i++) {
        const struct span *span = &places->spans.data[i];
        if (i > function->span && span->depth <= depth && span->die != places->spans.data[function->span].die)
            break;
        bool is_deeper = !count || span->depth > chain[count - 1]->depth;
        if (address >= span->begin && address < span->end && is_deeper)
            chain[count++] = span;
    }
    return count;
}

uint32_t object_dwarf_places(struct object_dwarf *dwarf, uint64_t address, struct object_place *places, uint32_t most) {
    enum { DEEPEST = 64 };
    const struct span *chain[DEEPEST];
    struct dwarf_unit *unit = dwarf_unit_of_address(dwarf, address);

    if (!unit || !dwarf_unit_ready(unit) || !most)
        return 0;
    const struct dwarf_places *tables = places_of(unit);
    const struct dwarf_line_row *row = row_at(tables, address);
    const struct function_range *function = function_at(tables, address);
    uint32_t count = function ? chain_at(tables, function, address, chain, most < DEEPEST ? most : DEEPEST) : 0;
    struct object_place here = {NULL, row ? file_of(unit, row->file) : NULL, row ? row->line : 0};
    if (!count) {
        places[0] = here;
        return row != NULL;
    }
    for (uint32_t i = 0; i < count; i++) { /* from the innermost */
        const struct span *span = chain[count - 1 - i];
        struct dwarf_die die;
        uint64_t file, line;
        places[i] = here;
        here = (struct object_place){0};
        if (!dwarf_die_at(unit, span->die, &die))
            continue;
        places[i].function = name_of(unit, &die);
        if (dwarf_constant(&die, DW_AT_call_file, &file))
            here.file = file_of(unit, (uint32_t)file);
        if (dwarf_constant(&die, DW_AT_call_line, &line))
            here.line = (uint32_t)line;
    }
    return count;
}
