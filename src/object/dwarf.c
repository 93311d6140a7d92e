/* Sections, units, and the shapes of their DIEs. */
#include "object/dwarf_int.h"

#include "base/str.h"
#include <stdlib.h>
#include <sys/mman.h>

enum { MOST_UNITS = 1 << 22, MOST_SHAPES = 1 << 20, MOST_ATTRIBUTES = 256 };

/* ---- reading ------------------------------------------------------------------------------------------------- */

const char *dwarf_text(struct dwarf_reader *in) {
    const uint8_t *start = in->at;
    const uint8_t *end = start < in->end ? memchr(start, '\0', (size_t)(in->end - start)) : NULL;

    if (!end) {
        in->is_bad = true;
        in->at = in->end;
        return "";
    }
    in->at = end + 1;
    return (const char *)start;
}

bool dwarf_initial_length(struct dwarf_reader *in, struct dwarf_reader *unit, uint8_t *offset_size) {
    enum { SIZE_64 = 0xffffffffu };
    uint64_t length = dwarf_number(in, 4);

    *offset_size = 4;
    if (length == SIZE_64) {
        length = dwarf_number(in, 8);
        *offset_size = 8;
    }
    if (in->is_bad || length == 0 || length > (uint64_t)(in->end - in->at))
        return false;
    *unit = (struct dwarf_reader){in->at, in->at + length, false};
    in->at += length;
    return true;
}

/* ---- shapes (abbreviations) ------------------------------------------------------------------------------------ */

static uint8_t size_of_form(const struct dwarf_unit *unit, uint16_t form) {
    switch (form) {
    case DW_FORM_flag_present:
    case DW_FORM_implicit_const:
        return 0;
    case DW_FORM_data1:
    case DW_FORM_ref1:
    case DW_FORM_flag:
    case DW_FORM_strx1:
    case DW_FORM_addrx1:
        return 1;
    case DW_FORM_data2:
    case DW_FORM_ref2:
    case DW_FORM_strx2:
    case DW_FORM_addrx2:
        return 2;
    case DW_FORM_strx3:
    case DW_FORM_addrx3:
        return 3;
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_strx4:
    case DW_FORM_addrx4:
    case DW_FORM_ref_sup4:
        return 4;
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
        return 8;
    case DW_FORM_data16:
        return 16;
    case DW_FORM_addr:
        return unit->address_size;
    case DW_FORM_ref_addr:
        return unit->version < 3 ? unit->address_size : unit->offset_size;
    case DW_FORM_strp:
    case DW_FORM_sec_offset:
    case DW_FORM_line_strp:
    case DW_FORM_strp_sup:
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
        return unit->offset_size;
    default:
        return DWARF_SIZE_VARIES;
    }
}

static bool read_shape(struct dwarf_unit *unit, struct dwarf_reader *in, struct dwarf_shape *shape) {
    struct dwarf_attribute attributes[MOST_ATTRIBUTES];
    bool is_declaration = false;

    *shape = (struct dwarf_shape){.tag = (uint16_t)dwarf_uleb(in)};
    shape->has_children = dwarf_number(in, 1);
    for (;;) {
        uint64_t name = dwarf_uleb(in), form = dwarf_uleb(in);
        int64_t constant = form == DW_FORM_implicit_const ? dwarf_sleb(in) : 0;
        if (in->is_bad || (name == 0 && form == 0))
            break;
        if (shape->count == MOST_ATTRIBUTES || name > UINT16_MAX || form > UINT16_MAX)
            return false;
        uint8_t size = size_of_form(unit, (uint16_t)form);
        if (shape->fixed_size != UINT32_MAX)
            shape->fixed_size = size == DWARF_SIZE_VARIES ? UINT32_MAX : shape->fixed_size + size;
        shape->has_code |= name == DW_AT_low_pc || name == DW_AT_ranges || name == DW_AT_entry_pc;
        is_declaration |= name == DW_AT_declaration;
        shape->is_inlined |= name == DW_AT_inline;
        attributes[shape->count++] = (struct dwarf_attribute){(uint16_t)name, (uint16_t)form, size, constant};
    }
    shape->is_inlined |= !shape->has_code && !is_declaration;
    shape->attributes = arena_memdup(unit->dwarf->arena, attributes, sizeof *attributes * shape->count);
    return !in->is_bad;
}

/* Numbers are dense in practice; a table with holes wastes a little memory, a wild number is refused. */
static struct dwarf_shapes *read_shapes(struct dwarf_unit *unit) {
    struct object_dwarf *dwarf = unit->dwarf;
    struct dwarf_reader in = dwarf_reader(dwarf, DWARF_ABBREV, unit->abbrev_offset);
    struct dwarf_shapes *shapes = arena_make(dwarf->arena, struct dwarf_shapes);
    uint32_t capacity = 0;

