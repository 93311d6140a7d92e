/* Sections and entries of call frame information. */
#include "object/eh_frame_int.h"

#include "base/arena.h"
#include "object/elf_file.h"
#include <stdlib.h>

enum {
    SECTION_MOST = 256 << 20,
    COMMON_PROGRAM_MOST = 4096, /* it is run once, but remembered for each register; compilers need 10 bytes */
    COMMONS_MOST = 1 << 20,
};

static void *grow(void *items, uint32_t *capacity, size_t size) {
    uint32_t larger = *capacity ? *capacity * 2 : 256;
    void *grown = reallocarray(items, larger, size);

    if (!grown)
        arena_out_of_memory(larger * size);
    *capacity = larger;
    return grown;
}

/* ---- encoded pointers ---------------------------------------------------------------------------------------- */

enum { FORMAT = 0x0f, APPLICATION = 0x70, INDIRECT = 0x80 };

static uint64_t encoded_number(struct dwarf_reader *in, uint8_t format) {
    switch (format) {
    case 0x00:
    case 0x04:
    case 0x0c:
        return dwarf_number(in, 8);
    case 0x01:
        return dwarf_uleb(in);
    case 0x02:
        return dwarf_number(in, 2);
    case 0x03:
        return dwarf_number(in, 4);
    case 0x09:
        return (uint64_t)dwarf_sleb(in);
    case 0x0a:
        return (uint64_t)frame_signed(in, 2);
    case 0x0b:
        return (uint64_t)frame_signed(in, 4);
    default:
        in->is_bad = true;
        return 0;
    }
}

bool frame_pointer(const struct frame_base *base, struct dwarf_reader *in, uint8_t encoding, uint64_t function,
                   uint64_t *value) {
    enum { ABSOLUTE = 0x00, HERE = 0x10, TEXT = 0x20, DATA = 0x30, FUNCTION = 0x40, ALIGNED = 0x50 };
    uint64_t here = base->address + (uint64_t)(in->at - base->bytes), relative_to = 0;

    switch (encoding & APPLICATION) {
    case ABSOLUTE:
        break;
    case HERE:
        relative_to = here;
        break;
    case DATA:
        relative_to = base->data;
        break;
    case FUNCTION:
        relative_to = function;
        break;
    case ALIGNED:
        dwarf_bytes(in, -here & 7);
        encoding = 0;
        break;
    default: /* relative to a text section, which nobody names */
        return false;
    }
    *value = encoded_number(in, encoding & FORMAT) + relative_to;
    return !in->is_bad && !(encoding & INDIRECT);
}

/* ---- common entries ------------------------------------------------------------------------------------------ */

static void read_augmentation(const struct object_eh_frame *frames, struct frame_common *common, const char *letters,
                              struct dwarf_reader *data) {
    uint64_t ignored;

    for (; *letters && !data->is_bad; letters++)
        switch (*letters) {
        case 'R':
            common->encoding = (uint8_t)dwarf_number(data, 1);
            break;
        case 'P': /* the routine that C++ calls; where its pointer leads does not matter */
            frame_pointer(&frames->base, data, (uint8_t)dwarf_number(data, 1), 0, &ignored);
            break;
        case 'L':
            dwarf_number(data, 1);
            break;
        case 'S':
            common->is_signal = true;
            break;
        case 'B': /* aarch64: return addresses are signed with the other key */
        case 'G': /* aarch64: memory tags */
            break;
        default: /* unknown, as is what follows; the program begins at a known place */
            return;
        }
}

