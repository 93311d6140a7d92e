/* Inside of the reader of call frame information. Files:
 *   eh_frame.c         sections, entries, encoded pointers
 *   cfi.c              programs
 *   cfi_expression.c   expressions, evaluated
 */
#ifndef TARSIER_OBJECT_EH_FRAME_INT_H
#define TARSIER_OBJECT_EH_FRAME_INT_H

#include "object/dwarf_reader.h"
#include "object/eh_frame.h"
#include "object/input.h"

static inline int64_t frame_signed(struct dwarf_reader *in, unsigned size) {
    unsigned shift = 64 - 8 * size;
    return (int64_t)(dwarf_number(in, size) << shift) >> shift;
}

enum { FRAME_OMITTED = 0xff };

/* Where sections are, for encoded pointers. */
struct frame_base {
    const uint8_t *bytes;
    uint64_t size, address; /* of the section that is read */
    uint64_t data;          /* what "relative to data" is relative to */
};
/* A pointer in one of the encodings of the Linux Standard Base, with `function` as the start of the function (or 0).
 * False: damaged, or of a kind that would need the running program. */
bool frame_pointer(const struct frame_base *base, struct dwarf_reader *in, uint8_t encoding, uint64_t function,
                   uint64_t *value);

struct frame_common {
    uint64_t offset; /* in the section */
    uint64_t code_align;
    int64_t data_align;
    uint32_t program, program_size;
    uint32_t return_register;
    uint8_t encoding; /* of addresses */
    bool is_signal, has_sizes, is_bad;
    struct object_cfi_row *initial; /* what its program leaves */
};

struct object_eh_frame {
    struct frame_base base;
    struct object_bytes bytes; /* of the section, or empty and in `copy` */
    void *copy;
    struct frame_common *commons;
    uint32_t common_count, common_capacity;
    uint32_t *buckets; /* of commons by offset: number + 1 */
    uint32_t bucket_count;
    struct object_fde *functions;
    uint32_t function_count, function_capacity;
    bool is_debug_frame;
};

/* cfi.c: runs the program of a common entry, whose row begins empty. */
bool frame_run_common(const struct object_eh_frame *frames, struct frame_common *common);

#endif
