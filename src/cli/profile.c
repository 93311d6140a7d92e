/* `tarsier profile`: samples stacks and shows where time goes. The sampling is a program of the language
 * (profile/program.c, --show prints it); this file reads the command line, draws the summary while it runs, and writes
 * the result. */
#include "cli/cli.h"
#include "cli/profile_file.h"
#include "cli/profile_live.h"
#include "kernel/proc.h"
#include "profile/sample.h"
#include "view/profile_text.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
#define OPTION(id, letter, name, argument, help) PROFILE_OPTION_##id,
#include "cli/options_profile.def"
#undef OPTION
    PROFILE_OPTION_COUNT
};

static const struct cli_option_info profile_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_profile.def"
#undef OPTION
};

struct wish {
    struct cli_request *request;
    struct profile_sampling sampling;
    uint64_t top;
    unsigned modes; /* how many of --wall, --off-cpu, --wakeup */
    bool all, user, kernel, show, quiet, help;
};

static bool set_mode(struct wish *wish, enum profile_mode mode) {
    wish->modes++;
    wish->sampling.mode = mode;
    return true;
}

static bool apply(void *target, int option, const char *value) {
    struct wish *wish = target;
    switch (option) {
    case PROFILE_OPTION_PID:
        return cli_main_options.apply(wish->request, CLI_PID, value);
    case PROFILE_OPTION_COMMAND:
        wish->request->command = value;
        return true;
    case PROFILE_OPTION_FREQUENCY:
        return cli_number(&wish->sampling.frequency, value);
    case PROFILE_OPTION_DURATION:
        return cli_milliseconds(&wish->sampling.duration_ms, value);
    case PROFILE_OPTION_LEAST:
        return cli_number(&wish->sampling.least_us, value);
    case PROFILE_OPTION_TOP:
        return cli_number(&wish->top, value);
    case PROFILE_OPTION_OUTPUT:
        wish->request->output = value;
        return true;
    case PROFILE_OPTION_WALL:
        return set_mode(wish, PROFILE_WALL);
    case PROFILE_OPTION_OFF_CPU:
        return set_mode(wish, PROFILE_OFF_CPU);
    case PROFILE_OPTION_WAKEUP:
        return set_mode(wish, PROFILE_WAKEUP);
    default:
        break;
    }
    wish->all |= option == PROFILE_OPTION_ALL;
    wish->user |= option == PROFILE_OPTION_USER;
    wish->kernel |= option == PROFILE_OPTION_KERNEL;
    wish->sampling.per_thread |= option == PROFILE_OPTION_PER_THREAD;
    wish->show |= option == PROFILE_OPTION_SHOW;
    wish->request->verbose |= option == PROFILE_OPTION_VERBOSE;
    wish->quiet |= option == PROFILE_OPTION_QUIET;
    wish->help |= option == PROFILE_OPTION_HELP;
    return true;
}

const struct cli_option_set cli_profile_options = {profile_options, PROFILE_OPTION_COUNT, apply, true};

/* ---- the result ---------------------------------------------------------------------------------------------------
 */

static int write_text(const struct wish *wish, struct profile *profile) {
    const struct view_profile_text options = {
        .functions = (uint32_t)(wish->top ? wish->top : 20), .processes = 10, .percent = 5};
    struct strbuf text = {0};
    view_profile_text(profile, &options, &text);
    bool written = fwrite(strbuf_text(&text), 1, text.length, stdout) == text.length && fflush(stdout) == 0;
    strbuf_free(&text);
    if (!written && errno != EPIPE)
        fprintf(stderr, "ERROR: cannot write the results to standard output: %s\n", strerror(errno));
    return written || errno == EPIPE ? SESSION_OK : SESSION_OUTPUT_ERROR;
}

/* ---- the command line ---------------------------------------------------------------------------------------------
 */

