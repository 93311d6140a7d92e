/* Files and sockets behind descriptors, and the names of files. */
#include "lang/check_int.h"

#include <string.h>

static bool is_path_struct(const struct type *type) {
    return type->kind == TYPE_STRUCT && type->name && strcmp(type->name, "path") == 0;
}

/* path(&file->f_path) or path(file->f_path) */
void check_call_path(struct check *c, struct node *node) {
    struct node *path = node->child, *size = path->next;
    const struct type *type = check_expression(c, path);
    uint32_t room = c->env->max_strlen;
    int64_t number;

    if (size && check_constant(c, size, "path()", &number)) {
        if (number < CHECK_PATH_LEAST || number > CHECK_PATH_MOST) {
            check_error(c, "path-size", size->loc, "path() takes from %d to %d bytes (%lld provided)", CHECK_PATH_LEAST,
                        CHECK_PATH_MOST, (long long)number);
            check_hint(c, "what does not fit is cut at the front");
        } else {
            room = (uint32_t)number;
        }
    }
    node->type = type_string(c->arena, room < CHECK_PATH_MOST ? room : CHECK_PATH_MOST);
    if (!type || is_path_struct(type) || (type->kind == TYPE_POINTER && is_path_struct(type->target)))
        return;
    check_error(c, "path-argument", path->loc, "path() only supports pointer to struct path argument ('%s' provided)",
                check_type_text(c, type));
    check_hint(c, "for example path(file->f_path), where file is a struct file *");
}

static void check_descriptor(struct check *c, struct node *node, const char *result) {
    const struct type *type = check_find_type(c, TYPE_NAME_STRUCT, result);

    check_integer(c, node->child, arena_printf(c->arena, "%s()", node->text));
    node->type = type_pointer(c->arena, type ? type : type_void(), SPACE_KERNEL);
}

void check_call_fd2file(struct check *c, struct node *node) { check_descriptor(c, node, "file"); }
void check_call_fd2sock(struct check *c, struct node *node) { check_descriptor(c, node, "sock"); }
