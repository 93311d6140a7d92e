/* Folded stacks: what was read adds up, and is read again as the same. */
#include "profile/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    struct profile *profile = profile_new(arena);
    const char *error = "";

    profile_is_folded(bytes, size);
    if (profile_read_folded(profile, bytes, size, &(struct profile_read_options){0}, &error)) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < profile->samples.count; i++)
            sum += profile->samples.data[i].weight;
        if (sum != profile->badge.taken)
            __builtin_trap();
        for (uint32_t i = 1; i < profile->nodes.count; i++)
            if (profile->nodes.data[i].parent >= i)
                __builtin_trap();
    } else if (!*error) {
        __builtin_trap();
    }
    arena_free(arena);
    return 0;
}
