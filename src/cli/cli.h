/* The command line: the only room that prints usage and decides exit codes. */
#ifndef TARSIER_CLI_CLI_H
#define TARSIER_CLI_CLI_H

#include "base/arena.h"
#include "session/session.h"
#include <stdbool.h>

enum cli_option {
#define OPTION(id, letter, name, argument, help) CLI_##id,
#include "cli/options.def"
#undef OPTION
    CLI_OPTION_COUNT
};

struct cli_option_info {
    const char *id;
    char letter;
    const char *name, *argument, *help;
};
extern const struct cli_option_info cli_options[CLI_OPTION_COUNT];

struct cli_exit_info {
    int code;
    const char *meaning;
};
extern const struct cli_exit_info cli_exits[];
extern const unsigned cli_exit_count;

/* What the command line asks for. */
struct cli_request {
    const char *expression, *output, *command;
    pid_t pid;
    unsigned stages;
    bool list, quiet, verbose, allow_unsafe, dry_run, info, help, version, man, completion, no_warnings;
    enum view_format format;
    enum view_buffering buffering;
    const char *const *arguments; /* what is no option, in order */
    unsigned argument_count;
};

/* False: the command line is wrong, and the user has been told. */
bool cli_parse(int argc, char **argv, struct arena *arena, struct cli_request *request);
/* "--name" or "-x" of the nearest option, for messages; NULL. */

struct cli_command {
    const char *name, *help;
    int (*run)(const struct cli_request *request);
};
extern const struct cli_command cli_commands[];
extern const unsigned cli_command_count;

int cli_trace(const struct cli_request *request);
int cli_list(const struct cli_request *request);
int cli_info(const struct cli_request *request);
int cli_help(const struct cli_request *request);
void cli_print_man(FILE *out);
void cli_print_completion(FILE *out);

#endif
