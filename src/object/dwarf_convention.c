/* Calling conventions: where arguments are when a function begins, and its result when it ends.
 *
 * x86-64 (System V psABI, 3.2.3): each 8 bytes of an argument have a class. INTEGER goes to rdi rsi rdx rcx r8 r9,
 * VECTOR to xmm0.. (which BPF programs can not read), MEMORY onto the stack, 8 bytes above the stack pointer. An
 * argument is in registers as a whole or not at all. A class of C++ that can not be copied byte by byte is passed by
 * its address. aarch64 (AAPCS64): x0..x7, v0..v7 for floating point and structs of up to four equal floats; what is
 * larger than 16 bytes is passed by its address. Rust passes large structs by address as well. */
#include "object/dwarf_int.h"

#include <elf.h>

enum { DEEPEST = 16, PARTS = 2, MOST_ELEMENTS = 16 };

enum part_class { CLASS_NONE, CLASS_INTEGER, CLASS_VECTOR, CLASS_MEMORY };

struct classes {
    enum part_class part[PARTS];
    uint64_t size;
    unsigned align;    /* 8 or 16 */
    bool is_reference; /* passed by address */
    unsigned floats;   /* how many, of `float_size` each; for aarch64 */
    uint64_t float_size;
    bool has_others; /* than those floats */
};

struct convention {
    uint8_t general[8];
    unsigned general_count, vector_count;
    uint8_t results[2], stack;
    unsigned above_stack; /* bytes from the stack pointer to the first argument there */
};

static const struct convention x86_64 = {{5, 4, 1, 2, 8, 9}, 6, 8, {0, 1}, 7, 8};
static const struct convention aarch64 = {{0, 1, 2, 3, 4, 5, 6, 7}, 8, 8, {0, 1}, 31, 0};

static bool is_arm(const struct object_dwarf *dwarf) { return object_elf_machine(dwarf->elf) == EM_AARCH64; }

static const struct convention *convention_of(const struct object_dwarf *dwarf) {
    return is_arm(dwarf) ? &aarch64 : &x86_64;
}

/* ---- classes ------------------------------------------------------------------------------------------------- */

static void merge(struct classes *classes, uint64_t offset, enum part_class class) {
    enum part_class *part = &classes->part[offset / 8 < PARTS ? offset / 8 : PARTS - 1];

    if (class == CLASS_MEMORY || offset / 8 >= PARTS)
        *part = CLASS_MEMORY;
    else if (*part == CLASS_NONE || (*part == CLASS_VECTOR && class == CLASS_INTEGER))
        *part = class;
}

static void add_scalar(struct classes *classes, uint64_t offset, uint64_t size, enum part_class class) {
    uint64_t align = size < 16 ? size : 16;

    if (size == 0 || size > 16 || offset % align) { /* packed */
        merge(classes, offset, CLASS_MEMORY);
        return;
    }
    if (size == 16)
        classes->align = 16;
    for (uint64_t at = 0; at < size; at += 8)
        merge(classes, offset + at, class);
    classes->has_others |= class != CLASS_VECTOR || (classes->floats && classes->float_size != size);
    classes->floats++;
    classes->float_size = size;
}

/* ---- classes of C++ that are passed by address ------------------------------------------------------------------- */

static bool takes_own_class(const struct dwarf_die *constructor, const struct dwarf_die *record) {
    struct dwarf_walk walk = dwarf_children(constructor);
    struct dwarf_die parameter, type, target, stripped;
    bool is_own = false;
    int count = 0;

    while (dwarf_next_child(&walk, &parameter)) {
        if (parameter.shape->tag != DW_TAG_formal_parameter || dwarf_flag(&parameter, DW_AT_artificial))
            continue;
        count++;
        is_own =
            dwarf_reference(&parameter, DW_AT_type, &type) && dwarf_strip(&type, &stripped) &&
            (stripped.shape->tag == DW_TAG_reference_type || stripped.shape->tag == DW_TAG_rvalue_reference_type) &&
            dwarf_reference(&stripped, DW_AT_type, &target) && dwarf_strip(&target, &stripped) &&
            stripped.unit == record->unit && stripped.offset == record->offset;
    }
    return count == 1 && is_own;
}

