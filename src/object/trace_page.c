#include "object/trace_page.h"

#include <string.h>

enum {
    HEAD = 16, /* of the page */
    TYPE_BITS = 5,
    TIME_BITS = 27,
    TYPE_LONG = 0,
    TYPE_PADDING = 29,
    TYPE_EXTEND = 30,
    TYPE_STAMP = 31,
    RECORD_HEAD = 8,
};
#define COMMIT_SIZE 0xfffffu
#define COMMIT_LOST (1u << 31)
#define COMMIT_COUNTED (1u << 30)
#define STAMP_BITS 59 /* that an absolute time has; those above are the page's */

static uint64_t number_at(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;

    memcpy(&value, bytes, size); /* little endian */
    return value;
}

bool object_trace_page_open(struct object_trace_page *page, const void *bytes, size_t size) {
    *page = (struct object_trace_page){.bytes = bytes, .at = HEAD, .end = HEAD};
    if (size < HEAD)
        return false;
    uint64_t commit = number_at(page->bytes + 8, 8), length = commit & COMMIT_SIZE;
    page->time = number_at(page->bytes, 8);
    page->has_lost = commit & COMMIT_LOST;
    page->is_damaged = length > size - HEAD;
    page->end = page->is_damaged ? size : HEAD + (size_t)length;
    if (page->has_lost && commit & COMMIT_COUNTED && size - page->end >= 8)
        page->lost = number_at(page->bytes + page->end, 8);
    return true;
}

static bool stop(struct object_trace_page *page, bool is_damaged) {
    page->is_damaged |= is_damaged;
    page->at = page->end;
    return false;
}

bool object_trace_page_next(struct object_trace_page *page, struct object_trace_record *record) {
    while (page->end - page->at >= 4) {
        uint32_t head = (uint32_t)number_at(page->bytes + page->at, 4);
        uint32_t type = head & ((1u << TYPE_BITS) - 1);
        uint64_t time = head >> TYPE_BITS, word = 0;
        size_t left = page->end - page->at - 4, size = type * 4;
        const unsigned char *data = page->bytes + page->at + 4;

        bool has_word = type == TYPE_LONG || type >= TYPE_PADDING;
        if (type == TYPE_PADDING && time == 0)
            return stop(page, false);
        if (has_word && left < 4)
            return stop(page, true);
        if (has_word)
            word = number_at(data, 4);
        if (type == TYPE_EXTEND || type == TYPE_STAMP) {
            time |= word << TIME_BITS;
            if (type == TYPE_STAMP)
                page->time = (page->time >> STAMP_BITS << STAMP_BITS) | time;
            else
                page->time += time;
            page->at += 8;
            continue;
        }
        if (has_word)
            size = (size_t)word;
        if (size > left || (has_word && size < 4))
            return stop(page, true);
        page->at += 4 + size;
        page->time += time;
        if (type == TYPE_PADDING)
            continue;
        data += has_word ? 4 : 0;
        size -= has_word ? 4 : 0;
        if (size < RECORD_HEAD)
            return stop(page, true);
        *record = (struct object_trace_record){.time = page->time,
                                               .event = (uint16_t)number_at(data, 2),
                                               .flags = data[2],
                                               .thread = (int32_t)number_at(data + 4, 4),
                                               .bytes = data,
                                               .size = size};
        return true;
    }
    return stop(page, page->end != page->at);
}
