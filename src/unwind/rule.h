/* What a table of the unwinder is made of: rows and rules.
 *
 * Question: a thread is at `pc`, with these registers. Who called this function, and what were the registers there?
 * Answer of the compiler, for every instruction of every file that can throw or be debugged: .eh_frame (object/
 * eh_frame.h), which says in bytecode
 *
 *     CFA = where the stack pointer was before the call, such as sp + 24 or bp + 16      (canonical frame address)
 *     the return address is at CFA - 8, the caller's bp at CFA - 16, the caller's sp is CFA
 *
 * The bytecode is run once, when a file is first met. What comes out is
 *
 *     rows    4 bytes each, ascending: "from this address on, this rule"
 *     rules   16 bytes each, every different one once, shared by all files (5,300 on a machine with 2,800 files)
 *
 *     file, address in it                                    page_start[]  rows[]                      rules[]
 *     0x0002_4f3a  --- page 0x0002, low half 0x4f3a --->  [2] ------>  0000 | GAP
 *                                                                      4f20 | 17 --------------->  cfa = sp + 8 ...
 *                                                                      4f31 | 93 ---- this one ->  cfa = sp + 16 ...
 *                                                         [3] ------>  0000 | 17
 *
 * The addresses of a file fall into pages of 64 KB, so that a row needs only the low half of its address. Every page
 * begins with a row at 0x0000 (the rule that holds there is repeated), so a search never leaves its page, and it has at
 * most UNWIND_PAGE_ROWS rows. A row whose rule is GAP says that no function is known there.
 *
 * Rules are for x86-64. What can not be said by a rule is the rule EXPRESSION, 24 rows in 25 million: user space runs
 * the bytecode itself (unwind/walk.h).
 *
 * This header and step.h are compiled for the kernel, too (clang -target bpf -ffreestanding): no libc, no loops without
 * a bound, no division.
 */
#ifndef TARSIER_UNWIND_RULE_H
#define TARSIER_UNWIND_RULE_H

#include <stdint.h>

/* A row: the low half of the address where it begins | the number of its rule << 16. */
#define UNWIND_ROW(low, rule) ((uint32_t)(low) | (uint32_t)(rule) << 16)
#define UNWIND_ROW_LOW(row) ((row)&0xffffu)
#define UNWIND_ROW_RULE(row) ((row) >> 16)

enum {
    UNWIND_PAGE_SHIFT = 16,
    UNWIND_PAGE_STEPS = 14, /* of a search in a page */
    UNWIND_PAGE_ROWS = 1 << UNWIND_PAGE_STEPS,
    UNWIND_RULES_MOST = 0xff00, /* numbers of rules are below */
};

/* Numbers of the first rules, which every list of rules begins with. Each is also the cfa_kind of its rule, so that a
 * step looks at kinds alone. */
enum unwind_special {
    UNWIND_GAP,        /* no unwind information here. Frame pointers would be a guess, mostly a wrong one */
    UNWIND_END,        /* the outermost function: it has no caller (return address undefined, or a program's entry) */
    UNWIND_SIGNAL,     /* the trampoline that a signal handler returns to: all registers lie at sp, from the kernel */
    UNWIND_POINTER,    /* frame pointers are right here (Go, V8's builtins) */
    UNWIND_EXPRESSION, /* the rule is too rare to be one: user space runs the bytecode */
    UNWIND_SPECIALS,
};

/* Where the caller's stack pointer was; after the special ones above, which have nothing else. */
enum unwind_cfa {
    UNWIND_CFA_SP = UNWIND_SPECIALS, /* sp + cfa_offset                                  85 % of all code */
    UNWIND_CFA_BP,                   /* bp + cfa_offset                                  13 % */
    UNWIND_CFA_DEREF_BP,             /* *(bp + cfa_offset) + extra      realigned frames 1.3 % */
    UNWIND_CFA_DEREF_SP,             /* *(sp + cfa_offset) + extra      OpenSSL's assembler */
    UNWIND_CFA_PLT,                  /* sp + cfa_offset, + 8 where (pc & 15) >= extra */
    UNWIND_CFA_REGISTER,             /* registers[cfa_register] + cfa_offset: where all registers are known */
};

