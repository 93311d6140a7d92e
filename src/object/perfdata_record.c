/* Records: walking over them, and what is in those that profiles are made of. */
#include "object/input.h"
#include "object/perfdata_int.h"

#include <linux/perf_event.h>

enum { RECORD_HEADER = 8 };

struct object_perf_cursor object_perf_cursor(const struct object_perfdata *data, uint64_t from, uint64_t to) {
    return (struct object_perf_cursor){data, from, to < data->data_size ? to : data->data_size, NULL};
}

static bool cut(struct object_perf_cursor *cursor, const char *why) {
    cursor->cut = why;
    cursor->to = 0;
    return false;
}

/* Two kinds have bytes behind them that their size does not count. */
static uint64_t bytes_behind(const struct object_perf_record *record) {
    if (record->type == PERFDATA_AUXTRACE && record->size >= 8)
        return object_u64(record->body);
    if (record->type == PERFDATA_TRACING_DATA && record->size >= 4)
        return ((uint64_t)object_u32(record->body) + 7) & ~7ull;
    return 0;
}

bool object_perf_next(struct object_perf_cursor *cursor, struct object_perf_record *record) {
    const struct object_perfdata *data = cursor->data;
    uint64_t left = data->data_size - cursor->at;
    const uint8_t *header = data->bytes + data->data_offset + cursor->at;
    if (cursor->at >= cursor->to)
        return false;
    uint16_t size = left < RECORD_HEADER ? 0 : object_u16(header + 6);
    if (left < RECORD_HEADER || size > left)
        return cut(cursor, "a record is cut off");
    if (size < RECORD_HEADER || size % 8)
        return cut(cursor, "a record has an impossible size");
    *record = (struct object_perf_record){object_u32(header), object_u16(header + 4), header + RECORD_HEADER,
                                          (uint32_t)size - RECORD_HEADER, cursor->at};
    uint64_t behind = bytes_behind(record);
    if (behind > left - size)
        return cut(cursor, "a record is cut off");
    if (record->type == PERFDATA_COMPRESSED || record->type == PERFDATA_COMPRESSED2)
        return cut(cursor, "the records are compressed (perf record -z)");
    cursor->at += size + behind;
    return true;
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

/* Words taken off the front; all zero once they ran out. */
struct words {
    const uint8_t *at, *end;
    bool short_of;
};

static const uint8_t *take(struct words *words, uint64_t size) {
    if (size > (uint64_t)(words->end - words->at)) {
        words->short_of = true;
        return NULL;
    }
    const uint8_t *at = words->at;
    words->at += size;
    return at;
}

static uint64_t take_word(struct words *words) {
    const uint8_t *at = take(words, 8);
    return at ? object_u64(at) : 0;
}

/* Words as an array: the kernel has them at multiples of 8. */
static const uint64_t *take_words(struct words *words, uint64_t count) {
    const uint8_t *at = count > UINT16_MAX || (uintptr_t)words->at % 8 ? NULL : take(words, count * 8);
    words->short_of |= !at;
    return (const void *)at;
}

/* The number of words of PERF_SAMPLE_READ. */
static void skip_read(struct words *words, uint64_t format) {
    uint64_t times = __builtin_popcountll(format & (PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING));
    uint64_t each = 1 + __builtin_popcountll(format & (PERF_FORMAT_ID | PERF_FORMAT_LOST));
    uint64_t count = format & PERF_FORMAT_GROUP ? take_word(words) : 1;
    take_words(words, count > UINT16_MAX ? UINT64_MAX : times + count * each);
}

static uint32_t event_of(const struct object_perfdata *data, uint64_t id) {
    uintptr_t found = (uintptr_t)hash_get_number(&data->event_of_id, id);
    return found && found <= data->events.count ? (uint32_t)found - 1 : 0;
}

/* Which event's sample it is must be known before it can be taken apart: with several events perf puts the id first. */
static const struct object_perf_event *kind_of(const struct object_perfdata *data, struct words words,
                                               uint32_t *number) {
    const struct object_perf_event *first = data->events.data;
    *number = first->sample_type & PERF_SAMPLE_IDENTIFIER ? event_of(data, take_word(&words)) : 0;
    return &first[*number];
}

/* Ids that are not in front stand behind place, thread, time and address. */
uint32_t object_perf_event_of(const struct object_perfdata *data, const struct object_perf_record *record) {
    uint64_t what = data->events.data->sample_type;
    unsigned before =
        (unsigned)__builtin_popcountll(what & (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR));
    unsigned offset = what & PERF_SAMPLE_IDENTIFIER ? 0 : before * 8;
    if (!(what & (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ID)) || offset + 8 > record->size)
        return 0;
    return event_of(data, object_u64(record->body + offset));
}

static void take_stack(struct words *words, struct object_perf_sample *sample) {
    uint64_t size = take_word(words);
    const uint8_t *bytes = take(words, size);
    uint64_t filled = size ? take_word(words) : 0;
    sample->stack = bytes;
    sample->stack_size = filled < size ? filled : size;
}

/* In the order in which the kernel writes them (perf_event.h at PERF_RECORD_SAMPLE). */
bool object_perf_sample(const struct object_perfdata *data, const struct object_perf_record *record,
                        struct object_perf_sample *sample) {
    struct words words = {record->body, record->body + record->size, false};
    *sample = (struct object_perf_sample){.cpu = UINT32_MAX, .period = 1};
    const struct object_perf_event *event = kind_of(data, words, &sample->event);
    uint64_t what = event->sample_type;
    if (what & PERF_SAMPLE_IDENTIFIER)
        sample->id = take_word(&words);
    if (what & PERF_SAMPLE_IP)
        sample->ip = take_word(&words);
    if (what & PERF_SAMPLE_TID) {
        uint64_t both = take_word(&words);
        sample->pid = (uint32_t)both;
        sample->tid = (uint32_t)(both >> 32);
    }
    if (what & PERF_SAMPLE_TIME)
        sample->time = take_word(&words);
    if (what & PERF_SAMPLE_ADDR)
        sample->address = take_word(&words);
    if (what & PERF_SAMPLE_ID) {
        sample->id = take_word(&words);
        sample->event = event_of(data, sample->id);
    }
    if (what & PERF_SAMPLE_STREAM_ID)
        take_word(&words);
    if (what & PERF_SAMPLE_CPU)
        sample->cpu = (uint32_t)take_word(&words);
    if (what & PERF_SAMPLE_PERIOD)
        sample->period = take_word(&words);
    if (what & PERF_SAMPLE_READ)
        skip_read(&words, event->read_format);
    if (what & PERF_SAMPLE_CALLCHAIN) {
        sample->chain_count = take_word(&words);
        sample->chain = take_words(&words, sample->chain_count);
    }
    if (what & PERF_SAMPLE_RAW) { /* u32 size, padded with it to 8 bytes */
        const uint8_t *size = take(&words, 4);
        take(&words, size ? object_u32(size) : 0);
    }
    if (what & PERF_SAMPLE_BRANCH_STACK) {
        uint64_t count = take_word(&words);
        uint64_t head = event->branch_sample_type & PERF_SAMPLE_BRANCH_HW_INDEX ? 1 : 0;
        take_words(&words, count > UINT16_MAX ? UINT64_MAX : head + 3 * count);
    }
    if (what & PERF_SAMPLE_REGS_USER) {
        sample->register_abi = take_word(&words);
        if (sample->register_abi)
            sample->registers = take_words(&words, event->register_count);
    }
    if (what & PERF_SAMPLE_STACK_USER)
        take_stack(&words, sample);
    return !words.short_of;
}

/* ---- other records --------------------------------------------------------------------------------------------- */

uint64_t object_perf_time(const struct object_perfdata *data, const struct object_perf_record *record) {
    uint64_t what = data->events.data->sample_type;
    if (!data->events.data->has_sample_id || !(what & PERF_SAMPLE_TIME))
        return 0;
    /* from the end: identifier, cpu, stream id, id, then the time */
    unsigned behind = (unsigned)__builtin_popcountll(
        what & (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_CPU | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_ID));
    uint64_t offset = 8 * (behind + 1ull);
    return record->size < offset ? 0 : object_u64(record->body + record->size - offset);
}

bool object_perf_mapping(const struct object_perf_record *record, struct object_perf_mapping *mapping) {
    enum { PATH = 32, PATH2 = 64, BUILD_ID = 36, PROTECTION = 56, EXECUTE = 4 };
    bool is_second = record->type == PERF_RECORD_MMAP2;
    uint32_t path = is_second ? PATH2 : PATH;
    const uint8_t *body = record->body;
    if ((record->type != PERF_RECORD_MMAP && !is_second) || record->size <= path)
        return false;
    *mapping = (struct object_perf_mapping){
        .pid = object_u32(body),
        .tid = object_u32(body + 4),
        .start = object_u64(body + 8),
        .size = object_u64(body + 16),
        .file_offset = object_u64(body + 24),
        .path = (const char *)body + path,
        .is_executable =
            is_second ? object_u32(body + PROTECTION) & EXECUTE : !(record->misc & PERF_RECORD_MISC_MMAP_DATA),
    };
    if (!memchr(mapping->path, 0, record->size - path))
        return false;
    if (is_second && record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID && body[PATH] <= 20) {
        mapping->build_id_size = body[PATH];
        memcpy(mapping->build_id, body + BUILD_ID, mapping->build_id_size);
    }
    return true;
}
