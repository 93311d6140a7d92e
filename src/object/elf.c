#include "object/elf_file.h"

#include "base/arena.h"
#include "base/str.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_LIMIT = 512 << 20, NOTE_LIMIT = 64 << 10, MOST_SECTIONS = 1 << 20 };

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        arena_out_of_memory(count * size);
    return memory;
}

void *elf_read(const struct object_elf *elf, uint64_t offset, uint64_t size) {
    if (size > READ_LIMIT || !object_fits(elf->size, offset, size))
        return NULL;
    char *copy = malloc(size + 1);
    if (!copy)
        arena_out_of_memory(size);
    copy[size] = '\0';
    if (elf->fd < 0) {
        memcpy(copy, elf->bytes + offset, size);
        return copy;
    }
    for (uint64_t have = 0; have < size;) {
        ssize_t got = pread(elf->fd, copy + have, size - have, (off_t)(elf->base + offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) { /* shortened since it was opened */
            free(copy);
            return NULL;
        }
        have += (uint64_t)got;
    }
    return copy;
}

bool object_elf_read(const struct object_elf *elf, uint64_t offset, void *bytes, size_t size) {
    void *copy = elf_read(elf, offset, size);

    if (copy)
        memcpy(bytes, copy, size);
    free(copy);
    return copy != NULL;
}

/* Headers. */

static const char *check_header(const Elf64_Ehdr *header) {
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return "not an ELF file";
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
        return "not a 64-bit little-endian ELF file";
    if (header->e_phnum && header->e_phentsize != sizeof(Elf64_Phdr))
        return "ELF program headers of an unknown size";
    return NULL;
}

static const char *load_segments(struct object_elf *elf) {
    uint32_t count = elf->header.e_phnum;
    Elf64_Phdr *headers = elf_read(elf, elf->header.e_phoff, sizeof *headers * (uint64_t)count);

    if (!headers)
        return "ELF program headers outside of the file";
    elf->segments = allocate(count, sizeof *elf->segments);
    elf->notes = allocate(count, sizeof *elf->notes);
    for (uint32_t i = 0; i < count; i++) {
        const Elf64_Phdr *header = &headers[i];
        if (header->p_type == PT_NOTE)
            elf->notes[elf->note_count++] = *header;
        if (header->p_type == PT_GNU_EH_FRAME) {
            elf->frame_header_address = header->p_vaddr;
            elf->frame_header_offset = header->p_offset;
            elf->frame_header_size = header->p_filesz;
        }
        if (header->p_type != PT_LOAD || header->p_vaddr + header->p_memsz < header->p_vaddr ||
            header->p_offset + header->p_filesz < header->p_offset)
            continue;
        elf->segments[elf->segment_count++] =
            (struct object_segment){header->p_vaddr, header->p_offset, header->p_filesz, header->p_memsz,
                                    .is_executable = header->p_flags & PF_X};
    }
    free(headers);
    return NULL;
}

static const char *load_headers(struct object_elf *elf) {
    Elf64_Ehdr *header = elf_read(elf, 0, sizeof *header);

    if (!header)
        return "too short for an ELF file";
    elf->header = *header;
    free(header);
    const char *error = check_header(&elf->header);
    return error ? error : load_segments(elf);
}

static struct object_elf *finish_open(struct object_elf *elf, const char **error) {
    *error = load_headers(elf);
    if (!*error)
        return elf;
    object_elf_close(elf);
    return NULL;
}

struct object_elf *object_elf_open(const char *path, const char **error) {
    return object_elf_open_inside(path, 0, UINT64_MAX, error);
}

struct object_elf *object_elf_open_inside(const char *path, uint64_t offset, uint64_t size, const char **error) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        *error = errno == ENOENT ? "no such file" : errno == EACCES ? "permission denied" : "cannot be opened";
        return NULL;
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        *error = "not a regular file";
        close(fd);
        return NULL;
    }
    uint64_t whole = (uint64_t)info.st_size;
    if (offset > whole) {
        *error = "not inside of the file";
        close(fd);
        return NULL;
    }
    struct object_elf *elf = allocate(1, sizeof *elf);
    elf->fd = fd;
    elf->base = offset;
    elf->size = size < whole - offset ? size : whole - offset;
    elf->path = strdup(path);
    return finish_open(elf, error);
}

