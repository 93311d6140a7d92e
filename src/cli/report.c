/* tarsier report: what a file with a profile says. */
#include "profile/report.h"
#include "base/profile_tree.h"
#include "cli/cli.h"
#include "profile/lines.h"
#include "profile/read.h"
#include "view/profile_text.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
#define OPTION(id, letter, name, argument, help) REPORT_OPTION_##id,
#include "cli/options_report.def"
#undef OPTION
    REPORT_OPTION_COUNT
};

static const struct cli_option_info report_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_report.def"
#undef OPTION
};

enum { USUAL_ROWS = 40, USUAL_TREE_PERCENT = 1 };

struct report_request {
    enum profile_key keys[PROFILE_KEY_COUNT];
    uint32_t key_count;
    struct profile_filter filter;
    struct profile_read_options read;
    const char *focus; /* function of --callers, --callees */
    enum profile_direction direction;
    uint64_t limit;
    double least; /* percent; < 0: the usual */
    bool tree, inlines, json, no_pager, help;
};

/* ---- options --------------------------------------------------------------------------------------------------- */

static bool add_key(struct report_request *request, const char *name, size_t length) {
    for (int i = 0; i < PROFILE_KEY_COUNT; i++) {
        if (strlen(profile_keys[i].name) == length && memcmp(profile_keys[i].name, name, length) == 0) {
            if (request->key_count == PROFILE_KEY_COUNT)
                return false;
            request->keys[request->key_count++] = (enum profile_key)i;
            return true;
        }
    }
    return false;
}

static bool set_keys(struct report_request *request, const char *value) {
    request->key_count = 0;
    for (const char *at = value;; at++) {
        size_t length = strcspn(at, ",");
        if (!add_key(request, at, length))
            return cli_wrong("--sort wants names out of function, module, line, comm, process, pid, tid, cpu, not "
                             "\"%s\"",
                             value);
        at += length;
        if (!*at)
            return true;
    }
}

static bool set_number(uint32_t *number, const char *value, const char *wrong) {
    uint64_t read;
    if (!str_to_u64(value, &read) || read > UINT32_MAX)
        return cli_wrong(wrong, value);
    *number = (uint32_t)read;
    return true;
}

static bool set_least(struct report_request *request, const char *value) {
    char *end;
    request->least = strtod(value, &end);
    if (end != value && !*end && request->least >= 0 && request->least <= 100)
        return true;
    return cli_wrong("--min wants a percentage, not \"%s\"", value);
}

static bool set_focus(struct report_request *request, const char *value, enum profile_direction direction) {
    request->focus = value;
    request->direction = direction;
    return true;
}

static bool apply(void *target, int option, const char *value) {
    struct report_request *request = target;
    switch (option) {
    case REPORT_OPTION_SORT:
        return set_keys(request, value);
    case REPORT_OPTION_TREE:
        return request->tree = true;
    case REPORT_OPTION_CALLERS:
        return set_focus(request, value, PROFILE_CALLERS);
    case REPORT_OPTION_CALLEES:
        return set_focus(request, value, PROFILE_CALLEES);
    case REPORT_OPTION_INLINE:
        return request->inlines = true;
    case REPORT_OPTION_COMM:
        request->filter.comm = value;
        return true;
    case REPORT_OPTION_PID:
        return set_number(&request->filter.pid, value, "-p wants the number of a process, not \"%s\"");
    case REPORT_OPTION_TID:
        return set_number(&request->filter.tid, value, "-t wants the number of a thread, not \"%s\"");
    case REPORT_OPTION_MODULE:
        request->filter.module = value;
        return true;
    case REPORT_OPTION_FUNCTION:
        request->filter.function = value;
        return true;
    case REPORT_OPTION_EVENT:
        request->read.event = value;
        return true;
    case REPORT_OPTION_LIMIT:
        return str_to_u64(value, &request->limit) || cli_wrong("--limit wants a number of rows, not \"%s\"", value);
    case REPORT_OPTION_LEAST:
        return set_least(request, value);
    case REPORT_OPTION_JSON:
        return request->json = true;
    case REPORT_OPTION_NO_PAGER:
        return request->no_pager = true;
    default:
        return request->help = true;
    }
}

