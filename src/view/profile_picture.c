#include "view/profile_picture.h"
#include "view/view_int.h"
#include <math.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

enum { NAME_MOST = 1000 /* characters of a name that are shown */ };
static const char replacement[] = "\xef\xbf\xbd", ellipsis[] = "\xe2\x80\xa6";

/* Takes one character off valid UTF-8; 0 for what is none (one byte is taken). */
static uint32_t next_character(const char **at) {
    const unsigned char *bytes = (const unsigned char *)*at;
    unsigned length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    ++*at;
    if (bytes[0] >= 0xf8 || (bytes[0] >= 0x80 && bytes[0] < 0xc0))
        return 0;
    for (unsigned i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (bytes[i] & 0x3f);
    }
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    *at += length - 1;
    return c;
}

/* Control characters, what XML does not take, and what turns the direction of the text around it. */
static bool is_showable(uint32_t c) {
    bool is_control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfeff || (c & 0xfffe) == 0xfffe;
    bool turns =
        c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    return !is_control && !turns;
}

static void add_character(struct strbuf *out, const char *at, const char *end, bool markup) {
    const char *escaped = !markup       ? NULL
                          : *at == '&'  ? "&amp;"
                          : *at == '<'  ? "&lt;"
                          : *at == '>'  ? "&gt;"
                          : *at == '"'  ? "&quot;"
                          : *at == '\'' ? "&#39;"
                                        : NULL;
    if (escaped)
        strbuf_addstr(out, escaped);
    else
        strbuf_add(out, at, (size_t)(end - at));
}

static void add_text(struct strbuf *out, const char *text, bool markup) {
    for (unsigned count = 0; *text; count++) {
        const char *at = text;
        if (count == NAME_MOST) {
            strbuf_addstr(out, ellipsis);
            return;
        }
        if (is_showable(next_character(&text)))
            add_character(out, at, text, markup);
        else
            strbuf_addstr(out, replacement);
    }
}

void profile_add_clean(struct strbuf *out, const char *text) { add_text(out, text, false); }
void profile_add_markup(struct strbuf *out, const char *text) { add_text(out, text, true); }

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

void profile_add_grouped(struct strbuf *out, uint64_t number) {
    char buffer[VIEW_NUMBER_BYTES], *end = buffer + sizeof buffer, *digits = view_unsigned_digits(end, number);
    for (size_t left = (size_t)(end - digits); left; left--) {
        strbuf_addch(out, *digits++);
        if (left > 1 && left % 3 == 1)
            strbuf_addch(out, ',');
    }
}

/* "1.234 s" */
static void add_scaled(struct strbuf *out, uint64_t number, const char *const *units, const uint64_t *sizes) {
    while (*sizes > 1 && number < *sizes) {
        sizes++;
        units++;
    }
    if (*sizes > 1)
        strbuf_addf(out, "%.4g %s", (double)number / (double)*sizes, *units);
    else
        strbuf_addf(out, "%llu %s", (unsigned long long)number, *units);
}

void profile_add_amount(struct strbuf *out, uint64_t weight, const char *unit) {
    static const char *const times[] = {"s", "ms", "us", "ns"}, *const bytes[] = {"GB", "MB", "KB", "bytes"};
    static const uint64_t time_sizes[] = {1000000000, 1000000, 1000, 1}, byte_sizes[] = {1 << 30, 1 << 20, 1 << 10, 1};
    if (strcmp(unit, "ns") == 0 || strcmp(unit, "nanoseconds") == 0) {
        add_scaled(out, weight, times, time_sizes);
    } else if (strcmp(unit, "bytes") == 0) {
        add_scaled(out, weight, bytes, byte_sizes);
    } else {
        size_t length = strlen(unit);
        profile_add_grouped(out, weight);
        strbuf_addch(out, ' ');
        strbuf_add(out, unit, weight == 1 && length > 1 && unit[length - 1] == 's' ? length - 1 : length);
    }
}

struct profile_interval profile_interval(uint64_t part, uint64_t whole) {
    const double z = 1.96, n = (double)whole;
    if (!whole)
        return (struct profile_interval){0, 1};
    double share = (double)part / n, scale = 1 + z * z / n, middle = (share + z * z / (2 * n)) / scale;
    double half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale;
    return (struct profile_interval){part ? fmax(0, middle - half) : 0, part >= whole ? 1 : fmin(1, middle + half)};
}

/* ---- what is drawn ----------------------------------------------------------------------------------------------- */

struct profile_tree *profile_picture_tree(struct arena *arena, struct profile *profile,
                                          const struct profile_picture *picture) {
    struct profile_tree *tree = profile_tree_new(arena);
    profile_tree_add(tree, profile, PROFILE_NOW, PROFILE_BY_PROCESS);
    if (picture->baseline)
        profile_tree_add(tree, picture->baseline, PROFILE_BEFORE, PROFILE_BY_PROCESS);
    profile_tree_finish(tree);
    return tree;
}

