#include "kernel/counter.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int kernel_counter_open(const struct kernel_counter *counter) {
    struct perf_event_attr attributes = {
        .size = sizeof attributes,
        .type = counter->type,
        .config = counter->config,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .disabled = 1,
        .inherit = counter->inherit,
        .enable_on_exec = counter->from_exec,
        .exclude_kernel = counter->user_only,
        .exclude_hv = counter->user_only,
        .exclude_user = counter->kernel_only,
    };
    long fd = syscall(SYS_perf_event_open, &attributes, counter->pid, counter->cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

int kernel_counter_start(int fd) { return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0 ? -errno : 0; }

int kernel_counter_stop(int fd) { return ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) < 0 ? -errno : 0; }

int kernel_counter_read(int fd, struct kernel_count *count) {
    ssize_t length = read(fd, count, sizeof *count);
    return length == (ssize_t)sizeof *count ? 0 : length < 0 ? -errno : -EIO;
}
