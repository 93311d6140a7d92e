/* Inside of the DWARF reader. Files:
 *   dwarf.c             sections, units, shapes of DIEs
 *   dwarf_die.c         walking through DIEs, reading their attributes
 *   dwarf_index.c       names
 *   dwarf_type.c        DIEs as struct type
 *   dwarf_text.c        types as the source writes them
 *   dwarf_function.c    functions, their parameters, inlined copies
 *   dwarf_convention.c  the calling conventions: where arguments and results are
 *   dwarf_location.c    location descriptions and lists of ranges
 *   dwarf_line.c        source lines
 *   dwarf_place.c       from an address to the source
 *   dwarf_names.h       the numbers of the standard
 */
#ifndef TARSIER_OBJECT_DWARF_INT_H
#define TARSIER_OBJECT_DWARF_INT_H

#include "base/hash.h"
#include "object/dwarf.h"
#include "object/dwarf_names.h"
#include "object/dwarf_reader.h"
#include "object/input.h"

enum dwarf_section {
    DWARF_INFO,
    DWARF_TYPES,
    DWARF_ABBREV,
    DWARF_STR,
    DWARF_LINE_STR,
    DWARF_STR_OFFSETS,
    DWARF_ADDR,
    DWARF_LOC,
    DWARF_LOCLISTS,
    DWARF_RANGES,
    DWARF_RNGLISTS,
    DWARF_LINE,
    DWARF_ARANGES,
    DWARF_SECTIONS
};

const char *dwarf_text(struct dwarf_reader *in); /* up to a NUL; "" when there is none */
/* The size in front of a unit, a table: 4 bytes, or 12 when offsets take 8. Ends `in` where the unit ends. */
bool dwarf_initial_length(struct dwarf_reader *in, struct dwarf_reader *unit, uint8_t *offset_size);

/* The shape of a DIE. */
enum { DWARF_SIZE_VARIES = 255 };
struct dwarf_attribute {
    uint16_t name, form;
    uint8_t size;     /* bytes it takes, or DWARF_SIZE_VARIES */
    int64_t constant; /* DW_FORM_implicit_const */
};
struct dwarf_shape {
    const struct dwarf_attribute *attributes;
    uint32_t count;
    uint32_t fixed_size; /* bytes of all attributes, or UINT32_MAX when it differs from DIE to DIE */
    uint16_t tag;        /* 0: no such shape */
    bool has_children;
    bool has_code;   /* has an address */
    bool is_inlined; /* has DW_AT_inline; or neither that nor an address, as gcc's link-time optimization leaves it */
};
struct dwarf_shapes {
    struct dwarf_shape *items; /* by number; 0 is unused */
    uint32_t count;
};

struct dwarf_unit {
    struct object_dwarf *dwarf;
    enum dwarf_section section; /* DWARF_INFO or DWARF_TYPES */
    uint64_t start, first, end; /* in the section: header, first DIE, behind it */
    uint64_t abbrev_offset;
    uint64_t signature, type_start;    /* type units; else 0 */
    const struct dwarf_shapes *shapes; /* when is_ready */
    uint64_t str_offsets_base, addr_base, loclists_base, rnglists_base, low_address;
    uint64_t line_offset; /* UINT64_MAX: none */
    const char *directory, *name;
    uint16_t version;
    uint16_t language;
    uint8_t address_size, offset_size;
    bool is_ready, is_broken;
    bool was_walked;             /* by a search for inlined copies */
    struct dwarf_places *places; /* from addresses to the source; NULL until it is needed */
};

struct object_dwarf {
    struct arena *arena;
    struct object_elf *elf;
    struct object_bytes sections[DWARF_SECTIONS];
    struct dwarf_unit *units; /* by section, start */
    uint32_t unit_count;
    struct hash shapes;     /* by offset in .debug_abbrev */
    struct hash types;      /* by dwarf_die_key() */
    struct hash signatures; /* type units */
    struct hash texts;      /* names in the arena, by their place in the file */
    bool has_signatures;
    struct dwarf_index *types_index, *functions_index; /* NULL until they are needed */
    struct object_dwarf *other;                        /* the file that .gnu_debugaltlink names */
    bool has_looked_for_other;
};

struct dwarf_die {
    struct dwarf_unit *unit;
    uint64_t offset; /* in its section */
    const struct dwarf_shape *shape;
    const uint8_t *attributes; /* the first one's bytes */
};

/* An attribute's value. `number` has what there is one number for: constants, flags, addresses, offsets. */
struct dwarf_value {
    uint16_t form;
    uint64_t number;
    const char *text;
    const uint8_t *bytes; /* block, expression */
    uint64_t size;
};

static inline struct dwarf_reader dwarf_reader(const struct object_dwarf *dwarf, enum dwarf_section section,
                                               uint64_t offset) {
    const struct object_bytes *bytes = &dwarf->sections[section];
    bool is_inside = bytes->bytes && offset <= bytes->size;
    return (struct dwarf_reader){is_inside ? bytes->bytes + offset : NULL,
                                 is_inside ? bytes->bytes + bytes->size : NULL, !is_inside};
}

static inline uint64_t dwarf_die_key(const struct dwarf_die *die) {
    return die->offset << 1 | (die->unit->section == DWARF_TYPES);
}

