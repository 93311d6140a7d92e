/* Between interpret.c (the machine) and interpret_helpers.c (fake helpers and maps). */
#ifndef TARSIER_BPF_INTERPRET_INT_H
#define TARSIER_BPF_INTERPRET_INT_H

#include "bpf/bpf.h"

#define MACHINE_FRAME_SIZE 512u
#define MACHINE_FRAMES 8u /* the kernel's limit of nested calls */
#define MACHINE_STEP_LIMIT 10000000u
#define MACHINE_HELPERS 256

struct machine_region {
    uint64_t start, size;
    bool writable;
};

struct machine_map_entry {
    uint32_t map;
    uint64_t handle, value;
};

struct bpf_machine {
    struct arena *arena;
    bpf_helper_fn helpers[MACHINE_HELPERS];
    void *user;
    VEC(struct machine_region) regions;
    uint32_t last_region; /* where the last address was found */
    VEC(struct machine_map_entry) maps;
    VEC(struct bpf_machine_map *) standard_maps;
    const struct bpf_program *program; /* while running */
    uint8_t *stack;
    uint32_t depth; /* frames in use */
    uint64_t steps;
    uint64_t clock;
    uint64_t random;
    uint8_t *task;
    const char *error;
};

/* Stops the run; the first text counts. */
void bpf_machine_fail(struct bpf_machine *machine, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool bpf_machine_may_access(struct bpf_machine *machine, uint64_t address, uint64_t size, bool write);

#endif
