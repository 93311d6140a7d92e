#include "unwind/walk.h"

#include <string.h>

int unwind_memory_read(const void *memory, void *into, uint32_t size, uint64_t address) {
    const struct unwind_world *world = memory;
    return !world->read(world->context, address, into, size);
}

/* ---- bytecode ------------------------------------------------------------------------------------------------ */

/* What a function has to give back to its caller (System V ABI, figure 3.4). */
static bool is_preserved(uint32_t number) {
    return number == UNWIND_RBX || number == UNWIND_RBP || (number >= UNWIND_R12 && number <= UNWIND_R15);
}

static bool cfa_of(const struct object_cfi_row *row, const struct object_machine *machine, uint64_t *cfa,
                   bool *is_memory) {
    if (row->cfa.size)
        return object_expression_evaluate(row->cfa, machine, NULL, cfa, is_memory);
    if (row->cfa_register >= OBJECT_CFI_REGISTERS || !(machine->known >> row->cfa_register & 1))
        return false;
    *cfa = machine->registers[row->cfa_register] + (uint64_t)row->cfa_offset;
    return true;
}

/* The caller's value of a register. False: not known. */
static bool value_of(const struct object_cfi_row *row, uint32_t number, const struct object_machine *machine,
                     uint64_t cfa, uint64_t *value, bool *is_memory) {
    const struct object_cfi_place *place = &row->registers[number];
    uint64_t address = cfa + (uint64_t)place->offset;
    uint32_t from = number;

    switch (place->kind) {
    case OBJECT_CFI_UNSAID:
        *value = number == UNWIND_RSP ? cfa : machine->registers[number];
        return number == UNWIND_RSP || (is_preserved(number) && machine->known >> number & 1);
    case OBJECT_CFI_CFA_PLUS:
        *value = address;
        return true;
    case OBJECT_CFI_REGISTER:
        from = place->offset >= 0 && place->offset < OBJECT_CFI_REGISTERS ? (uint32_t)place->offset : UINT32_MAX;
        /* fall through */
    case OBJECT_CFI_SAME:
        if (from == UINT32_MAX || !(machine->known >> from & 1))
            return false;
        *value = machine->registers[from];
        return true;
    case OBJECT_CFI_EXPRESSION:
    case OBJECT_CFI_VALUE_EXPRESSION:
        if (!object_expression_evaluate((struct object_expression){place->bytes, place->size}, machine, &cfa, &address,
                                        is_memory))
            return false;
        *value = address;
        if (place->kind == OBJECT_CFI_VALUE_EXPRESSION)
            return true;
        /* fall through */
    case OBJECT_CFI_AT_CFA:
        *is_memory = !machine->read(machine->context, address, value, sizeof *value);
        return !*is_memory;
    default:
        return false;
    }
}

