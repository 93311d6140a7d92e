/* Notes of USDT probes in a small ELF made by hand, broken ones too; operands of both machines. */
#include "base/str.h"
#include "object/usdt.h"
#include "unit.h"
#include <elf.h>
#include <stdlib.h>

static const char names[] = "\0.note.stapsdt\0.stapsdt.base\0.shstrtab";
enum { CODE = 0x401000, DATA = 0x403000, BASE = 0x402000 };

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Shdr sections[4];
    char names[sizeof names];
    char base[8];
    uint8_t notes[512];
    size_t size; /* of the notes */
    char segment[0x1000];
};

static void add(struct image *image, const void *bytes, size_t size) {
    memcpy(image->notes + image->size, bytes, size);
    image->size += size;
}

/* A note whose content is three addresses and `texts` (with their NULs). */
static void add_note(struct image *image, uint64_t place, uint64_t base, uint64_t semaphore, const char *texts,
                     size_t size) {
    const uint32_t header[] = {8, (uint32_t)(24 + size), 3};
    const uint64_t addresses[] = {place, base, semaphore};

    add(image, header, sizeof header);
    add(image, "stapsdt", 8);
    add(image, addresses, sizeof addresses);
    add(image, texts, size);
    image->size = (image->size + 3) & ~(size_t)3;
}
#define NOTE(image, place, base, semaphore, texts) add_note(image, place, base, semaphore, texts, sizeof texts)

static void set_section(struct image *image, int index, uint32_t name, uint32_t type, const void *content,
                        size_t size) {
    image->sections[index] = (Elf64_Shdr){.sh_name = name,
                                          .sh_type = type,
                                          .sh_offset = (uint64_t)((const char *)content - (const char *)image),
                                          .sh_size = size};
}

static struct image *make_image(uint16_t machine) {
    struct image *image = calloc(1, sizeof *image);

    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = ELFCLASS64;
    image->header.e_ident[EI_DATA] = ELFDATA2LSB;
    image->header.e_type = ET_DYN;
    image->header.e_machine = machine;
    image->header.e_phoff = offsetof(struct image, segments);
    image->header.e_phnum = 2;
    image->header.e_phentsize = sizeof(Elf64_Phdr);
    image->header.e_shoff = offsetof(struct image, sections);
    image->header.e_shnum = 4;
    image->header.e_shentsize = sizeof(Elf64_Shdr);
    image->header.e_shstrndx = 3;
    uint64_t offset = offsetof(struct image, segment);
    image->segments[0] = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, offset, CODE, CODE, 0x800, 0x800, 8};
    image->segments[1] = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, offset + 0x800, DATA, DATA, 0x800, 0x800, 8};
    memcpy(image->names, names, sizeof names);
    set_section(image, 2, 15, SHT_PROGBITS, image->base, 1);
    image->sections[2].sh_addr = BASE;
    set_section(image, 3, 29, SHT_STRTAB, image->names, sizeof names);
    return image;
}

struct fixture {
    struct arena *arena;
    struct image *image;
    struct object_elf *elf;
    struct object_usdt_list list;
    uint32_t broken;
};

static void read_image(struct fixture *fixture) {
    const char *error;

    set_section(fixture->image, 1, 1, SHT_NOTE, fixture->image->notes, fixture->image->size);
    fixture->elf = object_elf_from_bytes(fixture->image, sizeof *fixture->image, &error);
    assert_non_null(fixture->elf);
    object_usdt_read(fixture->elf, fixture->arena, &fixture->list, &fixture->broken);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->arena = arena_new();
    fixture->image = make_image(EM_X86_64);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;

    object_elf_close(fixture->elf);
    arena_free(fixture->arena);
    free(fixture->image);
    free(fixture);
    return 0;
}

/* ---- notes --------------------------------------------------------------------------------------------------- */

static void notes_tell_places(void **state) {
    struct fixture *fixture = *state;

    NOTE(fixture->image, CODE + 0x10, BASE, 0, "app\0start\0-4@%eax");
    NOTE(fixture->image, CODE + 0x20, BASE, DATA + 6, "app\0stop\0");
    NOTE(fixture->image, CODE + 0x30, 0, 0, "app\0old"); /* no third text */
    read_image(fixture);
    assert_int_equal(fixture->list.count, 3);
    assert_int_equal(fixture->broken, 0);
    const struct object_usdt *found = fixture->list.data;
    assert_string_equal(found[0].provider, "app");
    assert_string_equal(found[0].name, "start");
    assert_string_equal(found[0].arguments, "-4@%eax");
    assert_int_equal(found[0].address, CODE + 0x10);
    assert_int_equal(found[0].offset, offsetof(struct image, segment) + 0x10);
    assert_int_equal(found[0].semaphore, 0);
    assert_int_equal(found[1].semaphore, offsetof(struct image, segment) + 0x800 + 6);
    assert_string_equal(found[2].arguments, "");
}

