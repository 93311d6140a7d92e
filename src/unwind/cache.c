#include "unwind/cache.h"

#include "base/arena.h"
#include "object/input.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Increase it whenever other tables come of the same files, or the form changes. */
enum { VERSION = 1 };
static const char magic[8] = "tarsunw";

enum {
    ROWS_LEAST = 8192,          /* of a table that is worth keeping */
    FILE_MOST = 64 << 20,       /* bytes of one table */
    DIRECTORY_MOST = 256 << 20, /* of all */
    NAME_SIZE = 160,
};

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        arena_out_of_memory(count * size);
    return memory;
}

/* ---- the form on disk: this header, then the arrays in the order of their counts ------------------------------- */

struct header {
    char magic[8];
    uint32_t version;
    uint32_t page_count;
    uint32_t row_count;
    uint32_t rule_count;
    uint32_t function_count;
    uint32_t unused;
    uint64_t first_page;
    uint64_t checksum; /* of what follows */
};

static size_t size_of(const struct header *header) {
    return sizeof *header + 4 * ((size_t)header->page_count + 1) + 4 * (size_t)header->row_count +
           sizeof(struct unwind_rule) * (size_t)header->rule_count + 4 * (size_t)header->function_count;
}

/* Against what half a write or a bad disk leaves; four bytes at a time. */
static uint64_t checksum(const char *bytes, size_t size) {
    uint64_t sum = 0xcbf29ce484222325u;

    for (size_t i = 0; i + 4 <= size; i += 4)
        sum = (sum ^ object_u32(bytes + i)) * 0x9e3779b97f4a7c15u;
    return sum;
}

void *unwind_table_to_bytes(const struct unwind_table *table, size_t *size) {
    struct header header = {.version = VERSION,
                            .page_count = table->page_count,
                            .row_count = table->row_count,
                            .rule_count = table->rule_count,
                            .function_count = table->function_count,
                            .first_page = table->first_page};
    *size = size_of(&header);
    char *bytes = allocate(*size, 1), *at = bytes + sizeof header;

    memcpy(header.magic, magic, sizeof magic);
    at = mempcpy(at, table->page_start, 4 * ((size_t)table->page_count + 1));
    at = mempcpy(at, table->rows, 4 * (size_t)table->row_count);
    at = mempcpy(at, table->rules, sizeof *table->rules * table->rule_count);
    memcpy(at, table->functions, 4 * (size_t)table->function_count);
    header.checksum = checksum(bytes + sizeof header, *size - sizeof header);
    memcpy(bytes, &header, sizeof header);
    return bytes;
}

static bool are_rules_right(const struct unwind_table *table) {
    for (uint32_t i = 0; i < table->rule_count; i++) {
        const struct unwind_rule *rule = &table->rules[i];
        if (rule->cfa_kind > UNWIND_CFA_REGISTER || rule->cfa_register >= UNWIND_REGISTERS ||
            rule->bp_kind > UNWIND_BP_UNKNOWN || rule->ra_kind > UNWIND_RA_REGISTER ||
            (i < UNWIND_SPECIALS) != (rule->cfa_kind < UNWIND_SPECIALS) || (i < UNWIND_SPECIALS && rule->cfa_kind != i))
            return false;
    }
    return table->rule_count >= UNWIND_SPECIALS && table->rule_count <= UNWIND_RULES_MOST;
}

static bool are_rows_right(const struct unwind_table *table) {
    if (table->page_start[0] != 0 || table->page_start[table->page_count] != table->row_count)
        return false;
    for (uint32_t page = 0; page < table->page_count; page++) {
        uint32_t first = table->page_start[page], end = table->page_start[page + 1];
        if (first >= end || end > table->row_count || end - first > UNWIND_PAGE_ROWS ||
            UNWIND_ROW_LOW(table->rows[first]) != 0)
            return false;
        for (uint32_t i = first; i < end; i++)
            if (UNWIND_ROW_RULE(table->rows[i]) >= table->rule_count ||
                (i > first && UNWIND_ROW_LOW(table->rows[i]) <= UNWIND_ROW_LOW(table->rows[i - 1])))
                return false;
    }
    for (uint32_t i = 1; i < table->function_count; i++)
        if (table->functions[i] <= table->functions[i - 1])
            return false;
    return true;
}

static void *copy(const char **at, size_t size) {
    void *bytes = allocate(size, 1);

    memcpy(bytes, *at, size);
    *at += size;
    return bytes;
}

struct unwind_table *unwind_table_from_bytes(const void *bytes, size_t size) {
    struct header header;
    const char *at = (const char *)bytes + sizeof header;

