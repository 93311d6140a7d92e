/* DIEs: their attributes, and walking through them. */
#include "object/dwarf_int.h"

enum { MOST_ORIGINS = 8, MOST_INDIRECT = 4 };

/* ---- values -------------------------------------------------------------------------------------------------- */

/* Entry `index` of a table of offsets or addresses. */
static bool table_entry(const struct dwarf_unit *unit, enum dwarf_section section, uint64_t base, uint64_t index,
                        unsigned size, uint64_t *value) {
    uint64_t offset;

    if (__builtin_mul_overflow(index, size, &offset) || __builtin_add_overflow(offset, base, &offset))
        return false;
    struct dwarf_reader in = dwarf_reader(unit->dwarf, section, offset);
    if (in.is_bad)
        return false;
    *value = dwarf_number(&in, size);
    return !in.is_bad;
}

static const char *text_at(const struct object_dwarf *dwarf, enum dwarf_section section, uint64_t offset) {
    struct dwarf_reader in = dwarf_reader(dwarf, section, offset);

    if (in.is_bad)
        return NULL;
    const char *text = dwarf_text(&in);
    return in.is_bad ? NULL : text;
}

static void indexed_text(const struct dwarf_unit *unit, uint64_t index, struct dwarf_value *value) {
    uint64_t offset;

    if (table_entry(unit, DWARF_STR_OFFSETS, unit->str_offsets_base, index, unit->offset_size, &offset))
        value->text = text_at(unit->dwarf, DWARF_STR, offset);
}

static void indexed_address(const struct dwarf_unit *unit, uint64_t index, struct dwarf_value *value) {
    if (!table_entry(unit, DWARF_ADDR, unit->addr_base, index, unit->address_size, &value->number))
        value->number = 0;
}

static void block(struct dwarf_reader *in, uint64_t size, struct dwarf_value *value) {
    value->size = size;
    value->bytes = dwarf_bytes(in, size);
}

bool dwarf_read_value(const struct dwarf_unit *unit, struct dwarf_reader *in, uint16_t form, int64_t constant,
                      struct dwarf_value *value) {
    for (int i = 0; form == DW_FORM_indirect && i < MOST_INDIRECT; i++)
        form = (uint16_t)dwarf_uleb(in);
    *value = (struct dwarf_value){.form = form};
    switch (form) {
    case DW_FORM_flag_present:
        value->number = 1;
        break;
    case DW_FORM_implicit_const:
        value->number = (uint64_t)constant;
        break;
    case DW_FORM_addr:
        value->number = dwarf_number(in, unit->address_size);
        break;
    case DW_FORM_data1:
    case DW_FORM_flag:
    case DW_FORM_ref1:
        value->number = dwarf_number(in, 1);
        break;
    case DW_FORM_data2:
    case DW_FORM_ref2:
        value->number = dwarf_number(in, 2);
        break;
    case DW_FORM_data4:
    case DW_FORM_ref4:
    case DW_FORM_ref_sup4:
        value->number = dwarf_number(in, 4);
        break;
    case DW_FORM_data8:
    case DW_FORM_ref8:
    case DW_FORM_ref_sig8:
    case DW_FORM_ref_sup8:
        value->number = dwarf_number(in, 8);
        break;
    case DW_FORM_sdata:
        value->number = (uint64_t)dwarf_sleb(in);
        break;
    case DW_FORM_udata:
    case DW_FORM_ref_udata:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
        value->number = dwarf_uleb(in);
        break;
    case DW_FORM_ref_addr:
        value->number = dwarf_number(in, unit->version < 3 ? unit->address_size : unit->offset_size);
        break;
    case DW_FORM_sec_offset:
    case DW_FORM_GNU_ref_alt:
        value->number = dwarf_number(in, unit->offset_size);
        break;
    case DW_FORM_string:
        value->text = dwarf_text(in);
        break;
    case DW_FORM_strp:
        value->text = text_at(unit->dwarf, DWARF_STR, dwarf_number(in, unit->offset_size));
        break;
    case DW_FORM_line_strp:
        value->text = text_at(unit->dwarf, DWARF_LINE_STR, dwarf_number(in, unit->offset_size));
        break;
    case DW_FORM_strp_sup:
    case DW_FORM_GNU_strp_alt: {
        uint64_t offset = dwarf_number(in, unit->offset_size);
        const struct object_dwarf *other = dwarf_other(unit->dwarf);
        value->text = other ? text_at(other, DWARF_STR, offset) : NULL;
        break;
    }
    case DW_FORM_strx:
    case DW_FORM_GNU_str_index:
        indexed_text(unit, dwarf_uleb(in), value);
        break;
    case DW_FORM_strx1:
    case DW_FORM_strx2:
    case DW_FORM_strx3:
    case DW_FORM_strx4:
        indexed_text(unit, dwarf_number(in, form - DW_FORM_strx1 + 1u), value);
        break;
    case DW_FORM_addrx:
    case DW_FORM_GNU_addr_index:
        indexed_address(unit, dwarf_uleb(in), value);
        break;
    case DW_FORM_addrx1:
    case DW_FORM_addrx2:
    case DW_FORM_addrx3:
    case DW_FORM_addrx4:
        indexed_address(unit, dwarf_number(in, form - DW_FORM_addrx1 + 1u), value);
        break;
    case DW_FORM_block1:
        block(in, dwarf_number(in, 1), value);
        break;
    case DW_FORM_block2:
        block(in, dwarf_number(in, 2), value);
        break;
    case DW_FORM_block4:
        block(in, dwarf_number(in, 4), value);
        break;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        block(in, dwarf_uleb(in), value);
        break;
    case DW_FORM_data16:
        block(in, 16, value);
        break;
    default:
        in->is_bad = true; /* of unknown size: the rest of the unit can not be read */
    }
    return !in->is_bad;
}

