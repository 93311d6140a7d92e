/* The command line: the only room that prints usage and decides exit codes. */
#ifndef TARSIER_CLI_CLI_H
#define TARSIER_CLI_CLI_H

#include "base/arena.h"
#include "base/vec.h"
#include "session/session.h"
#include <stdbool.h>
#include <stdio.h>

/* The release whose language this is: what a script that asks `bpftrace --version` is told. */
#define CLI_BPFTRACE_VERSION "0.27.0"

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

/* A table and what its rows do: apply() gets the row's position; false: wrong, and the user has been told. */
struct cli_option_set {
    const struct cli_option_info *options;
    int count;
    bool (*apply)(void *target, int option, const char *value);
    bool command_follows; /* the first word that is no option begins a command line of somebody else */
};
extern const struct cli_option_set cli_main_options, cli_format_options, cli_function_options, cli_flame_options,
    cli_profile_options, cli_stat_options, cli_report_options, cli_graph_options;

struct cli_exit_info {
    int code;
    const char *meaning;
};
extern const struct cli_exit_info cli_exits[];
extern const unsigned cli_exit_count;

/* What the command line asks for. */
struct cli_request {
    struct arena *arena;
    const char *program; /* as it was started: "tarsier", or "bpftrace" through a link of that name (see drop_in) */
    bool drop_in;        /* started as bpftrace: version, help and info in the form that scripts around it read */
    const char *expression, *output, *command;
    const char *types, *debuginfo, *probe_filter, *traceable_functions, *no_features;
    VEC(const char *) include_directories, includes;
    pid_t pid;
    unsigned stages;
    enum session_mode mode;
    bool list, quiet, verbose, allow_unsafe, dry_run, compile_only, format_program, no_warnings, tells_failures;
    bool info, help, version;
    enum view_format format;
    enum view_buffering buffering;
    const char *const *arguments; /* what is no option, in order */
    unsigned argument_count;
    VEC(struct session_script_option) script_options; /* --name=value behind `--` */
};

/* Reads the words behind argv[0]: options go to set->apply(target), the others to request->arguments.
 * False: the command line is wrong, and the user has been told. */
bool cli_parse_words(int argc, char **argv, struct cli_request *request, const struct cli_option_set *set,
                     void *target);
/* "ERROR: ..." and where to look; false. `format` holds one %s. */
bool cli_wrong(const char *format, const char *text);
/* Values of options. False: it is no such number, and the user has been told. */
bool cli_number(uint64_t *number, const char *value);             /* from 1 to 2^30 - 1 */
bool cli_milliseconds(uint64_t *milliseconds, const char *value); /* of seconds, with a fraction */
/* The forms of the command line, one a line. */
void cli_print_usage(FILE *out, const struct cli_request *request);

/* A subcommand. run() gets the command line from the subcommand's name on when it has options of its own. */
struct cli_command {
    const char *name, *arguments, *help, *about; /* about: paragraphs of its manual page, or NULL */
    int (*run)(const struct cli_request *request);
    const struct cli_option_set *options; /* NULL: those of tarsier */
    int (*run_words)(int argc, char **argv, struct cli_request *request);
};
extern const struct cli_command cli_commands[];
extern const unsigned cli_command_count;

/* Ctrl-C and its like make stop_fd readable, SIGUSR1 user_fd; a second Ctrl-C ends the process. */
bool cli_catch_signals(int *stop_fd, int *user_fd);
/* Where -o says, or standard output; negative: it cannot be, and the user has been told. */
int cli_open_output(const struct cli_request *request);
/* -c: words as a shell would split them, NULL-terminated. */
const char *const *cli_split_words(struct arena *arena, const char *text);
bool cli_wants_color(void); /* on standard error */

/* A file, or standard input for "-". False: it cannot be read, and the user has been told. The text is the caller's. */
bool cli_read_program(const char *path, struct strbuf *text, struct source *source);

/* Prints a long text, on a terminal through the user's pager. False: it can not be written, which has been told. */
bool cli_page(const struct strbuf *text, bool at_once);

int cli_trace(const struct cli_request *request);
int cli_list(const struct cli_request *request);
int cli_info(const struct cli_request *request);
int cli_help(const struct cli_request *request);
int cli_help_command(const char *name); /* usage and options of a subcommand */
int cli_man(const struct cli_request *request);
int cli_completion(const struct cli_request *request);
int cli_format_words(int argc, char **argv, struct cli_request *request);   /* tarsier fmt */
int cli_function_words(int argc, char **argv, struct cli_request *request); /* tarsier funccount and its like */
int cli_flame_words(int argc, char **argv, struct cli_request *request);    /* tarsier flame */
int cli_diff_words(int argc, char **argv, struct cli_request *request);     /* tarsier diff */
int cli_profile_words(int argc, char **argv, struct cli_request *request);  /* tarsier profile */
int cli_report_words(int argc, char **argv, struct cli_request *request);   /* tarsier report */
int cli_graph_words(int argc, char **argv, struct cli_request *request);    /* tarsier funcgraph */
int cli_stat_words(int argc, char **argv, struct cli_request *request);     /* tarsier stat */
int cli_probe_info(const struct cli_request *request);
int cli_format_program(const struct cli_request *request); /* --fmt */

/* "-p, --pid PID" */
void cli_option_spelling(const struct cli_option_info *option, char *out, size_t size);

struct cli_example {
    const char *command, *meaning;
};
extern const struct cli_example cli_examples[];
extern const unsigned cli_example_count;
extern const char *const cli_man_pages[]; /* arguments of `tarsier man`, NULL at the end */
extern const char *const cli_shells[];    /* of `tarsier completion` */

#endif
