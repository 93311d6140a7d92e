/* Files that code is mapped from, opened once whatever the number of processes that map them. */
#include "symbol/symbol_int.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

/* What tells files apart: the time too, as inode numbers are used again. */
struct file_key {
    uint64_t device, inode, size;
    int64_t seconds, nanoseconds;
};

static uint64_t key_of(const struct stat *status) {
    struct file_key key = {
        .device = status->st_dev,
        .inode = status->st_ino,
        .size = (uint64_t)status->st_size,
        .seconds = status->st_mtim.tv_sec,
        .nanoseconds = status->st_mtim.tv_nsec,
    };

    return hash_bytes(&key, sizeof key);
}

/* A path that leads to the mapped file, whatever has become of its name. map_files is that for certain, also for
 * deleted files; it needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. Through the process's root the name may lead
 * elsewhere by now. */
static bool find_path(uint32_t tgid, const struct object_map *map, char *path, size_t size, struct stat *status) {
    snprintf(path, size, "/proc/%u/map_files/%llx-%llx", tgid, (unsigned long long)map->start,
             (unsigned long long)map->end);
    if (stat(path, status) == 0)
        return S_ISREG(status->st_mode);
    int length = snprintf(path, size, "/proc/%u/root%s", tgid, map->path);
    return !map->is_deleted && length > 0 && (size_t)length < size && stat(path, status) == 0 &&
           S_ISREG(status->st_mode) && status->st_ino == map->inode;
}

static struct symbol_file *add_file(struct symbol_cache *cache, const char *path) {
    struct symbol_file *file = arena_make(cache->arena, struct symbol_file);

    file->path = arena_strdup(cache->arena, path);
    vec_push(cache->arena, &cache->all_files, file);
    return file;
}

/* `path` leads to it, `shown` is its name. */
static struct symbol_file *file_at(struct symbol_cache *cache, const char *path, const char *shown,
                                   const struct stat *status) {
    uint64_t key = key_of(status);
    const char *error;
    struct symbol_file *file = hash_get_number(&cache->files, key);

    if (!file) {
        file = add_file(cache, shown);
        file->elf = object_elf_open(path, &error); /* else the mapping still has the name of its module */
        hash_put_number(&cache->files, key, file);
    }
    return file;
}

struct symbol_file *symbol_file_mapped(struct symbol_cache *cache, const char *path, struct stat *status) {
    return stat(path, status) == 0 && S_ISREG(status->st_mode) ? file_at(cache, path, path, status) : NULL;
}

struct symbol_file *symbol_file_of(struct symbol_cache *cache, uint32_t tgid, const struct object_map *map) {
    char path[PATH_MAX + 64];
    struct stat status;

    if (strcmp(map->path, "[vdso]") == 0 && map->end - map->start == cache->vdso_size)
        return &cache->vdso;
    if (map->path[0] != '/' || !map->inode || !find_path(tgid, map, path, sizeof path, &status))
        return NULL;
    return file_at(cache, path, map->path, &status);
}

static bool has_build_id(struct object_elf *elf, const uint8_t *wanted, uint32_t wanted_size) {
    uint32_t size = 0;
    const uint8_t *bytes = wanted_size ? object_elf_build_id(elf, &size) : NULL;

    return !wanted_size || (bytes && size == wanted_size && memcmp(bytes, wanted, size) == 0);
}

static struct object_elf *open_checked(const char *path, const uint8_t *build_id, uint32_t size) {
    const char *error;
    struct object_elf *elf = object_elf_open(path, &error);

    if (elf && !has_build_id(elf, build_id, size)) {
        object_elf_close(elf);
        elf = NULL;
    }
    return elf;
}

/* perf keeps copies as ~/.debug/.build-id/xx/yyyy.../elf. */
static struct object_elf *open_kept(const uint8_t *build_id, uint32_t size) {
    const char *home = getenv("HOME");
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/.debug/.build-id/", home ? home : "");

    for (uint32_t i = 0; i < size && length + 8 < (int)sizeof path; i++)
        length += snprintf(path + length, sizeof path - (size_t)length, i ? "%02x" : "%02x/", build_id[i]);
    if (!home || !size || length + 8 >= (int)sizeof path)
        return NULL;
    memcpy(path + length, "/elf", sizeof "/elf");
    return open_checked(path, build_id, size);
}

struct symbol_file *symbol_file_by_path(struct symbol_cache *cache, const char *path, const uint8_t *build_id,
                                        uint32_t size) {
    if (strcmp(path, "[vdso]") == 0) {
        if (!cache->vdso.path)
            symbol_file_init_vdso(cache);
        return cache->vdso.elf && has_build_id(cache->vdso.elf, build_id, size) ? &cache->vdso : NULL;
    }
    char key[PATH_MAX + 64];
    int length = snprintf(key, sizeof key, "%.*s ", PATH_MAX, path);
    for (uint32_t i = 0; i < size && i < 20; i++)
        length += snprintf(key + length, sizeof key - (size_t)length, "%02x", build_id[i]);
    uint64_t number = hash_bytes(key, (size_t)length);
    struct symbol_file *file = hash_get_number(&cache->files, number);
    if (!file) {
        file = add_file(cache, path);
        file->elf = path[0] == '/' ? open_checked(path, build_id, size) : NULL;
        if (!file->elf)
            file->elf = open_kept(build_id, size);
        hash_put_number(&cache->files, number, file);
    }
    return file->elf ? file : NULL;
}

struct symbol_file *symbol_learn_file(struct symbol_cache *cache, uint32_t tgid, uint64_t start) {
    struct arena *scratch = arena_new();
    struct object_maps maps;
    struct symbol_file *file = NULL;

