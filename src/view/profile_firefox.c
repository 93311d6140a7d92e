/* The Firefox Profiler's format: profiler.firefox.com shows time, threads and stacks of it.
 *
 * Source: src/types/profile.ts and docs-developer/CHANGELOG-formats.md of github.com/firefox-devtools/profiler,
 * processed profile, version 48; newer profilers bring it up to date by themselves. Each thread has tables of its own:
 * a stack is a frame and the stack of its caller, a frame is an address in a function, a function has a name and
 * belongs to a library.
 */
#include "view/profile_picture.h"
#include "view/view_int.h"

/* Columns of a thread's tables, filled side by side. */
enum column {
    STACK_PREFIX,
    STACK_FRAME,
    STACK_CATEGORY,
    STACK_ZERO,
    FRAME_ADDRESS,
    FRAME_DEPTH,
    FRAME_CATEGORY,
    FRAME_FUNC,
    FRAME_LINE,
    FRAME_ZERO,
    FRAME_NULL,
    FUNC_NAME,
    FUNC_RESOURCE,
    FUNC_FILE,
    FUNC_FALSE,
    FUNC_NULL,
    RESOURCE_LIB,
    RESOURCE_NAME,
    RESOURCE_NULL,
    RESOURCE_TYPE,
    SAMPLE_STACK,
    SAMPLE_TIME,
    SAMPLE_WEIGHT,
    STRINGS,
    COLUMNS,
};

struct firefox {
    struct profile *profile;
    struct arena *arena, *thread_arena;
    struct view_output *out;
    struct strbuf text;
    struct strbuf columns[COLUMNS];
    uint32_t *stack_of, *frame_of,
        *resource_of; /* of nodes, frames, modules, plus one; in the thread that is written */
    uint32_t stacks, frames, funcs, resources, samples, strings;
    struct hash func_numbers, string_numbers;
    VEC(uint32_t) path;
};

static void put(struct firefox *file) {
    view_output_write(file->out, strbuf_text(&file->text), file->text.length);
    strbuf_reset(&file->text);
}

static void add_json(struct strbuf *out, const char *text) {
    struct strbuf clean = {0};
    profile_add_clean(&clean, text);
    view_json_string(strbuf_text(&clean), clean.length, out);
    strbuf_free(&clean);
}

/* The next place of a column; NULL "null" and the like as text. */
static struct strbuf *next(struct firefox *file, enum column column) {
    struct strbuf *out = &file->columns[column];
    if (out->length)
        strbuf_addch(out, ',');
    return out;
}

static void add_number(struct firefox *file, enum column column, uint64_t number) {
    view_add_unsigned(next(file, column), number);
}

static void add_word(struct firefox *file, enum column column, const char *word) {
    strbuf_addstr(next(file, column), word);
}

/* ---- a thread's tables ------------------------------------------------------------------------------------------- */

