/* Source lines: .debug_line, versions 2 to 5.
 *
 * Each unit has a program for a small machine with registers address, file, line, column, is_stmt; its opcodes change
 * them and add rows to a table. Rows with is_stmt begin a statement. A line may have many: the optimizer moves pieces
 * of a statement apart, and each inlined copy has its own. As debuggers do, one is taken for each function or copy (and
 * for each part of one that the compiler put elsewhere): the first, so that a statement counts once. */
#include "object/dwarf_int.h"

#include "base/str.h"
#include <stdlib.h>

enum {
    MOST_FILES = 1 << 20,
    MOST_ROWS = 1 << 26,
    MOST_FORMATS = 16,
    STANDARD_OPCODES = 12,
};

enum line_opcode {
    DW_LNS_copy = 1,
    DW_LNS_advance_pc,
    DW_LNS_advance_line,
    DW_LNS_set_file,
    DW_LNS_set_column,
    DW_LNS_negate_stmt,
    DW_LNS_set_basic_block,
    DW_LNS_const_add_pc,
    DW_LNS_fixed_advance_pc,
    DW_LNE_end_sequence = 1,
    DW_LNE_set_address = 2,
    DW_LNCT_path = 1,
    DW_LNCT_directory_index = 2,
};

/* ---- header -------------------------------------------------------------------------------------------------- */

struct header {
    struct dwarf_unit *unit; /* that the program belongs to; forms are read as in it */
    uint16_t version;
    uint8_t offset_size, address_size, least_instruction, line_range, opcode_base;
    int8_t line_base;
    bool is_stmt;
    const uint8_t *lengths; /* operands of standard opcodes, from 1 */
    struct dwarf_reader program;
};

struct wanted {
    const char *file; /* NULL: the path of file `number` */
    uint32_t line, column;
    uint32_t number;
    const char *path; /* the answer */
    struct object_lines *out;
    struct object_dwarf *dwarf;
};

/* The files of a program that are the wanted one, as a set of their numbers. */
struct file_set {
    uint8_t *bits;
    uint32_t count;
    const char *name; /* the last one found */
};

/* DIRECTORY/NAME without "./" and with one slash between: in a buffer that the next call uses again. */
static const char *join(struct strbuf *path, const char *unit_directory, const char *directory, const char *name) {
    const char *parts[3] = {unit_directory, directory, name};
    size_t first = *name == '/' ? 2 : *directory == '/' ? 1 : 0;

    strbuf_reset(path);
    for (size_t i = first; i < 3; i++) {
        const char *part = parts[i];
        while (str_starts(part, "./"))
            part += 2;
        if (!*part || strcmp(part, ".") == 0)
            continue;
        if (path->length && path->data[path->length - 1] != '/')
            strbuf_addch(path, '/');
        strbuf_addstr(path, part);
    }
    return strbuf_text(path);
}

static bool is_file(const char *path, const char *wanted) {
    size_t length = strlen(path), size = strlen(wanted);

    return length >= size && strcmp(path + length - size, wanted) == 0 &&
           (length == size || path[length - size - 1] == '/');
}

static void note_file(struct wanted *wanted, const char *path) {
    struct object_lines *out = wanted->out;

    for (uint32_t i = 0; i < out->files.count; i++)
        if (strcmp(out->files.data[i], path) == 0)
            return;
    vec_push(wanted->dwarf->arena, &out->files, arena_strdup(wanted->dwarf->arena, path));
}

/* By the last part of its path alone, before the whole is put together. */
static bool may_be(const struct wanted *wanted, uint32_t number, const char *name) {
    const char *base = strrchr(name, '/');

    return wanted->file ? str_ends(wanted->file, base ? base + 1 : name) : number == wanted->number;
}

