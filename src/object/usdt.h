/* USDT probes: places that a program's author marked with the macros of <sys/sdt.h>, as notes in .note.stapsdt tell.
 *
 * Source of the format: "UserSpaceProbeImplementation" of the SystemTap wiki and <sys/sdt.h>. One note is one place (a
 * nop instruction); one probe may have many, each with its own description of where the arguments are:
 *
 *     note "stapsdt", type 3:  u64 pc, u64 base, u64 semaphore, "provider\0", "name\0", "-4@%eax 8@-16(%rbp)\0"
 *
 * `base` is where the linker had put .stapsdt.base when the note was written; when a tool (prelink) moved the file
 * since, pc and semaphore move by the difference. A semaphore is a 16-bit counter of the program that is above 0 while
 * somebody traces; the program may skip preparing arguments while it is 0.
 *
 * An argument is SIZE@OPERAND; a size below 0 means signed. The operand is written as the assembler of the machine
 * does: x86-64  $-5  %eax  -20(%rbp)  8(%rax,%rdx,4)  counter+8(%rip)  -4@table(,%rdx,8)
 *       aarch64 -5  x0  [sp]  [x1, 16]  [x1, x2, lsl 3]  [x1, w2, sxtw 2]
 * Registers are given as offsets in the kernel's struct pt_regs, whose layout is part of the user interface. */
#ifndef TARSIER_OBJECT_USDT_H
#define TARSIER_OBJECT_USDT_H

#include "base/arena.h"
#include "object/elf.h"

#define OBJECT_USDT_ARGUMENTS 255u /* argN of the language ends at arg254 */
#define OBJECT_USDT_NO_REGISTER 0xffffu

enum object_usdt_where {
    OBJECT_USDT_CONSTANT,   /* number */
    OBJECT_USDT_REGISTER,   /* bits of `base` from `low_bit` on */
    OBJECT_USDT_MEMORY,     /* base + (index << scale) + number; base or index may be missing */
    OBJECT_USDT_UNREADABLE, /* reason */
};

struct object_usdt_argument {
    enum object_usdt_where where;
    uint8_t size; /* 1, 2, 4, 8: bytes of the value */
    bool is_signed;
    uint8_t low_bit;
    uint8_t scale;      /* log2 */
    uint8_t index_size; /* bytes of the index register that count: 8, or 4 with index_signed */
    bool index_signed;
    uint16_t base, index; /* offsets in struct pt_regs, or OBJECT_USDT_NO_REGISTER */
    int64_t number;
    const char *reason; /* why it can not be read */
};

struct object_usdt_arguments {
    const struct object_usdt_argument *items;
    uint32_t count;
};

/* One place of one probe. Texts live as long as the ELF reader. */
struct object_usdt {
    const char *provider, *name;
    const char *arguments; /* as written */
    uint64_t address;      /* of the place, in the file's address space */
    uint64_t offset;       /* in the file */
    uint64_t semaphore;    /* file offset of the semaphore; 0: none */
};

struct object_usdt_list {
    struct object_usdt *data; /* grows as a VEC */
    uint32_t count, capacity;
};

/* Appends all places of the file, in the order of the notes. Notes that are broken, or whose place no segment holds,
 * are left out; *broken (may be NULL) counts them. */
void object_usdt_read(struct object_elf *elf, struct arena *arena, struct object_usdt_list *list, uint32_t *broken);

/* Takes an argument description apart; `elf` knows the machine and symbols, `address` is the place. Never fails: what
 * is not understood is OBJECT_USDT_UNREADABLE. */
void object_usdt_parse(struct object_elf *elf, struct arena *arena, const char *text, uint64_t address,
                       struct object_usdt_arguments *arguments);
/* Value for value the same places (reasons aside): one program can read both. */
bool object_usdt_same(const struct object_usdt_arguments *a, const struct object_usdt_arguments *b);

#endif
