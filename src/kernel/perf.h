/* perf_event_open(2): the doors for tracepoints, samples, uprobes, kprobes and watchpoints that a BPF program is hung
 * into. Events are opened disabled; kernel_perf_attach() hangs the program in and enables. Closing the event (and the
 * link) detaches; for tracepoints and uprobes the kernel then waits tens of milliseconds (see docs), so close late.
 *
 * pid -1: every process, then a CPU is needed; pid >= 0 with cpu -1: that thread wherever it runs. A BPF program on a
 * tracepoint, kprobe or uprobe event sees the hits of every CPU, whatever `cpu` says: one event is enough.
 */
#ifndef TARSIER_KERNEL_PERF_H
#define TARSIER_KERNEL_PERF_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

/* A dynamic event source of /sys/bus/event_source/devices ("uprobe", "kprobe"). */
struct kernel_perf_pmu {
    uint32_t type;
    uint8_t return_bit;              /* bit of `config` that asks for the return probe */
    uint8_t reference_counter_shift; /* uprobe: place of the semaphore's file offset in `config` */
};

/* Three small file reads; do it once per session. -ENOENT: this kernel has no such source. */
int kernel_perf_pmu_read(const char *name, struct kernel_perf_pmu *pmu);

int kernel_perf_tracepoint(uint64_t id, int pid, int cpu);
/* A sampled event: exactly one of period (every so many) and frequency (so many a second) is not 0.
 * With a pid it covers that thread and all threads and children it starts later.
 * `type` PERF_TYPE_SOFTWARE, _HARDWARE, _HW_CACHE or _RAW. exclude_* are left off. */
int kernel_perf_sampled(uint32_t type, uint64_t config, uint64_t period, uint64_t frequency, int pid, int cpu);
int kernel_perf_software(uint64_t config, uint64_t period, uint64_t frequency, int pid, int cpu);
/* `offset` is the offset in the file; ref_ctr_offset the file offset of a USDT semaphore or 0.
 * pid > 0: the process (all its threads), else every process. pmu NULL: read it now. */
int kernel_perf_uprobe(const struct kernel_perf_pmu *pmu, const char *path, uint64_t offset, uint64_t ref_ctr_offset,
                       bool is_return, int pid);
/* symbol NULL: `offset` is the address. */
int kernel_perf_kprobe(const struct kernel_perf_pmu *pmu, const char *symbol, uint64_t offset, bool is_return);
/* Hardware breakpoint; access: HW_BREAKPOINT_R, W, X of linux/hw_breakpoint.h, as below; length 1, 2, 4 or 8. With a
 * pid it covers that thread and all threads and children it starts later. */
enum { KERNEL_WATCH_READ = 1, KERNEL_WATCH_WRITE = 2, KERNEL_WATCH_EXECUTE = 4 };
int kernel_perf_watchpoint(uint64_t address, uint32_t length, uint32_t access, int pid, int cpu);

/* Hangs the program into the event and enables it. Result: a link descriptor >= 0 to be closed before the event, or
 * KERNEL_PERF_NO_LINK when the kernel only has the older ioctl (then cookie must be 0: -EOPNOTSUPP otherwise). */
#define KERNEL_PERF_NO_LINK (-100000)
int kernel_perf_attach(int perf_fd, int program_fd, uint64_t cookie);

#endif