static uint32_t string_number(struct firefox *file, const char *text) {
    uintptr_t found = (uintptr_t)hash_get(&file->string_numbers, text);
    if (found)
        return (uint32_t)found - 1;
    hash_put(&file->string_numbers, text, (void *)(uintptr_t)(file->strings + 1));
    add_json(next(file, STRINGS), text);
    return file->strings++;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static uint32_t resource_number(struct firefox *file, uint32_t module) {
    const struct profile *p = file->profile;
    if (file->resource_of[module])
        return file->resource_of[module] - 1;
    add_number(file, RESOURCE_LIB, module - 1);
    add_number(file, RESOURCE_NAME, string_number(file, base_name(p->strings.data[p->modules.data[module - 1].path])));
    add_word(file, RESOURCE_NULL, "null");
    add_number(file, RESOURCE_TYPE, 1 /* a library */);
    file->resource_of[module] = ++file->resources;
    return file->resources - 1;
}

static uint32_t func_number(struct firefox *file, const struct profile_frame *frame) {
    uint32_t name = string_number(file, profile_frame_label(file->profile, frame, file->thread_arena));
    uint64_t key = (uint64_t)name << 32 | frame->module;
    uintptr_t found = (uintptr_t)hash_get_number(&file->func_numbers, key);
    if (found)
        return (uint32_t)found - 1;
    hash_put_number(&file->func_numbers, key, (void *)(uintptr_t)(file->funcs + 1));
    add_number(file, FUNC_NAME, name);
    if (frame->module)
        add_number(file, FUNC_RESOURCE, resource_number(file, frame->module));
    else
        add_word(file, FUNC_RESOURCE, "-1");
    if (frame->file)
        add_number(file, FUNC_FILE, string_number(file, file->profile->strings.data[frame->file]));
    else
        add_word(file, FUNC_FILE, "null");
    add_word(file, FUNC_FALSE, "false");
    add_word(file, FUNC_NULL, "null");
    return file->funcs++;
}

/* A frame of a stack; inlined ones by how many calls are around them in the same place. */
static uint32_t frame_number(struct firefox *file, uint32_t node) {
    const struct profile *p = file->profile;
    uint32_t number = p->nodes.data[node].frame, depth = 0;
    const struct profile_frame *frame = &p->frames.data[number];
    if (file->frame_of[number])
        return file->frame_of[number] - 1;
    for (uint32_t at = node; at && p->frames.data[p->nodes.data[at].frame].inlined; at = p->nodes.data[at].parent)
        depth++;
    uint32_t func = func_number(file, frame);
    if (frame->module && frame->address)
        add_number(file, FRAME_ADDRESS, frame->address);
    else
        add_word(file, FRAME_ADDRESS, "-1");
    add_number(file, FRAME_DEPTH, depth);
    add_number(file, FRAME_CATEGORY, frame->kind <= PROFILE_MARK ? frame->kind : PROFILE_UNNAMED);
    add_number(file, FRAME_FUNC, func);
    if (frame->line)
        add_number(file, FRAME_LINE, frame->line);
    else
        add_word(file, FRAME_LINE, "null");
    add_number(file, FRAME_ZERO, 0);
    add_word(file, FRAME_NULL, "null");
    file->frame_of[number] = ++file->frames;
    return file->frames - 1;
}

static void add_stack(struct firefox *file, uint32_t node) {
    const struct profile *p = file->profile;
    uint32_t frame = frame_number(file, node), parent = p->nodes.data[node].parent;
    uint16_t kind = p->frames.data[p->nodes.data[node].frame].kind;
    if (parent)
        add_number(file, STACK_PREFIX, file->stack_of[parent] - 1);
    else
        add_word(file, STACK_PREFIX, "null");
    add_number(file, STACK_FRAME, frame);
    add_number(file, STACK_CATEGORY, kind <= PROFILE_MARK ? kind : PROFILE_UNNAMED);
    add_number(file, STACK_ZERO, 0);
    file->stack_of[node] = ++file->stacks;
}

static void add_sample(struct firefox *file, const struct profile_sample *sample) {
    const struct profile *p = file->profile;
    for (uint32_t node = sample->node; node && !file->stack_of[node]; node = p->nodes.data[node].parent)
        vec_push(file->arena, &file->path, node);
    while (file->path.count)
        add_stack(file, file->path.data[--file->path.count]);
    if (sample->node)
        add_number(file, SAMPLE_STACK, file->stack_of[sample->node] - 1);
    else
        add_word(file, SAMPLE_STACK, "null");
    double ms = sample->time == PROFILE_NO_TIME ? file->samples : (double)sample->time / 1e6;
    strbuf_addf(next(file, SAMPLE_TIME), "%.4f", ms);
    if (strcmp(p->unit, "ns") == 0)
        strbuf_addf(next(file, SAMPLE_WEIGHT), "%.6f", (double)sample->weight / 1e6);
    else
        add_number(file, SAMPLE_WEIGHT, sample->weight);
    file->samples++;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void put_column(struct firefox *file, const char *name, enum column column) {
    strbuf_addf(&file->text, ",\"%s\":[", name);
    put(file);
    view_output_write(file->out, strbuf_text(&file->columns[column]), file->columns[column].length);
    strbuf_addch(&file->text, ']');
}

static void put_tables(struct firefox *file) {
    const char *unit = file->profile->unit;
    strbuf_addf(&file->text, "\"samples\":{\"length\":%u,\"weightType\":\"%s\"", file->samples,
                strcmp(unit, "ns") == 0      ? "tracing-ms"
                : strcmp(unit, "bytes") == 0 ? "bytes"
                                             : "samples");
    put_column(file, "stack", SAMPLE_STACK);
    put_column(file, "time", SAMPLE_TIME);
    put_column(file, "weight", SAMPLE_WEIGHT);
    strbuf_addf(&file->text, "},\n\"stackTable\":{\"length\":%u", file->stacks);
    put_column(file, "prefix", STACK_PREFIX);
    put_column(file, "frame", STACK_FRAME);
    put_column(file, "category", STACK_CATEGORY);
    put_column(file, "subcategory", STACK_ZERO);
    strbuf_addf(&file->text, "},\n\"frameTable\":{\"length\":%u", file->frames);
    put_column(file, "address", FRAME_ADDRESS);
    put_column(file, "inlineDepth", FRAME_DEPTH);
    put_column(file, "category", FRAME_CATEGORY);
    put_column(file, "subcategory", FRAME_ZERO);
    put_column(file, "func", FRAME_FUNC);
    put_column(file, "nativeSymbol", FRAME_NULL);
    put_column(file, "innerWindowID", FRAME_ZERO);
    put_column(file, "implementation", FRAME_NULL);
    put_column(file, "line", FRAME_LINE);
    put_column(file, "column", FRAME_NULL);
    strbuf_addf(&file->text, "},\n\"funcTable\":{\"length\":%u", file->funcs);
    put_column(file, "name", FUNC_NAME);
    put_column(file, "isJS", FUNC_FALSE);
    put_column(file, "relevantForJS", FUNC_FALSE);
    put_column(file, "resource", FUNC_RESOURCE);
    put_column(file, "fileName", FUNC_FILE);
    put_column(file, "lineNumber", FUNC_NULL);
    put_column(file, "columnNumber", FUNC_NULL);
    strbuf_addf(&file->text, "},\n\"resourceTable\":{\"length\":%u", file->resources);
    put_column(file, "lib", RESOURCE_LIB);
    put_column(file, "name", RESOURCE_NAME);
    put_column(file, "host", RESOURCE_NULL);
    put_column(file, "type", RESOURCE_TYPE);
    strbuf_addstr(&file->text, "},\n\"markers\":{\"length\":0,\"category\":[],\"data\":[],\"endTime\":[],\"name\":[],"
                               "\"phase\":[],\"startTime\":[]},\n\"nativeSymbols\":{\"length\":0,\"address\":[],"
                               "\"functionSize\":[],\"libIndex\":[],\"name\":[]}");
    put_column(file, "stringArray", STRINGS);
    strbuf_addstr(&file->text, "}");
    put(file);
}

/* A thread's samples start with nothing known. */
static void begin_thread(struct firefox *file) {
    const struct profile *p = file->profile;
    for (int i = 0; i < COLUMNS; i++)
        strbuf_reset(&file->columns[i]);
    file->stacks = file->frames = file->funcs = file->resources = file->samples = file->strings = 0;
    memset(file->stack_of, 0, sizeof *file->stack_of * p->nodes.count);
    memset(file->frame_of, 0, sizeof *file->frame_of * p->frames.count);
    memset(file->resource_of, 0, sizeof *file->resource_of * (p->modules.count + 1));
    arena_free(file->thread_arena);
    file->thread_arena = arena_new();
    hash_init(&file->func_numbers, file->thread_arena);
    hash_init(&file->string_numbers, file->thread_arena);
}

static void put_thread(struct firefox *file, const struct profile_thread *thread, bool is_first) {
    const struct profile *p = file->profile;
    const char *name = p->strings.data[thread->name];
    strbuf_addf(&file->text,
                "%s\n{\"processType\":\"default\",\"processStartupTime\":0,\"processShutdownTime\":null,"
                "\"registerTime\":0,\"unregisterTime\":null,\"pausedRanges\":[],\"isMainThread\":%s,"
                "\"pid\":\"%u\",\"tid\":%u,\"name\":",
                is_first ? "" : ",", thread->process == thread->thread ? "true" : "false", thread->process,
                thread->thread);
    add_json(&file->text, *name ? name : "all");
    strbuf_addstr(&file->text, ",\"processName\":");
    add_json(&file->text, thread->process_name ? p->strings.data[thread->process_name] : name);
    strbuf_addstr(&file->text, ",\n");
    put_tables(file);
}

/* The samples' numbers, those of a thread together, as they came. start[t] to start[t + 1]; the last one: of no thread.
 */
static uint32_t *by_thread(const struct profile *p, uint32_t *start, struct arena *arena) {
    uint32_t threads = p->threads.count, *order = arena_new_array(arena, uint32_t, p->samples.count),
             *at = arena_new_array(arena, uint32_t, threads + 2);
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < p->samples.count; i++) {
            uint32_t thread = p->samples.data[i].thread < threads ? p->samples.data[i].thread : threads;
            if (pass)
                order[at[thread]++] = i;
            else
                start[thread + 1]++;
        }
        for (uint32_t i = 0; !pass && i <= threads; i++) {
            start[i + 1] += start[i];
            at[i] = start[i];
        }
    }
    return order;
}

