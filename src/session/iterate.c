/* Iterators: the kernel runs the program while we read; between two portions the rings are emptied, so that however
 * much there is to tell nothing is lost. */
#include "session/session_int.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <unistd.h>

enum { PORTION = 8 }; /* objects for one read: the program writes a byte for each */

static int read_through(struct session *s, int fd) {
    char bytes[PORTION];
    int result = SESSION_OK;
    for (ssize_t length = 1; length != 0 && result == SESSION_OK && !view_output_ended(s->view.out);) {
        length = read(fd, bytes, sizeof bytes);
        if (length < 0 && errno != EINTR && errno != EAGAIN)
            return session_system_error("reading the iterator", -errno);
        result = session_drain(s);
    }
    return result;
}

static int run_iterator(struct session *s, struct session_unit *unit) {
    const struct probe_target *target = unit->targets.items.data[0];
    struct probe_error error = {0};
    const char *path = NULL;
    int fd = target->pin ? probe_pin_iterator(&s->probes, &unit->link, target, &path, &error)
                         : probe_open_iterator(&s->probes, &unit->link, &error);
    if (fd < 0) {
        fprintf(stderr, "ERROR: %s\n", error.message);
        if (error.hint)
            fprintf(stderr, "HINT: %s\n", error.hint);
        return SESSION_SYSTEM_ERROR;
    }
    if (target->pin) {
        struct strbuf text = {0};
        strbuf_addf(&text, "Program pinned to %s\n", path);
        view_output_write(s->view.out, strbuf_text(&text), text.length);
        strbuf_free(&text);
        return SESSION_OK;
    }
    int result = read_through(s, fd);
    close(fd);
    return result;
}

int session_read_iterators(struct session *s) {
    int result = SESSION_OK;
    s->is_iterating = true;
    for (uint32_t i = 0; i < s->units.count && result == SESSION_OK; i++) {
        if (s->units.data[i]->moment == SESSION_AT_READING)
            result = run_iterator(s, s->units.data[i]);
    }
    s->is_iterating = false;
    return result;
}

uint32_t session_unwatch(struct session *s, uint64_t address) {
    uint32_t ended = 0;
    for (uint32_t i = 0; i < s->units.count; i++) {
        struct session_unit *unit = s->units.data[i];
        const struct probe_target *target = unit->targets.items.data[0];
        if (target->mechanism != PROBE_PERF_SAMPLE || target->event_type != PERF_TYPE_BREAKPOINT ||
            target->address != address || unit->link.attached == 0)
            continue;
        probe_detach(&unit->link);
        ended++;
    }
    return ended;
}