/* dwarf.c */
bool dwarf_unit_ready(struct dwarf_unit *unit); /* shapes and the root's attributes are read; false: broken */
struct dwarf_unit *dwarf_unit_at(struct object_dwarf *dwarf, enum dwarf_section section, uint64_t offset);
struct dwarf_unit *dwarf_unit_of_address(struct object_dwarf *dwarf, uint64_t address);
struct object_dwarf *dwarf_other(struct object_dwarf *dwarf);
const struct dwarf_shape *dwarf_shape(const struct dwarf_unit *unit, uint64_t number);

/* dwarf_die.c: a walk visits DIEs in the order of the file. */
struct dwarf_walk {
    struct dwarf_unit *unit;
    struct dwarf_reader in;
    int depth;        /* of the next DIE below where the walk began */
    uint64_t sibling; /* of the DIE just given: where its children end, in its unit; 0: not said */
};
bool dwarf_read_value(const struct dwarf_unit *unit, struct dwarf_reader *in, uint16_t form, int64_t constant,
                      struct dwarf_value *value);
bool dwarf_die_at(struct dwarf_unit *unit, uint64_t offset, struct dwarf_die *die);
bool dwarf_root(struct dwarf_unit *unit, struct dwarf_die *die);
bool dwarf_attribute(const struct dwarf_die *die, uint16_t name, struct dwarf_value *value);
/* The same, and when it is missing that of the DIE which this one completes (specification, abstract origin). */
bool dwarf_attribute_deep(const struct dwarf_die *die, uint16_t name, struct dwarf_value *value);
const char *dwarf_name(const struct dwarf_die *die); /* NULL: none; lives as long as the file is mapped */
bool dwarf_flag(const struct dwarf_die *die, uint16_t name);
bool dwarf_constant(const struct dwarf_die *die, uint16_t name, uint64_t *number);
/* The DIE that an attribute refers to. */
bool dwarf_reference(const struct dwarf_die *die, uint16_t name, struct dwarf_die *target);
/* for (walk = dwarf_children(&parent); dwarf_next_child(&walk, &child);) { ... } */
struct dwarf_walk dwarf_children(const struct dwarf_die *die);
bool dwarf_next_child(struct dwarf_walk *walk, struct dwarf_die *die); /* at the same level; `die` as given before */
bool dwarf_next(struct dwarf_walk *walk, struct dwarf_die *die);       /* goes into children */
void dwarf_skip(struct dwarf_walk *walk, const struct dwarf_die *die); /* over the children of the one just given */

/* dwarf_index.c */
struct dwarf_name {
    struct dwarf_unit *unit;
    uint64_t offset;
    const char *text;
    uint32_t next; /* with the same hash; 0: none */
    uint32_t hash;
    uint32_t kind;
};
/* The first, or next (`after` not NULL) DIE with that name. */
const struct dwarf_name *dwarf_find_name(struct object_dwarf *dwarf, uint32_t kinds, const char *name,
                                         const struct dwarf_name *after);

/* dwarf_type.c */
const struct type *dwarf_type_of(const struct dwarf_die *die);         /* of a type's DIE */
const struct type *dwarf_type_attribute(const struct dwarf_die *die);  /* of what its DW_AT_type refers to; void */
bool dwarf_strip(const struct dwarf_die *die, struct dwarf_die *type); /* typedefs and qualifiers taken off */
uint64_t dwarf_size(const struct dwarf_die *type, int depth);
bool dwarf_array_count(const struct dwarf_die *array, uint64_t *count); /* of all dimensions together */
bool dwarf_member_offset(const struct dwarf_die *member, uint64_t *offset);
bool dwarf_complete_definition(const struct dwarf_die *type, struct dwarf_die *definition);
const char *dwarf_keep(struct object_dwarf *dwarf, const char *text);

/* dwarf_convention.c */
struct dwarf_parameters {
    struct object_dwarf *dwarf;
    unsigned general, vector; /* registers used */
    uint64_t stack;           /* bytes used above the return address */
    bool is_rust;
};
struct location dwarf_place_parameter(struct dwarf_parameters *state, const struct dwarf_die *type);
/* `type` NULL: none. Takes the register of a hidden pointer. */
struct location dwarf_place_result(struct dwarf_parameters *state, const struct dwarf_die *type);

/* dwarf_line.c */
struct dwarf_line_row {
    uint64_t address;
    uint32_t file, line; /* from here on; file: number in the unit's list */
    uint32_t order;      /* in the file */
    bool is_end;         /* no code of this piece from here on */
};
struct dwarf_line_rows {
    struct dwarf_line_row *data;
    uint32_t count, capacity;
};
void dwarf_line_rows(struct dwarf_unit *unit, struct dwarf_line_rows *out); /* appends, sorted by address */
const char *dwarf_line_file(struct dwarf_unit *unit, uint32_t number);      /* NULL: no such file; in the arena */

/* dwarf_location.c */
struct location dwarf_locate(const struct dwarf_die *variable, uint64_t address, bool is_entry);
struct dwarf_range {
    uint64_t begin, end;
};
/* Calls with each range of addresses until the callback answers true; gives that answer. */
bool dwarf_each_range(const struct dwarf_die *die, bool (*callback)(void *context, struct dwarf_range range),
                      void *context);
bool dwarf_entry(const struct dwarf_die *die, uint64_t *address); /* of its first instruction */

#endif
