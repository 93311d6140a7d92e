/* Functions: one rule per row of functions.def, check_call_NAME. A rule checks the arguments and sets node->type; the
 * number of arguments has been checked before. Statements leave the type void. */
#include "base/printf_spec.h"
#include "lang/check_int.h"
#include "lang/registers.h"

#include <string.h>

/* ---- shared ------------------------------------------------------------------------------------------------ */

static void aggregate_copy_error(struct check *c, const struct node *node) {
    check_error(c, "aggregate-value", node->loc, "'%s' cannot be used as a value", check_type_text(c, node->type));
    check_hint(c, "histograms and statistics can only be printed, by print()");
}

/* str($1) is the text of the parameter, as $1 alone is where a text is wanted. */
static void take_str_of_literal(struct node *node) {
    struct node *value = node->child, *next = node->next;

    if (node->kind != NODE_CALL || strcmp(node->text, "str") != 0 || !value || value->next)
        return;
    if (value->kind != NODE_STRING && value->kind != NODE_POSITIONAL && !check_is_positional(value))
        return;
    *node = *value;
    node->next = next;
}

/* A string literal; false (and reported) if it is none. */
bool check_literal(struct check *c, struct node *node, const char *function) {
    take_str_of_literal(node);
    check_positional_string(c, node);
    if (node->kind == NODE_STRING) {
        node->type = type_string(c->arena, node->length + 1);
        if (strlen(node->text) == node->length)
            return true;
        check_error(c, "literal-nul", node->loc, "the text of %s() cannot hold a zero byte", function);
        check_hint(c, "printf(\"%%c\", 0) prints one");
        return false;
    }
    check_error(c, "literal-expected", node->loc, "%s() expects a string literal", function);
    check_hint(c, "write the text in quotes; a string that is computed can be printed by printf(\"%%s\", ...)");
    return false;
}

static bool is_address(const struct type *type) { return check_is_integer(type) || type->kind == TYPE_POINTER; }

/* An integer or pointer; false if it is none or not known. */
bool check_address_argument(struct check *c, struct node *node, const char *function) {
    const struct type *type = check_value(c, node);

    if (type && !is_address(type)) {
        check_error(c, "address-expected", node->loc, "%s() expects an integer or pointer ('%s' provided)", function,
                    check_type_text(c, type));
        check_hint(c, "its argument is an address");
    }
    return type && is_address(type);
}

/* ---- output ------------------------------------------------------------------------------------------------ */

/* The next conversion that takes an argument, from *position on; NULL behind the last. */
static const struct printf_spec *next_conversion(const struct printf_format *format, uint32_t *position) {
    while (*position < format->count && format->specs[*position].conversion == PRINTF_LITERAL)
        ++*position;
    return *position < format->count ? &format->specs[(*position)++] : NULL;
}

static void check_printf_argument(struct check *c, struct node *argument, const struct printf_spec *spec) {
    if (spec && spec->conversion == PRINTF_STRING && check_positional_string(c, argument))
        return;
    if (check_value(c, argument) && type_is_aggregate(argument->type)) {
        aggregate_copy_error(c, argument);
        argument->type = NULL;
    }
}

static struct node *nth(struct node *node, uint32_t index) {
    while (node && index--)
        node = node->next;
    return node;
}

