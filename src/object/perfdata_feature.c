/* The features behind the data: texts are {u32 length with padding, bytes}. */
#include "object/input.h"
#include "object/perfdata_int.h"

struct bytes {
    const uint8_t *at;
    uint64_t left;
};

static bool take_u32(struct bytes *from, uint32_t *value) {
    if (from->left < 4)
        return false;
    *value = object_u32(from->at);
    from->at += 4;
    from->left -= 4;
    return true;
}

/* In the arena; NULL when it is cut off. */
static const char *take_text(struct object_perfdata *data, struct bytes *from) {
    uint32_t length;
    if (!take_u32(from, &length) || length > from->left)
        return NULL;
    const char *text = arena_strndup(data->arena, (const char *)from->at, strnlen((const char *)from->at, length));
    from->at += length;
    from->left -= length;
    return text;
}

static void read_command(struct object_perfdata *data, struct bytes from) {
    uint32_t count;
    const char *word;
    if (!take_u32(&from, &count))
        return;
    for (data->command = ""; count-- && (word = take_text(data, &from));)
        data->command = *data->command ? arena_printf(data->arena, "%s %s", data->command, word) : word;
}

/* {count, size of attributes}, then for each {attribute, count of ids, name, ids}. */
static void read_events(struct object_perfdata *data, struct bytes from) {
    uint32_t count, size, ids;
    if (!take_u32(&from, &count) || !take_u32(&from, &size))
        return;
    for (uint32_t i = 0; i < count && i < data->events.count; i++) {
        if (size > from.left)
            return;
        from.at += size;
        from.left -= size;
        const char *name = take_u32(&from, &ids) ? take_text(data, &from) : NULL;
        if (!name || ids > from.left / 8)
            return;
        data->events.data[i].name = name;
        from.at += 8 * (uint64_t)ids;
        from.left -= 8 * (uint64_t)ids;
    }
}

/* {i32 pid, build id in 24 bytes whose 21st is its size if misc says so, path} */
void perfdata_add_build_id(struct object_perfdata *data, uint16_t misc, const uint8_t *body, uint64_t size) {
    enum { PATH = 28, HAS_SIZE = 1 << 15 };
    struct object_perf_build_id id = {.size = 20};
    if (size <= PATH)
        return;
    const char *path = (const char *)body + PATH;
    memcpy(id.bytes, body + 4, sizeof id.bytes);
    if (misc & HAS_SIZE && body[24] <= 20)
        id.size = body[24];
    id.path = arena_strndup(data->arena, path, strnlen(path, size - PATH));
    struct object_perf_build_id *kept = arena_memdup(data->arena, &id, sizeof id);
    hash_put(&data->build_id_of, kept->path, kept);
}

/* A row of records. */
static void read_build_ids(struct object_perfdata *data, struct bytes from) {
    while (from.left >= 8) {
        uint16_t misc = object_u16(from.at + 4), size = object_u16(from.at + 6);
        if (size < 8 || size > from.left)
            return;
        perfdata_add_build_id(data, misc, from.at + 8, size - 8u);
        from.at += size;
        from.left -= size;
    }
}

void perfdata_feature(struct object_perfdata *data, unsigned feature, const uint8_t *bytes, uint64_t size) {
    struct bytes from = {bytes, size};
    const char *text;
    switch (feature) {
    case FEATURE_BUILD_ID:
        read_build_ids(data, from);
        break;
    case FEATURE_HOST:
        if ((text = take_text(data, &from)))
            data->host = text;
        break;
    case FEATURE_COMMAND:
        read_command(data, from);
        break;
    case FEATURE_EVENTS:
        read_events(data, from);
        break;
    }
}
