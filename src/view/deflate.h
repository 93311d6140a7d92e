/* gzip files: what pprof's format is wrapped in.
 *
 * Source of the formats: RFC 1952 (gzip) and RFC 1951 (DEFLATE). The stream is one block with the fixed codes; repeats
 * are looked for in a table of the latest place of each four bytes. That is quick, and within a third of what zlib
 * makes of profiles, whose bytes are mostly small numbers. */
#ifndef TARSIER_VIEW_DEFLATE_H
#define TARSIER_VIEW_DEFLATE_H

#include "base/str.h"

void view_gzip(const void *bytes, size_t size, struct strbuf *out);

#endif
