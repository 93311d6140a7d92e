#include "object/btf_record.h"

#include "base/diag.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FILE_LIMIT = 256 << 20, RECORD_FIXED = 12 };

/* Bytes behind the fixed part: once per record, and per item of vlen. */
static const struct {
    uint8_t once, item;
} tail_sizes[RECORD_KINDS] = {
    [BTF_KIND_INT] = {4, 0},    [BTF_KIND_ARRAY] = {12, 0},   [BTF_KIND_STRUCT] = {0, 12},
    [BTF_KIND_UNION] = {0, 12}, [BTF_KIND_ENUM] = {0, 8},     [BTF_KIND_FUNC_PROTO] = {0, 8},
    [BTF_KIND_VAR] = {4, 0},    [BTF_KIND_DATASEC] = {0, 12}, [BTF_KIND_DECL_TAG] = {4, 0},
    [RECORD_ENUM64] = {0, 12},
};

/* The file. */

static bool is_on_sysfs(int fd) {
    struct statfs info;

    return fstatfs(fd, &info) == 0 && info.f_type == SYSFS_MAGIC;
}

/* Anonymous memory, the whole huge pages of it as such: a fault for each of 1350 small pages costs several times as
 * much as the reading. The rest stays small, so that no memory is spent that the file does not fill. */
