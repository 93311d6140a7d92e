/* BTF records as struct type. Structs, unions and enums are made empty and filled by type_complete(), so recursion ends
 * at them; what is left to recurse through are pointers and arrays, cut at DEEPEST. */
#include "object/btf_record.h"

#include "base/str.h"
#include "object/layout.h"
#include <stdlib.h>

enum {
    DEEPEST = 32,        /* pointers to pointers, arrays of arrays */
    MOST_MODIFIERS = 64, /* typedef const volatile ... in a row; broken input may go round */
    MOST_ANONYMOUS = 512 /* members without a name below one member: bounds every search through them */
};

static const struct type *resolve(struct object_btf *btf, uint32_t id, int depth);

static bool is_modifier(uint32_t kind) {
    return kind == BTF_KIND_TYPEDEF || kind == BTF_KIND_VOLATILE || kind == BTF_KIND_CONST ||
           kind == BTF_KIND_RESTRICT || kind == BTF_KIND_TYPE_TAG;
}

/* The record behind typedefs and qualifiers; false for void, the end of the ids, or a circle. */
static bool strip(struct object_btf *btf, uint32_t id, struct record *record, bool *is_user) {
    for (int i = 0; i < MOST_MODIFIERS && record_get(btf, id, record); i++) {
        if (!is_modifier(record->kind))
            return true;
        if (record->kind == BTF_KIND_TYPE_TAG && strcmp(record_name(btf, record->name_offset), "user") == 0)
            *is_user = true;
        id = record->size_or_type;
    }
    return false;
}

/* Structs, unions. */

static struct record_member {
    uint32_t name_offset, type, offset;
} read_member(const struct record *record, uint32_t index) {
    const uint8_t *at = record->tail + 12 * (size_t)index;

    return (struct record_member){object_u32(at), object_u32(at + 4), object_u32(at + 8)};
}

/* How many anonymous members are found below a struct; counting stops at MOST_ANONYMOUS. */
static uint32_t count_anonymous(struct object_btf *btf, uint32_t id, int depth) {
    struct record record;
    uint32_t total = 1;
    bool is_user;

    if (!strip(btf, id, &record, &is_user) || (record.kind != BTF_KIND_STRUCT && record.kind != BTF_KIND_UNION))
        return 0;
    if (depth == DEEPEST / 2)
        return MOST_ANONYMOUS;
    for (uint32_t i = 0; i < record.count && total < MOST_ANONYMOUS; i++) {
        struct record_member member = read_member(&record, i);
        if (!*record_name(btf, member.name_offset))
            total += count_anonymous(btf, member.type, depth + 1);
    }
    return total;
}

static bool make_field(struct object_btf *btf, const struct record *record, struct record_member member,
                       struct type_field *field) {
    uint32_t first_bit = record->kind_flag ? BTF_MEMBER_BIT_OFFSET(member.offset) : member.offset;
    uint32_t width = record->kind_flag ? BTF_MEMBER_BITFIELD_SIZE(member.offset) : 0;

    field->name = record_copy_name(btf, member.name_offset);
    field->type = resolve(btf, member.type, 0);
    if (!field->name && count_anonymous(btf, member.type, 0) >= MOST_ANONYMOUS)
        return false;
    if (width)
        return object_place_bits(field, record->size_or_type, first_bit, width);
    field->offset = first_bit / 8;
    return first_bit % 8 == 0 && object_fits(record->size_or_type, field->offset, field->type->size);
}

static void complete_struct(struct type *self, void *owner) {
    struct object_btf *btf = owner;
    struct record record;

    if (!record_get(btf, self->btf_id, &record))
        return;
    struct type_field *fields = arena_new_array(btf->arena, struct type_field, record.count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < record.count; i++) {
        struct type_field field = {0};
        if (make_field(btf, &record, read_member(&record, i), &field))
            fields[count++] = field;
    }
    self->fields = fields;
    self->field_count = count;
}

/* Enums. */

