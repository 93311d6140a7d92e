/* Running a program: from -e, a file, or standard input. */
#include "base/vec.h"
#include "cli/cli.h"
#include "kernel/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SOURCE_LIMIT (1u << 20)

bool cli_read_program(const char *path, struct strbuf *text, struct source *source) {
    bool standard_input = strcmp(path, "-") == 0;
    int error = standard_input ? kernel_read_descriptor(STDIN_FILENO, text, SOURCE_LIMIT)
                               : kernel_read_file(path, text, SOURCE_LIMIT);
    if (error < 0) {
        fprintf(stderr, "ERROR: failed to open file '%s': %s\n", path, strerror(-error));
        if (error == -ENOENT && strchr(path, '{'))
            fprintf(stderr, "HINT: a program on the command line needs -e\n");
        return false;
    }
    *source = (struct source){standard_input ? "stdin" : path, strbuf_text(text), (uint32_t)text->length, NULL};
    return true;
}

/* Blanks separate, quotes and backslashes keep. */
const char *const *cli_split_words(struct arena *arena, const char *text) {
    VEC(const char *) words = {0};
    while (*text) {
        text += strspn(text, " \t\n");
        if (!*text)
            break;
        char *word = arena_alloc(arena, strlen(text) + 1);
        size_t length = 0;
        char quote = 0;
        for (; *text && (quote || !strchr(" \t\n", *text)); text++) {
            if (!quote && (*text == '\'' || *text == '"'))
                quote = *text;
            else if (quote && *text == quote)
                quote = 0;
            else if (*text == '\\' && quote != '\'' && text[1])
                word[length++] = *++text;
            else
                word[length++] = *text;
        }
        vec_push(arena, &words, word);
    }
    vec_push(arena, &words, NULL);
    return words.data;
}

int cli_open_output(const struct cli_request *request) {
    if (!request->output)
        return STDOUT_FILENO;
    int fd = open(request->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        fprintf(stderr, "ERROR: cannot write to %s: %s\n", request->output, strerror(errno));
    return fd;
}

static bool refuses_color(void) {
    const char *choice = getenv("BPFTRACE_COLOR");
    return getenv("NO_COLOR") || (choice && strcmp(choice, "never") == 0);
}

bool cli_wants_color(void) {
    const char *choice = getenv("BPFTRACE_COLOR");
    if (choice && strcmp(choice, "auto") != 0)
        return strcmp(choice, "always") == 0;
    return isatty(STDERR_FILENO) && !getenv("NO_COLOR");
}

/* The first signal asks for the results, which may need a while; a later one ends the process at once, whatever it is
 * waiting for (nothing stays behind). timeout(1) and some shells send the same signal twice in a row: that is one. */
#define SAME_SIGNAL_NS 200000000u

static int stop_fd = -1; /* a handler has no other way to reach it */
static volatile uint64_t stopped_at;

static void on_signal(int number) {
    int saved = errno;
    uint64_t now = kernel_monotonic_ns();
    if (stopped_at == 0) {
        const uint64_t one = 1;
        stopped_at = now;
        if (write(stop_fd, &one, sizeof one) < 0)
            signal(number, SIG_DFL); /* cannot happen: the counter of an eventfd is full after 2^64 */
    } else if (now - stopped_at > SAME_SIGNAL_NS) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = saved;
}

static int user_fd = -1;

static void on_user_signal(int number) {
    int saved = errno;
    const uint64_t one = 1;
    (void)number;
    if (write(user_fd, &one, sizeof one) < 0) {
        /* cannot happen, see above */
    }
    errno = saved;
}

bool cli_catch_signals(int *stop, int *user) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    user_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0 || user_fd < 0) {
        fprintf(stderr, "ERROR: cannot make an eventfd: %s\n", strerror(errno));
        return false;
    }
    *stop = stop_fd;
    *user = user_fd;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before, action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigaction(numbers[i], NULL, &before);
        if (numbers[i] != SIGHUP || before.sa_handler != SIG_IGN) /* nohup */
            sigaction(numbers[i], &action, NULL);
    }
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_user_signal, .sa_flags = SA_RESTART}, NULL);
    return true;
}

static int run(const struct cli_request *request, struct arena *arena, const struct source *source,
               unsigned first_positional) {
    int stop, user;
    if (!cli_catch_signals(&stop, &user))
        return SESSION_SYSTEM_ERROR;
    int output = cli_open_output(request);
    if (output < 0)
        return SESSION_OUTPUT_ERROR;
    struct session_options options = {
        .source = *source,
        .positional = request->arguments + first_positional,
        .positional_count = request->argument_count - first_positional,
        .script_options = request->script_options.data,
        .script_option_count = request->script_options.count,
        .pid = request->pid,
        .command = request->command ? cli_split_words(arena, request->command) : NULL,
        .allow_unsafe = request->allow_unsafe,
        .dry_run = request->dry_run,
        .compile_only = request->compile_only,
        .mode = request->mode,
        .no_warnings = request->no_warnings,
        .tells_failures = request->tells_failures && !request->no_warnings,
        .include_directories = request->include_directories.data,
        .include_directory_count = request->include_directories.count,
        .includes = request->includes.data,
        .include_count = request->includes.count,
        .types = request->types,
        .debuginfo = request->debuginfo,
        .probe_filter = request->probe_filter,
        .traceable_functions = request->traceable_functions,
        .no_features = request->no_features,
        .quiet = request->quiet,
        .verbose = request->verbose,
        .color = cli_wants_color(),
        .plain = refuses_color(),
        .stages = request->stages,
        .list = request->list,
        .stop_fd = stop,
        .user_fd = user,
        .output_fd = output,
        .output_name = request->output ? request->output : "standard output",
        .format = request->format,
        .buffering = request->buffering,
    };
    if (options.command && !options.command[0]) {
        fprintf(stderr, "ERROR: -c wants a command\n");
        return SESSION_USER_ERROR;
    }
    int result = session_run(&options);
    if (output != STDOUT_FILENO)
        close(output);
    return result;
}

int cli_trace(const struct cli_request *request) {
    struct strbuf text = {0};
    struct source source;
    struct arena *arena = arena_new();
    int result = SESSION_USER_ERROR;
    if (request->expression) {
        source = (struct source){"stdin", request->expression, (uint32_t)strlen(request->expression), NULL};
        result = run(request, arena, &source, 0);
    } else if (request->argument_count == 0) {
        cli_help(request);
    } else if (cli_read_program(request->arguments[0], &text, &source)) {
        result = run(request, arena, &source, 1);
    }
    strbuf_free(&text);
    arena_free(arena);
    return result;
}
