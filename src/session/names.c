/* Values that need more than their bytes to become text: symbols, stacks, probe names. */
#include "session/session_int.h"
#include <stdlib.h>
#include <string.h>

static uint64_t word(const void *bytes, size_t offset) {
    uint64_t value;
    memcpy(&value, (const uint8_t *)bytes + offset, sizeof value);
    return value;
}

static uint32_t half(const void *bytes, size_t offset) {
    uint32_t value;
    memcpy(&value, (const uint8_t *)bytes + offset, sizeof value);
    return value;
}

/* Frames of the tracing machinery itself on top of a stack: users ask where the event was, not how we got there. */
static bool is_machinery(const char *name) {
    static const char *const prefixes[] = {
        "bpf_prog_",         "bpf_trace_run",        "__bpf_trace_",       "__traceiter_",    "bpf_get_stack",
        "trace_call_bpf",    "__bpf_prog_",          "perf_trace_",        "bpf_trampoline_", "__bpf_get_stack",
        "ftrace_trampoline", "bpf_overflow_handler", "kprobe_optinsn_page"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (str_starts(name, prefixes[i]))
            return true;
    }
    return false;
}

uint32_t session_machinery_frames(struct session *s, const uint64_t *ips, uint32_t count) {
    uint32_t frames = 0;
    struct symbol_name name;
    while (frames < count && frames < 8) {
        bool known = symbol_kernel(s->symbols, ips[frames], &name);
        /* A JITed program without a name in kallsyms can only be ours: it is the innermost frame. */
        if (known ? !is_machinery(name.name) : frames > 0)
            break;
        frames++;
    }
    return frames;
}

static const enum symbol_stack_mode stack_modes[] = {
    [TYPE_STACK_BPFTRACE] = SYMBOL_STACK_BPFTRACE,
    [TYPE_STACK_PERF] = SYMBOL_STACK_PERF,
    [TYPE_STACK_RAW] = SYMBOL_STACK_RAW,
};

/* A line for each frame: the build id of the file and the offset in it, or the address where it could not be read. */
static void format_build_ids(const struct type *type, const uint8_t *bytes, struct strbuf *out) {
    uint32_t count = half(bytes, 4) < type->count ? half(bytes, 4) : type->count;
    strbuf_addch(out, '\n');
    for (uint32_t i = 0; i < count; i++) {
        struct bpf_stack_build_id frame;
        memcpy(&frame, bytes + 8 + (size_t)i * sizeof frame, sizeof frame);
        if (frame.status != BPF_STACK_BUILD_ID_VALID) {
            strbuf_addf(out, "%llx\n", (unsigned long long)frame.ip);
            continue;
        }
        for (unsigned k = 0; k < sizeof frame.build_id; k++)
            strbuf_addf(out, "%02x", frame.build_id[k]);
        strbuf_addf(out, " 0x%02llx\n", (unsigned long long)frame.offset);
    }
}

/* What was captured under an id; the caller frees it. NULL: no frames, or the table had no room for it. */
static uint8_t *captured_stack(const struct session *s, uint64_t id, uint32_t *size) {
    for (uint32_t i = 0; id && i < s->plan->maps.count; i++) {
        const struct lang_map_plan *table = &s->plan->maps.data[i];
        if (table->role != LANG_MAP_STACKS)
            continue;
        uint8_t *bytes = malloc(table->value_size);
        *size = table->value_size;
        if (bytes && kernel_map_lookup(s->maps[i].fd, &id, bytes) == 0)
            return bytes;
        free(bytes);
    }
    return NULL;
}

static void format_captured(struct session *s, const struct type *type, const uint8_t *bytes, uint32_t size,
                            struct strbuf *out) {
    bool user = type->kind == TYPE_USTACK;
    if (user && session_is_unwound(s, bytes, size)) {
        session_format_unwound(s, type, (const void *)bytes, stack_modes[type->stack_mode], out);
        return;
    }
    if (type->stack_mode == TYPE_STACK_BUILD_ID) {
        format_build_ids(type, bytes, out);
        return;
    }
    uint64_t count = half(bytes, 4);
    if (count > size / 8 - 1)
        count = size / 8 - 1;
    const uint64_t *ips = (const void *)((const uint8_t *)bytes + 8);
    enum symbol_stack_mode mode = stack_modes[type->stack_mode];
    if (user) {
        symbol_format_user_stack(s->symbols, half(bytes, 0), ips, (uint32_t)count, mode, out);
    } else {
        uint32_t skip = session_machinery_frames(s, ips, (uint32_t)count);
        if (count > skip + type->count)
            count = skip + type->count;
        symbol_format_kernel_stack(s->symbols, ips + skip, (uint32_t)count - skip, mode, out);
    }
}

static void format_stack(struct session *s, const struct type *type, uint64_t id, struct strbuf *out) {
    static const uint64_t none[1];
    const uint8_t *nothing = (const void *)none;
    uint32_t size = sizeof none;
    session_drain_stacks(s);
    const struct session_walked *walked = session_walked_stack(s, id);
    if (walked) {
        session_format_unwound(s, type, walked->stack, stack_modes[type->stack_mode], out);
        return;
    }
    uint8_t *bytes = captured_stack(s, id, &size);
    format_captured(s, type, bytes ? bytes : nothing, size, out);
    free(bytes);
}

static void format(void *context, const struct type *type, const void *bytes, struct strbuf *out) {
    struct session *s = context;
    switch (type->kind) {
    case TYPE_KSYM:
        symbol_format_ksym(s->symbols, word(bytes, 0), out);
        break;
    case TYPE_USYM:
        symbol_format_usym(s->symbols, half(bytes, 8), word(bytes, 0), out);
        break;
    case TYPE_KSTACK:
    case TYPE_USTACK:
        format_stack(s, type, word(bytes, 0), out);
        break;
    case TYPE_PROBE: {
        uint64_t index = word(bytes, 0);
        strbuf_addstr(out, index < s->probe_names.count ? s->probe_names.data[index] : "?");
        break;
    }
    case TYPE_USERNAME:
        session_format_username(s, word(bytes, 0), out);
        break;
    case TYPE_TIMESTAMP:
        session_format_timestamp(s, word(bytes, 0), word(bytes, 8), out);
        break;
    case TYPE_CGROUP_PATH:
        session_format_cgroup_path(s, word(bytes, 0), word(bytes, 8), out);
        break;
    default:
        BUG("no name for a value of kind %d", (int)type->kind);
    }
}

/* The program that all user addresses of the script are from: where its probes are. NULL: there is no such. */
static const char *only_program(const struct session *s) {
    const char *path = NULL;
    for (uint32_t i = 0; i < s->units.count; i++) {
        const struct session_unit *unit = s->units.data[i];
        const struct node *block = unit->lang.probe;
        if (!lang_uses(block, "func") && !lang_uses(block, "usym") && !lang_uses(block, "ustack"))
            continue;
        for (uint32_t k = 0; k < unit->targets.items.count; k++) {
            const struct probe_target *target = unit->targets.items.data[k];
            if (target->mechanism != PROBE_UPROBE || (path && strcmp(path, target->path) != 0))
                return NULL;
            path = target->path;
        }
    }
    return path;
}

void session_names(struct session *s) {
    if (s->symbols)
        return;
    s->symbols = symbol_cache_new(s->arena);
    const char *program = only_program(s);
    if (program)
        symbol_expect_program(s->symbols, program);
    s->names = (struct view_names){s, format};
    s->view.names = &s->names;
}
