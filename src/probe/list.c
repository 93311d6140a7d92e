/* -l: which probes there are, in bpftrace's forms. */
#include "probe/probe_int.h"

#include <string.h>

void probe_list_matched(struct probe_lister *lister, const char *line) {
    lister->line(lister->user, line);
    lister->count++;
}

bool probe_list_line(struct probe_lister *lister, const char *line) {
    if (!str_glob(lister->pattern, line))
        return false;
    probe_list_matched(lister, line);
    return true;
}

void probe_list_argument(struct probe_lister *lister, const char *declaration) {
    struct strbuf line = {0};

    strbuf_addf(&line, "    %s", declaration);
    lister->line(lister->user, strbuf_text(&line));
    strbuf_free(&line);
}

/* "struct task_struct * p", "char comm[16]" */
void probe_add_declaration(const struct type_field *field, struct strbuf *out) {
    const struct type *type = field->type;
    bool is_array = type->kind == TYPE_ARRAY;

    if (is_array && type->name) { /* what is no integer of 1, 2, 4 or 8 bytes: "double" */
        strbuf_addf(out, "%s %s", type->name, field->name ? field->name : "");
        return;
    }
    type_format(is_array ? type->target : type, out);
    strbuf_addf(out, " %s", field->name ? field->name : "");
    if (is_array)
        strbuf_addf(out, "[%u]", type->count);
}

void probe_list_fields(struct probe_lister *lister, const struct type *args) {
    struct strbuf text = {0};

    if (args)
        type_complete(args);
    for (uint32_t i = 0; args && i < args->field_count; i++) {
        strbuf_reset(&text);
        probe_add_declaration(&args->fields[i], &text);
        probe_list_argument(lister, strbuf_text(&text));
    }
    strbuf_free(&text);
}

/* What lines must look like: parts left out, at the front or at the end, match everything. */
static const char *line_pattern(struct probe_context *context, const struct probe_point *point) {
    const struct probe_kind *kind = point->kind;
    bool incomplete = point->part_count < kind->parts_max;
    const char *pattern = kind->name;

    if (incomplete && kind->implied_first_part && point->part_count > 0)
        pattern = arena_printf(context->arena, "%s:*", pattern);
    for (uint32_t i = 0; i < point->part_count; i++)
        pattern = arena_printf(context->arena, "%s:%s", pattern, point->parts[i].text);
    if (incomplete && (!kind->implied_first_part || point->part_count == 0))
        pattern = arena_printf(context->arena, "%s:*", pattern);
    return pattern;
}

/* No kind is named: the pattern is about whole lines. Kinds of user programs need to know the file, or the process of
 * -p, whose functions and places are then among all probes once (not again as return probes). */
static int list_all(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                    struct probe_error *error) {
    bool user = probe_is_about_user(context, point);
    int result = 0;

    for (uint32_t i = 0; i < probe_kind_count; i++) {
        struct probe_point everything = {.kind = probe_kinds[i]};
        bool of_process = context->pid > 0 && probe_kinds[i]->is_user && point->part_count == 0;
        if (of_process && strcmp(probe_kinds[i]->name, "uretprobe") != 0) {
            everything.part_count = 1;
            everything.parts[0].text = "*";
        }
        if (user && probe_kinds[i]->is_user && point->part_count &&
            str_glob(point->provider.text, probe_kinds[i]->name)) {
            everything = *point;
            everything.kind = probe_kinds[i];
        }
        int listed = probe_kinds[i]->list(context, &everything, lister, error);
        result = result ? result : listed;
    }
    return result && lister->count == 0 ? result : lister->count;
}

static int list_kind(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                     struct probe_error *error) {
    lister->pattern = line_pattern(context, point);
    int result = point->kind->list(context, point, lister, error);
    return result < 0 ? result : lister->count;
}

int probe_list(struct probe_context *context, const char *pattern, bool verbose, probe_line_fn line, void *user,
               struct probe_error *error) {
    struct probe_lister lister = {.verbose = verbose, .pattern = "*", .line = line, .user = user};
    struct probe_point point = {0};

    *error = (struct probe_error){0};
    if (!pattern || !*pattern)
        return list_all(context, &point, &lister, error);
    if (probe_list_types(context, &lister, pattern))
        return lister.count;
    int result = probe_split(context, pattern, &point, error);
    if (result != 0)
        return result;
    point.kind = probe_kind_find(point.provider.text, strlen(point.provider.text));
    if (point.kind)
        return list_kind(context, &point, &lister, error);
    if (!probe_has_star(point.provider.text)) {
        result = probe_unknown_kind(context, &point, error);
        if (point.part_count == 0)
            error->hint = arena_printf(context->arena, "probes with this in their names: -l '*%s*'", pattern);
        return result;
    }
    lister.pattern = pattern;
    return list_all(context, &point, &lister, error);
}