/* ---- one DIE --------------------------------------------------------------------------------------------------- */

static struct dwarf_reader unit_reader(const struct dwarf_unit *unit, uint64_t offset) {
    const uint8_t *base = unit->dwarf->sections[unit->section].bytes;

    return (struct dwarf_reader){base + offset, base + unit->end, false};
}

static uint64_t offset_of(const struct dwarf_unit *unit, const uint8_t *at) {
    return (uint64_t)(at - unit->dwarf->sections[unit->section].bytes);
}

bool dwarf_die_at(struct dwarf_unit *unit, uint64_t offset, struct dwarf_die *die) {
    if (offset < unit->first || offset >= unit->end || !dwarf_unit_ready(unit))
        return false;
    struct dwarf_reader in = unit_reader(unit, offset);
    *die = (struct dwarf_die){.unit = unit, .offset = offset, .shape = dwarf_shape(unit, dwarf_uleb(&in))};
    die->attributes = in.at;
    return die->shape;
}

bool dwarf_root(struct dwarf_unit *unit, struct dwarf_die *die) { return dwarf_die_at(unit, unit->first, die); }

bool dwarf_attribute(const struct dwarf_die *die, uint16_t name, struct dwarf_value *value) {
    struct dwarf_reader in = unit_reader(die->unit, offset_of(die->unit, die->attributes));

    for (uint32_t i = 0; i < die->shape->count; i++) {
        const struct dwarf_attribute *attribute = &die->shape->attributes[i];
        if (!dwarf_read_value(die->unit, &in, attribute->form, attribute->constant, value))
            return false;
        if (attribute->name == name)
            return true;
    }
    return false;
}

static bool signature_unit(struct object_dwarf *dwarf, uint64_t signature, struct dwarf_die *target) {
    if (!dwarf->has_signatures) {
        dwarf->has_signatures = true;
        for (uint32_t i = 0; i < dwarf->unit_count; i++)
            if (dwarf->units[i].signature)
                hash_put_number(&dwarf->signatures, dwarf->units[i].signature, &dwarf->units[i]);
    }
    struct dwarf_unit *unit = hash_get_number(&dwarf->signatures, signature);
    return unit && dwarf_die_at(unit, unit->type_start, target);
}

static bool other_die(struct object_dwarf *dwarf, uint64_t offset, struct dwarf_die *target) {
    struct object_dwarf *other = dwarf_other(dwarf);
    struct dwarf_unit *unit = other ? dwarf_unit_at(other, DWARF_INFO, offset) : NULL;

    return unit && dwarf_die_at(unit, offset, target);
}

static bool follow(const struct dwarf_die *die, const struct dwarf_value *value, struct dwarf_die *target) {
    struct dwarf_unit *unit = die->unit;

    switch (value->form) {
    case DW_FORM_ref1:
    case DW_FORM_ref2:
    case DW_FORM_ref4:
    case DW_FORM_ref8:
    case DW_FORM_ref_udata:
        return value->number < unit->end - unit->start && dwarf_die_at(unit, unit->start + value->number, target);
    case DW_FORM_ref_addr:
        unit = dwarf_unit_at(unit->dwarf, DWARF_INFO, value->number);
        return unit && dwarf_die_at(unit, value->number, target);
    case DW_FORM_ref_sig8:
        return signature_unit(unit->dwarf, value->number, target);
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
        return other_die(unit->dwarf, value->number, target);
    default:
        return false;
    }
}

bool dwarf_reference(const struct dwarf_die *die, uint16_t name, struct dwarf_die *target) {
    struct dwarf_value value;

    return dwarf_attribute(die, name, &value) && follow(die, &value, target);
}

bool dwarf_attribute_deep(const struct dwarf_die *die, uint16_t name, struct dwarf_value *value) {
    struct dwarf_die at = *die, origin;

    for (int i = 0; i < MOST_ORIGINS; i++) {
        if (dwarf_attribute(&at, name, value))
            return true;
        if (!dwarf_reference(&at, DW_AT_abstract_origin, &origin) &&
            !dwarf_reference(&at, DW_AT_specification, &origin))
            return false;
        at = origin;
    }
    return false;
}

