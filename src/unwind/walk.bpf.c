/* The walk in the kernel: the user stack of the current thread, by the tables that store.c keeps in BPF maps.
 *
 *     registers of user mode   of the event, or as they were saved when the thread entered the kernel
 *     for each frame           pc -> mapping    the task's own tree of mappings, read in place (no lock)
 *                              mapping -> file  by what the kernel knows of its inode
 *                              file, pc -> row -> rule -> the caller's registers (step.h)
 *
 * A runtime piece (base/piece.h): called by programs as
 *     id = unwind_kernel_walk(memory, context, request, tgid)
 * memory: struct walk and behind it the struct unwind_stack that is made, with room for the frames that are wanted.
 * request: enum unwind_request, a constant. The result is the id of the stack (base/type.h), 0: there are no frames.
 *
 * For the verifier:
 *   - All that changes from frame to frame lies in `memory` (a map's value), where nothing is known of it; on the
 *     stack are constants and pointers. So one look at the loop's body is enough, whatever a kernel's way with loops.
 *   - Frames on the stack are small: before 6.13 all of a chain share 512 bytes with the program that calls.
 *   - K_ names are offsets in the kernel's structures, known when the program is loaded (fields.def).
 *
 * The tree of mappings (lib/maple_tree.c) changes while it is read. Its nodes are freed late enough to be read (RCU),
 * and what is found is believed only if it is a mapping of this address space that holds the address.
 */
/* The compiler must take the value as it is, and not know where it comes from. */
#define opaque(value) __asm__ volatile("" : "+r"(value))
#define unwind_opaque(value) opaque(value)
#include "unwind/kernel_map.h"

typedef uint64_t u64;
typedef uint32_t u32;

static long (*const bpf_probe_read_user)(void *to, u32 size, u64 from) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, u64 from) = (void *)113;
static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *record, u64 flags) = (void *)133;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static char *(*const bpf_get_current_task_btf)(void) = (void *)158;
static char *(*const bpf_task_pt_regs)(void *task) = (void *)175;
static long (*const bpf_loop)(u32 rounds, void *callback, void *data, u64 flags) = (void *)181;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
enum { BPF_NOEXIST = 1 };

#define UNWIND_FIELD(name, need, ...) extern char K_##name;
#include "unwind/fields.def"
#undef UNWIND_FIELD
extern char K_VMA_SPAN, K_INODE_SPAN; /* bytes to read to have all fields of these */
extern char MAP_FILES, MAP_PAGES, MAP_ROWS, MAP_RULES, MAP_ASKED;
#define K(name) ((u64)&K_##name)

#define noinline __attribute__((noinline))
enum {
    NODE_SIZE = 256, /* of the maple tree; also the longest thing read from the kernel */
    NODE_LEVELS = 7,
    PIVOTS = 15,
    FOLLOWED_RETURNS = 64, /* calls of functions with uretprobes that are under way */
    VM_EXEC = 4,
    NO_ADDRESS = 1,
};

static inline u64 *buffer_of(void *walk);
#define unwind_read(memory, into, size, address) ((void)(memory), bpf_probe_read_user((into), (size), (address)))
#define unwind_row_at(rows, index) ((rows)[(index) & (UNWIND_CHUNK_ROWS - 1)])
#define unwind_buffer(name, memory, count) u64 *name = buffer_of(memory)
#include "unwind/step.h"

struct walk {
    struct unwind_registers registers;
    u64 mm, vdso;   /* of the task */
    u64 trampoline; /* where functions with uretprobes return to; NO_ADDRESS */
    u64 hash;
    u64 count, cut;
    u64 tgid;
    u64 is_absolute; /* some frame is: it means something in this process only */
    u64 by_pointer;  /* the last step followed a frame pointer */
    u64 last, next;  /* of the mappings: where the last address was, which is replaced next */
    struct unwind_mapping mappings[UNWIND_MAPPINGS];
    struct unwind_file_key key;
    struct unwind_file file;
    union {
        char node[NODE_SIZE];
        u64 words[NODE_SIZE / 8];
    };
    struct unwind_stack stack;
};

