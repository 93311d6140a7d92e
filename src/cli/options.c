/* Parsing the command line by the table of options. Options and other words may be mixed; `--` ends the options; behind
 * a script file everything belongs to the script only after `--` or when it is no option. */
#include "base/str.h"
#include "base/vec.h"
#include "cli/cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option_info cli_options[CLI_OPTION_COUNT] = {
#define OPTION(id, letter, name, argument, help) [CLI_##id] = {#id, letter, name, argument, help},
#include "cli/options.def"
#undef OPTION
};

static bool wrong(const char *format, const char *text) {
    fprintf(stderr, "ERROR: ");
    fprintf(stderr, format, text);
    fprintf(stderr, "\nHINT: --help shows the options\n");
    return false;
}

/* Not one of the options: which forms there are follows. */
static bool unknown_option(const struct cli_request *request, const char *word, const char *near) {
    fprintf(stderr, "ERROR: unknown option %s", word);
    fprintf(stderr, near ? "; did you mean --%s?\n" : "\n", near);
    cli_print_usage(stderr, request);
    return false;
}

static bool set_pid(struct cli_request *request, const char *value) {
    uint64_t pid;
    if (!str_to_u64(value, &pid) || pid == 0 || pid > 4194304)
        return wrong("-p wants the id of a process, not \"%s\"", value);
    request->pid = (pid_t)pid;
    return true;
}

static bool set_format(struct cli_request *request, const char *value) {
    if (strcmp(value, "json") == 0)
        request->format = VIEW_JSON;
    else if (strcmp(value, "text") != 0) {
        fprintf(stderr, "ERROR: Invalid output format \"%s\"\nHINT: valid formats are text and json\n", value);
        return false;
    }
    return true;
}

static bool set_buffering(struct cli_request *request, const char *value) {
    static const char *const names[] = {
        [VIEW_BUFFER_LINE] = "line", [VIEW_BUFFER_FULL] = "full", [VIEW_BUFFER_NONE] = "none"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            request->buffering = (enum view_buffering)i;
            return true;
        }
    }
    return wrong("-B wants line, full or none, not \"%s\"", value);
}

/* The second half of the table: what bpftrace calls its stages. */
static bool set_stages(struct cli_request *request, const char *value) {
    static const struct {
        const char *name;
        unsigned stage;
    } stages[] = {{"ast", SESSION_STAGE_AST},
                  {"types", SESSION_STAGE_TYPES},
                  {"ir", SESSION_STAGE_IR},
                  {"bpf", SESSION_STAGE_BPF},
                  {"all", ~0u},
                  {"parse", SESSION_STAGE_AST},
                  {"codegen", SESSION_STAGE_IR},
                  {"codegen-opt", SESSION_STAGE_IR},
                  {"dis", SESSION_STAGE_BPF},
                  {"libbpf", SESSION_STAGE_BPF},
                  {"verifier", SESSION_STAGE_BPF}};
    for (const char *at = value; *at;) {
        size_t length = strcspn(at, ","), found = 0;
        for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
            if (strlen(stages[i].name) == length && strncmp(at, stages[i].name, length) == 0) {
                request->stages |= stages[i].stage;
                found = 1;
            }
        }
        if (!found)
            return wrong("-d knows the stages ast, types, ir, bpf and all, not \"%s\"", value);
        at += length + (at[length] == ',');
    }
    return request->stages ? true : wrong("-d wants a stage%s", "");
}

static bool set_mode(struct cli_request *request, const char *value) {
    if (strcmp(value, "test") == 0)
        request->mode = SESSION_TEST;
    else if (strcmp(value, "bench") == 0)
        request->mode = SESSION_BENCH;
    else if (strcmp(value, "format") == 0)
        request->format_program = true;
    else if (strcmp(value, "codegen") == 0 || strcmp(value, "compiler-bench") == 0)
        request->compile_only = true;
    else
        return wrong("--mode wants test, bench, format or codegen, not \"%s\"", value);
    return true;
}

static bool set_features(struct cli_request *request, const char *value) {
    static const char *const names[] = {"kprobe_multi", "kprobe_session", "uprobe_multi"};
    for (const char *at = value; *at;) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < 3 && (strlen(names[i]) != length || strncmp(at, names[i], length) != 0))
            i++;
        if (i == 3)
            return wrong("--no-feature knows kprobe_multi, kprobe_session and uprobe_multi, not \"%s\"", value);
        at += length + (at[length] == ',');
    }
    request->no_features = value;
    return true;
}

static bool nothing_written(const char *option) {
    fprintf(stderr, "WARNING: %s has no effect: programs are not made by LLVM; -d ir,bpf shows them\n", option);
    return true;
}

