/* BTF made by hand: a header, records and strings, so that each broken case is one line. */
#include "base/str.h"
#include "object/btf.h"
#include "unit.h"
#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct maker {
    struct arena *arena;
    struct strbuf types, strings, file;
};

static int set_up(void **state) {
    struct maker *maker = calloc(1, sizeof *maker);

    maker->arena = arena_new();
    strbuf_add(&maker->strings, "", 1);
    *state = maker;
    return 0;
}

static int tear_down(void **state) {
    struct maker *maker = *state;

    arena_free(maker->arena);
    strbuf_free(&maker->types);
    strbuf_free(&maker->strings);
    strbuf_free(&maker->file);
    free(maker);
    return 0;
}

static uint32_t add_string(struct maker *maker, const char *text) {
    uint32_t offset = (uint32_t)maker->strings.length;

    if (!*text)
        return 0;
    strbuf_add(&maker->strings, text, strlen(text) + 1);
    return offset;
}

static void words(struct maker *maker, uint32_t a, uint32_t b, uint32_t c) {
    uint32_t all[] = {a, b, c};
    strbuf_add(&maker->types, all, sizeof all);
}

static void pair(struct maker *maker, uint32_t a, uint32_t b) {
    uint32_t all[] = {a, b};
    strbuf_add(&maker->types, all, sizeof all);
}

static void record(struct maker *maker, const char *name, uint32_t kind, uint32_t count, bool flag, uint32_t value) {
    words(maker, add_string(maker, name), (uint32_t)flag << 31 | kind << 24 | count, value);
}

static void add_int(struct maker *maker, const char *name, uint32_t size, uint32_t encoding) {
    uint32_t tail = encoding << 24 | size * 8;

    record(maker, name, BTF_KIND_INT, 0, false, size);
    strbuf_add(&maker->types, &tail, sizeof tail);
}

static void member(struct maker *maker, const char *name, uint32_t type, uint32_t offset) {
    words(maker, add_string(maker, name), type, offset);
}

static struct object_btf *open_made(struct maker *maker) {
    struct btf_header header = {.magic = BTF_MAGIC,
                                .version = BTF_VERSION,
                                .hdr_len = sizeof header,
                                .type_len = (uint32_t)maker->types.length,
                                .str_off = (uint32_t)maker->types.length,
                                .str_len = (uint32_t)maker->strings.length};
    int error = 0;

    strbuf_add(&maker->file, &header, sizeof header);
    strbuf_add(&maker->file, strbuf_text(&maker->types), maker->types.length);
    strbuf_add(&maker->file, maker->strings.data, maker->strings.length);
    struct object_btf *btf = object_btf_from_bytes(maker->arena, maker->file.data, maker->file.length, &error);
    assert_int_equal(error, 0);
    return btf;
}

/* 1 int, 2 struct s { int a; int b:3 at bit 35; }, 3 typedef t of 2, 4 pointer to 3 */
static void make_basics(struct maker *maker) {
    add_int(maker, "int", 4, BTF_INT_SIGNED);
    record(maker, "s", BTF_KIND_STRUCT, 2, true, 8);
    member(maker, "a", 1, 0);
    member(maker, "b", 1, 3u << 24 | 35);
    record(maker, "t", BTF_KIND_TYPEDEF, 0, false, 2);
    record(maker, "", BTF_KIND_PTR, 0, false, 3);
}

static void finds_by_name_and_kind(void **state) {
    make_basics(*state);
    struct object_btf *btf = open_made(*state);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "s"), 2);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_TYPEDEF, "t"), 3);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_TYPEDEF, "s"), 0);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "absent"), 0);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, ""), 0);
    assert_int_equal(object_btf_count(btf), 4);
}

static void finds_name_that_is_the_tail_of_another(void **state) {
    struct maker *maker = *state;
    uint32_t offset = add_string(maker, "long_name");
    words(maker, offset, BTF_KIND_STRUCT << 24, 0);
    words(maker, offset + 5, BTF_KIND_STRUCT << 24, 0);
    struct object_btf *btf = open_made(maker);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "name"), 2);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "long_name"), 1);
}

