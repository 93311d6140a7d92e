/* Where instructions begin: the length of one, from its bytes.
 *
 * A probe inside of an instruction destroys it, and the traced program with it; so places in the middle of functions
 * are checked. Source of the formats: Intel's manual volume 2, chapter 2 and the opcode maps of appendix A;
 * instructions of aarch64 all have 4 bytes. Only lengths are known here, not meanings; code is 64-bit code. */
#ifndef TARSIER_OBJECT_INSTRUCTION_H
#define TARSIER_OBJECT_INSTRUCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the instruction that begins here; 0 when it is none that we know, or `size` bytes do not hold it. `machine`
 * is EM_X86_64 or EM_AARCH64. */
size_t object_instruction_length(uint16_t machine, const uint8_t *bytes, size_t size);

enum object_boundary { OBJECT_BOUNDARY_YES, OBJECT_BOUNDARY_NO, OBJECT_BOUNDARY_UNKNOWN };
/* Whether an instruction begins at `offset` of a function of `size` bytes. Instructions are followed from its start;
 * unknown when one of them is not understood. */
enum object_boundary object_instruction_boundary(uint16_t machine, const uint8_t *function, size_t size, size_t offset);

#endif
