/* Loading and attaching. A program that the kernel's verifier refuses is a bug of ours: the script line is shown. */
#include "session/session_int.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int session_system_error(const char *what, int error) {
    fprintf(stderr, "ERROR: %s: %s\n", what, strerror(-error));
    if (error == -EPERM || error == -EACCES)
        fprintf(stderr, "HINT: this needs root, or the capabilities CAP_BPF and CAP_PERFMON; `tarsier info` shows what "
                        "this kernel allows and why not\n");
    return SESSION_SYSTEM_ERROR;
}

static void patch(struct session *s, struct bpf_program *program) {
    for (uint32_t i = 0; i < program->relocs.count; i++) {
        const struct bpf_reloc *reloc = &program->relocs.data[i];
        struct bpf_insn *instruction = &program->instructions.data[reloc->instruction];
        instruction->imm = s->maps[reloc->map].fd;
    }
}

/* The verifier's log ends with the instruction it refused: "17: (85) call ..." lines, then the reason. */
static void show_refusal(struct session *s, const struct session_unit *unit, const char *log) {
    long last = -1;
    const char *reason = "";
    for (const char *line = log; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        char *end;
        long number = strtol(line, &end, 10);
        if (end > line && end[0] == ':' && end[1] == ' ' && end[2] == '(')
            last = number;
        else if (*line != ';' && strncmp(line, "processed ", 10) != 0 && !(end > line && *end == ':') &&
                 strncmp(line, "verification time", 17) != 0 && *line != '\n')
            reason = line;
    }
    struct loc loc = unit->lang.probe->loc;
    for (uint32_t i = 0; i < unit->program.lines.count; i++) {
        if ((long)unit->program.lines.data[i].instruction <= last)
            loc = unit->program.lines.data[i].loc;
    }
    int length = (int)strcspn(reason, "\n");
    diag_error(&s->diags, "verifier", loc, "the kernel refused the program made from this: %.*s", length, reason);
    diag_hint(&s->diags, "this is a bug in tarsier; please report it with the script and the output of -v");
    diag_print_all(&s->diags, s->options->color, stderr);
    if (s->options->verbose)
        fprintf(stderr, "%s", log);
}

static void show_size(const struct session_unit *unit) {
    struct kernel_program_info info = {0};
    kernel_program_info(unit->program_fd, &info);
    fprintf(stderr, "loaded %s: %u instructions, %u verified, %u bytes of machine code\n", unit->target.name,
            unit->program.instructions.count, info.verified_instructions, info.jited_size);
}

#define LOG_SIZE (4u << 20)

static int load_unit(struct session *s, struct session_unit *unit) {
    struct bpf_program_btf btf = {0};
    patch(s, &unit->program);
    int btf_fd = -1;
    if (unit->program.subprograms.count > 1) {                      /* callbacks are refused without types */
        unit->program.subprograms.data[0].name = unit->target.name; /* what profilers and fentry:bpf show */
        bpf_make_btf(s->arena, &unit->program, s->diags.source, &btf);
        btf_fd = kernel_btf_load(btf.btf, btf.btf_size);
        if (btf_fd < 0)
            return session_system_error("loading the program's types", btf_fd);
    }
    struct kernel_program_spec spec = {
        .type = unit->kernel.type,
        .expected_attach_type = unit->kernel.expected_attach_type,
        .attach_btf_id = unit->kernel.attach_btf_id,
        .attach_btf_fd = unit->kernel.attach_btf_fd,
        .name = unit->target.name,
        .instructions = unit->program.instructions.data,
        .count = unit->program.instructions.count,
        .btf_fd = btf_fd,
        .func_info = btf.functions,
        .func_info_count = btf.function_count,
        .line_info = btf.lines,
        .line_info_count = btf.line_count,
    };
    unit->program_fd = kernel_program_load(&spec);
    if (unit->program_fd >= 0) {
        if (btf_fd >= 0)
            close(btf_fd);
        if (s->options->verbose)
            show_size(unit);
        return SESSION_OK;
    }
    int error = unit->program_fd;
    spec.log = calloc(1, LOG_SIZE);
    spec.log_size = LOG_SIZE;
    spec.log_level = 1;
    int again = kernel_program_load(&spec);
    int result;
    if (again < 0 && spec.log && spec.log[0]) {
        show_refusal(s, unit, spec.log);
        result = SESSION_BUG;
    } else {
        char what[256];
        snprintf(what, sizeof what, "loading the program for %s", unit->target.name);
        result = session_system_error(what, error);
    }
    free(spec.log);
    if (again >= 0)
        close(again);
    if (btf_fd >= 0)
        close(btf_fd);
    return result;
}

/* A script is compiled everywhere; what this machine cannot attach is told before anything is made. */
static int check_possible(struct session *s, const struct session_unit *unit) {
    struct probe_error error = {0};
    if (probe_possible(&s->probes, unit->targets.items.data[0], &error) == 0)
        return SESSION_OK;
    diag_error(&s->diags, "not-here", unit->point->loc, "%s", error.message);
    if (error.hint)
        diag_hint(&s->diags, "%s", error.hint);
    return SESSION_SYSTEM_ERROR;
}

int session_load(struct session *s) {
    int result = SESSION_OK;
    for (uint32_t i = 0; i < s->units.count; i++) {
        int possible = check_possible(s, s->units.data[i]);
        result = result == SESSION_OK ? possible : result;
    }
    if (result != SESSION_OK)
        diag_print_all(&s->diags, s->options->color, stderr);
    for (uint32_t i = 0; i < s->units.count && result == SESSION_OK; i++)
        result = load_unit(s, s->units.data[i]);
    return result;
}

