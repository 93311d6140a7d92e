#include "kernel/bpf.h"
#include "kernel/bpf_int.h"
#include "kernel/uapi.h"
#include <ctype.h>
#include <fcntl.h>
#include <string.h>

void kernel_bpf_name(const char *name, char out[BPF_OBJ_NAME_LEN]) {
    memset(out, 0, BPF_OBJ_NAME_LEN);
    for (unsigned i = 0; name && name[i] && i < BPF_OBJ_NAME_LEN - 1; i++)
        out[i] = isalnum((unsigned char)name[i]) || name[i] == '.' ? name[i] : '_';
}

/* ---- programs ------------------------------------------------------------------------------------------------ */

static void program_attributes(const struct kernel_program_spec *spec, union bpf_attr *attributes) {
    attributes->prog_type = spec->type;
    attributes->expected_attach_type = spec->expected_attach_type;
    attributes->insn_cnt = spec->count;
    attributes->insns = kernel_address(spec->instructions);
    attributes->license = kernel_address(spec->license ? spec->license : "GPL");
    attributes->prog_flags = spec->flags;
    attributes->attach_btf_id = spec->attach_btf_id;
    if (spec->attach_btf_fd > 0)
        attributes->attach_btf_obj_fd = (uint32_t)spec->attach_btf_fd;
    if (spec->btf_fd > 0) {
        attributes->prog_btf_fd = (uint32_t)spec->btf_fd;
        attributes->func_info = kernel_address(spec->func_info);
        attributes->func_info_cnt = spec->func_info_count;
        attributes->func_info_rec_size = spec->func_info_count ? sizeof(struct bpf_func_info) : 0;
        attributes->line_info = kernel_address(spec->line_info);
        attributes->line_info_cnt = spec->line_info_count;
        attributes->line_info_rec_size = spec->line_info_count ? sizeof(struct bpf_line_info) : 0;
    }
    /* The kernel wants all three log fields or none. */
    if (spec->log && spec->log_size && spec->log_level) {
        attributes->log_buf = kernel_address(spec->log);
        attributes->log_size = spec->log_size;
        attributes->log_level = spec->log_level;
    }
    kernel_bpf_name(spec->name, attributes->prog_name);
}

int kernel_program_load(const struct kernel_program_spec *spec) {
    int result = -EAGAIN;
    for (int attempt = 0; attempt < 5 && result == -EAGAIN; attempt++) {
        union bpf_attr attributes;
        memset(&attributes, 0, sizeof attributes);
        program_attributes(spec, &attributes);
        if (spec->log && spec->log_size)
            spec->log[0] = '\0';
        result = kernel_bpf(BPF_PROG_LOAD, &attributes, kernel_attr_size(attach_btf_obj_fd));
    }
    if (spec->log && spec->log_size)
        spec->log[spec->log_size - 1] = '\0';
    return result;
}

int kernel_btf_load(const void *bytes, uint32_t size) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.btf = kernel_address(bytes);
    attributes.btf_size = size;
    return kernel_bpf(BPF_BTF_LOAD, &attributes, kernel_attr_size(btf_log_level));
}

/* What the kernel says of a BTF, program or link. */
static int object_info(int fd, void *info, uint32_t size) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.info.bpf_fd = (uint32_t)fd;
    attributes.info.info_len = size;
    attributes.info.info = kernel_address(info);
    return kernel_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, kernel_attr_size(info));
}

static bool is_btf_of(int fd, const char *name) {
    char text[64] = "";
    struct kernel_btf_info info = {.name = kernel_address(text), .name_size = sizeof text};
    return object_info(fd, &info, sizeof info) == 0 && info.is_kernel && strncmp(text, name, sizeof text) == 0;
}

int kernel_btf_of_module(const char *name) {
    uint32_t id = 0;
    for (;;) {
        union bpf_attr attributes;
        memset(&attributes, 0, sizeof attributes);
        attributes.start_id = id;
        int error = kernel_bpf(BPF_BTF_GET_NEXT_ID, &attributes, kernel_attr_size(open_flags));
        if (error < 0)
            return error;
        id = attributes.next_id;
        memset(&attributes, 0, sizeof attributes);
        attributes.btf_id = id;
        int fd = kernel_bpf(BPF_BTF_GET_FD_BY_ID, &attributes, kernel_attr_size(open_flags));
        if (fd >= 0 && is_btf_of(fd, name))
            return fd;
        if (fd >= 0)
            close(fd);
    }
}

int kernel_program_test_run(int program_fd, const void *context, uint32_t context_size, uint32_t *result) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.test.prog_fd = (uint32_t)program_fd;
    attributes.test.ctx_in = kernel_address(context);
    attributes.test.ctx_size_in = context_size;
    int error = kernel_bpf(BPF_PROG_TEST_RUN, &attributes, kernel_attr_size(test.batch_size));
    if (error == 0 && result)
        *result = attributes.test.retval;
    return error;
}

