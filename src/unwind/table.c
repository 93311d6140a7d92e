/* From call frame information to rows. */
#include "unwind/table.h"

#include "base/arena.h"
#include "unwind/code.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    PADDING_MOST = 16,      /* between functions; more is a gap */
    ENTRY_MOST = 128,       /* bytes of a program's first code */
    FILE_RULES_MOST = 4096, /* of one file: no file can use up what all share */
    PAGES_MOST = 1 << 16,   /* 4 GB of addresses */
};

static const uint64_t page_size = 1u << UNWIND_PAGE_SHIFT;

struct builder {
    struct unwind_table *table;
    struct unwind_rules rules;
    uint32_t row_capacity;
    uint32_t page;    /* that rows are added to, counted from the first */
    uint32_t rule;    /* of the last row */
    uint64_t covered; /* all before is said */
    uint64_t entry;   /* of a program; 0: none */
    struct object_elf *elf;
    bool was_realigned; /* the function's last row was that of a realigned frame */
};

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);

    if (!memory)
        arena_out_of_memory(count * size);
    return memory;
}

/* ---- rows ---------------------------------------------------------------------------------------------------- */

static void push_row(struct builder *builder, uint32_t low, uint32_t rule) {
    struct unwind_table *table = builder->table;

    if (table->row_count == builder->row_capacity) {
        builder->row_capacity = builder->row_capacity ? builder->row_capacity * 2 : 1024;
        table->rows = reallocarray(table->rows, builder->row_capacity, sizeof *table->rows);
        if (!table->rows)
            arena_out_of_memory(builder->row_capacity * sizeof *table->rows);
    }
    table->rows[table->row_count++] = UNWIND_ROW(low, rule);
    builder->rule = rule;
}

/* Every page begins with a row of its own. */
static void turn_pages(struct builder *builder, uint32_t page) {
    while (builder->page < page) {
        builder->table->page_start[++builder->page] = builder->table->row_count;
        push_row(builder, 0, builder->rule);
    }
}

/* From `address` on, which is not before that of the last row, the rule holds. */
static void add_row(struct builder *builder, uint64_t address, uint32_t rule) {
    struct unwind_table *table = builder->table;
    uint64_t place = address - (table->first_page << UNWIND_PAGE_SHIFT);
    uint32_t low = (uint32_t)(place & (page_size - 1));

    turn_pages(builder, (uint32_t)(place >> UNWIND_PAGE_SHIFT));
    if (rule == builder->rule)
        return;
    uint32_t *page_start = &table->page_start[builder->page], *last = &table->rows[table->row_count - 1];
    if (UNWIND_ROW_LOW(*last) == low) {
        *last = UNWIND_ROW(low, rule);
        builder->rule = rule;
    } else if (table->row_count - *page_start < UNWIND_PAGE_ROWS) {
        push_row(builder, low, rule);
    } else { /* more than code can have */
        table->row_count = *page_start;
        push_row(builder, 0, UNWIND_EXPRESSION);
    }
}

static uint32_t number_of(struct builder *builder, const struct unwind_rule *rule) {
    return rule->cfa_kind < UNWIND_SPECIALS ? rule->cfa_kind : unwind_rules_add(&builder->rules, rule);
}

/* At the end of functions with a realigned frame gcc forgets to say that bp has been restored:
 *
 *     pop %rbp                  (or leave)
 *     lea -8(%r10),%rsp         row: cfa = r10, bp at *(bp)  <- since before the pop
 *     ret                       row: cfa = sp + 8, bp at *(bp)
 *
 * Gives where bp is the caller's again; the row's end when it is as said. */
static uint64_t bp_restored(const struct builder *builder, const struct object_cfi_row *row,
                            const struct unwind_rule *rule) {
    static const uint8_t restore[] = {0x49, 0x8d, 0x62, 0xf8};
    uint8_t code[1 + sizeof restore];
    uint64_t offset;

    if (!builder->was_realigned || rule->bp_kind != UNWIND_BP_AT_BP || rule->bp_offset != 0)
        return row->end;
    if (rule->cfa_kind == UNWIND_CFA_SP && rule->cfa_offset == 8)
        return row->start;
    if (rule->cfa_kind == UNWIND_CFA_REGISTER && rule->cfa_register == UNWIND_R10 &&
        row->end - row->start >= sizeof code && object_elf_offset_of(builder->elf, row->end - sizeof code, &offset) &&
        object_elf_read(builder->elf, offset, code, sizeof code) && (code[0] == 0x5d || code[0] == 0xc9) &&
        memcmp(code + 1, restore, sizeof restore) == 0)
        return row->end - sizeof restore;
    return row->end;
}

