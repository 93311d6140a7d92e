/* Maps, programs, links, perf events, tracefs and features of the running kernel. Most need root: others skip. */
#include "unit.h"

#include "kernel/bpf.h"
#include "kernel/feature.h"
#include "kernel/perf.h"
#include "kernel/proc.h"
#include "kernel/ring.h"
#include "kernel/tracefs.h"
#include "kernel/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct arena *arena;

static int group_setup(void **state) {
    (void)state;
    arena = arena_new();
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    arena_free(arena);
    return 0;
}

static void need_root(void) {
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
}

#define OP(op, dst, src, offset, immediate)                                                                            \
    ((struct bpf_insn){.code = (op), .dst_reg = (dst), .src_reg = (src), .off = (offset), .imm = (immediate)})
#define EXIT OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int load(uint32_t type, const struct bpf_insn *instructions, uint32_t count) {
    return kernel_program_load(&(struct kernel_program_spec){
        .name = "kernel test", .type = type, .instructions = instructions, .count = count});
}

/* r0 = immediate; exit */
static int load_constant(uint32_t type, int32_t result) {
    const struct bpf_insn list[] = {OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, result), EXIT};
    return load(type, list, 2);
}

/* ---- maps ---------------------------------------------------------------------------------------------------- */

static int make_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries, uint32_t flags) {
    int fd = kernel_map_create(&(struct kernel_map_spec){.name = "kernel test",
                                                         .type = type,
                                                         .key_size = key_size,
                                                         .value_size = value_size,
                                                         .max_entries = max_entries,
                                                         .flags = flags,
                                                         .inner_fd = -1,
                                                         .btf_fd = -1});
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    return fd;
}

static void a_map_keeps_what_is_put_in(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_HASH, 8, 8, 10, 0);
    uint64_t key = 7, value = 42, got = 0, next = 0;
    assert_int_equal(kernel_map_lookup(fd, &key, &got), -ENOENT);
    assert_int_equal(kernel_map_update(fd, &key, &value, BPF_ANY), 0);
    assert_int_equal(kernel_map_update(fd, &key, &value, BPF_NOEXIST), -EEXIST);
    assert_int_equal(kernel_map_lookup(fd, &key, &got), 0);
    assert_int_equal(got, 42);
    assert_int_equal(kernel_map_next_key(fd, NULL, &next), 0);
    assert_int_equal(next, 7);
    assert_int_equal(kernel_map_next_key(fd, &key, &next), -ENOENT);
    assert_int_equal(kernel_map_delete(fd, &key), 0);
    assert_int_equal(kernel_map_delete(fd, &key), -ENOENT);
    close(fd);
}

/* Puts 1..count (times 3) into a map, dumps it and counts each key once. */
static void check_dump(int fd, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        uint64_t value = 3 * i;
        assert_int_equal(kernel_map_update(fd, &i, &value, 0), 0);
    }
    void *keys, *values;
    uint32_t found = 0;
    assert_int_equal(kernel_map_dump(fd, 4, 8, first + count, arena, &keys, &values, &found), 0);
    assert_int_equal(found, count);
    uint8_t *seen = arena_alloc(arena, first + count);
    for (uint32_t i = 0; i < found; i++) {
        uint32_t key = ((uint32_t *)keys)[i];
        assert_true(key >= first && key < first + count);
        assert_int_equal(((uint64_t *)values)[i], 3 * key);
        assert_int_equal(seen[key]++, 0);
    }
}

static void a_hash_is_dumped_whole(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_HASH, 4, 8, 5001, BPF_F_NO_PREALLOC);
    check_dump(fd, 1, 5000);
    close(fd);
}

static void an_empty_hash_is_dumped_as_nothing(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_HASH, 4, 8, 10, 0);
    check_dump(fd, 1, 0);
    close(fd);
}

static void an_array_is_dumped_whole(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 3000, 0);
    check_dump(fd, 0, 3000);
    close(fd);
}

