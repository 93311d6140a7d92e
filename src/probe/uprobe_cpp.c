/* BINARY:cpp:"space::Class::method(int)": functions by the name that people know. Without arguments the name must be
 * unique, or have a `*`. Rust's names are understood as well. */
#include "object/demangle.h"
#include "probe/uprobe_int.h"

#include <stdlib.h>
#include <string.h>

bool uprobe_is_cpp(const struct probe_point *point) {
    return point->part_count == 3 && strcmp(point->parts[1].text, "cpp") == 0;
}

struct cpp_symbol {
    struct object_symbol symbol;
    const char *signature;
};

struct cpp_search {
    struct probe_context *context;
    const char *pattern;
    const char *required; /* part of every mangled name that can match; NULL: none */
    VEC(struct object_symbol) symbols;
    VEC(struct cpp_symbol) found;
};

/* ---- names ---------------------------------------------------------------------------------------------------- */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The longest word of the pattern in front of arguments: mangled names have words as they are. Words of operators and
 * the abbreviations of namespace std are not in them. */
static const char *required_word(struct arena *arena, const char *pattern) {
    static const char *const absent[] = {"operator", "std",       "anonymous",   "namespace",
                                         "string",   "allocator", "basic_string"};
    const char *best = NULL;
    size_t longest = 0;

    for (const char *at = pattern; *at && *at != '(' && *at != '<' && *at != '*';) {
        size_t length = 0;
        while (is_word(at[length]))
            length++;
        bool is_absent = at[length] == '*' || at[length] == '<';
        for (size_t i = 0; i < sizeof absent / sizeof *absent && !is_absent; i++)
            is_absent = strlen(absent[i]) == length && strncmp(absent[i], at, length) == 0;
        if (length > longest && !is_absent) {
            best = at;
            longest = length;
        }
        if (is_absent && strncmp(at, "operator", 8) == 0)
            break;
        at += length ? length : 1;
    }
    return best ? arena_strndup(arena, best, longest) : NULL;
}

/* Blanks behind commas make no difference. */
static const char *without_blanks(struct arena *arena, const char *text) {
    char *copy = arena_strdup(arena, text), *to = copy;

    for (const char *at = text; *at; at++)
        if (*at != ' ' || at == text || at[-1] != ',')
            *to++ = *at;
    *to = '\0';
    return copy;
}

static bool matches(struct arena *arena, const char *pattern, const char *bare, const char *signature) {
    if (!strchr(pattern, '('))
        return bare && str_glob(pattern, bare);
    signature = without_blanks(arena, signature);
    size_t length = strlen(signature);
    return str_glob(pattern, signature) ||
           (str_ends(signature, " const") && str_glob(pattern, arena_strndup(arena, signature, length - 6)));
}

/* ---- searching ------------------------------------------------------------------------------------------------- */

static bool collect(void *user, const struct object_symbol *symbol) {
    struct cpp_search *search = user;

    if (!object_is_mangled(symbol->name) || symbol->file_offset == UINT64_MAX || symbol->is_ifunc)
        return true;
    struct object_symbol copy = *symbol;
    copy.name = arena_strndup(search->context->arena, symbol->name, symbol->name_length);
    if (!search->required || strstr(copy.name, search->required))
        vec_push(search->context->arena, &search->symbols, copy);
    return true;
}

static int compare_found(const void *a, const void *b) {
    const struct cpp_symbol *x = a, *y = b;
    int order = strcmp(x->signature, y->signature);

    return order ? order
                 : (x->symbol.file_offset > y->symbol.file_offset) - (x->symbol.file_offset < y->symbol.file_offset);
}

static struct object_demangler *demangler_of(struct probe_context *context) {
    if (!context->caches->demangler)
        context->caches->demangler = object_demangler_new(context->arena);
    return context->caches->demangler;
}

