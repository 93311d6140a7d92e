/* Call frame information from hand-made bytes, and the rules and tables that come of it. */
#include "unit.h"

#include "eh_frame_file.h"
#include "unwind/walk.h"

/* ---- writing entries ----------------------------------------------------------------------------------------- */

struct section {
    uint8_t bytes[4096];
    uint32_t size, entry;
};

static void put(struct section *section, const void *bytes, uint32_t size) {
    memcpy(section->bytes + section->size, bytes, size);
    section->size += size;
}

#define PUT(section, ...) put(section, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))

static void begin(struct section *section, uint32_t id) {
    section->entry = section->size;
    PUT(section, 0, 0, 0, 0);
    put(section, &id, 4);
}

static void end(struct section *section) {
    while (section->size & 7)
        PUT(section, 0); /* nop */
    uint32_t size = section->size - section->entry - 4;
    memcpy(section->bytes + section->entry, &size, 4);
}

/* As gcc's: "zR", code 1, data -8, return address in column 16; cfa = sp + 8, return address at cfa - 8. */
static uint32_t common(struct section *section) {
    begin(section, 0);
    uint32_t offset = section->entry;
    PUT(section, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1);
    end(section);
    return offset;
}

static void begin_function(struct section *section, uint32_t common_offset, uint32_t start, uint32_t size) {
    begin(section, section->size + 4 - common_offset);
    uint32_t relative = start - (EH_FRAME_FILE_PLACE + section->size);
    put(section, &relative, 4);
    put(section, &size, 4);
    PUT(section, 0);
}

struct opened {
    struct eh_frame_file *file;
    struct object_elf *elf;
    struct object_eh_frame *frames;
    struct unwind_table *table;
};

static struct opened open_section(const struct section *section) {
    const char *error;
    struct opened opened = {.file = eh_frame_file(section->bytes, section->size)};

    opened.elf = object_elf_from_bytes(opened.file, sizeof *opened.file + section->size, &error);
    assert_non_null(opened.elf);
    opened.frames = object_eh_frame_open(opened.elf, &error);
    opened.table = unwind_table_build(opened.elf, &error);
    assert_non_null(opened.table);
    return opened;
}

static void close_section(struct opened *opened) {
    unwind_table_free(opened->table);
    object_eh_frame_close(opened->frames);
    object_elf_close(opened->elf);
    free(opened->file);
}

