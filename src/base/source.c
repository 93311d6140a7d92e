#include "base/source.h"

#include "base/vec.h"

enum { TEXT_LIMIT = 64 << 20 };

struct part {
    uint32_t begin, end; /* positions */
    uint32_t original;   /* where the text of the first one is */
    const char *name;    /* of a file */
    struct loc use;      /* of an expansion */
};

/* Both in the order of their positions. */
struct source_map {
    VEC(struct part) files, expansions;
    uint32_t script_size;
    char *text; /* the source's, with room to grow */
    uint32_t capacity;
};

static struct source_map *map_of(struct source *source, struct arena *arena) {
    if (!source->map) {
        source->map = arena_make(arena, struct source_map);
        source->map->script_size = source->size;
    }
    return source->map;
}

bool source_add_file(struct source *source, struct arena *arena, const char *name, const char *text, uint32_t size,
                     struct loc use, uint32_t *begin) {
    struct source_map *map = map_of(source, arena);

    if (size > TEXT_LIMIT || source->size > TEXT_LIMIT - size)
        return false;
    uint32_t needed = source->size + size + 2;
    char *all = map->text;
    if (needed > map->capacity) {
        map->capacity = needed * 2;
        all = map->text = arena_alloc(arena, map->capacity);
        memcpy(all, source->text, source->size);
    }
    all[source->size] = '\n';
    memcpy(all + source->size + 1, text, size);
    all[source->size + 1 + size] = '\0';
    *begin = source->size + 1;
    vec_push(arena, &map->files, ((struct part){*begin, *begin + size, *begin, name, use}));
    source->text = all;
    source->size = *begin + size;
    return true;
}

bool source_add_expansion(struct source *source, struct arena *arena, struct loc definition, struct loc use,
                          uint32_t *shift) {
    struct source_map *map = map_of(source, arena);
    uint32_t count = map->expansions.count;
    uint32_t begin = count ? map->expansions.data[count - 1].end + 1 : SOURCE_EXPANSIONS;

    if (UINT32_MAX - begin <= definition.end - definition.begin)
        return false;
    *shift = begin - definition.begin;
    vec_push(arena, &map->expansions, ((struct part){begin, definition.end + *shift, definition.begin, NULL, use}));
    return true;
}

/* The last part that starts at or before the position; NULL: the script. */
static const struct part *find(const struct source *source, uint32_t position) {
    const struct part *parts;
    uint32_t low = 0, high;

    if (!source->map || position <= source->map->script_size)
        return NULL;
    bool is_expansion = position >= SOURCE_EXPANSIONS;
    parts = is_expansion ? source->map->expansions.data : source->map->files.data;
    high = is_expansion ? source->map->expansions.count : source->map->files.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (parts[middle].begin <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &parts[low - 1] : NULL;
}

struct loc source_original(const struct source *source, struct loc loc) {
    const struct part *part = find(source, loc.begin);

    if (part)
        loc = (struct loc){loc.begin - part->begin + part->original, loc.end - part->begin + part->original};
    if (loc.begin > source->size)
        loc.begin = source->size;
    if (loc.end < loc.begin || loc.end > source->size)
        loc.end = loc.begin;
    return loc;
}

struct loc source_use(const struct source *source, struct loc loc) {
    const struct part *part = find(source, loc.begin);

    return part ? part->use : (struct loc){0, 0};
}

void source_position(const struct source *source, uint32_t offset, uint32_t *line, uint32_t *column) {
    offset = source_original(source, (struct loc){offset, offset}).begin;
    const struct part *file = find(source, offset);

    *line = *column = 1;
    for (uint32_t i = file ? file->begin : 0; i < offset; i++) {
        (*column)++;
        if (source->text[i] == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

const char *source_name(const struct source *source, uint32_t offset) {
    const struct part *file = find(source, source_original(source, (struct loc){offset, offset}).begin);

    return file ? file->name : source->name;
}

uint32_t source_line(const struct source *source, uint32_t offset, uint32_t *length) {
    const struct part *file = find(source, offset);
    uint32_t begin = offset, least = file ? file->begin : 0;
    uint32_t most = file ? file->end : source->map ? source->map->script_size : source->size;

    while (begin > least && source->text[begin - 1] != '\n')
        begin--;
    *length = offset - begin;
    while (begin + *length < most && source->text[begin + *length] != '\n')
        ++*length;
    return begin;
}