struct object_elf *object_elf_from_bytes(const void *bytes, size_t size, const char **error) {
    struct object_elf *elf = allocate(1, sizeof *elf);

    elf->fd = -1;
    elf->bytes = bytes;
    elf->size = size;
    return finish_open(elf, error);
}

void object_elf_close(struct object_elf *elf) {
    if (!elf)
        return;
    object_elf_close(elf->debug);
    elf_free_symbols(elf);
    for (uint32_t i = 0; i < elf->section_count; i++)
        free(elf->sections[i].content);
    free(elf->sections);
    free(elf->section_names);
    free(elf->segments);
    free(elf->notes);
    free(elf->build_id);
    free(elf->path);
    if (elf->fd >= 0)
        close(elf->fd);
    free(elf);
}

uint16_t object_elf_machine(const struct object_elf *elf) { return elf->header.e_machine; }

bool object_elf_is_pie(const struct object_elf *elf) { return elf->header.e_type == ET_DYN; }

uint64_t object_elf_entry(const struct object_elf *elf) { return elf->header.e_entry; }

const char *object_elf_path(const struct object_elf *elf) { return elf->path; }

/* Segments. */

const struct object_segment *object_elf_segments(const struct object_elf *elf, uint32_t *count) {
    *count = elf->segment_count;
    return elf->segments;
}

bool object_elf_offset_of(const struct object_elf *elf, uint64_t address, uint64_t *offset) {
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct object_segment *segment = &elf->segments[i];
        if (address >= segment->address && address - segment->address < segment->file_size) {
            *offset = segment->offset + (address - segment->address);
            return true;
        }
    }
    return false;
}

bool object_elf_address_of(const struct object_elf *elf, uint64_t offset, uint64_t *address) {
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct object_segment *segment = &elf->segments[i];
        if (offset >= segment->offset && offset - segment->offset < segment->file_size) {
            *address = segment->address + (offset - segment->offset);
            return true;
        }
    }
    return false;
}

/* Sections. */

/* More sections than fit the header are counted in the first section; so is a large index of the names. */
static bool section_counts(const struct object_elf *elf, uint64_t *count, uint32_t *names) {
    const Elf64_Ehdr *header = &elf->header;
    Elf64_Shdr *first;

    *count = header->e_shnum;
    *names = header->e_shstrndx;
    if (header->e_shoff == 0 || header->e_shentsize != sizeof *first)
        return false;
    if (*count && *names != SHN_XINDEX)
        return true;
    first = elf_read(elf, header->e_shoff, sizeof *first);
    if (!first)
        return false;
    *count = *count ? *count : first->sh_size;
    *names = *names == SHN_XINDEX ? first->sh_link : *names;
    free(first);
    return true;
}

void elf_load_sections(struct object_elf *elf) {
    uint64_t count;
    uint32_t names;

    if (elf->has_sections)
        return;
    elf->has_sections = true;
    if (!section_counts(elf, &count, &names) || count > MOST_SECTIONS || names >= count)
        return;
    Elf64_Shdr *headers = elf_read(elf, elf->header.e_shoff, sizeof *headers * count);
    if (!headers)
        return;
    elf->section_names = elf_read(elf, headers[names].sh_offset, headers[names].sh_size);
    if (elf->section_names) {
        elf->section_names_size = headers[names].sh_size;
        elf->section_count = (uint32_t)count;
        elf->sections = allocate(count, sizeof *elf->sections);
        for (uint32_t i = 0; i < count; i++)
            elf->sections[i].header = headers[i];
    }
    free(headers);
}

struct elf_section *elf_find_section(struct object_elf *elf, const char *name) {
    elf_load_sections(elf);
    for (uint32_t i = 1; i < elf->section_count; i++) {
        uint32_t name_offset = elf->sections[i].header.sh_name;
        if (name_offset < elf->section_names_size && strcmp(elf->section_names + name_offset, name) == 0)
            return &elf->sections[i];
    }
    return NULL;
}

