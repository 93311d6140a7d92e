/* Settings: TARSIER_X or BPFTRACE_X in the environment, else x in the config block, else the default.
 *
 * To add one: a field in struct session_settings and a row in the table below. */
#include "session/session_int.h"
#include <ctype.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum value_kind { NUMBER, WORD, TEXT, CHOICE, IGNORED_NUMBER, NO_EFFECT }; /* CHOICE: a WORD that changes nothing */

static const char *const missing_names[] = {
    [SESSION_MISSING_ERROR] = "error", [SESSION_MISSING_WARN] = "warn", [SESSION_MISSING_IGNORE] = "ignore", NULL};
static const char *const full_names[] = {
    [LANG_FULL_COUNT] = "count", [LANG_FULL_EVICT] = "evict", [LANG_FULL_STOP] = "stop", NULL};
/* What the kernel takes for a licence that may use all helpers. Our programs declare GPL whatever is chosen. */
static const char *const license_names[] = {
    "Dual MIT/GPL", "Dual BSD/GPL", "Dual MPL/GPL", "GPL and additional rights", "GPL v2", "GPL", NULL};
static const char *const truth_names[] = {"false", "true", NULL};
/* of settings without effect */
static const char *const truth_choices[] = {"true", "false", "1", "0", NULL};
static const char *const cache_choices[] = {"PER_PID", "PER_PROGRAM", "NONE", "1", "0", NULL};

#define FIELD(name) offsetof(struct session_settings, name)

static const struct setting {
    const char *key;
    enum value_kind kind;
    size_t field;             /* uint32_t, or const char * of a TEXT */
    const char *old_key;      /* as it was called before, or NULL */
    uint32_t least, most;     /* NUMBER */
    const char *const *words; /* WORD: the value is the position in the list */
    const char *otherwise;    /* of those that change nothing: what `config` shows where nothing was said */
} settings[] = {
    {"max_strlen", NUMBER, FIELD(max_strlen), "strlen", 2, 16384, NULL, NULL},
    {"max_map_keys", NUMBER, FIELD(max_map_keys), "map_keys_max", 1, LANG_MAP_ENTRIES_MOST, NULL, NULL},
    {"max_stacks", NUMBER, FIELD(max_stacks), NULL, 1, LANG_MAP_ENTRIES_MOST, NULL, NULL},
    {"full_maps", WORD, FIELD(full_maps), NULL, 0, 0, full_names, NULL},
    {"max_cat_bytes", NUMBER, FIELD(max_cat_bytes), "cat_bytes_max", 1, 64u << 20, NULL, NULL},
    {"perf_rb_pages", NUMBER, FIELD(ring_pages), NULL, 0, 1u << 20, NULL, NULL},
    {"print_maps_on_exit", WORD, FIELD(print_maps_on_exit), NULL, 0, 0, truth_names, NULL},
    {"missing_probes", WORD, FIELD(missing_probes), NULL, 0, 0, missing_names, NULL},
    {"stack_mode", WORD, FIELD(stack_mode), NULL, 0, 0, type_stack_mode_names, NULL},
    {"str_trunc_trailer", TEXT, FIELD(string_trailer), NULL, 0, 0, NULL, NULL},
    /* settings of bpftrace that have nothing to act on here */
    {"cache_user_symbols", CHOICE, 0, NULL, 0, 0, cache_choices, "PER_PID"},
    {"cpp_demangle", CHOICE, 0, "no_cpp_demangle", 0, 0, truth_choices, "true"},
    {"lazy_symbolication", CHOICE, 0, NULL, 0, 0, truth_choices, "true"},
    {"license", CHOICE, 0, NULL, 0, 0, license_names, "GPL"},
    {"log_size", IGNORED_NUMBER, 0, NULL, 0, UINT32_MAX, NULL, "1000000"},
    {"max_bpf_progs", IGNORED_NUMBER, 0, NULL, 0, UINT32_MAX, NULL, "1024"},
    {"max_probes", IGNORED_NUMBER, 0, NULL, 0, UINT32_MAX, NULL, "1024"},
    {"max_type_res_iterations", NO_EFFECT, 0, NULL, 0, 0, NULL, "0"},
    {"on_stack_limit", IGNORED_NUMBER, 0, NULL, 0, UINT32_MAX, NULL, "32"},
    {"show_debug_info", CHOICE, 0, NULL, 0, 0, truth_choices, "true"},
    {"symbol_source", NO_EFFECT, 0, NULL, 0, 0, NULL, ""},
    {"unstable_addr", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_dw_ustack", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_import", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_import_statement", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_macro", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_map_decl", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_tseries", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"unstable_typeinfo", NO_EFFECT, 0, NULL, 0, 0, NULL, "enable"},
    {"use_blazesym", CHOICE, 0, NULL, 0, 0, truth_choices, "false"},
};
enum { SETTING_COUNT = sizeof settings / sizeof *settings };