static int64_t enumerator_value(const struct record *record, const uint8_t *item) {
    if (record->kind == RECORD_ENUM64)
        return (int64_t)(object_u32(item + 4) | (uint64_t)object_u32(item + 8) << 32);
    uint32_t value = object_u32(item + 4);
    return record->kind_flag ? (int32_t)value : (int64_t)value;
}

static const uint8_t *enumerator_at(const struct record *record, uint32_t index) {
    return record->tail + (record->kind == RECORD_ENUM64 ? 12 : 8) * (size_t)index;
}

static void complete_enum(struct type *self, void *owner) {
    struct object_btf *btf = owner;
    struct record record;

    if (!record_get(btf, self->btf_id, &record))
        return;
    struct type_enumerator *items = arena_new_array(btf->arena, struct type_enumerator, record.count);
    for (uint32_t i = 0; i < record.count; i++) {
        const uint8_t *item = enumerator_at(&record, i);
        items[i].name = arena_strdup(btf->arena, record_name(btf, object_u32(item)));
        items[i].value = enumerator_value(&record, item);
    }
    self->enumerators = items;
    self->enumerator_count = record.count;
}

bool object_btf_enumerator(struct object_btf *btf, const char *name, int64_t *value, const struct type **type) {
    uint32_t found = 0;

    if (!record_attach(btf))
        return false;
    for (int want_tails = 0; want_tails < 2 && !found; want_tails++) {
        uint32_t count, *offsets = record_name_offsets(btf, name, want_tails, &count);
        object_btf_count(btf); /* has seen all enums */
        for (uint32_t k = 0; count && !found && k < btf->enums.count; k++) {
            struct record record;
            if (!record_get(btf, btf->enums.data[k], &record))
                continue;
            for (uint32_t i = 0; i < record.count && !found; i++) {
                const uint8_t *item = enumerator_at(&record, i);
                if (record_has_offset(offsets, count, object_u32(item))) {
                    found = record.id;
                    *value = enumerator_value(&record, item);
                }
            }
        }
        free(offsets);
    }
    if (found && type)
        *type = resolve(btf, found, 0);
    return found;
}

/* All kinds. */

static struct type *make_type(struct object_btf *btf, enum type_kind kind, const struct record *record) {
    struct type *type = arena_make(btf->arena, struct type);

    type->kind = kind;
    type->size = record->size_or_type;
    type->align = object_alignment_of(type->size);
    type->name = record_copy_name(btf, record->name_offset);
    type->btf_id = record->id;
    type->owner = btf;
    return type;
}

static const struct type *make_int(struct object_btf *btf, const struct record *record) {
    bool is_sized = record->kind == BTF_KIND_INT && object_is_register_size(record->size_or_type);

    if (!is_sized)
        return type_array(btf->arena, type_int(8, false), record->size_or_type);
    uint32_t encoding = BTF_INT_ENCODING(object_u32(record->tail));
    if (encoding & BTF_INT_BOOL && record->size_or_type == 1)
        return type_bool();
    struct type *type = make_type(btf, TYPE_INT, record);
    type->is_signed = encoding & BTF_INT_SIGNED;
    return type;
}

static const struct type *make_pointer(struct object_btf *btf, const struct record *record, int depth) {
    struct record target;
    bool is_user = false;
    bool has_target = strip(btf, record->size_or_type, &target, &is_user);
    const struct type *type = has_target ? resolve(btf, target.id, depth + 1) : type_void();

    return type_pointer(btf->arena, type, is_user ? SPACE_USER : SPACE_KERNEL);
}

static const struct type *make_array(struct object_btf *btf, const struct record *record, int depth) {
    const struct type *element = resolve(btf, object_u32(record->tail), depth + 1);
    uint32_t count = object_u32(record->tail + 8);

    if ((uint64_t)element->size * count > UINT32_MAX)
        count = 0;
    return type_array(btf->arena, element, count);
}