const struct cli_option_set cli_report_options = {report_options, REPORT_OPTION_COUNT, apply, false};

/* ---- rows ------------------------------------------------------------------------------------------------------ */

enum { CELL_MOST = 60 };

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

/* Rows to print: --limit and --min leave out those at the end. */
static uint32_t shown_rows(const struct report_request *request, const struct profile_rows *rows) {
    uint32_t count = rows->rows.count;
    if (request->limit && request->limit < count)
        count = (uint32_t)request->limit;
    while (count && request->least > 0 && percent(rows->rows.data[count - 1].total, rows->weight) < request->least)
        count--;
    return count;
}

static size_t cell_width(const char *text) {
    size_t length = strlen(text);
    return length < CELL_MOST ? length : CELL_MOST;
}

static void add_cells(const struct report_request *request, const char *const *cells, const size_t *widths,
                      struct strbuf *out) {
    for (uint32_t i = 0; i < request->key_count; i++) {
        size_t start = out->length;
        strbuf_addstr(out, "  ");
        view_clean_text(cells[i], out);
        if (i + 1 < request->key_count && out->length - start - 2 < widths[i])
            strbuf_fill(out, ' ', widths[i] - (out->length - start - 2));
    }
    strbuf_addch(out, '\n');
}

static void print_rows(const struct report_request *request, const struct profile_rows *rows, struct strbuf *out) {
    uint32_t count = shown_rows(request, rows);
    size_t widths[PROFILE_KEY_COUNT];
    const char *names[PROFILE_KEY_COUNT];
    for (uint32_t i = 0; i < request->key_count; i++) {
        names[i] = profile_keys[request->keys[i]].name;
        widths[i] = strlen(names[i]);
        for (uint32_t k = 0; k < count; k++) {
            size_t width = cell_width(rows->rows.data[k].cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    strbuf_addstr(out, "   self    total   samples");
    add_cells(request, names, widths, out);
    for (uint32_t i = 0; i < count; i++) {
        const struct profile_row *row = &rows->rows.data[i];
        strbuf_addf(out, "%6.2f%%  %6.2f%%  %8llu", percent(row->self, rows->weight), percent(row->total, rows->weight),
                    (unsigned long long)row->self_count);
        add_cells(request, row->cells, widths, out);
    }
    if (count < rows->rows.count)
        strbuf_addf(out, "... and %u rows more (--limit, --min)\n", rows->rows.count - count);
}

static void add_json_text(const char *name, const char *text, struct strbuf *out) {
    strbuf_addf(out, ", \"%s\": ", name);
    view_json_string(text, strlen(text), out);
}

static void print_json(const struct report_request *request, const struct profile *profile,
                       const struct profile_rows *rows, struct strbuf *out) {
    const struct profile_badge *badge = &profile->badge;
    uint64_t cut = 0;
    for (int i = PROFILE_COMPLETE + 1; i < PROFILE_CUTS; i++)
        cut += badge->cut[i];
    strbuf_addstr(out, "{\"type\": \"profile\"");
    add_json_text("event", profile->event, out);
    add_json_text("unit", profile->unit, out);
    strbuf_addf(out,
                ", \"weight\": %llu, \"samples\": %llu, \"taken\": %llu, \"lost\": %llu, \"complete\": %llu, "
                "\"cut\": %llu}\n",
                (unsigned long long)rows->weight, (unsigned long long)rows->count, (unsigned long long)badge->taken,
                (unsigned long long)badge->lost, (unsigned long long)badge->cut[PROFILE_COMPLETE],
                (unsigned long long)cut);
    uint32_t count = shown_rows(request, rows);
    for (uint32_t i = 0; i < count; i++) {
        const struct profile_row *row = &rows->rows.data[i];
        strbuf_addf(out, "{\"type\": \"row\", \"self\": %llu, \"total\": %llu, \"samples\": %llu",
                    (unsigned long long)row->self, (unsigned long long)row->total, (unsigned long long)row->self_count);
        for (uint32_t k = 0; k < request->key_count; k++)
            add_json_text(profile_keys[request->keys[k]].name, row->cells[k], out);
        strbuf_addstr(out, "}\n");
    }
}

/* ---- the command ----------------------------------------------------------------------------------------------- */

static bool print_focus(struct arena *arena, const struct report_request *request, struct profile *profile,
                        struct strbuf *out) {
    struct profile *focus = profile_focus(arena, profile, request->focus, request->direction);
    if (!focus->samples.count) {
        fprintf(stderr,
                "ERROR: no stack has a function \"%s\"\nHINT: names may have *; the table of functions shows them\n",
                request->focus);
        return false;
    }
    strbuf_addf(out, "%s of %s:\n", request->direction == PROFILE_CALLERS ? "Callers" : "Callees", request->focus);
    view_profile_tree(focus, request->least < 0 ? USUAL_TREE_PERCENT : request->least, out);
    return true;
}

static bool print(struct arena *arena, const struct report_request *request, struct profile *profile,
                  struct strbuf *out) {
    if (request->json) {
        print_json(request, profile, profile_rows(arena, profile, request->keys, request->key_count), out);
        return true;
    }
    view_profile_badge(profile, out);
    if (profile->note)
        strbuf_addf(out, "%s\n", profile->note);
    strbuf_addch(out, '\n');
    if (request->focus)
        return print_focus(arena, request, profile, out);
    if (request->tree)
        view_profile_tree(profile, request->least < 0 ? USUAL_TREE_PERCENT : request->least, out);
    else
        print_rows(request, profile_rows(arena, profile, request->keys, request->key_count), out);
    return true;
}

static bool is_sorted_by(const struct report_request *request, enum profile_key key) {
    for (uint32_t i = 0; i < request->key_count; i++) {
        if (request->keys[i] == key)
            return true;
    }
    return false;
}

static int report(struct arena *arena, const char *path, const struct report_request *request) {
    struct strbuf out = {0};
    const char *error;
    int code = SESSION_OK;
    struct profile *profile = profile_read(arena, path, &request->read, &error);
    if (!profile) {
        fprintf(stderr, "ERROR: %s\n", error);
        return SESSION_USER_ERROR;
    }
    if (request->inlines || is_sorted_by(request, PROFILE_KEY_LINE))
        profile = profile_with_lines(arena, profile, request->inlines);
    profile_filter(profile, &request->filter);
    if (!print(arena, request, profile, &out))
        code = SESSION_USER_ERROR;
    else if (!cli_page(&out, request->no_pager || request->json))
        code = SESSION_OUTPUT_ERROR;
    strbuf_free(&out);
    return code;
}

int cli_report_words(int argc, char **argv, struct cli_request *request) {
    struct report_request wanted = {
        .keys = {PROFILE_KEY_FUNCTION, PROFILE_KEY_MODULE}, .key_count = 2, .limit = USUAL_ROWS, .least = -1};
    if (!cli_parse_words(argc, argv, request, &cli_report_options, &wanted))
        return SESSION_USER_ERROR;
    if (wanted.help)
        return cli_help_command(argv[0]);
    if (request->argument_count > 1) {
        fprintf(stderr, "ERROR: %s wants one file\nHINT: --help shows the options\n", argv[0]);
        return SESSION_USER_ERROR;
    }
    wanted.read.with_times = is_sorted_by(&wanted, PROFILE_KEY_CPU);
    return report(request->arena, request->argument_count ? request->arguments[0] : "perf.data", &wanted);
}
