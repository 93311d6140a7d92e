/* Stubs of the procedure linkage table: which function one leads to. They have no symbols.
 *
 * Linkers write them in several forms. All end in a jump through a slot of the global offset table, and the relocation
 * that fills the slot names the function:
 *
 *     .plt            [endbr64] jmp *SLOT(%rip); push N; jmp PLT0
 *     .plt with IBT   endbr64; push N; [bnd] jmp PLT0                 N is the number of the relocation
 *     .plt.sec, .plt.got   [endbr64] [bnd] jmp *SLOT(%rip)
 */
#include "object/elf_file.h"

#include <stdlib.h>

enum { STUB_SIZE = 16 };

/* The bytes of the stub that holds an address; `size` of its section's entries. */
static bool stub_at(struct object_elf *elf, uint64_t address, uint8_t *stub, uint64_t *start) {
    static const char *const sections[] = {".plt.sec", ".plt", ".plt.got"};

    for (unsigned i = 0; i < sizeof sections / sizeof *sections; i++) {
        const struct elf_section *section = elf_find_section(elf, sections[i]);
        if (!section || section->header.sh_type != SHT_PROGBITS || address < section->header.sh_addr ||
            address - section->header.sh_addr >= section->header.sh_size)
            continue;
        uint64_t entry = section->header.sh_entsize == 8 ? 8 : STUB_SIZE;
        uint64_t offset = (address - section->header.sh_addr) / entry * entry;
        *start = section->header.sh_addr + offset;
        memset(stub, 0, STUB_SIZE);
        return object_fits(section->header.sh_size, offset, entry) &&
               object_elf_read(elf, section->header.sh_offset + offset, stub, entry);
    }
    return false;
}

/* The slot it jumps through, or the number of its relocation. */
static bool read_stub(const uint8_t *stub, uint64_t start, uint64_t *slot, uint32_t *number) {
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    unsigned at = memcmp(stub, endbr, sizeof endbr) == 0 ? sizeof endbr : 0;

    *slot = 0;
    if (at && stub[at] == 0x68) { /* push N */
        *number = object_u32(stub + at + 1);
        return true;
    }
    at += stub[at] == 0xf2; /* bnd */
    if (stub[at] != 0xff || stub[at + 1] != 0x25)
        return false;
    *slot = start + at + 6 + (uint64_t)(int64_t)(int32_t)object_u32(stub + at + 2);
    return true;
}

/* The relocation's symbol; 0: none. */
static uint64_t symbol_of(struct object_elf *elf, const char *name, uint64_t slot, uint32_t number) {
    size_t size;
    const uint8_t *bytes = object_elf_section(elf, name, &size, NULL);
    Elf64_Rela entry;

    for (size_t i = slot ? 0 : number; bytes && i < size / sizeof entry; i++) {
        memcpy(&entry, bytes + i * sizeof entry, sizeof entry);
        if (!slot || entry.r_offset == slot)
            return ELF64_R_SYM(entry.r_info);
    }
    return 0;
}

bool object_elf_stub_at(struct object_elf *elf, uint64_t address, struct object_symbol *symbol) {
    uint8_t stub[STUB_SIZE];
    uint64_t start, slot;
    uint32_t number = 0;
    size_t symbols_size, strings_size;

    if (elf->header.e_machine != EM_X86_64 || !stub_at(elf, address, stub, &start) ||
        !read_stub(stub, start, &slot, &number))
        return false;
    uint64_t index = symbol_of(elf, ".rela.plt", slot, number);
    if (!index && slot)
        index = symbol_of(elf, ".rela.dyn", slot, 0);
    const uint8_t *symbols = object_elf_section(elf, ".dynsym", &symbols_size, NULL);
    const char *strings = (const char *)object_elf_section(elf, ".dynstr", &strings_size, NULL);
    if (!index || !symbols || !strings || index >= symbols_size / sizeof(Elf64_Sym))
        return false;
    uint32_t name = object_u32(symbols + index * sizeof(Elf64_Sym)); /* st_name */
    if (name >= strings_size || !strings[name])
        return false;
    *symbol = (struct object_symbol){.name = strings + name,
                                     .name_length = (uint32_t)(1 + strcspn(strings + name + 1, "@")),
                                     .address = start,
                                     .size = STUB_SIZE,
                                     .file_offset = UINT64_MAX,
                                     .is_function = true};
    object_elf_offset_of(elf, start, &symbol->file_offset);
    return true;
}
