/* Names of C++ and Rust as people write them: "_ZN5space5Class1fEi" is "space::Class::f(int)".
 *
 * The grammar is the compilers' own business (Itanium C++ ABI, Rust RFC 2603), which grows with each version of the
 * languages; so this is done by libiberty, which binutils and gdb use too. Names come from files of others, and a deep
 * format is read by much code: it runs in a child process that can do nothing but read and write one socket (seccomp's
 * strict mode), with limits on time and memory. When a name kills it, the name stays as it is and another child does
 * the rest. The child is started by the first name that looks mangled: others cost nothing.
 */
#ifndef TARSIER_OBJECT_DEMANGLE_H
#define TARSIER_OBJECT_DEMANGLE_H

#include "base/arena.h"
#include <stdbool.h>
#include <stdint.h>

struct object_demangler;

struct object_demangler *object_demangler_new(struct arena *arena);
void object_demangler_close(struct object_demangler *demangler); /* NULL is fine */

static inline bool object_is_mangled(const char *name) { return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R'); }

enum object_demangle_style {
    OBJECT_DEMANGLE_BARE,      /* "space::Class::f" */
    OBJECT_DEMANGLE_SIGNATURE, /* "space::Class::f(int)": without the type of the result, which templates show */
};

/* names[i] becomes results[i], in the arena; NULL when it is no mangled name or can not be read. */
void object_demangle(struct object_demangler *demangler, enum object_demangle_style style, const char *const *names,
                     uint32_t count, const char **results);

#endif
