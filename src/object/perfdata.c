/* The file: header, attributes, where the data is. */
#include "object/input.h"
#include "object/perfdata_int.h"

#include <linux/perf_event.h>
#include <string.h>

enum {
    HEADER_SIZE = 104, /* struct perf_file_header */
    PIPE_HEADER_SIZE = 16,
    SMALLEST_ATTRIBUTE = 64, /* PERF_ATTR_SIZE_VER0 */
    MOST_EVENTS = 65536,
};

struct section {
    uint64_t offset, size;
};

/* The bytes at a place; NULL when the file does not have them all. */
static const uint8_t *bytes_at(const struct object_perfdata *data, uint64_t offset, uint64_t size) {
    return object_fits(data->file_size, offset, size) ? data->bytes + offset : NULL;
}

/* Fields of struct perf_event_attr by their offset, so that files of older and newer perfs read alike. */
void perfdata_add_event(struct object_perfdata *data, const uint8_t *attribute, uint64_t size) {
    struct perf_event_attr attr = {0};
    if (size < SMALLEST_ATTRIBUTE || data->events.count >= MOST_EVENTS)
        return;
    memcpy(&attr, attribute, size < sizeof attr ? size : sizeof attr);
    const char *name = arena_printf(data->arena, "event %u", data->events.count + 1);
    vec_push(data->arena, &data->events,
             ((struct object_perf_event){
                 .name = name,
                 .type = attr.type,
                 .config = attr.config,
                 .sample_type = attr.sample_type,
                 .read_format = attr.read_format,
                 .branch_sample_type = attr.branch_sample_type,
                 .registers = attr.sample_regs_user,
                 .register_count = (uint32_t)__builtin_popcountll(attr.sample_regs_user),
                 .period_or_frequency = attr.sample_period,
                 .is_frequency = attr.freq,
                 .has_sample_id = attr.sample_id_all,
                 .has_ids = attr.sample_type & (PERF_SAMPLE_ID | PERF_SAMPLE_IDENTIFIER),
             }));
}

void perfdata_add_id(struct object_perfdata *data, uint32_t event, uint64_t id) {
    hash_put_number(&data->event_of_id, id, (void *)(uintptr_t)(event + 1));
}

static void read_ids(struct object_perfdata *data, uint32_t event, struct section ids) {
    const uint8_t *at = bytes_at(data, ids.offset, ids.size);
    for (uint64_t i = 0; at && i < ids.size / 8; i++)
        perfdata_add_id(data, event, object_u64(at + 8 * i));
}

/* Each entry is an attribute with the place of its ids behind. */
static const char *read_attributes(struct object_perfdata *data, uint64_t entry_size, struct section where) {
    if (entry_size < SMALLEST_ATTRIBUTE + sizeof(struct section) || entry_size > 4096)
        return "its attributes have an impossible size";
    for (uint64_t at = 0; at + entry_size <= where.size && data->events.count < MOST_EVENTS; at += entry_size) {
        struct section ids;
        const uint8_t *entry = bytes_at(data, where.offset + at, entry_size);
        if (!entry)
            return "its attributes are cut off";
        memcpy(&ids, entry + entry_size - sizeof ids, sizeof ids);
        perfdata_add_event(data, entry, entry_size - sizeof ids);
        read_ids(data, data->events.count - 1, ids);
    }
    return NULL;
}

/* Behind the data: a place for each feature that is there, in order of their bits. */
static void read_features(struct object_perfdata *data, const uint64_t *bits) {
    uint64_t at = data->data_offset + data->data_size;
    for (unsigned i = 0; i < FEATURES; i++) {
        struct section where;
        const uint8_t *entry = bytes_at(data, at, sizeof where);
        if (!(bits[i / 64] >> i % 64 & 1))
            continue;
        if (!entry)
            return;
        memcpy(&where, entry, sizeof where);
        at += sizeof where;
        const uint8_t *bytes = bytes_at(data, where.offset, where.size);
        if (bytes)
            perfdata_feature(data, i, bytes, where.size);
    }
}