/* ---- values ---------------------------------------------------------------------------------------------------- */

static const char *word_list(struct arena *arena, const char *const *words) {
    const char *text = "";
    for (uint32_t i = 0; words[i]; i++)
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    return text;
}

static const char *comma_list(struct arena *arena, const char *const *words) {
    const char *text = words[0];
    for (uint32_t i = 1; words[i]; i++)
        text = arena_printf(arena, "%s, %s", text, words[i]);
    return text;
}

static bool find_word(const char *const *words, const char *text, uint32_t *value) {
    for (*value = 0; words[*value]; ++*value) {
        if (strcasecmp(words[*value], text) == 0)
            return true;
    }
    return false;
}

/* NULL, or what the value must be. */
static const char *set(struct session *s, const struct setting *setting, const char *text) {
    char *field = (char *)&s->settings + setting->field;
    uint64_t number = 0;
    uint32_t value = 0;
    switch (setting->kind) {
    case NUMBER:
        if (!str_to_u64(text, &number) || number < setting->least || number > setting->most)
            return arena_printf(s->arena, "%s must be a number between %u and %u, not \"%s\"", setting->key,
                                setting->least, setting->most, text);
        value = (uint32_t)number;
        break;
    case WORD:
        if (setting->words == truth_names && (strcmp(text, "0") == 0 || strcmp(text, "1") == 0))
            value = text[0] == '1';
        else if (!find_word(setting->words, text, &value))
            return arena_printf(s->arena, "%s must be %s, not \"%s\"", setting->key,
                                word_list(s->arena, setting->words), text);
        break;
    case TEXT:
        memcpy(field, &text, sizeof text);
        return NULL;
    case CHOICE:
        s->settings.said[setting - settings] = text;
        if (!find_word(setting->words, text, &value))
            return arena_printf(s->arena, "Invalid value for %s. Found: %s. Valid values: %s.", setting->key, text,
                                comma_list(s->arena, setting->words));
        return NULL;
    case IGNORED_NUMBER:
        s->settings.said[setting - settings] = text;
        if (!str_to_u64(text, &number) || number > setting->most)
            return arena_printf(s->arena, "%s must be a number, not \"%s\"", setting->key, text);
        return NULL;
    case NO_EFFECT:
        s->settings.said[setting - settings] = text;
        return NULL;
    }
    memcpy(field, &value, sizeof value);
    return NULL;
}

/* ---- the two places --------------------------------------------------------------------------------------------- */

static const char *from_environment(const char *key) {
    static const char *const prefixes[] = {"TARSIER_", "BPFTRACE_"};
    for (int p = 0; key && p < 2; p++) {
        char name[64];
        int length = snprintf(name, sizeof name, "%s%s", prefixes[p], key);
        for (int i = 0; i < length; i++)
            name[i] = (char)toupper((unsigned char)name[i]);
        const char *value = getenv(name);
        if (value)
            return value;
    }
    return NULL;
}

static const struct setting *find(const char *key) {
    for (uint32_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings[i].key, key) == 0 || (settings[i].old_key && strcmp(settings[i].old_key, key) == 0))
            return &settings[i];
    }
    return NULL;
}

