/* Constants that are macros in C, so that no type information of the kernel has them: AF_INET, TASK_RUNNING, EINTR, ...
 */
#ifndef TARSIER_LANG_CONSTANTS_H
#define TARSIER_LANG_CONSTANTS_H

#include <stdbool.h>
#include <stdint.h>

bool lang_find_named_constant(const char *name, int64_t *value);

#endif
