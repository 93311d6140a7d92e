#include "profile/diff.h"
#include <stdlib.h>

static void add(struct profile_amount sum[PROFILE_SIDES], const struct profile_amount amount[PROFILE_SIDES]) {
    for (int side = 0; side < PROFILE_SIDES; side++) {
        sum[side].weight += amount[side].weight;
        sum[side].count += amount[side].count;
    }
}

static void add_up(const struct profile_tree *tree, struct profile_difference *rows, struct arena *arena) {
    uint32_t *path = arena_new_array(arena, uint32_t, tree->depth + 1), depth = 0, length = 0;
    uint32_t *open = arena_new_array(arena, uint32_t, tree->functions.count); /* how often a function is on the path */
    for (uint32_t node = 0; (node = profile_tree_next(tree, node, &depth));) {
        const struct profile_tree_node *at = &tree->nodes.data[node];
        while (length >= depth)
            open[path[--length]]--;
        path[length++] = at->function;
        add(rows[at->function].self, at->self);
        if (!open[at->function]++)
            add(rows[at->function].total, at->total);
    }
}

static double distance(const struct profile_tree *tree, const struct profile_difference *row) {
    const struct profile_amount *all = tree->nodes.data[0].total;
    double self = profile_share_change(row->self, all), total = profile_share_change(row->total, all);
    self = self < 0 ? -self : self;
    total = total < 0 ? -total : total;
    return self + total / 1000; /* the total decides where the own shares are equal */
}

static int farthest_first(const void *left, const void *right, void *context) {
    const struct profile_difference *a = left, *b = right;
    double first = distance(context, a), second = distance(context, b);
    if (first != second)
        return first < second ? 1 : -1;
    return a->function < b->function ? -1 : a->function > b->function;
}

struct profile_difference *profile_diff(const struct profile_tree *tree, struct arena *arena, uint32_t *count) {
    const struct profile_amount *all = tree->nodes.data[0].total;
    uint32_t functions = tree->functions.count;
    struct profile_difference *rows = arena_new_array(arena, struct profile_difference, functions);
    add_up(tree, rows, arena);
    *count = 0;
    for (uint32_t i = 1; i < functions; i++) {
        struct profile_difference row = rows[i];
        row.function = i;
        row.change = profile_change(row.self, all, tree->sampled);
        if (row.change == PROFILE_SAME)
            row.change = profile_change(row.total, all, tree->sampled);
        if (tree->functions.data[i].kind != PROFILE_MARK)
            rows[(*count)++] = row;
    }
    if (*count)
        qsort_r(rows, *count, sizeof *rows, farthest_first, (void *)tree);
    return rows;
}
