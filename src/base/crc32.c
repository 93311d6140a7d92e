#include "base/crc32.h"

/* tables[k][b]: the effect of byte b with k bytes behind it, so that eight bytes are done together. */
static uint32_t tables[8][256];

static void fill_tables(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
        tables[0][byte] = crc;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t byte = 0; byte < 256; byte++)
            tables[k][byte] = tables[k - 1][byte] >> 8 ^ tables[0][tables[k - 1][byte] & 0xff];
}

static uint32_t add_eight(uint32_t crc, const uint8_t *at) {
    uint32_t sum = 0;
    for (int k = 0; k < 4; k++)
        sum ^= tables[7 - k][(uint8_t)(at[k] ^ crc >> 8 * k)] ^ tables[3 - k][at[4 + k]];
    return sum;
}

uint32_t crc32_add(uint32_t crc, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    if (!tables[0][1])
        fill_tables();
    crc = ~crc;
    for (; size >= 8; size -= 8, at += 8)
        crc = add_eight(crc, at);
    for (; size; size--, at++)
        crc = crc >> 8 ^ tables[0][(uint8_t)(crc ^ *at)];
    return ~crc;
}
