/* tracefs format texts: every field stays inside the record. */
#include "object/format.h"

static const struct type *resolve(void *context, const char *tag) {
    (void)tag;
    return context;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const struct type known = {.kind = TYPE_STRUCT, .size = 12, .align = 4, .name = "known"};
    const struct object_format_types types = {.space = SPACE_USER, .resolve = resolve, .context = (void *)&known};
    struct arena *arena = arena_new();
    const char *error;
    const struct object_format *format = object_format_parse(arena, (const char *)bytes, size, "args", &types, &error);

    for (uint32_t i = 0; format && i < format->args->field_count; i++) {
        const struct type_field *field = &format->args->fields[i];
        if ((uint64_t)field->offset + field->type->size > format->args->size || !format->declarations[i])
            __builtin_trap();
        type_text(arena, field->type);
    }
    arena_free(arena);
    return 0;
}
