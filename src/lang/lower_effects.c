/* Functions that act: on the traced program, on the kernel's trace buffer, or by sending text of several parts. */
#include "base/printf_spec.h"
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* if (failed) counter++; */
void lower_count_if(struct lower *l, ir_value failed, enum lang_site_kind kind, struct loc loc, ir_value cause) {
    struct ir_function *f = l->f;
    ir_block yes = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, failed, yes, join);
    ir_enter(f, yes);
    lower_failed(l, kind, loc, cause);
    ir_jump(f, join);
    ir_enter(f, join);
}

/* ---- text that is formatted in user space ------------------------------------------------------------------------ */

void lower_formatted(struct lower *l, const struct node *node, enum lang_action_kind kind) {
    const struct node *values[PRINTF_MOST_ARGUMENTS];
    uint32_t count = 0;
    for (const struct node *value = node->child->next; value; value = value->next) {
        assert(count < PRINTF_MOST_ARGUMENTS);
        values[count++] = value;
    }
    struct lang_action action = {.kind = kind, .loc = node->loc, .format = node->child->text};
    lower_record(l, &action, values, count);
}

/* ---- join -------------------------------------------------------------------------------------------------------- */

enum { JOIN_WORDS = 32, JOIN_TEXT = 4096, JOIN_WORD = 1024 };

static uint32_t word_size(const struct lower *l) {
    return l->env->max_strlen < JOIN_WORD ? l->env->max_strlen : JOIN_WORD;
}

/* The pointer number `index` of the list; 0 where it could not be read. */
static ir_value word_address(struct lower *l, struct place list, uint32_t index, struct loc loc) {
    struct place temp = lower_temp(l, 8);
    lower_read_bytes(l, place_add(l, list, 8 * index), temp, ir_constant(l->f, 8), loc);
    return ir_load(l->f, 8, temp.base, temp.offset);
}

/*     for (i = 0; i < JOIN_WORDS; i++) {                                  unrolled
 *         p = words[i]; if (!p) goto done;
 *         if (length >= JOIN_TEXT) goto cut;
 *         n = probe_read_str(bytes + length, word, p); if (n < 0) goto failed;
 *         length += n;
 *     }
 *     if (!words[JOIN_WORDS]) goto done;
 *   cut: count; goto done
 *   failed: count
 *   done: */
void lower_join_into(struct lower *l, const struct node *node, struct place to) {
    struct ir_function *f = l->f;
    ir_slot length_slot = lower_temp_slot(l, 8);
    lower_store_slot(l, length_slot, ir_constant(f, 0));
    struct place list = lower_behind_address(l, node->child), bytes = place_add(l, to, 4);
    enum ir_helper read = list.where == WHERE_USER ? IR_HELPER_probe_read_user_str : IR_HELPER_probe_read_kernel_str;
    ir_block start = f->current, cut = ir_block_new(f, start), failed = ir_block_new(f, start);
    ir_block done = ir_block_new(f, start);
    for (uint32_t i = 0; i <= JOIN_WORDS; i++) {
        ir_value word = word_address(l, list, i, node->loc);
        ir_block more = ir_block_new(f, f->current);
        ir_branch(f, word, more, done);
        ir_enter(f, more);
        if (i == JOIN_WORDS)
            break;
        ir_value length = lower_load_slot(l, length_slot);
        ir_block room = ir_block_new(f, f->current), good = ir_block_new(f, room);
        ir_branch(f, ir_binary(f, IR_UGE, length, ir_constant(f, JOIN_TEXT)), cut, room);
        ir_enter(f, room);
        ir_value at = ir_binary(f, IR_AND, length, ir_constant(f, JOIN_TEXT - 1));
        ir_value target = ir_binary(f, IR_ADD, place_address(l, bytes), at);
        ir_value size = ir_calln(f, read, target, ir_constant(f, word_size(l)), word);
        ir_branch(f, ir_binary(f, IR_SLT, size, ir_constant(f, 0)), failed, good);
        ir_enter(f, good);
        lower_store_slot(l, length_slot, ir_binary(f, IR_ADD, at, size));
    }
    ir_jump(f, cut);
    ir_enter(f, cut);
    lower_failed(l, LANG_SITE_WORDS, node->loc, LOWER_NO_CAUSE);
    ir_jump(f, done);
    ir_enter(f, failed);
    lower_failed(l, LANG_SITE_READ, node->loc, lower_cause(l, read, ir_constant(f, -EFAULT)));
    ir_jump(f, done);
    ir_enter(f, done);
    ir_store(f, 4, to.base, to.offset, lower_take_slot(l, length_slot));
}

