/* The table of probe kinds, and expansion of an attach point through it.
 *
 * To add a kind:
 *   1. Write probe/KIND.c with a `const struct probe_kind probe_kind_KIND`: its spellings, how many parts follow the
 *      provider, expand() (text -> targets, choosing a mechanism of probe.h) and list() (lines for -l).
 *   2. Declare it in probe_int.h, add it to the table below and its file to meson.build.
 *   3. Only when no mechanism of probe.h fits: add one there, its program type to program.c, its attachment
 *      to attach.c.
 *   4. A test in tests/unit/probe_*_test.c with the attach point and the expected target.
 */
#include "probe/probe_int.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

const struct probe_kind *const probe_kinds[] = {
    &probe_kind_begin,    &probe_kind_end,           &probe_kind_self,     &probe_kind_test,
    &probe_kind_bench,    &probe_kind_fentry,        &probe_kind_fexit,    &probe_kind_hardware,
    &probe_kind_interval, &probe_kind_iter,          &probe_kind_kprobe,   &probe_kind_kretprobe,
    &probe_kind_profile,  &probe_kind_rawtracepoint, &probe_kind_software, &probe_kind_tracepoint,
    &probe_kind_uprobe,   &probe_kind_uretprobe,     &probe_kind_usdt,     &probe_kind_watchpoint,
};
const uint32_t probe_kind_count = sizeof probe_kinds / sizeof *probe_kinds;

static bool same_name(const char *name, const char *text, size_t length) {
    return strlen(name) == length && strncasecmp(name, text, length) == 0;
}

const struct probe_kind *probe_kind_find(const char *provider, size_t length) {
    if (length == 1 && *provider == 'U') /* the one spelling whose case tells two kinds apart: usdt, not uprobe */
        return &probe_kind_usdt;
    for (uint32_t i = 0; i < probe_kind_count; i++) {
        const struct probe_kind *kind = probe_kinds[i];
        if (same_name(kind->name, provider, length))
            return kind;
        for (uint32_t a = 0; a < PROBE_ALIASES_MAX && kind->aliases[a]; a++) {
            if (same_name(kind->aliases[a], provider, length))
                return kind;
        }
    }
    return NULL;
}

const char *probe_kind_name(const char *provider, size_t length) {
    const struct probe_kind *kind = probe_kind_find(provider, length);
    return kind ? kind->name : NULL;
}

const char *probe_kind_at(uint32_t index) { return index < probe_kind_count ? probe_kinds[index]->name : NULL; }

struct probe_target *probe_add_target(struct probe_context *context, const struct probe_point *point,
                                      struct probe_targets *out) {
    struct probe_target *target = arena_make(context->arena, struct probe_target);

    target->kind = point->kind;
    target->kind_name = point->kind->name;
    target->syscall_number = -1;
    vec_push(context->arena, &out->items, target);
    return target;
}

int probe_unknown_kind(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const char *names[sizeof probe_kinds / sizeof *probe_kinds];

    for (uint32_t i = 0; i < probe_kind_count; i++)
        names[i] = probe_kinds[i]->name;
    int result = probe_fail_text(context, error, &point->provider, "Invalid probe type: %s", point->provider.text);
    error->hint = probe_nearest(context, point->provider.text, names, probe_kind_count);
    if (!error->hint) {
        error->hint = "probe types are";
        for (uint32_t i = 0; i < probe_kind_count; i++)
            error->hint = arena_printf(context->arena, "%s%s %s", error->hint, i ? "," : "", names[i]);
    }
    return result;
}

static const char *parts_text(struct probe_context *context, uint32_t min, uint32_t max) {
    if (max == 0)
        return "no arguments";
    if (min == max)
        return arena_printf(context->arena, "%u argument%s", min, min == 1 ? "" : "s");
    return arena_printf(context->arena, max - min > 1 ? "%u to %u arguments" : "%u or %u arguments", min, max);
}

static int check_parts(struct probe_context *context, const struct probe_point *point, struct probe_error *error) {
    const struct probe_kind *kind = point->kind;
    uint32_t min = kind->parts_min - (kind->optional_first_part && context->pid > 0);

    if (point->part_count >= min && point->part_count <= kind->parts_max)
        return 0;
    int result = probe_fail_text(context, error, NULL, "%s probe type requires %s, found %u", kind->name,
                                 parts_text(context, min, kind->parts_max), point->part_count);
    error->hint = arena_printf(context->arena, "write %s", kind->usage);
    return result;
}

bool probe_is_about_user(const struct probe_context *context, const struct probe_point *point) {
    return context->pid > 0 || (point->part_count > 0 && strchr(point->parts[0].text, '/'));
}

/* "*:sched_switch": every kernel event kind that has a match; "*:/bin/sh:main": every user kind. */
static int expand_any_kind(struct probe_context *context, struct probe_point *point, struct probe_targets *out,
                           struct probe_error *error) {
    bool user = probe_is_about_user(context, point);
    uint32_t before = out->items.count;
    int first = 0;

    for (uint32_t i = 0; i < probe_kind_count; i++) {
        struct probe_error ignored;
        point->kind = probe_kinds[i];
        if (!(user ? point->kind->is_user : point->kind->matches_provider_wildcard) ||
            !str_glob(point->provider.text, point->kind->name) || check_parts(context, point, &ignored) != 0)
            continue;
        int result = point->kind->expand(context, point, out, first == 0 ? error : &ignored);
        first = first ? first : result;
    }
    if (out->items.count > before)
        return 0;
    return first ? first
                 : probe_fail_match(context, error, &point->provider, "No matches for probe type %s.",
                                    point->provider.text);
}

int probe_expand(struct probe_context *context, const char *text, unsigned wants, struct probe_targets *out,
                 struct probe_error *error) {
    struct probe_point point;
    uint32_t before = out->items.count;

    *error = (struct probe_error){0};
    int result = probe_split(context, text, &point, error);
    if (result != 0)
        return result;
    point.wants = wants;
    point.want_args = wants & PROBE_WANT_ARGS;
    if (probe_has_star(point.provider.text)) {
        result = expand_any_kind(context, &point, out, error);
    } else {
        point.kind = probe_kind_find(point.provider.text, strlen(point.provider.text));
        if (!point.kind)
            return probe_unknown_kind(context, &point, error);
        result = check_parts(context, &point, error);
        if (result == 0)
            result = point.kind->expand(context, &point, out, error);
    }
    if (result != 0)
        out->items.count = before;
    return result;
}
