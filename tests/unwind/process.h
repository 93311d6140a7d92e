/* A stopped process as a world to walk in: its mappings, the tables of its files, its memory. For the oracles. */
#ifndef TARSIER_TESTS_UNWIND_PROCESS_H
#define TARSIER_TESTS_UNWIND_PROCESS_H

#include "base/arena.h"
#include "unwind/walk.h"

#include <sys/types.h>
#include <sys/user.h>

enum { STACK_CACHED = 4096, FILES_MOST = 256 };

struct process_file {
    const char *path;
    struct object_elf *elf;
    struct object_eh_frame *frames;
    struct unwind_table *table;
};

struct process {
    pid_t pid;
    struct unwind_world world;
    struct unwind_rules rules;
    struct arena *arena; /* of the mappings as they were last read */
    struct object_maps *maps;
    struct process_file files[FILES_MOST];
    unsigned file_count;
    uint64_t cached_from, cached_size; /* stack that was read ahead */
    uint8_t cached[STACK_CACHED];
};

void process_open(struct process *process, pid_t pid);
void process_close(struct process *process);
/* After the process ran: its stack is read anew, and its mappings if they may have changed. */
void process_ran(struct process *process, uint64_t sp, bool maps_changed);
bool process_read(struct process *process, uint64_t address, void *into, uint32_t size);
struct unwind_registers process_registers(const struct user_regs_struct *regs);
/* "file!symbol+offset", in one static buffer after the other. */
const char *process_name(struct process *process, uint64_t address);

#endif