static void add_rows(struct builder *builder, const struct object_cfi_row *row) {
    struct unwind_rule rule = unwind_rule_of(row);
    uint64_t start = row->start > builder->covered ? row->start : builder->covered;
    uint64_t restored = bp_restored(builder, row, &rule);

    if (restored > start)
        add_row(builder, start, number_of(builder, &rule));
    if (restored < row->end) {
        rule.bp_kind = UNWIND_BP_SAME;
        add_row(builder, restored > start ? restored : start, number_of(builder, &rule));
    }
    builder->was_realigned = rule.cfa_kind == UNWIND_CFA_DEREF_BP || (builder->was_realigned && restored < row->end);
}

static bool add_cfi_row(void *context, const struct object_cfi_row *row) {
    struct builder *builder = context;

    if (row->end > builder->covered) {
        add_rows(builder, row);
        builder->covered = row->end;
    }
    return true;
}

static void add_code_row(void *context, uint64_t address, const struct unwind_rule *rule) {
    add_row(context, address, number_of(context, rule));
}

/* Whether the code sets frame pointers up all over: `push %rbp; mov %rsp,%rbp`, or Go's `mov %rbp,N(%rsp); lea
 * N(%rsp),%rbp`, on average in each 2 KB. */
static bool keeps_frame_pointers(const uint8_t *code, size_t size) {
    static const uint8_t usual[] = {0x55, 0x48, 0x89, 0xe5}, go[] = {0x48, 0x8d, 0x6c, 0x24};
    size_t count = 0;

    for (const uint8_t *at = code; (at = memmem(at, size - (size_t)(at - code), usual, sizeof usual)); at++)
        count++;
    for (const uint8_t *at = code; (at = memmem(at, size - (size_t)(at - code), go, sizeof go)); at++)
        count++;
    return count > size / 2048;
}

/* Rows of a stretch of undescribed code. A long one may come from other worlds (V8's builtins, Go), which keep frame
 * pointers; or be assembler, of which the first part is looked at. */
static void add_code(struct builder *builder, uint64_t from, uint64_t to) {
    size_t size = to - from < UNWIND_CODE_MOST ? to - from : UNWIND_CODE_MOST;
    uint8_t *code = allocate(size, 1);
    uint64_t offset;

    if (object_elf_offset_of(builder->elf, from, &offset) && object_elf_read(builder->elf, offset, code, size)) {
        if (size == UNWIND_CODE_MOST && keeps_frame_pointers(code, size))
            add_row(builder, from, UNWIND_POINTER);
        else
            unwind_code_rules(code, size, from, add_code_row, builder);
    }
    free(code);
    if (size == UNWIND_CODE_MOST && builder->rule != UNWIND_POINTER)
        add_row(builder, from + size, UNWIND_GAP);
}

/* `mov $15,%eax; syscall`, in both lengths: what a signal handler returns to where no libc describes it (musl, Go). */
static const struct sigreturn {
    uint8_t bytes[9], size;
} sigreturns[] = {{{0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}, 9}, {{0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05}, 7}};

/* The first of them in [from, to). False when there is none. */
static bool find_sigreturn(const struct builder *builder, uint64_t from, uint64_t to, uint64_t *start, uint64_t *end) {
    enum { CHUNK = 1 << 20, OVERLAP = 16 };
    size_t size = to - from < CHUNK ? to - from : CHUNK;
    uint8_t *code = allocate(size, 1);
    uint64_t offset;
    bool is_found = false;

    for (uint64_t at = from; at < to && !is_found; at += CHUNK - OVERLAP) {
        size = to - at < CHUNK ? to - at : CHUNK;
        if (!object_elf_offset_of(builder->elf, at, &offset) || !object_elf_read(builder->elf, offset, code, size))
            break;
        for (unsigned i = 0; i < sizeof sigreturns / sizeof *sigreturns && !is_found; i++) {
            const uint8_t *found = memmem(code, size, sigreturns[i].bytes, sigreturns[i].size);
            is_found = found;
            *start = found ? at + (uint64_t)(found - code) : 0;
            *end = *start + sigreturns[i].size;
        }
    }
    free(code);
    return is_found;
}

