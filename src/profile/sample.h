/* Sampling: a program of the language runs in the kernel, and what it prints becomes a struct profile.
 *
 *   program.c   options -> the text of the program (`tarsier profile --show` prints it)
 *   sample.c    runs it by session_run() with a sink: stacks and values -> frames, nodes, samples, badge
 *
 * On CPU: each CPU is looked at `frequency` times a second; idle CPUs count for nothing. Off CPU: each time a thread
 * blocks, its stack when it left the CPU, with the time until it ran again; also with the stack of the thread that woke
 * it. Wall: both, and the time in which a thread could run but had no CPU.
 *
 * Memory: samples without times are one for each thread and stack, so it grows with the number of different stacks and
 * threads only.
 */
#ifndef TARSIER_PROFILE_SAMPLE_H
#define TARSIER_PROFILE_SAMPLE_H

#include "base/profile.h"
#include "base/str.h"
#include "session/session.h"
#include <stdbool.h>

enum profile_mode { PROFILE_ON_CPU, PROFILE_OFF_CPU, PROFILE_WAKEUP, PROFILE_WALL };

struct profile_sampling {
    enum profile_mode mode;
    uint64_t frequency;   /* samples of each CPU in a second */
    uint64_t duration_ms; /* 0: until it is stopped */
    uint64_t least_us;    /* off CPU: shorter times are left out */
    bool user, kernel;    /* which part of the stacks */
    bool per_thread;      /* a thread is the outermost frame of its stacks */
    bool by_function;     /* places in one function are one frame, at its start: small, for what shows no addresses */
    bool with_times;      /* samples keep their time: for pictures with a time axis */
    /* Each sample with its time, as it comes, whatever the profile keeps of it; or NULL. */
    void (*sample)(void *context, const struct profile_sample *sample);
    /* Live: called about as often, in ms, while sampling; 0: never. */
    uint64_t tick_ms;
    void (*tick)(void *context, struct profile *profile);
    void *context;
};

/* `pid`: -p, `has_command`: -c; neither: every process but our own. */
void profile_write_program(const struct profile_sampling *sampling, pid_t pid, bool has_command, struct strbuf *out);

/* Fills in source and sink of the options and runs. The profile is whole when SESSION_OK came back. */
int profile_take(const struct profile_sampling *sampling, const struct session_options *options,
                 struct profile *profile);

#endif
