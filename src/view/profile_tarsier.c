#include "view/profile_tarsier.h"
#include "base/crc32.h"
#include "base/profile_layout.h"
#include "base/str.h"
#include "view/profile_format.h"
#include <stdlib.h>

/* What of a sample without time is in the file already. */
struct written {
    uint64_t weight;
    uint32_t count;
};

struct profile_appender {
    struct view_output *out;
    uint32_t strings, modules, frames, nodes, threads, samples; /* how many of each are in the file */
    struct written *written;                                    /* of samples without time */
    uint32_t written_room;
    struct strbuf block;
    struct strbuf items; /* samples to come */
    uint32_t item_count;
    uint64_t before; /* time of the last timed one among them */
    bool streams;    /* they come one by one */
};

enum { ITEMS_A_BLOCK = 65536 };

static void add_number(struct strbuf *out, uint64_t number) {
    uint8_t bytes[10];
    size_t length = 0;
    for (; number >= 128; number >>= 7)
        bytes[length++] = (uint8_t)(number | 128);
    bytes[length++] = (uint8_t)number;
    strbuf_add(out, bytes, length);
}

static void add_text(struct strbuf *out, const char *text) {
    size_t length = strlen(text);
    add_number(out, length);
    strbuf_add(out, text, length);
}

static void write_block(struct profile_appender *a, uint32_t kind) {
    uint32_t header[3] = {kind, (uint32_t)a->block.length, 0};
    header[2] = crc32_add(crc32_add(0, header, 8), strbuf_text(&a->block), a->block.length);
    view_output_write(a->out, header, sizeof header);
    view_output_write(a->out, strbuf_text(&a->block), a->block.length);
    strbuf_reset(&a->block);
}

struct profile_appender *profile_appender_new(struct view_output *out) {
    struct profile_appender *a = calloc(1, sizeof *a);
    const uint32_t rest[2] = {PROFILE_FILE_VERSION, 0};
    if (!a)
        arena_out_of_memory(sizeof *a);
    a->out = out;
    a->strings = a->frames = a->nodes = 1; /* those that every profile has */
    view_output_write(out, PROFILE_FILE_MAGIC, PROFILE_FILE_MAGIC_SIZE);
    view_output_write(out, rest, sizeof rest);
    return a;
}

/* ---- one item of each kind ----------------------------------------------------------------------------------------
 */

static void add_string(struct profile_appender *a, const struct profile *p, uint32_t number) {
    add_text(&a->block, p->strings.data[number]);
}

static void add_module(struct profile_appender *a, const struct profile *p, uint32_t number) {
    const struct profile_module *module = &p->modules.data[number];
    add_number(&a->block, module->path);
    add_number(&a->block, module->build_id_size);
    strbuf_add(&a->block, module->build_id, module->build_id_size);
}

static void add_frame(struct profile_appender *a, const struct profile *p, uint32_t number) {
    const struct profile_frame *frame = &p->frames.data[number];
    add_number(&a->block, frame->kind * 2u + (frame->inlined != 0));
    add_number(&a->block, frame->name);
    add_number(&a->block, frame->module);
    add_number(&a->block, frame->address);
    add_number(&a->block, frame->offset);
    add_number(&a->block, frame->file);
    add_number(&a->block, frame->line);
}

static void add_node(struct profile_appender *a, const struct profile *p, uint32_t number) {
    add_number(&a->block, number - p->nodes.data[number].parent);
    add_number(&a->block, p->nodes.data[number].frame);
}

static void add_thread(struct profile_appender *a, const struct profile *p, uint32_t number) {
    const struct profile_thread *thread = &p->threads.data[number];
    add_number(&a->block, thread->process);
    add_number(&a->block, thread->thread);
    add_number(&a->block, thread->name);
    add_number(&a->block, thread->process_name);
}

typedef void add_item(struct profile_appender *a, const struct profile *p, uint32_t number);

static void add_items(struct profile_appender *a, const struct profile *p, uint32_t kind, add_item *add, uint32_t *done,
                      uint32_t count) {
    while (*done < count) {
        uint32_t end = count - *done > ITEMS_A_BLOCK ? *done + ITEMS_A_BLOCK : count;
        add_number(&a->block, end - *done);
        for (; *done < end; ++*done)
            add(a, p, *done);
        write_block(a, kind);
    }
}

/* ---- samples ------------------------------------------------------------------------------------------------------
 */

