#include "object/format.h"

#include "base/vec.h"
#include "object/input.h"

enum { LARGEST_RECORD = 64 << 10, MOST_STARS = 8, MOST_FIELDS = 4096 };

struct parser {
    struct arena *arena;
    const struct object_format_types *types;
    const struct type *char_types[2]; /* by sign */
    VEC(struct type_field) fields;
    VEC(const char *) declarations;
    VEC(bool) relative;
};

/* One "field:" line taken apart. */
struct declaration {
    struct object_text text; /* "__data_loc char[] name" */
    uint64_t offset, size;
    bool is_signed;
};

/* C type names of one byte and more whose size the line does not tell, because it is that of a pointer or an array. */
// clang-format off
static const struct {
    const char *name;
    uint8_t bits;
    bool is_signed;
} integer_names[] = {
    {"char", 8, false},          {"signed char", 8, true},
    {"unsigned char", 8, false}, {"u8", 8, false},
    {"__u8", 8, false},          {"uint8_t", 8, false},
    {"s8", 8, true},             {"__s8", 8, true},
    {"short", 16, true},         {"unsigned short", 16, false},
    {"u16", 16, false},          {"__u16", 16, false},
    {"uint16_t", 16, false},     {"umode_t", 16, false},
    {"__be16", 16, false},       {"__le16", 16, false},
    {"int", 32, true},           {"unsigned int", 32, false},
    {"unsigned", 32, false},     {"u32", 32, false},
    {"__u32", 32, false},        {"uint32_t", 32, false},
    {"s32", 32, true},           {"__s32", 32, true},
    {"__be32", 32, false},       {"__le32", 32, false},
    {"pid_t", 32, true},         {"uid_t", 32, false},
    {"gid_t", 32, false},        {"dev_t", 32, false},
    {"long", 64, true},          {"unsigned long", 64, false},
    {"long long", 64, true},     {"unsigned long long", 64, false},
    {"u64", 64, false},          {"__u64", 64, false},
    {"uint64_t", 64, false},     {"s64", 64, true},
    {"__s64", 64, true},         {"size_t", 64, false},
    {"ssize_t", 64, true},       {"loff_t", 64, true},
    {"off_t", 64, true},         {"__kernel_long_t", 64, true},
};
// clang-format on

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void trim(struct object_text *text) {
    object_text_skip_blanks(text);
    while (text->end > text->at && (text->end[-1] == ' ' || text->end[-1] == '\t'))
        text->end--;
}

/* Takes `word` off the front when it stands there as a whole word. */
static bool take_word(struct object_text *text, const char *word) {
    size_t length = strlen(word);

    if (!object_text_starts(*text, word) || (object_text_length(*text) > length && is_word(text->at[length])))
        return false;
    text->at += length;
    object_text_skip_blanks(text);
    return true;
}

static void drop_qualifiers(struct object_text *text) {
    static const char *const words[] = {"const", "volatile", "__user", "__rcu", "__percpu"};

    trim(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (take_word(text, words[i]))
            i = (size_t)-1; /* from the first again */
}

/* The word at the end of the text, taken off. */
static struct object_text take_last_word(struct object_text *text) {
    trim(text);
    struct object_text word = {text->end, text->end};
    while (word.at > text->at && is_word(word.at[-1]))
        word.at--;
    text->end = word.at;
    trim(text);
    return word;
}

/* The type a C type name stands for where its size is not given; NULL when unknown. `text` has no qualifiers in front.
 */
static const struct type *named_type(struct parser *parser, struct object_text text) {
    if (take_word(&text, "struct") || take_word(&text, "union")) {
        struct object_text tag = take_last_word(&text);
        if (!parser->types->resolve || tag.at == tag.end)
            return NULL;
        return parser->types->resolve(parser->types->context,
                                      arena_strndup(parser->arena, tag.at, object_text_length(tag)));
    }
    if (object_text_equals(text, "char"))
        return parser->char_types[0];
    for (size_t i = 0; i < sizeof integer_names / sizeof *integer_names; i++)
        if (object_text_equals(text, integer_names[i].name))
            return type_int(integer_names[i].bits, integer_names[i].is_signed);
    return take_word(&text, "enum") ? type_int(32, false) : NULL;
}

/* "const struct x *const *": what the stars point to, with a pointer around it for each star. */
static const struct type *pointer_type(struct parser *parser, struct object_text text) {
    const char *star = memchr(text.at, '*', object_text_length(text));
    struct object_text base = {text.at, star};
    int stars = 0;

    for (const char *at = star; at < text.end; at++)
        stars += *at == '*';
    drop_qualifiers(&base);
    static const char *const behind[] = {"const", "volatile", "__user"};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) { /* "char const *" */
        struct object_text rest = base, word = take_last_word(&rest);
        if (object_text_equals(word, behind[i]))
            base = rest;
    }
    const struct type *type = named_type(parser, base);
    if (!type)
        type = type_void();
    for (int i = 0; i < stars && i < MOST_STARS; i++)
        type = type_pointer(parser->arena, type, parser->types->space);
    return type;
}

