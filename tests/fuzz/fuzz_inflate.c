/* A zlib stream from arbitrary bytes; the first two say how much it should hold. */
#include "object/inflate.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size < 2)
        return 0;
    size_t out_size = bytes[0] | (size_t)bytes[1] << 8;
    uint8_t *out = malloc(out_size ? out_size : 1);
    if (object_inflate(bytes + 2, size - 2, out, out_size)) {
        volatile uint8_t sum = 0; /* all of it was written */
        for (size_t i = 0; i < out_size; i++)
            sum = (uint8_t)(sum + out[i]);
    }
    free(out);
    return 0;
}
