/* --help, `tarsier help TOPIC`: from the tables and from the manual of the language. */
#include "cli/cli.h"
#include "cli/manual.h"
#include "lang/lang.h"
#include "probe/probe.h"
#include <string.h>
#include <strings.h>

enum { COLUMN = 26 };

void cli_option_spelling(const struct cli_option_info *option, char *out, size_t size) {
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

static void print_row(const char *term, const char *text) {
    if (strlen(term) > COLUMN)
        printf("    %s\n    %-*s %s\n", term, COLUMN, "", text);
    else
        printf("    %-*s %s\n", COLUMN, term, text);
}

static void print_options(const struct cli_option_set *set, bool all) {
    for (int i = 0; i < set->count; i++) {
        char spelling[80];
        if (!all && strncmp(set->options[i].help, "no effect", 9) == 0)
            continue;
        cli_option_spelling(&set->options[i], spelling, sizeof spelling);
        print_row(spelling, set->options[i].help);
    }
}

static void print_commands(void) {
    for (unsigned i = 0; i < cli_command_count; i++) {
        char term[80];
        snprintf(term, sizeof term, "%s %s", cli_commands[i].name, cli_commands[i].arguments);
        print_row(term, cli_commands[i].help);
    }
}

static void print_overview(const struct cli_request *request) {
    printf("tarsier %s: ask the running system\n\n", TARSIER_VERSION);
    cli_print_usage(stdout, request);
    printf("\nOPTIONS:\n");
    print_options(&cli_main_options, false);
    printf("\nCOMMANDS:\n");
    print_commands();
    printf("\nEXAMPLES:\n");
    for (unsigned i = 0; i < cli_example_count; i++)
        printf("    %s\n        %s\n", cli_examples[i].command, cli_examples[i].meaning);
    printf(
        "\nMore: `tarsier help` with functions, variables, probes, maps, configuration, options or codes, or with the "
        "name\nof any of them; `tarsier man language | man -l -` shows the whole language.\n");
}

/* ---- topics ------------------------------------------------------------------------------------------------------ */

int cli_help_command(const char *name) {
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        if (strcmp(command->name, name) != 0)
            continue;
        printf("tarsier %s %s\n    %s\n", command->name, command->arguments, command->help);
        if (command->options) {
            printf("\nOPTIONS:\n");
            print_options(command->options, true);
        }
        return SESSION_OK;
    }
    return SESSION_USER_ERROR;
}

static bool help_table(const char *topic) {
    if (strcmp(topic, "options") == 0) {
        print_options(&cli_main_options, true);
        return true;
    }
    if (strcmp(topic, "codes") == 0) {
        for (unsigned i = 0; i < cli_exit_count; i++)
            printf("    %-*d %s\n", COLUMN, cli_exits[i].code, cli_exits[i].meaning);
        return true;
    }
    return cli_help_command(topic) == SESSION_OK;
}

static bool help_option(const char *topic) {
    while (*topic == '-')
        topic++;
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        char spelling[80];
        bool is_letter = topic[0] && !topic[1] && cli_options[i].letter == topic[0];
        if (!is_letter && (!*topic || strcmp(cli_options[i].name, topic) != 0))
            continue;
        cli_option_spelling(&cli_options[i], spelling, sizeof spelling);
        print_row(spelling, cli_options[i].help);
        return true;
    }
    return false;
}

static void add_flags(const struct lang_function *function) {
    if (function->flags & LANG_FUNCTION_UNSAFE)
        printf("    Needs --unsafe.\n");
    if (function->flags & LANG_FUNCTION_AGGREGATE)
        printf("    Only as the value of a map: @name = %s();\n", function->name);
    if (function->flags & LANG_FUNCTION_ASYNC)
        printf("    Done by tarsier when it reads the event, not where the event happens.\n");
}

static const struct lang_function *find_function(const char *name) {
    for (int i = 0; i < LANG_FUNCTION_COUNT; i++) {
        if (strcmp(lang_functions[i].name, name) == 0)
            return &lang_functions[i];
    }
    return NULL;
}

/* "u", "BEGIN": the name the manual has. */
static const char *canonical(const char *topic) {
    const char *kind = probe_kind_name(topic, strlen(topic));
    return kind ? kind : topic;
}

static bool help_language(const char *topic) {
    struct strbuf text = {0};
    const struct lang_function *function = find_function(topic);
    bool found = manual_help(function ? topic : canonical(topic), &text);
    const char *shown = strbuf_text(&text);
    fputs(*shown == '\n' ? shown + 1 : shown, stdout);
    if (function && !found)
        printf("%s\n", function->help);
    if (function)
        add_flags(function);
    strbuf_free(&text);
    return found || function;
}

static int unknown_topic(const char *topic) {
    const char *names[LANG_FUNCTION_COUNT + LANG_BUILTIN_COUNT];
    uint32_t count = 0;
    for (int i = 0; i < LANG_FUNCTION_COUNT; i++)
        names[count++] = lang_functions[i].name;
    for (int i = 0; i < LANG_BUILTIN_COUNT; i++) {
        if (lang_builtins[i].name)
            names[count++] = lang_builtins[i].name;
    }
    const char *near = diag_nearest(topic, names, count);
    fprintf(stderr, "ERROR: there is no help about %s\n", topic);
    if (near)
        fprintf(stderr, "HINT: did you mean %s?\n", near);
    else
        fprintf(stderr,
                "HINT: topics are functions, variables, probes, settings, options and commands, each by its name\n");
    return SESSION_USER_ERROR;
}

int cli_help(const struct cli_request *request) {
    bool is_command = request->argument_count && strcmp(request->arguments[0], "help") == 0 && !request->help;
    if (!is_command || request->argument_count < 2) {
        print_overview(request);
        return SESSION_OK;
    }
    char topic[64];
    snprintf(topic, sizeof topic, "%s", request->arguments[1]);
    topic[strcspn(topic, "(:")] = '\0'; /* str(), uprobe:x */
    if (help_table(topic) || help_language(topic) || help_option(topic))
        return SESSION_OK;
    return unknown_topic(topic);
}
