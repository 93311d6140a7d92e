#include "object/maps.h"

#include "base/vec.h"
#include "object/input.h"
#include <stdio.h>
#include <stdlib.h>

enum { FILE_LIMIT = 64 << 20, MOST_MAPS = 1 << 20 };

static bool is_octal(char c) { return c >= '0' && c <= '7'; }

/* The kernel writes a newline in a path as \012. */
static const char *decode_path(struct arena *arena, struct object_text text) {
    char *path = arena_alloc(arena, object_text_length(text) + 1), *out = path;

    for (const char *at = text.at; at < text.end; at++) {
        if (*at == '\\' && text.end - at >= 4 && at[1] <= '3' && is_octal(at[1]) && is_octal(at[2]) &&
            is_octal(at[3])) {
            *out++ = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 3;
        } else {
            *out++ = *at;
        }
    }
    return path;
}

static bool take_suffix(struct object_text *text, const char *suffix) {
    size_t length = strlen(suffix);

    if (object_text_length(*text) < length || memcmp(text->end - length, suffix, length) != 0)
        return false;
    text->end -= length;
    return true;
}

/* Everything in front of the path. */
static bool parse_numbers(struct object_text *line, struct object_map *map) {
    uint64_t major, minor;

    if (!object_text_number(line, 16, &map->start) || !object_text_take(line, '-') ||
        !object_text_number(line, 16, &map->end) || !object_text_take(line, ' '))
        return false;
    struct object_text access = object_text_until(line, ' ');
    if (object_text_length(access) < 4 || map->end <= map->start)
        return false;
    map->is_executable = access.at[2] == 'x';
    if (!object_text_number(line, 16, &map->file_offset) || !object_text_take(line, ' ') ||
        !object_text_number(line, 16, &major) || !object_text_take(line, ':') ||
        !object_text_number(line, 16, &minor) || !object_text_take(line, ' ') ||
        !object_text_number(line, 10, &map->inode))
        return false;
    map->device_major = (uint32_t)major;
    map->device_minor = (uint32_t)minor;
    object_text_skip_blanks(line);
    return true;
}

void object_maps_parse(struct arena *arena, const char *text, size_t size, bool only_executable,
                       struct object_maps *maps) {
    struct object_text rest = object_text(text, size), line, previous = {0};
    VEC(struct object_map) items = {0};

    while (object_text_line(&rest, &line) && items.count < MOST_MAPS) {
        struct object_map map = {.path = ""};
        if (!parse_numbers(&line, &map) || (only_executable && !map.is_executable))
            continue;
        struct object_text written = line;
        map.is_deleted = take_suffix(&line, " (deleted)");
        size_t length = object_text_length(written);
        if (items.count && length && length == object_text_length(previous) &&
            memcmp(written.at, previous.at, length) == 0)
            map.path = items.data[items.count - 1].path; /* the segments of one file follow each other */
        else if (length)
            map.path = decode_path(arena, line);
        previous = written;
        vec_push(arena, &items, map);
    }
    *maps = (struct object_maps){items.data, items.count};
}

int object_maps_read(struct arena *arena, pid_t pid, bool only_executable, struct object_maps *maps) {
    char path[64], *text;
    size_t size;

    *maps = (struct object_maps){0};
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    int error = object_read_file(path, FILE_LIMIT, &text, &size);
    if (error)
        return error;
    object_maps_parse(arena, text, size, only_executable, maps);
    free(text);
    return 0;
}

const struct object_map *object_maps_at(const struct object_maps *maps, uint64_t address) {
    uint32_t low = 0;

    for (uint32_t high = maps->count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (maps->items[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && address < maps->items[low - 1].end ? &maps->items[low - 1] : NULL;
}
