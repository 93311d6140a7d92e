#include "object/zip.h"

#include "object/input.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    END_SIZE = 22,
    END_SIGNATURE = 0x06054b50,
    COMMENT_MOST = 0xffff,
    CENTRAL_SIZE = 46,
    CENTRAL_SIGNATURE = 0x02014b50,
    CENTRAL_MOST = 64 << 20, /* bytes of a directory that are read */
    LOCAL_SIZE = 30,
    LOCAL_SIGNATURE = 0x04034b50,
    STORED = 0,
};

struct archive {
    int fd; /* -1: bytes */
    const uint8_t *bytes;
    uint64_t size;
};

/* Bytes of the archive in the heap; NULL when they are not all there. */
static uint8_t *read_at(const struct archive *archive, uint64_t offset, uint64_t size) {
    if (!object_fits(archive->size, offset, size))
        return NULL;
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return NULL;
    if (archive->fd < 0) {
        memcpy(copy, archive->bytes + offset, size);
        return copy;
    }
    for (uint64_t have = 0; have < size;) {
        ssize_t got = pread(archive->fd, copy + have, size - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(copy);
            return NULL;
        }
        have += (uint64_t)got;
    }
    return copy;
}

struct directory {
    uint64_t offset, size;
};

/* The end record is the last that has its signature and whose comment reaches the end. */
static const char *find_directory(const struct archive *archive, struct directory *out) {
    uint64_t tail = archive->size < END_SIZE + COMMENT_MOST ? archive->size : END_SIZE + COMMENT_MOST;
    uint8_t *bytes = tail >= END_SIZE ? read_at(archive, archive->size - tail, tail) : NULL;
    const char *error = "not a zip file";

    if (!bytes)
        return error;
    for (uint64_t at = tail - END_SIZE + 1; at-- > 0;) {
        const uint8_t *end = bytes + at;
        if (object_u32(end) != END_SIGNATURE || object_u16(end + 20) != tail - at - END_SIZE)
            continue;
        *out = (struct directory){object_u32(end + 16), object_u32(end + 12)};
        error = out->offset == UINT32_MAX || out->size == UINT32_MAX ? "a zip file with ZIP64 records"
                : out->size > CENTRAL_MOST                           ? "a zip file with too many entries"
                                                                     : NULL;
        break;
    }
    free(bytes);
    return error;
}

/* The bytes begin behind the local header, whose extra field has a length of its own. */
static const char *find_bytes(const struct archive *archive, uint64_t header, struct object_zip_entry *entry) {
    uint8_t *local = read_at(archive, header, LOCAL_SIZE);

    if (!local || object_u32(local) != LOCAL_SIGNATURE) {
        free(local);
        return "a broken zip file";
    }
    entry->offset = header + LOCAL_SIZE + object_u16(local + 26) + object_u16(local + 28);
    free(local);
    return object_fits(archive->size, entry->offset, entry->size) ? NULL : "a broken zip file";
}

static const char *search(const struct archive *archive, const uint8_t *bytes, uint64_t size, const char *name,
                          struct object_zip_entry *entry) {
    size_t length = strlen(name);

    for (uint64_t at = 0; object_fits(size, at, CENTRAL_SIZE);) {
        const uint8_t *record = bytes + at;
        uint16_t name_length = object_u16(record + 28);
        if (object_u32(record) != CENTRAL_SIGNATURE || !object_fits(size, at + CENTRAL_SIZE, name_length))
            return "a broken zip file";
        if (name_length == length && memcmp(record + CENTRAL_SIZE, name, length) == 0) {
            if (object_u16(record + 10) != STORED)
                return "the entry is compressed, so no process can map it";
            entry->size = object_u32(record + 24);
            return find_bytes(archive, object_u32(record + 42), entry);
        }
        at += CENTRAL_SIZE + (uint64_t)name_length + object_u16(record + 30) + object_u16(record + 32);
    }
    return "the zip file has no such entry";
}

static const char *find(const struct archive *archive, const char *name, struct object_zip_entry *entry) {
    struct directory directory = {0};
    const char *error = find_directory(archive, &directory);

    if (error)
        return error;
    uint8_t *bytes = read_at(archive, directory.offset, directory.size);
    error = bytes ? search(archive, bytes, directory.size, name, entry) : "a broken zip file";
    free(bytes);
    return error;
}

const char *object_zip_find(const char *path, const char *name, struct object_zip_entry *entry) {
    struct archive archive = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat info;
    const char *error = "cannot be opened";

    if (archive.fd < 0)
        return error;
    if (fstat(archive.fd, &info) == 0 && S_ISREG(info.st_mode)) {
        archive.size = (uint64_t)info.st_size;
        error = find(&archive, name, entry);
    }
    close(archive.fd);
    return error;
}

const char *object_zip_find_in(const void *bytes, size_t size, const char *name, struct object_zip_entry *entry) {
    const struct archive archive = {.fd = -1, .bytes = bytes, .size = size};

    return find(&archive, name, entry);
}
