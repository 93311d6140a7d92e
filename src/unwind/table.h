/* Tables of the unwinder (rule.h), one per file: made from its .eh_frame, or from what was made of it before.
 *
 * A table is about the addresses of the file. Its rules are numbered in the file's own list at first; a table that is
 * handed to the kernel, or used beside others, is moved to the numbers of a list that all files share
 * (unwind_table_share). Numbers in that list stay valid for ever.
 *
 * - Code of more than 16 bytes that no function covers is a row GAP; less is padding and stays with what is before.
 * - The entry point of a program, where no function is said to be, is END.
 * - A file with more kinds of rules than any real one, or pages with more rows, has EXPRESSION there: user space does
 *   what the kernel can not, slower and as right.
 *
 * Rows without the bytecode beside them are enough for nearly all code; user space that goes on where they end wants
 * the file's object_eh_frame.
 */
#ifndef TARSIER_UNWIND_TABLE_H
#define TARSIER_UNWIND_TABLE_H

#include "object/eh_frame.h"
#include "unwind/rule.h"

/* Rules that several tables share. One thread. */
struct unwind_rules {
    struct unwind_rule *items; /* the first are enum unwind_special */
    uint32_t count, capacity;
    /* private */
    uint32_t *buckets;
    uint32_t bucket_count, most;
};

void unwind_rules_init(struct unwind_rules *rules);
void unwind_rules_free(struct unwind_rules *rules);
/* The number of a rule; UNWIND_EXPRESSION when there is no room for another one. */
uint32_t unwind_rules_add(struct unwind_rules *rules, const struct unwind_rule *rule);

struct unwind_table {
    uint64_t first_page;  /* number of the first page: address >> UNWIND_PAGE_SHIFT */
    uint32_t page_count;  /* outside of the pages all is GAP */
    uint32_t *page_start; /* page_count + 1 indices into rows */
    uint32_t *rows;
    uint32_t row_count;
    struct unwind_rule *rules; /* that the rows refer to; NULL when the table is shared */
    uint32_t rule_count;
    uint32_t *functions; /* where functions begin, ascending, counted from the first page */
    uint32_t function_count;
    bool is_shared;
};

/* Makes the table of a file. NULL and a fixed text in *reason: it has no unwind information, or is of a machine that
 * is not known here. */
struct unwind_table *unwind_table_build(struct object_elf *elf, const char **reason);
void unwind_table_free(struct unwind_table *table); /* NULL is fine */
/* Moves the rows to the numbers of a shared list. Done once. */
void unwind_table_share(struct unwind_table *table, struct unwind_rules *rules);
/* Bytes of what the kernel needs: rows, pages, and the file's own rules. */
size_t unwind_table_size(const struct unwind_table *table);

/* The number of the rule at an address of the file. */
uint32_t unwind_table_rule_at(const struct unwind_table *table, uint64_t address);
/* Where the function that holds the address begins: a name for what has no other. False in a gap. */
bool unwind_table_function_at(const struct unwind_table *table, uint64_t address, uint64_t *start);

/* One row of call frame information as a rule; UNWIND_EXPRESSION's when it can not be said. */
struct unwind_rule unwind_rule_of(const struct object_cfi_row *row);

#endif