/* For user space, which makes room for it: its size can not be asked from the other compiler. */
_Static_assert(sizeof(struct walk) == UNWIND_WALK_SIZE + sizeof(struct unwind_stack), "UNWIND_WALK_SIZE");

static inline u64 *buffer_of(void *walk) { return ((struct walk *)walk)->words; }

/* What the body of the loop is given. */
struct frames {
    struct walk *walk;
    u64 request;
};

/* ---- registers ------------------------------------------------------------------------------------------------- */

/* struct pt_regs of x86-64, in words. */
enum { R15, R14, R13, R12, BP, BX, R11, R10, R9, R8, AX, CX, DX, SI, DI, ORIG_AX, IP, CS, FLAGS, SP };

#define copy_registers(w, from)                                                                                        \
    do {                                                                                                               \
        volatile const u64 *at_ = (volatile const u64 *)(from);                                                        \
        (w)->registers.pc = at_[IP];                                                                                   \
        (w)->registers.sp = at_[SP];                                                                                   \
        (w)->registers.bp = at_[BP];                                                                                   \
        (w)->registers.registers[UNWIND_RAX] = at_[AX];                                                                \
        (w)->registers.registers[UNWIND_RDX] = at_[DX];                                                                \
        (w)->registers.registers[UNWIND_RCX] = at_[CX];                                                                \
        (w)->registers.registers[UNWIND_RBX] = at_[BX];                                                                \
        (w)->registers.registers[UNWIND_RSI] = at_[SI];                                                                \
        (w)->registers.registers[UNWIND_RDI] = at_[DI];                                                                \
        (w)->registers.registers[UNWIND_RBP] = at_[BP];                                                                \
        (w)->registers.registers[UNWIND_RSP] = at_[SP];                                                                \
        (w)->registers.registers[UNWIND_R8] = at_[R8];                                                                 \
        (w)->registers.registers[UNWIND_R9] = at_[R9];                                                                 \
        (w)->registers.registers[UNWIND_R10] = at_[R10];                                                               \
        (w)->registers.registers[UNWIND_R11] = at_[R11];                                                               \
        (w)->registers.registers[UNWIND_R12] = at_[R12];                                                               \
        (w)->registers.registers[UNWIND_R13] = at_[R13];                                                               \
        (w)->registers.registers[UNWIND_R14] = at_[R14];                                                               \
        (w)->registers.registers[UNWIND_R15] = at_[R15];                                                               \
    } while (0)

enum { CODE_USER = 3, CODE_32_BITS = 0x23 };

static noinline u64 registers_of_context(struct walk *w, const u64 *context) {
    u64 code = *(volatile const u64 *)(context + CS);
    if ((code & CODE_USER) == CODE_USER)
        copy_registers(w, context);
    return code & 0xffff;
}

static noinline u64 registers_of_task(struct walk *w, char *task) {
    char *saved = bpf_task_pt_regs(task);
    copy_registers(w, saved);
    return *(volatile const uint16_t *)(saved + CS * 8);
}

/* ---- mappings -------------------------------------------------------------------------------------------------- */

/* How many of the first keys of the node are less than the address: the number of the slot that holds it. A key of 0
 * means "to the end". Without branches: (key - 1 - (address - 1)) is negative; without their top bits, so that 0, the
 * highest address and what follows the keys of inner nodes (pointers) are large. */
static inline u64 slot_of(const struct walk *w, u64 address) {
    u64 slot = 0, wanted = address - 1;
    _Pragma("clang loop unroll(full)") for (int i = 0; i < PIVOTS; i++) {
        u64 key = (w->words[1 + i] - 1) << 1 >> 1;
        key -= wanted;
        opaque(key);
        slot += key >> 63;
    }
    return slot;
}