double profile_min_width(const struct profile_picture *picture) {
    return picture->min_width > 0 ? picture->min_width : 0.1;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

const char *profile_title(const struct profile *p, const struct profile_picture *picture) {
    if (picture->title)
        return picture->title;
    return *p->command ? p->command : *p->event ? p->event : "Flame graph";
}

/* "12 cut (no unwind information: 10, stack not in memory: 2)" */
static void add_cuts(struct strbuf *out, const struct profile_badge *badge, uint64_t cut) {
    const char *before = " (";
    profile_add_grouped(out, cut);
    strbuf_addstr(out, " cut");
    for (int i = PROFILE_COMPLETE + 1; i < PROFILE_CUT_UNKNOWN; i++) {
        if (!badge->cut[i])
            continue;
        strbuf_addf(out, "%s%s: ", before, profile_cut_texts[i].name);
        profile_add_grouped(out, badge->cut[i]);
        before = ", ";
    }
    strbuf_addstr(out, cut ? ")" : "");
}

void profile_add_badge(struct strbuf *out, const struct profile *p) {
    const struct profile_badge *badge = &p->badge;
    uint64_t cut = 0, whole = badge->cut[PROFILE_COMPLETE], unknown = badge->cut[PROFILE_CUT_UNKNOWN];
    for (int i = PROFILE_COMPLETE + 1; i < PROFILE_CUT_UNKNOWN; i++)
        cut += badge->cut[i];
    profile_add_amount(out, badge->taken, "samples");
    strbuf_addstr(out, ", ");
    profile_add_grouped(out, badge->lost);
    strbuf_addstr(out, " lost");
    if (cut || whole) {
        strbuf_addf(out, "; user stacks: %.2f %% complete, ", 100.0 * (double)whole / (double)(whole + cut + unknown));
        add_cuts(out, badge, cut);
    }
    if (unknown) {
        strbuf_addstr(out, "; of ");
        profile_add_grouped(out, unknown);
        strbuf_addstr(out, " stacks the file does not tell whether they are whole");
    }
}

/* ---- colours ----------------------------------------------------------------------------------------------------- */

/* Light enough for black text on them, in the light and in the dark. */
const char profile_shades[PROFILE_KINDS][PROFILE_SHADES][8] = {
    [PROFILE_USER] = {"#f2b84b", "#f5c361", "#eeab3a", "#f7cd77", "#f0b456", "#e9a63f", "#f3bf6a", "#f8d489"},
    [PROFILE_KERNEL] = {"#e8795a", "#ee8a6c", "#e06b4d", "#f0997d", "#e57257", "#ea8264", "#dd6647", "#f2a58c"},
    [PROFILE_JIT] = {"#8cc665", "#9bd077", "#7fbb58", "#a8d888", "#86c060", "#94cb70", "#79b552", "#b0dc93"},
    [PROFILE_SCRIPT] = {"#6fb7d6", "#82c2dd", "#60add0", "#94cde4", "#69b3d3", "#7bbeda", "#58a6cb", "#9dd2e7"},
    [PROFILE_UNNAMED] = {"#bab5af", "#c4c0ba", "#b0aba4", "#cdc9c4", "#b5b0a9", "#bfbab4", "#aaa59e", "#d2cec9"},
    [PROFILE_CUT] = {"#d6d0d6", "#d6d0d6", "#d6d0d6", "#d6d0d6", "#d6d0d6", "#d6d0d6", "#d6d0d6", "#d6d0d6"},
    [PROFILE_MARK] = {"#b9b3dc", "#c3bee2", "#aea8d6", "#cdc9e8", "#b4aed9", "#beb9df", "#a9a2d2", "#d2ceea"},
};
const char profile_hues[PROFILE_HUES][8] = {
    "#f2b84b", "#e8795a", "#8cc665", "#6fb7d6", "#b9b3dc", "#e39bc0", "#9fd6c4", "#d9c27a",
    "#f0997d", "#a8d888", "#94cde4", "#cdb7e8", "#c9a184", "#7fc7b8", "#f7cd77", "#b5bd6a",
};
const char profile_change_colors[PROFILE_CHANGES][PROFILE_STEPS][8] = {
    [PROFILE_SAME] = {"#dddbd8", "#dddbd8", "#dddbd8", "#dddbd8"},
    [PROFILE_MORE] = {"#f6cfc6", "#f2ab9b", "#ec8571", "#e2604c"},
    [PROFILE_LESS] = {"#cbdcf3", "#a5c4ea", "#7faae0", "#5a90d6"},
    [PROFILE_NEW] = {"#cf7fe0", "#cf7fe0", "#cf7fe0", "#cf7fe0"},
    [PROFILE_GONE] = {"#5fbfae", "#5fbfae", "#5fbfae", "#5fbfae"},
};

uint32_t profile_color_hash(const char *text) {
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash ^ hash >> 15;
}

const char *profile_color(const struct profile_function *function, enum profile_colors colors) {
    struct strbuf clean = {0};
    profile_add_clean(&clean, colors == PROFILE_COLOR_MODULE ? function->module : function->name);
    uint32_t hash = profile_color_hash(strbuf_text(&clean));
    strbuf_free(&clean);
    if (colors == PROFILE_COLOR_KIND || function->kind == PROFILE_CUT)
        return profile_shades[function->kind][hash % PROFILE_SHADES];
    return profile_hues[hash % PROFILE_HUES];
}

const char *profile_change_color(const struct profile_tree *tree, uint32_t node) {
    static const double steps[] = {0.002, 0.01, 0.05}; /* points of the whole */
    const struct profile_amount *total = tree->nodes.data[node].total, *all = tree->nodes.data[0].total;
    double change = fabs(profile_share_change(total, all));
    unsigned step = 0;
    while (step < PROFILE_STEPS - 1 && change >= steps[step])
        step++;
    return profile_change_colors[profile_change(total, all, tree->sampled)][step];
}
