/* Frames of all shapes: alloca, arrays of variable size, realigned for vectors, large, tail calls, longjmp, vfork. */
#include <alloca.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define APART __attribute__((noinline, noclone))

static volatile int sink;

APART static int leaf(int n) {
    sink += n;
    return n * 3;
}

APART static int with_alloca(int n) {
    char *bytes = alloca((size_t)n * 16);
    memset(bytes, n, (size_t)n * 16);
    return leaf(bytes[n]) + bytes[2];
}

APART static int with_array(int n) {
    int numbers[n];
    for (int i = 0; i < n; i++)
        numbers[i] = leaf(i);
    return numbers[n / 2];
}

typedef float vector __attribute__((vector_size(32)));

APART static void fill(vector *vectors, int n) {
    for (int i = 0; i < n; i++)
        vectors[i] = (vector){1, 2, 3, 4, (float)i};
    leaf(n);
}

APART static int realigned(int n) {
    _Alignas(64) vector vectors[4];
    fill(vectors, 4);
    return (int)vectors[n & 3][4] + leaf(n);
}

APART static int realigned_with_alloca(int n) {
    _Alignas(128) vector vectors[4];
    char *bytes = alloca((size_t)n * 8);
    fill(vectors, 4);
    memset(bytes, 1, (size_t)n * 8);
    return (int)vectors[n & 3][4] + leaf(bytes[3]);
}

APART static int large(int n) {
    char bytes[300000];
    memset(bytes + n, n, 64);
    return leaf(bytes[n + 5]);
}

APART static int tail(int n) { return leaf(n + 1); }

APART static int recursive(int n) { return n == 0 ? tail(n) : recursive(n - 1) + leaf(n); }

static jmp_buf back;

APART static void deep(int n) {
    if (n == 0)
        longjmp(back, 1);
    deep(n - 1);
    leaf(n);
}

APART static int many_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i) {
    return leaf(a + b + c + d + e + f + g + h + i);
}

APART static int spawn(void) {
    int status = 0;
    pid_t pid = vfork();

    if (pid == 0)
        _exit(3);
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

int main(void) {
    struct timespec now;
    struct timeval time;
    int sum = 0;

    __asm__ volatile("int3");
    sum += with_alloca(20) + with_array(20) + realigned(3) + realigned_with_alloca(5) + large(9) + recursive(12);
    sum += many_arguments(1, 2, 3, 4, 5, 6, 7, 8, 9);
    if (setjmp(back) == 0)
        deep(10);
    sum += spawn();
    for (int i = 0; i < 20; i++) { /* in the vdso */
        clock_gettime(CLOCK_MONOTONIC, &now);
        gettimeofday(&time, NULL);
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    }
    printf("%d\n", sum);
    return 0;
}
