/* The kernel opens a directory of cgroupfs by its id (open_by_handle_at), if we may; else the tree is walked. */
#include "kernel/cgroup.h"
#include "kernel/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int kernel_cgroup_id(const char *path, uint64_t *id) {
    struct statfs system;
    struct stat status;
    if (statfs(path, &system) < 0 || stat(path, &status) < 0)
        return -errno;
    if ((system.f_type != CGROUP2_SUPER_MAGIC && system.f_type != CGROUP_SUPER_MAGIC) || !S_ISDIR(status.st_mode))
        return -EINVAL;
    *id = status.st_ino;
    return 0;
}

/* struct file_handle with the 8 bytes that kernfs wants. */
struct id_handle {
    struct file_handle handle;
    uint64_t id;
};
enum { KERNFS_HANDLE = 0xfe };

static bool path_by_handle(const char *mount, uint64_t id, char *path, size_t size) {
    struct id_handle handle = {.handle = {.handle_bytes = sizeof id, .handle_type = KERNFS_HANDLE}};
    char link[64];
    memcpy(handle.handle.f_handle, &id, sizeof id);
    int mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = mount_fd < 0 ? -1 : open_by_handle_at(mount_fd, &handle.handle, O_PATH | O_CLOEXEC);
    if (mount_fd >= 0)
        close(mount_fd);
    if (fd < 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    close(fd);
    path[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static bool path_by_walk(const char *mount, uint64_t id, char *path, size_t size) {
    char *roots[] = {(char *)mount, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    bool found = false;
    for (FTSENT *entry; tree && !found && (entry = fts_read(tree));) {
        if (entry->fts_info != FTS_D)
            continue;
        found = entry->fts_statp->st_ino == id;
        if (found)
            snprintf(path, size, "%s", entry->fts_path);
    }
    if (tree)
        fts_close(tree);
    return found;
}

/* One line of mountinfo: "36 35 0:31 / /sys/fs/cgroup rw,... - cgroup2 cgroup2 rw". The path has no spaces here: those
 * that have are written as \040 and are no places where anybody mounts cgroups. */
static bool parse_mount(char *line, const char **root, const char **mount, const char **type) {
    char *save = NULL, *fields[5] = {0};
    for (int i = 0; i < 5; i++) {
        fields[i] = strtok_r(i ? NULL : line, " ", &save);
        if (!fields[i])
            return false;
    }
    char *rest = save ? strstr(save, "- ") : NULL;
    if (!rest)
        return false;
    *root = fields[3];
    *mount = fields[4];
    *type = strtok_r(rest + 2, " ", &save);
    return *type != NULL;
}

static void search(const char *root, const char *mount, bool unified, uint64_t id, kernel_cgroup_found *found,
                   void *context) {
    char path[4096], whole[8192];
    size_t length = strlen(mount);
    struct statfs system;
    /* A mount that another one covers is not what lies at its path. */
    if (statfs(mount, &system) < 0 || system.f_type != (unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
        return;
    if (!path_by_handle(mount, id, path, sizeof path) && !path_by_walk(mount, id, path, sizeof path))
        return;
    if (strncmp(path, mount, length) != 0)
        return;
    snprintf(whole, sizeof whole, "%s%s", strcmp(root, "/") == 0 ? "" : root, path + length);
    const char *slash = strrchr(mount, '/');
    found(context, unified ? "unified" : slash ? slash + 1 : mount, *whole ? whole : "/");
}

int kernel_cgroup_paths(uint64_t id, kernel_cgroup_found *found, void *context) {
    struct strbuf text = {0};
    char *save = NULL;
    int error = kernel_read_file("/proc/self/mountinfo", &text, 16u << 20);
    if (error < 0)
        return error;
    char *copy = strdup(strbuf_text(&text));
    strbuf_free(&text);
    for (char *line = copy ? strtok_r(copy, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        const char *root, *mount, *type;
        if (!parse_mount(line, &root, &mount, &type))
            continue;
        if (strcmp(type, "cgroup2") == 0 || strcmp(type, "cgroup") == 0)
            search(root, mount, strcmp(type, "cgroup2") == 0, id, found, context);
    }
    free(copy);
    return 0;
}
