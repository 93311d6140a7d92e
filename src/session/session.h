/* A session: one script from text to answer. The only room where compiler and kernel meet.
 *
 *   session_run() = read the stages below from top to bottom:
 *     open.c      parse the script; expand attach points (units.c: targets grouped into programs); check; lower;
 * compile maps.c      create the BPF maps of the plan load.c      load the programs, attach them run.c       begin
 * blocks; wait for signals, ends of processes and records; leave events.c    what each kind of record does results.c
 * maps as users see them failures.c  what was lost, missed or refused, with the cure
 *
 * Everything attached lives in file descriptors of this process: however it ends, nothing stays behind.
 */
#ifndef TARSIER_SESSION_SESSION_H
#define TARSIER_SESSION_SESSION_H

#include "base/diag.h"
#include "view/view.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How a run ends. exit(N) in the script ends with N. */
enum session_exit {
    SESSION_OK = 0,
    SESSION_USER_ERROR = 1,     /* the script or the command line is wrong */
    SESSION_BUG = 2,            /* the kernel refused a program of ours */
    SESSION_OUTPUT_ERROR = 3,   /* results could not be written */
    SESSION_SYSTEM_ERROR = 255, /* not permitted, not supported, attaching failed */
};

/* Stages of the compiler that can be shown instead of running: -d. */
enum session_stage { SESSION_STAGE_AST = 1, SESSION_STAGE_TYPES = 2, SESSION_STAGE_IR = 4, SESSION_STAGE_BPF = 8 };

/* Which probes run: `test` and `bench` probes only in their modes. */
enum session_mode { SESSION_TRACE, SESSION_TEST, SESSION_BENCH };

struct session_options {
    struct source source;
    const char *const *positional; /* $1.. */
    uint32_t positional_count;
    const struct session_script_option { /* --name=value behind `--`, for the script; value NULL: --name alone */
        const char *name, *value;
    } * script_options;
    uint32_t script_option_count;
    pid_t pid;                  /* -p, 0 none */
    const char *const *command; /* -c as words, NULL-terminated, or NULL */
    bool allow_unsafe, dry_run, quiet, verbose;
    bool color, plain;   /* messages in colours; results without */
    bool compile_only;   /* nothing is loaded */
    bool no_warnings;    /* but of data that was lost */
    bool tells_failures; /* -k: when they happen, too */
    enum session_mode mode;
    const char *const *include_directories; /* -I */
    uint32_t include_directory_count;
    const char *const *includes; /* --include */
    uint32_t include_count;
    const char *types;               /* --types: a file whose debug information tells types; or NULL */
    const char *debuginfo;           /* directories of separate debug information, joined by ':'; or NULL */
    const char *probe_filter;        /* regular expression: probes that do not match stay away; or NULL */
    const char *traceable_functions; /* file with the names of functions, or NULL */
    const char *no_features;         /* kprobe_multi, kprobe_session, uprobe_multi, joined by ','; or NULL */
    unsigned stages;                 /* SESSION_STAGE_* to print; then nothing runs */
    bool list;                       /* -l with a program: print its probes */
    int stop_fd;                     /* readable: the user wants the results now; -1 none */
    int user_fd;                     /* eventfd: SIGUSR1 arrived; -1 none */
    int output_fd;                   /* results */
    const char *output_name;         /* as messages call it */
    enum view_format format;
    enum view_buffering buffering;
};

int session_run(const struct session_options *options);

#endif