static void put_threads(struct firefox *file) {
    const struct profile *p = file->profile;
    static const struct profile_thread nobody;
    uint32_t *start = arena_new_array(file->arena, uint32_t, p->threads.count + 2),
             *order = by_thread(p, start, file->arena);
    bool is_first = true;
    for (uint32_t i = 0; i <= p->threads.count; i++) {
        if (start[i] == start[i + 1])
            continue;
        begin_thread(file);
        for (uint32_t j = start[i]; j < start[i + 1]; j++)
            add_sample(file, &p->samples.data[order[j]]);
        put_thread(file, i < p->threads.count ? &p->threads.data[i] : &nobody, is_first);
        is_first = false;
    }
}

/* The identifier by which symbol servers know a file: the first 16 bytes of its build id as a GUID, and an age of 0. */
static void add_breakpad_id(struct strbuf *out, const struct profile_module *module) {
    static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < 16; i++)
        strbuf_addf(out, "%02X", module->build_id[order[i]]);
    strbuf_addch(out, '0');
}

static void put_libraries(struct firefox *file) {
    const struct profile *p = file->profile;
    for (uint32_t i = 0; i < p->modules.count; i++) {
        const struct profile_module *module = &p->modules.data[i];
        const char *path = p->strings.data[module->path];
        static const char *const keys[] = {"path", "debugPath", "name", "debugName"};
        strbuf_addstr(&file->text, i ? ",\n{\"arch\":\"\",\"breakpadId\":\"" : "\n{\"arch\":\"\",\"breakpadId\":\"");
        add_breakpad_id(&file->text, module);
        strbuf_addstr(&file->text, "\",\"codeId\":");
        strbuf_addstr(&file->text, module->build_id_size ? "\"" : "null");
        for (unsigned j = 0; j < module->build_id_size && j < sizeof module->build_id; j++)
            strbuf_addf(&file->text, "%02x", module->build_id[j]);
        strbuf_addstr(&file->text, module->build_id_size ? "\"" : "");
        for (unsigned j = 0; j < 4; j++) {
            strbuf_addf(&file->text, ",\"%s\":", keys[j]);
            add_json(&file->text, j < 2 ? path : base_name(path));
        }
        strbuf_addch(&file->text, '}');
    }
}

