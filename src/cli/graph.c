/* tarsier funcgraph: what functions of the kernel call, and how long that takes. */
#include "graph/graph.h"
#include "cli/cli.h"
#include "kernel/feature.h"
#include "kernel/ftrace.h"
#include "kernel/proc.h"
#include "kernel/tracefs.h"
#include "probe/probe.h"
#include "symbol/symbol.h"
#include "view/output.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
#define OPTION(id, letter, name, argument, help) GRAPH_OPTION_##id,
#include "cli/options_graph.def"
#undef OPTION
    GRAPH_OPTION_COUNT
};

static const struct cli_option_info graph_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_graph.def"
#undef OPTION
};

enum {
    BUFFERS_KB = 65536, /* all together, but of each CPU between these two */
    BUFFER_LEAST_KB = 512,
    BUFFER_MOST_KB = 4096,
    BUSY_MS = 20, /* between looks at the buffers while there is something in them */
    IDLE_MS = 100,
};

struct graphing {
    struct cli_request *request;
    struct arena *arena;
    struct graph_wish wish;
    struct graph_style style;
    struct kernel_ftrace_spec spec;
    VEC(const char *) functions, not_functions, only;
    VEC(pid_t) threads;
    pid_t thread;
    uint64_t duration, count, printed;
    bool help;
    struct kernel_tracefs *tracefs;
    struct kernel_ftrace *ftrace;
    struct symbol_cache *symbols;
    struct graph_names *names;
    struct graph_stream *stream;
    struct graph_forest *forest;
    struct graph_printer *printer;
    struct view_output *out;
    struct kernel_child child;
    int stop_fd, user_fd;
    int target_fd; /* -1: none */
};

/* ---- the command line ---------------------------------------------------------------------------------------- */

static bool set_time(uint64_t *ns, const char *value) {
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"", 1000}, {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    char *unit;
    double number = strtod(value, &unit);

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (unit != value && number >= 0 && number < 1e9 && strcmp(unit, units[i].unit) == 0) {
            *ns = (uint64_t)(number * (double)units[i].ns);
            return true;
        }
    }
    return cli_wrong("\"%s\" is not a time: 500us, 10ms, 2s", value);
}

static bool apply_number(struct graphing *g, int option, const char *value) {
    uint64_t number;

    if (!cli_number(&number, value))
        return false;
    switch (option) {
    case GRAPH_OPTION_TID:
        g->thread = (pid_t)number;
        return true;
    case GRAPH_OPTION_DEPTH:
        g->wish.depth = g->spec.depth = (uint32_t)number;
        return true;
    case GRAPH_OPTION_DURATION:
        g->duration = number;
        return true;
    case GRAPH_OPTION_TREES:
        g->count = number;
        return true;
    default:
        g->spec.buffer_kb = number;
        return true;
    }
}

static bool apply(void *target, int option, const char *value) {
    struct graphing *g = target;

    switch (option) {
    case GRAPH_OPTION_PID:
        return cli_main_options.apply(g->request, CLI_PID, value);
    case GRAPH_OPTION_COMMAND:
        return cli_main_options.apply(g->request, CLI_COMMAND, value);
    case GRAPH_OPTION_FORMAT:
        return cli_main_options.apply(g->request, CLI_FORMAT, value);
    case GRAPH_OPTION_OUTPUT:
        return cli_main_options.apply(g->request, CLI_OUTPUT, value);
    case GRAPH_OPTION_TID:
    case GRAPH_OPTION_DEPTH:
    case GRAPH_OPTION_DURATION:
    case GRAPH_OPTION_TREES:
    case GRAPH_OPTION_BUFFER:
        return apply_number(g, option, value);
    case GRAPH_OPTION_LEAST:
        return set_time(&g->style.least, value);
    case GRAPH_OPTION_NAME:
        g->wish.name = value;
        return true;
    case GRAPH_OPTION_NOT:
        vec_push(g->arena, &g->not_functions, value);
        return true;
    case GRAPH_OPTION_ONLY:
        vec_push(g->arena, &g->only, value);
        return true;
    default:
        break;
    }
    g->wish.without_interrupts |= option == GRAPH_OPTION_NO_INTERRUPTS;
    g->style.time |= option == GRAPH_OPTION_ABSOLUTE;
    g->style.task |= option == GRAPH_OPTION_TASK;
    g->style.no_cpu |= option == GRAPH_OPTION_NO_CPU;
    g->style.no_duration |= option == GRAPH_OPTION_NO_DURATION;
    g->style.tail |= option == GRAPH_OPTION_TAIL;
    g->request->verbose |= option == GRAPH_OPTION_VERBOSE;
    g->help |= option == GRAPH_OPTION_HELP;
    return true;
}

