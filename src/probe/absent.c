/* Kinds of probes that bpftrace's language has and this version has not. Scripts are full of them, so each gets its own
 * sentence, and a hint that names what answers the same question here. */
#include "probe/context_int.h"

#include <string.h>
#include <strings.h>

static const struct absent_kind {
    const char *name;
    const char *aliases[PROBE_ALIASES_MAX];
    const char *hint;
} absent_kinds[] = {
    {"hardware", {"h"}, "profile:hz:99 shows where the time goes; software:page-faults:1 and others count events"},
    {"watchpoint", {"w"}, "uprobe:BINARY:FUNCTION shows calls of the functions that write there"},
    {"iter", {"it"}, "tracepoints tell of every change as it happens: -l 'tracepoint:*'"},
    {"self", {NULL}, "interval:s:1 runs a block without an event from outside"},
    {"test", {NULL}, "begin { ... } runs a block once"},
    {"bench", {NULL}, "begin { ... } runs a block once"},
};

static bool is_spelled(const struct absent_kind *kind, const char *provider) {
    if (strcasecmp(kind->name, provider) == 0)
        return true;
    for (uint32_t i = 0; i < PROBE_ALIASES_MAX && kind->aliases[i]; i++) {
        if (strcmp(kind->aliases[i], provider) == 0) /* U is usdt, u is uprobe */
            return true;
    }
    return false;
}

bool probe_is_absent(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    for (size_t i = 0; i < sizeof absent_kinds / sizeof *absent_kinds; i++) {
        const struct absent_kind *kind = &absent_kinds[i];
        if (!is_spelled(kind, point->provider.text))
            continue;
        probe_fail_text(context, error, &point->provider, "%s probes are not part of this version", kind->name);
        error->hint = kind->hint;
        return true;
    }
    return false;
}
