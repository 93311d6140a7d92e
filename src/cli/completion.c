/* Completion of the command line, for three shells, from the tables of options and commands. */
#include "cli/cli.h"
#include "lang/lang.h"
#include "probe/probe.h"
#include <string.h>

const char *const cli_shells[] = {"bash", "zsh", "fish", NULL};

/* What may stand behind an option. */
enum value { VALUE_NONE, VALUE_WORDS, VALUE_FILE, VALUE_DIRECTORY, VALUE_PROCESS, VALUE_COMMAND, VALUE_TEXT };

static enum value value_of(const struct cli_option_info *option) {
    const char *argument = option->argument;
    if (!argument)
        return VALUE_NONE;
    if (strncmp(argument, "DIR", 3) == 0)
        return VALUE_DIRECTORY;
    if (strchr(argument, '|'))
        return VALUE_WORDS;
    if (strcmp(argument, "FILE") == 0)
        return VALUE_FILE;
    if (strcmp(argument, "PID") == 0)
        return VALUE_PROCESS;
    return strcmp(argument, "COMMAND") == 0 ? VALUE_COMMAND : VALUE_TEXT;
}

/* "text|json" as "text json" */
static void print_words(const char *choice) {
    for (; *choice; choice++)
        putchar(*choice == '|' ? ' ' : *choice);
}

static void print_list(const char *const *words) {
    for (; *words; words++)
        printf("%s ", *words);
}

/* What `tarsier help` knows by name. */
static void print_topics(void) {
    printf("functions variables probes maps configuration options codes ");
    for (unsigned i = 0; i < cli_command_count; i++)
        printf("%s ", cli_commands[i].name);
    for (int i = 0; i < LANG_FUNCTION_COUNT; i++)
        printf("%s ", lang_functions[i].name);
    for (int i = 0; i < LANG_BUILTIN_arg; i++)
        printf("%s ", lang_builtins[i].name);
    for (uint32_t i = 0; probe_kind_at(i); i++)
        printf("%s ", probe_kind_at(i));
}

static void print_spellings(const struct cli_option_info *option, const char *separator) {
    if (option->letter)
        printf("-%c%s", option->letter, *option->name ? separator : "");
    if (*option->name)
        printf("--%s", option->name);
}

/* ---- bash ----------------------------------------------------------------------------------------------------------
 */

static void bash_value(const struct cli_option_info *option) {
    printf("    ");
    print_spellings(option, " | ");
    printf(") ");
    switch (value_of(option)) {
    case VALUE_WORDS:
        printf("COMPREPLY=($(compgen -W '");
        print_words(option->argument);
        printf("' -- \"$word\"))");
        break;
    case VALUE_FILE:
        printf("COMPREPLY=($(compgen -f -- \"$word\"))");
        break;
    case VALUE_DIRECTORY:
        printf("COMPREPLY=($(compgen -d -- \"$word\"))");
        break;
    case VALUE_PROCESS:
        printf("COMPREPLY=($(cd /proc && compgen -W \"$(echo [0-9]*)\" -- \"$word\"))");
        break;
    case VALUE_COMMAND:
        printf("COMPREPLY=($(compgen -c -- \"$word\"))");
        break;
    default:
        printf(":");
        break;
    }
    printf("; return ;;\n");
}

static void bash_options(const struct cli_option_set *set) {
    for (int i = 0; i < set->count; i++) {
        print_spellings(&set->options[i], " ");
        printf(" ");
    }
}

static void print_pages(void) { print_list(cli_man_pages); }
static void print_shells(void) { print_list(cli_shells); }

/* What prints the words that a command takes instead of options; NULL: it takes none. */
static void (*words_of(const struct cli_command *command))(void) {
    return strcmp(command->name, "help") == 0         ? print_topics
           : strcmp(command->name, "man") == 0        ? print_pages
           : strcmp(command->name, "completion") == 0 ? print_shells
                                                      : NULL;
}

static void bash_commands(void) {
    for (unsigned i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        printf("    %s) words='", command->name);
        if (words_of(command))
            words_of(command)();
        else if (command->options)
            bash_options(command->options);
        printf("' ;;\n");
    }
}

static void bash(void) {
    printf("# bash completion for tarsier\n_tarsier() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} first=${COMP_WORDS[1]} words=\n"
           "    case ${COMP_WORDS[COMP_CWORD - 1]} in\n");
    for (int i = 0; i < CLI_OPTION_COUNT; i++) {
        if (cli_options[i].argument)
            bash_value(&cli_options[i]);
    }
    printf("    esac\n    [ \"$COMP_CWORD\" -gt 1 ] || first=\n    case $first in\n");
    bash_commands();
    printf("    *)\n        words='");
    bash_options(&cli_main_options);
    printf("'\n        [ \"$COMP_CWORD\" -gt 1 ] || words+='");
    for (unsigned i = 0; i < cli_command_count; i++)
        printf(" %s", cli_commands[i].name);
    printf("' ;;\n    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "    [[ $word == -* ]] || case $first in\n    help | man | completion | info) ;;\n"
           "    *) COMPREPLY+=($(compgen -f -- \"$word\")) ;;\n    esac\n}\n"
           "complete -o filenames -F _tarsier tarsier\n");
}