const struct cli_option_set cli_graph_options = {graph_options, GRAPH_OPTION_COUNT, apply, false};

/* "kprobe:vfs_read" is vfs_read, too. */
static bool add_function(struct graphing *g, const char *word) {
    static const char *const prefixes[] = {"kprobe:", "k:", "fentry:", "f:", "kfunc:"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (str_starts(word, prefixes[i])) {
            word += strlen(prefixes[i]);
            break;
        }
    }
    if (strchr(word, ':'))
        return cli_wrong("\"%s\" is no function of the kernel: funcgraph shows what those call", word);
    if (!*word || strpbrk(word, " \t\n#"))
        return cli_wrong("\"%s\" is not the name of a function", word);
    vec_push(g->arena, &g->functions, word);
    return true;
}

static bool check_words(struct graphing *g) {
    const struct cli_request *request = g->request;

    for (uint32_t i = 0; i < request->argument_count; i++) {
        if (!add_function(g, request->arguments[i]))
            return false;
    }
    if (g->functions.count || request->pid || request->command || g->thread)
        return true;
    fprintf(stderr, "ERROR: funcgraph wants FUNCTION, or -p, -t or -c: all that the whole system calls is too much\n"
                    "HINT: --help shows the options\n");
    return false;
}

/* ---- failures ------------------------------------------------------------------------------------------------ */

static int failure(const char *message, const char *hint) {
    fprintf(stderr, "ERROR: %s\n", message);
    if (hint)
        fprintf(stderr, "HINT: %s\n", hint);
    return SESSION_SYSTEM_ERROR;
}

/* A kernel without call trees has something else perhaps. */
static const char *what_else(struct graphing *g) {
    struct probe_context context;
    struct probe_targets targets = {0};
    struct probe_error error = {0};

    if (!g->functions.count)
        return NULL;
    const char *function = g->functions.data[0];
    probe_context_init(&context, g->arena);
    context.features = kernel_features_new(g->arena);
    int result = probe_expand(&context, arena_printf(g->arena, "kretprobe:%s", function), 0, &targets, &error);
    result = result == 0 ? probe_possible(&context, targets.items.data[0], &error) : result;
    probe_context_free(&context);
    return result != 0 ? error.hint
                       : arena_printf(g->arena, "tarsier funclatency %s tells how long it takes", function);
}

/* ---- before and after ---------------------------------------------------------------------------------------- */

static void print_tree(void *user, const struct graph_tree *tree) {
    struct graphing *g = user;

    if (!g->count || g->printed < g->count)
        g->printed += graph_print(g->printer, tree);
}

static int find_threads(struct graphing *g) {
    const char *path = arena_printf(g->arena, "/proc/%d/task", (int)g->request->pid);
    DIR *directory = opendir(path);

    if (!directory) {
        fprintf(stderr, "ERROR: there is no process with id %d\n", (int)g->request->pid);
        return SESSION_USER_ERROR;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        pid_t thread = atoi(entry->d_name);
        if (thread > 0)
            vec_push(g->arena, &g->threads, thread);
    }
    closedir(directory);
    g->wish.process = g->request->pid;
    g->spec.follows = true;
    g->target_fd = kernel_pidfd_open(g->request->pid);
    return SESSION_OK;
}

static int command_error(const char *command, int error) {
    fprintf(stderr, "ERROR: cannot run %s: %s\n", command, strerror(-error));
    return SESSION_USER_ERROR;
}

static int start_command(struct graphing *g) {
    const char *const *words = cli_split_words(g->arena, g->request->command);

    if (!words[0]) {
        fprintf(stderr, "ERROR: -c wants a command\n");
        return SESSION_USER_ERROR;
    }
    int error = kernel_spawn_find(words[0]);
    error = error < 0 ? error : kernel_spawn_stopped(words, &g->child);
    if (error < 0)
        return command_error(words[0], error);
    vec_push(g->arena, &g->threads, g->child.pid);
    g->spec.follows = true;
    g->target_fd = kernel_pidfd_open(g->child.pid);
    return SESSION_OK;
}

