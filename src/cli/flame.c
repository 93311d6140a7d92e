/* tarsier flame: a file with stacks as a picture, or as a file of another tool. tarsier diff: two of them compared. */
#include "cli/cli.h"
#include "cli/profile_file.h"
#include "profile/diff.h"
#include "profile/read.h"
#include "view/profile_picture.h"
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
    uint64_t top; /* 0: the usual */
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
    case FLAME_OPTION_TOP:
        return str_to_u64(value, &request->top) && request->top ? true : cli_wrong("\"%s\" is not a number", value);
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

/* ---- tarsier diff ------------------------------------------------------------------------------------------------ */

enum { ROWS = 30 };

static double percent(const struct profile_amount *part, const struct profile_amount *all) {
    return all->weight ? 100.0 * (double)part->weight / (double)all->weight : 0;
}

static void add_share(struct strbuf *out, const struct profile_tree *tree,
                      const struct profile_amount amount[PROFILE_SIDES]) {
    const struct profile_amount *all = tree->nodes.data[0].total;
    strbuf_addf(out, "%7.2f %% %7.2f %% %+8.2f   ", percent(&amount[PROFILE_BEFORE], &all[PROFILE_BEFORE]),
                percent(&amount[PROFILE_NOW], &all[PROFILE_NOW]), 100 * profile_share_change(amount, all));
}

static void add_row(struct strbuf *out, const struct profile_tree *tree, const struct profile_difference *row) {
    static const char *const marks[PROFILE_CHANGES] = {[PROFILE_SAME] = "",
                                                       [PROFILE_MORE] = "more",
                                                       [PROFILE_LESS] = "less",
                                                       [PROFILE_NEW] = "new",
                                                       [PROFILE_GONE] = "gone"};
    const struct profile_function *function = &tree->functions.data[row->function];
    add_share(out, tree, row->self);
    add_share(out, tree, row->total);
    strbuf_addf(out, "%-4s  ", marks[row->change]);
    profile_add_clean(out, function->name);
    if (*function->module) {
        strbuf_addstr(out, "  ");
        profile_add_clean(out, function->module);
    }
    strbuf_addch(out, '\n');
}

/* Functions that changed, those that changed most first; what is within noise is only counted. */
static void add_table(struct strbuf *out, const struct profile_tree *tree, uint64_t top, struct arena *arena) {
    uint32_t count, shown = 0, changed = 0;
    const struct profile_difference *rows = profile_diff(tree, arena, &count);
    strbuf_addstr(out, "self:                          with callees:\n"
                       "   before       now   change      before       now   change         function\n");
    for (uint32_t i = 0; i < count; i++) {
        changed += rows[i].change != PROFILE_SAME;
        if (rows[i].change != PROFILE_SAME && shown < top) {
            add_row(out, tree, &rows[i]);
            shown++;
        }
    }
    if (changed > shown)
        strbuf_addf(out, "%u more functions changed: -n %u shows them\n", changed - shown, changed);
    strbuf_addf(out,
                tree->sampled ? "%u functions: no change, or none that could not be chance\n"
                              : "%u functions: no change\n",
                count - changed);
}

static void print_table(struct profile *now, struct profile *before, uint64_t top) {
    struct arena *arena = arena_new();
    struct strbuf out = {0};
    const struct profile_picture pair = {.baseline = before};
    const struct profile_tree *tree = profile_picture_tree(arena, now, &pair);
    strbuf_addstr(&out, "before: ");
    profile_add_badge(&out, before);
    strbuf_addstr(&out, "\nnow:    ");
    profile_add_badge(&out, now);
    strbuf_addstr(&out, "\n\n");
    add_table(&out, tree, top ? top : ROWS, arena);
    fputs(strbuf_text(&out), stdout);
    strbuf_free(&out);
    arena_free(arena);
}

static bool can_compare(const struct profile_format *format, const char *output) {
    if (format->compares)
        return true;
    fprintf(stderr, "ERROR: \"%s\" can not show a comparison\nHINT: .svg and .html can\n", output);
    return false;
}

static int compare(struct arena *arena, const char *const *paths, struct flame_request *wanted) {
    const struct profile_format *format = wanted->output ? cli_profile_format(wanted->output) : NULL;
    if (wanted->output && (!format || !can_compare(format, wanted->output)))
        return SESSION_USER_ERROR;
    const char *error = NULL;
    struct profile *before = profile_read(arena, paths[0], &(struct profile_read_options){0}, &error),
                   *now = before ? profile_read(arena, paths[1], &(struct profile_read_options){0}, &error) : NULL;
    if (!now) {
        fprintf(stderr, "ERROR: %s\n", error);
        return SESSION_USER_ERROR;
    }
    if (strcmp(before->unit, now->unit) != 0)
        fprintf(stderr, "WARNING: %s has %s, %s has %s: only shares compare\n", paths[0], before->unit, paths[1],
                now->unit);
    wanted->picture.baseline = before;
    if (format)
        return cli_save_profile(format, now, &wanted->picture, wanted->output);
    print_table(now, before, wanted->top);
    return SESSION_OK;
}

int cli_diff_words(int argc, char **argv, struct cli_request *request) {
    struct flame_request wanted = {0};
    if (!cli_parse_words(argc, argv, request, &cli_flame_options, &wanted))
        return SESSION_USER_ERROR;
    if (wanted.help)
        return cli_help_command(argv[0]);
    if (request->argument_count == 2)
        return compare(request->arena, request->arguments, &wanted);
    fprintf(stderr, "ERROR: diff wants two files with stacks: before and now\nHINT: --help shows the options\n");
    return SESSION_USER_ERROR;
}
