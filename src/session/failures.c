/* What was lost, missed or refused: counted where it happens, told at the end (and with -k at once), each with its
 * cure. */
#include "session/session_int.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const site_texts[] = {
    [LANG_SITE_READ] = "memory could not be read, 0 or \"\" was used",
    [LANG_SITE_DIVISION] = ("Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used "
                            "as the result."),
    [LANG_SITE_LOOP] = "a loop was stopped at the kernel's limit of 8388608 rounds",
    [LANG_SITE_SIGNAL] = "the kernel did not send the signal",
    [LANG_SITE_WRITE] = "user memory could not be written",
    [LANG_SITE_PACKET] =
        "packets were cut: they were longer than 2048 bytes or than the constant length, or did not lie together",
    [LANG_SITE_WORDS] = "join() shows 32 words and 4096 bytes, the rest was cut",
    [LANG_SITE_INDEX] = "Array access out of bounds. This can lead to unexpected results. 0 is being used.",
    [LANG_SITE_LOOKUP] = "Can't lookup map element because it does not exist.",
    [LANG_SITE_UPDATE] = "Can't update map element.",
};

/* ---- when they happen: -k --------------------------------------------------------------------------------------- */

/* What failed, in words: the kernel's for a helper's error number. */
static const char *failure_text(const struct lang_site *site, int32_t result) {
    if (site->kind == LANG_SITE_UPDATE && result == -E2BIG)
        return "Map full; can't update element. Try increasing max_map_keys config or manually setting the max "
               "entries, as in: let @name = hash(8192)";
    return result < 0 ? strerror(-result) : site_texts[site->kind];
}

static void say_failure(struct session *s, const struct lang_site *site, const char *text, const char *helper,
                        int32_t result, uint64_t count) {
    struct diag_list said;
    struct arena *arena = arena_new();
    struct strbuf more = {0};
    if (helper)
        strbuf_addf(&more, "\nAdditional Info - helper: %s, retcode: %d", helper, result);
    if (count > 1)
        strbuf_addf(&more, "%s%" PRIu64 " times so far", helper ? ", " : " ", count);
    view_output_flush(s->view.out); /* the two streams in the order of events */
    diag_init(&said, arena, s->diags.source);
    diag_warning(&said, text, site->loc, "%s%s", text, strbuf_text(&more));
    diag_print_all(&said, s->options->color, stderr);
    strbuf_free(&more);
    arena_free(arena);
}

void session_tell_failure(struct session *s, const struct lang_action *action, const struct lang_failure *failure) {
    const struct lang_site *site = &s->plan->sites.data[action->site];
    uint32_t helper = (uint32_t)(failure->cause >> 32);
    int32_t result = (int32_t)failure->cause;
    if (helper > IR_HELPER_COUNT)
        BUG("record of a failure of helper %u", helper);
    const char *name = helper ? ir_helpers[helper - 1].name : NULL, *text = failure_text(site, result);
    if (!name || s->options->format == VIEW_TEXT) {
        say_failure(s, site, text, name, result, failure->count);
        return;
    }
    uint32_t line, column, at = source_original(s->diags.source, site->loc).begin;
    source_position(s->diags.source, at, &line, &column);
    view_print_helper_error(&s->view, text, name, result, source_name(s->diags.source, at), line, column);
}

/* ---- at the end -------------------------------------------------------------------------------------------------- */

static void report_sites(struct session *s) {
    struct diag_list found;
    diag_init(&found, s->arena, s->diags.source);
    for (uint32_t i = 0; i < s->plan->sites.count; i++) {
        const struct lang_site *site = &s->plan->sites.data[i];
        uint64_t count = session_counter(s, site->counter);
        if (count && site->kind != LANG_SITE_UPDATE) /* report_maps() */
            diag_warning(&found, site_texts[site->kind], site->loc, "%s (%" PRIu64 " time%s)", site_texts[site->kind],
                         count, count == 1 ? "" : "s");
    }
    diag_print_all(&found, s->options->color, stderr);
}

/* full_maps = stop: what was counted so far is shown, nothing that would be wrong. */
void session_map_full(struct session *s, const struct lang_map *map) {
    view_output_flush(s->view.out);
    fprintf(stderr, "ERROR: %s is full with %u keys; the run ends because full_maps is stop\n", map->name,
            s->plan->maps.data[map->map].max_entries);
    s->exit_code = 1;
    s->stop = s->exit_dropped = true;
}

/* What to do about a full map: its size stands in the script, or it has the usual one. */
static void full_cure(const struct lang_map_plan *map) {
    bool percpu = map->type == BPF_MAP_TYPE_PERCPU_HASH || map->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
    const char *kind = percpu ? "percpu" : "";
    if (map->declared)
        fprintf(stderr, "HINT: declare more: let %s = %shash(%u), or %slruhash(%u) to forget keys that are not used\n",
                map->name, kind, map->max_entries * 4, kind, map->max_entries);
    else
        fprintf(
            stderr,
            "HINT: try config = { max_map_keys = %u } or BPFTRACE_MAX_MAP_KEYS; full_maps = evict forgets keys that "
            "are not used\n",
            map->max_entries * 4);
}

static void report_refused(const struct session *s, const struct lang_map_plan *map, uint64_t refused) {
    bool percpu = map->type == BPF_MAP_TYPE_PERCPU_HASH;
    uint64_t element = map->key_size + (uint64_t)map->value_size * (percpu ? s->cpus.count_possible : 1);
    uint64_t keys = LANG_BEFOREHAND_MOST / element;
    fprintf(stderr,
            "WARNING: %" PRIu64 " updates of %s were refused: the kernel had no memory for new keys at hand where the "
            "program ran\n",
            refused, map->name);
    if (map->flags & BPF_F_NO_PREALLOC && keys > 0 && keys < map->max_entries)
        fprintf(stderr,
                "HINT: with %" PRIu64 " keys or less it is allocated beforehand: let %s = %shash(%" PRIu64 ")\n", keys,
                map->name, percpu ? "percpu" : "", keys);
}

