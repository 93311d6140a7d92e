/* `tarsier stat`: counters of the kernel and the processor over a command, a process or the machine. */
#include "cli/cli.h"
#include "cli/stat_print.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
#define OPTION(id, letter, name, argument, help) STAT_OPTION_##id,
#include "cli/options_stat.def"
#undef OPTION
    STAT_OPTION_COUNT
};

static const struct cli_option_info stat_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_stat.def"
#undef OPTION
};

struct wish {
    struct cli_request *request;
    stat_events events;
    uint64_t interval, repeat, duration_ms;
    bool all, json, help;
    /* while it runs */
    struct stat_printing printing;
    struct stat_sums *sums; /* of each event, with -r */
    struct stat_sums elapsed;
    struct stat_count *counts; /* of the last run */
    int status;
};

static bool add_events(struct wish *wish, const char *names) {
    const char *wrong = "";
    if (stat_add_events(wish->request->arena, names, &wish->events, &wrong))
        return true;
    fprintf(
        stderr,
        "ERROR: \"%s\" is no event\nHINT: there are task-clock, context-switches, page-faults, cycles, instructions, "
        "cache-misses and others (docs/profile.md),\nSUBSYSTEM:NAME for a tracepoint, rHEX for a raw one\n",
        wrong);
    return false;
}

static bool apply(void *target, int option, const char *value) {
    struct wish *wish = target;
    switch (option) {
    case STAT_OPTION_PID:
        return cli_main_options.apply(wish->request, CLI_PID, value);
    case STAT_OPTION_COMMAND:
        wish->request->command = value;
        return true;
    case STAT_OPTION_EVENTS:
        return add_events(wish, value);
    case STAT_OPTION_INTERVAL:
        return cli_number(&wish->interval, value);
    case STAT_OPTION_REPEAT:
        return cli_number(&wish->repeat, value);
    case STAT_OPTION_DURATION:
        return cli_milliseconds(&wish->duration_ms, value);
    case STAT_OPTION_OUTPUT:
        wish->request->output = value;
        return true;
    default:
        break;
    }
    wish->all |= option == STAT_OPTION_ALL;
    wish->json |= option == STAT_OPTION_JSON;
    wish->help |= option == STAT_OPTION_HELP;
    return true;
}

const struct cli_option_set cli_stat_options = {stat_options, STAT_OPTION_COUNT, apply, true};

/* ---- results --------------------------------------------------------------------------------------------------------
 */

/* With -r runs are added up, and shown when the last one has ended. */
static void take_result(void *context, const struct stat_result *result) {
    struct wish *wish = context;
    wish->status = result->status;
    if (wish->repeat < 2) {
        stat_print(&wish->printing, result);
        return;
    }
    for (uint32_t i = 0; i < wish->events.count; i++) {
        struct stat_count *sum = &wish->counts[i];
        const struct stat_count *one = &result->counts[i];
        if (one->state == STAT_COUNTED)
            stat_sums_add(&wish->sums[i], one->value);
        sum->state = wish->sums[i].runs ? STAT_COUNTED : one->state;
        sum->value = wish->sums[i].mean;
        sum->enabled += one->enabled;
        sum->running += one->running;
    }
    stat_sums_add(&wish->elapsed, (double)result->elapsed_ns);
}

static void print_means(struct wish *wish) {
    struct stat_result result = {
        .events = &wish->events, .counts = wish->counts, .elapsed_ns = (uint64_t)wish->elapsed.mean, .last = true};
    wish->printing.counts = wish->sums;
    wish->printing.elapsed = &wish->elapsed;
    if (wish->elapsed.runs)
        stat_print(&wish->printing, &result);
}

/* ---- the run --------------------------------------------------------------------------------------------------------
 */

static int tell_error(const struct stat_request *request, int error, const char *what) {
    if (request->command && what == request->command[0]) {
        fprintf(stderr, "ERROR: cannot run %s: %s\n", what, strerror(-error));
        return SESSION_USER_ERROR;
    }
    if (error == -ESRCH) {
        fprintf(stderr, "ERROR: there is no process with id %d\n", (int)request->pid);
        return SESSION_USER_ERROR;
    }
    fprintf(stderr, "ERROR: %s: %s\n", what, strerror(-error));
    if (error == -EACCES || error == -EPERM)
        fprintf(stderr,
                "HINT: it needs root (CAP_PERFMON), or kernel.perf_event_paranoid of 2 or less for own processes, "
                "of 0 or less for whole CPUs\n");
    if (error == -EMFILE)
        fprintf(stderr, "HINT: each event of each thread is a file: ulimit -n, or fewer events\n");
    return SESSION_SYSTEM_ERROR;
}