static const struct type *make(struct object_btf *btf, const struct record *record, int depth) {
    struct type *type;

    switch (record->kind) {
    case BTF_KIND_INT:
    case BTF_KIND_FLOAT:
        return make_int(btf, record);
    case BTF_KIND_PTR:
        return make_pointer(btf, record, depth);
    case BTF_KIND_ARRAY:
        return make_array(btf, record, depth);
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        type = make_type(btf, TYPE_STRUCT, record);
        type->is_union = record->kind == BTF_KIND_UNION;
        type->complete = complete_struct;
        return type;
    case BTF_KIND_FWD:
        type = make_type(btf, TYPE_STRUCT, record);
        type->is_union = record->kind_flag;
        type->size = 0;
        type->align = 1;
        return type;
    case BTF_KIND_ENUM:
    case RECORD_ENUM64:
        type = make_type(btf, TYPE_ENUM, record);
        if (!object_is_register_size(type->size))
            type->size = type->align = record->kind == RECORD_ENUM64 ? 8 : 4;
        type->is_signed = record->kind_flag;
        type->complete = complete_enum;
        return type;
    default:
        return type_void();
    }
}

static const struct type *resolve(struct object_btf *btf, uint32_t id, int depth) {
    if (id && id < btf->first_id)
        return resolve(btf->base, id, depth);
    const struct type *type = id ? hash_get_number(&btf->by_id, id) : type_void();
    struct record record;
    bool is_user;

    if (type)
        return type;
    if (depth >= DEEPEST || !strip(btf, id, &record, &is_user))
        return type_void();
    type = record.id < btf->first_id ? resolve(btf->base, record.id, depth) : hash_get_number(&btf->by_id, record.id);
    if (!type) {
        type = make(btf, &record, depth);
        hash_put_number(&btf->by_id, record.id, (void *)type);
    }
    if (id != record.id)
        hash_put_number(&btf->by_id, id, (void *)type);
    return type;
}

const struct type *object_btf_type(struct object_btf *btf, uint32_t id) { return resolve(btf, id, 0); }

const struct type *object_btf_struct(struct object_btf *btf, const char *name) {
    uint32_t id = object_btf_find(btf, OBJECT_BTF_STRUCT | OBJECT_BTF_UNION, name);

    return id ? resolve(btf, id, 0) : NULL;
}

const struct type *object_btf_variable(struct object_btf *btf, const char *name) {
    struct record record;

    return record_find(btf, OBJECT_BTF_VARIABLE, name, &record) ? resolve(btf, record.size_or_type, 0) : NULL;
}

/* Functions and raw tracepoints: parameters as the fields of a struct. */

struct parameters {
    struct object_btf *btf;
    uint32_t proto;          /* id of the function's prototype */
    uint32_t skip;           /* parameters in front that the BPF program does not see */
    const char *trace_point; /* where the prototype has no names: whose helper functions may have them; or NULL */
};

/* The kernel makes these for each tracepoint, with the parameters of the tracepoint and their names. */
static const char *const trace_helpers[] = {"__traceiter_", "__probestub_", "__bpf_trace_"};

static bool get_prototype(struct object_btf *btf, uint32_t id, struct record *proto) {
    return record_get(btf, id, proto) && proto->kind == BTF_KIND_FUNC_PROTO;
}

static void parameter_at(const struct record *proto, uint32_t index, uint32_t *name_offset, uint32_t *type) {
    const uint8_t *at = proto->tail + 8 * (size_t)index;

    *name_offset = object_u32(at);
    *type = object_u32(at + 4);
}

/* Without the closing `...`, which is a parameter of type void. */
static uint32_t parameter_count(const struct record *proto) {
    uint32_t name, type = 1;

    if (proto->count)
        parameter_at(proto, proto->count - 1, &name, &type);
    return type ? proto->count : proto->count - 1;
}

/* A struct passed by value takes the registers it fills. */
static uint32_t slots_size(const struct type *type) { return type->size > 8 && type->size <= 16 ? 16 : 8; }