void lower_join(struct lower *l, const struct node *node) {
    const struct node *separator = node->child->next;
    struct node words = *node;
    const struct node *values[] = {&words};
    words.type = type_buffer(l->arena, JOIN_TEXT + word_size(l));
    struct lang_action action = {.kind = LANG_ACTION_JOIN, .loc = node->loc};
    action.format = separator ? separator->text : " ";
    lower_record(l, &action, values, 1);
}

/* ---- what the kernel formats: debugf(), and printf() in a pinned iterator
 * --------------------------------------------------------------------------------- */

/* The kernel knows fewer conversions: all numbers go as 64 bits. */
static const char *kernel_format(struct lower *l, const struct printf_format *format) {
    struct strbuf out = {0};
    for (uint32_t i = 0; i < format->count; i++) {
        const struct printf_spec *spec = &format->specs[i];
        if (spec->conversion == PRINTF_LITERAL) {
            for (uint32_t k = 0; k < spec->length; k++)
                strbuf_addstr(&out, (char[3]){spec->text[k], spec->text[k] == '%' ? '%' : '\0', '\0'});
            continue;
        }
        strbuf_addch(&out, '%');
        if (spec->left)
            strbuf_addch(&out, '-');
        if (spec->zero)
            strbuf_addch(&out, '0');
        if (spec->width)
            strbuf_addf(&out, "%u", spec->width);
        strbuf_addstr(&out, spec->conversion == PRINTF_SIGNED      ? "ld"
                            : spec->conversion == PRINTF_UNSIGNED  ? "lu"
                            : spec->conversion == PRINTF_HEX       ? "lx"
                            : spec->conversion == PRINTF_HEX_UPPER ? "lX"
                            : spec->conversion == PRINTF_CHAR      ? "c"
                            : spec->conversion == PRINTF_POINTER   ? "lx"
                                                                   : "s");
    }
    const char *text = arena_strdup(l->arena, strbuf_text(&out));
    strbuf_free(&out);
    return text;
}

static ir_value debug_argument(struct lower *l, const struct node *value, const struct printf_spec *spec) {
    struct ir_function *f = l->f;
    if (value->type->kind == TYPE_STRING)
        return place_address(l, lower_bytes(l, value, 0, NULL));
    ir_value number = lower_number(l, value);
    bool hex = spec->conversion == PRINTF_HEX || spec->conversion == PRINTF_HEX_UPPER;
    return hex && spec->bits < 64 ? ir_extend(f, number, spec->bits / 8, false) : number;
}

void lower_debugf(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    struct printf_format format = {0};
    printf_parse(l->arena, node->child->text, &format);
    struct place data = lower_temp(l, format.argument_count ? 8 * format.argument_count : 8);
    const struct node *value = node->child->next;
    int32_t at = 0;
    for (uint32_t i = 0; i < format.count && value; i++) {
        if (format.specs[i].conversion == PRINTF_LITERAL)
            continue;
        ir_store(f, 8, data.base, data.offset + at, debug_argument(l, value, &format.specs[i]));
        at += 8;
        value = value->next;
    }
    const char *text = kernel_format(l, &format);
    uint32_t size = (uint32_t)strlen(text) + 1;
    ir_value where = lower_constants(l, lang_plan_constants(l->plan, text, size));
    if (l->target->writes_file)
        ir_calln(f, IR_HELPER_seq_printf, lower_iterator_file(l), where, ir_constant(f, size), place_address(l, data),
                 ir_constant(f, at));
    else
        ir_calln(f, IR_HELPER_trace_vprintk, where, ir_constant(f, size), place_address(l, data), ir_constant(f, at));
}

