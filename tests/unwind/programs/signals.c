/* Signal handlers: on the thread's stack, on one of their own, one in another, left by siglongjmp; in the middle of
 * library code and of a function's first instruction. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile int count;
static sigjmp_buf back;
static char other_stack[65536];

__attribute__((noinline)) static int work(int n) {
    for (int i = 0; i < n; i++)
        count += i;
    return count;
}

static void inner(int number) {
    (void)number;
    work(3);
}

static void outer(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)info;
    (void)context;
    raise(SIGUSR2); /* a handler in a handler */
    work(5);
}

static void leave(int number) {
    (void)number;
    siglongjmp(back, 1);
}

static void fault(int number, siginfo_t *info, void *context) {
    ucontext_t *interrupted = context;
    (void)number;
    (void)info;
    interrupted->uc_mcontext.gregs[16] += 2; /* over ud2 */
    work(2);
}

__attribute__((noinline)) static void trip(void) {
    __asm__ volatile("ud2");
    work(1);
}

static void handle(int number, void *handler, int flags) {
    struct sigaction action = {.sa_flags = flags};

    if (flags & SA_SIGINFO)
        action.sa_sigaction = handler;
    else
        action.sa_handler = handler;
    sigaction(number, &action, NULL);
}

int main(void) {
    stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    struct itimerval timer = {{0, 0}, {0, 300}};

    sigaltstack(&stack, NULL);
    handle(SIGUSR1, outer, SA_SIGINFO);
    handle(SIGUSR2, inner, 0);
    handle(SIGALRM, inner, SA_RESTART);
    handle(SIGVTALRM, leave, 0);
    handle(SIGILL, fault, SA_SIGINFO | SA_ONSTACK);
    __asm__ volatile("int3");
    raise(SIGUSR1);
    handle(SIGUSR1, outer, SA_SIGINFO | SA_ONSTACK);
    raise(SIGUSR1);
    trip();
    if (sigsetjmp(back, 1) == 0)
        raise(SIGVTALRM);
    for (int i = 0; i < 30; i++) {
        char text[100];
        setitimer(ITIMER_REAL, &timer, NULL); /* anywhere */
        snprintf(text, sizeof text, "%d %s", work(20), "text");
    }
    printf("%d\n", count);
    return 0;
}
