#include "object/format.h"
#include "unit.h"

static int set_up(void **state) {
    *state = arena_new();
    return 0;
}

static int tear_down(void **state) {
    arena_free(*state);
    return 0;
}

static const struct type task = {.kind = TYPE_STRUCT, .size = 64, .align = 8, .name = "task_struct"};

static const struct type *resolve(void *context, const char *tag) {
    (void)context;
    return strcmp(tag, "task_struct") == 0 ? &task : NULL;
}

static const struct object_format *parse_text(struct arena *arena, const char *text, enum type_space space) {
    const struct object_format_types types = {.space = space, .resolve = resolve};
    const char *error = NULL;

    return object_format_parse(arena, text, strlen(text), "args", &types, &error);
}

/* The one field of a format with nothing else. */
static const struct type_field *parse_line(struct arena *arena, const char *line) {
    const char *text = arena_printf(arena, "name: ev\nID: 7\nformat:\n\tfield:%s\n", line);
    const struct object_format *format = parse_text(arena, text, SPACE_KERNEL);

    assert_non_null(format);
    return format->args->field_count == 1 ? &format->args->fields[0] : NULL;
}

static void reads_a_whole_format(void **state) {
    static const char text[] = "name: sched_switch\n"
                               "ID: 314\n"
                               "format:\n"
                               "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
                               "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
                               "\n"
                               "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
                               "\n"
                               "print fmt: \"field:int not_one;\toffset:0;\tsize:4;\"\n";
    const struct object_format *format = parse_text(*state, text, SPACE_KERNEL);
    assert_string_equal(format->name, "sched_switch");
    assert_int_equal(format->id, 314);
    assert_int_equal(format->common_count, 2);
    assert_int_equal(format->args->field_count, 3);
    assert_int_equal(format->args->size, 24);
    assert_string_equal(format->args->name, "args");
    assert_string_equal(format->declarations[2], "char prev_comm[16]");
}

static void c_text_becomes_a_type(void **state) {
    static const struct {
        const char *line, *type;
    } rows[] = {
        {"int x;\toffset:8;\tsize:4;\tsigned:1;", "int32"},
        {"unsigned long x;\toffset:8;\tsize:8;\tsigned:0;", "uint64"},
        {"enum zone_type x;\toffset:8;\tsize:4;\tsigned:0;", "uint32"},
        {"bool x;\toffset:8;\tsize:1;\tsigned:0;", "bool"},
        {"char x[16];\toffset:8;\tsize:16;\tsigned:0;", "uint8[16]"},
        {"char x[TASK_COMM_LEN];\toffset:8;\tsize:16;\tsigned:0;", "uint8[16]"},
        {"unsigned long args[6];\toffset:8;\tsize:48;\tsigned:0;", "uint64[6]"},
        {"u32 x[COUNT];\toffset:8;\tsize:48;\tsigned:0;", "uint32[12]"},
        {"struct timespec x;\toffset:8;\tsize:24;\tsigned:0;", "uint8[24]"},
        {"const char * x;\toffset:8;\tsize:8;\tsigned:0;", "uint8 *"},
        {"const char *const * x;\toffset:8;\tsize:8;\tsigned:0;", "uint8 **"},
        {"struct task_struct * x;\toffset:8;\tsize:8;\tsigned:0;", "struct task_struct *"},
        {"const struct unknown *x;\toffset:8;\tsize:8;\tsigned:0;", "void *"},
        {"void * x;\toffset:8;\tsize:8;\tsigned:0;", "void *"},
        {"unsigned long x[];\toffset:8;\tsize:0;\tsigned:0;", "uint64[0]"},
        {"void *x[4];\toffset:8;\tsize:32;\tsigned:0;", "void *[4]"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct type_field *field = parse_line(*state, rows[i].line);
        assert_non_null(field);
        assert_string_equal(type_text(*state, field->type), rows[i].type);
        assert_int_equal(field->offset, 8);
    }
}

static void char_is_named_so(void **state) {
    const struct type_field *field = parse_line(*state, "char x[16];\toffset:8;\tsize:16;\tsigned:0;");
    assert_string_equal(field->type->target->name, "char");
    field = parse_line(*state, "u8 x[16];\toffset:8;\tsize:16;\tsigned:0;");
    assert_null(field->type->target->name);
}

static void data_loc_is_an_array_of_unknown_length(void **state) {
    const struct type_field *field = parse_line(*state, "__data_loc char[] name;\toffset:16;\tsize:4;\tsigned:1;");
    assert_true(field->is_data_loc);
    assert_string_equal(field->name, "name");
    assert_int_equal(field->type->kind, TYPE_ARRAY);
    assert_int_equal(field->type->count, 0);
    assert_string_equal(field->type->target->name, "char");
}

static void rel_loc_is_marked(void **state) {
    const struct object_format *format =
        parse_text(*state, "ID: 1\nfield:__rel_loc u32[] name;\toffset:16;\tsize:4;\n", SPACE_KERNEL);
    assert_true(format->is_relative[0]);
    assert_true(format->args->fields[0].is_data_loc);
    assert_int_equal(format->args->fields[0].type->target->size, 4);
}

static void pointers_of_system_calls_are_of_the_user(void **state) {
    const struct object_format *format =
        parse_text(*state, "ID: 1\nfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;\n", SPACE_USER);
    assert_int_equal(format->args->fields[0].type->space, SPACE_USER);
}

static void broken_fields_are_left_out(void **state) {
    static const char *const lines[] = {
        "int x;\toffset:65536;\tsize:4;\tsigned:1;",  "int x;\toffset:18446744073709551615;\tsize:8;",
        "char x[];\toffset:65535;\tsize:4294967295;", ";\toffset:0;\tsize:4;",
        "__data_loc char[] x;\toffset:0;\tsize:8;",   "x];\toffset:0;\tsize:4;",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_null(parse_line(*state, lines[i]));
}

static void text_without_id_is_an_error(void **state) {
    const char *error = NULL;
    assert_null(object_format_parse(*state, "name: x\n", 8, "args", NULL, &error));
    assert_non_null(error);
    assert_null(object_format_parse(*state, NULL, 0, "args", NULL, &error));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_a_whole_format),       TEST(c_text_becomes_a_type),
        TEST(char_is_named_so),           TEST(data_loc_is_an_array_of_unknown_length),
        TEST(rel_loc_is_marked),          TEST(pointers_of_system_calls_are_of_the_user),
        TEST(broken_fields_are_left_out), TEST(text_without_id_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