static bool is_consistent(const struct wish *wish) {
    const struct cli_request *request = wish->request;
    bool command = request->command || request->argument_count;
    if (wish->modes > 1)
        return cli_wrong("%s exclude each other", "--wall, --off-cpu and --wakeup");
    if (request->command && request->argument_count)
        return cli_wrong("-c has a command already, what is \"%s\"?", request->arguments[0]);
    if ((request->pid != 0) + command + wish->all > 1)
        return cli_wrong("%s exclude each other", "-p, -a and a command");
    return true;
}

/* The command of -c, or the words behind the options. */
static const char *const *command_of(const struct cli_request *request) {
    if (request->command)
        return cli_split_words(request->arena, request->command);
    if (!request->argument_count)
        return NULL;
    const char **words = arena_new_array(request->arena, const char *, request->argument_count + 1);
    memcpy(words, request->arguments, sizeof *words * request->argument_count);
    return words;
}

static int write_result(const struct wish *wish, const struct profile_format *format, struct profile *profile,
                        struct profile_live *live) {
    if (!format)
        return write_text(wish, profile);
    int result = live->appender ? cli_live_end_file(live, profile)
                                : cli_save_profile(format, profile, NULL, wish->request->output);
    struct strbuf text = {0};
    view_profile_badge(profile, &text);
    if (!wish->quiet)
        fputs(strbuf_text(&text), stderr);
    strbuf_free(&text);
    return result;
}

static int sample(struct wish *wish, const struct session_options *options, const struct profile_format *format,
                  struct profile_live *live) {
    struct arena *arena = arena_new();
    struct profile *profile = profile_new(arena);
    int result = profile_take(&wish->sampling, options, profile);
    cli_live_end(live);
    if (result == SESSION_OK)
        result = write_result(wish, format, profile, live);
    cli_live_close(live);
    arena_free(arena);
    return result;
}

static int run(struct wish *wish) {
    struct cli_request *request = wish->request;
    struct session_options options = {
        .pid = request->pid,
        .command = command_of(request),
        .quiet = !request->verbose,
        .color = cli_wants_color(),
        .output_fd = STDOUT_FILENO,
        .output_name = "standard output",
    };
    struct profile_live live = {.draws = !wish->quiet && isatty(STDERR_FILENO), .path = request->output};
    const struct profile_format *format = request->output ? cli_profile_format(request->output) : NULL;
    if (request->output && !format)
        return SESSION_USER_ERROR;
    if (options.command && !options.command[0]) {
        cli_wrong("%s wants a command", "-c");
        return SESSION_USER_ERROR;
    }
    wish->sampling.by_function = !format || format->write == profile_write_folded || format->write == profile_write_svg;
    wish->sampling.with_times = format && format->times;
    if (!cli_live_begin(&live, format, &wish->sampling))
        return SESSION_OUTPUT_ERROR;
    if (!cli_catch_signals(&options.stop_fd, &options.user_fd))
        return SESSION_SYSTEM_ERROR;
    return sample(wish, &options, format, &live);
}

static void show(const struct wish *wish) {
    const struct cli_request *request = wish->request;
    struct strbuf text = {0};
    profile_write_program(&wish->sampling, request->pid, request->command || request->argument_count, &text);
    fputs(strbuf_text(&text), stdout);
    strbuf_free(&text);
}

int cli_profile_words(int argc, char **argv, struct cli_request *request) {
    struct wish wish = {.request = request, .sampling = {.frequency = 99}};
    if (!cli_parse_words(argc, argv, request, &cli_profile_options, &wish))
        return SESSION_USER_ERROR;
    if (wish.help)
        return cli_help_command(argv[0]);
    if (!is_consistent(&wish))
        return SESSION_USER_ERROR;
    wish.sampling.user = wish.user || !wish.kernel;
    wish.sampling.kernel = wish.kernel || !wish.user;
    if (!wish.show)
        return run(&wish);
    show(&wish);
    return SESSION_OK;
}
