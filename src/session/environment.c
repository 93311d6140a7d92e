/* What the compiler may ask about the outside, answered from the kernel's BTF and the options. */
#include "kernel/cgroup.h"
#include "object/dwarf.h"
#include "object/elf.h"
#include "object/kallsyms.h"
#include "session/session_int.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t kinds_of(int keyword) {
    switch (keyword) {
    case TYPE_NAME_STRUCT:
        return OBJECT_BTF_STRUCT;
    case TYPE_NAME_UNION:
        return OBJECT_BTF_UNION;
    case TYPE_NAME_ENUM:
        return OBJECT_BTF_ENUM;
    default:
        return OBJECT_BTF_TYPEDEF | OBJECT_BTF_STRUCT;
    }
}

static const struct type *find_type(void *context, int keyword, const char *name) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    uint32_t id = btf ? object_btf_find(btf, kinds_of(keyword), name) : 0;
    return id ? object_btf_type(btf, id) : NULL;
}

static uint32_t user_kinds_of(int keyword) {
    switch (keyword) {
    case TYPE_NAME_STRUCT:
        return OBJECT_DWARF_STRUCT;
    case TYPE_NAME_UNION:
        return OBJECT_DWARF_UNION;
    case TYPE_NAME_ENUM:
        return OBJECT_DWARF_ENUM;
    default:
        return OBJECT_DWARF_TYPEDEF | OBJECT_DWARF_STRUCT | OBJECT_DWARF_UNION | OBJECT_DWARF_ENUM;
    }
}

static const struct session_unit *unit_of(const struct lang_target *target) {
    return (const struct session_unit *)((const char *)target - offsetof(struct session_unit, target));
}

/* The target is that of a unit, whose first event knows the file. */
static const struct probe_target *user_target(const struct lang_target *target) {
    bool is_user = target->context == LANG_CONTEXT_UPROBE || target->context == LANG_CONTEXT_URETPROBE;
    return is_user ? unit_of(target)->targets.items.data[0] : NULL;
}

static const struct type *find_user_constant(void *context, const struct lang_target *target, const char *name,
                                             int64_t *value) {
    struct session *s = context;
    return probe_user_enumerator(&s->probes, user_target(target), name, value);
}

static const struct type *find_user_type(void *context, const struct lang_target *target, int keyword,
                                         const char *name) {
    struct session *s = context;
    return probe_user_type(&s->probes, user_target(target), user_kinds_of(keyword), name);
}

static const char *nearest_type(void *context, int keyword, const char *name) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    return btf ? object_btf_nearest(btf, kinds_of(keyword), name) : NULL;
}

static bool has_function(void *context, const char *name) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    return btf && object_btf_find(btf, OBJECT_BTF_FUNCTION, name);
}

static bool find_constant(void *context, const char *name, int64_t *value, const struct type **type) {
    struct session *s = context;
    if (str_starts(name, "__NR_") || str_starts(name, "SYS_")) {
        *value = probe_syscall_number(strchr(name + 2, '_') + 1);
        *type = NULL;
        return *value >= 0;
    }
    struct object_btf *btf = probe_btf(&s->probes);
    return btf && object_btf_enumerator(btf, name, value, type);
}

static int find_kernel_symbol(void *context, const char *name, uint64_t *address) {
    (void)context;
    int count = object_kallsyms_find(NULL, &name, 1, address);
    return count < 0 ? count : count == 0 ? -ENOENT : 0;
}

static int find_user_symbol(void *context, const struct lang_target *target, const char *name, uint64_t *address,
                            uint64_t *size) {
    (void)context;
    const char *error;
    struct object_symbol symbol = {0};
    struct object_elf *elf = target->path ? object_elf_open(target->path, &error) : NULL;
    bool found =
        elf &&
        (object_elf_find(elf, OBJECT_DATA | OBJECT_FUNCTIONS, name, &symbol) ||
         (object_elf_load_debug(elf, NULL) && object_elf_find(elf, OBJECT_DATA | OBJECT_FUNCTIONS, name, &symbol)));
    *address = symbol.address;
    *size = symbol.is_function ? 0 : symbol.size;
    object_elf_close(elf);
    return found ? 0 : -ENOENT;
}

