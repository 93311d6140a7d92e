#include "base/profile_tree.h"
#include "base/str.h"
#include <stdlib.h>

/* ---- functions --------------------------------------------------------------------------------------------------- */

const char *profile_frame_module(const struct profile *p, const struct profile_frame *frame) {
    return frame->module ? p->strings.data[p->modules.data[frame->module - 1].path] : "";
}

const char *profile_frame_label(const struct profile *p, const struct profile_frame *frame, struct arena *arena) {
    static const char *const without_name[] = {
        [PROFILE_USER] = "[unnamed]",  [PROFILE_KERNEL] = "[kernel]",   [PROFILE_JIT] = "[jit]",
        [PROFILE_SCRIPT] = "[script]", [PROFILE_UNNAMED] = "[unnamed]", [PROFILE_CUT] = "[cut]",
        [PROFILE_MARK] = "--",
    };
    const char *name = p->strings.data[frame->name], *module = profile_frame_module(p, frame);
    const char *slash = strrchr(module, '/');
    if (frame->kind == PROFILE_CUT && !str_starts(name, "[cut: "))
        return arena_printf(arena, "[cut: %s]", name);
    if (*name)
        return name;
    if (!*module)
        return without_name[frame->kind <= PROFILE_MARK ? frame->kind : PROFILE_UNNAMED];
    module = slash && slash[1] ? slash + 1 : module;
    return frame->offset
               ? arena_printf(arena, "%s!fn_%llx", module, (unsigned long long)(frame->address - frame->offset))
               : arena_printf(arena, "[%s]", module);
}

static bool same_function(const struct profile_function *a, const struct profile_function *b) {
    return a->kind == b->kind && a->inlined == b->inlined && strcmp(a->name, b->name) == 0 &&
           strcmp(a->module, b->module) == 0;
}

static uint32_t function_number(struct profile_tree *tree, const struct profile_function *function) {
    uint64_t key = hash_bytes(function->name, strlen(function->name)) * 31 +
                   hash_bytes(function->module, strlen(function->module)) + function->kind * 2u + function->inlined;
    for (;; key++) {
        uintptr_t found = (uintptr_t)hash_get_number(&tree->function_numbers, key);
        if (!found)
            break;
        if (same_function(&tree->functions.data[found], function))
            return (uint32_t)found;
    }
    hash_put_number(&tree->function_numbers, key, (void *)(uintptr_t)tree->functions.count);
    vec_push(tree->arena, &tree->functions, *function);
    return tree->functions.count - 1;
}

