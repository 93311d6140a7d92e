/* From attach points to programs: targets are expanded and grouped.
 *
 * One program serves several targets only where they cannot nest on one CPU, because the kernel silently drops a run of
 * a program that is already running there: all system calls of a block (one entry, one exit tracepoint), and the
 * user functions of a block.
 */
#include "base/str.h"
#include "object/dwarf.h"
#include "object/usdt.h"
#include "session/session_int.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls that tarsier itself makes while events arrive; probes on others need not look who is calling. */
/* clang-format off */
static const int own_syscalls[] = {
    SYS_read, SYS_write, SYS_close, SYS_mmap, SYS_munmap, SYS_brk, SYS_ioctl, SYS_bpf, SYS_epoll_pwait, SYS_epoll_ctl,
    SYS_epoll_create1, SYS_ppoll, SYS_openat, SYS_newfstatat, SYS_fstat, SYS_lseek, SYS_pread64, SYS_getdents64,
    SYS_readlinkat, SYS_wait4, SYS_waitid, SYS_clone, SYS_clone3, SYS_exit_group, SYS_exit, SYS_sched_yield,
    SYS_futex, SYS_nanosleep, SYS_kill, SYS_clock_nanosleep, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_madvise,
    SYS_mprotect, SYS_fcntl, SYS_getpid, SYS_gettid, SYS_perf_event_open, SYS_signalfd4, SYS_pidfd_open, SYS_writev,
    SYS_faccessat, SYS_fsync, SYS_mremap, SYS_set_robust_list, SYS_rseq, SYS_rt_sigreturn, SYS_restart_syscall,
    SYS_membarrier,
#ifdef SYS_poll /* architectures that have the old ones */
    SYS_poll, SYS_epoll_wait, SYS_readlink, SYS_vfork, SYS_access,
#endif
};
/* clang-format on */

static bool is_own_syscall(int number) {
    for (size_t i = 0; i < sizeof own_syscalls / sizeof *own_syscalls; i++) {
        if (own_syscalls[i] == number)
            return true;
    }
    return number < 0;
}

/* ---- grouping ------------------------------------------------------------------------------------------------ */

static bool same_args(const struct type *a, const struct type *b) {
    if (a == b || !a || !b)
        return a == b;
    if (a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const struct type_field *x = &a->fields[i], *y = &b->fields[i];
        if (!x->name || !y->name || strcmp(x->name, y->name) != 0 || x->offset != y->offset ||
            !type_equal(x->type, y->type))
            return false;
    }
    return true;
}

/* What decides which targets of a block may share a program. */
struct block_use {
    bool name, numbered_args, user_address;
};
static bool same_result(const struct probe_target *a, const struct probe_target *b) {
    return a->result == b->result || (a->result && b->result && type_equal(a->result, b->result));
}

/* Several functions may have one name. */
static const char *place_name(struct session *s, const struct probe_target *target) {
    return target->address ? arena_printf(s->arena, "%s@%" PRIx64, target->name, target->address) : target->name;
}

static bool may_share(struct session *s, const struct session_unit *unit, const struct probe_target *target,
                      const struct block_use *use) {
    const struct probe_target *first = unit->targets.items.data[0];
    if (!probe_can_share(&s->probes, first, target) || !same_args(first->args, target->args) ||
        first->argument_words != target->argument_words)
        return false;
    switch (target->mechanism) {
    case PROBE_SYSCALL_ENTER:
    case PROBE_SYSCALL_EXIT: /* "all calls" (raw_syscalls) stays apart from named ones */
        return first->syscall_number >= 0 && target->syscall_number >= 0 &&
               target->syscall_number < (int)LANG_SYSCALL_LIMIT;
    case PROBE_UPROBE:
        if (!object_function_same(first->function, target->function) || !first->no_function != !target->no_function)
            return false;
        if (use->numbered_args && target->usdt && !object_usdt_same(first->usdt, target->usdt))
            return false;
        return (!use->name || probe_has_cookie(&s->probes, target)) && !use->user_address;
    case PROBE_KPROBE: /* BPF programs of kprobes never nest, the same or another: what they miss is counted */
        return (!use->name || probe_has_cookie(&s->probes, target)) && same_result(first, target) &&
               !hash_get(&unit->places, place_name(s, target));
    default:
        return false;
    }
}

