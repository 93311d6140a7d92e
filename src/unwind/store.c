#include "unwind/store.h"

#include "base/vec.h"
#include "kernel/bpf.h"
#include "kernel/ring.h"
#include "unwind/cache.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    ASKED_BYTES = 1 << 20,
    CHUNK_BYTES = UNWIND_CHUNK_ROWS * sizeof(uint32_t),
    PAGES_BYTES = UNWIND_PAGES_MOST * sizeof(struct unwind_page),
    RULES_BYTES = UNWIND_RULES_KEPT * sizeof(struct unwind_rule),
    FILES_NUMBERED = 1 << 18, /* as many as a frame can name */
};

const char *const unwind_map_names[UNWIND_MAPS] = {
    [UNWIND_MAP_FILES] = "MAP_FILES", [UNWIND_MAP_PAGES] = "MAP_PAGES", [UNWIND_MAP_ROWS] = "MAP_ROWS",
    [UNWIND_MAP_RULES] = "MAP_RULES", [UNWIND_MAP_ASKED] = "MAP_ASKED",
};

struct chunk {
    uint32_t *rows; /* mapped */
    int fd;
};

struct stored {
    struct unwind_table *table; /* NULL: none */
    struct object_elf *elf;
    struct unwind_file file; /* as the walk has it; without the bias */
};

struct unwind_store {
    struct arena *arena;
    struct unwind_cache cache;
    int fds[UNWIND_MAPS];
    struct unwind_page *pages; /* mapped */
    struct unwind_rule *kept;  /* mapped */
    struct kernel_rings *ring;
    struct chunk chunks[UNWIND_CHUNKS_MOST];
    uint32_t chunk_count, chunk_rows; /* rows of the last chunk that are in use */
    uint32_t page_count;
    struct unwind_rules rules;
    uint32_t rules_kept;      /* of them the kernel has so many */
    VEC(struct stored) files; /* by number */
    uint64_t left_out;
};

/* ---- maps ------------------------------------------------------------------------------------------------------ */

static int create(const char *name, uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags,
                  int inner) {
    struct kernel_map_spec spec = {.name = name,
                                   .type = type,
                                   .key_size = key,
                                   .value_size = value,
                                   .max_entries = entries,
                                   .flags = flags,
                                   .inner_fd = inner,
                                   .btf_fd = -1};
    return kernel_map_create(&spec);
}

/* The first one is there from the start: maps in the array must be like it. */
static int add_chunk(struct unwind_store *store) {
    struct chunk *chunk = &store->chunks[store->chunk_count];
    int error = 0;
    if (store->chunk_count == UNWIND_CHUNKS_MOST)
        return -E2BIG;
    chunk->fd = create("unwind_rows", BPF_MAP_TYPE_ARRAY, 4, CHUNK_BYTES, 1, BPF_F_MMAPABLE, -1);
    if (chunk->fd < 0)
        return chunk->fd;
    chunk->rows = kernel_map_mmap(chunk->fd, CHUNK_BYTES, true, &error);
    if (!chunk->rows) {
        close(chunk->fd);
        return error;
    }
    store->chunk_count++;
    store->chunk_rows = 0;
    return 0;
}

/* It is visible at once; the call returns after all programs that run now have ended. */
static int show_chunk(struct unwind_store *store, uint32_t number) {
    return kernel_map_update(store->fds[UNWIND_MAP_ROWS], &number, &store->chunks[number].fd, BPF_ANY);
}

static int create_array(struct unwind_store *store, enum unwind_map map, uint32_t value, uint32_t entries, void **at) {
    int error = 0;
    store->fds[map] = create(unwind_map_names[map], BPF_MAP_TYPE_ARRAY, 4, value, entries, BPF_F_MMAPABLE, -1);
    if (store->fds[map] < 0)
        return store->fds[map];
    *at = kernel_map_mmap(store->fds[map], (size_t)value * entries, true, &error);
    return error;
}