static void a_per_cpu_hash_is_dumped_with_all_cpus(void **state) {
    (void)state;
    need_root();
    struct kernel_cpus cpus;
    assert_int_equal(kernel_cpus_read(arena, &cpus), 0);
    int fd = make_map(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 10, BPF_F_NO_PREALLOC);
    uint64_t *value = arena_new_array(arena, uint64_t, cpus.count_possible);
    for (uint32_t cpu = 0; cpu < cpus.count_possible; cpu++)
        value[cpu] = 100 + cpu;
    uint32_t key = 5, count = 0;
    assert_int_equal(kernel_map_update(fd, &key, value, 0), 0);
    void *keys, *values;
    assert_int_equal(kernel_map_dump(fd, 4, 8 * cpus.count_possible, 10, arena, &keys, &values, &count), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(values, value, 8 * cpus.count_possible);
    close(fd);
}

static void a_map_of_maps_is_dumped_without_its_empty_slots(void **state) {
    (void)state;
    need_root();
    int inner = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
    int outer = kernel_map_create(&(struct kernel_map_spec){
        .type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = 4, .value_size = 4, .max_entries = 4, .inner_fd = inner});
    assert_true(outer >= 0);
    uint32_t key = 2, count = 0;
    assert_int_equal(kernel_map_update(outer, &key, &inner, 0), 0);
    void *keys, *values;
    assert_int_equal(kernel_map_dump(outer, 4, 4, 4, arena, &keys, &values, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(*(uint32_t *)keys, 2);
    close(inner);
    close(outer);
}

static void an_array_can_be_mapped(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 4, BPF_F_MMAPABLE), error;
    uint64_t *memory = kernel_map_mmap(fd, 32, true, &error);
    assert_non_null(memory);
    memory[3] = 99;
    uint32_t key = 3;
    uint64_t value = 0;
    assert_int_equal(kernel_map_lookup(fd, &key, &value), 0);
    assert_int_equal(value, 99);
    assert_null(kernel_map_mmap(-1, 32, true, &error));
    assert_int_equal(error, -EBADF);
    close(fd);
}

/* ---- programs ------------------------------------------------------------------------------------------------ */

static void a_raw_tracepoint_program_is_run_once(void **state) {
    (void)state;
    need_root();
    int fd = load_constant(BPF_PROG_TYPE_RAW_TRACEPOINT, 7);
    assert_true(fd >= 0);
    uint64_t context[2] = {1, 2};
    uint32_t result = 0;
    assert_int_equal(kernel_program_test_run(fd, context, sizeof context, &result), 0);
    assert_int_equal(result, 7);
    close(fd);
}

static void runs_are_counted_while_statistics_are_on(void **state) {
    (void)state;
    need_root();
    int fd = load_constant(BPF_PROG_TYPE_RAW_TRACEPOINT, 0), stats = kernel_stats_enable();
    assert_true(fd >= 0 && stats >= 0);
    int link = kernel_raw_tracepoint_open("sys_enter", fd, 0, false);
    assert_true(link >= 0);
    for (int i = 0; i < 100; i++)
        getppid();
    close(link);
    struct kernel_program_info info;
    assert_int_equal(kernel_program_info(fd, &info), 0);
    assert_true(info.run_count >= 100);
    assert_true(info.id > 0);
    assert_int_equal(info.verified_instructions, 2);
    close(stats);
    close(fd);
}

static void a_refused_program_has_a_log(void **state) {
    (void)state;
    need_root();
    const struct bpf_insn list[] = {EXIT};
    char log[1024] = "x";
    int fd = kernel_program_load(&(struct kernel_program_spec){.type = BPF_PROG_TYPE_KPROBE,
                                                               .instructions = list,
                                                               .count = 1,
                                                               .log = log,
                                                               .log_size = sizeof log,
                                                               .log_level = 1});
    assert_int_equal(fd, -EACCES);
    assert_non_null(strstr(log, "R0 !read_ok"));
}

static void a_bad_license_is_passed_on(void **state) {
    (void)state;
    need_root();
    /* bpf_probe_read_kernel is for GPL programs only. */
    const struct bpf_insn list[] = {OP(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
                                    OP(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8),
                                    OP(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 8),
                                    OP(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
                                    OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_read_kernel),
                                    EXIT};
    struct kernel_program_spec spec = {.type = BPF_PROG_TYPE_KPROBE, .instructions = list, .count = 6};
    int fd = kernel_program_load(&spec);
    assert_true(fd >= 0);
    close(fd);
    spec.license = "Proprietary";
    assert_int_equal(kernel_program_load(&spec), -EINVAL);
}

/* ---- links and perf events ----------------------------------------------------------------------------------- */

static void an_unknown_raw_tracepoint_is_refused(void **state) {
    (void)state;
    need_root();
    int fd = load_constant(BPF_PROG_TYPE_RAW_TRACEPOINT, 0);
    assert_int_equal(kernel_raw_tracepoint_open("tarsier_no_such", fd, 0, false), -ENOENT);
    close(fd);
}

/* In the file of this program, for uprobes. */
__attribute__((noinline, used)) void kernel_test_target(void);
void kernel_test_target(void) { __asm__ volatile(""); }

/* Offset in the file of an address of this process, from /proc/self/maps. */
static uint64_t file_offset(const void *code) {
    struct strbuf text = {0};
    assert_int_equal(kernel_read_file("/proc/self/maps", &text, 1 << 20), 0);
    uint64_t result = 0, address = (uint64_t)(uintptr_t)code;
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long long start, end, offset;
        if (sscanf(line, "%llx-%llx %*s %llx", &start, &end, &offset) == 3 && address >= start && address < end)
            result = address - start + offset;
    }
    strbuf_free(&text);
    assert_true(result > 0);
    return result;
}

/* A program that adds its cookie to slot 0 of an array. */
static int load_cookie_adder(int map, uint32_t attach_type) {
    const struct bpf_insn list[] = {
        OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_attach_cookie),
        OP(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, map),
        OP(0, 0, 0, 0, 0),
        OP(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 0, 0, BPF_ADD),
        OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        EXIT,
    };
    return kernel_program_load(&(struct kernel_program_spec){.type = BPF_PROG_TYPE_KPROBE,
                                                             .expected_attach_type = attach_type,
                                                             .instructions = list,
                                                             .count = sizeof list / sizeof *list});
}

static uint64_t slot_0(int map) {
    uint32_t key = 0;
    uint64_t value = 0;
    assert_int_equal(kernel_map_lookup(map, &key, &value), 0);
    return value;
}

static void a_uprobe_runs_its_program_with_the_cookie(void **state) {
    (void)state;
    need_root();
    int map = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0), program = load_cookie_adder(map, 0);
    assert_true(program >= 0);
    int event = kernel_perf_uprobe(NULL, "/proc/self/exe", file_offset(kernel_test_target), 0, false, getpid());
    assert_true(event >= 0);
    int link = kernel_perf_attach(event, program, 5);
    assert_true(link >= 0);
    kernel_test_target();
    kernel_test_target();
    assert_int_equal(slot_0(map), 10);
    close(link);
    close(event);
    close(program);
    close(map);
}