/* A destructor, or a constructor that copies or moves, that somebody wrote. */
static bool is_special(const struct dwarf_die *method, const struct dwarf_die *record) {
    const char *name = dwarf_name(method), *class = dwarf_name(record);
    uint64_t defaulted = 0;

    if (!name || !class || dwarf_flag(method, DW_AT_artificial) ||
        (dwarf_constant(method, DW_AT_defaulted, &defaulted) && defaulted == DW_DEFAULTED_in_class))
        return false;
    size_t length = strcspn(class, "<");
    return name[0] == '~' || (strncmp(name, class, length) == 0 && (name[length] == '\0' || name[length] == '<') &&
                              takes_own_class(method, record));
}

/* Not copied byte by byte: has such a method, or virtual ones, or a part of it has. Some compilers say it
 * (DW_AT_calling_convention), others leave it to us. */
static bool is_by_address(const struct dwarf_die *record, int depth) {
    struct dwarf_walk walk = dwarf_children(record);
    struct dwarf_die child, type, part, ignored;
    uint64_t convention;

    if (dwarf_constant(record, DW_AT_calling_convention, &convention) && convention >= DW_CC_pass_by_reference)
        return convention == DW_CC_pass_by_reference;
    if (dwarf_reference(record, DW_AT_containing_type, &ignored)) /* has a table of virtual methods */
        return true;
    while (depth < DEEPEST && dwarf_next_child(&walk, &child)) {
        if (child.shape->tag == DW_TAG_subprogram && is_special(&child, record))
            return true;
        if ((child.shape->tag != DW_TAG_member && child.shape->tag != DW_TAG_inheritance) ||
            dwarf_flag(&child, DW_AT_external) || dwarf_flag(&child, DW_AT_declaration))
            continue;
        if (dwarf_flag(&child, DW_AT_virtuality))
            return true;
        if (!dwarf_reference(&child, DW_AT_type, &type) || !dwarf_strip(&type, &part))
            continue;
        while (part.shape->tag == DW_TAG_array_type && dwarf_reference(&part, DW_AT_type, &type) &&
               dwarf_strip(&type, &part) && depth++ < DEEPEST)
            ;
        if ((part.shape->tag == DW_TAG_structure_type || part.shape->tag == DW_TAG_class_type) &&
            is_by_address(&part, depth + 1))
            return true;
    }
    return false;
}

/* ---- classes of words -------------------------------------------------------------------------------------------- */

static void classify(const struct dwarf_die *die, uint64_t offset, struct classes *classes, int depth);

static void classify_base(const struct dwarf_die *die, uint64_t offset, struct classes *classes) {
    uint64_t size = dwarf_size(die, 0), encoding = 0;
    const char *name = dwarf_name(die);

    dwarf_constant(die, DW_AT_encoding, &encoding);
    if (encoding == DW_ATE_complex_float && size <= 16) {
        add_scalar(classes, offset, size / 2, CLASS_VECTOR);
        add_scalar(classes, offset + size / 2, size / 2, CLASS_VECTOR);
    } else if (encoding == DW_ATE_float || encoding == DW_ATE_complex_float || encoding == DW_ATE_decimal_float) {
        bool is_x87 = size == 16 && name && strcmp(name, "long double") == 0 && !is_arm(die->unit->dwarf);
        classes->align = is_x87 ? 16 : classes->align;
        add_scalar(classes, offset, size, is_x87 ? CLASS_MEMORY : CLASS_VECTOR);
    } else {
        add_scalar(classes, offset, size, CLASS_INTEGER);
    }
}