/* By signature, each place once. */
static void search(struct cpp_search *search, struct object_elf *elf) {
    struct arena *arena = search->context->arena;
    struct object_demangler *demangler = demangler_of(search->context);
    uint32_t kept = 0;

    object_elf_each(elf, OBJECT_FUNCTIONS, collect, search);
    if (search->symbols.count == 0 && object_elf_load_debug(elf, NULL))
        object_elf_each(elf, OBJECT_FUNCTIONS, collect, search);
    uint32_t count = search->symbols.count;
    const char **names = arena_new_array(arena, const char *, count + 1);
    const char **bare = arena_new_array(arena, const char *, count + 1);
    const char **signatures = arena_new_array(arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        names[i] = search->symbols.data[i].name;
    object_demangle(demangler, OBJECT_DEMANGLE_SIGNATURE, names, count, signatures);
    if (!strchr(search->pattern, '('))
        object_demangle(demangler, OBJECT_DEMANGLE_BARE, names, count, bare);
    for (uint32_t i = 0; i < count; i++) {
        struct cpp_symbol one = {search->symbols.data[i], signatures[i]};
        if (signatures[i] && matches(arena, search->pattern, bare[i], signatures[i]))
            vec_push(arena, &search->found, one);
    }
    if (search->found.count)
        qsort(search->found.data, search->found.count, sizeof *search->found.data, compare_found);
    for (uint32_t i = 0; i < search->found.count; i++)
        if (kept == 0 || compare_found(&search->found.data[kept - 1], &search->found.data[i]) != 0)
            search->found.data[kept++] = search->found.data[i];
    search->found.count = kept;
}

/* A constructor has two or three symbols of one signature. */
static uint32_t count_signatures(const struct cpp_search *search) {
    uint32_t count = 0;

    for (uint32_t i = 0; i < search->found.count; i++)
        count += i == 0 || strcmp(search->found.data[i].signature, search->found.data[i - 1].signature) != 0;
    return count;
}

static int ambiguous(const struct cpp_search *search, const struct probe_point *point, struct probe_error *error) {
    enum { MOST_SHOWN = 4 };
    struct probe_context *context = search->context;
    const char *text = "";
    uint32_t shown = 0;

    int result = probe_fail_text(context, error, &point->parts[2], "%u functions are called %s",
                                 count_signatures(search), point->parts[2].text);
    for (uint32_t i = 0; i < search->found.count && shown < MOST_SHOWN; i++) {
        const char *signature = search->found.data[i].signature;
        if (i > 0 && strcmp(signature, search->found.data[i - 1].signature) == 0)
            continue;
        text = arena_printf(context->arena, "%s%s\"%s\"", text, shown++ ? ", " : "", signature);
    }
    error->hint = arena_printf(context->arena, "write its arguments: %s%s; or %s(*) for all", text,
                               count_signatures(search) > MOST_SHOWN ? ", ..." : "", point->parts[2].text);
    return result;
}

static struct cpp_search new_search(struct probe_context *context, const char *pattern) {
    return (struct cpp_search){.context = context,
                               .pattern = without_blanks(context->arena, pattern),
                               .required = required_word(context->arena, pattern)};
}

int uprobe_expand_cpp(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                      struct probe_error *error) {
    struct probe_binaries binaries = {0};
    const struct probe_part *name = &point->parts[2];
    uint32_t before = out->items.count;
    const char *reason = NULL;

    int result = probe_find_binaries(context, point, &point->parts[0], &binaries, error);
    for (uint32_t i = 0; result == 0 && i < binaries.items.count; i++) {
        const struct probe_binary *binary = &binaries.items.data[i];
        struct object_elf *elf = probe_binary_elf(context, binary, &reason);
        struct cpp_search wanted = new_search(context, name->text);
        if (!elf)
            continue;
        search(&wanted, elf);
        if (!probe_has_star(name->text) && count_signatures(&wanted) > 1)
            return ambiguous(&wanted, point, error);
        for (uint32_t s = 0; s < wanted.found.count; s++) {
            const struct cpp_symbol *one = &wanted.found.data[s];
            uprobe_add(context, point, binary, arena_printf(context->arena, ":cpp:\"%s\"", one->signature),
                       one->symbol.name, one->symbol.address, one->symbol.file_offset, out);
        }
    }
    if (result != 0 || out->items.count > before)
        return result;
    result = probe_fail_match(context, error, name, "No matches for %s %s:cpp:%s.", point->kind->name,
                              binaries.items.count ? binaries.items.data[0].shown : point->parts[0].text, name->text);
    error->hint = reason
                      ? reason
                      : arena_printf(context->arena, "list the functions with -l '%s:%s:cpp:*%s*'", point->kind->name,
                                     point->parts[0].text, required_word(context->arena, name->text) ?: "");
    return result;
}

int uprobe_list_cpp(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                    struct probe_error *error) {
    struct probe_binaries binaries = {0};
    const char *reason;

    int result = probe_find_binaries(context, point, &point->parts[0], &binaries, error);
    for (uint32_t i = 0; result == 0 && i < binaries.items.count; i++) {
        const struct probe_binary *binary = &binaries.items.data[i];
        struct object_elf *elf = probe_binary_elf(context, binary, &reason);
        struct cpp_search wanted = new_search(context, point->parts[2].text);
        if (elf)
            search(&wanted, elf);
        for (uint32_t s = 0; s < wanted.found.count; s++) {
            const struct cpp_symbol *one = &wanted.found.data[s];
            if (s > 0 && strcmp(one[-1].signature, one->signature) == 0)
                continue;
            probe_list_matched(lister, arena_printf(context->arena, "%s:%s:cpp:\"%s\"", point->kind->name,
                                                    binary->shown, one->signature));
            if (lister->verbose)
                uprobe_list_arguments(context, lister, binary->path, one->symbol.address,
                                      point->kind == &probe_kind_uretprobe);
        }
    }
    return result;
}