static struct unwind_rule rule_at(const struct opened *opened, uint64_t address) {
    return opened->table->rules[unwind_table_rule_at(opened->table, address)];
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static void test_a_function(void **state) {
    struct section section = {0};
    uint32_t cie = common(&section);
    (void)state;

    begin_function(&section, cie, 0x1000, 0x40);
    PUT(&section, 0x41, 0x0e, 16, 0x86, 2);      /* 1001: push rbp */
    PUT(&section, 0x43, 0x0d, 6);                /* 1004: cfa = bp + 16 */
    PUT(&section, 0x02, 0x10, 0x0a, 0x0c, 7, 8); /* 1014: remembered; cfa = sp + 8 */
    PUT(&section, 0xc6, 0x41, 0x0b);             /* bp as at first; 1015: restored */
    end(&section);
    struct opened opened = open_section(&section);
    assert_non_null(opened.frames);

    struct unwind_rule rule = rule_at(&opened, 0x1000);
    assert_int_equal(rule.cfa_kind, UNWIND_CFA_SP);
    assert_int_equal(rule.cfa_offset, 8);
    assert_int_equal(rule.bp_kind, UNWIND_BP_SAME);
    rule = rule_at(&opened, 0x1003);
    assert_int_equal(rule.cfa_offset, 16);
    assert_int_equal(rule.bp_offset, -16);
    rule = rule_at(&opened, 0x1013);
    assert_int_equal(rule.cfa_kind, UNWIND_CFA_BP);
    rule = rule_at(&opened, 0x1014);
    assert_int_equal(rule.cfa_offset, 8);
    assert_int_equal(rule.bp_kind, UNWIND_BP_SAME);
    rule = rule_at(&opened, 0x103f);
    assert_int_equal(rule.cfa_kind, UNWIND_CFA_BP);
    assert_int_equal(unwind_table_rule_at(opened.table, 0x1040), UNWIND_GAP);
    assert_int_equal(unwind_table_rule_at(opened.table, 0xfff), UNWIND_GAP);
    close_section(&opened);
}

static void test_gaps_padding_pages_and_entry(void **state) {
    struct section section = {0};
    uint32_t cie = common(&section);
    uint64_t start;
    (void)state;

    begin_function(&section, cie, 0x2000, 0x10);
    end(&section);
    begin_function(&section, cie, 0x2018, 8); /* 8 bytes of padding before */
    end(&section);
    begin_function(&section, cie, 0x1000, 8); /* not in order */
    end(&section);
    begin_function(&section, cie, 0x30000, 0x50000);
    PUT(&section, 0x41, 0x0e, 32);
    end(&section);
    struct opened opened = open_section(&section);

    assert_int_equal(rule_at(&opened, 0x2013).cfa_kind, UNWIND_CFA_SP);
    assert_int_equal(rule_at(&opened, 0x1008).cfa_kind, UNWIND_GAP);
    assert_int_equal(rule_at(&opened, 0x2020).cfa_kind, UNWIND_GAP);
    for (uint64_t page = 0x30000; page < 0x80000; page += 0x10000) {
        assert_int_equal(rule_at(&opened, page + 1).cfa_offset, 32);
        assert_int_equal(rule_at(&opened, page + 0xffff).cfa_offset, 32);
    }
    assert_int_equal(rule_at(&opened, 0x80000).cfa_kind, UNWIND_GAP);
    assert_int_equal(rule_at(&opened, EH_FRAME_FILE_ENTRY).cfa_kind, UNWIND_END);
    assert_int_equal(rule_at(&opened, EH_FRAME_FILE_ENTRY + 127).cfa_kind, UNWIND_END);
    assert_int_equal(rule_at(&opened, EH_FRAME_FILE_ENTRY + 128).cfa_kind, UNWIND_GAP);
    assert_true(unwind_table_function_at(opened.table, 0x201f, &start));
    assert_int_equal(start, 0x2018);
    assert_false(unwind_table_function_at(opened.table, 0x2020, &start));
    close_section(&opened);
}

/* Damage in one function leaves what it said before, and the others. */
static void test_damage(void **state) {
    struct section section = {0};
    uint32_t cie = common(&section);
    (void)state;

    begin_function(&section, cie, 0x1000, 0x20);
    PUT(&section, 0x44, 0x0e, 24, 0x3f); /* no such instruction */
    end(&section);
    begin_function(&section, cie, 0x3000, 0x20);
    PUT(&section, 0x0b); /* nothing to restore */
    end(&section);
    begin_function(&section, 9999999, 0x4000, 0x20); /* no such CIE */
    end(&section);
    begin_function(&section, cie, 0x5000, 0x20);
    end(&section);
    begin_function(&section, cie, 0x20000000, 0x20); /* outside of the code */
    end(&section);
    struct opened opened = open_section(&section);

    assert_int_equal(rule_at(&opened, 0x1003).cfa_kind, UNWIND_CFA_SP);
    assert_int_equal(rule_at(&opened, 0x1004).cfa_kind, UNWIND_GAP);
    assert_int_equal(rule_at(&opened, 0x3000).cfa_kind, UNWIND_GAP);
    assert_int_equal(rule_at(&opened, 0x4000).cfa_kind, UNWIND_GAP);
    assert_int_equal(rule_at(&opened, 0x5000).cfa_kind, UNWIND_CFA_SP);
    assert_int_equal(opened.table->function_count, 3);
    close_section(&opened);
}

/* The programs of a function each, and the rule that comes of it. */
static void test_rules(void **state) {
    static const struct {
        uint8_t program[16], size;
        struct unwind_rule rule;
    } cases[] = {
        /* a PLT: breg7+8, breg16+0, lit15, and, lit10, ge, lit3, shl, plus */
        {{0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3a, 0x2a, 0x33, 0x24, 0x22},
         13,
         {UNWIND_CFA_PLT, 0, 0, 0, 8, 0, 10}},
        /* a realigned frame: cfa = *(bp - 8), bp at *(bp) */
        {{0x0f, 3, 0x76, 0x78, 0x06, 0x10, 6, 2, 0x76, 0}, 10, {UNWIND_CFA_DEREF_BP, 0, UNWIND_BP_AT_BP, 0, -8, 0, 0}},
        /* *(sp + 40) + 8 */
        {{0x0f, 5, 0x77, 40, 0x06, 0x23, 8}, 7, {UNWIND_CFA_DEREF_SP, 0, 0, 0, 40, 0, 8}},
        /* *(sp + 32 + 8) + 16 - 8 */
        {{0x0f, 9, 0x77, 32, 0x23, 8, 0x06, 0x40, 0x22, 0x38, 0x1c}, 11, {UNWIND_CFA_DEREF_SP, 0, 0, 0, 40, 0, 8}},
        {{0x0c, 10, 0}, 3, {UNWIND_CFA_REGISTER, 10, 0, 0, 0, 0, 0}},
        {{0x09, 16, 5}, 3, {UNWIND_CFA_SP, 0, 0, UNWIND_RA_REGISTER, 8, 0, 5}}, /* in rdi */
        {{0x90, 2}, 2, {UNWIND_CFA_SP, 0, 0, UNWIND_RA_AT_CFA, 8, 0, -16}},
        {{0x07, 16}, 2, {UNWIND_END, 0, 0, 0, 0, 0, 0}},
        {{0x07, 6}, 2, {UNWIND_CFA_SP, 0, UNWIND_BP_UNKNOWN, 0, 8, 0, 0}},
        {{0x12, 7, 0x7e}, 3, {UNWIND_CFA_SP, 0, 0, 0, 16, 0, 0}},          /* def_cfa_sf: -2 * -8 */
        {{0x0f, 2, 0x35, 0x06}, 4, {UNWIND_EXPRESSION, 0, 0, 0, 0, 0, 0}}, /* *(5) */
        {{0x0f, 4, 0x77, 0, 0x06, 0x06}, 6, {UNWIND_EXPRESSION, 0, 0, 0, 0, 0, 0}},
        {{0x09, 6, 3}, 3, {UNWIND_EXPRESSION, 0, 0, 0, 0, 0, 0}}, /* bp in rbx */
    };
    struct section section = {0};
    uint32_t cie = common(&section), count = sizeof cases / sizeof *cases;
    (void)state;

    for (uint32_t i = 0; i < count; i++) {
        begin_function(&section, cie, 0x1000 * (i + 1), 0x20);
        put(&section, cases[i].program, cases[i].size);
        end(&section);
    }
    struct opened opened = open_section(&section);
    for (uint32_t i = 0; i < count; i++) {
        struct unwind_rule rule = rule_at(&opened, 0x1000 * (i + 1));
        assert_memory_equal(&rule, &cases[i].rule, sizeof rule);
    }
    close_section(&opened);
}

static bool read_double(void *context, uint64_t address, void *into, uint32_t size) {
    uint64_t value = address * 2;
    (void)context;
    memcpy(into, &value, size);
    return address < 1000;
}

static void test_expressions(void **state) {
    static const struct {
        uint8_t bytes[12], size;
        bool is_good;
        uint64_t result;
    } cases[] = {
        {{0x35, 0x37, 0x1c}, 3, true, (uint64_t)-2}, /* 5 - 7 */
        {{0x72, 0x7f}, 2, true, 9},                  /* breg2 - 1 */
        {{0x71, 0}, 2, false, 0},                    /* not known */
        {{0x35, 0x06}, 2, true, 10},
        {{0x0a, 0xff, 0xff, 0x06}, 4, false, 0}, /* no memory there */
        {{0x3a, 0x94, 1}, 3, true, 20},
        {{0x31, 0x32, 0x33, 0x17}, 4, true, 2}, /* 1 2 3 rot: 3 1 2 */
        {{0x31, 0x32, 0x16, 0x1c}, 4, true, 1}, /* 2 1 - */
        {{0x30, 0x28, 1, 0, 0x45, 0x33}, 6, true, 3},
        {{0x31, 0x28, 1, 0, 0x34, 0x35}, 6, true, 5}, /* jumps over lit4 */
        {{0x2f, 0xfd, 0xff}, 3, false, 0},            /* for ever */
        {{0x31, 0x30, 0x1b}, 3, false, 0},            /* by zero */
        {{0x09, 0x80, 0x1f}, 3, true, 128},
        {{0x22}, 1, false, 0},
        {{0x08}, 1, false, 0},
        {{0}, 0, false, 0},
    };
    struct object_machine machine = {.registers = {[2] = 10}, .known = 1 << 2, .read = read_double};
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t result;
        bool is_memory;
        struct object_expression expression = {cases[i].bytes, cases[i].size};
        assert_int_equal(object_expression_evaluate(expression, &machine, NULL, &result, &is_memory), cases[i].is_good);
        if (cases[i].is_good)
            assert_int_equal(result, cases[i].result);
    }
}