const char *dwarf_name(const struct dwarf_die *die) {
    struct dwarf_value value;

    return dwarf_attribute_deep(die, DW_AT_name, &value) && value.text && *value.text ? value.text : NULL;
}

bool dwarf_flag(const struct dwarf_die *die, uint16_t name) {
    struct dwarf_value value;

    return dwarf_attribute(die, name, &value) && value.number;
}

bool dwarf_constant(const struct dwarf_die *die, uint16_t name, uint64_t *number) {
    struct dwarf_value value;

    if (!dwarf_attribute(die, name, &value) || value.bytes || value.text)
        return false;
    *number = value.number;
    return true;
}

/* ---- walking --------------------------------------------------------------------------------------------------- */

/* Steps over a value without looking at it. */
static void step_over(const struct dwarf_unit *unit, struct dwarf_reader *in, const struct dwarf_attribute *attribute) {
    struct dwarf_value value;

    switch (attribute->form) {
    case DW_FORM_udata:
    case DW_FORM_sdata:
    case DW_FORM_ref_udata:
    case DW_FORM_strx:
    case DW_FORM_addrx:
    case DW_FORM_loclistx:
    case DW_FORM_rnglistx:
        dwarf_uleb(in);
        break;
    case DW_FORM_exprloc:
    case DW_FORM_block:
        dwarf_bytes(in, dwarf_uleb(in));
        break;
    case DW_FORM_block1:
        dwarf_bytes(in, dwarf_number(in, 1));
        break;
    default:
        dwarf_read_value(unit, in, attribute->form, attribute->constant, &value);
    }
}

static const uint8_t *end_of_attributes(const struct dwarf_die *die, uint64_t *sibling) {
    struct dwarf_reader in = unit_reader(die->unit, offset_of(die->unit, die->attributes));

    *sibling = 0;
    if (die->shape->fixed_size != UINT32_MAX && !die->shape->has_children) {
        dwarf_bytes(&in, die->shape->fixed_size);
        return in.at;
    }
    for (uint32_t i = 0; i < die->shape->count && !in.is_bad; i++) {
        const struct dwarf_attribute *attribute = &die->shape->attributes[i];
        if (attribute->name == DW_AT_sibling && attribute->size <= 8)
            *sibling = dwarf_number(&in, attribute->size);
        else if (attribute->size != DWARF_SIZE_VARIES)
            dwarf_bytes(&in, attribute->size);
        else
            step_over(die->unit, &in, attribute);
    }
    return in.is_bad ? in.end : in.at;
}

struct dwarf_walk dwarf_children(const struct dwarf_die *die) {
    struct dwarf_walk walk = {.unit = die->unit};

    walk.in = unit_reader(die->unit, offset_of(die->unit, end_of_attributes(die, &walk.sibling)));
    if (!die->shape->has_children)
        walk.in.at = walk.in.end;
    return walk;
}

bool dwarf_next(struct dwarf_walk *walk, struct dwarf_die *die) {
    while (walk->in.at < walk->in.end && !walk->in.is_bad) {
        uint64_t offset = offset_of(walk->unit, walk->in.at), number = dwarf_uleb(&walk->in);
        if (number == 0) {
            if (walk->depth-- == 0)
                break;
            continue;
        }
        *die = (struct dwarf_die){walk->unit, offset, dwarf_shape(walk->unit, number), walk->in.at};
        if (!die->shape)
            break;
        walk->in.at = end_of_attributes(die, &walk->sibling);
        walk->depth += die->shape->has_children;
        return true;
    }
    walk->in.at = walk->in.end;
    return false;
}

/* To where DW_AT_sibling says that the children of the DIE just given end. Only forwards, so that every walk ends. */
static bool jump(struct dwarf_walk *walk, const struct dwarf_die *die) {
    uint64_t size = die->unit->end - die->unit->start;

    if (walk->sibling >= size || die->unit->start + walk->sibling <= offset_of(walk->unit, walk->in.at))
        return false;
    walk->in = unit_reader(die->unit, die->unit->start + walk->sibling);
    walk->depth--;
    return true;
}

void dwarf_skip(struct dwarf_walk *walk, const struct dwarf_die *die) {
    struct dwarf_die inner = {0};
    int depth = walk->depth - 1;

    if (!die->shape->has_children || jump(walk, die))
        return;
    while (walk->depth > depth && walk->in.at < walk->in.end && !walk->in.is_bad) {
        if (*walk->in.at == 0) { /* the end of a level: one at a time, so as not to leave too many */
            walk->in.at++;
            walk->depth--;
        } else if (dwarf_next(walk, &inner) && inner.shape->has_children) {
            jump(walk, &inner);
        }
    }
}

bool dwarf_next_child(struct dwarf_walk *walk, struct dwarf_die *die) {
    if (walk->depth > 0) /* inside of the one given before */
        dwarf_skip(walk, die);
    return dwarf_next(walk, die);
}
