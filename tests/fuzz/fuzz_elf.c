/* ELF from arbitrary bytes: sections, notes, symbols by name and address. */
#include "object/elf.h"
#include <string.h>

static bool look(void *context, const struct object_symbol *symbol) {
    struct object_symbol again;

    if (strlen(symbol->name) < symbol->name_length)
        __builtin_trap();
    return !object_elf_symbol_at(context, OBJECT_FUNCTIONS, symbol->address, &again) ||
           again.address <= symbol->address;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *error;
    struct object_elf *elf = object_elf_from_bytes(bytes, size, &error);

    if (elf) {
        struct object_symbol symbol;
        uint32_t count;
        uint64_t number;
        size_t length;
        object_elf_build_id(elf, &count);
        object_elf_debug_link(elf);
        object_elf_section(elf, ".eh_frame", &length, &number);
        object_elf_find(elf, OBJECT_FUNCTIONS | OBJECT_DATA, "main", &symbol);
        object_elf_each(elf, OBJECT_FUNCTIONS | OBJECT_DATA, look, elf);
        object_elf_symbol_at(elf, OBJECT_DATA, 0x4000, &symbol);
        object_elf_offset_of(elf, 0x1000, &number);
        object_elf_address_of(elf, 0x1000, &number);
    }
    object_elf_close(elf);
    return 0;
}
