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

enum { WATCH_STOP, WATCH_TARGET, WATCH_USER, WATCH_STACKS, WATCHED };

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
    s->probes.pid = s->options->sink ? 0 : s->child.pid;
    s->env.child_pid = (uint32_t)s->child.pid;
    return SESSION_OK;
}

static int watch_target(struct session *s) {
    pid_t pid = s->child.pid ? s->child.pid : s->options->pid;
    if (!pid)
        return SESSION_OK;
    if (!kernel_pid_alive(pid)) {
        fprintf(stderr, "ERROR: there is no process with id %d\n", (int)pid);
        return SESSION_USER_ERROR;
    }
    s->target_fd = kernel_pidfd_open(pid);
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

int session_drain(struct session *s) {
    if (!s->rings)
        return SESSION_OK;
    int64_t count = kernel_rings_drain(s->rings, session_record, s);
    view_output_settle(s->view.out);
    return count < 0 && count != -EINTR ? session_system_error("reading events", (int)count) : SESSION_OK;
}

static int watched_fd(const struct session *s, uint32_t which) {
    switch (which) {
    case WATCH_STOP:
        return s->options->stop_fd;
    case WATCH_TARGET:
        return s->target_fd;
    case WATCH_STACKS:
        return s->unwind ? unwind_store_wait_fd(s->unwind) : -1;
    default:
        return s->options->user_fd;
    }
}

/* What a watched descriptor says: the user wants the results, the target has ended, or a signal for `self` blocks.
 * Signals that came before the end have their blocks run in any case. */
static int notice(struct session *s, uint32_t which) {
    uint64_t times;
    if (which == WATCH_STACKS) {
        session_drain_stacks(s);
        return SESSION_OK;
    }
    int result = SESSION_OK;
    if (read(s->options->user_fd, &times, sizeof times) != sizeof times)
        times = 0;
    for (uint64_t i = 0; i < times && result == SESSION_OK && !s->stop; i++)
        result = session_run_blocks(s, SESSION_AT_SIGNAL);
    s->stop |= which != WATCH_USER;
    return result;
}

static int wait_without_rings(struct session *s, int epoll_fd) {
    struct epoll_event ready;
    int count = epoll_wait(epoll_fd, &ready, 1, -1);
    if (count == 1)
        return notice(s, ready.data.u32);
    return count < 0 && errno != EINTR ? session_system_error("waiting", -errno) : SESSION_OK;
}

static int loop_without_rings(struct session *s) {
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC), result = SESSION_OK;
    for (uint32_t i = 0; i < WATCHED; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        if (watched_fd(s, i) >= 0)
            epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watched_fd(s, i), &event);
    }
    while (!s->stop && result == SESSION_OK)
        result = wait_without_rings(s, epoll_fd);
    close(epoll_fd);
    return result;
}

static int loop_with_rings(struct session *s) {
    for (uint32_t i = 0; i < WATCHED; i++) {
        if (watched_fd(s, i) >= 0)
            kernel_rings_watch(s->rings, watched_fd(s, i), i);
    }
    /* what came between attaching and leaving of a dry run is nobody's */
    int result = s->options->dry_run ? SESSION_OK : session_drain(s);
    while (!s->stop && result == SESSION_OK) {
        uint32_t ready[WATCHED];
        int count = kernel_rings_wait(s->rings, kernel_rings_timeout(s->rings), ready, WATCHED);
        if (count < 0 && count != -EINTR)
            return session_system_error("waiting for events", count);
        for (int i = 0; i < count && result == SESSION_OK; i++)
            result = notice(s, ready[i]);
        int drained = session_drain(s);
        result = result == SESSION_OK ? drained : result;
    }
    return result;
}

int session_events(struct session *s) { return s->rings ? loop_with_rings(s) : loop_without_rings(s); }

/* ---- blocks without events ------------------------------------------------------------------------------------- */

int session_run_blocks(struct session *s, enum session_moment moment) {
    for (uint32_t i = 0; i < s->units.count && !(moment != SESSION_AT_END && s->stop); i++) {
        struct session_unit *unit = s->units.data[i];
        uint32_t ignored;
        if (unit->moment != moment)
            continue;
        int error = session_run_once(s, unit, &ignored);
        if (error < 0) {
            char what[64];
            snprintf(what, sizeof what, "running %s", unit->target.name);
            return session_system_error(what, error);
        }
        int result = session_drain(s);
        if (result != SESSION_OK)
            return result;
    }
    return SESSION_OK;
}

