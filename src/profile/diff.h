/* Two profiles compared, function by function. The tree that both are in is base/profile_tree.h, with what counts as a
 * difference; pictures of it are those of view/. */
#ifndef TARSIER_PROFILE_DIFF_H
#define TARSIER_PROFILE_DIFF_H

#include "base/profile_tree.h"

struct profile_difference {
    uint32_t function; /* of the tree */
    struct profile_amount self[PROFILE_SIDES], total[PROFILE_SIDES];
    enum profile_change change; /* of self; of total where self is within noise */
};

/* One for each function, those whose own share moved farthest first. A function that calls itself counts once in its
 * total. The tree is finished and has both sides. The array is in the arena. */
struct profile_difference *profile_diff(const struct profile_tree *tree, struct arena *arena, uint32_t *count);

#endif
