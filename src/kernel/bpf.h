/* bpf(2): maps, programs, links. Thin: one call here is one system call (or one loop around one).
 *
 * Everywhere in kernel/: the result is a file descriptor or 0, or a negative errno; descriptors are close-on-exec;
 * nothing prints. Names are cut to what the kernel takes (15 characters, others than [A-Za-z0-9_.] become '_').
 */
#ifndef TARSIER_KERNEL_BPF_H
#define TARSIER_KERNEL_BPF_H

#include "base/arena.h"
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- maps ---------------------------------------------------------------------------------------------------- */

struct kernel_map_spec {
    const char *name; /* NULL: none */
    uint32_t type, key_size, value_size, max_entries, flags;
    int inner_fd; /* map in map: a map like the inner ones; -1: none. 0 never is a map and also means none */
    int btf_fd;   /* -1 or 0: none */
    uint32_t btf_key_type_id, btf_value_type_id;
};

int kernel_map_create(const struct kernel_map_spec *spec);
int kernel_map_lookup(int fd, const void *key, void *value); /* per-CPU maps: value for every possible CPU, 8-aligned */
int kernel_map_update(int fd, const void *key, const void *value, uint64_t flags);
int kernel_map_delete(int fd, const void *key);
int kernel_map_lookup_and_delete(int fd, const void *key, void *value);
int kernel_map_next_key(int fd, const void *key, void *next); /* key NULL: the first; -ENOENT after the last */

/* Sets *count entries; *count becomes how many were set. Not all kinds of maps can (-EINVAL, -ENOTSUPP 524). */
int kernel_map_update_batch(int fd, const void *keys, const void *values, uint32_t *count);
/* The next up to *count entries into keys and values. `cursor` (as large as a key, at least 8 bytes) carries the place;
 * start with *started = false. 0: *count entries, more may follow; 1: *count entries, the end; -ENOSPC: a hash bucket
 * holds more than *count entries, come again with larger arrays; -EINVAL/-ENOTSUPP(524): this kind of map can not. */
int kernel_map_lookup_batch(int fd, void *cursor, bool *started, void *keys, void *values, uint32_t *count);

/* All entries: `value_size` is the size a lookup fills (per-CPU: 8-aligned value times possible CPUs), `max` the
 * map's max_entries. Batches where the kernel has them for this map, else key by key. Arrays live in the arena.
 * Entries that vanish meanwhile are left out. 0 or negative errno. */
int kernel_map_dump(int fd, uint32_t key_size, uint32_t value_size, uint32_t max, struct arena *arena, void **keys,
                    void **values, uint32_t *count);

/* Memory of an array map created with BPF_F_MMAPABLE; NULL and *error on failure. */
void *kernel_map_mmap(int fd, size_t size, bool writable, int *error);

/* ---- programs ------------------------------------------------------------------------------------------------ */

struct kernel_program_spec {
    uint32_t type, expected_attach_type;
    const char *name;
    const struct bpf_insn *instructions;
    uint32_t count;
    const char *license; /* NULL: "GPL" */
    uint32_t attach_btf_id;
    int attach_btf_fd;                 /* BTF of a module; 0 or -1: vmlinux */
    int btf_fd;                        /* 0 or -1: none */
    const void *func_info, *line_info; /* struct bpf_func_info[], struct bpf_line_info[] */
    uint32_t func_info_count, line_info_count;
    uint32_t flags;
    char *log; /* NULL: no verifier log */
    uint32_t log_size, log_level;
};

/* Tries again on EAGAIN (a signal interrupted the verifier). The log is NUL-terminated, "" when nothing was said.
 * -ENOSPC with a log means that the log was too small, not that the program is bad: load again without a log. */
int kernel_program_load(const struct kernel_program_spec *spec);
/* The BTF of a module as the kernel has it, for attach_btf_fd. -ENOENT: the module is not loaded, or has none. */
int kernel_btf_of_module(const char *name);
int kernel_btf_load(const void *bytes, uint32_t size);

/* Runs the program once. Raw tracepoints: ctx is the array of up to 12 arguments; syscall programs: their context. */
int kernel_program_test_run(int program_fd, const void *context, uint32_t context_size, uint32_t *result);

struct kernel_program_info {
    uint32_t id;
    uint64_t run_time_ns, run_count; /* counted only while a kernel_stats_enable() descriptor is open */
    uint64_t recursion_misses;       /* runs dropped because the program was already running on that CPU */
    uint32_t verified_instructions, jited_size;
};

int kernel_program_info(int fd, struct kernel_program_info *info);
int kernel_stats_enable(void); /* run_time_ns and run_count are counted until the descriptor is closed */

/* Programs that are loaded, by their ids. 0 before the first; -ENOENT behind the last. */
int kernel_program_next(uint32_t id, uint32_t *next);
int kernel_program_open(uint32_t id);
/* What a program consists of: its own function first, then those it calls. */
struct kernel_program_functions {
    uint32_t id, type;
    const char *name; /* cut to 15 bytes */
    uint32_t btf_id;  /* 0: it has none, and then the functions are not known */
    uint32_t *types;  /* in that BTF, of each function */
    uint32_t count;
};
int kernel_program_functions(int fd, struct arena *arena, struct kernel_program_functions *out);
int kernel_btf_read(uint32_t id, struct arena *arena, void **bytes, uint32_t *size);

/* ---- links --------------------------------------------------------------------------------------------------- */

/* name NULL: the program's own target (tp_btf, fentry, fexit, LSM). with_cookie needs 6.10 (-EINVAL before). */
int kernel_raw_tracepoint_open(const char *name, int program_fd, uint64_t cookie, bool with_cookie);
int kernel_link_perf_event(int perf_fd, int program_fd, uint64_t cookie);
/* All or nothing. cookies and ref_ctr_offsets may be NULL; pid 0: every process. */
int kernel_link_uprobe_multi(int program_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies,
                             const uint64_t *ref_ctr_offsets, uint32_t count, int pid, bool is_return);
/* Symbols or addresses (the other NULL). */
int kernel_link_kprobe_multi(int program_fd, const char *const *symbols, const uint64_t *addresses,
                             const uint64_t *cookies, uint32_t count, bool is_return);
/* Hits that a kprobe link missed, as the kernel counted them (6.7); 0 for other links and kernels. */
uint64_t kernel_link_missed(int link_fd);
/* Iterators: a link (information: union bpf_iter_link_info or NULL), then a file to read(2) from. */
int kernel_link_iterator(int program_fd, const void *information, uint32_t information_size);
int kernel_iterator_create(int link_fd);
/* Puts a link into the BPF file system under this path. */
int kernel_link_pin(int link_fd, const char *path);

#endif
