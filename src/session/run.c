/* A run from begin to end: see session_run(), the table of contents. */
#include "session/session_int.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCH_STOP, WATCH_TARGET };

/* ---- targets -------------------------------------------------------------------------------------------------- */

static int command_error(const struct session *s, int error) {
    fprintf(stderr, "ERROR: cannot run %s: %s\n", s->options->command[0], strerror(-error));
    return SESSION_USER_ERROR;
}

static int start_command(struct session *s) {
    if (!s->options->command)
        return SESSION_OK;
    int error = kernel_spawn_find(s->options->command[0]);
    if (error < 0)
        return command_error(s, error);
    error = kernel_spawn_stopped(s->options->command, &s->child);
    if (error < 0)
        return session_system_error("starting the command of -c", error);
    s->probes.pid = s->child.pid;
    s->env.child_pid = (uint32_t)s->child.pid;
    return SESSION_OK;
}

static int watch_target(struct session *s) {
    if (!s->probes.pid)
        return SESSION_OK;
    if (!kernel_pid_alive(s->probes.pid)) {
        fprintf(stderr, "ERROR: there is no process with id %d\n", (int)s->probes.pid);
        return SESSION_USER_ERROR;
    }
    s->target_fd = kernel_pidfd_open(s->probes.pid);
    if (s->target_fd < 0)
        return session_system_error("watching the traced process", s->target_fd);
    return SESSION_OK;
}

static int release_command(struct session *s) {
    if (!s->child.pid)
        return SESSION_OK;
    int error = kernel_spawn_release(&s->child);
    if (error < 0)
        return command_error(s, error);
    symbol_learn_process(s->symbols, (uint32_t)s->child.pid);
    return SESSION_OK;
}

static void end_command(struct session *s) {
    if (!s->child.pid)
        return;
    kill(s->child.pid, SIGTERM);
    waitpid(s->child.pid, &s->child_status, 0);
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static int drain(struct session *s) {
    if (!s->rings)
        return SESSION_OK;
    int64_t count = kernel_rings_drain(s->rings, session_record, s);
    view_output_settle(s->view.out);
    return count < 0 && count != -EINTR ? session_system_error("reading events", (int)count) : SESSION_OK;
}

static int wait_without_rings(struct session *s, int epoll_fd) {
    struct epoll_event ready;
    int count = epoll_wait(epoll_fd, &ready, 1, -1);
    if (count == 1) /* the user wants the results, or the target has ended */
        s->stop = true;
    return count < 0 && errno != EINTR ? session_system_error("waiting", -errno) : SESSION_OK;
}

static int loop_without_rings(struct session *s) {
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), result = SESSION_OK;
    const int fds[] = {[WATCH_STOP] = s->options->stop_fd, [WATCH_TARGET] = s->target_fd};
    for (uint32_t i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (fds[i] >= 0)
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &event);
    }
    while (!s->stop && result == SESSION_OK)
        result = wait_without_rings(s, epoll_fd);
    close(epoll_fd);
    return result;
}

static int loop_with_rings(struct session *s) {
    if (s->options->stop_fd >= 0)
        kernel_rings_watch(s->rings, s->options->stop_fd, WATCH_STOP);
    if (s->target_fd >= 0)
        kernel_rings_watch(s->rings, s->target_fd, WATCH_TARGET);
    int result = drain(s);
    while (!s->stop && result == SESSION_OK) {
        uint32_t ready[2];
        int count = kernel_rings_wait(s->rings, kernel_rings_timeout(s->rings), ready, 2);
        if (count < 0 && count != -EINTR)
            return session_system_error("waiting for events", count);
        s->stop = s->stop || count > 0;
        result = drain(s);
    }
    return result;
}

int session_events(struct session *s) { return s->rings ? loop_with_rings(s) : loop_without_rings(s); }

/* ---- begin and end --------------------------------------------------------------------------------------------- */

static int run_blocks(struct session *s, bool begin) {
    for (uint32_t i = 0; i < s->units.count && !(begin && s->stop); i++) {
        struct session_unit *unit = s->units.data[i];
        uint32_t ignored;
        if (!(begin ? unit->is_begin : unit->is_end))
            continue;
        int error = kernel_program_test_run(unit->program_fd, NULL, 0, &ignored);
        if (error < 0)
            return session_system_error(begin ? "running begin" : "running end", error);
        int result = drain(s);
        if (result != SESSION_OK)
            return result;
    }
    return SESSION_OK;
}

static bool only_begin_and_end(const struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        if (!s->units.data[i]->is_begin && !s->units.data[i]->is_end)
            return false;
    }
    return true;
}

static void detach(struct session *s) {
    struct probe_link **links = arena_new_array(s->arena, struct probe_link *, s->units.count + 1);
    for (uint32_t i = 0; i < s->units.count; i++) {
        links[i] = &s->units.data[i]->link;
        s->units.data[i]->missed = probe_missed(links[i]);
    }
    probe_leave_all(links, s->units.count);
}

/* bpftrace's tests wait for this line. */
static const char attached_mark[] = "__BPFTRACE_NOTIFY_PROBES_ATTACHED";

