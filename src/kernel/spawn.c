#include "kernel/bpf_int.h"
#include "kernel/proc.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* In the child. Waits for one byte (release) or the end of the pipe (the parent gave up or died). */
static _Noreturn void child_run(const char *const *argv, int go_fd, int error_fd) {
    char byte;
    ssize_t got;
    do {
        got = read(go_fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1)
        _exit(125);
    execvp(argv[0], (char *const *)argv);
    int error = errno;
    ssize_t written = write(error_fd, &error, sizeof error); /* the parent reads it; without one nobody cares */
    _exit(written == (ssize_t)sizeof error ? 127 : 126);
}

/* The caller may block, handle or ignore signals; a command expects none of it, and must end while it waits. */
static void child_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void close_pair(const int pair[2]) {
    close(pair[0]);
    close(pair[1]);
}

static int find_program(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int kernel_spawn_find(const char *name) {
    if (strchr(name, '/'))
        return find_program(name);
    const char *at = getenv("PATH");
    int result = -ENOENT;
    for (at = at ? at : "/bin:/usr/bin";; at++) { /* an empty entry is the current directory */
        char path[PATH_MAX];
        int length = (int)strcspn(at, ":");
        if (snprintf(path, sizeof path, "%.*s/%s", length ? length : 1, length ? at : ".", name) < PATH_MAX) {
            int found = find_program(path);
            if (found == 0)
                return 0;
            result = found == -EACCES ? found : result;
        }
        at += length;
        if (*at == '\0')
            return result;
    }
}

int kernel_spawn_stopped(const char *const *argv, struct kernel_child *child) {
    int go[2], report[2];
    if (pipe2(go, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(report, O_CLOEXEC) < 0) {
        int error = -errno;
        close_pair(go);
        return error;
    }
    pid_t pid = fork();
    if (pid < 0) {
        int error = -errno;
        close_pair(go);
        close_pair(report);
        return error;
    }
    if (pid == 0) {
        close(go[1]); /* else the end of the pipe would never come when the parent dies */
        close(report[0]);
        child_signals();
        child_run(argv, go[0], report[1]);
    }
    close(go[0]);
    close(report[1]);
    *child = (struct kernel_child){.pid = pid, .go_fd = go[1], .error_fd = report[0]};
    return 0;
}

static void child_close(struct kernel_child *child) {
    close(child->go_fd);
    close(child->error_fd);
    child->go_fd = child->error_fd = -1;
}

int kernel_spawn_release(struct kernel_child *child) {
    /* MSG_NOSIGNAL does not exist for pipes: a child that was killed meanwhile must not kill us by SIGPIPE. */
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    ssize_t sent = write(child->go_fd, "g", 1);
    int result = sent == 1 ? 0 : -errno;
    if (result == -EPIPE) {
        const struct timespec at_once = {0};
        if (!sigismember(&before, SIGPIPE))
            sigtimedwait(&pipe_signal, NULL, &at_once);
        result = -ESRCH;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0) {
        int error = 0;
        ssize_t got;
        do { /* ends when execve closes the other end */
            got = read(child->error_fd, &error, sizeof error);
        } while (got < 0 && errno == EINTR);
        result = got == (ssize_t)sizeof error ? -error : 0;
    }
    child_close(child);
    return result;
}

void kernel_spawn_cancel(struct kernel_child *child) {
    if (child->go_fd >= 0)
        child_close(child);
    int status;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
}
