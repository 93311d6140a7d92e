/* The test's own process and children of it. */
#include "unit.h"

#include "object/elf.h"
#include "object/maps.h"
#include "symbol/symbol.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Long enough that an address a few bytes in is inside. */
__attribute__((noinline, used)) static int place_to_be(int x) {
    for (int i = 0; i < x; i++)
        __asm__ volatile("" : "+r"(x));
    return x;
}

static int open_cache(void **state) {
    static struct arena *arena;

    if (!*state) {
        arena = arena_new();
        *state = symbol_cache_new(arena);
        return 0;
    }
    symbol_cache_close(*state);
    arena_free(arena);
    *state = NULL;
    return 0;
}

static uint64_t address_of(int (*function)(int)) { return (uintptr_t)function; }

static void pause_ms(long ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL); }

/* The one in libc itself: a sanitizer puts its own in front. */
static uint64_t address_of_qsort(void) {
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    void *address = libc ? dlsym(libc, "qsort") : NULL;

    assert_non_null(address);
    return (uintptr_t)address;
}

/* --- our own process --- */

static void static_function_of_the_program(void **state) {
    struct symbol_name symbol;

    assert_int_equal(place_to_be(1), 1);
    assert_true(symbol_user(*state, (uint32_t)getpid(), address_of(place_to_be) + 1, &symbol));
    assert_string_equal(symbol.name, "place_to_be");
    assert_int_equal(symbol.offset, 1);
    char program[PATH_MAX] = {0};
    assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    assert_string_equal(symbol.module, program);
}

static void function_of_libc(void **state) {
    struct symbol_name symbol;

    assert_true(symbol_user(*state, (uint32_t)getpid(), address_of_qsort() + 2, &symbol));
    assert_string_equal(symbol.name, "qsort");
    assert_int_equal(symbol.offset, 2);
    assert_non_null(strstr(symbol.module, "libc.so"));
}

static void function_of_the_vdso(void **state) {
    static const char name[] = "__vdso_clock_gettime";
    uint64_t base = getauxval(AT_SYSINFO_EHDR);
    struct object_symbol wanted;
    struct symbol_name symbol;
    const char *error;

    struct arena *arena = arena_new();
    struct object_maps maps;

    assert_int_equal(object_maps_read(arena, getpid(), true, &maps), 0);
    const struct object_map *map = base ? object_maps_at(&maps, base) : NULL;
    if (!map)
        skip();
    struct object_elf *elf = object_elf_from_bytes((const void *)(uintptr_t)base, map->end - map->start, &error);
    assert_non_null(elf);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, name, &wanted));
    assert_true(symbol_user(*state, (uint32_t)getpid(), base + wanted.address, &symbol));
    assert_non_null(strstr(symbol.name, "clock_gettime")); /* it has two names */
    assert_string_equal(symbol.module, "[vdso]");
    object_elf_close(elf);
    arena_free(arena);
}

static void address_of_nothing(void **state) {
    struct strbuf out = {0};

    symbol_format_usym(*state, (uint32_t)getpid(), 0x10, &out);
    assert_string_equal(strbuf_text(&out), "0x10");
    strbuf_reset(&out);
    symbol_format_usym(*state, (uint32_t)getpid(), address_of(place_to_be), &out);
    assert_string_equal(strbuf_text(&out), "place_to_be");
    strbuf_free(&out);
}

static void process_that_never_was(void **state) {
    struct symbol_name symbol;

    assert_false(symbol_user(*state, INT32_MAX, address_of(place_to_be), &symbol));
    assert_null(symbol.name);
    assert_false(symbol_learn_process(*state, INT32_MAX));
}

static void library_that_was_loaded_later(void **state) {
    struct symbol_name symbol;

    assert_true(symbol_learn_process(*state, (uint32_t)getpid()));
    void *library = dlopen("libz.so.1", RTLD_NOW);
    void *address = library ? dlsym(library, "crc32") : NULL;
    if (!address)
        skip();
    pause_ms(20); /* mappings are believed for 10 ms */
    assert_true(symbol_user(*state, (uint32_t)getpid(), (uintptr_t)address, &symbol));
    assert_string_equal(symbol.name, "crc32");
    dlclose(library);
}