static void announce(struct session *s) {
    if (!s->options->quiet) {
        if (s->options->format == VIEW_JSON)
            view_print_attached(&s->view, s->attached);
        fprintf(stderr, "Attached %" PRIu64 " probe%s\n", s->attached, s->attached == 1 ? "" : "s");
    }
    if (getenv(attached_mark)) {
        view_output_write(s->view.out, attached_mark, sizeof attached_mark - 1);
        view_output_write(s->view.out, "\n", 1);
    }
    view_output_settle(s->view.out);
}

/* Results: what is still in the rings, the end blocks, warnings, an empty line, the maps. */
static int finish(struct session *s) {
    int result = drain(s);
    s->exit_dropped = false; /* exit() ends the events; the end blocks still speak */
    bool ended = view_output_ended(s->view.out);
    if (result == SESSION_OK && !ended && !s->options->dry_run)
        result = run_blocks(s, false);
    if (s->options->format == VIEW_TEXT) /* always, as scripts around bpftrace expect */
        view_output_write(s->view.out, "\n\n", 2);
    session_report_failures(s);
    if (!s->options->dry_run && s->settings.print_maps_on_exit)
        session_print_all_maps(s);
    return result;
}

/* begin and end are attached by being there, also when begin ends the run before anything else is attached. */
static void count_blocks(struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        if (s->units.data[i]->is_begin || s->units.data[i]->is_end)
            s->attached += s->units.data[i]->targets.items.count;
    }
}

/* The number of probes comes first, and it is known only after begin has run: what begin prints waits in memory. Gives
 * the output to be put back, or NULL when nothing has to wait. */
static struct view_output *hold_output(struct session *s, int *memory) {
    struct view_output *out = s->view.out;
    *memory = !s->options->quiet || getenv(attached_mark) ? memfd_create("begin", MFD_CLOEXEC) : -1;
    if (*memory < 0)
        return NULL;
    s->view.out = view_output_new(*memory, VIEW_BUFFER_FULL);
    return out;
}

static void release_output(struct view_output *out, int memory) {
    char bytes[4096];
    if (!out)
        return;
    lseek(memory, 0, SEEK_SET);
    for (ssize_t length; (length = read(memory, bytes, sizeof bytes)) > 0;)
        view_output_write(out, bytes, (size_t)length);
    view_output_settle(out);
    close(memory);
}

/* begin, then everything else is attached; says how many probes there are. */
static int start(struct session *s) {
    int memory;
    struct view_output *out = hold_output(s, &memory);
    count_blocks(s);
    int result = s->options->dry_run ? SESSION_OK : run_blocks(s, true);
    if (result == SESSION_OK && !s->stop)
        result = session_attach(s);
    if (out) {
        view_output_free(s->view.out);
        s->view.out = out;
    }
    if (result == SESSION_OK)
        announce(s);
    release_output(out, memory);
    return result;
}

static int trace(struct session *s) {
    int result = start(s);
    if (result != SESSION_OK)
        return result;
    if (!s->options->dry_run && !s->stop) {
        result = release_command(s);
        if (result == SESSION_OK && !only_begin_and_end(s))
            result = session_events(s);
    }
    detach(s);
    end_command(s);
    if (result == SESSION_USER_ERROR) /* the command cannot run: there is nothing to tell */
        return result;
    int finished = finish(s);
    return result != SESSION_OK ? result : finished;
}

static int close_output(struct session *s, int result) {
    int error = view_output_free(s->view.out);
    if (error < 0) {
        fprintf(stderr, "ERROR: cannot write the results to %s: %s; the rest of them is lost\n",
                s->options->output_name, strerror(-error));
        return SESSION_OUTPUT_ERROR;
    }
    return result;
}

static int run_program(struct session *s) {
    int result = session_create_maps(s);
    if (result == SESSION_OK)
        result = session_load(s);
    if (result != SESSION_OK)
        return result;
    session_names(s);
    s->formats = arena_new_array(s->arena, struct view_printf *, s->plan->actions.count + 1);
    if (s->options->pid)
        symbol_learn_process(s->symbols, (uint32_t)s->options->pid);
    result = trace(s);
    return result == SESSION_OK ? s->exit_code : result;
}

static void allow_many_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int session_run(const struct session_options *options) {
    struct arena *arena = arena_new();
    struct session *s = arena_make(arena, struct session);
    s->options = options;
    s->arena = arena;
    s->target_fd = s->map_btf_fd = -1;
    s->view = (struct view){.out = view_output_new(options->output_fd, options->buffering), .format = options->format};
    diag_init(&s->diags, arena, &options->source);
    s->features = kernel_features_new(arena);
    kernel_cpus_read(arena, &s->cpus);
    probe_context_init(&s->probes, arena);
    s->probes.features = s->features;
    s->probes.pid = options->pid;
    s->probes.unsafe = options->allow_unsafe;
    session_environment(s);
    allow_many_files();

    int result = start_command(s);
    if (result == SESSION_OK)
        result = watch_target(s);
    if (result == SESSION_OK)
        result = session_compile(s);
    if (result == SESSION_OK && !options->stages && !options->list && !options->compile_only) {
        signal(SIGPIPE, SIG_IGN); /* `| head`: seen as EPIPE by the output, which ends the run quietly */
        result = run_program(s);
    } else if (s->child.pid) {
        kernel_spawn_cancel(&s->child);
    }
    session_close(s);
    result = close_output(s, result);
    arena_free(arena);
    return result;
}