static void *map_memory(size_t size, size_t *mapped) {
    enum { SMALL = 64 << 10, HUGE = 2 << 20 }; /* SMALL: a multiple of every kernel's page size */

    *mapped = (size + SMALL - 1) & ~(size_t)(SMALL - 1);
    char *memory = mmap(NULL, *mapped + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        arena_out_of_memory(*mapped);
    size_t before = -(uintptr_t)memory & (HUGE - 1); /* huge pages begin at a multiple of their size */
    if (before)
        munmap(memory, before);
    munmap(memory + before + *mapped, HUGE - before);
    if (size >= HUGE)
        madvise(memory + before, size & ~(size_t)(HUGE - 1), MADV_HUGEPAGE);
    return memory + before;
}

static int read_file(struct object_btf *btf, int fd, size_t size) {
    uint8_t *memory = map_memory(size, &btf->mapped);

    btf->data = memory;
    btf->size = 0;
    while (btf->size < size) { /* sysfs gives a page at a time */
        ssize_t got = read(fd, memory + btf->size, size - btf->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        btf->size += (size_t)got;
    }
    return 0;
}

static int attach_fd(struct object_btf *btf, int fd) {
    struct stat info;

    if (fstat(fd, &info) != 0)
        return -errno;
    if (!S_ISREG(info.st_mode) || info.st_size <= 0 || info.st_size > FILE_LIMIT)
        return -EINVAL;
    btf->size = btf->mapped = (size_t)info.st_size;
    if (is_on_sysfs(fd)) {
        void *address = mmap(NULL, btf->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (address != MAP_FAILED) {
            btf->data = address;
            return 0;
        }
    }
    return read_file(btf, fd, btf->size);
}

static int attach_file(struct object_btf *btf) {
    int fd = open(btf->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    int error = attach_fd(btf, fd);
    close(fd);
    return error;
}

static int check_header(struct object_btf *btf) {
    struct btf_header header;

    if (!btf->data || btf->size < sizeof header)
        return -EINVAL;
    memcpy(&header, btf->data, sizeof header);
    if (header.magic != BTF_MAGIC || header.version != BTF_VERSION || !object_fits(btf->size, header.hdr_len, 0))
        return -EINVAL;
    uint64_t body = btf->size - header.hdr_len;
    if (header.hdr_len < sizeof header || !object_fits(body, header.type_off, header.type_len) ||
        !object_fits(body, header.str_off, header.str_len) || header.str_len == 0)
        return -EINVAL;
    btf->types = btf->data + header.hdr_len + header.type_off;
    btf->types_size = header.type_len;
    btf->strings = (const char *)btf->data + header.hdr_len + header.str_off;
    btf->strings_size = header.str_len;
    bool is_begun = btf->base || btf->strings[0] == '\0';
    return is_begun && btf->strings[btf->strings_size - 1] == '\0' ? 0 : -EINVAL;
}

static struct object_btf *make_reader(struct arena *arena, struct object_btf *base) {
    struct object_btf *btf = arena_make(arena, struct object_btf);

    btf->arena = arena;
    btf->base = base;
    btf->first_id = base ? object_btf_count(base) + 1 : 1;
    btf->base_strings_size = base ? base->strings_size : 0;
    btf->next_id = btf->first_id;
    hash_init(&btf->by_id, arena);
    hash_init(&btf->by_name, arena);
    return btf;
}

static struct object_btf *open_reader(struct arena *arena, const char *path, struct object_btf *base, int *error) {
    struct object_btf *btf = make_reader(arena, base);

    btf->path = arena_strdup(arena, path);
    *error = attach_file(btf);
    if (*error == 0)
        *error = check_header(btf);
    if (*error == 0)
        return btf;
    object_btf_release(btf);
    return NULL;
}

struct object_btf *object_btf_open(struct arena *arena, const char *path, int *error) {
    return open_reader(arena, path ? path : "/sys/kernel/btf/vmlinux", NULL, error);
}

struct object_btf *object_btf_open_module(struct arena *arena, struct object_btf *base, const char *path, int *error) {
    *error = record_attach(base) ? 0 : -EINVAL;
    return *error == 0 ? open_reader(arena, path, base, error) : NULL;
}

struct object_btf *object_btf_module_from_bytes(struct arena *arena, struct object_btf *base, const void *bytes,
                                                size_t size, int *error) {
    struct object_btf *btf = make_reader(arena, base);

    btf->data = bytes;
    btf->size = size;
    *error = check_header(btf);
    return *error == 0 ? btf : NULL;
}

struct object_btf *object_btf_from_bytes(struct arena *arena, const void *bytes, size_t size, int *error) {
    return object_btf_module_from_bytes(arena, NULL, bytes, size, error);
}

void object_btf_release(struct object_btf *btf) {
    if (!btf || !btf->path)
        return;
    if (btf->data)
        munmap((void *)btf->data, btf->mapped);
    free(btf->noted);
    free(btf->index);
    free(btf->names);
    free(btf->enums.data);
    btf->data = NULL;
    btf->noted = btf->names = NULL;
    btf->index = NULL;
    btf->enums = (struct record_list){0};
    btf->is_scanned = false;
    btf->types_size = btf->next_offset = 0;
    btf->next_id = btf->first_id;
}

bool record_attach(struct object_btf *btf) {
    if (btf->base && !record_attach(btf->base))
        return false;
    if (btf->data)
        return true;
    if (attach_file(btf) == 0 && check_header(btf) == 0)
        return true;
    object_btf_release(btf);
    return false;
}

/* Records. */

/* What is kept of a file is released with it; of bytes, it lives in the arena. */
static void *keep(struct object_btf *btf, size_t bytes) {
    void *kept = btf->path ? malloc(bytes) : arena_alloc(btf->arena, bytes);

    if (!kept)
        arena_out_of_memory(bytes);
    return kept;
}

/* All of it at once: a record has at least its fixed part. The pages behind the last note are never touched. */
static void note(struct object_btf *btf, uint32_t id, uint32_t offset) {
    uint32_t most = btf->types_size / RECORD_FIXED + 1, number = id - btf->first_id;

    if (!btf->noted) {
        btf->noted = keep(btf, sizeof *btf->noted * (most / RECORD_STRIDE + 1));
        btf->names = keep(btf, sizeof *btf->names * most);
    }
    if (number % RECORD_STRIDE == 0)
        btf->noted[number / RECORD_STRIDE] = offset;
    btf->names[number] = object_u32(btf->types + offset);
}

static void note_enum(struct object_btf *btf, uint32_t id) {
    struct record_list *enums = &btf->enums;

    if (enums->count == enums->capacity) {
        uint32_t capacity = enums->capacity ? enums->capacity * 2 : 1024, *old = enums->data;
        enums->data = keep(btf, sizeof *enums->data * capacity);
        if (old)
            memcpy(enums->data, old, sizeof *old * enums->count);
        if (btf->path)
            free(old);
        enums->capacity = capacity;
    }
    enums->data[enums->count++] = id;
}

/* The offsets a name may have; count 0 means any. */
struct wanted {
    uint32_t kinds;
    const uint32_t *offsets;
    uint32_t count;
};

static bool is_wanted(const struct wanted *wanted, uint32_t kind, uint32_t name_offset) {
    if (!(wanted->kinds >> kind & 1) || wanted->count == 0)
        return wanted->kinds >> kind & 1;
    return wanted->count == 1 ? wanted->offsets[0] == name_offset
                              : record_has_offset(wanted->offsets, wanted->count, name_offset);
}

static void decode(const uint8_t *at, uint32_t id, struct record *record) {
    uint32_t info = object_u32(at + 4);

    *record = (struct record){
        .id = id,
        .name_offset = object_u32(at),
        .kind = BTF_INFO_KIND(info),
        .count = BTF_INFO_VLEN(info),
        .kind_flag = BTF_INFO_KFLAG(info),
        .size_or_type = object_u32(at + 8),
        .tail = at + RECORD_FIXED,
    };
}

/* Walks on to the next wanted record. All time that a name costs is spent in this loop. A kind we do not know ends the
 * walk, because it is of unknown size. */
static bool scan(struct object_btf *btf, struct record_cursor *cursor, const struct wanted *wanted,
                 struct record *record) {
    uint32_t id = cursor->id, offset = cursor->offset;
    bool is_found = false;

    while (!is_found && btf->types_size - offset >= RECORD_FIXED) {
        const uint8_t *at = btf->types + offset;
        uint32_t info = object_u32(at + 4), kind = BTF_INFO_KIND(info);
        if (kind >= RECORD_KINDS || kind == BTF_KIND_UNKN)
            break;
        uint32_t size = RECORD_FIXED + tail_sizes[kind].once + tail_sizes[kind].item * BTF_INFO_VLEN(info);
        if (btf->types_size - offset < size)
            break;
        if (id == btf->next_id) {
            note(btf, id, offset);
            if (OBJECT_BTF_ENUM >> kind & 1)
                note_enum(btf, id);
            btf->next_id = id + 1;
            btf->next_offset = offset + size;
        }
        is_found = is_wanted(wanted, kind, object_u32(at));
        if (is_found)
            decode(at, id, record);
        id++;
        offset += size;
    }
    *cursor = (struct record_cursor){id, offset};
    btf->is_scanned |= !is_found;
    return is_found;
}

bool record_next(struct object_btf *btf, struct record_cursor *cursor, uint32_t kinds, struct record *record) {
    return scan(btf, cursor, &(struct wanted){.kinds = kinds}, record);
}

bool record_get(struct object_btf *btf, uint32_t id, struct record *record) {
    if (id == 0 || !record_attach(btf))
        return false;
    if (id < btf->first_id)
        return record_get(btf->base, id, record);
    struct record_cursor cursor = {btf->next_id, btf->next_offset};
    if (id < btf->next_id) {
        cursor.id = id - (id - btf->first_id) % RECORD_STRIDE;
        cursor.offset = btf->noted[(id - btf->first_id) / RECORD_STRIDE];
    } else if (btf->is_scanned) {
        return false;
    }
    while (record_next(btf, &cursor, UINT32_MAX, record))
        if (record->id == id)
            return true;
    return false;
}

uint32_t object_btf_count(struct object_btf *btf) {
    struct record record;

    record_get(btf, UINT32_MAX, &record);
    return btf->next_id - 1;
}

/* Names. */

const char *record_name(const struct object_btf *btf, uint32_t name_offset) {
    if (btf->base && name_offset < btf->base_strings_size)
        return record_name(btf->base, name_offset);
    name_offset -= btf->base_strings_size;
    return name_offset < btf->strings_size ? btf->strings + name_offset : "";
}

const char *record_copy_name(struct object_btf *btf, uint32_t name_offset) {
    const char *name = record_name(btf, name_offset);

    return *name ? arena_strdup(btf->arena, name) : NULL;
}

struct offsets {
    uint32_t *data, count, capacity;
};

static void add_offset(struct offsets *offsets, uint32_t offset) {
    if (offsets->count == offsets->capacity) {
        offsets->capacity = offsets->capacity ? offsets->capacity * 2 : 4;
        offsets->data = realloc(offsets->data, sizeof *offsets->data * offsets->capacity);
        if (!offsets->data)
            arena_out_of_memory(sizeof *offsets->data * offsets->capacity);
    }
    offsets->data[offsets->count++] = offset;
}

/* `needle`: the name between two NULs. The first string of a module has no NUL in front, but then it is empty. */
static void find_offsets(const struct object_btf *btf, const struct strbuf *needle, bool want_tails,
                         struct offsets *offsets) {
    const char *end = btf->strings + btf->strings_size;
    size_t skip = want_tails ? 1 : 0;

    if (btf->base)
        find_offsets(btf->base, needle, want_tails, offsets);
    for (const char *at = btf->strings; at < end; at++) {
        at = str_find(at, (size_t)(end - at), needle->data + skip, needle->length - skip);
        if (!at)
            break;
        add_offset(offsets, btf->base_strings_size + (uint32_t)(at - btf->strings) + (want_tails ? 0 : 1));
        if (!want_tails)
            break;
    }
}

uint32_t *record_name_offsets(struct object_btf *btf, const char *name, bool want_tails, uint32_t *count) {
    size_t length = strlen(name) + 1; /* with its NUL; whole strings have one in front, too */
    struct offsets offsets = {0};
    struct strbuf needle = {0};

    *count = 0;
    if (length == 1)
        return NULL;
    strbuf_add(&needle, "", 1);
    strbuf_add(&needle, name, length);
    find_offsets(btf, &needle, want_tails, &offsets);
    strbuf_free(&needle);
    *count = offsets.count;
    return offsets.data;
}

bool record_has_offset(const uint32_t *offsets, uint32_t count, uint32_t offset) {
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (offsets[middle] == offset)
            return true;
        if (offsets[middle] < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

enum { SEARCHES_MOST = 24 }; /* scripts ask for a dozen names; who asks for more, asks for hundreds */

/* The first record that has been seen, from `id` on, whose name is at this offset; its id, or next_id. */
static uint32_t next_named(const struct object_btf *btf, uint32_t id, uint32_t name_offset) {
    enum { AT_ONCE = 32 };
    const uint32_t *names = btf->names;
    uint32_t i = id - btf->first_id, count = btf->next_id - btf->first_id;

    for (; i + AT_ONCE <= count; i += AT_ONCE) {
        uint32_t hits = 0;
        for (uint32_t k = 0; k < AT_ONCE; k++)
            hits |= names[i + k] == name_offset;
        if (hits)
            break;
    }
    while (i < count && names[i] != name_offset)
        i++;
    return btf->first_id + i;
}

/* A walk to the wanted record that skips what has been seen and has another name. */
static bool find_wanted(struct object_btf *btf, const struct wanted *wanted, struct record *record) {
    uint32_t id = btf->first_id;

    while (wanted->count == 1 && (id = next_named(btf, id, wanted->offsets[0])) < btf->next_id) {
        if (record_get(btf, id, record) && wanted->kinds >> record->kind & 1)
            return true;
        id++;
    }
    struct record_cursor cursor = RECORD_FIRST(btf);
    if (wanted->count == 1)
        cursor = (struct record_cursor){btf->next_id, btf->next_offset};
    return scan(btf, &cursor, wanted, record);
}

static bool find_by_scan(struct object_btf *btf, uint32_t kinds, const char *name, struct record *record) {
    bool is_found = false;

    if (*name && btf->searches++ >= SEARCHES_MOST)
        return record_find_indexed(btf, kinds, name, record);
    for (int want_tails = 0; want_tails < 2 && !is_found; want_tails++) {
        uint32_t count, *offsets = record_name_offsets(btf, name, want_tails, &count);
        is_found = count && find_wanted(btf, &(struct wanted){kinds, offsets, count}, record);
        free(offsets);
    }
    return is_found;
}

/* Scripts ask for the same few names again and again, and a name costs up to a millisecond. */
bool record_find(struct object_btf *btf, uint32_t kinds, const char *name, struct record *record) {
    if (!record_attach(btf))
        return false;
    const char *key = arena_printf(btf->arena, "%x %s", kinds, name);
    uintptr_t known = (uintptr_t)hash_get(&btf->by_name, key);
    if (known == 0) {
        known = 1 + (find_by_scan(btf, kinds, name, record) ? (uintptr_t)record->id : 0);
        hash_put(&btf->by_name, key, (void *)known); // NOLINT(performance-no-int-to-ptr)
    }
    return known > 1 && record_get(btf, (uint32_t)known - 1, record);
}

uint32_t object_btf_find(struct object_btf *btf, uint32_t kinds, const char *name) {
    struct record record;

    return record_find(btf, kinds, name, &record) ? record.id : 0;
}

void object_btf_list(struct object_btf *btf, uint32_t kinds,
                     bool (*callback)(void *context, uint32_t id, const char *name), void *context) {
    struct record_cursor cursor = RECORD_FIRST(btf);
    struct record record;

    if (!record_attach(btf))
        return;
    while (record_next(btf, &cursor, kinds, &record)) {
        const char *name = record_name(btf, record.name_offset);
        if (*name && !callback(context, record.id, name))
            return;
    }
}

struct name_list {
    struct arena *arena;
    VEC(const char *) names;
};

static bool add_name(void *context, uint32_t id, const char *name) {
    struct name_list *list = context;

    (void)id;
    vec_push(list->arena, &list->names, name);
    return true;
}

const char *object_btf_nearest(struct object_btf *btf, uint32_t kinds, const char *name) {
    struct name_list list = {.arena = arena_new()};

    object_btf_list(btf, kinds, add_name, &list);
    const char *nearest = diag_nearest(name, list.names.data, list.names.count);
    if (nearest)
        nearest = arena_strdup(btf->arena, nearest);
    arena_free(list.arena);
    return nearest;
}