static void finds_name_that_is_there_twice(void **state) {
    struct maker *maker = *state;
    add_string(maker, "twice");
    record(maker, "twice", BTF_KIND_UNION, 0, false, 0);
    struct object_btf *btf = open_made(maker);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_UNION, "twice"), 1);
}

static void many_searches_go_through_an_index(void **state) {
    struct maker *maker = *state;
    char name[16];

    make_basics(maker);
    for (int i = 0; i < 60; i++) { /* ids 5 to 64 */
        snprintf(name, sizeof name, "name%d", i);
        record(maker, name, i % 2 ? BTF_KIND_UNION : BTF_KIND_STRUCT, 0, false, 0);
    }
    record(maker, "name7", BTF_KIND_UNION, 0, false, 0);
    struct object_btf *btf = open_made(maker);
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "name%u", i);
        assert_int_equal(object_btf_find(btf, i % 2 ? OBJECT_BTF_UNION : OBJECT_BTF_STRUCT, name), 5 + i);
        assert_int_equal(object_btf_find(btf, i % 2 ? OBJECT_BTF_STRUCT : OBJECT_BTF_UNION, name), 0);
    }
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "s"), 2);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, ""), 0);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "name60"), 0);
}

static void struct_is_completed_on_demand(void **state) {
    uint32_t offset;
    make_basics(*state);
    const struct type *type = object_btf_struct(open_made(*state), "s");
    assert_int_equal(type->size, 8);
    assert_int_equal(type->btf_id, 2);
    assert_int_equal(type->field_count, 0);
    assert_non_null(type_find_field(type, "a", &offset));
    assert_int_equal(type->field_count, 2);
}

static void bit_field_lies_in_an_aligned_storage(void **state) {
    uint32_t offset;
    make_basics(*state);
    const struct type_field *field = type_find_field(object_btf_struct(open_made(*state), "s"), "b", &offset);
    assert_int_equal(field->offset, 4);
    assert_int_equal(field->bit_offset, 3);
    assert_int_equal(field->bit_size, 3);
}

static void pointer_skips_typedefs(void **state) {
    make_basics(*state);
    struct object_btf *btf = open_made(*state);
    const struct type *type = object_btf_type(btf, 4);
    assert_int_equal(type->kind, TYPE_POINTER);
    assert_int_equal(type->space, SPACE_KERNEL);
    assert_ptr_equal(type->target, object_btf_type(btf, 2));
    assert_ptr_equal(type, object_btf_type(btf, 4));
}

static void user_tag_makes_a_user_pointer(void **state) {
    struct maker *maker = *state;
    add_int(maker, "int", 4, 0);
    record(maker, "user", BTF_KIND_TYPE_TAG, 0, false, 1);
    record(maker, "", BTF_KIND_PTR, 0, false, 2);
    assert_int_equal(object_btf_type(open_made(maker), 3)->space, SPACE_USER);
}

static void char_arrays_keep_the_name_char(void **state) {
    struct maker *maker = *state;
    add_int(maker, "char", 1, 0);
    record(maker, "", BTF_KIND_ARRAY, 0, false, 0);
    words(maker, 1, 1, 16);
    const struct type *type = object_btf_type(open_made(maker), 2);
    assert_int_equal(type->kind, TYPE_ARRAY);
    assert_int_equal(type->count, 16);
    assert_string_equal(type->target->name, "char");
}

static void odd_numbers_become_bytes(void **state) {
    struct maker *maker = *state;
    add_int(maker, "__int128", 16, BTF_INT_SIGNED);
    record(maker, "double", BTF_KIND_FLOAT, 0, false, 8);
    add_int(maker, "_Bool", 1, BTF_INT_BOOL);
    struct object_btf *btf = open_made(maker);
    assert_string_equal(type_text(maker->arena, object_btf_type(btf, 1)), "uint8[16]");
    assert_string_equal(type_text(maker->arena, object_btf_type(btf, 2)), "uint8[8]");
    assert_string_equal(type_text(maker->arena, object_btf_type(btf, 3)), "bool");
}

