/* Callgrind's format: what KCachegrind and callgrind_annotate read. The cost of lines, and who calls whom.
 *
 * Source: "Callgrind Format Specification" of Valgrind's manual. A name is written once, "(7) name", and is "(7)" from
 * then on. Samples count no calls: `calls` tells in how many samples the call was seen.
 *
 *   fn=(1) main            the function whose lines follow
 *   12 30                  line 12 costs 30 itself
 *   cfn=(2) read           a call from main
 *   calls=40 0             seen in 40 samples
 *   14 400                 made in line 14, costs 400 with all that it calls
 */
#include "view/profile_picture.h"
#include <stdlib.h>

/* Cost of a line of a function itself (callee 0), or of what it calls from there. */
struct cost {
    uint32_t function, line, callee;
    uint64_t weight, count;
};

struct function {
    const char *name, *module, *file;
};

struct callgrind {
    struct profile *profile;
    struct arena *arena;
    struct hash function_numbers, cost_numbers, names;
    uint32_t *function_of; /* of each frame */
    VEC(struct function) functions;
    VEC(struct cost) costs;
    struct strbuf text;
};

static uint32_t function_number(struct callgrind *file, const struct profile_frame *frame) {
    const struct profile *p = file->profile;
    struct function function = {profile_frame_label(p, frame, file->arena), profile_frame_module(p, frame),
                                p->strings.data[frame->file]};
    const char *key = arena_printf(file->arena, "%s\n%s\n%s", function.module, function.file, function.name);
    uintptr_t found = (uintptr_t)hash_get(&file->function_numbers, key);
    if (!found) {
        vec_push(file->arena, &file->functions, function);
        found = file->functions.count;
        hash_put(&file->function_numbers, key, (void *)found);
    }
    return (uint32_t)found;
}

/* The number of a cost; costs whose three numbers give one key are told apart by trying the next. */
static uint32_t cost_number(struct callgrind *file, uint32_t function, uint32_t line, uint32_t callee) {
    uint64_t key = (uint64_t)function << 43 ^ (uint64_t)callee << 22 ^ line;
    uintptr_t found;
    for (;; key += 0x9e3779b97f4a7c15u) {
        found = (uintptr_t)hash_get_number(&file->cost_numbers, key);
        if (!found)
            break;
        const struct cost *cost = &file->costs.data[found - 1];
        if (cost->function == function && cost->line == line && cost->callee == callee)
            return (uint32_t)found - 1;
    }
    vec_push(file->arena, &file->costs, ((struct cost){.function = function, .line = line, .callee = callee}));
    hash_put_number(&file->cost_numbers, key, (void *)(uintptr_t)file->costs.count);
    return file->costs.count - 1;
}

/* ---- costs ------------------------------------------------------------------------------------------------------- */

static const struct profile_frame *frame_of(const struct profile *p, uint32_t node) {
    return &p->frames.data[p->nodes.data[node].frame];
}

static void add_self(struct callgrind *file) {
    const struct profile *p = file->profile;
    for (uint32_t i = 0; i < p->samples.count; i++) {
        const struct profile_sample *sample = &p->samples.data[i];
        if (!sample->node)
            continue;
        const struct profile_frame *frame = frame_of(p, sample->node);
        uint32_t number = cost_number(file, file->function_of[p->nodes.data[sample->node].frame], frame->line, 0);
        file->costs.data[number].weight += sample->weight;
    }
}

/* Is the same call further out on the way to this node? Then its cost is in that one's. */
static bool is_in_itself(const struct profile *p, const uint32_t *call_of, uint32_t node) {
    for (uint32_t up = p->nodes.data[node].parent; up; up = p->nodes.data[up].parent) {
        if (call_of[up] == call_of[node])
            return true;
    }
    return false;
}

