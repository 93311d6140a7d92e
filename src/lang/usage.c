#include "lang/lang.h"

#include <string.h>

bool lang_uses(const struct node *probe, const char *name) {
    if ((probe->kind == NODE_IDENTIFIER || probe->kind == NODE_CALL) && strcmp(probe->text, name) == 0)
        return true;
    for (const struct node *child = probe->child; child; child = child->next) {
        if (lang_uses(child, name))
            return true;
    }
    return false;
}

const char *lang_probe_type(const struct lang_target *target) {
    if (!target->provider)
        return "";
    return strcmp(target->provider, "begin") == 0 || strcmp(target->provider, "end") == 0 ? "special"
                                                                                          : target->provider;
}

bool lang_uses_args(const struct node *probe) { return lang_uses(probe, "args"); }

bool lang_uses_numbered_args(const struct node *probe) {
    const struct lang_builtin *builtin = NULL;

    if (probe->kind == NODE_IDENTIFIER || probe->kind == NODE_CALL)
        builtin = lang_find_builtin(probe->text, NULL);
    if (builtin && builtin->id == LANG_BUILTIN_arg)
        return true;
    for (const struct node *child = probe->child; child; child = child->next) {
        if (lang_uses_numbered_args(child))
            return true;
    }
    return false;
}
