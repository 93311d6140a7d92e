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
#include "base/profile.h"
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

/* A place in a stack; texts live as long as the session. */
struct session_frame {
    const char *name;   /* function; NULL: not known */
    const char *module; /* path of its file, kernel module or "[kernel.kallsyms]"; NULL: not known */
    uint64_t address;   /* as struct profile_frame has it */
    uint64_t offset;    /* of the address from the start of the function */
    enum profile_frame_kind kind;
};

struct session_stack {
    const struct session_frame *frames; /* the innermost first; good until the call returns */
    uint32_t count;
    bool is_user;
    enum profile_cut end;
};

/* What a run could not hand over. */
struct session_losses {
    uint64_t values;                 /* no room in a ring, events that were dropped or missed */
    uint64_t stacks;                 /* stacks that could not be kept: values with their ids have no frames */
    uint64_t started_at, stopped_at; /* stamps: when the probes were attached, and detached */
};

/* Takes what a program prints by print(value), and its maps at the end, as they are instead of as text: this is how
 * profile/ samples with a program of the language. With a sink, -p and -c only say when the run begins and ends (the
 * program looks for itself whose events it takes), and nothing is written to the output but what printf() says.
 *
 * Stacks are named as they come, so processes may end. stack() is called once for each id, before the first value that
 * has it; the session then forgets the stack, so that a long run needs no larger table than a short one. */
struct session_sink {
    void *context;
    void (*stack)(void *context, uint64_t id, const struct session_stack *stack);
    void (*value)(void *context, uint64_t stamp, const struct type *type, const void *bytes);
    void (*element)(void *context, const char *map, const void *key, const struct type *type, const void *bytes);
    void (*end)(void *context, const struct session_losses *losses); /* before the elements of maps */
};

struct session_options {
    struct source source;
    const struct session_sink *sink; /* NULL: results are printed */
    const char *const *positional;   /* $1.. */
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