static void put_meta(struct firefox *file, const struct profile_picture *picture) {
    const struct profile *p = file->profile;
    strbuf_addf(&file->text,
                "{\"meta\":{\"version\":27,\"preprocessedProfileVersion\":48,\"processType\":0,\"stackwalk\":1,"
                "\"debug\":false,\"symbolicated\":true,\"interval\":%.6f,\"startTime\":%.3f,\"product\":",
                p->period_ns ? (double)p->period_ns / 1e6 : 1.0, (double)p->start_ns / 1e6);
    add_json(&file->text, profile_title(p, picture));
    strbuf_addstr(&file->text,
                  ",\"importedFrom\":\"tarsier " TARSIER_VERSION "\",\"markerSchema\":[],\"extensions\":{"
                  "\"length\":0,\"baseURL\":[],\"id\":[],\"name\":[]},\"sampleUnits\":{\"time\":\"ms\","
                  "\"eventDelay\":\"ms\",\"threadCPUDelta\":\"ns\"},\"usesOnlyOneStackType\":true,"
                  "\"doesNotUseFrameImplementation\":true,\"sourceCodeIsNotOnSearchfox\":true,\"categories\":[");
    static const char *const categories[PROFILE_KINDS][2] = {
        [PROFILE_USER] = {"User", "yellow"},     [PROFILE_KERNEL] = {"Kernel", "orange"},
        [PROFILE_JIT] = {"JIT", "green"},        [PROFILE_SCRIPT] = {"Script", "lightblue"},
        [PROFILE_UNNAMED] = {"Unnamed", "grey"}, [PROFILE_CUT] = {"Cut", "red"},
        [PROFILE_MARK] = {"Other", "purple"},
    };
    for (int i = 0; i < PROFILE_KINDS; i++)
        strbuf_addf(&file->text, "%s{\"name\":\"%s\",\"color\":\"%s\",\"subcategories\":[\"Other\"]}", i ? "," : "",
                    categories[i][0], categories[i][1]);
    strbuf_addstr(&file->text, "]},\n\"pages\":[],\"counters\":[],\"profilerOverhead\":[],\"libs\":[");
    put_libraries(file);
    strbuf_addstr(&file->text, "],\n\"threads\":[");
    put(file);
}

void profile_write_firefox(struct profile *profile, const struct profile_picture *picture, struct view_output *out) {
    struct arena *arena = arena_new();
    struct firefox file = {.profile = profile, .arena = arena, .out = out};
    file.stack_of = arena_new_array(arena, uint32_t, profile->nodes.count);
    file.frame_of = arena_new_array(arena, uint32_t, profile->frames.count);
    file.resource_of = arena_new_array(arena, uint32_t, profile->modules.count + 1);
    put_meta(&file, picture);
    put_threads(&file);
    strbuf_addstr(&file.text, "]}\n");
    put(&file);
    for (int i = 0; i < COLUMNS; i++)
        strbuf_free(&file.columns[i]);
    strbuf_free(&file.text);
    arena_free(file.thread_arena);
    arena_free(arena);
}
