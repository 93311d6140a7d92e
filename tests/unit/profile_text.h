/* Profiles for tests, and what a format makes of them. */
#ifndef TARSIER_TESTS_PROFILE_TEXT_H
#define TARSIER_TESTS_PROFILE_TEXT_H

#include "base/str.h"
#include "unit.h"
#include "view/profile_format.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static inline uint32_t frame_of(struct profile *p, const char *name, const char *module, uint16_t kind,
                                uint64_t address) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.name = profile_text(p, name);
    frame.module = module ? profile_module(p, module, NULL, 0) : 0;
    frame.kind = kind;
    frame.address = address;
    return profile_frame(p, &frame);
}

static inline void sample_at(struct profile *p, uint32_t thread, uint32_t node, uint64_t weight) {
    profile_sample(
        p, &(struct profile_sample){
               .time = PROFILE_NO_TIME, .weight = weight, .thread = thread, .node = node, .count = (uint32_t)weight});
    p->badge.taken += weight;
}

/* The whole file; the caller frees it. */
static inline char *written(const char *ending, struct profile *p, const struct profile_picture *picture,
                            size_t *size) {
    const struct profile_format *format = profile_format_of(ending);
    int fd = memfd_create("profile", 0);
    assert_non_null(format);
    assert_int_equal(profile_write(format, p, picture, fd), 0);
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)length + 1);
    assert_int_equal(pread(fd, text, (size_t)length, 0), length);
    close(fd);
    if (size)
        *size = (size_t)length;
    return text;
}

#endif
