/* Our own file: base/profile_layout.h is the format. Numbers in the file are those of things in the file; they are
 * looked up in tables, so that a file which has something twice is read as well. */
#include "base/crc32.h"
#include "base/profile_layout.h"
#include "object/input.h"
#include "profile/read.h"
#include <inttypes.h>

static const uint64_t weights_most = UINT64_MAX / 4; /* so that no sum overflows */

typedef VEC(uint32_t) numbers; /* of the file -> of the profile */

struct block {
    const uint8_t *at, *end;
    bool bad;
};

struct reading {
    struct profile *profile;
    struct arena *arena; /* for the tables */
    bool with_times;
    numbers strings, modules, frames, nodes, threads;
    uint64_t total;
    bool has_about, has_end;
};

bool profile_is_tarsier(const uint8_t *bytes, size_t size) {
    return size >= PROFILE_FILE_MAGIC_SIZE && memcmp(bytes, PROFILE_FILE_MAGIC, PROFILE_FILE_MAGIC_SIZE) == 0;
}

/* ---- what blocks are made of ---------------------------------------------------------------------------------------
 */

/* What does not fit makes the block bad, and the number 0. */
static uint64_t take(struct block *block) {
    uint64_t value = 0;
    for (unsigned shift = 0; block->at < block->end && shift < 64; shift += 7) {
        uint8_t byte = *block->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    block->bad = true;
    return 0;
}

static uint64_t take_up_to(struct block *block, uint64_t most) {
    uint64_t value = take(block);
    block->bad |= value > most;
    return value <= most ? value : 0;
}

static uint32_t take_u32(struct block *block) { return (uint32_t)take_up_to(block, UINT32_MAX); }

static const uint8_t *take_bytes(struct block *block, uint64_t length) {
    const uint8_t *at = block->at;
    if (length > (uint64_t)(block->end - block->at)) {
        block->bad = true;
        return NULL;
    }
    block->at += length;
    return at;
}

/* A number of the file, as the profile has it; one that is not there yet is bad. */
static uint32_t take_known(struct block *block, const numbers *known) {
    uint64_t number = take(block);
    if (number < known->count)
        return known->data[number];
    block->bad = true;
    return 0;
}

static const char *take_text(struct reading *r, struct block *block) {
    uint64_t length = take(block);
    const uint8_t *bytes = take_bytes(block, length);
    return bytes ? arena_strndup(r->profile->arena, (const char *)bytes, strnlen((const char *)bytes, length)) : "";
}

/* ---- items ----------------------------------------------------------------------------------------------------------
 */

static uint32_t read_string(struct reading *r, struct block *block) {
    uint64_t length = take(block);
    const uint8_t *bytes = take_bytes(block, length);
    return bytes ? profile_string(r->profile, (const char *)bytes, length) : 0;
}

static uint32_t read_module(struct reading *r, struct block *block) {
    uint32_t path = take_known(block, &r->strings);
    uint8_t size = (uint8_t)take_up_to(block, sizeof((struct profile_module *)0)->build_id);
    const uint8_t *build_id = take_bytes(block, size);
    return block->bad ? 0 : profile_module(r->profile, r->profile->strings.data[path], size ? build_id : NULL, size);
}

static uint32_t read_frame(struct reading *r, struct block *block) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    uint32_t kind = (uint32_t)take_up_to(block, PROFILE_MARK * 2 + 1);
    frame.kind = (uint16_t)(kind / 2);
    frame.inlined = kind & 1;
    frame.name = take_known(block, &r->strings);
    frame.module = take_known(block, &r->modules);
    frame.address = take(block);
    frame.offset = take_u32(block);
    frame.file = take_known(block, &r->strings);
    frame.line = take_u32(block);
    return profile_frame(r->profile, &frame);
}

static uint32_t read_node(struct reading *r, struct block *block) {
    uint64_t back = take(block);
    uint32_t frame = take_known(block, &r->frames);
    block->bad |= back == 0 || back > r->nodes.count || frame == 0;
    return block->bad ? 0 : profile_node(r->profile, r->nodes.data[r->nodes.count - back], frame);
}

static uint32_t read_thread(struct reading *r, struct block *block) {
    struct profile_thread thread = {0};
    thread.process = take_u32(block);
    thread.thread = take_u32(block);
    thread.name = take_known(block, &r->strings);
    thread.process_name = take_known(block, &r->strings);
    return profile_thread(r->profile, &thread);
}

typedef uint32_t read_item(struct reading *r, struct block *block);

static void read_items(struct reading *r, struct block *block, read_item *read, numbers *known) {
    uint64_t count = take(block);
    for (uint64_t i = 0; i < count && !block->bad && known->count < UINT32_MAX; i++) {
        uint32_t number = read(r, block);
        if (!block->bad)
            vec_push(r->arena, known, number);
    }
}

/* ---- samples --------------------------------------------------------------------------------------------------------
 */

static uint64_t take_time(struct block *block, uint64_t *before) {
    uint64_t step = take(block);
    *before += step & 1 ? -(step >> 1) : step >> 1;
    block->bad |= *before == PROFILE_NO_TIME;
    return *before;
}

