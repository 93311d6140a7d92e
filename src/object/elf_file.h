/* Inside of the ELF reader, shared by elf.c (file, headers, sections) and elf_symbol.c (symbols). */
#ifndef TARSIER_OBJECT_ELF_FILE_H
#define TARSIER_OBJECT_ELF_FILE_H

#include "object/elf.h"
#include "object/input.h"
#include <elf.h>

struct elf_section {
    Elf64_Shdr header;
    uint8_t *content; /* read on demand */
};

/* A symbol table with its strings, both in the heap. */
struct elf_table {
    Elf64_Sym *symbols;
    char *strings; /* with a NUL behind */
    uint64_t strings_size;
    uint32_t count;
    bool is_loaded; /* tried; count 0 when there is none */
};

enum elf_table_kind { ELF_DYNAMIC, ELF_STATIC, ELF_DEBUG, ELF_TABLES };

/* Symbols of one kind by address. */
struct elf_index {
    struct elf_place {
        uint64_t address;
        uint32_t size;
        uint32_t symbol; /* table << 30 | number in it */
    } * places;
    uint32_t count;
    bool is_built;
};

struct object_elf {
    int fd;               /* -1: bytes */
    const uint8_t *bytes; /* of the caller */
    uint64_t size;
    uint64_t base; /* where it begins in the file that is open */
    char *path;
    Elf64_Ehdr header;
    struct object_segment *segments;
    uint32_t segment_count;
    Elf64_Phdr *notes;
    uint32_t note_count;
    uint64_t frame_header_address, frame_header_offset, frame_header_size; /* PT_GNU_EH_FRAME; 0: none */
    struct elf_section *sections;                                          /* NULL until elf_load_sections() */
    uint32_t section_count;
    char *section_names;
    uint64_t section_names_size;
    bool has_sections; /* loading was tried */
    uint8_t *build_id;
    uint32_t build_id_size;
    bool has_build_id; /* looking was tried */
    struct object_elf *debug;
    struct elf_table tables[ELF_TABLES];
    struct elf_index functions, data;
};

/* Bytes of the file in the heap, with a NUL behind; NULL when they are not all there or too many. */
void *elf_read(const struct object_elf *elf, uint64_t offset, uint64_t size);
/* Reads the section headers once; on failure there are none. */
void elf_load_sections(struct object_elf *elf);
struct elf_section *elf_find_section(struct object_elf *elf, const char *name);
void elf_free_symbols(struct object_elf *elf);
/* elf_debug.c: sets elf->debug. */
bool elf_find_debug(struct object_elf *elf, const char *root, const char *const *directories);

#endif
