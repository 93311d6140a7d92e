/* DIEs as struct type. As with BTF, structs, unions and enums are made empty and filled by type_complete(), so
 * recursion ends at them; what is left to recurse through are pointers and arrays, cut at DEEPEST. A struct that is
 * completed also completes the structs and enums inside of it, so that a value can be printed when the file is no
 * longer there. */
#include "object/dwarf_int.h"

#include "object/layout.h"

enum {
    DEEPEST = 32,
    MOST_MODIFIERS = 64,
    MOST_FIELDS = 1 << 16,
    MOST_ANONYMOUS = 512, /* members without a name below one member: bounds every search through them */
    MOST_DIMENSIONS = 16,
};

static const struct type *resolve(const struct dwarf_die *die, int depth);

const char *dwarf_keep(struct object_dwarf *dwarf, const char *text) {
    char *kept = hash_get_number(&dwarf->texts, (uintptr_t)text);

    if (!kept) {
        kept = arena_strdup(dwarf->arena, text);
        hash_put_number(&dwarf->texts, (uintptr_t)text, kept);
    }
    return kept;
}

static const char *kept_name(const struct dwarf_die *die) {
    const char *name = dwarf_name(die);

    return name ? dwarf_keep(die->unit->dwarf, name) : NULL;
}

/* ---- qualifiers ------------------------------------------------------------------------------------------------ */

static bool is_modifier(uint16_t tag) {
    switch (tag) {
    case DW_TAG_typedef:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_packed_type:
    case DW_TAG_shared_type:
    case DW_TAG_immutable_type:
        return true;
    default:
        return false;
    }
}

/* A stub without anything but the signature stands for the type in its own unit. */
static void follow_signature(struct dwarf_die *type) {
    struct dwarf_die stub = *type;

    if (stub.shape->tag != DW_TAG_base_type && stub.shape->tag != DW_TAG_pointer_type &&
        !dwarf_reference(&stub, DW_AT_signature, type))
        *type = stub;
}

/* `name`: that of the last typedef in front of the type. */
static bool strip(const struct dwarf_die *die, struct dwarf_die *type, const char **name) {
    *type = *die;
    for (int i = 0; i < MOST_MODIFIERS; i++) {
        if (!is_modifier(type->shape->tag)) {
            follow_signature(type);
            return true;
        }
        if (type->shape->tag == DW_TAG_typedef)
            *name = dwarf_name(type);
        struct dwarf_die from = *type;
        if (!dwarf_reference(&from, DW_AT_type, type)) /* const void */
            return false;
    }
    return false;
}

bool dwarf_strip(const struct dwarf_die *die, struct dwarf_die *type) {
    const char *name = NULL;

    return strip(die, type, &name);
}

/* ---- sizes ----------------------------------------------------------------------------------------------------- */

static bool dimension(const struct dwarf_die *range, uint64_t *count) {
    uint64_t upper, lower = 0;

    if (dwarf_constant(range, DW_AT_count, count))
        return true;
    if (!dwarf_constant(range, DW_AT_upper_bound, &upper))
        return false;
    dwarf_constant(range, DW_AT_lower_bound, &lower);
    *count = upper - lower + 1; /* an upper bound of -1 says that there is none */
    return true;
}

/* Counts of the dimensions, outermost first; one that is not known is 0. */
static uint32_t dimensions(const struct dwarf_die *array, uint64_t counts[MOST_DIMENSIONS]) {
    struct dwarf_walk walk = dwarf_children(array);
    struct dwarf_die range;
    uint32_t found = 0;

    while (found < MOST_DIMENSIONS && dwarf_next_child(&walk, &range))
        if (range.shape->tag == DW_TAG_subrange_type && !dimension(&range, &counts[found++]))
            counts[found - 1] = 0;
    return found;
}

bool dwarf_array_count(const struct dwarf_die *array, uint64_t *count) {
    uint64_t counts[MOST_DIMENSIONS];
    uint32_t found = dimensions(array, counts);

    *count = 1;
    for (uint32_t i = 0; i < found; i++)
        if (__builtin_mul_overflow(*count, counts[i], count))
            return false;
    return found > 0;
}

uint64_t dwarf_size(const struct dwarf_die *die, int depth) {
    struct dwarf_die type, element, definition;
    uint64_t size, count;

    if (depth > DEEPEST || !dwarf_strip(die, &type))
        return 0;
    if (dwarf_constant(&type, DW_AT_byte_size, &size))
        return size;
    switch (type.shape->tag) {
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return type.unit->address_size;
    case DW_TAG_array_type:
        if (!dwarf_array_count(&type, &count) || !dwarf_reference(&type, DW_AT_type, &element) ||
            __builtin_mul_overflow(count, dwarf_size(&element, depth + 1), &size))
            return 0;
        return size;
    case DW_TAG_enumeration_type:
        return dwarf_reference(&type, DW_AT_type, &element) ? dwarf_size(&element, depth + 1) : 4;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        return dwarf_flag(&type, DW_AT_declaration) && dwarf_complete_definition(&type, &definition)
                   ? dwarf_size(&definition, depth + 1)
                   : 0;
    default:
        return 0;
    }
}

