/* Addresses of symbols, found while compiling. */
#include "lang/check_int.h"

#include <string.h>

/* ---- the kernel -------------------------------------------------------------------------------------------- */

static uint64_t kernel_symbol(struct check *c, const struct node *node, const char *name) {
    uint64_t address = 0;

    if (!c->env->find_kernel_symbol || c->env->find_kernel_symbol(c->env->context, name, &address) == 0)
        return address;
    check_error(c, "unknown-symbol", node->loc, "Failed to resolve kernel symbol: %s", name);
    check_hint(c, "/proc/kallsyms lists the kernel's symbols; variables only with CONFIG_KALLSYMS_ALL, addresses only "
                  "for root");
    return 0;
}

/* An address of the kernel, to be followed there whatever the probe is: *kaddr("jiffies"). */
static const struct type kernel_address = {.kind = TYPE_INT, .size = 8, .align = 8, .space = SPACE_KERNEL};

void check_call_kaddr(struct check *c, struct node *node) {
    if (!check_literal(c, node->child, "kaddr"))
        return;
    node->is_constant = true;
    node->number = (int64_t)kernel_symbol(c, node, node->child->text);
    node->type = &kernel_address;
}

/* Every CPU has a copy, at a distance that the kernel keeps in a table. */
void check_call_percpu_kaddr(struct check *c, struct node *node) {
    struct node *cpu = node->child->next;

    if (cpu)
        check_integer(c, cpu, "percpu_kaddr()");
    node->type = type_pointer(c->arena, type_int(64, false), SPACE_KERNEL);
    if (!check_literal(c, node->child, "percpu_kaddr"))
        return;
    node->number = (int64_t)kernel_symbol(c, node, node->child->text);
    if (node->number)
        node->child->number = (int64_t)kernel_symbol(c, node, "__per_cpu_offset");
}

/* ---- the traced program ------------------------------------------------------------------------------------ */

void check_call_uaddr(struct check *c, struct node *node) {
    unsigned user = CONTEXT_BIT(UPROBE) | CONTEXT_BIT(URETPROBE);
    uint64_t address = 0, size = 8;

    node->type = type_pointer(c->arena, type_int(64, false), SPACE_USER);
    if (!check_literal(c, node->child, "uaddr"))
        return;
    if (!(user & (1u << c->target->context))) {
        check_error(c, "builtin-context", node->loc, "uaddr() can not be used with '%s' probes",
                    c->target->provider ? c->target->provider : "these");
        check_hint(c, "it finds symbols of the file that a uprobe, uretprobe or usdt probe is in");
        return;
    }
    if (c->env->find_user_symbol &&
        c->env->find_user_symbol(c->env->context, c->target, node->child->text, &address, &size) != 0) {
        check_error(c, "unknown-symbol", node->child->loc, "Could not resolve symbol: %s:%s",
                    c->target->path ? c->target->path : "", node->child->text);
        check_hint(c, "`nm` lists the symbols of a file, `nm -D` those of one that was stripped");
        return;
    }
    node->number = (int64_t)(address - c->target->address); /* from the probed instruction */
    if (size == 1 || size == 2 || size == 4)
        node->type = type_pointer(c->arena, type_int((unsigned)size * 8, false), SPACE_USER);
}