static void a_missing_file_has_no_uprobe(void **state) {
    (void)state;
    need_root();
    assert_int_equal(kernel_perf_uprobe(NULL, "/no/such/file", 0, 0, false, -1), -ENOENT);
}

static void uprobe_multi_tells_its_probes_apart(void **state) {
    (void)state;
    need_root();
    struct kernel_features *features = kernel_features_new(arena);
    if (!kernel_feature(features, KERNEL_FEATURE_UPROBE_MULTI)) {
        print_message("skipped: no uprobe.multi\n");
        skip();
    }
    int map = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
    int program = load_cookie_adder(map, KERNEL_ATTACH_UPROBE_MULTI);
    assert_true(program >= 0);
    const uint64_t offsets[] = {file_offset(kernel_test_target)}, cookies[] = {9};
    int link = kernel_link_uprobe_multi(program, "/proc/self/exe", offsets, cookies, NULL, 1, getpid(), true);
    assert_true(link >= 0);
    kernel_test_target();
    assert_int_equal(slot_0(map), 9);
    close(link);
    close(program);
    close(map);
}

static void a_software_event_runs_its_program(void **state) {
    (void)state;
    need_root();
    int map = make_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
    const struct bpf_insn list[] = {
        OP(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_VALUE, 0, map),
        OP(0, 0, 0, 0, 0),
        OP(BPF_ST | BPF_MEM | BPF_DW, 1, 0, 0, 1),
        OP(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
        EXIT,
    };
    int program = load(BPF_PROG_TYPE_PERF_EVENT, list, sizeof list / sizeof *list);
    assert_true(program >= 0);
    int event = kernel_perf_software(PERF_COUNT_SW_PAGE_FAULTS, 1, 0, 0, -1);
    assert_true(event >= 0);
    int link = kernel_perf_attach(event, program, 0);
    assert_true(link >= 0);
    volatile char *fresh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *fresh = 1; /* faults */
    assert_int_equal(slot_0(map), 1);
    munmap((void *)(uintptr_t)fresh, 4096);
    close(link);
    close(event);
    close(program);
    close(map);
}

/* ---- tracefs ------------------------------------------------------------------------------------------------- */

static struct kernel_tracefs *open_tracefs(void) {
    need_root();
    int error = 0;
    struct kernel_tracefs *tracefs = kernel_tracefs_open(arena, &error);
    assert_int_equal(error, 0);
    return tracefs;
}

static void tracefs_has_the_format_of_a_tracepoint(void **state) {
    (void)state;
    struct kernel_tracefs *tracefs = open_tracefs();
    struct strbuf text = {0};
    assert_int_equal(kernel_tracefs_read(tracefs, "events/sched/sched_switch/format", &text), 0);
    assert_true(str_starts(strbuf_text(&text), "name: sched_switch\n"));
    assert_int_equal(kernel_tracefs_read(tracefs, "events/sched/no_such/format", &text), -ENOENT);
    strbuf_free(&text);
    kernel_tracefs_close(tracefs);
}

struct listing {
    bool saw_switch, switch_is_directory;
    uint32_t calls, stop_after;
};

static bool note_entry(void *user, const char *name, bool is_directory) {
    struct listing *listing = user;
    if (!strcmp(name, "sched_switch")) {
        listing->saw_switch = true;
        listing->switch_is_directory = is_directory;
    }
    return ++listing->calls != listing->stop_after;
}

static void tracefs_lists_a_directory(void **state) {
    (void)state;
    struct kernel_tracefs *tracefs = open_tracefs();
    struct listing all = {0}, one = {.stop_after = 1};
    assert_int_equal(kernel_tracefs_list(tracefs, "events/sched", note_entry, &all), 0);
    assert_true(all.saw_switch && all.switch_is_directory);
    assert_int_equal(kernel_tracefs_list(tracefs, "events/sched", note_entry, &one), 0);
    assert_int_equal(one.calls, 1);
    assert_true(kernel_tracefs_exists(tracefs, "events/sched"));
    assert_false(kernel_tracefs_exists(tracefs, "events/no_such"));
    kernel_tracefs_close(tracefs);
}

static void tracefs_mounts_nothing_on_the_system(void **state) {
    (void)state;
    need_root();
    struct strbuf before = {0}, after = {0};
    assert_int_equal(kernel_read_file("/proc/self/mounts", &before, 1 << 20), 0);
    struct kernel_tracefs *tracefs = open_tracefs();
    assert_int_equal(kernel_read_file("/proc/self/mounts", &after, 1 << 20), 0);
    assert_string_equal(strbuf_text(&before), strbuf_text(&after));
    strbuf_free(&before);
    strbuf_free(&after);
    kernel_tracefs_close(tracefs);
}

static void a_tracepoint_event_can_be_opened_by_its_id(void **state) {
    (void)state;
    struct kernel_tracefs *tracefs = open_tracefs();
    struct strbuf text = {0};
    assert_int_equal(kernel_tracefs_read(tracefs, "events/sched/sched_switch/id", &text), 0);
    int event = kernel_perf_tracepoint(strtoull(strbuf_text(&text), NULL, 10), 0, -1);
    assert_true(event >= 0);
    close(event);
    strbuf_free(&text);
    kernel_tracefs_close(tracefs);
}

/* ---- rings --------------------------------------------------------------------------------------------------- */

static bool take_stamp(void *user, uint32_t cpu, const void *payload, uint32_t size) {
    (void)cpu;
    assert_int_equal(size, 16);
    memcpy(user, payload, 8);
    return true;
}

static void a_record_comes_through_a_ring_and_wakes_the_reader(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0), error = 0;
    struct kernel_rings *rings = kernel_rings_open(arena, &fd, 1, 4096, &error);
    assert_int_equal(error, 0);
    const struct bpf_insn list[] = {
        OP(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -16, 77), /* the stamp */
        OP(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0),
        OP(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP_FD, 0, fd),
        OP(0, 0, 0, 0, 0),
        OP(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        OP(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -16),
        OP(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 16),
        OP(BPF_ALU64 | BPF_MOV | BPF_K, 4, 0, 0, BPF_RB_FORCE_WAKEUP),
        OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ringbuf_output),
        EXIT,
    };
    int program = load(BPF_PROG_TYPE_RAW_TRACEPOINT, list, sizeof list / sizeof *list);
    assert_true(program >= 0);
    assert_int_equal(kernel_program_test_run(program, NULL, 0, NULL), 0);
    uint32_t ready[1];
    assert_int_equal(kernel_rings_wait(rings, 10000, ready, 1), 0);
    uint64_t stamp = 0;
    assert_int_equal(kernel_rings_drain(rings, take_stamp, &stamp), 1);
    assert_int_equal(stamp, 77);
    close(program);
    kernel_rings_close(rings);
    close(fd);
}

