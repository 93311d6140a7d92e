/* Debug information from arbitrary bytes: all names, types, functions and some lines of an ELF file. */
#include "object/dwarf.h"
#include <string.h>

struct question {
    struct object_dwarf *dwarf;
    unsigned left;
};

static void complete(const struct type *type, int depth) {
    if (depth > 4)
        return;
    type_complete(type);
    if (type->target)
        complete(type->target, depth + 1);
    for (uint32_t i = 0; i < type->field_count && i < 16; i++) {
        const struct type_field *field = &type->fields[i];
        if (field->offset > type->size || field->type->size > type->size - field->offset)
            __builtin_trap();
        complete(field->type, depth + 1);
    }
}

static bool ask(void *context, const char *name) {
    struct question *question = context;
    uint32_t offset;
    const struct type *type = object_dwarf_type(question->dwarf, OBJECT_DWARF_TYPES, name, 0x1000);

    if (type) {
        complete(type, 0);
        if (type->kind == TYPE_STRUCT)
            type_find_field(type, "none", &offset);
    }
    return question->left-- > 0;
}

static void look(void *context, const struct object_function *copy) {
    (void)context;
    type_complete(copy->args);
}

static bool ask_inlined(void *context, const char *name) {
    struct question *question = context;

    object_dwarf_inlined(question->dwarf, name, look, NULL);
    return question->left-- > 0;
}

static bool ask_function(void *context, const struct object_symbol *symbol) {
    struct question *question = context;
    struct object_function function;

    if (object_dwarf_function(question->dwarf, symbol->address, false, &function))
        complete(function.result, 0);
    object_dwarf_function(question->dwarf, symbol->address, true, &function);
    return question->left-- > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *error;
    struct object_elf *elf = object_elf_from_bytes(bytes, size, &error);
    struct arena *arena = arena_new();

    if (elf) {
        struct object_dwarf *dwarf = object_dwarf_open(arena, elf, &error);
        struct question question = {dwarf, 32};
        if (dwarf) {
            object_dwarf_list(dwarf, OBJECT_DWARF_TYPES, ask, &question);
            question.left = 8;
            object_dwarf_list(dwarf, OBJECT_DWARF_FUNCTION, ask_inlined, &question);
            question.left = 8;
            object_elf_each(elf, OBJECT_FUNCTIONS, ask_function, &question);
            struct object_lines lines;
            object_dwarf_lines(dwarf, "tiny.cpp", 4, 0, &lines);
            object_dwarf_lines(dwarf, "c", 100, 1, &lines);
            object_dwarf_function_named(dwarf, "twice", &(struct object_function){0});
            object_dwarf_nearest(dwarf, OBJECT_DWARF_TYPES, "struct");
        }
        object_dwarf_close(dwarf);
    }
    object_elf_close(elf);
    arena_free(arena);
    return 0;
}
