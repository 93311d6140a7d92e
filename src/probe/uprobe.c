/* uprobe, uretprobe: functions of user programs and libraries.
 *
 * BINARY:FUNCTION, FUNCTION+OFFSET or ADDRESS (of the file's address space). Other files know the other forms:
 * uprobe_line.c BINARY@FILE:LINE, uprobe_cpp.c names of C++, uprobe_inline.c inlined copies of a function. `*` matches
 * in both; with a target process the binary may be left out. The kernel wants offsets in the file; several names of one
 * place are one target. */
#include "object/instruction.h"
#include "probe/uprobe_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST_NAMES_MAX = 1 << 18 };

/* The part of the attach point after the binary. */
struct place {
    const struct probe_part *part;
    const char *symbol; /* NULL: an address */
    uint64_t number;    /* address, or offset from the symbol */
};

struct probe_target *uprobe_add(struct probe_context *context, const struct probe_point *point,
                                const struct probe_binary *binary, const char *text, const char *symbol,
                                uint64_t address, uint64_t offset, struct probe_targets *out) {
    struct probe_target *target = probe_add_target(context, point, out);

    target->mechanism = PROBE_UPROBE;
    target->path = binary->path;
    target->symbol = symbol;
    target->address = address;
    target->offset = binary->begin + offset;
    target->args_space = SPACE_USER;
    target->is_return = point->kind == &probe_kind_uretprobe;
    target->name = arena_printf(context->arena, "%s:%s%s", point->kind->name, binary->shown, text);
    if (point->wants & (target->is_return ? PROBE_WANT_RESULT : PROBE_WANT_ARGS))
        probe_describe_function(context, target);
    return target;
}

static void add_place(struct probe_context *context, const struct probe_point *point, const struct probe_binary *binary,
                      const struct place *place, const struct object_symbol *symbol, uint64_t address, uint64_t offset,
                      struct probe_targets *out) {
    const char *name = symbol->name_length ? arena_strndup(context->arena, symbol->name, symbol->name_length) : NULL;
    const char *text = !place->symbol  ? arena_printf(context->arena, ":%" PRIu64, address)
                       : place->number ? arena_printf(context->arena, ":%s+%" PRIu64, name, place->number)
                                       : arena_printf(context->arena, ":%s", name);
    struct probe_target *target = uprobe_add(context, point, binary, text, name, address, offset, out);

    if (symbol->is_ifunc)
        target->warning = arena_printf(context->arena,
                                       "%s chooses its implementation when the program starts; the probe is at the "
                                       "chooser and will not see calls (list the implementations: -l '%s:%s:*%s*')",
                                       name, point->kind->name, binary->shown, name);
}

/* ---- one function or address --------------------------------------------------------------------------------- */

struct name_list {
    struct arena *arena;
    VEC(const char *) names;
};

static bool collect_name(void *user, const struct object_symbol *symbol) {
    struct name_list *list = user;

    vec_push(list->arena, &list->names, arena_strndup(list->arena, symbol->name, symbol->name_length));
    return list->names.count < NEAREST_NAMES_MAX;
}

static int no_symbol(struct probe_context *context, const struct probe_point *point, const struct probe_binary *binary,
                     const struct place *place, struct object_elf *elf, struct probe_error *error) {
    struct name_list list = {.arena = arena_new()};

    int result = probe_fail_match(context, error, place->part, "No matches for %s %s:%s.", point->kind->name,
                                  binary->shown, place->symbol);
    object_elf_each(elf, OBJECT_FUNCTIONS, collect_name, &list);
    error->hint = probe_nearest(context, place->symbol, list.names.data, list.names.count);
    if (!error->hint)
        error->hint = list.names.count == 0 ? "the file has no symbols: install its debug symbols, or give an address"
                                            : arena_printf(context->arena, "list its functions with -l '%s:%s:*'",
                                                           point->kind->name, binary->shown);
    arena_free(list.arena);
    return result;
}

