/* tarsier fmt: programs in one style (lang/format.h). A file is only ever replaced by one with the same tokens and the
 * same tree. */
#include "lang/format.h"
#include "cli/cli.h"
#include "kernel/proc.h"
#include "lang/lang.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARAMETERS 99

enum {
#define OPTION(id, letter, name, argument, help) FORMAT_OPTION_##id,
#include "cli/options_fmt.def"
#undef OPTION
    FORMAT_OPTION_COUNT
};

static const struct cli_option_info format_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_fmt.def"
#undef OPTION
};

struct format_request {
    bool in_place, check, help;
};

static bool apply(void *target, int option, const char *value) {
    struct format_request *request = target;
    (void)value;
    request->in_place |= option == FORMAT_OPTION_IN_PLACE;
    request->check |= option == FORMAT_OPTION_CHECK;
    request->help |= option == FORMAT_OPTION_HELP;
    return true;
}

const struct cli_option_set cli_format_options = {format_options, FORMAT_OPTION_COUNT, apply, false};

/* The program's tree as text; empty when it has errors, which are printed. Parameters of the command line stand for
 * themselves. */
static bool tree_of(struct arena *arena, const struct source *source, struct strbuf *out) {
    static const char *names[PARAMETERS];
    struct lang_env env = {.positional = names, .positional_count = PARAMETERS};
    struct diag_list diags;
    for (int i = 0; i < PARAMETERS; i++)
        names[i] = arena_printf(arena, "$%d", i + 1);
    struct source copy = *source; /* the parser may add the texts of other files to it */
    diag_init(&diags, arena, &copy);
    struct lang_program *program = lang_parse(arena, &copy, &env, &diags);
    if (diags.error_count) {
        diag_print_all(&diags, isatty(STDERR_FILENO) && !getenv("NO_COLOR"), stderr);
        return false;
    }
    node_dump(program->tree, false, out);
    return true;
}

/* False: there are errors in the program, which have been told. */
static bool format_source(const struct source *source, struct strbuf *out) {
    struct arena *arena = arena_new();
    struct strbuf before = {0}, after = {0};
    bool fine = tree_of(arena, source, &before);
    if (fine) {
        lang_format(arena, source, out);
        struct source formatted = {source->name, strbuf_text(out), (uint32_t)out->length, NULL};
        if (!lang_format_is_same(arena, source, &formatted) || !tree_of(arena, &formatted, &after) ||
            strcmp(strbuf_text(&before), strbuf_text(&after)) != 0)
            BUG("formatting %s would change it", source->name);
    }
    strbuf_free(&before);
    strbuf_free(&after);
    arena_free(arena);
    return fine;
}

static int write_all(int fd, const struct strbuf *text) {
    for (size_t done = 0; done < text->length;) {
        ssize_t length = write(fd, text->data + done, text->length - done);
        if (length < 0)
            return -errno;
        done += (size_t)length;
    }
    return 0;
}

/* A new file takes the place of the old one, which stays whole if anything fails. */
static int replace_with(const char *real, char *temporary, const struct strbuf *text) {
    struct stat status;
    int fd = stat(real, &status) == 0 ? mkostemp(temporary, O_CLOEXEC) : -1;

    if (fd < 0)
        return -errno;
    int error = write_all(fd, text);
    if (error == 0 && (fchmod(fd, status.st_mode & 07777) < 0 || fchown(fd, status.st_uid, status.st_gid) < 0))
        error = -errno;
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0 && rename(temporary, real) < 0)
        error = -errno;
    if (error < 0)
        unlink(temporary);
    return error;
}

static int replace(const char *path, const struct strbuf *text) {
    char *real = realpath(path, NULL), *temporary;

    if (!real)
        return -errno;
    int error = -ENOMEM;
    if (asprintf(&temporary, "%s.XXXXXX", real) >= 0) {
        error = replace_with(real, temporary, text);
        free(temporary);
    }
    free(real);
    return error;
}

static int finish(const char *path, const struct source *source, const struct strbuf *text,
                  const struct format_request *request) {
    bool changed = text->length != source->size || memcmp(text->data, source->text, source->size) != 0;
    if (request->check) {
        if (changed)
            printf("%s\n", path);
        return changed ? SESSION_USER_ERROR : SESSION_OK;
    }
    if (request->in_place && strcmp(path, "-") != 0) {
        int error = changed ? replace(path, text) : 0;
        if (error < 0)
            fprintf(stderr, "ERROR: cannot write %s: %s\n", path, strerror(-error));
        return error < 0 ? SESSION_OUTPUT_ERROR : SESSION_OK;
    }
    if (fwrite(strbuf_text(text), 1, text->length, stdout) == text->length && fflush(stdout) == 0)
        return SESSION_OK;
    fprintf(stderr, "ERROR: cannot write the program: %s\n", strerror(errno));
    return SESSION_OUTPUT_ERROR;
}

static int format_text(const char *path, const struct source *source, const struct format_request *request) {
    struct strbuf text = {0};
    int result = SESSION_USER_ERROR;
    if (format_source(source, &text))
        result = finish(path, source, &text, request);
    strbuf_free(&text);
    return result;
}

static int format_file(const char *path, const struct format_request *request) {
    struct strbuf text = {0};
    struct source source;
    int result = SESSION_USER_ERROR;
    if (cli_read_program(path, &text, &source))
        result = format_text(path, &source, request);
    strbuf_free(&text);
    return result;
}

int cli_format_words(int argc, char **argv, struct cli_request *request) {
    struct format_request wanted = {0};
    if (!cli_parse_words(argc, argv, request, &cli_format_options, &wanted))
        return SESSION_USER_ERROR;
    if (wanted.help)
        return cli_help_command("fmt");
    if (request->argument_count == 0)
        return format_file("-", &wanted);
    int result = SESSION_OK;
    for (unsigned i = 0; i < request->argument_count; i++) {
        int one = format_file(request->arguments[i], &wanted);
        result = one ? one : result;
    }
    return result;
}

int cli_format_program(const struct cli_request *request) {
    const struct format_request wanted = {0};
    if (!request->expression)
        return format_file(request->argument_count ? request->arguments[0] : "-", &wanted);
    struct source source = {"stdin", request->expression, (uint32_t)strlen(request->expression), NULL};
    return format_text("-", &source, &wanted);
}
