/* Taking numbers off DWARF's bytes: debug information and call frame information (.eh_frame) write them alike. Hostile
 * bytes: nothing is read behind the end, where everything is 0 and is_bad. Little-endian, as all files that elf.h
 * opens.
 */
#ifndef TARSIER_OBJECT_DWARF_READER_H
#define TARSIER_OBJECT_DWARF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dwarf_reader {
    const uint8_t *at, *end;
    bool is_bad;
};

/* 1, 2, 3, 4 or 8 bytes */
static inline uint64_t dwarf_number(struct dwarf_reader *in, unsigned size) {
    uint64_t value = 0;

    if ((size_t)(in->end - in->at) < size || size > sizeof value) {
        in->is_bad = true;
        in->at = in->end;
        return 0;
    }
    memcpy(&value, in->at, size);
    in->at += size;
    return value;
}

static inline uint64_t dwarf_uleb(struct dwarf_reader *in) {
    uint64_t value = 0;

    for (unsigned shift = 0; in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    in->is_bad = true;
    return 0;
}

static inline int64_t dwarf_sleb(struct dwarf_reader *in) {
    uint64_t value = 0;

    for (unsigned shift = 0; in->at < in->end;) {
        uint8_t byte = *in->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (!(byte & 0x80)) {
            if (byte & 0x40 && shift < 64)
                value |= ~0ull << shift;
            return (int64_t)value;
        }
    }
    in->is_bad = true;
    return 0;
}

static inline const uint8_t *dwarf_bytes(struct dwarf_reader *in, uint64_t size) {
    const uint8_t *start = in->at;

    if ((uint64_t)(in->end - in->at) < size) {
        in->is_bad = true;
        in->at = in->end;
        return NULL;
    }
    in->at += size;
    return start;
}

#endif