static bool is_integer_size(uint64_t size) { return size == 1 || size == 2 || size == 4 || size == 8; }

/* NULL: it is none, or a plain number for the caller. */
static const struct type *enum_type(struct parser *parser, struct object_text text, uint64_t size, bool is_signed) {
    if (!parser->types->resolve_enum || !is_integer_size(size) || !take_word(&text, "enum"))
        return NULL;
    struct object_text tag = take_last_word(&text);
    return tag.at == tag.end
               ? NULL
               : parser->types->resolve_enum(parser->types->context,
                                             arena_strndup(parser->arena, tag.at, object_text_length(tag)),
                                             (uint32_t)size, is_signed);
}

/* A value of `size` bytes; `text` is its C type. */
static const struct type *scalar_type(struct parser *parser, struct object_text text, uint64_t size, bool is_signed) {
    drop_qualifiers(&text);
    if (size == 8 && text.at < text.end && memchr(text.at, '*', object_text_length(text)))
        return pointer_type(parser, text);
    if (size == 1 && object_text_equals(text, "bool"))
        return type_bool();
    if (size == 1 && object_text_equals(text, "char"))
        return parser->char_types[is_signed];
    const struct type *enumeration = enum_type(parser, text, size, is_signed);
    if (enumeration)
        return enumeration;
    /* An argument of a system call has a slot of 8 bytes, of which a narrow type fills the lower ones. */
    const struct type *named = size == 8 ? named_type(parser, text) : NULL;
    if (named && named->kind == TYPE_INT && named->size < size)
        return named;
    if (is_integer_size(size))
        return type_int((unsigned)size * 8, is_signed);
    return type_array(parser->arena, type_int(8, false), (uint32_t)size);
}

/* `count_text` is what stands in the brackets; often a macro that only the kernel knows, so the element decides. */
static const struct type *array_type(struct parser *parser, struct object_text element, struct object_text count_text,
                                     const struct declaration *line) {
    uint64_t count = 0, element_size;
    struct object_text name = element;

    trim(&count_text);
    drop_qualifiers(&name);
    const struct type *known = NULL;
    if (memchr(element.at, '*', object_text_length(element)))
        element_size = 8;
    else if (object_text_number(&count_text, 10, &count) && count && line->size % count == 0)
        element_size = line->size / count;
    else {
        known = named_type(parser, name);
        element_size = known && known->size && line->size % known->size == 0 ? known->size : 1;
    }
    if (line->size == 0 || line->size % element_size)
        return type_array(parser->arena, known ? known : type_int(8, false), (uint32_t)line->size);
    const struct type *type = known && known->kind == TYPE_STRUCT && known->size == element_size
                                  ? known
                                  : scalar_type(parser, element, element_size, line->is_signed);
    return type_array(parser->arena, type, (uint32_t)(line->size / element_size));
}

/* "char[]" of a __data_loc: an array whose length is known only from the record. */
static const struct type *dynamic_type(struct parser *parser, struct object_text text) {
    struct object_text element = object_text_until(&text, '[');

    drop_qualifiers(&element);
    const struct type *type = named_type(parser, element);
    return type_array(parser->arena, type && type->size ? type : type_int(8, false), 0);
}