/* ---- structs, unions, classes --------------------------------------------------------------------------------------
 */

/* A declaration stands for the definition in a type unit, or for one of the same name elsewhere in the file. */
bool dwarf_complete_definition(const struct dwarf_die *type, struct dwarf_die *definition) {
    uint32_t kinds = type->shape->tag == DW_TAG_union_type         ? OBJECT_DWARF_UNION
                     : type->shape->tag == DW_TAG_enumeration_type ? OBJECT_DWARF_ENUM
                                                                   : OBJECT_DWARF_STRUCT;
    *definition = *type;
    if (!dwarf_flag(type, DW_AT_declaration))
        return true;
    const char *name = dwarf_name(type);
    const struct dwarf_name *found = name ? dwarf_find_name(type->unit->dwarf, kinds, name, NULL) : NULL;
    return found && dwarf_die_at(found->unit, found->offset, definition);
}

/* A constant, or in old versions an expression that adds one. */
bool dwarf_member_offset(const struct dwarf_die *member, uint64_t *offset) {
    struct dwarf_value value;

    *offset = 0;
    if (!dwarf_attribute(member, DW_AT_data_member_location, &value))
        return true; /* of a union, or at the start, or said in bits */
    if (!value.bytes) {
        *offset = value.number;
        return true;
    }
    struct dwarf_reader in = {value.bytes, value.bytes + value.size, false};
    if (dwarf_number(&in, 1) != DW_OP_plus_uconst)
        return false; /* of a virtual base: known while the program runs only */
    *offset = dwarf_uleb(&in);
    return !in.is_bad && in.at == in.end;
}

/* First bit and width of a bit-field. Before DWARF 4 its place is counted from the highest bit of a storage. */
static bool bits_of(const struct dwarf_die *member, uint64_t offset, uint64_t storage, uint64_t *first,
                    uint64_t *width) {
    uint64_t from_top;

    if (!dwarf_constant(member, DW_AT_bit_size, width))
        return false;
    if (dwarf_constant(member, DW_AT_data_bit_offset, first))
        return true;
    *first = offset * 8;
    if (dwarf_constant(member, DW_AT_bit_offset, &from_top)) {
        dwarf_constant(member, DW_AT_byte_size, &storage);
        *first += storage * 8 - from_top - *width;
    }
    return true;
}

static bool is_record(const struct dwarf_die *die) {
    return die->shape->tag == DW_TAG_structure_type || die->shape->tag == DW_TAG_class_type ||
           die->shape->tag == DW_TAG_union_type;
}

/* Static members are variables, not part of the object. */
static bool is_part(const struct dwarf_die *member) {
    return (member->shape->tag == DW_TAG_member && !dwarf_flag(member, DW_AT_external) &&
            !dwarf_flag(member, DW_AT_declaration)) ||
           member->shape->tag == DW_TAG_inheritance;
}

/* How many members without a name are found below a type; counting stops at MOST_ANONYMOUS. */
static uint32_t count_anonymous(const struct dwarf_die *member, int depth) {
    struct dwarf_die type, record, inner;
    uint32_t total = 1;

    if (!dwarf_reference(member, DW_AT_type, &type) || !dwarf_strip(&type, &record) || !is_record(&record))
        return 0;
    if (depth == DEEPEST / 2)
        return MOST_ANONYMOUS;
    for (struct dwarf_walk walk = dwarf_children(&record); total < MOST_ANONYMOUS && dwarf_next_child(&walk, &inner);)
        if (is_part(&inner) && !dwarf_name(&inner))
            total += count_anonymous(&inner, depth + 1);
    return total;
}

static bool make_field(const struct dwarf_die *member, uint32_t struct_size, struct type_field *field) {
    uint64_t offset, first, width;
    bool is_base = member->shape->tag == DW_TAG_inheritance;

    *field = (struct type_field){.name = is_base ? NULL : kept_name(member), .type = dwarf_type_attribute(member)};
    if (!dwarf_member_offset(member, &offset))
        return false;
    if (!field->name && (field->type->kind != TYPE_STRUCT || count_anonymous(member, 0) >= MOST_ANONYMOUS))
        return false;
    if (bits_of(member, offset, field->type->size, &first, &width))
        return first < UINT32_MAX && width > 0 && width <= 64 &&
               object_place_bits(field, struct_size, (uint32_t)first, (uint32_t)width);
    if (dwarf_constant(member, DW_AT_data_bit_offset, &first))
        offset = first / 8;
    if (!object_fits(struct_size, offset, field->type->size))
        return false;
    field->offset = (uint32_t)offset;
    return true;
}

