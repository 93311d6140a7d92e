/* Inside kernel/: the system call itself. */
#ifndef TARSIER_KERNEL_BPF_INT_H
#define TARSIER_KERNEL_BPF_INT_H

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Result of the system call or negative errno. */
static inline int kernel_bpf(enum bpf_cmd command, void *attributes, size_t size) {
    long result = syscall(SYS_bpf, command, attributes, size);
    return result < 0 ? -errno : (int)result;
}

static inline uint64_t kernel_address(const void *pointer) { return (uint64_t)(uintptr_t)pointer; }

/* Bytes of the attributes up to and with `member`: a kernel that is older than the header takes no more. */
#define kernel_attr_size(member) (offsetof(union bpf_attr, member) + sizeof(((union bpf_attr *)0)->member))

/* Copies what the kernel takes as an object name; `out` is zeroed. */
void kernel_bpf_name(const char *name, char out[BPF_OBJ_NAME_LEN]);

#endif