static int create_maps(struct unwind_store *store) {
    int error =
        create_array(store, UNWIND_MAP_PAGES, sizeof(struct unwind_page), UNWIND_PAGES_MOST, (void **)&store->pages);
    if (!error)
        error = create_array(store, UNWIND_MAP_RULES, RULES_BYTES, 1, (void **)&store->kept);
    if (!error)
        error = add_chunk(store);
    if (error)
        return error;
    store->fds[UNWIND_MAP_FILES] = create("unwind_files", BPF_MAP_TYPE_HASH, sizeof(struct unwind_file_key),
                                          sizeof(struct unwind_file), UNWIND_FILES_MOST, 0, -1);
    store->fds[UNWIND_MAP_ROWS] =
        create("unwind_chunks", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, UNWIND_CHUNKS_MOST, 0, store->chunks[0].fd);
    store->fds[UNWIND_MAP_ASKED] = create("unwind_asked", BPF_MAP_TYPE_RINGBUF, 0, 0, ASKED_BYTES, 0, -1);
    for (uint32_t i = 0; i < UNWIND_MAPS; i++) {
        if (store->fds[i] < 0)
            return store->fds[i];
    }
    store->ring = kernel_rings_open(store->arena, &store->fds[UNWIND_MAP_ASKED], 1, ASKED_BYTES, &error);
    return error;
}

struct unwind_store *unwind_store_new(struct arena *arena, int *error) {
    struct unwind_store *store = arena_make(arena, struct unwind_store);
    store->arena = arena;
    store->cache = unwind_cache_open(NULL);
    for (uint32_t i = 0; i < UNWIND_MAPS; i++)
        store->fds[i] = -1;
    unwind_rules_init(&store->rules);
    *error = create_maps(store);
    if (!*error)
        *error = show_chunk(store, 0);
    if (!*error)
        return store;
    unwind_store_close(store);
    return NULL;
}

static void unmap(void *memory, size_t size) {
    if (memory)
        munmap(memory, size);
}

void unwind_store_close(struct unwind_store *store) {
    if (!store)
        return;
    kernel_rings_close(store->ring);
    unmap(store->pages, PAGES_BYTES);
    unmap(store->kept, RULES_BYTES);
    for (uint32_t i = 0; i < store->chunk_count; i++) {
        unmap(store->chunks[i].rows, CHUNK_BYTES);
        close(store->chunks[i].fd);
    }
    for (uint32_t i = 0; i < UNWIND_MAPS; i++) {
        if (store->fds[i] >= 0)
            close(store->fds[i]);
    }
    for (uint32_t i = 0; i < store->files.count; i++)
        unwind_table_free(store->files.data[i].table);
    unwind_rules_free(&store->rules);
    unwind_cache_close(&store->cache);
}

int unwind_store_fd(const struct unwind_store *store, enum unwind_map map) { return store->fds[map]; }

/* ---- files ----------------------------------------------------------------------------------------------------- */

/* address - offset where the mapping lies; segments begin and end inside of pages. */
static uint64_t bias_at(const struct object_elf *elf, uint64_t offset) {
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE) - 1;
    uint32_t count;
    const struct object_segment *segments = object_elf_segments(elf, &count);
    for (uint32_t i = 0; i < count; i++) {
        const struct object_segment *s = &segments[i];
        if (s->is_executable && offset >= (s->offset & ~page) && offset < s->offset + s->file_size)
            return s->address - s->offset;
    }
    return 0;
}

/* Room for the rows of a page, which must be together; UINT32_MAX: there is none. */
static uint32_t place_rows(struct unwind_store *store, uint32_t count) {
    if (store->chunk_rows + count > UNWIND_CHUNK_ROWS &&
        (add_chunk(store) < 0 || show_chunk(store, store->chunk_count - 1) < 0))
        return UINT32_MAX;
    uint32_t first = (store->chunk_count - 1) << UNWIND_CHUNK_SHIFT | store->chunk_rows;
    store->chunk_rows += count;
    return first;
}

static bool put_rows(struct unwind_store *store, const struct unwind_table *table, uint32_t first_page) {
    for (uint32_t i = 0; i < table->page_count; i++) {
        uint32_t from = table->page_start[i], count = table->page_start[i + 1] - from;
        uint32_t first = place_rows(store, count);
        if (first == UINT32_MAX)
            return false;
        memcpy(store->chunks[first >> UNWIND_CHUNK_SHIFT].rows + (first & (UNWIND_CHUNK_ROWS - 1)), table->rows + from,
               count * sizeof(uint32_t));
        store->pages[first_page + i] = (struct unwind_page){first, count};
    }
    return true;
}

