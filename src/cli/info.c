/* tarsier info: what this kernel allows, found by trying, with the reason and the cure of each no. */
#include "cli/cli.h"
#include "kernel/bpf.h"
#include "kernel/feature.h"
#include "kernel/proc.h"
#include "object/btf.h"
#include <linux/bpf.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Some programs can only be tried with the BTF ids of well-known kernel objects. */
static void find_ids(struct arena *arena, struct kernel_features *features) {
    int error = 0;
    struct object_btf *btf = object_btf_open(arena, NULL, &error);
    struct kernel_feature_btf ids = {0};
    if (!btf)
        return;
    object_btf_raw_tracepoint(btf, "sched_switch", &ids.tracepoint, NULL);
    ids.function = object_btf_find(btf, OBJECT_BTF_FUNCTION, "vfs_read");
    ids.iterator = object_btf_find(btf, OBJECT_BTF_FUNCTION, "bpf_iter_task");
    ids.rdonly_cast = object_btf_find(btf, OBJECT_BTF_FUNCTION, "bpf_rdonly_cast");
    ids.task_struct = object_btf_find(btf, OBJECT_BTF_STRUCT, "task_struct");
    kernel_features_set_btf(features, &ids);
    object_btf_release(btf);
}

/* ---- in bpftrace's form ------------------------------------------------------------------------------------------ */

enum info_kind { SECTION, FEATURE, HELPER, MAP, IS };

static const struct info_row {
    enum info_kind kind;
    const char *name;
    uint32_t argument;
} info_rows[] = {
#define INFO_SECTION(name) {SECTION, name, 0},
#define INFO(name, kind, argument) {kind, name, argument},
#include "cli/info.def"
#undef INFO_SECTION
#undef INFO
};

static bool makes_map(uint32_t type) {
    bool is_stack = type == BPF_MAP_TYPE_STACK_TRACE;
    int fd = kernel_map_create(&(struct kernel_map_spec){
        .name = "try", .type = type, .key_size = 4, .value_size = is_stack ? 8 : 4, .max_entries = 1});
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool info_answer(struct kernel_features *features, const struct info_row *row) {
    switch (row->kind) {
    case FEATURE:
        return kernel_feature(features, (enum kernel_feature)row->argument);
    case HELPER:
        return kernel_helper_is_known(row->argument);
    case MAP:
        return makes_map(row->argument);
    default:
        return row->argument;
    }
}

static void print_drop_in(struct kernel_features *features) {
    struct utsname system;
    uname(&system);
    printf("System\n  OS: %s %s %s\n  Arch: %s\n\n", system.sysname, system.release, system.version, system.machine);
    printf("Build\n  version: v" CLI_BPFTRACE_VERSION " (tarsier %s)\n  LLVM: none\n  unsafe probe: no\n"
           "  bfd: no\n  libdw (DWARF support): yes\n  blazesym (advanced symbolization): yes\n"
           "  dwunwind (DWARF stack unwinding): no\n  bcc library path resolution: yes\n",
           TARSIER_VERSION);
    for (size_t i = 0; i < sizeof info_rows / sizeof *info_rows; i++) {
        if (info_rows[i].kind == SECTION)
            printf("\n%s\n", info_rows[i].name);
        else
            printf("  %s: %s\n", info_rows[i].name, info_answer(features, &info_rows[i]) ? "yes" : "no");
    }
    printf("\n");
}

/* ---- in our own -------------------------------------------------------------------------------------------------- */

static void print_own(struct arena *arena, struct kernel_features *features) {
    struct kernel_cpus cpus = {0};
    kernel_cpus_read(arena, &cpus);
    printf("tarsier %s\nkernel: %s\ncpus: %u online, %u possible\n\n", TARSIER_VERSION, kernel_release(arena),
           cpus.count_online, cpus.count_possible);
    for (int id = 0; id < KERNEL_FEATURE_COUNT; id++) {
        struct strbuf text = {0};
        kernel_feature_explain(features, (enum kernel_feature)id, &text);
        printf("%s\n", strbuf_text(&text));
        strbuf_free(&text);
    }
}

int cli_info(const struct cli_request *request) {
    struct arena *arena = arena_new();
    struct kernel_features *features = kernel_features_new(arena);
    find_ids(arena, features);
    if (request->drop_in)
        print_drop_in(features);
    else
        print_own(arena, features);
    arena_free(arena);
    return SESSION_OK;
}