static void add_file(struct wanted *wanted, struct file_set *set, uint32_t number, const char *path) {
    if (!wanted->file)
        wanted->path = arena_strdup(wanted->dwarf->arena, path);
    if (!wanted->file || !is_file(path, wanted->file))
        return;
    if (number >= set->count) {
        uint32_t count = number + 64;
        uint8_t *bits = arena_alloc(wanted->dwarf->arena, count);
        if (set->count)
            memcpy(bits, set->bits, set->count);
        set->bits = bits;
        set->count = count;
    }
    set->bits[number] = 1;
    note_file(wanted, path);
}

/* Before version 5: texts, each list ended by an empty one. Directory 0 is the unit's, files count from 1. */
static void old_files(struct header *header, struct dwarf_reader *in, struct wanted *wanted, struct file_set *set) {
    struct dwarf_reader directories = *in;
    struct strbuf path = {0};

    while (!in->is_bad && *dwarf_text(in))
        ;
    for (uint32_t number = 1; !in->is_bad && number < MOST_FILES; number++) {
        const char *name = dwarf_text(in), *directory = "";
        if (!*name)
            break;
        uint64_t index = dwarf_uleb(in);
        dwarf_uleb(in);
        dwarf_uleb(in);
        if (!may_be(wanted, number, name))
            continue;
        struct dwarf_reader list = directories;
        for (uint64_t i = 0; i < index && !list.is_bad; i++)
            directory = dwarf_text(&list);
        add_file(wanted, set, number, join(&path, header->unit->directory, directory, name));
    }
    strbuf_free(&path);
}

struct entry_format {
    uint64_t content[MOST_FORMATS];
    uint16_t form[MOST_FORMATS];
    uint32_t count;
};

static bool read_format(struct dwarf_reader *in, struct entry_format *format) {
    format->count = (uint32_t)dwarf_number(in, 1);
    if (format->count > MOST_FORMATS)
        return false;
    for (uint32_t i = 0; i < format->count; i++) {
        format->content[i] = dwarf_uleb(in);
        format->form[i] = (uint16_t)dwarf_uleb(in);
    }
    return !in->is_bad;
}

static bool read_entry(const struct header *header, struct dwarf_reader *in, const struct entry_format *format,
                       const char **name, uint64_t *directory) {
    struct dwarf_unit unit = *header->unit; /* forms of offsets are as wide as this table says */
    struct dwarf_value value;

    unit.offset_size = header->offset_size;
    *name = "";
    *directory = 0;
    for (uint32_t i = 0; i < format->count; i++) {
        if (!dwarf_read_value(&unit, in, format->form[i], 0, &value))
            return false;
        if (format->content[i] == DW_LNCT_path && value.text)
            *name = value.text;
        else if (format->content[i] == DW_LNCT_directory_index)
            *directory = value.number;
    }
    return true;
}

/* Version 5: lists with their own formats; both count from 0, directory 0 is the unit's. */
static void new_files(struct header *header, struct dwarf_reader *in, struct wanted *wanted, struct file_set *set) {
    struct entry_format directories, files;
    struct strbuf path = {0};
    const char *name, *directory;
    uint64_t unused, index;

    if (!read_format(in, &directories))
        return;
    uint64_t directory_count = dwarf_uleb(in);
    struct dwarf_reader list = *in;
    for (uint64_t i = 0; i < directory_count && directory_count < MOST_FILES; i++)
        if (!read_entry(header, in, &directories, &name, &unused))
            return;
    if (!read_format(in, &files))
        return;
    uint64_t count = dwarf_uleb(in);
    for (uint32_t number = 0; number < count && number < MOST_FILES; number++) {
        if (!read_entry(header, in, &files, &name, &index))
            break;
        if (!may_be(wanted, number, name))
            continue;
        struct dwarf_reader at = list;
        directory = "";
        for (uint64_t i = 0; i <= index && i < directory_count; i++)
            if (!read_entry(header, &at, &directories, &directory, &unused))
                break;
        add_file(wanted, set, number, join(&path, header->unit->directory, directory, name));
    }
    strbuf_free(&path);
}

