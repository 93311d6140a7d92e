/* One step of the unwinder: from a frame to its caller. One source for the kernel (walk.bpf.c) and for user space
 * (walk.c), so what tests prove of the one holds for the other.
 *
 * A walk:
 *
 *     set up struct unwind_registers from the interrupted code: UNWIND_EXACT | UNWIND_ALL
 *     for each frame, up to a bound:
 *         record the frame: pc, and whether it is exact (names are those of unwind_pc_to_look_up(), too)
 *         file, bias  <- the mapping that holds unwind_pc_to_look_up()       none: PROFILE_CUT_NO_MAP
 *         row         <- unwind_find_row() (rule.h) in the page of the address, rule <- rules[UNWIND_ROW_RULE(row)]
 *         outcome     <- unwind_step(), or unwind_step_pointer() where no file is behind the code (JIT)
 *         outcome is UNWIND_WENT: registers are the caller's; else the walk ends, outcome is an enum profile_cut
 *
 * PROFILE_COMPLETE   there is no caller: an outermost function was met
 * PROFILE_CUT_NO_TABLE   a gap: the rule is UNWIND_GAP
 * PROFILE_CUT_RULE   user space can go on: it needs bytecode, or registers that are not known any more here
 * PROFILE_CUT_MEMORY   the stack could not be read
 * PROFILE_CUT_POINTER   a frame pointer leads nowhere
 *
 * The registers are unchanged when the outcome is not UNWIND_WENT, so that somebody else can go on from there.
 *
 * pc is exact where the code was interrupted: in the innermost frame, and in the frame that a signal interrupted. In
 * all others it is a return address, and the call that is before it may be the last instruction of its function: the
 * row, and the name, are those of pc - 1.
 *
 * The stack pointer does not always grow: signal handlers have stacks of their own, coroutines change theirs. What is
 * demanded of a step is that (pc, sp) changes, and of the walk that it has a bound.
 *
 * The includer defines, as macro or function, before it includes this:
 *     unwind_read(memory, into, size, address)
 *         0 when `size` bytes (a constant, a multiple of 8) of the thread's memory were copied; `memory` is what the
 *         caller of a step passes through
 */
#ifndef TARSIER_UNWIND_STEP_H
#define TARSIER_UNWIND_STEP_H

#include "base/profile_cut.h"
#include "unwind/rule.h"

#define UNWIND_WENT (-1)

/* Room for `count` words under `name`; the kernel's stack has none, so it says elsewhere where it is. */
#ifndef unwind_buffer
#define unwind_buffer(name, memory, count) uint64_t name[count]
#endif

enum unwind_flags {
    UNWIND_EXACT = 1, /* pc is an instruction, not a return address */
    UNWIND_ALL = 2,   /* registers[] are those of this frame */
};

struct unwind_registers {
    uint64_t pc, sp, bp;
    uint64_t flags;                       /* enum unwind_flags */
    uint64_t registers[UNWIND_REGISTERS]; /* by enum unwind_register; bp and sp count above, not here */
};

/* The address that decides about function and rule. */
static inline uint64_t unwind_pc_to_look_up(const struct unwind_registers *registers) {
    return registers->flags & UNWIND_EXACT ? registers->pc : registers->pc - 1;
}

/* A pair in memory, as `push` leaves them: the caller's bp, and above it the return address. */
struct unwind_pair {
    uint64_t bp, ra;
};

/* Where all registers of the interrupted code lie when a handler has returned to its trampoline: at sp is the kernel's
 * struct ucontext, in it from byte 40 struct sigcontext (arch/x86/include/uapi/asm/sigcontext.h):
 * r8..r15, di, si, bp, bx, dx, ax, cx, sp, ip. */
static inline int unwind_step_signal(struct unwind_registers *registers, void *memory) {
    enum { R8, R9, R10, R11, R12, R13, R14, R15, DI, SI, BP, BX, DX, AX, CX, SP, IP, SAVED };
    unwind_buffer(saved, memory, SAVED);

    if (unwind_read(memory, saved, SAVED * sizeof *saved, registers->sp + 40))
        return PROFILE_CUT_MEMORY;
    if (saved[IP] == registers->pc && saved[SP] == registers->sp)
        return PROFILE_CUT_RULE;
    registers->pc = saved[IP];
    registers->sp = saved[SP];
    registers->bp = saved[BP];
    registers->flags = UNWIND_EXACT | UNWIND_ALL;
    registers->registers[UNWIND_RAX] = saved[AX];
    registers->registers[UNWIND_RDX] = saved[DX];
    registers->registers[UNWIND_RCX] = saved[CX];
    registers->registers[UNWIND_RBX] = saved[BX];
    registers->registers[UNWIND_RSI] = saved[SI];
    registers->registers[UNWIND_RDI] = saved[DI];
    registers->registers[UNWIND_RBP] = saved[BP];
    registers->registers[UNWIND_RSP] = saved[SP];
    registers->registers[UNWIND_R8] = saved[R8];
    registers->registers[UNWIND_R9] = saved[R9];
    registers->registers[UNWIND_R10] = saved[R10];
    registers->registers[UNWIND_R11] = saved[R11];
    registers->registers[UNWIND_R12] = saved[R12];
    registers->registers[UNWIND_R13] = saved[R13];
    registers->registers[UNWIND_R14] = saved[R14];
    registers->registers[UNWIND_R15] = saved[R15];
    return UNWIND_WENT;
}

