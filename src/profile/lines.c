#include "profile/lines.h"
#include "object/demangle.h"
#include "object/dwarf.h"
#include "profile/copy.h"
#include "symbol/symbol.h"

enum { DEEPEST = 32 };

struct liner {
    const struct profile *from;
    struct profile *to;
    struct arena *scratch;
    struct symbol_cache *symbols;
    struct object_demangler *demangler;
    struct object_dwarf **modules; /* by module; NULL: no debug information */
    bool *was_opened;
    bool with_inlines;
    /* Frames of `to` that stand for each frame of `from`, outermost first. */
    struct expansion {
        uint32_t *frames;
        uint32_t count;
    } * expansions;
};

static struct object_dwarf *debug_of(struct liner *l, uint32_t module) {
    if (!l->was_opened[module]) {
        const struct profile_module *known = &l->from->modules.data[module];
        const char *path = l->from->strings.data[known->path], *reason;
        struct symbol_file *file = symbol_file_by_path(l->symbols, path, known->build_id, known->build_id_size);
        struct object_elf *elf = file ? symbol_file_elf(file) : NULL;
        struct object_elf *debug = elf ? object_elf_debug_file(elf, NULL, NULL) : NULL;
        l->was_opened[module] = true;
        l->modules[module] = debug ? object_dwarf_open(l->scratch, debug, &reason) : NULL;
    }
    return l->modules[module];
}

static uint32_t name_of(struct liner *l, const char *name) {
    const char *readable = NULL;
    if (object_is_mangled(name))
        object_demangle(l->demangler, OBJECT_DEMANGLE_SIGNATURE, &name, 1, &readable);
    return profile_text(l->to, readable ? readable : name);
}

/* The function's own frame keeps its name, which the symbol table told; those of inlined copies are new. */
static struct expansion expand(struct liner *l, uint32_t number) {
    const struct profile_frame *from = &l->from->frames.data[number];
    struct object_place places[DEEPEST];
    uint32_t count = 0;
    struct profile_frame frame = profile_copy_frame(l->to, l->from, number);
    struct object_dwarf *dwarf = from->module && from->kind != PROFILE_KERNEL ? debug_of(l, from->module - 1) : NULL;
    if (dwarf)
        count = object_dwarf_places(dwarf, from->address, places, DEEPEST);
    struct expansion result = {arena_new_array(l->scratch, uint32_t, count ? count : 1), 0};
    if (!count) {
        result.frames[result.count++] = profile_frame(l->to, &frame);
        return result;
    }
    for (uint32_t i = count; i-- > 0;) {
        if (!l->with_inlines && i)
            continue; /* only the innermost has the line of the code */
        frame.file = profile_text(l->to, places[i].file);
        frame.line = places[i].line;
        if (i + 1 < count && l->with_inlines) {
            frame.inlined = 1;
            frame.offset = 0;
            frame.name = places[i].function ? name_of(l, places[i].function) : 0;
        }
        result.frames[result.count++] = profile_frame(l->to, &frame);
    }
    return result;
}

static uint32_t *place_nodes(struct liner *l) {
    const struct profile *from = l->from;
    uint32_t *nodes = arena_new_array(l->scratch, uint32_t, from->nodes.count);
    for (uint32_t i = 1; i < from->nodes.count; i++) {
        const struct profile_node *node = &from->nodes.data[i];
        struct expansion *expansion = &l->expansions[node->frame];
        if (!expansion->frames)
            *expansion = expand(l, node->frame);
        nodes[i] = nodes[node->parent];
        for (uint32_t k = 0; k < expansion->count; k++)
            nodes[i] = profile_node(l->to, nodes[i], expansion->frames[k]);
    }
    return nodes;
}

struct profile *profile_with_lines(struct arena *arena, const struct profile *profile, bool with_inlines) {
    struct liner l = {.from = profile,
                      .to = profile_copy_empty(arena, profile),
                      .scratch = arena_new(),
                      .with_inlines = with_inlines};
    l.symbols = symbol_cache_new(l.scratch);
    l.demangler = object_demangler_new(l.scratch);
    l.modules = arena_new_array(l.scratch, struct object_dwarf *, profile->modules.count + 1);
    l.was_opened = arena_new_array(l.scratch, bool, profile->modules.count + 1);
    l.expansions = arena_new_array(l.scratch, struct expansion, profile->frames.count);
    profile_copy_samples(l.to, profile, place_nodes(&l));
    for (uint32_t i = 0; i < profile->modules.count; i++) {
        if (l.modules[i])
            object_dwarf_close(l.modules[i]);
    }
    object_demangler_close(l.demangler);
    symbol_cache_close(l.symbols);
    arena_free(l.scratch);
    return l.to;
}
