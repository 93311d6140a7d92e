/* How a stack ends. A file of its own, without libc, because the unwinder that runs in the kernel says it as well. */
#ifndef TARSIER_BASE_PROFILE_CUT_H
#define TARSIER_BASE_PROFILE_CUT_H

/* Why a stack does not reach its outermost frame. Text and cure: profile_cut_texts. */
enum profile_cut {
    PROFILE_COMPLETE,
    PROFILE_CUT_NO_TABLE, /* code without unwind information */
    PROFILE_CUT_NOT_READ, /* the file's table was not ready yet, or could not be read */
    PROFILE_CUT_MEMORY,   /* stack memory was not present */
    PROFILE_CUT_RULE,     /* a rule that can not be followed */
    PROFILE_CUT_NO_MAP,   /* an address outside of all mapped code */
    PROFILE_CUT_POINTER,  /* frame pointers that lead nowhere (JIT code) */
    PROFILE_CUT_DEPTH,    /* deeper than what is kept */
    PROFILE_CUT_FOREIGN,  /* a 32-bit program, or a program image that was just being replaced */
    PROFILE_CUT_UNKNOWN,  /* a file of another tool does not say */
    PROFILE_CUTS,
};

#endif
