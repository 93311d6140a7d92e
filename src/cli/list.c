/* -l: probes that match a pattern, or, given a program file, its probes. */
#include "cli/cli.h"
#include "kernel/feature.h"
#include "probe/probe.h"
#include <string.h>
#include <unistd.h>

static void print_line(void *user, const char *line) {
    struct view_output *out = user;
    view_output_write(out, line, strlen(line));
    view_output_write(out, "\n", 1);
}

static bool is_program_file(const char *pattern) {
    return strchr(pattern, ':') == NULL && strchr(pattern, '*') == NULL && access(pattern, R_OK) == 0;
}

int cli_list(const struct cli_request *request) {
    const char *pattern = request->argument_count ? request->arguments[0] : NULL;
    if (pattern && is_program_file(pattern))
        return cli_trace(request);
    struct arena *arena = arena_new();
    struct probe_context context;
    probe_context_init(&context, arena);
    context.features = kernel_features_new(arena);
    context.pid = request->pid;
    struct view_output *out = view_output_new(STDOUT_FILENO, VIEW_BUFFER_FULL);
    struct probe_error error = {0};
    int count = probe_list(&context, pattern, request->verbose, print_line, out, &error);
    int result = SESSION_OK;
    if (count < 0) {
        fprintf(stderr, "ERROR: %s\n", error.message);
        if (error.hint)
            fprintf(stderr, "HINT: %s\n", error.hint);
        result = error.kind == PROBE_ERROR_PERMISSION ? SESSION_SYSTEM_ERROR : SESSION_USER_ERROR;
    }
    view_output_free(out);
    probe_context_free(&context);
    arena_free(arena);
    return result;
}
