/* The functions of the kernel that probes can be put on, and their BTF ids.
 *
 * Which ones can be traced only the kernel knows: available_filter_functions of tracefs lists them ("vfs_read",
 * "xfs_iget [xfs]"). Where that cannot be read, all functions of /proc/kallsyms are taken and attaching will tell.
 * Addresses come from kallsyms, which costs as much again, so they are looked up only where a name is not enough: in
 * modules, and where several functions have one name. */
#include "kernel/bpf.h"
#include "object/btf.h"
#include "object/kallsyms.h"
#include "probe/context_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL_MODULE "vmlinux"

enum { FUNCTIONS_TEXT_MAX = 64 << 20 };

static int compare_functions(const void *a, const void *b) {
    const struct probe_function *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order == 0)
        order = strcmp(x->module ? x->module : "", y->module ? y->module : "");
    return order ? order : (x->address > y->address) - (x->address < y->address);
}

static bool is_in_module(const struct probe_function *function, const char *module) {
    return !module || str_glob(module, function->module ? function->module : KERNEL_MODULE);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Lines "name" or "name [module]"; cut in place. Functions that vanished with their boot code have made-up names. */
static void split_filter_functions(struct probe_context *context, char *text) {
    struct probe_functions *functions = &context->caches->functions;

    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        struct probe_function function = {.name = line};
        char *space = strpbrk(line, " \t");
        if (space) {
            *space++ = '\0';
            char *open = strchr(space, '['), *close = open ? strchr(open, ']') : NULL;
            if (close) {
                *close = '\0';
                function.module = open + 1;
            }
        }
        if (*line && !str_starts(line, "__ftrace_invalid_address"))
            vec_push(context->arena, functions, function);
    }
}

struct symbol_list {
    struct probe_context *context;
    struct probe_functions *out;
    const char *module, *name; /* globs */
};

static bool add_symbol(void *user, const struct object_kernel_symbol *symbol) {
    struct symbol_list *list = user;
    struct probe_function function = {.name = symbol->name, .module = symbol->module, .address = symbol->address};

    if (is_in_module(&function, list->module) && str_glob(list->name, symbol->name)) {
        function.name = arena_strdup(list->context->arena, symbol->name);
        function.module = symbol->module ? arena_strdup(list->context->arena, symbol->module) : NULL;
        vec_push(list->context->arena, list->out, function);
    }
    return true;
}

static int read_symbols(struct probe_context *context, const char *module, const char *name,
                        struct probe_functions *out, struct probe_error *error) {
    struct symbol_list list = {context, out, module, name};
    int number = 0;
    struct object_kallsyms *table = object_kallsyms_load(context->kallsyms_path, &number);

    if (!table) {
        int result = probe_fail_system(context, error, -number, "reading the kernel's symbols");
        if (error->kind == PROBE_ERROR_PERMISSION)
            error->hint = "run as root; kernel.kptr_restrict must not be 2";
        return result;
    }
    object_kallsyms_each(table, add_symbol, &list);
    object_kallsyms_free(table);
    return 0;
}

static void sort(struct probe_functions *functions) {
    if (functions->count)
        qsort(functions->data, functions->count, sizeof *functions->data, compare_functions);
}

static int read_functions(struct probe_context *context, struct probe_error *error) {
    struct probe_caches *caches = context->caches;
    struct strbuf text = {0};
    struct probe_error ignored;
    int result = 0;

    if (caches->functions_read)
        return 0;
    if (context->functions_path)
        result = kernel_read_file(context->functions_path, &text, FUNCTIONS_TEXT_MAX);
    if (result < 0)
        return probe_fail_system(context, error, -result, "reading %s", context->functions_path);
    if ((context->functions_path || probe_tracefs_read(context, "available_filter_functions", &text, &ignored) == 0) &&
        text.length)
        split_filter_functions(context, arena_strndup(context->arena, strbuf_text(&text), text.length));
    strbuf_free(&text);
    caches->functions_traceable = caches->functions.count > 0;
    if (!caches->functions_traceable)
        result = read_symbols(context, NULL, "*", &caches->functions, error);
    sort(&caches->functions);
    caches->functions_read = result == 0;
    return result;
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

static bool is_same(const struct probe_function *a, const struct probe_function *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->module ? a->module : "", b->module ? b->module : "") == 0;
}

/* A name is enough for the kernel unless it stands in a module, or more than once. */
static bool needs_address(const struct probe_functions *found, uint32_t i) {
    const struct probe_function *function = &found->data[i];

    return !function->address && (function->module || (i > 0 && is_same(function, function - 1)) ||
                                  (i + 1 < found->count && is_same(function, function + 1)));
}