static void classify_array(const struct dwarf_die *die, uint64_t offset, struct classes *classes, int depth) {
    struct dwarf_die element;
    uint64_t count = 0, size = 0;

    if (dwarf_reference(die, DW_AT_type, &element) && dwarf_array_count(die, &count))
        size = dwarf_size(&element, 0);
    if (dwarf_flag(die, DW_AT_GNU_vector)) {
        classes->align = 16;
        classes->has_others |= size * count > 16;
        merge(classes, offset, CLASS_VECTOR);
        return;
    }
    if (size == 0 || count > MOST_ELEMENTS)
        merge(classes, offset, count ? CLASS_MEMORY : CLASS_NONE);
    for (uint64_t i = 0; size && i < count && i < MOST_ELEMENTS; i++)
        classify(&element, offset + i * size, classes, depth + 1);
}

static void classify_member(const struct dwarf_die *member, uint64_t offset, struct classes *classes, int depth) {
    struct dwarf_die type;
    uint64_t at, width, first;

    if ((member->shape->tag != DW_TAG_member && member->shape->tag != DW_TAG_inheritance) ||
        dwarf_flag(member, DW_AT_external) || !dwarf_reference(member, DW_AT_type, &type))
        return;
    if (dwarf_constant(member, DW_AT_bit_size, &width)) {
        bool has_bits = dwarf_constant(member, DW_AT_data_bit_offset, &first);
        if (!has_bits && dwarf_member_offset(member, &at))
            first = at * 8; /* old: the storage decides, which is in one part */
        merge(classes, offset + first / 8, CLASS_INTEGER);
        if (has_bits && width)
            merge(classes, offset + (first + width - 1) / 8, CLASS_INTEGER);
        classes->has_others = true;
    } else if (!dwarf_member_offset(member, &at)) {
        merge(classes, offset, CLASS_MEMORY);
    } else {
        classify(&type, offset + at, classes, depth + 1);
    }
}

static void classify_record(const struct dwarf_die *die, uint64_t offset, struct classes *classes, int depth) {
    struct dwarf_die definition, member;

    if (!dwarf_complete_definition(die, &definition) || dwarf_size(&definition, 0) > 16) {
        merge(classes, offset, CLASS_MEMORY);
        return;
    }
    for (struct dwarf_walk walk = dwarf_children(&definition); dwarf_next_child(&walk, &member);)
        classify_member(&member, offset, classes, depth);
}

static void classify(const struct dwarf_die *die, uint64_t offset, struct classes *classes, int depth) {
    struct dwarf_die type;

    if (depth > DEEPEST || !dwarf_strip(die, &type)) {
        merge(classes, offset, CLASS_MEMORY);
        return;
    }
    switch (type.shape->tag) {
    case DW_TAG_base_type:
        classify_base(&type, offset, classes);
        break;
    case DW_TAG_array_type:
        classify_array(&type, offset, classes, depth);
        break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        classify_record(&type, offset, classes, depth);
        break;
    default: {
        uint64_t size = dwarf_size(&type, 0);
        add_scalar(classes, offset, size ? size : 8, CLASS_INTEGER);
    }
    }
}

static struct classes classes_of(const struct dwarf_die *type) {
    struct classes classes = {.size = dwarf_size(type, 0), .align = 8};
    struct dwarf_die stripped, definition;

    if (dwarf_strip(type, &stripped) &&
        (stripped.shape->tag == DW_TAG_structure_type || stripped.shape->tag == DW_TAG_class_type) &&
        dwarf_complete_definition(&stripped, &definition))
        classes.is_reference = is_by_address(&definition, 0);
    classify(type, 0, &classes, 0);
    for (int i = 0; i < PARTS; i++)
        if (classes.part[i] == CLASS_MEMORY)
            classes.part[0] = CLASS_MEMORY;
    return classes;
}

static unsigned count_class(const struct classes *classes, enum part_class class) {
    return (classes->part[0] == class) + (classes->part[1] == class);
}

/* ---- places -------------------------------------------------------------------------------------------------- */

static struct location nowhere(const char *reason) {
    return (struct location){.kind = LOCATION_NOWHERE, .reason = reason};
}

static const char in_vector[] = "it is passed in a floating-point register, which BPF programs can not read";

static struct location general(struct dwarf_parameters *state, const struct convention *rules, unsigned count) {
    struct location location = {.kind = LOCATION_REGISTERS, .count = (uint8_t)count};

