#include "object/inflate.h"

#include "base/arena.h"
#include "object/input.h"
#include <stdlib.h>

#include <string.h>

enum {
    LONGEST = 15, /* bits of a code */
    FAST = 10,    /* codes up to this long are found by one look into a table */
    LITERALS = 288,
    DISTANCES = 30, /* symbols of the two alphabets */
    END_OF_BLOCK = 256,
};

struct stream {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_start, *out_end;
    uint64_t bits; /* read ahead, the next one lowest */
    unsigned count;
    bool is_bad;
};

/* A canonical code: codes of one length are consecutive numbers, in the order of their symbols. */
struct code {
    uint16_t fast[1 << FAST];    /* symbol << 4 | length; 0: longer than FAST, or no code */
    uint16_t count[LONGEST + 1]; /* codes of each length */
    uint16_t symbol[LITERALS];   /* by code */
};

/* ---- bits ---------------------------------------------------------------------------------------------------- */

static void fill(struct stream *s) {
    while (s->count <= 56 && s->in < s->in_end) {
        s->bits |= (uint64_t)*s->in++ << s->count;
        s->count += 8;
    }
}

static void drop(struct stream *s, unsigned count) {
    if (count > s->count) {
        s->is_bad = true;
        count = s->count;
    }
    s->bits >>= count;
    s->count -= count;
}

static unsigned take(struct stream *s, unsigned count) {
    if (s->count < count)
        fill(s);
    unsigned value = (unsigned)(s->bits & ((1u << count) - 1));
    drop(s, count);
    return value;
}

/* ---- codes --------------------------------------------------------------------------------------------------- */

static unsigned reversed(unsigned code, unsigned length) {
    unsigned result = 0;

    for (unsigned i = 0; i < length; i++)
        result |= (code >> i & 1) << (length - 1 - i);
    return result;
}

/* From the length of each symbol's code (0: none). False: there are more codes than lengths allow. */
static bool make_code(struct code *code, const uint8_t *lengths, unsigned symbols) {
    uint16_t place[LONGEST + 2] = {0}, next[LONGEST + 2] = {0};
    int left = 1;

    memset(code->count, 0, sizeof code->count);
    memset(code->fast, 0, sizeof code->fast);
    for (unsigned i = 0; i < symbols; i++)
        code->count[lengths[i]]++;
    code->count[0] = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        left = left * 2 - code->count[length];
        if (left < 0)
            return false;
        place[length + 1] = (uint16_t)(place[length] + code->count[length]);
        next[length + 1] = (uint16_t)((next[length] + code->count[length]) << 1);
    }
    for (unsigned i = 0; i < symbols; i++) {
        unsigned length = lengths[i];
        if (!length)
            continue;
        code->symbol[place[length]++] = (uint16_t)i;
        unsigned bits = reversed(next[length]++, length);
        for (; length <= FAST && bits < 1u << FAST; bits += 1u << length)
            code->fast[bits] = (uint16_t)(i << 4 | length);
    }
    return true;
}

static unsigned decode(struct stream *s, const struct code *code) {
    if (s->count < LONGEST)
        fill(s);
    unsigned entry = code->fast[s->bits & ((1u << FAST) - 1)];
    if (entry) {
        drop(s, entry & 15);
        return entry >> 4;
    }
    unsigned value = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= LONGEST; length++) {
        value |= (unsigned)(s->bits >> (length - 1)) & 1;
        if (value - first < code->count[length]) {
            drop(s, length);
            return code->symbol[index + value - first];
        }
        index += code->count[length];
        first = (first + code->count[length]) << 1;
        value <<= 1;
    }
    s->is_bad = true;
    return END_OF_BLOCK;
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

static void stored(struct stream *s) {
    drop(s, s->count % 8);
    unsigned length = take(s, 16), inverse = take(s, 16);

    if (length != (~inverse & 0xffff) || s->is_bad || length > (size_t)(s->out_end - s->out)) {
        s->is_bad = true;
        return;
    }
    for (; length && s->count; length--) /* what was read ahead */
        *s->out++ = (uint8_t)take(s, 8);
    if (length > (size_t)(s->in_end - s->in)) {
        s->is_bad = true;
        return;
    }
    memcpy(s->out, s->in, length);
    s->in += length;
    s->out += length;
}

/* A copy of earlier output; source and target may overlap, which repeats. */
static void copy(struct stream *s, unsigned length, unsigned distance) {
    if (distance > (size_t)(s->out - s->out_start) || length > (size_t)(s->out_end - s->out)) {
        s->is_bad = true;
        return;
    }
    const uint8_t *from = s->out - distance;
    if (distance >= length) {
        memcpy(s->out, from, length);
        s->out += length;
        return;
    }
    while (length--)
        *s->out++ = *from++;
}

