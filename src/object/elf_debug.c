/* The separate debug file of an ELF file: found by its build id or the name in .gnu_debuglink (without one:
 * NAME.debug), taken only when it was made from the same program. */
#include "object/elf_file.h"

#include "base/str.h"
#include <stdlib.h>

/* The checksum of .gnu_debuglink: CRC-32 as in zlib. */
static uint32_t checksum(const struct object_elf *elf) {
    enum { CHUNK = 1 << 20 };
    uint32_t table[256], crc = ~0u;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320u : table[i] >> 1;
    }
    for (uint64_t at = 0; at < elf->size; at += CHUNK) {
        uint64_t size = elf->size - at < CHUNK ? elf->size - at : CHUNK;
        uint8_t *bytes = elf_read(elf, at, size);
        for (uint64_t i = 0; bytes && i < size; i++)
            crc = table[(crc ^ bytes[i]) & 0xff] ^ crc >> 8;
        free(bytes);
    }
    return ~crc;
}

/* Behind the name, at a multiple of 4. */
static bool link_checksum(struct object_elf *elf, uint32_t *crc) {
    size_t size;
    const uint8_t *section = object_elf_section(elf, ".gnu_debuglink", &size, NULL);
    size_t at = section ? (strnlen((const char *)section, size) + 4) & ~(size_t)3 : 0;

    if (!section || !object_fits(size, at, 4))
        return false;
    *crc = object_u32(section + at);
    return true;
}

static bool is_same_program(struct object_elf *elf, struct object_elf *debug) {
    uint32_t size, other_size, crc;
    const uint8_t *id = object_elf_build_id(elf, &size), *other = object_elf_build_id(debug, &other_size);

    if (id || other)
        return id && other && size == other_size && memcmp(id, other, size) == 0;
    return link_checksum(elf, &crc) && checksum(debug) == crc;
}

static bool try_debug_file(struct object_elf *elf, struct strbuf *path) {
    const char *error;
    struct object_elf *debug = object_elf_open(strbuf_text(path), &error);

    strbuf_reset(path);
    if (debug && is_same_program(elf, debug)) {
        elf->debug = debug;
        return true;
    }
    object_elf_close(debug);
    return false;
}

/* DIRECTORY/.build-id/12/3456.debug */
static bool try_build_id(struct object_elf *elf, const char *root, const char *directory, struct strbuf *path) {
    uint32_t size;
    const uint8_t *id = object_elf_build_id(elf, &size);

    if (!id)
        return false;
    strbuf_addf(path, "%s%s/.build-id/", root, directory);
    for (uint32_t i = 0; i < size; i++)
        strbuf_addf(path, i == 1 ? "/%02x" : "%02x", id[i]);
    strbuf_addstr(path, ".debug");
    return try_debug_file(elf, path);
}

static bool try_debug_link(struct object_elf *elf, const char *root, const char *link, struct strbuf *path) {
    const char *inside = str_starts(elf->path, root) ? elf->path + strlen(root) : elf->path;
    const char *slash = strrchr(inside, '/');
    int length = slash ? (int)(slash - inside) : 1;

    if (!slash) /* in the current directory */
        inside = ".";
    strbuf_addf(path, "%s%.*s/%s", root, length, inside, link);
    if (try_debug_file(elf, path))
        return true;
    strbuf_addf(path, "%s%.*s/.debug/%s", root, length, inside, link);
    if (try_debug_file(elf, path))
        return true;
    strbuf_addf(path, "%s/usr/lib/debug%.*s/%s", root, length, inside, link);
    return try_debug_file(elf, path);
}

static bool try_directory(struct object_elf *elf, const char *directory, const char *link, struct strbuf *path) {
    const char *slash = strrchr(elf->path, '/');
    int length = slash ? (int)(slash - elf->path) : 0;

    if (try_build_id(elf, "", directory, path))
        return true;
    strbuf_addf(path, "%s/%s", directory, link);
    if (try_debug_file(elf, path))
        return true;
    if (elf->path[0] == '/') { /* a tree like that of the whole system */
        strbuf_addf(path, "%s%.*s/%s", directory, length, elf->path, link);
        if (try_debug_file(elf, path))
            return true;
    }
    if (directory[0] == '/' || !slash)
        return false;
    strbuf_addf(path, "%.*s/%s/%s", length, elf->path, directory, link); /* beside the file, as elfutils mean it */
    return try_debug_file(elf, path);
}

bool elf_find_debug(struct object_elf *elf, const char *root, const char *const *directories) {
    struct strbuf path = {0}, usual = {0};
    bool is_found = false;

    if (!elf->path || elf->debug)
        return elf->debug;
    const char *link = object_elf_debug_link(elf), *slash = strrchr(elf->path, '/');
    strbuf_addf(&usual, "%s.debug", slash ? slash + 1 : elf->path);
    link = link ? link : strbuf_text(&usual);
    root = root ? root : "";
    for (; directories && *directories && !is_found; directories++)
        is_found = try_directory(elf, *directories, link, &path);
    is_found = is_found || try_build_id(elf, root, "/usr/lib/debug", &path) || try_debug_link(elf, root, link, &path);
    strbuf_free(&usual);
    strbuf_free(&path);
    return is_found;
}

bool object_elf_load_debug(struct object_elf *elf, const char *root) {
    return !elf->debug && !elf_find_section(elf, ".symtab") && elf_find_debug(elf, root, NULL);
}

struct object_elf *object_elf_debug_file(struct object_elf *elf, const char *root, const char *const *directories) {
    const struct elf_section *own = elf_find_section(elf, ".debug_info");

    if (own && own->header.sh_type != SHT_NOBITS)
        return elf;
    if (!elf_find_debug(elf, root, directories))
        return NULL;
    own = elf_find_section(elf->debug, ".debug_info");
    return own && own->header.sh_type != SHT_NOBITS ? elf->debug : NULL;
}
