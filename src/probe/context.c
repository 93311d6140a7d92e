/* What is opened once and shared by all attach points of a session. */
#include "probe/context_int.h"

#include "kernel/bpf.h"
#include "kernel/tracefs.h"
#include "object/btf.h"
#include "object/demangle.h"
#include "object/dwarf.h"
#include "object/elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS_TEXT_MAX = 16 << 20 };

void probe_context_init(struct probe_context *context, struct arena *arena) {
    *context = (struct probe_context){.arena = arena};
    context->caches = arena_make(arena, struct probe_caches);
    context->caches->raw_check_fd = -1;
}

void probe_context_free(struct probe_context *context) {
    struct probe_caches *caches = context->caches;

    kernel_tracefs_close(caches->tracefs);
    for (uint32_t i = 0; i < caches->files.count; i++)
        object_dwarf_close(caches->files.data[i].dwarf);
    for (uint32_t i = 0; i < caches->files.count; i++)
        object_elf_close(caches->files.data[i].elf);
    object_demangler_close(caches->demangler);
    if (caches->raw_check_fd >= 0)
        close(caches->raw_check_fd);
    for (uint32_t i = 0; i < caches->programs.count; i++)
        close(caches->programs.data[i]);
    for (uint32_t i = 0; i < caches->module_types.count; i++) {
        object_btf_release(caches->module_types.data[i]->btf);
        if (caches->module_types.data[i]->fd > 0)
            close(caches->module_types.data[i]->fd);
    }
    if (caches->owns_btf)
        object_btf_release(context->btf);
    *context = (struct probe_context){0};
}

struct object_btf *probe_btf(struct probe_context *context) {
    struct probe_caches *caches = context->caches;
    int error;

    if (!context->btf && !caches->owns_btf && context->features) {
        context->btf = object_btf_open(context->arena, NULL, &error);
        caches->owns_btf = true;
    }
    return context->btf;
}

/* ---- tracefs ------------------------------------------------------------------------------------------------- */

static int open_tracefs(struct probe_context *context, struct probe_error *error) {
    struct probe_caches *caches = context->caches;
    int number = 0;

    if (!caches->tracefs)
        caches->tracefs = kernel_tracefs_open(context->arena, &number);
    if (caches->tracefs)
        return 0;
    int result = probe_fail_system(context, error, -number, "opening tracefs for the list of tracepoints");
    if (error->kind == PROBE_ERROR_PERMISSION)
        error->hint = "run as root, or mount it: mount -t tracefs none /sys/kernel/tracing";
    return result;
}

int probe_tracefs_read(struct probe_context *context, const char *path, struct strbuf *out, struct probe_error *error) {
    int result;

    if (context->tracefs_path) {
        result =
            kernel_read_file(arena_printf(context->arena, "%s/%s", context->tracefs_path, path), out, EVENTS_TEXT_MAX);
    } else {
        result = open_tracefs(context, error);
        if (result != 0)
            return result;
        result = kernel_tracefs_read(context->caches->tracefs, path, out);
    }
    return result < 0 ? probe_fail_system(context, error, -result, "reading %s of tracefs", path) : 0;
}

int probe_tracefs_exists(struct probe_context *context, const char *path, struct probe_error *error) {
    if (context->tracefs_path)
        return access(arena_printf(context->arena, "%s/%s", context->tracefs_path, path), F_OK) == 0;
    int result = open_tracefs(context, error);
    return result != 0 ? result : kernel_tracefs_exists(context->caches->tracefs, path);
}

/* Lines "system:event"; the text is cut in place. */
static void split_events(struct probe_context *context, char *text) {
    struct probe_events *events = &context->caches->events;

    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        struct probe_event event = {.full_name = arena_strdup(context->arena, line), .system = line};
        *colon = '\0';
        event.event = colon + 1;
        vec_push(context->arena, events, event);
    }
}

static int compare_events(const void *a, const void *b) {
    return strcmp(((const struct probe_event *)a)->full_name, ((const struct probe_event *)b)->full_name);
}

int probe_events_read(struct probe_context *context, const struct probe_events **events, struct probe_error *error) {
    struct probe_caches *caches = context->caches;
    struct strbuf text = {0};

    *events = &caches->events;
    if (caches->events.count > 0)
        return 0;
    int result = probe_tracefs_read(context, "available_events", &text, error);
    if (result == 0) {
        split_events(context, arena_strndup(context->arena, strbuf_text(&text), text.length));
        qsort(caches->events.data, caches->events.count, sizeof *caches->events.data, compare_events);
    }
    strbuf_free(&text);
    return result;
}

/* ---- raw tracepoints ----------------------------------------------------------------------------------------- */

enum { RAW_ARGUMENTS_MAX = 12 };

/* A program that reads the twelfth argument, which no tracepoint has: attaching it is refused with EINVAL where the
 * tracepoint exists and with ENOENT where not, in 4 us and without touching anything. */
static int load_raw_check(void) {
    const struct bpf_insn instructions[] = {
        {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 0, .src_reg = 1, .off = 8 * (RAW_ARGUMENTS_MAX - 1)},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0},
        {.code = BPF_JMP | BPF_EXIT},
    };
    const struct kernel_program_spec spec = {.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
                                             .name = "exists",
                                             .instructions = instructions,
                                             .count = sizeof instructions / sizeof *instructions};
    return kernel_program_load(&spec);
}

bool probe_raw_exists(struct probe_context *context, const char *event) {
    struct probe_caches *caches = context->caches;

    if (caches->raw_check_fd < 0 && !caches->raw_check_tried) {
        caches->raw_check_fd = load_raw_check();
        caches->raw_check_tried = true;
    }
    if (caches->raw_check_fd < 0)
        return true; /* not permitted to ask: attaching will tell */
    int result = kernel_raw_tracepoint_open(event, caches->raw_check_fd, 0, false);
    if (result >= 0)
        close(result);
    return result != -ENOENT;
}

uint32_t probe_raw_btf_id(struct probe_context *context, const char *event, const struct type **args) {
    struct object_btf *btf = probe_btf(context);
    uint32_t id;

    return btf && object_btf_raw_tracepoint(btf, event, &id, args) ? id : 0;
}

/* ---- ELF files ----------------------------------------------------------------------------------------------- */

struct object_elf *probe_elf(struct probe_context *context, const char *path, uint64_t begin, uint64_t size,
                             const char **reason) {
    struct probe_caches *caches = context->caches;

    for (uint32_t i = 0; i < caches->files.count; i++) {
        if (strcmp(caches->files.data[i].path, path) == 0 && caches->files.data[i].begin == begin)
            return caches->files.data[i].elf;
    }
    struct object_elf *elf = size ? object_elf_open_inside(path, begin, size, reason) : object_elf_open(path, reason);
    if (elf) {
        struct probe_file file = {.path = path, .begin = begin, .elf = elf};
        vec_push(context->arena, &caches->files, file);
    }
    return elf;
}
