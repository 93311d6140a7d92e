#include "profile/report.h"
#include "base/profile_tree.h"
#include "base/str.h"
#include "profile/copy.h"

#include <stdlib.h>

const struct profile_key_info profile_keys[PROFILE_KEY_COUNT] = {
#define KEY(id, name, help) {name, help},
    PROFILE_KEYS(KEY)
#undef KEY
};

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static bool is_of_frame(enum profile_key key) { return key <= PROFILE_KEY_LINE; }

static const char *line_of(struct arena *arena, const struct profile *p, const struct profile_frame *frame) {
    const char *file = p->strings.data[frame->file];
    if (!*file)
        return arena_printf(arena, "%s+0x%llx", profile_frame_module(p, frame), (unsigned long long)frame->address);
    return arena_printf(arena, "%s:%u", file, frame->line);
}

static const char *text_of(struct arena *arena, const struct profile *p, enum profile_key key,
                           const struct profile_sample *sample, const struct profile_frame *frame) {
    const struct profile_thread *thread = &p->threads.data[sample->thread];
    switch (key) {
    case PROFILE_KEY_FUNCTION:
        return profile_frame_label(p, frame, arena);
    case PROFILE_KEY_MODULE:
        return profile_frame_module(p, frame);
    case PROFILE_KEY_LINE:
        return line_of(arena, p, frame);
    case PROFILE_KEY_COMM:
        return p->strings.data[thread->name];
    case PROFILE_KEY_PROCESS:
        return p->strings.data[thread->process_name ? thread->process_name : thread->name];
    case PROFILE_KEY_PID:
        return arena_printf(arena, "%u", thread->process);
    case PROFILE_KEY_TID:
        return arena_printf(arena, "%u", thread->thread);
    case PROFILE_KEY_CPU:
        return sample->cpu == UINT32_MAX ? "?" : arena_printf(arena, "%u", sample->cpu);
    case PROFILE_KEY_COUNT:
        break;
    }
    return "";
}

struct grouping {
    struct arena *arena;
    const struct profile *profile;
    const enum profile_key *keys;
    uint32_t key_count;
    struct profile_rows *result;
    struct hash row_of_text;  /* cells joined -> row + 1 */
    struct hash row_of_place; /* (thread or CPU, frame) -> row + 1 */
    VEC(uint32_t) seen_by;    /* per row: the sample, plus one, that has counted in its total */
    bool by_frame, by_cpu;
};

static uint32_t row_of(struct grouping *g, const struct profile_sample *sample, uint32_t frame) {
    uint64_t whose = g->by_cpu ? sample->cpu : sample->thread;
    uint64_t place = whose << 32 | (g->by_frame ? frame : 0);
    uintptr_t found = (uintptr_t)hash_get_number(&g->row_of_place, place);
    if (found)
        return (uint32_t)found - 1;
    struct profile_row row = {0};
    struct strbuf text = {0};
    for (uint32_t i = 0; i < g->key_count; i++) {
        row.cells[i] = text_of(g->arena, g->profile, g->keys[i], sample, &g->profile->frames.data[frame]);
        strbuf_add(&text, row.cells[i], strlen(row.cells[i]) + 1);
    }
    for (size_t i = 0; i + 1 < text.length; i++) /* one text that no other cells can give */
        text.data[i] = text.data[i] ? text.data[i] : '\n';
    found = (uintptr_t)hash_get(&g->row_of_text, strbuf_text(&text));
    if (!found) {
        vec_push(g->arena, &g->result->rows, row);
        vec_push(g->arena, &g->seen_by, 0);
        found = g->result->rows.count;
        hash_put(&g->row_of_text, arena_strdup(g->arena, strbuf_text(&text)), (void *)found);
    }
    strbuf_free(&text);
    hash_put_number(&g->row_of_place, place, (void *)found);
    return (uint32_t)found - 1;
}

static void add_to_rows(struct grouping *g, uint32_t number) {
    const struct profile *p = g->profile;
    const struct profile_sample *sample = &p->samples.data[number];
    uint32_t node = sample->node, count = sample->count ? sample->count : 1;
    bool is_innermost = true;
    do {
        uint32_t index = row_of(g, sample, p->nodes.data[node].frame);
        struct profile_row *row = &g->result->rows.data[index];
        if (is_innermost) {
            row->self += sample->weight;
            row->self_count += count;
        }
        if (g->seen_by.data[index] != number + 1) {
            g->seen_by.data[index] = number + 1;
            row->total += sample->weight;
            row->total_count += count;
        }
        is_innermost = false;
        node = p->nodes.data[node].parent;
    } while (node && g->by_frame);
    g->result->weight += sample->weight;
    g->result->count += count;
}

static int by_amount(const void *left, const void *right) {
    const struct profile_row *a = left, *b = right;
    if (a->self != b->self)
        return a->self > b->self ? -1 : 1;
    if (a->total != b->total)
        return a->total > b->total ? -1 : 1;
    for (int i = 0; i < PROFILE_KEY_COUNT && a->cells[i]; i++) {
        int order = strcmp(a->cells[i], b->cells[i]);
        if (order)
            return order;
    }
    return 0;
}

