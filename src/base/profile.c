#include "base/profile.h"
#include <assert.h>
#include <stddef.h>

const struct profile_cut_text profile_cut_texts[PROFILE_CUTS] = {
    [PROFILE_COMPLETE] = {"complete", ""},
    [PROFILE_CUT_NO_TABLE] = {"no unwind information", "the code was built without .eh_frame: build it with "
                                                       "-fasynchronous-unwind-tables or -fno-omit-frame-pointer"},
    [PROFILE_CUT_NOT_READ] = {"file not read yet", "the first samples of a file: sample for longer"},
    [PROFILE_CUT_MEMORY] = {"stack not in memory", ""},
    [PROFILE_CUT_RULE] = {"rule not supported", ""},
    [PROFILE_CUT_NO_MAP] = {"address outside of code", ""},
    [PROFILE_CUT_POINTER] = {"no frame pointers", "start the program with frame pointers in its compiled code "
                                                  "(java: -XX:+PreserveFramePointer)"},
    [PROFILE_CUT_DEPTH] = {"deeper than kept", ""},
    [PROFILE_CUT_FOREIGN] = {"32-bit or starting program", ""},
    [PROFILE_CUT_UNKNOWN] = {"not told why", "the file does not tell why: record it with tarsier profile"},
};

/* Tables from content to number, see struct profile_index. What is compared is the content itself. */
typedef const void *content_of(const struct profile *profile, uint32_t number, size_t *size);

static uint64_t hash_content(const void *bytes, size_t size) {
    uint64_t word;
    if (size != sizeof word)
        return hash_bytes(bytes, size);
    memcpy(&word, bytes, sizeof word); /* nodes and samples: the most by far */
    word = (word ^ word >> 32) * 0x9e3779b97f4a7c15u;
    return word ^ word >> 29;
}

/* The place of the content, or the free one where it belongs. */
static uint32_t *find_place(const struct profile *p, const struct profile_index *index, content_of *content,
                            const void *wanted, size_t wanted_size) {
    uint32_t mask = index->capacity - 1;
    for (uint32_t i = (uint32_t)hash_content(wanted, wanted_size) & mask;; i = (i + 1) & mask) {
        size_t size;
        if (!index->places[i])
            return &index->places[i];
        const void *bytes = content(p, index->places[i] - 1, &size);
        if (size == wanted_size && memcmp(bytes, wanted, size) == 0)
            return &index->places[i];
    }
}

static void grow_index(const struct profile *p, struct profile_index *index, content_of *content) {
    struct profile_index old = *index;
    assert(old.capacity <= UINT32_MAX / 2);
    index->capacity = old.capacity ? old.capacity * 2 : 64;
    index->places = arena_new_array(p->arena, uint32_t, index->capacity);
    for (uint32_t i = 0; i < old.capacity; i++) {
        size_t size;
        if (!old.places[i])
            continue;
        const void *bytes = content(p, old.places[i] - 1, &size);
        *find_place(p, index, content, bytes, size) = old.places[i];
    }
}

/* The place that holds the number of the content plus one; 0 there: it is new, and *place is to be set to its number
 * plus one. At most two thirds of the places are taken. */
static uint32_t *place_of(const struct profile *p, struct profile_index *index, content_of *content, const void *wanted,
                          size_t size) {
    if (index->count >= index->capacity / 3 * 2)
        grow_index(p, index, content);
    uint32_t *place = find_place(p, index, content, wanted, size);
    index->count += *place == 0;
    return place;
}

static const void *string_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = strlen(p->strings.data[number]);
    return p->strings.data[number];
}

static const void *frame_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = sizeof p->frames.data[number];
    return &p->frames.data[number];
}

static const void *thread_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = sizeof p->threads.data[number];
    return &p->threads.data[number];
}

static const void *module_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = sizeof p->modules.data[number];
    return &p->modules.data[number];
}

static const void *node_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = sizeof p->nodes.data[number];
    return &p->nodes.data[number];
}

