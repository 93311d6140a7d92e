/* Stacks to frames with names. Each address of an image is looked up once, each different stack walked once. */
#include "profile/perf_int.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct resolver {
    struct profile *profile;
    const struct perf_images *images;
    struct symbol_cache *symbols;
    bool is_own_kernel;    /* it is the kernel that runs here, so its table of symbols holds */
    uint64_t kernel_shift; /* added to a recorded address of the kernel, to have today's */
    uint32_t cut_nodes[PROFILE_CUTS];
};

/* ---- the kernel ------------------------------------------------------------------------------------------------ */

/* The build id of the running kernel, among the notes: {name size, content size, type, "GNU\0", content}. */
static uint32_t running_build_id(uint8_t *build_id) {
    uint8_t notes[4096];
    FILE *file = fopen("/sys/kernel/notes", "re");
    size_t size = file ? fread(notes, 1, sizeof notes, file) : 0;
    if (file)
        fclose(file);
    for (size_t at = 0; at + 16 <= size;) {
        uint32_t head[3];
        memcpy(head, notes + at, sizeof head);
        size_t name = at + 12, content = name + ((head[0] + 3ul) & ~3ul), next = content + ((head[1] + 3ul) & ~3ul);
        if (next > size || next <= at)
            return 0;
        if (head[2] == 3 && head[0] == 4 && memcmp(notes + name, "GNU", 4) == 0 && head[1] <= 20) {
            memcpy(build_id, notes + content, head[1]);
            return head[1];
        }
        at = next;
    }
    return 0;
}

static void find_kernel(struct resolver *r) {
    uint8_t running[20];
    uint32_t size = running_build_id(running);
    const struct object_perf_build_id *recorded = object_perfdata_build_id(r->images->data, "[kernel.kallsyms]");
    r->is_own_kernel = recorded && size == recorded->size && memcmp(running, recorded->bytes, size) == 0;
    if (!r->is_own_kernel)
        return;
    uint64_t text = symbol_kernel_address(r->symbols, "_text");
    if (!text)
        text = symbol_kernel_address(r->symbols, "_stext");
    /* it begins elsewhere after each boot */
    if (r->images->text_start && text)
        r->kernel_shift = text - r->images->text_start;
}

static const char *made_by_kernel(const struct perf_images *images, uint64_t address) {
    uint32_t behind = vec_count_up_to(images->kernel_symbols.data, images->kernel_symbols.count,
                                      sizeof *images->kernel_symbols.data, address);
    const struct perf_kernel_symbol *symbol = behind ? &images->kernel_symbols.data[behind - 1] : NULL;
    return symbol && address < symbol->end ? symbol->name : NULL;
}

static void resolve_kernel(struct resolver *r, struct profile_frame *frame, uint64_t address) {
    struct profile *p = r->profile;
    struct symbol_name name;
    const char *made = made_by_kernel(r->images, address);
    frame->kind = PROFILE_KERNEL;
    if (made) {
        frame->name = profile_text(p, made);
        frame->module = profile_module(p, "[kernel.kallsyms]", NULL, 0);
    } else if (r->is_own_kernel && symbol_kernel(r->symbols, address + r->kernel_shift, &name)) {
        frame->name = profile_text(p, name.name);
        frame->offset = (uint32_t)name.offset;
        frame->module = profile_module(p, name.module, NULL, 0);
    } else {
        const struct perf_map *map = perf_map_at(r->images->kernel, address, UINT64_MAX);
        bool is_module = map && map->path[0] == '/';
        frame->name = is_module ? 0 : profile_text(p, "[kernel]");
        frame->module = profile_module(p, is_module ? map->path : "[kernel.kallsyms]", NULL, 0);
    }
}

/* ---- programs -------------------------------------------------------------------------------------------------- */

static bool resolve_jit(struct resolver *r, struct perf_image *image, struct profile_frame *frame, uint64_t address) {
    char path[64];
    int error;
    uint64_t start;
    snprintf(path, sizeof path, "/tmp/perf-%u.map", image->pid);
    if (!image->has_looked_for_jit) {
        image->has_looked_for_jit = true;
        image->jit = object_perfmap_open(path, getuid(), &error);
    }
    const char *name = image->jit ? object_perfmap_at(image->jit, address, &start) : NULL;
    if (!name)
        return false;
    frame->kind = PROFILE_JIT;
    frame->name = profile_text(r->profile, name);
    frame->module = profile_module(r->profile, path, NULL, 0);
    frame->offset = (uint32_t)(address - start);
    return true;
}

bool perf_has_code(const char *path) {
    return strcmp(path, "[vdso]") == 0 || (path[0] == '/' && path[1] != '/' && !str_starts(path, "/memfd:"));
}

