/* fentry:bpf:NAME, fentry:bpf:ID:NAME and fexit: functions of BPF programs that are loaded.
 *
 * A program's own function and those that it calls are attached to through their trampolines, like functions of the
 * kernel: attach_btf_fd is the program, attach_btf_id the function in the program's own BTF, which also tells the
 * arguments. A program without BTF has no functions to attach to.
 *
 * What the program's source calls its context (struct xdp_md) is another struct in the kernel (struct xdp_buff): the
 * argument has the type of what is really there. */
#include "kernel/bpf.h"
#include "object/btf.h"
#include "probe/context_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* As programs see their context, and what it is. Tracing programs see theirs as it is. */
static const struct {
    const char *seen, *real;
} contexts[] = {
    {"xdp_md", "xdp_buff"},
    {"__sk_buff", "sk_buff"},
    {"bpf_sock", "sock"},
    {"bpf_sock_addr", "bpf_sock_addr_kern"},
    {"bpf_sock_ops", "bpf_sock_ops_kern"},
    {"sk_msg_md", "sk_msg"},
    {"bpf_perf_event_data", "bpf_perf_event_data_kern"},
    {"sk_reuseport_md", "sk_reuseport_kern"},
    {"bpf_sk_lookup", "bpf_sk_lookup_kern"},
    {"bpf_sysctl", "bpf_sysctl_kern"},
    {"bpf_sockopt", "bpf_sockopt_kern"},
};

struct program {
    struct kernel_program_functions functions;
    struct object_btf *btf;
    int fd;
};

/* A walk over the functions of all programs, or one. */
struct walk {
    struct probe_context *context;
    const char *id, *name; /* globs */
    const struct program *program;
    bool (*found)(struct walk *walk, uint32_t type, const char *name); /* true: the program is needed further on */
    bool is_needed;
    const struct probe_point *point;
    struct probe_targets *out;
    struct probe_lister *lister;
};

static bool is_function_of(const struct program *program, uint32_t type) {
    for (uint32_t i = 0; i < program->functions.count; i++) {
        if (program->functions.types[i] == type)
            return true;
    }
    return false;
}

static bool on_function(void *user, uint32_t type, const char *name) {
    struct walk *walk = user;

    if (is_function_of(walk->program, type) && str_glob(walk->name, name))
        walk->is_needed |= walk->found(walk, type, arena_strdup(walk->context->arena, name));
    return true;
}

static void walk_program(struct walk *walk, uint32_t id) {
    struct arena *arena = walk->context->arena;
    struct program program = {.fd = kernel_program_open(id)};
    void *bytes;
    uint32_t size;
    int error;

    if (program.fd < 0)
        return; /* it has gone */
    walk->is_needed = false;
    if (kernel_program_functions(program.fd, arena, &program.functions) == 0 && program.functions.count &&
        kernel_btf_read(program.functions.btf_id, arena, &bytes, &size) == 0) {
        program.btf = object_btf_from_bytes(arena, bytes, size, &error);
        walk->program = &program;
        if (program.btf)
            object_btf_list(program.btf, OBJECT_BTF_FUNCTION, on_function, walk);
    }
    if (walk->is_needed)
        vec_push(arena, &walk->context->caches->programs, program.fd);
    else
        close(program.fd);
}

static int walk_programs(struct walk *walk) {
    uint32_t id = 0;
    int error;

    while ((error = kernel_program_next(id, &id)) == 0) {
        char text[16];
        snprintf(text, sizeof text, "%u", id);
        if (str_glob(walk->id, text))
            walk_program(walk, id);
    }
    return error == -ENOENT ? 0 : error;
}

/* ---- attach points ------------------------------------------------------------------------------------------- */

static const struct type *real_context(struct probe_context *context, const struct type *pointer) {
    const struct type *seen = pointer->kind == TYPE_POINTER ? pointer->target : NULL;

    if (!seen || seen->kind != TYPE_STRUCT || !seen->name)
        return pointer;
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
        if (strcmp(contexts[i].seen, seen->name) != 0)
            continue;
        struct object_btf *kernel = probe_btf(context);
        struct type *real = arena_memdup(context->arena, pointer, sizeof *pointer);
        const struct type *target = kernel ? object_btf_struct(kernel, contexts[i].real) : NULL;
        static const struct type nothing = {.kind = TYPE_VOID};
        real->target = target ? target : &nothing;
        return real;
    }
    return pointer;
}

