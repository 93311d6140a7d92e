/* The oracle: runs a program instruction by instruction, keeps its own list of return addresses from the calls and
 * returns it sees, and compares it with what the unwinder finds, at every instruction.
 *
 *     shadow [--steps MOST] [--from-trap] [--all] PROGRAM [ARG...]
 *
 * --from-trap  begins where the program executes `int3`, with the callers that the unwinder finds there
 * --all        shows every place of disagreement, not only the first ones
 *
 * Last line: steps N, exact N, known N, cut N, wrong N. Exit status 0 when nothing was wrong or cut; 2 when it could
 * not run.
 *
 * The list: `call` adds the address that it pushes, and where that lies. What lies below the stack pointer is gone
 * (ret, longjmp, an exception). A return address that was popped into a register (vfork) is there until it returns.
 * A signal adds two frames: the trampoline, and the code that it interrupted.
 *
 * Known: glibc's longjmp says of its last instructions who will be the caller, not who was; return addresses that were
 * written over. */
#include "base/profile.h"
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEPTH_MOST = 4096, PLACES_MOST = 512, PLACES_SHOWN = 12 };

struct entry {
    uint64_t return_address, slot; /* slot UINT64_MAX: in a register */
    bool is_rewritten;             /* not by a call: by libgcc, for a landing pad */
    bool is_signal;                /* what follows is the interrupted code: */
    uint64_t interrupted_sp;
};

struct place {
    char function[256];
    enum profile_cut cut; /* or PROFILE_COMPLETE: wrong */
    uint64_t count;
};

struct oracle {
    struct process process;
    struct entry entries[DEPTH_MOST];
    unsigned count;
    struct place places[PLACES_MOST];
    unsigned place_count;
    uint64_t steps, exact, known, cut, wrong;
    uint64_t doubtful, doubtful_pc;
    unsigned doubtful_depth;
    bool shows_all;
};

static struct oracle oracle;

/* ---- what the instruction was -------------------------------------------------------------------------------- */

struct code {
    uint8_t bytes[16];
    unsigned opcode; /* index of the first byte behind the prefixes */
};

static struct code code_at(uint64_t pc) {
    struct code code = {0};

    if (!process_read(&oracle.process, pc, code.bytes, 15))
        process_read(&oracle.process, pc, code.bytes, 2);
    while (code.opcode < 14 && (memchr("\x66\xf2\xf3\x2e\x3e\x64\x65\x67", code.bytes[code.opcode], 8) ||
                                (code.bytes[code.opcode] & 0xf0) == 0x40))
        code.opcode++;
    return code;
}

static bool is_call(const struct code *code) {
    const uint8_t *at = code->bytes + code->opcode;
    return at[0] == 0xe8 || (at[0] == 0xff && (at[1] & 0x38) == 0x10);
}

static bool is_pop(const struct code *code) { return (code->bytes[code->opcode] & 0xf8) == 0x58; }

static bool is_push(const struct code *code) { return (code->bytes[code->opcode] & 0xf8) == 0x50; }

static bool is_syscall(const struct code *code) { return code->bytes[0] == 0x0f && code->bytes[1] == 0x05; }

/* ---- the list ------------------------------------------------------------------------------------------------ */

static void add_entry(struct entry entry) {
    if (oracle.count == DEPTH_MOST) {
        fprintf(stderr, "shadow: deeper than %d\n", DEPTH_MOST);
        exit(2);
    }
    oracle.entries[oracle.count++] = entry;
}

static uint64_t word_at(uint64_t address) {
    uint64_t word = 0;
    process_read(&oracle.process, address, &word, sizeof word);
    return word;
}

static struct entry *top(void) { return oracle.count ? &oracle.entries[oracle.count - 1] : NULL; }

static void drop_below(uint64_t sp) {
    while (top() && (top()->is_signal ? sp >= top()->interrupted_sp : top()->slot < sp))
        oracle.count--;
}

static void follow(const struct code *code, const struct user_regs_struct *before, const struct user_regs_struct *after,
                   bool had_signal) {
    if (is_syscall(code) && before->rax == 15) { /* rt_sigreturn */
        while (top() && !top()->is_signal)
            oracle.count--;
        if (top())
            oracle.count--;
        return;
    }
    if (had_signal && before->rip - after->rip + 15 > 30) { /* in its handler now, not at the next instruction */
        add_entry((struct entry){word_at(after->rsp), after->rsp, false, true, before->rsp});
        return;
    }
    if (is_pop(code) && top() && top()->slot == before->rsp && !top()->is_signal) {
        top()->is_rewritten = word_at(before->rsp) != top()->return_address;
        top()->return_address = word_at(before->rsp);
        top()->slot = UINT64_MAX;
        return;
    }
    if (is_push(code) && top() && top()->slot == UINT64_MAX && word_at(after->rsp) == top()->return_address)
        top()->slot = after->rsp;
    if (top() && top()->slot == UINT64_MAX && (after->rip == top()->return_address || after->rsp > before->rsp + 64))
        oracle.count--;
    drop_below(after->rsp);
    if (is_call(code) && after->rsp == before->rsp - 8) {
        uint64_t address = word_at(after->rsp);
        if (address != after->rip) /* not "call the next instruction, pop" */
            add_entry((struct entry){.return_address = address, .slot = after->rsp});
    }
}

