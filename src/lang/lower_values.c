/* Values with a form of their own, built in memory; their layout is in base/type.h. And numbers turned into names. */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

/* ---- bytes of arguments -------------------------------------------------------------------------------------- */

static bool is_object(const struct type *type) { return type->kind == TYPE_ARRAY || type->kind == TYPE_STRING; }

struct place lower_behind_address(struct lower *l, const struct node *node) {
    bool is_pointer = node->type->kind == TYPE_POINTER;
    enum type_space space = is_pointer ? node->type->space : SPACE_NONE;
    bool user = space == SPACE_USER || (space == SPACE_NONE && l->target->user_pointers);
    return (struct place){user ? WHERE_USER : WHERE_KERNEL, lower_scalar(l, node), 0};
}

void lower_read_bytes(struct lower *l, struct place from, struct place to, ir_value size, struct loc loc) {
    struct ir_function *f = l->f;
    enum ir_helper helper = from.where == WHERE_USER ? IR_HELPER_probe_read_user : IR_HELPER_probe_read_kernel;
    ir_value error = ir_calln(f, helper, place_address(l, to), size, place_address(l, from));
    ir_block failed = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, ir_binary(f, IR_SLT, error, ir_constant(f, 0)), failed, join);
    ir_enter(f, failed);
    lower_failed(l, LANG_SITE_READ, loc, lower_cause(l, helper, error));
    ir_jump(f, join);
    ir_enter(f, join);
}

/* The first `size` bytes of an array or of what an address points to; zero behind a shorter array. The kernel's helpers
 * zero what they could not read. */
static void object_into(struct lower *l, const struct node *node, uint32_t size, struct place to) {
    if (!is_object(node->type)) {
        lower_read_bytes(l, lower_behind_address(l, node), to, ir_constant(l->f, size), node->loc);
        return;
    }
    struct node bytes = *node; /* a char array is a string to everybody else: here its zeros count */
    uint32_t own = node->type->size < size ? node->type->size : size;
    bytes.type = type_array(l->arena, type_int(8, false), own);
    if (node->kind == NODE_STRING || (node->type->kind == TYPE_STRING && node->kind != NODE_FIELD))
        bytes.type = node->type;
    if (own < size)
        lower_zero(l, to, size);
    if (bytes.type->size > size) { /* a text that is longer than what is asked for */
        struct place whole = lower_temp(l, bytes.type->size);
        lower_into(l, &bytes, bytes.type, whole, true);
        lower_copy(l, to, whole, size);
        return;
    }
    lower_into(l, &bytes, bytes.type, to, true);
}

/* ---- network ------------------------------------------------------------------------------------------------- */

static uint32_t address_size(const struct node *node) {
    uint32_t size = node->type->size;
    return is_object(node->type) ? (size < 16 ? size : 16) : 0;
}

/* An address whose family is known only now, behind a pointer: 16 bytes lie there if it is IPv6, else 4. */
static void address_of_family(struct lower *l, const struct node *address, ir_value family, struct place to) {
    struct ir_function *f = l->f;
    struct place from = lower_behind_address(l, address);
    ir_block start = f->current, v6 = ir_block_new(f, start), v4 = ir_block_new(f, start);
    ir_block join = ir_block_new(f, start);
    lower_zero(l, to, 16);
    ir_branch(f, ir_binary(f, IR_EQ, family, ir_constant(f, AF_INET6)), v6, v4);
    ir_enter(f, v6);
    lower_read_bytes(l, from, to, ir_constant(f, 16), address->loc);
    ir_jump(f, join);
    ir_enter(f, v4);
    lower_read_bytes(l, from, to, ir_constant(f, 4), address->loc);
    ir_jump(f, join);
    ir_enter(f, join);
}

