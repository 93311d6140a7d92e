/* Our own file of a profile: what was written is read, in pieces or at once; what is damaged is told. */
#include "base/crc32.h"
#include "base/profile_layout.h"
#include "profile/read.h"
#include "unit.h"
#include "view/profile_format.h"
#include "view/profile_tarsier.h"
#include <sys/mman.h>
#include <unistd.h>

static uint32_t add_node(struct profile *p, uint32_t parent, const char *name, enum profile_frame_kind kind) {
    static const uint8_t build_id[20] = {1, 2, 3};
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.name = profile_text(p, name);
    frame.module = profile_module(p, "/usr/bin/program", build_id, sizeof build_id);
    frame.file = profile_text(p, "program.c");
    frame.line = 300;
    frame.address = 0x123456789abcdef0;
    frame.offset = 0x80;
    frame.kind = (uint16_t)kind;
    frame.inlined = kind == PROFILE_SCRIPT;
    return profile_node(p, parent, profile_frame(p, &frame));
}

static void sample(struct profile *p, uint64_t time, uint32_t node, uint64_t weight, uint32_t cpu) {
    uint32_t thread = profile_thread(p, &(struct profile_thread){10, 11, profile_text(p, "comm"), 0});
    profile_sample(p, &(struct profile_sample){time, weight, thread, node, cpu, 1});
    p->badge.taken++;
    p->badge.cut[PROFILE_CUT_MEMORY]++;
}

static struct profile *example(struct arena *arena) {
    struct profile *p = profile_new(arena);
    uint32_t main = add_node(p, 0, "main", PROFILE_USER), work = add_node(p, main, "work", PROFILE_SCRIPT);
    add_node(p, work, "", PROFILE_UNNAMED);
    sample(p, 5000000000, work, 7, 3);
    sample(p, 4999999999, main, UINT32_MAX, UINT32_MAX);
    sample(p, PROFILE_NO_TIME, work, 3, 0);
    p->badge.lost = 9;
    p->badge.without_user = 1;
    p->event = "cpu-clock";
    p->unit = "ns";
    p->command = "program --now";
    p->host = "here";
    p->period_ns = 10101010;
    p->start_ns = 1700000000000000000;
    p->duration_ns = 1;
    p->cpus = 2;
    return p;
}

static void assert_equal(const struct profile *a, const struct profile *b) {
    assert_int_equal(a->strings.count, b->strings.count);
    for (uint32_t i = 0; i < a->strings.count; i++)
        assert_string_equal(a->strings.data[i], b->strings.data[i]);
    assert_int_equal(a->modules.count, b->modules.count);
    assert_memory_equal(a->modules.data, b->modules.data, a->modules.count * sizeof *a->modules.data);
    assert_int_equal(a->frames.count, b->frames.count);
    assert_memory_equal(a->frames.data, b->frames.data, a->frames.count * sizeof *a->frames.data);
    assert_int_equal(a->nodes.count, b->nodes.count);
    assert_memory_equal(a->nodes.data, b->nodes.data, a->nodes.count * sizeof *a->nodes.data);
    assert_int_equal(a->threads.count, b->threads.count);
    assert_memory_equal(a->threads.data, b->threads.data, a->threads.count * sizeof *a->threads.data);
    assert_int_equal(a->samples.count, b->samples.count);
    for (uint32_t i = 0; i < a->samples.count; i++) {
        const struct profile_sample *x = &a->samples.data[i], *y = &b->samples.data[i];
        assert_true(x->time == y->time && x->weight == y->weight && x->thread == y->thread && x->node == y->node);
        assert_true(x->cpu == y->cpu && x->count == y->count);
    }
    assert_memory_equal(&a->badge, &b->badge, sizeof a->badge);
    assert_string_equal(a->event, b->event);
    assert_string_equal(a->unit, b->unit);
    assert_string_equal(a->command, b->command);
    assert_string_equal(a->host, b->host);
    assert_true(a->period_ns == b->period_ns && a->start_ns == b->start_ns && a->duration_ns == b->duration_ns);
    assert_int_equal(a->cpus, b->cpus);
}

struct file {
    int fd;
    struct view_output *out;
    uint8_t *bytes;
    size_t size;
};

static struct file new_file(void) {
    struct file file = {.fd = memfd_create("profile", 0)};
    file.out = view_output_new(file.fd, VIEW_BUFFER_FULL);
    return file;
}

