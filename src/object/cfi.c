/* Programs of call frame information: from instructions to rows. */
#include "object/eh_frame_int.h"

/* DWARF 5, table 7.29. */
enum {
    DW_CFA_nop = 0x00,
    DW_CFA_set_loc = 0x01,
    DW_CFA_advance_loc1 = 0x02,
    DW_CFA_advance_loc2 = 0x03,
    DW_CFA_advance_loc4 = 0x04,
    DW_CFA_offset_extended = 0x05,
    DW_CFA_restore_extended = 0x06,
    DW_CFA_undefined = 0x07,
    DW_CFA_same_value = 0x08,
    DW_CFA_register = 0x09,
    DW_CFA_remember_state = 0x0a,
    DW_CFA_restore_state = 0x0b,
    DW_CFA_def_cfa = 0x0c,
    DW_CFA_def_cfa_register = 0x0d,
    DW_CFA_def_cfa_offset = 0x0e,
    DW_CFA_def_cfa_expression = 0x0f,
    DW_CFA_expression = 0x10,
    DW_CFA_offset_extended_sf = 0x11,
    DW_CFA_def_cfa_sf = 0x12,
    DW_CFA_def_cfa_offset_sf = 0x13,
    DW_CFA_val_offset = 0x14,
    DW_CFA_val_offset_sf = 0x15,
    DW_CFA_val_expression = 0x16,
    DW_CFA_GNU_args_size = 0x2e,
    DW_CFA_GNU_negative_offset_extended = 0x2f,
    /* with an operand in the low 6 bits */
    DW_CFA_advance_loc = 0x40,
    DW_CFA_offset = 0x80,
    DW_CFA_restore = 0xc0,
};

enum { STATES_MOST = 16 }; /* remembered at a time; compilers nest them 1 or 2 deep */

struct run {
    const struct object_eh_frame *frames;
    const struct frame_common *common;
    struct dwarf_reader in;
    struct object_cfi_row row;
    uint64_t end; /* of the function; the row's end follows as it is given out */
    bool (*callback)(void *context, const struct object_cfi_row *row);
    void *context;
    bool is_stopped;
    uint32_t state_count;
    struct object_cfi_row states[STATES_MOST];
};

static void set(struct run *run, uint64_t number, enum object_cfi_kind kind, int64_t offset) {
    if (number < OBJECT_CFI_REGISTERS)
        run->row.registers[number] = (struct object_cfi_place){.offset = offset, .kind = kind};
}

static void set_expression(struct run *run, uint64_t number, enum object_cfi_kind kind) {
    uint64_t size = dwarf_uleb(&run->in);
    const uint8_t *bytes = dwarf_bytes(&run->in, size);

    if (bytes && number < OBJECT_CFI_REGISTERS)
        run->row.registers[number] = (struct object_cfi_place){.bytes = bytes, .size = (uint32_t)size, .kind = kind};
}

static void restore(struct run *run, uint64_t number) {
    if (!run->common->initial)
        run->in.is_bad = true;
    else if (number < OBJECT_CFI_REGISTERS)
        run->row.registers[number] = run->common->initial->registers[number];
}

static int64_t factored(const struct run *run, uint64_t offset) {
    return (int64_t)(offset * (uint64_t)run->common->data_align);
}

/* What was said so far holds up to `address`. */
static void move_to(struct run *run, uint64_t address) {
    if (!run->callback || address < run->row.start) /* in a common entry, or backwards */
        run->in.is_bad = true;
    if (run->in.is_bad || address == run->row.start)
        return;
    run->row.end = address < run->end ? address : run->end;
    if (run->row.start < run->row.end)
        run->is_stopped = !run->callback(run->context, &run->row);
    run->row.start = address;
    run->is_stopped |= address >= run->end;
}

static void advance(struct run *run, uint64_t delta) {
    uint64_t distance;

    if (__builtin_mul_overflow(delta, run->common->code_align, &distance) || distance > run->end - run->row.start)
        distance = run->end - run->row.start;
    move_to(run, run->row.start + distance);
}

