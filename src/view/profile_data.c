#include "view/profile_data.h"
#include "view/view_int.h"
#include <stdlib.h>

enum { TICK_NS = 1000000 }; /* times are told so exactly */

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void add_number(struct strbuf *out, uint64_t number) {
    char bytes[10];
    size_t length = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[length++] = (char)(number | 0x80);
    bytes[length++] = (char)number;
    strbuf_add(out, bytes, length);
}

static void add_signed(struct strbuf *out, int64_t number) {
    add_number(out, (uint64_t)number << 1 ^ (uint64_t)(number >> 63));
}

static void add_text(struct strbuf *out, const char *text) {
    struct strbuf clean = {0};
    profile_add_clean(&clean, text);
    add_number(out, clean.length);
    strbuf_add(out, strbuf_text(&clean), clean.length);
    strbuf_free(&clean);
}

static void write_base64(const struct strbuf *bytes, struct view_output *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)strbuf_text(bytes);
    enum { LINE = 96 }; /* bytes; 128 characters */
    char line[LINE / 3 * 4 + 1];
    for (size_t start = 0; start < bytes->length; start += LINE) {
        size_t end = bytes->length - start < LINE ? bytes->length : start + LINE, length = 0;
        for (size_t i = start; i < end; i += 3) {
            uint32_t three = (uint32_t)in[i] << 16 | (i + 1 < end ? (uint32_t)in[i + 1] << 8 : 0) |
                             (i + 2 < end ? (uint32_t)in[i + 2] : 0);
            line[length++] = digits[three >> 18];
            line[length++] = digits[three >> 12 & 63];
            line[length++] = i + 1 < end ? digits[three >> 6 & 63] : '=';
            line[length++] = i + 2 < end ? digits[three & 63] : '=';
        }
        line[length++] = '\n';
        view_output_write(out, line, length);
    }
}

/* ---- which nodes ------------------------------------------------------------------------------------------------- */

/* A choice of the tree's nodes, with numbers of their own. */
struct chosen {
    const struct profile_tree *tree;
    uint32_t *number; /* of each node; 0 (but for the root): not chosen */
    uint32_t count;   /* with the root */
    uint32_t *function;
    uint32_t functions; /* without 0 */
};

static uint64_t weight_of(const struct profile_tree_node *node) {
    uint64_t now = node->total[PROFILE_NOW].weight, before = node->total[PROFILE_BEFORE].weight;
    return now > before ? now : before;
}

static int heavier_first(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a < b) - (a > b);
}

/* Only what is heavier than this is chosen. No child is heavier than its parent, so the chosen ones are a tree. */
static uint64_t lightest(const struct profile_tree *tree, uint32_t most, struct arena *arena) {
    uint32_t count = tree->nodes.count;
    if (!most || count <= most)
        return 0;
    uint64_t *weights = arena_new_array(arena, uint64_t, count);
    for (uint32_t i = 0; i < count; i++)
        weights[i] = weight_of(&tree->nodes.data[i]);
    qsort(weights, count, sizeof *weights, heavier_first);
    return weights[most];
}

