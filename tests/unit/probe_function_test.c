/* Functions of the kernel over made-up lists: names, modules, duplicates, errors. Without features every kprobe is a
 * perf event, and there are no trampolines. */
#include "probe_test.h"

#include "probe/probe_int.h"

static int set_up_functions(void **state) {
    set_up(state);
    struct fixture *fixture = *state;

    put_file(fixture->directory, "available_filter_functions",
             "__ftrace_invalid_address___64\nvfs_read\nvfs_write\nnamed_twice\nnamed_twice\nxfs_read [xfs]\n");
    put_file(fixture->directory, "kallsyms",
             "ffffffff81000100 T vfs_read\nffffffff81000200 T vfs_write\nffffffff81000300 t named_twice\n"
             "ffffffff81000400 t named_twice\nffffffff81000500 t not_traceable\nffffffffc0000100 t xfs_read\t[xfs]\n"
             "ffffffffc0000200 t vfs_read\t[xfs]\n");
    fixture->context.kallsyms_path = arena_printf(fixture->arena, "%s/kallsyms", fixture->directory);
    return 0;
}

static void a_name_is_enough(void **state) {
    const struct probe_target *target = only_target(*state, "k:vfs_write", false);

    assert_int_equal(target->mechanism, PROBE_KPROBE);
    assert_string_equal(target->name, "kprobe:vfs_write");
    assert_string_equal(target->symbol, "vfs_write");
    assert_false(target->is_return);
    assert_true(only_target(*state, "kr:vfs_write", false)->is_return);
}

static void a_module_tells_functions_apart(void **state) {
    const struct probe_target *target = only_target(*state, "kprobe:xfs:vfs_read", false);

    assert_string_equal(target->name, "kprobe:xfs:vfs_read");
    assert_string_equal(target->module, "xfs");
    assert_true(target->address == 0xffffffffc0000200);
    assert_null(only_target(*state, "kprobe:vmlinux:vfs_read", false)->module);
}

static void an_offset_needs_an_event_of_its_own(void **state) {
    const struct probe_target *target = only_target(*state, "kprobe:vfs_write+0x10", false);

    assert_int_equal(target->offset, 16);
    assert_true(target->by_event);
    assert_string_equal(target->name, "kprobe:vfs_write+16");
}

static void wildcards_take_what_can_be_traced(void **state) {
    struct fixture *fixture = *state;

    assert_int_equal(expand(fixture, "kprobe:vfs_*", false), 0);
    assert_int_equal(fixture->targets.items.count, 2);
    assert_true(fixture->targets.items.data[0]->address == 0);
    assert_int_equal(expand(fixture, "kprobe:*traceable", false), -ENOENT);
}

static void every_function_of_a_name_has_its_address(void **state) {
    struct fixture *fixture = *state;

    assert_int_equal(expand(fixture, "kprobe:named_t*", false), 0);
    assert_int_equal(fixture->targets.items.count, 2);
    assert_true(fixture->targets.items.data[0]->address == 0xffffffff81000300);
    assert_true(fixture->targets.items.data[1]->address == 0xffffffff81000400);
    assert_int_equal(expand(fixture, "kprobe:xfs:*", false), 0);
    assert_int_equal(fixture->targets.items.count, 1);
    assert_true(fixture->targets.items.data[0]->address == 0xffffffffc0000100);
}

static void an_ambiguous_name_is_refused_where_types_depend_on_it(void **state) {
    expect_error(*state, "fentry:vfs_read", "fentry: 'vfs_read' is the name of 2 functions, in vmlinux, xfs",
                 "vfs_read", "say which: fentry:MODULE:vfs_read");
    assert_string_equal(only_target(*state, "fentry:xfs:vfs_read", false)->module, "xfs");
}

static void bad_places_are_refused(void **state) {
    struct fixture *fixture = *state;

    expect_error(fixture, "kprobe:vfs_wrote", "No matches for kprobe vfs_wrote.", "vfs_wrote",
                 "did you mean vfs_write?");
    expect_error(fixture, "kretprobe:vfs_read+4", "kretprobe takes the name of a function, nothing else", "vfs_read+4",
                 "for a place inside a function there is kprobe:FUNCTION+OFFSET");
    expect_error(fixture, "kprobe:vfs_read+x", "kprobe: 'x' is not an offset", "vfs_read+x", NULL);
    expect_error(fixture, "kprobe:0xffffffff81000100", "kprobe by address is not safe: what it breaks is not checked",
                 "0xffffffff81000100", "name the function, or use --unsafe");
    fixture->context.unsafe = true;
    assert_true(only_target(fixture, "kprobe:0xffffffff81000100", false)->address == 0xffffffff81000100);
    expect_error(fixture, "kprobe:", "kprobe needs the name of a kernel function", "", NULL);
}

static void collect(void *user, const char *line) { strbuf_addf(user, "%s\n", line); }

static void listing_names_each_once(void **state) {
    struct fixture *fixture = *state;
    struct strbuf lines = {0};

    assert_int_equal(probe_list(&fixture->context, "kprobe:*", false, collect, &lines, &fixture->error), 4);
    assert_string_equal(strbuf_text(&lines),
                        "kprobe:named_twice\nkprobe:vfs_read\nkprobe:vfs_write\nkprobe:xfs:xfs_read\n");
    strbuf_reset(&lines);
    assert_int_equal(probe_list(&fixture->context, "kr:xfs:x*", false, collect, &lines, &fixture->error), 1);
    assert_string_equal(strbuf_text(&lines), "kretprobe:xfs:xfs_read\n");
    strbuf_free(&lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_functions, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_enough),
        TEST(a_module_tells_functions_apart),
        TEST(an_offset_needs_an_event_of_its_own),
        TEST(wildcards_take_what_can_be_traced),
        TEST(every_function_of_a_name_has_its_address),
        TEST(an_ambiguous_name_is_refused_where_types_depend_on_it),
        TEST(bad_places_are_refused),
        TEST(listing_names_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
