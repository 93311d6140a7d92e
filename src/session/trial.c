/* test and bench blocks. They have no event: the program is run from here, and the kernel's statistics tell how long it
 * took. What they print is held back: a test shows it when it failed, a benchmark never. */
#include "session/session_int.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct trials {
    VEC(const char *) names;
    VEC(struct session_unit *) units;
};

static struct trials collect(struct session *s, enum session_moment moment) {
    struct trials all = {0};
    for (uint32_t i = 0; i < s->units.count; i++) {
        struct session_unit *unit = s->units.data[i];
        if (unit->moment != moment)
            continue;
        vec_push(s->arena, &all.names, unit->targets.items.data[0]->event);
        vec_push(s->arena, &all.units, unit);
    }
    return all;
}

struct timing {
    uint64_t runs, nanoseconds;
};

static struct timing timing_of(int program_fd) {
    struct kernel_program_info info = {0};
    kernel_program_info(program_fd, &info);
    return (struct timing){info.run_count, info.run_time_ns};
}

/* Between two looks at the statistics. */
static struct timing elapsed(struct timing before, struct timing after) {
    return (struct timing){after.runs - before.runs, after.nanoseconds - before.nanoseconds};
}

/* Runs once; what it sent is handled. */
static int run_once(struct session *s, const struct session_unit *unit, uint32_t *result) {
    int error = session_run_once(s, unit, result);
    return error < 0 ? session_system_error("running the block", error) : SESSION_OK;
}

/* exit() ends one trial, not the run. */
static int take_exit_code(struct session *s) {
    int code = s->exit_code;
    s->exit_code = 0;
    s->stop = s->exit_dropped = false;
    return code;
}

/* ---- test ----------------------------------------------------------------------------------------------------- */

static void read_held(struct session *s, int memory) {
    char bytes[4096];
    strbuf_reset(&s->text);
    lseek(memory, 0, SEEK_SET);
    for (ssize_t length; (length = read(memory, bytes, sizeof bytes)) > 0;)
        strbuf_add(&s->text, bytes, (size_t)length);
    close(memory);
}

static int run_test(struct session *s, const struct session_unit *unit, struct view_trial *trial) {
    uint32_t returned = 0;
    int memory = memfd_create("test", MFD_CLOEXEC);
    if (memory < 0)
        return session_system_error("holding the output of a test", -errno);
    struct view_output *out = s->view.out;
    struct timing before = timing_of(unit->program_fd);
    s->view.out = view_output_new(memory, VIEW_BUFFER_FULL);
    int result = run_once(s, unit, &returned);
    if (result == SESSION_OK)
        result = session_drain(s);
    view_output_free(s->view.out);
    s->view.out = out;
    read_held(s, memory);
    trial->passed = take_exit_code(s) == 0 && returned == 0;
    trial->nanoseconds = elapsed(before, timing_of(unit->program_fd)).nanoseconds;
    return result;
}

int session_tests(struct session *s, int *code) {
    const struct trials all = collect(s, SESSION_AT_TEST);
    struct view_trial *trials = arena_new_array(s->arena, struct view_trial, all.units.count + 1);
    int statistics = kernel_stats_enable(), result = SESSION_OK;
    for (uint32_t i = 0; i < all.units.count; i++)
        trials[i].name = all.names.data[i];
    for (uint32_t i = 0; i < all.units.count && result == SESSION_OK; i++) {
        result = run_test(s, all.units.data[i], &trials[i]);
        if (result != SESSION_OK)
            break;
        view_print_test(&s->view, trials, all.units.count, i, strbuf_text(&s->text), s->text.length);
        if (!trials[i].passed)
            *code = 1;
    }
    if (statistics >= 0)
        close(statistics);
    return result;
}

/* ---- bench ---------------------------------------------------------------------------------------------------- */

#define BENCH_LEAST_NS 1000000u /* of run time, so that the average means something */
#define BENCH_ROUND 256u        /* runs between two looks at the rings and the clock */
#define BENCH_MOST (1u << 20)

/* What the statistics themselves add to each run: the time of a program that does nothing. */
static uint64_t cost_of_looking(void) {
    const struct bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K},
        {.code = BPF_JMP | BPF_EXIT},
    };
    const struct kernel_program_spec spec = {
        .type = BPF_PROG_TYPE_RAW_TRACEPOINT, .name = "nothing", .instructions = instructions, .count = 2};
    int program = kernel_program_load(&spec);
    uint32_t ignored;
    struct timing before = timing_of(program);
    for (uint32_t i = 0; program >= 0 && i < 8 * BENCH_ROUND; i++)
        kernel_program_test_run(program, NULL, 0, &ignored);
    struct timing took = elapsed(before, timing_of(program));
    if (program >= 0)
        close(program);
    return took.runs ? took.nanoseconds / took.runs : 0;
}

static int run_bench(struct session *s, const struct session_unit *unit, struct timing *took, bool *skipped) {
    struct timing before = timing_of(unit->program_fd);
    int result = SESSION_OK;
    do {
        uint32_t returned = 0;
        for (uint32_t i = 0; i < BENCH_ROUND && result == SESSION_OK && returned == 0; i++)
            result = run_once(s, unit, &returned);
        if (result == SESSION_OK)
            result = session_drain(s);
        *took = elapsed(before, timing_of(unit->program_fd));
        *skipped = returned != 0;
    } while (result == SESSION_OK && !*skipped && !s->stop && took->nanoseconds < BENCH_LEAST_NS &&
             took->runs < BENCH_MOST);
    return result;
}

int session_benches(struct session *s, int *code) {
    const struct trials all = collect(s, SESSION_AT_BENCH);
    struct view_trial *trials = arena_new_array(s->arena, struct view_trial, all.units.count + 1);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC), statistics = kernel_stats_enable(), result = SESSION_OK;
    if (statistics < 0)
        return session_system_error("counting the time of programs", statistics);
    uint64_t looking = cost_of_looking();
    uint32_t shown = 0;
    for (uint32_t i = 0; i < all.units.count; i++)
        trials[i].name = all.names.data[i];
    for (uint32_t i = 0; i < all.units.count && result == SESSION_OK; i++) {
        struct view_output *out = s->view.out;
        struct timing took;
        bool skipped = false;
        s->view.out = view_output_new(nowhere, VIEW_BUFFER_FULL);
        result = run_bench(s, all.units.data[i], &took, &skipped);
        view_output_free(s->view.out);
        s->view.out = out;
        bool failed = take_exit_code(s) != 0;
        if (failed) {
            fprintf(stderr, "ERROR: Benchmark '%s' failed.\n", trials[i].name);
            *code = 1;
        }
        if (failed || skipped || result != SESSION_OK || took.runs == 0)
            continue;
        uint64_t average = took.nanoseconds / took.runs;
        trials[i].nanoseconds = average > looking ? average - looking : 0;
        trials[i].runs = took.runs;
        view_print_bench(&s->view, trials, all.units.count, i, shown++ == 0);
    }
    close(statistics);
    close(nowhere);
    return result;
}
