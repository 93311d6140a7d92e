/* A profile as the scripts of the pictures read it: one string of base64, so that nothing in it can be taken for
 * markup.
 *
 * Bytes under the base64 (decode() in profile_flame.js is the reader). Numbers are LEB128: 7 bits a byte, lowest first,
 * the top bit set on all but the last. A text is its length and its UTF-8.
 *
 *   header    a text: JSON, see write_header() in profile_data.c
 *   modules   count; each: text
 *   functions count; each: name text, module number, kind + 8 * inlined. Numbered from 1 in the order of their names
 *   nodes     count; each, from number 1 on: number - parent, function. 0 is the root
 *   threads   count; each: process, thread, name text, name of the process text
 *   samples   count; each: node - node of the sample before it (zigzag: 0, -1, 1, -2 as 0, 1, 2, 3), weight, count,
 *             and with threads: thread, and with times: units of header.tick since the sample before it (zigzag)
 *   before    the same for the other side of a comparison, without threads and times
 */
#ifndef TARSIER_VIEW_PROFILE_DATA_H
#define TARSIER_VIEW_PROFILE_DATA_H

#include "view/profile_picture.h"

struct profile_data {
    struct profile *profile;
    const struct profile_picture *picture;
    const struct profile_tree *tree; /* finished */
    const uint32_t *placed; /* of the profile's nodes: each sample is told, with threads and times. NULL: sums */
    uint32_t nodes_most;    /* only the heaviest nodes, when there are more; 0: all */
    uint32_t left_out;      /* set: nodes that are not in it */
};

void profile_data_write(struct profile_data *data, struct view_output *out);

/* What the build makes of the .js and .css files: text, and the base64 of its SHA-256. */
extern const char view_svg_script[], view_page_script[], view_page_style[];
extern const char view_page_script_sha256[], view_page_style_sha256[];

#endif
