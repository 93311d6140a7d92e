/* tarsier probe-info FUNCTION: where the function is, what it takes, and which probes of it this machine allows. */
#include "cli/cli.h"
#include "kernel/feature.h"
#include "probe/probe.h"
#include <string.h>

static void print_line(void *user, const char *line) {
    (void)user;
    printf("%s\n", line);
}

static const char *mechanism(const struct probe_target *target) {
    switch (target->mechanism) {
    case PROBE_KPROBE:
        return "a kprobe";
    case PROBE_FENTRY:
        return "a trampoline";
    default:
        return "a tracepoint";
    }
}

/* One way to ask: "fexit      yes, by a trampoline" or why not. True: it can be. */
static bool print_way(struct probe_context *context, const char *kind, const char *function, const char **hint) {
    struct probe_targets targets = {0};
    struct probe_error error = {0};
    int result = probe_expand(context, arena_printf(context->arena, "%s:%s", kind, function), 0, &targets, &error);

    if (result == 0 && targets.items.count)
        result = probe_possible(context, targets.items.data[0], &error);
    if (error.hint)
        *hint = error.hint;
    if (result != 0) {
        printf("%-10s no: %s\n", kind, error.message);
        return false;
    }
    const struct probe_target *first = targets.items.data[0];
    printf("%-10s yes, by %s", kind, mechanism(first));
    if (targets.items.count > 1)
        printf(" at each of %u functions of this name", targets.items.count);
    printf(first->detour ? " (%s)\n" : "\n", first->detour);
    return true;
}

int cli_probe_info(const struct cli_request *request) {
    static const char *const kinds[] = {"kprobe", "kretprobe", "fentry", "fexit"};
    struct arena *arena = arena_new();
    struct probe_context context;
    struct probe_error error = {0};
    const char *hint = NULL;
    unsigned possible = 0;

    if (request->argument_count != 2) {
        fprintf(stderr, "ERROR: probe-info wants the name of a function of the kernel\n");
        arena_free(arena);
        return SESSION_USER_ERROR;
    }
    const char *function = request->arguments[1];
    probe_context_init(&context, arena);
    context.features = kernel_features_new(arena);
    probe_list(&context, arena_printf(arena, "fexit:*:%s", function), true, print_line, NULL, &error);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        possible += print_way(&context, kinds[i], function, &hint);
    if (hint)
        printf("%s\n", hint);
    probe_context_free(&context);
    arena_free(arena);
    return possible ? SESSION_OK : SESSION_SYSTEM_ERROR;
}
