/* Records that carry a text which is formatted here: printf, errorf, warnf, system, cat; and the words of join. */
#include "session/session_int.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t *payload_of(const void *record) { return (const uint8_t *)record + sizeof(struct lang_record); }

static struct view_printf *compiled_format(struct session *s, uint32_t number, const struct lang_action *action) {
    if (!s->formats[number]) {
        uint32_t count = action->record->field_count, bad = 0;
        const struct type **types = arena_new_array(s->arena, const struct type *, count + 1);
        for (uint32_t i = 0; i < count; i++)
            types[i] = action->record->fields[i].type;
        const char *error = NULL;
        s->formats[number] = view_printf_compile(s->arena, action->format, types, count, &error, &bad);
        if (!s->formats[number])
            BUG("checked format does not compile: %s", error);
    }
    return s->formats[number];
}

/* Into s->text. */
static void format_text(struct session *s, uint32_t number, const struct lang_action *action, const void *record) {
    const void *arguments[128];
    for (uint32_t i = 0; i < action->record->field_count; i++)
        arguments[i] = payload_of(record) + action->record->fields[i].offset;
    strbuf_reset(&s->text);
    view_printf_run(&s->view, compiled_format(s, number, action), arguments, &s->text);
}

/* ---- errorf, warnf ------------------------------------------------------------------------------------------------
 */

static void say(struct session *s, const struct lang_action *action) {
    struct arena *arena = arena_new();
    struct diag_list said;
    bool ends = s->text.length && strbuf_text(&s->text)[s->text.length - 1] == '\n';
    int length = (int)(s->text.length - ends);
    view_output_flush(s->view.out); /* the two streams in the order of events */
    diag_init(&said, arena, s->diags.source);
    if (action->kind == LANG_ACTION_ERROR)
        diag_error(&said, "errorf", action->loc, "%.*s", length, strbuf_text(&s->text));
    else if (!s->options->no_warnings)
        diag_warning(&said, "warnf", action->loc, "%.*s", length, strbuf_text(&s->text));
    diag_print_all(&said, s->options->color, stderr);
    arena_free(arena);
}

/* ---- cat ------------------------------------------------------------------------------------------------------------
 */

static void print_file(struct session *s, const char *path) {
    struct strbuf text = {0};
    char block[4096];
    size_t most = s->settings.max_cat_bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not stop us */
    if (fd < 0) {
        view_output_flush(s->view.out);
        fprintf(stderr, "ERROR: failed to open file '%s' (%s)\n", path, strerror(errno));
        return;
    }
    ssize_t length = 0;
    while (text.length <= most && (length = read(fd, block, sizeof block)) > 0)
        strbuf_add(&text, block, (size_t)length);
    if (length < 0)
        fprintf(stderr, "ERROR: failed to read file '%s' (%s)\n", path, strerror(errno));
    close(fd);
    size_t shown = text.length < most ? text.length : most;
    if (shown)
        view_print_message(&s->view, VIEW_CAT, strbuf_text(&text), shown);
    if (text.length > most) {
        view_output_flush(s->view.out);
        if (shown && strbuf_text(&text)[shown - 1] != '\n' && s->view.format == VIEW_TEXT)
            fputc('\n', stderr); /* on a terminal the text stands before it */
        fprintf(stderr, "WARNING: '%s' was cut after %zu bytes\nHINT: config = { max_cat_bytes = N } shows more\n",
                path, most);
    }
    strbuf_free(&text);
}

/* ---- system ---------------------------------------------------------------------------------------------------------
 */

/* The shell with an empty signal mask and default actions; its standard output is a pipe to us. */
static int start_shell(const char *command, pid_t *pid) {
    extern char **environ;
    const char *arguments[] = {"sh", "-c", command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    int error = posix_spawn(pid, "/bin/sh", &files, &attributes, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    if (error == 0)
        return ends[0];
    close(ends[0]);
    return -error;
}

/* What the command writes comes in the order of events: it is waited for. */
static void run_command(struct session *s, const char *command) {
    struct strbuf text = {0};
    char block[4096];
    pid_t pid;
    view_output_flush(s->view.out);
    int fd = start_shell(command, &pid);
    if (fd < 0) {
        fprintf(stderr, "ERROR: cannot run '%s': %s\n", command, strerror(-fd));
        return;
    }
    for (ssize_t length; (length = read(fd, block, sizeof block)) > 0 || (length < 0 && errno == EINTR);) {
        if (length > 0 && s->view.format == VIEW_TEXT)
            view_print_message(&s->view, VIEW_SYSCALL, block, (size_t)length);
        else if (length > 0)
            strbuf_add(&text, block, (size_t)length);
        if (s->view.format == VIEW_TEXT)
            view_output_settle(s->view.out);
    }
    close(fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (text.length)
        view_print_message(&s->view, VIEW_SYSCALL, strbuf_text(&text), text.length);
    strbuf_free(&text);
}

/* ---- join
 * ------------------------------------------------------------------------------------------------------------ */

/* The record: u32 length, then words, each with its NUL. */
void session_print_words(struct session *s, const struct lang_action *action, const void *record) {
    const struct type *type = action->record->fields[0].type;
    const char *at = (const char *)payload_of(record) + 4;
    uint32_t length;
    memcpy(&length, payload_of(record), sizeof length);
    const char *end = at + (length < type->count ? length : type->count);
    strbuf_reset(&s->text);
    for (bool first = true; at < end; first = false) {
        size_t word = strnlen(at, (size_t)(end - at));
        if (!first)
            strbuf_addstr(&s->text, action->format);
        strbuf_add(&s->text, at, word);
        at += word + 1;
    }
    if (s->view.format == VIEW_TEXT) /* in JSON the line has an end of its own */
        strbuf_addch(&s->text, '\n');
    view_print_message(&s->view, VIEW_JOIN, strbuf_text(&s->text), s->text.length);
}

/* ----------------------------------------------------------------------------------------------------------------------
 */

void session_print_text(struct session *s, uint32_t number, const struct lang_action *action, const void *record) {
    format_text(s, number, action, record);
    switch (action->kind) {
    case LANG_ACTION_PRINTF:
        view_print_message(&s->view, VIEW_PRINTF, strbuf_text(&s->text), s->text.length);
        break;
    case LANG_ACTION_CAT:
        print_file(s, strbuf_text(&s->text));
        break;
    case LANG_ACTION_SYSTEM:
        run_command(s, strbuf_text(&s->text));
        break;
    default:
        say(s, action);
    }
}
