/* A small ELF made by hand, changed in one place per test, and this program itself. */
#include "object/elf.h"
#include "unit.h"
#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECTIONS = 8, SYMBOLS = 7 };

/* names of sections and of symbols; the offsets are found by looking for them */
static const char section_names[] =
    "\0.symtab\0.strtab\0.shstrtab\0.note.gnu.build-id\0.gnu_debuglink\0.bss\0.gnu.version";
static const char symbol_names[] = "\0outer\0inner\0old@V1\0old@@V2\0variable\0local";

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Shdr sections[SECTIONS];
    Elf64_Sym symbols[SYMBOLS];
    char section_names[sizeof section_names], symbol_names[sizeof symbol_names];
    struct {
        Elf64_Nhdr header;
        char name[4];
        uint8_t id[4];
    } note;
    char link[16];
    uint16_t versions[SYMBOLS];
};

static uint32_t offset_in(const char *names, size_t size, const char *name) {
    const char *found = memmem(names, size, name, strlen(name) + 1);
    return (uint32_t)(found - names);
}

static void set_section(struct image *image, int index, const char *name, uint32_t type, const void *content,
                        size_t size) {
    image->sections[index] = (Elf64_Shdr){.sh_name = offset_in(section_names, sizeof section_names, name),
                                          .sh_type = type,
                                          .sh_offset = (uint64_t)((const char *)content - (const char *)image),
                                          .sh_size = size};
}

static Elf64_Sym symbol(const char *name, unsigned bind, unsigned type, uint64_t value, uint64_t size) {
    return (Elf64_Sym){.st_name = offset_in(symbol_names, sizeof symbol_names, name),
                       .st_info = (unsigned char)ELF64_ST_INFO(bind, type),
                       .st_shndx = 1,
                       .st_value = value,
                       .st_size = size};
}

static struct image *make_image(void) {
    struct image *image = calloc(1, sizeof *image);

    memcpy(image->header.e_ident, ELFMAG, SELFMAG);
    image->header.e_ident[EI_CLASS] = ELFCLASS64;
    image->header.e_ident[EI_DATA] = ELFDATA2LSB;
    image->header.e_type = ET_DYN;
    image->header.e_machine = EM_X86_64;
    image->header.e_phoff = offsetof(struct image, segments);
    image->header.e_phnum = 2;
    image->header.e_phentsize = sizeof(Elf64_Phdr);
    image->header.e_shoff = offsetof(struct image, sections);
    image->header.e_shnum = SECTIONS;
    image->header.e_shentsize = sizeof(Elf64_Shdr);
    image->header.e_shstrndx = 3;
    image->segments[0] = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x401000, .p_offset = 0x1000, .p_filesz = 0x800};
    image->segments[0].p_memsz = 0x1000;
    memcpy(image->section_names, section_names, sizeof section_names);
    memcpy(image->symbol_names, symbol_names, sizeof symbol_names);
    set_section(image, 1, ".symtab", SHT_SYMTAB, image->symbols, sizeof image->symbols);
    image->sections[1].sh_entsize = sizeof(Elf64_Sym);
    image->sections[1].sh_link = 2;
    set_section(image, 2, ".strtab", SHT_STRTAB, image->symbol_names, sizeof image->symbol_names);
    set_section(image, 3, ".shstrtab", SHT_STRTAB, image->section_names, sizeof image->section_names);
    set_section(image, 4, ".note.gnu.build-id", SHT_NOTE, &image->note, sizeof image->note);
    set_section(image, 5, ".gnu_debuglink", SHT_PROGBITS, image->link, sizeof image->link);
    set_section(image, 6, ".bss", SHT_NOBITS, image->link, sizeof image->link);
    set_section(image, 7, ".gnu.version", SHT_GNU_versym, image->versions, sizeof image->versions);
    image->symbols[1] = symbol("outer", STB_GLOBAL, STT_FUNC, 0x401100, 0x100);
    image->symbols[2] = symbol("inner", STB_LOCAL, STT_FUNC, 0x401140, 0x10);
    image->symbols[3] = symbol("old@V1", STB_GLOBAL, STT_FUNC, 0x401300, 0x10);
    image->symbols[4] = symbol("old@@V2", STB_GLOBAL, STT_GNU_IFUNC, 0x401400, 0x10);
    image->symbols[5] = symbol("variable", STB_GLOBAL, STT_OBJECT, 0x401900, 4);
    image->symbols[6] = symbol("local", STB_LOCAL, STT_FUNC, 0x401500, 0);
    image->note.header = (Elf64_Nhdr){4, 4, NT_GNU_BUILD_ID};
    memcpy(image->note.name, "GNU", 4);
    memcpy(image->note.id, "\xde\xad\xbe\xef", 4);
    strcpy(image->link, "a.debug");
    return image;
}

