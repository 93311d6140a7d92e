#include "profile/copy.h"

struct profile *profile_copy_empty(struct arena *arena, const struct profile *from) {
    struct profile *to = profile_new(arena);
    to->badge = from->badge;
    to->event = from->event;
    to->unit = from->unit;
    to->command = from->command;
    to->host = from->host;
    to->note = from->note;
    to->period_ns = from->period_ns;
    to->start_ns = from->start_ns;
    to->duration_ns = from->duration_ns;
    to->cpus = from->cpus;
    return to;
}

struct profile_frame profile_copy_frame(struct profile *to, const struct profile *from, uint32_t number) {
    struct profile_frame frame = from->frames.data[number];
    frame.name = profile_text(to, from->strings.data[frame.name]);
    frame.file = profile_text(to, from->strings.data[frame.file]);
    if (frame.module) {
        const struct profile_module *module = &from->modules.data[frame.module - 1];
        frame.module = profile_module(to, from->strings.data[module->path], module->build_id, module->build_id_size);
    }
    return frame;
}

void profile_copy_samples(struct profile *to, const struct profile *from, const uint32_t *nodes) {
    uint32_t *threads = arena_new_array(to->arena, uint32_t, from->threads.count);
    for (uint32_t i = 0; i < from->threads.count; i++) {
        struct profile_thread thread = from->threads.data[i];
        thread.name = profile_text(to, from->strings.data[thread.name]);
        thread.process_name = profile_text(to, from->strings.data[thread.process_name]);
        threads[i] = profile_thread(to, &thread);
    }
    for (uint32_t i = 0; i < from->samples.count; i++) {
        struct profile_sample sample = from->samples.data[i];
        sample.node = nodes[sample.node];
        sample.thread = threads[sample.thread];
        profile_sample(to, &sample);
    }
}
