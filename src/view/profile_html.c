/* A profile as one page of HTML, for those too large for an SVG: all of its frames, times and threads, drawn on a
 * canvas.
 *
 * The page is made of three fixed texts (the body below, profile_page.css, the scripts) and two that come from the
 * profile: its title, escaped, and the data as base64. It loads nothing. Its policy allows the one style and the one
 * script that the build has taken the hashes of, so that not even a mistake in escaping would let a name of a function
 * run.
 */
#include "view/profile_data.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-%s'; "
    "style-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";

static const char bar[] =
    "<div id=\"bar\">\n"
    "<button id=\"reset\" disabled=\"disabled\">reset zoom</button>\n<button id=\"invert\">invert</button>\n"
    "<select id=\"grouping\" aria-label=\"grouping\"><option value=\"process\">by process</option>"
    "<option value=\"thread\">by thread</option><option value=\"\">all together</option></select>\n"
    "<select id=\"thread\" aria-label=\"thread\"><option value=\"\">all threads</option></select>\n"
    "<select id=\"side\" aria-label=\"widths\"><option value=\"\">widths of now</option>"
    "<option value=\"before\">widths of before</option></select>\n"
    "<select id=\"colors\" aria-label=\"colours\"><option value=\"kind\">colours by kind</option>"
    "<option value=\"module\">by module</option><option value=\"name\">by name</option></select>\n"
    "<input id=\"search\" placeholder=\"search (/)\" aria-label=\"search: a regular expression\"/>\n"
    "<span id=\"matched\"></span>\n<button id=\"theme\">light / dark</button>\n</div>\n"
    "<div id=\"hot\" hidden=\"hidden\"><canvas id=\"heat\"></canvas>"
    "<p>each second is a column, from below: choose a time with the mouse <span id=\"span\"></span> "
    "<button id=\"alltime\" hidden=\"hidden\">all of it</button></p></div>\n"
    "<div id=\"flame\" class=\"stage\"><canvas id=\"flame-canvas\"></canvas><div id=\"flame-space\"></div></div>\n"
    "<p id=\"details\"></p>\n"
    "<div id=\"sandwich\" hidden=\"hidden\"><h2>callers of <span id=\"function\"></span>, and what it calls "
    "<button id=\"close\">close</button></h2>\n"
    "<div id=\"callers\" class=\"stage\"><canvas id=\"callers-canvas\"></canvas><div "
    "id=\"callers-space\"></div></div>\n"
    "<div id=\"callees\" class=\"stage\"><canvas id=\"callees-canvas\"></canvas><div "
    "id=\"callees-space\"></div></div></div>\n"
    "<p>click: zoom; shift and click: callers and callees</p>\n"
    "<table><thead><tr><th id=\"by-self\" class=\"number\" colspan=\"2\">self</th>"
    "<th id=\"by-total\" class=\"number\" colspan=\"2\">with callees</th><th "
    "id=\"by-name\">function</th><th>module</th></tr>"
    "</thead><tbody id=\"rows\"></tbody></table>\n<p id=\"more\"></p>\n"
    "<noscript><p>This page draws with a script; an .svg shows a picture without.</p></noscript>\n";

static void write_text(struct strbuf *text, struct view_output *out) {
    view_output_write(out, strbuf_text(text), text->length);
    strbuf_reset(text);
}

static void write_head(const struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct strbuf text = {0}, badge = {0};
    profile_add_badge(&badge, profile);
    strbuf_addf(&text, head, view_page_script_sha256, view_page_style_sha256);
    profile_add_markup(&text, profile_title(profile, picture));
    strbuf_addf(&text, "</title>\n<style>%s</style>\n</head>\n<body>\n<h1>", view_page_style);
    profile_add_markup(&text, profile_title(profile, picture));
    strbuf_addstr(&text, "</h1>\n<p id=\"badge\">");
    profile_add_markup(&text, strbuf_text(&badge));
    strbuf_addstr(&text, "</p>\n");
    strbuf_addstr(&text, bar);
    strbuf_addstr(&text, "<script type=\"text/plain\" id=\"profile\">\n");
    write_text(&text, out);
    strbuf_free(&text);
    strbuf_free(&badge);
}

/* Single samples with threads and times; of a comparison, sums. */
static void write_data(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct profile_data data = {.profile = profile, .picture = picture};
    if (picture->baseline) {
        data.tree = profile_picture_tree(arena, profile, picture);
    } else {
        struct profile_tree *tree = profile_tree_new(arena);
        data.placed = profile_tree_add(tree, profile, PROFILE_NOW, PROFILE_UNGROUPED);
        profile_tree_finish(tree);
        data.tree = tree;
    }
    profile_data_write(&data, out);
    arena_free(arena);
}

void profile_write_html(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct strbuf text = {0};
    write_head(profile, picture, out);
    write_data(profile, picture, out);
    strbuf_addf(&text, "</script>\n<script>%s</script>\n</body>\n</html>\n", view_page_script);
    write_text(&text, out);
    strbuf_free(&text);
}
