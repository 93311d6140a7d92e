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

/* BPFTRACE_X (what scripts and fingers know) or TARSIER_X, else the config block, else the default. */
struct setting {
    const char *key, *variable, *old_variable;
    uint32_t fallback, least, most;
};
enum { SETTING_STRLEN, SETTING_MAP_KEYS };
static const struct setting settings[] = {
    [SETTING_STRLEN] = {"max_strlen", "MAX_STRLEN", "STRLEN", 1024, 8, 16384},
    [SETTING_MAP_KEYS] = {"max_map_keys", "MAX_MAP_KEYS", "MAP_KEYS_MAX", 4096, 1, 64u << 20},
};

static const char *from_environment(const struct setting *setting) {
    static const char *const prefixes[] = {"TARSIER_", "BPFTRACE_"};
    const char *const names[] = {setting->variable, setting->old_variable};
    for (int p = 0; p < 2; p++) {
        for (int n = 0; n < 2; n++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", prefixes[p], names[n]);
            const char *value = getenv(name);
            if (value)
                return value;
        }
    }
    return NULL;
}

static uint32_t setting_value(struct session *s, const struct setting *setting) {
    uint64_t value = setting->fallback;
    const char *text = from_environment(setting);
    for (uint32_t i = 0; s->program && i < s->program->config.count; i++) {
        const struct lang_config_item *item = &s->program->config.data[i];
        if (strcmp(item->name, setting->key) == 0)
            value = (uint64_t)item->number;
    }
    if (text && !str_to_u64(text, &value)) {
        fprintf(stderr, "WARNING: %s is no number: \"%s\" (%u is used)\n", setting->key, text, setting->fallback);
        value = setting->fallback;
    }
    if (value < setting->least || value > setting->most) {
        fprintf(stderr, "WARNING: %s must be between %u and %u (%u is used)\n", setting->key, setting->least,
                setting->most, setting->fallback);
        value = setting->fallback;
    }
    return (uint32_t)value;
}

/* Called twice: before parsing for what parsing needs, and again when the config block is known. */
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
    s->env.max_strlen = setting_value(s, &settings[SETTING_STRLEN]);
    s->env.max_map_keys = setting_value(s, &settings[SETTING_MAP_KEYS]);
    s->env.allow_unsafe = s->options->allow_unsafe;
}
