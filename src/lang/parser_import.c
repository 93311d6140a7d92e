/* Other files: import "path"; (scripts, headers, whole folders) and #include of headers.
 *
 * A path is meant relative to the file that names it, then, for headers, in the directories of -I. Its text becomes a
 * part of the source (base/source.h) and is read at once, as if it stood there; each file is imported once. */
#include "lang/parser.h"

#include <string.h>

enum { FILE_DEPTH_LIMIT = 16, FILE_LIMIT = 1000 };

/* ---- reading ----------------------------------------------------------------------------------------------- */

/* `name` as seen from the file in which `place` is. */
static const char *beside(struct parser *parser, struct loc place, const char *name) {
    const char *from = source_name(parser->source, place.begin), *slash = strrchr(from, '/');

    if (*name == '/' || !slash)
        return name;
    return arena_printf(parser->arena, "%.*s/%s", (int)(slash - from), from, name);
}

static bool read_file(struct parser *parser, const char *path, struct lang_file *file) {
    *file = (struct lang_file){.error = "there are no files here"};
    return parser->env && parser->env->read_file && parser->env->read_file(parser->env->context, path, file);
}

/* Everything that stands in the file, where the parser is now. */
static void read_text(struct parser *parser, const char *path, const struct lang_file *file, struct loc place,
                      bool is_header) {
    struct parser saved = *parser;
    uint32_t begin;

    if (parser->file_depth == FILE_DEPTH_LIMIT || ++parser->file_count > FILE_LIMIT || file->size > LANG_SOURCE_LIMIT ||
        !source_add_file(parser->source, parser->arena, path, file->text, file->size, (struct loc){0, 0}, &begin)) {
        parser_stop(parser, "too-many-files", place, "the program has too many files, or too large ones", NULL);
        return;
    }
    parser->file_depth++;
    parser->lexer.position = begin;
    parser->lexer.end = parser->file_end = begin + file->size;
    if (is_header)
        parser_header(parser);
    else
        parser_script(parser);
    parser->file_depth--;
    if (parser->stopped)
        return;
    parser->lexer = saved.lexer;
    parser->token = saved.token;
    parser->previous_end = saved.previous_end;
    parser->file_end = saved.file_end;
}

/* ---- #include ---------------------------------------------------------------------------------------------- */

/* Headers whose types the kernel's BTF has, or that declare nothing but what the language has anyway. */
static bool is_system_header(const char *name) {
    static const char *const folders[] = {
        "linux/", "uapi/", "asm/",    "asm-generic/", "net/",    "sys/",       "bits/", "netinet/", "arpa/",
        "trace/", "scsi/", "crypto/", "block/",       "kernel/", "mm/",        "drm/",  "rdma/",    "sound/",
        "xen/",   "acpi/", "kvm/",    "fs/",          "vdso/",   "generated/", "x86/",  "include/"};
    static const char *const files[] = {"stddef.h",   "stdint.h",  "stdbool.h", "stdio.h",   "stdlib.h", "string.h",
                                        "errno.h",    "fcntl.h",   "limits.h",  "signal.h",  "time.h",   "unistd.h",
                                        "inttypes.h", "ctype.h",   "assert.h",  "vmlinux.h", "poll.h",   "sched.h",
                                        "elf.h",      "pthread.h", "types.h",   "syscall.h"};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (str_starts(name, folders[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(name, files[i]) == 0)
            return true;
    }
    return false;
}

void parser_include(struct parser *parser, const char *name, bool is_quoted, struct loc place) {
    const struct lang_env *env = parser->env;
    const char *path = is_quoted ? beside(parser, place, name) : "";
    struct lang_file file;
    bool found = is_quoted && read_file(parser, path, &file);

    for (uint32_t i = 0; env && !found && i < env->include_directory_count; i++) {
        path = arena_printf(parser->arena, "%s/%s", env->include_directories[i], name);
        found = read_file(parser, path, &file);
    }
    if (found && !file.is_directory) {
        read_text(parser, path, &file, place, true);
    } else if (!is_system_header(name)) {
        diag_error(parser->diags, "missing-header", place, "'%s' file not found", name);
        diag_hint(parser->diags, is_quoted ? "it is looked for beside the file that includes it, and in -I DIR"
                                           : "give its folder with -I DIR; types of the kernel need no header");
    }
}

/* ---- import ------------------------------------------------------------------------------------------------ */

static void report(struct parser *parser, struct loc place, const char *path, const char *problem, const char *hint) {
    diag_error(parser->diags, "import", place, "Cannot import '%s': %s", path, problem);
    if (hint)
        diag_hint(parser->diags, "%s", hint);
}

static void import_folder(struct parser *parser, const char *path, const struct lang_file *folder, struct loc place);

static void import(struct parser *parser, const char *path, struct loc place) {
    struct lang_file file;

    if (!read_file(parser, path, &file)) {
        report(parser, place, path, file.error, "paths are meant relative to the file that imports");
        return;
    }
    if (file.is_open_to_all) {
        report(parser, place, path, "everybody may write to its folder",
               "move it to a folder that only you can change");
        return;
    }
    if (hash_get(&parser->imported, file.identity))
        return;
    hash_put(&parser->imported, file.identity, parser->program);
    if (file.is_directory)
        import_folder(parser, path, &file, place);
    else if (str_ends(path, ".bt") || str_ends(path, ".h"))
        read_text(parser, path, &file, place, str_ends(path, ".h"));
    else if (str_ends(path, ".c") || str_ends(path, ".o"))
        report(parser, place, path, "programs in C or as objects cannot be part of a script",
               "write it as a macro in a .bt file");
    else
        report(parser, place, path, "only .bt and .h files and folders of them can be imported", NULL);
}

static void import_folder(struct parser *parser, const char *path, const struct lang_file *folder, struct loc place) {
    uint32_t imported = 0;

    for (uint32_t i = 0; i < folder->name_count && !parser->stopped; i++) {
        const char *name = folder->names[i];
        if (!str_ends(name, ".bt") && !str_ends(name, ".h") && !str_ends(name, ".bpf.c") && !str_ends(name, ".o"))
            continue;
        import(parser, arena_printf(parser->arena, "%s/%s", path, name), place);
        imported++;
    }
    if (imported == 0)
        report(parser, place, path, "there are no .bt and .h files in this folder", NULL);
}

/* import "path"; */
void parser_import(struct parser *parser) {
    struct token path;

    parser_advance(parser);
    path = parser->token;
    parser_advance(parser);
    struct loc behind = {parser->previous_end, parser->previous_end};
    if (!parser_at(parser, TOKEN_SEMICOLON)) {
        parser_error(parser, "missing-semicolon", behind, "expected ; at the end of this import");
        return;
    }
    if (strlen(path.text) != path.length || path.length == 0)
        parser_error(parser, "import", path.loc, "this is no path");
    else
        import(parser, beside(parser, path.loc, path.text), path.loc);
    parser_accept(parser, TOKEN_SEMICOLON);
}