/* A C++ exception that has found its handler writes the place to go to over the return address of a function of libgcc,
 * and over its saved registers those that will hold there: until it has returned there is no list of callers. */
static bool is_rewritten(uint64_t pc) {
    if (top() && top()->slot == UINT64_MAX && strstr(process_name(&oracle.process, pc), "libgcc_s.so.1!_Unwind_"))
        return true; /* it is on its way: jmp *%rcx */
    for (unsigned i = 0; i < oracle.count; i++)
        if (oracle.entries[i].slot != UINT64_MAX && word_at(oracle.entries[i].slot) != oracle.entries[i].return_address)
            return true;
    return false;
}

/* ---- comparing ----------------------------------------------------------------------------------------------- */

static struct unwind_frame expected[DEPTH_MOST * 2], found[DEPTH_MOST * 2];

static unsigned expect(uint64_t pc, uint64_t sp) {
    unsigned count = 0;

    expected[count++] = (struct unwind_frame){.pc = pc, .is_exact = true};
    for (unsigned i = oracle.count; i-- > 0;) {
        if (oracle.entries[i].slot != sp - 8) /* else in the trampoline itself */
            expected[count++] = (struct unwind_frame){.pc = oracle.entries[i].return_address};
        if (oracle.entries[i].is_signal) /* as the handler may have changed it: in the kernel's struct ucontext */
            expected[count++] =
                (struct unwind_frame){.pc = word_at(oracle.entries[i].slot + 8 + 168), .is_exact = true};
    }
    return count;
}

static void show(unsigned expected_count, unsigned found_count, enum profile_cut cut, uint64_t pc) {
    printf("  at %s, step %" PRIu64 ": %s\n", process_name(&oracle.process, pc), oracle.steps,
           cut == PROFILE_COMPLETE ? "complete" : profile_cut_texts[cut].name);
    for (unsigned i = 0; i < expected_count || i < found_count; i++) {
        bool is_same = i < expected_count && i < found_count && expected[i].pc == found[i].pc;
        printf("    %-50s %s\n", i < expected_count ? process_name(&oracle.process, expected[i].pc - (i > 0)) : "-",
               is_same           ? "="
               : i < found_count ? process_name(&oracle.process, found[i].pc - (i > 0))
                                 : "-");
        if (i > 20)
            break;
    }
}

static void note(unsigned expected_count, unsigned found_count, enum profile_cut cut, uint64_t pc) {
    char function[256];
    unsigned i = 0;

    snprintf(function, sizeof function, "%s", process_name(&oracle.process, pc));
    if (!oracle.shows_all && strchr(function, '+'))
        *strchr(function, '+') = '\0';
    while (i < oracle.place_count && (oracle.places[i].cut != cut || strcmp(oracle.places[i].function, function) != 0))
        i++;
    if (i == PLACES_MOST)
        return;
    if (i == oracle.place_count) {
        oracle.places[i] = (struct place){.cut = cut};
        snprintf(oracle.places[i].function, sizeof oracle.places[i].function, "%s", function);
        oracle.place_count++;
        if (oracle.shows_all || i < PLACES_SHOWN)
            show(expected_count, found_count, cut, pc);
    }
    oracle.places[i].count++;
}

static bool is_equal(unsigned expected_count, unsigned found_count) {
    if (expected_count != found_count)
        return false;
    for (unsigned i = 0; i < found_count; i++)
        if (expected[i].pc != found[i].pc || expected[i].is_exact != found[i].is_exact)
            return false;
    return true;
}

/* It was not about an exception after all. */
static void settle_doubts(void) {
    oracle.wrong += oracle.doubtful;
    note(0, 0, PROFILE_COMPLETE, oracle.doubtful_pc);
    oracle.doubtful = 0;
}

