#include "profile/stat.h"
#include <linux/perf_event.h>

/* The count of another event of the run; 0: it is not there. */
static double count_of(const struct stat_result *result, uint32_t type, uint64_t config) {
    for (uint32_t i = 0; i < result->events->count; i++) {
        const struct stat_event *event = &result->events->data[i];
        if (event->type == type && event->config == config && result->counts[i].state == STAT_COUNTED)
            return result->counts[i].value;
    }
    return 0;
}

/* Seconds of processor time. */
static double processor_seconds(const struct stat_result *result) {
    double ns = count_of(result, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);
    return (ns > 0 ? ns : count_of(result, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK)) / 1e9;
}

/* What a share is a share of. */
static const struct {
    uint32_t type;
    uint64_t config;
    const char *unit;
} wholes[] = {
    [STAT_OF_BRANCHES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, "% of all branches"},
    [STAT_OF_CACHE] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, "% of all cache refs"},
    [STAT_OF_CYCLES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "% cycles idle"},
    [STAT_OF_L1] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1D, "% of all L1-dcache accesses"},
    [STAT_OF_LLC] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_LL, "% of all LL-cache accesses"},
    [STAT_OF_DTLB] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_DTLB, "% of all dTLB cache accesses"},
    [STAT_OF_ITLB] = {PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_ITLB, "% of all iTLB cache accesses"},
};

static bool rate(double count, double seconds, double *value, const char **unit) {
    double each = seconds > 0 ? count / seconds : 0;
    *value = each >= 1e9 ? each / 1e9 : each >= 1e6 ? each / 1e6 : each >= 1e3 ? each / 1e3 : each;
    *unit = each >= 1e9 ? "G/sec" : each >= 1e6 ? "M/sec" : each >= 1e3 ? "K/sec" : "/sec";
    return seconds != 0;
}

bool stat_metric_of(const struct stat_result *result, uint32_t number, double *value, const char **unit) {
    const struct stat_event *event = &result->events->data[number];
    double count = result->counts[number].value, whole;
    if (result->counts[number].state != STAT_COUNTED)
        return false;
    switch (event->metric) {
    case STAT_NONE:
        return false;
    case STAT_CPUS:
        *value = result->elapsed_ns ? count / (double)result->elapsed_ns : 0;
        *unit = "CPUs utilized";
        return result->elapsed_ns != 0;
    case STAT_RATE:
        return rate(count, processor_seconds(result), value, unit);
    case STAT_GIGAHERTZ:
        whole = processor_seconds(result);
        *value = whole > 0 ? count / whole / 1e9 : 0;
        *unit = "GHz";
        return whole != 0;
    case STAT_PER_CYCLE:
        whole = count_of(result, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
        *value = whole > 0 ? count / whole : 0;
        *unit = "insn per cycle";
        return whole != 0;
    default:
        whole = count_of(result, wholes[event->metric].type, wholes[event->metric].config);
        *value = whole > 0 ? 100 * count / whole : 0;
        *unit = wholes[event->metric].unit;
        return whole != 0;
    }
}
