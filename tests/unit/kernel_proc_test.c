/* CPUs, small files, processes and the command that waits. None of it needs root. */
#include "unit.h"

#include "kernel/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void expect_list(const char *text, const char *expected) {
    struct arena *arena = arena_new();
    uint32_t *ids = NULL, count = 0;
    char got[256] = "refused";
    if (kernel_cpu_list_parse(arena, text, &ids, &count)) {
        got[0] = '\0';
        for (uint32_t i = 0; i < count; i++)
            snprintf(got + strlen(got), sizeof got - strlen(got), i ? " %u" : "%u", ids[i]);
    }
    assert_string_equal(got, expected);
    arena_free(arena);
}

static void a_cpu_list_has_ranges_and_single_ids(void **state) {
    (void)state;
    expect_list("0\n", "0");
    expect_list("0-3\n", "0 1 2 3");
    expect_list("0-1,8,10-11", "0 1 8 10 11");
}

static void a_bad_cpu_list_is_refused(void **state) {
    (void)state;
    expect_list("", "refused");
    expect_list("x", "refused");
    expect_list("3-1", "refused");
    expect_list("2,1", "refused");
    expect_list("0-", "refused");
    expect_list("0;1", "refused");
    expect_list("0-99999999999999999999", "refused");
}

static void the_cpus_of_this_machine(void **state) {
    (void)state;
    struct arena *arena = arena_new();
    struct kernel_cpus cpus;
    assert_int_equal(kernel_cpus_read(arena, &cpus), 0);
    assert_int_equal(cpus.count_online, sysconf(_SC_NPROCESSORS_ONLN));
    assert_true(cpus.online[cpus.count_online - 1] < cpus.count_possible);
    arena_free(arena);
}

static void a_file_is_read_whole(void **state) {
    (void)state;
    struct strbuf text = {0};
    strbuf_addstr(&text, "before ");
    assert_int_equal(kernel_read_file("/proc/sys/kernel/ostype", &text, 100), 0);
    assert_string_equal(strbuf_text(&text), "before Linux\n");
    strbuf_free(&text);
}

static void a_file_over_the_limit_is_refused(void **state) {
    (void)state;
    struct strbuf text = {0};
    assert_int_equal(kernel_read_file("/proc/self/status", &text, 10), -EFBIG);
    assert_int_equal(kernel_read_file("/dev/zero", &text, 100000), -EFBIG);
    strbuf_free(&text);
}

static void a_missing_file_says_so(void **state) {
    (void)state;
    struct strbuf text = {0};
    assert_int_equal(kernel_read_file("/proc/no such file", &text, 10), -ENOENT);
    strbuf_free(&text);
}

static void a_zombie_is_not_alive(void **state) {
    (void)state;
    assert_true(kernel_pid_alive(getpid()));
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_false(kernel_pid_alive(pid));
    waitpid(pid, NULL, 0);
    assert_false(kernel_pid_alive(pid));
    assert_false(kernel_pid_alive(0));
}

static void a_pidfd_tells_the_end(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int fd = kernel_pidfd_open(pid);
    assert_true(fd >= 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
    waitpid(pid, NULL, 0);
    close(fd);
}

static void the_pid_namespace_has_a_device_and_an_inode(void **state) {
    (void)state;
    struct kernel_pid_namespace info;
    assert_int_equal(kernel_pid_namespace(&info), 0);
    char link[64] = "", expected[64];
    assert_true(readlink("/proc/self/ns/pid", link, sizeof link - 1) > 0);
    snprintf(expected, sizeof expected, "pid:[%llu]", (unsigned long long)info.inode);
    assert_string_equal(link, expected);
    assert_true(info.device != 0);
}

static void clock_offsets_lead_to_the_time_of_day(void **state) {
    (void)state;
    struct timespec boot, real;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t difference = (real.tv_sec - boot.tv_sec) * 1000000000 + real.tv_nsec - boot.tv_nsec;
    assert_true(llabs(difference - kernel_boot_offset_ns()) < 1000000000);
    assert_true(kernel_boot_offset_ns() <= kernel_monotonic_offset_ns() + 1000000000);
}

/* ---- the command that waits ---------------------------------------------------------------------------------- */

static int wait_status(pid_t pid) {
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static void a_spawned_command_runs_only_when_released(void **state) {
    (void)state;
    char name[] = "/tmp/kernel_proc_test_XXXXXX";
    close(mkstemp(name));
    unlink(name);
    const char *const argv[] = {"mkdir", name, NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    usleep(20000);
    assert_int_equal(access(name, F_OK), -1);
    assert_int_equal(kernel_spawn_release(&child), 0);
    assert_int_equal(wait_status(child.pid), 0);
    assert_int_equal(rmdir(name), 0);
}

static void a_command_that_does_not_exist_is_reported(void **state) {
    (void)state;
    const char *const argv[] = {"no-such-command-at-all", NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    assert_int_equal(kernel_spawn_release(&child), -ENOENT);
    assert_int_equal(WEXITSTATUS(wait_status(child.pid)), 127);
}

static void a_command_that_is_no_program_is_reported(void **state) {
    (void)state;
    const char *const argv[] = {"/proc/self/status", NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    assert_int_equal(kernel_spawn_release(&child), -EACCES);
    wait_status(child.pid);
}

static void a_cancelled_command_never_runs(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "kill -9 $PPID", NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    kernel_spawn_cancel(&child);
    assert_false(kernel_pid_alive(child.pid));
}

static void a_command_killed_while_waiting_is_reported(void **state) {
    (void)state;
    const char *const argv[] = {"true", NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    kill(child.pid, SIGKILL);
    wait_status(child.pid);
    assert_int_equal(kernel_spawn_release(&child), -ESRCH);
}

static void a_command_has_no_signals_blocked(void **state) {
    (void)state;
    sigset_t block, before;
    sigemptyset(&block);
    sigaddset(&block, SIGINT);
    sigprocmask(SIG_BLOCK, &block, &before);
    const char *const argv[] = {"grep", "-q", "SigBlk:\t0000000000000000", "/proc/self/status", NULL};
    struct kernel_child child;
    assert_int_equal(kernel_spawn_stopped(argv, &child), 0);
    assert_int_equal(kernel_spawn_release(&child), 0);
    assert_int_equal(wait_status(child.pid), 0);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_list_has_ranges_and_single_ids),
        cmocka_unit_test(a_bad_cpu_list_is_refused),
        cmocka_unit_test(the_cpus_of_this_machine),
        cmocka_unit_test(a_file_is_read_whole),
        cmocka_unit_test(a_file_over_the_limit_is_refused),
        cmocka_unit_test(a_missing_file_says_so),
        cmocka_unit_test(a_zombie_is_not_alive),
        cmocka_unit_test(a_pidfd_tells_the_end),
        cmocka_unit_test(the_pid_namespace_has_a_device_and_an_inode),
        cmocka_unit_test(clock_offsets_lead_to_the_time_of_day),
        cmocka_unit_test(a_spawned_command_runs_only_when_released),
        cmocka_unit_test(a_command_that_does_not_exist_is_reported),
        cmocka_unit_test(a_command_that_is_no_program_is_reported),
        cmocka_unit_test(a_cancelled_command_never_runs),
        cmocka_unit_test(a_command_killed_while_waiting_is_reported),
        cmocka_unit_test(a_command_has_no_signals_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
