/* How a map is printed: print(@map, top, div), and print(@map, {limit = 10, sort = key}) with the names below.
 *
 * To add an option: a row in the table, a field of struct lang_print (plan.h), and what view/map.c makes of it. */
#include "lang/check_int.h"
#include "lang/plan.h"

#include <string.h>

enum value_kind { COUNT, NUMBER, WORD };

static const char *const sort_words[] = {
    [LANG_SORT_USUAL] = "", [LANG_SORT_KEY] = "key", [LANG_SORT_VALUE] = "value", NULL};
static const char *const order_words[] = {"ascending", "descending", "asc", "desc", NULL};

static const struct option {
    const char *name;
    enum value_kind kind;
    const char *const *words;
} options[] = {
    {"limit", COUNT, NULL}, /* the first lines of the order */
    {"top", COUNT, NULL},   /* the greatest ones, wherever they stand */
    {"div", COUNT, NULL},   {"min", NUMBER, NULL}, {"sort", WORD, sort_words}, {"order", WORD, order_words},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

static const struct option *find(const char *name) {
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

/* The position in the list; -1: it is no such word. */
static int word_index(const struct option *option, const struct node *value) {
    for (int i = 0; (value->kind == NODE_IDENTIFIER || value->kind == NODE_STRING) && option->words[i]; i++)
        if (*option->words[i] && strcmp(option->words[i], value->text) == 0)
            return i;
    return -1;
}

/* ---- checking ---------------------------------------------------------------------------------------------- */

static void check_word(struct check *c, const struct option *option, struct node *value) {
    value->type = type_void();
    if (word_index(option, value) >= 0)
        return;
    check_error(c, "print-options", value->loc, "print(): '%s' is %s", option->name,
                option->words == sort_words ? "key or value" : "ascending or descending");
    check_hint(c, "print(@map, {limit = 10, sort = key, order = descending})");
}

static void check_number(struct check *c, struct node *value, bool is_count) {
    int64_t number;

    if (check_constant(c, value, "print()", &number) && is_count && (number < 0 || number > UINT32_MAX)) {
        check_error(c, "print-options", value->loc, "print() expects a number from 0 up");
        check_hint(c, "print(@map, how many, divisor)");
    }
}

static void check_option(struct check *c, const struct lang_map *map, const char *name, struct node *value) {
    const struct option *option = find(name);
    const char *names[OPTION_COUNT];

    if (option && option->kind == WORD) {
        check_word(c, option, value);
        return;
    }
    if (option)
        check_number(c, value, option->kind == COUNT);
    if (option && option->kind == NUMBER && map->value &&
        (map->value->kind == TYPE_TSERIES || (map->value->kind != TYPE_INT && !type_is_aggregate(map->value)))) {
        check_error(c, "print-options", value->loc, "print(): '%s' needs values that are numbers, those of %s are '%s'",
                    name, map->name, check_type_text(c, map->value));
        check_hint(c, "it leaves out entries with a smaller value");
    }
    if (option)
        return;
    value->type = type_void();
    for (unsigned i = 0; i < OPTION_COUNT; i++)
        names[i] = options[i].name;
    check_error(c, "print-options", value->loc, "print() has no option '%s'", name);
    const char *nearest = diag_nearest(name, names, OPTION_COUNT);
    if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else
        check_hint(c, "the options are limit, top, div, min, sort and order");
}

static bool is_record(const struct node *node) { return node && node->kind == NODE_TUPLE && node->names; }

void check_print_options(struct check *c, struct node *call) {
    const struct lang_map *map = call->child->map;
    struct node *first = call->child->next;
    uint32_t i = 0;

    if (!is_record(first)) {
        for (struct node *number = first; number; number = number->next)
            check_number(c, number, true);
        return;
    }
    first->type = type_void();
    for (struct node *value = first->child; value; value = value->next)
        check_option(c, map, first->names[i++], value);
    if (first->next) {
        check_error(c, "print-options", first->next->loc, "print() takes nothing behind its options");
        check_hint(c, "the divisor is an option too: {div = 1000}");
    }
}

/* ---- reading, once checked --------------------------------------------------------------------------------- */

static void read_option(struct lang_print *print, const char *name, const struct node *value) {
    const struct option *option = find(name);

    if (strcmp(name, "limit") == 0) {
        print->limit = value->number;
    } else if (strcmp(name, "top") == 0) {
        print->top = value->number;
    } else if (strcmp(name, "div") == 0) {
        print->div = value->number;
    } else if (strcmp(name, "min") == 0) {
        print->has_least = true;
        print->least = value->number;
    } else if (strcmp(name, "sort") == 0) {
        print->sort = (enum lang_sort)word_index(option, value);
    } else {
        print->descending = word_index(option, value) & 1;
    }
}

struct lang_print lang_print_options(const struct node *call) {
    const struct node *first = call->child->next;
    struct lang_print print = {0};
    uint32_t i = 0;

    if (is_record(first)) {
        for (const struct node *value = first->child; value; value = value->next)
            read_option(&print, first->names[i++], value);
    } else if (first) {
        print.top = first->number;
        print.div = first->next ? first->next->number : 0;
    }
    return print;
}
