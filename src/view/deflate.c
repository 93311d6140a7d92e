#include "view/deflate.h"
#include "base/arena.h"
#include <stdlib.h>
#include <string.h>

enum {
    SHORTEST = 4, /* of a repeat that is looked for; the format has 3 */
    LONGEST = 258,
    WINDOW = 32768,
    HASH_BITS = 15,
    END_OF_BLOCK = 256,
};

struct bits {
    struct strbuf *out;
    uint64_t waiting; /* lowest bit first */
    unsigned count;
};

static void put_bits(struct bits *bits, uint32_t value, unsigned count) {
    bits->waiting |= (uint64_t)value << bits->count;
    for (bits->count += count; bits->count >= 8; bits->count -= 8) {
        strbuf_addch(bits->out, (char)bits->waiting);
        bits->waiting >>= 8;
    }
}

/* Codes stand with their highest bit first. */
static void put_code(struct bits *bits, uint32_t code, unsigned count) {
    uint32_t reversed = 0;
    for (unsigned i = 0; i < count; i++)
        reversed |= (code >> i & 1) << (count - 1 - i);
    put_bits(bits, reversed, count);
}

/* RFC 1951, 3.2.6 */
static void put_symbol(struct bits *bits, unsigned symbol) {
    if (symbol < 144)
        put_code(bits, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(bits, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(bits, symbol - 256, 7);
    else
        put_code(bits, 0xc0 + symbol - 280, 8);
}

/* RFC 1951, 3.2.5: a code for the range, and extra bits for the place in it. */
static void put_length(struct bits *bits, unsigned length) {
    unsigned from_three = length - 3, extra = 0;
    if (length == LONGEST) {
        put_symbol(bits, 285);
        return;
    }
    while (from_three >> extra >= 8)
        extra++;
    put_symbol(bits, 257 + extra * 4 + (from_three >> extra));
    put_bits(bits, from_three & ((1u << extra) - 1), extra);
}

static void put_distance(struct bits *bits, unsigned distance) {
    unsigned from_one = distance - 1, extra = 0;
    while (from_one >> extra >= 4)
        extra++;
    put_code(bits, extra * 2 + (from_one >> extra), 5);
    put_bits(bits, from_one & ((1u << extra) - 1), extra);
}

static uint32_t hash_at(const uint8_t *at) {
    uint32_t four;
    memcpy(&four, at, sizeof four);
    return four * 2654435761u >> (32 - HASH_BITS);
}

static unsigned repeat_length(const uint8_t *before, const uint8_t *at, size_t left) {
    unsigned length = 0, most = left < LONGEST ? (unsigned)left : LONGEST;
    while (length < most && before[length] == at[length])
        length++;
    return length;
}

static void deflate(struct bits *bits, const uint8_t *bytes, size_t size) {
    size_t *latest = calloc((size_t)1 << HASH_BITS, sizeof *latest); /* place + 1 */
    if (!latest)
        arena_out_of_memory(sizeof *latest << HASH_BITS);
    put_bits(bits, 3, 3); /* the last block, fixed codes */
    for (size_t at = 0; at < size;) {
        unsigned length = 0;
        size_t before = 0;
        if (size - at >= SHORTEST) {
            size_t *place = &latest[hash_at(bytes + at)];
            before = *place;
            *place = at + 1;
            if (before && at + 1 - before <= WINDOW)
                length = repeat_length(bytes + before - 1, bytes + at, size - at);
        }
        if (length < SHORTEST) {
            put_symbol(bits, bytes[at++]);
            continue;
        }
        put_length(bits, length);
        put_distance(bits, (unsigned)(at + 1 - before));
        at += length;
    }
    put_symbol(bits, END_OF_BLOCK);
    put_bits(bits, 0, (8 - bits->count % 8) % 8);
    free(latest);
}

/* CRC-32 of IEEE 802.3, as RFC 1952 has it. */
static uint32_t checksum(const uint8_t *bytes, size_t size) {
    uint32_t table[256], sum = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
    }
    for (size_t i = 0; i < size; i++)
        sum = table[(sum ^ bytes[i]) & 0xff] ^ sum >> 8;
    return ~sum;
}

void view_gzip(const void *bytes, size_t size, struct strbuf *out) {
    static const uint8_t head[] = {0x1f, 0x8b, 8 /* DEFLATE */, 0, 0, 0, 0, 0 /* no time: the same bytes each time */,
                                   0,    3};
    struct bits bits = {.out = out};
    strbuf_add(out, head, sizeof head);
    deflate(&bits, bytes, size);
    put_bits(&bits, checksum(bytes, size), 32);
    put_bits(&bits, (uint32_t)size, 32);
}