/* Body of a CIE, behind its id. */
static void parse_common(const struct object_eh_frame *frames, struct dwarf_reader in, struct frame_common *common) {
    uint8_t version = (uint8_t)dwarf_number(&in, 1);
    const char *letters = (const char *)in.at;
    const uint8_t *nul = memchr(in.at, 0, (size_t)(in.end - in.at));

    if (!nul || version == 0 || version == 2 || version > 4) {
        in.is_bad = true;
    } else {
        in.at = nul + 1;
        if (strcmp(letters, "eh") == 0) /* gcc 2: a pointer without further use */
            dwarf_number(&in, 8);
        if (version == 4 && dwarf_number(&in, 1) != 8)
            in.is_bad = true;
        if (version == 4 && dwarf_number(&in, 1) != 0) /* segments */
            in.is_bad = true;
        common->code_align = dwarf_uleb(&in);
        common->data_align = dwarf_sleb(&in);
        common->return_register = (uint32_t)(version == 1 ? dwarf_number(&in, 1) : dwarf_uleb(&in));
        common->has_sizes = letters[0] == 'z';
        if (common->has_sizes) {
            uint64_t size = dwarf_uleb(&in);
            const uint8_t *data = dwarf_bytes(&in, size);
            struct dwarf_reader augmentation = {data, data ? data + size : NULL, false};
            if (data)
                read_augmentation(frames, common, letters + 1, &augmentation);
            in.is_bad |= augmentation.is_bad;
        } else if (letters[0] && strcmp(letters, "eh") != 0) {
            in.is_bad = true;
        }
    }
    common->program = (uint32_t)(in.at - frames->base.bytes);
    common->program_size = (uint32_t)(in.end - in.at);
    common->is_bad = in.is_bad || common->program_size > COMMON_PROGRAM_MOST || common->encoding == FRAME_OMITTED ||
                     common->return_register >= OBJECT_CFI_REGISTERS;
}

/* Entries begin with their size; 4 bytes, or 12. Ends `entry` where the entry ends. A size of 0 ends the section, or is
 * between what the linker put together. */
static bool next_entry(struct dwarf_reader *in, struct dwarf_reader *entry, bool *is_wide) {
    uint64_t size = dwarf_number(in, 4);

    *is_wide = size == 0xffffffff;
    if (*is_wide)
        size = dwarf_number(in, 8);
    const uint8_t *start = dwarf_bytes(in, size);
    *entry = (struct dwarf_reader){start, start ? start + size : NULL, false};
    return start && !in->is_bad;
}

static uint32_t hash_of(uint64_t offset) { return (uint32_t)(offset * 0x9e3779b97f4a7c15u >> 32); }

static void index_common(struct object_eh_frame *frames, uint32_t number) {
    uint32_t at = hash_of(frames->commons[number].offset) & (frames->bucket_count - 1);

    while (frames->buckets[at])
        at = (at + 1) & (frames->bucket_count - 1);
    frames->buckets[at] = number + 1;
}

static void grow_index(struct object_eh_frame *frames) {
    free(frames->buckets);
    frames->bucket_count = frames->bucket_count ? frames->bucket_count * 2 : 64;
    frames->buckets = calloc(frames->bucket_count, sizeof *frames->buckets);
    if (!frames->buckets)
        arena_out_of_memory(frames->bucket_count * sizeof *frames->buckets);
    for (uint32_t i = 0; i < frames->common_count; i++)
        index_common(frames, i);
}

static void add_common(struct object_eh_frame *frames, uint64_t offset) {
    struct dwarf_reader in = {frames->base.bytes + offset, frames->base.bytes + frames->base.size, false}, entry;
    struct frame_common common = {.offset = offset};
    bool is_wide;

    common.is_bad = !next_entry(&in, &entry, &is_wide);
    if (!common.is_bad) {
        uint64_t id = dwarf_number(&entry, is_wide ? 8 : 4);
        uint64_t expected = !frames->is_debug_frame ? 0 : is_wide ? UINT64_MAX : UINT32_MAX;
        common.is_bad = entry.is_bad || id != expected;
    }
    if (!common.is_bad)
        parse_common(frames, entry, &common);
    if (!common.is_bad) {
        common.initial = calloc(1, sizeof *common.initial);
        if (!common.initial)
            arena_out_of_memory(sizeof *common.initial);
        common.is_bad = !frame_run_common(frames, &common);
    }
    if (frames->common_count == frames->common_capacity)
        frames->commons = grow(frames->commons, &frames->common_capacity, sizeof *frames->commons);
    frames->commons[frames->common_count] = common;
    if (frames->common_count >= frames->bucket_count / 2)
        grow_index(frames);
    index_common(frames, frames->common_count++);
}

