/* kprobe, kretprobe, fentry, fexit: functions of the kernel.
 *
 * Four names, two mechanisms (a kprobe, whose context is registers; a trampoline, whose context are typed arguments),
 * and of the first two ways to attach (kprobe.multi, perf events). A script asks for a function, not for a mechanism:
 *
 *   kprobe, kretprobe   kprobe.multi or a perf event; else, unless the block reads registers, a trampoline
 *   fentry, fexit       a trampoline; else a kprobe whose registers have the types that BTF tells. A wildcard takes
 *                       that way at once where there is kprobe.multi: trampolines are made one by one, with a program
 *                       for each function. What only a trampoline has are the arguments at the return.
 *
 * Where a function cannot be probed at all, a tracepoint that has the same arguments stands in for it (stand_in.c).
 * Where another mechanism than the name's own is taken, the target says so (`detour`).
 *
 * Nothing is known here of what attaching will say: see probe_possible() and attach_function.c. */
#include "kernel/bpf.h"
#include "kernel/feature.h"
#include "object/btf.h"
#include "probe/context_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MANY_TRAMPOLINES = 8 }; /* above, kprobe.multi is quicker to attach and to leave */

/* What was written, and what is made of it. */
struct request {
    struct probe_context *context;
    const struct probe_point *point;
    const struct probe_part *part; /* of the function */
    const char *module;            /* NULL: not given */
    const char *name;              /* NULL: an address */
    uint64_t number;               /* offset or address */
    bool is_return, is_typed;      /* kretprobe, fexit; fentry, fexit */
    bool many;
    struct probe_targets *out;
};

static bool is_typed_kind(const struct probe_kind *kind) {
    return kind == &probe_kind_fentry || kind == &probe_kind_fexit;
}

static bool is_return_kind(const struct probe_kind *kind) {
    return kind == &probe_kind_kretprobe || kind == &probe_kind_fexit;
}

/* ---- what there is ------------------------------------------------------------------------------------------- */

bool probe_has_kprobes(struct probe_context *context) {
    return !context->features || kernel_feature(context->features, KERNEL_FEATURE_KPROBE_MULTI) ||
           kernel_feature(context->features, KERNEL_FEATURE_PERF_KPROBE);
}

bool probe_uses_kprobe_multi(const struct probe_context *context, const struct probe_target *target) {
    return !target->by_event && context->features && kernel_feature(context->features, KERNEL_FEATURE_KPROBE_MULTI);
}

