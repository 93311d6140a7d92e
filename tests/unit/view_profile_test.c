/* Profiles as text: each format's golden text for a small profile. */
#include "profile_text.h"

static void check(const char *ending, struct profile *p, const char *expected) {
    char *text = written(ending, p, NULL, NULL);
    assert_string_equal(text, expected);
    free(text);
}

static void a_stack_is_a_line(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    uint32_t thread =
        profile_thread(p, &(struct profile_thread){7, 8, profile_text(p, "worker"), profile_text(p, "app")});
    uint32_t main = profile_node(p, 0, frame_of(p, "main", "/bin/app", PROFILE_USER, 0x10));
    uint32_t read = profile_node(p, main, frame_of(p, "read", "/bin/app", PROFILE_USER, 0x20));
    uint32_t vfs = profile_node(p, read, frame_of(p, "vfs_read", NULL, PROFILE_KERNEL, 0x30));
    (void)state;
    sample_at(p, thread, vfs, 3);
    sample_at(p, thread, main, 2);
    check(".folded", p, "app;main 2\napp;main;read;vfs_read_[k] 3\n");
    arena_free(arena);
}

static void calls_from_two_places_are_one(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    uint32_t first = profile_node(p, 0, frame_of(p, "main", "/bin/app", PROFILE_USER, 0x10)),
             second = profile_node(p, 0, frame_of(p, "main", "/bin/app", PROFILE_USER, 0x18)),
             other = profile_node(p, 0, frame_of(p, "main", "/bin/other", PROFILE_USER, 0x18));
    (void)state;
    sample_at(p, 0, profile_node(p, first, frame_of(p, "f", NULL, PROFILE_USER, 1)), 1);
    sample_at(p, 0, profile_node(p, second, frame_of(p, "f", NULL, PROFILE_USER, 2)), 2);
    sample_at(p, 0, other, 4);
    check(".folded", p, "main;f 3\nmain 4\n");
    arena_free(arena);
}

static void the_order_of_samples_does_not_matter(void **state) {
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct arena *arena = arena_new();
        struct profile *p = profile_new(arena);
        for (int i = 0; i < 3; i++) {
            const char *name = (const char *[]){"b", "a", "c"}[order ? 2 - i : i];
            sample_at(p, 0, profile_node(p, 0, frame_of(p, name, NULL, PROFILE_USER, 0)), 1);
        }
        check(".folded", p, "a 1\nb 1\nc 1\n");
        arena_free(arena);
    }
}

static void what_separates_is_not_taken_from_names(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    (void)state;
    sample_at(p, 0, profile_node(p, 0, frame_of(p, "a;b\nc", NULL, PROFILE_JIT, 0)), 1);
    sample_at(p, 0, 0, 5);
    check(".folded", p, "[no stack] 5\na:b c_[j] 1\n");
    arena_free(arena);
}

static void frames_without_names_tell_their_module(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    struct profile_frame frame;
    (void)state;
    memset(&frame, 0, sizeof frame);
    frame.kind = PROFILE_UNNAMED;
    frame.module = profile_module(p, "/usr/lib/libx.so", NULL, 0);
    sample_at(p, 0, profile_node(p, 0, profile_frame(p, &frame)), 1);
    frame.address = 0x1234;
    frame.offset = 0x34;
    sample_at(p, 0, profile_node(p, 0, profile_frame(p, &frame)), 1);
    frame.kind = PROFILE_JIT;
    frame.module = 0;
    sample_at(p, 0, profile_node(p, 0, profile_frame(p, &frame)), 1);
    check(".folded", p, "[jit]_[j] 1\n[libx.so] 1\nlibx.so!fn_1200 1\n");
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_is_a_line),
        cmocka_unit_test(calls_from_two_places_are_one),
        cmocka_unit_test(the_order_of_samples_does_not_matter),
        cmocka_unit_test(what_separates_is_not_taken_from_names),
        cmocka_unit_test(frames_without_names_tell_their_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
