/* Values whose text is looked up when they are shown: user names, times of day, paths of cgroups. */
#include "kernel/cgroup.h"
#include "session/session_int.h"
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct known_name {
    uint64_t id;
    const char *text_of_plan; /* filter of a cgroup path; NULL: a user */
    const char *name;
};

struct session_values {
    VEC(struct known_name) users, cgroups;
    bool has_users;
    int64_t boot_offset; /* from boot time to time of day: taken once, so that times do not jump in a run */
};

static struct session_values *values(struct session *s) {
    if (!s->values) {
        s->values = arena_make(s->arena, struct session_values);
        s->values->boot_offset = kernel_boot_offset_ns();
    }
    return s->values;
}

/* ---- users ----------------------------------------------------------------------------------------------------- */

/* /etc/passwd itself and no name service: that would load the host's libraries into this process. */
static void read_users(struct session *s) {
    struct strbuf text = {0};
    char *save = NULL;
    if (kernel_read_file("/etc/passwd", &text, 16u << 20) < 0)
        return;
    char *copy = arena_strdup(s->arena, strbuf_text(&text));
    strbuf_free(&text);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *password = strchr(line, ':'), *id = password ? strchr(password + 1, ':') : NULL, *end;
        if (!id)
            continue;
        *password = '\0';
        struct known_name user = {.id = strtoull(id + 1, &end, 10), .name = line};
        if (end > id + 1 && *end == ':')
            vec_push(s->arena, &values(s)->users, user);
    }
}

void session_format_username(struct session *s, uint64_t id, struct strbuf *out) {
    struct session_values *v = values(s);
    if (!v->has_users)
        read_users(s);
    v->has_users = true;
    for (uint32_t i = 0; i < v->users.count; i++) {
        if (v->users.data[i].id == id) {
            strbuf_addstr(out, v->users.data[i].name);
            return;
        }
    }
    strbuf_addf(out, "%" PRIu64, id);
}

/* ---- times ----------------------------------------------------------------------------------------------------- */

/* The parts of a second, which strftime(3) does not have. NULL: no such letter. */
static const char *part_of_second(struct arena *arena, char letter, uint32_t nanoseconds) {
    switch (letter) {
    case 'f':
        return arena_printf(arena, "%06u", nanoseconds / 1000);
    case 'l':
        return arena_printf(arena, "%03u", nanoseconds / 1000000);
    case 'k':
        return arena_printf(arena, "%09u", nanoseconds);
    default:
        return NULL;
    }
}

static const char *with_parts(struct arena *arena, const char *format, uint32_t nanoseconds) {
    struct strbuf text = {0};
    for (const char *at = format; *at; at++) {
        if (*at != '%' || !at[1]) {
            strbuf_addch(&text, *at);
            continue;
        }
        const char *part = part_of_second(arena, at[1], nanoseconds);
        strbuf_add(&text, part ? part : at, part ? strlen(part) : 2);
        at++;
    }
    const char *copy = arena_strdup(arena, strbuf_text(&text));
    strbuf_free(&text);
    return copy;
}

void session_format_timestamp(struct session *s, uint64_t ns, uint64_t format, struct strbuf *out) {
    struct arena *arena = arena_new();
    int64_t wall = (int64_t)ns + values(s)->boot_offset;
    time_t seconds = (time_t)(wall / 1000000000);
    struct tm local;
    char text[1024];
    const char *pattern = format < s->plan->texts.count ? s->plan->texts.data[format] : "";
    pattern = with_parts(arena, pattern, (uint32_t)(wall % 1000000000));
    size_t length = localtime_r(&seconds, &local) ? strftime(text, sizeof text, pattern, &local) : 0;
    if (length || !*pattern)
        strbuf_add(out, text, length);
    else
        strbuf_addstr(out, "(?)");
    arena_free(arena);
}

/* ---- cgroups --------------------------------------------------------------------------------------------------- */

struct cgroup_search {
    const char *filter;
    struct strbuf text;
};

static void found_cgroup(void *context, const char *hierarchy, const char *path) {
    struct cgroup_search *search = context;
    if (*search->filter && fnmatch(search->filter, hierarchy, 0) != 0)
        return;
    strbuf_addf(&search->text, "%s%s:%s", search->text.length ? ";" : "", hierarchy, path);
}

enum { CGROUPS_KEPT = 4096 };

/* What was found is kept: the group may be gone when it is shown again. */
void session_format_cgroup_path(struct session *s, uint64_t id, uint64_t filter, struct strbuf *out) {
    struct session_values *v = values(s);
    struct cgroup_search search = {.filter = filter < s->plan->texts.count ? s->plan->texts.data[filter] : ""};
    for (uint32_t i = 0; i < v->cgroups.count; i++) {
        if (v->cgroups.data[i].id == id && v->cgroups.data[i].text_of_plan == search.filter) {
            strbuf_addstr(out, v->cgroups.data[i].name);
            return;
        }
    }
    kernel_cgroup_paths(id, found_cgroup, &search);
    if (search.text.length && v->cgroups.count < CGROUPS_KEPT) {
        struct known_name known = {id, search.filter, arena_strdup(s->arena, strbuf_text(&search.text))};
        vec_push(s->arena, &v->cgroups, known);
    }
    if (search.text.length)
        strbuf_add(out, strbuf_text(&search.text), search.text.length);
    else
        strbuf_addf(out, "%" PRIu64, id);
    strbuf_free(&search.text);
}
