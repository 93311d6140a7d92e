/* Names that stand for themselves: built-in variables and constants. */
#include "lang/check_int.h"
#include "lang/constants.h"
#include "object/usdt.h"

#include <string.h>

/* ---- built-in variables ------------------------------------------------------------------------------------ */

static const struct {
    enum lang_context context;
    const char *probes;
} context_names[] = {
    {LANG_CONTEXT_NONE, "begin, end, self, test and bench"},
    {LANG_CONTEXT_SYSCALL_ENTER, "tracepoint:syscalls:sys_enter_*"},
    {LANG_CONTEXT_SYSCALL_EXIT, "tracepoint:syscalls:sys_exit_*"},
    {LANG_CONTEXT_RAW_TRACEPOINT, "rawtracepoint"},
    {LANG_CONTEXT_TRACEPOINT, "tracepoint"},
    {LANG_CONTEXT_UPROBE, "uprobe"},
    {LANG_CONTEXT_URETPROBE, "uretprobe"},
    {LANG_CONTEXT_KPROBE, "kprobe"},
    {LANG_CONTEXT_KRETPROBE, "kretprobe"},
    {LANG_CONTEXT_FENTRY, "fentry"},
    {LANG_CONTEXT_FEXIT, "fexit"},
    {LANG_CONTEXT_PERF_EVENT, "profile, interval, software, hardware and watchpoint"},
    {LANG_CONTEXT_ITERATOR, "iter"},
};

static const char *context_list(struct check *c, unsigned mask) {
    const char *text = "";

    for (size_t i = 0; i < sizeof context_names / sizeof *context_names; i++)
        if (mask & (1u << context_names[i].context))
            text = arena_printf(c->arena, "%s%s%s", text, *text ? ", " : "", context_names[i].probes);
    return text;
}

/* argN has a meaning where arguments are in registers or in the words of a raw tracepoint. */
static unsigned contexts_of(const struct lang_builtin *builtin) {
    if (builtin->id == LANG_BUILTIN_arg)
        return CONTEXT_BIT(UPROBE) | CONTEXT_BIT(RAW_TRACEPOINT) | CONTEXT_BIT(KPROBE) | CONTEXT_BIT(FENTRY) |
               CONTEXT_BIT(FEXIT);
    return builtin->contexts;
}

/* Behind the arguments lies something else, which the kernel does not let a program read as an argument. */
static bool has_argument(struct check *c, const struct node *node, int64_t number) {
    bool is_counted = c->target->context == LANG_CONTEXT_FENTRY || c->target->context == LANG_CONTEXT_FEXIT ||
                      c->target->argument_words;

    if (!is_counted || number < c->target->argument_count)
        return true;
    check_error(c, "no-argument", node->loc, "the function of %s has no argument %s", c->target->name, node->text);
    if (c->target->argument_count)
        check_hint(c, "it has arg0 to arg%u", c->target->argument_count - 1);
    else
        check_hint(c, "it has none");
    return false;
}

/* What a tracepoint that stands in for a function knows. */
static bool stands_in(const struct check *c, const struct lang_builtin *builtin) {
    if (!c->target->argument_words)
        return false;
    return builtin->id == LANG_BUILTIN_arg ||
           (builtin->id == LANG_BUILTIN_retval && c->target->context == LANG_CONTEXT_SYSCALL_EXIT);
}

static bool is_available(struct check *c, const struct node *node, const struct lang_builtin *builtin) {
    unsigned mask = contexts_of(builtin);
    bool is_argument = builtin->id == LANG_BUILTIN_arg;
    bool by_name = is_argument && c->target->provider && strcmp(c->target->provider, "tracepoint") == 0;

    if (((mask & (1u << c->target->context)) && !by_name) || stands_in(c, builtin))
        return true;
    check_error(c, "builtin-context", node->loc, "The %s builtin can not be used with '%s' probes", node->text,
                c->target->provider ? c->target->provider : "these");
    if (is_argument && c->target->args)
        check_hint(c, "the arguments of this probe have names: args.NAME");
    else
        check_hint(c, "it can be used with %s probes", context_list(c, mask));
    return false;
}

static const struct type *kernel_struct_pointer(struct check *c, const char *name) {
    const struct type *type = check_find_kernel_type(c, TYPE_NAME_STRUCT, name);

    return type_pointer(c->arena, type ? type : type_void(), SPACE_KERNEL);
}

static const struct type *context_type(struct check *c) {
    switch (c->target->context) {
    case LANG_CONTEXT_PERF_EVENT:
        return kernel_struct_pointer(c, "bpf_perf_event_data");
    case LANG_CONTEXT_UPROBE:
    case LANG_CONTEXT_URETPROBE:
    case LANG_CONTEXT_KPROBE:
    case LANG_CONTEXT_KRETPROBE:
        return kernel_struct_pointer(c, "pt_regs");
    default:
        return type_pointer(c->arena, type_void(), SPACE_KERNEL);
    }
}

