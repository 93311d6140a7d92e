/* Sets a tracer up, and undoes it. */
#include "kernel/ftrace.h"
#include "kernel/ftrace_int.h"
#include "kernel/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_MAX = 1 << 20,
    LOCK_TRIES = 100, /* of 100 ms: how long another run may take to start */
    REMOVE_TRIES = 100,
    TRY_MS = 100,
    WAKE_PERCENT = 25,
};

struct kernel_ftrace {
    struct arena *arena;
    const struct kernel_tracefs *tracefs;
    const struct kernel_ftrace_spec *spec;
    struct ftrace_undo undo;
    struct ftrace_watchdog watchdog;
    int place_fd;  /* directory of the instance, or of tracefs */
    int own_fd;    /* of the instance in any case: locked while we live */
    int starts_fd; /* instances/: locked while we start */
    struct kernel_cpus cpus;
    int *pages; /* for each online CPU */
};

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* A word counts when something follows it: else the kernel takes it when the file is closed, and the error is lost. */
int ftrace_write(int directory_fd, const char *path, const char *text) {
    char line[4096];
    int length = snprintf(line, sizeof line, *text ? "%s\n" : "%s", text);
    int fd = length < (int)sizeof line ? openat(directory_fd, path, O_WRONLY | O_CLOEXEC | (length ? 0 : O_TRUNC)) : -1;
    if (fd < 0)
        return length < (int)sizeof line ? -errno : -E2BIG;
    ssize_t written = length ? write(fd, line, (size_t)length) : 0;
    int result = written < 0 ? -errno : 0;
    close(fd);
    return result;
}

