/* Files that a script includes or imports. */
#include "session/session_int.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whoever can put a file there decides what runs as root. */
static bool is_open_to_all(struct arena *arena, const char *path, const struct stat *status) {
    const char *slash = strrchr(path, '/');
    const char *folder = !slash ? "." : slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
    struct stat around;
    if (S_ISDIR(status->st_mode) || status->st_mode & S_IWOTH)
        return status->st_mode & S_IWOTH;
    return stat(folder, &around) == 0 && around.st_mode & S_IWOTH;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int list(struct arena *arena, const char *path, struct lang_file *file) {
    VEC(const char *) names = {0};
    DIR *folder = opendir(path);
    if (!folder)
        return -errno;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] != '.')
            vec_push(arena, &names, arena_strdup(arena, entry->d_name));
    }
    closedir(folder);
    if (names.count > 0)
        qsort(names.data, names.count, sizeof *names.data, by_name);
    file->is_directory = true;
    file->names = names.data;
    file->name_count = names.count;
    return 0;
}

static int read_text(struct arena *arena, const char *path, struct lang_file *file) {
    struct strbuf text = {0};
    int error = kernel_read_file(path, &text, LANG_SOURCE_LIMIT);
    if (error == 0) {
        file->text = arena_memdup(arena, strbuf_text(&text), text.length + 1);
        file->size = (uint32_t)text.length;
    }
    strbuf_free(&text);
    return error;
}

bool session_read_file(void *session, const char *path, struct lang_file *file) {
    struct session *s = session;
    struct stat status;
    int error = stat(path, &status) < 0 ? -errno : 0;
    *file = (struct lang_file){0};
    if (error == 0)
        error = S_ISDIR(status.st_mode) ? list(s->arena, path, file) : read_text(s->arena, path, file);
    if (error < 0) {
        file->error = strerror(-error);
        return false;
    }
    file->identity = arena_printf(s->arena, "%lx:%lx", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    file->is_open_to_all = is_open_to_all(s->arena, path, &status);
    return true;
}
