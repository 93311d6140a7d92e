/* Helpers of the view tests: a view that writes into a pipe-like file, and one-line checks. */
#ifndef TARSIER_TESTS_VIEW_TEST_H
#define TARSIER_TESTS_VIEW_TEST_H

#include "unit.h"
#include "view/view.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct view_fixture {
    struct view view;
    struct arena *arena;
    int fd;
    char text[16384];
};

static inline void view_fixture_open(struct view_fixture *fixture, enum view_format format) {
    memset(fixture, 0, sizeof *fixture);
    fixture->arena = arena_new();
    fixture->fd = memfd_create("output", MFD_CLOEXEC);
    assert_true(fixture->fd >= 0);
    fixture->view.out = view_output_new(fixture->fd, VIEW_BUFFER_FULL);
    fixture->view.format = format;
}

/* What has been printed so far. */
static inline const char *view_fixture_text(struct view_fixture *fixture) {
    assert_int_equal(view_output_flush(fixture->view.out), 0);
    ssize_t length = pread(fixture->fd, fixture->text, sizeof fixture->text - 1, 0);
    assert_true(length >= 0);
    fixture->text[length] = '\0';
    return fixture->text;
}

static inline void view_fixture_close(struct view_fixture *fixture) {
    assert_int_equal(view_output_free(fixture->view.out), 0);
    close(fixture->fd);
    arena_free(fixture->arena);
}

/* One entry of a table of maps: pointers to the stored bytes. */
#define VIEW_BYTES(...) ((const void *)(const char[]){__VA_ARGS__})
#define VIEW_U64(...) ((const void *)(const uint64_t[]){__VA_ARGS__})
#define VIEW_I64(...) ((const void *)(const int64_t[]){__VA_ARGS__})

#endif