void check_formatted(struct check *c, struct node *node) {
    struct node *text = node->child;
    struct printf_format format = {0};
    VEC(const struct type *) types = {0};
    bool known = true;

    bool is_literal = check_literal(c, text, node->text);
    const char *error = is_literal ? printf_parse(c->arena, text->text, &format) : NULL;
    if (error) {
        check_error(c, "printf-format", text->loc, "%s", error);
        check_hint(c, "a conversion is %%, flags, width, letter: %%d, %%-16s, %%08lx; %%%% is a percent sign");
    }
    uint32_t position = 0;
    for (struct node *argument = text->next; argument; argument = argument->next) {
        check_printf_argument(c, argument, next_conversion(&format, &position));
        known &= argument->type != NULL;
        vec_push(c->arena, &types, argument->type);
    }
    if (!is_literal || error || !known)
        return;
    uint32_t wrong = 0;
    error = printf_check(c->arena, &format, types.data, types.count, &wrong);
    if (!error)
        return;
    if (format.argument_count != types.count) {
        check_error(c, "printf-count", node->loc, "%s", error);
        check_hint(c, "the format takes %u argument%s", format.argument_count, format.argument_count == 1 ? "" : "s");
    } else {
        const struct node *argument = nth(text->next, wrong);
        check_error(c, "printf-type", argument ? argument->loc : node->loc, "%s", error);
        if (argument)
            check_note_origin(c, argument);
        check_hint(c, "%%s prints a value of any type");
    }
}

static void check_call_printf(struct check *c, struct node *node) {
    if (c->target->writes_file)
        check_call_debugf(c, node); /* the kernel formats what the reader of the file will see */
    else
        check_formatted(c, node);
}
static void check_call_errorf(struct check *c, struct node *node) { check_formatted(c, node); }
static void check_call_warnf(struct check *c, struct node *node) { check_formatted(c, node); }
static void check_call_system(struct check *c, struct node *node) { check_formatted(c, node); }
static void check_call_cat(struct check *c, struct node *node) { check_formatted(c, node); }

static void check_call_print(struct check *c, struct node *node) {
    struct node *value = node->child;

    if (value->kind == NODE_MAP && !value->child) {
        struct lang_map *map = check_map_whole(c, value, "print");
        map->printed = true;
        value->type = map->value; /* a scalar map may be printed as a value */
        check_print_options(c, node);
        return;
    }
    check_value(c, value);
    if (value->next) {
        check_error(c, "print-options", value->next->loc,
                    "Single-value (i.e. indexed) map prints cannot be followed by "
                    "top or divisor");
        check_hint(c, "these are for whole maps: print(@map, top, divisor)");
    }
}

static void check_call_exit(struct check *c, struct node *node) {
    if (c->callback_depth) {
        check_error(c, "exit-in-loop", node->loc, "exit() is not allowed inside of a loop");
        check_hint(c, "break out of the loop and call exit() behind it");
    }
    if (node->child)
        check_integer(c, node->child, "exit()");
}

static void check_call_unwatch(struct check *c, struct node *node) {
    const struct type *type = check_value(c, node->child);

    if (type && type->kind != TYPE_POINTER)
        check_integer(c, node->child, "unwatch()");
}

static void check_call_time(struct check *c, struct node *node) {
    if (node->child)
        check_literal(c, node->child, "time");
}

/* ---- maps -------------------------------------------------------------------------------------------------- */

static void check_call_clear(struct check *c, struct node *node) {
    struct lang_map *map = check_map_whole(c, node->child, "clear");

    if (map)
        map->cleared = true;
}

static void check_call_zero(struct check *c, struct node *node) {
    struct lang_map *map = check_map_whole(c, node->child, "zero");

    if (map)
        map->zeroed = true;
}

/* delete(@m[k1, k2]) -> delete(@m, (k1, k2)) */
static void rewrite_old_delete(struct check *c, struct node *map) {
    struct node *key = map->child;

    map->child = NULL;
    if (key->next) {
        struct node *tuple = arena_make(c->arena, struct node);
        const struct node *last = key;
        while (last->next)
            last = last->next;
        tuple->kind = NODE_TUPLE;
        tuple->loc = (struct loc){key->loc.begin, last->loc.end};
        tuple->child = key;
        key = tuple;
    }
    map->next = key;
}

