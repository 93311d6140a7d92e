/* BTF: the kernel's own description of its types, read lazily.
 *
 * Source of the format: Documentation/bpf/btf.rst of the kernel. A file is a header, a section of type records (one
 * after the other, of varying size, numbered from 1; 0 is void) and a section of strings that the records point into.
 * A kernel has 126 000 types in 5.5 MB; a script needs a dozen. So nothing is read ahead: a name is first looked up
 * as text in the strings, then its offset is searched for in the records, which never touches other strings. The
 * scan notes where every 16th type starts, so that a type id is found by a short walk afterwards.
 *
 * Everything becomes `struct type` (base/type.h), one per id, in the arena given to object_btf_open(). Names are
 * copied there, so types outlive object_btf_release() and are still completed after it (the file is attached again).
 *
 * How C turns into the model:
 *   typedef, const, volatile, restrict, type tags      stripped
 *   int of 1, 2, 4, 8 bytes     TYPE_INT with the C name ("char" tells text from bytes), _Bool: TYPE_BOOL
 *   other integers, floats      array of unsigned bytes
 *   enum, enum64                TYPE_ENUM, enumerators filled by type_complete()
 *   struct, union               TYPE_STRUCT, fields filled by type_complete(); forward declaration: size 0
 *   pointer                     SPACE_KERNEL, or SPACE_USER under the tag "user"; to a function: pointer to void
 *   bit-field                   offset of a storage of type->size bytes that holds it, bit_offset, bit_size
 * Every field lies inside its struct; members that do not (broken input) are left out.
 *
 * The bytes may be hostile: each offset is checked, and chains of types are cut at a fixed depth.
 */
#ifndef TARSIER_OBJECT_BTF_H
#define TARSIER_OBJECT_BTF_H

#include "base/arena.h"
#include "base/type.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* BTF_KIND_* of linux/btf.h as a set, for the searches. */
enum object_btf_kinds {
    OBJECT_BTF_STRUCT = 1 << 4,
    OBJECT_BTF_UNION = 1 << 5,
    OBJECT_BTF_ENUM = 1 << 6 | 1 << 19,
    OBJECT_BTF_TYPEDEF = 1 << 8,
    OBJECT_BTF_FUNCTION = 1 << 12,
    OBJECT_BTF_VARIABLE = 1 << 14,
    OBJECT_BTF_INT = 1 << 1,
};

struct object_btf;

/* Opens the BTF file at `path` (NULL: the running kernel's). A file of sysfs is mapped where the kernel allows it
 * (6.16 and newer), any other file is read, because a mapped file that somebody shortens kills the reader.
 * NULL and a negative errno in *error when it cannot be read or is no BTF (-EINVAL). The reader lives in the arena;
 * object_btf_release() gives the pages back before that. */
struct object_btf *object_btf_open(struct arena *arena, const char *path, int *error);
/* The same over bytes that the caller keeps. */
struct object_btf *object_btf_from_bytes(struct arena *arena, const void *bytes, size_t size, int *error);
/* BTF of a module (/sys/kernel/btf/NAME), which goes on where the kernel's, `base`, ends; that must outlive it.
 * Searches find what the module has itself; types may be the kernel's. */
struct object_btf *object_btf_open_module(struct arena *arena, struct object_btf *base, const char *path, int *error);
struct object_btf *object_btf_module_from_bytes(struct arena *arena, struct object_btf *base, const void *bytes,
                                                size_t size, int *error);
/* Unmaps the file; call it before the arena ends, and as often as wanted: any later question attaches the
 * file again. NULL is fine. */
void object_btf_release(struct object_btf *btf);

/* The first type with this name and one of these kinds; 0 when there is none. */
uint32_t object_btf_find(struct object_btf *btf, uint32_t kinds, const char *name);
/* The type with an id; void when the id is no type that has values. Never NULL, the same pointer each time. */
const struct type *object_btf_type(struct object_btf *btf, uint32_t id);
/* The first struct or union with this tag; NULL when there is none. */
const struct type *object_btf_struct(struct object_btf *btf, const char *name);

/* An enumerator by name, over all enums. Costs a scan of all types. */
bool object_btf_enumerator(struct object_btf *btf, const char *name, int64_t *value, const struct type **type);

/* A raw tracepoint (typedef btf_trace_NAME). *typedef_id is what BPF_PROG_LOAD wants as attach_btf_id; *args is a
 * struct with the parameters behind `void *__data`, each in 8-byte slots as the BPF program finds them at ctx.
 * Parameters are named as in the kernel's source where it tells, else arg0, arg1... Outputs may be NULL. */
bool object_btf_raw_tracepoint(struct object_btf *btf, const char *name, uint32_t *typedef_id,
                               const struct type **args);
/* A kernel function: its id (attach_btf_id of fentry and fexit), its parameters in 8-byte slots, and its result
 * (void: none). fexit finds the result in the slot behind the parameters, at offset (*args)->size. */
bool object_btf_function(struct object_btf *btf, const char *name, uint32_t *function_id, const struct type **args,
                         const struct type **result);
/* The same for a function whose id is known, as from object_btf_list(). */
bool object_btf_function_type(struct object_btf *btf, uint32_t function_id, const struct type **args,
                              const struct type **result);
/* Type of a kernel variable; NULL when unknown. */
const struct type *object_btf_variable(struct object_btf *btf, const char *name);

/* The closest name among these kinds for "did you mean", in the arena; NULL when nothing is near. */
const char *object_btf_nearest(struct object_btf *btf, uint32_t kinds, const char *name);
/* Calls for every named type of these kinds until the callback answers false. `name` lives during the call; the
 * callback may ask the same reader, but not release it. */
void object_btf_list(struct object_btf *btf, uint32_t kinds,
                     bool (*callback)(void *context, uint32_t id, const char *name), void *context);
/* Number of types; completes the scan. */
uint32_t object_btf_count(struct object_btf *btf);

#endif
