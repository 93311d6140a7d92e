/* pprof's format: what `go tool pprof`, Pyroscope, Parca, Perfetto and many web pages read.
 *
 * Source: proto/profile.proto of github.com/google/pprof, gzipped. Addresses are those of the ELF files, so that a
 * server can find more about them by the build id. Calls that were inlined are lines of one location, as pprof wants
 * them.
 */
#include "view/deflate.h"
#include "view/profile_picture.h"

/* Numbers of the fields in profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING_TABLE = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    VALUE_TYPE_TYPE = 1,
    VALUE_TYPE_UNIT = 2,
    SAMPLE_LOCATION_ID = 1,
    SAMPLE_VALUE = 2,
    SAMPLE_LABEL = 3,
    LABEL_KEY = 1,
    LABEL_STR = 2,
    LABEL_NUM = 3,
    MAPPING_ID = 1,
    MAPPING_MEMORY_LIMIT = 3,
    MAPPING_FILENAME = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    LOCATION_ID = 1,
    LOCATION_MAPPING_ID = 2,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
    LINE_FUNCTION_ID = 1,
    LINE_LINE = 2,
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILENAME = 4,
};

/* ---- protocol buffers -------------------------------------------------------------------------------------------- */

static void add_varint(struct strbuf *out, uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        strbuf_addch(out, (char)(number | 0x80));
    strbuf_addch(out, (char)number);
}

static void add_number(struct strbuf *out, unsigned field, uint64_t number) {
    if (!number)
        return;
    add_varint(out, field << 3);
    add_varint(out, number);
}

