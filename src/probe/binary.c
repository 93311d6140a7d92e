/* From the first part of a uprobe ("bash", "libc", "/opt/x*", nothing with -p) to files to open. */
#include "probe/binary_int.h"

#include "object/library.h"
#include "object/maps.h"
#include "object/zip.h"
#include "probe/context_int.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LINK_MAX_BYTES = 4096 };

static const char *read_link(struct arena *arena, const char *path) {
    char target[LINK_MAX_BYTES];
    ssize_t length = readlink(path, target, sizeof target - 1);

    return length > 0 ? arena_strndup(arena, target, (size_t)length) : NULL;
}

/* "/proc/PID/root" when the target process sees other files than we do, else "". */
static const char *target_root(struct probe_context *context) {
    if (context->pid <= 0)
        return "";
    const char *ours = read_link(context->arena, "/proc/self/ns/mnt");
    const char *theirs = read_link(context->arena, arena_printf(context->arena, "/proc/%d/ns/mnt", context->pid));
    if (!ours || !theirs || strcmp(ours, theirs) == 0)
        return "";
    return arena_printf(context->arena, "/proc/%d/root", context->pid);
}

static void add_binary(struct probe_context *context, const char *path, const char *shown, struct probe_binaries *out) {
    struct probe_binary binary = {.path = path, .shown = shown};
    struct stat status;

    if (stat(path, &status) == 0) {
        binary.device = status.st_dev;
        binary.inode = status.st_ino;
        for (uint32_t i = 0; i < out->items.count; i++) {
            if (out->items.data[i].device == binary.device && out->items.data[i].inode == binary.inode)
                return;
        }
    }
    vec_push(context->arena, &out->items, binary);
}

struct object_elf *probe_binary_elf(struct probe_context *context, const struct probe_binary *binary,
                                    const char **reason) {
    return probe_elf(context, binary->path, binary->begin, binary->size, reason);
}

static void glob_in(struct probe_context *context, const char *root, const char *pattern, struct probe_binaries *out) {
    const char *full = arena_printf(context->arena, "%s%s", root, pattern);
    glob_t found;

    if (glob(full, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = arena_strdup(context->arena, found.gl_pathv[i]);
        struct stat status;
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
            add_binary(context, path, path + strlen(root), out);
    }
    globfree(&found);
}

/* A pattern with a slash is a path; without one it is tried in each directory of PATH. */
static void find_by_glob(struct probe_context *context, const char *pattern, struct probe_binaries *out) {
    const char *root = strchr(pattern, '/') == pattern ? target_root(context) : "";
    const char *directories = getenv("PATH");

    if (strchr(pattern, '/')) {
        glob_in(context, root, pattern, out);
        return;
    }
    for (const char *at = directories ? directories : ""; *at;) {
        size_t length = strcspn(at, ":");
        glob_in(context, target_root(context), arena_printf(context->arena, "%.*s/%s", (int)length, at, pattern), out);
        at += length + (at[length] == ':');
    }
}

/* "libc", "c" or "libc.so.6" among the files the process has mapped: its own copy wins over the system's. */
static bool is_library_name(const char *wanted, const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(wanted);

    return strcmp(name, wanted) == 0 || (strncmp(name, wanted, length) == 0 && str_starts(name + length, ".so"));
}

static const char *find_mapped(struct probe_context *context, const char *name) {
    struct object_maps maps;

    if (context->pid <= 0 || object_maps_read(context->arena, context->pid, true, &maps) != 0)
        return NULL;
    for (uint32_t i = 0; i < maps.count; i++) {
        if (maps.items[i].path[0] == '/' && !maps.items[i].is_deleted && is_library_name(name, maps.items[i].path))
            return maps.items[i].path;
    }
    return NULL;
}

/* A file that was replaced since is still behind the mapping. */
static void add_mapped(struct probe_context *context, pid_t pid, const char *root, const struct object_map *map,
                       struct probe_binaries *out) {
    const char *path = arena_printf(context->arena, "%s%s", root, map->path);

    if (map->is_deleted)
        path = arena_printf(context->arena, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, map->start, map->end);
    add_binary(context, path, map->path, out);
}

/* Files are told apart by device and inode, so that each is opened once; their paths follow from the first process. */
static void find_mapped_by(struct probe_context *context, pid_t pid, const char *root, struct probe_binaries *out) {
    struct object_maps maps;

    if (object_maps_read(context->arena, pid, true, &maps) != 0)
        return;
    for (uint32_t i = 0; i < maps.count; i++) {
        const struct object_map *map = &maps.items[i];
        bool known = map->path[0] != '/';
        for (uint32_t k = 0; !known && k < out->items.count; k++)
            known = out->items.data[k].inode == map->inode &&
                    out->items.data[k].device == makedev(map->device_major, map->device_minor);
        if (!known)
            add_mapped(context, pid, root, map, out);
    }
}

void probe_find_mapped(struct probe_context *context, struct probe_binaries *out) {
    if (context->pid > 0) {
        find_mapped_by(context, context->pid, target_root(context), out);
        return;
    }
    DIR *directory = opendir("/proc");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 0)
            find_mapped_by(context, pid, arena_printf(context->arena, "/proc/%d/root", (int)pid), out);
    }
    if (directory)
        closedir(directory);
}