static void a_watched_descriptor_is_reported_by_its_number(void **state) {
    (void)state;
    need_root();
    int fd = make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, 0), error = 0, ends[2];
    struct kernel_rings *rings = kernel_rings_open(arena, &fd, 1, 4096, &error);
    assert_non_null(rings);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(kernel_rings_watch(rings, ends[0], 11), 0);
    uint32_t ready[2];
    assert_int_equal(kernel_rings_wait(rings, 0, ready, 2), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(kernel_rings_wait(rings, 10000, ready, 2), 1);
    assert_int_equal(ready[0], 11);
    assert_int_equal(kernel_rings_unwatch(rings, ends[0]), 0);
    assert_int_equal(kernel_rings_wait(rings, 0, ready, 2), 0);
    close(ends[0]);
    close(ends[1]);
    kernel_rings_close(rings);
    close(fd);
}

static void a_ring_of_a_wrong_size_is_refused(void **state) {
    (void)state;
    int fd = -1, error = 0;
    assert_null(kernel_rings_open(arena, &fd, 1, 5000, &error));
    assert_int_equal(error, -EINVAL);
    assert_null(kernel_rings_open(arena, &fd, 1, 4096, &error));
    assert_int_equal(error, -EBADF);
}

/* ---- features ------------------------------------------------------------------------------------------------ */

