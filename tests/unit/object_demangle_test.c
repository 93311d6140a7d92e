/* Names of C++ and Rust, read in a child process that a bad one may kill. */
#include "object/demangle.h"
#include "unit.h"

#include <string.h>

static void names(void **state) {
    static const char *const mangled[] = {"_ZN5space7Derived6methodEi",         "main", "_ZN3foo3barIiEEvT_",
                                          "_ZN5hello4main17h0123456789abcdefE", "_Z",   "_RNvCs1234_7mycrate3foo"};
    struct arena *arena = arena_new();
    struct object_demangler *demangler = object_demangler_new(arena);
    const char *results[6];

    (void)state;
    object_demangle(demangler, OBJECT_DEMANGLE_SIGNATURE, mangled, 6, results);
    assert_string_equal(results[0], "space::Derived::method(int)");
    assert_null(results[1]);
    assert_string_equal(results[2], "foo::bar<int>(int)");
    assert_string_equal(results[3], "hello::main");
    assert_null(results[4]);
    assert_string_equal(results[5], "mycrate::foo");
    object_demangle(demangler, OBJECT_DEMANGLE_BARE, mangled, 1, results);
    assert_string_equal(results[0], "space::Derived::method");
    object_demangler_close(demangler);
    arena_free(arena);
}

/* More than one request takes; long names stay as they are. */
static void many_names(void **state) {
    enum { COUNT = 20000 };
    struct arena *arena = arena_new();
    struct object_demangler *demangler = object_demangler_new(arena);
    const char **mangled = arena_new_array(arena, const char *, COUNT + 1);
    const char **results = arena_new_array(arena, const char *, COUNT + 1);
    char *longest = arena_alloc(arena, 100000);

    (void)state;
    for (int i = 0; i < COUNT; i++)
        mangled[i] = arena_printf(arena, "_ZN5space5f%04dEv", i % 10000);
    memset(longest, 'P', 99999);
    memcpy(longest, "_Z1f", 4);
    mangled[COUNT] = longest;
    object_demangle(demangler, OBJECT_DEMANGLE_SIGNATURE, mangled, COUNT + 1, results);
    assert_string_equal(results[0], "space::f0000()");
    assert_string_equal(results[COUNT - 1], "space::f9999()");
    assert_null(results[COUNT]);
    object_demangler_close(demangler);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