static enum session_moment moment_of(const struct probe_target *target) {
    static const struct {
        const char *kind;
        enum session_moment moment;
    } moments[] = {
        {"begin", SESSION_AT_BEGIN}, {"end", SESSION_AT_END},     {"self", SESSION_AT_SIGNAL},
        {"test", SESSION_AT_TEST},   {"bench", SESSION_AT_BENCH},
    };
    if (target->mechanism == PROBE_ITERATOR)
        return SESSION_AT_READING;
    for (size_t i = 0; target->mechanism == PROBE_RUN_ONCE && i < sizeof moments / sizeof *moments; i++) {
        if (strcmp(moments[i].kind, target->kind_name) == 0)
            return moments[i].moment;
    }
    return SESSION_AT_EVENT;
}

/* Blocks of another mode than that of the run stay away: tests in benchmarks, events in both. */
static bool belongs(struct session *s, const struct probe_target *target) {
    switch (moment_of(target)) {
    case SESSION_AT_BEGIN:
    case SESSION_AT_END:
        return true;
    case SESSION_AT_TEST:
        s->left_out_test |= s->options->mode != SESSION_TEST;
        return s->options->mode == SESSION_TEST;
    case SESSION_AT_BENCH:
        s->left_out_bench |= s->options->mode != SESSION_BENCH;
        return s->options->mode == SESSION_BENCH;
    default:
        return s->options->mode == SESSION_TRACE;
    }
}

static struct session_unit *unit_for(struct session *s, uint32_t first_of_block, struct node *block,
                                     const struct probe_target *target, const struct block_use *use) {
    for (uint32_t i = first_of_block; i < s->units.count; i++) {
        if (may_share(s, s->units.data[i], target, use))
            return s->units.data[i];
    }
    struct session_unit *unit = arena_make(s->arena, struct session_unit);
    unit->lang.probe = block;
    unit->lang.target = &unit->target;
    unit->program_fd = -1;
    hash_init(&unit->places, s->arena);
    unit->moment = moment_of(target);
    vec_push(s->arena, &s->units, unit);
    return unit;
}

/* ---- targets as lang sees them ------------------------------------------------------------------------------- */

static enum lang_context context_of(const struct probe_target *target) {
    switch (target->mechanism) {
    case PROBE_RUN_ONCE:
        return LANG_CONTEXT_NONE;
    case PROBE_SYSCALL_ENTER:
        return LANG_CONTEXT_SYSCALL_ENTER;
    case PROBE_SYSCALL_EXIT:
        return LANG_CONTEXT_SYSCALL_EXIT;
    case PROBE_RAW_TRACEPOINT:
    case PROBE_BTF_TRACEPOINT:
        return LANG_CONTEXT_RAW_TRACEPOINT;
    case PROBE_PERF_TRACEPOINT:
        return LANG_CONTEXT_TRACEPOINT;
    case PROBE_PERF_SAMPLE:
        return LANG_CONTEXT_PERF_EVENT;
    case PROBE_ITERATOR:
        return LANG_CONTEXT_ITERATOR;
    case PROBE_UPROBE:
        return target->is_return ? LANG_CONTEXT_URETPROBE : LANG_CONTEXT_UPROBE;
    case PROBE_KPROBE:
        return target->is_return ? LANG_CONTEXT_KRETPROBE : LANG_CONTEXT_KPROBE;
    case PROBE_FENTRY:
        return target->is_return ? LANG_CONTEXT_FEXIT : LANG_CONTEXT_FENTRY;
    }
    BUG("mechanism %d", (int)target->mechanism);
}