/* Samples without time: thread and node, which lie side by side. */
static const void *sample_content(const struct profile *p, uint32_t number, size_t *size) {
    *size = 2 * sizeof p->samples.data[number].thread;
    return &p->samples.data[number].thread;
}
_Static_assert(offsetof(struct profile_sample, node) == offsetof(struct profile_sample, thread) + sizeof(uint32_t), "");

struct profile *profile_new(struct arena *arena) {
    struct profile *p = arena_make(arena, struct profile);
    p->arena = arena;
    p->event = "";
    p->unit = "samples";
    p->command = p->host = "";
    profile_text(p, "");
    profile_frame(p, &(struct profile_frame){0});
    vec_push(arena, &p->nodes, ((struct profile_node){0, 0}));
    return p;
}

uint32_t profile_string(struct profile *p, const char *text, size_t length) {
    length = strnlen(text, length);
    uint32_t *place = place_of(p, &p->string_numbers, string_content, text, length);
    if (!*place) {
        vec_push(p->arena, &p->strings, arena_strndup(p->arena, text, length));
        *place = p->strings.count;
    }
    return *place - 1;
}

uint32_t profile_text(struct profile *p, const char *text) { return text ? profile_string(p, text, strlen(text)) : 0; }

uint32_t profile_module(struct profile *p, const char *path, const uint8_t *build_id, uint8_t build_id_size) {
    struct profile_module module;
    memset(&module, 0, sizeof module);
    module.path = profile_text(p, path);
    if (build_id && build_id_size <= sizeof module.build_id) {
        memcpy(module.build_id, build_id, build_id_size);
        module.build_id_size = build_id_size;
    }
    uint32_t *place = place_of(p, &p->module_numbers, module_content, &module, sizeof module);
    if (!*place) {
        vec_push(p->arena, &p->modules, module);
        *place = p->modules.count;
    }
    return *place; /* + 1, as frames keep it */
}

uint32_t profile_frame(struct profile *p, const struct profile_frame *frame) {
    uint32_t *place = place_of(p, &p->frame_numbers, frame_content, frame, sizeof *frame);
    if (!*place) {
        vec_push(p->arena, &p->frames, *frame);
        *place = p->frames.count;
    }
    return *place - 1;
}

uint32_t profile_node(struct profile *p, uint32_t parent, uint32_t frame) {
    const struct profile_node node = {parent, frame};
    uint32_t *place = place_of(p, &p->node_numbers, node_content, &node, sizeof node);
    if (!*place) {
        vec_push(p->arena, &p->nodes, node);
        *place = p->nodes.count;
    }
    return *place - 1;
}

uint32_t profile_thread(struct profile *p, const struct profile_thread *thread) {
    uint32_t *place = place_of(p, &p->thread_numbers, thread_content, thread, sizeof *thread);
    if (!*place) {
        vec_push(p->arena, &p->threads, *thread);
        *place = p->threads.count;
    }
    return *place - 1;
}

void profile_sample(struct profile *p, const struct profile_sample *sample) {
    if (sample->time != PROFILE_NO_TIME) {
        vec_push(p->arena, &p->samples, *sample);
        return;
    }
    uint32_t *place = place_of(p, &p->sample_numbers, sample_content, &sample->thread, 2 * sizeof sample->thread);
    if (!*place) {
        vec_push(p->arena, &p->samples, *sample);
        *place = p->samples.count;
        return;
    }
    p->samples.data[*place - 1].weight += sample->weight;
    p->samples.data[*place - 1].count += sample->count;
}

struct profile_weights profile_weights(struct profile *p, struct arena *arena) {
    struct profile_weights weights = {arena_new_array(arena, uint64_t, p->nodes.count),
                                      arena_new_array(arena, uint64_t, p->nodes.count)};
    for (uint32_t i = 0; i < p->samples.count; i++)
        weights.self[p->samples.data[i].node] += p->samples.data[i].weight;
    for (uint32_t i = p->nodes.count; i-- > 0;) { /* children have larger numbers than their parents */
        weights.total[i] += weights.self[i];
        if (i)
            weights.total[p->nodes.data[i].parent] += weights.total[i];
    }
    return weights;
}
