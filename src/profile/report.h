/* Questions put to a profile: rows by what one wants to know, a part of it, the callers and callees of a function. All
 * give plain data in the arena; view/ and cli/ print it.
 */
#ifndef TARSIER_PROFILE_REPORT_H
#define TARSIER_PROFILE_REPORT_H

#include "base/profile.h"
#include <stdbool.h>

/* By what rows are told apart. To add one: a row here and a case in report.c's text_of(). */
#define PROFILE_KEYS(KEY)                                                                                              \
    KEY(FUNCTION, "function", "function")                                                                              \
    KEY(MODULE, "module", "file or kernel module that the function is in")                                             \
    KEY(LINE, "line", "source file and line")                                                                          \
    KEY(COMM, "comm", "name of the thread")                                                                            \
    KEY(PROCESS, "process", "name of the process")                                                                     \
    KEY(PID, "pid", "id of the process")                                                                               \
    KEY(TID, "tid", "id of the thread")                                                                                \
    KEY(CPU, "cpu", "CPU")

enum profile_key {
#define KEY(id, name, help) PROFILE_KEY_##id,
    PROFILE_KEYS(KEY)
#undef KEY
        PROFILE_KEY_COUNT
};
extern const struct profile_key_info { const char *name, *help; } profile_keys[PROFILE_KEY_COUNT];

struct profile_row {
    const char *cells[PROFILE_KEY_COUNT]; /* those that were asked for, in that order */
    uint64_t self, total;                 /* weights: the innermost frame is it; it is anywhere in the stack */
    uint64_t self_count, total_count;     /* samples */
};

struct profile_rows {
    VEC(struct profile_row) rows; /* by self, then total, then text */
    uint64_t weight, count;       /* of the whole */
};

/* A stack counts once for each row that it has a frame of, however often it is there. */
struct profile_rows *profile_rows(struct arena *arena, const struct profile *profile, const enum profile_key *keys,
                                  uint32_t key_count);

/* What a sample must have; zeroed: nothing. Names are patterns with '*'. */
struct profile_filter {
    const char *comm, *module, *function; /* NULL: any. module, function: of any frame of the stack */
    uint32_t pid, tid;                    /* 0: any */
};
/* Takes all other samples away; the badge stays that of the whole. */
void profile_filter(struct profile *profile, const struct profile_filter *filter);

/* The stacks that have a function (a pattern), from it on: its callers outwards, or its callees inwards. The outermost
 * place counts where it calls itself. A new profile without times; no samples: no such function. */
enum profile_direction { PROFILE_CALLERS, PROFILE_CALLEES };
struct profile *profile_focus(struct arena *arena, struct profile *profile, const char *function,
                              enum profile_direction direction);

#endif