static int find_cgroup(void *context, const char *path, uint64_t *id) {
    (void)context;
    return kernel_cgroup_id(path, id);
}

static const char *probe_name(void *context, uint32_t id) {
    struct session *s = context;
    return id < s->probe_names.count ? s->probe_names.data[id] : NULL;
}

static const char *syscall_name(void *context, uint32_t number) {
    (void)context;
    return probe_syscall_name(number);
}

static int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Each clock takes time to be read: TAI between two readings of the other one, the narrowest of some tries. One answer
 * for all that ask, so that they agree. */
static int64_t tai_offset(void) {
    static int64_t narrowest = INT64_MAX, offset;
    bool is_known = narrowest != INT64_MAX;
    for (int attempt = 0; !is_known && attempt < 10; attempt++) {
        int64_t before = clock_ns(CLOCK_MONOTONIC), tai = clock_ns(CLOCK_TAI), after = clock_ns(CLOCK_MONOTONIC);
        if (after - before < narrowest) {
            narrowest = after - before;
            offset = tai - (before + narrowest / 2);
        }
    }
    return offset;
}

/* In a pid namespace of its own, tarsier speaks of processes as that namespace sees them. */
static void ask_namespace(struct session *s) {
    struct kernel_pid_namespace namespace = {0};
    if (kernel_pid_namespace(&namespace) < 0 || namespace.initial)
        return;
    s->env.pid_namespace_device = namespace.device;
    s->env.pid_namespace_inode = namespace.inode;
}

/* Called before the script is read; what its config block may change is set by session_settings(). */
void session_environment(struct session *s) {
    s->env.context = s;
    s->env.read_file = session_read_file;
    s->env.include_directories = s->options->include_directories;
    s->env.include_directory_count = s->options->include_directory_count;
    s->env.includes = s->options->includes;
    s->env.include_count = s->options->include_count;
    s->env.setting = session_setting;
    s->env.find_type = find_type;
    s->env.find_user_type = find_user_type;
    s->env.find_user_constant = find_user_constant;
    s->env.nearest_type = nearest_type;
    s->env.has_function = has_function;
    s->env.find_constant = find_constant;
    s->env.find_kernel_symbol = find_kernel_symbol;
    s->env.find_user_symbol = find_user_symbol;
    s->env.find_cgroup = find_cgroup;
    s->env.syscall_name = syscall_name;
    s->env.probe_name = probe_name;
    s->env.tai_offset = tai_offset;
    ask_namespace(s);
    s->env.positional = s->options->positional;
    s->env.positional_count = s->options->positional_count;
    struct lang_option *options = arena_new_array(s->arena, struct lang_option, s->options->script_option_count + 1);
    for (uint32_t i = 0; i < s->options->script_option_count; i++)
        options[i] = (struct lang_option){s->options->script_options[i].name, s->options->script_options[i].value};
    s->env.options = options;
    s->env.option_count = s->options->script_option_count;
    unsigned major = 0, minor = 0, patch = 0;
    sscanf(kernel_release(s->arena), "%u.%u.%u", &major, &minor, &patch);
    s->env.kernel_version = (major << 16) + (minor << 8) + (patch > 255 ? 255 : patch);
    s->env.self_pid = (uint32_t)getpid();
    s->env.start_boottime = (uint64_t)clock_ns(CLOCK_BOOTTIME);
    s->env.boot_to_real = (uint64_t)clock_ns(CLOCK_REALTIME) - s->env.start_boottime;
    s->env.cpu_count = s->cpus.count_possible;
    s->env.allow_unsafe = s->options->allow_unsafe;
    s->env.series_clock = getenv("BPFTRACE_DUMMY_TS_MAP"); /* bpftrace's tests set it */
    s->env.tells_failures = s->options->tells_failures;
}