static void check_call_delete(struct check *c, struct node *node) {
    struct node *first = node->child;

    if (first->kind == NODE_MAP && first->child && !first->next)
        rewrite_old_delete(c, first);
    struct lang_map *map = check_map_whole(c, first, "delete");
    node->type = type_bool();
    if (!map)
        return;
    map->deleted = true;
    if (first->next)
        check_map_keys(c, map, first->loc, first->next);
    else if (check_map_state(c, map)->shape == MAP_SHAPE_KEYED)
        map->cleared = true; /* delete(@m) of a map with keys is clear(@m) */
}

/* False (and reported) if the map is known to have no keys. */
static bool has_keys(struct check *c, const struct lang_map *map, const struct node *call) {
    if (check_map_state(c, map)->shape != MAP_SHAPE_SCALAR)
        return true;
    check_error(c, "keys-expected", call->child->loc, "call to %s() expects a map with explicit keys (non-scalar map)",
                call->text);
    check_note(c, map->key_from, "%s has no keys since here", map->name);
    check_hint(c, "%s holds a single value: it is there from the start", map->name);
    return false;
}

static void check_call_has_key(struct check *c, struct node *node) {
    struct lang_map *map = check_map_whole(c, node->child, "has_key");

    node->type = type_bool();
    if (!map || !has_keys(c, map, node))
        return;
    map->tested = true;
    check_map_keys(c, map, node->child->loc, node->child->next);
}

/* find(@map, key, $variable): true, and the variable gets the value, if the key is there. */
static void check_call_find(struct check *c, struct node *node) {
    struct lang_map *map = check_map_whole(c, node->child, "find");
    struct node *key = node->child->next, *variable = key->next;

    node->type = type_bool();
    if (variable->kind != NODE_VARIABLE) {
        check_error(c, "find-variable", variable->loc, "find() expects a variable for the value");
        check_hint(c, "let $value; if (find(@map, key, $value)) { }");
        return;
    }
    check_expression(c, variable); /* says so if it was not declared */
    if (!map)
        return;
    map->tested = true;
    key->next = NULL; /* the rest is no key */
    bool keyed = check_map_keys(c, map, node->child->loc, key);
    key->next = variable;
    if (!keyed || !variable->variable || !map->value)
        return;
    const struct type *type = check_is_countable(map->value) ? check_reduced_type(map->value) : map->value;
    check_assign_variable(c, variable->variable, NULL, type, node->loc);
    variable->type = variable->variable->type;
}

static void check_call_len(struct check *c, struct node *node) {
    struct node *value = node->child;

    node->type = type_int(64, true);
    if (value->kind == NODE_MAP && !value->child) {
        struct lang_map *map = check_map_whole(c, value, "len");
        if (check_map_state(c, map)->shape == MAP_SHAPE_SCALAR && map->value && type_is_stack(map->value)) {
            value->type = map->value;
        } else if (has_keys(c, map, node)) {
            map->counted = true;
        }
        return;
    }
    const struct type *type = check_value(c, value);
    if (type && !type_is_stack(type)) {
        check_error(c, "len-argument", value->loc, "len() expects a map or stack to be provided ('%s' provided)",
                    check_type_text(c, type));
        check_hint(c, "len(@map) counts the elements, len(ustack) the frames");
    }
}

/* ---- strings and addresses --------------------------------------------------------------------------------- */

static void check_call_str(struct check *c, struct node *node) {
    struct node *source = node->child, *size = source->next;
    uint32_t capacity = c->env->max_strlen;

    check_positional_string(c, source);
    if (size && check_integer(c, size, "str()") && size->is_constant) {
        if (size->number < 1) {
            check_error(c, "str-size", size->loc, "str() expects a size from 1 up (%lld provided)",
                        (long long)size->number);
            check_hint(c, "the size counts the NUL at the end");
        } else if ((uint64_t)size->number < capacity) {
            capacity = (uint32_t)size->number;
        }
    }
    node->type = type_string(c->arena, capacity);
    if (source->kind == NODE_STRING)
        source->type = type_string(c->arena, source->length + 1);
    else if (!check_value(c, source))
        return;
    if (source->type->kind == TYPE_STRING) {
        if (source->type->size < capacity)
            node->type = source->type;
    } else if (source->type->kind == TYPE_PROBE) {
        uint32_t room = check_probe_room(c->env, c->target, source);
        if (room < capacity)
            node->type = type_string(c->arena, room);
    } else if (!is_address(source->type)) {
        check_error(c, "str-argument", source->loc,
                    "str() expects an integer or a pointer type as first argument ('%s' "
                    "provided)",
                    check_type_text(c, source->type));
        check_hint(c, "its argument is the address of a text");
    }
}

