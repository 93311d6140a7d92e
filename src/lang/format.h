/* Programs laid out in one style, for `tarsier fmt`.
 *
 * The layout is made from tokens, not from the tree: comments stay where they are, every token is written as it was,
 * and what the grammar learns later needs nothing here. Only white space changes.
 *
 *   the author decides   where a statement is continued on the next line; single blank lines; whether a block that fits
 *                        in LANG_FORMAT_WIDTH columns stands on one line
 *   the formatter        indentation (four blanks), blanks between tokens, one statement a line otherwise, braces at
 * the end of the line (on a line of its own under a head of several lines), comments behind code aligned, a blank line
 * between blocks
 *
 * Directives and C definitions before the first probe stay as they are but for blanks at the ends of lines.
 */
#ifndef TARSIER_LANG_FORMAT_H
#define TARSIER_LANG_FORMAT_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include <stdbool.h>

enum { LANG_FORMAT_WIDTH = 100, LANG_FORMAT_INDENT = 4 };

/* The source must be one that lang_parse() takes without an error. */
void lang_format(struct arena *arena, const struct source *source, struct strbuf *out);

/* Are these the same tokens with the same comments? What lang_format() makes must be; callers check before they
 * overwrite anything. */
bool lang_format_is_same(struct arena *arena, const struct source *a, const struct source *b);

#endif
