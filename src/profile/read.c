#include "profile/read.h"
#include "object/input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const struct profile_reader profile_readers[] = {
    {"profile of tarsier", profile_is_tarsier, profile_read_tarsier},
    {"pprof", profile_is_pprof, profile_read_pprof},
    {"perf.data", profile_is_perf, profile_read_perf},
    {"folded stacks", profile_is_folded, profile_read_folded},
};
const unsigned profile_reader_count = sizeof profile_readers / sizeof *profile_readers;

/* A file as bytes: mapped, or (pipes) read. */
struct input {
    const uint8_t *bytes;
    size_t size;
    void *mapped;
    char *read;
};

enum { PIPE_LIMIT_MB = 4096 };

static int read_pipe(int fd, struct input *input) {
    int error = object_read_fd(fd, (size_t)PIPE_LIMIT_MB << 20, &input->read, &input->size);
    input->bytes = (const uint8_t *)input->read;
    return error;
}

static int open_input(int fd, struct input *input) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return read_pipe(fd, input);
    /* whoever can shorten a mapped file can end us */
    bool is_ours = (status.st_uid == 0 || status.st_uid == geteuid()) && !(status.st_mode & (S_IWGRP | S_IWOTH));
    if (!is_ours)
        return read_pipe(fd, input);
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED)
        return read_pipe(fd, input);
    madvise(mapped, (size_t)status.st_size, MADV_SEQUENTIAL);
    input->mapped = mapped;
    input->bytes = mapped;
    input->size = (size_t)status.st_size;
    return 0;
}

static void close_input(struct input *input) {
    if (input->mapped)
        munmap(input->mapped, input->size);
    free(input->read);
}

static struct profile *read_input(struct arena *arena, const char *name, const struct input *input,
                                  const struct profile_read_options *options, const char **error) {
    for (unsigned i = 0; i < profile_reader_count; i++) {
        const struct profile_reader *reader = &profile_readers[i];
        if (!reader->recognises(input->bytes, input->size))
            continue;
        struct profile *profile = profile_new(arena);
        const char *wrong = "damaged";
        if (reader->read(profile, input->bytes, input->size, options, &wrong))
            return profile;
        *error = arena_printf(arena, "%s (%s): %s", name, reader->name, wrong);
        return NULL;
    }
    *error = arena_printf(arena, input->size ? "%s holds no profile of a known format" : "%s is empty", name);
    return NULL;
}

struct profile *profile_read(struct arena *arena, const char *path, const struct profile_read_options *options,
                             const char **error) {
    bool standard_input = strcmp(path, "-") == 0;
    const char *name = standard_input ? "standard input" : path;
    int fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct input input = {0};
    struct profile *profile = NULL;
    int failed = fd < 0 ? -errno : open_input(fd, &input);
    if (failed < 0)
        *error = arena_printf(arena, "cannot read %s: %s", name, strerror(-failed));
    else
        profile = read_input(arena, name, &input, options, error);
    close_input(&input);
    if (fd >= 0)
        close(fd);
    return profile;
}
