/* make-profile KIND FILE: a profile for the tests of the formats; the ending of FILE chooses.
 *
 *   rich       two processes with threads, modules with build ids, source lines, inlined calls, kernel, cut stacks,
 * times deep       200 calls of one function by itself largeN     a random tree of N nodes with times and threads */
#include "base/str.h"
#include "view/profile_format.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint8_t build_id[20] = {0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

static uint32_t frame(struct profile *p, const char *name, uint32_t module, uint64_t address, uint32_t line, int kind,
                      bool inlined) {
    struct profile_frame f;
    memset(&f, 0, sizeof f);
    f.name = profile_text(p, name);
    f.module = module;
    f.address = address;
    f.file = line ? profile_text(p, "/src/app.c") : 0;
    f.line = line;
    f.kind = (uint16_t)kind;
    f.inlined = inlined;
    return profile_frame(p, &f);
}

static void sample(struct profile *p, uint32_t thread, uint32_t node, uint64_t ms, uint32_t cpu) {
    profile_sample(p, &(struct profile_sample){
                          .time = ms * 1000000, .weight = 1, .thread = thread, .node = node, .cpu = cpu, .count = 1});
    p->badge.taken++;
}

static void make_rich(struct profile *p) {
    uint32_t app = profile_module(p, "/usr/bin/app", build_id, 20), libc = profile_module(p, "/lib/libc.so.6", NULL, 0);
    uint32_t main_thread =
                 profile_thread(p, &(struct profile_thread){100, 100, profile_text(p, "app"), profile_text(p, "app")}),
             worker = profile_thread(
                 p, &(struct profile_thread){100, 101, profile_text(p, "worker"), profile_text(p, "app")}),
             other = profile_thread(p, &(struct profile_thread){200, 200, profile_text(p, "other"), 0});
    uint32_t start = profile_node(p, 0, frame(p, "_start", app, 0x1000, 0, PROFILE_USER, false)),
             main = profile_node(p, start, frame(p, "main", app, 0x1120, 10, PROFILE_USER, false)),
             outer = profile_node(p, main, frame(p, "work", app, 0x1230, 20, PROFILE_USER, false)),
             middle = profile_node(p, outer, frame(p, "step", app, 0x1230, 33, PROFILE_USER, true)),
             inner = profile_node(p, middle, frame(p, "add", app, 0x1230, 44, PROFILE_USER, true)),
             read = profile_node(p, outer, frame(p, "read", libc, 0x5010, 0, PROFILE_USER, false)),
             entry =
                 profile_node(p, read, frame(p, "entry_SYSCALL_64", 0, 0xffffffff81000010u, 0, PROFILE_KERNEL, false)),
             vfs = profile_node(p, entry, frame(p, "vfs_read", 0, 0xffffffff81200030u, 0, PROFILE_KERNEL, false)),
             cut = profile_node(p, 0, frame(p, "no unwind information", 0, 0, 0, PROFILE_CUT, false)),
             jit = profile_node(p, cut, frame(p, "LazyCompile:~f", 0, 0x7f0000001000u, 0, PROFILE_JIT, false)),
             idle = profile_node(p, 0, frame(p, "kthread", 0, 0xffffffff81300000u, 0, PROFILE_KERNEL, false));
    p->event = "cpu-clock";
    p->command = "app --fast";
    p->host = "box";
    p->period_ns = 10000000;
    p->start_ns = 1700000000000000000u;
    p->duration_ns = 2500000000u;
    p->cpus = 2;
    for (unsigned i = 0; i < 100; i++)
        sample(p, main_thread, i % 2 ? inner : vfs, i * 10, i % 2);
    for (unsigned i = 0; i < 50; i++)
        sample(p, worker, i % 5 ? outer : read, 1000 + i * 20, 1);
    for (unsigned i = 0; i < 20; i++)
        sample(p, other, i % 4 ? jit : idle, 2000 + i * 25, 0);
    p->badge.lost = 3;
    p->badge.cut[PROFILE_COMPLETE] = 150;
    p->badge.cut[PROFILE_CUT_NO_TABLE] = 15;
    p->badge.without_user = 5;
}

static void make_deep(struct profile *p) {
    uint32_t f = frame(p, "recurse", profile_module(p, "/usr/bin/app", NULL, 0), 0x1000, 5, PROFILE_USER, false),
             node = 0;
    for (int i = 0; i < 200; i++) {
        node = profile_node(p, node, f);
        sample(p, 0, node, (uint64_t)i, 0);
    }
}

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void make_large(struct profile *p, uint32_t nodes) {
    uint32_t state = 1, threads[20], functions = 5000;
    char name[64];
    for (uint32_t i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "thread-%u", i);
        threads[i] = profile_thread(p, &(struct profile_thread){100 + i / 4, 100 + i, profile_text(p, name), 0});
    }
    for (uint32_t i = 0, node = 0; p->nodes.count < nodes; i++) {
        if (i % 4 == 0)
            node = next_random(&state) % p->nodes.count / (1 + next_random(&state) % 8);
        snprintf(name, sizeof name, "namespace_%u::function_%u", i % 50, next_random(&state) % functions);
        node = profile_node(p, node, frame(p, name, 0, 0x1000, 0, (int)(i % 5), false));
        sample(p, threads[next_random(&state) % 20], node, i / 10, i % 2);
    }
    p->period_ns = 10000000;
}

static bool make(struct profile *p, const char *kind) {
    if (strcmp(kind, "rich") == 0)
        make_rich(p);
    else if (strcmp(kind, "deep") == 0)
        make_deep(p);
    else if (str_starts(kind, "large"))
        make_large(p, (uint32_t)strtoul(kind + 5, NULL, 10));
    else
        return false;
    return true;
}

/* As if perf could open the app and nothing else. */
static bool find_in_file(void *context, const char *path, uint64_t address, uint64_t *offset) {
    (void)context;
    *offset = address;
    return strcmp(path, "/usr/bin/app") == 0;
}

int main(int argc, char **argv) {
    struct arena *arena = arena_new();
    struct profile *p = profile_new(arena);
    const struct profile_format *format = argc > 2 ? profile_format_of(argv[2]) : NULL;
    if (!format || !make(p, argv[1]))
        return 2;
    int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int error = fd < 0 ? -1 : profile_write(format, p, &(struct profile_picture){.find_in_file = find_in_file}, fd);
    arena_free(arena);
    return error ? 1 : 0;
}