const uint8_t *object_elf_section(struct object_elf *elf, const char *name, size_t *size, uint64_t *address) {
    struct elf_section *section = elf_find_section(elf, name);

    *size = 0;
    if (!section || section->header.sh_type == SHT_NOBITS || section->header.sh_flags & SHF_COMPRESSED ||
        section->header.sh_size == 0)
        return NULL;
    if (!section->content)
        section->content = elf_read(elf, section->header.sh_offset, section->header.sh_size);
    if (!section->content)
        return NULL;
    *size = section->header.sh_size;
    if (address)
        *address = section->header.sh_addr;
    return section->content;
}

bool object_elf_code_from(struct object_elf *elf, uint64_t address, uint64_t *start, uint64_t *end) {
    bool is_found = false;

    elf_load_sections(elf);
    for (uint32_t i = 1; i < elf->section_count; i++) {
        const Elf64_Shdr *header = &elf->sections[i].header;
        uint64_t behind = header->sh_addr + header->sh_size;
        if (header->sh_type != SHT_PROGBITS || !(header->sh_flags & SHF_EXECINSTR) || behind < header->sh_addr ||
            behind <= address || (is_found && header->sh_addr >= *start))
            continue;
        *start = header->sh_addr;
        *end = behind;
        is_found = true;
    }
    return is_found;
}

/* Build id and debug link. */

static uint64_t align_to_4(uint64_t size) { return (size + 3) & ~(uint64_t)3; }

/* The description of the first note of that name and type, or NULL. */
static const uint8_t *find_note(const uint8_t *notes, uint64_t size, const char *name, uint32_t type,
                                uint32_t *note_size) {
    for (uint64_t at = 0; object_fits(size, at, sizeof(Elf64_Nhdr));) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        uint64_t name_at = at + sizeof note, content_at = name_at + align_to_4(note.n_namesz);
        if (!object_fits(size, content_at, note.n_descsz))
            break;
        if (note.n_type == type && note.n_namesz == strlen(name) + 1 &&
            memcmp(notes + name_at, name, note.n_namesz) == 0) {
            *note_size = note.n_descsz;
            return notes + content_at;
        }
        at = content_at + align_to_4(note.n_descsz);
    }
    return NULL;
}

static void keep_build_id(struct object_elf *elf, const uint8_t *notes, uint64_t size) {
    enum { LONGEST = 64 };
    uint32_t length;
    const uint8_t *id = notes ? find_note(notes, size, "GNU", NT_GNU_BUILD_ID, &length) : NULL;

    if (!id || length == 0 || length > LONGEST)
        return;
    elf->build_id = allocate(length, 1);
    memcpy(elf->build_id, id, length);
    elf->build_id_size = length;
}

const uint8_t *object_elf_build_id(struct object_elf *elf, uint32_t *size) {
    if (!elf->has_build_id) {
        elf->has_build_id = true;
        for (uint32_t i = 0; i < elf->note_count && !elf->build_id; i++) {
            uint64_t length = elf->notes[i].p_filesz;
            uint8_t *notes = length <= NOTE_LIMIT ? elf_read(elf, elf->notes[i].p_offset, length) : NULL;
            keep_build_id(elf, notes, length);
            free(notes);
        }
        if (!elf->build_id) { /* the segments of a debug file are empty, its sections are not */
            size_t length;
            const uint8_t *notes = object_elf_section(elf, ".note.gnu.build-id", &length, NULL);
            keep_build_id(elf, notes, length);
        }
    }
    *size = elf->build_id_size;
    return elf->build_id;
}

const char *object_elf_needed(struct object_elf *elf, uint32_t index) {
    enum { ENTRY = 16, NEEDED = 1 };
    size_t size, text_size;
    const uint8_t *entries = object_elf_section(elf, ".dynamic", &size, NULL);
    const char *texts = (const char *)object_elf_section(elf, ".dynstr", &text_size, NULL);

    for (size_t at = 0; entries && texts && at + ENTRY <= size; at += ENTRY) {
        uint64_t offset = object_u64(entries + at + 8);
        if (object_u64(entries + at) != NEEDED || index-- > 0)
            continue;
        return offset < text_size && memchr(texts + offset, '\0', text_size - offset) ? texts + offset : NULL;
    }
    return NULL;
}

const char *object_elf_debug_link(struct object_elf *elf) {
    size_t size;
    const char *name = (const char *)object_elf_section(elf, ".gnu_debuglink", &size, NULL);

    return name && memchr(name, '\0', size) && *name && !strchr(name, '/') ? name : NULL;
}