static bool read_header(struct dwarf_unit *unit, struct header *header, struct wanted *wanted, struct file_set *set) {
    struct dwarf_reader all = dwarf_reader(unit->dwarf, DWARF_LINE, unit->line_offset), in;

    *header = (struct header){.unit = unit, .address_size = unit->address_size};
    if (all.is_bad || !dwarf_initial_length(&all, &in, &header->offset_size))
        return false;
    header->version = (uint16_t)dwarf_number(&in, 2);
    if (header->version < 2 || header->version > 5)
        return false;
    if (header->version >= 5) {
        header->address_size = (uint8_t)dwarf_number(&in, 1);
        dwarf_number(&in, 1);
    }
    uint64_t length = dwarf_number(&in, header->offset_size);
    if (length > (uint64_t)(in.end - in.at))
        return false;
    header->program = (struct dwarf_reader){in.at + length, in.end, false};
    header->least_instruction = (uint8_t)dwarf_number(&in, 1);
    if (header->version >= 4)
        dwarf_number(&in, 1);
    header->is_stmt = dwarf_number(&in, 1);
    header->line_base = (int8_t)dwarf_number(&in, 1);
    header->line_range = (uint8_t)dwarf_number(&in, 1);
    header->opcode_base = (uint8_t)dwarf_number(&in, 1);
    if (header->opcode_base == 0 || header->line_range == 0)
        return false;
    header->lengths = dwarf_bytes(&in, header->opcode_base - 1u);
    if (in.is_bad)
        return false;
    if (header->version >= 5)
        new_files(header, &in, wanted, set);
    else
        old_files(header, &in, wanted, set);
    return true;
}

/* ---- the machine ----------------------------------------------------------------------------------------------- */

struct row {
    uint64_t address, file;
    uint32_t line, column;
    bool is_stmt;
};

/* A place of the wanted line, and the function or copy that it is in. */
struct candidate {
    struct object_line place;
    uint64_t owner;
    uint32_t range;
};

struct candidates {
    struct arena *arena;
    VEC(struct candidate) items;
};

/* What becomes of the rows of a program. */
struct rows {
    void (*take)(struct rows *rows, const struct row *row, bool is_end);
    void (*end)(struct rows *rows, bool is_left_out); /* of a row of them that belong together */
};

struct search_rows {
    struct rows rows;
    const struct wanted *wanted;
    const struct file_set *set;
    struct candidates *out;
    uint32_t begin;
};

static void take_row(struct rows *rows, const struct row *row, bool is_end) {
    struct search_rows *search = (struct search_rows *)rows;
    const struct wanted *wanted = search->wanted;
    const struct file_set *set = search->set;
    struct candidates *out = search->out;
    struct object_lines *lines = wanted->out;

    if (is_end || row->file >= set->count || !set->bits[row->file] || !row->is_stmt || row->line == 0)
        return;
    if (row->line < wanted->line && row->line > lines->before)
        lines->before = row->line;
    if (row->line > wanted->line && (lines->after == 0 || row->line < lines->after))
        lines->after = row->line;
    if (row->line != wanted->line || (wanted->column && row->column != wanted->column))
        return;
    struct candidate one = {.place = {row->address, NULL, row->line, row->column}};
    vec_push(out->arena, &out->items, one);
}

static void extended(const struct header *header, struct dwarf_reader *in, struct row *row, bool *is_end) {
    uint64_t size = dwarf_uleb(in);
    const uint8_t *bytes = dwarf_bytes(in, size);

    if (!bytes || size == 0)
        return;
    struct dwarf_reader one = {bytes + 1, bytes + size, false};
    if (bytes[0] == DW_LNE_end_sequence)
        *is_end = true;
    else if (bytes[0] == DW_LNE_set_address && size - 1 <= 8)
        row->address = dwarf_number(&one, (unsigned)size - 1);
    (void)header;
}

