/* Rules for code that nobody describes, from the code itself: what crti.o and crtbegin.o bring to every program, PLTs
 * of linkers that do not describe them, assembler without annotations.
 *
 * Instructions are followed in order, and with them how far the stack pointer is from where it was at the call:
 *
 *     push: 8 further      sub $N,%rsp: N further      mov %rsp,%rbp, lea, leave: known      call: comes back as it was
 *     a jump takes what is known to its target; two ways to one place must agree
 *
 * A function is believed only when all of this is understood and each `ret` (or jump elsewhere) finds the stack as the
 * call had left it; where that fails, it and what follows stay a gap, up to the next aligned place behind padding. So
 * data between functions, taken for code, is harmless: it does not come out even.
 */
#ifndef TARSIER_UNWIND_CODE_H
#define TARSIER_UNWIND_CODE_H

#include "unwind/rule.h"

#include <stddef.h>

enum { UNWIND_CODE_MOST = 1 << 16 }; /* bytes at a time */

/* Calls with each address (ascending) where a rule begins; UNWIND_GAP where nothing is known. */
void unwind_code_rules(const uint8_t *code, size_t size, uint64_t address,
                       void (*callback)(void *context, uint64_t address, const struct unwind_rule *rule),
                       void *context);

#endif
