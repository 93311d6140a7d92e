/* Results of tests and benchmarks. */
#include "view/view_int.h"

#include <stdlib.h>
#include <string.h>

#define GREEN "\033[32m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

/* "[ RUN      ] " */
static void add_mark(const struct view *view, const char *color, const char *mark, struct strbuf *out) {
    if (view->plain)
        strbuf_addf(out, "%s ", mark);
    else
        strbuf_addf(out, "%s%s" PLAIN " ", color, mark);
}

static void add_duration(uint64_t nanoseconds, struct strbuf *out) {
    static const struct {
        uint64_t scale;
        const char *name;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "us"}, {1, "ns"}};
    size_t unit = 0;

    while (unit + 1 < sizeof units / sizeof *units && nanoseconds < units[unit].scale)
        unit++;
    strbuf_addf(out, " (%llu %s)\n", (unsigned long long)(nanoseconds / units[unit].scale), units[unit].name);
}

static const char *tests(uint32_t count) { return count == 1 ? "test" : "tests"; }

/* Lines of the test itself; empty ones are left out. */
static void add_output(const char *text, size_t length, struct strbuf *out) {
    for (const char *at = text, *end = text + length; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)((newline ? newline : end) - at);
        if (line) {
            strbuf_add(out, at, line);
            strbuf_addch(out, '\n');
        }
        at += line + 1;
    }
}

static void add_summary(const struct view *view, const struct view_trial *trials, uint32_t count, struct strbuf *out) {
    uint32_t failed = 0;

    for (uint32_t i = 0; i < count; i++)
        failed += !trials[i].passed;
    add_mark(view, GREEN, "[==========]", out);
    strbuf_addf(out, "%u %s ran.\n", count, tests(count));
    add_mark(view, GREEN, "[  PASSED  ]", out);
    strbuf_addf(out, "%u %s.\n", count - failed, tests(count - failed));
    if (failed == 0)
        return;
    add_mark(view, RED, "[  FAILED  ]", out);
    strbuf_addf(out, "%u %s, listed below:\n", failed, tests(failed));
    for (uint32_t i = 0; i < count; i++) {
        if (trials[i].passed)
            continue;
        add_mark(view, RED, "[  FAILED  ]", out);
        strbuf_addf(out, "%s\n", trials[i].name);
    }
}

static void test_text(const struct view *view, const struct view_trial *trials, uint32_t count, uint32_t index,
                      const char *output, size_t length, struct strbuf *out) {
    const struct view_trial *trial = &trials[index];

    if (index == 0) {
        add_mark(view, GREEN, "[==========]", out);
        strbuf_addf(out, "Running %u tests.\n", count);
    }
    add_mark(view, GREEN, "[ RUN      ]", out);
    strbuf_addf(out, "%s\n", trial->name);
    if (!trial->passed)
        add_output(output, length, out);
    add_mark(view, trial->passed ? GREEN : RED, trial->passed ? "[       OK ]" : "[  FAILED  ]", out);
    strbuf_addstr(out, trial->name);
    add_duration(trial->nanoseconds, out);
    if (index + 1 == count)
        add_summary(view, trials, count, out);
}

static void begin_json(const char *type, const char *name, struct strbuf *out) {
    strbuf_addf(out, "{\"type\": \"%s\", \"data\": {", type);
    view_json_string(name, strlen(name), out);
    strbuf_addstr(out, ": ");
}

void view_print_test(const struct view *view, const struct view_trial *trials, uint32_t count, uint32_t index,
                     const char *output, size_t length) {
    struct strbuf out = {0};

    if (view->format == VIEW_TEXT) {
        test_text(view, trials, count, index, output, length, &out);
    } else {
        begin_json("test_result", trials[index].name, &out);
        strbuf_addf(&out,
                    "{\"duration\": %llu, \"passed\": %s, \"output\": ", (unsigned long long)trials[index].nanoseconds,
                    trials[index].passed ? "true" : "false");
        view_json_string(output, length, &out);
        strbuf_addstr(&out, "}}}\n");
    }
    view_output_write(view->out, strbuf_text(&out), out.length);
    strbuf_free(&out);
}

enum { NAME_COLUMN = 40, TIME_COLUMN = 15 };

void view_print_bench(const struct view *view, const struct view_trial *trials, uint32_t count, uint32_t index,
                      bool is_first) {
    static const char iterations[] = "Iterations";
    struct strbuf out = {0};
    size_t width = NAME_COLUMN;

    for (uint32_t i = 0; i < count; i++)
        width = strlen(trials[i].name) > width ? strlen(trials[i].name) : width;
    if (view->format != VIEW_TEXT) {
        begin_json("benchmark_result", trials[index].name, &out);
        strbuf_addf(&out, "{\"average\": %llu, \"iters\": %llu}}}\n", (unsigned long long)trials[index].nanoseconds,
                    (unsigned long long)trials[index].runs);
    } else {
        if (is_first) {
            strbuf_addf(&out, "%-*s%-*s%s\n", (int)width + 1, "Benchmark", TIME_COLUMN, "Time(ns)", iterations);
            strbuf_fill(&out, '-', width + 1 + TIME_COLUMN + sizeof iterations - 1);
            strbuf_addch(&out, '\n');
        }
        strbuf_addf(&out, "%-*s%-*llu%llu\n", (int)width + 1, trials[index].name, TIME_COLUMN,
                    (unsigned long long)trials[index].nanoseconds, (unsigned long long)trials[index].runs);
    }
    view_output_write(view->out, strbuf_text(&out), out.length);
    strbuf_free(&out);
}