void lower_ntop_into(struct lower *l, const struct node *node, struct place to) {
    struct ir_function *f = l->f;
    const struct node *address = node->child->next ? node->child->next : node->child;
    struct place bytes = place_add(l, to, 8);
    ir_value family = ir_constant(f, address_size(address) == 16 ? AF_INET6 : AF_INET);
    if (address != node->child)
        family = ir_extend(f, lower_scalar(l, node->child), 4, false);
    ir_store(f, 8, to.base, to.offset, family);
    if (address->type->kind == TYPE_POINTER) {
        address_of_family(l, address, family, bytes);
    } else if (is_object(address->type)) {
        object_into(l, address, 16, bytes);
    } else {
        ir_store(f, 8, bytes.base, bytes.offset, ir_extend(f, lower_scalar(l, address), 4, false));
        ir_store(f, 8, bytes.base, bytes.offset + 8, ir_constant(f, 0));
    }
}

void lower_pton_into(struct lower *l, const struct node *node, struct place to) {
    uint8_t bytes[16] = {0};
    inet_pton(node->type->size == 16 ? AF_INET6 : AF_INET, node->child->text, bytes);
    for (uint32_t at = 0; at < node->type->size; at += 4) {
        int32_t word;
        memcpy(&word, bytes + at, sizeof word);
        ir_store(l->f, 4, to.base, to.offset + (int32_t)at, ir_constant(l->f, word));
    }
}

/* Six bytes as a number. */
ir_value lower_macaddr(struct lower *l, const struct node *node) {
    struct place temp = lower_temp(l, 8);
    object_into(l, node->child, 6, temp);
    ir_value word = ir_load(l->f, 8, temp.base, temp.offset);
    return ir_binary(l->f, IR_AND, word, ir_constant(l->f, 0xffffffffffff));
}

/* ---- bytes --------------------------------------------------------------------------------------------------- */

/* u32 length, bytes */
void lower_buf_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    struct ir_function *f = l->f;
    const struct node *source = node->child, *size = source->next;
    uint32_t capacity = node->type->count < type->count ? node->type->count : type->count;
    ir_value length = ir_constant(f, capacity);
    if (size && !size->is_constant)
        length = lower_at_most(l, lower_scalar(l, size), capacity);
    if (clean)
        lower_zero(l, to, type->size);
    if (is_object(source->type)) {
        struct place bytes = lower_temp(l, source->type->size > capacity ? source->type->size : capacity);
        object_into(l, source, capacity, bytes);
        lower_read_bytes(l, (struct place){WHERE_KERNEL, bytes.base, bytes.offset}, place_add(l, to, 4), length,
                         node->loc);
    } else {
        lower_read_bytes(l, lower_behind_address(l, source), place_add(l, to, 4), length, node->loc);
    }
    ir_store(f, 4, to.base, to.offset, length);
}

/* ---- values that name a text of the plan ------------------------------------------------------------------------ */

static void with_text(struct lower *l, ir_value number, const char *text, struct place to) {
    ir_store(l->f, 8, to.base, to.offset, number);
    ir_store(l->f, 8, to.base, to.offset + 8, ir_constant(l->f, lang_plan_text(l->plan, text)));
}

void lower_strftime_into(struct lower *l, const struct node *node, struct place to) {
    with_text(l, lower_scalar(l, node->child->next), node->child->text, to);
}

void lower_cgroup_path_into(struct lower *l, const struct node *node, struct place to) {
    const struct node *filter = node->child->next;
    with_text(l, lower_scalar(l, node->child), filter ? filter->text : "", to);
}

/* ---- names of numbers ------------------------------------------------------------------------------------------- */

/* A table of texts of one size in the constants; the last one is for numbers that have no name. */
struct name_table {
    uint32_t offset, count, size;
};

static struct name_table make_table(struct lower *l, uint32_t count, uint32_t size,
                                    const char *(*name)(struct lower *, uint32_t)) {
    char *bytes = arena_alloc(l->arena, (size_t)(count + 1) * size);
    for (uint32_t i = 0; i <= count; i++) {
        const char *text = i < count ? name(l, i) : NULL;
        snprintf(bytes + (size_t)i * size, size, "%s", text ? text : "N/A");
    }
    return (struct name_table){lang_plan_constants(l->plan, bytes, (count + 1) * size), count, size};
}