/* A pipe tells of its events and features by records among the others. */
static void read_records_of_perf(struct object_perfdata *data) {
    struct object_perf_cursor cursor = object_perf_cursor(data, 0, data->data_size);
    struct object_perf_record record;
    while (object_perf_next(&cursor, &record)) {
        if (record.type == PERFDATA_HEADER_ATTR && record.size >= SMALLEST_ATTRIBUTE) {
            uint32_t size = object_u32(record.body + 4); /* attr.size */
            if (size < SMALLEST_ATTRIBUTE || size > record.size)
                continue;
            perfdata_add_event(data, record.body, size);
            for (uint32_t i = size; i + 8 <= record.size && data->events.count; i += 8)
                perfdata_add_id(data, data->events.count - 1, object_u64(record.body + i));
        } else if (record.type == PERFDATA_HEADER_FEATURE && record.size >= 8) {
            uint64_t feature = object_u64(record.body);
            if (feature < FEATURES && feature != FEATURE_EVENTS)
                perfdata_feature(data, (unsigned)feature, record.body + 8, record.size - 8);
        } else if (record.type == PERFDATA_BUILD_ID) {
            perfdata_add_build_id(data, record.misc, record.body, record.size);
        }
    }
}

static const char *read_header(struct object_perfdata *data) {
    const uint8_t *header = data->bytes;
    struct section attributes;
    uint64_t bits[FEATURES / 64];

    if (data->file_size < PIPE_HEADER_SIZE)
        return "its header is cut off";
    if (memcmp(header, "2ELIFREP", 8) == 0)
        return "it is of a machine with the other byte order";
    if (object_u64(header + 8) == PIPE_HEADER_SIZE) {
        data->data_offset = PIPE_HEADER_SIZE;
        data->data_size = data->file_size - PIPE_HEADER_SIZE;
        read_records_of_perf(data);
        return data->events.count ? NULL : "it does not tell what was recorded";
    }
    if (object_u64(header + 8) < HEADER_SIZE || data->file_size < HEADER_SIZE)
        return "its header is cut off";
    memcpy(&attributes, header + 24, sizeof attributes);
    data->data_offset = object_u64(header + 40);
    data->data_size = object_u64(header + 48);
    memcpy(bits, header + 72, sizeof bits);
    if (data->data_offset > data->file_size)
        return "its data is cut off";
    /* perf was killed before it could write the size: what is there counts */
    if (!data->data_size || !object_fits(data->file_size, data->data_offset, data->data_size))
        data->data_size = data->file_size - data->data_offset;
    const char *error = read_attributes(data, object_u64(header + 16), attributes);
    if (error)
        return error;
    if (!data->events.count)
        return "it does not tell what was recorded";
    read_features(data, bits);
    return NULL;
}

struct object_perfdata *object_perfdata_open(struct arena *arena, const uint8_t *bytes, uint64_t size,
                                             const char **error) {
    struct object_perfdata *data = arena_make(arena, struct object_perfdata);

    data->arena = arena;
    data->bytes = bytes;
    data->file_size = size;
    data->host = data->command = "";
    hash_init(&data->event_of_id, arena);
    hash_init(&data->build_id_of, arena);
    *error = read_header(data);
    return *error ? NULL : data;
}

const struct object_perf_event *object_perfdata_events(const struct object_perfdata *data, uint32_t *count) {
    *count = data->events.count;
    return data->events.data;
}

const char *object_perfdata_host(const struct object_perfdata *data) { return data->host; }
const char *object_perfdata_command(const struct object_perfdata *data) { return data->command; }
uint64_t object_perfdata_size(const struct object_perfdata *data) { return data->data_size; }

const struct object_perf_build_id *object_perfdata_build_id(const struct object_perfdata *data, const char *path) {
    return hash_get(&data->build_id_of, path);
}