static void a_file_that_moved_since(void **state) {
    struct fixture *fixture = *state;

    NOTE(fixture->image, CODE - 0x1000 + 0x10, BASE - 0x1000, DATA - 0x1000, "app\0start\0");
    read_image(fixture);
    assert_int_equal(fixture->list.count, 1);
    assert_int_equal(fixture->list.data[0].address, CODE + 0x10);
    assert_int_equal(fixture->list.data[0].semaphore, offsetof(struct image, segment) + 0x800);
}

static void broken_notes_are_left_out(void **state) {
    struct fixture *fixture = *state;
    const uint32_t huge[] = {8, 0xfffffff0, 3};

    NOTE(fixture->image, 0x10, BASE, 0, "app\0outside\0");
    NOTE(fixture->image, CODE, BASE, 0x10, "app\0no_semaphore\0");
    add_note(fixture->image, CODE, BASE, 0, "unending", 8);
    NOTE(fixture->image, CODE, BASE, 0, "app\0\0");
    NOTE(fixture->image, CODE, BASE, 0, "app\0good\0");
    add(fixture->image, huge, sizeof huge);
    add(fixture->image, "stapsdt", 8);
    read_image(fixture);
    assert_int_equal(fixture->list.count, 1);
    assert_string_equal(fixture->list.data[0].name, "good");
    assert_int_equal(fixture->broken, 5);
}

static void other_notes_are_passed_over(void **state) {
    struct fixture *fixture = *state;
    const uint32_t header[] = {4, 4, 3};

    add(fixture->image, header, sizeof header);
    add(fixture->image, "GNU\0abcd", 8);
    NOTE(fixture->image, CODE, BASE, 0, "app\0good\0");
    read_image(fixture);
    assert_int_equal(fixture->list.count, 1);
    assert_int_equal(fixture->broken, 0);
}

/* ---- operands ------------------------------------------------------------------------------------------------ */

#define NONE OBJECT_USDT_NO_REGISTER
static const struct operand {
    const char *text;
    struct object_usdt_argument wanted;
} x86_operands[] = {
    {"-4@$-16", {OBJECT_USDT_CONSTANT, 4, true, 0, 0, 8, false, NONE, NONE, -16, NULL}},
    {"4@$-16", {OBJECT_USDT_CONSTANT, 4, false, 0, 0, 8, false, NONE, NONE, 0xfffffff0, NULL}},
    {"1@$0x1f0", {OBJECT_USDT_CONSTANT, 1, false, 0, 0, 8, false, NONE, NONE, 0xf0, NULL}},
    {"8@$18446744073709551615", {OBJECT_USDT_CONSTANT, 8, false, 0, 0, 8, false, NONE, NONE, -1, NULL}},
    {"-4@%eax", {OBJECT_USDT_REGISTER, 4, true, 0, 0, 8, false, 80, NONE, 0, NULL}},
    {"8@%r15", {OBJECT_USDT_REGISTER, 8, false, 0, 0, 8, false, 0, NONE, 0, NULL}},
    {"1@%dh", {OBJECT_USDT_REGISTER, 1, false, 8, 0, 8, false, 96, NONE, 0, NULL}},
    {"%si", {OBJECT_USDT_REGISTER, 2, false, 0, 0, 8, false, 104, NONE, 0, NULL}},
    {"-2@%r9d", {OBJECT_USDT_REGISTER, 2, true, 0, 0, 8, false, 64, NONE, 0, NULL}},
    {"8@(%rsp)", {OBJECT_USDT_MEMORY, 8, false, 0, 0, 8, false, 152, NONE, 0, NULL}},
    {"-4@-20(%rbp)", {OBJECT_USDT_MEMORY, 4, true, 0, 0, 8, false, 32, NONE, -20, NULL}},
    {"8@0x10+8(%rax,%rdx,8)", {OBJECT_USDT_MEMORY, 8, false, 0, 3, 8, false, 80, 96, 24, NULL}},
    {"2@(,%rcx,4)", {OBJECT_USDT_MEMORY, 2, false, 0, 2, 8, false, NONE, 88, 0, NULL}},
    {"2@(%rcx,%rcx)", {OBJECT_USDT_MEMORY, 2, false, 0, 0, 8, false, 88, 88, 0, NULL}},
    {"4@4096", {OBJECT_USDT_MEMORY, 4, false, 0, 0, 8, false, NONE, NONE, 4096, NULL}},
};
static const struct operand arm_operands[] = {
    {"-4@-16", {OBJECT_USDT_CONSTANT, 4, true, 0, 0, 8, false, NONE, NONE, -16, NULL}},
    {"-4@w3", {OBJECT_USDT_REGISTER, 4, true, 0, 0, 8, false, 24, NONE, 0, NULL}},
    {"8@x30", {OBJECT_USDT_REGISTER, 8, false, 0, 0, 8, false, 240, NONE, 0, NULL}},
    {"8@xzr", {OBJECT_USDT_CONSTANT, 8, false, 0, 0, 8, false, NONE, NONE, 0, NULL}},
    {"8@sp", {OBJECT_USDT_REGISTER, 8, false, 0, 0, 8, false, 248, NONE, 0, NULL}},
    {"-1@[sp]", {OBJECT_USDT_MEMORY, 1, true, 0, 0, 8, false, 248, NONE, 0, NULL}},
    {"-4@[x29, -20]", {OBJECT_USDT_MEMORY, 4, true, 0, 0, 8, false, 232, NONE, -20, NULL}},
    {"8@[x0, #16]", {OBJECT_USDT_MEMORY, 8, false, 0, 0, 8, false, 0, NONE, 16, NULL}},
    {"8@[x0, x1]", {OBJECT_USDT_MEMORY, 8, false, 0, 0, 8, false, 0, 8, 0, NULL}},
    {"8@[x0, x1, lsl 3]", {OBJECT_USDT_MEMORY, 8, false, 0, 3, 8, false, 0, 8, 0, NULL}},
    {"4@[x0, w1, sxtw 2]", {OBJECT_USDT_MEMORY, 4, false, 0, 2, 4, true, 0, 8, 0, NULL}},
    {"4@[x0, w1, uxtw]", {OBJECT_USDT_MEMORY, 4, false, 0, 0, 4, false, 0, 8, 0, NULL}},
};

