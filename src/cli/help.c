/* Help, manual page and completion, all from the tables: options.def, commands.c, lang's built-ins and functions. */
#include "cli/cli.h"
#include "lang/lang.h"
#include <string.h>

static const struct {
    const char *command, *meaning;
} examples[] = {
    {"tarsier -e 't:raw_syscalls:sys_enter { @[comm] = count() }'", "system calls by process"},
    {"tarsier -e 't:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)) }'", "files opened"},
    {"tarsier -e 'p:hz:99 { @[kstack] = count() }'", "where the kernel spends its time"},
    {"tarsier -e 'u:libc:malloc /comm == \"bash\"/ { @ = hist(arg0) }'", "sizes that bash allocates"},
    {"tarsier -l 't:*open*'", "probes about open"},
};

static void option_spelling(const struct cli_option_info *option, char *out, size_t size) {
    char letter[8] = "", name[40] = "";
    if (option->letter)
        snprintf(letter, sizeof letter, "-%c%s", option->letter, *option->name ? ", " : "");
    if (*option->name)
        snprintf(name, sizeof name, "--%s", option->name);
    snprintf(out, size, "%s%s%s%s", letter, name, option->argument ? " " : "",
             option->argument ? option->argument : "");
}

void cli_print_usage(FILE *out, const struct cli_request *request) {
    const char *program = request->program;
    fprintf(out,
            "USAGE:\n    %s [OPTIONS] -e 'PROGRAM' [ARGUMENTS]\n"
            "    %s [OPTIONS] FILE [ARGUMENTS]      (- reads standard input)\n    %s -l [PATTERN]\n",
            program, program, program);
}

static void print_usage(const struct cli_request *request) {
    printf("tarsier %s: ask the running system\n\n", TARSIER_VERSION);
    cli_print_usage(stdout, request);
    printf("\nOPTIONS:\n");
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        char spelling[80];
        option_spelling(&cli_options[i], spelling, sizeof spelling);
        printf("    %-26s %s\n", spelling, cli_options[i].help);
    }
    printf("\nCOMMANDS:\n");
    for (unsigned i = 0; i < cli_command_count; i++)
        printf("    %-26s %s\n", cli_commands[i].name, cli_commands[i].help);
    printf("\nEXIT CODES:\n");
    for (unsigned i = 0; i < cli_exit_count; i++)
        printf("    %-26d %s\n", cli_exits[i].code, cli_exits[i].meaning);
}

int cli_help_command(const char *name) {
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (strcmp(command->name, name) != 0 || !command->options)
            continue;
        printf("tarsier %s: %s\n\nOPTIONS:\n", command->name, command->help);
        for (int option = 0; option < command->options->count; option++) {
            char spelling[80];
            option_spelling(&command->options->options[option], spelling, sizeof spelling);
            printf("    %-26s %s\n", spelling, command->options->options[option].help);
        }
    }
    return SESSION_OK;
}

int cli_help(const struct cli_request *request) {
    print_usage(request);
    printf("\nEXAMPLES:\n");
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        printf("    %s\n        %s\n", examples[i].command, examples[i].meaning);
    bool whole = request->help || (request->argument_count && strcmp(request->arguments[0], "help") == 0);
    if (!whole)
        return SESSION_OK;
    printf("\nBUILT-IN VARIABLES:\n");
    for (int i = 0; i < LANG_BUILTIN_COUNT; i++) {
        if (lang_builtins[i].name)
            printf("    %-26s %s\n", lang_builtins[i].name, lang_builtins[i].help);
    }
    printf("\nFUNCTIONS:\n");
    for (int i = 0; i < LANG_FUNCTION_COUNT; i++)
        printf("    %s\n", lang_functions[i].help);
    return SESSION_OK;
}

/* ---- roff ------------------------------------------------------------------------------------------------------ */