/* Code that nobody describes says by itself what can be believed. A handler's return address is the start of its
 * trampoline, so the row of that begins a byte before. */
static void add_undescribed(struct builder *builder, uint64_t start, uint64_t end) {
    uint64_t from, to, signal, behind;

    for (uint64_t at = start; at < end && object_elf_code_from(builder->elf, at, &from, &to) && from < end; at = to) {
        from = from > at ? from : at;
        to = to < end ? to : end;
        if (find_sigreturn(builder, from, to, &signal, &behind)) {
            if (signal > from + 1)
                add_code(builder, from, signal - 1);
            add_row(builder, signal > from ? signal - 1 : signal, UNWIND_SIGNAL);
            add_row(builder, behind, UNWIND_GAP);
            from = behind;
        }
        if (from < to)
            add_code(builder, from, to);
        if (to < end)
            add_row(builder, to, UNWIND_GAP);
    }
}

/* Nothing is said of the addresses from what is covered up to `end`. What is between two functions and short is
 * padding. */
static void add_gap(struct builder *builder, uint64_t end, bool may_be_padding) {
    uint64_t start = builder->covered, entry = builder->entry;

    if (end <= start)
        return;
    builder->covered = end;
    if (entry >= start && entry < end) {
        uint64_t behind = end - entry > ENTRY_MOST ? entry + ENTRY_MOST : end;
        builder->entry = 0;
        builder->covered = start;
        add_gap(builder, entry, may_be_padding);
        add_row(builder, entry, UNWIND_END);
        builder->covered = behind;
        add_gap(builder, end, false);
    } else if (!may_be_padding || end - start > PADDING_MOST) {
        add_row(builder, start, UNWIND_GAP);
        add_undescribed(builder, start, end);
    }
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* Linkers used to write the start of the code as entry point of libraries, which nobody enters there. */
static uint64_t entry_of(struct object_elf *elf) {
    uint64_t entry = object_elf_entry(elf), text = 0;
    size_t size;

    if (!object_elf_is_pie(elf) || object_elf_section(elf, ".interp", &size, NULL))
        return entry;
    object_elf_section(elf, ".text", &size, &text);
    return entry == text ? 0 : entry;
}

/* The pages that executable segments have addresses in. */
static bool bounds_of(const struct object_elf *elf, uint64_t *start, uint64_t *end) {
    uint32_t count;
    const struct object_segment *segments = object_elf_segments(elf, &count);

    *start = UINT64_MAX;
    *end = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!segments[i].is_executable || segments[i].memory_size == 0)
            continue;
        uint64_t behind = segments[i].address + segments[i].memory_size;
        *start = segments[i].address < *start ? segments[i].address : *start;
        *end = behind > *end ? behind : *end;
    }
    return *start < *end && *end <= UINT64_MAX - page_size;
}

static void add_functions(struct builder *builder, const struct object_eh_frame *frames) {
    struct unwind_table *table = builder->table;
    uint32_t count;
    const struct object_fde *functions = object_eh_frame_functions(frames, &count);
    uint64_t base = table->first_page << UNWIND_PAGE_SHIFT;

    table->functions = allocate(count, sizeof *table->functions);
    for (uint32_t i = 0; i < count; i++) {
        const struct object_fde *fde = &functions[i];
        uint32_t start = (uint32_t)(fde->start - base);
        if (table->function_count == 0 || table->functions[table->function_count - 1] != start)
            table->functions[table->function_count++] = start;
        add_gap(builder, fde->start, true);
        builder->was_realigned = false;
        object_eh_frame_rows(frames, fde, add_cfi_row, builder);
        add_gap(builder, fde->start + fde->size, false); /* what a damaged program did not say */
    }
}