/* The DIE that a type was made from. */
struct origin {
    struct dwarf_unit *unit;
    uint64_t offset;
};

static void complete_inner(const struct type *type) {
    while (type->kind == TYPE_ARRAY)
        type = type->target;
    if (type->kind == TYPE_STRUCT || type->kind == TYPE_ENUM)
        type_complete(type);
}

static void complete_struct(struct type *self, void *owner) {
    static int depth; /* a struct inside of a struct inside of ...: hostile files have no end to it */
    const struct origin *origin = owner;
    struct object_dwarf *dwarf = origin->unit->dwarf;
    struct dwarf_die die, definition, member;
    VEC(struct type_field) fields = {0};
    uint64_t size;

    if (depth >= DEEPEST || !dwarf_die_at(origin->unit, origin->offset, &die) ||
        !dwarf_complete_definition(&die, &definition))
        return;
    if (self->size == 0 && dwarf_constant(&definition, DW_AT_byte_size, &size) && size <= INT32_MAX) {
        self->size = (uint32_t)size;
        self->align = object_alignment_of(self->size);
    }
    for (struct dwarf_walk walk = dwarf_children(&definition);
         fields.count < MOST_FIELDS && dwarf_next_child(&walk, &member);) {
        struct type_field field;
        if (is_part(&member) && make_field(&member, self->size, &field))
            vec_push(dwarf->arena, &fields, field);
    }
    self->fields = fields.data;
    self->field_count = fields.count;
    depth++;
    for (uint32_t i = 0; i < fields.count; i++)
        complete_inner(fields.data[i].type);
    depth--;
}

/* ---- enums ----------------------------------------------------------------------------------------------------- */

static void complete_enum(struct type *self, void *owner) {
    const struct origin *origin = owner;
    struct dwarf_die die, definition, item;
    VEC(struct type_enumerator) items = {0};

    if (!dwarf_die_at(origin->unit, origin->offset, &die) || !dwarf_complete_definition(&die, &definition))
        return;
    for (struct dwarf_walk walk = dwarf_children(&definition);
         items.count < MOST_FIELDS && dwarf_next_child(&walk, &item);) {
        struct type_enumerator one = {.name = kept_name(&item)};
        if (item.shape->tag != DW_TAG_enumerator || !one.name ||
            !dwarf_constant(&item, DW_AT_const_value, (uint64_t *)&one.value))
            continue;
        vec_push(origin->unit->dwarf->arena, &items, one);
    }
    self->enumerators = items.data;
    self->enumerator_count = items.count;
}

static bool is_signed_base(const struct dwarf_die *base) {
    uint64_t encoding = 0;

    dwarf_constant(base, DW_AT_encoding, &encoding);
    return encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
}

/* ---- all kinds ------------------------------------------------------------------------------------------------- */

static struct type *make_type(const struct dwarf_die *die, enum type_kind kind, uint64_t size) {
    struct object_dwarf *dwarf = die->unit->dwarf;
    struct type *type = arena_make(dwarf->arena, struct type);
    struct origin *origin = arena_make(dwarf->arena, struct origin);

    *origin = (struct origin){die->unit, die->offset};
    type->kind = kind;
    type->size = size <= INT32_MAX ? (uint32_t)size : 0;
    type->align = object_alignment_of(type->size);
    type->name = kept_name(die);
    type->owner = origin;
    return type;
}

static const struct type *make_base(const struct dwarf_die *die) {
    uint64_t size = dwarf_size(die, 0), encoding = 0;

    dwarf_constant(die, DW_AT_encoding, &encoding);
    bool is_float = encoding == DW_ATE_float || encoding == DW_ATE_complex_float ||
                    encoding == DW_ATE_imaginary_float || encoding == DW_ATE_decimal_float;
    if (size == 0 || size > 256)
        return type_void();
    if (is_float || !object_is_register_size((uint32_t)size)) {
        struct type *bytes = (struct type *)type_array(die->unit->dwarf->arena, type_int(8, false), (uint32_t)size);
        bytes->name = kept_name(die); /* for lists: "double" */
        return bytes;
    }
    if (encoding == DW_ATE_boolean && size == 1)
        return type_bool();
    struct type *type = make_type(die, TYPE_INT, size);
    type->is_signed = is_signed_base(die);
    return type;
}

