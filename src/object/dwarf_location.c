/* Location descriptions (expressions, and lists of them by address) and lists of ranges. */
#include "object/dwarf_int.h"

#include <elf.h>

enum { MOST_OPERATIONS = 64, MOST_STACK = 8, MOST_ENTRIES = 1 << 16 };

static struct location nowhere(const char *reason) {
    return (struct location){.kind = LOCATION_NOWHERE, .reason = reason};
}

/* ---- expressions --------------------------------------------------------------------------------------------- */

/* What an expression computes, as far as it is a register plus a number. */
struct term {
    int base; /* register, or -1 */
    int64_t number;
};

struct machine {
    const struct dwarf_unit *unit;
    struct dwarf_reader in;
    struct term stack[MOST_STACK];
    unsigned depth;
    bool is_entry; /* the stack is as the caller left it */
    struct location result;
    bool is_done, has_failed;
};

static void push(struct machine *m, int base, int64_t number) {
    if (m->depth == MOST_STACK)
        m->has_failed = true;
    else
        m->stack[m->depth++] = (struct term){base, number};
}

/* At a function's first instruction: above the return address, which aarch64 keeps in a register. */
static void push_frame(struct machine *m, int64_t offset) {
    bool is_arm = object_elf_machine(m->unit->dwarf->elf) == EM_AARCH64;

    if (!m->is_entry)
        m->has_failed = true;
    push(m, is_arm ? 31 : 7, offset + (is_arm ? 0 : 8));
}

/* One register, or two that hold 8 bytes each. */
static void add_register(struct machine *m, uint64_t number) {
    if (number > UINT8_MAX || m->result.count == 2 || m->depth) {
        m->has_failed = true;
        return;
    }
    m->result.kind = LOCATION_REGISTERS;
    m->result.registers[m->result.count++] = (uint8_t)number;
    if (m->in.at < m->in.end) {
        m->has_failed |= dwarf_number(&m->in, 1) != DW_OP_piece || dwarf_uleb(&m->in) != 8;
        m->is_done = m->in.at == m->in.end;
    } else {
        m->is_done = true;
    }
}

static void add_top(struct machine *m) {
    if (m->depth < 2 || (m->stack[m->depth - 1].base >= 0 && m->stack[m->depth - 2].base >= 0)) {
        m->has_failed = true;
        return;
    }
    struct term top = m->stack[--m->depth], *below = &m->stack[m->depth - 1];
    below->base = below->base >= 0 ? below->base : top.base;
    below->number = (int64_t)((uint64_t)below->number + (uint64_t)top.number);
}

static void implicit_value(struct machine *m) {
    uint64_t size = dwarf_uleb(&m->in);

    if (size > 8 || m->depth) {
        m->has_failed = true;
        return;
    }
    m->result = (struct location){.kind = LOCATION_CONSTANT, .number = (int64_t)dwarf_number(&m->in, (unsigned)size)};
    m->is_done = true;
}

/* "what the register held when the function was entered": known where it is entered. */
static void entry_value(struct machine *m) {
    uint64_t size = dwarf_uleb(&m->in);
    const uint8_t *bytes = dwarf_bytes(&m->in, size);

    if (!bytes || size != 1 || bytes[0] < DW_OP_reg0 || bytes[0] > DW_OP_reg31 || !m->is_entry)
        m->has_failed = true;
    else
        push(m, bytes[0] - DW_OP_reg0, 0);
}

static void stack_value(struct machine *m) {
    if (m->depth != 1 || m->in.at != m->in.end) {
        m->has_failed = true;
        return;
    }
    const struct term *top = &m->stack[0];
    m->result = (struct location){.kind = top->base < 0 ? LOCATION_CONSTANT : LOCATION_VALUE,
                                  .count = 1,
                                  .registers = {(uint8_t)(top->base < 0 ? 0 : top->base)},
                                  .number = top->number};
    m->is_done = true;
}

