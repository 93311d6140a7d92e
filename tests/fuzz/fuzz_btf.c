/* BTF from arbitrary bytes: every type made, completed, searched by name and shown. */
#include "object/btf.h"

static void use_type(struct arena *arena, const struct type *type) {
    uint32_t offset;

    type_complete(type);
    for (uint32_t i = 0; i < type->field_count && i < 64; i++) {
        const struct type_field *field = &type->fields[i];
        if ((uint64_t)field->offset + field->type->size > type->size)
            __builtin_trap();
        if (field->bit_size && field->bit_offset + field->bit_size > field->type->size * 8)
            __builtin_trap();
    }
    type_find_field(type, "name", &offset);
    type_text(arena, type);
}

static bool count_one(void *context, uint32_t id, const char *name) {
    (void)id;
    ++*(uint32_t *)context;
    return *name != '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct arena *arena = arena_new();
    int error;
    struct object_btf *btf = object_btf_from_bytes(arena, bytes, size, &error);

    if (btf) {
        const struct type *args = NULL, *result;
        uint32_t id, seen = 0;
        int64_t value;
        for (id = 0; id < 64; id++)
            use_type(arena, object_btf_type(btf, id));
        object_btf_struct(btf, "s");
        object_btf_find(btf, OBJECT_BTF_TYPEDEF, "t");
        object_btf_enumerator(btf, "A", &value, NULL);
        object_btf_variable(btf, "v");
        object_btf_nearest(btf, OBJECT_BTF_STRUCT, "ss");
        object_btf_list(btf, OBJECT_BTF_STRUCT | OBJECT_BTF_FUNCTION, count_one, &seen);
        if (object_btf_raw_tracepoint(btf, "e", &id, &args))
            type_complete(args);
        if (object_btf_function(btf, "f", &id, &args, &result))
            type_complete(args);
        object_btf_count(btf);
        for (char name[2] = "0"; *name < 'Z'; ++*name) /* many searches: by the index */
            object_btf_find(btf, UINT32_MAX, name);
    }
    arena_free(arena);
    return 0;
}
