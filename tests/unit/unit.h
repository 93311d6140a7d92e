/* cmocka with the headers it wants in front of it. */
#ifndef TARSIER_TESTS_UNIT_H
#define TARSIER_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
