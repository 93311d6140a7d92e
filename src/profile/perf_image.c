/* First pass: which process had what mapped when. */
#include "profile/perf_int.h"

#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8 << 20, ROOM_FOR_NAME = 16 };
#define KERNEL_PID UINT32_MAX
#define NO_PID (UINT32_MAX - 1)

static uint32_t word(const uint8_t *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t long_word(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* In order of time; mostly it is the last one so far. */
static void add_period(struct hash *table, uint32_t number, struct perf_period *period) {
    struct perf_period *first = hash_get_number(table, number), *before = first;
    if (!first || first->since > period->since) {
        period->next = first;
        period->last = first ? first->last : period;
        hash_put_number(table, number, period);
        return;
    }
    if (first->last->since <= period->since)
        before = first->last;
    while (before->next && before->next->since <= period->since)
        before = before->next;
    period->next = before->next;
    before->next = period;
    first->last = period->next ? first->last : period;
}

/* The first one counts for what was before it; NULL: there is none. */
static void *period_at(const struct hash *table, uint32_t number, uint64_t time) {
    struct perf_period *period = hash_get_number(table, number);
    while (period && period->next && period->next->since <= time)
        period = period->next;
    return period;
}

static struct perf_image *add_image(struct perf_images *images, uint32_t pid, uint64_t since) {
    struct perf_image *image = arena_make(images->arena, struct perf_image);
    image->pid = pid;
    image->number = images->all.count;
    image->period.since = since;
    vec_push(images->arena, &images->all, image);
    add_period(&images->processes, pid, &image->period);
    return image;
}

static struct perf_image *image_for(struct perf_images *images, uint32_t pid, uint64_t time) {
    struct perf_image *image = period_at(&images->processes, pid, time);
    return image ? image : add_image(images, pid, 0);
}

const struct perf_image *perf_image_at(const struct perf_images *images, uint32_t pid, uint64_t time) {
    const struct perf_image *image = period_at(&images->processes, pid, time);
    return image ? image : images->nothing;
}

static void add_comm(struct perf_images *images, uint32_t tid, uint64_t since, const char *name) {
    struct perf_comm *comm = arena_make(images->arena, struct perf_comm);
    comm->period.since = since;
    comm->name = name;
    add_period(&images->threads, tid, &comm->period);
}

const struct perf_comm *perf_comm_at(const struct perf_images *images, uint32_t tid, uint64_t time) {
    return period_at(&images->threads, tid, time);
}

const char *perf_comm_name(const struct perf_comm *comm, uint32_t tid) {
    return comm ? comm->name : tid ? "" : "swapper";
}

static void on_mapping(struct perf_images *images, const struct object_perf_record *record, uint64_t time) {
    struct object_perf_mapping mapping;
    if (!object_perf_mapping(record, &mapping) || !mapping.is_executable ||
        mapping.start + mapping.size < mapping.start)
        return;
    struct perf_image *image = mapping.pid == KERNEL_PID ? images->kernel : image_for(images, mapping.pid, time);
    struct perf_map *map = vec_add(images->arena, &image->maps);
    map->start = mapping.start;
    map->end = mapping.start + mapping.size;
    map->file_offset = mapping.file_offset;
    map->time = time;
    map->path = arena_strdup(images->arena, mapping.path);
    map->build_id_size = mapping.build_id_size;
    memcpy(map->build_id, mapping.build_id, sizeof map->build_id);
    const struct object_perf_build_id *known = object_perfdata_build_id(images->data, map->path);
    if (!map->build_id_size && known) {
        map->build_id_size = known->size;
        memcpy(map->build_id, known->bytes, sizeof map->build_id);
    }
    if (mapping.pid == KERNEL_PID && str_starts(map->path, "[kernel.kallsyms]"))
        images->text_start = mapping.file_offset;
}

static void on_comm(struct perf_images *images, const struct object_perf_record *record, uint64_t time) {
    if (record->size < 8 + ROOM_FOR_NAME / 2)
        return;
    uint32_t pid = word(record->body), tid = word(record->body + 4);
    const char *text = (const char *)record->body + 8;
    add_comm(images, tid, time, arena_strndup(images->arena, text, strnlen(text, record->size - 8)));
    if (record->misc & PERF_RECORD_MISC_COMM_EXEC)
        add_image(images, pid, time);
}

/* {pid, parent's pid, tid, parent's tid, time} */
static void on_fork(struct perf_images *images, const struct object_perf_record *record, uint64_t time) {
    if (record->size < 24)
        return;
    const uint8_t *body = record->body;
    uint32_t pid = word(body), parent = word(body + 4), tid = word(body + 8), parent_tid = word(body + 12);
    time = time ? time : long_word(body + 16);
    if (pid != parent)
        add_image(images, pid, time)->parent = image_for(images, parent, time);
    const struct perf_comm *comm = perf_comm_at(images, parent_tid, time);
    if (comm)
        add_comm(images, tid, time, comm->name);
}

/* Code that the kernel made: {u64 address, u32 length, u16 kind, u16 flags, name} */
static void on_kernel_symbol(struct perf_images *images, const struct object_perf_record *record) {
    enum { NAME = 16, IS_GONE = 1 };
    if (record->size <= NAME || record->body[14] & IS_GONE)
        return;
    uint64_t start = long_word(record->body);
    const char *name = (const char *)record->body + NAME;
    vec_push(images->arena, &images->kernel_symbols,
             ((struct perf_kernel_symbol){start, start + word(record->body + 8),
                                          arena_strndup(images->arena, name, strnlen(name, record->size - NAME))}));
}

static void on_record(struct perf_images *images, const struct object_perf_record *record) {
    uint64_t time = object_perf_time(images->data, record);
    switch (record->type) {
    case PERF_RECORD_MMAP:
    case PERF_RECORD_MMAP2:
        on_mapping(images, record, time);
        break;
    case PERF_RECORD_COMM:
        on_comm(images, record, time);
        break;
    case PERF_RECORD_FORK:
        on_fork(images, record, time);
        break;
    case PERF_RECORD_LOST: /* {id, lost} */
        images->lost += record->size >= 16 ? long_word(record->body + 8) : 0;
        break;
    case PERF_RECORD_LOST_SAMPLES:
        images->lost += record->size >= 8 ? long_word(record->body) : 0;
        break;
    case PERF_RECORD_KSYMBOL:
        on_kernel_symbol(images, record);
        break;
    }
}

static int by_start(const void *a, const void *b) {
    const struct perf_map *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->time < y->time ? -1 : x->time > y->time;
}

static void sort_maps(struct perf_image *image) {
    uint64_t end = 0;
    if (image->maps.count)
        qsort(image->maps.data, image->maps.count, sizeof *image->maps.data, by_start);
    for (uint32_t i = 0; i < image->maps.count; i++) {
        image->has_overlaps |= image->maps.data[i].start < end;
        end = image->maps.data[i].end > end ? image->maps.data[i].end : end;
    }
}

static int by_kernel_start(const void *a, const void *b) {
    const struct perf_kernel_symbol *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

void perf_images_read(struct perf_images *images, struct arena *arena, const struct object_perfdata *data) {
    struct object_perf_cursor cursor = object_perf_cursor(data, 0, UINT64_MAX);
    struct object_perf_record record;

    *images = (struct perf_images){.arena = arena, .data = data};
    hash_init(&images->processes, arena);
    hash_init(&images->threads, arena);
    images->kernel = add_image(images, KERNEL_PID, 0);
    images->nothing = add_image(images, NO_PID, 0);
    uint32_t events;
    object_perfdata_events(data, &events);
    images->event_samples = arena_new_array(arena, uint64_t, events);
    uint64_t end = 0;
    for (uint64_t piece = 0; object_perf_next(&cursor, &record);) {
        if (record.at >= piece) {
            vec_push(arena, &images->pieces, record.at);
            piece = record.at + PIECE;
        }
        end = record.at + 1;
        if (record.type == PERF_RECORD_SAMPLE)
            images->event_samples[events > 1 ? object_perf_event_of(data, &record) : 0]++;
        else
            on_record(images, &record);
    }
    vec_push(arena, &images->pieces, end);
    images->cut = cursor.cut;
    images->cut_at = cursor.at;
    for (uint32_t i = 0; i < images->all.count; i++)
        sort_maps(images->all.data[i]);
    if (images->kernel_symbols.count)
        qsort(images->kernel_symbols.data, images->kernel_symbols.count, sizeof *images->kernel_symbols.data,
              by_kernel_start);
}

/* The last of those that were there at the time; if none was, the first: perf reads what is mapped at its start later
 * than the first samples come. */
static struct perf_map *among(const struct perf_image *image, uint64_t address, uint64_t time) {
    uint32_t behind = vec_count_up_to(image->maps.data, image->maps.count, sizeof *image->maps.data, address);
    struct perf_map *best = NULL;
    for (uint32_t i = behind; i-- > 0;) {
        struct perf_map *map = &image->maps.data[i];
        if (address < map->end) {
            bool is_better = !best || (map->time <= time ? best->time > time || map->time > best->time
                                                         : best->time > time && map->time < best->time);
            if (is_better)
                best = map;
        }
        if (!image->has_overlaps)
            break;
    }
    return best;
}

struct perf_map *perf_map_at(const struct perf_image *image, uint64_t address, uint64_t time) {
    for (; image; image = image->parent) {
        struct perf_map *map = among(image, address, time);
        if (map)
            return map;
        time = image->period.since;
    }
    return NULL;
}
