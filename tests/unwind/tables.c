/* What tables are like: tables [--rows] FILE...
 *
 * A line for each file: milliseconds of CPU to make its table, bytes of it, rows, rules, functions, and how much of the
 * code is a gap, needs an expression. With --rows all rows, for comparison with other readers: ADDRESS SPECIAL |
 * ADDRESS CFA BP RA */
#include "object/eh_frame.h"
#include "unwind/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void print_rule(const struct unwind_rule *rule) {
    static const char *specials[] = {"gap", "end", "signal", "pointer", "expression"};
    static const char *cfas[] = {"sp", "bp", "*bp", "*sp", "plt", "register"};
    static const char *places[] = {"same", "cfa", "bp", "unknown"};

    if (rule->cfa_kind < UNWIND_SPECIALS) {
        printf(" %s\n", specials[rule->cfa_kind]);
        return;
    }
    printf(" %s", cfas[rule->cfa_kind - UNWIND_CFA_SP]);
    if (rule->cfa_kind == UNWIND_CFA_REGISTER)
        printf("%u", rule->cfa_register);
    printf("%+d bp=%s%+d ra=%u extra=%d\n", rule->cfa_offset, places[rule->bp_kind], rule->bp_offset, rule->ra_kind,
           rule->extra);
}

struct sums {
    uint64_t by_kind[16], all;
};

/* Calls with each stretch of addresses that one row is about. */
static void each_row(const struct unwind_table *table, struct sums *sums, bool is_shown) {
    for (uint32_t page = 0; page < table->page_count; page++)
        for (uint32_t i = table->page_start[page]; i < table->page_start[page + 1]; i++) {
            uint32_t low = UNWIND_ROW_LOW(table->rows[i]);
            uint32_t end = i + 1 < table->page_start[page + 1] ? UNWIND_ROW_LOW(table->rows[i + 1]) : 0x10000;
            const struct unwind_rule *rule = &table->rules[UNWIND_ROW_RULE(table->rows[i])];
            sums->by_kind[rule->cfa_kind & 15] += end - low;
            sums->all += end - low;
            if (is_shown) {
                printf("%" PRIx64, ((table->first_page + page) << 16) + low);
                print_rule(rule);
            }
        }
}

static int show(const char *path, bool is_shown) {
    const char *reason;
    struct object_elf *elf = object_elf_open(path, &reason);
    double began = now();
    struct unwind_table *table = elf ? unwind_table_build(elf, &reason) : NULL;
    double took = now() - began;
    struct sums sums = {0};

    if (table) {
        each_row(table, &sums, is_shown);
        if (!is_shown)
            printf("%8.2f ms %9zu bytes %8u rows %5u rules %7u functions  %5.2f %% gap, %" PRIu64
                   " bytes expression  %s\n",
                   took, unwind_table_size(table), table->row_count, table->rule_count, table->function_count,
                   100.0 * (double)sums.by_kind[UNWIND_GAP] / (double)sums.all, sums.by_kind[UNWIND_EXPRESSION], path);
    } else {
        fprintf(stderr, "%s: %s\n", path, reason);
    }
    unwind_table_free(table);
    object_elf_close(elf);
    return !table;
}

int main(int argc, char **argv) {
    bool is_shown = argc > 1 && strcmp(argv[1], "--rows") == 0;
    int status = 0;

    for (int i = is_shown ? 2 : 1; i < argc; i++)
        status |= show(argv[i], is_shown);
    return status;
}