static void resolve_mapped(struct resolver *r, struct perf_image *image, struct perf_map *map,
                           struct profile_frame *frame, uint64_t address) {
    struct profile *p = r->profile;
    struct symbol_name name;
    bool has_code = perf_has_code(map->path);
    if (!map->module) {
        map->module = profile_module(p, map->path, map->build_id, map->build_id_size);
        map->file = has_code ? symbol_file_by_path(r->symbols, map->path, map->build_id, map->build_id_size) : NULL;
    }
    frame->module = map->module;
    uint64_t offset = address - map->start + map->file_offset;
    if (!has_code && resolve_jit(r, image, frame, address))
        return;
    frame->address = has_code ? offset : address;
    frame->kind = has_code ? PROFILE_UNNAMED : PROFILE_JIT;
    bool is_named = map->file && symbol_file_name(r->symbols, map->file, offset, &name);
    if (map->file && name.address) {
        frame->address = name.address;
        frame->offset = (uint32_t)name.offset;
    }
    if (is_named) {
        frame->kind = name.is_place ? PROFILE_UNNAMED : PROFILE_USER;
        frame->name = profile_text(p, name.name);
        return;
    }
    if (!has_code) {
        frame->module = 0;
        frame->name = profile_text(p, "[jit]");
    }
}

static void resolve_user(struct resolver *r, struct perf_image *image, struct profile_frame *frame, uint64_t address,
                         uint64_t time) {
    struct perf_map *map = perf_map_at(image, address, time);
    if (map) {
        resolve_mapped(r, image, map, frame, address);
    } else if (!resolve_jit(r, image, frame, address)) {
        frame->kind = PROFILE_UNNAMED;
        frame->name = profile_text(r->profile, "[not mapped]");
    }
}

static bool may_change(const struct perf_image *image) {
    for (; image; image = image->parent) {
        if (image->has_overlaps || image->parent)
            return true;
    }
    return false;
}

/* The frame of an address; of a return address: of the call before it. */
static uint32_t frame_of(struct resolver *r, struct perf_image *image, uint64_t address, bool is_exact, uint64_t time) {
    bool is_kernel = image == r->images->kernel;
    uint64_t key = address << 1 | is_exact;
    struct profile_frame frame;
    if (!image->frames.arena)
        hash_init(&image->frames, r->images->arena);
    uintptr_t known = may_change(image) ? 0 : (uintptr_t)hash_get_number(&image->frames, key);
    if (known)
        return (uint32_t)known - 1;
    memset(&frame, 0, sizeof frame);
    frame.address = address;
    uint64_t place = address - !is_exact;
    if (is_kernel)
        resolve_kernel(r, &frame, place);
    else
        resolve_user(r, image, &frame, place, time);
    uint32_t number = profile_frame(r->profile, &frame);
    hash_put_number(&image->frames, key, (void *)((uintptr_t)number + 1));
    return number;
}

/* ---- stacks ---------------------------------------------------------------------------------------------------- */

