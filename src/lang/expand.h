/* Rewriting of the tree between parsing and everything else.
 *
 * Macros. A use is replaced by a copy of the macro's body, in which parameters stand for the arguments. The copy has
 * positions of its own (base/source.h), so that each message tells how the text came there, and its variables have a
 * mark of their own (node->hygiene), so that they meet neither those around the use nor those of the next use. What is
 * worth something becomes an expression: a body that is one expression is just that (a literal stays a literal), others
 * become BLOCK_VALUE. Arguments are expanded before they are put in, bodies afterwards, so a macro may use others that
 * are defined later; a macro that leads to itself is an error.
 */
#ifndef TARSIER_LANG_EXPAND_H
#define TARSIER_LANG_EXPAND_H

#include "lang/lang.h"

/* `node_count`: what the tree has already; copies count. */
void lang_expand_macros(struct lang_program *program, uint32_t node_count, struct diag_list *diags);
/* A macro of tarsier's own, from its text. */
struct lang_macro *parser_library_macro(struct lang_program *program, struct diag_list *diags, const char *name,
                                        const char *text);

/* `return` inside of loops of a function's body becomes `break` and a variable that says why. */
void lang_expand_returns(struct arena *arena, struct node *body, const struct type_name *result, uint32_t hygiene);

/* Options of the script (getopt) become literals; those that were given and that the script does not know are errors.
 */
void lang_expand_options(struct lang_program *program, const struct lang_env *env, struct diag_list *diags);

/* A variable that is read behind the block that assigned it, as before bpftrace 0.22, is declared at the start of its
 * probe, with a warning. */
void lang_expand_variables(struct lang_program *program, struct diag_list *diags);

#endif
