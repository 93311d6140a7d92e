/* Questions about functions without writing a program: each tool is a program of tarsier's language made from its words
 * (--show prints it), for functions of the kernel and of user programs alike.
 *
 *   vfs_read, tcp_*            functions of the kernel
 *   libc:malloc, /bin/x:f*     functions of a library or program
 *   t:sched:sched_switch ...   any probe of the language, as it is
 *
 * To add a tool: a row in `tools`, a function that writes its program, a row in commands.c. */
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

enum {
#define OPTION(id, letter, name, argument, help) FUNCTION_OPTION_##id,
#include "cli/options_function.def"
#undef OPTION
    FUNCTION_OPTION_COUNT
};

static const struct cli_option_info function_options[] = {
#define OPTION(id, letter, name, argument, help) {#id, letter, name, argument, help},
#include "cli/options_function.def"
#undef OPTION
};

struct question {
    struct cli_request *request;
    const char *const *words; /* behind the tool's name */
    unsigned count;
    uint64_t duration, interval, top, least;
    bool each, microseconds, milliseconds, kernel, user, histogram, show, help;
    struct strbuf *out;
};

static bool apply(void *target, int option, const char *value) {
    struct question *q = target;

    switch (option) {
    case FUNCTION_OPTION_PID:
        return cli_main_options.apply(q->request, CLI_PID, value);
    case FUNCTION_OPTION_FORMAT:
        return cli_main_options.apply(q->request, CLI_FORMAT, value);
    case FUNCTION_OPTION_DURATION:
        return cli_number(&q->duration, value);
    case FUNCTION_OPTION_INTERVAL:
        return cli_number(&q->interval, value);
    case FUNCTION_OPTION_TOP:
        return cli_number(&q->top, value);
    case FUNCTION_OPTION_LEAST:
        return cli_number(&q->least, value);
    default:
        break;
    }
    q->each |= option == FUNCTION_OPTION_EACH;
    q->microseconds |= option == FUNCTION_OPTION_MICROSECONDS;
    q->milliseconds |= option == FUNCTION_OPTION_MILLISECONDS;
    q->kernel |= option == FUNCTION_OPTION_KERNEL;
    q->user |= option == FUNCTION_OPTION_USER;
    q->histogram |= option == FUNCTION_OPTION_HISTOGRAM;
    q->show |= option == FUNCTION_OPTION_SHOW;
    q->help |= option == FUNCTION_OPTION_HELP;
    q->request->verbose |= option == FUNCTION_OPTION_VERBOSE;
    return true;
}

const struct cli_option_set cli_function_options = {function_options, FUNCTION_OPTION_COUNT, apply, false};

/* ---- attach points ------------------------------------------------------------------------------------------- */

/* Probes that are written out; the return of a function has a name of its own. */
static const struct {
    const char *prefix, *entry, *at_return;
} written[] = {
    {"kprobe:", "kprobe:", "kretprobe:"},
    {"k:", "kprobe:", "kretprobe:"},
    {"fentry:", "fentry:", "fexit:"},
    {"f:", "fentry:", "fexit:"},
    {"uprobe:", "uprobe:", "uretprobe:"},
    {"u:", "uprobe:", "uretprobe:"},
    {"tracepoint:", "tracepoint:", NULL},
    {"t:", "tracepoint:", NULL},
    {"rawtracepoint:", "rawtracepoint:", NULL},
    {"rt:", "rawtracepoint:", NULL},
    {"usdt:", "usdt:", NULL},
    {"U:", "usdt:", NULL},
};

enum { KIND_KERNEL, KIND_USER, KIND_EVENT };

static int kind_of(const char *word) {
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        if (str_starts(word, written[i].prefix))
            return !written[i].at_return ? KIND_EVENT : written[i].entry[0] == 'u' ? KIND_USER : KIND_KERNEL;
    }
    return strchr(word, ':') ? KIND_USER : KIND_KERNEL;
}

static void add_point(struct question *q, const char *word, bool at_return) {
    for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
        if (str_starts(word, written[i].prefix)) {
            strbuf_addf(q->out, "%s%s", at_return ? written[i].at_return : written[i].entry,
                        word + strlen(written[i].prefix));
            return;
        }
    }
    const char *kinds[2][2] = {{"kprobe", "kretprobe"}, {"uprobe", "uretprobe"}};
    strbuf_addf(q->out, "%s:%s", kinds[kind_of(word) == KIND_USER][at_return], word);
}

/* The first `count` words, joined by commas. */
static void add_points(struct question *q, unsigned count, bool at_return) {
    for (unsigned i = 0; i < count; i++) {
        strbuf_addstr(q->out, i ? ", " : "");
        add_point(q, q->words[i], at_return);
    }
}

static bool is_many(const struct question *q) { return q->each || q->count > 1 || strchr(q->words[0], '*'); }