static void choose(struct chosen *chosen, const struct profile_tree *tree, uint32_t most, struct arena *arena) {
    uint64_t least = lightest(tree, most, arena);
    *chosen = (struct chosen){.tree = tree, .count = 1};
    chosen->number = arena_new_array(arena, uint32_t, tree->nodes.count);
    chosen->function = arena_new_array(arena, uint32_t, tree->functions.count);
    for (uint32_t i = 1; i < tree->nodes.count; i++) {
        const struct profile_tree_node *node = &tree->nodes.data[i];
        if (weight_of(node) <= least)
            continue;
        chosen->number[i] = chosen->count++;
        chosen->function[node->function] = 1;
    }
    for (uint32_t i = 1; i < tree->functions.count; i++) {
        if (chosen->function[i])
            chosen->function[i] = ++chosen->functions;
    }
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

static void add_functions(const struct chosen *chosen, struct arena *arena, struct strbuf *out) {
    const struct profile_tree *tree = chosen->tree;
    struct strbuf modules = {0}, functions = {0};
    struct hash numbers;
    uint32_t count = 0;
    hash_init(&numbers, arena);
    for (uint32_t i = 1; i < tree->functions.count; i++) {
        const struct profile_function *function = &tree->functions.data[i];
        if (!chosen->function[i])
            continue;
        uintptr_t module = (uintptr_t)hash_get(&numbers, function->module);
        if (!module) {
            module = ++count;
            hash_put(&numbers, function->module, (void *)module);
            add_text(&modules, function->module);
        }
        add_text(&functions, function->name);
        add_number(&functions, module - 1);
        add_number(&functions, function->kind | (function->inlined ? 8u : 0));
    }
    add_number(out, count);
    strbuf_add(out, strbuf_text(&modules), modules.length);
    add_number(out, chosen->functions);
    strbuf_add(out, strbuf_text(&functions), functions.length);
    strbuf_free(&modules);
    strbuf_free(&functions);
}

static void add_nodes(const struct chosen *chosen, struct strbuf *out) {
    const struct profile_tree *tree = chosen->tree;
    add_number(out, chosen->count - 1);
    for (uint32_t i = 1; i < tree->nodes.count; i++) {
        const struct profile_tree_node *node = &tree->nodes.data[i];
        if (!chosen->number[i])
            continue;
        add_number(out, chosen->number[i] - chosen->number[node->parent]);
        add_number(out, chosen->function[node->function]);
    }
}

static void add_threads(const struct profile *p, struct strbuf *out) {
    add_number(out, p->threads.count);
    for (uint32_t i = 0; i < p->threads.count; i++) {
        const struct profile_thread *thread = &p->threads.data[i];
        add_number(out, thread->process);
        add_number(out, thread->thread);
        add_text(out, p->strings.data[thread->name]);
        add_text(out, p->strings.data[thread->process_name ? thread->process_name : thread->name]);
    }
}

static bool has_times(const struct profile *p) {
    bool has = p->samples.count > 0;
    for (uint32_t i = 0; has && i < p->samples.count; i++)
        has = p->samples.data[i].time != PROFILE_NO_TIME;
    return has;
}

static int64_t tick_of(const struct profile_sample *sample) { return (int64_t)(sample->time / TICK_NS); }

static void add_samples(const struct profile_data *data, const struct chosen *chosen, bool times, struct strbuf *out) {
    const struct profile *p = data->profile;
    int64_t node = 0, time = 0;
    add_number(out, p->samples.count);
    for (uint32_t i = 0; i < p->samples.count; i++) {
        const struct profile_sample *sample = &p->samples.data[i];
        int64_t at = chosen->number[data->placed[sample->node]];
        add_signed(out, at - node);
        add_number(out, sample->weight);
        add_number(out, sample->count ? sample->count : 1);
        add_number(out, sample->thread);
        if (times)
            add_signed(out, tick_of(sample) - time);
        node = at;
        time = times ? tick_of(sample) : 0;
    }
}

/* One sample for each node that has any. What was left out is in its outermost caller that was not. */
static void add_sums(const struct chosen *chosen, enum profile_side side, struct arena *arena, struct strbuf *out) {
    const struct profile_tree *tree = chosen->tree;
    struct profile_amount *sums = arena_new_array(arena, struct profile_amount, chosen->count);
    uint32_t *stand_in = arena_new_array(arena, uint32_t, tree->nodes.count); /* the chosen node that has its samples */
    uint32_t used = 0;
    int64_t before = 0;
    for (uint32_t i = 0; i < tree->nodes.count; i++) {
        const struct profile_tree_node *node = &tree->nodes.data[i];
        stand_in[i] = i && !chosen->number[i] ? stand_in[node->parent] : chosen->number[i];
        used += !sums[stand_in[i]].weight && node->self[side].weight;
        sums[stand_in[i]].weight += node->self[side].weight;
        sums[stand_in[i]].count += node->self[side].count;
    }
    add_number(out, used);
    for (uint32_t i = 0; i < chosen->count; i++) {
        if (!sums[i].weight)
            continue;
        add_signed(out, (int64_t)i - before);
        add_number(out, sums[i].weight);
        add_number(out, sums[i].count);
        before = i;
    }
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

static void add_member(struct strbuf *json, const char *name, const char *text) {
    struct strbuf clean = {0};
    profile_add_clean(&clean, text);
    strbuf_addf(json, "\"%s\":", name);
    view_json_string(strbuf_text(&clean), clean.length, json);
    strbuf_addch(json, ',');
    strbuf_free(&clean);
}

static void add_colors(struct strbuf *json) {
    strbuf_addstr(json, "\"shades\":[");
    for (int kind = 0; kind < PROFILE_KINDS; kind++) {
        for (int i = 0; i < PROFILE_SHADES; i++)
            strbuf_addf(json, "%s\"%s\"", i ? "," : kind ? ",[" : "[", profile_shades[kind][i]);
        strbuf_addch(json, ']');
    }
    strbuf_addstr(json, "],\"hues\":");
    for (int i = 0; i < PROFILE_HUES; i++)
        strbuf_addf(json, "%s\"%s\"", i ? "," : "[", profile_hues[i]);
    strbuf_addstr(json, "],\"changes\":[");
    for (int change = 0; change < PROFILE_CHANGES; change++) {
        for (int i = 0; i < PROFILE_STEPS; i++)
            strbuf_addf(json, "%s\"%s\"", i ? "," : change ? ",[" : "[", profile_change_colors[change][i]);
        strbuf_addch(json, ']');
    }
    strbuf_addstr(json, "]");
}

static void add_header(const struct profile_data *data, bool times, struct strbuf *out) {
    const struct profile *p = data->profile;
    struct strbuf json = {0}, badge = {0};
    profile_add_badge(&badge, p);
    strbuf_addch(&json, '{');
    add_member(&json, "title", profile_title(p, data->picture));
    add_member(&json, "badge", strbuf_text(&badge));
    add_member(&json, "unit", p->unit);
    add_member(&json, "event", p->event);
    add_member(&json, "command", p->command);
    add_member(&json, "host", p->host);
    strbuf_addf(&json, "\"start\":%llu,\"duration\":%llu,\"tick\":%d,", (unsigned long long)(p->start_ns / 1000000),
                (unsigned long long)p->duration_ns, TICK_NS);
    strbuf_addf(&json, "\"sampled\":%d,\"compared\":%d,\"threads\":%d,\"times\":%d,\"leftOut\":%u,",
                data->tree->sampled, data->tree->compared, data->placed != NULL, times, data->left_out);
    strbuf_addf(&json, "\"inverted\":%d,\"colors\":\"%s\",\"minWidth\":%g,", data->picture->inverted,
                profile_color_names[data->picture->colors], profile_min_width(data->picture));
    add_colors(&json);
    strbuf_addch(&json, '}');
    add_number(out, json.length);
    strbuf_add(out, strbuf_text(&json), json.length);
    strbuf_free(&json);
    strbuf_free(&badge);
}

void profile_data_write(struct profile_data *data, struct view_output *out) {
    struct arena *arena = arena_new();
    struct strbuf bytes = {0};
    struct chosen chosen;
    bool times = data->placed && has_times(data->profile);
    choose(&chosen, data->tree, data->placed ? 0 : data->nodes_most, arena);
    data->left_out = data->tree->nodes.count - chosen.count;
    add_header(data, times, &bytes);
    add_functions(&chosen, arena, &bytes);
    add_nodes(&chosen, &bytes);
    if (data->placed) {
        add_threads(data->profile, &bytes);
        add_samples(data, &chosen, times, &bytes);
    } else {
        add_number(&bytes, 0);
        add_sums(&chosen, PROFILE_NOW, arena, &bytes);
    }
    if (data->tree->compared)
        add_sums(&chosen, PROFILE_BEFORE, arena, &bytes);
    write_base64(&bytes, out);
    strbuf_free(&bytes);
    arena_free(arena);
}
