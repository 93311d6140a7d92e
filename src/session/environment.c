/* What the compiler may ask about the outside, answered from the kernel's BTF and the options. */
#include "session/session_int.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t kinds_of(int keyword) {
    switch (keyword) {
    case TYPE_NAME_STRUCT:
        return OBJECT_BTF_STRUCT;
    case TYPE_NAME_UNION:
        return OBJECT_BTF_UNION;
    case TYPE_NAME_ENUM:
        return OBJECT_BTF_ENUM;
    default:
        return OBJECT_BTF_TYPEDEF | OBJECT_BTF_STRUCT;
    }
}

static const struct type *find_type(void *context, int keyword, const char *name) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    uint32_t id = btf ? object_btf_find(btf, kinds_of(keyword), name) : 0;
    return id ? object_btf_type(btf, id) : NULL;
}

static const char *nearest_type(void *context, int keyword, const char *name) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    return btf ? object_btf_nearest(btf, kinds_of(keyword), name) : NULL;
}

static bool find_constant(void *context, const char *name, int64_t *value, const struct type **type) {
    struct session *s = context;
    struct object_btf *btf = probe_btf(&s->probes);
    return btf && object_btf_enumerator(btf, name, value, type);
}

static uint64_t boottime(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Called before the script is read; what its config block may change is set by session_settings(). */
void session_environment(struct session *s) {
    s->env.context = s;
    s->env.find_type = find_type;
    s->env.nearest_type = nearest_type;
    s->env.find_constant = find_constant;
    s->env.positional = s->options->positional;
    s->env.positional_count = s->options->positional_count;
    s->env.self_pid = (uint32_t)getpid();
    s->env.start_boottime = boottime();
    s->env.cpu_count = s->cpus.count_possible;
    s->env.allow_unsafe = s->options->allow_unsafe;
}
