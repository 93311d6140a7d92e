/* Trees as text in the manner of the kernel's function_graph, and as JSON.
 *
 *    1) + 10.286 us   |  vfs_read() {
 *    1)   0.512 us    |    rw_verify_area();
 *    1)               |  } = 7
 *
 * The duration stands where the call begins, which is possible because trees come whole. */
#include "base/vec.h"
#include "graph/graph.h"
#include "view/output.h"
#include "view/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DURATION_WIDTH = 12, INDENT = 2 };

struct graph_printer {
    struct arena *arena;
    struct graph_style style;
    struct graph_names *names;
    struct view_output *out;
    struct strbuf text;
    VEC(uint32_t) shown; /* places of the calls that are, a row each */
    VEC(uint32_t) open;  /* rows whose calls have not ended, deepest last */
    unsigned cpu_digits;
    bool has_head;
    uint32_t last_thread;
};

struct graph_printer *graph_printer_new(struct arena *arena, const struct graph_style *style, struct graph_names *names,
                                        struct view_output *out) {
    struct graph_printer *printer = arena_make(arena, struct graph_printer);

    *printer = (struct graph_printer){.arena = arena, .style = *style, .names = names, .out = out};
    printer->last_thread = UINT32_MAX;
    printer->cpu_digits = 2;
    for (uint32_t cpus = style->cpus; cpus > 100; cpus /= 10)
        printer->cpu_digits++;
    return printer;
}

void graph_printer_free(struct graph_printer *printer) {
    if (printer)
        strbuf_free(&printer->text);
}

static void send(struct graph_printer *printer) {
    view_output_write(printer->out, printer->text.data, printer->text.length);
    strbuf_reset(&printer->text);
}

/* ---- which calls --------------------------------------------------------------------------------------------- */

static bool is_short(const struct graph_printer *printer, const struct graph_call *call) {
    return printer->style.least && call->has_return && call->duration < printer->style.least;
}

static void choose(struct graph_printer *printer, const struct graph_tree *tree) {
    printer->shown.count = 0;
    for (uint32_t i = 0; i < tree->count;) {
        const struct graph_call *call = &tree->calls[i++];
        if (!is_short(printer, call)) {
            vec_push(printer->arena, &printer->shown, i - 1);
            continue;
        }
        while (i < tree->count && tree->calls[i].level > call->level)
            i++;
    }
}

static const struct graph_call *call_in_row(const struct graph_printer *printer, const struct graph_tree *tree,
                                            uint32_t row) {
    return &tree->calls[printer->shown.data[row]];
}

static bool calls_something(const struct graph_printer *printer, const struct graph_tree *tree, uint32_t row) {
    return row + 1 < printer->shown.count &&
           call_in_row(printer, tree, row + 1)->level > call_in_row(printer, tree, row)->level;
}

static uint32_t top_row(const struct graph_printer *printer) { return printer->open.data[printer->open.count - 1]; }

/* ---- text ---------------------------------------------------------------------------------------------------- */

static void add_head(struct graph_printer *printer) {
    const struct graph_style *style = &printer->style;
    struct strbuf *text = &printer->text;

    printer->has_head = true;
    strbuf_addstr(text, "#");
    if (style->time)
        strbuf_addf(text, "%*s      ", 10, "TIME");
    if (!style->no_cpu)
        strbuf_addf(text, " %*s", (int)printer->cpu_digits + 1, "CPU");
    if (style->task)
        strbuf_addf(text, "%14s      ", "TASK/PID");
    if (!style->no_duration)
        strbuf_addf(text, "  %-*s", DURATION_WIDTH, "DURATION");
    strbuf_addstr(text, "   FUNCTION CALLS\n");
}

/* Seven digits, as the kernel does it. */
static void add_duration(struct strbuf *text, const struct graph_call *call) {
    static const struct {
        uint64_t above;
        char sign;
    } signs[] = {{1000000000, '$'}, {100000000, '@'}, {10000000, '*'}, {1000000, '#'}, {100000, '!'}, {10000, '+'}};
    char number[40], sign = ' ';

    if (!call || !call->has_return) {
        strbuf_addf(text, "  %*s", DURATION_WIDTH, "");
        return;
    }
    for (size_t i = sizeof signs / sizeof *signs; i-- > 0;)
        sign = call->duration > signs[i].above ? signs[i].sign : sign;
    int length =
        snprintf(number, sizeof number, "%" PRIu64 ".%03u", call->duration / 1000, (unsigned)(call->duration % 1000));
    int whole = length - 4, wanted = whole >= 7 ? whole : length > 8 ? 8 : length;
    snprintf(number + wanted, sizeof number - (size_t)wanted, " us");
    strbuf_addf(text, "%c %-*s", sign, DURATION_WIDTH, number);
}

static void begin_line(struct graph_printer *printer, const struct graph_tree *tree, const struct graph_call *call,
                       uint64_t time, const struct graph_call *with_duration, uint32_t level) {
    const struct graph_style *style = &printer->style;
    struct strbuf *text = &printer->text;

    if (style->time)
        strbuf_addf(text, "%6" PRIu64 ".%06u |  ", time / 1000000000, (unsigned)(time / 1000 % 1000000));
    if (!style->no_cpu)
        strbuf_addf(text, " %*u) ", (int)printer->cpu_digits, call->cpu);
    if (style->task) {
        char task[40];
        snprintf(task, sizeof task, "%s-%u", tree->name[0] ? tree->name : "<...>", tree->thread);
        strbuf_addf(text, " %-18s |", task);
    }
    if (!style->no_duration)
        add_duration(text, with_duration);
    if (!style->no_cpu || style->task || !style->no_duration)
        strbuf_addstr(text, style->task && style->no_duration ? "  " : "|  ");
    strbuf_fill(text, ' ', level * INDENT);
}

