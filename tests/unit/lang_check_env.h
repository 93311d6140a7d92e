/* A small world to check scripts against: a few kernel types, targets by probe name, and what lang_env asks for. */
#ifndef TARSIER_TESTS_LANG_CHECK_ENV_H
#define TARSIER_TESTS_LANG_CHECK_ENV_H

#include "lang/lang.h"

#include <string.h>

#define FIELD(n, t, o)                                                                                                 \
    { .name = (n), .type = (t), .offset = (o) }
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct type world_char = {.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .name = "char"};
static const struct type world_int = {.kind = TYPE_INT, .size = 4, .align = 4, .is_signed = true, .name = "int"};
static const struct type world_unsigned = {.kind = TYPE_INT, .size = 4, .align = 4, .name = "unsigned int"};
static const struct type world_long = {.kind = TYPE_INT, .size = 8, .align = 8, .is_signed = true, .name = "long"};
static const struct type world_comm = {.kind = TYPE_ARRAY, .size = 16, .align = 1, .target = &world_char, .count = 16};
static const struct type world_numbers = {.kind = TYPE_ARRAY, .size = 16, .align = 4, .target = &world_int, .count = 4};
static const struct type world_text = {.kind = TYPE_POINTER, .size = 8, .align = 8, .target = &world_char};

static const struct type_enumerator world_colors[] = {{"RED", 0}, {"GREEN", 1}, {"BLUE", 7}};
static const struct type world_color = {.kind = TYPE_ENUM,
                                        .size = 4,
                                        .align = 4,
                                        .name = "color",
                                        .enumerators = world_colors,
                                        .enumerator_count = COUNT(world_colors)};

static const struct type_field world_inner_fields[] = {FIELD("low", &world_int, 0), FIELD("high", &world_long, 8)};
static const struct type world_inner = {
    .kind = TYPE_STRUCT, .size = 16, .align = 8, .fields = world_inner_fields, .field_count = 2};

static const struct type world_task;
static const struct type world_task_pointer = {
    .kind = TYPE_POINTER, .size = 8, .align = 8, .target = &world_task, .space = SPACE_KERNEL};
static const struct type_field world_task_fields[] = {
    FIELD("pid", &world_int, 0),    FIELD("comm", &world_comm, 4),        FIELD("parent", &world_task_pointer, 24),
    FIELD(NULL, &world_inner, 32),  FIELD("numbers", &world_numbers, 48), FIELD("favourite", &world_color, 64),
    FIELD("name", &world_text, 72),
};
static const struct type world_task = {.kind = TYPE_STRUCT,
                                       .size = 80,
                                       .align = 8,
                                       .name = "task_struct",
                                       .fields = world_task_fields,
                                       .field_count = COUNT(world_task_fields)};

static const struct type_field world_switch_fields[] = {
    FIELD("prev_comm", &world_comm, 8),
    FIELD("prev_pid", &world_int, 24),
    FIELD("flags", &world_unsigned, 28),
    FIELD("task", &world_task_pointer, 32),
    {.name = "path", .type = &world_comm, .offset = 40, .is_data_loc = true},
    {.name = "words", .type = &world_numbers, .offset = 44, .is_data_loc = true},
};
static const struct type world_switch = {.kind = TYPE_STRUCT,
                                         .size = 48,
                                         .align = 8,
                                         .name = "args",
                                         .fields = world_switch_fields,
                                         .field_count = COUNT(world_switch_fields)};

static const struct type_field world_openat_fields[] = {FIELD("dfd", &world_int, 16),
                                                        FIELD("filename", &world_text, 24)};
static const struct type world_openat = {.kind = TYPE_STRUCT,
                                         .size = 32,
                                         .align = 8,
                                         .name = "args",
                                         .fields = world_openat_fields,
                                         .field_count = COUNT(world_openat_fields)};

static const struct lang_target world_targets[] = {
    {.context = LANG_CONTEXT_NONE, .provider = "begin", .name = "begin"},
    {.context = LANG_CONTEXT_NONE, .provider = "end", .name = "end"},
    {.context = LANG_CONTEXT_TRACEPOINT,
     .provider = "tracepoint",
     .name = "tracepoint:sched:switch",
     .args = &world_switch},
    {.context = LANG_CONTEXT_SYSCALL_ENTER,
     .provider = "tracepoint",
     .name = "tracepoint:syscalls:sys_enter_openat",
     .args = &world_openat,
     .user_pointers = true},
    {.context = LANG_CONTEXT_UPROBE, .provider = "uprobe", .name = "uprobe:/bin/sh:main", .user_pointers = true},
    {.context = LANG_CONTEXT_URETPROBE,
     .provider = "uretprobe",
     .name = "uretprobe:/bin/sh:main",
     .user_pointers = true},
    {.context = LANG_CONTEXT_RAW_TRACEPOINT, .provider = "rawtracepoint", .name = "rawtracepoint:switch"},
    {.context = LANG_CONTEXT_PERF_EVENT, .provider = "interval", .name = "interval:s:1"},
};

static inline const struct type *world_find_type(void *context, int keyword, const char *name) {
    (void)context;
    if (keyword == TYPE_NAME_STRUCT && strcmp(name, "task_struct") == 0)
        return &world_task;
    if (keyword == TYPE_NAME_ENUM && strcmp(name, "color") == 0)
        return &world_color;
    return NULL;
}

static inline const char *world_nearest_type(void *context, int keyword, const char *name) {
    static const char *const names[] = {"task_struct"};

    (void)context;
    return keyword == TYPE_NAME_STRUCT ? diag_nearest(name, names, 1) : NULL;
}

static inline bool world_find_constant(void *context, const char *name, int64_t *value, const struct type **type) {
    (void)context;
    for (size_t i = 0; i < COUNT(world_colors); i++) {
        if (strcmp(world_colors[i].name, name) == 0) {
            *value = world_colors[i].value;
            *type = &world_color;
            return true;
        }
    }
    return false;
}

static const char *const world_parameters[] = {"first", "2"};
static const struct lang_env world_env = {.find_type = world_find_type,
                                          .nearest_type = world_nearest_type,
                                          .find_constant = world_find_constant,
                                          .positional = world_parameters,
                                          .positional_count = 2,
                                          .cpu_count = 2,
                                          .max_strlen = 1024,
                                          .max_map_keys = 4096};

static inline const struct lang_target *world_target(const struct node *probe) {
    for (size_t i = 0; i < COUNT(world_targets); i++)
        if (strcmp(world_targets[i].name, probe->child->text) == 0)
            return &world_targets[i];
    return NULL;
}

#endif
