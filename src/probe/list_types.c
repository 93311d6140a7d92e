/* -l 'struct X': types by name: those of --types or the target process from debug information, the kernel's from BTF.
 */
#include "object/btf.h"
#include "object/dwarf.h"
#include "probe/context_int.h"

#include <stdlib.h>
#include <string.h>

static const struct keyword {
    const char *text;
    uint32_t kinds, user_kinds;
} keywords[] = {
    {"struct ", OBJECT_BTF_STRUCT, OBJECT_DWARF_STRUCT},
    {"union ", OBJECT_BTF_UNION, OBJECT_DWARF_UNION},
    {"enum ", OBJECT_BTF_ENUM, OBJECT_DWARF_ENUM},
};

struct found_type {
    const char *name;
    uint32_t id;
};

struct found_types {
    struct arena *arena;
    const char *pattern;
    VEC(struct found_type) items;
};

static bool collect(void *user, uint32_t id, const char *name) {
    struct found_types *found = user;

    if (str_glob(found->pattern, name)) {
        struct found_type type = {arena_strdup(found->arena, name), id};
        vec_push(found->arena, &found->items, type);
    }
    return true;
}

static int compare(const void *a, const void *b) {
    const struct found_type *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->id > y->id) - (x->id < y->id);
}

enum { DEEPEST = 8 }; /* BTF comes from outside: anonymous members may form a loop */

static void print_members(struct probe_lister *lister, const struct type *type, uint32_t depth, struct strbuf *text) {
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct type_field *field = &type->fields[i];
        strbuf_reset(text);
        strbuf_fill(text, ' ', depth * 4);
        if (!field->name && field->type->kind == TYPE_STRUCT && depth < DEEPEST) {
            strbuf_addf(text, "%s {", field->type->is_union ? "union" : "struct");
            probe_list_argument(lister, strbuf_text(text));
            print_members(lister, type_complete(field->type), depth + 1, text);
            strbuf_reset(text);
            strbuf_fill(text, ' ', depth * 4);
            strbuf_addstr(text, "};");
            probe_list_argument(lister, strbuf_text(text));
            continue;
        }
        probe_add_declaration(field, text);
        if (field->bit_size)
            strbuf_addf(text, " : %u", field->bit_size);
        strbuf_addch(text, ';');
        probe_list_argument(lister, strbuf_text(text));
    }
    for (uint32_t i = 0; i < type->enumerator_count; i++) {
        const struct type_enumerator *one = &type->enumerators[i];
        strbuf_reset(text);
        strbuf_addf(text, "%s = %lld,", one->name, (long long)one->value);
        probe_list_argument(lister, strbuf_text(text));
    }
}

/* "vmlinux: struct path {", members, "}" */
static void print_type(struct probe_lister *lister, const char *file, const struct keyword *keyword, const char *name,
                       const struct type *type) {
    struct strbuf text = {0};

    strbuf_addf(&text, "%s: %s%s%s", file, keyword->text, name, lister->verbose ? " {" : "");
    probe_list_matched(lister, strbuf_text(&text));
    if (lister->verbose) {
        print_members(lister, type_complete(type), 0, &text);
        lister->line(lister->user, "}");
    }
    strbuf_free(&text);
}

static void list_kernel(struct probe_context *context, struct probe_lister *lister, const struct keyword *keyword,
                        const char *pattern) {
    struct found_types found = {.arena = context->arena, .pattern = pattern};
    struct object_btf *btf = probe_btf(context);

    if (btf)
        object_btf_list(btf, keyword->kinds, collect, &found);
    if (found.items.count)
        qsort(found.items.data, found.items.count, sizeof *found.items.data, compare);
    for (uint32_t i = 0; i < found.items.count; i++)
        print_type(lister, "vmlinux", keyword, found.items.data[i].name, object_btf_type(btf, found.items.data[i].id));
}

static bool collect_user(void *user, const char *name) { return collect(user, 0, name); }

static void list_user(struct probe_context *context, struct probe_lister *lister, const struct keyword *keyword,
                      const char *pattern) {
    const char *path = context->types_path;
    struct found_types found = {.arena = context->arena, .pattern = pattern};
    const char *reason;

    if (!path && context->pid > 0)
        path = arena_printf(context->arena, "/proc/%d/exe", (int)context->pid);
    struct object_dwarf *dwarf = path ? probe_dwarf(context, path, &reason) : NULL;
    if (!dwarf)
        return;
    object_dwarf_list(dwarf, keyword->user_kinds, collect_user, &found);
    if (found.items.count)
        qsort(found.items.data, found.items.count, sizeof *found.items.data, compare);
    for (uint32_t i = 0; i < found.items.count; i++)
        print_type(lister, path, keyword, found.items.data[i].name,
                   object_dwarf_type(dwarf, keyword->user_kinds, found.items.data[i].name, 0));
}

bool probe_list_types(struct probe_context *context, struct probe_lister *lister, const char *pattern) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (str_starts(pattern, keywords[i].text)) {
            list_user(context, lister, &keywords[i], pattern + strlen(keywords[i].text));
            list_kernel(context, lister, &keywords[i], pattern + strlen(keywords[i].text));
            return true;
        }
    }
    return false;
}
