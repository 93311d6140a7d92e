/* The forms with an argument of variables that tell about a task or the time: pid(init), ppid(task), nsecs(tai). */
#include "lang/check_int.h"

#include <string.h>

/* One of a list of words, which stands as a bare name. Its position is node->child->number; -1 after an error. */
static void check_word(struct check *c, struct node *node, const char *const *words, const char *hint) {
    struct node *word = node->child;

    word->type = type_void();
    word->number = -1;
    for (int i = 0; word->kind == NODE_IDENTIFIER && words[i]; i++)
        if (strcmp(word->text, words[i]) == 0)
            word->number = i;
    if (word->number >= 0)
        return;
    check_error(c, "unknown-mode", word->loc, "Invalid mode of %s()%s%s", node->text,
                word->kind == NODE_IDENTIFIER ? ": " : "", word->kind == NODE_IDENTIFIER ? word->text : "");
    check_hint(c, "%s", hint);
}

static void check_id(struct check *c, struct node *node) {
    static const char *const words[] = {[LANG_PID_CURRENT] = "curr_ns", [LANG_PID_INIT] = "init", NULL};

    node->type = type_int(32, false);
    check_word(c, node, words, "curr_ns: as seen from tarsier's pid namespace; init: from the first one");
}

void check_call_pid(struct check *c, struct node *node) { check_id(c, node); }
void check_call_tid(struct check *c, struct node *node) { check_id(c, node); }

void check_call_nsecs(struct check *c, struct node *node) {
    static const char *const words[] = {[LANG_CLOCK_MONOTONIC] = "monotonic",
                                        [LANG_CLOCK_BOOT] = "boot",
                                        [LANG_CLOCK_TAI] = "tai",
                                        [LANG_CLOCK_SW_TAI] = "sw_tai",
                                        NULL};

    node->type = type_int(64, false);
    check_word(c, node, words, "clocks are monotonic, boot, tai and sw_tai");
}

static bool is_task(const struct type *type) {
    return type->kind == TYPE_POINTER && type->target->kind == TYPE_STRUCT && type->target->name &&
           strcmp(type->target->name, "task_struct") == 0;
}

static void check_task(struct check *c, struct node *node, const struct type *result) {
    const struct type *type = check_value(c, node->child);

    node->type = result;
    if (!type || is_task(type))
        return;
    check_error(c, "task-expected", node->child->loc, "%s() expects a struct task_struct * ('%s' provided)", node->text,
                check_type_text(c, type));
    check_hint(c, "curtask is the current one; a number can be cast: (struct task_struct *)value");
}

void check_call_ppid(struct check *c, struct node *node) { check_task(c, node, type_int(32, false)); }
void check_call_leader_tid(struct check *c, struct node *node) { check_task(c, node, type_int(32, false)); }
void check_call_pcomm(struct check *c, struct node *node) { check_task(c, node, type_string(c->arena, 16)); }
void check_call_leader_comm(struct check *c, struct node *node) { check_task(c, node, type_string(c->arena, 16)); }