/* ---- places inside of functions ------------------------------------------------------------------------------- */

enum { FUNCTION_MOST = 1 << 20 }; /* bytes of code that are followed */

/* The nearest places before and behind `offset` where instructions begin: "f+3 or f+8". */
static const char *nearest_places(struct probe_context *context, uint16_t machine, const uint8_t *code, size_t size,
                                  size_t offset, const char *function) {
    size_t before = 0, at = 0;

    while (at < offset) {
        before = at;
        at += object_instruction_length(machine, code + at, size - at);
    }
    return arena_printf(context->arena, "instructions begin at %s+%zu and %s+%zu; --unsafe accepts it", function,
                        before, function, at);
}

/* A probe in the middle of an instruction destroys the program that is traced. */
static int check_boundary(struct probe_context *context, const struct place *place, struct object_elf *elf,
                          const struct object_symbol *symbol, uint64_t offset, const char **warning,
                          struct probe_error *error) {
    size_t size = symbol->size < FUNCTION_MOST ? symbol->size : FUNCTION_MOST;
    const char *function = arena_strndup(context->arena, symbol->name, symbol->name_length);
    enum object_boundary boundary = OBJECT_BOUNDARY_UNKNOWN;
    uint16_t machine = object_elf_machine(elf);
    uint8_t *code = arena_alloc(context->arena, size);

    if (context->unsafe || offset == 0)
        return 0;
    if (object_elf_read(elf, symbol->file_offset, code, size))
        boundary = object_instruction_boundary(machine, code, size, offset);
    if (boundary == OBJECT_BOUNDARY_UNKNOWN)
        *warning = arena_printf(context->arena,
                                "Could not determine instruction boundary: whether one begins at %s+%" PRIu64
                                " is not known; inside of one a probe makes the program crash",
                                function, offset);
    if (boundary != OBJECT_BOUNDARY_NO)
        return 0;
    int result =
        probe_fail_text(context, error, place->part,
                        "Possible attachment attempt in the middle of an instruction, try a different offset.");
    error->hint = nearest_places(context, machine, code, size, offset, function);
    return result;
}

static int expand_address(struct probe_context *context, const struct probe_point *point,
                          const struct probe_binary *binary, const struct place *place, struct object_elf *elf,
                          struct probe_targets *out, struct probe_error *error) {
    struct object_symbol symbol = {0};
    uint64_t offset;

    if (!object_elf_offset_of(elf, place->number, &offset)) {
        int result = probe_fail_match(context, error, place->part, "%s: address 0x%" PRIx64 " is not in the file %s",
                                      point->kind->name, place->number, binary->shown);
        error->hint = "an address is the one a symbol table shows (nm, objdump), not that in a running process";
        return result;
    }
    const char *warning = NULL;
    if (object_elf_symbol_at(elf, OBJECT_FUNCTIONS, place->number, &symbol)) {
        int result = check_boundary(context, place, elf, &symbol, place->number - symbol.address, &warning, error);
        if (result != 0)
            return result;
    } else if (!context->unsafe) {
        int result = probe_fail_text(context, error, place->part, "Could not resolve address: %s:0x%" PRIx64,
                                     binary->shown, place->number);
        error->hint = "no function of the file is known there, and a probe inside of an instruction makes the program "
                      "crash; --unsafe accepts it";
        return result;
    }
    symbol.is_ifunc = false;
    add_place(context, point, binary, place, &symbol, place->number, offset, out);
    out->items.data[out->items.count - 1]->warning = context->unsafe ? NULL : warning;
    return 0;
}

static bool find_symbol(struct probe_context *context, struct object_elf *elf, const char *name,
                        struct object_symbol *symbol) {
    if (object_elf_find(elf, OBJECT_FUNCTIONS, name, symbol))
        return true;
    object_elf_debug_file(elf, NULL, context->debug_directories);
    return object_elf_find(elf, OBJECT_FUNCTIONS, name, symbol);
}