/* Copies what was found; what needs an address is replaced by the symbols of that name, one for each place. */
static int add_addresses(struct probe_context *context, const char *module, const char *name,
                         const struct probe_functions *found, struct probe_functions *out, struct probe_error *error) {
    struct probe_functions symbols = {0};
    int result = 0;

    for (uint32_t i = 0, at = 0; i < found->count && result == 0; i++) {
        const struct probe_function *function = &found->data[i];
        if (!needs_address(found, i)) {
            vec_push(context->arena, out, *function);
            continue;
        }
        if (!symbols.count) {
            result = read_symbols(context, module ? module : "*", name, &symbols, error);
            sort(&symbols);
        }
        while (at < symbols.count && compare_functions(&symbols.data[at], function) < 0)
            at++;
        for (; at < symbols.count && is_same(&symbols.data[at], function); at++)
            vec_push(context->arena, out, symbols.data[at]);
    }
    return result;
}

int probe_functions_all(struct probe_context *context, const struct probe_functions **out, struct probe_error *error) {
    *out = &context->caches->functions;
    return read_functions(context, error);
}

int probe_functions_match(struct probe_context *context, const char *module, const char *name,
                          struct probe_functions *out, struct probe_error *error) {
    const struct probe_functions *all = &context->caches->functions;
    struct probe_functions found = {0};
    int result = read_functions(context, error);

    for (uint32_t i = 0; result == 0 && i < all->count; i++) {
        if (str_glob(name, all->data[i].name) && is_in_module(&all->data[i], module))
            vec_push(context->arena, &found, all->data[i]);
    }
    return result != 0 ? result : add_addresses(context, module, name, &found, out, error);
}

int probe_functions_find(struct probe_context *context, const char *module, const char *name,
                         struct probe_functions *out, struct probe_error *error) {
    bool in_kernel = !module || strcmp(module, KERNEL_MODULE) == 0;

    /* BTF has most functions of the kernel and is cheap to ask. Only names that stand for one function get there, or
     * for several that take the same arguments; but it has names of functions, too, of which only parts are left
     * (name.isra.0). The kernel looks a function up when a program for its trampoline is loaded. */
    struct probe_types *types = probe_types_of(context, NULL);
    uint32_t id = in_kernel ? probe_function_id(context, types, name, false) : 0;
    if (id && probe_try_trampoline(context, types, id, false) != -ENOENT) {
        struct probe_function function = {.name = name};
        vec_push(context->arena, out, function);
        return 0;
    }
    int result = read_symbols(context, module, name, out, error);
    sort(out);
    return result;
}

struct probe_types *probe_types_of(struct probe_context *context, const char *module) {
    struct probe_caches *caches = context->caches;
    int error;

    if (!module || strcmp(module, KERNEL_MODULE) == 0) {
        caches->kernel_types.btf = probe_btf(context);
        return &caches->kernel_types;
    }
    for (uint32_t i = 0; i < caches->module_types.count; i++) {
        if (strcmp(caches->module_types.data[i]->module, module) == 0)
            return caches->module_types.data[i];
    }
    struct probe_types *types = arena_make(context->arena, struct probe_types);
    types->module = module;
    types->fd = probe_btf(context) && !strchr(module, '/') ? kernel_btf_of_module(module) : -ENOENT;
    if (types->fd > 0)
        types->btf = object_btf_open_module(context->arena, probe_btf(context),
                                            arena_printf(context->arena, "/sys/kernel/btf/%s", module), &error);
    vec_push(context->arena, &caches->module_types, types);
    return types;
}

struct id_list {
    struct arena *arena;
    struct hash *ids;
};

static bool note_id(void *user, uint32_t id, const char *name) {
    struct id_list *list = user;

    hash_put(list->ids, arena_strdup(list->arena, name), (void *)(uintptr_t)id);
    return true;
}

uint32_t probe_function_id(struct probe_context *context, struct probe_types *types, const char *name, bool many) {
    if (!types->btf)
        return 0;
    if (!many && !types->ids.count)
        return object_btf_find(types->btf, OBJECT_BTF_FUNCTION, name);
    if (!types->ids.count) {
        struct id_list list = {context->arena, &types->ids};
        hash_init(&types->ids, context->arena);
        object_btf_list(types->btf, OBJECT_BTF_FUNCTION, note_id, &list);
    }
    return (uint32_t)(uintptr_t)hash_get(&types->ids, name);
}

const char *probe_function_nearest(struct probe_context *context, const char *name) {
    struct probe_error ignored;
    struct arena *arena = arena_new();
    VEC(const char *) names = {0};

    read_functions(context, &ignored);
    for (uint32_t i = 0; i < context->caches->functions.count; i++)
        vec_push(arena, &names, context->caches->functions.data[i].name);
    const char *hint = probe_nearest(context, name, names.data, names.count);
    arena_free(arena);
    return hint;
}
