/* DEFLATE: the compression of .debug_* sections (SHF_COMPRESSED with ELFCOMPRESS_ZLIB, what -gz makes).
 *
 * Source of the formats: RFC 1950 (zlib: 2 bytes of header, the stream, a checksum) and RFC 1951 (blocks of bits, least
 * significant first: stored, with fixed codes, or with codes that the block brings along). The input is hostile:
 * every read stays inside it, every copy inside of what was written, and the caller says how much may come out.
 */
#ifndef TARSIER_OBJECT_INFLATE_H
#define TARSIER_OBJECT_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No DEFLATE stream expands to more than this many times its size, whatever a header claims. */
enum { OBJECT_INFLATE_MOST = 1032 };

/* Unpacks a zlib stream that holds exactly `out_size` bytes; false when it is damaged or holds another number. */
bool object_inflate(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

/* Unpacks a gzip file of one part (RFC 1952); NULL when it is none or damaged. The caller frees. */
uint8_t *object_gunzip(const uint8_t *in, size_t in_size, size_t *out_size);

#endif