static int not_found(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                     const char *reason, struct probe_error *error) {
    int result = probe_fail_match(context, error, part, "%s target file '%s' does not exist or is not executable",
                                  point->kind->name, part->text);
    error->hint = reason;
    return result;
}

static int find_by_name(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                        struct probe_binaries *out, struct probe_error *error) {
    const char *name = part->text, *root = target_root(context), *reason = NULL;
    bool is_path = strchr(name, '/') != NULL;

    if (is_path && name[0] != '/') {
        if (access(name, F_OK) != 0)
            return not_found(context, point, part, NULL, error);
        add_binary(context, name, name, out);
        return 0;
    }
    const char *mapped = is_path ? NULL : find_mapped(context, name);
    if (mapped) {
        add_binary(context, arena_printf(context->arena, "%s%s", root, mapped), mapped, out);
        return 0;
    }
    const char *path = object_library_resolve(context->arena, root, name, &reason);
    if (!path)
        return not_found(context, point, part, reason, error);
    add_binary(context, path, is_path ? name : path + strlen(root), out);
    return 0;
}

/* "app.apk!/lib/libx.so": a file in a zip archive. False, and nothing happened, when the part is not of this form. */
static bool find_in_archive(struct probe_context *context, const struct probe_point *point,
                            const struct probe_part *part, struct probe_binaries *out, struct probe_error *error,
                            int *result) {
    const char *mark = strstr(part->text, "!/");
    struct probe_part outer = *part;
    struct probe_binaries archives = {0};
    struct object_zip_entry entry;

    if (!mark)
        return false;
    outer.text = arena_strndup(context->arena, part->text, (size_t)(mark - part->text));
    *result = find_by_name(context, point, &outer, &archives, error);
    if (*result != 0)
        return true;
    struct probe_binary *binary = &archives.items.data[0];
    const char *reason = object_zip_find(binary->path, mark + 2, &entry);
    if (reason) {
        *result = probe_fail_match(context, error, part, "%s target file '%s' can not be read: %s", point->kind->name,
                                   part->text, reason);
        return true;
    }
    binary->shown = part->text;
    binary->begin = entry.offset;
    binary->size = entry.size;
    vec_push(context->arena, &out->items, *binary);
    return true;
}

int probe_find_binaries(struct probe_context *context, const struct probe_point *point, const struct probe_part *part,
                        struct probe_binaries *out, struct probe_error *error) {
    if (!part) {
        const char *link = arena_printf(context->arena, "/proc/%d/exe", context->pid);
        const char *path = read_link(context->arena, link);
        if (!path)
            return probe_fail_system(context, error, errno, "reading %s", link);
        add_binary(context, link, path, out);
        return 0;
    }
    int result;
    if (find_in_archive(context, point, part, out, error, &result))
        return result;
    if (!probe_has_star(part->text))
        return find_by_name(context, point, part, out, error);
    if (context->pid > 0 && strcmp(part->text, "*") == 0)
        probe_find_mapped(context, out);
    else
        find_by_glob(context, part->text, out);
    if (out->items.count == 0)
        return probe_fail_match(context, error, part, "%s target file '%s' matches no file", point->kind->name,
                                part->text);
    return 0;
}
