/* Arguments of every class, with values that the tests know. shapes [TIMES]: calls each function so often, after "go".
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum color { RED, GREEN = 5, BLUE };

struct point {
    int x, y;
};

struct pair {
    long first;
    int second;
};

struct large {
    long words[4];
    char name[8];
};

struct bits {
    unsigned low : 3;
    int middle : 7;
    unsigned : 2;
    unsigned high : 20;
};

struct node {
    int id;
    struct node *next;
    struct point points[3];
    union {
        int as_int;
        char as_bytes[4];
    };
    struct bits bits;
    const char *label;
};

typedef struct {
    uint16_t width, height;
} extent;

struct task_struct { /* a name that the kernel has as well */
    int ours;
};

#define FUNCTION __attribute__((noinline, noclone))

FUNCTION int integers(int8_t a, uint16_t b, int c, long d, bool e, enum color f, char g, unsigned h, int64_t i) {
    return a + b + c + (int)d + e + (int)f + g + (int)h + (int)i;
}

FUNCTION int in_registers(struct point p, struct pair q) { return p.x + p.y + (int)q.first + q.second; }

FUNCTION long on_stack(int before, struct large l, int after) { return before + l.words[3] + after; }

FUNCTION double floating(int n, double d) { return n + d; }

FUNCTION int walk(const struct node *n, extent *e) { return n->id + n->next->points[2].y + e->width; }

FUNCTION struct pair *pointer_result(struct pair *p) { return p; }

FUNCTION struct point small_result(int x, int y) { return (struct point){x, y}; }

FUNCTION struct pair two_registers(long a, int b) { return (struct pair){a, b}; }

FUNCTION struct large large_result(long w) { return (struct large){{w, w + 1, w + 2, w + 3}, "large"}; }

FUNCTION int negative(void) { return -3; }

FUNCTION int shadows(struct task_struct *t) { return t->ours; }

static inline __attribute__((always_inline)) int squared(int value) {
    volatile int result = value * value;
    return result;
}

FUNCTION int uses_squared(int a) {
    int sum = squared(a);
    volatile int next = a + 1; /* so that the argument is a value of its own */

    return sum + squared(next);
}

static volatile long sink;

int main(int argc, char **argv) {
    long times = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    struct node second = {.id = 22, .points = {{1, 2}, {3, 4}, {5, 6}}, .label = "second"};
    struct node first = {.id = 11,
                         .next = &second,
                         .points = {{7, 8}, {9, 10}, {11, 12}},
                         .as_int = 0x44434241,
                         .bits = {5, -6, 70000},
                         .label = "first"};
    struct pair pair = {77, 78};
    struct task_struct task = {4711};
    extent size = {640, 480};

    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    if (getchar() == EOF)
        return 1;
    for (long i = 0; i < times; i++) {
        sink += integers(-8, 16, -32, -64, true, GREEN, 'x', 4000000000u, -9);
        sink += in_registers((struct point){-1, 2}, (struct pair){30, -40});
        sink += on_stack(1, (struct large){{10, 20, 30, 40}, "stacked"}, 2);
        sink += (long)floating(3, 0.5);
        sink += walk(&first, &size);
        sink += pointer_result(&pair)->second;
        sink += small_result(-5, 6).y;
        sink += two_registers(-7, 8).second;
        sink += large_result(100).words[2];
        sink += negative();
        sink += shadows(&task);
        sink += uses_squared((int)i); /* LINE uses_squared */
    }
    puts("done");
    return 0;
}
