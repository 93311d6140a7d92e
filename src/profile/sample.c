/* From what the program prints to a profile. */
#include "profile/sample.h"
#include "kernel/proc.h"
#include "profile/sample_int.h"
#include "session/session.h"
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* A stack that came: its frames, the outermost first. */
struct known_stack {
    enum profile_cut end;
    uint32_t count;
    uint32_t frames[];
};

struct sampler {
    const struct profile_sampling *sampling;
    struct profile *profile;
    struct hash stacks;  /* by id */
    struct hash modules; /* by the address of the path: module + 1 */
    uint64_t began;      /* stamp: times of samples count from it */
    uint64_t stopped_at; /* stamp */
    uint32_t waiting;    /* frame */
};

/* ---- stacks ---------------------------------------------------------------------------------------------------- */

static uint32_t module_number(struct sampler *sampler, const char *path) {
    uintptr_t key = (uintptr_t)path; /* texts stay where they are */
    if (!path)
        return 0;
    uintptr_t found = (uintptr_t)hash_get_number(&sampler->modules, key);
    if (!found) {
        found = profile_module(sampler->profile, path, NULL, 0);
        hash_put_number(&sampler->modules, key, (void *)found);
    }
    return (uint32_t)found;
}

/* One place stands for the whole function. What has no name is called by its start, which a label takes from an offset
 * that is not 0 (base/profile_tree.h). */
static void move_to_start(struct profile_frame *frame) {
    bool has_start = frame->name || frame->offset;
    frame->address = has_start ? frame->address - frame->offset : 0;
    frame->offset = !frame->name && frame->offset;
    frame->address += frame->offset;
}

static uint32_t frame_number(struct sampler *sampler, const struct session_frame *from) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.address = from->address;
    frame.name = profile_text(sampler->profile, from->name);
    frame.module = module_number(sampler, from->module);
    frame.kind = (uint16_t)from->kind;
    frame.offset = from->offset <= UINT32_MAX ? (uint32_t)from->offset : 0;
    if (sampler->sampling->by_function)
        move_to_start(&frame);
    return profile_frame(sampler->profile, &frame);
}

static uint32_t text_frame(struct profile *profile, enum profile_frame_kind kind, const char *text) {
    struct profile_frame frame;
    memset(&frame, 0, sizeof frame);
    frame.name = profile_text(profile, text);
    frame.kind = (uint16_t)kind;
    return profile_frame(profile, &frame);
}

/* Its name is the reason. */
static uint32_t cut_frame(struct profile *profile, enum profile_cut end) {
    return text_frame(profile, PROFILE_CUT, profile_cut_texts[end].name);
}

