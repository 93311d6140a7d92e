/* Reading a command line by a table of options. Options and other words may be mixed; `--` ends the options. */
#include "base/vec.h"
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

bool cli_wrong(const char *format, const char *text) {
    fprintf(stderr, "ERROR: ");
    fprintf(stderr, format, text);
    fprintf(stderr, "\nHINT: --help shows the options\n");
    return false;
}

bool cli_number(uint64_t *number, const char *value) {
    return str_to_u64(value, number) && *number > 0 && *number < 1u << 30 ? true
                                                                          : cli_wrong("\"%s\" is not a number", value);
}

bool cli_milliseconds(uint64_t *milliseconds, const char *value) {
    char *end;
    double seconds = strtod(value, &end);
    if (end == value || *end || !(seconds >= 0.001 && seconds < 1e7))
        return cli_wrong("\"%s\" is not a number of seconds", value);
    *milliseconds = (uint64_t)(seconds * 1000 + 0.5);
    return true;
}

struct words {
    int count, next;
    char **text;
    struct cli_request *request;
    const struct cli_option_set *set;
    void *target; /* of set->apply */
};

/* Not one of the options: which forms there are follows. */
static bool unknown_option(const struct words *words, const char *word, const char *near) {
    fprintf(stderr, "ERROR: unknown option %s", word);
    fprintf(stderr, near ? "; did you mean --%s?\n" : "\n", near);
    cli_print_usage(stderr, words->request);
    return false;
}

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
    cli_wrong("%s: the value is missing", name);
    return NULL;
}

static bool parse_long(struct words *words, const char *word) {
    const struct cli_option_set *set = words->set;
    size_t length = strcspn(word + 2, "=");
    const char *names[CLI_OPTION_COUNT];
    for (int i = 0; i < set->count; i++) {
        const struct cli_option_info *option = &set->options[i];
        names[i] = option->name;
        if (*option->name == '\0' || strlen(option->name) != length || strncmp(word + 2, option->name, length) != 0)
            continue;
        const char *value = NULL;
        if (option->argument && !(value = value_of(words, option, word[2 + length] ? word + 3 + length : NULL)))
            return false;
        return set->apply(words->target, i, value);
    }
    return unknown_option(words, word, diag_nearest(word + 2, names, (uint32_t)set->count));
}

/* Letters may be joined (-lv) and values attached (-p12). */
static bool parse_letters(struct words *words, const char *word) {
    const struct cli_option_set *set = words->set;
    for (const char *letter = word + 1; *letter; letter++) {
        int i = 0;
        while (i < set->count && set->options[i].letter != *letter)
            i++;
        if (i == set->count)
            return unknown_option(words, word, NULL);
        const struct cli_option_info *option = &set->options[i];
        const char *value = NULL;
        if (option->argument && !(value = value_of(words, option, letter + 1)))
            return false;
        if (!set->apply(words->target, i, value))
            return false;
        if (value)
            break;
    }
    return true;
}

/* Behind `--`: --name and --name=value are the script's. */
static void add_script_option(struct cli_request *request, const char *word) {
    size_t length = strcspn(word, "=");
    struct session_script_option option = {arena_strndup(request->arena, word, length),
                                           word[length] ? word + length + 1 : NULL};

    vec_push(request->arena, &request->script_options, option);
}

bool cli_parse_words(int argc, char **argv, struct cli_request *request, const struct cli_option_set *set,
                     void *target) {
    struct words words = {argc, 1, argv, request, set, target};
    VEC(const char *) rest = {0};
    bool options = true;
    while (words.next < argc) {
        const char *word = argv[words.next++];
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && word[0] == '-' && word[1] == '-') {
            if (!parse_long(&words, word))
                return false;
        } else if (options && word[0] == '-' && word[1]) {
            if (!parse_letters(&words, word))
                return false;
        } else if (!options && !set->command_follows && word[0] == '-' && word[1] == '-' && word[2]) {
            add_script_option(request, word + 2);
        } else {
            vec_push(request->arena, &rest, word);
            options &= !set->command_follows;
        }
    }
    request->arguments = rest.data;
    request->argument_count = rest.count;
    return true;
}
