/* Call frame information: how to get from a function to its caller, at every instruction. From .eh_frame (in all files
 * that can throw or be debugged, stripped or not) or, when that is missing, .debug_frame.
 *
 * Source of the formats: DWARF 5 section 6.4; Linux Standard Base, "Exception Frames" (.eh_frame and .eh_frame_hdr).
 *
 * Model: a function description (FDE) covers a range of addresses and has a program; what many of them begin with is in
 * a common entry (CIE). Running the program gives rows, each for a range of addresses:
 *
 *     CFA            where the stack pointer was before the call: register + offset, or an expression
 *     registers[n]   where the caller's value of register n is
 *     return_register   the column that means the return address (16 on x86-64)
 *
 * Numbers of registers are DWARF's; those of x86-64 up to 16 are kept, others (vector registers) are passed over.
 * Addresses are those of the file, before relocation.
 *
 * Bytes are hostile: sizes and offsets are checked against the section, programs run once each (rows cost bytes of the
 * file), a damaged entry or program is left out and the others stay. Descriptions outside of executable segments are
 * not there (linkers leave such of code that they have dropped). Memory belongs to the reader, until close.
 */
#ifndef TARSIER_OBJECT_EH_FRAME_H
#define TARSIER_OBJECT_EH_FRAME_H

#include "object/elf.h"

enum { OBJECT_CFI_REGISTERS = 17 };

/* A DWARF expression in the section. */
struct object_expression {
    const uint8_t *bytes;
    uint32_t size;
};

enum object_cfi_kind {
    OBJECT_CFI_UNSAID,           /* the ABI's rule: unchanged when callees have to preserve it, else unknown */
    OBJECT_CFI_UNDEFINED,        /* unknown; as return address: there is no caller */
    OBJECT_CFI_SAME,             /* unchanged */
    OBJECT_CFI_AT_CFA,           /* in memory at CFA + offset */
    OBJECT_CFI_CFA_PLUS,         /* is CFA + offset */
    OBJECT_CFI_REGISTER,         /* in register `offset` */
    OBJECT_CFI_EXPRESSION,       /* in memory at the address that the expression computes */
    OBJECT_CFI_VALUE_EXPRESSION, /* is what the expression computes */
};

struct object_cfi_place {
    union {
        int64_t offset;
        const uint8_t *bytes; /* of the expression */
    };
    uint32_t size; /* of the expression */
    uint32_t kind; /* enum object_cfi_kind */
};

struct object_cfi_row {
    uint64_t start, end;          /* addresses; end is behind */
    struct object_expression cfa; /* size 0: cfa_register + cfa_offset */
    uint32_t cfa_register;        /* UINT32_MAX: none was defined, so nothing is known */
    uint32_t return_register;     /* column of the return address */
    int64_t cfa_offset;
    bool is_signal; /* the return address is exact: the kernel made this frame */
    struct object_cfi_place registers[OBJECT_CFI_REGISTERS];
};

/* One FDE. */
struct object_fde {
    uint64_t start;
    uint32_t size;   /* of the code */
    uint32_t common; /* number of its CIE */
    uint32_t program, program_size;
};

struct object_eh_frame;

/* Reads all descriptions. NULL: there are none, *error says why when they can not be read, else it is NULL. The reader
 * may be closed before `elf`, and reads nothing from it later. */
struct object_eh_frame *object_eh_frame_open(struct object_elf *elf, const char **error);
void object_eh_frame_close(struct object_eh_frame *frames); /* NULL is fine */

/* Ascending by start; those that overlap are there as the file has them. */
const struct object_fde *object_eh_frame_functions(const struct object_eh_frame *frames, uint32_t *count);
/* The description that covers an address, or NULL. */
const struct object_fde *object_eh_frame_find(const struct object_eh_frame *frames, uint64_t address);

/* Calls with each row, ascending, gapless from the start, until the callback answers false. False when the program is
 * damaged: the rows before the damage were given. */
bool object_eh_frame_rows(const struct object_eh_frame *frames, const struct object_fde *fde,
                          bool (*callback)(void *context, const struct object_cfi_row *row), void *context);
/* The row of an address; false when nothing is known about it. */
bool object_eh_frame_row_at(const struct object_eh_frame *frames, uint64_t address, struct object_cfi_row *row);

/* What an expression computes from. `known` has bit n when registers[n] has a value. */
struct object_machine {
    uint64_t registers[OBJECT_CFI_REGISTERS];
    uint32_t known;
    bool (*read)(void *context, uint64_t address, void *into, uint32_t size); /* the thread's memory */
    void *context;
};
/* Begins with `initial` on the stack when it is not NULL. False: damaged, too long (loops have a bound), or of
 * something that is not known; *is_memory tells that memory could not be read. */
bool object_expression_evaluate(struct object_expression expression, const struct object_machine *machine,
                                const uint64_t *initial, uint64_t *result, bool *is_memory);

#endif