static void put_rules(struct unwind_store *store) {
    uint32_t most = store->rules.count < UNWIND_RULES_KEPT ? store->rules.count : UNWIND_RULES_KEPT;
    for (; store->rules_kept < most; store->rules_kept++)
        store->kept[store->rules_kept] = store->rules.items[store->rules_kept];
}

/* Rules and rows first: a walk that sees the file sees them. */
static bool put_table(struct unwind_store *store, struct unwind_table *table, struct unwind_file *file) {
    uint64_t end = table->first_page + table->page_count;
    if (table->page_count > UNWIND_PAGES_MOST - store->page_count || end > UINT32_MAX)
        return false;
    unwind_table_share(table, &store->rules);
    put_rules(store);
    if (!put_rows(store, table, store->page_count))
        return false;
    file->kind = UNWIND_FILE_TABLE;
    file->first_page = store->page_count - (uint32_t)table->first_page; /* may be negative: the sum counts */
    file->pages = (uint32_t)end;
    store->page_count += table->page_count;
    return true;
}

uint32_t unwind_store_add(struct unwind_store *store, struct object_elf *elf) {
    struct stored stored = {.elf = elf, .file = {.kind = UNWIND_FILE_BARE, .number = store->files.count}};
    const char *reason;
    stored.table = elf ? unwind_cache_table(&store->cache, elf, &reason) : NULL;
    if (stored.table && !put_table(store, stored.table, &stored.file)) {
        store->left_out++;
        unwind_table_free(stored.table);
        stored.table = NULL;
    }
    vec_push(store->arena, &store->files, stored);
    return stored.file.number;
}

uint64_t unwind_store_bias(const struct unwind_store *store, uint32_t number, uint64_t offset) {
    const struct stored *stored = &store->files.data[number];
    return stored->elf ? bias_at(stored->elf, offset) : 0;
}

void unwind_store_name(struct unwind_store *store, const struct unwind_file_key *key, uint32_t number,
                       uint64_t offset) {
    struct unwind_file file = store->files.data[number].file;
    file.bias = unwind_store_bias(store, number, offset);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (kernel_map_update(store->fds[UNWIND_MAP_FILES], key, &file, BPF_ANY) < 0)
        store->left_out++;
}

struct unwind_file_key unwind_file_key(const struct stat *status) {
    return (struct unwind_file_key){.device = (uint64_t)major(status->st_dev) << 20 | minor(status->st_dev),
                                    .inode = status->st_ino,
                                    .size = (uint64_t)status->st_size,
                                    .modified = (uint64_t)status->st_mtim.tv_sec};
}

const struct unwind_rule *unwind_store_rules(const struct unwind_store *store) { return store->rules.items; }

void unwind_store_forget(struct unwind_store *store, const struct unwind_file_key *key) {
    kernel_map_delete(store->fds[UNWIND_MAP_FILES], key);
}

const struct unwind_table *unwind_store_table(const struct unwind_store *store, uint32_t number) {
    return number < store->files.count ? store->files.data[number].table : NULL;
}

uint32_t unwind_store_files(const struct unwind_store *store) { return store->files.count; }
uint64_t unwind_store_left_out(const struct unwind_store *store) { return store->left_out; }

/* ---- what the walk asks for -------------------------------------------------------------------------------------- */

struct reading {
    unwind_record_callback *callback;
    void *context;
};

static bool read_record(void *user, uint32_t cpu, const void *payload, uint32_t size) {
    struct reading *reading = user;
    const struct unwind_record *record = payload;
    (void)cpu;
    if (size >= sizeof *record && record->size <= size)
        reading->callback(reading->context, record);
    return true;
}

void unwind_store_drain(struct unwind_store *store, unwind_record_callback *callback, void *context) {
    struct reading reading = {callback, context};
    kernel_rings_drain(store->ring, read_record, &reading);
}

int unwind_store_wait_fd(const struct unwind_store *store) { return kernel_rings_epoll_fd(store->ring); }
