/* Inside of the BTF reader, shared by btf.c (file, scan, names) and btf_type.c (records to struct type). */
#ifndef TARSIER_OBJECT_BTF_RECORD_H
#define TARSIER_OBJECT_BTF_RECORD_H

#include "base/hash.h"
#include "object/btf.h"
#include "object/input.h"
#include <linux/btf.h>

/* Kinds the installed linux/btf.h may be too old to name. */
enum { RECORD_ENUM64 = 19, RECORD_KINDS = 20 };

enum { RECORD_STRIDE = 16 }; /* ids per noted offset */

struct record_list {
    uint32_t *data, count, capacity;
};

struct object_btf {
    struct arena *arena;
    char *path; /* NULL: bytes of the caller */
    const uint8_t *data;
    size_t size;
    size_t mapped; /* bytes to unmap at release */
    const uint8_t *types;
    const char *strings; /* the last byte is NUL */
    uint32_t types_size, strings_size;

    /* Where ids 1, 1 + RECORD_STRIDE, ... start in the type section, as far as the scan has come. */
    uint32_t *noted;
    /* Of the same records: offsets of their names in the strings, by id; ids of the enums. Later searches read these.
     */
    uint32_t *names; /* as many as ids have been seen */
    struct record_list enums;
    uint32_t next_id, next_offset; /* the first record not yet seen */
    bool is_scanned;               /* no record is left */

    struct record_slot *index; /* btf_index.c; NULL until so many searches were made that it pays */
    uint32_t index_mask, searches;

    struct hash by_id;   /* id -> struct type */
    struct hash by_name; /* "KINDS NAME" -> id + 1; 1: there is none */

    /* BTF of a module: its ids and the offsets of its strings go on where those of the kernel end. */
    struct object_btf *base; /* NULL: this is the kernel's */
    uint32_t first_id, base_strings_size;
};

/* One type record, its fixed part decoded. */
struct record {
    uint32_t id, name_offset, kind, count; /* count: vlen */
    bool kind_flag;
    uint32_t size_or_type;
    const uint8_t *tail; /* what follows the fixed part */
};

/* Makes the bytes available again after a release. False when they are gone; the reader is then empty. */
bool record_attach(struct object_btf *btf);
/* The record of an id; false for 0 and beyond the end. */
bool record_get(struct object_btf *btf, uint32_t id, struct record *record);
/* Text of a name; "" when anonymous or broken. Lives until release. */
const char *record_name(const struct object_btf *btf, uint32_t name_offset);
/* The same in the arena; NULL when anonymous. */
const char *record_copy_name(struct object_btf *btf, uint32_t name_offset);
/* The first record whose kind is in `kinds` (a bit per kind) and whose name is `name`. */
bool record_find(struct object_btf *btf, uint32_t kinds, const char *name, struct record *record);

/* The same through the index of all names, which is made by the first call. */
bool record_find_indexed(struct object_btf *btf, uint32_t kinds, const char *name, struct record *record);

struct record_cursor {
    uint32_t id, offset; /* of the next record */
};
#define RECORD_FIRST(btf) ((struct record_cursor){(btf)->first_id, 0}) /* of its own records, not of its base */
/* The next record of one of these kinds; false at the end. */
bool record_next(struct object_btf *btf, struct record_cursor *cursor, uint32_t kinds, struct record *record);

/* Offsets in the strings at which the text `name` stands, ascending, in the heap. BTF writers share a string among its
 * users, and usually not its tail; so whole strings are asked for first (there is one) and tails only if that gives
 * nothing. */
uint32_t *record_name_offsets(struct object_btf *btf, const char *name, bool want_tails, uint32_t *count);
bool record_has_offset(const uint32_t *offsets, uint32_t count, uint32_t offset);

#endif
