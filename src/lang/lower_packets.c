/* skboutput(): a record with the bytes of a packet.
 *
 * The kernel's own helper (bpf_skb_output) exists only where the kernel knows the type of the packet, and wants buffers
 * of its own. Here the bytes are read like other memory, in every kind of probe: those that lie together behind
 * skb->data, which the headers always do. What lies in pages of its own is left out; the file says how long the packet
 * was, and it is counted.
 */
#include "lang/check_int.h"
#include "lang/lower_int.h"
#include <errno.h>

/* Number of a field of the packet. */
static ir_value packet_field(struct lower *l, const struct node *skb, const char *name) {
    struct node *field = lower_field(l, skb, name);
    return field ? lower_number(l, field) : ir_constant(l->f, 0);
}

/* a - b, not below 0 */
static ir_value difference(struct lower *l, ir_value a, ir_value b) {
    struct ir_function *f = l->f;
    ir_value result = ir_binary(f, IR_SUB, a, b);
    ir_value sign = ir_binary(f, IR_ASHR, result, ir_constant(f, 63));
    return ir_binary(f, IR_AND, result, ir_unary(f, IR_NOT, sign));
}

static ir_value lesser(struct lower *l, ir_value a, ir_value b) {
    return ir_binary(l->f, IR_SUB, a, difference(l, a, b));
}

/*     there = skb->len - offset; together = skb->len - skb->data_len - offset;
 *     wanted = min(length, there); size = min(wanted, together, room);
 *     if (size < wanted) count;
 *     record: u32 size + 4, u32 there, bytes */
void lower_packet_into(struct lower *l, const struct node *node, const struct type *type, struct place to) {
    struct ir_function *f = l->f;
    const struct node *skb = node->child->next, *length = skb->next, *offset = length->next;
    uint32_t room = type->count - 4;
    ir_value start = ir_extend(f, lower_scalar(l, offset), 4, false), limit = lower_scalar(l, length);
    ir_value whole = packet_field(l, skb, "len"), apart = packet_field(l, skb, "data_len");
    ir_value there = difference(l, whole, start);
    ir_value wanted = lesser(l, ir_extend(f, limit, 4, false), there);
    ir_value together = difference(l, difference(l, whole, apart), start);
    ir_value size = lower_at_most(l, lesser(l, wanted, together), room);
    lower_count_if(l, ir_binary(f, IR_ULT, size, wanted), LANG_SITE_PACKET, node->loc, LOWER_NO_CAUSE);
    ir_value data = ir_binary(f, IR_ADD, packet_field(l, skb, "data"), start);
    ir_store(f, 4, to.base, to.offset, ir_binary(f, IR_ADD, size, ir_constant(f, 4)));
    ir_store(f, 4, to.base, to.offset + 4, there);
    lower_read_bytes(l, (struct place){WHERE_KERNEL, data, 0}, place_add(l, to, 8), size, node->loc);
    if (l->packet_result != IR_NONE)
        lower_store_slot(l, l->packet_result, ir_constant(f, 0));
}

/* 0, or -ENOSPC when there was no room in the ring (which is counted as a lost event). */
ir_value lower_skboutput(struct lower *l, const struct node *node) {
    const struct node *length = node->child->next->next;
    uint32_t room = length->is_constant ? (uint32_t)length->number : CHECK_PACKET;
    struct node packet = *node;
    const struct node *values[] = {&packet};
    ir_slot result = lower_temp_slot(l, 8);
    packet.type = type_buffer(l->arena, room + 4);
    lower_store_slot(l, result, ir_constant(l->f, -ENOSPC));
    l->packet_result = result;
    struct lang_action action = {.kind = LANG_ACTION_PACKET, .loc = node->loc, .format = node->child->text};
    lower_record(l, &action, values, 1);
    l->packet_result = IR_NONE;
    return lower_take_slot(l, result);
}
