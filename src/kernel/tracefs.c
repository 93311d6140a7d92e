#include "kernel/tracefs.h"
#include "kernel/bpf_int.h"
#include "kernel/proc.h"
#include "kernel/uapi.h"
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>

/* available_filter_functions is some 2 MB, all formats are a few KB: nothing sensible is larger. */
#define TRACEFS_FILE_MAX (64u << 20)

struct kernel_tracefs {
    int fd;
    bool is_private;
};

/* Where distributions mount it. */
static const char *const tracefs_places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* O_PATH looks at a directory without triggering debugfs's automount of tracefs, which would change the system. */
static int open_mounted(const char *place) {
    int fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct statfs info;
    int result = fstatfs(fd, &info) < 0 ? -errno : 0;
    if (result == 0 && (uint32_t)info.f_type != KERNEL_TRACEFS_MAGIC)
        result = -ENOENT;
    if (result == 0) {
        result = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (result < 0)
            result = -errno;
    }
    close(fd);
    return result;
}

static int open_private(void) {
    int context = (int)syscall(SYS_fsopen, "tracefs", KERNEL_FSOPEN_CLOEXEC);
    if (context < 0)
        return -errno;
    int result = -1;
    if (syscall(SYS_fsconfig, context, KERNEL_FSCONFIG_CREATE, NULL, NULL, 0) == 0)
        result = (int)syscall(SYS_fsmount, context, KERNEL_FSMOUNT_CLOEXEC, 0);
    if (result < 0)
        result = -errno;
    close(context);
    if (result < 0)
        return result;
    /* The mount's descriptor is O_PATH: not good for reading the directory itself. */
    int directory = openat(result, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        directory = -errno;
    close(result); /* the mount lives as long as a file in it is open */
    return directory;
}

struct kernel_tracefs *kernel_tracefs_open(struct arena *arena, int *error) {
    int fd = -ENOENT;
    bool is_private = false;
    for (size_t i = 0; fd < 0 && i < sizeof tracefs_places / sizeof *tracefs_places; i++)
        fd = open_mounted(tracefs_places[i]);
    if (fd < 0) {
        fd = open_private();
        is_private = true;
    }
    *error = fd < 0 ? fd : 0;
    if (fd < 0)
        return NULL;
    struct kernel_tracefs *tracefs = arena_make(arena, struct kernel_tracefs);
    *tracefs = (struct kernel_tracefs){.fd = fd, .is_private = is_private};
    return tracefs;
}

void kernel_tracefs_close(struct kernel_tracefs *tracefs) {
    if (tracefs && tracefs->fd >= 0) {
        close(tracefs->fd);
        tracefs->fd = -1;
    }
}

int kernel_tracefs_read(const struct kernel_tracefs *tracefs, const char *path, struct strbuf *out) {
    return kernel_read_file_at(tracefs->fd, path, out, TRACEFS_FILE_MAX);
}

bool kernel_tracefs_exists(const struct kernel_tracefs *tracefs, const char *path) {
    return faccessat(tracefs->fd, path, F_OK, 0) == 0;
}

bool kernel_tracefs_private(const struct kernel_tracefs *tracefs) { return tracefs->is_private; }

int kernel_tracefs_fd(const struct kernel_tracefs *tracefs) { return tracefs->fd; }

int kernel_tracefs_list(const struct kernel_tracefs *tracefs, const char *directory, kernel_tracefs_entry callback,
                        void *user) {
    int fd = openat(tracefs->fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *stream = fdopendir(fd);
    if (!stream) {
        int error = -errno;
        close(fd);
        return error;
    }
    int result = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(stream);
        if (!entry) {
            result = -errno;
            break;
        }
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (!callback(user, entry->d_name, entry->d_type == DT_DIR))
            break;
    }
    closedir(stream);
    return result;
}