static int set_up(void **state) {
    *state = make_image();
    return 0;
}

static int tear_down(void **state) {
    free(*state);
    return 0;
}

static struct object_elf *open_image(struct image *image) {
    const char *error = NULL;
    return object_elf_from_bytes(image, sizeof *image, &error);
}

static void name_gives_address_and_file_offset(void **state) {
    struct object_symbol found;
    struct object_elf *elf = open_image(*state);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "outer", &found));
    assert_int_equal(found.address, 0x401100);
    assert_int_equal(found.size, 0x100);
    assert_int_equal(found.file_offset, 0x1100);
    assert_true(found.is_global);
    assert_false(object_elf_find(elf, OBJECT_FUNCTIONS, "oute", &found));
    assert_false(object_elf_find(elf, OBJECT_FUNCTIONS, "", &found));
    object_elf_close(elf);
}

static void data_is_found_only_on_request(void **state) {
    struct object_symbol found;
    struct object_elf *elf = open_image(*state);
    assert_false(object_elf_find(elf, OBJECT_FUNCTIONS, "variable", &found));
    assert_true(object_elf_find(elf, OBJECT_DATA, "variable", &found));
    assert_int_equal(found.file_offset, UINT64_MAX); /* behind the part of the segment that is in the file */
    object_elf_close(elf);
}

static void current_version_comes_before_an_old_one(void **state) {
    struct object_symbol found;
    struct object_elf *elf = open_image(*state);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "old", &found));
    assert_int_equal(found.address, 0x401400);
    assert_int_equal(found.name_length, 3);
    assert_true(found.is_ifunc);
    object_elf_close(elf);
}

static void hidden_version_of_a_dynamic_symbol_is_the_old_one(void **state) {
    struct image *image = *state;
    struct object_symbol found;
    image->sections[1].sh_type = SHT_DYNSYM;
    image->symbols[1].st_name = image->symbols[5].st_name;
    image->symbols[4].st_name = image->symbols[5].st_name;
    image->versions[1] = 0x8002;
    image->versions[4] = 0x0003;
    struct object_elf *elf = open_image(image);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "variable", &found));
    assert_int_equal(found.address, 0x401400);
    object_elf_close(elf);
}

static void address_gives_the_innermost_symbol(void **state) {
    struct object_symbol found;
    struct object_elf *elf = open_image(*state);
    assert_true(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401145, &found));
    assert_memory_equal(found.name, "inner", 6);
    assert_true(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401150, &found));
    assert_memory_equal(found.name, "outer", 6);
    assert_false(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401200, &found));
    assert_false(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x400000, &found));
    object_elf_close(elf);
}

static void symbol_without_size_reaches_to_the_end_of_its_segment(void **state) {
    struct object_symbol found;
    struct object_elf *elf = open_image(*state);
    assert_true(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401fff, &found));
    assert_string_equal(found.name, "local");
    assert_false(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x402000, &found));
    object_elf_close(elf);
}

