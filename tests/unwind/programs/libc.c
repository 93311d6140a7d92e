/* Strings, numbers, sorting and output of the C library: its assembler, its callbacks, calls through the PLT. */
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int compare(const void *left, const void *right) { return *(const int *)left - *(const int *)right; }

static void visit(const void *node, VISIT which, int depth) {
    if (which == leaf && depth > 100)
        puts(node);
}

int main(void) {
    int numbers[40];
    char text[300], other[300];
    volatile double x = 0.7;

    __asm__ volatile("int3");
    for (int i = 0; i < 40; i++)
        numbers[i] = i * 7919 % 97;
    qsort(numbers, 40, sizeof *numbers, compare);
    int *found = bsearch(&numbers[7], numbers, 40, sizeof *numbers, compare);
    for (size_t size = 1; size < sizeof text; size = size * 3 / 2 + 1) {
        memset(text, 'a' + (int)(size % 20), size);
        text[size - 1] = 0;
        memcpy(other, text, size);
        memmove(other + 1, other, size / 2);
        if (strlen(text) + strcmp(text, other) + (strchr(other, 'q') != NULL) + strspn(text, "abc") == 1234567)
            puts("no");
        if (memchr(other, 0, size) && strstr(text, "zz"))
            puts("no");
    }
    void *root = NULL;
    for (int i = 0; i < 10; i++)
        tsearch(&numbers[i], &root, compare);
    twalk(root, visit);
    snprintf(text, sizeof text, "%d %s %.10g %x %p %-10s|", *found, "text", x * 3, 77u, (void *)text, "left");
    double sum = strtod("3.25e7", NULL) + (double)strtol("-123456789", NULL, 10) + sin(x) + exp(x) + pow(x, 1.5) +
                 fmod(x, 0.3) + (double)cbrtl(x);
    time_t now = 1700000000;
    struct tm parts;
    strftime(other, sizeof other, "%Y-%m-%d %H:%M:%S", gmtime_r(&now, &parts));
    char *block = malloc(100000), *small = malloc(10);
    block = realloc(block, 300000);
    free(small);
    free(block);
    setlocale(LC_ALL, "C");
    printf("%s %s %g %d\n", text, other, sum, toupper('x'));
    return 0;
}
