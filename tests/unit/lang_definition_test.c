/* Types that a script defines have the layout that the C compiler gives the same text. */
#include "lang/lang.h"
#include "unit.h"

#include <stddef.h>

#define DEFINITIONS                                                                                                    \
    struct inner {                                                                                                     \
        char tag;                                                                                                      \
        long value;                                                                                                    \
    };                                                                                                                 \
    struct outer {                                                                                                     \
        char first;                                                                                                    \
        struct inner in[3];                                                                                            \
        short middle;                                                                                                  \
        struct outer *next;                                                                                            \
        union {                                                                                                        \
            int a;                                                                                                     \
            char b[7];                                                                                                 \
        };                                                                                                             \
        unsigned int low : 3;                                                                                          \
        unsigned int high : 30;                                                                                        \
        unsigned char last;                                                                                            \
    };                                                                                                                 \
    struct tight {                                                                                                     \
        char a;                                                                                                        \
        long b;                                                                                                        \
        short c;                                                                                                       \
    } __attribute__((packed));

DEFINITIONS
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(x) TEXT_OF(x)

struct resolver {
    struct arena *arena;
    struct lang_program *program;
};

static const struct type *resolve(void *context, const struct type_name *name) {
    static const struct {
        const char *name;
        unsigned bits;
    } integers[] = {{"char", 8}, {"short", 16}, {"int", 32}, {"long", 64}, {"uint32", 32}, {"uint8", 8}};
    struct resolver *resolver = context;
    const struct type *type = NULL;

    if (name->keyword != TYPE_NAME_PLAIN)
        type = lang_definition_type(resolver->program, name->keyword, name->name, resolve, context);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        if (strcmp(name->name, integers[i].name) == 0)
            type = type_int(integers[i].bits, name->name[0] != 'u');
    }
    for (uint32_t i = 0; type && i < name->pointer_depth; i++)
        type = type_pointer(resolver->arena, type, SPACE_NONE);
    if (type && name->array_count == 1)
        type = type_array(resolver->arena, type, name->array_sizes[0]);
    return type;
}

static const struct type *defined(struct resolver *resolver, const char *text, int keyword, const char *name) {
    struct source *source = arena_make(resolver->arena, struct source);
    struct diag_list *diags = arena_make(resolver->arena, struct diag_list);

    *source = (struct source){"stdin", text, (uint32_t)strlen(text), NULL};
    diag_init(diags, resolver->arena, source);
    resolver->program = lang_parse(resolver->arena, source, NULL, diags);
    assert_int_equal(diags->error_count, 0);
    return lang_definition_type(resolver->program, keyword, name, resolve, resolver);
}

static const struct type_field *field(const struct type *type, const char *name, uint32_t offset) {
    uint32_t found;
    const struct type_field *result = type_find_field(type, name, &found);

    assert_non_null(result);
    assert_int_equal(found, offset);
    return result;
}

static void layout_is_that_of_c(void **state) {
    struct resolver resolver = {*state, NULL};
    const struct type *type = defined(&resolver, TEXT(DEFINITIONS) " begin { }", TYPE_NAME_STRUCT, "outer");

    assert_non_null(type);
    assert_int_equal(type->size, sizeof(struct outer));
    assert_int_equal(type->align, _Alignof(struct outer));
    field(type, "in", offsetof(struct outer, in));
    field(type, "middle", offsetof(struct outer, middle));
    field(type, "b", offsetof(struct outer, b));
    field(type, "last", offsetof(struct outer, last));
    assert_ptr_equal(field(type, "next", offsetof(struct outer, next))->type->target, type);
}

/* Writes through the compiler's bit-fields and reads where the layout says. */
static void bit_fields_are_where_c_has_them(void **state) {
    struct resolver resolver = {*state, NULL};
    const struct type *type = defined(&resolver, TEXT(DEFINITIONS) " begin { }", TYPE_NAME_STRUCT, "outer");
    const char *const names[] = {"low", "high"};
    struct outer values[2];

    memset(values, 0, sizeof values);
    values[0].low = 5;
    values[1].high = 0x2bcdef01;
    for (int i = 0; i < 2; i++) {
        uint32_t offset, unit;
        const struct type_field *found = type_find_field(type, names[i], &offset);
        memcpy(&unit, (const char *)&values[i] + offset, sizeof unit);
        assert_int_equal(unit >> found->bit_offset & ((1u << found->bit_size) - 1), i == 0 ? 5 : 0x2bcdef01);
    }
}

static void packed_has_no_padding(void **state) {
    struct resolver resolver = {*state, NULL};
    const struct type *type = defined(&resolver, TEXT(DEFINITIONS) " begin { }", TYPE_NAME_STRUCT, "tight");

    assert_int_equal(type->size, sizeof(struct tight));
    field(type, "b", offsetof(struct tight, b));
    field(type, "c", offsetof(struct tight, c));
}

static void enum_has_its_names(void **state) {
    struct resolver resolver = {*state, NULL};
    const struct type *type =
        defined(&resolver, "enum colour { RED, GREEN = 5, BLUE, LOW = -2 } begin { }", TYPE_NAME_ENUM, "colour");

    assert_int_equal(type->enumerator_count, 4);
    assert_string_equal(type->enumerators[2].name, "BLUE");
    assert_int_equal(type->enumerators[2].value, 6);
    assert_int_equal(type->enumerators[3].value, -2);
    assert_true(type->is_signed);
}

static void impossible_types_are_none(void **state) {
    struct resolver resolver = {*state, NULL};

    assert_null(defined(&resolver, "struct s { struct s inside; } begin { }", TYPE_NAME_STRUCT, "s"));
    assert_null(
        defined(&resolver, "struct a { struct b x[2]; } struct b { struct a x; } begin { }", TYPE_NAME_STRUCT, "a"));
    assert_null(defined(&resolver, "struct a { nothing x; } begin { }", TYPE_NAME_STRUCT, "a"));
    assert_null(defined(&resolver, "struct a { long x[999999]; long y[999999]; long z[999999]; } begin { }",
                        TYPE_NAME_STRUCT, "a"));
    assert_null(defined(&resolver, "struct a { int x; } begin { }", TYPE_NAME_UNION, "a"));
}

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(layout_is_that_of_c), TEST(bit_fields_are_where_c_has_them), TEST(packed_has_no_padding),
        TEST(enum_has_its_names),  TEST(impossible_types_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
