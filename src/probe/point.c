/* Attach points as written: split at ':', quotes kept together, numbers read. */
#include "probe/probe_int.h"

#include <errno.h>
#include <string.h>

struct splitter {
    const char *text;
    uint32_t at;
    struct strbuf piece;
};

/* Reads up to the next ':' outside quotes. False: a quote is never closed. */
static bool read_part(struct splitter *in, struct arena *arena, struct probe_part *part) {
    char quote = 0;

    strbuf_reset(&in->piece);
    part->begin = in->at;
    for (char c; (c = in->text[in->at]) && (quote || c != ':'); in->at++) {
        if (quote && c == quote) {
            quote = 0;
        } else if (!quote && c == '"') {
            quote = c;
        } else {
            if (c == '\\' && quote && in->text[in->at + 1])
                c = in->text[++in->at];
            strbuf_addch(&in->piece, c);
        }
    }
    part->end = in->at;
    part->text = arena_strndup(arena, strbuf_text(&in->piece), in->piece.length);
    return quote == 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int probe_split(struct probe_context *context, const char *text, struct probe_point *point, struct probe_error *error) {
    size_t length = strlen(text), start = 0;
    int result = 0;

    *point = (struct probe_point){0};
    while (is_blank(text[start]))
        start++;
    while (length > start && is_blank(text[length - 1]))
        length--;
    struct splitter in = {.text = arena_strndup(context->arena, text, length), .at = (uint32_t)start};
    for (struct probe_part *part = &point->provider;; part = &point->parts[point->part_count++]) {
        if (!read_part(&in, context->arena, part)) {
            result = probe_fail_text(context, error, part, "a quote is not closed: %s", in.text + part->begin);
            break;
        }
        if (in.text[in.at] == '\0')
            break;
        in.at++;
        if (point->part_count == PROBE_PARTS_MAX) {
            part->begin = in.at;
            part->end = (uint32_t)length;
            result = probe_fail_text(context, error, part, "too many ':' in attach point '%s'", in.text + start);
            break;
        }
    }
    strbuf_free(&in.piece);
    return result;
}

bool probe_is_wildcard(const char *text) { return probe_has_star(text); }

bool probe_parse_number(const char *text, uint64_t *value, const char **rest) {
    uint64_t number = 0, exponent = 0;
    const char *p = text;

    if (*p < '0' || *p > '9')
        return false;
    for (; (*p >= '0' && *p <= '9') || (*p == '_' && p[1] >= '0' && p[1] <= '9'); p++) {
        if (*p != '_' && (__builtin_mul_overflow(number, 10, &number) ||
                          __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number)))
            return false;
    }
    if (*p == 'e' && p[1] >= '0' && p[1] <= '9') {
        for (p++; *p >= '0' && *p <= '9' && exponent < 100; p++)
            exponent = exponent * 10 + (uint64_t)(*p - '0');
        while (exponent-- > 0) {
            if (__builtin_mul_overflow(number, 10, &number))
                return false;
        }
    }
    *value = number;
    *rest = p;
    return true;
}