/* The mapping at the address: struct vm_area_struct, or 0. Formats: include/linux/maple_tree.h. */
static inline u64 find_vma(struct walk *w, char *task, u64 address) {
    enum { LEAF_64 = 1, RANGE_64 = 2, ARANGE_64 = 3 };
    char *mm = *(char *volatile *)(task + K(TASK_MM));
    u64 entry = *(volatile u64 *)(mm + K(MM_TREE));
    if ((entry & 3) != 2)
        return 0;
    for (int level = 0; level < NODE_LEVELS; level++) {
        u64 type = entry >> 3 & 15, slot;
        if (type - LEAF_64 > ARANGE_64 - LEAF_64 || bpf_probe_read_kernel(w->node, NODE_SIZE, entry & ~255ull))
            return 0;
        slot = slot_of(w, address) & 15;
        slot += type == ARANGE_64 ? 1 + 9 : 1 + PIVOTS;
        entry = w->words[slot & 31];
        if (type == LEAF_64 || !entry)
            return entry;
    }
    return 0;
}

#define in_node(w, offset) (*(u64 *)((w)->node + (offset)))

/* What the kernel knows the file by, into w->key. */
static inline int identify(struct walk *w, u64 file) {
    u64 inode = 0, block = 0, *key = &w->key.device;
    if (bpf_probe_read_kernel(key, 8, file + K(FILE_INODE)))
        return 0;
    inode = *key;
    if (bpf_probe_read_kernel(w->node, (u32)K(INODE_SPAN), inode))
        return 0;
    block = in_node(w, K(INODE_BLOCK));
    w->key.inode = in_node(w, K(INODE_NUMBER));
    w->key.modified = in_node(w, K(INODE_MODIFIED));
    w->key.size = in_node(w, K(INODE_SIZE));
    w->key.device = 0;
    return bpf_probe_read_kernel(&w->key.device, 4, block + K(BLOCK_DEVICE)) == 0;
}

/* Tells user space of a file, once. */
static inline void ask(struct walk *w, u64 start, u64 end, u64 offset) {
    struct unwind_asked *asked = bpf_ringbuf_reserve(&MAP_ASKED, sizeof *asked, 0);
    if (!asked)
        return;
    w->file.kind = UNWIND_FILE_ASKED;
    if (bpf_map_update_elem(&MAP_FILES, &w->key, &w->file, BPF_NOEXIST)) {
        bpf_ringbuf_discard(asked, 0);
        return;
    }
    asked->stamp = bpf_ktime_get_boot_ns();
    asked->action = UNWIND_ASKED_FILE;
    asked->size = sizeof *asked;
    asked->tgid = (u32)w->tgid;
    asked->unused = 0;
    asked->start = start;
    asked->end = end;
    asked->offset = offset;
    asked->key = w->key;
    bpf_ringbuf_submit(asked, 0);
}

/* Looks the address up in the tree; the answer replaces one of the mappings that are kept. 0: no code is there. */
static noinline u64 read_mapping(struct walk *w, u64 address) {
    char *task = bpf_get_current_task_btf();
    struct unwind_mapping *mapping;
    struct unwind_file *known;
    u64 vma = find_vma(w, task, address), start, end, offset, file, slot;
    if (!vma || bpf_probe_read_kernel(w->node, (u32)K(VMA_SPAN), vma))
        return 0;
    start = in_node(w, K(VMA_START));
    end = in_node(w, K(VMA_END));
    offset = in_node(w, K(VMA_OFFSET)) << 12;
    file = in_node(w, K(VMA_FILE));
    if (address < start || address >= end || in_node(w, K(VMA_MM)) != w->mm || !(in_node(w, K(VMA_FLAGS)) & VM_EXEC))
        return 0;
    w->key.device = w->key.inode = w->key.size = w->key.modified = 0;
    slot = w->next++ & (UNWIND_MAPPINGS - 1);
    opaque(slot);
    mapping = &w->mappings[slot & (UNWIND_MAPPINGS - 1)];
    mapping->start = start;
    mapping->size = end - start;
    mapping->kind = UNWIND_FILE_NONE;
    mapping->bias = 0;
    mapping->number = 0;
    w->last = slot;
    if (file && !identify(w, file))
        return 1;
    if (!file && start != w->vdso)
        return 1;
    if (!file)
        offset = 0; /* of a mapping without a file it is nothing */
    known = bpf_map_lookup_elem(&MAP_FILES, &w->key);
    if (!known) {
        mapping->kind = UNWIND_FILE_ASKED;
        ask(w, start, end, offset);
        return 1;
    }
    mapping->kind = known->kind;
    mapping->number = known->number;
    mapping->first_page = known->first_page;
    mapping->pages = known->pages;
    mapping->bias = offset - start + known->bias;
    return 1;
}

