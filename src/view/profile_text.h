/* A profile as text to be read: how good it is, the functions that cost most, and the tree of calls. */
#ifndef TARSIER_VIEW_PROFILE_TEXT_H
#define TARSIER_VIEW_PROFILE_TEXT_H

#include "base/profile.h"
#include "base/str.h"
#include <stdbool.h>

struct view_profile_text {
    uint32_t functions; /* rows of the table; 0: none */
    uint32_t processes; /* rows of the table of processes, when there is more than one; 0: none */
    uint32_t percent;   /* of the tree: calls with less are left out; over 100: no tree */
};

/* One line for what was measured, and the badge: taken, lost, complete, cut with reasons and cures. */
void view_profile_badge(const struct profile *profile, struct strbuf *out);
/* Rows "SELF TOTAL FUNCTION MODULE". */
void view_profile_functions(struct profile *profile, uint32_t count, struct strbuf *out);
void view_profile_text(struct profile *profile, const struct view_profile_text *options, struct strbuf *out);

/* The tree of calls, outermost first; calls with less than `percent` of the whole are left out. */
void view_profile_tree(struct profile *profile, double percent, struct strbuf *out);
/* Text of others, with nothing in it that moves the cursor. */
void view_clean_text(const char *text, struct strbuf *out);

/* "1.50 s", "12.3 ms"; numbers of other units as they are. */
void view_profile_amount(const struct profile *profile, uint64_t weight, struct strbuf *out);

#endif
