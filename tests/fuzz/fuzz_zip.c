/* A zip archive from arbitrary bytes: an entry that is found lies inside of it. */
#include "object/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const char *const names[] = {"a", "lib/libx.so", ""};
    struct object_zip_entry entry;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!object_zip_find_in(bytes, size, names[i], &entry) &&
            (entry.offset > size || entry.size > size - entry.offset))
            __builtin_trap();
    }
    return 0;
}