static int find_targets(struct graphing *g) {
    int result = SESSION_OK;

    if (g->request->pid)
        result = find_threads(g);
    if (g->thread)
        vec_push(g->arena, &g->threads, g->thread);
    if (result == SESSION_OK && g->request->command)
        result = start_command(g);
    return result;
}

/* Functions that the tracer need not look at are not touched at all: a tree of one level has none but its roots. */
static void choose_functions(struct graphing *g) {
    bool is_alone = g->functions.count && g->wish.depth == 1;

    if (is_alone)
        g->only.count = g->spec.depth = 0;
    for (uint32_t i = 0; i < g->functions.count && (g->only.count || is_alone); i++)
        vec_push(g->arena, &g->only, g->functions.data[i]);
    g->spec.functions = g->functions.data;
    g->spec.function_count = is_alone ? 0 : g->functions.count;
    g->spec.only = g->only.data;
    g->spec.only_count = g->only.count;
    g->spec.not_functions = g->not_functions.data;
    g->spec.not_function_count = g->not_functions.count;
}

static int open_tracer(struct graphing *g) {
    struct kernel_ftrace_problem problem;
    struct kernel_cpus cpus = {0};
    const char *reason = NULL;
    int error;

    g->tracefs = kernel_tracefs_open(g->arena, &error);
    if (!g->tracefs)
        return failure(arena_printf(g->arena, "opening tracefs: %s", strerror(-error)),
                       error == -EPERM || error == -EACCES ? "run as root" : NULL);
    if (!g->spec.buffer_kb && kernel_cpus_read(g->arena, &cpus) == 0) {
        g->spec.buffer_kb = BUFFERS_KB / cpus.count_online;
        if (g->spec.buffer_kb > BUFFER_MOST_KB)
            g->spec.buffer_kb = BUFFER_MOST_KB;
        if (g->spec.buffer_kb < BUFFER_LEAST_KB)
            g->spec.buffer_kb = BUFFER_LEAST_KB;
    }
    g->spec.tracer = "function_graph";
    choose_functions(g);
    g->spec.threads = g->threads.data;
    g->spec.thread_count = g->threads.count;
    g->ftrace = kernel_ftrace_open(g->arena, g->tracefs, &g->spec, &problem);
    if (!g->ftrace)
        return failure(problem.message, problem.is_absent ? what_else(g) : problem.hint);
    if (g->request->verbose)
        fprintf(stderr, "function_graph %s, %" PRIu64 " KB for each of %u CPUs\n",
                kernel_ftrace_is_private(g->ftrace) ? "in an instance of its own" : "at the top of tracefs",
                g->spec.buffer_kb, kernel_ftrace_cpu_count(g->ftrace));
    g->stream = graph_stream_open(g->arena, g->tracefs, g->ftrace, &reason);
    return g->stream ? SESSION_OK : failure(reason, NULL);
}

static void warn_of_losses(struct graphing *g) {
    uint64_t strays = graph_forest_strays(g->forest), raised = g->spec.depth ? graph_forest_raised(g->forest) : 0;

    for (uint32_t i = 0; i < kernel_ftrace_cpu_count(g->ftrace); i++) {
        uint64_t lost = graph_stream_lost(g->stream, i);
        if (lost)
            fprintf(stderr,
                    "WARNING: CPU %u lost %" PRIu64 " events for want of room: trees have gaps\n"
                    "HINT: -b gives more room; -p, --depth and --not make fewer events\n",
                    kernel_ftrace_cpu(g->ftrace, i), lost);
    }
    if (raised)
        fprintf(stderr,
                "WARNING: %" PRIu64
                " trees may have fewer levels than --depth, because functions above them are traced, "
                "too (by other probes)\n",
                raised);
    if (strays)
        fprintf(stderr, "WARNING: %" PRIu64 " events are left out, because the root of their tree was lost\n", strays);
}

static int close_all(struct graphing *g) {
    struct kernel_ftrace_problem problem;
    int result = SESSION_OK;

    graph_stream_close(g->stream);
    if (g->ftrace && kernel_ftrace_close(g->ftrace, &problem) < 0)
        result = failure(problem.message, problem.hint);
    kernel_tracefs_close(g->tracefs);
    graph_forest_free(g->forest);
    graph_printer_free(g->printer);
    symbol_cache_close(g->symbols);
    if (g->target_fd >= 0)
        close(g->target_fd);
    if (g->child.pid && g->child.go_fd >= 0)
        kernel_spawn_cancel(&g->child);
    return result;
}