static void add_field(struct parser *parser, const struct declaration *line) {
    struct object_text text = line->text, name, count = {0};
    struct type_field field = {.offset = (uint32_t)line->offset};
    bool is_array = false;

    trim(&text);
    const char *declaration = arena_strndup(parser->arena, text.at, object_text_length(text));
    bool is_relative = take_word(&text, "__rel_loc");
    field.is_data_loc = take_word(&text, "__data_loc") || is_relative;
    if (!field.is_data_loc && text.end > text.at && text.end[-1] == ']') {
        const char *bracket = memchr(text.at, '[', object_text_length(text));
        if (!bracket)
            return;
        count = (struct object_text){bracket + 1, text.end - 1};
        text.end = bracket;
        is_array = true;
    }
    name = take_last_word(&text);
    if (name.at == name.end || (field.is_data_loc && line->size != 4))
        return;
    if (field.is_data_loc)
        field.type = dynamic_type(parser, text);
    else if (is_array)
        field.type = array_type(parser, text, count, line);
    else
        field.type = scalar_type(parser, text, line->size, line->is_signed);
    field.name = arena_strndup(parser->arena, name.at, object_text_length(name));
    vec_push(parser->arena, &parser->fields, field);
    vec_push(parser->arena, &parser->declarations, declaration);
    vec_push(parser->arena, &parser->relative, is_relative);
}

/* "field:TEXT;\toffset:N;\tsize:N;\tsigned:N;" */
static bool parse_field(struct object_text line, struct declaration *field) {
    uint64_t is_signed = 0;

    line.at += strlen("field:");
    field->text = object_text_until(&line, ';');
    while (line.at < line.end) {
        struct object_text value = object_text_until(&line, ';');
        object_text_skip_blanks(&value);
        struct object_text key = object_text_until(&value, ':');
        uint64_t number;
        if (!object_text_number(&value, 10, &number))
            continue;
        if (object_text_equals(key, "offset"))
            field->offset = number;
        else if (object_text_equals(key, "size"))
            field->size = number;
        else if (object_text_equals(key, "signed"))
            is_signed = number;
    }
    field->is_signed = is_signed != 0;
    return object_fits(LARGEST_RECORD, field->offset, field->size);
}

static const struct type *make_args(struct parser *parser, const char *struct_name) {
    struct type *type = arena_make(parser->arena, struct type);

    type->kind = TYPE_STRUCT;
    type->align = 8;
    type->name = arena_strdup(parser->arena, struct_name);
    type->fields = parser->fields.data;
    type->field_count = parser->fields.count;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        uint32_t end = field->offset + (field->is_data_loc ? 4 : field->type->size);
        type->size = end > type->size ? end : type->size;
    }
    return type;
}

static const struct type *make_char(struct arena *arena, bool is_signed) {
    struct type *type = arena_make(arena, struct type);

    *type = *type_int(8, is_signed);
    type->name = "char";
    return type;
}

static uint32_t count_common(const struct parser *parser) {
    uint32_t count = 0;

    while (count < parser->fields.count && str_starts(parser->fields.data[count].name, "common_"))
        count++;
    return count;
}

const struct object_format *object_format_parse(struct arena *arena, const char *text, size_t size,
                                                const char *struct_name, const struct object_format_types *types,
                                                const char **error) {
    static const struct object_format_types no_types;
    struct parser parser = {.arena = arena,
                            .types = types ? types : &no_types,
                            .char_types = {make_char(arena, false), make_char(arena, true)}};
    struct object_format *format = arena_make(arena, struct object_format);
    struct object_text rest = object_text(text, size), line;
    bool has_id = false;

    format->name = "";
    while (object_text_line(&rest, &line)) {
        struct declaration field = {0};
        trim(&line);
        if (object_text_starts(line, "name:")) {
            object_text_until(&line, ':');
            trim(&line);
            format->name = arena_strndup(arena, line.at, object_text_length(line));
        } else if (object_text_starts(line, "ID:")) {
            object_text_until(&line, ':');
            trim(&line);
            has_id = object_text_number(&line, 10, &format->id);
        } else if (object_text_starts(line, "field:") && parser.fields.count < MOST_FIELDS) {
            if (parse_field(line, &field))
                add_field(&parser, &field);
        } else if (object_text_starts(line, "print fmt:")) {
            break;
        }
    }
    if (!has_id) {
        *error = "no event format: the line \"ID:\" is missing";
        return NULL;
    }
    format->args = make_args(&parser, struct_name);
    format->common_count = count_common(&parser);
    format->declarations = parser.declarations.data;
    format->is_relative = parser.relative.data;
    return format;
}
