/* What each option of the table does. */
#include "base/str.h"
#include "cli/cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct cli_option_info cli_options[CLI_OPTION_COUNT] = {
#define OPTION(id, letter, name, argument, help) [CLI_##id] = {#id, letter, name, argument, help},
#include "cli/options.def"
#undef OPTION
};

static bool set_pid(struct cli_request *request, const char *value) {
    uint64_t pid;
    if (value[0] < '0' || value[0] > '9')
        return cli_wrong("Failed to parse pid: invalid integer: %s", value);
    if (!str_to_u64(value, &pid))
        return cli_wrong("Failed to parse pid: invalid trailing bytes: %s", value);
    if (pid == 0 || pid > 4194304)
        return cli_wrong("Pid out of range: %s", value);
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
    return cli_wrong("-B wants line, full or none, not \"%s\"", value);
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
            return cli_wrong("-d knows the stages ast, types, ir, bpf and all, not \"%s\"", value);
        at += length + (at[length] == ',');
    }
    return request->stages ? true : cli_wrong("-d wants a stage%s", "");
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
        return cli_wrong("--mode wants test, bench, format or codegen, not \"%s\"", value);
    return true;
}

static bool set_features(struct cli_request *request, const char *value) {
    static const char *const names[] = {"kprobe_multi", "kprobe_session", "uprobe_multi"};
    for (const char *at = value; *at;) {
        size_t length = strcspn(at, ","), i = 0;
        while (i < 3 && (strlen(names[i]) != length || strncmp(at, names[i], length) != 0))
            i++;
        if (i == 3)
            return cli_wrong("--no-feature knows kprobe_multi, kprobe_session and uprobe_multi, not \"%s\"", value);
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
        return request->tells_failures = true;
    case CLI_NO_WARNINGS:
        return request->no_warnings = true;
    case CLI_INCLUDE_DIRECTORY:
        vec_push(request->arena, &request->include_directories, value);
        return true;
    case CLI_INCLUDE:
        vec_push(request->arena, &request->includes, value);
        return true;
    case CLI_TYPES:
        request->types = value;
        return true;
    case CLI_DEBUGINFO:
        request->debuginfo =
            request->debuginfo ? arena_printf(request->arena, "%s:%s", request->debuginfo, value) : value;
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

static bool apply_to(void *request, int option, const char *value) {
    return apply(request, (enum cli_option)option, value);
}

const struct cli_option_set cli_main_options = {cli_options, CLI_OPTION_COUNT, apply_to, false};
