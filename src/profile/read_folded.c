/* Folded stacks: "outermost;...;innermost 12", a stack a line (view/profile_folded.c writes them; so do stackcollapse-*
 * of FlameGraph, inferno, async-profiler, py-spy and others). The weight is what stands behind the last blank;
 * fractions are rounded. Marks behind names (FlameGraph's annotations): _[k] kernel, _[j] made at run time, _[i]
 * inlined; our own
 * "[cut: reason]" as the outermost frame. Empty lines and lines with # in front are left out. */
#include "object/input.h"
#include "profile/read.h"

enum {
    FRAMES_MOST = 65536,   /* of a stack: what no program has, but a damaged file may */
    RECOGNISED_IN = 65536, /* the first line ends in so many bytes */
    NUMBER_DIGITS = 18,    /* so that no number overflows */
};
static const uint64_t weights_most = UINT64_MAX / 4; /* and no sum does */

/* A frame of a stack: where its name ends in the line (the place of the `;`), and its node. */
struct step {
    size_t end;
    uint32_t node;
};

struct folded {
    struct profile *profile;
    uint64_t line, total;
    uint32_t thread;
    const char **error;
    /* The stack of the line before: most lines begin as it does, and what is the same need not be looked up again. */
    struct object_text last;
    VEC(struct step) steps;
};

static bool wrong(struct folded *f, const char *what) {
    *f->error = arena_printf(f->profile->arena, "line %llu: %s", (unsigned long long)f->line, what);
    return false;
}

static struct object_text trimmed(struct object_text line) {
    while (line.at < line.end && (line.end[-1] == '\r' || line.end[-1] == ' ' || line.end[-1] == '\t'))
        line.end--;
    return line;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Takes the number at the end of the line and the blanks in front of it. */
static bool take_weight(struct object_text *line, uint64_t *weight) {
    const char *start = line->end, *point = NULL;
    for (; start > line->at && (is_digit(start[-1]) || (start[-1] == '.' && !point)); start--)
        point = start[-1] == '.' ? start - 1 : point;
    const char *whole_end = point ? point : line->end;
    if (start == line->end || start == line->at || whole_end == start || whole_end - start > NUMBER_DIGITS ||
        (start[-1] != ' ' && start[-1] != '\t'))
        return false;
    *weight = 0;
    for (const char *at = start; at < whole_end; at++)
        *weight = *weight * 10 + (uint64_t)(*at - '0');
    if (point && point + 1 < line->end && point[1] >= '5')
        ++*weight;
    line->end = start;
    *line = trimmed(*line);
    return true;
}

static bool take_end(struct object_text *name, const char *end) {
    size_t length = strlen(end);
    if (object_text_length(*name) <= length || memcmp(name->end - length, end, length) != 0)
        return false;
    name->end -= length;
    return true;
}

/* "[cut: reason]" */
static bool is_cut(struct object_text name) { return object_text_starts(name, "[cut: ") && name.end[-1] == ']'; }

static struct object_text reason_of(struct object_text name) {
    return (struct object_text){name.at + sizeof "[cut: " - 1, name.end - 1};
}

static enum profile_cut cut_of(struct object_text name) {
    for (int i = 0; i < PROFILE_CUTS; i++) {
        if (object_text_equals(reason_of(name), profile_cut_texts[i].name))
            return (enum profile_cut)i;
    }
    return PROFILE_CUT_UNKNOWN;
}

static uint32_t frame_of(struct folded *f, struct object_text name) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.kind = take_end(&name, "_[k]") ? PROFILE_KERNEL : take_end(&name, "_[j]") ? PROFILE_JIT : PROFILE_USER;
    frame.inlined = take_end(&name, "_[i]");
    if (is_cut(name))
        frame.kind = PROFILE_CUT;
    else if (object_text_equals(name, "--") || object_text_starts(name, "waker:"))
        frame.kind = PROFILE_MARK;
    else if (object_text_equals(name, "[unknown]"))
        frame.kind = PROFILE_UNNAMED;
    if (frame.kind == PROFILE_CUT)
        name = reason_of(name);
    frame.name = profile_string(f->profile, name.at, object_text_length(name));
    return profile_frame(f->profile, &frame);
}

