/* Where a value lies when a probe fires, as the caller of a function or its debug information tells it.
 *
 * Registers have the numbers of DWARF (x86-64: rax 0, rdx 1, rcx 2, rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8.. 8..;
 * aarch64: x0.. 0.., sp 31), so that this is the same for all who make and use it. */
#ifndef TARSIER_BASE_LOCATION_H
#define TARSIER_BASE_LOCATION_H

#include <stdint.h>

enum location_kind {
    LOCATION_NOWHERE,   /* can not be read; `reason` says why */
    LOCATION_REGISTERS, /* in one register, or 16 bytes in two */
    LOCATION_MEMORY,    /* at registers[0] + number, in user memory */
    LOCATION_VALUE,     /* it is registers[0] + number */
    LOCATION_CONSTANT,  /* it is `number` */
};

struct location {
    enum location_kind kind;
    uint8_t count; /* of registers */
    uint8_t registers[2];
    int64_t number;
    const char *reason; /* "it is passed in a floating-point register, which ..." */
};

#endif
