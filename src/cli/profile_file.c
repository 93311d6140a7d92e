#include "cli/profile_file.h"
#include "cli/cli.h"
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

int cli_save_profile(const struct profile_format *format, struct profile *profile,
                     const struct profile_picture *picture, const char *path) {
    bool standard_output = strcmp(path, "-") == 0;
    int fd = standard_output ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = fd < 0 ? -errno : profile_write(format, profile, picture, fd);
    if (fd >= 0 && !standard_output && close(fd) < 0 && !error)
        error = -errno;
    if (!error)
        return SESSION_OK;
    fprintf(stderr, "ERROR: cannot write %s: %s\n", standard_output ? "the picture" : path, strerror(-error));
    return SESSION_OUTPUT_ERROR;
}
