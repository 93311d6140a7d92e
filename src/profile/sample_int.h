/* What the program of program.c prints and sample.c reads: tuples whose fields are in this order. Parts that were not
 * asked for are 0 there. */
#ifndef TARSIER_PROFILE_SAMPLE_INT_H
#define TARSIER_PROFILE_SAMPLE_INT_H

enum {
    SAMPLE_KIND,
    SAMPLE_PID,
    SAMPLE_TID,
    SAMPLE_CPU,
    SAMPLE_COMM,
    SAMPLE_PROCESS_NAME,
    SAMPLE_KERNEL_STACK,
    SAMPLE_USER_STACK,
    SAMPLE_ON_CPU_FIELDS,
    SAMPLE_NS = SAMPLE_ON_CPU_FIELDS, /* off CPU from here on */
    SAMPLE_WAKER_PID,
    SAMPLE_WAKER_COMM,
    SAMPLE_WAKER_KERNEL_STACK,
    SAMPLE_WAKER_USER_STACK,
    SAMPLE_FIELDS
};

enum { SAMPLE_IS_ON_CPU, SAMPLE_IS_BLOCKED, SAMPLE_IS_WAITING /* could run, had no CPU */ };

/* Entries of @off that are left at the end: threads that are still blocked. (since, kind, pid, comm, process's name,
 * kernel stack, user stack) by tid. */
enum { LEFT_SINCE, LEFT_KIND, LEFT_PID, LEFT_COMM, LEFT_PROCESS_NAME, LEFT_KERNEL_STACK, LEFT_USER_STACK, LEFT_FIELDS };

#endif