/* ---- the traced program ------------------------------------------------------------------------------------------ */

void lower_signal(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    ir_value number = node->number ? ir_constant(f, node->number) : lower_scalar(l, node->child);
    bool thread = node->function->id == LANG_FUNCTION_signal_thread;
    enum ir_helper helper = thread ? IR_HELPER_send_signal_thread : IR_HELPER_send_signal;
    ir_value error = ir_calln(f, helper, number);
    lower_count_if(l, ir_extend(f, error, 4, false), LANG_SITE_SIGNAL, node->loc, lower_cause(l, helper, error));
}

void lower_override(struct lower *l, const struct node *node) {
    ir_calln(l->f, IR_HELPER_override_return, lower_context(l), lower_scalar(l, node->child));
}

/* The bytes to write, as memory of our own, of which `*size` are there. */
static struct place bytes_to_write(struct lower *l, const struct node *from, uint32_t most, uint32_t *size) {
    struct ir_function *f = l->f;
    if (from->type->kind == TYPE_POINTER) {
        struct place temp = lower_temp(l, most);
        *size = most;
        lower_read_bytes(l, lower_behind_address(l, from), temp, ir_constant(f, most), from->loc);
        return temp;
    }
    if (!type_is_scalar(from->type))
        return lower_bytes(l, from, 0, size);
    struct place temp = lower_temp(l, 8);
    *size = from->type->size < 8 ? from->type->size : 8;
    ir_store(f, 8, temp.base, temp.offset, lower_number(l, from));
    return temp;
}

ir_value lower_write_user(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *to = node->child, *from = to->next, *size = from->next;
    uint32_t there = 0;
    ir_value target = lower_scalar(l, to);
    ir_value count = lower_scalar(l, size);
    struct place bytes = bytes_to_write(l, from, size->is_constant ? (uint32_t)size->number : CHECK_WRITE_MOST, &there);
    if (!size->is_constant)
        count = lower_at_most(l, count, there);
    ir_value error = ir_calln(f, IR_HELPER_probe_write_user, target, place_address(l, bytes), count);
    ir_value failed = ir_extend(f, error, 4, false);
    lower_count_if(l, failed, LANG_SITE_WRITE, node->loc, lower_cause(l, IR_HELPER_probe_write_user, error));
    return ir_binary(f, IR_EQ, failed, ir_constant(f, 0));
}

/* ---- sockets ----------------------------------------------------------------------------------------------------- */

/* Only where the kernel knows the argument for a live socket may it make a cookie; elsewhere we read the one that has
 * been made, 0 if there is none yet. */
ir_value lower_socket_cookie(struct lower *l, const struct node *node) {
    struct ir_function *f = l->f;
    const struct node *sock = node->child;
    bool is_argument = sock->kind == NODE_FIELD && sock->child->builtin &&
                       sock->child->builtin->id == LANG_BUILTIN_args &&
                       l->target->context == LANG_CONTEXT_RAW_TRACEPOINT && l->target->has_btf;
    if (!is_argument) {
        bool common = strcmp(sock->type->target->name, "sock_common") == 0;
        struct node *cookie =
            lower_field(l, common ? (struct node *)sock : lower_field(l, sock, "__sk_common"), "skc_cookie");
        cookie = lower_field(l, cookie, "counter");
        return cookie ? lower_scalar(l, cookie) : ir_constant(f, 0);
    }
    ir_slot result = lower_temp_slot(l, 8);
    lower_store_slot(l, result, ir_constant(f, 0));
    struct pointer pointer = lower_pointer(l, sock);
    ir_block some = ir_block_new(f, f->current), join = ir_block_new(f, f->current);
    ir_branch(f, pointer.value, some, join);
    ir_enter(f, some);
    lower_store_slot(l, result, ir_calln(f, IR_HELPER_get_socket_cookie, pointer.value));
    ir_jump(f, join);
    ir_enter(f, join);
    return lower_take_slot(l, result);
}
