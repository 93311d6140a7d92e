/* While `tarsier profile` samples: the summary on a terminal, and our own file, which is written as samples come, so
 * that a long run needs no memory for it and a crash loses a second. */
#ifndef TARSIER_CLI_PROFILE_LIVE_H
#define TARSIER_CLI_PROFILE_LIVE_H

#include "profile/sample.h"
#include "view/profile_format.h"
#include "view/profile_tarsier.h"

struct profile_live {
    bool draws;       /* standard error is a terminal */
    const char *path; /* of the result; NULL: none */
    uint64_t began;
    uint32_t lines; /* drawn so far, to be drawn over */
    int fd;         /* of our own file */
    struct view_output *out;
    struct profile_appender *appender; /* NULL: another format */
};

/* Sets what the sampling calls. False: the file cannot be written, and the user has been told. */
bool cli_live_begin(struct profile_live *live, const struct profile_format *format, struct profile_sampling *sampling);
void cli_live_end(struct profile_live *live); /* the summary goes away */
/* SESSION_OK, or SESSION_OUTPUT_ERROR with a message. */
int cli_live_end_file(struct profile_live *live, const struct profile *profile);
void cli_live_close(struct profile_live *live);

#endif