static void operate(struct machine *m) {
    unsigned op = (unsigned)dwarf_number(&m->in, 1);

    if (op >= DW_OP_reg0 && op <= DW_OP_reg31) {
        add_register(m, op - DW_OP_reg0);
    } else if (op >= DW_OP_breg0 && op <= DW_OP_breg31) {
        push(m, (int)(op - DW_OP_breg0), dwarf_sleb(&m->in));
    } else if (op >= DW_OP_lit0 && op <= DW_OP_lit31) {
        push(m, -1, op - DW_OP_lit0);
    } else if (op >= DW_OP_const1u && op <= DW_OP_const8s) {
        unsigned size = 1u << (op - DW_OP_const1u) / 2;
        uint64_t number = dwarf_number(&m->in, size);
        if ((op - DW_OP_const1u) & 1 && size < 8) /* signed */
            number = (uint64_t)((int64_t)(number << (64 - 8 * size)) >> (64 - 8 * size));
        push(m, -1, (int64_t)number);
    } else {
        switch (op) {
        case DW_OP_regx:
            add_register(m, dwarf_uleb(&m->in));
            break;
        case DW_OP_constu:
            push(m, -1, (int64_t)dwarf_uleb(&m->in));
            break;
        case DW_OP_consts:
            push(m, -1, dwarf_sleb(&m->in));
            break;
        case DW_OP_bregx: {
            uint64_t number = dwarf_uleb(&m->in);
            m->has_failed |= number > UINT8_MAX;
            push(m, (int)(number & UINT8_MAX), dwarf_sleb(&m->in));
            break;
        }
        case DW_OP_fbreg:
            push_frame(m, dwarf_sleb(&m->in));
            break;
        case DW_OP_call_frame_cfa:
            push_frame(m, 0);
            break;
        case DW_OP_plus_uconst:
            push(m, -1, (int64_t)dwarf_uleb(&m->in));
            add_top(m);
            break;
        case DW_OP_plus:
            add_top(m);
            break;
        case DW_OP_nop:
            break;
        case DW_OP_implicit_value:
            implicit_value(m);
            break;
        case DW_OP_entry_value:
        case DW_OP_GNU_entry_value:
            entry_value(m);
            break;
        case DW_OP_stack_value:
            stack_value(m);
            break;
        default:
            m->has_failed = true;
        }
    }
}

static struct location evaluate(const struct dwarf_unit *unit, const uint8_t *bytes, uint64_t size, bool is_entry) {
    struct machine m = {.unit = unit, .in = {bytes, bytes + size, false}, .is_entry = is_entry};

    if (size == 0)
        return nowhere("the compiler did not keep it");
    for (int i = 0; i < MOST_OPERATIONS && m.in.at < m.in.end && !m.is_done && !m.has_failed; i++)
        operate(&m);
    if (m.has_failed || m.in.is_bad || (m.is_done && m.in.at < m.in.end))
        return nowhere("its debug information computes it in a way that tarsier does not follow");
    if (m.is_done)
        return m.result;
    if (m.depth != 1 || m.stack[0].base < 0)
        return nowhere("it lies at a fixed address");
    return (struct location){
        .kind = LOCATION_MEMORY, .count = 1, .registers = {(uint8_t)m.stack[0].base}, .number = m.stack[0].number};
}

/* ---- lists of locations ---------------------------------------------------------------------------------------- */

static uint64_t indexed(const struct dwarf_unit *unit, uint64_t index) {
    uint64_t offset;

    if (__builtin_mul_overflow(index, unit->address_size, &offset) ||
        __builtin_add_overflow(offset, unit->addr_base, &offset))
        return 0;
    struct dwarf_reader in = dwarf_reader(unit->dwarf, DWARF_ADDR, offset);
    return in.is_bad ? 0 : dwarf_number(&in, unit->address_size);
}

/* An entry of a list of DWARF 5, of ranges or locations; both count alike, with one kind more for locations. */
struct entry {
    uint64_t begin, end;
    bool is_range, is_end, is_default;
};