/* The caller's bp. */
enum unwind_bp {
    UNWIND_BP_SAME,    /* not touched */
    UNWIND_BP_AT_CFA,  /* *(CFA + bp_offset) */
    UNWIND_BP_AT_BP,   /* *(bp + bp_offset) */
    UNWIND_BP_UNKNOWN, /* lost; 0 from here on */
};

/* The return address. */
enum unwind_ra {
    UNWIND_RA_STANDARD, /* *(CFA - 8) */
    UNWIND_RA_AT_CFA,   /* *(CFA + extra); with cfa kinds that do not use extra */
    UNWIND_RA_REGISTER, /* registers[extra & 15]: where all registers are known (vfork); likewise */
};

/* Equal rules have equal bytes: what a kind does not use is 0. */
struct unwind_rule {
    uint8_t cfa_kind;     /* enum unwind_special or unwind_cfa */
    uint8_t cfa_register; /* DWARF's number, 0..15 */
    uint8_t bp_kind;      /* enum unwind_bp */
    uint8_t ra_kind;      /* enum unwind_ra */
    int32_t cfa_offset;
    int32_t bp_offset;
    int32_t extra;
};
_Static_assert(sizeof(struct unwind_rule) == 16, "rules are shared with the kernel and kept in files");

/* DWARF's numbers of the registers of x86-64 (System V ABI, figure 3.36). */
enum unwind_register {
    UNWIND_RAX,
    UNWIND_RDX,
    UNWIND_RCX,
    UNWIND_RBX,
    UNWIND_RSI,
    UNWIND_RDI,
    UNWIND_RBP,
    UNWIND_RSP,
    UNWIND_R8,
    UNWIND_R9,
    UNWIND_R10,
    UNWIND_R11,
    UNWIND_R12,
    UNWIND_R13,
    UNWIND_R14,
    UNWIND_R15,
    UNWIND_REGISTERS, /* 16: also the number of the column of the return address */
};

/* The kernel's compiler must not make a branch of what is computed without one. */
#ifndef unwind_opaque
#define unwind_opaque(value) (void)(value)
#endif

/* All ones where a is less than b (both below 2^63), else 0. */
static inline uint64_t unwind_if_less(uint64_t a, uint64_t b) {
    uint64_t difference = a - b;
    unwind_opaque(difference);
    return (uint64_t)((int64_t)difference >> 63);
}

/* The last of the rows [first, first + count) that begins at `low` or before. The first one begins at 0; count is
 * 1..UNWIND_PAGE_ROWS. The includer defines unwind_row_at(rows, index), a row; the kernel bounds the index as its
 * verifier wants.
 *
 *     at = first;  for a power of two p, from large to small: if row at + p exists and begins at low or before: at += p
 *
 * Without branches: the kernel's verifier would follow each of 2^14 ways, and a processor would guess wrong. */
#define unwind_find_row(rows, first, count, low)                                                                       \
    ({                                                                                                                 \
        uint64_t at_ = (first), end_ = at_ + (count), low_ = (uint64_t)(low) + 1;                                      \
        _Pragma("GCC unroll 14") for (int step_ = UNWIND_PAGE_STEPS - 1; step_ >= 0; step_--) {                        \
            uint64_t more_ = (1ull << step_) & unwind_if_less(at_ + (1ull << step_), end_);                            \
            at_ += more_ & unwind_if_less(UNWIND_ROW_LOW(unwind_row_at((rows), at_ + more_)), low_);                   \
        }                                                                                                              \
        (uint32_t) at_;                                                                                                \
    })

#endif
