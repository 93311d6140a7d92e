#include "object/library.h"

#include "base/str.h"
#include "object/input.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CACHE_LIMIT = 64 << 20, MOST_LINKS = 40, MOST_ENTRIES_READ = 100000 };

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Where libraries are when there is no cache: musl, and images without ldconfig. */
static const char *const library_folders[] = {
    "/lib64",
    "/usr/lib64",
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
#endif
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
};

/* Paths below a root. */

/* Drops the last component: "/a/b" to "/a", "/a" and "" to "". */
static void drop_last(struct strbuf *path) {
    const char *slash = path->length ? strrchr(path->data, '/') : NULL;

    path->length = slash ? (size_t)(slash - path->data) : 0;
    if (path->data)
        path->data[path->length] = '\0';
}

/* Reads the link at root + path; false when it is none. */
static bool read_link(const char *root, const struct strbuf *path, char target[PATH_MAX]) {
    struct strbuf full = {0};

    strbuf_addf(&full, "%s%s", root, strbuf_text(path));
    ssize_t length = readlink(full.data, target, PATH_MAX - 1);
    strbuf_free(&full);
    if (length < 0)
        return false;
    target[length] = '\0';
    return true;
}

/* Walks `rest` from the root and leaves in `done` the path without links. False when links run in circles. */
static bool walk(const char *root, struct strbuf *rest, struct strbuf *done) {
    char target[PATH_MAX];
    int links = 0;

    for (size_t at = 0; at < rest->length;) {
        size_t length = strcspn(rest->data + at, "/");
        const char *part = rest->data + at;
        if (length == 2 && part[0] == '.' && part[1] == '.') {
            drop_last(done);
        } else if (length && !(length == 1 && part[0] == '.')) {
            strbuf_addch(done, '/');
            strbuf_add(done, part, length);
        }
        at += length + 1;
        if (length == 0 || done->length == 0 || !read_link(root, done, target))
            continue;
        if (++links > MOST_LINKS || done->length > PATH_MAX)
            return false;
        drop_last(done);
        if (target[0] == '/')
            strbuf_reset(done);
        struct strbuf next = {0};
        strbuf_addf(&next, "%s/%s", target, at < rest->length ? rest->data + at : "");
        strbuf_free(rest);
        *rest = next;
        at = 0;
    }
    return true;
}

/* "/proc/PID/root" in front of a path: the link reads "/", and yet it leads to the root of another process. */
static size_t process_root_length(const char *path) {
    static const char proc[] = "/proc/", root[] = "/root/";
    size_t length = sizeof proc - 1;

    if (strncmp(path, proc, length) != 0)
        return 0;
    length += strspn(path + length, "0123456789");
    return path[length - 1] != '/' && strncmp(path + length, root, sizeof root - 1) == 0 ? length + sizeof root - 2 : 0;
}

const char *object_path_in_root(struct arena *arena, const char *root, const char *path) {
    struct strbuf rest = {0}, done = {0};
    struct stat info;
    const char *result = NULL;

    root = root ? root : "";
    size_t other_root = *root ? 0 : process_root_length(path);
    if (other_root) {
        root = arena_strndup(arena, path, other_root);
        path += other_root;
    }
    if (*path != '/' && *root == '\0') {
        char here[PATH_MAX];
        strbuf_addf(&rest, "%s/", getcwd(here, sizeof here) ? here : "");
    }
    strbuf_addstr(&rest, path);
    if (rest.length < PATH_MAX && walk(root, &rest, &done)) {
        result = arena_printf(arena, "%s%s", root, strbuf_text(&done));
        result = stat(result, &info) == 0 ? result : NULL;
    }
    strbuf_free(&rest);
    strbuf_free(&done);
    return result;
}

