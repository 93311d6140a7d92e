/* perf.data: any bytes are read or refused, and what was read is a profile whose numbers lead somewhere. */
#include "profile/read.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    struct profile *profile = profile_new(arena);
    const char *error = NULL;
    struct profile_read_options options = {.with_times = size & 8};
    if (profile_is_perf(bytes, size) && profile_read_perf(profile, bytes, size, &options, &error)) {
        for (uint32_t i = 0; i < profile->samples.count; i++)
            assert(profile->samples.data[i].node < profile->nodes.count &&
                   profile->samples.data[i].thread < profile->threads.count);
    } else {
        assert(!profile_is_perf(bytes, size) || error);
    }
    arena_free(arena);
    return 0;
}