static void take_stack(void *context, uint64_t id, const struct session_stack *stack) {
    struct sampler *sampler = context;
    bool cut = stack->end != PROFILE_COMPLETE;
    struct known_stack *known =
        arena_alloc(sampler->profile->arena, sizeof *known + sizeof *known->frames * (stack->count + cut));
    known->end = stack->end;
    if (cut)
        known->frames[known->count++] = cut_frame(sampler->profile, stack->end);
    for (uint32_t i = stack->count; i-- > 0;)
        known->frames[known->count++] = frame_number(sampler, &stack->frames[i]);
    hash_put_number(&sampler->stacks, id, known);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static uint64_t number(const struct type *type, const uint8_t *bytes) {
    uint64_t value = 0;
    memcpy(&value, bytes, type->size < sizeof value ? type->size : sizeof value);
    return value;
}

/* A field of a tuple. */
static uint64_t number_at(const struct type *type, const void *bytes, uint32_t field) {
    return number(type->fields[field].type, (const uint8_t *)bytes + type->fields[field].offset);
}

static uint32_t text_at(struct sampler *sampler, const struct type *type, const void *bytes, uint32_t field) {
    return profile_string(sampler->profile, (const char *)bytes + type->fields[field].offset,
                          type->fields[field].type->size);
}

/* NULL: there is none, or (an id that is not 0) it could not be kept. */
static const struct known_stack *stack_at(struct sampler *sampler, const struct type *type, const void *bytes,
                                          uint32_t field, bool *unkept) {
    uint64_t id = type_is_stack(type->fields[field].type) ? number_at(type, bytes, field) : 0;
    const struct known_stack *stack = id ? hash_get_number(&sampler->stacks, id) : NULL;
    *unkept |= id && !stack;
    return stack;
}

static uint32_t add_frames(struct profile *profile, uint32_t node, const struct known_stack *stack) {
    for (uint32_t i = 0; stack && i < stack->count; i++)
        node = profile_node(profile, node, stack->frames[i]);
    return node;
}

/* The other way around: what woke us stands on top, the place that did it first. */
static uint32_t add_reversed(struct profile *profile, uint32_t node, const struct known_stack *stack, uint32_t most) {
    for (uint32_t i = stack ? stack->count : 0; i-- > 0 && most-- > 0;)
        node = profile_node(profile, node, stack->frames[i]);
    return node;
}

/* How its user stack ended, or that it has none. */
static void count_end(struct sampler *sampler, const struct known_stack *user, bool unkept) {
    struct profile_badge *badge = &sampler->profile->badge;
    badge->taken++;
    if (user)
        badge->cut[user->end]++;
    else if (unkept)
        badge->cut[PROFILE_CUT_UNKNOWN]++;
    else
        badge->without_user++;
}

static uint32_t thread_frame(struct sampler *sampler, const struct profile_thread *thread) {
    char text[64];
    snprintf(text, sizeof text, "%s (%u)", sampler->profile->strings.data[thread->name], thread->thread);
    return text_frame(sampler->profile, PROFILE_MARK, text);
}

/* The fields of a value or of an entry of @off that a sample is made of. */
struct fields {
    uint32_t comm, process_name, kernel, user;
};

static uint32_t add_stack(struct sampler *sampler, const struct type *type, const void *bytes,
                          const struct fields *fields, const struct profile_thread *thread) {
    struct profile *profile = sampler->profile;
    bool unkept = false;
    const struct known_stack *user = stack_at(sampler, type, bytes, fields->user, &unkept);
    const struct known_stack *kernel = stack_at(sampler, type, bytes, fields->kernel, &unkept);
    uint32_t node = 0;
    if (sampler->sampling->per_thread)
        node = profile_node(profile, node, thread_frame(sampler, thread));
    if (unkept)
        node = profile_node(profile, node, text_frame(profile, PROFILE_CUT, "stack not kept"));
    node = add_frames(profile, node, user);
    node = add_frames(profile, node, kernel);
    if (!node || (sampler->sampling->per_thread && profile->nodes.data[node].parent == 0))
        node = profile_node(profile, node, text_frame(profile, PROFILE_MARK, "[no stack]"));
    count_end(sampler, user, unkept);
    return node;
}

static void add_sample(struct sampler *sampler, uint64_t begin, uint64_t weight, uint32_t cpu, uint32_t node,
                       const struct profile_thread *thread) {
    const struct profile_sampling *sampling = sampler->sampling;
    struct profile_sample sample = {
        .time = begin > sampler->began ? begin - sampler->began : 0,
        .weight = weight,
        .thread = profile_thread(sampler->profile, thread),
        .node = node,
        .cpu = cpu,
        .count = 1,
    };
    if (sampling->sample)
        sampling->sample(sampling->context, &sample);
    if (!sampling->with_times)
        sample.time = PROFILE_NO_TIME;
    profile_sample(sampler->profile, &sample);
}

/* Functions through which an interrupt enters: what it interrupted has nothing to do with it. */
static bool is_interrupt(const struct profile *profile, uint32_t frame) {
    static const char *const names[] = {
        "asm_sysvec_", "asm_common_interrupt", "asm_exc_nmi", "ret_from_intr", "el0_irq",
        "el1_irq",     "el1h_64_irq",          "el0t_64_irq"};
    const char *name = profile->strings.data[profile->frames.data[frame].name];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_starts(name, names[i]))
            return true;
    }
    return false;
}

/* How many of the innermost frames belong to an interrupt; 0: to none. */
static uint32_t interrupt_frames(const struct profile *profile, const struct known_stack *stack) {
    for (uint32_t i = stack ? stack->count : 0; i-- > 0;) {
        if (is_interrupt(profile, stack->frames[i]))
            return stack->count - i;
    }
    return 0;
}

static uint32_t add_waker(struct sampler *sampler, const struct type *type, const void *bytes, uint32_t node) {
    struct profile *profile = sampler->profile;
    bool unkept = false;
    char text[64];
    if (type->field_count < SAMPLE_FIELDS || number_at(type, bytes, SAMPLE_WAKER_COMM) == 0 /* not seen */)
        return node;
    const struct known_stack *kernel = stack_at(sampler, type, bytes, SAMPLE_WAKER_KERNEL_STACK, &unkept);
    const struct known_stack *user = stack_at(sampler, type, bytes, SAMPLE_WAKER_USER_STACK, &unkept);
    uint32_t interrupt = interrupt_frames(profile, kernel);
    uint32_t comm = text_at(sampler, type, bytes, SAMPLE_WAKER_COMM); /* the strings may move */
    snprintf(text, sizeof text, "woken by %s (%llu)", profile->strings.data[comm],
             (unsigned long long)number_at(type, bytes, SAMPLE_WAKER_PID));
    node = profile_node(profile, node, text_frame(profile, PROFILE_MARK, interrupt ? "woken by an interrupt" : text));
    node = add_reversed(profile, node, kernel, interrupt ? interrupt : UINT32_MAX);
    return interrupt ? node : add_reversed(profile, node, user, UINT32_MAX);
}