/* ---- the run ------------------------------------------------------------------------------------------------- */

static bool is_over(const struct graphing *g, uint64_t end) {
    return (end && kernel_monotonic_ns() >= end) || (g->count && g->printed >= g->count) || view_output_ended(g->out);
}

static void add_event(void *forest, const struct graph_event *event) { graph_forest_add(forest, event); }

static int64_t read_events(struct graphing *g, bool all) {
    return graph_stream_read(g->stream, all, add_event, g->forest);
}

static int loop(struct graphing *g) {
    const int fds[] = {g->stop_fd, g->target_fd};
    uint64_t end = g->duration ? kernel_monotonic_ns() + g->duration * 1000000000 : 0;
    int64_t pages = 0;
    bool stop = false;

    while (!stop && pages >= 0 && !is_over(g, end)) {
        stop = kernel_ftrace_wait(g->ftrace, fds, g->target_fd >= 0 ? 2 : 1, pages ? BUSY_MS : IDLE_MS);
        pages = read_events(g, false);
        view_output_settle(g->out);
    }
    int error = kernel_ftrace_stop(g->ftrace);
    for (pages = pages < 0 ? pages : 1; pages > 0;)
        pages = read_events(g, true);
    graph_forest_end(g->forest);
    if (error < 0 || pages < 0)
        return failure(arena_printf(g->arena, "reading the trace: %s", strerror(error < 0 ? -error : (int)-pages)),
                       NULL);
    return SESSION_OK;
}

static void end_command(struct graphing *g) {
    int status = 0;

    if (g->child.pid && waitpid(g->child.pid, &status, WNOHANG) == 0) {
        kill(g->child.pid, SIGTERM);
        waitpid(g->child.pid, &status, 0);
    }
}

static int trace(struct graphing *g) {
    g->symbols = symbol_cache_new(g->arena);
    g->names = graph_names_new(g->arena, g->symbols, g->functions.data, g->functions.count);
    g->forest = graph_forest_new(&g->wish, g->names, print_tree, g);
    for (uint32_t i = 0; i < g->threads.count; i++)
        graph_forest_know(g->forest, g->threads.data[i]);
    g->style.json = g->request->format == VIEW_JSON;
    g->style.cpus = kernel_ftrace_cpu_count(g->ftrace);
    g->printer = graph_printer_new(g->arena, &g->style, g->names, g->out);
    int error = kernel_ftrace_start(g->ftrace);
    if (error < 0)
        return failure(arena_printf(g->arena, "starting the trace: %s", strerror(-error)), NULL);
    fprintf(stderr, "Tracing calls of %s%s; Ctrl-C ends it\n",
            g->functions.count ? g->functions.data[0] : "all functions", g->functions.count > 1 ? " and others" : "");
    if (g->child.pid) {
        error = kernel_spawn_release(&g->child);
        if (error < 0)
            return command_error(g->request->command, error);
    }
    int result = loop(g);
    end_command(g);
    view_output_flush(g->out);
    warn_of_losses(g);
    return result;
}

static int run(struct graphing *g) {
    int output = cli_open_output(g->request);

    if (output < 0)
        return SESSION_OUTPUT_ERROR;
    if (!cli_catch_signals(&g->stop_fd, &g->user_fd))
        return SESSION_SYSTEM_ERROR;
    g->out = view_output_new(output, VIEW_BUFFER_LINE);
    int result = find_targets(g);
    result = result == SESSION_OK ? open_tracer(g) : result;
    result = result == SESSION_OK ? trace(g) : result;
    int closed = close_all(g);
    int error = view_output_free(g->out);
    if (error < 0)
        fprintf(stderr, "ERROR: cannot write results: %s\n", strerror(-error));
    result = result == SESSION_OK ? closed : result;
    return result == SESSION_OK && error < 0 ? SESSION_OUTPUT_ERROR : result;
}

int cli_graph_words(int argc, char **argv, struct cli_request *request) {
    struct graphing g = {.request = request, .arena = request->arena, .target_fd = -1};

    g.child.go_fd = -1;
    if (!cli_parse_words(argc, argv, request, &cli_graph_options, &g))
        return SESSION_USER_ERROR;
    if (g.help)
        return cli_help_command(argv[0]);
    return check_words(&g) ? run(&g) : SESSION_USER_ERROR;
}
