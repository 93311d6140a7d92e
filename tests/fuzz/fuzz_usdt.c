/* USDT probes: the first byte chooses. Even: an ELF file with notes; odd: the description of arguments, for x86-64 or
 * aarch64. */
#include "object/usdt.h"
#include <elf.h>
#include <string.h>

static void parse(struct object_elf *elf, const char *text, uint64_t address) {
    struct arena *arena = arena_new();
    struct object_usdt_arguments found;

    object_usdt_parse(elf, arena, text, address, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        const struct object_usdt_argument *one = &found.items[i];
        if ((one->size != 1 && one->size != 2 && one->size != 4 && one->size != 8) ||
            (one->where == OBJECT_USDT_UNREADABLE) != (one->reason != NULL) || one->scale > 4)
            __builtin_trap();
    }
    if (!object_usdt_same(&found, &found))
        __builtin_trap();
    arena_free(arena);
}

static void fuzz_file(const uint8_t *bytes, size_t size) {
    const char *error;
    struct object_elf *elf = object_elf_from_bytes(bytes, size, &error);
    struct arena *arena = arena_new();
    struct object_usdt_list list = {0};

    if (elf)
        object_usdt_read(elf, arena, &list, NULL);
    for (uint32_t i = 0; i < list.count; i++)
        parse(elf, list.data[i].arguments, list.data[i].address);
    object_elf_close(elf);
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0 || bytes[0] % 2 == 0) {
        fuzz_file(size ? bytes + 1 : bytes, size ? size - 1 : 0);
        return 0;
    }
    Elf64_Ehdr header = {.e_type = ET_EXEC, .e_machine = bytes[0] & 2 ? EM_AARCH64 : EM_X86_64};
    const char *error;
    char text[4096];
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    struct object_elf *elf = object_elf_from_bytes(&header, sizeof header, &error);
    if (!elf)
        __builtin_trap();
    size_t length = size - 1 < sizeof text - 1 ? size - 1 : sizeof text - 1;
    memcpy(text, bytes + 1, length);
    text[length] = '\0';
    parse(elf, text, 0x401000);
    object_elf_close(elf);
    return 0;
}