static void begin(struct builder *builder, uint64_t start, uint64_t end) {
    struct unwind_table *table = builder->table;

    table->first_page = start >> UNWIND_PAGE_SHIFT;
    table->page_count = (uint32_t)(((end - 1) >> UNWIND_PAGE_SHIFT) - table->first_page + 1);
    table->page_start = allocate(table->page_count + 1, sizeof *table->page_start);
    builder->covered = start;
    unwind_rules_init(&builder->rules);
    builder->rules.most = FILE_RULES_MOST;
    push_row(builder, 0, UNWIND_GAP);
}

static void finish(struct builder *builder, uint64_t end) {
    struct unwind_table *table = builder->table;

    add_gap(builder, end, false);
    turn_pages(builder, table->page_count - 1);
    table->page_start[table->page_count] = table->row_count;
    table->rows = reallocarray(table->rows, table->row_count, sizeof *table->rows);
    table->rules = builder->rules.items;
    table->rule_count = builder->rules.count;
    builder->rules.items = NULL;
    unwind_rules_free(&builder->rules);
}

struct unwind_table *unwind_table_build(struct object_elf *elf, const char **reason) {
    uint64_t start, end;

    *reason = NULL;
    if (object_elf_machine(elf) != EM_X86_64) {
        *reason = "code of another machine";
        return NULL;
    }
    if (!bounds_of(elf, &start, &end) || (end >> UNWIND_PAGE_SHIFT) - (start >> UNWIND_PAGE_SHIFT) >= PAGES_MOST) {
        *reason = "no code, or too far apart";
        return NULL;
    }
    struct object_eh_frame *frames = object_eh_frame_open(elf, reason);
    uint64_t entry = entry_of(elf);
    if (!frames && !entry) {
        *reason = *reason ? *reason : "no unwind information";
        return NULL;
    }
    struct builder builder = {.table = allocate(1, sizeof *builder.table), .entry = entry, .elf = elf};
    begin(&builder, start, end);
    if (frames)
        add_functions(&builder, frames);
    finish(&builder, end);
    object_eh_frame_close(frames);
    *reason = NULL;
    return builder.table;
}

void unwind_table_free(struct unwind_table *table) {
    if (!table)
        return;
    free(table->page_start);
    free(table->rows);
    free(table->rules);
    free(table->functions);
    free(table);
}

void unwind_table_share(struct unwind_table *table, struct unwind_rules *rules) {
    if (table->is_shared)
        return;
    uint16_t *numbers = allocate(table->rule_count, sizeof *numbers);
    for (uint32_t i = 0; i < table->rule_count; i++)
        numbers[i] = (uint16_t)unwind_rules_add(rules, &table->rules[i]);
    for (uint32_t i = 0; i < table->row_count; i++)
        table->rows[i] = UNWIND_ROW(UNWIND_ROW_LOW(table->rows[i]), numbers[UNWIND_ROW_RULE(table->rows[i])]);
    free(numbers);
    free(table->rules);
    table->rules = NULL;
    table->rule_count = 0;
    table->is_shared = true;
}

size_t unwind_table_size(const struct unwind_table *table) {
    return sizeof *table->rows * table->row_count + sizeof *table->page_start * (table->page_count + 1) +
           sizeof *table->rules * table->rule_count;
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

#define unwind_row_at(rows, index) ((rows)[index])

uint32_t unwind_table_rule_at(const struct unwind_table *table, uint64_t address) {
    uint64_t page = (address >> UNWIND_PAGE_SHIFT) - table->first_page;

    if (page >= table->page_count)
        return UNWIND_GAP;
    uint32_t first = table->page_start[page], count = table->page_start[page + 1] - first;
    uint32_t at = unwind_find_row(table->rows, first, count, (uint32_t)(address & (page_size - 1)));
    return UNWIND_ROW_RULE(table->rows[at]);
}

bool unwind_table_function_at(const struct unwind_table *table, uint64_t address, uint64_t *start) {
    uint64_t base = table->first_page << UNWIND_PAGE_SHIFT;
    uint32_t low = 0, high = table->function_count;

    if (unwind_table_rule_at(table, address) == UNWIND_GAP)
        return false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (base + table->functions[middle] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    *start = low ? base + table->functions[low - 1] : 0;
    return low;
}
