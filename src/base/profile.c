#include "base/profile.h"

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

/* Tables from content to number. Contents with the same hash are chained by trying the next key, so no collision can
 * join two of them. Numbers are kept plus one: an absent key gives NULL. */
struct find {
    const struct profile *profile;
    const void *wanted;
    size_t size;
    const void *(*content)(const struct profile *profile, uint32_t number, size_t *size);
};

static bool same(const struct find *find, uint32_t number) {
    size_t size;
    const void *bytes = find->content(find->profile, number, &size);
    return size == find->size && memcmp(bytes, find->wanted, size) == 0;
}

/* True with its number when it is there; else the key under which it is to be put. */
static bool find_number(const struct hash *table, const struct find *find, uint64_t *key, uint32_t *number) {
    for (*key = hash_bytes(find->wanted, find->size);; ++*key) {
        uintptr_t found = (uintptr_t)hash_get_number(table, *key);
        if (!found)
            return false;
        *number = (uint32_t)found - 1;
        if (same(find, *number))
            return true;
    }
}

static void put_number(struct hash *table, uint64_t key, uint32_t number) {
    hash_put_number(table, key, (void *)((uintptr_t)number + 1));
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

struct profile *profile_new(struct arena *arena) {
    struct profile *p = arena_make(arena, struct profile);
    struct hash *tables[] = {&p->string_numbers, &p->frame_numbers,  &p->node_numbers,
                             &p->thread_numbers, &p->module_numbers, &p->sample_numbers};
    p->arena = arena;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        hash_init(tables[i], arena);
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
    struct find find = {p, text, length, string_content};
    uint64_t key;
    uint32_t number;
    if (find_number(&p->string_numbers, &find, &key, &number))
        return number;
    number = p->strings.count;
    vec_push(p->arena, &p->strings, arena_strndup(p->arena, text, length));
    put_number(&p->string_numbers, key, number);
    return number;
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
    struct find find = {p, &module, sizeof module, module_content};
    uint64_t key;
    uint32_t number;
    if (!find_number(&p->module_numbers, &find, &key, &number)) {
        number = p->modules.count;
        vec_push(p->arena, &p->modules, module);
        put_number(&p->module_numbers, key, number);
    }
    return number + 1;
}

uint32_t profile_frame(struct profile *p, const struct profile_frame *frame) {
    struct find find = {p, frame, sizeof *frame, frame_content};
    uint64_t key;
    uint32_t number;
    if (find_number(&p->frame_numbers, &find, &key, &number))
        return number;
    number = p->frames.count;
    vec_push(p->arena, &p->frames, *frame);
    put_number(&p->frame_numbers, key, number);
    return number;
}

uint32_t profile_node(struct profile *p, uint32_t parent, uint32_t frame) {
    uint64_t key = (uint64_t)parent << 32 | frame; /* all of the content */
    uintptr_t found = (uintptr_t)hash_get_number(&p->node_numbers, key);
    if (found)
        return (uint32_t)found - 1;
    put_number(&p->node_numbers, key, p->nodes.count);
    vec_push(p->arena, &p->nodes, ((struct profile_node){parent, frame}));
    return p->nodes.count - 1;
}

uint32_t profile_thread(struct profile *p, const struct profile_thread *thread) {
    struct find find = {p, thread, sizeof *thread, thread_content};
    uint64_t key;
    uint32_t number;
    if (find_number(&p->thread_numbers, &find, &key, &number))
        return number;
    number = p->threads.count;
    vec_push(p->arena, &p->threads, *thread);
    put_number(&p->thread_numbers, key, number);
    return number;
}

void profile_sample(struct profile *p, const struct profile_sample *sample) {
    if (sample->time == PROFILE_NO_TIME) {
        uint64_t key = (uint64_t)sample->thread << 32 | sample->node;
        uintptr_t found = (uintptr_t)hash_get_number(&p->sample_numbers, key);
        if (found) {
            struct profile_sample *one = &p->samples.data[found - 1];
            one->weight += sample->weight;
            one->count += sample->count;
            return;
        }
        put_number(&p->sample_numbers, key, p->samples.count);
    }
    vec_push(p->arena, &p->samples, *sample);
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
