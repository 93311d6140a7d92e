/* skboutput(): packets into a file. */
#include "lang/check_int.h"

#include <string.h>

void check_call_skboutput(struct check *c, struct node *node) {
    struct node *path = node->child, *skb = path->next, *length = skb->next, *offset = length->next;

    node->type = type_int(64, true);
    check_literal(c, path, "skboutput");
    const struct type *type = check_value(c, skb);
    bool is_skb = type && type->kind == TYPE_POINTER && type->target->kind == TYPE_STRUCT && type->target->name &&
                  strcmp(type->target->name, "sk_buff") == 0;
    if (type && !is_skb) {
        check_error(c, "skb-expected", skb->loc, "skboutput() expects a struct sk_buff * ('%s' provided)",
                    check_type_text(c, type));
        check_hint(c, "cast it: (struct sk_buff *)value");
    }
    check_integer(c, offset, "The offset of skboutput()");
    if (!check_integer(c, length, "The length of skboutput()") || !length->is_constant ||
        (length->number >= 1 && length->number <= CHECK_PACKET_MOST))
        return;
    check_error(c, "packet-length", length->loc, "skboutput() takes from 1 to %d bytes of a packet (%lld provided)",
                CHECK_PACKET_MOST, (long long)length->number);
    check_hint(c, "skb.len as the length takes up to %d bytes", CHECK_PACKET);
}