/* Where threads and programs begin: a stack that ends there is whole. */
static bool is_outermost(const char *name) {
    static const char *const names[] = {
        "_start",   "__libc_start_main", "__libc_start_call_main", "clone",         "clone3", "__clone",
        "__clone3", "start_thread",      "__libc_start_main_impl", "_dl_start_user"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* A stack that was cut hangs below a frame that says so, apart from the whole ones. */
static uint32_t cut_node(struct resolver *r, uint32_t cut) {
    struct profile *p = r->profile;
    struct profile_frame frame;
    if (!r->cut_nodes[cut]) {
        memset(&frame, 0, sizeof frame);
        frame.kind = PROFILE_CUT;
        frame.name = profile_text(p, arena_printf(p->arena, "[cut: %s]", profile_cut_texts[cut].name));
        r->cut_nodes[cut] = profile_node(p, 0, profile_frame(p, &frame));
    }
    return r->cut_nodes[cut];
}

struct walked {
    uint32_t node;
    uint32_t end; /* enum profile_cut; PROFILE_CUTS: there is no user part */
};

static bool is_mark(uint64_t word) { return word >= PERF_CONTEXT_MAX; }

/* Which mode the word at `at` is of. */
static uint64_t mark_of(const struct perf_chain *chain, uint32_t at) {
    while (at-- > 0) {
        if (is_mark(chain->words[at]))
            return chain->words[at];
    }
    return PERF_CONTEXT_USER;
}

static uint32_t outermost_user(const struct perf_chain *chain) {
    for (uint32_t i = chain->count; i-- > 0;) {
        if (!is_mark(chain->words[i]))
            return mark_of(chain, i) == (uint64_t)PERF_CONTEXT_USER ? i : UINT32_MAX;
    }
    return UINT32_MAX;
}

static struct walked walk(struct resolver *r, const struct perf_chain *chain) {
    struct perf_image *image = r->images->all.data[chain->image->number];
    uint32_t outermost = outermost_user(chain);
    struct walked result = {0, outermost == UINT32_MAX ? PROFILE_CUTS : chain->cut};
    uint64_t mark = chain->count ? mark_of(chain, chain->count) : 0;
    if (result.end == PROFILE_CUT_UNKNOWN) {
        bool is_exact = outermost == 0 || is_mark(chain->words[outermost - 1]);
        uint32_t frame = frame_of(r, image, chain->words[outermost], is_exact, chain->time);
        const char *name = r->profile->strings.data[r->profile->frames.data[frame].name];
        result.end = is_outermost(name) ? PROFILE_COMPLETE : PROFILE_CUT_UNKNOWN;
    }
    if (result.end != PROFILE_COMPLETE && result.end != PROFILE_CUTS)
        result.node = cut_node(r, result.end);
    for (uint32_t i = chain->count; i-- > 0;) {
        if (is_mark(chain->words[i])) {
            mark = mark_of(chain, i);
            continue;
        }
        bool is_exact = i == 0 || is_mark(chain->words[i - 1]);
        bool is_kernel = mark == (uint64_t)PERF_CONTEXT_KERNEL || mark == (uint64_t)PERF_CONTEXT_HV;
        uint32_t frame = frame_of(r, is_kernel ? r->images->kernel : image, chain->words[i], is_exact, chain->time);
        result.node = profile_node(r->profile, result.node, frame);
    }
    return result;
}

static void count_end(struct profile_badge *badge, const struct walked *walked, uint64_t count) {
    badge->taken += count;
    if (walked->end == PROFILE_CUTS)
        badge->without_user += count;
    else
        badge->cut[walked->end] += count;
}

static uint32_t thread_of(struct profile *p, const struct perf_images *images, const struct perf_thread *thread) {
    const char *process_name = perf_comm_name(perf_comm_at(images, thread->pid, UINT64_MAX), thread->pid);
    if (thread->pid == thread->tid)
        process_name = thread->comm;
    return profile_thread(p, &(struct profile_thread){thread->pid, thread->tid, profile_text(p, thread->comm),
                                                      profile_text(p, process_name)});
}

static void add_part(struct resolver *r, const struct perf_part *part, uint64_t start) {
    struct profile *p = r->profile;
    struct arena *scratch = arena_new();
    struct walked *walked = arena_new_array(scratch, struct walked, part->chains.count + 1);
    uint32_t *threads = arena_new_array(scratch, uint32_t, part->threads.count + 1);
    for (uint32_t i = 0; i < part->chains.count; i++)
        walked[i] = walk(r, &part->chains.data[i]);
    for (uint32_t i = 0; i < part->threads.count; i++)
        threads[i] = thread_of(p, r->images, &part->threads.data[i]);
    for (uint32_t i = 0; i < part->sums.count; i++) {
        const struct perf_sum *sum = &part->sums.data[i];
        profile_sample(p, &(struct profile_sample){PROFILE_NO_TIME, sum->weight, threads[sum->thread],
                                                   walked[sum->chain].node, UINT32_MAX, (uint32_t)sum->count});
        count_end(&p->badge, &walked[sum->chain], sum->count);
    }
    for (uint32_t i = 0; i < part->moments.count; i++) {
        const struct perf_moment *moment = &part->moments.data[i];
        profile_sample(p, &(struct profile_sample){moment->time - start, moment->weight, threads[moment->thread],
                                                   walked[moment->chain].node, moment->cpu, 1});
        count_end(&p->badge, &walked[moment->chain], 1);
    }
    arena_free(scratch);
}

void perf_resolve(struct profile *profile, const struct perf_images *images, const struct perf_part *parts,
                  uint32_t count, struct symbol_cache *symbols) {
    struct resolver r = {.profile = profile, .images = images, .symbols = symbols};
    uint64_t start = UINT64_MAX, end = 0;
    find_kernel(&r);
    for (uint32_t i = 0; i < count; i++) {
        start = parts[i].first_time && parts[i].first_time < start ? parts[i].first_time : start;
        end = parts[i].last_time > end ? parts[i].last_time : end;
        profile->cpus = parts[i].cpus > profile->cpus ? parts[i].cpus : profile->cpus;
    }
    profile->duration_ns = end > start ? end - start : 0;
    for (uint32_t i = 0; i < count; i++)
        add_part(&r, &parts[i], start);
    for (uint32_t i = 0; i < images->all.count; i++)
        object_perfmap_close(images->all.data[i]->jit);
}