static void map_file(struct file *file) {
    view_output_flush(file->out);
    file->size = (size_t)lseek(file->fd, 0, SEEK_END);
    file->bytes = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->fd, 0);
    assert_true(file->bytes != MAP_FAILED);
}

static void end_file(struct file *file) {
    munmap(file->bytes, file->size);
    view_output_free(file->out);
    close(file->fd);
}

static void read_again(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = example(arena), *again = profile_new(arena);
    struct file file = new_file();
    const char *error = NULL;
    (void)state;
    profile_write_tarsier(p, NULL, file.out);
    map_file(&file);
    assert_true(profile_is_tarsier(file.bytes, file.size));
    assert_true(profile_read_tarsier(again, file.bytes, file.size, NULL, &error));
    assert_equal(p, again);
    assert_null(again->damage);
    end_file(&file);
    arena_free(arena);
}

static void written_in_pieces(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = example(arena), *again = profile_new(arena), *half = profile_new(arena);
    struct file file = new_file();
    struct profile_appender *appender = profile_appender_new(file.out);
    const char *error = NULL;
    (void)state;
    profile_append(appender, p);
    view_output_flush(file.out);
    size_t first = (size_t)lseek(file.fd, 0, SEEK_END);
    uint32_t more = add_node(p, 1, "later", PROFILE_KERNEL);
    sample(p, PROFILE_NO_TIME, 2, 30, 0); /* adds to one that is in the file */
    sample(p, PROFILE_NO_TIME, more, 1, 0);
    sample(p, 6000000000, more, 1, 0);
    profile_append_end(appender, p);
    map_file(&file);
    assert_true(profile_read_tarsier(again, file.bytes, file.size, NULL, &error));
    assert_equal(p, again);
    /* a crash after the first piece */
    assert_true(profile_read_tarsier(half, file.bytes, first + 5, NULL, &error));
    assert_equal(example(arena), half);
    assert_non_null(half->damage);
    end_file(&file);
    arena_free(arena);
}

static void cut_and_damaged(void **state) {
    struct arena *arena = arena_new();
    struct file file = new_file();
    (void)state;
    profile_write_tarsier(example(arena), NULL, file.out);
    map_file(&file);
    for (size_t size = 0; size < file.size; size++) {
        struct profile *p = profile_new(arena);
        const char *error = NULL;
        bool read = profile_read_tarsier(p, file.bytes, size, NULL, &error);
        assert_true(read ? p->damage != NULL : error != NULL);
    }
    for (size_t at = PROFILE_FILE_HEADER; at < file.size; at++) {
        struct profile *p = profile_new(arena);
        const char *error = NULL;
        file.bytes[at] ^= 0x10;
        bool read = profile_read_tarsier(p, file.bytes, file.size, NULL, &error);
        assert_true(read ? p->damage != NULL : error != NULL);
        file.bytes[at] ^= 0x10;
    }
    end_file(&file);
    arena_free(arena);
}

/* A block of a kind that only a newer version knows is passed over. */
static void a_newer_block(void **state) {
    struct arena *arena = arena_new();
    struct profile *p = example(arena), *again = profile_new(arena);
    struct file file = new_file();
    struct profile_appender *appender = profile_appender_new(file.out);
    const char *error = NULL;
    uint32_t header[3] = {99, 5, 0};
    (void)state;
    header[2] = crc32_add(crc32_add(0, header, 8), "12345", 5);
    profile_append(appender, p);
    view_output_write(file.out, header, sizeof header);
    view_output_write(file.out, "12345", 5);
    profile_append_end(appender, p);
    map_file(&file);
    assert_true(profile_read_tarsier(again, file.bytes, file.size, NULL, &error));
    assert_equal(p, again);
    end_file(&file);
    arena_free(arena);
}

static void crc_is_that_of_gzip(void **state) {
    uint8_t bytes[100];
    (void)state;
    assert_int_equal(crc32_add(0, "123456789", 9), 0xcbf43926);
    for (int i = 0; i < 100; i++)
        bytes[i] = (uint8_t)(i * 37);
    assert_int_equal(crc32_add(crc32_add(0, bytes, 41), bytes + 41, 59), crc32_add(0, bytes, 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_again),    cmocka_unit_test(written_in_pieces),   cmocka_unit_test(cut_and_damaged),
        cmocka_unit_test(a_newer_block), cmocka_unit_test(crc_is_that_of_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