/* The arguments of a program's own function: its context. */
static const struct type *real_arguments(struct probe_context *context, const struct type *args) {
    type_complete(args);
    if (args->field_count != 1 || real_context(context, args->fields[0].type) == args->fields[0].type)
        return args;
    struct type *copy = arena_memdup(context->arena, args, sizeof *args);
    struct type_field *field = arena_memdup(context->arena, args->fields, sizeof *args->fields);
    field->type = real_context(context, field->type);
    copy->fields = field;
    return copy;
}

static bool add_target(struct walk *walk, uint32_t type, const char *name) {
    struct probe_context *context = walk->context;
    const struct program *program = walk->program;
    struct probe_target *target = probe_add_target(context, walk->point, walk->out);
    const struct type *args = NULL, *result = NULL;

    target->mechanism = PROBE_FENTRY;
    target->is_program = true;
    target->is_return = walk->point->kind == &probe_kind_fexit;
    target->args_space = SPACE_KERNEL;
    target->symbol = name;
    target->name = arena_printf(context->arena, "%s:bpf:%u:%s", walk->point->kind->name, program->functions.id, name);
    target->attach_btf_id = type;
    target->attach_btf_fd = program->fd;
    if (!object_btf_function_type(program->btf, type, &args, &result))
        return true;
    if (type == program->functions.types[0])
        args = real_arguments(context, args);
    target->argument_count = args->size / 8;
    if (walk->point->want_args)
        target->args = args;
    if (target->is_return)
        target->result = result;
    return true;
}

bool probe_is_about_programs(const struct probe_point *point) {
    return point->part_count >= 2 && strcmp(point->parts[0].text, "bpf") == 0;
}

static struct walk walk_of(struct probe_context *context, const struct probe_point *point) {
    return (struct walk){.context = context,
                         .point = point,
                         .id = point->part_count == 3 ? point->parts[1].text : "*",
                         .name = point->parts[point->part_count - 1].text};
}

int probe_expand_programs(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                          struct probe_error *error) {
    struct walk walk = walk_of(context, point);
    uint32_t before = out->items.count;

    walk.out = out;
    walk.found = add_target;
    int result = walk_programs(&walk);
    if (result < 0)
        return probe_fail_system(context, error, -result, "reading the list of BPF programs");
    /* Of many, those that the kernel lets nobody attach to are left out, such as programs that trace functions. */
    bool many = out->items.count - before > 1;
    uint32_t kept = before;
    for (uint32_t i = before; i < out->items.count; i++) {
        if (!many || probe_try_program(out->items.data[i]) == 0)
            out->items.data[kept++] = out->items.data[i];
    }
    out->items.count = kept;
    if (kept > before)
        return 0;
    result = probe_fail_match(context, error, &point->parts[point->part_count - 1],
                              "No matches for %s bpf:%s%s%s: no such BPF program is loaded, or it has no BTF.",
                              point->kind->name, point->part_count == 3 ? walk.id : "",
                              point->part_count == 3 ? ":" : "", walk.name);
    error->hint = arena_printf(context->arena, "tarsier -l '%s:bpf:*' lists them", point->kind->name);
    return result;
}

/* ---- listing ------------------------------------------------------------------------------------------------- */

static bool list_function(struct walk *walk, uint32_t type, const char *name) {
    const struct type *args = NULL, *result = NULL;
    char line[512];

    snprintf(line, sizeof line, "%s:bpf:%u:%s", walk->point->kind->name, walk->program->functions.id, name);
    probe_list_matched(walk->lister, line);
    if (!walk->lister->verbose || !object_btf_function_type(walk->program->btf, type, &args, &result))
        return false;
    if (type == walk->program->functions.types[0])
        args = real_arguments(walk->context, args);
    probe_list_fields(walk->lister, args);
    if (walk->point->kind == &probe_kind_fexit && result->kind != TYPE_VOID)
        probe_list_argument(walk->lister,
                            arena_printf(walk->context->arena, "%s retval", type_text(walk->context->arena, result)));
    return false;
}

int probe_list_programs(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                        struct probe_error *error) {
    struct walk walk = walk_of(context, point);

    walk.lister = lister;
    walk.found = list_function;
    int result = walk_programs(&walk);
    return result < 0 ? probe_fail_system(context, error, -result, "reading the list of BPF programs") : 0;
}