static void read_samples(struct reading *r, struct block *block) {
    uint64_t count = take(block), before = 0;
    for (uint64_t i = 0; i < count && !block->bad; i++) {
        struct profile_sample sample = {.time = PROFILE_NO_TIME, .count = 1};
        uint64_t thread = take(block);
        bool timed = thread & 1;
        block->bad |= thread / 2 >= r->threads.count;
        sample.thread = block->bad ? 0 : r->threads.data[thread / 2];
        sample.node = take_known(block, &r->nodes);
        sample.cpu = (uint32_t)take_up_to(block, UINT32_MAX) - 1;
        sample.weight = take_up_to(block, weights_most - r->total);
        if (timed)
            sample.time = take_time(block, &before);
        else
            sample.count = take_u32(block);
        block->bad |= r->profile->samples.count == UINT32_MAX;
        if (block->bad)
            return;
        r->total += sample.weight;
        if (!r->with_times)
            sample.time = PROFILE_NO_TIME;
        profile_sample(r->profile, &sample);
    }
}

/* Reasons that this version does not know are cuts all the same. */
static void read_cuts(struct profile_badge *badge, struct block *block) {
    uint64_t count = take(block);
    memset(badge->cut, 0, sizeof badge->cut);
    for (uint64_t i = 0; i < count && !block->bad; i++)
        badge->cut[i < PROFILE_CUTS ? i : PROFILE_CUT_UNKNOWN] += take_up_to(block, weights_most);
}

static void read_about(struct reading *r, struct block *block) {
    struct profile *p = r->profile;
    p->badge.taken = take(block);
    p->badge.lost = take(block);
    p->badge.without_user = take(block);
    read_cuts(&p->badge, block);
    p->period_ns = take(block);
    p->start_ns = take(block);
    p->duration_ns = take(block);
    p->cpus = take_u32(block);
    p->event = take_text(r, block);
    p->unit = take_text(r, block);
    p->command = take_text(r, block);
    p->host = take_text(r, block);
    r->has_about = true;
}

/* ---- blocks ---------------------------------------------------------------------------------------------------------
 */

static void read_block(struct reading *r, uint32_t kind, struct block *block) {
    switch (kind) {
    case PROFILE_BLOCK_STRINGS:
        read_items(r, block, read_string, &r->strings);
        break;
    case PROFILE_BLOCK_MODULES:
        read_items(r, block, read_module, &r->modules);
        break;
    case PROFILE_BLOCK_FRAMES:
        read_items(r, block, read_frame, &r->frames);
        break;
    case PROFILE_BLOCK_NODES:
        read_items(r, block, read_node, &r->nodes);
        break;
    case PROFILE_BLOCK_THREADS:
        read_items(r, block, read_thread, &r->threads);
        break;
    case PROFILE_BLOCK_SAMPLES:
        read_samples(r, block);
        break;
    case PROFILE_BLOCK_ABOUT:
        read_about(r, block);
        break;
    case PROFILE_BLOCK_END:
        r->has_end = true;
        break;
    default: /* of a newer version */
        break;
    }
}

static bool is_whole(const uint8_t *header, uint32_t size) {
    uint32_t crc = crc32_add(crc32_add(0, header, 8), header + PROFILE_BLOCK_HEADER, size);
    return crc == object_u32(header + 8);
}

/* Up to the first block that is not whole; how many bytes that is. */
static size_t read_blocks(struct reading *r, const uint8_t *bytes, size_t size, bool *bad) {
    size_t at = PROFILE_FILE_HEADER;
    while (!*bad && !r->has_end && object_fits(size, at, PROFILE_BLOCK_HEADER)) {
        const uint8_t *header = bytes + at;
        uint32_t length = object_u32(header + 4);
        if (!object_fits(size, at + PROFILE_BLOCK_HEADER, length) || !is_whole(header, length))
            return at;
        struct block block = {header + PROFILE_BLOCK_HEADER, header + PROFILE_BLOCK_HEADER + length, false};
        read_block(r, object_u32(header), &block);
        *bad = block.bad;
        at += PROFILE_BLOCK_HEADER + length;
    }
    return at;
}

static void begin(struct reading *r) {
    vec_push(r->arena, &r->strings, 0); /* what every profile has */
    vec_push(r->arena, &r->modules, 0);
    vec_push(r->arena, &r->frames, 0);
    vec_push(r->arena, &r->nodes, 0);
}

static bool read_all(struct reading *r, const uint8_t *bytes, size_t size, const char **error) {
    struct profile *p = r->profile;
    bool bad = false;
    begin(r);
    size_t whole = read_blocks(r, bytes, size, &bad);
    if (bad) {
        *error = arena_printf(p->arena, "damaged before byte %zu", whole);
        return false;
    }
    if (!r->has_about) {
        *error = "no whole block is in it";
        return false;
    }
    if (!r->has_end)
        p->damage = arena_printf(p->arena,
                                 "the file ends at byte %zu without its end: what was sampled later is missing", whole);
    return true;
}

bool profile_read_tarsier(struct profile *profile, const uint8_t *bytes, size_t size,
                          const struct profile_read_options *options, const char **error) {
    struct reading r = {.profile = profile, .with_times = !options || options->with_times};
    if (size < PROFILE_FILE_HEADER || object_u32(bytes + PROFILE_FILE_MAGIC_SIZE) != PROFILE_FILE_VERSION) {
        *error = "a version that is not known here: read it with a newer tarsier";
        return false;
    }
    r.arena = arena_new();
    bool read = read_all(&r, bytes, size, error);
    arena_free(r.arena);
    return read;
}