static struct entry read_entry(const struct dwarf_unit *unit, struct dwarf_reader *in, bool is_location,
                               uint64_t *base) {
    unsigned kind = (unsigned)dwarf_number(in, 1);
    struct entry entry = {.is_end = in->is_bad || kind == DW_RLE_end_of_list, .is_range = true};

    if (is_location && kind == DW_LLE_default_location)
        return (struct entry){.is_default = true, .is_range = true};
    if (is_location && kind > DW_LLE_default_location && kind <= DW_LLE_start_length)
        kind--;
    else if (is_location && kind == DW_LLE_view_pair) {
        dwarf_uleb(in);
        dwarf_uleb(in);
        return (struct entry){0};
    }
    switch (kind) {
    case DW_RLE_base_addressx:
        *base = indexed(unit, dwarf_uleb(in));
        entry.is_range = false;
        break;
    case DW_RLE_startx_endx:
        entry.begin = indexed(unit, dwarf_uleb(in));
        entry.end = indexed(unit, dwarf_uleb(in));
        break;
    case DW_RLE_startx_length:
        entry.begin = indexed(unit, dwarf_uleb(in));
        entry.end = entry.begin + dwarf_uleb(in);
        break;
    case DW_RLE_offset_pair:
        entry.begin = *base + dwarf_uleb(in);
        entry.end = *base + dwarf_uleb(in);
        break;
    case DW_RLE_base_address:
        *base = dwarf_number(in, unit->address_size);
        entry.is_range = false;
        break;
    case DW_RLE_start_end:
        entry.begin = dwarf_number(in, unit->address_size);
        entry.end = dwarf_number(in, unit->address_size);
        break;
    case DW_RLE_start_length:
        entry.begin = dwarf_number(in, unit->address_size);
        entry.end = entry.begin + dwarf_uleb(in);
        break;
    default:
        entry.is_end = true;
    }
    entry.is_end |= in->is_bad;
    return entry;
}

/* An entry of the lists before DWARF 5: two addresses from the base; the highest address sets a new base. */
static struct entry read_old_entry(const struct dwarf_unit *unit, struct dwarf_reader *in, uint64_t *base) {
    uint64_t highest = unit->address_size == 8 ? UINT64_MAX : UINT32_MAX;
    uint64_t begin = dwarf_number(in, unit->address_size), end = dwarf_number(in, unit->address_size);

    if (in->is_bad || (begin == 0 && end == 0))
        return (struct entry){.is_end = true};
    if (begin == highest) {
        *base = end;
        return (struct entry){0};
    }
    return (struct entry){.begin = *base + begin, .end = *base + end, .is_range = true};
}

/* Where a list begins that is given by its number in a table. */
static bool list_offset(const struct dwarf_unit *unit, enum dwarf_section section, uint64_t base, uint64_t index,
                        uint64_t *offset) {
    uint64_t at;

    if (__builtin_mul_overflow(index, unit->offset_size, &at) || __builtin_add_overflow(at, base, &at))
        return false;
    struct dwarf_reader in = dwarf_reader(unit->dwarf, section, at);
    *offset = base + (in.is_bad ? 0 : dwarf_number(&in, unit->offset_size));
    return !in.is_bad;
}

static struct location locate_in_list(const struct dwarf_unit *unit, uint64_t offset, uint64_t address, bool is_entry) {
    bool is_new = unit->version >= 5;
    struct dwarf_reader in = dwarf_reader(unit->dwarf, is_new ? DWARF_LOCLISTS : DWARF_LOC, offset);
    uint64_t base = unit->low_address;

    for (int i = 0; i < MOST_ENTRIES && !in.is_bad; i++) {
        struct entry entry = is_new ? read_entry(unit, &in, true, &base) : read_old_entry(unit, &in, &base);
        if (entry.is_end)
            break;
        if (!entry.is_range)
            continue;
        uint64_t size = is_new ? dwarf_uleb(&in) : dwarf_number(&in, 2);
        const uint8_t *bytes = dwarf_bytes(&in, size);
        if (bytes && (entry.is_default || (address >= entry.begin && address < entry.end)))
            return evaluate(unit, bytes, size, is_entry);
    }
    return nowhere("the compiler did not keep it here");
}