static bool apply(struct cli_request *request, enum cli_option option, const char *value) {
    switch (option) {
    case CLI_EXPRESSION:
        request->expression = value;
        return true;
    case CLI_LIST:
        return request->list = true;
    case CLI_PID:
        return set_pid(request, value);
    case CLI_COMMAND:
        request->command = value;
        return true;
    case CLI_OUTPUT:
        request->output = value;
        return true;
    case CLI_FORMAT:
        return set_format(request, value);
    case CLI_BUFFERING:
        return set_buffering(request, value);
    case CLI_QUIET:
        return request->quiet = true;
    case CLI_VERBOSE:
        return request->verbose = true;
    case CLI_DEBUG:
        return set_stages(request, value);
    case CLI_UNSAFE:
        return request->allow_unsafe = true;
    case CLI_DRY_RUN:
        return request->dry_run = true;
    case CLI_WARNINGS:
        return request->warn_at_once = true;
    case CLI_NO_WARNINGS:
        return request->no_warnings = true;
    case CLI_INCLUDE_DIRECTORY:
        vec_push(request->arena, &request->include_directories, value);
        return true;
    case CLI_INCLUDE:
        vec_push(request->arena, &request->includes, value);
        return true;
    case CLI_DEBUGINFO:
        request->debuginfo = value;
        return true;
    case CLI_PROBE_FILTER:
        request->probe_filter = value;
        return true;
    case CLI_TRACEABLE:
        request->traceable_functions = value;
        return true;
    case CLI_NO_FEATURE:
        return set_features(request, value);
    case CLI_TEST:
        request->mode = SESSION_TEST;
        return true;
    case CLI_BENCH:
        request->mode = SESSION_BENCH;
        return true;
    case CLI_FMT:
        return request->format_program = true;
    case CLI_MODE:
        return set_mode(request, value);
    case CLI_INFO:
        return request->info = true;
    case CLI_HELP:
        return request->help = true;
    case CLI_VERSION:
        return request->version = true;
    case CLI_MAN:
        return request->man = true;
    case CLI_COMPLETION:
        return request->completion = true;
    case CLI_EMIT_ELF:
    case CLI_EMIT_LLVM:
        return nothing_written(option == CLI_EMIT_ELF ? "--emit-elf" : "--emit-llvm");
    case CLI_BTF:
    case CLI_USDT_FILE_ACTIVATION:
    case CLI_DWARF_PID:
    case CLI_VERIFY_LLVM_IR:
        return true;
    case CLI_OPTION_COUNT:
        break;
    }
    BUG("option %d", (int)option);
}

struct words {
    int count, next;
    char **text;
};

static const char *value_of(struct words *words, const struct cli_option_info *option, const char *attached) {
    if (attached && *attached)
        return attached;
    if (words->next < words->count)
        return words->text[words->next++];
    char name[64];
    if (option->letter)
        snprintf(name, sizeof name, "-%c %s", option->letter, option->argument);
    else
        snprintf(name, sizeof name, "--%s %s", option->name, option->argument);
    wrong("%s: the value is missing", name);
    return NULL;
}

static bool parse_long(struct cli_request *request, struct words *words, const char *word) {
    size_t length = strcspn(word + 2, "=");
    const char *names[CLI_OPTION_COUNT];
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        const struct cli_option_info *option = &cli_options[i];
        names[i] = option->name;
        if (*option->name == '\0' || strlen(option->name) != length || strncmp(word + 2, option->name, length) != 0)
            continue;
        const char *value = NULL;
        if (option->argument && !(value = value_of(words, option, word[2 + length] ? word + 3 + length : NULL)))
            return false;
        return apply(request, (enum cli_option)i, value);
    }
    return unknown_option(request, word, diag_nearest(word + 2, names, CLI_OPTION_COUNT));
}

/* Letters may be joined (-lv) and values attached (-p12). */
static bool parse_letters(struct cli_request *request, struct words *words, const char *word) {
    for (const char *letter = word + 1; *letter; letter++) {
        const struct cli_option_info *option = cli_options, *end = cli_options + CLI_OPTION_COUNT;
        while (option < end && option->letter != *letter)
            option++;
        if (option == end)
            return unknown_option(request, word, NULL);
        const char *value = NULL;
        if (option->argument && !(value = value_of(words, option, letter + 1)))
            return false;
        if (!apply(request, (enum cli_option)(option - cli_options), value))
            return false;
        if (value)
            break;
    }
    return true;
}

static bool is_started_as(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, name) == 0;
}

bool cli_parse(int argc, char **argv, struct cli_request *request) {
    struct words words = {argc, 1, argv};
    VEC(const char *) rest = {0};
    bool options = true;
    request->drop_in = argc > 0 && is_started_as(argv[0], "bpftrace");
    request->program = request->drop_in ? "bpftrace" : "tarsier";
    while (words.next < argc) {
        const char *word = argv[words.next++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && word[0] == '-' && word[1] == '-') {
            if (!parse_long(request, &words, word))
                return false;
        } else if (options && word[0] == '-' && word[1]) {
            if (!parse_letters(request, &words, word))
                return false;
        } else {
            vec_push(request->arena, &rest, word);
        }
    }
    request->arguments = rest.data;
    request->argument_count = rest.count;
    return true;
}
