/* What the debug information of user programs says: arguments of functions, types by name. */
#include "object/dwarf.h"
#include "object/elf.h"
#include "probe/context_int.h"

#include <string.h>

const char *const *probe_directories(struct arena *arena, const char *text) {
    VEC(const char *) directories = {0};

    if (!text)
        return NULL;
    for (size_t length; *text; text += length + (text[length] == ':')) {
        length = strcspn(text, ":");
        if (length)
            vec_push(arena, &directories, arena_strndup(arena, text, length));
    }
    vec_push(arena, &directories, NULL);
    return directories.data;
}

static struct probe_file *file_of(struct probe_context *context, const char *path, const char **reason) {
    struct probe_caches *caches = context->caches;

    if (!probe_elf(context, path, 0, 0, reason))
        return NULL;
    for (uint32_t i = 0; i < caches->files.count; i++)
        if (caches->files.data[i].begin == 0 && strcmp(caches->files.data[i].path, path) == 0)
            return &caches->files.data[i];
    return NULL;
}

static const char *no_file(const struct probe_file *file) {
    uint32_t size;

    if (!object_elf_build_id(file->elf, &size))
        return "it has no debug information (build it with -g)";
    return "it has no debug information (build it with -g, or install its debug symbols: the package NAME-dbgsym or "
           "NAME-debuginfo)";
}

static struct object_elf *debug_file(struct probe_context *context, struct probe_file *file) {
    return object_elf_debug_file(file->elf, NULL, context->debug_directories);
}

bool probe_has_dwarf(struct probe_context *context, const char *path) {
    const char *reason;
    struct probe_file *file = file_of(context, path, &reason);

    return file && (file->dwarf || debug_file(context, file));
}

struct object_dwarf *probe_dwarf(struct probe_context *context, const char *path, const char **reason) {
    struct probe_file *file = file_of(context, path, reason);

    if (!file)
        return NULL;
    if (!file->dwarf && !file->no_dwarf) {
        struct object_elf *elf = debug_file(context, file);
        if (elf)
            file->dwarf = object_dwarf_open(context->arena, elf, &file->no_dwarf);
        else
            file->no_dwarf = no_file(file);
    }
    *reason = file->no_dwarf;
    return file->dwarf;
}

/* Copies of a function that the optimizer gave other parameters. */
static bool is_changed(const char *symbol) {
    static const char *const marks[] = {".isra.", ".constprop.", ".part."};

    for (size_t i = 0; symbol && i < sizeof marks / sizeof *marks; i++)
        if (strstr(symbol, marks[i]))
            return true;
    return false;
}

struct object_dwarf *probe_types(struct probe_context *context) {
    const char *reason;

    return context->types_path ? probe_dwarf(context, context->types_path, &reason) : NULL;
}

const char *probe_types_problem(struct probe_context *context) {
    const char *reason = NULL;

    return context->types_path && !probe_dwarf(context, context->types_path, &reason) ? reason : NULL;
}

static void take_function(struct probe_context *context, struct probe_target *target,
                          const struct object_function *function) {
    target->function = arena_memdup(context->arena, function, sizeof *function);
    target->no_function = NULL;
    if (!target->is_return)
        target->args = function->args;
}

void probe_describe_function(struct probe_context *context, struct probe_target *target) {
    struct object_dwarf *dwarf = probe_dwarf(context, target->path, &target->no_function);
    struct object_dwarf *types = probe_types(context);
    struct object_function function;

    if (types && target->symbol && object_dwarf_function_named(types, target->symbol, &function)) {
        take_function(context, target, &function);
        return;
    }
    if (!dwarf)
        return;
    if (!object_dwarf_function(dwarf, target->address, is_changed(target->symbol), &function)) {
        target->no_function = "its debug information does not have the function (it was not built with -g, or the "
                              "probe is not at the function's first instruction)";
        return;
    }
    take_function(context, target, &function);
}

/* ---- types ---------------------------------------------------------------------------------------------------- */

/* The files that may know a type, best first: --types, that of the probe, the program of the target process. */
static uint32_t type_files(struct probe_context *context, const struct probe_target *target,
                           struct object_dwarf *files[3]) {
    const char *reason, *paths[3] = {context->types_path, target ? target->path : NULL, NULL};
    uint32_t count = 0;

    if (context->pid > 0)
        paths[2] = arena_printf(context->arena, "/proc/%d/exe", (int)context->pid);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct object_dwarf *dwarf = paths[i] ? probe_dwarf(context, paths[i], &reason) : NULL;
        if (dwarf)
            files[count++] = dwarf;
    }
    return count;
}

const struct type *probe_user_type(struct probe_context *context, const struct probe_target *target, uint32_t kinds,
                                   const char *name) {
    struct object_dwarf *files[3];
    uint32_t count = type_files(context, target, files);
    const struct type *type = NULL;

    for (uint32_t i = 0; i < count && !type; i++)
        type = object_dwarf_type(files[i], kinds, name, target ? target->address : 0);
    return type;
}

const struct type *probe_user_enumerator(struct probe_context *context, const struct probe_target *target,
                                         const char *name, int64_t *value) {
    struct object_dwarf *files[3];
    uint32_t count = type_files(context, target, files);
    const struct type *type = NULL;

    for (uint32_t i = 0; i < count && !type; i++)
        type = object_dwarf_enumerator(files[i], name, value);
    return type;
}

const char *probe_nearest_user_type(struct probe_context *context, const struct probe_target *target, uint32_t kinds,
                                    const char *name) {
    struct object_dwarf *files[3];
    uint32_t count = type_files(context, target, files);
    const char *nearest = NULL;

    for (uint32_t i = 0; i < count && !nearest; i++)
        nearest = object_dwarf_nearest(files[i], kinds, name);
    return nearest;
}

void probe_rest(struct probe_context *context) {
    for (uint32_t i = 0; i < context->caches->files.count; i++)
        if (context->caches->files.data[i].dwarf)
            object_dwarf_rest(context->caches->files.data[i].dwarf);
}
