#include "object/trace_page.h"
#include "unit.h"

struct page {
    unsigned char bytes[256];
    size_t size;
};

static void put(struct page *page, uint64_t value, size_t size) {
    memcpy(page->bytes + page->size, &value, size);
    page->size += size;
}

static struct page new_page(uint64_t time) {
    struct page page = {.size = 0};

    put(&page, time, 8);
    put(&page, 0, 8);
    return page;
}

static void close_page(struct page *page, uint64_t flags) {
    uint64_t commit = page->size - 16 + flags;
    memcpy(page->bytes + 8, &commit, 8);
}

/* The first 8 bytes of every record. */
static void put_common(struct page *page, unsigned event, unsigned flags, int thread) {
    put(page, event, 2);
    put(page, flags, 1);
    put(page, 0, 1);
    put(page, (uint32_t)thread, 4);
}

static void put_short(struct page *page, unsigned time, unsigned event, int thread, uint64_t value) {
    put(page, (uint64_t)time << 5 | 4, 4);
    put_common(page, event, 0, thread);
    put(page, value, 8);
}

static void reads_records_with_their_times(void **state) {
    (void)state;
    struct page bytes = new_page(1000);
    struct object_trace_page page;
    struct object_trace_record record;
    uint64_t value;

    put_short(&bytes, 5, 7, 42, 0x1122334455667788);
    put(&bytes, 1 << 5 | 30, 4); /* much later: 1 + 3 * 2^27 */
    put(&bytes, 3, 4);
    put(&bytes, 2 << 5 | 0, 4); /* long form */
    put(&bytes, 4 + 8 + 4, 4);
    put_common(&bytes, 8, 0x08, -1);
    put(&bytes, 99, 4);
    close_page(&bytes, 0);
    assert_true(object_trace_page_open(&page, bytes.bytes, sizeof bytes.bytes));
    assert_false(page.has_lost);
    assert_true(object_trace_page_next(&page, &record));
    assert_int_equal(record.time, 1005);
    assert_int_equal(record.event, 7);
    assert_int_equal(record.thread, 42);
    assert_int_equal(record.size, 16);
    memcpy(&value, record.bytes + 8, 8);
    assert_int_equal(value, 0x1122334455667788);
    assert_true(object_trace_page_next(&page, &record));
    assert_int_equal(record.time, 1005 + 1 + (3ull << 27) + 2);
    assert_int_equal(record.event, 8);
    assert_int_equal(record.flags, OBJECT_TRACE_HARD_INTERRUPT);
    assert_int_equal(record.thread, -1);
    assert_int_equal(record.size, 12);
    assert_false(object_trace_page_next(&page, &record));
    assert_false(page.is_damaged);
}

static void skips_padding_and_takes_absolute_times(void **state) {
    (void)state;
    struct page bytes = new_page((1ull << 59) + 5);
    struct object_trace_page page;
    struct object_trace_record record;

    put(&bytes, 1 << 5 | 29, 4);
    put(&bytes, 8, 4);
    put(&bytes, 0, 4);
    put(&bytes, 9 << 5 | 31, 4);
    put(&bytes, 1, 4);
    put_short(&bytes, 2, 7, 1, 0);
    put(&bytes, 29, 4); /* the rest is nothing */
    put(&bytes, 0xffffffff, 4);
    close_page(&bytes, 0);
    assert_true(object_trace_page_open(&page, bytes.bytes, sizeof bytes.bytes));
    assert_true(object_trace_page_next(&page, &record));
    assert_true(record.time == (1ull << 59) + (1ull << 27) + 9 + 2);
    assert_false(object_trace_page_next(&page, &record));
    assert_false(page.is_damaged);
}

static void tells_what_was_lost(void **state) {
    (void)state;
    struct page bytes = new_page(0);
    struct object_trace_page page;

    put_short(&bytes, 0, 7, 1, 0);
    close_page(&bytes, 1u << 31 | 1u << 30);
    put(&bytes, 123, 8);
    assert_true(object_trace_page_open(&page, bytes.bytes, sizeof bytes.bytes));
    assert_true(page.has_lost);
    assert_int_equal(page.lost, 123);
    bytes.bytes[11] &= 0xbf; /* not counted */
    assert_true(object_trace_page_open(&page, bytes.bytes, sizeof bytes.bytes));
    assert_true(page.has_lost);
    assert_int_equal(page.lost, 0);
}

static void turns_away_what_contradicts_itself(void **state) {
    (void)state;
    static const struct {
        uint32_t head, length;
    } wrong[] = {{28, 0}, {0, 4096}, {0, 3}, {0, 8}, {1, 0}, {5 << 5 | 29, 0xfffffffc}};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct page bytes = new_page(0);
        struct object_trace_page page;
        struct object_trace_record record;
        put(&bytes, wrong[i].head, 4);
        put(&bytes, wrong[i].length, 4);
        put(&bytes, 0, 8);
        close_page(&bytes, 0);
        assert_true(object_trace_page_open(&page, bytes.bytes, bytes.size));
        assert_false(object_trace_page_next(&page, &record));
        assert_true(page.is_damaged);
        assert_false(object_trace_page_next(&page, &record));
    }
}

static void a_page_says_no_more_than_it_has(void **state) {
    (void)state;
    struct page bytes = new_page(0);
    struct object_trace_page page;
    struct object_trace_record record;

    put_short(&bytes, 0, 7, 1, 0);
    close_page(&bytes, 1000);
    assert_false(object_trace_page_open(&page, bytes.bytes, 15));
    assert_true(object_trace_page_open(&page, bytes.bytes, bytes.size));
    assert_true(page.is_damaged);
    assert_true(object_trace_page_next(&page, &record));
    assert_false(object_trace_page_next(&page, &record));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_records_with_their_times),
        cmocka_unit_test(skips_padding_and_takes_absolute_times),
        cmocka_unit_test(tells_what_was_lost),
        cmocka_unit_test(turns_away_what_contradicts_itself),
        cmocka_unit_test(a_page_says_no_more_than_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