/* The number of the CIE at an offset, read when it is first referred to; UINT32_MAX when it is damaged. */
static uint32_t common_at(struct object_eh_frame *frames, uint64_t offset) {
    uint32_t mask = frames->bucket_count - 1, number = UINT32_MAX;

    for (uint32_t at = hash_of(offset) & mask; frames->bucket_count && frames->buckets[at]; at = (at + 1) & mask)
        if (frames->commons[frames->buckets[at] - 1].offset == offset)
            number = frames->buckets[at] - 1;
    if (number == UINT32_MAX && frames->common_count < COMMONS_MOST) {
        number = frames->common_count;
        add_common(frames, offset);
    }
    return number == UINT32_MAX || frames->commons[number].is_bad ? UINT32_MAX : number;
}

/* ---- descriptions -------------------------------------------------------------------------------------------- */

static void add_function(struct object_eh_frame *frames, struct object_elf *elf, struct object_fde fde, uint64_t size) {
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct object_segment *segment = &elf->segments[i];
        if (!segment->is_executable || fde.start < segment->address ||
            fde.start - segment->address >= segment->memory_size)
            continue;
        uint64_t left = segment->memory_size - (fde.start - segment->address);
        left = left < UINT32_MAX ? left : UINT32_MAX;
        fde.size = (uint32_t)(size < left ? size : left);
        if (frames->function_count == frames->function_capacity)
            frames->functions = grow(frames->functions, &frames->function_capacity, sizeof *frames->functions);
        frames->functions[frames->function_count++] = fde;
        return;
    }
}

/* Body of an FDE, behind the offset of its CIE. */
static void parse_function(struct object_eh_frame *frames, struct object_elf *elf, uint64_t common_offset,
                           struct dwarf_reader in) {
    struct object_fde fde = {.common = common_at(frames, common_offset)};
    uint64_t size;

    if (fde.common == UINT32_MAX)
        return;
    const struct frame_common *common = &frames->commons[fde.common];
    if (!frame_pointer(&frames->base, &in, common->encoding, 0, &fde.start) ||
        !frame_pointer(&frames->base, &in, common->encoding & FORMAT, 0, &size) || size == 0)
        return;
    if (common->has_sizes)
        dwarf_bytes(&in, dwarf_uleb(&in));
    fde.program = (uint32_t)(in.at - frames->base.bytes);
    fde.program_size = (uint32_t)(in.end - in.at);
    if (!in.is_bad)
        add_function(frames, elf, fde, size);
}

/* `has_end`: a size of 0 ends the entries, as where no section says how long they are. */
static void read_entries(struct object_eh_frame *frames, struct object_elf *elf, bool has_end) {
    const struct frame_base *base = &frames->base;
    struct dwarf_reader in = {base->bytes, base->bytes + base->size, false}, entry;
    bool is_wide;

    while (in.at < in.end && next_entry(&in, &entry, &is_wide)) {
        if (entry.at == entry.end) {
            if (has_end)
                return;
            continue;
        }
        uint64_t here = (uint64_t)(entry.at - base->bytes), id = dwarf_number(&entry, is_wide ? 8 : 4), offset;
        if (entry.is_bad)
            continue;
        if (frames->is_debug_frame) {
            if (id == (is_wide ? UINT64_MAX : UINT32_MAX) || id >= base->size)
                continue;
            offset = id;
        } else { /* counted backwards from where it stands */
            if (id == 0 || id > here)
                continue;
            offset = here - id;
        }
        parse_function(frames, elf, offset, entry);
    }
}

static int compare(const void *left, const void *right) {
    const struct object_fde *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->program < b->program ? -1 : a->program > b->program;
}

static void sort(struct object_eh_frame *frames) {
    for (uint32_t i = 1; i < frames->function_count; i++)
        if (frames->functions[i].start < frames->functions[i - 1].start) {
            qsort(frames->functions, frames->function_count, sizeof *frames->functions, compare);
            return;
        }
}

/* ---- sections ------------------------------------------------------------------------------------------------ */

