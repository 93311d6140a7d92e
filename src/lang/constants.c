#include "lang/constants.h"

#include <string.h>

static const struct {
    const char *name;
    int64_t value;
} constants[] = {
#define CONSTANT(name, value) {#name, value},
#include "lang/constants.def"
#undef CONSTANT
};

bool lang_find_named_constant(const char *name, int64_t *value) {
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strcmp(constants[i].name, name) == 0) {
            *value = constants[i].value;
            return true;
        }
    }
    return false;
}