static bool is_regular(const char *path) {
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* The cache. */

static const char old_magic[] = "ld.so-1.7.0", new_magic[] = "glibc-ld.so.cache1.1";
enum {
    OLD_HEADER = 16,
    OLD_ENTRY = 12,
    NEW_HEADER = 48,
    NEW_ENTRY = 24,
    FLAGS_MASK = 0xffff,
    FLAGS_LIBC6 = 3,
    FLAGS_X86_64 = 0x0300,
    FLAGS_AARCH64 = 0x0a00
};

/* glibc's hwcaps pick variants by CPU; the plain build has none and exists on every machine. */
struct cache_match {
    const char *path;
    int rank; /* better ones are higher */
};

/* Skips the table of the old format, which ldconfig can put in front. Offsets count from what is left. */
static struct object_text new_cache(const void *bytes, size_t size) {
    struct object_text cache = object_text(bytes, size);

    if (size >= OLD_HEADER && object_text_starts(cache, old_magic)) {
        uint64_t length = OLD_HEADER + (uint64_t)object_u32(cache.at + 12) * OLD_ENTRY;
        length = (length + 7) & ~7ull;
        cache.at = length <= size ? cache.at + length : cache.end;
    }
    return cache;
}

/* Text at an offset, or NULL when it does not end inside. */
static const char *cache_text(struct object_text cache, uint32_t offset) {
    size_t size = object_text_length(cache);

    return offset < size && memchr(cache.at + offset, '\0', size - offset) ? cache.at + offset : NULL;
}

static bool is_our_machine(uint32_t flags) {
#if defined(__aarch64__)
    return (flags & FLAGS_MASK) == (FLAGS_AARCH64 | FLAGS_LIBC6);
#else
    return (flags & FLAGS_MASK) == (FLAGS_X86_64 | FLAGS_LIBC6);
#endif
}

/* How well a file name answers a question: 3 the name itself, 2 with ".so...", 1 also with "lib" in front, 0 not. */
static int name_rank(const char *file, const char *name) {
    size_t length = strlen(name);

    if (strcmp(file, name) == 0)
        return 3;
    for (int rank = 2; rank > 0; rank--) {
        if (strncmp(file, name, length) == 0 && strncmp(file + length, ".so", 3) == 0 &&
            (file[length + 3] == '\0' || file[length + 3] == '.'))
            return rank;
        if (strncmp(file, "lib", 3) != 0)
            break;
        file += 3;
    }
    return 0;
}

const char *object_library_in_cache(struct arena *arena, const void *bytes, size_t size, const char *name) {
    struct object_text cache = new_cache(bytes, size);
    uint64_t total = object_text_length(cache);
    struct cache_match best = {0};

    if (total < NEW_HEADER || !object_text_starts(cache, new_magic))
        return NULL;
    uint32_t count = object_u32(cache.at + 20);
    for (uint32_t i = 0; i < count && object_fits(total, NEW_HEADER + (uint64_t)i * NEW_ENTRY, NEW_ENTRY); i++) {
        const char *entry = cache.at + NEW_HEADER + (size_t)i * NEW_ENTRY;
        const char *key = is_our_machine(object_u32(entry)) ? cache_text(cache, object_u32(entry + 4)) : NULL;
        int rank = key ? name_rank(key, name) * 2 : 0;
        if (rank == 0)
            continue;
        rank += object_u64(entry + 16) == 0; /* no hwcap */
        const char *path = rank > best.rank ? cache_text(cache, object_u32(entry + 8)) : NULL;
        if (path && *path == '/')
            best = (struct cache_match){path, rank};
    }
    return best.path ? arena_strdup(arena, best.path) : NULL;
}

/* Libraries and programs. */

static const char *find_in_folder(struct arena *arena, const char *root, const char *folder, const char *name) {
    const char *path = object_path_in_root(arena, root, folder), *best = NULL;
    DIR *directory = path ? opendir(path) : NULL;
    int best_rank = 0, seen = 0;

    if (!directory)
        return NULL;
    for (struct dirent *entry; seen < MOST_ENTRIES_READ && (entry = readdir(directory)); seen++) {
        int rank = name_rank(entry->d_name, name);
        if (rank > best_rank) {
            best = arena_printf(arena, "%s/%s", folder, entry->d_name);
            best_rank = rank;
        }
    }
    closedir(directory);
    return best ? object_path_in_root(arena, root, best) : NULL;
}

const char *object_library_find(struct arena *arena, const char *root, const char *name) {
    const char *cache = object_path_in_root(arena, root, "/etc/ld.so.cache"), *path = NULL;
    char *bytes;
    size_t size;

    if (cache && object_read_file(cache, CACHE_LIMIT, &bytes, &size) == 0) {
        const char *listed = object_library_in_cache(arena, bytes, size, name);
        path = listed ? object_path_in_root(arena, root, listed) : NULL;
        free(bytes);
    }
    for (size_t i = 0; !path && i < sizeof library_folders / sizeof *library_folders; i++)
        path = find_in_folder(arena, root, library_folders[i], name);
    return path && is_regular(path) ? path : NULL;
}

const char *object_program_find(struct arena *arena, const char *root, const char *name, const char *search_path) {
    struct object_text rest = object_text(search_path, strlen(search_path));

    while (rest.at < rest.end) {
        struct object_text folder = object_text_until(&rest, ':');
        if (folder.at == folder.end)
            continue;
        const char *tried = arena_printf(arena, "%.*s/%s", (int)object_text_length(folder), folder.at, name);
        const char *path = object_path_in_root(arena, root, tried);
        if (path && is_regular(path) && access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

static const char *search_path_for(const char *root) {
    const char *ours = root && *root ? NULL : getenv("PATH");

    return ours ? ours : default_path;
}

const char *object_library_resolve(struct arena *arena, const char *root, const char *target, const char **error) {
    const char *path;

    if (strchr(target, '/')) {
        path = object_path_in_root(arena, root, target);
        if (path && is_regular(path))
            return path;
        *error = arena_printf(arena, "'%s' %s", target, path ? "is not a regular file" : "does not exist");
        return NULL;
    }
    if (*target == '\0') {
        *error = "the name of the file is empty";
        return NULL;
    }
    bool is_library = str_starts(target, "lib") || strstr(target, ".so");
    for (int attempt = 0; attempt < 2; attempt++, is_library = !is_library) {
        path = is_library ? object_library_find(arena, root, target)
                          : object_program_find(arena, root, target, search_path_for(root));
        if (path)
            return path;
    }
    *error = arena_printf(arena, "'%s' is neither a program in PATH nor a library", target);
    return NULL;
}
