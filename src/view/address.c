/* Network addresses as text. */
#include "view/view_int.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

void view_add_inet(const void *bytes, struct strbuf *out) {
    char text[INET6_ADDRSTRLEN];
    uint32_t family;

    memcpy(&family, bytes, sizeof family);
    if ((family == AF_INET || family == AF_INET6) && inet_ntop((int)family, (const char *)bytes + 8, text, sizeof text))
        strbuf_addstr(out, text);
    else
        strbuf_addf(out, "family %u", family);
}

void view_add_macaddr(const void *bytes, struct strbuf *out) {
    const unsigned char *byte = bytes;

    strbuf_addf(out, "%02X:%02X:%02X:%02X:%02X:%02X", byte[0], byte[1], byte[2], byte[3], byte[4], byte[5]);
}