static void take_value(void *context, uint64_t stamp, const struct type *type, const void *bytes) {
    static const struct fields fields = {SAMPLE_COMM, SAMPLE_PROCESS_NAME, SAMPLE_KERNEL_STACK, SAMPLE_USER_STACK};
    struct sampler *sampler = context;
    const struct profile_sampling *sampling = sampler->sampling;
    if (type->kind != TYPE_TUPLE) {
        sampler->profile->duration_ns = stamp - sampler->began;
        if (sampling->tick)
            sampling->tick(sampling->context, sampler->profile);
        return;
    }
    uint64_t kind = number_at(type, bytes, SAMPLE_KIND);
    struct profile_thread thread = {
        .process = (uint32_t)number_at(type, bytes, SAMPLE_PID),
        .thread = (uint32_t)number_at(type, bytes, SAMPLE_TID),
        .name = text_at(sampler, type, bytes, SAMPLE_COMM),
        .process_name = text_at(sampler, type, bytes, SAMPLE_PROCESS_NAME),
    };
    uint64_t ns = kind == SAMPLE_IS_ON_CPU ? 0 : number_at(type, bytes, SAMPLE_NS);
    uint64_t weight = kind != SAMPLE_IS_ON_CPU ? ns : sampling->mode == PROFILE_WALL ? sampler->profile->period_ns : 1;
    uint32_t node = add_stack(sampler, type, bytes, &fields, &thread);
    if (kind == SAMPLE_IS_WAITING)
        node = profile_node(sampler->profile, node, sampler->waiting);
    if (sampling->mode == PROFILE_WAKEUP)
        node = add_waker(sampler, type, bytes, node);
    add_sample(sampler, stamp - ns, weight, (uint32_t)number_at(type, bytes, SAMPLE_CPU), node, &thread);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void take_losses(void *context, const struct session_losses *losses) {
    struct sampler *sampler = context;
    sampler->profile->badge.lost = losses->values;
    sampler->stopped_at = losses->stopped_at;
    sampler->profile->duration_ns = losses->stopped_at - losses->started_at;
}

/* Threads that are blocked still: until now. */
static void take_element(void *context, const char *map, const void *key, const struct type *type, const void *bytes) {
    static const struct fields fields = {LEFT_COMM, LEFT_PROCESS_NAME, LEFT_KERNEL_STACK, LEFT_USER_STACK};
    struct sampler *sampler = context;
    if (strcmp(map, "@off") != 0 || type->kind != TYPE_TUPLE || type->field_count < LEFT_FIELDS)
        return;
    uint64_t since = number_at(type, bytes, LEFT_SINCE);
    uint64_t ns = sampler->stopped_at > since ? sampler->stopped_at - since : 0;
    if (ns < sampler->sampling->least_us * 1000)
        return;
    uint32_t tid;
    memcpy(&tid, key, sizeof tid);
    struct profile_thread thread = {
        .process = (uint32_t)number_at(type, bytes, LEFT_PID),
        .thread = tid,
        .name = text_at(sampler, type, bytes, LEFT_COMM),
        .process_name = text_at(sampler, type, bytes, LEFT_PROCESS_NAME),
    };
    uint32_t node = add_stack(sampler, type, bytes, &fields, &thread);
    if (number_at(type, bytes, LEFT_KIND) == SAMPLE_IS_WAITING)
        node = profile_node(sampler->profile, node, sampler->waiting);
    add_sample(sampler, since, ns, UINT32_MAX, node, &thread);
}

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

static const char *const event_names[] = {[PROFILE_ON_CPU] = "cpu-clock",
                                          [PROFILE_OFF_CPU] = "off-cpu",
                                          [PROFILE_WAKEUP] = "wakeup",
                                          [PROFILE_WALL] = "wall"};

static void describe(struct profile *profile, const struct profile_sampling *sampling,
                     const struct session_options *options) {
    struct kernel_cpus cpus = {0};
    struct utsname system;
    struct strbuf command = {0};
    profile->event = event_names[sampling->mode];
    profile->unit = sampling->mode == PROFILE_ON_CPU ? "samples" : "ns";
    if (sampling->mode == PROFILE_ON_CPU || sampling->mode == PROFILE_WALL)
        profile->period_ns = 1000000000 / sampling->frequency;
    kernel_cpus_read(profile->arena, &cpus);
    profile->cpus = cpus.count_online;
    if (uname(&system) == 0)
        profile->host = arena_strdup(profile->arena, system.nodename);
    for (uint32_t i = 0; options->command && options->command[i]; i++)
        strbuf_addf(&command, "%s%s", i ? " " : "", options->command[i]);
    profile->command = arena_strdup(profile->arena, strbuf_text(&command));
    strbuf_free(&command);
}

int profile_take(const struct profile_sampling *sampling, const struct session_options *given,
                 struct profile *profile) {
    struct sampler sampler = {.sampling = sampling, .profile = profile, .began = kernel_boottime_ns()};
    struct session_sink sink = {&sampler, take_stack, take_value, take_element, take_losses};
    struct session_options options = *given;
    struct strbuf text = {0};
    hash_init(&sampler.stacks, profile->arena);
    hash_init(&sampler.modules, profile->arena);
    sampler.waiting = text_frame(profile, PROFILE_MARK, "[waiting for a CPU]");
    describe(profile, sampling, given);
    profile_write_program(sampling, given->pid, given->command != NULL, &text);
    options.source = (struct source){"profile", strbuf_text(&text), (uint32_t)text.length, NULL};
    options.sink = &sink;
    profile->start_ns = sampler.began + (uint64_t)kernel_boot_offset_ns();
    int result = session_run(&options);
    strbuf_free(&text);
    return result;
}
