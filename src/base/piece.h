/* A runtime piece: BPF code that was written in C and compiled when tarsier was built (scripts/piece), as plain data.
 *
 * bpf/link.c appends it to the programs that call it. Its functions call each other at fixed distances, so the code
 * can stand anywhere; what is not known before it is loaded are its places: `&NAME` of an undeclared-size object in C
 *
 *     extern char K_TASK_MM;  offset = (uint64_t)&K_TASK_MM;      a number: offset of a field, a limit
 *     extern char MAP_FILES;  bpf_map_lookup_elem(&MAP_FILES, ..)  a map
 *
 * Each is a wide constant (two instructions) that linking fills from the bindings of the module (ir.h).
 */
#ifndef TARSIER_BASE_PIECE_H
#define TARSIER_BASE_PIECE_H

#include <stdbool.h>
#include <stdint.h>

struct piece_function {
    const char *name;
    uint32_t instruction;
};

struct piece_place {
    uint32_t instruction;
    const char *name;
};

struct piece {
    const uint64_t *instructions; /* struct bpf_insn */
    uint32_t count;
    uint32_t stack;                         /* bytes of its deepest chain of calls, as the kernel counts them */
    const struct piece_function *functions; /* ascending; [0] is what callers call, with up to 5 arguments */
    uint32_t function_count;
    const struct piece_place *places; /* ascending */
    uint32_t place_count;
};

#endif
