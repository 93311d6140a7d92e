/* The interpreter: executes encoded instructions one by one as Documentation/bpf/standardization/instruction-set.rst
 * of the kernel defines them, with every address checked. Frames are filled with a pattern, so a program that reads
 * stack it never wrote computes visibly wrong results. */
#include "bpf/interpret_int.h"

#define POISON 0xa5
#define MEMORY_SIGN_EXTENDED 0x80 /* BPF_MEMSX; missing in older kernel headers */

struct bpf_machine *bpf_machine_new(struct arena *arena) {
    struct bpf_machine *machine = arena_make(arena, struct bpf_machine);
    machine->arena = arena;
    machine->stack = arena_alloc(arena, (size_t)MACHINE_FRAMES * MACHINE_FRAME_SIZE);
    return machine;
}

void bpf_machine_set_helper(struct bpf_machine *machine, int id, bpf_helper_fn fn) {
    if (id < 0 || id >= MACHINE_HELPERS)
        BUG("bpf: helper number %d", id);
    machine->helpers[id] = fn;
}

void bpf_machine_set_user(struct bpf_machine *machine, void *user) { machine->user = user; }
void *bpf_machine_user(struct bpf_machine *machine) { return machine->user; }
const char *bpf_machine_error(const struct bpf_machine *machine) { return machine->error; }
uint64_t bpf_machine_steps(const struct bpf_machine *machine) { return machine->steps; }

void bpf_machine_add_region(struct bpf_machine *machine, void *start, size_t size, bool writable) {
    vec_push(machine->arena, &machine->regions, ((struct machine_region){(uintptr_t)start, size, writable}));
}

void bpf_machine_set_map(struct bpf_machine *machine, uint32_t map, void *handle, void *value) {
    vec_push(machine->arena, &machine->maps, ((struct machine_map_entry){map, (uintptr_t)handle, (uintptr_t)value}));
}

