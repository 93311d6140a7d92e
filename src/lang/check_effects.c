/* Functions that act on the traced program, or that send more than one value. */
#include "lang/check_int.h"

#include <signal.h>
#include <string.h>

/* ---- debugf, and printf in a pinned iterator
 * ------------------------------------------------------------------------------------------------ */

/* The kernel formats it: numbers and strings only, and it takes at most 12. */
void check_call_debugf(struct check *c, struct node *node) {
    enum { MOST = 12 };
    uint32_t count = 0;

    check_formatted(c, node);
    if (node->child->kind == NODE_STRING && strstr(node->child->text, "%o")) {
        check_error(c, "debugf-format", node->child->loc, "%s() cannot print octal numbers", node->text);
        check_hint(c, "the kernel formats the text: %%d %%u %%x %%c %%p %%s");
    }
    for (struct node *value = node->child->next; value; value = value->next) {
        bool known = value->type != NULL;
        if (++count == MOST + 1) {
            check_error(c, "debugf-count", value->loc, "%s() takes up to %d values", node->text, MOST);
            check_hint(c, "print the rest by a second %s()", node->text);
        }
        if (!known || check_is_integer(value->type) || value->type->kind == TYPE_POINTER ||
            value->type->kind == TYPE_STRING)
            continue;
        check_error(c, "debugf-type", value->loc, "%s() cannot print a value of type '%s'", node->text,
                    check_type_text(c, value->type));
        check_hint(c, "the kernel formats the text: numbers and strings only%s",
                   c->target->writes_file ? "" : "; printf() prints all");
    }
}

/* ---- join -------------------------------------------------------------------------------------------------- */

static bool is_word_list(const struct type *type) {
    return type->kind == TYPE_POINTER && (type->target->kind == TYPE_POINTER || type->target->kind == TYPE_VOID);
}

void check_call_join(struct check *c, struct node *node) {
    struct node *words = node->child, *separator = words->next;
    const struct type *type = check_value(c, words);

    if (separator)
        check_literal(c, separator, "join");
    if (!type || is_word_list(type) || check_is_integer(type))
        return;
    check_error(c, "join-argument", words->loc, "join() expects an array of strings ('%s' provided)",
                check_type_text(c, type));
    check_hint(c, "its argument is the address of pointers that end with NULL, such as args.argv");
}

/* ---- signals ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT},     {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},       {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF}, {"WINCH", SIGWINCH},   {"IO", SIGIO},     {"POLL", SIGIO},   {"PWR", SIGPWR},
    {"SYS", SIGSYS},   {"STKFLT", SIGSTKFLT}, {"IOT", SIGIOT},
};

static int signal_number(const char *name) {
    const char *bare = str_starts(name, "SIG") ? name + 3 : name;

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strcmp(signals[i].name, bare) == 0)
            return signals[i].number;
    return 0;
}

/* The event must belong to the task that is running: not where a timer fires on whatever runs there. */
static bool has_own_task(const struct check *c) {
    static const char *const others[] = {"begin", "end", "interval", "software", "hardware"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (c->target->provider && strcmp(c->target->provider, others[i]) == 0)
            return false;
    return true;
}

static void report_signal_number(struct check *c, const struct node *node, const struct node *which) {
    if (which->kind == NODE_STRING)
        check_error(c, "unknown-signal", which->loc, "%s is not a valid signal", which->text);
    else
        check_error(c, "unknown-signal", which->loc,
                    "%s() accepts a string literal or an integer between 1 and 64 (inclusive)", node->text);
    check_hint(c, "for example \"SIGTERM\", \"KILL\" or 15; `kill -l` lists them");
}

static void check_signal(struct check *c, struct node *node) {
    struct node *which = node->child;

    if (which->kind == NODE_CALL && strcmp(which->text, "str") == 0 && check_is_positional(which->child))
        which = which->child; /* signal(str($1)) */
    bool is_text = which->kind == NODE_STRING || (which != node->child);
    if (is_text && check_is_positional(which) && which == node->child)
        is_text = false; /* signal($1) takes a number */
    if (!has_own_task(c)) {
        check_error(c, "signal-probe", node->loc, "%s() can not be used for this probetype %s", node->text,
                    c->target->provider);
        check_hint(c, "the task that runs there has nothing to do with the event");
    }
    if (is_text) {
        check_positional_string(c, which);
        node->number = signal_number(which->text);
        if (!node->number)
            report_signal_number(c, node, which);
        return;
    }
    node->number = 0;
    if (check_integer(c, which, node->text) && which->is_constant && (which->number < 1 || which->number > 64))
        report_signal_number(c, node, which);
}

void check_call_signal(struct check *c, struct node *node) { check_signal(c, node); }
void check_call_signal_thread(struct check *c, struct node *node) { check_signal(c, node); }

/* ---- the traced function and its memory --------------------------------------------------------------------- */

void check_call_override(struct check *c, struct node *node) {
    if (!c->target->provider || strcmp(c->target->provider, "kprobe") != 0) {
        check_error(c, "override-probe", node->loc, "override() can only be used inside kprobes");
        check_hint(c, "the kernel function must also allow it: /sys/kernel/debug/error_injection/list");
    }
    check_integer(c, node->child, "override()");
}

void check_call_write_user(struct check *c, struct node *node) {
    struct node *to = node->child, *from = to->next, *size = from->next;

    node->type = type_bool();
    check_address_argument(c, to, "write_user");
    if (!check_positional_string(c, from))
        check_value(c, from);
    if (from->type && type_is_aggregate(from->type)) {
        check_error(c, "aggregate-value", from->loc, "'%s' cannot be used as a value", check_type_text(c, from->type));
        check_hint(c, "keep the value in a variable first");
    }
    if (check_integer(c, size, "write_user()") && size->is_constant &&
        (size->number < 1 || size->number > CHECK_WRITE_MOST)) {
        check_error(c, "write-size", size->loc, "write_user() writes from 1 to %d bytes (%lld provided)",
                    CHECK_WRITE_MOST, (long long)size->number);
        check_hint(c, "write longer texts in parts");
        return;
    }
    if (size->is_constant && from->type && from->type->kind != TYPE_POINTER &&
        (uint64_t)size->number > (from->kind == NODE_STRING ? from->length + 1 : from->type->size)) {
        check_error(c, "write-size", size->loc, "a value of type '%s' does not have %lld bytes",
                    check_type_text(c, from->type), (long long)size->number);
        check_hint(c, "sizeof(value) is its size");
    }
}

void check_call_socket_cookie(struct check *c, struct node *node) {
    const struct type *type = check_value(c, node->child);

    node->type = type_int(64, false);
    bool is_sock = type && type->kind == TYPE_POINTER && type->target->kind == TYPE_STRUCT && type->target->name &&
                   (strcmp(type->target->name, "sock") == 0 || strcmp(type->target->name, "sock_common") == 0);
    if (!type || is_sock)
        return;
    check_error(c, "sock-expected", node->child->loc,
                "socket_cookie() only supports 'struct sock *' argument ('%s' "
                "provided)",
                check_type_text(c, type));
    check_hint(c, "cast it: (struct sock *)value");
}
