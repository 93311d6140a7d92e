/* ELF files: symbols, sections, load segments. 64-bit little-endian (x86-64, aarch64).
 *
 * Source of the format: the ELF gABI and elf(5). The file belongs to somebody else, who may change or shorten it while
 * we look; so nothing is mapped: headers, symbol and string tables are read into our own memory when first needed, with
 * each offset and size checked against the file.
 *
 * Symbols come from .dynsym, .symtab and, after object_elf_load_debug(), the .symtab of the separate debug file.
 * Addresses are those in the file (st_value, before relocation); file offsets, which uprobes want, follow from PT_LOAD.
 * A versioned name ("memcpy@@GLIBC_2.14" in a .symtab) is known without its version.
 */
#ifndef TARSIER_OBJECT_ELF_H
#define TARSIER_OBJECT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object_elf;

struct object_symbol {
    const char *name;     /* lives as long as the reader; ends at NUL, a version "@..." may follow in the table */
    uint32_t name_length; /* without the version */
    uint64_t address;     /* in the file's address space */
    uint64_t size;        /* 0: unknown */
    uint64_t file_offset; /* of address; UINT64_MAX when no segment holds it (.bss) */
    bool is_function;     /* FUNC or IFUNC; else OBJECT */
    bool is_ifunc;        /* the address is the resolver's */
    bool is_global;       /* GLOBAL or WEAK */
};

struct object_segment {
    uint64_t address, offset, file_size, memory_size;
    bool is_executable;
};

/* Which symbols a question is about. */
enum object_symbol_kinds { OBJECT_FUNCTIONS = 1, OBJECT_DATA = 2 };

/* Opens a regular file; NULL and a fixed text in *error. */
struct object_elf *object_elf_open(const char *path, const char **error);
/* The same for a file that lies inside of another one, such as an entry of a zip archive; all offsets are those in the
 * inner file. */
struct object_elf *object_elf_open_inside(const char *path, uint64_t offset, uint64_t size, const char **error);
/* The same over bytes that the caller keeps until close. */
struct object_elf *object_elf_from_bytes(const void *bytes, size_t size, const char **error);
void object_elf_close(struct object_elf *elf); /* NULL is fine */

/* Adds the symbols of the separate debug file, found by build id or .gnu_debuglink below `root` (NULL or "": ours),
 * accepted when its build id is the same. A file that has a .symtab of its own needs none. False when nothing was
 * added. Done once, before the first symbol_at(). */
bool object_elf_load_debug(struct object_elf *elf, const char *root);

/* The symbol of that name: a global one of the current version before one of an old version (memcpy@GLIBC_2.2.5) before
 * a local one. False when there is none. */
bool object_elf_find(struct object_elf *elf, uint32_t kinds, const char *name, struct object_symbol *symbol);
/* Calls for every defined symbol until the callback answers false. A symbol in two tables comes twice. */
void object_elf_each(struct object_elf *elf, uint32_t kinds,
                     bool (*callback)(void *context, const struct object_symbol *symbol), void *context);
/* The symbol that covers an address (of the file's address space). The first call sorts all of that kind (16 bytes
 * per symbol); functions and data are kept apart. Among symbols at one place a global, sized one is preferred. */
bool object_elf_symbol_at(struct object_elf *elf, uint32_t kind, uint64_t address, struct object_symbol *symbol);

/* The stub of the procedure linkage table that holds an address, with the name of the function that it leads to. */
bool object_elf_stub_at(struct object_elf *elf, uint64_t address, struct object_symbol *symbol);

/* The executable section that holds an address, or the next one behind it. False when there is none, or the file has no
 * section headers. */
bool object_elf_code_from(struct object_elf *elf, uint64_t address, uint64_t *start, uint64_t *end);

/* File offset <-> address through PT_LOAD. False when no segment holds it in the file. */
bool object_elf_offset_of(const struct object_elf *elf, uint64_t address, uint64_t *offset);
bool object_elf_address_of(const struct object_elf *elf, uint64_t offset, uint64_t *address);
const struct object_segment *object_elf_segments(const struct object_elf *elf, uint32_t *count);

/* Bytes of the file, such as the code of a function. False when the file does not have them all. */
bool object_elf_read(const struct object_elf *elf, uint64_t offset, void *bytes, size_t size);

uint16_t object_elf_machine(const struct object_elf *elf); /* EM_X86_64, EM_AARCH64 */
bool object_elf_is_pie(const struct object_elf *elf);      /* ET_DYN: addresses are relative to the load base */
uint64_t object_elf_entry(const struct object_elf *elf);
/* Bytes of the GNU build id, or NULL. Memory belongs to the reader. */
const uint8_t *object_elf_build_id(struct object_elf *elf, uint32_t *size);
/* Name in .gnu_debuglink, or NULL. */
const char *object_elf_debug_link(struct object_elf *elf);
/* The libraries that it names (DT_NEEDED), from 0 on; NULL behind the last one. Memory belongs to the reader. */
const char *object_elf_needed(struct object_elf *elf, uint32_t index);
/* Content of a section by name (.eh_frame, .note.stapsdt, ...), read once and kept until close. NULL when absent,
 * empty, NOBITS, compressed or outside of the file. `address` may be NULL. */
const uint8_t *object_elf_section(struct object_elf *elf, const char *name, size_t *size, uint64_t *address);

/* A large section (debug information), which belongs to the caller: mapped when only root or we ourselves can change
 * the file, since a mapped file that somebody shortens kills the reader; else read. Compressed ones are unpacked, those
 * of an object file (.o) relocated. */
struct object_bytes {
    const uint8_t *bytes;
    uint64_t size;
    void *mapping, *heap; /* one of them, or neither: what object_elf_from_bytes() was given */
    size_t mapped;
};
/* False when it is absent (*reason NULL) or can not be read (*reason: why). */
bool object_elf_load(struct object_elf *elf, const char *name, struct object_bytes *out, const char **reason);
void object_bytes_free(struct object_bytes *bytes);

/* The file that holds the debug information of this one: itself, or the separate debug file, found by build id or
 * .gnu_debuglink below `directories` (NULL-terminated, or NULL), then below `root`. NULL when there is none. */
struct object_elf *object_elf_debug_file(struct object_elf *elf, const char *root, const char *const *directories);
const char *object_elf_path(const struct object_elf *elf); /* NULL: bytes */
/* Whether only root or we ourselves can change the file. */
bool object_elf_is_protected(const struct object_elf *elf);

#endif
