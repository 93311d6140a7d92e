#include "cli/stat_print.h"
#include "base/str.h"
#include <inttypes.h>
#include <unistd.h>

void stat_sums_add(struct stat_sums *sums, double value) {
    double before = value - sums->mean;
    sums->runs++;
    sums->mean += before / (double)sums->runs;
    sums->squares += before * (value - sums->mean);
}

/* By Newton's method: the C library alone has no sqrt(). */
static double square_root(double value) {
    double root = value > 1 ? value : 1;
    for (int i = 0; i < 100 && value > 0; i++)
        root = (root + value / root) / 2;
    return value > 0 ? root : 0;
}

double stat_sums_error(const struct stat_sums *sums) {
    if (sums->runs < 2 || sums->mean == 0)
        return 0;
    double variance = sums->squares / (double)(sums->runs - 1);
    return 100 * square_root(variance / (double)sums->runs) / sums->mean;
}

static const char *const state_words[] = {
    [STAT_NOT_SUPPORTED] = "<not supported>", [STAT_NOT_COUNTED] = "<not counted>"};

static double percent_running(const struct stat_count *count) {
    return count->enabled ? 100.0 * (double)count->running / (double)count->enabled : 0;
}

/* ---- text ----------------------------------------------------------------------------------------------------------
 */

static void print_value(FILE *out, const struct stat_event *event, const struct stat_count *count) {
    if (count->state != STAT_COUNTED)
        fprintf(out, "%18s     ", state_words[count->state]);
    else if (event->is_clock)
        fprintf(out, "%18.2f msec", count->value / 1e6);
    else
        fprintf(out, "%18.0f     ", count->value);
}

static void print_line(const struct stat_printing *printing, const struct stat_result *result, uint32_t number) {
    const struct stat_event *event = &result->events->data[number];
    const struct stat_count *count = &result->counts[number];
    FILE *out = printing->out;
    double metric;
    const char *unit;
    if (printing->in_intervals)
        fprintf(out, "%16.9f ", (double)result->at_ns / 1e9);
    print_value(out, event, count);
    fprintf(out, " %-24s", event->name);
    if (stat_metric_of(result, number, &metric, &unit))
        fprintf(out, " # %8.3f %-18s", metric, unit);
    else if (count->state == STAT_COUNTED && (printing->counts || count->running < count->enabled))
        fprintf(out, "   %8s %-18s", "", "");
    if (printing->counts && count->state == STAT_COUNTED)
        fprintf(out, " ( +- %5.2f%% )", stat_sums_error(&printing->counts[number]));
    if (count->state == STAT_COUNTED && count->running < count->enabled)
        fprintf(out, " (%.2f%%)", percent_running(count));
    fputc('\n', out);
}

/* Hardware events that are not there: why, in a word. */
static void explain(const struct stat_printing *printing, const struct stat_result *result) {
    uint32_t missing = 0;
    for (uint32_t i = 0; i < result->events->count; i++)
        missing += result->counts[i].state == STAT_NOT_SUPPORTED;
    if (!missing)
        return;
    bool has_pmu = access("/sys/bus/event_source/devices/cpu", F_OK) == 0 ||
                   access("/sys/bus/event_source/devices/cpu_core", F_OK) == 0 ||
                   access("/sys/bus/event_source/devices/armv8_pmuv3_0", F_OK) == 0;
    fprintf(printing->out, "%s\n\n",
            has_pmu
                ? "<not supported>: this processor has no counter for it."
                : "<not supported>: this machine has no hardware counters. Virtual machines have them only when the "
                  "host gives them\n(KVM: -cpu host,pmu=on; cloud: metal or dedicated kinds of machines).");
}

static void print_whole(const struct stat_printing *printing, const struct stat_result *result) {
    FILE *out = printing->out;
    fprintf(out, "\n Performance counter stats for %s", printing->target);
    if (printing->counts)
        fprintf(out, " (%" PRIu64 " runs)", printing->elapsed->runs);
    fputs(":\n\n", out);
    for (uint32_t i = 0; i < result->events->count; i++)
        print_line(printing, result, i);
    if (printing->counts) {
        double seconds = printing->elapsed->mean / 1e9, error = stat_sums_error(printing->elapsed);
        fprintf(out, "\n%18.6f +- %.6f seconds time elapsed  ( +- %5.2f%% )\n\n", seconds, seconds * error / 100,
                error);
    } else {
        fprintf(out, "\n%18.9f seconds time elapsed\n\n", (double)result->elapsed_ns / 1e9);
        if (result->user_ns || result->system_ns)
            fprintf(out, "%18.9f seconds user\n%18.9f seconds sys\n\n", (double)result->user_ns / 1e9,
                    (double)result->system_ns / 1e9);
    }
    explain(printing, result);
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------
 */

static void print_json(const struct stat_printing *printing, const struct stat_result *result, uint32_t number) {
    const struct stat_event *event = &result->events->data[number];
    const struct stat_count *count = &result->counts[number];
    FILE *out = printing->out;
    double metric;
    const char *unit;
    fputc('{', out);
    if (printing->in_intervals)
        fprintf(out, "\"interval\" : %.9f, ", (double)result->at_ns / 1e9);
    if (count->state == STAT_COUNTED)
        fprintf(out, "\"counter-value\" : \"%.6f\", ", event->is_clock ? count->value / 1e6 : count->value);
    else
        fprintf(out, "\"counter-value\" : \"%s\", ", state_words[count->state]);
    fprintf(out, "\"unit\" : \"%s\", \"event\" : \"%s\", ", event->is_clock ? "msec" : "", event->name);
    if (printing->counts)
        fprintf(out, "\"variance\" : %.2f, ", stat_sums_error(&printing->counts[number]));
    fprintf(out, "\"event-runtime\" : %" PRIu64 ", \"pcnt-running\" : %.2f", count->running, percent_running(count));
    if (stat_metric_of(result, number, &metric, &unit))
        fprintf(out, ", \"metric-value\" : %f, \"metric-unit\" : \"%s\"", metric, unit);
    fputs("}\n", out);
}

void stat_print(struct stat_printing *printing, const struct stat_result *result) {
    if (printing->json) {
        for (uint32_t i = 0; i < result->events->count; i++)
            print_json(printing, result, i);
    } else if (printing->in_intervals) {
        if (printing->lines % (25 * (result->events->count + 1)) == 0)
            fprintf(printing->out, "#%15s %18s unit events\n", "time", "counts");
        for (uint32_t i = 0; i < result->events->count; i++)
            print_line(printing, result, i);
        printing->lines += result->events->count + 1;
        if (result->last)
            explain(printing, result);
    } else {
        print_whole(printing, result);
    }
    fflush(printing->out);
}