static void compressed(struct stream *s, const struct code *literals, const struct code *distances) {
    static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                           31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                             33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                             1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    while (!s->is_bad) {
        unsigned symbol = decode(s, literals);
        if (symbol < END_OF_BLOCK) {
            if (s->out == s->out_end)
                s->is_bad = true;
            else
                *s->out++ = (uint8_t)symbol;
            continue;
        }
        if (symbol == END_OF_BLOCK)
            return;
        symbol -= END_OF_BLOCK + 1;
        if (symbol >= sizeof length_extra)
            break;
        unsigned length = length_base[symbol] + take(s, length_extra[symbol]);
        symbol = decode(s, distances);
        if (symbol >= DISTANCES)
            break;
        copy(s, length, distance_base[symbol] + take(s, symbol < 2 ? 0 : symbol / 2 - 1));
    }
    s->is_bad = true;
}

static void fixed_codes(struct code *literals, struct code *distances) {
    uint8_t lengths[LITERALS];

    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    make_code(literals, lengths, LITERALS);
    memset(lengths, 5, DISTANCES);
    make_code(distances, lengths, DISTANCES);
}

/* The lengths of both codes follow each other, themselves coded: 16 repeats the last, 17 and 18 are runs of zeros. */
static bool own_codes(struct stream *s, struct code *literals, struct code *distances) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + 32] = {0};
    unsigned literal_count = take(s, 5) + 257, distance_count = take(s, 5) + 1, count = take(s, 4) + 4;

    if (literal_count > 286 || distance_count > DISTANCES)
        return false;
    for (unsigned i = 0; i < count; i++)
        lengths[order[i]] = (uint8_t)take(s, 3);
    if (!make_code(literals, lengths, 19))
        return false;
    memset(lengths, 0, sizeof lengths);
    for (unsigned i = 0; i < literal_count + distance_count;) {
        unsigned symbol = decode(s, literals), times = 1;
        uint8_t length = (uint8_t)symbol;
        if (s->is_bad || symbol > 18 || (symbol == 16 && i == 0))
            return false;
        if (symbol >= 16) {
            length = symbol == 16 ? lengths[i - 1] : 0;
            times = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        }
        if (times > literal_count + distance_count - i)
            return false;
        while (times--)
            lengths[i++] = length;
    }
    return make_code(literals, lengths, literal_count) && make_code(distances, lengths + literal_count, distance_count);
}

static bool unpack(struct stream s) {
    struct code literals, distances;
    bool is_last = false;

    while (!is_last && !s.is_bad) {
        is_last = take(&s, 1);
        switch (take(&s, 2)) {
        case 0:
            stored(&s);
            break;
        case 1:
            fixed_codes(&literals, &distances);
            compressed(&s, &literals, &distances);
            break;
        case 2:
            if (!own_codes(&s, &literals, &distances))
                return false;
            compressed(&s, &literals, &distances);
            break;
        default:
            return false;
        }
    }
    return !s.is_bad && s.out == s.out_end;
}

bool object_inflate(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
    enum { ZLIB_HEADER = 2, METHOD_DEFLATE = 8, HAS_DICTIONARY = 0x20 };

    if (in_size < ZLIB_HEADER || (in[0] & 15) != METHOD_DEFLATE || in[1] & HAS_DICTIONARY)
        return false;
    return unpack((struct stream){
        .in = in + ZLIB_HEADER, .in_end = in + in_size, .out = out, .out_start = out, .out_end = out + out_size});
}

/* What stands before the stream; 0: it is no gzip file. */
static size_t gzip_header(const uint8_t *in, size_t size) {
    enum { FIXED = 10, HAS_CRC = 2, HAS_EXTRA = 4, HAS_NAME = 8, HAS_COMMENT = 16 };
    size_t at = FIXED;

    if (size < FIXED || in[0] != 0x1f || in[1] != 0x8b || in[2] != 8)
        return 0;
    if (in[3] & HAS_EXTRA)
        at += at + 2 <= size ? 2u + in[at] + 256u * in[at + 1] : 2;
    for (int text = HAS_NAME; text <= HAS_COMMENT; text *= 2) {
        const uint8_t *end = at < size && in[3] & text ? memchr(in + at, 0, size - at) : NULL;
        if (in[3] & text)
            at = end ? (size_t)(end - in) + 1 : size;
    }
    at += in[3] & HAS_CRC ? 2 : 0;
    return at < size ? at : 0;
}

uint8_t *object_gunzip(const uint8_t *in, size_t in_size, size_t *out_size) {
    enum { TRAILER = 8 }; /* checksum, size modulo 2^32 */
    size_t at = gzip_header(in, in_size);

    if (!at || in_size - at < TRAILER)
        return NULL;
    uint32_t size = object_u32(in + in_size - 4);
    if (size / OBJECT_INFLATE_MOST > in_size)
        return NULL;
    uint8_t *out = malloc((size_t)size + 1);
    if (!out)
        arena_out_of_memory(size);
    *out_size = size;
    if (unpack((struct stream){
            .in = in + at, .in_end = in + in_size - TRAILER, .out = out, .out_start = out, .out_end = out + size}))
        return out;
    free(out);
    return NULL;
}
