/* A flame graph as SVG: a picture for every viewer, with its script inside for those that run scripts.
 *
 * The frames that are drawn here are what is seen without a script, in the layout that the script (profile_svg.js)
 * draws again from the data. The data is the whole tree, so that zoom and search do not depend on what was wide enough
 * to be drawn; of very large trees it is the heaviest nodes.
 *
 *   <svg> <style> <defs: hatches of cut stacks>  title, badge
 *     <g id="frames"> <g> <title>all about it</title> <rect/> <text/> </g> ... </g>
 *     <script type="text/plain" id="profile"> base64 </script>  <script> ... </script>
 *   </svg>
 */
#include "view/profile_data.h"
#include <stdlib.h>

enum { WIDTH = 1200, MARGIN = 10, ROW = 16, LINE = 15, BOTTOM = 26, BADGE_CHARACTERS = 170, NODES_MOST = 100000 };
static const double character_width = 6.6;

struct drawing {
    const struct profile_tree *tree;
    struct profile *profile;
    const struct profile_picture *picture;
    struct view_output *out;
    const char **colors; /* of each function */
    struct strbuf text;
    double least; /* width */
    unsigned top, height;
};

static void put(struct drawing *d) {
    view_output_write(d->out, strbuf_text(&d->text), d->text.length);
    strbuf_reset(&d->text);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void add_about(struct drawing *d, uint32_t node) {
    const struct profile_tree_node *at = &d->tree->nodes.data[node];
    const struct profile_amount *total = &at->total[PROFILE_NOW], *all = &d->tree->nodes.data[0].total[PROFILE_NOW];
    const struct profile_function *function = &d->tree->functions.data[at->function];
    profile_add_markup(&d->text, node ? function->name : "all");
    strbuf_addch(&d->text, '\n');
    profile_add_amount(&d->text, total->weight, d->profile->unit);
    strbuf_addf(&d->text, ", %.2f %%", all->weight ? 100.0 * (double)total->weight / (double)all->weight : 0);
    if (node && d->tree->sampled) {
        struct profile_interval interval = profile_interval(total->count, all->count);
        strbuf_addf(&d->text, " (95 %%: %.2f to %.2f)", 100 * interval.low, 100 * interval.high);
    }
    if (node && *function->module) {
        strbuf_addch(&d->text, '\n');
        profile_add_markup(&d->text, function->module);
    }
}

/* As many characters of the name as fit; the rest is two dots. */
static void add_label(struct strbuf *out, const char *name, double width) {
    struct strbuf clean = {0}, part = {0};
    size_t characters = 0, cut = 0, room = width > 6 ? (size_t)((width - 6) / character_width) : 0;
    profile_add_clean(&clean, name);
    for (size_t i = 0; i < clean.length; i++) {
        if (((unsigned char)clean.data[i] & 0xc0) != 0x80 && characters++ == (room > 2 ? room - 2 : 0))
            cut = i;
    }
    if (room >= 3) {
        strbuf_add(&part, strbuf_text(&clean), characters <= room ? clean.length : cut);
        profile_add_markup(out, strbuf_text(&part));
        strbuf_addstr(out, characters <= room ? "" : "..");
    }
    strbuf_free(&clean);
    strbuf_free(&part);
}

static const char *fill_of(struct drawing *d, uint32_t node) {
    uint32_t function = d->tree->nodes.data[node].function;
    if (!node)
        return "#c9c9d2";
    if (d->tree->compared)
        return profile_change_color(d->tree, node);
    if (d->tree->functions.data[function].kind == PROFILE_CUT)
        return "url(#cut)";
    if (!d->colors[function])
        d->colors[function] = profile_color(&d->tree->functions.data[function], d->picture->colors);
    return d->colors[function];
}

static void draw_frame(struct drawing *d, uint32_t node, uint32_t level, double x, double width) {
    unsigned y = d->picture->inverted ? d->top + level * ROW : d->height - BOTTOM - (level + 1) * ROW;
    struct strbuf label = {0};
    strbuf_addstr(&d->text, "<g><title>");
    add_about(d, node);
    strbuf_addf(&d->text, "</title><rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>", x + MARGIN, y,
                width < 0.1 ? 0.1 : width, ROW - 1, fill_of(d, node));
    add_label(&label, node ? d->tree->functions.data[d->tree->nodes.data[node].function].name : "all", width);
    if (label.length)
        strbuf_addf(&d->text, "<text x=\"%.2f\" y=\"%.1f\">%s</text>", x + MARGIN + 3, y + 11.5, strbuf_text(&label));
    strbuf_addstr(&d->text, "</g>\n");
    strbuf_free(&label);
    put(d);
}

/* Goes through what is wide enough; a frame that is not drawn takes its callees with it. draw NULL: only the depth. */
static uint32_t each_frame(struct drawing *d, void (*draw)(struct drawing *, uint32_t, uint32_t, double, double)) {
    const struct profile_tree_node *nodes = d->tree->nodes.data;
    double whole = (double)nodes[0].total[PROFILE_NOW].weight, scale = whole > 0 ? (WIDTH - 2 * MARGIN) / whole : 0;
    struct arena *arena = arena_new();
    double *place = arena_new_array(arena, double, d->tree->depth + 2); /* where the next frame of a level goes */
    uint32_t level = 0, deepest = 0;
    if (draw)
        draw(d, 0, 0, 0, WIDTH - 2 * MARGIN);
    for (uint32_t node = profile_tree_next(d->tree, 0, &level); node;) {
        double weight = (double)nodes[node].total[PROFILE_NOW].weight;
        bool is_drawn = weight * scale >= d->least;
        if (is_drawn && draw)
            draw(d, node, level, place[level] * scale, weight * scale);
        if (is_drawn && level > deepest)
            deepest = level;
        place[level + 1] = place[level];
        place[level] += weight;
        node = is_drawn ? profile_tree_next(d->tree, node, &level) : profile_tree_behind(d->tree, node, &level);
    }
    arena_free(arena);
    return deepest;
}

/* ---- around them ------------------------------------------------------------------------------------------------- */

/* Text in lines of some width. */
static void add_lines(struct drawing *d, const char *text) {
    while (*text) {
        size_t length = strlen(text);
        if (length > BADGE_CHARACTERS) {
            length = BADGE_CHARACTERS;
            while (length > 1 && text[length - 1] != ' ')
                length--;
        }
        strbuf_addf(&d->text, "<text class=\"badge\" x=\"%d\" y=\"%u\">%.*s</text>\n", MARGIN, d->top, (int)length,
                    text);
        d->top += LINE;
        text += length;
    }
}

/* What stands above the frames; ends at d->top. */
static void add_badge(struct drawing *d) {
    struct strbuf badge = {0};
    profile_add_badge(&badge, d->profile);
    d->top = 42;
    add_lines(d, strbuf_text(&badge));
    if (d->tree->nodes.count > NODES_MOST) {
        strbuf_reset(&badge);
        strbuf_addf(&badge, "The heaviest %d of %u frames are in this file; an .html has all.", NODES_MOST,
                    d->tree->nodes.count);
        add_lines(d, strbuf_text(&badge));
    }
    d->top += 24; /* the script's buttons */
    strbuf_free(&badge);
}

static const char style[] =
    "<style>\n"
    "svg { background: #fff; font-family: ui-monospace, \"DejaVu Sans Mono\", Menlo, monospace; }\n"
    "text { font-size: 11px; fill: #111; }\n"
    "text.title { font-size: 15px; }\n"
    "text.badge, #details, text.button, text.matched { fill: #444; }\n"
    "text.button { cursor: pointer; text-decoration: underline; }\n"
    "text.matched { text-anchor: end; }\n"
    "input.search { width: 114px; font: inherit; font-size: 11px; box-sizing: border-box; }\n"
    "#frames g { cursor: pointer; }\n"
    "#frames text { pointer-events: none; }\n"
    "#frames g:hover rect { stroke: #000; stroke-width: 0.7; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "svg { background: #1c1c20; }\n"
    "text.title { fill: #eee; }\n"
    "text.badge, #details, text.button, text.matched { fill: #bbb; }\n"
    "#frames g:hover rect { stroke: #fff; }\n"
    "}\n"
    "</style>\n"
    "<defs><pattern id=\"cut\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#d6d0d6\"/>"
    "<rect width=\"2\" height=\"6\" fill=\"#8f8590\"/></pattern></defs>\n";

static void write_head(struct drawing *d) {
    struct strbuf badge;
    add_badge(d);
    badge = d->text;
    d->text = (struct strbuf){0};
    d->height = d->top + (each_frame(d, NULL) + 1) * ROW + BOTTOM;
    strbuf_addf(&d->text,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
                "width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" data-top=\"%u\">\n",
                WIDTH, d->height, WIDTH, d->height, d->top);
    strbuf_addstr(&d->text, style);
    strbuf_addf(&d->text, "<text class=\"title\" x=\"%d\" y=\"24\">", MARGIN);
    profile_add_markup(&d->text, profile_title(d->profile, d->picture));
    strbuf_addstr(&d->text, "</text>\n");
    strbuf_add(&d->text, strbuf_text(&badge), badge.length);
    strbuf_addstr(&d->text, "<g id=\"frames\">\n");
    put(d);
    strbuf_free(&badge);
}

static void write_script(struct drawing *d) {
    struct profile_data data = {
        .profile = d->profile, .picture = d->picture, .tree = d->tree, .nodes_most = NODES_MOST};
    strbuf_addf(&d->text, "</g>\n<text id=\"details\" x=\"%d\" y=\"%u\"></text>\n", MARGIN, d->height - 9);
    strbuf_addstr(&d->text, "<script type=\"text/plain\" id=\"profile\">\n");
    put(d);
    profile_data_write(&data, d->out);
    strbuf_addstr(&d->text, "</script>\n<script><![CDATA[\n");
    strbuf_addstr(&d->text, view_svg_script);
    strbuf_addstr(&d->text, "]]></script>\n</svg>\n");
    put(d);
}

void profile_write_svg(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    const struct profile_tree *tree = profile_picture_tree(arena, profile, picture);
    struct drawing d = {.tree = tree,
                        .profile = profile,
                        .picture = picture,
                        .out = out,
                        .colors = arena_new_array(arena, const char *, tree->functions.count),
                        .least = profile_min_width(picture)};
    write_head(&d);
    each_frame(&d, draw_frame);
    write_script(&d);
    strbuf_free(&d.text);
    arena_free(arena);
}