/* -p: perf events and uprobes are limited by the kernel, tracepoints by the program. */
static bool filtered_in_program(const struct probe_target *target) {
    return target->mechanism != PROBE_RUN_ONCE && target->mechanism != PROBE_PERF_SAMPLE &&
           target->mechanism != PROBE_UPROBE && target->mechanism != PROBE_ITERATOR;
}

/* The block sends records, and handling them makes system calls. */
static bool sends_records(const struct node *block) {
    for (uint32_t i = 0; i < LANG_FUNCTION_COUNT; i++) {
        if (lang_functions[i].flags & LANG_FUNCTION_ASYNC && lang_uses(block, lang_functions[i].name))
            return true;
    }
    return false;
}

static bool could_be_us(const struct session *s, const struct session_unit *unit, const struct probe_target *first) {
    if (s->options->pid && !s->options->sink)
        return false;
    if (s->probes.pid && !filtered_in_program(first)) /* -c: the kernel limits these to the command */
        return false;
    if (first->mechanism == PROBE_UPROBE)
        return true;
    if (first->mechanism == PROBE_PERF_SAMPLE)
        return !first->one_cpu;
    if (first->mechanism == PROBE_KPROBE || first->mechanism == PROBE_FENTRY)
        return sends_records(unit->lang.probe); /* an interrupt that lands on us counts, unless output begets output */
    if (first->mechanism != PROBE_SYSCALL_ENTER && first->mechanism != PROBE_SYSCALL_EXIT)
        return false;
    for (uint32_t i = 0; i < unit->targets.items.count; i++) {
        if (is_own_syscall(unit->targets.items.data[i]->syscall_number))
            return true;
    }
    return false;
}

static bool runs_compat_processes(void) { return access("/proc/sys/abi/vsyscall32", F_OK) == 0; }

/* The same name is the same probe, in whatever block and program it fires. */
static uint32_t probe_id(struct session *s, const char *name) {
    uintptr_t known = (uintptr_t)hash_get(&s->probe_ids, name);
    if (known)
        return (uint32_t)(known - 1);
    vec_push(s->arena, &s->probe_names, name);
    hash_put(&s->probe_ids, name, (void *)(uintptr_t)s->probe_names.count);
    return s->probe_names.count - 1;
}

static void describe(struct session *s, struct session_unit *unit) {
    const struct probe_target *first = unit->targets.items.data[0];
    uint32_t count = unit->targets.items.count;
    struct lang_target *target = &unit->target;
    target->context = context_of(first);
    target->has_btf = first->attach_btf_id != 0 && !first->is_program; /* its types are not the kernel's */
    target->args = first->args;
    target->usdt = first->usdt;
    target->writes_file = first->mechanism == PROBE_ITERATOR && first->pin;
    target->path = first->path;
    target->address = first->address;
    target->result = first->result;
    target->argument_count = first->argument_count;
    target->argument_words = first->argument_words;
    target->result_word = first->result_word;
    target->function = first->function;
    target->no_function = first->no_function;
    target->provider = first->kind_name;
    target->name = first->name;
    target->user_pointers = first->args_space == SPACE_USER || first->mechanism == PROBE_UPROBE;
    unit->probe_ids = arena_new_array(s->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++)
        unit->probe_ids[i] = probe_id(s, unit->targets.items.data[i]->name);
    target->first_probe = unit->probe_ids[0];
    target->syscall_number = -1;
    bool syscall = first->mechanism == PROBE_SYSCALL_ENTER || first->mechanism == PROBE_SYSCALL_EXIT;
    if (syscall && count == 1) {
        target->syscall_number = first->syscall_number;
    } else if (syscall) {
        uint32_t *table = arena_new_array(s->arena, uint32_t, LANG_SYSCALL_LIMIT);
        for (uint32_t i = 0; i < count; i++)
            table[unit->targets.items.data[i]->syscall_number] = unit->probe_ids[i] + 1;
        target->syscall_probes = table;
        target->probe_id = LANG_PROBE_BY_SYSCALL;
    } else if (count > 1) {
        target->probe_id = probe_has_cookie(&s->probes, first) ? LANG_PROBE_BY_COOKIE : LANG_PROBE_CONSTANT;
    }
    target->test_compat = syscall && runs_compat_processes();
    if (s->options->pid && !s->options->sink && filtered_in_program(first))
        target->filter_pid = (uint32_t)s->options->pid;
    target->exclude_self = could_be_us(s, unit, first);
    unit->kernel = probe_program(&s->probes, first);
}