static void pause_ms(unsigned milliseconds) {
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

/* Files of it stay open for some moments when their process was killed. */
static int remove_instance(int root_fd, const char *instance) {
    for (int i = 0;; i++) {
        if (unlinkat(root_fd, instance, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY || i == REMOVE_TRIES)
            return -errno;
        pause_ms(TRY_MS);
    }
}

int ftrace_undo(const struct ftrace_undo *undo) {
    int result = 0;
    int place_fd = openat(undo->root_fd, undo->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    /* First of all nothing is traced any more: without its filters the tracer would trace everything. */
    if (place_fd >= 0 && (undo->changes.count || strcmp(undo->place, ".") != 0)) {
        ftrace_write(place_fd, "tracing_on", "0");
        result = ftrace_write(place_fd, "current_tracer", "nop");
    }
    for (uint32_t i = undo->changes.count; i-- > 0;) {
        int error = ftrace_write(undo->root_fd, undo->changes.data[i].path, undo->changes.data[i].before);
        result = result == 0 ? error : result;
    }
    if (place_fd >= 0)
        close(place_fd);
    int error = remove_instance(undo->root_fd, undo->instance);
    return result == 0 ? error : result;
}

/* ---- failures ------------------------------------------------------------------------------------------------ */

static int fail(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem, int error, const char *what) {
    problem->message = arena_printf(ftrace->arena, "%s: %s", what, strerror(-error));
    problem->hint = error == -EPERM || error == -EACCES
                        ? "tracefs wants root (CAP_SYS_ADMIN), and a kernel that is not locked down"
                        : NULL;
    return error;
}

/* ---- settings ------------------------------------------------------------------------------------------------ */

/* What is written to have a setting again as it was: "local [mono] x86-tsc" -> mono, "7 (expanded: 1408)" -> 1408,
 * "12\n" -> 12, "no pid" and "#### all functions enabled ####" -> nothing. */
const char *ftrace_setting_in(struct arena *arena, const char *text) {
    const char *open = strchr(text, '['), *expanded = strstr(text, "expanded: ");
    const char *begin = open ? open + 1 : expanded ? expanded + strlen("expanded: ") : text;

    if (*text == '#' || str_starts(text, "no pid"))
        return "";
    return arena_strndup(arena, begin, strcspn(begin, "])\n"));
}

/* A file of the top: what was there is put back at the end. */
static int set_at_top(struct kernel_ftrace *ftrace, const char *path, const char *text) {
    struct strbuf now = {0};
    int error = kernel_read_file_at(ftrace->undo.root_fd, path, &now, TEXT_MAX);
    const struct ftrace_change change = {arena_strdup(ftrace->arena, path),
                                         ftrace_setting_in(ftrace->arena, strbuf_text(&now))};

    strbuf_free(&now);
    if (error == 0)
        error = ftrace_watchdog_note(&ftrace->watchdog, &change);
    if (error < 0)
        return error;
    vec_push(ftrace->arena, &ftrace->undo.changes, change);
    if (strcmp(path, "trace_clock") == 0)
        ftrace_write(ftrace->own_fd, path, change.before); /* where ftrace_remove_leftovers() finds it */
    return ftrace_write(ftrace->undo.root_fd, path, text);
}

static bool has_file(const struct kernel_ftrace *ftrace, const char *path) {
    return faccessat(ftrace->place_fd, path, F_OK, 0) == 0;
}

/* A setting of our own instance vanishes with it; what an instance does not have is the whole system's. */
static int set(struct kernel_ftrace *ftrace, const char *path, const char *text,
               struct kernel_ftrace_problem *problem) {
    bool is_own = kernel_ftrace_is_private(ftrace) && has_file(ftrace, path);
    int error = is_own ? ftrace_write(ftrace->place_fd, path, text) : set_at_top(ftrace, path, text);

    if (error < 0)
        fail(ftrace, problem, error, arena_printf(ftrace->arena, "writing \"%.60s\" to %s of tracefs", text, path));
    return error;
}

static int add_filter(struct kernel_ftrace *ftrace, const char *path, const char *const *names, uint32_t count,
                      struct kernel_ftrace_problem *problem) {
    struct arena *arena = ftrace->arena;
    int directory_fd = has_file(ftrace, path) ? ftrace->place_fd : ftrace->undo.root_fd;

    for (uint32_t i = 0; i < count; i++) {
        int error = i == 0 ? set(ftrace, path, names[i], problem) : ftrace_write(directory_fd, path, names[i]);
        if (error < 0)
            fail(ftrace, problem, error, arena_printf(arena, "writing \"%s\" to %s of tracefs", names[i], path));
        if (error == -EINVAL) {
            problem->message = arena_printf(arena, "this kernel traces no function \"%s\"", names[i]);
            problem->hint = "it does not exist, is inlined where it is called, or may not be traced; "
                            "tarsier -l 'kprobe:*NAME*' lists those that can be";
        }
        if (error < 0)
            return error;
    }
    return 0;
}

static int set_threads(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    const struct kernel_ftrace_spec *spec = ftrace->spec;
    char number[24];
    int error = 0;

    if (spec->thread_count)
        error = set(ftrace, "options/function-fork", spec->follows ? "1" : "0", problem);
    for (uint32_t i = 0; i < spec->thread_count && error == 0; i++) {
        snprintf(number, sizeof number, "%d", (int)spec->threads[i]);
        error = i == 0 ? set(ftrace, "set_ftrace_pid", number, problem)
                       : ftrace_write(ftrace->place_fd, "set_ftrace_pid", number);
        if (i && error < 0)
            fail(ftrace, problem, error, "writing the threads to set_ftrace_pid of tracefs");
    }
    if (!spec->thread_count && has_file(ftrace, "set_ftrace_notrace_pid")) {
        snprintf(number, sizeof number, "%d", (int)getpid());
        error = set(ftrace, "set_ftrace_notrace_pid", number, problem);
    }
    return error;
}

/* In this order: the filters before the tracer, and nothing is traced until the start. Undone in reverse. */
static int set_all(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    const struct kernel_ftrace_spec *spec = ftrace->spec;
    struct arena *arena = ftrace->arena;
    const struct {
        const char *path, *text;
    } plain[] = {
        {"trace", ""}, /* undone: what is left of ours in the buffers of the top */
        {"tracing_on", "0"},
        {"trace_clock", "mono"},
        {"buffer_size_kb", arena_printf(arena, "%llu", (unsigned long long)spec->buffer_kb)},
        {"options/overwrite", "1"},
        {"events/task/task_newtask/enable", "1"}, /* names and kinship of new tasks */
        {"events/task/task_rename/enable", "1"},
        {"max_graph_depth", arena_printf(arena, "%u", spec->depth)},
    };
    int error = 0;

    for (size_t i = 0; i < sizeof plain / sizeof *plain && error == 0; i++) {
        bool is_wanted = i + 1 < sizeof plain / sizeof *plain || spec->depth;
        error = is_wanted ? set(ftrace, plain[i].path, plain[i].text, problem) : 0;
    }
    error =
        error == 0 ? add_filter(ftrace, "set_graph_function", spec->functions, spec->function_count, problem) : error;
    error = error == 0 ? add_filter(ftrace, "set_graph_notrace", spec->not_functions, spec->not_function_count, problem)
                       : error;
    error = error == 0 ? add_filter(ftrace, "set_ftrace_filter", spec->only, spec->only_count, problem) : error;
    error = error == 0 ? set_threads(ftrace, problem) : error;
    error = error == 0 ? set(ftrace, "current_tracer", spec->tracer, problem) : error;
    if (error == 0 && has_file(ftrace, "buffer_percent") && kernel_ftrace_is_private(ftrace))
        ftrace_write(ftrace->place_fd, "buffer_percent", arena_printf(arena, "%d", WAKE_PERCENT));
    return error;
}

/* ---- the place ----------------------------------------------------------------------------------------------- */

static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at += length) {
        bool begins = at == text || at[-1] == ' ', ends = at[length] == '\0' || strchr(" \n", at[length]);
        if (begins && ends)
            return true;
    }
    return false;
}

static int has_tracer(struct kernel_ftrace *ftrace, int directory_fd, struct kernel_ftrace_problem *problem) {
    struct strbuf text = {0};
    int error = kernel_read_file_at(directory_fd, "available_tracers", &text, TEXT_MAX);
    int result = error < 0 && error != -ENOENT ? error : has_word(strbuf_text(&text), ftrace->spec->tracer);

    if (result < 0)
        fail(ftrace, problem, result, "reading available_tracers of tracefs");
    strbuf_free(&text);
    return result;
}

static int lock_starts(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    ftrace->starts_fd = openat(ftrace->undo.root_fd, "instances", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ftrace->starts_fd < 0)
        return fail(ftrace, problem, -errno, "opening instances of tracefs");
    for (int i = 0; flock(ftrace->starts_fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_TRIES)
            return fail(ftrace, problem, -errno, "locking instances of tracefs (another tarsier is starting)");
        pause_ms(TRY_MS);
    }
    return 0;
}

static int make_instance(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    int root_fd = ftrace->undo.root_fd;
    const char *instance = ftrace->undo.instance;
    int error = ftrace_watchdog_start(&ftrace->watchdog, ftrace->arena, &ftrace->undo);

    if (error < 0)
        return fail(ftrace, problem, error, arena_printf(ftrace->arena, "making %s in tracefs", instance));
    ftrace->own_fd = openat(root_fd, instance, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ftrace->own_fd < 0 || flock(ftrace->own_fd, LOCK_EX | LOCK_NB) < 0)
        return fail(ftrace, problem, -errno, arena_printf(ftrace->arena, "opening %s of tracefs", instance));
    int is_there = has_tracer(ftrace, ftrace->own_fd, problem);
    if (is_there == 0) {
        ftrace->undo.place = ".";
        error = ftrace_watchdog_note_top(&ftrace->watchdog);
        if (error < 0)
            return fail(ftrace, problem, error, "the process that cleans up has ended");
    }
    ftrace->place_fd = is_there > 0 ? ftrace->own_fd : root_fd;
    return is_there < 0 ? is_there : 0;
}

static int set_up(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    const struct kernel_ftrace_spec *spec = ftrace->spec;
    int error = has_tracer(ftrace, ftrace->undo.root_fd, problem);

    if (error == 0) {
        problem->is_absent = true;
        problem->message = arena_printf(ftrace->arena, "this kernel has no %s tracer", spec->tracer);
        return -ENOTSUP;
    }
    error = error < 0 ? error : lock_starts(ftrace, problem);
    if (error < 0)
        return error;
    ftrace_remove_leftovers(ftrace->arena, ftrace->tracefs);
    error = make_instance(ftrace, problem);
    bool with_filters = spec->function_count || spec->not_function_count || spec->depth;
    if (error == 0)
        error = ftrace_check_others(ftrace->arena, ftrace->tracefs, ftrace->undo.instance,
                                    !kernel_ftrace_is_private(ftrace), with_filters, problem);
    if (error == 0)
        error = set_all(ftrace, problem);
    flock(ftrace->starts_fd, LOCK_UN); /* the watchdog has it too */
    return error;
}

static int open_pages(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    int error = kernel_cpus_read(ftrace->arena, &ftrace->cpus);

    if (error < 0)
        return fail(ftrace, problem, error, "reading the list of CPUs");
    ftrace->pages = arena_new_array(ftrace->arena, int, ftrace->cpus.count_online);
    for (uint32_t i = 0; i < ftrace->cpus.count_online; i++)
        ftrace->pages[i] = -1;
    for (uint32_t i = 0; i < ftrace->cpus.count_online; i++) {
        const char *path = arena_printf(ftrace->arena, "per_cpu/cpu%u/trace_pipe_raw", ftrace->cpus.online[i]);
        ftrace->pages[i] = openat(ftrace->place_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (ftrace->pages[i] < 0)
            return fail(ftrace, problem, -errno, arena_printf(ftrace->arena, "opening %s of tracefs", path));
    }
    return 0;
}

struct kernel_ftrace *kernel_ftrace_open(struct arena *arena, const struct kernel_tracefs *tracefs,
                                         const struct kernel_ftrace_spec *spec, struct kernel_ftrace_problem *problem) {
    struct kernel_ftrace *ftrace = arena_make(arena, struct kernel_ftrace);
    const char *instance = arena_printf(arena, "instances/" FTRACE_OWN_PREFIX "%d", (int)getpid());

    *ftrace = (struct kernel_ftrace){.arena = arena, .tracefs = tracefs, .spec = spec, .own_fd = -1, .place_fd = -1};
    *problem = (struct kernel_ftrace_problem){0};
    ftrace->starts_fd = -1;
    ftrace->undo = (struct ftrace_undo){.root_fd = kernel_tracefs_fd(tracefs), .instance = instance, .place = instance};
    int error = set_up(ftrace, problem);
    if (error == 0)
        error = open_pages(ftrace, problem);
    if (error == 0)
        return ftrace;
    struct kernel_ftrace_problem ignored;
    kernel_ftrace_close(ftrace, &ignored);
    return NULL;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

int kernel_ftrace_start(struct kernel_ftrace *ftrace) { return ftrace_write(ftrace->place_fd, "tracing_on", "1"); }

int kernel_ftrace_stop(struct kernel_ftrace *ftrace) { return ftrace_write(ftrace->place_fd, "tracing_on", "0"); }

bool kernel_ftrace_is_private(const struct kernel_ftrace *ftrace) { return ftrace->undo.place[0] != '.'; }

uint32_t kernel_ftrace_cpu_count(const struct kernel_ftrace *ftrace) { return ftrace->cpus.count_online; }

uint32_t kernel_ftrace_cpu(const struct kernel_ftrace *ftrace, uint32_t index) { return ftrace->cpus.online[index]; }

ssize_t kernel_ftrace_read(struct kernel_ftrace *ftrace, uint32_t index, void *page) {
    ssize_t got = read(ftrace->pages[index], page, KERNEL_FTRACE_PAGE_MAX);

    if (got >= 0)
        return got;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

bool kernel_ftrace_wait(struct kernel_ftrace *ftrace, const int *stop_fds, uint32_t stop_count, int timeout_ms) {
    uint32_t count = ftrace->cpus.count_online;
    struct pollfd *fds = calloc(count + stop_count, sizeof *fds);
    bool stop = false;

    if (!fds)
        arena_out_of_memory(count * sizeof *fds);
    for (uint32_t i = 0; i < stop_count + count; i++)
        fds[i] = (struct pollfd){i < stop_count ? stop_fds[i] : ftrace->pages[i - stop_count], POLLIN, 0};
    int ready = poll(fds, stop_count + count, timeout_ms);
    for (uint32_t i = 0; ready > 0 && i < stop_count; i++)
        stop |= fds[i].revents != 0;
    free(fds);
    return stop;
}

int kernel_ftrace_read_file(const struct kernel_ftrace *ftrace, const char *path, struct strbuf *out) {
    return kernel_read_file_at(ftrace->place_fd, path, out, TEXT_MAX);
}

static void close_descriptors(struct kernel_ftrace *ftrace) {
    for (uint32_t i = 0; ftrace->pages && i < ftrace->cpus.count_online; i++) {
        if (ftrace->pages[i] >= 0)
            close(ftrace->pages[i]);
    }
    if (ftrace->starts_fd >= 0)
        close(ftrace->starts_fd);
    if (ftrace->own_fd >= 0)
        close(ftrace->own_fd);
}

int kernel_ftrace_close(struct kernel_ftrace *ftrace, struct kernel_ftrace_problem *problem) {
    int error = 0;

    close_descriptors(ftrace);
    if (ftrace->watchdog.pid)
        error = ftrace_watchdog_end(&ftrace->watchdog);
    if (error == -ECHILD)
        error = ftrace_undo(&ftrace->undo);
    if (error < 0)
        fail(ftrace, problem, error, arena_printf(ftrace->arena, "removing %s from tracefs", ftrace->undo.instance));
    return error;
}
