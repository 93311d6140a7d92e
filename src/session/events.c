/* What each kind of record does when it is read. To add a kind: a value in lang/plan.h, a case here. */
#include "session/session_int.h"
#include <poll.h>
#include <string.h>
#include <time.h>

#define LOOK_NS 10000000u
#define PATIENCE_NS 500000000u
#define LONG_NS 50000000u         /* for one message: symbols are read for the first time */
#define FORGIVEN_MOST 5000000000u /* for all of those */

static const uint8_t *payload_of(const void *record) { return (const uint8_t *)record + sizeof(struct lang_record); }

static void do_time(struct session *s, const struct lang_action *action) {
    time_t now = time(NULL);
    struct tm local;
    char text[256];
    localtime_r(&now, &local);
    size_t length = strftime(text, sizeof text, action->format, &local);
    view_print_message(&s->view, VIEW_TIME, text, length);
}

static uint64_t coarse_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* The user has asked for the results and what was waiting by then takes too long: a backlog of commands, prints of
 * maps, or text for a slow terminal. The results are there without it. */
static bool overdue(struct session *s) {
    struct pollfd asked = {.fd = s->options->stop_fd, .events = POLLIN};
    uint64_t now = coarse_now();
    if (now - s->looked_at > LOOK_NS && !s->stopped_at) {
        s->looked_at = now;
        if (poll(&asked, 1, 0) == 1)
            s->stopped_at = now;
    }
    return s->stopped_at && now - s->stopped_at > PATIENCE_NS;
}

/* The first stack makes us read the symbols of the kernel or of a program, a second or more on a busy machine: that is
 * no backlog. Commands always are. */
static void forgive(struct session *s, enum lang_action_kind kind, uint64_t began) {
    uint64_t took = coarse_now() - began;
    if (s->stopped_at && took > LONG_NS && kind != LANG_ACTION_SYSTEM && s->forgiven + took <= FORGIVEN_MOST) {
        s->stopped_at += took;
        s->forgiven += took;
    }
}

/* What decides how a run ends is done however late it is. */
static bool may_wait(enum lang_action_kind kind) {
    return kind != LANG_ACTION_EXIT && kind != LANG_ACTION_FULL && kind != LANG_ACTION_UNWATCH;
}

static void handle(struct session *s, const struct lang_action *action, const struct lang_record *header,
                   const void *bytes) {
    switch (action->kind) {
    case LANG_ACTION_PRINTF:
    case LANG_ACTION_ERROR:
    case LANG_ACTION_WARNING:
    case LANG_ACTION_SYSTEM:
    case LANG_ACTION_CAT:
        session_print_text(s, header->action, action, bytes);
        break;
    case LANG_ACTION_PACKET:
        session_write_packet(s, action, payload_of(bytes), header->stamp);
        break;
    case LANG_ACTION_JOIN:
        session_print_words(s, action, bytes);
        break;
    case LANG_ACTION_PRINT_VALUE:
        if (s->options->sink) {
            session_sink_value(s, header->stamp, action->record->fields[0].type, payload_of(bytes));
            break;
        }
        view_print_value(&s->view, action->record->fields[0].type, payload_of(bytes));
        break;
    case LANG_ACTION_PRINT_MAP:
        session_print_map(s, action, header->stamp);
        break;
    case LANG_ACTION_PRINT_ELEMENT:
        session_print_element(s, action, payload_of(bytes));
        break;
    case LANG_ACTION_CLEAR:
    case LANG_ACTION_ZERO:
        session_clear_map(s, action->map, action->kind == LANG_ACTION_ZERO, header->stamp);
        break;
    case LANG_ACTION_TIME:
        do_time(s, action);
        break;
    case LANG_ACTION_FULL:
        session_map_full(s, action->map);
        break;
    case LANG_ACTION_FAILURE: {
        struct lang_failure failure;
        memcpy(&failure, payload_of(bytes), sizeof failure);
        session_tell_failure(s, action, &failure);
        break;
    }
    case LANG_ACTION_UNWATCH: {
        uint64_t address;
        memcpy(&address, payload_of(bytes), sizeof address);
        session_unwatch(s, address);
        break;
    }
    case LANG_ACTION_EXIT: {
        int64_t code;
        memcpy(&code, payload_of(bytes), sizeof code);
        s->exit_code = (int)(code & 0xff);
        s->stop = true;
        s->exit_dropped = !s->is_iterating; /* an iterator is read to its end */
        break;
    }
    }
}

bool session_record(void *session, uint32_t cpu, const void *bytes, uint32_t size) {
    (void)cpu;
    struct session *s = session;
    struct lang_record record;
    memcpy(&record, bytes, sizeof record);
    if (s->exit_dropped)
        return true;
    if (record.action >= s->plan->actions.count || s->plan->actions.data[record.action].size > size)
        BUG("record of %u bytes with action %u", size, record.action);
    const struct lang_action *action = &s->plan->actions.data[record.action];
    if (!s->is_ending && may_wait(action->kind) && overdue(s)) {
        s->left_behind++;
        return true;
    }
    uint64_t began = coarse_now();
    handle(s, action, &record, bytes);
    forgive(s, action->kind, began);
    if (view_output_ended(s->view.out) || view_output_error(s->view.out))
        s->stop = true;
    return true;
}
