/* iter: the kernel walks its own objects (tasks, their files, BPF maps, ...) and runs the program for each.
 *
 * Which iterators there are is what BTF has: a function bpf_iter_NAME, whose parameters the program gets. NAME[:PIN]:
 * with a pin the program does not run now, but whenever somebody reads that file of the BPF file system. */
#include "kernel/bpf.h"
#include "kernel/uapi.h"
#include "object/btf.h"
#include "probe/context_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "bpf_iter_"
#define CONTEXT_PREFIX "bpf_iter__" /* the struct that has the same name as the iterator */
#define PIN_DIRECTORY "/sys/fs/bpf"

struct iterator_list {
    struct arena *arena;
    const char *pattern;
    VEC(const char *) names;
};

static bool collect(void *user, uint32_t id, const char *name) {
    struct iterator_list *list = user;

    (void)id;
    if (str_starts(name, CONTEXT_PREFIX) && str_glob(list->pattern, name + strlen(CONTEXT_PREFIX)))
        vec_push(list->arena, &list->names, arena_strdup(list->arena, name + strlen(CONTEXT_PREFIX)));
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void find_iterators(struct probe_context *context, struct iterator_list *list) {
    struct object_btf *btf = probe_btf(context);
    uint32_t kept = 0;

    list->arena = context->arena;
    if (btf)
        object_btf_list(btf, OBJECT_BTF_STRUCT, collect, list);
    if (list->names.count)
        qsort(list->names.data, list->names.count, sizeof *list->names.data, compare_names);
    for (uint32_t i = 0; i < list->names.count; i++) {
        if (kept == 0 || strcmp(list->names.data[kept - 1], list->names.data[i]) != 0)
            list->names.data[kept++] = list->names.data[i];
    }
    list->names.count = kept;
}

/* Its function, and its parameters: meta, then the object. */
static bool find_function(struct probe_context *context, const char *name, uint32_t *id, const struct type **args) {
    struct object_btf *btf = probe_btf(context);

    return btf && object_btf_function(btf, arena_printf(context->arena, PREFIX "%s", name), id, args, NULL);
}

static int no_match(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    struct iterator_list list = {.pattern = "*"};

    int result = probe_fail_match(context, error, &point->parts[0], "No matches for iter %s.", point->parts[0].text);
    find_iterators(context, &list);
    error->hint = probe_nearest(context, point->parts[0].text, list.names.data, list.names.count);
    if (!error->hint)
        error->hint = list.names.count ? "list them with -l 'iter:*'" : "this kernel tells of no iterators in its BTF";
    return result;
}

static int iterator_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                           struct probe_error *error) {
    const char *name = point->parts[0].text, *pin = point->part_count == 2 ? point->parts[1].text : NULL;
    const struct type *args = NULL;
    uint32_t id;

    if (probe_has_star(name) || (pin && probe_has_star(pin))) {
        int result = probe_fail_text(context, error, &point->parts[probe_has_star(name) ? 0 : 1],
                                     "iter probe type does not support wildcards");
        error->hint = "list the iterators with -l 'iter:*'";
        return result;
    }
    if (pin && !*pin)
        return probe_fail_text(context, error, &point->parts[1], "iter: the pin has no name");
    if (!find_function(context, name, &id, &args))
        return no_match(context, point, error);
    struct probe_target *target = probe_add_target(context, point, out);
    target->mechanism = PROBE_ITERATOR;
    target->attach_btf_id = id;
    target->args = args;
    target->args_space = SPACE_KERNEL;
    target->event = name;
    target->pin = pin;
    target->name = arena_printf(context->arena, "iter:%s", name);
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

int probe_open_iterator(struct probe_context *context, const struct probe_link *link, struct probe_error *error) {
    int fd = kernel_iterator_create(link->fast.data[0]);

    return fd < 0 ? probe_fail_system(context, error, -fd, "opening the iterator") : fd;
}

int probe_pin_iterator(struct probe_context *context, const struct probe_link *link, const struct probe_target *target,
                       const char **path, struct probe_error *error) {
    *path = target->pin[0] == '/' ? target->pin : arena_printf(context->arena, PIN_DIRECTORY "/%s", target->pin);
    int number = kernel_link_pin(link->fast.data[0], *path);
    if (number == 0)
        return 0;
    int result = probe_fail_system(context, error, -number, "pinning %s to %s", target->name, *path);
    if (number == -EEXIST)
        error->hint = "there is one already: remove it with rm, or choose another name";
    else if (number == -ENOENT || number == -EPERM)
        error->hint = "the BPF file system must be mounted there: mount -t bpf none " PIN_DIRECTORY;
    return result;
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static int iterator_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                         struct probe_error *error) {
    struct iterator_list list = {.pattern = "*"};
    const struct type *args;
    uint32_t id;

    (void)point, (void)error;
    find_iterators(context, &list);
    for (uint32_t i = 0; i < list.names.count; i++) {
        const char *line = arena_printf(context->arena, "iter:%s", list.names.data[i]);
        if (!str_glob(lister->pattern, line) && !str_glob(lister->pattern, arena_printf(context->arena, "%s:", line)))
            continue;
        if (!find_function(context, list.names.data[i], &id, &args))
            continue;
        probe_list_matched(lister, line);
        if (lister->verbose)
            probe_list_fields(lister, args);
    }
    return 0;
}

const struct probe_kind probe_kind_iter = {
    .name = "iter",
    .aliases = {"it"},
    .usage = "iter:NAME or iter:NAME:PIN",
    .parts_min = 1,
    .parts_max = 2,
    .expand = iterator_expand,
    .list = iterator_list,
};