static void anonymous_members_are_looked_through(void **state) {
    struct maker *maker = *state;
    uint32_t offset;
    add_int(maker, "int", 4, 0);
    record(maker, "", BTF_KIND_UNION, 1, false, 4);
    member(maker, "x", 1, 0);
    record(maker, "s", BTF_KIND_STRUCT, 1, false, 8);
    member(maker, "", 2, 32);
    assert_non_null(type_find_field(object_btf_struct(open_made(maker), "s"), "x", &offset));
    assert_int_equal(offset, 4);
}

static void make_enums(struct maker *maker) {
    record(maker, "small", BTF_KIND_ENUM, 2, true, 4);
    pair(maker, add_string(maker, "MINUS"), (uint32_t)-1);
    pair(maker, add_string(maker, "ONE"), 1);
    record(maker, "large", 19, 1, false, 8);
    words(maker, add_string(maker, "HUGE"), 2, 1);
    record(maker, "plain", BTF_KIND_ENUM, 1, false, 4);
    pair(maker, add_string(maker, "TOP"), UINT32_MAX);
}

static void enumerators_are_found_in_all_enums(void **state) {
    int64_t value = 0;
    const struct type *type = NULL;
    make_enums(*state);
    struct object_btf *btf = open_made(*state);
    assert_true(object_btf_enumerator(btf, "HUGE", &value, &type));
    assert_int_equal(value, 0x100000002);
    assert_string_equal(type->name, "large");
    assert_true(object_btf_enumerator(btf, "MINUS", &value, NULL));
    assert_int_equal(value, -1);
    assert_true(object_btf_enumerator(btf, "TOP", &value, NULL));
    assert_int_equal(value, UINT32_MAX);
    assert_false(object_btf_enumerator(btf, "small", &value, NULL));
}

static void enum_lists_its_names(void **state) {
    make_enums(*state);
    const struct type *type = type_complete(object_btf_type(open_made(*state), 1));
    assert_int_equal(type->enumerator_count, 2);
    assert_string_equal(type->enumerators[1].name, "ONE");
    assert_int_equal(type->enumerators[1].value, 1);
}

/* 1 int, 2 void *, 3 proto without names, 4 pointer, 5 typedef btf_trace_ev, 6 proto with names, 7 __traceiter_ev */
static void make_trace_point(struct maker *maker, bool has_names) {
    add_int(maker, "int", 4, 0);
    record(maker, "", BTF_KIND_PTR, 0, false, 0);
    record(maker, "", BTF_KIND_FUNC_PROTO, 3, false, 0);
    pair(maker, 0, 2);
    pair(maker, 0, 1);
    pair(maker, 0, 2);
    record(maker, "", BTF_KIND_PTR, 0, false, 3);
    record(maker, "btf_trace_ev", BTF_KIND_TYPEDEF, 0, false, 4);
    if (!has_names)
        return;
    record(maker, "", BTF_KIND_FUNC_PROTO, 3, false, 1);
    pair(maker, add_string(maker, "__data"), 2);
    pair(maker, add_string(maker, "first"), 1);
    pair(maker, add_string(maker, "second"), 2);
    record(maker, "__traceiter_ev", BTF_KIND_FUNC, 0, false, 6);
}

static void raw_tracepoint_has_named_slots(void **state) {
    const struct type *args = NULL;
    uint32_t id = 0, offset;
    make_trace_point(*state, true);
    struct object_btf *btf = open_made(*state);
    assert_true(object_btf_raw_tracepoint(btf, "ev", &id, &args));
    assert_int_equal(id, 5);
    assert_int_equal(args->size, 16);
    assert_non_null(type_find_field(args, "second", &offset));
    assert_int_equal(offset, 8);
    assert_false(object_btf_raw_tracepoint(btf, "absent", &id, &args));
}