/* Is it one of those met before? Its number is in w->last then. */
static inline int know_mapping(struct walk *w, u64 address) {
    _Pragma("clang loop unroll(full)") for (u64 i = 0; i < UNWIND_MAPPINGS; i++) {
        if (address - w->mappings[i].start < w->mappings[i].size) {
            w->last = i;
            return 1;
        }
    }
    return 0;
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* The rule for an address of a file with a table; NULL: there is none. */
static inline struct unwind_rule *find_rule(const struct unwind_mapping *mapping, u64 address) {
    u32 number, zero = 0, rule, first;
    struct unwind_page *page;
    struct unwind_rule *rules;
    void *chunk;
    u32 *rows;
    address += mapping->bias;
    if (address >> UNWIND_PAGE_SHIFT >= mapping->pages)
        return 0;
    number = mapping->first_page + (u32)(address >> UNWIND_PAGE_SHIFT);
    page = bpf_map_lookup_elem(&MAP_PAGES, &number);
    if (!page || !page->count)
        return 0;
    number = page->first >> UNWIND_CHUNK_SHIFT;
    chunk = bpf_map_lookup_elem(&MAP_ROWS, &number);
    if (!chunk)
        return 0;
    rows = bpf_map_lookup_elem(chunk, &zero);
    if (!rows)
        return 0;
    first = page->first & (UNWIND_CHUNK_ROWS - 1);
    number = unwind_find_row(rows, first, page->count, (u32)address & 0xffff);
    rule = UNWIND_ROW_RULE(unwind_row_at(rows, number));
    rules = bpf_map_lookup_elem(&MAP_RULES, &zero);
    if (!rules)
        return 0;
    if (rule >= UNWIND_RULES_KEPT)
        rule = UNWIND_EXPRESSION;
    return &rules[rule & (UNWIND_RULES_KEPT - 1)];
}

/* A function with a uretprobe returns to a trampoline; where it would have gone to, the task knows by the place of the
 * return address. */
static noinline u64 true_return(struct walk *w) {
    char *task = bpf_get_current_task_btf();
    char *utask = *(char *volatile *)(task + K(TASK_UTASK));
    char *instance = *(char *volatile *)(utask + K(UTASK_INSTANCES));
    u64 place = w->registers.sp - 8;
    for (int i = 0; i < FOLLOWED_RETURNS && instance; i++) {
        if (*(volatile u64 *)(instance + K(INSTANCE_STACK)) == place) {
            w->registers.pc = *(volatile u64 *)(instance + K(INSTANCE_ADDRESS));
            return 1;
        }
        instance = *(char *volatile *)(instance + K(INSTANCE_NEXT));
    }
    return 0;
}

static inline int step(struct walk *w, const struct unwind_mapping *mapping, u64 address) {
    struct unwind_rule *rule;
    if (mapping->kind == UNWIND_FILE_ASKED)
        return PROFILE_CUT_NOT_READ;
    w->by_pointer = mapping->kind != UNWIND_FILE_TABLE;
    if (w->by_pointer)
        return unwind_step_pointer(&w->registers, w);
    rule = find_rule(mapping, address);
    if (!rule)
        return PROFILE_CUT_NO_TABLE;
    w->by_pointer = rule->cfa_kind == UNWIND_POINTER;
    return unwind_step(&w->registers, rule, w);
}

static inline void add_frame(struct walk *w, const struct unwind_mapping *mapping, u64 request, u64 index) {
    u64 frame = w->registers.pc;
    if (!(request & UNWIND_REQUEST_ABSOLUTE) &&
        (mapping->kind == UNWIND_FILE_TABLE || mapping->kind == UNWIND_FILE_BARE))
        frame = UNWIND_FRAME_FILE | (u64)mapping->number << 44 | UNWIND_FRAME_ADDRESS(frame + mapping->bias);
    else
        w->is_absolute = 1;
    if (w->registers.flags & UNWIND_EXACT)
        frame |= UNWIND_FRAME_EXACT;
    w->hash = UNWIND_HASH_ADD(w->hash, frame);
    w->stack.frames[index] = frame;
    w->count = index + 1;
}

/* One frame. 1: the walk ends here. */
static long walk_frame(u64 round, struct frames *frames) {
    struct walk *w = frames->walk;
    u64 address = unwind_pc_to_look_up(&w->registers), index = w->count;
    const struct unwind_mapping *mapping;
    (void)round;
    if (!know_mapping(w, address) && !read_mapping(w, address)) {
        w->cut = w->by_pointer ? PROFILE_CUT_POINTER : PROFILE_CUT_NO_MAP;
        return 1;
    }
    mapping = &w->mappings[w->last & (UNWIND_MAPPINGS - 1)];
    opaque(index);
    if (index >= (frames->request & UNWIND_REQUEST_MOST))
        return 1;
    add_frame(w, mapping, frames->request, index);
    int outcome = step(w, mapping, address);
    if (outcome == UNWIND_WENT && w->registers.pc == w->trampoline && K(TASK_UTASK) && !true_return(w))
        outcome = PROFILE_CUT_RULE;
    if (outcome == UNWIND_WENT)
        return 0;
    w->cut = (u64)outcome;
    return 1;
}

/* ---- the whole walk -------------------------------------------------------------------------------------------- */

/* Where the task has uprobes: the trampoline; and if a copy of a probed instruction was just run, the true place. */
static noinline u64 prepare_uprobes(struct walk *w, char *task) {
    char *mm = *(char *volatile *)(task + K(TASK_MM)), *area = *(char *volatile *)(mm + K(MM_XOL));
    char *utask = *(char *volatile *)(task + K(TASK_UTASK));
    if (!area || !utask)
        return 0;
    w->trampoline = *(volatile u64 *)(area + K(XOL_ADDRESS));
    u64 copy = *(volatile u64 *)(utask + K(UTASK_XOL));
    if (copy && copy == w->registers.pc)
        w->registers.pc = *(volatile u64 *)(utask + K(UTASK_ADDRESS));
    return 1;
}

/* Copies what is there of the stack, for user space to go on with the walk. */
static inline void hand_memory(struct walk *w, u64 stamp, u64 address) {
    for (int i = 0; i < UNWIND_MEMORY_PIECES; i++) {
        u64 end = (address | (UNWIND_MEMORY_PIECE - 1)) + 1;
        struct unwind_memory *memory = bpf_ringbuf_reserve(&MAP_ASKED, sizeof *memory, 0);
        if (!memory)
            return;
        u32 size = (u32)(end - address);
        opaque(size);
        if (size > UNWIND_MEMORY_PIECE || bpf_probe_read_user(memory->bytes, size, address)) {
            bpf_ringbuf_discard(memory, 0);
            return;
        }
        memory->stamp = stamp;
        memory->action = UNWIND_ASKED_MEMORY;
        memory->size = sizeof *memory - UNWIND_MEMORY_PIECE + size;
        memory->address = address;
        bpf_ringbuf_submit(memory, 0);
        address = end;
    }
    (void)w;
}

/* Hands the whole walk over, from its first frame. Until user space has told its end, it has an identity of its own. */
static noinline u64 hand_over(struct walk *w, u64 request) {
    struct unwind_handed *handed;
    struct unwind_end *end;
    u64 stamp = bpf_ktime_get_boot_ns();
    w->hash ^= (bpf_get_current_pid_tgid() + 1) * UNWIND_HASH_FACTOR ^ stamp;
    handed = bpf_ringbuf_reserve(&MAP_ASKED, sizeof *handed, 0);
    if (!handed)
        return 0;
    handed->stamp = stamp;
    handed->action = UNWIND_ASKED_WALK;
    handed->size = sizeof *handed;
    handed->tgid = (u32)w->tgid;
    handed->request = (u32)request;
    handed->id = unwind_identity(w->hash, w->cut, w->count, w->tgid);
    handed->trampoline = w->trampoline;
    handed->pc = w->registers.pc;
    handed->sp = w->registers.sp;
    handed->bp = w->registers.bp;
    _Pragma("clang loop unroll(full)") for (int i = 0; i < UNWIND_REGISTERS; i++) handed->registers[i] =
        w->registers.registers[i];
    bpf_ringbuf_submit(handed, 0);
    hand_memory(w, stamp, w->registers.sp);
    end = bpf_ringbuf_reserve(&MAP_ASKED, sizeof *end, 0);
    if (!end)
        return 0;
    end->stamp = stamp;
    end->action = UNWIND_ASKED_END;
    end->size = sizeof *end;
    bpf_ringbuf_submit(end, 0);
    return 1;
}

/* Where user code was interrupted, or left for the kernel. Gives its code segment. */
static noinline u64 first_registers(struct walk *w, const u64 *context, u64 request) {
    char *task = bpf_get_current_task_btf();
    u64 code = 0;
    if (request & UNWIND_REQUEST_CONTEXT)
        code = registers_of_context(w, context);
    if ((code & CODE_USER) != CODE_USER)
        code = registers_of_task(w, task);
    w->registers.flags = UNWIND_EXACT | UNWIND_ALL;
    if (K(TASK_UTASK))
        prepare_uprobes(w, task);
    return code;
}

u64 unwind_kernel_walk(struct walk *w, const u64 *context, u64 request, u64 tgid) {
    char *task = bpf_get_current_task_btf();
    char *mm = *(char *volatile *)(task + K(TASK_MM));
    struct frames frames = {w, request};
    u64 code;

    w->count = w->cut = w->is_absolute = w->by_pointer = w->last = w->next = 0;
    w->hash = UNWIND_HASH_SEED;
    w->tgid = tgid;
    w->trampoline = NO_ADDRESS;
    w->stack.tgid = (u32)tgid;
    w->stack.count = 0;
    w->stack.cut = PROFILE_COMPLETE;
    w->stack.is_unwound = 1;
    _Pragma("clang loop unroll(full)") for (int i = 0; i < UNWIND_MAPPINGS; i++) w->mappings[i].size = 0;
    if (!mm)
        return 0;
    w->mm = (u64)mm;
    w->vdso = *(volatile u64 *)(mm + K(MM_VDSO));
    code = first_registers(w, context, request);
    w->cut = PROFILE_CUT_FOREIGN;
    if (code != CODE_32_BITS) {
        w->cut = PROFILE_CUT_DEPTH; /* unless the walk says how it ended */
        bpf_loop((u32)(request & UNWIND_REQUEST_MOST), walk_frame, &frames, 0);
    }
    if (w->cut == PROFILE_CUT_NOT_READ || w->cut == PROFILE_CUT_RULE) {
        first_registers(w, context, request);
        hand_over(w, request);
        w->is_absolute = 1;
    }
    w->stack.count = (uint16_t)w->count;
    w->stack.cut = (uint8_t)w->cut;
    return unwind_identity(w->hash, w->cut, w->count, w->is_absolute ? w->tgid : 0);
}
