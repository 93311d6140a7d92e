/* Profiles to files: what all commands with -o share. */
#ifndef TARSIER_CLI_PROFILE_FILE_H
#define TARSIER_CLI_PROFILE_FILE_H

#include "view/profile_format.h"

/* The format for a file's name. NULL: there is none, and the user has been told which there are. Ask before any work is
 * done. */
const struct profile_format *cli_profile_format(const char *path);
/* Writes the file ("-": standard output); the exit code. An error has been told. */
int cli_save_profile(const struct profile_format *format, struct profile *profile,
                     const struct profile_picture *picture, const char *path);

#endif