/* func, or for events the name of the probe */
static const char *name_of(const struct question *q) {
    for (unsigned i = 0; i < q->count; i++) {
        if (kind_of(q->words[i]) == KIND_EVENT)
            return "probe";
    }
    return "func";
}

/* A user function is at another address in each process, and has no name when that has ended: counted by probe. */
static const char *key_of(const struct question *q) {
    for (unsigned i = 0; i < q->count; i++) {
        if (kind_of(q->words[i]) == KIND_USER)
            return "probe";
    }
    return name_of(q);
}

/* What a map shows while events go on, and when it is over. */
static void add_times(struct question *q, const char *map, bool is_sorted) {
    char top[32] = "";
    if (q->top && is_sorted)
        snprintf(top, sizeof top, ", %u", (unsigned)q->top);
    if (q->interval)
        strbuf_addf(q->out, "interval:s:%u { time(); print(%s%s); clear(%s); }\n", (unsigned)q->interval, map, top,
                    map);
    if (q->duration)
        strbuf_addf(q->out, "interval:s:%u { exit(); }\n", (unsigned)q->duration);
    if (*top)
        strbuf_addf(q->out, "end { print(%s%s); clear(%s); }\n", map, top, map);
}

/* ---- the tools ----------------------------------------------------------------------------------------------- */

static bool write_funccount(struct question *q) {
    add_points(q, q->count, false);
    strbuf_addf(q->out, " { @[%s] = count(); }\n", key_of(q));
    add_times(q, "@", true);
    return true;
}

static bool write_stackcount(struct question *q) {
    bool user = q->user || (!q->kernel && kind_of(q->words[0]) == KIND_USER);
    bool kernel = q->kernel || !user;

    add_points(q, q->count, false);
    strbuf_addf(q->out, " { @[%s%s%s] = count(); }\n", kernel ? "kstack" : "", kernel && user ? ", " : "",
                user ? "ustack, comm" : "");
    add_times(q, "@", true);
    return true;
}

/* Entries are kept by thread, of many functions by thread and function: what a function calls of itself is taken for
 * the whole, the call around it is left out. */
static bool add_timing(struct question *q, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (kind_of(q->words[i]) == KIND_EVENT)
            return cli_wrong("\"%s\" is no function: it does not return", q->words[i]);
    }
    const char *key = is_many(q) ? "tid, func" : "tid";
    add_points(q, count, false);
    strbuf_addf(q->out, " { @start[%s] = nsecs; }\n", key);
    add_points(q, count, true);
    strbuf_addf(q->out, " /@start[%s]/ {\n    $ns = nsecs - @start[%s];\n    delete(@start, %s%s%s);\n", key, key,
                is_many(q) ? "(" : "", key, is_many(q) ? ")" : "");
    return true;
}

static bool write_funclatency(struct question *q) {
    const char *map = q->milliseconds ? "@msecs" : q->microseconds ? "@usecs" : "@nsecs";
    const char *divided = q->milliseconds ? " / 1000000" : q->microseconds ? " / 1000" : "";
    const char *key = is_many(q) ? "[func]" : "";

    if (!add_timing(q, q->count))
        return false;
    strbuf_addf(q->out, "    %s%s = hist($ns%s);\n    @stats%s = stats($ns%s);\n}\n", map, key, divided, key, divided);
    add_times(q, map, false);
    strbuf_addstr(q->out, "end { clear(@start); }\n");
    return true;
}

static bool write_funcslower(struct question *q) {
    strbuf_addstr(
        q->out,
        "begin { printf(\"%-16s %-7s %10s %18s %s\\n\", \"COMM\", \"PID\", \"LAT(us)\", \"RVAL\", \"FUNC\"); }\n");
    if (!add_timing(q, q->count))
        return false;
    strbuf_addf(q->out,
                "    if ($ns >= %llu) {\n"
                "        printf(\"%%-16s %%-7d %%10d %%18lx %%s\\n\", comm, pid, $ns / 1000, retval, func);\n",
                (unsigned long long)(q->least ? q->least : 1000) * 1000);
    if (q->kernel)
        strbuf_addstr(q->out, "        print(kstack);\n");
    if (q->user)
        strbuf_addstr(q->out, "        print(ustack);\n");
    strbuf_addstr(q->out, "    }\n}\n");
    if (q->duration)
        strbuf_addf(q->out, "interval:s:%u { exit(); }\n", (unsigned)q->duration);
    strbuf_addstr(q->out, "end { clear(@start); }\n");
    return true;
}

/* FUNCTION [(FILTER)] ["FORMAT"[, VALUE...]] in one word, as bcc's trace takes it; values are those of the language:
 * arg0 is the first argument, retval makes it the return. */