/* What roff would take as markup or turn into a typographic sign that a shell does not know. */
static const char *const roff_characters[128] = {
    ['"'] = "\\(dq", ['\''] = "\\(aq", ['-'] = "\\-", ['\\'] = "\\e", ['^'] = "\\(ha", ['`'] = "\\(ga", ['~'] = "\\(ti",
};

static void roff(FILE *out, const char *text) {
    if (*text == '.')
        fputs("\\&", out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 128 && roff_characters[c])
            fputs(roff_characters[c], out);
        else
            fputc(c, out);
    }
}

static void roff_item(FILE *out, const char *term, const char *text) {
    fputs(".TP\n.B ", out);
    roff(out, term);
    fputs("\n", out);
    roff(out, text);
    fputs("\n", out);
}

void cli_print_man(FILE *out) {
    fprintf(
        out,
        ".TH TARSIER 1 \"\" \"tarsier %s\" \"User Commands\"\n.ad l\n.SH NAME\ntarsier \\- ask the running system\n",
        TARSIER_VERSION);
    fputs(
        ".SH SYNOPSIS\n.B tarsier\n[\\fIOPTIONS\\fR] \\fB\\-e\\fR \\(aq\\fIPROGRAM\\fR\\(aq [\\fIARGUMENTS\\fR]\n.br\n"
        ".B tarsier\n[\\fIOPTIONS\\fR] \\fIFILE\\fR [\\fIARGUMENTS\\fR]\n.br\n.B tarsier \\-l\n[\\fIPATTERN\\fR]\n"
        ".SH DESCRIPTION\nRuns programs in the language of bpftrace inside the kernel and shows what they find.\n"
        "It needs no compiler, no kernel headers and no daemon on the machine.\n.SH OPTIONS\n",
        out);
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        char spelling[80];
        option_spelling(&cli_options[i], spelling, sizeof spelling);
        roff_item(out, spelling, cli_options[i].help);
    }
    fputs(".SH COMMANDS\n", out);
    for (unsigned i = 0; i < cli_command_count; i++)
        roff_item(out, cli_commands[i].name, cli_commands[i].help);
    fputs(".SH BUILT\\-IN VARIABLES\n", out);
    for (int i = 0; i < LANG_BUILTIN_COUNT; i++) {
        if (lang_builtins[i].name)
            roff_item(out, lang_builtins[i].name, lang_builtins[i].help);
    }
    fputs(".SH FUNCTIONS\n", out);
    for (int i = 0; i < LANG_FUNCTION_COUNT; i++) {
        fputs(".br\n", out);
        roff(out, lang_functions[i].help);
        fputs("\n", out);
    }
    fputs(".SH EXAMPLES\n", out);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        roff_item(out, examples[i].command, examples[i].meaning);
    fputs(".SH EXIT STATUS\n", out);
    for (unsigned i = 0; i < cli_exit_count; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", cli_exits[i].code);
        roff_item(out, code, cli_exits[i].meaning);
    }
}

void cli_print_completion(FILE *out) {
    fputs("# bash completion for tarsier\n_tarsier() {\n    local word=${COMP_WORDS[COMP_CWORD]}\n"
          "    case ${COMP_WORDS[COMP_CWORD - 1]} in\n    -f | --format) COMPREPLY=($(compgen -W 'text json' -- "
          "\"$word\")); "
          "return ;;\n    -B) COMPREPLY=($(compgen -W 'line full none' -- \"$word\")); return ;;\n    esac\n"
          "    if [[ $word == -* ]]; then\n        COMPREPLY=($(compgen -W '",
          out);
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        if (cli_options[i].letter)
            fprintf(out, "-%c ", cli_options[i].letter);
        if (*cli_options[i].name)
            fprintf(out, "--%s ", cli_options[i].name);
    }
    fputs("' -- \"$word\"))\n    else\n        COMPREPLY=($(compgen -f -W '", out);
    for (unsigned i = 0; i < cli_command_count; i++)
        fprintf(out, "%s ", cli_commands[i].name);
    fputs("' -- \"$word\"))\n    fi\n}\ncomplete -F _tarsier tarsier\n", out);
}