static void check_call_strncmp(struct check *c, struct node *node) {
    struct node *a = node->child, *b = a->next;
    int64_t length;

    node->type = type_int(64, true);
    for (struct node *side = a; side != b->next; side = side->next) {
        if (check_positional_string(c, side))
            continue;
        const struct type *type = check_value(c, side);
        if (type && type->kind != TYPE_STRING) {
            check_error(c, "string-expected", side->loc, "strncmp() expects strings ('%s' provided)",
                        check_type_text(c, type));
            check_hint(c, "str(pointer) makes a string of what a pointer points to");
        }
    }
    if (check_constant(c, b->next, "strncmp()", &length) && length < 0) {
        check_error(c, "strncmp-length", b->next->loc, "Builtin strncmp requires a non-negative length");
        check_hint(c, "it is the number of characters to compare");
    }
}

static void check_symbol(struct check *c, struct node *node, enum type_kind kind) {
    check_address_argument(c, node->child, node->text);
    node->type = type_simple(kind, false);
}

static void check_call_ksym(struct check *c, struct node *node) { check_symbol(c, node, TYPE_KSYM); }
static void check_call_usym(struct check *c, struct node *node) { check_symbol(c, node, TYPE_USYM); }

static void check_space(struct check *c, struct node *node, enum type_space space) {
    if (!check_address_argument(c, node->child, node->text))
        return;
    const struct type *type = node->child->type;
    node->type =
        type->kind == TYPE_POINTER ? check_with_space(c, type, space) : type_pointer(c->arena, type_void(), space);
}

static void check_call_kptr(struct check *c, struct node *node) { check_space(c, node, SPACE_KERNEL); }
static void check_call_uptr(struct check *c, struct node *node) { check_space(c, node, SPACE_USER); }

static void check_call_reg(struct check *c, struct node *node) {
    unsigned with_registers = CONTEXT_BIT(UPROBE) | CONTEXT_BIT(URETPROBE) | CONTEXT_BIT(KPROBE) |
                              CONTEXT_BIT(KRETPROBE) | CONTEXT_BIT(PERF_EVENT);

    node->type = type_int(64, false);
    if (!(with_registers & (1u << c->target->context))) {
        check_error(c, "builtin-context", node->loc, "reg() can not be used with '%s' probes",
                    c->target->provider ? c->target->provider : "these");
        check_hint(
            c, "registers are known in uprobe, uretprobe, kprobe, kretprobe, profile, interval and software probes");
    }
    if (check_literal(c, node->child, "reg") && lang_register_offset(node->child->text) < 0) {
        check_error(c, "unknown-register", node->child->loc, "'%s' is not a valid register on this architecture",
                    node->child->text);
        check_hint(c, "names are those of struct pt_regs, for example \"ip\" and \"sp\"");
    }
}

/* ---- stacks ------------------------------------------------------------------------------------------------ */

static void set_stack_type(struct check *c, struct node *node, const struct type *type, bool by_pointers) {
    node->type = by_pointers ? type_stack_by_pointers(c->arena, type) : type;
}