static void remember(struct profile_appender *a, uint32_t count) {
    if (count <= a->written_room)
        return;
    uint32_t room = count > UINT32_MAX / 2 ? UINT32_MAX : count * 2;
    struct written *grown = realloc(a->written, (size_t)room * sizeof *grown);
    if (!grown)
        arena_out_of_memory((size_t)room * sizeof *grown);
    memset(grown + a->written_room, 0, (size_t)(room - a->written_room) * sizeof *grown);
    a->written = grown;
    a->written_room = room;
}

static void add_place(struct strbuf *items, const struct profile_sample *sample, bool timed, uint64_t weight) {
    add_number(items, (uint64_t)sample->thread * 2 + timed);
    add_number(items, sample->node);
    add_number(items, sample->cpu == UINT32_MAX ? 0 : (uint64_t)sample->cpu + 1);
    add_number(items, weight);
}

/* The difference to the sample before, its sign in bit 0. */
static void add_time(struct profile_appender *a, uint64_t time) {
    uint64_t back = a->before - time, forth = time - a->before;
    add_number(&a->items, time >= a->before ? forth << 1 : back << 1 | 1);
    a->before = time;
}

static void write_samples(struct profile_appender *a) {
    if (!a->item_count)
        return;
    add_number(&a->block, a->item_count);
    strbuf_add(&a->block, strbuf_text(&a->items), a->items.length);
    write_block(a, PROFILE_BLOCK_SAMPLES);
    strbuf_reset(&a->items);
    a->item_count = 0;
    a->before = 0;
}

static void add_timed(struct profile_appender *a, const struct profile_sample *sample) {
    add_place(&a->items, sample, true, sample->weight);
    add_time(a, sample->time);
    a->item_count++;
}

/* What has come to a sample since it was written. */
static void add_untimed(struct profile_appender *a, const struct profile_sample *sample, struct written *written) {
    if (written->count == sample->count && written->weight == sample->weight)
        return;
    add_place(&a->items, sample, false, sample->weight - written->weight);
    add_number(&a->items, sample->count - written->count);
    *written = (struct written){sample->weight, sample->count};
    a->item_count++;
}

void profile_append_sample(struct profile_appender *a, const struct profile_sample *sample) {
    a->streams = true;
    add_timed(a, sample);
}

static void add_samples(struct profile_appender *a, const struct profile *p) {
    remember(a, p->samples.count);
    for (uint32_t i = 0; i < p->samples.count && !a->streams; i++) {
        const struct profile_sample *sample = &p->samples.data[i];
        if (sample->time == PROFILE_NO_TIME)
            add_untimed(a, sample, &a->written[i]);
        else if (i >= a->samples)
            add_timed(a, sample);
        if (a->item_count == ITEMS_A_BLOCK)
            write_samples(a);
    }
    write_samples(a);
    a->samples = p->samples.count;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

static void add_about(struct profile_appender *a, const struct profile *p) {
    const struct profile_badge *badge = &p->badge;
    add_number(&a->block, badge->taken);
    add_number(&a->block, badge->lost);
    add_number(&a->block, badge->without_user);
    add_number(&a->block, PROFILE_CUTS);
    for (int i = 0; i < PROFILE_CUTS; i++)
        add_number(&a->block, badge->cut[i]);
    add_number(&a->block, p->period_ns);
    add_number(&a->block, p->start_ns);
    add_number(&a->block, p->duration_ns);
    add_number(&a->block, p->cpus);
    add_text(&a->block, p->event);
    add_text(&a->block, p->unit);
    add_text(&a->block, p->command);
    add_text(&a->block, p->host);
    write_block(a, PROFILE_BLOCK_ABOUT);
}

void profile_append(struct profile_appender *a, const struct profile *p) {
    add_items(a, p, PROFILE_BLOCK_STRINGS, add_string, &a->strings, p->strings.count);
    add_items(a, p, PROFILE_BLOCK_MODULES, add_module, &a->modules, p->modules.count);
    add_items(a, p, PROFILE_BLOCK_FRAMES, add_frame, &a->frames, p->frames.count);
    add_items(a, p, PROFILE_BLOCK_NODES, add_node, &a->nodes, p->nodes.count);
    add_items(a, p, PROFILE_BLOCK_THREADS, add_thread, &a->threads, p->threads.count);
    add_samples(a, p);
    add_about(a, p);
}

void profile_append_end(struct profile_appender *a, const struct profile *p) {
    profile_append(a, p);
    write_block(a, PROFILE_BLOCK_END);
    profile_appender_free(a);
}

void profile_appender_free(struct profile_appender *a) {
    strbuf_free(&a->block);
    strbuf_free(&a->items);
    free(a->written);
    free(a);
}

void profile_write_tarsier(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    (void)picture;
    profile_append_end(profile_appender_new(out), profile);
}