/* ---- zsh -----------------------------------------------------------------------------------------------------------
 */

static void zsh_text(const char *text) {
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (strchr("[]:\\", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_value(const struct cli_option_info *option) {
    switch (value_of(option)) {
    case VALUE_NONE:
        return;
    case VALUE_WORDS:
        printf(":word:(");
        print_words(option->argument);
        printf(")");
        return;
    case VALUE_FILE:
        printf(":file:_files");
        return;
    case VALUE_DIRECTORY:
        printf(":directory:_files -/");
        return;
    case VALUE_PROCESS:
        printf(":process:_pids");
        return;
    case VALUE_COMMAND:
        printf(":command:_cmdstring");
        return;
    case VALUE_TEXT:
        printf(":%s: ", option->argument);
    }
}

static void zsh_option(const struct cli_option_info *option) {
    bool both = option->letter && *option->name;
    printf("        ");
    if (both)
        printf("'(-%c --%s)'{-%c,--%s}'[", option->letter, option->name, option->letter, option->name);
    else if (option->letter)
        printf("'-%c[", option->letter);
    else
        printf("'--%s[", option->name);
    zsh_text(option->help);
    printf("]");
    zsh_value(option);
    printf("' \\\n");
}

static void zsh_options(const struct cli_option_set *set) {
    for (int i = 0; i < set->count; i++)
        zsh_option(&set->options[i]);
}

static void zsh_command(const struct cli_command *command) {
    printf("    %s)\n", command->name);
    if (command->options) {
        printf("        _arguments -s \\\n");
        zsh_options(command->options);
        printf("        '*:file:_files' ;;\n");
        return;
    }
    printf("        compadd -- ");
    if (words_of(command))
        words_of(command)();
    printf(";;\n");
}

static void zsh(void) {
    printf("#compdef tarsier\n\n_tarsier() {\n    local -a commands=(\n");
    for (unsigned i = 0; i < cli_command_count; i++) {
        printf("        '%s:", cli_commands[i].name);
        zsh_text(cli_commands[i].help);
        printf("'\n");
    }
    printf("    )\n    case ${words[2]} in\n");
    for (unsigned i = 0; i < cli_command_count; i++)
        zsh_command(&cli_commands[i]);
    printf("    *)\n        ((CURRENT > 2)) || [[ ${words[2]} == -* ]] || _describe command commands\n"
           "        _arguments -s \\\n");
    zsh_options(&cli_main_options);
    printf("        '*:file:_files' ;;\n    esac\n}\n\n_tarsier \"$@\"\n");
}

/* ---- fish ----------------------------------------------------------------------------------------------------------
 */

static void fish_text(const char *text) {
    for (; *text; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void fish_option(const struct cli_option_info *option, const char *condition) {
    printf("complete -c tarsier -n '%s'", condition);
    if (option->letter)
        printf(" -s %c", option->letter);
    if (*option->name)
        printf(" -l %s", option->name);
    switch (value_of(option)) {
    case VALUE_NONE:
        break;
    case VALUE_WORDS:
        printf(" -x -a '");
        print_words(option->argument);
        printf("'");
        break;
    case VALUE_FILE:
        printf(" -r -F");
        break;
    case VALUE_DIRECTORY:
        printf(" -x -a '(__fish_complete_directories)'");
        break;
    case VALUE_PROCESS:
        printf(" -x -a '(__fish_complete_pids)'");
        break;
    case VALUE_COMMAND:
        printf(" -x -a '(__fish_complete_command)'");
        break;
    case VALUE_TEXT:
        printf(" -x");
        break;
    }
    printf(" -d '");
    fish_text(option->help);
    printf("'\n");
}

static void fish_command(const struct cli_command *command) {
    char condition[80];
    printf("complete -c tarsier -n __fish_use_subcommand -a %s -d '", command->name);
    fish_text(command->help);
    printf("'\n");
    snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", command->name);
    for (int i = 0; command->options && i < command->options->count; i++)
        fish_option(&command->options->options[i], condition);
    if (!words_of(command))
        return;
    printf("complete -c tarsier -n '%s' -f -a '", condition);
    words_of(command)();
    printf("'\n");
}

static void fish(void) {
    printf("# fish completion for tarsier\n");
    for (unsigned i = 0; i < cli_command_count; i++)
        fish_command(&cli_commands[i]);
    for (int i = 0; i < CLI_OPTION_COUNT; i++)
        fish_option(&cli_options[i], "not __fish_seen_subcommand_from fmt help man completion info");
}

int cli_completion(const struct cli_request *request) {
    const char *shell = request->argument_count > 1 ? request->arguments[1] : "bash";
    if (strcmp(shell, "bash") == 0)
        bash();
    else if (strcmp(shell, "zsh") == 0)
        zsh();
    else if (strcmp(shell, "fish") == 0)
        fish();
    else
        cli_wrong("completion is there for bash, zsh and fish, not for %s", shell);
    return strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0 || strcmp(shell, "fish") == 0 ? SESSION_OK
                                                                                                 : SESSION_USER_ERROR;
}
