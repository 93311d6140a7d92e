/* Where the walk in the kernel finds what it reads, as numbers for its places (base/piece.h). */
#ifndef TARSIER_UNWIND_KERNEL_FIELDS_H
#define TARSIER_UNWIND_KERNEL_FIELDS_H

#include "object/btf.h"

struct unwind_field {
    const char *name; /* "K_TASK_MM" */
    int64_t value;
};

/* The fields, `count` of them, in static memory. NULL: this kernel has no such; *missing names the first,
 * "struct.member".
 */
const struct unwind_field *unwind_kernel_fields(struct object_btf *btf, uint32_t *count, const char **missing);

#endif
