/* Functions whose values have a form of their own, and those that are answered while compiling. */
#include "lang/check_int.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- network ----------------------------------------------------------------------------------------------- */

/* Bytes of a value that lies in memory as bytes: uint8[4], char[16]. 0: none. */
static uint32_t byte_count(const struct type *type) {
    if (type->kind == TYPE_STRING)
        return type->size;
    return type->kind == TYPE_ARRAY && type->target->kind == TYPE_INT && type->target->size == 1 ? type->count : 0;
}

static bool is_ip_address(const struct type *type) {
    uint32_t bytes = byte_count(type);

    return check_is_integer(type) || type->kind == TYPE_POINTER || bytes == 4 || bytes == 16;
}

void check_call_ntop(struct check *c, struct node *node) {
    struct node *address = node->child->next ? node->child->next : node->child;

    node->type = type_simple(TYPE_INET, false);
    if (node->child != address)
        check_integer(c, node->child, "The address family of ntop()");
    const struct type *type = check_value(c, address);
    if (!type)
        return;
    bool known_family = node->child != address;
    if (is_ip_address(type) && (type->kind != TYPE_POINTER || known_family))
        return;
    check_error(c, "ntop-argument", address->loc,
                type->kind == TYPE_POINTER ? "ntop() of a pointer needs the address family ('%s' provided)"
                                           : "ntop() expects an integer or an array of 4 or 16 bytes ('%s' provided)",
                check_type_text(c, type));
    check_hint(c, "ntop(AF_INET, address) or ntop(AF_INET6, address)");
}

void check_call_pton(struct check *c, struct node *node) {
    unsigned char bytes[16];

    if (!check_literal(c, node->child, "pton"))
        return;
    bool v6 = strchr(node->child->text, ':');
    if (inet_pton(v6 ? AF_INET6 : AF_INET, node->child->text, bytes) == 1) {
        node->type = type_array(c->arena, type_int(8, false), v6 ? 16 : 4);
        return;
    }
    check_error(c, "pton-address", node->child->loc, "'%s' is no IPv4 or IPv6 address", node->child->text);
    check_hint(c, "for example \"127.0.0.1\" or \"::1\"");
}

void check_call_macaddr(struct check *c, struct node *node) {
    const struct type *type = check_value(c, node->child);

    node->type = type_simple(TYPE_MACADDR, false);
    if (!type || type->kind == TYPE_POINTER || byte_count(type) == 6 || type->kind == TYPE_INT)
        return;
    check_error(c, "macaddr-argument", node->child->loc,
                "macaddr() expects an array of 6 bytes or their address ('%s' provided)", check_type_text(c, type));
    check_hint(c, "for example a field char addr[6], or a pointer");
}

/* ---- bytes ------------------------------------------------------------------------------------------------- */

/* How many bytes an array or text has of itself; 0: its size must be given. */
static uint32_t own_size(const struct node *node) {
    if (node->kind == NODE_STRING)
        return node->length + 1;
    return node->type->kind == TYPE_ARRAY || node->type->kind == TYPE_STRING ? node->type->size : 0;
}

void check_call_buf(struct check *c, struct node *node) {
    struct node *source = node->child, *size = source->next;
    const struct type *type = check_positional_string(c, source) ? source->type : check_value(c, source);
    uint32_t capacity = c->env->max_strlen;

    if (!type)
        return;
    bool is_memory = type->kind == TYPE_ARRAY || type->kind == TYPE_STRING;
    if (!is_memory && type->kind != TYPE_POINTER && !check_is_integer(type)) {
        check_error(c, "buf-argument", source->loc, "buf() expects an address, an array or a string ('%s' provided)",
                    check_type_text(c, type));
        check_hint(c, "buf(pointer, size) or buf(array)");
        return;
    }
    if (!is_memory && !size) {
        check_error(c, "buf-size", node->loc, "buf() expects a length argument for non-array type '%s'",
                    check_type_text(c, type));
        check_hint(c, "buf(pointer, size)");
        return;
    }
    if (is_memory && own_size(source) < capacity)
        capacity = own_size(source);
    if (size && check_integer(c, size, "buf()") && size->is_constant) {
        if (size->number < 1) {
            check_error(c, "buf-size", size->loc, "buf() expects a size from 1 up (%lld provided)",
                        (long long)size->number);
            check_hint(c, "it is the number of bytes");
        } else if ((uint64_t)size->number < capacity) {
            capacity = (uint32_t)size->number;
        }
    }
    node->type = type_buffer(c->arena, capacity);
}

void check_call_bswap(struct check *c, struct node *node) {
    const struct type *type = check_integer(c, node->child, "bswap()");
    uint64_t value = (uint64_t)node->child->number;

    if (!type)
        return;
    node->type = type_int(type->size * 8, false);
    if (!node->child->is_constant)
        return;
    value = __builtin_bswap64(value) >> (64 - 8 * type->size);
    node->is_constant = true;
    node->number = (int64_t)value;
}

void check_call_is_err(struct check *c, struct node *node) {
    check_address_argument(c, node->child, "is_err");
    node->type = type_bool();
}

/* ---- names of numbers -------------------------------------------------------------------------------------- */

/* The bytes that each entry of these tables has; lower_values.c makes them. */
static void check_name(struct check *c, struct node *node, uint32_t size) {
    check_integer(c, node->child, arena_printf(c->arena, "%s()", node->text));
    node->type = type_string(c->arena, size);
}

void check_call_strerror(struct check *c, struct node *node) { check_name(c, node, CHECK_ERROR_NAME); }
void check_call_signal_name(struct check *c, struct node *node) { check_name(c, node, CHECK_SIGNAL_NAME); }
void check_call_syscall_name(struct check *c, struct node *node) { check_name(c, node, CHECK_SYSCALL_NAME); }

/* ---- time -------------------------------------------------------------------------------------------------- */

void check_call_strftime(struct check *c, struct node *node) {
    struct node *time = node->child->next;

    check_literal(c, node->child, "strftime");
    if (check_integer(c, time, "strftime()") && time->is_constant && time->number < 0 && time->type->is_signed) {
        check_error(c, "strftime-negative", time->loc, "strftime() can not take negative value");
        check_hint(c, "it takes nanoseconds since boot, as nsecs gives them");
    }
    node->type = type_simple(TYPE_TIMESTAMP, false);
}

/* ---- cgroups ----------------------------------------------------------------------------------------------- */

void check_call_cgroup_path(struct check *c, struct node *node) {
    check_integer(c, node->child, "cgroup_path()");
    if (node->child->next)
        check_literal(c, node->child->next, "cgroup_path");
    node->type = type_simple(TYPE_CGROUP_PATH, false);
}

static void set_number(struct node *node, uint64_t number, const struct type *type) {
    node->is_constant = true;
    node->number = (int64_t)number;
    node->type = type;
}

void check_call_cgroupid(struct check *c, struct node *node) {
    uint64_t id = 0;

    if (!check_literal(c, node->child, "cgroupid"))
        return;
    int error = c->env->find_cgroup ? c->env->find_cgroup(c->env->context, node->child->text, &id) : 0;
    set_number(node, id, type_int(64, false));
    if (error == 0)
        return;
    check_error(c, "cgroupid-path", node->child->loc, "no cgroup at '%s': %s", node->child->text, strerror(-error));
    check_hint(c, "it is a directory below the mount of cgroup2, mostly /sys/fs/cgroup");
}