/* A function without a symbol may be inlined wherever it is called. */
static int expand_inlined_only(struct probe_context *context, const struct probe_point *point,
                               const struct probe_binary *binary, const struct place *place, struct object_elf *elf,
                               struct probe_targets *out, struct probe_error *error) {
    bool is_return = point->kind == &probe_kind_uretprobe;

    if (!is_return && !place->number && uprobe_add_inlined(context, point, binary, elf, place->symbol, out) > 0)
        return 0;
    int result = no_symbol(context, point, binary, place, elf, error);
    uint32_t copies =
        is_return || place->number ? uprobe_list_inlined(context, NULL, binary->path, place->symbol, false) : 0;
    if (copies)
        error->hint = arena_printf(context->arena,
                                   "the compiler inlined it in %u place%s, where it neither returns nor has an "
                                   "address of its own; a uprobe without offset works",
                                   copies, copies == 1 ? "" : "s");
    return result;
}

static int expand_symbol(struct probe_context *context, const struct probe_point *point,
                         const struct probe_binary *binary, const struct place *place, struct object_elf *elf,
                         struct probe_targets *out, struct probe_error *error) {
    struct object_symbol symbol;
    uint64_t address, offset;

    if (!find_symbol(context, elf, place->symbol, &symbol))
        return expand_inlined_only(context, point, binary, place, elf, out, error);
    if (place->number && place->number >= symbol.size && !context->unsafe) {
        int result = probe_fail_text(context, error, place->part,
                                     "Offset outside the function bounds ('%s' size is %" PRIu64 ")", place->symbol,
                                     symbol.size);
        error->hint = "--unsafe accepts it";
        return result;
    }
    if (__builtin_add_overflow(symbol.address, place->number, &address) || !object_elf_offset_of(elf, address, &offset))
        return probe_fail_match(context, error, place->part, "%s: '%s' is not in the file %s", point->kind->name,
                                place->part->text, binary->shown);
    const char *warning = NULL;
    int result = check_boundary(context, place, elf, &symbol, place->number, &warning, error);
    if (result != 0)
        return result;
    add_place(context, point, binary, place, &symbol, address, offset, out);
    if (warning)
        out->items.data[out->items.count - 1]->warning = warning;
    if (!place->number && point->kind == &probe_kind_uprobe && !symbol.is_ifunc)
        uprobe_add_inlined(context, point, binary, elf, place->symbol, out);
    return 0;
}

/* ---- wildcards ----------------------------------------------------------------------------------------------- */

struct match_list {
    struct arena *arena;
    const char *pattern;
    VEC(struct object_symbol) symbols;
};

static bool collect_match(void *user, const struct object_symbol *symbol) {
    struct match_list *list = user;

    if (symbol->file_offset == UINT64_MAX || symbol->is_ifunc)
        return true;
    struct object_symbol copy = *symbol;
    copy.name = arena_strndup(list->arena, symbol->name, symbol->name_length);
    if (str_glob(list->pattern, copy.name))
        vec_push(list->arena, &list->symbols, copy);
    return true;
}

/* By place; of several names for one place the global, then the alphabetically first. */
static int compare_places(const void *a, const void *b) {
    const struct object_symbol *x = a, *y = b;

    if (x->file_offset != y->file_offset)
        return x->file_offset < y->file_offset ? -1 : 1;
    if (x->is_global != y->is_global)
        return x->is_global ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct object_symbol *)a)->name, ((const struct object_symbol *)b)->name);
}

