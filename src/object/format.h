/* tracefs event formats: what the bytes of a tracepoint record mean.
 *
 * Source of the format: Documentation/trace/events.rst; one line per field,
 *     field:char comm[16];  offset:8;  size:16;  signed:0;
 * The offsets and sizes bind; the C text decides only what is text, a pointer or an array:
 *   enum TAG                      through the caller's resolve_enum(), which gives the type its constants
 *   integers, typedefs            by size and sign ("char": TYPE_INT named "char"), bool: TYPE_BOOL
 *   type name[n]                  array; of "char": text
 *   __data_loc type[] name        is_data_loc, type: array of 0 elements; the record holds a u32 that is
 *                                 length << 16 | offset from the start of the record
 *   __rel_loc type[] name         the same, but is_relative: the offset counts from the end of the u32
 *   type *name                    pointer; `struct x *` through the caller's resolve()
 *   anything else                 array of unsigned bytes
 * The common_* fields are fields like others (the first `common_count` ones).
 */
#ifndef TARSIER_OBJECT_FORMAT_H
#define TARSIER_OBJECT_FORMAT_H

#include "base/arena.h"
#include "base/type.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object_format {
    uint64_t id;      /* config of the perf event */
    const char *name; /* event name without the group; "" if the text has none */
    const struct type *args;
    uint32_t common_count;
    const char *const *declarations; /* per field of args: its C text, "char comm[16]" */
    const bool *is_relative;         /* per field of args: __rel_loc */
};

/* How names in the text become types. All may be zero, and the whole may be left out (NULL). */
struct object_format_types {
    enum type_space space; /* of pointers: SPACE_USER for syscalls:*, else SPACE_KERNEL */
    /* The struct or union with this tag, or NULL for "unknown" (becomes void). */
    const struct type *(*resolve)(void *context, const char *tag);
    /* An enum with this tag, of 1, 2, 4 or 8 bytes; NULL: a plain number. */
    const struct type *(*resolve_enum)(void *context, const char *tag, uint32_t size, bool is_signed);
    void *context;
};

/* Parses a format file. `struct_name` becomes the name of the args struct (copied). NULL and *error when the text is no
 * format; everything returned lives in the arena. Fields outside of a record of 64 KiB are left out. */
const struct object_format *object_format_parse(struct arena *arena, const char *text, size_t size,
                                                const char *struct_name, const struct object_format_types *types,
                                                const char **error);

#endif
