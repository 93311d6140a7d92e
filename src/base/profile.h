/* A profile as plain data: what samplers and readers of other tools' files make, what tables and pictures are made of.
 *
 * Model: every different text is kept once (string), every different place once (frame), every different stack once, as
 * a path in the tree of calls (node; node 0 is the root, a node's parent has a smaller number). A sample is a node and
 * when, where and how much. Samplers that do not need times (pictures without a time axis) give `time`
 * PROFILE_NO_TIME: such samples of one thread and one node are one, with their weights added, so that an hour of them
 * is as small as a minute.
 *
 * Weights are in `unit`: "samples" (each counts 1; `period_ns` apart) or "ns" (blocked time, wall time), or what the
 * file that was read says.
 *
 * Ownership: everything lies in the profile's arena. Numbers of strings, frames, nodes and threads stay valid.
 * Adding a field: give it a meaning for 0 ("not known"), because readers of other formats do not know it.
 */
#ifndef TARSIER_BASE_PROFILE_H
#define TARSIER_BASE_PROFILE_H

#include "base/hash.h"
#include "base/profile_cut.h"
#include "base/vec.h"

/* What a frame is; pictures give each a colour, reports a mark. */
enum profile_frame_kind {
    PROFILE_USER,    /* native code with a name */
    PROFILE_KERNEL,  /* the kernel and its modules */
    PROFILE_JIT,     /* code made at run time */
    PROFILE_SCRIPT,  /* a function of an interpreted language */
    PROFILE_UNNAMED, /* native code without a name: module and start of the function are known, or only the module */
    PROFILE_CUT,  /* not code: the stack was cut here; the name tells why; shown as "[cut: name]". Always outermost */
    PROFILE_MARK, /* not code: a separator ("--", "waker:"), or a thread as a frame */
};

struct profile_cut_text {
    const char *name;   /* "no unwind information" */
    const char *remedy; /* what a user can do, or "" */
};
extern const struct profile_cut_text profile_cut_texts[PROFILE_CUTS];

struct profile_module {
    uint32_t path;         /* string */
    uint8_t build_id[20];  /* all zero: not known */
    uint8_t build_id_size; /* 0 or 8..20 */
};

/* Equal bytes are one frame; the structure has no padding and is zeroed before it is filled. */
struct profile_frame {
    uint64_t address; /* in the module (as in its ELF file), or absolute for the kernel and JIT code; 0 not known */
    uint32_t name;    /* string: function, demangled */
    uint32_t module;  /* number of a module + 1; 0 none */
    uint32_t file;    /* string: source file; 0 not known */
    uint32_t line;    /* 0 not known */
    uint16_t kind;    /* enum profile_frame_kind */
    uint16_t inlined; /* 1: a call that the compiler copied into its caller, which is the parent */
    uint32_t offset;  /* of the address from the start of the function */
};

struct profile_node {
    uint32_t parent; /* node; the root is its own */
    uint32_t frame;  /* the root has frame 0, which is no place */
};

struct profile_thread {
    uint32_t process, thread; /* ids, as their namespace's outermost sees them */
    uint32_t name;            /* string: comm of the thread */
    uint32_t process_name;    /* string; 0: as name */
};

#define PROFILE_NO_TIME UINT64_MAX
struct profile_sample {
    uint64_t time;   /* ns since the profile's start, or PROFILE_NO_TIME */
    uint64_t weight; /* in units */
    uint32_t thread, node;
    uint32_t cpu;   /* UINT32_MAX: not known */
    uint32_t count; /* samples that are one here: with PROFILE_NO_TIME more than 1 */
};

/* How good it is: the badge on every picture and report. */
struct profile_badge {
    uint64_t taken;             /* samples */
    uint64_t lost;              /* samples that are not here */
    uint64_t cut[PROFILE_CUTS]; /* user stacks by their end; [PROFILE_COMPLETE]: whole ones */
    uint64_t without_user;      /* samples of kernel threads, or of kernel stacks alone: no user stack to be whole */
};

/* Finds the number of what is there already: 4 bytes a place (the number plus one, 0 free), because a long run has
 * hundreds of thousands of nodes. */
struct profile_index {
    uint32_t *places;
    uint32_t capacity, count;
};

struct profile {
    struct arena *arena;
    VEC(const char *) strings; /* [0] is "" */
    VEC(struct profile_module) modules;
    VEC(struct profile_frame) frames; /* [0] is no place */
    VEC(struct profile_node) nodes;   /* [0] is the root */
    VEC(struct profile_thread) threads;
    VEC(struct profile_sample) samples;
    struct profile_badge badge;
    /* about the whole */
    const char *event; /* "cpu-clock", "off-cpu", ... */
    const char *unit;  /* "samples", "ns", ... */
    const char *command, *host;
    const char *note;     /* what a reader of the results should know, as a sentence; NULL nothing */
    uint64_t period_ns;   /* between two samples of a CPU; 0 not periodic */
    uint64_t start_ns;    /* of the first sample, since 1970; 0 not known */
    uint64_t duration_ns; /* 0 not known */
    uint32_t cpus;        /* that were looked at; 0 not known */
    const char *damage;   /* what is missing of the file it was read from, as a sentence; NULL: nothing */
    /* private */
    struct profile_index string_numbers, frame_numbers, node_numbers, thread_numbers, module_numbers, sample_numbers;
};

struct profile *profile_new(struct arena *arena);
/* The number of a text, which is copied; length bytes without NUL. */
uint32_t profile_string(struct profile *profile, const char *text, size_t length);
uint32_t profile_text(struct profile *profile, const char *text); /* the same, NUL-terminated; NULL is "" */
/* module + 1, as frames keep it. build_id may be NULL. */
uint32_t profile_module(struct profile *profile, const char *path, const uint8_t *build_id, uint8_t build_id_size);
uint32_t profile_frame(struct profile *profile, const struct profile_frame *frame);
/* The child of parent that is this frame. Stacks are added from the outermost frame inwards. */
uint32_t profile_node(struct profile *profile, uint32_t parent, uint32_t frame);
uint32_t profile_thread(struct profile *profile, const struct profile_thread *thread);
/* Counts nothing in the badge: who made the sample knows how it ended. */
void profile_sample(struct profile *profile, const struct profile_sample *sample);

/* The weight of each node: self alone, and total with everything below. Arrays of nodes.count, in the arena. */
struct profile_weights {
    uint64_t *self, *total;
};
struct profile_weights profile_weights(struct profile *profile, struct arena *arena);

#endif