enum { ERRORS = 134, SIGNALS = 65, SYSCALLS = 512 };

static const char *error_name(struct lower *l, uint32_t number) {
    (void)l;
    return strerrorname_np((int)number) || number == 0 ? strerror((int)number) : NULL;
}

static const char *signal_name(struct lower *l, uint32_t number) {
    (void)l;
    return strsignal((int)number);
}

static const char *syscall_name(struct lower *l, uint32_t number) {
    return l->env->syscall_name ? l->env->syscall_name(l->env->context, number) : NULL;
}

/* |n|: kernel functions give errors as negative numbers. */
static ir_value magnitude(struct lower *l, ir_value number) {
    struct ir_function *f = l->f;
    ir_value sign = ir_binary(f, IR_ASHR, number, ir_constant(f, 63));
    return ir_binary(f, IR_SUB, ir_binary(f, IR_XOR, number, sign), sign);
}

static void copy_name(struct lower *l, const struct name_table *table, ir_value number, const struct type *type,
                      struct place to, bool clean) {
    struct ir_function *f = l->f;
    ir_value entry = ir_binary(f, IR_MUL, lower_at_most(l, number, table->count), ir_constant(f, table->size));
    ir_value from = ir_binary(f, IR_ADD, lower_constants(l, table->offset), entry);
    uint32_t size = table->size < type->size ? table->size : type->size;
    for (int32_t at = 0; at < (int32_t)size; at += 8)
        ir_store(f, 8, to.base, to.offset + at, ir_load(f, 8, from, at));
    if (clean && size < type->size)
        lower_zero(l, place_add(l, to, size), type->size - size);
}

void lower_name_into(struct lower *l, const struct node *node, const struct type *type, struct place to, bool clean) {
    struct ir_function *f = l->f;
    struct name_table table;
    ir_value number = ir_extend(f, lower_scalar(l, node->child), 4, true);
    if (node->function->id == LANG_FUNCTION_strerror) {
        table = make_table(l, ERRORS, CHECK_ERROR_NAME, error_name);
        number = magnitude(l, number);
    } else if (node->function->id == LANG_FUNCTION_signal_name) {
        table = make_table(l, SIGNALS, CHECK_SIGNAL_NAME, signal_name);
    } else {
        table = make_table(l, SYSCALLS, CHECK_SYSCALL_NAME, syscall_name);
    }
    copy_name(l, &table, number, type, to, clean);
}

static const char *probe_name(struct lower *l, uint32_t number) { return l->env->probe_name(l->env->context, number); }

void lower_probe_text_into(struct lower *l, const struct node *node, const struct type *type, struct place to,
                           bool clean) {
    struct node name = {.kind = NODE_STRING, .text = l->target->name, .length = (uint32_t)strlen(l->target->name)};
    uint32_t count = 0, room = (check_probe_room(l->env, l->target, node) + 7) & ~7u;
    if (check_is_one_probe(l->target, node) || !l->env->probe_name) {
        lower_into(l, &name, type, to, clean);
        return;
    }
    while (probe_name(l, count))
        count++;
    struct name_table table = make_table(l, count, room, probe_name);
    copy_name(l, &table, lower_scalar(l, node), type, to, clean);
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

ir_value lower_bswap(struct lower *l, const struct node *node) {
    ir_value value = lower_scalar(l, node->child);
    return node->type->size == 1 ? ir_extend(l->f, value, 1, false) : ir_byte_swap(l->f, value, node->type->size);
}

/* The last 4095 addresses are error numbers. */
ir_value lower_is_err(struct lower *l, const struct node *node) {
    ir_value address = lower_number(l, node->child);
    return ir_binary(l->f, IR_UGE, address, ir_constant(l->f, -4095));
}
