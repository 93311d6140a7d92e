/* Lengths of instructions: one of each form, as an assembler makes them. */
#include "object/instruction.h"
#include "unit.h"
#include <elf.h>

static const struct {
    const char *bytes;
    size_t length;
    const char *text;
} instructions[] = {
    {"\x90", 1, "nop"},
    {"\x55", 1, "push %rbp"},
    {"\x41\x57", 2, "push %r15"},
    {"\x48\x89\xe5", 3, "mov %rsp,%rbp"},
    {"\x48\x89\x7d\xf8", 4, "mov %rdi,-8(%rbp)"},
    {"\x48\x83\xec\x10", 4, "sub $16,%rsp"},
    {"\x48\x81\xec\x00\x01\x00\x00", 7, "sub $256,%rsp"},
    {"\x66\x81\xc3\x34\x12", 5, "add $0x1234,%bx"},
    {"\xb8\x01\x00\x00\x00", 5, "mov $1,%eax"},
    {"\x66\xb8\x01\x00", 4, "mov $1,%ax"},
    {"\x48\xb8\x01\x00\x00\x00\x00\x00\x00\x00", 10, "movabs $1,%rax"},
    {"\xa1\x01\x00\x00\x00\x00\x00\x00\x00", 9, "movabs 1,%eax"},
    {"\x67\xa1\x01\x00\x00\x00", 6, "mov 1,%eax"},
    {"\x8b\x05\x00\x00\x00\x00", 6, "mov 0(%rip),%eax"},
    {"\x8b\x04\x25\x00\x00\x00\x00", 7, "mov 0,%eax"},
    {"\x8b\x44\x8d\x10", 4, "mov 16(%rbp,%rcx,4),%eax"},
    {"\x8b\x84\xc8\x00\x01\x00\x00", 7, "mov 256(%rax,%rcx,8),%eax"},
    {"\x8b\x04\x88", 3, "mov (%rax,%rcx,4),%eax"},
    {"\xf6\xc1\x01", 3, "test $1,%cl"},
    {"\xf6\xd1", 2, "not %cl"},
    {"\x48\xf7\x05\x00\x00\x00\x00\x01\x00\x00\x00", 11, "testq $1,0(%rip)"},
    {"\x66\xf7\xc1\x01\x00", 5, "test $1,%cx"},
    {"\xe8\x00\x00\x00\x00", 5, "call"},
    {"\x66\xe8\x00\x00\x00\x00", 6, "data16 call"},
    {"\xeb\x05", 2, "jmp"},
    {"\x0f\x84\x00\x00\x00\x00", 6, "je"},
    {"\x0f\x1f\x44\x00\x00", 5, "nopl 0(%rax,%rax,1)"},
    {"\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", 10, "cs nopw 0(%rax,%rax,1)"},
    {"\xf3\x0f\x1e\xfa", 4, "endbr64"},
    {"\x0f\x05", 2, "syscall"},
    {"\x0f\xba\xe0\x05", 4, "bt $5,%eax"},
    {"\xf0\x48\x0f\xb1\x0f", 5, "lock cmpxchg %rcx,(%rdi)"},
    {"\x66\x0f\x38\x00\xc1", 5, "pshufb %xmm1,%xmm0"},
    {"\x66\x0f\x3a\x0f\xc1\x08", 6, "palignr $8,%xmm1,%xmm0"},
    {"\xc5\xf8\x77", 3, "vzeroupper"},
    {"\xc5\xfd\x6f\x0e", 4, "vmovdqa (%rsi),%ymm1"},
    {"\xc4\xe3\x7d\x39\xc1\x01", 6, "vextracti128 $1,%ymm0,%xmm1"},
    {"\xc4\xe2\x7d\x58\x06", 5, "vpbroadcastd (%rsi),%ymm0"},
    {"\x62\xf1\xfe\x48\x6f\x06", 6, "vmovdqu64 (%rsi),%zmm0"},
    {"\x62\xf3\x7d\x48\x3f\xc1\x00", 7, "vpcmpeqb %zmm1,%zmm0,%k0"},
    {"\xc8\x10\x00\x00", 4, "enter $16,$0"},
    {"\xc2\x08\x00", 3, "ret $8"},
};

static void lengths_of_x86(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++) {
        uint8_t bytes[32];
        memset(bytes, 0x90, sizeof bytes);
        memcpy(bytes, instructions[i].bytes, instructions[i].length);
        size_t length = object_instruction_length(EM_X86_64, bytes, sizeof bytes);
        if (length != instructions[i].length)
            fail_msg("%s: %zu", instructions[i].text, length);
        for (size_t size = 0; size < length; size++) /* not all of it */
            assert_int_equal(object_instruction_length(EM_X86_64, bytes, size), 0);
    }
}

static void what_is_no_instruction(void **state) {
    static const uint8_t bad[][16] = {{0x06}, {0x27}, {0x62}, {0x0f, 0x04}, {0xea}, {0x48}, {0x66}};
    static const uint8_t prefixes[16] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
                                         0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(object_instruction_length(EM_X86_64, bad[i], i < 5 ? 16 : 1), 0);
    assert_int_equal(object_instruction_length(EM_X86_64, prefixes, sizeof prefixes), 0); /* 15 bytes at most */
    assert_int_equal(object_instruction_length(EM_RISCV, bad[0], 16), 0);
}

static void boundaries(void **state) {
    /* push %rbp; mov %rsp,%rbp; (bad) */
    static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x06, 0x90, 0x90};
    static const enum object_boundary wanted[] = {OBJECT_BOUNDARY_YES, OBJECT_BOUNDARY_YES, OBJECT_BOUNDARY_NO,
                                                  OBJECT_BOUNDARY_NO,  OBJECT_BOUNDARY_YES, OBJECT_BOUNDARY_UNKNOWN};
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(object_instruction_boundary(EM_X86_64, code, sizeof code, i), wanted[i]);
    assert_int_equal(object_instruction_boundary(EM_AARCH64, code, sizeof code, 4), OBJECT_BOUNDARY_YES);
    assert_int_equal(object_instruction_boundary(EM_AARCH64, code, sizeof code, 2), OBJECT_BOUNDARY_NO);
    assert_int_equal(object_instruction_boundary(EM_X86_64, code, 0, 5), OBJECT_BOUNDARY_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_of_x86),
        cmocka_unit_test(what_is_no_instruction),
        cmocka_unit_test(boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
