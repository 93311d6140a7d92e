/* Packets of skboutput() as a capture file, for tcpdump and its kin.
 *
 * Format: libpcap's, with times in nanoseconds (pcap-savefile(5)); packets begin with their IP header
 * (LINKTYPE_RAW). A packet of which not all is there says so: its captured length is less than its own. */
#include "session/session_int.h"
#include <errno.h>
#include <string.h>

enum { MAGIC = (int)0xa1b23c4d, LINKTYPE_RAW = 101, SNAPLEN = 65535 };

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snaplen, link_type;
};

struct packet_header {
    uint32_t seconds, nanoseconds, captured, length;
};

static void failed(const char *what, const char *path) {
    fprintf(stderr, "ERROR: cannot %s the file of packets %s: %s\n", what, path, strerror(errno));
}

static struct session_capture *capture_of(struct session *s, const char *path) {
    static const struct file_header header = {(uint32_t)MAGIC, 2, 4, 0, 0, SNAPLEN, LINKTYPE_RAW};
    for (uint32_t i = 0; i < s->captures.count; i++) {
        if (strcmp(s->captures.data[i].path, path) == 0)
            return &s->captures.data[i];
    }
    struct session_capture capture = {path, fopen(path, "we"), kernel_boot_offset_ns()};
    if (!capture.file)
        failed("create", path);
    else
        fwrite(&header, sizeof header, 1, capture.file);
    vec_push(s->arena, &s->captures, capture);
    return &s->captures.data[s->captures.count - 1];
}

void session_write_packet(struct session *s, const struct lang_action *action, const void *packet, uint64_t stamp) {
    const struct type *type = action->record->fields[0].type;
    struct session_capture *capture = capture_of(s, action->format);
    uint32_t size, length;
    memcpy(&size, packet, sizeof size);
    memcpy(&length, (const char *)packet + 4, sizeof length);
    if (size < 4 || size > type->count)
        BUG("packet of %u bytes", size);
    int64_t time = (int64_t)stamp + capture->boot_offset;
    struct packet_header header = {(uint32_t)(time / 1000000000), (uint32_t)(time % 1000000000), size - 4, length};
    if (!capture->file)
        return;
    fwrite(&header, sizeof header, 1, capture->file);
    fwrite((const char *)packet + 8, 1, size - 4, capture->file);
}

int session_close_packets(struct session *s) {
    int result = SESSION_OK;
    for (uint32_t i = 0; i < s->captures.count; i++) {
        struct session_capture *capture = &s->captures.data[i];
        bool bad = !capture->file || ferror(capture->file);
        if (capture->file && (fclose(capture->file) != 0 || bad)) {
            failed("write", capture->path);
            bad = true;
        }
        if (bad)
            result = SESSION_OUTPUT_ERROR;
    }
    s->captures.count = 0;
    return result;
}