    if (size < sizeof header)
        return NULL;
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, magic, sizeof magic) != 0 || header.version != VERSION || header.page_count == 0 ||
        header.page_count > 1u << 16 || header.first_page > UINT64_MAX >> UNWIND_PAGE_SHIFT ||
        size != size_of(&header) || header.checksum != checksum(at, size - sizeof header))
        return NULL;
    struct unwind_table *table = allocate(1, sizeof *table);
    *table = (struct unwind_table){.first_page = header.first_page,
                                   .page_count = header.page_count,
                                   .row_count = header.row_count,
                                   .rule_count = header.rule_count,
                                   .function_count = header.function_count};
    table->page_start = copy(&at, 4 * ((size_t)header.page_count + 1));
    table->rows = copy(&at, 4 * (size_t)header.row_count);
    table->rules = copy(&at, sizeof *table->rules * header.rule_count);
    table->functions = copy(&at, 4 * (size_t)header.function_count);
    if (are_rules_right(table) && are_rows_right(table))
        return table;
    unwind_table_free(table);
    return NULL;
}

/* ---- the directory ------------------------------------------------------------------------------------------- */

static bool is_ours(int fd, mode_t kind) {
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind && status.st_uid == geteuid() &&
           !(status.st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory is made, what it lies in only if `makes_parent`. */
static int open_directory(const char *parent, bool makes_parent, const char *name) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s%s", parent, name);

    if (parent[0] != '/' || length < 0 || (size_t)length >= sizeof path)
        return -1;
    if (makes_parent)
        mkdir(parent, 0700);
    mkdir(path, 0700);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && is_ours(fd, S_IFDIR))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

struct unwind_cache unwind_cache_open(const char *path) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char in_home[4096];
    int fd = -1;

    if (path)
        return (struct unwind_cache){open_directory(path, false, "")};
    if (cache)
        fd = open_directory(cache, true, "/tarsier");
    if (fd < 0 && home && (size_t)snprintf(in_home, sizeof in_home, "%s/.cache", home) < sizeof in_home)
        fd = open_directory(in_home, true, "/tarsier");
    if (fd < 0)
        fd = open_directory("/var/cache", false, "/tarsier");
    return (struct unwind_cache){fd};
}

void unwind_cache_close(struct unwind_cache *cache) {
    if (cache->directory >= 0)
        close(cache->directory);
    cache->directory = -1;
}

/* ---- files in it --------------------------------------------------------------------------------------------- */

/* "BUILDID.unwind" */
static bool name_of(struct object_elf *elf, char *name) {
    uint32_t size;
    const uint8_t *id = object_elf_build_id(elf, &size);

    if (!id || size < 8 || size > 64 || !object_elf_is_protected(elf))
        return false;
    for (uint32_t i = 0; i < size; i++)
        name += sprintf(name, "%02x", id[i]);
    strcpy(name, ".unwind");
    return true;
}

static struct unwind_table *load(const struct unwind_cache *cache, const char *name) {
    int fd = openat(cache->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct unwind_table *table = NULL;
    struct stat status;

    if (fd < 0)
        return NULL;
    if (is_ours(fd, S_IFREG) && fstat(fd, &status) == 0 && status.st_size > 0 && status.st_size <= FILE_MOST) {
        size_t size = (size_t)status.st_size;
        char *bytes = allocate(size, 1);
        if (read(fd, bytes, size) == (ssize_t)size)
            table = unwind_table_from_bytes(bytes, size);
        free(bytes);
    }
    close(fd);
    return table;
}

/* Removes the oldest files until `more` bytes fit. */
static void make_room(const struct unwind_cache *cache, uint64_t more) {
    for (;;) {
        int fd = openat(cache->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
        struct stat status, oldest = {0};
        char name[256] = "";
        uint64_t sum = more;
        if (!directory) {
            if (fd >= 0)
                close(fd);
            return;
        }
        for (struct dirent *entry; (entry = readdir(directory));) {
            if (fstatat(cache->directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
                continue;
            sum += (uint64_t)status.st_size;
            if (!name[0] || status.st_mtim.tv_sec < oldest.st_mtim.tv_sec) {
                oldest = status;
                snprintf(name, sizeof name, "%s", entry->d_name);
            }
        }
        closedir(directory);
        if (sum <= DIRECTORY_MOST || !name[0] || unlinkat(cache->directory, name, 0) != 0)
            return;
    }
}

static void save(const struct unwind_cache *cache, const char *name, const struct unwind_table *table) {
    char temporary[NAME_SIZE];
    size_t size;
    void *bytes = unwind_table_to_bytes(table, &size);

    snprintf(temporary, sizeof temporary, ".%d.new", getpid());
    if (size <= FILE_MOST) {
        make_room(cache, size);
        unlinkat(cache->directory, temporary, 0);
        int fd = openat(cache->directory, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        bool is_written = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
        if (fd >= 0)
            is_written &= close(fd) == 0;
        if (fd >= 0 && (!is_written || renameat(cache->directory, temporary, cache->directory, name) != 0))
            unlinkat(cache->directory, temporary, 0);
    }
    free(bytes);
}

struct unwind_table *unwind_cache_table(const struct unwind_cache *cache, struct object_elf *elf, const char **reason) {
    char name[NAME_SIZE];
    bool has_name = cache->directory >= 0 && name_of(elf, name);
    struct unwind_table *table = has_name ? load(cache, name) : NULL;

    *reason = NULL;
    if (table)
        return table;
    table = unwind_table_build(elf, reason);
    if (table && has_name && table->row_count >= ROWS_LEAST)
        save(cache, name, table);
    return table;
}
