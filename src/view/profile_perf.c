/* perf.data: what `perf report`, hotspot and other tools for perf's files read, with our stacks in it.
 *
 * Source: tools/perf/Documentation/perf.data-file-format.txt and include/uapi/linux/perf_event.h of Linux. One event,
 * whose samples have a call chain; in front of them a COMM record for each thread and MMAP2 records (with build ids)
 * for the modules of each process. All modules are mapped at made-up places, each at one for all processes; perf goes
 * from there to the file and finds names in it by itself.
 *
 * What perf can not know by itself has a name in the file: the kernel's functions (perf would read those of the machine
 * it runs on), code made at run time, scripts, inlined calls, code whose file has no symbol for it or is elsewhere,
 * cuts. Each such name is a KSYMBOL record, as the kernel tells of code that it makes at run time, at a made-up address
 * of the kernel.
 *
 *   header | attribute | samples and other records | table of features | features
 */
#include "view/profile_picture.h"
#include <linux/perf_event.h>

enum {
    FEATURE_BUILD_ID = 2, /* perf's HEADER_* numbers */
    FEATURE_HOSTNAME = 3,
    FEATURE_EVENT_DESC = 12,
    FEATURES = 3,
    NAME_MOST = 500, /* bytes of a name */
    NAME_ALIGN = 64, /* perf's strings in features */
    PSEUDO_SIZE = 16,
};
#define PSEUDO_BASE 0xfffff00000000000u /* where no kernel has anything */
#define MODULE_BASE 0x100000000000u
#define MODULE_STEP 0x100000000u
#define MISC_BUILD_ID_SIZE (1u << 15) /* PERF_RECORD_MISC_BUILD_ID_SIZE, which is perf's own */

struct file_section {
    uint64_t offset, size;
};

struct file_header {
    char magic[8];
    uint64_t size, attribute_size;
    struct file_section attributes, data, event_types;
    uint64_t features[4];
};

struct perf_file {
    struct profile *profile;
    const struct profile_picture *picture;
    struct arena *arena;
    struct view_output *out; /* NULL: only count */
    uint64_t written;
    uint64_t *address;    /* of each frame, as the records have it */
    uint64_t *module_end; /* of each module */
    const char **names;   /* of the made-up addresses */
    uint32_t name_count;
    uint64_t last_time;
    struct strbuf record;
};

static bool is_pseudo(uint64_t address) { return address >= PSEUDO_BASE; }

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void put(struct perf_file *file, const void *bytes, size_t size) {
    if (file->out)
        view_output_write(file->out, bytes, size);
    file->written += size;
}

static void add_u64(struct perf_file *file, uint64_t value) { strbuf_add(&file->record, &value, sizeof value); }
static void add_u32(struct perf_file *file, uint32_t value) { strbuf_add(&file->record, &value, sizeof value); }

/* A text, closed and filled up with zeros to whole `align`. */
static void add_text(struct perf_file *file, const char *text, size_t align) {
    size_t length = strnlen(text, NAME_MOST);
    strbuf_add(&file->record, text, length);
    strbuf_fill(&file->record, '\0', align - length % align);
}

