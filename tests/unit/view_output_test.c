#include "view_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static size_t written(int fd) { return (size_t)lseek(fd, 0, SEEK_END); }

static int open_memory(void) {
    int fd = memfd_create("output", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static void line_mode_keeps_the_unfinished_line(void **state) {
    int fd = open_memory();
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_LINE);

    (void)state;
    view_output_write(out, "ab\ncd", 5);
    assert_int_equal(written(fd), 0); /* not before the batch ends */
    view_output_settle(out);
    assert_int_equal(written(fd), 3);
    view_output_flush(out);
    assert_int_equal(written(fd), 5);
    view_output_free(out);
    close(fd);
}

static void full_mode_waits_for_the_flush(void **state) {
    int fd = open_memory();
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_FULL);

    (void)state;
    view_output_write(out, "ab\n", 3);
    view_output_settle(out);
    assert_int_equal(written(fd), 0);
    assert_int_equal(view_output_free(out), 0);
    assert_int_equal(written(fd), 3);
    close(fd);
}

static void none_mode_writes_at_once(void **state) {
    int fd = open_memory();
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_NONE);

    (void)state;
    view_output_write(out, "a", 1);
    assert_int_equal(written(fd), 1);
    view_output_free(out);
    close(fd);
}

enum { BLOCK = 1000, BLOCKS = 2000 };

static void *drain(void *context) {
    char bytes[777];
    size_t total = 0;
    ssize_t length;

    while ((length = read(*(int *)context, bytes, sizeof bytes)) > 0) {
        for (ssize_t i = 0; i < length; i++)
            if (bytes[i] != (char)('a' + (total + (size_t)i) / BLOCK % 26))
                return NULL;
        total += (size_t)length;
    }
    return (void *)total;
}

/* A pipe takes less than it is offered: short writes, and EAGAIN when it does not block. */
static void nothing_is_lost_on_a_slow_pipe(void **state) {
    int ends[2];
    char block[BLOCK];
    pthread_t reader;
    void *total;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&reader, NULL, drain, &ends[0]), 0);
    struct view_output *out = view_output_new(ends[1], VIEW_BUFFER_FULL);
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        view_output_write(out, block, sizeof block);
    }
    assert_int_equal(view_output_free(out), 0);
    close(ends[1]);
    pthread_join(reader, &total);
    assert_int_equal((size_t)total, BLOCK * BLOCKS);
    close(ends[0]);
}

static void piece_larger_than_the_buffer(void **state) {
    enum { LARGE = 1 << 20 };
    int fd = open_memory();
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_FULL);
    char *bytes = calloc(1, LARGE);

    (void)state;
    view_output_write(out, "a", 1);
    view_output_write(out, bytes, LARGE);
    view_output_flush(out);
    assert_int_equal(written(fd), LARGE + 1);
    view_output_free(out);
    free(bytes);
    close(fd);
}

static void reader_that_left_ends_the_output_quietly(void **state) {
    int ends[2];

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    struct view_output *out = view_output_new(ends[1], VIEW_BUFFER_FULL);
    view_output_write(out, "a\n", 2);
    assert_false(view_output_ended(out));
    assert_int_equal(view_output_flush(out), 0);
    assert_true(view_output_ended(out));
    view_output_write(out, "b\n", 2);
    assert_int_equal(view_output_free(out), 0);
    close(ends[1]);
}

static void full_disk_is_an_error(void **state) {
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_FULL);
    view_output_write(out, "a\n", 2);
    assert_int_equal(view_output_error(out), 0);
    assert_int_equal(view_output_flush(out), -ENOSPC);
    assert_int_equal(view_output_error(out), -ENOSPC);
    assert_false(view_output_ended(out));
    view_output_write(out, "b\n", 2);
    assert_int_equal(view_output_free(out), -ENOSPC);
    close(fd);
}

/* --- messages --- */

static void text_message_is_its_bytes(void **state) {
    struct view_fixture fixture;

    (void)state;
    view_fixture_open(&fixture, VIEW_TEXT);
    view_print_message(&fixture.view, VIEW_PRINTF, "a\n", 2);
    view_print_value(&fixture.view, type_int(64, true), VIEW_I64(5));
    view_print_attached(&fixture.view, 3); /* stderr's, and the caller's */
    assert_string_equal(view_fixture_text(&fixture), "a\n5\n");
    view_fixture_close(&fixture);
}

static void json_messages(void **state) {
    struct view_fixture fixture;

    (void)state;
    view_fixture_open(&fixture, VIEW_JSON);
    view_print_message(&fixture.view, VIEW_PRINTF, "test 5\n", 7);
    view_print_message(&fixture.view, VIEW_TIME, "12:00:00\n", 9);
    view_print_message(&fixture.view, VIEW_JOIN, "a,b", 3);
    view_print_message(&fixture.view, VIEW_CAT, "", 0);
    view_print_message(&fixture.view, VIEW_SYSCALL, "x", 1);
    view_print_value(&fixture.view, type_int(64, true), VIEW_I64(5));
    view_print_attached(&fixture.view, 1);
    view_print_lost(&fixture.view, 7);
    view_print_helper_error(&fixture.view, "Bad address", "probe_read_user", -14, "stdin", 1, 87);
    assert_string_equal(view_fixture_text(&fixture),
                        "{\"type\": \"printf\", \"data\": \"test 5\\n\"}\n"
                        "{\"type\": \"time\", \"data\": \"12:00:00\\n\"}\n"
                        "{\"type\": \"join\", \"data\": \"a,b\"}\n"
                        "{\"type\": \"cat\", \"data\": \"\"}\n"
                        "{\"type\": \"syscall\", \"data\": \"x\"}\n"
                        "{\"type\": \"value\", \"data\": 5}\n"
                        "{\"type\": \"attached_probes\", \"count\": 1, \"data\": {\"probes\": 1}}\n"
                        "{\"type\": \"lost_events\", \"count\": 7, \"data\": {\"events\": 7}}\n"
                        "{\"type\": \"helper_error\", \"msg\": \"Bad address\", \"helper\": \"probe_read_user\", "
                        "\"retcode\": -14, \"filename\": \"stdin\", \"line\": 1, \"col\": 87}\n");
    view_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_mode_keeps_the_unfinished_line),
        cmocka_unit_test(full_mode_waits_for_the_flush),
        cmocka_unit_test(none_mode_writes_at_once),
        cmocka_unit_test(nothing_is_lost_on_a_slow_pipe),
        cmocka_unit_test(piece_larger_than_the_buffer),
        cmocka_unit_test(reader_that_left_ends_the_output_quietly),
        cmocka_unit_test(full_disk_is_an_error),
        cmocka_unit_test(text_message_is_its_bytes),
        cmocka_unit_test(json_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