static void add_function(struct graph_printer *printer, const struct graph_call *call) {
    const struct graph_name *name = graph_names_get(printer->names, call->function);

    strbuf_addstr(&printer->text, name->text);
    if (name->module)
        strbuf_addf(&printer->text, " [%s]", name->module);
}

static void add_result(struct strbuf *text, const struct graph_call *call) {
    int64_t value = (int64_t)call->result;

    if (!call->has_result)
        return;
    if (value < 65536 && value > -65536)
        strbuf_addf(text, " = %" PRId64, value);
    else
        strbuf_addf(text, " = 0x%" PRIx64, call->result);
}

static void add_remark(struct strbuf *text, const struct graph_tree *tree, const struct graph_call *call) {
    if (!call->has_call)
        strbuf_addstr(text, " /* when it was called was lost */");
    else if (!call->has_return)
        strbuf_addstr(text, tree->still_running ? " /* had not returned */" : " /* its return was lost */");
}

static void close_call(struct graph_printer *printer, const struct graph_tree *tree) {
    struct strbuf *text = &printer->text;
    const struct graph_call *call = call_in_row(printer, tree, printer->open.data[--printer->open.count]);

    begin_line(printer, tree, call, call->time + call->duration, NULL, printer->open.count);
    strbuf_addstr(text, "}");
    add_result(text, call);
    if (printer->style.tail) {
        strbuf_addstr(text, " /* ");
        add_function(printer, call);
        strbuf_addstr(text, " */");
    }
    strbuf_addch(text, '\n');
}

static void add_row(struct graph_printer *printer, const struct graph_tree *tree, uint32_t row) {
    struct strbuf *text = &printer->text;
    const struct graph_call *call = call_in_row(printer, tree, row);

    while (printer->open.count && call_in_row(printer, tree, top_row(printer))->level >= call->level)
        close_call(printer, tree);
    begin_line(printer, tree, call, call->time, call, printer->open.count);
    add_function(printer, call);
    strbuf_addstr(text, "()");
    if (calls_something(printer, tree, row)) {
        strbuf_addstr(text, " {");
        vec_push(printer->arena, &printer->open, row);
    } else {
        add_result(text, call);
        strbuf_addch(text, ';');
    }
    add_remark(text, tree, call);
    strbuf_addch(text, '\n');
}

static void print_text(struct graph_printer *printer, const struct graph_tree *tree) {
    struct strbuf *text = &printer->text;

    if (!printer->has_head)
        add_head(printer);
    if (tree->thread != printer->last_thread && !printer->style.task)
        strbuf_addf(text, "# %s-%u\n", tree->name[0] ? tree->name : "<...>", tree->thread);
    printer->last_thread = tree->thread;
    for (uint32_t row = 0; row < printer->shown.count; row++) {
        add_row(printer, tree, row);
        if (text->length > 1 << 16)
            send(printer);
    }
    while (printer->open.count)
        close_call(printer, tree);
    if (tree->left_out)
        strbuf_addf(text, "# %u calls more, for which there was no room: --depth or --not make trees smaller\n",
                    tree->left_out);
    send(printer);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

static void add_string(struct strbuf *text, const char *name, const char *value) {
    strbuf_addf(text, "\"%s\": ", name);
    view_json_string(value, strlen(value), text);
}

static void add_object(struct graph_printer *printer, const struct graph_call *call) {
    struct strbuf *text = &printer->text;
    const struct graph_name *name = graph_names_get(printer->names, call->function);

    strbuf_addstr(text, "{");
    add_string(text, "function", name->text);
    if (name->module) {
        strbuf_addstr(text, ", ");
        add_string(text, "module", name->module);
    }
    strbuf_addf(text, ", \"cpu\": %u", call->cpu);
    if (call->has_call)
        strbuf_addf(text, ", \"time\": %" PRIu64, call->time);
    if (call->has_return)
        strbuf_addf(text, ", \"duration\": %" PRIu64, call->duration);
    if (call->has_result)
        strbuf_addf(text, ", \"result\": %" PRId64, (int64_t)call->result);
}

static void end_object(struct graph_printer *printer, const struct graph_tree *tree) {
    uint32_t row = printer->open.data[--printer->open.count];

    strbuf_addstr(&printer->text, calls_something(printer, tree, row) ? "]}" : "}");
}

static void print_json(struct graph_printer *printer, const struct graph_tree *tree) {
    struct strbuf *text = &printer->text;

    strbuf_addstr(text, "{\"type\": \"call_tree\", \"data\": {");
    add_string(text, "comm", tree->name);
    strbuf_addf(text, ", \"tid\": %u, \"calls\": [", tree->thread);
    for (uint32_t row = 0; row < printer->shown.count; row++) {
        const struct graph_call *call = call_in_row(printer, tree, row);
        bool is_inside = row && calls_something(printer, tree, row - 1);
        while (printer->open.count && call_in_row(printer, tree, top_row(printer))->level >= call->level)
            end_object(printer, tree);
        strbuf_addstr(text, is_inside ? ", \"calls\": [" : row ? ", " : "");
        add_object(printer, call);
        vec_push(printer->arena, &printer->open, row);
    }
    while (printer->open.count)
        end_object(printer, tree);
    strbuf_addf(text, "]%s}}\n", tree->left_out ? ", \"cut\": true" : "");
    send(printer);
}

bool graph_print(struct graph_printer *printer, const struct graph_tree *tree) {
    choose(printer, tree);
    if (!printer->shown.count)
        return false;
    (printer->style.json ? print_json : print_text)(printer, tree);
    return true;
}
