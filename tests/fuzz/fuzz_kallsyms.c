/* kallsyms texts: what is listed is found again; and perf maps, which are read the same way. */
#include "object/kallsyms.h"
#include "object/perfmap.h"

static bool look(void *context, const struct object_kernel_symbol *symbol) {
    struct object_kernel_symbol again;

    if (!object_kallsyms_at(context, symbol->address, &again) || again.address != symbol->address)
        __builtin_trap();
    if (!object_kallsyms_by_name(context, symbol->name, &again))
        __builtin_trap();
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    int error;
    uint64_t start;
    struct object_kallsyms *table = object_kallsyms_from_bytes((const char *)bytes, size, &error);
    struct object_perfmap *map = object_perfmap_from_bytes((const char *)bytes, size);

    if (table)
        object_kallsyms_each(table, look, table);
    object_perfmap_at(map, 0x1000, &start);
    object_kallsyms_free(table);
    object_perfmap_close(map);
    return 0;
}