static void put_record(struct perf_file *file, uint32_t type, unsigned misc) {
    struct perf_event_header header = {
        .type = type, .misc = (uint16_t)misc, .size = (uint16_t)(sizeof header + file->record.length)};
    put(file, &header, sizeof header);
    put(file, strbuf_text(&file->record), file->record.length);
    strbuf_reset(&file->record);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Will perf find the name of a frame by itself? Then its place in the file. */
static bool is_in_file(const struct perf_file *file, const struct profile_frame *frame, uint64_t *offset) {
    const struct profile_picture *picture = file->picture;
    const char *path = profile_frame_module(file->profile, frame);
    return frame->kind == PROFILE_USER && *path == '/' && !frame->inlined && picture->find_in_file &&
           picture->find_in_file(picture->context, path, frame->address, offset) && *offset < MODULE_STEP;
}

static uint64_t pseudo_address(struct perf_file *file, struct hash *numbers, const char *name) {
    uintptr_t number = (uintptr_t)hash_get(numbers, name);
    if (!number) {
        file->names[file->name_count++] = name;
        number = file->name_count;
        hash_put(numbers, name, (void *)number);
    }
    return PSEUDO_BASE + (number - 1) * PSEUDO_SIZE;
}

static void place_frames(struct perf_file *file) {
    const struct profile *p = file->profile;
    struct hash numbers;
    hash_init(&numbers, file->arena);
    file->address = arena_new_array(file->arena, uint64_t, p->frames.count);
    file->names = arena_new_array(file->arena, const char *, p->frames.count);
    file->module_end = arena_new_array(file->arena, uint64_t, p->modules.count + 1);
    for (uint32_t i = 1; i < p->frames.count; i++) {
        const struct profile_frame *frame = &p->frames.data[i];
        uint64_t offset;
        if (!is_in_file(file, frame, &offset)) {
            file->address[i] = pseudo_address(file, &numbers, profile_frame_label(p, frame, file->arena));
            continue;
        }
        file->address[i] = MODULE_BASE + frame->module * MODULE_STEP + offset;
        if (offset >= file->module_end[frame->module])
            file->module_end[frame->module] = offset + 1;
    }
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static void put_names(struct perf_file *file) {
    for (uint32_t i = 0; i < file->name_count; i++) {
        const uint16_t type_and_flags[2] = {PERF_RECORD_KSYMBOL_TYPE_UNKNOWN, 0};
        struct strbuf clean = {0};
        profile_add_clean(&clean, file->names[i]);
        add_u64(file, PSEUDO_BASE + (uint64_t)i * PSEUDO_SIZE);
        add_u32(file, PSEUDO_SIZE);
        strbuf_add(&file->record, type_and_flags, sizeof type_and_flags);
        add_text(file, strbuf_text(&clean), 8);
        put_record(file, PERF_RECORD_KSYMBOL, PERF_RECORD_MISC_KERNEL);
        strbuf_free(&clean);
    }
}

static void put_threads(struct perf_file *file) {
    const struct profile *p = file->profile;
    for (uint32_t i = 0; i < p->threads.count; i++) {
        const struct profile_thread *thread = &p->threads.data[i];
        add_u32(file, thread->process);
        add_u32(file, thread->thread);
        add_text(file, p->strings.data[thread->name], 8);
        put_record(file, PERF_RECORD_COMM, 0);
    }
}

static void put_mapping(struct perf_file *file, uint32_t process, uint32_t module) {
    const struct profile_module *of = &file->profile->modules.data[module - 1];
    const uint8_t sized[4] = {of->build_id_size};
    const uint64_t page = 4096;
    add_u32(file, process);
    add_u32(file, process);
    add_u64(file, MODULE_BASE + module * MODULE_STEP);
    add_u64(file, (file->module_end[module] + page - 1) / page * page);
    add_u64(file, 0); /* where in the file */
    strbuf_add(&file->record, sized, sizeof sized);
    strbuf_add(&file->record, of->build_id, sizeof of->build_id); /* without one: zeros, as device and inode */
    add_u32(file, 5 /* PROT_READ | PROT_EXEC */);
    add_u32(file, 2 /* MAP_PRIVATE */);
    add_text(file, file->profile->strings.data[of->path], 8);
    put_record(file, PERF_RECORD_MMAP2,
               PERF_RECORD_MISC_USER | (of->build_id_size ? PERF_RECORD_MISC_MMAP_BUILD_ID : 0));
}

/* Every process has every module: a place means the same in all of them. */
static void put_mappings(struct perf_file *file) {
    const struct profile *p = file->profile;
    struct hash known;
    hash_init(&known, file->arena);
    for (uint32_t i = 0; i < p->threads.count; i++) {
        uint32_t process = p->threads.data[i].process;
        if (hash_get_number(&known, process))
            continue;
        hash_put_number(&known, process, file);
        for (uint32_t module = 1; module <= p->modules.count; module++) {
            if (file->module_end[module])
                put_mapping(file, process, module);
        }
    }
}

static uint64_t period_of(const struct profile *p, const struct profile_sample *sample) {
    return strcmp(p->unit, "samples") == 0 && p->period_ns ? sample->weight * p->period_ns : sample->weight;
}

/* The innermost frame first, with a mark in front of each run of addresses of the kernel or of the process. */
static uint64_t add_chain(struct perf_file *file, uint32_t node) {
    const struct profile *p = file->profile;
    enum { MOST = (UINT16_MAX - 128) / 8 }; /* a record's size has 16 bits */
    uint64_t count = 0, context = 0;
    for (; node && count < MOST; node = p->nodes.data[node].parent) {
        uint64_t address = file->address[p->nodes.data[node].frame];
        uint64_t wanted = is_pseudo(address) ? (uint64_t)PERF_CONTEXT_KERNEL : (uint64_t)PERF_CONTEXT_USER;
        if (wanted != context) {
            add_u64(file, wanted);
            count++;
        }
        context = wanted;
        add_u64(file, address);
        count++;
    }
    return count;
}

static void put_sample(struct perf_file *file, const struct profile_sample *sample) {
    const struct profile *p = file->profile;
    static const struct profile_thread nobody;
    const struct profile_thread *thread =
        sample->thread < p->threads.count ? &p->threads.data[sample->thread] : &nobody;
    uint64_t leaf = file->address[p->nodes.data[sample->node].frame];
    file->last_time = sample->time == PROFILE_NO_TIME ? file->last_time + 1 : sample->time + 1;
    add_u64(file, leaf);
    add_u32(file, thread->process);
    add_u32(file, thread->thread);
    add_u64(file, file->last_time);
    add_u32(file, sample->cpu == UINT32_MAX ? 0 : sample->cpu);
    add_u32(file, 0);
    add_u64(file, period_of(p, sample));
    size_t at = file->record.length;
    add_u64(file, 0);
    uint64_t count = add_chain(file, sample->node);
    memcpy(file->record.data + at, &count, sizeof count);
    put_record(file, PERF_RECORD_SAMPLE, is_pseudo(leaf) ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER);
}

static void put_data(struct perf_file *file) {
    const struct profile *p = file->profile;
    file->last_time = 0;
    put_names(file);
    put_threads(file);
    put_mappings(file);
    for (uint32_t i = 0; i < p->samples.count; i++)
        put_sample(file, &p->samples.data[i]);
    if (p->badge.lost) {
        add_u64(file, 0);
        add_u64(file, p->badge.lost);
        put_record(file, PERF_RECORD_LOST, 0);
    }
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

static void put_build_ids(struct perf_file *file) {
    const struct profile *p = file->profile;
    for (uint32_t i = 0; i < p->modules.count; i++) {
        const struct profile_module *module = &p->modules.data[i];
        const uint8_t sized[4] = {module->build_id_size};
        if (!module->build_id_size || !file->module_end[i + 1])
            continue;
        add_u32(file, UINT32_MAX); /* of no process: of the machine */
        strbuf_add(&file->record, module->build_id, sizeof module->build_id);
        strbuf_add(&file->record, sized, sizeof sized);
        add_text(file, p->strings.data[module->path], NAME_ALIGN);
        put_record(file, 0, PERF_RECORD_MISC_USER | MISC_BUILD_ID_SIZE);
    }
}

static void put_text(struct perf_file *file, const char *text) {
    size_t length = strnlen(text, NAME_MOST);
    uint32_t size = (uint32_t)(length + NAME_ALIGN - length % NAME_ALIGN);
    put(file, &size, sizeof size);
    add_text(file, text, NAME_ALIGN);
    put(file, strbuf_text(&file->record), file->record.length);
    strbuf_reset(&file->record);
}

static void put_host(struct perf_file *file) { put_text(file, file->profile->host); }

/* Size of what a function puts. */
static uint64_t size_of(struct perf_file *file, void (*put_it)(struct perf_file *file)) {
    struct view_output *out = file->out;
    uint64_t before = file->written;
    file->out = NULL;
    put_it(file);
    uint64_t size = file->written - before;
    file->out = out;
    file->written = before;
    return size;
}

static struct perf_event_attr attribute_of(const struct profile *p) {
    return (struct perf_event_attr){
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(struct perf_event_attr),
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = p->period_ns ? p->period_ns : 1,
        .sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD |
                       PERF_SAMPLE_CALLCHAIN,
        .exclude_guest = 1,
        .mmap = 1,
        .mmap2 = 1,
        .comm = 1,
        .ksymbol = 1,
        .build_id = 1,
    };
}

/* One event, and what it is called. */
static void put_event(struct perf_file *file) {
    const struct perf_event_attr attribute = attribute_of(file->profile);
    const uint32_t numbers[2] = {1, sizeof attribute}, ids = 0;
    put(file, numbers, sizeof numbers);
    put(file, &attribute, sizeof attribute);
    put(file, &ids, sizeof ids);
    put_text(file, *file->profile->event ? file->profile->event : "samples");
}

static void put_file(struct perf_file *file) {
    static void (*const features[FEATURES])(struct perf_file * file) = {put_build_ids, put_host, put_event};
    const struct {
        struct perf_event_attr attribute;
        struct file_section ids;
    } attribute = {.attribute = attribute_of(file->profile)};
    struct file_header header = {.magic = "PERFILE2", .size = sizeof header, .attribute_size = sizeof attribute};
    struct file_section sections[FEATURES];
    header.attributes = (struct file_section){sizeof header, sizeof attribute};
    header.data = (struct file_section){sizeof header + sizeof attribute, size_of(file, put_data)};
    header.features[0] = 1u << FEATURE_BUILD_ID | 1u << FEATURE_HOSTNAME | 1u << FEATURE_EVENT_DESC;
    uint64_t offset = header.data.offset + header.data.size + sizeof sections;
    for (int i = 0; i < FEATURES; i++) {
        sections[i] = (struct file_section){offset, size_of(file, features[i])};
        offset += sections[i].size;
    }
    put(file, &header, sizeof header);
    put(file, &attribute, sizeof attribute);
    put_data(file);
    put(file, sections, sizeof sections);
    for (int i = 0; i < FEATURES; i++)
        features[i](file);
}

void profile_write_perf(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct perf_file file = {.profile = profile, .picture = picture, .arena = arena, .out = out};
    place_frames(&file);
    put_file(&file);
    strbuf_free(&file.record);
    arena_free(arena);
}
