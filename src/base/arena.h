/* Arena: memory with a lifetime instead of an owner.
 *
 * tarsier has two lifetimes: one arena for a compilation (source text, tree, types, IR, BPF bytes) and one for the
 * session (targets, maps, decoded results). Nothing in an arena is freed alone; arena_free() ends all of it.
 * Memory is zeroed and aligned to 16. Out of memory ends the process with a message: no caller checks for NULL.
 */
#ifndef TARSIER_BASE_ARENA_H
#define TARSIER_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena); /* NULL is fine */

void *arena_alloc(struct arena *arena, size_t size);
void *arena_memdup(struct arena *arena, const void *bytes, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);

/* Ends the process; for the few places that allocate without an arena. */
_Noreturn void arena_out_of_memory(size_t size);

/* Bytes handed out so far (for reports and leak tests). */
size_t arena_used(const struct arena *arena);

#define arena_new_array(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))
#define arena_make(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
