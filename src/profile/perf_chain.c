/* Second pass: each different stack once. Runs on several CPUs; nothing here is shared but the images, which are only
 * read, and the number of the next piece. */
#include "profile/perf_int.h"

#include <linux/perf_event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A table of numbers into a vector, by hash; the vector's items tell whether they are the one. */
struct table {
    uint32_t *numbers; /* + 1; 0: free */
    uint32_t mask, count;
};

enum { KERNEL_MOST = 256, WORDS_MOST = 2560 };

struct worker {
    uint64_t words[WORDS_MOST]; /* of the stack that was just walked */
    const struct perf_pass *pass;
    struct perf_part *part;
    atomic_uint *next_piece;
    struct table chains, sums, threads;
    /* of the sample before, which often has the same */
    uint32_t last_thread;
    const struct perf_image *last_image;
    const struct perf_comm *last_comm;
    uint32_t last_comm_tid;
};

static uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint32_t *slot_at(const struct table *table, uint64_t hash, uint32_t step) {
    return &table->numbers[((uint32_t)(hash >> 32) + step) & table->mask];
}

/* Makes room for one more; hash_of gives that of an item. */
static void reserve(struct table *table, const void *items, uint64_t (*hash_of)(const void *items, uint32_t number)) {
    struct table old = *table;
    if (table->numbers && table->count < table->mask / 4 * 3)
        return;
    table->mask = table->numbers ? table->mask * 2 + 1 : 4095;
    table->numbers = calloc((size_t)table->mask + 1, sizeof *table->numbers);
    if (!table->numbers)
        arena_out_of_memory(((size_t)table->mask + 1) * sizeof *table->numbers);
    for (uint32_t i = 0; old.numbers && i <= old.mask; i++) {
        uint32_t step = 0;
        if (!old.numbers[i])
            continue;
        uint64_t hash = hash_of(items, old.numbers[i] - 1);
        while (*slot_at(table, hash, step))
            step++;
        *slot_at(table, hash, step) = old.numbers[i];
    }
    free(old.numbers);
}

/* ---- stacks ---------------------------------------------------------------------------------------------------- */

static uint64_t chain_hash(const void *items, uint32_t number) {
    return ((const struct perf_chain *)items)[number].hash;
}

static uint32_t chain_number(struct worker *worker, const struct perf_chain *wanted) {
    struct perf_part *part = worker->part;
    reserve(&worker->chains, part->chains.data, chain_hash);
    uint32_t *slot, number;
    for (uint32_t step = 0; *(slot = slot_at(&worker->chains, wanted->hash, step)); step++) {
        const struct perf_chain *known = &part->chains.data[*slot - 1];
        if (known->hash == wanted->hash && known->image == wanted->image && known->count == wanted->count &&
            known->cut == wanted->cut && memcmp(known->words, wanted->words, 8 * (size_t)wanted->count) == 0)
            return *slot - 1;
    }
    number = part->chains.count;
    vec_push(part->arena, &part->chains, *wanted);
    part->chains.data[number].words = arena_memdup(part->arena, wanted->words, 8 * (size_t)wanted->count);
    *slot = number + 1;
    worker->chains.count++;
    return number;
}

/* The kernel's part as recorded, and the user's part walked from the copy of the stack. */
static void walk_copy(struct worker *worker, const struct object_perf_sample *sample, struct perf_chain *chain) {
    uint32_t count = sample->chain_count < KERNEL_MOST ? (uint32_t)sample->chain_count : KERNEL_MOST;
    if (count)
        memcpy(worker->words, sample->chain, 8 * (size_t)count);
    count += perf_unwind(worker->pass->tables, chain->image, sample, worker->pass->registers, worker->words + count,
                         WORDS_MOST - count, &chain->cut);
    chain->words = worker->words;
    chain->count = count;
}