static const struct type *args_type(struct check *c, const struct node *node) {
    if (c->target->args)
        return type_complete(c->target->args);
    check_error(c, "no-args", node->loc, "The probe '%s' has no arguments by name",
                c->target->name ? c->target->name : "");
    if (c->target->no_function)
        check_hint(c, "%s; arg0, arg1, ... need none", c->target->no_function);
    else if (c->target->context == LANG_CONTEXT_UPROBE)
        check_hint(c, "there is no debug information for it; use arg0, arg1, ...");
    else if (c->target->context == LANG_CONTEXT_URETPROBE)
        check_hint(c, "what the function returns is retval; keep arguments in a map from a uprobe");
    else if (c->target->context == LANG_CONTEXT_KRETPROBE)
        check_hint(c, "what the function returns is retval; fexit has the arguments too, where the kernel knows it");
    else if (c->target->context == LANG_CONTEXT_KPROBE)
        check_hint(c, "the kernel's type information does not have the function; use arg0, arg1, ...");
    else
        check_hint(
            c, "args can be used with tracepoint and rawtracepoint probes, and with uprobe probes of functions that "
               "have debug information");
    return NULL;
}

const char *check_unreadable(const struct location *location) {
    if (location->kind == LOCATION_NOWHERE)
        return location->reason;
    for (unsigned i = 0; location->kind != LOCATION_CONSTANT && i < location->count; i++)
        if (lang_dwarf_register(location->registers[i]) < 0)
            return "it is in a floating-point register, which BPF programs can not read";
    return NULL;
}

/* The result of a user function whose debug information is known. */
static const struct type *user_result_type(struct check *c, const struct node *node) {
    const struct object_function *function = c->target->function;
    const char *reason = check_unreadable(&function->result_location);

    if (!reason)
        return check_memory_type(c, type_complete(function->result), SPACE_USER);
    check_error(c, "unreadable-result", node->loc, "The result of %s can not be read", function->name);
    check_hint(c, "%s", reason);
    return NULL;
}

static const struct type *result_type(struct check *c, const struct node *node) {
    const struct type *result = c->target->result;

    if (c->target->function && c->target->function->result->kind != TYPE_VOID)
        return user_result_type(c, node);
    if (!result)
        return type_int(64, false);
    if (result->kind != TYPE_VOID)
        return result;
    check_error(c, "no-result", node->loc, "the function of %s returns nothing", c->target->name);
    return NULL;
}

static const struct type *typed_builtin(struct check *c, const struct node *node, const struct lang_builtin *builtin) {
    switch (builtin->id) {
    case LANG_BUILTIN_args:
        return args_type(c, node);
    case LANG_BUILTIN_retval:
        return result_type(c, node);
    case LANG_BUILTIN_username:
        return type_simple(TYPE_USERNAME, false);
    case LANG_BUILTIN_usermode:
        return type_int(8, false);
    case LANG_BUILTIN_probetype:
        return type_string(c->arena, (uint32_t)strlen(lang_probe_type(c->target)) + 1);
    case LANG_BUILTIN_func:
        return type_simple(c->target->context == LANG_CONTEXT_UPROBE || c->target->context == LANG_CONTEXT_URETPROBE
                               ? TYPE_USYM
                               : TYPE_KSYM,
                           false);
    default:
        BUG("no type for the built-in '%s'", builtin->name);
    }
}

/* argN of a usdt probe has the size and the sign that the program's author gave it. */
static const struct type *usdt_argument_type(struct check *c, const struct node *node) {
    const struct object_usdt_arguments *known = c->target->usdt;

    if (node->number >= known->count) {
        check_error(c, "usdt-argument", node->loc, "%s has no arg%lld", c->target->name, (long long)node->number);
        if (known->count)
            check_hint(c, "its arguments are arg0 to arg%u", known->count - 1);
        else
            check_hint(c, "it has no arguments");
        return NULL;
    }
    const struct object_usdt_argument *argument = &known->items[node->number];
    if (argument->where == OBJECT_USDT_UNREADABLE) {
        check_error(c, "usdt-argument", node->loc, "arg%lld of %s can not be read: %s", (long long)node->number,
                    c->target->name, argument->reason);
        return NULL;
    }
    return type_int(64, argument->is_signed);
}