static void raw_tracepoint_without_names_numbers_them(void **state) {
    const struct type *args = NULL;
    make_trace_point(*state, false);
    assert_true(object_btf_raw_tracepoint(open_made(*state), "ev", NULL, &args));
    type_complete(args);
    assert_int_equal(args->field_count, 2);
    assert_string_equal(args->fields[0].name, "arg0");
    assert_int_equal(args->fields[0].type->size, 4);
}

static void function_has_parameters_and_result(void **state) {
    const struct type *args = NULL, *result = NULL;
    uint32_t id = 0;
    make_trace_point(*state, true);
    assert_true(object_btf_function(open_made(*state), "__traceiter_ev", &id, &args, &result));
    type_complete(args);
    assert_int_equal(id, 7);
    assert_string_equal(args->fields[0].name, "__data");
    assert_int_equal(args->size, 24);
    assert_int_equal(result->kind, TYPE_INT);
}

/* Behind the basics, as a module of the kernel has it: 5 prototype int (t *a), 6 function mod_f, 7 function s, which
 * has its name from the basics, 8 struct m { t *a; } */
static void a_module_goes_on_where_the_kernel_ends(void **state) {
    struct maker *maker = *state, module = {.arena = maker->arena};
    const struct type *args = NULL, *result = NULL;
    uint32_t id = 0, offset, function = BTF_KIND_FUNC << 24;
    int error = 0;

    make_basics(maker);
    struct object_btf *base = open_made(maker);
    uint32_t size = (uint32_t)maker->strings.length, name_s = 5, name_a = 7; /* "\0int\0s\0a..." */
    assert_string_equal(maker->strings.data + name_s, "s");
    assert_string_equal(maker->strings.data + name_a, "a");
    strbuf_add(&module.strings, "\0mod_f\0m", sizeof "\0mod_f\0m");
    words(&module, 0, BTF_KIND_FUNC_PROTO << 24 | 1, 1);
    pair(&module, name_a, 4);
    words(&module, size + 1, function, 5);
    words(&module, name_s, function, 5);
    words(&module, size + 7, BTF_KIND_STRUCT << 24 | 1, 8);
    words(&module, name_a, 4, 0);
    struct btf_header header = {.magic = BTF_MAGIC, .version = BTF_VERSION, .hdr_len = sizeof header};
    header.type_len = header.str_off = (uint32_t)module.types.length;
    header.str_len = (uint32_t)module.strings.length;
    strbuf_add(&module.file, &header, sizeof header);
    strbuf_add(&module.file, module.types.data, module.types.length);
    strbuf_add(&module.file, module.strings.data, module.strings.length);
    struct object_btf *btf =
        object_btf_module_from_bytes(maker->arena, base, module.file.data, module.file.length, &error);
    assert_int_equal(error, 0);
    assert_true(object_btf_function(btf, "mod_f", &id, &args, &result));
    assert_int_equal(id, 6);
    assert_int_equal(result->kind, TYPE_INT);
    const struct type_field *field = type_find_field(type_complete(args), "a", &offset);
    assert_non_null(field);
    assert_ptr_equal(field->type->target, object_btf_struct(base, "s"));
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_FUNCTION, "s"), 7);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "m"), 8);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "s"), 0);
    assert_int_equal(object_btf_count(btf), 8);
    strbuf_free(&module.types);
    strbuf_free(&module.strings);
    strbuf_free(&module.file);
}

static void nearest_struct_is_suggested(void **state) {
    struct maker *maker = *state;
    record(maker, "task_struct", BTF_KIND_STRUCT, 0, false, 0);
    struct object_btf *btf = open_made(maker);
    assert_string_equal(object_btf_nearest(btf, OBJECT_BTF_STRUCT, "task_strct"), "task_struct");
    assert_null(object_btf_nearest(btf, OBJECT_BTF_STRUCT, "inode"));
}

