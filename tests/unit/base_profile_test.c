#include "base/profile.h"
#include "unit.h"

static uint32_t function(struct profile *p, const char *name) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.name = profile_text(p, name);
    return profile_frame(p, &frame);
}

static void add(struct profile *p, uint32_t node, uint64_t time, uint64_t weight) {
    profile_sample(p, &(struct profile_sample){.time = time, .weight = weight, .node = node, .count = 1});
}

static void equal_things_have_one_number(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    (void)state;
    assert_int_equal(profile_text(p, ""), 0);
    assert_int_equal(profile_text(p, "read"), profile_string(p, "readers", 4));
    assert_int_not_equal(profile_text(p, "read"), profile_text(p, "readers"));
    assert_int_equal(profile_string(p, "a\0b", 3), profile_text(p, "a"));
    assert_int_equal(function(p, "read"), function(p, "read"));
    assert_int_equal(profile_module(p, "/bin/x", NULL, 0), profile_module(p, "/bin/x", NULL, 0));
    assert_int_not_equal(profile_module(p, "/bin/x", NULL, 0), profile_module(p, "/bin/x", (uint8_t *)"12345678", 8));
    assert_int_equal(profile_thread(p, &(struct profile_thread){1, 2, 0, 0}),
                     profile_thread(p, &(struct profile_thread){1, 2, 0, 0}));
    assert_int_equal(profile_node(p, 0, function(p, "main")), profile_node(p, 0, function(p, "main")));
    arena_free(arena);
}

static void recursion_is_a_path_of_its_own(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    uint32_t f = function(p, "f"), once = profile_node(p, 0, f), twice = profile_node(p, once, f);
    (void)state;
    assert_int_not_equal(once, twice);
    assert_int_equal(p->nodes.data[twice].parent, once);
    arena_free(arena);
}

static void samples_without_time_add_up(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    uint32_t node = profile_node(p, 0, function(p, "main"));
    (void)state;
    for (int i = 0; i < 1000; i++)
        add(p, node, PROFILE_NO_TIME, 2);
    add(p, node, 7, 1);
    add(p, node, 7, 1);
    assert_int_equal(p->samples.count, 3);
    assert_int_equal(p->samples.data[0].weight, 2000);
    assert_int_equal(p->samples.data[0].count, 1000);
    arena_free(arena);
}

static void a_total_has_all_that_is_below(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    uint32_t main = profile_node(p, 0, function(p, "main")), left = profile_node(p, main, function(p, "left")),
             right = profile_node(p, main, function(p, "right"));
    (void)state;
    add(p, left, PROFILE_NO_TIME, 3);
    add(p, right, 1, 4);
    add(p, main, 2, 5);
    struct profile_weights weights = profile_weights(p, arena);
    assert_int_equal(weights.self[main], 5);
    assert_int_equal(weights.total[main], 12);
    assert_int_equal(weights.total[0], 12);
    assert_int_equal(weights.total[left], 3);
    assert_int_equal(weights.self[0], 0);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_things_have_one_number),
        cmocka_unit_test(recursion_is_a_path_of_its_own),
        cmocka_unit_test(samples_without_time_add_up),
        cmocka_unit_test(a_total_has_all_that_is_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