static void what_every_supported_kernel_has_is_found(void **state) {
    (void)state;
    need_root();
    static const enum kernel_feature always[] = {
        KERNEL_FEATURE_PROGRAM_KPROBE,
        KERNEL_FEATURE_PROGRAM_TRACEPOINT,
        KERNEL_FEATURE_PROGRAM_RAW_TRACEPOINT,
        KERNEL_FEATURE_PROGRAM_PERF_EVENT,
        KERNEL_FEATURE_PERF_UPROBE,
        KERNEL_FEATURE_PERF_LINK,
        KERNEL_FEATURE_RING_BUFFER,
        KERNEL_FEATURE_TASK_STORAGE,
        KERNEL_FEATURE_BPF_LOOP,
        KERNEL_FEATURE_FOR_EACH_MAP_ELEM,
        KERNEL_FEATURE_ATTACH_COOKIE,
        KERNEL_FEATURE_FUNC_IP,
        KERNEL_FEATURE_ATOMIC_FETCH,
        KERNEL_FEATURE_TRACEFS,
    };
    struct kernel_features *features = kernel_features_new(arena);
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        struct strbuf text = {0};
        kernel_feature_explain(features, always[i], &text);
        assert_true(str_ends(strbuf_text(&text), ": yes"));
        strbuf_free(&text);
    }
}