static void compare(const struct user_regs_struct *regs) {
    struct unwind_registers registers = process_registers(regs);
    enum profile_cut cut;
    unsigned found_count = unwind_walk(&oracle.process.world, &registers, found, DEPTH_MOST * 2, &cut);
    if (oracle.doubtful && oracle.count < oracle.doubtful_depth)
        settle_doubts();
    unsigned expected_count = expect(regs->rip, regs->rsp);

    if (cut == PROFILE_COMPLETE && is_equal(expected_count, found_count)) {
        oracle.exact++;
        return;
    }
    if (oracle.doubtful && is_rewritten(regs->rip)) {
        oracle.known += oracle.doubtful;
        oracle.doubtful = 0;
    }
    if (is_rewritten(regs->rip) || strstr(process_name(&oracle.process, regs->rip), "!__longjmp+")) {
        oracle.known++;
        return;
    }
    if (top() && strstr(process_name(&oracle.process, top()->return_address), "libgcc_s.so.1!_Unwind_")) {
        oracle.doubtful++; /* saved registers are written over before the return address is */
        oracle.doubtful_depth = oracle.count;
        oracle.doubtful_pc = regs->rip;
        return;
    }
    unsigned common = found_count < expected_count ? found_count : expected_count;
    bool is_prefix = cut != PROFILE_COMPLETE && is_equal(common, found_count); /* what is there is right */
    *(is_prefix ? &oracle.cut : &oracle.wrong) += 1;
    note(expected_count, found_count, is_prefix ? cut : PROFILE_COMPLETE, regs->rip);
}

/* ---- running ------------------------------------------------------------------------------------------------- */

static bool wait_for_stop(pid_t pid, int *signal) {
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (!WIFSTOPPED(status))
        return false;
    *signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    return true;
}

/* The mappings may be others after mmap, mprotect, munmap, mremap, brk. */
static bool changes_maps(const struct code *code, uint64_t number) {
    return is_syscall(code) && ((number >= 9 && number <= 12) || number == 25);
}

/* What the unwinder finds at the start becomes the list; it has to be whole. */
static bool begin_here(const struct user_regs_struct *regs) {
    struct unwind_registers registers = process_registers(regs);
    enum profile_cut cut;
    unsigned count = unwind_walk(&oracle.process.world, &registers, found, DEPTH_MOST, &cut);

    if (cut != PROFILE_COMPLETE) {
        fprintf(stderr, "shadow: no whole stack at the start: %s\n", profile_cut_texts[cut].name);
        return false;
    }
    for (unsigned i = count; i-- > 1;)
        add_entry((struct entry){.return_address = found[i].pc, .slot = found[i].sp - 8});
    return true;
}

static void run(pid_t pid, uint64_t most) {
    struct user_regs_struct before, after;
    int signal = 0;

    ptrace(PTRACE_GETREGS, pid, 0, &before);
    while (oracle.steps < most) {
        struct code code = code_at(before.rip);
        int delivered = signal;
        if (ptrace(PTRACE_SINGLESTEP, pid, 0, (void *)(intptr_t)delivered) < 0 || !wait_for_stop(pid, &signal) ||
            ptrace(PTRACE_GETREGS, pid, 0, &after) < 0)
            return;
        process_ran(&oracle.process, after.rsp, changes_maps(&code, before.rax));
        if (!(signal && after.rip == before.rip)) /* else it is only about to be delivered */
            follow(&code, &before, &after, delivered);
        if (after.rip != before.rip) { /* not one more round of a repeated instruction */
            oracle.steps++;
            compare(&after);
        }
        before = after;
    }
    kill(pid, SIGKILL);
}

static pid_t start(char **argv, bool from_trap) {
    pid_t pid = fork();
    int signal;

    if (pid == 0) {
        personality(ADDR_NO_RANDOMIZE);
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || !wait_for_stop(pid, &signal))
        return -1;
    if (from_trap && (ptrace(PTRACE_CONT, pid, 0, 0) < 0 || !wait_for_stop(pid, &signal) || signal))
        return -1;
    return pid;
}

static int report(void) {
    for (unsigned i = 0; i < oracle.place_count; i++)
        printf("%8" PRIu64 " %s  %s\n", oracle.places[i].count,
               oracle.places[i].cut == PROFILE_COMPLETE ? "WRONG" : profile_cut_texts[oracle.places[i].cut].name,
               oracle.places[i].function);
    printf("steps %" PRIu64 ", exact %" PRIu64 ", known %" PRIu64 ", cut %" PRIu64 ", wrong %" PRIu64 "\n",
           oracle.steps, oracle.exact, oracle.known, oracle.cut, oracle.wrong);
    return oracle.exact + oracle.known != oracle.steps;
}

int main(int argc, char **argv) {
    uint64_t most = UINT64_MAX;
    bool from_trap = false;
    int first = 1;

    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--steps") == 0 && first + 1 < argc)
            most = strtoull(argv[++first], NULL, 10);
        from_trap |= strcmp(argv[first], "--from-trap") == 0;
        oracle.shows_all |= strcmp(argv[first], "--all") == 0;
    }
    pid_t pid = first < argc ? start(argv + first, from_trap) : -1;
    if (pid < 0) {
        fprintf(stderr, "shadow: the program does not run\n");
        return 2;
    }
    process_open(&oracle.process, pid);
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    process_ran(&oracle.process, regs.rsp, true);
    if (from_trap && !begin_here(&regs)) {
        kill(pid, SIGKILL);
        return 2;
    }
    run(pid, most);
    int status = report();
    process_close(&oracle.process);
    return status;
}