/* By frame pointer: at bp lie the caller's bp and the return address. It may be anything where code does not keep it,
 * so it must look like one: on this stack, near, aligned. That the return address is code, the walk sees at its next
 * step. */
static inline int unwind_step_pointer(struct unwind_registers *registers, void *memory) {
    enum { FRAME_MOST = 1 << 20 };
    struct unwind_pair pair;

    if (registers->bp < registers->sp || registers->bp - registers->sp >= FRAME_MOST || registers->bp & 7)
        return PROFILE_CUT_POINTER;
    if (unwind_read(memory, &pair, sizeof pair, registers->bp))
        return PROFILE_CUT_MEMORY;
    if (pair.ra == 0)
        return PROFILE_COMPLETE;
    registers->sp = registers->bp + 16;
    registers->pc = pair.ra;
    registers->bp = pair.bp;
    registers->flags = 0;
    return UNWIND_WENT;
}

/* Where the caller's stack pointer was. False: *outcome tells why it is not known. */
static inline int unwind_cfa_of(const struct unwind_registers *registers, const struct unwind_rule *rule, void *memory,
                                uint64_t *cfa, int *outcome) {
    uint64_t base =
        rule->cfa_kind == UNWIND_CFA_BP || rule->cfa_kind == UNWIND_CFA_DEREF_BP ? registers->bp : registers->sp;

    if (rule->cfa_kind == UNWIND_CFA_REGISTER) {
        *outcome = PROFILE_CUT_RULE;
        if (!(registers->flags & UNWIND_ALL))
            return 0;
        base = registers->registers[rule->cfa_register & 15];
    }
    base += (uint64_t)(int64_t)rule->cfa_offset;
    if (rule->cfa_kind == UNWIND_CFA_PLT && (registers->pc & 15) >= (uint32_t)rule->extra)
        base += 8;
    if (rule->cfa_kind == UNWIND_CFA_DEREF_BP || rule->cfa_kind == UNWIND_CFA_DEREF_SP) {
        uint64_t value;
        *outcome = PROFILE_CUT_MEMORY;
        if (unwind_read(memory, &value, sizeof value, base))
            return 0;
        base = value + (uint64_t)(int64_t)rule->extra;
    }
    *cfa = base;
    return 1;
}

/* The return address and the caller's bp. False: not readable. */
static inline int unwind_saved(const struct unwind_registers *registers, const struct unwind_rule *rule, void *memory,
                               uint64_t cfa, struct unwind_pair *pair) {
    uint64_t value = registers->bp;

    if (rule->ra_kind == UNWIND_RA_STANDARD && rule->bp_kind == UNWIND_BP_AT_CFA && rule->bp_offset == -16)
        return unwind_read(memory, pair, sizeof *pair, cfa - 16) == 0; /* both in one go: most frames that save bp */
    if (rule->bp_kind == UNWIND_BP_UNKNOWN)
        value = 0;
    if (rule->bp_kind == UNWIND_BP_AT_CFA || rule->bp_kind == UNWIND_BP_AT_BP) {
        uint64_t base = rule->bp_kind == UNWIND_BP_AT_CFA ? cfa : registers->bp;
        if (unwind_read(memory, &value, sizeof value, base + (uint64_t)(int64_t)rule->bp_offset))
            return 0;
    }
    pair->bp = value;
    if (rule->ra_kind == UNWIND_RA_REGISTER) {
        pair->ra = registers->registers[(uint32_t)rule->extra & 15];
        return 1;
    }
    int64_t offset = rule->ra_kind == UNWIND_RA_STANDARD ? -8 : rule->extra;
    if (unwind_read(memory, &value, sizeof value, cfa + (uint64_t)offset))
        return 0;
    pair->ra = value;
    return 1;
}

/* To the caller by a rule. A return address of 0 is how code without a caller marks itself (coroutines, clone). */
static inline int unwind_step(struct unwind_registers *registers, const struct unwind_rule *rule, void *memory) {
    struct unwind_pair pair;
    uint64_t cfa;
    int outcome;

    switch (rule->cfa_kind) {
    case UNWIND_GAP:
        return PROFILE_CUT_NO_TABLE;
    case UNWIND_END:
        return PROFILE_COMPLETE;
    case UNWIND_SIGNAL:
        return unwind_step_signal(registers, memory);
    case UNWIND_POINTER:
        return unwind_step_pointer(registers, memory);
    case UNWIND_EXPRESSION:
        return PROFILE_CUT_RULE;
    default:
        break;
    }
    if (rule->ra_kind == UNWIND_RA_REGISTER && !(registers->flags & UNWIND_ALL))
        return PROFILE_CUT_RULE;
    if (!unwind_cfa_of(registers, rule, memory, &cfa, &outcome))
        return outcome;
    if (!unwind_saved(registers, rule, memory, cfa, &pair))
        return PROFILE_CUT_MEMORY;
    if (pair.ra == 0)
        return PROFILE_COMPLETE;
    if (pair.ra == registers->pc && cfa == registers->sp)
        return PROFILE_CUT_RULE;
    registers->pc = pair.ra;
    registers->sp = cfa;
    registers->bp = pair.bp;
    registers->flags = 0;
    return UNWIND_WENT;
}

#endif