static void a_feature_without_its_btf_id_is_tried_again_later(void **state) {
    (void)state;
    need_root();
    struct kernel_features *features = kernel_features_new(arena);
    assert_int_equal(kernel_feature_error(features, KERNEL_FEATURE_PROGRAM_TP_BTF), -ENODATA);
    kernel_features_set_btf(features, &(struct kernel_feature_btf){.tracepoint = 0x7fffffff});
    assert_int_not_equal(kernel_feature_error(features, KERNEL_FEATURE_PROGRAM_TP_BTF), -ENODATA);
}

static void every_feature_can_be_explained_by_anyone(void **state) {
    (void)state;
    struct kernel_features *features = kernel_features_new(arena);
    for (unsigned id = 0; id < KERNEL_FEATURE_COUNT; id++) {
        struct strbuf text = {0};
        kernel_feature_explain(features, id, &text);
        assert_true(str_starts(strbuf_text(&text), kernel_feature_name(id)));
        assert_true(str_ends(strbuf_text(&text), kernel_feature(features, id) ? ": yes" : "."));
        assert_null(strstr(strbuf_text(&text), "ulimit"));
        strbuf_free(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_keeps_what_is_put_in),
        cmocka_unit_test(a_hash_is_dumped_whole),
        cmocka_unit_test(an_empty_hash_is_dumped_as_nothing),
        cmocka_unit_test(an_array_is_dumped_whole),
        cmocka_unit_test(a_per_cpu_hash_is_dumped_with_all_cpus),
        cmocka_unit_test(a_map_of_maps_is_dumped_without_its_empty_slots),
        cmocka_unit_test(an_array_can_be_mapped),
        cmocka_unit_test(a_raw_tracepoint_program_is_run_once),
        cmocka_unit_test(runs_are_counted_while_statistics_are_on),
        cmocka_unit_test(a_refused_program_has_a_log),
        cmocka_unit_test(a_bad_license_is_passed_on),
        cmocka_unit_test(an_unknown_raw_tracepoint_is_refused),
        cmocka_unit_test(a_uprobe_runs_its_program_with_the_cookie),
        cmocka_unit_test(a_missing_file_has_no_uprobe),
        cmocka_unit_test(uprobe_multi_tells_its_probes_apart),
        cmocka_unit_test(a_software_event_runs_its_program),
        cmocka_unit_test(tracefs_has_the_format_of_a_tracepoint),
        cmocka_unit_test(tracefs_lists_a_directory),
        cmocka_unit_test(tracefs_mounts_nothing_on_the_system),
        cmocka_unit_test(a_tracepoint_event_can_be_opened_by_its_id),
        cmocka_unit_test(a_record_comes_through_a_ring_and_wakes_the_reader),
        cmocka_unit_test(a_watched_descriptor_is_reported_by_its_number),
        cmocka_unit_test(a_ring_of_a_wrong_size_is_refused),
        cmocka_unit_test(what_every_supported_kernel_has_is_found),
        cmocka_unit_test(a_feature_without_its_btf_id_is_tried_again_later),
        cmocka_unit_test(every_feature_can_be_explained_by_anyone),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