static void add_bytes(struct strbuf *out, unsigned field, const struct strbuf *bytes) {
    add_varint(out, field << 3 | 2);
    add_varint(out, bytes->length);
    strbuf_add(out, strbuf_text(bytes), bytes->length);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* A place that calls were inlined into, or a call of its own: a location of pprof. */
struct chain {
    uint32_t outer; /* chain + 1: of the function that the call was copied into; 0 none */
    uint32_t frame;
};

struct pprof {
    struct profile *profile;
    struct arena *arena;
    struct strbuf out, part, inner;
    struct hash strings, functions, chain_numbers;
    uint64_t string_count;
    VEC(struct chain) chains;
    uint32_t *chain_of; /* of each node */
};

/* The number of a text in the file's table, which it joins. */
static uint64_t text_number(struct pprof *file, const char *text) {
    struct strbuf clean = {0};
    uintptr_t found = (uintptr_t)hash_get(&file->strings, text);
    if (found)
        return found - 1;
    profile_add_clean(&clean, text);
    add_bytes(&file->out, PROFILE_STRING_TABLE, &clean);
    strbuf_free(&clean);
    hash_put(&file->strings, arena_strdup(file->arena, text), (void *)(uintptr_t)(file->string_count + 1));
    return file->string_count++;
}

static void add_part(struct pprof *file, unsigned field) {
    add_bytes(&file->out, field, &file->part);
    strbuf_reset(&file->part);
}

static void add_type(struct pprof *file, unsigned field, const char *type, const char *unit) {
    uint64_t type_number = text_number(file, type), unit_number = text_number(file, unit);
    add_number(&file->part, VALUE_TYPE_TYPE, type_number);
    add_number(&file->part, VALUE_TYPE_UNIT, unit_number);
    add_part(file, field);
}

static void add_build_id(struct strbuf *text, const struct profile_module *module) {
    for (unsigned i = 0; i < module->build_id_size && i < sizeof module->build_id; i++)
        strbuf_addf(text, "%02x", module->build_id[i]);
}

static void add_mappings(struct pprof *file) {
    const struct profile *p = file->profile;
    uint64_t *limit = arena_new_array(file->arena, uint64_t, p->modules.count + 1);
    for (uint32_t i = 1; i < p->frames.count; i++) {
        const struct profile_frame *frame = &p->frames.data[i];
        if (frame->module && frame->address >= limit[frame->module])
            limit[frame->module] = frame->address + 1;
    }
    for (uint32_t i = 0; i < p->modules.count; i++) {
        struct strbuf id = {0};
        add_build_id(&id, &p->modules.data[i]);
        uint64_t path = text_number(file, p->strings.data[p->modules.data[i].path]),
                 build_id = text_number(file, strbuf_text(&id));
        add_number(&file->part, MAPPING_ID, i + 1);
        add_number(&file->part, MAPPING_MEMORY_LIMIT, limit[i + 1]);
        add_number(&file->part, MAPPING_FILENAME, path);
        add_number(&file->part, MAPPING_BUILD_ID, build_id);
        add_number(&file->part, MAPPING_HAS_FUNCTIONS, 1);
        add_part(file, PROFILE_MAPPING);
        strbuf_free(&id);
    }
}

/* The file's function for a frame. Names of two modules may be equal; pprof tells them apart by their mappings. */
static uint64_t function_number(struct pprof *file, const struct profile_frame *frame) {
    const char *name = profile_frame_label(file->profile, frame, file->arena);
    uint64_t name_number = text_number(file, name),
             source = text_number(file, file->profile->strings.data[frame->file]), key = name_number << 32 | source;
    uintptr_t found = (uintptr_t)hash_get_number(&file->functions, key);
    if (found)
        return found;
    found = file->functions.count + 1;
    hash_put_number(&file->functions, key, (void *)found);
    add_number(&file->part, FUNCTION_ID, found);
    add_number(&file->part, FUNCTION_NAME, name_number);
    add_number(&file->part, FUNCTION_SYSTEM_NAME, name_number);
    add_number(&file->part, FUNCTION_FILENAME, source);
    add_part(file, PROFILE_FUNCTION);
    return found;
}

static uint32_t chain_number(struct pprof *file, uint32_t outer, uint32_t frame) {
    uint64_t key = (uint64_t)outer << 32 | frame;
    uintptr_t found = (uintptr_t)hash_get_number(&file->chain_numbers, key);
    if (found)
        return (uint32_t)found - 1;
    vec_push(file->arena, &file->chains, ((struct chain){outer, frame}));
    hash_put_number(&file->chain_numbers, key, (void *)(uintptr_t)file->chains.count);
    return file->chains.count - 1;
}

static bool is_inlined(const struct profile *p, uint32_t node) {
    return node && p->nodes.data[node].parent && p->frames.data[p->nodes.data[node].frame].inlined;
}

static void add_location(struct pprof *file, uint32_t number) {
    const struct profile *p = file->profile;
    struct strbuf lines = {0};
    uint32_t base = number;
    for (uint32_t at = number + 1; at; at = file->chains.data[at - 1].outer) { /* the innermost call first */
        const struct profile_frame *frame = &p->frames.data[file->chains.data[at - 1].frame];
        uint64_t function = function_number(file, frame);
        add_number(&file->part, LINE_FUNCTION_ID, function);
        add_number(&file->part, LINE_LINE, frame->line);
        add_bytes(&lines, LOCATION_LINE, &file->part);
        strbuf_reset(&file->part);
        base = at - 1;
    }
    const struct profile_frame *frame = &p->frames.data[file->chains.data[base].frame];
    add_number(&file->part, LOCATION_ID, number + 1);
    add_number(&file->part, LOCATION_MAPPING_ID, frame->module);
    add_number(&file->part, LOCATION_ADDRESS, frame->address);
    strbuf_add(&file->part, strbuf_text(&lines), lines.length);
    add_part(file, PROFILE_LOCATION);
    strbuf_free(&lines);
}

static void add_locations(struct pprof *file) {
    const struct profile *p = file->profile;
    file->chain_of = arena_new_array(file->arena, uint32_t, p->nodes.count);
    for (uint32_t i = 1; i < p->nodes.count; i++) {
        uint32_t outer = is_inlined(p, i) ? file->chain_of[p->nodes.data[i].parent] + 1 : 0;
        file->chain_of[i] = chain_number(file, outer, p->nodes.data[i].frame);
    }
    for (uint32_t i = 0; i < file->chains.count; i++)
        add_location(file, i);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static void add_label(struct pprof *file, const char *key, const char *text, uint64_t number) {
    uint64_t key_number = text_number(file, key), text_value = text ? text_number(file, text) : 0;
    if (!text_value && !number)
        return;
    struct strbuf label = {0};
    add_number(&label, LABEL_KEY, key_number);
    add_number(&label, LABEL_STR, text_value);
    add_number(&label, LABEL_NUM, number);
    add_bytes(&file->part, SAMPLE_LABEL, &label);
    strbuf_free(&label);
}

static void add_sample(struct pprof *file, const struct profile_sample *sample, uint64_t scale) {
    const struct profile *p = file->profile;
    uint64_t count = sample->count ? sample->count : 1;
    strbuf_reset(&file->inner);
    for (uint32_t node = sample->node; node; node = p->nodes.data[node].parent) {
        add_varint(&file->inner, file->chain_of[node] + 1);
        while (is_inlined(p, node)) /* it is in that location, with what it was copied into */
            node = p->nodes.data[node].parent;
    }
    add_bytes(&file->part, SAMPLE_LOCATION_ID, &file->inner);
    strbuf_reset(&file->inner);
    add_varint(&file->inner, count);
    if (scale)
        add_varint(&file->inner, sample->weight * scale);
    add_bytes(&file->part, SAMPLE_VALUE, &file->inner);
    if (sample->thread < p->threads.count) {
        const struct profile_thread *thread = &p->threads.data[sample->thread];
        add_label(file, "process", p->strings.data[thread->process_name ? thread->process_name : thread->name], 0);
        add_label(file, "thread", p->strings.data[thread->name], 0);
        add_label(file, "pid", NULL, thread->process);
        add_label(file, "tid", NULL, thread->thread);
    }
    add_part(file, PROFILE_SAMPLE);
}

/* Each sample has its number, and what it stands for. Gives what a weight is multiplied with for the latter; 0: none.
 */
static uint64_t add_types(struct pprof *file) {
    const struct profile *p = file->profile;
    bool counts = strcmp(p->unit, "samples") == 0, time = strcmp(p->unit, "ns") == 0 || (counts && p->period_ns);
    const char *event = counts && strcmp(p->event, "cpu-clock") == 0 ? "cpu" : *p->event ? p->event : "cost";
    add_type(file, PROFILE_SAMPLE_TYPE, "samples", "count");
    if (counts && !p->period_ns)
        return 0;
    add_type(file, PROFILE_SAMPLE_TYPE, event, time ? "nanoseconds" : p->unit);
    return counts ? p->period_ns : 1;
}

static void add_about(struct pprof *file) {
    const struct profile *p = file->profile;
    struct strbuf badge = {0};
    profile_add_badge(&badge, p);
    if (p->period_ns)
        add_type(file, PROFILE_PERIOD_TYPE, "cpu", "nanoseconds");
    add_number(&file->out, PROFILE_COMMENT, text_number(file, strbuf_text(&badge)));
    add_number(&file->out, PROFILE_PERIOD, p->period_ns);
    add_number(&file->out, PROFILE_TIME_NANOS, p->start_ns);
    add_number(&file->out, PROFILE_DURATION_NANOS, p->duration_ns);
    strbuf_free(&badge);
}

void profile_write_pprof(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct pprof file = {.profile = profile, .arena = arena};
    struct strbuf packed = {0};
    (void)picture;
    hash_init(&file.strings, arena);
    hash_init(&file.functions, arena);
    hash_init(&file.chain_numbers, arena);
    text_number(&file, ""); /* number 0 */
    uint64_t scale = add_types(&file);
    add_mappings(&file);
    add_locations(&file);
    for (uint32_t i = 0; i < profile->samples.count; i++)
        add_sample(&file, &profile->samples.data[i], scale);
    add_about(&file);
    view_gzip(strbuf_text(&file.out), file.out.length, &packed);
    view_output_write(out, strbuf_text(&packed), packed.length);
    strbuf_free(&packed);
    strbuf_free(&file.out);
    strbuf_free(&file.part);
    strbuf_free(&file.inner);
    arena_free(arena);
}
