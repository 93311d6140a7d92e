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
    if (request->man || request->completion) {
        (request->man ? cli_print_man : cli_print_completion)(stdout);
        return SESSION_OK;
    }
    if (request->info)
        return cli_info(request);
    const struct cli_command *command =
        !request->expression && !request->list && request->argument_count ? find_command(request->arguments[0]) : NULL;
    if (command)
        return command->run(request);
    if (request->list && !request->expression)
        return cli_list(request);
    return cli_trace(request);
}

int main(int argc, char **argv) {
    struct arena *arena = arena_new();
    struct cli_request request = {.arena = arena, .format = VIEW_TEXT, .buffering = VIEW_BUFFER_LINE};
    int result = cli_parse(argc, argv, &request) ? dispatch(&request) : SESSION_USER_ERROR;
    arena_free(arena);
    return result;
}