static void global_symbol_is_preferred_at_one_address(void **state) {
    struct image *image = *state;
    struct object_symbol found;
    image->symbols[2].st_value = 0x401100;
    struct object_elf *elf = open_image(image);
    assert_true(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401100, &found));
    assert_string_equal(found.name, "outer");
    object_elf_close(elf);
}

static void offsets_and_addresses_convert(void **state) {
    uint64_t number = 0;
    struct object_elf *elf = open_image(*state);
    assert_true(object_elf_offset_of(elf, 0x401010, &number));
    assert_int_equal(number, 0x1010);
    assert_true(object_elf_address_of(elf, 0x17ff, &number));
    assert_int_equal(number, 0x4017ff);
    assert_false(object_elf_address_of(elf, 0x1800, &number));
    assert_false(object_elf_offset_of(elf, 0x400fff, &number));
    object_elf_close(elf);
}

static void sections_and_notes_are_read(void **state) {
    uint32_t id_size;
    size_t size;
    struct object_elf *elf = open_image(*state);
    const uint8_t *id = object_elf_build_id(elf, &id_size);
    assert_int_equal(id_size, 4);
    assert_memory_equal(id, "\xde\xad\xbe\xef", 4);
    assert_string_equal(object_elf_debug_link(elf), "a.debug");
    assert_non_null(object_elf_section(elf, ".strtab", &size, NULL));
    assert_int_equal(size, sizeof symbol_names);
    assert_null(object_elf_section(elf, ".bss", &size, NULL));
    assert_null(object_elf_section(elf, ".absent", &size, NULL));
    object_elf_close(elf);
}

static bool count_one(void *context, const struct object_symbol *found) {
    (void)found;
    return ++*(int *)context < 3;
}

static void callback_ends_the_list(void **state) {
    int count = 0;
    struct object_elf *elf = open_image(*state);
    object_elf_each(elf, OBJECT_FUNCTIONS, count_one, &count);
    assert_int_equal(count, 3);
    object_elf_close(elf);
}

/* Broken input. */

static void other_files_are_refused(void **state) {
    struct image *image = *state;
    const char *error = NULL;
    assert_null(object_elf_from_bytes(image, 10, &error));
    assert_non_null(error);
    image->header.e_ident[EI_CLASS] = ELFCLASS32;
    assert_null(open_image(image));
    image->header.e_ident[0] = 0;
    assert_null(open_image(image));
}

static void program_headers_outside_are_refused(void **state) {
    struct image *image = *state;
    image->header.e_phoff = UINT64_MAX - 8;
    assert_null(open_image(image));
}

static bool has_symbols(struct image *image) {
    int count = 0;
    struct object_elf *elf = open_image(image);
    object_elf_each(elf, OBJECT_FUNCTIONS | OBJECT_DATA, count_one, &count);
    object_elf_close(elf);
    return count;
}

static void tables_outside_of_the_file_are_empty(void **state) {
    struct image *image = *state, good = *image;
    assert_true(has_symbols(image));
    image->sections[1].sh_size = UINT64_MAX / 2;
    assert_false(has_symbols(image));
    *image = good;
    image->sections[1].sh_offset = UINT64_MAX - 4;
    assert_false(has_symbols(image));
    *image = good;
    image->sections[1].sh_link = 99;
    assert_false(has_symbols(image));
    *image = good;
    image->sections[2].sh_size = sizeof *image;
    assert_false(has_symbols(image));
    *image = good;
    image->header.e_shoff = sizeof *image;
    assert_false(has_symbols(image));
    *image = good;
    image->header.e_shnum = 0; /* then the count is the size of the first section */
    image->sections[0].sh_size = UINT64_MAX;
    assert_false(has_symbols(image));
}