static void show_probe_error(const struct probe_error *error, const char *level) {
    fprintf(stderr, "%s: %s\n", level, error->message);
    if (error->hint)
        fprintf(stderr, "HINT: %s\n", error->hint);
}

static void make_cookies(struct session *s, struct session_unit *unit) {
    uint32_t count = unit->targets.items.count;
    if (unit->cookies || unit->target.probe_id != LANG_PROBE_BY_COOKIE)
        return;
    unit->cookies = arena_new_array(s->arena, uint64_t, count);
    for (uint32_t i = 0; i < count; i++)
        unit->cookies[i] = unit->probe_ids[i];
}

static int attach_unit(struct session *s, struct session_unit *unit);

/* Functions that kprobe.multi does not take may still take a kprobe of their own, for which the same program is loaded
 * once more. True: it was tried, and what went wrong is told. */
static bool attach_by_events(struct session *s, const struct session_unit *unit, bool *attached) {
    struct session_unit *again = arena_make(s->arena, struct session_unit);
    const struct probe_target *first = unit->targets.items.data[0];
    if (first->mechanism != PROBE_KPROBE || unit->kernel.expected_attach_type == 0 ||
        !kernel_feature(s->features, KERNEL_FEATURE_PERF_KPROBE))
        return false;
    *again = *unit;
    again->targets = (struct probe_targets){0};
    again->link = (struct probe_link){0};
    again->kernel.expected_attach_type = 0;
    again->program_fd = -1;
    again->is_rest = unit->link.attached > 0;
    if (unit->cookies)
        again->cookies = arena_new_array(s->arena, uint64_t, unit->link.failures.count);
    for (uint32_t i = 0, failed = 0; i < unit->targets.items.count; i++) {
        struct probe_target *target = unit->targets.items.data[i];
        for (uint32_t f = 0; f < unit->link.failures.count; f++) {
            if (unit->link.failures.data[f].target != target)
                continue;
            target->by_event = true;
            vec_push(s->arena, &again->targets.items, target);
            if (unit->cookies)
                again->cookies[failed++] = unit->cookies[i];
            if (s->options->verbose)
                fprintf(stderr, "%s: kprobe.multi does not take it: through a perf event\n", target->name);
        }
    }
    if (load_unit(s, again) == SESSION_OK) {
        vec_push(s->arena, &s->retried, again);
        attach_unit(s, again);
    }
    *attached = again->link.attached > 0;
    return true;
}

static int attach_unit(struct session *s, struct session_unit *unit) {
    struct probe_error error = {0};
    make_cookies(s, unit);
    int result = probe_attach(&s->probes, &unit->link, unit->program_fd,
                              (const struct probe_target *const *)unit->targets.items.data, unit->cookies,
                              unit->targets.items.count, &error);
    s->attached += unit->link.attached;
    bool retried = false;
    if (unit->link.failures.count && attach_by_events(s, unit, &retried))
        return retried || unit->link.attached ? SESSION_OK : SESSION_SYSTEM_ERROR;
    if (result < 0 && !unit->is_rest) {
        show_probe_error(&error, "ERROR");
        return SESSION_SYSTEM_ERROR;
    }
    for (uint32_t i = 0; i < unit->link.failures.count; i++)
        show_probe_error(&unit->link.failures.data[i].text, "WARNING");
    return SESSION_OK;
}

static bool is_attached(const struct session_unit *unit) {
    return unit->moment == SESSION_AT_EVENT || unit->moment == SESSION_AT_READING;
}

/* The kernel calls what was attached to a function, of a program or its own, newest first, except for what it calls at
 * the return of a kprobe. */
static bool runs_newest_first(const struct session_unit *unit) {
    switch (unit->target.context) {
    case LANG_CONTEXT_UPROBE:
    case LANG_CONTEXT_URETPROBE:
    case LANG_CONTEXT_KPROBE:
    case LANG_CONTEXT_FENTRY:
    case LANG_CONTEXT_FEXIT:
        return true;
    default:
        return false;
    }
}

/* Blocks on one event fire in the order of the script. */
int session_attach(struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        struct session_unit *unit = s->units.data[i];
        int result = SESSION_OK;
        if (is_attached(unit) && !runs_newest_first(unit))
            result = attach_unit(s, unit);
        if (result != SESSION_OK)
            return result;
    }
    for (uint32_t i = s->units.count; i-- > 0;) {
        if (runs_newest_first(s->units.data[i])) {
            int result = attach_unit(s, s->units.data[i]);
            if (result != SESSION_OK)
                return result;
        }
    }
    for (uint32_t i = 0; i < s->retried.count; i++)
        vec_push(s->arena, &s->units, s->retried.data[i]);
    s->retried.count = 0;
    return SESSION_OK;
}

void session_close(struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        probe_detach(&s->units.data[i]->link);
        if (s->units.data[i]->program_fd >= 0)
            close(s->units.data[i]->program_fd);
    }
    for (uint32_t i = 0; s->maps && i < s->plan->maps.count; i++) {
        if (s->maps[i].fd >= 0)
            close(s->maps[i].fd);
        if (s->maps[i].inner >= 0)
            close(s->maps[i].inner);
    }
    kernel_rings_close(s->rings);
    if (s->setter > 0)
        waitpid(s->setter, NULL, WNOHANG);
    unwind_store_close(s->unwind);
    symbol_cache_close(s->symbols);
    probe_context_free(&s->probes);
    strbuf_free(&s->text);
}