static void set_location(struct run *run) {
    uint64_t address;

    if (frame_pointer(&run->frames->base, &run->in, run->common->encoding, 0, &address))
        move_to(run, address);
    else
        run->in.is_bad = true;
}

static void remember(struct run *run) {
    if (run->state_count == STATES_MOST)
        run->in.is_bad = true;
    else
        run->states[run->state_count++] = run->row;
}

static void recall(struct run *run) {
    uint64_t start = run->row.start;

    if (run->state_count == 0) {
        run->in.is_bad = true;
        return;
    }
    run->row = run->states[--run->state_count];
    run->row.start = start;
}

static void define_cfa(struct run *run, uint64_t number, int64_t offset) {
    run->row.cfa.size = 0;
    run->row.cfa_register = number < OBJECT_CFI_REGISTERS ? (uint32_t)number : UINT32_MAX;
    run->row.cfa_offset = offset;
}

static void define_cfa_expression(struct run *run) {
    uint64_t size = dwarf_uleb(&run->in);

    run->row.cfa = (struct object_expression){dwarf_bytes(&run->in, size), (uint32_t)size};
    run->row.cfa_register = UINT32_MAX;
}

/* Only the part that is said changes; there must be a whole. */
static void change_cfa(struct run *run, uint64_t number, int64_t offset) {
    if (run->row.cfa.size)
        run->in.is_bad = true;
    define_cfa(run, number, offset);
}

static void do_cfa(struct run *run, uint8_t operation) {
    struct dwarf_reader *in = &run->in;
    uint64_t number;

    switch (operation) {
    case DW_CFA_def_cfa:
        number = dwarf_uleb(in);
        define_cfa(run, number, (int64_t)dwarf_uleb(in));
        break;
    case DW_CFA_def_cfa_sf:
        number = dwarf_uleb(in);
        define_cfa(run, number, factored(run, (uint64_t)dwarf_sleb(in)));
        break;
    case DW_CFA_def_cfa_register:
        change_cfa(run, dwarf_uleb(in), run->row.cfa_offset);
        break;
    case DW_CFA_def_cfa_offset:
        change_cfa(run, run->row.cfa_register, (int64_t)dwarf_uleb(in));
        break;
    case DW_CFA_def_cfa_offset_sf:
        change_cfa(run, run->row.cfa_register, factored(run, (uint64_t)dwarf_sleb(in)));
        break;
    default:
        define_cfa_expression(run);
    }
}

/* Rules of a register, whose number comes first. */
static void do_register(struct run *run, uint8_t operation) {
    struct dwarf_reader *in = &run->in;
    uint64_t number = dwarf_uleb(in);

    switch (operation) {
    case DW_CFA_offset_extended:
        set(run, number, OBJECT_CFI_AT_CFA, factored(run, dwarf_uleb(in)));
        break;
    case DW_CFA_offset_extended_sf:
        set(run, number, OBJECT_CFI_AT_CFA, factored(run, (uint64_t)dwarf_sleb(in)));
        break;
    case DW_CFA_GNU_negative_offset_extended:
        set(run, number, OBJECT_CFI_AT_CFA, factored(run, -dwarf_uleb(in)));
        break;
    case DW_CFA_val_offset:
        set(run, number, OBJECT_CFI_CFA_PLUS, factored(run, dwarf_uleb(in)));
        break;
    case DW_CFA_val_offset_sf:
        set(run, number, OBJECT_CFI_CFA_PLUS, factored(run, (uint64_t)dwarf_sleb(in)));
        break;
    case DW_CFA_restore_extended:
        restore(run, number);
        break;
    case DW_CFA_undefined:
        set(run, number, OBJECT_CFI_UNDEFINED, 0);
        break;
    case DW_CFA_same_value:
        set(run, number, OBJECT_CFI_SAME, 0);
        break;
    case DW_CFA_register:
        set(run, number, OBJECT_CFI_REGISTER, (int64_t)dwarf_uleb(in));
        break;
    case DW_CFA_expression:
        set_expression(run, number, OBJECT_CFI_EXPRESSION);
        break;
    default:
        set_expression(run, number, OBJECT_CFI_VALUE_EXPRESSION);
    }
}