struct profile_rows *profile_rows(struct arena *arena, const struct profile *profile, const enum profile_key *keys,
                                  uint32_t key_count) {
    struct arena *scratch = arena_new();
    struct grouping g = {.arena = arena,
                         .profile = profile,
                         .keys = keys,
                         .key_count = key_count,
                         .result = arena_make(arena, struct profile_rows)};
    hash_init(&g.row_of_text, arena);
    hash_init(&g.row_of_place, scratch);
    for (uint32_t i = 0; i < key_count; i++) {
        g.by_frame |= is_of_frame(keys[i]);
        g.by_cpu |= keys[i] == PROFILE_KEY_CPU;
    }
    for (uint32_t i = 0; i < profile->samples.count; i++)
        add_to_rows(&g, i);
    if (g.result->rows.count)
        qsort(g.result->rows.data, g.result->rows.count, sizeof *g.result->rows.data, by_amount);
    arena_free(scratch);
    return g.result;
}

/* ---- a part ---------------------------------------------------------------------------------------------------- */

/* Per node: whether it or a frame outside of it matches. */
static uint8_t *marked_nodes(struct arena *arena, const struct profile *p, const char *pattern,
                             const char *(*text)(struct arena *arena, const struct profile *p,
                                                 const struct profile_frame *frame)) {
    uint8_t *frames = arena_alloc(arena, p->frames.count), *nodes = arena_alloc(arena, p->nodes.count);
    for (uint32_t i = 1; i < p->frames.count; i++)
        frames[i] = str_glob(pattern, text(arena, p, &p->frames.data[i]));
    for (uint32_t i = 1; i < p->nodes.count; i++)
        nodes[i] = frames[p->nodes.data[i].frame] || nodes[p->nodes.data[i].parent];
    return nodes;
}

static const char *function_text(struct arena *arena, const struct profile *p, const struct profile_frame *frame) {
    return profile_frame_label(p, frame, arena);
}

static const char *module_text(struct arena *arena, const struct profile *p, const struct profile_frame *frame) {
    const char *path = profile_frame_module(p, frame), *slash = strrchr(path, '/');
    (void)arena;
    return slash ? slash + 1 : path; /* people write libc.so.6 */
}

static bool has_thread(const struct profile *p, const struct profile_filter *filter,
                       const struct profile_sample *sample) {
    const struct profile_thread *thread = &p->threads.data[sample->thread];
    return (!filter->pid || filter->pid == thread->process) && (!filter->tid || filter->tid == thread->thread) &&
           (!filter->comm || str_glob(filter->comm, p->strings.data[thread->name]));
}

void profile_filter(struct profile *p, const struct profile_filter *filter) {
    struct arena *scratch = arena_new();
    const uint8_t *module = filter->module ? marked_nodes(scratch, p, filter->module, module_text) : NULL;
    const uint8_t *function = filter->function ? marked_nodes(scratch, p, filter->function, function_text) : NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->samples.count; i++) {
        const struct profile_sample sample = p->samples.data[i];
        if (has_thread(p, filter, &sample) && (!module || module[sample.node]) && (!function || function[sample.node]))
            p->samples.data[kept++] = sample;
    }
    p->samples.count = kept;
    arena_free(scratch);
}

/* ---- callers and callees --------------------------------------------------------------------------------------- */

struct focus {
    const struct profile *from;
    struct profile *to;
    const uint8_t *marked;
    VEC(uint32_t) path;
    struct arena *scratch;
};

static uint32_t copy_frame(struct focus *f, uint32_t number) {
    struct profile_frame frame = profile_copy_frame(f->to, f->from, number);
    return profile_frame(f->to, &frame);
}

/* The outermost node of the path that is the function; 0 none. */
static uint32_t outermost_match(const struct focus *f, uint32_t node) {
    while (f->marked[node] && f->marked[f->from->nodes.data[node].parent])
        node = f->from->nodes.data[node].parent;
    return f->marked[node] ? node : 0;
}

static uint32_t add_callers(struct focus *f, uint32_t match) {
    uint32_t at = 0;
    for (; match; match = f->from->nodes.data[match].parent)
        at = profile_node(f->to, at, copy_frame(f, f->from->nodes.data[match].frame));
    return at;
}

static uint32_t add_callees(struct focus *f, uint32_t match, uint32_t node) {
    uint32_t at = 0;
    f->path.count = 0;
    for (; node != match; node = f->from->nodes.data[node].parent)
        vec_push(f->scratch, &f->path, f->from->nodes.data[node].frame);
    vec_push(f->scratch, &f->path, f->from->nodes.data[match].frame);
    while (f->path.count)
        at = profile_node(f->to, at, copy_frame(f, f->path.data[--f->path.count]));
    return at;
}

struct profile *profile_focus(struct arena *arena, struct profile *profile, const char *function,
                              enum profile_direction direction) {
    struct focus f = {.from = profile, .to = profile_copy_empty(arena, profile), .scratch = arena_new()};
    f.marked = marked_nodes(f.scratch, profile, function, function_text);
    uint32_t thread = profile_thread(f.to, &(struct profile_thread){0});
    for (uint32_t i = 0; i < profile->samples.count; i++) {
        const struct profile_sample *sample = &profile->samples.data[i];
        uint32_t match = outermost_match(&f, sample->node);
        if (!match)
            continue;
        uint32_t node = direction == PROFILE_CALLERS ? add_callers(&f, match) : add_callees(&f, match, sample->node);
        profile_sample(f.to, &(struct profile_sample){PROFILE_NO_TIME, sample->weight, thread, node, UINT32_MAX,
                                                      sample->count ? sample->count : 1});
    }
    arena_free(f.scratch);
    return f.to;
}