static void expect_operands(struct fixture *fixture, const struct operand *operands, size_t count) {
    for (size_t i = 0; i < count; i++) {
        /* between two others: nothing is eaten that belongs to them */
        const char *text = arena_printf(fixture->arena, "8@%s %s 8@%s", i % 2 ? "x" : "0", operands[i].text, "x");
        struct object_usdt_arguments found, wanted = {&operands[i].wanted, 1};
        object_usdt_parse(fixture->elf, fixture->arena, text, CODE, &found);
        assert_int_equal(found.count, 3);
        found = (struct object_usdt_arguments){found.items + 1, 1};
        if (!object_usdt_same(&found, &wanted))
            fail_msg("%s: where %d, number %ld, base %u, %s", operands[i].text, found.items->where,
                     (long)found.items->number, found.items->base, found.items->reason ? found.items->reason : "");
    }
}

static void operands_of_x86(void **state) {
    read_image(*state);
    expect_operands(*state, x86_operands, sizeof x86_operands / sizeof *x86_operands);
}

static void operands_of_aarch64(void **state) {
    struct fixture *fixture = *state;

    fixture->image->header.e_machine = EM_AARCH64;
    read_image(fixture);
    expect_operands(fixture, arm_operands, sizeof arm_operands / sizeof *arm_operands);
}

static void expect_unreadable(struct fixture *fixture, const char *text, const char *reason) {
    struct object_usdt_arguments found;

    object_usdt_parse(fixture->elf, fixture->arena, arena_printf(fixture->arena, "%s -4@7", text), CODE, &found);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.items[0].where, OBJECT_USDT_UNREADABLE);
    if (!strstr(found.items[0].reason, reason))
        fail_msg("%s: %s", text, found.items[0].reason);
}

static void what_is_not_understood_says_why(void **state) {
    struct fixture *fixture = *state;

    read_image(fixture);
    expect_unreadable(fixture, "8f@%xmm0", "floating point");
    expect_unreadable(fixture, "8@%xmm0", "floating point register");
    expect_unreadable(fixture, "16@(%rax)", "1, 2, 4 or 8");
    expect_unreadable(fixture, "4@%fs:-8", "thread-local");
    expect_unreadable(fixture, "8@$main", "address of a symbol");
    expect_unreadable(fixture, "8@lost(%rip)", "stripped");
    expect_unreadable(fixture, "8@(%rax", "not closed");
    expect_unreadable(fixture, "8@(%rax,%rdx,3)", "scale");
    expect_unreadable(fixture, "8@", "operand of this machine");
    expect_unreadable(fixture, "8@%", "operand of this machine");
    expect_unreadable(fixture, "8@%rax!", "operand of this machine");
    object_elf_close(fixture->elf);
    fixture->image->header.e_machine = EM_AARCH64;
    read_image(fixture);
    expect_unreadable(fixture, "8@d0", "floating point register");
    expect_unreadable(fixture, "8@[x0, x1, ror 3]", "unknown way");
    expect_unreadable(fixture, "8@[x0, x1, lsl 9]", "scale");
    expect_unreadable(fixture, "8@[x0, w1]", "too small");
    expect_unreadable(fixture, "8@x31", "not known");
    object_elf_close(fixture->elf);
    fixture->image->header.e_machine = EM_RISCV;
    read_image(fixture);
    expect_unreadable(fixture, "8@a0", "another kind of machine");
}

static void arguments_have_a_limit(void **state) {
    struct fixture *fixture = *state;
    struct object_usdt_arguments found;
    struct strbuf text = {0};

    for (int i = 0; i < 300; i++)
        strbuf_addstr(&text, "-4@$1 ");
    read_image(fixture);
    object_usdt_parse(fixture->elf, fixture->arena, strbuf_text(&text), CODE, &found);
    assert_int_equal(found.count, OBJECT_USDT_ARGUMENTS);
    strbuf_free(&text);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(notes_tell_places),
        TEST(a_file_that_moved_since),
        TEST(broken_notes_are_left_out),
        TEST(other_notes_are_passed_over),
        TEST(operands_of_x86),
        TEST(operands_of_aarch64),
        TEST(what_is_not_understood_says_why),
        TEST(arguments_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
