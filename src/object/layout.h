/* How C lays out what type formats describe by bits; shared by the readers of types. */
#ifndef TARSIER_OBJECT_LAYOUT_H
#define TARSIER_OBJECT_LAYOUT_H

#include "base/type.h"

/* Finds a storage of the field's type that holds all bits: the naturally aligned one as a C compiler would use, else
 * (packed structs) one that begins in the byte of the first bit or ends with the struct. */
bool object_place_bits(struct type_field *field, uint32_t struct_size, uint32_t first_bit, uint32_t width);

static inline uint32_t object_alignment_of(uint32_t size) {
    return size % 8 == 0 ? 8 : size % 4 == 0 ? 4 : size % 2 == 0 ? 2 : 1;
}

static inline bool object_is_register_size(uint32_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

#endif
