/* The tree of calls as pictures show it: by function, not by address.
 *
 * struct profile keeps a node for each different return address; here the calls from one function to another are one
 * node, and equal functions of all processes are one function (name, module and kind are equal). A tree may hold two
 * profiles, one on each side, for comparisons: a node then has the amounts of both, and zero where it is not.
 *
 * Model: nodes[0] is the root; a parent has a smaller number than its children. functions[0] is no place. After
 * profile_tree_finish() functions are numbered in the order of their names (bytes), children are listed in that order,
 * nodes are numbered as they follow each other (profile_tree_next), and totals are there: whoever draws it gets the
 * same picture from the same profile, in whatever order samples came.
 *
 * Usage: profile_tree_new, profile_tree_add once or twice, profile_tree_finish, then read only. All of it lies in the
 * arena; names are those of the profiles, which must live as long.
 */
#ifndef TARSIER_BASE_PROFILE_TREE_H
#define TARSIER_BASE_PROFILE_TREE_H

#include "base/profile.h"

enum profile_side { PROFILE_NOW, PROFILE_BEFORE, PROFILE_SIDES };

/* What stands between the root and the outermost frames. */
enum profile_grouping { PROFILE_UNGROUPED, PROFILE_BY_PROCESS /* names, not ids */, PROFILE_BY_THREAD };

struct profile_function {
    const char *name, *module; /* module: path, or "" */
    uint8_t kind;              /* enum profile_frame_kind */
    bool inlined;
};

struct profile_amount {
    uint64_t weight, count; /* in units; samples */
};

struct profile_tree_node {
    uint32_t parent, function;
    uint32_t child, next; /* first child, next sibling; 0 none */
    struct profile_amount self[PROFILE_SIDES], total[PROFILE_SIDES];
};

struct profile_tree {
    struct arena *arena;
    VEC(struct profile_function) functions;
    VEC(struct profile_tree_node) nodes;
    uint32_t depth; /* of the deepest node; the root has 0 */
    bool compared;  /* both sides are in it */
    bool sampled;   /* profile_is_sampled(), of both */
    /* private */
    struct hash function_numbers, node_numbers;
    uint32_t *placed[PROFILE_SIDES], placed_count[PROFILE_SIDES];
};

struct profile_tree *profile_tree_new(struct arena *arena);
/* Gives the tree's node of each node of the profile when it is not grouped, else NULL: an array in the arena, right
 * once the tree is finished. */
uint32_t *profile_tree_add(struct profile_tree *tree, const struct profile *profile, enum profile_side side,
                           enum profile_grouping grouping);
void profile_tree_finish(struct profile_tree *tree);

/* The node behind this one and its callees when each comes before its children; 0 at the end. *depth goes along (the
 * root has 0). */
static inline uint32_t profile_tree_behind(const struct profile_tree *tree, uint32_t node, uint32_t *depth) {
    const struct profile_tree_node *nodes = tree->nodes.data;
    while (node && !nodes[node].next) {
        node = nodes[node].parent;
        --*depth;
    }
    return nodes[node].next;
}

/* The same, with its callees. */
static inline uint32_t profile_tree_next(const struct profile_tree *tree, uint32_t node, uint32_t *depth) {
    if (!tree->nodes.data[node].child)
        return profile_tree_behind(tree, node, depth);
    ++*depth;
    return tree->nodes.data[node].child;
}

/* Is each sample one draw from what ran? Then shares have an interval of confidence. (Else each was measured.) */
bool profile_is_sampled(const struct profile *profile);

/* The name to show for a frame: its own, or what is known of its module; of a cut "[cut: reason]". Never empty. */
const char *profile_frame_label(const struct profile *profile, const struct profile_frame *frame, struct arena *arena);
/* The path of its module, or "". */
const char *profile_frame_module(const struct profile *profile, const struct profile_frame *frame);

/* ---- comparisons: what became of a node's share between the two sides -------------------------------------------- */

enum profile_change {
    PROFILE_SAME, /* or so near that other samples of the same would differ as much */
    PROFILE_MORE,
    PROFILE_LESS,
    PROFILE_NEW,  /* not there before */
    PROFILE_GONE, /* not there now */
    PROFILE_CHANGES,
};

/* Two runs of `now` of now_all and `before` of before_all samples. If nothing had changed, the samples of both would
 * fall on the two sides as by throwing a coin (binomial, weighted by the sizes of the sides): a difference counts when
 * the coin would give it less than once in a hundred times. */
bool profile_differs(uint64_t now, uint64_t now_all, uint64_t before, uint64_t before_all);
/* sampled: weights are samples. Otherwise each of them was measured, and every difference counts. */
enum profile_change profile_change(const struct profile_amount total[PROFILE_SIDES],
                                   const struct profile_amount all[PROFILE_SIDES], bool sampled);
/* Share now minus share before, -1 to 1: how the sizes of the two profiles compare does not matter. */
double profile_share_change(const struct profile_amount total[PROFILE_SIDES],
                            const struct profile_amount all[PROFILE_SIDES]);

#endif
