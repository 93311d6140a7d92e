/* A file made around the content of an .eh_frame: no sections, code that is not in the file, and in its middle
 * .eh_frame_hdr and .eh_frame. */
#ifndef TARSIER_TESTS_EH_FRAME_FILE_H
#define TARSIER_TESTS_EH_FRAME_FILE_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    EH_FRAME_FILE_CODE = 0x10000000,                /* code is from 0 to here */
    EH_FRAME_FILE_HEADER = 0x8000000,               /* address of .eh_frame_hdr */
    EH_FRAME_FILE_PLACE = EH_FRAME_FILE_HEADER + 8, /* of the content */
    EH_FRAME_FILE_ENTRY = 0x7fff000,
};

struct eh_frame_file {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    uint8_t eh_frame_header[8];
    uint8_t content[];
};

/* On the heap, of sizeof(struct eh_frame_file) + size bytes. */
static inline struct eh_frame_file *eh_frame_file(const void *content, size_t size) {
    struct eh_frame_file *file = calloc(1, sizeof *file + size);
    uint64_t at = offsetof(struct eh_frame_file, eh_frame_header);
    uint32_t distance = 4; /* from this pointer to the content */

    file->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1},
                                .e_type = ET_DYN,
                                .e_machine = EM_X86_64,
                                .e_entry = EH_FRAME_FILE_ENTRY,
                                .e_phoff = offsetof(struct eh_frame_file, segments),
                                .e_phentsize = sizeof(Elf64_Phdr),
                                .e_phnum = 3};
    file->segments[0] =
        (Elf64_Phdr){.p_type = PT_GNU_EH_FRAME, .p_offset = at, .p_vaddr = EH_FRAME_FILE_HEADER, .p_filesz = 8};
    file->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_X, .p_memsz = EH_FRAME_FILE_CODE};
    file->segments[2] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = EH_FRAME_FILE_HEADER - at, .p_filesz = sizeof *file + size};
    memcpy(file->eh_frame_header, (uint8_t[]){1, 0x1b, 0xff, 0xff}, 4);
    memcpy(file->eh_frame_header + 4, &distance, 4);
    memcpy(file->content, content, size);
    return file;
}

#endif
