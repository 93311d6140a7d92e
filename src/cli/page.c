/* Long results on a terminal, through the user's pager. */
#include "cli/cli.h"
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool fits_the_terminal(const struct strbuf *text) {
    struct winsize size;
    unsigned lines = 0;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
        return true;
    for (size_t i = 0; i < text->length; i++)
        lines += text->data[i] == '\n';
    return lines < size.ws_row;
}

static bool write_to(FILE *out, const struct strbuf *text) {
    errno = 0;
    fwrite(strbuf_text(text), 1, text->length, out);
    return (fflush(out) == 0 && !ferror(out)) || errno == EPIPE; /* a reader that has seen enough is no error */
}

bool cli_page(const struct strbuf *text, bool at_once) {
    if (!at_once && !fits_the_terminal(text)) {
        FILE *pager = popen("${PAGER:-less -FRX}", "we");
        bool is_written = pager && write_to(pager, text);
        if (pager && pclose(pager) == 0)
            return is_written;
        /* no pager that could be started: as it is */
    }
    if (write_to(stdout, text))
        return true;
    fprintf(stderr, "ERROR: cannot write the results to standard output: %s\n", strerror(errno));
    return false;
}
