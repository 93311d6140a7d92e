#include "process.h"

#include "base/hash.h"
#include "object/maps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

static bool read_memory(pid_t pid, uint64_t address, void *into, size_t size) {
    struct iovec local = {into, size}, remote = {(void *)(uintptr_t)address, size};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

bool process_read(struct process *process, uint64_t address, void *into, uint32_t size) {
    uint64_t offset = address - process->cached_from;

    if (offset < process->cached_size && size <= process->cached_size - offset) {
        memcpy(into, process->cached + offset, size);
        return true;
    }
    return read_memory(process->pid, address, into, size);
}

static bool read_callback(void *context, uint64_t address, void *into, uint32_t size) {
    return process_read(context, address, into, size);
}

static struct object_elf *open_file(struct process *process, const struct object_map *map) {
    const char *error;

    if (strcmp(map->path, "[vdso]") != 0)
        return object_elf_open(map->path, &error);
    size_t size = map->end - map->start;
    uint8_t *bytes = malloc(size); /* for as long as the file */
    return bytes && read_memory(process->pid, map->start, bytes, size) ? object_elf_from_bytes(bytes, size, &error)
                                                                       : NULL;
}

static struct process_file *file_of(struct process *process, const struct object_map *map) {
    const char *reason;

    for (unsigned i = 0; i < process->file_count; i++)
        if (strcmp(process->files[i].path, map->path) == 0)
            return &process->files[i];
    if (process->file_count == FILES_MOST)
        abort();
    struct process_file *file = &process->files[process->file_count++];
    file->path = strdup(map->path);
    file->elf = open_file(process, map);
    if (file->elf) {
        file->frames = object_eh_frame_open(file->elf, &reason);
        file->table = unwind_table_build(file->elf, &reason);
    }
    if (file->table)
        unwind_table_share(file->table, &process->rules);
    return file;
}

static void read_maps(struct process *process) {
    arena_free(process->arena);
    process->arena = arena_new();
    process->maps = arena_make(process->arena, struct object_maps);
    if (object_maps_read(process->arena, process->pid, true, process->maps) < 0)
        process->maps->count = 0;
}

/* The file that stands behind an address, which is `*inside` in it. */
static struct process_file *file_at(struct process *process, uint64_t address, uint64_t *inside, bool *is_code) {
    for (int attempt = 0; attempt < 2; attempt++) {
        const struct object_map *map = process->maps ? object_maps_at(process->maps, address) : NULL;
        *is_code = map;
        if (map) {
            struct process_file *file = map->path[0] ? file_of(process, map) : NULL;
            return file && file->elf &&
                           object_elf_address_of(file->elf, address - map->start + map->file_offset, inside)
                       ? file
                       : NULL;
        }
        if (attempt == 0)
            read_maps(process);
    }
    return NULL;
}

static enum profile_cut find(void *context, uint64_t address, struct unwind_place *place) {
    struct process *process = context;
    uint64_t inside;
    bool is_code;
    struct process_file *file = file_at(process, address, &inside, &is_code);

    if (!is_code)
        return PROFILE_CUT_NO_MAP;
    if (!file)
        return PROFILE_COMPLETE;
    if (!file->table)
        return PROFILE_CUT_NO_TABLE;
    *place = (struct unwind_place){file->table, process->rules.items, address - inside, file->frames, NULL};
    return PROFILE_COMPLETE;
}

void process_open(struct process *process, pid_t pid) {
    *process = (struct process){.pid = pid, .world = {process, read_callback, find, NULL}};
    unwind_rules_init(&process->rules);
}

void process_close(struct process *process) {
    for (unsigned i = 0; i < process->file_count; i++) {
        unwind_table_free(process->files[i].table);
        object_eh_frame_close(process->files[i].frames);
        object_elf_close(process->files[i].elf);
    }
    unwind_rules_free(&process->rules);
    arena_free(process->arena);
}

void process_ran(struct process *process, uint64_t sp, bool maps_changed) {
    process->cached_from = sp;
    process->cached_size = 0;
    for (uint64_t size = STACK_CACHED; size >= 256 && !process->cached_size; size /= 2) /* near the end of the stack */
        if (read_memory(process->pid, sp, process->cached, size))
            process->cached_size = size;
    if (maps_changed && process->maps)
        read_maps(process);
}

struct unwind_registers process_registers(const struct user_regs_struct *regs) {
    return (struct unwind_registers){.pc = regs->rip,
                                     .sp = regs->rsp,
                                     .bp = regs->rbp,
                                     .flags = UNWIND_EXACT | UNWIND_ALL,
                                     .registers = {regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi,
                                                   regs->rbp, regs->rsp, regs->r8, regs->r9, regs->r10, regs->r11,
                                                   regs->r12, regs->r13, regs->r14, regs->r15}};
}

const char *process_name(struct process *process, uint64_t address) {
    static char texts[8][256];
    static unsigned next;
    char *text = texts[next++ % 8];
    uint64_t inside, start;
    bool is_code;
    struct object_symbol symbol;
    struct process_file *file = file_at(process, address, &inside, &is_code);

    if (!file) {
        snprintf(text, sizeof texts[0], "%" PRIx64, address);
        return text;
    }
    const char *slash = strrchr(file->path, '/');
    object_elf_load_debug(file->elf, NULL);
    if (object_elf_symbol_at(file->elf, OBJECT_FUNCTIONS, inside, &symbol))
        snprintf(text, sizeof texts[0], "%s!%.*s+%" PRIu64, slash ? slash + 1 : file->path, (int)symbol.name_length,
                 symbol.name, inside - symbol.address);
    else if (file->table && unwind_table_function_at(file->table, inside, &start))
        snprintf(text, sizeof texts[0], "%s!fn_%" PRIx64 "+%" PRIu64, slash ? slash + 1 : file->path, start,
                 inside - start);
    else
        snprintf(text, sizeof texts[0], "%s!%" PRIx64, slash ? slash + 1 : file->path, inside);
    return text;
}