static void do_extended(struct run *run, uint8_t operation) {
    switch (operation) {
    case DW_CFA_nop:
        break;
    case DW_CFA_set_loc:
        set_location(run);
        break;
    case DW_CFA_advance_loc1:
        advance(run, dwarf_number(&run->in, 1));
        break;
    case DW_CFA_advance_loc2:
        advance(run, dwarf_number(&run->in, 2));
        break;
    case DW_CFA_advance_loc4:
        advance(run, dwarf_number(&run->in, 4));
        break;
    case DW_CFA_remember_state:
        remember(run);
        break;
    case DW_CFA_restore_state:
        recall(run);
        break;
    case DW_CFA_GNU_args_size:
        dwarf_uleb(&run->in);
        break;
    case DW_CFA_def_cfa ... DW_CFA_def_cfa_expression:
    case DW_CFA_def_cfa_sf:
    case DW_CFA_def_cfa_offset_sf:
        do_cfa(run, operation);
        break;
    case DW_CFA_offset_extended ... DW_CFA_register:
    case DW_CFA_expression:
    case DW_CFA_offset_extended_sf:
    case DW_CFA_val_offset ... DW_CFA_val_expression:
    case DW_CFA_GNU_negative_offset_extended:
        do_register(run, operation);
        break;
    default: /* its size is not known, so neither is what follows */
        run->in.is_bad = true;
    }
}

static bool execute(struct run *run, uint32_t program, uint32_t size) {
    const uint8_t *bytes = run->frames->base.bytes + program;

    run->in = (struct dwarf_reader){bytes, bytes + size, false};
    while (run->in.at < run->in.end && !run->in.is_bad && !run->is_stopped) {
        uint8_t operation = *run->in.at++, operand = operation & 0x3f;
        switch (operation & 0xc0) {
        case DW_CFA_advance_loc:
            advance(run, operand);
            break;
        case DW_CFA_offset:
            set(run, operand, OBJECT_CFI_AT_CFA, factored(run, dwarf_uleb(&run->in)));
            break;
        case DW_CFA_restore:
            restore(run, operand);
            break;
        default:
            do_extended(run, operation);
        }
    }
    return !run->in.is_bad;
}

bool frame_run_common(const struct object_eh_frame *frames, struct frame_common *common) {
    struct run run;

    run.frames = frames;
    run.common = common;
    run.callback = NULL;
    run.is_stopped = false;
    run.state_count = 0;
    run.end = 0;
    memset(&run.row, 0, sizeof run.row);
    run.row.cfa_register = UINT32_MAX;
    run.row.return_register = common->return_register;
    run.row.is_signal = common->is_signal;
    if (!execute(&run, common->program, common->program_size))
        return false;
    *common->initial = run.row;
    return true;
}

bool object_eh_frame_rows(const struct object_eh_frame *frames, const struct object_fde *fde,
                          bool (*callback)(void *context, const struct object_cfi_row *row), void *context) {
    struct run run;

    run.frames = frames;
    run.common = &frames->commons[fde->common];
    run.callback = callback;
    run.context = context;
    run.is_stopped = false;
    run.state_count = 0;
    run.row = *run.common->initial;
    run.row.start = fde->start;
    run.end = fde->start + fde->size;
    if (!execute(&run, fde->program, fde->program_size))
        return false;
    if (!run.is_stopped)
        move_to(&run, run.end);
    return true;
}

struct search {
    uint64_t address;
    struct object_cfi_row *row;
    bool is_found;
};

static bool look(void *context, const struct object_cfi_row *row) {
    struct search *search = context;

    if (search->address >= row->end)
        return true;
    *search->row = *row;
    search->is_found = true;
    return false;
}

bool object_eh_frame_row_at(const struct object_eh_frame *frames, uint64_t address, struct object_cfi_row *row) {
    struct search search = {address, row, false};
    const struct object_fde *fde = object_eh_frame_find(frames, address);

    if (fde)
        object_eh_frame_rows(frames, fde, look, &search);
    return search.is_found;
}
