#include "object/demangle.h"

#include "base/sanitizer.h"
#include "base/str.h"
#include <errno.h>
#include <libiberty/demangle.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MOST_TRIES = 8,      /* children, before names stay as they are */
    LONGEST_NAME = 4096, /* of a mangled name; longer ones stay as they are */
    LONGEST_RESULT = 16 << 10,
    REQUEST_BYTES = 64 << 10, /* names sent at once */
    CHILD_MEMORY = 64 << 20,
    CHILD_SECONDS = 10,   /* of its CPU time */
    PATIENCE_SECONDS = 3, /* for one answer */
};

struct object_demangler {
    struct arena *arena;
    int socket; /* -1: no child */
    pid_t child;
    unsigned tries;
};

/* A request or an answer: this, then `size` bytes: texts that end in NUL; of an answer one for each name. */
struct message {
    uint32_t size, style;
};

static bool transfer(int fd, void *bytes, size_t size, bool is_read) {
    for (size_t done = 0; done < size;) {
        char *at = (char *)bytes + done;
        ssize_t count = is_read ? read(fd, at, size - done) : write(fd, at, size - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* ---- the child ------------------------------------------------------------------------------------------------- */

/* Seccomp's strict mode allows no call that gets memory, so there must be enough of it before. The sanitizer's
 * allocator needs other calls.
 */
static void forbid_calls(void) {
    if (IS_ADDRESS_SANITIZED)
        return;
    mallopt(M_MMAP_THRESHOLD, CHILD_MEMORY * 2);
    mallopt(M_TRIM_THRESHOLD, CHILD_MEMORY * 2);
    free(malloc(CHILD_MEMORY));
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
}

static void lock_up(int fd) {
    struct rlimit seconds = {CHILD_SECONDS, CHILD_SECONDS}, none = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CPU, &seconds);
    setrlimit(RLIMIT_CORE, &none);
    if (fd > 0)
        syscall(SYS_close_range, 0, fd - 1, 0);
    syscall(SYS_close_range, fd + 1, ~0u, 0);
    forbid_calls();
}

static void answer_name(const char *name, uint32_t style, struct strbuf *out) {
    int options = DMGL_ANSI | (style == OBJECT_DEMANGLE_BARE ? 0 : DMGL_PARAMS | DMGL_RET_DROP);
    char *text = rust_demangle(name, options);

    if (!text)
        text = cplus_demangle_v3(name, options);
    if (text && strlen(text) < LONGEST_RESULT)
        strbuf_addstr(out, text);
    strbuf_addch(out, '\0');
    free(text);
}

_Noreturn static void serve(int fd) {
    static char request[REQUEST_BYTES + LONGEST_NAME];
    struct strbuf out = {0};
    struct message message;

    while (transfer(fd, &message, sizeof message, true) && message.size <= sizeof request &&
           transfer(fd, request, message.size, true)) {
        strbuf_reset(&out);
        for (char *name = request, *end = request + message.size; name < end; name += strlen(name) + 1)
            answer_name(name, message.style, &out);
        message.size = (uint32_t)out.length;
        if (!transfer(fd, &message, sizeof message, false) || !transfer(fd, out.data, out.length, false))
            break;
    }
    syscall(SYS_exit, 0);
    __builtin_unreachable();
}

/* ---- the parent ------------------------------------------------------------------------------------------------- */

static void end_child(struct object_demangler *demangler) {
    if (demangler->socket < 0)
        return;
    close(demangler->socket);
    kill(demangler->child, SIGKILL);
    while (waitpid(demangler->child, NULL, 0) < 0 && errno == EINTR)
        ;
    demangler->socket = -1;
}

static bool start_child(struct object_demangler *demangler) {
    struct timeval patience = {PATIENCE_SECONDS, 0};
    int pair[2];

    if (demangler->socket >= 0)
        return true;
    if (demangler->tries++ >= MOST_TRIES || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    demangler->child = fork();
    if (demangler->child == 0) {
        lock_up(pair[1]);
        serve(pair[1]);
    }
    close(pair[1]);
    if (demangler->child < 0) {
        close(pair[0]);
        return false;
    }
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    demangler->socket = pair[0];
    return true;
}

/* As transfer(), but a child that has died is an error, no signal. */
static bool send_all(int fd, const void *bytes, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* The answers as texts, one after the other; NULL when the child did not live to give them. */
static char *ask(struct object_demangler *demangler, enum object_demangle_style style, const struct strbuf *names,
                 uint32_t count, uint32_t *size) {
    struct message message = {(uint32_t)names->length, style};

    if (!start_child(demangler) || !send_all(demangler->socket, &message, sizeof message) ||
        !send_all(demangler->socket, names->data, names->length) ||
        !transfer(demangler->socket, &message, sizeof message, true) ||
        message.size > (uint64_t)count * LONGEST_RESULT || message.size < count) {
        end_child(demangler);
        return NULL;
    }
    char *answer = malloc(message.size);
    if (!answer)
        arena_out_of_memory(message.size);
    *size = message.size;
    if (transfer(demangler->socket, answer, message.size, true) && answer[message.size - 1] == '\0')
        return answer;
    free(answer);
    end_child(demangler);
    return NULL;
}

/* One request: the mangled ones among the names from `first` on, as many as fit. Gives the next one to begin with. */
static uint32_t ask_some(struct object_demangler *demangler, enum object_demangle_style style, const char *const *names,
                         uint32_t first, uint32_t count, uint32_t most, const char **results) {
    struct strbuf text = {0};
    uint32_t asked = 0, end = first, size;

    for (; end < count && asked < most && text.length < REQUEST_BYTES; end++) {
        results[end] = NULL;
        if (!object_is_mangled(names[end]) || strlen(names[end]) >= LONGEST_NAME)
            continue;
        strbuf_add(&text, names[end], strlen(names[end]) + 1);
        asked++;
    }
    char *answer = asked ? ask(demangler, style, &text, asked, &size) : NULL;
    strbuf_free(&text);
    if (asked && !answer)
        return most == 1 ? end : first; /* one of many names did it: one by one */
    const char *at = answer;
    for (uint32_t i = first; i < end && answer && at < answer + size; i++) {
        if (!object_is_mangled(names[i]) || strlen(names[i]) >= LONGEST_NAME)
            continue;
        results[i] = *at ? arena_strdup(demangler->arena, at) : NULL;
        at += strlen(at) + 1;
    }
    free(answer);
    return end;
}

void object_demangle(struct object_demangler *demangler, enum object_demangle_style style, const char *const *names,
                     uint32_t count, const char **results) {
    for (uint32_t at = 0; at < count;) {
        uint32_t next = ask_some(demangler, style, names, at, count, UINT32_MAX, results);
        if (next == at)
            next = ask_some(demangler, style, names, at, count, 1, results);
        at = next;
    }
}

struct object_demangler *object_demangler_new(struct arena *arena) {
    struct object_demangler *demangler = arena_make(arena, struct object_demangler);

    *demangler = (struct object_demangler){.arena = arena, .socket = -1};
    return demangler;
}

void object_demangler_close(struct object_demangler *demangler) {
    if (demangler)
        end_child(demangler);
}
