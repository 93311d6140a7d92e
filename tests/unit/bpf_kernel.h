/* Loading compiled programs into the running kernel, for tests that want the verifier's opinion. Root only. */
#ifndef TARSIER_TESTS_BPF_KERNEL_H
#define TARSIER_TESTS_BPF_KERNEL_H

#include "bpf/bpf.h"
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int kernel_bpf(int command, union bpf_attr *attr) {
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static inline int kernel_array(uint32_t value_size) {
    union bpf_attr attr = {0};
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = 4;
    attr.value_size = value_size;
    attr.max_entries = 1;
    return kernel_bpf(BPF_MAP_CREATE, &attr);
}

static inline int kernel_element(int command, int map, void *value) {
    uint32_t key = 0;
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)map;
    attr.key = (uintptr_t)&key;
    attr.value = (uintptr_t)value;
    return kernel_bpf(command, &attr);
}

/* Loads as a socket filter, with BTF; every map number means `map` (-1: the program has none). Negative errno, and
 * the verifier's log in `log`, when refused. Patches the program. */
static inline int kernel_load(struct arena *arena, struct bpf_program *program, const struct source *source, int map,
                              char *log, uint32_t log_size) {
    struct bpf_program_btf btf;
    union bpf_attr attr = {0};
    bpf_make_btf(arena, program, source, &btf);
    attr.btf = (uintptr_t)btf.btf;
    attr.btf_size = btf.btf_size;
    attr.btf_log_buf = (uintptr_t)log;
    attr.btf_log_size = log_size;
    attr.btf_log_level = 1;
    int btf_fd = kernel_bpf(BPF_BTF_LOAD, &attr);
    if (btf_fd < 0)
        return -errno;
    for (uint32_t i = 0; i < program->relocs.count; i++) {
        struct bpf_insn *insn = &program->instructions.data[program->relocs.data[i].instruction];
        insn->imm = map;
    }
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attr.insns = (uintptr_t)program->instructions.data;
    attr.insn_cnt = program->instructions.count;
    attr.license = (uintptr_t) "GPL";
    attr.prog_btf_fd = (uint32_t)btf_fd;
    attr.func_info = (uintptr_t)btf.functions;
    attr.func_info_cnt = btf.function_count;
    attr.func_info_rec_size = sizeof(struct bpf_func_info);
    attr.line_info = (uintptr_t)btf.lines;
    attr.line_info_cnt = btf.line_count;
    attr.line_info_rec_size = sizeof(struct bpf_line_info);
    int fd = kernel_bpf(BPF_PROG_LOAD, &attr);
    if (fd < 0 && log_size) { /* only now with a log: a small one would make a good program fail */
        attr.log_buf = (uintptr_t)log;
        attr.log_size = log_size;
        attr.log_level = 1;
        fd = kernel_bpf(BPF_PROG_LOAD, &attr);
    }
    int error = errno;
    close(btf_fd);
    return fd < 0 ? -error : fd;
}

/* Runs a loaded program once; gives its 32-bit result. */
static inline int kernel_run(int program, uint32_t *result) {
    char packet[64] = {0};
    union bpf_attr attr = {0};
    attr.test.prog_fd = (uint32_t)program;
    attr.test.data_in = (uintptr_t)packet;
    attr.test.data_size_in = sizeof packet;
    attr.test.repeat = 1;
    if (kernel_bpf(BPF_PROG_TEST_RUN, &attr) < 0)
        return -errno;
    *result = attr.test.retval;
    return 0;
}

#endif