    for (;;) {
        uint64_t number = dwarf_uleb(&in);
        if (in.is_bad || number == 0)
            break;
        if (number >= MOST_SHAPES || number > (uint64_t)shapes->count + 4096)
            return NULL;
        if (number >= capacity) {
            struct dwarf_shape *old = shapes->items;
            capacity = capacity ? capacity * 2 : 64;
            capacity = number >= capacity ? (uint32_t)number + 1 : capacity;
            shapes->items = arena_new_array(dwarf->arena, struct dwarf_shape, capacity);
            if (old)
                memcpy(shapes->items, old, sizeof *old * shapes->count);
        }
        if (!read_shape(unit, &in, &shapes->items[number]))
            return NULL;
        if (number >= shapes->count)
            shapes->count = (uint32_t)number + 1;
    }
    return in.is_bad ? NULL : shapes;
}

/* Sizes of forms depend on the unit's header, so tables are shared by equal units only. */
static const struct dwarf_shapes *shapes_of(struct dwarf_unit *unit) {
    uint64_t key = unit->abbrev_offset << 8 ^ (uint64_t)unit->version << 60 ^ (uint64_t)unit->offset_size << 4 ^
                   unit->address_size;
    struct dwarf_shapes *shapes = hash_get_number(&unit->dwarf->shapes, key);

    if (!shapes) {
        shapes = read_shapes(unit);
        if (shapes)
            hash_put_number(&unit->dwarf->shapes, key, shapes);
    }
    return shapes;
}

const struct dwarf_shape *dwarf_shape(const struct dwarf_unit *unit, uint64_t number) {
    if (number == 0 || number >= unit->shapes->count || unit->shapes->items[number].tag == 0)
        return NULL;
    return &unit->shapes->items[number];
}

/* ---- units --------------------------------------------------------------------------------------------------- */

/* The header; `in` is behind its length. False: of a version or kind that is not read. */
static bool read_header(struct dwarf_unit *unit, struct dwarf_reader *in, const uint8_t *base) {
    unsigned type = unit->section == DWARF_TYPES ? DW_UT_type : DW_UT_compile;

    unit->version = (uint16_t)dwarf_number(in, 2);
    if (unit->version < 2 || unit->version > 5)
        return false;
    if (unit->version >= 5) {
        type = (unsigned)dwarf_number(in, 1);
        unit->address_size = (uint8_t)dwarf_number(in, 1);
        unit->abbrev_offset = dwarf_number(in, unit->offset_size);
        if (type == DW_UT_skeleton || type == DW_UT_split_compile)
            dwarf_number(in, 8);
    } else {
        unit->abbrev_offset = dwarf_number(in, unit->offset_size);
        unit->address_size = (uint8_t)dwarf_number(in, 1);
    }
    if (type == DW_UT_type || type == DW_UT_split_type) {
        unit->signature = dwarf_number(in, 8);
        unit->type_start = unit->start + dwarf_number(in, unit->offset_size);
    }
    unit->first = (uint64_t)(in->at - base);
    return !in->is_bad && (unit->address_size == 8 || unit->address_size == 4);
}

static void read_units(struct object_dwarf *dwarf, enum dwarf_section section, uint32_t *capacity) {
    const uint8_t *base = dwarf->sections[section].bytes;

    for (struct dwarf_reader in = dwarf_reader(dwarf, section, 0), one; in.at < in.end;) {
        struct dwarf_unit unit = {.dwarf = dwarf, .section = section, .start = (uint64_t)(in.at - base)};
        if (!dwarf_initial_length(&in, &one, &unit.offset_size) || dwarf->unit_count >= MOST_UNITS)
            break;
        unit.end = (uint64_t)(one.end - base);
        if (!read_header(&unit, &one, base))
            continue;
        if (dwarf->unit_count == *capacity) {
            struct dwarf_unit *old = dwarf->units;
            *capacity = *capacity ? *capacity * 2 : 64;
            dwarf->units = arena_new_array(dwarf->arena, struct dwarf_unit, *capacity);
            if (old)
                memcpy(dwarf->units, old, sizeof *old * dwarf->unit_count);
        }
        dwarf->units[dwarf->unit_count++] = unit;
    }
}

struct dwarf_unit *dwarf_unit_at(struct object_dwarf *dwarf, enum dwarf_section section, uint64_t offset) {
    uint32_t low = 0, high = dwarf->unit_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct dwarf_unit *unit = &dwarf->units[middle];
        if (unit->section < section || (unit->section == section && unit->end <= offset))
            low = middle + 1;
        else
            high = middle;
    }
    struct dwarf_unit *unit = low < dwarf->unit_count ? &dwarf->units[low] : NULL;
    return unit && unit->section == section && offset >= unit->first && offset < unit->end ? unit : NULL;
}

