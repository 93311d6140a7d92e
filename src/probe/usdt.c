/* usdt: places that a program's author marked (object/usdt.h says how).
 *
 * BINARY:PROVIDER:PROBE or BINARY:PROBE; `*` matches in all parts; a provider that is left out is any. The binary `*`
 * means the files that a process has mapped: those of the target process, where the binary may also be left out, or
 * those of all processes. A probe has a target for each of its places; the kernel raises its semaphore. */
#include "object/usdt.h"
#include "object/elf.h"
#include "probe/binary_int.h"
#include "probe/context_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the attach point asks for. */
struct wanted {
    const struct probe_part *file; /* NULL: left out */
    const char *provider, *name;
    const struct probe_part *last;
};

static struct wanted read_point(const struct probe_point *point) {
    static const struct probe_part anything = {.text = "*"};
    const struct probe_part *parts = point->parts;
    uint32_t count = point->part_count;
    struct wanted wanted = {.provider = "*", .last = count ? &parts[count - 1] : &anything};

    if (count > 1)
        wanted.file = &parts[0];
    if (count > 2 && parts[1].text[0])
        wanted.provider = parts[1].text;
    wanted.name = wanted.last->text[0] ? wanted.last->text : "*";
    return wanted;
}

static int find_files(struct probe_context *context, const struct probe_point *point, const struct wanted *wanted,
                      struct probe_binaries *out, struct probe_error *error) {
    bool is_named = wanted->file && wanted->file->text[0] && strcmp(wanted->file->text, "*") != 0;

    if (is_named)
        return probe_find_binaries(context, point, wanted->file, out, error);
    if (!wanted->file || !wanted->file->text[0]) {
        if (context->pid <= 0) {
            int result = probe_fail_text(context, error, wanted->file, "usdt needs a binary");
            error->hint = "name a file, or * for the files that any process has mapped, or give a process with -p";
            return result;
        }
    }
    probe_find_mapped(context, out);
    return 0;
}

/* ---- places -------------------------------------------------------------------------------------------------- */

struct places {
    struct object_elf *elf;
    struct object_usdt_list all;
};

static bool read_places(struct probe_context *context, const struct probe_binary *binary, struct places *places,
                        const char **reason) {
    *places = (struct places){.elf = probe_binary_elf(context, binary, reason)};
    if (places->elf)
        object_usdt_read(places->elf, context->arena, &places->all, NULL);
    return places->elf != NULL;
}

static bool is_wanted(const struct wanted *wanted, const struct object_usdt *place) {
    return str_glob(wanted->provider, place->provider) && str_glob(wanted->name, place->name);
}

static bool same_probe(const struct object_usdt *a, const struct object_usdt *b) {
    return strcmp(a->provider, b->provider) == 0 && strcmp(a->name, b->name) == 0;
}

/* By name; the places of one probe in the order of the notes. */
static int compare_places(const void *left, const void *right) {
    const struct object_usdt *a = left, *b = right;
    int order = strcmp(a->provider, b->provider);

    order = order ? order : strcmp(a->name, b->name);
    return order ? order : (a->offset > b->offset) - (a->offset < b->offset);
}

/* The wanted ones, sorted, each place once (inlined code may note one twice). */
static void select_places(const struct wanted *wanted, struct places *places) {
    struct object_usdt *items = places->all.data;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < places->all.count; i++) {
        if (is_wanted(wanted, &items[i]))
            items[kept++] = items[i];
    }
    places->all.count = kept;
    if (kept)
        qsort(items, kept, sizeof *items, compare_places);
    kept = 0;
    for (uint32_t i = 0; i < places->all.count; i++) {
        if (kept == 0 || compare_places(&items[kept - 1], &items[i]) != 0)
            items[kept++] = items[i];
    }
    places->all.count = kept;
}

static void add_place(struct probe_context *context, const struct probe_point *point, const struct probe_binary *binary,
                      struct object_elf *elf, const struct object_usdt *place, struct probe_targets *out) {
    struct probe_target *target = probe_add_target(context, point, out);
    struct object_usdt_arguments *arguments = arena_make(context->arena, struct object_usdt_arguments);

    object_usdt_parse(elf, context->arena, place->arguments, place->address, arguments);
    target->mechanism = PROBE_UPROBE;
    target->path = binary->path;
    target->address = place->address;
    target->offset = binary->begin + place->offset;
    target->semaphore = place->semaphore ? binary->begin + place->semaphore : 0;
    target->usdt = arguments;
    target->args_space = SPACE_USER;
    target->name = arena_printf(context->arena, "usdt:%s:%s:%s", binary->shown, place->provider, place->name);
}

/* ---- expansion ----------------------------------------------------------------------------------------------- */