static void add_calls(struct callgrind *file) {
    struct profile *p = file->profile;
    struct profile_weights weights = profile_weights(p, file->arena);
    uint64_t *counts = arena_new_array(file->arena, uint64_t, p->nodes.count);
    uint32_t *call_of = arena_new_array(file->arena, uint32_t, p->nodes.count); /* cost + 1 */
    for (uint32_t i = 0; i < p->samples.count; i++)
        counts[p->samples.data[i].node] += p->samples.data[i].count ? p->samples.data[i].count : 1;
    for (uint32_t i = p->nodes.count; i-- > 1;)
        counts[p->nodes.data[i].parent] += counts[i];
    for (uint32_t i = 1; i < p->nodes.count; i++) {
        uint32_t parent = p->nodes.data[i].parent;
        if (!parent)
            continue;
        uint32_t number = cost_number(file, file->function_of[p->nodes.data[parent].frame], frame_of(p, parent)->line,
                                      file->function_of[p->nodes.data[i].frame]);
        call_of[i] = number + 1;
        if (is_in_itself(p, call_of, i))
            continue;
        file->costs.data[number].weight += weights.total[i];
        file->costs.data[number].count += counts[i];
    }
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* "fn=(7) name" the first time, "fn=(7)" from then on. Files and objects have numbers of their own. */
static void add_name(struct callgrind *file, const char *position, char space, const char *name) {
    const char *key = arena_printf(file->arena, "%c%s", space, name);
    uintptr_t found = (uintptr_t)hash_get(&file->names, key);
    uintptr_t number = found ? found : file->names.count + 1;
    strbuf_addf(&file->text, "%s=(%u)", position, (unsigned)number);
    if (!found) {
        hash_put(&file->names, key, (void *)number);
        strbuf_addch(&file->text, ' ');
        profile_add_clean(&file->text, *name ? name : "???");
    }
    strbuf_addch(&file->text, '\n');
}

static int by_place(const void *left, const void *right, void *context) {
    const struct callgrind *file = context;
    const struct cost *a = left, *b = right;
    if (a->function != b->function) {
        const struct function *f = &file->functions.data[a->function - 1], *g = &file->functions.data[b->function - 1];
        int order = strcmp(f->module, g->module);
        order = order ? order : strcmp(f->file, g->file);
        return order ? order : strcmp(f->name, g->name);
    }
    if (a->callee != b->callee)
        return a->callee < b->callee ? -1 : 1;
    return (a->line > b->line) - (a->line < b->line);
}

static void add_cost(struct callgrind *file, const struct cost *cost, bool is_first) {
    const struct function *function = &file->functions.data[cost->function - 1];
    if (is_first) {
        strbuf_addch(&file->text, '\n');
        add_name(file, "ob", 'o', function->module);
        add_name(file, "fl", 'f', function->file);
        add_name(file, "fn", 'n', function->name);
    }
    if (cost->callee) {
        const struct function *callee = &file->functions.data[cost->callee - 1];
        add_name(file, "cob", 'o', callee->module);
        add_name(file, "cfi", 'f', callee->file);
        add_name(file, "cfn", 'n', callee->name);
        strbuf_addf(&file->text, "calls=%llu 0\n", (unsigned long long)cost->count);
    }
    strbuf_addf(&file->text, "%u %llu\n", cost->line, (unsigned long long)cost->weight);
}

static void add_head(struct callgrind *file) {
    const struct profile *p = file->profile;
    struct strbuf text = {0};
    profile_add_clean(&text, p->command);
    strbuf_addf(&file->text, "# callgrind format\nversion: 1\ncreator: tarsier " TARSIER_VERSION "\ncmd: %s\n",
                strbuf_text(&text));
    strbuf_reset(&text);
    profile_add_badge(&text, p);
    strbuf_addf(&file->text, "desc: Samples: %s\npositions: line\nevents: %s\n", strbuf_text(&text),
                strcmp(p->unit, "ns") == 0      ? "Nanoseconds"
                : strcmp(p->unit, "bytes") == 0 ? "Bytes"
                                                : "Samples");
    strbuf_free(&text);
}

void profile_write_callgrind(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct callgrind file = {.profile = profile, .arena = arena};
    (void)picture;
    hash_init(&file.function_numbers, arena);
    hash_init(&file.cost_numbers, arena);
    hash_init(&file.names, arena);
    file.function_of = arena_new_array(arena, uint32_t, profile->frames.count);
    for (uint32_t i = 1; i < profile->frames.count; i++)
        file.function_of[i] = function_number(&file, &profile->frames.data[i]);
    add_self(&file);
    add_calls(&file);
    if (file.costs.count)
        qsort_r(file.costs.data, file.costs.count, sizeof *file.costs.data, by_place, &file);
    add_head(&file);
    for (uint32_t i = 0; i < file.costs.count; i++) {
        add_cost(&file, &file.costs.data[i], i == 0 || file.costs.data[i].function != file.costs.data[i - 1].function);
        view_output_write(out, strbuf_text(&file.text), file.text.length);
        strbuf_reset(&file.text);
    }
    view_output_write(out, strbuf_text(&file.text), file.text.length);
    strbuf_free(&file.text);
    arena_free(arena);
}