/* ---- walks --------------------------------------------------------------------------------------------------- */

struct thread {
    struct opened *opened;
    uint64_t stack[64]; /* at 0x7000 */
};

static bool read_stack(void *context, uint64_t address, void *into, uint32_t size) {
    const struct thread *thread = context;

    if (address < 0x7000 || address + size > 0x7000 + sizeof thread->stack)
        return false;
    memcpy(into, (const char *)thread->stack + (address - 0x7000), size);
    return true;
}

static enum profile_cut find(void *context, uint64_t address, struct unwind_place *place) {
    const struct thread *thread = context;

    if (address >= 0x100000 && address < 0x200000) /* made at run time */
        return PROFILE_COMPLETE;
    if (address >= 0x90000)
        return PROFILE_CUT_NO_MAP;
    *place =
        (struct unwind_place){thread->opened->table, thread->opened->table->rules, 0, thread->opened->frames, NULL};
    return PROFILE_COMPLETE;
}

static void test_walks(void **state) {
    struct section section = {0};
    uint32_t cie = common(&section), count;
    struct unwind_frame frames[8];
    enum profile_cut cut;
    (void)state;

    begin_function(&section, cie, 0x1000, 0x20); /* cfa = sp + 8 */
    end(&section);
    begin_function(&section, cie, 0x2000, 0x20); /* rbx is at cfa - 16, cfa = sp + 24 */
    PUT(&section, 0x0e, 24, 0x83, 2);
    end(&section);
    begin_function(&section, cie, 0x3000, 0x20); /* cfa = rbx + 0 */
    PUT(&section, 0x0c, 3, 0);
    end(&section);
    begin_function(&section, cie, 0x4000, 0x20); /* the end */
    PUT(&section, 0x07, 16);
    end(&section);
    begin_function(&section, cie, 0x5000, 0x20); /* leads to itself: cfa = sp + 0, return address at cfa */
    PUT(&section, 0x0e, 0, 0x11, 16, 0);
    end(&section);
    struct opened opened = open_section(&section);
    struct thread thread = {.opened = &opened};
    struct unwind_world world = {&thread, read_stack, find, NULL};
    struct unwind_registers registers = {.pc = 0x1000, .sp = 0x7000, .flags = UNWIND_EXACT | UNWIND_ALL};

    /* 1000 <- 2010 <- 3010 (needs the rbx that 2000 saved) <- 4020, the byte behind the call that ends 4000 */
    thread.stack[0] = 0x2010;
    thread.stack[2] = 0x7050; /* rbx, at 0x7010 */
    thread.stack[3] = 0x3010; /* at 0x7018 */
    thread.stack[9] = 0x4020; /* at 0x7048 */
    count = unwind_walk(&world, &registers, frames, 8, &cut);
    assert_int_equal(cut, PROFILE_COMPLETE);
    assert_int_equal(count, 4);
    assert_int_equal(frames[2].pc, 0x3010);
    assert_int_equal(frames[3].pc, 0x4020);
    assert_int_equal(frames[3].sp, 0x7050);
    assert_int_equal(unwind_walk(&world, &registers, frames, 3, &cut), 3);
    assert_int_equal(cut, PROFILE_CUT_DEPTH);

    thread.stack[9] = 0x90001; /* no code */
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 3);
    assert_int_equal(cut, PROFILE_CUT_NO_MAP);
    thread.stack[2] = 0x10000; /* a cfa outside of the stack */
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 3);
    assert_int_equal(cut, PROFILE_CUT_MEMORY);
    thread.stack[0] = 0x6000; /* a gap */
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 2);
    assert_int_equal(cut, PROFILE_CUT_NO_TABLE);
    thread.stack[0] = 0; /* nobody called */
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 1);
    assert_int_equal(cut, PROFILE_COMPLETE);

    thread.stack[0] = 0x5001;
    registers = (struct unwind_registers){.pc = 0x5001, .sp = 0x7000, .flags = 0};
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 1);
    assert_int_equal(cut, PROFILE_CUT_RULE);

    registers = (struct unwind_registers){.pc = 0x100010, .sp = 0x7000, .bp = 0x7008, .flags = UNWIND_EXACT};
    thread.stack[1] = 0x7020; /* bp */
    thread.stack[2] = 0x100020;
    thread.stack[4] = 1;
    thread.stack[5] = 0x4010;
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 3);
    assert_int_equal(cut, PROFILE_COMPLETE);
    assert_true(frames[1].by_pointer && !frames[2].by_pointer);
    registers.bp = 0x7004;
    assert_int_equal(unwind_walk(&world, &registers, frames, 8, &cut), 1);
    assert_int_equal(cut, PROFILE_CUT_POINTER);
    close_section(&opened);
}

/* A list that is full has no new rules: EXPRESSION stands for them. */
static void test_full_list(void **state) {
    struct unwind_rules rules;
    (void)state;

    unwind_rules_init(&rules);
    rules.most = UNWIND_SPECIALS + 2;
    for (int32_t i = 0; i < 2; i++)
        assert_int_equal(unwind_rules_add(&rules, &(struct unwind_rule){.cfa_kind = UNWIND_CFA_SP, .cfa_offset = i}),
                         UNWIND_SPECIALS + i);
    assert_int_equal(unwind_rules_add(&rules, &(struct unwind_rule){.cfa_kind = UNWIND_CFA_BP}), UNWIND_EXPRESSION);
    assert_int_equal(unwind_rules_add(&rules, &(struct unwind_rule){.cfa_kind = UNWIND_CFA_SP, .cfa_offset = 1}),
                     UNWIND_SPECIALS + 1);
    unwind_rules_free(&rules);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_function),  cmocka_unit_test(test_gaps_padding_pages_and_entry),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_rules),
        cmocka_unit_test(test_expressions), cmocka_unit_test(test_walks),
        cmocka_unit_test(test_full_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
