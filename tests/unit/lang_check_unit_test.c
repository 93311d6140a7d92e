/* What the checker leaves on the tree beyond types: memory spaces, bindings, constants, and checking again. */
#include "lang/constants.h"
#include "lang_check_env.h"
#include "unit.h"

#include <stdio.h>

struct checked {
    struct arena *arena;
    struct source source;
    struct diag_list diags;
    struct lang_program *program;
    struct lang_unit unit;
    bool ok;
};

static const struct lang_target *target_named(const char *name) {
    for (size_t i = 0; i < COUNT(world_targets); i++)
        if (strcmp(world_targets[i].name, name) == 0)
            return &world_targets[i];
    fail_msg("no target %s", name);
    return NULL;
}

static void check_text(struct checked *checked, const char *text, const struct lang_target *target) {
    *checked = (struct checked){.arena = arena_new(), .source = {"test", text, (uint32_t)strlen(text)}};
    diag_init(&checked->diags, checked->arena, &checked->source);
    checked->program = lang_parse(checked->arena, &checked->source, &world_env, &checked->diags);
    checked->unit = (struct lang_unit){checked->program->tree->child, target};
    checked->ok = lang_check(checked->program, &checked->unit, 1, &world_env, &checked->diags);
}

/* The n-th statement of the first probe. */
static const struct node *statement(const struct checked *checked, unsigned index) {
    return node_child(node_probe_body(checked->unit.probe), index);
}

/* In `$v = value;` */
static const struct node *value_of(const struct node *assignment) { return assignment->child->next; }

static enum type_space space_of(const char *expression, const char *probe) {
    struct checked checked;
    char text[256];

    snprintf(text, sizeof text, "%s { $p = %s; }", probe, expression);
    check_text(&checked, text, target_named(probe));
    assert_true(checked.ok);
    const struct type *type = value_of(statement(&checked, 0))->type;
    assert_int_equal(type->kind, TYPE_POINTER);
    enum type_space space = type->space;
    arena_free(checked.arena);
    return space;
}

