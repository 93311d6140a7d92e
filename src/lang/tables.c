#include "lang/lang.h"

#include <stddef.h>
#include <string.h>

/* Short names of the flags, as the rows of functions.def use them. */
enum {
    AGGREGATE = LANG_FUNCTION_AGGREGATE,
    STATEMENT = LANG_FUNCTION_STATEMENT,
    MAP_FIRST = LANG_FUNCTION_MAP_FIRST,
    UNSAFE = LANG_FUNCTION_UNSAFE,
    ASYNC = LANG_FUNCTION_ASYNC,
    LOOP = LANG_FUNCTION_LOOP,
};

const struct lang_function lang_functions[LANG_FUNCTION_COUNT] = {
#define FUNCTION(name, least, most, flags, help) {#name, LANG_FUNCTION_##name, least, most, flags, help},
#include "lang/functions.def"
#undef FUNCTION
};

#define ANY (~0u)

const struct lang_builtin lang_builtins[LANG_BUILTIN_COUNT] = {
#define BUILTIN(name, type, contexts, help) {#name, LANG_BUILTIN_##name, LANG_BUILTIN_TYPE_##type, contexts, help},
#include "lang/builtins.def"
#undef BUILTIN
    {"argN", LANG_BUILTIN_arg, LANG_BUILTIN_TYPE_U64, ANY, "argument number N of the traced function, from 0"},
    {"sargN", LANG_BUILTIN_sarg, LANG_BUILTIN_TYPE_U64, CONTEXT_BIT(UPROBE) | CONTEXT_BIT(KPROBE),
     "word N of the stack, behind the return "
     "address"},
};

/* The N of "argN", 0 to 255; -1 when the name is none of these. */
static int64_t argument_number(const char *name) {
    int64_t number = 0;

    if (strncmp(name, "arg", 3) != 0 || !name[3] || strlen(name) > 6 || (name[3] == '0' && name[4]))
        return -1;
    for (const char *digit = name + 3; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return -1;
        number = number * 10 + (*digit - '0');
    }
    return number <= 255 ? number : -1;
}

const struct lang_builtin *lang_find_builtin(const char *name, int64_t *argument) {
    static const char internal[] = "__builtin_"; /* what bpftrace's library calls them */
    if (strncmp(name, internal, sizeof internal - 1) == 0)
        name += sizeof internal - 1;
    bool on_stack = name[0] == 's';
    int64_t number = argument_number(name + on_stack);

    if (number >= 0) {
        if (argument)
            *argument = number;
        return &lang_builtins[on_stack ? LANG_BUILTIN_sarg : LANG_BUILTIN_arg];
    }
    for (unsigned i = 0; i < LANG_BUILTIN_arg; i++) {
        if (strcmp(lang_builtins[i].name, name) == 0)
            return &lang_builtins[i];
    }
    return NULL;
}

const struct lang_function *lang_find_function(const char *name) {
    for (unsigned i = 0; i < LANG_FUNCTION_COUNT; i++) {
        if (strcmp(lang_functions[i].name, name) == 0)
            return &lang_functions[i];
    }
    return NULL;
}
