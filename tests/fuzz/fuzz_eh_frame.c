/* Call frame information from arbitrary bytes: an ELF file, or the content of .eh_frame, in a file made around it. The
 * table that comes out has the form that the kernel relies on, and walks over the same bytes as a stack end. */
#include "../unit/eh_frame_file.h"
#include "unwind/cache.h"
#include "unwind/walk.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES_MOST = 64, ASKED = 48 };

#define REQUIRE(condition)                                                                                             \
    if (!(condition))                                                                                                  \
    __builtin_trap()

struct input {
    const uint8_t *bytes;
    size_t size;
    struct unwind_table *table;
    struct unwind_rule *rules;
    struct object_eh_frame *frames;
};

/* Memory is the input, over and over, but for what lies high. */
static bool read_memory(void *context, uint64_t address, void *into, uint32_t size) {
    const struct input *input = context;

    if (address >> 40 || input->size < 8)
        return false;
    for (uint32_t i = 0; i < size; i++)
        ((uint8_t *)into)[i] = input->bytes[(address + i) % input->size];
    return true;
}

static enum profile_cut find(void *context, uint64_t address, struct unwind_place *place) {
    const struct input *input = context;

    if (address >> 34)
        return PROFILE_CUT_NO_MAP;
    *place = (struct unwind_place){address >> 33 ? NULL : input->table, input->rules, 0, input->frames, NULL};
    return PROFILE_COMPLETE;
}

static void check_table(const struct unwind_table *table, uint32_t rule_count) {
    REQUIRE(table->page_start[0] == 0 && table->page_start[table->page_count] == table->row_count);
    for (uint32_t page = 0; page < table->page_count; page++) {
        uint32_t first = table->page_start[page], end = table->page_start[page + 1];
        REQUIRE(first < end && end - first <= UNWIND_PAGE_ROWS);
        REQUIRE(UNWIND_ROW_LOW(table->rows[first]) == 0);
        for (uint32_t i = first; i < end; i++) {
            REQUIRE(UNWIND_ROW_RULE(table->rows[i]) < rule_count);
            REQUIRE(i == first || UNWIND_ROW_LOW(table->rows[i]) > UNWIND_ROW_LOW(table->rows[i - 1]));
        }
    }
    for (uint32_t i = 1; i < table->function_count; i++)
        REQUIRE(table->functions[i] > table->functions[i - 1]);
}

static uint64_t take(const struct input *input, size_t at) {
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)input->bytes[(at + i) % input->size] << 8 * i;
    return value;
}

/* What the rows say is what the bytecode says. */
static void check_row(const struct input *input, uint64_t address) {
    struct object_cfi_row row;
    uint64_t start;
    uint32_t number = unwind_table_rule_at(input->table, address);

    unwind_table_function_at(input->table, address, &start);
    if (object_eh_frame_row_at(input->frames, address, &row))
        REQUIRE(row.start <= address && address < row.end);
    REQUIRE(number < UNWIND_RULES_MOST);
}

static void ask(struct input *input) {
    struct unwind_world world = {input, read_memory, find, NULL};
    struct unwind_registers registers;
    struct unwind_frame found[FRAMES_MOST];
    enum profile_cut cut;
    uint32_t count;
    const struct object_fde *functions = object_eh_frame_functions(input->frames, &count);

    for (uint32_t i = 0; i < ASKED && count; i++) {
        const struct object_fde *fde = &functions[i % count];
        uint64_t word = take(input, i * 8), address = fde->start + word % fde->size;
        check_row(input, address);
        for (unsigned k = 0; k < UNWIND_REGISTERS; k++)
            registers.registers[k] = take(input, i + k) & 0xffffffffff;
        registers.pc = address;
        registers.sp = word & 0xffffffff;
        registers.bp = registers.sp + (word >> 40 & 0xfff8);
        registers.flags = i & 1 ? UNWIND_EXACT | UNWIND_ALL : 0;
        uint32_t frames = unwind_walk(&world, &registers, found, FRAMES_MOST, &cut);
        REQUIRE(frames >= 1 && frames <= FRAMES_MOST && cut < PROFILE_CUTS);
    }
}

/* What is written is read as the same. */
static void check_form_on_disk(const struct unwind_table *table) {
    size_t size;
    void *bytes = unwind_table_to_bytes(table, &size);
    struct unwind_table *again = unwind_table_from_bytes(bytes, size);

    REQUIRE(again && again->row_count == table->row_count && again->function_count == table->function_count);
    unwind_table_free(again);
    free(bytes);
}

static void look_into(struct object_elf *elf, struct input *input) {
    const char *reason;
    struct unwind_rules rules;

    input->frames = object_eh_frame_open(elf, &reason);
    input->table = unwind_table_build(elf, &reason);
    unwind_rules_init(&rules);
    if (input->table && input->frames) {
        check_table(input->table, input->table->rule_count);
        check_form_on_disk(input->table);
        unwind_table_share(input->table, &rules);
        check_table(input->table, rules.count);
        input->rules = rules.items;
        ask(input);
    }
    unwind_table_free(input->table);
    object_eh_frame_close(input->frames);
    unwind_rules_free(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *error;
    bool is_elf = size >= 4 && memcmp(bytes, ELFMAG, SELFMAG) == 0;
    struct eh_frame_file *wrapped = is_elf ? NULL : eh_frame_file(bytes, size);
    struct object_elf *elf =
        object_elf_from_bytes(is_elf ? bytes : (void *)wrapped, is_elf ? size : sizeof *wrapped + size, &error);
    struct input input = {.bytes = bytes, .size = size};

    if (elf && size)
        look_into(elf, &input);
    object_elf_close(elf);
    free(wrapped);
    return 0;
}
