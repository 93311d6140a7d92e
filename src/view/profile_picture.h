/* What the pictures of profiles (svg, html) share: words, colours, and text that is safe to put in a document.
 *
 * Names in a profile come from other people's files: everything shown goes through profile_add_clean (bytes that are no
 * UTF-8, control characters and those that turn the direction of text become U+FFFD; endless names are cut) and, in
 * markup, through profile_add_markup as well.
 */
#ifndef TARSIER_VIEW_PROFILE_PICTURE_H
#define TARSIER_VIEW_PROFILE_PICTURE_H

#include "view/profile_format.h"

/* Appends text fit for showing. */
void profile_add_clean(struct strbuf *out, const char *text);
/* The same, with the characters escaped that mean something in XML and HTML. */
void profile_add_markup(struct strbuf *out, const char *text);

/* "1,234 samples", "1.23 s": a weight in the profile's unit. */
void profile_add_amount(struct strbuf *out, uint64_t weight, const char *unit);
void profile_add_grouped(struct strbuf *out, uint64_t number); /* 1,234,567 */

/* The 95 % interval of a share, `part` of `whole` samples (Wilson's, right for few samples as well). */
struct profile_interval {
    double low, high;
};
struct profile_interval profile_interval(uint64_t part, uint64_t whole);

/* The tree that a picture draws: by process, and with the baseline's amounts when there is one. */
struct profile_tree *profile_picture_tree(struct arena *arena, struct profile *profile,
                                          const struct profile_picture *picture);
double profile_min_width(const struct profile_picture *picture); /* or the usual */
const char *profile_title(const struct profile *profile, const struct profile_picture *picture);
/* How good the profile is: "1,234 samples, 2 lost; user stacks: 99.8 % complete; cut: 2 (no unwind information)". */
void profile_add_badge(struct strbuf *out, const struct profile *profile);

/* Colours as #rrggbb. Each kind of code has shades, from which the name (or module) takes one. */
enum { PROFILE_SHADES = 8, PROFILE_KINDS = PROFILE_MARK + 1, PROFILE_HUES = 16 };
extern const char profile_shades[PROFILE_KINDS][PROFILE_SHADES][8];
extern const char profile_hues[PROFILE_HUES][8]; /* modules and names */
const char *profile_color(const struct profile_function *function, enum profile_colors colors);
uint32_t profile_color_hash(const char *text); /* FNV-1a of the clean text's bytes: profile_flame.js does the same */

/* Of comparisons: within noise, new, gone; more and less by how many points of the whole the share moved. */
enum { PROFILE_STEPS = 4 };
extern const char profile_change_colors[PROFILE_CHANGES][PROFILE_STEPS][8];
const char *profile_change_color(const struct profile_tree *tree, uint32_t node);

#endif
