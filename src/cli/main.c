/* tarsier: ask a running Linux system a question, get a right answer at once. The tour starts in docs/tour.md. */
#include "cli/cli.h"
#include <string.h>

static const struct cli_command *find_command(const char *name) {
    for (unsigned i = 0; i < cli_command_count; i++) {
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    }
    return NULL;
}

static int dispatch(const struct cli_request *request) {
    if (request->help)
        return cli_help(request);
    if (request->version) {
        if (request->drop_in)
            printf("bpftrace v" CLI_BPFTRACE_VERSION " (tarsier %s)\n", TARSIER_VERSION);
        else
            printf("tarsier %s\n", TARSIER_VERSION);
        return SESSION_OK;
    }
    if (request->info)
        return cli_info(request);
    const struct cli_command *command =
        !request->expression && !request->list && request->argument_count ? find_command(request->arguments[0]) : NULL;
    if (command && command->run)
        return command->run(request);
    if (request->format_program)
        return cli_format_program(request);
    if (request->list && !request->expression)
        return cli_list(request);
    return cli_trace(request);
}

static bool is_started_as(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

static int run(int argc, char **argv, struct cli_request *request) {
    const struct cli_command *command = argc > 1 ? find_command(argv[1]) : NULL;
    if (command && command->run_words)
        return command->run_words(argc - 1, argv + 1, request);
    return cli_parse_words(argc, argv, request, &cli_main_options, request) ? dispatch(request) : SESSION_USER_ERROR;
}

int main(int argc, char **argv) {
    struct cli_request request = {.arena = arena_new(), .format = VIEW_TEXT, .buffering = VIEW_BUFFER_LINE};
    request.drop_in = argc > 0 && is_started_as(argv[0], "bpftrace");
    request.program = request.drop_in ? "bpftrace" : "tarsier";
    int result = run(argc, argv, &request);
    arena_free(request.arena);
    return result;
}
