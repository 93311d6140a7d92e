/* What the files about user functions share. */
#ifndef TARSIER_PROBE_UPROBE_INT_H
#define TARSIER_PROBE_UPROBE_INT_H

#include "object/elf.h"
#include "probe/binary_int.h"
#include "probe/context_int.h"

/* A target at a place of a file. `text` is what stands behind the binary in its name; `symbol` may be NULL. */
struct probe_target *uprobe_add(struct probe_context *context, const struct probe_point *point,
                                const struct probe_binary *binary, const char *text, const char *symbol,
                                uint64_t address, uint64_t offset, struct probe_targets *out);

/* uprobe_line.c: BINARY@FILE:LINE[:COLUMN] */
bool uprobe_is_line(const struct probe_point *point);
int uprobe_expand_line(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                       struct probe_error *error);

/* uprobe_cpp.c: BINARY:cpp:"space::Class::method(int)" */
bool uprobe_is_cpp(const struct probe_point *point);
int uprobe_expand_cpp(struct probe_context *context, const struct probe_point *point, struct probe_targets *out,
                      struct probe_error *error);
int uprobe_list_cpp(struct probe_context *context, const struct probe_point *point, struct probe_lister *lister,
                    struct probe_error *error);

/* uprobe_inline.c: the places where a function was inlined. Gives how many there are. */
uint32_t uprobe_add_inlined(struct probe_context *context, const struct probe_point *point,
                            const struct probe_binary *binary, struct object_elf *elf, const char *name,
                            struct probe_targets *out);
/* -lv: arguments of the function at `address`; of a name: where it was inlined, and how often. lister NULL:
 * only that. */
void uprobe_list_arguments(struct probe_context *context, struct probe_lister *lister, const char *path,
                           uint64_t address, bool is_return);
uint32_t uprobe_list_inlined(struct probe_context *context, struct probe_lister *lister, const char *path,
                             const char *name, bool with_arguments);

#endif
