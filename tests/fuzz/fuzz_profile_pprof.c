/* pprof: any bytes are read or refused, and what was read is a profile whose numbers lead somewhere. */
#include "profile/read.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    struct profile *profile = profile_new(arena);
    const char *error = NULL;
    struct profile_read_options options = {0};
    if (profile_is_pprof(bytes, size) && profile_read_pprof(profile, bytes, size, &options, &error)) {
        for (uint32_t i = 0; i < profile->samples.count; i++)
            assert(profile->samples.data[i].node < profile->nodes.count &&
                   profile->samples.data[i].thread < profile->threads.count);
        for (uint32_t i = 0; i < profile->frames.count; i++)
            assert(profile->frames.data[i].module <= profile->modules.count);
    } else {
        assert(!profile_is_pprof(bytes, size) || error);
    }
    arena_free(arena);
    return 0;
}
