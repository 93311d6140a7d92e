/* The text of a script, and where a position in it comes from.
 *
 * A position is one number for everything that a script is made of:
 *
 *   0 ..                    the script itself
 *   .. SOURCE_EXPANSIONS    files that it includes or imports, one behind the other in `text`
 *   SOURCE_EXPANSIONS ..    expansions: the text of a macro once more for each use; no bytes of its own
 *
 * So a struct loc alone tells the file, the line, and through which uses of macros the text came there; nodes and
 * messages carry nothing else. Parts are a byte apart, so that the end of one is not the start of the next.
 */
#ifndef TARSIER_BASE_SOURCE_H
#define TARSIER_BASE_SOURCE_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

enum { SOURCE_EXPANSIONS = 1 << 30 };

/* Half-open byte range of positions. {0,0} means "no place". */
struct loc {
    uint32_t begin, end;
};

struct source_map;
struct source {
    const char *name; /* file name; "stdin" for -e and - as bpftrace prints it */
    const char *text;
    uint32_t size;          /* of the text, with all files */
    struct source_map *map; /* NULL: the script alone */
};

/* Appends a file; *begin is the position of its first byte. `use`: what it stands for there, {0,0} when it stands for
 * itself. False if all texts together are too long. */
bool source_add_file(struct source *source, struct arena *arena, const char *name, const char *text, uint32_t size,
                     struct loc use, uint32_t *begin);
/* A further appearance of `definition`, because of what stands at `use`: returns what is to be added to the positions
 * of the definition (modulo 2^32). False if there are too many. */
bool source_add_expansion(struct source *source, struct arena *arena, struct loc definition, struct loc use,
                          uint32_t *shift);

/* The range in `text`. */
struct loc source_original(const struct source *source, struct loc loc);
/* Where the macro was used that put this place into the program; {0,0}: it stands there itself. */
struct loc source_use(const struct source *source, struct loc loc);
/* 1-based line and column in its file, and the file's name. */
void source_position(const struct source *source, uint32_t offset, uint32_t *line, uint32_t *column);
const char *source_name(const struct source *source, uint32_t offset);
/* The whole line in which an original position lies: offset of its first byte, and its length. */
uint32_t source_line(const struct source *source, uint32_t offset, uint32_t *length);

#endif
