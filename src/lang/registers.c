/* Where struct pt_regs keeps what, for each architecture. Source: the kernel's uapi asm/ptrace.h and the psABIs. */
#include "lang/registers.h"
#include "lang/lower_int.h"
#include <string.h>

#if defined(__x86_64__)
static const struct {
    const char *name;
    uint16_t offset;
} registers[] = {
    {"r15", 0},  {"r14", 8},  {"r13", 16},    {"r12", 24}, {"bp", 32},  {"bx", 40},  {"r11", 48}, {"r10", 56},
    {"r9", 64},  {"r8", 72},  {"ax", 80},     {"cx", 88},  {"dx", 96},  {"si", 104}, {"di", 112}, {"orig_ax", 120},
    {"ip", 128}, {"cs", 136}, {"flags", 144}, {"sp", 152}, {"ss", 160}, {"pc", 128}, /* the name that all architectures
                                                                                        share */
};
const uint16_t lang_argument_registers[6] = {112, 104, 96, 88, 72, 64}; /* di si dx cx r8 r9 */
const uint16_t lang_syscall_registers[6] = {112, 104, 96, 56, 72, 64};  /* di si dx r10 r8 r9 */
const struct lang_machine lang_machine = {.return_value = 80,
                                          .instruction = 128,
                                          .stack = 152,
                                          .syscall_number = 120,
                                          .first_stack_argument = 8,
                                          .mode = 136,
                                          .mode_mask = 3,
                                          .user_mode = 3}; /* the privilege level in cs */
/* rax rdx rcx rbx rsi rdi rbp rsp r8.. r15 rip */
static const uint16_t dwarf_registers[] = {80, 96, 88, 40, 104, 112, 32, 152, 72, 64, 56, 48, 24, 16, 8, 0, 128};
#elif defined(__aarch64__)
static const struct {
    const char *name;
    uint16_t offset;
} registers[] = {
    {"r0", 0},    {"r1", 8},    {"r2", 16},   {"r3", 24},   {"r4", 32},   {"r5", 40},      {"r6", 48},
    {"r7", 56},   {"r8", 64},   {"r9", 72},   {"r10", 80},  {"r11", 88},  {"r12", 96},     {"r13", 104},
    {"r14", 112}, {"r15", 120}, {"r16", 128}, {"r17", 136}, {"r18", 144}, {"r19", 152},    {"r20", 160},
    {"r21", 168}, {"r22", 176}, {"r23", 184}, {"r24", 192}, {"r25", 200}, {"r26", 208},    {"r27", 216},
    {"r28", 224}, {"r29", 232}, {"r30", 240}, {"sp", 248},  {"pc", 256},  {"pstate", 264},
};
const uint16_t lang_argument_registers[6] = {0, 8, 16, 24, 32, 40};
const uint16_t lang_syscall_registers[6] = {272, 8, 16, 24, 32, 40}; /* orig_x0, x1.. */
const struct lang_machine lang_machine = {.return_value = 0,
                                          .instruction = 256,
                                          .stack = 248,
                                          .syscall_number = 280,
                                          .first_stack_argument = 0,
                                          .mode = 264,
                                          .mode_mask = 15,
                                          .user_mode = 0}; /* the exception level in pstate */
/* x0.. x30 sp */
static const uint16_t dwarf_registers[] = {0,   8,   16,  24,  32,  40,  48,  56,  64,  72,  80,
                                           88,  96,  104, 112, 120, 128, 136, 144, 152, 160, 168,
                                           176, 184, 192, 200, 208, 216, 224, 232, 240, 248};
#else
#error "add the pt_regs table of this architecture"
#endif

int lang_register_offset(const char *name) {
    for (size_t i = 0; i < sizeof registers / sizeof *registers; i++) {
        if (strcmp(registers[i].name, name) == 0)
            return registers[i].offset;
    }
    return -1;
}

int lang_dwarf_register(unsigned number) {
    return number < sizeof dwarf_registers / sizeof *dwarf_registers ? dwarf_registers[number] : -1;
}