static int try_trampoline(int btf_fd, uint32_t btf_id, bool is_return) {
    static const struct bpf_insn return_0[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
    const struct kernel_program_spec spec = {.type = BPF_PROG_TYPE_TRACING,
                                             .expected_attach_type = is_return ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY,
                                             .attach_btf_id = btf_id,
                                             .attach_btf_fd = btf_fd,
                                             .name = "try",
                                             .instructions = return_0,
                                             .count = sizeof return_0 / sizeof *return_0};
    int fd = kernel_program_load(&spec);

    if (fd >= 0)
        close(fd);
    return fd < 0 ? fd : 0;
}

/* What the kernel refuses whatever the function (EPERM) is asked once. */
int probe_try_trampoline(struct probe_context *context, const struct probe_types *types, uint32_t btf_id,
                         bool is_return) {
    struct probe_caches *caches = context->caches;

    if (!context->features)
        return -EOPNOTSUPP;
    if (caches->fentry_error)
        return caches->fentry_error;
    int result = try_trampoline(types->fd, btf_id, is_return);
    if (result == -EPERM || result == -EACCES)
        caches->fentry_error = result;
    return result;
}

int probe_try_program(const struct probe_target *target) {
    return try_trampoline(target->attach_btf_fd, target->attach_btf_id, target->is_return);
}

/* ---- one function -------------------------------------------------------------------------------------------- */

static void add_types(struct probe_target *target, struct object_btf *btf, uint32_t id, bool want_args, bool is_typed) {
    const struct type *args = NULL, *result = NULL;

    if (!id || !object_btf_function_type(btf, id, &args, &result))
        return;
    target->argument_count = args->size / 8;
    if (want_args)
        target->args = args;
    if (is_typed && target->is_return)
        target->result = result;
}

static void use_trampoline(const struct request *request, struct probe_target *target, uint32_t id) {
    target->mechanism = PROBE_FENTRY;
    target->attach_btf_id = id;
    target->attach_btf_fd = probe_types_of(request->context, target->module)->fd;
}

static bool has_trampoline(const struct request *request, const struct probe_target *target, uint32_t id) {
    return id &&
           (request->many || probe_try_trampoline(request->context, probe_types_of(request->context, target->module),
                                                  id, request->is_return) == 0);
}

/* kprobe, kretprobe */
static void choose_untyped(const struct request *request, struct probe_target *target, uint32_t id) {
    if (probe_has_kprobes(request->context) || request->point->wants & PROBE_WANT_REGISTERS ||
        !has_trampoline(request, target, id))
        return;
    use_trampoline(request, target, id);
    target->detour = "this kernel has no kprobes: through the function's trampoline (fentry)";
}

/* fentry, fexit */
static void choose_typed(const struct request *request, struct probe_target *target, uint32_t id) {
    bool only_trampoline = request->is_return && request->point->want_args;
    bool has_kprobes = probe_has_kprobes(request->context) && !only_trampoline;
    bool prefers_multi = request->many && has_kprobes && probe_uses_kprobe_multi(request->context, target);

    if (id && !prefers_multi && (has_trampoline(request, target, id) || !has_kprobes)) {
        use_trampoline(request, target, id);
    } else if (prefers_multi) {
        target->detour = "many functions: through kprobe.multi, all in one attachment";
    } else {
        target->detour = id ? "the kernel allows no trampoline on it: through a kprobe"
                            : "the kernel's types do not have it: through a kprobe";
    }
}

/* Whether the kernel lets a kprobe be put there: the event is made and dropped, which takes some 40 ms, so this is
 * asked only where there is something else. */
static bool takes_kprobe(struct probe_context *context, const char *function) {
    int fd = kernel_perf_kprobe(NULL, function, 0, false);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || !kernel_feature(context->features, KERNEL_FEATURE_PERF_KPROBE);
}

static bool is_refused(const struct request *request, const struct probe_target *target) {
    struct probe_context *context = request->context;

    if (!context->features || request->many || target->module)
        return false;
    if (target->mechanism == PROBE_FENTRY)
        return probe_try_trampoline(context, probe_types_of(context, NULL), target->attach_btf_id, target->is_return) !=
               0;
    return !probe_has_kprobes(context) ||
           (probe_has_stand_in(target->symbol) && !takes_kprobe(context, target->symbol));
}

static const char *target_name(const struct request *request, const struct probe_function *function) {
    struct arena *arena = request->context->arena;
    const char *kind = request->point->kind->name;

    if (!request->name)
        return arena_printf(arena, "%s:0x%" PRIx64, kind, request->number);
    if (request->number)
        return arena_printf(arena, "%s:%s+%" PRIu64, kind, function->name, request->number);
    if (request->module || request->is_typed)
        return arena_printf(arena, "%s:%s:%s", kind, function->module ? function->module : "vmlinux", function->name);
    return arena_printf(arena, "%s:%s", kind, function->name);
}

static void add_function(const struct request *request, const struct probe_function *function) {
    struct probe_context *context = request->context;
    struct probe_target *target = probe_add_target(context, request->point, request->out);
    bool want_args = request->point->want_args;

    target->mechanism = PROBE_KPROBE;
    target->args_space = SPACE_KERNEL;
    target->is_return = request->is_return;
    target->symbol = function->name;
    target->module = function->module;
    target->address = function->address;
    target->offset = request->name ? request->number : 0;
    target->by_event = target->offset || !request->name;
    target->name = target_name(request, function);
    if (!request->name || request->number)
        return; /* inside a function its arguments may be gone */
    bool needs_id = request->is_typed || want_args || !probe_has_kprobes(context);
    struct probe_types *types = probe_types_of(context, function->module);
    uint32_t id = needs_id ? probe_function_id(context, types, function->name, request->many) : 0;
    if (request->is_typed && request->many && !id) {
        request->out->items.count--; /* a wildcard over functions with types */
        return;
    }
    if (request->is_typed)
        choose_typed(request, target, id);
    else
        choose_untyped(request, target, id);
    if (is_refused(request, target) && probe_use_stand_in(context, target, request->point->wants))
        return;
    if (id)
        add_types(target, types->btf, id, want_args, request->is_typed);
    if (target->mechanism == PROBE_KPROBE && target->is_return)
        target->args = NULL; /* the registers no longer hold them */
}

/* ---- whether it can be at all -------------------------------------------------------------------------------- */

static int impossible(struct probe_context *context, const struct probe_target *target, const char *reason,
                      struct probe_error *error) {
    probe_fail(context, error, PROBE_ERROR_SYSTEM, EOPNOTSUPP, NULL, "%s can not be attached: %s", target->name,
               reason);
    if (target->symbol && !target->is_program)
        error->hint = probe_function_hint(context, target->symbol, target->is_return);
    return -EOPNOTSUPP;
}

static const char *program_reason(int error) {
    return error == -EINVAL
               ? "the kernel lets nobody attach to this BPF program: it is itself one that is attached to functions, "
                 "or is not compiled to machine code"
               : strerror(-error);
}

int probe_possible(struct probe_context *context, const struct probe_target *target, struct probe_error *error) {
    struct arena *arena = context->arena;

    *error = (struct probe_error){0};
    if ((target->mechanism != PROBE_KPROBE && target->mechanism != PROBE_FENTRY) || !context->features)
        return 0;
    if (target->is_program) {
        int refused = probe_try_program(target);
        return refused == 0 ? 0 : impossible(context, target, program_reason(refused), error);
    }
    bool by_trampoline = target->mechanism == PROBE_FENTRY;
    struct probe_types *types = probe_types_of(context, target->module);
    uint32_t id = by_trampoline                       ? target->attach_btf_id
                  : target->symbol && !target->offset ? probe_function_id(context, types, target->symbol, false)
                                                      : 0;
    if (!by_trampoline && probe_has_kprobes(context))
        return 0;
    int trampoline = id ? probe_try_trampoline(context, types, id, target->is_return) : -ENOENT;
    if (by_trampoline && trampoline == 0)
        return 0;
    const char *fentry = !id               ? "the kernel's types do not have it"
                         : trampoline == 0 ? "it has no registers"
                                           : strerror(-trampoline);
    if (probe_has_kprobes(context))
        return impossible(context, target, arena_printf(arena, "the kernel allows no fentry program on it: %s", fentry),
                          error);
    const char *events = strerror(-kernel_feature_error(context->features, KERNEL_FEATURE_PERF_KPROBE));
    events = arena_strdup(arena, events);
    return impossible(
        context, target,
        arena_printf(arena,
                     "this kernel offers no probes of kernel functions here (kprobe events: %s; "
                     "kprobe.multi: %s; fentry: %s)",
                     events, strerror(-kernel_feature_error(context->features, KERNEL_FEATURE_KPROBE_MULTI)), fentry),
        error);
}

/* ---- attach points ------------------------------------------------------------------------------------------- */

static int no_match(const struct request *request, struct probe_error *error) {
    struct probe_context *context = request->context;
    const char *kind = request->point->kind->name;

    int result = probe_fail_match(context, error, request->part, "No matches for %s %s%s%s.", kind,
                                  request->module ? request->module : "", request->module ? ":" : "", request->name);
    error->hint = probe_has_star(request->name) ? NULL : probe_function_nearest(context, request->name);
    if (!error->hint)
        error->hint =
            arena_printf(context->arena, "this kernel has no such function (it may be inlined where it is called); %s",
                         probe_function_hint(context, request->name, request->is_return));
    return result;
}

static int parse_place(struct request *request, const struct probe_part *part, struct probe_error *error) {
    struct probe_context *context = request->context;
    const char *kind = request->point->kind->name, *text = part->text, *plus = strrchr(text, '+');

    request->name = text;
    request->part = part;
    if (!*text)
        return probe_fail_text(context, error, part, "%s needs the name of a kernel function", kind);
    if (*text >= '0' && *text <= '9') {
        request->name = NULL;
        if (!str_to_u64(text, &request->number))
            return probe_fail_text(context, error, part, "%s: '%s' is not an address", kind, text);
    } else if (plus && !probe_has_star(text)) {
        request->name = arena_strndup(context->arena, text, (size_t)(plus - text));
        if (!str_to_u64(plus + 1, &request->number))
            return probe_fail_text(context, error, part, "%s: '%s' is not an offset", kind, plus + 1);
    }
    bool is_inside = !request->name || request->number;
    if (is_inside && (request->is_return || request->is_typed)) {
        int result = probe_fail_text(context, error, part, "%s takes the name of a function, nothing else", kind);
        error->hint = "for a place inside a function there is kprobe:FUNCTION+OFFSET";
        return result;
    }
    if (!request->name && !context->unsafe) {
        int result =
            probe_fail_text(context, error, part, "kprobe by address is not safe: what it breaks is not checked");
        error->hint = "name the function, or use --unsafe";
        return result;
    }
    return 0;
}

/* A function that the compiler put into its callers has a tracepoint perhaps. */
static void add_missing(const struct request *request) {
    const struct probe_function function = {.name = request->name};
    struct probe_target *target = probe_add_target(request->context, request->point, request->out);

    target->symbol = request->name;
    target->is_return = request->is_return;
    target->args_space = SPACE_KERNEL;
    target->name = target_name(request, &function);
    if (!probe_use_stand_in(request->context, target, request->point->wants))
        request->out->items.count--;
}

/* Names of modules in the same way as names of functions: fentry on a function that several modules have would take
 * one of them unasked. */
static int check_ambiguous(const struct request *request, const struct probe_functions *found,
                           struct probe_error *error) {
    const char *modules = "";

    if (!request->is_typed || request->module || found->count < 2)
        return 0;
    for (uint32_t i = 0; i < found->count; i++)
        modules = arena_printf(request->context->arena, "%s%s%s", modules, i ? ", " : "",
                               found->data[i].module ? found->data[i].module : "vmlinux");
    int result = probe_fail_text(request->context, error, request->part, "%s: '%s' is the name of %u functions, in %s",
                                 request->point->kind->name, request->name, found->count, modules);
    error->hint =
        arena_printf(request->context->arena, "say which: %s:MODULE:%s", request->point->kind->name, request->name);
    return result;
}

static int function_expand(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                           struct probe_error *error) {
    const struct probe_kind *kind = point->kind;
    struct request request = {.context = context, .point = point, .out = out};
    struct probe_functions found = {0};
    uint32_t before = out->items.count;

    request.is_typed = is_typed_kind(kind);
    if (request.is_typed && probe_is_about_programs(point))
        return probe_expand_programs(context, point, out, error);
    if (point->part_count == 3)
        return probe_fail_text(context, error, &point->parts[2], "%s takes at most a module and a function",
                               kind->name);
    request.is_return = is_return_kind(kind);
    request.module = point->part_count == 2 ? point->parts[0].text : NULL;
    int result = parse_place(&request, &point->parts[point->part_count - 1], error);
    if (result != 0)
        return result;
    if (!request.name) {
        const struct probe_function place = {.address = request.number};
        add_function(&request, &place);
        return 0;
    }
    bool is_wildcard = probe_has_star(request.name) || (request.module && probe_has_star(request.module));
    if (is_wildcard)
        result = probe_functions_match(context, request.module, request.name, &found, error);
    else
        result = probe_functions_find(context, request.module, request.name, &found, error);
    if (result == 0 && !is_wildcard)
        result = check_ambiguous(&request, &found, error);
    if (result != 0)
        return result;
    request.many = found.count > MANY_TRAMPOLINES;
    for (uint32_t i = 0; i < found.count; i++)
        add_function(&request, &found.data[i]);
    if (out->items.count == before && !is_wildcard && !request.number && !request.module)
        add_missing(&request);
    return out->items.count > before ? 0 : no_match(&request, error);
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

struct listing {
    struct probe_context *context;
    struct probe_lister *lister;
    const struct probe_kind *kind;
    const char *module, *name; /* globs; NULL: the pattern is about the whole line */
    bool is_typed, is_return;
};

static void list_types(const struct listing *listing, struct object_btf *btf, uint32_t id) {
    struct probe_context *context = listing->context;
    const struct type *args = NULL, *result = NULL;

    if (!id || !object_btf_function_type(btf, id, &args, &result))
        return;
    if (!listing->is_return || listing->is_typed)
        probe_list_fields(listing->lister, args);
    if (listing->is_return && result->kind != TYPE_VOID)
        probe_list_argument(listing->lister,
                            arena_printf(context->arena, "%s retval", type_text(context->arena, result)));
}

static void list_function(const struct listing *listing, const struct probe_function *function) {
    const char *module = function->module ? function->module : listing->is_typed || listing->module ? "vmlinux" : "";
    char line[512];

    if (listing->name && !(str_glob(listing->name, function->name) &&
                           (!listing->module || str_glob(listing->module, *module ? module : "vmlinux"))))
        return;
    snprintf(line, sizeof line, "%s:%s%s%s", listing->kind->name, module, *module ? ":" : "", function->name);
    if (!listing->name && !str_glob(listing->lister->pattern, line))
        return;
    bool needs_id = listing->is_typed || listing->lister->verbose;
    struct probe_types *types = needs_id ? probe_types_of(listing->context, function->module) : NULL;
    uint32_t id = types ? probe_function_id(listing->context, types, function->name, true) : 0;
    if (listing->is_typed && !id)
        return;
    probe_list_matched(listing->lister, line);
    if (listing->lister->verbose)
        list_types(listing, types->btf, id);
}

static int function_list(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                         struct probe_error *error) {
    const struct probe_functions *functions;
    struct listing listing = {.context = context, .lister = lister, .kind = point->kind};

    listing.is_typed = is_typed_kind(point->kind);
    if (listing.is_typed && probe_is_about_programs(point))
        return probe_list_programs(context, point, lister, error);
    listing.is_return = is_return_kind(point->kind);
    if (listing.is_return && !point->provider.text)
        return 0; /* every function again: only when asked by name */
    if (point->part_count)
        listing.name = point->parts[point->part_count - 1].text;
    if (point->part_count == 2)
        listing.module = point->parts[0].text;
    int result = probe_functions_all(context, &functions, error);
    for (uint32_t i = 0; result == 0 && i < functions->count; i++) {
        bool again = i && strcmp(functions->data[i].name, functions->data[i - 1].name) == 0 &&
                     functions->data[i].module == functions->data[i - 1].module;
        if (!again)
            list_function(&listing, &functions->data[i]);
    }
    return result;
}

#define FUNCTION_KIND(NAME, PARTS, USAGE, ...)                                                                         \
    const struct probe_kind probe_kind_##NAME = {                                                                      \
        .name = #NAME,                                                                                                 \
        .aliases = {__VA_ARGS__},                                                                                      \
        .usage = #NAME ":FUNCTION" USAGE " or " #NAME ":MODULE:FUNCTION",                                              \
        .parts_min = 1,                                                                                                \
        .parts_max = PARTS,                                                                                            \
        .implied_first_part = true,                                                                                    \
        .expand = function_expand,                                                                                     \
        .list = function_list,                                                                                         \
    }

FUNCTION_KIND(kprobe, 2, "", "k");
FUNCTION_KIND(kretprobe, 2, "", "kr");
FUNCTION_KIND(fentry, 3, ", fentry:bpf:[ID:]NAME", "f", "kfunc");
FUNCTION_KIND(fexit, 3, ", fexit:bpf:[ID:]NAME", "fr", "kretfunc");