static uint64_t constant_or(const struct dwarf_die *root, uint16_t name, uint64_t otherwise) {
    struct dwarf_value value;

    return dwarf_attribute(root, name, &value) ? value.number : otherwise;
}

/* Bases come first: other attributes of the root may be numbers in the tables they lead to. Where a unit of DWARF 5
 * names none, the tables are right behind their headers. */
static void read_root(struct dwarf_unit *unit, const struct dwarf_die *root) {
    uint64_t table = unit->offset_size == 8 ? 16 : 8;
    struct dwarf_value value;

    unit->str_offsets_base = constant_or(root, DW_AT_str_offsets_base, unit->version >= 5 ? table : 0);
    unit->addr_base = constant_or(root, DW_AT_addr_base, constant_or(root, DW_AT_GNU_addr_base, 8));
    unit->loclists_base = constant_or(root, DW_AT_loclists_base, table + 4);
    unit->rnglists_base = constant_or(root, DW_AT_rnglists_base, table + 4);
    unit->low_address = constant_or(root, DW_AT_low_pc, 0);
    unit->language = (uint16_t)constant_or(root, DW_AT_language, 0);
    unit->line_offset = constant_or(root, DW_AT_stmt_list, UINT64_MAX);
    unit->directory = dwarf_attribute(root, DW_AT_comp_dir, &value) && value.text ? value.text : "";
    unit->name = dwarf_attribute(root, DW_AT_name, &value) && value.text ? value.text : "";
}

bool dwarf_unit_ready(struct dwarf_unit *unit) {
    struct dwarf_die root;

    if (unit->is_ready || unit->is_broken)
        return unit->is_ready;
    unit->shapes = shapes_of(unit);
    unit->is_ready = unit->shapes != NULL; /* enough for dwarf_root() */
    unit->is_ready = unit->is_ready && dwarf_root(unit, &root);
    unit->is_broken = !unit->is_ready;
    if (unit->is_ready)
        read_root(unit, &root);
    return unit->is_ready;
}

/* ---- which unit has an address ----------------------------------------------------------------------------------- */

static bool set_holds(struct dwarf_reader in, uint8_t address_size, uint64_t address) {
    while (!in.is_bad && (size_t)(in.end - in.at) >= 2u * address_size) {
        uint64_t start = dwarf_number(&in, address_size), length = dwarf_number(&in, address_size);
        if (start == 0 && length == 0)
            break;
        if (address >= start && address - start < length)
            return true;
    }
    return false;
}

static struct dwarf_unit *find_in_aranges(struct object_dwarf *dwarf, uint64_t address) {
    struct dwarf_reader in = dwarf_reader(dwarf, DWARF_ARANGES, 0), one;
    uint8_t offset_size;

    for (const uint8_t *start = in.at; !in.is_bad && in.at < in.end; start = in.at) {
        if (!dwarf_initial_length(&in, &one, &offset_size))
            break;
        dwarf_number(&one, 2);
        uint64_t offset = dwarf_number(&one, offset_size);
        uint8_t address_size = (uint8_t)dwarf_number(&one, 1);
        dwarf_number(&one, 1);
        if (address_size != 8 && address_size != 4)
            continue;
        uint64_t used = (uint64_t)(one.at - start), tuple = 2u * address_size; /* tuples begin at multiples of theirs */
        dwarf_bytes(&one, (tuple - used % tuple) % tuple);
        if (set_holds(one, address_size, address)) {
            for (uint32_t i = 0; i < dwarf->unit_count; i++)
                if (dwarf->units[i].section == DWARF_INFO && dwarf->units[i].start == offset)
                    return &dwarf->units[i];
        }
    }
    return NULL;
}

static bool range_holds(void *context, struct dwarf_range range) {
    uint64_t address = *(uint64_t *)context;

    return address >= range.begin && address < range.end;
}

struct dwarf_unit *dwarf_unit_of_address(struct object_dwarf *dwarf, uint64_t address) {
    struct dwarf_unit *unit = find_in_aranges(dwarf, address);
    struct dwarf_die root;

