/* What the files that attach share: one call of probe_attach() under way. */
#ifndef TARSIER_PROBE_ATTACH_INT_H
#define TARSIER_PROBE_ATTACH_INT_H

#include "probe/context_int.h"

struct attachment {
    struct probe_context *context;
    struct probe_link *link;
    int program_fd;
    bool with_cookies;
};

struct item {
    const struct probe_target *target;
    uint64_t cookie;
};

/* attach.c: descriptors go to the link, by what closing them costs (see struct probe_link). */
void probe_keep_fast(struct attachment *at, int fd);
void probe_keep_slow(struct attachment *at, int fd);
void probe_keep_late(struct attachment *at, int fd);
/* `number`: positive errno; `operation`: "attaching" */
void probe_note_failure(struct attachment *at, const struct probe_target *target, int number, const char *operation);
/* Hangs the program into an open event; both descriptors go to the link, or the event is closed. */
int probe_hang_in(struct attachment *at, int event_fd, uint64_t cookie, bool is_slow);
/* Errors (positive errno) that splitting a set of targets can not cure. */
bool probe_is_general(int number);

/* attach_function.c: kernel functions, one, or many through kprobe.multi */
void probe_attach_function(struct attachment *at, const struct item *item);
void probe_attach_kprobes(struct attachment *at, struct item *items, uint32_t count);

#endif
