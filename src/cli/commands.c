/* Subcommands: a row here, a file with its run function, and options_NAME.def where it has options of its own.
 * Without one, tarsier runs a program (trace.c). */
#include "cli/cli.h"

#define ABOUT_FORMAT                                                                                                   \
    "Lays programs out in one style. Without a file it reads standard input; without \\-i it writes to standard "      \
    "output.\n.PP\nOnly white space changes: comments stay where they are, and a file is replaced only when the new "  \
    "text has the same tokens and gives the same tree. The author decides where a long statement goes on in the next " \
    "line, where a blank line stands, and whether a block that fits on a line stands on one."

#define ABOUT_FLAME                                                                                                    \
    "Turns a file with stacks into a picture, or into a file of another tool; the ending of the output's name "        \
    "chooses. It reads folded stacks, as most profilers write them. Without \\-o it writes SVG to standard output."

#define ABOUT_DIFF                                                                                                     \
    "Compares two files with stacks: a table of the functions whose share changed, or with \\-o a flame graph (.svg) " \
    "or a "                                                                                                            \
    "page (.html) in which red costs more than before, blue less, and new and vanished code have colours of their "    \
    "own.\n.PP\n"                                                                                                      \
    "Shares are compared, so the files need not be of the same length. A difference that chance would make once in a " \
    "hundred times or more often is shown as none."

const struct cli_command cli_commands[] = {
    {"fmt", "[FILE...]", "programs in one style", ABOUT_FORMAT, NULL, &cli_format_options, cli_format_words},
    {"flame", "FILE", "a file with stacks as a flame graph", ABOUT_FLAME, NULL, &cli_flame_options, cli_flame_words},
    {"diff", "BEFORE NOW", "what two profiles cost more and less", ABOUT_DIFF, NULL, &cli_flame_options,
     cli_diff_words},
    {"info", "", "what this kernel allows, what it refuses and why", NULL, cli_info, NULL, NULL},
    {"profile", "[COMMAND...]", "where time goes: sampled stacks of programs and the kernel, on and off the CPU", NULL,
     NULL, &cli_profile_options, cli_profile_words},
    {"stat", "[COMMAND...]", "counts: processor time, context switches, page faults, cycles, instructions", NULL, NULL,
     &cli_stat_options, cli_stat_words},
    {"funccount", "PATTERN", "how often functions are called", NULL, NULL, &cli_function_options, cli_function_words},
    {"stackcount", "PATTERN", "on which ways functions are reached", NULL, NULL, &cli_function_options,
     cli_function_words},
    {"funclatency", "PATTERN", "how long functions take, as a histogram", NULL, NULL, &cli_function_options,
     cli_function_words},
    {"funcslower", "PATTERN", "calls of functions that take long", NULL, NULL, &cli_function_options,
     cli_function_words},
    {"trace", "SPECIFICATION", "a line for each call, with values: trace 'vfs_read (arg2 > 4096) \"%d bytes\", arg2'",
     NULL, NULL, &cli_function_options, cli_function_words},
    {"argdist", "FUNCTION EXPRESSION [FILTER]", "which values arguments have", NULL, NULL, &cli_function_options,
     cli_function_words},
    {"functrace", "PATTERN", "calls of functions as they happen", NULL, NULL, &cli_function_options,
     cli_function_words},
    {"report", "[FILE]", "what a profile says: perf.data and other files with stacks as tables and call trees", NULL,
     NULL, &cli_report_options, cli_report_words},
    {"funcgraph", "FUNCTION...", "what functions of the kernel call, and how long that takes", NULL, NULL,
     &cli_graph_options, cli_graph_words},
    {"probe-info", "FUNCTION", "how a function of the kernel can be probed here", NULL, cli_probe_info, NULL, NULL},
    {"help", "[TOPIC]", "about a function, variable, probe, setting, option or command", NULL, cli_help, NULL, NULL},
    {"man", "[PAGE]", "a manual page, as roff: tarsier, fmt, flame or language", NULL, cli_man, NULL, NULL},
    {"completion", "[SHELL]", "completion of the command line for bash, zsh or fish", NULL, cli_completion, NULL, NULL},
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

const struct cli_example cli_examples[] = {
    {"tarsier -e 't:raw_syscalls:sys_enter { @[comm] = count() }'", "system calls by process"},
    {"tarsier -e 't:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)) }'", "files opened"},
    {"tarsier -e 'p:hz:99 { @[kstack] = count() }'", "where the kernel spends its time"},
    {"tarsier -e 'u:libc:malloc /comm == \"bash\"/ { @ = hist(arg0) }'", "sizes that bash allocates"},
    {"tarsier -l 't:*open*'", "probes about open"},
};
const unsigned cli_example_count = sizeof cli_examples / sizeof *cli_examples;