static uint64_t section_address(struct object_elf *elf, const char *name) {
    const struct elf_section *section = elf_find_section(elf, name);
    return section ? section->header.sh_addr : 0;
}

static bool from_section(struct object_eh_frame *frames, struct object_elf *elf, const char *name, const char **error) {
    if (!object_elf_load(elf, name, &frames->bytes, error))
        return false;
    if (frames->bytes.size > SECTION_MOST) {
        *error = "its unwind information is too large";
        object_bytes_free(&frames->bytes);
        return false;
    }
    frames->base = (struct frame_base){frames->bytes.bytes, frames->bytes.size, section_address(elf, name),
                                       section_address(elf, ".eh_frame_hdr")};
    return true;
}

/* Files without section headers: .eh_frame_hdr has a program header, and says where .eh_frame begins. */
static bool from_segment(struct object_eh_frame *frames, struct object_elf *elf) {
    enum { HEADER = 4, VERSION = 1 };
    uint8_t header[HEADER + 10] = {0};
    uint64_t start, offset;

    if (elf->frame_header_size < HEADER + 4 ||
        !object_elf_read(elf, elf->frame_header_offset, header,
                         elf->frame_header_size < sizeof header ? elf->frame_header_size : sizeof header) ||
        header[0] != VERSION || header[1] == FRAME_OMITTED)
        return false;
    struct frame_base base = {header, sizeof header, elf->frame_header_address, elf->frame_header_address};
    struct dwarf_reader in = {header + HEADER, header + sizeof header, false};
    if (!frame_pointer(&base, &in, header[1], 0, &start) || !object_elf_offset_of(elf, start, &offset))
        return false;
    for (uint32_t i = 0; i < elf->segment_count; i++) {
        const struct object_segment *segment = &elf->segments[i];
        if (start < segment->address || start - segment->address >= segment->file_size)
            continue;
        uint64_t size = segment->file_size - (start - segment->address);
        size = size < SECTION_MOST ? size : SECTION_MOST;
        frames->copy = elf_read(elf, offset, size);
        frames->base = (struct frame_base){frames->copy, size, start, elf->frame_header_address};
        return frames->copy;
    }
    return false;
}

static bool has_functions(struct object_eh_frame *frames, struct object_elf *elf, bool has_end) {
    read_entries(frames, elf, has_end);
    sort(frames);
    return frames->function_count;
}

static void reset(struct object_eh_frame *frames) {
    object_bytes_free(&frames->bytes);
    free(frames->copy);
    for (uint32_t i = 0; i < frames->common_count; i++)
        free(frames->commons[i].initial);
    free(frames->commons);
    free(frames->buckets);
    free(frames->functions);
    *frames = (struct object_eh_frame){0};
}

struct object_eh_frame *object_eh_frame_open(struct object_elf *elf, const char **error) {
    struct object_eh_frame *frames = calloc(1, sizeof *frames);

    if (!frames)
        arena_out_of_memory(sizeof *frames);
    *error = NULL;
    if (from_section(frames, elf, ".eh_frame", error) && has_functions(frames, elf, false))
        return frames;
    reset(frames);
    if (from_segment(frames, elf) && has_functions(frames, elf, true))
        return frames;
    reset(frames);
    frames->is_debug_frame = true;
    if (from_section(frames, elf, ".debug_frame", error) && has_functions(frames, elf, false))
        return frames;
    object_eh_frame_close(frames);
    return NULL;
}

void object_eh_frame_close(struct object_eh_frame *frames) {
    if (frames)
        reset(frames);
    free(frames);
}

const struct object_fde *object_eh_frame_functions(const struct object_eh_frame *frames, uint32_t *count) {
    *count = frames->function_count;
    return frames->functions;
}

const struct object_fde *object_eh_frame_find(const struct object_eh_frame *frames, uint64_t address) {
    uint32_t low = 0, high = frames->function_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (frames->functions[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct object_fde *fde = low ? &frames->functions[low - 1] : NULL;
    return fde && address - fde->start < fde->size ? fde : NULL;
}
