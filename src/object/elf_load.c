/* Large sections: mapped, read, unpacked or relocated. */
#include "object/elf_file.h"

#include "base/arena.h"
#include "base/str.h"
#include "object/inflate.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNPACKED_MOST (2ull << 30)

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

void object_bytes_free(struct object_bytes *bytes) {
    if (bytes->mapping)
        munmap(bytes->mapping, bytes->mapped);
    free(bytes->heap);
    *bytes = (struct object_bytes){0};
}

bool object_elf_is_protected(const struct object_elf *elf) {
    struct stat status;

    return elf->fd >= 0 && fstat(elf->fd, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
           !(status.st_mode & (S_IWGRP | S_IWOTH));
}

static bool may_map(const struct object_elf *elf) {
    struct stat status;

    return object_elf_is_protected(elf) && fstat(elf->fd, &status) == 0 && (uint64_t)status.st_size == elf->size;
}

static bool map_range(const struct object_elf *elf, uint64_t offset, uint64_t size, struct object_bytes *out) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = offset & ~(page - 1);
    void *mapping = mmap(NULL, size + (offset - start), PROT_READ, MAP_PRIVATE, elf->fd, (off_t)start);

    if (mapping == MAP_FAILED)
        return false;
    *out = (struct object_bytes){.bytes = (uint8_t *)mapping + (offset - start),
                                 .size = size,
                                 .mapping = mapping,
                                 .mapped = size + (offset - start)};
    return true;
}

static bool raw_section(const struct object_elf *elf, const Elf64_Shdr *header, struct object_bytes *out) {
    if (!object_fits(elf->size, header->sh_offset, header->sh_size) || header->sh_size == 0)
        return false;
    if (elf->fd < 0) {
        *out = (struct object_bytes){.bytes = elf->bytes + header->sh_offset, .size = header->sh_size};
        return true;
    }
    if (may_map(elf) && map_range(elf, header->sh_offset, header->sh_size, out))
        return true;
    out->heap = elf_read(elf, header->sh_offset, header->sh_size);
    out->bytes = out->heap;
    out->size = header->sh_size;
    return out->heap;
}

/* ---- compressed sections ------------------------------------------------------------------------------------- */

static bool unpack(struct object_bytes *section, const char **reason) {
    Elf64_Chdr header;

    *reason = "a compressed section is damaged";
    if (section->size < sizeof header)
        return false;
    memcpy(&header, section->bytes, sizeof header);
    if (header.ch_type == ELFCOMPRESS_ZSTD)
        *reason = "its debug information is compressed with zstd, which tarsier does not read "
                  "(objcopy --decompress-debug-sections unpacks it)";
    if (header.ch_type != ELFCOMPRESS_ZLIB || header.ch_size > UNPACKED_MOST || header.ch_size == 0 ||
        header.ch_size / OBJECT_INFLATE_MOST > section->size)
        return false;
    uint8_t *unpacked = malloc(header.ch_size);
    if (!unpacked)
        arena_out_of_memory(header.ch_size);
    if (!object_inflate(section->bytes + sizeof header, section->size - sizeof header, unpacked, header.ch_size)) {
        free(unpacked);
        return false;
    }
    object_bytes_free(section);
    *section = (struct object_bytes){.bytes = unpacked, .size = header.ch_size, .heap = unpacked};
    *reason = NULL;
    return true;
}

/* ---- object files ---------------------------------------------------------------------------------------------- */

/* Bytes that an absolute relocation writes; 0: of another kind. */
static unsigned relocation_width(uint16_t machine, uint32_t type) {
    if (machine == EM_X86_64)
        return type == R_X86_64_64 ? 8 : type == R_X86_64_32 || type == R_X86_64_32S ? 4 : 0;
    if (machine == EM_AARCH64)
        return type == R_AARCH64_ABS64 ? 8 : type == R_AARCH64_ABS32 ? 4 : 0;
    return 0;
}

static void relocate(const struct object_elf *elf, const Elf64_Rela *entries, uint64_t count, const Elf64_Sym *symbols,
                     uint64_t symbol_count, uint8_t *bytes, uint64_t size) {
    for (uint64_t i = 0; i < count; i++) {
        unsigned width = relocation_width(elf->header.e_machine, (uint32_t)ELF64_R_TYPE(entries[i].r_info));
        uint64_t symbol = ELF64_R_SYM(entries[i].r_info);
        if (!width || symbol >= symbol_count || !object_fits(size, entries[i].r_offset, width))
            continue;
        uint64_t value = symbols[symbol].st_value + (uint64_t)entries[i].r_addend;
        memcpy(bytes + entries[i].r_offset, &value, width);
    }
}

/* The linker has not been here: offsets between debug sections are zeros with relocations beside them. */
static void apply_relocations(struct object_elf *elf, uint32_t index, struct object_bytes *section) {
    for (uint32_t i = 1; i < elf->section_count; i++) {
        const Elf64_Shdr *header = &elf->sections[i].header;
        if (header->sh_type != SHT_RELA || header->sh_info != index || header->sh_link >= elf->section_count ||
            header->sh_flags & SHF_COMPRESSED)
            continue;
        const Elf64_Shdr *table = &elf->sections[header->sh_link].header;
        Elf64_Rela *entries = elf_read(elf, header->sh_offset, header->sh_size);
        Elf64_Sym *symbols = elf_read(elf, table->sh_offset, table->sh_size);
        uint8_t *copy = malloc(section->size);
        if (!copy)
            arena_out_of_memory(section->size);
        memcpy(copy, section->bytes, section->size);
        if (entries && symbols)
            relocate(elf, entries, header->sh_size / sizeof *entries, symbols, table->sh_size / sizeof *symbols, copy,
                     section->size);
        uint64_t size = section->size;
        object_bytes_free(section);
        *section = (struct object_bytes){.bytes = copy, .size = size, .heap = copy};
        free(entries);
        free(symbols);
    }
}

bool object_elf_load(struct object_elf *elf, const char *name, struct object_bytes *out, const char **reason) {
    struct elf_section *section = elf_find_section(elf, name);

    *reason = NULL;
    *out = (struct object_bytes){0};
    if (!section || section->header.sh_type == SHT_NOBITS || !raw_section(elf, &section->header, out))
        return false;
    if (section->header.sh_flags & SHF_COMPRESSED && !unpack(out, reason)) {
        object_bytes_free(out);
        return false;
    }
    if (elf->header.e_type == ET_REL)
        apply_relocations(elf, (uint32_t)(section - elf->sections), out);
    return true;
}
