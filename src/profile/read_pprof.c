/* pprof: what `go tool pprof`, many languages' profilers and services write.
 *
 * Source of the format: proto/profile.proto of github.com/google/pprof: one message in Protocol Buffers, gzipped or
 * not. A message is a row of fields {number << 3 | kind, value}; kinds: 0 a number, 1 8 bytes, 2 bytes with their
 * length in front, 5 4 bytes. Samples refer to locations by id, locations to functions and mappings, all of them to a
 * table of strings.
 *
 * Of several values a sample has (alloc_objects, alloc_space) the default is taken, or the one that --event names.
 */
#include "base/profile_tree.h"
#include "object/inflate.h"
#include "profile/read.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Protocol Buffers -------------------------------------------------------------------------------------------- */

struct message {
    const uint8_t *at, *end;
    bool is_bad;
};

struct field {
    uint32_t number, kind;
    uint64_t value;      /* of kinds 0, 1, 5 */
    struct message part; /* of kind 2 */
};

static uint64_t varint(struct message *in) {
    uint64_t value = 0;
    for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
        uint8_t byte = *in->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    in->is_bad = true;
    return 0;
}

static bool next_field(struct message *in, struct field *field) {
    if (in->is_bad || in->at >= in->end)
        return false;
    uint64_t key = varint(in), size;
    *field = (struct field){.number = (uint32_t)(key >> 3), .kind = key & 7};
    switch (field->kind) {
    case 0:
        field->value = varint(in);
        return !in->is_bad;
    case 1:
    case 5:
        size = field->kind == 1 ? 8 : 4;
        break;
    case 2:
        size = varint(in);
        break;
    default:
        in->is_bad = true;
        return false;
    }
    if (in->is_bad || size > (uint64_t)(in->end - in->at)) {
        in->is_bad = true;
        return false;
    }
    field->part = (struct message){in->at, in->at + size, false};
    if (field->kind != 2)
        memcpy(&field->value, in->at, size);
    in->at += size;
    return true;
}

