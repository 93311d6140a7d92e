#include "view/profile_format.h"
#include "base/str.h"

/* Where one ending ends in another, the longer one stands first. */
const struct profile_format profile_formats[] = {
    {".svg", "a flame graph that opens everywhere", false, true, profile_write_svg},
    {".html", "a page with everything, for large profiles: threads, times, callers and callees", true, true,
     profile_write_html},
    {".pb.gz", "for pprof, Pyroscope, Parca, Perfetto", false, false, profile_write_pprof},
    {".speedscope.json", "for speedscope.app", false, false, profile_write_speedscope},
    {".json", "for profiler.firefox.com", true, false, profile_write_firefox},
    {".data", "for perf report and hotspot", true, false, profile_write_perf},
    {".callgrind", "for KCachegrind", false, false, profile_write_callgrind},
    {".tarsier", "everything that was sampled: for tarsier report, flame and diff", true, false, profile_write_tarsier},
    {".folded", "text, a stack a line: for grep and scripts", false, false, profile_write_folded},
};
const unsigned profile_format_count = sizeof profile_formats / sizeof *profile_formats;

const char *const profile_color_names[PROFILE_COLORINGS] = {"kind", "module", "name"};

const struct profile_format *profile_format_of(const char *path) {
    for (unsigned i = 0; i < profile_format_count; i++) {
        if (str_ends(path, profile_formats[i].ending))
            return &profile_formats[i];
    }
    return NULL;
}

void profile_format_endings(struct strbuf *out) {
    for (unsigned i = 0; i < profile_format_count; i++) {
        const char *before = i == 0 ? "" : i + 1 == profile_format_count ? " and " : ", ";
        strbuf_addf(out, "%s%s", before, profile_formats[i].ending);
    }
}

int profile_write(const struct profile_format *format, struct profile *profile, const struct profile_picture *picture,
                  int fd) {
    static const struct profile_picture usual;
    struct view_output *out = view_output_new(fd, VIEW_BUFFER_FULL);
    format->write(profile, picture ? picture : &usual, out);
    return view_output_free(out);
}