/* The number of the function of each frame of a profile; 0 for frame 0, which is no place. */
static uint32_t *functions_of(struct profile_tree *tree, const struct profile *p) {
    uint32_t *numbers = arena_new_array(tree->arena, uint32_t, p->frames.count);
    for (uint32_t i = 1; i < p->frames.count; i++) {
        const struct profile_frame *frame = &p->frames.data[i];
        const struct profile_function function = {
            .name = profile_frame_label(p, frame, tree->arena),
            .module = profile_frame_module(p, frame),
            .kind = (uint8_t)(frame->kind <= PROFILE_MARK ? frame->kind : PROFILE_UNNAMED),
            .inlined = frame->inlined != 0,
        };
        numbers[i] = function_number(tree, &function);
    }
    return numbers;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static uint32_t node_number(struct profile_tree *tree, uint32_t parent, uint32_t function) {
    uint64_t key = (uint64_t)parent << 32 | function;
    uintptr_t found = (uintptr_t)hash_get_number(&tree->node_numbers, key);
    if (found)
        return (uint32_t)found;
    hash_put_number(&tree->node_numbers, key, (void *)(uintptr_t)tree->nodes.count);
    vec_push(tree->arena, &tree->nodes, ((struct profile_tree_node){.parent = parent, .function = function}));
    return tree->nodes.count - 1;
}

struct profile_tree *profile_tree_new(struct arena *arena) {
    struct profile_tree *tree = arena_make(arena, struct profile_tree);
    tree->arena = arena;
    hash_init(&tree->function_numbers, arena);
    hash_init(&tree->node_numbers, arena);
    vec_push(arena, &tree->functions, ((struct profile_function){.name = "", .module = ""}));
    vec_push(arena, &tree->nodes, ((struct profile_tree_node){0}));
    return tree;
}

static void add_sample(struct profile_tree *tree, uint32_t node, enum profile_side side,
                       const struct profile_sample *sample) {
    tree->nodes.data[node].self[side].weight += sample->weight;
    tree->nodes.data[node].self[side].count += sample->count ? sample->count : 1;
}

static uint32_t *add_ungrouped(struct profile_tree *tree, const struct profile *p, enum profile_side side,
                               const uint32_t *functions) {
    uint32_t *placed = arena_new_array(tree->arena, uint32_t, p->nodes.count);
    for (uint32_t i = 1; i < p->nodes.count; i++) /* parents come first */
        placed[i] = node_number(tree, placed[p->nodes.data[i].parent], functions[p->nodes.data[i].frame]);
    for (uint32_t i = 0; i < p->samples.count; i++)
        add_sample(tree, placed[p->samples.data[i].node], side, &p->samples.data[i]);
    tree->placed[side] = placed;
    tree->placed_count[side] = p->nodes.count;
    return placed;
}

/* The node under the root that stands for a thread's group; the root when it has no name. */
static uint32_t group_of(struct profile_tree *tree, const struct profile *p, const struct profile_thread *thread,
                         enum profile_grouping grouping) {
    uint32_t number = grouping == PROFILE_BY_PROCESS && thread->process_name ? thread->process_name : thread->name;
    struct profile_function mark = {.name = p->strings.data[number], .module = "", .kind = PROFILE_MARK};
    if (grouping == PROFILE_BY_THREAD)
        mark.name = arena_printf(tree->arena, "%s %u", mark.name, thread->thread);
    return *mark.name ? node_number(tree, 0, function_number(tree, &mark)) : 0;
}

/* One group after the other walks over the profile's nodes, so that no table of pairs is needed. */
struct grouped {
    struct profile_tree *tree;
    const struct profile *profile;
    const uint32_t *functions;
    uint32_t base;           /* of the group that is walked */
    uint32_t *placed, *walk; /* of each node: where it is in the tree, if it was placed in this walk */
    uint32_t walks;
    VEC(uint32_t) path;
};

/* Goes outwards to a place that is known, then back inwards. */
static uint32_t place(struct grouped *g, uint32_t node) {
    uint32_t at = g->base;
    g->path.count = 0;
    for (; node; node = g->profile->nodes.data[node].parent) {
        if (g->walk[node] == g->walks) {
            at = g->placed[node];
            break;
        }
        vec_push(g->tree->arena, &g->path, node);
    }
    while (g->path.count) {
        node = g->path.data[--g->path.count];
        at = g->placed[node] = node_number(g->tree, at, g->functions[g->profile->nodes.data[node].frame]);
        g->walk[node] = g->walks;
    }
    return at;
}

static uint32_t thread_of(const struct profile *p, uint32_t sample) {
    uint32_t thread = p->samples.data[sample].thread;
    return thread < p->threads.count ? thread : p->threads.count;
}

/* The samples' numbers, those of a thread together: start[t] to start[t + 1]. */
static uint32_t *by_thread(const struct profile *p, uint32_t *start, struct arena *arena) {
    uint32_t *order = arena_new_array(arena, uint32_t, p->samples.count);
    uint32_t *next = arena_new_array(arena, uint32_t, p->threads.count + 2);
    for (uint32_t i = 0; i < p->samples.count; i++)
        next[thread_of(p, i) + 1]++;
    for (uint32_t i = 0; i <= p->threads.count; i++)
        next[i + 1] += next[i];
    memcpy(start, next, sizeof *start * (p->threads.count + 2));
    for (uint32_t i = 0; i < p->samples.count; i++)
        order[next[thread_of(p, i)]++] = i;
    return order;
}

static void add_grouped(struct profile_tree *tree, const struct profile *p, enum profile_side side,
                        const uint32_t *functions, enum profile_grouping grouping) {
    struct arena *arena = tree->arena;
    struct grouped g = {.tree = tree, .profile = p, .functions = functions, .base = UINT32_MAX};
    uint32_t *start = arena_new_array(arena, uint32_t, p->threads.count + 2), *order = by_thread(p, start, arena);
    g.placed = arena_new_array(arena, uint32_t, p->nodes.count);
    g.walk = arena_new_array(arena, uint32_t, p->nodes.count);
    for (uint32_t thread = 0; thread <= p->threads.count; thread++) { /* the last one: samples without a thread */
        uint32_t base = 0;
        if (start[thread] < start[thread + 1] && thread < p->threads.count)
            base = group_of(tree, p, &p->threads.data[thread], grouping);
        if (base != g.base) {
            g.base = base;
            g.walks++;
        }
        for (uint32_t i = start[thread]; i < start[thread + 1]; i++) {
            const struct profile_sample *sample = &p->samples.data[order[i]];
            add_sample(tree, place(&g, sample->node), side, sample);
        }
    }
}

uint32_t *profile_tree_add(struct profile_tree *tree, const struct profile *p, enum profile_side side,
                           enum profile_grouping grouping) {
    const uint32_t *functions = functions_of(tree, p);
    tree->sampled = profile_is_sampled(p) && (tree->sampled || tree->nodes.count == 1);
    tree->compared |= side == PROFILE_BEFORE;
    if (grouping == PROFILE_UNGROUPED)
        return add_ungrouped(tree, p, side, functions);
    add_grouped(tree, p, side, functions, grouping);
    return NULL;
}

/* ---- order and totals -------------------------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right, void *context) {
    const struct profile_tree *tree = context;
    const struct profile_function *a = &tree->functions.data[*(const uint32_t *)left],
                                  *b = &tree->functions.data[*(const uint32_t *)right];
    int order = strcmp(a->name, b->name);
    if (!order)
        order = strcmp(a->module, b->module);
    if (!order)
        order = a->kind - b->kind;
    return order ? order : a->inlined - b->inlined;
}

/* Numbers the functions in the order of their names. */
static void sort_functions(struct profile_tree *tree) {
    uint32_t count = tree->functions.count;
    uint32_t *order = arena_new_array(tree->arena, uint32_t, count),
             *number = arena_new_array(tree->arena, uint32_t, count);
    struct profile_function *sorted = arena_new_array(tree->arena, struct profile_function, count);
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order + 1, count - 1, sizeof *order, by_name, tree);
    for (uint32_t i = 0; i < count; i++) {
        number[order[i]] = i;
        sorted[i] = tree->functions.data[order[i]];
    }
    tree->functions.data = sorted;
    tree->functions.capacity = count;
    for (uint32_t i = 0; i < tree->nodes.count; i++)
        tree->nodes.data[i].function = number[tree->nodes.data[i].function];
}

