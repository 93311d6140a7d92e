#include "kernel/perf.h"
#include "base/str.h"
#include "kernel/bpf.h"
#include "kernel/bpf_int.h"
#include "kernel/proc.h"
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static int perf_open(struct perf_event_attr *attributes, int pid, int cpu) {
    attributes->size = sizeof *attributes;
    attributes->disabled = 1;
    long result = syscall(SYS_perf_event_open, attributes, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return result < 0 ? -errno : (int)result;
}

/* First number in a small file of a dynamic event source; for formats that is the bit: "config:0", "config:32-63". */
static int pmu_number(const char *pmu, const char *file, uint32_t *number) {
    char path[128];
    int length = snprintf(path, sizeof path, "/sys/bus/event_source/devices/%s/%s", pmu, file);
    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    struct strbuf text = {0};
    int error = kernel_read_file(path, &text, 256);
    const char *digits = strpbrk(strbuf_text(&text), "0123456789");
    if (error == 0 && !digits)
        error = -EINVAL;
    if (error == 0)
        *number = (uint32_t)strtoul(digits, NULL, 10);
    strbuf_free(&text);
    return error;
}

int kernel_perf_pmu_read(const char *name, struct kernel_perf_pmu *pmu) {
    uint32_t type = 0, bit = 0, shift = 0;
    int error = pmu_number(name, "type", &type);
    if (error == 0)
        error = pmu_number(name, "format/retprobe", &bit);
    if (error)
        return error;
    if (pmu_number(name, "format/ref_ctr_offset", &shift))
        shift = 0; /* kprobes have none */
    if (bit > 63 || shift > 63)
        return -EINVAL;
    *pmu =
        (struct kernel_perf_pmu){.type = type, .return_bit = (uint8_t)bit, .reference_counter_shift = (uint8_t)shift};
    return 0;
}

int kernel_perf_tracepoint(uint64_t id, int pid, int cpu) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_TRACEPOINT, .config = id, .sample_period = 1};
    return perf_open(&attributes, pid, cpu);
}

int kernel_perf_sampled(uint32_t type, uint64_t config, uint64_t period, uint64_t frequency, int pid, int cpu) {
    struct perf_event_attr attributes = {.type = type, .config = config};
    attributes.freq = frequency != 0;
    attributes.inherit = pid > 0;
    if (frequency)
        attributes.sample_freq = frequency;
    else
        attributes.sample_period = period;
    return perf_open(&attributes, pid, cpu);
}

int kernel_perf_software(uint64_t config, uint64_t period, uint64_t frequency, int pid, int cpu) {
    return kernel_perf_sampled(PERF_TYPE_SOFTWARE, config, period, frequency, pid, cpu);
}

/* An event for every process needs some CPU that is online; any will do, see perf.h. */
static int perf_open_probe(struct perf_event_attr *attributes, int pid) {
    if (pid > 0)
        return perf_open(attributes, pid, -1);
    int result = perf_open(attributes, -1, 0);
    /* CPU 0 may be offline on some machines. */
    for (int cpu = 1; result == -ENODEV && cpu < 1024; cpu++)
        result = perf_open(attributes, -1, cpu);
    return result;
}

static int perf_open_pmu(const char *name, const struct kernel_perf_pmu *pmu, struct perf_event_attr *attributes,
                         bool is_return, uint64_t reference_counter, int pid) {
    struct kernel_perf_pmu own;
    if (!pmu) {
        int error = kernel_perf_pmu_read(name, &own);
        if (error)
            return error;
        pmu = &own;
    }
    attributes->type = pmu->type;
    attributes->sample_period = 1;
    if (is_return)
        attributes->config |= 1ull << pmu->return_bit;
    if (reference_counter) {
        if (!pmu->reference_counter_shift)
            return -EOPNOTSUPP;
        if (reference_counter >> (64 - pmu->reference_counter_shift))
            return -EOVERFLOW;
        attributes->config |= reference_counter << pmu->reference_counter_shift;
    }
    return perf_open_probe(attributes, pid);
}

int kernel_perf_uprobe(const struct kernel_perf_pmu *pmu, const char *path, uint64_t offset, uint64_t ref_ctr_offset,
                       bool is_return, int pid) {
    struct perf_event_attr attributes = {.uprobe_path = kernel_address(path), .probe_offset = offset};
    return perf_open_pmu("uprobe", pmu, &attributes, is_return, ref_ctr_offset, pid);
}

int kernel_perf_kprobe(const struct kernel_perf_pmu *pmu, const char *symbol, uint64_t offset, bool is_return) {
    struct perf_event_attr attributes = {.kprobe_func = kernel_address(symbol), .probe_offset = offset};
    return perf_open_pmu("kprobe", pmu, &attributes, is_return, 0, -1);
}

int kernel_perf_watchpoint(uint64_t address, uint32_t length, uint32_t access, int pid, int cpu) {
    struct perf_event_attr attributes = {.type = PERF_TYPE_BREAKPOINT, .sample_period = 1};
    attributes.inherit = pid > 0;
    attributes.bp_type = access;
    attributes.bp_addr = address;
    attributes.bp_len = length;
    return perf_open(&attributes, pid, cpu);
}

int kernel_perf_attach(int perf_fd, int program_fd, uint64_t cookie) {
    int link = kernel_link_perf_event(perf_fd, program_fd, cookie);
    if (link == -EINVAL) { /* before 5.15 */
        if (cookie)
            return -EOPNOTSUPP;
        if (ioctl(perf_fd, PERF_EVENT_IOC_SET_BPF, program_fd) < 0)
            return -errno;
        link = KERNEL_PERF_NO_LINK;
    }
    if (link < 0 && link != KERNEL_PERF_NO_LINK)
        return link;
    if (ioctl(perf_fd, PERF_EVENT_IOC_ENABLE, 0) < 0) {
        int error = -errno;
        if (link >= 0)
            close(link);
        return error;
    }
    return link;
}