/* The next one of a repeated number: packed into bytes, or alone. */
static bool take_number(struct field *field, uint64_t *value) {
    if (field->kind == 0) {
        *value = field->value;
        field->kind = UINT32_MAX; /* taken */
        return true;
    }
    if (field->kind != 2 || field->part.at >= field->part.end)
        return false;
    *value = varint(&field->part);
    return !field->part.is_bad;
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

enum {
    SAMPLE_TYPE = 1,
    SAMPLE = 2,
    MAPPING = 3,
    LOCATION = 4,
    FUNCTION = 5,
    STRING_TABLE = 6,
    TIME_NANOS = 9,
    DURATION_NANOS = 10,
    PERIOD = 12,
    DEFAULT_SAMPLE_TYPE = 14,
};

struct function {
    uint64_t name, file;
};

struct location {
    uint64_t mapping, address;
    struct message lines; /* the whole message, for its lines */
};

struct pprof {
    struct profile *profile;
    struct arena *scratch;
    VEC(struct message) strings;
    VEC(struct field) types; /* of values: type, unit as strings' numbers */
    struct hash mappings;    /* id -> module of the profile */
    struct hash functions, locations;
    uint64_t default_type;
    uint32_t value; /* the one that is taken */
    VEC(uint64_t) path;
    VEC(uint64_t) values;
};

static uint32_t string_of(struct pprof *p, uint64_t number) {
    if (number >= p->strings.count)
        return 0;
    const struct message *text = &p->strings.data[number];
    return profile_string(p->profile, (const char *)text->at, (size_t)(text->end - text->at));
}

static const char *text_of(struct pprof *p, uint64_t number) { return p->profile->strings.data[string_of(p, number)]; }

/* build ids are written as hex text. */
static uint8_t build_id_of(const char *hex, uint8_t *bytes) {
    uint8_t size = 0;
    unsigned byte;
    for (; size < 20 && hex[0] && hex[1] && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (uint8_t)byte;
    return size;
}

static void add_mapping(struct pprof *p, struct message in) {
    enum { ID = 1, FILENAME = 5, BUILD_ID = 6 };
    uint64_t id = 0, path = 0, build = 0;
    uint8_t build_id[20];
    for (struct field field; next_field(&in, &field);) {
        id = field.number == ID ? field.value : id;
        path = field.number == FILENAME ? field.value : path;
        build = field.number == BUILD_ID ? field.value : build;
    }
    uint8_t size = build_id_of(text_of(p, build), build_id);
    uint32_t module = profile_module(p->profile, text_of(p, path), build_id, size);
    hash_put_number(&p->mappings, id, (void *)(uintptr_t)module);
}

static void add_function(struct pprof *p, struct message in) {
    enum { ID = 1, NAME = 2, FILENAME = 4 };
    struct function *function = arena_make(p->scratch, struct function);
    uint64_t id = 0;
    for (struct field field; next_field(&in, &field);) {
        id = field.number == ID ? field.value : id;
        function->name = field.number == NAME ? field.value : function->name;
        function->file = field.number == FILENAME ? field.value : function->file;
    }
    hash_put_number(&p->functions, id, function);
}

static void add_location(struct pprof *p, struct message in) {
    enum { ID = 1, MAPPING_ID = 2, ADDRESS = 3 };
    struct location *location = arena_make(p->scratch, struct location);
    uint64_t id = 0;
    location->lines = in;
    for (struct field field; next_field(&in, &field);) {
        id = field.number == ID ? field.value : id;
        location->mapping = field.number == MAPPING_ID ? field.value : location->mapping;
        location->address = field.number == ADDRESS ? field.value : location->address;
    }
    hash_put_number(&p->locations, id, location);
}

static void add_type(struct pprof *p, struct message in) {
    struct field type = {0}; /* number: the type, value: the unit; as numbers of strings */
    for (struct field field; next_field(&in, &field);) {
        if (field.number == 1)
            type.number = (uint32_t)field.value;
        else if (field.number == 2)
            type.value = field.value;
    }
    vec_push(p->scratch, &p->types, type);
}

/* All but the samples, which refer to it. */
static bool read_tables(struct pprof *p, struct message in) {
    struct message first = in;
    for (struct field field; next_field(&first, &field);) {
        if (field.number == STRING_TABLE && field.kind == 2)
            vec_push(p->scratch, &p->strings, field.part);
    }
    for (struct field field; next_field(&in, &field);) {
        switch (field.number) {
        case SAMPLE_TYPE:
            add_type(p, field.part);
            break;
        case MAPPING:
            add_mapping(p, field.part);
            break;
        case LOCATION:
            add_location(p, field.part);
            break;
        case FUNCTION:
            add_function(p, field.part);
            break;
        case TIME_NANOS:
            p->profile->start_ns = field.value;
            break;
        case DURATION_NANOS:
            p->profile->duration_ns = field.value;
            break;
        case PERIOD:
            p->profile->period_ns = field.value;
            break;
        case DEFAULT_SAMPLE_TYPE:
            p->default_type = field.value;
            break;
        }
    }
    return !first.is_bad && !in.is_bad;
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static uint32_t add_frame(struct pprof *p, uint32_t node, const struct location *location,
                          const struct function *function, uint64_t line, bool is_inlined) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.address = location->address;
    frame.module = (uint32_t)(uintptr_t)hash_get_number(&p->mappings, location->mapping);
    frame.kind = PROFILE_UNNAMED;
    if (function) {
        frame.name = string_of(p, function->name);
        frame.file = string_of(p, function->file);
        frame.line = (uint32_t)line;
        frame.kind = PROFILE_USER;
        frame.inlined = is_inlined;
    }
    const char *module = profile_frame_module(p->profile, &frame);
    if (strstr(module, "[kernel") || strcmp(module, "[kernel]") == 0)
        frame.kind = PROFILE_KERNEL;
    return profile_node(p->profile, node, profile_frame(p->profile, &frame));
}

/* Lines of a location are innermost first: the last one is the function that has the code. */
static uint32_t add_place(struct pprof *p, uint32_t node, const struct location *location) {
    enum { LINE = 4, DEEPEST = 64, FUNCTION_ID = 1, LINE_NUMBER = 2 };
    struct message in = location->lines, lines[DEEPEST];
    uint32_t count = 0;
    for (struct field field; count < DEEPEST && next_field(&in, &field);) {
        if (field.number == LINE && field.kind == 2)
            lines[count++] = field.part;
    }
    if (!count)
        return add_frame(p, node, location, NULL, 0, false);
    for (uint32_t i = count; i-- > 0;) {
        uint64_t id = 0, line = 0;
        for (struct field field; next_field(&lines[i], &field);) {
            id = field.number == FUNCTION_ID ? field.value : id;
            line = field.number == LINE_NUMBER ? field.value : line;
        }
        node = add_frame(p, node, location, hash_get_number(&p->functions, id), line, i + 1 < count);
    }
    return node;
}

struct labels {
    uint32_t process, thread, name;
};

static void read_label(struct pprof *p, struct message in, struct labels *labels) {
    uint64_t key = 0, text = 0, number = 0;
    for (struct field field; next_field(&in, &field);) {
        key = field.number == 1 ? field.value : key;
        text = field.number == 2 ? field.value : text;
        number = field.number == 3 ? field.value : number;
    }
    const char *name = text_of(p, key);
    if (strcmp(name, "pid") == 0)
        labels->process = (uint32_t)number;
    else if (strcmp(name, "tid") == 0 || strcmp(name, "thread_id") == 0)
        labels->thread = (uint32_t)number;
    else if (strcmp(name, "comm") == 0 || strcmp(name, "thread") == 0)
        labels->name = string_of(p, text);
}

static void add_sample(struct pprof *p, struct message in) {
    enum { LOCATION_ID = 1, VALUE = 2, LABEL = 3 };
    struct labels labels = {0};
    uint64_t number;
    p->path.count = p->values.count = 0;
    for (struct field field; next_field(&in, &field);) {
        while (field.number == LOCATION_ID && take_number(&field, &number))
            vec_push(p->scratch, &p->path, number);
        while (field.number == VALUE && take_number(&field, &number))
            vec_push(p->scratch, &p->values, number);
        if (field.number == LABEL && field.kind == 2)
            read_label(p, field.part, &labels);
    }
    uint64_t weight = p->value < p->values.count ? p->values.data[p->value] : 0;
    if (!weight || weight >> 62)
        return;
    uint32_t node = 0;
    for (uint32_t i = p->path.count; i-- > 0;) {
        const struct location *location = hash_get_number(&p->locations, p->path.data[i]);
        if (location)
            node = add_place(p, node, location);
    }
    uint32_t thread =
        profile_thread(p->profile, &(struct profile_thread){labels.process, labels.thread, labels.name, labels.name});
    profile_sample(p->profile, &(struct profile_sample){PROFILE_NO_TIME, weight, thread, node, UINT32_MAX, 1});
    p->profile->badge.taken++;
    p->profile->badge.cut[PROFILE_COMPLETE]++;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool choose_value(struct pprof *p, const struct profile_read_options *options, const char **error) {
    const char *names = "", *wanted = options->event ? options->event : text_of(p, p->default_type);
    bool is_found = false;
    for (uint32_t i = 0; i < p->types.count; i++) {
        const char *name = text_of(p, p->types.data[i].number);
        names = arena_printf(p->profile->arena, "%s%s%s", names, *names ? ", " : "", name);
        if (*wanted && strcmp(name, wanted) == 0) {
            p->value = i;
            is_found = true;
        }
    }
    if (options->event && !is_found) {
        *error = arena_printf(p->profile->arena, "it has no values %s, but: %s", options->event, names);
        return false;
    }
    if (!is_found) /* without a default the last one: time rather than counts */
        p->value = p->types.count ? p->types.count - 1 : 0;
    if (p->types.count) {
        p->profile->event = text_of(p, p->types.data[p->value].number);
        p->profile->unit = text_of(p, p->types.data[p->value].value);
    }
    if (strcmp(p->profile->unit, "nanoseconds") == 0)
        p->profile->unit = "ns";
    if (p->types.count > 1 && !options->event)
        p->profile->note =
            arena_printf(p->profile->arena, "samples have %u values: %s. This is %s; choose with --event",
                         p->types.count, names, p->profile->event);
    return true;
}

static bool read_message(struct profile *profile, struct message in, const struct profile_read_options *options,
                         const char **error) {
    struct pprof p = {.profile = profile, .scratch = arena_new()};
    hash_init(&p.mappings, p.scratch);
    hash_init(&p.functions, p.scratch);
    hash_init(&p.locations, p.scratch);
    bool is_whole = read_tables(&p, in), is_chosen = choose_value(&p, options, error);
    for (struct field field; is_chosen && next_field(&in, &field);) {
        if (field.number == SAMPLE && field.kind == 2)
            add_sample(&p, field.part);
    }
    arena_free(p.scratch);
    if (is_chosen && !profile->samples.count) {
        *error = is_whole ? "there are no samples in it" : "it is damaged";
        return false;
    }
    if (is_chosen && !is_whole)
        profile->note = "the file is cut off: what comes behind is not here";
    return is_chosen;
}

/* Not gzipped, it begins with a sample type: a message of numbers. */
bool profile_is_pprof(const uint8_t *bytes, size_t size) {
    enum { FIRST = SAMPLE_TYPE << 3 | 2 };
    return size > 4 &&
           ((bytes[0] == 0x1f && bytes[1] == 0x8b) || (bytes[0] == FIRST && bytes[1] <= 32 && bytes[2] == 8));
}

bool profile_read_pprof(struct profile *profile, const uint8_t *bytes, size_t size,
                        const struct profile_read_options *options, const char **error) {
    size_t unpacked_size = 0;
    if (bytes[0] != 0x1f)
        return read_message(profile, (struct message){bytes, bytes + size, false}, options, error);
    uint8_t *unpacked = object_gunzip(bytes, size, &unpacked_size);
    *error = "it is compressed, and damaged";
    bool is_read =
        unpacked && read_message(profile, (struct message){unpacked, unpacked + unpacked_size, false}, options, error);
    free(unpacked);
    return is_read;
}