static void find_matches(struct object_elf *elf, struct match_list *list) {
    uint32_t kept = 0;

    object_elf_each(elf, OBJECT_FUNCTIONS, collect_match, list);
    if (list->symbols.count == 0 && object_elf_load_debug(elf, NULL))
        object_elf_each(elf, OBJECT_FUNCTIONS, collect_match, list);
    if (list->symbols.count == 0)
        return;
    qsort(list->symbols.data, list->symbols.count, sizeof *list->symbols.data, compare_places);
    for (uint32_t i = 0; i < list->symbols.count; i++) {
        if (kept == 0 || list->symbols.data[kept - 1].file_offset != list->symbols.data[i].file_offset)
            list->symbols.data[kept++] = list->symbols.data[i];
    }
    list->symbols.count = kept;
    qsort(list->symbols.data, kept, sizeof *list->symbols.data, compare_names);
}

static void expand_wildcard(struct probe_context *context, const struct probe_point *point,
                            const struct probe_binary *binary, const struct place *place, struct object_elf *elf,
                            struct probe_targets *out) {
    struct match_list list = {.arena = context->arena, .pattern = place->symbol};

    find_matches(elf, &list);
    for (uint32_t i = 0; i < list.symbols.count; i++) {
        const struct object_symbol *symbol = &list.symbols.data[i];
        add_place(context, point, binary, place, symbol, symbol->address, symbol->file_offset, out);
    }
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

static int parse_place(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                       struct place *place, struct probe_error *error) {
    const char *text = part->text, *plus = strrchr(text, '+');

    *place = (struct place){.part = part, .symbol = text};
    if (!*text)
        return probe_fail_text(context, error, part, "%s needs a function name or an address", point->kind->name);
    if (*text >= '0' && *text <= '9') {
        place->symbol = NULL;
        if (!str_to_u64(text, &place->number))
            return probe_fail_text(context, error, part, "%s: '%s' is not an address", point->kind->name, text);
    } else if (plus && !probe_has_star(text)) {
        place->symbol = arena_strndup(context->arena, text, (size_t)(plus - text));
        if (!str_to_u64(plus + 1, &place->number))
            return probe_fail_text(context, error, part, "%s: '%s' is not an offset", point->kind->name, plus + 1);
    }
    if (place->symbol && place->number && point->kind == &probe_kind_uretprobe) {
        int result = probe_fail_text(context, error, part, "uretprobe can not have an offset: a function returns once");
        error->hint = "use uprobe for a place inside a function";
        return result;
    }
    return 0;
}

static int expand_binary(struct probe_context *context, const struct probe_point *point,
                         const struct probe_binary *binary, const struct place *place, struct probe_targets *out,
                         struct probe_error *error) {
    const char *reason = NULL;
    struct object_elf *elf = probe_binary_elf(context, binary, &reason);

    if (!elf && context->unsafe && !place->symbol) { /* code without headers: an address is a place in the file */
        struct object_symbol unknown = {0};
        add_place(context, point, binary, place, &unknown, place->number, place->number, out);
        return 0;
    }
    if (!elf)
        return probe_fail_match(context, error, NULL, "%s target file '%s' can not be read: %s", point->kind->name,
                                binary->shown, reason);
    if (!place->symbol)
        return expand_address(context, point, binary, place, elf, out, error);
    if (!probe_has_star(place->symbol))
        return expand_symbol(context, point, binary, place, elf, out, error);
    expand_wildcard(context, point, binary, place, elf, out);
    return 0;
}

static int too_many_parts(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    int result = probe_fail_text(context, error, &point->parts[1], "%s probe type requires a binary and a function",
                                 point->kind->name);

    error->hint = "names of C++ are written BINARY:cpp:\"space::function(int)\", places BINARY@FILE:LINE:COLUMN";
    return result;
}

static int uprobe_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                         struct probe_error *error) {
    const struct probe_part *last = &point->parts[point->part_count - 1];
    const struct probe_part *file = point->part_count > 1 ? &point->parts[0] : NULL;
    struct probe_binaries binaries = {0};
    uint32_t before = out->items.count;
    struct place place;

    if (uprobe_is_line(point))
        return uprobe_expand_line(context, point, out, error);
    if (uprobe_is_cpp(point))
        return uprobe_expand_cpp(context, point, out, error);
    if (point->part_count > 2)
        return too_many_parts(context, point, error);
    int result = parse_place(context, point, last, &place, error);
    if (result == 0)
        result = probe_find_binaries(context, point, file, &binaries, error);
    for (uint32_t i = 0; i < binaries.items.count && (result == 0 || binaries.items.count > 1); i++)
        result = expand_binary(context, point, &binaries.items.data[i], &place, out, error);
    if (out->items.count > before)
        return 0; /* of several files those that have the function count */
    if (result == 0) {
        result = probe_fail_match(context, error, last, "No matches for %s %s:%s.", point->kind->name,
                                  binaries.items.data[0].shown, last->text);
        error->hint = "no function of the file has such a name (-l lists them)";
    }
    return result;
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static void list_symbols(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                         const struct probe_binary *binary, const struct match_list *list) {
    for (uint32_t i = 0; i < list->symbols.count; i++) {
        const struct object_symbol *symbol = &list->symbols.data[i];
        probe_list_matched(lister,
                           arena_printf(context->arena, "%s:%s:%s", point->kind->name, binary->shown, symbol->name));
        if (!lister->verbose)
            continue;
        uprobe_list_arguments(context, lister, binary->path, symbol->address, point->kind == &probe_kind_uretprobe);
        if (point->kind == &probe_kind_uprobe && !probe_has_star(list->pattern))
            uprobe_list_inlined(context, lister, binary->path, symbol->name, false);
    }
}

/* A function that has no symbol because it is inlined everywhere. */
static void list_inlined(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                         const struct probe_binary *binary, const char *name) {
    if (point->kind != &probe_kind_uprobe || !uprobe_list_inlined(context, NULL, binary->path, name, false))
        return;
    probe_list_matched(lister, arena_printf(context->arena, "%s:%s:%s", point->kind->name, binary->shown, name));
    if (lister->verbose)
        uprobe_list_inlined(context, lister, binary->path, name, true);
}

static int uprobe_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                       struct probe_error *error) {
    struct probe_binaries binaries = {0};

    if (point->part_count == 0)
        return 0; /* every function of every file is no answer */
    if (uprobe_is_cpp(point))
        return uprobe_list_cpp(context, point, lister, error);
    const struct probe_part *file = point->part_count > 1 || context->pid <= 0 ? &point->parts[0] : NULL;
    int result = probe_find_binaries(context, point, file, &binaries, error);
    for (uint32_t i = 0; result == 0 && i < binaries.items.count; i++) {
        const struct probe_binary *binary = &binaries.items.data[i];
        const struct probe_part *last = file ? &point->parts[1] : &point->parts[0];
        struct match_list list = {.arena = context->arena, .pattern = last->text && *last->text ? last->text : "*"};
        const char *reason;
        struct object_elf *elf = probe_binary_elf(context, binary, &reason);
        if (elf)
            find_matches(elf, &list);
        list_symbols(context, point, lister, binary, &list);
        if (list.symbols.count == 0 && !probe_has_star(list.pattern) && elf)
            list_inlined(context, point, lister, binary, list.pattern);
    }
    return result;
}

const struct probe_kind probe_kind_uprobe = {
    .name = "uprobe",
    .aliases = {"u"},
    .usage = "uprobe:BINARY:FUNCTION, uprobe:BINARY@FILE:LINE or uprobe:BINARY:cpp:\"NAME\"",
    .parts_min = 2,
    .parts_max = 3,
    .optional_first_part = true,
    .is_user = true,
    .expand = uprobe_expand,
    .list = uprobe_list,
};

const struct probe_kind probe_kind_uretprobe = {
    .name = "uretprobe",
    .aliases = {"ur"},
    .usage = "uretprobe:BINARY:FUNCTION",
    .parts_min = 2,
    .parts_max = 3,
    .optional_first_part = true,
    .is_user = true,
    .expand = uprobe_expand,
    .list = uprobe_list,
};