static void symbol_name_outside_of_the_strings_is_none(void **state) {
    struct image *image = *state;
    struct object_symbol found;
    for (int i = 0; i < SYMBOLS; i++)
        image->symbols[i].st_name = UINT32_MAX;
    struct object_elf *elf = open_image(image);
    assert_false(object_elf_find(elf, OBJECT_FUNCTIONS, "outer", &found));
    assert_false(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, 0x401100, &found));
    object_elf_close(elf);
}

static void broken_notes_have_no_build_id(void **state) {
    struct image *image = *state;
    uint32_t size;
    image->note.header.n_descsz = UINT32_MAX;
    struct object_elf *elf = open_image(image);
    assert_null(object_elf_build_id(elf, &size));
    object_elf_close(elf);
    image->note.header.n_namesz = UINT32_MAX;
    elf = open_image(image);
    assert_null(object_elf_build_id(elf, &size));
    object_elf_close(elf);
}

static void debug_link_must_be_a_file_name(void **state) {
    struct image *image = *state;
    memcpy(image->link, "../../etc/passwd", 16);
    struct object_elf *elf = open_image(image);
    assert_null(object_elf_debug_link(elf));
    object_elf_close(elf);
}

static void segment_that_wraps_is_left_out(void **state) {
    struct image *image = *state;
    uint32_t count;
    image->segments[0].p_memsz = UINT64_MAX;
    struct object_elf *elf = open_image(image);
    object_elf_segments(elf, &count);
    assert_int_equal(count, 0);
    object_elf_close(elf);
}

static void file_shortened_after_open_is_no_crash(void **state) {
    char path[] = "/tmp/object_elf_XXXXXX";
    const char *error = NULL;
    struct object_symbol found;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, *state, sizeof(struct image)), sizeof(struct image));
    struct object_elf *elf = object_elf_open(path, &error);
    assert_non_null(elf);
    assert_int_equal(ftruncate(fd, 64), 0);
    assert_false(object_elf_find(elf, OBJECT_FUNCTIONS, "outer", &found));
    object_elf_close(elf);
    close(fd);
    unlink(path);
}

static void only_regular_files_are_opened(void **state) {
    const char *error = NULL;
    (void)state;
    assert_null(object_elf_open("/dev/zero", &error));
    assert_string_equal(error, "not a regular file");
    assert_null(object_elf_open("/nonexistent", &error));
    assert_string_equal(error, "no such file");
}

__attribute__((noinline)) void object_elf_test_function(void) { __asm__ volatile("nop"); }

static void this_program_has_its_symbols(void **state) {
    const char *error = NULL;
    struct object_symbol found, again;
    (void)state;
    object_elf_test_function();
    struct object_elf *elf = object_elf_open("/proc/self/exe", &error);
    assert_non_null(elf);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "object_elf_test_function", &found));
    assert_true(object_elf_symbol_at(elf, OBJECT_FUNCTIONS, found.address + 1, &again));
    assert_string_equal(again.name, "object_elf_test_function");
    object_elf_close(elf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(name_gives_address_and_file_offset),
        TEST(data_is_found_only_on_request),
        TEST(current_version_comes_before_an_old_one),
        TEST(hidden_version_of_a_dynamic_symbol_is_the_old_one),
        TEST(address_gives_the_innermost_symbol),
        TEST(symbol_without_size_reaches_to_the_end_of_its_segment),
        TEST(global_symbol_is_preferred_at_one_address),
        TEST(offsets_and_addresses_convert),
        TEST(sections_and_notes_are_read),
        TEST(callback_ends_the_list),
        TEST(other_files_are_refused),
        TEST(program_headers_outside_are_refused),
        TEST(tables_outside_of_the_file_are_empty),
        TEST(symbol_name_outside_of_the_strings_is_none),
        TEST(broken_notes_have_no_build_id),
        TEST(debug_link_must_be_a_file_name),
        TEST(segment_that_wraps_is_left_out),
        TEST(file_shortened_after_open_is_no_crash),
        TEST(only_regular_files_are_opened),
        TEST(this_program_has_its_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
