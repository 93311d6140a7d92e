/* What the 6.1 headers and glibc 2.36 lack of the kernel's user interface, so that one binary built on an old system
 * uses what a newer kernel offers. Facts from the kernel's include/uapi/linux/bpf.h and perf_event.h; numbers of the
 * user interface never change.
 *
 * bpf(2) takes (command, attributes, size). The kernel refuses a size beyond the fields it knows unless those bytes
 * are 0, and takes missing bytes as 0: so each call passes just the bytes it uses, and a field that is newer than the
 * header is spelled here as its own small struct.
 */
#ifndef TARSIER_KERNEL_UAPI_H
#define TARSIER_KERNEL_UAPI_H

#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>

/* bpf_attach_type values (not all are in a 6.1 header). */
#define KERNEL_ATTACH_KPROBE_MULTI 42   /* 5.18 */
#define KERNEL_ATTACH_UPROBE_MULTI 48   /* 6.6 */
#define KERNEL_ATTACH_KPROBE_SESSION 56 /* 6.10 */
#define KERNEL_ATTACH_UPROBE_SESSION 57 /* 6.13 */

/* link_create.uprobe_multi.flags and link_create.kprobe_multi.flags */
#define KERNEL_UPROBE_MULTI_RETURN 1u
#define KERNEL_KPROBE_MULTI_RETURN 1u

/* BPF_RAW_TRACEPOINT_OPEN. The 6.1 struct ends after program_fd; cookie is 6.10. */
struct kernel_attr_raw_tracepoint {
    uint64_t name;
    uint32_t program_fd, pad;
    uint64_t cookie;
};
#define KERNEL_RAW_TRACEPOINT_SIZE_OLD 12u

/* BPF_LINK_CREATE: the part common to all attach types, then a union by type. */
struct kernel_attr_link {
    uint32_t program_fd, target_fd, attach_type, flags;
    union {
        struct {
            uint64_t cookie;
        } perf_event; /* 5.15 */
        struct {
            uint32_t flags, count;
            uint64_t symbols, addresses, cookies;
        } kprobe_multi; /* 5.18 */
        struct {
            uint64_t path, offsets, reference_counters, cookies;
            uint32_t count, flags, pid, pad;
        } uprobe_multi; /* 6.6 */
        struct {
            uint64_t information;
            uint32_t information_size;
        } iterator;
    };
};

/* Answer of BPF_OBJ_GET_INFO_BY_FD for BTF (name and is_kernel: 5.11). */
struct kernel_btf_info {
    uint64_t bytes;
    uint32_t size, id;
    uint64_t name;
    uint32_t name_size, is_kernel;
};

/* Answer of BPF_OBJ_GET_INFO_BY_FD for a link. An older kernel fills less; the rest stays 0. */
#define KERNEL_LINK_PERF_EVENT 7
#define KERNEL_LINK_KPROBE_MULTI 8
#define KERNEL_PERF_EVENT_KPROBE 3
#define KERNEL_PERF_EVENT_KRETPROBE 4
struct kernel_link_info {
    uint32_t type, id, program_id, pad;
    union {
        struct {
            uint64_t addresses;
            uint32_t count, flags;
            uint64_t missed; /* 6.7 */
            uint64_t cookies;
        } kprobe_multi;
        struct {
            uint32_t type, pad;
            struct {
                uint64_t name;
                uint32_t name_size, offset;
                uint64_t address, missed; /* 6.7 */
                uint64_t cookie;
            } kprobe;
        } perf_event;
    };
};

/* Information of an iterator over tasks (in union bpf_iter_link_info, 6.1): one thread, or one process. */
struct kernel_iterator_tasks {
    uint32_t tid, pid, pid_fd, pad;
};

/* mmap'ed ring buffer: header of a record, and the two flags in `length`. */
struct kernel_ring_header {
    uint32_t length; /* of the payload, without this header */
    uint32_t page;   /* for the kernel's own use */
};
#define KERNEL_RING_BUSY (1u << 31)
#define KERNEL_RING_DISCARD (1u << 30)

/* File system magics (statfs). */
#define KERNEL_TRACEFS_MAGIC 0x74726163

/* Mounting without attaching (5.2) and process descriptors (5.3): the numbers are the same on all architectures. */
#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#define KERNEL_FSOPEN_CLOEXEC 1u
#define KERNEL_FSMOUNT_CLOEXEC 1u
#define KERNEL_FSCONFIG_CREATE 6u

#endif
