/* Loaded BPF programs, other people's too: their functions and types. */
#include "kernel/bpf.h"
#include "kernel/bpf_int.h"

#include <stdio.h>
#include <string.h>

enum { FUNCTIONS_MAX = 65536, BTF_MAX = 64 << 20 };

int kernel_program_next(uint32_t id, uint32_t *next) {
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.start_id = id;
    int error = kernel_bpf(BPF_PROG_GET_NEXT_ID, &attributes, kernel_attr_size(open_flags));
    *next = attributes.next_id;
    return error;
}

static int open_by_id(enum bpf_cmd command, uint32_t id) {
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.prog_id = id;
    return kernel_bpf(command, &attributes, kernel_attr_size(open_flags));
}

int kernel_program_open(uint32_t id) { return open_by_id(BPF_PROG_GET_FD_BY_ID, id); }

static int read_information(int fd, void *info, size_t size) {
    union bpf_attr attributes;

    memset(&attributes, 0, sizeof attributes);
    attributes.info.bpf_fd = (uint32_t)fd;
    attributes.info.info_len = (uint32_t)size;
    attributes.info.info = kernel_address(info);
    return kernel_bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes, kernel_attr_size(info));
}

int kernel_program_functions(int fd, struct arena *arena, struct kernel_program_functions *out) {
    struct bpf_prog_info info;

    memset(&info, 0, sizeof info);
    int error = read_information(fd, &info, sizeof info);
    if (error < 0)
        return error;
    *out = (struct kernel_program_functions){.id = info.id, .type = info.type, .btf_id = info.btf_id};
    out->name = arena_strndup(arena, info.name, strnlen(info.name, sizeof info.name));
    uint32_t count = info.nr_func_info, record = info.func_info_rec_size;
    if (!info.btf_id || !count || count > FUNCTIONS_MAX || record < sizeof(struct bpf_func_info) || record > 4096)
        return 0;
    char *records = arena_alloc(arena, (size_t)count * record);
    memset(&info, 0, sizeof info);
    info.nr_func_info = count;
    info.func_info_rec_size = record;
    info.func_info = kernel_address(records);
    error = read_information(fd, &info, sizeof info);
    if (error < 0)
        return error;
    out->types = arena_new_array(arena, uint32_t, count);
    out->count = info.nr_func_info < count ? info.nr_func_info : count;
    for (uint32_t i = 0; i < out->count; i++)
        out->types[i] = ((const struct bpf_func_info *)(records + (size_t)i * record))->type_id;
    return 0;
}

int kernel_btf_read(uint32_t id, struct arena *arena, void **bytes, uint32_t *size) {
    struct bpf_btf_info info;
    int fd = open_by_id(BPF_BTF_GET_FD_BY_ID, id);

    if (fd < 0)
        return fd;
    memset(&info, 0, sizeof info);
    int error = read_information(fd, &info, sizeof info);
    uint32_t length = info.btf_size;
    if (error == 0 && (!length || length > BTF_MAX))
        error = -EINVAL;
    if (error == 0) {
        *bytes = arena_alloc(arena, length);
        *size = length;
        memset(&info, 0, sizeof info);
        info.btf = kernel_address(*bytes);
        info.btf_size = length;
        error = read_information(fd, &info, sizeof info);
    }
    close(fd);
    return error;
}
