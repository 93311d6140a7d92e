/* The features that are tried by loading a tiny program (and sometimes linking it to nothing). */
#include "kernel/bpf.h"
#include "kernel/bpf_int.h"
#include "kernel/feature_int.h"
#include "kernel/uapi.h"
#include <string.h>

#define INSTRUCTION(op, dst, src, offset, immediate)                                                                   \
    ((struct bpf_insn){.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (immediate)})
#define MOVE(dst, immediate) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, immediate)
#define CALL(id) INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define EXIT INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

enum { MOVE_SIGN_EXTEND_BYTE = 8, DIVIDE_SIGNED = 1 }; /* cpu v4: told by the offset field */

static const struct bpf_insn return_0[] = {MOVE(BPF_REG_0, 0), EXIT};

struct trial {
    uint32_t type, attach_type, btf_id;
    const struct bpf_insn *instructions;
    uint32_t count;
};

#define trial_of(program_type, list)                                                                                   \
    { .type = (program_type), .instructions = (list), .count = sizeof(list) / sizeof *(list) }

static int trial_load(const struct trial *trial, char *log, uint32_t log_size) {
    return kernel_program_load(&(struct kernel_program_spec){
        .name = "try",
        .type = trial->type,
        .expected_attach_type = trial->attach_type,
        .attach_btf_id = trial->btf_id,
        .instructions = trial->instructions,
        .count = trial->count,
        .log = log,
        .log_size = log_size,
        .log_level = log ? 1 : 0,
    });
}