    if (object_maps_read(scratch, (pid_t)tgid, true, &maps) == 0) {
        const struct object_map *map = object_maps_at(&maps, start);
        if (map)
            file = symbol_file_of(cache, tgid, map);
    }
    arena_free(scratch);
    return file;
}

struct symbol_file *symbol_vdso(struct symbol_cache *cache) {
    if (!cache->vdso.path)
        symbol_file_init_vdso(cache);
    return &cache->vdso;
}

struct object_elf *symbol_file_elf(const struct symbol_file *file) {
    return file->elf;
}

/* The vdso is the same in all processes, and ours is the one that nobody else has written to. */
void symbol_file_init_vdso(struct symbol_cache *cache) {
    uint64_t start = getauxval(AT_SYSINFO_EHDR);
    struct arena *scratch = arena_new();
    struct object_maps maps;
    const char *error;

    cache->vdso.path = "[vdso]";
    cache->vdso.has_looked_for_debug = true;
    if (start && object_maps_read(scratch, getpid(), true, &maps) == 0) {
        const struct object_map *map = object_maps_at(&maps, start);
        if (map && map->start == start) {
            cache->vdso_size = map->end - map->start;
            cache->vdso.elf = object_elf_from_bytes((const void *)(uintptr_t)start, cache->vdso_size, &error);
        }
    }
    arena_free(scratch);
}

/* The name without "@VERSION", copied only where there is one. */
static const char *plain_name(struct symbol_cache *cache, const struct object_symbol *symbol) {
    if (symbol->name[symbol->name_length] == '\0')
        return symbol->name;
    char *name = hash_get_number(&cache->unversioned, (uintptr_t)symbol->name);
    if (!name) {
        name = arena_strndup(cache->arena, symbol->name, symbol->name_length);
        hash_put_number(&cache->unversioned, (uintptr_t)symbol->name, name);
    }
    return name;
}

/* A name that can not be read stays as it is. */
static const char *readable_name(struct symbol_cache *cache, const char *name) {
    const char *result = NULL;

    if (!object_is_mangled(name))
        return name;
    char *known = hash_get_number(&cache->demangled, (uintptr_t)name);
    if (known)
        return known;
    object_demangle(cache->demangler, OBJECT_DEMANGLE_SIGNATURE, &name, 1, &result);
    hash_put_number(&cache->demangled, (uintptr_t)name, (void *)(result ? result : name));
    return result ? result : name;
}

void symbol_file_close(struct symbol_file *file) {
    object_eh_frame_close(file->frames);
    object_elf_close(file->elf);
}

/* ---- code without a symbol ----------------------------------------------------------------------------------- */

/* The name that was made for a place, or NULL; *key to keep one. */
static const char *made_name(struct symbol_cache *cache, const struct symbol_file *file, uint64_t start,
                             uint64_t *key) {
    *key = hash_bytes((uint64_t[]){(uintptr_t)file, start}, 2 * sizeof start);
    return hash_get_number(&cache->made_names, *key);
}

/* "puts@plt" */
static bool name_stub(struct symbol_cache *cache, struct symbol_file *file, uint64_t address, struct symbol_name *out) {
    struct object_symbol symbol;
    uint64_t key;

    if (!object_elf_stub_at(file->elf, address, &symbol))
        return false;
    const char *name = made_name(cache, file, symbol.address, &key);
    if (!name) {
        const char *plain = arena_strndup(cache->arena, symbol.name, symbol.name_length);
        name = arena_printf(cache->arena, "%s@plt", readable_name(cache, plain));
        hash_put_number(&cache->made_names, key, (void *)name);
    }
    out->name = name;
    out->offset = address - symbol.address;
    return true;
}

/* "cc1plus!fn_4f3a20": the same in every run, so samples of one function are counted together. */
static bool name_place(struct symbol_cache *cache, struct symbol_file *file, uint64_t address,
                       struct symbol_name *out) {
    const char *error, *slash = strrchr(file->path, '/');
    uint64_t key;

    if (!file->has_looked_for_frames) {
        file->has_looked_for_frames = true;
        file->frames = object_eh_frame_open(file->elf, &error);
    }
    const struct object_fde *fde = file->frames ? object_eh_frame_find(file->frames, address) : NULL;
    if (!fde)
        return false;
    const char *name = made_name(cache, file, fde->start, &key);
    if (!name) {
        name = arena_printf(cache->arena, "%s!fn_%llx", slash ? slash + 1 : file->path, (unsigned long long)fde->start);
        hash_put_number(&cache->made_names, key, (void *)name);
    }
    out->name = name;
    out->offset = address - fde->start;
    out->is_place = true;
    return true;
}

bool symbol_file_name(struct symbol_cache *cache, struct symbol_file *file, uint64_t file_offset,
                      struct symbol_name *out) {
    uint64_t address;

    *out = (struct symbol_name){.module = file->path};
    return file->elf && object_elf_address_of(file->elf, file_offset, &address) &&
           symbol_in_file(cache, file, address, out);
}

bool symbol_in_file(struct symbol_cache *cache, struct symbol_file *file, uint64_t address, struct symbol_name *out) {
    struct object_symbol symbol;

    *out = (struct symbol_name){.module = file->path};
    if (!file->elf)
        return false;
    if (!file->has_looked_for_debug) {
        file->has_looked_for_debug = true;
        object_elf_load_debug(file->elf, NULL);
    }
    out->address = address;
    bool is_known = object_elf_symbol_at(file->elf, OBJECT_FUNCTIONS, address, &symbol);
    /* a symbol without a size (_init) reaches as far as the next one, over all stubs */
    if ((!is_known || !symbol.size) && name_stub(cache, file, address, out))
        return true;
    if (!is_known)
        return name_place(cache, file, address, out);
    out->name = readable_name(cache, plain_name(cache, &symbol));
    out->offset = address - symbol.address;
    return true;
}