/* One opcode; true when it adds a row. */
static bool step(const struct header *header, struct dwarf_reader *in, struct row *row, bool *is_end) {
    unsigned opcode = (unsigned)dwarf_number(in, 1);

    if (opcode >= header->opcode_base) {
        unsigned adjusted = opcode - header->opcode_base;
        row->address += (uint64_t)(adjusted / header->line_range) * header->least_instruction;
        row->line += (uint32_t)(header->line_base + (int)(adjusted % header->line_range));
        return true;
    }
    switch (opcode) {
    case 0:
        extended(header, in, row, is_end);
        return false;
    case DW_LNS_copy:
        return true;
    case DW_LNS_advance_pc:
        row->address += dwarf_uleb(in) * header->least_instruction;
        return false;
    case DW_LNS_advance_line:
        row->line += (uint32_t)dwarf_sleb(in);
        return false;
    case DW_LNS_set_file:
        row->file = dwarf_uleb(in);
        return false;
    case DW_LNS_set_column:
        row->column = (uint32_t)dwarf_uleb(in);
        return false;
    case DW_LNS_negate_stmt:
        row->is_stmt = !row->is_stmt;
        return false;
    case DW_LNS_const_add_pc:
        row->address += (uint64_t)((255u - header->opcode_base) / header->line_range) * header->least_instruction;
        return false;
    case DW_LNS_fixed_advance_pc:
        row->address += dwarf_number(in, 2);
        return false;
    default: /* no operands, or as many numbers as the header says */
        for (unsigned i = 0; i < header->lengths[opcode - 1]; i++)
            dwarf_uleb(in);
        return false;
    }
}

static void end_rows(struct rows *rows, bool is_left_out) {
    struct search_rows *search = (struct search_rows *)rows;

    if (is_left_out)
        search->out->items.count = search->begin;
    search->begin = search->out->items.count;
}

static void run(const struct header *header, struct rows *rows) {
    const struct row first = {.file = 1, .line = 1, .is_stmt = header->is_stmt};
    struct dwarf_reader in = header->program;
    struct row row = first;
    uint64_t start = UINT64_MAX;

    for (uint32_t i = 0; i < MOST_ROWS && in.at < in.end && !in.is_bad; i++) {
        bool is_end = false;
        if (step(header, &in, &row, &is_end)) {
            start = start == UINT64_MAX ? row.address : start;
            rows->take(rows, &row, false);
        }
        if (!is_end)
            continue;
        rows->take(rows, &row, true);
        rows->end(rows, start == 0); /* 0: of a function that the linker left out */
        start = UINT64_MAX;
        row = first;
    }
}

/* ---- which function a place is in -------------------------------------------------------------------------------- */

struct owner_search {
    struct candidate *items;
    uint32_t count;
    uint64_t owner;
    uint32_t range;
};

static bool take_owned(void *context, struct dwarf_range range) {
    struct owner_search *search = context;

    for (uint32_t i = 0; i < search->count; i++) {
        struct candidate *one = &search->items[i];
        if (one->place.address >= range.begin && one->place.address < range.end) {
            one->owner = search->owner;
            one->range = search->range;
        }
    }
    search->range++;
    return false;
}

/* Inner functions come after outer ones in a walk, so the last owner is the innermost. */
static void find_owners(struct dwarf_unit *unit, struct candidate *items, uint32_t count) {
    struct dwarf_die root, die;

    if (!dwarf_root(unit, &root))
        return;
    for (struct dwarf_walk walk = dwarf_children(&root); dwarf_next(&walk, &die);) {
        struct owner_search search = {items, count, die.offset, 0};
        if (die.shape->tag == DW_TAG_subprogram || die.shape->tag == DW_TAG_inlined_subroutine)
            dwarf_each_range(&die, take_owned, &search);
    }
}

static int compare_candidates(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;

    if (x->owner != y->owner)
        return x->owner < y->owner ? -1 : 1;
    if (x->range != y->range)
        return x->range < y->range ? -1 : 1;
    return (x->place.address > y->place.address) - (x->place.address < y->place.address);
}

static int compare_lines(const void *a, const void *b) {
    const struct object_line *x = a, *y = b;

    return (x->address > y->address) - (x->address < y->address);
}