static int try_load(const struct trial *trial) {
    int fd = trial_load(trial, NULL, 0);
    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* ---- kinds of programs --------------------------------------------------------------------------------------- */

static int try_type(uint32_t type) { return try_load(&(struct trial)trial_of(type, return_0)); }

int kernel_try_program_kprobe(struct kernel_features *features) {
    (void)features;
    return try_type(BPF_PROG_TYPE_KPROBE);
}

int kernel_try_program_tracepoint(struct kernel_features *features) {
    (void)features;
    return try_type(BPF_PROG_TYPE_TRACEPOINT);
}

int kernel_try_program_raw_tracepoint(struct kernel_features *features) {
    (void)features;
    return try_type(BPF_PROG_TYPE_RAW_TRACEPOINT);
}

int kernel_try_program_perf_event(struct kernel_features *features) {
    (void)features;
    return try_type(BPF_PROG_TYPE_PERF_EVENT);
}

/* On x86-64 a kernel that loads an fentry program also attaches it, and detaching would cost it tens of milliseconds;
 * on aarch64 the two came in different releases (6.0 and 6.4), so there only attaching tells. */
#ifdef __aarch64__
#define FENTRY_NEEDS_ATTACH true
#else
#define FENTRY_NEEDS_ATTACH false
#endif

/* Programs that are bound to a BTF id. */
static int try_tracing(uint32_t attach_type, uint32_t btf_id, bool attach) {
    if (!btf_id)
        return -ENODATA;
    struct trial trial = trial_of(BPF_PROG_TYPE_TRACING, return_0);
    trial.attach_type = attach_type;
    trial.btf_id = btf_id;
    int fd = trial_load(&trial, NULL, 0);
    if (fd < 0)
        return fd;
    int link = attach ? kernel_raw_tracepoint_open(NULL, fd, 0, false) : -1;
    close(fd);
    if (link >= 0)
        close(link);
    return attach && link < 0 ? link : 0;
}

int kernel_try_program_tp_btf(struct kernel_features *features) {
    return try_tracing(BPF_TRACE_RAW_TP, features->btf.tracepoint, false);
}

int kernel_try_program_fentry(struct kernel_features *features) {
    return try_tracing(BPF_TRACE_FENTRY, features->btf.function, FENTRY_NEEDS_ATTACH);
}

int kernel_try_program_iterator(struct kernel_features *features) {
    return try_tracing(BPF_TRACE_ITER, features->btf.iterator, false);
}

/* ---- multi links --------------------------------------------------------------------------------------------- */

static int load_multi(uint32_t attach_type) {
    struct trial trial = trial_of(BPF_PROG_TYPE_KPROBE, return_0);
    trial.attach_type = attach_type;
    return trial_load(&trial, NULL, 0);
}

/* Links to what is no file, so nothing is probed: EBADF says "known, but not a regular file". */
static int try_uprobe_link(int32_t pid) {
    int program = load_multi(KERNEL_ATTACH_UPROBE_MULTI);
    if (program < 0)
        return program;
    const uint64_t offset = 0;
    int link = kernel_link_uprobe_multi(program, "/", &offset, NULL, NULL, 1, pid, false);
    close(program);
    if (link >= 0)
        close(link);
    return link;
}

/* The first kernels with uprobe.multi (6.6 to 6.8) mistook the pid filter for a thread filter and missed events; those
 * that are right refuse pid -1 before they look at the path, and only they count. */
int kernel_try_uprobe_multi(struct kernel_features *features) {
    (void)features;
    int known = try_uprobe_link(0);
    if (known != -EBADF)
        return known < 0 ? known : -EINVAL;
    return try_uprobe_link(-1) == -EINVAL ? 0 : -EOPNOTSUPP;
}

/* Before 6.6 bpf_get_func_ip() loads, but is 0 in uretprobes. It came with uprobe.multi, which can be asked for. */
int kernel_try_user_func_ip(struct kernel_features *features) {
    (void)features;
    int known = try_uprobe_link(0);
    return known == -EBADF ? 0 : known < 0 ? known : -EINVAL;
}

/* Links to a list of addresses that is not readable: EFAULT says that the kernel went as far as reading it. (A function
 * that does not exist would tell as well, but for that the kernel goes through all its symbols.) */
int kernel_try_kprobe_multi(struct kernel_features *features) {
    (void)features;
    int program = load_multi(KERNEL_ATTACH_KPROBE_MULTI);
    if (program < 0)
        return program;
    const uint64_t *unreadable = (const uint64_t *)(uintptr_t)sizeof(uint64_t);
    int link = kernel_link_kprobe_multi(program, NULL, unreadable, NULL, 1, false);
    close(program);
    if (link >= 0)
        close(link);
    return link == -EFAULT ? 0 : link < 0 ? link : -EINVAL;
}

/* ---- helpers ------------------------------------------------------------------------------------------------- */

/* A call without proper arguments can not load; the verifier's log tells an unknown helper from a bad argument. */
static int try_helper(int id) {
    static const char *const unknown[] = {"unknown func", "invalid func", "cannot use helper"};
    const struct bpf_insn list[] = {CALL(id), MOVE(BPF_REG_0, 0), EXIT};
    struct trial trial = trial_of(BPF_PROG_TYPE_KPROBE, list);
    char log[4096];
    int fd = trial_load(&trial, log, sizeof log);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (strstr(log, unknown[i]))
            return -EINVAL;
    return log[0] ? 0 : fd; /* silence: refused before the verifier looked */
}

int kernel_try_bpf_loop(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_loop);
}

int kernel_try_for_each_map_elem(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_for_each_map_elem);
}

int kernel_try_attach_cookie(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_get_attach_cookie);
}

int kernel_try_func_ip(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_get_func_ip);
}

int kernel_try_write_user(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_probe_write_user);
}

int kernel_try_override_return(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_override_return);
}

int kernel_try_trace_vprintk(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_trace_vprintk);
}

int kernel_try_tai_clock(struct kernel_features *features) {
    (void)features;
    return try_helper(BPF_FUNC_ktime_get_tai_ns);
}

/* ---- instructions -------------------------------------------------------------------------------------------- */

int kernel_try_atomic_fetch(struct kernel_features *features) {
    (void)features;
    static const struct bpf_insn list[] = {
        INSTRUCTION(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, -8, 0),
        MOVE(BPF_REG_0, 1),
        INSTRUCTION(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_10, BPF_REG_0, -8, BPF_ADD | BPF_FETCH),
        EXIT,
    };
    return try_load(&(struct trial)trial_of(BPF_PROG_TYPE_KPROBE, list));
}

