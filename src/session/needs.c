/* Functions of the language that need a helper which not every kernel gives: asked before their programs are made, so
 * that the answer is a sentence at the script's line. To add one: a row here and one in kernel/feature.def. */
#include "session/session_int.h"
#include <string.h>

static const struct {
    enum lang_function_id function;
    enum kernel_feature feature;
    const char *argument; /* only with this word as the first argument; NULL: always */
} needs[] = {
    {LANG_FUNCTION_write_user, KERNEL_FEATURE_WRITE_USER, NULL},
    {LANG_FUNCTION_override, KERNEL_FEATURE_OVERRIDE_RETURN, NULL},
    {LANG_FUNCTION_debugf, KERNEL_FEATURE_TRACE_VPRINTK, NULL},
    {LANG_FUNCTION_nsecs, KERNEL_FEATURE_TAI_CLOCK, "tai"},
};

static void ask(struct session *s, const struct node *node, const char *name, enum kernel_feature feature) {
    struct strbuf text = {0};
    if (kernel_feature(s->features, feature))
        return;
    kernel_feature_explain(s->features, feature, &text);
    diag_error(&s->diags, "kernel-helper", node->loc, "%s cannot be used on this kernel: %s", name,
               arena_strdup(s->arena, strbuf_text(&text)));
    strbuf_free(&text);
}

static void walk(struct session *s, const struct node *node) {
    for (size_t i = 0; node->function && i < sizeof needs / sizeof *needs; i++) {
        const char *argument = needs[i].argument;
        if (needs[i].function == node->function->id &&
            (!argument || (node->child && node->child->text && strcmp(node->child->text, argument) == 0)))
            ask(s, node, arena_printf(s->arena, "%s()", node->text), needs[i].feature);
    }
    for (const struct node *child = node->child; child; child = child->next)
        walk(s, child);
}

/* The kernel must remember where the function began. */
static void walk_user_return(struct session *s, const struct node *node) {
    if (node->builtin && node->builtin->id == LANG_BUILTIN_func)
        ask(s, node, "func in a uretprobe", KERNEL_FEATURE_USER_FUNC_IP);
    for (const struct node *child = node->child; child; child = child->next)
        walk_user_return(s, child);
}

/* False: something is missing (reported). */
bool session_has_helpers(struct session *s, const struct lang_unit *units) {
    uint32_t errors = s->diags.error_count;
    walk(s, s->program->tree);
    for (uint32_t i = 0; i < s->units.count && s->diags.error_count == errors; i++)
        if (units[i].target->context == LANG_CONTEXT_URETPROBE)
            walk_user_return(s, units[i].probe);
    return s->diags.error_count == errors;
}
