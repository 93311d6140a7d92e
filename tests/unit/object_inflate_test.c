/* DEFLATE: streams made by zlib (python3 -c 'import zlib; print(zlib.compress(...).hex())'). */
#include "object/inflate.h"
#include "unit.h"

static void stored_block(void **state) {
    static const uint8_t in[] = {0x78, 0x01, 0x01, 0x03, 0x00, 0xfc, 0xff, 'a', 'b', 'c', 0x02, 0x4d, 0x01, 0x27};
    uint8_t out[3];

    (void)state;
    assert_true(object_inflate(in, sizeof in, out, sizeof out));
    assert_memory_equal(out, "abc", 3);
}

static void fixed_codes_and_repeats(void **state) {
    static const uint8_t in[] = {0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x4e, 0x04, 0x23, 0x00, 0x11, 0x3d, 0x03, 0x73};
    uint8_t out[9];

    (void)state;
    assert_true(object_inflate(in, sizeof in, out, sizeof out));
    assert_memory_equal(out, "abcabcabc", 9);
}

static void size_must_be_right(void **state) {
    static const uint8_t in[] = {0x78, 0x01, 0x01, 0x03, 0x00, 0xfc, 0xff, 'a', 'b', 'c', 0x02, 0x4d, 0x01, 0x27};
    uint8_t out[4];

    (void)state;
    assert_false(object_inflate(in, sizeof in, out, 4));
    assert_false(object_inflate(in, sizeof in, out, 2));
}

static void damaged_streams(void **state) {
    static const uint8_t in[] = {0x78, 0x9c, 0x4b, 0x4c, 0x4a, 0x4e, 0x04, 0x23, 0x00};
    uint8_t out[9];

    (void)state;
    for (size_t size = 0; size + 2 < sizeof in; size++)
        assert_false(object_inflate(in, size, out, sizeof out));
    assert_false(object_inflate((const uint8_t *)"\x78\x9c\x07", 3, out, sizeof out)); /* a kind that does not exist */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_block),
        cmocka_unit_test(fixed_codes_and_repeats),
        cmocka_unit_test(size_must_be_right),
        cmocka_unit_test(damaged_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