int kernel_try_cpu_v4(struct kernel_features *features) {
    (void)features;
    static const struct bpf_insn list[] = {
        MOVE(BPF_REG_1, 255),
        INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_1, MOVE_SIGN_EXTEND_BYTE, 0),
        EXIT,
    };
    return try_load(&(struct trial)trial_of(BPF_PROG_TYPE_KPROBE, list));
}

int kernel_try_signed_division(struct kernel_features *features) {
    (void)features;
    static const struct bpf_insn list[] = {
        MOVE(BPF_REG_0, -6),
        INSTRUCTION(BPF_ALU64 | BPF_DIV | BPF_K, BPF_REG_0, 0, DIVIDE_SIGNED, 2),
        EXIT,
    };
    return try_load(&(struct trial)trial_of(BPF_PROG_TYPE_KPROBE, list));
}

/* bpf_rdonly_cast(pointer, type): a kernel function called by its BTF id. */
int kernel_try_rdonly_cast(struct kernel_features *features) {
    const struct kernel_feature_btf *btf = &features->btf;
    if (!btf->rdonly_cast || !btf->task_struct)
        return -ENODATA;
    const struct bpf_insn list[] = {
        MOVE(BPF_REG_2, (int32_t)btf->task_struct),
        INSTRUCTION(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, (int32_t)btf->rdonly_cast),
        MOVE(BPF_REG_0, 0),
        EXIT,
    };
    return try_load(&(struct trial)trial_of(BPF_PROG_TYPE_RAW_TRACEPOINT, list));
}

/* ---- task storage -------------------------------------------------------------------------------------------- */

/* The map demands BTF for key and value. Smallest blob: type 1 is `int`. Layout: Documentation/bpf/btf.rst. */
struct int_btf {
    struct {
        uint16_t magic;
        uint8_t version, flags;
        uint32_t header_size, type_offset, type_size, string_offset, string_size;
    } header;
    struct {
        uint32_t name, information, size, encoding;
    } integer;
    char strings[8];
};

static const struct int_btf int_btf = {
    .header = {.magic = 0xeB9F,
               .version = 1,
               .header_size = 24,
               .type_size = 16,
               .string_offset = 16,
               .string_size = sizeof "\0int"},
    .integer = {.name = 1, .information = 1u << 24, .size = 4, .encoding = 1u << 24 | 32},
    .strings = "\0int",
};

int kernel_try_task_storage(struct kernel_features *features) {
    (void)features;
    int btf = kernel_btf_load(&int_btf, offsetof(struct int_btf, strings) + int_btf.header.string_size);
    if (btf < 0)
        return btf;
    int map = kernel_map_create(&(struct kernel_map_spec){
        .name = "try",
        .type = BPF_MAP_TYPE_TASK_STORAGE,
        .key_size = 4,
        .value_size = 4,
        .flags = BPF_F_NO_PREALLOC,
        .btf_fd = btf,
        .btf_key_type_id = 1,
        .btf_value_type_id = 1,
    });
    close(btf);
    if (map < 0)
        return map;
    close(map);
    /* The map came before the helpers of tracing programs. */
    return try_helper(BPF_FUNC_task_storage_get);
}

/* ---- helpers ------------------------------------------------------------------------------------------------- */

/* Called without arguments the helper is refused in any case; the verifier's log tells why. */
bool kernel_helper_is_known(uint32_t number) {
    char log[4096] = "";
    const struct bpf_insn calls[] = {CALL((int)number), EXIT};
    struct trial trial = trial_of(BPF_PROG_TYPE_KPROBE, calls);
    int fd = trial_load(&trial, log, sizeof log);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || fd == -EPERM)
        return fd >= 0;
    return !strstr(log, "unknown func") && !strstr(log, "invalid func") && !strstr(log, "cannot use helper");
}
