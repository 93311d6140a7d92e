/* Profiles from files: ours and those of other tools.
 *
 * A reader is a row in profile_readers. A file is taken by what it holds, not by its name: the first reader that
 * recognises the bytes reads them. Files are hostile: each reader checks what it takes, gives up with a sentence, and
 * is a fuzz target.
 *
 * To add a reader: src/profile/read_NAME.c (source of the format on top), its two functions below, its row in read.c in
 * front of those that recognise more, tests/fuzz/fuzz_profile_NAME.c.
 */
#ifndef TARSIER_PROFILE_READ_H
#define TARSIER_PROFILE_READ_H

#include "base/profile.h"

struct profile_read_options {
    bool with_times;   /* keep when each sample was, if the file tells */
    const char *event; /* of a file with several: this one; NULL: the first that has samples */
};

struct profile_reader {
    const char *name; /* as messages call it */
    /* By the bytes at the front; size may be 0. */
    bool (*recognises)(const uint8_t *bytes, size_t size);
    /* Fills an empty profile. False: *error (in the profile's arena) tells what is wrong, and where. */
    bool (*read)(struct profile *profile, const uint8_t *bytes, size_t size, const struct profile_read_options *options,
                 const char **error);
};
extern const struct profile_reader profile_readers[];
extern const unsigned profile_reader_count;

/* The profile in a file ("-": standard input). NULL: *error tells why, as a sentence with the file's name. */
struct profile *profile_read(struct arena *arena, const char *path, const struct profile_read_options *options,
                             const char **error);

bool profile_is_tarsier(const uint8_t *bytes, size_t size);
bool profile_read_tarsier(struct profile *profile, const uint8_t *bytes, size_t size,
                          const struct profile_read_options *options, const char **error);
bool profile_is_folded(const uint8_t *bytes, size_t size);
bool profile_read_folded(struct profile *profile, const uint8_t *bytes, size_t size,
                         const struct profile_read_options *options, const char **error);
bool profile_is_pprof(const uint8_t *bytes, size_t size);
bool profile_read_pprof(struct profile *profile, const uint8_t *bytes, size_t size,
                        const struct profile_read_options *options, const char **error);
bool profile_is_perf(const uint8_t *bytes, size_t size);
bool profile_read_perf(struct profile *profile, const uint8_t *bytes, size_t size,
                       const struct profile_read_options *options, const char **error);

#endif
