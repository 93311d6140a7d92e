/* Types as they stand in the source, for lists of arguments: "const char*", "size_t", "struct request*". What is
 * resolved to struct type has lost typedefs and qualifiers. */
#include "object/dwarf_int.h"

#include <string.h>

enum { DEEPEST = 32, LONGEST = 4096 }; /* what refers to itself has no end */

static void add_type(const struct dwarf_die *die, struct strbuf *out, int depth);

/* What the type is made of; C leaves `void` out. */
static void add_inner(const struct dwarf_die *die, struct strbuf *out, int depth) {
    struct dwarf_die inner;

    if (dwarf_reference(die, DW_AT_type, &inner))
        add_type(&inner, out, depth + 1);
    else
        strbuf_addstr(out, "void");
}

/* `T const` of a pointer is a pointer that stays; else the qualifier stands in front, as people write it. */
static void add_qualified(const struct dwarf_die *die, const char *qualifier, struct strbuf *out, int depth) {
    struct dwarf_die inner;

    if (dwarf_reference(die, DW_AT_type, &inner) && inner.shape->tag == DW_TAG_pointer_type) {
        add_type(&inner, out, depth + 1);
        strbuf_addf(out, " %s", qualifier);
        return;
    }
    strbuf_addf(out, "%s ", qualifier);
    add_inner(die, out, depth);
}

static void add_array(const struct dwarf_die *die, struct strbuf *out, int depth) {
    uint64_t count;

    add_inner(die, out, depth);
    if (dwarf_array_count(die, &count) && count)
        strbuf_addf(out, "[%llu]", (unsigned long long)count);
    else
        strbuf_addstr(out, "[]");
}

/* int (char*, size_t) */
static void add_function(const struct dwarf_die *die, struct strbuf *out, int depth) {
    struct dwarf_walk walk = dwarf_children(die);
    struct dwarf_die parameter;
    bool is_first = true;

    add_inner(die, out, depth);
    strbuf_addstr(out, " (");
    while (out->length <= LONGEST && dwarf_next_child(&walk, &parameter)) {
        if (parameter.shape->tag != DW_TAG_formal_parameter)
            continue;
        strbuf_addstr(out, is_first ? "" : ", ");
        add_inner(&parameter, out, depth);
        is_first = false;
    }
    strbuf_addch(out, ')');
}

/* In front of the names of C++ and Rust too: casts want it. */
static const char *keyword(const struct dwarf_die *die) {
    return die->shape->tag == DW_TAG_union_type         ? "union"
           : die->shape->tag == DW_TAG_enumeration_type ? "enum"
                                                        : "struct";
}

static void add_type(const struct dwarf_die *die, struct strbuf *out, int depth) {
    const char *name = dwarf_name(die);

    if (depth > DEEPEST || out->length > LONGEST) {
        strbuf_addstr(out, "...");
        return;
    }
    switch (die->shape->tag) {
    case DW_TAG_pointer_type:
        add_inner(die, out, depth);
        strbuf_addch(out, '*');
        break;
    case DW_TAG_reference_type:
        add_inner(die, out, depth);
        strbuf_addch(out, '&');
        break;
    case DW_TAG_rvalue_reference_type:
        add_inner(die, out, depth);
        strbuf_addstr(out, "&&");
        break;
    case DW_TAG_const_type:
        add_qualified(die, "const", out, depth);
        break;
    case DW_TAG_volatile_type:
        add_qualified(die, "volatile", out, depth);
        break;
    case DW_TAG_restrict_type: /* a promise to the compiler */
    case DW_TAG_atomic_type:
        add_inner(die, out, depth);
        break;
    case DW_TAG_array_type:
        add_array(die, out, depth);
        break;
    case DW_TAG_subroutine_type:
        add_function(die, out, depth);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        strbuf_addf(out, "%s %s", keyword(die), name ? name : "{...}");
        break;
    default:
        strbuf_addstr(out, name ? name : "?");
    }
}

const char *object_dwarf_declared(const struct object_function *function, uint32_t argument, struct strbuf *out) {
    if (!function->declared || !function->declared[argument].unit)
        return NULL;
    strbuf_reset(out);
    add_type(&function->declared[argument], out, 0);
    return strbuf_text(out);
}
