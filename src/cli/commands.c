/* Subcommands: a row here, a file with its run function, and options_NAME.def where it has options of its own. Without
 * one, tarsier runs a program (trace.c). */
#include "cli/cli.h"

const struct cli_command cli_commands[] = {
    {"info", "what this kernel allows, what it refuses and why", cli_info, NULL, NULL},
    {"fmt", "programs in one style: fmt [FILE...]", NULL, &cli_format_options, cli_format_words},
    {"funccount", "how often functions are called", NULL, &cli_function_options, cli_function_words},
    {"stackcount", "on which ways functions are reached", NULL, &cli_function_options, cli_function_words},
    {"funclatency", "how long functions take, as a histogram", NULL, &cli_function_options, cli_function_words},
    {"funcslower", "calls of functions that take long", NULL, &cli_function_options, cli_function_words},
    {"trace", "a line for each call, with values: trace 'vfs_read (arg2 > 4096) \"%d bytes\", arg2'", NULL,
     &cli_function_options, cli_function_words},
    {"argdist", "which values arguments have: argdist FUNCTION EXPRESSION [FILTER]", NULL, &cli_function_options,
     cli_function_words},
    {"functrace", "calls of functions as they happen", NULL, &cli_function_options, cli_function_words},
    {"probe-info", "how a function of the kernel can be probed here", cli_probe_info, NULL, NULL},
    {"help", "options, language and examples", cli_help, NULL, NULL},
};
const unsigned cli_command_count = sizeof cli_commands / sizeof *cli_commands;

const struct cli_exit_info cli_exits[] = {
    {SESSION_OK, "the run ended as it should; exit(N) in a program ends with N"},
    {SESSION_USER_ERROR, "the program or the command line is wrong"},
    {SESSION_BUG, "the kernel refused a program that tarsier made: a bug"},
    {SESSION_OUTPUT_ERROR, "results could not be written (disk full)"},
    {SESSION_SYSTEM_ERROR, "not permitted, or probes could not be attached"},
};
const unsigned cli_exit_count = sizeof cli_exits / sizeof *cli_exits;