    for (uint32_t i = 0; !unit && i < dwarf->unit_count; i++) {
        struct dwarf_unit *candidate = &dwarf->units[i];
        if (candidate->section == DWARF_INFO && dwarf_unit_ready(candidate) && dwarf_root(candidate, &root) &&
            dwarf_each_range(&root, range_holds, &address))
            unit = candidate;
    }
    return unit && dwarf_unit_ready(unit) ? unit : NULL;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static const char *const section_names[DWARF_SECTIONS] = {
    [DWARF_INFO] = ".debug_info",         [DWARF_TYPES] = ".debug_types",
    [DWARF_ABBREV] = ".debug_abbrev",     [DWARF_STR] = ".debug_str",
    [DWARF_LINE_STR] = ".debug_line_str", [DWARF_STR_OFFSETS] = ".debug_str_offsets",
    [DWARF_ADDR] = ".debug_addr",         [DWARF_LOC] = ".debug_loc",
    [DWARF_LOCLISTS] = ".debug_loclists", [DWARF_RANGES] = ".debug_ranges",
    [DWARF_RNGLISTS] = ".debug_rnglists", [DWARF_LINE] = ".debug_line",
    [DWARF_ARANGES] = ".debug_aranges",
};

/* A skeleton says where the rest is, and nothing else. */
static bool is_split(struct object_dwarf *dwarf) {
    struct dwarf_value value;
    struct dwarf_die root;

    for (uint32_t i = 0; i < dwarf->unit_count; i++) {
        if (!dwarf_unit_ready(&dwarf->units[i]) || !dwarf_root(&dwarf->units[i], &root))
            continue;
        return dwarf_attribute(&root, DW_AT_dwo_name, &value) || dwarf_attribute(&root, DW_AT_GNU_dwo_name, &value);
    }
    return false;
}

struct object_dwarf *object_dwarf_open(struct arena *arena, struct object_elf *elf, const char **reason) {
    struct object_dwarf *dwarf = arena_make(arena, struct object_dwarf);
    uint32_t capacity = 0;

    dwarf->arena = arena;
    dwarf->elf = elf;
    hash_init(&dwarf->shapes, arena);
    hash_init(&dwarf->types, arena);
    hash_init(&dwarf->signatures, arena);
    hash_init(&dwarf->texts, arena);
    *reason = NULL;
    for (int i = 0; i < DWARF_SECTIONS && !*reason; i++)
        object_elf_load(elf, section_names[i], &dwarf->sections[i], reason);
    if (!*reason && !dwarf->sections[DWARF_INFO].bytes)
        *reason = "it has no debug information";
    if (!*reason) {
        read_units(dwarf, DWARF_INFO, &capacity);
        read_units(dwarf, DWARF_TYPES, &capacity);
        if (dwarf->unit_count == 0)
            *reason = "its debug information is of an unknown version or damaged";
        else if (is_split(dwarf))
            *reason = "its debug information is split off into .dwo files, which tarsier does not read (build with "
                      "-gno-split-dwarf)";
    }
    if (!*reason)
        return dwarf;
    object_dwarf_close(dwarf);
    return NULL;
}

void object_dwarf_close(struct object_dwarf *dwarf) {
    if (!dwarf)
        return;
    for (int i = 0; i < DWARF_SECTIONS; i++)
        object_bytes_free(&dwarf->sections[i]);
    if (dwarf->other) {
        struct object_elf *elf = dwarf->other->elf;
        object_dwarf_close(dwarf->other);
        object_elf_close(elf);
        dwarf->other = NULL;
    }
    dwarf->unit_count = 0;
}

void object_dwarf_rest(struct object_dwarf *dwarf) {
    for (int i = 0; i < DWARF_SECTIONS; i++)
        if (dwarf->sections[i].mapping)
            madvise(dwarf->sections[i].mapping, dwarf->sections[i].mapped, MADV_DONTNEED);
    if (dwarf->other)
        object_dwarf_rest(dwarf->other);
}

/* ---- .gnu_debugaltlink ----------------------------------------------------------------------------------------- */

/* dwz moves what several files have in common into one more: a path, a NUL and the build id of that file. */
struct object_dwarf *dwarf_other(struct object_dwarf *dwarf) {
    size_t size;
    uint32_t id_size;
    const char *error, *path = object_elf_path(dwarf->elf);

    if (dwarf->has_looked_for_other)
        return dwarf->other;
    dwarf->has_looked_for_other = true;
    const char *link = (const char *)object_elf_section(dwarf->elf, ".gnu_debugaltlink", &size, NULL);
    if (!link || !memchr(link, '\0', size) || !path)
        return NULL;
    const char *slash = strrchr(path, '/');
    if (link[0] != '/' && slash)
        path = arena_printf(dwarf->arena, "%.*s/%s", (int)(slash - path), path, link);
    else
        path = link;
    struct object_elf *elf = object_elf_open(path, &error);
    if (!elf)
        return NULL;
    size_t name_size = strlen(link) + 1;
    const uint8_t *id = object_elf_build_id(elf, &id_size);
    if (id && id_size == size - name_size && memcmp(id, link + name_size, id_size) == 0)
        dwarf->other = object_dwarf_open(dwarf->arena, elf, &error);
    if (!dwarf->other)
        object_elf_close(elf);
    else
        dwarf->other->has_looked_for_other = true; /* one step is enough */
    return dwarf->other;
}
