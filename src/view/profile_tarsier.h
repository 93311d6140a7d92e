/* Our own file of a profile, written while samples come: base/profile_layout.h is the format. */
#ifndef TARSIER_VIEW_PROFILE_TARSIER_H
#define TARSIER_VIEW_PROFILE_TARSIER_H

#include "base/profile.h"
#include "view/output.h"

struct profile_appender;

struct profile_appender *profile_appender_new(struct view_output *out);
/* What has been added to the profile since the last time. */
void profile_append(struct profile_appender *appender, const struct profile *profile);
/* A sample of the profile that goes to the file alone, with the next profile_append(): after the first one, those that
 * the profile keeps are left out. So a long run has its times in the file and small sums in memory. */
void profile_append_sample(struct profile_appender *appender, const struct profile_sample *sample);
/* The rest and the mark of a whole file; frees the appender. */
void profile_append_end(struct profile_appender *appender, const struct profile *profile);
void profile_appender_free(struct profile_appender *appender); /* without that mark */

#endif