int kernel_program_info(int fd, struct kernel_program_info *info) {
    struct bpf_prog_info raw;
    memset(&raw, 0, sizeof raw);
    int error = object_info(fd, &raw, sizeof raw);
    if (error)
        return error;
    *info = (struct kernel_program_info){
        .id = raw.id,
        .run_time_ns = raw.run_time_ns,
        .run_count = raw.run_cnt,
        .recursion_misses = raw.recursion_misses,
        .verified_instructions = raw.verified_insns,
        .jited_size = raw.jited_prog_len,
    };
    return 0;
}

int kernel_stats_enable(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.enable_stats.type = BPF_STATS_RUN_TIME;
    return kernel_bpf(BPF_ENABLE_STATS, &attributes, kernel_attr_size(enable_stats));
}

/* ---- links --------------------------------------------------------------------------------------------------- */

int kernel_raw_tracepoint_open(const char *name, int program_fd, uint64_t cookie, bool with_cookie) {
    struct kernel_attr_raw_tracepoint attributes = {
        .name = kernel_address(name), .program_fd = (uint32_t)program_fd, .cookie = with_cookie ? cookie : 0};
    return kernel_bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes,
                      with_cookie ? sizeof attributes : KERNEL_RAW_TRACEPOINT_SIZE_OLD);
}

/* Size of a link's attributes up to and with one variant of the union. */
#define link_size(variant)                                                                                             \
    (offsetof(struct kernel_attr_link, variant) + sizeof(((struct kernel_attr_link *)0)->variant))

int kernel_link_perf_event(int perf_fd, int program_fd, uint64_t cookie) {
    struct kernel_attr_link attributes = {
        .program_fd = (uint32_t)program_fd, .target_fd = (uint32_t)perf_fd, .attach_type = BPF_PERF_EVENT};
    attributes.perf_event.cookie = cookie;
    return kernel_bpf(BPF_LINK_CREATE, &attributes, link_size(perf_event));
}

int kernel_link_uprobe_multi(int program_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies,
                             const uint64_t *ref_ctr_offsets, uint32_t count, int pid, bool is_return) {
    struct kernel_attr_link attributes = {.program_fd = (uint32_t)program_fd,
                                          .attach_type = KERNEL_ATTACH_UPROBE_MULTI};
    attributes.uprobe_multi.path = kernel_address(path);
    attributes.uprobe_multi.offsets = kernel_address(offsets);
    attributes.uprobe_multi.reference_counters = kernel_address(ref_ctr_offsets);
    attributes.uprobe_multi.cookies = kernel_address(cookies);
    attributes.uprobe_multi.count = count;
    attributes.uprobe_multi.flags = is_return ? KERNEL_UPROBE_MULTI_RETURN : 0;
    attributes.uprobe_multi.pid = (uint32_t)pid;
    return kernel_bpf(BPF_LINK_CREATE, &attributes, link_size(uprobe_multi));
}

int kernel_link_kprobe_multi(int program_fd, const char *const *symbols, const uint64_t *addresses,
                             const uint64_t *cookies, uint32_t count, bool is_return) {
    struct kernel_attr_link attributes = {.program_fd = (uint32_t)program_fd,
                                          .attach_type = KERNEL_ATTACH_KPROBE_MULTI};
    attributes.kprobe_multi.flags = is_return ? KERNEL_KPROBE_MULTI_RETURN : 0;
    attributes.kprobe_multi.count = count;
    attributes.kprobe_multi.symbols = kernel_address(symbols);
    attributes.kprobe_multi.addresses = kernel_address(addresses);
    attributes.kprobe_multi.cookies = kernel_address(cookies);
    return kernel_bpf(BPF_LINK_CREATE, &attributes, link_size(kprobe_multi));
}

uint64_t kernel_link_missed(int link_fd) {
    struct kernel_link_info info = {0};
    if (object_info(link_fd, &info, sizeof info) < 0)
        return 0;
    if (info.type == KERNEL_LINK_KPROBE_MULTI)
        return info.kprobe_multi.missed;
    bool kprobe = info.type == KERNEL_LINK_PERF_EVENT && (info.perf_event.type == KERNEL_PERF_EVENT_KPROBE ||
                                                          info.perf_event.type == KERNEL_PERF_EVENT_KRETPROBE);
    return kprobe ? info.perf_event.kprobe.missed : 0;
}

int kernel_link_iterator(int program_fd, const void *information, uint32_t information_size) {
    struct kernel_attr_link attributes = {.program_fd = (uint32_t)program_fd, .attach_type = BPF_TRACE_ITER};
    attributes.iterator.information = kernel_address(information);
    attributes.iterator.information_size = information_size;
    return kernel_bpf(BPF_LINK_CREATE, &attributes, link_size(iterator));
}

int kernel_iterator_create(int link_fd) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.iter_create.link_fd = (uint32_t)link_fd;
    return kernel_bpf(BPF_ITER_CREATE, &attributes, kernel_attr_size(iter_create));
}

int kernel_link_pin(int link_fd, const char *path) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.pathname = kernel_address(path);
    attributes.bpf_fd = (uint32_t)link_fd;
    return kernel_bpf(BPF_OBJ_PIN, &attributes, kernel_attr_size(file_flags));
}
