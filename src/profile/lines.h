/* Source lines, and the calls that the compiler inlined, from the debug information of the modules: the files
 * themselves or their separate debug files, with the build id that the profile knows.
 */
#ifndef TARSIER_PROFILE_LINES_H
#define TARSIER_PROFILE_LINES_H

#include "base/profile.h"
#include <stdbool.h>

/* A copy of the profile whose frames know file and line where there is debug information; with_inlines: an inlined call
 * is a frame of its own, inside of the function that has the code. Each different address is looked up once. */
struct profile *profile_with_lines(struct arena *arena, const struct profile *profile, bool with_inlines);

#endif