/* Puts each node at the head of its parent's list, those with the last names first. */
static void link_children(struct profile_tree *tree) {
    uint32_t nodes = tree->nodes.count, functions = tree->functions.count;
    uint32_t *start = arena_new_array(tree->arena, uint32_t, functions + 1),
             *order = arena_new_array(tree->arena, uint32_t, nodes);
    for (uint32_t i = 0; i < nodes; i++)
        start[tree->nodes.data[i].function + 1]++;
    for (uint32_t i = 0; i < functions; i++)
        start[i + 1] += start[i];
    for (uint32_t i = 0; i < nodes; i++)
        order[start[tree->nodes.data[i].function]++] = i;
    for (uint32_t i = nodes; i-- > 0;) {
        struct profile_tree_node *node = &tree->nodes.data[order[i]];
        if (!order[i])
            continue;
        node->next = tree->nodes.data[node->parent].child;
        tree->nodes.data[node->parent].child = order[i];
    }
}

/* Numbers the nodes as they follow each other. */
static void sort_nodes(struct profile_tree *tree) {
    uint32_t count = tree->nodes.count, depth = 0, next = 0;
    uint32_t *number = arena_new_array(tree->arena, uint32_t, count);
    struct profile_tree_node *sorted = arena_new_array(tree->arena, struct profile_tree_node, count);
    for (uint32_t node = 0; (node = profile_tree_next(tree, node, &depth));)
        number[node] = ++next;
    for (uint32_t i = 0; i < count; i++) {
        struct profile_tree_node *node = &sorted[number[i]];
        *node = tree->nodes.data[i];
        node->parent = number[node->parent];
        node->child = number[node->child];
        node->next = number[node->next];
    }
    tree->nodes.data = sorted;
    tree->nodes.capacity = count;
    for (int side = 0; side < PROFILE_SIDES; side++) {
        for (uint32_t i = 0; i < tree->placed_count[side]; i++)
            tree->placed[side][i] = number[tree->placed[side][i]];
    }
}