/* Broken input. */

static void header_must_be_right(void **state) {
    struct maker *maker = *state;
    struct btf_header good = {.magic = BTF_MAGIC, .version = 1, .hdr_len = sizeof good, .str_len = 1}, bad[6];
    int error;

    for (size_t i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].magic = 0x1234;
    bad[1].hdr_len = UINT32_MAX;
    bad[2].type_len = UINT32_MAX;
    bad[3].str_off = UINT32_MAX;
    bad[4].str_len = 0;
    bad[5].hdr_len = 4;
    for (size_t i = 0; i < 6; i++) {
        char bytes[sizeof good + 1] = {0};
        memcpy(bytes, &bad[i], sizeof good);
        assert_null(object_btf_from_bytes(maker->arena, bytes, sizeof bytes, &error));
        assert_int_equal(error, -EINVAL);
    }
    assert_null(object_btf_from_bytes(maker->arena, &good, 10, &error));
}

static void truncated_record_ends_the_types(void **state) {
    struct maker *maker = *state;
    add_int(maker, "int", 4, 0);
    record(maker, "s", BTF_KIND_STRUCT, 0xffff, false, 8); /* members that are not there */
    struct object_btf *btf = open_made(maker);
    assert_int_equal(object_btf_count(btf), 1);
    assert_null(object_btf_struct(btf, "s"));
    assert_int_equal(object_btf_type(btf, 2)->kind, TYPE_VOID);
    assert_int_equal(object_btf_type(btf, UINT32_MAX)->kind, TYPE_VOID);
}

static void unknown_kind_ends_the_types(void **state) {
    struct maker *maker = *state;
    record(maker, "new", 31, 0, false, 0);
    add_int(maker, "int", 4, 0);
    assert_int_equal(object_btf_count(open_made(maker)), 0);
}

static void circle_of_typedefs_is_void(void **state) {
    struct maker *maker = *state;
    record(maker, "a", BTF_KIND_TYPEDEF, 0, false, 2);
    record(maker, "b", BTF_KIND_TYPEDEF, 0, false, 1);
    assert_int_equal(object_btf_type(open_made(maker), 1)->kind, TYPE_VOID);
}

static void circle_of_pointers_ends(void **state) {
    struct maker *maker = *state;
    int depth = 0;
    record(maker, "", BTF_KIND_PTR, 0, false, 1);
    const struct type *type = object_btf_type(open_made(maker), 1);
    for (; type->kind == TYPE_POINTER; type = type->target)
        assert_true(++depth < 100);
    assert_int_equal(type->kind, TYPE_VOID);
}

static void array_of_itself_ends(void **state) {
    struct maker *maker = *state;
    record(maker, "", BTF_KIND_ARRAY, 0, false, 0);
    words(maker, 1, 1, UINT32_MAX);
    assert_int_equal(object_btf_type(open_made(maker), 1)->size, 0);
}

static void array_larger_than_memory_is_empty(void **state) {
    struct maker *maker = *state;
    add_int(maker, "int", 4, 0);
    record(maker, "", BTF_KIND_ARRAY, 0, false, 0);
    words(maker, 1, 1, UINT32_MAX);
    assert_int_equal(object_btf_type(open_made(maker), 2)->size, 0);
}

static void member_outside_of_its_struct_is_left_out(void **state) {
    struct maker *maker = *state;
    add_int(maker, "int", 4, 0);
    record(maker, "s", BTF_KIND_STRUCT, 3, true, 8);
    member(maker, "in", 1, 32);
    member(maker, "out", 1, 64);
    member(maker, "wide", 1, 40u << 24 | 0); /* 40 bits in an int */
    const struct type *type = type_complete(object_btf_struct(open_made(maker), "s"));
    assert_int_equal(type->field_count, 1);
    assert_string_equal(type->fields[0].name, "in");
}

