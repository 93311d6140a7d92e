#include "base/arena.h"
#include "base/hash.h"
#include "base/vec.h"
#include "unit.h"

static void memory_is_zeroed_and_aligned(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    for (size_t size = 1; size < 70000; size = size * 3 + 1) {
        char *bytes = arena_alloc(arena, size);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        assert_int_equal(bytes[0] | bytes[size - 1], 0);
        memset(bytes, 0xff, size);
    }
    arena_free(arena);
}

static void text_is_copied(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    assert_string_equal(arena_strdup(arena, "abc"), "abc");
    assert_string_equal(arena_strndup(arena, "abc", 2), "ab");
    assert_string_equal(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    assert_memory_equal(arena_memdup(arena, "a\0b", 3), "a\0b", 3);
    assert_true(arena_used(arena) >= 4 + 3 + 4 + 3);
    arena_free(arena);
}

static void vec_keeps_items_while_it_grows(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    VEC(uint32_t) numbers = {0};
    for (uint32_t i = 0; i < 1000; i++)
        vec_push(arena, &numbers, i * 3);
    assert_int_equal(*vec_add(arena, &numbers), 0);
    assert_int_equal(numbers.count, 1001);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(numbers.data[i], i * 3);
    arena_free(arena);
}

static void hash_finds_what_was_put(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    struct hash table;
    hash_init(&table, arena);
    assert_null(hash_get(&table, "k1"));
    for (uintptr_t i = 1; i <= 1000; i++) {
        hash_put(&table, arena_printf(arena, "k%u", (unsigned)i), (void *)i);
        hash_put_number(&table, i << 32, (void *)(i * 2));
    }
    assert_int_equal(table.count, 2000);
    assert_int_equal((uintptr_t)hash_get(&table, "k777"), 777);
    assert_int_equal((uintptr_t)hash_get_number(&table, 777ull << 32), 1554);
    assert_null(hash_get(&table, "k1001"));
    assert_null(hash_get_number(&table, 777));
    arena_free(arena);
}

static void hash_put_replaces(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    struct hash table;
    int first, second;
    hash_init(&table, arena);
    hash_put(&table, "key", &first);
    hash_put(&table, "key", &second);
    assert_ptr_equal(hash_get(&table, "key"), &second);
    assert_int_equal(table.count, 1);
    arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(text_is_copied),
        cmocka_unit_test(vec_keeps_items_while_it_grows),
        cmocka_unit_test(hash_finds_what_was_put),
        cmocka_unit_test(hash_put_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
