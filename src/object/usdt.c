#include "object/usdt.h"

#include "base/vec.h"
#include "object/input.h"

enum { NOTE_TYPE = 3, NOTE_HEADER = 12, ADDRESSES = 3 * 8, MOST_PLACES = 1 << 20 };
#define NOTE_OWNER "stapsdt"

/* Where the file moved to since the note was written. */
struct moved {
    bool has_base;
    uint64_t base;
};

/* Takes a text that ends with NUL off the front; NULL when there is no end. */
static const char *take_text(const uint8_t **at, const uint8_t *end) {
    const uint8_t *begin = *at, *zero = memchr(begin, 0, (size_t)(end - begin));

    if (!zero)
        return NULL;
    *at = zero + 1;
    return (const char *)begin;
}

/* The content of one note; false when it is broken. */
static bool read_note(const struct object_elf *elf, const struct moved *moved, const uint8_t *at, const uint8_t *end,
                      struct object_usdt *out) {
    if (end - at < ADDRESSES)
        return false;
    uint64_t address = object_u64(at), base = object_u64(at + 8), semaphore = object_u64(at + 16);
    uint64_t distance = moved->has_base && base ? moved->base - base : 0;
    at += ADDRESSES;
    *out = (struct object_usdt){.address = address + distance};
    out->provider = take_text(&at, end);
    out->name = out->provider ? take_text(&at, end) : NULL;
    if (!out->name || !*out->name)
        return false;
    out->arguments = take_text(&at, end);
    if (!out->arguments)
        out->arguments = ""; /* older versions of the macros left it out when there are none */
    if (semaphore && !object_elf_offset_of(elf, semaphore + distance, &out->semaphore))
        return false;
    return object_elf_offset_of(elf, out->address, &out->offset);
}

static uint64_t pad(uint64_t size) { return (size + 3) & ~(uint64_t)3; }

void object_usdt_read(struct object_elf *elf, struct arena *arena, struct object_usdt_list *list, uint32_t *broken) {
    size_t size, ignored;
    struct moved moved = {0};
    const uint8_t *notes = object_elf_section(elf, ".note.stapsdt", &size, NULL);
    uint32_t bad = 0;

    moved.has_base = object_elf_section(elf, ".stapsdt.base", &ignored, &moved.base) != NULL;
    for (uint64_t at = 0; notes && object_fits(size, at, NOTE_HEADER) && list->count < MOST_PLACES;) {
        uint32_t name_size = object_u32(notes + at), content_size = object_u32(notes + at + 4);
        uint32_t type = object_u32(notes + at + 8);
        uint64_t name = at + NOTE_HEADER, content = name + pad(name_size);
        if (!object_fits(size, name, name_size) || !object_fits(size, content, content_size)) {
            bad++;
            break;
        }
        bool ours = type == NOTE_TYPE && name_size == sizeof NOTE_OWNER &&
                    memcmp(notes + name, NOTE_OWNER, sizeof NOTE_OWNER) == 0;
        struct object_usdt place;
        if (ours && read_note(elf, &moved, notes + content, notes + content + content_size, &place))
            vec_push(arena, list, place);
        else
            bad += ours;
        at = content + pad(content_size);
    }
    if (broken)
        *broken = bad;
}