    for (unsigned i = 0; i < count; i++)
        location.registers[i] = rules->general[state->general++];
    return location;
}

static struct location on_stack(struct dwarf_parameters *state, const struct convention *rules,
                                const struct classes *classes) {
    state->stack = (state->stack + classes->align - 1) & ~(uint64_t)(classes->align - 1);
    struct location location = {.kind = LOCATION_MEMORY,
                                .count = 1,
                                .registers = {rules->stack},
                                .number = (int64_t)(rules->above_stack + state->stack)};
    state->stack += (classes->size + 7) & ~7ull;
    return location;
}

/* Its address is what is passed. */
static struct location by_reference(struct dwarf_parameters *state, const struct convention *rules) {
    static const struct classes address = {.size = 8, .align = 8};

    if (state->general == rules->general_count) {
        on_stack(state, rules, &address);
        return nowhere("its address is on the stack, and tarsier does not follow that");
    }
    struct location location = general(state, rules, 1);
    location.kind = LOCATION_MEMORY;
    return location;
}

static struct location place_arm(struct dwarf_parameters *state, const struct classes *classes) {
    unsigned count = classes->size > 8 ? 2 : 1;

    if (!classes->has_others && classes->floats > 0 && classes->floats <= 4) {
        state->vector += classes->floats;
        return nowhere(in_vector);
    }
    if (classes->is_reference || classes->size > 16)
        return by_reference(state, &aarch64);
    if (classes->align == 16)
        state->general += state->general & 1;
    if (state->general + count <= aarch64.general_count)
        return general(state, &aarch64, count);
    state->general = aarch64.general_count;
    return on_stack(state, &aarch64, classes);
}

struct location dwarf_place_parameter(struct dwarf_parameters *state, const struct dwarf_die *type) {
    const struct convention *rules = convention_of(state->dwarf);
    struct classes classes = classes_of(type);
    unsigned integers = count_class(&classes, CLASS_INTEGER), vectors = count_class(&classes, CLASS_VECTOR);

    if (rules == &aarch64)
        return place_arm(state, &classes);
    if (classes.is_reference || (state->is_rust && classes.part[0] == CLASS_MEMORY))
        return by_reference(state, rules);
    if (classes.part[0] == CLASS_NONE && classes.part[1] == CLASS_NONE)
        return nowhere("it is empty");
    if (classes.part[0] == CLASS_MEMORY || state->general + integers > rules->general_count ||
        state->vector + vectors > rules->vector_count)
        return on_stack(state, rules, &classes);
    state->vector += vectors;
    if (!vectors)
        return general(state, rules, integers);
    state->general += integers;
    return nowhere(in_vector);
}

struct location dwarf_place_result(struct dwarf_parameters *state, const struct dwarf_die *type) {
    const struct convention *rules = convention_of(state->dwarf);
    struct classes classes = classes_of(type);
    unsigned integers = count_class(&classes, CLASS_INTEGER);
    bool is_float = classes.floats == 1 && !classes.has_others;

    if (rules == &aarch64) {
        if (!classes.has_others && classes.floats > 0 && classes.floats <= 4)
            return nowhere("it is returned in a floating-point register, which BPF programs can not read");
        if (classes.size > 16 || classes.is_reference)
            return nowhere("it is returned in memory whose address the function need not keep");
        integers = classes.size > 8 ? 2 : 1;
    } else if (classes.is_reference || (classes.part[0] == CLASS_MEMORY && !is_float)) {
        state->general++; /* the caller passes the address, the function returns it */
        return (struct location){.kind = LOCATION_MEMORY, .count = 1, .registers = {rules->results[0]}};
    } else if (count_class(&classes, CLASS_VECTOR) || is_float) {
        return nowhere("it is returned in a floating-point register, which BPF programs can not read");
    }
    if (integers == 0)
        return nowhere("it is empty");
    return (struct location){
        .kind = LOCATION_REGISTERS, .count = (uint8_t)integers, .registers = {rules->results[0], rules->results[1]}};
}
