/* User stacks of samples with a copy of the stack (perf record --call-graph dwarf), walked by our tables.
 *
 * Several threads walk at once. Tables are made under a lock when a mapping is first met, and only read afterwards.
 */
#include "profile/perf_int.h"
#include "unwind/cache.h"
#include "unwind/walk.h"

#include <linux/perf_event.h>
#include <pthread.h>
#include <string.h>

enum { FRAMES_MOST = 1024, ABI_64 = 2 };

struct perf_code {
    struct object_elf *elf;
    struct unwind_table *table;
    struct object_eh_frame *frames; /* read when a walk asks for it, which few do */
    bool has_looked_for_frames;
};

struct perf_tables {
    struct arena *arena;
    struct symbol_cache *symbols;
    struct hash codes; /* by symbol_file */
    VEC(struct perf_code *) all;
    pthread_mutex_t lock;
    struct unwind_cache cache;
};

struct perf_tables *perf_tables_new(struct arena *arena, struct symbol_cache *symbols) {
    struct perf_tables *tables = arena_make(arena, struct perf_tables);
    tables->arena = arena;
    tables->symbols = symbols;
    hash_init(&tables->codes, arena);
    pthread_mutex_init(&tables->lock, NULL);
    tables->cache = unwind_cache_open(NULL);
    return tables;
}

void perf_tables_free(struct perf_tables *tables) {
    for (uint32_t i = 0; i < tables->all.count; i++) {
        unwind_table_free(tables->all.data[i]->table);
        object_eh_frame_close(tables->all.data[i]->frames);
    }
    unwind_cache_close(&tables->cache);
    pthread_mutex_destroy(&tables->lock);
}

static struct perf_code *make_code(struct perf_tables *tables, const struct perf_map *map) {
    const char *reason;
    struct symbol_file *file = symbol_file_by_path(tables->symbols, map->path, map->build_id, map->build_id_size);
    struct perf_code *code = hash_get_number(&tables->codes, (uintptr_t)file);
    if (code)
        return code;
    code = arena_make(tables->arena, struct perf_code);
    code->elf = file ? symbol_file_elf(file) : NULL;
    if (code->elf)
        code->table = unwind_cache_table(&tables->cache, code->elf, &reason);
    hash_put_number(&tables->codes, (uintptr_t)file, code);
    vec_push(tables->arena, &tables->all, code);
    return code;
}

static const struct perf_code *code_of(struct perf_tables *tables, struct perf_map *map) {
    struct perf_code *code = __atomic_load_n(&map->code, __ATOMIC_ACQUIRE);
    if (!code) {
        pthread_mutex_lock(&tables->lock);
        code = make_code(tables, map);
        __atomic_store_n(&map->code, code, __ATOMIC_RELEASE);
        pthread_mutex_unlock(&tables->lock);
    }
    return code;
}

struct walk {
    struct perf_tables *tables;
    const struct perf_image *image;
    const struct object_perf_sample *sample;
    uint64_t stack_start;
};

static bool read_stack(void *context, uint64_t address, void *into, uint32_t size) {
    const struct walk *walk = context;
    uint64_t offset = address - walk->stack_start;
    if (address < walk->stack_start || offset > walk->sample->stack_size || size > walk->sample->stack_size - offset)
        return false;
    memcpy(into, walk->sample->stack + offset, size);
    return true;
}

static enum profile_cut find_place(void *context, uint64_t address, struct unwind_place *place) {
    const struct walk *walk = context;
    struct perf_map *map = perf_map_at(walk->image, address, walk->sample->time);
    uint64_t in_file;
    if (!map)
        return PROFILE_CUT_NO_MAP;
    *place = (struct unwind_place){0};
    if (!perf_has_code(map->path))
        return PROFILE_COMPLETE; /* made at run time */
    const struct perf_code *code = code_of(walk->tables, map);
    if (!code->elf || !object_elf_address_of(code->elf, address - map->start + map->file_offset, &in_file))
        return PROFILE_CUT_NOT_READ;
    if (!code->table)
        return PROFILE_CUT_NO_TABLE;
    place->file = (void *)code;
    place->table = code->table;
    place->rules = code->table->rules;
    place->bias = address - in_file;
    return PROFILE_COMPLETE;
}

static const struct object_eh_frame *bytecode(void *context, const struct unwind_place *place) {
    const struct walk *walk = context;
    struct perf_code *code = place->file;
    const char *reason;
    pthread_mutex_lock(&walk->tables->lock);
    if (!code->has_looked_for_frames)
        code->frames = object_eh_frame_open(code->elf, &reason);
    code->has_looked_for_frames = true;
    pthread_mutex_unlock(&walk->tables->lock);
    return code->frames;
}

/* DWARF's number of each register of perf's (arch/x86/include/uapi/asm/perf_regs.h); -1: none of ours. */
static const int8_t dwarf_numbers[] = {
    UNWIND_RAX, UNWIND_RBX, UNWIND_RCX, UNWIND_RDX, UNWIND_RSI, UNWIND_RDI, UNWIND_RBP, UNWIND_RSP,
    16,         -1,         -1,         -1,         -1,         -1,         -1,         -1,
    UNWIND_R8,  UNWIND_R9,  UNWIND_R10, UNWIND_R11, UNWIND_R12, UNWIND_R13, UNWIND_R14, UNWIND_R15,
};

static bool read_registers(const struct object_perf_sample *sample, uint64_t mask, struct unwind_registers *out) {
    enum { IP = 16 };
    uint64_t values[IP + 1] = {0};
    uint32_t known = 0;
    for (unsigned bit = 0, at = 0; bit < 64; bit++) {
        if (!(mask >> bit & 1))
            continue;
        int number = bit < sizeof dwarf_numbers ? dwarf_numbers[bit] : -1;
        if (number >= 0) {
            values[number] = sample->registers[at];
            known |= 1u << number;
        }
        at++;
    }
    *out = (struct unwind_registers){.pc = values[IP], .sp = values[UNWIND_RSP], .bp = values[UNWIND_RBP]};
    memcpy(out->registers, values, sizeof out->registers);
    out->flags = UNWIND_EXACT | ((known & 0xffff) == 0xffff ? UNWIND_ALL : 0);
    return (known >> IP & 1) && (known >> UNWIND_RSP & 1) && (known >> UNWIND_RBP & 1);
}

uint32_t perf_unwind(struct perf_tables *tables, const struct perf_image *image,
                     const struct object_perf_sample *sample, uint64_t mask, uint64_t *words, uint32_t most,
                     uint32_t *cut) {
    static _Thread_local struct unwind_frame frames[FRAMES_MOST];
    struct unwind_registers registers;
    uint32_t count = 0;
    enum profile_cut end;
    if (!read_registers(sample, mask, &registers)) {
        *cut = PROFILE_CUT_UNKNOWN;
        return 0;
    }
    struct walk walk = {tables, image, sample, registers.sp};
    struct unwind_world world = {&walk, read_stack, find_place, bytecode};
    uint32_t found = unwind_walk(&world, &registers, frames, sample->register_abi == ABI_64 ? FRAMES_MOST : 1, &end);
    for (uint32_t i = 0; i < found && count + 2 <= most; i++) {
        if (frames[i].is_exact) /* in front of what is no return address stands a mark */
            words[count++] = PERF_CONTEXT_USER;
        words[count++] = frames[i].pc;
    }
    *cut = sample->register_abi == ABI_64 ? end : PROFILE_CUT_FOREIGN;
    return count;
}