/* As a shell tells the status of a command. */
static int exit_code(const struct wish *wish, bool has_command, bool stopped) {
    if (!has_command || stopped)
        return SESSION_OK;
    return WIFEXITED(wish->status) ? WEXITSTATUS(wish->status) : 128 + WTERMSIG(wish->status);
}

static int count(struct wish *wish, struct stat_request *request) {
    bool stopped = false;
    const char *what = "";
    uint64_t runs = wish->repeat ? wish->repeat : 1;
    for (uint64_t i = 0; i < runs && !stopped; i++) {
        int error = stat_run(request, &wish->events, &stopped, &what);
        if (error < 0)
            return tell_error(request, error, what);
    }
    if (runs > 1)
        print_means(wish);
    return exit_code(wish, request->command != NULL, stopped);
}

static const char *target_text(const struct wish *wish, const struct stat_request *request) {
    struct strbuf text = {0};
    if (request->command) {
        for (uint32_t i = 0; request->command[i]; i++)
            strbuf_addf(&text, "%s%s", i ? " " : "'", request->command[i]);
        strbuf_addch(&text, '\'');
    } else if (request->pid) {
        strbuf_addf(&text, "process id '%d'", (int)request->pid);
    } else {
        strbuf_addstr(&text, "'system wide'");
    }
    const char *result = arena_strdup(wish->request->arena, strbuf_text(&text));
    strbuf_free(&text);
    return result;
}

static const char *const *command_of(const struct cli_request *request) {
    if (request->command)
        return cli_split_words(request->arena, request->command);
    if (!request->argument_count)
        return NULL;
    const char **words = arena_new_array(request->arena, const char *, request->argument_count + 1);
    memcpy(words, request->arguments, sizeof *words * request->argument_count);
    return words;
}

static int run(struct wish *wish) {
    struct cli_request *request = wish->request;
    struct stat_request asked = {.pid = request->pid,
                                 .command = command_of(request),
                                 .interval_ms = wish->interval,
                                 .duration_ms = wish->duration_ms,
                                 .result = take_result,
                                 .context = wish};
    int user_fd;
    FILE *out = request->output ? fopen(request->output, "we") : stderr;
    if (!out) {
        fprintf(stderr, "ERROR: cannot write to %s: %s\n", request->output, strerror(errno));
        return SESSION_OUTPUT_ERROR;
    }
    if (!wish->events.count)
        stat_usual_events(request->arena, !asked.command && !asked.pid, &wish->events);
    wish->sums = arena_new_array(request->arena, struct stat_sums, wish->events.count);
    wish->counts = arena_new_array(request->arena, struct stat_count, wish->events.count);
    wish->printing = (struct stat_printing){
        .out = out, .json = wish->json, .in_intervals = wish->interval != 0, .target = target_text(wish, &asked)};
    if (!cli_catch_signals(&asked.stop_fd, &user_fd))
        return SESSION_SYSTEM_ERROR;
    int result = count(wish, &asked);
    bool failed = ferror(out) != 0;
    failed |= out != stderr && fclose(out) != 0;
    if (failed && request->output)
        fprintf(stderr, "ERROR: cannot write to %s: %s\n", request->output, strerror(errno));
    return failed ? SESSION_OUTPUT_ERROR : result;
}

static bool is_consistent(const struct wish *wish) {
    const struct cli_request *request = wish->request;
    bool command = request->command || request->argument_count;
    if (request->command && request->argument_count)
        return cli_wrong("-c has a command already, what is \"%s\"?", request->arguments[0]);
    if ((request->pid != 0) + command + wish->all > 1)
        return cli_wrong("%s exclude each other", "-p, -a and a command");
    if (wish->repeat > 1 && !command)
        return cli_wrong("%s wants a command", "-r");
    if (wish->repeat > 1 && wish->interval)
        return cli_wrong("%s exclude each other", "-r and -I");
    return true;
}

int cli_stat_words(int argc, char **argv, struct cli_request *request) {
    struct wish wish = {.request = request};
    if (!cli_parse_words(argc, argv, request, &cli_stat_options, &wish))
        return SESSION_USER_ERROR;
    if (wish.help)
        return cli_help_command(argv[0]);
    return is_consistent(&wish) ? run(&wish) : SESSION_USER_ERROR;
}