/* Older scripts write the name of the environment's variable: BPFTRACE_MAX_STRLEN = 64; */
static const char *plain_key(struct arena *arena, const char *name) {
    static const char prefix[] = "bpftrace_";
    char *key = arena_strdup(arena, name);
    for (char *at = key; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return str_starts(key, prefix) ? key + strlen(prefix) : key;
}

static void report_unknown(struct session *s, const struct lang_config_item *item, const char *key) {
    const char *names[SETTING_COUNT];
    for (uint32_t i = 0; i < SETTING_COUNT; i++)
        names[i] = settings[i].key;
    struct loc whole = {item->name_loc.begin, item->loc.end};
    diag_error(&s->diags, "unknown-setting", whole, "%s: not a known configuration option", item->name);
    const char *nearest = diag_nearest(key, names, SETTING_COUNT);
    if (nearest)
        diag_hint(&s->diags, "did you mean %s?", nearest);
}

static void read_block(struct session *s) {
    for (uint32_t i = 0; i < s->program->config.count; i++) {
        const struct lang_config_item *item = &s->program->config.data[i];
        const char *key = plain_key(s->arena, item->name);
        const struct setting *setting = find(key);
        if (!setting) {
            report_unknown(s, item, key);
            continue;
        }
        if (strcmp(key, setting->key) != 0) {
            diag_warning(&s->diags, "renamed-setting", item->name_loc, "%s has been renamed to %s", item->name,
                         setting->key);
            diag_hint(&s->diags, "older versions of bpftrace know the old name only");
        }
        const char *text = item->text ? item->text : arena_printf(s->arena, "%" PRId64, item->number);
        const char *problem = set(s, setting, text);
        if (problem)
            diag_error(&s->diags, "setting-value", item->loc, "%s", problem);
    }
}

static void read_environment(struct session *s) {
    for (uint32_t i = 0; i < SETTING_COUNT; i++) {
        const char *text = from_environment(settings[i].key);
        if (!text)
            text = from_environment(settings[i].old_key);
        const char *problem = text ? set(s, &settings[i], text) : NULL;
        if (problem)
            fprintf(stderr, "WARNING: in the environment, %s; it is not used\n", problem);
    }
}

void session_settings(struct session *s) {
    s->settings = (struct session_settings){
        .max_strlen = 1024,
        .max_map_keys = 4096,
        .max_stacks = 65536,
        .print_maps_on_exit = 1,
        .max_cat_bytes = 10240,
        .missing_probes = SESSION_MISSING_UNSAID,
        .string_trailer = "..",
        .said = arena_new_array(s->arena, const char *, SETTING_COUNT),
    };
    read_block(s);
    read_environment(s);
    s->env.max_strlen = s->settings.max_strlen;
    s->env.max_map_keys = s->settings.max_map_keys;
    s->env.max_stacks = s->settings.max_stacks;
    s->env.full_maps = (enum lang_full_maps)s->settings.full_maps;
    s->env.stack_mode = (enum type_stack_mode)s->settings.stack_mode;
    s->view.string_trailer = s->settings.string_trailer;
}

/* ---- asked by the script ----------------------------------------------------------------------------------------- */

static bool is_truth(const struct setting *setting) {
    return setting->words == truth_names || setting->words == truth_choices;
}

/* A setting that is kept: its text, or NULL and its number. */
static const char *current(const struct session *s, const struct setting *setting, int64_t *number) {
    const char *field = (const char *)&s->settings + setting->field, *text = NULL;
    uint32_t value = 0;
    if (setting->kind == TEXT) {
        memcpy(&text, field, sizeof text);
        return text;
    }
    memcpy(&value, field, sizeof value);
    *number = value;
    if (setting->kind == NUMBER || is_truth(setting))
        return NULL;
    if (setting->words == missing_names && value == SESSION_MISSING_UNSAID)
        value = SESSION_MISSING_ERROR;
    return setting->words[value];
}

bool session_setting(void *session, uint32_t index, struct lang_setting *out) {
    struct session *s = session;
    if (index >= SETTING_COUNT)
        return false;
    const struct setting *setting = &settings[index];
    const char *said = s->settings.said[index] ? s->settings.said[index] : setting->otherwise;
    uint64_t number = 0;
    *out = (struct lang_setting){.name = setting->key, .text = said, .is_truth = is_truth(setting)};
    if (!said) {
        out->text = current(s, setting, &out->number);
    } else if (out->is_truth) {
        out->text = NULL;
        out->number = strcmp(said, "1") == 0 || strcasecmp(said, "true") == 0;
    } else if (setting->kind == IGNORED_NUMBER && str_to_u64(said, &number)) {
        out->text = NULL;
        out->number = (int64_t)number;
    }
    return true;
}