/* What the kernel dropped: see report_rows() and report_missed(). */
void session_count_losses(struct session *s, struct session_losses *losses) {
    for (uint32_t cpu = 0; cpu < s->plan->cpu_rows; cpu++) {
        const struct lang_cpu_row *row = (const void *)(s->globals + (size_t)cpu * LANG_ROW_SIZE);
        losses->values += __atomic_load_n(&row->lost_records, __ATOMIC_RELAXED);
        losses->values += __atomic_load_n(&row->scratch_missed, __ATOMIC_RELAXED);
    }
    losses->values += s->left_behind;
    for (uint32_t i = 0; i < s->units.count; i++) {
        struct kernel_program_info info = {0};
        const struct session_unit *unit = s->units.data[i];
        if (unit->program_fd >= 0 && kernel_program_info(unit->program_fd, &info) == 0)
            losses->values += info.recursion_misses;
        losses->values += unit->missed;
    }
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        const struct lang_map_plan *map = &s->plan->maps.data[i];
        if (map->role == LANG_MAP_STACKS)
            losses->stacks += session_counter(s, map->full_counter) + session_counter(s, map->refused_counter);
    }
}

/* What could not be kept was counted each time such a stack was met. */
static void report_stacks(const struct lang_map_plan *map, uint64_t full, uint64_t refused) {
    if (full)
        fprintf(stderr,
                "WARNING: %" PRIu64 " stacks show no frames: more than %u different ones were met\n"
                "HINT: try config = { max_stacks = %u }\n",
                full, map->max_entries, map->max_entries * 4);
    if (refused)
        fprintf(stderr,
                "WARNING: %" PRIu64 " stacks could not be kept when they were met (the kernel had no memory at hand "
                "where the program ran); those that were met again are shown\n",
                refused);
}

static void report_maps(const struct session *s) {
    for (uint32_t i = 0; i < s->plan->maps.count; i++) {
        const struct lang_map_plan *map = &s->plan->maps.data[i];
        if (!map->full_counter)
            continue;
        uint64_t full = session_counter(s, map->full_counter), refused = session_counter(s, map->refused_counter);
        if (map->role == LANG_MAP_STACKS) {
            if (!s->options->sink)
                report_stacks(map, full, refused);
            continue;
        }
        if (full) {
            fprintf(stderr,
                    "WARNING: Map full; can't update element: %s holds %u keys, %" PRIu64 " updates were lost\n",
                    map->name, map->max_entries, full);
            full_cure(map);
        }
        if (refused)
            report_refused(s, map, refused);
    }
}

static void report_rows(struct session *s) {
    uint64_t lost = 0, missed = 0;
    for (uint32_t cpu = 0; cpu < s->plan->cpu_rows; cpu++) {
        const struct lang_cpu_row *row = (const void *)(s->globals + (size_t)cpu * LANG_ROW_SIZE);
        lost += __atomic_load_n(&row->lost_records, __ATOMIC_RELAXED);
        missed += __atomic_load_n(&row->scratch_missed, __ATOMIC_RELAXED);
    }
    if (lost) {
        view_print_lost(&s->view, lost);
        fprintf(stderr, "WARNING: Total lost event count: %" PRIu64 "\n", lost);
        fprintf(stderr, "HINT: print less per event, aggregate in a map, or filter with a predicate\n");
    }
    if (s->left_behind)
        fprintf(stderr,
                "WARNING: %" PRIu64 " messages were waiting when the run was to end, and are not shown\n"
                "HINT: print less per event, aggregate in a map, or filter with a predicate\n",
                s->left_behind);
    if (missed)
        fprintf(stderr,
                "WARNING: %" PRIu64 " events were dropped: more programs were nested on one CPU than there is scratch "
                "memory for\n",
                missed);
    if (s->rings && kernel_rings_late(s->rings))
        fprintf(stderr, "WARNING: %" PRIu64 " records came out of order: a program was stopped while writing\n",
                kernel_rings_late(s->rings));
}

/* The kernel drops a run of a program that is already running on the same CPU, and counts it; for kprobes it counts by
 * link, too, what it had no place for. */
static void report_missed(const struct session *s) {
    for (uint32_t i = 0; i < s->units.count; i++) {
        struct kernel_program_info info = {0};
        const struct session_unit *unit = s->units.data[i];
        uint32_t others = unit->targets.items.count - 1;
        char more[32] = "";
        if (others)
            snprintf(more, sizeof more, " and %u more", others);
        if (unit->program_fd >= 0 && kernel_program_info(unit->program_fd, &info) == 0 && info.recursion_misses)
            fprintf(stderr, "WARNING: %s%s: %" PRIu64 " events were missed: they came while %s was running\n",
                    unit->target.name, more, info.recursion_misses,
                    unit->target.context == LANG_CONTEXT_KPROBE || unit->target.context == LANG_CONTEXT_KRETPROBE
                        ? "a block of a kprobe, this or another,"
                        : "the same probe");
        if (unit->missed)
            fprintf(stderr,
                    "WARNING: %s%s: %" PRIu64 " hits were missed by the kernel: they came while it handled another hit "
                    "on that CPU, or more calls were under way at once than it keeps places for\n",
                    unit->target.name, more, unit->missed);
    }
}

void session_report_failures(struct session *s) {
    view_output_flush(s->view.out);
    if (!s->options->sink)
        report_rows(s);
    if (!s->options->no_warnings)
        report_sites(s);
    report_maps(s);
    if (!s->options->sink)
        report_missed(s);
}
