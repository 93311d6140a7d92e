#include "symbol/symbol_int.h"

#include <stdlib.h>

struct symbol_cache *symbol_cache_new(struct arena *arena) {
    struct symbol_cache *cache = arena_make(arena, struct symbol_cache);

    cache->arena = arena;
    hash_init(&cache->files, arena);
    hash_init(&cache->unversioned, arena);
    hash_init(&cache->jit_names, arena);
    hash_init(&cache->made_names, arena);
    hash_init(&cache->demangled, arena);
    cache->demangler = object_demangler_new(arena);
    return cache;
}

void symbol_cache_close(struct symbol_cache *cache) {
    if (!cache)
        return;
    symbol_process_close_all(cache);
    object_demangler_close(cache->demangler);
    for (uint32_t i = 0; i < cache->all_files.count; i++)
        symbol_file_close(cache->all_files.data[i]);
    symbol_file_close(&cache->vdso);
    object_kallsyms_free(cache->kallsyms);
}

static void load_kallsyms(struct symbol_cache *cache) {
    int error;

    if (!cache->has_loaded_kallsyms) {
        cache->has_loaded_kallsyms = true;
        cache->kallsyms = object_kallsyms_load(NULL, &error); /* refused: addresses stay addresses */
    }
}

uint64_t symbol_kernel_address(struct symbol_cache *cache, const char *name) {
    struct object_kernel_symbol symbol;

    load_kallsyms(cache);
    return cache->kallsyms && object_kallsyms_by_name(cache->kallsyms, name, &symbol) ? symbol.address : 0;
}

bool symbol_kernel(struct symbol_cache *cache, uint64_t address, struct symbol_name *out) {
    struct object_kernel_symbol symbol;

    *out = (struct symbol_name){0};
    load_kallsyms(cache);
    if (!cache->kallsyms || !object_kallsyms_at(cache->kallsyms, address, &symbol))
        return false;
    *out = (struct symbol_name){symbol.name, address - symbol.address,
                                symbol.module ? symbol.module : "[kernel.kallsyms]", address, false};
    return true;
}

void symbol_expect_program(struct symbol_cache *cache, const char *path) {
    char *whole = realpath(path, NULL);
    struct symbol_file *file = whole ? symbol_file_by_path(cache, whole, NULL, 0) : NULL;

    if (file && !object_elf_is_pie(file->elf))
        cache->expected = file;
    free(whole);
}

static bool expected_name(struct symbol_cache *cache, uint64_t address, struct symbol_name *out) {
    uint64_t offset;

    return cache->expected && object_elf_offset_of(cache->expected->elf, address, &offset) &&
           symbol_file_name(cache, cache->expected, offset, out);
}

bool symbol_user(struct symbol_cache *cache, uint32_t tgid, uint64_t address, struct symbol_name *out) {
    *out = (struct symbol_name){0};
    if (!cache->vdso.path)
        symbol_file_init_vdso(cache);
    struct symbol_process *process = symbol_process_get(cache, tgid);
    if (!process)
        return expected_name(cache, address, out);
    const struct symbol_mapping *mapping = symbol_process_mapping(cache, process, address);
    if (!mapping)
        return false;
    if (mapping->file && symbol_file_name(cache, mapping->file, address - mapping->start + mapping->file_offset, out))
        return true;
    /* Compilers also run from files they have deleted or made in memory. */
    return (!mapping->file || !mapping->file->elf) && symbol_process_jit_name(cache, process, address, out);
}

struct symbol_mapping symbol_mapping_at(struct symbol_cache *cache, uint32_t tgid, uint64_t address) {
    const struct symbol_mapping *mapping = NULL;

    if (!cache->vdso.path)
        symbol_file_init_vdso(cache);
    struct symbol_process *process = symbol_process_get(cache, tgid);
    if (process)
        mapping = symbol_process_mapping(cache, process, address);
    return mapping ? *mapping : (struct symbol_mapping){0};
}

bool symbol_learn_process(struct symbol_cache *cache, uint32_t tgid) {
    if (!cache->vdso.path)
        symbol_file_init_vdso(cache);
    struct symbol_process *process = symbol_process_get(cache, tgid);

    return process && symbol_process_read(cache, process);
}
