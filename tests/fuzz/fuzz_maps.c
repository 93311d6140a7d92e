/* /proc/PID/maps texts. */
#include "object/maps.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    struct object_maps maps;

    object_maps_parse(arena, (const char *)bytes, size, false, &maps);
    for (uint32_t i = 0; i < maps.count; i++)
        if (maps.items[i].start >= maps.items[i].end || strlen(maps.items[i].path) > size)
            __builtin_trap();
    object_maps_at(&maps, 0x7f0000001000);
    arena_free(arena);
    return 0;
}