static int no_match(struct probe_context *context, const struct wanted *wanted, const struct probe_binaries *binaries,
                    struct probe_error *error) {
    bool any_provider = strcmp(wanted->provider, "*") == 0;
    const char *shown = wanted->file ? wanted->file->text : "", *reason = NULL;
    VEC(const char *) names = {0};
    struct places places;

    int result = probe_fail_match(context, error, wanted->last, "No matches for usdt %s:%s%s%s.", shown,
                                  any_provider ? "" : wanted->provider, any_provider ? "" : ":", wanted->name);
    for (uint32_t i = 0; i < binaries->items.count; i++) {
        if (!read_places(context, &binaries->items.data[i], &places, &reason))
            continue;
        for (uint32_t p = 0; p < places.all.count; p++) {
            const struct object_usdt *place = &places.all.data[p];
            vec_push(context->arena, &names,
                     any_provider ? place->name : arena_printf(context->arena, "%s:%s", place->provider, place->name));
        }
    }
    const char *name =
        any_provider ? wanted->name : arena_printf(context->arena, "%s:%s", wanted->provider, wanted->name);
    error->hint = probe_nearest(context, name, names.data, names.count);
    if (!error->hint)
        error->hint = names.count ? arena_printf(context->arena, "list them with -l 'usdt:%s:*'", shown)
                                  : "the file has no usdt probes (readelf -n shows them as stapsdt)";
    return result;
}

static int usdt_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error) {
    const struct wanted wanted = read_point(point);
    struct probe_binaries binaries = {0};
    uint32_t before = out->items.count;
    const char *reason = NULL;

    int result = find_files(context, point, &wanted, &binaries, error);
    for (uint32_t i = 0; result == 0 && i < binaries.items.count; i++) {
        const struct probe_binary *binary = &binaries.items.data[i];
        struct places places;
        if (!read_places(context, binary, &places, &reason)) {
            if (binaries.items.count == 1)
                return probe_fail_match(context, error, wanted.file, "usdt target file '%s' can not be read: %s",
                                        binary->shown, reason);
            continue; /* of several files those that have the probe count */
        }
        select_places(&wanted, &places);
        for (uint32_t p = 0; p < places.all.count; p++) {
            add_place(context, point, binary, places.elf, &places.all.data[p], out);
            out->items.data[out->items.count - 1]->is_further =
                p > 0 && same_probe(&places.all.data[p - 1], &places.all.data[p]);
        }
    }
    return result == 0 && out->items.count == before ? no_match(context, &wanted, &binaries, error) : result;
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static void list_arguments(struct probe_context *context, struct probe_lister *lister, struct object_elf *elf,
                           const struct object_usdt *place) {
    struct object_usdt_arguments arguments;

    object_usdt_parse(elf, context->arena, place->arguments, place->address, &arguments);
    for (uint32_t i = 0; i < arguments.count; i++) {
        const struct object_usdt_argument *one = &arguments.items[i];
        if (one->where == OBJECT_USDT_UNREADABLE)
            probe_list_argument(lister, arena_printf(context->arena, "arg%u (can not be read: %s)", i, one->reason));
        else
            probe_list_argument(
                lister, arena_printf(context->arena, "%sint%d arg%u", one->is_signed ? "" : "u", 8 * one->size, i));
    }
}

static int usdt_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                     struct probe_error *error) {
    const struct wanted wanted = read_point(point);
    struct probe_binaries binaries = {0};
    const char *reason;

    if (!wanted.file && context->pid <= 0)
        return 0; /* every file of the system is no answer; "usdt:*:*" asks for those that are mapped */
    int result = find_files(context, point, &wanted, &binaries, error);
    for (uint32_t i = 0; result == 0 && i < binaries.items.count; i++) {
        const struct probe_binary *binary = &binaries.items.data[i];
        struct places places;
        if (!read_places(context, binary, &places, &reason))
            continue;
        select_places(&wanted, &places);
        for (uint32_t p = 0; p < places.all.count; p++) {
            const struct object_usdt *place = &places.all.data[p];
            if (p > 0 && same_probe(place - 1, place))
                continue;
            probe_list_matched(
                lister, arena_printf(context->arena, "usdt:%s:%s:%s", binary->shown, place->provider, place->name));
            if (lister->verbose)
                list_arguments(context, lister, places.elf, place);
        }
    }
    return result;
}

const struct probe_kind probe_kind_usdt = {
    .name = "usdt",
    .usage = "usdt:BINARY:PROVIDER:PROBE",
    .parts_min = 2,
    .parts_max = 3,
    .optional_first_part = true,
    .is_user = true,
    .expand = usdt_expand,
    .list = usdt_list,
};
