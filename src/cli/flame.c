/* tarsier flame: a file with stacks as a picture, or as a file of another tool. */
#include "cli/cli.h"
#include "cli/profile_file.h"
#include "profile/read.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
#define OPTION(id, letter, name, argument, help) FLAME_OPTION_##id,
#include "cli/options_flame.def"
#undef OPTION
    FLAME_OPTION_COUNT
};

static const struct cli_option_info flame_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_flame.def"
#undef OPTION
};

struct flame_request {
    struct profile_picture picture;
    const char *output;
    bool help;
};

static bool set_colors(struct profile_picture *picture, const char *value) {
    for (int i = 0; i < PROFILE_COLORINGS; i++) {
        if (strcmp(value, profile_color_names[i]) == 0) {
            picture->colors = (enum profile_colors)i;
            return true;
        }
    }
    return cli_wrong("--colors wants kind, module or name, not \"%s\"", value);
}

static bool set_min_width(struct profile_picture *picture, const char *value) {
    char *end;
    picture->min_width = strtod(value, &end);
    if (end != value && !*end && picture->min_width > 0 && picture->min_width <= 1200)
        return true;
    return cli_wrong("--min-width wants a number of pixels up to 1200, not \"%s\"", value);
}

static bool apply(void *target, int option, const char *value) {
    struct flame_request *request = target;
    switch (option) {
    case FLAME_OPTION_OUTPUT:
        request->output = value;
        return true;
    case FLAME_OPTION_TITLE:
        request->picture.title = value;
        return true;
    case FLAME_OPTION_INVERTED:
        return request->picture.inverted = true;
    case FLAME_OPTION_COLORS:
        return set_colors(&request->picture, value);
    case FLAME_OPTION_MIN_WIDTH:
        return set_min_width(&request->picture, value);
    default:
        return request->help = true;
    }
}

const struct cli_option_set cli_flame_options = {flame_options, FLAME_OPTION_COUNT, apply, false};

static int draw(struct arena *arena, const char *path, const struct flame_request *wanted) {
    const char *output = wanted->output ? wanted->output : "-", *error = NULL;
    const struct profile_format *format = cli_profile_format(wanted->output ? wanted->output : ".svg");
    if (!format)
        return SESSION_USER_ERROR;
    if (!wanted->output && isatty(STDOUT_FILENO)) {
        fprintf(stderr, "ERROR: the picture needs a file\nHINT: tarsier flame -o x.svg %s\n", path);
        return SESSION_USER_ERROR;
    }
    struct profile *profile =
        profile_read(arena, path, &(struct profile_read_options){.with_times = format->times}, &error);
    if (!profile) {
        fprintf(stderr, "ERROR: %s\n", error);
        return SESSION_USER_ERROR;
    }
    return cli_save_profile(format, profile, &wanted->picture, output);
}

int cli_flame_words(int argc, char **argv, struct cli_request *request) {
    struct flame_request wanted = {0};
    if (!cli_parse_words(argc, argv, request, &cli_flame_options, &wanted))
        return SESSION_USER_ERROR;
    if (wanted.help)
        return cli_help_command(argv[0]);
    if (request->argument_count != 1) {
        fprintf(stderr, "ERROR: %s wants one file with stacks (- for standard input)\nHINT: --help shows the options\n",
                argv[0]);
        return SESSION_USER_ERROR;
    }
    return draw(request->arena, request->arguments[0], &wanted);
}