static void pointers_know_their_memory(void **state) {
    static const struct {
        const char *expression, *probe;
        enum type_space space;
    } cases[] = {
        {"curtask", "begin", SPACE_KERNEL},
        {"curtask.parent", "uprobe:/bin/sh:main", SPACE_KERNEL},
        {"curtask.name", "begin", SPACE_KERNEL},
        {"args.task", "tracepoint:sched:switch", SPACE_KERNEL},
        {"args.filename", "tracepoint:syscalls:sys_enter_openat", SPACE_USER},
        {"(struct task_struct *)arg0", "uprobe:/bin/sh:main", SPACE_USER},
        {"((struct task_struct *)arg0).parent", "uprobe:/bin/sh:main", SPACE_USER},
        {"&((struct task_struct *)arg0).pid", "uprobe:/bin/sh:main", SPACE_USER},
        {"(struct task_struct *)5", "begin", SPACE_NONE},
        {"((struct task_struct *)5).name", "begin", SPACE_NONE},
        {"kptr(arg0)", "uprobe:/bin/sh:main", SPACE_KERNEL},
        {"uptr(curtask)", "begin", SPACE_USER},
        {"uptr(curtask).name", "begin", SPACE_USER},
        {"curtask + 1", "begin", SPACE_KERNEL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (space_of(cases[i].expression, cases[i].probe) != cases[i].space)
            fail_msg("%s in %s", cases[i].expression, cases[i].probe);
}

static void fields_carry_their_offset(void **state) {
    struct checked checked;

    (void)state;
    check_text(&checked, "begin { $x = curtask.high; }", target_named("begin"));
    const struct node *field = value_of(statement(&checked, 0));
    assert_string_equal(field->field->name, "high");
    assert_int_equal(field->field_offset, 40); /* 32 of the anonymous member + 8 */
    arena_free(checked.arena);
}

static void arguments_carry_their_number(void **state) {
    struct checked checked;

    (void)state;
    check_text(&checked, "uprobe:/bin/sh:main { $x = arg7; }", target_named("uprobe:/bin/sh:main"));
    const struct node *argument = value_of(statement(&checked, 0));
    assert_int_equal(argument->builtin->id, LANG_BUILTIN_arg);
    assert_int_equal(argument->number, 7);
    arena_free(checked.arena);
}

static int64_t folded(const char *expression) {
    struct checked checked;
    char text[256];

    snprintf(text, sizeof text, "begin { $x = %s; }", expression);
    check_text(&checked, text, target_named("begin"));
    const struct node *value = value_of(statement(&checked, 0));
    assert_true(value->is_constant);
    int64_t number = value->number;
    arena_free(checked.arena);
    return number;
}

static void constants_fold_as_in_c(void **state) {
    static const struct {
        const char *expression;
        int64_t number;
    } cases[] = {
        {"2 + 3 * 4", 14},  {"-7 / 2", -3},       {"-7 % 2", -1},
        {"(uint8)300", 44}, {"(int8)200", -56},   {"1 << 10", 1024},
        {"-8 >> 1", -4},    {"~5", -6},           {"!5", 0},
        {"3 > -1", 1},      {"GREEN + BLUE", 8},  {"sizeof(uint32)", 4},
        {"$2 * 2", 4},      {"AF_INET6", 10},     {"(bool)7", 1},
        {"1 && 0 || 1", 1}, {"0xff & ~0xf", 240}, {"(uint64)-1 / 2", INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (folded(cases[i].expression) != cases[i].number)
            fail_msg("%s = %lld", cases[i].expression, (long long)folded(cases[i].expression));
}

static const struct type_field other_fields[] = {FIELD("prev_pid", &world_comm, 8), FIELD("task", &world_int, 24)};
static const struct type other_args = {
    .kind = TYPE_STRUCT, .size = 32, .align = 8, .name = "args", .fields = other_fields, .field_count = 2};

static void block_is_checked_again_for_another_target(void **state) {
    const struct lang_target *first = target_named("tracepoint:sched:switch");
    struct lang_target second = *first;
    struct checked checked;

    (void)state;
    check_text(&checked, "tracepoint:sched:switch { $x = args.prev_pid; print(args.prev_pid == $2); }", first);
    assert_true(checked.ok);
    assert_int_equal(value_of(statement(&checked, 0))->type->kind, TYPE_INT);
    const struct node *literal = value_of(statement(&checked, 1)->child->child);
    assert_int_equal(literal->kind, NODE_INTEGER);

    second.args = &other_args;
    struct lang_unit unit = {checked.unit.probe, &second};
    assert_true(lang_check_unit(checked.program, &unit, &world_env, &checked.diags));
    assert_int_equal(statement(&checked, 0)->child->variable->type->kind, TYPE_STRING);
    assert_int_equal(literal->kind, NODE_STRING);
    assert_string_equal(literal->text, "2");

    assert_true(lang_check_unit(checked.program, &checked.unit, &world_env, &checked.diags));
    assert_int_equal(statement(&checked, 0)->child->variable->type->kind, TYPE_INT);
    assert_int_equal(literal->kind, NODE_INTEGER);
    assert_int_equal(literal->number, 2);
    arena_free(checked.arena);
}

static void stacks_grow_to_the_deepest(void **state) {
    struct checked checked;

    (void)state;
    check_text(&checked, "begin { @s = kstack(3); @s = kstack(8); @s = kstack(5); }", target_named("begin"));
    assert_int_equal(checked.program->maps.data[0]->value->count, 8);
    arena_free(checked.arena);
}

static void sums_are_signed_if_one_is(void **state) {
    struct checked checked;

    (void)state;
    check_text(&checked, "begin { @s = sum(pid); @s = sum((int32)-1); @u = sum(pid); }", target_named("begin"));
    assert_true(checked.program->maps.data[0]->value->is_signed);
    assert_false(checked.program->maps.data[1]->value->is_signed);
    arena_free(checked.arena);
}

static void constants_of_c_are_known(void **state) {
    int64_t value;

    (void)state;
    assert_true(lang_find_named_constant("ENOENT", &value));
    assert_int_equal(value, 2);
    assert_true(lang_find_named_constant("S_IFMT", &value));
    assert_int_equal(value, 0170000);
    assert_false(lang_find_named_constant("ENOSUCHNAME", &value));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_know_their_memory),
        cmocka_unit_test(fields_carry_their_offset),
        cmocka_unit_test(arguments_carry_their_number),
        cmocka_unit_test(constants_fold_as_in_c),
        cmocka_unit_test(block_is_checked_again_for_another_target),
        cmocka_unit_test(stacks_grow_to_the_deepest),
        cmocka_unit_test(sums_are_signed_if_one_is),
        cmocka_unit_test(constants_of_c_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