static void check_stack(struct check *c, struct node *node, enum type_kind kind) {
    struct node *depth_node = node->child;
    int64_t depth = CHECK_STACK_DEPTH;
    enum type_stack_mode mode = c->env->stack_mode;

    bool by_pointers = false;
    while (depth_node && depth_node->kind == NODE_IDENTIFIER) {
        depth_node->type = type_void();
        if (kind == TYPE_USTACK && strcmp(depth_node->text, "fp") == 0) {
            by_pointers = true;
        } else if (!type_stack_mode_find(depth_node->text, &mode)) {
            check_error(c, "stack-mode", depth_node->loc, "Invalid stack mode: '%s'", depth_node->text);
            check_hint(c, kind == TYPE_USTACK ? "modes are bpftrace, perf, raw and build_id; fp follows frame pointers"
                                              : "modes are bpftrace, perf, raw and build_id");
        }
        depth_node = depth_node->next;
    }
    if (kind == TYPE_KSTACK && mode == TYPE_STACK_BUILD_ID) {
        check_warning(c, "stack-mode", node->loc,
                      "'build_id' stack mode can only be used for ustack. Falling back to 'raw' mode.");
        check_hint(c, "write kstack(raw)");
    }
    set_stack_type(c, node, type_stack(c->arena, kind, CHECK_STACK_DEPTH, mode), by_pointers);
    if (depth_node && depth_node->next) {
        check_error(c, "stack-mode", depth_node->loc, "%s() expects a stack mode as first of two arguments",
                    node->text);
        check_hint(c, "write %s(perf, 10)", node->text);
        return;
    }
    if (!depth_node || !check_constant(c, depth_node, node->text, &depth))
        return;
    if (depth < 1 || depth > CHECK_STACK_DEPTH_MOST) {
        check_error(c, "stack-depth", depth_node->loc, "%s([int limit]): limit must be from 1 to %d, %lld given",
                    node->text, CHECK_STACK_DEPTH_MOST, (long long)depth);
        check_hint(c, "without a limit it is %d", CHECK_STACK_DEPTH);
        return;
    }
    set_stack_type(c, node, type_stack(c->arena, kind, (uint32_t)depth, mode), by_pointers);
}

static void check_call_kstack(struct check *c, struct node *node) { check_stack(c, node, TYPE_KSTACK); }
static void check_call_ustack(struct check *c, struct node *node) { check_stack(c, node, TYPE_USTACK); }
static void check_call_dw_ustack(struct check *c, struct node *node) { check_stack(c, node, TYPE_USTACK); }

/* ---- aggregates -------------------------------------------------------------------------------------------- */

static void check_call_count(struct check *c, struct node *node) {
    (void)c;
    node->type = type_simple(TYPE_COUNT, false);
}

static void check_numeric_aggregate(struct check *c, struct node *node, enum type_kind kind) {
    const struct type *type = check_integer(c, node->child, arena_printf(c->arena, "%s()", node->text));

    if (type)
        node->type = type_simple(kind, type->is_signed);
}

static void check_call_sum(struct check *c, struct node *node) { check_numeric_aggregate(c, node, TYPE_SUM); }
static void check_call_avg(struct check *c, struct node *node) { check_numeric_aggregate(c, node, TYPE_AVG); }
static void check_call_min(struct check *c, struct node *node) { check_numeric_aggregate(c, node, TYPE_MIN); }
static void check_call_max(struct check *c, struct node *node) { check_numeric_aggregate(c, node, TYPE_MAX); }
static void check_call_stats(struct check *c, struct node *node) { check_numeric_aggregate(c, node, TYPE_STATS); }

static void check_call_hist(struct check *c, struct node *node) {
    enum { BITS_MOST = 5 };
    struct node *bits_node = node->child->next;
    int64_t bits = 0;

    check_integer(c, node->child, "hist()");
    if (bits_node && !check_constant(c, bits_node, "hist()", &bits))
        return;
    if (bits < 0 || bits > BITS_MOST) {
        check_error(c, "hist-bits", bits_node->loc, "hist: bits %lld must be 0..%d", (long long)bits, BITS_MOST);
        check_hint(c, "2^bits buckets are made for every power of two");
        return;
    }
    node->type = type_hist(c->arena, (uint32_t)bits);
}

