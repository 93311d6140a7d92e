/* Processes: which file is mapped where, known for as long as the table has room, beyond the end of the process. */
#include "symbol/symbol_int.h"

#include "base/str.h"
#include "kernel/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    MOST_PROCESSES = 16384, /* about 1 KiB each; beyond, the one that was unused the longest is forgotten */
    MOST_STAT_BYTES = 4096,
    MOST_STATUS_BYTES = 64 * 1024,
};

/* How long an answer of /proc is believed: an execve or a reused id shows after that. */
static const uint64_t identity_ns = 20 * 1000 * 1000;
static const uint64_t mappings_ns = 10 * 1000 * 1000;
static const uint64_t perfmap_ns = 500 * 1000 * 1000;

uint64_t symbol_now(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One number for this program in this process: the start time changes when the id is used again, the places of code and
 * stack with each execve (they are random). 0 when the process has gone. */
static uint64_t read_identity(uint32_t tgid) {
    enum { START_TIME = 22, START_CODE = 26, START_STACK = 28 }; /* fields of /proc/PID/stat, proc(5) */
    struct strbuf text = {0};
    char path[64];
    uint64_t facts[3] = {0}, identity = 0;

    snprintf(path, sizeof path, "/proc/%u/stat", tgid);
    if (kernel_read_file(path, &text, MOST_STAT_BYTES) == 0) {
        /* the name in parentheses may hold anything, so count from its end: field 3 follows */
        const char *at = strrchr(strbuf_text(&text), ')');
        for (int field = 2; at && field < START_STACK;) {
            at = strchr(at + 1, ' ');
            field++;
            if (at && (field == START_TIME || field == START_CODE || field == START_STACK))
                facts[field == START_TIME ? 0 : field == START_CODE ? 1 : 2] = strtoull(at + 1, NULL, 10);
        }
        identity = hash_bytes(facts, sizeof facts) | 1;
    }
    strbuf_free(&text);
    return identity;
}

/* --- the table --- */

static struct symbol_process **bucket_of(struct symbol_cache *cache, uint32_t tgid) {
    return &cache->buckets[tgid % SYMBOL_PROCESS_BUCKETS];
}

static void unlink_use(struct symbol_cache *cache, struct symbol_process *process) {
    *(process->newer ? &process->newer->older : &cache->newest) = process->older;
    *(process->older ? &process->older->newer : &cache->oldest) = process->newer;
    process->newer = process->older = NULL;
}

static void link_newest(struct symbol_cache *cache, struct symbol_process *process) {
    process->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = process;
    cache->newest = process;
}

static void forget(struct symbol_cache *cache, struct symbol_process *process) {
    struct symbol_process **link = bucket_of(cache, process->tgid);

    while (*link != process)
        link = &(*link)->next_in_bucket;
    *link = process->next_in_bucket;
    unlink_use(cache, process);
    cache->process_count--;
    object_perfmap_close(process->perfmap);
    free(process->mappings);
    free(process);
}

static struct symbol_process *find(struct symbol_cache *cache, uint32_t tgid) {
    struct symbol_process *process = *bucket_of(cache, tgid);

    while (process && process->tgid != tgid)
        process = process->next_in_bucket;
    if (process && process != cache->newest) {
        unlink_use(cache, process);
        link_newest(cache, process);
    }
    return process;
}

static struct symbol_process *add(struct symbol_cache *cache, uint32_t tgid) {
    struct symbol_process *process = calloc(1, sizeof *process), **bucket = bucket_of(cache, tgid);

    if (!process)
        arena_out_of_memory(sizeof *process);
    if (cache->process_count == MOST_PROCESSES)
        forget(cache, cache->oldest);
    process->tgid = tgid;
    process->next_in_bucket = *bucket;
    *bucket = process;
    link_newest(cache, process);
    cache->process_count++;
    return process;
}

void symbol_process_close_all(struct symbol_cache *cache) {
    while (cache->oldest)
        forget(cache, cache->oldest);
}

/* --- mappings --- */

/* The perf map of the old program says nothing of the new one. */
static void set_identity(struct symbol_process *process, uint64_t identity) {
    if (process->identity && process->identity != identity) {
        object_perfmap_close(process->perfmap);
        process->perfmap = NULL;
        process->perfmap_ns = 0;
        process->perfmap_path = NULL;
    }
    process->identity = identity;
}

bool symbol_process_read(struct symbol_cache *cache, struct symbol_process *process) {
    struct arena *scratch = arena_new();
    struct object_maps maps = {0};
    uint64_t identity = read_identity(process->tgid);

    process->checked_ns = process->read_ns = symbol_now();
    /* A process that is ending has no mappings any more: what is known of it stays. */
    process->is_gone = !identity || object_maps_read(scratch, (pid_t)process->tgid, true, &maps) < 0 || !maps.count;
    if (!process->is_gone) {
        free(process->mappings);
        process->mappings = calloc(maps.count, sizeof *process->mappings);
        if (!process->mappings)
            arena_out_of_memory(maps.count * sizeof *process->mappings);
        process->mapping_count = maps.count;
        for (uint32_t i = 0; i < maps.count; i++) {
            const struct object_map *map = &maps.items[i];
            process->mappings[i] = (struct symbol_mapping){map->start, map->end, map->file_offset,
                                                           symbol_file_of(cache, process->tgid, map)};
        }
        set_identity(process, identity);
    }
    arena_free(scratch);
    return !process->is_gone;
}

struct symbol_process *symbol_process_get(struct symbol_cache *cache, uint32_t tgid) {
    struct symbol_process *process = find(cache, tgid);

    if (!process) {
        process = add(cache, tgid);
        if (symbol_process_read(cache, process))
            return process;
        forget(cache, process);
        return NULL;
    }
    uint64_t now = symbol_now();
    if (now - process->checked_ns < identity_ns)
        return process;
    process->checked_ns = now;
    uint64_t identity = read_identity(tgid);
    if (!identity)
        process->is_gone = true;
    else if (identity != process->identity)
        symbol_process_read(cache, process);
    return process;
}

static const struct symbol_mapping *mapping_at(const struct symbol_process *process, uint64_t address) {
    uint32_t low = 0, high = process->mapping_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (address >= process->mappings[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    return low < process->mapping_count && address >= process->mappings[low].start ? &process->mappings[low] : NULL;
}

const struct symbol_mapping *symbol_process_mapping(struct symbol_cache *cache, struct symbol_process *process,
                                                    uint64_t address) {
    const struct symbol_mapping *mapping = mapping_at(process, address);

    /* a library that was loaded since, unless we have just looked */
    if (!mapping && !process->is_gone && symbol_now() - process->read_ns >= mappings_ns &&
        symbol_process_read(cache, process))
        mapping = mapping_at(process, address);
    return mapping;
}

/* --- code made at run time --- */

/* The id by which the process knows itself: the last one in "NSpid:\t4711\t17". */
static uint32_t own_id(uint32_t tgid) {
    struct strbuf text = {0};
    char path[64];
    uint32_t id = tgid;

    snprintf(path, sizeof path, "/proc/%u/status", tgid);
    if (kernel_read_file(path, &text, MOST_STATUS_BYTES) == 0) {
        const char *line = strstr(strbuf_text(&text), "\nNSpid:");
        const char *end = line ? strchrnul(line + 1, '\n') : NULL;
        for (const char *at = line; at && at < end; at++)
            if (*at == '\t')
                id = (uint32_t)strtoul(at + 1, NULL, 10);
    }
    strbuf_free(&text);
    return id;
}

/* The uid that the process runs as decides whose map is believed. */
static void read_perfmap(struct symbol_cache *cache, struct symbol_process *process) {
    char path[128];
    struct stat status;
    int error;

    process->perfmap_ns = symbol_now();
    snprintf(path, sizeof path, "/proc/%u", process->tgid);
    if (stat(path, &status) < 0)
        return;
    uint32_t id = own_id(process->tgid);
    snprintf(path, sizeof path, "/proc/%u/root/tmp/perf-%u.map", process->tgid, id);
    struct object_perfmap *map = object_perfmap_open(path, status.st_uid, &error);
    if (!map)
        return;
    object_perfmap_close(process->perfmap);
    process->perfmap = map;
    if (!process->perfmap_path)
        process->perfmap_path = arena_printf(cache->arena, "/tmp/perf-%u.map", id);
}

/* The map is read again as the compiler goes on, the names stay. */
static const char *keep_name(struct symbol_cache *cache, const char *name) {
    char *kept = hash_get(&cache->jit_names, name);

    if (!kept) {
        kept = arena_strdup(cache->arena, name);
        hash_put(&cache->jit_names, kept, kept);
    }
    return kept;
}

bool symbol_process_jit_name(struct symbol_cache *cache, struct symbol_process *process, uint64_t address,
                             struct symbol_name *out) {
    for (int attempt = 0; attempt < 2; attempt++) {
        uint64_t start;
        const char *name = process->perfmap ? object_perfmap_at(process->perfmap, address, &start) : NULL;
        if (name) {
            *out = (struct symbol_name){keep_name(cache, name), address - start, process->perfmap_path, 0, false};
            return true;
        }
        if (process->is_gone || (process->perfmap_ns && symbol_now() - process->perfmap_ns < perfmap_ns))
            return false;
        read_perfmap(cache, process);
    }
    return false;
}