/* To the caller by a row of the bytecode. */
static int step_by_row(const struct object_cfi_row *row, struct object_machine *machine, uint64_t *flags) {
    struct object_machine caller = *machine;
    uint64_t cfa;
    bool is_memory = false;
    uint32_t ra = row->return_register;

    if (row->registers[ra].kind == OBJECT_CFI_UNDEFINED)
        return PROFILE_COMPLETE;
    if (!cfa_of(row, machine, &cfa, &is_memory))
        return is_memory ? PROFILE_CUT_MEMORY : PROFILE_CUT_RULE;
    caller.known = 0;
    for (uint32_t i = 0; i < OBJECT_CFI_REGISTERS; i++) {
        is_memory = false;
        if (value_of(row, i, machine, cfa, &caller.registers[i], &is_memory))
            caller.known |= 1u << i;
        else if (i == ra || i == UNWIND_RSP)
            return is_memory ? PROFILE_CUT_MEMORY : PROFILE_CUT_RULE;
    }
    uint64_t pc = caller.registers[ra];
    if (pc == 0)
        return PROFILE_COMPLETE;
    if (pc == machine->registers[UNWIND_REGISTERS] && caller.registers[UNWIND_RSP] == machine->registers[UNWIND_RSP])
        return PROFILE_CUT_RULE;
    caller.registers[UNWIND_REGISTERS] = pc;
    caller.known |= 1u << UNWIND_REGISTERS;
    *machine = caller;
    *flags = row->is_signal ? UNWIND_EXACT : 0;
    return UNWIND_WENT;
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

struct walk {
    const struct unwind_world *world;
    struct unwind_registers registers; /* of the frame; in a walk by bytecode kept in step with */
    struct object_machine machine;
    bool by_bytecode;
};

static void to_machine(struct walk *walk) {
    const struct unwind_registers *registers = &walk->registers;

    walk->machine.known = 1u << UNWIND_REGISTERS | 1u << UNWIND_RSP | 1u << UNWIND_RBP;
    if (registers->flags & UNWIND_ALL) {
        memcpy(walk->machine.registers, registers->registers, sizeof registers->registers);
        walk->machine.known = (2u << UNWIND_REGISTERS) - 1;
    }
    walk->machine.registers[UNWIND_REGISTERS] = registers->pc;
    walk->machine.registers[UNWIND_RSP] = registers->sp;
    walk->machine.registers[UNWIND_RBP] = registers->bp;
}

static void from_machine(struct walk *walk, uint64_t flags) {
    const struct object_machine *machine = &walk->machine;
    uint32_t all = (1u << UNWIND_REGISTERS) - 1;

    walk->registers.pc = machine->registers[UNWIND_REGISTERS];
    walk->registers.sp = machine->registers[UNWIND_RSP];
    walk->registers.bp = machine->known >> UNWIND_RBP & 1 ? machine->registers[UNWIND_RBP] : 0;
    memcpy(walk->registers.registers, machine->registers, sizeof walk->registers.registers);
    walk->registers.flags = flags | ((machine->known & all) == all ? UNWIND_ALL : 0);
}

static const struct object_eh_frame *bytecode_of(const struct walk *walk, const struct unwind_place *place) {
    if (place->frames || !walk->world->bytecode)
        return place->frames;
    return walk->world->bytecode(walk->world->context, place);
}

static int step(struct walk *walk, const struct unwind_place *place, bool *by_pointer) {
    uint64_t address = unwind_pc_to_look_up(&walk->registers) - place->bias, flags;
    struct object_cfi_row row;
    int outcome;

    *by_pointer = !place->table;
    if (!place->table) {
        outcome = unwind_step_pointer(&walk->registers, (void *)walk->world);
        to_machine(walk);
        return outcome;
    }
    const struct unwind_rule *rule = &place->rules[unwind_table_rule_at(place->table, address)];
    *by_pointer = rule->cfa_kind == UNWIND_POINTER;
    bool is_special = rule->cfa_kind < UNWIND_SPECIALS && rule->cfa_kind != UNWIND_EXPRESSION;
    const struct object_eh_frame *frames = walk->by_bytecode && !is_special ? bytecode_of(walk, place) : NULL;
    if (frames && object_eh_frame_row_at(frames, address, &row)) {
        outcome = step_by_row(&row, &walk->machine, &flags);
        if (outcome == UNWIND_WENT)
            from_machine(walk, flags);
        return outcome;
    }
    outcome = unwind_step(&walk->registers, rule, (void *)walk->world);
    to_machine(walk);
    return outcome;
}

static uint32_t walk_once(struct walk *walk, struct unwind_frame *frames, uint32_t most, enum profile_cut *cut) {
    uint32_t count = 0;
    bool by_pointer = false;

    while (count < most) {
        struct unwind_place place = {0};
        const struct unwind_registers *registers = &walk->registers;
        enum profile_cut found = walk->world->find(walk->world->context, unwind_pc_to_look_up(registers), &place);
        *cut = found;
        if (found != PROFILE_COMPLETE && count > 0) { /* where no code is, no call came from */
            *cut = by_pointer ? PROFILE_CUT_POINTER : found;
            return count;
        }
        frames[count++] = (struct unwind_frame){registers->pc, registers->sp, registers->flags & UNWIND_EXACT, false};
        if (found != PROFILE_COMPLETE)
            return count;
        int outcome = step(walk, &place, &by_pointer);
        frames[count - 1].by_pointer = by_pointer;
        if (outcome != UNWIND_WENT) {
            *cut = (enum profile_cut)outcome;
            return count;
        }
    }
    *cut = PROFILE_CUT_DEPTH;
    return count;
}

uint32_t unwind_walk(const struct unwind_world *world, const struct unwind_registers *registers,
                     struct unwind_frame *frames, uint32_t most, enum profile_cut *cut) {
    struct walk walk = {.world = world, .registers = *registers};
    uint32_t count = walk_once(&walk, frames, most, cut);

    if (*cut != PROFILE_CUT_RULE)
        return count;
    walk = (struct walk){.world = world, .registers = *registers, .by_bytecode = true};
    walk.machine.read = world->read;
    walk.machine.context = world->context;
    to_machine(&walk);
    return walk_once(&walk, frames, most, cut);
}

bool unwind_follows_call(const struct unwind_world *world, uint64_t address) {
    uint8_t before[7];

    if (!world->read(world->context, address - sizeof before, before, sizeof before))
        return false;
    const uint8_t *end = before + sizeof before;
    if (end[-5] == 0xe8) /* call rel32 */
        return true;
    for (int size = 2; size <= 7; size++) /* call r/m64: ff /2, with what its mode takes */
        if (end[-size] == 0xff && (end[-size + 1] & 0x38) == 0x10)
            return true;
    return false;
}
