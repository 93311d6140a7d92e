/* CRC-32 as gzip, zip and Ethernet have it (polynomial 0x04c11db7, reflected). */
#ifndef TARSIER_BASE_CRC32_H
#define TARSIER_BASE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of bytes that follow those of `crc`; 0 at the start. */
uint32_t crc32_add(uint32_t crc, const void *bytes, size_t size);

#endif