static void copy_file(const char *from, int to) {
    char bytes[65536];
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    assert_true(fd >= 0);
    while ((length = read(fd, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(to, bytes, (size_t)length), length);
    close(fd);
}

static void file_that_was_deleted(void **state) {
    char path[] = "/tmp/symbol-test-XXXXXX";
    struct object_symbol wanted;
    struct symbol_name symbol;
    const char *error;
    struct stat status;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    copy_file("/proc/self/exe", fd);
    assert_int_equal(fstat(fd, &status), 0);
    char *code = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(code, MAP_FAILED);
    close(fd);
    unlink(path);
    struct object_elf *elf = object_elf_open("/proc/self/exe", &error);
    assert_non_null(elf);
    assert_true(object_elf_find(elf, OBJECT_FUNCTIONS, "place_to_be", &wanted));
    assert_true(symbol_learn_process(*state, (uint32_t)getpid()));
    assert_true(symbol_user(*state, (uint32_t)getpid(), (uintptr_t)code + wanted.file_offset + 3, &symbol));
    assert_string_equal(symbol.name, "place_to_be");
    assert_int_equal(symbol.offset, 3);
    assert_string_equal(symbol.module, path);
    object_elf_close(elf);
    munmap(code, (size_t)status.st_size);
}

/* --- code made at run time --- */

struct jit {
    char path[64];
    uint64_t code;
};

/* Two functions of 16 bytes, f and g. */
static void make_jit(struct jit *jit) {
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(code, MAP_FAILED);
    jit->code = (uintptr_t)code;
    snprintf(jit->path, sizeof jit->path, "/tmp/perf-%d.map", getpid());
    FILE *file = fopen(jit->path, "we");
    assert_non_null(file);
    fprintf(file, "%" PRIx64 " 10 f\n%" PRIx64 " 10 g\n", jit->code, jit->code + 16);
    fclose(file);
}

static void end_jit(struct jit *jit) {
    unlink(jit->path);
    munmap((void *)(uintptr_t)jit->code, 4096);
}

static void expect_stack(struct symbol_cache *cache, const struct jit *jit, enum symbol_stack_mode mode,
                         const char *text) {
    const uint64_t ips[] = {jit->code + 4, jit->code + 16, 0x10};
    struct strbuf out = {0};

    symbol_format_user_stack(cache, (uint32_t)getpid(), ips, 3, mode, &out);
    assert_string_equal(strbuf_text(&out), text);
    strbuf_free(&out);
}

/* The second frame returns to the first byte behind f: the caller is f, not g. */
static void stack_of_jit_code_in_each_mode(void **state) {
    struct jit jit;
    char text[256];

    make_jit(&jit);
    assert_true(symbol_learn_process(*state, (uint32_t)getpid()));
    expect_stack(*state, &jit, SYMBOL_STACK_BPFTRACE, "\n        f+4\n        f+16\n        0x10\n");
    snprintf(text, sizeof text, "\n\t%" PRIx64 " f+4 (%s)\n\t%" PRIx64 " f+16 (%s)\n\t10 0x10 ([unknown])\n",
             jit.code + 4, jit.path, jit.code + 16, jit.path);
    expect_stack(*state, &jit, SYMBOL_STACK_PERF, text);
    snprintf(text, sizeof text, "\n%" PRIx64 "\n%" PRIx64 "\n10\n", jit.code + 4, jit.code + 16);
    expect_stack(*state, &jit, SYMBOL_STACK_RAW, text);
    end_jit(&jit);
}

static void running_address_is_not_looked_up_before_itself(void **state) {
    struct jit jit;
    struct strbuf out = {0};

    make_jit(&jit);
    assert_true(symbol_learn_process(*state, (uint32_t)getpid()));
    symbol_format_user_stack(*state, (uint32_t)getpid(), (const uint64_t[]){jit.code + 16}, 1, SYMBOL_STACK_BPFTRACE,
                             &out);
    assert_string_equal(strbuf_text(&out), "\n        g+0\n");
    strbuf_free(&out);
    end_jit(&jit);
}

/* --- children --- */

/* A child that waits for a byte, then runs a program or ends. */
struct child {
    pid_t pid;
    int release;
};

static struct child start_child(const char *program) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char byte;
        close(ends[1]);
        if (read(ends[0], &byte, 1) == 1 && program)
            execl(program, program, "30", (char *)NULL);
        _exit(0);
    }
    close(ends[0]);
    return (struct child){pid, ends[1]};
}

static void end_child(struct child *child) {
    kill(child->pid, SIGKILL);
    assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
    close(child->release);
}

static void names_outlive_the_process(void **state) {
    struct child child = start_child(NULL);
    struct symbol_name symbol;

    assert_true(symbol_learn_process(*state, (uint32_t)child.pid));
    end_child(&child);
    pause_ms(30); /* the cache notices that it has gone */
    assert_true(symbol_user(*state, (uint32_t)child.pid, address_of(place_to_be), &symbol));
    assert_string_equal(symbol.name, "place_to_be");
    assert_true(symbol_user(*state, (uint32_t)child.pid, address_of_qsort(), &symbol));
    assert_string_equal(symbol.name, "qsort");
    assert_false(symbol_learn_process(*state, (uint32_t)child.pid));
    assert_true(symbol_user(*state, (uint32_t)child.pid, address_of(place_to_be), &symbol));
}

static bool runs_our_program(pid_t pid) {
    char path[64];
    struct stat theirs, ours;

    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    return stat(path, &theirs) == 0 && stat("/proc/self/exe", &ours) == 0 && theirs.st_ino == ours.st_ino;
}

static void program_that_was_replaced_is_noticed(void **state) {
    struct child child = start_child("/bin/sleep");
    struct symbol_name symbol;

    assert_true(symbol_user(*state, (uint32_t)child.pid, address_of(place_to_be), &symbol));
    assert_int_equal(write(child.release, "x", 1), 1);
    for (int i = 0; i < 100 && runs_our_program(child.pid); i++)
        pause_ms(10);
    pause_ms(30); /* an identity is believed for 20 ms */
    bool is_known = symbol_user(*state, (uint32_t)child.pid, address_of(place_to_be), &symbol);
    assert_true(!is_known || strcmp(symbol.name, "place_to_be") != 0);
    end_child(&child);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_function_of_the_program),
        cmocka_unit_test(function_of_libc),
        cmocka_unit_test(function_of_the_vdso),
        cmocka_unit_test(address_of_nothing),
        cmocka_unit_test(process_that_never_was),
        cmocka_unit_test(library_that_was_loaded_later),
        cmocka_unit_test(file_that_was_deleted),
        cmocka_unit_test(stack_of_jit_code_in_each_mode),
        cmocka_unit_test(running_address_is_not_looked_up_before_itself),
        cmocka_unit_test(names_outlive_the_process),
        cmocka_unit_test(program_that_was_replaced_is_noticed),
    };

    return cmocka_run_group_tests(tests, open_cache, open_cache);
}
