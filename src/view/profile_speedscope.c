/* speedscope.app's format, which Perfetto and others read as well.
 *
 * Source: file-format-spec.ts of github.com/jlfwong/speedscope. All that was sampled is one profile, by process.
 * Weights stand beside the stacks: a stack that was seen often is there once.
 */
#include "view/profile_picture.h"
#include "view/view_int.h"

struct speedscope {
    struct profile *profile;
    const struct profile_tree *tree;
    struct view_output *out;
    struct strbuf text;
    uint32_t *path;
};

static void put(struct speedscope *file) {
    view_output_write(file->out, strbuf_text(&file->text), file->text.length);
    strbuf_reset(&file->text);
}

static void add_text(struct strbuf *out, const char *text) {
    struct strbuf clean = {0};
    profile_add_clean(&clean, text);
    view_json_string(strbuf_text(&clean), clean.length, out);
    strbuf_free(&clean);
}

static void write_frames(struct speedscope *file) {
    const struct profile_tree *tree = file->tree;
    for (uint32_t i = 1; i < tree->functions.count; i++) {
        strbuf_addstr(&file->text, i > 1 ? ",\n{\"name\":" : "\n{\"name\":");
        add_text(&file->text, tree->functions.data[i].name);
        if (*tree->functions.data[i].module) {
            strbuf_addstr(&file->text, ",\"file\":");
            add_text(&file->text, tree->functions.data[i].module);
        }
        strbuf_addch(&file->text, '}');
        put(file);
    }
}

static const char *unit_of(const struct profile *p) {
    if (strcmp(p->unit, "ns") == 0)
        return "nanoseconds";
    return strcmp(p->unit, "bytes") == 0 ? "bytes" : "none";
}

static void begin_profile(struct speedscope *file, const char *name) {
    strbuf_addstr(&file->text, "\n{\"type\":\"sampled\",\"name\":");
    add_text(&file->text, name);
    strbuf_addf(&file->text, ",\"unit\":\"%s\",\"startValue\":0,\"samples\":[", unit_of(file->profile));
}

static void add_stack(struct speedscope *file, uint32_t node, bool is_first) {
    const struct profile_tree_node *nodes = file->tree->nodes.data;
    uint32_t depth = 0;
    for (; node; node = nodes[node].parent)
        file->path[depth++] = nodes[node].function - 1;
    strbuf_addstr(&file->text, is_first ? "\n[" : ",\n[");
    while (depth--)
        strbuf_addf(&file->text, depth ? "%u," : "%u", file->path[depth]);
    strbuf_addch(&file->text, ']');
    put(file);
}

/* The weights in the order of the stacks, and their sum. */
static void add_weight(struct speedscope *file, uint64_t weight, uint64_t *sum, bool is_first) {
    strbuf_addstr(&file->text, is_first ? "" : ",");
    view_add_unsigned(&file->text, weight);
    *sum += weight;
    put(file);
}

static void write_all(struct speedscope *file, const char *title) {
    const struct profile_tree *tree = file->tree;
    bool is_first = true;
    uint64_t sum = 0;
    begin_profile(file, title);
    for (uint32_t i = 0; i < tree->nodes.count; i++) {
        if (tree->nodes.data[i].self[PROFILE_NOW].weight) {
            add_stack(file, i, is_first);
            is_first = false;
        }
    }
    strbuf_addstr(&file->text, "],\"weights\":[");
    for (uint32_t i = 0; i < tree->nodes.count; i++) {
        if (tree->nodes.data[i].self[PROFILE_NOW].weight)
            add_weight(file, tree->nodes.data[i].self[PROFILE_NOW].weight, &sum, sum == 0);
    }
    strbuf_addf(&file->text, "],\"endValue\":%llu}", (unsigned long long)sum);
}

void profile_write_speedscope(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    const struct profile_tree *tree = profile_picture_tree(arena, profile, &(struct profile_picture){0});
    struct speedscope file = {.profile = profile, .tree = tree, .out = out};
    file.path = arena_new_array(arena, uint32_t, tree->depth + 1);
    strbuf_addstr(
        &file.text,
        "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":\"tarsier " TARSIER_VERSION
        "\",\"name\":");
    add_text(&file.text, profile_title(profile, picture));
    strbuf_addstr(&file.text, ",\"shared\":{\"frames\":[");
    write_frames(&file);
    strbuf_addstr(&file.text, "]},\"profiles\":[");
    write_all(&file, profile_title(profile, picture));
    strbuf_addstr(&file.text, "]}\n");
    put(&file);
    strbuf_free(&file.text);
    arena_free(arena);
}
