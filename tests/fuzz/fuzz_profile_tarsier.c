/* Our own files of profiles. Blocks carry a checksum that no mutation would meet: it is put right first. What was read
 * is whole: each number is that of something, and no sum overflows. */
#include "base/crc32.h"
#include "base/profile_layout.h"
#include "profile/read.h"
#include <stdlib.h>

static void mend(uint8_t *bytes, size_t size) {
    uint32_t header[3];
    for (size_t at = PROFILE_FILE_HEADER; at + sizeof header <= size; at += sizeof header + header[1]) {
        memcpy(header, bytes + at, sizeof header);
        if (header[1] > size - at - sizeof header)
            return;
        header[2] = crc32_add(crc32_add(0, header, 8), bytes + at + sizeof header, header[1]);
        memcpy(bytes + at, header, sizeof header);
    }
}

static void check(const struct profile *p) {
    uint64_t sum = 0;
    for (uint32_t i = 1; i < p->nodes.count; i++)
        if (p->nodes.data[i].parent >= i || p->nodes.data[i].frame >= p->frames.count || !p->nodes.data[i].frame)
            __builtin_trap();
    for (uint32_t i = 0; i < p->frames.count; i++)
        if (p->frames.data[i].name >= p->strings.count || p->frames.data[i].module > p->modules.count)
            __builtin_trap();
    for (uint32_t i = 0; i < p->threads.count; i++)
        if (p->threads.data[i].name >= p->strings.count)
            __builtin_trap();
    for (uint32_t i = 0; i < p->samples.count; i++) {
        if (p->samples.data[i].node >= p->nodes.count || p->samples.data[i].thread >= p->threads.count ||
            __builtin_add_overflow(sum, p->samples.data[i].weight, &sum))
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    struct profile *profile = profile_new(arena);
    const char *error = "";
    uint8_t *copy = malloc(size + 1);

    memcpy(copy, bytes, size);
    mend(copy, size);
    if (profile_is_tarsier(copy, size)) {
        if (profile_read_tarsier(profile, copy, size, NULL, &error))
            check(profile);
        else if (!*error)
            __builtin_trap();
    }
    free(copy);
    arena_free(arena);
    return 0;
}
