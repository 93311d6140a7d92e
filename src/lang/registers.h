/* Offsets in struct pt_regs of the machine tarsier is built for; see registers.c. */
#ifndef TARSIER_LANG_REGISTERS_H
#define TARSIER_LANG_REGISTERS_H

#include <stdint.h>

struct lang_machine {
    uint16_t return_value, instruction, stack, syscall_number;
    uint16_t first_stack_argument;       /* bytes above the stack pointer at function entry */
    uint16_t mode, mode_mask, user_mode; /* (register & mask) == user_mode: interrupted in user mode */
};
extern const struct lang_machine lang_machine;
extern const uint16_t lang_argument_registers[6]; /* integer arguments of functions */
extern const uint16_t lang_syscall_registers[6];  /* arguments of system calls */
int lang_register_offset(const char *name);       /* -1: no such register */
int lang_dwarf_register(unsigned number); /* offset of the register with that DWARF number; -1: none in pt_regs */

#endif
