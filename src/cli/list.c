/* -l: probes that match a pattern, or, given a program file, its probes. */
#include "base/str.h"
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

static bool is_missing_file(const char *pattern) { return str_ends(pattern, ".bt") && !strpbrk(pattern, ":*"); }

struct listing {
    const struct cli_request *request;
    struct probe_context context;
    struct view_output *out;
};

static int list_pattern(struct listing *listing, const char *pattern) {
    struct probe_error error = {0};
    int count = probe_list(&listing->context, pattern, listing->request->verbose, print_line, listing->out, &error);
    if (count >= 0)
        return SESSION_OK;
    fprintf(stderr, "ERROR: %s\n", error.message);
    if (error.hint)
        fprintf(stderr, "HINT: %s\n", error.hint);
    return error.kind == PROBE_ERROR_PERMISSION ? SESSION_SYSTEM_ERROR : SESSION_USER_ERROR;
}

/* Several patterns are joined by commas; a comma in quotes belongs to its pattern. */
static int list_patterns(struct listing *listing, struct arena *arena, const char *patterns) {
    bool in_quotes = false;
    int result = SESSION_OK;
    const char *begin = patterns;
    for (const char *at = patterns;; at++) {
        in_quotes ^= *at == '"';
        if (*at && (*at != ',' || in_quotes))
            continue;
        while (*begin == ' ')
            begin++;
        int one = list_pattern(listing, arena_strndup(arena, begin, (size_t)(at - begin)));
        result = one ? one : result;
        if (!*at)
            return result;
        begin = at + 1;
    }
}

int cli_list(const struct cli_request *request) {
    const char *pattern = request->argument_count ? request->arguments[0] : NULL;
    if (pattern && is_program_file(pattern))
        return cli_trace(request);
    if (pattern && is_missing_file(pattern)) {
        fprintf(stderr,
                "WARNING: It appears that '%s' is a filename but the file does not exist. Treating '%s' as a search "
                "pattern.\n",
                pattern, pattern);
        return SESSION_OK; /* no probe is called that */
    }
    struct arena *arena = arena_new();
    struct listing listing = {.request = request, .out = view_output_new(STDOUT_FILENO, VIEW_BUFFER_FULL)};
    probe_context_init(&listing.context, arena);
    listing.context.features = kernel_features_new(arena);
    listing.context.pid = request->pid;
    listing.context.types_path = request->types;
    listing.context.debug_directories = probe_directories(arena, request->debuginfo);
    const char *problem = probe_types_problem(&listing.context);
    if (problem)
        fprintf(stderr, "ERROR: --types %s: %s\n", request->types, problem);
    int result = problem   ? SESSION_USER_ERROR
                 : pattern ? list_patterns(&listing, arena, pattern)
                           : list_pattern(&listing, NULL);
    view_output_free(listing.out);
    probe_context_free(&listing.context);
    arena_free(arena);
    return result;
}
