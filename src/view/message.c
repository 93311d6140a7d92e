/* Messages: text as it is, or one JSON object a line. */
#include "view/view_int.h"

#include <string.h>

static const char *const message_names[] = {
#define X(kind, name) [kind] = name,
    VIEW_MESSAGES(X)
#undef X
};

static void send_text(const struct view *view, struct strbuf *text) {
    view_output_write(view->out, strbuf_text(text), text->length);
    strbuf_free(text);
}

void view_print_message(const struct view *view, enum view_message kind, const char *text, size_t length) {
    struct strbuf out = {0};

    if (view->format == VIEW_TEXT) {
        view_output_write(view->out, text, length);
        return;
    }
    strbuf_addstr(&out, "{\"type\": \"");
    strbuf_addstr(&out, message_names[kind]);
    strbuf_addstr(&out, "\", \"data\": ");
    view_json_string(text, length, &out);
    strbuf_addstr(&out, "}\n");
    send_text(view, &out);
}

void view_print_value(const struct view *view, const struct type *type, const void *bytes) {
    struct strbuf out = {0};

    if (view->format == VIEW_TEXT) {
        view_value(view, type, bytes, &out);
        strbuf_addch(&out, '\n');
    } else {
        strbuf_addstr(&out, "{\"type\": \"value\", \"data\": ");
        view_value_json(view, type, bytes, &out);
        strbuf_addstr(&out, "}\n");
    }
    send_text(view, &out);
}

/* Both the old place of the number (count) and the new one (data). */
static void print_number(const struct view *view, const char *type, const char *name, uint64_t number) {
    struct strbuf out = {0};

    if (view->format == VIEW_TEXT)
        return;
    strbuf_addf(&out, "{\"type\": \"%s\", \"count\": %llu, \"data\": {\"%s\": %llu}}\n", type,
                (unsigned long long)number, name, (unsigned long long)number);
    send_text(view, &out);
}

void view_print_attached(const struct view *view, uint64_t probes) {
    print_number(view, "attached_probes", "probes", probes);
}

void view_print_lost(const struct view *view, uint64_t events) { print_number(view, "lost_events", "events", events); }

void view_print_helper_error(const struct view *view, const char *message, const char *helper, int64_t result,
                             const char *file, uint32_t line, uint32_t column) {
    struct strbuf out = {0};

    if (view->format == VIEW_TEXT)
        return;
    strbuf_addstr(&out, "{\"type\": \"helper_error\", \"msg\": ");
    view_json_string(message, strlen(message), &out);
    strbuf_addstr(&out, ", \"helper\": ");
    view_json_string(helper, strlen(helper), &out);
    strbuf_addf(&out, ", \"retcode\": %lld, \"filename\": ", (long long)result);
    view_json_string(file, strlen(file), &out);
    strbuf_addf(&out, ", \"line\": %u, \"col\": %u}\n", line, column);
    send_text(view, &out);
}
