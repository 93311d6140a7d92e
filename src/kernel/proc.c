#include "kernel/proc.h"
#include "kernel/bpf_int.h"
#include "kernel/uapi.h"
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>

#define CPU_ID_MAX 65535u

int kernel_read_descriptor(int fd, struct strbuf *out, size_t max) {
    int result = 0;
    size_t total = 0;
    for (;;) {
        /* Seq files of the kernel give at most a page or so a read; grow as the text does. */
        size_t room = total < 4096 ? 4096 : total;
        room = room > 1u << 20 ? 1u << 20 : room;
        strbuf_reserve(out, room + 1);
        ssize_t got = read(fd, out->data + out->length, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            result = -errno;
        if (got <= 0)
            break;
        total += (size_t)got;
        if (total > max) {
            result = -EFBIG;
            break;
        }
        out->length += (size_t)got;
    }
    out->data[out->length] = '\0';
    return result;
}

int kernel_read_file_at(int directory_fd, const char *path, struct strbuf *out, size_t max) {
    int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int result = kernel_read_descriptor(fd, out, max);
    close(fd);
    return result;
}

int kernel_read_file(const char *path, struct strbuf *out, size_t max) {
    return kernel_read_file_at(AT_FDCWD, path, out, max);
}

/* ---- CPUs ---------------------------------------------------------------------------------------------------- */

/* A decimal number at *text, which moves behind it. */
static bool parse_cpu_id(const char **text, uint32_t *id) {
    if (**text < '0' || **text > '9')
        return false;
    uint32_t value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        value = value * 10 + (uint32_t)(**text - '0');
        if (value > CPU_ID_MAX)
            return false;
    }
    *id = value;
    return true;
}

bool kernel_cpu_list_parse(struct arena *arena, const char *text, uint32_t **ids, uint32_t *count) {
    uint32_t *list = NULL, used = 0, capacity = 0;
    int64_t previous = -1;
    bool good = true;
    while (good && *text && *text != '\n') {
        uint32_t first = 0, last = 0;
        good = parse_cpu_id(&text, &first) && first > previous;
        last = first;
        if (good && *text == '-') {
            text++;
            good = parse_cpu_id(&text, &last) && last >= first;
        }
        if (!good)
            break;
        if (used + (last - first + 1) > capacity) {
            capacity = 2 * (used + (last - first + 1));
            uint32_t *larger = arena_new_array(arena, uint32_t, capacity);
            if (used)
                memcpy(larger, list, used * sizeof *larger);
            list = larger;
        }
        assert(list);
        for (uint32_t id = first; id <= last; id++)
            list[used++] = id;
        previous = last;
        if (*text == ',')
            text++;
        else if (*text && *text != '\n')
            good = false;
    }
    *ids = list;
    *count = used;
    return good && used > 0;
}

static int read_cpu_list(struct arena *arena, const char *path, uint32_t **ids, uint32_t *count) {
    struct strbuf text = {0};
    int error = kernel_read_file(path, &text, 1u << 16);
    if (error == 0 && !kernel_cpu_list_parse(arena, strbuf_text(&text), ids, count))
        error = -EINVAL;
    strbuf_free(&text);
    return error;
}

int kernel_cpus_read(struct arena *arena, struct kernel_cpus *cpus) {
    uint32_t *possible = NULL, count = 0;
    int error = read_cpu_list(arena, "/sys/devices/system/cpu/possible", &possible, &count);
    if (error)
        return error;
    cpus->count_possible = possible[count - 1] + 1;
    return read_cpu_list(arena, "/sys/devices/system/cpu/online", &cpus->online, &cpus->count_online);
}

/* ---- processes ----------------------------------------------------------------------------------------------- */

int kernel_pidfd_open(pid_t pid) {
    long result = syscall(SYS_pidfd_open, pid, 0);
    return result < 0 ? -errno : (int)result;
}

bool kernel_pid_alive(pid_t pid) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    struct strbuf text = {0};
    bool alive = false;
    if (pid > 0 && kernel_read_file(path, &text, 4096) == 0) {
        /* "PID (name) STATE": the name may hold anything, so look from the end. */
        const char *state = strrchr(strbuf_text(&text), ')');
        alive = state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
    }
    strbuf_free(&text);
    return alive;
}

int kernel_pid_namespace(struct kernel_pid_namespace *info) {
    struct stat status;
    if (stat("/proc/self/ns/pid", &status) < 0)
        return -errno;
    /* The kernel's dev_t has 20 bits of minor; the one of stat(2) is spread otherwise. */
    info->device = (uint64_t)major(status.st_dev) << 20 | minor(status.st_dev);
    info->inode = status.st_ino;
    info->initial = status.st_ino == 0xEFFFFFFCu; /* PROC_PID_INIT_INO: fixed in every kernel */
    return 0;
}

/* ---- the system ---------------------------------------------------------------------------------------------- */

const char *kernel_release(struct arena *arena) {
    struct utsname name;
    return arena_strdup(arena, uname(&name) == 0 ? name.release : "");
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t kernel_monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t kernel_boottime_ns(void) { return clock_ns(CLOCK_BOOTTIME); }

/* The two clocks can not be read at one moment: of a few tries take the one that was interrupted least. */
static int64_t offset_to_real(clockid_t clock) {
    uint64_t best = UINT64_MAX;
    int64_t offset = 0;
    for (int attempt = 0; attempt < 5; attempt++) {
        uint64_t before = clock_ns(clock), real = clock_ns(CLOCK_REALTIME), after = clock_ns(clock);
        if (after - before < best) {
            best = after - before;
            offset = (int64_t)(real - (before + best / 2));
        }
    }
    return offset;
}

int64_t kernel_boot_offset_ns(void) { return offset_to_real(CLOCK_BOOTTIME); }
int64_t kernel_monotonic_offset_ns(void) { return offset_to_real(CLOCK_MONOTONIC); }
