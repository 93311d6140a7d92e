/* The unwinder of user space: from registers and memory to the list of callers.
 *
 * It steps by the same tables and the same step.h as the one in the kernel. Where a rule says that it can not say it
 * (EXPRESSION), or wants a register that is not known any more, the walk begins again and runs the bytecode of each
 * frame: all registers are known then that functions preserve.
 *
 * Used where the kernel handed over (registers and a copy of the stack), for recordings of other tools that copy the
 * stack, and by the tests that compare with the truth.
 *
 * What it does not do is guess. Code without unwind information is followed by frame pointers only where nothing else
 * can be there: code made at run time, and long stretches that the table marks (UNWIND_POINTER). A return address that
 * leads to no code is not shown; the walk ends before it.
 */
#ifndef TARSIER_UNWIND_WALK_H
#define TARSIER_UNWIND_WALK_H

#include "base/profile_cut.h"
#include "unwind/table.h"

#define unwind_read(memory, into, size, address) unwind_memory_read((memory), (into), (size), (address))
int unwind_memory_read(const void *memory, void *into, uint32_t size, uint64_t address); /* for step.h */
#include "unwind/step.h"

/* What lies behind an address of the thread. */
struct unwind_place {
    const struct unwind_table *table;     /* NULL: code that no file stands behind */
    const struct unwind_rule *rules;      /* that the table's rows refer to */
    uint64_t bias;                        /* address of the thread - address in the file */
    const struct object_eh_frame *frames; /* the file's bytecode; NULL: not at hand */
    void *file;                           /* the caller's, for `bytecode` */
};

struct unwind_world {
    void *context;
    /* Copies the thread's memory; false when not all of it is there. */
    bool (*read)(void *context, uint64_t address, void *into, uint32_t size);
    /* PROFILE_COMPLETE and the place; else why there is none: PROFILE_CUT_NO_MAP (not code), PROFILE_CUT_NOT_READ. */
    enum profile_cut (*find)(void *context, uint64_t address, struct unwind_place *place);
    /* The bytecode of a place that came without; few walks ask for it. NULL: there is none. May be missing. */
    const struct object_eh_frame *(*bytecode)(void *context, const struct unwind_place *place);
};

struct unwind_frame {
    uint64_t pc;
    uint64_t sp;
    bool is_exact;   /* pc is an instruction, not a return address */
    bool by_pointer; /* its caller was found by a frame pointer */
};

/* Walks from `registers`, which stay as they are. Gives the number of frames, innermost first, at most `most`, and how
 * the walk ended. The first frame is always there. */
uint32_t unwind_walk(const struct unwind_world *world, const struct unwind_registers *registers,
                     struct unwind_frame *frames, uint32_t most, enum profile_cut *cut);

/* Where a return address comes from: whether a call stands before it. For tests and doubts. */
bool unwind_follows_call(const struct unwind_world *world, uint64_t address);

#endif
