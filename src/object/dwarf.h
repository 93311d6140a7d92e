/* DWARF: what a compiler wrote about a program with -g. Types, functions with their parameters, source lines.
 *
 * Source of the format: the DWARF standard, versions 2 to 5, and the extensions of GNU (.gnu_debugaltlink,
 * DW_FORM_GNU_*). The parts, each a section of the file:
 *
 *   .debug_info      units (one for each source file that was compiled), each a tree of DIEs (debugging information
 *                    entries): a tag (structure, member, subprogram, ...) and attributes (name, type, address, ...)
 *   .debug_abbrev    the shapes of DIEs: a DIE begins with the number of its shape, which tells tag and attributes
 *   .debug_str, .debug_line_str, .debug_str_offsets, .debug_addr    texts and addresses that attributes refer to
 *   .debug_types     DWARF 4: units that hold one type each, referred to by a signature of 8 bytes
 *   .debug_loclists, .debug_loc, .debug_rnglists, .debug_ranges     where a variable is, and which addresses a function
 *                    has, in pieces
 *   .debug_line      a small program for each unit whose output is the table address -> file, line, column
 *   .debug_aranges   which unit has which addresses
 *
 * Nothing is read ahead. A function is found through .debug_aranges (or the ranges of the units), then in its unit. A
 * name is looked up in an index, which is made on the first such question, in one pass over the outer DIEs of all
 * units: bodies of functions are stepped over by DW_AT_sibling, shapes of constant size in one step. .debug_names and
 * .gdb_index are not used: most files have neither, and they do not say which of many equal names is a definition.
 *
 * Types become `struct type` (base/type.h) in the arena, as object/btf.h has it for the kernel's; differences:
 *   pointers and references point to user memory; a reference reads as a pointer
 *   base classes are members without a name, so that their members are found as those of the class
 *   a struct without a name that a typedef names has that name
 *   floating point: an array of bytes
 *
 * Arguments: at the first instruction of a function they are where the calling convention puts them, whatever the
 * compiler then does with them; so their places follow from their types (dwarf_convention.c). Only where a function
 * does not keep to the convention (inlined, or changed by the optimizer) its location descriptions are asked.
 *
 * The bytes are hostile: each read is checked, references lead to DIEs of known units only, recursion has a limit.
 * Refused with a reason: split DWARF (.dwo), sections compressed with zstd, 64-bit offsets beyond the file.
 */
#ifndef TARSIER_OBJECT_DWARF_H
#define TARSIER_OBJECT_DWARF_H

#include "base/arena.h"
#include "base/location.h"
#include "base/type.h"
#include "base/vec.h"
#include "object/elf.h"

struct object_dwarf;

/* The debug information in `elf`, which must stay open. NULL and *reason (in the arena) when there is none. The reader
 * and its types live in the arena; object_dwarf_close() gives back what is mapped, object_dwarf_rest() what can be had
 * again when it is needed. */
struct object_dwarf *object_dwarf_open(struct arena *arena, struct object_elf *elf, const char **reason);
void object_dwarf_close(struct object_dwarf *dwarf);
void object_dwarf_rest(struct object_dwarf *dwarf);

/* ---- types ---------------------------------------------------------------------------------------------------- */

enum object_dwarf_kinds {
    OBJECT_DWARF_STRUCT = 1, /* and class */
    OBJECT_DWARF_UNION = 2,
    OBJECT_DWARF_ENUM = 4,
    OBJECT_DWARF_TYPEDEF = 8,
    OBJECT_DWARF_BASE = 16,
    OBJECT_DWARF_TYPES = 31,
    OBJECT_DWARF_FUNCTION = 32,
};

/* A definition with this name; that of the unit which has `address` before others (0: any). NULL when there is none. */
const struct type *object_dwarf_type(struct object_dwarf *dwarf, uint32_t kinds, const char *name, uint64_t address);
/* The constant of an enum, and the enum; NULL when no enum has such a constant. Looks through all units. */
const struct type *object_dwarf_enumerator(struct object_dwarf *dwarf, const char *name, int64_t *value);
/* The closest name among these kinds, in the arena; NULL when nothing is near. */
const char *object_dwarf_nearest(struct object_dwarf *dwarf, uint32_t kinds, const char *name);
/* Each name of these kinds once, until the callback answers false. */
void object_dwarf_list(struct object_dwarf *dwarf, uint32_t kinds, bool (*callback)(void *context, const char *name),
                       void *context);

/* ---- functions ------------------------------------------------------------------------------------------------ */

struct dwarf_die;

struct object_function {
    const char *name;                 /* as in the source */
    const struct type *args;          /* a struct; offsets of its fields mean nothing */
    const struct location *locations; /* of each field of args */
    const struct type *result;        /* void: none */
    struct location result_location;  /* when it returns */
    const struct dwarf_die *declared; /* of each argument, then of the result: see object_dwarf_declared() */
    uint64_t address;                 /* of its first instruction */
    bool is_inlined;                  /* a copy inside of another function, whose name is `into` */
    const char *into;
};

/* Same arguments and result, at the same places. */
bool object_function_same(const struct object_function *a, const struct object_function *b);
/* The function whose first instruction is at `address`. is_changed: its symbol says that the optimizer gave it other
 * parameters (NAME.isra.0). */
bool object_dwarf_function(struct object_dwarf *dwarf, uint64_t address, bool is_changed, struct object_function *out);
/* A function by its name, in debug information of another file with the same source: where its arguments are follows
 * from their types. */
bool object_dwarf_function_named(struct object_dwarf *dwarf, const char *name, struct object_function *out);
/* Calls for each copy of a function of that name (source or linkage name) that was inlined, by address. */
void object_dwarf_inlined(struct object_dwarf *dwarf, const char *name,
                          void (*callback)(void *context, const struct object_function *copy), void *context);

/* How the source writes the type of an argument, or behind the last of them that of the result: "const char*". NULL:
 * not known. The text is in `out`. */
const char *object_dwarf_declared(const struct object_function *function, uint32_t argument, struct strbuf *out);

/* ---- source lines --------------------------------------------------------------------------------------------- */

struct object_line {
    uint64_t address;
    const char *file;
    uint32_t line, column;
};

/* The places in the code that begin to execute a line of a file: one address for each function or inlined copy that has
 * code of the line. `file` is a path or the end of one. column 0: any.
 * When there are none, `near` says the nearest lines that have code. */
struct object_lines {
    VEC(struct object_line) found;
    uint32_t before, after;  /* nearest lines that have code; 0: none */
    VEC(const char *) files; /* paths that `file` may mean */
};
void object_dwarf_lines(struct object_dwarf *dwarf, const char *file, uint32_t line, uint32_t column,
                        struct object_lines *out);

/* ---- from code to the source ---------------------------------------------------------------------------------- */

struct object_place {
    const char *function; /* as in the source; linkage name of C++ and Rust where there is one; NULL not known */
    const char *file;     /* NULL not known */
    uint32_t line;        /* 0 not known */
};
/* What an instruction belongs to: [0] is the innermost inlined copy, the last one the function itself; those behind the
 * first tell where the copy is called. Their number, at most `most`; 0: nothing is known. */
uint32_t object_dwarf_places(struct object_dwarf *dwarf, uint64_t address, struct object_place *places, uint32_t most);

#endif
