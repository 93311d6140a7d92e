/* System call numbers under the names that tracefs uses. */
#include "probe/probe_int.h"

#include <string.h>

struct syscall_entry {
    const char *name;
    int32_t number;
};

#define SYSCALL(number, name) {#name, number},
static const struct syscall_entry syscalls[] = {
#if defined(__x86_64__)
#include "probe/syscalls_x86_64.def"
#elif defined(__aarch64__)
#include "probe/syscalls_aarch64.def"
#else
#error "this architecture has no table of system calls yet: add probe/syscalls_ARCH.def"
#endif
};
#undef SYSCALL

/* Event directories are named after the kernel function, which differs from the call in these cases. */
static const struct {
    const char *event, *call;
} renamed[] = {
    {"newstat", "stat"},           {"newfstat", "fstat"}, {"newlstat", "lstat"}, {"newuname", "uname"},
    {"sendfile64", "sendfile"},    {"umount", "umount2"}, {"sysctl", "_sysctl"}, {"arm64_personality", "personality"},
    {"fadvise64_64", "fadvise64"},
};

int32_t probe_syscall_number(const char *tracefs_name) {
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        if (strcmp(renamed[i].event, tracefs_name) == 0)
            tracefs_name = renamed[i].call;
    }
    for (size_t i = 0; i < sizeof syscalls / sizeof *syscalls; i++) {
        if (strcmp(syscalls[i].name, tracefs_name) == 0)
            return syscalls[i].number;
    }
    return -1;
}

const char *probe_syscall_name(uint32_t number) {
    for (size_t i = 0; i < sizeof syscalls / sizeof *syscalls; i++) {
        if (syscalls[i].number == (int32_t)number)
            return syscalls[i].name;
    }
    return NULL;
}