void bpf_machine_fail(struct bpf_machine *machine, const char *format, ...) {
    if (machine->error)
        return;
    va_list args;
    va_start(args, format);
    machine->error = arena_vprintf(machine->arena, format, args);
    va_end(args);
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

static bool within(const struct machine_region *region, uint64_t address, uint64_t size) {
    return address >= region->start && size <= region->size && address - region->start <= region->size - size;
}

bool bpf_machine_may_access(struct bpf_machine *machine, uint64_t address, uint64_t size, bool write) {
    struct machine_region stack = {(uintptr_t)machine->stack, (uint64_t)machine->depth * MACHINE_FRAME_SIZE, true};
    if (within(&stack, address, size))
        return true;
    if (machine->last_region < machine->regions.count) {
        const struct machine_region *last = &machine->regions.data[machine->last_region];
        if (within(last, address, size) && (last->writable || !write))
            return true;
    }
    for (uint32_t i = 0; i < machine->regions.count; i++)
        if (within(&machine->regions.data[i], address, size) && (machine->regions.data[i].writable || !write)) {
            machine->last_region = i;
            return true;
        }
    return false;
}

static bool check_access(struct bpf_machine *machine, uint32_t pc, uint64_t address, unsigned size, bool write) {
    if (bpf_machine_may_access(machine, address, size, write))
        return true;
    bpf_machine_fail(machine, "instruction %u: bad %s of %u bytes at 0x%llx", pc, write ? "store" : "load", size,
                     (unsigned long long)address);
    return false;
}

static unsigned access_size(uint8_t code) {
    switch (BPF_SIZE(code)) {
    case BPF_B:
        return 1;
    case BPF_H:
        return 2;
    case BPF_W:
        return 4;
    default:
        return 8;
    }
}

static uint64_t read_memory(uint64_t address, unsigned size) {
    const void *from = (const void *)(uintptr_t)address;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (size) {
    case 1:
        return memcpy(&u8, from, 1), u8;
    case 2:
        return memcpy(&u16, from, 2), u16;
    case 4:
        return memcpy(&u32, from, 4), u32;
    default:
        return memcpy(&u64, from, 8), u64;
    }
}

static void write_memory(uint64_t address, unsigned size, uint64_t value) {
    void *to = (void *)(uintptr_t)address;
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    switch (size) {
    case 1:
        memcpy(to, &u8, 1);
        break;
    case 2:
        memcpy(to, &u16, 2);
        break;
    case 4:
        memcpy(to, &u32, 4);
        break;
    default:
        memcpy(to, &value, 8);
    }
}

static uint64_t sign_extend(uint64_t value, unsigned bits) {
    if (bits >= 64)
        return value;
    uint64_t sign = 1ull << (bits - 1);
    value &= (1ull << bits) - 1;
    return (value ^ sign) - sign;
}

/* ---- arithmetic ----------------------------------------------------------------------------------------------- */

static uint64_t divide(uint64_t a, uint64_t b, bool wide, bool is_signed, bool remainder) {
    if (b == 0)
        return remainder ? a : 0;
    if (!is_signed)
        return remainder ? a % b : a / b;
    int64_t x = (int64_t)sign_extend(a, wide ? 64 : 32), y = (int64_t)sign_extend(b, wide ? 64 : 32);
    if (y == -1)
        return remainder ? 0 : 0 - (uint64_t)x;
    return (uint64_t)(remainder ? x % y : x / y);
}

static bool compute(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *dst, uint64_t b) {
    bool wide = BPF_CLASS(i->code) == BPF_ALU64;
    unsigned bits = wide ? 64 : 32;
    uint64_t a = wide ? *dst : (uint32_t)*dst;
    b = wide ? b : (uint32_t)b;
    switch (BPF_OP(i->code)) {
    case BPF_ADD:
        a += b;
        break;
    case BPF_SUB:
        a -= b;
        break;
    case BPF_MUL:
        a *= b;
        break;
    case BPF_DIV:
        a = divide(a, b, wide, i->off == 1, false);
        break;
    case BPF_MOD:
        a = divide(a, b, wide, i->off == 1, true);
        break;
    case BPF_OR:
        a |= b;
        break;
    case BPF_AND:
        a &= b;
        break;
    case BPF_XOR:
        a ^= b;
        break;
    case BPF_LSH:
        a <<= b & (bits - 1);
        break;
    case BPF_RSH:
        a >>= b & (bits - 1);
        break;
    case BPF_ARSH:
        a = (uint64_t)((int64_t)sign_extend(a, bits) >> (b & (bits - 1)));
        break;
    case BPF_NEG:
        a = 0 - a;
        break;
    case BPF_MOV:
        a = i->off ? sign_extend(b, (unsigned)i->off) : b;
        break;
    default:
        bpf_machine_fail(machine, "instruction %u: unknown operation 0x%02x", pc, i->code);
        return false;
    }
    *dst = wide ? a : (uint32_t)a;
    return true;
}

static bool swap_bytes(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *dst) {
    bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    bool swap = BPF_CLASS(i->code) == BPF_ALU64 || (BPF_SRC(i->code) == BPF_TO_BE) == little;
    if (i->imm != 16 && i->imm != 32 && i->imm != 64) {
        bpf_machine_fail(machine, "instruction %u: swap of %d bits", pc, i->imm);
        return false;
    }
    unsigned unused = 64 - (unsigned)i->imm;
    *dst = swap ? __builtin_bswap64(*dst) >> unused : *dst << unused >> unused;
    return true;
}

static bool compare(uint8_t code, uint64_t a, uint64_t b) {
    bool wide = BPF_CLASS(code) == BPF_JMP;
    int64_t x = (int64_t)sign_extend(a, wide ? 64 : 32), y = (int64_t)sign_extend(b, wide ? 64 : 32);
    a = wide ? a : (uint32_t)a;
    b = wide ? b : (uint32_t)b;
    switch (BPF_OP(code)) {
    case BPF_JEQ:
        return a == b;
    case BPF_JNE:
        return a != b;
    case BPF_JGT:
        return a > b;
    case BPF_JGE:
        return a >= b;
    case BPF_JLT:
        return a < b;
    case BPF_JLE:
        return a <= b;
    case BPF_JSET:
        return (a & b) != 0;
    case BPF_JSGT:
        return x > y;
    case BPF_JSGE:
        return x >= y;
    case BPF_JSLT:
        return x < y;
    default:
        return x <= y;
    }
}

/* ---- instructions that touch memory --------------------------------------------------------------------------- */

static bool execute_atomic(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *r) {
    unsigned size = access_size(i->code);
    uint64_t address = r[i->dst_reg] + (uint64_t)(int64_t)i->off;
    if (!check_access(machine, pc, address, size, true))
        return false;
    uint64_t old = read_memory(address, size), source = r[i->src_reg], next;
    bool same = size == 4 ? (uint32_t)r[0] == old : r[0] == old;
    switch (i->imm) {
    case BPF_ADD:
    case BPF_ADD | BPF_FETCH:
        next = old + source;
        break;
    case BPF_AND:
    case BPF_AND | BPF_FETCH:
        next = old & source;
        break;
    case BPF_OR:
    case BPF_OR | BPF_FETCH:
        next = old | source;
        break;
    case BPF_XOR:
    case BPF_XOR | BPF_FETCH:
        next = old ^ source;
        break;
    case BPF_XCHG:
        next = source;
        break;
    case BPF_CMPXCHG:
        next = same ? source : old;
        break;
    default:
        bpf_machine_fail(machine, "instruction %u: unknown atomic 0x%x", pc, i->imm);
        return false;
    }
    write_memory(address, size, next);
    if (i->imm == BPF_CMPXCHG)
        r[0] = old;
    else if (i->imm & BPF_FETCH)
        r[i->src_reg] = old;
    return true;
}

static bool execute_load(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *r) {
    unsigned size = access_size(i->code);
    uint64_t address = r[i->src_reg] + (uint64_t)(int64_t)i->off;
    if (!check_access(machine, pc, address, size, false))
        return false;
    uint64_t value = read_memory(address, size);
    r[i->dst_reg] = BPF_MODE(i->code) == MEMORY_SIGN_EXTENDED ? sign_extend(value, size * 8) : value;
    return true;
}

static bool execute_store(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *r) {
    unsigned size = access_size(i->code);
    uint64_t address = r[i->dst_reg] + (uint64_t)(int64_t)i->off;
    if (BPF_CLASS(i->code) == BPF_STX && BPF_MODE(i->code) == BPF_ATOMIC)
        return execute_atomic(machine, pc, i, r);
    if (!check_access(machine, pc, address, size, true))
        return false;
    write_memory(address, size, BPF_CLASS(i->code) == BPF_STX ? r[i->src_reg] : (uint64_t)(int64_t)i->imm);
    return true;
}

static const struct bpf_reloc *find_reloc(const struct bpf_program *program, uint32_t index) {
    for (uint32_t k = 0; k < program->relocs.count; k++)
        if (program->relocs.data[k].instruction == index)
            return &program->relocs.data[k];
    return NULL;
}

static bool load_wide(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *dst) {
    const struct bpf_reloc *reloc = find_reloc(machine->program, pc);
    if (!reloc) {
        *dst = (uint64_t)(uint32_t)i[1].imm << 32 | (uint32_t)i->imm;
        if (i->src_reg == BPF_PSEUDO_FUNC)
            *dst = (uintptr_t)(i + i->imm + 1);
        return true;
    }
    for (uint32_t k = 0; k < machine->maps.count; k++)
        if (machine->maps.data[k].map == reloc->map) {
            *dst = reloc->kind == BPF_RELOC_MAP ? machine->maps.data[k].handle
                                                : machine->maps.data[k].value + (uint32_t)i[1].imm;
            return true;
        }
    bpf_machine_fail(machine, "instruction %u: no map %u", pc, reloc->map);
    return false;
}

/* ---- calls and the main loop ---------------------------------------------------------------------------------- */

static bool execute(struct bpf_machine *machine, uint32_t pc, const uint64_t arguments[5], uint64_t *result);

static bool call_helper(struct bpf_machine *machine, uint32_t pc, int id, uint64_t *r) {
    if (id < 0 || id >= MACHINE_HELPERS || !machine->helpers[id]) {
        bpf_machine_fail(machine, "instruction %u: no helper %d", pc, id);
        return false;
    }
    r[0] = machine->helpers[id](machine, r + 1);
    for (unsigned k = 1; k <= 5; k++)
        r[k] = 0xdead0000u + k; /* unreadable after a call */
    return machine->error == NULL;
}

/* Gives the next instruction, or UINT32_MAX on an error. */
static uint32_t execute_jump(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *r) {
    uint8_t operation = BPF_OP(i->code);
    if (operation == BPF_JA)
        return (uint32_t)((int64_t)pc + 1 + (BPF_CLASS(i->code) == BPF_JMP32 ? i->imm : i->off));
    if (operation == BPF_CALL) {
        bool good = i->src_reg == BPF_PSEUDO_CALL ? execute(machine, (uint32_t)((int64_t)pc + 1 + i->imm), r + 1, &r[0])
                                                  : call_helper(machine, pc, i->imm, r);
        return good ? pc + 1 : UINT32_MAX;
    }
    uint64_t b = BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;
    return (uint32_t)((int64_t)pc + 1 + (compare(i->code, r[i->dst_reg], b) ? i->off : 0));
}

static uint32_t execute_one(struct bpf_machine *machine, uint32_t pc, const struct bpf_insn *i, uint64_t *r) {
    bool good;
    switch (BPF_CLASS(i->code)) {
    case BPF_ALU:
    case BPF_ALU64:
        if (BPF_OP(i->code) == BPF_END)
            good = swap_bytes(machine, pc, i, &r[i->dst_reg]);
        else
            good = compute(machine, pc, i, &r[i->dst_reg],
                           BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm);
        break;
    case BPF_LDX:
        good = execute_load(machine, pc, i, r);
        break;
    case BPF_LD:
        return load_wide(machine, pc, i, &r[i->dst_reg]) ? pc + 2 : UINT32_MAX;
    case BPF_JMP:
    case BPF_JMP32:
        return execute_jump(machine, pc, i, r);
    default:
        good = execute_store(machine, pc, i, r);
    }
    return good ? pc + 1 : UINT32_MAX;
}

static bool execute_frame(struct bpf_machine *machine, uint32_t pc, uint64_t *r) {
    while (pc < machine->program->instructions.count) {
        const struct bpf_insn *i = &machine->program->instructions.data[pc];
        if (++machine->steps > MACHINE_STEP_LIMIT) {
            bpf_machine_fail(machine, "more than %u steps", MACHINE_STEP_LIMIT);
            return false;
        }
        if (i->code == (BPF_JMP | BPF_EXIT))
            return true;
        if (i->dst_reg > BPF_REG_10 || i->src_reg > BPF_REG_10) {
            bpf_machine_fail(machine, "instruction %u: no such register", pc);
            return false;
        }
        pc = execute_one(machine, pc, i, r);
        if (machine->error)
            return false;
    }
    bpf_machine_fail(machine, "control leaves the program");
    return false;
}

static bool execute(struct bpf_machine *machine, uint32_t pc, const uint64_t arguments[5], uint64_t *result) {
    uint64_t r[16] = {0}; /* register fields have 4 bits */
    if (machine->depth == MACHINE_FRAMES) {
        bpf_machine_fail(machine, "more than %u frames", MACHINE_FRAMES);
        return false;
    }
    uint8_t *frame = machine->stack + (size_t)machine->depth++ * MACHINE_FRAME_SIZE;
    memset(frame, POISON, MACHINE_FRAME_SIZE);
    for (unsigned k = 0; k < 10; k++)
        r[k] = 0xbad00000u + k;
    memcpy(r + 1, arguments, 5 * sizeof *r);
    r[10] = (uintptr_t)frame + MACHINE_FRAME_SIZE;
    bool good = execute_frame(machine, pc, r);
    machine->depth--;
    *result = r[0];
    return good;
}

uint64_t bpf_machine_call(struct bpf_machine *machine, uint64_t function, const uint64_t arguments[5]) {
    uint64_t result = 0, first = (uintptr_t)machine->program->instructions.data;
    uint64_t index = (function - first) / sizeof(struct bpf_insn);
    if (function < first || index >= machine->program->instructions.count)
        bpf_machine_fail(machine, "call of 0x%llx, which is no function", (unsigned long long)function);
    else
        execute(machine, (uint32_t)index, arguments, &result);
    return result;
}

bool bpf_machine_run(struct bpf_machine *machine, const struct bpf_program *program, void *context, uint64_t *result) {
    uint64_t arguments[5] = {(uintptr_t)context, 0xbad00002u, 0xbad00003u, 0xbad00004u, 0xbad00005u};
    machine->program = program;
    machine->steps = 0;
    machine->error = NULL;
    machine->depth = 0;
    return execute(machine, 0, arguments, result);
}