/* ---- expansion ----------------------------------------------------------------------------------------------- */

static void report(struct session *s, const struct node *point, const struct probe_error *error, bool warning) {
    struct loc loc = point->loc;
    if (error->end > error->begin && point->loc.begin + error->end <= point->loc.end) {
        loc.begin = point->loc.begin + error->begin;
        loc.end = point->loc.begin + error->end;
    }
    if (warning) /* in bpftrace's words */
        diag_warning(&s->diags, "no-match", loc, "%s%s Skipping.", error->message,
                     str_ends(error->message, ".") ? "" : ".");
    else
        diag_error(&s->diags, error->kind == PROBE_ERROR_NO_MATCH ? "no-match" : "attach-point", loc, "%s",
                   error->message);
    if (error->hint)
        diag_hint(&s->diags, "%s", error->hint);
}

/* --probe-filter: which probes may run. begin and end always may. */
static bool is_chosen(const struct session *s, const struct probe_target *target) {
    enum session_moment moment = moment_of(target);
    return !s->options->probe_filter || moment == SESSION_AT_BEGIN || moment == SESSION_AT_END ||
           moment == SESSION_AT_SIGNAL || regexec(&s->probe_filter, target->name, 0, NULL, 0) == 0;
}

static int compile_filter(struct session *s) {
    if (!s->options->probe_filter)
        return SESSION_OK;
    int error = regcomp(&s->probe_filter, s->options->probe_filter, REG_EXTENDED | REG_NOSUB);
    if (error == 0)
        return SESSION_OK;
    char text[128];
    regerror(error, &s->probe_filter, text, sizeof text);
    fprintf(stderr, "ERROR: Invalid --probe-filter regex \"%s\": %s\n", s->options->probe_filter, text);
    return SESSION_USER_ERROR;
}

static unsigned wants_of(const struct node *block) {
    enum { ARGUMENTS = 10 };
    unsigned wants = lang_uses_args(block) ? PROBE_WANT_ARGS : 0;
    if (lang_uses(block, "reg") || lang_uses(block, "ctx"))
        wants |= PROBE_WANT_REGISTERS;
    if (lang_uses(block, "func"))
        wants |= PROBE_WANT_FUNCTION;
    if (lang_uses(block, "retval"))
        wants |= PROBE_WANT_RESULT;
    if (!lang_uses_numbered_args(block))
        return wants;
    for (uint32_t i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "arg%u", i);
        if (lang_uses(block, name))
            wants |= PROBE_WANT_ARGUMENT(i < ARGUMENTS ? i : ARGUMENTS);
    }
    return wants;
}