static bool has_blocks(const struct session *s, enum session_moment moment) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        if (s->units.data[i]->moment == moment)
            return true;
    }
    return false;
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
    /* what came between attaching and leaving of a dry run is nobody's */
    int result = s->options->dry_run ? SESSION_OK : session_drain(s);
    s->is_ending = true;
    s->exit_dropped = false; /* exit() ends the events; the end blocks still speak */
    bool ended = view_output_ended(s->view.out);
    if (result == SESSION_OK && !ended && !s->options->dry_run)
        result = session_run_blocks(s, SESSION_AT_END);
    if (s->options->sink) {
        session_report_failures(s);
        session_sink_end(s);
        return result;
    }
    if (s->options->format == VIEW_TEXT) /* always, as scripts around bpftrace expect */
        view_output_write(s->view.out, "\n\n", 2);
    session_report_failures(s);
    if (!s->options->dry_run && s->options->mode == SESSION_TRACE && s->settings.print_maps_on_exit)
        session_print_all_maps(s);
    return result;
}

/* What has no event is attached by being there, also when begin ends the run before anything else is attached. */
static void count_blocks(struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        if (s->units.data[i]->targets.items.data[0]->mechanism == PROBE_RUN_ONCE)
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
    int result = s->options->dry_run ? SESSION_OK : session_run_blocks(s, SESSION_AT_BEGIN);
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

/* Until there is nothing more to be told. */
static int watch(struct session *s) {
    if (has_blocks(s, SESSION_AT_READING))
        return session_read_iterators(s);
    if (has_blocks(s, SESSION_AT_EVENT) || has_blocks(s, SESSION_AT_SIGNAL))
        return session_events(s);
    return SESSION_OK;
}

/* --test, --bench: nothing is attached. */
static int try_out(struct session *s) {
    int code = SESSION_OK;
    int result = session_run_blocks(s, SESSION_AT_BEGIN);
    if (result == SESSION_OK && !s->stop)
        result = s->options->mode == SESSION_TEST ? session_tests(s, &code) : session_benches(s, &code);
    int finished = finish(s);
    result = result != SESSION_OK ? result : finished;
    return result != SESSION_OK ? result : code;
}

static int trace(struct session *s) {
    if (s->options->mode != SESSION_TRACE)
        return try_out(s);
    int result = start(s);
    if (result != SESSION_OK)
        return result;
    s->attached_at = kernel_boottime_ns();
    if (!s->options->dry_run && !s->stop) {
        result = release_command(s);
        if (result == SESSION_OK)
            result = watch(s);
    }
    s->detached_at = kernel_boottime_ns();
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

/* --no-feature */
static void deny_features(struct session *s) {
    static const struct {
        const char *name;
        enum kernel_feature id;
    } features[] = {{"kprobe_multi", KERNEL_FEATURE_KPROBE_MULTI}, {"uprobe_multi", KERNEL_FEATURE_UPROBE_MULTI}};
    const char *names = s->options->no_features ? s->options->no_features : "";
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        if (strstr(names, features[i].name))
            kernel_feature_deny(s->features, features[i].id);
    }
}

static int check_types_file(struct session *s) {
    const char *problem = probe_types_problem(&s->probes);
    if (!problem)
        return SESSION_OK;
    fprintf(stderr, "ERROR: --types %s: %s\n", s->options->types, problem);
    return SESSION_USER_ERROR;
}

int session_run(const struct session_options *options) {
    struct arena *arena = arena_new();
    struct session *s = arena_make(arena, struct session);
    s->options = options;
    s->arena = arena;
    s->target_fd = s->map_btf_fd = -1;
    s->view = (struct view){.out = view_output_new(options->output_fd, options->buffering),
                            .format = options->format,
                            .plain = options->plain};
    diag_init(&s->diags, arena, &options->source);
    s->features = kernel_features_new(arena);
    kernel_cpus_read(arena, &s->cpus);
    probe_context_init(&s->probes, arena);
    s->probes.features = s->features;
    s->probes.functions_path = options->traceable_functions;
    deny_features(s);
    s->probes.pid = options->sink ? 0 : options->pid;
    s->probes.unsafe = options->allow_unsafe;
    s->probes.types_path = options->types;
    s->probes.debug_directories = probe_directories(arena, options->debuginfo);
    session_environment(s);
    allow_many_files();

    int result = check_types_file(s);
    if (result == SESSION_OK)
        result = start_command(s);
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
    int packets = session_close_packets(s);
    result = close_output(s, result == SESSION_OK ? packets : result);
    arena_free(arena);
    return result;
}
