/* A profile as a file: the table of formats, and what a picture can be told.
 *
 * A format is a row in profile_formats: the ending of the file's name chooses it, and its function writes the file to a
 * view_output (which remembers errors: nobody checks each write). The same profile gives the same bytes.
 *
 * To add a format: src/view/profile_NAME.c with its function (source of the format on top), its declaration below, its
 * row in profile_format.c, and a test of what another reader of that format sees (tests/live/test_pictures.py).
 */
#ifndef TARSIER_VIEW_PROFILE_FORMAT_H
#define TARSIER_VIEW_PROFILE_FORMAT_H

#include "base/profile.h"
#include "base/profile_tree.h"
#include "base/str.h"
#include "view/output.h"

/* How the frames of a picture are coloured. */
enum profile_colors { PROFILE_COLOR_KIND, PROFILE_COLOR_MODULE, PROFILE_COLOR_NAME, PROFILE_COLORINGS };
extern const char *const profile_color_names[PROFILE_COLORINGS]; /* "kind", ... */

/* What a picture can be told; formats that are no pictures do not look at it. Zeroed: the usual. NULL is the same. */
struct profile_picture {
    const char *title; /* NULL: from the profile */
    bool inverted;     /* the root on top */
    enum profile_colors colors;
    const struct profile *baseline; /* pictures show what changed since then; NULL: no comparison */
    /* .data: will perf find the name of the code at this address in the file by itself? Then its place in the file.
     * NULL: it will not. */
    bool (*find_in_file)(void *context, const char *path, uint64_t address, uint64_t *offset);
    void *context;
    double min_width; /* frames narrower than this many pixels are not drawn; 0: the usual */
};

struct profile_format {
    const char *ending; /* of a file's name: ".svg" */
    const char *help;   /* what it is for */
    bool times;         /* shows when samples were: a profile with PROFILE_NO_TIME gives a poorer file */
    bool compares;      /* shows a baseline */
    void (*write)(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
};
extern const struct profile_format profile_formats[];
extern const unsigned profile_format_count;

/* By the ending of the file's name; NULL: none of them. */
const struct profile_format *profile_format_of(const char *path);
/* Appends ".svg, .html and .folded" */
void profile_format_endings(struct strbuf *out);
/* The whole file to a descriptor; 0 or a negative errno. */
int profile_write(const struct profile_format *format, struct profile *profile, const struct profile_picture *picture,
                  int fd);

void profile_write_html(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_perf(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_firefox(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_svg(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_pprof(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_speedscope(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_callgrind(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_tarsier(struct profile *profile, const struct profile_picture *picture, struct view_output *out);
void profile_write_folded(struct profile *profile, const struct profile_picture *picture, struct view_output *out);

#endif
