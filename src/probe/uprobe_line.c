/* BINARY@FILE:LINE[:COLUMN]: places in the source of a user program. */
#include "object/dwarf.h"
#include "probe/uprobe_int.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* A file whose own name has an @ is a file. */
bool uprobe_is_line(const struct probe_point *point) {
    const char *first = point->part_count > 1 ? point->parts[0].text : "", *at = strrchr(first, '@');
    uint64_t line;

    return at && at[1] && str_to_u64(point->parts[1].text, &line) && access(first, F_OK) != 0;
}

struct wanted_line {
    struct probe_part binary;
    const char *file;
    uint32_t line, column;
};

static int parse_line(struct probe_context *context, const struct probe_point *point, struct wanted_line *wanted,
                      struct probe_error *error) {
    const char *text = point->parts[0].text, *at = strrchr(text, '@');
    uint64_t line = 0, column = 0;

    wanted->binary = point->parts[0];
    wanted->binary.text = arena_strndup(context->arena, text, (size_t)(at - text));
    wanted->file = at + 1;
    if (!str_to_u64(point->parts[1].text, &line) || line == 0 || line > UINT32_MAX)
        return probe_fail_text(context, error, &point->parts[1], "'%s' is no line", point->parts[1].text);
    if (point->part_count > 2 && (!str_to_u64(point->parts[2].text, &column) || column > UINT32_MAX))
        return probe_fail_text(context, error, &point->parts[2], "'%s' is no column", point->parts[2].text);
    wanted->line = (uint32_t)line;
    wanted->column = (uint32_t)column;
    if (point->kind != &probe_kind_uretprobe)
        return 0;
    int result = probe_fail_text(context, error, &point->parts[0], "uretprobe can not be at a line");
    error->hint = "use uprobe for a place inside a function";
    return result;
}

static int no_line(struct probe_context *context, const struct probe_point *point, const struct wanted_line *wanted,
                   const struct object_lines *lines, const char *shown, struct probe_error *error) {
    if (lines->files.count == 0) {
        int result =
            probe_fail_match(context, error, &point->parts[0], "%s has no code of a file %s", shown, wanted->file);
        error->hint = "give the file's name as the compiler was given it, or the end of it";
        return result;
    }
    int result = probe_fail_match(context, error, &point->parts[1], "%s:%u%s has no code", wanted->file, wanted->line,
                                  wanted->column ? arena_printf(context->arena, ":%u", wanted->column) : "");
    if (wanted->column)
        error->hint = "leave the column out: any statement of the line";
    else if (lines->before && lines->after)
        error->hint =
            arena_printf(context->arena, "the nearest lines with code are %u and %u", lines->before, lines->after);
    else if (lines->before || lines->after)
        error->hint = arena_printf(context->arena, "the nearest line with code is %u",
                                   lines->before ? lines->before : lines->after);
    return result;
}

/* Lines of several files must not be mixed up. */
static int check_files(struct probe_context *context, const struct probe_point *point, const struct wanted_line *wanted,
                       const struct object_lines *lines, struct probe_error *error) {
    enum { MOST_SHOWN = 4 };
    const char *text = "";

    if (lines->files.count < 2)
        return 0;
    int result = probe_fail_text(context, error, &point->parts[0], "several files are called %s", wanted->file);
    for (uint32_t i = 0; i < lines->files.count && i < MOST_SHOWN; i++)
        text = arena_printf(context->arena, "%s%s%s", text, *text ? ", " : "", lines->files.data[i]);
    error->hint = arena_printf(context->arena, "write more of its path: %s%s", text,
                               lines->files.count > MOST_SHOWN ? ", ..." : "");
    return result;
}

static int expand_in(struct probe_context *context, const struct probe_point *point, const struct wanted_line *wanted,
                     const struct probe_binary *binary, struct probe_targets *out, struct probe_error *error) {
    const char *reason = NULL;
    struct object_elf *elf = probe_binary_elf(context, binary, &reason);
    struct object_dwarf *dwarf = elf ? probe_dwarf(context, binary->path, &reason) : NULL;
    struct object_lines lines;
    uint32_t before = out->items.count;

    if (!dwarf)
        return probe_fail_match(context, error, &point->parts[0], "%s: %s", binary->shown, reason);
    object_dwarf_lines(dwarf, wanted->file, wanted->line, wanted->column, &lines);
    int result = check_files(context, point, wanted, &lines, error);
    if (result != 0)
        return result;
    for (uint32_t i = 0; i < lines.found.count; i++) {
        const char *text =
            arena_printf(context->arena, "@%s:%s%s%s", wanted->file, point->parts[1].text,
                         point->part_count > 2 ? ":" : "", point->part_count > 2 ? point->parts[2].text : "");
        uint64_t address = lines.found.data[i].address, offset;
        if (!object_elf_offset_of(elf, address, &offset))
            continue;
        struct probe_target *target = uprobe_add(context, point, binary, text, NULL, address, offset, out);
        target->is_further = out->items.count > before + 1;
    }
    return out->items.count > before ? 0 : no_line(context, point, wanted, &lines, binary->shown, error);
}

int uprobe_expand_line(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error) {
    struct probe_binaries binaries = {0};
    struct wanted_line wanted;
    uint32_t before = out->items.count;

    int result = parse_line(context, point, &wanted, error);
    bool is_named = *wanted.binary.text || context->pid <= 0;
    if (result == 0)
        result = probe_find_binaries(context, point, is_named ? &wanted.binary : NULL, &binaries, error);
    for (uint32_t i = 0; i < binaries.items.count && (result == 0 || binaries.items.count > 1); i++)
        result = expand_in(context, point, &wanted, &binaries.items.data[i], out, error);
    return out->items.count > before ? 0 : result;
}
