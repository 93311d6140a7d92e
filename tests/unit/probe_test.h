/* What the tests of probe/ share: a context over a directory that looks like tracefs, and expansion in one line. */
#ifndef TARSIER_TESTS_PROBE_TEST_H
#define TARSIER_TESTS_PROBE_TEST_H

#include "unit.h"

#include "kernel/feature.h"
#include "probe/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The oldest kernel (no features asked) with the tracepoints of make_tracefs(). */
struct fixture {
    struct arena *arena;
    struct probe_context context;
    struct probe_targets targets;
    struct probe_error error;
    char directory[64];
};

static inline void put_file(const char *directory, const char *path, const char *text) {
    char full[512];

    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        snprintf(full, sizeof full, "%s/%.*s", directory, (int)(slash - path), path);
        mkdir(full, 0700);
    }
    snprintf(full, sizeof full, "%s/%s", directory, path);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#define COMMON_FIELDS                                                                                                  \
    "format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                    \
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static inline void make_tracefs(char *directory) {
    static const char *const events[][2] = {
        {"events/demo/demo_switch/format",
         "name: demo_switch\nID: 372\n" COMMON_FIELDS "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
         "\tfield:struct nothing_known * task;\toffset:24;\tsize:8;\tsigned:0;\n"},
        {"events/syscalls/sys_enter_openat/format",
         "name: sys_enter_openat\nID: 782\n" COMMON_FIELDS "\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
         "\tfield:int dfd;\toffset:16;\tsize:8;\tsigned:0;\n"
         "\tfield:const char * filename;\toffset:24;\tsize:8;\tsigned:0;\n"},
        {"events/syscalls/sys_exit_openat/format",
         "name: sys_exit_openat\nID: 781\n" COMMON_FIELDS "\tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n"},
        {"events/syscalls/sys_enter_open/format", "name: sys_enter_open\nID: 784\n" COMMON_FIELDS},
        {"events/syscalls/sys_enter_from_the_future/format", "name: x\nID: 999\n" COMMON_FIELDS},
        {"events/raw_syscalls/sys_enter/format", "name: sys_enter\nID: 443\n" COMMON_FIELDS},
    };

    strcpy(directory, "/tmp/probe_test_XXXXXX");
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        put_file(directory, events[i][0], events[i][1]);
    put_file(directory, "available_events",
             "demo:demo_switch\nsyscalls:sys_enter_openat\nsyscalls:sys_exit_openat\nsyscalls:sys_enter_open\n"
             "syscalls:sys_enter_from_the_future\nraw_syscalls:sys_enter\n");
}

static inline int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);

    make_tracefs(fixture->directory);
    fixture->arena = arena_new();
    probe_context_init(&fixture->context, fixture->arena);
    fixture->context.tracefs_path = fixture->directory;
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[128];

    probe_context_free(&fixture->context);
    arena_free(fixture->arena);
    snprintf(command, sizeof command, "rm -r %s", fixture->directory);
    int result = system(command);
    free(fixture);
    return result;
}

/* The targets of one attach point, and those alone. */
static inline int expand(struct fixture *fixture, const char *text, bool want_args) {
    fixture->targets.items.count = 0;
    return probe_expand(&fixture->context, text, want_args, &fixture->targets, &fixture->error);
}

static inline const struct probe_target *only_target(struct fixture *fixture, const char *text, bool want_args) {
    if (expand(fixture, text, want_args) != 0)
        fail_msg("%s: %s", text, fixture->error.message);
    assert_int_equal(fixture->targets.items.count, 1);
    return fixture->targets.items.data[0];
}

static inline void expect_error(struct fixture *fixture, const char *text, const char *message, const char *faulty,
                                const char *hint) {
    char part[128];

    assert_true(expand(fixture, text, false) < 0);
    assert_string_equal(fixture->error.message, message);
    snprintf(part, sizeof part, "%.*s", (int)(fixture->error.end - fixture->error.begin), text + fixture->error.begin);
    assert_string_equal(part, faulty);
    if (hint) {
        assert_non_null(fixture->error.hint);
        assert_string_equal(fixture->error.hint, hint);
    }
    assert_int_equal(fixture->targets.items.count, 0);
}

#endif