static const struct type *builtin_type(struct check *c, const struct node *node, const struct lang_builtin *builtin) {
    if (builtin->id == LANG_BUILTIN_arg && c->target->usdt)
        return usdt_argument_type(c, node);
    switch (builtin->type) {
    case LANG_BUILTIN_TYPE_U64:
        return type_int(64, false);
    case LANG_BUILTIN_TYPE_U32:
        return type_int(32, false);
    case LANG_BUILTIN_TYPE_I64:
        return type_int(64, true);
    case LANG_BUILTIN_TYPE_BOOL:
        return type_bool();
    case LANG_BUILTIN_TYPE_STRING16:
        return type_string(c->arena, 16);
    case LANG_BUILTIN_TYPE_KSTACK:
        return type_stack(c->arena, TYPE_KSTACK, CHECK_STACK_DEPTH, c->env->stack_mode);
    case LANG_BUILTIN_TYPE_USTACK:
        return type_stack(c->arena, TYPE_USTACK, CHECK_STACK_DEPTH, c->env->stack_mode);
    case LANG_BUILTIN_TYPE_PROBE:
        return type_simple(TYPE_PROBE, false);
    case LANG_BUILTIN_TYPE_TASK:
        return kernel_struct_pointer(c, "task_struct");
    case LANG_BUILTIN_TYPE_CTX:
        return context_type(c);
    case LANG_BUILTIN_TYPE_TYPED:
        return typed_builtin(c, node, builtin);
    }
    BUG("built-in '%s' has no kind", builtin->name);
}

void check_builtin(struct check *c, struct node *node, const struct lang_builtin *builtin, int64_t argument) {
    if (builtin->id == LANG_BUILTIN_ctx && c->target->context == LANG_CONTEXT_ITERATOR)
        builtin = &lang_builtins[LANG_BUILTIN_args]; /* two names for the iterator's parameters */
    if (builtin->id == LANG_BUILTIN_config) {
        check_config(c, node);
        return;
    }
    node->builtin = builtin;
    node->number = argument;
    if (is_available(c, node, builtin) && (builtin->id != LANG_BUILTIN_arg || has_argument(c, node, argument)))
        node->type = builtin_type(c, node, builtin);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

const char *check_nearest_builtin(const char *name) {
    const char *names[LANG_BUILTIN_arg];

    for (unsigned i = 0; i < LANG_BUILTIN_arg; i++)
        names[i] = lang_builtins[i].name;
    return diag_nearest(name, names, LANG_BUILTIN_arg);
}

/* An enumerator of an enum that the program defines. */
static bool find_own_enumerator(struct check *c, const char *name, int64_t *value, const struct type **type) {
    for (uint32_t i = 0; i < c->program->definitions.count; i++) {
        const struct lang_definition *definition = c->program->definitions.data[i];
        for (uint32_t k = 0; k < definition->enumerators.count; k++) {
            if (strcmp(definition->enumerators.data[k].name, name) == 0) {
                *value = definition->enumerators.data[k].value;
                *type = check_find_type(c, TYPE_NAME_ENUM, definition->name);
                return true;
            }
        }
    }
    return false;
}

static bool find_user_enumerator(struct check *c, const char *name, int64_t *value, const struct type **type) {
    const struct type *found =
        c->env->find_user_constant ? c->env->find_user_constant(c->env->context, c->target, name, value) : NULL;

    if (found)
        *type = found;
    return found != NULL;
}

/* In probes of a program its enums go before those of the kernel, as its types do. */
static bool find_enumerator(struct check *c, const char *name, int64_t *value, const struct type **type) {
    bool is_user = c->target->context == LANG_CONTEXT_UPROBE || c->target->context == LANG_CONTEXT_URETPROBE;
    const char *key = arena_printf(c->arena, "%s %s", is_user && c->target->path ? c->target->path : "", name);

    if (hash_get(&c->unknown_names, key))
        return false;
    if ((is_user && find_user_enumerator(c, name, value, type)) ||
        c->env->find_constant(c->env->context, name, value, type) ||
        (!is_user && find_user_enumerator(c, name, value, type)))
        return true;
    hash_put(&c->unknown_names, key, c);
    return false;
}

/* Enumerators keep their type; the macros of C are plain numbers. */
static bool find_constant(struct check *c, const char *name, int64_t *value, const struct type **type) {
    const struct type *found = NULL;

    if (!find_own_enumerator(c, name, value, &found) && !lang_find_named_constant(name, value) &&
        !find_enumerator(c, name, value, &found))
        return false;
    *type = found && found->kind == TYPE_ENUM ? check_stored(c, found) : check_literal_type(*value, false);
    return true;
}

static void report_unknown_name(struct check *c, const struct node *node) {
    if (!c->report)
        return;
    check_error(c, "unknown-identifier", node->loc, "Unknown identifier: '%s'", node->text);
    const char *nearest = check_nearest_builtin(node->text);
    if (lang_find_function(node->text))
        check_hint(c, "%s is a function: %s", node->text, lang_find_function(node->text)->help);
    else if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else
        check_hint(c, "variables begin with $, maps with @; strings stand in quotes");
}

void check_identifier(struct check *c, struct node *node) {
    int64_t value = 0;

    const struct lang_builtin *builtin = lang_find_builtin(node->text, &value);

    if (builtin) {
        check_builtin(c, node, builtin, value);
        return;
    }
    if (!find_constant(c, node->text, &value, &node->type)) {
        report_unknown_name(c, node);
        return;
    }
    node->kind = NODE_INTEGER;
    node->number = value;
    node->is_constant = true;
}