static void anonymous_circle_is_left_out(void **state) {
    struct maker *maker = *state;
    uint32_t offset;
    record(maker, "s", BTF_KIND_UNION, 2, false, 8);
    member(maker, "", 1, 0);
    member(maker, "", 1, 0);
    const struct type *type = object_btf_struct(open_made(maker), "s");
    assert_null(type_find_field(type, "absent", &offset));
    assert_int_equal(type->field_count, 0);
}

static void name_outside_of_the_strings_is_none(void **state) {
    struct maker *maker = *state;
    words(maker, UINT32_MAX, BTF_KIND_STRUCT << 24, 0);
    assert_null(object_btf_type(open_made(maker), 1)->name);
}

/* From a file. */

static const char *write_file(struct maker *maker, char path[32]) {
    strcpy(path, "/tmp/object_btf_XXXXXX");
    int fd = mkstemp(path);
    open_made(maker);
    assert_int_equal(write(fd, maker->file.data, maker->file.length), maker->file.length);
    close(fd);
    return path;
}

static void types_are_completed_after_a_release(void **state) {
    struct maker *maker = *state;
    char path[32];
    int error;
    uint32_t offset;
    make_basics(maker);
    struct object_btf *btf = object_btf_open(maker->arena, write_file(maker, path), &error);
    const struct type *type = object_btf_struct(btf, "s");
    object_btf_release(btf);
    const struct type_field *field = type_find_field(type, "a", &offset);
    object_btf_release(btf);
    unlink(path);
    assert_non_null(field);
    assert_string_equal(field->name, "a");
}

static void file_that_is_gone_after_a_release_leaves_types_empty(void **state) {
    struct maker *maker = *state;
    char path[32];
    int error;
    make_basics(maker);
    struct object_btf *btf = object_btf_open(maker->arena, write_file(maker, path), &error);
    const struct type *type = object_btf_struct(btf, "s");
    object_btf_release(btf);
    unlink(path);
    assert_int_equal(type_complete(type)->field_count, 0);
    assert_int_equal(object_btf_find(btf, OBJECT_BTF_STRUCT, "s"), 0);
}

static void missing_file_is_an_error(void **state) {
    struct maker *maker = *state;
    int error = 0;
    assert_null(object_btf_open(maker->arena, "/nonexistent", &error));
    assert_int_equal(error, -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(finds_by_name_and_kind),
        TEST(finds_name_that_is_the_tail_of_another),
        TEST(finds_name_that_is_there_twice),
        TEST(many_searches_go_through_an_index),
        TEST(struct_is_completed_on_demand),
        TEST(bit_field_lies_in_an_aligned_storage),
        TEST(pointer_skips_typedefs),
        TEST(user_tag_makes_a_user_pointer),
        TEST(char_arrays_keep_the_name_char),
        TEST(odd_numbers_become_bytes),
        TEST(anonymous_members_are_looked_through),
        TEST(enumerators_are_found_in_all_enums),
        TEST(enum_lists_its_names),
        TEST(raw_tracepoint_has_named_slots),
        TEST(raw_tracepoint_without_names_numbers_them),
        TEST(function_has_parameters_and_result),
        TEST(a_module_goes_on_where_the_kernel_ends),
        TEST(nearest_struct_is_suggested),
        TEST(header_must_be_right),
        TEST(truncated_record_ends_the_types),
        TEST(unknown_kind_ends_the_types),
        TEST(circle_of_typedefs_is_void),
        TEST(circle_of_pointers_ends),
        TEST(array_of_itself_ends),
        TEST(array_larger_than_memory_is_empty),
        TEST(member_outside_of_its_struct_is_left_out),
        TEST(anonymous_circle_is_left_out),
        TEST(name_outside_of_the_strings_is_none),
        TEST(types_are_completed_after_a_release),
        TEST(file_that_is_gone_after_a_release_leaves_types_empty),
        TEST(missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
