#include "graph/graph.h"

#include "base/hash.h"
#include "base/str.h"
#include "object/kallsyms.h"
#include "symbol/symbol.h"

#include <inttypes.h>
#include <string.h>

struct graph_names {
    struct arena *arena;
    struct symbol_cache *symbols;
    const char *const *roots;
    uint32_t root_count;
    struct hash known;
    uint64_t interrupts[2]; /* where the functions begin and end that an interrupt enters; 0: not known */
    bool has_interrupts;
};

struct graph_names *graph_names_new(struct arena *arena, struct symbol_cache *symbols, const char *const *roots,
                                    uint32_t root_count) {
    struct graph_names *names = arena_make(arena, struct graph_names);

    *names = (struct graph_names){.arena = arena, .symbols = symbols, .roots = roots, .root_count = root_count};
    hash_init(&names->known, arena);
    return names;
}

/* The functions by which interrupts enter the kernel lie together; those that cannot be traced call these. */
static bool is_interrupt(struct graph_names *names, uint64_t address, const char *name) {
    static const char *const limits[] = {"__irqentry_text_start", "__irqentry_text_end"};
    static const char *const first[] = {"irq_enter*", "irq_exit*", "sysvec_*", "__sysvec_*", "common_interrupt"};

    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        if (str_glob(first[i], name))
            return true;
    }

    if (!names->has_interrupts)
        object_kallsyms_find(NULL, limits, 2, names->interrupts);
    names->has_interrupts = true;
    return address >= names->interrupts[0] && address < names->interrupts[1];
}

static bool is_root(const struct graph_names *names, const char *name) {
    for (uint32_t i = 0; i < names->root_count; i++) {
        if (str_glob(names->roots[i], name))
            return true;
    }
    return names->root_count == 0;
}

const struct graph_name *graph_names_get(struct graph_names *names, uint64_t address) {
    struct graph_name *name = hash_get_number(&names->known, address);
    struct symbol_name symbol;

    if (name)
        return name;
    name = arena_make(names->arena, struct graph_name);
    if (symbol_kernel(names->symbols, address, &symbol)) {
        name->text = symbol.name;
        name->module = strcmp(symbol.module, "[kernel.kallsyms]") == 0 ? NULL : symbol.module;
        name->is_root = is_root(names, symbol.name);
    } else {
        name->text = arena_printf(names->arena, "0x%" PRIx64, address);
        name->is_root = true; /* who knows */
    }
    name->is_interrupt = is_interrupt(names, address, name->text);
    hash_put_number(&names->known, address, name);
    return name;
}
