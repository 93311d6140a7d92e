/* Pages of trace buffers: records lie inside the page, one behind the other. */
#include "object/trace_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct object_trace_page page;
    struct object_trace_record record;
    const unsigned char *before = bytes;

    if (!object_trace_page_open(&page, bytes, size))
        return 0;
    while (object_trace_page_next(&page, &record)) {
        if (record.bytes <= before || record.bytes + record.size > bytes + size || record.size < 8)
            __builtin_trap();
        before = record.bytes;
    }
    return 0;
}