/* The chain as recorded; without one (perf record without -g) the place alone, with the mark of its mode. */
static uint32_t chain_of(struct worker *worker, const struct object_perf_record *record,
                         const struct object_perf_sample *sample, const struct perf_image *image) {
    bool is_kernel = (record->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
    uint64_t alone[2] = {is_kernel ? PERF_CONTEXT_KERNEL : PERF_CONTEXT_USER, sample->ip};
    struct perf_chain chain = {image->number, image, alone, 2, PROFILE_CUT_UNKNOWN, sample->time};
    if (worker->pass->tables && sample->registers) {
        walk_copy(worker, sample, &chain);
    } else if (sample->chain_count) {
        chain.words = sample->chain;
        chain.count = (uint32_t)sample->chain_count;
    }
    chain.hash = mix(chain.count, image->number);
    for (uint32_t i = 0; i < chain.count; i++)
        chain.hash = mix(chain.hash, chain.words[i]);
    return chain_number(worker, &chain);
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

/* The program and the name of the sample's thread at that time. */
static void find_program(struct worker *worker, const struct object_perf_sample *sample) {
    const struct perf_image *image = worker->last_image;
    const struct perf_comm *comm = worker->last_comm;
    if (!image || image->pid != sample->pid || !perf_period_holds(&image->period, sample->time))
        worker->last_image = perf_image_at(worker->pass->images, sample->pid, sample->time);
    if (!comm || worker->last_comm_tid != sample->tid || !perf_period_holds(&comm->period, sample->time))
        worker->last_comm = perf_comm_at(worker->pass->images, sample->tid, sample->time);
    worker->last_comm_tid = sample->tid;
}

static uint64_t thread_key(uint32_t pid, uint32_t tid, const char *comm) {
    return mix(mix((uint64_t)pid << 32 | tid, (uintptr_t)comm), 1);
}

static uint64_t thread_hash(const void *items, uint32_t number) {
    const struct perf_thread *thread = &((const struct perf_thread *)items)[number];
    return thread_key(thread->pid, thread->tid, thread->comm);
}

static uint32_t thread_number(struct worker *worker, uint32_t pid, uint32_t tid, const char *comm) {
    struct perf_part *part = worker->part;
    if (part->threads.count) {
        const struct perf_thread *last = &part->threads.data[worker->last_thread];
        if (last->pid == pid && last->tid == tid && last->comm == comm)
            return worker->last_thread;
    }
    reserve(&worker->threads, part->threads.data, thread_hash);
    uint64_t hash = thread_key(pid, tid, comm);
    uint32_t *slot;
    for (uint32_t step = 0; *(slot = slot_at(&worker->threads, hash, step)); step++) {
        const struct perf_thread *known = &part->threads.data[*slot - 1];
        if (known->pid == pid && known->tid == tid && known->comm == comm)
            break;
    }
    if (!*slot) {
        vec_push(part->arena, &part->threads, ((struct perf_thread){pid, tid, comm}));
        *slot = part->threads.count;
        worker->threads.count++;
    }
    return worker->last_thread = *slot - 1;
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

static uint64_t sum_key(uint32_t chain, uint32_t thread) { return mix((uint64_t)chain << 32 | thread, 2); }

static uint64_t sum_hash(const void *items, uint32_t number) {
    const struct perf_sum *sum = &((const struct perf_sum *)items)[number];
    return sum_key(sum->chain, sum->thread);
}

static void add_sum(struct worker *worker, uint32_t chain, uint32_t thread, uint64_t weight) {
    struct perf_part *part = worker->part;
    reserve(&worker->sums, part->sums.data, sum_hash);
    uint64_t hash = sum_key(chain, thread);
    uint32_t *slot;
    for (uint32_t step = 0; *(slot = slot_at(&worker->sums, hash, step)); step++) {
        struct perf_sum *known = &part->sums.data[*slot - 1];
        if (known->chain == chain && known->thread == thread) {
            known->weight += weight;
            known->count++;
            return;
        }
    }
    vec_push(part->arena, &part->sums, ((struct perf_sum){chain, thread, weight, 1}));
    *slot = part->sums.count;
    worker->sums.count++;
}

static void on_sample(struct worker *worker, const struct object_perf_record *record) {
    const struct perf_pass *pass = worker->pass;
    struct perf_part *part = worker->part;
    struct object_perf_sample sample;
    if (!object_perf_sample(pass->data, record, &sample)) {
        part->broken++;
        return;
    }
    if (sample.event != pass->event)
        return;
    find_program(worker, &sample);
    uint32_t chain = chain_of(worker, record, &sample, worker->last_image);
    uint32_t thread = thread_number(worker, sample.pid, sample.tid, perf_comm_name(worker->last_comm, sample.tid));
    uint64_t weight = pass->by_period ? sample.period : 1;
    if (pass->with_times)
        vec_push(part->arena, &part->moments, ((struct perf_moment){sample.time, weight, chain, thread, sample.cpu}));
    else
        add_sum(worker, chain, thread, weight);
    if (sample.time && (!part->first_time || sample.time < part->first_time))
        part->first_time = sample.time;
    if (sample.time > part->last_time)
        part->last_time = sample.time;
    if (sample.cpu != UINT32_MAX && sample.cpu >= part->cpus)
        part->cpus = sample.cpu + 1;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    const struct perf_images *images = worker->pass->images;
    for (unsigned piece; (piece = atomic_fetch_add(worker->next_piece, 1)) + 1 < images->pieces.count;) {
        struct object_perf_cursor cursor =
            object_perf_cursor(worker->pass->data, images->pieces.data[piece], images->pieces.data[piece + 1]);
        struct object_perf_record record;
        while (object_perf_next(&cursor, &record)) {
            if (record.type == PERF_RECORD_SAMPLE)
                on_sample(worker, &record);
        }
    }
    free(worker->chains.numbers);
    free(worker->sums.numbers);
    free(worker->threads.numbers);
    return NULL;
}

void perf_chains_read(const struct perf_pass *pass, struct perf_part *parts, uint32_t count) {
    struct worker *workers = arena_new_array(pass->images->arena, struct worker, count);
    pthread_t threads[count];
    bool started[count];
    atomic_uint next_piece = 0;

    for (uint32_t i = 0; i < count; i++) {
        workers[i].pass = pass;
        workers[i].part = &parts[i];
        workers[i].next_piece = &next_piece;
        started[i] = i && pthread_create(&threads[i], NULL, work, &workers[i]) == 0;
    }
    work(&workers[0]); /* a thread that could not be started is not missed: the others take its pieces */
    for (uint32_t i = 1; i < count; i++) {
        if (started[i])
            pthread_join(threads[i], NULL);
    }
}