/* How many frames the stack has in common with the one before. */
static uint32_t same_frames(const struct folded *f, struct object_text stack) {
    size_t size = object_text_length(stack), before = object_text_length(f->last), same = 0;
    uint32_t frames = 0;
    while (same < size && same < before && stack.at[same] == f->last.at[same])
        same++;
    bool is_whole = same == before && (same == size || stack.at[same] == ';');
    while (frames < f->steps.count && (f->steps.data[frames].end < same || (is_whole && frames + 1 == f->steps.count)))
        frames++;
    return frames;
}

/* The node of a stack. *cut: how it ended, if it says. */
static bool read_stack(struct folded *f, struct object_text stack, uint32_t *node, enum profile_cut *cut) {
    struct object_text rest = stack, first = object_text_until(&rest, ';');
    *cut = is_cut(first) ? cut_of(first) : PROFILE_CUT_UNKNOWN;
    *node = 0;
    if (object_text_equals(stack, "[no stack]"))
        return true;
    f->steps.count = same_frames(f, stack);
    f->last = rest = stack;
    if (f->steps.count) {
        const struct step *step = &f->steps.data[f->steps.count - 1];
        *node = step->node;
        rest.at += step->end + (step->end < object_text_length(stack));
    }
    while (object_text_length(rest)) {
        struct object_text name = object_text_until(&rest, ';');
        size_t end = (size_t)(name.end - stack.at);
        if (!object_text_length(name))
            continue;
        if (f->steps.count == FRAMES_MOST)
            return wrong(f, "more frames than any stack has");
        *node = profile_node(f->profile, *node, frame_of(f, name));
        vec_push(f->profile->arena, &f->steps, ((struct step){end, *node}));
    }
    return true;
}

static bool read_line(struct folded *f, struct object_text line) {
    struct profile_sample sample = {.time = PROFILE_NO_TIME, .cpu = UINT32_MAX};
    enum profile_cut cut;
    line = trimmed(line);
    if (!object_text_length(line) || *line.at == '#')
        return true;
    if (!take_weight(&line, &sample.weight))
        return wrong(f, "no number of samples behind the stack");
    if (!read_stack(f, line, &sample.node, &cut))
        return false;
    if (sample.weight > weights_most - f->total)
        return wrong(f, "the numbers are too large");
    f->total += sample.weight;
    f->profile->badge.cut[cut] += sample.weight;
    sample.thread = f->thread;
    sample.count = sample.weight < UINT32_MAX / 2 ? (uint32_t)sample.weight : 1;
    if (sample.weight)
        profile_sample(f->profile, &sample);
    return true;
}

bool profile_read_folded(struct profile *profile, const uint8_t *bytes, size_t size,
                         const struct profile_read_options *options, const char **error) {
    (void)options; /* it tells no times */
    struct folded f = {.profile = profile, .error = error};
    struct object_text rest = object_text((const char *)bytes, size), line;
    struct profile_thread nobody;
    memset(&nobody, 0, sizeof nobody);
    f.thread = profile_thread(profile, &nobody);
    while (object_text_line(&rest, &line)) {
        f.line++;
        if (!read_line(&f, line))
            return false;
    }
    profile->badge.taken = f.total;
    if (profile->samples.count)
        return true;
    *error = "there are no stacks in it";
    return false;
}

/* Text whose first line that is not empty ends in a number. */
bool profile_is_folded(const uint8_t *bytes, size_t size) {
    struct object_text rest = object_text((const char *)bytes, size < RECOGNISED_IN ? size : RECOGNISED_IN), line;
    uint64_t weight;
    while (object_text_line(&rest, &line)) {
        line = trimmed(line);
        if (!object_text_length(line) || *line.at == '#')
            continue;
        if (memchr(line.at, '\0', object_text_length(line)))
            return false;
        return take_weight(&line, &weight) || (rest.at == rest.end && size > RECOGNISED_IN);
    }
    return false;
}
