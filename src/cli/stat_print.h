/* Counts as text, in the columns of perf stat, or as its JSON. */
#ifndef TARSIER_CLI_STAT_PRINT_H
#define TARSIER_CLI_STAT_PRINT_H

#include "profile/stat.h"
#include <stdio.h>

/* Of several runs: mean and standard deviation, as they come (Welford). */
struct stat_sums {
    uint64_t runs;
    double mean, squares;
};
void stat_sums_add(struct stat_sums *sums, double value);
double stat_sums_error(const struct stat_sums *sums); /* of the mean, in percent of it */

struct stat_printing {
    FILE *out;
    bool json, in_intervals;
    const char *target;                       /* "'sleep 1'", "process id 12", "system wide" */
    const struct stat_sums *counts, *elapsed; /* of several runs, else NULL */
    uint64_t lines;                           /* of intervals */
};

/* One interval, or the whole. With several runs: the values are means. */
void stat_print(struct stat_printing *printing, const struct stat_result *result);

#endif