static void search_unit(struct dwarf_unit *unit, struct wanted *wanted) {
    struct candidates found = {.arena = wanted->dwarf->arena};
    struct file_set set = {0};
    struct header header;

    if (!dwarf_unit_ready(unit) || unit->line_offset == UINT64_MAX || !read_header(unit, &header, wanted, &set) ||
        set.count == 0)
        return;
    struct search_rows search = {{take_row, end_rows}, wanted, &set, &found, 0};
    run(&header, &search.rows);
    if (found.items.count == 0)
        return;
    find_owners(unit, found.items.data, found.items.count);
    qsort(found.items.data, found.items.count, sizeof *found.items.data, compare_candidates);
    for (uint32_t i = 0; i < found.items.count; i++) {
        const struct candidate *one = &found.items.data[i], *before = one - 1;
        if (i > 0 && one->owner && one->owner == before->owner && one->range == before->range)
            continue;
        vec_push(wanted->dwarf->arena, &wanted->out->found, one->place);
    }
}

void object_dwarf_lines(struct object_dwarf *dwarf, const char *file, uint32_t line, uint32_t column,
                        struct object_lines *out) {
    struct wanted wanted = {.line = line, .column = column, .out = out, .dwarf = dwarf};
    uint32_t kept = 0;

    *out = (struct object_lines){0};
    while (str_starts(file, "./"))
        file += 2;
    wanted.file = file;
    for (uint32_t i = 0; i < dwarf->unit_count; i++)
        if (dwarf->units[i].section == DWARF_INFO && !dwarf->units[i].signature)
            search_unit(&dwarf->units[i], &wanted);
    if (out->found.count)
        qsort(out->found.data, out->found.count, sizeof *out->found.data, compare_lines);
    for (uint32_t i = 0; i < out->found.count; i++)
        if (kept == 0 || out->found.data[kept - 1].address != out->found.data[i].address)
            out->found.data[kept++] = out->found.data[i];
    out->found.count = kept;
}

/* ---- all rows of a unit, for dwarf_place.c ----------------------------------------------------------------------- */

struct all_rows {
    struct rows rows;
    struct arena *arena;
    struct dwarf_line_rows *out;
    uint32_t begin;
};

static void keep_row(struct rows *rows, const struct row *row, bool is_end) {
    struct all_rows *all = (struct all_rows *)rows;
    struct dwarf_line_row one = {row->address, (uint32_t)row->file, is_end ? 0 : row->line, all->out->count, is_end};

    vec_push(all->arena, all->out, one);
}

static void end_kept(struct rows *rows, bool is_left_out) {
    struct all_rows *all = (struct all_rows *)rows;

    if (is_left_out)
        all->out->count = all->begin;
    all->begin = all->out->count;
}

static int compare_rows(const void *a, const void *b) {
    const struct dwarf_line_row *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (x->is_end != y->is_end)
        return x->is_end ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void dwarf_line_rows(struct dwarf_unit *unit, struct dwarf_line_rows *out) {
    struct wanted nothing = {.number = UINT32_MAX, .dwarf = unit->dwarf};
    struct all_rows all = {{keep_row, end_kept}, unit->dwarf->arena, out, 0};
    struct file_set set = {0};
    struct header header;

    if (!dwarf_unit_ready(unit) || unit->line_offset == UINT64_MAX || !read_header(unit, &header, &nothing, &set))
        return;
    run(&header, &all.rows);
    if (out->count)
        qsort(out->data, out->count, sizeof *out->data, compare_rows);
}

const char *dwarf_line_file(struct dwarf_unit *unit, uint32_t number) {
    struct wanted wanted = {.number = number, .dwarf = unit->dwarf};
    struct file_set set = {0};
    struct header header;

    if (!dwarf_unit_ready(unit) || unit->line_offset == UINT64_MAX || !read_header(unit, &header, &wanted, &set))
        return NULL;
    return wanted.path;
}