static void sum(struct profile_tree *tree) {
    uint32_t *depth = arena_new_array(tree->arena, uint32_t, tree->nodes.count);
    for (uint32_t i = tree->nodes.count; i-- > 0;) {
        struct profile_tree_node *node = &tree->nodes.data[i], *parent = &tree->nodes.data[node->parent];
        for (int side = 0; side < PROFILE_SIDES; side++) {
            node->total[side].weight += node->self[side].weight;
            node->total[side].count += node->self[side].count;
            if (i) {
                parent->total[side].weight += node->total[side].weight;
                parent->total[side].count += node->total[side].count;
            }
        }
    }
    for (uint32_t i = 1; i < tree->nodes.count; i++) {
        depth[i] = depth[tree->nodes.data[i].parent] + 1;
        tree->depth = depth[i] > tree->depth ? depth[i] : tree->depth;
    }
}

void profile_tree_finish(struct profile_tree *tree) {
    sort_functions(tree);
    link_children(tree);
    sort_nodes(tree);
    sum(tree);
}

/* ---- comparisons ------------------------------------------------------------------------------------------------- */

bool profile_is_sampled(const struct profile *p) { return p->period_ns || strcmp(p->unit, "samples") == 0; }

bool profile_differs(uint64_t now, uint64_t now_all, uint64_t before, uint64_t before_all) {
    const double deviations = 2.576; /* of the normal distribution that the binomial one is near to: 99 % */
    double sum = (double)now + (double)before, all = (double)now_all + (double)before_all;
    if (sum <= 0 || !now_all || !before_all)
        return false;
    double side = (double)now_all / all, distance = (double)now - sum * side;
    distance = (distance < 0 ? -distance : distance) - 0.5; /* whole samples against a smooth curve */
    return distance > 0 && distance * distance > deviations * deviations * sum * side * (1 - side);
}

double profile_share_change(const struct profile_amount total[PROFILE_SIDES],
                            const struct profile_amount all[PROFILE_SIDES]) {
    double share[PROFILE_SIDES] = {0};
    for (int side = 0; side < PROFILE_SIDES; side++) {
        if (all[side].weight)
            share[side] = (double)total[side].weight / (double)all[side].weight;
    }
    return share[PROFILE_NOW] - share[PROFILE_BEFORE];
}

enum profile_change profile_change(const struct profile_amount total[PROFILE_SIDES],
                                   const struct profile_amount all[PROFILE_SIDES], bool sampled) {
    const struct profile_amount *now = &total[PROFILE_NOW], *before = &total[PROFILE_BEFORE];
    double change = profile_share_change(total, all);
    if (change == 0 ||
        (sampled && !profile_differs(now->count, all[PROFILE_NOW].count, before->count, all[PROFILE_BEFORE].count)))
        return PROFILE_SAME;
    if (!before->weight || !now->weight)
        return before->weight ? PROFILE_GONE : PROFILE_NEW;
    return change > 0 ? PROFILE_MORE : PROFILE_LESS;
}