static void check_call_lhist(struct check *c, struct node *node) {
    enum { BUCKETS_MOST = 1000 };
    struct node *bound = node->child->next;
    int64_t bounds[3]; /* min, max, step */
    bool known = true;

    check_integer(c, node->child, "lhist()");
    for (unsigned i = 0; i < 3; i++, bound = bound->next)
        known &= check_constant(c, bound, "lhist()", &bounds[i]);
    if (!known)
        return;
    if (bounds[2] <= 0) {
        check_error(c, "lhist-step", node->loc, "lhist() step must be >= 1 (%lld provided)", (long long)bounds[2]);
        check_hint(c, "lhist(value, min, max, step)");
    } else if (bounds[0] >= bounds[1]) {
        check_error(c, "lhist-range", node->loc, "lhist() min must be less than max (provided min %lld and max %lld)",
                    (long long)bounds[0], (long long)bounds[1]);
        check_hint(c, "lhist(value, min, max, step)");
    } else if (((uint64_t)bounds[1] - (uint64_t)bounds[0]) / (uint64_t)bounds[2] > BUCKETS_MOST) {
        check_error(c, "lhist-buckets", node->loc, "lhist() too many buckets, must be <= %d (would need %llu)",
                    BUCKETS_MOST,
                    (unsigned long long)(((uint64_t)bounds[1] - (uint64_t)bounds[0]) / (uint64_t)bounds[2]));
        check_hint(c, "choose a larger step");
    } else {
        node->type = type_lhist(c->arena, bounds[0], bounds[1], bounds[2]);
    }
}

/* One word of type_fold_names; LAST without one. */
static bool check_fold(struct check *c, struct node *word, enum type_fold *fold) {
    *fold = TYPE_FOLD_LAST;
    if (!word)
        return true;
    if (!check_literal(c, word, "tseries"))
        return false;
    for (unsigned i = 1; type_fold_names[i]; i++) {
        if (strcmp(type_fold_names[i], word->text) == 0) {
            *fold = (enum type_fold)i;
            return true;
        }
    }
    check_error(c, "tseries-function", word->loc,
                "tseries() expects one of the following aggregation functions: avg, max, min, sum (\"%s\" provided)",
                word->text);
    check_hint(c, "without one the last value of each interval is kept");
    return false;
}

