#include "cli/profile_file.h"
#include "cli/cli.h"
#include "object/elf.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

const struct profile_format *cli_profile_format(const char *path) {
    const struct profile_format *format = profile_format_of(path);
    struct strbuf endings = {0};
    if (format)
        return format;
    profile_format_endings(&endings);
    fprintf(stderr, "ERROR: the ending of \"%s\" tells no format\nHINT: there are %s\n", path, strbuf_text(&endings));
    strbuf_free(&endings);
    return NULL;
}

/* The ELF files that were asked for, by path. */
struct files {
    struct arena *arena;
    struct hash opened;
    VEC(struct object_elf *) all;
};

static struct object_elf *open_file(struct files *files, const char *path) {
    const char *error;
    uintptr_t number = (uintptr_t)hash_get(&files->opened, path);
    if (!number) {
        vec_push(files->arena, &files->all, object_elf_open(path, &error));
        number = files->all.count;
        hash_put(&files->opened, path, (void *)number);
    }
    return files->all.data[number - 1];
}

static bool find_in_file(void *context, const char *path, uint64_t address, uint64_t *offset) {
    struct object_elf *elf = open_file(context, path);
    struct object_symbol symbol;
    return elf && object_elf_symbol_at(elf, OBJECT_FUNCTIONS, address, &symbol) &&
           object_elf_offset_of(elf, address, offset);
}

static int write_to(int fd, const struct profile_format *format, struct profile *profile,
                    const struct profile_picture *picture) {
    struct files files = {.arena = arena_new()};
    struct profile_picture with_files = picture ? *picture : (struct profile_picture){0};
    hash_init(&files.opened, files.arena);
    with_files.find_in_file = find_in_file;
    with_files.context = &files;
    int error = profile_write(format, profile, &with_files, fd);
    for (uint32_t i = 0; i < files.all.count; i++)
        object_elf_close(files.all.data[i]);
    arena_free(files.arena);
    return error;
}

int cli_save_profile(const struct profile_format *format, struct profile *profile,
                     const struct profile_picture *picture, const char *path) {
    bool standard_output = strcmp(path, "-") == 0;
    int fd = standard_output ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = fd < 0 ? -errno : write_to(fd, format, profile, picture);
    if (fd >= 0 && !standard_output && close(fd) < 0 && !error)
        error = -errno;
    if (!error)
        return SESSION_OK;
    fprintf(stderr, "ERROR: cannot write %s: %s\n", standard_output ? "the picture" : path, strerror(-error));
    return SESSION_OUTPUT_ERROR;
}
