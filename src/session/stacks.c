/* User stacks: the unwinder is made ready, told of the files that its walk meets, and its frames become text. */
#include "base/profile.h"
#include "object/library.h"
#include "session/session_int.h"
#include "unwind/kernel_fields.h"
#include "unwind/walk.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- before programs are made ------------------------------------------------------------------------------------ */

static bool uses_unwinder(const struct session *s) {
    return lang_uses(s->program->tree, "ustack") || lang_uses(s->program->tree, "dw_ustack");
}

static void no_unwinder(const struct session *s, const char *reason) {
    if (s->options->verbose)
        fprintf(stderr, "user stacks follow frame pointers: %s\n", reason);
}

/* What lowering has to know. Without it the kernel's own walk is used, which follows frame pointers. */
void session_prepare_stacks(struct session *s) {
    static const char no_types[] = "this kernel has no BTF", *missing = NULL;
    uint32_t count = 0;
    if (!uses_unwinder(s))
        return;
    struct object_btf *btf = probe_btf(&s->probes);
    const struct unwind_field *fields = btf ? unwind_kernel_fields(btf, &count, &missing) : NULL;
    if (!fields) {
        no_unwinder(s, btf ? arena_printf(s->arena, "this kernel has no %s", missing) : no_types);
        return;
    }
    struct lang_unwinder *unwinder = arena_make(s->arena, struct lang_unwinder);
    struct lang_unwinder_field *values = arena_new_array(s->arena, struct lang_unwinder_field, count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = (struct lang_unwinder_field){fields[i].name, fields[i].value};
    *unwinder = (struct lang_unwinder){
        .piece = &unwind_kernel_walk,
        .memory_size = UNWIND_WALK_SIZE,
        .absolute = UNWIND_REQUEST_ABSOLUTE,
        .use_context = UNWIND_REQUEST_CONTEXT,
        .fields = values,
        .field_count = count,
        .maps = unwind_map_names,
        .map_count = UNWIND_MAPS,
    };
    s->env.unwinder = unwinder;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The unwinder's number of a file; its table is made when it is met first. */
static uint32_t number_of(struct session *s, struct symbol_file *file) {
    uintptr_t known = (uintptr_t)hash_get_number(&s->unwind_numbers, (uintptr_t)file);
    if (known)
        return (uint32_t)(known - 1);
    uint32_t number = unwind_store_add(s->unwind, symbol_file_elf(file));
    while (s->unwind_files.count <= number)
        vec_push(s->arena, &s->unwind_files, NULL);
    s->unwind_files.data[number] = file;
    hash_put_number(&s->unwind_numbers, (uintptr_t)file, (void *)((uintptr_t)number + 1));
    return number;
}

/* The vdso belongs to no file, and is the same everywhere. */
static void add_vdso(struct session *s) {
    const struct unwind_file_key key = {0};
    unwind_store_name(s->unwind, &key, number_of(s, symbol_vdso(s->symbols)), 0);
}

/* A file and the libraries that it names are known before anybody maps them. */
static void learn_beforehand(struct session *s, const char *path, unsigned depth) {
    enum { DEEPEST = 16, MOST_LIBRARIES = 256 };
    struct stat status;
    uint32_t count = 0;
    struct symbol_file *file = path && depth < DEEPEST ? symbol_file_mapped(s->symbols, path, &status) : NULL;
    struct object_elf *elf = file ? symbol_file_elf(file) : NULL;
    const char *library;
    if (!elf || hash_get_number(&s->unwind_numbers, (uintptr_t)file))
        return;
    const struct unwind_file_key key = unwind_file_key(&status);
    const struct object_segment *segments = object_elf_segments(elf, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (segments[i].is_executable)
            unwind_store_name(s->unwind, &key, number_of(s, file), segments[i].offset);
    }
    for (uint32_t i = 0; i < MOST_LIBRARIES && (library = object_elf_needed(elf, i)); i++)
        learn_beforehand(s, object_library_find(s->arena, NULL, library), depth + 1);
}

/* A process may have ended before anybody could look at it: what nearly all map is known, and what the command maps. */
static void learn_common(struct session *s) {
    const char *const *command = s->options->command;
    learn_beforehand(s, object_library_find(s->arena, NULL, "libc.so.6"), 0);
    if (command && strchr(command[0], '/'))
        learn_beforehand(s, object_path_in_root(s->arena, NULL, command[0]), 0);
    else if (command)
        learn_beforehand(s, object_program_find(s->arena, NULL, command[0], getenv("PATH")), 0);
}

int session_open_stacks(struct session *s) {
    int error = 0;
    if (s->unwind)
        return 0;
    s->unwind = unwind_store_new(s->arena, &error);
    if (!s->unwind)
        return error;
    hash_init(&s->unwind_numbers, s->arena);
    hash_init(&s->walked, s->arena);
    hash_init(&s->made_up_names, s->arena);
    session_names(s);
    add_vdso(s);
    learn_common(s);
    return 0;
}

/* ---- walks that the kernel could not end --------------------------------------------------------------------------
 */

/* What the walk has told, in order. Processes do not wait: as soon as a record is read, the file it is about is opened
 * and the mappings of its process are read; the rest (a table takes milliseconds) comes one by one after that. */
struct session_told {
    struct session_told *next;
    struct unwind_asked asked; /* UNWIND_ASKED_FILE */
    struct symbol_file *file;
    struct unwind_handed handed; /* UNWIND_ASKED_WALK; its memory comes in the records behind it: */
    struct piece_of_memory {
        uint64_t address;
        uint32_t size;
        uint8_t bytes[UNWIND_MEMORY_PIECE];
    } * pieces;
    uint32_t piece_count;
    bool has_ended;
};
enum { MOST_TOLD = 2048, MEMORY_PATIENCE_NS = 5000000 };

struct walk_context {
    struct session *s;
    const struct session_told *walk;
};

/* What is asked for may lie in two pieces; they follow each other without a gap. */
static bool read_memory(void *context, uint64_t address, void *into, uint32_t size) {
    const struct session_told *walk = ((struct walk_context *)context)->walk;
    uint8_t *to = into;
    for (uint32_t i = 0; i < walk->piece_count && size; i++) {
        const struct piece_of_memory *piece = &walk->pieces[i];
        if (address < piece->address || address - piece->address >= piece->size)
            continue;
        uint64_t skip = address - piece->address;
        uint32_t count = piece->size - (uint32_t)skip < size ? piece->size - (uint32_t)skip : size;
        memcpy(to, piece->bytes + skip, count);
        to += count;
        address += count;
        size -= count;
    }
    return size == 0;
}

static bool is_trampoline(const struct session_told *walk, uint64_t address) {
    return address - walk->handed.trampoline < 4096 || address + 1 == walk->handed.trampoline;
}

static enum profile_cut find_place(void *context, uint64_t address, struct unwind_place *place) {
    struct walk_context *c = context;
    struct session *s = c->s;
    struct symbol_mapping mapping = symbol_mapping_at(s->symbols, c->walk->handed.tgid, address);
    if (c->walk->handed.trampoline != 1 && is_trampoline(c->walk, address))
        return PROFILE_CUT_NOT_READ;
    if (mapping.start == mapping.end)
        return PROFILE_CUT_NO_MAP;
    *place = (struct unwind_place){.rules = unwind_store_rules(s->unwind)};
    if (!mapping.file)
        return PROFILE_COMPLETE;
    uint32_t number = number_of(s, mapping.file);
    place->rules = unwind_store_rules(s->unwind); /* it may have moved */
    place->table = unwind_store_table(s->unwind, number);
    place->bias = mapping.start - mapping.file_offset - unwind_store_bias(s->unwind, number, mapping.file_offset);
    return PROFILE_COMPLETE;
}

/* A frame as the kernel's walk would have written it. */
static uint64_t frame_word(struct session *s, const struct unwind_handed *handed, const struct unwind_frame *frame,
                           bool *is_absolute) {
    uint64_t exact = frame->is_exact ? UNWIND_FRAME_EXACT : 0;
    struct symbol_mapping mapping = symbol_mapping_at(s->symbols, handed->tgid, frame->pc - !frame->is_exact);
    if (!mapping.file || handed->request & UNWIND_REQUEST_ABSOLUTE) {
        *is_absolute = true;
        return frame->pc | exact;
    }
    uint32_t number = number_of(s, mapping.file);
    uint64_t address =
        frame->pc - mapping.start + mapping.file_offset + unwind_store_bias(s->unwind, number, mapping.file_offset);
    return UNWIND_FRAME_FILE | exact | (uint64_t)number << 44 | UNWIND_FRAME_ADDRESS(address);
}

/* Kept under the id that the kernel will give to equal stacks; the one it gave for now leads there. */
static void keep_walked(struct session *s, const struct unwind_handed *handed, struct unwind_frame *frames,
                        uint32_t count, enum profile_cut cut) {
    struct unwind_stack *stack = arena_alloc(s->arena, sizeof *stack + count * sizeof *stack->frames);
    uint64_t hash = UNWIND_HASH_SEED;
    bool is_absolute = false;
    *stack =
        (struct unwind_stack){.tgid = handed->tgid, .count = (uint16_t)count, .cut = (uint8_t)cut, .is_unwound = 1};
    for (uint32_t i = 0; i < count; i++) {
        stack->frames[i] = frame_word(s, handed, &frames[i], &is_absolute);
        hash = UNWIND_HASH_ADD(hash, stack->frames[i]);
    }
    struct session_walked *walked = arena_make(s->arena, struct session_walked);
    walked->id = unwind_identity(hash, cut, count, is_absolute ? handed->tgid : 0);
    walked->stack = stack;
    hash_put_number(&s->walked, handed->id, walked);
    if (walked->id != handed->id)
        hash_put_number(&s->walked, walked->id, walked);
}

static void end_walk(struct session *s, const struct session_told *told) {
    static struct unwind_frame frames[UNWIND_REQUEST_MOST];
    struct walk_context context = {s, told};
    struct unwind_world world = {.context = &context, .read = read_memory, .find = find_place};
    const struct unwind_handed *handed = &told->handed;
    struct unwind_registers registers = {
        .pc = handed->pc, .sp = handed->sp, .bp = handed->bp, .flags = UNWIND_EXACT | UNWIND_ALL};
    enum profile_cut cut;
    memcpy(registers.registers, handed->registers, sizeof registers.registers);
    uint32_t count = unwind_walk(&world, &registers, frames, handed->request & UNWIND_REQUEST_MOST, &cut);
    keep_walked(s, handed, frames, count, cut);
}

static struct session_told *new_told(struct session *s) {
    struct session_told *told = s->told_count < MOST_TOLD ? calloc(1, sizeof *told) : NULL;
    if (!told)
        return NULL;
    *(s->told_last ? &s->told_last->next : &s->told) = told;
    s->told_last = told;
    s->told_count++;
    return told;
}

static void hear_of_file(struct session *s, const struct unwind_asked *asked) {
    struct session_told *told = new_told(s);
    if (told) {
        told->asked = *asked;
        told->file = symbol_learn_file(s->symbols, asked->tgid, asked->start);
    }
    if (!told || !told->file)
        unwind_store_forget(s->unwind, &asked->key);
}

static void hear_of_walk(struct session *s, const struct unwind_handed *handed) {
    struct session_told *told = new_told(s);
    if (!told)
        return;
    told->handed = *handed;
    symbol_learn_process(s->symbols, handed->tgid); /* libraries come after the first look at a program */
}

static void hear_of_memory(struct session *s, const struct unwind_memory *memory) {
    struct session_told *told = s->told_last;
    uint32_t head = offsetof(struct unwind_memory, bytes);
    if (!told || memory->stamp != told->handed.stamp || memory->size < head ||
        told->piece_count == UNWIND_MEMORY_PIECES)
        return;
    if (!told->pieces)
        told->pieces = calloc(UNWIND_MEMORY_PIECES, sizeof *told->pieces);
    if (!told->pieces)
        return;
    struct piece_of_memory *piece = &told->pieces[told->piece_count++];
    piece->address = memory->address;
    piece->size = memory->size - head;
    memcpy(piece->bytes, memory->bytes, piece->size);
}

static void hear_of_end(struct session *s, uint64_t stamp) {
    if (s->told_last && s->told_last->handed.stamp == stamp)
        s->told_last->has_ended = true;
}

static void hear(void *context, const struct unwind_record *record) {
    if (record->action == UNWIND_ASKED_FILE && record->size >= sizeof(struct unwind_asked))
        hear_of_file(context, (const void *)record);
    else if (record->action == UNWIND_ASKED_WALK && record->size >= sizeof(struct unwind_handed))
        hear_of_walk(context, (const void *)record);
    else if (record->action == UNWIND_ASKED_MEMORY)
        hear_of_memory(context, (const void *)record);
    else if (record->action == UNWIND_ASKED_END)
        hear_of_end(context, record->stamp);
}

static void answer(struct session *s, const struct session_told *told) {
    if (told->file)
        unwind_store_name(s->unwind, &told->asked.key, number_of(s, told->file), told->asked.offset);
    else if (told->handed.stamp)
        end_walk(s, told);
}

/* Another CPU is just copying the memory of that walk, for which microseconds are enough. */
static bool is_still_being_told(const struct session *s, const struct session_told *told) {
    return told == s->told_last && told->handed.stamp && !told->has_ended &&
           kernel_boottime_ns() - told->handed.stamp < MEMORY_PATIENCE_NS;
}

/* Looks at what the walk has met since. */
void session_drain_stacks(struct session *s) {
    while (s->unwind) {
        unwind_store_drain(s->unwind, hear, s);
        struct session_told *told = s->told;
        if (!told)
            return;
        if (is_still_being_told(s, told))
            continue;
        s->told = told->next;
        s->told_last = s->told ? s->told_last : NULL;
        s->told_count--;
        answer(s, told);
        free(told->pieces);
        free(told);
    }
}

/* A stack that user space has walked to its end, by either of its ids; NULL: not such a one. */
const struct session_walked *session_walked_stack(const struct session *s, uint64_t id) {
    return s->unwind ? hash_get_number(&s->walked, id) : NULL;
}

bool session_settle_stacks(const struct session *s, const struct type *type, uint8_t *bytes) {
    bool changed = false;
    uint64_t id;
    if (type->kind == TYPE_USTACK && s->walked.count) {
        memcpy(&id, bytes, sizeof id);
        const struct session_walked *walked = session_walked_stack(s, id);
        changed = walked && walked->id != id;
        if (changed)
            memcpy(bytes, &walked->id, sizeof walked->id);
    }
    for (uint32_t i = 0; type->kind == TYPE_TUPLE && i < type->field_count; i++)
        changed |= session_settle_stacks(s, type->fields[i].type, bytes + type->fields[i].offset);
    return changed;
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

struct frame {
    struct symbol_file *file; /* NULL: an absolute address */
    uint64_t address;         /* in the file, or absolute */
    bool is_exact;
    struct symbol_name name;
    bool is_known;
    char text[256]; /* of a name that is made up */
};

/* Each made-up name once, for those that keep it. */
static const char *kept_name(struct session *s, const char *text) {
    const char *kept = hash_get(&s->made_up_names, text);
    if (!kept) {
        kept = arena_strdup(s->arena, text);
        hash_put(&s->made_up_names, kept, (void *)(uintptr_t)kept);
    }
    return kept;
}

/* Where nothing is known of the function: the module, and the address in it. */
static void make_up_name(struct frame *frame, uint64_t address) {
    if (!frame->name.module)
        return;
    snprintf(frame->text, sizeof frame->text, "%s", base_name(frame->name.module));
    frame->name.name = frame->text;
    frame->name.offset = address;
    frame->name.is_place = true;
    frame->is_known = true;
}

/* A return address may be the first byte of the next function: the function is that of the byte before, the offset is
 * still that of the address. */
static void name_frame(struct session *s, uint32_t tgid, struct frame *frame) {
    uint64_t before = frame->is_exact || !frame->address ? 0 : 1, address = frame->address - before;
    if (frame->file) {
        frame->is_known = symbol_in_file(s->symbols, frame->file, address, &frame->name);
        if (!frame->is_known)
            make_up_name(frame, address);
    } else {
        frame->is_known = symbol_user(s->symbols, tgid, address, &frame->name);
    }
    if (frame->is_known)
        frame->name.offset += before;
}

static void read_frame(struct session *s, uint64_t word, struct frame *frame) {
    memset(frame, 0, offsetof(struct frame, text));
    frame->is_exact = word & UNWIND_FRAME_EXACT;
    frame->address = UNWIND_FRAME_ABSOLUTE(word);
    uint32_t number = UNWIND_FRAME_NUMBER(word);
    if (!(word & UNWIND_FRAME_FILE))
        return;
    frame->address = UNWIND_FRAME_ADDRESS(word);
    frame->file = number < s->unwind_files.count ? s->unwind_files.data[number] : NULL;
}

bool session_is_unwound(const struct session *s, const uint8_t *captured, uint32_t size) {
    const struct unwind_stack *stack = (const void *)captured;
    return s->unwind && size >= sizeof *stack && stack->is_unwound &&
           stack->count <= (size - sizeof *stack) / sizeof *stack->frames;
}

/* The last frame of a stack that was cut may be without a name for good: it is where the walk stopped. */
struct session_frame session_unwound_frame(struct session *s, const struct unwind_stack *stack, uint32_t index) {
    struct frame frame;
    read_frame(s, stack->frames[index], &frame);
    name_frame(s, stack->tgid, &frame);
    enum profile_frame_kind kind = PROFILE_USER;
    const char *module = frame.name.module;
    bool is_made_up = frame.name.name == frame.text;
    if (!frame.file && (!module || str_starts(module, "/tmp/perf-")))
        kind = PROFILE_JIT;
    else if (!frame.is_known || frame.name.is_place)
        kind = PROFILE_UNNAMED;
    uint64_t address = frame.file || !frame.name.address ? frame.address : frame.name.address + !frame.is_exact;
    return (struct session_frame){is_made_up ? kept_name(s, frame.text) : frame.name.name, module, address,
                                  frame.name.offset, kind};
}

/* As bpftrace writes them: the build id of the file and the offset in it, or the address where there is none. */
static void format_build_id(const struct frame *frame, struct strbuf *out) {
    uint32_t size = 0;
    uint64_t offset = frame->address;
    struct object_elf *elf = frame->file ? symbol_file_elf(frame->file) : NULL;
    const uint8_t *id = elf ? object_elf_build_id(elf, &size) : NULL;
    if (!id || !object_elf_offset_of(elf, frame->address, &offset)) {
        strbuf_addf(out, "%" PRIx64 "\n", frame->address);
        return;
    }
    for (uint32_t i = 0; i < size; i++)
        strbuf_addf(out, "%02x", id[i]);
    strbuf_addf(out, " 0x%02" PRIx64 "\n", offset);
}

/* The last line of a stack that does not reach its outermost frame. */
static void format_cut(struct session *s, const struct unwind_stack *stack, const struct type *type,
                       struct strbuf *out) {
    struct frame frame;
    if (stack->cut == PROFILE_COMPLETE || stack->cut >= PROFILE_CUTS || type->stack_mode == TYPE_STACK_RAW ||
        type->stack_mode == TYPE_STACK_BUILD_ID || (stack->cut == PROFILE_CUT_DEPTH && type->count == stack->count))
        return;
    strbuf_addf(out, "%s[cut: %s", type->stack_mode == TYPE_STACK_PERF ? "\t" : "        ",
                profile_cut_texts[stack->cut].name);
    if (stack->count && stack->cut != PROFILE_CUT_DEPTH) {
        read_frame(s, stack->frames[stack->count - 1], &frame);
        name_frame(s, stack->tgid, &frame);
        if (frame.name.module)
            strbuf_addf(out, " in %s+0x%" PRIx64, base_name(frame.name.module), frame.address);
        else
            strbuf_addf(out, " at 0x%" PRIx64, frame.address);
    }
    strbuf_addstr(out, "]\n");
}

void session_format_unwound(struct session *s, const struct type *type, const struct unwind_stack *stack,
                            enum symbol_stack_mode mode, struct strbuf *out) {
    struct frame frame;
    strbuf_addch(out, '\n');
    for (uint32_t i = 0; i < stack->count; i++) {
        read_frame(s, stack->frames[i], &frame);
        if (type->stack_mode == TYPE_STACK_BUILD_ID) {
            format_build_id(&frame, out);
            continue;
        }
        if (mode != SYMBOL_STACK_RAW)
            name_frame(s, stack->tgid, &frame);
        symbol_format_user_frame(&frame.name, frame.is_known, frame.address, mode, out);
    }
    format_cut(s, stack, type, out);
}