/* The prototype with the same number of parameters that has their names. */
static bool find_named_prototype(struct object_btf *btf, const char *trace_point, const struct record *proto,
                                 struct record *named) {
    for (size_t i = 0; i < sizeof trace_helpers / sizeof *trace_helpers; i++) {
        struct strbuf name = {0};
        struct record function;
        strbuf_addf(&name, "%s%s", trace_helpers[i], trace_point);
        bool is_found = record_find(btf, OBJECT_BTF_FUNCTION, name.data, &function);
        strbuf_free(&name);
        if (is_found && get_prototype(btf, function.size_or_type, named) && named->count == proto->count)
            return true;
    }
    return false;
}

static void complete_parameters(struct type *self, void *owner) {
    const struct parameters *parameters = owner;
    struct object_btf *btf = parameters->btf;
    struct record proto, named;

    if (!get_prototype(btf, parameters->proto, &proto))
        return;
    if (!parameters->trace_point || !find_named_prototype(btf, parameters->trace_point, &proto, &named))
        named = proto;
    uint32_t count = parameter_count(&proto);
    struct type_field *fields = arena_new_array(btf->arena, struct type_field, count);
    uint32_t offset = 0, used = 0;
    for (uint32_t i = parameters->skip; i < count; i++) {
        uint32_t name_offset, type, unused;
        parameter_at(&proto, i, &name_offset, &type);
        parameter_at(&named, i, &name_offset, &unused);
        struct type_field *field = &fields[used++];
        field->name = record_copy_name(btf, name_offset);
        if (!field->name)
            field->name = arena_printf(btf->arena, "arg%u", i - parameters->skip);
        field->type = resolve(btf, type, 0);
        field->offset = offset;
        offset += slots_size(field->type);
    }
    self->fields = fields;
    self->field_count = used;
}

static const struct type *make_parameters(struct object_btf *btf, const struct record *proto, const char *name,
                                          uint32_t skip, bool is_trace_point) {
    struct type *type = arena_make(btf->arena, struct type);
    struct parameters *parameters = arena_make(btf->arena, struct parameters);

    type->kind = TYPE_STRUCT;
    type->align = 8;
    type->name = arena_strdup(btf->arena, name);
    for (uint32_t i = skip, count = parameter_count(proto); i < count; i++) {
        uint32_t name_offset, id;
        parameter_at(proto, i, &name_offset, &id);
        type->size += slots_size(resolve(btf, id, 0));
    }
    *parameters = (struct parameters){btf, proto->id, skip, is_trace_point ? type->name : NULL};
    type->complete = complete_parameters;
    type->owner = parameters;
    return type;
}

bool object_btf_raw_tracepoint(struct object_btf *btf, const char *name, uint32_t *typedef_id,
                               const struct type **args) {
    struct strbuf full_name = {0};
    struct record record, pointer, proto;
    bool is_user;

    strbuf_addf(&full_name, "btf_trace_%s", name);
    bool is_found = record_find(btf, OBJECT_BTF_TYPEDEF, full_name.data, &record) &&
                    strip(btf, record.size_or_type, &pointer, &is_user) && pointer.kind == BTF_KIND_PTR &&
                    get_prototype(btf, pointer.size_or_type, &proto) && proto.count >= 1;
    strbuf_free(&full_name);
    if (!is_found)
        return false;
    if (typedef_id)
        *typedef_id = record.id;
    if (args)
        *args = make_parameters(btf, &proto, name, 1, true);
    return true;
}

bool object_btf_function_type(struct object_btf *btf, uint32_t function_id, const struct type **args,
                              const struct type **result) {
    struct record function, proto;

    if (!record_get(btf, function_id, &function) || function.kind != BTF_KIND_FUNC ||
        !get_prototype(btf, function.size_or_type, &proto))
        return false;
    if (args)
        *args = make_parameters(btf, &proto, record_name(btf, function.name_offset), 0, false);
    if (result)
        *result = resolve(btf, proto.size_or_type, 0);
    return true;
}

bool object_btf_function(struct object_btf *btf, const char *name, uint32_t *function_id, const struct type **args,
                         const struct type **result) {
    uint32_t id = object_btf_find(btf, OBJECT_BTF_FUNCTION, name);

    if (function_id)
        *function_id = id;
    return id && object_btf_function_type(btf, id, args, result);
}
