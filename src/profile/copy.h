/* Copies of profiles that differ in their stacks: what a new one has in common with the old one. */
#ifndef TARSIER_PROFILE_COPY_H
#define TARSIER_PROFILE_COPY_H

#include "base/profile.h"

/* A profile without stacks that tells the same about itself. */
struct profile *profile_copy_empty(struct arena *arena, const struct profile *from);
/* A frame of `from` with its texts in `to`; not added yet. */
struct profile_frame profile_copy_frame(struct profile *to, const struct profile *from, uint32_t frame);
/* All samples with their threads; nodes[n] is the node of `to` that stands for node n. */
void profile_copy_samples(struct profile *to, const struct profile *from, const uint32_t *nodes);

#endif
