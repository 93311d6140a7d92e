#include "object/perfmap.h"

#include "base/arena.h"
#include "object/input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_LIMIT = 256 << 20, MOST_RANGES = 8 << 20 };

struct range {
    uint64_t start, size;
    uint32_t name; /* offset in the text */
};

struct object_perfmap {
    char *text; /* of the file; each name ends in NUL, where its newline was */
    struct range *ranges;
    uint32_t count, capacity;
};

static int compare_ranges(const void *left, const void *right) {
    const struct range *a = left, *b = right;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static void add_range(struct object_perfmap *map, uint64_t start, uint64_t size, uint32_t name) {
    if (map->count == map->capacity) {
        map->capacity = map->capacity ? map->capacity * 2 : 64;
        map->ranges = realloc(map->ranges, sizeof *map->ranges * map->capacity);
        if (!map->ranges)
            arena_out_of_memory(sizeof *map->ranges * map->capacity);
    }
    map->ranges[map->count++] = (struct range){start, size, name};
}

static void take_prefix(struct object_text *line) {
    if (object_text_starts(*line, "0x"))
        line->at += 2;
}

/* Takes the text (heap, with a NUL behind). */
static struct object_perfmap *parse(char *text, size_t size) {
    struct object_perfmap *map = calloc(1, sizeof *map);
    struct object_text rest = object_text(text, size), line;

    if (!map)
        arena_out_of_memory(sizeof *map);
    map->text = text;
    while (object_text_line(&rest, &line) && map->count < MOST_RANGES) {
        uint64_t start, length;
        take_prefix(&line);
        if (!object_text_number(&line, 16, &start) || !object_text_take(&line, ' '))
            continue;
        take_prefix(&line);
        if (!object_text_number(&line, 16, &length) || !object_text_take(&line, ' ') || line.at == line.end ||
            length == 0 || start + length < start)
            continue;
        text[line.end - text] = '\0';
        add_range(map, start, length, (uint32_t)(line.at - text));
    }
    if (map->count)
        qsort(map->ranges, map->count, sizeof *map->ranges, compare_ranges);
    uint32_t kept = 0; /* of ranges with one start, the line written last */
    for (uint32_t i = 0; i < map->count; i++) {
        if (kept && map->ranges[kept - 1].start == map->ranges[i].start)
            kept--;
        map->ranges[kept++] = map->ranges[i];
    }
    map->count = kept;
    return map;
}

struct object_perfmap *object_perfmap_open(const char *path, uid_t owner, int *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    char *text = NULL;
    size_t size = 0;

    *error = fd < 0 ? -errno : 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) != 0)
        *error = -errno;
    else if (!S_ISREG(info.st_mode) || (info.st_uid != owner && info.st_uid != 0))
        *error = -EPERM;
    else
        *error = object_read_fd(fd, FILE_LIMIT, &text, &size);
    close(fd);
    return *error ? NULL : parse(text, size);
}

struct object_perfmap *object_perfmap_from_bytes(const char *text, size_t size) {
    char *copy = malloc(size + 1);

    if (!copy)
        arena_out_of_memory(size);
    if (size)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return parse(copy, size);
}

void object_perfmap_close(struct object_perfmap *map) {
    if (!map)
        return;
    free(map->text);
    free(map->ranges);
    free(map);
}

const char *object_perfmap_at(const struct object_perfmap *map, uint64_t address, uint64_t *start) {
    enum { MOST_NESTED = 16 }; /* code may be made inside of a larger range that was given up */
    uint32_t low = 0;

    for (uint32_t high = map->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (map->ranges[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (uint32_t i = low; i > 0 && low - i < MOST_NESTED; i--) {
        const struct range *range = &map->ranges[i - 1];
        if (address - range->start < range->size) {
            *start = range->start;
            return map->text + range->name;
        }
    }
    return NULL;
}

uint32_t object_perfmap_count(const struct object_perfmap *map) { return map->count; }
