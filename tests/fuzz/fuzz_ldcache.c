/* ld.so.cache from arbitrary bytes. */
#include "object/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    const char *path = object_library_in_cache(arena, bytes, size, "libc");

    if (path && *path != '/')
        __builtin_trap();
    object_library_in_cache(arena, bytes, size, "ssl");
    arena_free(arena);
    return 0;
}