static bool write_trace(struct question *q) {
    strbuf_addstr(q->out,
                  "begin { printf(\"%-7s %-7s %-16s %-24s %s\\n\", \"PID\", \"TID\", \"COMM\", \"FUNC\", \"-\"); }\n");
    for (unsigned i = 0; i < q->count; i++) {
        const char *word = q->words[i];
        size_t length = strcspn(word, " (\"");
        char *point = arena_strndup(q->request->arena, word, length);
        const char *rest = word + length + strspn(word + length, " "), *filter = NULL;
        if (*rest == '(') {
            int depth = 0;
            const char *end = rest;
            do {
                depth += *end == '(' ? 1 : *end == ')' ? -1 : 0;
            } while (*end++ && depth > 0);
            if (depth > 0)
                return cli_wrong("a parenthesis is not closed: %s", rest);
            filter = arena_strndup(q->request->arena, rest + 1, (size_t)(end - rest) - 2);
            rest = end + strspn(end, " ");
        }
        if (*rest && *rest != '"')
            return cli_wrong("\"%s\": behind the function stands a filter in parentheses or a format in quotes", rest);
        add_point(q, point, strstr(word, "retval") != NULL && kind_of(point) != KIND_EVENT);
        if (filter)
            strbuf_addf(q->out, " /%s/", filter);
        size_t format = *rest ? strcspn(rest + 1, "\"") : 0;
        strbuf_addf(q->out, " { printf(\"%%-7d %%-7d %%-16s %%-24s %.*s\\n\", pid, tid, comm, %s%s);", (int)format,
                    rest + (*rest != 0), kind_of(point) == KIND_EVENT ? "probe" : "func",
                    *rest && rest[format + 1] ? rest + format + 2 : "");
        strbuf_addf(q->out, "%s%s }\n", q->kernel ? " print(kstack);" : "", q->user ? " print(ustack);" : "");
    }
    if (q->duration)
        strbuf_addf(q->out, "interval:s:%u { exit(); }\n", (unsigned)q->duration);
    return true;
}

static bool write_argdist(struct question *q) {
    if (q->count < 2 || q->count > 3)
        return cli_wrong("%s wants FUNCTION EXPRESSION [FILTER]", "argdist");
    const char *value = q->words[1];
    add_point(q, q->words[0], strstr(value, "retval") && kind_of(q->words[0]) != KIND_EVENT);
    if (q->count == 3)
        strbuf_addf(q->out, " /%s/", q->words[2]);
    strbuf_addf(q->out, q->histogram ? " { @ = hist(%s); }\n" : " { @[%s] = count(); }\n", value);
    add_times(q, "@", !q->histogram);
    return true;
}

static bool write_functrace(struct question *q) {
    add_points(q, q->count, false);
    strbuf_addf(q->out,
                " { printf(\"%%16s-%%-7d [%%03d] %%5d.%%06d: %%s\\n\", comm, tid, cpu, elapsed / 1000000000, elapsed / "
                "1000 %% 1000000, %s); }\n",
                name_of(q));
    if (q->duration)
        strbuf_addf(q->out, "interval:s:%u { exit(); }\n", (unsigned)q->duration);
    return true;
}

static const struct tool {
    const char *name, *words;
    bool (*write)(struct question *q);
} tools[] = {
    {"funccount", "FUNCTION...", write_funccount},
    {"stackcount", "FUNCTION...", write_stackcount},
    {"funclatency", "FUNCTION...", write_funclatency},
    {"funcslower", "FUNCTION...", write_funcslower},
    {"trace", "'FUNCTION [(FILTER)] [\"FORMAT\", VALUE...]'...", write_trace},
    {"argdist", "FUNCTION EXPRESSION [FILTER]", write_argdist},
    {"functrace", "FUNCTION...", write_functrace},
};

static const struct tool *find_tool(const char *name) {
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (strcmp(tools[i].name, name) == 0)
            return &tools[i];
    }
    return NULL;
}

int cli_function_words(int argc, char **argv, struct cli_request *request) {
    const struct tool *tool = find_tool(argv[0]);
    struct strbuf program = {0};
    struct question q = {.request = request, .out = &program};
    int result = SESSION_USER_ERROR;

    if (!tool || !cli_parse_words(argc, argv, request, &cli_function_options, &q))
        return SESSION_USER_ERROR;
    if (q.help)
        return cli_help_command(argv[0]);
    q.words = request->arguments;
    q.count = request->argument_count;
    if (q.count == 0) {
        fprintf(stderr, "ERROR: %s wants %s\nHINT: --help shows the options\n", tool->name, tool->words);
        return SESSION_USER_ERROR;
    }
    if (tool->write(&q)) {
        request->expression = strbuf_text(&program);
        request->argument_count = 0;
        if (q.show)
            fputs(request->expression, stdout);
        result = q.show ? SESSION_OK : cli_trace(request);
    }
    strbuf_free(&program);
    return result;
}