static const struct type *make_array(const struct dwarf_die *die, int depth) {
    uint64_t counts[MOST_DIMENSIONS];
    struct dwarf_die element;
    const struct type *type = dwarf_reference(die, DW_AT_type, &element) ? resolve(&element, depth + 1) : type_void();

    for (uint32_t i = dimensions(die, counts); i > 0; i--) {
        uint64_t size;
        if (__builtin_mul_overflow(counts[i - 1], type->size, &size) || size > INT32_MAX || counts[i - 1] > INT32_MAX)
            counts[i - 1] = 0;
        type = type_array(die->unit->dwarf->arena, type, (uint32_t)counts[i - 1]);
    }
    return type;
}

static const struct type *make_pointer(const struct dwarf_die *die, int depth) {
    struct dwarf_die target;
    bool has_target = dwarf_reference(die, DW_AT_type, &target);

    return type_pointer(die->unit->dwarf->arena, has_target ? resolve(&target, depth + 1) : type_void(), SPACE_USER);
}

static const struct type *make_struct(const struct dwarf_die *die) {
    struct type *type = make_type(die, TYPE_STRUCT, 0);
    uint64_t size;

    if (dwarf_constant(die, DW_AT_byte_size, &size) && size <= INT32_MAX) {
        type->size = (uint32_t)size;
        type->align = object_alignment_of(type->size);
    }
    type->is_union = die->shape->tag == DW_TAG_union_type;
    type->complete = complete_struct;
    return type;
}

static const struct type *make_enum(const struct dwarf_die *die) {
    uint64_t size = dwarf_size(die, 0);
    struct dwarf_die base, stripped;
    struct type *type = make_type(die, TYPE_ENUM, object_is_register_size((uint32_t)size) ? size : 4);

    type->is_signed =
        dwarf_reference(die, DW_AT_type, &base) && dwarf_strip(&base, &stripped) && is_signed_base(&stripped);
    type->complete = complete_enum;
    return type;
}

static const struct type *make(const struct dwarf_die *die, int depth) {
    switch (die->shape->tag) {
    case DW_TAG_base_type:
        return make_base(die);
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return make_pointer(die, depth);
    case DW_TAG_array_type:
        return make_array(die, depth);
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
        return make_struct(die);
    case DW_TAG_enumeration_type:
        return make_enum(die);
    case DW_TAG_ptr_to_member_type:
        return type_array(die->unit->dwarf->arena, type_int(8, false), (uint32_t)die->unit->address_size);
    default: /* functions, unspecified types */
        return type_void();
    }
}

/* typedef struct { ... } NAME: the struct is called NAME. */
static void take_name(const struct dwarf_die *die, const struct type *type, const char *name) {
    if (name && !type->name && (type->kind == TYPE_STRUCT || type->kind == TYPE_ENUM))
        ((struct type *)type)->name = dwarf_keep(die->unit->dwarf, name);
}

static const struct type *resolve(const struct dwarf_die *die, int depth) {
    struct hash *types = &die->unit->dwarf->types;
    const struct type *type = hash_get_number(types, dwarf_die_key(die));
    const char *name = NULL;
    struct dwarf_die stripped;

    if (type)
        return type;
    if (depth >= DEEPEST || !strip(die, &stripped, &name))
        return type_void();
    if (stripped.unit->dwarf != die->unit->dwarf) /* in the file of .gnu_debugaltlink, with a table of its own */
        return resolve(&stripped, depth + 1);
    type = hash_get_number(types, dwarf_die_key(&stripped));
    if (!type) {
        type = make(&stripped, depth);
        hash_put_number(types, dwarf_die_key(&stripped), (void *)type);
    }
    take_name(&stripped, type, name);
    if (die->offset != stripped.offset || die->unit != stripped.unit)
        hash_put_number(types, dwarf_die_key(die), (void *)type);
    return type;
}

const struct type *dwarf_type_of(const struct dwarf_die *die) { return resolve(die, 0); }

const struct type *dwarf_type_attribute(const struct dwarf_die *die) {
    struct dwarf_value value;
    struct dwarf_die type;

    if (dwarf_reference(die, DW_AT_type, &type))
        return resolve(&type, 0);
    /* a parameter of an inlined copy has the type of the original */
    struct dwarf_die origin;
    if (!dwarf_attribute(die, DW_AT_type, &value) &&
        (dwarf_reference(die, DW_AT_abstract_origin, &origin) || dwarf_reference(die, DW_AT_specification, &origin)) &&
        dwarf_reference(&origin, DW_AT_type, &type))
        return resolve(&type, 0);
    return type_void();
}
