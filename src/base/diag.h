/* Diagnostics: what is wrong with the user's program, where, and what to write instead.
 *
 * Three kinds of failure are never mixed:
 *   bug           assert/BUG(): our fault, ends at once with the place in our source
 *   user error    diag_error(): position in the script, message, hint; the exit code follows from it
 *   system error  errno and which operation on what (see diag_system)
 *
 * Each user error has a tag ("undefined-variable"): its name in docs and the name of its test in tests/lang/.
 * Printed form (bpftrace's): NAME:LINE:COL-COL: ERROR: message, then the source line and a ~~~~ underline, then the
 * same with "expanded from" for each use of a macro that led there, then notes in the same form, then HINT:.
 */
#ifndef TARSIER_BASE_DIAG_H
#define TARSIER_BASE_DIAG_H

#include "base/arena.h"
#include "base/source.h"
#include "base/str.h"
#include "base/vec.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* A further place that explains the finding: where a type came from. */
struct diag_note {
    struct loc loc;
    const char *text;
};

struct diag {
    enum diag_level level;
    const char *tag;
    struct loc loc;
    const char *message;
    VEC(struct diag_note) notes;
    const char *hint; /* NULL or what to do */
};

struct diag_list {
    struct arena *arena;
    const struct source *source;
    VEC(struct diag) items;
    uint32_t error_count;
    uint32_t latest; /* the item diag_hint() adds to */
};

void diag_init(struct diag_list *list, struct arena *arena, const struct source *source);
/* Adds one finding; a second error with the same tag at the same place is dropped. */
void diag_error(struct diag_list *list, const char *tag, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_warning(struct diag_list *list, const char *tag, struct loc loc, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds a note to the latest finding; the same note only once. */
void diag_note(struct diag_list *list, struct loc loc, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds the hint to the latest finding. */
void diag_hint(struct diag_list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Leaves only errors. */
void diag_drop_warnings(struct diag_list *list);

void diag_format(const struct diag_list *list, const struct diag *diag, bool color, struct strbuf *out);
void diag_print_all(const struct diag_list *list, bool color, FILE *out);

/* How many slips a name may be away to be what was meant: one for every three characters. */
unsigned diag_near(const char *wanted);
/* The nearest of `count` names that are so near, or NULL. */
const char *diag_nearest(const char *wanted, const char *const *names, uint32_t count);

#define BUG(...) diag_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void diag_bug(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
