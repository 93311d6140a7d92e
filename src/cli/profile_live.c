#include "cli/profile_live.h"
#include "cli/cli.h"
#include "kernel/proc.h"
#include "view/profile_text.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LIVE_MS = 500, FILE_MS = 1000, LIVE_FUNCTIONS = 12 };

/* Lines are cut at the width of the terminal, so that as many are drawn over as were drawn. */
static void draw(struct profile_live *live, const struct strbuf *text) {
    struct winsize size = {0};
    struct strbuf out = {0};
    size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79;
    uint32_t most = size.ws_row > 2 ? size.ws_row - 2u : 20;
    if (live->lines)
        strbuf_addf(&out, "\033[%uA", live->lines);
    strbuf_addstr(&out, "\r\033[J");
    live->lines = 0;
    for (const char *at = strbuf_text(text); *at && live->lines < most; live->lines++) {
        size_t length = strcspn(at, "\n");
        strbuf_add(&out, at, length < width ? length : width);
        strbuf_addch(&out, '\n');
        at += length + (at[length] != '\0');
    }
    fwrite(strbuf_text(&out), 1, out.length, stderr);
    fflush(stderr);
    strbuf_free(&out);
}

static void draw_summary(struct profile_live *live, struct profile *profile) {
    struct strbuf text = {0};
    strbuf_addf(&text, "%.1f s, Ctrl-C ends: ", (double)(kernel_monotonic_ns() - live->began) / 1e9);
    view_profile_badge(profile, &text);
    view_profile_functions(profile, LIVE_FUNCTIONS, &text);
    draw(live, &text);
    strbuf_free(&text);
}

static void tick(void *context, struct profile *profile) {
    struct profile_live *live = context;
    if (live->draws)
        draw_summary(live, profile);
    if (live->appender) {
        profile_append(live->appender, profile);
        view_output_flush(live->out);
    }
}

static void take_sample(void *context, const struct profile_sample *sample) {
    struct profile_live *live = context;
    profile_append_sample(live->appender, sample);
}

static bool open_file(struct profile_live *live) {
    live->fd = open(live->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (live->fd < 0) {
        fprintf(stderr, "ERROR: cannot write %s: %s\n", live->path, strerror(errno));
        return false;
    }
    live->out = view_output_new(live->fd, VIEW_BUFFER_FULL);
    live->appender = profile_appender_new(live->out);
    return true;
}

bool cli_live_begin(struct profile_live *live, const struct profile_format *format, struct profile_sampling *sampling) {
    live->began = kernel_monotonic_ns();
    if (format && format->write == profile_write_tarsier && !open_file(live))
        return false;
    if (live->appender) {
        sampling->sample = take_sample;
        sampling->with_times = false; /* the file has them */
    }
    if (live->draws || live->appender) {
        sampling->tick = tick;
        sampling->tick_ms = live->draws ? LIVE_MS : FILE_MS;
        sampling->context = live;
    }
    return true;
}

void cli_live_end(struct profile_live *live) {
    if (live->lines)
        fprintf(stderr, "\033[%uA\r\033[J", live->lines);
    live->lines = 0;
}

int cli_live_end_file(struct profile_live *live, const struct profile *profile) {
    profile_append_end(live->appender, profile);
    live->appender = NULL;
    int error = view_output_free(live->out);
    live->out = NULL;
    if (close(live->fd) < 0 && !error)
        error = -errno;
    if (error)
        fprintf(stderr, "ERROR: cannot write %s: %s\n", live->path, strerror(-error));
    return error ? SESSION_OUTPUT_ERROR : SESSION_OK;
}

/* After an error of the run: what came until then stays in the file. */
void cli_live_close(struct profile_live *live) {
    if (!live->appender)
        return;
    view_output_free(live->out);
    close(live->fd);
    profile_appender_free(live->appender);
    live->appender = NULL;
}
