/* The process that undoes what a run changed in tracefs, however the run ends.
 *
 * It makes the instance: a process that is killed in the middle of that (which this one is not likely to be) would make
 * the kernel complain. Then it reads from a pipe until its end: first each change, before that is made, as two texts
 * ("path\0before\0"). Then, when the other end is closed by us or by the kernel after our death, it undoes them. It is
 * its own session, so that what is sent to the terminal or to the process group does not reach it. */
#include "kernel/ftrace_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTE_TOP "."

static void read_changes(int fd, struct arena *arena, struct ftrace_undo *undo) {
    struct strbuf text = {0};
    char bytes[4096];

    for (;;) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got > 0)
            strbuf_add(&text, bytes, (size_t)got);
        else if (got == 0 || errno != EINTR)
            break;
    }
    for (size_t at = 0; at < text.length;) {
        struct ftrace_change change = {.path = text.data + at};
        change.before = change.path + strlen(change.path) + 1;
        if (change.before >= text.data + text.length)
            break; /* cut off: we died before we made that change */
        at = (size_t)(change.before - text.data) + strlen(change.before) + 1;
        if (strcmp(change.path, NOTE_TOP) == 0)
            undo->place = NOTE_TOP;
        else
            vec_push(arena, &undo->changes, change);
    }
}

static int move_to(int fd, int target) {
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, target);
    return moved >= 0 ? moved : fd;
}

/* Keeps only its end of the pipe, tracefs and the lock: an output that stayed open here would keep its reader waiting.
 */
static void drop_descriptors(int *pipe_fd, int *root_fd, int *answer_fd) {
    enum { FIRST = 16 };
    *pipe_fd = move_to(*pipe_fd, FIRST);
    *root_fd = move_to(*root_fd, FIRST);
    *answer_fd = move_to(*answer_fd, FIRST);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i <= 2 && nothing >= 0; i++)
        dup2(nothing, i);
    (void)prctl(PR_SET_NAME, "tarsier-cleanup");
}

static _Noreturn void run(int pipe_fd, int answer_fd, struct arena *arena, struct ftrace_undo *undo) {
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setsid();
    drop_descriptors(&pipe_fd, &undo->root_fd, &answer_fd);
    int made = mkdirat(undo->root_fd, undo->instance, 0700) < 0 ? -errno : 0;
    ssize_t sent = write(answer_fd, &made, sizeof made); /* nobody reads it: then the pipe has ended, too */
    close(answer_fd);
    if (made < 0 && sent == (ssize_t)sizeof made)
        _exit(0);
    read_changes(pipe_fd, arena, undo);
    int result = ftrace_undo(undo);
    _exit(result == 0 ? 0 : result < -125 ? 125 : -result);
}

static void close_pair(const int pair[2]) {
    close(pair[0]);
    close(pair[1]);
}

/* What mkdir said. */
static int read_answer(int fd) {
    int answer;
    ssize_t got;

    do {
        got = read(fd, &answer, sizeof answer);
    } while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof answer ? answer : -ECHILD;
}

int ftrace_watchdog_start(struct ftrace_watchdog *watchdog, struct arena *arena, const struct ftrace_undo *undo) {
    int changes[2], answer[2];

    if (pipe2(changes, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(answer, O_CLOEXEC) < 0) {
        int error = -errno;
        close_pair(changes);
        return error;
    }
    pid_t pid = fork();
    if (pid == 0) {
        struct ftrace_undo own = *undo;
        close(changes[1]);
        close(answer[0]);
        run(changes[0], answer[1], arena, &own);
    }
    if (pid < 0) {
        int error = -errno;
        close_pair(changes);
        close_pair(answer);
        return error;
    }
    close(changes[0]);
    close(answer[1]);
    *watchdog = (struct ftrace_watchdog){pid, changes[1]};
    int made = read_answer(answer[0]);
    close(answer[0]);
    return made;
}

static int send_texts(const struct ftrace_watchdog *watchdog, const char *path, const char *before) {
    struct strbuf text = {0};
    sigset_t pipe_signal, old;

    strbuf_add(&text, path, strlen(path) + 1);
    strbuf_add(&text, before, strlen(before) + 1);
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe_signal, &old);
    ssize_t sent = write(watchdog->fd, text.data, text.length);
    int result = sent == (ssize_t)text.length ? 0 : sent < 0 ? -errno : -EIO;
    if (result == -EPIPE) /* it was killed */
        sigtimedwait(&pipe_signal, NULL, &(struct timespec){0});
    sigprocmask(SIG_SETMASK, &old, NULL);
    strbuf_free(&text);
    return result;
}

int ftrace_watchdog_note(const struct ftrace_watchdog *watchdog, const struct ftrace_change *change) {
    return send_texts(watchdog, change->path, change->before);
}

int ftrace_watchdog_note_top(const struct ftrace_watchdog *watchdog) { return send_texts(watchdog, NOTE_TOP, ""); }

int ftrace_watchdog_end(struct ftrace_watchdog *watchdog) {
    int status;

    close(watchdog->fd);
    while (waitpid(watchdog->pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -ECHILD;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