static void check_call_tseries(struct check *c, struct node *node) {
    enum { COUNT_MOST = 32768 / TYPE_TSERIES_SLOT }; /* what the kernel allows for a value on each CPU */
    struct node *value = node->child, *interval_node = value->next, *count_node = interval_node->next;
    int64_t interval, count;
    enum type_fold fold;

    const struct type *type = check_integer(c, value, "tseries()");
    bool known = check_constant(c, interval_node, "tseries()", &interval);
    known &= check_constant(c, count_node, "tseries()", &count);
    known &= check_fold(c, count_node->next, &fold);
    if (!known)
        return;
    if (interval < 1) {
        check_error(c, "tseries-interval", interval_node->loc, "tseries() interval_ns must be >= 1 (%lld provided)",
                    (long long)interval);
        check_hint(c, "tseries(value, 1s, 60)");
    } else if (count < 1 || count > COUNT_MOST) {
        check_error(c, "tseries-count", count_node->loc, "tseries() num_intervals must be from 1 to %d (%lld provided)",
                    COUNT_MOST, (long long)count);
        check_hint(c, "it is the number of intervals that are kept; choose longer ones");
    } else if (type) {
        node->type = type_tseries(c->arena, (uint64_t)interval, (uint32_t)count, fold, type->is_signed);
    }
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

const char *check_nearest_function(const char *name) {
    const char *names[LANG_FUNCTION_COUNT];

    for (unsigned i = 0; i < LANG_FUNCTION_COUNT; i++)
        names[i] = lang_functions[i].name;
    return diag_nearest(name, names, LANG_FUNCTION_COUNT);
}

static void report_unknown_function(struct check *c, const struct node *node) {
    if (!c->report)
        return;
    check_error(c, "unknown-function", node->loc, "Unknown function: '%s'", node->text);
    const char *nearest = check_nearest_function(node->text);
    if (nearest)
        check_hint(c, "did you mean '%s'?", nearest);
    else
        check_hint(c, "the manual lists all functions");
}

static bool check_argument_count(struct check *c, const struct node *node, const struct lang_function *function) {
    unsigned count = node_child_count(node), least = function->least, most = function->most;

    if (count >= least && count <= most)
        return true;
    if (most == 0)
        check_error(c, "argument-count", node->loc, "%s() requires no arguments (%u provided)", node->text, count);
    else if (least == most)
        check_error(c, "argument-count", node->loc, "%s() requires %u argument%s (%u provided)", node->text, least,
                    least == 1 ? "" : "s", count);
    else if (count < least)
        check_error(c, "argument-count", node->loc, "%s() requires at least %u argument%s (%u provided)", node->text,
                    least, least == 1 ? "" : "s", count);
    else
        check_error(c, "argument-count", node->loc, "%s() takes up to %u argument%s (%u provided)", node->text, most,
                    most == 1 ? "" : "s", count);
    check_hint(c, "%s", function->help);
    return false;
}

static bool is_allowed(struct check *c, const struct node *node, const struct lang_function *function) {
    if ((function->flags & LANG_FUNCTION_AGGREGATE) && c->aggregate != node) {
        check_error(c, "aggregate-outside-map", node->loc, "%s() should be assigned to a map", node->text);
        check_hint(c, "write '@name = %s;' or '@name[key] = %s;'", function->help, function->help);
        return false;
    }
    bool is_printf = function->id == LANG_FUNCTION_printf || function->id == LANG_FUNCTION_debugf;
    if ((function->flags & LANG_FUNCTION_ASYNC) && c->target->writes_file && !is_printf) {
        check_error(c, "pinned-iterator", node->loc, "%s() can not be used in a pinned iterator", node->text);
        check_hint(c, "it runs when its file is read and tarsier has ended; printf() writes to that file");
        return false;
    }
    if ((function->flags & LANG_FUNCTION_UNSAFE) && !c->env->allow_unsafe) {
        check_error(c, "unsafe-function", node->loc, "%s() is an unsafe function being used in safe mode", node->text);
        check_hint(c, "run with --unsafe to allow it");
        return false;
    }
    return true;
}

void check_call(struct check *c, struct node *node) {
    static void (*const rules[LANG_FUNCTION_COUNT])(struct check *, struct node *) = {
#define FUNCTION(name, least, most, flags, help) [LANG_FUNCTION_##name] = check_call_##name,
#include "lang/functions.def"
#undef FUNCTION
    };
    const struct lang_function *function = lang_find_function(node->text);
    int64_t argument = 0;
    /* pid() is the variable pid; pid(init) is the function. */
    const struct lang_builtin *builtin = function && node->child ? NULL : lang_find_builtin(node->text, &argument);

    if (builtin && node->child) {
        check_error(c, "argument-count", node->loc, "%s() requires no arguments (%u provided)", node->text,
                    node_child_count(node));
        check_hint(c, "write %s", node->text);
    } else if (builtin) {
        check_builtin(c, node, builtin, argument);
    } else if (!function) {
        report_unknown_function(c, node);
    } else if (check_argument_count(c, node, function) && is_allowed(c, node, function)) {
        node->function = function;
        if (function->flags & LANG_FUNCTION_STATEMENT)
            node->type = type_void();
        c->aggregate = NULL; /* not for the arguments */
        rules[function->id](c, node);
    }
}