struct location dwarf_locate(const struct dwarf_die *variable, uint64_t address, bool is_entry) {
    struct dwarf_unit *unit = variable->unit;
    struct dwarf_value value;

    if (dwarf_attribute(variable, DW_AT_const_value, &value)) {
        struct dwarf_reader in = {value.bytes, value.bytes + value.size, false};
        if (value.text || value.size > 8)
            return nowhere("it is a constant of the program");
        int64_t number = (int64_t)(value.bytes ? dwarf_number(&in, (unsigned)value.size) : value.number);
        return (struct location){.kind = LOCATION_CONSTANT, .number = number};
    }
    if (!dwarf_attribute(variable, DW_AT_location, &value))
        return nowhere("the compiler did not keep it");
    if (value.bytes)
        return evaluate(unit, value.bytes, value.size, is_entry);
    if (value.form == DW_FORM_loclistx &&
        !list_offset(unit, DWARF_LOCLISTS, unit->loclists_base, value.number, &value.number))
        return nowhere("its debug information is damaged");
    return locate_in_list(unit, value.number, address, is_entry);
}

/* ---- ranges -------------------------------------------------------------------------------------------------- */

static bool low_and_high(const struct dwarf_die *die, struct dwarf_range *range) {
    struct dwarf_value high;

    if (!dwarf_constant(die, DW_AT_low_pc, &range->begin) || !dwarf_attribute(die, DW_AT_high_pc, &high))
        return false;
    bool is_address = high.form == DW_FORM_addr || high.form == DW_FORM_addrx || high.form == DW_FORM_GNU_addr_index ||
                      (high.form >= DW_FORM_addrx1 && high.form <= DW_FORM_addrx4);
    range->end = is_address ? high.number : range->begin + high.number;
    return range->end > range->begin;
}

bool dwarf_each_range(const struct dwarf_die *die, bool (*callback)(void *context, struct dwarf_range range),
                      void *context) {
    struct dwarf_unit *unit = die->unit;
    bool is_new = unit->version >= 5;
    struct dwarf_range range;
    struct dwarf_value value;

    if (low_and_high(die, &range))
        return callback(context, range);
    if (!dwarf_attribute(die, DW_AT_ranges, &value) ||
        (value.form == DW_FORM_rnglistx &&
         !list_offset(unit, DWARF_RNGLISTS, unit->rnglists_base, value.number, &value.number)))
        return false;
    struct dwarf_reader in = dwarf_reader(unit->dwarf, is_new ? DWARF_RNGLISTS : DWARF_RANGES, value.number);
    uint64_t base = unit->low_address;
    for (int i = 0; i < MOST_ENTRIES && !in.is_bad; i++) {
        struct entry entry = is_new ? read_entry(unit, &in, false, &base) : read_old_entry(unit, &in, &base);
        if (entry.is_end)
            break;
        if (entry.is_range && entry.end > entry.begin &&
            callback(context, (struct dwarf_range){entry.begin, entry.end}))
            return true;
    }
    return false;
}

static bool take_first(void *context, struct dwarf_range range) {
    *(uint64_t *)context = range.begin;
    return true;
}

bool dwarf_entry(const struct dwarf_die *die, uint64_t *address) {
    struct dwarf_value entry;
    uint64_t first;
    bool has_range = dwarf_each_range(die, take_first, &first) || dwarf_constant(die, DW_AT_low_pc, &first);

    if (!dwarf_attribute(die, DW_AT_entry_pc, &entry) || entry.bytes) {
        *address = first;
        return has_range;
    }
    bool is_address = entry.form == DW_FORM_addr || entry.form == DW_FORM_addrx ||
                      (entry.form >= DW_FORM_addrx1 && entry.form <= DW_FORM_addrx4);
    *address = is_address ? entry.number : first + entry.number;
    return is_address || has_range;
}