/* Some targets of a block may be missing (a warning says so); a block without any is an error. */
static void expand_block(struct session *s, struct node *block) {
    const struct block_use use = {lang_uses(block, "probe"), lang_uses_numbered_args(block), lang_uses(block, "uaddr")};
    unsigned wants = wants_of(block);
    uint32_t first_unit = s->units.count, points = 0, found = 0;
    uint32_t policy = s->settings.missing_probes;
    VEC(struct probe_error) missing = {0};
    VEC(const struct node *) missing_points = {0};
    for (struct node *point = block->child; point && point->kind == NODE_ATTACH_POINT; point = point->next, points++) {
        struct probe_targets targets = {0};
        struct probe_error error = {0};
        if (probe_expand(&s->probes, point->text, wants, &targets, &error) < 0) {
            s->refused |= error.kind == PROBE_ERROR_PERMISSION;
            if (error.kind != PROBE_ERROR_NO_MATCH) {
                report(s, point, &error, false);
                continue;
            }
            vec_push(s->arena, &missing, error);
            vec_push(s->arena, &missing_points, point);
            continue;
        }
        for (uint32_t i = 0; i < targets.items.count; i++) {
            struct probe_target *target = targets.items.data[i];
            found++;
            if (!is_chosen(s, target) || (!belongs(s, target) && !s->options->list))
                continue;
            struct session_unit *unit = unit_for(s, first_unit, block, target, &use);
            vec_push(s->arena, &unit->targets.items, target);
            if (target->mechanism == PROBE_KPROBE)
                hash_put(&unit->places, place_name(s, target), target);
            if (target->detour && s->options->verbose)
                fprintf(stderr, "%s: %s\n", target->name, target->detour);
            if (!unit->point)
                unit->point = point;
            if (target->warning)
                diag_warning(&s->diags, "target", point->loc, "%s", target->warning);
        }
    }
    for (uint32_t i = 0; i < missing.count; i++) {
        bool strict = policy == SESSION_MISSING_ERROR && !probe_is_wildcard(missing_points.data[i]->text);
        bool warning = policy == SESSION_MISSING_WARN || (found > 0 && !strict);
        if (policy != SESSION_MISSING_IGNORE)
            report(s, missing_points.data[i], &missing.data[i], warning);
    }
    for (uint32_t i = first_unit; i < s->units.count; i++)
        describe(s, s->units.data[i]);
}

/* The kernel calls an iterator's program while its file is read, which is all that such a run does. */
static void check_iterators(struct session *s) {
    uint32_t iterators = 0, others = 0;
    const struct node *last = NULL;
    for (uint32_t i = 0; i < s->units.count; i++) {
        const struct session_unit *unit = s->units.data[i];
        iterators += unit->moment == SESSION_AT_READING;
        others += unit->moment == SESSION_AT_EVENT || unit->moment == SESSION_AT_SIGNAL;
        if (unit->moment == SESSION_AT_READING)
            last = unit->lang.probe;
    }
    if (iterators > 1) {
        diag_error(&s->diags, "iterator", last->child->loc, "iter probe only supports one attach point.");
        diag_hint(&s->diags, "run each iterator by itself");
    } else if (iterators && others) {
        diag_error(&s->diags, "iterator", last->child->loc, "iter can not be mixed with other probes");
        diag_hint(&s->diags, "besides it there may be begin and end");
    }
}

int session_expand(struct session *s) {
    hash_init(&s->probe_ids, s->arena);
    if (compile_filter(s) != SESSION_OK)
        return SESSION_USER_ERROR;
    for (struct node *block = s->program->tree->child; block; block = block->next)
        expand_block(s, block);
    check_iterators(s);
    if (s->options->probe_filter)
        regfree(&s->probe_filter);
    if (s->refused)
        return SESSION_SYSTEM_ERROR;
    if (s->units.count == 0 && s->diags.error_count == 0) {
        fprintf(stderr, "ERROR: %s\n",
                s->left_out_test    ? "No probes attached; use --test to run test probes."
                : s->left_out_bench ? "No probes attached; use --bench to run benchmark probes."
                                    : "No probes to attach");
        return SESSION_USER_ERROR;
    }
    return s->diags.error_count ? SESSION_USER_ERROR : SESSION_OK;
}

int session_list(struct session *s) {
    for (uint32_t i = 0; i < s->probe_names.count; i++) {
        view_output_write(s->view.out, s->probe_names.data[i], strlen(s->probe_names.data[i]));
        view_output_write(s->view.out, "\n", 1);
    }
    return SESSION_OK;
}
